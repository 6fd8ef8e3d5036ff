/* compare and simulate: results, repeatability, files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/experiments/cli.h"

#define COMPARE  "compare " TINY " " TINY_DEVICE " "
#define SIMULATE "simulate " TINY " " TINY_DEVICE " --policy heft "

static json_t *results_of(json_t *document)
{
    json_t *run = json_array_get(json_object_get(document, "runs"), 0);
    return json_object_get(run, "results");
}

static json_t *result_named(json_t *document, const char *policy)
{
    size_t i;
    json_t *row;
    json_array_foreach(results_of(document), i, row)
    {
        if (strcmp(json_string_value(json_object_get(row, "policy")), policy) == 0) return row;
    }
    cr_assert_fail("no row for %s", policy);
    return NULL;
}

static double number(json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    cr_assert(json_is_number(value), "%s is no number", key);
    return json_number_value(value);
}

static double mean_ms(json_t *row)
{
    return number(json_object_get(row, "latency_ms"), "mean");
}

/* Takes out what may differ between equal runs. */
static void drop_host_keys(json_t *value)
{
    const char *key;
    json_t *member;
    void *next;
    size_t i;
    if (json_is_array(value)) {
        json_array_foreach(value, i, member) drop_host_keys(member);
    }
    json_object_foreach_safe(value, next, key, member)
    {
        size_t n = strlen(key);
        if ((n > 8 && strcmp(key + n - 8, "_host_ms") == 0) ||
            (n > 5 && strcmp(key + n - 5, "_host") == 0)) {
            json_object_del(value, key);
        } else {
            drop_host_keys(member);
        }
    }
}

static void expect_equal_documents(json_t *a, json_t *b)
{
    drop_host_keys(a);
    drop_host_keys(b);
    char *x = json_dumps(a, JSON_INDENT(1)), *y = json_dumps(b, JSON_INDENT(1));
    cr_assert_str_eq(x, y);
    free(x);
    free(y);
    json_decref(a);
    json_decref(b);
}

/* What is known of parts on a measured device is interpolated at best. */
Test(cli_compare, splits_on_a_measured_device_are_modelled)
{
    json_t *d = cli_json("compare mobilenet_v2 --device x86-2core --policy heft,codl --json");
    const char *heft = json_string_value(json_object_get(result_named(d, "heft"), "origin"));
    const char *codl = json_string_value(json_object_get(result_named(d, "codl"), "origin"));
    cr_assert_eq(strncmp(heft, "measured", 8), 0, "%s", heft);
    cr_assert_eq(strncmp(codl, "modelled", 8), 0, "%s", codl);
    json_decref(d);
}

Test(cli_compare, keys_are_the_contract)
{
    static const char *const run_keys[] = {"model", "device", "mode",     "stack",  "scenario",
                                           "batch", "dtype",  "computes", "origin", "results"};
    static const char *const row_keys[] = {"policy",       "latency_ms",     "lower_bound_ms",
                                           "gap",          "energy_mj",      "energy_dynamic_mj",
                                           "power_w",      "throughput_ips", "gpu_share",
                                           "transfers",    "transfer_ms",    "overlap",
                                           "plan_host_ms", "digest",         "origin"};
    static const char *const latency_keys[] = {"mean", "p50", "p95", "p99", "ci95"};
    json_t *d = cli_json(COMPARE "--policy heft --json");
    cr_assert_str_eq(json_string_value(json_object_get(d, "schema")), "sparoa.compare/1");
    json_t *run = json_array_get(json_object_get(d, "runs"), 0), *row = result_named(d, "heft");
    cr_assert_eq(json_object_size(d), 2);
    cr_assert_eq(json_object_size(run), 10);
    for (size_t i = 0; i < 10; i++) cr_assert(json_object_get(run, run_keys[i]), "%s", run_keys[i]);
    cr_assert_eq(json_object_size(row), 15);
    for (size_t i = 0; i < 15; i++) cr_assert(json_object_get(row, row_keys[i]), "%s", row_keys[i]);
    for (size_t i = 0; i < 5; i++) number(json_object_get(row, "latency_ms"), latency_keys[i]);
    number(json_object_get(row, "energy_mj"), "mean");
    cr_assert_str_eq(json_string_value(json_object_get(run, "device")), "tiny");
    cr_assert_str_eq(json_string_value(json_object_get(run, "origin")), "assumed");
    json_decref(d);
}

