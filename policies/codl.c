/* codl: every operator on two processors at once, where that pays.
 *
 * Source: CoDL (Jia et al., MobiSys 2022), section 4: the share r of an operator that the CPU
 * computes, 0 to 1 by tenths, minimises
 *     t_share + t_sync + max(t_cpu(r), t_gpu(1 - r)),
 * operators one after another. t_share: moving the inputs to where they are read; t_sync: bringing
 * the smaller part back, so that the output is whole again.
 * Differs: any two processors; times are the cost table's (measured, or the equation at the part's
 * size), not CoDL's latency predictors; a part reads its whole input, and the output is made whole
 * after every operator, where CoDL keeps chains of height splits apart and pays sharing once. */
#include <assert.h>
#include <stdlib.h>
#include "policies/common.h"

/* A way to run the operator at hand. */
typedef struct codl_option {
    int64_t cost_ns;
    uint32_t processor, second, share;
} codl_option;

typedef struct codl_plan {
    const spa_costs *costs;
    uint8_t *where; /* [n_tensors] bit p: it is on processor p */
    uint8_t *home;  /* [n_tensors] processor that made it */
} codl_plan;

/* Moving the inputs that are not on p. */
static int64_t sharing_ns(const codl_plan *s, size_t op, uint32_t p)
{
    const spa_op *o = &s->costs->graph->ops[op];
    int64_t sum = 0;
    for (uint32_t i = 0; i < o->n_inputs; i++) {
        size_t t = spa_tensor_of(s->costs, s->costs->graph->inputs[o->first_input + i]);
        if (!(s->where[t] >> p & 1u)) sum += spa_transfer_ns(s->costs, t, s->home[t], p);
    }
    return sum;
}

/* A final output ends on the host. */
static int64_t return_ns(const codl_plan *s, size_t op, uint32_t p)
{
    const spa_graph *g = s->costs->graph;
    bool is_final = g->first_consumer[op] == g->first_consumer[op + 1];
    return is_final ? spa_transfer_ns(s->costs, op, p, s->costs->host) : 0;
}

static void consider(codl_option *best, codl_option option)
{
    if (option.cost_ns < best->cost_ns) *best = option;
}

static void consider_shares(const codl_plan *s, size_t op, uint32_t p, uint32_t q,
                            codl_option *best)
{
    const spa_costs *c = s->costs;
    int64_t at_p = sharing_ns(s, op, p) + spa_cost(c, op, p)->launch_ns;
    int64_t at_q = sharing_ns(s, op, q) + spa_cost(c, op, q)->launch_ns;
    for (uint32_t share = 1; share <= SPA_TENTHS / 2; share++) { /* the smaller part moves */
        int64_t own = spa_part_ns(c, op, p, SPA_TENTHS - share),
                given = spa_part_ns(c, op, q, share);
        if (own < 0 || given < 0) continue;
        given += at_q + spa_part_transfer_ns(c, op, q, p, share);
        own += at_p;
        int64_t longer = own > given ? own : given;
        consider(best, (codl_option){longer + return_ns(s, op, p), p, q, share});
    }
}

static codl_option choose(const codl_plan *s, size_t op)
{
    const spa_costs *c = s->costs;
    codl_option best = {.cost_ns = INT64_MAX};
    for (uint32_t p = 0; p < c->n_processors; p++) {
        if (!spa_cost_can_run(c, op, p)) continue;
        int64_t whole_ns = sharing_ns(s, op, p) + spa_cost_total_ns(c, op, p);
        consider(&best, (codl_option){whole_ns + return_ns(s, op, p), p, 0, 0});
    }
    for (uint32_t p = 0; p < c->n_processors; p++)
        for (uint32_t q = 0; q < c->n_processors; q++)
            if (q != p) consider_shares(s, op, p, q, &best);
    return best;
}

/* Everything that was read is now also where it was read. */
static void take(codl_plan *s, size_t op, const codl_option *option)
{
    const spa_op *o = &s->costs->graph->ops[op];
    uint8_t at = (uint8_t)(1u << option->processor), read_at = at;
    if (option->share) read_at |= (uint8_t)(1u << option->second);
    for (uint32_t i = 0; i < o->n_inputs; i++)
        s->where[spa_tensor_of(s->costs, s->costs->graph->inputs[o->first_input + i])] |= read_at;
    s->where[op] = at;
    s->home[op] = (uint8_t)option->processor;
}

static void place_all(codl_plan *s, spa_schedule *schedule)
{
    const spa_costs *c = s->costs;
    for (size_t t = c->n_ops; t < c->n_tensors; t++) {
        s->where[t] = (uint8_t)(1u << c->host);
        s->home[t] = (uint8_t)c->host;
    }
    for (size_t op = 0; op < c->n_ops; op++) {
        if (spa_policy_is_view(c->graph, op)) {
            size_t viewed = spa_tensor_of(c, spa_policy_viewed(c->graph, op));
            s->where[op] = s->where[viewed];
            s->home[op] = s->home[viewed];
            continue;
        }
        codl_option option = choose(s, op);
        schedule->processor[op] = (uint8_t)option.processor;
        schedule->second[op] = (uint8_t)option.second;
        schedule->share[op] = (uint8_t)option.share;
        take(s, op, &option);
    }
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    codl_plan s = {.costs = context->costs};
    assert(schedule->n_ops == context->costs->n_ops);
    spa_status status = spa_alloc(&s.where, context->costs->n_tensors, 1, err);
    if (!status) status = spa_alloc(&s.home, context->costs->n_tensors, 1, err);
    if (!status) {
        place_all(&s, schedule);
        spa_policy_end_plan(context->costs, schedule);
    }
    free(s.where);
    free(s.home);
    return status;
}

const spa_policy spa_policy_codl = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "codl",
    .summary = "operators split between two processors where that pays, one after another",
    .source = "CoDL (Jia et al., MobiSys 2022), section 4; splits without chains",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_SPLIT,
    .objectives = SPA_OBJECTIVE_LATENCY,
    .create = spa_policy_create_nothing,
    .destroy = spa_policy_free,
    .plan = plan,
};
