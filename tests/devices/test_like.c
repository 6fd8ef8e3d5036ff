/* Stacks that are like another one but for factors that nobody measured, which are ranges. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/text.h"
#include "tests/devices/scene.h"
#include "tests/oom.h"
#include "traces/rewrite.h"

static spa_graph graph;
static spa_costs costs;
static spa_device *device;

#define SECTION                                                                                    \
    "[stack fast]\nlike = own\nsummary = faster kernels\n"                                         \
    "gpu.kernel_factor = 0.5 [0.25, 2] # assumed: toy\n"                                           \
    "gpu.launch_cycles = 1000 [500, 5000] # derived: toy\n"

static spa_status load(const char *section, spa_error *err)
{
    spa_string text = {0};
    spa_string_append(&text, "%s%s", devices_toy, section);
    spa_status status = devices_load_text(&device, text.text, NULL, NULL, "", err);
    spa_string_fini(&text);
    return status;
}

static spa_status build(const char *stack, spa_range_end end, spa_error *err)
{
    spa_costs_options options = spa_costs_options_default();
    options.stack = stack;
    options.range = end;
    spa_costs_fini(&costs);
    return spa_costs_build(&costs, device, &graph, &options, err);
}

static int64_t kernel(size_t op, uint32_t p)
{
    return spa_cost(&costs, op, p)->kernel_ns;
}

static void drop(void)
{
    spa_costs_fini(&costs);
    spa_graph_fini(&graph);
    spa_device_free(device);
}

TestSuite(devices_like, .fini = drop);

Test(devices_like, a_factor_is_of_computing_and_a_launch_of_every_kind)
{
    expect_ok(load(SECTION, err));
    devices_tiny(&graph, 1, SPA_FP32);
    expect_ok(build("fast", SPA_RANGE_MID, err));
    /* As in test_equation.c, 3.6864 us, but half of it, + 1 us that a kernel takes anyway. */
    cr_assert_eq(kernel(TINY_CONV, 1), 2843);
    /* bound by bandwidth: a faster kernel moves bytes no faster */
    cr_assert_eq(kernel(TINY_LINEAR, 1), 4605);
    cr_assert_eq(spa_cost(&costs, TINY_CONV, 1)->launch_ns, 1000);
    cr_assert_eq(spa_cost(&costs, TINY_LINEAR, 1)->launch_ns, 1000);
    /* nothing is said of the CPU: as the stack that it is like */
    cr_assert_eq(kernel(TINY_CONV, 0), 147656);
    cr_assert_eq(spa_cost(&costs, TINY_CONV, 0)->launch_ns, 100);
    cr_assert_str_eq(costs.stack, "fast");
    cr_assert_eq(costs.run_cv, 0.05); /* as there */
    cr_assert(costs.uncalibrated, "nothing of it was measured on the device");
    cr_assert_eq(costs.origin, SPA_ORIGIN_MODELLED);
}

Test(devices_like, a_range_has_two_ends)
{
    expect_ok(load(SECTION, err));
    devices_tiny(&graph, 1, SPA_FP32);
    expect_ok(build("fast", SPA_RANGE_LOW, err));
    cr_assert_eq(kernel(TINY_CONV, 1), 1922); /* 3.6864 / 4 + 1 */
    cr_assert_eq(spa_cost(&costs, TINY_CONV, 1)->launch_ns, 500);
    uint64_t low = costs.hash;
    expect_ok(build("fast", SPA_RANGE_HIGH, err));
    cr_assert_eq(kernel(TINY_CONV, 1), 8373); /* 3.6864 * 2 + 1 */
    cr_assert_eq(spa_cost(&costs, TINY_CONV, 1)->launch_ns, 5000);
    cr_assert_neq(costs.hash, low);
    /* A stack without a range is the same at every end. */
    expect_ok(build("own", SPA_RANGE_LOW, err));
    cr_assert_eq(kernel(TINY_CONV, 1), 4686);
}

/* The factor holds for what it computes in: the gain of fp16 is in it, not beside it. */
Test(devices_like, it_may_compute_in_another_type)
{
    expect_ok(load(SECTION "computes = fp16\nrun_cv = 0.01 # assumed: toy\n", err));
    devices_tiny(&graph, 1, SPA_FP32);
    expect_ok(build("fast", SPA_RANGE_MID, err));
    cr_assert_eq(kernel(TINY_CONV, 1), 2843);
    /* half of the bytes: 180264 / 2 / 50e9 = 1.80264 us + 1 us */
    cr_assert_eq(kernel(TINY_LINEAR, 1), 2803);
    cr_assert_eq(costs.computes, SPA_FP16);
    cr_assert_eq(costs.run_cv, 0.01);
}

