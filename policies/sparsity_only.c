/* sparsity-only: the other half of the paper's threshold rule, alone.
 *
 * Rule: rho > sparsity -> host, else accelerator. Which rho: `of=output` (as the paper defines it)
 * or `of=input` (the zeros that a skipping kernel can gain from). Unknown (NaN): by intensity,
 * I >= intensity -> accelerator, else host. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "policies/common.h"

static const spa_param params[] = {
    {"sparsity", SPA_PARAM_REAL, 0.4, 0, 1, NULL, "fraction of zeros",
     "operators with more than this go to the host"},
    {"intensity", SPA_PARAM_REAL, 1e8, 0, 1e15, NULL, "MACs",
     "where the sparsity is unknown: operators with at least this many go to the accelerator"},
    {"of", SPA_PARAM_TEXT, 0, 0, 0, "output", "output|input", "which tensor's sparsity is read"},
};

typedef struct sparsity_only {
    double sparsity, intensity_macs;
    bool of_input;
} sparsity_only;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    sparsity_only *s = NULL;
    *self = NULL;
    bool of_input = strcmp(values->text[2], "input") == 0;
    if (!of_input && strcmp(values->text[2], "output") != 0) {
        return spa_fail(err, SPA_E_INVALID,
                        "sparsity-only: parameter 'of': '%s' is neither output nor input",
                        values->text[2]);
    }
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    *s = (sparsity_only){values->number[0], values->number[1], of_input};
    *self = s;
    return SPA_OK;
}

static bool on_accelerator(const void *self, const spa_op *op)
{
    const sparsity_only *s = self;
    double rho = s->of_input ? op->input_sparsity : op->sparsity;
    if (isnan(rho)) return spa_op_intensity(op) >= s->intensity_macs;
    return !(rho > s->sparsity);
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    return spa_policy_plan_rule(context, "sparsity-only", on_accelerator, self, schedule, err);
}

const spa_policy spa_policy_sparsity_only = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "sparsity-only",
    .summary = "sparse operators on the host, dense ones on the accelerator; ignores intensity",
    .source = "control for SparOA (arXiv 2511.19457), figure 2: the sparsity axis alone",
    .capabilities = SPA_CAP_PLAN,
    .objectives = SPA_OBJECTIVES_ALL,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
