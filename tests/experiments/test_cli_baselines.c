/* Baselines: the list, rows of a comparison, stacks. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include "experiments/baselines.h"
#include "sim/policy.h"
#include "tests/experiments/cli.h"

static json_t *row_named(json_t *document, size_t run, const char *baseline)
{
    json_t *results = json_array_get(json_object_get(document, "runs"), run);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(results, "results"), i, row)
    {
        json_t *name = json_object_get(row, "baseline");
        if (name && strcmp(json_string_value(name), baseline) == 0) return row;
    }
    cr_assert_fail("no row for %s", baseline);
    return NULL;
}

static double mean_ms(json_t *row)
{
    return json_number_value(json_object_get(json_object_get(row, "latency_ms"), "mean"));
}

static const char *text_of(json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

Test(baselines, each_has_a_source_and_is_found_by_its_name)
{
    size_t count;
    const spa_baseline *all = spa_baselines(&count), *found;
    cr_assert_geq(count, 10);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(spa_baseline_find(all[i].name, &found, NULL), SPA_OK);
        cr_assert_eq(found, &all[i], "%s stands there twice", all[i].name);
        cr_assert(all[i].source && strlen(all[i].source) > 8 && all[i].policy && all[i].summary);
    }
}

Test(baselines, what_it_leaves_open_stays_the_studys)
{
    const spa_baseline *b;
    spa_options o = {.stack = "darknet", .lanes = "cpu:0,gpu:0", .dtype = SPA_FP16};
    cr_assert_eq(spa_baseline_find("codl", &b, NULL), SPA_OK);
    cr_assert_not(spa_baseline_has_own_costs(b));
    spa_baseline_apply(b, SPA_RANGE_MID, &o);
    cr_assert_str_eq(o.stack, "darknet");
    cr_assert_str_eq(o.lanes, "cpu:0,gpu:0");
    cr_assert_eq(o.dtype, SPA_FP16);
    cr_assert_eq(spa_baseline_find("eager", &b, NULL), SPA_OK);
    cr_assert(spa_baseline_has_own_costs(b));
    spa_baseline_apply(b, SPA_RANGE_MID, &o);
    cr_assert_str_eq(o.stack, "pytorch-eager");
    cr_assert_null(o.lanes, "another stack has lanes of its own");
}

Test(cli_baselines, are_listed_with_their_sources)
{
    size_t count;
    spa_baselines(&count);
    json_t *d = cli_json("baselines --json"), *list = json_object_get(d, "baselines");
    cr_assert_str_eq(text_of(d, "schema"), "sparoa.baselines/1");
    cr_assert_eq(json_array_size(list), count);
    cr_assert_str_eq(text_of(json_array_get(list, 0), "name"), "cpu-only");
    json_decref(d);
}

Test(cli_baselines, a_row_on_the_studys_stack_is_its_policys_row)
{
    json_t *d = cli_json("compare " TINY " " TINY_DEVICE " --policy gpu-only,dp "
                         "--baseline gpu-only,sparoa-dp --noise=off --json");
    json_t *run = json_array_get(json_object_get(d, "runs"), 0);
    json_t *results = json_object_get(run, "results");
    cr_assert_eq(json_array_size(results), 4);
    cr_assert_eq(mean_ms(json_array_get(results, 0)), mean_ms(row_named(d, 0, "gpu-only")));
    cr_assert_eq(mean_ms(json_array_get(results, 1)), mean_ms(row_named(d, 0, "sparoa-dp")));
    cr_assert_null(json_object_get(json_array_get(results, 0), "baseline"));
    cr_assert(json_is_false(json_object_get(run, "mixed")));
    json_decref(d);
}

/* PyTorch's row is that of a comparison on PyTorch's stack; the study's own rows stay. */
Test(cli_baselines, a_row_on_another_stack_has_that_stacks_costs)
{
    json_t *d = cli_json("compare mobilenet_v3_small --device agx-orin --noise=off --json "
                         "--baseline gpu-only,eager");
    json_t *own = cli_json("compare mobilenet_v3_small --device agx-orin --noise=off --json "
                           "--policy gpu-only --stack pytorch-eager");
    json_t *eager = row_named(d, 0, "eager"), *gpu = row_named(d, 0, "gpu-only");
    json_t *run = json_array_get(json_object_get(own, "runs"), 0);
    cr_assert_eq(mean_ms(eager), mean_ms(json_array_get(json_object_get(run, "results"), 0)));
    cr_assert_str_eq(text_of(eager, "stack"), "pytorch-eager");
    cr_assert_str_eq(text_of(gpu, "stack"), "ncnn");
    cr_assert_neq(mean_ms(gpu), mean_ms(eager));
    cr_assert(
        json_is_true(json_object_get(json_array_get(json_object_get(d, "runs"), 0), "mixed")));
    json_decref(d);
    json_decref(own);
}

