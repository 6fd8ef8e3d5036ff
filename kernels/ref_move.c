/* The reference backend: windows, broadcasting and data movement. */
#include <math.h>
#include <string.h>

#include "kernels/dims.h"
#include "kernels/ref.h"

/* Position of row-major element `i` of a shape. */
static void unravel(const spa_shape *shape, size_t i, size_t at[SPA_MAX_RANK])
{
    for (int32_t d = shape->rank - 1; d >= 0; d--) {
        at[d] = i % (size_t)shape->dim[d];
        i /= (size_t)shape->dim[d];
    }
}

/* One output element of a pool over one channel x [H,W]. Max ignores padding; average divides by
 * the whole kernel area, padding counting as zero. */
static double pool_at(const spa_window *d, bool is_max, const float *x, size_t oy, size_t ox)
{
    double sum = 0, largest = -INFINITY;
    for (size_t ky = 0; ky < d->kh; ky++) {
        size_t y = oy * d->sh + ky * d->dh;
        if (y < d->pt || y - d->pt >= d->h) continue;
        for (size_t kx = 0; kx < d->kw; kx++) {
            size_t xx = ox * d->sw + kx * d->dw;
            if (xx < d->pl || xx - d->pl >= d->w) continue;
            double value = x[(y - d->pt) * d->w + xx - d->pl];
            sum += value;
            if (value > largest) largest = value;
        }
    }
    return is_max ? largest : sum / (double)(d->kh * d->kw);
}

void spa_ref_pool(const spa_kernel_args *args)
{
    spa_window d = spa_op_window(args->graph, args->op);
    bool is_max = args->op->kind == SPA_OP_MAX_POOL;
    float *out = args->output;
    for (size_t plane = 0; plane < d.n * d.c; plane++)
        for (size_t oy = 0; oy < d.oh; oy++)
            for (size_t ox = 0; ox < d.ow; ox++)
                *out++ = (float)pool_at(&d, is_max, args->inputs[0] + plane * d.h * d.w, oy, ox);
}

void spa_ref_global_avg_pool(const spa_kernel_args *args)
{
    const spa_shape *in = spa_graph_input_shape(args->graph, args->op, 0);
    size_t planes = spa_shape_product(in, 0, 2), area = spa_shape_product(in, 2, in->rank);
    for (size_t p = 0; p < planes; p++) {
        double sum = 0;
        for (size_t i = 0; i < area; i++) sum += args->inputs[0][p * area + i];
        args->output[p] = (float)(sum / (double)area);
    }
}

void spa_ref_mean(const spa_kernel_args *args)
{
    const spa_shape *in = spa_graph_input_shape(args->graph, args->op, 0);
    int32_t axis = args->op->attrs.axis;
    size_t outer = spa_shape_product(in, 0, axis), n = (size_t)in->dim[axis];
    size_t inner = spa_shape_product(in, axis + 1, in->rank);
    for (size_t o = 0; o < outer; o++) {
        for (size_t i = 0; i < inner; i++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++) sum += args->inputs[0][(o * n + k) * inner + i];
            args->output[o * inner + i] = (float)(sum / (double)n);
        }
    }
}

/* add and mul with NumPy broadcasting; mul without a second operand scales by alpha. */
void spa_ref_binary(const spa_kernel_args *args)
{
    const spa_op *op = args->op;
    const spa_shape *second = spa_op_second_shape(args->graph, op);
    const float *b = second == NULL ? NULL : op->n_inputs > 1 ? args->inputs[1] : args->params[0];
    size_t a_strides[SPA_MAX_RANK], b_strides[SPA_MAX_RANK] = {0}, at[SPA_MAX_RANK];
    spa_shape_broadcast(spa_graph_input_shape(args->graph, op, 0), &op->out, a_strides);
    if (second != NULL) spa_shape_broadcast(second, &op->out, b_strides);
    size_t count = spa_shape_count(&op->out);
    for (size_t i = 0; i < count; i++) {
        unravel(&op->out, i, at);
        size_t ai = 0, bi = 0;
        for (int32_t d = 0; d < op->out.rank; d++) {
            ai += at[d] * a_strides[d];
            bi += at[d] * b_strides[d];
        }
        double x = args->inputs[0][ai], y = b != NULL ? b[bi] : op->attrs.alpha;
        args->output[i] = (float)(op->kind == SPA_OP_ADD ? x + y : x * y);
    }
}

