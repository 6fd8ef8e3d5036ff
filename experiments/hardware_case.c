#include "experiments/hardware_case.h"
#include "traces/onnx.h"

#include <string.h>

#include "experiments/interrupt.h"
#include "experiments/results.h"
#include "kernels/measure.h"
#include "kernels/profile.h"
#include "traces/zoo.h"

#define PROGRESS_STEPS 1000

void spa_hardware_case_show(void *context, const char *what, double fraction)
{
    spa_hardware_case *c = context;
    c->progress.what = what;
    spa_progress_show(&c->progress, (size_t)(fraction * PROGRESS_STEPS));
}

static spa_status list_models(spa_options *o, const spa_names *given, spa_names *models,
                              spa_error *err)
{
    size_t count;
    const spa_model_info *zoo = spa_zoo_models(&count);
    for (size_t i = 0; i < given->count; i++) {
        if (strcmp(given->items[i], "all") != 0) {
            SPA_TRY(spa_names_add(o, models, given->items[i], err));
            continue;
        }
        for (size_t k = 0; k < count; k++) SPA_TRY(spa_names_add(o, models, zoo[k].name, err));
    }
    return SPA_OK;
}

static spa_status profile(spa_hardware_case *c, spa_cli *cli, const spa_options *o, spa_error *err)
{
    spa_profile_options p = spa_profile_default();
    p.seed = (uint64_t)o->seed;
    p.runs_on = spa_interrupt_by_signal;
    p.response = false; /* the schedules run at the zeros of the profile */
    if (o->rounds > 0) p.visits = (int32_t)o->rounds;
    if (o->reps) p.runs = (int32_t)o->reps;
    spa_progress_begin(&c->progress, cli->err, o->quiet, "profiling", PROGRESS_STEPS);
    spa_status status = spa_profile_run(c->models.items, c->models.count, &c->lanes, &p,
                                        spa_hardware_case_show, c, &c->trace, NULL, err);
    spa_progress_end(&c->progress);
    c->fresh = status == SPA_OK;
    return spa_cli_name_status(status, c->models.items[0], err);
}

/* Graph files become the names that the trace has for them. */
static spa_status name_models(spa_hardware_case *c, spa_options *o, spa_error *err)
{
    for (size_t i = 0; i < c->models.count; i++) {
        spa_graph graph;
        char *name;
        const char *model = c->models.items[i];
        bool is_onnx = spa_onnx_is_file(model);
        if (!strstr(model, ".csv") && !is_onnx) continue;
        spa_status status = is_onnx ? spa_onnx_read(&graph, model, NULL, NULL, err)
                                    : spa_graph_read_csv(&graph, model, err);
        SPA_TRY(status);
        status = spa_arena_alloc(&o->arena, &name, strlen(graph.name) + 1, 1, err);
        if (!status) strcpy(name, graph.name);
        spa_graph_fini(&graph);
        SPA_TRY(status);
        c->models.items[i] = name;
    }
    return SPA_OK;
}

/* A trace is allowed to come from elsewhere, but not to look as if it came from here. */
static spa_status compare_machine(spa_hardware_case *c, spa_options *o, spa_error *err)
{
    spa_fingerprint here = {0};
    const spa_fingerprint *there = &c->trace.fingerprint;
    SPA_TRY(spa_measure_fingerprint(&c->lanes, NULL, &o->arena, &here, err));
    c->uncalibrated =
        strcmp(here.machine, there->machine) != 0 || strcmp(here.libraries, there->libraries) != 0;
    return SPA_OK;
}

static spa_status take_trace(spa_hardware_case *c, spa_options *o, spa_error *err)
{
    SPA_TRY(spa_trace_read(&c->trace, o->trace, NULL, err));
    return compare_machine(c, o, err);
}

spa_status spa_hardware_case_open(spa_hardware_case *c, spa_cli *cli, spa_options *options,
                                  const spa_names *models, spa_error *err)
{
    *c = (spa_hardware_case){0};
    if (!options->lanes)
        return spa_fail(err, SPA_E_USAGE,
                        "'%s' needs --lanes, e.g. --lanes cpu:0=sparse,cpu:1=onednn",
                        options->command);
    SPA_TRY(spa_cli_name_status(spa_lanes_parse(&c->lanes, options->lanes, err), "", err));
    if (options->db) SPA_TRY(spa_results_check(options->db, err)); /* before hours of measuring */
    SPA_TRY(list_models(options, models ? models : &options->operands, &c->models, err));
    if (options->trace)
        SPA_TRY(take_trace(c, options, err));
    else
        SPA_TRY(profile(c, cli, options, err));
    return name_models(c, options, err);
}

void spa_hardware_case_close(spa_hardware_case *c)
{
    spa_trace_fini(&c->trace);
    *c = (spa_hardware_case){0};
}