Test(cli_baselines, tables_name_the_stack_of_each_row_and_mark_mixed_ones)
{
    cli_result r = cli("compare resnet18 --device agx-orin --noise=off --baseline gpu-only,eager");
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert(strstr(r.out, "stack ncnn (mixed"), "%s", r.out);
    cr_assert(strstr(r.out, "pytorch-eager"), "%s", r.out);
    cli_free(&r);
    r = cli("compare resnet18 --device agx-orin --noise=off --baseline gpu-only,codl");
    cr_assert_null(strstr(r.out, "mixed"), "%s", r.out);
    cli_free(&r);
}

Test(cli_baselines, what_a_device_has_no_stack_for_is_skipped_with_the_reason)
{
    json_t *d = cli_json("compare " TINY " " TINY_DEVICE " --baseline cpu-only,eager --json");
    cr_assert(
        strstr(text_of(row_named(d, 0, "eager"), "skipped"), "unknown stack 'pytorch-eager'"));
    cr_assert_gt(mean_ms(row_named(d, 0, "cpu-only")), 0);
    json_decref(d);
}

Test(cli_baselines, learning_without_a_trained_network_is_skipped_with_the_command_that_trains_it)
{
    json_t *d = cli_json("compare " TINY " " TINY_DEVICE " --baseline sparoa --json");
    cr_assert(strstr(text_of(row_named(d, 0, "sparoa"), "skipped"), "sparoa train sac"));
    json_decref(d);
}

/* Fused, on a stack of its own: the row is what --stack and --rewrite give. */
Test(cli_baselines, frameworks_are_stacks_and_rewrites)
{
    json_t *d = cli_json("compare resnet18 --device agx-orin --baseline tensorrt-fp16,tvm "
                         "--noise=off --json");
    json_t *own = cli_json("compare resnet18 --device agx-orin --policy gpu-only --noise=off "
                           "--stack tensorrt-fp16 --rewrite tensorrt --json");
    json_t *run = json_array_get(json_object_get(own, "runs"), 0), *row;
    row = json_array_get(json_object_get(run, "results"), 0);
    cr_assert_eq(mean_ms(row_named(d, 0, "tensorrt-fp16")), mean_ms(row));
    cr_assert_str_eq(text_of(row_named(d, 0, "tvm"), "stack"), "tvm");
    cr_assert_str_eq(text_of(row_named(d, 0, "tvm"), "origin"), "modelled, uncalibrated");
    json_decref(d);
    json_decref(own);
}

Test(cli_baselines, a_range_gives_three_rows_and_a_verdict_over_it)
{
    json_t *d = cli_json("compare resnet18 --device agx-orin --policy gpu-only --noise=off --json "
                         "--baseline tensorrt,tensorrt-fp16,eager --baseline-range all");
    json_t *run = json_array_get(json_object_get(d, "runs"), 0), *results, *ranges, *v;
    results = json_object_get(run, "results");
    cr_assert_eq(json_array_size(results), 1 + 3 + 3 + 1);
    double own = mean_ms(json_array_get(results, 0));
    double low = mean_ms(row_named(d, 0, "tensorrt@low")),
           mid = mean_ms(row_named(d, 0, "tensorrt"));
    double high = mean_ms(row_named(d, 0, "tensorrt@high"));
    cr_assert(low < mid && mid < high);
    ranges = json_object_get(run, "ranges");
    cr_assert_eq(json_array_size(ranges), 2);
    v = json_array_get(ranges, 0);
    cr_assert_str_eq(text_of(v, "baseline"), "tensorrt");
    cr_assert_float_eq(json_number_value(json_object_get(v, "ratio_low")), low / own, 1e-12);
    cr_assert_float_eq(json_number_value(json_object_get(v, "ratio_high")), high / own, 1e-12);
    /* ours lies between the ends of the one, and above both ends of the other */
    cr_assert(low < own && own < high);
    cr_assert_str_eq(text_of(v, "verdict"), "cannot be told");
    cr_assert_gt(own, mean_ms(row_named(d, 0, "tensorrt-fp16@high")));
    cr_assert_str_eq(text_of(json_array_get(ranges, 1), "verdict"), "slower");
    json_decref(d);
    d = cli_json("compare resnet18 --device agx-orin --noise=off --json --baseline tensorrt "
                 "--baseline-range low");
    cr_assert_eq(mean_ms(row_named(d, 0, "tensorrt@low")), low);
    cr_assert_null(json_object_get(json_array_get(json_object_get(d, "runs"), 0), "ranges"));
    json_decref(d);
    d = cli_json("compare resnet18 --device agx-orin --noise=off --json --baseline tensorrt@low");
    cr_assert_eq(mean_ms(row_named(d, 0, "tensorrt@low")), low);
    json_decref(d);
}

