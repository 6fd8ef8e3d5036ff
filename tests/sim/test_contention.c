/* Contention and energy, computed by hand. All shares are binary fractions: results are exact. */
#include "tests/sim/world.h"

/* Kernels a, b, c, each on a lane of its own. */
static void side_by_side(sim_world *w, const char *ops, uint32_t n_processors)
{
    sim_world_init(w, n_processors, ops);
    w->config.contention = true;
}

Test(sim_contention, two_streams_do_not_double_a_gpu)
{
    sim_world w;
    sim_run run;
    side_by_side(&w, "a; b", 1);
    w.costs.processors[0].n_lanes = 2;
    sim_kernel(&w, "a", 0, 60); /* each fills the processor: rates 1/2 */
    sim_kernel(&w, "b", 0, 90);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 0, 120);
    expect_kernel(&run, &w, "b", 0, 150); /* 60 done by 120, 30 more alone */
    cr_assert_eq(run.result.busy_ns[0], 270);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* 0.5 + 0.75 = 1.25 of the capacity: both at 1 / 1.25 = 0.8 until b is done at 40 / 0.8 = 50;
 * a has then 80 - 40 = 40 left, alone: 90. */
Test(sim_contention, kernels_that_together_over_fill_a_processor_share_it_evenly)
{
    sim_world w;
    sim_run run;
    side_by_side(&w, "a; b", 1);
    w.costs.processors[0].n_lanes = 2;
    sim_kernel(&w, "a", 0, 80);
    sim_kernel(&w, "b", 0, 40);
    sim_cost(&w, "a", 0)->capacity_share = 0.5f;
    sim_cost(&w, "b", 0)->capacity_share = 0.75f;
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "b", 0, 50);
    expect_kernel(&run, &w, "a", 0, 90);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_contention, kernels_that_fit_beside_each_other_do_not_slow_down)
{
    sim_world w;
    sim_run run;
    side_by_side(&w, "a; b", 1);
    w.costs.processors[0].n_lanes = 2;
    sim_kernel(&w, "a", 0, 80);
    sim_kernel(&w, "b", 0, 40);
    for (int i = 0; i < 2; i++) {
        w.costs.ops[i].capacity_share = 0.5f;
        w.costs.ops[i].dram_share = 0.5f;
    }
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 0, 80);
    expect_kernel(&run, &w, "b", 0, 40);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* a and b fill p1 and draw 1/4 of the DRAM each, c on p0 draws all of it.
 * Filling: at level 1/2 p1 is full (2 * 1/2), a and b stay there. DRAM then carries
 * 1/2 * (1/4 + 1/4 + 1) = 3/4; c alone may take the last quarter: rate 3/4.
 * c: 90 / (3/4) = 120. a, b: 100 / (1/2) = 200, c's end changes nothing for them. */
Test(sim_contention, who_is_held_up_elsewhere_leaves_its_bandwidth_to_the_others)
{
    sim_world w;
    sim_run run;
    side_by_side(&w, "a; b; c", 2);
    w.costs.processors[1].n_lanes = 2;
    sim_kernel(&w, "a", 1, 100);
    sim_kernel(&w, "b", 1, 100);
    sim_kernel(&w, "c", 0, 90);
    sim_cost(&w, "a", 1)->dram_share = sim_cost(&w, "b", 1)->dram_share = 0.25f;
    sim_cost(&w, "c", 0)->dram_share = 1;
    sim_place(&w, "a", 1, 0);
    sim_place(&w, "b", 1, 1);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "c", 0, 120);
    expect_kernel(&run, &w, "a", 0, 200);
    expect_kernel(&run, &w, "b", 0, 200);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* a (100, all of the DRAM) runs alone until b (100, all of it) starts at 40 behind z. Both at 1/2:
 * a's 60 left take 120 -> 160; b has done 60 by then, its 40 left take 40 -> 200. */
static void dram_change_in_the_middle(sim_world *w)
{
    side_by_side(w, "a; z; b z", 2);
    sim_kernel(w, "a", 0, 100);
    sim_kernel(w, "z", 1, 40);
    sim_kernel(w, "b", 1, 100);
    sim_cost(w, "a", 0)->dram_share = 1;
    sim_cost(w, "b", 1)->dram_share = 1;
    sim_place(w, "z", 1, 0);
    sim_place(w, "b", 1, 0);
}

Test(sim_contention, remaining_times_are_rescaled_when_the_set_of_running_things_changes)
{
    sim_world w;
    sim_run run;
    dram_change_in_the_middle(&w);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "z", 0, 40);
    expect_kernel(&run, &w, "a", 0, 160);
    expect_kernel(&run, &w, "b", 40, 200);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_contention, contention_can_be_switched_off)
{
    sim_world w;
    sim_run run;
    dram_change_in_the_middle(&w);
    w.config.contention = false;
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 0, 100);
    expect_kernel(&run, &w, "b", 40, 140);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* a -> p1 (10..30 alone) beside b (10..110 alone), both drawing all of the DRAM: 1/2 each. The copy
 * ends at 10 + 40 = 50; b has 80 left: 130. */
