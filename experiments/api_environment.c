/* The C interface: the scheduling environment. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/api.h"
#include "experiments/learn_cases.h"
#include "experiments/runs.h"

struct sparoa_environment {
    spa_api_options o;
    spa_runs runs;
    bool is_open; /* runs */
    const spa_costs **costs;
    spa_scenario *scenarios;
    size_t n_scenarios;
    spa_environment *env;
    spa_rng *streams; /* [n_envs] of sparoa_environment_begin */
};

void sparoa_environment_options_init(sparoa_environment_options *options, size_t struct_size)
{
    const sparoa_environment_options full = {
        .struct_size = sizeof full, .n_envs = 1, .shaping = "path"};
    size_t n = struct_size < sizeof full ? struct_size : sizeof full;
    memset(options, 0, struct_size);
    memcpy(options, &full, n);
    options->struct_size = struct_size;
}

void sparoa_environment_free(sparoa_environment *e)
{
    if (!e) return;
    spa_environment_free(e->env);
    free(e->streams);
    spa_learn_scenarios_free(e->scenarios, e->n_scenarios);
    free(e->costs);
    if (e->is_open) spa_runs_close(&e->runs);
    spa_api_options_fini(&e->o);
    free(e);
}

/* ---------------------------------------------------------------- making one */
static spa_status shaping_of(const char *name, spa_shaping *shaping, spa_error *err)
{
    static const char *const names[] = {"finish", "path", "clock"};
    static const spa_shaping values[] = {SPA_SHAPING_FINISH, SPA_SHAPING_PATH, SPA_SHAPING_CLOCK};
    for (size_t i = 0; i < 3; i++) {
        if (!name || strcmp(name, names[i]) != 0) continue;
        *shaping = values[i];
        return SPA_OK;
    }
    return spa_fail_unknown(err, "shaping", name ? name : "", names, 3);
}

#define MOST_ENVS 65536

static spa_status describe(sparoa_environment *e, const sparoa_environment_options *given,
                           spa_environment_config *config, spa_error *err)
{
    const spa_options *o = &e->o.parsed;
    sparoa_environment_options own;
    sparoa_environment_options_init(&own, sizeof own);
    SPA_TRY(spa_api_take(&own, given, sizeof own, err));
    if (own.n_envs < 1 || own.n_envs > MOST_ENVS)
        return spa_fail(err, SPA_E_RANGE, "n_envs: %llu is not between 1 and %d",
                        (unsigned long long)own.n_envs, MOST_ENVS);
    SPA_TRY(spa_alloc(&e->costs, e->runs.n_cases, sizeof *e->costs, err));
    for (size_t i = 0; i < e->runs.n_cases; i++) e->costs[i] = &e->runs.cases[i].costs;
    *config = spa_environment_config_default();
    SPA_TRY(shaping_of(own.shaping, &config->shaping, err));
    SPA_TRY(spa_learn_scenarios(o, &e->scenarios, &e->n_scenarios, err));
    SPA_TRY(spa_learn_variants(o, config, err));
    config->costs = e->costs;
    config->n_costs = e->runs.n_cases;
    config->scenarios = e->scenarios;
    config->n_scenarios = e->n_scenarios;
    config->n_envs = own.n_envs;
    config->seed = (uint64_t)o->seed;
    config->n_slots = own.n_slots;
    config->continuous = own.continuous != 0;
    config->rank_order = own.rank_order != 0;
    config->objective = (spa_objective)o->objective;
    config->lambda_energy = own.lambda_energy;
    config->lambda_transfer = own.lambda_transfer;
    config->noise = o->noise != 0;
    config->contention = o->contention != 0;
    config->max_steps = own.max_steps;
    return SPA_OK;
}

static void start_stream(sparoa_environment *e, size_t env, uint64_t seed)
{
    spa_rng_init_indexed(&e->streams[env], seed, "api/environment", env);
}

static spa_status make(sparoa *lib, sparoa_environment *e, const spa_api_call *call,
                       const sparoa_options *options, const sparoa_environment_options *own,
                       spa_error *err)
{
    spa_environment_config config;
    SPA_TRY(spa_api_options_init(&e->o, call, options, err));
    SPA_TRY(spa_runs_open(&e->runs, &e->o.parsed, &lib->paths, err));
    e->is_open = true;
    SPA_TRY(describe(e, own, &config, err));
    SPA_TRY(spa_environment_new(&e->env, &config, err));
    SPA_TRY(spa_alloc(&e->streams, config.n_envs, sizeof *e->streams, err));
    for (size_t i = 0; i < config.n_envs; i++) start_stream(e, i, config.seed);
    return SPA_OK;
}

