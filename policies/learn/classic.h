/* Reference problems of reinforcement learning, to check learners on. No configuration. */
#ifndef SPA_POLICIES_LEARN_CLASSIC_H
#define SPA_POLICIES_LEARN_CLASSIC_H

#include "policies/learn/problem.h"

/* Cart-pole: Barto, Sutton, Anderson (1983), with the constants, limits and reward of Gym's
 * CartPole-v1 (Brockman et al. 2016, arXiv 1606.01540; gym/envs/classic_control/cartpole.py): Euler
 * steps of 0.02 s, +1 per step, ends beyond 12 degrees or 2.4 m, cut off after 500 steps. */
SPA_API extern const spa_problem spa_problem_cart_pole;

/* Pendulum: swing up with bounded torque; Gym's Pendulum-v1 (gym/envs/classic_control/pendulum.py):
 * reward -(angle^2 + 0.1 speed^2 + 0.001 torque^2), torque in [-2, 2], cut off after 200 steps. The
 * third observation is the speed / 8, so that all are of the order of 1; the action is torque / 2.
 */
SPA_API extern const spa_problem spa_problem_pendulum;

#endif
