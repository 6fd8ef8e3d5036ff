/* Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347), with the details that make
 * it work (Huang et al., "The 37 implementation details of PPO", ICLR blog track 2022): advantages
 * by GAE, normalised per minibatch; clipped value loss; orthogonal start; annealed learning rate;
 * gradients clipped by their global norm; masked choices (Huang and Ontanon 2022). Actor and critic
 * are networks of their own in one vector of parameters: actor, then log sd (continuous), then
 * critic.
 *
 * Rollouts and gradients are made in parts, which threads share; a part draws from a stream of its
 * own, and sums go over the parts in their order, so that threads change nothing but the time. */
#include "policies/learn/ppo.h"

#include <math.h>
#include <string.h>

#include "policies/learn/buffer.h"
#include "policies/learn/loops.h"

static const spa_param params[] = {
    [PPO_ENVS] = {"envs", SPA_PARAM_INT, 16, 1, 4096, NULL, "", "environments side by side"},
    [PPO_STEPS] = {"steps", SPA_PARAM_INT, 128, 1, 65536, NULL, "",
                   "steps of each before an update"},
    [PPO_MINIBATCH] = {"minibatch", SPA_PARAM_INT, 256, 2, 1 << 20, NULL, "steps", "of a gradient"},
    [PPO_EPOCHS] = {"epochs", SPA_PARAM_INT, 4, 1, 100, NULL, "", "passes over the steps"},
    [PPO_RATE] = {"rate", SPA_PARAM_REAL, 1e-3, 0, 1, NULL, "", "learning rate"},
    [PPO_ANNEAL] = {"anneal", SPA_PARAM_INT, 1, 0, 1, NULL, "", "1 = the rate falls to 0"},
    [PPO_GAMMA] = {"gamma", SPA_PARAM_REAL, 0.99, 0, 1, NULL, "", "discount per step"},
    [PPO_LAMBDA] = {"lambda", SPA_PARAM_REAL, 0.95, 0, 1, NULL, "", "of GAE"},
    [PPO_CLIP] = {"clip", SPA_PARAM_REAL, 0.2, 1e-6, 10, NULL, "", "of ratios and values"},
    [PPO_VALUE_WEIGHT] = {"value-weight", SPA_PARAM_REAL, 0.5, 0, 100, NULL, "",
                          "of the value loss"},
    [PPO_ENTROPY] = {"entropy", SPA_PARAM_REAL, 0.01, 0, 10, NULL, "", "weight of the entropy"},
    [PPO_MAX_NORM] = {"max-norm", SPA_PARAM_REAL, 0.5, 0, 1e6, NULL, "", "of gradients; 0 = any"},
    [PPO_HIDDEN] = {"hidden", SPA_PARAM_INT, 64, 1, 4096, NULL, "", "features per hidden layer"},
    [PPO_DEPTH] = {"depth", SPA_PARAM_INT, 2, 1, 8, NULL, "", "hidden layers"},
    [PPO_SCALE] = {"reward-scale", SPA_PARAM_REAL, 1, 1e-9, 1e9, NULL, "",
                   "rewards are multiplied"},
    [PPO_KL] = {"kl", SPA_PARAM_REAL, 0, 0, 10, NULL, "", "stop the epochs beyond it; 0 = never"},
};

#define LEAST_ENVS 8   /* of a part; fewer rows are slow to multiply */
#define LEAST_ROWS 128 /* of a minibatch's part */

/* ---- making ---- */

static spa_status make_steps(ppo *p, ppo_steps *s, size_t rows, spa_error *err)
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
    size_t hidden = (size_t)spa_learner_param(l, PPO_HIDDEN);
    size_t depth = (size_t)spa_learner_param(l, PPO_DEPTH), f = sizeof(float);
    spa_net_mlp(&p->actor, s->n_obs, hidden, depth, s->n_actions + s->action_dim, SPA_ACT_TANH);
    spa_net_mlp(&p->critic, s->n_obs, hidden, depth, 1, SPA_ACT_TANH);
    p->log_sd_at = p->actor.n_params;
    p->critic_at = p->log_sd_at + s->action_dim;
    p->n_params = p->critic_at + p->critic.n_params;
    SPA_TRY(spa_learner_array(l, "ppo/params", &p->params, p->n_params + SPA_NET_PAD, f, err));
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

