/* The vectorised loops of every instruction set this machine has. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "kernels/model.h"
#include "kernels/vector.h"

#define FOR_EACH_TABLE(v)                                                                          \
    const spa_vector *tables_[4];                                                                  \
    size_t n_tables_ = spa_vector_all(tables_);                                                    \
    for (const spa_vector **t_ = tables_, *v = *t_; t_ < tables_ + n_tables_;                      \
         t_++, v = t_ < tables_ + n_tables_ ? *t_ : NULL)

Test(kernels_vector, gelu_and_sigmoid_are_exact_over_the_whole_range)
{
    enum { N = 4001 };
    static float x[N], y[N];
    for (int i = 0; i < N; i++) x[i] = (float)(i - 2000) * 0.01f; /* -20 .. 20 */
    FOR_EACH_TABLE(v)
    {
        v->unary(SPA_OP_GELU, 0, x, y, N);
        for (int i = 0; i < N; i++)
            cr_assert_float_eq(y[i], 0.5 * x[i] * erfc(-x[i] / sqrt(2)), 2e-6, "%s at %g", v->isa,
                               (double)x[i]);
        v->unary(SPA_OP_SIGMOID, 0, x, y, N);
        for (int i = 0; i < N; i++)
            cr_assert_float_eq(y[i], 1 / (1 + exp(-x[i])), 1e-6, "%s at %g", v->isa, (double)x[i]);
    }
}

Test(kernels_vector, elementary_functions_saturate_without_overflow)
{
    const float x[4] = {-1e30f, -200, 200, 1e30f};
    float y[4];
    FOR_EACH_TABLE(v)
    {
        v->unary(SPA_OP_SIGMOID, 0, x, y, 4);
        cr_assert_float_eq(y[0], 0, 1e-30);
        cr_assert_float_eq(y[3], 1, 0);
        v->softmax(x, y, 4);
        cr_assert_float_eq(y[3], 1, 1e-6);
        cr_assert_float_eq(y[0], 0, 1e-30);
    }
}

Test(kernels_vector, compress_keeps_the_nonzeros_in_order)
{
    enum { N = 37 };
    float x[N], values[N + 8];
    uint32_t indices[N + 8];
    FOR_EACH_TABLE(v)
    {
        for (uint64_t seed = 0; seed < 20; seed++) {
            spa_fill_random(x, N, seed, 0, (double)seed / 19);
            size_t kept = v->compress(x, N, 100, values, indices), expected = 0;
            for (uint32_t i = 0; i < N; i++) {
                if (x[i] == 0) continue;
                cr_assert_eq(indices[expected], 100 + i);
                cr_assert_eq(values[expected], x[i]);
                expected++;
            }
            cr_assert_eq(kept, expected);
            cr_assert_eq(v->count_zeros(x, N), N - expected);
        }
    }
}

Test(kernels_vector, a_negative_zero_is_a_zero)
{
    const float x[9] = {-0.0f, 0, 1, -0.0f, 2, -0.0f, -0.0f, -0.0f, -0.0f};
    float values[17];
    uint32_t indices[17];
    FOR_EACH_TABLE(v)
    {
        cr_assert_eq(v->count_zeros(x, 9), 7);
        cr_assert_eq(v->compress(x, 9, 0, values, indices), 2);
    }
}

Test(kernels_vector, transposing_moves_every_element)
{
    enum { ROWS = 19, COLUMNS = 27, STEP = 30 };
    float x[ROWS * STEP], y[COLUMNS * STEP];
    for (int i = 0; i < ROWS * STEP; i++) x[i] = (float)i;
    FOR_EACH_TABLE(v)
    {
        memset(y, 0xff, sizeof y);
        v->transpose(x, STEP, y, STEP, ROWS, COLUMNS);
        for (int r = 0; r < ROWS; r++)
            for (int c = 0; c < COLUMNS; c++)
                cr_assert_eq(y[c * STEP + r], x[r * STEP + c], "%s %d,%d", v->isa, r, c);
    }
}

