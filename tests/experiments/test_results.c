/* results.db: what is stored, and that storing again changes nothing. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include "tests/experiments/cli.h"

#define COMPARE                                                                                    \
    "compare " TINY " " TINY_DEVICE " --quiet --policy cpu-only,heft,exhaustive:limit=2 "

static const char *db_path(void)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/r.db", cli_folder());
    return path;
}

static void store(const char *options)
{
    cli_result r = cli(COMPARE "%s --db %s", options, db_path());
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
}

/* First column of the first row. */
static double query(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    cr_assert_eq(sqlite3_open(db_path(), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(s), SQLITE_ROW, "%s", sql);
    double x = sqlite3_column_double(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return x;
}

static void execute(const char *sql)
{
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(db_path(), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

Test(results, a_comparison_is_a_run_per_policy)
{
    store("");
    cr_assert_eq(query("SELECT count(*) FROM run"), 3);
    cr_assert_eq(query("SELECT count(*) FROM run WHERE skipped IS NULL"), 2);
    cr_assert_eq(query("SELECT count(*) FROM run WHERE skipped LIKE '%limit%' AND digest IS NULL"),
                 1);
    cr_assert_eq(query("SELECT count(*) FROM metric"), 2 * 21);
    cr_assert_eq(query("SELECT count(*) FROM metric WHERE NOT repeatable"), 2);
    cr_assert_eq(query("SELECT count(*) FROM schedule WHERE json_array_length(placement) = 7"), 2);
    cr_assert_eq(query("PRAGMA user_version"), 3);
}

Test(results, values_are_those_of_the_document)
{
    store("");
    json_t *d = cli_json(COMPARE "--json");
    json_t *run = json_array_get(json_object_get(d, "runs"), 0);
    json_t *row = json_array_get(json_object_get(run, "results"), 1);
    double mean = json_number_value(json_object_get(json_object_get(row, "latency_ms"), "mean"));
    cr_assert_eq(query("SELECT value FROM metric JOIN run ON run.id = run_id "
                       "WHERE policy = 'heft' AND name = 'latency_mean_ms'"),
                 mean);
    json_decref(d);
}

Test(results, storing_again_changes_nothing_repeatable)
{
    static const char sum[] =
        "SELECT sum(value * length(name) * run_id) FROM metric WHERE repeatable";
    store("");
    double before = query(sum);
    store("--jobs 2");
    cr_assert_eq(query("SELECT count(*) FROM run"), 3);
    cr_assert_eq(query("SELECT count(*) FROM metric"), 2 * 21);
    cr_assert_eq(query("SELECT count(*) FROM experiment"), 1);
    cr_assert_eq(query(sum), before);
}

Test(results, another_configuration_is_another_run)
{
    static const char *const options[] = {"--seed 2",          "--reps 7",   "--noise=off",
                                          "--policy-cost=off", "--budget 5", "--requests 2"};
    store("");
    for (int i = 0; i < 6; i++) {
        store(options[i]);
        cr_assert_eq(query("SELECT count(*) FROM run"), 3 * (i + 2), "%s", options[i]);
    }
}

Test(results, simulate_is_an_experiment_of_its_own)
{
    store("");
    cli_result r =
        cli("simulate " TINY " " TINY_DEVICE " --quiet --policy heft --db %s", db_path());
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    cr_assert_eq(query("SELECT count(*) FROM experiment"), 2);
    cr_assert_eq(query("SELECT count(*) FROM run"), 4);
}

Test(results, a_run_of_an_older_program_is_replaced_under_its_number)
{
    store("");
    execute("UPDATE run SET program_version = 'old', digest = 'x' WHERE policy = 'heft'");
    double id = query("SELECT id FROM run WHERE policy = 'heft'");
    store("");
    cr_assert_eq(query("SELECT count(*) FROM run WHERE program_version = 'old'"), 0);
    cr_assert_eq(query("SELECT id FROM run WHERE policy = 'heft' AND digest != 'x'"), id);
}

Test(results, metrics_go_with_their_run)
{
    store("");
    execute("PRAGMA foreign_keys = ON; DELETE FROM run");
    cr_assert_eq(query("SELECT count(*) FROM metric"), 0);
    cr_assert_eq(query("SELECT count(*) FROM schedule"), 0);
}

Test(results, other_databases_and_files_are_refused)
{
    execute("CREATE TABLE mine(x)");
    cli_expect_failure(1, "not one of sparoa's", COMPARE "--db %s", db_path());
    cr_assert_eq(query("SELECT count(*) FROM sqlite_schema"), 1);
    cli_write(db_path(), "this is no database, but a text that is long enough to be one", 61);
    cli_expect_failure(1, "not a database", COMPARE "--db %s", db_path());
}

/* Version 2 knew no experiment files. */
Test(results, a_database_of_the_version_before_is_brought_to_this_one)
{
    static const char *const added[] = {"batcher",          "baseline",     "ablate",
                                        "scale_contention", "scale_launch", "scale_transfer",
                                        "scale_rho",        "scale_noise",  "baseline_range"};
    static const char *const tables[] = {"experiment_status", "experiment_row", "replication",
                                         "comparison",        "operator",       "host_value"};
    char sql[200];
    store("");
    double columns = query("SELECT count(*) FROM pragma_table_info('run')");
    for (int i = 0; i < 9; i++) {
        snprintf(sql, sizeof sql, "ALTER TABLE run DROP COLUMN %s", added[i]);
        execute(sql);
    }
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        snprintf(sql, sizeof sql, "DROP TABLE %s", tables[i]);
        execute(sql);
    }
    execute("PRAGMA user_version = 2");
    store("--seed 9");
    cr_assert_eq(query("PRAGMA user_version"), 3);
    cr_assert_eq(query("SELECT count(*) FROM run"), 2 * 3);
    cr_assert_eq(query("SELECT count(*) FROM run WHERE ablate = 'none' AND scale_rho = 1"), 2 * 3);
    cr_assert_eq(query("SELECT count(*) FROM pragma_table_info('run')"), columns);
    for (int i = 0; i < 5; i++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", tables[i]);
        cr_assert_eq(query(sql), 0);
    }
}

/* Hashes of version 2: a neutral factor leaves them alone. */
Test(results, a_new_factor_at_its_neutral_value_is_no_other_run)
{
    store("");
    double before = query("SELECT count(DISTINCT hash) FROM run");
    store("--ablate batching");
    cr_assert_eq(query("SELECT count(DISTINCT hash) FROM run"), 2 * before);
    store("");
    cr_assert_eq(query("SELECT count(DISTINCT hash) FROM run"), 2 * before);
    cr_assert_eq(query("SELECT count(*) FROM run WHERE ablate = 'batching'"), before);
}

Test(results, another_schema_version_is_refused)
{
    store("");
    execute("PRAGMA user_version = 4");
    cli_expect_failure(1, "has schema version 4; this program uses 3", COMPARE "--db %s",
                       db_path());
}
