/* The engine against closed forms. */
#include <math.h>
#include "tests/sim/world.h"

static void run_closed(sim_world *w, sim_run *run, uint32_t concurrency, uint64_t requests)
{
    w->config.scenario = spa_scenario_closed(concurrency, requests);
    sim_run_init(run, w);
}

/* One station of service s: R requests take R * s for every N; once all slots are in use the
 * latency is N * s. */
Test(sim_closed_form, one_station_serves_at_its_rate_for_every_concurrency)
{
    sim_world w;
    sim_world_init(&w, 1, "a");
    sim_kernel(&w, "a", 0, 17);
    for (uint32_t n = 1; n <= 5; n++) {
        sim_run run;
        run_closed(&w, &run, n, 40);
        cr_assert_eq(run.result.span_ns, 40 * 17);
        cr_assert_float_eq(run.result.latency_ns.max, 17.0 * n, 0);
        sim_run_fini(&run);
    }
    sim_world_fini(&w);
}

/* c lanes of service s, N in flight: min(N, c) work at once; R a multiple of it: R / min(N, c) * s.
 */
Test(sim_closed_form, a_station_of_several_servers_works_in_parallel_up_to_their_number)
{
    sim_world w;
    sim_world_init(&w, 1, "a");
    w.costs.processors[0].n_lanes = 3;
    sim_kernel(&w, "a", 0, 10);
    for (uint32_t n = 1; n <= 6; n++) {
        sim_run run;
        int64_t at_once = n < 3 ? n : 3;
        run_closed(&w, &run, n, 60);
        cr_assert_eq(run.result.span_ns, 60 / at_once * 10);
        sim_run_fini(&run);
    }
    sim_world_fini(&w);
}

/* Two stations in a cycle, s1 then s2, N in flight. N = 1: R * (s1 + s2). N >= 2: the slower one
 * never idles once it has begun: s1 + R * s2 if s2 >= s1 (it waits for the first request), else
 * R * s1 + s2 (the last request passes the second station after it). */
Test(sim_closed_form, two_stations_in_a_cycle_run_at_the_rate_of_the_slower_one)
{
    static const int64_t services[][2] = {{10, 30}, {30, 10}, {20, 20}, {7, 8}, {1, 100}};
    for (size_t k = 0; k < sizeof services / sizeof *services; k++) {
        int64_t s1 = services[k][0], s2 = services[k][1];
        for (uint32_t n = 1; n <= 4; n++) {
            sim_world w;
            sim_run run;
            sim_world_init(&w, 2, "a; b a");
            sim_kernel(&w, "a", 0, s1);
            sim_kernel(&w, "b", 1, s2);
            sim_place(&w, "b", 1, 0);
            run_closed(&w, &run, n, 25);
            int64_t wanted = n == 1 ? 25 * (s1 + s2) : s2 >= s1 ? s1 + 25 * s2 : 25 * s1 + s2;
            cr_assert_eq(run.result.span_ns, wanted, "s1 %lld s2 %lld N %u: %lld, not %lld",
                         (long long)s1, (long long)s2, n, (long long)run.result.span_ns,
                         (long long)wanted);
            sim_run_fini(&run);
            sim_world_fini(&w);
        }
    }
}

/* ---- noise ----------------------------------------------------------------------------------- */

/* R kernels of 1 ms with coefficient of variation cv, one after another. The mean of R log-normal
 * factors of mean 1 has the standard error cv / sqrt(R): 5 of them are allowed. The variance's
 * relative standard error is sqrt((kurtosis - 1) / R); for cv = 0.3 the kurtosis is 4.6: 0.013 for
 * R = 20000, hence 0.007 for the deviation: 5 of them 0.033. Quantising to 4096 quantiles cuts the
 * tails: below 0.005. */
