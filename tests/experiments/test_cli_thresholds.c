/* sparoa train threshold+predictor: thresholds are learned, compared, written, and serve. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/experiments/cli.h"

#define GRAPH  TINY
#define DEVICE TINY_DEVICE " "
#define TRAIN  "train threshold+predictor:epochs=5:hidden=4"

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

Test(cli_thresholds, predictors_are_compared_and_the_written_one_serves)
{
    char path[512];
    alarm(120);
    snprintf(path, sizeof path, "%s/tiny.thresholds", cli_folder());
    json_t *d =
        cli_json(TRAIN " " GRAPH " " DEVICE "--noise off --policy-cost off -o %s --json", path);
    cr_assert_str_eq(json_string_value(json_object_get(d, "schema")), "sparoa.train-thresholds/1");
    cr_assert_str_eq(json_string_value(json_object_get(d, "written")), "transformer+lstm");
    cr_assert(json_is_true(json_object_get(d, "fit_to_formula")));
    cr_assert_eq(number(d, "operators"), 6); /* all but the view */
    const json_t *labels = json_object_get(d, "labels");
    for (int t = 0; t < 2; t++) {
        const json_t *of = json_object_get(labels, t ? "intensity" : "sparsity");
        cr_assert_eq(number(of, "crosses") + number(of, "always_host") +
                         number(of, "always_accelerator"),
                     6);
    }
    /* No trace, no gain from zeros: nothing crosses. */
    cr_assert_eq(number(json_object_get(labels, "sparsity"), "crosses"), 0);
    const json_t *rows = json_object_get(d, "predictors");
    cr_assert_eq(json_array_size(rows), 7);
    for (size_t i = 0; i < 7; i++) {
        const json_t *row = json_array_get(rows, i);
        cr_assert_gt(number(row, "inference_us"), 0);
        cr_assert_eq(number(row, "bytes"), 4 * number(row, "parameters"));
        /* One model cannot be left out. */
        const json_t *left_out = json_object_get(row, "model");
        cr_assert(json_is_null(json_object_get(left_out, "latency_over_labels")));
    }
    /* The row of training is what the policy does. */
    const json_t *own = json_array_get(json_object_get(d, "runs"), 0);
    json_t *c = cli_json("compare " GRAPH " " DEVICE
                         "--policy threshold+predictor:model=%s --noise off --policy-cost off "
                         "--json",
                         path);
    const json_t *run = json_array_get(json_object_get(c, "runs"), 0);
    const json_t *result = json_array_get(json_object_get(run, "results"), 0);
    cr_assert_float_eq(number(json_object_get(result, "latency_ms"), "mean"),
                       number(own, "latency_ms"), 1e-12);
    json_decref(c);
    json_decref(d);
}

Test(cli_thresholds, equal_seeds_write_equal_files_and_others_do_not)
{
    char path[3][512], *text[3];
    for (int i = 0; i < 3; i++) {
        size_t size;
        snprintf(path[i], sizeof path[i], "%s/%d.thresholds", cli_folder(), i);
        cli_result r = cli(TRAIN ":kind=lstm " GRAPH " " DEVICE "-o %s --quiet --seed %d", path[i],
                           i < 2 ? 1 : 2);
        cr_assert_eq(r.code, 0, "%s", r.err);
        cr_assert_not_null(strstr(r.out, "lstm *"), "%s", r.out);
        cr_assert_not_null(strstr(r.out, "fit to a formula"), "%s", r.out);
        cli_free(&r);
        text[i] = cli_read(path[i], &size);
    }
    cr_assert_str_eq(text[0], text[1]);
    cr_assert_str_neq(text[0], text[2]);
    for (int i = 0; i < 3; i++) free(text[i]);
}

Test(cli_thresholds, wrong_use_is_refused_with_words)
{
    cli_expect_failure(2, "-o FILE", TRAIN " " GRAPH " " DEVICE);
    cli_expect_failure(2, "--device", TRAIN " " GRAPH " -o /tmp/x.thresholds");
    cli_expect_failure(2, "epochs=N", TRAIN " " GRAPH " " DEVICE "--steps 9 -o /tmp/x.thresholds");
    cli_expect_failure(2, "one --device",
                       TRAIN " " GRAPH " " DEVICE "--device crossover -o /tmp/x.thresholds");
    cli_expect_failure(2, "did you mean 'lstm'",
                       TRAIN ":kind=lstn " GRAPH " " DEVICE "-o /tmp/x.thresholds");
    cli_expect_failure(1, "/nonexistent",
                       TRAIN " " GRAPH " " DEVICE "--quiet -o /nonexistent/x.thresholds");
    cli_expect_failure(1, "nowhere.thresholds",
                       "compare " GRAPH " " DEVICE
                       "--quiet --policy threshold+predictor:model=nowhere.thresholds");
    cli_expect_failure(1, "none of intensity",
                       "compare " GRAPH " " DEVICE "--quiet --policy threshold+predictor:by=luck");
}

Test(cli_thresholds, thresholds_of_another_device_are_refused)
{
    char path[512];
    snprintf(path, sizeof path, "%s/other.thresholds", cli_folder());
    cli_result r = cli(TRAIN " " GRAPH " " DEVICE "-o %s --quiet", path);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    cli_expect_failure(1, "of device 'tiny', not of 'crossover'",
                       "compare resnet18 --device crossover --quiet --noise off --policy "
                       "threshold+predictor:model=%s",
                       path);
    r = cli("compare " GRAPH " " DEVICE "--quiet --policy cpu-only,threshold+predictor");
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert_not_null(strstr(r.out, "not trained for"), "%s", r.out);
    cli_free(&r);
}

Test(cli_thresholds, the_shipped_ones_serve_on_their_devices)
{
    static const char *const devices[] = {"agx-orin", "orin-nano", "crossover", "x86-2core"};
    for (int i = 0; i < 4; i++) {
        json_t *d = cli_json("compare resnet18 --device %s --noise off --policy "
                             "threshold+predictor,gpu-only,cpu-only --json",
                             devices[i]);
        const json_t *run = json_array_get(json_object_get(d, "runs"), 0);
        const json_t *results = json_object_get(run, "results");
        cr_assert_eq(json_array_size(results), 3);
        const json_t *own = json_array_get(results, 0);
        cr_assert_null(json_object_get(own, "skipped"), "%s", devices[i]);
        cr_assert_gt(number(json_object_get(own, "latency_ms"), "mean"), 0);
        json_decref(d);
    }
}
