/* ONNX export: a graph and its parameters as a file of opset 17. */
#include "traces/onnx_export.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "traces/onnx_write.h"
#include "traces/operator.h"

#define OPSET     17
#define NAME_MAX_ 320

typedef struct exporter {
    onnx_maker maker;
    const spa_graph *graph;
    const spa_onnx_params *params;
    const spa_op *op; /* at hand */
    size_t index;
    bool has_bounds; /* "six" is in the file */
} exporter;

/* ---- names ----------------------------------------------------------------------------------- */

/* "<operator>.<part>"; an operator's output is called as the operator is. */
static const char *part_name(const exporter *x, const char *part, char name[NAME_MAX_])
{
    snprintf(name, NAME_MAX_, "%s.%s", x->op->name, part);
    while (spa_graph_find(x->graph, name) >= 0 && strlen(name) + 2 < NAME_MAX_) strcat(name, "_");
    return name;
}

static const char *input_name(const exporter *x, size_t i, char name[NAME_MAX_])
{
    int32_t from = x->graph->inputs[x->op->first_input + i];
    if (from >= 0) return x->graph->ops[from].name;
    snprintf(name, NAME_MAX_, "input%d", (int)~from);
    while (spa_graph_find(x->graph, name) >= 0) strcat(name, "_");
    return name;
}

static void dims_of(const spa_shape *shape, int64_t dims[SPA_MAX_RANK])
{
    for (int32_t i = 0; i < shape->rank; i++) dims[i] = shape->dim[i];
}

/* ---- small pieces ---------------------------------------------------------------------------- */

static void begin(exporter *x, const char *op_type, const char *name)
{
    onnx_node_begin(&x->maker, op_type, name != NULL ? name : x->op->name);
}

static void end(exporter *x, const char *output)
{
    onnx_node_output(&x->maker, output != NULL ? output : x->op->name);
    onnx_node_end(&x->maker);
}

static void take_input(exporter *x, size_t i)
{
    char name[NAME_MAX_];
    onnx_node_input(&x->maker, input_name(x, i, name));
}

/* A parameter as an initializer; [m,k] is written as [k,m] when transposed. */
static spa_status put_param(exporter *x, size_t p, bool transposed, spa_error *err)
{
    spa_op_param list[SPA_MAX_PARAMS];
    char name[NAME_MAX_];
    int64_t dims[SPA_MAX_RANK];
    spa_op_params(x->graph, x->op, list);
    const spa_shape *shape = &list[p].shape;
    size_t n = (size_t)spa_shape_elements(shape), rows = (size_t)shape->dim[0], columns = n / rows;
    const float *values = NULL;
    SPA_TRY(x->params->values(x->params->context, x->index, p, &values, err));
    dims_of(shape, dims);
    part_name(x, list[p].role, name);
    if (!transposed) {
        onnx_make_floats(&x->maker, name, dims, shape->rank, values);
    } else {
        int64_t turned[] = {dims[1], dims[0]};
        uint8_t *at =
            onnx_make_tensor(&x->maker, name, ONNX_FLOAT, turned, 2, NULL, n * sizeof(float));
        for (size_t c = 0; c < columns && at != NULL; c++)
            for (size_t r = 0; r < rows; r++, at += sizeof(float))
                memcpy(at, &values[r * columns + c], sizeof(float));
    }
    if (strcmp(list[p].role, "constant") == 0 && !list[p].learned) {
        char key[NAME_MAX_ + 20];
        snprintf(key, sizeof key, "sparoa.buffer.%s", name);
        onnx_make_prop(&x->maker, key, "1");
    }
    return SPA_OK;
}

static void take_param(exporter *x, size_t p)
{
    spa_op_param list[SPA_MAX_PARAMS];
    char name[NAME_MAX_];
    spa_op_params(x->graph, x->op, list);
    onnx_node_input(&x->maker, part_name(x, list[p].role, name));
}

static void put_scalar(exporter *x, const char *part, float value)
{
    char name[NAME_MAX_];
    onnx_make_floats(&x->maker, part_name(x, part, name), NULL, 0, &value);
}

static void put_list(exporter *x, const char *part, const int64_t *values, size_t n)
{
    char name[NAME_MAX_];
    onnx_make_ints(&x->maker, part_name(x, part, name), values, n);
}

