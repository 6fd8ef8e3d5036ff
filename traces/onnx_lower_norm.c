/* ONNX nodes into operators: norms, softmax and activations. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "traces/onnx_import.h"

#define NORM_EPSILON 1e-5 /* what kernels add to a variance */

/* The output has the input's shape. */
static spa_status set_same(onnx_import *im, const onnx_value *x, int32_t index, spa_error *err)
{
    return onnx_set_dims(im, onnx_out(im, 0), index, x->dim, x->rank, x->type, err);
}

static spa_status need_consts(onnx_import *im, size_t from, size_t to, int64_t count,
                              spa_error *err)
{
    for (size_t i = from; i < to; i++) {
        const onnx_value *v = onnx_in(im, i);
        if (v == NULL) return onnx_fail(im, SPA_E_PARSE, err, "input %zu is missing", i);
        if (!onnx_can_be_const(v))
            return onnx_no_rule(im, err, "its input '%.100s' is known at run time only", v->name);
        if (v->count != count)
            return onnx_fail(im, SPA_E_INVALID, err, "'%.100s' has %lld values instead of %lld",
                             v->name, (long long)v->count, (long long)count);
    }
    return SPA_OK;
}

/* A kernel adds 1e-5 to the variance: what the file adds beyond that is in the values. */
static spa_status lower_batch_norm(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    double epsilon = onnx_attr_float(im, "epsilon", (double)1e-5f);
    int32_t input, index;
    if (x == NULL || x->rank < 2) return onnx_no_rule(im, err, "it needs channels");
    for (size_t i = 1; i < im->node->n_outputs; i++) {
        const onnx_value *v = onnx_out(im, i);
        if (v != NULL && (v->uses > 0 || v->is_output))
            return onnx_no_rule(im, err, "its statistics are used (training)");
    }
    if (onnx_attr_int(im, "training_mode", 0) != 0) return onnx_no_rule(im, err, "it trains");
    SPA_TRY(need_consts(im, 1, 5, x->dim[1], err));
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(onnx_emit_one(im, SPA_OP_BATCH_NORM, NULL, input, &index, err));
    double more = epsilon == (double)1e-5f ? 0 : epsilon - NORM_EPSILON;
    for (uint32_t i = 0; i < 4; i++) {
        onnx_param how = {.scale = 1, .shift = i == 3 ? more : 0};
        SPA_TRY(onnx_bind_as(im, index, i, &how, onnx_in(im, i + 1), err));
    }
    return set_same(im, x, index, err);
}

/* Mean and 1 / deviation as tensors, where somebody reads them. */
static spa_status emit_statistics(onnx_import *im, int32_t x, const spa_shape *stat, double epsilon,
                                  spa_error *err)
{
    spa_op_attrs average = {.fn = SPA_FN_AVERAGE}, sub = {.fn = SPA_FN_SUB};
    spa_op_attrs more = {.param_shape = {1, {1}}}, root = {.fn = SPA_FN_SQRT};
    spa_op_attrs inverse = {.fn = SPA_FN_RECIPROCAL};
    onnx_value *mean = onnx_out(im, 1), *deviation = onnx_out(im, 2);
    int32_t m, d;
    bool any = false;
    for (size_t i = 1; i < 3; i++) {
        const onnx_value *v = onnx_out(im, i);
        any = any || (v != NULL && (v->uses > 0 || v->is_output));
    }
    if (!any) return SPA_OK;
    SPA_TRY(onnx_emit(im, SPA_OP_REDUCE, &average, &x, 1, stat, &m, err));
    SPA_TRY(onnx_set(im, mean, m, err));
    if (deviation == NULL) return SPA_OK;
    SPA_TRY(onnx_emit_two(im, SPA_OP_BINARY, &sub, x, m, &d, err));
    SPA_TRY(onnx_emit_two(im, SPA_OP_MUL, NULL, d, d, &d, err));
    SPA_TRY(onnx_emit(im, SPA_OP_REDUCE, &average, &d, 1, stat, &d, err));
    SPA_TRY(onnx_emit_one(im, SPA_OP_ADD, &more, d, &d, err));
    onnx_param p = {.scale = 1, .shift = epsilon};
    SPA_TRY(onnx_bind_as(im, d, 0, &p, NULL, err));
    SPA_TRY(onnx_emit_one(im, SPA_OP_MATH, &root, d, &d, err));
    SPA_TRY(onnx_emit_one(im, SPA_OP_MATH, &inverse, d, &d, err));
    return onnx_set(im, deviation, d, err);
}

