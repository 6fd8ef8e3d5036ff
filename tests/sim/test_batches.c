/* Runs with a batcher. */
#include <math.h>
#include <stdlib.h>
#include "sim/batcher.h"
#include "tests/oom.h"
#include "tests/sim/world.h"

#define SIZES 3

/* A station that takes 60, 80 and 120 ns for runs of 1, 2 and 4 samples, one run at a time. */
typedef struct station {
    sim_world worlds[SIZES];
    spa_program list[SIZES];
    spa_programs *programs;
    spa_run_config config;
    void *self;
} station;

static void take_batcher(station *s, const char *text)
{
    spa_param_values values;
    expect_ok(spa_batcher_parse(text, &s->config.batcher, &values, err));
    if (s->config.batcher->create) expect_ok(s->config.batcher->create(&s->self, &values, err));
    s->config.batcher_selves = (const void *const *)&s->self;
}

/* Requests every 100 ns. */
static void open_station(station *s, const char *batcher, uint64_t requests)
{
    static const int64_t ns[SIZES] = {60, 80, 120};
    memset(s, 0, sizeof *s);
    for (int i = 0; i < SIZES; i++) {
        sim_world_init(&s->worlds[i], 1, "a #0");
        sim_kernel(&s->worlds[i], "a", 0, ns[i]);
        expect_ok(spa_costs_finish(&s->worlds[i].costs, err));
        s->list[i] = (spa_program){.label = i == 0   ? "b1"
                                            : i == 1 ? "b2"
                                                     : "b4",
                                   .graph = &s->worlds[i].graph,
                                   .costs = &s->worlds[i].costs,
                                   .schedule = &s->worlds[i].schedule,
                                   .weight = 1,
                                   .samples = 1u << i};
    }
    expect_ok(spa_programs_new(&s->programs, s->list, SIZES, err));
    s->config = spa_run_config_default();
    s->config.programs = s->programs;
    s->config.scenario = spa_scenario_open(SPA_ARRIVALS_PERIODIC, 1e7, 1, requests);
    take_batcher(s, batcher);
}

static void close_station(station *s)
{
    free(s->self);
    spa_programs_free(s->programs);
    for (int i = 0; i < SIZES; i++) sim_world_fini(&s->worlds[i]);
}

static void run_station(station *s, sim_run *run, spa_batch_result *batches)
{
    spa_engine *engine;
    sim_run_programs(run, &s->config, &engine);
    *batches = spa_engine_batch_result(engine);
    spa_engine_free(engine);
}

/* Samples come at 0, 100, 200, 300, 400. Two at 100 run to 180: latencies 180 and 80; two at 300 to
 * 380: the same; the last one, for which none comes any more, at 400 to 460: 60. Mean 580/5 = 116.
 */
Test(sim_batches, a_batch_closes_by_size_and_each_sample_waits_for_its_whole_batch)
{
    station s;
    sim_run run;
    spa_batch_result b;
    open_station(&s, "fixed:size=2", 5);
    run_station(&s, &run, &b);
    cr_assert_eq(run.result.requests, 5);
    cr_assert_eq(run.result.runs, 3);
    cr_assert_eq(run.result.span_ns, 460);
    cr_assert_float_eq(run.result.latency_ns.mean, 116, 1e-9);
    cr_assert_eq(run.result.latency_ns.max, 180);
    cr_assert_eq(run.result.latency_ns.min, 60);
    cr_assert_eq(b.runs, 3);
    cr_assert_eq(b.samples, 5);
    cr_assert_eq(b.places, 5);
    cr_assert_eq(b.queue_ns, 200); /* samples 0 and 2, 100 each */
    cr_assert_eq(b.collect_ns, 200);
    cr_assert_eq(b.run_ns, 2 * 80 + 2 * 80 + 60);
    cr_assert_eq(b.padding_ns, 0);
    sim_run_fini(&run);
    close_station(&s);
}

/* The first two run from 150, when the first has waited for 150 ns, to 230: latencies 230 and 130.
 * The third waits from 200 for the slot, from 230 for company; that comes at 300 and is the last:
 * two run from 300 to 380: 180 and 80. Waiting: 150 + 50 + 100, of which 30 for the slot. */
