/* An experiment's rows shared out to many machines: shard I of N runs its own, `sparoa merge` joins
 * the databases, and running the file on the joined one compares. */
#ifndef SPA_EXPERIMENTS_EXPERIMENT_SHARD_H
#define SPA_EXPERIMENTS_EXPERIMENT_SHARD_H

#include "experiments/experiment.h"

/* 1 <= index <= count; count 0 = everything. */
typedef struct spa_shard {
    uint32_t index, count;
} spa_shard;

/* "I/N". */
spa_status spa_shard_parse(const char *text, spa_shard *shard, spa_error *err);

/* Seconds of host time that each row is predicted to take, cost[rows]: operators times requests
 * times replications, evaluations of searches, steps of learners. Only their ratios matter. */
spa_status spa_shard_predict(const spa_experiment *x, double *cost, spa_error *err);

/* shard[n] in 0 .. n_shards - 1: longest first to the one that has least (R. Graham, "Bounds on
 * multiprocessing timing anomalies", SIAM J. Appl. Math. 17(2), 1969: within 4/3 of the best). Ties
 * by number, so that every machine comes to the same. O(n log n). */
spa_status spa_shard_assign(const double *cost, size_t n, uint32_t n_shards, uint32_t *shard,
                            spa_error *err);

/* mine[rows]: is a row of this shard? */
spa_status spa_shard_rows(const spa_experiment *x, spa_shard shard, bool *mine, spa_error *err);

#endif