Test(cli_compare, without_noise_one_replication_has_no_interval)
{
    json_t *d = cli_json(COMPARE "--policy cpu-only --noise=off --json");
    json_t *row = result_named(d, "cpu-only"), *latency = json_object_get(row, "latency_ms");
    cr_assert_eq(number(latency, "ci95"), 0);
    cr_assert_eq(number(latency, "mean"), number(latency, "p50"));
    cr_assert_eq(number(latency, "mean"), number(latency, "p99"));
    cr_assert_eq(number(row, "gpu_share"), 0);
    cr_assert_eq(number(row, "transfers"), 0);
    cr_assert(json_is_null(json_object_get(row, "overlap")));
    /* one request: rate = 1000 / latency, power = energy / latency */
    cr_assert_float_eq(number(row, "throughput_ips"), 1000 / mean_ms(row), 1e-6);
    double energy = number(json_object_get(row, "energy_mj"), "mean");
    cr_assert_float_eq(number(row, "power_w"), energy / mean_ms(row), 1e-6);
    cr_assert_float_eq(number(row, "gap"), mean_ms(row) / number(row, "lower_bound_ms") - 1, 1e-9);
    json_decref(d);
}

Test(cli_compare, one_noisy_replication_has_an_unknown_interval)
{
    json_t *d = cli_json(COMPARE "--policy cpu-only --reps 1 --json");
    json_t *latency = json_object_get(result_named(d, "cpu-only"), "latency_ms");
    cr_assert(json_is_null(json_object_get(latency, "ci95")));
    json_decref(d);
}

/* The bound knows no noise. One noisy replication may well be faster than it, its gap may not. */
Test(cli_compare, the_gap_is_that_of_a_run_without_noise)
{
    json_t *quiet = cli_json(COMPARE "--policy cpu-only --noise=off --json");
    double gap = number(result_named(quiet, "cpu-only"), "gap");
    cr_assert_geq(gap, 0);
    for (int seed = 1; seed <= 5; seed++) {
        json_t *d = cli_json(COMPARE "--policy cpu-only --reps 1 --json --seed %d", seed);
        cr_assert_eq(number(result_named(d, "cpu-only"), "gap"), gap);
        json_decref(d);
    }
    json_decref(quiet);
}

/* The bound is one request's. */
Test(cli_compare, with_several_requests_in_flight_there_is_no_gap)
{
    json_t *d = cli_json(COMPARE "--policy cpu-only --concurrency 4 --json");
    cr_assert(json_is_null(json_object_get(result_named(d, "cpu-only"), "gap")));
    json_decref(d);
}

Test(cli_compare, energy_is_not_optimised_where_power_is_unknown)
{
    json_t *d = cli_json("compare resnet18 --device x86-2core --policy dp,local-search "
                         "--objective energy --json");
    json_t *row = result_named(d, "dp");
    cr_assert_str_eq(json_string_value(json_object_get(row, "skipped")),
                     "the power of 'x86-2core' is not known");
    json_decref(d);
}

/* The zoo assumes zeros; the trace's own graph has those with which its times were measured. */
Test(cli_compare, a_zoo_model_on_a_measured_device_has_the_times_that_were_measured)
{
    json_t *zoo = cli_json("compare resnet18 --device x86-2core --policy heft --noise=off --json");
    json_t *own = cli_json("compare traces/data/x86-2core/resnet18.graph.csv --device x86-2core "
                           "--policy heft --noise=off --json");
    json_t *run = json_array_get(json_object_get(zoo, "runs"), 0);
    cr_assert_eq(mean_ms(result_named(zoo, "heft")), mean_ms(result_named(own, "heft")));
    cr_assert_str_eq(json_string_value(json_object_get(run, "origin")), "measured");
    json_decref(zoo);
    json_decref(own);
}

