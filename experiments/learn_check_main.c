/* make learn-check: the learning algorithms on reference problems, several seeds each, to the end.
 * Fails when the mean over the seeds misses a goal or one seed fails outright. */
#include <gsl/gsl_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policies/learn/classic.h"
#include "policies/learn/train.h"

static const struct check {
    const spa_learner_type *type;
    const spa_problem *problem;
    const char *params;
    uint64_t steps;
    double goal, least; /* of the mean over the seeds, of any one seed */
} checks[] = {
    {&spa_learner_ppo, &spa_problem_cart_pole, "", 500000, 475, 400},
    {&spa_learner_dqn, &spa_problem_cart_pole, "reward-scale=0.1", 100000, 475, 400},
    {&spa_learner_sac_discrete, &spa_problem_cart_pole, "", 100000, 475, 400},
    {&spa_learner_sac, &spa_problem_pendulum, "", 20000, -200, -400},
    {&spa_learner_ppo, &spa_problem_pendulum, "reward-scale=0.05:entropy=0:gamma=0.95", 500000,
     -250, -600},
};

/* Processor time, so that a busy machine does not slow the learner down in the table. */
static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct outcome {
    spa_score score;
    double seconds;
    uint64_t updates;
} outcome;

static spa_status run(const struct check *c, const char *params, uint64_t steps, uint64_t seed,
                      outcome *out, spa_error *err)
{
    spa_learner *l = NULL;
    spa_actor actor;
    spa_learner_setup setup = {.problem = c->problem, .total_steps = steps, .seed = seed};
    SPA_TRY(spa_learner_new(&l, c->type, &setup, params, err));
    double begin = now_s();
    spa_status status = spa_learner_train(l, steps, err);
    out->seconds = now_s() - begin;
    out->updates = l->state->updates;
    if (!status) {
        spa_learner_actor(l, &actor);
        status =
            spa_actor_score(&actor, c->problem, NULL, 100, 1000, 1000 + seed, &out->score, err);
    }
    spa_learner_free(l);
    return status;
}

static spa_status run_all(const struct check *c, const char *params, uint64_t steps, size_t seeds,
                          bool *good, spa_error *err)
{
    double sum = 0, least = 0;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        outcome o;
        SPA_TRY(run(c, params, steps, seed, &o, err));
        printf("%-12s %-10s %4llu %9.1f %9.1f %9.1f %8llu %9.1f %9.0f %10.1f\n", c->type->name,
               c->problem->name, (unsigned long long)seed, o.score.mean, o.score.min, o.score.max,
               (unsigned long long)steps, o.seconds, (double)steps / o.seconds,
               1e6 * o.seconds / (double)(o.updates ? o.updates : 1));
        fflush(stdout);
        sum += o.score.mean;
        if (seed == 1 || o.score.mean < least) least = o.score.mean;
    }
    double mean = sum / (double)seeds;
    bool met = mean >= c->goal && least >= c->least;
    printf("%-12s %-10s mean %9.1f (goal %g), least %.1f (goal %g): %s\n", c->type->name,
           c->problem->name, mean, c->goal, least, c->least, met ? "met" : "MISSED");
    *good &= met;
    return SPA_OK;
}

int main(int argc, char **argv)
{
    const char *only = NULL, *problem = NULL, *params = NULL;
    size_t seeds = 5;
    uint64_t steps = 0;
    bool good = true;
    spa_error err = {0};
    for (int i = 1; i < argc; i++) {
        if (i + 1 < argc && !strcmp(argv[i], "--seeds")) {
            seeds = (size_t)strtoul(argv[++i], NULL, 10);
        } else if (i + 1 < argc && !strcmp(argv[i], "--only")) {
            only = argv[++i];
        } else if (i + 1 < argc && !strcmp(argv[i], "--problem")) {
            problem = argv[++i];
        } else if (i + 1 < argc && !strcmp(argv[i], "--params")) {
            params = argv[++i];
        } else if (i + 1 < argc && !strcmp(argv[i], "--steps")) {
            steps = strtoull(argv[++i], NULL, 10);
        } else {
            fprintf(stderr, "usage: learn_check [--seeds N] [--only ALGORITHM] [--problem NAME]"
                            " [--params P] [--steps N]\n");
            return 2;
        }
    }
    gsl_set_error_handler_off();
    printf("%-12s %-10s %4s %9s %9s %9s %8s %9s %9s %10s\n", "algorithm", "problem", "seed", "mean",
           "min", "max", "steps", "cpu s", "steps/s", "us/update");
    for (size_t i = 0; seeds > 0 && i < sizeof checks / sizeof *checks; i++) {
        const struct check *c = &checks[i];
        if (only && strcmp(only, c->type->name) != 0) continue;
        if (problem && strcmp(problem, c->problem->name) != 0) continue;
        if (run_all(c, params ? params : c->params, steps ? steps : c->steps, seeds, &good, &err)) {
            fprintf(stderr, "learn_check: %s\n", err.message);
            return 1;
        }
    }
    return good ? 0 : 1;
}
