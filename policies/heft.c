/* heft: heterogeneous earliest finish time.
 *
 * Source: H. Topcuoglu, S. Hariri, M.-Y. Wu: Performance-effective and low-complexity task
 * scheduling for heterogeneous computing, IEEE TPDS 13(3), 2002. Priority: upward rank; processor:
 * earliest finish with insertion into idle gaps; every lane is a processor of its own, between
 * lanes of one processor nothing moves. Differs: work is kernel + launch; an output of the graph
 * counts once it is back on the host; graph inputs start on the host; ties by graph order. Links
 * do not queue and nothing contends, as in the paper. */
#include "policies/common.h"
#include "policies/list_schedule.h"

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    (void)self;
    return spa_list_plan(context->costs, spa_heft, schedule, err);
}

const spa_policy spa_policy_heft = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "heft",
    .summary = "list scheduling by upward rank, insertion-based earliest finish time",
    .source = "Topcuoglu, Hariri, Wu, IEEE TPDS 13(3), 2002",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_ORDER | SPA_CAP_LANES,
    .objectives = SPA_OBJECTIVE_LATENCY,
    .create = spa_policy_create_nothing,
    .destroy = spa_policy_free,
    .plan = plan,
};
