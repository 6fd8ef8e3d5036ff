/* ONNX export: a graph and its parameters as a file of opset 17. */
#include "traces/onnx_export_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "traces/operator.h"

#define OPSET 17

/* ---- names ----------------------------------------------------------------------------------- */

/* "<operator>.<part>"; an operator's output is called as the operator is. */
const char *onnx_x_part_name(const exporter *x, const char *part, char name[ONNX_NAME_SIZE])
{
    snprintf(name, ONNX_NAME_SIZE, "%s.%s", x->op->name, part);
    while (spa_graph_find(x->graph, name) >= 0 && strlen(name) + 2 < ONNX_NAME_SIZE)
        strcat(name, "_");
    return name;
}

const char *onnx_x_input_name(const exporter *x, size_t i, char name[ONNX_NAME_SIZE])
{
    int32_t from = x->graph->inputs[x->op->first_input + i];
    if (from >= 0) return x->graph->ops[from].name;
    snprintf(name, ONNX_NAME_SIZE, "input%d", (int)~from);
    while (spa_graph_find(x->graph, name) >= 0) strcat(name, "_");
    return name;
}

void onnx_x_dims_of(const spa_shape *shape, int64_t dims[SPA_MAX_RANK])
{
    for (int32_t i = 0; i < shape->rank; i++) dims[i] = shape->dim[i];
}

/* ---- small pieces ---------------------------------------------------------------------------- */

void onnx_x_begin(exporter *x, const char *op_type, const char *name)
{
    onnx_node_begin(&x->maker, op_type, name != NULL ? name : x->op->name);
}

void onnx_x_end(exporter *x, const char *output)
{
    onnx_node_output(&x->maker, output != NULL ? output : x->op->name);
    onnx_node_end(&x->maker);
}

void onnx_x_take_input(exporter *x, size_t i)
{
    char name[ONNX_NAME_SIZE];
    onnx_node_input(&x->maker, onnx_x_input_name(x, i, name));
}

/* A parameter as an initializer; [m,k] is written as [k,m] when transposed. */
spa_status onnx_x_put_param(exporter *x, size_t p, bool transposed, spa_error *err)
{
    spa_op_param list[SPA_MAX_PARAMS];
    char name[ONNX_NAME_SIZE];
    int64_t dims[SPA_MAX_RANK];
    spa_op_params(x->graph, x->op, list);
    const spa_shape *shape = &list[p].shape;
    size_t n = (size_t)spa_shape_elements(shape), rows = (size_t)shape->dim[0], columns = n / rows;
    const float *values = NULL;
    SPA_TRY(x->params->values(x->params->context, x->index, p, &values, err));
    onnx_x_dims_of(shape, dims);
    onnx_x_part_name(x, list[p].role, name);
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
        char key[ONNX_NAME_SIZE + 20];
        snprintf(key, sizeof key, "sparoa.buffer.%s", name);
        onnx_make_prop(&x->maker, key, "1");
    }
    return SPA_OK;
}

void onnx_x_take_param(exporter *x, size_t p)
{
    spa_op_param list[SPA_MAX_PARAMS];
    char name[ONNX_NAME_SIZE];
    spa_op_params(x->graph, x->op, list);
    onnx_node_input(&x->maker, onnx_x_part_name(x, list[p].role, name));
}

static void put_scalar(exporter *x, const char *part, float value)
{
    char name[ONNX_NAME_SIZE];
    onnx_make_floats(&x->maker, onnx_x_part_name(x, part, name), NULL, 0, &value);
}

void onnx_x_put_list(exporter *x, const char *part, const int64_t *values, size_t n)
{
    char name[ONNX_NAME_SIZE];
    onnx_make_ints(&x->maker, onnx_x_part_name(x, part, name), values, n);
}

void onnx_x_take_part(exporter *x, const char *part)
{
    char name[ONNX_NAME_SIZE];
    onnx_node_input(&x->maker, onnx_x_part_name(x, part, name));
}

void onnx_x_end_part(exporter *x, const char *part)
{
    char name[ONNX_NAME_SIZE];
    onnx_x_end(x, onnx_x_part_name(x, part, name));
}

void onnx_x_begin_part(exporter *x, const char *op_type, const char *part)
{
    char name[ONNX_NAME_SIZE];
    onnx_x_begin(x, op_type, onnx_x_part_name(x, part, name));
}

spa_status onnx_x_put_simple(exporter *x, const char *op_type, spa_error *err)
{
    onnx_x_begin(x, op_type, NULL);
    for (size_t i = 0; i < x->op->n_inputs; i++) onnx_x_take_input(x, i);
    onnx_x_end(x, NULL);
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
    for (size_t p = 0; p < (a->has_bias ? 2u : 1u); p++)
        SPA_TRY(onnx_x_put_param(x, p, false, err));
    onnx_x_begin(x, "Conv", NULL);
    onnx_x_take_input(x, 0);
    for (size_t p = 0; p < (a->has_bias ? 2u : 1u); p++) onnx_x_take_param(x, p);
    put_window(x);
    onnx_node_ints(&x->maker, "dilations", (const int64_t[]){a->dilation_h, a->dilation_w}, 2);
    onnx_node_int(&x->maker, "group", a->groups);
    onnx_x_end(x, NULL);
    return SPA_OK;
}

