#include <math.h>
#include <string.h>
#include "experiments/ablate.h"
#include "experiments/cli.h"
#include "experiments/parts.h"
#include "experiments/study.h"
#include "traces/rewrite.h"
#include "traces/onnx.h"

/* Up to three names of operators without a rule, and how many there are. */
void spa_case_note_opaque(const spa_case *c, spa_cli *cli, const spa_options *options)
{
    const spa_graph *g = &c->graph;
    char names[3 * 64 + 8] = "";
    size_t n = 0;
    for (size_t i = 0; i < g->n_ops; i++) {
        if (g->ops[i].kind != SPA_OP_OTHER) continue;
        size_t used = strlen(names);
        if (n++ < 3)
            snprintf(names + used, sizeof names - used, "%s%.60s", used > 0 ? ", " : "",
                     g->ops[i].name);
    }
    if (n > 0)
        spa_cli_note(cli, options,
                     "%s: %zu of %zu operators have no cost rule, only their bytes "
                     "count: %s%s",
                     g->name, n, g->n_ops, names, n > 3 ? ", ..." : "");
}

static bool is_graph_file(const char *name)
{
    static const char ending[] = ".csv";
    size_t n = strlen(name), m = sizeof ending - 1;
    return n > m && strcmp(name + n - m, ending) == 0;
}

/* A graph file fixes batch and dtype: what was not asked for is taken from it. */
static spa_status load_graph(spa_graph *graph, const spa_options *o, const char *model,
                             spa_error *err)
{
    if (spa_onnx_is_file(model)) { /* what was not asked for is taken from the file */
        spa_onnx_options onnx = {.batch = (int32_t)o->batch, .dtype = o->dtype};
        return spa_onnx_read(graph, model, &onnx, NULL, err);
    }
    if (!is_graph_file(model)) {
        int32_t batch = o->batch ? (int32_t)o->batch : 1;
        spa_dtype dtype = o->dtype >= 0 ? (spa_dtype)o->dtype : SPA_FP32;
        spa_status status = spa_model_load(graph, model, batch, dtype, err);
        return spa_cli_name_status(status, model, err);
    }
    SPA_TRY(spa_graph_read_csv(graph, model, err));
    if ((!o->batch || graph->batch == o->batch) &&
        (o->dtype < 0 || (int)graph->dtype == o->dtype)) {
        return SPA_OK;
    }
    spa_status status = spa_fail(err, SPA_E_USAGE,
                                 "%.300s is for batch %d in %s; leave --batch and --dtype out, or "
                                 "give these",
                                 model, graph->batch, spa_dtype_name(graph->dtype));
    spa_graph_fini(graph);
    return status;
}

/* A zoo graph carries assumed zeros. On a device that a trace drives, the trace's own graph says
 * with which zeros its times were measured: these are taken, so that the times are too. A trace
 * that cannot be read is for spa_costs_build to report. */
static void take_zeros(spa_graph *graph, const spa_device *device)
{
    const char *folder = spa_device_info_of(device)->trace;
    spa_trace trace;
    if (!folder || spa_trace_read(&trace, folder, graph->name, NULL)) return;
    const spa_trace_model *model = spa_trace_find_model(&trace, graph->name);
    if (model && model->graph.hash == graph->hash) {
        for (size_t i = 0; i < graph->n_ops; i++) {
            const spa_op *from = &model->graph.ops[i];
            graph->ops[i].sparsity = from->sparsity;
            graph->ops[i].input_sparsity = from->input_sparsity;
            graph->ops[i].weight_sparsity = from->weight_sparsity;
            graph->ops[i].rho_origin = from->rho_origin;
        }
        graph->graph_input_sparsity = model->graph.graph_input_sparsity;
    }
    spa_trace_fini(&trace);
}

/* Zeros assumed to be more or fewer. Inputs are means of outputs: the same factor. */
static spa_status scale_zeros(spa_graph *graph, double factor, spa_error *err)
{
    for (size_t i = 0; i < graph->n_ops; i++) {
        spa_op *op = &graph->ops[i];
        op->sparsity *= factor;
        op->input_sparsity *= factor;
        op->rho_origin = SPA_ORIGIN_ASSUMED;
        double most = fmax(op->sparsity, op->input_sparsity);
        if (most > 1)
            return spa_fail(err, SPA_E_RANGE,
                            "rho %g would make %g of operator '%s' zeros; the most is %g", factor,
                            most, op->name, factor / most);
    }
    return SPA_OK;
}

/* Fuses, with the zeros of what is fused. */
static spa_status rewrite(spa_graph *graph, const char *name, spa_error *err)
{
    spa_graph fused;
    if (!name || strcmp(name, "none") == 0) return SPA_OK;
    spa_status status = spa_rewrite_apply(&fused, graph, name, err);
    SPA_TRY(spa_cli_name_status(status, name, err));
    spa_graph_fini(graph);
    *graph = fused;
    return SPA_OK;
}

