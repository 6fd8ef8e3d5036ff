#include "policies/learn/classic.h"

#include <math.h>
#include <stdlib.h>

#define PI 3.14159265358979323846

typedef struct classic_env {
    double x[4];
    unsigned steps;
} classic_env;

static spa_status create(void **self, size_t n_envs, spa_error *err)
{
    classic_env *envs = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&envs, n_envs, sizeof *envs, err));
    *self = envs;
    return SPA_OK;
}

/* ---- cart-pole ---- */

#define GRAVITY     9.8
#define CART_MASS   1.0
#define POLE_MASS   0.1
#define HALF_LENGTH 0.5
#define FORCE       10.0
#define TIME_STEP   0.02

static spa_status cart_pole_create(void **self, const void *config, size_t n_envs,
                                   spa_problem_shape *shape, spa_error *err)
{
    *shape = (spa_problem_shape){.n_obs = 4, .n_actions = 2};
    return create(self, n_envs, err);
}

static spa_status cart_pole_reset(void *self, size_t env, spa_rng *rng, spa_problem_result *out,
                                  spa_error *err)
{
    classic_env *e = (classic_env *)self + env;
    e->steps = 0;
    for (int i = 0; i < 4; i++) {
        e->x[i] = 0.1 * spa_rng_uniform(rng) - 0.05;
        out->obs[i] = (float)e->x[i];
    }
    return SPA_OK;
}

/* x = position, speed, angle, angular speed. */
static spa_status cart_pole_step(void *self, size_t env, uint32_t choice, const float *values,
                                 spa_rng *rng, spa_problem_result *out, spa_error *err)
{
    classic_env *e = (classic_env *)self + env;
    double *x = e->x, total = CART_MASS + POLE_MASS, moment = POLE_MASS * HALF_LENGTH;
    double force = choice ? FORCE : -FORCE, c = cos(x[2]), s = sin(x[2]);
    double push = (force + moment * x[3] * x[3] * s) / total;
    double turn =
        (GRAVITY * s - c * push) / (HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * c * c / total));
    double accelerate = push - moment * turn * c / total;
    x[0] += TIME_STEP * x[1];
    x[1] += TIME_STEP * accelerate;
    x[2] += TIME_STEP * x[3];
    x[3] += TIME_STEP * turn;
    for (int i = 0; i < 4; i++) out->obs[i] = (float)x[i];
    out->reward = 1;
    out->terminated = fabs(x[0]) > 2.4 || fabs(x[2]) > 12 * 2 * PI / 360;
    out->truncated = ++e->steps >= 500;
    return SPA_OK;
}

const spa_problem spa_problem_cart_pole = {
    .name = "cart-pole",
    .summary = "keep a pole on a cart upright by pushing left or right",
    .source = "Barto, Sutton, Anderson 1983; Gym CartPole-v1",
    .create = cart_pole_create,
    .destroy = free,
    .reset = cart_pole_reset,
    .step = cart_pole_step,
};

/* ---- pendulum ---- */

#define PENDULUM_GRAVITY 10.0
#define PENDULUM_STEP    0.05
#define MAX_TORQUE       2.0
#define MAX_SPEED        8.0

static spa_status pendulum_create(void **self, const void *config, size_t n_envs,
                                  spa_problem_shape *shape, spa_error *err)
{
    *shape = (spa_problem_shape){.n_obs = 3, .action_dim = 1};
    return create(self, n_envs, err);
}

/* x = angle (0 = upright), angular speed. */
static void pendulum_observe(const classic_env *e, spa_problem_result *out)
{
    out->obs[0] = (float)cos(e->x[0]);
    out->obs[1] = (float)sin(e->x[0]);
    out->obs[2] = (float)(e->x[1] / MAX_SPEED);
}

static spa_status pendulum_reset(void *self, size_t env, spa_rng *rng, spa_problem_result *out,
                                 spa_error *err)
{
    classic_env *e = (classic_env *)self + env;
    e->steps = 0;
    e->x[0] = PI * (2 * spa_rng_uniform(rng) - 1);
    e->x[1] = 2 * spa_rng_uniform(rng) - 1;
    pendulum_observe(e, out);
    return SPA_OK;
}

static double within(double x, double bound)
{
    return x < -bound ? -bound : x > bound ? bound : x;
}

static spa_status pendulum_step(void *self, size_t env, uint32_t choice, const float *values,
                                spa_rng *rng, spa_problem_result *out, spa_error *err)
{
    classic_env *e = (classic_env *)self + env;
    double torque = within(values[0] * MAX_TORQUE, MAX_TORQUE);
    double angle = e->x[0] - 2 * PI * floor((e->x[0] + PI) / (2 * PI)); /* in [-pi, pi) */
    double speed = e->x[1];
    out->reward = (float)-(angle * angle + 0.1 * speed * speed + 0.001 * torque * torque);
    speed += (1.5 * PENDULUM_GRAVITY * sin(e->x[0]) + 3.0 * torque) * PENDULUM_STEP;
    e->x[1] = within(speed, MAX_SPEED);
    e->x[0] = angle + e->x[1] * PENDULUM_STEP;
    out->truncated = ++e->steps >= 200;
    pendulum_observe(e, out);
    return SPA_OK;
}

const spa_problem spa_problem_pendulum = {
    .name = "pendulum",
    .summary = "swing a pendulum up and hold it there with little torque",
    .source = "Gym Pendulum-v1",
    .create = pendulum_create,
    .destroy = free,
    .reset = pendulum_reset,
    .step = pendulum_step,
};
