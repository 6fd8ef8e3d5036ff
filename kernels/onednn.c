/* The onednn backend: convolutions, products, normalisation and pooling by oneDNN, in its layout of
 * channel blocks; what it has no primitive for, or is slower at, by the loops of `blas`. */
#include "kernels/onednn_primitive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"
#include "kernels/blas.h"
#include "kernels/dims.h"

#if defined(SPA_ONEDNN) && SPA_ONEDNN

/* ---- layouts --------------------------------------------------------------------------------- */

static bool is_image_kind(spa_op_kind kind)
{
    switch (kind) {
    case SPA_OP_CONV:
    case SPA_OP_BATCH_NORM:
    case SPA_OP_RELU:
    case SPA_OP_RELU6:
    case SPA_OP_LEAKY_RELU:
    case SPA_OP_HARD_SWISH:
    case SPA_OP_HARD_SIGMOID:
    case SPA_OP_SIGMOID:
    case SPA_OP_GELU:
    case SPA_OP_MAX_POOL:
    case SPA_OP_AVG_POOL:
    case SPA_OP_GLOBAL_AVG_POOL:
    case SPA_OP_ADD:
    case SPA_OP_MUL:
        return true;
    default:
        return false;
    }
}

static bool is_image(const spa_shape *s, int block)
{
    return s->rank == 4 && s->dim[1] % block == 0 && s->dim[2] * s->dim[3] > 1;
}

/* One value per channel of the other operand. */
static bool is_per_channel(const spa_shape *s, const spa_shape *out)
{
    return s->rank == 4 && s->dim[0] == out->dim[0] && s->dim[1] == out->dim[1] && s->dim[2] == 1 &&
           s->dim[3] == 1;
}

static bool same_shape(const spa_shape *a, const spa_shape *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
}

static uint8_t layout_of(const uint8_t *layouts, int32_t producer)
{
    return producer < 0 ? SPA_LAYOUT_PLAIN : layouts[producer];
}

/* Add and mul: both operands blocked, or one of them blocked and the other one value (each). */
static uint8_t binary_layout(const spa_graph *g, const spa_op *op, const uint8_t *layouts)
{
    const spa_shape *second = spa_op_second_shape(g, op);
    int32_t a = g->inputs[op->first_input];
    if (layout_of(layouts, a) != SPA_LAYOUT_BLOCKED) return SPA_LAYOUT_PLAIN;
    if (op->n_inputs == 1) return second ? SPA_LAYOUT_PLAIN : SPA_LAYOUT_BLOCKED;
    if (!same_shape(spa_graph_input_shape(g, op, 0), &op->out)) return SPA_LAYOUT_PLAIN;
    if (is_per_channel(second, &op->out)) return SPA_LAYOUT_BLOCKED;
    return same_shape(second, &op->out) ? layout_of(layouts, g->inputs[op->first_input + 1])
                                        : SPA_LAYOUT_PLAIN;
}

/* What an operator would like to put out, given what its inputs are. */
static uint8_t wish(const spa_graph *g, size_t index, const uint8_t *layouts, int block)
{
    const spa_op *op = &g->ops[index];
    if (!is_image_kind(op->kind) || !is_image(&op->out, block)) return SPA_LAYOUT_PLAIN;
    uint32_t first = g->first_consumer[index], end = g->first_consumer[index + 1];
    if (first == end) return SPA_LAYOUT_PLAIN; /* a result */
    for (uint32_t i = first; i < end; i++)
        if (!is_image_kind(g->ops[g->consumers[i]].kind)) return SPA_LAYOUT_PLAIN;
    if (op->kind == SPA_OP_CONV) return SPA_LAYOUT_BLOCKED;
    if (op->kind == SPA_OP_ADD || op->kind == SPA_OP_MUL) return binary_layout(g, op, layouts);
    return layout_of(layouts, g->inputs[op->first_input]);
}

/* Can the operator read this input in blocks? */
static bool reads_blocks(const spa_graph *g, size_t index, uint32_t input, const uint8_t *layouts)
{
    const spa_op *op = &g->ops[index];
    if (op->kind == SPA_OP_CONV || op->kind == SPA_OP_GLOBAL_AVG_POOL) return true;
    return layouts[index] == SPA_LAYOUT_BLOCKED &&
           (input == 0 || layout_of(layouts, g->inputs[op->first_input + 1]));
}

