/* sparoa validate and replay: that they run and say what they must, not how fast the machine is. */
#include <criterion/criterion.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kernels/stream.h"
#include "kernels/worker.h"
#include "tests/base/check.h"
#include "tests/experiments/cli.h"
#include "tests/random_graph.h"

#define LANES    "--lanes cpu:0=sparse,cpu:1=blas "
#define ASYNC    "--lanes cpu:0=blas,emulated:1 "
#define ON_ASYNC "stem,cpu0,\nleft,emulated1,\nright,emulated1,\njoin,cpu0,\n"

static void needs_two_cores(void)
{
    if (!spa_core_allowed(0) || !spa_core_allowed(1)) cr_skip_test("needs cores 0 and 1");
}

static const char *path_of(const char *name)
{
    static char paths[4][200];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", cli_folder(), name);
    return path;
}

/* A branch and a join, so that lanes can overlap, as a file in the test's folder. */
static const char *write_graph(uint64_t *hash)
{
    const char *path = path_of("branch.graph.csv");
    spa_graph graph;
    expect_ok(tiny_branch(&graph, err));
    expect_ok(spa_graph_write_csv(&graph, path, err));
    *hash = graph.hash;
    spa_graph_fini(&graph);
    return path;
}

static void write_rows(const char *path, uint64_t hash, const char *rows)
{
    char text[400];
    int n = snprintf(text, sizeof text,
                     "# schedule for branch batch 1 dtype fp32 hash %016llx\nop,processor,lane\n%s",
                     (unsigned long long)hash, rows);
    cli_write(path, text, (size_t)n);
}

static void write_schedule(const char *path, uint64_t hash)
{
    write_rows(path, hash, "stem,cpu0,\nleft,cpu1,\nright,cpu0,\njoin,cpu1,\n");
}

static double number(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);
    cr_assert(json_is_number(value), "no number '%s'", key);
    return json_number_value(value);
}

Test(cli_hardware, validate_measures_and_simulates_every_schedule)
{
    uint64_t hash;
    needs_two_cores();
    json_t *d = cli_json("validate %s " LANES
                         "--policy heft,greedy --schedules 3 --rounds 2 --runs 2 --json",
                         write_graph(&hash));
    json_t *runs = json_object_get(d, "runs");
    cr_assert_str_eq(json_string_value(json_object_get(d, "schema")), "sparoa.validate/1");
    cr_assert_eq(json_array_size(runs), 2); /* one in flight, and two */
    for (size_t i = 0; i < 2; i++) {
        const json_t *run = json_array_get(runs, i);
        const json_t *rows = json_object_get(run, "schedules");
        cr_assert_eq(number(run, "concurrency"), (double)i + 1);
        cr_assert_eq(json_array_size(rows), 3 + 2 + 3); /* anchors, policies, random ones */
        for (size_t k = 0; k < json_array_size(rows); k++) {
            const json_t *row = json_array_get(rows, k);
            cr_assert(number(row, "measured_ms") > 0 && number(row, "simulated_ms") > 0);
            cr_assert(isfinite(number(row, "error")) && number(row, "samples") > 0);
        }
        cr_assert(number(json_object_get(run, "latency"), "median_error") >= 0);
        cr_assert_eq(json_array_size(json_object_get(run, "components")), i == 0 ? 6 : 0);
        cr_assert(json_is_null(json_object_get(run, "energy")));
    }
    json_decref(d);
}

Test(cli_hardware, replay_runs_a_schedule_beside_its_simulation)
{
    uint64_t hash;
    needs_two_cores();
    const char *graph = write_graph(&hash);
    const char *schedule = path_of("s.csv");
    write_schedule(schedule, hash);
    json_t *d = cli_json("replay %s %s " LANES "--runs 2 --rounds 2 --json --db %s", schedule,
                         graph, path_of("r.db"));
    const json_t *run = json_array_get(json_object_get(d, "runs"), 0);
    const json_t *rows = json_object_get(run, "schedules");
    cr_assert_eq(json_array_size(rows), 4); /* three anchors and the file's */
    const json_t *row = json_array_get(rows, 3);
    cr_assert_str_eq(json_string_value(json_object_get(row, "kind")), "file");
    /* The image goes to cpu0 for nothing; stem to cpu1; stem's side and right's to join's. */
    cr_assert_eq(number(row, "switches"), 2);
    json_decref(d);
    cr_assert(cli_exists(path_of("r.db")));
}

