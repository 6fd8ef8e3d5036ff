/* random: each operator uniformly among the processors that can run it. */
#include <stdlib.h>
#include "policies/common.h"

static const spa_param params[] = {
    {"draw", SPA_PARAM_INT, 0, 0, 1e9, NULL, "",
     "which of the placements of one seed: random:draw=0, random:draw=1, ... are independent"},
};

typedef struct random_policy {
    uint64_t draw;
} random_policy;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    random_policy *s = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    s->draw = (uint64_t)values->number[0];
    *self = s;
    return SPA_OK;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    (void)err;
    const spa_costs *costs = context->costs;
    const random_policy *s = self;
    spa_rng rng;
    spa_rng_init_indexed(&rng, context->seed, "policy/random", s->draw);
    for (size_t i = 0; i < schedule->n_ops; i++) {
        uint32_t able[SPA_MAX_PROCESSORS], n = 0;
        for (uint32_t p = 0; p < costs->n_processors; p++) {
            if (spa_cost_can_run(costs, i, p)) able[n++] = p;
        }
        if (n) schedule->processor[i] = (uint8_t)able[spa_rng_below(&rng, n)];
    }
    spa_policy_end_plan(costs, schedule);
    return SPA_OK;
}

const spa_policy spa_policy_random = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "random",
    .summary = "each operator on a processor drawn uniformly from those that can run it",
    .source = "control",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_RANDOM,
    .objectives = SPA_OBJECTIVES_ALL,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
