/* Plans: matrix products, convolutions, pools. */
#include "kernels/cuda/plan.h"
#include "kernels/dims.h"

/* ---- products ------------------------------------------------------------------------------- *
 * BLAS is column-major: a row-major X [r,c] is its c x r matrix X^T with leading dimension c. So
 * Y = X W^T, row-major, is Y^T = W X^T there: W is the first operand. */

static spa_status add_gemm(spa_cuda_builder *b, spa_cuda_ref a, spa_cuda_ref bb,
                           const spa_gemm_args *args)
{
    spa_cuda_step step = {.kind = SPA_CUDA_GEMM,
                          .in = {a, bb},
                          .out = spa_cuda_at(SPA_CUDA_OUTPUT, 0),
                          .args.gemm = *args};
    return spa_cuda_add(b, &step);
}

/* y [rows,m] = x [rows,k] weight [m,k]^T */
spa_status spa_cuda_plan_linear(spa_cuda_builder *b)
{
    const spa_op *op = b->op;
    int32_t k = (int32_t)spa_shape_last(spa_graph_input_shape(b->graph, op, 0));
    int32_t m = (int32_t)spa_shape_last(&op->out);
    int32_t rows = (int32_t)(spa_shape_count(&op->out) / (size_t)m);
    spa_gemm_args args = {
        .transpose_a = true, .m = m, .n = rows, .k = k, .lda = k, .ldb = k, .ldc = m, .batch = 1};
    SPA_TRY(add_gemm(b, spa_cuda_take_param(b, 0, false), spa_cuda_at(SPA_CUDA_INPUT, 0), &args));
    return op->attrs.has_bias ? spa_cuda_add_bias(b, 1, (size_t)m) : SPA_OK;
}

/* c [m,n] = a [m,k] b [k,n]: the first operand of BLAS is b. */
spa_status spa_cuda_plan_matmul(spa_cuda_builder *b)
{
    spa_matmul_dims d = spa_op_matmul_dims(b->graph, b->op);
    spa_gemm_args args = {.transpose_a = d.transpose_b,
                          .m = (int32_t)d.n,
                          .n = (int32_t)d.m,
                          .k = (int32_t)d.k,
                          .lda = (int32_t)(d.transpose_b ? d.k : d.n),
                          .ldb = (int32_t)d.k,
                          .ldc = (int32_t)d.n,
                          .batch = (int32_t)d.batch,
                          .stride_a = (int64_t)d.b_step,
                          .stride_b = (int64_t)d.a_step,
                          .stride_c = (int64_t)(d.m * d.n)};
    return add_gemm(b, spa_cuda_at(SPA_CUDA_INPUT, 1), spa_cuda_at(SPA_CUDA_INPUT, 0), &args);
}

/* ---- convolutions --------------------------------------------------------------------------- */

static spa_window_args window_args(const spa_window *d, size_t count)
{
    return (spa_window_args){
        .count = (uint32_t)count,
        .c = (uint32_t)d->c,
        .h = (uint32_t)d->h,
        .w = (uint32_t)d->w,
        .m = (uint32_t)d->m,
        .oh = (uint32_t)d->oh,
        .ow = (uint32_t)d->ow,
        .kh = (uint32_t)d->kh,
        .kw = (uint32_t)d->kw,
        .sh = (uint32_t)d->sh,
        .sw = (uint32_t)d->sw,
        .dh = (uint32_t)d->dh,
        .dw = (uint32_t)d->dw,
        .pt = (uint32_t)d->pt,
        .pl = (uint32_t)d->pl,
        .c_group = (uint32_t)(d->c / d->groups),
        .m_group = (uint32_t)(d->m / d->groups),
    };
}

/* 1x1: per image y [m,hw] = weight [m,c] x [c,hw]; the first operand of BLAS is x. */
static spa_status plan_pointwise(spa_cuda_builder *b, const spa_window *d)
{
    size_t area = d->h * d->w;
    spa_gemm_args args = {.m = (int32_t)area,
                          .n = (int32_t)d->m,
                          .k = (int32_t)d->c,
                          .lda = (int32_t)area,
                          .ldb = (int32_t)d->c,
                          .ldc = (int32_t)area,
                          .batch = (int32_t)d->n,
                          .stride_a = (int64_t)(d->c * area),
                          .stride_b = 0,
                          .stride_c = (int64_t)(d->m * area)};
    SPA_TRY(add_gemm(b, spa_cuda_at(SPA_CUDA_INPUT, 0), spa_cuda_take_param(b, 0, false), &args));
    return b->op->attrs.has_bias ? spa_cuda_add_bias(b, area, d->m) : SPA_OK;
}

static spa_status plan_direct(spa_cuda_builder *b, const spa_window *d)
{
    size_t count = spa_shape_count(&b->op->out);
    spa_cuda_step step = {.kind = SPA_CUDA_DIRECT_CONV,
                          .in = {spa_cuda_at(SPA_CUDA_INPUT, 0), spa_cuda_take_param(b, 0, false)},
                          .out = spa_cuda_at(SPA_CUDA_OUTPUT, 0),
                          .launch = spa_cuda_launch_flat(count),
                          .args.window = window_args(d, count)};
    step.args.window.has_bias = b->op->attrs.has_bias;
    if (b->op->attrs.has_bias) step.in[2] = spa_cuda_take_param(b, 1, true);
    return spa_cuda_add(b, &step);
}

