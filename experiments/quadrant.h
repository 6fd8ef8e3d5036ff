/* The paper's plane of operators: how sparse, how heavy. */
#ifndef SPA_EXPERIMENTS_QUADRANT_H
#define SPA_EXPERIMENTS_QUADRANT_H

#include <math.h>
#include "traces/graph.h"

/* Sparse from this share of zeros on, heavy from this intensity (MACs) on (SparOA, arXiv
 * 2511.19457, figure 2). */
#define SPA_SPARSE_FROM 0.4
#define SPA_HEAVY_FROM  1e8

/* "dense-", "sparse-" or "unknown-", then "light" or "heavy". */
static inline const char *spa_quadrant(const spa_op *op)
{
    bool heavy = spa_op_intensity(op) >= SPA_HEAVY_FROM;
    if (isnan(op->sparsity)) return heavy ? "unknown-heavy" : "unknown-light";
    if (op->sparsity >= SPA_SPARSE_FROM) return heavy ? "sparse-heavy" : "sparse-light";
    return heavy ? "dense-heavy" : "dense-light";
}

#endif
