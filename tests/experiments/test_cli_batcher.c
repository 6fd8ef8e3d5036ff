/* --batcher on the command line. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/experiments/cli.h"
#include "tests/oom.h"

#define ORIN "mobilenet_v2 --device agx-orin --policy gpu-only "

static json_t *result_of(json_t *document)
{
    json_t *run = json_array_get(json_object_get(document, "runs"), 0);
    return json_array_get(json_object_get(run, "results"), 0);
}

static double number(json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* The paper's algorithm chooses one sample a run: then it is the run without a batcher. */
Test(cli_batcher, the_papers_algorithm_ends_at_one_and_is_the_run_without_a_batcher)
{
    static const char line[] = "compare " ORIN "--rate 200 --requests 60 --reps 3 --json";
    json_t *a = cli_json("%s", line), *b = cli_json("%s --batcher sparoa", line);
    json_t *batches = json_object_get(result_of(b), "batches");
    cr_assert_null(json_object_get(result_of(a), "batches"));
    cr_assert_eq(number(batches, "target"), 1);
    cr_assert_eq(number(batches, "samples"), 1);
    cr_assert_eq(number(batches, "overhead"), 0);
    cr_assert(json_equal(json_object_get(result_of(a), "digest"),
                         json_object_get(result_of(b), "digest")));
    json_decref(a);
    json_decref(b);
}

/* Without noise, far more samples than it can serve: full batches of 16 that follow each other, so
 * what it serves per second is 16 / (time of one run), which --batch 16 tells. */
Test(cli_batcher, under_load_full_batches_carry_what_their_size_carries)
{
    json_t *alone = cli_json("compare " ORIN "--batch 16 --noise=off --scenario closed "
                             "--concurrency 1 --requests 40 --json");
    json_t *loaded = cli_json("compare " ORIN "--rate 20000 --requests 3200 --noise=off "
                              "--concurrency 1 --batcher fixed:size=16 --json");
    json_t *single = cli_json("compare " ORIN "--rate 20000 --requests 3200 --noise=off "
                              "--concurrency 1 --json");
    double ips = number(result_of(loaded), "throughput_ips");
    cr_assert_float_eq(ips, number(result_of(alone), "throughput_ips"), 0.01 * ips);
    cr_assert(ips > 2 * number(result_of(single), "throughput_ips"));
    json_t *batches = json_object_get(result_of(loaded), "batches");
    cr_assert_eq(number(batches, "samples"), 16);
    cr_assert_eq(number(batches, "runs"), 200);
    cr_assert_eq(number(batches, "padding"), 0);
    json_decref(alone);
    json_decref(loaded);
    json_decref(single);
}

/* Whatever is chosen: a sample's latency is waiting and running, and shares are shares. */
Test(cli_batcher, every_batcher_runs_under_every_kind_of_policy)
{
    static const char *const batchers[] = {"fixed:size=3", "timeout:size=4:ms=3", "sparoa",
                                           "bounded:max=8:latency=40"};
    for (size_t k = 0; k < 4; k++) {
        json_t *d = cli_json("compare resnet18 --device agx-orin --scenario bursty --requests 300 "
                             "--policy gpu-only,greedy,heft,codl --reps 2 --jobs 2 --batcher %s "
                             "--json",
                             batchers[k]);
        json_t *results = json_object_get(json_array_get(json_object_get(d, "runs"), 0), "results");
        cr_assert_eq(json_array_size(results), 4);
        for (size_t i = 0; i < 4; i++) {
            json_t *row = json_array_get(results, i), *b = json_object_get(row, "batches");
            double overhead = number(b, "overhead");
            cr_assert_not_null(b, "%s: %s", batchers[k], json_dumps(row, 0));
            cr_assert(overhead >= 0 && overhead < 1);
            cr_assert(number(b, "samples") >= 1 &&
                      number(b, "collect_ms") <= number(b, "queue_ms"));
        }
        json_decref(d);
    }
}

/* The same arrivals, beside loads that slow the machine down: batches go on, later. */
Test(cli_batcher, loads_that_come_and_go_slow_batches_down_and_do_not_stop_them)
{
    static const char line[] =
        "compare " ORIN "--requests 200 --noise=off --batcher timeout --json";
    alarm(300);
    json_t *quiet = cli_json("%s --scenario poisson", line);
    json_t *loaded = cli_json("%s --scenario loaded", line);
    double runs = number(json_object_get(result_of(quiet), "batches"), "run_ms");
    cr_assert(number(json_object_get(result_of(loaded), "batches"), "run_ms") > runs);
    json_decref(quiet);
    json_decref(loaded);
}

/* Each model has a queue of its own: every run of fixed:size=4 is full but the last of each. */
Test(cli_batcher, a_mix_is_batched_model_by_model)
{
    json_t *d =
        cli_json("compare resnet18*3+mobilenet_v2 --device agx-orin --policy gpu-only,greedy "
                 "--rate 400 --requests 400 --reps 1 --batcher fixed:size=4 --json");
    json_t *row = result_of(d), *models = json_object_get(row, "models");
    double n[2], mean = 0;
    for (size_t i = 0; i < 2; i++) {
        json_t *one = json_array_get(models, i);
        n[i] = number(one, "requests");
        mean += n[i] * number(json_object_get(one, "latency_ms"), "mean") / 400;
    }
    cr_assert_eq(n[0] + n[1], 400);
    cr_assert(fabs(n[0] - 300) < 35); /* as in a mix without batches */
    cr_assert_float_eq(mean, number(json_object_get(row, "latency_ms"), "mean"), 1e-6 * mean);
    double runs = ceil(n[0] / 4) + ceil(n[1] / 4);
    cr_assert_eq(number(json_object_get(row, "batches"), "runs"), runs);
    json_decref(d);
}

