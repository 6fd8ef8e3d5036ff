#include <math.h>
#include "tests/devices/scene.h"

static spa_graph graph;
static spa_costs costs;

/* Two processors: kernels of 100 and 10 ns, transfers of 5 ns. */
static void make(void)
{
    devices_tiny(&graph, 1, SPA_FP32);
    expect_ok(spa_costs_init(&costs, &graph, 2, err));
    for (size_t i = 0; i < TINY_OPS; i++) {
        for (uint32_t p = 0; p < 2; p++) {
            costs.ops[i * 2 + p].kernel_ns = p ? 10 : 100;
            costs.ops[i * 2 + p].origin = SPA_ORIGIN_MEASURED;
        }
    }
    for (size_t t = 0; t < costs.n_tensors; t++) {
        costs.transfer_ns[(t * 2 + 0) * 2 + 1] = 5;
        costs.transfer_ns[(t * 2 + 1) * 2 + 0] = 5;
    }
}

static void drop(void)
{
    spa_costs_fini(&costs);
    spa_graph_fini(&graph);
}

Test(devices_costs, a_new_table_can_run_nothing_and_has_a_tensor_for_each_operator_and_input)
{
    devices_tiny(&graph, 1, SPA_FP32);
    expect_ok(spa_costs_init(&costs, &graph, 3, err));
    cr_assert_eq(costs.n_tensors, TINY_OPS + 1);
    for (size_t i = 0; i < TINY_OPS; i++) cr_assert(!spa_cost_can_run(&costs, i, 2));
    cr_assert_eq(spa_tensor_of(&costs, SPA_GRAPH_INPUT(0)), TINY_OPS);
    expect_error(spa_costs_finish(&costs, err), SPA_E_INVALID,
                 "cost table of 'tiny': no processor can run operator 'conv'");
    drop();
}

Test(devices_costs, a_filled_table_passes_and_its_parts_are_where_the_accessors_look)
{
    make();
    costs.ops[0].launch_ns = 7;
    expect_ok(spa_costs_finish(&costs, err));
    cr_assert_eq(spa_cost_total_ns(&costs, 0, 0), 107);
    cr_assert_eq(spa_transfer_ns(&costs, TINY_OPS, 1, 0), 5);
    cr_assert_eq(spa_transfer_ns(&costs, TINY_OPS, 1, 1), 0);
    cr_assert_eq(costs.origin, SPA_ORIGIN_MEASURED);
    drop();
}

Test(devices_costs, the_origin_of_a_table_is_its_least_trustworthy_entry_views_aside)
{
    make();
    costs.ops[TINY_RESHAPE * 2].origin = SPA_ORIGIN_ASSUMED;
    expect_ok(spa_costs_finish(&costs, err));
    cr_assert_eq(costs.origin, SPA_ORIGIN_MEASURED);
    costs.ops[TINY_RELU * 2].origin = SPA_ORIGIN_MODELLED;
    expect_ok(spa_costs_finish(&costs, err));
    cr_assert_eq(costs.origin, SPA_ORIGIN_MODELLED);
    drop();
}

Test(devices_costs, the_hash_changes_with_every_kind_of_field)
{
    make();
    uint64_t seen[16];
    size_t n = 0;
    expect_ok(spa_costs_finish(&costs, err));
    seen[n++] = costs.hash;
    expect_ok(spa_costs_finish(&costs, err));
    cr_assert_eq(costs.hash, seen[0]);
    for (int step = 0; step < 10; step++) {
        switch (step) {
        case 0:
            costs.ops[3].kernel_ns++;
            break;
        case 1:
            costs.ops[3].dynamic_w = 2;
            break;
        case 2:
            costs.transfer_ns[1]++;
            break;
        case 3:
            costs.links[0][1].issue_ns = 3;
            break;
        case 4:
            costs.processors[1].slow_b = 0.5F;
            break;
        case 5:
            costs.processors[1].name = "gpu";
            break;
        case 6:
            costs.blocking_sync = true;
            break;
        case 7:
            costs.base_w = 3;
            break;
        case 8:
            costs.mode = "50W";
            break;
        default:
            costs.uncalibrated = true;
            break;
        }
        expect_ok(spa_costs_finish(&costs, err));
        for (size_t i = 0; i < n; i++) cr_assert_neq(costs.hash, seen[i], "step %d", step);
        seen[n++] = costs.hash;
    }
    drop();
}

Test(devices_costs, an_operator_cost_outside_its_bounds_is_refused_by_name)
{
    make();
    costs.ops[1].dram_share = 1.5F;
    expect_error(spa_costs_finish(&costs, err), SPA_E_RANGE,
                 "cost table of 'tiny': operator 'conv' on 'p1': dram_share = 1.5 is not allowed");
    costs.ops[1].dram_share = NAN;
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_RANGE, "dram_share = nan");
    costs.ops[1].dram_share = 0;
    costs.ops[1].capacity_share = 0;
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_RANGE, "capacity_share = 0");
    costs.ops[1].capacity_share = 1;
    costs.ops[1].corun_slowdown = 0.5F;
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_RANGE, "corun_slowdown = 0.5");
    costs.ops[1].corun_slowdown = 0;
    costs.ops[1].launch_ns = -1;
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_RANGE, "launch_ns = -1");
    costs.ops[1].launch_ns = 0;
    costs.ops[1].dynamic_w = INFINITY;
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_RANGE, "dynamic_w = inf");
    drop();
}

Test(devices_costs, times_that_could_overflow_a_sum_are_refused)
{
    make();
    costs.ops[0].kernel_ns = INT64_MAX;
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_RANGE, "kernel_ns");
    costs.ops[0].kernel_ns = 100;
    costs.transfer_ns[1] = INT64_MAX;
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_RANGE,
                      "transfer of 'conv' from 'p0' to 'p1'");
    drop();
}

Test(devices_costs, a_tensor_costs_nothing_where_it_is)
{
    make();
    costs.transfer_ns[0] = 1;
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_RANGE,
                      "transfer of 'conv' from 'p0' to 'p0' = 1 ns");
    drop();
}

Test(devices_costs, processors_and_links_are_checked_too)
{
    make();
    costs.processors[1].name = "p0";
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_INVALID, "two processors are called");
    costs.processors[1].name = "p1";
    costs.processors[1].clock_hz = NAN;
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_RANGE, "clock_hz = nan");
    costs.processors[1].clock_hz = 1e9;
    costs.processors[0].n_lanes = SPA_MAX_LANES;
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_RANGE, "65 lanes are more than 64");
    costs.processors[0].n_lanes = 1;
    costs.links[0][1].id = 1; /* n_links is 1 */
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_RANGE, "link p0 to p1: id 1 of 1");
    costs.links[0][1].id = 0;
    costs.host = 2;
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_INVALID, "host 2 of 2");
    costs.host = 0;
    costs.run_cv = -1;
    expect_error_with(spa_costs_finish(&costs, err), SPA_E_RANGE, "run_cv -1");
    drop();
}

Test(devices_costs, a_table_has_one_to_four_processors)
{
    devices_tiny(&graph, 1, SPA_FP32);
    expect_error_with(spa_costs_init(&costs, &graph, 0, err), SPA_E_RANGE, "not 0");
    expect_error_with(spa_costs_init(&costs, &graph, 5, err), SPA_E_RANGE, "not 5");
    spa_costs_fini(&costs); /* after a failure too */
    spa_costs_fini(NULL);
    spa_graph_fini(&graph);
}
