/* Our own loops over channel-blocked tensors, for operators that move memory and do little else. */
#include "kernels/onednn.h"

#include <math.h>
#include <string.h>

#include "kernels/dims.h"
#include "kernels/vector.h"

/* An image [N][C/block] of planes of `area` positions with `block` channels each. */
typedef struct image {
    size_t n, blocks, block, area;
} image;

static image image_of(const spa_shape *s)
{
    size_t block = spa_onednn_block();
    return (image){.n = (size_t)s->dim[0],
                   .blocks = (size_t)s->dim[1] / block,
                   .block = block,
                   .area = (size_t)s->dim[2] * (size_t)s->dim[3]};
}

/* state: scale and shift, [2][C]. */
static void batch_norm(const spa_kernel_args *args, const spa_vector *v)
{
    image m = image_of(&args->op->out);
    const float *scale = args->state, *shift = scale + m.blocks * m.block;
    size_t step = m.area * m.block;
    for (size_t p = 0; p < m.n * m.blocks; p++) {
        size_t c = p % m.blocks * m.block;
        v->affine_lanes(args->inputs[0] + p * step, scale + c, shift + c, m.block,
                        args->output + p * step, m.area);
    }
}

/* An image and one value per channel of each image. */
static void binary(const spa_kernel_args *args, const spa_vector *v)
{
    static const float ones[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const float zeros[16] = {0};
    image m = image_of(&args->op->out);
    bool is_add = args->op->kind == SPA_OP_ADD;
    bool first = spa_shape_equal(spa_graph_input_shape(args->graph, args->op, 0), &args->op->out);
    const float *x = args->inputs[first ? 0 : 1], *value = args->inputs[first ? 1 : 0];
    size_t step = m.area * m.block;
    for (size_t p = 0; p < m.n * m.blocks; p++, value += m.block)
        v->affine_lanes(x + p * step, is_add ? ones : value, is_add ? value : zeros, m.block,
                        args->output + p * step, m.area);
}

static void global_avg_pool(const spa_kernel_args *args, const spa_vector *v)
{
    image m = image_of(spa_graph_input_shape(args->graph, args->op, 0));
    for (size_t p = 0; p < m.n * m.blocks; p++) {
        float *y = args->output + p * m.block;
        v->sum_lanes(args->inputs[0] + p * m.area * m.block, m.block, y, m.area);
        for (size_t k = 0; k < m.block; k++) y[k] /= (float)m.area;
    }
}

/* Kernel positions first .. end-1 lie inside the image of an output at `at` (in the padded image).
 */
typedef struct span {
    size_t first, end;
} span;

static span inside(size_t at, size_t kernel, size_t dilation, size_t before, size_t size)
{
    span s = {0, 0};
    while (s.first < kernel && at + s.first * dilation < before) s.first++;
    s.end = s.first;
    while (s.end < kernel && at + s.end * dilation < before + size) s.end++;
    return s;
}

static void pool_row(const spa_window *d, const spa_vector *v, bool is_max, size_t lanes, span rows,
                     const float *x, float *y)
{
    float factor = 1.0f / (float)(d->kh * d->kw);
    spa_lanes_window w = {.rows = rows.end - rows.first,
                          .row_step = d->dh * d->w * lanes,
                          .column_step = d->dw * lanes,
                          .step = d->sw * lanes,
                          .lanes = lanes};
    for (size_t ox = 0; ox < d->ow;) {
        span columns = inside(ox * d->sw, d->kw, d->dw, d->pl, d->w);
        size_t n = 1; /* outputs whose windows are whole go together */
        if (columns.first == 0 && columns.end == d->kw) {
            size_t last = (d->pl + d->w - (d->kw - 1) * d->dw - 1) / d->sw;
            n = (last < d->ow - 1 ? last : d->ow - 1) - ox + 1;
        }
        w.columns = columns.end - columns.first;
        if (w.rows * w.columns == 0) { /* all of it padding */
            for (size_t k = 0; k < lanes; k++) y[k] = is_max ? -INFINITY : 0;
        } else {
            const float *from = x + (ox * d->sw + columns.first * d->dw - d->pl) * lanes;
            if (is_max)
                v->max_lanes(from, &w, y, n);
            else
                v->mean_lanes(from, &w, factor, y, n);
        }
        ox += n;
        y += n * lanes;
    }
}

static void pool(const spa_kernel_args *args, const spa_vector *v)
{
    spa_window d = spa_op_window(args->graph, args->op);
    image m = image_of(&args->op->out);
    bool is_max = args->op->kind == SPA_OP_MAX_POOL;
    const float *x = args->inputs[0];
    float *y = args->output;
    for (size_t p = 0; p < m.n * m.blocks; p++, x += d.h * d.w * m.block) {
        for (size_t oy = 0; oy < d.oh; oy++, y += d.ow * m.block) {
            span rows = inside(oy * d.sh, d.kh, d.dh, d.pt, d.h);
            size_t top = oy * d.sh + rows.first * d.dh;
            pool_row(&d, v, is_max, m.block, rows,
                     top < d.pt ? x : x + (top - d.pt) * d.w * m.block, y);
        }
    }
}

static void concat(const spa_kernel_args *args)
{
    image m = image_of(&args->op->out);
    float *y = args->output;
    for (size_t n = 0; n < m.n; n++) {
        for (uint32_t i = 0; i < args->op->n_inputs; i++) {
            image part = image_of(spa_graph_input_shape(args->graph, args->op, i));
            size_t count = part.blocks * part.block * part.area;
            memcpy(y, args->inputs[i] + n * count, count * sizeof(float));
            y += count;
        }
    }
}

static void upsample(const spa_kernel_args *args)
{
    const spa_shape *in = spa_graph_input_shape(args->graph, args->op, 0);
    image m = image_of(in);
    size_t h = (size_t)in->dim[2], w = (size_t)in->dim[3];
    size_t fh = spa_dim_or_1(args->op->attrs.stride_h), fw = spa_dim_or_1(args->op->attrs.stride_w);
    size_t row_bytes = w * fw * m.block * sizeof(float);
    const float *x = args->inputs[0];
    float *y = args->output;
    for (size_t row = 0; row < m.n * m.blocks * h; row++) {
        float *first = y;
        for (size_t i = 0; i < w; i++, x += m.block)
            for (size_t k = 0; k < fw; k++, y += m.block) memcpy(y, x, m.block * sizeof(float));
        for (size_t k = 1; k < fh; k++, y += w * fw * m.block) memcpy(y, first, row_bytes);
    }
}

bool spa_onednn_has_loop(const spa_graph *graph, const spa_op *op)
{
    switch (op->kind) {
    case SPA_OP_BATCH_NORM:
    case SPA_OP_MAX_POOL:
    case SPA_OP_AVG_POOL:
    case SPA_OP_GLOBAL_AVG_POOL:
    case SPA_OP_CONCAT:
    case SPA_OP_UPSAMPLE:
        return true;
    case SPA_OP_ADD:
    case SPA_OP_MUL: /* as large: no need to know the layout, as for all elementwise kinds */
        return op->n_inputs == 2 && !spa_shape_equal(spa_graph_input_shape(graph, op, 0),
                                                     spa_graph_input_shape(graph, op, 1));
    default:
        return false;
    }
}

void spa_onednn_loop(const spa_kernel_args *args)
{
    const spa_vector *v = spa_vector_best();
    switch (args->op->kind) {
    case SPA_OP_BATCH_NORM:
        batch_norm(args, v);
        break;
    case SPA_OP_GLOBAL_AVG_POOL:
        global_avg_pool(args, v);
        break;
    case SPA_OP_MAX_POOL:
    case SPA_OP_AVG_POOL:
        pool(args, v);
        break;
    case SPA_OP_CONCAT:
        concat(args);
        break;
    case SPA_OP_UPSAMPLE:
        upsample(args);
        break;
    default:
        binary(args, v);
    }
}