static void take_part(exporter *x, const char *part)
{
    char name[NAME_MAX_];
    onnx_node_input(&x->maker, part_name(x, part, name));
}

static void end_part(exporter *x, const char *part)
{
    char name[NAME_MAX_];
    end(x, part_name(x, part, name));
}

static void begin_part(exporter *x, const char *op_type, const char *part)
{
    char name[NAME_MAX_];
    begin(x, op_type, part_name(x, part, name));
}

static spa_status put_simple(exporter *x, const char *op_type, spa_error *err)
{
    begin(x, op_type, NULL);
    for (size_t i = 0; i < x->op->n_inputs; i++) take_input(x, i);
    end(x, NULL);
    return SPA_OK;
}

static spa_status fail(const exporter *x, spa_error *err, const char *what)
{
    return spa_fail(err, SPA_E_UNSUPPORTED, "operator '%s' (%s): %s", x->op->name,
                    spa_op_kind_name(x->op->kind), what);
}

/* ---- kinds ----------------------------------------------------------------------------------- */

static void put_window(exporter *x)
{
    const spa_op_attrs *a = &x->op->attrs;
    onnx_node_ints(&x->maker, "kernel_shape", (const int64_t[]){a->kernel_h, a->kernel_w}, 2);
    onnx_node_ints(&x->maker, "strides", (const int64_t[]){a->stride_h, a->stride_w}, 2);
    onnx_node_ints(&x->maker, "pads",
                   (const int64_t[]){a->pad_top, a->pad_left, a->pad_bottom, a->pad_right}, 4);
}

static spa_status put_conv(exporter *x, spa_error *err)
{
    const spa_op_attrs *a = &x->op->attrs;
    for (size_t p = 0; p < (a->has_bias ? 2u : 1u); p++) SPA_TRY(put_param(x, p, false, err));
    begin(x, "Conv", NULL);
    take_input(x, 0);
    for (size_t p = 0; p < (a->has_bias ? 2u : 1u); p++) take_param(x, p);
    put_window(x);
    onnx_node_ints(&x->maker, "dilations", (const int64_t[]){a->dilation_h, a->dilation_w}, 2);
    onnx_node_int(&x->maker, "group", a->groups);
    end(x, NULL);
    return SPA_OK;
}

static spa_status put_linear(exporter *x, spa_error *err)
{
    bool bias = x->op->attrs.has_bias, flat = x->op->out.rank == 2;
    SPA_TRY(put_param(x, 0, !flat, err));
    if (bias) SPA_TRY(put_param(x, 1, false, err));
    begin(x, flat ? "Gemm" : "MatMul", NULL);
    take_input(x, 0);
    take_param(x, 0);
    if (flat && bias) take_param(x, 1);
    if (flat) onnx_node_int(&x->maker, "transB", 1);
    if (flat || !bias) {
        end(x, NULL);
        return SPA_OK;
    }
    end_part(x, "product");
    begin_part(x, "Add", "add");
    take_part(x, "product");
    take_param(x, 1);
    end(x, NULL);
    return SPA_OK;
}

static spa_status put_matmul(exporter *x, spa_error *err)
{
    int64_t perm[SPA_MAX_RANK];
    int32_t rank = x->op->out.rank;
    if (!x->op->attrs.transpose_b) return put_simple(x, "MatMul", err);
    for (int32_t i = 0; i < rank; i++) perm[i] = i;
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    begin_part(x, "Transpose", "transpose");
    take_input(x, 1);
    onnx_node_ints(&x->maker, "perm", perm, (size_t)rank);
    end_part(x, "transposed");
    begin(x, "MatMul", NULL);
    take_input(x, 0);
    take_part(x, "transposed");
    end(x, NULL);
    return SPA_OK;
}

static spa_status put_norm(exporter *x, spa_error *err)
{
    bool is_batch = x->op->kind == SPA_OP_BATCH_NORM;
    size_t n = is_batch ? 4 : 2;
    double epsilon = x->op->attrs.alpha;
    for (size_t p = 0; p < n; p++) SPA_TRY(put_param(x, p, false, err));
    begin(x, is_batch ? "BatchNormalization" : "LayerNormalization", NULL);
    take_input(x, 0);
    for (size_t p = 0; p < n; p++) take_param(x, p);
    if (!is_batch) onnx_node_int(&x->maker, "axis", -1);
    onnx_node_float(&x->maker, "epsilon", epsilon > 0 ? (float)epsilon : 1e-5f);
    end(x, NULL);
    return SPA_OK;
}

