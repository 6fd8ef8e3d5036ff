/* Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347), with the details that make
 * it work (Huang et al., "The 37 implementation details of PPO", ICLR blog track 2022): advantages
 * by GAE, normalised per minibatch; clipped value loss; orthogonal start; annealed learning rate;
 * gradients clipped by their global norm; masked choices (Huang and Ontanon 2022). Actor and critic
 * are networks of their own in one vector of parameters: actor, then log sd (continuous), then
 * critic. */
#include <math.h>
#include <string.h>

#include "policies/learn/adam.h"
#include "policies/learn/buffer.h"
#include "policies/learn/losses.h"

enum {
    ENVS,
    STEPS,
    MINIBATCH,
    EPOCHS,
    RATE,
    ANNEAL,
    GAMMA,
    LAMBDA,
    CLIP,
    VALUE_WEIGHT,
    ENTROPY,
    MAX_NORM,
    HIDDEN,
    DEPTH,
    SCALE,
    KL
};
static const spa_param params[] = {
    [ENVS] = {"envs", SPA_PARAM_INT, 16, 1, 4096, NULL, "", "environments side by side"},
    [STEPS] = {"steps", SPA_PARAM_INT, 128, 1, 65536, NULL, "", "steps of each before an update"},
    [MINIBATCH] = {"minibatch", SPA_PARAM_INT, 256, 2, 1 << 20, NULL, "steps", "of a gradient"},
    [EPOCHS] = {"epochs", SPA_PARAM_INT, 4, 1, 100, NULL, "", "passes over the steps"},
    [RATE] = {"rate", SPA_PARAM_REAL, 1e-3, 0, 1, NULL, "", "learning rate"},
    [ANNEAL] = {"anneal", SPA_PARAM_INT, 1, 0, 1, NULL, "", "1 = the rate falls to 0"},
    [GAMMA] = {"gamma", SPA_PARAM_REAL, 0.99, 0, 1, NULL, "", "discount per step"},
    [LAMBDA] = {"lambda", SPA_PARAM_REAL, 0.95, 0, 1, NULL, "", "of GAE"},
    [CLIP] = {"clip", SPA_PARAM_REAL, 0.2, 1e-6, 10, NULL, "", "of ratios and values"},
    [VALUE_WEIGHT] = {"value-weight", SPA_PARAM_REAL, 0.5, 0, 100, NULL, "", "of the value loss"},
    [ENTROPY] = {"entropy", SPA_PARAM_REAL, 0.01, 0, 10, NULL, "", "weight of the entropy"},
    [MAX_NORM] = {"max-norm", SPA_PARAM_REAL, 0.5, 0, 1e6, NULL, "", "of gradients; 0 = any"},
    [HIDDEN] = {"hidden", SPA_PARAM_INT, 64, 1, 4096, NULL, "", "features per hidden layer"},
    [DEPTH] = {"depth", SPA_PARAM_INT, 2, 1, 8, NULL, "", "hidden layers"},
    [SCALE] = {"reward-scale", SPA_PARAM_REAL, 1, 1e-9, 1e9, NULL, "", "rewards are multiplied"},
    [KL] = {"kl", SPA_PARAM_REAL, 0, 0, 10, NULL, "", "stop the epochs beyond it; 0 = never"},
};

/* One rollout, or one minibatch of it; continuous: values [rows][dim] instead of choice, mask. */
typedef struct steps {
    float *obs, *values, *log_p, *value, *target, *advantage;
    uint32_t *choice;
    uint8_t *mask;
} steps;

typedef struct ppo {
    spa_learner base;
    spa_net actor, critic;
    spa_net_work_f32 actor_work, critic_work;
    size_t n, rows, minibatch; /* environments, steps of a rollout, of a minibatch */
    size_t n_params, log_sd_at, critic_at;
    float *params, *gradients, *moment1, *moment2;
    spa_adam *adam;
    spa_rng *rng, *shuffle_rng;
    steps all, some;
    float *reward, *next_value; /* [rows] */
    uint8_t *terminated, *truncated;
    float *end_obs;  /* [rows][n_obs] last observations of truncated episodes, packed */
    size_t *end_row; /* where each belongs */
    size_t n_ends;
    uint32_t *order; /* [rows] a permutation */
    float *log_p_scratch, *p_scratch, *d_actor, *d_value;
} ppo;

/* ---- making ---- */

static spa_status make_steps(ppo *p, steps *s, size_t rows, spa_error *err)
{
    spa_learner *l = &p->base;
    const spa_problem_shape *shape = &l->envs.shape;
    const size_t n = rows, f = sizeof(float);
    SPA_TRY(spa_learner_array(l, NULL, &s->obs, n * shape->n_obs, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->values, n * shape->action_dim, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->log_p, n, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->value, n, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->target, n, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->advantage, n, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &s->choice, n, sizeof *s->choice, err));
    return spa_learner_array(l, NULL, &s->mask, n * shape->n_actions, 1, err);
}

