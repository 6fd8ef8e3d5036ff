/* Bursty and recorded arrivals, loads, deadlines: in the engine and in scenario files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/oom.h"
#include "tests/sim/world.h"

static spa_status parse(spa_scenario *s, const char *text, spa_error *err)
{
    return spa_scenario_parse(s, "x.scenario", text, strlen(text), err);
}

/* One station that takes `service_ns`. */
static void station(sim_world *w, int64_t service_ns)
{
    sim_world_init(w, 1, "a #0");
    sim_kernel(w, "a", 0, service_ns);
}

/* ---- bursty ---------------------------------------------------------------------------------- */

typedef struct counts {
    int64_t window_ns;
    double *per_window;
    size_t n_windows;
} counts;

static void count_arrival(void *user, const spa_event *event)
{
    counts *c = user;
    size_t window = (size_t)(event->time_ns / c->window_ns);
    if (event->kind == SPA_EV_ARRIVE && window < c->n_windows) c->per_window[window]++;
}

/* MMPP-2 with 100/s for 20 ms and 2000/s for 10 ms in the mean. Rate: (100 * 20 + 2000 * 10) / 30 =
 * 733.3/s. Index of dispersion of counts over t (Fischer, Meier-Hellstern 1993), with r1 = 50/s, r2
 * = 100/s the rates of leaving: 1 + 2 (l1 - l2)^2 r1 r2 / ((r1 + r2)^2 (l1 r2 + l2 r1)) * (1 - (1 -
 * exp(-(r1 + r2) t)) / ((r1 + r2) t)). The factor: 2 * 1900^2 * 5000 / (22500 * (10000 + 100000)) =
 * 14.586; with t = 100 ms, (r1 + r2) t = 15: 1 + 14.586 * (1 - (1 - 3e-7) / 15) = 14.61. Over
 * 20,000 windows the mean is known to sqrt(14.61 / (73.3 * 20000)) = 0.32 %, the variance to about
 * sqrt(2 / 20000) = 1 %. */
Test(sim_bursty, rate_and_index_of_dispersion_are_those_of_the_closed_form)
{
    sim_world w;
    spa_engine *engine;
    spa_run_result result;
    static double per_window[20000];
    counts c = {.window_ns = 100000000, .per_window = per_window, .n_windows = 20000};
    spa_moments m = {0};
    station(&w, 1);
    w.config.scenario = spa_scenario_open(SPA_ARRIVALS_BURSTY, 0, 64, 1500000);
    w.config.scenario.phases[SPA_PHASE_LOW] = (spa_phase){.rate_hz = 100, .mean_ms = 20};
    w.config.scenario.phases[SPA_PHASE_HIGH] = (spa_phase){.rate_hz = 2000, .mean_ms = 10};
    w.config.record = count_arrival;
    w.config.record_user = &c;
    cr_assert_float_eq(spa_scenario_rate(&w.config.scenario), 2200.0 / 3, 1e-9);
    expect_ok(spa_costs_finish(&w.costs, err));
    expect_ok(spa_engine_new(&engine, &w.config, err));
    expect_ok(spa_engine_run(engine, NULL, &result, err));
    cr_assert_gt(result.span_ns, 20000 * c.window_ns);
    for (size_t i = 0; i < c.n_windows; i++) spa_moments_add(&m, per_window[i]);
    cr_assert_float_eq(m.mean, 73.333, 0.012 * 73.333, "mean %g", m.mean);
    cr_assert_float_eq(spa_moments_variance(&m) / m.mean, 14.61, 0.05 * 14.61, "dispersion %g",
                       spa_moments_variance(&m) / m.mean);
    spa_engine_free(engine);
    sim_world_fini(&w);
}

