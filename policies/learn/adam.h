/* Adam on one flat vector of parameters (Kingma and Ba 2015), with clipping by the global norm
 * (Pascanu et al. 2013). */
#ifndef SPA_POLICIES_LEARN_ADAM_H
#define SPA_POLICIES_LEARN_ADAM_H

#include <stddef.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_adam {
    double beta1, beta2, epsilon;
    double weight_l2;      /* added to the gradient: weight_l2 * parameter */
    double power1, power2; /* beta1^t, beta2^t after t steps; 1 before the first */
} spa_adam;

/* 0.9, 0.999, 1e-8, no weight decay, no steps yet. */
SPA_API spa_adam spa_adam_default(void);

/* One step at a learning rate: parameters[n] from gradients[n] with the two moments[n] (zero before
 * the first step), all the caller's. Gradients whose norm is above max_norm (> 0; 0 = never) count
 * as scaled down to it. Returns the norm before that; when it is not finite, nothing changes. */
SPA_API double spa_adam_update(spa_adam *adam, double rate, double max_norm, size_t n,
                               float *parameters, const float *gradients, float *moment1,
                               float *moment2);

#ifdef __cplusplus
}
#endif
#endif