static spa_status put_activation(exporter *x, spa_error *err)
{
    static const char *const names[SPA_OP_KIND_COUNT] = {[SPA_OP_RELU] = "Relu",
                                                         [SPA_OP_LEAKY_RELU] = "LeakyRelu",
                                                         [SPA_OP_HARD_SWISH] = "HardSwish",
                                                         [SPA_OP_HARD_SIGMOID] = "HardSigmoid",
                                                         [SPA_OP_SIGMOID] = "Sigmoid",
                                                         [SPA_OP_SOFTMAX] = "Softmax"};
    begin(x, names[x->op->kind], NULL);
    take_input(x, 0);
    if (x->op->kind == SPA_OP_LEAKY_RELU)
        onnx_node_float(&x->maker, "alpha", (float)x->op->attrs.alpha);
    if (x->op->kind == SPA_OP_HARD_SIGMOID) {
        onnx_node_float(&x->maker, "alpha", (float)(1.0 / 6));
        onnx_node_float(&x->maker, "beta", 0.5f);
    }
    if (x->op->kind == SPA_OP_SOFTMAX) onnx_node_int(&x->maker, "axis", -1);
    end(x, NULL);
    return SPA_OK;
}

static spa_status put_relu6(exporter *x, spa_error *err)
{
    put_scalar(x, "low", 0);
    put_scalar(x, "high", 6);
    begin(x, "Clip", NULL);
    take_input(x, 0);
    take_part(x, "low");
    take_part(x, "high");
    end(x, NULL);
    return SPA_OK;
}

/* x / sqrt 2, erf, + 1, * x, / 2: what PyTorch writes, too; opset 20 is the first with Gelu. */
static spa_status put_gelu(exporter *x, spa_error *err)
{
    put_scalar(x, "sqrt2", (float)sqrt(2));
    put_scalar(x, "one", 1);
    put_scalar(x, "half", 0.5f);
    begin_part(x, "Div", "div");
    take_input(x, 0);
    take_part(x, "sqrt2");
    end_part(x, "scaled");
    begin_part(x, "Erf", "erf");
    take_part(x, "scaled");
    end_part(x, "erfed");
    begin_part(x, "Add", "add");
    take_part(x, "erfed");
    take_part(x, "one");
    end_part(x, "shifted");
    begin_part(x, "Mul", "mul");
    take_input(x, 0);
    take_part(x, "shifted");
    end_part(x, "doubled");
    begin(x, "Mul", NULL);
    take_part(x, "doubled");
    take_part(x, "half");
    end(x, NULL);
    return SPA_OK;
}

static spa_status put_pool(exporter *x, spa_error *err)
{
    bool is_max = x->op->kind == SPA_OP_MAX_POOL;
    if (!is_max && x->op->attrs.ceil_mode)
        return fail(x, err, "an average over windows that end behind the padding has no ONNX form");
    begin(x, is_max ? "MaxPool" : "AveragePool", NULL);
    take_input(x, 0);
    put_window(x);
    onnx_node_int(&x->maker, "ceil_mode", x->op->attrs.ceil_mode);
    if (!is_max) onnx_node_int(&x->maker, "count_include_pad", 1);
    end(x, NULL);
    return SPA_OK;
}

static spa_status put_mean(exporter *x, spa_error *err)
{
    begin(x, "ReduceMean", NULL);
    take_input(x, 0);
    onnx_node_ints(&x->maker, "axes", (const int64_t[]){x->op->attrs.axis}, 1);
    onnx_node_int(&x->maker, "keepdims", 0);
    end(x, NULL);
    return SPA_OK;
}

static spa_status put_binary(exporter *x, spa_error *err)
{
    const spa_op_attrs *a = &x->op->attrs;
    bool has_param = a->param_shape.rank > 0, is_factor = x->op->n_inputs == 1 && !has_param;
    if (has_param) SPA_TRY(put_param(x, 0, false, err));
    if (is_factor) put_scalar(x, "factor", (float)a->alpha);
    if (is_factor && (double)(float)a->alpha != a->alpha) { /* more digits than a float has */
        char key[NAME_MAX_ + 20], name[NAME_MAX_], value[40];
        snprintf(key, sizeof key, "sparoa.factor.%s", part_name(x, "factor", name));
        snprintf(value, sizeof value, "%.17g", a->alpha);
        onnx_make_prop(&x->maker, key, value);
    }
    begin(x, x->op->kind == SPA_OP_ADD ? "Add" : "Mul", NULL);
    for (size_t i = 0; i < x->op->n_inputs; i++) take_input(x, i);
    if (has_param) take_param(x, 0);
    if (is_factor) take_part(x, "factor");
    end(x, NULL);
    return SPA_OK;
}

