/* ONNX nodes into operators: elementwise functions and reductions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "traces/onnx_import.h"

static bool is_whole(int32_t type)
{
    return type != ONNX_FLOAT && type != ONNX_DOUBLE && type != ONNX_FLOAT16 &&
           type != ONNX_BFLOAT16;
}

/* ---- one operand ---------------------------------------------------------------------------- */

/* Defaults of attributes alpha and beta (Operators.md). */
static void take_constants(const onnx_import *im, spa_op_attrs *a)
{
    switch (a->fn) {
    case SPA_FN_CELU:
    case SPA_FN_ELU:
    case SPA_FN_THRESHOLDED_RELU:
        a->alpha = onnx_attr_float(im, "alpha", 1);
        break;
    case SPA_FN_SELU:
        a->alpha = onnx_attr_float(im, "alpha", 1.67326319217681884765625);
        a->beta = onnx_attr_float(im, "gamma", 1.05070102214813232421875);
        break;
    case SPA_FN_IS_INF:
        a->alpha = (double)onnx_attr_int(im, "detect_positive", 1);
        a->beta = (double)onnx_attr_int(im, "detect_negative", 1);
        break;
    case SPA_FN_SHRINK:
        a->alpha = onnx_attr_float(im, "bias", 0);
        a->beta = onnx_attr_float(im, "lambd", 0.5);
        break;
    default:
        break;
    }
}

static spa_status lower_unary(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    spa_op_attrs attrs = {.fn = onnx_rule_fn(im)};
    int32_t input, index;
    take_constants(im, &attrs);
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(onnx_emit_one(im, SPA_OP_MATH, &attrs, input, &index, err));
    return onnx_set_dims(im, onnx_out(im, 0), index, x->dim, x->rank, x->type, err);
}

/* ---- two operands --------------------------------------------------------------------------- */

static spa_status broadcast(const onnx_import *im, const onnx_value *a, const onnx_value *b,
                            int64_t dims[SPA_MAX_RANK], int32_t *rank, spa_error *err)
{
    *rank = a->rank > b->rank ? a->rank : b->rank;
    if (*rank > SPA_MAX_RANK) return onnx_no_rule(im, err, "%d dimensions", (int)*rank);
    for (int32_t i = 1; i <= *rank; i++) {
        int64_t x = i <= a->rank ? a->dim[a->rank - i] : 1;
        int64_t y = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (x != y && x != 1 && y != 1)
            return onnx_fail(im, SPA_E_INVALID, err, "dimensions of %lld and %lld do not broadcast",
                             (long long)x, (long long)y);
        dims[*rank - i] = x == 1 ? y : x;
        if (dims[*rank - i] == 0) return onnx_no_rule(im, err, "its result is empty");
    }
    return SPA_OK;
}

/* A factor with more digits than a float has, where the file's maker gave them. */
static double exact_factor(const onnx_value *v, double value)
{
    double exact = v->exact != NULL ? strtod(v->exact, NULL) : value;
    return (float)exact == (float)value ? exact : value;
}

static spa_fn exchanged(spa_fn fn)
{
    switch (fn) {
    case SPA_FN_SUB:
    case SPA_FN_DIV:
    case SPA_FN_INT_DIV:
    case SPA_FN_POW:
    case SPA_FN_MOD:
    case SPA_FN_FMOD:
        return fn + 1; /* r... follows */
    case SPA_FN_GREATER:
        return SPA_FN_LESS;
    case SPA_FN_GREATER_EQUAL:
        return SPA_FN_LESS_EQUAL;
    case SPA_FN_LESS:
        return SPA_FN_GREATER;
    case SPA_FN_LESS_EQUAL:
        return SPA_FN_GREATER_EQUAL;
    default:
        return fn;
    }
}

/* What the zoo's kinds can say as well, with their faster kernels: x - constant, x / number, x^2.
 * (x / c becomes x * (1 / c): at most one unit in the last place away.) */
