/* Graph files (*.graph.csv). */
#include "tests/fuzz/fuzz.h"
#include "traces/graph.h"

FUZZ_TARGET(fuzz_graph)
{
    spa_graph graph, again;
    spa_error err = {0};
    spa_string first = {0}, second = {0};
    spa_status status =
        spa_graph_parse_csv(&graph, "fuzz.graph.csv", (const char *)data, size, &err);
    if (status) {
        fuzz_error(status, &err);
        return 0;
    }
    status = spa_graph_put_csv(&graph, &first, &err);
    FUZZ_CHECK(status == SPA_OK, "%s", err.message);
    status = spa_graph_parse_csv(&again, "again.graph.csv", first.text, first.length, &err);
    FUZZ_CHECK(status == SPA_OK, "%s\n%s", err.message, first.text);
    FUZZ_CHECK(again.hash == graph.hash, "the hash changes");
    status = spa_graph_put_csv(&again, &second, &err);
    FUZZ_CHECK(status == SPA_OK, "%s", err.message);
    fuzz_equal(&first, &second);
    spa_graph_fini(&graph);
    spa_graph_fini(&again);
    spa_string_fini(&first);
    spa_string_fini(&second);
    return 0;
}
