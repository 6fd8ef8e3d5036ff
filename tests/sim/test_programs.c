/* Several programs in one run. */
#include <math.h>
#include <stdlib.h>
#include "sim/programs.h"
#include "tests/oom.h"
#include "tests/sim/world.h"

typedef struct pair {
    sim_world a, b;
    spa_program list[2];
    spa_programs *programs;
    spa_run_config config;
} pair;

static spa_program program_of(sim_world *w, const char *label, double weight)
{
    return (spa_program){.label = label,
                         .graph = &w->graph,
                         .costs = &w->costs,
                         .schedule = &w->schedule,
                         .weight = weight};
}

/* Joins the two worlds, that the caller has set up; config runs them. */
static void join(pair *p, double weight_a, double weight_b)
{
    expect_ok(spa_costs_finish(&p->a.costs, err));
    expect_ok(spa_costs_finish(&p->b.costs, err));
    p->list[0] = program_of(&p->a, "A", weight_a);
    p->list[1] = program_of(&p->b, "B", weight_b);
    expect_ok(spa_programs_new(&p->programs, p->list, 2, err));
    p->config = spa_run_config_default();
    p->config.programs = p->programs;
    p->config.contention = false;
}

static void fini(pair *p)
{
    spa_programs_free(p->programs);
    sim_world_fini(&p->a);
    sim_world_fini(&p->b);
}

Test(sim_programs, a_run_of_one_program_is_the_run_of_its_graph)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        sim_random_options options = {
            .contention = true, .noise = seed % 2, .sync = true, .splits = seed % 3 == 0};
        sim_world w;
        spa_engine *alone, *joint;
        spa_run_result expected, result;
        sim_world_random(&w, seed, &options);
        expect_ok(spa_costs_finish(&w.costs, err));
        if (seed % 4 == 0) {
            w.config.scenario = spa_scenario_open(SPA_ARRIVALS_POISSON, 1e7, 3, 20);
        }
        spa_program list = program_of(&w, "only", 2.5);
        spa_programs *programs;
        spa_run_config config = w.config;
        expect_ok(spa_programs_new(&programs, &list, 1, err));
        config.graph = NULL, config.costs = NULL, config.schedule = NULL;
        config.programs = programs;
        expect_ok(spa_engine_new(&alone, &w.config, err));
        expect_ok(spa_engine_run(alone, NULL, &expected, err));
        expect_ok(spa_engine_new(&joint, &config, err));
        expect_ok(spa_engine_run(joint, NULL, &result, err));
        cr_assert_eq(result.digest, expected.digest, "seed %llu", (unsigned long long)seed);
        cr_assert_eq(result.events, expected.events);
        cr_assert_eq(result.latency_ns.mean, expected.latency_ns.mean);
        cr_assert_eq(spa_engine_program_latency(joint, 0).count, expected.requests);
        spa_engine_free(alone);
        spa_engine_free(joint);
        spa_programs_free(programs);
        sim_world_fini(&w);
    }
}

/* A: x (10 ns) then y (5 ns): 15 ns. B: z alone, 40 ns. One request at a time: the span is 15 n_A +
 * 40 n_B, and each program's latencies are its own. With weights 3 : 1 and 4,000 requests, n_A is
 * 3,000 with a standard deviation of sqrt(4000 * 0.75 * 0.25) = 27: 110 is four of them. */
