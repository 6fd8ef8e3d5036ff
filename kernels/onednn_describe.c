/* Operators as oneDNN describes them. */
#ifdef SPA_ONEDNN

#include "kernels/onednn_primitive.h"

#include "kernels/dims.h"

/* What every description needs, and what it makes. */
typedef struct description {
    const spa_onednn_library *lib;
    const spa_graph *graph;
    const spa_op *op;
    const spa_onednn_forms *forms;
    dnnl_status_t status; /* of the first call that failed */
    union {
        dnnl_convolution_desc_t conv;
        dnnl_inner_product_desc_t linear;
        dnnl_matmul_desc_t matmul;
        dnnl_eltwise_desc_t unary;
        dnnl_binary_desc_t binary;
        dnnl_pooling_desc_t pool;
        dnnl_batch_normalization_desc_t batch_norm;
        dnnl_layer_normalization_desc_t layer_norm;
        dnnl_softmax_desc_t softmax;
    } desc;
} description;

static void keep(description *d, dnnl_status_t status)
{
    if (d->status == dnnl_success) d->status = status;
}

/* ---- tensors ------------------------------------------------------------------------------------
 */

static dnnl_memory_desc_t any_tensor(description *d, int rank, const dnnl_dim_t *dims)
{
    dnnl_memory_desc_t md;
    dnnl_dims_t whole = {0};
    for (int i = 0; i < rank; i++) whole[i] = dims[i];
    keep(d, d->lib->memory_desc_init_by_tag(&md, rank, whole, dnnl_f32, dnnl_format_tag_any));
    return md;
}

static dnnl_memory_desc_t dense_tensor(description *d, int rank, const dnnl_dim_t *dims)
{
    dnnl_memory_desc_t md;
    dnnl_dims_t whole = {0}, strides = {0};
    dnnl_dim_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        whole[i] = dims[i];
        strides[i] = step;
        step *= dims[i];
    }
    keep(d, d->lib->memory_desc_init_by_strides(&md, rank, whole, dnnl_f32, strides));
    return md;
}

static dnnl_memory_desc_t shaped(description *d, const spa_shape *s, spa_layout layout)
{
    dnnl_memory_desc_t md;
    dnnl_dims_t dims;
    for (int32_t i = 0; i < s->rank; i++) dims[i] = s->dim[i];
    if (layout == SPA_LAYOUT_PLAIN) return dense_tensor(d, s->rank, dims);
    keep(d, d->lib->memory_desc_init_by_tag(&md, 4, dims, dnnl_f32,
                                            spa_onednn_block() == 16 ? dnnl_nChw16c : dnnl_nChw8c));
    return md;
}

static dnnl_memory_desc_t input(description *d, size_t i)
{
    return shaped(d, spa_graph_input_shape(d->graph, d->op, i), d->forms->inputs[i]);
}

static dnnl_memory_desc_t output(description *d)
{
    return shaped(d, &d->op->out, d->forms->output);
}

/* ---- operators ----------------------------------------------------------------------------------
 */

/* What a window must be padded with behind the image to give the output that it has. */
static dnnl_dim_t pad_behind(size_t out, size_t stride, size_t kernel, size_t dilation, size_t in,
                             size_t before)
{
    return (dnnl_dim_t)((out - 1) * stride + (kernel - 1) * dilation + 1) -
           (dnnl_dim_t)(in + before);
}

static void describe_conv(description *d)
{
    spa_window w = spa_op_window(d->graph, d->op);
    dnnl_memory_desc_t x = input(d, 0), y = output(d), weight, bias;
    dnnl_dim_t g = (dnnl_dim_t)w.groups, m = (dnnl_dim_t)w.m, c = (dnnl_dim_t)w.c;
    dnnl_dims_t dense = {m, c, (dnnl_dim_t)w.kh, (dnnl_dim_t)w.kw};
    dnnl_dims_t grouped = {g, m / g, c / g, (dnnl_dim_t)w.kh, (dnnl_dim_t)w.kw};
    dnnl_dims_t stride = {(dnnl_dim_t)w.sh, (dnnl_dim_t)w.sw};
    dnnl_dims_t dilation = {(dnnl_dim_t)w.dh - 1, (dnnl_dim_t)w.dw - 1};
    dnnl_dims_t before = {(dnnl_dim_t)w.pt, (dnnl_dim_t)w.pl};
    dnnl_dims_t behind = {pad_behind(w.oh, w.sh, w.kh, w.dh, w.h, w.pt),
                          pad_behind(w.ow, w.sw, w.kw, w.dw, w.w, w.pl)};
    weight = g > 1 ? any_tensor(d, 5, grouped) : any_tensor(d, 4, dense);
    bias = dense_tensor(d, 1, &m);
    /* direct: the Winograd kernels are not exact enough. */
    keep(d, d->lib->dilated_convolution_forward_desc_init(
                &d->desc.conv, dnnl_forward_inference, dnnl_convolution_direct, &x, &weight,
                d->op->attrs.has_bias ? &bias : NULL, &y, stride, dilation, before, behind));
}

