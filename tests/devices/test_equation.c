/* The cost equation, by hand, on the toy device (scene.c).
 *
 * conv: 9 * 8 * 16 * 256 = 294912 MACs; bytes 4 * (8*256 + 16*256 + 9*8*16) = 29184.
 * relu: 4096 operations; 32768 bytes. linear: 40960 MACs; bytes 4 * (4096 + 10 + 40960) = 180264.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "tests/devices/scene.h"
#include "tests/oom.h"

static spa_graph graph;
static spa_costs costs;
static spa_device *device;

static void build(const char *lanes, const char *mode)
{
    spa_costs_options options = spa_costs_options_default();
    options.lanes = lanes;
    options.mode = mode;
    expect_ok(spa_costs_build(&costs, device, &graph, &options, err));
}

static void begin(int32_t batch, spa_dtype dtype, const char *lanes, const char *mode)
{
    device = devices_load_toy();
    devices_tiny(&graph, batch, dtype);
    build(lanes, mode);
}

static void drop(void)
{
    spa_costs_fini(&costs);
    spa_graph_fini(&graph);
    spa_device_free(device);
}

static int64_t kernel(size_t op, uint32_t p)
{
    return spa_cost(&costs, op, p)->kernel_ns;
}

#define near_to(x, expected) cr_assert_float_eq((double)(x), (expected), 1e-6)

Test(devices_equation, one_core_runs_at_its_rate)
{
    begin(1, SPA_FP32, "cpu:0,gpu:0", NULL);
    /* 294912 / 2e9 = 147.456 us (bytes: 2.9 us) + 200 cycles at 1 GHz */
    cr_assert_eq(kernel(TINY_CONV, 0), 147656);
    /* 4096 / 1e9 = 4.096 us (bytes: 3.277 us) + 0.2 us */
    cr_assert_eq(kernel(TINY_RELU, 0), 4296);
    /* 40960 / 1e9 = 40.96 us (bytes: 18.03 us) + 0.2 us */
    cr_assert_eq(kernel(TINY_LINEAR, 0), 41160);
    cr_assert_eq(spa_cost(&costs, TINY_CONV, 0)->launch_ns, 100); /* 100 cycles at 1 GHz */
    cr_assert_eq(costs.origin, SPA_ORIGIN_MODELLED);
    drop();
}

Test(devices_equation, an_accelerator_saturates_with_the_size_of_the_output)
{
    begin(1, SPA_FP32, "cpu:0,gpu:0", NULL);
    /* 4096 / (4096 + 1024) = 0.8: 294912 / 80e9 = 3.6864 us + 500 cycles at 500 MHz */
    cr_assert_eq(kernel(TINY_CONV, 1), 4686);
    near_to(spa_cost(&costs, TINY_CONV, 1)->capacity_share, 0.8F);
    /* bound by bandwidth: 180264 / 50e9 = 3.60528 us + 1 us; 40960 / 100e9 = 0.41 us */
    cr_assert_eq(kernel(TINY_LINEAR, 1), 4605);
    cr_assert_eq(spa_cost(&costs, TINY_LINEAR, 1)->launch_ns, 5000); /* 5000 host cycles */
    drop();
}

Test(devices_equation, a_larger_batch_fills_more_of_an_accelerator)
{
    begin(4, SPA_FP32, "cpu:0,gpu:0", NULL);
    /* 16384 / 17408 of 100e9: 4 * 294912 / 94.1176e9 = 12.53376 us + 1 us, not 4 * 3.6864 */
    cr_assert_eq(kernel(TINY_CONV, 1), 13534);
    drop();
}

Test(devices_equation, more_cores_follow_amdahl_and_pay_a_barrier)
{
    begin(1, SPA_FP32, "cpu:all,gpu:0", NULL);
    /* min(4, 3) cores: S = 1 / (0.5 + 0.5/3) = 1.5; 147.456 / 1.5 = 98.304 us
     * + 200 + 1000 + 4 * 100 cycles */
    cr_assert_eq(kernel(TINY_CONV, 0), 99904);
    /* bandwidth min(4 * 10, 25): 180264 / 25e9 = 7.2 us; 40.96 / 1.5 = 27.30667 us + 1.6 us */
    cr_assert_eq(kernel(TINY_LINEAR, 0), 28907);
    cr_assert_eq(costs.processors[0].cores_per_lane, 4);
    cr_assert_str_eq(costs.lanes, "cpu:0-3,gpu:0");
    drop();
}

