/* The scheduling environment: decisions per second on one core, alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/stats.h"
#include "experiments/bench_world.h"
#include "policies/learn/environment.h"

#define ENV_REPS 7

/* The caller's arrays of an environment. */
typedef struct env_arrays {
    float *obs, *reward;
    uint8_t *mask, *terminated, *truncated;
    uint32_t *actions;
} env_arrays;

static void arrays_close(env_arrays *a)
{
    free(a->obs);
    free(a->reward);
    free(a->mask);
    free(a->terminated);
    free(a->truncated);
    free(a->actions);
}

static spa_status arrays_open(env_arrays *a, const spa_environment *e, spa_error *err)
{
    size_t n = spa_environment_n_envs(e), slots = spa_environment_n_actions(e);
    SPA_TRY(spa_alloc(&a->obs, n * spa_environment_n_obs(e), sizeof *a->obs, err));
    SPA_TRY(spa_alloc(&a->reward, n, sizeof *a->reward, err));
    SPA_TRY(spa_alloc(&a->mask, n * slots, 1, err));
    SPA_TRY(spa_alloc(&a->terminated, n, 1, err));
    SPA_TRY(spa_alloc(&a->truncated, n, 1, err));
    return spa_alloc(&a->actions, n, sizeof *a->actions, err);
}

/* Legal actions from a cheap generator, mostly on the accelerator, as a scheduler would. */
static void choose(const env_arrays *a, size_t n, size_t slots, uint32_t *x)
{
    for (size_t i = 0; i < n; i++) {
        *x = *x * 1664525u + 1013904223u;
        uint32_t slot = *x >> 30 ? 1 : 0;
        a->actions[i] = a->mask[i * slots + slot] ? slot : !slot;
    }
}

static spa_status run_steps(spa_environment *e, const env_arrays *a, uint64_t steps, double *ns,
                            spa_error *err)
{
    size_t n = spa_environment_n_envs(e), slots = spa_environment_n_actions(e);
    uint32_t x = 12345;
    double start;
    for (size_t i = 0; i < n; i++) SPA_TRY(spa_environment_reset(e, i, a->obs, a->mask, err));
    start = bench_cpu_ns();
    for (uint64_t k = 0; k < steps; k++) {
        choose(a, n, slots, &x);
        SPA_TRY(spa_environment_step(e, 0, n, a->actions, a->obs, a->mask, a->reward, a->terminated,
                                     a->truncated, err));
    }
    *ns = (bench_cpu_ns() - start) / (double)(steps * n);
    return SPA_OK;
}

static spa_status measure(bench_report *report, const char *name, const bench_world *w,
                          size_t n_envs, bool noise, spa_error *err)
{
    spa_environment_config config = spa_environment_config_default();
    spa_environment *e = NULL;
    env_arrays a = {0};
    double ns[ENV_REPS];
    config.costs = w->tables;
    config.n_costs = w->n;
    config.n_envs = n_envs;
    config.noise = noise;
    spa_status status = spa_environment_new(&e, &config, err);
    if (!status) status = arrays_open(&a, e, err);
    for (int rep = 0; rep < ENV_REPS && !status; rep++) {
        uint64_t steps = (uint64_t)(200000 * report->seconds) / n_envs + 1;
        status = run_steps(e, &a, steps, &ns[rep], err);
    }
    if (!status) {
        bench_figure *f = bench_add(report, name, 1e9 / spa_median(ns, ENV_REPS), "decisions/s");
        f->target = 3e6;
    }
    arrays_close(&a);
    spa_environment_free(e);
    return status;
}

spa_status bench_environment(bench_report *report, spa_error *err)
{
    static const struct {
        const char *name, *device;
        size_t n_models, n_envs;
        bool noise;
    } cases[] = {
        {"environment, resnet18 on agx-orin, 64 side by side", "agx-orin", 1, 64, false},
        {"environment, resnet18 on x86-2core, 64 side by side", "x86-2core", 1, 64, false},
        {"environment, five models on agx-orin, 64, noise", "agx-orin", 5, 64, true},
        {"environment, five models on agx-orin, 1024, noise", "agx-orin", 5, 1024, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_world w;
        spa_status status = bench_world_open(&w, cases[i].device, cases[i].n_models, err);
        if (!status)
            status = measure(report, cases[i].name, &w, cases[i].n_envs, cases[i].noise, err);
        bench_world_close(&w);
        if (status) return status;
    }
    return SPA_OK;
}