Test(cli_compare, a_hybrid_beats_both_processors_on_the_crossover_machine)
{
    json_t *d = cli_json(COMPARE "--json");
    double heft = mean_ms(result_named(d, "heft"));
    cr_assert_lt(heft, mean_ms(result_named(d, "cpu-only")));
    cr_assert_lt(heft, mean_ms(result_named(d, "gpu-only")));
    cr_assert_eq(number(result_named(d, "gpu-only"), "gpu_share"), 1);
    json_decref(d);
    cli_result r = cli(COMPARE);
    cr_assert(strstr(r.out, "better than the best single processor (gpu-only"), "%s", r.out);
    cr_assert(strstr(r.out, "tiny on tiny@nominal"));
    cr_assert(strstr(r.out, "times: assumed"));
    cli_free(&r);
}

Test(cli_compare, equal_seeds_give_equal_documents_for_any_number_of_jobs)
{
    expect_equal_documents(cli_json(COMPARE "--json --reps 5"),
                           cli_json(COMPARE "--json --reps 5"));
    expect_equal_documents(cli_json(COMPARE "--json --reps 5 --jobs 1"),
                           cli_json(COMPARE "--json --reps 5 --jobs 4"));
    expect_equal_documents(cli_json("compare mobilenet_v3_small --device agx-orin --policy "
                                    "heft,greedy,random --device "
                                    "tests/data/tiny.device --reps 2 --json --jobs 4"),
                           cli_json("compare mobilenet_v3_small --device agx-orin --policy "
                                    "heft,greedy,random --device "
                                    "tests/data/tiny.device --reps 2 --json"));
}

Test(cli_compare, another_seed_gives_another_digest)
{
    json_t *a = cli_json(COMPARE "--policy heft --seed 1 --json");
    json_t *b = cli_json(COMPARE "--policy heft --seed 2 --json");
    cr_assert_str_neq(json_string_value(json_object_get(result_named(a, "heft"), "digest")),
                      json_string_value(json_object_get(result_named(b, "heft"), "digest")));
    json_decref(a);
    json_decref(b);
}

Test(cli_compare, policies_see_the_same_random_numbers)
{
    /* Alone or beside others, a policy's row is the same. */
    json_t *a = cli_json(COMPARE "--policy dp --json");
    json_t *b = cli_json(COMPARE "--policy random,dp,heft --json");
    cr_assert_eq(mean_ms(result_named(a, "dp")), mean_ms(result_named(b, "dp")));
    json_decref(a);
    json_decref(b);
}

Test(cli_compare, a_policy_that_cannot_is_skipped_with_its_reason)
{
    json_t *d = cli_json(COMPARE "--policy exhaustive:limit=2,heft --json");
    json_t *row = json_array_get(results_of(d), 0);
    cr_assert_eq(json_object_size(row), 2);
    cr_assert(strstr(json_string_value(json_object_get(row, "skipped")), "limit"));
    json_decref(d);
    d = cli_json(COMPARE "--policy heft --objective energy --json");
    row = json_array_get(results_of(d), 0);
    cr_assert(strstr(json_string_value(json_object_get(row, "skipped")), "energy"));
    json_decref(d);
    cli_result r = cli(COMPARE "--policy exhaustive:limit=2,heft");
    cr_assert(strstr(r.out, "skipped: "), "%s", r.out);
    cli_free(&r);
}

Test(cli_compare, models_and_devices_make_a_run_each)
{
    json_t *d = cli_json("compare " TINY " mobilenet_v3_small --device tests/data/tiny.device@half "
                         "--device tests/data/tiny.device --policy heft --json --reps 2");
    json_t *runs = json_object_get(d, "runs"), *run = json_array_get(runs, 0);
    cr_assert_eq(json_array_size(runs), 4);
    cr_assert_str_eq(json_string_value(json_object_get(run, "mode")), "half");
    run = json_array_get(runs, 3);
    cr_assert_str_eq(json_string_value(json_object_get(run, "model")), "mobilenet_v3_small");
    cr_assert_str_eq(json_string_value(json_object_get(run, "mode")), "nominal");
    json_decref(d);
}

