/* The dense backend: data movement as few long copies. */
#include <string.h>

#include "kernels/blas.h"
#include "kernels/dims.h"

void spa_loop_simplify(spa_loop *loop)
{
    int kept = 0;
    for (int d = 0; d < loop->rank; d++) {
        if (loop->n[d] == 1) continue;
        bool runs_on = kept > 0;
        for (int k = 0; k < 3 && runs_on; k++)
            runs_on = loop->step[k][kept - 1] == loop->n[d] * loop->step[k][d];
        if (!runs_on) {
            loop->n[kept++] = loop->n[d];
        } else {
            loop->n[kept - 1] *= loop->n[d];
        }
        for (int k = 0; k < 3; k++) loop->step[k][kept - 1] = loop->step[k][d];
    }
    if (kept == 0) { /* a single element */
        loop->n[0] = 1;
        for (int k = 0; k < 3; k++) loop->step[k][0] = 1;
        kept = 1;
    }
    loop->rank = kept;
}

bool spa_loop_next(const spa_loop *loop, int skip, size_t at[SPA_MAX_RANK], size_t offset[3])
{
    for (int d = loop->rank - 2; d >= 0; d--) {
        if (d == skip) continue;
        if (++at[d] < loop->n[d]) {
            for (int k = 0; k < 3; k++) offset[k] += loop->step[k][d];
            return true;
        }
        for (int k = 0; k < 3; k++) offset[k] -= (loop->n[d] - 1) * loop->step[k][d];
        at[d] = 0;
    }
    return false;
}

/* Copies x (operand 1) to y (operand 0). */
static void copy_strided(spa_loop loop, const float *x, float *y, const spa_vector *v)
{
    memset(loop.step[2], 0, sizeof loop.step[2]);
    spa_loop_simplify(&loop);
    int last = loop.rank - 1, across = -1;
    size_t n = loop.n[last], to = loop.step[0][last], from = loop.step[1][last];
    if (to == 1 && from != 1)
        for (int d = 0; d < last; d++)
            if (loop.step[1][d] == 1) across = d;
    size_t at[SPA_MAX_RANK] = {0}, offset[3] = {0};
    do {
        const float *source = x + offset[1];
        float *target = y + offset[0];
        if (to == 1 && from == 1)
            memcpy(target, source, n * sizeof(float));
        else if (across >= 0)
            v->transpose(source, from, target, loop.step[0][across], n, loop.n[across]);
        else
            for (size_t i = 0; i < n; i++) target[i * to] = source[i * from];
    } while (spa_loop_next(&loop, across, at, offset));
}

static spa_loop loop_of(const spa_shape *shape, const spa_shape *out, const spa_shape *in)
{
    spa_loop loop = {.rank = shape->rank};
    for (int d = 0; d < loop.rank; d++) loop.n[d] = (size_t)shape->dim[d];
    spa_shape_strides(out, loop.step[0]);
    spa_shape_broadcast(in, shape, loop.step[1]);
    return loop;
}

static void slice(const spa_kernel_args *args, const spa_shape *in, const spa_vector *v)
{
    const spa_op *op = args->op;
    const float *x = args->inputs[0];
    spa_loop loop = {.rank = op->out.rank};
    spa_shape_strides(&op->out, loop.step[0]);
    spa_shape_strides(in, loop.step[1]);
    for (int d = 0; d < loop.rank; d++) {
        loop.n[d] = (size_t)op->out.dim[d];
        x += (size_t)op->attrs.begin[d] * loop.step[1][d];
        loop.step[1][d] *= spa_dim_or_1(op->attrs.step[d]);
    }
    copy_strided(loop, x, args->output, v);
}

static void pad(const spa_kernel_args *args, const spa_shape *in, const spa_vector *v)
{
    const spa_op *op = args->op;
    memset(args->output, 0, spa_shape_count(&op->out) * sizeof(float));
    spa_loop loop = loop_of(in, &op->out, in);
    float *y = args->output;
    for (int d = 0; d < loop.rank; d++) y += (size_t)op->attrs.begin[d] * loop.step[0][d];
    copy_strided(loop, args->inputs[0], y, v);
}

static void transpose(const spa_kernel_args *args, const spa_shape *in, const spa_vector *v)
{
    const spa_op *op = args->op;
    size_t strides[SPA_MAX_RANK];
    spa_shape_strides(in, strides);
    spa_loop loop = {.rank = op->out.rank};
    spa_shape_strides(&op->out, loop.step[0]);
    for (int d = 0; d < loop.rank; d++) {
        loop.n[d] = (size_t)op->out.dim[d];
        loop.step[1][d] = strides[op->attrs.perm[d]];
    }
    copy_strided(loop, args->inputs[0], args->output, v);
}

