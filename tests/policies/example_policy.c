/* An example policy: heavy operators to the accelerator, as long as its queue is short.
 * docs/writing-a-policy.md walks through it; a test runs it. */
#include <stdlib.h>
#include "sim/policy.h"

static const spa_param params[] = {
    {"intensity", SPA_PARAM_REAL, 1e7, 0, 1e15, NULL, "MACs", "heavy from here on"},
    {"queue", SPA_PARAM_INT, 1000000, 0, 1e12, NULL, "ns", "longest wait for the accelerator"},
};

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    spa_param_values *own = NULL;
    SPA_TRY(spa_alloc(self, 1, sizeof *own, err));
    own = *self;
    *own = *values;
    return SPA_OK;
}

static void place(const void *self, void *memory, const spa_view *view, uint32_t op,
                  spa_action *action)
{
    const double *value = ((const spa_param_values *)self)->number;
    const spa_costs *costs = view->costs;
    (void)memory;
    for (uint32_t p = 0; p < costs->n_processors; p++) {
        bool is_host = p == costs->host;
        bool wanted = spa_op_intensity(&view->graph->ops[op]) >= value[0] &&
                      (double)(view->free_ns[p] - view->now_ns) <= value[1];
        if (!spa_cost_can_run(costs, op, p)) continue;
        if (!is_host && !wanted && spa_cost_can_run(costs, op, costs->host)) continue;
        action->processor = (int32_t)p; /* lane: SPA_LANE_ANY unless set */
        if (!is_host) return;
    }
}

const spa_policy example_policy = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "example",
    .summary = "heavy operators on the accelerator while its queue is short",
    .source = "docs/writing-a-policy.md",
    .capabilities = SPA_CAP_PLACE,
    .objectives = SPA_OBJECTIVE_LATENCY,
    .params = params,
    .n_params = 2,
    .decision_cycles = 50,
    .create = create,
    .destroy = free,
    .place = place,
};