static spa_status make_networks(ppo *p, spa_error *err)
{
    spa_learner *l = &p->base;
    const spa_problem_shape *s = &l->envs.shape;
    size_t hidden = (size_t)spa_learner_param(l, HIDDEN);
    size_t depth = (size_t)spa_learner_param(l, DEPTH), f = sizeof(float);
    size_t widest = p->minibatch > p->n ? p->minibatch : p->n;
    spa_net_mlp(&p->actor, s->n_obs, hidden, depth, s->n_actions + s->action_dim, SPA_ACT_TANH);
    spa_net_mlp(&p->critic, s->n_obs, hidden, depth, 1, SPA_ACT_TANH);
    SPA_TRY(spa_net_work_init_f32(&p->actor_work, &p->actor, widest, 1, err));
    SPA_TRY(spa_net_work_init_f32(&p->critic_work, &p->critic, widest, 1, err));
    p->log_sd_at = p->actor.n_params;
    p->critic_at = p->log_sd_at + s->action_dim;
    p->n_params = p->critic_at + p->critic.n_params;
    size_t padded = p->n_params + SPA_NET_PAD;
    SPA_TRY(spa_learner_array(l, "ppo/params", &p->params, padded, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->gradients, padded, f, err));
    SPA_TRY(spa_learner_array(l, "ppo/moment1", &p->moment1, p->n_params, f, err));
    SPA_TRY(spa_learner_array(l, "ppo/moment2", &p->moment2, p->n_params, f, err));
    SPA_TRY(spa_learner_array(l, "ppo/adam", &p->adam, 1, sizeof *p->adam, err));
    *p->adam = spa_adam_default();
    p->adam->epsilon = 1e-5;
    SPA_TRY(spa_net_start_f32(&p->actor, SPA_START_ORTHOGONAL, 0.01, l->setup.seed, "learn/actor",
                              p->params, err));
    return spa_net_start_f32(&p->critic, SPA_START_ORTHOGONAL, 1, l->setup.seed, "learn/critic",
                             p->params + p->critic_at, err);
}

static spa_status make_rollout(ppo *p, spa_error *err)
{
    spa_learner *l = &p->base;
    const spa_problem_shape *s = &l->envs.shape;
    size_t outputs = s->n_actions + s->action_dim, f = sizeof(float);
    size_t widest = p->minibatch > p->n ? p->minibatch : p->n;
    SPA_TRY(make_steps(p, &p->all, p->rows, err));
    SPA_TRY(make_steps(p, &p->some, p->minibatch, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->reward, p->rows, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->next_value, p->rows, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->terminated, p->rows, 1, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->truncated, p->rows, 1, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->end_obs, p->rows * s->n_obs, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->end_row, p->rows, sizeof *p->end_row, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->order, p->rows, sizeof *p->order, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->log_p_scratch, widest * outputs, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->p_scratch, widest * outputs, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->d_actor, p->minibatch * outputs, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->d_value, p->minibatch, f, err));
    SPA_TRY(spa_learner_array(l, "ppo/rng", &p->rng, 1, sizeof *p->rng, err));
    SPA_TRY(spa_learner_array(l, "ppo/shuffle", &p->shuffle_rng, 1, sizeof *p->rng, err));
    spa_rng_init(p->rng, l->setup.seed, "learn/actions");
    spa_rng_init(p->shuffle_rng, l->setup.seed, "learn/shuffle");
    return SPA_OK;
}

static spa_status create(spa_learner *l, spa_error *err)
{
    ppo *p = (ppo *)l;
    p->n = l->envs.n;
    p->rows = p->n * (size_t)spa_learner_param(l, STEPS);
    p->minibatch = (size_t)spa_learner_param(l, MINIBATCH);
    if (p->minibatch > p->rows) {
        return spa_fail(err, SPA_E_INVALID,
                        "ppo: a minibatch of %zu steps is more than envs * steps = %zu",
                        p->minibatch, p->rows);
    }
    if (p->rows > UINT32_MAX)
        return spa_fail(err, SPA_E_RANGE, "ppo: a rollout of %zu steps is too long", p->rows);
    SPA_TRY(make_networks(p, err));
    return make_rollout(p, err);
}

static void destroy(spa_learner *l)
{
    ppo *p = (ppo *)l;
    spa_net_work_fini_f32(&p->actor_work);
    spa_net_work_fini_f32(&p->critic_work);
}

/* ---- collecting ---- */

