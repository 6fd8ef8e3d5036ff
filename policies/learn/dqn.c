/* Deep Q-learning (Mnih et al. 2015) with double targets (van Hasselt et al. 2016) and a dueling
 * network (Wang et al. 2016), masked choices, epsilon-greedy exploration. The target network
 * follows slowly (Lillicrap et al. 2016) instead of by copies: on cart-pole that was steadier. */
#include <math.h>
#include <string.h>

#include "policies/learn/adam.h"
#include "policies/learn/buffer.h"
#include "policies/learn/loops.h"
#include "policies/learn/losses.h"

enum {
    ENVS,
    BATCH,
    BUFFER,
    WARM_UP,
    EVERY,
    TAU,
    RATE,
    GAMMA,
    EXPLORE,
    EXPLORE_END,
    EXPLORE_SHARE,
    MAX_NORM,
    HIDDEN,
    DEPTH,
    SCALE,
    ANNEAL
};
static const spa_param params[] = {
    [ENVS] = {"envs", SPA_PARAM_INT, 8, 1, 4096, NULL, "", "environments side by side"},
    [BATCH] = {"batch", SPA_PARAM_INT, 128, 1, 65536, NULL, "", "transitions of a gradient"},
    [BUFFER] = {"buffer", SPA_PARAM_INT, 50000, 1, 1e8, NULL, "", "transitions that are kept"},
    [WARM_UP] = {"warm-up", SPA_PARAM_INT, 1000, 1, 1e9, NULL, "steps", "before learning"},
    [EVERY] = {"every", SPA_PARAM_INT, 4, 1, 1e6, NULL, "steps", "from one gradient to the next"},
    [TAU] = {"tau", SPA_PARAM_REAL, 0.02, 0, 1, NULL, "", "how fast the target network follows"},
    [RATE] = {"rate", SPA_PARAM_REAL, 1e-3, 0, 1, NULL, "", "learning rate"},
    [GAMMA] = {"gamma", SPA_PARAM_REAL, 0.99, 0, 1, NULL, "", "discount per step"},
    [EXPLORE] = {"explore", SPA_PARAM_REAL, 1, 0, 1, NULL, "", "share of random actions at first"},
    [EXPLORE_END] = {"explore-end", SPA_PARAM_REAL, 0.02, 0, 1, NULL, "", "and in the end"},
    [EXPLORE_SHARE] = {"explore-share", SPA_PARAM_REAL, 0.3, 0, 1, NULL, "",
                       "part of the training after which it is reached"},
    [MAX_NORM] = {"max-norm", SPA_PARAM_REAL, 10, 0, 1e6, NULL, "", "of gradients; 0 = any"},
    [HIDDEN] = {"hidden", SPA_PARAM_INT, 64, 1, 4096, NULL, "", "features per hidden layer"},
    [DEPTH] = {"depth", SPA_PARAM_INT, 2, 1, 8, NULL, "", "hidden layers"},
    [SCALE] = {"reward-scale", SPA_PARAM_REAL, 1, 1e-9, 1e9, NULL, "", "rewards are multiplied"},
    [ANNEAL] = {"anneal", SPA_PARAM_INT, 1, 0, 1, NULL, "", "1 = the rate falls to a tenth"},
};

typedef struct dqn {
    spa_learner base;
    spa_net net;
    spa_net_work_f32 work;
    spa_buffer buffer;
    float *params, *target_params, *gradients, *moment1, *moment2;
    spa_adam *adam;
    spa_rng *rng;
    float *q, *q_target, *target, *d_y;
} dqn;

static spa_status make_network(dqn *d, size_t widest, spa_error *err)
{
    spa_learner *l = &d->base;
    const spa_problem_shape *s = &l->envs.shape;
    spa_net_mlp(&d->net, s->n_obs, (size_t)spa_learner_param(l, HIDDEN),
                (size_t)spa_learner_param(l, DEPTH), s->n_actions + 1, SPA_ACT_RELU);
    SPA_TRY(spa_net_work_init_f32(&d->work, &d->net, widest, 1, err));
    size_t n = d->net.n_params, padded = n + SPA_NET_PAD, f = sizeof(float);
    SPA_TRY(spa_learner_array(l, "dqn/params", &d->params, padded, f, err));
    SPA_TRY(spa_learner_array(l, "dqn/target", &d->target_params, padded, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &d->gradients, padded, f, err));
    SPA_TRY(spa_learner_array(l, "dqn/moment1", &d->moment1, n, f, err));
    SPA_TRY(spa_learner_array(l, "dqn/moment2", &d->moment2, n, f, err));
    SPA_TRY(spa_learner_array(l, "dqn/adam", &d->adam, 1, sizeof *d->adam, err));
    *d->adam = spa_adam_default();
    SPA_TRY(spa_net_start_f32(&d->net, SPA_START_ORTHOGONAL, 1, l->setup.seed, "learn/q", d->params,
                              err));
    memcpy(d->target_params, d->params, n * f);
    return SPA_OK;
}

