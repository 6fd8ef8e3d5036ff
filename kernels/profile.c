/* Profiling: see profile.h. */
#include "kernels/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/stats.h"
#include "kernels/measure.h"
#include "kernels/runner.h"

spa_profile_options spa_profile_default(void)
{
    return (spa_profile_options){
        .batch = 1,
        .seed = 1,
        .visits = 3,
        .warmup = 2,
        .runs = 10,
        .burst_factor = 1.5,
        .corun = true,
        .links = true,
        .response = true,
        .link_rounds = 50,
        .response_rounds = 9,
    };
}

/* Everything one profile is made of. */
typedef struct profiler {
    const spa_lane_set *lanes;
    const spa_profile_options *options;
    spa_profile_progress *progress;
    void *context;
    size_t step, n_steps; /* for progress */
    spa_trace *trace;
    spa_profile_report *report;
    double *spreads; /* [models * lanes] of end-to-end times, alone */
    size_t n_spreads;
    /* The model at hand: */
    spa_trace_model *entry;
    spa_runner *runners;  /* [lanes] */
    spa_run_times *times; /* [lanes][lanes]: lane, other; the diagonal is alone */
    double *column;       /* scratch for one operator's times */
} profiler;

static spa_status check_count(const char *what, int64_t value, int64_t min, int64_t max,
                              spa_error *err)
{
    if (value >= min && value <= max) return SPA_OK;
    return spa_fail(err, SPA_E_RANGE, "profile: %s is %lld; %lld to %lld are possible", what,
                    (long long)value, (long long)min, (long long)max);
}

static spa_status check(size_t n_models, const spa_lane_set *lanes, const spa_profile_options *o,
                        spa_error *err)
{
    if (n_models == 0 || lanes->count == 0)
        return spa_fail(err, SPA_E_INVALID, "profile: give at least one model and one lane");
    SPA_TRY(check_count("batch", o->batch, 1, 1024, err));
    SPA_TRY(check_count("visits", o->visits, 1, 1000, err));
    SPA_TRY(check_count("warm-up runs", o->warmup, 0, 1000, err));
    SPA_TRY(check_count("runs", o->runs, 1, 10000, err));
    SPA_TRY(check_count("link rounds", o->link_rounds, 1, 100000, err));
    SPA_TRY(check_count("response rounds", o->response_rounds, 1, 10000, err));
    if (!(o->burst_factor > 1))
        return spa_fail(err, SPA_E_RANGE, "profile: the burst factor is %g; it must exceed 1",
                        o->burst_factor);
    return SPA_OK;
}

static void report_step(profiler *p, const char *what)
{
    if (p->progress != NULL) p->progress(p->context, what, (double)p->step / (double)p->n_steps);
    p->step++;
}

/* ---- one model
 * ------------------------------------------------------------------------------------ */

static spa_run_times *times_of(const profiler *p, size_t lane, size_t other)
{
    return &p->times[lane * p->lanes->count + other];
}

/* One visit of a lane, alone (other = lane) or while another lane loops. */
static spa_status visit(profiler *p, size_t lane, size_t other, int32_t runs, spa_error *err)
{
    spa_run_times *times = times_of(p, lane, other);
    spa_error loop_error = {0};
    if (other != lane) spa_runner_loop(&p->runners[other]);
    spa_status status = spa_runner_measure(&p->runners[lane], p->options->warmup, runs, times, err);
    if (other != lane) {
        spa_status looped = spa_runner_stop(&p->runners[other], &loop_error);
        if (status == SPA_OK && looped != SPA_OK) {
            if (err != NULL) *err = loop_error;
            status = looped;
        }
    }
    if (status != SPA_OK) return status;
    return spa_run_times_judge(times, p->options->burst_factor, err);
}