static spa_status emit_as_zoo_kind(onnx_import *im, spa_fn fn, int32_t a, onnx_value *y, bool *done,
                                   int32_t *index, spa_error *err)
{
    spa_op_attrs attrs = {0};
    double number = 0;
    bool is_number = y->rank <= 1 && onnx_scalar(im, y, &number) && isfinite(number);
    *done = true;
    if (fn == SPA_FN_SUB) {
        SPA_TRY(onnx_shape(im, y, &attrs.param_shape, err));
        attrs.param_learned = y->count > 1 && onnx_is_learned(y);
        SPA_TRY(onnx_emit_one(im, SPA_OP_ADD, &attrs, a, index, err));
        return onnx_bind_as(im, *index, 0, &(onnx_param){.scale = -1}, y, err);
    }
    if (fn == SPA_FN_DIV && is_number && number != 0 && !is_whole(y->type)) {
        attrs.alpha = 1 / number;
        if (isfinite((float)attrs.alpha))
            return onnx_emit_one(im, SPA_OP_MUL, &attrs, a, index, err);
    }
    if (fn == SPA_FN_POW && is_number && number == 2)
        return onnx_emit_two(im, SPA_OP_MUL, NULL, a, a, index, err);
    *done = false;
    return SPA_OK;
}

/* x with y; a constant one becomes the parameter. */
static spa_status emit_binary(onnx_import *im, spa_op_kind kind, spa_fn fn, onnx_value *x,
                              onnx_value *y, int32_t *index, spa_error *err)
{
    spa_op_attrs attrs = {.fn = fn};
    int32_t a, b;
    double factor;
    if (onnx_is_const(x) && !onnx_is_const(y) && fn != SPA_FN_PRELU) {
        onnx_value *t = x;
        x = y;
        y = t;
        attrs.fn = exchanged(fn);
    }
    SPA_TRY(onnx_operand(im, x, &a, err));
    if (!onnx_is_const(y)) {
        SPA_TRY(onnx_operand(im, y, &b, err));
        return onnx_emit_two(im, kind, &attrs, a, b, index, err);
    }
    if (kind == SPA_OP_MUL && y->rank <= x->rank && y->rank <= 1 && onnx_scalar(im, y, &factor) &&
        isfinite(factor)) {
        attrs.alpha = exact_factor(y, factor);
        return onnx_emit_one(im, kind, &attrs, a, index, err);
    }
    bool done = false;
    if (y->rank <= x->rank || attrs.fn == SPA_FN_SUB)
        SPA_TRY(emit_as_zoo_kind(im, attrs.fn, a, y, &done, index, err));
    if (done) return SPA_OK;
    SPA_TRY(onnx_shape(im, y, &attrs.param_shape, err));
    attrs.param_learned = y->count > 1 && onnx_is_learned(y);
    SPA_TRY(onnx_emit_one(im, kind, &attrs, a, index, err));
    return onnx_bind(im, *index, 0, y, err);
}

static spa_op_kind kind_of(const onnx_import *im)
{
    const char *op = im->node->op_type;
    if (strcmp(op, "Add") == 0 || strcmp(op, "Sum") == 0 || strcmp(op, "Mean") == 0)
        return SPA_OP_ADD;
    return strcmp(op, "Mul") == 0 ? SPA_OP_MUL : SPA_OP_BINARY;
}

static bool gives_bool(spa_fn fn)
{
    return fn >= SPA_FN_EQUAL && fn <= SPA_FN_XOR;
}

static spa_status lower_binary(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0), *y = onnx_in(im, 1);
    spa_fn fn = onnx_rule_fn(im);
    int64_t dims[SPA_MAX_RANK];
    int32_t rank, index;
    if (y == NULL) return onnx_fail(im, SPA_E_PARSE, err, "its second operand is missing");
    if (fn == SPA_FN_DIV && is_whole(x->type)) fn = SPA_FN_INT_DIV;
    if (fn == SPA_FN_MOD && onnx_attr_int(im, "fmod", 0) != 0) fn = SPA_FN_FMOD;
    if (onnx_find_attr(im, "axis") != NULL && y->rank != x->rank && y->rank != 0)
        return onnx_no_rule(im, err, "its operands are aligned by an axis (opset 6)");
    SPA_TRY(broadcast(im, x, y, dims, &rank, err));
    SPA_TRY(emit_binary(im, kind_of(im), fn, x, y, &index, err));
    return onnx_set_dims(im, onnx_out(im, 0), index, dims, rank,
                         gives_bool(fn) ? ONNX_BOOL : x->type, err);
}

