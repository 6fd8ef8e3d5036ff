/* Conditions that change clocks: modes, the governor, temperature; and zeros that differ from
 * request to request. */
#include <math.h>
#include <stdlib.h>
#include "tests/sim/conditions_world.h"

/* a: 1000 ns at 8 W; in mode `half` 200 + max(1000, 1800) = 2000 ns at 3 W. The board: 2 W and 1 W.
 * At 0.4 us the mode changes: 400 ns of work are done, 600 are left and take 1200: end at 1600.
 * Dynamic: 400 ns * 8 W + 1200 ns * 3 W = 6800 nJ; board: 400 * 2 + 1200 * 1 = 2000 nJ. */
Test(sim_modes, a_change_in_the_middle_rescales_time_and_energy)
{
    sim_world w;
    sim_run run;
    station(&w, 1000, 1);
    w.costs.base_w = 2;
    sim_cost(&w, "a", 0)->dynamic_w = 8;
    two_modes(&w);
    mode_op(&w, "a", 0, 200, 1000, 1800, 3);
    change(&w, 0.0004, "half");
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.span_ns, 1600);
    cr_assert_float_eq(run.result.energy_dynamic_j, 6800e-9, 1e-12);
    cr_assert_float_eq(run.result.energy_processor_j[0], 6800e-9, 1e-12);
    cr_assert_float_eq(run.result.energy_j, 8800e-9, 1e-12);
    cr_assert_eq(sim_count(&run, &w, SPA_EV_MODE, NULL), 1);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* The same list again every 2 us: full from 0, half from 1 us. 3 kernels of 1000 ns at full, 2000
 * at half: 0-1000 the first; half from 1000: 500 of the second by 2000, then full: 500 more by
 * 2500; the third: 500 by 3000, then half: 500 take 1000: 4000. */
Test(sim_modes, a_list_repeats)
{
    sim_world w;
    sim_run run;
    station(&w, 1000, 1);
    w.config.scenario = spa_scenario_closed(1, 3);
    two_modes(&w);
    mode_op(&w, "a", 0, 2000, 0, 0, 0);
    change(&w, 0, "full");
    change(&w, 0.001, "half");
    conditions_of(&w)->repeat_ms = 0.002;
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.span_ns, 4000);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Issuing takes host cycles: 100 ns at the table's clock, 200 in mode `half`. On the lane (no
 * dispatching thread) with a kernel of 1000 that takes 2000: 200 + 2000. As a thread of its own:
 * dispatch 200, kernel 2000. */
Test(sim_modes, launches_take_as_long_as_the_hosts_clock_says)
{
    for (int occupies = 0; occupies < 2; occupies++) {
        sim_world w;
        sim_run run;
        station(&w, 1000, 1);
        sim_all_launches(&w, 100);
        w.costs.dispatch_occupies_host = occupies;
        two_modes(&w);
        mode_op(&w, "a", 0, 2000, 0, 0, 0);
        change(&w, 0, "half");
        sim_run_init(&run, &w);
        cr_assert_leq(llabs(run.result.span_ns - 2200), 1, "%lld", (long long)run.result.span_ns);
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
}

Test(sim_modes, transfers_take_as_long_as_in_the_mode)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a #0; b a");
    sim_all_transfers(&w, 300);
    sim_place(&w, "b", 1, 0);
    two_modes(&w);
    for (size_t i = 0; i < w.costs.n_tensors * 4; i++) w.costs.modes[1].transfer_ns[i] = 900;
    change(&w, 0, "half");
    sim_run_init(&run, &w);
    expect_transfer(&run, &w, "a", 1, 901);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_modes, modes_that_are_not_there_or_do_not_fit_are_refused)
{
    spa_error e = {0};
    sim_world w;
    station(&w, 10, 1);
    change(&w, 0, "half");
    cr_assert_eq(sim_run_failing(&w, &e), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(e.message, "none is known"), "%s", e.message);
    two_modes(&w);
    strcpy(conditions_of(&w)->changes[0].mode, "hafl");
    cr_assert_eq(sim_run_failing(&w, &e), SPA_E_NOT_FOUND);
    cr_assert_not_null(strstr(e.message, "did you mean 'half'"), "%s", e.message);
    strcpy(conditions_of(&w)->changes[0].mode, "half");
    w.costs.modes[1].unusable = "2 lanes of 4 cores do not fit its 4 cores online";
    cr_assert_eq(sim_run_failing(&w, &e), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(e.message, "2 lanes of 4 cores"), "%s", e.message);
    sim_world_fini(&w);
}

/* ---- schedutil -------------------------------------------------------------------------------
 */

