/* Generalised advantage estimation, and the losses for both types of numbers. */
#include "policies/learn/losses.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "policies/learn/loops.h"

#define LOG_2PI   1.83787706640934548356
#define MOST_DIMS 256 /* numbers of a continuous action (problem.h) */

void spa_gae(size_t steps, size_t envs, const float *reward, const float *value,
             const float *next_value, const uint8_t *terminated, const uint8_t *truncated,
             double gamma, double lambda, float *advantage, float *target)
{
    for (size_t t = steps; t-- > 0;) {
        for (size_t e = 0; e < envs; e++) {
            size_t i = t * envs + e;
            double delta = reward[i] - value[i], later = 0;
            if (!terminated[i]) delta += gamma * next_value[i];
            if (t + 1 < steps && !terminated[i] && !truncated[i])
                later = gamma * lambda * advantage[i + envs];
            advantage[i] = (float)(delta + later);
            target[i] = advantage[i] + value[i];
        }
    }
}

/* One row's clipped loss; *slope = its derivative by log p. */
static double clipped_loss(double log_ratio, double advantage, double clip, double *slope,
                           spa_ppo_stats *s)
{
    double ratio = exp(log_ratio);
    double bounded = ratio < 1 - clip ? 1 - clip : ratio > 1 + clip ? 1 + clip : ratio;
    s->kl += ratio - 1 - log_ratio;
    s->clipped += bounded != ratio;
    *slope = ratio * advantage <= bounded * advantage ? -ratio * advantage : 0;
    double free = ratio * advantage, held = bounded * advantage;
    return free < held ? -free : -held;
}

static void stats_mean(spa_ppo_stats *s, size_t rows)
{
    s->policy_loss /= (double)rows;
    s->entropy /= (double)rows;
    s->kl /= (double)rows;
    s->clipped /= (double)rows;
}

static bool allowed(const uint8_t *mask, size_t at)
{
    return !mask || mask[at];
}

static void tanh_all_f32(size_t n, float *x)
{
    spa_loops_best()->bias_activate(NULL, 1, n, SPA_ACT_TANH, x);
}

static void tanh_all_f64(size_t n, double *x)
{
    for (size_t i = 0; i < n; i++) x[i] = tanh(x[i]);
}

#define REAL     float
#define NN(name) name##_f32
#define EXP      expf
#define LOG      logf
#define LOG1P    log1pf
#define TANH_ALL tanh_all_f32
#include "policies/learn/losses_body.h"
#undef REAL
#undef NN
#undef EXP
#undef LOG
#undef LOG1P
#undef TANH_ALL
#define REAL     double
#define NN(name) name##_f64
#define EXP      exp
#define LOG      log
#define LOG1P    log1p
#define TANH_ALL tanh_all_f64
#include "policies/learn/losses_body.h"
