/* Where the time of an inference goes, in the same terms for simulated and measured ones.
 *
 * The path walks back from the operator that ends last, always to the input that came last. What
 * lies on it adds up to the latency: kernels as they run alone, what they took longer because
 * others ran (contention), copies, the way from one operator to the next on the same lane (launch)
 * or on another one (hand-off), and the wait for a lane that was busy (queueing).
 * Of a transfer from or to an asynchronous lane that counts for which the operator's lane waited.
 */
#ifndef SPA_EXPERIMENTS_BUDGET_H
#define SPA_EXPERIMENTS_BUDGET_H

#include "devices/costs.h"
#include "sim/event.h"

typedef enum spa_component {
    SPA_COMPONENT_KERNEL,
    SPA_COMPONENT_LAUNCH,
    SPA_COMPONENT_TRANSFER,
    SPA_COMPONENT_HAND_OFF,
    SPA_COMPONENT_CONTENTION,
    SPA_COMPONENT_QUEUEING,
    SPA_COMPONENT_COUNT
} spa_component;
const char *spa_component_name(spa_component component);

typedef struct spa_budget {
    double us[SPA_COMPONENT_COUNT];
} spa_budget;
double spa_budget_total(const spa_budget *budget);

/* One operator of one inference; us since the request's arrival. A split operator stands on the
 * lane where it is whole again: waiting for the other part counts as contention. */
typedef struct spa_step {
    double begin, end; /* of the kernel; copies end at begin */
    double copy;       /* its lane spent on copies before it */
    double moved;      /* the input that came last from or to an asynchronous lane took; part of it
                          may have gone on while the lane was busy */
    double contention; /* part of end - begin */
    int lane;          /* -1: a view */
    uint32_t together; /* measured: operators that ran as one graph with it; see spa_hardware_op */
} spa_step;

/* The budget of an inference, [n_ops] steps. */
void spa_budget_of(const spa_graph *graph, const spa_step *steps, spa_budget *budget);

/* What a copy is made of, us; the read part lengthens the kernel. */
typedef struct spa_copy_parts {
    double hand_off, copy, read;
} spa_copy_parts;

/* Steps of request `request` from simulated events. `parts` splits a transfer:
 * [n_tensors][n_processors][n_processors], or NULL: all of it is the copy. */
void spa_steps_from_events(const spa_costs *costs, const spa_event *events, size_t n_events,
                           uint64_t request, const spa_copy_parts *parts, spa_step *steps);

#endif