Test(sim_contention, a_transfer_draws_on_the_memory_too)
{
    sim_world w;
    sim_run run;
    side_by_side(&w, "a; b a; c a", 2);
    sim_kernel(&w, "a", 0, 10);
    sim_kernel(&w, "b", 0, 100);
    sim_kernel(&w, "c", 1, 200);
    sim_cost(&w, "b", 0)->dram_share = 1;
    sim_transfer(&w, "a", 0, 1, 20);
    w.costs.links[0][1].dram_share = 1;
    sim_place(&w, "c", 1, 0);
    sim_run_init(&run, &w);
    expect_transfer(&run, &w, "a", 10, 50);
    expect_kernel(&run, &w, "b", 10, 130);
    cr_assert_eq(run.result.transfer_ns, 40);
    cr_assert_eq(run.result.overlap_ns, 40);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* x = 1 + 1 from the two lanes of p1 (a's own 8 does not count): 1 + x/2 + x^2/2 = 4 for a on p0,
 * 30 * 4 = 120. p1 has no coefficients: b and c run at full speed. */
Test(sim_contention, interference_grows_with_the_square_of_the_others_pressure)
{
    sim_world w;
    sim_run run;
    side_by_side(&w, "a; b; c", 2);
    w.costs.processors[1].n_lanes = 2;
    w.costs.processors[0].slow_a = 0.5f;
    w.costs.processors[0].slow_b = 0.5f;
    sim_kernel(&w, "a", 0, 30);
    sim_kernel(&w, "b", 1, 500);
    sim_kernel(&w, "c", 1, 500);
    sim_cost(&w, "a", 0)->pressure = 8;
    sim_cost(&w, "b", 1)->pressure = sim_cost(&w, "c", 1)->pressure = 1;
    sim_cost(&w, "b", 1)->capacity_share = sim_cost(&w, "c", 1)->capacity_share = 0.5f;
    sim_place(&w, "b", 1, 0);
    sim_place(&w, "c", 1, 1);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 0, 120);
    expect_kernel(&run, &w, "b", 0, 500);
    expect_kernel(&run, &w, "c", 0, 500);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Pressure from another lane of the same processor counts as well: x = 1, 1 + 1/2 + 1/2 = 2. */
Test(sim_contention, interference_comes_from_the_other_lanes_of_the_same_processor_too)
{
    sim_world w;
    sim_run run;
    side_by_side(&w, "a; b", 1);
    w.costs.processors[0].n_lanes = 2;
    w.costs.processors[0].slow_a = w.costs.processors[0].slow_b = 0.5f;
    for (int i = 0; i < 2; i++) w.costs.ops[i].capacity_share = 0.5f;
    sim_kernel(&w, "a", 0, 30);
    sim_kernel(&w, "b", 0, 300);
    sim_cost(&w, "b", 0)->pressure = 1;
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 0, 60);
    expect_kernel(&run, &w, "b", 0, 300);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Both draw all of the DRAM and feel pressure: the model would say (1/2) / 4. Measured: a runs 4
 * times slower while p1 is busy: 30 * 4 = 120. b is not measured: 1/2 / 1. After a's end at 120
 * b has 200 - 60 = 140 left: 260. */
Test(sim_contention, a_measured_co_run_slowdown_stands_instead_of_the_model)
{
    sim_world w;
    sim_run run;
    side_by_side(&w, "a; b", 2);
    w.costs.processors[0].slow_a = w.costs.processors[0].slow_b = 1.5f;
    sim_kernel(&w, "a", 0, 30);
    sim_kernel(&w, "b", 1, 200);
    sim_cost(&w, "a", 0)->dram_share = sim_cost(&w, "b", 1)->dram_share = 1;
    sim_cost(&w, "b", 1)->pressure = 1;
    sim_cost(&w, "a", 0)->corun_slowdown = 4;
    sim_place(&w, "b", 1, 0);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 0, 120);
    expect_kernel(&run, &w, "b", 0, 260);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* The other lane belongs to the same processor: the co-run measurement says nothing: full speed. */
Test(sim_contention, a_co_run_slowdown_needs_another_processor_to_be_busy)
{
    sim_world w;
    sim_run run;
    side_by_side(&w, "a; b", 1);
    w.costs.processors[0].n_lanes = 2;
    sim_kernel(&w, "a", 0, 30);
    sim_kernel(&w, "b", 0, 30);
    for (int i = 0; i < 2; i++) {
        w.costs.ops[i].corun_slowdown = 4;
        w.costs.ops[i].capacity_share = 0.5f;
    }
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 0, 30);
    expect_kernel(&run, &w, "b", 0, 30);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* ---- energy -----------------------------------------------------------------------------------
 */

/* a 1 ms at 2 W, copy 2 ms at 4 W, b 3 ms at 8 W, copy home 1 ms at 1 W: 7 ms.
 * Dynamic: 2 + 8 + 24 + 1 = 35 mJ; whole board: + 10 W * 7 ms = 105 mJ.
 * Processor 0: a and the copy to it (2 + 1), processor 1: the copy to it and b (8 + 24). */
Test(sim_energy, energy_is_the_integral_of_power)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; b a");
    w.costs.base_w = 10;
    sim_kernel(&w, "a", 0, 1000000);
    sim_kernel(&w, "b", 1, 3000000);
    sim_transfer(&w, "a", 0, 1, 2000000);
    sim_transfer(&w, "b", 1, 0, 1000000);
    sim_cost(&w, "a", 0)->dynamic_w = 2;
    sim_cost(&w, "b", 1)->dynamic_w = 8;
    sim_cost(&w, "b", 0)->dynamic_w = 100; /* not where it runs */
    w.costs.links[0][1].dynamic_w = 4;
    w.costs.links[1][0].dynamic_w = 1;
    sim_place(&w, "b", 1, 0);
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.span_ns, 7000000);
    cr_assert_float_eq(run.result.energy_dynamic_j, 0.035, 1e-12);
    cr_assert_float_eq(run.result.energy_j, 0.105, 1e-12);
    cr_assert_float_eq(run.result.energy_processor_j[0], 0.003, 1e-12);
    cr_assert_float_eq(run.result.energy_processor_j[1], 0.032, 1e-12);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Issuing a takes 2 ms at 3 W, a runs 1 ms at 5 W: 6 + 5 = 11 mJ. */
Test(sim_energy, dispatching_has_a_power_of_its_own)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 1, "a");
    w.costs.dispatch_occupies_host = true;
    w.costs.processors[0].dispatch_w = 3;
    sim_all_launches(&w, 2000000);
    sim_kernel(&w, "a", 0, 1000000);
    sim_cost(&w, "a", 0)->dynamic_w = 5;
    sim_run_init(&run, &w);
    cr_assert_float_eq(run.result.energy_dynamic_j, 0.011, 1e-12);
    cr_assert_float_eq(run.result.energy_j, 0.011, 1e-12); /* no idle power */
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Both on processor 0, half as fast because memory is shared, at the same power: 2 * 2 ms * 1 W.
 * They ask for half of the processor each. */
