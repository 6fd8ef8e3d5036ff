#include "tests/traces/one_op.h"
#include <math.h>
#include <stdio.h>
#include "tests/random_graph.h"

static spa_graph g, h;

static void close_graphs(void)
{
    spa_graph_fini(&g);
    spa_graph_fini(&h);
}

TestSuite(graph, .fini = close_graphs);

Test(graph, the_tiny_chain_has_the_costs_that_are_written_beside_it)
{
    expect_ok(tiny_chain(&g, err));
    cr_assert_eq(g.n_ops, 6);
    cr_assert_eq(g.total_macs, 6912 + 40);
    cr_assert_eq(g.total_params, 166);
    cr_assert_eq(g.ops[0].macs, 6912);
}

Test(graph, consumers_are_the_edges_turned_round)
{
    expect_ok(tiny_branch(&g, err));
    /* stem -> left, right; left -> join; right -> join */
    const uint32_t first[] = {0, 2, 3, 4, 4};
    const int32_t consumers[] = {1, 2, 3, 3};
    for (int i = 0; i < 5; i++) cr_assert_eq(g.first_consumer[i], first[i]);
    for (int i = 0; i < 4; i++) cr_assert_eq(g.consumers[i], consumers[i]);
}

Test(graph, a_value_that_is_read_twice_is_two_edges)
{
    const int32_t in = SPA_GRAPH_INPUT(0), both[] = {0, 0};
    spa_graph_init(&g, "twice", 1, SPA_FP32);
    g.n_graph_inputs = 1;
    g.graph_inputs[0] = (spa_shape){1, {4}};
    expect_ok(spa_graph_add(&g, "a", SPA_OP_RELU, NULL, &in, 1, NULL, NULL, err));
    expect_ok(spa_graph_add(&g, "b", SPA_OP_ADD, NULL, both, 2, NULL, NULL, err));
    expect_ok(spa_graph_finish(&g, err));
    cr_assert_eq(g.first_consumer[1], 2);
    cr_assert(g.consumers[0] == 1 && g.consumers[1] == 1);
}

Test(graph, an_input_that_is_not_there_yet_is_refused_and_leaves_the_graph_as_it_was)
{
    const int32_t later = 1, beyond = SPA_GRAPH_INPUT(1), in = SPA_GRAPH_INPUT(0);
    int32_t index = 7;
    spa_graph_init(&g, "g", 1, SPA_FP32);
    g.n_graph_inputs = 1;
    g.graph_inputs[0] = (spa_shape){1, {4}};
    expect_ok(spa_graph_add(&g, "a", SPA_OP_RELU, NULL, &in, 1, NULL, NULL, err));
    expect_refusal(spa_graph_add(&g, "b", SPA_OP_RELU, NULL, &later, 1, NULL, &index, err),
                   SPA_E_INVALID, "must be in topological order");
    expect_refusal(spa_graph_add(&g, "b", SPA_OP_RELU, NULL, &beyond, 1, NULL, &index, err),
                   SPA_E_INVALID, "graph input 1; the graph has 1");
    cr_assert_eq(index, -1);
    cr_assert_eq(g.n_ops, 1);
    cr_assert_eq(g.n_edges, 1);
    cr_assert_eq(spa_graph_find(&g, "b"), -1);
    const int32_t a = 0;
    expect_ok(spa_graph_add(&g, "b", SPA_OP_RELU, NULL, &a, 1, NULL, &index, err));
    cr_assert_eq(index, 1);
}

Test(graph, names_are_unique_and_without_blanks)
{
    const int32_t in = SPA_GRAPH_INPUT(0);
    spa_graph_init(&g, "g", 1, SPA_FP32);
    g.n_graph_inputs = 1;
    g.graph_inputs[0] = (spa_shape){1, {4}};
    expect_ok(spa_graph_add(&g, "a", SPA_OP_RELU, NULL, &in, 1, NULL, NULL, err));
    expect_refusal(spa_graph_add(&g, "a", SPA_OP_RELU, NULL, &in, 1, NULL, NULL, err),
                   SPA_E_INVALID, "two operators are named 'a'");
    const char *const bad[] = {"a b", "@1", "a,b", "a\"b", "\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_refusal(spa_graph_add(&g, bad[i], SPA_OP_RELU, NULL, &in, 1, NULL, NULL, err),
                       SPA_E_INVALID, "no blanks, commas or quotes");
    expect_refusal(spa_graph_add(&g, "", SPA_OP_RELU, NULL, &in, 1, NULL, NULL, err), SPA_E_INVALID,
                   "has no name");
}

Test(graph, every_operator_is_found_by_its_name_among_thousands)
{
    char name[32];
    spa_error e = {0};
    spa_graph_init(&g, "long", 1, SPA_FP32);
    g.n_graph_inputs = 1;
    g.graph_inputs[0] = (spa_shape){1, {4}};
    for (int i = 0; i < 5000; i++) {
        int32_t in = i == 0 ? SPA_GRAPH_INPUT(0) : i - 1;
        snprintf(name, sizeof name, "op%d", i);
        cr_assert_eq(spa_graph_add(&g, name, SPA_OP_RELU, NULL, &in, 1, NULL, NULL, &e), SPA_OK);
    }
    for (int i = 0; i < 5000; i += 7) {
        snprintf(name, sizeof name, "op%d", i);
        cr_assert_eq(spa_graph_find(&g, name), i);
    }
    cr_assert_eq(spa_graph_find(&g, "op5000"), -1);
}

