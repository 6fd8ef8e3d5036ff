#include "policies/learn/adam.h"

#include <math.h>

#include "policies/learn/loops.h"

spa_adam spa_adam_default(void)
{
    return (spa_adam){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .power1 = 1, .power2 = 1};
}

double spa_adam_update(spa_adam *adam, double rate, double max_norm, size_t n, float *parameters,
                       const float *gradients, float *moment1, float *moment2)
{
    const spa_loops *loops = spa_loops_best();
    double norm = sqrt(loops->sum_squares(gradients, n));
    if (!isfinite(norm)) return norm;
    adam->power1 *= adam->beta1;
    adam->power2 *= adam->beta2;
    const spa_adam_step step = {
        .rate = (float)(rate / (1 - adam->power1)),
        .root_scale = (float)(1 / sqrt(1 - adam->power2)),
        .beta1 = (float)adam->beta1,
        .beta2 = (float)adam->beta2,
        .epsilon = (float)adam->epsilon,
        .weight_l2 = (float)adam->weight_l2,
        .gradient_scale = max_norm > 0 && norm > max_norm ? (float)(max_norm / norm) : 1,
    };
    loops->adam(parameters, gradients, moment1, moment2, n, &step);
    return norm;
}