static spa_status create(spa_learner *l, spa_error *err)
{
    dqn *d = (dqn *)l;
    size_t batch = (size_t)spa_learner_param(l, BATCH), n = l->envs.shape.n_actions;
    size_t widest = batch > l->envs.n ? batch : l->envs.n, f = sizeof(float);
    SPA_TRY(make_network(d, widest, err));
    SPA_TRY(spa_buffer_init(&d->buffer, l, (size_t)spa_learner_param(l, BUFFER), batch, err));
    SPA_TRY(spa_learner_array(l, "dqn/rng", &d->rng, 1, sizeof *d->rng, err));
    SPA_TRY(spa_learner_array(l, NULL, &d->q, widest * n, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &d->q_target, batch * n, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &d->target, batch, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &d->d_y, batch * (n + 1), f, err));
    spa_rng_init(d->rng, l->setup.seed, "learn/explore");
    return SPA_OK;
}

static void destroy(spa_learner *l)
{
    spa_net_work_fini_f32(&((dqn *)l)->work);
}

/* Q of `rows` observations by one of the networks, -INFINITY where not allowed. */
static void q_of(dqn *d, const float *params_used, const float *obs, const uint8_t *mask,
                 size_t rows, float *q)
{
    const float *y = spa_net_forward_f32(&d->net, params_used, &d->work, obs, rows, 1);
    spa_dueling_f32(rows, d->base.envs.shape.n_actions, y, mask, q);
}

static uint32_t best_of(const float *q, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (q[i] > q[best]) best = i;
    return (uint32_t)best;
}

static void choose(dqn *d)
{
    spa_learner *l = &d->base;
    spa_envs *e = &l->envs;
    size_t n = e->shape.n_actions;
    double explore =
        spa_learner_ramp(l, spa_learner_param(l, EXPLORE), spa_learner_param(l, EXPLORE_END),
                         spa_learner_param(l, EXPLORE_SHARE));
    q_of(d, d->params, e->obs, e->mask, e->n, d->q);
    for (size_t env = 0; env < e->n; env++) {
        e->choice[env] = spa_rng_uniform(d->rng) < explore
                             ? spa_learner_random_choice(d->rng, e->mask + env * n, n)
                             : best_of(d->q + env * n, n);
    }
}

/* Double targets: the learning network chooses, the target network tells the value. */
static void make_targets(dqn *d)
{
    const spa_buffer_rows *b = &d->buffer.drawn;
    size_t n = d->base.envs.shape.n_actions, batch = d->buffer.batch;
    float gamma = (float)spa_learner_param(&d->base, GAMMA);
    q_of(d, d->params, b->next_obs, b->next_mask, batch, d->q);
    q_of(d, d->target_params, b->next_obs, b->next_mask, batch, d->q_target);
    for (size_t r = 0; r < batch; r++) {
        d->target[r] = b->reward[r];
        if (b->terminated[r]) continue;
        d->target[r] += gamma * d->q_target[r * n + best_of(d->q + r * n, n)];
    }
}

static spa_status update(dqn *d, spa_error *err)
{
    spa_learner *l = &d->base;
    const spa_buffer_rows *b = &d->buffer.drawn;
    size_t n = l->envs.shape.n_actions, batch = d->buffer.batch, n_params = d->net.n_params;
    double rate = spa_learner_param(l, RATE);
    if (spa_learner_param(l, ANNEAL) != 0) rate *= spa_learner_ramp(l, 1, 0.1, 1);
    spa_buffer_draw(&d->buffer);
    make_targets(d);
    memset(d->gradients, 0, n_params * sizeof *d->gradients);
    q_of(d, d->params, b->obs, b->mask, batch, d->q);
    l->state->loss = spa_dueling_loss_f32(batch, n, d->q, b->mask, b->choice, d->target, d->d_y);
    spa_net_backward_f32(&d->net, d->params, &d->work, d->d_y, d->gradients, NULL);
    double norm = spa_adam_update(d->adam, rate, spa_learner_param(l, MAX_NORM), n_params,
                                  d->params, d->gradients, d->moment1, d->moment2);
    spa_loops_best()->blend(d->target_params, d->params, (float)spa_learner_param(l, TAU),
                            n_params);
    l->state->updates++;
    return spa_learner_finite(l, "gradient", norm, err);
}

static spa_status advance(spa_learner *l, spa_error *err)
{
    dqn *d = (dqn *)l;
    uint64_t every = (uint64_t)spa_learner_param(l, EVERY), before = l->state->steps;
    choose(d);
    spa_buffer_before(&d->buffer, &l->envs);
    SPA_TRY(spa_envs_step(&l->envs, err));
    spa_buffer_after(&d->buffer, &l->envs, (float)spa_learner_param(l, SCALE));
    spa_learner_count(l);
    if (l->state->steps < (uint64_t)spa_learner_param(l, WARM_UP)) return SPA_OK;
    for (uint64_t k = l->state->steps / every - before / every; k > 0; k--) SPA_TRY(update(d, err));
    return SPA_OK;
}

static void actor(const spa_learner *l, spa_actor *a)
{
    const dqn *d = (const dqn *)l;
    a->rule = SPA_ACTOR_BEST;
    a->net = d->net;
    a->skip = 1; /* the value of the state comes first and is the same for all choices */
    a->values = d->params;
    a->n_values = d->net.n_params;
}

const spa_learner_type spa_learner_dqn = {
    .name = "dqn",
    .summary = "deep Q-learning, double and dueling",
    .source = "Mnih et al. 2015; van Hasselt et al. 2016; Wang et al. 2016",
    .discrete = true,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .size = sizeof(dqn),
    .n_envs_at = ENVS,
    .create = create,
    .destroy = destroy,
    .advance = advance,
    .actor = actor,
};
