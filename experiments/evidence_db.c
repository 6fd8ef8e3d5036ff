#include "experiments/evidence_db.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "experiments/results_db.h"

static spa_status fail_db(sqlite3 *db, const char *path, spa_error *err)
{
    return spa_fail_at(err, SPA_E_IO, path, 0, "%s", db ? sqlite3_errmsg(db) : "out of memory");
}

/* Nobody writes to a database that has no write-ahead log. */
static bool is_at_rest(const char *path)
{
    char log[4096];
    struct stat st;
    int n = snprintf(log, sizeof log, "%s-wal", path);
    return n > 0 && (size_t)n < sizeof log && (stat(log, &st) != 0 || st.st_size == 0);
}

/* A database of others, in a folder of others, is read without files beside it. */
static void put_immutable(spa_string *out, const char *path)
{
    spa_string_append(out, "file:");
    for (; *path; path++)
        spa_string_append(out, strchr("%?#", *path) ? "%%%02X" : "%c", (unsigned char)*path);
    spa_string_append(out, "?immutable=1");
}

/* A reader that may write tidies up behind itself: a read-only one leaves files of the write-ahead
 * log, and needs to make them where there are none. */
spa_status evidence_connect(sqlite3 **db, const char *path, spa_error *err)
{
    *db = NULL;
    if (access(path, R_OK) != 0)
        return spa_fail_at(err, SPA_E_IO, path, 0, "cannot be read: %s", strerror(errno));
    spa_string name = {0};
    int flags = access(path, W_OK) == 0 ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    if (flags == SQLITE_OPEN_READONLY && is_at_rest(path)) {
        put_immutable(&name, path);
        flags |= SQLITE_OPEN_URI;
    } else {
        spa_string_append(&name, "%s", path);
    }
    spa_status status = spa_string_ok(&name, err);
    if (!status && sqlite3_open_v2(name.text, db, flags, NULL) != SQLITE_OK)
        status = fail_db(*db, path, err);
    spa_string_fini(&name);
    SPA_TRY(status);
    sqlite3_busy_timeout(*db, 30000);
    if (sqlite3_exec(*db, "PRAGMA query_only = ON", NULL, NULL, NULL) != SQLITE_OK)
        return fail_db(*db, path, err);
    return SPA_OK;
}

static spa_status read_pragma(sqlite3 *db, const char *path, const char *sql, int64_t *value,
                              spa_error *err)
{
    sqlite3_stmt *s = NULL;
    spa_status status = SPA_OK;
    *value = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK || sqlite3_step(s) != SQLITE_ROW) {
        status = fail_db(db, path, err);
    } else {
        *value = sqlite3_column_int64(s, 0);
    }
    sqlite3_finalize(s);
    return status;
}

spa_status evidence_check(sqlite3 *db, const char *path, spa_error *err)
{
    int64_t version, application;
    if (sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK) return fail_db(db, path, err);
    SPA_TRY(read_pragma(db, path, "PRAGMA application_id", &application, err));
    SPA_TRY(read_pragma(db, path, "PRAGMA user_version", &version, err));
    if (application != RESULTS_APPLICATION_ID)
        return spa_fail_at(err, SPA_E_INVALID, path, 0,
                           "is a database, but not one of sparoa's; name another file");
    if (version < SPA_RESULTS_VERSION)
        return spa_fail_at(err, SPA_E_UNSUPPORTED, path, 0,
                           "has schema version %" PRId64
                           "; this program reads %d: store something in it ('sparoa run FILE.exp "
                           "--db ...'), which brings the version before up to it",
                           version, SPA_RESULTS_VERSION);
    if (version > SPA_RESULTS_VERSION)
        return spa_fail_at(err, SPA_E_UNSUPPORTED, path, 0,
                           "has schema version %" PRId64
                           "; this program reads %d: use the program that wrote it",
                           version, SPA_RESULTS_VERSION);
    return SPA_OK;
}

spa_status evidence_count(sqlite3 *db, const char *path, const char *table, size_t *n,
                          spa_error *err)
{
    char sql[96];
    int64_t count = 0;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    spa_status status = read_pragma(db, path, sql, &count, err);
    *n = (size_t)count;
    return status;
}

spa_status evidence_begin(evidence_query *q, sqlite3 *db, const char *path, const char *sql,
                          spa_error *err)
{
    *q = (evidence_query){.db = db, .path = path};
    if (sqlite3_prepare_v2(db, sql, -1, &q->statement, NULL) != SQLITE_OK)
        return fail_db(db, path, err);
    q->n_columns = sqlite3_column_count(q->statement);
    if (q->n_columns > EVIDENCE_COLUMNS) q->n_columns = EVIDENCE_COLUMNS;
    for (int i = 0; i < q->n_columns; i++) q->columns[i] = sqlite3_column_name(q->statement, i);
    return SPA_OK;
}

bool evidence_step(evidence_query *q, spa_status *status, spa_error *err)
{
    int code = sqlite3_step(q->statement);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) *status = fail_db(q->db, q->path, err);
    return false;
}

void evidence_end(evidence_query *q)
{
    sqlite3_finalize(q->statement);
    q->statement = NULL;
}

/* -1 = there is none, or it is NULL. */
static int column_of(const evidence_query *q, const char *name)
{
    for (int i = q->n_columns - 1; i >= 0; i--)
        if (q->columns[i] && strcmp(q->columns[i], name) == 0)
            return sqlite3_column_type(q->statement, i) == SQLITE_NULL ? -1 : i;
    return -1;
}

const char *evidence_text(evidence_query *q, const char *column)
{
    int i = column_of(q, column);
    return i < 0 ? NULL : (const char *)sqlite3_column_text(q->statement, i);
}

int64_t evidence_integer(evidence_query *q, const char *column, int64_t missing)
{
    int i = column_of(q, column);
    return i < 0 ? missing : sqlite3_column_int64(q->statement, i);
}

double evidence_number(evidence_query *q, const char *column)
{
    int i = column_of(q, column);
    return i < 0 ? NAN : sqlite3_column_double(q->statement, i);
}
