/* sparoa validate and replay: that they run and say what they must, not how fast the machine is. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "kernels/worker.h"
#include "tests/base/check.h"
#include "tests/experiments/cli.h"
#include "tests/random_graph.h"

#define LANES "--lanes cpu:0=sparse,cpu:1=blas "

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

static void write_schedule(const char *path, uint64_t hash)
{
    char text[400];
    int n = snprintf(text, sizeof text,
                     "# schedule for branch batch 1 dtype fp32 hash %016llx\nop,processor,lane\n"
                     "stem,cpu0,\nleft,cpu1,\nright,cpu0,\njoin,cpu1,\n",
                     (unsigned long long)hash);
    cli_write(path, text, (size_t)n);
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

Test(cli_hardware, what_is_missing_is_named)
{
    cli_expect_failure(2, "needs --lanes", "validate resnet18");
    cli_expect_failure(2, "one SCHEDULE.csv", "replay " LANES);
    cli_expect_failure(2, "a model", "validate " LANES);
    cli_expect_failure(2, "did you mean 'sparse'", "validate resnet18 --lanes cpu:0=sparce");
    cli_expect_failure(2, "did you mean 'heft'", "validate resnet18 " LANES "--policy hefd");
    cli_expect_failure(1, "meta.ini", "validate resnet18 " LANES "--trace /nowhere");
}
