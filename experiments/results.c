#include "experiments/results_db.h"

#include <inttypes.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "experiments/ablate.h"
#include "experiments/version.h"

static const char *const statements[N_STATEMENTS] = {
    [ADD_EXPERIMENT] = "INSERT INTO experiment(name) VALUES(?1) "
                       "ON CONFLICT(name) DO UPDATE SET name = name RETURNING id",
    [ADD_RUN] = "INSERT INTO run(experiment_id, hash, program_version, model, graph_hash, device, "
                "mode, stack, lanes, costs_hash, origin, policy, objective, scenario, concurrency, "
                "requests, batch, dtype, noise, policy_cost, seed, reps, budget, digest, skipped, "
                "batcher, baseline, ablate, scale_contention, scale_launch, scale_transfer, "
                "scale_rho, scale_noise, baseline_range) "
                "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, "
                "?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, coalesce(?26, 'none'), coalesce(?27, "
                "'none'), coalesce(?28, 'none'), coalesce(?29, 1.0), coalesce(?30, 1.0), "
                "coalesce(?31, 1.0), coalesce(?32, 1.0), coalesce(?33, 1.0), coalesce(?34, '')) "
                "ON CONFLICT(hash) DO UPDATE SET program_version = excluded.program_version, "
                "digest = excluded.digest, skipped = excluded.skipped, reps = excluded.reps, "
                "origin = excluded.origin RETURNING id",
    [CLEAR_METRICS] = "DELETE FROM metric WHERE run_id = ?1",
    [CLEAR_SCHEDULE] = "DELETE FROM schedule WHERE run_id = ?1",
    [ADD_METRIC] = "INSERT INTO metric(run_id, name, value, repeatable) VALUES(?1, ?2, ?3, ?4)",
    [CLEAR_VALIDATION] = "DELETE FROM validation WHERE run_id = ?1",
    [ADD_VALIDATION] = "INSERT INTO validation(run_id, schedule, component, measured_ms, "
                       "simulated_ms) VALUES(?1, ?2, ?3, ?4, ?5)",
    [FIND_RUN] = "SELECT id FROM run WHERE hash = ?1 AND program_version = ?2",
    [LINK_ROW] = "INSERT INTO experiment_row(experiment_id, row, run_id) VALUES(?1, ?2, ?3) "
                 "ON CONFLICT(experiment_id, row) DO UPDATE SET run_id = excluded.run_id",
    [COUNT_ROWS] = "UPDATE experiment_status SET done = (SELECT count(*) FROM experiment_row "
                   "WHERE experiment_id = ?1) WHERE experiment_id = ?1",
    [CLEAR_REPLICATIONS] = "DELETE FROM replication WHERE run_id = ?1",
    [ADD_REPLICATION] = "INSERT INTO replication(run_id, replication, latency_ms, energy_mj, "
                        "throughput_ips) VALUES(?1, ?2, ?3, ?4, ?5)",
    [CLEAR_OPERATORS] = "DELETE FROM operator WHERE run_id = ?1",
    [ADD_OPERATOR] = "INSERT INTO operator(run_id, op, name, kind, macs, sparsity, rho_origin, "
                     "quadrant, processor, second, share, accelerated, host_us, accelerator_us) "
                     "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    [ADD_COMPARISON] =
        "INSERT OR IGNORE INTO comparison(run_id, reference_id, n, mean, reference_mean, "
        "difference, ci95, p_t, p_wilcoxon, p_t_holm, p_wilcoxon_holm) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [ADD_SCHEDULE] = "INSERT INTO schedule(run_id, graph_hash, placement, lanes, ordering, shares, "
                     "seconds) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
};

spa_status results_fail(const spa_results *r, spa_error *err)
{
    return spa_fail_at(err, SPA_E_IO, r->path, 0, "%s",
                       r->db ? sqlite3_errmsg(r->db) : "out of memory");
}

spa_status results_execute(spa_results *r, const char *sql, spa_error *err)
{
    return sqlite3_exec(r->db, sql, NULL, NULL, NULL) == SQLITE_OK ? SPA_OK : results_fail(r, err);
}

/* ---------------------------------------------------------------- opening */
static spa_status read_pragma(spa_results *r, const char *sql, int64_t *value, spa_error *err)
{
    sqlite3_stmt *s = NULL;
    spa_status status = SPA_OK;
    *value = 0;
    if (sqlite3_prepare_v2(r->db, sql, -1, &s, NULL) != SQLITE_OK ||
        sqlite3_step(s) != SQLITE_ROW) {
        status = results_fail(r, err);
    } else {
        *value = sqlite3_column_int64(s, 0);
    }
    sqlite3_finalize(s);
    return status;
}

/* A new file gets the schema; any other must be one of ours, of this version or the last one. */
static spa_status check_schema(spa_results *r, spa_error *err)
{
    int64_t version, application, tables;
    char sql[128];
    SPA_TRY(results_execute(r, "BEGIN IMMEDIATE", err));
    SPA_TRY(read_pragma(r, "PRAGMA user_version", &version, err));
    SPA_TRY(read_pragma(r, "PRAGMA application_id", &application, err));
    SPA_TRY(read_pragma(r, "SELECT count(*) FROM sqlite_schema", &tables, err));
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             RESULTS_APPLICATION_ID, SPA_RESULTS_VERSION);
    if (tables == 0) {
        SPA_TRY(results_execute(r, results_schema, err));
        SPA_TRY(results_execute(r, sql, err));
    } else if (application == RESULTS_APPLICATION_ID && version == SPA_RESULTS_VERSION - 1) {
        SPA_TRY(results_execute(r, results_upgrade, err));
        SPA_TRY(results_execute(r, sql, err));
    } else if (application != RESULTS_APPLICATION_ID) {
        return spa_fail_at(err, SPA_E_INVALID, r->path, 0,
                           "is a database, but not one of sparoa's; name another file");
    } else if (version != SPA_RESULTS_VERSION) {
        return spa_fail_at(err, SPA_E_UNSUPPORTED, r->path, 0,
                           "has schema version %" PRId64
                           "; this program uses %d; name another file",
                           version, SPA_RESULTS_VERSION);
    }
    return results_execute(r, "COMMIT", err);
}

