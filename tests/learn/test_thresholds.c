/* Labels: where the host stops being no slower than the accelerator. */
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "policies/learn/thresholds.h"
#include "tests/devices/scene.h"
#include "tests/oom.h"

/* ---- crossings ---- */

static const double steps[] = {0, 1, 2, 3, 4};

static void is(spa_crossing c, double at, spa_censor censor, bool several)
{
    cr_assert_float_eq(c.at, at, 1e-12, "%g, not %g", c.at, at);
    cr_assert_eq(c.censor, censor);
    cr_assert_eq(c.several, several);
}

Test(thresholds, a_single_crossing_lies_where_the_line_is_zero)
{
    const double up[] = {-3, -1, 3, 4, 5}, down[] = {5, 4, 3, -1, -3};
    is(spa_crossing_up(steps, up, 5, 9), 1.25, SPA_CROSSES, false);
    is(spa_crossing_down(steps, down, 5, 9), 2.75, SPA_CROSSES, false);
}

Test(thresholds, no_crossing_is_censored_with_the_end_of_the_grid)
{
    const double host[] = {1, 1, 0, 1, 1}, accelerator[] = {-1, -1, -1, -1, -1};
    is(spa_crossing_up(steps, host, 5, 9), 0, SPA_ALWAYS_HOST, false);
    is(spa_crossing_up(steps, accelerator, 5, 9), 9, SPA_ALWAYS_ACCELERATOR, false);
    is(spa_crossing_down(steps, host, 5, 9), 9, SPA_ALWAYS_HOST, false);
    is(spa_crossing_down(steps, accelerator, 5, 9), 0, SPA_ALWAYS_ACCELERATOR, false);
    is(spa_crossing_up(steps, host, 1, 9), 0, SPA_ALWAYS_HOST, false);
    is(spa_crossing_down(steps, accelerator, 1, 9), 0, SPA_ALWAYS_ACCELERATOR, false);
}

Test(thresholds, of_several_crossings_the_one_counts_behind_which_the_host_stays)
{
    const double twice[] = {1, -1, -1, 1, 1}, back[] = {1, 1, -1, 1, -1};
    is(spa_crossing_up(steps, twice, 5, 9), 2.5, SPA_CROSSES, true);
    is(spa_crossing_down(steps, back, 5, 9), 1.5, SPA_CROSSES, true);
    is(spa_crossing_up(steps, back, 5, 9), 9, SPA_ALWAYS_ACCELERATOR, true);
}

Test(thresholds, a_side_that_cannot_run_crosses_half_way)
{
    const double lead[] = {-INFINITY, INFINITY};
    is(spa_crossing_up(steps, lead, 2, 9), 0.5, SPA_CROSSES, false);
}

/* ---- grids from cost tables ---- */

static void grid_of(spa_time_grid *grid, const char *from, const char *to)
{
    spa_device *device = NULL;
    spa_graph graph;
    spa_costs_options o = spa_costs_options_default();
    const int32_t batch = 1;
    expect_ok(devices_load(&device, from, to, err));
    devices_tiny(&graph, 1, SPA_FP32);
    expect_ok(spa_time_grid_build(grid, device, NULL, &graph, &o, &batch, 1, err));
    spa_graph_fini(&graph);
    spa_device_free(device);
}

/* By hand, in us, k tenths of the convolution's 294912 MACs at 20 GMAC/s:
 *   cpu  0.1 launch + 0.2 fixed + 1.47456 k
 *   gpu  5 launch + 1 fixed + (29491.2 k / 100 GMAC/s) (1 + 1024 / (409.6 k)) = 6.73728 + 0.294912
 * k so they meet at k = 6.43728 / 1.179648 = 5.457. */
