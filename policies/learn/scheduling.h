/* The scheduling problem as the learners' problem: environment.h behind problem.h. */
#ifndef SPA_POLICIES_LEARN_SCHEDULING_H
#define SPA_POLICIES_LEARN_SCHEDULING_H

#include "policies/learn/environment.h"
#include "policies/learn/problem.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Configured by a spa_environment_config; its n_envs is the learner's. The return of an episode is
 * minus its value over the best single processor's (lambdas 0): -1 is as good as that. */
SPA_API extern const spa_problem spa_problem_scheduling;

/* The same for actors: what a policy that was trained on it must fit. */
SPA_API void spa_scheduling_shape(uint32_t n_slots, bool continuous, bool splits,
                                  spa_problem_shape *shape);

#ifdef __cplusplus
}
#endif
#endif