Test(sim_programs, each_request_runs_its_own_program_and_shares_follow_weights)
{
    pair p;
    sim_run run;
    spa_engine *engine;
    sim_world_init(&p.a, 1, "x #0;y x");
    sim_world_init(&p.b, 1, "z #0");
    sim_kernel(&p.a, "x", 0, 10);
    sim_kernel(&p.a, "y", 0, 5);
    sim_kernel(&p.b, "z", 0, 40);
    join(&p, 3, 1);
    p.config.scenario = spa_scenario_closed(1, 4000);
    sim_run_programs(&run, &p.config, &engine);
    spa_moments a = spa_engine_program_latency(engine, 0),
                b = spa_engine_program_latency(engine, 1);
    cr_assert_eq(a.count + b.count, 4000);
    cr_assert(fabs((double)a.count - 3000) < 110, "%llu of A", (unsigned long long)a.count);
    cr_assert_float_eq(a.mean, 15, 1e-9);
    cr_assert_float_eq(b.mean, 40, 1e-9);
    cr_assert_eq(run.result.span_ns, (int64_t)(15 * a.count + 40 * b.count));
    cr_assert_eq(run.result.ops[0], 2 * a.count + b.count);
    cr_assert_str_eq(p.programs->graph.ops[1].name, "A/y");
    cr_assert_str_eq(p.programs->graph.ops[p.programs->spans[1].first].name, "B/z");
    sim_run_fini(&run);
    spa_engine_free(engine);
    fini(&p);
}

/* Two processors; A runs on 0 in 10 ns, B on 1 in 10 ns, moves 3 ns there and 3 ns back. Two in
 * flight, one of each (the order is drawn): neither waits for the other: 10 and 16 ns. */
Test(sim_programs, requests_of_different_programs_run_side_by_side)
{
    pair p;
    sim_run run;
    spa_engine *engine;
    sim_world_init(&p.a, 2, "x #0");
    sim_world_init(&p.b, 2, "z #0");
    sim_kernel(&p.a, "x", 0, 10);
    sim_kernel(&p.b, "z", 1, 10);
    sim_all_transfers(&p.b, 3);
    sim_place(&p.b, "z", 1, SPA_LANE_ANY);
    join(&p, 1, 1);
    for (uint64_t seed = 0;; seed++) { /* one that draws one of each */
        cr_assert(seed < 64);
        p.config.seed = seed;
        p.config.scenario = spa_scenario_closed(2, 2);
        sim_run_programs(&run, &p.config, &engine);
        bool mixed = spa_engine_program_latency(engine, 0).count == 1;
        if (mixed) break;
        sim_run_fini(&run);
        spa_engine_free(engine);
    }
    cr_assert_eq(spa_engine_program_latency(engine, 0).mean, 10);
    cr_assert_eq(spa_engine_program_latency(engine, 1).mean, 16);
    cr_assert_eq(run.result.span_ns, 16);
    sim_run_fini(&run);
    spa_engine_free(engine);
    fini(&p);
}

/* Two random worlds of the same machine: the second one's graph on the first one's lanes. */
static bool random_pair(pair *p, uint64_t seed)
{
    sim_random_options options = {.contention = true, .noise = true, .splits = seed % 2};
    sim_world_random(&p->a, seed, &options);
    sim_world_random(&p->b, seed + 1000, &options);
    spa_costs *a = &p->a.costs, *b = &p->b.costs;
    if (a->n_processors == b->n_processors) {
        memcpy(b->processors, a->processors, sizeof a->processors);
        memcpy(b->links, a->links, sizeof a->links);
        b->n_links = a->n_links;
        b->host = a->host;
        b->dispatch_occupies_host = a->dispatch_occupies_host;
        b->blocking_sync = a->blocking_sync;
        b->host_hz = a->host_hz, b->base_w = a->base_w, b->run_cv = a->run_cv;
        memset(p->b.schedule.lane, SPA_LANE_ANY, p->b.schedule.n_ops);
        spa_error none;
        if (spa_costs_finish(b, &none) == SPA_OK &&
            spa_schedule_check(&p->b.schedule, b, &none) == SPA_OK) {
            join(p, 1, 1);
            return true;
        }
    }
    sim_world_fini(&p->a);
    sim_world_fini(&p->b);
    return false;
}

