/* Copying an engine in the middle of a run, saving and resuming it, and its memory. */
#include <stdlib.h>
#include <unistd.h>
#include "tests/oom.h"
#include "tests/sim/world.h"

/* A placing policy with state of its own: a random walk over processors in its memory. */
static void walk_begin(const void *self, void *memory, const spa_plan_context *context)
{
    spa_rng_init(memory, context->seed, "walk");
}

static void walk_place(const void *self, void *memory, const spa_view *v, uint32_t op,
                       spa_action *action)
{
    do {
        action->processor = (int32_t)spa_rng_below(memory, v->costs->n_processors);
    } while (!spa_cost_can_run(v->costs, op, (uint32_t)action->processor));
    action->lane = SPA_LANE_ANY;
}

static const spa_policy walk = {.abi = SPA_POLICY_ABI,
                                .struct_size = sizeof(spa_policy),
                                .name = "walk",
                                .capabilities = SPA_CAP_PLACE | SPA_CAP_RANDOM,
                                .objectives = SPA_OBJECTIVE_LATENCY,
                                .memory_bytes = sizeof(spa_rng),
                                .decision_cycles = 3,
                                .begin = walk_begin,
                                .place = walk_place};

static void busy_world(sim_world *w, uint64_t seed)
{
    sim_random_options o = {
        .contention = true, .noise = seed & 1, .sync = true, .serial = true, .max_requests = 12};
    sim_world_random(w, seed, &o);
    if (seed & 2) w->config.policy = &walk;
}

static void must_be_equal(const spa_run_result *a, const spa_run_result *b, uint64_t seed)
{
    cr_assert_eq(a->digest, b->digest, "seed %llu", (unsigned long long)seed);
    cr_assert_arr_eq(a, b, sizeof *a);
}

/* A record keeps the debug builds' own audit away: it has not seen the beginning. */
static void nothing(void *user, const spa_event *event) {}

static spa_engine *engine_of(const sim_world *w, bool record)
{
    spa_engine *engine;
    spa_run_config config = w->config;
    if (record) config.record = nothing;
    expect_ok(spa_engine_new(&engine, &config, err));
    return engine;
}

static void copy_in_the_middle(uint64_t seed, bool record)
{
    sim_world w;
    spa_run_result whole, half, copied;
    bool done;
    busy_world(&w, seed);
    spa_engine *a = engine_of(&w, record), *b = engine_of(&w, record);
    expect_ok(spa_engine_run(a, NULL, &whole, err));
    for (int part = 0; part <= 4; part++) {
        expect_ok(spa_engine_restart(a, w.config.seed, 0, NULL, err));
        expect_ok(spa_engine_restart(b, 99, 99, NULL, err));
        expect_ok(spa_engine_run_until(a, whole.span_ns * part / 5, &done, err));
        cr_assert_leq(spa_engine_now(a), whole.span_ns * part / 5);
        spa_engine_copy(b, a);
        cr_assert_eq(spa_engine_now(b), spa_engine_now(a));
        expect_ok(spa_engine_run(b, NULL, &copied, err));
        expect_ok(spa_engine_run(a, NULL, &half, err)); /* the copy did not disturb it */
        must_be_equal(&whole, &half, seed);
        must_be_equal(&whole, &copied, seed);
    }
    spa_engine_free(a);
    spa_engine_free(b);
    sim_world_fini(&w);
}

Test(sim_copy, a_copy_made_in_the_middle_of_a_run_ends_like_the_run)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 150; seed++) copy_in_the_middle(seed, true);
}

Test(sim_copy, an_audited_engine_can_be_copied_too)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 20; seed++) copy_in_the_middle(seed, false);
}

static void resume_in_the_middle(uint64_t seed, bool record)
{
    sim_world w;
    spa_run_result whole, resumed;
    void *bytes;
    size_t size;
    bool done;
    busy_world(&w, seed);
    spa_engine *a = engine_of(&w, record), *b = engine_of(&w, record);
    expect_ok(spa_engine_restart(a, 5, 3, NULL, err));
    expect_ok(spa_engine_run(a, NULL, &whole, err));
    expect_ok(spa_engine_restart(a, 5, 3, NULL, err));
    expect_ok(spa_engine_run_until(a, whole.span_ns / 2, &done, err));
    expect_ok(spa_engine_save(a, &bytes, &size, err));
    cr_assert_gt(size, spa_engine_state_bytes(a));
    spa_engine_free(a);
    expect_ok(spa_engine_resume(b, bytes, size, err));
    expect_ok(spa_engine_run(b, NULL, &resumed, err));
    must_be_equal(&whole, &resumed, seed);
    expect_ok(spa_engine_resume(b, bytes, size, err)); /* once more, over a finished run */
    expect_ok(spa_engine_run(b, NULL, &resumed, err));
    must_be_equal(&whole, &resumed, seed);
    free(bytes);
    spa_engine_free(b);
    sim_world_fini(&w);
}

