#include "policies/learn/environment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "policies/learn/environment_cases.h"

/* Engines that are together larger than this are fetched ahead: a core's own cache, about. */
#define CACHE_BYTES ((size_t)1 << 20)

/* One environment: its engines, one per case, and the episode that it is in. */
typedef struct env {
    spa_engine **engines; /* [n_cases] */
    spa_engine *engine;   /* of the episode; NULL: not reset yet */
    const spa_env_case *now;
    const spa_view *view; /* of the decision at hand */
    spa_outlook outlook;
    spa_account account;
    double worth; /* of the account */
    double total_reward;
    uint64_t steps, episodes; /* episodes begun */
    spa_episode last;
} env;

struct spa_environment {
    spa_environment_config config;
    spa_env_cases cases;
    size_t n_obs;
    uint32_t n_slots;
    bool prefetches;
    env *envs;
    spa_engine **engines; /* [n_envs][n_cases] */
    float *final_obs;     /* [n_envs][n_obs] */
};

spa_environment_config spa_environment_config_default(void)
{
    return (spa_environment_config){.n_envs = 1,
                                    .seed = 1,
                                    .objective = SPA_OBJECTIVE_LATENCY,
                                    .shaping = SPA_SHAPING_FINISH,
                                    .contention = true,
                                    .speed = {1, 1},
                                    .launch = {1, 1},
                                    .transfer = {1, 1}};
}

/* ---- life ------------------------------------------------------------------------------------ */

static spa_status set_up(spa_environment *e, spa_error *err)
{
    size_t n = e->config.n_envs, n_cases, cells;
    SPA_TRY(spa_env_cases_init(&e->cases, &e->config, err));
    n_cases = e->cases.n_cases;
    e->n_slots = e->cases.n_slots;
    e->n_obs = SPA_FEATURES_COUNT(e->n_slots);
    if (!spa_mul_size(n, n_cases, &cells) || !spa_mul_size(n, e->n_obs, &(size_t){0}))
        return spa_fail(err, SPA_E_RANGE, "%zu environments of %zu cases are too many", n, n_cases);
    SPA_TRY(spa_alloc(&e->envs, n, sizeof *e->envs, err));
    SPA_TRY(spa_alloc(&e->final_obs, n * e->n_obs, sizeof *e->final_obs, err));
    SPA_TRY(spa_alloc(&e->engines, cells, sizeof(spa_engine *), err));
    for (size_t k = 0; k < n_cases; k++) {
        size_t bytes = spa_engine_state_bytes(e->cases.cases[k].original);
        e->prefetches |= bytes > CACHE_BYTES / n;
    }
    for (size_t i = 0; i < n; i++) {
        e->envs[i].engines = e->engines + i * n_cases;
        for (size_t k = 0; k < n_cases; k++)
            SPA_TRY(spa_engine_clone(&e->envs[i].engines[k], e->cases.cases[k].original, err));
    }
    return SPA_OK;
}

spa_status spa_environment_new(spa_environment **environment, const spa_environment_config *config,
                               spa_error *err)
{
    spa_environment *e = NULL;
    spa_status status;
    *environment = NULL;
    SPA_TRY(spa_alloc(&e, 1, sizeof *e, err));
    e->config = *config;
    status = set_up(e, err);
    if (status) {
        spa_environment_free(e);
        return status;
    }
    *environment = e;
    return SPA_OK;
}

void spa_environment_free(spa_environment *e)
{
    if (!e) return;
    for (size_t i = 0; e->engines && i < e->config.n_envs * e->cases.n_cases; i++)
        spa_engine_free(e->engines[i]);
    spa_env_cases_fini(&e->cases);
    free(e->engines);
    free(e->final_obs);
    free(e->envs);
    free(e);
}

size_t spa_environment_n_obs(const spa_environment *e)
{
    return e->n_obs;
}

size_t spa_environment_n_actions(const spa_environment *e)
{
    return e->n_slots;
}

size_t spa_environment_n_envs(const spa_environment *e)
{
    return e->config.n_envs;
}

size_t spa_environment_n_cases(const spa_environment *e)
{
    return e->cases.n_cases;
}

const float *spa_environment_final_obs(const spa_environment *e, size_t i)
{
    return e->final_obs + i * e->n_obs;
}

