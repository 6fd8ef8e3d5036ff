#include "tests/traces/one_op.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/rng.h"
#include "base/text.h"
#include "tests/random_graph.h"

static spa_graph g, h;

static void close_graphs(void)
{
    spa_graph_fini(&g);
    spa_graph_fini(&h);
}

TestSuite(graph_csv, .fini = close_graphs);

static spa_status parse(spa_graph *graph, const char *text, spa_error *err)
{
    return spa_graph_parse_csv(graph, "t.graph.csv", text, strlen(text), err);
}

#define HEAD     "name,kind,inputs,out,attrs\n"
#define GRAPH(n) HEAD "t,graph,,,batch=1 dtype=fp32 operators=" #n "\n@0,input,,1x8x6x6,\n"

#define expect_bad(text, message)                                                                  \
    do {                                                                                           \
        expect_error(parse(&g, text, err), SPA_E_PARSE, message);                                  \
        cr_assert(g.ops == NULL && g.arena.head == NULL);                                          \
    } while (0)

Test(graph_csv, a_graph_reads_as_it_was_written)
{
    spa_string text = {0};
    expect_ok(tiny_branch(&g, err));
    g.ops[1].flags = SPA_OP_PULLED;
    expect_ok(spa_graph_put_csv(&g, &text, err));
    cr_assert_str_eq(
        text.text,
        "name,kind,inputs,in,out,attrs,flags,macs,bytes_in,bytes_weight,bytes_out,sparsity,"
        "input_sparsity,weight_sparsity,rho_origin\n"
        "tiny_branch,graph,,,,batch=1 dtype=fp32 operators=4,,23040,,,,,,,\n"
        "@0,input,,,1x8x6x6,,,,,,,0,,,\n"
        "stem,relu,@0,1x8x6x6,1x8x6x6,,,0,1152,0,1152,0.5,0,0,assumed\n"
        "left,conv,stem,1x8x6x6,1x8x6x6,\"k=1x1 s=1x1 p=0,0,0,0 d=1x1 g=1\",pulled,2304,1152,256,"
        "1152,0,0.5,0,assumed\n"
        "right,conv,stem,1x8x6x6,1x8x6x6,\"k=3x3 s=1x1 p=1,1,1,1 d=1x1 g=1\",,20736,1152,2304,"
        "1152,0,0.5,0,assumed\n"
        "join,add,left right,1x8x6x6 1x8x6x6,1x8x6x6,,,0,2304,0,1152,0,0,0,assumed\n");
    expect_ok(parse(&h, text.text, err));
    cr_assert_eq(h.hash, g.hash);
    cr_assert_str_eq(h.name, "tiny_branch");
    cr_assert_eq(h.ops[1].flags, SPA_OP_PULLED);
    cr_assert_eq(h.ops[0].sparsity, 0.5);
    cr_assert_eq(h.ops[0].rho_origin, SPA_ORIGIN_ASSUMED);
    cr_assert_eq(h.first_consumer[1], 2);
    spa_string_fini(&text);
}

static void check_fixed_point(void)
{
    spa_string first = {0}, second = {0};
    expect_ok(spa_graph_put_csv(&g, &first, err));
    expect_ok(parse(&h, first.text, err));
    expect_ok(spa_graph_put_csv(&h, &second, err));
    cr_assert_str_eq(first.text, second.text);
    cr_assert_eq(g.hash, h.hash);
    spa_string_fini(&first);
    spa_string_fini(&second);
    spa_graph_fini(&h);
}

Test(graph_csv, every_zoo_model_writes_reads_and_writes_the_same_bytes)
{
    size_t n;
    const spa_model_info *models = spa_zoo_models(&n);
    for (size_t i = 0; i < n; i++) {
        expect_ok(spa_zoo_build(&g, models[i].name, 2, SPA_FP16, "relu50", err));
        check_fixed_point();
        spa_graph_fini(&g);
    }
}

Test(graph_csv, random_graphs_write_read_and_write_the_same_bytes)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        expect_ok(random_graph(&g, seed, 1 + seed % 40, err));
        check_fixed_point();
        spa_graph_fini(&g);
    }
}

/* Whatever is accepted after damage writes to a text that reads and writes to itself; whatever is
 * refused has a message that names the file. */
