/* results.db: what validate and replay found. A campaign is a run of experiment "validate" whose
 * metrics are measured, hence never repeatable. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "experiments/lanes_device.h"
#include "experiments/results_db.h"
#include "experiments/results_validation.h"
#include "experiments/version.h"

/* What was measured: names are not enough, a file's schedule changes under its name. */
static uint64_t hash_rows(uint64_t h, const spa_validation *v)
{
    for (size_t i = 0; i < v->n_rows; i++) {
        const spa_schedule *s = &v->rows[i].placement;
        h = spa_hash_bytes(h, v->rows[i].id, strlen(v->rows[i].id) + 1);
        h = spa_hash_u64(h, s->n_ops);
        if (s->n_ops == 0) continue;
        h = spa_hash_bytes(h, s->processor, s->n_ops);
        h = spa_hash_bytes(h, s->order, s->n_ops * sizeof *s->order);
        h = spa_hash_bytes(h, s->share, s->n_ops);
        h = spa_hash_bytes(h, s->second, s->n_ops);
    }
    return h;
}

static uint64_t key_of(const spa_validation *v, const spa_hardware_case *c,
                       const spa_options *options)
{
    uint64_t h = spa_hash_bytes(SPA_HASH_SEED, options->command, strlen(options->command) + 1);
    const char *date = c->trace.fingerprint.date;
    h = spa_hash_u64(spa_hash_u64(h, v->costs_hash), v->concurrency);
    h = spa_hash_u64(hash_rows(h, v), (uint64_t)options->seed);
    h = spa_hash_u64(spa_hash_u64(h, (uint64_t)options->rounds), (uint64_t)options->reps);
    return spa_hash_bytes(h, date, strlen(date));
}

static spa_status add_run(spa_results *r, const spa_validation *v, const spa_hardware_case *c,
                          const spa_options *o, int64_t *run, spa_error *err)
{
    const spa_trace_model *m = spa_trace_find_model(&c->trace, v->model);
    sqlite3_stmt *s = r->statements[ADD_RUN];
    spa_string lanes = {0};
    int64_t experiment;
    results_bind_text(r->statements[ADD_EXPERIMENT], 1, o->command);
    SPA_TRY(results_step(r, ADD_EXPERIMENT, &experiment, err));
    SPA_TRY(spa_lanes_put(&lanes, &c->lanes));
    const char *const texts[] = {spa_version(), v->model, NULL,       "this-machine",
                                 "nominal",     "sparoa", lanes.text, NULL,
                                 "measured",    "(all)",  "latency",  "validation"};
    sqlite3_bind_int64(s, 1, experiment);
    results_bind_hash(s, 2, key_of(v, c, o));
    for (int i = 0; i < 12; i++)
        if (texts[i]) results_bind_text(s, 3 + i, texts[i]);
    results_bind_hash(s, 5, m->graph.hash);
    results_bind_hash(s, 10, v->costs_hash);
    sqlite3_bind_int64(s, 15, v->concurrency);
    sqlite3_bind_int64(s, 16, 1);
    sqlite3_bind_int64(s, 17, m->graph.batch);
    results_bind_text(s, 18, spa_dtype_name(m->graph.dtype));
    sqlite3_bind_int64(s, 19, 1);
    sqlite3_bind_int64(s, 20, 0);
    sqlite3_bind_int64(s, 21, o->seed);
    sqlite3_bind_int64(s, 22, (int64_t)v->n_rows);
    sqlite3_bind_int64(s, 23, o->budget);
    spa_status status = results_step(r, ADD_RUN, run, err);
    spa_string_fini(&lanes);
    return status;
}

static spa_status add_component(spa_results *r, int64_t run, const char *schedule,
                                const char *component, double measured_ms, double simulated_ms,
                                spa_error *err)
{
    sqlite3_stmt *s = r->statements[ADD_VALIDATION];
    sqlite3_bind_int64(s, 1, run);
    results_bind_text(s, 2, schedule);
    results_bind_text(s, 3, component);
    if (isfinite(measured_ms)) sqlite3_bind_double(s, 4, measured_ms);
    if (isfinite(simulated_ms)) sqlite3_bind_double(s, 5, simulated_ms);
    return results_step(r, ADD_VALIDATION, NULL, err);
}

static spa_status add_metrics(spa_results *r, int64_t run, const spa_validation *v, spa_error *err)
{
    const struct {
        const char *name;
        double value;
    } metrics[] = {
        {"median_error", v->rescaled.median},
        {"p95_error", v->rescaled.p95},
        {"bias", v->rescaled.bias},
        {"kendall_tau", v->rescaled.tau},
        {"raw_median_error", v->raw.median},
        {"raw_p95_error", v->raw.p95},
        {"noise_floor_median", v->floor_median},
        {"noise_floor_p95", v->floor_p95},
    };
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        SPA_TRY(results_add_metric(r, run, metrics[i].name, metrics[i].value, 0, err));
    for (size_t p = 0; p < v->n_lanes; p++) {
        char name[32];
        snprintf(name, sizeof name, "scale_lane%zu", p);
        SPA_TRY(results_add_metric(r, run, name, v->lane_scale[p], 0, err));
    }
    return results_add_metric(r, run, "scale_turn", v->turn_scale, 0, err);
}

static spa_status store_one(spa_results *r, const spa_validation *v, const spa_hardware_case *c,
                            const spa_options *o, spa_error *err)
{
    int64_t run;
    SPA_TRY(add_run(r, v, c, o, &run, err));
    for (int clear = 0; clear < 2; clear++) {
        int which = clear ? CLEAR_VALIDATION : CLEAR_METRICS;
        sqlite3_bind_int64(r->statements[which], 1, run);
        SPA_TRY(results_step(r, which, NULL, err));
    }
    SPA_TRY(add_metrics(r, run, v, err));
    for (size_t i = 0; i < v->n_rows; i++) {
        const spa_validated *row = &v->rows[i];
        if (row->is_skipped) continue;
        SPA_TRY(add_component(r, run, row->id, "total", row->measured_ms,
                              row->simulated_ms * row->scale, err));
    }
    for (int k = 0; k < SPA_COMPONENT_COUNT && v->concurrency == 1; k++)
        SPA_TRY(add_component(r, run, "", spa_component_name((spa_component)k),
                              v->component_ms[k][0], v->component_ms[k][1], err));
    return SPA_OK;
}

spa_status spa_results_store_validations(const char *path, const spa_validation *runs, size_t n,
                                         const spa_hardware_case *c, const spa_options *options,
                                         spa_error *err)
{
    spa_results *r;
    SPA_TRY(spa_results_open(&r, path, err));
    spa_status status = results_execute(r, "BEGIN IMMEDIATE", err);
    for (size_t i = 0; i < n && !status; i++) status = store_one(r, &runs[i], c, options, err);
    if (!status) status = results_execute(r, "COMMIT", err);
    spa_results_close(r); /* an open transaction is rolled back */
    return status;
}