const spa_episode *spa_environment_last(const spa_environment *e, size_t i)
{
    return &e->envs[i].last;
}

/* ---- episodes -------------------------------------------------------------------------------- */

/* What the decision at hand looks like. */
static void observe(env *v, float *obs, uint8_t *mask)
{
    const spa_features *f = &v->now->table->features;
    uint32_t op = spa_engine_asked(v->engine);
    v->view = spa_engine_view(v->engine);
    spa_features_look(f, v->view, op, &v->outlook);
    spa_features_observe(f, v->view, op, &v->outlook, obs);
    spa_features_mask(f, op, mask);
}

/* The next episode of an environment: its case and its noise are drawn. */
static spa_status begin(const spa_environment *e, size_t i, spa_rng *rng, float *obs, uint8_t *mask,
                        spa_error *err)
{
    env *v = &e->envs[i];
    uint32_t n_case = spa_rng_below(rng, (uint32_t)e->cases.n_cases);
    uint64_t replication = (uint64_t)spa_rng_u32(rng) << 32;
    bool done;
    replication |= spa_rng_u32(rng);
    v->now = &e->cases.cases[n_case];
    v->engine = v->engines[n_case];
    v->episodes++;
    v->steps = 0;
    v->account = (spa_account){0};
    v->worth = v->total_reward = 0;
    SPA_TRY(spa_engine_restart(v->engine, e->config.seed, replication, NULL, err));
    SPA_TRY(spa_engine_start(v->engine, &done, err));
    if (done)
        return spa_fail(err, SPA_E_UNSUPPORTED, "'%s' has no operator to decide about",
                        v->now->table->costs->graph->name);
    observe(v, obs, mask);
    return SPA_OK;
}

/* The same from the environment's own stream. */
static spa_status begin_own(const spa_environment *e, size_t i, float *obs, uint8_t *mask,
                            spa_error *err)
{
    uint64_t index = spa_hash_u64(spa_hash_u64(SPA_HASH_SEED, i), e->envs[i].episodes);
    spa_rng rng;
    spa_rng_init_indexed(&rng, e->config.seed, "environment", index);
    return begin(e, i, &rng, obs, mask, err);
}

static spa_status check_index(const spa_environment *e, size_t i, spa_error *err)
{
    if (i < e->config.n_envs) return SPA_OK;
    return spa_fail(err, SPA_E_RANGE, "environment %zu of %zu", i, e->config.n_envs);
}

spa_status spa_environment_reset(spa_environment *e, size_t i, float *obs, uint8_t *mask,
                                 spa_error *err)
{
    SPA_TRY(check_index(e, i, err));
    return begin_own(e, i, obs + i * e->n_obs, mask + i * e->n_slots, err);
}

spa_status spa_environment_begin(spa_environment *e, size_t i, spa_rng *rng, float *obs,
                                 uint8_t *mask, spa_error *err)
{
    SPA_TRY(check_index(e, i, err));
    return begin(e, i, rng, obs, mask, err);
}

/* Keeps what is worth knowing of the episode that ends. */
static void note_episode(const spa_environment *e, env *v, bool truncated)
{
    const spa_env_case *c = v->now;
    spa_reward plain = c->reward;
    plain.value_scale = 1;
    plain.energy_weight = plain.transfer_weight = 0;
    v->last = (spa_episode){
        .n_case = (size_t)(c - e->cases.cases),
        .n_costs = c->table->n_costs,
        .number = v->episodes - 1,
        .steps = v->steps,
        .total_reward = v->total_reward,
        .value = truncated ? NAN : spa_account_worth(&c->table->features, &plain, &v->account),
        .scale = c->scale};
}

/* ---- steps ----------------------------------------------------------------------------------- */

static spa_status decode(const spa_environment *e, size_t i, const void *given, spa_action *action,
                         spa_error *err)
{
    const env *v = &e->envs[i];
    const spa_features *f = &v->now->table->features;
    uint32_t op = spa_engine_asked(v->engine);
    if (e->config.continuous) {
        float u = *(const float *)given;
        if (e->config.splits ? spa_action_of_share(f, op, u, action)
                             : spa_action_of_preference(f, op, u, action))
            return SPA_OK;
        return spa_fail(err, SPA_E_ILLEGAL, "environment %zu: preference %g is not within [-1, 1]",
                        i, (double)u);
    }
    uint32_t slot = *(const uint32_t *)given;
    if (spa_action_of_slot(f, op, slot, action)) return SPA_OK;
    return spa_fail(err, SPA_E_ILLEGAL, "environment %zu: action %u is masked or not there", i,
                    slot);
}