Test(graph, a_batch_below_one_is_refused)
{
    const int32_t in = SPA_GRAPH_INPUT(0);
    spa_graph_init(&g, "g", 0, SPA_FP32);
    g.n_graph_inputs = 1;
    g.graph_inputs[0] = (spa_shape){1, {4}};
    expect_refusal(spa_graph_add(&g, "a", SPA_OP_RELU, NULL, &in, 1, NULL, NULL, err), SPA_E_RANGE,
                   "batch 0; 1 to 16777216 are possible");
}

Test(graph, the_hash_sees_content_but_neither_names_nor_sparsities)
{
    expect_ok(tiny_chain(&g, err));
    expect_ok(tiny_chain(&h, err));
    cr_assert_eq(g.hash, h.hash);
    h.ops[0].name = "other";
    h.ops[2].sparsity = 0.9;
    h.name = "renamed";
    uint64_t before = h.hash;
    expect_ok(spa_graph_finish(&h, err));
    cr_assert_eq(h.hash, before);
    h.ops[0].attrs.pad_left = 2;
    expect_ok(spa_graph_finish(&h, err));
    cr_assert_neq(h.hash, before);
    h.ops[0].attrs.pad_left = 1;
    h.dtype = SPA_FP16;
    expect_ok(spa_graph_finish(&h, err));
    cr_assert_neq(h.hash, before);
    h.dtype = SPA_FP32;
    h.inputs[1] = SPA_GRAPH_INPUT(0);
    expect_ok(spa_graph_finish(&h, err));
    cr_assert_neq(h.hash, before);
}

/* Pinned: a trace records this number, on any machine. */
Test(graph, the_hash_of_the_tiny_graphs_never_changes)
{
    expect_ok(tiny_chain(&g, err));
    expect_ok(tiny_branch(&h, err));
    cr_assert_eq(g.hash, UINT64_C(0xc41de667cbd7b324), "%016llx", (unsigned long long)g.hash);
    cr_assert_eq(h.hash, UINT64_C(0xe70e15a2e7f5cd81), "%016llx", (unsigned long long)h.hash);
}

Test(graph, input_sparsity_is_the_producers_zeros_weighted_by_size)
{
    const int32_t in = SPA_GRAPH_INPUT(0), both[] = {0, SPA_GRAPH_INPUT(1)};
    spa_graph_init(&g, "g", 1, SPA_FP32);
    g.n_graph_inputs = 2;
    g.graph_inputs[0] = (spa_shape){2, {1, 30}};
    g.graph_inputs[1] = (spa_shape){2, {1, 10}};
    g.graph_input_sparsity = 0.1;
    expect_ok(spa_graph_add(&g, "a", SPA_OP_RELU, NULL, &in, 1, NULL, NULL, err));
    expect_ok(spa_graph_add(&g, "b", SPA_OP_CONCAT, &(spa_op_attrs){.axis = 1}, both, 2, NULL, NULL,
                            err));
    g.ops[0].sparsity = 0.5;
    expect_ok(spa_graph_finish(&g, err));
    cr_assert_float_eq(g.ops[0].input_sparsity, 0.1, 1e-15);
    /* (30 * 0.5 + 10 * 0.1) / 40 = 0.4 */
    cr_assert_float_eq(g.ops[1].input_sparsity, 0.4, 1e-15);
    g.ops[0].sparsity = (double)NAN; /* unknown stays unknown */
    spa_graph_propagate_sparsity(&g);
    cr_assert(isnan(g.ops[1].input_sparsity));
}

Test(graph, random_graphs_keep_their_invariants)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        size_t n = 1 + seed % 50, edges = 0;
        int64_t macs = 0, params = 0;
        expect_ok(random_graph(&g, seed, n, err));
        cr_assert_eq(g.n_ops, n);
        for (size_t i = 0; i < n; i++) {
            const spa_op *op = &g.ops[i];
            macs += op->macs;
            params += op->n_learned;
            cr_assert_eq(op->first_input, edges);
            cr_assert_eq(op->bytes_out, 4 * spa_shape_elements(&op->out));
            cr_assert(op->input_sparsity >= 0 && op->input_sparsity <= 1);
            for (uint32_t k = 0; k < op->n_inputs; k++, edges++) {
                int32_t p = g.inputs[edges];
                bool found = p < 0;
                cr_assert_lt(p, (int32_t)i);
                for (uint32_t c = p < 0 ? 0 : g.first_consumer[p];
                     p >= 0 && c < g.first_consumer[p + 1]; c++)
                    if (g.consumers[c] == (int32_t)i) found = true;
                cr_assert(found);
            }
        }
        cr_assert(edges == g.n_edges && macs == g.total_macs && params == g.total_params);
        spa_graph_fini(&g);
    }
}

Test(graph, the_same_seed_gives_the_same_random_graph)
{
    expect_ok(random_graph(&g, 5, 40, err));
    expect_ok(random_graph(&h, 5, 40, err));
    cr_assert_eq(g.hash, h.hash);
    spa_graph_fini(&h);
    expect_ok(random_graph(&h, 6, 40, err));
    cr_assert_neq(g.hash, h.hash);
}
