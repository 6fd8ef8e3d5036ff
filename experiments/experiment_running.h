/* Inside experiments: an experiment that is running, what its kinds share. */
#ifndef SPA_EXPERIMENTS_EXPERIMENT_RUNNING_H
#define SPA_EXPERIMENTS_EXPERIMENT_RUNNING_H

#include <pthread.h>
#include "experiments/experiment_run.h"

struct shared_case;
typedef struct running {
    const spa_experiment *x;
    const spa_paths *paths;
    spa_results *results;
    int64_t experiment;
    struct shared_case *cases;
    size_t n_cases;
    size_t jobs;
    bool *mine;           /* [rows] of a shard; NULL = all are */
    pthread_mutex_t lock; /* of results and tally */
    spa_experiment_tally *tally;
    spa_progress *progress;
} running;

/* A row's options and where names are found. Free with spa_options_fini in any case. */
spa_status running_options(const running *k, size_t row, spa_options *options, spa_error *err);
/* Opens the case of a model; errors name the line of the file that wants it. */
spa_status running_open_case(const running *k, size_t row, const char *model,
                             const spa_options *options, spa_case *c, spa_error *err);
/* Has the row been done already? Then it is tied to the experiment. */
spa_status running_resume(running *k, size_t row, const spa_run_key *key, bool *done,
                          spa_error *err);
spa_status running_store(running *k, size_t row, const spa_run_key *key, const spa_outcome *outcome,
                         const spa_row_extras *extras, spa_error *err);

/* experiment_predictor.c: kind predictor. */
spa_status running_predictors(running *k, spa_error *err);

#endif
