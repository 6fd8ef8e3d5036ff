/* sparoa models: the model zoo. */
#include <inttypes.h>
#include "experiments/cli.h"
#include "experiments/json.h"
#include "experiments/table.h"

/* Operators, MACs and parameters come from the built graph, never from a table. */
static spa_status add_model(const spa_model_info *info, int32_t batch, spa_json *j, json_t *list,
                            spa_table *t, spa_error *err)
{
    spa_graph graph;
    SPA_TRY(spa_model_load(&graph, info->name, batch, SPA_FP32, err));
    json_t *row = spa_json_row(j, list);
    spa_json_set(j, row, "name", spa_json_text(j, info->name));
    spa_json_set(j, row, "operators", json_integer((json_int_t)graph.n_ops));
    spa_json_set(j, row, "macs", json_integer(graph.total_macs));
    spa_json_set(j, row, "parameters", json_integer(graph.total_params));
    spa_table_put(t, "%s", info->name);
    spa_table_put(t, "%zu", graph.n_ops);
    spa_table_number(t, (double)graph.total_macs * 1e-6, 1);
    spa_table_number(t, (double)graph.total_params * 1e-6, 3);
    spa_table_put(t, "%s", info->summary);
    spa_graph_fini(&graph);
    return SPA_OK;
}

spa_status spa_cmd_models(spa_cli *cli, spa_options *options, spa_error *err)
{
    SPA_TRY(spa_cli_operands(options, 0, 0, "", err));
    size_t count;
    const spa_model_info *zoo = spa_zoo_models(&count);
    spa_json j;
    spa_table t;
    spa_json_init(&j, "models");
    json_t *list = spa_json_array(&j, j.root, "models");
    spa_table_init(&t, "model|operators|MMACs|M parameters|what", "lrrrl");
    spa_status status = SPA_OK;
    int32_t batch = options->batch ? (int32_t)options->batch : 1;
    for (size_t i = 0; i < count && !status; i++) {
        status = add_model(&zoo[i], batch, &j, list, &t, err);
    }
    if (!status) {
        status = options->json ? spa_json_print(&j, &cli->out, err)
                               : spa_table_print(&t, 0, &cli->out, err);
    }
    spa_table_fini(&t);
    spa_json_fini(&j);
    return status;
}
