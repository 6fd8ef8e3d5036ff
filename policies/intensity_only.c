/* intensity-only: the control that the paper's quadrants call for.
 *
 * Rule: I >= intensity -> accelerator, else host, where I is the operator's multiply-accumulates
 * (SparOA's "computational intensity" is an absolute count). Sparsities are not read. */
#include <stdlib.h>
#include "policies/common.h"

static const spa_param params[] = {
    {"intensity", SPA_PARAM_REAL, 1e8, 0, 1e15, NULL, "MACs",
     "operators with at least this many go to the accelerator"},
};

typedef struct intensity_only {
    double intensity_macs;
} intensity_only;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    intensity_only *s = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    s->intensity_macs = values->number[0];
    *self = s;
    return SPA_OK;
}

static bool on_accelerator(const void *self, const spa_op *op)
{
    const intensity_only *s = self;
    return spa_op_intensity(op) >= s->intensity_macs;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    return spa_policy_plan_rule(context, "intensity-only", on_accelerator, self, schedule, err);
}

const spa_policy spa_policy_intensity_only = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "intensity-only",
    .summary = "heavy operators on the accelerator, light ones on the host; ignores sparsity",
    .source = "control for SparOA (arXiv 2511.19457), figure 2: same placement in all quadrants",
    .capabilities = SPA_CAP_PLAN,
    .objectives = SPA_OBJECTIVES_ALL,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
