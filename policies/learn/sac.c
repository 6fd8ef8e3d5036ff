/* Soft actor-critic on continuous actions (Haarnoja et al. 2018, arXiv 1812.05905): a Gaussian
 * squashed by tanh, twin critics on (observation, action), a learned temperature. */
#include <math.h>
#include <string.h>

#include "policies/learn/losses.h"
#include "policies/learn/sac_core.h"

static const spa_param params[SAC_N_PARAMS] = {
    SAC_PARAMS,
    [SAC_ENVS] = {"envs", SPA_PARAM_INT, 1, 1, 4096, NULL, "", "environments side by side"},
    [SAC_EVERY] = {"every", SPA_PARAM_INT, 1, 1, 1e6, NULL, "steps", "between two gradients"},
    [SAC_TAU] = {"tau", SPA_PARAM_REAL, 0.005, 0, 1, NULL, "", "how fast the targets follow"},
    [SAC_RATE] = {"rate", SPA_PARAM_REAL, 3e-4, 0, 1, NULL, "", "learning rate of the actor"},
    [SAC_ENTROPY] = {"entropy", SPA_PARAM_REAL, -1, -100, 100, NULL, "nats",
                     "aimed at, per number of an action"},
};

typedef struct sac {
    sac_core core;
    float *noise, *action, *log_p; /* [widest][dim], [widest] */
    float *x, *d_x;                /* [batch][n_obs + dim] inputs of the critics */
    float *target, *d_q, *d_action, *d_y;
} sac;

static spa_status create(spa_learner *l, spa_error *err)
{
    sac *s = (sac *)l;
    size_t dim = l->envs.shape.action_dim, in = l->envs.shape.n_obs + dim, f = sizeof(float);
    size_t batch = (size_t)spa_learner_param(l, SAC_BATCH);
    size_t widest = batch > l->envs.n ? batch : l->envs.n;
    SPA_TRY(sac_core_init(&s->core, 2 * dim, in, 1, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->noise, widest * dim, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->action, widest * dim, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->log_p, widest, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->x, batch * in, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->d_x, batch * in, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->target, batch, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->d_q, batch, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->d_action, batch * dim, f, err));
    return spa_learner_array(l, NULL, &s->d_y, batch * 2 * dim, f, err);
}

/* Draws actions for rows of observations; returns the actor's output. */
static const float *draw(sac *s, const float *obs, size_t rows)
{
    sac_core *c = &s->core;
    size_t dim = c->base.envs.shape.action_dim;
    const float *y =
        spa_net_forward_f32(&c->actor, c->actor_part.params, &c->actor_work, obs, rows, 1);
    for (size_t i = 0; i < rows * dim; i++) s->noise[i] = (float)spa_rng_gaussian(c->rng);
    spa_squash_f32(rows, dim, y, s->noise, s->action, s->log_p);
    return y;
}

static void choose(sac_core *c, bool explore)
{
    sac *s = (sac *)c;
    spa_envs *e = &c->base.envs;
    size_t count = e->n * e->shape.action_dim;
    if (explore) {
        for (size_t i = 0; i < count; i++) e->values[i] = (float)(2 * spa_rng_uniform(c->rng) - 1);
        return;
    }
    draw(s, e->obs, e->n);
    memcpy(e->values, s->action, count * sizeof *s->action);
}

/* s->x = rows of (observation, action). */
static void join(sac *s, const float *obs, const float *action, size_t rows)
{
    size_t n_obs = s->core.base.envs.shape.n_obs, dim = s->core.base.envs.shape.action_dim;
    for (size_t r = 0; r < rows; r++) {
        float *to = s->x + r * (n_obs + dim);
        spa_copy_row(to, obs + r * n_obs, n_obs);
        spa_copy_row(to + n_obs, action + r * dim, dim);
    }
}

