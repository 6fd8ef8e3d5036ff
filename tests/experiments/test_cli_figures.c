/* sparoa figures: what is drawn, what is kept, what is refused. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
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

/* Rows of an experiment of this name. */
static void store(const char *experiment, const char *options)
{
    char sql[200];
    cli_result r = cli("compare " TINY " " TINY_DEVICE " --quiet --reps 3 %s --db %s", options,
                       path_in("r.db"));
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    snprintf(sql, sizeof sql, "UPDATE experiment SET name = '%s' WHERE name = 'compare'",
             experiment);
    execute(sql);
}

static char *figures(const char *names)
{
    cli_result r = cli("figures %s --quiet --db %s -o %s", names, path_in("r.db"), path_in("out"));
    cr_assert_eq(r.code, 0, "%s", r.err);
    free(r.err);
    return r.out;
}

static time_t age(const char *name)
{
    struct stat st;
    cr_assert_eq(stat(path_in(name), &st), 0, "%s", name);
    return st.st_mtim.tv_nsec + st.st_mtim.tv_sec * 1000000000;
}

Test(cli_figures, a_figure_is_three_pictures_and_its_data)
{
    store("latency", "--policy cpu-only,gpu-only,heft");
    free(figures("latency"));
    size_t size;
    char *svg = cli_read(path_in("out/latency.svg"), &size);
    cr_assert(strstr(svg, "tiny"));
    cr_assert(strstr(svg, "heft"));
    cr_assert(strstr(svg, "times assumed"));
    free(svg);
    char *png = cli_read(path_in("out/latency.png"), &size);
    cr_assert_eq(memcmp(png, "\x89PNG", 4), 0);
    free(png);
    char *pdf = cli_read(path_in("out/latency.pdf"), &size);
    cr_assert_eq(memcmp(pdf, "%PDF", 4), 0);
    free(pdf);
    char *csv = cli_read(path_in("out/latency.csv"), &size);
    cr_assert(strstr(csv, "panel,series,row,x,value,low,high\n"));
    cr_assert(strstr(csv, "\"tiny, tiny@nominal\",latency,heft,,"), "%s", csv);
    free(csv);
}

Test(cli_figures, what_has_no_rows_is_said_and_not_drawn)
{
    store("latency", "--policy heft");
    char *out = figures("");
    cr_assert(strstr(out, "latency        made"), "%s", out);
    cr_assert(strstr(out, "gap            no data    experiment gap has no rows"), "%s", out);
    free(out);
    cr_assert(!cli_exists(path_in("out/gap.csv")));
    cli_expect_failure(1, "'sparoa run gap", "figures gap --db %s -o %s", path_in("r.db"),
                       path_in("out"));
}

Test(cli_figures, only_what_is_stale_is_made_again)
{
    store("latency", "--policy cpu-only,heft");
    free(figures("latency"));
    time_t first = age("out/latency.svg");
    char *out = figures("latency");
    cr_assert(strstr(out, "kept"), "%s", out);
    free(out);
    cr_assert_eq(age("out/latency.svg"), first);
    out = figures("latency --force");
    cr_assert(strstr(out, "made"), "%s", out);
    free(out);
    time_t second = age("out/latency.svg");
    cr_assert_neq(second, first);
    execute("UPDATE metric SET value = value * 2 WHERE name = 'latency_mean_ms'");
    out = figures("latency");
    cr_assert(strstr(out, "made"), "%s", out);
    free(out);
    cr_assert_eq(unlink(path_in("out/latency.pdf")), 0);
    out = figures("latency");
    cr_assert(strstr(out, "made"), "%s", out);
    free(out);
    cr_assert(cli_exists(path_in("out/latency.pdf")));
}

