/* Advantages and losses against a second, naive implementation in double precision, and gradients
 * against central differences of that one. */
#include "tests/base/check.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include "base/rng.h"
#include "policies/learn/adam.h"
#include "policies/learn/losses.h"

/* ---- GAE ---- */

enum { STEPS = 37, ENVS = 3, ALL = STEPS * ENVS };

/* The exponentially weighted mean of the n-step advantages (Schulman et al. 2016, eq. 11 - 16) up
 * to the end of the episode or of the rollout, by its definition. */
static double advantage_by_definition(size_t t, size_t e, const float *reward, const float *value,
                                      const float *next, const uint8_t *terminated,
                                      const uint8_t *truncated, double gamma, double lambda)
{
    double sum = 0, rewards = 0, discount = 1, weight = 1;
    for (size_t k = t;; k++) {
        size_t i = k * ENVS + e;
        bool last = terminated[i] || truncated[i] || k + 1 == STEPS;
        rewards += discount * reward[i];
        discount *= gamma;
        double n_step = rewards + (terminated[i] ? 0 : discount * next[i]) - value[t * ENVS + e];
        if (last) return sum + weight * n_step;
        sum += (1 - lambda) * weight * n_step;
        weight *= lambda;
    }
}

Test(losses, advantages_are_the_weighted_means_of_n_step_ones_with_both_kinds_of_end)
{
    float reward[ALL], value[ALL], next[ALL], advantage[ALL], target[ALL];
    uint8_t terminated[ALL], truncated[ALL];
    spa_rng rng;
    spa_rng_init(&rng, 1, "test/gae");
    for (int round = 0; round < 20; round++) {
        double gamma = 0.9 + 0.1 * spa_rng_uniform(&rng), lambda = spa_rng_uniform(&rng);
        size_t ends[2] = {0};
        for (size_t i = 0; i < ALL; i++) {
            reward[i] = (float)spa_rng_gaussian(&rng);
            value[i] = (float)spa_rng_gaussian(&rng);
            terminated[i] = spa_rng_below(&rng, 10) == 0;
            truncated[i] = !terminated[i] && spa_rng_below(&rng, 10) == 0;
            ends[0] += terminated[i];
            ends[1] += truncated[i];
        }
        for (size_t i = 0; i < ALL; i++) {
            bool goes_on = i + ENVS < ALL && !truncated[i];
            next[i] = goes_on ? value[i + ENVS] : (float)spa_rng_gaussian(&rng);
            if (terminated[i]) next[i] = 1e6f; /* must not be used */
        }
        cr_assert(ends[0] > 0 && ends[1] > 0);
        spa_gae(STEPS, ENVS, reward, value, next, terminated, truncated, gamma, lambda, advantage,
                target);
        for (size_t t = 0; t < STEPS; t++) {
            for (size_t e = 0; e < ENVS; e++) {
                double want = advantage_by_definition(t, e, reward, value, next, terminated,
                                                      truncated, gamma, lambda);
                size_t i = t * ENVS + e;
                cr_assert_lt(fabs(advantage[i] - want), 1e-5, "step %zu", t);
                cr_assert_lt(fabs(target[i] - (want + value[i])), 1e-5);
            }
        }
    }
}

Test(losses, a_termination_has_no_value_behind_it_and_a_truncation_has)
{
    /* gamma 0.5, lambda 1, value 1 everywhere, next value 8: terminated: 2 - 1 = 1; truncated: 2 +
     * 4 - 1 = 5; neither and last of the rollout: 5 as well. */
    float reward[2] = {2, 2}, value[2] = {1, 1}, next[2] = {8, 8}, a[2], target[2];
    uint8_t yes[2] = {1, 0}, no[2] = {0, 0};
    spa_gae(1, 2, reward, value, next, yes, no, 0.5, 1, a, target);
    cr_assert(a[0] == 1 && a[1] == 5 && target[0] == 2 && target[1] == 6);
    spa_gae(1, 2, reward, value, next, no, yes, 0.5, 1, a, target);
    cr_assert(a[0] == 5 && a[1] == 5);
}

/* ---- a naive second implementation ---- */

#define PI 3.14159265358979323846
#define E  2.71828182845904523536

enum { ROWS = 6, N = 4, DIM = 2 };

typedef struct scene {
    double x[ROWS * N], other[ROWS * N], third[ROWS * N]; /* logits, Q of two critics ... */
    uint8_t mask[ROWS * N];
    uint32_t action[ROWS];
    double old[ROWS], advantage[ROWS], target[ROWS];
    double action_values[ROWS * DIM], log_sd[DIM], noise[ROWS * DIM];
} scene;