Test(sim_resume, a_saved_run_is_resumed_by_another_engine_to_the_same_end)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 150; seed++) resume_in_the_middle(seed, true);
}

Test(sim_resume, an_audited_engine_can_resume_too)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 20; seed++) resume_in_the_middle(seed, false);
}

static void saved_world(sim_world *w)
{
    sim_world_random(w, 3, &(sim_random_options){.noise = true, .max_ops = 4, .max_requests = 4});
    w->config.record = nothing;
    w->config.scenario = spa_scenario_closed(2, 4);
}

Test(sim_resume, a_saved_state_with_any_byte_changed_or_missing_is_refused)
{
    alarm(300);
    sim_world w;
    spa_engine *e;
    unsigned char *bytes;
    size_t size;
    bool done;
    saved_world(&w);
    expect_ok(spa_engine_new(&e, &w.config, err));
    expect_ok(spa_engine_run_until(e, 20, &done, err));
    expect_ok(spa_engine_save(e, (void **)&bytes, &size, err));
    for (size_t i = 0; i < size; i++) {
        spa_error why = {0};
        bytes[i] ^= 0x10;
        spa_status status = spa_engine_resume(e, bytes, size, &why);
        cr_assert(status == SPA_E_PARSE || status == SPA_E_INVALID, "byte %zu of %zu", i, size);
        cr_assert_eq(strncmp(why.message, "saved state: ", 13), 0);
        bytes[i] ^= 0x10;
    }
    for (size_t length = 0; length < size; length += length < 100 ? 1 : 97)
        cr_assert_neq(spa_engine_resume(e, bytes, length, NULL), SPA_OK, "%zu bytes", length);
    expect_ok(spa_engine_resume(e, bytes, size, err));
    free(bytes);
    spa_engine_free(e);
    sim_world_fini(&w);
}

/* What must not fit: each change makes another configuration. */
static void other_schedule(sim_world *w)
{
    w->schedule.lane[0] = (int8_t)(w->schedule.lane[0] < 0 ? 0 : -1);
}
static void other_noise(sim_world *w)
{
    w->config.noise = false;
}
static void other_contention(sim_world *w)
{
    w->config.contention = true;
}
static void other_policy(sim_world *w)
{
    w->config.policy = &walk;
}
static void other_costs(sim_world *w)
{
    w->costs.ops[0].dynamic_w += 1;
}
static void other_requests(sim_world *w)
{
    w->config.scenario.requests++;
}
static void other_warmup(sim_world *w)
{
    w->config.scenario.warmup = 1;
}
static void other_workers(sim_world *w)
{
    w->config.scenario.workers = true;
}
static void other_section(sim_world *w)
{
    w->config.scenario.serial_ops = 1;
}
static void other_policy_cost(sim_world *w)
{
    w->config.policy_cost = false;
}

Test(sim_resume, a_state_of_another_configuration_is_refused)
{
    static void (*const changes[])(sim_world *) = {
        other_schedule, other_noise,  other_contention, other_policy,  other_costs,
        other_requests, other_warmup, other_workers,    other_section, other_policy_cost};
    sim_world w;
    spa_engine *e;
    void *bytes;
    size_t size;
    bool done;
    saved_world(&w);
    expect_ok(spa_engine_new(&e, &w.config, err));
    expect_ok(spa_engine_run_until(e, 20, &done, err));
    expect_ok(spa_engine_save(e, &bytes, &size, err));
    spa_engine_free(e);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        sim_world v;
        spa_error why = {0};
        saved_world(&v);
        changes[i](&v);
        expect_ok(spa_costs_finish(&v.costs, err));
        expect_ok(spa_engine_new(&e, &v.config, err));
        cr_assert_eq(spa_engine_resume(e, bytes, size, &why), SPA_E_INVALID, "change %zu", i);
        cr_assert_str_eq(why.message, "saved state: made by another configuration (graph, costs, "
                                      "policy or scenario)");
        spa_engine_free(e);
        sim_world_fini(&v);
    }
    free(bytes);
    sim_world_fini(&w);
}

static void place_nowhere(const void *self, void *memory, const spa_view *v, uint32_t op,
                          spa_action *action)
{
    action->processor = *(const bool *)self ? 99 : 0;
}

