#include "experiments/results_merge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "experiments/results_db.h"

/* The other database is attached as `source`; runs are the same when their hashes are. */

/* ---- questions ------------------------------------------------------------------------------- */

static spa_status ask(spa_results *r, const char *sql, sqlite3_stmt **s, bool *found,
                      spa_error *err)
{
    *found = false;
    if (sqlite3_prepare_v2(r->db, sql, -1, s, NULL) != SQLITE_OK) return results_fail(r, err);
    int code = sqlite3_step(*s);
    if (code == SQLITE_ROW || code == SQLITE_DONE) {
        *found = code == SQLITE_ROW;
        return SPA_OK;
    }
    spa_status status = results_fail(r, err);
    sqlite3_finalize(*s);
    *s = NULL;
    return status;
}

static spa_status count(spa_results *r, const char *sql, int64_t *n, spa_error *err)
{
    sqlite3_stmt *s;
    bool found;
    SPA_TRY(ask(r, sql, &s, &found, err));
    *n = found ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    return SPA_OK;
}

/* ---- checks ---------------------------------------------------------------------------------- */

static spa_status check_source(spa_results *r, const char *from, spa_error *err)
{
    int64_t application, version;
    SPA_TRY(count(r, "PRAGMA source.application_id", &application, err));
    SPA_TRY(count(r, "PRAGMA source.user_version", &version, err));
    if (application != RESULTS_APPLICATION_ID)
        return spa_fail_at(err, SPA_E_INVALID, from, 0, "is no results database of sparoa");
    if (version == SPA_RESULTS_VERSION) return SPA_OK;
    return spa_fail_at(err, SPA_E_UNSUPPORTED, from, 0,
                       "has schema version %" PRId64 "; this program merges version %d", version,
                       SPA_RESULTS_VERSION);
}

/* A query that finds something wrong: columns text of the fault, and two program versions. */
static spa_status refuse(spa_results *r, const char *from, const char *sql, spa_error *err)
{
    sqlite3_stmt *s;
    bool found;
    SPA_TRY(ask(r, sql, &s, &found, err));
    spa_status status = SPA_OK;
    if (found)
        status = spa_fail_at(err, SPA_E_INVALID, from, 0,
                             "%s (here by version %s, there by %s); nothing was merged: rerun one "
                             "of them, or merge into another file",
                             (const char *)sqlite3_column_text(s, 0),
                             (const char *)sqlite3_column_text(s, 1),
                             (const char *)sqlite3_column_text(s, 2));
    sqlite3_finalize(s);
    return status;
}

#define RUN_TEXT                                                                                   \
    "'run ' || a.hash || ' (' || a.model || ' on ' || a.device || '@' || a.mode || ', ' || "       \
    "a.policy || ')"

static spa_status check_conflicts(spa_results *r, const char *from, spa_error *err)
{
    SPA_TRY(refuse(r, from,
                   "SELECT " RUN_TEXT " has another digest or reason', a.program_version, "
                   "b.program_version FROM main.run a JOIN source.run b ON a.hash = b.hash "
                   "WHERE a.digest IS NOT b.digest OR (a.skipped IS NULL) <> (b.skipped IS NULL) "
                   "ORDER BY a.hash LIMIT 1",
                   err));
    SPA_TRY(refuse(r, from,
                   "SELECT " RUN_TEXT " has another ' || x.name, a.program_version, "
                   "b.program_version FROM main.run a JOIN source.run b ON a.hash = b.hash "
                   "JOIN main.metric x ON x.run_id = a.id AND x.repeatable = 1 "
                   "LEFT JOIN source.metric y ON y.run_id = b.id AND y.name = x.name "
                   "WHERE x.value IS NOT y.value ORDER BY a.hash, x.name LIMIT 1",
                   err));
    SPA_TRY(refuse(r, from,
                   "SELECT 'experiment ' || e.name || ' is of another file', x.file, y.file "
                   "FROM main.experiment e JOIN main.experiment_status x ON x.experiment_id = e.id "
                   "JOIN source.experiment f ON f.name = e.name "
                   "JOIN source.experiment_status y ON y.experiment_id = f.id "
                   "WHERE x.file_hash <> y.file_hash OR x.quick <> y.quick OR "
                   "x.expected <> y.expected ORDER BY e.name LIMIT 1",
                   err));
    return refuse(r, from,
                  "SELECT 'row ' || x.row || ' of experiment ' || e.name || ' is another run', "
                  "a.program_version, b.program_version FROM main.experiment e "
                  "JOIN main.experiment_row x ON x.experiment_id = e.id "
                  "JOIN main.run a ON a.id = x.run_id "
                  "JOIN source.experiment f ON f.name = e.name "
                  "JOIN source.experiment_row y ON y.experiment_id = f.id AND y.row = x.row "
                  "JOIN source.run b ON b.id = y.run_id WHERE a.hash <> b.hash "
                  "ORDER BY e.name, x.row LIMIT 1",
                  err);
}