static spa_status make_part(ppo *p, ppo_part *t, size_t index, spa_error *err)
{
    spa_learner *l = &p->base;
    const spa_problem_shape *s = &l->envs.shape;
    size_t outputs = s->n_actions + s->action_dim, f = sizeof(float);
    size_t size = (p->n + p->n_parts - 1) / p->n_parts;
    t->first = index * size < p->n ? index * size : p->n;
    t->n = p->n - t->first < size ? p->n - t->first : size;
    size_t widest = p->part_rows > size ? p->part_rows : size;
    SPA_TRY(spa_net_work_init_f32(&t->actor_work, &p->actor, widest, 1, err));
    SPA_TRY(spa_net_work_init_f32(&t->critic_work, &p->critic, widest, 1, err));
    SPA_TRY(make_steps(p, &t->some, p->part_rows, err));
    SPA_TRY(spa_learner_array(l, NULL, &t->gradients, p->n_params + SPA_NET_PAD, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &t->log_p_scratch, widest * outputs, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &t->p_scratch, widest * outputs, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &t->d_actor, p->part_rows * outputs, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &t->d_value, p->part_rows, f, err));
    t->rng = &p->rng[index];
    spa_rng_init_indexed(t->rng, l->setup.seed, "learn/actions", index);
    return SPA_OK;
}

static spa_status make_rollout(ppo *p, spa_error *err)
{
    spa_learner *l = &p->base;
    const spa_problem_shape *s = &l->envs.shape;
    size_t f = sizeof(float);
    SPA_TRY(make_steps(p, &p->all, p->rows, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->reward, p->rows, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->next_value, p->rows, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->terminated, p->rows, 1, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->truncated, p->rows, 1, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->ended_return, p->rows, sizeof(double), err));
    SPA_TRY(spa_learner_array(l, NULL, &p->end_obs, p->rows * s->n_obs, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->end_row, p->rows, sizeof *p->end_row, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->end_value, p->rows, f, err));
    SPA_TRY(spa_learner_array(l, NULL, &p->order, p->rows, sizeof *p->order, err));
    SPA_TRY(spa_learner_array(l, "ppo/rng", &p->rng, PPO_PARTS, sizeof *p->rng, err));
    SPA_TRY(spa_learner_array(l, "ppo/shuffle", &p->shuffle_rng, 1, sizeof *p->rng, err));
    spa_rng_init(p->shuffle_rng, l->setup.seed, "learn/shuffle");
    return SPA_OK;
}

/* As many parts as there can be with `least` in each. */
static size_t parts_of(size_t count, size_t least)
{
    size_t n = count / least;
    return n < 1 ? 1 : n > PPO_PARTS ? PPO_PARTS : n;
}

static spa_status create(spa_learner *l, spa_error *err)
{
    ppo *p = (ppo *)l;
    p->n = l->envs.n;
    p->length = (size_t)spa_learner_param(l, PPO_STEPS);
    p->rows = p->n * p->length;
    p->minibatch = (size_t)spa_learner_param(l, PPO_MINIBATCH);
    if (p->minibatch > p->rows) {
        return spa_fail(err, SPA_E_INVALID,
                        "ppo: a minibatch of %zu steps is more than envs * steps = %zu",
                        p->minibatch, p->rows);
    }
    if (p->rows > UINT32_MAX)
        return spa_fail(err, SPA_E_RANGE, "ppo: a rollout of %zu steps is too long", p->rows);
    p->n_parts = parts_of(p->n, LEAST_ENVS);
    p->n_row_parts = parts_of(p->minibatch, LEAST_ROWS);
    p->part_rows = (p->minibatch + p->n_row_parts - 1) / p->n_row_parts;
    SPA_TRY(make_networks(p, err));
    SPA_TRY(make_rollout(p, err));
    for (size_t i = 0; i < p->n_parts || i < p->n_row_parts; i++)
        SPA_TRY(make_part(p, &p->parts[i], i, err));
    return SPA_OK;
}

