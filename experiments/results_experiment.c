#include "experiments/results_experiment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/paired.h"
#include "base/stats.h"
#include "experiments/quadrant.h"
#include "experiments/results_db.h"
#include "experiments/version.h"

/* ---------------------------------------------------------------- transactions */
static spa_status end(spa_results *r, spa_status status, spa_error *err)
{
    if (!status) status = results_execute(r, "COMMIT", err);
    if (status) sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static void bind_number(sqlite3_stmt *s, int at, double x)
{
    if (isfinite(x)) sqlite3_bind_double(s, at, x);
}

/* ---------------------------------------------------------------- beginning */
static const char put_status[] =
    "INSERT INTO experiment_status(experiment_id, kind, title, file, file_hash, reference, "
    "half_width, min_reps, max_reps, seed, budget, steps, quick, expected, done, finished) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 0, 0) "
    "ON CONFLICT(experiment_id) DO UPDATE SET kind = excluded.kind, title = excluded.title, "
    "file = excluded.file, file_hash = excluded.file_hash, reference = excluded.reference, "
    "half_width = excluded.half_width, min_reps = excluded.min_reps, "
    "max_reps = excluded.max_reps, seed = excluded.seed, budget = excluded.budget, "
    "steps = excluded.steps, quick = excluded.quick, expected = excluded.expected, done = 0, "
    "finished = 0";

static void bind_status(sqlite3_stmt *s, const spa_experiment *x, int64_t experiment)
{
    const spa_names *policies = &x->factors[SPA_FACTOR_POLICY].values;
    sqlite3_bind_int64(s, 1, experiment);
    results_bind_text(s, 2, spa_experiment_kind_name(x->kind));
    results_bind_text(s, 3, x->title);
    results_bind_text(s, 4, x->path);
    results_bind_hash(s, 5, x->file_hash);
    results_bind_text(s, 6, x->reference < 0 ? NULL : policies->items[x->reference]);
    sqlite3_bind_double(s, 7, x->half_width);
    sqlite3_bind_int64(s, 8, x->min_reps);
    sqlite3_bind_int64(s, 9, x->reps);
    sqlite3_bind_int64(s, 10, x->seed);
    sqlite3_bind_int64(s, 11, x->budget);
    sqlite3_bind_int64(s, 12, x->steps);
    sqlite3_bind_int(s, 13, x->quick);
    sqlite3_bind_int64(s, 14, (int64_t)spa_experiment_rows(x));
}

/* Runs a statement that gives no rows. */
static spa_status run_once(spa_results *r, sqlite3_stmt *s, spa_error *err)
{
    spa_status status = sqlite3_step(s) == SQLITE_DONE ? SPA_OK : results_fail(r, err);
    sqlite3_finalize(s);
    return status;
}

static spa_status clear_rows(spa_results *r, int64_t experiment, spa_error *err)
{
    static const char sql[] = "DELETE FROM experiment_row WHERE experiment_id = ?1";
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(r->db, sql, -1, &s, NULL) != SQLITE_OK) return results_fail(r, err);
    sqlite3_bind_int64(s, 1, experiment);
    return run_once(r, s, err);
}

static spa_status begin(spa_results *r, const spa_experiment *x, int64_t *experiment,
                        spa_error *err)
{
    sqlite3_stmt *s;
    results_bind_text(r->statements[ADD_EXPERIMENT], 1, x->name);
    SPA_TRY(results_step(r, ADD_EXPERIMENT, experiment, err));
    if (sqlite3_prepare_v2(r->db, put_status, -1, &s, NULL) != SQLITE_OK)
        return results_fail(r, err);
    bind_status(s, x, *experiment);
    SPA_TRY(run_once(r, s, err));
    return clear_rows(r, *experiment, err);
}

spa_status spa_results_begin(spa_results *r, const spa_experiment *x, int64_t *experiment,
                             spa_error *err)
{
    SPA_TRY(results_execute(r, "BEGIN IMMEDIATE", err));
    return end(r, begin(r, x, experiment, err), err);
}

/* ---------------------------------------------------------------- rows */
spa_status spa_results_find(spa_results *r, const spa_run_key *key, int64_t *run, spa_error *err)
{
    *run = 0;
    results_bind_hash(r->statements[FIND_RUN], 1, spa_run_key_hash(key));
    results_bind_text(r->statements[FIND_RUN], 2, spa_version());
    return results_step(r, FIND_RUN, run, err);
}

