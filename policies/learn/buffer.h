/* Replay buffer: the last `capacity` transitions as flat arrays, and minibatches drawn from them.
 */
#ifndef SPA_POLICIES_LEARN_BUFFER_H
#define SPA_POLICIES_LEARN_BUFFER_H

#include <string.h>

#include "policies/learn/learner.h"

typedef struct spa_buffer_rows {
    float *obs, *next_obs;     /* [rows][n_obs]; next_obs is that of the same episode, always */
    float *reward;             /* [rows] */
    uint32_t *choice;          /* [rows], discrete */
    float *values;             /* [rows][action_dim], continuous */
    uint8_t *mask, *next_mask; /* [rows][n_actions] */
    uint8_t *terminated;       /* [rows]; a truncation is none */
} spa_buffer_rows;

typedef struct spa_buffer {
    spa_problem_shape shape;
    size_t capacity, batch;
    uint64_t *count;       /* of transitions ever stored */
    spa_rng *rng;          /* of the draws */
    spa_buffer_rows all;   /* [capacity], a ring */
    spa_buffer_rows drawn; /* [batch], the last minibatch */
    float *before;         /* [envs][n_obs] observations before the step */
    uint8_t *mask_before;
} spa_buffer;

/* In the learner's arena; what must survive is registered for checkpoints. */
spa_status spa_buffer_init(spa_buffer *buffer, spa_learner *learner, size_t capacity, size_t batch,
                           spa_error *err);
/* Around spa_envs_step: remembers what the actions are chosen on, and stores what came of them. */
void spa_buffer_before(spa_buffer *buffer, const spa_envs *envs);
void spa_buffer_after(spa_buffer *buffer, const spa_envs *envs, float reward_scale);
/* Draws `batch` transitions, with replacement, into buffer->drawn. There must be at least one. */
void spa_buffer_draw(spa_buffer *buffer);

/* Rows are mostly a few numbers, for which calling memcpy costs more than copying. */
static inline void spa_copy_row(float *to, const float *from, size_t n)
{
    if (n > 16)
        memcpy(to, from, n * sizeof *to);
    else
        for (size_t i = 0; i < n; i++) to[i] = from[i];
}

static inline size_t spa_buffer_rows_now(const spa_buffer *b)
{
    return *b->count < b->capacity ? (size_t)*b->count : b->capacity;
}

#endif
