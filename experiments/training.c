#define _POSIX_C_SOURCE 200809L
#include "experiments/training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "experiments/cli.h"
#include "experiments/learn_cases.h"
#include "policies/learn/scheduling.h"
#include "policies/predicted.h"

#define DEFAULT_STEPS  200000
#define EVALUATIONS    50
#define NOISY_EPISODES 20
/* Decisions of an episode. An evaluation plays at least one episode, with noise 20, and a training
 * evaluates 50 times: with this many, 10^8 decisions, some tens of minutes. */
#define MOST_DECISIONS 100000

typedef struct trainer {
    spa_training *out;
    const spa_runs *runs;
    const spa_options *options;
    spa_progress *progress;
    const spa_costs **costs;  /* [n_cases] */
    spa_predicted *predicted; /* [n_cases] with --thresholds */
    const float **thresholds; /* [n_cases] */
    spa_scenario *scenarios;
    size_t n_scenarios;
    spa_environment_config config, evaluated;
    const spa_learner_type *type;
    bool splits;
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
    spa_progress_show(t->progress, (size_t)p->steps);
    return SPA_OK;
}

/* The longest episode, in decisions. */
static uint64_t longest_episode(const trainer *t)
{
    uint64_t longest = 0, requests = 0;
    for (size_t i = 0; i < t->runs->n_cases; i++)
        if (t->costs[i]->n_ops > longest) longest = t->costs[i]->n_ops;
    for (size_t i = 0; i < t->config.n_scenarios; i++)
        if (t->scenarios[i].requests > requests) requests = t->scenarios[i].requests;
    return longest * requests; /* at most 2^20 operators and 2^40 requests */
}

/* Episodes that would take hours are refused before the first; one request is never too long. */
static spa_status check_length(const trainer *t, spa_error *err)
{
    for (size_t i = 0; i < t->config.n_scenarios; i++)
        for (size_t c = 0; c < t->runs->n_cases; c++) {
            uint64_t n_ops = t->costs[c]->n_ops, requests = t->scenarios[i].requests;
            if (requests <= 1 || requests * n_ops <= MOST_DECISIONS) continue;
            uint64_t most = n_ops < MOST_DECISIONS ? MOST_DECISIONS / n_ops : 1;
            return spa_fail(err, SPA_E_USAGE,
                            "training on '%s' in scenario '%.63s': an episode of %llu requests "
                            "of %llu operators is longer than %d decisions; use --requests %llu "
                            "or fewer",
                            t->runs->cases[c].graph.name, t->scenarios[i].name,
                            (unsigned long long)requests, (unsigned long long)n_ops, MOST_DECISIONS,
                            (unsigned long long)most);
        }
    return SPA_OK;
}

/* Every model's predicted thresholds. A policy that observes them knows one predictor, so that all
 * cases are on one device. */
static spa_status describe_thresholds(trainer *t, spa_error *err)
{
    const char *given = t->options->thresholds;
    size_t n = t->runs->n_cases;
    if (!given) return SPA_OK;
    if (t->runs->n_devices > 1)
        return spa_fail(err, SPA_E_USAGE, "--thresholds are those of one device; name only one");
    if (strcmp(given, "shipped") == 0) given = "";
    SPA_TRY(spa_alloc(&t->predicted, n, sizeof *t->predicted, err));
    SPA_TRY(spa_alloc(&t->thresholds, n, sizeof *t->thresholds, err));
    for (size_t i = 0; i < n; i++) {
        SPA_TRY(spa_predicted_make(&t->predicted[i], t->costs[i], given, t->runs->cases[i].trained,
                                   err));
        t->thresholds[i] = t->predicted[i].at;
    }
    t->config.thresholds = t->thresholds;
    return SPA_OK;
}

/* What is decided about: every model on every device with every batch, in all scenarios of the
 * command line, on devices as they are and varied. Evaluated is on the devices as they are. */