/* Tensors that somebody reads who cannot read blocks become plain, until all agree. */
static void find_layouts(const spa_graph *g, uint8_t *layouts)
{
    const spa_onednn *l;
    memset(layouts, SPA_LAYOUT_PLAIN, g->n_ops);
    if (spa_onednn_open(&l, NULL)) return;
    uint8_t *plain = calloc(g->n_ops, 1);
    for (bool changed = plain != NULL; changed;) {
        changed = false;
        for (size_t i = 0; i < g->n_ops; i++)
            layouts[i] = plain[i] ? SPA_LAYOUT_PLAIN : wish(g, i, layouts, l->block);
        for (size_t i = 0; i < g->n_ops; i++) {
            const spa_op *op = &g->ops[i];
            for (uint32_t k = 0; k < op->n_inputs; k++) {
                int32_t from = g->inputs[op->first_input + k];
                if (layout_of(layouts, from) == SPA_LAYOUT_PLAIN || plain[from]) continue;
                if (reads_blocks(g, i, k, layouts)) continue;
                plain[from] = true;
                changed = true;
            }
        }
    }
    free(plain);
}

static void convert(const spa_shape *s, const float *from, float *to, bool to_plain)
{
    const spa_onednn *l;
    const spa_vector *v = spa_vector_best();
    if (spa_onednn_open(&l, NULL)) return; /* it was open when the layout was chosen */
    size_t block = (size_t)l->block, area = (size_t)s->dim[2] * (size_t)s->dim[3];
    size_t blocks = (size_t)s->dim[0] * (size_t)s->dim[1] / block;
    for (size_t b = 0; b < blocks; b++, from += block * area, to += block * area) {
        if (to_plain)
            v->transpose(from, block, to, area, area, block);
        else
            v->transpose(from, area, to, block, block, area);
    }
}

/* ---- operators ------------------------------------------------------------------------------- */

/* A prepared operator: a primitive with copies before and behind it where it works in a layout of
 * its own, or the state of `blas`. */
typedef struct onednn_op {
    const spa_onednn *library;
    bool has_primitive;
    onednn_primitive main, before, behind;
    size_t before_bytes, behind_bytes; /* of the copies */
    int n_fixed;                       /* arguments behind input and output that stay the same */
    void *fixed[ONEDNN_ARGS];
    float *weights, *rest; /* owned */
    void *dense;           /* of blas */
} onednn_op;

static void release(void *state)
{
    onednn_op *o = state;
    if (!o) return;
    if (o->has_primitive) {
        onednn_primitive_fini(&o->main, o->library);
        onednn_primitive_fini(&o->before, o->library);
        onednn_primitive_fini(&o->behind, o->library);
    }
    free(o->weights);
    free(o->rest);
    spa_backend_blas.release(o->dense);
    free(o);
}

typedef struct builder {
    const spa_onednn *l;
    const spa_graph *graph;
    const spa_op *op;
    const float *const *params;
    const uint8_t *layouts;
    size_t index;
    onednn_op *o;
} builder;

static dnnl_format_tag_t tag_of(const builder *b, uint8_t layout)
{
    if (layout == SPA_LAYOUT_PLAIN) return dnnl_nchw;
    return b->l->block == 16 ? dnnl_nChw16c : dnnl_nChw8c;
}

static void image_desc(const builder *b, const spa_shape *s, dnnl_format_tag_t tag,
                       dnnl_memory_desc_t *desc)
{
    const dnnl_dim_t dims[4] = {s->dim[0], s->dim[1], s->dim[2], s->dim[3]};
    onednn_desc(b->l, 4, dims, tag, desc);
}

static uint8_t input_layout(const builder *b, uint32_t i)
{
    return layout_of(b->layouts, b->graph->inputs[b->op->first_input + i]);
}

