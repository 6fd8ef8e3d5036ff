/* Conditions in the engine: background load, clocks, modes, temperature. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/oom.h"
#include "tests/sim/world.h"

static spa_conditions *conditions_of(sim_world *w)
{
    return &w->config.scenario.conditions;
}

static void always(spa_background *b, const char *processor, double share)
{
    *b = (spa_background){.share = share, .on_ms = 1};
    strcpy(b->processor, processor);
}

/* One operator on one processor that it fills to `capacity`. */
static void station(sim_world *w, int64_t service_ns, float capacity)
{
    sim_world_init(w, 1, "a #0");
    sim_kernel(w, "a", 0, service_ns);
    sim_cost(w, "a", 0)->capacity_share = capacity;
    w->config.contention = true;
}

/* ---- background ------------------------------------------------------------------------------ */

/* The kernel asks for all of the processor, the load for all: each gets half. For half of it: 1 +
 * 0.5, each gets 1/1.5 of what it asks for. A kernel that asks for 0.4 beside 0.5 is not slowed. */
Test(sim_background, a_load_takes_its_max_min_share)
{
    static const struct {
        float capacity;
        double share;
        int64_t expected;
    } cases[] = {{1, 1, 2000}, {1, 0.5, 1500}, {0.4f, 0.5, 1000}, {0.5f, 1, 1500}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int contention = 0; contention < 2; contention++) {
            sim_world w;
            sim_run run;
            station(&w, 1000, cases[i].capacity);
            w.config.contention = contention;
            conditions_of(&w)->n_backgrounds = 1;
            always(&conditions_of(&w)->backgrounds[0], "host", cases[i].share);
            sim_run_init(&run, &w);
            cr_assert_leq(llabs(run.result.span_ns - cases[i].expected), 1, "case %zu: %lld", i,
                          (long long)run.result.span_ns);
            sim_run_fini(&run);
            sim_world_fini(&w);
        }
    }
}