Test(sim_schedutil, the_next_clock_is_a_quarter_above_utilisation_and_a_level)
{
    spa_conditions c = {.min_ratio = 0.3};
    cr_assert_eq(spa_schedutil_ppm(&c, 0.4), 500000);  /* 1.25 * 0.4 */
    cr_assert_eq(spa_schedutil_ppm(&c, 0.8), 1000000); /* 1.25 * 0.8 */
    cr_assert_eq(spa_schedutil_ppm(&c, 0.9), 1000000);
    cr_assert_eq(spa_schedutil_ppm(&c, 0.1), 300000);
    c.n_levels = 3;
    c.levels[0] = 0.25, c.levels[1] = 0.6, c.levels[2] = 1;
    cr_assert_eq(spa_schedutil_ppm(&c, 0.4), 600000);
    cr_assert_eq(spa_schedutil_ppm(&c, 0.5), 1000000); /* 0.625 is above 0.6 */
    cr_assert_eq(spa_schedutil_ppm(&c, 0.1), 600000);  /* 0.3 is above 0.25 */
}

/* A request of 200 ns every 1000 ns. Period 1000 ns, delay 100: busy for 200 of the first 1000 ns:
 * 1.25 * 0.2 = 0.25 from 1100 on. Request 1 comes at 1000: 100 ns at full clock, 100 ns of work
 * left take 400: it ends at 1500. In the second period (1000 to 2000) 500 ns are busy, 100 at full
 * clock and 400 at a quarter; the governor sees 0.5 busy at a clock of 0.25: 1.25 * 0.125 =
 * 0.15625, less than the least clock 0.2: 0.2 from 2100 on. Request 2 at 2000: 100 ns at 0.25 give
 * 25; 175 left at 0.2 take 875: ends at 2975. Power: 10 W at exponent 2: 1/16 at 0.25, 1/25 at 0.2.
 */
Test(sim_schedutil, clocks_follow_utilisation_after_the_delay)
{
    sim_world w;
    sim_run run;
    spa_conditions *c;
    station(&w, 200, 1);
    sim_cost(&w, "a", 0)->dynamic_w = 10;
    w.config.scenario = spa_scenario_open(SPA_ARRIVALS_PERIODIC, 1e6, 4, 3);
    c = conditions_of(&w);
    c->governor = SPA_GOVERNOR_SCHEDUTIL;
    c->period_ms = 0.001;
    c->delay_ms = 0.0001;
    c->min_ratio = 0.2;
    c->power_exponent = 2;
    sim_run_init(&run, &w);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_END, "a", 0), 200);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_END, "a", 1), 1500);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_END, "a", 2), 2975);
    double nj = 200 * 10 + 100 * 10 + 400 * 10 / 16.0 + 100 * 10 / 16.0 + 875 * 10 / 25.0;
    cr_assert_float_eq(run.result.energy_dynamic_j, nj * 1e-9, 1e-12);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* A load on the processor counts as utilisation: 0.8 of it keeps the clock up. */
Test(sim_schedutil, background_load_keeps_clocks_up)
{
    sim_world w;
    sim_run run;
    station(&w, 200, 0.1f);
    w.config.scenario = spa_scenario_open(SPA_ARRIVALS_PERIODIC, 1e6, 4, 5);
    *conditions_of(&w) = (spa_conditions){.governor = SPA_GOVERNOR_SCHEDUTIL,
                                          .period_ms = 0.001,
                                          .min_ratio = 0.2,
                                          .power_exponent = 2,
                                          .n_backgrounds = 1};
    always(&conditions_of(&w)->backgrounds[0], "host", 0.8);
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.span_ns, 4200);
    cr_assert_eq(sim_count(&run, &w, SPA_EV_CLOCK, NULL), 0);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* ---- temperature -----------------------------------------------------------------------------
 */

/* R = 2 K/W, C = 5 J/K, 10 W from 25 C: T(t) = 25 + 20 (1 - exp(-t / 10 s)). In one step or in
 * many. */
Test(sim_thermal, a_step_of_power_is_answered_by_the_exponential)
{
    spa_thermal t = {.r_k_per_w = 2, .c_j_per_k = 5, .ambient_c = 25};
    double steps = 25;
    cr_assert_float_eq(spa_thermal_after(&t, 25, 10, 10), 25 + 20 * (1 - exp(-1)), 1e-12);
    for (int i = 0; i < 100; i++) steps = spa_thermal_after(&t, steps, 10, 0.1);
    cr_assert_float_eq(steps, 25 + 20 * (1 - exp(-1)), 1e-9);
    cr_assert_float_eq(spa_thermal_after(&t, 45, 0, 1e6), 25, 1e-9);
}

/* Ambient and start 20 C, R = 1 K/W, C = 1 uJ/K: RC = 1 us, and so often it is looked at. A kernel
 * of 5000 ns at 40 W; throttled from 50 C until 38 C to half the clock, which at exponent 2 is 10
 * W. 1 us: 60 - 40 e^-1 = 45.28      2 us: 60 - 14.72 e^-1 = 54.59: throttled, 3000 ns are left 3
 * us: 30 + 24.59 e^-1 = 39.04   4 us: 30 + 9.04 e^-1 = 33.33: released, 2000 ns left 5 us: 60
 * - 26.67 e^-1 = 50.19: throttled, 1000 ns left 6 us: 30 + 20.19 e^-1 = 37.43: released, 500 ns
 * left: the end is at 6.5 us 3.5 us at 40 W and 3 us at 10 W: 170 uJ. */
