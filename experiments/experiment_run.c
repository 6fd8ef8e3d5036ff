#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/experiment_curve.h"
#include "experiments/experiment_running.h"
#include "experiments/parallel.h"
#include "experiments/parts.h"
#include "sim/event.h"

typedef struct opened_case {
    spa_case c;
    spa_status status; /* of opening it, */
    spa_error reason;  /* for every row that comes after a failure */
} opened_case;

/* A case is opened when its first row begins and closed when its last one is done: few are open at
 * a time, and an experiment may have a million. */
typedef struct shared_case {
    pthread_mutex_t lock;
    size_t left;
    opened_case *open; /* NULL = not yet, or no longer */
} shared_case;

/* ---------------------------------------------------------------- cases */
static int line_of(const spa_experiment *x, spa_factor factor)
{
    return x->factors[factor].line;
}

/* Which line of the file is to blame: a name of a stack or of lanes if one was given, else the
 * device, which is what a trace belongs to. */
static int line_at_fault(const spa_experiment *x, const spa_options *o)
{
    if (o->lanes) return line_of(x, SPA_FACTOR_LANES);
    if (o->stack) return line_of(x, SPA_FACTOR_STACK);
    return line_of(x, SPA_FACTOR_DEVICE);
}

/* Names stand in a file here, not on the command line. */
static spa_status fault_in_file(spa_status status)
{
    return status == SPA_E_USAGE ? SPA_E_INVALID : status;
}

static spa_status fail_case(const running *k, size_t row, const char *model, const spa_options *o,
                            spa_status status, const spa_error *cause, spa_error *err)
{
    return spa_fail_at(err, fault_in_file(status), k->x->path, line_at_fault(k->x, o),
                       "%s on %s: %.500s", model,
                       spa_experiment_value(k->x, row, SPA_FACTOR_DEVICE), cause->message);
}

spa_status running_open_case(const running *k, size_t row, const char *model, const spa_options *o,
                             spa_case *c, spa_error *err)
{
    spa_error cause = {0};
    spa_status status = spa_parts_open(c, o, k->paths, model,
                                       spa_experiment_value(k->x, row, SPA_FACTOR_DEVICE), &cause);
    return status ? fail_case(k, row, model, o, status, &cause, err) : SPA_OK;
}

static spa_status open_case(running *k, shared_case *s, size_t row, const spa_options *o,
                            spa_error *err)
{
    const char *model = spa_experiment_value(k->x, row, SPA_FACTOR_MODEL);
    if (!s->open) {
        SPA_TRY(spa_alloc(&s->open, 1, sizeof *s->open, err));
        s->open->status = running_open_case(k, row, model, o, &s->open->c, &s->open->reason);
    }
    if (s->open->status && err) *err = s->open->reason;
    return s->open->status;
}

static spa_status take_case(running *k, shared_case *s, size_t row, const spa_options *o,
                            spa_error *err)
{
    pthread_mutex_lock(&s->lock);
    spa_status status = open_case(k, s, row, o, err);
    pthread_mutex_unlock(&s->lock);
    return status;
}

static void close_case(shared_case *s)
{
    if (s->open && !s->open->status) spa_case_close(&s->open->c);
    free(s->open);
    s->open = NULL;
}

static void leave_case(shared_case *s)
{
    pthread_mutex_lock(&s->lock);
    if (--s->left == 0) close_case(s);
    pthread_mutex_unlock(&s->lock);
}

/* ---------------------------------------------------------------- rows */
typedef struct placing {
    spa_schedule schedule;
    size_t count;
} placing;

static void note_place(void *user, const spa_event *event)
{
    placing *p = user;
    if (event->kind == SPA_EV_PLACE && event->request == 0)
        spa_schedule_note_place(&p->schedule, event, &p->count);
}

/* What one row gave. */
typedef struct row_result {
    spa_outcome outcome;
    placing placed;
    spa_curve curve;
} row_result;

static void close_result(row_result *r)
{
    spa_schedule_fini(&r->placed.schedule);
    spa_outcome_fini(&r->outcome);
    spa_curve_fini(&r->curve);
}

static spa_status make_curve(const spa_run_key *key, row_result *r, spa_error *err)
{
    spa_error why = {0};
    spa_status status = spa_curve_make(&r->curve, key, &why);
    if (status != SPA_E_UNSUPPORTED) return status && err ? (*err = why, status) : status;
    r->outcome = (spa_outcome){.policy = key->policy, .is_skipped = true};
    snprintf(r->outcome.skipped, sizeof r->outcome.skipped, "%.500s", why.message);
    return SPA_OK;
}

