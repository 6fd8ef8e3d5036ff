/* Frontier dynamic programming: the cheapest placement under the additive model. */
#ifndef SPA_POLICIES_FRONTIER_H
#define SPA_POLICIES_FRONTIER_H

#include "policies/additive.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_frontier_limits {
    size_t states; /* exact as long as no layer has more than these */
    size_t beam;   /* once one has: how many states are kept from then on, <= states */
} spa_frontier_limits;

typedef struct spa_frontier_result {
    double value;   /* of the placement: ns (latency) or nJ (energy) */
    bool exact;     /* no state was ever dropped: the value is the optimum of the model */
    uint32_t width; /* most tensors alive at once, in the elimination order used */
    size_t states;  /* most states in one layer */
} spa_frontier_result;

/* Fills processor[n_ops] with a placement of least additive value (objective: latency or energy);
 * of equals, a fixed one. A state is what later transfers depend on: for every tensor that still
 * has consumers, where it was made and where copies of it are. On a chain that is the processor of
 * the last operator, and the recursion is SparOA's
 *     f(i, d) = w(i, d) + min over d' of (f(i - 1, d') + [d != d'] x);
 * joins and residual branches need no decomposition. Time O(operators * states * processors *
 * inputs); states <= processors^width where every tensor has one consumer, and up to 3^width on
 * two processors otherwise. Beyond limits->states the search becomes a beam search: not exact. */
spa_status spa_frontier_solve(const spa_costs *costs, spa_objective objective,
                              const spa_frontier_limits *limits, uint8_t *processor,
                              spa_frontier_result *result, spa_error *err);

/* A topological order that keeps few tensors alive: graph order, or a greedy least-frontier order
 * where that is narrower. Returns the width. order[n_ops] is filled. */
spa_status spa_frontier_order(const spa_graph *graph, uint32_t *order, uint32_t *width,
                              spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
