/* Experiments of kind predictor: every kind of predictor of thresholds, learned from and judged on
 * all models of a device at once. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "experiments/experiment_running.h"
#include "experiments/parallel.h"
#include "experiments/predicting.h"

typedef struct predicting_group {
    running *k;
    size_t first, n_rows; /* rows: one per kind of predictor */
    spa_options options;
    spa_scenario scenario;
    spa_case *cases; /* [n_models] */
    size_t n_cases;
    uint64_t inputs;
} predicting_group;

static spa_status open_cases(predicting_group *g, spa_error *err)
{
    const spa_experiment *x = g->k->x;
    SPA_TRY(spa_alloc(&g->cases, x->models.count, sizeof *g->cases, err));
    g->inputs = spa_hash_u64(SPA_HASH_SEED, (uint64_t)x->epochs);
    for (size_t i = 0; i < x->models.count; i++) {
        spa_case *c = &g->cases[i];
        SPA_TRY(running_open_case(g->k, g->first, x->models.items[i], &g->options, c, err));
        g->n_cases++;
        g->inputs = spa_hash_u64(spa_hash_u64(g->inputs, c->graph.hash), c->costs.hash);
    }
    return SPA_OK;
}

static spa_run_key key_of(const predicting_group *g, size_t row)
{
    const spa_experiment *x = g->k->x;
    return (spa_run_key){.experiment = x->name,
                         .c = &g->cases[0],
                         .options = &g->options,
                         .scenario = &g->scenario,
                         .policy = spa_experiment_value(x, row, SPA_FACTOR_POLICY),
                         .models = spa_experiment_value(x, row, SPA_FACTOR_MODEL),
                         .inputs = g->inputs};
}

static spa_status store_row(const predicting_group *g, size_t row, const spa_predicting *p,
                            spa_error *err)
{
    spa_run_key key = key_of(g, row);
    spa_predictor_kind kind;
    SPA_TRY(spa_predictor_kind_find(key.policy, &kind, err));
    const spa_predictor_score *at = p->score[kind];
    const int s = SPA_BY_SPARSITY, c = SPA_BY_INTENSITY;
    const spa_predictor_score *r = &at[SPA_SPLIT_RANDOM], *m = &at[SPA_SPLIT_MODEL];
    const spa_row_metric metrics[] = {
        {"accuracy_sparsity", r->accuracy[s], true},
        {"accuracy_intensity", r->accuracy[c], true},
        {"accuracy_sparsity_by_model", m->accuracy[s], true},
        {"accuracy_intensity_by_model", m->accuracy[c], true},
        {"mse_sparsity", r->mse[s], true},
        {"mse_intensity", r->mse[c], true},
        {"over_best_intensity", r->over_best[c], true},
        {"over_labels_intensity", r->over_labels[c], true},
        {"latency_over_labels", m->latency_over_labels, true},
        {"latency_over_best", m->latency_over_best, true},
        {"parameters", (double)p->n_params[kind], true},
        {"fit_host_ms", p->fit_s[kind] * 1e3, false},
        {"inference_host_ms", p->inference_us[kind] * 1e-3, false},
    };
    spa_row_extras extras = {.metrics = metrics, .n_metrics = sizeof metrics / sizeof *metrics};
    spa_outcome outcome = {.policy = key.policy};
    double *const unknown[] = {
        &outcome.latency_ms,   &outcome.p50_ms,      &outcome.p95_ms,
        &outcome.p99_ms,       &outcome.ci95_ms,     &outcome.lower_bound_ms,
        &outcome.gap,          &outcome.energy_mj,   &outcome.energy_dynamic_mj,
        &outcome.power_w,      &outcome.gpu_share,   &outcome.throughput_ips,
        &outcome.transfers,    &outcome.transfer_ms, &outcome.overlap,
        &outcome.dispatch_ms,  &outcome.deadline_ms, &outcome.miss_rate,
        &outcome.tardiness_ms, &outcome.plan_host_ms};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) *unknown[i] = NAN;
    return running_store(g->k, row, &key, &outcome, &extras, err);
}

static spa_status predict(predicting_group *g, spa_error *err)
{
    spa_runs runs = {.n_cases = g->n_cases, .n_devices = 1, .n_batches = 1, .cases = g->cases};
    spa_predicting p;
    spa_progress silent = {0};
    char text[64], file[] = "/tmp/sparoa-predictor-XXXXXX";
    int fd = mkstemp(file);
    if (fd < 0) return spa_fail_at(err, SPA_E_IO, file, 0, "cannot be made");
    close(fd);
    g->options.output = file; /* that predictor is not needed, only its judgement */
    snprintf(text, sizeof text, "threshold+predictor:epochs=%lld", (long long)g->k->x->epochs);
    spa_status status = spa_predicting_run(&p, text, &runs, &g->options, &silent, err);
    unlink(file);
    if (status) return status;
    for (size_t i = 0; i < g->n_rows && !status; i++) status = store_row(g, g->first + i, &p, err);
    spa_predicting_fini(&p);
    return status;
}

static spa_status run_group(predicting_group *g, spa_error *err)
{
    bool all = true;
    g->scenario = spa_scenario_single();
    SPA_TRY(open_cases(g, err));
    for (size_t i = 0; i < g->n_rows; i++) {
        spa_run_key key = key_of(g, g->first + i);
        bool done;
        SPA_TRY(running_resume(g->k, g->first + i, &key, &done, err));
        all = all && done;
    }
    return all ? SPA_OK : predict(g, err);
}

static spa_status do_group(void *user, size_t i, spa_error *err)
{
    running *k = user;
    predicting_group g = {.k = k, .n_rows = k->x->factors[SPA_FACTOR_POLICY].values.count};
    g.first = i * g.n_rows;
    spa_status status = running_options(k, g.first, &g.options, err);
    if (!status) status = run_group(&g, err);
    for (size_t c = 0; c < g.n_cases; c++) spa_case_close(&g.cases[c]);
    free(g.cases);
    spa_options_fini(&g.options);
    return status;
}

static void group_done(void *user, size_t n_done)
{
    const running *k = user;
    spa_progress_show(k->progress, n_done * k->x->factors[SPA_FACTOR_POLICY].values.count);
}

spa_status running_predictors(running *k, spa_error *err)
{
    size_t n = spa_experiment_rows(k->x) / k->x->factors[SPA_FACTOR_POLICY].values.count;
    return spa_parallel(k->jobs, n, k, do_group, group_done, err);
}
