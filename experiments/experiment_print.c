#include "experiments/experiment_print.h"

#include <math.h>
#include <string.h>
#include "experiments/experiment_factors.h"
#include "experiments/results_db.h"
#include "experiments/table.h"

/* Columns of a row; metrics may be NULL. */
enum {
    ROW,
    POLICY,
    SKIPPED,
    REPS,
    DIFFERENCE,
    CI,
    P_T,
    P_W,
    P_T_HOLM,
    P_W_HOLM,
    REFERENCE,
    FIRST_METRIC
};

/* What is shown of a row; of rows that were simulated these, in this order. */
enum { LATENCY, LATENCY_CI, P95, GAP, ENERGY, POWER, RATE, GPU, TRANSFER, OVERLAP, PRECISE };
enum { METRICS_MOST = 12 };
static const char *const simulated[METRICS_MOST] = {
    "latency_mean_ms", "latency_ci95_ms", "latency_p95_ms", "gap",     "energy_mj", "power_w",
    "throughput_ips",  "gpu_share",       "transfer_ms",    "overlap", "precise"};
static const char *const predicted[METRICS_MOST] = {"accuracy_sparsity",
                                                    "accuracy_intensity",
                                                    "accuracy_sparsity_by_model",
                                                    "accuracy_intensity_by_model",
                                                    "mse_sparsity",
                                                    "mse_intensity",
                                                    "over_best_intensity",
                                                    "over_labels_intensity",
                                                    "latency_over_labels",
                                                    "latency_over_best",
                                                    "parameters"};
static const char *const validated[METRICS_MOST] = {"median_error", "p95_error", "kendall_tau",
                                                    "noise_floor_median", "noise_floor_p95"};

static const char *const *metrics_of(const spa_experiment *x)
{
    if (x->kind == SPA_EXPERIMENT_PREDICTOR) return predicted;
    return x->kind == SPA_EXPERIMENT_VALIDATION ? validated : simulated;
}

static const char select_rows[] =
    "SELECT w.row, CASE r.baseline WHEN 'none' THEN r.policy ELSE r.baseline || CASE WHEN "
    "r.baseline_range IN "
    "('low', 'high') THEN '@' || r.baseline_range ELSE '' END END, r.skipped, r.reps, "
    "c.difference, c.ci95, c.p_t, c.p_wilcoxon, c.p_t_holm, "
    "c.p_wilcoxon_holm, c.reference_mean, %s FROM experiment e JOIN experiment_row w ON "
    "w.experiment_id = e.id JOIN run r ON r.id = w.run_id LEFT JOIN comparison c ON c.run_id = "
    "r.id WHERE e.name = ?1 ORDER BY w.row";

static spa_status prepare(spa_results *r, const spa_experiment *x, sqlite3_stmt **s, spa_error *err)
{
    spa_string columns = {0}, sql = {0};
    const char *const *metrics = metrics_of(x);
    for (int i = 0; i < METRICS_MOST && metrics[i]; i++)
        spa_string_append(&columns,
                          "%s(SELECT value FROM metric m WHERE m.run_id = r.id AND m.name = '%s')",
                          i ? ", " : "", metrics[i]);
    spa_status status = spa_string_ok(&columns, err);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (!status) spa_string_append(&sql, select_rows, columns.text);
#pragma GCC diagnostic pop
    if (!status) status = spa_string_ok(&sql, err);
    if (!status && sqlite3_prepare_v2(r->db, sql.text, -1, s, NULL) != SQLITE_OK)
        status = results_fail(r, err);
    if (!status) results_bind_text(*s, 1, x->name);
    spa_string_fini(&columns);
    spa_string_fini(&sql);
    return status;
}

static double number(sqlite3_stmt *s, int column)
{
    return sqlite3_column_type(s, column) == SQLITE_NULL ? NAN : sqlite3_column_double(s, column);
}

static const char *text(sqlite3_stmt *s, int column)
{
    return (const char *)sqlite3_column_text(s, column);
}

/* ---------------------------------------------------------------- text */
/* A factor is told per row when it varies, in the heading when it is given and does not. */
static bool varies(const spa_experiment *x, int factor)
{
    return x->factors[factor].values.count > 1;
}

static void put_case(spa_string *to, const spa_experiment *x, size_t row)
{
    spa_string_append(to, "%s on %s", spa_experiment_value(x, row, SPA_FACTOR_MODEL),
                      spa_experiment_value(x, row, SPA_FACTOR_DEVICE));
    for (int f = SPA_FACTOR_STACK; f < SPA_FACTOR_POLICY; f++)
        if (varies(x, f))
            spa_string_append(to, ", %s %s", experiment_factors[f].key,
                              spa_experiment_value(x, row, (spa_factor)f));
}