/* Weights in the layout that the primitive asked for. */
static spa_status pack_weights(builder *b, const dnnl_memory_desc_t *from,
                               const dnnl_memory_desc_t *to, spa_error *err)
{
    onednn_primitive reorder;
    void *scratch = NULL;
    SPA_TRY(spa_alloc_aligned(&b->o->weights, b->l->dnnl_memory_desc_get_size(to), err));
    SPA_TRY(onednn_reorder_init(&reorder, b->l, from, to, b->op->name, err));
    if (reorder.n_args == 0) {
        memcpy(b->o->weights, b->params[0], b->l->dnnl_memory_desc_get_size(to));
        return SPA_OK;
    }
    spa_status status = spa_alloc_aligned(&scratch, reorder.scratch_bytes, err);
    void *data[] = {(void *)(uintptr_t)b->params[0], b->o->weights, scratch};
    if (!status) status = onednn_primitive_run(&reorder, b->l, data, b->op->name, err);
    free(scratch);
    onednn_primitive_fini(&reorder, b->l);
    return status;
}

/* Copies between what the primitive wants and what the tensors are. */
static spa_status add_copies(builder *b, const dnnl_memory_desc_t *given_in,
                             const dnnl_memory_desc_t *wanted_in,
                             const dnnl_memory_desc_t *made_out,
                             const dnnl_memory_desc_t *given_out, spa_error *err)
{
    onednn_op *o = b->o;
    SPA_TRY(onednn_reorder_init(&o->before, b->l, given_in, wanted_in, b->op->name, err));
    SPA_TRY(onednn_reorder_init(&o->behind, b->l, made_out, given_out, b->op->name, err));
    if (o->before.n_args) o->before_bytes = b->l->dnnl_memory_desc_get_size(wanted_in);
    if (o->behind.n_args) o->behind_bytes = b->l->dnnl_memory_desc_get_size(made_out);
    return SPA_OK;
}

static void add_fixed(builder *b, int name, const dnnl_memory_desc_t *desc, const void *data)
{
    onednn_primitive_arg(&b->o->main, name, desc);
    b->o->fixed[b->o->n_fixed++] = (void *)(uintptr_t)data;
}

/* Everything of a primitive with weights and perhaps a bias. */
static spa_status finish_product(builder *b, dnnl_primitive_desc_t pd, const dnnl_memory_desc_t *in,
                                 const dnnl_memory_desc_t *weights, const dnnl_memory_desc_t *bias,
                                 const dnnl_memory_desc_t *out, spa_error *err)
{
    const spa_onednn *l = b->l;
    dnnl_memory_desc_t in_md = *l->dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0);
    dnnl_memory_desc_t w_md = *l->dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    dnnl_memory_desc_t out_md = *l->dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
    spa_status status = pack_weights(b, weights, &w_md, err);
    if (!status) status = add_copies(b, in, &in_md, &out_md, out, err);
    if (status) {
        l->dnnl_primitive_desc_destroy(pd);
        return status;
    }
    onednn_primitive_arg(&b->o->main, DNNL_ARG_SRC, &in_md);
    onednn_primitive_arg(&b->o->main, DNNL_ARG_DST, &out_md);
    add_fixed(b, DNNL_ARG_WEIGHTS, &w_md, b->o->weights);
    if (bias) add_fixed(b, DNNL_ARG_BIAS, bias, b->params[1]);
    return onednn_primitive_finish(&b->o->main, l, pd, b->op->name, err);
}

