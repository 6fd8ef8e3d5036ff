/* ONNX models: what is accepted is a graph that writes and reads back, with parameters that can be
 * read. */
#include "tests/fuzz/fuzz.h"
#include "traces/onnx.h"

#define MOST_VALUES ((int64_t)1 << 16)

static void fill_params(const spa_graph *g)
{
    static float values[MOST_VALUES];
    spa_op_param params[SPA_MAX_PARAMS];
    for (size_t i = 0; i < g->n_ops; i++) {
        size_t n = spa_op_params(g, &g->ops[i], params);
        for (size_t p = 0; p < n; p++) {
            spa_error err = {0};
            int64_t count = spa_shape_elements(&params[p].shape);
            if (count > MOST_VALUES) continue;
            spa_status status = g->source->fill(g->source, i, p, values, (size_t)count, &err);
            if (status) fuzz_error(status, &err);
        }
    }
}

FUZZ_TARGET(fuzz_onnx)
{
    spa_graph graph, again;
    spa_error err = {0};
    spa_string text = {0};
    spa_onnx_options options = spa_onnx_options_default();
    options.fold_batch_norm = size % 2 == 1;
    spa_status status = spa_onnx_parse(&graph, "fuzz.onnx", data, size, &options, NULL, &err);
    if (status) {
        fuzz_error(status, &err);
        return 0;
    }
    fill_params(&graph);
    status = spa_graph_put_csv(&graph, &text, &err);
    FUZZ_CHECK(status == SPA_OK, "%s", err.message);
    status = spa_graph_parse_csv(&again, "again.graph.csv", text.text, text.length, &err);
    FUZZ_CHECK(status == SPA_OK, "%s\n%s", err.message, text.text);
    FUZZ_CHECK(again.hash == graph.hash, "the hash changes");
    spa_graph_fini(&graph);
    spa_graph_fini(&again);
    spa_string_fini(&text);
    return 0;
}