/* Over the last dimensions as one. scale, shift: NULL = 1, 0. */
static spa_status emit_layer_norm(onnx_import *im, int32_t x, const onnx_value *scale,
                                  const onnx_value *shift, double epsilon, int32_t *index,
                                  spa_error *err)
{
    spa_op_attrs attrs = {.alpha = epsilon == (double)1e-5f || epsilon == 1e-5 ? 0 : epsilon};
    onnx_param ones = {.scale = 1, .shift = 1}, zeros = {.scale = 1};
    SPA_TRY(onnx_emit_one(im, SPA_OP_LAYER_NORM, &attrs, x, index, err));
    SPA_TRY(onnx_bind_as(im, *index, 0, scale != NULL ? &zeros : &ones, scale, err));
    return onnx_bind_as(im, *index, 1, &zeros, shift, err);
}

static spa_status lower_layer_norm(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    double epsilon = onnx_attr_float(im, "epsilon", (double)1e-5f);
    spa_shape in, flat = {0}, stat;
    int32_t axis, input, index;
    int64_t inner = 1;
    SPA_TRY(onnx_shape(im, x, &in, err));
    SPA_TRY(onnx_axis(im, onnx_attr_int(im, "axis", -1), in.rank, &axis, err));
    stat = in;
    for (int32_t i = 0; i < axis; i++) flat.dim[flat.rank++] = in.dim[i];
    for (int32_t i = axis; i < in.rank; i++) {
        inner *= in.dim[i];
        stat.dim[i] = 1;
    }
    if (inner > SPA_MAX_DIM) return onnx_no_rule(im, err, "its rows are too long");
    flat.dim[flat.rank++] = (int32_t)inner;
    SPA_TRY(need_consts(im, 1, onnx_in(im, 2) != NULL ? 3 : 2, inner, err));
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(onnx_view(im, input, &flat, &index, err));
    SPA_TRY(emit_layer_norm(im, index, onnx_in(im, 1), onnx_in(im, 2), epsilon, &index, err));
    SPA_TRY(set_same(im, x, index, err));
    return emit_statistics(im, input, &stat, epsilon, err);
}

/* Every channel of every image by itself: a layer norm over a plane, then scale and shift. */
static spa_status lower_instance_norm(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    spa_shape in;
    int32_t index;
    SPA_TRY(onnx_shape(im, x, &in, err));
    int64_t area = spa_shape_elements(&in) / in.dim[0] / (in.rank > 1 ? in.dim[1] : 1);
    if (in.rank < 3 || area > SPA_MAX_DIM) return onnx_no_rule(im, err, "it has no planes");
    SPA_TRY(need_consts(im, 1, 3, in.dim[1], err));
    spa_shape flat = {3, {in.dim[0], in.dim[1], (int32_t)area}};
    SPA_TRY(onnx_operand(im, x, &index, err));
    SPA_TRY(onnx_view(im, index, &flat, &index, err));
    SPA_TRY(emit_layer_norm(im, index, NULL, NULL, onnx_attr_float(im, "epsilon", (double)1e-5f),
                            &index, err));
    spa_op_attrs attrs = {.param_shape = {2, {in.dim[1], 1}}, .param_learned = true};
    SPA_TRY(onnx_emit_one(im, SPA_OP_MUL, &attrs, index, &index, err));
    SPA_TRY(onnx_bind(im, index, 0, onnx_in(im, 1), err));
    SPA_TRY(onnx_emit_one(im, SPA_OP_ADD, &attrs, index, &index, err));
    SPA_TRY(onnx_bind(im, index, 0, onnx_in(im, 2), err));
    return set_same(im, x, index, err);
}

/* Sum of squares over neighbouring channels, as an average pool over [N,1,C,H*W]. */
static spa_status lower_lrn(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    int64_t size = onnx_attr_int(im, "size", 0);
    double alpha = onnx_attr_float(im, "alpha", (double)1e-4f), k = onnx_attr_float(im, "bias", 1);
    spa_shape in;
    int32_t input, index;
    SPA_TRY(onnx_shape(im, x, &in, err));
    int64_t area = spa_shape_elements(&in) / in.dim[0] / (in.rank > 1 ? in.dim[1] : 1);
    if (in.rank < 2 || size < 1 || size > SPA_MAX_DIM || area > SPA_MAX_DIM)
        return onnx_no_rule(im, err, "a window of %lld", (long long)size);
    spa_shape planes = {4, {in.dim[0], 1, in.dim[1], (int32_t)area}};
    spa_op_attrs pool = {.kernel_h = (int32_t)size,
                         .kernel_w = 1,
                         .stride_h = 1,
                         .stride_w = 1,
                         .pad_top = (int32_t)((size - 1) / 2),
                         .pad_bottom = (int32_t)(size - 1 - (size - 1) / 2)};
    spa_op_attrs scale = {.alpha = alpha}, bias = {.param_shape = {1, {1}}};
    spa_op_attrs end = {.fn = SPA_FN_LRN, .alpha = onnx_attr_float(im, "beta", 0.75)};
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(onnx_emit_two(im, SPA_OP_MUL, NULL, input, input, &index, err));
    SPA_TRY(onnx_view(im, index, &planes, &index, err));
    SPA_TRY(onnx_emit_one(im, SPA_OP_AVG_POOL, &pool, index, &index, err));
    SPA_TRY(onnx_view(im, index, &in, &index, err));
    SPA_TRY(onnx_emit_one(im, SPA_OP_MUL, &scale, index, &index, err));
    SPA_TRY(onnx_emit_one(im, SPA_OP_ADD, &bias, index, &index, err));
    SPA_TRY(onnx_bind_as(im, index, 0, &(onnx_param){.scale = 1, .shift = k}, NULL, err));
    SPA_TRY(onnx_emit_two(im, SPA_OP_BINARY, &end, input, index, &index, err));
    return set_same(im, x, index, err);
}