static spa_status build_conv(builder *b, spa_error *err)
{
    spa_window d = spa_op_window(b->graph, b->op);
    const spa_shape *in_shape = spa_graph_input_shape(b->graph, b->op, 0);
    dnnl_memory_desc_t in, in_any, weights, weights_any, bias, out, out_any;
    dnnl_convolution_desc_t desc;
    dnnl_primitive_desc_t pd;
    bool grouped = d.groups > 1, has_bias = b->op->attrs.has_bias;
    dnnl_dim_t w[5] = {(dnnl_dim_t)d.groups, (dnnl_dim_t)(d.m / d.groups),
                       (dnnl_dim_t)(d.c / d.groups), (dnnl_dim_t)d.kh, (dnnl_dim_t)d.kw};
    dnnl_dim_t m = (dnnl_dim_t)d.m;
    dnnl_dims_t strides = {(dnnl_dim_t)d.sh, (dnnl_dim_t)d.sw};
    dnnl_dims_t dilates = {(dnnl_dim_t)d.dh - 1, (dnnl_dim_t)d.dw - 1};
    dnnl_dims_t before = {(dnnl_dim_t)d.pt, (dnnl_dim_t)d.pl};
    dnnl_dims_t after = {b->op->attrs.pad_bottom, b->op->attrs.pad_right};
    image_desc(b, in_shape, tag_of(b, input_layout(b, 0)), &in);
    image_desc(b, &b->op->out, tag_of(b, b->layouts[b->index]), &out);
    /* Blocked tensors stay as they are; of plain ones the primitive may choose its own copy, but
       for few channels, which it reads row-major. */
    image_desc(b, in_shape, dnnl_format_tag_any, &in_any);
    image_desc(b, &b->op->out, dnnl_format_tag_any, &out_any);
    bool keep_in = input_layout(b, 0) == SPA_LAYOUT_BLOCKED || d.c < 8;
    bool keep_out = b->layouts[b->index] == SPA_LAYOUT_BLOCKED;
    onednn_desc(b->l, grouped ? 5 : 4, grouped ? w : w + 1, grouped ? dnnl_goihw : dnnl_oihw,
                &weights);
    onednn_desc(b->l, grouped ? 5 : 4, grouped ? w : w + 1, dnnl_format_tag_any, &weights_any);
    onednn_desc(b->l, 1, &m, dnnl_a, &bias);
    if (b->l->dnnl_dilated_convolution_forward_desc_init(
            &desc, dnnl_forward_inference, dnnl_convolution_direct, keep_in ? &in : &in_any,
            &weights_any, has_bias ? &bias : NULL, keep_out ? &out : &out_any, strides, dilates,
            before, after) != dnnl_success)
        return SPA_E_UNSUPPORTED;
    SPA_TRY(onednn_primitive_init(&b->o->main, b->l, &desc, b->op->name, &pd, err));
    return finish_product(b, pd, &in, &weights, has_bias ? &bias : NULL, &out, err);
}

static spa_status build_linear(builder *b, spa_error *err)
{
    size_t k = spa_shape_last(spa_graph_input_shape(b->graph, b->op, 0));
    size_t m = spa_shape_last(&b->op->out), rows = spa_shape_count(&b->op->out) / m;
    bool has_bias = b->op->attrs.has_bias;
    dnnl_dim_t in_dims[2] = {(dnnl_dim_t)rows, (dnnl_dim_t)k};
    dnnl_dim_t w_dims[2] = {(dnnl_dim_t)m, (dnnl_dim_t)k};
    dnnl_dim_t out_dims[2] = {(dnnl_dim_t)rows, (dnnl_dim_t)m};
    dnnl_memory_desc_t in, weights, weights_any, bias, out;
    dnnl_inner_product_desc_t desc;
    dnnl_primitive_desc_t pd;
    onednn_desc(b->l, 2, in_dims, dnnl_ab, &in);
    onednn_desc(b->l, 2, w_dims, dnnl_ab, &weights);
    onednn_desc(b->l, 2, w_dims, dnnl_format_tag_any, &weights_any);
    onednn_desc(b->l, 1, &w_dims[0], dnnl_a, &bias);
    onednn_desc(b->l, 2, out_dims, dnnl_ab, &out);
    if (b->l->dnnl_inner_product_forward_desc_init(&desc, dnnl_forward_inference, &in, &weights_any,
                                                   has_bias ? &bias : NULL, &out) != dnnl_success)
        return SPA_E_UNSUPPORTED;
    SPA_TRY(onednn_primitive_init(&b->o->main, b->l, &desc, b->op->name, &pd, err));
    return finish_product(b, pd, &in, &weights, has_bias ? &bias : NULL, &out, err);
}