Test(thresholds, the_size_at_which_a_convolution_leaves_the_host_is_that_by_hand)
{
    spa_time_grid g;
    grid_of(&g, "conv.gmacs = 2 #", "conv.gmacs = 20 #");
    for (size_t k = 0; k < g.n_parts; k++) {
        double tenths = (double)(k + 1);
        cr_assert_float_eq(g.work[k * g.n_ops + TINY_CONV], 29491.2 * tenths, 1e-6);
        cr_assert_float_eq(spa_time_grid_ns(&g, k, 0, TINY_CONV, SPA_SIDE_HOST),
                           300 + 1474.56 * tenths, 1);
        cr_assert_float_eq(spa_time_grid_ns(&g, k, 0, TINY_CONV, SPA_SIDE_ACCELERATOR),
                           6737.28 + 294.912 * tenths, 1);
    }
    spa_label l = spa_label_of(&g, g.n_parts, 0, TINY_CONV);
    double a = 6437.28 - 5 * 1179.648, b = 6437.28 - 6 * 1179.648;
    double by_hand = log10(5 * 29491.2) + a / (a - b) * log10(1.2);
    cr_assert_eq(l.censor[SPA_BY_INTENSITY], SPA_CROSSES);
    cr_assert_float_eq(l.at[SPA_BY_INTENSITY], by_hand, 1e-4);
    /* The grid is fine enough: a hundredth of the true one. */
    cr_assert_float_eq(pow(10, l.at[SPA_BY_INTENSITY]) / 29491.2, 6437.28 / 1179.648, 0.05);
    /* No trace says what zeros save: more of them change nothing. */
    cr_assert_eq(l.censor[SPA_BY_SPARSITY], SPA_ALWAYS_ACCELERATOR);
    cr_assert_eq(l.at[SPA_BY_SPARSITY], SPA_GRID_NEVER);
    spa_time_grid_fini(&g);
}

Test(thresholds, what_is_better_on_one_side_all_along_is_censored)
{
    spa_time_grid g;
    grid_of(&g, NULL, NULL);
    spa_label conv = spa_label_of(&g, g.n_parts, 0, TINY_CONV);
    spa_label relu = spa_label_of(&g, g.n_parts, 0, TINY_RELU);
    cr_assert_eq(conv.censor[SPA_BY_INTENSITY], SPA_ALWAYS_ACCELERATOR);
    cr_assert_float_eq(conv.at[SPA_BY_INTENSITY], log10(29491.2), 1e-9);
    cr_assert_eq(relu.censor[SPA_BY_INTENSITY], SPA_ALWAYS_HOST);
    cr_assert_float_eq(relu.at[SPA_BY_INTENSITY], log10(2 * 4096), 1e-9);
    cr_assert_eq(relu.censor[SPA_BY_SPARSITY], SPA_ALWAYS_HOST);
    cr_assert_eq(relu.at[SPA_BY_SPARSITY], 0);
    spa_time_grid_fini(&g);
}

/* A label puts the operator where it is faster, at every point of a grid with one crossing; and the
 * definition, tried point by point. */
Test(thresholds, labels_agree_with_brute_force_on_random_grids)
{
    enum { LEVELS = SPA_GRID_LEVELS, SIZES = 6 };
    double level[LEVELS], work[SIZES], ns[SIZES * LEVELS * SPA_SIDES];
    int32_t batch[SIZES] = {1, 2, 4, 8, 16, 32};
    spa_time_grid g = {.n_ops = 1,
                       .n_sizes = SIZES,
                       .n_levels = LEVELS,
                       .batch = batch,
                       .level = level,
                       .work = work,
                       .ns = ns};
    size_t crossed = 0;
    spa_rng rng;
    spa_rng_init(&rng, 1, "test/labels");
    for (int l = 0; l < LEVELS; l++) level[l] = (double)l / (LEVELS - 1);
    for (int k = 0; k < SIZES; k++) work[k] = 1000.0 * batch[k];
    for (int trial = 0; trial < 500; trial++) {
        for (size_t i = 0; i < SIZES * LEVELS * SPA_SIDES; i++) ns[i] = 1 + spa_rng_below(&rng, 8);
        size_t size = spa_rng_below(&rng, SIZES);
        double zeros = level[spa_rng_below(&rng, LEVELS)];
        spa_label label = spa_label_of(&g, size, zeros, 0);
        for (int l = 0; l < LEVELS; l++) { /* from the threshold on, never slower */
            bool behind = level[l] >= label.at[SPA_BY_SPARSITY];
            double lead = spa_time_grid_ns(&g, size, level[l], 0, SPA_SIDE_ACCELERATOR) -
                          spa_time_grid_ns(&g, size, level[l], 0, SPA_SIDE_HOST);
            if (behind) cr_assert_geq(lead, 0);
            /* and just before it, slower */
            if (!behind && (l + 1 == LEVELS || level[l + 1] >= label.at[SPA_BY_SPARSITY]))
                cr_assert_lt(lead, 0);
        }
        for (int k = 0; k < SIZES; k++) {
            bool below = log10(work[k]) < label.at[SPA_BY_INTENSITY];
            double lead = spa_time_grid_ns(&g, (size_t)k, zeros, 0, SPA_SIDE_ACCELERATOR) -
                          spa_time_grid_ns(&g, (size_t)k, zeros, 0, SPA_SIDE_HOST);
            if (below) cr_assert_geq(lead, 0);
            if (!below && (k == 0 || log10(work[k - 1]) < label.at[SPA_BY_INTENSITY]))
                cr_assert_leq(lead, 0);
        }
        crossed += label.censor[SPA_BY_SPARSITY] == SPA_CROSSES;
    }
    cr_assert_gt(crossed, 50);
}

