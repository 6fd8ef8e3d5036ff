/* What other power modes make of a cost table. */
#include <math.h>
#include "sim/conditions.h"
#include "tests/devices/scene.h"
#include "traces/zoo.h"

static const char *const search[] = {"devices/data", NULL};

static void build(spa_costs *costs, const spa_device *device, const spa_graph *graph,
                  const char *stack, const char *mode, const char *lanes)
{
    spa_costs_options options = spa_costs_options_default();
    options.stack = stack;
    options.mode = mode;
    options.lanes = lanes;
    expect_ok(spa_costs_build(costs, device, graph, &options, err));
}

static void expect_transfers(const spa_costs *a, uint32_t mode, const spa_costs *there)
{
    size_t n = a->n_tensors * a->n_processors * a->n_processors;
    for (size_t i = 0; i < n; i++) {
        double ns = (double)there->transfer_ns[i];
        cr_assert_float_eq((double)a->modes[mode].transfer_ns[i], ns, 2 + 1e-3 * ns);
    }
}

/* A table in one mode says of another one what that one's own table says, to the rounding of both
 * to whole ns. */
static void agree(const char *name, const char *stack, const char *lanes, const char *from,
                  const char *to)
{
    spa_device *device;
    spa_graph graph;
    spa_costs a, b;
    expect_ok(spa_device_load(&device, name, search, err));
    expect_ok(spa_zoo_build(&graph, "mobilenet_v2", 1, SPA_FP32, "relu50", err));
    build(&a, device, &graph, stack, from, lanes);
    build(&b, device, &graph, stack, to, lanes);
    uint32_t m = 0;
    while (strcmp(a.modes[m].name, to) != 0) m++;
    cr_assert_eq(m, b.own_mode);
    cr_assert_null(a.modes[m].unusable);
    for (size_t i = 0; i < a.n_ops; i++) {
        for (uint32_t p = 0; p < a.n_processors; p++) {
            double ns = (double)spa_cost(&a, i, p)->kernel_ns / spa_cost_speed(&a, m, 1, i, p);
            double there = (double)spa_cost(&b, i, p)->kernel_ns;
            cr_assert_float_eq(ns, there, 1 + 1e-3 * there, "%s on %u: %g ns, not %g",
                               graph.ops[i].name, p, ns, there);
            cr_assert_float_eq(spa_cost_power(&a, m, i, p), spa_cost(&b, i, p)->dynamic_w,
                               1e-4 * spa_cost(&b, i, p)->dynamic_w + 1e-9);
            cr_assert_float_eq(a.modes[m].ops[i * a.n_processors + p].dram_share,
                               spa_cost(&b, i, p)->dram_share, 2e-3);
            const spa_op_speed *s = &a.modes[m].ops[i * a.n_processors + p];
            if (spa_cost(&a, i, p)->kernel_ns <= 0) continue;
            cr_assert_float_eq(s->pressure, spa_cost(&b, i, p)->pressure, 1e-5); /* 4 cores, 12 */
            cr_assert_float_eq(s->capacity_share, spa_cost(&b, i, p)->capacity_share, 1e-5);
        }
    }
    expect_transfers(&a, m, &b);
    for (uint32_t p = 0; p < a.n_processors; p++)
        cr_assert_float_eq(spa_dispatch_power(&a, m, p), b.processors[p].dispatch_w, 1e-6);
    cr_assert_float_eq(spa_mode_base(&a, m), b.base_w, 1e-12);
    cr_assert_float_eq(a.modes[m].clock_ratio[a.host], b.host_hz / a.host_hz, 1e-12);
    spa_costs_fini(&a);
    spa_costs_fini(&b);
    spa_graph_fini(&graph);
    spa_device_free(device);
}

Test(devices_modes, a_mode_seen_from_another_is_its_own_table)
{
    agree("agx-orin", "pytorch-eager", NULL, "MAXN", "15W");
    agree("agx-orin", "ncnn", NULL, "MAXN", "30W");
    agree("agx-orin", "ncnn", NULL, "50W", "MAXN");
    agree("agx-orin", "ncnn", "cpu:0-1,cpu:2-3,gpu:0", "MAXN", "15W");
    agree("orin-nano", "ncnn", NULL, "MAXN_SUPER", "15W");
}

/* A transfer that takes three times as long does so in every mode. */
Test(devices_modes, scaled_transfers_are_scaled_in_other_modes_too)
{
    spa_device *device;
    spa_graph graph;
    spa_costs a, b;
    spa_costs_options options = spa_costs_options_default();
    expect_ok(spa_device_load(&device, "agx-orin", search, err));
    expect_ok(spa_zoo_build(&graph, "mobilenet_v2", 1, SPA_FP32, "relu50", err));
    options.scale_transfer = 3;
    options.mode = "15W";
    expect_ok(spa_costs_build(&b, device, &graph, &options, err));
    options.mode = "MAXN";
    expect_ok(spa_costs_build(&a, device, &graph, &options, err));
    uint32_t m = spa_mode_find(&a, "15W");
    expect_transfers(&a, m, &b);
    cr_assert_lt(spa_transfer_speed(&a, m, 0, 0, 1), 1);
    spa_costs_fini(&a);
    spa_costs_fini(&b);
    spa_graph_fini(&graph);
    spa_device_free(device);
}

/* With the clock at half, nothing is faster and nothing takes more than twice as long; what is
 * bound by memory behind the clock takes as long as before. */
Test(devices_modes, a_lower_clock_slows_down_at_most_in_proportion)
{
    spa_device *device;
    spa_graph graph;
    spa_costs c;
    size_t between = 0;
    expect_ok(spa_device_load(&device, "agx-orin", search, err));
    expect_ok(spa_zoo_build(&graph, "resnet18", 1, SPA_FP32, "relu50", err));
    build(&c, device, &graph, "ncnn", NULL, NULL);
    for (size_t i = 0; i < c.n_ops; i++) {
        for (uint32_t p = 0; p < c.n_processors; p++) {
            double speed = spa_cost_speed(&c, c.own_mode, 0.5, i, p);
            if (spa_cost(&c, i, p)->kernel_ns <= 0) continue;
            cr_assert(speed > 0.499 && speed <= 1.001, "%s: %g", graph.ops[i].name, speed);
            between += speed > 0.6;
        }
    }
    cr_assert_gt(between, 0);
    cr_assert_eq(spa_cost_speed(&c, c.own_mode, 1, 0, 0), 1);
    spa_costs_fini(&c);
    spa_graph_fini(&graph);
    spa_device_free(device);
}

/* 12 cores in lanes of 1: mode 15W has 4 online. One lane of 12 shrinks to 4. */
Test(devices_modes, lanes_that_do_not_fit_a_mode_are_named)
{
    spa_device *device;
    spa_graph graph;
    spa_costs c;
    expect_ok(spa_device_load(&device, "agx-orin", search, err));
    expect_ok(spa_zoo_build(&graph, "resnet18", 1, SPA_FP32, "relu50", err));
    build(&c, device, &graph, "pytorch-eager", NULL,
          "cpu:0,cpu:1,cpu:2,cpu:3,cpu:4,cpu:5,cpu:6,cpu:7,gpu:0");
    uint32_t m = 0;
    while (strcmp(c.modes[m].name, "15W") != 0) m++;
    cr_assert_str_eq(c.modes[m].unusable, "8 lanes of 1 cores do not fit its 4 cores online");
    spa_costs_fini(&c);
    spa_graph_fini(&graph);
    spa_device_free(device);
}
