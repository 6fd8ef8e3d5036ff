/* The policy of docs/writing-a-policy.md does what the document says. */
#include <string.h>
#include "tests/policies/scene.h"

extern const spa_policy example_policy;

static void count_places(void *user, const spa_event *event)
{
    uint32_t *on_accelerator = user;
    if (event->kind == SPA_EV_PLACE) *on_accelerator += event->processor == 1;
}

/* Three operators: 1e6 MACs (light), 1e7 (heavy), 1e9 (heavy, but cannot leave the host). */
static uint32_t run(const char *parameters, int64_t *span_ns)
{
    static const int64_t macs[] = {1000000, 10000000, 1000000000};
    spa_run_config config = spa_run_config_default();
    spa_param_values values;
    spa_run_result result;
    spa_engine *engine = NULL;
    uint32_t on_accelerator = 0;
    void *self = NULL;
    policies_scene s;
    policies_scene_chain(&s, 3, 2);
    for (uint32_t i = 0; i < 3; i++) {
        s.graph.ops[i].macs = macs[i];
        scene_kernel(&s, i, 0, 10);
        scene_kernel(&s, i, 1, i == 2 ? -1 : 5);
    }
    scene_all_transfers(&s, 2);
    cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
    cr_assert_eq(spa_params_parse(example_policy.params, example_policy.n_params, "example",
                                  parameters, &values, NULL),
                 SPA_OK);
    cr_assert_eq(example_policy.create(&self, &values, NULL), SPA_OK);
    config.graph = &s.graph;
    config.costs = &s.costs;
    config.policy = &example_policy;
    config.self = self;
    config.policy_cost = false;
    config.scenario.requests = 1;
    config.scenario.warmup = 0;
    config.record = count_places;
    config.record_user = &on_accelerator;
    cr_assert_eq(spa_engine_new(&engine, &config, NULL), SPA_OK);
    cr_assert_eq(spa_engine_run(engine, NULL, &result, NULL), SPA_OK);
    spa_engine_free(engine);
    example_policy.destroy(self);
    policies_scene_fini(&s);
    *span_ns = result.span_ns;
    return on_accelerator;
}

/* 10 on the host, 2 over, 5 there, 2 back, 10: 29. All on the host: 30. */
Test(policies_example, runs_and_places_heavy_operators_on_the_accelerator)
{
    int64_t span_ns = 0;
    cr_assert_eq(run("", &span_ns), 1);
    cr_assert_eq(span_ns, 29);
    cr_assert_eq(run("intensity=1e8", &span_ns), 0);
    cr_assert_eq(span_ns, 30);
}
