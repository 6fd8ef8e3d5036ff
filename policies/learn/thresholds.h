/* Thresholds of operators: where the host stops being no slower than the accelerator.
 *
 * A grid holds what every operator of a model costs on both, over fractions of zeros in its input
 * and over its size (tenths of it, then whole batches). From it follow two labels per operator
 * (docs/predictor.md):
 *   sparsity   the fraction of zeros from which on the host is no slower, at the operator's size
 *   intensity  the work below which the host is no slower, at the operator's zeros; as log10 of it
 * Times are kernel + launch, alone on the machine; moving inputs is not counted, because it depends
 * on where the neighbours run. Where the grid shows no crossover, the label is censored: the host
 * (or the accelerator) is better all along, and the label is the grid's end. */
#ifndef SPA_POLICIES_LEARN_THRESHOLDS_H
#define SPA_POLICIES_LEARN_THRESHOLDS_H

#include <math.h>
#include "devices/device.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPA_SIDE_HOST, SPA_SIDE_ACCELERATOR, SPA_SIDES };
enum { SPA_BY_SPARSITY, SPA_BY_INTENSITY, SPA_THRESHOLDS };

typedef enum spa_censor {
    SPA_CROSSES,
    SPA_ALWAYS_HOST,       /* no slower at every point of the grid */
    SPA_ALWAYS_ACCELERATOR /* faster at the end where the host should win */
} spa_censor;

typedef struct spa_crossing {
    double at; /* where the difference is 0 (linear between grid points); an end if censored */
    spa_censor censor;
    bool several; /* the difference changes its sign more than once */
} spa_crossing;

/* x[n] ascends, n >= 1; lead[n] = time on the accelerator - time on the host: >= 0 = the host is no
 * slower. The point from which on it never is slower again; `never` if it is at the last one. */
spa_crossing spa_crossing_up(const double *x, const double *lead, size_t n, double never);
/* The point up to which it never was slower; `always` if it is not at any. */
spa_crossing spa_crossing_down(const double *x, const double *lead, size_t n, double always);

/* What "size" counts: MACs; of kinds that have none, operations; else output elements. */
double spa_op_work(const spa_op *op);

typedef struct spa_time_grid {
    size_t n_ops, n_sizes, n_parts, n_levels; /* the first n_parts sizes are tenths */
    int32_t *batch; /* [n_sizes] of whole operators; 0 = a part of the first batch's */
    double *level;  /* [n_levels] fractions of zeros, 0 .. 1 */
    double *work;   /* [n_sizes][n_ops]; NaN = the operator has no such part */
    double *ns;     /* [n_sizes][n_levels][n_ops][SPA_SIDES]; infinite = cannot run there */
} spa_time_grid;

/* Builds the table of the graph at every batch and fraction of zeros. batches[n] ascend and hold
 * graph->batch. `model` is the zoo's name to make other batches from; times that a trace lacks
 * there come from the equation. SPA_E_UNSUPPORTED: no accelerator among the lanes. fini in any
 * case. */
spa_status spa_time_grid_build(spa_time_grid *grid, const spa_device *device, const char *model,
                               const spa_graph *graph, const spa_costs_options *options,
                               const int32_t *batches, size_t n_batches, spa_error *err);
void spa_time_grid_fini(spa_time_grid *grid);

#define SPA_GRID_LEVELS 11
#define SPA_GRID_NEVER  1.1 /* label: at no fraction of zeros */

/* Time at a size and a fraction of zeros; linear between levels. */
double spa_time_grid_ns(const spa_time_grid *grid, size_t size, double zeros, size_t op, int side);

typedef struct spa_label {
    double at[SPA_THRESHOLDS]; /* fraction of zeros; log10 of work */
    spa_censor censor[SPA_THRESHOLDS];
    bool several[SPA_THRESHOLDS];
} spa_label;
/* Labels of an operator at a size of the grid (not a part) and a fraction of zeros. */
spa_label spa_label_of(const spa_time_grid *grid, size_t size, double zeros, size_t op);

#ifdef __cplusplus
}
#endif
#endif
