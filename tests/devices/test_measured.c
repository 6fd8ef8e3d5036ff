/* Tables from measured rows. The toy's equation is in test_equation.c. */
#include <math.h>
#include "tests/devices/scene.h"

static spa_device *device;
static spa_graph graph;
static spa_costs costs;
static spa_trace trace;
static spa_trace_model model;
static spa_trace_cost rows[16];
static spa_trace_response responses[8];
static spa_trace_link links[4];

static spa_trace_cost *add(int32_t op, const char *processor, double p50_us)
{
    spa_trace_cost *row = &rows[model.n_costs++];
    *row = (spa_trace_cost){.op = op,
                            .processor = processor,
                            .backend = "own",
                            .cores = 1,
                            .batch = 1,
                            .part = 1,
                            .corun = "",
                            .samples = 9,
                            .p50_us = p50_us,
                            .mean_us = p50_us * 1.25,
                            .std_us = p50_us / 4,
                            .p95_us = p50_us * 2,
                            .energy_uj = NAN,
                            .origin = SPA_ORIGIN_MEASURED};
    return row;
}

/* Every operator but the view on both processors: 10, 20, 40 us on the CPU, a tenth on the GPU. */
static void begin(void)
{
    device = devices_load_toy();
    devices_tiny(&graph, 1, SPA_FP32);
    devices_tiny(&model.graph, 1, SPA_FP32);
    model.name = "tiny";
    model.costs = rows;
    trace = (spa_trace){.path = "t",
                        .fingerprint = {.stack = "own"},
                        .run_cv = 0.07,
                        .origin = SPA_ORIGIN_MEASURED,
                        .n_models = 1,
                        .models = &model,
                        .links = links,
                        .responses = responses};
    const int32_t ops[] = {TINY_CONV, TINY_RELU, TINY_LINEAR};
    for (int i = 0; i < 3; i++) {
        add(ops[i], "cpu", 10 << i);
        add(ops[i], "gpu", 1 << i);
    }
}

static bool no_response;

static spa_status build(bool missing_model, spa_error *err)
{
    spa_costs_options options = spa_costs_options_default();
    options.trace = &trace;
    options.missing_model = missing_model;
    options.no_response = no_response;
    return spa_costs_build(&costs, device, &graph, &options, err);
}

static void drop(void)
{
    spa_costs_fini(&costs);
    spa_graph_fini(&graph);
    spa_graph_fini(&model.graph);
    spa_device_free(device);
}

static int64_t kernel(size_t op, uint32_t p)
{
    return spa_cost(&costs, op, p)->kernel_ns;
}

Test(devices_measured, a_row_replaces_the_equation_by_its_median)
{
    begin();
    expect_ok(build(false, err));
    cr_assert_eq(kernel(TINY_CONV, 0), 10000);
    cr_assert_eq(kernel(TINY_LINEAR, 1), 4000);
    cr_assert_eq(kernel(TINY_RESHAPE, 0), 0); /* a view needs no row */
    cr_assert_eq(spa_cost(&costs, TINY_CONV, 0)->origin, SPA_ORIGIN_MEASURED);
    cr_assert_eq(costs.origin, SPA_ORIGIN_MEASURED);
    cr_assert_float_eq(spa_cost(&costs, TINY_CONV, 0)->noise_cv, 0.2, 1e-6); /* 0.25 / 1.25 */
    cr_assert_eq(spa_cost(&costs, TINY_CONV, 1)->launch_ns, 5000);           /* the device's */
    cr_assert_float_eq(costs.run_cv, 0.07, 1e-12);
    cr_assert(!costs.uncalibrated);
    cr_assert_str_eq(costs.stack, "own");
    drop();
}

Test(devices_measured, a_missing_row_is_an_error_unless_it_may_be_modelled)
{
    begin();
    model.n_costs = 5; /* without linear on the GPU */
    expect_error(
        build(false, err), SPA_E_NOT_FOUND,
        "t: no row for operator 'linear' of 'tiny' on 'gpu' with backend 'own', 1 core(s), "
        "batch 1, fp32; profile it, or allow the equation with --missing=model");
    expect_ok(build(true, err));
    cr_assert_eq(kernel(TINY_LINEAR, 1), 4605); /* the equation */
    cr_assert_eq(spa_cost(&costs, TINY_LINEAR, 1)->origin, SPA_ORIGIN_MODELLED);
    cr_assert_eq(costs.origin, SPA_ORIGIN_MODELLED);
    cr_assert(costs.uncalibrated);
    drop();
}