/* Lanes take turns; then each repeats what bursts took away, within the capacity of its times. */
static spa_status visit_all(profiler *p, bool corun, spa_error *err)
{
    size_t n = p->lanes->count, wanted = (size_t)p->options->visits * (size_t)p->options->runs;
    for (int32_t v = 0; v < p->options->visits; v++)
        for (size_t lane = 0; lane < n; lane++)
            for (size_t other = 0; other < n; other++)
                if ((lane != other) == corun) SPA_TRY(visit(p, lane, other, p->options->runs, err));
    for (size_t lane = 0; lane < n; lane++) {
        for (size_t other = 0; other < n; other++) {
            if ((lane != other) != corun) continue;
            spa_run_times *times = times_of(p, lane, other);
            while (times->n_kept < wanted && times->count < times->capacity)
                SPA_TRY(visit(p, lane, other, (int32_t)(wanted - times->n_kept), err));
            p->report->runs_kept += times->n_kept;
            p->report->runs_discarded += times->count - times->n_kept;
        }
    }
    return SPA_OK;
}

static void fill_cost(profiler *p, size_t op, size_t lane, size_t other, spa_trace_cost *cost)
{
    const spa_lane *l = &p->lanes->lanes[lane];
    size_t n = spa_run_times_column(times_of(p, lane, other), op, p->column);
    spa_moments moments = {0};
    for (size_t i = 0; i < n; i++) spa_moments_add(&moments, p->column[i]);
    double p50 = spa_median(p->column, n); /* sorts */
    *cost = (spa_trace_cost){
        .op = (int32_t)op,
        .processor = l->processor,
        .backend = l->backend->name,
        .cores = l->n_cores,
        .batch = p->options->batch,
        .dtype = SPA_FP32,
        .part = 1,
        .corun = other == lane ? "" : p->lanes->lanes[other].processor,
        .samples = (int64_t)n,
        .mean_us = spa_measured_us(moments.mean),
        .std_us = spa_measured_us(spa_moments_sd(&moments)),
        .p50_us = spa_measured_us(p50),
        .p95_us = spa_measured_us(spa_quantile_sorted(p->column, n, 0.95)),
        .energy_uj = NAN,
        .origin = SPA_ORIGIN_MEASURED,
    };
}

static void note_spread(profiler *p, size_t lane)
{
    const spa_run_times *times = times_of(p, lane, lane);
    size_t n = spa_run_times_column(times, times->n_ops, p->column);
    spa_moments moments = {0};
    for (size_t i = 0; i < n; i++) spa_moments_add(&moments, p->column[i]);
    double spread = moments.mean > 0 ? spa_moments_sd(&moments) / moments.mean : 0;
    p->spreads[p->n_spreads++] = spread;
    if (spread > p->report->worst_spread) p->report->worst_spread = spread;
}

static spa_status fill_costs(profiler *p, spa_error *err)
{
    size_t n_ops = p->entry->graph.n_ops, n = p->lanes->count;
    size_t groups = p->options->corun ? n * n : n;
    SPA_TRY(spa_arena_alloc(&p->trace->arena, &p->entry->costs, n_ops * groups,
                            sizeof(spa_trace_cost), err));
    for (size_t op = 0; op < n_ops; op++)
        for (size_t lane = 0; lane < n; lane++)
            for (size_t other = 0; other < n; other++)
                if (other == lane || p->options->corun)
                    fill_cost(p, op, lane, other, &p->entry->costs[p->entry->n_costs++]);
    for (size_t lane = 0; lane < n; lane++) note_spread(p, lane);
    return SPA_OK;
}

/* Zeros of each output go into the graph: assumed, because the weights are seeded. */
static void observe_zeros(void *context, const spa_session *session, size_t op)
{
    spa_graph *graph = context;
    graph->ops[op].sparsity = spa_session_output_zeros(session, op);
    graph->ops[op].rho_origin = SPA_ORIGIN_ASSUMED;
}

static spa_status measure_zeros(profiler *p, spa_error *err)
{
    spa_graph *graph = &p->entry->graph;
    const spa_backend **backends;
    SPA_TRY(spa_alloc(&backends, graph->n_ops, sizeof *backends, err));
    for (size_t i = 0; i < graph->n_ops; i++) backends[i] = p->lanes->lanes[0].backend;
    spa_status status = spa_session_run(&p->runners[0].session, backends, p->runners[0].workspace,
                                        observe_zeros, graph, err);
    free(backends);
    graph->graph_input_sparsity = 0;
    spa_graph_propagate_sparsity(graph);
    return status;
}

