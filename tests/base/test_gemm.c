#include "tests/base/check.h"
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include "base/gemm.h"
#include "base/rng.h"

enum { M = 5, N = 7, K = 6, LD = 9 };

/* Rows of LD elements, more than any matrix here is wide. */
static void fill(double *d, float *f, spa_rng *rng)
{
    for (size_t i = 0; i < LD * LD; i++) {
        f[i] = (float)spa_rng_gaussian(rng);
        d[i] = f[i];
    }
}

static double at(const double *a, bool transpose, size_t row, size_t column)
{
    return transpose ? a[column * LD + row] : a[row * LD + column];
}

Test(gemm, products_are_those_of_three_loops_for_every_transposition)
{
    double a[LD * LD], b[LD * LD], c[LD * LD], c0[LD * LD];
    float af[LD * LD], bf[LD * LD], cf[LD * LD];
    spa_rng rng;
    spa_rng_init(&rng, 1, "gemm");
    for (int kind = 0; kind < 4; kind++) {
        bool ta = kind & 1, tb = kind & 2;
        fill(a, af, &rng);
        fill(b, bf, &rng);
        fill(c, cf, &rng);
        memcpy(c0, c, sizeof c);
        spa_gemm_f64(ta, tb, M, N, K, 0.5, a, LD, b, LD, 2.0, c, LD);
        spa_gemm_f32(ta, tb, M, N, K, 0.5f, af, LD, bf, LD, 2.0f, cf, LD);
        for (size_t i = 0; i < LD; i++) {
            for (size_t j = 0; j < LD; j++) {
                double want = c0[i * LD + j];
                if (i < M && j < N) { /* what lies outside C stays */
                    want *= 2.0;
                    for (size_t k = 0; k < K; k++) want += 0.5 * at(a, ta, i, k) * at(b, tb, k, j);
                }
                cr_assert_lt(fabs(c[i * LD + j] - want), 1e-13);
                cr_assert_lt(fabs(cf[i * LD + j] - want), 1e-5);
            }
        }
    }
}

Test(gemm, matrix_times_vector_is_that_of_two_loops)
{
    double a[LD * LD], x[LD * LD], y[LD * LD];
    float af[LD * LD], xf[LD * LD], yf[LD * LD];
    spa_rng rng;
    spa_rng_init(&rng, 2, "gemm");
    for (int t = 0; t < 2; t++) {
        fill(a, af, &rng);
        fill(x, xf, &rng);
        fill(y, yf, &rng);
        double want[LD] = {0};
        size_t rows = t ? N : M, sum = t ? M : N;
        for (size_t i = 0; i < rows; i++) {
            want[i] = 3.0 * y[i];
            for (size_t k = 0; k < sum; k++) want[i] += 2.0 * at(a, t, i, k) * x[k];
        }
        spa_gemv_f64(t, M, N, 2.0, a, LD, x, 3.0, y);
        spa_gemv_f32(t, M, N, 2.0f, af, LD, xf, 3.0f, yf);
        for (size_t i = 0; i < rows; i++) {
            cr_assert_lt(fabs(y[i] - want[i]), 1e-13);
            cr_assert_lt(fabs(yf[i] - want[i]), 2e-5);
        }
    }
}

Test(gemm, with_beta_zero_the_result_is_not_read)
{
    float a[4] = {1, 2, 3, 4}, b[4] = {1, 0, 0, 1}, c[4] = {NAN, NAN, NAN, NAN};
    spa_gemm_f32(false, false, 2, 2, 2, 1, a, 2, b, 2, 0, c, 2);
    for (int i = 0; i < 4; i++) cr_assert_eq(c[i], a[i]);
}

Test(gemm, results_are_the_same_bits_when_somebody_set_another_thread_count)
{
    enum { SIZE = 192 }; /* large enough that OpenBLAS would use threads */
    size_t bytes = SIZE * SIZE * sizeof(float);
    float *a = malloc(bytes), *one = malloc(bytes), *two = malloc(bytes);
    spa_rng rng;
    spa_rng_init(&rng, 3, "gemm");
    for (size_t i = 0; i < SIZE * SIZE; i++) a[i] = (float)spa_rng_gaussian(&rng);
    spa_gemm_f32(false, true, SIZE, SIZE, SIZE, 1, a, SIZE, a, SIZE, 0, one, SIZE);
    openblas_set_num_threads(2);
    spa_gemm_f32(false, true, SIZE, SIZE, SIZE, 1, a, SIZE, a, SIZE, 0, two, SIZE);
    cr_assert_eq(openblas_get_num_threads(), 1);
    cr_assert_eq(memcmp(one, two, bytes), 0);
    free(a);
    free(one);
    free(two);
}
