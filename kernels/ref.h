/* Parts of the reference backend (ref.c: arithmetic, ref_move.c: windows and data movement). */
#ifndef SPA_KERNELS_REF_H
#define SPA_KERNELS_REF_H

#include "kernels/backend.h"

/* One element of an elementwise kind (ReLU ... GELU), in double. */
double spa_ref_unary(spa_op_kind kind, double alpha, double x);

/* Functions of the generic kinds (ref_generic.c), in double. */
double spa_ref_math(spa_fn fn, double a, double b, double x);
double spa_ref_binary_fn(spa_fn fn, double a, double x, double y);
/* math ... constant: the kinds that spa_ref_generic runs, for every backend. */
bool spa_ref_is_generic(spa_op_kind kind);
void spa_ref_generic(const spa_kernel_args *args);

void spa_ref_pool(const spa_kernel_args *args);
void spa_ref_global_avg_pool(const spa_kernel_args *args);
void spa_ref_mean(const spa_kernel_args *args);
void spa_ref_binary(const spa_kernel_args *args);
void spa_ref_concat(const spa_kernel_args *args);
void spa_ref_move(const spa_kernel_args *args); /* slice, pad, roll, transpose, upsample */
void spa_ref_reshape(const spa_kernel_args *args);
void spa_ref_gather(const spa_kernel_args *args);

/* Relative position bias of window attention: row of the table for query i and key j of a
 * window x window block; source: Liu et al., "Swin Transformer" (2021), section 3.2, with the
 * numbering of torchvision's relative_position_index. */
static inline size_t spa_relative_position(size_t window, size_t i, size_t j)
{
    size_t dy = i / window + (window - 1) - j / window;
    size_t dx = i % window + (window - 1) - j % window;
    return dy * (2 * window - 1) + dx;
}

#endif
