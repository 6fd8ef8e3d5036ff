/* Operators: kinds, attributes, parameters and derived costs. The one place where MACs, bytes and
 * parameters come from.
 *
 * What is counted
 *   macs   multiply-accumulates of convolutions, linear layers and matrix products, attention
 *          included; without bias additions. This is what torchvision publishes as GFLOPS of its
 *          weights (one multiply-add = one operation; 17.564 for ViT-B/16 includes 0.715 of
 *          attention). Everything else has 0.
 *   flops  additions, multiplications, comparisons and elementary functions of all other kinds,
 *          one each; 0 where macs is not, and 0 for data movement. Of a fused operator also those
 *          of its steps; a folded batch norm costs none.
 *   bytes  bytes_in: the input tensors (of a slice: what it reads); bytes_out: the output tensor,
 *          which is also what a transfer to a consumer moves; bytes_weight: learned and constant
 *          tensors. All in the graph's dtype. A reshape has the bytes of its tensor though it is
 *          a view: that it is free is for the cost model to know, by kind. */
#include "traces/operator.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

typedef struct kind_rule {
    const char *name;
    unsigned uses;
    size_t min_in, max_in;
    int flops_per_output; /* elementwise kinds; windows and reductions are computed */
} kind_rule;

#define CONV_USES                                                                                  \
    (SPA_USES_KERNEL | SPA_USES_STRIDE | SPA_USES_PADS | SPA_USES_DILATION | SPA_USES_GROUPS |     \
     SPA_USES_BIAS)
#define POOL_USES (SPA_USES_KERNEL | SPA_USES_STRIDE | SPA_USES_PADS | SPA_USES_CEIL)

