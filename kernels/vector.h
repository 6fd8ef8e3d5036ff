/* Vectorised loops, one table per instruction set, chosen at run time by CPUID.
 *
 * The loops are written once (vector_body.h), on 8-wide vectors of the compiler, and compiled for
 * the base ISA of the platform and for AVX2 with FMA. Results differ between the tables by rounding
 * only. No pointer needs to be aligned; ranges never overlap unless they are said to. */
#ifndef SPA_KERNELS_VECTOR_H
#define SPA_KERNELS_VECTOR_H

#include <stdint.h>
#include "kernels/backend.h"

/* Output channels of one tile of the sparse kernels: 8 vectors of 8, which are enough independent
 * sums to cover the latency of 2 FMA units, and leave registers for the operands. */
#define SPA_SPARSE_TILE 64

/* A run of nonzeros that adds rows of a weight tile to one row of sums:
 *     sums += values[i] * weights[indices[i] + shift], i = begin .. end-1 */
typedef struct spa_sparse_run {
    size_t begin, end;
    int64_t shift;
    float *sums;
} spa_sparse_run;

/* A window over positions of 8 or 16 values each; steps in elements. */
typedef struct spa_lanes_window {
    size_t rows, row_step, columns, column_step;
    size_t step; /* from one output to the next */
    size_t lanes;
} spa_lanes_window;

typedef struct spa_vector {
    const char *isa;

    /* y[i] = f(x[i]); x = y allowed. Kinds: ReLU ... GELU. */
    void (*unary)(spa_op_kind kind, float alpha, const float *x, float *y, size_t n);

    /* y = a + b, a + scalar, a * b, a * scalar, a * scale + shift; y may equal a or b. */
    void (*add)(const float *a, const float *b, float *y, size_t n);
    void (*add_scalar)(const float *a, float b, float *y, size_t n);
    void (*mul)(const float *a, const float *b, float *y, size_t n);
    void (*mul_scalar)(const float *a, float b, float *y, size_t n);
    void (*affine)(const float *a, float scale, float shift, float *y, size_t n);

    /* Of n positions with `lanes` (8 or 16) values each: y = x * scale + shift per lane; y may
     * equal x. And the sums over the positions, y[lanes]. */
    void (*affine_lanes)(const float *x, const float *scale, const float *shift, size_t lanes,
                         float *y, size_t n);
    void (*sum_lanes)(const float *x, size_t lanes, float *y, size_t n);

    /* y[i][lanes] = the maximum, or `factor` times the sum, of window->rows x window->columns
     * positions from x + i * step on. */
    void (*max_lanes)(const float *x, const spa_lanes_window *window, float *y, size_t n);
    void (*mean_lanes)(const float *x, const spa_lanes_window *window, float factor, float *y,
                       size_t n);

    float (*sum)(const float *x, size_t n);
    void (*softmax)(const float *x, float *y, size_t n);
    void (*layer_norm)(const float *x, const float *scale, const float *shift, float epsilon,
                       float *y, size_t n);

    /* y[i] = bias + sum of weight[r*kw + k] * rows[r][offset[k] + i]: one output row of a depthwise
     * convolution or average pool. Rows are readable 16 elements past the last one used. */
    void (*window_sum)(const float *const *rows, size_t kh, const size_t *offset, size_t kw,
                       const float *weight, float bias, float *y, size_t n);
    /* The same with the maximum. */
    void (*window_max)(const float *const *rows, size_t kh, const size_t *offset, size_t kw,
                       float *y, size_t n);

    /* y [columns][rows] = x [rows][columns] transposed; row steps in elements. */
    void (*transpose)(const float *x, size_t x_step, float *y, size_t y_step, size_t rows,
                      size_t columns);

    /* Zeros among x[0 .. n-1]. */
    size_t (*count_zeros)(const float *x, size_t n);

    /* Appends the nonzeros of x[0 .. n-1] as (value, base + position); returns how many. The lists
     * must have room for n + 8. */
    size_t (*compress)(const float *x, size_t n, uint32_t base, float *values, uint32_t *indices);

    /* Adds runs up; weight rows and rows of sums are `vectors` (1 .. 8) vectors of 8 wide. */
    void (*sparse_runs)(const float *weights, size_t vectors, const float *values,
                        const uint32_t *indices, const spa_sparse_run *runs, size_t n_runs);
} spa_vector;

/* The fastest table that this machine can run. */
const spa_vector *spa_vector_best(void);
/* All tables this machine can run, for tests. */
size_t spa_vector_all(const spa_vector *tables[4]);

extern const spa_vector spa_vector_base;
#if defined(__x86_64__)
extern const spa_vector spa_vector_avx2;
#endif

#endif
