/* peft: predict earliest finish time.
 *
 * Source: H. Arabnejad, J. G. Barbosa: List scheduling algorithm for heterogeneous systems by an
 * optimistic cost table, IEEE TPDS 25(3), 2014. Priority: mean optimistic cost, among ready tasks;
 * processor: least earliest finish + optimistic cost of the rest. Differs: as heft (lanes, launch,
 * returns to the host), and the optimistic cost table prices each pair of processors by its own
 * link instead of the mean. */
#include "policies/common.h"
#include "policies/list_schedule.h"

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    (void)self;
    return spa_list_plan(context->costs, spa_peft, schedule, err);
}

const spa_policy spa_policy_peft = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "peft",
    .summary = "list scheduling that looks ahead with an optimistic cost table",
    .source = "Arabnejad, Barbosa, IEEE TPDS 25(3), 2014",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_ORDER | SPA_CAP_LANES,
    .objectives = SPA_OBJECTIVE_LATENCY,
    .create = spa_policy_create_nothing,
    .destroy = spa_policy_free,
    .plan = plan,
};