Test(cli_compare, concurrency_makes_the_scenario_closed)
{
    json_t *d = cli_json(COMPARE "--policy cpu-only --noise=off --concurrency 4 --json");
    json_t *run = json_array_get(json_object_get(d, "runs"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(run, "scenario")), "closed");
    json_decref(d);
    cli_expect_failure(2, "needs a closed scenario",
                       COMPARE "--policy cpu-only --concurrency 4 --scenario single");
}

Test(cli_compare, outputs_that_cannot_be_written_are_failures)
{
    cli_expect_failure(1, "/nonexistent/x.png", COMPARE "--policy heft --chart /nonexistent/x.png");
    cli_expect_failure(1, "/nonexistent/x.db", COMPARE "--policy heft --db /nonexistent/x.db");
    cli_expect_failure(2, "figures are *.svg, *.png or *.pdf",
                       COMPARE "--policy heft --chart x.jpg");
}

Test(cli_compare, charts_are_drawn)
{
    cli_result r =
        cli(COMPARE "--quiet --chart %s/a.svg --chart %s/a.png", cli_folder(), cli_folder());
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert_str_empty(r.err);
    char path[200];
    size_t size;
    snprintf(path, sizeof path, "%s/a.svg", cli_folder());
    char *svg = cli_read(path, &size);
    cr_assert(strstr(svg, "tiny on tiny@nominal"));
    cr_assert(strstr(svg, "times assumed"));
    cr_assert(strstr(svg, "local-search"));
    free(svg);
    snprintf(path, sizeof path, "%s/a.png", cli_folder());
    char *png = cli_read(path, &size);
    cr_assert_gt(size, 1000);
    cr_assert_eq(memcmp(png, "\x89PNG", 4), 0);
    free(png);
    cli_free(&r);
}

