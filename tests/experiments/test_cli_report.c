/* sparoa report: the page, the document, and what is refused. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/experiments/cli.h"

static const char *path_in(const char *name)
{
    static char path[8][256];
    static int at;
    at = (at + 1) % 8;
    snprintf(path[at], sizeof path[at], "%s/%s", cli_folder(), name);
    return path[at];
}

static void execute(const char *sql)
{
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path_in("r.db"), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* An experiment 'latency' on the small graph, which then passes for MobileNetV2 on the AGX Orin. */
static void store(void)
{
    static const char text[] =
        "[experiment]\nname = latency\ntitle = Latency <of> all\n[factors]\nmodels = " TINY
        "\ndevices = tests/data/tiny.device\npolicies = gpu-only, dp, exhaustive:limit=2\n"
        "[precision]\nmin = 3\nmax = 3\nhalf_width = 0\nreference = gpu-only\n";
    cli_write(path_in("latency.exp"), text, sizeof text - 1);
    cli_result r = cli("run %s --db %s --quiet", path_in("latency.exp"), path_in("r.db"));
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    execute("UPDATE run SET model = 'mobilenet_v2', device = 'agx-orin'");
}

/* The finding of a claim; *d owns it. */
static json_t *finding(json_t **d, const char *id)
{
    size_t i;
    json_t *row;
    *d = cli_json("report --db %s --json", path_in("r.db"));
    json_array_foreach(json_object_get(*d, "claims"), i, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "id")), id) == 0) return row;
    }
    cr_assert_fail("no claim %s", id);
    return NULL;
}

static void expect_verdict(const char *id, const char *verdict)
{
    json_t *d, *row = finding(&d, id);
    cr_assert_str_eq(json_string_value(json_object_get(row, "verdict")), verdict);
    json_decref(d);
}

/* The paper: 63 ms, met within 10 %: 56.7 to 69.3. */
Test(cli_report, a_verdict_follows_the_rows)
{
    store();
    expect_verdict("latency-mobilenet-dp", "does not hold");
    execute("UPDATE metric SET value = 60 WHERE name = 'latency_mean_ms'");
    expect_verdict("latency-mobilenet-dp", "holds");
    execute("UPDATE metric SET value = 4 WHERE name = 'latency_ci95_ms'"); /* 56 to 64 */
    expect_verdict("latency-mobilenet-dp", "cannot be told");
    execute("UPDATE run SET skipped = 'no <reason>', digest = NULL WHERE policy = 'dp'");
    json_t *d, *row = finding(&d, "latency-mobilenet-dp");
    cr_assert_str_eq(json_string_value(json_object_get(row, "condition")),
                     "dp could not be run: no <reason>");
    json_decref(d);
}

Test(cli_report, the_page_stands_alone_and_escapes_what_it_shows)
{
    store();
    execute("UPDATE run SET stack = '<script>alert(1)</script>'");
    cli_result r = cli("report --db %s -o %s --quiet", path_in("r.db"), path_in("r.html"));
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert(strstr(r.out, "latency-mobilenet-dp"));
    cli_free(&r);
    size_t size;
    char *page = cli_read(path_in("r.html"), &size);
    cr_assert(strstr(page, "<svg"));
    cr_assert(strstr(page, "Latency &lt;of&gt; all"));
    cr_assert(strstr(page, "sparoa figures latency --db"));
    cr_assert(strstr(page, "exhaustive:limit=2"));
    cr_assert(strstr(page, "1 of 3 rows could not be run"));
    cr_assert(strstr(page, "&lt;script&gt;alert(1)"));
    cr_assert(!strstr(page, "<script"));
    cr_assert(!strstr(page, "src=") && !strstr(page, "<link") && !strstr(page, "@import"));
    cr_assert(!strstr(page, "UNFINISHED"));
    free(page);
}

Test(cli_report, an_unfinished_experiment_is_told_everywhere)
{
    store();
    execute("UPDATE experiment_status SET expected = 9, finished = 0");
    cli_result r = cli("report --db %s -o %s --quiet", path_in("r.db"), path_in("r.html"));
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    size_t size;
    char *page = cli_read(path_in("r.html"), &size);
    cr_assert(strstr(page, "is unfinished: 3 of 9 rows"));
    cr_assert(strstr(page, "UNFINISHED: 3 of 9 rows"));
    cr_assert(strstr(page, "experiment latency is unfinished (3 of 9 rows)"));
    free(page);
}

Test(cli_report, equal_databases_give_equal_documents)
{
    store();
    cli_result a = cli("report --db %s --json", path_in("r.db"));
    cli_result b = cli("report --db %s --json", path_in("r.db"));
    cr_assert_str_eq(a.out, b.out);
    cr_assert(strstr(a.out, "\"schema\": \"sparoa.report/1\"") ||
              strstr(a.out, "\"schema\":\"sparoa.report/1\""));
    cli_free(&a);
    cli_free(&b);
}

Test(cli_report, without_gnuplot_the_page_says_what_to_install)
{
    char old[4096];
    store();
    snprintf(old, sizeof old, "%s", getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    cli_result r = cli("report --db %s -o %s --quiet", path_in("r.db"), path_in("r.html"));
    setenv("PATH", old, 1);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    size_t size;
    char *page = cli_read(path_in("r.html"), &size);
    cr_assert(strstr(page, "gnuplot-nox"));
    free(page);
}

Test(cli_report, wrong_use_and_wrong_files_are_told)
{
    store();
    const char *db = path_in("r.db");
    cli_expect_failure(2, "needs --db F", "report -o x.html");
    cli_expect_failure(2, "needs -o FILE.html", "report --db %s", db);
    cli_expect_failure(2, "takes no 'x'", "report x --db %s", db);
    cli_expect_failure(1, "cannot be read", "report --db /nonexistent/r.db -o %s",
                       path_in("r.html"));
    cli_expect_failure(1, "/nonexistent/r.html", "report --quiet --db %s -o /nonexistent/r.html",
                       db);
    execute("PRAGMA user_version = 2");
    cli_expect_failure(1, "has schema version 2", "report --db %s -o %s", db, path_in("r.html"));
    cr_assert(!cli_exists(path_in("r.html")));
}
