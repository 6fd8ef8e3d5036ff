/* The scheduling problem as a learner sees it: what it observes, what it may do, what its actions
 * mean, and what they are worth. docs/environment.md describes every feature.
 *
 * All functions are pure functions of a table (made once from a cost table), a view and an
 * operator: the same code serves training (environment.h) and acting in every mode (acting.h). */
#ifndef SPA_POLICIES_LEARN_FEATURES_H
#define SPA_POLICIES_LEARN_FEATURES_H

#include "sim/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Layout of an observation: first what depends on the run, feature by feature and slot by slot in
 * each, the most telling ones first (so that a table can do with a few); then per operator, then
 * per slot and operator; then two more numbers of the run. A slot is a processor's place in an
 * observation: slot 0 the host, then the others in order of their numbers; slots beyond a table's
 * processors are 0 and masked. */
#define SPA_FEATURES_NEXT     4u /* operators looked ahead in dispatch order */
#define SPA_FEATURES_OP       13u
#define SPA_FEATURES_OP_SLOT  (6u + SPA_FEATURES_NEXT)
#define SPA_FEATURES_RUN      2u
#define SPA_FEATURES_RUN_SLOT 7u
#define SPA_FEATURES_PER_SLOT (SPA_FEATURES_OP_SLOT + SPA_FEATURES_RUN_SLOT)
#define SPA_FEATURES_COUNT(slots)                                                                  \
    (SPA_FEATURES_OP + SPA_FEATURES_RUN + (slots)*SPA_FEATURES_PER_SLOT)
#define SPA_FEATURES_MAX SPA_FEATURES_COUNT(SPA_MAX_PROCESSORS)

/* The features of one slot that depend on the run, by place. */
enum {
    SPA_SLOT_END_LATER,   /* how much later than at best everything that follows would end, at its
                             most optimistic */
    SPA_SLOT_LATER,       /* how much later than on the best slot the operator would finish */
    SPA_SLOT_READY,       /* until all inputs can be there */
    SPA_SLOT_BACKLOG,     /* until its first lane is free */
    SPA_SLOT_UTILISATION, /* busy share of the run so far */
    SPA_SLOT_TRANSFER,    /* time of the transfers that it would still need */
    SPA_SLOT_LINK         /* until the links into it are free */
};
/* Index of such a feature in an observation of `slots` slots. */
#define SPA_FEATURES_AT(slots, slot, feature) ((uint32_t)(feature) * (slots) + (slot))
/* Where the features of the operator begin, and those two of the run. */
#define SPA_FEATURES_OP_AT(slots)  ((slots)*SPA_FEATURES_RUN_SLOT)
#define SPA_FEATURES_RUN_AT(slots) (SPA_FEATURES_COUNT(slots) - SPA_FEATURES_RUN)

typedef struct spa_features_options {
    uint32_t n_slots;        /* processors in an observation, 1 .. SPA_MAX_PROCESSORS; 0 = the
                                table's */
    bool rank_order;         /* dispatch by upward rank (HEFT's priority); else in graph order */
    const float *thresholds; /* [n_ops][2] predicted thresholds of sparsity and of log10(1 + MACs);
                                NULL = none: the features that compare with them are 0 */
} spa_features_options;

typedef struct spa_feature_op spa_feature_op; /* features.c */

typedef struct spa_features {
    const spa_costs *costs; /* not owned */
    uint32_t n_slots, n_processors;
    uint8_t processor_of[SPA_MAX_PROCESSORS]; /* of a slot */
    double scale_ns;                          /* a typical operator's time: the unit of times */
    float per_scale;                          /* 1 / scale_ns */
    size_t n_obs, n_fixed;
    float *fixed;          /* [n_ops][n_fixed] what does not depend on the run */
    spa_feature_op *ops;   /* [n_ops] */
    uint32_t *inputs;      /* tensors, one per edge */
    spa_schedule schedule; /* a legal placement in the dispatch order */
} spa_features;

/* O(edges * processors^2 + operators log operators). SPA_E_INVALID when the table has more
 * processors than the observation has slots. fini also after a failure. */
