/* Open-loop arrivals: periodic and Poisson. */
#include <math.h>
#include <stdlib.h>
#include "tests/sim/world.h"

/* One station that takes `service_ns`, requests every 1e9/rate ns. */
static void station(sim_world *w, spa_arrivals arrivals, double rate_hz, uint32_t concurrency,
                    uint64_t requests, int64_t service_ns)
{
    sim_world_init(w, 1, "a #0");
    sim_kernel(w, "a", 0, service_ns);
    w->config.scenario = spa_scenario_open(arrivals, rate_hz, concurrency, requests);
}

Test(sim_arrivals, a_station_that_keeps_up_serves_each_request_as_it_comes)
{
    sim_world w;
    sim_run run;
    station(&w, SPA_ARRIVALS_PERIODIC, 1e7, 1, 10, 60); /* every 100 ns, 60 ns of service */
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.requests, 10);
    cr_assert_eq(run.result.span_ns, 9 * 100 + 60);
    cr_assert_float_eq(run.result.latency_ns.mean, 60, 1e-9);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "a", 3), 300);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* 7e8 a second is one every 1.43 ns: request k comes at k / 0.7 ns, the last at 999 / 0.7 = 1427.1,
 * not at 999 * 1. */
Test(sim_arrivals, periods_that_are_no_whole_number_of_ns_keep_their_rate)
{
    sim_world w;
    sim_run run;
    station(&w, SPA_ARRIVALS_PERIODIC, 7e8, 64, 1000, 0);
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.span_ns, 1427);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* One request in 1e6 s: the 1153rd comes after 1.153e18 ns, which is later than 2^60 = 1.1529e18.
 * Requests that come later must not be said to come then, all at once. */
Test(sim_arrivals, requests_that_come_after_the_end_of_time_are_refused)
{
    static const spa_arrivals kinds[] = {SPA_ARRIVALS_PERIODIC, SPA_ARRIVALS_POISSON,
                                         SPA_ARRIVALS_BURSTY};
    for (int i = 0; i < 3; i++) {
        sim_world w;
        sim_run run;
        spa_error err;
        station(&w, kinds[i], 1e-6, 64, 500, 60);
        w.config.scenario.phases[SPA_PHASE_LOW] = (spa_phase){.rate_hz = 1e-6, .mean_ms = 1e9};
        w.config.scenario.phases[SPA_PHASE_HIGH] = (spa_phase){.rate_hz = 2e-6, .mean_ms = 1e9};
        sim_run_init(&run, &w); /* 500 of them still come */
        cr_assert_float_eq(run.result.latency_ns.mean, 60, 1e-9);
        sim_run_fini(&run);
        w.config.scenario.requests = 5000;
        cr_assert_eq(sim_run_failing(&w, &err), SPA_E_RANGE);
        cr_assert(strstr(err.message, "36 years") && strstr(err.message, "fewer requests"), "%s",
                  err.message);
        sim_world_fini(&w);
    }
}

/* D/D/1 with more work than time: request k arrives at 100 k, leaves at 150 (k + 1), so that it
 * stays 150 + 50 k. Mean over k = 0 .. 9: 150 + 50 * 4.5 = 375. */