static spa_status build_batch_norm(builder *b, spa_error *err)
{
    size_t c = (size_t)b->op->out.dim[1];
    dnnl_dim_t dims[2] = {2, (dnnl_dim_t)c};
    dnnl_memory_desc_t image, scale_shift, channels;
    dnnl_batch_normalization_desc_t desc;
    dnnl_primitive_desc_t pd;
    image_desc(b, &b->op->out, tag_of(b, SPA_LAYOUT_BLOCKED), &image);
    onednn_desc(b->l, 2, dims, dnnl_ab, &scale_shift);
    onednn_desc(b->l, 1, &dims[1], dnnl_a, &channels);
    SPA_TRY(spa_alloc_aligned(&b->o->rest, 2 * c * sizeof(float), err));
    memcpy(b->o->rest, b->params[0], c * sizeof(float));
    memcpy(b->o->rest + c, b->params[1], c * sizeof(float));
    if (b->l->dnnl_batch_normalization_forward_desc_init(
            &desc, dnnl_forward_inference, &image, (float)SPA_NORM_EPSILON,
            dnnl_use_global_stats | dnnl_use_scaleshift) != dnnl_success)
        return SPA_E_UNSUPPORTED;
    SPA_TRY(onednn_primitive_init(&b->o->main, b->l, &desc, b->op->name, &pd, err));
    onednn_primitive_arg(&b->o->main, DNNL_ARG_SRC, &image);
    onednn_primitive_arg(&b->o->main, DNNL_ARG_DST, &image);
    add_fixed(b, DNNL_ARG_SCALE_SHIFT, &scale_shift, b->o->rest);
    add_fixed(b, DNNL_ARG_MEAN, &channels, b->params[2]);
    add_fixed(b, DNNL_ARG_VARIANCE, &channels, b->params[3]);
    return onednn_primitive_finish(&b->o->main, b->l, pd, b->op->name, err);
}

/* Windows over blocked images; a global pool is one window. */
static spa_status build_pool(builder *b, spa_error *err)
{
    const spa_shape *in_shape = spa_graph_input_shape(b->graph, b->op, 0);
    bool global = b->op->kind == SPA_OP_GLOBAL_AVG_POOL;
    spa_window d = spa_op_window(b->graph, b->op);
    dnnl_dims_t kernel = {(dnnl_dim_t)(global ? d.h : d.kh), (dnnl_dim_t)(global ? d.w : d.kw)};
    dnnl_dims_t strides = {(dnnl_dim_t)(global ? 1 : d.sh), (dnnl_dim_t)(global ? 1 : d.sw)};
    dnnl_dims_t before = {(dnnl_dim_t)(global ? 0 : d.pt), (dnnl_dim_t)(global ? 0 : d.pl)};
    /* What a rounded-up size reads beyond the image counts as padding. */
    dnnl_dims_t after = {
        ((dnnl_dim_t)d.oh - 1) * strides[0] + kernel[0] - (dnnl_dim_t)d.h - before[0],
        ((dnnl_dim_t)d.ow - 1) * strides[1] + kernel[1] - (dnnl_dim_t)d.w - before[1]};
    dnnl_memory_desc_t in, out;
    dnnl_pooling_desc_t desc;
    dnnl_primitive_desc_t pd;
    for (int i = 0; i < 2; i++)
        if (after[i] < 0) after[i] = 0;
    image_desc(b, in_shape, tag_of(b, SPA_LAYOUT_BLOCKED), &in);
    image_desc(b, &b->op->out, tag_of(b, SPA_LAYOUT_BLOCKED), &out);
    if (b->l->dnnl_pooling_forward_desc_init(
            &desc, dnnl_forward_inference,
            b->op->kind == SPA_OP_MAX_POOL ? dnnl_pooling_max : dnnl_pooling_avg_include_padding,
            &in, &out, strides, kernel, before, after) != dnnl_success)
        return SPA_E_UNSUPPORTED;
    SPA_TRY(onednn_primitive_init(&b->o->main, b->l, &desc, b->op->name, &pd, err));
    onednn_primitive_arg(&b->o->main, DNNL_ARG_SRC, &in);
    onednn_primitive_arg(&b->o->main, DNNL_ARG_DST, &out);
    return onednn_primitive_finish(&b->o->main, b->l, pd, b->op->name, err);
}

