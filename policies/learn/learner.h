/* Learning algorithms: one table per algorithm, one life for all.
 *
 *     spa_learner_new -> spa_learner_train ... -> spa_learner_actor -> spa_learner_free
 *
 * Everything is allocated at construction; training allocates nothing. All that training changes is
 * kept in registered arrays, so that saving and resuming is the same code for every algorithm:
 * train 2N steps = train N, save, load, train N, bit for bit. Everything random comes from streams
 * named "learn/..." of the seed. One learner is used by one thread at a time; it may have threads
 * of its own to help (spa_learner_setup.threads). */
#ifndef SPA_POLICIES_LEARN_LEARNER_H
#define SPA_POLICIES_LEARN_LEARNER_H

#include "base/params.h"
#include "policies/learn/actor.h"
#include "policies/learn/crew.h"
#include "policies/learn/problem.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_learner spa_learner;

typedef struct spa_learner_setup {
    const spa_problem *problem;
    const void *config;   /* the problem's; borrowed */
    uint64_t total_steps; /* of the whole training: schedules (rates, exploration) end there */
    uint64_t seed;
    size_t max_episode_steps; /* longer ones are an error; 0 = 10000 */
    size_t threads; /* that train together, 0 = 1; what is learned does not depend on it */
    uint64_t tag;   /* whatever else a checkpoint must agree in; 0 = nothing */
} spa_learner_setup;

typedef struct spa_learner_type {
    const char *name, *summary, *source;
    bool discrete, continuous; /* the actions it can learn */
    bool threaded;             /* can train on several threads */
    const spa_param *params;   /* with defaults that work */
    size_t n_params;
    size_t size;      /* bytes of the algorithm's own struct, which begins with a spa_learner */
    size_t n_envs_at; /* which parameter is the number of environments */
    /* Everything below gets what spa_learner_new has prepared: parameters and environments. */
    spa_status (*create)(spa_learner *learner, spa_error *err);
    void (*destroy)(spa_learner *learner); /* what is not in the arena; may be NULL */
    /* The least bit of training: some steps in all environments and what is learned from them. */
    spa_status (*advance)(spa_learner *learner, spa_error *err);
    /* Fills in rule, network or tiles, and values (borrowed). */
    void (*actor)(const spa_learner *learner, spa_actor *actor);
} spa_learner_type;

SPA_API extern const spa_learner_type spa_learner_q_learning, spa_learner_dqn, spa_learner_ppo,
    spa_learner_sac, spa_learner_sac_discrete;
/* All of them; and by name (SPA_E_NOT_FOUND names the nearest). */
SPA_API extern const spa_learner_type *const spa_learner_types[];
SPA_API extern const size_t spa_n_learner_types;
SPA_API spa_status spa_learner_find(const char *name, const spa_learner_type **type,
                                    spa_error *err);

/* An array that training changes. */
typedef struct spa_region {
    const char *name;
    void *data;
    size_t bytes;
} spa_region;

#define SPA_LEARNER_REGIONS 64
#define SPA_RECENT_EPISODES 100

/* An evaluation: after so many steps, its mean. */
typedef struct spa_evaluated {
    uint64_t steps;
    double mean;
} spa_evaluated;
#define SPA_KEPT_EVALUATIONS 128

/* How training goes; a registered array of one. */
typedef struct spa_learner_state {
    uint64_t steps, episodes, updates;         /* steps of all environments together */
    double recent_return[SPA_RECENT_EPISODES]; /* of the last episodes, as a ring */
    double loss, value_loss, entropy, extra;   /* of the last update; extra: see the algorithm */
    uint64_t evaluations, stale, best_steps;   /* see train.h */
    double best_mean;
    spa_evaluated kept[SPA_KEPT_EVALUATIONS]; /* the first evaluations: the learning curve */
} spa_learner_state;

struct spa_learner {
    const spa_learner_type *type;
    spa_learner_setup setup;
    spa_param_values values; /* of type->params */
    spa_envs envs;
    spa_learner_state *state;
    spa_region regions[SPA_LEARNER_REGIONS];
    size_t n_regions;
    float *scratch; /* of the actor */
    spa_crew *crew; /* NULL = one thread */
    spa_arena arena;
};

/* `params`: "name=value:name=value" over the defaults, "" = none. Errors: those of the parameters
 * and of the problem; actions that the algorithm cannot learn, threads that it cannot use. */
SPA_API spa_status spa_learner_new(spa_learner **learner, const spa_learner_type *type,
                                   const spa_learner_setup *setup, const char *params,
                                   spa_error *err);
SPA_API void spa_learner_free(spa_learner *learner); /* accepts NULL */

/* Trains until at least `until` steps have been made since the beginning. SPA_E_RANGE: training
 * diverged (a loss or gradient that is not finite); the learner is then of no more use. */
SPA_API spa_status spa_learner_train(spa_learner *learner, uint64_t until, spa_error *err);

/* Mean return of the last (at most 100) episodes of training, with exploration; NaN before one has
 * ended. */
SPA_API double spa_learner_recent(const spa_learner *learner);

/* The policy as it stands; valid while the learner lives, changes as it learns. */
SPA_API void spa_learner_actor(const spa_learner *learner, spa_actor *actor);

/* Checkpoints: all registered arrays with their names and sizes, numbers as this machine keeps
 * them:
 *     "SPALEARN", u32 version, u32 byte order 0x01020304, u64 hash of what must be equal
 * (algorithm, parameters, problem, its shape, seed, total steps), u64 number of arrays; per array:
 * name[24], u64 bytes; then their contents; u64 FNV-1a of all before. Loading needs a learner of
 * equal making; nothing is changed unless all of the file is right. */
#define SPA_CHECKPOINT_VERSION 2
SPA_API spa_status spa_learner_save(const spa_learner *learner, const char *path, spa_error *err);
SPA_API spa_status spa_learner_load(spa_learner *learner, const char *path, spa_error *err);

/* ---- for algorithms ---- */

/* An array [count] from the learner's arena, zeroed; saved in checkpoints if it has a name. */
spa_status spa_learner_array(spa_learner *learner, const char *name, void *out_pointer,
                             size_t count, size_t size, spa_error *err);
/* Counts a step of every environment and the episodes that ended. */
void spa_learner_count(spa_learner *learner);
/* Counts an episode that ended. */
void spa_learner_ended(spa_learner *learner, double episode_return);
/* Share of the training that is done, in [0, 1]. */
double spa_learner_done(const spa_learner *learner);
/* From `first` to `last`, linear over that share of the training, `last` afterwards. */
double spa_learner_ramp(const spa_learner *learner, double first, double last, double share);
/* One of the allowed choices, each with the same probability; one must be allowed. */
uint32_t spa_learner_random_choice(spa_rng *rng, const uint8_t *mask, size_t n);
/* One by its probability; those with probability 0 never. */
uint32_t spa_learner_draw_choice(spa_rng *rng, const float *p, size_t n);
/* SPA_E_RANGE unless the number is finite. */
spa_status spa_learner_finite(const spa_learner *learner, const char *what, double value,
                              spa_error *err);
static inline double spa_learner_param(const spa_learner *learner, size_t i)
{
    return learner->values.number[i];
}

#ifdef __cplusplus
}
#endif
#endif