/* ONNX repeats nothing when it joins: a parameter that is repeated is expanded first. */
static spa_status put_concat(exporter *x, spa_error *err)
{
    const spa_op_attrs *a = &x->op->attrs;
    spa_shape wide = a->param_shape;
    bool has_param = a->param_shape.rank > 0;
    for (int32_t i = 0; i < wide.rank; i++)
        if (i != a->axis) wide.dim[i] = x->op->out.dim[i];
    bool repeated = has_param && !spa_shape_equal(&wide, &a->param_shape);
    if (has_param) SPA_TRY(put_param(x, 0, false, err));
    if (repeated) {
        int64_t dims[SPA_MAX_RANK];
        dims_of(&wide, dims);
        put_list(x, "shape", dims, (size_t)wide.rank);
        begin_part(x, "Expand", "expand");
        take_param(x, 0);
        take_part(x, "shape");
        end_part(x, "expanded");
    }
    begin(x, "Concat", NULL);
    if (repeated) take_part(x, "expanded");
    if (has_param && !repeated) take_param(x, 0);
    for (size_t i = 0; i < x->op->n_inputs; i++) take_input(x, i);
    onnx_node_int(&x->maker, "axis", a->axis);
    end(x, NULL);
    return SPA_OK;
}

/* ---- movement -------------------------------------------------------------------------------- */

static spa_status put_slice(exporter *x, spa_error *err)
{
    const spa_op *op = x->op;
    int64_t starts[SPA_MAX_RANK], ends[SPA_MAX_RANK], axes[SPA_MAX_RANK], steps[SPA_MAX_RANK];
    size_t rank = (size_t)op->out.rank;
    for (size_t i = 0; i < rank; i++) {
        steps[i] = op->attrs.step[i] == 0 ? 1 : op->attrs.step[i];
        starts[i] = op->attrs.begin[i];
        ends[i] = starts[i] + (op->out.dim[i] - 1) * steps[i] + 1;
        axes[i] = (int64_t)i;
    }
    put_list(x, "starts", starts, rank);
    put_list(x, "ends", ends, rank);
    put_list(x, "axes", axes, rank);
    put_list(x, "steps", steps, rank);
    begin(x, "Slice", NULL);
    take_input(x, 0);
    take_part(x, "starts");
    take_part(x, "ends");
    take_part(x, "axes");
    take_part(x, "steps");
    end(x, NULL);
    return SPA_OK;
}

static spa_status put_pad(exporter *x, spa_error *err)
{
    const spa_op *op = x->op;
    const spa_shape *in = spa_graph_input_shape(x->graph, op, 0);
    int64_t pads[2 * SPA_MAX_RANK];
    for (int32_t i = 0; i < in->rank; i++) {
        pads[i] = op->attrs.begin[i];
        pads[i + in->rank] = op->out.dim[i] - in->dim[i] - op->attrs.begin[i];
    }
    put_list(x, "pads", pads, 2 * (size_t)in->rank);
    begin(x, "Pad", NULL);
    take_input(x, 0);
    take_part(x, "pads");
    end(x, NULL);
    return SPA_OK;
}

/* Along one dimension: what is behind the cut, then what is before it. */
static void put_roll_of(exporter *x, int32_t axis, int64_t shift, const char *from, const char *to)
{
    int64_t n = x->op->out.dim[axis], cut = ((-shift) % n + n) % n;
    const int64_t bounds[] = {cut, n, 0, cut};
    static const char *const ends[] = {"tail", "head"};
    char axis_name[24], names[2][40], lists[2][2][56];
    snprintf(axis_name, sizeof axis_name, "axis%d", (int)axis);
    put_list(x, axis_name, (const int64_t[]){axis}, 1);
    for (int k = 0; k < 2; k++) {
        snprintf(names[k], sizeof names[k], "%s%d", ends[k], (int)axis);
        snprintf(lists[k][0], sizeof lists[k][0], "%.39s.start", names[k]);
        snprintf(lists[k][1], sizeof lists[k][1], "%.39s.end", names[k]);
        for (int i = 0; i < 2; i++) put_list(x, lists[k][i], &bounds[2 * k + i], 1);
        begin_part(x, "Slice", names[k]);
        onnx_node_input(&x->maker, from);
        take_part(x, lists[k][0]);
        take_part(x, lists[k][1]);
        take_part(x, axis_name);
        end_part(x, names[k]);
    }
    begin(x, "Concat", to);
    take_part(x, names[0]);
    take_part(x, names[1]);
    onnx_node_int(&x->maker, "axis", axis);
    end(x, to);
}