static spa_status simulate(const running *k, const spa_run_key *key, row_result *r, spa_error *err)
{
    const spa_recorder recorder = {.event = note_place, .user = &r->placed};
    bool inspects = k->x->kind == SPA_EXPERIMENT_INSPECT;
    char text[160];
    SPA_TRY(spa_batcher_check(key->options, key->scenario, err));
    if (k->x->kind == SPA_EXPERIMENT_CURVE) SPA_TRY(make_curve(key, r, err));
    if (r->outcome.is_skipped) return SPA_OK;
    if (inspects) SPA_TRY(spa_schedule_init(&r->placed.schedule, key->c->graph.n_ops, err));
    const char *policy = spa_curve_policy(&r->curve, key, text);
    SPA_TRY(key->options->isolate && !inspects
                ? spa_study_run_apart(key->c, key->options, key->scenario, policy, &r->outcome, err)
                : spa_study_run(key->c, key->options, key->scenario, policy,
                                inspects ? &recorder : NULL, &r->outcome, err));
    r->outcome.policy = key->policy;
    r->outcome.plan_host_ms += r->curve.host_ms; /* learning is its way of searching */
    return SPA_OK;
}

spa_status running_store(running *k, size_t row, const spa_run_key *key, const spa_outcome *outcome,
                         const spa_row_extras *extras, spa_error *err)
{
    pthread_mutex_lock(&k->lock);
    spa_status status =
        spa_results_store_row(k->results, k->experiment, row, key, outcome, extras, err);
    pthread_mutex_unlock(&k->lock);
    return status;
}

spa_status running_resume(running *k, size_t row, const spa_run_key *key, bool *done,
                          spa_error *err)
{
    int64_t run = 0;
    pthread_mutex_lock(&k->lock);
    spa_status status = spa_results_find(k->results, key, &run, err);
    if (!status && run) status = spa_results_link(k->results, k->experiment, row, run, err);
    *done = run != 0;
    k->tally->resumed += *done;
    pthread_mutex_unlock(&k->lock);
    return status;
}

/* What a baseline asks for that the device does not have is a skipped row. */
static bool is_lack(spa_status status)
{
    return status == SPA_E_NOT_FOUND || status == SPA_E_USAGE || status == SPA_E_UNSUPPORTED;
}

/* Costs of a baseline's own; closed by the caller if *own is open. */
static spa_status open_own(running *k, size_t row, const spa_baseline *b, spa_range_end end,
                           const spa_options *o, spa_case *own, spa_outcome *outcome,
                           spa_error *err)
{
    spa_options one = *o;
    spa_error why = {0};
    spa_baseline_apply(b, end, &one);
    spa_status status =
        spa_parts_open(own, &one, k->paths, spa_experiment_value(k->x, row, SPA_FACTOR_MODEL),
                       spa_experiment_value(k->x, row, SPA_FACTOR_DEVICE), &why);
    if (!is_lack(status)) return status && err ? (*err = why, status) : status;
    *outcome = (spa_outcome){.policy = b->policy, .is_skipped = true};
    snprintf(outcome->skipped, sizeof outcome->skipped, "%.500s", why.message);
    return SPA_OK;
}

static spa_status run_key(running *k, size_t row, spa_run_key *key, const spa_baseline *b,
                          spa_range_end end, spa_error *err)
{
    row_result r = {0};
    spa_case own = {0};
    bool done = false;
    spa_status status = SPA_OK;
    if (b && spa_baseline_has_own_costs(b))
        status = open_own(k, row, b, end, key->options, &own, &r.outcome, err);
    if (own.model) key->c = &own;
    if (!status) status = running_resume(k, row, key, &done, err);
    if (!status && !done && !r.outcome.is_skipped) status = simulate(k, key, &r, err);
    r.outcome.baseline = key->baseline;
    spa_row_extras extras = {.placed = r.placed.schedule.n_ops ? &r.placed.schedule : NULL,
                             .curve = r.curve.points,
                             .n_curve = r.curve.n};
    if (!status && !done) status = running_store(k, row, key, &r.outcome, &extras, err);
    close_result(&r);
    if (own.model) spa_case_close(&own);
    return status;
}

/* What is in the files that a policy names (ppo:model=FILE): another content is another run. Files
 * that cannot be read are for the policy to report. */
static spa_status hash_files(const char *policy, uint64_t *hash, spa_error *err)
{
    static const char *const keys[] = {":model=", ":thresholds="};
    *hash = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *at = strstr(policy, keys[i]);
        char path[SPA_PARAM_TEXT_MAX], *bytes;
        size_t size;
        spa_error why;
        if (!at) continue;
        at += strlen(keys[i]);
        snprintf(path, sizeof path, "%.*s", (int)strcspn(at, ":"), at);
        spa_status status = spa_read_file(path, (size_t)1 << 28, true, &bytes, &size, &why);
        if (status == SPA_E_NOMEM) return spa_fail(err, status, "%s", why.message);
        if (status) continue;
        *hash = spa_hash_bytes(*hash ? *hash : SPA_HASH_SEED, bytes, size);
        free(bytes);
    }
    return SPA_OK;
}

