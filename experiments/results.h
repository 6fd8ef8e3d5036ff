/* results.db: what runs gave, in SQLite (docs/formats.md, "results.db"). */
#ifndef SPA_EXPERIMENTS_RESULTS_H
#define SPA_EXPERIMENTS_RESULTS_H

#include "experiments/runs.h"
#include "experiments/training.h"

/* user_version of the databases that this program writes and reads. */
#define SPA_RESULTS_VERSION 3

typedef struct spa_results spa_results;

/* Opens or creates; a database of the version before this one is brought to this one. Those of
 * others, and a file that is none, are errors. */
spa_status spa_results_open(spa_results **results, const char *path, spa_error *err);
/* Could results be stored there? For asking before they are measured; leaves no new file. */
spa_status spa_results_check(const char *path, spa_error *err);
void spa_results_close(spa_results *results); /* accepts NULL */

/* Everything that decides a run's outcome: equal keys give equal repeatable metrics. */
typedef struct spa_run_key {
    const char *experiment; /* "compare", "simulate", later an experiment's name */
    const spa_case *c;
    const spa_options *options;
    const spa_scenario *scenario;
    const char *policy;
    const char *baseline; /* NULL = none */
    const char *range;    /* which end of its factors; NULL or "" = it has no range */
    const char *models;   /* of what was made of several models at once; NULL = that of the case */
    uint64_t inputs;      /* hash of what else it was made of; 0 = nothing */
} spa_run_key;
/* The run's hash; the program's version is not in it. */
uint64_t spa_run_key_hash(const spa_run_key *key);

/* Stores a run with its metrics and its schedule in one transaction. A run that is there already is
 * replaced, under its old number. */
spa_status spa_results_store(spa_results *results, const spa_run_key *key,
                             const spa_outcome *outcome, spa_error *err);

/* Opens, stores every outcome, closes. */
spa_status spa_results_store_runs(const char *path, const char *experiment, const spa_runs *runs,
                                  const spa_options *options, spa_error *err);

/* The learning curve of a run that is stored; replaces an older one. */
spa_status spa_results_store_curve(const char *path, const spa_run_key *key,
                                   const spa_curve_point *curve, size_t n, spa_error *err);

#endif