/* The queue is longer in front of what is let in: both cursors must see the same stream. */
Test(sim_bursty, what_is_let_in_late_counts_from_when_it_came)
{
    double mean[2];
    for (int i = 0; i < 2; i++) {
        sim_world w;
        sim_run run;
        station(&w, 1000);
        w.config.scenario = spa_scenario_open(SPA_ARRIVALS_BURSTY, 0, i ? 500 : 1, 500);
        w.config.scenario.phases[SPA_PHASE_LOW] = (spa_phase){.rate_hz = 0, .mean_ms = 0.01};
        w.config.scenario.phases[SPA_PHASE_HIGH] = (spa_phase){.rate_hz = 3e6, .mean_ms = 0.01};
        sim_run_init(&run, &w);
        mean[i] = run.result.latency_ns.mean;
        cr_assert_gt(mean[i], 5000);
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
    cr_assert_float_eq(mean[0], mean[1], 1e-6);
}

Test(sim_bursty, a_run_resumes_in_the_middle_of_a_burst)
{
    sim_world w;
    spa_engine *whole, *half, *rest;
    spa_run_result expected, result;
    void *bytes;
    size_t size;
    bool done;
    station(&w, 1000);
    w.config.scenario = spa_scenario_open(SPA_ARRIVALS_BURSTY, 0, 2, 500);
    w.config.scenario.phases[SPA_PHASE_LOW] = (spa_phase){.rate_hz = 1e5, .mean_ms = 0.02};
    w.config.scenario.phases[SPA_PHASE_HIGH] = (spa_phase){.rate_hz = 2e6, .mean_ms = 0.05};
    w.config.scenario.deadline_ms = 0.005;
    expect_ok(spa_costs_finish(&w.costs, err));
    expect_ok(spa_engine_new(&whole, &w.config, err));
    expect_ok(spa_engine_run(whole, NULL, &expected, err));
    expect_ok(spa_engine_new(&half, &w.config, err));
    expect_ok(spa_engine_run_until(half, expected.span_ns / 2, &done, err));
    expect_ok(spa_engine_save(half, &bytes, &size, err));
    expect_ok(spa_engine_new(&rest, &w.config, err));
    expect_ok(spa_engine_resume(rest, bytes, size, err));
    expect_ok(spa_engine_run(rest, NULL, &result, err));
    cr_assert_eq(result.digest, expected.digest);
    cr_assert(result.missed == expected.missed && result.missed > 0);
    cr_assert_eq(result.tardiness_ns, expected.tardiness_ns);
    w.config.scenario.phases[SPA_PHASE_HIGH].rate_hz = 1e6;
    spa_engine_free(rest);
    expect_ok(spa_engine_new(&rest, &w.config, err));
    cr_assert_eq(spa_engine_resume(rest, bytes, size, NULL), SPA_E_INVALID);
    free(bytes);
    spa_engine_free(whole);
    spa_engine_free(half);
    spa_engine_free(rest);
    sim_world_fini(&w);
}

/* ---- deadlines ------------------------------------------------------------------------------- */

/* Every 100 ns, 150 ns of service: request k takes 150 + 50 k, k = 0 .. 9. Deadline 400: k = 6 .. 9
 * take 450, 500, 550, 600 and are late by 50, 100, 150, 200. With a warm-up of 8 only k = 8 and 9
 * count: late by 150 and 200. */
Test(sim_deadline, requests_that_take_longer_are_counted_after_the_warm_up)
{
    for (int i = 0; i < 2; i++) {
        sim_world w;
        sim_run run;
        station(&w, 150);
        w.config.scenario = spa_scenario_open(SPA_ARRIVALS_PERIODIC, 1e7, 4, 10);
        w.config.scenario.deadline_ms = 400e-6;
        w.config.scenario.warmup = i ? 8 : 0;
        sim_run_init(&run, &w);
        cr_assert_eq(run.result.missed, i ? 2 : 4);
        cr_assert_float_eq(run.result.tardiness_ns, i ? 350 : 500, 1e-9);
        cr_assert_eq(run.result.latency_ns.count, i ? 2 : 10);
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
}

Test(sim_deadline, without_a_deadline_nothing_is_missed)
{
    sim_world w;
    sim_run run;
    station(&w, 150);
    w.config.scenario = spa_scenario_open(SPA_ARRIVALS_PERIODIC, 1e7, 4, 10);
    sim_run_init(&run, &w);
    cr_assert(run.result.missed == 0 && run.result.tardiness_ns == 0);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* ---- recorded -------------------------------------------------------------------------------- */

Test(sim_recorded, requests_come_at_the_times_of_the_file)
{
    static const char text[] = "ms\n0.0001\n0.0001\n0.0004\n";
    sim_world w;
    sim_run run;
    station(&w, 60);
    w.config.scenario = spa_scenario_open(SPA_ARRIVALS_RECORDED, 0, 2, 3);
    expect_ok(spa_scenario_parse_arrivals(&w.config.scenario, "a.csv", text, strlen(text), err));
    cr_assert_eq(w.config.scenario.n_arrivals, 3);
    sim_run_init(&run, &w);
    /* 100 to 160, 160 to 220 (it has waited for 60), 400 to 460 */
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "a", 0), 100);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "a", 1), 160);
    cr_assert_eq(sim_time(&run, &w, SPA_EV_KERNEL_BEGIN, "a", 2), 400);
    cr_assert_float_eq(run.result.latency_ns.mean, (60 + 120 + 60) / 3.0, 1e-9);
    sim_run_fini(&run);
    w.config.scenario.requests = 4;
    spa_error why = {0};
    cr_assert_eq(sim_run_failing(&w, &why), SPA_E_INVALID);
    cr_assert_not_null(strstr(why.message, "only 3 recorded arrivals"), "%s", why.message);
    spa_scenario_fini(&w.config.scenario);
    sim_world_fini(&w);
}

