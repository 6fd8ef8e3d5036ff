/* A learned function as a policy: the observations, masks and actions of training, served at every
 * decision of a run in any mode. Embed it in a policy's `self`; let the policy's plan() and place()
 * call these. The policy's capabilities are PLAN and PLACE: its plan is a dispatch order. */
#ifndef SPA_POLICIES_LEARN_ACTING_H
#define SPA_POLICIES_LEARN_ACTING_H

#include "policies/learn/features.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_acting {
    /* Chooses from obs[n_obs] and mask[n_slots]: a slot, or, continuous, a preference in [-1, 1].
     * Must not allocate, and may be called by several threads at once. */
    float (*decide)(const void *decider, const float *obs, const uint8_t *mask);
    const void *decider;
    bool continuous, splits;      /* splits: continuous choices are shares */
    spa_features_options options; /* as in training */
    spa_features features;        /* of the cost table planned for */
} spa_acting;

void spa_acting_fini(spa_acting *a);
/* Prepares for a cost table and fills the schedule: the dispatch order. Called again, it prepares
 * for another table. */
spa_status spa_acting_plan(spa_acting *a, const spa_plan_context *context, spa_schedule *schedule,
                           spa_error *err);
/* The decision: spa_policy.place. A choice that means nothing becomes processor -1, on which the
 * engine fails the run. No allocation. */
void spa_acting_place(const spa_acting *a, const spa_view *view, uint32_t op, spa_action *action);

#ifdef __cplusplus
}
#endif
#endif