/* The parameter comes first; where it has 1 and the output more, it is repeated. */
void spa_ref_concat(const spa_kernel_args *args)
{
    const spa_op *op = args->op;
    int32_t axis = op->attrs.axis;
    size_t n_params = op->attrs.param_shape.rank > 0 ? 1 : 0, before = 0;
    size_t in_strides[SPA_MAX_RANK], out_strides[SPA_MAX_RANK], at[SPA_MAX_RANK];
    spa_shape_strides(&op->out, out_strides);
    for (size_t part = 0; part < n_params + op->n_inputs; part++) {
        bool is_param = part < n_params;
        const float *x = is_param ? args->params[0] : args->inputs[part - n_params];
        const spa_shape *own = is_param ? &op->attrs.param_shape
                                        : spa_graph_input_shape(args->graph, op, part - n_params);
        spa_shape shape = op->out; /* of this part in the output */
        shape.dim[axis] = own->dim[axis];
        spa_shape_broadcast(own, &shape, in_strides);
        size_t count = spa_shape_count(&shape);
        for (size_t i = 0; i < count; i++) {
            unravel(&shape, i, at);
            size_t from = 0, to = before * out_strides[axis];
            for (int32_t d = 0; d < shape.rank; d++) {
                from += at[d] * in_strides[d];
                to += at[d] * out_strides[d];
            }
            args->output[to] = x[from];
        }
        before += (size_t)own->dim[axis];
    }
}

/* Where one coordinate of the output comes from; false = a zero of the padding. */
static bool source_at(const spa_op *op, const spa_shape *in, const size_t at[SPA_MAX_RANK],
                      int32_t d, size_t *dim, size_t *from)
{
    const spa_op_attrs *a = &op->attrs;
    int64_t n = in->dim[d], i = (int64_t)at[d];
    *dim = (size_t)d;
    switch (op->kind) {
    case SPA_OP_SLICE:
        i = a->begin[d] + i * (a->step[d] == 0 ? 1 : a->step[d]);
        break;
    case SPA_OP_PAD:
        i -= a->begin[d];
        break;
    case SPA_OP_ROLL:
        i = ((i - a->begin[d]) % n + n) % n;
        break;
    case SPA_OP_TRANSPOSE:
        *dim = (size_t)a->perm[d];
        break;
    case SPA_OP_UPSAMPLE:
        i /= d == 2 ? a->stride_h : d == 3 ? a->stride_w : 1;
        break;
    default:
        break;
    }
    *from = (size_t)i;
    return op->kind != SPA_OP_PAD || (i >= 0 && i < n);
}

void spa_ref_move(const spa_kernel_args *args)
{
    const spa_op *op = args->op;
    const spa_shape *in = spa_graph_input_shape(args->graph, op, 0);
    size_t strides[SPA_MAX_RANK], at[SPA_MAX_RANK];
    spa_shape_strides(in, strides);
    size_t count = spa_shape_count(&op->out);
    for (size_t i = 0; i < count; i++) {
        unravel(&op->out, i, at);
        size_t index = 0;
        bool inside = true;
        for (int32_t d = 0; d < op->out.rank && inside; d++) {
            size_t dim, from;
            inside = source_at(op, in, at, d, &dim, &from);
            index += from * strides[dim];
        }
        args->output[i] = inside ? args->inputs[0][index] : 0;
    }
}

void spa_ref_reshape(const spa_kernel_args *args)
{
    memcpy(args->output, args->inputs[0], spa_shape_count(&args->op->out) * sizeof(float));
}

/* table [(2w-1)^2, heads] -> [1, heads, w*w, w*w]. */
void spa_ref_gather(const spa_kernel_args *args)
{
    const spa_shape *out = &args->op->out;
    size_t heads = (size_t)out->dim[1], area = (size_t)out->dim[2], window = 1;
    while (window * window < area) window++;
    for (size_t h = 0; h < heads; h++)
        for (size_t i = 0; i < area; i++)
            for (size_t j = 0; j < area; j++)
                args->output[(h * area + i) * area + j] =
                    args->params[0][spa_relative_position(window, i, j) * heads + h];
}