Test(sim_programs, random_mixes_pass_the_audit_repeat_and_resume_anywhere)
{
    int n = 0;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        pair p;
        sim_run run;
        spa_engine *engine, *rest;
        spa_run_result again;
        void *bytes;
        size_t size;
        bool done;
        if (!random_pair(&p, seed)) continue;
        n++;
        p.config.contention = p.config.noise = true;
        p.config.scenario = seed % 2 ? spa_scenario_closed(3, 12)
                                     : spa_scenario_open(SPA_ARRIVALS_POISSON, 1e7, 3, 12);
        sim_run_programs(&run, &p.config, &engine);
        spa_engine_free(engine);
        expect_ok(spa_engine_new(&engine, &p.config, err));
        expect_ok(spa_engine_run_until(engine, run.result.span_ns / 2, &done, err));
        expect_ok(spa_engine_save(engine, &bytes, &size, err));
        expect_ok(spa_engine_new(&rest, &p.config, err));
        expect_ok(spa_engine_resume(rest, bytes, size, err));
        expect_ok(spa_engine_run(rest, NULL, &again, err));
        cr_assert_eq(again.digest, run.result.digest, "seed %llu", (unsigned long long)seed);
        /* A run that is broken off leaves nothing behind. */
        expect_ok(spa_engine_restart(engine, p.config.seed, 0, NULL, err));
        expect_ok(spa_engine_run(engine, NULL, &again, err));
        cr_assert_eq(again.digest, run.result.digest);
        free(bytes);
        spa_engine_free(engine);
        spa_engine_free(rest);
        sim_run_fini(&run);
        fini(&p);
    }
    cr_assert_gt(n, 20);
}

/* ---- what a policy sees ---------------------------------------------------------------------- */

/* Puts everything on processor 1, counting calls; marks what is not as it must be. */
typedef struct seen {
    uint64_t calls, wrong, completions;
} seen;

static void watch_place(const void *self, void *memory, const spa_view *v, uint32_t op,
                        spa_action *action)
{
    seen *s = memory;
    const spa_graph *g = self;
    size_t input = v->costs->n_ops;
    s->calls++;
    if (v->graph != g || v->costs->graph != g || op >= g->n_ops) s->wrong++;
    if (!(v->where[input] & 1u) || v->finish_ns[input] > v->now_ns) s->wrong++;
    if (v->placed[op] != 0xff || v->finish_ns[op] != INT64_MAX) s->wrong++;
    for (uint32_t i = 0; i < op; i++) /* chains: all before it are placed */
        if (v->placed[i] != 1) s->wrong++;
    action->processor = 1;
}

static void watch_observe(const void *self, void *memory, const spa_completion *done)
{
    seen *s = memory;
    const spa_graph *g = self;
    s->completions++;
    if (done->op >= g->n_ops || done->processor != 1) s->wrong++;
}

static const spa_policy watcher = {.abi = SPA_POLICY_ABI,
                                   .struct_size = sizeof(spa_policy),
                                   .name = "watcher",
                                   .capabilities = SPA_CAP_PLACE,
                                   .objectives = SPA_OBJECTIVE_LATENCY,
                                   .memory_bytes = sizeof(seen),
                                   .place = watch_place,
                                   .observe = watch_observe};

/* `wrong` of both programs has to be read from inside: the policy's memory is the engine's. */
static seen last[2];
static void watch_and_tell(const void *self, void *memory, const spa_completion *done)
{
    watch_observe(self, memory, done);
    last[((const spa_graph *)self)->n_ops == 1] = *(seen *)memory;
}