/* A slope per channel is [C,1,1]; it broadcasts in one direction only. */
static spa_status lower_prelu(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0), *slope = onnx_in(im, 1);
    int64_t dims[SPA_MAX_RANK];
    int32_t rank, index;
    if (slope == NULL) return onnx_fail(im, SPA_E_PARSE, err, "its slope is missing");
    SPA_TRY(broadcast(im, x, slope, dims, &rank, err));
    if (rank != x->rank) return onnx_fail(im, SPA_E_INVALID, err, "its slope is larger than x");
    SPA_TRY(emit_binary(im, SPA_OP_BINARY, SPA_FN_PRELU, x, slope, &index, err));
    return onnx_set_dims(im, onnx_out(im, 0), index, dims, rank, x->type, err);
}

/* Sum, mean, min, max of any number of operands, from left to right. */
static spa_status lower_variadic(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    spa_op_kind kind = kind_of(im);
    spa_fn fn = onnx_rule_fn(im);
    int64_t dims[SPA_MAX_RANK];
    int32_t rank = x->rank, index, other;
    size_t n = im->node->n_inputs;
    onnx_value so_far = *x;
    SPA_TRY(onnx_operand(im, x, &index, err));
    for (size_t i = 1; i < n; i++) {
        onnx_value *y = onnx_in(im, i);
        spa_op_attrs attrs = {.fn = fn};
        if (y == NULL) return onnx_fail(im, SPA_E_PARSE, err, "operand %zu is missing", i);
        SPA_TRY(broadcast(im, &so_far, y, dims, &rank, err));
        SPA_TRY(onnx_operand(im, y, &other, err));
        SPA_TRY(onnx_emit_two(im, kind, &attrs, index, other, &index, err));
        so_far.rank = rank;
        memcpy(so_far.dim, dims, sizeof dims);
    }
    spa_op_attrs share = {.alpha = 1.0 / (double)n};
    if (strcmp(im->node->op_type, "Mean") == 0 && n > 1)
        SPA_TRY(onnx_emit_one(im, SPA_OP_MUL, &share, index, &index, err));
    return onnx_set_dims(im, onnx_out(im, 0), index, so_far.dim, rank, x->type, err);
}

static spa_status lower_where(onnx_import *im, spa_error *err)
{
    int64_t dims[SPA_MAX_RANK];
    int32_t rank, inputs[3], index;
    onnx_value *x = onnx_in(im, 1), *y = onnx_in(im, 2);
    if (x == NULL || y == NULL) return onnx_fail(im, SPA_E_PARSE, err, "an operand is missing");
    SPA_TRY(broadcast(im, x, y, dims, &rank, err));
    onnx_value both = {.rank = rank};
    memcpy(both.dim, dims, sizeof dims);
    SPA_TRY(broadcast(im, onnx_in(im, 0), &both, dims, &rank, err));
    for (size_t i = 0; i < 3; i++) SPA_TRY(onnx_operand(im, onnx_in(im, i), &inputs[i], err));
    SPA_TRY(onnx_emit(im, SPA_OP_WHERE, NULL, inputs, 3, NULL, &index, err));
    return onnx_set_dims(im, onnx_out(im, 0), index, dims, rank, x->type, err);
}

/* ---- reductions ----------------------------------------------------------------------------- */

