/* Matrix products: the one door to BLAS outside kernels/.
 *
 * All matrices are row-major; `ld` is the distance between rows in elements. Every call runs on one
 * thread, so that a result depends on the build and the machine only, never on how many threads
 * there are; callers that want more cores call from several threads. BLAS's own thread count is
 * one per process: the first call here sets it to one, as the kernels do. */
#ifndef SPA_BASE_GEMM_H
#define SPA_BASE_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* C[m][n] = alpha * op(A) * op(B) + beta * C, op(A) is [m][k] and op(B) is [k][n]; op transposes
 * where the flag is set (A is then stored [k][m], B [n][k]). With beta = 0, C is not read. C
 * overlaps neither A nor B. m, n or k = 0 are allowed. Sizes below 2^31. O(m n k). */
SPA_API void spa_gemm_f32(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                          float alpha, const float *a, size_t lda, const float *b, size_t ldb,
                          float beta, float *c, size_t ldc);
SPA_API void spa_gemm_f64(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                          double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                          double beta, double *c, size_t ldc);

/* y = alpha * op(A) * x + beta * y, A is stored [m][n]; x and y are dense. */
SPA_API void spa_gemv_f32(bool transpose_a, size_t m, size_t n, float alpha, const float *a,
                          size_t lda, const float *x, float beta, float *y);
SPA_API void spa_gemv_f64(bool transpose_a, size_t m, size_t n, double alpha, const double *a,
                          size_t lda, const double *x, double beta, double *y);

#ifdef __cplusplus
}
#endif
#endif