Test(sim_programs, a_policy_sees_the_program_of_the_request_alone)
{
    pair p;
    sim_run run;
    spa_engine *engine;
    spa_policy policy = watcher;
    policy.observe = watch_and_tell;
    sim_world_init(&p.a, 2, "x #0;y x");
    sim_world_init(&p.b, 2, "z #0");
    sim_all_transfers(&p.a, 2);
    sim_all_transfers(&p.b, 2);
    join(&p, 1, 1);
    spa_programs_free(p.programs);
    for (int i = 0; i < 2; i++) {
        p.list[i].schedule = NULL;
        p.list[i].self = p.list[i].graph;
    }
    expect_ok(spa_programs_new(&p.programs, p.list, 2, err));
    p.config.programs = p.programs;
    p.config.policy = &policy;
    p.config.scenario = spa_scenario_closed(3, 60);
    sim_run_programs(&run, &p.config, &engine);
    uint64_t n_a = spa_engine_program_latency(engine, 0).count;
    cr_assert(n_a > 0 && n_a < 60);
    cr_assert_eq(last[0].calls, 2 * n_a);
    cr_assert_eq(last[0].completions, 2 * n_a);
    cr_assert_eq(last[1].calls, 60 - n_a);
    cr_assert_eq(last[0].wrong + last[1].wrong, 0);
    sim_run_fini(&run);
    spa_engine_free(engine);
    fini(&p);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void expect_refused(const spa_program *list, size_t n, const char *part)
{
    spa_programs *programs;
    spa_error why = {0};
    cr_assert_neq(spa_programs_new(&programs, list, n, &why), SPA_OK);
    cr_assert_null(programs);
    cr_assert_not_null(strstr(why.message, part), "%s", why.message);
}

Test(sim_programs, programs_that_do_not_fit_together_are_refused_by_name)
{
    pair p;
    spa_program list[2];
    sim_world_init(&p.a, 2, "x #0");
    sim_world_init(&p.b, 1, "z #0");
    p.list[0] = program_of(&p.a, "A", 1);
    p.list[1] = program_of(&p.b, "B", 1);
    expect_refused(p.list, 2, "program 'B': its table is of other processors");
    expect_refused(p.list, 0, "1 to 64 programs, not 0");
    memcpy(list, p.list, sizeof list);
    list[0].weight = 0;
    expect_refused(list, 1, "program 'A': its weight must be a number above 0");
    list[0].weight = NAN;
    expect_refused(list, 1, "its weight");
    list[0] = list[1] = p.list[0];
    list[1].schedule = NULL;
    expect_refused(list, 2, "either every program has a schedule, or none");
    list[0].costs = &p.b.costs;
    expect_refused(list, 1, "belongs to another graph");
    p.a.schedule.processor[0] = 7;
    expect_refused(p.list, 1, "processor 7");
    sim_world_fini(&p.a);
    sim_world_fini(&p.b);
}

Test(sim_programs, what_a_mix_cannot_do_is_said)
{
    pair p;
    spa_engine *engine;
    spa_error why = {0};
    sim_world_init(&p.a, 1, "x #0");
    sim_world_init(&p.b, 1, "z #0");
    join(&p, 1, 1);
    p.config.scenario.serial_ops = 1;
    cr_assert_eq(spa_engine_new(&engine, &p.config, &why), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(why.message, "critical section"), "%s", why.message);
    p.config.scenario.serial_ops = 0;
    p.config.stepped = true;
    cr_assert_eq(spa_engine_new(&engine, &p.config, &why), SPA_E_UNSUPPORTED);
    p.config.stepped = false;
    p.config.graph = &p.a.graph;
    cr_assert_eq(spa_engine_new(&engine, &p.config, &why), SPA_E_INVALID);
    cr_assert_not_null(strstr(why.message, "leave these out"), "%s", why.message);
    p.config.graph = NULL;
    expect_ok(spa_engine_new(&engine, &p.config, err));
    cr_assert_eq(spa_engine_restart(engine, 1, 0, &p.programs->schedule, &why), SPA_E_INVALID);
    spa_engine_free(engine);
    fini(&p);
}

Test(sim_programs, every_failing_allocation_is_reported_and_nothing_leaks)
{
    pair p;
    sim_world_init(&p.a, 2, "x #0;y x");
    sim_world_init(&p.b, 2, "z #0");
    join(&p, 1, 1);
    for (long n = 0;; n++) {
        spa_programs *programs = NULL;
        spa_engine *engine = NULL;
        oom_fail_at(n);
        spa_status status = spa_programs_new(&programs, p.list, 2, NULL);
        p.config.programs = programs;
        if (!status) status = spa_engine_new(&engine, &p.config, NULL);
        bool failed = oom_failed();
        oom_off();
        spa_engine_free(engine);
        spa_programs_free(programs);
        if (!failed) {
            cr_assert_eq(status, SPA_OK);
            cr_assert_gt(n, 10);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld", n);
    }
    fini(&p);
}