Test(sim_batches, a_batch_closes_when_its_oldest_sample_has_waited)
{
    station s;
    sim_run run;
    spa_batch_result b;
    open_station(&s, "timeout:size=4:ms=150e-6", 4);
    run_station(&s, &run, &b);
    cr_assert_eq(run.result.span_ns, 380);
    cr_assert_float_eq(run.result.latency_ns.mean, (230 + 130 + 180 + 80) / 4.0, 1e-9);
    cr_assert_eq(b.runs, 2);
    cr_assert_eq(b.queue_ns, 300);
    cr_assert_eq(b.collect_ns, 270);
    cr_assert_eq(b.run_ns, 4 * 80);
    sim_run_fini(&run);
    close_station(&s);
}

/* Three samples at 200 need the program of four: 120 ns, to 320: latencies 320, 220, 120. A quarter
 * of the run's places is empty: 3 samples * 120 ns / 4 = 90. */
Test(sim_batches, a_batch_between_two_sizes_is_padded_to_the_larger)
{
    station s;
    sim_run run;
    spa_batch_result b;
    open_station(&s, "fixed:size=3", 3);
    run_station(&s, &run, &b);
    cr_assert_float_eq(run.result.latency_ns.mean, 220, 1e-9);
    cr_assert_eq(b.places, 4);
    cr_assert_eq(b.padding_ns, 90);
    cr_assert_eq(b.run_ns, 360);
    sim_run_fini(&run);
    close_station(&s);
}

/* The first two samples are warm-up: of fixed:size=2 as above the latencies 180, 80, 60 count; with
 * a deadline of 70 ns two are late, by 110 and 10. */
Test(sim_batches, warm_up_and_deadlines_are_of_samples)
{
    station s;
    sim_run run;
    spa_batch_result b;
    open_station(&s, "fixed:size=2", 5);
    s.config.scenario.warmup = 2;
    s.config.scenario.deadline_ms = 70e-6;
    run_station(&s, &run, &b);
    cr_assert_eq(run.result.latency_ns.count, 3);
    cr_assert_float_eq(run.result.latency_ns.mean, 320 / 3.0, 1e-9);
    cr_assert_eq(run.result.missed, 2);
    cr_assert_eq(run.result.tardiness_ns, 120);
    sim_run_fini(&run);
    close_station(&s);
}

/* 10,000 samples every 50 ns: one at a time (60 ns) the station falls behind; four at a time it
 * serves one every 30 ns. */
Test(sim_batches, batches_carry_a_load_that_single_requests_cannot)
{
    int64_t span[2];
    for (int i = 0; i < 2; i++) {
        station s;
        sim_run run;
        spa_batch_result b;
        open_station(&s, i ? "fixed:size=4" : "fixed:size=1", 10000);
        s.config.scenario.rate_hz = 2e7;
        run_station(&s, &run, &b);
        span[i] = run.result.span_ns;
        sim_run_fini(&run);
        close_station(&s);
    }
    cr_assert_eq(span[0], 10000 * 60);
    cr_assert_eq(span[1], 9999 * 50 + 120);
}

/* A queue of batches of one is the queue of requests that there was before batches. */
Test(sim_batches, batches_of_one_are_the_run_without_a_batcher)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        sim_random_options options = {.contention = true, .noise = seed % 2, .splits = true};
        sim_world w;
        spa_engine *engine;
        spa_run_result plain, batched;
        spa_param_values values;
        void *self;
        sim_world_random(&w, seed, &options);
        expect_ok(spa_costs_finish(&w.costs, err));
        w.config.scenario = spa_scenario_open(SPA_ARRIVALS_POISSON, 2e7, 1 + seed % 4, 40);
        expect_ok(spa_engine_new(&engine, &w.config, err));
        expect_ok(spa_engine_run(engine, NULL, &plain, err));
        spa_engine_free(engine);
        spa_program one = {.label = "b1",
                           .graph = &w.graph,
                           .costs = &w.costs,
                           .schedule = &w.schedule,
                           .weight = 1,
                           .samples = 1};
        spa_programs *programs;
        spa_run_config config = w.config;
        expect_ok(spa_programs_new(&programs, &one, 1, err));
        config.graph = NULL, config.costs = NULL, config.schedule = NULL;
        config.programs = programs;
        expect_ok(spa_batcher_parse("fixed:size=1", &config.batcher, &values, err));
        expect_ok(config.batcher->create(&self, &values, err));
        config.batcher_selves = (const void *const *)&self;
        expect_ok(spa_engine_new(&engine, &config, err));
        expect_ok(spa_engine_run(engine, NULL, &batched, err));
        cr_assert_eq(batched.digest, plain.digest, "seed %llu", (unsigned long long)seed);
        cr_assert_eq(batched.latency_ns.mean, plain.latency_ns.mean);
        spa_engine_free(engine);
        spa_programs_free(programs);
        free(self);
        sim_world_fini(&w);
    }
}