static spa_status put_roll(exporter *x, spa_error *err)
{
    char from[NAME_MAX_], to[NAME_MAX_], input[NAME_MAX_], part[24];
    int32_t last = -1;
    for (int32_t i = 0; i < x->op->out.rank; i++)
        if (x->op->attrs.begin[i] != 0) last = i;
    if (last < 0) return put_simple(x, "Identity", err);
    snprintf(from, sizeof from, "%s", input_name(x, 0, input));
    for (int32_t i = 0; i <= last; i++) {
        if (x->op->attrs.begin[i] == 0) continue;
        snprintf(part, sizeof part, "rolled%d", (int)i);
        snprintf(to, sizeof to, "%s", i == last ? x->op->name : part_name(x, part, input));
        put_roll_of(x, i, x->op->attrs.begin[i], from, to);
        memcpy(from, to, sizeof from);
    }
    return SPA_OK;
}

static spa_status put_reshape(exporter *x, spa_error *err)
{
    int64_t dims[SPA_MAX_RANK];
    dims_of(&x->op->out, dims);
    put_list(x, "shape", dims, (size_t)x->op->out.rank);
    begin(x, "Reshape", NULL);
    take_input(x, 0);
    take_part(x, "shape");
    end(x, NULL);
    return SPA_OK;
}

static spa_status put_transpose(exporter *x, spa_error *err)
{
    int64_t perm[SPA_MAX_RANK];
    for (int32_t i = 0; i < x->op->out.rank; i++) perm[i] = x->op->attrs.perm[i];
    begin(x, "Transpose", NULL);
    take_input(x, 0);
    onnx_node_ints(&x->maker, "perm", perm, (size_t)x->op->out.rank);
    end(x, NULL);
    return SPA_OK;
}

/* Rows of the table by relative position [1,n,n], then heads in front. */
static spa_status put_gather(exporter *x, spa_error *err)
{
    int64_t n = x->op->out.dim[2], *rows, dims[] = {1, n, n};
    char name[NAME_MAX_];
    SPA_TRY(spa_alloc(&rows, (size_t)(n * n), sizeof *rows, err));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) rows[i * n + j] = spa_onnx_relative_row(n, i, j);
    SPA_TRY(put_param(x, 0, false, err));
    onnx_make_tensor(&x->maker, part_name(x, "rows", name), ONNX_INT64, dims, 3, rows,
                     (size_t)(n * n) * sizeof *rows);
    free(rows);
    begin_part(x, "Gather", "gather");
    take_param(x, 0);
    take_part(x, "rows");
    onnx_node_int(&x->maker, "axis", 0);
    end_part(x, "gathered");
    begin(x, "Transpose", NULL);
    take_part(x, "gathered");
    onnx_node_ints(&x->maker, "perm", (const int64_t[]){0, 3, 1, 2}, 4);
    end(x, NULL);
    return SPA_OK;
}

static spa_status put_upsample(exporter *x, spa_error *err)
{
    const spa_op_attrs *a = &x->op->attrs;
    const float scales[] = {1, 1, (float)a->stride_h, (float)a->stride_w};
    char name[NAME_MAX_];
    onnx_make_floats(&x->maker, part_name(x, "scales", name), (const int64_t[]){4}, 1, scales);
    begin(x, "Resize", NULL);
    take_input(x, 0);
    onnx_node_input(&x->maker, "");
    take_part(x, "scales");
    onnx_node_text(&x->maker, "mode", "nearest");
    onnx_node_text(&x->maker, "coordinate_transformation_mode", "asymmetric");
    onnx_node_text(&x->maker, "nearest_mode", "floor");
    end(x, NULL);
    return SPA_OK;
}