/* ---- softmax -------------------------------------------------------------------------------- */

/* Before opset 13 all dimensions from the axis on are one; then only the axis counts. */
static spa_status softmax_axis(const onnx_import *im, const spa_shape *in, spa_shape *view,
                               int32_t *axis, spa_error *err)
{
    bool old = im->file.opset < 13;
    SPA_TRY(onnx_axis(im, onnx_attr_int(im, "axis", old ? 1 : -1), in->rank, axis, err));
    *view = *in;
    if (!old || *axis == in->rank - 1) return SPA_OK;
    int64_t rows = 1, columns = 1;
    for (int32_t i = 0; i < in->rank; i++) *(i < *axis ? &rows : &columns) *= in->dim[i];
    if (rows > SPA_MAX_DIM || columns > SPA_MAX_DIM)
        return onnx_no_rule(im, err, "its rows are too long");
    *view = (spa_shape){2, {(int32_t)rows, (int32_t)columns}};
    *axis = 1;
    return SPA_OK;
}

static spa_status lower_softmax(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    spa_shape in, view;
    int32_t axis, index, perm[SPA_MAX_RANK];
    SPA_TRY(onnx_shape(im, x, &in, err));
    SPA_TRY(softmax_axis(im, &in, &view, &axis, err));
    for (int32_t i = 0; i < SPA_MAX_RANK; i++) perm[i] = i;
    perm[axis] = view.rank - 1; /* its own inverse */
    perm[view.rank - 1] = axis;
    SPA_TRY(onnx_operand(im, x, &index, err));
    SPA_TRY(onnx_view(im, index, &view, &index, err));
    SPA_TRY(onnx_transpose(im, index, perm, &index, err));
    SPA_TRY(onnx_emit_one(im, SPA_OP_SOFTMAX, NULL, index, &index, err));
    SPA_TRY(onnx_transpose(im, index, perm, &index, err));
    return set_same(im, x, index, err);
}

/* x - log(sum(exp(x))): the logarithm of a softmax would lose what underflows in it. */
static spa_status lower_log_softmax(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    spa_shape in, view, row;
    int32_t axis, input, index;
    spa_op_attrs sum = {.fn = SPA_FN_LOG_SUM_EXP}, sub = {.fn = SPA_FN_SUB};
    SPA_TRY(onnx_shape(im, x, &in, err));
    SPA_TRY(softmax_axis(im, &in, &view, &axis, err));
    row = view;
    row.dim[axis] = 1;
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(onnx_view(im, input, &view, &input, err));
    SPA_TRY(onnx_emit(im, SPA_OP_REDUCE, &sum, &input, 1, &row, &index, err));
    SPA_TRY(onnx_emit_two(im, SPA_OP_BINARY, &sub, input, index, &index, err));
    return set_same(im, x, index, err);
}

/* 1 where the first largest element is, else 0. */
static spa_status lower_hardmax(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    spa_shape in, view, row, line;
    int32_t axis, input, index;
    double *numbers;
    spa_op_attrs best = {.fn = SPA_FN_ARG_MAX}, equal = {.fn = SPA_FN_EQUAL};
    SPA_TRY(onnx_shape(im, x, &in, err));
    SPA_TRY(softmax_axis(im, &in, &view, &axis, err));
    row = view;
    row.dim[axis] = 1;
    line = (spa_shape){.rank = view.rank};
    for (int32_t i = 0; i < view.rank; i++) line.dim[i] = i == axis ? view.dim[i] : 1;
    SPA_TRY(spa_arena_alloc(im->arena, &numbers, (size_t)view.dim[axis], sizeof *numbers, err));
    for (int32_t i = 0; i < view.dim[axis]; i++) numbers[i] = i;
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(onnx_view(im, input, &view, &input, err));
    SPA_TRY(onnx_emit(im, SPA_OP_REDUCE, &best, &input, 1, &row, &index, err));
    equal.param_shape = line;
    SPA_TRY(onnx_emit_one(im, SPA_OP_BINARY, &equal, index, &index, err));
    onnx_param p = {.folded = numbers, .count = view.dim[axis], .scale = 1};
    SPA_TRY(onnx_bind_as(im, index, 0, &p, NULL, err));
    return set_same(im, x, index, err);
}

