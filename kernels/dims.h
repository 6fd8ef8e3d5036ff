/* Shapes as kernels want them: plain size_t, no zero strides. */
#ifndef SPA_KERNELS_DIMS_H
#define SPA_KERNELS_DIMS_H

#include "traces/graph.h"

/* A convolution or pooling window over [N,C,H,W]. */
typedef struct spa_window {
    size_t n, c, h, w; /* input */
    size_t m, oh, ow;  /* output channels, height, width */
    size_t kh, kw, sh, sw, dh, dw, pt, pl, groups;
} spa_window;

static inline size_t spa_dim_or_1(int32_t x)
{
    return x > 0 ? (size_t)x : 1;
}

static inline spa_window spa_op_window(const spa_graph *graph, const spa_op *op)
{
    const spa_shape *in = spa_graph_input_shape(graph, op, 0);
    const spa_op_attrs *a = &op->attrs;
    return (spa_window){
        .n = (size_t)in->dim[0],
        .c = (size_t)in->dim[1],
        .h = (size_t)in->dim[2],
        .w = (size_t)in->dim[3],
        .m = (size_t)op->out.dim[1],
        .oh = (size_t)op->out.dim[2],
        .ow = (size_t)op->out.dim[3],
        .kh = spa_dim_or_1(a->kernel_h),
        .kw = spa_dim_or_1(a->kernel_w),
        .sh = spa_dim_or_1(a->stride_h),
        .sw = spa_dim_or_1(a->stride_w),
        .dh = spa_dim_or_1(a->dilation_h),
        .dw = spa_dim_or_1(a->dilation_w),
        .pt = (size_t)a->pad_top,
        .pl = (size_t)a->pad_left,
        .groups = spa_dim_or_1(a->groups),
    };
}

/* A convolution that is a plain matrix product per image: 1x1, stride 1, no padding, one group. */
static inline bool spa_window_is_pointwise(const spa_window *d)
{
    return d->kh == 1 && d->kw == 1 && d->sh == 1 && d->sw == 1 && d->pt == 0 && d->pl == 0 &&
           d->oh == d->h && d->ow == d->w;
}

static inline size_t spa_shape_last(const spa_shape *s)
{
    return s->rank > 0 ? (size_t)s->dim[s->rank - 1] : 1;
}
static inline size_t spa_shape_count(const spa_shape *s)
{
    return (size_t)spa_shape_elements(s);
}

/* Product of dim[from .. to-1]. */
static inline size_t spa_shape_product(const spa_shape *s, int32_t from, int32_t to)
{
    size_t p = 1;
    for (int32_t i = from; i < to; i++) p *= (size_t)s->dim[i];
    return p;
}

/* Row-major strides in elements. */
static inline void spa_shape_strides(const spa_shape *s, size_t strides[SPA_MAX_RANK])
{
    size_t step = 1;
    for (int32_t i = s->rank - 1; i >= 0; i--) {
        strides[i] = step;
        step *= (size_t)s->dim[i];
    }
}

/* Strides of an operand broadcast to `out` (NumPy: aligned at the last dimension, 1 stretches). */
static inline void spa_shape_broadcast(const spa_shape *s, const spa_shape *out,
                                       size_t strides[SPA_MAX_RANK])
{
    size_t own[SPA_MAX_RANK] = {0};
    spa_shape_strides(s, own);
    for (int32_t i = 0; i < out->rank; i++) {
        int32_t j = i - (out->rank - s->rank);
        strides[i] = j >= 0 && s->dim[j] != 1 ? own[j] : 0;
    }
}

/* The second operand of add and mul: an input, a parameter, or NULL (a constant factor). */
static inline const spa_shape *spa_op_second_shape(const spa_graph *graph, const spa_op *op)
{
    if (op->n_inputs > 1) return spa_graph_input_shape(graph, op, 1);
    return op->attrs.param_shape.rank > 0 ? &op->attrs.param_shape : NULL;
}

/* Batched matrix product: a [batch][m,k] x b [batch][k,n], b [n,k] when transposed. */
typedef struct spa_matmul_dims {
    size_t batch, m, n, k;
    size_t a_step, b_step; /* elements from one batch to the next; 0 = the same for all */
    bool transpose_b;
} spa_matmul_dims;

static inline spa_matmul_dims spa_op_matmul_dims(const spa_graph *graph, const spa_op *op)
{
    const spa_shape *a = spa_graph_input_shape(graph, op, 0);
    const spa_shape *b = spa_graph_input_shape(graph, op, 1);
    spa_matmul_dims d = {.transpose_b = op->attrs.transpose_b};
    d.m = op->out.rank > 1 ? (size_t)op->out.dim[op->out.rank - 2] : 1;
    d.n = spa_shape_last(&op->out);
    d.k = spa_shape_last(a);
    d.batch = spa_shape_product(&op->out, 0, op->out.rank - 2);
    d.a_step = spa_shape_count(a) > d.m * d.k ? d.m * d.k : 0;
    d.b_step = spa_shape_count(b) > d.n * d.k ? d.n * d.k : 0;
    return d;
}

#endif
