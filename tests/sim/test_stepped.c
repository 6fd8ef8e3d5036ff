/* Runs that the caller decides: the same as those that a schedule or a policy decides. */
#include <unistd.h>

#include "tests/sim/world.h"

static void no_record(void *user, const spa_event *event) {}

static spa_engine *stepped_engine(const sim_world *w, bool record)
{
    spa_engine *engine;
    spa_run_config config = w->config;
    config.policy = NULL;
    config.stepped = true;
    if (record) config.record = no_record;
    expect_ok(spa_engine_new(&engine, &config, err));
    return engine;
}

static spa_action as_scheduled(const sim_world *w, uint32_t op)
{
    return (spa_action){.processor = w->schedule.processor[op], .lane = w->schedule.lane[op]};
}

/* Decides a run as the world's schedule says; `copy` (may be NULL) takes over at every 5th
 * decision, and the two change roles. */
static size_t decide_all(const sim_world *w, spa_engine *engine, spa_engine *copy,
                         spa_run_result *result)
{
    size_t n = 0;
    bool done;
    expect_ok(spa_engine_start(engine, &done, err));
    for (; !done; n++) {
        uint32_t op = spa_engine_asked(engine);
        cr_assert_lt(op, w->graph.n_ops);
        cr_assert_neq(w->graph.ops[op].kind, SPA_OP_RESHAPE);
        if (copy && n % 5 == 4) {
            spa_engine *other = copy;
            spa_engine_copy(other, engine);
            copy = engine;
            engine = other;
        }
        expect_ok(spa_engine_decide(engine, as_scheduled(w, op), &done, err));
    }
    cr_assert_eq(spa_engine_asked(engine), UINT32_MAX);
    expect_ok(spa_engine_result(engine, result, err));
    return n;
}

static void random_world(sim_world *w, uint64_t seed)
{
    sim_random_options o = {
        .contention = true, .noise = seed & 1, .sync = true, .serial = true, .max_requests = 12};
    sim_world_random(w, seed, &o);
    if (seed % 4 == 3) {
        bool workers = w->config.scenario.workers;
        w->config.scenario = spa_scenario_open(SPA_ARRIVALS_POISSON, 1e6, 1 + seed % 5, 9);
        w->config.scenario.workers = workers;
    }
}

Test(sim_stepped, decided_as_a_schedule_says_a_run_is_that_of_the_schedule)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 300; seed++) {
        sim_world w;
        sim_run whole;
        spa_run_result result;
        random_world(&w, seed);
        sim_run_init(&whole, &w);
        spa_engine *a = stepped_engine(&w, true), *b = stepped_engine(&w, true);
        for (int copies = 0; copies < 2; copies++) {
            decide_all(&w, a, copies ? b : NULL, &result);
            cr_assert_eq(result.digest, whole.result.digest, "seed %llu, %d",
                         (unsigned long long)seed, copies);
            cr_assert_arr_eq(&result, &whole.result, sizeof result);
            expect_ok(spa_engine_restart(a, w.config.seed, w.config.replication, NULL, err));
            expect_ok(spa_engine_restart(b, w.config.seed, w.config.replication, NULL, err));
        }
        spa_engine_free(a);
        spa_engine_free(b);
        sim_run_fini(&whole);
        sim_world_fini(&w);
    }
}

Test(sim_stepped, an_audited_run_can_be_copied_at_a_decision)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 12; seed++) {
        sim_world w;
        spa_run_result plain, copied;
        random_world(&w, seed);
        expect_ok(spa_costs_finish(&w.costs, err));
        spa_engine *a = stepped_engine(&w, false), *b = stepped_engine(&w, false);
        decide_all(&w, a, NULL, &plain);
        expect_ok(spa_engine_restart(a, w.config.seed, w.config.replication, NULL, err));
        decide_all(&w, a, b, &copied);
        cr_assert_eq(plain.digest, copied.digest);
        spa_engine_free(a);
        spa_engine_free(b);
        sim_world_fini(&w);
    }
}

/* ---- beside a policy --------------------------------------------------------------------------
 */