static void make(scene *s, uint64_t seed)
{
    spa_rng rng;
    spa_rng_init(&rng, seed, "test/losses");
    for (size_t i = 0; i < ROWS * N; i++) {
        s->x[i] = spa_rng_gaussian(&rng);
        s->other[i] = spa_rng_gaussian(&rng);
        s->third[i] = spa_rng_gaussian(&rng);
        s->mask[i] = spa_rng_below(&rng, 3) > 0;
    }
    for (size_t r = 0; r < ROWS; r++) {
        s->action[r] = spa_rng_below(&rng, N);
        s->mask[r * N + s->action[r]] = 1;
        s->old[r] = -1.4 + 0.5 * spa_rng_gaussian(&rng);
        s->advantage[r] = spa_rng_gaussian(&rng);
        s->target[r] = 2 * spa_rng_gaussian(&rng);
    }
    for (size_t i = 0; i < ROWS * DIM; i++) {
        s->action_values[i] = spa_rng_gaussian(&rng);
        s->noise[i] = spa_rng_gaussian(&rng);
    }
    for (size_t i = 0; i < DIM; i++) s->log_sd[i] = 0.3 * spa_rng_gaussian(&rng);
}

/* Probability of action i in row r, from its definition. */
static double chance(const scene *s, size_t r, size_t i)
{
    double sum = 0;
    for (size_t k = 0; k < N; k++) sum += s->mask[r * N + k] ? exp(s->x[r * N + k]) : 0;
    return s->mask[r * N + i] ? exp(s->x[r * N + i]) / sum : 0;
}

static double naive_clip(double ratio, double advantage, double clip)
{
    double bounded = fmax(1 - clip, fmin(1 + clip, ratio));
    return -fmin(ratio * advantage, bounded * advantage);
}

static double naive_ppo(const scene *s)
{
    double loss = 0;
    for (size_t r = 0; r < ROWS; r++) {
        double entropy = 0;
        for (size_t i = 0; i < N; i++) {
            double p = chance(s, r, i);
            if (p > 0) entropy -= p * log(p);
        }
        double ratio = chance(s, r, s->action[r]) / exp(s->old[r]);
        loss += naive_clip(ratio, s->advantage[r], 0.2) - 0.05 * entropy;
    }
    return loss / ROWS;
}

static double naive_gaussian(const scene *s)
{
    double loss = 0;
    for (size_t r = 0; r < ROWS; r++) {
        double density = 1, entropy = 0;
        for (size_t i = 0; i < DIM; i++) {
            double sd = exp(s->log_sd[i]),
                   z = (s->action_values[r * DIM + i] - s->x[r * DIM + i]) / sd;
            density *= exp(-z * z / 2) / (sd * sqrt(2 * PI));
            entropy += log(sd * sqrt(2 * PI * E));
        }
        loss += naive_clip(density / exp(s->old[r] - 2), s->advantage[r], 0.2) - 0.05 * entropy;
    }
    return loss / ROWS;
}

static double naive_value(const scene *s)
{
    double loss = 0;
    for (size_t r = 0; r < ROWS; r++) {
        double v = s->x[r], old = s->old[r], t = s->target[r];
        double held = fmax(old - 0.2, fmin(old + 0.2, v));
        loss += 0.5 * fmax((v - t) * (v - t), (held - t) * (held - t));
    }
    return 0.7 * loss / ROWS;
}

/* x[ROWS][N]: the value, then N - 1 advantages. */
static double naive_dueling(const scene *s)
{
    double loss = 0;
    for (size_t r = 0; r < ROWS; r++) {
        const double *y = s->x + r * N;
        const uint8_t *mask = s->mask + r * (N - 1);
        double mean = 0, count = 0;
        size_t chosen = s->action[r] % (N - 1);
        for (size_t i = 0; i < N - 1; i++) {
            mean += mask[i] ? y[1 + i] : 0;
            count += mask[i];
        }
        loss += pow(y[0] + y[1 + chosen] - mean / count - s->target[r], 2) / 2;
    }
    return loss / ROWS;
}

static double naive_sac(const scene *s)
{
    double loss = 0;
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < N; i++) {
            double p = chance(s, r, i), q = fmin(s->other[r * N + i], s->third[r * N + i]);
            if (p > 0) loss += p * (0.3 * log(p) - q);
        }
    }
    return loss / ROWS;
}

