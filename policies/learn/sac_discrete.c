/* Discrete soft actor-critic (Christodoulou 2019, arXiv 1910.07207), with masked choices: the
 * expectation over choices is exact, forbidden ones have probability 0, and the target entropy of a
 * state is a share of the largest one, log(number of allowed choices). */
#include <math.h>
#include <string.h>

#include "policies/learn/losses.h"
#include "policies/learn/sac_core.h"

static const spa_param params[SAC_N_PARAMS] = {
    SAC_PARAMS,
    [SAC_ENVS] = {"envs", SPA_PARAM_INT, 8, 1, 4096, NULL, "", "environments side by side"},
    [SAC_EVERY] = {"every", SPA_PARAM_INT, 4, 1, 1e6, NULL, "steps", "between two gradients"},
    [SAC_TAU] = {"tau", SPA_PARAM_REAL, 0.02, 0, 1, NULL, "", "how fast the targets follow"},
    [SAC_RATE] = {"rate", SPA_PARAM_REAL, 1e-3, 0, 1, NULL, "", "learning rate of the actor"},
    [SAC_ENTROPY] = {"entropy", SPA_PARAM_REAL, 0.2, 0, 1, NULL, "",
                     "aimed at, as a share of the largest possible"},
};

typedef struct sac_discrete {
    sac_core core;
    float *log_p, *p; /* [widest][n] */
    float *value, *target, *d_q, *d_logits;
} sac_discrete;

static spa_status create(spa_learner *l, spa_error *err)
{
    sac_discrete *s = (sac_discrete *)l;
    size_t n = l->envs.shape.n_actions, batch = (size_t)spa_learner_param(l, SAC_BATCH);
    size_t widest = batch > l->envs.n ? batch : l->envs.n, f = sizeof(float);
    SPA_TRY(sac_core_init(&s->core, n, l->envs.shape.n_obs, n, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->log_p, widest * n, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->p, widest * n, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->value, batch, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->target, batch, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->d_q, batch * n, f, err));
    return spa_learner_array(l, NULL, &s->d_logits, batch * n, f, err);
}

static void policy_of(sac_discrete *s, const float *obs, const uint8_t *mask, size_t rows)
{
    sac_core *c = &s->core;
    const float *y =
        spa_net_forward_f32(&c->actor, c->actor_part.params, &c->actor_work, obs, rows, 1);
    spa_log_softmax_f32(rows, c->actor.out, y, mask, s->log_p, s->p);
}

static void choose(sac_core *c, bool explore)
{
    sac_discrete *s = (sac_discrete *)c;
    spa_envs *e = &c->base.envs;
    size_t n = e->shape.n_actions;
    if (!explore) policy_of(s, e->obs, e->mask, e->n);
    for (size_t env = 0; env < e->n; env++) {
        const uint8_t *mask = e->mask + env * n;
        e->choice[env] = explore ? spa_learner_random_choice(c->rng, mask, n)
                                 : spa_learner_draw_choice(c->rng, s->p + env * n, n);
    }
}

static spa_status learn_critics(sac_discrete *s, spa_error *err)
{
    sac_core *c = &s->core;
    const spa_buffer_rows *b = &c->buffer.drawn;
    size_t rows = c->buffer.batch, n = c->actor.out;
    float gamma = (float)spa_learner_param(&c->base, SAC_GAMMA);
    const float *q[2];
    policy_of(s, b->next_obs, b->next_mask, rows);
    sac_critics(c, c->target_params, b->next_obs, rows, q);
    spa_sac_value_f32(rows, n, s->log_p, s->p, q[0], q[1], sac_alpha(c), s->value);
    for (size_t r = 0; r < rows; r++)
        s->target[r] = b->reward[r] + (b->terminated[r] ? 0 : gamma * s->value[r]);
    sac_zero(&c->critic_part);
    sac_critics(c, c->critic_part.params, b->obs, rows, q);
    c->base.state->value_loss = 0;
    for (int k = 0; k < 2; k++) {
        c->base.state->value_loss += spa_q_loss_f32(rows, n, q[k], b->choice, s->target, s->d_q);
        spa_net_backward_f32(&c->critic, c->critic_part.params + k * c->critic_at,
                             &c->critic_work[k], s->d_q,
                             c->critic_part.gradients + k * c->critic_at, NULL);
    }
    return sac_step(c, &c->critic_part, spa_learner_param(&c->base, SAC_CRITIC_RATE),
                    "critics' gradient", err);
}

/* The mean over the rows of what the entropy should be. */
static double wanted_entropy(const sac_discrete *s)
{
    const sac_core *c = &s->core;
    const uint8_t *mask = c->buffer.drawn.mask;
    size_t rows = c->buffer.batch, n = c->actor.out;
    double sum = 0;
    for (size_t r = 0; r < rows; r++) {
        size_t allowed = 0;
        for (size_t i = 0; i < n; i++) allowed += mask[r * n + i];
        sum += log((double)allowed);
    }
    return spa_learner_param(&c->base, SAC_ENTROPY) * sum / (double)rows;
}

static spa_status update(sac_core *c, spa_error *err)
{
    sac_discrete *s = (sac_discrete *)c;
    const spa_buffer_rows *b = &c->buffer.drawn;
    spa_learner_state *state = c->base.state;
    size_t rows = c->buffer.batch;
    const float *q[2];
    SPA_TRY(learn_critics(s, err));
    policy_of(s, b->obs, b->mask, rows);
    sac_critics(c, c->critic_part.params, b->obs, rows, q);
    state->entropy = 0;
    state->loss = spa_sac_discrete_f32(rows, c->actor.out, s->log_p, s->p, q[0], q[1], sac_alpha(c),
                                       s->d_logits, &state->entropy);
    sac_zero(&c->actor_part);
    spa_net_backward_f32(&c->actor, c->actor_part.params, &c->actor_work, s->d_logits,
                         c->actor_part.gradients, NULL);
    SPA_TRY(sac_step(c, &c->actor_part, spa_learner_param(&c->base, SAC_RATE), "actor's gradient",
                     err));
    return sac_learn_alpha(c, state->entropy - wanted_entropy(s), err);
}

static spa_status advance(spa_learner *l, spa_error *err)
{
    static const sac_steps steps = {choose, update};
    return sac_advance((sac_core *)l, &steps, err);
}

static void actor(const spa_learner *l, spa_actor *a)
{
    const sac_core *c = (const sac_core *)l;
    a->rule = SPA_ACTOR_BEST;
    a->net = c->actor;
    a->values = c->actor_part.params;
    a->n_values = c->actor.n_params;
}

const spa_learner_type spa_learner_sac_discrete = {
    .name = "sac-discrete",
    .summary = "soft actor-critic over choices, twin critics, learned temperature",
    .source = "Christodoulou 2019, arXiv 1910.07207",
    .discrete = true,
    .params = params,
    .n_params = SAC_N_PARAMS,
    .size = sizeof(sac_discrete),
    .n_envs_at = SAC_ENVS,
    .create = create,
    .destroy = sac_core_destroy,
    .advance = advance,
    .actor = actor,
};
