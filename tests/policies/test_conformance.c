/* What every registered policy must do, on random graphs, tables and scenarios: end, act legally,
 * repeat itself, keep plain memory, survive failing allocations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tests/oom.h"
#include "tests/policies/scene.h"

typedef struct trial {
    policies_scene scene;
    const spa_policy *policy;
    void *self;
    spa_schedule schedule;
    bool has_schedule, skipped;
    uint64_t seed;
} trial;

static policies_scene_options options_of(uint64_t seed, const spa_policy *policy)
{
    bool small = strcmp(policy->name, "exhaustive") == 0;
    return (policies_scene_options){.n_ops = small ? 5 : 5 + (uint32_t)(seed * 7 % 40),
                                    .n_processors = 1 + (uint32_t)(seed % 4),
                                    .max_inputs = 1 + (uint32_t)(seed % 3),
                                    .reach = seed % 2 ? 4 : 0,
                                    .max_lanes = 3,
                                    .views = true,
                                    .pulled = true,
                                    .unable = true,
                                    .power = true,
                                    .dispatch = true,
                                    .free_links = seed % 3 == 0};
}

static spa_objective first_objective(const spa_policy *policy)
{
    return (spa_objective)(policy->objectives & (~policy->objectives + 1u));
}

static spa_status plan(trial *t, spa_error *err)
{
    spa_plan_context context = {.graph = &t->scene.graph,
                                .costs = &t->scene.costs,
                                .objective = first_objective(t->policy),
                                .seed = t->seed,
                                .budget = 40};
    spa_status status;
    SPA_TRY(spa_evaluator_new(&context.evaluator, context.graph, context.costs, true, err));
    status = spa_schedule_init(&t->schedule, context.graph->n_ops, err);
    if (!status) {
        status = t->policy->plan(t->self, &context, &t->schedule, err);
        if (status) spa_schedule_fini(&t->schedule);
    }
    spa_evaluator_free(context.evaluator);
    return status;
}

static void start(trial *t, const spa_policy *policy, uint64_t seed)
{
    policies_scene_options o = options_of(seed, policy);
    spa_param_values values;
    spa_error err = {0};
    *t = (trial){.policy = policy, .seed = seed};
    policies_scene_random(&t->scene, seed, &o);
    spa_params_defaults(policy->params, policy->n_params, &values);
    cr_assert_eq(policy->create(&t->self, &values, &err), SPA_OK, "%s", err.message);
    if (!policy->plan) return;
    spa_status status = plan(t, &err);
    t->skipped = status == SPA_E_UNSUPPORTED;
    if (t->skipped) {
        cr_assert_gt(strlen(err.message), 10);
        if (o.n_processors > 1) /* a trained policy knows no random tables */
            cr_assert_not_null(strstr(err.message, "not trained for"), "%s: %s", policy->name,
                               err.message);
        return;
    }
    cr_assert_eq(status, SPA_OK, "%s: %s", policy->name, err.message);
    cr_assert_eq(spa_schedule_check(&t->schedule, &t->scene.costs, &err), SPA_OK, "%s: %s",
                 policy->name, err.message);
    t->has_schedule = true;
}

static void finish(trial *t)
{
    if (t->has_schedule) spa_schedule_fini(&t->schedule);
    t->policy->destroy(t->self);
    policies_scene_fini(&t->scene);
}

static spa_run_config config_of(const trial *t)
{
    spa_run_config c = spa_run_config_default();
    c.graph = &t->scene.graph;
    c.costs = &t->scene.costs;
    c.policy = t->policy;
    c.self = t->self;
    c.schedule = t->has_schedule ? &t->schedule : NULL;
    c.objective = first_objective(t->policy);
    c.seed = t->seed;
    c.scenario = spa_scenario_closed(t->seed % 2 ? 3 : 1, 6);
    c.scenario.warmup = 0;
    return c;
}

static void run(const trial *t, spa_run_result *result)
{
    spa_run_config config = config_of(t);
    spa_engine *engine = NULL;
    spa_error err = {0};
    cr_assert_eq(spa_engine_new(&engine, &config, &err), SPA_OK, "%s: %s", t->policy->name,
                 err.message);
    cr_assert_eq(spa_engine_run(engine, NULL, result, &err), SPA_OK, "%s, seed %llu: %s",
                 t->policy->name, (unsigned long long)t->seed, err.message);
    spa_engine_free(engine);
}

static void for_each_trial(uint64_t seeds, void (*check)(trial *t))
{
    size_t n = 0;
    const spa_policy *const *all = spa_policies(&n);
    for (size_t i = 0; i < n; i++) {
        for (uint64_t seed = 0; seed < seeds; seed++) {
            trial t;
            start(&t, all[i], seed);
            if (!t.skipped) check(&t);
            finish(&t);
        }
    }
}

