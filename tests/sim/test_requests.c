/* Views, synchronisation, critical sections, workers and closed loops, computed by hand. */
#include <unistd.h>

#include "tests/sim/world.h"

/* ---- views ---------------------------------------------------------------------------------- */

Test(sim_view, a_view_costs_nothing_and_stays_where_its_input_is)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; =v a; b v");
    sim_all_transfers(&w, 5);
    sim_kernel(&w, "a", 1, 10);
    sim_kernel(&w, "b", 1, 10);
    sim_kernel(&w, "v", 0, 1000); /* whatever a table says of it */
    sim_kernel(&w, "v", 1, 1000);
    sim_place(&w, "a", 1, 0);
    sim_place(&w, "b", 1, 0);
    sim_place(&w, "v", 0, 0); /* a plan's word on a view does not count */
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "b", 10, 20);
    cr_assert_eq(sim_count(&run, &w, SPA_EV_KERNEL_BEGIN, "v"), 0);
    cr_assert_eq(run.result.transfers, 1); /* the output */
    cr_assert_eq(run.result.ops[0] + run.result.ops[1], 2);
    cr_assert_eq(run.result.span_ns, 25);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_view, a_view_of_a_graph_input_is_on_the_host)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "=v #1; b v");
    sim_all_transfers(&w, 5);
    sim_place(&w, "v", 1, 0);
    sim_place(&w, "b", 1, 0);
    sim_run_init(&run, &w);
    expect_transfer(&run, &w, "v", 0, 5);
    expect_kernel(&run, &w, "b", 5, 6);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Views of views on a stream are passed while their operator still runs: b is issued at 20. */
Test(sim_view, a_view_on_a_stream_does_not_stop_run_ahead)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; =u a; =v u; b v");
    w.costs.processors[1].is_async = true;
    w.costs.dispatch_occupies_host = true;
    sim_cost(&w, "a", 1)->launch_ns = sim_cost(&w, "b", 1)->launch_ns = 10;
    sim_kernel(&w, "a", 1, 30);
    sim_place(&w, "a", 1, 0);
    sim_place(&w, "b", 1, 0);
    sim_run_init(&run, &w);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_DISPATCH_END, "b", 0), 20);
    expect_kernel(&run, &w, "b", 40, 41);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* v is read here and there: one copy of v goes home (10..15) for b, c reads it on p1. d reads v on
 * p1 and b, which is copied there 16..21. */
Test(sim_view, a_view_read_on_two_processors_is_copied_to_the_other_one)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; =v a; b v; c v; d v b");
    sim_all_transfers(&w, 5);
    sim_kernel(&w, "a", 1, 10);
    sim_kernel(&w, "c", 1, 10);
    sim_kernel(&w, "d", 1, 10);
    sim_place(&w, "a", 1, 0);
    sim_place(&w, "c", 1, 0);
    sim_place(&w, "d", 1, 0);
    sim_run_init(&run, &w);
    expect_transfer(&run, &w, "v", 10, 15);
    expect_kernel(&run, &w, "b", 15, 16);
    expect_kernel(&run, &w, "c", 10, 20);
    expect_transfer(&run, &w, "b", 16, 21);
    expect_kernel(&run, &w, "d", 21, 31);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Each request: a, then the view that is its output. They follow one another: 0, 10, 20. */
Test(sim_view, a_model_may_end_with_a_view)
{
    alarm(300);
    sim_world w;
    sim_run run;
    sim_world_init(&w, 1, "a; =v a");
    sim_kernel(&w, "a", 0, 10);
    w.config.scenario = spa_scenario_closed(1, 3);
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.span_ns, 30);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_FINISH, NULL, 1), 20);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_view, a_model_may_consist_of_a_view)
{
    alarm(300);
    sim_world w;
    sim_run run;
    sim_world_init(&w, 1, "=v #0");
    w.config.scenario = spa_scenario_closed(2, 5);
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.span_ns, 0);
    cr_assert_eq(run.result.requests, 5);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* ---- synchronisation ------------------------------------------------------------------------- */

/* a is issued 0..10 and runs 10..40, its copy 40..45. Only then is b issued (45..55). Without the
 * pull b is issued 10..20 and runs at 40. */
