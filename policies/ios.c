/* ios: stages of operators that run side by side on the streams of the accelerator.
 *
 * Source: IOS (Ding, Zhu, Jia, Pekhimenko, Han, MLSys 2021): the stages that take the least time,
 * by dynamic programming; at most 8 groups of at most 3 operators in a stage.
 * Differs: as stages.h says: the engine has no barriers and no merged operators, and the time of a
 * stage comes from the cost table, not from a measurement of every stage. A group runs on a lane
 * of the accelerator, so that there are no more groups than lanes: with one lane, ios is gpu-only.
 * IOS reports hours of profiling; here a search of milliseconds. */
#include <assert.h>
#include <stdlib.h>
#include "policies/stages.h"

static const spa_param params[] = {
    {"groups", SPA_PARAM_INT, SPA_STAGE_GROUPS, 1, SPA_STAGE_GROUPS, NULL, "groups",
     "of a stage, at most (and at most one per lane)"},
    {"nodes", SPA_PARAM_INT, SPA_GROUP_NODES, 1, SPA_GROUP_NODES, NULL, "operators",
     "of a group, at most"},
    {"block", SPA_PARAM_INT, SPA_BLOCK_NODES, 1, SPA_BLOCK_NODES, NULL, "operators",
     "longer blocks are cut"},
    {"tries", SPA_PARAM_INT, 200000, 1000, 1e9, NULL, "endings",
     "looked at in one block; a block that needs more is cut in two"},
};

typedef struct ios {
    spa_stage_limits limits;
    uint32_t block;
} ios;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    const double *value = values->number;
    ios *s = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    *s = (ios){{(uint32_t)value[0], (uint32_t)value[1], (uint64_t)value[3]}, (uint32_t)value[2]};
    *self = s;
    return SPA_OK;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    const ios *s = self;
    spa_flow flow = {0};
    spa_stages stages = {0};
    spa_flow_lanes lanes = {0};
    uint32_t accelerator = 0;
    assert(schedule->n_ops == context->costs->n_ops);
    SPA_TRY(spa_policy_accelerator(context->costs, "ios", &accelerator, err));
    spa_status status = spa_flow_init(&flow, context->costs, s->block, err);
    if (!status) status = spa_stages_find(&stages, &flow, accelerator, &s->limits, err);
    if (!status) status = spa_flow_lanes_init(&lanes, &flow, accelerator, err);
    if (!status) {
        spa_stages_lay(&stages, &lanes);
        status = spa_flow_schedule(&lanes, schedule, err);
    }
    spa_flow_lanes_fini(&lanes);
    spa_stages_fini(&stages);
    spa_flow_fini(&flow);
    return status;
}

const spa_policy spa_policy_ios = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "ios",
    .summary =
        "stages of operators side by side on the accelerator's lanes, by dynamic programming",
    .source = "IOS (Ding et al., MLSys 2021), section 4; no barriers, no merged operators",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_ORDER | SPA_CAP_LANES,
    .objectives = SPA_OBJECTIVE_LATENCY,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