static spa_status link_row(spa_results *r, int64_t experiment, size_t row, int64_t run,
                           spa_error *err)
{
    sqlite3_stmt *s = r->statements[LINK_ROW];
    sqlite3_bind_int64(s, 1, experiment);
    sqlite3_bind_int64(s, 2, (int64_t)row);
    sqlite3_bind_int64(s, 3, run);
    SPA_TRY(results_step(r, LINK_ROW, NULL, err));
    sqlite3_bind_int64(r->statements[COUNT_ROWS], 1, experiment);
    return results_step(r, COUNT_ROWS, NULL, err);
}

spa_status spa_results_link(spa_results *r, int64_t experiment, size_t row, int64_t run,
                            spa_error *err)
{
    SPA_TRY(results_execute(r, "BEGIN IMMEDIATE", err));
    return end(r, link_row(r, experiment, row, run, err), err);
}

static spa_status put_replications(spa_results *r, int64_t run, const spa_outcome *o,
                                   spa_error *err)
{
    sqlite3_bind_int64(r->statements[CLEAR_REPLICATIONS], 1, run);
    SPA_TRY(results_step(r, CLEAR_REPLICATIONS, NULL, err));
    for (uint64_t i = 0; !o->is_skipped && i < o->n_reps; i++) {
        sqlite3_stmt *s = r->statements[ADD_REPLICATION];
        sqlite3_bind_int64(s, 1, run);
        sqlite3_bind_int64(s, 2, (int64_t)i);
        sqlite3_bind_double(s, 3, o->rep_ms[i]);
        bind_number(s, 4, o->rep_mj[i]);
        bind_number(s, 5, o->rep_ips[i]);
        SPA_TRY(results_step(r, ADD_REPLICATION, NULL, err));
    }
    return SPA_OK;
}

/* Least time of an operator on the processors of one role, us; NaN = none can run it. */
static double role_us(const spa_costs *c, size_t op, spa_role role)
{
    double least = NAN;
    for (uint32_t p = 0; p < c->n_processors; p++) {
        if (c->processors[p].role != role || !spa_cost_can_run(c, op, p)) continue;
        double us = (double)spa_cost_total_ns(c, op, p) * 1e-3;
        if (!(us >= least)) least = us;
    }
    return least;
}

static double accelerated(const spa_costs *c, const spa_schedule *placed, size_t op)
{
    double given = (double)placed->share[op] / SPA_TENTHS, sum = 0;
    if (c->processors[placed->processor[op]].role == SPA_ROLE_ACCELERATOR) sum += 1 - given;
    if (given > 0 && c->processors[placed->second[op]].role == SPA_ROLE_ACCELERATOR) sum += given;
    return sum;
}

static spa_status put_operator(spa_results *r, int64_t run, const spa_case *c,
                               const spa_schedule *placed, size_t i, spa_error *err)
{
    sqlite3_stmt *s = r->statements[ADD_OPERATOR];
    const spa_op *op = &c->graph.ops[i];
    const spa_costs *costs = &c->costs;
    sqlite3_bind_int64(s, 1, run);
    sqlite3_bind_int64(s, 2, (int64_t)i);
    results_bind_text(s, 3, op->name);
    results_bind_text(s, 4, spa_op_kind_name(op->kind));
    sqlite3_bind_int64(s, 5, op->macs);
    bind_number(s, 6, op->sparsity);
    results_bind_text(s, 7, spa_origin_name(op->rho_origin));
    results_bind_text(s, 8, spa_quadrant(op));
    results_bind_text(s, 9, costs->processors[placed->processor[i]].name);
    if (placed->share[i]) results_bind_text(s, 10, costs->processors[placed->second[i]].name);
    sqlite3_bind_int(s, 11, placed->share[i]);
    sqlite3_bind_double(s, 12, accelerated(costs, placed, i));
    bind_number(s, 13, role_us(costs, i, SPA_ROLE_HOST));
    bind_number(s, 14, role_us(costs, i, SPA_ROLE_ACCELERATOR));
    return results_step(r, ADD_OPERATOR, NULL, err);
}

static spa_status put_operators(spa_results *r, int64_t run, const spa_case *c,
                                const spa_schedule *placed, spa_error *err)
{
    sqlite3_bind_int64(r->statements[CLEAR_OPERATORS], 1, run);
    SPA_TRY(results_step(r, CLEAR_OPERATORS, NULL, err));
    for (size_t i = 0; placed && i < placed->n_ops; i++)
        SPA_TRY(put_operator(r, run, c, placed, i, err));
    return SPA_OK;
}

/* Half-width of the 95 % interval of the mean over replications; NaN where there is none. */
static double ci_of(const double *x, uint64_t n)
{
    spa_moments m = {0};
    for (uint64_t i = 0; i < n; i++) spa_moments_add(&m, x[i]);
    return n < 2 ? NAN : spa_ci_half_width(n, spa_moments_sd(&m), 0.95);
}