/* A blocked image and one value per channel. */
static spa_status build_binary(builder *b, spa_error *err)
{
    const spa_shape *second = spa_op_second_shape(b->graph, b->op);
    dnnl_memory_desc_t image, channels;
    dnnl_binary_desc_t desc;
    dnnl_primitive_desc_t pd;
    image_desc(b, &b->op->out, tag_of(b, SPA_LAYOUT_BLOCKED), &image);
    image_desc(b, second, tag_of(b, SPA_LAYOUT_BLOCKED), &channels);
    if (b->l->dnnl_binary_desc_init(&desc,
                                    b->op->kind == SPA_OP_ADD ? dnnl_binary_add : dnnl_binary_mul,
                                    &image, &channels, &image) != dnnl_success)
        return SPA_E_UNSUPPORTED;
    SPA_TRY(onednn_primitive_init(&b->o->main, b->l, &desc, b->op->name, &pd, err));
    onednn_primitive_arg(&b->o->main, DNNL_ARG_SRC_0, &image);
    onednn_primitive_arg(&b->o->main, DNNL_ARG_DST, &image);
    onednn_primitive_arg(&b->o->main, DNNL_ARG_SRC_1, &channels); /* given per call */
    return onednn_primitive_finish(&b->o->main, b->l, pd, b->op->name, err);
}

/* Which primitive, if any: measured per kind (kernels/README.md). */
typedef spa_status build_fn(builder *b, spa_error *err);
static build_fn *choose(const builder *b)
{
    const spa_op *op = b->op;
    bool blocked = b->op->n_inputs > 0 && input_layout(b, 0) == SPA_LAYOUT_BLOCKED;
    switch (op->kind) {
    case SPA_OP_CONV: /* a single position is a product of a matrix and a vector */
        return op->out.dim[2] * op->out.dim[3] > 1 ? build_conv : NULL;
    case SPA_OP_LINEAR:
        return spa_shape_count(&op->out) > spa_shape_last(&op->out) ? build_linear : NULL;
    case SPA_OP_BATCH_NORM:
        return blocked ? build_batch_norm : NULL;
    case SPA_OP_MAX_POOL:
    case SPA_OP_AVG_POOL:
    case SPA_OP_GLOBAL_AVG_POOL:
        return blocked ? build_pool : NULL;
    case SPA_OP_ADD:
    case SPA_OP_MUL:
        return blocked && op->n_inputs == 2 &&
                       !same_shape(spa_op_second_shape(b->graph, op), &op->out)
                   ? build_binary
                   : NULL;
    default:
        return NULL;
    }
}

static spa_status prepare(const spa_graph *graph, const spa_op *op, const float *const *params,
                          void **state, spa_error *err)
{
    builder b = {.graph = graph, .op = op, .params = params, .index = (size_t)(op - graph->ops)};
    uint8_t *layouts = NULL;
    *state = NULL;
    SPA_TRY(spa_onednn_open(&b.l, err));
    SPA_TRY(spa_alloc(&layouts, graph->n_ops, 1, err));
    spa_status status = spa_alloc(&b.o, 1, sizeof *b.o, err);
    if (status) {
        free(layouts);
        return status;
    }
    find_layouts(graph, layouts);
    b.layouts = layouts;
    b.o->library = b.l;
    build_fn *build = choose(&b);
    int threads = spa_onednn_single(b.l); /* primitives remember how many there were */
    if (build) {
        b.o->has_primitive = true;
        status = build(&b, err);
    } else {
        status = spa_backend_blas.prepare(graph, op, params, &b.o->dense, err);
    }
    spa_onednn_threads(b.l, threads);
    free(layouts);
    if (status)
        release(b.o);
    else
        *state = b.o;
    return status;
}

/* ---- running --------------------------------------------------------------------------------- */

static size_t align_up(size_t bytes)
{
    return (bytes + SPA_KERNEL_ALIGN - 1) / SPA_KERNEL_ALIGN * SPA_KERNEL_ALIGN;
}

static size_t scratch_bytes(const onednn_op *o)
{
    size_t most = o->main.scratch_bytes;
    if (o->before.scratch_bytes > most) most = o->before.scratch_bytes;
    return o->behind.scratch_bytes > most ? o->behind.scratch_bytes : most;
}