/* ---- copying --------------------------------------------------------------------------------- */

/* The columns of a table but some, joined by commas, each behind `prefix`. */
static spa_status columns_of(spa_results *r, const char *table, const char *but, const char *prefix,
                             spa_string *out, spa_error *err)
{
    char sql[200];
    sqlite3_stmt *s;
    bool found;
    snprintf(sql, sizeof sql, "SELECT name FROM pragma_table_info('%s') WHERE name NOT IN (%s)",
             table, but);
    SPA_TRY(ask(r, sql, &s, &found, err));
    for (; found; found = sqlite3_step(s) == SQLITE_ROW)
        spa_string_append(out, "%s%s%s", out->length ? ", " : "", prefix,
                          (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    return spa_string_ok(out, err);
}

/* INSERT OR IGNORE INTO main.TABLE(first, columns) SELECT first_value, columns FROM joins. */
static spa_status copy(spa_results *r, const char *table, const char *but, const char *first,
                       const char *first_value, const char *joins, spa_error *err)
{
    spa_string to = {0}, from = {0}, sql = {0};
    spa_status status = columns_of(r, table, but, "", &to, err);
    if (!status) status = columns_of(r, table, but, "t.", &from, err);
    if (!status) {
        spa_string_append(&sql, "INSERT OR IGNORE INTO main.%s(%s, %s) SELECT %s, %s FROM %s",
                          table, first, to.text, first_value, from.text, joins);
        status = spa_string_ok(&sql, err);
    }
    if (!status) status = results_execute(r, sql.text, err);
    spa_string_fini(&to);
    spa_string_fini(&from);
    spa_string_fini(&sql);
    return status;
}

static spa_status copy_runs(spa_results *r, spa_error *err)
{
    static const char *const tables[] = {"metric",     "learning_curve", "schedule",
                                         "validation", "replication",    "operator"};
    char joins[160];
    SPA_TRY(results_execute(r,
                            "INSERT OR IGNORE INTO main.experiment(name) "
                            "SELECT name FROM source.experiment ORDER BY name",
                            err));
    SPA_TRY(copy(r, "run", "'id', 'experiment_id'", "experiment_id", "e.id",
                 "source.run t JOIN source.experiment f ON f.id = t.experiment_id "
                 "JOIN main.experiment e ON e.name = f.name ORDER BY t.hash",
                 err));
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        snprintf(joins, sizeof joins,
                 "source.%s t JOIN source.run b ON b.id = t.run_id "
                 "JOIN main.run a ON a.hash = b.hash",
                 tables[i]);
        SPA_TRY(copy(r, tables[i], "'run_id'", "run_id", "a.id", joins, err));
    }
    return SPA_OK;
}

/* What host clocks said: all of it, and the least where one value stands. */
static spa_status copy_host_values(spa_results *r, spa_error *err)
{
    return results_execute(
        r,
        "INSERT OR IGNORE INTO main.host_value(run_id, name, value) "
        "SELECT x.run_id, x.name, x.value FROM main.metric x JOIN main.run a ON a.id = x.run_id "
        "JOIN source.run b ON b.hash = a.hash WHERE x.repeatable = 0 AND x.value IS NOT NULL;"
        "INSERT OR IGNORE INTO main.host_value(run_id, name, value) "
        "SELECT a.id, y.name, y.value FROM source.metric y JOIN source.run b ON b.id = y.run_id "
        "JOIN main.run a ON a.hash = b.hash WHERE y.repeatable = 0 AND y.value IS NOT NULL;"
        "INSERT OR IGNORE INTO main.host_value(run_id, name, value) "
        "SELECT a.id, y.name, y.value FROM source.host_value y "
        "JOIN source.run b ON b.id = y.run_id JOIN main.run a ON a.hash = b.hash;"
        "UPDATE main.metric AS x SET value = (SELECT min(h.value) FROM main.host_value h "
        "WHERE h.run_id = x.run_id AND h.name = x.name) WHERE x.repeatable = 0 AND EXISTS "
        "(SELECT 1 FROM main.host_value h WHERE h.run_id = x.run_id AND h.name = x.name);",
        err);
}

static spa_status copy_experiments(spa_results *r, spa_error *err)
{
    SPA_TRY(copy(r, "experiment_status", "'experiment_id'", "experiment_id", "e.id",
                 "source.experiment_status t JOIN source.experiment f ON f.id = t.experiment_id "
                 "JOIN main.experiment e ON e.name = f.name",
                 err));
    SPA_TRY(results_execute(
        r,
        "INSERT OR IGNORE INTO main.experiment_row(experiment_id, row, run_id) "
        "SELECT e.id, y.row, a.id FROM source.experiment_row y "
        "JOIN source.experiment f ON f.id = y.experiment_id "
        "JOIN main.experiment e ON e.name = f.name JOIN source.run b ON b.id = y.run_id "
        "JOIN main.run a ON a.hash = b.hash",
        err));
    SPA_TRY(copy(r, "comparison", "'run_id', 'reference_id'", "run_id, reference_id", "a.id, ra.id",
                 "source.comparison t JOIN source.run b ON b.id = t.run_id "
                 "JOIN main.run a ON a.hash = b.hash "
                 "JOIN source.run rb ON rb.id = t.reference_id "
                 "JOIN main.run ra ON ra.hash = rb.hash",
                 err));
    /* Finished is what one of them had finished; shards are compared when all rows are there. */
    return results_execute(
        r,
        "UPDATE main.experiment_status AS x SET done = (SELECT count(*) FROM main.experiment_row "
        "WHERE experiment_id = x.experiment_id), finished = max(finished, coalesce((SELECT "
        "y.finished FROM source.experiment_status y JOIN source.experiment f "
        "ON f.id = y.experiment_id JOIN main.experiment e ON e.name = f.name "
        "WHERE e.id = x.experiment_id), 0))",
        err);
}

static spa_status merge(spa_results *r, const char *from, spa_merged *m, spa_error *err)
{
    int64_t before, after, theirs;
    SPA_TRY(check_source(r, from, err));
    SPA_TRY(check_conflicts(r, from, err));
    SPA_TRY(count(r, "SELECT count(*) FROM main.run", &before, err));
    SPA_TRY(count(r, "SELECT count(*) FROM source.run", &theirs, err));
    SPA_TRY(copy_runs(r, err));
    SPA_TRY(copy_host_values(r, err));
    SPA_TRY(copy_experiments(r, err));
    SPA_TRY(count(r, "SELECT count(*) FROM main.run", &after, err));
    SPA_TRY(count(r, "SELECT count(*) FROM main.experiment_status WHERE finished = 0",
                  &m->unfinished, err));
    m->added += after - before;
    m->known += theirs - (after - before);
    return SPA_OK;
}

static spa_status attach(spa_results *r, const char *from, spa_error *err)
{
    sqlite3_stmt *s;
    if (access(from, R_OK) != 0)
        return spa_fail_at(err, SPA_E_IO, from, 0,
                           "cannot be read: there is no such file, or no "
                           "permission"); /* attaching would make one */
    if (sqlite3_prepare_v2(r->db, "ATTACH ?1 AS source", -1, &s, NULL) != SQLITE_OK)
        return results_fail(r, err);
    results_bind_text(s, 1, from);
    int code = sqlite3_step(s);
    sqlite3_finalize(s);
    if (code == SQLITE_DONE) return SPA_OK;
    return spa_fail_at(err, SPA_E_IO, from, 0, "%s", sqlite3_errmsg(r->db));
}

spa_status spa_results_merge(spa_results *into, const char *from, spa_merged *merged,
                             spa_error *err)
{
    spa_merged m = *merged;
    SPA_TRY(attach(into, from, err));
    spa_status status = results_execute(into, "BEGIN IMMEDIATE", err);
    if (!status) {
        status = merge(into, from, &m, err);
        if (!status) status = results_execute(into, "COMMIT", err);
        if (status) sqlite3_exec(into->db, "ROLLBACK", NULL, NULL, NULL);
    }
    if (!status) *merged = m;
    sqlite3_exec(into->db, "DETACH source", NULL, NULL, NULL);
    return status;
}