Test(devices_measured, rows_of_other_cores_batches_parts_and_backends_do_not_count)
{
    begin();
    model.n_costs = 0;
    for (int i = 0; i < 5; i++) add(TINY_CONV, "cpu", 99);
    rows[0].cores = 2;
    rows[1].batch = 2;
    rows[2].part = 0.5;
    rows[3].backend = "other";
    rows[4].dtype = SPA_FP16;
    expect_error_with(build(false, err), SPA_E_NOT_FOUND, "no row for operator 'conv'");
    expect_ok(build(true, err));
    cr_assert_eq(kernel(TINY_CONV, 0), 147656);
    drop();
}

static void add_part(double part, double us)
{
    spa_trace_cost *row = add(TINY_CONV, "cpu", us);
    row->part = part;
    row->corun = "gpu";
}

/* Rows of parts are of runs in which the other processor was busy, and read what lay there. */
Test(devices_measured, parts_beside_another_processor_give_their_times_alone)
{
    begin();
    add(TINY_CONV, "cpu", 15)->corun = "gpu"; /* 10 us alone: 1.5 times as long */
    add_part(0.8, 12);
    add_part(0.5, 9);
    add_part(0.2, 60); /* the smaller part: its input comes from the GPU, its output goes back */
    expect_ok(build(false, err));
    const spa_cost_link *to = &costs.links[0][1], *from = &costs.links[1][0];
    int64_t moved = spa_transfer_ns(&costs, costs.n_ops, 1, 0) - from->latency_ns +
                    spa_part_transfer_ns(&costs, TINY_CONV, 0, 1, 2) - to->latency_ns;
    cr_assert_gt(moved, 0);
    int64_t least = 40000 - moved;
    cr_assert_gt(least, 8000);
    cr_assert_eq(spa_part_ns(&costs, TINY_CONV, 0, 8), 8000);
    cr_assert_eq(spa_part_ns(&costs, TINY_CONV, 0, 9), 9000); /* half way to the whole */
    cr_assert_eq(spa_part_ns(&costs, TINY_CONV, 0, 5), 6000);
    cr_assert_eq(spa_part_ns(&costs, TINY_CONV, 0, 6), 6667);
    cr_assert_eq(spa_part_ns(&costs, TINY_CONV, 0, 2), least);
    cr_assert_eq(spa_part_ns(&costs, TINY_CONV, 0, 1), (least + 1) / 2);
    cr_assert_eq(spa_part_ns(&costs, TINY_CONV, 1, 5), 500); /* no rows: in proportion */
    drop();
}

Test(devices_measured, a_backend_that_was_measured_can_be_asked_for)
{
    begin();
    for (int i = 0; i < 3; i++) {
        spa_trace_cost *row = add(rows[2 * i].op, "cpu", 50);
        row->backend = "sparse";
    }
    spa_costs_options options = spa_costs_options_default();
    options.trace = &trace;
    options.lanes = "cpu:0=sparse,gpu:0";
    expect_ok(spa_costs_build(&costs, device, &graph, &options, err));
    cr_assert_eq(kernel(TINY_CONV, 0), 50000);
    cr_assert_str_eq(costs.processors[0].backend, "sparse");
    spa_costs_fini(&costs);
    options.lanes = "cpu:0=spare,gpu:0";
    expect_error(spa_costs_build(&costs, device, &graph, &options, err), SPA_E_NOT_FOUND,
                 "device 'toy', processor 'cpu': unknown backend 'spare'; did you mean 'sparse'?");
    drop();
}

Test(devices_measured, a_row_measured_beside_a_busy_processor_gives_the_slowdown)
{
    begin();
    add(TINY_CONV, "cpu", 15)->corun = "gpu";  /* 10 us alone */
    add(TINY_CONV, "gpu", 0.5)->corun = "cpu"; /* 1 us alone: noise, no speed-up */
    expect_ok(build(false, err));
    cr_assert_eq(kernel(TINY_CONV, 0), 10000);
    cr_assert_float_eq(spa_cost(&costs, TINY_CONV, 0)->corun_slowdown, 1.5, 1e-6);
    cr_assert_float_eq(spa_cost(&costs, TINY_CONV, 1)->corun_slowdown, 1, 1e-6);
    cr_assert_float_eq(spa_cost(&costs, TINY_RELU, 1)->corun_slowdown, 0, 1e-6);
    drop();
}