Test(sim_noise, kernel_times_have_the_mean_and_the_variation_that_was_asked_for)
{
    enum { R = 20000 };
    sim_world w;
    sim_run run;
    double sum = 0, squares = 0;
    sim_world_init(&w, 1, "a");
    sim_kernel(&w, "a", 0, 1000000);
    sim_cost(&w, "a", 0)->noise_cv = 0.3f;
    w.config.noise = true;
    run_closed(&w, &run, 1, R);
    const spa_moments *m = &run.result.latency_ns;
    double cv = spa_moments_sd(m) / m->mean;
    cr_assert_float_eq(m->mean / 1e6, 1, 5 * 0.3 / sqrt(R));
    cr_assert_float_eq(cv / 0.3, 1, 0.033 + 0.005);
    /* Log-normal: the logarithms have standard deviation sqrt(log(1 + cv^2)) and no skew. */
    double cubes = 0, sigma = sqrt(log1p(0.09)), mu = -0.5 * log1p(0.09);
    int64_t began = 0;
    for (size_t i = 0; i < run.n_events; i++) {
        if (run.events[i].kind == SPA_EV_KERNEL_BEGIN) began = run.events[i].time_ns;
        if (run.events[i].kind != SPA_EV_KERNEL_END) continue;
        double z = (log((double)(run.events[i].time_ns - began) / 1e6) - mu) / sigma;
        sum += z;
        squares += z * z;
        cubes += z * z * z;
    }
    cr_assert_float_eq(sum / R, 0, 5 / sqrt(R));
    cr_assert_float_eq(squares / R, 1, 5 * sqrt(2.0 / R) + 0.005);
    cr_assert_float_eq(cubes / R, 0, 5 * sqrt(15.0 / R));
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Successive factors are independent: the lag-1 correlation of R draws is within 5 / sqrt(R). */
Test(sim_noise, the_noise_of_one_operator_says_nothing_about_the_next)
{
    enum { R = 10000 };
    sim_world w;
    sim_run run;
    static double x[2 * R];
    size_t n = 0;
    sim_world_init(&w, 1, "a; b a");
    for (int i = 0; i < 2; i++) {
        w.costs.ops[i].kernel_ns = 1000000;
        w.costs.ops[i].noise_cv = 0.2f;
    }
    w.config.noise = true;
    run_closed(&w, &run, 1, R);
    int64_t began = 0;
    for (size_t i = 0; i < run.n_events; i++) {
        if (run.events[i].kind == SPA_EV_KERNEL_BEGIN) began = run.events[i].time_ns;
        if (run.events[i].kind == SPA_EV_KERNEL_END)
            x[n++] = (double)(run.events[i].time_ns - began) / 1e6 - 1;
    }
    cr_assert_eq(n, 2 * R);
    double lag = 0, same = 0, request = 0;
    for (size_t i = 0; i + 2 < n; i++) {
        lag += x[i] * x[i + 1];
        request += x[i] * x[i + 2];
        same += x[i] * x[i];
    }
    cr_assert_float_eq(lag / same, 0, 5 / sqrt(2 * R));
    cr_assert_float_eq(request / same, 0, 5 / sqrt(2 * R));
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* One factor per run: with cv 0.2 between runs and none between kernels all kernels of a run are
 * alike, and the run factors have mean 1 (5 * 0.2 / sqrt(4000)) and variation 0.2 (kurtosis about
 * 3.7: 5 * sqrt(2.7 / 4000) / 2 = 6.5 %). */
Test(sim_noise, a_run_has_a_factor_of_its_own)
{
    enum { RUNS = 4000 };
    sim_world w;
    spa_moments m = {0};
    spa_engine *engine;
    spa_run_result result;
    sim_world_init(&w, 1, "a; b a");
    w.costs.run_cv = 0.2;
    sim_kernel(&w, "a", 0, 1000000);
    sim_kernel(&w, "b", 0, 1000000);
    w.config.noise = true;
    w.config.scenario = spa_scenario_closed(1, 3);
    expect_ok(spa_costs_finish(&w.costs, err));
    expect_ok(spa_engine_new(&engine, &w.config, err));
    for (uint64_t k = 0; k < RUNS; k++) {
        expect_ok(spa_engine_restart(engine, 7, k, NULL, err));
        expect_ok(spa_engine_run(engine, NULL, &result, err));
        cr_assert_float_eq(result.latency_ns.max - result.latency_ns.min, 0, 2.5);
        spa_moments_add(&m, (double)result.span_ns / 6e6);
    }
    cr_assert_float_eq(m.mean, 1, 5 * 0.2 / sqrt(RUNS));
    cr_assert_float_eq(spa_moments_sd(&m) / 0.2, 1, 0.065);
    spa_engine_free(engine);
    sim_world_fini(&w);
}

/* Without a run factor it is the kernels' own noise that differs between runs and seeds. */
Test(sim_noise, every_replication_and_seed_draws_noise_of_its_own)
{
    sim_world w;
    uint64_t digest[3];
    sim_world_init(&w, 1, "a; b a");
    for (int i = 0; i < 2; i++) {
        w.costs.ops[i].kernel_ns = 1000000;
        w.costs.ops[i].noise_cv = 0.2f;
    }
    w.config.noise = true;
    for (int i = 0; i < 3; i++) {
        sim_run run;
        w.config.replication = i == 1;
        w.config.seed = 1 + (i == 2);
        sim_run_init(&run, &w);
        digest[i] = run.result.digest;
        sim_run_fini(&run);
    }
    cr_assert_neq(digest[0], digest[1]);
    cr_assert_neq(digest[0], digest[2]);
    cr_assert_neq(digest[1], digest[2]);
    sim_world_fini(&w);
}

/* Common random numbers: an operator's factor in a request is the same wherever it runs and
 * whatever else does, so that two policies differ by their decisions alone. */
Test(sim_noise, an_operators_noise_does_not_depend_on_placement_or_order)
{
    sim_world w;
    sim_run here, there;
    sim_world_init(&w, 2, "a; b; c a b");
    for (size_t i = 0; i < 6; i++) {
        w.costs.ops[i].kernel_ns = 1000000;
        w.costs.ops[i].noise_cv = 0.3f;
    }
    sim_all_transfers(&w, 500);
    w.config.noise = true;
    w.config.scenario = spa_scenario_closed(2, 10);
    sim_run_init(&here, &w);
    sim_place(&w, "b", 1, 0);
    sim_place(&w, "c", 1, 0);
    sim_order(&w, "b a c");
    sim_run_init(&there, &w);
    for (uint64_t r = 0; r < 10; r++)
        for (const char *const *n = (const char *[]){"a", "b", "c", NULL}; *n; n++)
            cr_assert_eq(sim_time(&here, &w, SPA_EV_KERNEL_END, *n, r) -
                             sim_time(&here, &w, SPA_EV_KERNEL_BEGIN, *n, r),
                         sim_time(&there, &w, SPA_EV_KERNEL_END, *n, r) -
                             sim_time(&there, &w, SPA_EV_KERNEL_BEGIN, *n, r));
    sim_run_fini(&here);
    sim_run_fini(&there);
    sim_world_fini(&w);
}