static spa_status init_model(profiler *p, spa_model *model, spa_error *err)
{
    size_t n = p->lanes->count, n_ops = p->entry->graph.n_ops;
    size_t capacity = 2 * (size_t)p->options->visits * (size_t)p->options->runs;
    SPA_TRY(spa_model_init(model, &p->entry->graph, p->options->seed, err));
    SPA_TRY(spa_alloc(&p->runners, n, sizeof *p->runners, err));
    SPA_TRY(spa_alloc(&p->times, n * n, sizeof *p->times, err));
    SPA_TRY(spa_alloc(&p->column, capacity, sizeof *p->column, err));
    for (size_t i = 0; i < n; i++)
        SPA_TRY(spa_runner_init(&p->runners[i], &p->lanes->lanes[i], model, p->options->seed, err));
    for (size_t i = 0; i < n * n; i++)
        SPA_TRY(spa_run_times_init(&p->times[i], n_ops, capacity, err));
    return SPA_OK;
}

static void fini_model(profiler *p, spa_model *model)
{
    size_t n = p->lanes->count;
    for (size_t i = 0; i < n && p->runners != NULL; i++) spa_runner_fini(&p->runners[i]);
    for (size_t i = 0; i < n * n && p->times != NULL; i++) spa_run_times_fini(&p->times[i]);
    free(p->runners);
    free(p->times);
    free(p->column);
    p->runners = NULL;
    p->times = NULL;
    p->column = NULL;
    spa_model_fini(model);
}

static spa_status profile_model(profiler *p, const char *name, spa_error *err)
{
    spa_model model = {0};
    p->entry = &p->trace->models[p->trace->n_models];
    SPA_TRY(spa_model_load(&p->entry->graph, name, p->options->batch, SPA_FP32, err));
    p->trace->n_models++;
    p->entry->name = p->entry->graph.name;
    p->entry->graph_hash = p->entry->graph.hash;
    spa_status status = init_model(p, &model, err);
    report_step(p, p->entry->name);
    if (status == SPA_OK) status = measure_zeros(p, err);
    if (status == SPA_OK) status = visit_all(p, false, err);
    if (status == SPA_OK && p->options->corun) status = visit_all(p, true, err);
    if (status == SPA_OK) status = fill_costs(p, err);
    fini_model(p, &model);
    return status;
}

/* ---- links and response
 * ---------------------------------------------------------------------------- */

static spa_status measure_links(profiler *p, spa_worker **workers, spa_error *err)
{
    spa_trace *trace = p->trace;
    size_t n = p->lanes->count;
    if (!p->options->links || n < 2) return SPA_OK;
    report_step(p, "links");
    SPA_TRY(spa_arena_alloc(&trace->arena, &trace->links, n * (n - 1) * SPA_LINK_SIZES,
                            sizeof(spa_trace_link), err));
    for (size_t from = 0; from < n; from++) {
        for (size_t to = 0; to < n; to++) {
            if (from == to) continue;
            spa_trace_link *links = trace->links + trace->n_links;
            SPA_TRY(
                spa_measure_link(workers[from], workers[to], p->options->link_rounds, links, err));
            for (size_t i = 0; i < SPA_LINK_SIZES; i++) {
                links[i].from = p->lanes->lanes[from].processor;
                links[i].to = p->lanes->lanes[to].processor;
            }
            trace->n_links += SPA_LINK_SIZES;
        }
    }
    return SPA_OK;
}

static spa_status measure_responses(profiler *p, spa_worker **workers, spa_error *err)
{
    spa_trace *trace = p->trace;
    if (!p->options->response) return SPA_OK;
    SPA_TRY(spa_arena_alloc(&trace->arena, &trace->responses,
                            p->lanes->count * spa_response_count() * SPA_RESPONSE_LEVELS,
                            sizeof(spa_trace_response), err));
    for (size_t lane = 0; lane < p->lanes->count; lane++) {
        const spa_lane *l = &p->lanes->lanes[lane];
        report_step(p, "response");
        for (size_t c = 0; c < spa_response_count(); c++) {
            spa_trace_response *rows = trace->responses + trace->n_responses;
            SPA_TRY(spa_measure_response(workers[lane], l->backend, c, p->options->response_rounds,
                                         rows, err));
            for (size_t i = 0; i < SPA_RESPONSE_LEVELS; i++) {
                rows[i].processor = l->processor;
                rows[i].backend = l->backend->name;
            }
            trace->n_responses += SPA_RESPONSE_LEVELS;
        }
    }
    return SPA_OK;
}