static spa_status put_extras(spa_results *r, int64_t run, const spa_run_key *key,
                             const spa_outcome *o, const spa_row_extras *extras, spa_error *err)
{
    if (o->is_skipped) return SPA_OK;
    const spa_costs *costs = &key->c->costs;
    const spa_row_metric own[] = {
        {"computes_fp16", costs->graph ? costs->computes == SPA_FP16 : NAN, true},
        {"precise", o->is_precise ? 1 : 0, true},
        {"energy_ci95_mj", ci_of(o->rep_mj, o->n_reps), true},
        {"throughput_ci95_ips", ci_of(o->rep_ips, o->n_reps), true},
    };
    for (size_t i = 0; o->n_reps > 0 && i < sizeof own / sizeof *own; i++)
        SPA_TRY(results_add_metric(r, run, own[i].name, own[i].value, 1, err));
    for (size_t i = 0; i < extras->n_metrics; i++) {
        const spa_row_metric *m = &extras->metrics[i];
        SPA_TRY(results_add_metric(r, run, m->name, m->value, m->repeatable, err));
    }
    SPA_TRY(put_operators(r, run, key->c, extras->placed, err));
    return results_put_curve(r, key, extras->curve, extras->n_curve, err);
}

static spa_status store_row(spa_results *r, int64_t experiment, size_t row, const spa_run_key *key,
                            const spa_outcome *outcome, const spa_row_extras *extras,
                            spa_error *err)
{
    int64_t run;
    SPA_TRY(results_put_run(r, key, outcome, &run, err));
    SPA_TRY(put_replications(r, run, outcome, err));
    SPA_TRY(put_extras(r, run, key, outcome, extras, err));
    return link_row(r, experiment, row, run, err);
}

spa_status spa_results_store_row(spa_results *r, int64_t experiment, size_t row,
                                 const spa_run_key *key, const spa_outcome *outcome,
                                 const spa_row_extras *extras, spa_error *err)
{
    SPA_TRY(results_execute(r, "BEGIN IMMEDIATE", err));
    return end(r, store_row(r, experiment, row, key, outcome, extras, err), err);
}

spa_status spa_results_find_validation(spa_results *r, const char *model, int64_t *run,
                                       spa_error *err)
{
    static const char sql[] = "SELECT max(run.id) FROM run JOIN experiment e ON e.id = "
                              "experiment_id WHERE e.name = 'validate' AND model = ?1";
    sqlite3_stmt *s;
    *run = 0;
    if (sqlite3_prepare_v2(r->db, sql, -1, &s, NULL) != SQLITE_OK) return results_fail(r, err);
    results_bind_text(s, 1, model);
    spa_status status = sqlite3_step(s) == SQLITE_ROW ? SPA_OK : results_fail(r, err);
    if (!status) *run = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return status;
}

/* ---------------------------------------------------------------- comparisons */
typedef struct sample {
    int64_t run; /* 0 = skipped, or not done */
    double *values;
    size_t n;
} sample;

typedef struct comparing {
    spa_results *r;
    const spa_experiment *x;
    int64_t experiment;
    size_t n_rows;
    sample *samples;     /* [n_rows] */
    spa_paired *results; /* [n_rows]; n = 0: none */
    double *p;           /* [4 * n_rows]: t, wilcoxon, and both corrected */
} comparing;

static const char select_values[] =
    "SELECT e.row, r.id, CASE r.objective WHEN 'energy' THEN p.energy_mj "
    "WHEN 'edp' THEN p.energy_mj * p.latency_ms WHEN 'throughput' THEN 1 / p.throughput_ips "
    "ELSE p.latency_ms END FROM experiment_row e JOIN run r ON r.id = e.run_id "
    "JOIN replication p ON p.run_id = r.id WHERE e.experiment_id = ?1 "
    "ORDER BY e.row, p.replication";

static spa_status load_samples(comparing *k, spa_error *err)
{
    sqlite3_stmt *s;
    size_t capacity = 0, last = SIZE_MAX;
    int code;
    spa_status status = SPA_OK;
    if (sqlite3_prepare_v2(k->r->db, select_values, -1, &s, NULL) != SQLITE_OK)
        return results_fail(k->r, err);
    sqlite3_bind_int64(s, 1, k->experiment);
    while (!status && (code = sqlite3_step(s)) == SQLITE_ROW) {
        size_t row = (size_t)sqlite3_column_int64(s, 0);
        if (row >= k->n_rows) continue;
        sample *to = &k->samples[row];
        if (row != last) capacity = 0;
        last = row;
        to->run = sqlite3_column_int64(s, 1);
        bool unknown = sqlite3_column_type(s, 2) == SQLITE_NULL;
        status = spa_grow(&to->values, &capacity, to->n + 1, sizeof *to->values, err);
        if (!status) to->values[to->n++] = unknown ? NAN : sqlite3_column_double(s, 2);
    }
    if (!status && code != SQLITE_DONE) status = results_fail(k->r, err);
    sqlite3_finalize(s);
    return status;
}

