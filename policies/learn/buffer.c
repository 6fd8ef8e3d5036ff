#include "policies/learn/buffer.h"

#include <string.h>

static spa_status rows_init(spa_buffer_rows *r, spa_learner *l, const char *const names[8],
                            size_t rows, spa_error *err)
{
    const spa_problem_shape *s = &l->envs.shape;
    size_t choices = s->n_actions ? rows : 0, masks = rows * s->n_actions;
    SPA_TRY(spa_learner_array(l, names[0], &r->obs, rows * s->n_obs, sizeof *r->obs, err));
    SPA_TRY(spa_learner_array(l, names[1], &r->next_obs, rows * s->n_obs, sizeof *r->obs, err));
    SPA_TRY(spa_learner_array(l, names[2], &r->reward, rows, sizeof *r->reward, err));
    SPA_TRY(spa_learner_array(l, names[3], &r->choice, choices, sizeof *r->choice, err));
    SPA_TRY(
        spa_learner_array(l, names[4], &r->values, rows * s->action_dim, sizeof *r->values, err));
    SPA_TRY(spa_learner_array(l, names[5], &r->mask, masks, 1, err));
    SPA_TRY(spa_learner_array(l, names[6], &r->next_mask, masks, 1, err));
    return spa_learner_array(l, names[7], &r->terminated, rows, 1, err);
}

spa_status spa_buffer_init(spa_buffer *buffer, spa_learner *learner, size_t capacity, size_t batch,
                           spa_error *err)
{
    static const char *const saved[8] = {"buffer/obs",       "buffer/next_obs",  "buffer/reward",
                                         "buffer/choice",    "buffer/values",    "buffer/mask",
                                         "buffer/next_mask", "buffer/terminated"};
    static const char *const not_saved[8] = {NULL};
    const spa_problem_shape *s = &learner->envs.shape;
    size_t n = learner->envs.n;
    memset(buffer, 0, sizeof *buffer);
    buffer->shape = *s;
    buffer->capacity = capacity;
    buffer->batch = batch;
    SPA_TRY(
        spa_learner_array(learner, "buffer/count", &buffer->count, 1, sizeof *buffer->count, err));
    SPA_TRY(spa_learner_array(learner, "buffer/rng", &buffer->rng, 1, sizeof *buffer->rng, err));
    SPA_TRY(rows_init(&buffer->all, learner, saved, capacity, err));
    SPA_TRY(rows_init(&buffer->drawn, learner, not_saved, batch, err));
    SPA_TRY(spa_learner_array(learner, NULL, &buffer->before, n * s->n_obs, sizeof(float), err));
    SPA_TRY(spa_learner_array(learner, NULL, &buffer->mask_before, n * s->n_actions, 1, err));
    spa_rng_init(buffer->rng, learner->setup.seed, "learn/buffer");
    return SPA_OK;
}

void spa_buffer_before(spa_buffer *buffer, const spa_envs *envs)
{
    memcpy(buffer->before, envs->obs, envs->n * envs->shape.n_obs * sizeof(float));
    memcpy(buffer->mask_before, envs->mask, envs->n * envs->shape.n_actions);
}

void spa_buffer_after(spa_buffer *buffer, const spa_envs *envs, float reward_scale)
{
    size_t n_obs = buffer->shape.n_obs, n = buffer->shape.n_actions;
    size_t dim = buffer->shape.action_dim;
    const spa_buffer_rows *to = &buffer->all;
    for (size_t e = 0; e < envs->n; e++) {
        size_t at = (size_t)((*buffer->count)++ % buffer->capacity);
        bool ended = envs->terminated[e] || envs->truncated[e];
        memcpy(to->obs + at * n_obs, buffer->before + e * n_obs, n_obs * sizeof(float));
        memcpy(to->next_obs + at * n_obs, (ended ? envs->final_obs : envs->obs) + e * n_obs,
               n_obs * sizeof(float));
        to->reward[at] = envs->reward[e] * reward_scale;
        to->terminated[at] = envs->terminated[e];
        memcpy(to->mask + at * n, buffer->mask_before + e * n, n);
        if (n) memcpy(to->next_mask + at * n, (ended ? envs->final_mask : envs->mask) + e * n, n);
        if (n)
            to->choice[at] = envs->choice[e];
        else
            memcpy(to->values + at * dim, envs->values + e * dim, dim * sizeof(float));
    }
}

void spa_buffer_draw(spa_buffer *buffer)
{
    const spa_buffer_rows *from = &buffer->all, *to = &buffer->drawn;
    size_t n_obs = buffer->shape.n_obs, n = buffer->shape.n_actions;
    size_t dim = buffer->shape.action_dim;
    uint32_t rows = (uint32_t)spa_buffer_rows_now(buffer);
    for (size_t r = 0; r < buffer->batch; r++) {
        size_t at = spa_rng_below(buffer->rng, rows);
        spa_copy_row(to->obs + r * n_obs, from->obs + at * n_obs, n_obs);
        spa_copy_row(to->next_obs + r * n_obs, from->next_obs + at * n_obs, n_obs);
        to->reward[r] = from->reward[at];
        to->terminated[r] = from->terminated[at];
        if (n == 0) {
            spa_copy_row(to->values + r * dim, from->values + at * dim, dim);
            continue;
        }
        to->choice[r] = from->choice[at];
        memcpy(to->mask + r * n, from->mask + at * n, n);
        memcpy(to->next_mask + r * n, from->next_mask + at * n, n);
    }
}