Test(sim_energy, a_kernel_that_is_slowed_down_draws_its_power_for_longer)
{
    sim_world w;
    sim_run run;
    side_by_side(&w, "a; b", 1);
    w.costs.processors[0].n_lanes = 2;
    for (int i = 0; i < 2; i++) {
        w.costs.ops[i].kernel_ns = 1000000;
        w.costs.ops[i].dynamic_w = 1;
        w.costs.ops[i].dram_share = 1;
        w.costs.ops[i].capacity_share = 0.5f;
    }
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.span_ns, 2000000);
    cr_assert_float_eq(run.result.energy_dynamic_j, 0.004, 1e-12);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* 0.5 + 0.75 = 1.25 of a processor: a at 2 W and b at 4 W draw (2 + 4) / 1.25 = 4.8 W until b ends
 * at 50 ms, then a its 2 W until 90 ms: 240 + 80 = 320 mJ, what they draw one after another (80 ms
 * * 2 W + 40 ms * 4 W). Without contention they run side by side at full power, 320 mJ again. */
Test(sim_energy, kernels_that_share_a_processor_share_its_power)
{
    for (int contention = 0; contention < 2; contention++) {
        sim_world w;
        sim_run run;
        side_by_side(&w, "a; b", 1);
        w.config.contention = contention;
        w.costs.processors[0].n_lanes = 2;
        sim_kernel(&w, "a", 0, 80000000);
        sim_kernel(&w, "b", 0, 40000000);
        sim_cost(&w, "a", 0)->capacity_share = 0.5f;
        sim_cost(&w, "b", 0)->capacity_share = 0.75f;
        sim_cost(&w, "a", 0)->dynamic_w = 2;
        sim_cost(&w, "b", 0)->dynamic_w = 4;
        sim_run_init(&run, &w);
        cr_assert_eq(run.result.span_ns, contention ? 90000000 : 80000000);
        cr_assert_float_eq(run.result.energy_dynamic_j, 0.320, 1e-9);
        cr_assert_float_eq(run.result.energy_processor_j[0], 0.320, 1e-9);
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
}

/* The same two on processors of their own: nothing is shared. */
Test(sim_energy, kernels_on_two_processors_share_no_power)
{
    sim_world w;
    sim_run run;
    side_by_side(&w, "a; b", 2);
    sim_kernel(&w, "a", 0, 80000000);
    sim_kernel(&w, "b", 1, 40000000);
    sim_cost(&w, "a", 0)->dynamic_w = 2;
    sim_cost(&w, "b", 1)->dynamic_w = 4;
    sim_place(&w, "b", 1, 0);
    sim_run_init(&run, &w);
    cr_assert_float_eq(run.result.energy_dynamic_j, 0.320, 1e-9);
    sim_run_fini(&run);
    sim_world_fini(&w);
}