static spa_status set_up(spa_results *r, spa_error *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(r->path, &r->db, flags, NULL) != SQLITE_OK) return results_fail(r, err);
    sqlite3_busy_timeout(r->db, 30000);
    SPA_TRY(results_execute(r, "PRAGMA foreign_keys = ON", err));
    SPA_TRY(check_schema(r, err));
    SPA_TRY(results_execute(r, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", err));
    for (int i = 0; i < N_STATEMENTS; i++) {
        if (sqlite3_prepare_v3(r->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &r->statements[i], NULL) != SQLITE_OK) {
            return results_fail(r, err);
        }
    }
    return SPA_OK;
}

spa_status spa_results_open(spa_results **results, const char *path, spa_error *err)
{
    *results = NULL;
    spa_results *r;
    SPA_TRY(spa_alloc(&r, 1, sizeof *r, err));
    r->path = path;
    spa_status status = set_up(r, err);
    if (status) {
        spa_results_close(r);
        return status;
    }
    *results = r;
    return SPA_OK;
}

void spa_results_close(spa_results *results)
{
    if (!results) return;
    for (int i = 0; i < N_STATEMENTS; i++) sqlite3_finalize(results->statements[i]);
    sqlite3_close(results->db); /* an open transaction is rolled back */
    free(results);
}

spa_status spa_results_check(const char *path, spa_error *err)
{
    spa_results *r;
    bool was_there = access(path, F_OK) == 0;
    SPA_TRY(spa_results_open(&r, path, err));
    spa_results_close(r);
    if (!was_there) unlink(path);
    return SPA_OK;
}

/* ---------------------------------------------------------------- storing */
void results_bind_text(sqlite3_stmt *s, int at, const char *text)
{
    if (text) {
        sqlite3_bind_text(s, at, text, -1, SQLITE_TRANSIENT);
    } else {
        sqlite3_bind_null(s, at);
    }
}

void results_bind_hash(sqlite3_stmt *s, int at, uint64_t hash)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    results_bind_text(s, at, text);
}

/* Runs a bound statement to its end; the first column of its row, if any, goes to *id. */
spa_status results_step(spa_results *r, int which, int64_t *id, spa_error *err)
{
    sqlite3_stmt *s = r->statements[which];
    int code = sqlite3_step(s);
    if (code == SQLITE_ROW) {
        if (id) *id = sqlite3_column_int64(s, 0);
        code = sqlite3_step(s);
    }
    spa_status status = code == SQLITE_DONE ? SPA_OK : results_fail(r, err);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return status;
}