static spa_status build(spa_case *c, const spa_options *o, const spa_paths *paths,
                        const char *device, spa_error *err)
{
    spa_status status = spa_device_load(&c->device, device, paths->device_search, err);
    SPA_TRY(spa_cli_name_status(status, device, err));
    if (!is_graph_file(c->model)) take_zeros(&c->graph, c->device);
    if (o->scales.rho != 1) SPA_TRY(scale_zeros(&c->graph, o->scales.rho, err));
    SPA_TRY(rewrite(&c->graph, o->rewrite, err));
    spa_costs_options options = spa_costs_options_default();
    options.stack = o->stack;
    options.lanes = o->lanes;
    if (o->baseline_range != SPA_RANGES) options.range = (spa_range_end)o->baseline_range;
    options.missing_model = o->missing_model != 0;
    options.scale_contention = o->scales.contention;
    options.scale_launch = o->scales.launch;
    options.scale_transfer = o->scales.transfer;
    options.scale_noise = o->scales.noise;
    options.synchronous = o->ablated & SPA_ABLATE_OVERLAP;
    options.no_response = o->ablated & SPA_ABLATE_SPARSITY;
    status = spa_costs_build(&c->costs, c->device, &c->graph, &options, err);
    /* What is not found here was named by --stack or --lanes. */
    SPA_TRY(spa_cli_name_status(status, "", err));
    SPA_TRY(spa_lower_bound_ns(&c->lower_bound_ns, &c->graph, &c->costs, false, err));
    SPA_TRY(spa_lower_bound_ns(&c->split_bound_ns, &c->graph, &c->costs, true, err));
    c->power_known = c->costs.base_w > 0;
    return SPA_OK;
}

spa_status spa_case_open(spa_case *c, const spa_options *options, const spa_paths *paths,
                         const char *model, const char *device, spa_error *err)
{
    *c = (spa_case){.model = model,
                    .trained = paths ? paths->trained : NULL,
                    .paths = paths,
                    .device_name = device,
                    .options = *options};
    SPA_TRY(load_graph(&c->graph, options, model, err));
    spa_status status =
        device ? build(c, options, paths, device, err) : rewrite(&c->graph, options->rewrite, err);
    if (status) spa_case_close(c);
    return status;
}

void spa_case_close(spa_case *c)
{
    spa_parts_close(c);
    spa_costs_fini(&c->costs);
    spa_device_free(c->device);
    spa_graph_fini(&c->graph);
    *c = (spa_case){0};
}

double spa_case_service_ns(const spa_case *c)
{
    double sum = 0, weights = 0;
    if (c->kind != SPA_CASE_MIX) return (double)spa_service_ns(&c->costs);
    for (size_t i = 0; i < c->n_parts; i++) {
        sum += c->weights[i] * (double)spa_service_ns(&c->parts[i].costs);
        weights += c->weights[i];
    }
    return sum / weights;
}

static const char *origin_text(spa_origin origin, bool uncalibrated, char text[64])
{
    snprintf(text, 64, "%s%s", spa_origin_name(origin), uncalibrated ? ", uncalibrated" : "");
    return text;
}

const char *spa_case_origin(const spa_case *c, char text[64])
{
    return origin_text(c->costs.origin, c->costs.uncalibrated, text);
}

const char *spa_outcome_origin(const spa_case *c, const spa_outcome *o, char text[64])
{
    spa_origin origin = c->costs.origin;
    if (o->splits && origin > SPA_ORIGIN_MODELLED) origin = SPA_ORIGIN_MODELLED;
    return origin_text(origin, c->costs.uncalibrated, text);
}

const char *spa_case_origin_text(const spa_case *c, char text[128])
{
    static const char *const meanings[] = {
        [SPA_ORIGIN_UNKNOWN] = "unknown",
        [SPA_ORIGIN_ASSUMED] = "assumed",
        [SPA_ORIGIN_MODELLED] = "modelled (sources: device file)",
        [SPA_ORIGIN_IMPORTED] = "imported: measured elsewhere",
        [SPA_ORIGIN_MEASURED] = "measured",
    };
    snprintf(text, 128, "%s%s", meanings[c->costs.origin],
             c->costs.uncalibrated ? ", uncalibrated" : "");
    return text;
}

const char *spa_case_dtype(const spa_case *c)
{
    if (c->costs.graph && c->costs.computes != c->graph.dtype)
        return c->costs.computes == SPA_FP16 ? "fp32 (computed in fp16)"
                                             : "fp16 (computed in fp32)";
    return spa_dtype_name(c->graph.dtype);
}
