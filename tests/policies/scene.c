#include "tests/policies/scene.h"

#include <stdio.h>
#include <string.h>

#define MUST(call)                                                                                 \
    do {                                                                                           \
        spa_error err_ = {0};                                                                      \
        spa_error *err = &err_;                                                                    \
        cr_assert_eq((call), SPA_OK, "%s", err_.message);                                          \
    } while (0)

static const spa_shape small = {2, {1, 4}};

static void add_op(spa_graph *g, uint32_t i, const int32_t *inputs, size_t n)
{
    char name[32];
    int32_t index = -1;
    spa_op_attrs attrs = {0};
    snprintf(name, sizeof name, "op%u", i);
    MUST(spa_graph_add(g, name, SPA_OP_OTHER, &attrs, inputs, n, &small, &index, err));
}

static void start_graph(spa_graph *g)
{
    spa_graph_init(g, "scene", 1, SPA_FP32);
    g->n_graph_inputs = 1;
    g->graph_inputs[0] = small;
}

void policies_scene_random(policies_scene *s, uint64_t seed, const policies_scene_options *o)
{
    MUST(spa_random_scene_init(s, seed, o, err));
}

void policies_scene_edges(policies_scene *s, uint32_t n, uint32_t n_processors,
                          const int32_t (*inputs)[4])
{
    start_graph(&s->graph);
    for (uint32_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < 4 && inputs[i][k] != INT32_MAX) k++;
        add_op(&s->graph, i, inputs[i], k);
    }
    MUST(spa_graph_finish(&s->graph, err));
    MUST(spa_costs_init(&s->costs, &s->graph, n_processors, err));
}

void policies_scene_chain(policies_scene *s, uint32_t n, uint32_t n_processors)
{
    start_graph(&s->graph);
    for (uint32_t i = 0; i < n; i++) {
        int32_t input = i ? (int32_t)i - 1 : SPA_GRAPH_INPUT(0);
        add_op(&s->graph, i, &input, 1);
    }
    MUST(spa_graph_finish(&s->graph, err));
    MUST(spa_costs_init(&s->costs, &s->graph, n_processors, err));
}

void policies_scene_fini(policies_scene *s)
{
    spa_random_scene_fini(s);
}

void scene_all_transfers(policies_scene *s, int64_t ns)
{
    uint32_t n = s->costs.n_processors;
    for (size_t t = 0; t < s->costs.n_tensors; t++) {
        for (uint32_t k = 0; k < n * n; k++) {
            if (k / n != k % n) scene_transfer(s, t, k / n, k % n, ns);
        }
    }
}

spa_status scene_plan(const policies_scene *s, const char *text, spa_objective objective,
                      uint64_t seed, uint64_t budget, spa_schedule *schedule, spa_error *err)
{
    const spa_policy *policy = NULL;
    spa_param_values values;
    void *self = NULL;
    spa_plan_context context = {.graph = &s->graph,
                                .costs = &s->costs,
                                .objective = objective,
                                .seed = seed,
                                .budget = budget};
    memset(schedule, 0, sizeof *schedule);
    SPA_TRY(spa_policy_parse(text, &policy, &values, err));
    SPA_TRY(policy->create(&self, &values, err));
    spa_status status = spa_evaluator_new(&context.evaluator, &s->graph, &s->costs, true, err);
    if (!status) status = spa_schedule_init(schedule, s->graph.n_ops, err);
    if (!status) status = policy->plan(self, &context, schedule, err);
    if (status) spa_schedule_fini(schedule);
    spa_evaluator_free(context.evaluator);
    policy->destroy(self);
    return status;
}

void scene_must_plan(const policies_scene *s, const char *text, spa_objective objective,
                     uint64_t seed, uint64_t budget, spa_schedule *schedule)
{
    spa_error err = {0};
    cr_assert_eq(scene_plan(s, text, objective, seed, budget, schedule, &err), SPA_OK, "%s: %s",
                 text, err.message);
    cr_assert_eq(spa_schedule_check(schedule, &s->costs, &err), SPA_OK, "%s: %s", text,
                 err.message);
}

double scene_value(const policies_scene *s, const spa_schedule *schedule, spa_objective objective)
{
    spa_evaluator *evaluator = NULL;
    spa_evaluation e = {0};
    MUST(spa_evaluator_new(&evaluator, &s->graph, &s->costs, true, err));
    MUST(spa_evaluate(evaluator, schedule, &e, err));
    spa_evaluator_free(evaluator);
    return spa_evaluation_value(&e, objective);
}

int64_t scene_run_ns(const policies_scene *s, const char *text, uint64_t seed, uint64_t budget,
                     uint64_t *digest)
{
    const spa_policy *policy = NULL;
    spa_param_values values;
    spa_schedule schedule = {0};
    spa_run_config config = spa_run_config_default();
    spa_run_result result;
    spa_engine *engine = NULL;
    void *self = NULL;
    MUST(spa_policy_parse(text, &policy, &values, err));
    MUST(policy->create(&self, &values, err));
    if (policy->plan) {
        scene_must_plan(s, text, SPA_OBJECTIVE_LATENCY, seed, budget, &schedule);
        config.schedule = &schedule;
    }
    config.graph = &s->graph;
    config.costs = &s->costs;
    config.policy = policy;
    config.self = self;
    config.policy_cost = false;
    config.seed = seed;
    config.scenario.requests = 1;
    config.scenario.warmup = 0;
    MUST(spa_engine_new(&engine, &config, err));
    MUST(spa_engine_run(engine, NULL, &result, err));
    spa_engine_free(engine);
    spa_schedule_fini(&schedule);
    policy->destroy(self);
    if (digest) *digest = result.digest;
    return result.span_ns;
}

const char *scene_letters(const policies_scene *s, const spa_schedule *schedule)
{
    static char text[256];
    size_t n = schedule->n_ops < sizeof text - 1 ? schedule->n_ops : sizeof text - 1;
    for (size_t i = 0; i < n; i++) {
        uint32_t p = schedule->processor[i];
        text[i] = p == s->costs.host ? 'H' : (char)('A' + p - (p > s->costs.host));
    }
    text[n] = '\0';
    return text;
}