Test(devices_equation, two_lanes_share_the_cores_of_a_processor)
{
    begin(1, SPA_FP32, "cpu:0,cpu:1,gpu:0,gpu:1", NULL);
    cr_assert_eq(costs.processors[0].n_lanes, 2);
    cr_assert_eq(costs.processors[1].n_lanes, 2);
    near_to(spa_cost(&costs, TINY_CONV, 0)->capacity_share, 0.25F); /* one of four cores */
    cr_assert_eq(kernel(TINY_CONV, 0), 147656);
    drop();
}

Test(devices_equation, halving_every_speed_doubles_every_time)
{
    begin(1, SPA_FP32, "cpu:all,gpu:0", "fast");
    spa_costs fast = costs;
    build("cpu:all,gpu:0", "slow");
    for (size_t i = 0; i < TINY_OPS * 2; i++) {
        cr_assert_leq(llabs(costs.ops[i].kernel_ns - 2 * fast.ops[i].kernel_ns), 1);
        cr_assert_eq(costs.ops[i].launch_ns, 2 * fast.ops[i].launch_ns);
    }
    for (size_t t = 0; t < costs.n_tensors; t++) { /* up: no part of it is constant */
        int64_t up = spa_transfer_ns(&costs, t, 0, 1);
        cr_assert_leq(llabs(up - 2 * spa_transfer_ns(&fast, t, 0, 1)), 1);
    }
    cr_assert(!fast.uncalibrated);
    cr_assert(costs.uncalibrated); /* [calibration] own = fast */
    spa_costs_fini(&fast);
    drop();
}

Test(devices_equation, fewer_units_are_slower_and_easier_to_fill)
{
    begin(1, SPA_FP32, "cpu:all,gpu:0", "small");
    /* half the units: 50e9 * 4096 / (4096 + 512) = 44.444e9; 294912 / that = 6.63552 us + 1 us */
    cr_assert_eq(kernel(TINY_CONV, 1), 7636);
    cr_assert_str_eq(costs.lanes, "cpu:0-1,gpu:0"); /* two cores are online */
    /* S = 1 / 0.75: 147.456 * 0.75 = 110.592 us + 200 + 1000 + 2 * 100 cycles */
    cr_assert_eq(kernel(TINY_CONV, 0), 111992);
    drop();
}

Test(devices_equation, fp16_halves_the_bytes_and_raises_the_rate_by_its_factor)
{
    begin(1, SPA_FP16, "cpu:0,gpu:0", NULL);
    /* 3.6864 / 2 = 1.8432 us + 1 us */
    cr_assert_eq(kernel(TINY_CONV, 1), 2843);
    /* half of 3.60528 us + 1 us */
    cr_assert_eq(kernel(TINY_LINEAR, 1), 2803);
    /* no factor for the CPU: compute as before */
    cr_assert_eq(kernel(TINY_CONV, 0), 147656);
    /* 8192 bytes / 5e9 = 1.6384 us + 2 us */
    cr_assert_eq(spa_transfer_ns(&costs, TINY_CONV, 0, 1), 3638);
    drop();
}

Test(devices_equation, a_stack_that_computes_in_fp16_moves_half_the_bytes_of_any_graph)
{
    expect_ok(devices_load(&device, "blocking_sync = no\n", "blocking_sync = no\ncomputes = fp16\n",
                           err));
    devices_tiny(&graph, 1, SPA_FP32);
    build("cpu:0,gpu:0", NULL);
    cr_assert_eq(kernel(TINY_CONV, 1), 4686); /* its rates are for what it computes in */
    cr_assert_eq(kernel(TINY_LINEAR, 1), 2803);
    cr_assert_eq(spa_transfer_ns(&costs, TINY_CONV, 0, 1), 3638);
    drop();
}

Test(devices_equation, transfers_are_latency_synchronisation_and_bytes)
{
    begin(1, SPA_FP32, "cpu:0,gpu:0", NULL);
    /* up: 2000 cycles = 2 us, 16384 / 5e9 = 3.2768 us; down: zero copy, 1 us + 4000 cycles */
    cr_assert_eq(spa_transfer_ns(&costs, TINY_CONV, 0, 1), 5277);
    cr_assert_eq(spa_transfer_ns(&costs, TINY_CONV, 1, 0), 5000);
    /* the graph's input: 8192 / 5e9 = 1.6384 us */
    cr_assert_eq(spa_transfer_ns(&costs, TINY_OPS, 0, 1), 3638);
    cr_assert_eq(costs.links[0][1].issue_ns, 300);
    near_to(costs.links[0][1].dram_share, 0.1F); /* 2 * 5 of 100 GB/s */
    near_to(costs.links[1][0].dram_share, 0);
    cr_assert_eq(costs.n_links, 2);
    cr_assert_neq(costs.links[0][1].id, costs.links[1][0].id);
    drop();
}

