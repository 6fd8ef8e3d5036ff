/* The devices that come with the project. */
#include <math.h>
#include <stdlib.h>
#include "sim/engine.h"
#include "tests/devices/scene.h"

static const char *const search[] = {"devices/data", NULL};
static const char *const models[] = {"resnet18", "mobilenet_v2", "mobilenet_v3_small", "vit_b_16",
                                     "swin_t"};
#define N_MODELS (sizeof models / sizeof *models)

static spa_device *load(const char *name)
{
    spa_device *device = NULL;
    expect_ok(spa_device_load(&device, name, search, err));
    return device;
}

static void zoo(spa_graph *graph, const char *model, spa_dtype dtype)
{
    expect_ok(spa_zoo_build(graph, model, 1, dtype, "relu50", err));
}

static void build(spa_costs *costs, const spa_device *device, const spa_graph *graph,
                  const char *stack, const char *mode, const char *lanes)
{
    spa_costs_options options = spa_costs_options_default();
    options.stack = stack;
    options.mode = mode;
    options.lanes = lanes;
    expect_ok(spa_costs_build(costs, device, graph, &options, err));
}

/* Kernels and launches of a whole network on one processor, ms. */
static double sum_ms(const spa_costs *costs, uint32_t p)
{
    double ns = 0;
    for (size_t i = 0; i < costs->n_ops; i++) ns += (double)spa_cost_total_ns(costs, i, p);
    return ns / 1e6;
}

static double network_ms(const char *name, const char *model, const char *stack, const char *mode,
                         const char *lanes, uint32_t p)
{
    spa_device *device = load(name);
    spa_graph graph;
    spa_costs costs;
    zoo(&graph, model, SPA_FP32);
    build(&costs, device, &graph, stack, mode, lanes);
    double ms = sum_ms(&costs, p);
    spa_costs_fini(&costs);
    spa_graph_fini(&graph);
    spa_device_free(device);
    return ms;
}

Test(devices_shipped, are_listed_in_order)
{
    char **names = NULL;
    size_t count = 0;
    const char *const expected[] = {"agx-orin", "crossover", "orin-nano", "x86-2core"};
    expect_ok(spa_device_list(search, &names, &count, err));
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        bool there = false;
        for (size_t k = 0; k < count; k++) there |= strcmp(names[k], expected[i]) == 0;
        cr_assert(there, "%s", expected[i]);
    }
    for (size_t k = 1; k < count; k++) cr_assert_lt(strcmp(names[k - 1], names[k]), 0);
    for (size_t k = 0; k < count; k++) free(names[k]);
    free(names);
    const char *const none[] = {"no/such/folder", NULL};
    expect_ok(spa_device_list(none, &names, &count, err));
    cr_assert_eq(count, 0);
    free(names);
}

/* All modelled devices: five models, every mode, every stack, both dtypes. */
static void build_everything(const char *name)
{
    spa_device *device = load(name);
    const spa_device_info *info = spa_device_info_of(device);
    cr_assert_str_eq(info->name, name);
    for (size_t i = 0; i < N_MODELS * 2; i++) {
        spa_graph graph;
        zoo(&graph, models[i / 2], i % 2 ? SPA_FP16 : SPA_FP32);
        for (size_t k = 0; k < info->n_modes * info->n_stacks; k++) {
            spa_costs costs;
            build(&costs, device, &graph, info->stacks[k % info->n_stacks],
                  info->modes[k / info->n_stacks], NULL);
            cr_assert_leq(costs.origin, SPA_ORIGIN_MODELLED);
            cr_assert_geq(costs.origin, SPA_ORIGIN_ASSUMED);
            for (uint32_t p = 0; p < costs.n_processors; p++) {
                cr_assert_gt(sum_ms(&costs, p), 0.1);
                cr_assert_lt(sum_ms(&costs, p), 10000);
            }
            spa_costs_fini(&costs);
        }
        spa_graph_fini(&graph);
    }
    spa_device_free(device);
}

Test(devices_shipped, agx_orin_builds_all_models_modes_and_stacks)
{
    build_everything("agx-orin");
}