Test(sim_sync, a_pulled_output_stops_dispatch_until_it_is_on_the_host)
{
    for (int pulled = 0; pulled < 2; pulled++) {
        sim_world w;
        sim_run run;
        sim_world_init(&w, 2, pulled ? "!a; b a" : "a; b a");
        w.costs.processors[1].is_async = true;
        w.costs.dispatch_occupies_host = true;
        sim_all_launches(&w, 10);
        sim_transfer(&w, "a", 1, 0, 5);
        sim_kernel(&w, "a", 1, 30);
        sim_kernel(&w, "b", 1, 20);
        sim_place(&w, "a", 1, 0);
        sim_place(&w, "b", 1, 0);
        sim_run_init(&run, &w);
        expect_kernel(&run, &w, "a", 10, 40);
        if (pulled) {
            expect_transfer(&run, &w, "a", 40, 45);
            cr_assert_eq(sim_time(&run, &w, SPA_EV_DISPATCH_BEGIN, "b", 0), 45);
            expect_kernel(&run, &w, "b", 55, 75);
        } else {
            cr_assert_eq(sim_count(&run, &w, SPA_EV_TRANSFER_BEGIN, "a"), 0);
            expect_kernel(&run, &w, "b", 40, 60);
        }
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
}

/* Independent x on the host (0..50) and y on the other processor: y waits for x only where host
 * operators block. */
Test(sim_sync, a_blocking_host_operator_stops_dispatch_until_it_is_done)
{
    for (int blocking = 0; blocking < 2; blocking++) {
        sim_world w;
        sim_run run;
        sim_world_init(&w, 2, "x; y");
        w.costs.blocking_sync = blocking;
        sim_kernel(&w, "x", 0, 50);
        sim_kernel(&w, "y", 1, 20);
        sim_place(&w, "y", 1, 0);
        sim_run_init(&run, &w);
        expect_kernel(&run, &w, "x", 0, 50);
        expect_kernel(&run, &w, "y", blocking ? 50 : 0, blocking ? 70 : 20);
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
}

/* Another request goes on meanwhile: r0 waits for its pull (a 0..30, copy 30..35), r1's a follows
 * on the stream 30..60. */
Test(sim_sync, a_pull_blocks_its_own_request_only)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "!a; b a");
    w.costs.processors[1].is_async = true;
    sim_transfer(&w, "a", 1, 0, 5);
    sim_kernel(&w, "a", 1, 30);
    sim_kernel(&w, "b", 0, 100);
    sim_place(&w, "a", 1, 0);
    w.config.scenario = spa_scenario_closed(2, 2);
    sim_run_init(&run, &w);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "a", 1), 30);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "b", 0), 35);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "b", 1), 135);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* The view's copy to the host (10..60) is still under way when b ends at 20; b's own copy home is
 * free. The request is not over before its last copy is. */
Test(sim_sync, a_request_does_not_end_while_a_pulled_view_is_on_its_way)
{
    alarm(300);
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a; =v a; b v");
    w.graph.ops[1].flags |= SPA_OP_PULLED;
    w.costs.processors[1].is_async = true;
    sim_transfer(&w, "v", 1, 0, 50);
    sim_kernel(&w, "a", 1, 10);
    sim_kernel(&w, "b", 1, 10);
    sim_place(&w, "a", 1, 0);
    sim_place(&w, "b", 1, 0);
    w.config.scenario = spa_scenario_closed(1, 2);
    sim_run_init(&run, &w);
    cr_assert_geq(sim_time(&run, &w, SPA_EV_FINISH, NULL, 0), 60);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* ---- critical section, workers ----------------------------------------------------------------
 */

/* s would run on three lanes at once; the section lets one in at a time: 0..10, 10..20, 20..30. */
Test(sim_section, requests_pass_the_critical_section_in_order_of_arrival)
{
    for (uint32_t serial = 0; serial < 2; serial++) {
        sim_world w;
        sim_run run;
        sim_world_init(&w, 2, "s; t s");
        w.costs.processors[0].n_lanes = 3;
        w.costs.processors[1].n_lanes = 3;
        sim_kernel(&w, "s", 0, 10);
        sim_kernel(&w, "t", 1, 100);
        sim_place(&w, "t", 1, SPA_LANE_ANY);
        w.config.scenario = spa_scenario_closed(3, 3);
        w.config.scenario.serial_ops = serial;
        sim_run_init(&run, &w);
        for (int r = 0; r < 3; r++) {
            int64_t begin = serial ? 10 * r : 0;
            cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "s", (uint64_t)r), begin);
            cr_assert_eq(sim_time(&run, &w, SPA_EV_FINISH, NULL, (uint64_t)r), begin + 110);
        }
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
}

/* s runs on the stream (10), its copy to the host (5) belongs to the section as t was issued with
 * it: the next one enters at 15. */
Test(sim_section, a_transfer_that_was_asked_for_inside_belongs_to_the_section)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "s; t s");
    w.costs.processors[1].is_async = true;
    w.costs.processors[1].n_lanes = 2;
    w.costs.processors[0].n_lanes = 2;
    sim_kernel(&w, "s", 1, 10);
    sim_kernel(&w, "t", 0, 100);
    sim_transfer(&w, "s", 1, 0, 5);
    sim_place(&w, "s", 1, SPA_LANE_ANY);
    w.config.scenario = spa_scenario_closed(2, 2);
    w.config.scenario.serial_ops = 1;
    sim_run_init(&run, &w);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "s", 1), 15);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "t", 0), 15);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "t", 1), 30);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Requests r0 .. r3 arrive in two slots; r2 enters after r1 although r0's slot is older. */
