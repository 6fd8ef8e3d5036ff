/* Learning benchmarks: the set-ups of which figures of others are known (RLtools on one core of
 * this kind of machine), beside what OpenBLAS takes for the products of the hidden layers alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/gemm.h"
#include "base/stats.h"
#include "experiments/bench_world.h"
#include "policies/learn/classic.h"
#include "policies/learn/scheduling.h"
#include "policies/learn/train.h"

#define REPS     9
#define HIDDEN   64
#define SIZES    "envs=64:steps=64:minibatch=256:epochs=2"
#define PENDULUM SIZES ":reward-scale=0.05"

/* ---- the floor ---- */

typedef struct floor_data {
    float x[256 * HIDDEN], y[256 * HIDDEN], w[HIDDEN * HIDDEN], g[HIDDEN * HIDDEN];
} floor_data;

/* Forward passes of one hidden layer and, as often as `backward`, its two gradients. */
static double products_ns(floor_data *d, size_t rows, size_t forward, size_t backward)
{
    double begin = bench_cpu_ns();
    for (size_t i = 0; i < forward; i++) {
        spa_gemm_f32(false, false, rows, HIDDEN, HIDDEN, 1, d->x, HIDDEN, d->w, HIDDEN, 0, d->y,
                     HIDDEN);
    }
    for (size_t i = 0; i < backward; i++) {
        spa_gemm_f32(true, false, HIDDEN, HIDDEN, rows, 1, d->x, HIDDEN, d->y, HIDDEN, 0, d->g,
                     HIDDEN);
        spa_gemm_f32(false, true, rows, HIDDEN, HIDDEN, 1, d->x, HIDDEN, d->w, HIDDEN, 0, d->y,
                     HIDDEN);
    }
    return bench_cpu_ns() - begin;
}

/* ---- learners ---- */

typedef struct subject {
    spa_learner *learner;
    uint64_t chunk;                 /* steps per measurement */
    size_t rows, forward, backward; /* products of a chunk */
    double own[REPS], blas[REPS];   /* ns per chunk */
} subject;

static spa_status measure(subject *s, double seconds, spa_error *err)
{
    floor_data *d = NULL;
    spa_status status = spa_alloc(&d, 1, sizeof *d, err);
    if (!status) status = spa_learner_train(s->learner, 3 * s->chunk, err);
    for (int rep = 0; !status && rep < REPS; rep++) {
        size_t n = 0;
        double begin = bench_cpu_ns(), limit = seconds * 1e9 / (2 * REPS);
        while (!status && (n == 0 || bench_cpu_ns() - begin < limit)) {
            status = spa_learner_train(s->learner, s->learner->state->steps + s->chunk, err);
            n++;
        }
        s->own[rep] = (bench_cpu_ns() - begin) / (double)n;
        s->blas[rep] = 0;
        for (size_t i = 0; i < n; i++)
            s->blas[rep] += products_ns(d, s->rows, s->forward, s->backward) / (double)n;
    }
    free(d);
    return status;
}

static spa_status learner_of(const spa_learner_type *type, const char *params, size_t threads,
                             spa_learner **l, spa_error *err)
{
    spa_learner_setup setup = {
        .problem = &spa_problem_pendulum, .total_steps = 1000000000, .seed = 1, .threads = threads};
    return spa_learner_new(l, type, &setup, params, err);
}

/* 4096 steps, 2 epochs of 16 minibatches: per minibatch 2 networks forward and backward, and 2 x
 * 4096 rows forward for the rollout. */
static spa_status bench_ppo(bench_report *report, spa_error *err)
{
    subject s = {
        .chunk = 4096, .rows = 256, .forward = 2 * 2 * 16 + 2 * 16, .backward = 2 * 2 * 16};
    SPA_TRY(learner_of(&spa_learner_ppo, PENDULUM, 1, &s.learner, err));
    spa_status status = measure(&s, report->seconds, err);
    if (!status) {
        bench_figure *f = bench_add(report, "PPO on pendulum, 64x64, 4096 steps, 2 epochs",
                                    4096e9 / spa_median(s.own, REPS), "steps/s");
        bench_peer(f, "its products by OpenBLAS", 4096e9 / spa_median(s.blas, REPS));
        f->target = 600000;
    }
    spa_learner_free(s.learner);
    return status;
}

