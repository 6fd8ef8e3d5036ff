#include "experiments/experiment_run.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "experiments/parallel.h"
#include "experiments/parts.h"
#include "sim/event.h"

/* A case is opened when its first row begins and closed when its last one is done. */
typedef struct shared_case {
    pthread_mutex_t lock;
    bool is_open;
    size_t left;
    spa_case c;
    spa_status status; /* SPA_E_UNSUPPORTED: its rows are skipped, */
    spa_error reason;  /* for this */
} shared_case;

typedef struct running {
    const spa_experiment *x;
    const spa_paths *paths;
    spa_results *results;
    int64_t experiment;
    shared_case *cases;
    size_t n_cases;
    pthread_mutex_t lock; /* of results and tally */
    spa_experiment_tally *tally;
    spa_progress *progress;
} running;

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

static spa_status open_case(running *k, shared_case *s, size_t row, const spa_options *o,
                            spa_error *err)
{
    const char *model = spa_experiment_value(k->x, row, SPA_FACTOR_MODEL);
    const char *device = spa_experiment_value(k->x, row, SPA_FACTOR_DEVICE);
    spa_error cause = {0};
    if (s->is_open) return SPA_OK;
    s->status = spa_parts_open(&s->c, o, k->paths, model, device, &cause);
    s->is_open = true;
    s->reason = cause;
    if (!s->status || s->status == SPA_E_UNSUPPORTED) return SPA_OK;
    return spa_fail_at(err, fault_in_file(s->status), k->x->path, line_at_fault(k->x, o),
                       "%s on %s: %.500s", model, device, cause.message);
}

static spa_status take_case(running *k, shared_case *s, size_t row, const spa_options *o,
                            spa_error *err)
{
    pthread_mutex_lock(&s->lock);
    spa_status status = open_case(k, s, row, o, err);
    pthread_mutex_unlock(&s->lock);
    return status;
}

static void leave_case(shared_case *s)
{
    pthread_mutex_lock(&s->lock);
    if (--s->left == 0 && s->is_open && !s->status) spa_case_close(&s->c);
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

static spa_status simulate(const running *k, const spa_run_key *key, placing *placed,
                           spa_outcome *outcome, spa_error *err)
{
    const spa_recorder recorder = {.event = note_place, .user = placed};
    bool inspects = k->x->kind == SPA_EXPERIMENT_INSPECT;
    SPA_TRY(spa_batcher_check(key->options, key->scenario, err));
    if (inspects) SPA_TRY(spa_schedule_init(&placed->schedule, key->c->graph.n_ops, err));
    return spa_study_run(key->c, key->options, key->scenario, key->policy,
                         inspects ? &recorder : NULL, outcome, err);
}

static spa_status store(running *k, size_t row, const spa_run_key *key, const placing *placed,
                        const spa_outcome *outcome, spa_error *err)
{
    const spa_schedule *schedule = placed->schedule.n_ops ? &placed->schedule : NULL;
    pthread_mutex_lock(&k->lock);
    spa_status status =
        spa_results_store_row(k->results, k->experiment, row, key, outcome, schedule, err);
    pthread_mutex_unlock(&k->lock);
    return status;
}

/* Has it been done already? */
static spa_status resume(running *k, size_t row, const spa_run_key *key, bool *done, spa_error *err)
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
    spa_outcome outcome = {0};
    placing placed = {0};
    spa_case own = {0};
    bool done = false;
    spa_status status = SPA_OK;
    if (b && spa_baseline_has_own_costs(b))
        status = open_own(k, row, b, end, key->options, &own, &outcome, err);
    if (own.model) key->c = &own;
    if (!status) status = resume(k, row, key, &done, err);
    if (!status && !done && !outcome.is_skipped) status = simulate(k, key, &placed, &outcome, err);
    outcome.baseline = key->baseline;
    if (!status && !done) status = store(k, row, key, &placed, &outcome, err);
    spa_schedule_fini(&placed.schedule);
    spa_outcome_fini(&outcome);
    if (own.model) spa_case_close(&own);
    return status;
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
    spa_status status = run_key(k, row, &key, b, end, err);
    spa_scenario_fini(&scenario);
    return status;
}

static spa_status do_row(void *user, size_t row, spa_error *err)
{
    running *k = user;
    shared_case *s = &k->cases[spa_experiment_case_of(k->x, row)];
    spa_options o;
    spa_error cause = {0};
    spa_status status = spa_experiment_options(k->x, row, &o, err);
    o.scenario_folder = k->paths->scenarios;
    if (!status) status = take_case(k, s, row, &o, err);
    if (!status && s->status == SPA_E_UNSUPPORTED) {
        status = spa_fail_at(err, s->status, k->x->path, line_at_fault(k->x, &o), "%.600s",
                             s->reason.message);
    } else if (!status) {
        status = run_row(k, &s->c, row, &o, &cause);
        if (status)
            status = spa_fail_at(err, fault_in_file(status), k->x->path,
                                 status == SPA_E_USAGE ? line_of(k->x, SPA_FACTOR_SCENARIO) : 0,
                                 "row %zu: %.600s", row, cause.message);
    }
    leave_case(s);
    spa_options_fini(&o);
    return status;
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

spa_status spa_experiment_run(const spa_experiment *x, const spa_paths *paths, size_t jobs,
                              spa_results *results, spa_progress *progress,
                              spa_experiment_tally *tally, spa_error *err)
{
    running k = {.x = x, .paths = paths, .results = results, .progress = progress, .tally = tally};
    size_t n_rows = spa_experiment_rows(x);
    *tally = (spa_experiment_tally){.rows = n_rows};
    SPA_TRY(make_cases(&k, err));
    pthread_mutex_init(&k.lock, NULL);
    spa_status status = spa_results_begin(results, x, &k.experiment, err);
    if (!status) status = spa_parallel(jobs, n_rows, &k, do_row, row_done, err);
    if (!status) status = spa_results_finish(results, x, k.experiment, err);
    for (size_t i = 0; i < k.n_cases; i++) {
        if (k.cases[i].is_open && !k.cases[i].status && k.cases[i].left)
            spa_case_close(&k.cases[i].c);
        pthread_mutex_destroy(&k.cases[i].lock);
    }
    pthread_mutex_destroy(&k.lock);
    free(k.cases);
    return status;
}
