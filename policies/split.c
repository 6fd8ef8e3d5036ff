/* split: the first k operators on the accelerator, the rest on the host.
 *
 * k=best ranks all cuts by the additive model (O(operators + edges) for all of them together),
 * then runs the most promising ones on the evaluator, as many as the evaluation budget allows, and
 * keeps the best for the objective. Without an evaluator the additive ranking decides. */
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "policies/additive.h"
#include "policies/common.h"

#define K_BEST (-1)

static const spa_param params[] = {
    {"k", SPA_PARAM_TEXT, 0, 0, 0, "best", "operators",
     "how many of the first operators go to the accelerator, or 'best'"},
};

typedef struct split_policy {
    int64_t k;
} split_policy;

typedef struct cut {
    double value;
    size_t k;
} cut;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    split_policy *s = NULL;
    int64_t k = K_BEST;
    *self = NULL;
    if (strcmp(values->text[0], "best") != 0) {
        spa_error why = {0};
        spa_status status =
            spa_parse_i64_in(values->text[0], 0, (int64_t)SPA_MAX_OPERATORS, &k, &why);
        if (status) {
            return spa_fail(err, status, "split: parameter 'k': %s, or write k=best", why.message);
        }
    }
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    s->k = k;
    *self = s;
    return SPA_OK;
}

static void fill(const spa_costs *costs, size_t k, uint32_t accelerator, spa_schedule *schedule)
{
    for (size_t i = 0; i < schedule->n_ops; i++) {
        uint32_t wanted = i < k ? accelerator : costs->host;
        schedule->processor[i] = (uint8_t)spa_policy_able(costs, i, wanted);
    }
    spa_policy_end_plan(costs, schedule);
}

static int by_value(const void *x, const void *y)
{
    const cut *a = x, *b = y;
    if (a->value != b->value) return a->value < b->value ? -1 : 1;
    return a->k < b->k ? -1 : a->k > b->k;
}

/* Additive value of every cut 0 .. n, cheapest first. */
static spa_status rank_cuts(const spa_plan_context *context, uint32_t accelerator, cut *cuts,
                            spa_schedule *schedule, spa_error *err)
{
    const spa_costs *costs = context->costs;
    spa_objective objective =
        context->objective == SPA_OBJECTIVE_ENERGY ? SPA_OBJECTIVE_ENERGY : SPA_OBJECTIVE_LATENCY;
    spa_additive a;
    fill(costs, 0, accelerator, schedule);
    SPA_TRY(spa_additive_init(&a, costs, objective, schedule->processor, err));
    cuts[0] = (cut){a.value, 0};
    for (size_t i = 0; i < costs->n_ops; i++) {
        double value = spa_additive_move(&a, i, spa_policy_able(costs, i, accelerator));
        cuts[i + 1] = (cut){value, i + 1};
    }
    spa_additive_fini(&a);
    qsort(cuts, costs->n_ops + 1, sizeof *cuts, by_value);
    return SPA_OK;
}

static spa_status best_cut(const spa_plan_context *context, uint32_t accelerator,
                           spa_schedule *schedule, size_t *best, spa_error *err)
{
    const spa_costs *costs = context->costs;
    size_t n = costs->n_ops + 1;
    double best_value = 0;
    cut *cuts = NULL;
    SPA_TRY(spa_alloc(&cuts, n, sizeof *cuts, err));
    spa_status status = rank_cuts(context, accelerator, cuts, schedule, err);
    if (status) goto out;
    *best = cuts[0].k;
    uint64_t tries = context->evaluator ? context->budget : 0;
    for (size_t i = 0; i < n && i < tries; i++) {
        spa_evaluation e;
        fill(costs, cuts[i].k, accelerator, schedule);
        if ((status = spa_evaluate(context->evaluator, schedule, &e, err))) goto out;
        double value = spa_evaluation_value(&e, context->objective);
        if (i > 0 && value >= best_value) continue;
        best_value = value;
        *best = cuts[i].k;
    }
out:
    free(cuts);
    return status;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    const split_policy *s = self;
    uint32_t accelerator = 0;
    size_t k = 0;
    SPA_TRY(spa_policy_accelerator(context->costs, "split", &accelerator, err));
    if (s->k == K_BEST) {
        SPA_TRY(best_cut(context, accelerator, schedule, &k, err));
    } else if ((uint64_t)s->k > schedule->n_ops) {
        return spa_fail(err, SPA_E_RANGE, "split: k=%lld, but graph '%s' has %zu operators",
                        (long long)s->k, context->graph->name, schedule->n_ops);
    } else {
        k = (size_t)s->k;
    }
    fill(context->costs, k, accelerator, schedule);
    return SPA_OK;
}

const spa_policy spa_policy_split = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "split",
    .summary = "the first k operators on the accelerator, the rest on the host; k=best searches",
    .source = "Kang et al., Neurosurgeon, ASPLOS 2017 (one cut in topological order)",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_SEARCH,
    .objectives = SPA_OBJECTIVES_ALL,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