sparoa_status sparoa_environment_new(sparoa *lib, const char *const *models, size_t n_models,
                                     const char *const *devices, size_t n_devices,
                                     const sparoa_options *options,
                                     const sparoa_environment_options *environment_options,
                                     sparoa_environment **environment, sparoa_error *err)
{
    const spa_api_call call = {.command = "train",
                               .bit = SPA_CMD_TRAIN,
                               .models = models,
                               .devices = devices,
                               .n_models = n_models,
                               .n_devices = n_devices};
    spa_error ours = {0};
    sparoa_environment *e;
    *environment = NULL;
    spa_status status = spa_alloc(&e, 1, sizeof *e, &ours);
    if (status) return spa_api_done(status, &ours, err);
    status = make(lib, e, &call, options, environment_options, &ours);
    if (status) {
        sparoa_environment_free(e);
    } else {
        *environment = e;
    }
    return spa_api_done(status, &ours, err);
}

/* ---------------------------------------------------------------- using it */
size_t sparoa_environment_n_obs(const sparoa_environment *e)
{
    return spa_environment_n_obs(e->env);
}

size_t sparoa_environment_n_actions(const sparoa_environment *e)
{
    return spa_environment_n_actions(e->env);
}

size_t sparoa_environment_n_envs(const sparoa_environment *e)
{
    return spa_environment_n_envs(e->env);
}

static spa_status check_env(const sparoa_environment *e, size_t env, spa_error *err)
{
    size_t n = spa_environment_n_envs(e->env);
    return env < n ? SPA_OK : spa_fail(err, SPA_E_RANGE, "environment %zu of %zu", env, n);
}

sparoa_status sparoa_environment_reset(sparoa_environment *e, float *obs, uint8_t *mask,
                                       sparoa_error *err)
{
    spa_error ours = {0};
    spa_status status = SPA_OK;
    for (size_t i = 0; i < spa_environment_n_envs(e->env) && !status; i++)
        status = spa_environment_reset(e->env, i, obs, mask, &ours);
    return spa_api_done(status, &ours, err);
}

sparoa_status sparoa_environment_step(sparoa_environment *e, const void *actions, float *obs,
                                      uint8_t *mask, float *reward, uint8_t *terminated,
                                      uint8_t *truncated, sparoa_error *err)
{
    spa_error ours = {0};
    spa_status status = spa_environment_step(e->env, 0, spa_environment_n_envs(e->env), actions,
                                             obs, mask, reward, terminated, truncated, &ours);
    return spa_api_done(status, &ours, err);
}

const float *sparoa_environment_final_obs(const sparoa_environment *e, size_t env)
{
    return check_env(e, env, NULL) ? NULL : spa_environment_final_obs(e->env, env);
}

sparoa_status sparoa_environment_begin(sparoa_environment *e, size_t env, int64_t seed, float *obs,
                                       uint8_t *mask, sparoa_error *err)
{
    spa_error ours = {0};
    spa_status status = check_env(e, env, &ours);
    if (!status && seed >= 0) start_stream(e, env, (uint64_t)seed);
    if (!status) status = spa_environment_begin(e->env, env, &e->streams[env], obs, mask, &ours);
    return spa_api_done(status, &ours, err);
}

sparoa_status sparoa_environment_decide(sparoa_environment *e, size_t env, const void *action,
                                        float *obs, uint8_t *mask, float *reward,
                                        uint8_t *terminated, uint8_t *truncated, sparoa_error *err)
{
    spa_error ours = {0};
    bool ended = false, cut = false;
    spa_status status = check_env(e, env, &ours);
    if (!status)
        status =
            spa_environment_decide(e->env, env, action, obs, mask, reward, &ended, &cut, &ours);
    *terminated = ended;
    *truncated = cut;
    return spa_api_done(status, &ours, err);
}

sparoa_status sparoa_environment_last(const sparoa_environment *e, size_t env,
                                      sparoa_episode *episode, sparoa_error *err)
{
    spa_error ours = {0};
    spa_status status = check_env(e, env, &ours);
    if (!status) {
        const spa_episode *last = spa_environment_last(e->env, env);
        const spa_case *c = &e->runs.cases[last->n_costs];
        const bool any = last->steps > 0;
        const sparoa_episode full = {.struct_size = sizeof full,
                                     .model = any ? c->graph.name : NULL,
                                     .device = any ? c->costs.device : NULL,
                                     .steps = last->steps,
                                     .total_reward = any ? last->total_reward : (double)NAN,
                                     .value = any ? last->value : (double)NAN,
                                     .single = any ? last->scale : (double)NAN};
        status = spa_api_give(episode, &full, sizeof full, &ours);
    }
    return spa_api_done(status, &ours, err);
}
