/* The hardware executor with asynchronous lanes, on the emulated device: every placement gives the
 * answer of `ref`, and the record says what happened. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/base/check.h"
#include "tests/kernels/async_bench.h"
#include "tests/oom.h"
#include "tests/random_graph.h"
#include "traces/rewrite.h"

/* ---- answers --------------------------------------------------------------------------------- */

static void expect_any_placement_agrees(async_bench *b, const char *what, uint64_t rounds)
{
    spa_run_result result;
    for (uint64_t seed = 0; seed < rounds; seed++) {
        if (seed < b->lanes.count)
            memset(b->schedule.processor, (int)seed, b->graph.n_ops);
        else
            async_bench_place(b, seed);
        async_bench_run(b, &result);
        async_bench_expect_answers(b, what, seed);
    }
}

Test(hardware_async, one_inference_of_a_saved_schedule)
{
    async_bench b = {0};
    async_bench_needs_cores();
    expect_ok(tiny_branch(&b.graph, err));
    async_bench_begin(&b, LANES, 1, true);
    expect_any_placement_agrees(&b, "branch", 6);
    async_bench_end(&b);
}

/* Streams run whenever events allow it, not in the order of enqueueing. */
Test(hardware_async, events_alone_order_the_streams)
{
    async_bench_needs_cores();
    for (int graphs = 0; graphs < 2; graphs++) {
        async_bench b = {0};
        spa_hardware_options options = spa_hardware_default();
        options.graphs = graphs;
        options.slots = 4;
        options.stream.newest_first = true;
        expect_ok(spa_zoo_build(&b.graph, "mobilenet_v3_small", 1, SPA_FP32, "relu50", err));
        async_bench_begin_with(&b, LANES, &options);
        expect_any_placement_agrees(&b, "newest first", 8);
        async_bench_end(&b);
    }
}

Test(hardware_async, every_placement_of_mobilenet_v2_gives_the_same_answer)
{
    async_bench b = {0};
    async_bench_needs_cores();
    expect_ok(spa_zoo_build(&b.graph, "mobilenet_v2", 1, SPA_FP32, "relu50", err));
    async_bench_begin(&b, LANES, 1, true);
    expect_any_placement_agrees(&b, "mobilenet_v2", 6);
    async_bench_end(&b);
}

/* Lanes of the core keep tensors in a layout of their own: made plain on the way out. */
Test(hardware_async, tensors_of_another_layout_are_made_plain_for_the_device)
{
    spa_error why = {0};
    async_bench b = {0};
    async_bench_needs_cores();
    if (spa_backend_onednn.probe(&why) != SPA_OK) cr_skip_test("%s", why.message);
    expect_ok(spa_zoo_build(&b.graph, "resnet18", 1, SPA_FP32, "relu50", err));
    async_bench_begin(&b, "cpu:0=onednn,emulated:1=sparse", 1, true);
    expect_any_placement_agrees(&b, "resnet18", 5);
    async_bench_end(&b);
}

Test(hardware_async, transformers_and_squeeze_excitation_too)
{
    static const char *const models[] = {"mobilenet_v3_small", "swin_t"};
    async_bench_needs_cores();
    for (int i = 0; i < 2; i++) {
        async_bench b = {0};
        expect_ok(spa_zoo_build(&b.graph, models[i], 1, SPA_FP32, "relu50", err));
        async_bench_begin(&b, LANES, 1, i == 0);
        expect_any_placement_agrees(&b, models[i], i == 0 ? 5 : 3);
        async_bench_end(&b);
    }
}

/* Residuals cross lanes and layouts: onednn keeps them in blocks where it can. */
Test(hardware_async, fused_graphs_in_every_placement)
{
    static const char *const models[] = {"mobilenet_v3_small", "mobilenet_v2"};
    static const char *const lanes[] = {LANES, "cpu:0=onednn,emulated:1=sparse"};
    spa_error why = {0};
    async_bench_needs_cores();
    for (int i = 0; i < 2; i++) {
        spa_graph plain;
        async_bench b = {0};
        if (i == 1 && spa_backend_onednn.probe(&why) != SPA_OK) cr_skip_test("%s", why.message);
        expect_ok(spa_zoo_build(&plain, models[i], 1, SPA_FP32, "relu50", err));
        expect_ok(spa_rewrite_fuse_tvm(&b.graph, &plain, err));
        spa_graph_fini(&plain);
        async_bench_begin(&b, lanes[i], 1, i == 0);
        expect_any_placement_agrees(&b, models[i], 5);
        async_bench_end(&b);
    }
}