static spa_status put_linear(exporter *x, spa_error *err)
{
    bool bias = x->op->attrs.has_bias, flat = x->op->out.rank == 2;
    SPA_TRY(onnx_x_put_param(x, 0, !flat, err));
    if (bias) SPA_TRY(onnx_x_put_param(x, 1, false, err));
    onnx_x_begin(x, flat ? "Gemm" : "MatMul", NULL);
    onnx_x_take_input(x, 0);
    onnx_x_take_param(x, 0);
    if (flat && bias) onnx_x_take_param(x, 1);
    if (flat) onnx_node_int(&x->maker, "transB", 1);
    if (flat || !bias) {
        onnx_x_end(x, NULL);
        return SPA_OK;
    }
    onnx_x_end_part(x, "product");
    onnx_x_begin_part(x, "Add", "add");
    onnx_x_take_part(x, "product");
    onnx_x_take_param(x, 1);
    onnx_x_end(x, NULL);
    return SPA_OK;
}

static spa_status put_matmul(exporter *x, spa_error *err)
{
    int64_t perm[SPA_MAX_RANK];
    int32_t rank = x->op->out.rank;
    if (!x->op->attrs.transpose_b) return onnx_x_put_simple(x, "MatMul", err);
    for (int32_t i = 0; i < rank; i++) perm[i] = i;
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    onnx_x_begin_part(x, "Transpose", "transpose");
    onnx_x_take_input(x, 1);
    onnx_node_ints(&x->maker, "perm", perm, (size_t)rank);
    onnx_x_end_part(x, "transposed");
    onnx_x_begin(x, "MatMul", NULL);
    onnx_x_take_input(x, 0);
    onnx_x_take_part(x, "transposed");
    onnx_x_end(x, NULL);
    return SPA_OK;
}

static spa_status put_norm(exporter *x, spa_error *err)
{
    bool is_batch = x->op->kind == SPA_OP_BATCH_NORM;
    size_t n = is_batch ? 4 : 2;
    double epsilon = x->op->attrs.alpha;
    for (size_t p = 0; p < n; p++) SPA_TRY(onnx_x_put_param(x, p, false, err));
    onnx_x_begin(x, is_batch ? "BatchNormalization" : "LayerNormalization", NULL);
    onnx_x_take_input(x, 0);
    for (size_t p = 0; p < n; p++) onnx_x_take_param(x, p);
    if (!is_batch) onnx_node_int(&x->maker, "axis", -1);
    onnx_node_float(&x->maker, "epsilon", epsilon > 0 ? (float)epsilon : 1e-5f);
    onnx_x_end(x, NULL);
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
    onnx_x_begin(x, names[x->op->kind], NULL);
    onnx_x_take_input(x, 0);
    if (x->op->kind == SPA_OP_LEAKY_RELU)
        onnx_node_float(&x->maker, "alpha", (float)x->op->attrs.alpha);
    if (x->op->kind == SPA_OP_HARD_SIGMOID) {
        onnx_node_float(&x->maker, "alpha", (float)(1.0 / 6));
        onnx_node_float(&x->maker, "beta", 0.5f);
    }
    if (x->op->kind == SPA_OP_SOFTMAX) onnx_node_int(&x->maker, "axis", -1);
    onnx_x_end(x, NULL);
    return SPA_OK;
}

static spa_status put_relu6(exporter *x, spa_error *err)
{
    put_scalar(x, "low", 0);
    put_scalar(x, "high", 6);
    onnx_x_begin(x, "Clip", NULL);
    onnx_x_take_input(x, 0);
    onnx_x_take_part(x, "low");
    onnx_x_take_part(x, "high");
    onnx_x_end(x, NULL);
    return SPA_OK;
}

/* x / sqrt 2, erf, + 1, * x, / 2: what PyTorch writes, too; opset 20 is the first with Gelu. */
static spa_status put_gelu(exporter *x, spa_error *err)
{
    put_scalar(x, "sqrt2", (float)sqrt(2));
    put_scalar(x, "one", 1);
    put_scalar(x, "half", 0.5f);
    onnx_x_begin_part(x, "Div", "div");
    onnx_x_take_input(x, 0);
    onnx_x_take_part(x, "sqrt2");
    onnx_x_end_part(x, "scaled");
    onnx_x_begin_part(x, "Erf", "erf");
    onnx_x_take_part(x, "scaled");
    onnx_x_end_part(x, "erfed");
    onnx_x_begin_part(x, "Add", "add");
    onnx_x_take_part(x, "erfed");
    onnx_x_take_part(x, "one");
    onnx_x_end_part(x, "shifted");
    onnx_x_begin_part(x, "Mul", "mul");
    onnx_x_take_input(x, 0);
    onnx_x_take_part(x, "shifted");
    onnx_x_end_part(x, "doubled");
    onnx_x_begin(x, "Mul", NULL);
    onnx_x_take_part(x, "doubled");
    onnx_x_take_part(x, "half");
    onnx_x_end(x, NULL);
    return SPA_OK;
}