Test(thresholds, between_levels_times_are_linear)
{
    double level[] = {0, 0.5, 1}, work[] = {1}, ns[] = {10, 20, 30, 20, 10, 20};
    int32_t batch[] = {1};
    spa_time_grid g = {1, 1, 0, 3, batch, level, work, ns};
    cr_assert_float_eq(spa_time_grid_ns(&g, 0, 0.25, 0, SPA_SIDE_HOST), 20, 1e-12);
    cr_assert_float_eq(spa_time_grid_ns(&g, 0, 0.75, 0, SPA_SIDE_HOST), 20, 1e-12);
    cr_assert_float_eq(spa_time_grid_ns(&g, 0, 1, 0, SPA_SIDE_HOST), 10, 1e-12);
    cr_assert_float_eq(spa_time_grid_ns(&g, 0, 0.3, 0, SPA_SIDE_ACCELERATOR), 20, 1e-12);
}

Test(thresholds, other_batches_are_built_from_the_zoo)
{
    static const char *const search[] = {"devices/data", NULL};
    static const int32_t batches[] = {1, 16};
    spa_device *device = NULL;
    spa_graph graph, larger;
    spa_costs costs;
    spa_time_grid g;
    spa_costs_options o = spa_costs_options_default();
    expect_ok(spa_device_load(&device, "crossover", search, err));
    expect_ok(spa_zoo_build(&graph, "resnet18", 1, SPA_FP32, "relu50", err));
    expect_ok(spa_zoo_build(&larger, "resnet18", 16, SPA_FP32, "relu50", err));
    expect_ok(spa_costs_build(&costs, device, &larger, &o, err));
    expect_ok(spa_time_grid_build(&g, device, "resnet18", &graph, &o, batches, 2, err));
    cr_assert_eq(g.n_sizes, g.n_parts + 2);
    for (size_t i = 0; i < g.n_ops; i++) {
        cr_assert_eq(g.work[(g.n_parts + 1) * g.n_ops + i], spa_op_work(&larger.ops[i]));
        cr_assert_eq(spa_time_grid_ns(&g, g.n_parts + 1, 0.3, i, SPA_SIDE_HOST),
                     (double)spa_cost_total_ns(&costs, i, costs.host));
    }
    spa_time_grid_fini(&g);
    spa_costs_fini(&costs);
    spa_graph_fini(&larger);
    spa_graph_fini(&graph);
    spa_device_free(device);
}

Test(thresholds, one_processor_has_no_crossover)
{
    spa_device *device = devices_load_toy();
    spa_graph graph;
    spa_time_grid g;
    spa_costs_options o = spa_costs_options_default();
    const int32_t batch = 1;
    o.lanes = "cpu:0";
    devices_tiny(&graph, 1, SPA_FP32);
    expect_error_with(spa_time_grid_build(&g, device, NULL, &graph, &o, &batch, 1, err),
                      SPA_E_UNSUPPORTED, "there is none among lanes");
    spa_time_grid_fini(&g);
    spa_graph_fini(&graph);
    spa_device_free(device);
}

Test(thresholds, failing_allocations_are_reported_and_leak_nothing)
{
    spa_device *device = devices_load_toy();
    spa_graph graph;
    spa_costs_options o = spa_costs_options_default();
    const int32_t batch = 1;
    long n = 0;
    devices_tiny(&graph, 1, SPA_FP32);
    for (;; n++) {
        spa_time_grid g;
        spa_error e = {0};
        oom_fail_at(n);
        spa_status status = spa_time_grid_build(&g, device, NULL, &graph, &o, &batch, 1, &e);
        bool failed = oom_failed();
        oom_off();
        spa_time_grid_fini(&g);
        if (!failed) break;
        cr_assert_eq(status, SPA_E_NOMEM, "%ld: %s", n, e.message);
    }
    cr_assert_gt(n, 10);
    spa_graph_fini(&graph);
    spa_device_free(device);
}