/* Whatever the batcher and the load: every sample is served once, and its time is waiting and
 * running; a run resumes anywhere. */
Test(sim_batches, time_in_the_queue_and_in_runs_is_all_the_latency_there_is)
{
    static const char *const batchers[] = {"fixed:size=4", "timeout:size=4:ms=100e-6",
                                           "timeout:size=3:ms=1e-6", "fixed:size=2"};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        station s;
        sim_run run;
        spa_batch_result b, c;
        spa_engine *half, *rest;
        spa_run_result again;
        void *bytes;
        size_t size;
        bool done;
        open_station(&s, batchers[seed % 4], 301);
        s.config.scenario =
            spa_scenario_open(seed % 3 ? SPA_ARRIVALS_POISSON : SPA_ARRIVALS_PERIODIC,
                              4e6 * (double)(seed % 9 + 1), 1 + seed % 3, 301);
        s.config.seed = seed;
        run_station(&s, &run, &b);
        cr_assert_eq(b.samples, 301);
        double all = run.result.latency_ns.mean * 301;
        cr_assert_float_eq(b.queue_ns + b.run_ns, all, 1e-9 * all);
        cr_assert(b.collect_ns <= b.queue_ns && b.padding_ns < b.run_ns);
        expect_ok(spa_engine_new(&half, &s.config, err));
        expect_ok(spa_engine_run_until(half, run.result.span_ns / 3, &done, err));
        expect_ok(spa_engine_save(half, &bytes, &size, err));
        expect_ok(spa_engine_new(&rest, &s.config, err));
        expect_ok(spa_engine_resume(rest, bytes, size, err));
        expect_ok(spa_engine_run(rest, NULL, &again, err));
        c = spa_engine_batch_result(rest);
        cr_assert_eq(again.digest, run.result.digest);
        cr_assert_eq(memcmp(&b, &c, sizeof b), 0);
        free(bytes);
        spa_engine_free(half);
        spa_engine_free(rest);
        sim_run_fini(&run);
        close_station(&s);
    }
}

/* Saved under one batcher, a run does not go on under another, nor under the same one with other
 * parameters: it would be a run of neither. */
Test(sim_batches, a_state_of_a_batcher_with_other_parameters_is_refused)
{
    static const char *const others[] = {"timeout:size=4:ms=200e-6", "timeout:size=3:ms=100e-6",
                                         "fixed:size=4"};
    void *bytes;
    size_t size;
    for (int i = -1; i < 3; i++) {
        station s;
        spa_engine *e;
        bool done;
        open_station(&s, i < 0 ? "timeout:size=4:ms=100e-6" : others[i], 100);
        expect_ok(spa_engine_new(&e, &s.config, err));
        if (i < 0) {
            expect_ok(spa_engine_run_until(e, 2000, &done, err));
            expect_ok(spa_engine_save(e, &bytes, &size, err));
            expect_ok(spa_engine_resume(e, bytes, size, err));
        } else {
            cr_assert_eq(spa_engine_resume(e, bytes, size, NULL), SPA_E_INVALID, "%s", others[i]);
        }
        spa_engine_free(e);
        close_station(&s);
    }
    free(bytes);
}

/* ---- several models -------------------------------------------------------------------------- */

/* Two models, each of the station's programs twice over: A's and B's. */
static void two_models(station *s, spa_program list[2 * SIZES], double weight_b)
{
    for (int i = 0; i < 2 * SIZES; i++) {
        list[i] = s->list[i % SIZES];
        list[i].queue = i / SIZES;
        list[i].weight = i / SIZES ? weight_b : 1;
    }
    spa_programs_free(s->programs);
    expect_ok(spa_programs_new(&s->programs, list, 2 * SIZES, err));
    s->config.programs = s->programs;
}

/* Batches of two of one model: every run holds samples of its own queue alone, so with n_A and n_B
 * samples there are ceil(n_A/2) + ceil(n_B/2) runs, and every sample is served once. */