/* The reward for what was just added to the account. */
static float reward_of(env *v)
{
    double worth = spa_account_worth(&v->now->table->features, &v->now->reward, &v->account);
    double reward = v->worth - worth;
    v->worth = worth;
    v->total_reward += reward;
    return (float)reward;
}

/* One decision; what ends is not begun anew. obs and mask are those of the next decision, if there
 * is one. */
static spa_status step(const spa_environment *e, size_t i, const void *given, float *obs,
                       uint8_t *mask, float *reward, bool *terminated, bool *truncated,
                       spa_error *err)
{
    env *v = &e->envs[i];
    spa_action action;
    bool done;
    if (!v->engine) return spa_fail(err, SPA_E_INVALID, "environment %zu was never reset", i);
    if (spa_engine_asked(v->engine) == UINT32_MAX)
        return spa_fail(err, SPA_E_INVALID, "the episode of environment %zu has ended", i);
    SPA_TRY(decode(e, i, given, &action, err));
    spa_account_decide(&v->now->table->features, &v->now->reward, v->view,
                       spa_engine_asked(v->engine), &action, &v->outlook, &v->account);
    SPA_TRY(spa_engine_decide(v->engine, action, &done, err));
    v->steps++;
    if (done) {
        spa_run_result result;
        SPA_TRY(spa_engine_result(v->engine, &result, err));
        spa_account_end(&result, &v->account);
    }
    *terminated = done;
    *truncated = !done && v->steps == e->config.max_steps;
    *reward = reward_of(v);
    if (!done) observe(v, obs, mask);
    if (*terminated || *truncated) note_episode(e, v, *truncated);
    return SPA_OK;
}

spa_status spa_environment_decide(spa_environment *e, size_t i, const void *action, float *obs,
                                  uint8_t *mask, float *reward, bool *terminated, bool *truncated,
                                  spa_error *err)
{
    SPA_TRY(check_index(e, i, err));
    SPA_TRY(step(e, i, action, obs, mask, reward, terminated, truncated, err));
    if (*terminated) {
        memset(obs, 0, e->n_obs * sizeof *obs);
        memset(mask, 1, e->n_slots);
    }
    return SPA_OK;
}

static spa_status step_and_reset(const spa_environment *e, size_t i, const void *actions,
                                 float *obs, uint8_t *mask, float *reward, uint8_t *terminated,
                                 uint8_t *truncated, spa_error *err)
{
    const void *given = e->config.continuous ? (const void *)((const float *)actions + i)
                                             : (const void *)((const uint32_t *)actions + i);
    bool ended = false, cut = false;
    SPA_TRY(step(e, i, given, obs, mask, reward, &ended, &cut, err));
    *terminated = ended;
    *truncated = cut;
    if (!ended && !cut) return SPA_OK;
    if (cut) memcpy(e->final_obs + i * e->n_obs, obs, e->n_obs * sizeof *obs);
    return begin_own(e, i, obs, mask, err);
}

spa_status spa_environment_step(spa_environment *e, size_t first, size_t count, const void *actions,
                                float *obs, uint8_t *mask, float *reward, uint8_t *terminated,
                                uint8_t *truncated, spa_error *err)
{
    if (first > e->config.n_envs || count > e->config.n_envs - first)
        return spa_fail(err, SPA_E_RANGE, "environments %zu and %zu more of %zu", first, count,
                        e->config.n_envs);
    for (size_t i = first; i < first + count; i++) {
        if (e->prefetches && i + 1 < first + count && e->envs[i + 1].engine)
            spa_engine_prefetch(e->envs[i + 1].engine);
        SPA_TRY(step_and_reset(e, i, actions, obs + i * e->n_obs, mask + i * e->n_slots, &reward[i],
                               &terminated[i], &truncated[i], err));
    }
    return SPA_OK;
}
