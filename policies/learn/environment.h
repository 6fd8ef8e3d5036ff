/* The scheduling problem as a vectorised environment: many runs side by side, decided operator by
 * operator. docs/environment.md describes observations, actions and rewards.
 *
 * All arrays are the caller's, flat, and hold all environments:
 *     obs [n_envs][n_obs] float, mask [n_envs][n_actions] bytes, reward [n_envs] float,
 *     terminated and truncated [n_envs] bytes, actions [n_envs] uint32_t (a slot) or, continuous,
 *     float (a preference in [-1, 1]).
 * An episode is one run of one case: a cost table (model, batch, device), perhaps with its device's
 * parameters varied, in a scenario. What ends is reset at once (auto-reset): obs and mask are then
 * those of the next episode's first decision. An environment's episodes depend on the seed, its
 * number and the actions alone: not on how many environments there are, nor on who steps them. */
#ifndef SPA_POLICIES_LEARN_ENVIRONMENT_H
#define SPA_POLICIES_LEARN_ENVIRONMENT_H

#include "policies/learn/features.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A factor drawn log-uniformly between two bounds. */
typedef struct spa_range {
    double low, high;
} spa_range;

typedef struct spa_environment_config {
    const spa_costs *const *costs; /* what is scheduled: models, batches, devices; not owned */
    size_t n_costs;
    const spa_scenario *scenarios; /* one is drawn per episode, its warm-up ignored; NULL = single,
                                      one request */
    size_t n_scenarios;
    size_t n_envs;
    uint64_t seed;
    uint32_t n_slots; /* processors in an observation; 0 = the most that a table has */
    bool continuous;
    bool splits;                    /* continuous actions are shares (spa_action_of_share) */
    bool rank_order;                /* dispatch by upward rank; else in graph order */
    const float *const *thresholds; /* [n_costs] see spa_features_options; NULL = none */
    spa_objective objective;
    spa_shaping shaping;
    double lambda_energy, lambda_transfer;
    bool noise, contention;
    double decision_cycles; /* host cycles charged per decision */
    uint64_t max_steps;     /* an episode is truncated after so many decisions; 0 = never */
    /* Device parameters: each cost table is used as it is and in n_variants varied copies. */
    uint32_t n_variants;
    spa_range speed;    /* of each processor's kernels: times are divided by it */
    spa_range launch;   /* of all launches: times are multiplied by it */
    spa_range transfer; /* of each link: times are multiplied by it */
} spa_environment_config;
spa_environment_config spa_environment_config_default(void);

typedef struct spa_environment spa_environment;

/* Checks the configuration, builds all cases and engines. Afterwards nothing allocates. */
spa_status spa_environment_new(spa_environment **environment, const spa_environment_config *config,
                               spa_error *err);
void spa_environment_free(spa_environment *environment);

size_t spa_environment_n_obs(const spa_environment *e);
size_t spa_environment_n_actions(const spa_environment *e); /* slots; also if continuous */
size_t spa_environment_n_envs(const spa_environment *e);
size_t spa_environment_n_cases(const spa_environment *e);

/* Begins the next episode of one environment. Every environment must be reset once before it is
 * stepped. */
spa_status spa_environment_reset(spa_environment *e, size_t env, float *obs, uint8_t *mask,
                                 spa_error *err);
/* One decision in each of `count` environments from `first` on; the arrays are those of all.
 * Threads may step disjoint ranges at the same time. SPA_E_ILLEGAL for an action that means nothing
 * or is masked. */
spa_status spa_environment_step(spa_environment *e, size_t first, size_t count, const void *actions,
                                float *obs, uint8_t *mask, float *reward, uint8_t *terminated,
                                uint8_t *truncated, spa_error *err);
/* The same for one environment, for callers with their own streams and their own way of resetting.
 * begin draws the episode from `rng`; obs[n_obs] and mask[n_actions] are this environment's alone.
 * decide takes one uint32_t or float, and resets nothing: at a truncated end obs and mask are the
 * last observation, at a terminated one 0 and all 1. */
spa_status spa_environment_begin(spa_environment *e, size_t env, spa_rng *rng, float *obs,
                                 uint8_t *mask, spa_error *err);
spa_status spa_environment_decide(spa_environment *e, size_t env, const void *action, float *obs,
                                  uint8_t *mask, float *reward, bool *terminated, bool *truncated,
                                  spa_error *err);
/* What was observed at the end of an environment's last truncated episode (the state whose value a
 * learner bootstraps from): [n_obs]. */
const float *spa_environment_final_obs(const spa_environment *e, size_t env);

/* The last episode that an environment ended (steps = 0: none yet). */
typedef struct spa_episode {
    size_t n_case, n_costs; /* which case, and which of the configuration's cost tables */
    uint64_t number, steps;
    double total_reward;
    double value; /* of the objective: ns, J or J*s; NaN if truncated */
    double scale; /* that of the best single processor */
} spa_episode;
const spa_episode *spa_environment_last(const spa_environment *e, size_t env);

#ifdef __cplusplus
}
#endif
#endif