/* Mixes all that a view holds into a choice. */
static void mix_place(const void *self, void *memory, const spa_view *v, uint32_t op,
                      spa_action *action)
{
    uint64_t h = spa_hash_u64((uint64_t)v->now_ns, op);
    h = spa_hash_u64(h, (uint64_t)v->in_flight << 32 | v->request_slot);
    for (uint32_t p = 0; p < v->costs->n_processors; p++)
        h = spa_hash_u64(h, (uint64_t)v->free_ns[p]);
    for (uint32_t k = 0; k < v->costs->n_links; k++)
        h = spa_hash_u64(h, (uint64_t)v->link_free_ns[k]);
    for (size_t t = 0; t < v->costs->n_tensors; t++)
        h = spa_hash_u64(h, (uint64_t)v->finish_ns[t] ^ (uint64_t)v->where[t] << 56);
    h ^= h >> 33;
    action->processor = (int32_t)(h % v->costs->n_processors);
    while (!spa_cost_can_run(v->costs, op, (uint32_t)action->processor))
        action->processor = (action->processor + 1) % (int32_t)v->costs->n_processors;
    action->lane = SPA_LANE_ANY;
}

static const spa_policy mix = {.abi = SPA_POLICY_ABI,
                               .struct_size = sizeof(spa_policy),
                               .name = "mix",
                               .capabilities = SPA_CAP_PLACE,
                               .objectives = SPA_OBJECTIVE_LATENCY,
                               .decision_cycles = 700,
                               .place = mix_place};

Test(sim_stepped, a_caller_sees_and_pays_what_a_policy_does)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 120; seed++) {
        sim_world w;
        sim_run whole;
        spa_run_result result;
        bool done;
        random_world(&w, seed);
        w.costs.host_hz = 1e9;
        w.config.policy = &mix;
        w.config.stepped_cycles = mix.decision_cycles;
        sim_run_init(&whole, &w);
        spa_engine *e = stepped_engine(&w, true);
        expect_ok(spa_engine_start(e, &done, err));
        while (!done) {
            spa_action action = {0};
            mix_place(NULL, NULL, spa_engine_view(e), spa_engine_asked(e), &action);
            expect_ok(spa_engine_decide(e, action, &done, err));
        }
        expect_ok(spa_engine_result(e, &result, err));
        cr_assert_eq(result.digest, whole.result.digest, "seed %llu", (unsigned long long)seed);
        spa_engine_free(e);
        sim_run_fini(&whole);
        sim_world_fini(&w);
    }
}

/* ---- wrong use --------------------------------------------------------------------------------
 */

#define expect_refused(call, code)                                                                 \
    do {                                                                                           \
        spa_error err_ = {0}, *err = &err_;                                                        \
        cr_assert_eq((call), (code));                                                              \
        cr_assert_gt(strlen(err_.message), 10);                                                    \
    } while (0)

Test(sim_stepped, refuses_calls_out_of_turn_and_illegal_decisions)
{
    sim_world w;
    spa_engine *e, *plain;
    spa_run_config config;
    spa_run_result result;
    bool done;
    sim_world_init(&w, 2, "a #0; b a");
    sim_kernel(&w, "b", 1, -1);
    expect_ok(spa_costs_finish(&w.costs, err));
    e = stepped_engine(&w, false);
    expect_refused(
        spa_engine_decide(e, (spa_action){.processor = 0, .lane = SPA_LANE_ANY}, &done, err),
        SPA_E_INVALID);
    expect_refused(spa_engine_run(e, NULL, &result, err), SPA_E_INVALID);
    expect_ok(spa_engine_start(e, &done, err));
    cr_assert(!done);
    cr_assert_eq(spa_engine_asked(e), 0);
    expect_refused(spa_engine_start(e, &done, err), SPA_E_INVALID);
    expect_ok(spa_engine_decide(e, (spa_action){.processor = 1, .lane = SPA_LANE_ANY}, &done, err));
    cr_assert_eq(spa_engine_asked(e), 1);
    expect_refused(
        spa_engine_decide(e, (spa_action){.processor = 1, .lane = SPA_LANE_ANY}, &done, err),
        SPA_E_ILLEGAL);
    expect_refused(
        spa_engine_decide(e, (spa_action){.processor = 0, .lane = SPA_LANE_ANY}, &done, err),
        SPA_E_INVALID);
    expect_ok(spa_engine_restart(e, 1, 0, NULL, err));
    expect_ok(spa_engine_start(e, &done, err));
    expect_refused(
        spa_engine_decide(e, (spa_action){.processor = 7, .lane = SPA_LANE_ANY}, &done, err),
        SPA_E_ILLEGAL);
    spa_engine_free(e);
    config = w.config;
    expect_ok(spa_engine_new(&plain, &config, err));
    expect_refused(spa_engine_start(plain, &done, err), SPA_E_INVALID);
    spa_engine_free(plain);
    config.stepped = true;
    config.policy = &mix;
    expect_refused(spa_engine_new(&plain, &config, err), SPA_E_INVALID);
    sim_world_fini(&w);
}
