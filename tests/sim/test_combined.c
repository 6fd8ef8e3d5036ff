/* Programs, batches, arrivals and conditions all at once: random worlds. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>
#include "sim/batcher.h"
#include "tests/sim/conditions_world.h"

typedef struct storm {
    sim_world a, b;
    spa_programs *programs;
    spa_run_config config;
    void *self;
    const void *selves[2];
} storm;

/* The graph of `b` on the lanes of `a`. */
static bool same_lanes(storm *s)
{
    spa_costs *a = &s->a.costs, *b = &s->b.costs;
    spa_error none;
    if (a->n_processors != b->n_processors) return false;
    memcpy(b->processors, a->processors, sizeof a->processors);
    memcpy(b->links, a->links, sizeof a->links);
    b->n_links = a->n_links;
    b->host = a->host;
    b->dispatch_occupies_host = a->dispatch_occupies_host;
    b->blocking_sync = a->blocking_sync;
    b->host_hz = a->host_hz, b->base_w = a->base_w, b->run_cv = a->run_cv;
    memset(s->b.schedule.lane, SPA_LANE_ANY, s->b.schedule.n_ops);
    return spa_costs_finish(b, &none) == SPA_OK &&
           spa_schedule_check(&s->b.schedule, b, &none) == SPA_OK;
}

/* Times are those of the worlds: kernels of up to some hundred ns. */
static void weather(spa_conditions *c, uint64_t seed)
{
    c->n_backgrounds = 2;
    for (int i = 0; i < 2; i++) {
        always(&c->backgrounds[i], i ? "accelerator" : "host", 0.4 + 0.5 * i);
        c->backgrounds[i].on_ms = 0.0003;
        c->backgrounds[i].off_ms = seed % 5 ? 0.0002 : 0;
        c->backgrounds[i].watts = 2;
    }
    c->power_exponent = 2;
    if (seed & 1) {
        c->governor = SPA_GOVERNOR_SCHEDUTIL;
        c->period_ms = 0.0007;
        c->delay_ms = seed & 2 ? 0 : 0.0001;
        c->min_ratio = 0.3;
    }
    c->thermal = (spa_thermal){.r_k_per_w = 1,
                               .c_j_per_k = 1e-6,
                               .ambient_c = 20,
                               .start_c = 20,
                               .throttle_c = 23,
                               .hysteresis_k = 1,
                               .cap = 0.5,
                               .poll_ms = 0.0005};
}

static void traffic(spa_scenario *s, uint64_t seed)
{
    static const spa_arrivals kinds[] = {SPA_ARRIVALS_POISSON, SPA_ARRIVALS_BURSTY,
                                         SPA_ARRIVALS_PERIODIC};
    *s = spa_scenario_open(kinds[seed % 3], 1e7, 1 + seed % 4, 41);
    s->phases[SPA_PHASE_LOW] = (spa_phase){.rate_hz = seed & 1 ? 0 : 1e5, .mean_ms = 0.001};
    s->phases[SPA_PHASE_HIGH] = (spa_phase){.rate_hz = 5e7, .mean_ms = 0.0005};
    s->warmup = seed % 7;
    s->deadline_ms = 0.0005;
}

/* Either two models with a queue each, or one queue whose second size is another graph. */
static bool storm_init(storm *s, uint64_t seed)
{
    static const char *const batchers[] = {"fixed:size=2", "timeout:size=2:ms=200e-6",
                                           "timeout:size=1:ms=0", "timeout:size=2:ms=0"};
    sim_random_options o = {
        .contention = true, .noise = seed & 2, .sync = seed & 4, .splits = seed % 3 == 0};
    bool queues = seed & 8;
    spa_param_values values;
    spa_program list[2];
    memset(s, 0, sizeof *s);
    sim_world_random(&s->a, seed, &o);
    sim_world_random(&s->b, seed + 1000, &o);
    s->a.costs.base_w = 3;
    expect_ok(spa_costs_finish(&s->a.costs, err));
    if (!same_lanes(s)) {
        sim_world_fini(&s->a);
        sim_world_fini(&s->b);
        return false;
    }
    for (uint32_t i = 0; i < 2; i++) {
        sim_world *w = i ? &s->b : &s->a;
        list[i] = (spa_program){.label = i ? "B" : "A",
                                .graph = &w->graph,
                                .costs = &w->costs,
                                .schedule = &w->schedule,
                                .weight = 1 + i,
                                .samples = i && !queues ? 2 : 1,
                                .queue = i && queues};
    }
    expect_ok(spa_programs_new(&s->programs, list, 2, err));
    s->config = spa_run_config_default();
    s->config.programs = s->programs;
    s->config.noise = o.noise;
    s->config.contention = seed % 4 != 3;
    s->config.seed = seed;
    traffic(&s->config.scenario, seed);
    weather(&s->config.scenario.conditions, seed);
    expect_ok(spa_batcher_parse(batchers[queues ? 2 : seed % 4], &s->config.batcher, &values, err));
    expect_ok(s->config.batcher->create(&s->self, &values, err));
    s->selves[0] = s->selves[1] = s->self;
    s->config.batcher_selves = s->selves;
    return true;
}

