/* The dense backend: normalisation, elementwise kinds and windows. */
#include <math.h>
#include <string.h>

#include "kernels/blas.h"
#include "kernels/dims.h"

void spa_blas_unary(const spa_kernel_args *args, const spa_vector *v)
{
    v->unary(args->op->kind, (float)args->op->attrs.alpha, args->inputs[0], args->output,
             spa_shape_count(&args->op->out));
}

/* state: scale and shift with mean and variance folded in, [2][C]. */
void spa_blas_batch_norm(const spa_kernel_args *args, const spa_vector *v)
{
    const spa_shape *in = spa_graph_input_shape(args->graph, args->op, 0);
    size_t n_count = (size_t)in->dim[0], c_count = (size_t)in->dim[1];
    size_t inner = spa_shape_product(in, 2, in->rank), i = 0;
    const float *scale = args->state, *shift = scale + c_count;
    for (size_t n = 0; n < n_count; n++)
        for (size_t c = 0; c < c_count; c++, i += inner)
            v->affine(args->inputs[0] + i, scale[c], shift[c], args->output + i, inner);
}

void spa_blas_layer_norm(const spa_kernel_args *args, const spa_vector *v)
{
    size_t n = spa_shape_last(&args->op->out), rows = spa_shape_count(&args->op->out) / n;
    for (size_t r = 0; r < rows; r++)
        v->layer_norm(args->inputs[0] + r * n, args->params[0], args->params[1],
                      (float)spa_op_epsilon(args->op), args->output + r * n, n);
}

void spa_blas_softmax(const spa_kernel_args *args, const spa_vector *v)
{
    size_t n = spa_shape_last(&args->op->out), rows = spa_shape_count(&args->op->out) / n;
    for (size_t r = 0; r < rows; r++) v->softmax(args->inputs[0] + r * n, args->output + r * n, n);
}

/* ---- add and mul --------------------------------------------------------------------------------
 */

/* One row: operands advance by 0 or 1 (both kinds commute, so the scalar may be either). */
static void binary_row(const spa_vector *v, bool is_add, const float *a, size_t a_step,
                       const float *b, size_t b_step, float *y, size_t n)
{
    if (a_step == 1 && b_step == 1) {
        (is_add ? v->add : v->mul)(a, b, y, n);
    } else if (a_step == 1 && b_step == 0) {
        (is_add ? v->add_scalar : v->mul_scalar)(a, *b, y, n);
    } else if (a_step == 0 && b_step == 1) {
        (is_add ? v->add_scalar : v->mul_scalar)(b, *a, y, n);
    } else {
        for (size_t i = 0; i < n; i++)
            y[i] = is_add ? a[i * a_step] + b[i * b_step] : a[i * a_step] * b[i * b_step];
    }
}

void spa_blas_binary(const spa_kernel_args *args, const spa_vector *v)
{
    const spa_op *op = args->op;
    const spa_shape *second = spa_op_second_shape(args->graph, op);
    float factor = (float)op->attrs.alpha;
    const float *a = args->inputs[0];
    const float *b = second == NULL     ? &factor
                     : op->n_inputs > 1 ? args->inputs[1]
                                        : args->params[0];
    spa_loop loop = {.rank = op->out.rank};
    for (int d = 0; d < loop.rank; d++) loop.n[d] = (size_t)op->out.dim[d];
    spa_shape_strides(&op->out, loop.step[0]);
    spa_shape_broadcast(spa_graph_input_shape(args->graph, op, 0), &op->out, loop.step[1]);
    if (second != NULL) spa_shape_broadcast(second, &op->out, loop.step[2]);
    spa_loop_simplify(&loop);
    size_t at[SPA_MAX_RANK] = {0}, offset[3] = {0};
    int last = loop.rank - 1;
    do {
        binary_row(v, op->kind == SPA_OP_ADD, a + offset[1], loop.step[1][last], b + offset[2],
                   loop.step[2][last], args->output + offset[0], loop.n[last]);
    } while (spa_loop_next(&loop, -1, at, offset));
}

/* ---- reductions ---------------------------------------------------------------------------------
 */

void spa_blas_global_avg_pool(const spa_kernel_args *args, const spa_vector *v)
{
    const spa_shape *in = spa_graph_input_shape(args->graph, args->op, 0);
    size_t planes = spa_shape_product(in, 0, 2), area = spa_shape_product(in, 2, in->rank);
    for (size_t p = 0; p < planes; p++)
        args->output[p] = v->sum(args->inputs[0] + p * area, area) / (float)area;
}

void spa_blas_mean(const spa_kernel_args *args, const spa_vector *v)
{
    const spa_shape *in = spa_graph_input_shape(args->graph, args->op, 0);
    int32_t axis = args->op->attrs.axis;
    size_t outer = spa_shape_product(in, 0, axis), n = (size_t)in->dim[axis];
    size_t inner = spa_shape_product(in, axis + 1, in->rank);
    for (size_t o = 0; o < outer; o++) {
        const float *x = args->inputs[0] + o * n * inner;
        float *y = args->output + o * inner;
        if (inner == 1) {
            *y = v->sum(x, n) / (float)n;
            continue;
        }
        memcpy(y, x, inner * sizeof(float));
        for (size_t k = 1; k < n; k++) v->add(y, x + k * inner, y, inner);
        v->mul_scalar(y, 1.0f / (float)n, y, inner);
    }
}

/* ---- windows: depthwise convolution and pooling ---------------------------------------------- */

