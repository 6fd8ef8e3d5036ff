/* Mixes of models on the command line. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/experiments/cli.h"

#define MIX "resnet18*3+mobilenet_v2"

static json_t *result_of(json_t *document)
{
    json_t *run = json_array_get(json_object_get(document, "runs"), 0);
    return json_array_get(json_object_get(run, "results"), 0);
}

static double number(json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static double mean_ms(json_t *row)
{
    return number(json_object_get(row, "latency_ms"), "mean");
}

/* One request at a time without noise: each model takes what it takes alone. */
Test(cli_mix, each_model_of_a_quiet_mix_is_as_fast_as_alone)
{
    json_t *a = cli_json("compare resnet18 --device agx-orin --policy heft --noise=off --json");
    json_t *b = cli_json("compare mobilenet_v2 --device agx-orin --policy heft --noise=off --json");
    json_t *mix = cli_json("compare " MIX " --device agx-orin --policy heft --noise=off "
                           "--requests 400 --json");
    json_t *models = json_object_get(result_of(mix), "models");
    cr_assert_eq(json_array_size(models), 2);
    json_t *first = json_array_get(models, 0), *second = json_array_get(models, 1);
    cr_assert_str_eq(json_string_value(json_object_get(first, "model")), "resnet18");
    cr_assert_float_eq(mean_ms(first), mean_ms(result_of(a)), 1e-6);
    cr_assert_float_eq(mean_ms(second), mean_ms(result_of(b)), 1e-6);
    /* 3 : 1 of 400: 300, with a standard deviation of sqrt(400 * 3/16) = 8.7 */
    double n = number(first, "requests"), m = number(second, "requests");
    cr_assert_eq(n + m, 400);
    cr_assert(fabs(n - 300) < 35, "%g of resnet18", n);
    double mean = (n * mean_ms(first) + m * mean_ms(second)) / 400;
    cr_assert_float_eq(mean_ms(result_of(mix)), mean, 1e-6);
    json_decref(a);
    json_decref(b);
    json_decref(mix);
}

Test(cli_mix, results_do_not_depend_on_threads_and_every_kind_of_policy_runs_it)
{
    static const char line[] = "compare " MIX " --device agx-orin --concurrency 2 --reps 3 "
                               "--policy gpu-only,greedy,heft,threshold,codl,replan-greedy,random";
    json_t *one = cli_json("%s --jobs 1 --json", line), *two = cli_json("%s --jobs 2 --json", line);
    json_t *a = json_object_get(json_array_get(json_object_get(one, "runs"), 0), "results");
    json_t *b = json_object_get(json_array_get(json_object_get(two, "runs"), 0), "results");
    cr_assert_eq(json_array_size(a), 7);
    for (size_t i = 0; i < 7; i++) {
        json_t *x = json_array_get(a, i), *y = json_array_get(b, i);
        cr_assert_null(json_object_get(x, "skipped"));
        cr_assert_eq(json_array_size(json_object_get(x, "models")), 2);
        cr_assert(json_equal(json_object_get(x, "digest"), json_object_get(y, "digest")));
        cr_assert(json_equal(json_object_get(x, "models"), json_object_get(y, "models")));
    }
    json_decref(one);
    json_decref(two);
}

Test(cli_mix, a_scenario_may_bring_the_mix)
{
    json_t *d = cli_json("compare mix --device agx-orin --policy gpu-only --scenario mixed "
                         "--requests 60 --reps 2 --json");
    cr_assert_eq(json_array_size(json_object_get(result_of(d), "models")), 3);
    json_decref(d);
    cli_expect_failure(2, "scenario 'mixed' is a mix of models: give 'mix' as the model",
                       "compare resnet18 --device agx-orin --scenario mixed");
    cli_expect_failure(2, "model 'mix' is the mix of a scenario, and 'single' has none",
                       "compare mix --device agx-orin");
}

Test(cli_mix, simulate_tells_models_apart_and_says_what_a_mix_has_not)
{
    char log[300];
    snprintf(log, sizeof log, "%s/mix.slog", cli_folder());
    cli_result r =
        cli("simulate " MIX " --device agx-orin --policy heft --requests 30 --log %s", log);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert_not_null(strstr(r.out, "mobilenet_v2 "));
    cr_assert_not_null(strstr(r.out, "latency"));
    cli_free(&r);
    r = cli("log %s --csv %s.csv", log, log);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    snprintf(log, sizeof log, "%s/mix.slog.csv", cli_folder());
    size_t size;
    char *csv = cli_read(log, &size);
    cr_assert_not_null(strstr(csv, "resnet18/conv1"));
    cr_assert_not_null(strstr(csv, "mobilenet_v2/"));
    free(csv);
    cli_expect_failure(2, "--schedule is of one model",
                       "simulate " MIX " --device agx-orin --policy heft --requests 30 "
                       "--schedule x.csv");
    cli_expect_failure(2, "--gantt is of one model",
                       "simulate " MIX " --device agx-orin --policy heft --requests 30 "
                       "--gantt x.svg");
}

Test(cli_mix, what_is_wrong_with_a_mix_is_said)
{
    static const char *const faults[][2] = {
        {"resnet18*0+mobilenet_v2", "a weight is a number above 0"},
        {"resnet18*x+mobilenet_v2", "a weight is a number above 0"},
        {"resnet18+", "a model's name is missing"},
        {"resnet18*2", "it has one model"},
        {"resnet18+resnet18", "stands in it twice"},
        {"resnet18+mobilnet_v2", "did you mean 'mobilenet_v2'"},
        {MIX, "is one request of one model; give --concurrency N"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        cli_expect_failure(2, faults[i][1], "compare %s --device agx-orin --policy gpu-only",
                           faults[i][0]);
}

Test(cli_mix, a_process_of_its_own_gives_the_same_models)
{
    static const char line[] = "compare " MIX " --device agx-orin --policy heft --requests 30 "
                               "--reps 2 --json";
    json_t *a = cli_json("%s", line), *b = cli_json("%s --isolate", line);
    cr_assert_not_null(json_object_get(result_of(a), "models"));
    cr_assert(json_equal(json_object_get(result_of(a), "models"),
                         json_object_get(result_of(b), "models")));
    json_decref(a);
    json_decref(b);
}