static void put_row(spa_table *t, sqlite3_stmt *s)
{
    spa_table_put(t, "%s", text(s, POLICY));
    if (text(s, SKIPPED)) {
        spa_table_span(t, "skipped: %s", text(s, SKIPPED));
        return;
    }
    spa_table_number(t, number(s, FIRST_METRIC + LATENCY), 3);
    spa_table_number(t, number(s, FIRST_METRIC + LATENCY_CI), 3);
    spa_table_put(t, "%lld%s", (long long)sqlite3_column_int64(s, REPS),
                  number(s, FIRST_METRIC + PRECISE) == 0 ? "!" : "");
    spa_table_number(t, number(s, FIRST_METRIC + GAP) * 100, 1);
    spa_table_number(t, number(s, FIRST_METRIC + ENERGY), 2);
    spa_table_number(t, number(s, FIRST_METRIC + POWER), 2);
    spa_table_number(t, number(s, FIRST_METRIC + RATE), 1);
    spa_table_number(t, number(s, FIRST_METRIC + GPU) * 100, 1);
    spa_table_number(t, number(s, DIFFERENCE) / number(s, REFERENCE) * 100, 2);
    spa_table_number(t, number(s, CI) / number(s, REFERENCE) * 100, 2);
    double p = number(s, P_T_HOLM);
    if (isnan(p))
        spa_table_put(t, "-");
    else
        spa_table_put(t, p < 0.001 ? "<0.001" : "%.3f", p);
}

static const char heads[] = "policy|latency ms|+-95%|n|gap %|energy mJ|power W|inf/s|gpu %|"
                            "diff %|+-95%|p";

typedef struct printed {
    size_t rows, skipped, imprecise, compared, different;
} printed;

static void count_row(printed *n, sqlite3_stmt *s)
{
    double p = number(s, P_T_HOLM);
    n->rows++;
    n->skipped += text(s, SKIPPED) != NULL;
    n->imprecise += number(s, FIRST_METRIC + PRECISE) == 0;
    n->compared += !isnan(p);
    n->different += p < 0.05;
}

static spa_status print_groups(spa_results *r, const spa_experiment *x, sqlite3_stmt *s, printed *n,
                               spa_string *out, spa_error *err)
{
    size_t per_group = x->factors[SPA_FACTOR_POLICY].values.count;
    spa_table t;
    int code = SQLITE_ROW;
    spa_status status = SPA_OK;
    while (!status && code == SQLITE_ROW) {
        size_t in_group = 0;
        spa_table_init(&t, heads, "lrrrrrrrrrrr");
        while (in_group < per_group && (code = sqlite3_step(s)) == SQLITE_ROW) {
            if (in_group++ == 0) {
                spa_string_append(out, "\n  ");
                put_case(out, x, n->rows);
                spa_string_append(out, "\n");
            }
            count_row(n, s);
            put_row(&t, s);
        }
        if (in_group) status = spa_table_print(&t, 4, out, err);
        spa_table_fini(&t);
    }
    if (!status && code != SQLITE_DONE) status = results_fail(r, err);
    return status;
}

/* A line per row, a column per metric. */
static spa_status print_metrics(spa_results *r, const spa_experiment *x, sqlite3_stmt *s,
                                printed *n, spa_string *out, spa_error *err)
{
    const char *const *metrics = metrics_of(x);
    char head[400] = "models|devices|policy", align[METRICS_MOST + 4] = "lll";
    spa_table t;
    int code;
    for (int i = 0; i < METRICS_MOST && metrics[i]; i++) {
        size_t used = strlen(head);
        snprintf(head + used, sizeof head - used, "|%s", metrics[i]);
        strcat(align, "r");
    }
    spa_table_init(&t, head, align);
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        size_t row = (size_t)sqlite3_column_int64(s, ROW);
        n->rows++;
        spa_table_put(&t, "%s", spa_experiment_value(x, row, SPA_FACTOR_MODEL));
        spa_table_put(&t, "%s", spa_experiment_value(x, row, SPA_FACTOR_DEVICE));
        spa_table_put(&t, "%s", text(s, POLICY));
        for (int i = 0; i < METRICS_MOST && metrics[i]; i++)
            spa_table_number(&t, number(s, FIRST_METRIC + i), 4);
    }
    spa_string_append(out, "\n");
    spa_status status = code == SQLITE_DONE ? SPA_OK : results_fail(r, err);
    if (!status && n->rows) status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    return status;
}

static spa_status print_rows(spa_results *r, const spa_experiment *x, sqlite3_stmt *s, printed *n,
                             spa_string *out, spa_error *err)
{
    bool simulates = metrics_of(x) == simulated;
    return simulates ? print_groups(r, x, s, n, out, err) : print_metrics(r, x, s, n, out, err);
}