static const kind_rule rules[SPA_OP_KIND_COUNT] = {
    [SPA_OP_CONV] = {"conv", CONV_USES, 1, 1, 0},
    [SPA_OP_LINEAR] = {"linear", SPA_USES_BIAS, 1, 1, 0},
    [SPA_OP_MATMUL] = {"matmul", SPA_USES_TRANSPOSE_B, 2, 2, 0},
    /* scale and shift, both with mean and variance folded in */
    [SPA_OP_BATCH_NORM] = {"batch_norm", 0, 1, 1, 2},
    /* mean; difference, square, sum; by the deviation; scale, shift */
    [SPA_OP_LAYER_NORM] = {"layer_norm", SPA_USES_ALPHA, 1, 1, 7},
    [SPA_OP_RELU] = {"relu", 0, 1, 1, 1},
    [SPA_OP_RELU6] = {"relu6", 0, 1, 1, 2},
    [SPA_OP_LEAKY_RELU] = {"leaky_relu", SPA_USES_ALPHA, 1, 1, 2},
    /* x * (min(max(x + 3, 0), 6) * (1/6)) */
    [SPA_OP_HARD_SWISH] = {"hard_swish", 0, 1, 1, 5},
    [SPA_OP_HARD_SIGMOID] = {"hard_sigmoid", 0, 1, 1, 4},
    /* 1 / (1 + exp(-x)) */
    [SPA_OP_SIGMOID] = {"sigmoid", 0, 1, 1, 4},
    /* 0.5 * x * (1 + erf(x * (1/sqrt 2))) */
    [SPA_OP_GELU] = {"gelu", 0, 1, 1, 5},
    /* maximum, difference, exp, sum, quotient */
    [SPA_OP_SOFTMAX] = {"softmax", 0, 1, 1, 5},
    [SPA_OP_MAX_POOL] = {"max_pool", POOL_USES, 1, 1, 0},
    [SPA_OP_AVG_POOL] = {"avg_pool", POOL_USES, 1, 1, 0},
    [SPA_OP_GLOBAL_AVG_POOL] = {"global_avg_pool", 0, 1, 1, 0},
    [SPA_OP_MEAN] = {"mean", SPA_USES_AXIS, 1, 1, 0},
    [SPA_OP_ADD] = {"add", SPA_USES_PARAM, 1, 2, 1},
    [SPA_OP_MUL] = {"mul", SPA_USES_PARAM | SPA_USES_ALPHA, 1, 2, 1},
    [SPA_OP_CONCAT] = {"concat", SPA_USES_AXIS | SPA_USES_PARAM, 1, SPA_MAX_OP_INPUTS, 0},
    [SPA_OP_SLICE] = {"slice", SPA_USES_BEGIN | SPA_USES_STEP, 1, 1, 0},
    [SPA_OP_PAD] = {"pad", SPA_USES_BEGIN, 1, 1, 0},
    [SPA_OP_ROLL] = {"roll", SPA_USES_BEGIN, 1, 1, 0},
    [SPA_OP_RESHAPE] = {"reshape", 0, 1, 1, 0},
    [SPA_OP_TRANSPOSE] = {"transpose", SPA_USES_PERM, 1, 1, 0},
    [SPA_OP_GATHER] = {"gather", SPA_USES_PARAM, 0, 0, 0},
    [SPA_OP_UPSAMPLE] = {"upsample", SPA_USES_STRIDE, 1, 1, 0},
    [SPA_OP_HOST] = {"host", 0, 0, SPA_MAX_OP_INPUTS, 0},
    [SPA_OP_OTHER] = {"other", 0, 0, SPA_MAX_OP_INPUTS, 0},
    [SPA_OP_MATH] = {"math", SPA_USES_FN | SPA_USES_ALPHA | SPA_USES_BETA, 1, 1, 1},
    [SPA_OP_BINARY] = {"binary", SPA_USES_FN | SPA_USES_ALPHA | SPA_USES_PARAM, 1, 2, 1},
    [SPA_OP_REDUCE] = {"reduce", SPA_USES_FN, 1, 1, 0},
    [SPA_OP_TAKE] = {"take", SPA_USES_AXIS | SPA_USES_PARAM, 1, 2, 0},
    [SPA_OP_EMBED] = {"embed", SPA_USES_PARAM, 1, 1, 0},
    [SPA_OP_EXPAND] = {"expand", 0, 1, 1, 0},
    [SPA_OP_WHERE] = {"where", 0, 3, 3, 1},
    [SPA_OP_CONSTANT] = {"constant", SPA_USES_PARAM, 0, 0, 0},
};

/* ---- names --------------------------------------------------------------------------------- */

const char *spa_op_kind_name(spa_op_kind kind)
{
    return (unsigned)kind < SPA_OP_KIND_COUNT ? rules[kind].name : "?";
}

bool spa_op_kind_divides(spa_op_kind kind)
{
    switch (kind) {
    case SPA_OP_CONCAT: /* pieces of the output are scattered over the inputs, or there is */
    case SPA_OP_SLICE:  /* nothing to gain */
    case SPA_OP_PAD:
    case SPA_OP_ROLL:
    case SPA_OP_RESHAPE:
    case SPA_OP_TRANSPOSE:
    case SPA_OP_GATHER:
    case SPA_OP_HOST: /* nothing is known of what they do */
    case SPA_OP_OTHER:
    case SPA_OP_MATH: /* no part of them was needed yet */
    case SPA_OP_BINARY:
    case SPA_OP_REDUCE:
    case SPA_OP_TAKE:
    case SPA_OP_EMBED:
    case SPA_OP_EXPAND:
    case SPA_OP_WHERE:
    case SPA_OP_CONSTANT:
    case SPA_OP_KIND_COUNT:
        return false;
    default:
        return true;
    }
}

bool spa_op_kind_from_name(const char *name, spa_op_kind *kind)
{
    for (int k = 0; k < SPA_OP_KIND_COUNT; k++) {
        if (strcmp(name, rules[k].name) == 0) {
            *kind = (spa_op_kind)k;
            return true;
        }
    }
    return false;
}

unsigned spa_op_kind_uses(spa_op_kind kind)
{
    return rules[kind].uses;
}

