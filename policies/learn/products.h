/* Products of small matrices, where packing for BLAS costs more than it gains: nothing is packed,
 * blocks of 6 rows and some vectors stay in registers, bias and activation are applied on the way
 * out. Written for AVX2 and for AVX-512.
 *
 * Used in training only and with FMA, so that the bits depend on the machine, as those of BLAS do;
 * trained policies decide by loops.h. */
#ifndef SPA_POLICIES_LEARN_PRODUCTS_H
#define SPA_POLICIES_LEARN_PRODUCTS_H

#include "policies/learn/net.h"

/* c[m][n] = f(A b + bias), or c += A b (then without bias and f). A(i, l) = a[i * a_row + l *
 * a_step], so that it may stand transposed; b[k][n] has rows ldb apart and is readable 7 elements
 * past its end; c has rows ldc apart. f is none, tanh or ReLU; bias may be NULL. */
typedef struct spa_product {
    size_t m, n, k;
    const float *a;
    size_t a_row, a_step;
    const float *b;
    size_t ldb;
    float *c;
    size_t ldc;
    bool accumulate;
    const float *bias;
    spa_activation activation;
    const float
        *slope_of; /* [m] rows ldc apart: c is multiplied by the slope, at these results, of */
    spa_activation slope; /* tanh or ReLU; NULL = not; not with `accumulate` */
    float *sums;          /* [n] the sums over the rows of b are added; NULL = not */
} spa_product;

/* Whether this machine has vectors for it (AVX2 or AVX-512, with FMA) and the matrices are small
 * enough; if not, use BLAS. */
bool spa_product_suits(size_t m, size_t n, size_t k);
void spa_product_run(const spa_product *product);

/* Those that this machine can run, the fastest last; how many there are. For tests. */
typedef void spa_product_run_fn(const spa_product *product);
size_t spa_products_all(spa_product_run_fn *runs[2]);

#if defined(__x86_64__)
spa_product_run_fn spa_product_run_avx2, spa_product_run_avx512;
#endif

#endif