/* Batches of one take the samples in the order of their arrival, whatever model they are of. */
Test(cli_batcher, a_mix_in_batches_of_one_is_the_mix_without_a_batcher)
{
    static const char line[] = "compare resnet18*3+mobilenet_v2 --device agx-orin --policy heft "
                               "--rate 200 --requests 100 --reps 2 --json";
    json_t *a = cli_json("%s", line), *b = cli_json("%s --batcher fixed:size=1", line);
    cr_assert(json_equal(json_object_get(result_of(a), "digest"),
                         json_object_get(result_of(b), "digest")));
    cr_assert(json_equal(json_object_get(result_of(a), "models"),
                         json_object_get(result_of(b), "models")));
    cr_assert(number(result_of(b), "transfers") > 0);
    json_decref(a);
    json_decref(b);
}

/* In the model chunks are launches and smaller, slower kernels: they cannot pay. */
Test(cli_batcher, chunks_make_a_loaded_machine_slower_in_the_model)
{
    static const char line[] = "compare resnet18 --device agx-orin --policy heft --rate 20000 "
                               "--requests 640 --noise=off --concurrency 1 --batcher fixed:size=16";
    json_t *whole = cli_json("%s --json", line), *cut = cli_json("%s:chunks=32/4 --json", line);
    cr_assert(number(result_of(cut), "throughput_ips") <
              number(result_of(whole), "throughput_ips"));
    json_decref(whole);
    json_decref(cut);
}

Test(cli_batcher, logs_and_timelines_name_the_batch_that_an_operator_ran_in)
{
    char log[300];
    size_t size;
    snprintf(log, sizeof log, "%s/b.slog", cli_folder());
    cli_result r = cli("simulate " ORIN "--rate 1000 --requests 40 --batcher fixed:size=4 "
                       "--reps 1 --log %s",
                       log);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert_not_null(strstr(r.out, "aims at 4, 4.00 samples a run"), "%s", r.out);
    cli_free(&r);
    r = cli("log %s --csv %s.csv", log, log);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    snprintf(log, sizeof log, "%s/b.slog.csv", cli_folder());
    char *csv = cli_read(log, &size);
    cr_assert_not_null(strstr(csv, "b4/"));
    cr_assert_null(strstr(csv, "b1/"));
    free(csv);
}

Test(cli_batcher, what_cannot_be_batched_is_said)
{
    cli_expect_failure(2, "did you mean 'bounded'", "compare " ORIN "--rate 100 --batcher bonded");
    cli_expect_failure(2, "scenario 'single' is not of that kind",
                       "compare " ORIN "--batcher fixed:size=4");
    cli_expect_failure(2, "scenario 'closed' is not of that kind",
                       "compare " ORIN "--concurrency 4 --batcher fixed:size=4");
    cli_expect_failure(2, "--batch and --batcher exclude each other",
                       "compare " ORIN "--rate 100 --batch 4 --batcher fixed:size=4");
    cli_expect_failure(1, "as in chunks=32/8",
                       "compare " ORIN "--rate 100 --batcher fixed:chunks=32");
    cli_expect_failure(2, "512", "compare " ORIN "--rate 100 --batcher fixed:size=1000");
    cli_expect_failure(2, "--schedule is of one model with one batch",
                       "simulate " ORIN "--rate 100 --batcher fixed:size=4 --schedule x.csv");
    cli_result r = cli("compare " ORIN "--rate 100 --batcher bounded:latency=0.5 --reps 1");
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert_not_null(strstr(r.out, "skipped: bounded: no batch is within bounds"), "%s", r.out);
    cli_free(&r);
}

/* Every fifth allocation. */
Test(cli_batcher, a_failing_allocation_is_one_line_and_nothing_leaks)
{
    static const char line[] = "compare resnet18+mobilenet_v2 --device agx-orin --policy heft "
                               "--rate 100 --requests 3 --reps 1 --batcher timeout:size=2";
    cli_result whole;
    oom_fail_at(-1);
    whole = cli("%s", line);
    long count = oom_count();
    oom_off();
    cr_assert_eq(whole.code, 0, "%s", whole.err);
    cr_assert_gt(count, 200);
    for (long n = 0; n < count; n += 5) {
        oom_fail_at(n);
        cli_result r = cli("%s", line);
        bool failed = oom_failed();
        oom_off();
        /* Some serve messages alone: then all is as it was. plan ms is the last column. */
        bool same = r.code == 0 && strncmp(r.out, whole.out, 400) == 0;
        if (failed)
            cr_assert(r.code == 1 || same || strstr(r.out, "out of memory"), "%ld: %d", n, r.code);
        cli_free(&r);
    }
    cli_free(&whole);
}
