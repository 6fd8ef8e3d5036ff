/* What discrete and continuous SAC share: an actor, twin critics with slowly following targets
 * (Fujimoto et al. 2018), a temperature that is learned (Haarnoja et al. 2018, arXiv 1812.05905,
 * section 5), a replay buffer, and the rhythm of steps and updates. */
#ifndef SPA_POLICIES_LEARN_SAC_CORE_H
#define SPA_POLICIES_LEARN_SAC_CORE_H

#include "policies/learn/adam.h"
#include "policies/learn/buffer.h"

enum {
    SAC_ENVS,
    SAC_BATCH,
    SAC_BUFFER,
    SAC_WARM_UP,
    SAC_EVERY,
    SAC_RATE,
    SAC_CRITIC_RATE,
    SAC_GAMMA,
    SAC_TAU,
    SAC_ENTROPY, /* what it means differs between the two */
    SAC_ALPHA,
    SAC_MAX_NORM,
    SAC_HIDDEN,
    SAC_DEPTH,
    SAC_SCALE,
    SAC_ANNEAL,
    SAC_N_PARAMS
};
/* The parameters of both, but for those that differ in their defaults. */
#define SAC_PARAMS                                                                                 \
    [SAC_BATCH] = {"batch", SPA_PARAM_INT, 128, 1, 65536, NULL, "", "transitions of a gradient"},  \
    [SAC_BUFFER] = {"buffer", SPA_PARAM_INT, 50000, 1, 1e8, NULL, "", "transitions kept"},         \
    [SAC_WARM_UP] = {"warm-up", SPA_PARAM_INT, 1000, 1, 1e9, NULL, "steps", "at random first"},    \
    [SAC_CRITIC_RATE] = {"critic-rate", SPA_PARAM_REAL, 1e-3, 0, 1, NULL, "", "of the critics"},   \
    [SAC_GAMMA] = {"gamma", SPA_PARAM_REAL, 0.99, 0, 1, NULL, "", "discount per step"},            \
    [SAC_ALPHA] = {"alpha", SPA_PARAM_REAL, 0.2, 1e-9, 1e6, NULL, "", "temperature at first"},     \
    [SAC_MAX_NORM] = {"max-norm", SPA_PARAM_REAL, 10, 0, 1e6, NULL, "", "of gradients; 0 = any"},  \
    [SAC_HIDDEN] = {"hidden", SPA_PARAM_INT, 64, 1, 4096, NULL, "", "features per hidden layer"},  \
    [SAC_DEPTH] = {"depth", SPA_PARAM_INT, 2, 1, 8, NULL, "", "hidden layers"},                    \
    [SAC_SCALE] = {"reward-scale", SPA_PARAM_REAL, 1, 1e-9, 1e9, NULL, "", "of rewards"},          \
    [SAC_ANNEAL] = {"anneal", SPA_PARAM_INT, 1, 0, 1, NULL, "", "1 = rates fall to a tenth"}

/* A vector of parameters with all that its optimiser needs. */
typedef struct sac_part {
    size_t n;
    float *params, *gradients, *moment1, *moment2;
    spa_adam *adam;
} sac_part;

typedef struct sac_core {
    spa_learner base;
    spa_net actor, critic;
    spa_net_work_f32 actor_work, critic_work[2];
    sac_part actor_part, critic_part, alpha_part; /* critic: both, one after the other */
    size_t critic_at;                             /* where the second one begins */
    float *target_params;                         /* of the critics */
    spa_buffer buffer;
    spa_rng *rng;
} sac_core;

/* Networks of the core, given the sizes of their ends. */
spa_status sac_core_init(sac_core *core, size_t actor_out, size_t critic_in, size_t critic_out,
                         spa_error *err);
void sac_core_destroy(spa_learner *learner);

double sac_alpha(const sac_core *core);
double sac_rate(const sac_core *core, double rate);
/* Both critics (or their targets) on rows of inputs; results stay in critic_work until the next
 * pass. */
void sac_critics(sac_core *core, const float *params, const float *x, size_t rows,
                 const float *q[2]);
void sac_zero(sac_part *part);
spa_status sac_step(sac_core *core, sac_part *part, double rate, const char *what, spa_error *err);
/* The temperature, given the mean of (entropy - target entropy). */
spa_status sac_learn_alpha(sac_core *core, double surplus, spa_error *err);
/* Targets follow by tau. */
void sac_follow(sac_core *core);

/* One step of all environments and the updates that are due. `explore` is true during warm-up. */
typedef struct sac_steps {
    void (*choose)(sac_core *core, bool explore);
    spa_status (*update)(sac_core *core, spa_error *err);
} sac_steps;
spa_status sac_advance(sac_core *core, const sac_steps *steps, spa_error *err);

#endif
