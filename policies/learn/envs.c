/* Environments side by side: steps, resets, checks of what a problem says, and replay. */
#include <math.h>
#include <string.h>

#include "policies/learn/problem.h"

static spa_status reserve(spa_envs *e, spa_error *err)
{
    size_t n = e->n, steps = e->max_episode_steps, log = 0, values = 0;
    spa_arena *a = &e->arena;
    if (!spa_mul_size(n, steps, &log) || !spa_mul_size(log, e->shape.action_dim, &values)) {
        return spa_fail(err, SPA_E_RANGE, "%s: %zu environments of %zu steps are too many",
                        e->problem->name, n, steps);
    }
    SPA_TRY(spa_arena_alloc(a, &e->obs, n * e->shape.n_obs, sizeof *e->obs, err));
    SPA_TRY(spa_arena_alloc(a, &e->final_obs, n * e->shape.n_obs, sizeof *e->final_obs, err));
    SPA_TRY(spa_arena_alloc(a, &e->mask, n * e->shape.n_actions, sizeof *e->mask, err));
    SPA_TRY(spa_arena_alloc(a, &e->final_mask, n * e->shape.n_actions, 1, err));
    SPA_TRY(spa_arena_alloc(a, &e->choice, n, sizeof *e->choice, err));
    SPA_TRY(spa_arena_alloc(a, &e->values, n * e->shape.action_dim, sizeof *e->values, err));
    SPA_TRY(spa_arena_alloc(a, &e->reward, n, sizeof *e->reward, err));
    SPA_TRY(spa_arena_alloc(a, &e->terminated, n, sizeof *e->terminated, err));
    SPA_TRY(spa_arena_alloc(a, &e->truncated, n, sizeof *e->truncated, err));
    SPA_TRY(spa_arena_alloc(a, &e->episode_return, n, sizeof *e->episode_return, err));
    SPA_TRY(spa_arena_alloc(a, &e->episode_steps, n, sizeof *e->episode_steps, err));
    SPA_TRY(spa_arena_alloc(a, &e->ended_return, n, sizeof *e->ended_return, err));
    SPA_TRY(spa_arena_alloc(a, &e->ended_steps, n, sizeof *e->ended_steps, err));
    SPA_TRY(spa_arena_alloc(a, &e->rng, n, sizeof *e->rng, err));
    SPA_TRY(spa_arena_alloc(a, &e->rng_start, n, sizeof *e->rng_start, err));
    SPA_TRY(spa_arena_alloc(a, &e->log_choice, e->shape.n_actions ? log : 0, sizeof *e->log_choice,
                            err));
    return spa_arena_alloc(a, &e->log_values, values, sizeof *e->log_values, err);
}

static spa_status check_shape(const spa_envs *e, spa_error *err)
{
    const spa_problem_shape *s = &e->shape;
    if (s->n_obs > 0 && s->n_obs <= 4096 && (s->n_actions == 0) != (s->action_dim == 0) &&
        s->n_actions <= 4096 && s->action_dim <= 256) {
        return SPA_OK;
    }
    return spa_fail(err, SPA_E_INVALID,
                    "%s: %zu observations, %zu choices and %zu continuous actions: 1 to 4096"
                    " observations and either choices or continuous actions are possible",
                    e->problem->name, s->n_obs, s->n_actions, s->action_dim);
}

spa_status spa_envs_init(spa_envs *envs, const spa_problem *problem, const void *config, size_t n,
                         size_t max_episode_steps, uint64_t seed, const char *name, spa_error *err)
{
    memset(envs, 0, sizeof *envs);
    spa_arena_init(&envs->arena);
    envs->problem = problem;
    envs->n = n;
    envs->max_episode_steps = max_episode_steps;
    spa_status status = problem->create(&envs->self, config, n, &envs->shape, err);
    if (!status) status = check_shape(envs, err);
    if (!status) status = reserve(envs, err);
    if (!status) status = spa_envs_restart(envs, seed, name, err);
    if (status) spa_envs_fini(envs);
    return status;
}

void spa_envs_fini(spa_envs *envs)
{
    if (envs->problem) envs->problem->destroy(envs->self);
    spa_arena_fini(&envs->arena);
    memset(envs, 0, sizeof *envs);
}

/* ---- what a problem says must make sense ---- */

/* 0 times what is not finite is not a number; four sums side by side are four times as fast. */
static bool all_finite(const float *x, size_t n)
{
    float sum[4] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t k = 0; k < 4; k++) sum[k] += 0 * x[i + k];
    for (; i < n; i++) sum[0] += 0 * x[i];
    return sum[0] + sum[1] + sum[2] + sum[3] == 0;
}

static spa_status check(const spa_envs *e, size_t env, const spa_problem_result *r, bool goes_on,
                        spa_error *err)
{
    if (!isfinite(r->reward) || !all_finite(r->obs, e->shape.n_obs)) {
        return spa_fail(err, SPA_E_RANGE,
                        "%s: an observation or reward that is not finite after step %u of an"
                        " episode (environment %zu)",
                        e->problem->name, e->episode_steps[env], env);
    }
    if (!goes_on || e->shape.n_actions == 0) return SPA_OK;
    if (memchr(r->mask, 1, e->shape.n_actions)) return SPA_OK;
    return spa_fail(err, SPA_E_ILLEGAL,
                    "%s: no action is allowed after step %u of an episode (environment %zu)",
                    e->problem->name, e->episode_steps[env], env);
}

static spa_problem_result result_of(spa_envs *e, size_t env)
{
    spa_problem_result r = {.obs = e->obs + env * e->shape.n_obs};
    if (e->shape.n_actions) {
        r.mask = e->mask + env * e->shape.n_actions;
        memset(r.mask, 1, e->shape.n_actions);
    }
    return r;
}