Test(cli_figures, without_gnuplot_the_data_is_written_and_the_package_named)
{
    char old[4096];
    store("gap", "--policy cpu-only,heft");
    snprintf(old, sizeof old, "%s", getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    cli_expect_failure(1, "install gnuplot-nox", "figures --quiet --db %s -o %s", path_in("r.db"),
                       path_in("out"));
    setenv("PATH", old, 1);
    cr_assert(cli_exists(path_in("out/gap.csv")));
    cr_assert(!cli_exists(path_in("out/gap.svg")));
    cr_assert(!cli_exists(path_in("out/gap.stamp")));
    char *out = figures("gap");
    cr_assert(strstr(out, "made"), "%s", out);
    free(out);
}

Test(cli_figures, a_skipped_row_is_shown_as_not_run)
{
    store("latency", "--policy heft,exhaustive:limit=2");
    free(figures("latency"));
    size_t size;
    char *svg = cli_read(path_in("out/latency.svg"), &size);
    cr_assert(strstr(svg, "not run"));
    cr_assert(strstr(svg, "1 of 2 rows could not be run"));
    free(svg);
}

static void expect_in(const char *file, const char *text)
{
    size_t size;
    char *csv = cli_read(path_in(file), &size);
    cr_assert(strstr(csv, text), "%s lacks %s:\n%s", file, text, csv);
    free(csv);
}

Test(cli_figures, power_and_energy_span_the_range_of_what_is_not_measured)
{
    store("power", "--policy cpu-only,gpu-only");
    execute("UPDATE run SET baseline = 'b', baseline_range = CASE policy WHEN 'cpu-only' THEN "
            "'mid' ELSE 'high' END");
    execute("DELETE FROM metric WHERE name IN ('power_w', 'energy_mj')");
    execute("INSERT INTO metric SELECT id, 'power_w', CASE policy WHEN 'cpu-only' THEN 10 ELSE 14 "
            "END, 1 FROM run");
    execute("INSERT INTO metric SELECT id, 'energy_mj', CASE policy WHEN 'cpu-only' THEN 5 ELSE 3 "
            "END, 1 FROM run");
    free(figures("power energy"));
    expect_in("out/power.csv", "power,b,,10,10,14\n");
    expect_in("out/power.csv", "Bars: the range of speeds that a baseline may have.");
    expect_in("out/energy.csv", "energy,b,,5,3,5\n");
    expect_in("out/energy.csv", "with the range of speeds that a baseline may have.");
}

Test(cli_figures, captions_say_what_is_computed_in_and_what_is_less_precise)
{
    store("latency", "--policy cpu-only,gpu-only");
    execute("INSERT INTO metric SELECT id, 'computes_fp16', policy = 'cpu-only', 1 FROM run");
    execute("INSERT INTO metric SELECT id, 'precise', policy = 'cpu-only', 1 FROM run");
    free(figures("latency"));
    expect_in("out/latency.csv", "; fp32 (computed in fp16) / fp32;");
    expect_in("out/latency.csv", " 1 row less precise than asked for.");
}

Test(cli_figures, wrong_use_is_told)
{
    store("latency", "--policy heft");
    const char *db = path_in("r.db"), *out = path_in("out");
    cli_expect_failure(2, "did you mean 'latency'", "figures latancy --db %s -o %s", db, out);
    cli_expect_failure(2, "needs --db F", "figures -o %s", out);
    cli_expect_failure(2, "needs -o DIR", "figures --db %s", db);
    cli_expect_failure(1, "/nonexistent/r.db: cannot be read",
                       "figures --db /nonexistent/r.db -o %s", out);
    cli_expect_failure(1, "/proc/x", "figures --db %s -o /proc/x", db);
    cr_assert(!cli_exists(out));
}

Test(cli_figures, other_databases_are_refused)
{
    cli_write(path_in("r.db"), "this is no database, but a text that is long enough to be one", 61);
    cli_expect_failure(1, "not a database", "figures --db %s -o %s", path_in("r.db"),
                       path_in("out"));
    unlink(path_in("r.db"));
    execute("CREATE TABLE mine(x)");
    cli_expect_failure(1, "not one of sparoa's", "figures --db %s -o %s", path_in("r.db"),
                       path_in("out"));
    unlink(path_in("r.db"));
    store("latency", "--policy heft");
    execute("PRAGMA user_version = 1");
    cli_expect_failure(1, "has schema version 1", "figures --db %s -o %s", path_in("r.db"),
                       path_in("out"));
    execute("PRAGMA user_version = 99");
    cli_expect_failure(1, "use the program that wrote it", "figures --db %s -o %s", path_in("r.db"),
                       path_in("out"));
}

/* In a process of its own: one that has become another user stays it. */
Test(cli_figures, a_database_of_another_user_can_be_read)
{
    char odd[300], command[700];
    store("latency", "--policy cpu-only,heft");
    snprintf(odd, sizeof odd, "%s/another?5%%", cli_folder());
    cr_assert_eq(mkdir(odd, 0755), 0);
    snprintf(command, sizeof command, "%s/r.db", odd);
    cr_assert_eq(rename(path_in("r.db"), command), 0);
    cr_assert(chmod(command, 0444) == 0 && chmod(odd, 0555) == 0);
    cr_assert(chmod(cli_folder(), 0777) == 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) != 0) _exit(9);
        cli_result r = cli("figures latency --json --db %s/r.db -o %s", odd, path_in("theirs"));
        if (r.code) fprintf(stderr, "%s\n", r.err);
        _exit(r.code);
    }
    int state;
    cr_assert_eq(waitpid(child, &state, 0), child);
    cr_assert(WIFEXITED(state) && WEXITSTATUS(state) == 0, "%d", state);
    chmod(odd, 0755);
}

Test(cli_figures, an_empty_database_says_what_fills_it)
{
    store("latency", "--policy heft");
    execute("DELETE FROM metric; DELETE FROM schedule; DELETE FROM run");
    cli_expect_failure(1, "holds no run yet", "figures --db %s -o %s", path_in("r.db"),
                       path_in("out"));
}

Test(cli_figures, names_from_the_database_are_only_text)
{
    store("latency", "--policy heft");
    execute("UPDATE run SET model = 'a''b \"c\" `touch x` <&>', policy = '#{$(x)} \\n, ''' ");
    free(figures("latency"));
    size_t size;
    char *svg = cli_read(path_in("out/latency.svg"), &size);
    cr_assert(strstr(svg, "`touch x` &lt;&amp;>"), "%s", svg);
    free(svg);
}

Test(cli_figures, json_says_what_became_of_each)
{
    store("latency", "--policy heft");
    json_t *d =
        cli_json("figures latency --db %s -o %s --quiet --json", path_in("r.db"), path_in("out"));
    cr_assert_str_eq(json_string_value(json_object_get(d, "schema")), "sparoa.figures/1");
    json_t *row = json_array_get(json_object_get(d, "figures"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(row, "name")), "latency");
    cr_assert_str_eq(json_string_value(json_object_get(row, "state")), "made");
    json_decref(d);
}
