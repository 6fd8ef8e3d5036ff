/* Inside experiments: what the values of each factor mean. */
#ifndef SPA_EXPERIMENTS_EXPERIMENT_FACTORS_H
#define SPA_EXPERIMENTS_EXPERIMENT_FACTORS_H

#include "experiments/experiment.h"

typedef struct experiment_factor {
    const char *key;     /* in [factors] */
    const char *neutral; /* the one value where the key is missing; NULL = it must be there, "" =
                            it has none */
    const char *between; /* what separates its values */
} experiment_factor;
extern const experiment_factor experiment_factors[SPA_FACTORS];

/* Sets what one value stands for. Errors say what is wrong with the value, without a place. */
spa_status experiment_set_factor(spa_options *options, spa_factor factor, const char *text,
                                 spa_error *err);

/* Do two values that can be set stand for the same? "1" and "1.0", "a+b" and "b+a", "tvm" and
 * "tvm@mid"; SPA_FACTORS stands for baselines. */
bool experiment_same_value(spa_factor factor, const char *a, const char *b);

#endif
