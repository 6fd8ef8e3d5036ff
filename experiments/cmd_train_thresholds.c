/* sparoa train threshold+predictor: learns thresholds, and shows every kind of predictor beside the
 * others. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/gnuplot.h"
#include "experiments/json.h"
#include "experiments/predicting.h"
#include "experiments/results.h"
#include "experiments/table.h"

static const char *const rivals[] = {"cpu-only", "gpu-only", "threshold", "greedy", "dp"};
static const char *const split_names[SPA_SPLITS] = {"random fifth", "model left out"};
static const char *const split_keys[SPA_SPLITS] = {"random", "model"};

static spa_status list_policies(spa_options *o, spa_error *err)
{
    char text[512];
    const char *copy;
    snprintf(text, sizeof text, "threshold+predictor:model=%.400s", o->output);
    SPA_TRY(spa_arena_strdup(&o->arena, &copy, text, err));
    o->policies.count = 0;
    SPA_TRY(spa_names_add(o, &o->policies, copy, err));
    for (size_t i = 0; i < sizeof rivals / sizeof *rivals; i++)
        SPA_TRY(spa_names_add(o, &o->policies, rivals[i], err));
    return spa_study_add_plugged(o, &o->policies, err);
}

static bool is_fit_to_formula(const spa_runs *runs)
{
    return runs->cases[0].costs.origin <= SPA_ORIGIN_MODELLED;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void put_labels(const spa_predicting *p, const spa_runs *runs, spa_string *out)
{
    static const char *const what[SPA_THRESHOLDS] = {"sparsity", "intensity"};
    double n = (double)p->n_counted;
    spa_string_append(out, "%zu sequences, %zu labelled operators of %zu models on %s\n",
                      p->data.n_sequences, p->n_counted, p->n_models, runs->cases[0].costs.device);
    for (int t = 0; t < SPA_THRESHOLDS; t++)
        spa_string_append(out,
                          "%s threshold: %.1f %% cross, censored %.1f %% (always host %.1f %%, "
                          "always accelerator %.1f %%); several crossings %.1f %%\n",
                          what[t], 100 * (double)p->censored[t][SPA_CROSSES] / n,
                          100 - 100 * (double)p->censored[t][SPA_CROSSES] / n,
                          100 * (double)p->censored[t][SPA_ALWAYS_HOST] / n,
                          100 * (double)p->censored[t][SPA_ALWAYS_ACCELERATOR] / n,
                          100 * (double)p->several[t] / n);
    if (is_fit_to_formula(runs))
        spa_string_append(out, "The device is modelled: this measures the fit to a formula, not to "
                               "hardware.\n");
}

static spa_status put_scores(const spa_predicting *p, spa_split split, spa_string *out,
                             spa_error *err)
{
    spa_table t;
    spa_table_init(&t,
                   "predictor|s within 10 %|c within 10 %|mse s|mse log c|over best %|"
                   "over labels %|by s: over best %|latency over labels %|over best %",
                   "lrrrrrrrrr");
    for (int k = 0; k < SPA_PREDICT_KINDS; k++) {
        const spa_predictor_score *s = &p->score[k][split];
        spa_table_put(&t, "%s%s", spa_predictor_kind_name((spa_predictor_kind)k),
                      k == (int)p->fit.kind ? " *" : "");
        for (int i = 0; i < SPA_THRESHOLDS; i++) spa_table_number(&t, 100 * s->accuracy[i], 1);
        for (int i = 0; i < SPA_THRESHOLDS; i++) spa_table_number(&t, s->mse[i], 4);
        spa_table_number(&t, 100 * s->over_best[SPA_BY_INTENSITY], 2);
        spa_table_number(&t, 100 * s->over_labels[SPA_BY_INTENSITY], 2);
        spa_table_number(&t, 100 * s->over_best[SPA_BY_SPARSITY], 2);
        spa_table_number(&t, 100 * s->latency_over_labels, 2);
        spa_table_number(&t, 100 * s->latency_over_best, 2);
    }
    spa_string_append(out, "\n%s\n", split_names[split]);
    spa_status status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    return status;
}

static spa_status put_sizes(const spa_predicting *p, spa_string *out, spa_error *err)
{
    spa_table t;
    spa_table_init(&t, "predictor|parameters|bytes|inference us|fit s", "lrrrr");
    for (int k = 0; k < SPA_PREDICT_KINDS; k++) {
        spa_table_put(&t, "%s", spa_predictor_kind_name((spa_predictor_kind)k));
        spa_table_put(&t, "%zu", p->n_params[k]);
        spa_table_put(&t, "%zu", p->n_params[k] * sizeof(float));
        spa_table_number(&t, p->inference_us[k], 1);
        spa_table_number(&t, p->fit_s[k], 2);
    }
    spa_string_append(out, "\nsize, and measured time (a model's thresholds; a fit)\n");
    spa_status status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    return status;
}

static spa_status put_text(const spa_predicting *p, const spa_runs *runs, const spa_options *o,
                           spa_string *out, spa_error *err)
{
    put_labels(p, runs, out);
    SPA_TRY(put_scores(p, SPA_SPLIT_RANDOM, out, err));
    if (p->n_models > 1) SPA_TRY(put_scores(p, SPA_SPLIT_MODEL, out, err));
    SPA_TRY(put_sizes(p, out, err));
    spa_string_append(out, "\n* %s, fitted to everything, written to %s (%.1f s in all)\n\n",
                      spa_predictor_kind_name(p->fit.kind), o->output, p->seconds_host);
    return spa_runs_print(runs, o, out, err);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_pair(spa_json *j, json_t *object, const char *key, const double x[SPA_THRESHOLDS])
{
    json_t *pair = spa_json_member(j, object, key);
    spa_json_set(j, pair, "sparsity", spa_json_number(x[SPA_BY_SPARSITY]));
    spa_json_set(j, pair, "intensity", spa_json_number(x[SPA_BY_INTENSITY]));
}

static void put_json_scores(spa_json *j, const spa_predicting *p)
{
    json_t *rows = spa_json_array(j, j->root, "predictors");
    for (int k = 0; k < SPA_PREDICT_KINDS; k++) {
        json_t *row = spa_json_row(j, rows);
        spa_json_set(j, row, "kind",
                     spa_json_text(j, spa_predictor_kind_name((spa_predictor_kind)k)));
        spa_json_set(j, row, "parameters", json_integer((json_int_t)p->n_params[k]));
        spa_json_set(j, row, "bytes", json_integer((json_int_t)(p->n_params[k] * sizeof(float))));
        spa_json_set(j, row, "inference_us", spa_json_number(p->inference_us[k]));
        for (int s = 0; s < SPA_SPLITS; s++) {
            const spa_predictor_score *x = &p->score[k][s];
            json_t *of = spa_json_member(j, row, split_keys[s]);
            put_pair(j, of, "within_10_percent", x->accuracy);
            put_pair(j, of, "mse", x->mse);
            put_pair(j, of, "regret_over_best", x->over_best);
            put_pair(j, of, "regret_over_labels", x->over_labels);
            spa_json_set(j, of, "latency_over_labels", spa_json_number(x->latency_over_labels));
            spa_json_set(j, of, "latency_over_best", spa_json_number(x->latency_over_best));
        }
    }
}

static spa_status put_json(const spa_predicting *p, const spa_runs *runs, spa_string *out,
                           spa_error *err)
{
    static const char *const keys[] = {"crosses", "always_host", "always_accelerator"};
    static const char *const what[SPA_THRESHOLDS] = {"sparsity", "intensity"};
    spa_json j;
    spa_json_init(&j, "train-thresholds");
    spa_json_set(&j, j.root, "device", spa_json_text(&j, runs->cases[0].costs.device));
    spa_json_set(&j, j.root, "fit_to_formula", json_boolean(is_fit_to_formula(runs)));
    spa_json_set(&j, j.root, "sequences", json_integer((json_int_t)p->data.n_sequences));
    spa_json_set(&j, j.root, "operators", json_integer((json_int_t)p->n_counted));
    json_t *labels = spa_json_member(&j, j.root, "labels");
    for (int t = 0; t < SPA_THRESHOLDS; t++) {
        json_t *of = spa_json_member(&j, labels, what[t]);
        for (int c = 0; c < 3; c++)
            spa_json_set(&j, of, keys[c], json_integer((json_int_t)p->censored[t][c]));
        spa_json_set(&j, of, "several", json_integer((json_int_t)p->several[t]));
    }
    put_json_scores(&j, p);
    spa_json_set(&j, j.root, "written", spa_json_text(&j, spa_predictor_kind_name(p->fit.kind)));
    spa_json_set(&j, j.root, "seconds_host", spa_json_number(p->seconds_host));
    json_t *rows = spa_json_array(&j, j.root, "runs");
    for (size_t c = 0; c < runs->n_cases; c++)
        for (size_t k = 0; k < runs->policies.count; k++) {
            const spa_outcome *o = spa_runs_outcome(runs, c, k);
            json_t *row = spa_json_row(&j, rows);
            spa_json_set(&j, row, "model", spa_json_text(&j, runs->cases[c].graph.name));
            spa_json_set(&j, row, "policy", spa_json_text(&j, o->policy));
            spa_json_set(&j, row, "latency_ms",
                         spa_json_number(o->is_skipped ? NAN : o->latency_ms));
        }
    spa_status status = spa_json_print(&j, out, err);
    spa_json_fini(&j);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static spa_status finish(spa_cli *cli, const spa_predicting *p, spa_runs *runs,
                         const spa_options *o, spa_error *err)
{
    size_t n = runs->policies.count;
    for (size_t i = 0; i < runs->n_cases * n; i++)
        SPA_TRY(spa_study_run(&runs->cases[i / n], o, &runs->scenario, runs->policies.items[i % n],
                              NULL, &runs->outcomes[i], err));
    if (o->json)
        SPA_TRY(put_json(p, runs, &cli->out, err));
    else
        SPA_TRY(put_text(p, runs, o, &cli->out, err));
    for (size_t i = 0; i < o->chart.count; i++)
        SPA_TRY(spa_chart_predicting(o->chart.items[i], p, runs, err));
    return o->db ? spa_results_store_runs(o->db, "train", runs, o, err) : SPA_OK;
}

static spa_status check(const spa_options *o, spa_error *err)
{
    if (o->steps || o->checkpoint)
        return spa_fail(err, SPA_E_USAGE,
                        "threshold+predictor learns from a table, not in steps: it takes "
                        "threshold+predictor:epochs=N, no --steps and no --checkpoint");
    if (o->devices.count > 1)
        return spa_fail(err, SPA_E_USAGE, "thresholds are of one device; give one --device");
    return SPA_OK;
}

spa_status spa_train_thresholds(spa_cli *cli, spa_options *o, spa_error *err)
{
    spa_predicting predicting = {0};
    spa_progress progress;
    spa_paths paths;
    spa_runs runs;
    SPA_TRY(check(o, err));
    SPA_TRY(spa_paths_find(&paths, err));
    const char *text = o->operands.items[0];
    o->operands.items++;
    o->operands.count--;
    SPA_TRY(list_policies(o, err));
    SPA_TRY(spa_runs_open(&runs, o, &paths, err));
    size_t fits = SPA_PREDICT_KINDS * (runs.n_cases > 1 ? 1 + runs.n_cases : 1) + 1;
    spa_progress_begin(&progress, cli->err, o->quiet, "training", fits);
    spa_status status = spa_predicting_run(&predicting, text, &runs, o, &progress, err);
    spa_progress_end(&progress);
    if (!status) status = finish(cli, &predicting, &runs, o, err);
    spa_predicting_fini(&predicting);
    spa_runs_close(&runs);
    return status;
}