static spa_status describe(trainer *t, spa_error *err)
{
    const spa_runs *runs = t->runs;
    const spa_policy *policy;
    spa_param_values values;
    SPA_TRY(spa_alloc(&t->costs, runs->n_cases, sizeof *t->costs, err));
    for (size_t i = 0; i < runs->n_cases; i++) t->costs[i] = &runs->cases[i].costs;
    SPA_TRY(spa_policy_parse(t->out->policy, &policy, &values, err));
    t->config = spa_environment_config_default();
    t->config.costs = t->costs;
    t->config.n_costs = runs->n_cases;
    t->config.seed = (uint64_t)t->options->seed;
    t->config.continuous = t->type->continuous && !t->type->discrete;
    t->config.splits = t->splits;
    t->config.objective = (spa_objective)t->options->objective;
    t->config.shaping =
        SPA_SHAPING_PATH; /* optimistic end of all: what a decision costs, at once */
    t->config.noise = t->options->noise != 0;
    t->config.contention = t->options->contention != 0;
    if (t->options->policy_cost) t->config.decision_cycles = policy->decision_cycles;
    SPA_TRY(spa_learn_scenarios(t->options, &t->scenarios, &t->n_scenarios, err));
    t->config.scenarios = t->scenarios;
    t->config.n_scenarios = t->n_scenarios;
    SPA_TRY(check_length(t, err));
    SPA_TRY(spa_learn_variants(t->options, &t->config, err));
    SPA_TRY(describe_thresholds(t, err));
    t->evaluated = t->config;
    t->evaluated.n_variants = 0;
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

/* Enough to meet every case of the evaluation; one where all episodes are the same. */
static size_t episodes_of(const trainer *t)
{
    size_t n = t->evaluated.n_costs * t->evaluated.n_scenarios;
    if (n == 1 && !t->options->noise) return 1;
    n *= 4;
    return t->options->noise && n < NOISY_EPISODES ? NOISY_EPISODES : n;
}

static uint64_t hash_double(uint64_t h, double x)
{
    return spa_hash_bytes(h, &x, sizeof x);
}

/* Everything that a checkpoint of this training must agree in, beyond what learners compare: what
 * is scheduled, in what scenarios, for what. */
static uint64_t hash_problem(const trainer *t)
{
    const spa_environment_config *c = &t->config;
    uint64_t h = spa_hash_u64(SPA_HASH_SEED, t->predicted ? t->predicted[0].hash : 0);
    for (size_t i = 0; i < c->n_costs; i++) h = spa_hash_u64(h, t->costs[i]->hash);
    for (size_t i = 0; i < c->n_scenarios; i++) {
        const spa_scenario *s = &t->scenarios[i];
        h = spa_hash_bytes(h, s->name, strlen(s->name) + 1);
        h = spa_hash_u64(spa_hash_u64(h, s->arrivals), s->concurrency);
        h = hash_double(spa_hash_u64(h, s->requests), s->rate_hz);
    }
    h = spa_hash_u64(spa_hash_u64(h, c->objective), c->n_variants);
    h = spa_hash_u64(h, (uint64_t)c->noise << 1 | (uint64_t)c->contention);
    const spa_range *const varied[] = {&c->speed, &c->launch, &c->transfer};
    for (size_t i = 0; i < 3; i++) h = hash_double(hash_double(h, varied[i]->low), varied[i]->high);
    return hash_double(h, c->decision_cycles);
}

/* Goes on from a checkpoint: its curve and its best policy, which stands in the output. */
static spa_status resume(trainer *t, spa_error *err)
{
    const spa_options *o = t->options;
    const spa_learner_state *s = t->learner->state;
    spa_training *out = t->out;
    SPA_TRY(spa_learner_load(t->learner, o->checkpoint, err));
    if (s->evaluations && access(o->output, R_OK) != 0)
        return spa_fail(err, SPA_E_NOT_FOUND,
                        "%s goes on from a training whose best policy is not at %s: give the -o "
                        "that it was begun with, or another --checkpoint to begin anew",
                        o->checkpoint, o->output);
    out->resumed_at = s->steps;
    for (uint64_t i = 0; i < s->evaluations && i < SPA_KEPT_EVALUATIONS; i++) {
        SPA_TRY(spa_grow(&out->curve, &out->capacity, out->n_curve + 1, sizeof *out->curve, err));
        out->curve[out->n_curve++] = (spa_curve_point){s->kept[i].steps, -s->kept[i].mean};
    }
    return SPA_OK;
}

static spa_status train(trainer *t, const char *params, spa_error *err)
{
    const spa_options *o = t->options;
    uint64_t steps = o->steps ? (uint64_t)o->steps : DEFAULT_STEPS;
    spa_learner_setup setup = {.problem = &spa_problem_scheduling,
                               .config = &t->config,
                               .total_steps = steps,
                               .seed = (uint64_t)o->seed,
                               .max_episode_steps = (size_t)longest_episode(t),
                               .threads = (size_t)o->threads,
                               .tag = hash_problem(t)};
    spa_train_options options = spa_train_default();
    spa_train_result result;
    char all[1024];
    add_defaults(t, params, all, sizeof all);
    SPA_TRY(spa_learner_new(&t->learner, t->type, &setup, all, err));
    if (o->checkpoint && access(o->checkpoint, F_OK) == 0) SPA_TRY(resume(t, err));
    options.every = steps / EVALUATIONS ? steps / EVALUATIONS : 1;
    options.episodes = episodes_of(t);
    options.config = &t->evaluated;
    options.seed = (uint64_t)o->seed;
    options.patience = (size_t)o->patience;
    options.thresholds = t->predicted ? t->predicted[0].hash : 0;
    options.best_path = o->output;
    options.checkpoint_path = o->checkpoint;
    options.progress = note;
    options.user = t;
    SPA_TRY(spa_train(t->learner, &options, &result, err));
    t->out->steps = t->learner->state->steps;
    t->out->best_steps = t->learner->state->best_steps;
    t->out->best = -t->learner->state->best_mean;
    t->out->out_of_patience = result.end == SPA_TRAIN_PATIENCE;
    return SPA_OK;
}

spa_status spa_training_find(const char *policy, const spa_learner_type **type, bool *splits,
                             spa_error *err)
{
    *splits = strcmp(policy, "sac-split") == 0;
    return spa_cli_name_status(spa_learner_find(*splits ? "sac" : policy, type, err), policy, err);
}

spa_status spa_training_run(spa_training *out, const char *text, const spa_runs *runs,
                            const spa_options *options, spa_progress *progress, spa_error *err)
{
    trainer t = {.out = out, .runs = runs, .options = options, .progress = progress};
    size_t length = strcspn(text, ":");
    *out = (spa_training){.best = NAN};
    snprintf(out->policy, sizeof out->policy, "%.*s", (int)length, text);
    SPA_TRY(spa_training_find(out->policy, &t.type, &t.splits, err));
    double begin = now_s();
    spa_status status = describe(&t, err);
    if (!status) status = train(&t, text[length] ? text + length + 1 : "", err);
    out->seconds_host = now_s() - begin;
    spa_learner_free(t.learner);
    for (size_t i = 0; t.predicted && i < runs->n_cases; i++) spa_predicted_fini(&t.predicted[i]);
    free(t.predicted);
    free(t.thresholds);
    free(t.costs);
    spa_learn_scenarios_free(t.scenarios, t.n_scenarios);
    if (status) spa_training_fini(out);
    return status;
}
