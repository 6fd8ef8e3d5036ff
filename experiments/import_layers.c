/* Layers that other programs timed become rows of a trace. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "experiments/import.h"
#include "experiments/json.h"
#include "experiments/study.h"
#include "experiments/table.h"
#include "traces/layer_times.h"

typedef struct import {
    spa_layer_times times;
    spa_layer_map map;
    spa_case model; /* its graph */
    spa_dtype dtype;
    spa_trace trace;
    size_t kept; /* rows of other processors that the folder had */
} import;

/* ---- the folder ------------------------------------------------------------------------------ */

static bool has_trace(const char *folder)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/meta.ini", folder);
    return n > 0 && (size_t)n < sizeof path && access(path, F_OK) == 0;
}

/* A name for the files: the graph's, which a path may not be. */
static const char *model_name(const import *in)
{
    return in->model.graph.name;
}

/* Is this row replaced by what is imported? */
static bool replaced(const import *in, const spa_trace_model *fresh, const spa_trace_cost *row)
{
    if (row->batch != in->model.graph.batch || row->dtype != in->dtype) return false;
    for (size_t i = 0; i < fresh->n_costs; i++)
        if (strcmp(fresh->costs[i].processor, row->processor) == 0) return true;
    return false;
}

/* The rows of a model that the folder has already: those of other processors, batches and types
 * stay. */
static spa_status merge_rows(import *in, spa_trace_model *old, const spa_trace_model *fresh,
                             spa_error *err)
{
    spa_trace_cost *all;
    size_t n = 0;
    SPA_TRY(
        spa_arena_alloc(&in->trace.arena, &all, old->n_costs + fresh->n_costs, sizeof *all, err));
    for (size_t i = 0; i < old->n_costs; i++)
        if (!replaced(in, fresh, &old->costs[i])) all[n++] = old->costs[i];
    in->kept = n;
    for (size_t i = 0; i < fresh->n_costs; i++) all[n++] = fresh->costs[i];
    old->costs = all;
    old->n_costs = n;
    return SPA_OK;
}

/* One more model: the graph moves into the trace. */
static spa_status append_model(import *in, const spa_trace_model *fresh, spa_error *err)
{
    spa_trace *t = &in->trace;
    spa_trace_model *all;
    SPA_TRY(spa_arena_alloc(&t->arena, &all, t->n_models + 1, sizeof *all, err));
    for (size_t i = 0; i < t->n_models; i++) all[i] = t->models[i];
    spa_trace_model *added = &all[t->n_models];
    *added = *fresh;
    SPA_TRY(spa_arena_strdup(&t->arena, &added->name, model_name(in), err));
    added->graph = in->model.graph;
    in->model.graph = (spa_graph){.name = added->name, .batch = added->graph.batch};
    t->models = all;
    t->n_models++;
    return SPA_OK;
}

static spa_status describe(import *in, const spa_options *o, spa_error *err)
{
    spa_fingerprint *f = &in->trace.fingerprint;
    char command[1024];
    bool same = f->stack && strcmp(f->stack, in->times.program) == 0;
    if (!f->machine) f->machine = "not told by the profile";
    if (!f->stack)
        f->stack = in->times.program;
    else if (!same)
        f->stack = "mixed";
    snprintf(command, sizeof command, "sparoa import %s %.400s --model %.200s", o->import_format,
             o->operands.items[0], o->model);
    in->trace.origin = SPA_ORIGIN_IMPORTED;
    return spa_arena_strdup(&in->trace.arena, &f->command, command, err);
}

