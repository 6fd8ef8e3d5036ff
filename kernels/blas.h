/* Parts of the dense backend: blas.c (matrix products), blas_ops.c (normalisation, elementwise,
 * windows), blas_move.c (data movement). The sparse backend falls back to them. */
#ifndef SPA_KERNELS_BLAS_H
#define SPA_KERNELS_BLAS_H

#include "kernels/backend.h"
#include "kernels/vector.h"

void spa_blas_unary(const spa_kernel_args *args, const spa_vector *v);
void spa_blas_batch_norm(const spa_kernel_args *args, const spa_vector *v);
void spa_blas_layer_norm(const spa_kernel_args *args, const spa_vector *v);
void spa_blas_softmax(const spa_kernel_args *args, const spa_vector *v);
void spa_blas_binary(const spa_kernel_args *args, const spa_vector *v);
void spa_blas_global_avg_pool(const spa_kernel_args *args, const spa_vector *v);
void spa_blas_mean(const spa_kernel_args *args, const spa_vector *v);
void spa_blas_pool(const spa_kernel_args *args, const spa_vector *v);
void spa_blas_depthwise(const spa_kernel_args *args, const spa_vector *v);
size_t spa_blas_plane_bytes(const spa_graph *graph, const spa_op *op);

void spa_blas_move(const spa_kernel_args *args, const spa_vector *v);
void spa_blas_concat(const spa_kernel_args *args, const spa_vector *v);
void spa_blas_gather(const spa_kernel_args *args, const spa_vector *v);

/* An iteration over up to three strided operands that share their dimensions (strides in
 * elements; 0 repeats). Dimensions that run on in every operand are merged. */
typedef struct spa_loop {
    int rank;
    size_t n[SPA_MAX_RANK];
    size_t step[3][SPA_MAX_RANK];
} spa_loop;
/* Drops dimensions of 1 and merges neighbours; rank >= 1 afterwards. */
void spa_loop_simplify(spa_loop *loop);
/* The next position of the outer dimensions, `skip` (a dimension or -1) and the last one left
 * out; false after the last. at[] starts as zeros; offsets of all operands are kept in step. */
bool spa_loop_next(const spa_loop *loop, int skip, size_t at[SPA_MAX_RANK], size_t offset[3]);

#endif
