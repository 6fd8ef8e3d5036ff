/* One training run on several threads: the same policy, bit for bit, as on one. Build it with
 * VARIANT=tsan; a data race makes it fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "devices/device.h"
#include "experiments/paths.h"
#include "policies/learn/classic.h"
#include "policies/learn/scheduling.h"
#include "policies/learn/train.h"

enum { MODELS = 2, MOST_THREADS = 3 };

/* The third one is wide enough for BLAS. */
static struct job {
    const spa_problem *problem;
    const void *config;
    const char *params;
    uint64_t steps;
} jobs[] = {
    {&spa_problem_cart_pole, NULL, "envs=16:steps=32:minibatch=256:epochs=2", 2048},
    {&spa_problem_pendulum, NULL, "envs=32:steps=16:minibatch=512:epochs=2", 2048},
    {&spa_problem_pendulum, NULL, "envs=16:steps=32:minibatch=256:epochs=1:hidden=272", 512},
    {&spa_problem_scheduling, NULL, "envs=32:steps=16:minibatch=512:epochs=2", 2048},
};
enum { N_JOBS = sizeof jobs / sizeof *jobs };

static spa_learner *train(const struct job *j, size_t threads, spa_train_result *result)
{
    spa_learner *l;
    spa_error err = {0};
    spa_train_options o = spa_train_default();
    spa_learner_setup setup = {.problem = j->problem,
                               .config = j->config,
                               .total_steps = j->steps,
                               .seed = 5,
                               .threads = threads};
    o.every = j->steps / 2;
    o.episodes = 9;
    if (spa_learner_new(&l, &spa_learner_ppo, &setup, j->params, &err) ||
        spa_train(l, &o, result, &err)) {
        fprintf(stderr, "thread_train: %s\n", err.message);
        exit(1);
    }
    return l;
}

static bool equal(const spa_learner *a, const spa_learner *b)
{
    spa_actor x, y;
    spa_learner_actor(a, &x);
    spa_learner_actor(b, &y);
    return x.n_values == y.n_values && !memcmp(x.values, y.values, x.n_values * sizeof *x.values);
}

static bool run(const struct job *j)
{
    spa_train_result first, result;
    spa_learner *one = train(j, 1, &first);
    bool good = true;
    for (size_t threads = 2; threads <= MOST_THREADS; threads++) {
        spa_learner *many = train(j, threads, &result);
        if (!equal(one, many) || memcmp(&first.last, &result.last, sizeof result.last) != 0) {
            fprintf(stderr, "thread_train: another policy of '%s' with %zu threads\n",
                    j->problem->name, threads);
            good = false;
        }
        spa_learner_free(many);
    }
    spa_learner_free(one);
    return good;
}

int main(void)
{
    static const char *const names[MODELS] = {"mobilenet_v3_small", "resnet18"};
    spa_costs_options options = spa_costs_options_default();
    spa_environment_config config = spa_environment_config_default();
    spa_device *device;
    spa_graph graphs[MODELS];
    spa_costs costs[MODELS];
    const spa_costs *tables[MODELS];
    spa_paths paths;
    spa_error err = {0};
    bool good = true;
    if (spa_paths_find(&paths, &err) ||
        spa_device_load(&device, "crossover", paths.device_search, &err)) {
        fprintf(stderr, "thread_train: %s\n", err.message);
        return 1;
    }
    for (int i = 0; i < MODELS; i++) {
        if (spa_model_load(&graphs[i], names[i], 1, SPA_FP32, &err) ||
            spa_costs_build(&costs[i], device, &graphs[i], &options, &err)) {
            fprintf(stderr, "thread_train: %s\n", err.message);
            return 1;
        }
        tables[i] = &costs[i];
    }
    config.costs = tables;
    config.n_costs = MODELS;
    config.noise = true;
    jobs[N_JOBS - 1].config = &config;
    for (size_t i = 0; i < N_JOBS; i++) good &= run(&jobs[i]);
    for (int i = 0; i < MODELS; i++) {
        spa_costs_fini(&costs[i]);
        spa_graph_fini(&graphs[i]);
    }
    spa_device_free(device);
    if (good) printf("thread_train: equal policies for 1 to %d threads\n", MOST_THREADS);
    return good ? 0 : 1;
}
