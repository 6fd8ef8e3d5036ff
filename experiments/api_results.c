/* The C interface: compare and simulate. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/api.h"
#include "experiments/parallel.h"
#include "experiments/runs.h"
#include "sim/timeline.h"

struct sparoa_results {
    spa_api_options o;
    spa_runs runs;
    bool is_open; /* runs */
    const char *command;
    spa_string json;
    spa_timeline timeline; /* of simulate, replication 0 */
    spa_status status;     /* of the recording: the first failure; the engine must not be stopped */
    spa_error error;
    char (*dtypes)[40], (*origins)[64]; /* texts of the rows; [n] */
};

static size_t count_rows(const sparoa_results *r)
{
    return r->runs.n_cases * r->runs.policies.count;
}

void sparoa_results_free(sparoa_results *r)
{
    if (!r) return;
    if (r->is_open) spa_runs_close(&r->runs);
    spa_timeline_fini(&r->timeline);
    spa_string_fini(&r->json);
    spa_api_options_fini(&r->o);
    free(r->dtypes);
    free(r->origins);
    free(r);
}

/* ---------------------------------------------------------------- running */
static spa_status open_runs(sparoa *lib, sparoa_results *r, const spa_api_call *call,
                            const sparoa_options *options, spa_error *err)
{
    r->command = call->command;
    SPA_TRY(spa_api_options_init(&r->o, call, options, err));
    SPA_TRY(spa_runs_open(&r->runs, &r->o.parsed, &lib->paths, err));
    r->is_open = true;
    SPA_TRY(spa_alloc(&r->dtypes, count_rows(r), sizeof *r->dtypes, err));
    return spa_alloc(&r->origins, count_rows(r), sizeof *r->origins, err);
}

static void put_texts(sparoa_results *r)
{
    size_t n = r->runs.policies.count;
    for (size_t i = 0; i < count_rows(r); i++) {
        const spa_case *c = spa_runs_case(&r->runs, i / n, i % n);
        snprintf(r->dtypes[i], sizeof *r->dtypes, "%s", spa_case_dtype(c));
        spa_outcome_origin(c, &r->runs.outcomes[i], r->origins[i]);
    }
}

static spa_status run_item(void *user, size_t i, spa_error *err)
{
    sparoa_results *r = user;
    return spa_runs_run(&r->runs, &r->o.parsed, i, err);
}

static spa_status compare(sparoa *lib, sparoa_results *r, const spa_api_call *call,
                          const sparoa_options *options, spa_error *err)
{
    SPA_TRY(open_runs(lib, r, call, options, err));
    return spa_parallel((size_t)r->o.parsed.jobs, count_rows(r), r, run_item, NULL, err);
}

static void record(void *user, const spa_event *event)
{
    sparoa_results *r = user;
    if (!r->status) r->status = spa_timeline_add(&r->timeline, event, &r->error);
}

static spa_status simulate(sparoa *lib, sparoa_results *r, const spa_api_call *call,
                           const sparoa_options *options, spa_error *err)
{
    spa_recorder recorder = {.event = record, .user = r};
    SPA_TRY(open_runs(lib, r, call, options, err));
    if (count_rows(r) != 1)
        return spa_fail(err, SPA_E_USAGE, "simulate takes one model, one device and one policy");
    spa_scenario scenario = spa_runs_scenario(&r->runs, 0);
    SPA_TRY(spa_study_run(spa_runs_case(&r->runs, 0, 0), &r->o.parsed, &scenario,
                          r->runs.policies.items[0], &recorder, r->runs.outcomes, err));
    if (r->status && err) *err = r->error;
    return r->status;
}

static sparoa_status make(sparoa *lib, sparoa_results **results, const spa_api_call *call,
                          const sparoa_options *options,
                          spa_status (*run)(sparoa *lib, sparoa_results *r,
                                            const spa_api_call *call, const sparoa_options *options,
                                            spa_error *err),
                          sparoa_error *err)
{
    spa_error e = {0};
    sparoa_results *r;
    *results = NULL;
    spa_status status = spa_alloc(&r, 1, sizeof *r, &e);
    if (status) return spa_api_done(status, &e, err);
    status = run(lib, r, call, options, &e);
    if (status) {
        sparoa_results_free(r);
    } else {
        put_texts(r);
        *results = r;
    }
    return spa_api_done(status, &e, err);
}

sparoa_status sparoa_compare(sparoa *lib, const char *const *models, size_t n_models,
                             const char *const *devices, size_t n_devices,
                             const char *const *policies, size_t n_policies,
                             const sparoa_options *options, sparoa_results **results,
                             sparoa_error *err)
{
    const spa_api_call call = {.command = "compare",
                               .bit = SPA_CMD_COMPARE,
                               .models = models,
                               .devices = devices,
                               .policies = policies,
                               .n_models = n_models,
                               .n_devices = n_devices,
                               .n_policies = n_policies};
    return make(lib, results, &call, options, compare, err);
}

sparoa_status sparoa_simulate(sparoa *lib, const char *model, const char *device,
                              const char *policy, const sparoa_options *options,
                              sparoa_results **results, sparoa_error *err)
{
    const spa_api_call call = {.command = "simulate",
                               .bit = SPA_CMD_SIMULATE,
                               .models = &model,
                               .devices = &device,
                               .policies = &policy,
                               .n_models = 1,
                               .n_devices = 1,
                               .n_policies = 1};
    return make(lib, results, &call, options, simulate, err);
}