static int64_t count(const char *db, const char *sql)
{
    sqlite3 *handle;
    sqlite3_stmt *s;
    cr_assert_eq(sqlite3_open(db, &handle), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(handle, sql, -1, &s, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(s), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(handle);
    return n;
}

/* Under the same name, with the same profile: the second does not take the first one's place. */
Test(cli_hardware, another_schedule_is_another_run_in_the_database)
{
    uint64_t hash;
    needs_two_cores();
    const char *graph = write_graph(&hash);
    const char *schedule = path_of("s.csv"), *trace = path_of("trace"), *db = path_of("r.db");
    cli_result r = cli("profile %s " LANES "--rounds 1 --runs 1 --quiet -o %s", graph, trace);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    for (int i = 0; i < 3; i++) { /* the last one again */
        if (i == 0)
            write_schedule(schedule, hash);
        else
            write_rows(schedule, hash, "stem,cpu0,\nleft,cpu1,\nright,cpu1,\njoin,cpu1,\n");
        r = cli("replay %s %s " LANES "--trace %s --rounds 1 --runs 1 --quiet --db %s", schedule,
                graph, trace, db);
        cr_assert_eq(r.code, 0, "%s", r.err);
        cli_free(&r);
    }
    cr_assert_eq(count(db, "SELECT count(*) FROM run"), 2);
}

static void expect_calibrated(const char *graph, const char *trace, bool expected)
{
    json_t *d = cli_json("validate %s " LANES "--policy heft --schedules 0 --rounds 1 --runs 1 "
                         "--concurrency 1 --trace %s --json",
                         graph, trace);
    const json_t *profile =
        json_object_get(json_array_get(json_object_get(d, "runs"), 0), "profile");
    cr_assert(json_is_false(json_object_get(profile, "fresh")));
    cr_assert_eq(json_is_false(json_object_get(profile, "uncalibrated")), expected);
    json_decref(d);
}

Test(cli_hardware, a_profile_from_elsewhere_is_marked)
{
    uint64_t hash;
    size_t size;
    needs_two_cores();
    const char *graph = write_graph(&hash), *trace = path_of("trace");
    cli_result r = cli("profile %s " LANES "--rounds 1 --runs 1 --quiet -o %s", graph, trace);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    expect_calibrated(graph, trace, true);
    const char *meta = path_of("trace/meta.ini");
    char *text = cli_read(meta, &size), *machine = strstr(text, "machine = ");
    machine[10] = machine[10] == 'X' ? 'Y' : 'X';
    cli_write(meta, text, size);
    free(text);
    expect_calibrated(graph, trace, false);
    r = cli("validate %s " LANES "--policy heft --schedules 0 --rounds 1 --runs 1 --concurrency 1 "
            "--trace %s --quiet",
            graph, trace);
    cr_assert_not_null(strstr(r.out, "another machine or other libraries (uncalibrated)"));
    cli_free(&r);
}

Test(cli_hardware, policies_of_one_name_are_told_apart)
{
    uint64_t hash;
    needs_two_cores();
    const char *graph = write_graph(&hash), *db = path_of("r.db");
    cli_result r = cli("validate %s " LANES "--policy heft,heft,heft --schedules 0 --rounds 1 "
                       "--runs 1 --concurrency 1 --quiet --db %s",
                       graph, db);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert_not_null(strstr(r.out, "heft (2)"), "%s", r.out);
    cr_assert_not_null(strstr(r.out, "heft (3)"), "%s", r.out);
    cli_free(&r);
}

Test(cli_hardware, a_database_that_cannot_be_written_is_named_before_anything_runs)
{
    uint64_t hash;
    const char *graph = write_graph(&hash);
    cli_expect_failure(1, "/nonexistent/x.db",
                       "validate %s --lanes cpu:0=blas --db /nonexistent/x.db --trace /none",
                       graph);
    cli_expect_failure(1, "/none", "validate %s --lanes cpu:0=blas --db %s --trace /none", graph,
                       path_of("new.db"));
    cr_assert(!cli_exists(path_of("new.db")));
}

static void press_control_c(int number)
{
    (void)number;
    raise(SIGINT);
}

/* The second request comes after a quarter of an hour. */
Test(cli_hardware, an_interrupt_ends_a_stream_with_a_message)
{
    uint64_t hash;
    needs_two_cores();
    const char *graph = write_graph(&hash), *schedule = path_of("s.csv"), *db = path_of("r.db");
    write_schedule(schedule, hash);
    signal(SIGALRM, press_control_c);
    alarm(3);
    cli_expect_failure(1, "interrupted",
                       "replay %s %s " LANES "--rounds 1 --runs 1 --quiet --scenario periodic "
                       "--rate 0.001 --requests 2 --db %s",
                       schedule, graph, db);
    cr_assert(!cli_exists(db));
}

Test(cli_hardware, an_interrupt_ends_a_profile_with_a_message_and_without_a_trace)
{
    uint64_t hash;
    needs_two_cores();
    const char *graph = write_graph(&hash), *trace = path_of("trace");
    signal(SIGALRM, press_control_c);
    alarm(1);
    cli_expect_failure(1, "interrupted",
                       "profile %s " LANES "--runs 10000 --rounds 1000 --quiet -o %s", graph,
                       trace);
    cr_assert(!cli_exists(trace));
}

Test(cli_hardware, a_schedule_for_another_graph_is_refused_before_anything_runs)
{
    uint64_t hash;
    needs_two_cores();
    const char *graph = write_graph(&hash);
    const char *schedule = path_of("s.csv");
    write_schedule(schedule, hash + 1);
    cli_expect_failure(1, "the schedule is for another graph", "replay %s %s " LANES, schedule,
                       graph);
    cli_write(schedule, "op,processor,lane\n", 18);
    cli_expect_failure(1, "the first line must be", "replay %s %s " LANES, schedule, graph);
}

Test(cli_hardware, a_schedule_that_these_lanes_cannot_run_is_refused_before_anything_runs)
{
    uint64_t hash;
    needs_two_cores();
    const char *graph = write_graph(&hash);
    const char *schedule = path_of("s.csv");
    write_rows(schedule, hash, "stem,cpu0,\nleft,cpu7,\nright,cpu0,\njoin,cpu1,\n");
    /* Profiling would take hours: a wrong order of things shows as a hanging test. */
    alarm(120);
    cli_expect_failure(1, "s.csv:4", "replay %s %s " LANES "--rounds 1000 --runs 10000", schedule,
                       graph);
    write_rows(schedule, hash, "stem,cpu0,\nleft,cpu1,\n");
    cli_expect_failure(1, "s.csv", "replay %s %s " LANES "--rounds 1000 --runs 10000", schedule,
                       graph);
}

/* ---- asynchronous lanes ---------------------------------------------------------------------- */

Test(cli_async, profile_measures_the_device_its_links_and_what_enqueueing_costs)
{
    uint64_t hash;
    size_t size;
    needs_two_cores();
    const char *graph = write_graph(&hash), *trace = path_of("trace");
    json_t *d = cli_json("profile %s " ASYNC "--rounds 2 --runs 3 -o %s --json", graph, trace);
    const json_t *model = json_array_get(json_object_get(d, "models"), 0);
    cr_assert(number(json_object_get(model, "operators_host_ms"), "emulated1") > 0);
    json_decref(d);
    char file[300];
    snprintf(file, sizeof file, "%s/links.csv", trace);
    char *links = cli_read(file, &size);
    cr_assert_not_null(strstr(links, "\ncpu0,cpu0,0,"), "%s", links);
    cr_assert_not_null(strstr(links, "\nemulated1,emulated1,0,"), "%s", links);
    /* Every tensor is 1x8x6x6. */
    cr_assert_not_null(strstr(links, "\ncpu0,emulated1,1152,"), "%s", links);
    cr_assert_not_null(strstr(links, "\nemulated1,cpu0,1152,"), "%s", links);
    free(links);
    snprintf(file, sizeof file, "%s/meta.ini", trace);
    char *meta = cli_read(file, &size);
    cr_assert_not_null(strstr(meta, "emulated device on core 1"), "%s", meta);
    free(meta);
    /* The trace serves a replay, and a stream of requests on it. */
    const char *schedule = path_of("async.csv");
    write_rows(schedule, hash, ON_ASYNC);
    for (int k = 1; k <= 8; k *= 8) {
        d = cli_json("replay %s %s " ASYNC "--trace %s --runs 2 --rounds 2 --requests 20 "
                     "--concurrency %d --json",
                     schedule, graph, trace, k);
        const json_t *run = json_array_get(json_object_get(d, "runs"), 0);
        const json_t *row = json_array_get(json_object_get(run, "schedules"), 3);
        cr_assert_eq(number(row, "switches"), 3); /* stem there, left and right back */
        cr_assert(number(row, "measured_ms") > 0 && number(row, "simulated_ms") > 0);
        cr_assert_str_eq(json_string_value(json_object_get(run, "lanes")),
                         "cpu:0=blas,emulated:1=blas");
        json_decref(d);
    }
}

Test(cli_async, validate_runs_policies_and_random_schedules)
{
    uint64_t hash;
    needs_two_cores();
    json_t *d = cli_json("validate %s " ASYNC
                         "--policy heft,greedy,dp --schedules 3 --rounds 2 --runs 2 --json",
                         write_graph(&hash));
    for (size_t i = 0; i < 2; i++) {
        const json_t *run = json_array_get(json_object_get(d, "runs"), i);
        const json_t *rows = json_object_get(run, "schedules");
        cr_assert_eq(json_array_size(rows), 3 + 3 + 3); /* anchors, policies, random ones */
        for (size_t k = 0; k < json_array_size(rows); k++) {
            const json_t *row = json_array_get(rows, k);
            cr_assert(number(row, "measured_ms") > 0 && number(row, "simulated_ms") > 0);
            cr_assert(number(row, "samples") > 0);
        }
    }
    json_decref(d);
}

Test(cli_async, replay_says_which_operators_ran_as_one_graph)
{
    uint64_t hash;
    needs_two_cores();
    const char *graph = write_graph(&hash), *schedule = path_of("chain.csv");
    write_rows(schedule, hash, "stem,emulated1,\nleft,emulated1,\nright,emulated1,\njoin,cpu0,\n");
    cli_result r = cli("replay %s %s " ASYNC "--runs 2 --rounds 2 --graphs", schedule, graph);
    cr_assert_eq(r.code, 0, "%s", r.err);
    /* Left is read on the host: the graph ends there. */
    cr_assert_not_null(strstr(r.out, "stem and 1 more, one graph"), "%s", r.out);
    cr_assert_not_null(strstr(r.out, "  right "), "%s", r.out);
    cli_free(&r);
}

Test(cli_async, lanes_that_cannot_be_are_refused_with_a_cure)
{
    spa_error why = {0};
    cli_expect_failure(1, "a lane of cores has to drive; add one (cpu:N)",
                       "validate resnet18 --lanes emulated:1");
    if (spa_stream_device_cuda.probe(0, &why) == SPA_OK) cr_skip_test("there is a CUDA device");
    cli_expect_failure(1, "no CUDA device (", "validate resnet18 --lanes cpu:0=sparse,cuda:0");
    cli_expect_failure(1, "emulated:N is a core", "profile resnet18 --lanes cpu:0,cuda:0 -o %s",
                       path_of("none"));
    cr_assert_not(cli_exists(path_of("none")));
}

Test(cli_hardware, what_is_missing_is_named)
{
    cli_expect_failure(2, "needs --lanes", "validate resnet18");
    cli_expect_failure(2, "one SCHEDULE.csv", "replay " LANES);
    cli_expect_failure(2, "a model", "validate " LANES);
    cli_expect_failure(2, "did you mean 'sparse'", "validate resnet18 --lanes cpu:0=sparce");
    cli_expect_failure(2, "did you mean 'heft'", "validate resnet18 " LANES "--policy hefd");
    cli_expect_failure(1, "meta.ini", "validate resnet18 " LANES "--trace /nowhere");
}
