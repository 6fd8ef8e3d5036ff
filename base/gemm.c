#include "base/gemm.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>

/* Asked before every call: somebody else in the process (a kernel's library, a caller's own use of
 * BLAS) may have changed it. Reading it costs a nanosecond, setting it can start threads. */
static void one_thread(void)
{
    if (openblas_get_num_threads() != 1) openblas_set_num_threads(1);
}

static enum CBLAS_TRANSPOSE op(bool transpose)
{
    return transpose ? CblasTrans : CblasNoTrans;
}

static inline bool fits(size_t a, size_t b, size_t c)
{
    return a <= INT_MAX && b <= INT_MAX && c <= INT_MAX;
}

/* cblas wants ld >= 1 even of an empty matrix. */
static blasint step(size_t ld)
{
    return ld ? (blasint)ld : 1;
}

void spa_gemm_f32(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha,
                  const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                  size_t ldc)
{
    assert(fits(m, n, k) && fits(lda, ldb, ldc));
    assert(lda >= (transpose_a ? m : k) && ldb >= (transpose_b ? k : n) && ldc >= n);
    one_thread();
    cblas_sgemm(CblasRowMajor, op(transpose_a), op(transpose_b), (blasint)m, (blasint)n, (blasint)k,
                alpha, a, step(lda), b, step(ldb), beta, c, step(ldc));
}

void spa_gemm_f64(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, double alpha,
                  const double *a, size_t lda, const double *b, size_t ldb, double beta, double *c,
                  size_t ldc)
{
    assert(fits(m, n, k) && fits(lda, ldb, ldc));
    assert(lda >= (transpose_a ? m : k) && ldb >= (transpose_b ? k : n) && ldc >= n);
    one_thread();
    cblas_dgemm(CblasRowMajor, op(transpose_a), op(transpose_b), (blasint)m, (blasint)n, (blasint)k,
                alpha, a, step(lda), b, step(ldb), beta, c, step(ldc));
}

void spa_gemv_f32(bool transpose_a, size_t m, size_t n, float alpha, const float *a, size_t lda,
                  const float *x, float beta, float *y)
{
    assert(fits(m, n, lda) && lda >= n);
    one_thread();
    cblas_sgemv(CblasRowMajor, op(transpose_a), (blasint)m, (blasint)n, alpha, a, step(lda), x, 1,
                beta, y, 1);
}

void spa_gemv_f64(bool transpose_a, size_t m, size_t n, double alpha, const double *a, size_t lda,
                  const double *x, double beta, double *y)
{
    assert(fits(m, n, lda) && lda >= n);
    one_thread();
    cblas_dgemv(CblasRowMajor, op(transpose_a), (blasint)m, (blasint)n, alpha, a, step(lda), x, 1,
                beta, y, 1);
}