static void destroy(spa_learner *l)
{
    ppo *p = (ppo *)l;
    for (size_t i = 0; i < PPO_PARTS; i++) {
        spa_net_work_fini_f32(&p->parts[i].actor_work);
        spa_net_work_fini_f32(&p->parts[i].critic_work);
    }
}

/* ---- learning ---- */

static void gather(const ppo *p, const ppo_part *t, const uint32_t *rows, size_t count)
{
    const spa_problem_shape *s = &p->base.envs.shape;
    const ppo_steps *from = &p->all, *to = &t->some;
    for (size_t i = 0; i < count; i++) {
        size_t r = rows[i];
        spa_copy_row(to->obs + i * s->n_obs, from->obs + r * s->n_obs, s->n_obs);
        to->log_p[i] = from->log_p[r];
        to->value[i] = from->value[r];
        to->target[i] = from->target[r];
        to->advantage[i] = (float)((from->advantage[r] - p->mean) * p->scale);
        to->choice[i] = from->choice[r];
        for (size_t k = 0; k < s->n_actions; k++)
            to->mask[i * s->n_actions + k] = from->mask[r * s->n_actions + k];
        for (size_t k = 0; k < s->action_dim; k++)
            to->values[i * s->action_dim + k] = from->values[r * s->action_dim + k];
    }
}

/* Mean and scale that normalise the minibatch's advantages. */
static void measure_advantages(ppo *p)
{
    const uint32_t *rows = p->order + p->at;
    double sum = 0, squares = 0, n = (double)p->count;
    for (size_t i = 0; i < p->count; i++) sum += p->all.advantage[rows[i]];
    p->mean = sum / n;
    for (size_t i = 0; i < p->count; i++) {
        double d = p->all.advantage[rows[i]] - p->mean;
        squares += d * d;
    }
    p->scale = 1 / (sqrt(squares / (n - 1)) + 1e-8);
}

/* Losses divide by the rows that they see; of the whole minibatch these are a share. */
static void weigh(float *x, size_t n, double share)
{
    for (size_t i = 0; share != 1 && i < n; i++) x[i] = (float)(x[i] * share);
}

/* The gradient of a part's rows of the minibatch. */
static void learn_part(void *user, size_t index)
{
    ppo *p = user;
    ppo_part *t = &p->parts[index];
    const spa_learner *l = &p->base;
    const spa_problem_shape *s = &l->envs.shape;
    const ppo_steps *m = &t->some;
    const float *critic = p->params + p->critic_at;
    size_t first = index * p->part_rows, rest = p->count - first;
    size_t rows = rest < p->part_rows ? rest : p->part_rows, outputs = p->actor.out;
    double clip = spa_learner_param(l, PPO_CLIP), entropy = spa_learner_param(l, PPO_ENTROPY);
    double share = (double)rows / (double)p->count;
    memset(t->gradients, 0, p->n_params * sizeof *t->gradients);
    gather(p, t, p->order + p->at + first, rows);
    const float *y = spa_net_forward_f32(&p->actor, p->params, &t->actor_work, m->obs, rows, 1);
    if (s->n_actions) {
        spa_ppo_discrete_f32(rows, s->n_actions, y, m->mask, m->choice, m->log_p, m->advantage,
                             clip, entropy, t->log_p_scratch, t->d_actor, &t->stats);
    } else {
        spa_ppo_gaussian_f32(rows, s->action_dim, y, p->params + p->log_sd_at, m->values, m->log_p,
                             m->advantage, clip, entropy, t->d_actor, t->gradients + p->log_sd_at,
                             &t->stats);
        weigh(t->gradients + p->log_sd_at, s->action_dim, share);
    }
    weigh(t->d_actor, rows * outputs, share);
    spa_net_backward_f32(&p->actor, p->params, &t->actor_work, t->d_actor, t->gradients, NULL);
    y = spa_net_forward_f32(&p->critic, critic, &t->critic_work, m->obs, rows, 1);
    t->stats.value_loss = spa_value_loss_f32(rows, y, m->value, m->target, clip,
                                             spa_learner_param(l, PPO_VALUE_WEIGHT), t->d_value);
    weigh(t->d_value, rows, share);
    spa_net_backward_f32(&p->critic, critic, &t->critic_work, t->d_value,
                         t->gradients + p->critic_at, NULL);
}