static const char *const origin_names[] = {
    [SPA_ORIGIN_UNKNOWN] = "unknown",   [SPA_ORIGIN_ASSUMED] = "assumed",
    [SPA_ORIGIN_MODELLED] = "modelled", [SPA_ORIGIN_IMPORTED] = "imported",
    [SPA_ORIGIN_MEASURED] = "measured",
};

const char *spa_origin_name(spa_origin origin)
{
    return (unsigned)origin <= SPA_ORIGIN_MEASURED ? origin_names[origin] : "?";
}

bool spa_origin_from_name(const char *name, spa_origin *origin)
{
    for (int i = 0; i <= SPA_ORIGIN_MEASURED; i++) {
        if (strcmp(name, origin_names[i]) == 0) {
            *origin = (spa_origin)i;
            return true;
        }
    }
    return false;
}

size_t spa_dtype_bytes(spa_dtype dtype)
{
    return dtype == SPA_FP16 ? 2 : 4;
}

const char *spa_dtype_name(spa_dtype dtype)
{
    return dtype == SPA_FP16 ? "fp16" : "fp32";
}

/* ---- shapes -------------------------------------------------------------------------------- */

int64_t spa_shape_elements(const spa_shape *shape)
{
    int64_t n = 1;
    for (int32_t i = 0; i < shape->rank; i++) n *= shape->dim[i];
    return n;
}

