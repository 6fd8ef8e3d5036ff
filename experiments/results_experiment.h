/* results.db: experiment files. What is there is always whole: a row is stored in one transaction
 * with the count of rows that are done. */
#ifndef SPA_EXPERIMENTS_RESULTS_EXPERIMENT_H
#define SPA_EXPERIMENTS_RESULTS_EXPERIMENT_H

#include "experiments/experiment.h"
#include "experiments/results.h"

/* The experiment is begun: its status says how many rows are expected and that none is done. Runs
 * that are stored stay; rows are tied to them anew (spa_results_link). */
spa_status spa_results_begin(spa_results *results, const spa_experiment *x, int64_t *experiment,
                             spa_error *err);
/* A run of this key that this version of the program stored; 0 = none. */
spa_status spa_results_find(spa_results *results, const spa_run_key *key, int64_t *run,
                            spa_error *err);
/* A row is done by a run that is there. */
spa_status spa_results_link(spa_results *results, int64_t experiment, size_t row, int64_t run,
                            spa_error *err);
/* What some kinds of experiment know of a row besides its outcome. */
typedef struct spa_row_metric {
    const char *name;
    double value; /* NaN = not known */
    bool repeatable;
} spa_row_metric;
typedef struct spa_row_extras {
    const spa_schedule *placed;   /* where each operator ran; NULL = not kept */
    const spa_curve_point *curve; /* [n_curve] */
    size_t n_curve;
    const spa_row_metric *metrics; /* [n_metrics] */
    size_t n_metrics;
} spa_row_extras;

/* A row is done: stores its run with its replications and extras. */
spa_status spa_results_store_row(spa_results *results, int64_t experiment, size_t row,
                                 const spa_run_key *key, const spa_outcome *outcome,
                                 const spa_row_extras *extras, spa_error *err);
/* The latest run of `sparoa validate` of a model; 0 = none is stored. */
spa_status spa_results_find_validation(spa_results *results, const char *model, int64_t *run,
                                       spa_error *err);
/* All rows are done: compares each with its reference, corrects over the experiment, and marks it
 * finished, if all rows are there. */
spa_status spa_results_finish(spa_results *results, const spa_experiment *x, int64_t experiment,
                              spa_error *err);

#endif
