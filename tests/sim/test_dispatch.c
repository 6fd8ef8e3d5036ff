/* What the engine does when, computed by hand: chains, dispatch, transfers. */
#include "tests/sim/world.h"

/* ---- chains --------------------------------------------------------------------------------- */

static void chain_of_three(sim_world *w)
{
    sim_world_init(w, 1, "a #0; b a; c b");
    sim_kernel(w, "a", 0, 10);
    sim_kernel(w, "b", 0, 20);
    sim_kernel(w, "c", 0, 5);
    sim_cost(w, "a", 0)->launch_ns = 2;
    sim_cost(w, "b", 0)->launch_ns = 3;
    sim_cost(w, "c", 0)->launch_ns = 4;
}

Test(sim_dispatch, a_chain_on_one_processor_takes_the_sum_of_its_kernels)
{
    sim_world w;
    sim_run run;
    chain_of_three(&w);
    sim_all_launches(&w, 0);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 0, 10);
    expect_kernel(&run, &w, "b", 10, 30);
    expect_kernel(&run, &w, "c", 30, 35);
    cr_assert_eq(run.result.span_ns, 35);
    cr_assert_eq(run.result.busy_ns[0], 35);
    cr_assert_eq(run.result.ops[0], 3);
    cr_assert_eq(run.result.requests, 1);
    cr_assert_eq(run.result.transfers, 0);
    cr_assert_float_eq(run.result.latency_ns.mean, 35, 0);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_dispatch, launches_are_delays_on_the_lane_when_dispatch_is_free)
{
    sim_world w;
    sim_run run;
    chain_of_three(&w);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 0, 12);  /* 2 + 10 */
    expect_kernel(&run, &w, "b", 12, 35); /* 3 + 20 */
    expect_kernel(&run, &w, "c", 35, 44); /* 4 + 5 */
    cr_assert_eq(run.result.dispatch_ns, 0);
    cr_assert_eq(sim_count(&run, &w, SPA_EV_DISPATCH_BEGIN, NULL), 0);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_dispatch, a_host_that_dispatches_alternates_between_issuing_and_computing)
{
    sim_world w;
    sim_run run;
    chain_of_three(&w);
    w.costs.dispatch_occupies_host = true;
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 2, 12);  /* issued 0..2 */
    expect_kernel(&run, &w, "b", 15, 35); /* issued 12..15 */
    expect_kernel(&run, &w, "c", 39, 44); /* issued 35..39 */
    cr_assert_eq(run.result.dispatch_ns, 9);
    cr_assert_eq(run.result.busy_ns[0], 35); /* issuing is no kernel time */
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Host p0 issues to a stream p1; only the last output returns. */
static void gpu_chain(sim_world *w, bool is_async)
{
    sim_world_init(w, 2, "a; b a; c b; d c");
    for (const char *const *n = (const char *[]){"a", "b", "c", "d", NULL}; *n; n++) {
        sim_place(w, *n, 1, SPA_LANE_ANY);
        sim_kernel(w, *n, 1, 3);
    }
    sim_kernel(w, "b", 1, 50);
    sim_all_launches(w, 10);
    w->costs.dispatch_occupies_host = true;
    w->costs.processors[1].is_async = is_async;
}

/* h_i = h_{i-1} + launch; a kernel starts at max(h_i, end of the one before):
 * a max(10, 0), b max(20, 13), c max(30, 70), d max(40, 73). */
Test(sim_dispatch, a_stream_runs_a_chain_at_the_later_of_issue_and_previous_end)
{
    sim_world w;
    sim_run run;
    gpu_chain(&w, true);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 10, 13);
    expect_kernel(&run, &w, "b", 20, 70);
    expect_kernel(&run, &w, "c", 70, 73);
    expect_kernel(&run, &w, "d", 73, 76);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_DISPATCH_END, "d", 0), 40);
    cr_assert_eq(run.result.dispatch_ns, 40);
    cr_assert_eq(run.result.span_ns, 76);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Without run-ahead each launch stands in the chain: 4 * 10 + 3 + 50 + 3 + 3 = 99. */
Test(sim_dispatch, without_a_stream_every_launch_waits_for_the_previous_kernel)
{
    sim_world w;
    sim_run run;
    gpu_chain(&w, false);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 10, 13);
    expect_kernel(&run, &w, "b", 23, 73);
    expect_kernel(&run, &w, "c", 83, 86);
    expect_kernel(&run, &w, "d", 96, 99);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Two independent operators and two lanes: a_0 any lane -> lane 0, b any lane -> the free lane 1.
 */
