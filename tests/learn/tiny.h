/* Small problems whose best policies and values are known. */
#ifndef SPA_TESTS_LEARN_TINY_H
#define SPA_TESTS_LEARN_TINY_H

#include "policies/learn/problem.h"

/* Four arms, one pull per episode: means 0.1, 0.5, 0.9 and 2 with noise of +-0.5; the last one is
 * forbidden. Best: arm 2, 0.9. */
extern const spa_problem toy_bandit;

/* Rooms 0 .. 5: right leads on, left leads back to 0 and gives 0.01; the last room gives 1 and ends
 * the episode; cut off after 60 steps. Best: five times right, return 1. One-hot observations. */
extern const spa_problem toy_chain;

/* Rooms A and B: staying in A gives 1, staying in B gives 2, changing gives 0; never ends, begins
 * in A, cut off after 5 steps: values are right only if a cut does not count as an end. With gamma
 * = 0.9: V(B) = 2/(1 - 0.9) = 20, V(A) = 0.9 * 20 = 18, Q(A, stay) = 1 + 0.9 * 18 = 17.2, Q(B,
 * change) = 16.2. The observation is (1, 0) or (0, 1); choice 0 = stay.
 */
extern const spa_problem toy_two;
#define TINY_GAMMA "gamma=0.9"

/* One continuous action a per episode: -(a - 0.4)^2. */
extern const spa_problem toy_target;

/* The two rooms, with *config (a float) added to the first number after each step. */
extern const spa_problem toy_drift;

/* Faults, on purpose: a step that is not finite, one without allowed actions, no end at all. */
extern const spa_problem toy_nan, toy_stuck, toy_endless;

#endif
