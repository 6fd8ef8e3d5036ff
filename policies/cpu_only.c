/* cpu-only: everything on the host. */
#include "policies/common.h"

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    (void)self, (void)err;
    const spa_costs *costs = context->costs;
    for (size_t i = 0; i < schedule->n_ops; i++) {
        schedule->processor[i] = (uint8_t)spa_policy_able(costs, i, costs->host);
    }
    spa_policy_end_plan(costs, schedule);
    return SPA_OK;
}

const spa_policy spa_policy_cpu_only = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "cpu-only",
    .summary = "every operator on the host; what it cannot run goes where it is fastest",
    .source = "SparOA (arXiv 2511.19457), evaluation: baseline CPU-Only",
    .capabilities = SPA_CAP_PLAN,
    .objectives = SPA_OBJECTIVES_ALL,
    .create = spa_policy_create_nothing,
    .destroy = spa_policy_free,
    .plan = plan,
};
