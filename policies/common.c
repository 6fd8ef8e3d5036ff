#include "policies/common.h"

#include <assert.h>
#include <stdlib.h>

spa_status spa_policy_create_nothing(void **self, const spa_param_values *values, spa_error *err)
{
    (void)values, (void)err;
    *self = NULL;
    return SPA_OK;
}

void spa_policy_free(void *self)
{
    free(self);
}

spa_status spa_policy_accelerator(const spa_costs *costs, const char *policy, uint32_t *processor,
                                  spa_error *err)
{
    *processor = 0;
    for (uint32_t p = 0; p < costs->n_processors; p++) {
        if (p == costs->host || costs->processors[p].role != SPA_ROLE_ACCELERATOR) continue;
        *processor = p;
        return SPA_OK;
    }
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "%s places operators on an accelerator, and there is none among lanes '%s'",
                    policy, costs->lanes ? costs->lanes : "");
}

uint32_t spa_policy_able(const spa_costs *costs, size_t op, uint32_t wanted)
{
    if (spa_cost_can_run(costs, op, wanted) || spa_policy_is_view(costs->graph, op)) return wanted;
    uint32_t best = costs->n_processors;
    for (uint32_t p = 0; p < costs->n_processors; p++) {
        if (!spa_cost_can_run(costs, op, p)) continue;
        if (best == costs->n_processors ||
            spa_cost_total_ns(costs, op, p) < spa_cost_total_ns(costs, op, best)) {
            best = p;
        }
    }
    assert(best < costs->n_processors); /* spa_costs_finish checked it */
    return best;
}

void spa_policy_follow_views(const spa_costs *costs, uint8_t *processor)
{
    const spa_graph *g = costs->graph;
    for (size_t i = 0; i < costs->n_ops; i++) {
        if (!spa_policy_is_view(g, i)) continue;
        int32_t from = spa_policy_viewed(g, i);
        processor[i] = from >= 0 ? processor[from] : (uint8_t)costs->host;
    }
}

void spa_policy_end_plan(const spa_costs *costs, spa_schedule *schedule)
{
    spa_policy_follow_views(costs, schedule->processor);
    for (size_t i = 0; i < schedule->n_ops; i++) {
        schedule->lane[i] = SPA_LANE_ANY;
        schedule->order[i] = (uint32_t)i;
    }
}

spa_status spa_policy_plan_rule(const spa_plan_context *context, const char *policy,
                                spa_policy_rule rule, const void *self, spa_schedule *schedule,
                                spa_error *err)
{
    const spa_costs *costs = context->costs;
    uint32_t accelerator = 0;
    SPA_TRY(spa_policy_accelerator(costs, policy, &accelerator, err));
    assert(schedule->n_ops == costs->n_ops);
    for (size_t i = 0; i < schedule->n_ops; i++) {
        bool on_accelerator = rule(self, &costs->graph->ops[i]);
        uint32_t wanted = on_accelerator ? accelerator : costs->host;
        schedule->processor[i] = (uint8_t)spa_policy_able(costs, i, wanted);
    }
    spa_policy_end_plan(costs, schedule);
    return SPA_OK;
}
