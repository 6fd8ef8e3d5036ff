/* Profiling: see profile.h. */
#include "kernels/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/measure.h"
#include "kernels/profile_model.h"

spa_profile_options spa_profile_default(void)
{
    return (spa_profile_options){
        .batch = 1,
        .seed = 1,
        .visits = 3,
        .runs = 10,
        .burst_factor = 1.5,
        .corun = true,
        .copies = true,
        .parts = true,
        .response = true,
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
    const char *what;     /* the model at hand */
    spa_trace *trace;
    spa_profile_report *report;
    spa_profile_links links;
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
    SPA_TRY(check_count("runs", o->runs, 1, 10000, err));
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

/* ---- one model ---------------------------------------------------------------------------------
 */

static void show_model(void *context, double fraction)
{
    profiler *p = context;
    if (p->progress != NULL)
        p->progress(p->context, p->what, ((double)p->step + fraction) / (double)p->n_steps);
}

static spa_status profile_model(profiler *p, const char *name, spa_error *err)
{
    spa_trace_model *entry = &p->trace->models[p->trace->n_models];
    SPA_TRY(spa_model_load(&entry->graph, name, p->options->batch, SPA_FP32, err));
    p->trace->n_models++;
    entry->name = p->what = entry->graph.name;
    entry->graph_hash = entry->graph.hash;
    spa_status status = spa_profile_model_run(p->lanes, p->options, show_model, p, entry,
                                              &p->trace->arena, &p->links, p->report, err);
    p->step++;
    return status;
}

/* ---- response ------------------------------------------------------------------------
 */

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
        if (!workers[lane]) continue;
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
        if (p->lanes->lanes[i].n_cores > 0) /* kernels of a core, perhaps behind streams */
            status = spa_worker_new(&workers[i], p->lanes->lanes[i].first_core, err);
    if (status == SPA_OK) status = measure_responses(p, workers, err);
    for (size_t i = 0; i < p->lanes->count; i++) spa_worker_free(workers[i]);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------- */

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
        for (size_t i = 0; i < trace->models[m].n_copies; i++) {
            rename_one(lanes, names, &trace->models[m].copies[i].from);
            rename_one(lanes, names, &trace->models[m].copies[i].to);
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
    SPA_TRY(spa_profile_fill_links(&p->links, p->lanes, trace, err));
    SPA_TRY(measure_machine(p, err));
    trace->run_cv = p->links.run_cv.count ? p->links.run_cv.mean : NAN;
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
        .n_steps = n_models + lanes->count,
        .trace = trace,
        .report = report != NULL ? report : &unused,
    };
    memset(trace, 0, sizeof *trace);
    *p.report = (spa_profile_report){0};
    SPA_TRY(check(n_models, lanes, options, err));
    spa_arena_init(&trace->arena);
    trace->origin = SPA_ORIGIN_MEASURED;
    trace->run_cv = NAN;
    spa_status status = profile_all(&p, models, n_models, err);
    spa_profile_links_fini(&p.links);
    if (status != SPA_OK) {
        spa_trace_fini(trace);
        memset(trace, 0, sizeof *trace);
    }
    return status;
}