static spa_status put_pool(exporter *x, spa_error *err)
{
    bool is_max = x->op->kind == SPA_OP_MAX_POOL;
    if (!is_max && x->op->attrs.ceil_mode)
        return fail(x, err, "an average over windows that end behind the padding has no ONNX form");
    onnx_x_begin(x, is_max ? "MaxPool" : "AveragePool", NULL);
    onnx_x_take_input(x, 0);
    put_window(x);
    onnx_node_int(&x->maker, "ceil_mode", x->op->attrs.ceil_mode);
    if (!is_max) onnx_node_int(&x->maker, "count_include_pad", 1);
    onnx_x_end(x, NULL);
    return SPA_OK;
}

static spa_status put_mean(exporter *x, spa_error *err)
{
    onnx_x_begin(x, "ReduceMean", NULL);
    onnx_x_take_input(x, 0);
    onnx_node_ints(&x->maker, "axes", (const int64_t[]){x->op->attrs.axis}, 1);
    onnx_node_int(&x->maker, "keepdims", 0);
    onnx_x_end(x, NULL);
    return SPA_OK;
}

static spa_status put_binary(exporter *x, spa_error *err)
{
    const spa_op_attrs *a = &x->op->attrs;
    bool has_param = a->param_shape.rank > 0, is_factor = x->op->n_inputs == 1 && !has_param;
    if (has_param) SPA_TRY(onnx_x_put_param(x, 0, false, err));
    if (is_factor) put_scalar(x, "factor", (float)a->alpha);
    if (is_factor && (double)(float)a->alpha != a->alpha) { /* more digits than a float has */
        char key[ONNX_NAME_SIZE + 20], name[ONNX_NAME_SIZE], value[40];
        snprintf(key, sizeof key, "sparoa.factor.%s", onnx_x_part_name(x, "factor", name));
        snprintf(value, sizeof value, "%.17g", a->alpha);
        onnx_make_prop(&x->maker, key, value);
    }
    onnx_x_begin(x, x->op->kind == SPA_OP_ADD ? "Add" : "Mul", NULL);
    for (size_t i = 0; i < x->op->n_inputs; i++) onnx_x_take_input(x, i);
    if (has_param) onnx_x_take_param(x, 0);
    if (is_factor) onnx_x_take_part(x, "factor");
    onnx_x_end(x, NULL);
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
    if (has_param) SPA_TRY(onnx_x_put_param(x, 0, false, err));
    if (repeated) {
        int64_t dims[SPA_MAX_RANK];
        onnx_x_dims_of(&wide, dims);
        onnx_x_put_list(x, "shape", dims, (size_t)wide.rank);
        onnx_x_begin_part(x, "Expand", "expand");
        onnx_x_take_param(x, 0);
        onnx_x_take_part(x, "shape");
        onnx_x_end_part(x, "expanded");
    }
    onnx_x_begin(x, "Concat", NULL);
    if (repeated) onnx_x_take_part(x, "expanded");
    if (has_param && !repeated) onnx_x_take_param(x, 0);
    for (size_t i = 0; i < x->op->n_inputs; i++) onnx_x_take_input(x, i);
    onnx_node_int(&x->maker, "axis", a->axis);
    onnx_x_end(x, NULL);
    return SPA_OK;
}

static spa_status put_global_pool(exporter *x, spa_error *err)
{
    return onnx_x_put_simple(x, "GlobalAveragePool", err);
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
    [SPA_OP_SLICE] = onnx_x_put_slice,
    [SPA_OP_PAD] = onnx_x_put_pad,
    [SPA_OP_ROLL] = onnx_x_put_roll,
    [SPA_OP_RESHAPE] = onnx_x_put_reshape,
    [SPA_OP_TRANSPOSE] = onnx_x_put_transpose,
    [SPA_OP_GATHER] = onnx_x_put_gather,
    [SPA_OP_UPSAMPLE] = onnx_x_put_upsample,
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
        char name[ONNX_NAME_SIZE];
        snprintf(name, sizeof name, "input%zu", k);
        while (spa_graph_find(g, name) >= 0) strcat(name, "_");
        onnx_x_dims_of(&g->graph_inputs[k], dims);
        onnx_make_input(&x->maker, name, ONNX_FLOAT, dims, g->graph_inputs[k].rank);
    }
    for (size_t i = 0; i < g->n_ops; i++) {
        if (g->first_consumer[i + 1] != g->first_consumer[i]) continue;
        onnx_x_dims_of(&g->ops[i].out, dims);
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