Test(devices_shipped, orin_nano_builds_all_models_modes_and_stacks)
{
    build_everything("orin-nano");
}

Test(devices_shipped, crossover_builds_all_models_modes_and_stacks)
{
    build_everything("crossover");
}

Test(devices_shipped, a_device_without_its_trace_says_how_to_measure_it)
{
    spa_device *device = load("x86-2core");
    spa_graph graph;
    spa_costs costs;
    spa_costs_options options = spa_costs_options_default();
    cr_assert_str_eq(spa_device_info_of(device)->trace, "traces/data/x86-2core");
    spa_device_free(device);
    /* beside the folder that holds devices/data, wherever that is */
    expect_ok(spa_device_load(&device, "./devices/data/x86-2core.device@nominal", search, err));
    cr_assert_str_eq(spa_device_info_of(device)->trace, "./traces/data/x86-2core");
    spa_device_free(device);
    /* the repository may have that trace by now: the toy names one that is nowhere */
    spa_error error = {0};
    expect_ok(devices_load_with(&device, "memory = shared\n", "memory = shared\ntrace = ./none\n",
                                NULL, NULL, err));
    devices_tiny(&graph, 1, SPA_FP32);
    cr_assert_neq(spa_costs_build(&costs, device, &graph, &options, &error), SPA_OK);
    cr_assert_not_null(strstr(error.message, "device 'toy' is driven by the measured trace"), "%s",
                       error.message);
    cr_assert_not_null(strstr(error.message, "sparoa profile tiny --lanes cpu:0,gpu:0 -o"), "%s",
                       error.message);
    spa_graph_fini(&graph);
    spa_device_free(device);
}

Test(devices_shipped, default_lanes_of_agx_orin_are_all_cores_of_the_mode)
{
    const char *const expected[][2] = {{"agx-orin", "cpu:0-11,gpu:0"},
                                       {"agx-orin@30W", "cpu:0-7,gpu:0"},
                                       {"agx-orin@15W", "cpu:0-3,gpu:0"},
                                       {"orin-nano", "cpu:0-5,gpu:0"},
                                       {"orin-nano@7W", "cpu:0-3,gpu:0"}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        spa_device *device = load(expected[i][0]);
        cr_assert_str_eq(spa_device_info_of(device)->default_lanes, expected[i][1]);
        spa_device_free(device);
    }
}

/* More power is never slower. (Between 50W and 30W the clocks and the cores go opposite ways.) */
Test(devices_shipped, the_strongest_mode_is_the_fastest_and_the_weakest_the_slowest)
{
    const struct {
        const char *device, *modes[4];
    } order[] = {{"agx-orin", {"MAXN", "50W", "30W", "15W"}},
                 {"orin-nano", {"MAXN_SUPER", "25W", "15W", "7W"}}};
    for (size_t d = 0; d < 2; d++) {
        for (uint32_t p = 0; p < 2; p++) {
            double ms[4];
            for (int m = 0; m < 4; m++) {
                ms[m] = network_ms(order[d].device, "resnet18", NULL, order[d].modes[m], NULL, p);
            }
            for (int m = 1; m < 3; m++) {
                cr_assert_lt(ms[0], ms[m], "%s %s", order[d].device, order[d].modes[m]);
                cr_assert_lt(ms[m], ms[3], "%s %s", order[d].device, order[d].modes[m]);
            }
        }
    }
}

Test(devices_shipped, orin_nano_is_slower_than_agx_orin)
{
    for (size_t i = 0; i < N_MODELS; i++) {
        for (uint32_t p = 0; p < 2; p++) {
            cr_assert_lt(network_ms("agx-orin", models[i], "pytorch-eager", NULL, NULL, p),
                         network_ms("orin-nano", models[i], "pytorch-eager", NULL, NULL, p));
        }
    }
}

