/* Losses with their gradients, on flat arrays; for float and, to check the gradients, for double.
 *
 * Every function returns means over the rows and stores d(mean loss)/d(input), so that the result
 * can go straight into spa_net_backward. masks [rows][n]: 1 = allowed; NULL = all are. Forbidden
 * actions have probability 0 and gradient 0. */
#ifndef SPA_POLICIES_LEARN_LOSSES_H
#define SPA_POLICIES_LEARN_LOSSES_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Generalised advantage estimation (Schulman et al. 2016, eq. 16) over arrays [steps][envs]:
 *     delta_t = r_t + gamma * next_value_t * (1 - terminated_t) - value_t
 *     A_t     = delta_t + gamma * lambda * (1 - ended_t) * A_{t+1}
 * next_value is the value of the state after the step: at a truncation that of the episode's last
 * observation, never of the next episode's first one. ended = terminated or truncated. Stores the
 * advantages and the returns A + value. */
SPA_API void spa_gae(size_t steps, size_t envs, const float *reward, const float *value,
                     const float *next_value, const uint8_t *terminated, const uint8_t *truncated,
                     double gamma, double lambda, float *advantage, float *target);

/* What PPO reports of a minibatch. */
typedef struct spa_ppo_stats {
    double policy_loss, value_loss, entropy;
    double kl;      /* mean of (ratio - 1) - log ratio (J. Schulman, "Approximating KL", 2020) */
    double clipped; /* share of ratios outside 1 +- clip */
} spa_ppo_stats;

#define SPA_REAL     float
#define SPA_NN(name) name##_f32
#include "policies/learn/losses_decl.h"
#undef SPA_REAL
#undef SPA_NN
#define SPA_REAL     double
#define SPA_NN(name) name##_f64
#include "policies/learn/losses_decl.h"
#undef SPA_REAL
#undef SPA_NN

#ifdef __cplusplus
}
#endif
#endif