Test(sim_batches, each_model_has_a_queue_of_its_own)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        station s;
        sim_run run;
        spa_engine *engine, *half, *rest;
        spa_program list[2 * SIZES];
        spa_run_result again;
        void *bytes;
        size_t size;
        bool done;
        open_station(&s, seed % 2 ? "fixed:size=2" : "timeout:size=4:ms=200e-6", 401);
        two_models(&s, list, 3);
        const void *selves[] = {s.self, s.self};
        s.config.batcher_selves = selves;
        s.config.seed = seed;
        s.config.scenario = spa_scenario_open(SPA_ARRIVALS_POISSON, 1e7, 1 + seed % 3, 401);
        sim_run_programs(&run, &s.config, &engine);
        spa_moments a = spa_engine_program_latency(engine, 0);
        spa_moments b = spa_engine_program_latency(engine, 1);
        spa_batch_result batches = spa_engine_batch_result(engine);
        /* 1 : 3 of 401: 100, with a standard deviation of 8.7 */
        cr_assert_eq(a.count + b.count, 401);
        cr_assert(fabs((double)a.count - 100) < 40, "%llu", (unsigned long long)a.count);
        if (seed % 2) cr_assert_eq(batches.runs, (a.count + 1) / 2 + (b.count + 1) / 2);
        double all = run.result.latency_ns.mean * 401;
        cr_assert_float_eq(batches.queue_ns + batches.run_ns, all, 1e-9 * all);
        cr_assert_float_eq(a.mean * (double)a.count + b.mean * (double)b.count, all, 1e-9 * all);
        expect_ok(spa_engine_new(&half, &s.config, err));
        expect_ok(spa_engine_run_until(half, run.result.span_ns / 2, &done, err));
        expect_ok(spa_engine_save(half, &bytes, &size, err));
        expect_ok(spa_engine_new(&rest, &s.config, err));
        expect_ok(spa_engine_resume(rest, bytes, size, err));
        expect_ok(spa_engine_run(rest, NULL, &again, err));
        cr_assert_eq(again.digest, run.result.digest);
        free(bytes);
        spa_engine_free(engine);
        spa_engine_free(half);
        spa_engine_free(rest);
        sim_run_fini(&run);
        close_station(&s);
    }
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void decide_wrongly(const void *self, const spa_batch_view *v, spa_batch_choice *choice)
{
    int how = *(const int *)self;
    if (how == 0) choice->close = v->waiting + 1;
    if (how == 1) choice->close = v->waiting >= 5 ? 5 : 0; /* more than the largest program */
    if (how == 2) choice->until_ns = v->now_ns;            /* for ever */
}

Test(sim_batches, a_batcher_that_asks_for_the_impossible_is_named)
{
    for (int how = 0; how < 3; how++) {
        station s;
        spa_engine *engine;
        spa_run_result result;
        spa_error why = {0};
        spa_batcher wrong = {.name = "wrong", .decide = decide_wrongly};
        open_station(&s, "fixed:size=2", 9);
        s.config.batcher = &wrong;
        const void *const selves[] = {&how};
        s.config.batcher_selves = selves;
        expect_ok(spa_engine_new(&engine, &s.config, err));
        cr_assert_eq(spa_engine_run(engine, NULL, &result, &why), SPA_E_ILLEGAL);
        cr_assert_not_null(strstr(why.message, "batcher 'wrong': closes"), "%s", why.message);
        spa_engine_free(engine);
        close_station(&s);
    }
}

static void expect_no_engine(const spa_run_config *config, const char *part)
{
    spa_engine *engine;
    spa_error why = {0};
    cr_assert_neq(spa_engine_new(&engine, config, &why), SPA_OK);
    cr_assert_null(engine);
    cr_assert_not_null(strstr(why.message, part), "%s", why.message);
}

Test(sim_batches, what_cannot_be_batched_is_said)
{
    station s;
    open_station(&s, "fixed:size=2", 5);
    spa_scenario periodic = s.config.scenario;
    s.config.scenario = spa_scenario_closed(2, 5);
    expect_no_engine(&s.config, "scenario 'closed' is not of that kind");
    s.config.scenario = periodic;
    s.programs->items[2].samples = 2;
    expect_no_engine(&s.config, "in order of their samples, the first");
    s.programs->items[0].samples = 0;
    expect_no_engine(&s.config, "the first of each of one sample; 'b1' does not");
    free(s.self);
    s.self = NULL;
    take_batcher(&s, "none");
    expect_no_engine(&s.config, "batches nothing");
    close_station(&s);
}

Test(sim_batches, a_failing_allocation_is_reported)
{
    station s;
    open_station(&s, "fixed:size=2", 5);
    for (long n = 0;; n++) {
        spa_engine *engine;
        oom_fail_at(n);
        spa_status status = spa_engine_new(&engine, &s.config, NULL);
        bool failed = oom_failed();
        oom_off();
        spa_engine_free(engine);
        if (!failed) break;
        cr_assert_eq(status, SPA_E_NOMEM);
    }
    close_station(&s);
}
