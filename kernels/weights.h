/* Seeded weights of a model; see model.h. */
#ifndef SPA_KERNELS_WEIGHTS_H
#define SPA_KERNELS_WEIGHTS_H

#include "kernels/model.h"

/* Fills the parameters of operator `op`: He's variance (2/fan-in) for convolutions, 1/fan-in for
 * linear layers, scales near 1, small shifts, biases and constants; means 0 and variances 1. */
void spa_weights_draw(spa_model *model, size_t op);

/* Sets mean and variance of every batch norm to those of its input in one inference by `blas`.
 * Source of the idea: data-dependent initialisation, Krahenbuhl et al. (2016). */
spa_status spa_weights_calibrate(spa_model *model, spa_error *err);

/* Fills all parameters from the graph's source. */
spa_status spa_weights_take(spa_model *model, spa_error *err);

#endif