/* Actions for the observations now, into the environments and the rollout from `row` on. */
static void choose(ppo *p, size_t row)
{
    spa_envs *e = &p->base.envs;
    size_t n = e->shape.n_actions, dim = e->shape.action_dim;
    const float *log_sd = p->params + p->log_sd_at;
    const float *y = spa_net_forward_f32(&p->actor, p->params, &p->actor_work, e->obs, p->n, 1);
    if (n) spa_log_softmax_f32(p->n, n, y, e->mask, p->log_p_scratch, p->p_scratch);
    for (size_t env = 0; env < p->n; env++) {
        if (n) {
            uint32_t c = spa_learner_draw_choice(p->rng, p->p_scratch + env * n, n);
            e->choice[env] = p->all.choice[row + env] = c;
            p->all.log_p[row + env] = p->log_p_scratch[env * n + c];
            continue;
        }
        float *drawn = p->all.values + (row + env) * dim, *held = e->values + env * dim;
        for (size_t i = 0; i < dim; i++) {
            drawn[i] = y[env * dim + i] + expf(log_sd[i]) * (float)spa_rng_gaussian(p->rng);
            held[i] = drawn[i] < -1 ? -1 : drawn[i] > 1 ? 1 : drawn[i];
        }
        p->all.log_p[row + env] = (float)spa_gaussian_log_p_f32(dim, y + env * dim, log_sd, drawn);
    }
}

static spa_status collect(ppo *p, spa_error *err)
{
    spa_learner *l = &p->base;
    spa_envs *e = &l->envs;
    size_t n_obs = e->shape.n_obs;
    float scale = (float)spa_learner_param(l, SCALE);
    p->n_ends = 0;
    for (size_t row = 0; row < p->rows; row += p->n) {
        memcpy(p->all.obs + row * n_obs, e->obs, p->n * n_obs * sizeof(float));
        memcpy(p->all.mask + row * e->shape.n_actions, e->mask, p->n * e->shape.n_actions);
        choose(p, row);
        SPA_TRY(spa_envs_step(e, err));
        spa_learner_count(l);
        memcpy(p->terminated + row, e->terminated, p->n);
        memcpy(p->truncated + row, e->truncated, p->n);
        for (size_t env = 0; env < p->n; env++) {
            p->reward[row + env] = e->reward[env] * scale;
            if (!e->truncated[env]) continue;
            p->end_row[p->n_ends] = row + env;
            memcpy(p->end_obs + p->n_ends++ * n_obs, e->final_obs + env * n_obs,
                   n_obs * sizeof(float));
        }
    }
    return SPA_OK;
}

/* ---- values ---- */

static void values_of(ppo *p, const float *obs, size_t rows, float *value)
{
    size_t n_obs = p->base.envs.shape.n_obs, most = p->critic_work.max_rows;
    for (size_t r = 0; r < rows; r += most) {
        size_t n = rows - r < most ? rows - r : most;
        const float *v = spa_net_forward_f32(&p->critic, p->params + p->critic_at, &p->critic_work,
                                             obs + r * n_obs, n, 1);
        memcpy(value + r, v, n * sizeof *v);
    }
}

static void estimate(ppo *p)
{
    const spa_learner *l = &p->base;
    size_t last = p->rows - p->n;
    values_of(p, p->all.obs, p->rows, p->all.value);
    memcpy(p->next_value, p->all.value + p->n, last * sizeof(float));
    values_of(p, l->envs.obs, p->n, p->next_value + last);
    /* The advantages are not needed yet: their array holds the values of the ends meanwhile. */
    values_of(p, p->end_obs, p->n_ends, p->all.advantage);
    for (size_t i = 0; i < p->n_ends; i++) p->next_value[p->end_row[i]] = p->all.advantage[i];
    spa_gae(p->rows / p->n, p->n, p->reward, p->all.value, p->next_value, p->terminated,
            p->truncated, spa_learner_param(l, GAMMA), spa_learner_param(l, LAMBDA),
            p->all.advantage, p->all.target);
}

/* ---- learning ---- */

static void gather(ppo *p, const uint32_t *rows, size_t count)
{
    const spa_problem_shape *s = &p->base.envs.shape;
    const steps *from = &p->all, *to = &p->some;
    for (size_t i = 0; i < count; i++) {
        size_t r = rows[i];
        spa_copy_row(to->obs + i * s->n_obs, from->obs + r * s->n_obs, s->n_obs);
        to->log_p[i] = from->log_p[r];
        to->value[i] = from->value[r];
        to->target[i] = from->target[r];
        to->advantage[i] = from->advantage[r];
        to->choice[i] = from->choice[r];
        for (size_t k = 0; k < s->n_actions; k++)
            to->mask[i * s->n_actions + k] = from->mask[r * s->n_actions + k];
        for (size_t k = 0; k < s->action_dim; k++)
            to->values[i * s->action_dim + k] = from->values[r * s->action_dim + k];
    }
}