Test(sim_resume, an_engine_whose_run_failed_can_resume_a_good_one)
{
    sim_world w;
    spa_engine *e;
    spa_run_result result;
    void *bytes;
    size_t size;
    bool bad = false;
    spa_policy policy = walk;
    policy.begin = NULL;
    policy.place = place_nowhere;
    sim_world_init(&w, 1, "a; b a");
    w.config.policy = &policy;
    w.config.self = &bad;
    w.config.record = nothing;
    expect_ok(spa_costs_finish(&w.costs, err));
    expect_ok(spa_engine_new(&e, &w.config, err));
    expect_ok(spa_engine_save(e, &bytes, &size, err));
    bad = true;
    cr_assert_eq(spa_engine_run(e, NULL, &result, NULL), SPA_E_ILLEGAL);
    bad = false;
    expect_ok(spa_engine_resume(e, bytes, size, err));
    expect_ok(spa_engine_run(e, NULL, &result, err));
    cr_assert_eq(result.requests, 1);
    free(bytes);
    spa_engine_free(e);
    sim_world_fini(&w);
}

/* ---- memory -------------------------------------------------------------------------------------
 */

Test(sim_memory, the_event_loop_allocates_nothing)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 100; seed++) {
        sim_world w;
        spa_run_result result;
        spa_histogram latencies;
        busy_world(&w, seed);
        expect_ok(spa_histogram_init(&latencies, err));
        spa_engine *e = engine_of(&w, seed & 4);
        spa_error why;
        oom_fail_at(-1);
        spa_status status = spa_engine_run(e, &latencies, &result, &why);
        if (!status) status = spa_engine_restart(e, 2, 1, NULL, &why);
        if (!status) status = spa_engine_run(e, &latencies, &result, &why);
        long count = oom_count();
        oom_off();
        cr_assert_eq(status, SPA_OK);
        cr_assert_eq(count, 0, "%ld allocations", count);
        spa_engine_free(e);
        spa_histogram_fini(&latencies);
        sim_world_fini(&w);
    }
}

Test(sim_memory, the_state_grows_with_concurrency_and_not_with_requests)
{
    sim_world w;
    size_t bytes[3];
    sim_world_init(&w, 2, "a; b a; c a b");
    expect_ok(spa_costs_finish(&w.costs, err));
    for (int i = 0; i < 3; i++) {
        w.config.scenario = spa_scenario_closed(i == 2 ? 8 : 4, i == 0 ? 10 : 1000000000);
        spa_engine *e = engine_of(&w, true);
        bytes[i] = spa_engine_state_bytes(e);
        spa_engine_free(e);
    }
    cr_assert_eq(bytes[0], bytes[1]);
    cr_assert_gt(bytes[2], bytes[1]);
    sim_world_fini(&w);
}

static spa_status make_and_run(const sim_world *w, spa_error *err)
{
    spa_engine *e;
    spa_run_result result;
    void *bytes;
    size_t size;
    spa_status status = spa_engine_new(&e, &w->config, err);
    if (status) {
        cr_assert_null(e);
        return status;
    }
    status = spa_engine_run(e, NULL, &result, err);
    if (!status && !(status = spa_engine_save(e, &bytes, &size, err))) free(bytes);
    spa_engine_free(e);
    return status;
}

static spa_status evaluate_twice(const sim_world *w, spa_error *err)
{
    spa_evaluator *v;
    spa_evaluation value;
    SPA_TRY(spa_evaluator_new(&v, &w->graph, &w->costs, true, err));
    spa_status status = spa_evaluate(v, &w->schedule, &value, err);
    if (!status) status = spa_evaluate(v, &w->schedule, &value, err);
    spa_evaluator_free(v);
    return status;
}

static void walk_through(const sim_world *w, spa_status (*work)(const sim_world *, spa_error *),
                         long least)
{
    for (long n = 0;; n++) {
        spa_error e = {0};
        oom_fail_at(n);
        spa_status status = work(w, &e);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", e.message);
            cr_assert_geq(n, least);
            return;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld: %s", n, e.message);
        cr_assert_eq(strncmp(e.message, "out of memory", 13), 0);
    }
}

Test(sim_memory, an_allocation_that_fails_is_reported_and_nothing_leaks)
{
    sim_world w;
    busy_world(&w, 3);
    walk_through(&w, make_and_run, 8);
    w.config.record = nothing;
    walk_through(&w, make_and_run, 8);
    walk_through(&w, evaluate_twice, 8);
    sim_world_fini(&w);
}

/* The evaluator is usable after an evaluation that ran out of memory. */
Test(sim_memory, an_evaluator_survives_an_evaluation_without_memory)
{
    sim_world w;
    spa_evaluator *v;
    spa_evaluation value;
    busy_world(&w, 3);
    expect_ok(spa_evaluator_new(&v, &w.graph, &w.costs, true, err));
    oom_fail_at(2);
    spa_status status = spa_evaluate(v, &w.schedule, &value, NULL);
    oom_off();
    cr_assert_eq(status, SPA_E_NOMEM);
    cr_assert_eq(spa_evaluator_count(v), 0);
    expect_ok(spa_evaluate(v, &w.schedule, &value, err));
    cr_assert_eq(spa_evaluator_count(v), 1);
    spa_evaluator_free(v);
    sim_world_fini(&w);
}
