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