/* Bit i: dimension i goes away. */
static spa_status reduced_axes(onnx_import *im, const onnx_value *x, unsigned *axes, spa_error *err)
{
    const int64_t *list;
    size_t n;
    SPA_TRY(onnx_int_list(im, 1, "axes", &list, &n, err));
    *axes = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t axis;
        SPA_TRY(onnx_axis(im, list[i], x->rank, &axis, err));
        *axes |= 1u << axis;
    }
    if (n == 0 && onnx_attr_int(im, "noop_with_empty_axes", 0) == 0) *axes = (1u << x->rank) - 1;
    return SPA_OK;
}

/* The zoo's own kinds for means: over planes, and over one dimension that goes away. */
static spa_status emit_mean(onnx_import *im, int32_t input, unsigned axes, bool keep, bool *done,
                            int32_t *index, spa_error *err)
{
    spa_shape in = *onnx_shape_of(im, input);
    *done = true;
    if (keep && in.rank == 4 && axes == 12u)
        return onnx_emit_one(im, SPA_OP_GLOBAL_AVG_POOL, NULL, input, index, err);
    for (int32_t i = 0; i < in.rank && !keep && in.rank > 1; i++) {
        spa_op_attrs attrs = {.axis = i};
        if (axes == 1u << i) return onnx_emit_one(im, SPA_OP_MEAN, &attrs, input, index, err);
    }
    *done = false;
    return SPA_OK;
}

static spa_status emit_reduce(onnx_import *im, onnx_value *x, spa_fn fn, unsigned axes, bool keep,
                              int32_t type, spa_error *err)
{
    spa_op_attrs attrs = {.fn = fn};
    spa_shape in, out;
    int64_t dims[SPA_MAX_RANK];
    int32_t rank = 0, input, index;
    bool done = false;
    SPA_TRY(onnx_shape(im, x, &in, err));
    out = in;
    for (int32_t i = 0; i < x->rank; i++) {
        bool reduced = (axes >> i & 1u) != 0;
        if (reduced) out.dim[i] = 1;
        if (!reduced || keep) dims[rank++] = out.dim[i];
    }
    SPA_TRY(onnx_operand(im, x, &input, err));
    if (fn == SPA_FN_AVERAGE) SPA_TRY(emit_mean(im, input, axes, keep, &done, &index, err));
    if (!done) SPA_TRY(onnx_emit(im, SPA_OP_REDUCE, &attrs, &input, 1, &out, &index, err));
    return onnx_set_dims(im, onnx_out(im, 0), index, dims, rank, type, err);
}

static spa_status lower_reduce(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    unsigned axes;
    if (x->rank > SPA_MAX_RANK) return onnx_no_rule(im, err, "%d dimensions", (int)x->rank);
    SPA_TRY(reduced_axes(im, x, &axes, err));
    return emit_reduce(im, x, onnx_rule_fn(im), axes, onnx_attr_int(im, "keepdims", 1) != 0,
                       x->type, err);
}

static spa_status lower_arg(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    spa_fn fn = onnx_rule_fn(im);
    int32_t axis;
    SPA_TRY(onnx_axis(im, onnx_attr_int(im, "axis", 0), x->rank, &axis, err));
    if (onnx_attr_int(im, "select_last_index", 0) != 0) fn += 2; /* ..._LAST */
    return emit_reduce(im, x, fn, 1u << axis, onnx_attr_int(im, "keepdims", 1) != 0, ONNX_INT64,
                       err);
}

