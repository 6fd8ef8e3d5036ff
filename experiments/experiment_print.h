/* What an experiment gave, read back from results.db: tables and JSON of `sparoa run`. */
#ifndef SPA_EXPERIMENTS_EXPERIMENT_PRINT_H
#define SPA_EXPERIMENTS_EXPERIMENT_PRINT_H

#include "experiments/experiment_run.h"
#include "experiments/json.h"

/* A heading, a table with a line per row, and a summary. */
spa_status spa_experiment_print(spa_results *results, const spa_experiment *x,
                                const spa_experiment_tally *tally, spa_string *out, spa_error *err);
/* A member of the document "sparoa.run/1". */
spa_status spa_experiment_print_json(spa_results *results, const spa_experiment *x, spa_json *json,
                                     json_t *experiment, spa_error *err);

#endif