Test(graph_csv, damaged_files_are_refused_with_a_message_or_read_consistently)
{
    spa_rng rng;
    spa_string text = {0};
    size_t accepted = 0, refused = 0;
    spa_rng_init(&rng, 1, "damage");
    expect_ok(random_graph(&g, 3, 25, err));
    expect_ok(spa_graph_put_csv(&g, &text, err));
    spa_graph_fini(&g);
    for (int i = 0; i < 4000; i++) {
        spa_error e = {0};
        size_t at = spa_rng_below(&rng, (uint32_t)text.length), size = text.length;
        char *copy = NULL;
        expect_ok(spa_strdup(&copy, text.text, err));
        if (spa_rng_below(&rng, 10) == 0)
            size = at;
        else
            copy[at] = " ,=x0123456789@\"\nabcde-."[spa_rng_below(&rng, 24)];
        copy[size] = '\0';
        if (spa_graph_parse_csv(&g, "t.graph.csv", copy, size, &e) == SPA_OK) {
            check_fixed_point();
            accepted++;
        } else {
            cr_assert_eq(strncmp(e.message, "t.graph.csv", 11), 0, "%s", e.message);
            cr_assert_null(g.ops);
            refused++;
        }
        spa_graph_fini(&g);
        free(copy);
    }
    cr_assert(accepted > 50 && refused > 1000, "%zu accepted, %zu refused", accepted, refused);
    spa_string_fini(&text);
}

Test(graph_csv, derived_columns_may_be_missing)
{
    expect_ok(parse(&g, GRAPH(2) "a,relu,@0,1x8x6x6,\nb,add,a @0,1x8x6x6,\n", err));
    cr_assert_eq(g.n_ops, 2);
    cr_assert_eq(g.ops[1].bytes_in, 2 * 4 * 288);
    cr_assert(isnan(g.ops[0].sparsity) && isnan(g.ops[1].input_sparsity));
    cr_assert_eq(g.ops[0].rho_origin, SPA_ORIGIN_UNKNOWN);
}

Test(graph_csv, an_input_that_comes_later_is_refused)
{
    expect_bad(GRAPH(2) "a,relu,b,1x8x6x6,\nb,relu,@0,1x8x6x6,\n",
               "t.graph.csv:4: column 'inputs': input 'b' of 'a' comes later or is not there: "
               "operators must be in topological order");
    expect_bad(GRAPH(1) "a,relu,a,1x8x6x6,\n",
               "t.graph.csv:4: column 'inputs': input 'a' of 'a' comes later or is not there: "
               "operators must be in topological order");
    expect_bad(GRAPH(1) "a,relu,@1,1x8x6x6,\n",
               "t.graph.csv:4: column 'inputs': '@1' of 'a': the graph has 1 inputs, @0 first");
}

Test(graph_csv, an_unknown_kind_suggests_the_nearest)
{
    expect_bad(GRAPH(1) "a,rellu,@0,1x8x6x6,\n",
               "t.graph.csv:4: column 'kind': unknown operator kind 'rellu'; did you mean 'relu'?");
}

Test(graph_csv, a_repeated_name_is_refused)
{
    expect_bad(GRAPH(2) "a,relu,@0,1x8x6x6,\na,relu,@0,1x8x6x6,\n",
               "t.graph.csv:5: two operators are named 'a'; rename one");
}

Test(graph_csv, a_truncated_file_is_noticed)
{
    expect_bad(GRAPH(2) "a,relu,@0,1x8x6x6,\n",
               "t.graph.csv:2: column 'attrs': operators=2, but 1 follow; truncated?");
    expect_refusal(parse(&g, GRAPH(2) "a,relu,@0,1x8x6x6,\nb,relu,a,1x8", err), SPA_E_PARSE,
                   "truncated?");
}

