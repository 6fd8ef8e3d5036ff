#define _POSIX_C_SOURCE 200809L
#include "experiments/experiment_curve.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "experiments/runs.h"

/* ---------------------------------------------------------------- values */
static spa_status add_point(spa_curve *c, uint64_t steps, double value, spa_error *err)
{
    SPA_TRY(spa_grow(&c->points, &c->capacity, c->n + 1, sizeof *c->points, err));
    c->points[c->n++] = (spa_curve_point){steps, value};
    return SPA_OK;
}

/* The objective of one request without noise. NaN: skipped. */
static spa_status value_of(const spa_run_key *key, const char *policy, int64_t budget,
                           double *value, spa_error *err)
{
    spa_options o = *key->options;
    const spa_scenario single = spa_scenario_single();
    spa_outcome outcome;
    o.budget = budget;
    o.noise = 0;
    o.reps = 1;
    o.half_width = 0;
    SPA_TRY(spa_study_run(key->c, &o, &single, policy, NULL, &outcome, err));
    *value = spa_outcome_value(&outcome, (spa_objective)o.objective);
    spa_outcome_fini(&outcome);
    return SPA_OK;
}

/* ---------------------------------------------------------------- searches */
static spa_status add_budget(spa_curve *c, const spa_run_key *key, int64_t budget, spa_error *err)
{
    double value;
    SPA_TRY(value_of(key, key->policy, budget, &value, err));
    return isfinite(value) ? add_point(c, (uint64_t)budget, value, err) : SPA_OK;
}

static spa_status search(spa_curve *c, const spa_run_key *key, spa_error *err)
{
    static const int64_t digits[] = {1, 2, 5};
    int64_t most = key->options->budget;
    for (int64_t power = 1; power < most; power *= 10)
        for (int i = 0; i < 3 && digits[i] * power < most; i++)
            SPA_TRY(add_budget(c, key, digits[i] * power, err));
    return add_budget(c, key, most, err);
}

/* ---------------------------------------------------------------- learning */
/* A training's values are shares of what the best processor alone takes. */
static spa_status best_single(const spa_run_key *key, double *best, spa_error *err)
{
    static const char *const single[] = {"cpu-only", "gpu-only"};
    *best = INFINITY;
    for (int i = 0; i < 2; i++) {
        double value;
        SPA_TRY(value_of(key, single[i], 1, &value, err));
        if (value < *best) *best = value; /* false for NaN */
    }
    return SPA_OK;
}

static spa_status make_file(spa_curve *c, spa_error *err)
{
    snprintf(c->file, sizeof c->file, "/tmp/sparoa-learned-XXXXXX");
    int fd = mkstemp(c->file);
    if (fd >= 0) {
        close(fd);
        return SPA_OK;
    }
    spa_status status =
        spa_fail_at(err, SPA_E_IO, c->file, 0, "cannot be made: %s", strerror(errno));
    c->file[0] = '\0';
    return status;
}

static spa_status learn(spa_curve *c, const spa_run_key *key, spa_error *err)
{
    spa_case borrowed = *key->c; /* trained on as it is; nothing is closed here */
    spa_runs runs = {.n_cases = 1, .n_devices = 1, .n_batches = 1, .cases = &borrowed};
    spa_options o = *key->options;
    spa_training training;
    spa_progress silent = {0};
    double best;
    SPA_TRY(best_single(key, &best, err));
    SPA_TRY(make_file(c, err));
    o.output = c->file;
    SPA_TRY(spa_training_run(&training, key->policy, &runs, &o, &silent, err));
    spa_status status = SPA_OK;
    for (size_t i = 0; i < training.n_curve && !status; i++)
        status = add_point(c, training.curve[i].steps, training.curve[i].value * best, err);
    c->host_ms = training.seconds_host * 1e3;
    spa_training_fini(&training);
    return status;
}

/* ---------------------------------------------------------------- both */
static bool learns(const char *policy)
{
    const spa_learner_type *type;
    char name[SPA_ACTOR_NAME];
    bool splits;
    if (strstr(policy, "model=")) return false; /* it has learned */
    snprintf(name, sizeof name, "%.*s", (int)strcspn(policy, ":"), policy);
    return spa_training_find(name, &type, &splits, NULL) == SPA_OK;
}

spa_status spa_curve_make(spa_curve *c, const spa_run_key *key, spa_error *err)
{
    const spa_policy *policy;
    spa_param_values values;
    *c = (spa_curve){0};
    if (learns(key->policy)) return learn(c, key, err);
    SPA_TRY(spa_policy_parse(key->policy, &policy, &values, err));
    return policy->capabilities & SPA_CAP_SEARCH ? search(c, key, err) : SPA_OK;
}

const char *spa_curve_policy(const spa_curve *c, const spa_run_key *key, char text[160])
{
    if (!c->file[0]) return key->policy;
    snprintf(text, 160, "%.*s:model=%s", (int)strcspn(key->policy, ":"), key->policy, c->file);
    return text;
}

void spa_curve_fini(spa_curve *c)
{
    if (c->file[0]) unlink(c->file);
    free(c->points);
    *c = (spa_curve){0};
}