/* Three gaps in 0.9 ms are 3333.3 a second, whenever the recording begins. */
Test(sim_recorded, the_rate_is_that_between_the_first_and_the_last)
{
    static const char *const texts[] = {"ms\n0\n0.3\n0.6\n0.9\n",
                                        "ms\n100000\n100000.3\n100000.6\n100000.9\n"};
    for (int i = 0; i < 2; i++) {
        spa_scenario s = spa_scenario_open(SPA_ARRIVALS_RECORDED, 0, 2, 4);
        expect_ok(spa_scenario_parse_arrivals(&s, "a.csv", texts[i], strlen(texts[i]), err));
        cr_assert_float_eq(spa_scenario_rate(&s), 1e4 / 3, 1e-6);
        s.requests = 2;
        s.arrival_ns[1] = s.arrival_ns[0] + 500000; /* 1 in 0.5 ms */
        cr_assert_float_eq(spa_scenario_rate(&s), 2000, 1e-6);
        s.requests = 1; /* it cannot be told */
        cr_assert_eq(spa_scenario_rate(&s), 0);
        spa_scenario_fini(&s);
    }
}

static spa_status parse_times(const char *text, spa_error *err)
{
    spa_scenario s = {0};
    spa_status status = spa_scenario_parse_arrivals(&s, "a.csv", text, strlen(text), err);
    if (status) cr_assert(s.arrival_ns == NULL && s.n_arrivals == 0);
    spa_scenario_fini(&s);
    return status;
}

Test(sim_recorded, times_that_mean_nothing_are_refused_with_their_line)
{
    spa_error e = {0};
    expect_error(parse_times("ms\n2\n1\n", err), SPA_E_PARSE,
                 "a.csv:3: column 'ms': it is before the arrival above it; sort the times");
    expect_error(parse_times("ms\n", err), SPA_E_PARSE, "a.csv:1: no arrivals; add some");
    cr_assert_eq(parse_times("ms\n-1\n", &e), SPA_E_RANGE);
    cr_assert_eq(strncmp(e.message, "a.csv:2: column 'ms'", 20), 0, "%s", e.message);
    cr_assert_eq(parse_times("ms\nnan\n", &e), SPA_E_PARSE);
    cr_assert_eq(parse_times("ms\ninf\n", &e), SPA_E_PARSE);
    cr_assert_eq(parse_times("time\n1\n", &e), SPA_E_NOT_FOUND);
}