Test(devices_measured, measured_energy_gives_the_power)
{
    begin();
    rows[0].energy_uj = 100; /* in a mean of 12.5 us: 8 W */
    expect_ok(build(false, err));
    cr_assert_float_eq(spa_cost(&costs, TINY_CONV, 0)->dynamic_w, 8, 1e-5);
    cr_assert_float_eq(spa_cost(&costs, TINY_RELU, 0)->dynamic_w, 2, 1e-5); /* the device's */
    drop();
}

static void respond(double zeros, double speedup)
{
    responses[trace.n_responses++] = (spa_trace_response){.processor = "cpu",
                                                          .backend = "own",
                                                          .kind = SPA_OP_LINEAR,
                                                          .shape_class = "vector",
                                                          .input_zeros = zeros,
                                                          .speedup = speedup,
                                                          .origin = SPA_ORIGIN_MEASURED};
}

Test(devices_measured, other_zeros_than_recorded_change_the_time_by_the_response)
{
    begin();
    respond(0, 1);
    respond(0.5, 2);
    respond(1.0, 6);
    model.graph.ops[TINY_LINEAR].input_sparsity = 0.5;
    graph.ops[TINY_LINEAR].input_sparsity = 0.5;
    expect_ok(build(false, err));
    cr_assert_eq(kernel(TINY_LINEAR, 0), 40000); /* as recorded: untouched */
    cr_assert_eq(spa_cost(&costs, TINY_LINEAR, 0)->origin, SPA_ORIGIN_MEASURED);
    spa_costs_fini(&costs);
    graph.ops[TINY_LINEAR].input_sparsity = 0.75; /* speed-up 4 instead of 2 */
    expect_ok(build(false, err));
    cr_assert_eq(kernel(TINY_LINEAR, 0), 20000);
    cr_assert_eq(spa_cost(&costs, TINY_LINEAR, 0)->origin, SPA_ORIGIN_MODELLED); /* rescaled */
    cr_assert_eq(kernel(TINY_LINEAR, 1), 4000); /* dense kernels: no response */
    spa_costs_fini(&costs);
    graph.ops[TINY_LINEAR].input_sparsity = 0; /* dense: twice as slow */
    expect_ok(build(false, err));
    cr_assert_eq(kernel(TINY_LINEAR, 0), 80000);
    drop();
}

Test(devices_measured, a_modelled_row_skips_the_zeros_that_kernels_skip)
{
    begin();
    respond(0, 1);
    respond(0.5, 4); /* a quarter of the work is left */
    graph.ops[TINY_LINEAR].input_sparsity = 0.5;
    model.n_costs = 0;
    expect_ok(build(true, err));
    /* 40.96 us / 4 = 10.24 us of work; the bytes need 18.0264 us, and win; + 0.2 us */
    cr_assert_eq(kernel(TINY_LINEAR, 0), 18226);
    drop();
}

/* 40 us were measured at half zeros, a speed-up of 2: dense, it would have been 80. A modelled row
 * has all of its 40.96 us of work, + 0.2 us; the graph, which policies read, keeps its zeros. */
Test(devices_measured, without_the_response_times_are_those_of_dense_inputs)
{
    begin();
    respond(0, 1);
    respond(0.5, 2);
    model.graph.ops[TINY_LINEAR].input_sparsity = 0.5;
    graph.ops[TINY_LINEAR].input_sparsity = 0.5;
    no_response = true;
    expect_ok(build(false, err));
    cr_assert_eq(kernel(TINY_LINEAR, 0), 80000);
    cr_assert_eq(kernel(TINY_LINEAR, 1), 4000); /* dense kernels anyway */
    cr_assert_eq(graph.ops[TINY_LINEAR].input_sparsity, 0.5);
    spa_costs_fini(&costs);
    model.n_costs = 0;
    expect_ok(build(true, err));
    cr_assert_eq(kernel(TINY_LINEAR, 0), 41160);
    drop();
}

Test(devices_measured, transfers_are_interpolated_between_measured_sizes)
{
    begin();
    trace.n_links = 2;
    links[0] = (spa_trace_link){.from = "cpu",
                                .to = "gpu",
                                .bytes = 8192,
                                .latency_us = 1,
                                .p50_us = 3,
                                .bandwidth_gbs = NAN,
                                .origin = SPA_ORIGIN_MEASURED};
    links[1] = links[0];
    links[1].bytes = 24576;
    links[1].p50_us = 11;
    expect_ok(build(false, err));
    cr_assert_eq(spa_transfer_ns(&costs, TINY_OPS, 0, 1), 3000);  /* 8192 bytes */
    cr_assert_eq(spa_transfer_ns(&costs, TINY_CONV, 0, 1), 7000); /* 16384: half way */
    /* 40 bytes: between the latency at 0 and 3 us at 8192: 1 + 2 * 40 / 8192 us */
    cr_assert_eq(spa_transfer_ns(&costs, TINY_LINEAR, 0, 1), 1010);
    cr_assert_eq(spa_transfer_ns(&costs, TINY_CONV, 1, 0), 5000); /* not measured: the device's */
    drop();
}