static spa_status learn_critics(sac *s, spa_error *err)
{
    sac_core *c = &s->core;
    const spa_buffer_rows *b = &c->buffer.drawn;
    size_t rows = c->buffer.batch;
    double gamma = spa_learner_param(&c->base, SAC_GAMMA), alpha = sac_alpha(c);
    const float *q[2];
    draw(s, b->next_obs, rows);
    join(s, b->next_obs, s->action, rows);
    sac_critics(c, c->target_params, s->x, rows, q);
    for (size_t r = 0; r < rows; r++) {
        double value = fmin(q[0][r], q[1][r]) - alpha * s->log_p[r];
        s->target[r] = b->reward[r] + (b->terminated[r] ? 0 : (float)(gamma * value));
    }
    sac_zero(&c->critic_part);
    join(s, b->obs, b->values, rows);
    sac_critics(c, c->critic_part.params, s->x, rows, q);
    c->base.state->value_loss = 0;
    for (int k = 0; k < 2; k++) {
        c->base.state->value_loss += spa_value_loss_f32(rows, q[k], q[k], s->target, 0, 1, s->d_q);
        spa_net_backward_f32(&c->critic, c->critic_part.params + k * c->critic_at,
                             &c->critic_work[k], s->d_q,
                             c->critic_part.gradients + k * c->critic_at, NULL);
    }
    return sac_step(c, &c->critic_part, spa_learner_param(&c->base, SAC_CRITIC_RATE),
                    "critics' gradient", err);
}

/* d(mean of -min Q)/d action, in s->d_action. */
static void slope_of_critics(sac *s, size_t rows)
{
    sac_core *c = &s->core;
    size_t n_obs = c->base.envs.shape.n_obs, dim = c->base.envs.shape.action_dim;
    const float *q[2];
    sac_critics(c, c->critic_part.params, s->x, rows, q);
    memset(s->d_action, 0, rows * dim * sizeof *s->d_action);
    for (int k = 0; k < 2; k++) {
        for (size_t r = 0; r < rows; r++) {
            bool least = k == 0 ? q[0][r] < q[1][r] : q[1][r] <= q[0][r];
            s->d_q[r] = least ? -1.0f / (float)rows : 0;
        }
        spa_net_backward_f32(&c->critic, c->critic_part.params + k * c->critic_at,
                             &c->critic_work[k], s->d_q, NULL, s->d_x);
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < dim; i++)
                s->d_action[r * dim + i] += s->d_x[r * (n_obs + dim) + n_obs + i];
    }
}

static spa_status update(sac_core *c, spa_error *err)
{
    sac *s = (sac *)c;
    const spa_buffer_rows *b = &c->buffer.drawn;
    size_t rows = c->buffer.batch, dim = c->base.envs.shape.action_dim;
    double sum = 0;
    SPA_TRY(learn_critics(s, err));
    const float *y = draw(s, b->obs, rows);
    join(s, b->obs, s->action, rows);
    slope_of_critics(s, rows);
    spa_squash_back_f32(rows, dim, y, s->noise, s->action, s->d_action, sac_alpha(c), s->d_y);
    sac_zero(&c->actor_part);
    spa_net_backward_f32(&c->actor, c->actor_part.params, &c->actor_work, s->d_y,
                         c->actor_part.gradients, NULL);
    SPA_TRY(sac_step(c, &c->actor_part, spa_learner_param(&c->base, SAC_RATE), "actor's gradient",
                     err));
    for (size_t r = 0; r < rows; r++) sum -= s->log_p[r];
    c->base.state->entropy = sum / (double)rows;
    return sac_learn_alpha(
        c, c->base.state->entropy - spa_learner_param(&c->base, SAC_ENTROPY) * (double)dim, err);
}

static spa_status advance(spa_learner *l, spa_error *err)
{
    static const sac_steps steps = {choose, update};
    return sac_advance((sac_core *)l, &steps, err);
}

static void actor(const spa_learner *l, spa_actor *a)
{
    const sac_core *c = (const sac_core *)l;
    a->rule = SPA_ACTOR_TANH;
    a->net = c->actor; /* the means come first, then what gives the deviations */
    a->values = c->actor_part.params;
    a->n_values = c->actor.n_params;
}

const spa_learner_type spa_learner_sac = {
    .name = "sac",
    .summary = "soft actor-critic, squashed Gaussian, twin critics, learned temperature",
    .source = "Haarnoja et al. 2018, arXiv 1812.05905",
    .continuous = true,
    .params = params,
    .n_params = SAC_N_PARAMS,
    .size = sizeof(sac),
    .n_envs_at = SAC_ENVS,
    .create = create,
    .destroy = sac_core_destroy,
    .advance = advance,
    .actor = actor,
};