/* ---- activations ---------------------------------------------------------------------------- */

static spa_status emit_same(onnx_import *im, spa_op_kind kind, const spa_op_attrs *attrs,
                            spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    int32_t input, index;
    if (x == NULL) return onnx_fail(im, SPA_E_PARSE, err, "its input is missing");
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(onnx_emit_one(im, kind, attrs, input, &index, err));
    return set_same(im, x, index, err);
}

static spa_status lower_activation(onnx_import *im, spa_error *err)
{
    static const struct {
        const char *op_type;
        spa_op_kind kind;
    } kinds[] = {
        {"Relu", SPA_OP_RELU}, {"Sigmoid", SPA_OP_SIGMOID}, {"HardSwish", SPA_OP_HARD_SWISH}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(im->node->op_type, kinds[i].op_type) == 0)
            return emit_same(im, kinds[i].kind, NULL, err);
    return onnx_no_rule(im, err, "this activation has no rule");
}

static spa_status lower_leaky_relu(onnx_import *im, spa_error *err)
{
    spa_op_attrs attrs = {.alpha = onnx_attr_float(im, "alpha", (double)0.01f)};
    return emit_same(im, SPA_OP_LEAKY_RELU, &attrs, err);
}

static spa_status lower_hard_sigmoid(onnx_import *im, spa_error *err)
{
    double alpha = onnx_attr_float(im, "alpha", (double)0.2f);
    double beta = onnx_attr_float(im, "beta", 0.5);
    bool is_kind = fabs(alpha - 1.0 / 6) < 1e-7 && beta == 0.5;
    spa_op_attrs attrs = {.fn = SPA_FN_HARD_SIGMOID_AB, .alpha = alpha, .beta = beta};
    return emit_same(im, is_kind ? SPA_OP_HARD_SIGMOID : SPA_OP_MATH, is_kind ? NULL : &attrs, err);
}

static spa_status lower_gelu(onnx_import *im, spa_error *err)
{
    spa_op_attrs attrs = {.fn = SPA_FN_GELU_TANH};
    bool tanh_form = strcmp(onnx_attr_text(im, "approximate", "none"), "tanh") == 0;
    return emit_same(im, tanh_form ? SPA_OP_MATH : SPA_OP_GELU, tanh_form ? &attrs : NULL, err);
}

/* Bounds are attributes (before opset 11) or inputs, constant or not. */
static spa_status lower_clip(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0), *low = onnx_in(im, 1), *high = onnx_in(im, 2);
    double min = onnx_attr_float(im, "min", -(double)FLT_MAX);
    double max = onnx_attr_float(im, "max", (double)FLT_MAX);
    bool known = (low == NULL || onnx_scalar(im, low, &min)) &&
                 (high == NULL || onnx_scalar(im, high, &max));
    if (!known) return onnx_no_rule(im, err, "its bounds are known at run time only");
    if (x == NULL) return onnx_fail(im, SPA_E_PARSE, err, "its input is missing");
    if (isnan(min) || isnan(max)) return onnx_fail(im, SPA_E_INVALID, err, "a bound is no number");
    min = fmax(min, -(double)FLT_MAX);
    max = fmin(max, (double)FLT_MAX);
    if (min == 0 && max == 6) return emit_same(im, SPA_OP_RELU6, NULL, err);
    if (min == 0 && max == (double)FLT_MAX) return emit_same(im, SPA_OP_RELU, NULL, err);
    spa_op_attrs attrs = {.fn = SPA_FN_CLIP, .alpha = min, .beta = max};
    return emit_same(im, SPA_OP_MATH, &attrs, err);
}

const onnx_rule onnx_rules_norm[] = {
    {"BatchNormalization", lower_batch_norm, 0},
    {"LayerNormalization", lower_layer_norm, 0},
    {"InstanceNormalization", lower_instance_norm, 0},
    {"LRN", lower_lrn, 0},
    {"Softmax", lower_softmax, 0},
    {"LogSoftmax", lower_log_softmax, 0},
    {"Hardmax", lower_hardmax, 0},
    {"Relu", lower_activation, 0},
    {"Sigmoid", lower_activation, 0},
    {"HardSwish", lower_activation, 0},
    {"LeakyRelu", lower_leaky_relu, 0},
    {"HardSigmoid", lower_hard_sigmoid, 0},
    {"Gelu", lower_gelu, 0},
    {"Clip", lower_clip, 0},
    {NULL, NULL, 0},
};