Test(devices_equation, a_view_costs_nothing_anywhere)
{
    begin(1, SPA_FP32, "cpu:all,gpu:0", NULL);
    for (uint32_t p = 0; p < 2; p++) {
        cr_assert_eq(kernel(TINY_RESHAPE, p), 0);
        cr_assert_eq(spa_cost(&costs, TINY_RESHAPE, p)->launch_ns, 0);
        near_to(spa_cost(&costs, TINY_RESHAPE, p)->dynamic_w, 0);
    }
    drop();
}

Test(devices_equation, a_folded_kind_costs_nothing_behind_what_it_is_folded_into)
{
    expect_ok(devices_load(&device, "blocking_sync = no\n",
                           "blocking_sync = no\nfolds = relu, batch_norm\n", err));
    devices_tiny(&graph, 1, SPA_FP32);
    build("cpu:0,gpu:0", NULL);
    for (uint32_t p = 0; p < 2; p++) {
        cr_assert_eq(kernel(TINY_RELU, p), 0);
        cr_assert_eq(spa_cost(&costs, TINY_RELU, p)->launch_ns, 0);
    }
    cr_assert_eq(kernel(TINY_CONV, 0), 147656);
    drop();
}

Test(devices_equation, power_follows_cores_clock_and_fill)
{
    begin(1, SPA_FP32, "cpu:all,gpu:0", NULL);
    near_to(spa_cost(&costs, TINY_CONV, 0)->dynamic_w, 8); /* 4 cores * 2 W/GHz * 1 GHz */
    near_to(spa_cost(&costs, TINY_CONV, 1)->dynamic_w, 8); /* 10 W * 0.8 */
    near_to(costs.processors[0].dispatch_w, 2);            /* one core */
    near_to(costs.processors[1].dispatch_w, 0);
    near_to(costs.base_w, 5);
    near_to(costs.processors[0].idle_w, 1);
    drop();
}

Test(devices_equation, bandwidth_and_pressure_are_what_contention_needs)
{
    begin(1, SPA_FP32, "cpu:all,gpu:0", NULL);
    /* 29184 bytes in 4.6864 us = 6.2274 GB/s of 100 */
    cr_assert_float_eq(spa_cost(&costs, TINY_CONV, 1)->dram_share, 0.062274, 1e-5);
    near_to(spa_cost(&costs, TINY_CONV, 0)->pressure, 2); /* 4 cores * 0.5 */
    near_to(spa_cost(&costs, TINY_CONV, 1)->pressure, 2);
    near_to(costs.processors[1].slow_a, 0.2F);
    near_to(costs.processors[1].slow_b, 0.02F);
    near_to(spa_cost(&costs, TINY_CONV, 1)->noise_cv, 0.03F);
    near_to(costs.run_cv, 0.05);
    drop();
}

Test(devices_equation, launches_transfers_and_noise_can_be_scaled)
{
    begin(1, SPA_FP32, "cpu:all,gpu:0", NULL);
    int64_t transfer = spa_transfer_ns(&costs, TINY_CONV, 0, 1);
    int64_t latency = costs.links[0][1].latency_ns;
    int32_t launch = spa_cost(&costs, TINY_CONV, 1)->launch_ns;
    float noise = spa_cost(&costs, TINY_CONV, 1)->noise_cv;
    double run_cv = costs.run_cv;
    uint64_t hash = costs.hash;
    cr_assert(launch > 0 && transfer > 0 && !costs.uncalibrated);
    spa_costs_fini(&costs);
    spa_costs_options options = spa_costs_options_default();
    options.lanes = "cpu:all,gpu:0";
    expect_ok(spa_costs_build(&costs, device, &graph, &options, err));
    cr_assert_eq(costs.hash, hash); /* 1 is what it was */
    spa_costs_fini(&costs);
    options.scale_launch = 2;
    options.scale_transfer = 3;
    options.scale_noise = 0.5;
    expect_ok(spa_costs_build(&costs, device, &graph, &options, err));
    cr_assert_eq(spa_cost(&costs, TINY_CONV, 1)->launch_ns, 2 * launch);
    cr_assert_eq(spa_transfer_ns(&costs, TINY_CONV, 0, 1), 3 * transfer);
    cr_assert_eq(costs.links[0][1].latency_ns, 3 * latency);
    near_to(spa_cost(&costs, TINY_CONV, 1)->noise_cv, noise / 2);
    near_to(costs.run_cv, run_cv / 2);
    cr_assert_eq(kernel(TINY_CONV, 1), 4686);
    cr_assert(costs.uncalibrated && costs.hash != hash);
    spa_costs_fini(&costs);
    options.scale_launch = -1;
    expect_error_with(spa_costs_build(&costs, device, &graph, &options, err), SPA_E_RANGE,
                      "launch scale -1");
    drop();
}

