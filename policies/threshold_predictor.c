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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policies/common.h"
#include "policies/learn/predictor.h"

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

static bool is_there(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file) fclose(file);
    return file != NULL;
}

static spa_status find(const predicting *s, const spa_plan_context *context, char *path,
                       size_t size, spa_error *err)
{
    const spa_costs *c = context->costs;
    snprintf(path, size, "%s", s->path);
    if (s->path[0]) return SPA_OK;
    const char *folder = context->trained ? context->trained : "policies/data";
    snprintf(path, size, "%s/threshold+predictor-%s.thresholds", folder, c->device);
    if (context->trained && is_there(path)) return SPA_OK;
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "not trained for it; sparoa train threshold+predictor all --device %s -o FILE, "
                    "then threshold+predictor:model=FILE",
                    c->device);
}

/* Thresholds of another machine are not wrong input, but they say nothing about this one. */
static spa_status check_device(const spa_predictor *p, const spa_costs *c, const char *path,
                               spa_error *err)
{
    if (c->device && !strcmp(p->device, c->device)) return SPA_OK;
    return spa_fail_at(err, SPA_E_INVALID, path, 0, "holds thresholds of device '%s', not of '%s'",
                       p->device, c->device ? c->device : "?");
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

static spa_status plan_with(const predicting *s, spa_predictor *p, const spa_costs *c,
                            uint32_t accelerator, spa_schedule *schedule, spa_error *err)
{
    float *x = NULL, *at = NULL;
    spa_status status = spa_alloc(&x, c->n_ops * SPA_PREDICTOR_FEATURES, sizeof *x, err);
    if (!status) status = spa_alloc(&at, c->n_ops * SPA_THRESHOLDS, sizeof *at, err);
    if (!status) {
        for (size_t i = 0; i < c->n_ops; i++)
            spa_predictor_features(c->graph, i, c->graph->ops[i].input_sparsity,
                                   x + i * SPA_PREDICTOR_FEATURES);
        spa_predictor_predict(p, x, c->n_ops, at);
        place_all(s, c, at, accelerator, schedule);
    }
    free(x);
    free(at);
    return status;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    const predicting *s = self;
    const spa_costs *c = context->costs;
    spa_predictor p;
    char path[1024];
    uint32_t accelerator = 0;
    SPA_TRY(spa_policy_accelerator(c, "threshold+predictor", &accelerator, err));
    SPA_TRY(find(s, context, path, sizeof path, err));
    SPA_TRY(spa_predictor_read(&p, path, err));
    spa_status status = check_device(&p, c, path, err);
    if (!status) status = plan_with(s, &p, c, accelerator, schedule, err);
    spa_predictor_fini(&p);
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
