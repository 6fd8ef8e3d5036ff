/* Inside results.db: statements and the small steps of storing. */
#ifndef SPA_EXPERIMENTS_RESULTS_DB_H
#define SPA_EXPERIMENTS_RESULTS_DB_H

#include <sqlite3.h>
#include "experiments/results.h"

#define RESULTS_APPLICATION_ID 0x53504f41 /* "SPOA" */

enum {
    ADD_EXPERIMENT,
    ADD_RUN,
    CLEAR_METRICS,
    CLEAR_SCHEDULE,
    CLEAR_VALIDATION,
    ADD_METRIC,
    ADD_SCHEDULE,
    ADD_VALIDATION,
    FIND_RUN,
    LINK_ROW,
    COUNT_ROWS,
    CLEAR_REPLICATIONS,
    ADD_REPLICATION,
    CLEAR_OPERATORS,
    ADD_OPERATOR,
    ADD_COMPARISON,
    N_STATEMENTS
};

/* SQL that makes all tables; that brings a database of the version before to this one. */
extern const char results_schema[], results_upgrade[];

struct spa_results {
    sqlite3 *db;
    const char *path;
    sqlite3_stmt *statements[N_STATEMENTS];
};

/* What SQLite says is wrong. */
spa_status results_fail(const spa_results *r, spa_error *err);
/* Within a transaction: the run with its metrics and its schedule. */
spa_status results_put_run(spa_results *r, const spa_run_key *key, const spa_outcome *outcome,
                           int64_t *run_id, spa_error *err);
/* Within a transaction: the learning curve of a run that is there, in the place of an older one. */
spa_status results_put_curve(spa_results *r, const spa_run_key *key, const spa_curve_point *curve,
                             size_t n, spa_error *err);
spa_status results_execute(spa_results *r, const char *sql, spa_error *err);
/* NULL is bound as NULL; a hash as 16 hexadecimal digits. */
void results_bind_text(sqlite3_stmt *s, int at, const char *text);
void results_bind_hash(sqlite3_stmt *s, int at, uint64_t hash);
/* Runs a bound statement to its end; the first column of its row, if any, goes to *id. */
spa_status results_step(spa_results *r, int which, int64_t *id, spa_error *err);
/* NaN is stored as NULL. */
spa_status results_add_metric(spa_results *r, int64_t run, const char *name, double value,
                              int repeatable, spa_error *err);

#endif