Test(sim_arrivals, latency_counts_from_the_arrival_however_few_are_let_in)
{
    for (uint32_t concurrency = 1; concurrency <= 4; concurrency++) {
        sim_world w;
        sim_run run;
        station(&w, SPA_ARRIVALS_PERIODIC, 1e7, concurrency, 10, 150);
        sim_run_init(&run, &w);
        cr_assert_eq(run.result.span_ns, 1500);
        cr_assert_float_eq(run.result.latency_ns.mean, 375, 1e-9, "%u in flight", concurrency);
        cr_assert_float_eq(run.result.latency_ns.max, 150 + 50 * 9, 1e-9);
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
}

/* M/D/1 (Pollaczek 1930, Khinchine 1932): mean wait = rho s / (2 (1 - rho)); with s = 1 us and rho
 * = 0.6: 0.75 us. The standard deviation of one wait is of the order of the mean, waits are
 * correlated over about 1/(1 - rho)^2 = 6 requests: 200,000 of them give the mean to about 0.6 %.
 */
Test(sim_arrivals, poisson_requests_wait_as_long_as_pollaczek_and_khinchine_say)
{
    sim_world w;
    spa_engine *engine;
    spa_run_result result;
    station(&w, SPA_ARRIVALS_POISSON, 0.6e6, 64, 200000, 1000);
    expect_ok(spa_costs_finish(&w.costs, err));
    expect_ok(spa_engine_new(&engine, &w.config, err));
    expect_ok(spa_engine_run(engine, NULL, &result, err));
    cr_assert_float_eq(result.latency_ns.mean, 1000 + 750, 0.03 * 750);
    cr_assert_float_eq((double)result.span_ns, 200000 / 0.6e6 * 1e9, 0.01 * 200000 / 0.6e6 * 1e9);
    spa_engine_free(engine);
    sim_world_fini(&w);
}

Test(sim_arrivals, arrivals_are_the_same_for_every_policy_and_differ_between_seeds)
{
    int64_t begin[3];
    for (int i = 0; i < 3; i++) {
        sim_world w;
        sim_run run;
        station(&w, SPA_ARRIVALS_POISSON, 1e6, 8, 20, i == 1 ? 10 : 20);
        w.config.seed = i == 2 ? 2 : 1;
        sim_run_init(&run, &w);
        begin[i] = sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "a", 0);
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
    cr_assert_eq(begin[0], begin[1]);
    cr_assert_neq(begin[0], begin[2]);
}

Test(sim_arrivals, a_run_resumes_in_the_middle_of_a_queue)
{
    sim_world w;
    spa_engine *whole, *half, *rest;
    spa_run_result expected, result;
    void *bytes;
    size_t size;
    bool done;
    station(&w, SPA_ARRIVALS_POISSON, 1.2e6, 2, 500, 1000);
    expect_ok(spa_costs_finish(&w.costs, err));
    expect_ok(spa_engine_new(&whole, &w.config, err));
    expect_ok(spa_engine_run(whole, NULL, &expected, err));
    expect_ok(spa_engine_new(&half, &w.config, err));
    expect_ok(spa_engine_run_until(half, expected.span_ns / 2, &done, err));
    cr_assert(!done);
    expect_ok(spa_engine_save(half, &bytes, &size, err));
    expect_ok(spa_engine_new(&rest, &w.config, err));
    expect_ok(spa_engine_resume(rest, bytes, size, err));
    expect_ok(spa_engine_run(rest, NULL, &result, err));
    cr_assert_eq(result.digest, expected.digest);
    cr_assert_eq(result.latency_ns.mean, expected.latency_ns.mean);
    free(bytes);
    spa_engine_free(whole);
    spa_engine_free(half);
    spa_engine_free(rest);
    sim_world_fini(&w);
}

Test(sim_arrivals, a_scenario_without_a_rate_is_refused)
{
    sim_world w;
    spa_error why = {0};
    spa_engine *engine;
    spa_scenario s;
    static const char text[] = "[scenario]\narrivals = poisson\nrequests = 10\n";
    station(&w, SPA_ARRIVALS_PERIODIC, 0, 1, 10, 60);
    expect_ok(spa_costs_finish(&w.costs, err));
    cr_assert_eq(spa_engine_new(&engine, &w.config, &why), SPA_E_INVALID);
    cr_assert_not_null(strstr(why.message, "arrivals per second"), "%s", why.message);
    cr_assert_neq(spa_scenario_parse(&s, "x.scenario", text, sizeof text - 1, &why), SPA_OK);
    cr_assert_not_null(strstr(why.message, "rate_hz"), "%s", why.message);
    sim_world_fini(&w);
}
