/* Functions of the generic operator kinds, by name. */
#include <string.h>

#include "traces/graph.h"

static const char *const names[SPA_FN_COUNT] = {
    "",
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "celu",
    "clip",
    "cos",
    "cosh",
    "elu",
    "erf",
    "exp",
    "floor",
    "gelu_tanh",
    "hard_sigmoid_ab",
    "is_inf",
    "is_nan",
    "log",
    "mish",
    "neg",
    "non_zero",
    "not",
    "reciprocal",
    "round",
    "selu",
    "shrink",
    "sign",
    "sin",
    "sinh",
    "softplus",
    "softsign",
    "sqrt",
    "tan",
    "tanh",
    "thresholded_relu",
    "trunc",
    "sub",
    "rsub",
    "div",
    "rdiv",
    "int_div",
    "rint_div",
    "pow",
    "rpow",
    "mod",
    "rmod",
    "fmod",
    "rfmod",
    "min",
    "max",
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "and",
    "or",
    "xor",
    "prelu",
    "lrn",
    "sum",
    "average",
    "largest",
    "least",
    "product",
    "l1",
    "l2",
    "log_sum",
    "log_sum_exp",
    "sum_square",
    "arg_max",
    "arg_min",
    "arg_max_last",
    "arg_min_last",
};

const char *spa_fn_name(spa_fn fn)
{
    return (unsigned)fn < SPA_FN_COUNT ? names[fn] : "?";
}

bool spa_fn_from_name(const char *name, spa_fn *fn)
{
    for (int i = 1; i < SPA_FN_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            *fn = (spa_fn)i;
            return true;
        }
    }
    return false;
}

bool spa_fn_fits(spa_fn fn, spa_op_kind kind)
{
    switch (kind) {
    case SPA_OP_MATH:
        return fn >= SPA_FN_ABS && fn <= SPA_FN_TRUNC;
    case SPA_OP_BINARY:
        return fn >= SPA_FN_SUB && fn <= SPA_FN_LRN;
    case SPA_OP_REDUCE:
        return fn >= SPA_FN_SUM && fn < SPA_FN_COUNT;
    default:
        return fn == SPA_FN_NONE;
    }
}
