/* gpu-only: everything on the accelerator. */
#include "policies/common.h"

static bool on_accelerator(const void *self, const spa_op *op)
{
    (void)self, (void)op;
    return true;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    return spa_policy_plan_rule(context, "gpu-only", on_accelerator, self, schedule, err);
}

const spa_policy spa_policy_gpu_only = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "gpu-only",
    .summary = "every operator on the accelerator; what it cannot run goes where it is fastest",
    .source = "SparOA (arXiv 2511.19457), evaluation: baseline GPU-Only",
    .capabilities = SPA_CAP_PLAN,
    .objectives = SPA_OBJECTIVES_ALL,
    .create = spa_policy_create_nothing,
    .destroy = spa_policy_free,
    .plan = plan,
};
