/* Deciding with a trained policy, and how well it does. */
#include "policies/learn/actor.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policies/learn/loops.h"

size_t spa_actor_scratch(const spa_net *net)
{
    size_t widest = net->in;
    for (uint32_t i = 0; i < net->n_layers; i++)
        if (net->layers[i].out > widest) widest = net->layers[i].out;
    return 2 * (widest + SPA_NET_PAD);
}

/* One row through linear layers, in the fixed order of loops->dense. */
static const float *infer(const spa_actor *a, const float *x)
{
    const spa_loops *loops = spa_loops_best();
    float *to = a->scratch, *other = a->scratch + spa_actor_scratch(&a->net) / 2;
    for (uint32_t i = 0; i < a->net.n_layers; i++) {
        const spa_layer *l = &a->net.layers[i];
        const float *w = a->values + l->first_param;
        assert(l->kind == SPA_LAYER_LINEAR && l->activation != SPA_ACT_GELU);
        loops->dense(x, 1, l->in, w, w + (size_t)l->in * l->out, l->out, l->activation, to);
        x = to;
        to = other;
        other = (float *)x;
    }
    return x;
}

static uint32_t best_of(const float *value, const uint8_t *mask, size_t n)
{
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
        if (mask && !mask[i]) continue;
        if (best == n || value[i] > value[best]) best = i;
    }
    assert(best < n);
    return (uint32_t)best;
}

static uint32_t best_by_tiles(const spa_actor *a, const float *obs, const uint8_t *mask)
{
    uint32_t at[SPA_TILINGS_MAX], best = 0;
    bool any = false;
    float top = 0;
    spa_tiles_of(&a->tiles, obs, a->shape.n_obs, at);
    for (size_t i = 0; i < a->shape.n_actions; i++) {
        if (mask && !mask[i]) continue;
        float v = spa_tiles_value(&a->tiles, a->values, a->shape.n_actions, at, i);
        if (any && !(v > top)) continue;
        any = true;
        top = v;
        best = (uint32_t)i;
    }
    return best;
}

void spa_actor_act(const spa_actor *actor, const float *obs, const uint8_t *mask, uint32_t *choice,
                   float *values)
{
    if (actor->rule == SPA_ACTOR_TILES) {
        *choice = best_by_tiles(actor, obs, mask);
        return;
    }
    const float *y = infer(actor, obs) + actor->skip;
    if (actor->rule == SPA_ACTOR_BEST) {
        *choice = best_of(y, mask, actor->shape.n_actions);
        return;
    }
    memcpy(values, y, actor->shape.action_dim * sizeof *values);
    if (actor->rule == SPA_ACTOR_TANH) {
        spa_loops_best()->bias_activate(NULL, 1, actor->shape.action_dim, SPA_ACT_TANH, values);
        return;
    }
    for (size_t i = 0; i < actor->shape.action_dim; i++)
        values[i] = values[i] < -1 ? -1 : values[i] > 1 ? 1 : values[i];
}

spa_status spa_actor_fits(const spa_actor *actor, const char *problem,
                          const spa_problem_shape *shape, spa_error *err)
{
    const spa_problem_shape *s = &actor->shape;
    if (strcmp(actor->problem, problem)) {
        return spa_fail(err, SPA_E_INVALID, "this policy was trained on '%s', not on '%s'",
                        actor->problem, problem);
    }
    if (s->n_obs == shape->n_obs && s->n_actions == shape->n_actions &&
        s->action_dim == shape->action_dim && s->hash == shape->hash) {
        return SPA_OK;
    }
    return spa_fail(err, SPA_E_INVALID,
                    "this policy was trained on another '%s': %zu observations, %zu choices, %zu"
                    " continuous actions, hash %016llx; here %zu, %zu, %zu, %016llx",
                    problem, s->n_obs, s->n_actions, s->action_dim, (unsigned long long)s->hash,
                    shape->n_obs, shape->n_actions, shape->action_dim,
                    (unsigned long long)shape->hash);
}

void spa_actor_fini(spa_actor *actor)
{
    free(actor->memory);
    memset(actor, 0, sizeof *actor);
}

/* ---- score ---- */

static void act_in_all(const spa_actor *a, spa_envs *e)
{
    const spa_problem_shape *s = &e->shape;
    for (size_t env = 0; env < e->n; env++) {
        spa_actor_act(a, e->obs + env * s->n_obs,
                      s->n_actions ? e->mask + env * s->n_actions : NULL, &e->choice[env],
                      e->values + env * s->action_dim);
    }
}

static spa_status play(const spa_actor *a, spa_envs *e, uint8_t *done, spa_score *score,
                       spa_error *err)
{
    double sum = 0, squares = 0, steps = 0;
    score->episodes = e->n;
    score->min = INFINITY;
    score->max = -INFINITY;
    for (size_t left = e->n; left > 0;) {
        act_in_all(a, e);
        SPA_TRY(spa_envs_step(e, err));
        for (size_t env = 0; env < e->n; env++) {
            if (done[env] || !(e->terminated[env] || e->truncated[env])) continue;
            double r = e->ended_return[env];
            done[env] = 1;
            left--;
            sum += r;
            squares += r * r;
            steps += e->ended_steps[env];
            score->min = fmin(score->min, r);
            score->max = fmax(score->max, r);
        }
    }
    double n = (double)e->n;
    score->mean = sum / n;
    score->mean_steps = steps / n;
    score->sd = n > 1 ? sqrt(fmax(squares - sum * sum / n, 0) / (n - 1)) : 0;
    return SPA_OK;
}

spa_status spa_actor_score(const spa_actor *actor, const spa_problem *problem, const void *config,
                           size_t episodes, size_t max_episode_steps, uint64_t seed,
                           spa_score *score, spa_error *err)
{
    spa_envs envs;
    uint8_t *done = NULL;
    *score = (spa_score){0};
    SPA_TRY(
        spa_envs_init(&envs, problem, config, episodes, max_episode_steps, seed, "evaluate", err));
    spa_status status = spa_actor_fits(actor, problem->name, &envs.shape, err);
    if (!status) status = spa_alloc(&done, episodes, 1, err);
    if (!status) status = play(actor, &envs, done, score, err);
    if (status) *score = (spa_score){0};
    free(done);
    spa_envs_fini(&envs);
    return status;
}
