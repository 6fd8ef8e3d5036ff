/* How a search or a learner comes to its schedule: experiments of kind curve. */
#ifndef SPA_EXPERIMENTS_EXPERIMENT_CURVE_H
#define SPA_EXPERIMENTS_EXPERIMENT_CURVE_H

#include "experiments/results.h"

typedef struct spa_curve {
    spa_curve_point *points; /* value: the objective without noise, ms for latency */
    size_t n, capacity;
    char file[64];  /* what was learned; "" = the policy does not learn, or was given a model */
    double host_ms; /* wall clock of learning */
} spa_curve;

/* A policy that searches: its schedule's value with 1, 2, 5, 10, ... evaluations up to the budget.
 * One that learns: trained on the case alone for options->curve_steps decisions; its value as
 * training went on. Others: no points. SPA_E_UNSUPPORTED: it cannot do the case. fini in any case.
 */
spa_status spa_curve_make(spa_curve *curve, const spa_run_key *key, spa_error *err);
void spa_curve_fini(spa_curve *curve); /* removes the file, too */
/* The policy to run: the key's, with what was learned. */
const char *spa_curve_policy(const spa_curve *curve, const spa_run_key *key, char text[160]);

#endif