Test(sim_recorded, the_file_is_found_beside_the_scenario)
{
    spa_scenario s;
    spa_error e = {0};
    char folder[] = "/tmp/sim_recorded_XXXXXX", scenario[64], times[64];
    static const char text[] = "[scenario]\narrivals = recorded\nfile = t.csv\n";
    cr_assert_not_null(mkdtemp(folder));
    snprintf(scenario, sizeof scenario, "%s/s.scenario", folder);
    snprintf(times, sizeof times, "%s/t.csv", folder);
    expect_ok(spa_write_file(scenario, text, sizeof text - 1, err));
    cr_assert_eq(spa_scenario_load(&s, scenario, &e), SPA_E_IO);
    cr_assert_not_null(strstr(e.message, times), "%s", e.message);
    expect_ok(spa_write_file(times, "ms\n1\n2.5\n", 9, err));
    expect_ok(spa_scenario_find(&s, "s", folder, err));
    cr_assert(s.requests == 2 && s.arrival_ns[1] == 2500000);
    spa_scenario_fini(&s);
    char **names;
    size_t count;
    expect_ok(spa_scenario_list(folder, &names, &count, err));
    cr_assert(count == 1 && strcmp(names[0], "s") == 0);
    free(names[0]);
    free(names);
    expect_error(spa_scenario_find(&s, "t", folder, err), SPA_E_NOT_FOUND,
                 "unknown scenario 't'; did you mean 's'?");
    remove(scenario);
    remove(times);
    rmdir(folder);
}

/* ---- loads ----------------------------------------------------------------------------------- */

/* a: 100 + 10 (launch) on p0, 40 + 10 on p1; b: 200 + 10 and 400 + 10. All on p0: 320, on p1: 460.
 * Load 0.5 of 320 ns: 1.5625 million requests per second; 2 service times: 640 ns. */
Test(sim_load, rates_and_times_follow_the_reference_service_time)
{
    sim_world w;
    spa_scenario s;
    sim_world_init(&w, 2, "a; b a");
    sim_kernel(&w, "a", 0, 100);
    sim_kernel(&w, "a", 1, 40);
    sim_kernel(&w, "b", 0, 200);
    sim_kernel(&w, "b", 1, 400);
    sim_all_launches(&w, 10);
    expect_ok(spa_costs_finish(&w.costs, err));
    cr_assert_eq(spa_service_ns(&w.costs), 320);
    expect_ok(parse(&s,
                    "[scenario]\narrivals = poisson\nload = 0.5\ndeadline_services = 2\n"
                    "requests = 9\n",
                    err));
    cr_assert(s.relative && s.rate_hz == 0.5 && s.deadline_ms == 2);
    spa_scenario_resolve(&s, (double)spa_service_ns(&w.costs));
    cr_assert(!s.relative);
    cr_assert_float_eq(s.rate_hz, 1.5625e6, 1e-3);
    cr_assert_float_eq(s.deadline_ms, 640e-6, 1e-12);
    spa_scenario_resolve(&s, 1); /* once is enough */
    cr_assert_float_eq(s.rate_hz, 1.5625e6, 1e-3);
    sim_world_fini(&w);
}

