/* What all learning algorithms share. */
#include "policies/learn/learner.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const spa_learner_type *const spa_learner_types[] = {
    &spa_learner_q_learning, &spa_learner_dqn,          &spa_learner_ppo,
    &spa_learner_sac,        &spa_learner_sac_discrete,
};
const size_t spa_n_learner_types = sizeof spa_learner_types / sizeof *spa_learner_types;

spa_status spa_learner_find(const char *name, const spa_learner_type **type, spa_error *err)
{
    const char *names[sizeof spa_learner_types / sizeof *spa_learner_types];
    for (size_t i = 0; i < spa_n_learner_types; i++) {
        *type = spa_learner_types[i];
        names[i] = spa_learner_types[i]->name;
        if (!strcmp(names[i], name)) return SPA_OK;
    }
    *type = NULL;
    return spa_fail_unknown(err, "learning algorithm", name, names, spa_n_learner_types);
}

/* ---- making ---- */

spa_status spa_learner_array(spa_learner *learner, const char *name, void *out_pointer,
                             size_t count, size_t size, spa_error *err)
{
    void *data = NULL;
    SPA_TRY(spa_arena_alloc(&learner->arena, &data, count, size, err));
    memcpy(out_pointer, &data, sizeof data);
    if (!name) return SPA_OK;
    assert(learner->n_regions < SPA_LEARNER_REGIONS);
    learner->regions[learner->n_regions++] = (spa_region){name, data, count * size};
    return SPA_OK;
}

/* What spa_envs_replay needs to bring the environments back. */
static void register_envs(spa_learner *l)
{
    const spa_envs *e = &l->envs;
    const spa_problem_shape *s = &e->shape;
    size_t log = e->n * e->max_episode_steps;
    const spa_region all[] = {
        {"envs/obs", e->obs, e->n * s->n_obs * sizeof *e->obs},
        {"envs/mask", e->mask, e->n * s->n_actions * sizeof *e->mask},
        {"envs/rng", e->rng, e->n * sizeof *e->rng},
        {"envs/rng_start", e->rng_start, e->n * sizeof *e->rng_start},
        {"envs/return", e->episode_return, e->n * sizeof *e->episode_return},
        {"envs/steps", e->episode_steps, e->n * sizeof *e->episode_steps},
        {"envs/choices", e->log_choice, s->n_actions ? log * sizeof *e->log_choice : 0},
        {"envs/values", e->log_values, log * s->action_dim * sizeof *e->log_values},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) l->regions[l->n_regions++] = all[i];
}

static spa_status check_actions(const spa_learner *l, spa_error *err)
{
    bool discrete = l->envs.shape.n_actions > 0;
    if (discrete ? l->type->discrete : l->type->continuous) return SPA_OK;
    return spa_fail(err, SPA_E_UNSUPPORTED, "%s learns %s actions only, and those of '%s' are %s",
                    l->type->name, discrete ? "continuous" : "discrete", l->setup.problem->name,
                    discrete ? "discrete" : "continuous");
}

static spa_status make_crew(spa_learner *l, spa_error *err)
{
    size_t threads = l->setup.threads ? l->setup.threads : 1;
    if (threads > 1 && !l->type->threaded)
        return spa_fail(err, SPA_E_UNSUPPORTED, "%s learns on one thread, not on %zu",
                        l->type->name, threads);
    return spa_crew_new(&l->crew, threads, err);
}

static spa_status make(spa_learner *l, const char *params, spa_error *err)
{
    const spa_learner_type *type = l->type;
    size_t longest = l->setup.max_episode_steps;
    SPA_TRY(spa_params_parse(type->params, type->n_params, type->name, params, &l->values, err));
    if (l->setup.total_steps == 0)
        return spa_fail(err, SPA_E_INVALID, "%s: no steps to train", type->name);
    SPA_TRY(spa_envs_init(&l->envs, l->setup.problem, l->setup.config,
                          (size_t)spa_learner_param(l, type->n_envs_at), longest ? longest : 10000,
                          l->setup.seed, "learn/environment", err));
    SPA_TRY(check_actions(l, err));
    SPA_TRY(make_crew(l, err));
    SPA_TRY(spa_learner_array(l, "state", &l->state, 1, sizeof *l->state, err));
    register_envs(l);
    return type->create(l, err);
}

