/* A policy of your own, outside the tree: heavy operators go to an accelerator for as long as it
 * would begin within `wait` of now, everything else stays on the host.
 *
 *   cc -std=c17 -shared -fPIC $(pkg-config --cflags sparoa) queue_policy.c -o queue_policy.so
 *   sparoa policies --check ./queue_policy.so
 *   sparoa compare resnet18 --device agx-orin --plugin ./queue_policy.so \
 *       --policy heft,gpu-only,queue,queue:wait=5e4
 */
#include <stdlib.h>
#include "sim/plugin.h"

enum { HEAVY, WAIT }; /* the order of the table below */
static const spa_param params[] = {
    {"heavy", SPA_PARAM_REAL, 1e7, 0, 1e15, NULL, "MACs", "operators from here on are heavy"},
    {"wait", SPA_PARAM_INT, 1e6, 0, 1e12, NULL, "ns", "longest wait for an accelerator"},
};

/* What the policy knows for good: its parameters. Shared by threads, constant during runs. */
static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    SPA_TRY(spa_alloc(self, 1, sizeof *values, err));
    *(spa_param_values *)*self = *values;
    return SPA_OK;
}

/* Called when `op` can be dispatched; the view holds what a dispatcher knows at this moment. */
static void place(const void *self, void *memory, const spa_view *view, uint32_t op,
                  spa_action *action)
{
    const double *value = ((const spa_param_values *)self)->number;
    const spa_costs *costs = view->costs;
    const uint32_t host = costs->host;
    const bool heavy = (double)view->graph->ops[op].macs >= value[HEAVY];
    (void)memory;
    action->processor = spa_cost_can_run(costs, op, host) ? (int32_t)host : -1;
    for (uint32_t p = 0; p < costs->n_processors; p++) {
        if (p == host || !spa_cost_can_run(costs, op, p)) continue;
        bool soon = (double)(view->free_ns[p] - view->now_ns) <= value[WAIT];
        if (action->processor < 0 || (heavy && soon)) {
            action->processor = (int32_t)p;
            return;
        }
    }
}

static const spa_policy queue = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "queue",
    .summary = "heavy operators on an accelerator while its queue is short",
    .source = "docs/examples/queue_policy.c",
    .capabilities = SPA_CAP_PLACE,
    .objectives = SPA_OBJECTIVE_LATENCY,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .decision_cycles = 50, /* what one decision costs the host: measure it */
    .create = create,
    .destroy = free,
    .place = place,
};

SPA_PLUGIN(&queue)