/* Views, joins of many inputs, several results; the device first among the lanes, so that the host
 * is the second; graphs and single operators; memory of its own and the host's. */
Test(hardware_async, random_graphs_in_every_placement_and_way_of_running)
{
    async_bench_needs_cores();
    for (uint64_t seed = 1; seed <= 16; seed++) {
        async_bench b = {0};
        spa_hardware_options options = spa_hardware_default();
        options.graphs = seed % 2 != 0;
        options.stream.shares_memory = seed % 4 >= 2;
        options.stream.newest_first = seed > 8;
        options.slots = 1 + (uint32_t)seed % 3;
        expect_ok(random_graph(&b.graph, seed, 30, err));
        async_bench_begin_with(&b, seed % 8 >= 4 ? "emulated:1=sparse,cpu:0=blas" : LANES,
                               &options);
        expect_any_placement_agrees(&b, "random graph", 8);
        async_bench_end(&b);
    }
}

Test(hardware_async, requests_in_flight_each_get_their_own_answer)
{
    spa_run_result result;
    async_bench_needs_cores();
    for (uint32_t slots = 1; slots <= MOST_SLOTS; slots *= 2) {
        for (int graphs = 0; graphs < 2; graphs++) {
            async_bench b = {0};
            expect_ok(random_graph(&b.graph, 40 + slots, 20, err));
            async_bench_begin(&b, LANES, slots, graphs);
            for (uint64_t seed = 2; seed < 8; seed++) {
                async_bench_place(&b, seed);
                async_bench_run(&b, &result);
                async_bench_expect_answers(&b, "in flight", seed);
            }
            async_bench_end(&b);
        }
    }
}

/* Two lanes of cores, with kernels of different layouts, and a device that shares a core with one
 * of them: whoever is idle watches it. */
Test(hardware_async, two_lanes_of_cores_and_a_device)
{
    spa_error why = {0};
    async_bench_needs_cores();
    const char *lanes = spa_backend_onednn.probe(&why) == SPA_OK ? "cpu:0=onednn,cpu:1=sparse"
                                                                 : "cpu:0=blas,cpu:1=sparse";
    for (uint64_t seed = 1; seed <= 4; seed++) {
        async_bench b = {0};
        spa_lane_set device;
        spa_hardware_options options = spa_hardware_default();
        options.slots = 3;
        options.graphs = seed % 2 != 0;
        options.spin_ns = 10000; /* lanes fall asleep */
        expect_ok(random_graph(&b.graph, seed, 24, err));
        expect_ok(spa_lanes_parse(&b.lanes, lanes, err));
        expect_ok(spa_lanes_parse(&device, "emulated:1", err));
        b.lanes.lanes[b.lanes.count++] = device.lanes[0];
        async_bench_prepare(&b, &options);
        expect_any_placement_agrees(&b, "two lanes of cores", 7);
        async_bench_end(&b);
    }
}

/* A team cuts operators into parts, and converts for itself. */
Test(hardware_async, a_lane_of_several_cores_and_a_device)
{
    spa_error why = {0};
    async_bench_needs_cores();
    async_bench b = {0};
    spa_lane_set device;
    spa_hardware_options options = spa_hardware_default();
    bool blocks = spa_backend_onednn.probe(&why) == SPA_OK;
    expect_ok(spa_zoo_build(&b.graph, "mobilenet_v3_small", 1, SPA_FP32, "relu50", err));
    expect_ok(spa_lanes_parse(&b.lanes, blocks ? "cpu:0-1=onednn" : "cpu:0-1=blas", err));
    expect_ok(spa_lanes_parse(&device, "emulated:1", err));
    b.lanes.lanes[b.lanes.count++] = device.lanes[0];
    async_bench_prepare(&b, &options);
    expect_any_placement_agrees(&b, "a team", 4);
    async_bench_end(&b);
}

/* Two devices (on one core): tensors go from one to the other by way of the host. */
Test(hardware_async, tensors_pass_from_device_to_device)
{
    async_bench_needs_cores();
    for (uint64_t seed = 1; seed <= 6; seed++) {
        async_bench b = {0};
        spa_hardware_options options = spa_hardware_default();
        options.slots = 2;
        options.graphs = seed % 2 != 0;
        expect_ok(random_graph(&b.graph, seed, 24, err));
        expect_ok(spa_lanes_parse(&b.lanes, LANES, err));
        b.lanes.lanes[2] = b.lanes.lanes[1];
        strcpy(b.lanes.lanes[2].processor, "another");
        b.lanes.count = 3;
        async_bench_prepare(&b, &options);
        expect_any_placement_agrees(&b, "two devices", 7);
        async_bench_end(&b);
    }
}

