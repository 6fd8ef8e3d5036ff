/* Rollouts of PPO: acting in the environments, values, advantages. */
#include "policies/learn/ppo.h"

#include <math.h>
#include <string.h>

static void draw_choices(ppo *p, ppo_part *t, size_t row, const float *y)
{
    spa_envs *e = &p->base.envs;
    size_t n = e->shape.n_actions;
    spa_log_softmax_f32(t->n, n, y, e->mask + t->first * n, t->log_p_scratch, t->p_scratch);
    for (size_t i = 0; i < t->n; i++) {
        uint32_t c = spa_learner_draw_choice(t->rng, t->p_scratch + i * n, n);
        e->choice[t->first + i] = p->all.choice[row + i] = c;
        p->all.log_p[row + i] = t->log_p_scratch[i * n + c];
    }
}

/* log p = -sum(noise^2 / 2 + log sd + log(2 pi) / 2) */
static void draw_values(ppo *p, ppo_part *t, size_t row, const float *y)
{
    spa_envs *e = &p->base.envs;
    size_t dim = e->shape.action_dim;
    const float *log_sd = p->params + p->log_sd_at;
    float *sd = t->p_scratch, constant = -0.918938533f * (float)dim;
    for (size_t k = 0; k < dim; k++) {
        sd[k] = expf(log_sd[k]);
        constant -= log_sd[k];
    }
    for (size_t i = 0; i < t->n; i++) {
        float *drawn = p->all.values + (row + i) * dim, *held = e->values + (t->first + i) * dim;
        p->all.log_p[row + i] = constant;
        for (size_t k = 0; k < dim; k++) {
            float noise = (float)spa_rng_gaussian(t->rng);
            drawn[k] = y[i * dim + k] + sd[k] * noise;
            held[k] = drawn[k] < -1 ? -1 : drawn[k] > 1 ? 1 : drawn[k];
            p->all.log_p[row + i] -= 0.5f * noise * noise;
        }
    }
}

/* Actions of a part's environments for what they show now; also into the rollout from `row` on. */
static void choose(ppo *p, ppo_part *t, size_t row)
{
    const spa_envs *e = &p->base.envs;
    const float *obs = e->obs + t->first * e->shape.n_obs;
    const float *y = spa_net_forward_f32(&p->actor, p->params, &t->actor_work, obs, t->n, 1);
    if (e->shape.n_actions)
        draw_choices(p, t, row, y);
    else
        draw_values(p, t, row, y);
}

/* Writes down what came of a step; ends of truncated episodes from `end` on, their number is
 * returned. */
static size_t keep(ppo *p, const ppo_part *t, size_t row, size_t end)
{
    const spa_envs *e = &p->base.envs;
    size_t n_obs = e->shape.n_obs, ends = 0;
    float scale = (float)spa_learner_param(&p->base, PPO_SCALE);
    memcpy(p->terminated + row, e->terminated + t->first, t->n);
    memcpy(p->truncated + row, e->truncated + t->first, t->n);
    for (size_t i = 0; i < t->n; i++) {
        size_t env = t->first + i;
        p->reward[row + i] = e->reward[env] * scale;
        p->ended_return[row + i] = e->ended_return[env];
        if (!e->truncated[env]) continue;
        p->end_row[end + ends] = row + i;
        memcpy(p->end_obs + (end + ends++) * n_obs, e->final_obs + env * n_obs,
               n_obs * sizeof(float));
    }
    return ends;
}

static void values_of(const ppo *p, ppo_part *t, const float *obs, size_t rows, float *value)
{
    size_t n_obs = p->base.envs.shape.n_obs, most = t->critic_work.max_rows;
    for (size_t r = 0; r < rows; r += most) {
        size_t n = rows - r < most ? rows - r : most;
        const float *v = spa_net_forward_f32(&p->critic, p->params + p->critic_at, &t->critic_work,
                                             obs + r * n_obs, n, 1);
        memcpy(value + r, v, n * sizeof *v);
    }
}

/* Values and advantages of a part's rows, which begin at `row`. */
static void estimate(ppo *p, ppo_part *t, size_t row, size_t ends)
{
    const spa_learner *l = &p->base;
    size_t rows = t->n * p->length, last = rows - t->n, n_obs = l->envs.shape.n_obs;
    float *value = p->all.value + row, *next = p->next_value + row;
    values_of(p, t, p->all.obs + row * n_obs, rows, value);
    memcpy(next, value + t->n, last * sizeof(float));
    values_of(p, t, l->envs.obs + t->first * n_obs, t->n, next + last);
    values_of(p, t, p->end_obs + row * n_obs, ends, p->end_value + row);
    for (size_t i = row; i < row + ends; i++) p->next_value[p->end_row[i]] = p->end_value[i];
    spa_gae(p->length, t->n, p->reward + row, value, next, p->terminated + row, p->truncated + row,
            spa_learner_param(l, PPO_GAMMA), spa_learner_param(l, PPO_LAMBDA),
            p->all.advantage + row, p->all.target + row);
}

static void collect_part(void *user, size_t index)
{
    ppo *p = user;
    ppo_part *t = &p->parts[index];
    spa_envs *e = &p->base.envs;
    size_t n_obs = e->shape.n_obs, n = e->shape.n_actions, ends = 0;
    size_t begin = t->first * p->length, row = begin;
    t->status = SPA_OK;
    for (size_t step = 0; step < p->length && !t->status; step++, row += t->n) {
        memcpy(p->all.obs + row * n_obs, e->obs + t->first * n_obs, t->n * n_obs * sizeof(float));
        memcpy(p->all.mask + row * n, e->mask + t->first * n, t->n * n);
        choose(p, t, row);
        t->status = spa_envs_step_some(e, t->first, t->n, &t->error);
        if (!t->status) ends += keep(p, t, row, begin + ends);
    }
    if (!t->status && t->n) estimate(p, t, begin, ends);
}

spa_status ppo_collect(ppo *p, spa_error *err)
{
    spa_learner *l = &p->base;
    spa_crew_run(l->crew, p->n_parts, collect_part, p);
    for (size_t i = 0; i < p->n_parts; i++) {
        if (!p->parts[i].status) continue;
        if (err) *err = p->parts[i].error;
        return p->parts[i].status;
    }
    l->state->steps += p->rows;
    for (size_t r = 0; r < p->rows; r++)
        if (p->terminated[r] || p->truncated[r]) spa_learner_ended(l, p->ended_return[r]);
    return SPA_OK;
}
