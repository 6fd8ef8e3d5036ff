/* Conditions in the engine: background load, what policies see, and whole runs under all of them.
 */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/oom.h"
#include "tests/sim/conditions_world.h"

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

/* A kernel of 900 ns takes 1.5 times as long beside a busy processor. A load that is busy there for
 * half of the time leaves it 0.5 + 0.5 / 1.5 = 5/6 of its speed: 1080 ns; one of 1 leaves 2/3: 1350
 * ns; one of next to nothing all of it. */
Test(sim_background, a_measured_slowdown_counts_as_far_as_the_load_is_there)
{
    static const double share[] = {1e-6, 0.5, 1};
    static const int64_t ns[] = {901, 1080, 1350};
    for (int i = 0; i < 3; i++) {
        sim_world w;
        sim_run run;
        sim_world_init(&w, 2, "a #0");
        sim_kernel(&w, "a", 0, 900);
        sim_cost(&w, "a", 0)->corun_slowdown = 1.5f;
        w.config.contention = true;
        conditions_of(&w)->n_backgrounds = 1;
        always(&conditions_of(&w)->backgrounds[0], "p1", share[i]);
        sim_run_init(&run, &w);
        cr_assert_leq(llabs(run.result.span_ns - ns[i]), 1, "%lld", (long long)run.result.span_ns);
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
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

/* On for 1 ms and off for 3 ms in the mean, asking for all of the processor: while it is on, a
 * kernel gets half. Work per ns: 0.75 + 0.25 * 0.5 = 0.875, so 2000 kernels of 1 ms take 2 / 0.875
 * = 2.2857 s. In about 570 cycles the share of time on (0.25) has a standard deviation of 0.25 *
 * 0.75 * sqrt(2 / 570) = 0.011, the work per ns half of that, 0.6 %. Energy: 2 W of the board, 3 W
 * more while on. */
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

/* Files are checked key by key; a program can say anything, and a period of 0 would never end. */
Test(sim_conditions, numbers_that_no_file_could_say_are_refused)
{
    spa_conditions good = {.n_backgrounds = 1, .governor = SPA_GOVERNOR_SCHEDUTIL};
    always(&good.backgrounds[0], "host", 0.5);
    good.period_ms = 1, good.delay_ms = 0.1, good.min_ratio = 0.5;
    good.thermal =
        (spa_thermal){.r_k_per_w = 1, .c_j_per_k = 1, .throttle_c = 90, .cap = 0.5, .poll_ms = 1};
    spa_conditions bad[11];
    for (int i = 0; i < 11; i++) bad[i] = good;
    bad[0].period_ms = 0;
    bad[1].delay_ms = 1;
    bad[2].min_ratio = 0;
    bad[3].thermal.poll_ms = 0;
    bad[4].thermal.c_j_per_k = 0;
    bad[5].thermal.cap = NAN;
    bad[6].backgrounds[0].on_ms = 0;
    bad[7].backgrounds[0].share = 1.5;
    bad[8].zeros_sd = 0.07;
    bad[9].governor = SPA_GOVERNOR_LIST; /* of nothing */
    bad[10].governor = SPA_GOVERNOR_LIST, bad[10].n_changes = 1, bad[10].repeat_ms = 1;
    bad[10].changes[0].at_ms = 1; /* again at once */
    sim_world w;
    station(&w, 100, 1);
    w.costs.base_w = 1;
    expect_ok(spa_conditions_check(&good, &w.costs, "s", err));
    for (int i = 0; i < 11; i++) {
        spa_error why = {0};
        cr_assert_eq(spa_conditions_check(&bad[i], &w.costs, "s", &why), SPA_E_RANGE, "%d", i);
        cr_assert_not_null(strstr(why.message, "scenario 's', "));
    }
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
