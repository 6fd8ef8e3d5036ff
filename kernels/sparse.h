/* The zero-skipping product itself, without the decision whether it pays. */
#ifndef SPA_KERNELS_SPARSE_H
#define SPA_KERNELS_SPARSE_H

#include "kernels/backend.h"
#include "kernels/vector.h"

/* Runs a prepared operator by skipping whatever its zeros are, with the loops of `v`; false (and
 * nothing done) where the backend has no such kernel: other kinds, grouped convolutions, inputs
 * that cannot be zero. */
bool spa_sparse_multiply(const spa_kernel_args *args, const spa_vector *v);

/* The fraction of input zeros from which the backend skips; above 1: never. */
double spa_sparse_crossover(const spa_graph *graph, const spa_op *op);

#endif