const onnx_rule onnx_rules_math[] = {
    {"Abs", lower_unary, SPA_FN_ABS},
    {"Acos", lower_unary, SPA_FN_ACOS},
    {"Acosh", lower_unary, SPA_FN_ACOSH},
    {"Asin", lower_unary, SPA_FN_ASIN},
    {"Asinh", lower_unary, SPA_FN_ASINH},
    {"Atan", lower_unary, SPA_FN_ATAN},
    {"Atanh", lower_unary, SPA_FN_ATANH},
    {"Ceil", lower_unary, SPA_FN_CEIL},
    {"Celu", lower_unary, SPA_FN_CELU},
    {"Cos", lower_unary, SPA_FN_COS},
    {"Cosh", lower_unary, SPA_FN_COSH},
    {"Elu", lower_unary, SPA_FN_ELU},
    {"Erf", lower_unary, SPA_FN_ERF},
    {"Exp", lower_unary, SPA_FN_EXP},
    {"Floor", lower_unary, SPA_FN_FLOOR},
    {"IsInf", lower_unary, SPA_FN_IS_INF},
    {"IsNaN", lower_unary, SPA_FN_IS_NAN},
    {"Log", lower_unary, SPA_FN_LOG},
    {"Mish", lower_unary, SPA_FN_MISH},
    {"Neg", lower_unary, SPA_FN_NEG},
    {"Not", lower_unary, SPA_FN_NOT},
    {"Reciprocal", lower_unary, SPA_FN_RECIPROCAL},
    {"Round", lower_unary, SPA_FN_ROUND},
    {"Selu", lower_unary, SPA_FN_SELU},
    {"Shrink", lower_unary, SPA_FN_SHRINK},
    {"Sign", lower_unary, SPA_FN_SIGN},
    {"Sin", lower_unary, SPA_FN_SIN},
    {"Sinh", lower_unary, SPA_FN_SINH},
    {"Softplus", lower_unary, SPA_FN_SOFTPLUS},
    {"Softsign", lower_unary, SPA_FN_SOFTSIGN},
    {"Sqrt", lower_unary, SPA_FN_SQRT},
    {"Tan", lower_unary, SPA_FN_TAN},
    {"Tanh", lower_unary, SPA_FN_TANH},
    {"ThresholdedRelu", lower_unary, SPA_FN_THRESHOLDED_RELU},
    {"Add", lower_binary, SPA_FN_NONE},
    {"Mul", lower_binary, SPA_FN_NONE},
    {"Sub", lower_binary, SPA_FN_SUB},
    {"Div", lower_binary, SPA_FN_DIV},
    {"Pow", lower_binary, SPA_FN_POW},
    {"Mod", lower_binary, SPA_FN_MOD},
    {"Equal", lower_binary, SPA_FN_EQUAL},
    {"Greater", lower_binary, SPA_FN_GREATER},
    {"GreaterOrEqual", lower_binary, SPA_FN_GREATER_EQUAL},
    {"Less", lower_binary, SPA_FN_LESS},
    {"LessOrEqual", lower_binary, SPA_FN_LESS_EQUAL},
    {"And", lower_binary, SPA_FN_AND},
    {"Or", lower_binary, SPA_FN_OR},
    {"Xor", lower_binary, SPA_FN_XOR},
    {"PRelu", lower_prelu, SPA_FN_PRELU},
    {"Sum", lower_variadic, SPA_FN_NONE},
    {"Mean", lower_variadic, SPA_FN_NONE},
    {"Min", lower_variadic, SPA_FN_MIN},
    {"Max", lower_variadic, SPA_FN_MAX},
    {"Where", lower_where, SPA_FN_NONE},
    {"ReduceSum", lower_reduce, SPA_FN_SUM},
    {"ReduceMean", lower_reduce, SPA_FN_AVERAGE},
    {"ReduceMax", lower_reduce, SPA_FN_LARGEST},
    {"ReduceMin", lower_reduce, SPA_FN_LEAST},
    {"ReduceProd", lower_reduce, SPA_FN_PRODUCT},
    {"ReduceL1", lower_reduce, SPA_FN_L1},
    {"ReduceL2", lower_reduce, SPA_FN_L2},
    {"ReduceLogSum", lower_reduce, SPA_FN_LOG_SUM},
    {"ReduceLogSumExp", lower_reduce, SPA_FN_LOG_SUM_EXP},
    {"ReduceSumSquare", lower_reduce, SPA_FN_SUM_SQUARE},
    {"ArgMax", lower_arg, SPA_FN_ARG_MAX},
    {"ArgMin", lower_arg, SPA_FN_ARG_MIN},
    {NULL, NULL, SPA_FN_NONE},
};
