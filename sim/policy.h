/* The policy interface.
 *
 * A policy is a constant table of functions. It decides; it never sees locks, clocks or engine
 * objects. Life of a policy, in order:
 *
 *   create(config)            once: parse parameters, allocate `self`
 *   plan(self, context)       once per cost table, if there is one: a whole schedule
 *   begin(self, memory)       at the start of every run: initialise `memory` (memory_bytes)
 *   place(self, memory, ...)  per operator, when it can be dispatched (only if there is one)
 *   observe(self, memory, ...) after each completion (optional)
 *   destroy(self)             once
 *
 * With plan and no place, the engine follows the schedule. With both, place decides and the
 * schedule's order is the dispatch order. `self` is constant while runs are going on and shared by
 * threads; `memory` belongs to one run and is copied with the engine's state (plain bytes, no
 * pointers into itself). */
#ifndef SPA_SIM_POLICY_H
#define SPA_SIM_POLICY_H

#include "base/params.h"
#include "base/rng.h"
#include "sim/schedule.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_POLICY_ABI 1u

typedef enum spa_objective {
    SPA_OBJECTIVE_LATENCY = 1,
    SPA_OBJECTIVE_ENERGY = 2,
    SPA_OBJECTIVE_EDP = 4,
    SPA_OBJECTIVE_THROUGHPUT = 8
} spa_objective;
SPA_API const char *spa_objective_name(spa_objective objective);
SPA_API bool spa_objective_from_name(const char *name, spa_objective *objective);

/* Capabilities, for listing and for checks. */
#define SPA_CAP_PLAN    1u   /* makes a schedule ahead of time */
#define SPA_CAP_PLACE   2u   /* decides at dispatch */
#define SPA_CAP_ORDER   4u   /* its schedule's order matters */
#define SPA_CAP_LANES   8u   /* chooses lanes */
#define SPA_CAP_SPLIT   16u  /* splits operators between two processors */
#define SPA_CAP_SEARCH  32u  /* spends an evaluation budget while planning */
#define SPA_CAP_RANDOM  64u  /* draws random numbers */
#define SPA_CAP_PREDICT 128u /* reads predictions of its own */

typedef struct spa_action {
    int32_t processor;
    int32_t lane; /* SPA_LANE_ANY: the one that is free first */
    /* Policies with SPA_CAP_SPLIT: `share` tenths of the output are computed by processor `second`,
     * the rest by `processor`, where the output is whole. 0: not split. */
    int32_t second;
    uint32_t share;
} spa_action;

/* What a dispatcher could know now about one request. Pointers are valid during the call only.
 * Times are ns of simulated time; estimates come from the cost table and the queues. */
typedef struct spa_view {
    const spa_graph *graph;
    const spa_costs *costs;
    int64_t now_ns;
    uint32_t request_slot, in_flight; /* requests in flight, this one included */
    const int64_t *finish_ns; /* [n_tensors] when the tensor was, or is expected to be, produced;
                                 INT64_MAX = its operator is not placed yet */
    const uint8_t *where;     /* [n_tensors] bit p: it is, or is on its way to, processor p */
    const uint8_t *placed;    /* [n_ops] processor, or 0xff */
    int64_t free_ns[SPA_MAX_PROCESSORS]; /* when the first lane of each processor is expected to be
                                            free of what was issued so far; >= now_ns */
    int64_t link_free_ns[SPA_MAX_LINKS]; /* by link id */
    const int64_t *busy_ns; /* [n_processors] kernel time so far in this run, summed over lanes */
    /* Of conditions (sim/conditions.h), as the operating system shows them. Estimates above do not
     * know them: they hold at the clocks of the table and without other loads. */
    double speed[SPA_MAX_PROCESSORS];      /* clock now over that of the table; 1 */
    double background[SPA_MAX_PROCESSORS]; /* share of its capacity that other loads ask for; 0 */
    double temperature_c; /* when it was looked at last; NaN where there is no thermal model */
} spa_view;

/* Earliest time at which every input of `op` can be on `processor` (transfers queued alone). */
static inline int64_t spa_view_ready_ns(const spa_view *v, uint32_t op, uint32_t processor)
{
    const spa_costs *c = v->costs;
    const spa_op *o = &v->graph->ops[op];
    int64_t ready = v->now_ns;
    for (uint32_t i = 0; i < o->n_inputs; i++) {
        size_t t = spa_tensor_of(c, v->graph->inputs[o->first_input + i]);
        int64_t at = v->finish_ns[t];
        if (!(v->where[t] >> processor & 1u)) {
            uint32_t from = t < c->n_ops ? v->placed[t] : c->host;
            at = (at > v->now_ns ? at : v->now_ns) + spa_transfer_ns(c, t, from, processor);
        }
        if (at > ready) ready = at;
    }
    return ready;
}

/* Makespan of a whole schedule on the simulator itself: one request, noise off, contention on. */
typedef struct spa_evaluator spa_evaluator;
typedef struct spa_evaluation {
    int64_t makespan_ns;
    double energy_j, energy_dynamic_j;
} spa_evaluation;

typedef struct spa_plan_context {
    const spa_graph *graph;
    const spa_costs *costs;
    spa_objective objective;
    uint64_t seed;
    uint64_t budget;          /* evaluations a search may spend */
    spa_evaluator *evaluator; /* for spa_evaluate */
    const char *trained;      /* folder of policies that come with the program, or NULL */
    bool no_predictions;      /* policies do without predictions (SPA_CAP_PREDICT: an ablation) */
} spa_plan_context;
SPA_API spa_status spa_evaluate(spa_evaluator *evaluator, const spa_schedule *schedule,
                                spa_evaluation *out, spa_error *err);
/* Value to minimise for an objective: ns, J or J*s. (Throughput: ns of makespan.) */
SPA_API double spa_evaluation_value(const spa_evaluation *e, spa_objective objective);

typedef struct spa_completion {
    uint32_t request_slot, op;
    uint32_t processor;
    int64_t start_ns, finish_ns, expected_ns; /* expected: isolated kernel time */
} spa_completion;

typedef struct spa_policy {
    uint32_t abi;                        /* SPA_POLICY_ABI */
    uint32_t struct_size;                /* sizeof(spa_policy) */
    const char *name, *summary, *source; /* source: paper, section */
    uint32_t capabilities;               /* SPA_CAP_* */
    uint32_t objectives;                 /* spa_objective bits it honours */
    const spa_param *params;
    size_t n_params;
    size_t memory_bytes;    /* mutable memory of one run */
    double decision_cycles; /* host cycles charged per place() call; 0 for planned schedules */
    spa_status (*create)(void **self, const spa_param_values *values, spa_error *err);
    void (*destroy)(void *self);
    /* SPA_E_UNSUPPORTED = "skipped", with the reason in the message (exhaustive on a large graph).
     */
    spa_status (*plan)(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err);
    void (*begin)(const void *self, void *memory, const spa_plan_context *context);
    void (*place)(const void *self, void *memory, const spa_view *view, uint32_t op,
                  spa_action *action);
    void (*observe)(const void *self, void *memory, const spa_completion *completion);
    /* Does this one decide at dispatch? NULL = yes, if there is a place(). False: the engine
     * follows its plan, and no decision is charged. */
    bool (*places)(const void *self);
} spa_policy;

/* The built-in policies (policies/registry.c). */
SPA_API const spa_policy *const *spa_policies(size_t *count);
/* "name" or "name:param=value:..."; unknown names suggest the nearest. Parses the parameters. */
SPA_API spa_status spa_policy_parse(const char *text, const spa_policy **policy,
                                    spa_param_values *values, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