/* A cyclic shift cuts each dimension in two: at most 2^rank blocks, each one copy. */
static void roll(const spa_kernel_args *args, const spa_shape *in, const spa_vector *v)
{
    const spa_op *op = args->op;
    for (unsigned block = 0; block < 1u << in->rank; block++) {
        spa_loop loop = loop_of(in, &op->out, in);
        const float *x = args->inputs[0];
        float *y = args->output;
        bool empty = false;
        for (int d = 0; d < loop.rank && !empty; d++) {
            size_t n = (size_t)in->dim[d];
            size_t shift = (size_t)((op->attrs.begin[d] % (int64_t)n + (int64_t)n) % (int64_t)n);
            if ((block >> d & 1) == 0) { /* the part that stays in order */
                loop.n[d] = n - shift;
                y += shift * loop.step[0][d];
            } else { /* the tail, which comes to the front */
                loop.n[d] = shift;
                x += (n - shift) * loop.step[1][d];
            }
            empty = loop.n[d] == 0;
        }
        if (!empty) copy_strided(loop, x, y, v);
    }
}

static void upsample(const spa_kernel_args *args, const spa_shape *in)
{
    size_t planes = spa_shape_product(in, 0, 2), h = (size_t)in->dim[2], w = (size_t)in->dim[3];
    size_t fh = spa_dim_or_1(args->op->attrs.stride_h), fw = spa_dim_or_1(args->op->attrs.stride_w);
    const float *x = args->inputs[0];
    float *y = args->output;
    for (size_t row = 0; row < planes * h; row++, x += w) {
        for (size_t i = 0; i < w; i++)
            for (size_t k = 0; k < fw; k++) y[i * fw + k] = x[i];
        for (size_t k = 1; k < fh; k++) memcpy(y + k * w * fw, y, w * fw * sizeof(float));
        y += fh * w * fw;
    }
}

void spa_blas_move(const spa_kernel_args *args, const spa_vector *v)
{
    const spa_shape *in = spa_graph_input_shape(args->graph, args->op, 0);
    switch (args->op->kind) {
    case SPA_OP_SLICE:
        slice(args, in, v);
        break;
    case SPA_OP_PAD:
        pad(args, in, v);
        break;
    case SPA_OP_TRANSPOSE:
        transpose(args, in, v);
        break;
    case SPA_OP_ROLL:
        roll(args, in, v);
        break;
    case SPA_OP_UPSAMPLE:
        upsample(args, in);
        break;
    default: /* reshape */
        memcpy(args->output, args->inputs[0], spa_shape_count(&args->op->out) * sizeof(float));
    }
}

void spa_blas_concat(const spa_kernel_args *args, const spa_vector *v)
{
    const spa_op *op = args->op;
    int32_t axis = op->attrs.axis;
    size_t n_params = op->attrs.param_shape.rank > 0 ? 1 : 0;
    size_t step = spa_shape_product(&op->out, axis + 1, op->out.rank);
    float *y = args->output;
    for (size_t part = 0; part < n_params + op->n_inputs; part++) {
        bool is_param = part < n_params;
        const spa_shape *own = is_param ? &op->attrs.param_shape
                                        : spa_graph_input_shape(args->graph, op, part - n_params);
        spa_shape shape = op->out;
        shape.dim[axis] = own->dim[axis];
        copy_strided(loop_of(&shape, &op->out, own),
                     is_param ? args->params[0] : args->inputs[part - n_params], y, v);
        y += (size_t)own->dim[axis] * step;
    }
}

/* state: the table transposed, [heads][(2w-1)^2]. One output row of w*w elements is w runs of the
 * table, backwards: see spa_relative_position. */
void spa_blas_gather(const spa_kernel_args *args, const spa_vector *v)
{
    const spa_shape *out = &args->op->out;
    size_t heads = (size_t)out->dim[1], area = (size_t)out->dim[2], w = 1;
    while (w * w < area) w++;
    size_t side = 2 * w - 1;
    float *y = args->output;
    for (size_t h = 0; h < heads; h++) {
        const float *table = (const float *)args->state + h * side * side;
        for (size_t i = 0; i < area; i++) {
            for (size_t row = 0; row < w; row++) {
                const float *run = table + (i / w + w - 1 - row) * side + i % w + w - 1;
                for (size_t column = 0; column < w; column++) *y++ = *(run - column);
            }
        }
    }
}