static spa_status measure_machine(profiler *p, spa_error *err)
{
    spa_worker *workers[SPA_LANES_MAX] = {NULL};
    spa_status status = SPA_OK;
    for (size_t i = 0; i < p->lanes->count && status == SPA_OK; i++)
        status = spa_worker_new(&workers[i], p->lanes->lanes[i].first_core, err);
    if (status == SPA_OK) status = measure_links(p, workers, err);
    if (status == SPA_OK) status = measure_responses(p, workers, err);
    for (size_t i = 0; i < p->lanes->count; i++) spa_worker_free(workers[i]);
    return status;
}

/* ---- the whole
 * --------------------------------------------------------------------------------------- */

/* The trace outlives the lanes: names move into its arena. */
static spa_status own_names(spa_trace *trace, spa_lane_set *lanes, const char **names,
                            spa_error *err)
{
    for (size_t i = 0; i < lanes->count; i++)
        SPA_TRY(spa_arena_strdup(&trace->arena, &names[i], lanes->lanes[i].processor, err));
    return SPA_OK;
}

static void rename_one(const spa_lane_set *lanes, const char *const *names, const char **name)
{
    for (size_t i = 0; i < lanes->count; i++)
        if (*name == lanes->lanes[i].processor) *name = names[i];
}

static void rename_all(spa_trace *trace, const spa_lane_set *lanes, const char *const *names)
{
    for (size_t m = 0; m < trace->n_models; m++) {
        for (size_t i = 0; i < trace->models[m].n_costs; i++) {
            rename_one(lanes, names, &trace->models[m].costs[i].processor);
            rename_one(lanes, names, &trace->models[m].costs[i].corun);
        }
    }
    for (size_t i = 0; i < trace->n_links; i++) {
        rename_one(lanes, names, &trace->links[i].from);
        rename_one(lanes, names, &trace->links[i].to);
    }
    for (size_t i = 0; i < trace->n_responses; i++)
        rename_one(lanes, names, &trace->responses[i].processor);
}

static spa_status profile_all(profiler *p, const char *const *models, size_t n_models,
                              spa_error *err)
{
    spa_trace *trace = p->trace;
    const char *names[SPA_LANES_MAX];
    spa_lane_set lanes = *p->lanes;
    SPA_TRY(spa_arena_alloc(&trace->arena, &trace->models, n_models, sizeof *trace->models, err));
    SPA_TRY(spa_arena_strdup(&trace->arena, &trace->path, "", err));
    SPA_TRY(own_names(trace, &lanes, names, err));
    SPA_TRY(spa_measure_fingerprint(p->lanes, p->options->command, &trace->arena,
                                    &trace->fingerprint, err));
    for (size_t i = 0; i < n_models; i++) SPA_TRY(profile_model(p, models[i], err));
    SPA_TRY(measure_machine(p, err));
    trace->run_cv = spa_median(p->spreads, p->n_spreads);
    rename_all(trace, p->lanes, names);
    return SPA_OK;
}

spa_status spa_profile_run(const char *const *models, size_t n_models, const spa_lane_set *lanes,
                           const spa_profile_options *options, spa_profile_progress *progress,
                           void *context, spa_trace *trace, spa_profile_report *report,
                           spa_error *err)
{
    spa_profile_report unused;
    profiler p = {
        .lanes = lanes,
        .options = options,
        .progress = progress,
        .context = context,
        .n_steps = n_models + lanes->count + 1,
        .trace = trace,
        .report = report != NULL ? report : &unused,
    };
    memset(trace, 0, sizeof *trace);
    *p.report = (spa_profile_report){0};
    SPA_TRY(check(n_models, lanes, options, err));
    SPA_TRY(spa_alloc(&p.spreads, n_models * lanes->count, sizeof *p.spreads, err));
    spa_arena_init(&trace->arena);
    trace->origin = SPA_ORIGIN_MEASURED;
    trace->run_cv = NAN;
    spa_status status = profile_all(&p, models, n_models, err);
    free(p.spreads);
    if (status != SPA_OK) {
        spa_trace_fini(trace);
        memset(trace, 0, sizeof *trace);
    }
    return status;
}