/* ---------------------------------------------------------------- reading */
size_t sparoa_results_count(const sparoa_results *results)
{
    return count_rows(results);
}

static sparoa_row row_of(const sparoa_results *r, size_t i)
{
    size_t n = r->runs.policies.count;
    const spa_case *c = spa_runs_case(&r->runs, i / n, i % n);
    const spa_outcome *o = &r->runs.outcomes[i];
    return (sparoa_row){.struct_size = sizeof(sparoa_row),
                        .model = c->graph.name,
                        .device = c->costs.device,
                        .mode = c->costs.mode,
                        .stack = c->costs.stack,
                        .lanes = c->costs.lanes,
                        .scenario = r->runs.scenario.name,
                        .dtype = r->dtypes[i],
                        .origin = r->origins[i],
                        .policy = o->policy,
                        .baseline = o->baseline,
                        .skipped = o->is_skipped ? o->skipped : NULL,
                        .batch = c->graph.batch,
                        .latency_ms = o->latency_ms,
                        .p50_ms = o->p50_ms,
                        .p95_ms = o->p95_ms,
                        .p99_ms = o->p99_ms,
                        .ci95_ms = o->ci95_ms,
                        .lower_bound_ms = o->lower_bound_ms,
                        .gap = o->gap,
                        .energy_mj = o->energy_mj,
                        .energy_dynamic_mj = o->energy_dynamic_mj,
                        .power_w = o->power_w,
                        .throughput_ips = o->throughput_ips,
                        .gpu_share = o->gpu_share,
                        .transfers = o->transfers,
                        .transfer_ms = o->transfer_ms,
                        .overlap = o->overlap,
                        .deadline_ms = o->deadline_ms,
                        .miss_rate = o->miss_rate,
                        .tardiness_ms = o->tardiness_ms,
                        .dispatch_ms = o->dispatch_ms,
                        .plan_host_ms = o->plan_host_ms,
                        .requests = o->requests,
                        .reps = o->n_reps,
                        .digest = o->digest};
}

/* A skipped row has no numbers. */
static void clear_numbers(sparoa_row *row)
{
    double *const numbers[] = {
        &row->latency_ms,     &row->p50_ms,      &row->p95_ms,       &row->p99_ms,
        &row->ci95_ms,        &row->gap,         &row->energy_mj,    &row->energy_dynamic_mj,
        &row->power_w,        &row->gpu_share,   &row->transfers,    &row->transfer_ms,
        &row->throughput_ips, &row->overlap,     &row->deadline_ms,  &row->miss_rate,
        &row->tardiness_ms,   &row->dispatch_ms, &row->plan_host_ms, &row->lower_bound_ms};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) *numbers[i] = NAN;
    row->requests = row->reps = row->digest = 0;
}

sparoa_status sparoa_results_row(const sparoa_results *results, size_t i, sparoa_row *row,
                                 sparoa_error *err)
{
    spa_error e = {0};
    size_t n = count_rows(results);
    spa_status status = i < n ? SPA_OK : spa_fail(&e, SPA_E_RANGE, "row %zu of %zu", i, n);
    if (!status) {
        sparoa_row full = row_of(results, i);
        if (full.skipped) clear_numbers(&full);
        status = spa_api_give(row, &full, sizeof full, &e);
    }
    return spa_api_done(status, &e, err);
}

sparoa_status sparoa_results_json(sparoa_results *r, const char **text, sparoa_error *err)
{
    spa_error e = {0};
    spa_status status = SPA_OK;
    if (!r->json.text)
        status = spa_runs_print_json(&r->runs, &r->o.parsed, r->command, &r->json, &e);
    if (!status) status = spa_string_ok(&r->json, &e);
    *text = status ? NULL : r->json.text;
    return spa_api_done(status, &e, err);
}

size_t sparoa_results_n_intervals(const sparoa_results *results)
{
    return results->timeline.count;
}

static sparoa_interval interval_of(const spa_case *c, const spa_interval *v)
{
    bool is_request = v->kind == SPA_INTERVAL_REQUEST;
    const char *op = v->op < c->graph.n_ops ? c->graph.ops[v->op].name : "input";
    return (sparoa_interval){.struct_size = sizeof(sparoa_interval),
                             .kind = (sparoa_interval_kind)v->kind,
                             .op = is_request ? NULL : op,
                             .processor =
                                 is_request ? NULL : c->costs.processors[v->processor].name,
                             .lane = v->lane,
                             .request = v->request,
                             .begin_ns = v->begin_ns,
                             .end_ns = v->end_ns,
                             .power_w = (double)v->power_w,
                             .tenths = v->tenths};
}

sparoa_status sparoa_results_interval(const sparoa_results *r, size_t i, sparoa_interval *interval,
                                      sparoa_error *err)
{
    spa_error e = {0};
    size_t n = r->timeline.count;
    spa_status status = i < n ? SPA_OK : spa_fail(&e, SPA_E_RANGE, "interval %zu of %zu", i, n);
    if (!status) {
        const sparoa_interval full =
            interval_of(spa_runs_case(&r->runs, 0, 0), &r->timeline.intervals[i]);
        status = spa_api_give(interval, &full, sizeof full, &e);
    }
    return spa_api_done(status, &e, err);
}