static size_t workspace_bytes(const spa_graph *graph, const spa_op *op, const void *state)
{
    const onednn_op *o = state;
    if (!o->has_primitive) return spa_backend_blas.workspace_bytes(graph, op, o->dense);
    return align_up(o->before_bytes) + align_up(o->behind_bytes) + scratch_bytes(o);
}

static spa_status run(const spa_kernel_args *args, spa_error *err)
{
    onednn_op *o = (onednn_op *)(uintptr_t)args->state;
    if (!o->has_primitive) {
        spa_kernel_args dense = *args;
        dense.state = o->dense;
        return spa_backend_blas.run(&dense, err);
    }
    char *at = args->workspace;
    void *in = (void *)(uintptr_t)args->inputs[0], *out = args->output;
    void *scratch = at + align_up(o->before_bytes) + align_up(o->behind_bytes);
    void *data[ONEDNN_ARGS];
    int n = 2;
    if (o->before.n_args) {
        void *copy[] = {in, at, scratch};
        SPA_TRY(onednn_primitive_run(&o->before, o->library, copy, args->op->name, err));
        in = at;
    }
    if (o->behind.n_args) out = at + align_up(o->before_bytes);
    data[0] = in;
    data[1] = out;
    for (int i = 0; i < o->n_fixed; i++) data[n++] = o->fixed[i];
    if (n < o->main.n_args - 1) data[n++] = (void *)(uintptr_t)args->inputs[1];
    data[n] = scratch;
    SPA_TRY(onednn_primitive_run(&o->main, o->library, data, args->op->name, err));
    if (!o->behind.n_args) return SPA_OK;
    void *copy[] = {out, args->output, scratch};
    return onednn_primitive_run(&o->behind, o->library, copy, args->op->name, err);
}

static spa_status probe(spa_error *err)
{
    const spa_onednn *l;
    SPA_TRY(spa_onednn_open(&l, err));
    return spa_backend_blas.probe(err);
}

static void describe(char *text, size_t size)
{
    const spa_onednn *l;
    if (spa_onednn_open(&l, NULL)) {
        snprintf(text, size, "oneDNN (missing)");
        return;
    }
    const dnnl_version_t *v = l->dnnl_version();
    snprintf(text, size, "oneDNN %d.%d.%d, blocks of %d, isa %#x", v->major, v->minor, v->patch,
             l->block, (unsigned)l->dnnl_get_effective_cpu_isa());
}

#else /* built without its header */

static const char absent[] = "onednn: this program was built without oneDNN; install libdnnl-dev "
                             "and build again";

static spa_status probe(spa_error *err)
{
    return spa_fail(err, SPA_E_UNSUPPORTED, "%s", absent);
}
static spa_status prepare(const spa_graph *graph, const spa_op *op, const float *const *params,
                          void **state, spa_error *err)
{
    *state = NULL;
    return spa_fail(err, SPA_E_UNSUPPORTED, "%s", absent);
}
static void release(void *state)
{
    (void)state;
}
static size_t workspace_bytes(const spa_graph *graph, const spa_op *op, const void *state)
{
    return 0;
}
static spa_status run(const spa_kernel_args *args, spa_error *err)
{
    return spa_fail(err, SPA_E_UNSUPPORTED, "%s", absent);
}
static void describe(char *text, size_t size)
{
    snprintf(text, size, "oneDNN (not built)");
}
static void find_layouts(const spa_graph *g, uint8_t *layouts)
{
    memset(layouts, SPA_LAYOUT_PLAIN, g->n_ops);
}
static void convert(const spa_shape *s, const float *from, float *to, bool to_plain)
{
    (void)s, (void)from, (void)to, (void)to_plain; /* nothing is blocked */
}
#endif

static bool supports(const spa_graph *graph, const spa_op *op)
{
    return spa_backend_blas.supports(graph, op);
}

const spa_backend spa_backend_onednn = {
    .name = "onednn",
    .summary = "dense: oneDNN in channel blocks, vectorised loops for the rest",
    .probe = probe,
    .supports = supports,
    .prepare = prepare,
    .release = release,
    .workspace_bytes = workspace_bytes,
    .run = run,
    .describe = describe,
    .layouts = find_layouts,
    .convert = convert,
};
