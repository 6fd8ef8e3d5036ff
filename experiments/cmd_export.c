/* sparoa export: a model as an ONNX file, with its weights. */
#include <string.h>
#include "experiments/cli.h"
#include "experiments/json.h"
#include "kernels/model.h"
#include "traces/onnx_export.h"

static spa_status values(void *context, size_t op, size_t param, const float **out, spa_error *err)
{
    const spa_model *model = context;
    *out = model->params[op * SPA_MAX_PARAMS + param];
    return SPA_OK;
}

static spa_status put_result(spa_cli *cli, const spa_options *o, const spa_model *model,
                             spa_error *err)
{
    const spa_graph *g = model->graph;
    const char *weights = g->source != NULL ? "its weights" : "seeded weights";
    if (!o->json) {
        spa_string_append(&cli->out, "%s: %zu operators, %.3f M parameters (%s), written to %s\n",
                          g->name, g->n_ops, (double)g->total_params * 1e-6, weights, o->output);
        return spa_string_ok(&cli->out, err);
    }
    spa_json j;
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)g->hash);
    spa_json_init(&j, "export");
    spa_json_set(&j, j.root, "format", spa_json_text(&j, "onnx"));
    spa_json_set(&j, j.root, "model", spa_json_text(&j, g->name));
    spa_json_set(&j, j.root, "operators", json_integer((json_int_t)g->n_ops));
    spa_json_set(&j, j.root, "parameters", json_integer(g->total_params));
    spa_json_set(&j, j.root, "hash", spa_json_text(&j, hash));
    spa_json_set(&j, j.root, "output", spa_json_text(&j, o->output));
    spa_status status = spa_json_print(&j, &cli->out, err);
    spa_json_fini(&j);
    return status;
}

spa_status spa_cmd_export(spa_cli *cli, spa_options *options, spa_error *err)
{
    static const char *const formats[] = {"onnx"};
    spa_graph graph;
    spa_model model;
    SPA_TRY(spa_cli_operands(options, 2, 2, "a format and a model: onnx resnet18", err));
    const char *format = options->operands.items[0], *name = options->operands.items[1];
    if (strcmp(format, "onnx") != 0)
        return spa_cli_name_status(spa_fail_unknown(err, "format", format, formats, 1), format,
                                   err);
    if (options->output == NULL)
        return spa_fail(err, SPA_E_USAGE, "'export onnx' needs -o FILE.onnx");
    int32_t batch = options->batch ? (int32_t)options->batch : 1;
    spa_status status = spa_model_load(&graph, name, batch, SPA_FP32, err);
    SPA_TRY(spa_cli_name_status(status, name, err));
    status = spa_model_init(&model, &graph, (uint64_t)options->seed, err);
    if (!status) {
        spa_onnx_params params = {&model, values};
        status = spa_onnx_write(&graph, &params, options->output, err);
        if (!status) status = put_result(cli, options, &model, err);
        spa_model_fini(&model);
    }
    spa_graph_fini(&graph);
    return status;
}