/* The same networks and rollouts on the scheduling environment. */
static spa_status bench_scheduling(bench_report *report, spa_error *err)
{
    subject s = {
        .chunk = 4096, .rows = 256, .forward = 2 * 2 * 16 + 2 * 16, .backward = 2 * 2 * 16};
    spa_environment_config config = spa_environment_config_default();
    bench_world w;
    spa_status status = bench_world_open(&w, "agx-orin", 1, err);
    config.costs = w.tables;
    config.n_costs = 1;
    config.shaping = SPA_SHAPING_PATH;
    config.noise = true;
    spa_learner_setup setup = {.problem = &spa_problem_scheduling,
                               .config = &config,
                               .total_steps = 1000000000,
                               .seed = 1};
    if (!status) status = spa_learner_new(&s.learner, &spa_learner_ppo, &setup, SIZES, err);
    if (!status) status = measure(&s, report->seconds, err);
    if (!status) {
        bench_figure *f = bench_add(report, "PPO on scheduling (resnet18), the same sizes",
                                    4096e9 / spa_median(s.own, REPS), "steps/s");
        bench_peer(f, "64x64 products by OpenBLAS", 4096e9 / spa_median(s.blas, REPS));
        f->target = 400000;
    }
    spa_learner_free(s.learner);
    bench_world_close(&w);
    return status;
}

/* Wall time of one run on one and on two threads, in turn. */
static spa_status bench_threads(bench_report *report, spa_error *err)
{
    spa_learner *l[2] = {NULL};
    double ratio[5 * REPS], ns[2];
    spa_status status = learner_of(&spa_learner_ppo, PENDULUM, 1, &l[0], err);
    if (!status) status = learner_of(&spa_learner_ppo, PENDULUM, 2, &l[1], err);
    for (int rep = -1; rep < 5 * REPS && !status; rep++) { /* the first one warms up */
        for (int i = 0; i < 2 && !status; i++) {
            double begin = bench_wall_ns();
            status = spa_learner_train(l[i], l[i]->state->steps + 4096, err);
            ns[i] = bench_wall_ns() - begin;
        }
        if (rep >= 0) ratio[rep] = ns[0] / ns[1];
    }
    if (!status)
        bench_add(report, "PPO on pendulum, two threads: times as fast as one",
                  spa_median(ratio, 5 * REPS), "x")
            ->target = 1.8;
    spa_learner_free(l[0]);
    spa_learner_free(l[1]);
    return status;
}

/* Per update: actor forward twice, critics forward 6 times; backward: critics twice with and (half)
 * twice without gradients of the weights, the actor once. */
static spa_status bench_sac(bench_report *report, spa_error *err)
{
    subject s = {.chunk = 20, .rows = 100, .forward = 20 * 9, .backward = 20 * 4 - 10};
    SPA_TRY(learner_of(&spa_learner_sac, "batch=100:warm-up=20", 1, &s.learner, err));
    spa_status status = measure(&s, report->seconds, err);
    if (!status) {
        bench_figure *f = bench_add(report, "SAC on pendulum, 64x64, batch 100, one update",
                                    spa_median(s.own, REPS) / 20e3, "us");
        bench_peer(f, "its products by OpenBLAS", spa_median(s.blas, REPS) / 20e3);
        f->target = 170;
    }
    spa_learner_free(s.learner);
    return status;
}

static spa_status bench_inference(bench_report *report, spa_error *err)
{
    enum { CALLS = 2000 };
    float obs[3] = {0.5f, 0.3f, -0.1f}, action[1];
    double ns[REPS];
    spa_learner *l = NULL;
    spa_actor actor;
    SPA_TRY(learner_of(&spa_learner_ppo, "", 1, &l, err));
    spa_learner_actor(l, &actor);
    for (int rep = 0; rep < REPS; rep++) {
        double begin = bench_cpu_ns();
        for (int i = 0; i < CALLS; i++) {
            spa_actor_act(&actor, obs, NULL, NULL, action);
            obs[0] += 1e-6f * action[0]; /* each decision waits for the one before */
        }
        ns[rep] = (bench_cpu_ns() - begin) / CALLS;
    }
    bench_add(report, "decision of a 64x64 policy, one at a time", spa_median(ns, REPS) / 1e3, "us")
        ->target = 1;
    spa_learner_free(l);
    return SPA_OK;
}

spa_status bench_learn(bench_report *report, spa_error *err)
{
    SPA_TRY(bench_ppo(report, err));
    SPA_TRY(bench_scheduling(report, err));
    SPA_TRY(bench_threads(report, err));
    SPA_TRY(bench_sac(report, err));
    return bench_inference(report, err);
}