Test(sim_dispatch, an_operator_without_a_lane_goes_to_the_lane_that_is_free_first)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 1, "a; b; c; d");
    w.costs.processors[0].n_lanes = 2;
    sim_kernel(&w, "a", 0, 30);
    sim_kernel(&w, "b", 0, 10);
    sim_kernel(&w, "c", 0, 10);
    sim_kernel(&w, "d", 0, 5);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 0, 30);  /* lane 0 */
    expect_kernel(&run, &w, "b", 0, 10);  /* lane 1 */
    expect_kernel(&run, &w, "c", 10, 20); /* lane 1: 10 < 30 */
    expect_kernel(&run, &w, "d", 20, 25); /* lane 1: 10 + 10 < 30 */
    cr_assert_eq(run.result.span_ns, 30);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_dispatch, a_schedule_may_name_lanes_and_keep_another_one_idle)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 1, "a; b");
    w.costs.processors[0].n_lanes = 2;
    sim_kernel(&w, "a", 0, 30);
    sim_kernel(&w, "b", 0, 10);
    sim_place(&w, "a", 0, 1);
    sim_place(&w, "b", 0, 1);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "b", 30, 40);
    for (size_t i = 0; i < run.n_events; i++)
        if (run.events[i].kind == SPA_EV_KERNEL_BEGIN) cr_assert_eq(run.events[i].lane, 1);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_dispatch, the_schedules_order_is_the_dispatch_order)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 1, "a; b; c");
    sim_kernel(&w, "a", 0, 10);
    sim_kernel(&w, "b", 0, 20);
    sim_kernel(&w, "c", 0, 40);
    sim_order(&w, "c a b");
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "c", 0, 40);
    expect_kernel(&run, &w, "a", 40, 50);
    expect_kernel(&run, &w, "b", 50, 70);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* ---- transfers ------------------------------------------------------------------------------- */

Test(sim_transfer, a_hand_over_and_its_way_back_wait_for_the_copies)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a #0; b a; c b");
    sim_kernel(&w, "a", 0, 10);
    sim_kernel(&w, "b", 1, 20);
    sim_kernel(&w, "c", 0, 5);
    sim_transfer(&w, "a", 0, 1, 4);
    sim_transfer(&w, "b", 1, 0, 6);
    sim_place(&w, "b", 1, 0);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 0, 10);
    expect_transfer(&run, &w, "a", 10, 14);
    expect_kernel(&run, &w, "b", 14, 34);
    expect_transfer(&run, &w, "b", 34, 40);
    expect_kernel(&run, &w, "c", 40, 45);
    cr_assert_eq(run.result.span_ns, 45);
    cr_assert_eq(run.result.transfers, 2);
    cr_assert_eq(run.result.transfer_ns, 10);
    cr_assert_eq(run.result.overlap_ns, 0); /* nothing else ran meanwhile */
    cr_assert_eq(run.result.ops[0], 2);
    cr_assert_eq(run.result.ops[1], 1);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* a 0..10; a -> p1 10..15 beside c 10..40; b 15..25; its way home 25..30 beside c.
 * Overlap: 5 + 5. */
Test(sim_transfer, a_transfer_beside_a_kernel_counts_as_overlap)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; b a; c a");
    sim_all_transfers(&w, 5);
    sim_kernel(&w, "a", 0, 10);
    sim_kernel(&w, "b", 1, 10);
    sim_kernel(&w, "c", 0, 30);
    sim_place(&w, "b", 1, 0);
    sim_run_init(&run, &w);
    expect_transfer(&run, &w, "a", 10, 15);
    expect_kernel(&run, &w, "c", 10, 40);
    expect_kernel(&run, &w, "b", 15, 25);
    expect_transfer(&run, &w, "b", 25, 30);
    cr_assert_eq(run.result.transfer_ns, 10);
    cr_assert_eq(run.result.overlap_ns, 10);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* As above with c of 3 ns: c 10..13 beside a -> p1 10..15 gives 3; the way home runs alone. */
Test(sim_transfer, only_the_part_of_a_transfer_beside_a_kernel_is_overlap)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; b a; c a");
    sim_all_transfers(&w, 5);
    sim_kernel(&w, "a", 0, 10);
    sim_kernel(&w, "b", 1, 10);
    sim_kernel(&w, "c", 0, 3);
    sim_place(&w, "b", 1, 0);
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.span_ns, 30);
    cr_assert_eq(run.result.transfer_ns, 10);
    cr_assert_eq(run.result.overlap_ns, 3);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* d waits for b, done at 20, and c, done at 40. Only then is it placed and b's copy asked for
 * (40..45): without run-ahead nothing is prefetched for an operator that is not dispatched. */
Test(sim_transfer, inputs_are_moved_when_their_reader_is_dispatched)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "b; c; d b c");
    sim_all_transfers(&w, 5);
    sim_kernel(&w, "b", 1, 20);
    sim_kernel(&w, "c", 0, 40);
    sim_place(&w, "b", 1, 0);
    sim_run_init(&run, &w);
    expect_transfer(&run, &w, "b", 40, 45);
    expect_kernel(&run, &w, "d", 45, 46);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* One link for both directions: a -> p1 (0..10) makes b -> p0 wait. b runs 0..1 on p1, its copy
 * is asked for at 0 and may only go 10..20. With a link each it goes 1..11. */