static spa_status put_global_pool(exporter *x, spa_error *err)
{
    return put_simple(x, "GlobalAveragePool", err);
}

typedef spa_status put_fn(exporter *x, spa_error *err);

static put_fn *const kinds[SPA_OP_KIND_COUNT] = {
    [SPA_OP_CONV] = put_conv,
    [SPA_OP_LINEAR] = put_linear,
    [SPA_OP_MATMUL] = put_matmul,
    [SPA_OP_BATCH_NORM] = put_norm,
    [SPA_OP_LAYER_NORM] = put_norm,
    [SPA_OP_RELU] = put_activation,
    [SPA_OP_RELU6] = put_relu6,
    [SPA_OP_LEAKY_RELU] = put_activation,
    [SPA_OP_HARD_SWISH] = put_activation,
    [SPA_OP_HARD_SIGMOID] = put_activation,
    [SPA_OP_SIGMOID] = put_activation,
    [SPA_OP_GELU] = put_gelu,
    [SPA_OP_SOFTMAX] = put_activation,
    [SPA_OP_MAX_POOL] = put_pool,
    [SPA_OP_AVG_POOL] = put_pool,
    [SPA_OP_GLOBAL_AVG_POOL] = put_global_pool,
    [SPA_OP_MEAN] = put_mean,
    [SPA_OP_ADD] = put_binary,
    [SPA_OP_MUL] = put_binary,
    [SPA_OP_CONCAT] = put_concat,
    [SPA_OP_SLICE] = put_slice,
    [SPA_OP_PAD] = put_pad,
    [SPA_OP_ROLL] = put_roll,
    [SPA_OP_RESHAPE] = put_reshape,
    [SPA_OP_TRANSPOSE] = put_transpose,
    [SPA_OP_GATHER] = put_gather,
    [SPA_OP_UPSAMPLE] = put_upsample,
};

/* ---- the file -------------------------------------------------------------------------------- */

static spa_status put_ops(exporter *x, spa_error *err)
{
    for (size_t i = 0; i < x->graph->n_ops; i++) {
        x->op = &x->graph->ops[i];
        x->index = i;
        put_fn *put = kinds[x->op->kind];
        if (x->op->n_steps > 0) return fail(x, err, "fused operators have no ONNX form");
        if (put == NULL) return fail(x, err, "this kind is not exported");
        SPA_TRY(put(x, err));
    }
    return SPA_OK;
}

static void put_ends(exporter *x)
{
    const spa_graph *g = x->graph;
    int64_t dims[SPA_MAX_RANK];
    for (size_t k = 0; k < g->n_graph_inputs; k++) {
        char name[NAME_MAX_];
        snprintf(name, sizeof name, "input%zu", k);
        while (spa_graph_find(g, name) >= 0) strcat(name, "_");
        dims_of(&g->graph_inputs[k], dims);
        onnx_make_input(&x->maker, name, ONNX_FLOAT, dims, g->graph_inputs[k].rank);
    }
    for (size_t i = 0; i < g->n_ops; i++) {
        if (g->first_consumer[i + 1] != g->first_consumer[i]) continue;
        dims_of(&g->ops[i].out, dims);
        onnx_make_output(&x->maker, g->ops[i].name, ONNX_FLOAT, dims, g->ops[i].out.rank);
    }
}

static size_t expected_bytes(const spa_graph *g)
{
    size_t bytes = (size_t)1 << 16;
    for (size_t i = 0; i < g->n_ops; i++) bytes += (size_t)g->ops[i].bytes_weight + 2048;
    return bytes;
}

spa_status spa_onnx_write(const spa_graph *graph, const spa_onnx_params *params, const char *path,
                          spa_error *err)
{
    exporter x = {.graph = graph, .params = params};
    const uint8_t *data;
    size_t size;
    if (graph->dtype != SPA_FP32)
        return spa_fail(err, SPA_E_UNSUPPORTED, "'%s' is %s; fp32 is exported", graph->name,
                        spa_dtype_name(graph->dtype));
    onnx_maker_init(&x.maker, OPSET, expected_bytes(graph));
    spa_status status = put_ops(&x, err);
    if (status == SPA_OK) put_ends(&x);
    if (status == SPA_OK) status = onnx_maker_finish(&x.maker, &data, &size, err);
    if (status == SPA_OK) status = spa_write_file(path, data, size, err);
    onnx_maker_fini(&x.maker);
    return status;
}