/* Rows (or columns) that `size` inputs padded by `pad` on both sides give. */
static size_t symmetric_output(size_t size, size_t pad, size_t extent, size_t stride)
{
    return size + 2 * pad < extent ? 0 : (size + 2 * pad - extent) / stride + 1;
}

/* Copies x into the workspace with its padding around it (and without what no window reaches). */
static spa_status add_explicit_pad(spa_cuda_builder *b, const spa_window *d, size_t h, size_t w)
{
    const size_t to[4] = {d->n, d->c, h, w}, from[4] = {d->n, d->c, d->h, d->w};
    size_t n = d->n * d->c * h * w, in_step = 1, out_step = 1;
    spa_cuda_step step = {.kind = SPA_CUDA_MOVE,
                          .in = {spa_cuda_at(SPA_CUDA_INPUT, 0)},
                          .out = spa_cuda_at(SPA_CUDA_WORKSPACE, 0),
                          .launch = spa_cuda_launch_flat(n),
                          .args.move = {.n = (uint32_t)n, .rank = 4}};
    spa_move_args *a = &step.args.move;
    for (int i = 3; i >= 0; i--) {
        a->dim[i] = (uint32_t)to[i];
        a->step[i] = 1;
        a->divide[i] = 1;
        a->stride[i] = (uint32_t)in_step;
        a->out_stride[i] = (uint32_t)out_step;
        in_step *= from[i];
        out_step *= to[i];
    }
    a->begin[2] = -(int32_t)d->pt;
    a->begin[3] = -(int32_t)d->pl;
    a->size[2] = (int32_t)d->h;
    a->size[3] = (int32_t)d->w;
    b->plan->workspace_elements = n;
    return spa_cuda_add(b, &step);
}

static spa_status plan_library(spa_cuda_builder *b, const spa_window *d)
{
    size_t extent_h = d->dh * (d->kh - 1) + 1, extent_w = d->dw * (d->kw - 1) + 1;
    bool symmetric = symmetric_output(d->h, d->pt, extent_h, d->sh) == d->oh &&
                     symmetric_output(d->w, d->pl, extent_w, d->sw) == d->ow;
    size_t h = symmetric ? d->h : (d->oh - 1) * d->sh + extent_h;
    size_t w = symmetric ? d->w : (d->ow - 1) * d->sw + extent_w;
    if (!symmetric) SPA_TRY(add_explicit_pad(b, d, h, w));
    spa_cuda_step step = {.kind = SPA_CUDA_CONV,
                          .in = {spa_cuda_at(symmetric ? SPA_CUDA_INPUT : SPA_CUDA_WORKSPACE, 0),
                                 spa_cuda_take_param(b, 0, false)},
                          .out = spa_cuda_at(SPA_CUDA_OUTPUT, 0),
                          .args.conv = {.n = (int32_t)d->n,
                                        .c = (int32_t)d->c,
                                        .h = (int32_t)h,
                                        .w = (int32_t)w,
                                        .m = (int32_t)d->m,
                                        .kh = (int32_t)d->kh,
                                        .kw = (int32_t)d->kw,
                                        .oh = (int32_t)d->oh,
                                        .ow = (int32_t)d->ow,
                                        .pad_h = symmetric ? (int32_t)d->pt : 0,
                                        .pad_w = symmetric ? (int32_t)d->pl : 0,
                                        .stride_h = (int32_t)d->sh,
                                        .stride_w = (int32_t)d->sw,
                                        .dilation_h = (int32_t)d->dh,
                                        .dilation_w = (int32_t)d->dw,
                                        .groups = (int32_t)d->groups}};
    SPA_TRY(spa_cuda_add(b, &step));
    return b->op->attrs.has_bias ? spa_cuda_add_bias(b, d->oh * d->ow, d->m) : SPA_OK;
}

spa_status spa_cuda_plan_conv(spa_cuda_builder *b)
{
    spa_window d = spa_op_window(b->graph, b->op);
    if (spa_window_is_pointwise(&d) && d.groups == 1) return plan_pointwise(b, &d);
    if (spa_op_is_depthwise(b->graph, b->op) || !b->library_conv) return plan_direct(b, &d);
    return plan_library(b, &d);
}

spa_status spa_cuda_plan_pool(spa_cuda_builder *b)
{
    spa_window d = spa_op_window(b->graph, b->op);
    size_t count = spa_shape_count(&b->op->out);
    spa_cuda_step step = {.kind = SPA_CUDA_POOL,
                          .in = {spa_cuda_at(SPA_CUDA_INPUT, 0)},
                          .out = spa_cuda_at(SPA_CUDA_OUTPUT, 0),
                          .launch = spa_cuda_launch_flat(count),
                          .args.window = window_args(&d, count)};
    step.args.window.is_max = b->op->kind == SPA_OP_MAX_POOL;
    return spa_cuda_add(b, &step);
}