/* A squashed Gaussian's alpha * log density - Q with Q(a) = sum of weight * a. x [ROWS][2 DIM]. */
static double naive_squash(const scene *s)
{
    double loss = 0;
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < DIM; i++) {
            double mean = s->x[r * 2 * DIM + i], t = tanh(s->x[r * 2 * DIM + DIM + i]);
            double sd = exp(-5 + 3.5 * (1 + t)), z = s->noise[r * DIM + i], a = tanh(mean + sd * z);
            double density = exp(-z * z / 2) / (sd * sqrt(2 * PI)) / (1 - a * a);
            loss += 0.3 * log(density) - s->other[r * DIM + i] * a;
        }
    }
    return loss / ROWS;
}

static void by_differences(scene *s, double (*loss)(const scene *), double *x, size_t n,
                           const double *gradient)
{
    const double h = 1e-6;
    for (size_t i = 0; i < n; i++) {
        double was = x[i];
        x[i] = was + h;
        double up = loss(s);
        x[i] = was - h;
        double down = loss(s);
        x[i] = was;
        cr_assert_lt(fabs(gradient[i] - (up - down) / (2 * h)), 1e-7, "%zu: %.10g, not %.10g", i,
                     gradient[i], (up - down) / (2 * h));
    }
}

Test(losses, ppo_over_choices_is_the_naive_one)
{
    size_t clipped = 0;
    for (uint64_t seed = 0; seed < 30; seed++) {
        scene s;
        double log_p[ROWS * N], d[ROWS * N];
        spa_ppo_stats stats = {0};
        make(&s, seed);
        spa_ppo_discrete_f64(ROWS, N, s.x, s.mask, s.action, s.old, s.advantage, 0.2, 0.05, log_p,
                             d, &stats);
        cr_assert_lt(fabs(stats.policy_loss - 0.05 * stats.entropy - naive_ppo(&s)), 1e-12);
        by_differences(&s, naive_ppo, s.x, ROWS * N, d);
        clipped += stats.clipped > 0;
    }
    cr_assert_gt(clipped, 10); /* both branches were there */
}

Test(losses, ppo_over_a_gaussian_is_the_naive_one)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        scene s;
        double d[ROWS * DIM], d_log_sd[DIM] = {0}, old[ROWS];
        spa_ppo_stats stats = {0};
        make(&s, seed);
        for (size_t r = 0; r < ROWS; r++) old[r] = s.old[r] - 2;
        spa_ppo_gaussian_f64(ROWS, DIM, s.x, s.log_sd, s.action_values, old, s.advantage, 0.2, 0.05,
                             d, d_log_sd, &stats);
        cr_assert_lt(fabs(stats.policy_loss - 0.05 * stats.entropy - naive_gaussian(&s)), 1e-12);
        by_differences(&s, naive_gaussian, s.x, ROWS * DIM, d);
        by_differences(&s, naive_gaussian, s.log_sd, DIM, d_log_sd);
    }
}

Test(losses, the_clipped_value_loss_is_the_naive_one)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        scene s;
        double d[ROWS];
        make(&s, seed);
        double loss = spa_value_loss_f64(ROWS, s.x, s.old, s.target, 0.2, 0.7, d);
        cr_assert_lt(fabs(0.7 * loss - naive_value(&s)), 1e-12);
        by_differences(&s, naive_value, s.x, ROWS, d);
    }
}

Test(losses, the_dueling_loss_is_the_naive_one)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        scene s;
        double q[ROWS * (N - 1)], d[ROWS * N];
        make(&s, seed);
        uint32_t action[ROWS];
        for (size_t r = 0; r < ROWS; r++) {
            action[r] = s.action[r] % (N - 1);
            s.mask[r * (N - 1) + action[r]] = 1;
        }
        spa_dueling_f64(ROWS, N - 1, s.x, s.mask, q);
        double loss = spa_dueling_loss_f64(ROWS, N - 1, q, s.mask, action, s.target, d);
        cr_assert_lt(fabs(loss - naive_dueling(&s)), 1e-12);
        by_differences(&s, naive_dueling, s.x, ROWS * N, d);
        for (size_t i = 0; i < ROWS * (N - 1); i++) cr_assert_eq(isinf(q[i]) != 0, !s.mask[i]);
    }
}

