/* One environment stepped by several threads: what it shows is what one thread is shown.
 *
 * A plain program, because Criterion cannot start under ThreadSanitizer. Build it with VARIANT=tsan
 * and run it; a data race makes it fail. Usage: thread_environment. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/text.h"
#include "devices/device.h"
#include "experiments/paths.h"
#include "policies/learn/environment.h"

enum { ENVS = 13, STEPS = 1500, MODELS = 2, MOST_THREADS = 4 };

typedef struct world {
    spa_device *device;
    spa_graph graphs[MODELS];
    spa_costs costs[MODELS];
    const spa_costs *tables[MODELS];
} world;

typedef struct shared {
    spa_environment *e;
    float *obs, reward[ENVS];
    uint8_t *mask, terminated[ENVS], truncated[ENVS];
    uint32_t actions[ENVS];
    uint64_t seen[ENVS]; /* hash of all that an environment showed */
} shared;

typedef struct worker {
    shared *s;
    size_t first, count;
} worker;

static void must(spa_status status, const spa_error *err)
{
    if (!status) return;
    fprintf(stderr, "thread_environment: %s\n", err->message);
    exit(1);
}

static void open_world(world *w)
{
    static const char *const models[MODELS] = {"resnet18", "mobilenet_v3_small"};
    spa_costs_options options = spa_costs_options_default();
    spa_paths paths;
    spa_error err;
    must(spa_paths_find(&paths, &err), &err);
    must(spa_device_load(&w->device, "crossover", paths.device_search, &err), &err);
    for (int i = 0; i < MODELS; i++) {
        must(spa_model_load(&w->graphs[i], models[i], 1, SPA_FP32, &err), &err);
        must(spa_costs_build(&w->costs[i], w->device, &w->graphs[i], &options, &err), &err);
        w->tables[i] = &w->costs[i];
    }
}

static void *work(void *arg)
{
    const worker *w = arg;
    shared *s = w->s;
    size_t n_obs = spa_environment_n_obs(s->e), slots = spa_environment_n_actions(s->e);
    spa_error err;
    for (int step = 0; step < STEPS; step++) {
        for (size_t i = w->first; i < w->first + w->count; i++) {
            const float *obs = s->obs + i * n_obs;
            s->seen[i] = spa_hash_bytes(s->seen[i], obs, n_obs * sizeof *obs);
            s->seen[i] = spa_hash_bytes(s->seen[i], &s->reward[i], sizeof s->reward[i]);
            s->actions[i] = (uint32_t)(s->seen[i] >> 40) & 1u;
            if (!s->mask[i * slots + s->actions[i]]) s->actions[i] ^= 1u;
        }
        must(spa_environment_step(s->e, w->first, w->count, s->actions, s->obs, s->mask, s->reward,
                                  s->terminated, s->truncated, &err),
             &err);
    }
    return NULL;
}

static void run(const world *w, size_t n_threads, uint64_t seen[ENVS])
{
    spa_environment_config config = spa_environment_config_default();
    shared s = {0};
    pthread_t threads[MOST_THREADS];
    worker workers[MOST_THREADS];
    spa_error err;
    config.costs = w->tables;
    config.n_costs = MODELS;
    config.n_envs = ENVS;
    config.noise = true;
    config.n_variants = 1;
    config.speed = (spa_range){0.5, 2};
    must(spa_environment_new(&s.e, &config, &err), &err);
    must(spa_alloc(&s.obs, ENVS * spa_environment_n_obs(s.e), sizeof *s.obs, &err), &err);
    must(spa_alloc(&s.mask, ENVS * spa_environment_n_actions(s.e), 1, &err), &err);
    for (size_t i = 0; i < ENVS; i++)
        must(spa_environment_reset(s.e, i, s.obs, s.mask, &err), &err);
    for (size_t t = 0; t < n_threads; t++) {
        size_t first = ENVS * t / n_threads, end = ENVS * (t + 1) / n_threads;
        workers[t] = (worker){&s, first, end - first};
        if (pthread_create(&threads[t], NULL, work, &workers[t])) exit(1);
    }
    for (size_t t = 0; t < n_threads; t++) pthread_join(threads[t], NULL);
    for (size_t i = 0; i < ENVS; i++) seen[i] = s.seen[i];
    spa_environment_free(s.e);
    free(s.obs);
    free(s.mask);
}

int main(void)
{
    static world w;
    uint64_t one[ENVS], many[ENVS];
    int differ = 0;
    open_world(&w);
    run(&w, 1, one);
    for (size_t n = 2; n <= MOST_THREADS; n++) {
        run(&w, n, many);
        for (int i = 0; i < ENVS; i++) {
            if (one[i] == many[i]) continue;
            fprintf(stderr, "environment %d differs with %zu threads\n", i, n);
            differ = 1;
        }
    }
    for (int i = 0; i < MODELS; i++) {
        spa_costs_fini(&w.costs[i]);
        spa_graph_fini(&w.graphs[i]);
    }
    spa_device_free(w.device);
    if (!differ) puts("thread_environment: the same for 1 to 4 threads");
    return differ;
}
