/* What a learner is trained on: many copies ("environments") of a decision problem, stepped side by
 * side on flat arrays.
 *
 * An environment is a pure function of its random stream and of the actions since its last reset:
 * resuming a training run replays them. Between steps it keeps what it needs in `self`. */
#ifndef SPA_POLICIES_LEARN_PROBLEM_H
#define SPA_POLICIES_LEARN_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/memory.h"
#include "base/rng.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_problem_shape {
    size_t n_obs;      /* numbers of an observation, each of the order of 1 */
    size_t n_actions;  /* choices 0 .. n_actions-1; 0 = continuous actions */
    size_t action_dim; /* numbers in [-1, 1] of a continuous action; 0 = discrete */
    uint64_t hash;     /* of whatever else a trained policy depends on; 0 = nothing */
} spa_problem_shape;

/* What reset and step fill in. */
typedef struct spa_problem_result {
    float *obs;      /* [n_obs] what can be known before the next action */
    uint8_t *mask;   /* [n_actions] 1 = allowed, comes in as all 1; NULL when continuous */
    float reward;    /* of the step */
    bool terminated; /* the end belongs to the problem: nothing follows */
    bool truncated;  /* it was only cut off: what would follow still has a value */
} spa_problem_result;

typedef struct spa_problem {
    const char *name, *summary, *source;
    /* n_envs environments; `config` is the problem's own and may be borrowed until destroy. */
    spa_status (*create)(void **self, const void *config, size_t n_envs, spa_problem_shape *shape,
                         spa_error *err);
    void (*destroy)(void *self); /* accepts NULL */
    /* Begins a new episode in one environment. Threads may reset and step different ones at once.
     */
    spa_status (*reset)(void *self, size_t env, spa_rng *rng, spa_problem_result *out,
                        spa_error *err);
    /* One step: `choice` (discrete, allowed by the mask) or values[action_dim] (continuous). When
     * the episode ends, out->obs is its last observation; the caller resets. */
    spa_status (*step)(void *self, size_t env, uint32_t choice, const float *values, spa_rng *rng,
                       spa_problem_result *out, spa_error *err);
} spa_problem;

/* Environments with the arrays around them. */
typedef struct spa_envs {
    const spa_problem *problem;
    void *self;
    spa_problem_shape shape;
    size_t n, max_episode_steps;
    float *obs;             /* [n][n_obs] to act on next */
    uint8_t *mask;          /* [n][n_actions] */
    uint32_t *choice;       /* [n] in: the actions, discrete */
    float *values;          /* [n][action_dim] in: the actions, continuous */
    float *reward;          /* [n] of the last step */
    uint8_t *terminated;    /* [n] */
    uint8_t *truncated;     /* [n] */
    float *final_obs;       /* [n][n_obs] last observation of the episode, where one has ended */
    uint8_t *final_mask;    /* [n][n_actions] and what was allowed then; all, if nothing was */
    double *episode_return; /* [n] so far */
    uint32_t *episode_steps;
    double *ended_return; /* [n] of the episode that ended in the last step */
    uint32_t *ended_steps;
    spa_rng *rng, *rng_start; /* [n] now, and where the episode began */
    float *log_values;        /* actions since the episode began, to resume: */
    uint32_t *log_choice;     /* [n][max_episode_steps] */
    spa_arena arena;
} spa_envs;

/* Creates and resets n environments; the e-th draws from the stream (seed, name, e). An episode
 * that is longer than max_episode_steps is an error: it may never end. */
SPA_API spa_status spa_envs_init(spa_envs *envs, const spa_problem *problem, const void *config,
                                 size_t n, size_t max_episode_steps, uint64_t seed,
                                 const char *name, spa_error *err);
SPA_API void spa_envs_fini(spa_envs *envs);

/* Steps all; where an episode ended, obs and mask are those of the next one and final_obs, ended_*
 * tell of the old one. Errors: those of the problem; an observation or a reward that is not finite;
 * an empty mask; an episode that does not end. */
SPA_API spa_status spa_envs_step(spa_envs *envs, spa_error *err);
/* The same for `count` of them from `first` on. Threads may step disjoint ranges at once. */
SPA_API spa_status spa_envs_step_some(spa_envs *envs, size_t first, size_t count, spa_error *err);

/* Begins all anew (evaluation: equal episodes for every policy). */
SPA_API spa_status spa_envs_restart(spa_envs *envs, uint64_t seed, const char *name,
                                    spa_error *err);

/* After the arrays were filled from a checkpoint: brings the environments to where they were. An
 * error if the problem does not come to the same observations. */
SPA_API spa_status spa_envs_replay(spa_envs *envs, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