Test(graph_csv, attributes_are_complete_known_and_not_repeated)
{
    expect_bad(GRAPH(1) "a,conv,@0,1x8x6x6,\"k=1x1 s=1x1 p=0,0,0,0 g=1\"\n",
               "t.graph.csv:4: column 'attrs': attribute 'd' is missing; kind conv needs it");
    expect_bad(GRAPH(1) "a,mean,@0,8x6x6,axs=0\n",
               "t.graph.csv:4: column 'attrs': unknown attribute of mean 'axs'; did you mean "
               "'axis'?");
    expect_bad(GRAPH(1) "a,relu,@0,1x8x6x6,bias\n",
               "t.graph.csv:4: column 'attrs': attribute 'bias': kind relu has none; remove it");
    expect_bad(GRAPH(1) "a,mean,@0,8x6x6,axis=0 axis=0\n",
               "t.graph.csv:4: column 'attrs': attribute 'axis' twice; remove one");
    expect_bad(GRAPH(1) "a,mean,@0,8x6x6,axis\n",
               "t.graph.csv:4: column 'attrs': attribute 'axis': write a value behind '='");
    expect_bad(GRAPH(1) "a,mean,@0,8x6x6,axis=1x2\n",
               "t.graph.csv:4: column 'attrs': '1x2': '1x2' is no whole number within +-2^24");
    expect_bad(GRAPH(1) "a,mul,@0,1x8x6x6,\n",
               "t.graph.csv:4: column 'attrs': attribute 'alpha' is missing; kind mul needs it");
}

Test(graph_csv, shapes_that_do_not_follow_are_refused)
{
    expect_bad(GRAPH(1) "a,relu,@0,1x8x6x7,\n",
               "t.graph.csv:4: operator 'a' (relu): its output is 1x8x6x6, not 1x8x6x7");
    expect_bad(GRAPH(1) "a,relu,@0,1xx6,\n",
               "t.graph.csv:4: column 'out': '1xx6' is no shape; write 1x3x224x224");
    expect_bad(GRAPH(1) "a,relu,@0,99999999999999999999,\n",
               "t.graph.csv:4: column 'out': '99999999999999999999': dimensions are 1 to 16777216");
    expect_bad(GRAPH(1) "a,reshape,@0,16777216x16777216,\n",
               "t.graph.csv:4: column 'out': '16777216x16777216' has more than 2^40 elements");
    expect_bad(GRAPH(1) "a,relu,@0,1x1x1x1x1x1x1,\n",
               "t.graph.csv:4: column 'out': '1x1x1x1x1x1x1' has more than 6 dimensions");
}

#define FULL                                                                                       \
    "name,kind,inputs,out,attrs,in,macs,bytes_in,bytes_weight,bytes_out,sparsity,input_sparsity,"  \
    "rho_origin\n"                                                                                 \
    "t,graph,,,batch=1 dtype=fp32 operators=1,,,,,,,,\n@0,input,,1x8x6x6,,,,,,,0.25,,\n"

Test(graph_csv, derived_cells_that_are_wrong_are_refused_with_the_right_value)
{
    expect_ok(parse(&g, FULL "a,relu,@0,1x8x6x6,,1x8x6x6,0,1152,0,1152,0.5,0.25,assumed\n", err));
    spa_graph_fini(&g);
    expect_bad(FULL "a,relu,@0,1x8x6x6,,1x8x6x6,1,1152,0,1152,0.5,0.25,assumed\n",
               "t.graph.csv:4: column 'macs': 1, but kind, shapes and attributes give 0; correct "
               "the row or leave this cell empty");
    expect_bad(FULL "a,relu,@0,1x8x6x6,,1x8x6x6,,,,9,0.5,0.25,assumed\n",
               "t.graph.csv:4: column 'bytes_out': 9, but kind, shapes and attributes give 1152; "
               "correct the row or leave this cell empty");
    expect_bad(FULL "a,relu,@0,1x8x6x6,,1x8x6,,,,,0.5,0.25,assumed\n",
               "t.graph.csv:4: column 'in': '1x8x6', but its inputs have 1x8x6x6; correct the row "
               "or leave this cell empty");
    expect_bad(FULL "a,relu,@0,1x8x6x6,,,,,,,0.5,0.75,assumed\n",
               "t.graph.csv:4: column 'input_sparsity': 0.75, but the sparsities of its inputs "
               "give 0.25; correct the row or leave this cell empty");
}

Test(graph_csv, a_sparsity_has_an_origin)
{
    expect_bad(FULL "a,relu,@0,1x8x6x6,,,,,,,0.5,,\n",
               "t.graph.csv:4: column 'rho_origin': a sparsity needs an origin: assumed, modelled, "
               "imported or measured");
    expect_bad(FULL "a,relu,@0,1x8x6x6,,,,,,,0.5,,asumed\n",
               "t.graph.csv:4: column 'rho_origin': unknown origin 'asumed'; did you mean "
               "'assumed'?");
    spa_string text = {0};
    expect_ok(tiny_chain(&g, err));
    g.ops[0].rho_origin = SPA_ORIGIN_UNKNOWN;
    expect_refusal(spa_graph_put_csv(&g, &text, err), SPA_E_INVALID, "without an origin");
    spa_string_fini(&text);
}