bool spa_shape_equal(const spa_shape *a, const spa_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

const char *spa_shape_text(const spa_shape *shape, char text[SPA_SHAPE_TEXT])
{
    size_t used = 0;
    text[0] = '\0';
    for (int32_t i = 0; i < shape->rank && i < SPA_MAX_RANK; i++) {
        int n = snprintf(text + used, SPA_SHAPE_TEXT - used, "%s%d", i > 0 ? "x" : "",
                         (int)shape->dim[i]);
        used += (size_t)n;
    }
    return text;
}

spa_status spa_shape_check(const spa_shape *shape, const char *what, spa_error *err)
{
    if (shape->rank < 1 || shape->rank > SPA_MAX_RANK)
        return spa_fail(err, SPA_E_RANGE, "%s has %d dimensions; 1 to %d are possible", what,
                        (int)shape->rank, SPA_MAX_RANK);
    int64_t n = 1;
    for (int32_t i = 0; i < shape->rank; i++) {
        int64_t d = shape->dim[i];
        if (d < 1 || d > SPA_MAX_DIM)
            return spa_fail(err, SPA_E_RANGE, "%s: dimension %d is %lld; 1 to %lld are possible",
                            what, (int)i, (long long)d, (long long)SPA_MAX_DIM);
        if (n > SPA_MAX_ELEMENTS / d)
            return spa_fail(err, SPA_E_RANGE, "%s has more than 2^40 elements", what);
        n *= d;
    }
    return SPA_OK;
}

/* ---- attributes ---------------------------------------------------------------------------- */

static spa_status fail_unused(const spa_op_request *r, const char *attribute, spa_error *err)
{
    return spa_fail(err, SPA_E_INVALID, "operator '%s': kind %s has no attribute %s; leave it 0",
                    r->name, spa_op_kind_name(r->kind), attribute);
}

static bool all_zero(const int32_t *values, int32_t from)
{
    for (int32_t i = from; i < SPA_MAX_RANK; i++)
        if (values[i] != 0) return false;
    return true;
}

/* What a kind does not use must be 0: otherwise it would change the hash but not the file. */
static spa_status check_unused(const spa_op_request *r, spa_error *err)
{
    const spa_op_attrs *a = &r->attrs;
    unsigned unused = ~rules[r->kind].uses;
    const struct {
        unsigned bit;
        bool set;
        const char *name;
    } table[] = {
        {SPA_USES_KERNEL, a->kernel_h != 0 || a->kernel_w != 0, "kernel"},
        {SPA_USES_STRIDE, a->stride_h != 0 || a->stride_w != 0, "stride"},
        {SPA_USES_PADS,
         a->pad_top != 0 || a->pad_left != 0 || a->pad_bottom != 0 || a->pad_right != 0, "pad"},
        {SPA_USES_DILATION, a->dilation_h != 0 || a->dilation_w != 0, "dilation"},
        {SPA_USES_GROUPS, a->groups != 0, "groups"},
        {SPA_USES_BIAS, a->has_bias, "has_bias"},
        {SPA_USES_CEIL, a->ceil_mode, "ceil_mode"},
        {SPA_USES_AXIS, a->axis != 0, "axis"},
        {SPA_USES_BEGIN, !all_zero(a->begin, 0), "begin"},
        {SPA_USES_STEP, !all_zero(a->step, 0), "step"},
        {SPA_USES_PERM, !all_zero(a->perm, 0), "perm"},
        {SPA_USES_TRANSPOSE_B, a->transpose_b, "transpose_b"},
        {SPA_USES_PARAM, a->param_shape.rank != 0 || a->param_learned, "param_shape"},
        {SPA_USES_ALPHA, a->alpha != 0, "alpha"},
        {SPA_USES_BETA, a->beta != 0, "beta"},
        {SPA_USES_FN, a->fn != SPA_FN_NONE, "fn"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if ((table[i].bit & unused) != 0 && table[i].set) return fail_unused(r, table[i].name, err);
    return SPA_OK;
}

static spa_status check_bounds(const spa_op_request *r, const char *attribute, int32_t value,
                               int32_t min, spa_error *err)
{
    if (value >= min && value <= SPA_MAX_DIM) return SPA_OK;
    return spa_fail(err, SPA_E_RANGE, "operator '%s' (%s): %s is %d; %d to %d are possible",
                    r->name, spa_op_kind_name(r->kind), attribute, (int)value, (int)min,
                    (int)SPA_MAX_DIM);
}

static spa_status check_window(const spa_op_request *r, spa_error *err)
{
    const spa_op_attrs *a = &r->attrs;
    unsigned uses = rules[r->kind].uses;
    if ((uses & SPA_USES_KERNEL) != 0) {
        SPA_TRY(check_bounds(r, "kernel_h", a->kernel_h, 1, err));
        SPA_TRY(check_bounds(r, "kernel_w", a->kernel_w, 1, err));
    }
    if ((uses & SPA_USES_STRIDE) != 0) {
        SPA_TRY(check_bounds(r, "stride_h", a->stride_h, 1, err));
        SPA_TRY(check_bounds(r, "stride_w", a->stride_w, 1, err));
    }
    if ((uses & SPA_USES_DILATION) != 0) {
        SPA_TRY(check_bounds(r, "dilation_h", a->dilation_h, 1, err));
        SPA_TRY(check_bounds(r, "dilation_w", a->dilation_w, 1, err));
    }
    if ((uses & SPA_USES_PADS) != 0) {
        SPA_TRY(check_bounds(r, "pad_top", a->pad_top, 0, err));
        SPA_TRY(check_bounds(r, "pad_left", a->pad_left, 0, err));
        SPA_TRY(check_bounds(r, "pad_bottom", a->pad_bottom, 0, err));
        SPA_TRY(check_bounds(r, "pad_right", a->pad_right, 0, err));
    }
    if ((uses & SPA_USES_GROUPS) != 0) SPA_TRY(check_bounds(r, "groups", a->groups, 1, err));
    return SPA_OK;
}

static void normalise(spa_op_request *r)
{
    spa_op_attrs *a = &r->attrs;
    if (r->kind == SPA_OP_MAX_POOL || r->kind == SPA_OP_AVG_POOL) {
        if (a->dilation_h == 1) a->dilation_h = 0;
        if (a->dilation_w == 1) a->dilation_w = 0;
    }
    for (int i = 0; i < SPA_MAX_RANK; i++)
        if (a->step[i] == 1) a->step[i] = 0;
    if (a->alpha == 0) a->alpha = 0.0; /* -0.0 */
    if (a->beta == 0) a->beta = 0.0;
    for (int32_t i = a->param_shape.rank < 0 ? 0 : a->param_shape.rank; i < SPA_MAX_RANK; i++)
        a->param_shape.dim[i] = 0;
}

/* add, mul: two inputs, or one and a parameter; mul also one and a scalar. */
static spa_status check_operands(const spa_op_request *r, spa_error *err)
{
    const spa_op_attrs *a = &r->attrs;
    bool has_param = a->param_shape.rank != 0;
    size_t n_in = r->n_in - spa_steps_operands(r->steps, r->n_steps);
    const char *kind = spa_op_kind_name(r->kind);
    if (n_in == 2 && has_param)
        return spa_fail(err, SPA_E_INVALID,
                        "operator '%s' (%s): two inputs and a parameter; drop one", r->name, kind);
    if (n_in == 1 && !has_param && r->kind != SPA_OP_MUL)
        return spa_fail(err, SPA_E_INVALID,
                        "operator '%s' (%s): one input and no parameter; give a second operand",
                        r->name, kind);
    if (r->kind == SPA_OP_MUL && a->alpha != 0 && (n_in == 2 || has_param))
        return spa_fail(err, SPA_E_INVALID,
                        "operator '%s' (mul): a second operand and a scalar alpha; drop one",
                        r->name);
    return SPA_OK;
}

bool spa_op_kind_is_reduction(spa_op_kind kind)
{
    return kind == SPA_OP_GLOBAL_AVG_POOL || kind == SPA_OP_MEAN || kind == SPA_OP_SOFTMAX ||
           kind == SPA_OP_LAYER_NORM;
}

bool spa_op_kind_is_elementwise(spa_op_kind kind)
{
    switch (kind) {
    case SPA_OP_BATCH_NORM:
    case SPA_OP_RELU:
    case SPA_OP_RELU6:
    case SPA_OP_LEAKY_RELU:
    case SPA_OP_HARD_SWISH:
    case SPA_OP_HARD_SIGMOID:
    case SPA_OP_SIGMOID:
    case SPA_OP_GELU:
    case SPA_OP_ADD:
    case SPA_OP_MUL:
        return true;
    default:
        return false;
    }
}

int64_t spa_steps_flops(const spa_op *op)
{
    int64_t flops = 0;
    for (uint32_t i = 0; i < op->n_steps; i++)
        if (op->steps[i].kind != SPA_OP_BATCH_NORM)
            flops += rules[op->steps[i].kind].flops_per_output;
    return flops;
}

spa_status spa_op_check(spa_op_request *r, spa_error *err)
{
    if ((unsigned)r->kind >= SPA_OP_KIND_COUNT)
        return spa_fail(err, SPA_E_INVALID, "operator '%s': no such kind (%d)", r->name,
                        (int)r->kind);
    const kind_rule *rule = &rules[r->kind];
    size_t operands = spa_steps_operands(r->steps, r->n_steps);
    if (r->n_in < rule->min_in + operands || r->n_in > rule->max_in + operands)
        return spa_fail(err, SPA_E_INVALID, "operator '%s' (%s): %zu inputs; it takes %zu to %zu",
                        r->name, rule->name, r->n_in, rule->min_in + operands,
                        rule->max_in + operands);
    normalise(r);
    SPA_TRY(check_unused(r, err));
    SPA_TRY(check_window(r, err));
    if (!isfinite(r->attrs.alpha) || !isfinite(r->attrs.beta))
        return spa_fail(err, SPA_E_RANGE, "operator '%s' (%s): alpha or beta is not finite",
                        r->name, rule->name);
    if (r->kind == SPA_OP_LAYER_NORM && r->attrs.alpha < 0)
        return spa_fail(err, SPA_E_RANGE, "operator '%s' (layer_norm): epsilon %g is below 0",
                        r->name, r->attrs.alpha);
    if ((rule->uses & SPA_USES_FN) != 0 && !spa_fn_fits(r->attrs.fn, r->kind))
        return spa_fail(err, SPA_E_INVALID, "operator '%s' (%s): '%s' is no function of this kind",
                        r->name, rule->name, spa_fn_name(r->attrs.fn));
    if (r->attrs.param_shape.rank != 0) {
        char what[300];
        snprintf(what, sizeof what, "operator '%.200s' (%s): its parameter", r->name, rule->name);
        SPA_TRY(spa_shape_check(&r->attrs.param_shape, what, err));
    } else if (r->attrs.param_learned) {
        return spa_fail(err, SPA_E_INVALID, "operator '%s' (%s): param_learned without param_shape",
                        r->name, rule->name);
    }
    if (r->kind == SPA_OP_ADD || r->kind == SPA_OP_MUL || r->kind == SPA_OP_BINARY ||
        r->kind == SPA_OP_TAKE)
        SPA_TRY(check_operands(r, err));
    if ((r->kind == SPA_OP_EMBED || r->kind == SPA_OP_CONSTANT) && r->attrs.param_shape.rank == 0)
        return spa_fail(err, SPA_E_INVALID, "operator '%s' (%s): it needs a parameter", r->name,
                        rule->name);
    return SPA_OK;
}

/* ---- parameters ---------------------------------------------------------------------------- */

static spa_op_param vector_param(int32_t n, bool learned, const char *role)
{
    return (spa_op_param){.shape = {1, {n}}, .learned = learned, .role = role};
}

static size_t own_params(const spa_graph *graph, const spa_op *op,
                         spa_op_param params[SPA_MAX_PARAMS])
{
    const spa_op_attrs *a = &op->attrs;
    const spa_shape *in = op->n_inputs > 0 ? spa_graph_input_shape(graph, op, 0) : NULL;
    switch (op->kind) {
    case SPA_OP_CONV:
        params[0] = (spa_op_param){
            .shape = {4, {op->out.dim[1], in->dim[1] / a->groups, a->kernel_h, a->kernel_w}},
            .learned = true,
            .role = "weight"};
        if (a->has_bias) params[1] = vector_param(op->out.dim[1], true, "bias");
        return a->has_bias ? 2 : 1;
    case SPA_OP_LINEAR: {
        int32_t m = op->out.dim[op->out.rank - 1], k = in->dim[in->rank - 1];
        params[0] = (spa_op_param){.shape = {2, {m, k}}, .learned = true, .role = "weight"};
        if (a->has_bias) params[1] = vector_param(m, true, "bias");
        return a->has_bias ? 2 : 1;
    }
    case SPA_OP_BATCH_NORM:
        params[0] = vector_param(in->dim[1], true, "scale");
        params[1] = vector_param(in->dim[1], true, "shift");
        params[2] = vector_param(in->dim[1], false, "mean");
        params[3] = vector_param(in->dim[1], false, "variance");
        return 4;
    case SPA_OP_LAYER_NORM:
        params[0] = vector_param(in->dim[in->rank - 1], true, "scale");
        params[1] = vector_param(in->dim[in->rank - 1], true, "shift");
        return 2;
    case SPA_OP_ADD:
    case SPA_OP_MUL:
    case SPA_OP_CONCAT:
    case SPA_OP_GATHER:
    case SPA_OP_BINARY:
    case SPA_OP_TAKE:
    case SPA_OP_EMBED:
    case SPA_OP_CONSTANT:
        if (a->param_shape.rank == 0) return 0;
        params[0] = (spa_op_param){
            .shape = a->param_shape, .learned = a->param_learned, .role = "constant"};
        return 1;
    default:
        return 0;
    }
}

size_t spa_op_params(const spa_graph *graph, const spa_op *op, spa_op_param params[SPA_MAX_PARAMS])
{
    return spa_steps_params(op, params, own_params(graph, op, params));
}

/* ---- derived costs ------------------------------------------------------------------------- */

static spa_status fail_overflow(const spa_op *op, const char *what, spa_error *err)
{
    return spa_fail(err, SPA_E_RANGE, "operator '%s' (%s): %s do not fit 64 bits", op->name,
                    spa_op_kind_name(op->kind), what);
}

/* Multiply-accumulates per output element. */
static bool macs_per_output(const spa_graph *graph, const spa_op *op, int64_t *per_output)
{
    const spa_op_attrs *a = &op->attrs;
    const spa_shape *in = op->n_inputs > 0 ? spa_graph_input_shape(graph, op, 0) : NULL;
    switch (op->kind) {
    case SPA_OP_CONV:
        return spa_mul_i64((int64_t)a->kernel_h * a->kernel_w, in->dim[1] / a->groups, per_output);
    case SPA_OP_LINEAR:
    case SPA_OP_MATMUL:
        *per_output = in->dim[in->rank - 1];
        return true;
    default:
        *per_output = 0;
        return true;
    }
}

static bool other_flops(const spa_graph *graph, const spa_op *op, int64_t *flops)
{
    int64_t out = spa_shape_elements(&op->out);
    switch (op->kind) {
    case SPA_OP_MAX_POOL:
    case SPA_OP_AVG_POOL:
        return spa_mul_i64(out, (int64_t)op->attrs.kernel_h * op->attrs.kernel_w, flops);
    case SPA_OP_GLOBAL_AVG_POOL:
    case SPA_OP_MEAN:
    case SPA_OP_REDUCE:
        *flops = spa_shape_elements(spa_graph_input_shape(graph, op, 0));
        return true;
    default:
        *flops = out * rules[op->kind].flops_per_output; /* <= 2^40 * 7 */
        return true;
    }
}

spa_status spa_op_derive(const spa_graph *graph, spa_op *op, spa_error *err)
{
    int64_t width = (int64_t)spa_dtype_bytes(graph->dtype);
    int64_t out = spa_shape_elements(&op->out), per_output;
    if (!macs_per_output(graph, op, &per_output) || !spa_mul_i64(out, per_output, &op->macs))
        return fail_overflow(op, "its MACs", err);
    if (!other_flops(graph, op, &op->flops)) return fail_overflow(op, "its operations", err);
    int64_t elements = out; /* that steps work on */
    if (op->n_steps > 0 && spa_op_kind_is_reduction(op->kind))
        elements = spa_shape_elements(spa_graph_input_shape(graph, op, 0));
    op->flops += elements * spa_steps_flops(op); /* <= 2^40 * 7 * 9 */

    op->bytes_out = out * width;
    op->bytes_in = 0;
    for (uint32_t i = 0; i < op->n_inputs; i++) /* <= 64 * 2^40 * 4 */
        op->bytes_in += spa_shape_elements(spa_graph_input_shape(graph, op, i)) * width;
    if (op->kind == SPA_OP_SLICE) op->bytes_in = op->bytes_out;
    if (op->kind == SPA_OP_TAKE) { /* what it takes, and the indices */
        op->bytes_in = op->bytes_out;
        if (op->n_inputs == 2)
            op->bytes_in += spa_shape_elements(spa_graph_input_shape(graph, op, 1)) * width;
    }

    spa_op_param params[SPA_MAX_PARAMS];
    size_t n_params = spa_op_params(graph, op, params);
    op->bytes_weight = 0;
    op->n_learned = 0;
    for (size_t i = 0; i < n_params; i++) {
        char what[300];
        snprintf(what, sizeof what, "operator '%.200s': its %s", op->name, params[i].role);
        SPA_TRY(spa_shape_check(&params[i].shape, what, err));
        int64_t n = spa_shape_elements(&params[i].shape);
        op->bytes_weight += n * width;
        if (params[i].learned) op->n_learned += n;
    }
    if (op->kind == SPA_OP_EMBED) op->bytes_weight = op->bytes_out; /* the rows it reads */
    return SPA_OK;
}