/* A measured co-run slowdown says nothing of other loads on the own processor: 1000 ns at half. */
Test(sim_background, a_load_counts_beside_a_measured_slowdown)
{
    sim_world w;
    sim_run run;
    station(&w, 1000, 1);
    sim_cost(&w, "a", 0)->corun_slowdown = 1.2f;
    conditions_of(&w)->n_backgrounds = 1;
    always(&conditions_of(&w)->backgrounds[0], "p0", 1);
    sim_run_init(&run, &w);
    cr_assert_leq(llabs(run.result.span_ns - 2000), 1, "%lld", (long long)run.result.span_ns);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* DRAM: the kernel draws 0.8 of it, the load 0.7: 1.5 in all, so 2/3 of the speed: 1500 ns. */
Test(sim_background, a_load_takes_memory_bandwidth)
{
    sim_world w;
    sim_run run;
    station(&w, 1000, 0.1f);
    sim_cost(&w, "a", 0)->dram_share = 0.8f;
    conditions_of(&w)->n_backgrounds = 1;
    always(&conditions_of(&w)->backgrounds[0], "p0", 0.1);
    conditions_of(&w)->backgrounds[0].dram_share = 0.7;
    sim_run_init(&run, &w);
    cr_assert_leq(llabs(run.result.span_ns - 1500), 1, "%lld", (long long)run.result.span_ns);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* On for 1 ms and off for 3 ms in the mean, of one processor in full: a kernel takes 1 - 0.25 +
 * 0.25 * 2 of the time that it is alone ... in work: while on it does 1/2, so per ns of time 0.75 +
 * 0.25 * 0.5 = 0.875 ns of work. 2000 kernels of 1 ms: 2 s / 0.875 = 2.2857 s. There are about 570
 * cycles; the share on varies by sqrt(2 * 0.25 * 0.75^2 ... / 570), under 5 %: of work under 1.5 %.
 * Energy: base 2 W, and 3 W more for a quarter of the time. */
Test(sim_background, on_and_off_times_give_the_duty_and_power_is_the_boards)
{
    sim_world w;
    sim_run run;
    station(&w, 1000000, 1);
    w.costs.base_w = 2;
    w.config.scenario = spa_scenario_closed(1, 2000);
    conditions_of(&w)->n_backgrounds = 1;
    always(&conditions_of(&w)->backgrounds[0], "host", 1);
    conditions_of(&w)->backgrounds[0].off_ms = 3;
    conditions_of(&w)->backgrounds[0].watts = 3;
    sim_run_init(&run, &w);
    double s = (double)run.result.span_ns * 1e-9;
    cr_assert_float_eq(s, 2 / 0.875, 0.03 * 2.2857, "%g s", s);
    /* exact: whatever share of the time the load was on, it is what slowed the kernels down */
    double on_s = 2 * (s - 2);
    cr_assert_float_eq(run.result.energy_j, 2 * s + 3 * on_s, 1e-3);
    cr_assert_gt(sim_count(&run, &w, SPA_EV_LOAD, NULL), 500);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* ---- clocks ----------------------------------------------------------------------------------
 */

static void two_modes(sim_world *w)
{
    expect_ok(spa_costs_add_modes(&w->costs, 2, err));
    w->costs.modes[0].name = "full";
    w->costs.modes[1].name = "half";
    for (uint32_t p = 0; p < w->costs.n_processors; p++) {
        w->costs.modes[0].clock_ratio[p] = 1;
        w->costs.modes[1].clock_ratio[p] = 0.5;
    }
    w->costs.modes[0].base_w = w->costs.base_w;
    w->costs.modes[1].base_w = 1;
}

static void mode_op(sim_world *w, const char *name, uint32_t p, double clocked, double bound,
                    double memory, float watts)
{
    spa_op_speed *s = &w->costs.modes[1].ops[sim_op(w, name) * w->costs.n_processors + p];
    *s = (spa_op_speed){
        .clocked_ns = clocked, .bound_ns = bound, .memory_ns = memory, .dynamic_w = watts};
}

static void change(sim_world *w, double at_ms, const char *mode)
{
    spa_conditions *c = conditions_of(w);
    c->governor = SPA_GOVERNOR_LIST;
    c->changes[c->n_changes].at_ms = at_ms;
    strcpy(c->changes[c->n_changes++].mode, mode);
}

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

/* Ambient and start 20 C, R = 1 K/W, C = 1 uJ/K: 1 us. The kernel: 40 W, and nothing else. Looked
 * at every 1 us: 20 + 40 (1 - e^-1) = 45.28 at 1 us, 20 + 40 (1 - e^-2) = 54.59 at 2 us: throttled
 * (50 C) to half, which is 10 W at exponent 2. 2000 ns of work are done, 3000 left. At 3 us: 30
 * + 24.59 e^-1 = 39.04: above 50 - 12 = 38. At 4 us: 30 + 9.04 e^-1 = 33.33: released; 1000 ns were
 * done: 2000 left. At 5 us: 60 - 26.67 e^-1 = 50.19: throttled again, 1000 left: 7 us. Energy: (2 +
 * 1) us * 40 W + (2 + 2) us * 10 W, but at 6 us: 30 + 20.19 e^-1 = 37.43: released: 500 left at
 * full clock: 6.5 us. So 3.5 us * 40 W + 3 us * 10 W = 170 uJ. */
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

/* ---- what policies see -----------------------------------------------------------------------
 */

typedef struct seen {
    double speed, background, temperature_c;
    int calls;
} seen;

static void look(const void *self, void *memory, const spa_view *v, uint32_t op, spa_action *action)
{
    seen *s = *(seen *const *)self;
    if (s->calls++ == 0) {
        s->speed = v->speed[0];
        s->background = v->background[0];
        s->temperature_c = v->temperature_c;
    }
    action->processor = 0;
}

static const spa_policy looking = {.abi = SPA_POLICY_ABI,
                                   .struct_size = sizeof(spa_policy),
                                   .name = "looking",
                                   .capabilities = SPA_CAP_PLACE,
                                   .objectives = SPA_OBJECTIVE_LATENCY,
                                   .place = look};

Test(sim_conditions, policies_see_clock_load_and_temperature)
{
    seen s = {0}, *self = &s;
    sim_world w;
    sim_run run;
    station(&w, 100, 1);
    w.config.policy = &looking;
    w.config.self = &self;
    sim_run_init(&run, &w);
    cr_assert(s.speed == 1 && s.background == 0 && isnan(s.temperature_c));
    sim_run_fini(&run);
    w.costs.base_w = 1;
    two_modes(&w);
    mode_op(&w, "a", 0, 200, 0, 0, 0);
    change(&w, 0, "half");
    conditions_of(&w)->n_backgrounds = 1;
    always(&conditions_of(&w)->backgrounds[0], "host", 0.7);
    conditions_of(&w)->power_exponent = 2;
    conditions_of(&w)->thermal = (spa_thermal){.r_k_per_w = 1,
                                               .c_j_per_k = 1,
                                               .ambient_c = 20,
                                               .start_c = 61,
                                               .throttle_c = 60,
                                               .hysteresis_k = 5,
                                               .cap = 0.8,
                                               .poll_ms = 1};
    s = (seen){0};
    sim_run_init(&run, &w);
    cr_assert_float_eq(s.speed, 0.4, 1e-12); /* capped at 0.8 of half */
    cr_assert(s.background == 0.7 && s.temperature_c == 61);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* ---- the engine as a whole -------------------------------------------------------------------
 */

/* A random world under everything at once; times of the conditions are those of the world's. */
static void stormy_world(sim_world *w, uint64_t seed)
{
    sim_random_options o = {.contention = true,
                            .noise = seed & 1,
                            .sync = true,
                            .serial = true,
                            .splits = seed % 3 == 0,
                            .max_requests = 12};
    sim_world_random(w, seed, &o);
    spa_conditions *c = conditions_of(w);
    w->costs.base_w = 3;
    c->n_backgrounds = 2;
    always(&c->backgrounds[0], "host", 0.6);
    always(&c->backgrounds[1], "accelerator", 0.9);
    for (int i = 0; i < 2; i++) {
        c->backgrounds[i].on_ms = 0.0003;
        c->backgrounds[i].off_ms = 0.0002;
        c->backgrounds[i].watts = 2;
    }
    c->zeros_sd = seed & 4 ? 0.06 : 0;
    expect_ok(spa_costs_add_zeros(&w->costs, err));
    for (size_t i = 0; i < w->costs.n_ops * w->costs.n_processors * SPA_ZEROS; i++)
        w->costs.zeros_factor[i] = 2 - (float)(i % SPA_ZEROS) / SPA_ZEROS;
    for (size_t op = 0; op < w->graph.n_ops; op++) w->graph.ops[op].input_sparsity = 0.4;
    c->governor = SPA_GOVERNOR_SCHEDUTIL;
    c->period_ms = 0.0007;
    c->delay_ms = 0.0001;
    c->min_ratio = 0.3;
    c->power_exponent = 2;
    c->thermal = (spa_thermal){.r_k_per_w = 1,
                               .c_j_per_k = 1e-6,
                               .ambient_c = 20,
                               .start_c = 20,
                               .throttle_c = 23,
                               .hysteresis_k = 1,
                               .cap = 0.5,
                               .poll_ms = 0.0005};
}

static void nothing(void *user, const spa_event *event) {}

Test(sim_conditions, every_run_passes_the_audit_and_repeats_itself)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 150; seed++) {
        sim_world w;
        sim_run a, b;
        stormy_world(&w, seed);
        sim_run_init(&a, &w);
        sim_run_init(&b, &w);
        cr_assert_eq(a.result.digest, b.result.digest);
        cr_assert_arr_eq(&a.result, &b.result, sizeof a.result);
        sim_run_fini(&a);
        sim_run_fini(&b);
        sim_world_fini(&w);
    }
}

/* The seed of the conditions is that of the run: other replications meet other loads. */
Test(sim_conditions, conditions_are_part_of_the_digest)
{
    sim_world w;
    spa_engine *e;
    spa_run_result r[3];
    station(&w, 1000, 1);
    w.config.scenario = spa_scenario_closed(1, 20);
    conditions_of(&w)->n_backgrounds = 1;
    always(&conditions_of(&w)->backgrounds[0], "host", 1);
    conditions_of(&w)->backgrounds[0].on_ms = conditions_of(&w)->backgrounds[0].off_ms = 0.002;
    expect_ok(spa_costs_finish(&w.costs, err));
    expect_ok(spa_engine_new(&e, &w.config, err));
    for (int i = 0; i < 3; i++) {
        expect_ok(spa_engine_restart(e, 1, i == 2, NULL, err));
        expect_ok(spa_engine_run(e, NULL, &r[i], err));
    }
    cr_assert_eq(r[0].digest, r[1].digest);
    cr_assert_neq(r[0].digest, r[2].digest);
    spa_engine_free(e);
    sim_world_fini(&w);
}

Test(sim_conditions, copies_and_resumed_runs_end_alike)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 60; seed++) {
        sim_world w;
        spa_engine *a, *b;
        spa_run_result whole, copied, resumed;
        void *bytes;
        size_t size;
        bool done;
        stormy_world(&w, seed);
        if (seed & 2) w.config.record = nothing;
        expect_ok(spa_engine_new(&a, &w.config, err));
        expect_ok(spa_engine_new(&b, &w.config, err));
        expect_ok(spa_engine_run(a, NULL, &whole, err));
        expect_ok(spa_engine_restart(a, w.config.seed, 0, NULL, err));
        expect_ok(spa_engine_restart(b, 99, 99, NULL, err));
        expect_ok(spa_engine_run_until(a, whole.span_ns * 2 / 5, &done, err));
        spa_engine_copy(b, a);
        expect_ok(spa_engine_run(b, NULL, &copied, err));
        cr_assert_arr_eq(&whole, &copied, sizeof whole);
        expect_ok(spa_engine_save(a, &bytes, &size, err));
        spa_engine_free(b);
        expect_ok(spa_engine_new(&b, &w.config, err));
        expect_ok(spa_engine_resume(b, bytes, size, err));
        expect_ok(spa_engine_run(b, NULL, &resumed, err));
        cr_assert_arr_eq(&whole, &resumed, sizeof whole);
        conditions_of(&w)->thermal.cap = 0.6;
        spa_engine_free(b);
        expect_ok(spa_engine_new(&b, &w.config, err));
        cr_assert_eq(spa_engine_resume(b, bytes, size, NULL), SPA_E_INVALID);
        free(bytes);
        spa_engine_free(a);
        spa_engine_free(b);
        sim_world_fini(&w);
    }
}

