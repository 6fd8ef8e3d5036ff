/* Generic kinds in graphs: shapes, refusals, files. */
#include "base/text.h"
#include "tests/traces/one_op.h"

Test(traces_generic_kinds, functions_belong_to_their_kinds_and_have_names_of_their_own)
{
    for (int i = 1; i < SPA_FN_COUNT; i++) {
        spa_fn back = SPA_FN_NONE;
        int kinds = 0;
        cr_assert(spa_fn_from_name(spa_fn_name((spa_fn)i), &back));
        cr_assert_eq((int)back, i, "%s", spa_fn_name((spa_fn)i));
        for (int k = 0; k < SPA_OP_KIND_COUNT; k++) kinds += spa_fn_fits((spa_fn)i, (spa_op_kind)k);
        cr_assert_eq(kinds, 1, "%s", spa_fn_name((spa_fn)i));
    }
    cr_assert_not(spa_fn_from_name("", &(spa_fn){0}));
}

Test(traces_generic_kinds, wrong_uses_are_refused)
{
    spa_graph g;
    const spa_shape in[] = {{2, {2, 3}}, {1, {4}}};
    spa_op_attrs sub = {.fn = SPA_FN_SUB}, none = {0};
    expect_refusal(one_op(&g, SPA_OP_MATH, &sub, in, 1, NULL, err), SPA_E_INVALID,
                   "'sub' is no function of this kind");
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_BINARY, &none, in, 1, NULL, err), SPA_E_INVALID,
                   "is no function of this kind");
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_BINARY, &sub, in, 1, NULL, err), SPA_E_INVALID,
                   "give a second operand");
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_BINARY, &sub, in, 2, NULL, err), SPA_E_INVALID,
                   "do not broadcast");
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_RELU, &sub, in, 1, NULL, err), SPA_E_INVALID,
                   "kind relu has no attribute fn");
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_EMBED, NULL, in, 1, NULL, err), SPA_E_INVALID,
                   "it needs a parameter");
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_EXPAND, NULL, in, 1, &(spa_shape){2, {4, 3}}, err),
                   SPA_E_INVALID, "2x3 does not broadcast to 4x3");
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_REDUCE, &(spa_op_attrs){.fn = SPA_FN_SUM}, in, 1,
                          &(spa_shape){2, {2, 2}}, err),
                   SPA_E_INVALID, "dimension 1: 3 does not become 2");
    spa_graph_fini(&g);
}

static const char text[] = "name,kind,inputs,out,attrs\n"
                           "net,graph,,,batch=1 dtype=fp32 operators=8\n"
                           "@0,input,,1x4,\n"
                           "e,embed,@0,1x4x6,param=9x6 learned\n"
                           "m,math,e,1x4x6,fn=clip alpha=-1 beta=2.5\n"
                           "n,layer_norm,m,1x4x6,alpha=0.001\n"
                           "b,binary,n,1x4x6,param=6 learned fn=rsub\n"
                           "k,constant,,1x1x6,param=1x1x6\n"
                           "w,where,@0 b k,1x4x6,\n"
                           "x,expand,k,2x1x6,\n"
                           "r,reduce,b,1x1x6,fn=log_sum_exp\n";

Test(traces_generic_kinds, a_file_holds_everything_about_them)
{
    spa_graph g, again;
    spa_string first = {0}, second = {0};
    char good[sizeof text];
    expect_refusal(spa_graph_parse_csv(&g, "a.graph.csv", text, sizeof text - 1, err), SPA_E_PARSE,
                   "1x4 does not broadcast to 1x4x6");
    memcpy(good, text, sizeof text);
    strstr(good, "where,@0 b")[6] = 'e'; /* [1,4,6] does; a name may stand between blanks */
    strstr(good, "where,e0 b")[7] = ' ';
    expect_ok(spa_graph_parse_csv(&g, "a.graph.csv", good, sizeof good - 1, err));
    cr_assert(g.ops[1].attrs.fn == SPA_FN_CLIP && g.ops[1].attrs.beta == 2.5);
    cr_assert(g.ops[2].attrs.alpha == 0.001);
    cr_assert_eq(g.ops[7].flops, 24); /* one per input */
    expect_ok(spa_graph_put_csv(&g, &first, err));
    expect_ok(spa_graph_parse_csv(&again, "b.graph.csv", first.text, first.length, err));
    cr_assert_eq(again.hash, g.hash);
    expect_ok(spa_graph_put_csv(&again, &second, err));
    cr_assert_str_eq(first.text, second.text);
    /* The function and beta are content. */
    uint64_t hash = g.hash;
    spa_graph_fini(&again);
    memcpy(strstr(good, "beta=2.5"), "beta=2.6", 8);
    expect_ok(spa_graph_parse_csv(&again, "c.graph.csv", good, sizeof good - 1, err));
    cr_assert_neq(again.hash, hash);
    spa_graph_fini(&again);
    memcpy(strstr(good, "fn=clip"), "fn=clap", 7);
    expect_refusal(spa_graph_parse_csv(&again, "d.graph.csv", good, sizeof good - 1, err),
                   SPA_E_PARSE, "unknown function 'clap'; did you mean 'clip'?");
    spa_string_fini(&first);
    spa_string_fini(&second);
    spa_graph_fini(&g);
}