Test(sim_section, a_request_that_arrives_later_enters_later)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 1, "s");
    w.costs.processors[0].n_lanes = 2;
    sim_kernel(&w, "s", 0, 10);
    w.config.scenario = spa_scenario_closed(2, 4);
    w.config.scenario.serial_ops = 1;
    sim_run_init(&run, &w);
    for (int r = 0; r < 4; r++)
        cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "s", (uint64_t)r), 10 * r);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* The section ends with a view, which ends while its own lane dispatches: r1 (lane 1) lets in r2,
 * which lane 0 dispatches, and it does so at once: s 0..10, 10..20, 20..30. Nothing else happens
 * before 110. */
Test(sim_section, a_request_that_is_let_in_by_a_view_starts_at_once)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "s; =v s; t v");
    w.costs.processors[0].n_lanes = 2;
    w.costs.processors[1].n_lanes = 3;
    sim_kernel(&w, "s", 0, 10);
    sim_kernel(&w, "t", 1, 100);
    sim_place(&w, "t", 1, SPA_LANE_ANY);
    w.config.scenario = spa_scenario_closed(3, 3);
    w.config.scenario.serial_ops = 2;
    w.config.scenario.workers = true;
    sim_run_init(&run, &w);
    for (int r = 0; r < 3; r++)
        cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "s", (uint64_t)r), 10 * r);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Two workers issue (5) and compute (10) at once, each on its own lane; the third request follows
 * on the lane that comes free. One dispatching thread issues 0..5 and 5..10 one after another. */
Test(sim_workers, each_request_is_dispatched_and_run_by_a_host_lane_of_its_own)
{
    for (int workers = 0; workers < 2; workers++) {
        sim_world w;
        sim_run run;
        sim_world_init(&w, 1, "a");
        w.costs.processors[0].n_lanes = 2;
        w.costs.dispatch_occupies_host = true;
        sim_all_launches(&w, 5);
        sim_kernel(&w, "a", 0, 10);
        w.config.scenario = spa_scenario_closed(2, 3);
        w.config.scenario.workers = workers;
        sim_run_init(&run, &w);
        cr_assert_eq(sim_time(&run, &w, SPA_EV_DISPATCH_BEGIN, NULL, 0), -1);
        cr_assert_eq(sim_time(&run, &w, SPA_EV_DISPATCH_BEGIN, "a", 1), workers ? 0 : 5);
        if (workers) {
            cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "a", 0), 5);
            cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "a", 1), 5);
            cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "a", 2), 20);
            for (size_t i = 0; i < run.n_events; i++)
                if (run.events[i].kind == SPA_EV_KERNEL_BEGIN)
                    cr_assert_eq(run.events[i].lane, run.events[i].request % 2);
        }
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
}

/* ---- closed loop ------------------------------------------------------------------------------
 */

Test(sim_closed, a_new_request_enters_when_one_leaves_and_never_more_than_asked_for)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 1, "a; b a");
    sim_kernel(&w, "a", 0, 10);
    sim_kernel(&w, "b", 0, 5);
    w.config.scenario = spa_scenario_closed(3, 10);
    sim_run_init(&run, &w);
    int in_flight = 0;
    for (size_t i = 0; i < run.n_events; i++) {
        const spa_event *ev = &run.events[i];
        if (ev->kind == SPA_EV_ARRIVE) {
            in_flight++;
            cr_assert_leq(in_flight, 3);
            if (ev->request >= 3)
                cr_assert_eq(ev->time_ns, sim_time(&run, &w, SPA_EV_FINISH, NULL, ev->request - 3));
        }
        in_flight -= ev->kind == SPA_EV_FINISH;
    }
    cr_assert_eq(in_flight, 0);
    cr_assert_eq(run.result.requests, 10);
    cr_assert_eq(run.result.span_ns, 150); /* one lane, no idle time: 10 * 15 */
    cr_assert_eq(run.latencies.count, 10);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Latencies 10, 20, 30, 30 with 3 in flight on one lane of 10 ns; the first two do not count. */
Test(sim_closed, the_warm_up_is_left_out_of_the_latencies)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 1, "a");
    sim_kernel(&w, "a", 0, 10);
    w.config.scenario = spa_scenario_closed(3, 4);
    sim_run_init(&run, &w);
    cr_assert_float_eq(run.result.latency_ns.mean, (10 + 20 + 30 + 30) / 4.0, 1e-9);
    sim_run_fini(&run);
    w.config.scenario.warmup = 2;
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.latency_ns.count, 2);
    cr_assert_float_eq(run.result.latency_ns.mean, 30, 1e-9);
    cr_assert_eq(run.result.requests, 4);
    sim_run_fini(&run);
    sim_world_fini(&w);
}