static void bind_factors(sqlite3_stmt *s, const spa_options *o)
{
    char ablated[SPA_ABLATE_TEXT];
    results_bind_text(s, 26, o->batcher);
    results_bind_text(s, 28, spa_ablate_text(o->ablated, ablated));
    sqlite3_bind_double(s, 29, o->scales.contention);
    sqlite3_bind_double(s, 30, o->scales.launch);
    sqlite3_bind_double(s, 31, o->scales.transfer);
    sqlite3_bind_double(s, 32, o->scales.rho);
    sqlite3_bind_double(s, 33, o->scales.noise);
}

static void bind_run(sqlite3_stmt *s, int64_t experiment, const spa_run_key *key,
                     const spa_outcome *outcome)
{
    const spa_case *c = key->c;
    const spa_options *o = key->options;
    char origin[64];
    sqlite3_bind_int64(s, 1, experiment);
    results_bind_hash(s, 2, spa_run_key_hash(key));
    results_bind_text(s, 3, spa_version());
    results_bind_text(s, 4, key->models ? key->models : c->graph.name);
    results_bind_hash(s, 5, c->graph.hash);
    results_bind_text(s, 6, c->costs.device);
    results_bind_text(s, 7, c->costs.mode);
    results_bind_text(s, 8, c->costs.stack);
    results_bind_text(s, 9, c->costs.lanes);
    results_bind_hash(s, 10, c->costs.hash);
    results_bind_text(s, 11, spa_outcome_origin(c, outcome, origin));
    results_bind_text(s, 12, key->policy);
    results_bind_text(s, 13, spa_objective_name((spa_objective)o->objective));
    results_bind_text(s, 14, key->scenario->name);
    sqlite3_bind_int64(s, 15, key->scenario->concurrency);
    sqlite3_bind_int64(s, 16, (int64_t)key->scenario->requests);
    sqlite3_bind_int64(s, 17, c->graph.batch);
    results_bind_text(s, 18, spa_dtype_name(c->graph.dtype));
    sqlite3_bind_int64(s, 19, o->noise);
    sqlite3_bind_int64(s, 20, o->policy_cost);
    sqlite3_bind_int64(s, 21, o->seed);
    sqlite3_bind_int64(s, 22, (int64_t)(outcome->is_skipped ? spa_study_reps(o) : outcome->n_reps));
    sqlite3_bind_int64(s, 23, o->budget);
    if (!outcome->is_skipped) results_bind_hash(s, 24, outcome->digest);
    results_bind_text(s, 25, outcome->is_skipped ? outcome->skipped : NULL);
    bind_factors(s, o);
    results_bind_text(s, 27, key->baseline);
    results_bind_text(s, 34, key->range);
}

spa_status results_add_metric(spa_results *r, int64_t run, const char *name, double value,
                              int repeatable, spa_error *err)
{
    sqlite3_stmt *s = r->statements[ADD_METRIC];
    sqlite3_bind_int64(s, 1, run);
    results_bind_text(s, 2, name);
    if (isfinite(value)) sqlite3_bind_double(s, 3, value);
    sqlite3_bind_int(s, 4, repeatable);
    return results_step(r, ADD_METRIC, NULL, err);
}

/* Share of the time that accelerators compute, the busiest one's; NaN without one. */
static double accelerator_busy(const spa_case *c, const spa_outcome *o)
{
    double busy = NAN;
    for (size_t p = 0; p < c->costs.n_processors; p++)
        if (c->costs.processors[p].role == SPA_ROLE_ACCELERATOR && !(busy >= o->busy[p]))
            busy = o->busy[p];
    return busy;
}

static spa_status store_metrics(spa_results *r, int64_t run, const spa_case *c,
                                const spa_outcome *o, spa_error *err)
{
    const struct {
        const char *name;
        double value;
        int repeatable;
    } metrics[] = {
        {"latency_mean_ms", o->latency_ms, 1},
        {"latency_p50_ms", o->p50_ms, 1},
        {"latency_p95_ms", o->p95_ms, 1},
        {"latency_p99_ms", o->p99_ms, 1},
        {"latency_ci95_ms", o->ci95_ms, 1},
        {"lower_bound_ms", o->lower_bound_ms, 1},
        {"gap", o->gap, 1},
        {"energy_mj", o->energy_mj, 1},
        {"energy_dynamic_mj", o->energy_dynamic_mj, 1},
        {"power_w", o->power_w, 1},
        {"throughput_ips", o->throughput_ips, 1},
        {"gpu_share", o->gpu_share, 1},
        {"transfers", o->transfers, 1},
        {"transfer_ms", o->transfer_ms, 1},
        {"overlap", o->overlap, 1},
        {"dispatch_ms", o->dispatch_ms, 1},
        {"accelerator_busy", accelerator_busy(c, o), 1},
        {"deadline_ms", o->deadline_ms, 1},
        {"miss_rate", o->miss_rate, 1},
        {"tardiness_mean_ms", o->tardiness_ms, 1},
        {"plan_host_ms", o->plan_host_ms, 0},
    };
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        SPA_TRY(results_add_metric(r, run, metrics[i].name, metrics[i].value, metrics[i].repeatable,
                                   err));
    return SPA_OK;
}