/* One padded plane whose columns are dealt out by stride phase: column x of the padded image is at
 * [y][x % sw][x / sw], so that neighbouring outputs read neighbouring elements at any stride. */
typedef struct plane_layout {
    size_t rows, columns; /* columns per phase, with room for 16 more to be read */
    size_t row_step;      /* columns * phases */
} plane_layout;

static plane_layout plane_layout_of(const spa_window *d)
{
    size_t rows = (d->oh - 1) * d->sh + (d->kh - 1) * d->dh + 1;
    size_t width = (d->ow - 1) * d->sw + (d->kw - 1) * d->dw + 1;
    if (rows < d->pt + d->h) rows = d->pt + d->h;
    if (width < d->pl + d->w) width = d->pl + d->w;
    plane_layout layout = {.rows = rows, .columns = (width + d->sw - 1) / d->sw + 16};
    layout.row_step = layout.columns * d->sw;
    return layout;
}

size_t spa_blas_plane_bytes(const spa_graph *graph, const spa_op *op)
{
    spa_window d = spa_op_window(graph, op);
    plane_layout layout = plane_layout_of(&d);
    return (layout.rows * layout.row_step + 16) * sizeof(float) + d.kh * sizeof(const float *) +
           d.kw * sizeof(size_t) + d.kh * d.kw * sizeof(float);
}

static void fill_plane(const spa_window *d, const plane_layout *layout, const float *x,
                       float *plane)
{
    for (size_t y = 0; y < d->h; y++, x += d->w) {
        float *row = plane + (y + d->pt) * layout->row_step;
        if (d->sw == 1) {
            memcpy(row + d->pl, x, d->w * sizeof(float));
            continue;
        }
        for (size_t phase = 0; phase < d->sw && phase < d->w; phase++) {
            size_t to = phase + d->pl, count = (d->w - phase + d->sw - 1) / d->sw;
            float *column = row + to % d->sw * layout->columns + to / d->sw;
            const float *from = x + phase;
            if (d->sw == 2)
                for (size_t i = 0; i < count; i++) column[i] = from[2 * i];
            else
                for (size_t i = 0; i < count; i++) column[i] = from[i * d->sw];
        }
    }
}

/* What one call needs beside the plane, cut from the workspace. */
typedef struct window_scratch {
    plane_layout layout;
    const float **rows; /* [kh] */
    size_t *offset;     /* [kw] */
    float *weight;      /* [kh*kw] */
    float *plane;
} window_scratch;

static window_scratch window_begin(const spa_window *d, void *workspace, float fill)
{
    window_scratch s = {.layout = plane_layout_of(d)};
    s.rows = workspace;
    s.offset = (size_t *)(void *)(s.rows + d->kh);
    s.weight = (float *)(void *)(s.offset + d->kw);
    s.plane = s.weight + d->kh * d->kw;
    for (size_t k = 0; k < d->kw; k++) {
        size_t x = k * d->dw;
        s.offset[k] = x % d->sw * s.layout.columns + x / d->sw;
    }
    size_t count = s.layout.rows * s.layout.row_step + 16;
    for (size_t i = 0; i < count; i++) s.plane[i] = fill;
    return s;
}

static void window_rows(const spa_window *d, window_scratch *s, size_t oy)
{
    for (size_t k = 0; k < d->kh; k++)
        s->rows[k] = s->plane + (oy * d->sh + k * d->dh) * s->layout.row_step;
}

void spa_blas_depthwise(const spa_kernel_args *args, const spa_vector *v)
{
    spa_window d = spa_op_window(args->graph, args->op);
    const float *bias = args->op->attrs.has_bias ? args->params[1] : NULL;
    window_scratch s = window_begin(&d, args->workspace, 0);
    size_t per_channel = d.m / d.c;
    float *y = args->output;
    for (size_t plane = 0; plane < d.n * d.c; plane++) {
        fill_plane(&d, &s.layout, args->inputs[0] + plane * d.h * d.w, s.plane);
        for (size_t k = 0; k < per_channel; k++) {
            size_t m = plane % d.c * per_channel + k;
            const float *weight = args->params[0] + m * d.kh * d.kw;
            for (size_t oy = 0; oy < d.oh; oy++, y += d.ow) {
                window_rows(&d, &s, oy);
                v->window_sum(s.rows, d.kh, s.offset, d.kw, weight, bias != NULL ? bias[m] : 0, y,
                              d.ow);
            }
        }
    }
}

void spa_blas_pool(const spa_kernel_args *args, const spa_vector *v)
{
    spa_window d = spa_op_window(args->graph, args->op);
    bool is_max = args->op->kind == SPA_OP_MAX_POOL;
    window_scratch s = window_begin(&d, args->workspace, is_max ? -INFINITY : 0);
    for (size_t i = 0; i < d.kh * d.kw; i++) s.weight[i] = 1.0f / (float)(d.kh * d.kw);
    float *y = args->output;
    for (size_t plane = 0; plane < d.n * d.c; plane++) {
        fill_plane(&d, &s.layout, args->inputs[0] + plane * d.h * d.w, s.plane);
        for (size_t oy = 0; oy < d.oh; oy++, y += d.ow) {
            window_rows(&d, &s, oy);
            if (is_max)
                v->window_max(s.rows, d.kh, s.offset, d.kw, y, d.ow);
            else
                v->window_sum(s.rows, d.kh, s.offset, d.kw, s.weight, 0, y, d.ow);
        }
    }
}