Test(sim_load, the_engine_takes_a_load_for_the_rate_that_it_is)
{
    uint64_t digest[2];
    for (int i = 0; i < 2; i++) {
        sim_world w;
        sim_run run;
        station(&w, 500);
        w.config.scenario = spa_scenario_open(SPA_ARRIVALS_POISSON, i ? 0.7 : 1.4e6, 8, 200);
        w.config.scenario.relative = i;
        sim_run_init(&run, &w);
        digest[i] = run.result.digest;
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
    cr_assert_eq(digest[0], digest[1]);
}

/* ---- files ----------------------------------------------------------------------------------- */

static spa_status parse_only(const char *text, spa_error *err)
{
    spa_scenario s;
    spa_status status = parse(&s, text, err);
    if (status) cr_assert(s.requests == 0 && s.arrival_ns == NULL);
    spa_scenario_fini(&s);
    return status;
}

#define BURSTY "[scenario]\narrivals = bursty\n"

Test(sim_scenario_arrivals, keys_that_contradict_each_other_are_refused)
{
    expect_ok(parse_only(BURSTY "low_hz = 1\nhigh_hz = 9\nlow_ms = 5\nhigh_ms = 5000\n", err));
    expect_error(parse_only(BURSTY "low_hz = 9\nhigh_hz = 9\nlow_ms = 5\nhigh_ms = 5000\n", err),
                 SPA_E_INVALID, "x.scenario:4: [scenario] high_hz: must be more than the low one");
    expect_error(parse_only(BURSTY "low_hz = 0\nhigh_hz = 1\nlow_ms = 5\nhigh_ms = 0.1\n", err),
                 SPA_E_RANGE,
                 "x.scenario:4: [scenario] high_hz: fewer than one arrival in 1000 bursts; make it "
                 "more or bursts longer");
    expect_error(parse_only(BURSTY "low_hz = 1\nhigh_load = 2\nlow_ms = 5\nhigh_ms = 5\n", err),
                 SPA_E_INVALID,
                 "x.scenario:4: [scenario] high_load: give all rates and times in service times "
                 "(load, ..._services) or none");
    expect_error(parse_only("[scenario]\narrivals = poisson\nrate_hz = 1\nload = 1\n", err),
                 SPA_E_INVALID,
                 "x.scenario:4: [scenario] load: the same is given in other units, too; leave one "
                 "out");
    expect_error(
        parse_only(BURSTY "low_hz = 1\nlow_ms = 5\nhigh_ms = 5\n", err), SPA_E_PARSE,
        "x.scenario:5: section [scenario] has no key 'high_hz'; is 'high_ms' meant to be it?");
    expect_error(parse_only("[scenario]\narrivals = closed\nload = 1\n", err), SPA_E_NOT_FOUND,
                 "x.scenario:3: unknown key 'load'; known: name, summary, mix, arrivals, "
                 "concurrency, requests, warmup, workers, serial_ops, deadline_ms, "
                 "deadline_services");
    expect_error(parse_only("[scenario]\narrivals = recorded\nfile = x\n", err), SPA_E_INVALID,
                 "x.scenario:3: [scenario] file: write the name of a *.csv file");
}

Test(sim_scenario_arrivals, an_allocation_that_fails_is_reported_and_nothing_leaks)
{
    static const char text[] = BURSTY "low_load = 1\nhigh_load = 9\nlow_services = 5\n"
                                      "high_services = 5\nname = a\nsummary = b\n";
    for (long n = 0;; n++) {
        spa_error e = {0};
        oom_fail_from(n); /* libcsv asks again for less */
        spa_status status = parse_only(text, &e);
        if (!status) status = parse_times("ms\n1\n2\n", &e);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", e.message);
            cr_assert_geq(n, 4);
            return;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld: %s", n, e.message);
    }
}

Test(sim_scenario_arrivals, requests_of_several_models_are_refused_with_words)
{
    sim_world w;
    spa_error why = {0};
    station(&w, 10);
    snprintf(w.config.scenario.mix, sizeof w.config.scenario.mix, "a+b");
    cr_assert_eq(sim_run_failing(&w, &why), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(why.message, "a mix of several models (a+b)"), "%s", why.message);
    sim_world_fini(&w);
}