Test(cli_compare, without_gnuplot_the_data_is_left)
{
    char old[4096];
    snprintf(old, sizeof old, "%s", getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    cli_expect_failure(1, "install gnuplot-nox", COMPARE "--policy heft --chart %s/b.svg",
                       cli_folder());
    setenv("PATH", old, 1);
    char file[200];
    snprintf(file, sizeof file, "%s/b.svg.dat", cli_folder());
    cr_assert(cli_exists(file));
    snprintf(file, sizeof file, "%s/b.svg", cli_folder());
    cr_assert(!cli_exists(file));
}

Test(cli_simulate, agrees_with_compare)
{
    json_t *a = cli_json(SIMULATE "--json"), *b = cli_json(COMPARE "--policy heft --json");
    cr_assert_str_eq(json_string_value(json_object_get(a, "schema")), "sparoa.simulate/1");
    json_object_del(a, "schema");
    json_object_del(b, "schema");
    expect_equal_documents(a, b);
}

Test(cli_simulate, shows_every_operator_and_the_rails)
{
    cli_result r = cli(SIMULATE "--noise=off");
    cr_assert_eq(r.code, 0, "%s", r.err);
    static const char *const texts[] = {"stem", "act",  "left",           "right",  "join",
                                        "pool", "flat", "(a view, free)", "energy", "gpu"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cr_assert(strstr(r.out, texts[i]), "no %s in %s", texts[i], r.out);
    }
    cli_free(&r);
}

Test(cli_simulate, an_impossible_policy_is_a_failure)
{
    cli_expect_failure(1, "exhaustive",
                       "simulate " TINY " " TINY_DEVICE " --policy exhaustive:limit=2");
}

Test(cli_simulate, writes_schedule_timeline_and_chart)
{
    char path[200];
    size_t size;
    cli_result r = cli(SIMULATE "--schedule %s/s.csv --timeline %s/t.json --gantt %s/g.svg",
                       cli_folder(), cli_folder(), cli_folder());
    cr_assert_eq(r.code, 0, "%s", r.err);
    snprintf(path, sizeof path, "%s/s.csv", cli_folder());
    char *text = cli_read(path, &size);
    cr_assert_eq(strncmp(text, "# schedule for tiny batch 1 dtype fp32 hash ", 44), 0);
    int lines = 0;
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    cr_assert_eq(lines, 2 + 7); /* comment, head, operators */
    free(text);
    snprintf(path, sizeof path, "%s/t.json", cli_folder());
    json_t *timeline = json_load_file(path, 0, NULL);
    cr_assert(timeline);
    cr_assert(json_array_size(json_object_get(timeline, "traceEvents")) > 7);
    json_decref(timeline);
    snprintf(path, sizeof path, "%s/g.svg", cli_folder());
    text = cli_read(path, &size);
    cr_assert(strstr(text, "policy heft"));
    free(text);
    cli_free(&r);
}

Test(cli_simulate, a_log_that_cannot_be_written_leaves_nothing)
{
    cli_expect_failure(1, "/nonexistent/x.slog", SIMULATE "--log /nonexistent/x.slog");
    cli_expect_failure(1, "/nonexistent/x.db",
                       SIMULATE "--quiet --log %s/c.slog --db /nonexistent/x.db", cli_folder());
    char path[200];
    snprintf(path, sizeof path, "%s/c.slog", cli_folder());
    cr_assert(!cli_exists(path));
}

/* What splits operators may be faster than any schedule of whole ones. */
Test(cli_compare, no_row_is_better_than_the_bound_that_is_printed_for_it)
{
    cli_result r = cli("compare mobilenet_v3_small --device x86-2core --policy heft,codl "
                       "--noise off --quiet");
    cr_assert_eq(r.code, 0, "%s", r.err);
    double whole = 0, split = 0, heft = 0, codl = 0;
    const char *at = strstr(r.out, "; lower bound ");
    cr_assert_not_null(at);
    cr_assert_eq(
        sscanf(at, "; lower bound %lf ms, %lf ms with operators split (noise off)", &whole, &split),
        2, "%s", at);
    cr_assert(sscanf(strstr(r.out, "heft ") + 5, " * %lf", &heft) == 1 ||
              sscanf(strstr(r.out, "heft ") + 5, " %lf", &heft) == 1);
    cr_assert(sscanf(strstr(r.out, "codl ") + 5, " * %lf", &codl) == 1 ||
              sscanf(strstr(r.out, "codl ") + 5, " %lf", &codl) == 1);
    cr_assert(whole <= heft && split <= codl && split < whole);
    cli_free(&r);
}

Test(cli_compare, shipped_scenarios_go_by_name_and_deadlines_have_columns)
{
    json_t *d = cli_json(COMPARE "--policy cpu-only --reps 2 --scenario poisson --json");
    json_t *run = json_array_get(json_object_get(d, "runs"), 0);
    json_t *row = json_array_get(json_object_get(run, "results"), 0);
    json_t *deadline = json_object_get(row, "deadline");
    cr_assert_str_eq(json_string_value(json_object_get(run, "scenario")), "poisson");
    cr_assert_gt(json_number_value(json_object_get(deadline, "ms")), 0);
    double missed = json_number_value(json_object_get(deadline, "miss_rate"));
    cr_assert(missed >= 0 && missed < 0.5, "%g", missed);
    json_decref(d);
    cli_result r = cli(COMPARE "--policy cpu-only --reps 2 --scenario bursty");
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert_not_null(strstr(r.out, "missed %"), "%s", r.out);
    cr_assert_not_null(strstr(r.out, "load 0.6, deadline "), "%s", r.out);
    cli_free(&r);
    r = cli(COMPARE "--policy cpu-only --reps 2 --scenario periodic --rate 10");
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert_null(strstr(r.out, "missed %"), "%s", r.out);
    cli_free(&r);
    r = cli(COMPARE "--policy cpu-only --reps 2 --scenario loaded:load=0.3");
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert_not_null(strstr(r.out, "load 0.6 on host 50 % of the time"), "%s", r.out);
    cr_assert_not_null(strstr(r.out, "loaded:load=0.3"), "%s", r.out);
    cli_free(&r);
    r = cli("compare mobilenet_v3_small " TINY_DEVICE
            " --quiet --policy gpu-only --reps 1 --requests 100 --scenario loaded "
            "--batcher timeout:size=4:ms=2");
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert_null(strstr(r.out, "skipped"), "%s", r.out);
    cli_free(&r);
    cli_expect_failure(2, "did you mean 'bursty'", COMPARE "--scenario burstly");
    cli_expect_failure(2, "--rate is for", COMPARE "--scenario bursty --rate 5");
}