Test(devices_measured, a_link_known_by_its_latency_adds_the_bytes)
{
    begin();
    trace.n_links = 1;
    links[0] = (spa_trace_link){.from = "cpu",
                                .to = "gpu",
                                .latency_us = 2,
                                .p50_us = NAN,
                                .bandwidth_gbs = 8.192,
                                .origin = SPA_ORIGIN_MEASURED};
    expect_ok(build(false, err));
    cr_assert_eq(spa_transfer_ns(&costs, TINY_CONV, 0, 1), 4000); /* 2 us + 16384 / 8.192e9 */
    drop();
}

Test(devices_measured, a_trace_of_another_stack_makes_a_mixed_table)
{
    begin();
    trace.fingerprint.stack = "sparoa";
    expect_ok(build(false, err));
    cr_assert_str_eq(costs.stack, "mixed");
    drop();
}

Test(devices_measured, a_trace_of_another_power_mode_is_uncalibrated)
{
    begin();
    trace.fingerprint.power_mode = "fast"; /* the toy's default mode */
    expect_ok(build(false, err));
    cr_assert(!costs.uncalibrated);
    spa_costs_fini(&costs);
    trace.fingerprint.power_mode = "15W";
    expect_ok(build(false, err));
    cr_assert(costs.uncalibrated);
    drop();
}

Test(devices_measured, links_and_responses_of_unknown_processors_are_refused)
{
    begin();
    trace.n_responses = 1;
    responses[0] = (spa_trace_response){.processor = "cpv", .backend = "own"};
    expect_error(build(false, err), SPA_E_NOT_FOUND,
                 "t/response.csv: unknown processor 'cpv'; did you mean 'cpu'? (device 'toy')");
    trace.n_responses = 0;
    trace.n_links = 1;
    links[0] = (spa_trace_link){.from = "cpu", .to = "gpv", .latency_us = 1};
    expect_error(build(false, err), SPA_E_NOT_FOUND,
                 "t/links.csv: unknown processor 'gpv'; did you mean 'gpu'? (device 'toy')");
    drop();
}

Test(devices_measured, a_trace_without_the_model_or_with_another_network_is_refused)
{
    begin();
    model.name = "other";
    expect_error_with(build(false, err), SPA_E_NOT_FOUND, "t: no model 'tiny' in this trace");
    model.name = "tiny";
    spa_graph_fini(&model.graph);
    spa_zoo_build(&model.graph, "resnet18", 1, SPA_FP32, "none", NULL);
    expect_error_with(build(true, err), SPA_E_INVALID, "is another network than the graph");
    drop();
}

Test(devices_measured, opaque_host_work_runs_on_the_host_and_needs_a_row)
{
    device = devices_load_toy();
    int32_t from = SPA_GRAPH_INPUT(0), at;
    spa_op_attrs none = {0};
    spa_shape shape = {2, {1, 8}};
    spa_graph *graphs[] = {&graph, &model.graph};
    for (int i = 0; i < 2; i++) {
        spa_graph_init(graphs[i], "tiny", 1, SPA_FP32);
        graphs[i]->n_graph_inputs = 1;
        graphs[i]->graph_inputs[0] = shape;
        expect_ok(
            spa_graph_add(graphs[i], "decode", SPA_OP_HOST, &none, &from, 1, &shape, &at, err));
        expect_ok(spa_graph_finish(graphs[i], err));
    }
    spa_costs_options options = spa_costs_options_default();
    expect_error_with(spa_costs_build(&costs, device, &graph, &options, err), SPA_E_NOT_FOUND,
                      "operator 'decode' of 'tiny' is opaque host work");
    model.name = "tiny";
    model.costs = rows;
    trace = (spa_trace){.path = "t",
                        .fingerprint = {.stack = "own"},
                        .run_cv = NAN,
                        .origin = SPA_ORIGIN_MEASURED,
                        .n_models = 1,
                        .models = &model};
    add(0, "cpu", 30);
    expect_ok(build(false, err));
    cr_assert_eq(kernel(0, 0), 30000);
    cr_assert(!spa_cost_can_run(&costs, 0, 1));
    drop();
}