static spa_status store_schedule(spa_results *r, int64_t run, const spa_case *c,
                                 const spa_schedule *plan, spa_error *err)
{
    spa_string texts[5] = {{0}};
    int n_texts = spa_schedule_splits(plan) ? 5 : 3;
    for (size_t i = 0; i < plan->n_ops; i++) {
        const char *before = i ? "," : "[";
        spa_string_append(&texts[0], "%s%u", before, plan->processor[i]);
        spa_string_append(&texts[1], "%s%d", before, plan->lane[i]);
        spa_string_append(&texts[2], "%s%u", before, plan->order[i]);
        if (n_texts == 3) continue;
        spa_string_append(&texts[3], "%s%u", before, plan->share[i]);
        spa_string_append(&texts[4], "%s%u", before, plan->second[i]);
    }
    sqlite3_stmt *s = r->statements[ADD_SCHEDULE];
    sqlite3_bind_int64(s, 1, run);
    results_bind_hash(s, 2, c->graph.hash);
    spa_status status = SPA_OK;
    for (int k = 0; k < n_texts; k++) {
        spa_string_append(&texts[k], "]");
        if (!status) status = spa_string_ok(&texts[k], err);
        if (!status) results_bind_text(s, 3 + k, texts[k].text);
        spa_string_fini(&texts[k]);
    }
    return status ? status : results_step(r, ADD_SCHEDULE, NULL, err);
}

static spa_status store_batches(spa_results *r, int64_t run, const spa_batch_outcome *b,
                                spa_error *err)
{
    const struct {
        const char *name;
        double value;
    } metrics[] = {{"batch_target", b->target},   {"batch_mean", b->samples},
                   {"batch_runs", b->runs},       {"queue_ms", b->queue_ms},
                   {"collect_ms", b->collect_ms}, {"batch_run_ms", b->run_ms},
                   {"batch_padding", b->padding}, {"batch_overhead", b->overhead}};
    for (size_t i = 0; b->target && i < sizeof metrics / sizeof *metrics; i++)
        SPA_TRY(results_add_metric(r, run, metrics[i].name, metrics[i].value, 1, err));
    return SPA_OK;
}

/* Of each model of a mix: the metric's name, a colon, the model's. */
static spa_status store_parts(spa_results *r, int64_t run, const spa_outcome *o, spa_error *err)
{
    for (size_t i = 0; i < o->n_parts; i++) {
        const spa_part_outcome *p = &o->parts[i];
        const struct {
            const char *name;
            double value;
        } metrics[] = {{"latency_mean_ms", p->latency_ms},
                       {"latency_p50_ms", p->p50_ms},
                       {"latency_p95_ms", p->p95_ms},
                       {"latency_p99_ms", p->p99_ms},
                       {"throughput_ips", p->throughput_ips}};
        for (size_t k = 0; k < sizeof metrics / sizeof *metrics; k++) {
            char name[320];
            snprintf(name, sizeof name, "%s:%.255s", metrics[k].name, p->model);
            SPA_TRY(results_add_metric(r, run, name, metrics[k].value, 1, err));
        }
    }
    return SPA_OK;
}

