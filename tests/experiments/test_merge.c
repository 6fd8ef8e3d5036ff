/* sparoa merge: databases of several machines become one, and nothing is believed twice. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/experiments/cli.h"

static char a[512], b[512], out[512], other[512];

/* Two runs in a, two in b, one of them the same. */
static void make(void)
{
    static const char *const policies[] = {"heft,gpu-only", "gpu-only,cpu-only"};
    char *const paths[] = {a, b};
    snprintf(a, sizeof a, "%s/a.db", cli_folder());
    snprintf(b, sizeof b, "%s/b.db", cli_folder());
    snprintf(out, sizeof out, "%s/out.db", cli_folder());
    snprintf(other, sizeof other, "%s/other.db", cli_folder());
    for (int i = 0; i < 2; i++) {
        cli_result r = cli("compare " TINY " " TINY_DEVICE " --policy %s --reps 3 --db %s --quiet",
                           policies[i], paths[i]);
        cr_assert_eq(r.code, 0, "%s", r.err);
        cli_free(&r);
    }
}

/* The first column of a query's rows, one per line; free it. */
static char *ask(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    char *text = calloc(1, 1 << 20);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    while (sqlite3_step(s) == SQLITE_ROW) {
        const char *cell = (const char *)sqlite3_column_text(s, 0);
        strcat(strcat(text, cell ? cell : "NULL"), "\n");
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return text;
}
static void change(const char *path, const char *sql)
{
    sqlite3 *db;
    char *message = NULL;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &message), SQLITE_OK, "%s", message);
    sqlite3_close(db);
}

/* All that a database says, without the numbers of rows. */
static char *contents(const char *path)
{
    return ask(path, "SELECT hash || ' ' || policy || ' ' || name || ' ' || coalesce(value, '-') "
                     "FROM run JOIN metric ON run_id = run.id UNION ALL "
                     "SELECT hash || ' host ' || name || ' ' || value FROM run JOIN host_value ON "
                     "run_id = run.id UNION ALL SELECT hash || placement FROM run JOIN schedule ON "
                     "run_id = run.id ORDER BY 1");
}

static json_t *merge(const char *into, const char *one, const char *two)
{
    return cli_json("merge %s %s %s --json", into, one, two);
}
static long number(json_t *d, const char *key)
{
    return (long)json_integer_value(json_object_get(d, key));
}

Test(merge, in_any_order_and_any_number_of_times_comes_to_the_same)
{
    make();
    json_t *d = merge(out, a, b);
    cr_assert_eq(number(d, "added"), 3);
    cr_assert_eq(number(d, "known"), 1);
    json_decref(d);
    char *once = contents(out);
    d = merge(out, b, a); /* again */
    cr_assert_eq(number(d, "added"), 0);
    cr_assert_eq(number(d, "known"), 4);
    json_decref(d);
    json_decref(merge(other, b, a)); /* the other way round */
    char *again = contents(out), *reversed = contents(other);
    cr_assert_str_eq(once, again);
    cr_assert_str_eq(once, reversed);
    cr_assert(strstr(once, "heft latency_mean_ms"));
    free(once);
    free(again);
    free(reversed);
}

Test(merge, values_of_host_clocks_are_kept_side_by_side)
{
    make();
    change(a, "UPDATE metric SET value = 3 WHERE name = 'plan_host_ms'");
    change(b, "UPDATE metric SET value = 2 WHERE name = 'plan_host_ms'");
    json_decref(merge(out, a, b));
    char *values = ask(out, "SELECT policy || ' ' || value FROM host_value JOIN run ON id = run_id "
                            "WHERE policy = 'gpu-only' ORDER BY value"),
         *one = ask(out, "SELECT value FROM metric JOIN run ON id = run_id "
                         "WHERE policy = 'gpu-only' AND name = 'plan_host_ms'");
    cr_assert_str_eq(values, "gpu-only 2.0\ngpu-only 3.0\n");
    cr_assert_str_eq(one, "2.0\n");
    free(values);
    free(one);
}

Test(merge, repeatable_values_that_differ_are_refused_and_nothing_is_merged)
{
    make();
    json_decref(merge(out, a, a));
    char *before = contents(out);
    change(b, "UPDATE metric SET value = value * 1.001 WHERE name = 'latency_p95_ms'");
    cli_expect_failure(1, "gpu-only) has another latency_p95_ms", "merge %s %s", out, b);
    change(b, "UPDATE run SET digest = '0123'");
    cli_expect_failure(1, "has another digest", "merge %s %s", out, b);
    char *after = contents(out);
    cr_assert_str_eq(before, after);
    free(before);
    free(after);
}

Test(merge, what_is_no_results_database_is_refused)
{
    make();
    cli_write(other, "hello", 5);
    cli_expect_failure(1, "other.db", "merge %s %s", out, other);
    cli_expect_failure(1, "cannot be read", "merge %s %s/nowhere.db", out, cli_folder());
    char link[512];
    snprintf(link, sizeof link, "%s/link.db", cli_folder());
    cr_assert_eq(symlink(out, link), 0);
    cli_expect_failure(2, "merged into itself", "merge %s %s", out, link);
    snprintf(other, sizeof other, "%s/nowhere.db", cli_folder());
    cr_assert_not(cli_exists(other)); /* attaching would have made it */
    cli_expect_failure(2, "into itself", "merge %s %s", a, a);
    cli_expect_failure(2, "OUT.db A.db", "merge %s", a);
    change(b, "PRAGMA user_version = 2");
    cli_expect_failure(1, "schema version 2", "merge %s %s", out, b);
    change(b, "PRAGMA application_id = 7");
    cli_expect_failure(1, "no results database", "merge %s %s", out, b);
}
