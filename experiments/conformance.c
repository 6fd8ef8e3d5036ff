#include "experiments/conformance.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define REQUESTS 6

/* ---------------------------------------------------------------- one workload */
static spa_random_scene_options options_of(uint64_t seed, const spa_policy *policy)
{
    /* Trying all placements is for few operators. */
    bool small = strcmp(policy->name, "exhaustive") == 0;
    return (spa_random_scene_options){.n_ops = small ? 5 : 5 + (uint32_t)(seed * 7 % 40),
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

/* Each objective that the policy honours in turn. */
static spa_objective objective_of(const spa_policy *policy, uint64_t seed)
{
    spa_objective honoured[4];
    uint64_t n = 0;
    for (int bit = 0; bit < 4; bit++)
        if (policy->objectives >> bit & 1u) honoured[n++] = (spa_objective)(1 << bit);
    return honoured[n > 0 ? seed % n : 0];
}

spa_status spa_trial_plan(const spa_trial *t, spa_schedule *schedule, spa_error *err)
{
    spa_plan_context context = {.graph = &t->scene.graph,
                                .costs = &t->scene.costs,
                                .objective = t->objective,
                                .seed = t->seed,
                                .budget = 40};
    *schedule = (spa_schedule){0};
    SPA_TRY(spa_evaluator_new(&context.evaluator, context.graph, context.costs, true, err));
    spa_status status = spa_schedule_init(schedule, context.graph->n_ops, err);
    if (!status) status = t->policy->plan(t->self, &context, schedule, err);
    if (status) spa_schedule_fini(schedule);
    spa_evaluator_free(context.evaluator);
    return status;
}

spa_status spa_trial_begin(spa_trial *t, const spa_policy *policy, const spa_param_values *values,
                           uint64_t seed, spa_error *err)
{
    spa_random_scene_options o = options_of(seed, policy);
    *t = (spa_trial){.seed = seed, .n_processors = o.n_processors};
    t->objective = objective_of(policy, seed);
    SPA_TRY(spa_random_scene_init(&t->scene, seed, &o, err));
    if (policy->create) SPA_TRY(policy->create(&t->self, values, err));
    t->policy = policy; /* from here on there is something to destroy */
    if (!policy->plan) return SPA_OK;
    spa_status status = spa_trial_plan(t, &t->schedule, err);
    t->skipped = status == SPA_E_UNSUPPORTED;
    if (status) return t->skipped ? SPA_OK : status;
    t->has_schedule = true;
    return spa_schedule_check(&t->schedule, &t->scene.costs, err);
}

void spa_trial_end(spa_trial *t)
{
    if (t->has_schedule) spa_schedule_fini(&t->schedule);
    if (t->policy && t->policy->destroy) t->policy->destroy(t->self);
    spa_random_scene_fini(&t->scene);
}

static spa_run_config config_of(const spa_trial *t)
{
    spa_run_config c = spa_run_config_default();
    c.graph = &t->scene.graph;
    c.costs = &t->scene.costs;
    c.policy = t->policy;
    c.self = t->self;
    c.schedule = t->has_schedule ? &t->schedule : NULL;
    c.objective = t->objective;
    c.seed = t->seed;
    c.scenario = spa_scenario_closed(t->seed % 2 ? 3 : 1, REQUESTS);
    c.scenario.warmup = 0;
    return c;
}

spa_status spa_trial_run(const spa_trial *t, spa_run_result *result, spa_error *err)
{
    spa_run_config config = config_of(t);
    spa_engine *engine = NULL;
    SPA_TRY(spa_engine_new(&engine, &config, err));
    spa_status status = spa_engine_run(engine, NULL, result, err);
    spa_engine_free(engine);
    return status;
}

/* ---------------------------------------------------------------- rules */
static spa_status check_run(spa_trial *t, spa_error *err)
{
    spa_run_result a, b;
    SPA_TRY(spa_trial_run(t, &a, err));
    SPA_TRY(spa_trial_run(t, &b, err));
    if (a.requests != REQUESTS || a.span_ns <= 0)
        return spa_fail(err, SPA_E_ILLEGAL, "%llu requests of %d ended",
                        (unsigned long long)a.requests, REQUESTS);
    if (a.digest == b.digest && a.events == b.events) return SPA_OK;
    return spa_fail(err, SPA_E_ILLEGAL,
                    "two runs with the same seed differ: what changes must live in the run's "
                    "memory, and random numbers come from the context's seed");
}

static spa_status check_plan(spa_trial *t, spa_error *err)
{
    const spa_schedule *a = &t->schedule;
    spa_schedule b;
    size_t n = a->n_ops;
    if (!t->has_schedule) return SPA_OK;
    SPA_TRY(spa_trial_plan(t, &b, err));
    bool same = memcmp(a->processor, b.processor, n) == 0 && memcmp(a->lane, b.lane, n) == 0 &&
                memcmp(a->order, b.order, n * sizeof *b.order) == 0 &&
                memcmp(a->share, b.share, n) == 0 && memcmp(a->second, b.second, n) == 0;
    spa_schedule_fini(&b);
    if (same) return SPA_OK;
    return spa_fail(err, SPA_E_ILLEGAL,
                    "two plans with the same seed differ: a plan depends on its context alone");
}

/* Half-way the engine's whole state, policy memory included, moves to another engine. (A debug
 * engine's audit is not part of its state: it must see the run from the start.) */
static spa_status run_moved(const spa_run_config *config, int64_t half_ns, spa_run_result *moved,
                            spa_error *err)
{
    spa_engine *a = NULL, *b = NULL;
    bool done = false;
    spa_status status = spa_engine_new(&a, config, err);
    if (!status) status = spa_engine_new(&b, config, err);
    if (!status) status = spa_engine_run_until(a, half_ns, &done, err);
#ifdef SPA_DEBUG
    if (!status) status = spa_engine_run(a, NULL, moved, err);
#else
    if (!status) spa_engine_copy(b, a);
    if (!status) status = spa_engine_run(b, NULL, moved, err);
#endif
    spa_engine_free(a);
    spa_engine_free(b);
    return status;
}

static spa_status check_moves(spa_trial *t, spa_error *err)
{
    spa_run_config config = config_of(t);
    spa_run_result whole, moved;
    SPA_TRY(spa_trial_run(t, &whole, err));
    SPA_TRY(run_moved(&config, whole.span_ns / 2, &moved, err));
    if (moved.digest == whole.digest) return SPA_OK;
    return spa_fail(err, SPA_E_ILLEGAL,
                    "a run that was copied half-way ends differently: the run's memory must be "
                    "plain bytes without pointers into itself");
}

static spa_status check_unknown_sparsity(spa_trial *t, spa_error *err)
{
    spa_run_result result;
    for (size_t i = 0; i < t->scene.graph.n_ops; i++) {
        spa_op *op = &t->scene.graph.ops[i];
        op->sparsity = op->input_sparsity = op->weight_sparsity = NAN;
    }
    if (t->has_schedule) {
        spa_schedule_fini(&t->schedule);
        t->has_schedule = false;
        SPA_TRY(spa_trial_plan(t, &t->schedule, err));
        t->has_schedule = true;
    }
    return spa_trial_run(t, &result, err);
}

const spa_rule *spa_rules(size_t *count)
{
    static const spa_rule rules[] = {
        {"ends, acts legally and repeats itself", 24, check_run},
        {"plans the same for the same seed", 8, check_plan},
        {"keeps memory that may be moved in the middle of a run", 6, check_moves},
        {"copes with unknown sparsities", 4, check_unknown_sparsity},
    };
    *count = sizeof rules / sizeof *rules;
    return rules;
}

/* ---------------------------------------------------------------- all of them */
static spa_status check_rule(spa_conformance *done, const spa_rule *rule, const spa_policy *policy,
                             const spa_param_values *values, uint64_t seed, spa_error *err)
{
    spa_trial t;
    spa_error cause = {0};
    spa_status status = spa_trial_begin(&t, policy, values, seed, &cause);
    done->trials++;
    if (!status && t.skipped) {
        done->skipped++;
        snprintf(done->why, sizeof done->why, "%.250s", cause.message);
    } else if (!status) {
        status = rule->check(&t, &cause);
    }
    size_t n_ops = t.scene.graph.n_ops;
    spa_trial_end(&t);
    if (!status) return SPA_OK;
    return spa_fail(err, status,
                    "rule '%s', random workload %llu (%zu operators, %u processors): %.500s",
                    rule->name, (unsigned long long)seed, n_ops, t.n_processors, cause.message);
}

spa_status spa_conformance_check(spa_conformance *done, const spa_policy *policy,
                                 const spa_param_values *values, spa_error *err)
{
    size_t n_rules;
    const spa_rule *rules = spa_rules(&n_rules);
    *done = (spa_conformance){0};
    for (size_t r = 0; r < n_rules; r++)
        for (uint64_t seed = 0; seed < rules[r].n_seeds; seed++)
            SPA_TRY(check_rule(done, &rules[r], policy, values, seed, err));
    return SPA_OK;
}