static void storm_fini(storm *s)
{
    s->config.batcher->destroy(s->self);
    spa_programs_free(s->programs);
    sim_world_fini(&s->a);
    sim_world_fini(&s->b);
}

static void expect_end(spa_engine *e, const spa_run_result *whole, const spa_batch_result *batches)
{
    spa_run_result result;
    expect_ok(spa_engine_run(e, NULL, &result, err));
    spa_batch_result b = spa_engine_batch_result(e);
    cr_assert_arr_eq(&result, whole, sizeof result);
    cr_assert_arr_eq(&b, batches, sizeof b);
}

/* Broken off after `part` of the span, the run goes on from its bytes and from a copy. */
static void expect_resumes(const storm *s, double part, const spa_run_result *whole,
                           const spa_batch_result *batches)
{
    spa_engine *half, *rest;
    void *bytes;
    size_t size;
    bool done;
    expect_ok(spa_engine_new(&half, &s->config, err));
    expect_ok(spa_engine_clone(&rest, half, err));
    expect_ok(spa_engine_restart(rest, 99, 99, NULL, err));
    expect_ok(spa_engine_run_until(half, (int64_t)((double)whole->span_ns * part), &done, err));
    expect_ok(spa_engine_save(half, &bytes, &size, err));
    spa_engine_copy(rest, half);
    expect_end(rest, whole, batches);
    expect_ok(spa_engine_resume(rest, bytes, size, err));
    expect_end(rest, whole, batches);
    expect_ok(spa_engine_restart(half, s->config.seed, 0, NULL, err));
    expect_end(half, whole, batches);
    free(bytes);
    spa_engine_free(rest);
    spa_engine_free(half);
}

/* Every run is audited (sim_run_programs): each operator once, energy is the integral of power. */
Test(sim_combined, runs_pass_the_audit_serve_everybody_and_resume_anywhere)
{
    alarm(300);
    int n = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        storm s;
        sim_run run;
        spa_engine *engine;
        if (!storm_init(&s, seed)) continue;
        n++;
        sim_run_programs(&run, &s.config, &engine);
        spa_batch_result b = spa_engine_batch_result(engine);
        double all = run.result.latency_ns.mean * (double)run.result.latency_ns.count;
        cr_assert_eq(run.result.requests, 41);
        cr_assert_eq(b.samples, 41);
        cr_assert_eq(run.result.latency_ns.count, 41 - s.config.scenario.warmup);
        if (s.config.scenario.warmup == 0)
            cr_assert_float_eq(b.queue_ns + b.run_ns, all, 1e-9 * all);
        cr_assert(b.collect_ns <= b.queue_ns * (1 + 1e-12) && b.places >= b.samples);
        for (uint32_t p = 0; p < s.a.costs.n_processors; p++)
            cr_assert_leq(run.result.busy_ns[p],
                          run.result.span_ns * s.a.costs.processors[p].n_lanes);
        for (int k = 0; k < 3; k++) expect_resumes(&s, 0.2 + 0.3 * k, &run.result, &b);
        spa_engine_free(engine);
        sim_run_fini(&run);
        storm_fini(&s);
    }
    cr_assert_gt(n, 60, "%d", n);
}