Test(devices_equation, contention_can_be_scaled_and_switched_off)
{
    begin(1, SPA_FP32, "cpu:all,gpu:0", NULL);
    spa_costs_fini(&costs);
    spa_costs_options options = spa_costs_options_default();
    options.scale_contention = 0;
    expect_ok(spa_costs_build(&costs, device, &graph, &options, err));
    near_to(spa_cost(&costs, TINY_CONV, 1)->dram_share, 0);
    near_to(costs.links[0][1].dram_share, 0);
    near_to(costs.processors[1].slow_a, 0);
    cr_assert_eq(kernel(TINY_CONV, 1), 4686);
    spa_costs_fini(&costs);
    options.scale_contention = 2;
    expect_ok(spa_costs_build(&costs, device, &graph, &options, err));
    near_to(costs.processors[1].slow_a, 0.4F);
    spa_costs_fini(&costs);
    options.scale_contention = NAN;
    expect_error_with(spa_costs_build(&costs, device, &graph, &options, err), SPA_E_RANGE, "nan");
    drop();
}

Test(devices_equation, a_kind_may_have_a_rate_launch_and_bandwidth_of_its_own)
{
    expect_ok(devices_load(&device, "linear.gmacs = 100 # assumed: toy\n",
                           "linear.gmacs = 100 # assumed: toy\n"
                           "linear.gbs = 25 # assumed: toy\n"
                           "relu.gops = 1 # assumed: toy\n"
                           "relu.launch_cycles = 70 # assumed: toy\n"
                           "relu.kernel_cycles = 0 # assumed: toy\n"
                           "conv3x3.gmacs = 200 # assumed: toy\n",
                           err));
    devices_tiny(&graph, 1, SPA_FP32);
    build("cpu:0,gpu:0", NULL);
    cr_assert_eq(kernel(TINY_LINEAR, 1), 8211); /* 180264 / 25e9 = 7.21056 us + 1 us */
    cr_assert_eq(kernel(TINY_RELU, 1), 4096);
    cr_assert_eq(spa_cost(&costs, TINY_RELU, 1)->launch_ns, 70);
    cr_assert_eq(kernel(TINY_CONV, 1), 2843); /* twice the rate, conv's x_half: 1.8432 + 1 us */
    drop();
}

/* 4 rows of 8 to 8 in each of 2 samples: 512 MACs. */
static void linear_rows(spa_graph *g, int32_t rows)
{
    int32_t from = SPA_GRAPH_INPUT(0), at;
    spa_op_attrs none = {0};
    spa_shape shape = {3, {2, rows, 8}};
    spa_graph_init(g, "rows", 2, SPA_FP32);
    g->n_graph_inputs = 1;
    g->graph_inputs[0] = shape;
    expect_ok(spa_graph_add(g, "linear", SPA_OP_LINEAR, &none, &from, 1, &shape, &at, err));
    expect_ok(spa_graph_finish(g, err));
}

Test(devices_equation, a_product_of_matrices_may_have_another_rate_than_one_with_a_vector)
{
    const char *const extra[] = {"linear_rows.gmacs = 0.004 # assumed: toy\n",
                                 "linear_rows.like = matmul\nmatmul.gmacs = 0.004 # assumed: toy\n",
                                 "relu.like = sigmoid\n"};
    const int64_t expected[] = {128200, 128200, 712}; /* 512 MACs at 4e6/s or at 1e9/s, + 200 ns */
    for (int i = 0; i < 3; i++) {
        char to[200];
        snprintf(to, sizeof to, "linear.gmacs = 1 # assumed: toy\n%s", extra[i]);
        expect_ok(devices_load(&device, "linear.gmacs = 1 # assumed: toy\n", to, err));
        linear_rows(&graph, 4);
        build("cpu:0", NULL);
        cr_assert_eq(kernel(0, 0), expected[i], "%d: %lld", i, (long long)kernel(0, 0));
        drop();
        expect_ok(devices_load(&device, "linear.gmacs = 1 # assumed: toy\n", to, err));
        linear_rows(&graph, 1); /* one row per sample: 128 MACs, whatever the batch */
        build("cpu:0", NULL);
        cr_assert_eq(kernel(0, 0), 328);
        drop();
    }
}

