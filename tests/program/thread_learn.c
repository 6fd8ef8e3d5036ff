/* Training in several threads at once: a seed gives the same policy, bit for bit, as when it is
 * trained alone. Build it with VARIANT=tsan; a data race makes it fail. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "policies/learn/classic.h"
#include "policies/learn/train.h"

enum { THREADS = 3 };

/* The second one is wide enough for BLAS. */
static const struct job {
    const spa_learner_type *type;
    const spa_problem *problem;
    const char *params;
    uint64_t steps;
} jobs[] = {
    {&spa_learner_ppo, &spa_problem_cart_pole, "envs=8:steps=32:minibatch=64", 2048},
    {&spa_learner_ppo, &spa_problem_pendulum, "envs=4:steps=32:minibatch=64:hidden=272", 256},
    {&spa_learner_dqn, &spa_problem_cart_pole, "warm-up=100:batch=32", 1000},
    {&spa_learner_sac, &spa_problem_pendulum, "warm-up=100:batch=32", 300},
    {&spa_learner_sac_discrete, &spa_problem_cart_pole, "warm-up=100:batch=32", 600},
    {&spa_learner_q_learning, &spa_problem_cart_pole, "slots=4096", 3000},
};

typedef struct trained {
    const struct job *job;
    spa_learner *learner;
    spa_error err;
} trained;

static void *train(void *context)
{
    trained *t = context;
    spa_learner_setup setup = {.problem = t->job->problem, .total_steps = t->job->steps, .seed = 5};
    if (spa_learner_new(&t->learner, t->job->type, &setup, t->job->params, &t->err) == SPA_OK)
        spa_learner_train(t->learner, t->job->steps, &t->err);
    return NULL;
}

static bool equal(const trained *a, const trained *b)
{
    spa_actor x, y;
    if (a->err.status || b->err.status) {
        fprintf(stderr, "thread_learn: %s%s\n", a->err.message, b->err.message);
        return false;
    }
    spa_learner_actor(a->learner, &x);
    spa_learner_actor(b->learner, &y);
    return x.n_values == y.n_values && !memcmp(x.values, y.values, x.n_values * sizeof *x.values);
}

int main(void)
{
    bool good = true;
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        trained alone = {.job = &jobs[i]}, beside[THREADS];
        pthread_t threads[THREADS];
        train(&alone);
        for (int k = 0; k < THREADS; k++) {
            beside[k] = (trained){.job = &jobs[i]};
            if (pthread_create(&threads[k], NULL, train, &beside[k])) return 1;
        }
        for (int k = 0; k < THREADS; k++) {
            pthread_join(threads[k], NULL);
            if (!equal(&alone, &beside[k])) {
                fprintf(stderr, "thread_learn: %s on %s: another policy beside others\n",
                        jobs[i].type->name, jobs[i].problem->name);
                good = false;
            }
            spa_learner_free(beside[k].learner);
        }
        spa_learner_free(alone.learner);
    }
    if (good) printf("thread_learn: equal policies alone and beside others\n");
    return good ? 0 : 1;
}
