/* Validation: a profile that is measured in turn with the schedules it is to predict, so that both
 * meet the same machine. */
#include <stdlib.h>

#include "experiments/lanes_device.h"
#include "experiments/validation_rows.h"

spa_status validation_profile_begin(validator *v, spa_error *err)
{
    const spa_trace_model *planned = spa_trace_find_model(v->trace, v->graph->name);
    v->profiled = *planned; /* the graph is shared */
    v->profiled.costs = NULL;
    v->profiled.copies = NULL;
    v->profiled.n_costs = v->profiled.n_copies = 0;
    return spa_profile_model_init(&v->profile, v->lanes, v->options->profile, &v->costs,
                                  &v->profiled, err);
}

static spa_status fill_trace(validator *v, spa_trace *trace, const spa_samples *samples,
                             spa_error *err)
{
    spa_profile_links links = {0};
    spa_profile_report report = {0};
    *trace = (spa_trace){.path = "",
                         .fingerprint = v->trace->fingerprint,
                         .origin = SPA_ORIGIN_MEASURED,
                         .n_models = 1,
                         .models = &v->profiled,
                         .n_responses = v->trace->n_responses,
                         .responses = v->trace->responses};
    spa_arena_init(&trace->arena);
    spa_status status =
        spa_profile_model_rows(&v->profile, samples, &trace->arena, &links, &report, err);
    if (!status) status = spa_profile_fill_links(&links, v->lanes, trace, err);
    trace->run_cv = links.run_cv.mean;
    spa_profile_links_fini(&links);
    return status;
}

spa_status validation_profile_end(validator *v, const spa_samples *samples, spa_error *err)
{
    spa_trace trace;
    spa_costs costs = {0};
    spa_costs_options options = spa_costs_options_default();
    spa_device *device = NULL;
    options.trace = &trace;
    spa_status status = fill_trace(v, &trace, samples, err);
    if (!status) status = spa_lanes_device_new(&device, v->lanes, &trace, err);
    if (!status) status = spa_costs_build(&costs, device, v->graph, &options, err);
    if (!status) {
        v->planned = v->costs; /* policies may look at it until they are gone */
        v->costs = costs;
        v->out->costs_hash = costs.hash;
        status = validation_prepare_parts(v, &v->profiled, err);
    }
    spa_device_free(device);
    spa_arena_fini(&trace.arena);
    return status;
}