static spa_status run_row(running *k, const spa_case *c, size_t row, const spa_options *o,
                          spa_error *err)
{
    spa_scenario scenario, resolved;
    spa_range_end end;
    const spa_baseline *b = spa_experiment_baseline(k->x, row, &end);
    SPA_TRY(spa_study_scenario(o, &scenario, err));
    /* The same rates and times for all rows of the case: baselines on stacks of their own, too. */
    resolved = scenario;
    if (resolved.relative) spa_scenario_resolve(&resolved, spa_case_service_ns(c));
    spa_run_key key = {.experiment = k->x->name,
                       .c = c,
                       .options = o,
                       .scenario = &resolved,
                       .policy = b ? b->policy : spa_experiment_value(k->x, row, SPA_FACTOR_POLICY),
                       .baseline = b ? b->name : NULL,
                       .range = spa_baseline_range_name(b, end)};
    spa_status status = hash_files(key.policy, &key.inputs, err);
    if (!status) status = run_key(k, row, &key, b, end, err);
    spa_scenario_fini(&scenario);
    return status;
}

spa_status running_options(const running *k, size_t row, spa_options *o, spa_error *err)
{
    spa_status status = spa_experiment_options(k->x, row, o, err);
    o->scenario_folder = k->paths->scenarios;
    return status;
}

static spa_status do_row(void *user, size_t row, spa_error *err)
{
    running *k = user;
    shared_case *s = &k->cases[spa_experiment_case_of(k->x, row)];
    spa_options o;
    spa_error cause = {0};
    if (k->mine && !k->mine[row]) {
        leave_case(s);
        return SPA_OK;
    }
    spa_status status = running_options(k, row, &o, err);
    if (!status) status = take_case(k, s, row, &o, err);
    if (!status) {
        status = run_row(k, &s->open->c, row, &o, &cause);
        if (status)
            status = spa_fail_at(err, fault_in_file(status), k->x->path,
                                 status == SPA_E_USAGE ? line_of(k->x, SPA_FACTOR_SCENARIO) : 0,
                                 "row %zu: %.600s", row, cause.message);
    }
    leave_case(s);
    spa_options_fini(&o);
    return status;
}

/* Kind validation: what is stored is taken, what is not stays undone. */
static spa_status take_validations(running *k, spa_error *err)
{
    const spa_names *models = &k->x->factors[SPA_FACTOR_MODEL].values;
    for (size_t i = 0; i < models->count; i++) {
        int64_t run;
        SPA_TRY(spa_results_find_validation(k->results, models->items[i], &run, err));
        if (!run) continue;
        SPA_TRY(spa_results_link(k->results, k->experiment, i, run, err));
        k->tally->resumed++;
    }
    return SPA_OK;
}

static void row_done(void *user, size_t n_done)
{
    const running *k = user;
    spa_progress_show(k->progress, n_done);
}

/* ---------------------------------------------------------------- the whole */
static spa_status make_cases(running *k, spa_error *err)
{
    size_t n_rows = spa_experiment_rows(k->x), n = spa_experiment_cases(k->x);
    SPA_TRY(spa_alloc(&k->cases, n, sizeof *k->cases, err));
    k->n_cases = n;
    for (size_t i = 0; i < n; i++) {
        pthread_mutex_init(&k->cases[i].lock, NULL);
        k->cases[i].left = n_rows / n;
    }
    return SPA_OK;
}

/* Which rows are run here. Kinds that are not rows of their own are not shared out. */
static spa_status take_shard(running *k, spa_shard shard, spa_error *err)
{
    bool rows = k->x->kind <= SPA_EXPERIMENT_CURVE;
    if (shard.count <= 1) return SPA_OK;
    SPA_TRY(spa_alloc(&k->mine, k->tally->rows, sizeof *k->mine, err));
    if (rows) SPA_TRY(spa_shard_rows(k->x, shard, k->mine, err));
    for (size_t i = 0; !rows && i < k->tally->rows; i++) k->mine[i] = shard.index == 1;
    for (size_t i = 0; i < k->tally->rows; i++) k->tally->elsewhere += !k->mine[i];
    return SPA_OK;
}

spa_status spa_experiment_run(const spa_experiment *x, const spa_paths *paths, size_t jobs,
                              spa_shard shard, spa_results *results, spa_progress *progress,
                              spa_experiment_tally *tally, spa_error *err)
{
    running k = {.x = x,
                 .paths = paths,
                 .results = results,
                 .jobs = jobs,
                 .progress = progress,
                 .tally = tally};
    size_t n_rows = spa_experiment_rows(x);
    *tally = (spa_experiment_tally){.rows = n_rows};
    SPA_TRY(make_cases(&k, err));
    pthread_mutex_init(&k.lock, NULL);
    spa_status status = take_shard(&k, shard, err);
    if (!status) status = spa_results_begin(results, x, &k.experiment, err);
    if (status || tally->elsewhere == n_rows) goto out;
    if (!status && x->kind == SPA_EXPERIMENT_VALIDATION)
        status = take_validations(&k, err);
    else if (!status && x->kind == SPA_EXPERIMENT_PREDICTOR)
        status = running_predictors(&k, err);
    else if (!status)
        status = spa_parallel(jobs, n_rows, &k, do_row, row_done, err);
    if (!status && !tally->elsewhere) status = spa_results_finish(results, x, k.experiment, err);
out:
    for (size_t i = 0; i < k.n_cases; i++) {
        close_case(&k.cases[i]);
        pthread_mutex_destroy(&k.cases[i].lock);
    }
    pthread_mutex_destroy(&k.lock);
    free(k.cases);
    free(k.mine);
    return status;
}
