/* The additive model: what dp is exact for, and what split ranks its cuts by.
 *
 * Operators run one after another, none overlaps a transfer, nothing contends:
 *
 *   value = sum over operators of time(i, processor of i)                      kernel + launch
 *         + sum over (tensor, destination) pairs that are needed of transfer   each paid once
 *
 * A destination needs a tensor when a consumer runs there; the host also needs the outputs of the
 * graph (operators without consumers) and every output flagged SPA_OP_PULLED. Graph inputs begin
 * on the host; transfers start at the producer's processor. Views (reshape) cost nothing and live
 * where their input was made. Where dispatch occupies the host, moving an input costs issue_ns of
 * host time too (a return does not: the engine's rule).
 *
 * Objective latency: ns. Objective energy: nJ: base_w over the whole (sequential) time, operators'
 * and links' dynamic power over theirs, the host's dispatch power over what occupies it. Energy is
 * additive because time is. EDP is not. */
#ifndef SPA_POLICIES_ADDITIVE_H
#define SPA_POLICIES_ADDITIVE_H

#include "policies/common.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Must the output of this operator get to the host, whoever consumes it? */
static inline bool spa_additive_returns(const spa_graph *g, size_t op)
{
    return g->first_consumer[op] == g->first_consumer[op + 1] ||
           (g->ops[op].flags & SPA_OP_PULLED) != 0;
}

static inline double spa_additive_dispatch_w(const spa_costs *c)
{
    return (double)c->processors[c->host].dispatch_w;
}

static inline double spa_additive_op(const spa_costs *c, spa_objective objective, size_t op,
                                     uint32_t p)
{
    const spa_op_cost *k = spa_cost(c, op, p);
    double kernel = (double)k->kernel_ns, launch = (double)k->launch_ns;
    if (spa_policy_is_view(c->graph, op)) return 0;
    if (objective != SPA_OBJECTIVE_ENERGY) return kernel + launch;
    double launch_w = c->dispatch_occupies_host ? spa_additive_dispatch_w(c) : (double)k->dynamic_w;
    return c->base_w * (kernel + launch) + (double)k->dynamic_w * kernel + launch_w * launch;
}

static inline double spa_additive_transfer(const spa_costs *c, spa_objective objective,
                                           size_t tensor, uint32_t from, uint32_t to)
{
    const spa_cost_link *link = &c->links[from][to];
    double time = (double)spa_transfer_ns(c, tensor, from, to), issue = 0;
    bool is_return = to == c->host && tensor < c->n_ops && spa_additive_returns(c->graph, tensor);
    if (c->dispatch_occupies_host && !is_return) issue = (double)link->issue_ns;
    if (objective != SPA_OBJECTIVE_ENERGY) return time + issue;
    return c->base_w * (time + issue) + (double)link->dynamic_w * time +
           spa_additive_dispatch_w(c) * issue;
}

/* A placement and its value under the model, kept up to date over single moves. */
typedef struct spa_additive {
    const spa_costs *costs;
    spa_objective objective; /* latency or energy */
    uint8_t *processor;      /* [n_ops] */
    uint32_t *uses;          /* [n_tensors * n_processors] consumer edges, + 1 for a return */
    double value;
} spa_additive;

/* Starts from a placement that can run (views are put right). O(operators + edges). Free with
 * spa_additive_fini. */
spa_status spa_additive_init(spa_additive *a, const spa_costs *costs, spa_objective objective,
                             const uint8_t *processor, spa_error *err);
void spa_additive_fini(spa_additive *a);
/* Moves one operator and the views of its output (a view itself stays); the new value.
 * O(inputs + consumers + processors). */
double spa_additive_move(spa_additive *a, size_t op, uint32_t to);

#ifdef __cplusplus
}
#endif
#endif