/* Rows as the positions of an image whose channels lie side by side. */
static void describe_linear_as_conv(description *d, dnnl_dim_t rows, dnnl_dim_t k, dnnl_dim_t m)
{
    static const dnnl_dims_t ones = {1, 1}, zeros = {0};
    dnnl_dims_t x_dims = {1, k, rows, 1}, y_dims = {1, m, rows, 1}, weight_dims = {m, k, 1, 1};
    dnnl_memory_desc_t x, y, weight = any_tensor(d, 4, weight_dims), bias = dense_tensor(d, 1, &m);
    keep(d, d->lib->memory_desc_init_by_tag(&x, 4, x_dims, dnnl_f32, dnnl_nhwc));
    keep(d, d->lib->memory_desc_init_by_tag(&y, 4, y_dims, dnnl_f32, dnnl_nhwc));
    keep(d, d->lib->dilated_convolution_forward_desc_init(
                &d->desc.conv, dnnl_forward_inference, dnnl_convolution_direct, &x, &weight,
                d->op->attrs.has_bias ? &bias : NULL, &y, ones, zeros, zeros, zeros));
}

static void describe_linear(description *d)
{
    dnnl_dim_t k = (dnnl_dim_t)spa_shape_last(spa_graph_input_shape(d->graph, d->op, 0));
    dnnl_dim_t m = (dnnl_dim_t)spa_shape_last(&d->op->out);
    dnnl_dim_t rows = (dnnl_dim_t)spa_shape_count(&d->op->out) / m;
    if (d->forms->linear_as_conv) {
        describe_linear_as_conv(d, rows, k, m);
        return;
    }
    dnnl_memory_desc_t x = dense_tensor(d, 2, (dnnl_dim_t[]){rows, k});
    dnnl_memory_desc_t weight = any_tensor(d, 2, (dnnl_dim_t[]){m, k});
    dnnl_memory_desc_t bias = dense_tensor(d, 1, &m);
    dnnl_memory_desc_t y = dense_tensor(d, 2, (dnnl_dim_t[]){rows, m});
    keep(d, d->lib->inner_product_forward_desc_init(&d->desc.linear, dnnl_forward_inference, &x,
                                                    &weight, d->op->attrs.has_bias ? &bias : NULL,
                                                    &y));
}

static void describe_matmul(description *d)
{
    spa_matmul_dims s = spa_op_matmul_dims(d->graph, d->op);
    dnnl_dim_t batch = (dnnl_dim_t)s.batch, m = (dnnl_dim_t)s.m, n = (dnnl_dim_t)s.n;
    dnnl_dim_t k = (dnnl_dim_t)s.k;
    dnnl_dims_t b_dims = {s.b_step > 0 ? batch : 1, k, n}, b_strides = {k * n, n, 1};
    if (s.transpose_b) {
        b_strides[1] = 1;
        b_strides[2] = k;
    }
    dnnl_memory_desc_t a = dense_tensor(d, 3, (dnnl_dim_t[]){s.a_step > 0 ? batch : 1, m, k}), b;
    dnnl_memory_desc_t y = dense_tensor(d, 3, (dnnl_dim_t[]){batch, m, n});
    keep(d, d->lib->memory_desc_init_by_strides(&b, 3, b_dims, dnnl_f32, b_strides));
    keep(d, d->lib->matmul_desc_init(&d->desc.matmul, &a, &b, NULL, &y));
}

static void describe_unary(description *d, dnnl_alg_kind_t kind, float alpha)
{
    dnnl_memory_desc_t x = output(d);
    keep(d, d->lib->eltwise_forward_desc_init(&d->desc.unary, dnnl_forward_inference, kind, &x,
                                              alpha, 0));
}

static void describe_binary(description *d)
{
    dnnl_alg_kind_t kind = d->op->kind == SPA_OP_ADD ? dnnl_binary_add : dnnl_binary_mul;
    dnnl_memory_desc_t a = input(d, 0), b, y = output(d);
    spa_shape wide = {.rank = d->op->out.rank};
    const spa_shape *second = spa_op_second_shape(d->graph, d->op);
    if (second == NULL) {
        describe_unary(d, dnnl_eltwise_linear, (float)d->op->attrs.alpha);
        return;
    }
    for (int32_t i = 0; i < wide.rank; i++) { /* ranks must be equal */
        int32_t own = i - (wide.rank - second->rank);
        wide.dim[i] = own >= 0 ? second->dim[own] : 1;
    }
    b = shaped(d, &wide, d->op->n_inputs > 1 ? d->forms->inputs[1] : SPA_LAYOUT_PLAIN);
    keep(d, d->lib->binary_desc_init(&d->desc.binary, kind, &a, &b, &y));
}

