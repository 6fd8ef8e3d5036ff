#include "tests/learn/tiny.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct place {
    uint32_t room, steps;
    const float *config;
} place;

static spa_status create(void **self, const void *config, size_t n_envs, spa_error *err)
{
    place *places = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&places, n_envs, sizeof *places, err));
    for (size_t i = 0; i < n_envs; i++) places[i].config = config;
    *self = places;
    return SPA_OK;
}

static void one_hot(const place *p, size_t n, spa_problem_result *out)
{
    for (size_t i = 0; i < n; i++) out->obs[i] = i == p->room;
}

#define MAKE(name, obs, actions, dim)                                                              \
    static spa_status name##_create(void **self, const void *config, size_t n_envs,                \
                                    spa_problem_shape *shape, spa_error *err)                      \
    {                                                                                              \
        *shape = (spa_problem_shape){.n_obs = (obs), .n_actions = (actions), .action_dim = (dim)}; \
        return create(self, config, n_envs, err);                                                  \
    }                                                                                              \
    const spa_problem toy_##name = {#name, "for tests",  "",         name##_create,                \
                                    free,  name##_reset, name##_step}

/* ---- bandit ---- */

static spa_status bandit_reset(void *self, size_t env, spa_rng *rng, spa_problem_result *out,
                               spa_error *err)
{
    out->obs[0] = 1;
    out->mask[3] = 0;
    return SPA_OK;
}

static spa_status bandit_step(void *self, size_t env, uint32_t choice, const float *values,
                              spa_rng *rng, spa_problem_result *out, spa_error *err)
{
    static const float mean[4] = {0.1f, 0.5f, 0.9f, 2};
    if (choice > 2) return spa_fail(err, SPA_E_ILLEGAL, "bandit: arm %u is forbidden", choice);
    out->obs[0] = 1;
    out->reward = mean[choice] + (float)spa_rng_uniform(rng) - 0.5f;
    out->terminated = true;
    return SPA_OK;
}
MAKE(bandit, 1, 4, 0);

/* ---- chain ---- */

static spa_status chain_reset(void *self, size_t env, spa_rng *rng, spa_problem_result *out,
                              spa_error *err)
{
    place *p = (place *)self + env;
    p->room = p->steps = 0;
    one_hot(p, 6, out);
    return SPA_OK;
}

static spa_status chain_step(void *self, size_t env, uint32_t choice, const float *values,
                             spa_rng *rng, spa_problem_result *out, spa_error *err)
{
    place *p = (place *)self + env;
    p->room = choice ? p->room + 1 : 0;
    out->terminated = p->room == 5;
    out->reward = out->terminated ? 1 : choice ? 0 : 0.01f;
    out->truncated = ++p->steps >= 60;
    one_hot(p, 6, out);
    return SPA_OK;
}
MAKE(chain, 6, 2, 0);

/* ---- two rooms ---- */

static spa_status two_reset(void *self, size_t env, spa_rng *rng, spa_problem_result *out,
                            spa_error *err)
{
    place *p = (place *)self + env;
    p->room = p->steps = 0;
    one_hot(p, 2, out);
    return SPA_OK;
}

static spa_status two_step(void *self, size_t env, uint32_t choice, const float *values,
                           spa_rng *rng, spa_problem_result *out, spa_error *err)
{
    place *p = (place *)self + env;
    out->reward = choice ? 0 : (float)(1 + p->room);
    p->room ^= choice;
    out->truncated = ++p->steps >= 5;
    one_hot(p, 2, out);
    return SPA_OK;
}
MAKE(two, 2, 2, 0);

/* ---- continuous ---- */

static spa_status target_reset(void *self, size_t env, spa_rng *rng, spa_problem_result *out,
                               spa_error *err)
{
    out->obs[0] = 1;
    return SPA_OK;
}

static spa_status target_step(void *self, size_t env, uint32_t choice, const float *values,
                              spa_rng *rng, spa_problem_result *out, spa_error *err)
{
    out->obs[0] = 1;
    out->reward = -(values[0] - 0.4f) * (values[0] - 0.4f);
    out->terminated = true;
    return SPA_OK;
}
MAKE(target, 1, 0, 1);

/* ---- faults ---- */

static spa_status nan_step(void *self, size_t env, uint32_t choice, const float *values,
                           spa_rng *rng, spa_problem_result *out, spa_error *err)
{
    SPA_TRY(two_step(self, env, choice, values, rng, out, err));
    if (((place *)self + env)->steps == 3) out->obs[1] = NAN;
    return SPA_OK;
}
#define nan_reset two_reset
MAKE(nan, 2, 2, 0);

static spa_status stuck_step(void *self, size_t env, uint32_t choice, const float *values,
                             spa_rng *rng, spa_problem_result *out, spa_error *err)
{
    SPA_TRY(two_step(self, env, choice, values, rng, out, err));
    if (((place *)self + env)->steps == 3) memset(out->mask, 0, 2);
    return SPA_OK;
}
#define stuck_reset two_reset
MAKE(stuck, 2, 2, 0);

static spa_status endless_step(void *self, size_t env, uint32_t choice, const float *values,
                               spa_rng *rng, spa_problem_result *out, spa_error *err)
{
    SPA_TRY(two_step(self, env, choice, values, rng, out, err));
    out->truncated = false;
    return SPA_OK;
}
#define endless_reset two_reset
MAKE(endless, 2, 2, 0);

static spa_status drift_step(void *self, size_t env, uint32_t choice, const float *values,
                             spa_rng *rng, spa_problem_result *out, spa_error *err)
{
    SPA_TRY(two_step(self, env, choice, values, rng, out, err));
    out->obs[0] += *((place *)self + env)->config;
    return SPA_OK;
}
#define drift_reset two_reset
MAKE(drift, 2, 2, 0);