Test(sim_conditions, the_event_loop_allocates_nothing)
{
    sim_world w;
    spa_run_result result;
    spa_engine *e;
    spa_error why;
    stormy_world(&w, 4);
    w.config.record = nothing;
    expect_ok(spa_engine_new(&e, &w.config, err));
    oom_fail_at(-1);
    spa_status status = spa_engine_run(e, NULL, &result, &why);
    long count = oom_count();
    oom_off();
    cr_assert_eq(status, SPA_OK);
    cr_assert_eq(count, 0);
    spa_engine_free(e);
    sim_world_fini(&w);
}

/* Loads that ask for next to nothing and a clock that stays are no conditions in effect: times are
 * those of the plain loop. */
Test(sim_conditions, conditions_without_effect_change_no_time)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 100; seed++) {
        sim_world w;
        sim_run plain, under;
        sim_random_options o = {
            .contention = seed & 1, .noise = true, .sync = true, .serial = true};
        sim_world_random(&w, seed, &o);
        sim_run_init(&plain, &w);
        two_modes(&w);
        change(&w, 0, "full");
        sim_run_init(&under, &w);
        cr_assert_eq(plain.result.span_ns, under.result.span_ns, "seed %d: %lld, %lld", (int)seed,
                     (long long)plain.result.span_ns, (long long)under.result.span_ns);
        cr_assert_eq(plain.result.digest, under.result.digest);
        cr_assert_float_eq(plain.result.energy_j, under.result.energy_j,
                           1e-9 * plain.result.energy_j);
        sim_run_fini(&plain);
        sim_run_fini(&under);
        sim_world_fini(&w);
    }
}

Test(sim_conditions, names_are_checked_and_a_run_that_pauses_begins_once)
{
    sim_world w;
    spa_engine *e;
    bool done;
    spa_error why = {0};
    station(&w, 100, 1);
    w.config.scenario = spa_scenario_open(SPA_ARRIVALS_PERIODIC, 1e6, 1, 2);
    conditions_of(&w)->n_backgrounds = 1;
    always(&conditions_of(&w)->backgrounds[0], "gpu", 1);
    cr_assert_eq(sim_run_failing(&w, &why), SPA_E_NOT_FOUND);
    cr_assert_not_null(strstr(why.message, "[background gpu]"), "%s", why.message);
    strcpy(conditions_of(&w)->backgrounds[0].processor, "host");
    conditions_of(&w)->backgrounds[0].off_ms = 1;
    expect_ok(spa_engine_new(&e, &w.config, err));
    expect_ok(spa_engine_run_until(e, 0, &done, err));
    expect_ok(spa_engine_run_until(e, 0, &done, err)); /* begins once only */
    expect_ok(spa_engine_run_until(e, 1000000000, &done, err));
    cr_assert(done);
    spa_engine_free(e);
    sim_world_fini(&w);
}