/* ---- decisions at dispatch ------------------------------------------------------------------- */

Test(hardware_async, a_policy_may_decide_at_dispatch)
{
    async_bench b = {0};
    spa_run_result result;
    async_bench_needs_cores();
    expect_ok(random_graph(&b.graph, 3, 24, err));
    async_bench_begin(&b, LANES, 3, true);
    b.config.schedule = NULL;
    b.config.policy = &async_in_turn;
    async_bench_run(&b, &result);
    async_bench_expect_answers(&b, "in turn", 0);
    for (size_t i = 0; i < b.graph.n_ops; i++) {
        const spa_hardware_op *o = &spa_hardware_ops(&b.record, 0)[i];
        if (b.graph.ops[i].kind == SPA_OP_RESHAPE) continue;
        cr_assert_eq(o->lane, i % 2);
        cr_assert_eq(o->together, 1, "operator %zu ran in a graph of %u", i, o->together);
    }
    async_bench_end(&b);
}

Test(hardware_async, requests_arrive_by_the_clock_too)
{
    async_bench b = {0};
    spa_run_result result;
    async_bench_needs_cores();
    expect_ok(tiny_branch(&b.graph, err));
    async_bench_begin(&b, LANES, 3, true);
    b.schedule.processor[1] = b.schedule.processor[3] = 1;
    b.config.scenario = spa_scenario_open(SPA_ARRIVALS_PERIODIC, 2000, 3, 9);
    async_bench_run(&b, &result);
    b.options.slots = 1; /* whether others ever serve depends on the machine */
    async_bench_expect_answers(&b, "periodic", 0);
    cr_assert_geq(b.record.arrive_ns[8], 8 * 500000, "one each 0.5 ms");
    async_bench_end(&b);
}

/* ---- records --------------------------------------------------------------------------------- */

static const spa_hardware_copy *copy_of(const async_bench *b, uint64_t request, size_t tensor,
                                        size_t lane)
{
    return &b->record.copies[(request * b->record.n_tensors + tensor) * b->record.n_lanes + lane];
}

/* Times of one inference are in an order that can be. */
static void check_times(const async_bench *b, uint64_t q)
{
    const spa_hardware_op *ops = spa_hardware_ops(&b->record, q);
    for (size_t i = 0; i < b->graph.n_ops; i++) {
        const spa_op *op = &b->graph.ops[i];
        if (op->kind == SPA_OP_RESHAPE) continue;
        cr_assert(ops[i].posted_ns <= ops[i].end_ns && ops[i].begin_ns <= ops[i].end_ns);
        for (uint32_t e = 0; e < op->n_inputs; e++) {
            int32_t from = b->graph.inputs[op->first_input + e];
            if (from < 0 || b->graph.ops[from].kind == SPA_OP_RESHAPE) continue;
            const spa_hardware_copy *c = copy_of(b, q, (size_t)from, (size_t)ops[i].lane);
            if (ops[from].lane == ops[i].lane) {
                cr_assert_leq(ops[from].end_ns, ops[i].begin_ns);
                cr_assert_eq(c->there_ns, 0);
                continue;
            }
            cr_assert(c->begin_ns <= c->end_ns && c->end_ns <= c->there_ns);
            cr_assert(c->ready_ns <= c->begin_ns, "copied before it was there");
            if (ops[i].lane == 1) cr_assert_leq(c->end_ns, ops[i].begin_ns);
        }
    }
}

Test(hardware_async, the_record_has_every_operator_and_copy_by_the_devices_clock)
{
    async_bench_needs_cores();
    for (uint64_t seed = 2; seed < 8; seed++) {
        async_bench b = {0};
        spa_run_result result;
        expect_ok(random_graph(&b.graph, seed, 30, err));
        async_bench_begin(&b, LANES, 2, false);
        async_bench_place(&b, seed);
        async_bench_run(&b, &result);
        for (uint64_t q = 0; q < 6; q++) check_times(&b, q);
        async_bench_end(&b);
    }
}

