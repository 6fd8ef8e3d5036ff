/* Running an experiment: every row once, kept in results.db as it is done. */
#ifndef SPA_EXPERIMENTS_EXPERIMENT_RUN_H
#define SPA_EXPERIMENTS_EXPERIMENT_RUN_H

#include "experiments/experiment_shard.h"
#include "experiments/progress.h"
#include "experiments/results_experiment.h"

/* What came of it, in rows. */
typedef struct spa_experiment_tally {
    size_t rows, resumed; /* resumed: were there */
    size_t elsewhere;     /* rows of other shards */
} spa_experiment_tally;

/* Runs the rows that are not stored yet on `jobs` threads, ties all to the experiment and compares
 * them. What is done when it fails (or is killed) stays, and is not done again. Errors of a row
 * name the file and the lines that want it. A shard of several runs its rows alone and compares
 * nothing: the experiment stays unfinished. */
spa_status spa_experiment_run(const spa_experiment *x, const spa_paths *paths, size_t jobs,
                              spa_shard shard, spa_results *results, spa_progress *progress,
                              spa_experiment_tally *tally, spa_error *err);

#endif
