/* threshold: SparOA without reinforcement learning.
 *
 * Source: SparOA (arXiv 2511.19457): an operator is sparse when rho > sparsity (its own output's
 * zeros) and heavy when I >= intensity (multiply-accumulates). The rules, first match wins:
 *
 *   1. rho unknown (NaN)        -> by intensity: I >= intensity accelerator, else host
 *   2. rho > s and I < c        -> host          (sparse and light)
 *   3. I >= c                   -> accelerator   (heavy, whatever rho is)
 *   4. rho <= s and I < c       -> "by intensity": I >= dense accelerator, else host
 *
 * The paper has one intensity cut, so dense = c (the default, written dense=0) and rule 4 always
 * says host: the placement then equals intensity-only's for every rho, which is the paper's own
 * quadrant figure. Differs: `dense` below c lets dense operators leave the host earlier than
 * sparse ones, which is what the prose means, and `of=input` reads the zeros that a skipping
 * kernel can gain from. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "policies/common.h"

static const spa_param params[] = {
    {"intensity", SPA_PARAM_REAL, 1e8, 0, 1e15, NULL, "MACs",
     "operators with at least this many are heavy: accelerator"},
    {"sparsity", SPA_PARAM_REAL, 0.4, 0, 1, NULL, "fraction of zeros",
     "operators with more than this are sparse: host, unless heavy"},
    {"dense", SPA_PARAM_REAL, 0, 0, 1e15, NULL, "MACs",
     "intensity cut for operators that are not sparse; 0 = the same as intensity (the paper)"},
    {"of", SPA_PARAM_TEXT, 0, 0, 0, "output", "output|input", "which tensor's sparsity is read"},
};

typedef struct threshold {
    double intensity_macs, sparsity, dense_macs;
    bool of_input;
} threshold;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    threshold *s = NULL;
    *self = NULL;
    double intensity = values->number[0], dense = values->number[2];
    bool of_input = strcmp(values->text[3], "input") == 0;
    if (!of_input && strcmp(values->text[3], "output") != 0) {
        return spa_fail(err, SPA_E_INVALID,
                        "threshold: parameter 'of': '%s' is neither output nor input",
                        values->text[3]);
    }
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    *s = (threshold){intensity, values->number[1], dense == 0 ? intensity : dense, of_input};
    *self = s;
    return SPA_OK;
}

static bool on_accelerator(const void *self, const spa_op *op)
{
    const threshold *s = self;
    double rho = s->of_input ? op->input_sparsity : op->sparsity;
    double intensity = spa_op_intensity(op);
    if (isnan(rho)) return intensity >= s->intensity_macs;
    if (rho > s->sparsity && intensity < s->intensity_macs) return false;
    if (intensity >= s->intensity_macs) return true;
    return intensity >= s->dense_macs;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    return spa_policy_plan_rule(context, "threshold", on_accelerator, self, schedule, err);
}

const spa_policy spa_policy_threshold = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "threshold",
    .summary = "sparse light operators on the host, heavy ones on the accelerator (fixed cuts)",
    .source = "SparOA (arXiv 2511.19457), figure 2 and the ablation without the RL scheduler",
    .capabilities = SPA_CAP_PLAN,
    .objectives = SPA_OBJECTIVES_ALL,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