spa_status results_put_run(spa_results *r, const spa_run_key *key, const spa_outcome *outcome,
                           int64_t *run_id, spa_error *err)
{
    int64_t experiment = 0, run = 0;
    results_bind_text(r->statements[ADD_EXPERIMENT], 1, key->experiment);
    SPA_TRY(results_step(r, ADD_EXPERIMENT, &experiment, err));
    bind_run(r->statements[ADD_RUN], experiment, key, outcome);
    SPA_TRY(results_step(r, ADD_RUN, &run, err));
    *run_id = run;
    sqlite3_bind_int64(r->statements[CLEAR_METRICS], 1, run);
    SPA_TRY(results_step(r, CLEAR_METRICS, NULL, err));
    sqlite3_bind_int64(r->statements[CLEAR_SCHEDULE], 1, run);
    SPA_TRY(results_step(r, CLEAR_SCHEDULE, NULL, err));
    if (outcome->is_skipped) return SPA_OK;
    SPA_TRY(store_metrics(r, run, key->c, outcome, err));
    SPA_TRY(store_parts(r, run, outcome, err));
    SPA_TRY(store_batches(r, run, &outcome->batches, err));
    if (outcome->plan.n_ops == 0) return SPA_OK;
    return store_schedule(r, run, key->c, &outcome->plan, err);
}

spa_status spa_results_store(spa_results *results, const spa_run_key *key,
                             const spa_outcome *outcome, spa_error *err)
{
    int64_t run;
    SPA_TRY(results_execute(results, "BEGIN IMMEDIATE", err));
    spa_status status = results_put_run(results, key, outcome, &run, err);
    if (!status) status = results_execute(results, "COMMIT", err);
    if (status) sqlite3_exec(results->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

spa_status spa_results_store_runs(const char *path, const char *experiment, const spa_runs *runs,
                                  const spa_options *options, spa_error *err)
{
    spa_results *results;
    SPA_TRY(spa_results_open(&results, path, err));
    spa_status status = SPA_OK;
    size_t n = runs->policies.count;
    for (size_t i = 0; i < runs->n_cases * n && !status; i++) {
        spa_scenario scenario = spa_runs_scenario(runs, i / n);
        const spa_baseline *b = runs->rows[i % n].baseline;
        spa_run_key key = {.experiment = experiment,
                           .c = spa_runs_case(runs, i / n, i % n),
                           .options = options,
                           .scenario = &scenario,
                           .policy = runs->policies.items[i % n],
                           .baseline = b ? b->name : NULL,
                           .range = spa_baseline_range_name(b, runs->rows[i % n].end)};
        status = spa_results_store(results, &key, &runs->outcomes[i], err);
    }
    spa_results_close(results);
    return status;
}

/* ---------------------------------------------------------------- learning curves */
static spa_status put_points(spa_results *r, sqlite3_stmt *s, const spa_run_key *key,
                             const spa_curve_point *curve, size_t n, spa_error *err)
{
    for (size_t i = 0; i < n; i++) {
        results_bind_hash(s, 1, spa_run_key_hash(key));
        sqlite3_bind_int64(s, 2, (sqlite3_int64)curve[i].steps);
        sqlite3_bind_double(s, 3, curve[i].value);
        if (sqlite3_step(s) != SQLITE_DONE) return results_fail(r, err);
        sqlite3_reset(s);
    }
    return SPA_OK;
}

spa_status results_put_curve(spa_results *r, const spa_run_key *key, const spa_curve_point *curve,
                             size_t n, spa_error *err)
{
    static const char clear[] =
        "DELETE FROM learning_curve WHERE run_id = (SELECT id FROM run WHERE hash = ?1)";
    static const char add[] = "INSERT INTO learning_curve(run_id, step, value) "
                              "SELECT id, ?2, ?3 FROM run WHERE hash = ?1";
    sqlite3_stmt *s = NULL;
    spa_status status = SPA_OK;
    if (sqlite3_prepare_v2(r->db, clear, -1, &s, NULL) != SQLITE_OK) return results_fail(r, err);
    results_bind_hash(s, 1, spa_run_key_hash(key));
    if (sqlite3_step(s) != SQLITE_DONE) status = results_fail(r, err);
    sqlite3_finalize(s);
    if (status) return status;
    if (sqlite3_prepare_v2(r->db, add, -1, &s, NULL) != SQLITE_OK) return results_fail(r, err);
    status = put_points(r, s, key, curve, n, err);
    sqlite3_finalize(s);
    return status;
}

spa_status spa_results_store_curve(const char *path, const spa_run_key *key,
                                   const spa_curve_point *curve, size_t n, spa_error *err)
{
    spa_results *r;
    SPA_TRY(spa_results_open(&r, path, err));
    spa_status status = results_execute(r, "BEGIN IMMEDIATE", err);
    if (!status) status = results_put_curve(r, key, curve, n, err);
    if (!status) status = results_execute(r, "COMMIT", err);
    spa_results_close(r);
    return status;
}