static spa_status put_into(import *in, const spa_options *o, spa_error *err)
{
    spa_trace *t = &in->trace;
    spa_trace_model fresh = {0};
    if (has_trace(o->output)) {
        SPA_TRY(spa_trace_read(t, o->output, NULL, err));
    } else {
        spa_arena_init(&t->arena);
        t->run_cv = NAN;
    }
    SPA_TRY(spa_layer_map_costs(&in->map, &in->times, &in->model.graph, in->dtype, t, &fresh, err));
    spa_trace_model *old = NULL;
    for (size_t i = 0; i < t->n_models; i++)
        if (!strcmp(t->models[i].name, model_name(in))) old = &t->models[i];
    if (old && old->graph.hash != in->model.graph.hash)
        return spa_fail_at(err, SPA_E_INVALID, o->output, 0,
                           "has another graph under the name '%s' (another batch or --dtype?); "
                           "import into a new folder",
                           model_name(in));
    if (old)
        SPA_TRY(merge_rows(in, old, &fresh, err));
    else
        SPA_TRY(append_model(in, &fresh, err));
    SPA_TRY(describe(in, o, err));
    return spa_trace_write(t, o->output, err);
}

/* ---- what is said ---------------------------------------------------------------------------- */

static double share(const import *in, double us)
{
    return in->map.total_us > 0 ? us / in->map.total_us : NAN;
}

static spa_status put_text(const import *in, const spa_options *o, spa_string *out, spa_error *err)
{
    const spa_layer_map *m = &in->map;
    spa_table t;
    size_t unmapped = 0;
    spa_string_append(
        out,
        "%s: %zu layers, %.1f us per inference; %zu operators of %s: %zu named, %zu by kind and "
        "shape, %zu inside the layer of their producer, %zu views, %zu without a time\n",
        o->operands.items[0], m->n_layers, m->total_us, m->n_ops, model_name(in),
        m->count[SPA_LAYER_NAMED], m->count[SPA_LAYER_SHAPED], m->count[SPA_LAYER_ABSORBED],
        m->count[SPA_LAYER_VIEW], m->count[SPA_LAYER_NONE]);
    spa_string_append(out, "mapped: %.1f %% of the time; written to %s (origin imported, %s)\n",
                      100 * share(in, m->mapped_us), o->output, in->trace.fingerprint.stack);
    spa_table_init(&t, "not mapped|us|% of the time", "lrr");
    for (size_t l = 0; l < m->n_layers; l++) {
        if (m->carrier[l] >= 0) continue;
        spa_table_put(&t, "%.100s", in->times.layers[l].name);
        spa_table_number(&t, in->times.layers[l].mean_us, 3);
        spa_table_number(&t, 100 * share(in, in->times.layers[l].mean_us), 2);
        unmapped++;
    }
    spa_status status = SPA_OK;
    if (unmapped) {
        spa_string_append(out, "\n");
        status = spa_table_print(&t, 2, out, err);
    }
    spa_table_fini(&t);
    return status;
}

static void put_unmapped(const import *in, spa_json *j)
{
    json_t *layers = spa_json_array(j, j->root, "not_mapped"),
           *ops = spa_json_array(j, j->root, "without_time");
    for (size_t l = 0; l < in->map.n_layers; l++) {
        if (in->map.carrier[l] >= 0) continue;
        json_t *row = spa_json_row(j, layers);
        spa_json_set(j, row, "name", spa_json_text(j, in->times.layers[l].name));
        spa_json_set(j, row, "us", spa_json_number(in->times.layers[l].mean_us));
        spa_json_set(j, row, "share", spa_json_number(share(in, in->times.layers[l].mean_us)));
    }
    /* The graph may have moved into the trace. */
    const spa_trace_model *model = spa_trace_find_model(&in->trace, model_name(in));
    for (size_t i = 0; model && i < in->map.n_ops; i++)
        if (in->map.match[i] == SPA_LAYER_NONE)
            spa_json_add(j, ops, spa_json_text(j, model->graph.ops[i].name));
}

