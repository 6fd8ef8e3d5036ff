#define _POSIX_C_SOURCE 200809L
#include "experiments/training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "experiments/cli.h"
#include "policies/learn/scheduling.h"

#define DEFAULT_STEPS  200000
#define EVALUATIONS    50
#define NOISY_EPISODES 20

typedef struct trainer {
    spa_training *out;
    const spa_runs *runs;
    const spa_options *options;
    spa_progress *progress;
    const spa_costs **costs; /* [n_cases] */
    spa_environment_config config;
    const spa_learner_type *type;
    spa_learner *learner;
} trainer;

void spa_training_fini(spa_training *t)
{
    free(t->curve);
    *t = (spa_training){0};
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static spa_status note(void *user, const spa_train_progress *p, spa_error *err)
{
    trainer *t = user;
    spa_training *out = t->out;
    SPA_TRY(spa_grow(&out->curve, &out->capacity, out->n_curve + 1, sizeof *out->curve, err));
    out->curve[out->n_curve++] = (spa_curve_point){p->steps, -p->score.mean};
    if (p->best) {
        out->best = -p->score.mean;
        out->best_steps = p->steps;
    }
    spa_progress_show(t->progress, (size_t)p->steps);
    return SPA_OK;
}

/* What is decided about: every model on every device, in the scenario of the command line. */
static spa_status describe(trainer *t, spa_error *err)
{
    const spa_runs *runs = t->runs;
    const spa_policy *policy;
    spa_param_values values;
    SPA_TRY(spa_alloc(&t->costs, runs->n_cases, sizeof *t->costs, err));
    for (size_t i = 0; i < runs->n_cases; i++) t->costs[i] = &runs->cases[i].costs;
    SPA_TRY(spa_policy_parse(t->type->name, &policy, &values, err));
    t->config = spa_environment_config_default();
    t->config.costs = t->costs;
    t->config.n_costs = runs->n_cases;
    t->config.scenarios = &runs->scenario;
    t->config.n_scenarios = 1;
    t->config.seed = (uint64_t)t->options->seed;
    t->config.continuous = t->type->continuous && !t->type->discrete;
    t->config.objective = (spa_objective)t->options->objective;
    t->config.shaping =
        SPA_SHAPING_PATH; /* optimistic end of all: what a decision costs, at once */
    t->config.noise = t->options->noise != 0;
    t->config.contention = t->options->contention != 0;
    if (t->options->policy_cost) t->config.decision_cycles = policy->decision_cycles;
    return SPA_OK;
}

/* A table over tiles does with the features that tell the most (features.h) and looks no further
 * than the next reward: the shaping has moved the future into it. Unless the user says otherwise.
 */
static void add_defaults(const trainer *t, const char *params, char *out, size_t size)
{
    uint32_t slots = 0;
    int n = 0;
    for (size_t i = 0; i < t->runs->n_cases; i++)
        if (t->costs[i]->n_processors > slots) slots = t->costs[i]->n_processors;
    if (t->type == &spa_learner_q_learning && !strstr(params, "features="))
        n += snprintf(out + n, size - (size_t)n, "features=%u:", 2 * slots);
    if (t->type == &spa_learner_q_learning && !strstr(params, "gamma="))
        n += snprintf(out + n, size - (size_t)n, "gamma=0:");
    bool replays = t->type == &spa_learner_dqn || t->type == &spa_learner_sac ||
                   t->type == &spa_learner_sac_discrete;
    if (replays && !strstr(params, "gamma=")) /* further, but not to the end */
        n += snprintf(out + n, size - (size_t)n, "gamma=0.9:");
    if (n > 0 && *params == '\0') n--; /* no colon at the end */
    snprintf(out + n, size - (size_t)n, "%s", params);
}

static size_t longest_episode(const spa_runs *runs)
{
    size_t longest = 0;
    for (size_t i = 0; i < runs->n_cases; i++)
        if (runs->cases[i].graph.n_ops > longest) longest = runs->cases[i].graph.n_ops;
    return longest * (size_t)runs->scenario.requests;
}

static spa_status train(trainer *t, const char *params, spa_error *err)
{
    const spa_options *o = t->options;
    uint64_t steps = o->steps ? (uint64_t)o->steps : DEFAULT_STEPS;
    spa_learner_setup setup = {.problem = &spa_problem_scheduling,
                               .config = &t->config,
                               .total_steps = steps,
                               .seed = (uint64_t)o->seed,
                               .max_episode_steps = longest_episode(t->runs)};
    spa_train_options options = spa_train_default();
    spa_train_result result;
    char all[1024];
    add_defaults(t, params, all, sizeof all);
    SPA_TRY(spa_learner_new(&t->learner, t->type, &setup, all, err));
    if (o->checkpoint && access(o->checkpoint, F_OK) == 0)
        SPA_TRY(spa_learner_load(t->learner, o->checkpoint, err));
    options.every = steps / EVALUATIONS ? steps / EVALUATIONS : 1;
    options.episodes = o->noise ? NOISY_EPISODES : 4 * t->runs->n_cases;
    if (!o->noise && t->runs->n_cases == 1) options.episodes = 1; /* all are the same */
    options.seed = (uint64_t)o->seed;
    options.best_path = o->output;
    options.checkpoint_path = o->checkpoint;
    options.progress = note;
    options.user = t;
    SPA_TRY(spa_train(t->learner, &options, &result, err));
    t->out->steps = t->learner->state->steps;
    return SPA_OK;
}

spa_status spa_training_run(spa_training *out, const char *text, const spa_runs *runs,
                            const spa_options *options, spa_progress *progress, spa_error *err)
{
    trainer t = {.out = out, .runs = runs, .options = options, .progress = progress};
    size_t length = strcspn(text, ":");
    char name[SPA_ACTOR_NAME];
    *out = (spa_training){.best = NAN};
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    SPA_TRY(spa_cli_name_status(spa_learner_find(name, &t.type, err), name, err));
    out->policy = t.type->name;
    double begin = now_s();
    spa_status status = describe(&t, err);
    if (!status) status = train(&t, text[length] ? text + length + 1 : "", err);
    out->seconds_host = now_s() - begin;
    spa_learner_free(t.learner);
    free(t.costs);
    if (status) spa_training_fini(out);
    return status;
}
