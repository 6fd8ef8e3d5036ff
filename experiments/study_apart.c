/* One policy on one case in a process of its own; its outcome comes back as bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/isolate.h"
#include "experiments/study.h"

/* ---------------------------------------------------------------- an outcome as bytes */
/* The struct itself, then what it points to. `policy` and the models of a mix are texts of the
 * parent's, whose copy the child is: their addresses hold. */
static spa_status put_outcome(spa_bytes *b, const spa_outcome *o, spa_error *err)
{
    const spa_schedule *s = &o->plan;
    SPA_TRY(spa_bytes_put(b, o, sizeof *o, err));
    if (o->is_skipped) return SPA_OK;
    SPA_TRY(spa_bytes_put(b, o->rep_ms, o->n_reps * sizeof *o->rep_ms, err));
    SPA_TRY(spa_bytes_put(b, o->rep_mj, o->n_reps * sizeof *o->rep_mj, err));
    SPA_TRY(spa_bytes_put(b, o->rep_ips, o->n_reps * sizeof *o->rep_ips, err));
    SPA_TRY(spa_bytes_put(b, o->parts, o->n_parts * sizeof *o->parts, err));
    SPA_TRY(spa_bytes_put(b, s->processor, s->n_ops, err));
    SPA_TRY(spa_bytes_put(b, s->lane, s->n_ops, err));
    SPA_TRY(spa_bytes_put(b, s->order, s->n_ops * sizeof *s->order, err));
    SPA_TRY(spa_bytes_put(b, s->share, s->n_ops, err));
    SPA_TRY(spa_bytes_put(b, s->second, s->n_ops, err));
    return spa_bytes_put(b, s->chunk, s->n_ops * sizeof *s->chunk, err);
}

static spa_status take_parts(const spa_bytes *b, size_t at, size_t n_ops, spa_outcome *o,
                             spa_error *err)
{
    spa_schedule *s = &o->plan;
    SPA_TRY(spa_alloc(&o->rep_ms, 3 * o->n_reps, sizeof *o->rep_ms, err));
    o->rep_mj = o->rep_ms + o->n_reps;
    o->rep_ips = o->rep_mj + o->n_reps;
    SPA_TRY(spa_bytes_take(b, &at, o->rep_ms, 3 * o->n_reps * sizeof *o->rep_ms, err));
    SPA_TRY(spa_alloc(&o->parts, o->n_parts, sizeof *o->parts, err));
    SPA_TRY(spa_bytes_take(b, &at, o->parts, o->n_parts * sizeof *o->parts, err));
    if (n_ops == 0) return SPA_OK;
    SPA_TRY(spa_schedule_init(s, n_ops, err));
    SPA_TRY(spa_bytes_take(b, &at, s->processor, n_ops, err));
    SPA_TRY(spa_bytes_take(b, &at, s->lane, n_ops, err));
    SPA_TRY(spa_bytes_take(b, &at, s->order, n_ops * sizeof *s->order, err));
    SPA_TRY(spa_bytes_take(b, &at, s->share, n_ops, err));
    SPA_TRY(spa_bytes_take(b, &at, s->second, n_ops, err));
    return spa_bytes_take(b, &at, s->chunk, n_ops * sizeof *s->chunk, err);
}

static spa_status take_outcome(const spa_bytes *b, spa_outcome *o, spa_error *err)
{
    size_t at = 0;
    SPA_TRY(spa_bytes_take(b, &at, o, sizeof *o, err));
    size_t n_ops = o->plan.n_ops;
    o->plan = (spa_schedule){0}; /* pointers of the child's */
    o->rep_ms = o->rep_mj = o->rep_ips = NULL;
    o->parts = NULL;
    if (o->is_skipped) return SPA_OK;
    spa_status status = take_parts(b, at, n_ops, o, err);
    if (status) spa_outcome_fini(o);
    return status;
}

/* ---------------------------------------------------------------- the run */
typedef struct order {
    const spa_case *c;
    const spa_options *options;
    const spa_scenario *scenario;
    const char *policy;
} order;

static spa_status work(void *user, spa_bytes *reply, spa_error *err)
{
    const order *w = user;
    spa_outcome outcome;
    SPA_TRY(spa_study_run(w->c, w->options, w->scenario, w->policy, NULL, &outcome, err));
    spa_status status = put_outcome(reply, &outcome, err);
    spa_outcome_fini(&outcome);
    return status;
}

spa_status spa_study_run_apart(const spa_case *c, const spa_options *options,
                               const spa_scenario *scenario, const char *policy,
                               spa_outcome *outcome, spa_error *err)
{
    order w = {.c = c, .options = options, .scenario = scenario, .policy = policy};
    spa_limits limits = {.seconds = SPA_LIMIT_SECONDS, .memory_bytes = SPA_LIMIT_BYTES};
    spa_bytes reply;
    spa_error cause = {0};
    bool died;
    if (options->time_limit_s > 0) limits.seconds = options->time_limit_s;
    if (options->max_memory_bytes) limits.memory_bytes = options->max_memory_bytes;
    *outcome = (spa_outcome){.policy = policy, .n_reps = spa_study_reps(options)};
    spa_status status = spa_isolate(&limits, work, &w, &reply, &died, &cause);
    if (died) {
        outcome->is_skipped = true;
        snprintf(outcome->skipped, sizeof outcome->skipped, "%.500s", cause.message);
        return SPA_OK;
    }
    if (!status) status = take_outcome(&reply, outcome, &cause);
    spa_bytes_fini(&reply);
    if (!status) return SPA_OK;
    *outcome = (spa_outcome){.policy = policy};
    if (err) *err = cause;
    return status;
}