/* Published whole-network times; the fits have their own, tighter tests. */
Test(devices_shipped, agx_orin_is_near_published_times)
{
    const struct {
        const char *model, *stack, *lanes;
        uint32_t p;
        double published_ms; /* ncnn benchmark; branes-ai/graphs, less a synchronisation per part */
    } points[] = {
        {"resnet18", "ncnn", "cpu:0,gpu:0", 0, 31.1},
        {"resnet18", "ncnn", NULL, 0, 6.92},
        {"resnet18", "ncnn", NULL, 1, 4.04},
        {"mobilenet_v2", "ncnn", "cpu:0", 0, 13.3},
        {"mobilenet_v2", "ncnn", NULL, 0, 4.17},
        {"mobilenet_v2", "ncnn", NULL, 1, 2.91},
        {"resnet18", "pytorch-eager", NULL, 1, 15.4},
        {"mobilenet_v2", "pytorch-eager", NULL, 1, 21},
        {"vit_b_16", "pytorch-eager", NULL, 1, 60.6},
    };
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        double ms = network_ms("agx-orin", points[i].model, points[i].stack, NULL, points[i].lanes,
                               points[i].p);
        double ratio = ms / points[i].published_ms;
        cr_assert(ratio > 0.7 && ratio < 1.4, "%s %s %s p%u: %.2f ms, published %.2f",
                  points[i].model, points[i].stack, points[i].lanes ? points[i].lanes : "default",
                  points[i].p, ms, points[i].published_ms);
    }
}

Test(devices_shipped, runs_outside_the_calibration_are_marked)
{
    const struct {
        const char *device, *stack, *mode;
        bool uncalibrated;
    } runs[] = {{"agx-orin", "ncnn", "MAXN", false},
                {"agx-orin", "ncnn", "15W", true},
                {"agx-orin", "darknet", NULL, false},
                {"orin-nano", "ncnn", NULL, true}};
    spa_graph graph;
    zoo(&graph, "resnet18", SPA_FP32);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        spa_device *device = load(runs[i].device);
        spa_costs costs;
        build(&costs, device, &graph, runs[i].stack, runs[i].mode, NULL);
        cr_assert_eq(costs.uncalibrated, runs[i].uncalibrated, "%s %s", runs[i].device,
                     runs[i].stack);
        spa_costs_fini(&costs);
        spa_device_free(device);
    }
    spa_graph_fini(&graph);
}

/* ---- crossover: the simulator itself says that a hybrid wins ----------------------------------
 */

static int64_t makespan(spa_evaluator *evaluator, const spa_schedule *schedule)
{
    spa_evaluation e = {0};
    expect_ok(spa_evaluate(evaluator, schedule, &e, err));
    return e.makespan_ns;
}

Test(devices_shipped, on_crossover_a_hybrid_beats_both_processors_by_15_percent_on_all_models)
{
    spa_device *device = load("crossover");
    for (size_t m = 0; m < N_MODELS; m++) {
        spa_graph graph;
        spa_costs costs;
        spa_schedule schedule;
        spa_evaluator *evaluator = NULL;
        zoo(&graph, models[m], SPA_FP32);
        build(&costs, device, &graph, NULL, NULL, NULL);
        expect_ok(spa_schedule_init(&schedule, graph.n_ops, err));
        expect_ok(spa_evaluator_new(&evaluator, &graph, &costs, true, err));
        int64_t single = INT64_MAX;
        for (uint8_t p = 0; p < 2; p++) {
            memset(schedule.processor, p, graph.n_ops);
            int64_t alone = makespan(evaluator, &schedule);
            if (alone < single) single = alone;
        }
        for (size_t i = 0; i < graph.n_ops; i++) { /* each where it is fastest */
            schedule.processor[i] =
                spa_cost_total_ns(&costs, i, 1) < spa_cost_total_ns(&costs, i, 0);
        }
        int64_t hybrid = makespan(evaluator, &schedule);
        cr_assert_lt((double)hybrid, 0.85 * (double)single, "%s: %lld against %lld ns", models[m],
                     (long long)hybrid, (long long)single);
        spa_evaluator_free(evaluator);
        spa_schedule_fini(&schedule);
        spa_costs_fini(&costs);
        spa_graph_fini(&graph);
    }
    spa_device_free(device);
}
