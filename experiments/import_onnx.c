/* sparoa import onnx: a model file as a graph. */
#include "experiments/import.h"
#include "experiments/json.h"
#include "traces/onnx.h"

static spa_status put_json(const spa_graph *g, const spa_onnx_report *r, const spa_options *o,
                           spa_string *out, spa_error *err)
{
    spa_json j;
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)g->hash);
    spa_json_init(&j, "import");
    spa_json_set(&j, j.root, "format", spa_json_text(&j, "onnx"));
    spa_json_set(&j, j.root, "model", spa_json_text(&j, g->name));
    spa_json_set(&j, j.root, "opset", json_integer(r->opset));
    spa_json_set(&j, j.root, "nodes", json_integer((json_int_t)r->n_nodes));
    spa_json_set(&j, j.root, "operators", json_integer((json_int_t)g->n_ops));
    spa_json_set(&j, j.root, "without_rule", json_integer((json_int_t)r->n_opaque));
    spa_json_set(&j, j.root, "batch", json_integer(g->batch));
    spa_json_set(&j, j.root, "dtype", spa_json_text(&j, spa_dtype_name(g->dtype)));
    spa_json_set(&j, j.root, "macs", json_integer(g->total_macs));
    spa_json_set(&j, j.root, "parameters", json_integer(g->total_params));
    spa_json_set(&j, j.root, "hash", spa_json_text(&j, hash));
    spa_json_set(&j, j.root, "output", spa_json_text(&j, o->output));
    spa_status status = spa_json_print(&j, out, err);
    spa_json_fini(&j);
    return status;
}

static spa_status finish(spa_cli *cli, const spa_graph *g, const spa_onnx_report *r,
                         const spa_options *o, spa_error *err)
{
    SPA_TRY(spa_graph_write_csv(g, o->output, err));
    if (r->n_opaque > 0)
        spa_cli_note(cli, o,
                     "no rule for %zu of %zu nodes, only their bytes count: %s; the first: %s",
                     r->n_opaque, r->n_nodes, r->opaque, r->reason);
    if (o->json) return put_json(g, r, o, &cli->out, err);
    spa_string_append(&cli->out,
                      "%s: opset %lld, %zu nodes became %zu operators, %.1f MMACs, %.3f M "
                      "parameters, %s, batch %d, hash %016llx\n",
                      g->name, (long long)r->opset, r->n_nodes, g->n_ops,
                      (double)g->total_macs * 1e-6, (double)g->total_params * 1e-6,
                      spa_dtype_name(g->dtype), (int)g->batch, (unsigned long long)g->hash);
    return spa_string_ok(&cli->out, err);
}

spa_status spa_import_onnx(spa_cli *cli, spa_options *options, spa_error *err)
{
    const char *path = options->operands.items[0];
    spa_onnx_options o = spa_onnx_options_default();
    spa_onnx_report report;
    spa_graph graph;
    if (options->output == NULL)
        return spa_fail(err, SPA_E_USAGE, "'import onnx' needs -o OUT.graph.csv");
    o.batch = (int32_t)options->batch;
    o.dtype = options->dtype;
    o.fold_batch_norm = options->fold_bn;
    o.shapes = options->shapes.items;
    o.n_shapes = options->shapes.count;
    SPA_TRY(spa_onnx_read(&graph, path, &o, &report, err));
    spa_status status = finish(cli, &graph, &report, options, err);
    spa_graph_fini(&graph);
    return status;
}