Test(sim_thermal, a_board_throttles_and_recovers)
{
    sim_world w;
    sim_run run;
    station(&w, 5000, 1);
    sim_cost(&w, "a", 0)->dynamic_w = 40;
    w.costs.base_w = 1e-9;
    conditions_of(&w)->power_exponent = 2;
    conditions_of(&w)->thermal = (spa_thermal){.r_k_per_w = 1,
                                               .c_j_per_k = 1e-6,
                                               .ambient_c = 20,
                                               .start_c = 20,
                                               .throttle_c = 50,
                                               .hysteresis_k = 12,
                                               .cap = 0.5,
                                               .poll_ms = 0.001};
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.span_ns, 6500);
    cr_assert_float_eq(run.result.energy_dynamic_j, 170e-6, 1e-9);
    cr_assert_eq(sim_count(&run, &w, SPA_EV_THROTTLE, NULL), 4);
    cr_assert_eq(sim_count(&run, &w, SPA_EV_CLOCK, NULL), 4);
    sim_run_fini(&run);
    w.costs.base_w = 0;
    spa_error e = {0};
    cr_assert_eq(sim_run_failing(&w, &e), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(e.message, "power of"), "%s", e.message);
    sim_world_fini(&w);
}

/* ---- zeros -----------------------------------------------------------------------------------
 */

/* Half of the input is zeros; kernel time over the table's falls from 1.5 at none to 0.5 at all of
 * them, linearly: 1.5 - z. With sd 0.05 z is 0.5 + 4 * 0.25 * 0.05 q = 0.5 + 0.05 q, time 1 - 0.05
 * q: mean 1000 ns, standard deviation 50 ns. Over 4000 requests the mean is known to 0.8 ns, the
 * deviation to 0.6 ns. Both operators of a request are off together. */
Test(sim_zeros, requests_differ_as_kernels_respond)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 1, "a #0; b a");
    sim_kernel(&w, "a", 0, 1000);
    sim_kernel(&w, "b", 0, 2000);
    for (size_t op = 0; op < 2; op++) w.graph.ops[op].input_sparsity = 0.5;
    w.config.scenario = spa_scenario_closed(1, 4000);
    conditions_of(&w)->zeros_sd = 0.05;
    spa_error why = {0};
    cr_assert_eq(sim_run_failing(&w, &why), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(why.message, "no response"), "%s", why.message);
    expect_ok(spa_costs_add_zeros(&w.costs, err));
    for (size_t i = 0; i < 2 * SPA_ZEROS; i++)
        w.costs.zeros_factor[i] = 1.5f - (float)(i % SPA_ZEROS) / (SPA_ZEROS - 1);
    cr_assert_float_eq(spa_zeros_factor(&w.costs, 0, 0, 0.25), 1.25, 1e-6);
    cr_assert_float_eq(spa_zeros_factor(&w.costs, 0, 0, 1), 0.5, 1e-6);
    sim_run_init(&run, &w);
    spa_moments m = {0};
    for (size_t i = 0, begin = 0; i < run.n_events; i++) {
        const spa_event *ev = &run.events[i];
        if (ev->op != 0) continue;
        if (ev->kind == SPA_EV_KERNEL_BEGIN) begin = (size_t)ev->time_ns;
        if (ev->kind == SPA_EV_KERNEL_END) spa_moments_add(&m, (double)ev->time_ns - (double)begin);
    }
    cr_assert_eq(m.count, 4000);
    cr_assert_float_eq(m.mean, 1000.5, 3, "%g", m.mean); /* times end on whole ns */
    cr_assert_float_eq(spa_moments_sd(&m), 50, 2, "%g", spa_moments_sd(&m));
    /* together: three times the deviation of one, not sqrt(5) times */
    cr_assert_float_eq(spa_moments_sd(&run.result.latency_ns), 150, 6);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* A kernel of 1000 ns behind a launch of 1000 ns on its lane, half of the input zeros: kernels that
 * respond with 1.5 - z change by 50 ns (standard deviation), the launch takes what it takes: not
 * 100 ns, as if it were longer, too. */
Test(sim_zeros, launches_do_not_respond)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 1, "a #0");
    sim_kernel(&w, "a", 0, 1000);
    sim_all_launches(&w, 1000);
    w.graph.ops[0].input_sparsity = 0.5;
    w.config.scenario = spa_scenario_closed(1, 4000);
    conditions_of(&w)->zeros_sd = 0.05;
    expect_ok(spa_costs_add_zeros(&w.costs, err));
    for (size_t i = 0; i < SPA_ZEROS; i++)
        w.costs.zeros_factor[i] = 1.5f - (float)i / (SPA_ZEROS - 1);
    sim_run_init(&run, &w);
    cr_assert_float_eq(run.result.latency_ns.mean, 2000.5, 3);
    cr_assert_float_eq(spa_moments_sd(&run.result.latency_ns), 50, 2);
    sim_run_fini(&run);
    sim_world_fini(&w);
}