Test(kernels_vector, sparse_runs_add_weighted_rows_for_every_tile_width)
{
    enum { ROWS = 12 };
    static float weights[ROWS * SPA_SPARSE_TILE], sums[SPA_SPARSE_TILE];
    const float values[3] = {2, -1, 0.5f};
    const uint32_t indices[3] = {1, 4, 9};
    FOR_EACH_TABLE(v)
    {
        for (size_t vectors = 1; vectors <= 8; vectors++) {
            size_t width = 8 * vectors;
            for (size_t i = 0; i < ROWS * width; i++) weights[i] = (float)i;
            for (size_t i = 0; i < width; i++) sums[i] = 10;
            spa_sparse_run run = {.begin = 0, .end = 3, .shift = 2, .sums = sums};
            v->sparse_runs(weights, vectors, values, indices, &run, 1);
            /* 10 + 2*w[3][i] - w[6][i] + 0.5*w[11][i], w[r][i] = r*width + i */
            for (size_t i = 0; i < width; i++)
                cr_assert_float_eq(sums[i], 10 + 5.5f * (float)width + 1.5f * (float)i, 1e-3);
        }
    }
}

/* Integers: every sum is exact in any order. */
static float whole(size_t i)
{
    return (float)((i * 37 + 11) % 101) - 50;
}

Test(kernels_vector, loops_over_positions_keep_their_channels_apart)
{
    enum { N = 21, MOST = 16 };
    float x[N * MOST], y[N * MOST], scale[MOST], shift[MOST];
    for (size_t i = 0; i < N * MOST; i++) x[i] = whole(i);
    for (size_t k = 0; k < MOST; k++) {
        scale[k] = (float)k + 1;
        shift[k] = 100 - (float)k;
    }
    FOR_EACH_TABLE(v)
    {
        for (size_t lanes = 8; lanes <= MOST; lanes += 8) {
            v->affine_lanes(x, scale, shift, lanes, y, N);
            for (size_t i = 0; i < N * lanes; i++)
                cr_assert_eq(y[i], x[i] * scale[i % lanes] + shift[i % lanes], "%s", v->isa);
            v->sum_lanes(x, lanes, y, N);
            for (size_t k = 0; k < lanes; k++) {
                float sum = 0;
                for (size_t i = 0; i < N; i++) sum += x[i * lanes + k];
                cr_assert_eq(y[k], sum, "%s", v->isa);
            }
        }
    }
}

Test(kernels_vector, windows_over_positions_are_what_loops_give)
{
    enum { H = 7, W = 9, N = 3, MOST = 16 };
    float x[H * W * MOST], largest[N * MOST], mean[N * MOST];
    for (size_t i = 0; i < H * W * MOST; i++) x[i] = whole(i);
    FOR_EACH_TABLE(v)
    {
        for (size_t lanes = 8; lanes <= MOST; lanes += 8) {
            spa_lanes_window w = {.rows = 3,
                                  .row_step = 2 * W * lanes, /* every other row */
                                  .columns = 4,
                                  .column_step = lanes,
                                  .step = 2 * lanes,
                                  .lanes = lanes};
            v->max_lanes(x, &w, largest, N);
            v->mean_lanes(x, &w, 0.5f, mean, N);
            for (size_t i = 0; i < N * lanes; i++) {
                float most = -INFINITY, sum = 0;
                for (size_t tap = 0; tap < 12; tap++) {
                    float value =
                        x[((tap / 4 * 2 * W) + i / lanes * 2 + tap % 4) * lanes + i % lanes];
                    if (value > most) most = value;
                    sum += value;
                }
                cr_assert_eq(largest[i], most, "%s", v->isa);
                cr_assert_eq(mean[i], sum / 2, "%s", v->isa);
            }
        }
    }
}