/* What the table says of a range is so on the shipped device. */
Test(cli_baselines, those_with_a_range_differ_at_its_ends_and_only_those)
{
    size_t count;
    const spa_baseline *all = spa_baselines(&count);
    json_t *low = cli_json("compare mobilenet_v3_small --device agx-orin --baseline all --json "
                           "--noise=off --baseline-range low");
    json_t *high = cli_json("compare mobilenet_v3_small --device agx-orin --baseline all --json "
                            "--noise=off --baseline-range high");
    for (size_t i = 0; i < count; i++) {
        char a[80], b[80];
        snprintf(a, sizeof a, "%s%s", all[i].name, all[i].has_range ? "@low" : "");
        snprintf(b, sizeof b, "%s%s", all[i].name, all[i].has_range ? "@high" : "");
        json_t *x = row_named(low, 0, a), *y = row_named(high, 0, b);
        if (json_object_get(x, "skipped")) continue;
        cr_assert_eq(mean_ms(x) < mean_ms(y), all[i].has_range, "%s", all[i].name);
        cr_assert_eq(mean_ms(x) != mean_ms(y), all[i].has_range, "%s", all[i].name);
    }
    json_decref(low);
    json_decref(high);
}

Test(cli_baselines, inspect_shows_and_writes_fused_graphs)
{
    char path[256];
    snprintf(path, sizeof path, "%s/f.graph.csv", cli_folder());
    cli_result r = cli("inspect resnet18 --rewrite tensorrt -o %s", path);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert(strstr(r.out, "resnet18: 24 operators"), "%s", r.out);
    cr_assert(strstr(r.out, "conv+batch_norm+add+relu"), "%s", r.out);
    cli_free(&r);
    json_t *d = cli_json("inspect %s --json", path), *list = json_object_get(d, "operators");
    cr_assert_eq(json_array_size(list), 24);
    cr_assert_eq(json_array_size(json_object_get(json_array_get(list, 0), "steps")), 2);
    json_decref(d);
    /* fused already */
    cli_expect_failure(1, "rewritten already", "inspect %s --rewrite tvm", path);
}

Test(cli_baselines, impossible_rewrites_say_why)
{
    cli_expect_failure(2, "unknown rewrite 'tensort'; did you mean 'tensorrt'",
                       "inspect resnet18 --rewrite tensort");
    cli_expect_failure(1, "would count twice",
                       "compare resnet18 --device agx-orin --policy heft --rewrite tvm");
    cli_expect_failure(1, "is another network",
                       "compare resnet18 --device x86-2core --policy heft "
                       "--rewrite tvm");
    cli_expect_failure(2, "--baseline-range",
                       "compare resnet18 --device agx-orin --baseline tvm --baseline-range best");
}

Test(cli_baselines, all_means_every_one)
{
    size_t count;
    spa_baselines(&count);
    json_t *d = cli_json("compare " TINY " " TINY_DEVICE " --baseline all --reps 1 --json");
    json_t *run = json_array_get(json_object_get(d, "runs"), 0);
    cr_assert_eq(json_array_size(json_object_get(run, "results")), count);
    json_decref(d);
}

Test(cli_baselines, unknown_ones_name_the_nearest)
{
    cli_expect_failure(2, "unknown baseline 'eagre'; did you mean 'eager'",
                       "compare resnet18 --device agx-orin --baseline eagre");
    cli_expect_failure(2, "unknown end of a range 'lwo'; did you mean 'low'",
                       "compare resnet18 --device agx-orin --baseline tvm@lwo");
    cli_expect_failure(2, "'eager' has no range; leave '@low' out",
                       "compare resnet18 --device agx-orin --baseline eager@low");
    cli_expect_failure(2, "an empty name", "compare resnet18 --device agx-orin --baseline eager,");
    cli_expect_failure(2, "takes no --baseline",
                       "simulate resnet18 --device agx-orin --policy dp --baseline eager");
}

/* The baseline gpu-only and the policy gpu-only are two rows, though both came to the same. */
Test(cli_baselines, are_stored_as_runs_of_their_own)
{
    char path[256];
    sqlite3 *db;
    sqlite3_stmt *count;
    snprintf(path, sizeof path, "%s/b.db", cli_folder());
    cli_result r = cli("compare " TINY " " TINY_DEVICE " --policy gpu-only --baseline gpu-only "
                       "--reps 2 --db %s",
                       path);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, "SELECT count(*), count(DISTINCT digest) FROM run", -1,
                                    &count, NULL),
                 SQLITE_OK);
    cr_assert_eq(sqlite3_step(count), SQLITE_ROW);
    cr_assert_eq(sqlite3_column_int(count, 0), 2);
    cr_assert_eq(sqlite3_column_int(count, 1), 1);
    sqlite3_finalize(count);
    sqlite3_close(db);
}