Test(losses, sac_over_choices_is_the_naive_one)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        scene s;
        double log_p[ROWS * N], p[ROWS * N], d[ROWS * N], value[ROWS], entropy = 0, mean = 0;
        make(&s, seed);
        spa_log_softmax_f64(ROWS, N, s.x, s.mask, log_p, p);
        for (size_t i = 0; i < ROWS * N; i++)
            cr_assert_lt(fabs(p[i] - chance(&s, i / N, i % N)), 1e-14);
        double loss = spa_sac_discrete_f64(ROWS, N, log_p, p, s.other, s.third, 0.3, d, &entropy);
        cr_assert_lt(fabs(loss - naive_sac(&s)), 1e-12);
        by_differences(&s, naive_sac, s.x, ROWS * N, d);
        spa_sac_value_f64(ROWS, N, log_p, p, s.other, s.third, 0.3, value);
        for (size_t r = 0; r < ROWS; r++) mean += value[r] / ROWS;
        cr_assert_lt(fabs(mean + loss), 1e-12);
    }
}

Test(losses, the_squashed_gaussian_of_sac_is_the_naive_one)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        scene s;
        double action[ROWS * DIM], log_p[ROWS], d_action[ROWS * DIM], d[ROWS * 2 * DIM], loss = 0;
        make(&s, seed);
        for (size_t r = 0; r < ROWS; r++) /* deviations of the order of 1 */
            for (size_t i = 0; i < DIM; i++) s.x[r * 2 * DIM + DIM + i] *= 0.3;
        spa_squash_f64(ROWS, DIM, s.x, s.noise, action, log_p);
        for (size_t i = 0; i < ROWS * DIM; i++) {
            d_action[i] = -s.other[i] / ROWS;
            loss -= s.other[i] * action[i] / ROWS;
        }
        for (size_t r = 0; r < ROWS; r++) loss += 0.3 * log_p[r] / ROWS;
        cr_assert_lt(fabs(loss - naive_squash(&s)), 1e-6 * (1 + fabs(loss)));
        spa_squash_back_f64(ROWS, DIM, s.x, s.noise, action, d_action, 0.3, d);
        by_differences(&s, naive_squash, s.x, ROWS * 2 * DIM, d);
    }
}

Test(losses, the_density_of_extreme_squashed_actions_stays_finite)
{
    /* log(1 - tanh(u)^2) = -2u + log 4 for large u; 1 - tanh^2 itself is 0 in single precision. */
    float y[2] = {30, -20}, noise[1] = {0}, action[1], log_p[1];
    spa_squash_f32(1, 1, y, noise, action, log_p);
    cr_assert(action[0] <= 1 && action[0] > 1 - 1e-6f); /* by the tanh of the loops */
    double want = -(-5) - 0.5 * log(2 * PI) + 60 - log(4);
    cr_assert_lt(fabs(log_p[0] - want), 1e-4);
}

/* ---- Adam ---- */

Test(losses, adam_follows_its_published_steps)
{
    enum { COUNT = 11 };
    float x[COUNT], m[COUNT] = {0}, v[COUNT] = {0}, g[COUNT];
    double X[COUNT], M[COUNT] = {0}, V[COUNT] = {0};
    spa_adam adam = spa_adam_default();
    spa_rng rng;
    spa_rng_init(&rng, 1, "test/adam");
    adam.weight_l2 = 0.01;
    for (int i = 0; i < COUNT; i++) X[i] = x[i] = (float)spa_rng_gaussian(&rng);
    for (int t = 1; t <= 50; t++) {
        double norm = 0;
        for (int i = 0; i < COUNT; i++) {
            g[i] = (float)spa_rng_gaussian(&rng);
            norm += (double)g[i] * g[i];
        }
        norm = sqrt(norm);
        cr_assert_lt(fabs(spa_adam_update(&adam, 0.05, 2.0, COUNT, x, g, m, v) - norm), 1e-6);
        for (int i = 0; i < COUNT; i++) {
            double d = g[i] * fmin(1, 2.0 / norm) + 0.01 * X[i];
            M[i] = 0.9 * M[i] + 0.1 * d;
            V[i] = 0.999 * V[i] + 0.001 * d * d;
            X[i] -= 0.05 * (M[i] / (1 - pow(0.9, t))) / (sqrt(V[i] / (1 - pow(0.999, t))) + 1e-8);
            cr_assert_lt(fabs(x[i] - X[i]), 2e-5, "step %d: %g, not %g", t, x[i], X[i]);
        }
    }
}

Test(losses, adam_does_nothing_with_a_gradient_that_is_not_finite)
{
    float x[2] = {1, 2}, m[2] = {0}, v[2] = {0}, g[2] = {1, NAN};
    spa_adam adam = spa_adam_default();
    cr_assert(!isfinite(spa_adam_update(&adam, 0.1, 1, 2, x, g, m, v)));
    cr_assert(x[0] == 1 && x[1] == 2 && m[0] == 0 && adam.power1 == 1);
}