static spa_status begin(spa_envs *e, size_t env, spa_error *err)
{
    spa_problem_result r = result_of(e, env);
    e->rng_start[env] = e->rng[env];
    e->episode_return[env] = 0;
    e->episode_steps[env] = 0;
    SPA_TRY(e->problem->reset(e->self, env, &e->rng[env], &r, err));
    r.reward = 0;
    return check(e, env, &r, true, err);
}

spa_status spa_envs_restart(spa_envs *envs, uint64_t seed, const char *name, spa_error *err)
{
    for (size_t env = 0; env < envs->n; env++) {
        spa_rng_init_indexed(&envs->rng[env], seed, name, env);
        SPA_TRY(begin(envs, env, err));
    }
    return SPA_OK;
}

/* ---- steps ---- */

static spa_status write_down(spa_envs *e, size_t env, spa_error *err)
{
    size_t at = env * e->max_episode_steps + e->episode_steps[env], dim = e->shape.action_dim;
    if (e->episode_steps[env] >= e->max_episode_steps) {
        return spa_fail(err, SPA_E_ILLEGAL,
                        "%s: an episode has not ended after %zu steps; does it ever? Raise the"
                        " longest episode if it does",
                        e->problem->name, e->max_episode_steps);
    }
    if (e->shape.n_actions)
        e->log_choice[at] = e->choice[env];
    else
        memcpy(e->log_values + at * dim, e->values + env * dim, dim * sizeof(float));
    return SPA_OK;
}

/* Keeps the end of an episode; what was allowed there matters for the value behind a truncation. */
static void keep_end(spa_envs *e, size_t env, const spa_problem_result *r)
{
    size_t n_obs = e->shape.n_obs, n = e->shape.n_actions;
    memcpy(e->final_obs + env * n_obs, r->obs, n_obs * sizeof *r->obs);
    e->ended_return[env] = e->episode_return[env];
    e->ended_steps[env] = e->episode_steps[env];
    if (n == 0) return;
    memcpy(e->final_mask + env * n, r->mask, n);
    if (!memchr(r->mask, 1, n)) memset(e->final_mask + env * n, 1, n);
}

static spa_status step_one(spa_envs *e, size_t env, spa_error *err)
{
    size_t dim = e->shape.action_dim;
    SPA_TRY(write_down(e, env, err));
    spa_problem_result r = result_of(e, env);
    SPA_TRY(e->problem->step(e->self, env, e->shape.n_actions ? e->choice[env] : 0,
                             dim ? e->values + env * dim : NULL, &e->rng[env], &r, err));
    bool ended = r.terminated || r.truncated;
    e->episode_steps[env]++;
    SPA_TRY(check(e, env, &r, !ended, err));
    e->episode_return[env] += r.reward;
    e->reward[env] = r.reward;
    e->terminated[env] = r.terminated;
    e->truncated[env] = r.truncated && !r.terminated;
    if (!ended) return SPA_OK;
    keep_end(e, env, &r);
    return begin(e, env, err);
}

spa_status spa_envs_step_some(spa_envs *envs, size_t first, size_t count, spa_error *err)
{
    for (size_t env = first; env < first + count; env++) SPA_TRY(step_one(envs, env, err));
    return SPA_OK;
}

spa_status spa_envs_step(spa_envs *envs, spa_error *err)
{
    return spa_envs_step_some(envs, 0, envs->n, err);
}

/* ---- replay ---- */

static spa_status replay_one(spa_envs *e, size_t env, float *obs, spa_error *err)
{
    size_t n_obs = e->shape.n_obs, dim = e->shape.action_dim;
    uint8_t *mask = e->mask + env * e->shape.n_actions;
    spa_rng rng = e->rng_start[env];
    spa_problem_result r = {.obs = obs, .mask = e->shape.n_actions ? mask : NULL};
    memset(mask, 1, e->shape.n_actions);
    SPA_TRY(e->problem->reset(e->self, env, &rng, &r, err));
    for (uint32_t s = 0; s < e->episode_steps[env]; s++) {
        size_t at = env * e->max_episode_steps + s;
        if (e->shape.n_actions && e->log_choice[at] >= e->shape.n_actions)
            return spa_fail(err, SPA_E_RANGE, "%s: choice %u of %zu", e->problem->name,
                            e->log_choice[at], e->shape.n_actions);
        memset(mask, 1, e->shape.n_actions);
        SPA_TRY(e->problem->step(e->self, env, e->shape.n_actions ? e->log_choice[at] : 0,
                                 dim ? e->log_values + at * dim : NULL, &rng, &r, err));
    }
    if (!memcmp(obs, e->obs + env * n_obs, n_obs * sizeof *obs) &&
        !memcmp(&rng, &e->rng[env], sizeof rng)) {
        return SPA_OK;
    }
    return spa_fail(err, SPA_E_INVALID,
                    "%s: replaying %u steps came to another state than the one that was saved; the"
                    " problem has changed since",
                    e->problem->name, e->episode_steps[env]);
}

spa_status spa_envs_replay(spa_envs *envs, spa_error *err)
{
    for (size_t env = 0; env < envs->n; env++) {
        /* final_obs is free between steps. */
        if (envs->episode_steps[env] > envs->max_episode_steps)
            return spa_fail(err, SPA_E_RANGE, "%s: an episode is too long", envs->problem->name);
        SPA_TRY(replay_one(envs, env, envs->final_obs + env * envs->shape.n_obs, err));
    }
    return SPA_OK;
}
