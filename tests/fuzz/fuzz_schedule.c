/* Schedules (CSV) for a graph of four operators with hash 0123456789abcdef on p0 (1 lane) and p1
 * (2 lanes), which may run in chunks of 2. */
#include "sim/schedule.h"
#include "tests/fuzz/fuzz.h"

static const spa_costs *schedule_costs(void)
{
    static spa_graph graph;
    static spa_costs costs;
    static const char *const names[] = {"a", "b", "c", "d"};
    const spa_shape four = {1, {4}};
    const int32_t inputs[][2] = {{-1, -1}, {0, 0}, {0, 1}, {1, 2}};
    spa_error err;
    if (costs.ops) return &costs;
    spa_graph_init(&graph, "tiny", 1, SPA_FP32);
    graph.n_graph_inputs = 1;
    graph.graph_inputs[0] = four;
    for (int i = 0; i < 4; i++)
        FUZZ_CHECK(
            !spa_graph_add(&graph, names[i], SPA_OP_OTHER, NULL, inputs[i], 2, &four, NULL, &err),
            "%s", err.message);
    FUZZ_CHECK(!spa_graph_finish(&graph, &err), "%s", err.message);
    graph.hash = UINT64_C(0x0123456789abcdef);
    FUZZ_CHECK(!spa_costs_init(&costs, &graph, 2, &err), "%s", err.message);
    costs.processors[1].n_lanes = 2;
    for (int i = 0; i < 8; i++) costs.ops[i].kernel_ns = i == 5 ? -1 : 10; /* not c on p1 */
    FUZZ_CHECK(!spa_costs_finish(&costs, &err), "%s", err.message);
    costs.chunk_sizes[costs.n_chunks] = 2;
    costs.chunk_ops[costs.n_chunks++] = costs.ops;
    return &costs;
}

FUZZ_TARGET(fuzz_schedule)
{
    const spa_costs *costs = schedule_costs();
    spa_schedule s, again;
    spa_error err = {0};
    spa_string first = {0}, second = {0};
    spa_status status =
        spa_schedule_parse_csv(&s, costs, "fuzz.csv", (const char *)data, size, &err);
    if (status) {
        fuzz_error(status, &err);
        FUZZ_CHECK(s.n_ops == 0 && !s.order, "a result beside an error");
        return 0;
    }
    FUZZ_CHECK(!spa_schedule_check(&s, costs, &err), "accepted, but: %s", err.message);
    FUZZ_CHECK(!spa_schedule_put_csv(&s, costs, &first, &err), "%s", err.message);
    status = spa_schedule_parse_csv(&again, costs, "again.csv", first.text, first.length, &err);
    FUZZ_CHECK(status == SPA_OK, "%s\n%s", err.message, first.text);
    FUZZ_CHECK(!spa_schedule_put_csv(&again, costs, &second, &err), "%s", err.message);
    fuzz_equal(&first, &second);
    spa_schedule_fini(&s);
    spa_schedule_fini(&again);
    spa_string_fini(&first);
    spa_string_fini(&second);
    return 0;
}
