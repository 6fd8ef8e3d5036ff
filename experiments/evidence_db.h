/* Inside the reading of results.db: one statement, its columns by name. */
#ifndef SPA_EXPERIMENTS_EVIDENCE_DB_H
#define SPA_EXPERIMENTS_EVIDENCE_DB_H

#include <sqlite3.h>
#include "base/text.h"

enum { EVIDENCE_COLUMNS = 64 };

typedef struct evidence_query {
    sqlite3 *db;
    sqlite3_stmt *statement;
    const char *path;
    const char *columns[EVIDENCE_COLUMNS]; /* their names; sqlite's until the end */
    int n_columns;
} evidence_query;

/* Opens for reading. A file that is not there is an error, none is made. */
spa_status evidence_connect(sqlite3 **db, const char *path, spa_error *err);
/* Is it a results.db of this version? Begins a read transaction: all that follows is of one state.
 */
spa_status evidence_check(sqlite3 *db, const char *path, spa_error *err);
spa_status evidence_count(sqlite3 *db, const char *path, const char *table, size_t *n,
                          spa_error *err);

/* evidence_end in any case. */
spa_status evidence_begin(evidence_query *q, sqlite3 *db, const char *path, const char *sql,
                          spa_error *err);
/* Is there another row? */
bool evidence_step(evidence_query *q, spa_status *status, spa_error *err);
void evidence_end(evidence_query *q);

/* The column of this name; the last of several. NULL, `missing` or NaN when there is none, or it is
 * NULL. */
const char *evidence_text(evidence_query *q, const char *column);
int64_t evidence_integer(evidence_query *q, const char *column, int64_t missing);
double evidence_number(evidence_query *q, const char *column);

#endif