static void add_stats(spa_ppo_stats *to, const spa_ppo_stats *from, double share)
{
    to->policy_loss += share * from->policy_loss;
    to->value_loss += share * from->value_loss;
    to->entropy += share * from->entropy;
    to->kl += share * from->kl;
    to->clipped += share * from->clipped;
}

/* One gradient from `count` rows at `at` of the order: its parts, added up in their order. */
static spa_status update(ppo *p, size_t at, size_t count, double rate, spa_ppo_stats *stats,
                         spa_error *err)
{
    const spa_learner *l = &p->base;
    const spa_loops *loops = spa_loops_best();
    size_t n = (count + p->part_rows - 1) / p->part_rows;
    float *sum = p->parts[0].gradients;
    p->at = at;
    p->count = count;
    measure_advantages(p);
    spa_crew_run(l->crew, n, learn_part, p);
    *stats = (spa_ppo_stats){0};
    for (size_t i = 0; i < n; i++) {
        size_t rows = i + 1 < n ? p->part_rows : count - i * p->part_rows;
        if (i > 0) loops->add(sum, p->parts[i].gradients, p->n_params);
        add_stats(stats, &p->parts[i].stats, (double)rows / (double)count);
    }
    double norm = spa_adam_update(p->adam, rate, spa_learner_param(l, PPO_MAX_NORM), p->n_params,
                                  p->params, sum, p->moment1, p->moment2);
    return spa_learner_finite(l, "gradient", norm, err);
}

/* A number below n by multiplication: off from uniform by at most n / 2^32, and five times as fast
 * as without a bias. */
static size_t below(spa_rng *rng, size_t n)
{
    return (size_t)((uint64_t)spa_rng_u32(rng) * n >> 32);
}

static void shuffle(ppo *p)
{
    for (size_t i = p->rows; i-- > 1;) {
        size_t k = below(p->shuffle_rng, i + 1);
        uint32_t swap = p->order[i];
        p->order[i] = p->order[k];
        p->order[k] = swap;
    }
}

static spa_status learn(ppo *p, double rate, spa_error *err)
{
    spa_learner *l = &p->base;
    size_t epochs = (size_t)spa_learner_param(l, PPO_EPOCHS);
    double limit = spa_learner_param(l, PPO_KL);
    spa_ppo_stats stats = {0};
    for (size_t i = 0; i < p->rows; i++) p->order[i] = (uint32_t)i;
    for (size_t epoch = 0; epoch < epochs; epoch++) {
        shuffle(p);
        for (size_t at = 0; at + 2 <= p->rows; at += p->minibatch) {
            size_t rows = p->rows - at < p->minibatch ? p->rows - at : p->minibatch;
            SPA_TRY(update(p, at, rows, rate, &stats, err));
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
    double rate = spa_learner_param(l, PPO_RATE);
    if (spa_learner_param(l, PPO_ANNEAL) != 0) rate *= 1 - spa_learner_done(l);
    SPA_TRY(ppo_collect(p, err));
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
    .threaded = true,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .size = sizeof(ppo),
    .n_envs_at = PPO_ENVS,
    .create = create,
    .destroy = destroy,
    .advance = advance,
    .actor = actor,
};
