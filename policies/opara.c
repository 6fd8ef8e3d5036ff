/* opara: every chain of operators on a stream of its own, small operators first.
 *
 * Source: Opara (Chen et al., arXiv 2312.10351): stream allocation: an operator takes over the
 * stream of the first input of which it is the first user, else it begins a new stream; launch
 * order: of the operators whose inputs are launched, the one with the smallest demand for the GPU.
 * Differs: streams are numbered round the lanes that the accelerator has (with one lane only the
 * order remains); the demand is the share of the accelerator that the cost table gives, where Opara
 * profiles registers, shared memory and threads, then the time. Opara records a CUDA graph; here
 * every operator pays its launch. */
#include <assert.h>
#include <stdlib.h>
#include "policies/flow.h"

typedef struct opara_plan {
    spa_flow flow;
    spa_flow_lanes lanes;
    uint32_t *stream;  /* [n] */
    uint8_t *taken;    /* [n] its stream goes on */
    uint32_t *waiting; /* [n] inputs not launched; UINT32_MAX: launched */
} opara_plan;

static void give_streams(opara_plan *x)
{
    const spa_flow *f = &x->flow;
    uint32_t n_streams = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        uint32_t e = f->first_from[i], end = f->first_from[i + 1];
        while (e < end && x->taken[f->from[e]]) e++;
        if (e < end) x->taken[f->from[e]] = 1;
        x->stream[i] = e < end ? x->stream[f->from[e]] : n_streams++;
        x->lanes.lane[i] = (int8_t)(x->stream[i] % x->lanes.n_lanes);
    }
}

/* Is a smaller than b? Of equals the first stays. */
static bool is_smaller(const opara_plan *x, uint32_t a, uint32_t b)
{
    const spa_costs *c = x->flow.costs;
    uint32_t i = x->flow.op[a], k = x->flow.op[b];
    const spa_op_cost *p = spa_cost(c, i, spa_policy_able(c, i, x->lanes.accelerator));
    const spa_op_cost *q = spa_cost(c, k, spa_policy_able(c, k, x->lanes.accelerator));
    if (p->capacity_share != q->capacity_share) return p->capacity_share < q->capacity_share;
    return p->kernel_ns < q->kernel_ns;
}

/* O(n * ready): graphs are narrow, and the ready ones are found among few. */
static spa_status give_order(opara_plan *x, spa_error *err)
{
    const spa_flow *f = &x->flow;
    uint32_t *ready = NULL, n_ready = 0;
    SPA_TRY(spa_alloc(&ready, f->n, sizeof *ready, err));
    for (uint32_t i = 0; i < f->n; i++) {
        x->waiting[i] = f->first_from[i + 1] - f->first_from[i];
        if (x->waiting[i] == 0) ready[n_ready++] = i;
    }
    for (uint32_t n = 0; n < f->n; n++) {
        uint32_t best = 0;
        for (uint32_t k = 1; k < n_ready; k++)
            if (is_smaller(x, ready[k], ready[best])) best = k;
        uint32_t node = ready[best];
        x->lanes.nodes[n] = node;
        for (n_ready--; best < n_ready; best++) ready[best] = ready[best + 1];
        for (uint32_t e = f->first_next[node]; e < f->first_next[node + 1]; e++)
            if (--x->waiting[f->next[e]] == 0) ready[n_ready++] = f->next[e];
    }
    free(ready);
    return SPA_OK;
}

static spa_status make(opara_plan *x, const spa_costs *costs, uint32_t accelerator,
                       spa_schedule *schedule, spa_error *err)
{
    SPA_TRY(spa_flow_init(&x->flow, costs, UINT32_MAX, err));
    SPA_TRY(spa_flow_lanes_init(&x->lanes, &x->flow, accelerator, err));
    SPA_TRY(spa_alloc(&x->stream, x->flow.n, sizeof *x->stream, err));
    SPA_TRY(spa_alloc(&x->taken, x->flow.n, sizeof *x->taken, err));
    SPA_TRY(spa_alloc(&x->waiting, x->flow.n, sizeof *x->waiting, err));
    give_streams(x);
    SPA_TRY(give_order(x, err));
    return spa_flow_schedule(&x->lanes, schedule, err);
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    opara_plan x = {0};
    uint32_t accelerator = 0;
    assert(schedule->n_ops == context->costs->n_ops);
    SPA_TRY(spa_policy_accelerator(context->costs, "opara", &accelerator, err));
    spa_status status = make(&x, context->costs, accelerator, schedule, err);
    free(x.stream);
    free(x.taken);
    free(x.waiting);
    spa_flow_lanes_fini(&x.lanes);
    spa_flow_fini(&x.flow);
    return status;
}

const spa_policy spa_policy_opara = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "opara",
    .summary = "every chain on a stream of its own, the smallest ready operator first",
    .source = "Opara (Chen et al., arXiv 2312.10351); streams share the lanes there are",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_ORDER | SPA_CAP_LANES,
    .objectives = SPA_OBJECTIVE_LATENCY,
    .create = spa_policy_create_nothing,
    .destroy = spa_policy_free,
    .plan = plan,
};
