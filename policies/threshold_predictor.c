/* threshold+predictor: SparOA without reinforcement learning, with thresholds of its own for every
 * operator.
 *
 * Source: SparOA (arXiv 2511.19457), the offline threshold predictor; what the paper leaves open
 * (labels, grid, sizes) is defined in docs/predictor.md. A predictor is a file that `sparoa train
 * threshold+predictor` wrote. The rule, given predicted s and c of an operator whose input has the
 * share rho of zeros and whose size is I:
 *
 *   by=intensity  I < c -> host, else accelerator (the paper's rule, which comes to this:
 * threshold.c) by=sparsity   rho >= s -> host by=both       both -> host
 *
 * Differs from the rule of `threshold`: rho is that of the input, which is what a kernel can gain
 * from, and unknown zeros count as none. */
#include <math.h>
#include <string.h>

#include "policies/common.h"
#include "policies/predicted.h"

static const char *const rules[] = {"intensity", "sparsity", "both"};

static const spa_param params[] = {
    {"model", SPA_PARAM_TEXT, 0, 0, 0, "", "FILE",
     "a predictor that 'sparoa train' wrote; without it the one shipped for the device"},
    {"by", SPA_PARAM_TEXT, 0, 0, 0, "intensity", "intensity|sparsity|both",
     "which predicted threshold decides"},
};

typedef struct predicting {
    char path[256];
    spa_threshold_rule rule;
} predicting;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    predicting *s = NULL;
    spa_threshold_rule rule = SPA_RULE_INTENSITY;
    *self = NULL;
    while (rule < SPA_RULES && strcmp(values->text[1], rules[rule]) != 0) rule++;
    if (rule == SPA_RULES)
        return spa_fail(err, SPA_E_INVALID,
                        "threshold+predictor: parameter 'by': '%s' is none of intensity, sparsity, "
                        "both",
                        values->text[1]);
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    memcpy(s->path, values->text[0], sizeof s->path);
    s->rule = rule;
    *self = s;
    return SPA_OK;
}

/* The paper's cuts (see threshold.c), for all operators: what is left without predictions. */
static spa_status fixed(spa_predicted *out, const spa_costs *c, spa_error *err)
{
    *out = (spa_predicted){0};
    SPA_TRY(spa_alloc(&out->at, c->n_ops * SPA_THRESHOLDS, sizeof *out->at, err));
    for (size_t i = 0; i < c->n_ops; i++) {
        out->at[i * SPA_THRESHOLDS] = 0.4f;
        out->at[i * SPA_THRESHOLDS + 1] = 8; /* 1e8 MACs */
    }
    return SPA_OK;
}

static void place_all(const predicting *s, const spa_costs *c, const float *at,
                      uint32_t accelerator, spa_schedule *schedule)
{
    for (size_t i = 0; i < c->n_ops; i++) {
        const spa_op *op = &c->graph->ops[i];
        double rho = isnan(op->input_sparsity) ? 0 : op->input_sparsity;
        double own[SPA_THRESHOLDS] = {rho, log10(spa_op_work(op))};
        double cut[SPA_THRESHOLDS] = {(double)at[i * SPA_THRESHOLDS],
                                      (double)at[i * SPA_THRESHOLDS + 1]};
        uint32_t wanted = spa_threshold_says_host(s->rule, own, cut) ? c->host : accelerator;
        schedule->processor[i] = (uint8_t)spa_policy_able(c, i, wanted);
    }
    spa_policy_end_plan(c, schedule);
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    const predicting *s = self;
    const spa_costs *c = context->costs;
    spa_predicted predicted;
    uint32_t accelerator = 0;
    SPA_TRY(spa_policy_accelerator(c, "threshold+predictor", &accelerator, err));
    spa_status status = context->no_predictions
                            ? fixed(&predicted, c, err)
                            : spa_predicted_make(&predicted, c, s->path, context->trained, err);
    if (!status) place_all(s, c, predicted.at, accelerator, schedule);
    spa_predicted_fini(&predicted);
    return status;
}

const spa_policy spa_policy_threshold_predictor = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "threshold+predictor",
    .summary = "light operators on the host by predicted cuts of their own, heavy ones not",
    .source = "SparOA (arXiv 2511.19457), the threshold predictor without the RL scheduler",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_PREDICT,
    .objectives = SPA_OBJECTIVES_ALL,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