Test(devices_like, what_is_not_measured_needs_a_range)
{
    static const struct {
        const char *line, *part;
    } bad[] = {
        {"gpu.kernel_factor = 0.5 # assumed: toy", "is not measured and has no range"},
        {"gpu.kernel_factor = 0.5 # derived: toy", "is not measured and has no range"},
        {"gpu.kernel_factor = 0.5 [0.6, 2] # assumed: toy", "is not within its range"},
        {"gpu.kernel_factor = 3 [0.6, 2] # assumed: toy", "is not within its range"},
        {"gpu.kernel_factor = 0.5 [0.25 2] # assumed: toy", "is no range"},
        {"gpu.kernel_factor = 0.5 [0.25, 2 # assumed: toy", "is no range"},
        {"gpu.kernel_factor = 0.5 [0.25, x] # assumed: toy", "'x'"},
        {"gpu.kernel_factor = 0 [0, 2] # assumed: toy", "kernel_factor"},
        {"gpu.kernel_factor = 0.5 [0.25, 2]", "has no source"},
        {"gpu.kernel_facto = 0.5 [0.25, 2] # assumed: toy", "kernel_factor"},
        {"gpu.async = yes", "async"},
        {"computes = fp61", "unknown dtype 'fp61'; did you mean 'fp16'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spa_error why = {0};
        char text[300];
        snprintf(text, sizeof text, "[stack fast]\nlike = own\nsummary = x\n%s\n", bad[i].line);
        cr_assert_neq(load(text, &why), SPA_OK, "%s", bad[i].line);
        cr_assert(strstr(why.message, bad[i].part), "%s: %s", bad[i].line, why.message);
        cr_assert(strstr(why.message, "toy.device:"), "%s", why.message);
    }
    expect_ok(load("[stack fast]\nlike = own\nsummary = x\n"
                   "gpu.launch_cycles = 700 # measured: toy\n",
                   err));
}

Test(devices_like, the_other_stack_must_have_rates_of_its_own)
{
    expect_error_with(load("[stack fast]\nlike = onw\nsummary = x\n", err), SPA_E_NOT_FOUND,
                      "unknown stack with rates of its own 'onw'; did you mean 'own'");
    expect_error_with(load(SECTION "[stack faster]\nlike = fast\nsummary = x\n", err),
                      SPA_E_NOT_FOUND,
                      "[stack faster] like: unknown stack with rates of its own 'fast'");
    expect_error_with(load(SECTION "[rates fast gpu]\nbandwidth_gbs = 1 # assumed: toy\n", err),
                      SPA_E_NOT_FOUND, "unknown section 'rates fast gpu'");
}

/* ncnn's and darknet's rates were fitted to operators with batch norm and activation in them. */
Test(devices_like, fused_graphs_are_refused_where_rates_are_of_folded_operators)
{
    static const char *const search[] = {"devices/data", NULL};
    spa_graph fused;
    expect_ok(spa_device_load(&device, "agx-orin", search, err));
    expect_ok(spa_zoo_build(&graph, "resnet18", 1, SPA_FP32, "relu50", err));
    expect_ok(spa_rewrite_fuse_tensorrt(&fused, &graph, err));
    spa_graph_fini(&graph);
    graph = fused;
    expect_error_with(build("ncnn", SPA_RANGE_MID, err), SPA_E_UNSUPPORTED, "would count twice");
    expect_error_with(build("darknet", SPA_RANGE_MID, err), SPA_E_UNSUPPORTED, "'darknet'");
    expect_ok(build("tensorrt", SPA_RANGE_MID, err));
    expect_ok(build("pytorch-eager", SPA_RANGE_MID, err));
}

/* A published profile: 0.277 ms on 30 SMs at 1.425 GHz are 0.277 * 30 * 1.425 / (16 * 1.3005) =
 * 0.569 ms of this GPU, with 23 kernels. The fast end is fitted to it. */
Test(devices_like, tensorrts_fast_end_is_the_published_profile)
{
    static const char *const search[] = {"devices/data", NULL};
    spa_graph fused;
    double us = 0;
    expect_ok(spa_device_load(&device, "agx-orin", search, err));
    expect_ok(spa_zoo_build(&graph, "resnet18", 1, SPA_FP32, "relu50", err));
    expect_ok(spa_rewrite_fuse_tensorrt(&fused, &graph, err));
    spa_graph_fini(&graph);
    graph = fused;
    expect_ok(build("tensorrt-fp16", SPA_RANGE_LOW, err));
    for (size_t i = 0; i < graph.n_ops; i++) us += (double)kernel(i, 1) * 1e-3;
    cr_log_info("%.1f us\n", us);
    cr_assert_float_eq(us, 569, 0.02 * 569, "%g us", us);
}

Test(devices_like, every_failing_allocation_is_a_clean_error)
{
    char folder[] = "/tmp/spa-like-XXXXXX", path[64];
    spa_string text = {0};
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/toy.device", folder);
    spa_string_append(&text, "%s%s", devices_toy, SECTION);
    cr_assert_eq(spa_write_file(path, text.text, text.length, NULL), SPA_OK);
    spa_string_fini(&text);
    for (long n = 0;; n++) {
        static const char *const nowhere[] = {NULL};
        spa_error why = {0};
        oom_fail_at(n);
        spa_status status = spa_device_load(&device, path, nowhere, &why);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", why.message);
            break;
        }
        /* names for suggestions are allowed to get lost (base/ini.c) */
        cr_assert(status == SPA_E_NOMEM || status == SPA_OK, "%ld: %s", n, why.message);
        spa_device_free(device);
        device = NULL;
    }
    remove(path);
    rmdir(folder);
}