static spa_status make_scratch(spa_learner *l, spa_error *err)
{
    spa_actor actor;
    spa_learner_actor(l, &actor);
    return spa_learner_array(l, NULL, &l->scratch, spa_actor_scratch(&actor.net),
                             sizeof *l->scratch, err);
}

spa_status spa_learner_new(spa_learner **learner, const spa_learner_type *type,
                           const spa_learner_setup *setup, const char *params, spa_error *err)
{
    spa_learner *l = NULL;
    assert(type->size >= sizeof *l && type->n_params <= SPA_PARAM_MAX);
    *learner = NULL;
    SPA_TRY(spa_alloc(&l, 1, type->size, err));
    l->type = type;
    l->setup = *setup;
    spa_arena_init(&l->arena);
    spa_status status = make(l, params ? params : "", err);
    if (!status) status = make_scratch(l, err);
    if (status) {
        spa_learner_free(l);
        return status;
    }
    *learner = l;
    return SPA_OK;
}

void spa_learner_free(spa_learner *learner)
{
    if (!learner) return;
    spa_crew_free(learner->crew);
    if (learner->type->destroy) learner->type->destroy(learner);
    spa_envs_fini(&learner->envs);
    spa_arena_fini(&learner->arena);
    free(learner);
}

/* ---- training ---- */

spa_status spa_learner_train(spa_learner *learner, uint64_t until, spa_error *err)
{
    while (learner->state->steps < until) SPA_TRY(learner->type->advance(learner, err));
    return SPA_OK;
}

void spa_learner_ended(spa_learner *learner, double episode_return)
{
    spa_learner_state *s = learner->state;
    s->recent_return[s->episodes++ % SPA_RECENT_EPISODES] = episode_return;
}

void spa_learner_count(spa_learner *learner)
{
    const spa_envs *e = &learner->envs;
    learner->state->steps += e->n;
    for (size_t env = 0; env < e->n; env++)
        if (e->terminated[env] || e->truncated[env])
            spa_learner_ended(learner, e->ended_return[env]);
}

double spa_learner_recent(const spa_learner *learner)
{
    const spa_learner_state *s = learner->state;
    size_t n = s->episodes < SPA_RECENT_EPISODES ? (size_t)s->episodes : SPA_RECENT_EPISODES;
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += s->recent_return[i];
    return n ? sum / (double)n : NAN;
}

double spa_learner_done(const spa_learner *learner)
{
    double done = (double)learner->state->steps / (double)learner->setup.total_steps;
    return done < 1 ? done : 1;
}

double spa_learner_ramp(const spa_learner *learner, double first, double last, double share)
{
    double done = spa_learner_done(learner);
    return done >= share ? last : first + done / share * (last - first);
}

uint32_t spa_learner_random_choice(spa_rng *rng, const uint8_t *mask, size_t n)
{
    uint32_t allowed = 0, i = 0;
    for (size_t k = 0; k < n; k++) allowed += mask[k];
    assert(allowed > 0);
    for (uint32_t left = spa_rng_below(rng, allowed); !mask[i] || left-- > 0;) i++;
    return i;
}

uint32_t spa_learner_draw_choice(spa_rng *rng, const float *p, size_t n)
{
    double u = spa_rng_uniform(rng);
    size_t last = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(p[i] > 0)) continue;
        last = i;
        u -= p[i];
        if (u < 0) break;
    }
    return (uint32_t)last;
}

spa_status spa_learner_finite(const spa_learner *learner, const char *what, double value,
                              spa_error *err)
{
    if (isfinite(value)) return SPA_OK;
    return spa_fail(err, SPA_E_RANGE,
                    "%s on '%s': training diverged after %llu steps (the %s is not finite); lower"
                    " the learning rate or go back to an earlier checkpoint",
                    learner->type->name, learner->setup.problem->name,
                    (unsigned long long)learner->state->steps, what);
}

void spa_learner_actor(const spa_learner *learner, spa_actor *actor)
{
    memset(actor, 0, sizeof *actor);
    snprintf(actor->algorithm, sizeof actor->algorithm, "%s", learner->type->name);
    snprintf(actor->problem, sizeof actor->problem, "%s", learner->setup.problem->name);
    actor->shape = learner->envs.shape;
    actor->scratch = learner->scratch;
    learner->type->actor(learner, actor);
}