Test(hardware_async, operators_that_ran_as_one_graph_say_so)
{
    async_bench b = {0};
    spa_run_result result;
    async_bench_needs_cores();
    expect_ok(tiny_branch(&b.graph, err)); /* stem -> left, right -> join */
    async_bench_begin(&b, LANES, 1, true);
    memset(b.schedule.processor, 1, 4);
    async_bench_run(&b, &result);
    const spa_hardware_op *ops = spa_hardware_ops(&b.record, 1);
    cr_assert_eq(ops[0].together, 4);
    cr_assert_lt(ops[0].begin_ns, ops[0].end_ns);
    for (int i = 1; i < 4; i++) {
        cr_assert_eq(ops[i].together, 0);
        cr_assert_eq(ops[i].lane, 1);
        cr_assert(ops[i].begin_ns == ops[0].end_ns && ops[i].end_ns == ops[0].end_ns);
    }
    b.schedule.processor[1] = 0; /* left on the host: three segments of one operator */
    async_bench_run(&b, &result);
    ops = spa_hardware_ops(&b.record, 1);
    for (int i = 0; i < 4; i++) cr_assert_eq(ops[i].together, 1);
    async_bench_end(&b);
}

static int32_t add_conv(spa_graph *g, const char *name, int32_t input, int32_t channels)
{
    const spa_op_attrs conv = {.kernel_h = 3,
                               .kernel_w = 3,
                               .stride_h = 1,
                               .stride_w = 1,
                               .dilation_h = 1,
                               .dilation_w = 1,
                               .pad_top = 1,
                               .pad_left = 1,
                               .pad_bottom = 1,
                               .pad_right = 1,
                               .groups = 1};
    const spa_shape out = {4, {1, channels, 28, 28}};
    int32_t op;
    expect_ok(spa_graph_add(g, name, SPA_OP_CONV, &conv, &input, 1, &out, &op, err));
    return op;
}

/* "first" goes to the device while the host runs "long": 28 * 28 * 128 * 128 * 9 MACs, some 3 ms.
 */
Test(hardware_async, a_copy_overlaps_a_kernel)
{
    async_bench b = {0};
    spa_run_result result;
    bool overlaps = false;
    async_bench_needs_cores();
    const spa_shape image = {4, {1, 128, 28, 28}};
    spa_graph_init(&b.graph, "overlap", 1, SPA_FP32);
    b.graph.graph_inputs[b.graph.n_graph_inputs++] = image;
    int32_t first = add_conv(&b.graph, "first", SPA_GRAPH_INPUT(0), 8);
    int32_t longer = add_conv(&b.graph, "long", SPA_GRAPH_INPUT(0), 128);
    int32_t device = add_conv(&b.graph, "device", first, 8);
    add_conv(&b.graph, "last", longer, 8);
    expect_ok(spa_graph_finish(&b.graph, err));
    async_bench_begin(&b, LANES, 1, true);
    b.schedule.processor[device] = 1;
    for (int i = 0; i < 20 && !overlaps; i++) { /* the cores may be busy with something else */
        async_bench_run(&b, &result);
        for (uint64_t q = 0; q < 3; q++) {
            const spa_hardware_op *o = &spa_hardware_ops(&b.record, q)[longer];
            const spa_hardware_copy *c = copy_of(&b, q, (size_t)first, 1);
            cr_assert(c->begin_ns > 0 && c->begin_ns <= c->end_ns);
            overlaps |= o->begin_ns < c->begin_ns && c->end_ns < o->end_ns;
        }
    }
    cr_assert(overlaps, "no copy lies within the kernel");
    async_bench_expect_answers(&b, "overlap", 0);
    async_bench_end(&b);
}

Test(hardware_async, nothing_is_allocated_between_the_first_operator_and_the_last)
{
    async_bench_needs_cores();
    for (int way = 0; way < 4; way++) {
        async_bench b = {0};
        spa_engine *engine;
        spa_run_result result;
        expect_ok(random_graph(&b.graph, 5, 30, err));
        async_bench_begin(&b, LANES, 2, way % 2 == 0);
        async_bench_place(&b, 6);
        if (way >= 2) b.config.policy = &async_in_turn;
        async_bench_run(&b, &result); /* records graphs */
        expect_ok(spa_engine_new(&engine, &b.config, err));
        oom_fail_at(-1); /* only count */
        expect_ok(spa_hardware_run(b.hardware, engine, NULL, NULL, &result, err));
        cr_assert_eq(oom_count(), 0);
        oom_off();
        spa_engine_free(engine);
        async_bench_end(&b);
    }
}