Test(graph_csv, the_graph_row_comes_first_and_says_what_is_needed)
{
    expect_bad(HEAD "a,relu,@0,1x8x6x6,\n",
               "t.graph.csv:2: column 'kind': the first row must have kind 'graph' and attributes "
               "batch=1 dtype=fp32 operators=N");
    expect_bad(HEAD "t,graph,,,batch=1 dtype=fp32\n",
               "t.graph.csv:2: column 'attrs': 'operators' is missing; write batch=1 dtype=fp32 "
               "operators=N");
    expect_bad(HEAD "t,graph,,,batch=1 dtype=fp31 operators=1\n",
               "t.graph.csv:2: column 'attrs': unknown dtype 'fp31'; did you mean 'fp32'?");
    expect_bad(HEAD "t,graph,a,,batch=1 dtype=fp32 operators=1\n",
               "t.graph.csv:2: column 'inputs': must be empty in a row of kind 'graph'");
    expect_refusal(parse(&g, HEAD "t,graph,,,batch=0 dtype=fp32 operators=1\n", err), SPA_E_PARSE,
                   "t.graph.csv:2: column 'attrs': ");
    expect_refusal(parse(&g, "name,kind,inputs,out,attr\n", err), SPA_E_NOT_FOUND,
                   "did you mean 'attrs'?");
}

Test(graph_csv, inputs_are_numbered_and_have_shapes)
{
    expect_bad(HEAD "t,graph,,,batch=1 dtype=fp32 operators=0\n@1,input,,4,\n",
               "t.graph.csv:3: column 'name': input 0 must be named '@0'");
    expect_bad(HEAD "t,graph,,,batch=1 dtype=fp32 operators=0\n@0,input,,,\n",
               "t.graph.csv:3: column 'out': an input needs a shape");
    char many[600] = HEAD "t,graph,,,batch=1 dtype=fp32 operators=0\n";
    for (int k = 0; k < 17; k++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "@%d,input,,4,\n", k);
    expect_bad(many, "t.graph.csv:19: column 'kind': more than 16 inputs"); /* 3 + 16 */
}

Test(graph_csv, a_file_fixes_batch_and_dtype)
{
    char folder[] = "/tmp/spa-graph-XXXXXX", path[64];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/tiny.graph.csv", folder);
    expect_ok(tiny_chain(&g, err));
    expect_ok(spa_graph_write_csv(&g, path, err));
    expect_ok(spa_model_load(&h, path, 1, SPA_FP32, err));
    cr_assert_eq(h.hash, g.hash);
    spa_graph_fini(&h);
    expect_refusal(spa_model_load(&h, path, 2, SPA_FP32, err), SPA_E_INVALID,
                   "this graph has batch 1 and dtype fp32, not 2 and fp32");
    cr_assert_null(h.ops);
    cr_assert(unlink(path) == 0 && rmdir(folder) == 0);
    expect_refusal(spa_model_load(&h, path, 1, SPA_FP32, err), SPA_E_IO, "cannot be opened");
}

Test(graph_csv, attributes_are_written_as_one_reads_them)
{
    static const char rows[] =
        GRAPH(4) "cut,slice,@0,1x8x3x6,\"step=1,1,2 begin=0,0,1,0\"\n"
                 "half,mul,cut,1x8x3x6,alpha=5e-1\n"
                 "pool,max_pool,half,1x8x2x3,\"k=2x2 s=2x2 p=0,0,0,0 ceil\"\n"
                 "scale,mul,pool,1x8x2x3,learned param=3\n";
    spa_string text = {0};
    expect_ok(parse(&g, rows, err));
    expect_ok(spa_graph_put_csv(&g, &text, err));
    /* Lists in full, in one order, numbers in their shortest form. */
    cr_assert_not_null(strstr(text.text, ",\"begin=0,0,1,0 step=1,1,2,1\","), "%s", text.text);
    cr_assert_not_null(strstr(text.text, ",alpha=0.5,"));
    cr_assert_not_null(strstr(text.text, ",\"k=2x2 s=2x2 p=0,0,0,0 ceil\","));
    cr_assert_not_null(strstr(text.text, ",param=3 learned,"));
    spa_string_fini(&text);
    check_fixed_point();
}