/* Replication i had the same seed for both, as far as both went. */
static spa_status compare_row(comparing *k, size_t row, spa_error *err)
{
    size_t reference = spa_experiment_reference_row(k->x, row);
    k->p[row] = k->p[k->n_rows + row] = NAN;
    if (reference == SIZE_MAX) return SPA_OK;
    const sample *a = &k->samples[row], *b = &k->samples[reference];
    size_t n = a->n < b->n ? a->n : b->n;
    if (n == 0 || isnan(a->values[0]) || isnan(b->values[0])) return SPA_OK;
    SPA_TRY(spa_paired_compare(a->values, b->values, n, &k->results[row], err));
    k->p[row] = k->results[row].p_t;
    k->p[k->n_rows + row] = k->results[row].p_wilcoxon;
    return SPA_OK;
}

static double mean_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

static spa_status put_comparison(const comparing *k, size_t row, spa_error *err)
{
    sqlite3_stmt *s = k->r->statements[ADD_COMPARISON];
    const spa_paired *p = &k->results[row];
    size_t n = k->n_rows;
    if (p->n == 0) return SPA_OK;
    const sample *b = &k->samples[spa_experiment_reference_row(k->x, row)];
    sqlite3_bind_int64(s, 1, k->samples[row].run);
    sqlite3_bind_int64(s, 2, b->run);
    sqlite3_bind_int64(s, 3, (int64_t)p->n);
    sqlite3_bind_double(s, 4, mean_of(k->samples[row].values, p->n));
    sqlite3_bind_double(s, 5, mean_of(b->values, p->n));
    sqlite3_bind_double(s, 6, p->mean);
    bind_number(s, 7, p->ci95);
    bind_number(s, 8, p->p_t);
    bind_number(s, 9, p->p_wilcoxon);
    bind_number(s, 10, k->p[2 * n + row]);
    bind_number(s, 11, k->p[3 * n + row]);
    return results_step(k->r, ADD_COMPARISON, NULL, err);
}

/* Rows may share a run; comparisons of former versions of the file go. */
static spa_status store_comparisons(const comparing *k, spa_error *err)
{
    static const char clear[] =
        "DELETE FROM comparison WHERE run_id IN (SELECT id FROM run WHERE experiment_id = ?1)";
    static const char finish[] = "UPDATE experiment_status SET finished = done = expected "
                                 "WHERE experiment_id = ?1";
    sqlite3_stmt *s;
    if (sqlite3_prepare_v2(k->r->db, clear, -1, &s, NULL) != SQLITE_OK)
        return results_fail(k->r, err);
    sqlite3_bind_int64(s, 1, k->experiment);
    SPA_TRY(run_once(k->r, s, err));
    for (size_t i = 0; i < k->n_rows; i++) SPA_TRY(put_comparison(k, i, err));
    if (sqlite3_prepare_v2(k->r->db, finish, -1, &s, NULL) != SQLITE_OK)
        return results_fail(k->r, err);
    sqlite3_bind_int64(s, 1, k->experiment);
    return run_once(k->r, s, err);
}

static spa_status compare_all(comparing *k, spa_error *err)
{
    size_t n = k->n_rows;
    SPA_TRY(spa_alloc(&k->samples, n, sizeof *k->samples, err));
    SPA_TRY(spa_alloc(&k->results, n, sizeof *k->results, err));
    SPA_TRY(spa_alloc(&k->p, 4 * n, sizeof *k->p, err));
    SPA_TRY(load_samples(k, err));
    for (size_t i = 0; i < n; i++) SPA_TRY(compare_row(k, i, err));
    SPA_TRY(spa_holm(k->p, k->p + 2 * n, n, err));
    SPA_TRY(spa_holm(k->p + n, k->p + 3 * n, n, err));
    SPA_TRY(results_execute(k->r, "BEGIN IMMEDIATE", err));
    return end(k->r, store_comparisons(k, err), err);
}

spa_status spa_results_finish(spa_results *r, const spa_experiment *x, int64_t experiment,
                              spa_error *err)
{
    comparing k = {.r = r, .x = x, .experiment = experiment, .n_rows = spa_experiment_rows(x)};
    spa_status status = compare_all(&k, err);
    for (size_t i = 0; k.samples && i < k.n_rows; i++) free(k.samples[i].values);
    free(k.samples);
    free(k.results);
    free(k.p);
    return status;
}