Test(devices_equation, what_somebody_else_reads_too_is_not_folded)
{
    expect_ok(
        devices_load(&device, "blocking_sync = no\n", "blocking_sync = no\nfolds = relu\n", err));
    int32_t from[] = {SPA_GRAPH_INPUT(0), 0, 0, 1}, at;
    spa_op_attrs none = {0};
    spa_shape shape = {2, {1, 8}};
    spa_graph_init(&graph, "fork", 1, SPA_FP32);
    graph.n_graph_inputs = 1;
    graph.graph_inputs[0] = shape;
    expect_ok(spa_graph_add(&graph, "linear", SPA_OP_LINEAR, &none, from, 1, &shape, &at, err));
    expect_ok(spa_graph_add(&graph, "relu", SPA_OP_RELU, &none, from + 1, 1, NULL, &at, err));
    expect_ok(spa_graph_add(&graph, "sum", SPA_OP_ADD, &none, from + 2, 2, NULL, &at, err));
    expect_ok(spa_graph_add(&graph, "last", SPA_OP_RELU, &none, &at, 1, NULL, from, err));
    expect_ok(spa_graph_finish(&graph, err));
    build("cpu:0", NULL);
    cr_assert_gt(kernel(1, 0), 0); /* linear's own output is added, too */
    cr_assert_gt(kernel(3, 0), 0); /* behind an addition */
    drop();
}

Test(devices_equation, a_missing_rate_names_section_key_and_operator)
{
    expect_ok(devices_load(&device, "linear.gmacs = 1 # assumed: toy\n", "", err));
    devices_tiny(&graph, 1, SPA_FP32);
    spa_costs_options options = spa_costs_options_default();
    expect_error_with(spa_costs_build(&costs, device, &graph, &options, err), SPA_E_UNSUPPORTED,
                      "toy.device: section [rates own cpu] has no rate for operator 'linear' of "
                      "'tiny'; add 'linear.gmacs = ...'");
    spa_graph_fini(&graph);
    spa_device_free(device);
}

Test(devices_equation, the_host_alone_makes_a_table_too)
{
    begin(1, SPA_FP32, "cpu:2", NULL);
    cr_assert_eq(costs.n_processors, 1);
    cr_assert_str_eq(costs.processors[0].name, "cpu");
    cr_assert_eq(kernel(TINY_CONV, 0), 147656);
    drop();
}

Test(devices_equation, unknown_modes_and_stacks_suggest_the_nearest)
{
    begin(1, SPA_FP32, "cpu:2", NULL);
    spa_costs other;
    spa_costs_options options = spa_costs_options_default();
    options.mode = "slwo";
    expect_error(spa_costs_build(&other, device, &graph, &options, err), SPA_E_NOT_FOUND,
                 "device 'toy': unknown mode 'slwo'; did you mean 'slow'?");
    options.mode = NULL;
    options.stack = "onw";
    expect_error(spa_costs_build(&other, device, &graph, &options, err), SPA_E_NOT_FOUND,
                 "device 'toy': unknown stack 'onw'; did you mean 'own'?");
    options.stack = NULL;
    options.lanes = "cpu:0=sparse";
    expect_error(spa_costs_build(&other, device, &graph, &options, err), SPA_E_NOT_FOUND,
                 "device 'toy', processor 'cpu': unknown backend 'sparse'; known: own");
    drop();
}

Test(devices_equation, no_allocation_that_fails_leaks_or_goes_unnoticed)
{
    device = devices_load_toy();
    devices_tiny(&graph, 1, SPA_FP32);
    spa_costs_options options = spa_costs_options_default();
    for (long n = 0;; n++) {
        spa_error error = {0};
        oom_fail_at(n);
        spa_status status = spa_costs_build(&costs, device, &graph, &options, &error);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", error.message);
            cr_assert_gt(n, 3);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "%ld: %s", n, error.message);
    }
    drop();
}
