#include "policies/learn/scheduling.h"

#include "base/text.h"

/* Raised when observations change their meaning: actors of another one are refused. */
#define OBSERVATION_VERSION 1

void spa_scheduling_shape(uint32_t n_slots, bool continuous, bool splits, spa_problem_shape *shape)
{
    uint64_t hash = spa_hash_u64(SPA_HASH_SEED, OBSERVATION_VERSION);
    *shape = (spa_problem_shape){.n_obs = SPA_FEATURES_COUNT(n_slots),
                                 .n_actions = continuous ? 0 : n_slots,
                                 .action_dim = continuous ? 1 : 0,
                                 .hash = splits ? spa_hash_u64(hash, 1) : hash};
}

static spa_status create(void **self, const void *config, size_t n_envs, spa_problem_shape *shape,
                         spa_error *err)
{
    spa_environment_config c = *(const spa_environment_config *)config;
    spa_environment *e = NULL;
    *self = NULL;
    c.n_envs = n_envs;
    SPA_TRY(spa_environment_new(&e, &c, err));
    spa_scheduling_shape((uint32_t)spa_environment_n_actions(e), c.continuous, c.splits, shape);
    *self = e;
    return SPA_OK;
}

static void destroy(void *self)
{
    spa_environment_free(self);
}

static spa_status reset(void *self, size_t env, spa_rng *rng, spa_problem_result *out,
                        spa_error *err)
{
    uint8_t unused[SPA_MAX_PROCESSORS];
    return spa_environment_begin(self, env, rng, out->obs, out->mask ? out->mask : unused, err);
}

static spa_status step(void *self, size_t env, uint32_t choice, const float *values, spa_rng *rng,
                       spa_problem_result *out, spa_error *err)
{
    uint8_t unused[SPA_MAX_PROCESSORS];
    const void *action = values ? (const void *)values : (const void *)&choice;
    (void)rng;
    return spa_environment_decide(self, env, action, out->obs, out->mask ? out->mask : unused,
                                  &out->reward, &out->terminated, &out->truncated, err);
}

const spa_problem spa_problem_scheduling = {
    .name = "scheduling",
    .summary = "where the operators of a network run",
    .source = "SparOA (arXiv 2511.19457), section on the scheduler; observations and reward ours",
    .create = create,
    .destroy = destroy,
    .reset = reset,
    .step = step,
};