spa_status spa_experiment_print(spa_results *r, const spa_experiment *x,
                                const spa_experiment_tally *tally, spa_string *out, spa_error *err)
{
    sqlite3_stmt *s;
    printed n = {0};
    spa_string_append(out, "%s: %s\n  %s, %zu rows%s, seed %lld, half-width %g %% of the mean\n",
                      x->name, x->title, spa_experiment_kind_name(x->kind), tally->rows,
                      x->quick ? " (quick)" : "", (long long)x->seed, x->half_width * 100);
    SPA_TRY(prepare(r, x, &s, err));
    spa_status status = print_rows(r, x, s, &n, out, err);
    sqlite3_finalize(s);
    SPA_TRY(status);
    if (n.rows < tally->rows)
        spa_string_append(out,
                          "\n  UNFINISHED: %zu of %zu rows; 'sparoa validate MODEL --db' stores "
                          "what is missing\n",
                          n.rows, tally->rows);
    spa_string_append(out, "\n  %zu rows: %zu skipped, %zu less precise than asked for (!)\n",
                      n.rows, n.skipped, n.imprecise);
    if (x->reference >= 0)
        spa_string_append(out,
                          "  diff: from %s, by the objective, paired; p: t test, corrected for "
                          "%zu comparisons (Holm); %zu differ (p < 0.05)\n",
                          x->factors[SPA_FACTOR_POLICY].values.items[x->reference], n.compared,
                          n.different);
    return spa_string_ok(out, err);
}

/* ---------------------------------------------------------------- JSON */
static void json_comparison(spa_json *j, json_t *row, sqlite3_stmt *s)
{
    static const char *const keys[] = {"difference", "ci95",     "p_t",
                                       "p_wilcoxon", "p_t_holm", "p_wilcoxon_holm"};
    if (isnan(number(s, DIFFERENCE))) {
        spa_json_set(j, row, "comparison", json_null());
        return;
    }
    json_t *c = spa_json_member(j, row, "comparison");
    spa_json_set(j, c, "reference_mean", spa_json_number(number(s, REFERENCE)));
    for (int i = 0; i < 6; i++)
        spa_json_set(j, c, keys[i], spa_json_number(number(s, DIFFERENCE + i)));
}

static void json_row(spa_json *j, json_t *row, const spa_experiment *x, sqlite3_stmt *s)
{
    size_t i = (size_t)sqlite3_column_int64(s, ROW);
    const char *const *metrics = metrics_of(x);
    json_t *factors = spa_json_member(j, row, "factors");
    spa_range_end end;
    for (int f = 0; f < SPA_FACTORS; f++)
        spa_json_set(j, factors, experiment_factors[f].key,
                     spa_json_text(j, spa_experiment_value(x, i, (spa_factor)f)));
    spa_json_set(j, row, "is_baseline", json_boolean(spa_experiment_baseline(x, i, &end) != NULL));
    if (text(s, SKIPPED)) {
        spa_json_set(j, row, "skipped", spa_json_text(j, text(s, SKIPPED)));
        return;
    }
    spa_json_set(j, row, "replications", json_integer(sqlite3_column_int64(s, REPS)));
    for (int m = 0; m < METRICS_MOST && metrics[m] && (m != PRECISE || metrics != simulated); m++)
        spa_json_set(j, row, metrics[m], spa_json_number(number(s, FIRST_METRIC + m)));
    if (metrics != simulated) return;
    spa_json_set(j, row, "precise", json_boolean(number(s, FIRST_METRIC + PRECISE) == 1));
    json_comparison(j, row, s);
}

spa_status spa_experiment_print_json(spa_results *r, const spa_experiment *x, spa_json *j,
                                     json_t *experiment, spa_error *err)
{
    sqlite3_stmt *s;
    int code;
    const char *reference =
        x->reference < 0 ? NULL : x->factors[SPA_FACTOR_POLICY].values.items[x->reference];
    spa_json_set(j, experiment, "name", spa_json_text(j, x->name));
    spa_json_set(j, experiment, "title", spa_json_text(j, x->title));
    spa_json_set(j, experiment, "kind", spa_json_text(j, spa_experiment_kind_name(x->kind)));
    spa_json_set(j, experiment, "quick", json_boolean(x->quick));
    spa_json_set(j, experiment, "reference", spa_json_text(j, reference));
    spa_json_set(j, experiment, "half_width", spa_json_number(x->half_width));
    json_t *rows = spa_json_array(j, experiment, "rows");
    SPA_TRY(prepare(r, x, &s, err));
    while ((code = sqlite3_step(s)) == SQLITE_ROW) json_row(j, spa_json_row(j, rows), x, s);
    spa_status status = code == SQLITE_DONE ? SPA_OK : results_fail(r, err);
    sqlite3_finalize(s);
    return status;
}