static void describe_pool(description *d)
{
    spa_window w = spa_op_window(d->graph, d->op);
    dnnl_memory_desc_t x = input(d, 0), y = output(d);
    if (d->op->kind == SPA_OP_GLOBAL_AVG_POOL) {
        w.kh = w.h;
        w.kw = w.w;
    }
    dnnl_dims_t stride = {(dnnl_dim_t)w.sh, (dnnl_dim_t)w.sw};
    dnnl_dims_t kernel = {(dnnl_dim_t)w.kh, (dnnl_dim_t)w.kw};
    dnnl_dims_t before = {(dnnl_dim_t)w.pt, (dnnl_dim_t)w.pl};
    dnnl_dims_t behind = {pad_behind(w.oh, w.sh, w.kh, w.dh, w.h, w.pt),
                          pad_behind(w.ow, w.sw, w.kw, w.dw, w.w, w.pl)};
    keep(d, d->lib->pooling_forward_desc_init(&d->desc.pool, dnnl_forward_inference,
                                              d->op->kind == SPA_OP_MAX_POOL
                                                  ? dnnl_pooling_max
                                                  : dnnl_pooling_avg_include_padding,
                                              &x, &y, stride, kernel, before, behind));
}

static void describe_batch_norm(description *d)
{
    dnnl_memory_desc_t x = output(d);
    keep(d, d->lib->batch_normalization_forward_desc_init(
                &d->desc.batch_norm, dnnl_forward_inference, &x, (float)SPA_NORM_EPSILON,
                dnnl_use_global_stats | dnnl_use_scaleshift));
}

static void describe_layer_norm(description *d)
{
    dnnl_memory_desc_t x = output(d);
    keep(d, d->lib->layer_normalization_forward_desc_init(
                &d->desc.layer_norm, dnnl_forward_inference, &x, NULL, (float)spa_op_epsilon(d->op),
                dnnl_use_scaleshift));
}

static void describe_softmax(description *d)
{
    dnnl_memory_desc_t x = output(d);
    keep(d, d->lib->softmax_forward_desc_init(&d->desc.softmax, dnnl_forward_inference, &x,
                                              d->op->out.rank - 1));
}

/* False: the library has nothing for this kind. */
static bool fill(description *d)
{
    switch (d->op->kind) {
    case SPA_OP_CONV:
        describe_conv(d);
        return true;
    case SPA_OP_LINEAR:
        describe_linear(d);
        return true;
    case SPA_OP_MATMUL:
        describe_matmul(d);
        return true;
    case SPA_OP_BATCH_NORM:
        describe_batch_norm(d);
        return true;
    case SPA_OP_LAYER_NORM:
        describe_layer_norm(d);
        return true;
    case SPA_OP_SOFTMAX:
        describe_softmax(d);
        return true;
    case SPA_OP_RELU:
        describe_unary(d, dnnl_eltwise_relu, 0);
        return true;
    case SPA_OP_RELU6:
        describe_unary(d, dnnl_eltwise_bounded_relu, 6);
        return true;
    case SPA_OP_LEAKY_RELU:
        describe_unary(d, dnnl_eltwise_relu, (float)d->op->attrs.alpha);
        return true;
    case SPA_OP_HARD_SWISH:
        describe_unary(d, dnnl_eltwise_hardswish, 0);
        return true;
    case SPA_OP_SIGMOID:
        describe_unary(d, dnnl_eltwise_logistic, 0);
        return true;
    case SPA_OP_GELU:
        describe_unary(d, dnnl_eltwise_gelu_erf, 0);
        return true;
    case SPA_OP_MAX_POOL:
    case SPA_OP_AVG_POOL:
    case SPA_OP_GLOBAL_AVG_POOL:
        describe_pool(d);
        return true;
    case SPA_OP_ADD:
    case SPA_OP_MUL:
        describe_binary(d);
        return true;
    default:
        return false;
    }
}

spa_status spa_onednn_describe(const spa_onednn_library *lib, const spa_graph *graph,
                               const spa_op *op, const spa_onednn_forms *forms,
                               dnnl_primitive_desc_t *pd, spa_error *err)
{
    description d = {.lib = lib, .graph = graph, .op = op, .forms = forms};
    *pd = NULL;
    if (!fill(&d)) return SPA_OK;
    if (d.status == dnnl_success)
        d.status = lib->primitive_desc_create(pd, &d.desc, lib->attr, lib->engine, NULL);
    if (d.status == dnnl_success) return SPA_OK;
    *pd = NULL;
    if (d.status == dnnl_out_of_memory) return spa_fail_nomem(err, 0);
    return SPA_OK; /* not implemented, or a shape that it does not take */
}

const char *spa_onednn_implementation(const spa_onednn_library *lib, const_dnnl_primitive_desc_t pd)
{
    const char *name = NULL;
    lib->primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
    return name != NULL ? name : "";
}

size_t spa_onednn_scratchpad_bytes(const spa_onednn_library *lib, const_dnnl_primitive_desc_t pd)
{
    const dnnl_memory_desc_t *md = lib->primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    return md != NULL ? lib->memory_desc_get_size(md) : 0;
}

#else
typedef int spa_onednn_describe_unused;
#endif