static void check_ends(trial *t)
{
    spa_run_result a, b;
    run(t, &a);
    run(t, &b);
    cr_assert_eq(a.requests, 6);
    cr_assert_gt(a.span_ns, 0);
    cr_assert_eq(a.digest, b.digest, "%s", t->policy->name);
    cr_assert_eq(a.events, b.events);
}

Test(policies_conformance, every_policy_ends_acts_legally_and_repeats_itself)
{
    for_each_trial(24, check_ends);
}

static void check_plan_repeats(trial *t)
{
    spa_schedule before = t->schedule;
    size_t n = before.n_ops;
    if (!t->has_schedule) return;
    cr_assert_eq(plan(t, NULL), SPA_OK);
    cr_assert_arr_eq(before.processor, t->schedule.processor, n);
    cr_assert_arr_eq(before.lane, t->schedule.lane, n);
    cr_assert_arr_eq(before.order, t->schedule.order, n * sizeof *before.order);
    cr_assert_arr_eq(before.share, t->schedule.share, n);
    cr_assert_arr_eq(before.second, t->schedule.second, n);
    spa_schedule_fini(&before);
}

Test(policies_conformance, every_plan_is_the_same_for_the_same_seed)
{
    for_each_trial(8, check_plan_repeats);
}

/* Half-way the engine's whole state, policy memory included, moves to another engine. */
static void check_moves(trial *t)
{
    spa_run_config config = config_of(t);
    spa_engine *a = NULL, *b = NULL;
    spa_run_result whole, moved;
    bool done = false;
    run(t, &whole);
    cr_assert_eq(spa_engine_new(&a, &config, NULL), SPA_OK);
    cr_assert_eq(spa_engine_new(&b, &config, NULL), SPA_OK);
    cr_assert_eq(spa_engine_run_until(a, whole.span_ns / 2, &done, NULL), SPA_OK);
#ifdef SPA_DEBUG
    /* A debug engine's audit is not part of its state: it must see the run from the start. */
    cr_assert_eq(spa_engine_run(a, NULL, &moved, NULL), SPA_OK);
#else
    spa_engine_copy(b, a);
    cr_assert_eq(spa_engine_run(b, NULL, &moved, NULL), SPA_OK);
#endif
    cr_assert_eq(moved.digest, whole.digest, "%s", t->policy->name);
    spa_engine_free(a);
    spa_engine_free(b);
}

Test(policies_conformance, every_policys_memory_may_be_moved_in_the_middle_of_a_run)
{
    for_each_trial(6, check_moves);
}

static void check_no_sparsity(trial *t)
{
    spa_run_result result;
    for (size_t i = 0; i < t->scene.graph.n_ops; i++) {
        spa_op *op = &t->scene.graph.ops[i];
        op->sparsity = op->input_sparsity = op->weight_sparsity = NAN;
    }
    if (t->has_schedule) {
        spa_schedule_fini(&t->schedule);
        cr_assert_eq(plan(t, NULL), SPA_OK, "%s", t->policy->name);
    }
    run(t, &result);
}

Test(policies_conformance, every_policy_copes_with_unknown_sparsities)
{
    for_each_trial(4, check_no_sparsity);
}

static void check_oom(trial *t)
{
    if (!t->has_schedule) return;
    spa_schedule_fini(&t->schedule);
    t->has_schedule = false;
    for (long n = 0;; n++) {
        spa_error err = {0};
        oom_fail_at(n);
        spa_status status = plan(t, &err);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s: %s", t->policy->name, err.message);
            t->has_schedule = true;
            return;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "%s, allocation %ld: %s", t->policy->name, n,
                     err.message);
    }
}

Test(policies_conformance, every_plan_fails_cleanly_when_any_allocation_fails)
{
    for_each_trial(2, check_oom);
}

Test(policies_conformance, every_create_fails_cleanly_when_its_allocation_fails)
{
    size_t n = 0;
    const spa_policy *const *all = spa_policies(&n);
    for (size_t i = 0; i < n; i++) {
        spa_param_values values;
        spa_params_defaults(all[i]->params, all[i]->n_params, &values);
        for (long k = 0;; k++) {
            void *self = (void *)&values;
            oom_fail_at(k);
            spa_status status = all[i]->create(&self, &values, NULL);
            bool failed = oom_failed();
            oom_off();
            if (!failed) {
                cr_assert_eq(status, SPA_OK);
                all[i]->destroy(self);
                break;
            }
            cr_assert_eq(status, SPA_E_NOMEM);
            cr_assert_null(self);
        }
    }
}