spa_status spa_features_init(spa_features *f, const spa_costs *costs,
                             const spa_features_options *options, spa_error *err);
void spa_features_fini(spa_features *f);

/* What is expected of a decision; makes the observation and the reward. */
typedef struct spa_outlook {
    int64_t ready_ns[SPA_MAX_PROCESSORS];    /* by slot: all inputs can be there */
    int64_t transfer_ns[SPA_MAX_PROCESSORS]; /* transfers that it would still need, in all */
    int64_t finish_ns[SPA_MAX_PROCESSORS];   /* expected finish; INT64_MAX = cannot run there */
} spa_outlook;
void spa_features_look(const spa_features *f, const spa_view *view, uint32_t op,
                       spa_outlook *outlook);

/* obs[n_obs], all values within [-1, 1]. No allocation. */
void spa_features_observe(const spa_features *f, const spa_view *view, uint32_t op,
                          const spa_outlook *outlook, float *obs);
/* mask[n_slots]: 1 = may be chosen. At least one is. */
void spa_features_mask(const spa_features *f, uint32_t op, uint8_t *mask);

/* ---- actions --------------------------------------------------------------------------------- */

/* What an action of a learner means; the only place where one becomes a decision. False: it means
 * nothing (a masked slot, a number outside its bounds).
 *
 * Discrete: a slot. Continuous: a preference u in [-1, 1], cut into as many equal parts as there
 * are processors, slot 0 (the host) lowest; with two its sign is the processor. A masked slot gives
 * way to the nearest legal one, of two equally near ones to the lower.
 *
 * Share: u from slot to slot, in n - 1 equal steps. In the first quarter of a step the operator
 * runs whole on the lower slot, in the last on the upper; in between it is split, and the upper
 * slot's share rises from nothing to all, by tenths. The larger part's processor (of equal ones the
 * lower slot's) is the operator's, the other one is its second. What cannot be split there runs
 * whole where the larger part would be, or by preference where that slot cannot run it. */
bool spa_action_of_slot(const spa_features *f, uint32_t op, uint32_t slot, spa_action *action);
bool spa_action_of_preference(const spa_features *f, uint32_t op, float u, spa_action *action);
bool spa_action_of_share(const spa_features *f, uint32_t op, float u, spa_action *action);

/* ---- reward ---------------------------------------------------------------------------------- */

/* What is known of a run's makespan, energy and transfers so far: estimates until it ends, then the
 * truth. The reward of a decision is minus the increase of its worth, so that the rewards of an
 * episode add up to minus the worth of its end, whatever was estimated in between. */
typedef struct spa_account {
    int64_t makespan_ns; /* expected end of what is placed */
    double energy_dynamic_j;
    int64_t transfer_ns;
} spa_account;

/* How the expected end is estimated. All three telescope to the same sum. */
typedef enum spa_shaping {
    SPA_SHAPING_FINISH, /* when everything placed so far is expected to finish */
    SPA_SHAPING_PATH,   /* the same and what must follow, at its most optimistic */
    SPA_SHAPING_CLOCK   /* the clock: what has passed */
} spa_shaping;

typedef struct spa_reward {
    spa_objective objective;
    spa_shaping shaping;
    double value_scale;                        /* worth 1: objective's unit (ns, J or J*s) */
    double energy_weight, energy_scale_j;      /* lambda_E, per this energy */
    double transfer_weight, transfer_scale_ns; /* lambda_T, per this time */
} spa_reward;

/* The account after an action, legal for `op`. */
void spa_account_decide(const spa_features *f, const spa_reward *reward, const spa_view *view,
                        uint32_t op, const spa_action *action, const spa_outlook *outlook,
                        spa_account *account);
/* The run has ended. */
void spa_account_end(const spa_run_result *result, spa_account *account);
/* objective / value_scale + lambda_E * energy / its scale + lambda_T * transfer time / its scale.
 * Energy is the whole board's: idle power over the makespan included. */
double spa_account_worth(const spa_features *f, const spa_reward *reward,
                         const spa_account *account);

#ifdef __cplusplus
}
#endif
#endif
