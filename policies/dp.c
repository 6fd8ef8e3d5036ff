/* dp: the cheapest placement under the additive model, by dynamic programming.
 *
 * Source: SparOA (arXiv 2511.19457), SparOA+DP:
 *     f(i, d) = w(i, d) + min over d' of (f(i - 1, d') + [d != d'] x).
 * Differs: the paper gives the recursion for a chain; here the state is the placement of all live
 * tensors (frontier.h), which is the same on a chain and exact on any graph whose frontier is
 * narrow. Past `states` states in one layer (two processors, tensors with one consumer each: a
 * frontier of 14) it becomes a beam search over the `beam` cheapest states and is no longer exact.
 * Exact for the model of additive.h, which knows no overlap: not a lower bound on the engine. */
#include <assert.h>
#include <stdlib.h>
#include "policies/common.h"
#include "policies/frontier.h"

static const spa_param params[] = {
    {"states", SPA_PARAM_INT, 16384, 16, 1 << 20, NULL, "states",
     "the search is exact as long as no layer has more than these"},
    {"beam", SPA_PARAM_INT, 1024, 16, 1 << 20, NULL, "states",
     "cheapest states kept from then on (at most `states`)"},
};

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    spa_frontier_limits *s = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    *s = (spa_frontier_limits){(size_t)values->number[0], (size_t)values->number[1]};
    *self = s;
    return SPA_OK;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    spa_frontier_result result;
    assert(schedule->n_ops == context->costs->n_ops);
    SPA_TRY(spa_frontier_solve(context->costs, context->objective, self, schedule->processor,
                               &result, err));
    spa_policy_end_plan(context->costs, schedule);
    return SPA_OK;
}

const spa_policy spa_policy_dp = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "dp",
    .summary = "dynamic programming over live tensors: optimal if nothing overlapped",
    .source = "SparOA (arXiv 2511.19457), SparOA+DP; frontier states instead of a chain",
    .capabilities = SPA_CAP_PLAN,
    .objectives = SPA_OBJECTIVE_LATENCY | SPA_OBJECTIVE_ENERGY,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