static void normalise(float *x, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    double mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    double scale = 1 / (sqrt(squares / (double)(n - 1)) + 1e-8);
    for (size_t i = 0; i < n; i++) x[i] = (float)((x[i] - mean) * scale);
}

/* One gradient from the minibatch in p->some. */
static spa_status update(ppo *p, size_t rows, double rate, spa_ppo_stats *stats, spa_error *err)
{
    const spa_learner *l = &p->base;
    const spa_problem_shape *s = &l->envs.shape;
    const steps *m = &p->some;
    float *critic = p->params + p->critic_at;
    double clip = spa_learner_param(l, CLIP), entropy = spa_learner_param(l, ENTROPY);
    memset(p->gradients, 0, p->n_params * sizeof *p->gradients);
    normalise(m->advantage, rows);
    const float *y = spa_net_forward_f32(&p->actor, p->params, &p->actor_work, m->obs, rows, 1);
    if (s->n_actions) {
        spa_ppo_discrete_f32(rows, s->n_actions, y, m->mask, m->choice, m->log_p, m->advantage,
                             clip, entropy, p->log_p_scratch, p->d_actor, stats);
    } else {
        spa_ppo_gaussian_f32(rows, s->action_dim, y, p->params + p->log_sd_at, m->values, m->log_p,
                             m->advantage, clip, entropy, p->d_actor, p->gradients + p->log_sd_at,
                             stats);
    }
    spa_net_backward_f32(&p->actor, p->params, &p->actor_work, p->d_actor, p->gradients, NULL);
    y = spa_net_forward_f32(&p->critic, critic, &p->critic_work, m->obs, rows, 1);
    stats->value_loss = spa_value_loss_f32(rows, y, m->value, m->target, clip,
                                           spa_learner_param(l, VALUE_WEIGHT), p->d_value);
    spa_net_backward_f32(&p->critic, critic, &p->critic_work, p->d_value,
                         p->gradients + p->critic_at, NULL);
    double norm = spa_adam_update(p->adam, rate, spa_learner_param(l, MAX_NORM), p->n_params,
                                  p->params, p->gradients, p->moment1, p->moment2);
    return spa_learner_finite(l, "gradient", norm, err);
}

static void shuffle(ppo *p)
{
    for (size_t i = p->rows; i-- > 1;) {
        size_t k = spa_rng_below(p->shuffle_rng, (uint32_t)(i + 1));
        uint32_t swap = p->order[i];
        p->order[i] = p->order[k];
        p->order[k] = swap;
    }
}

static spa_status learn(ppo *p, double rate, spa_error *err)
{
    spa_learner *l = &p->base;
    size_t epochs = (size_t)spa_learner_param(l, EPOCHS);
    double limit = spa_learner_param(l, KL);
    spa_ppo_stats stats = {0};
    for (size_t i = 0; i < p->rows; i++) p->order[i] = (uint32_t)i;
    for (size_t epoch = 0; epoch < epochs; epoch++) {
        shuffle(p);
        for (size_t at = 0; at + 2 <= p->rows; at += p->minibatch) {
            size_t rows = p->rows - at < p->minibatch ? p->rows - at : p->minibatch;
            gather(p, p->order + at, rows);
            SPA_TRY(update(p, rows, rate, &stats, err));
            l->state->updates++;
        }
        if (limit > 0 && stats.kl > limit) break;
    }
    l->state->loss = stats.policy_loss;
    l->state->value_loss = stats.value_loss;
    l->state->entropy = stats.entropy;
    l->state->extra = stats.kl;
    return SPA_OK;
}

static spa_status advance(spa_learner *l, spa_error *err)
{
    ppo *p = (ppo *)l;
    double rate = spa_learner_param(l, RATE);
    if (spa_learner_param(l, ANNEAL) != 0) rate *= 1 - spa_learner_done(l);
    SPA_TRY(collect(p, err));
    estimate(p);
    return learn(p, rate, err);
}

static void actor(const spa_learner *l, spa_actor *a)
{
    const ppo *p = (const ppo *)l;
    a->rule = l->envs.shape.n_actions ? SPA_ACTOR_BEST : SPA_ACTOR_CLAMP;
    a->net = p->actor;
    a->values = p->params;
    a->n_values = p->actor.n_params;
}

const spa_learner_type spa_learner_ppo = {
    .name = "ppo",
    .summary = "proximal policy optimisation, actor and critic of tanh layers",
    .source = "Schulman et al. 2017, arXiv 1707.06347",
    .discrete = true,
    .continuous = true,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .size = sizeof(ppo),
    .n_envs_at = ENVS,
    .create = create,
    .destroy = destroy,
    .advance = advance,
    .actor = actor,
};