static spa_status put_json(const import *in, const spa_options *o, spa_string *out, spa_error *err)
{
    spa_json j;
    const spa_layer_map *m = &in->map;
    spa_json_init(&j, "import");
    spa_json_set(&j, j.root, "format", spa_json_text(&j, o->import_format));
    spa_json_set(&j, j.root, "model", spa_json_text(&j, model_name(in)));
    spa_json_set(&j, j.root, "origin", spa_json_text(&j, "imported"));
    spa_json_set(&j, j.root, "runs", json_integer(in->times.runs));
    spa_json_set(&j, j.root, "total_us", spa_json_number(m->total_us));
    spa_json_set(&j, j.root, "mapped_share", spa_json_number(share(in, m->mapped_us)));
    json_t *ops = spa_json_member(&j, j.root, "operators");
    static const char *const keys[] = {"without_time", "named", "by_shape", "absorbed", "views"};
    for (int i = 0; i < 5; i++)
        spa_json_set(&j, ops, keys[i], json_integer((json_int_t)m->count[i]));
    put_unmapped(in, &j);
    spa_status status = spa_json_print(&j, out, err);
    spa_json_fini(&j);
    return status;
}

/* ---- the command ----------------------------------------------------------------------------- */

static spa_status map_and_write(spa_cli *cli, import *in, const spa_options *o, spa_error *err)
{
    SPA_TRY(spa_case_open(&in->model, o, NULL, o->model, NULL, err));
    in->dtype = o->dtype >= 0 ? (spa_dtype)o->dtype : in->model.graph.dtype;
    SPA_TRY(spa_layer_map_make(&in->map, &in->times, &in->model.graph, err));
    if (in->map.mapped_us == 0)
        return spa_fail_at(err, SPA_E_INVALID, o->operands.items[0], 0,
                           "none of its %zu layers is one of '%.100s'; is --model the model that "
                           "was profiled?",
                           in->times.n, o->model);
    SPA_TRY(put_into(in, o, err));
    return o->json ? put_json(in, o, &cli->out, err) : put_text(in, o, &cli->out, err);
}

static spa_status check(const spa_options *o, spa_error *err)
{
    if (!o->model)
        return spa_fail(err, SPA_E_USAGE,
                        "'import %s' needs --model M: the model that was profiled",
                        o->import_format);
    if (!o->output)
        return spa_fail(err, SPA_E_USAGE, "'import %s' needs -o DIR, the trace folder",
                        o->import_format);
    if (o->layers && strcmp(o->import_format, "trtexec") != 0)
        return spa_fail(err, SPA_E_USAGE, "--layers belongs to the format trtexec");
    return SPA_OK;
}

typedef spa_status read_layers(spa_layer_times *times, const spa_options *o, spa_error *err);

static spa_status run(spa_cli *cli, spa_options *o, read_layers *read, spa_error *err)
{
import in = {0 };
    SPA_TRY(check(o, err));
    spa_status status = read(&in.times, o, err);
    if (!status) status = map_and_write(cli, &in, o, err);
    spa_trace_fini(&in.trace);
    spa_layer_map_fini(&in.map);
    spa_layer_times_fini(&in.times);
    spa_case_close(&in.model);
    return status;
}

static spa_status read_trtexec(spa_layer_times *times, const spa_options *o, spa_error *err)
{
    return spa_layer_times_trtexec(times, o->operands.items[0], o->layers, err);
}
static spa_status read_onnxruntime(spa_layer_times *times, const spa_options *o, spa_error *err)
{
    return spa_layer_times_onnxruntime(times, o->operands.items[0], err);
}
static spa_status read_pytorch(spa_layer_times *times, const spa_options *o, spa_error *err)
{
    return spa_layer_times_pytorch(times, o->operands.items[0], err);
}

spa_status spa_import_trtexec(spa_cli *cli, spa_options *options, spa_error *err)
{
    return run(cli, options, read_trtexec, err);
}
spa_status spa_import_onnxruntime(spa_cli *cli, spa_options *options, spa_error *err)
{
    return run(cli, options, read_onnxruntime, err);
}
spa_status spa_import_pytorch(spa_cli *cli, spa_options *options, spa_error *err)
{
    return run(cli, options, read_pytorch, err);
}
