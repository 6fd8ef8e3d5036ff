/* What the two halves of PPO share: ppo.c learns from what ppo_rollout.c collects. */
#ifndef SPA_POLICIES_LEARN_PPO_H
#define SPA_POLICIES_LEARN_PPO_H

#include "policies/learn/adam.h"
#include "policies/learn/learner.h"
#include "policies/learn/losses.h"

enum {
    PPO_ENVS,
    PPO_STEPS,
    PPO_MINIBATCH,
    PPO_EPOCHS,
    PPO_RATE,
    PPO_ANNEAL,
    PPO_GAMMA,
    PPO_LAMBDA,
    PPO_CLIP,
    PPO_VALUE_WEIGHT,
    PPO_ENTROPY,
    PPO_MAX_NORM,
    PPO_HIDDEN,
    PPO_DEPTH,
    PPO_SCALE,
    PPO_KL
};
/* What is done in parts, whoever does them: the environments of a rollout and the rows of a
 * minibatch are cut into as many parts as these say, for any number of threads. */
#define PPO_PARTS 4

/* One rollout, or one minibatch of it; continuous: values [rows][dim] instead of choice, mask. */
typedef struct ppo_steps {
    float *obs, *values, *log_p, *value, *target, *advantage;
    uint32_t *choice;
    uint8_t *mask;
} ppo_steps;

/* A part: environments first .. first + n - 1, and a share of each minibatch. */
typedef struct ppo_part {
    size_t first, n;
    spa_rng *rng; /* of its actions */
    spa_net_work_f32 actor_work, critic_work;
    ppo_steps some;   /* its rows of the minibatch */
    float *gradients; /* [n_params] of them */
    float *log_p_scratch, *p_scratch, *d_actor, *d_value;
    spa_ppo_stats stats;
    spa_status status;
    spa_error error;
} ppo_part;

typedef struct ppo {
    spa_learner base;
    spa_net actor, critic;
    ppo_part parts[PPO_PARTS];
    size_t n_parts, n_row_parts; /* of environments, of a whole minibatch */
    size_t n, length, rows;      /* environments, steps of each in a rollout, of all */
    size_t minibatch, part_rows;
    size_t n_params, log_sd_at, critic_at;
    float *params, *moment1, *moment2;
    spa_adam *adam;
    spa_rng *rng, *shuffle_rng; /* rng[PPO_PARTS] of the actions */
    /* A rollout: part by part, in each step by step, in each environment by environment. */
    ppo_steps all;
    float *reward, *next_value; /* [rows] */
    uint8_t *terminated, *truncated;
    double *ended_return; /* [rows] where an episode ended */
    float *end_obs;  /* [rows][n_obs] last observations of truncated episodes, packed by part */
    size_t *end_row; /* where each belongs */
    float *end_value;
    uint32_t *order; /* [rows] a permutation */
    /* The minibatch at hand. */
    size_t at, count;
    double mean, scale; /* of its advantages */
} ppo;

/* A rollout of all environments into p->all, with values, advantages and targets. */
spa_status ppo_collect(ppo *p, spa_error *err);

#endif