static void crossing(sim_world *w, sim_run *run, uint32_t links)
{
    sim_world_init(w, 2, "a #0; b; c b");
    w->costs.n_links = links;
    w->costs.links[1][0].id = (uint8_t)(links - 1);
    sim_all_transfers(w, 10);
    sim_place(w, "a", 1, 0); /* reads the graph's input, which is on the host */
    sim_place(w, "b", 1, 0);
    sim_order(w, "a b c");
    sim_transfer(w, "a", 1, 0, 0);
    sim_run_init(run, w);
    expect_transfer(run, w, "#0", 0, 10);
}

Test(sim_transfer, transfers_of_one_link_go_one_after_another)
{
    sim_world w;
    sim_run run;
    crossing(&w, &run, 1);
    expect_kernel(&run, &w, "b", 0, 1);
    expect_transfer(&run, &w, "b", 10, 20);
    expect_kernel(&run, &w, "c", 20, 21);
    cr_assert_eq(run.result.transfer_ns, 20); /* waiting is not transferring */
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_transfer, transfers_of_two_links_go_at_once)
{
    sim_world w;
    sim_run run;
    crossing(&w, &run, 2);
    expect_transfer(&run, &w, "b", 1, 11);
    expect_kernel(&run, &w, "c", 11, 12);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_transfer, a_tensor_with_two_readers_over_there_moves_once)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; b a; c a b");
    sim_all_transfers(&w, 5);
    sim_place(&w, "b", 1, 0);
    sim_place(&w, "c", 1, 0);
    sim_run_init(&run, &w);
    cr_assert_eq(sim_count(&run, &w, SPA_EV_TRANSFER_BEGIN, "a"), 1);
    cr_assert_eq(run.result.transfers, 2); /* a there, the output back */
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_transfer, an_operator_that_reads_a_tensor_twice_waits_for_it_once)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; b a a");
    sim_all_transfers(&w, 5);
    sim_kernel(&w, "a", 0, 10);
    sim_place(&w, "b", 1, 0);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "b", 15, 16);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Two lanes of the host would run at once; each final output must also come home: b -> p0 10..17.
 */
Test(sim_transfer, the_request_ends_when_every_output_is_back_on_the_host)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; b");
    sim_all_transfers(&w, 7);
    sim_kernel(&w, "a", 0, 3);
    sim_kernel(&w, "b", 1, 10);
    sim_place(&w, "b", 1, 0);
    sim_run_init(&run, &w);
    expect_transfer(&run, &w, "b", 10, 17);
    cr_assert_eq(sim_count(&run, &w, SPA_EV_TRANSFER_BEGIN, "a"), 0);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_FINISH, NULL, 0), 17);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Issuing b takes its launch (2) and the issue of the copy (3): 10..15; a's copy starts with the
 * issue: 10..14. The last output's copy costs no issue: it is part of b's own dispatch. */
Test(sim_transfer, issuing_a_transfer_takes_host_time)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; b a");
    w.costs.dispatch_occupies_host = true;
    w.costs.links[0][1].issue_ns = 3;
    sim_kernel(&w, "a", 0, 10);
    sim_kernel(&w, "b", 1, 20);
    sim_cost(&w, "b", 1)->launch_ns = 2;
    sim_transfer(&w, "a", 0, 1, 4);
    sim_place(&w, "b", 1, 0);
    sim_run_init(&run, &w);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_DISPATCH_BEGIN, "b", 0), 10);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_DISPATCH_END, "b", 0), 15);
    expect_transfer(&run, &w, "a", 10, 14);
    expect_kernel(&run, &w, "b", 15, 35);
    cr_assert_eq(run.result.dispatch_ns, 5);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* c comes before b in the dispatch order. Both wait for the copy of a (10..15) on one lane. */
Test(sim_transfer, operators_that_wait_for_one_transfer_run_in_dispatch_order)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; b a; c a");
    sim_all_transfers(&w, 5);
    sim_kernel(&w, "a", 0, 10);
    sim_kernel(&w, "b", 1, 20);
    sim_kernel(&w, "c", 1, 40);
    sim_place(&w, "b", 1, 0);
    sim_place(&w, "c", 1, 0);
    sim_order(&w, "a c b");
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "c", 15, 55);
    expect_kernel(&run, &w, "b", 55, 75);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* A stream keeps the issue order: b waits for its input until 35 (a 0..30, copy 30..35) and holds
 * up the ready c behind it. */
Test(sim_transfer, an_operator_that_waits_holds_up_those_behind_it_in_its_stream)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; x; b a; c x");
    sim_all_transfers(&w, 0);
    sim_transfer(&w, "a", 0, 1, 5);
    w.costs.processors[1].is_async = true;
    w.costs.processors[1].n_lanes = 2;
    sim_kernel(&w, "x", 1, 30);
    sim_kernel(&w, "b", 1, 2);
    sim_kernel(&w, "c", 1, 2);
    sim_kernel(&w, "a", 0, 10);
    sim_place(&w, "x", 1, 1);
    sim_place(&w, "c", 1, 0); /* behind x, in another stream, issued first */
    sim_place(&w, "b", 1, 0);
    sim_order(&w, "a x c b");
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "c", 30, 32);
    expect_kernel(&run, &w, "b", 32, 34); /* its input was there at 15 */
    sim_run_fini(&run);
    sim_world_fini(&w);
}
