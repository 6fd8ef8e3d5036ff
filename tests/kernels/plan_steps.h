/* Included by plan_backend.c once per storage type: executes a step on the CPU. Before, define
 * PLAN_T, PLAN_LOAD, PLAN_STORE and PLAN_NAME. */

#define SPA_T              PLAN_T
#define SPA_LOAD(p, i)     PLAN_LOAD(p, i)
#define SPA_STORE(p, i, v) PLAN_STORE(p, i, v)
#define SPA_BODY(name)     PLAN_NAME(body_##name)
#define SPA_DEVICE         static inline
#include "kernels/cuda/kernel_body.h"
#undef SPA_DEVICE

/* Every index of a flat launch, as blocks and threads walk over it. */
#define FOR_FLAT(i, count)                                                                         \
    for (uint32_t block_ = 0; block_ < s->launch.blocks; block_++)                                 \
        for (uint32_t thread_ = 0; thread_ < s->launch.threads; thread_++)                         \
            for (uint32_t i = block_ * s->launch.threads + thread_; i < (count);                   \
                 i += s->launch.blocks * s->launch.threads)

#define FOR_ROWS(row, rows)                                                                        \
    for (uint32_t block_ = 0; block_ < s->launch.blocks; block_++)                                 \
        for (uint32_t row = block_; row < (rows); row += s->launch.blocks)

/* What a block of threads adds up (or finds the largest of). */
#define BLOCK_SUM(result, part)                                                                    \
    float result = 0;                                                                              \
    for (uint32_t t = 0; t < s->launch.threads; t++) result += (part)

static void PLAN_NAME(rows)(const spa_cuda_step *s, const PLAN_T *x, const float *scale,
                            const float *shift, PLAN_T *y)
{
    const spa_row_args *a = &s->args.row;
    uint32_t threads = s->launch.threads;
    FOR_ROWS(row, a->rows)
    {
        uint32_t base = row * a->n;
        if (s->kind == SPA_CUDA_LAYER_NORM) {
            BLOCK_SUM(sum, PLAN_NAME(body_row_sum)(x, base, 1, a->n, t, threads));
            float mean = sum / (float)a->n;
            BLOCK_SUM(squares, PLAN_NAME(body_row_squares)(x, base, a->n, mean, t, threads));
            for (uint32_t t = 0; t < threads; t++) PLAN_NAME(body_layer_norm_write)
            (a, x, scale, shift, y, base, mean, squares / (float)a->n, t, threads);
        } else {
            float largest = -INFINITY;
            for (uint32_t t = 0; t < threads; t++)
                largest = fmaxf(largest, PLAN_NAME(body_row_max)(x, base, a->n, t, threads));
            BLOCK_SUM(sum, PLAN_NAME(body_row_exponentials)(x, base, a->n, largest, t, threads));
            for (uint32_t t = 0; t < threads; t++)
                PLAN_NAME(body_softmax_write)(a, x, y, base, largest, sum, t, threads);
        }
    }
}

static void PLAN_NAME(mean)(const spa_cuda_step *s, const PLAN_T *x, PLAN_T *y)
{
    const spa_mean_args *a = &s->args.mean;
    uint32_t threads = s->launch.threads;
    if (a->split) {
        FOR_ROWS(row, a->rows)
        {
            BLOCK_SUM(sum, PLAN_NAME(body_row_sum)(x, spa_body_mean_base(a, row), a->inner, a->n, t,
                                                   threads));
            PLAN_STORE(y, row, sum / (float)a->n);
        }
    } else {
        FOR_FLAT(row, a->rows)
        PLAN_STORE(y, row,
                   PLAN_NAME(body_row_sum)(x, spa_body_mean_base(a, row), a->inner, a->n, 0, 1) /
                       (float)a->n);
    }
}

static void PLAN_NAME(own)(const spa_cuda_step *s, void *const in[3], void *out)
{
    const PLAN_T *x = in[0];
    PLAN_T *y = out;
    switch (s->kind) {
    case SPA_CUDA_UNARY:
        FOR_FLAT(i, s->args.unary.n) PLAN_NAME(body_unary)(&s->args.unary, x, y, i);
        break;
    case SPA_CUDA_AFFINE:
        FOR_FLAT(i, s->args.affine.n)
        PLAN_NAME(body_affine)(&s->args.affine, x, in[1], in[2], y, i);
        break;
    case SPA_CUDA_LAYER_NORM:
    case SPA_CUDA_SOFTMAX:
        PLAN_NAME(rows)(s, x, in[1], in[2], y);
        break;
    case SPA_CUDA_MEAN:
        PLAN_NAME(mean)(s, x, y);
        break;
    case SPA_CUDA_POOL:
        FOR_FLAT(i, s->args.window.count) PLAN_NAME(body_pool)(&s->args.window, x, y, i);
        break;
    case SPA_CUDA_DIRECT_CONV:
        FOR_FLAT(i, s->args.window.count)
        PLAN_NAME(body_direct_conv)(&s->args.window, x, in[1], in[2], y, i);
        break;
    case SPA_CUDA_BINARY:
        FOR_FLAT(i, s->args.binary.n) PLAN_NAME(body_binary)(&s->args.binary, x, in[1], y, i);
        break;
    case SPA_CUDA_MOVE:
        FOR_FLAT(i, s->args.move.n) PLAN_NAME(body_move)(&s->args.move, x, y, i);
        break;
    case SPA_CUDA_GATHER:
        FOR_FLAT(i, s->args.gather.n) PLAN_NAME(body_gather)(&s->args.gather, x, y, i);
        break;
    default:
        cr_assert_fail("step kind %d is no kernel of ours", (int)s->kind);
    }
}

/* What cuDNN computes from these numbers (cross-correlation, NCHW, weights [m,c/groups,kh,kw]). */
static void PLAN_NAME(conv)(const spa_conv_args *a, const PLAN_T *x, const PLAN_T *w, PLAN_T *y)
{
    cr_assert_eq((a->h + 2 * a->pad_h - a->dilation_h * (a->kh - 1) - 1) / a->stride_h + 1, a->oh);
    cr_assert_eq((a->w + 2 * a->pad_w - a->dilation_w * (a->kw - 1) - 1) / a->stride_w + 1, a->ow);
    cr_assert_eq(a->c % a->groups + a->m % a->groups, 0);
    int cg = a->c / a->groups, mg = a->m / a->groups;
    for (int n = 0; n < a->n; n++)
        for (int m = 0; m < a->m; m++)
            for (int oy = 0; oy < a->oh; oy++)
                for (int ox = 0; ox < a->ow; ox++) {
                    float sum = 0;
                    for (int k = 0; k < cg * a->kh * a->kw; k++) {
                        int c = k / (a->kh * a->kw), ky = k / a->kw % a->kh, kx = k % a->kw;
                        int row = oy * a->stride_h - a->pad_h + ky * a->dilation_h;
                        int column = ox * a->stride_w - a->pad_w + kx * a->dilation_w;
                        if (row < 0 || row >= a->h || column < 0 || column >= a->w) continue;
                        int plane = n * a->c + m / mg * cg + c;
                        sum += PLAN_LOAD(x, (plane * a->h + row) * a->w + column) *
                               PLAN_LOAD(w, m * cg * a->kh * a->kw + k);
                    }
                    PLAN_STORE(y, ((n * a->m + m) * a->oh + oy) * a->ow + ox, sum);
                }
}

#undef FOR_FLAT
#undef FOR_ROWS
#undef BLOCK_SUM
#undef PLAN_T
#undef PLAN_LOAD
#undef PLAN_STORE
#undef PLAN_NAME
