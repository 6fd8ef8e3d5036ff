/* ONNX export: what is written reads back as the same graph, with the same parameters. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tests/oom.h"
#include "tests/random_graph.h"
#include "tests/traces/one_op.h"
#include "traces/onnx.h"
#include "traces/onnx_export.h"

#define LARGEST (4096 * 4096)
static float *ramp;

/* Element i of parameter p of operator o is i + 1000 p + o, modulo 2^20: floats hold it. */
static spa_status values(void *context, size_t op, size_t param, const float **out, spa_error *err)
{
    *out = ramp + (op + 1000 * param) % 5000;
    return SPA_OK;
}

static void expect_same_params(const spa_graph *g, const spa_graph *back)
{
    spa_op_param params[SPA_MAX_PARAMS];
    float *got = malloc(LARGEST * sizeof *got);
    for (size_t i = 0; i < g->n_ops; i++) {
        size_t n = spa_op_params(g, &g->ops[i], params);
        for (size_t p = 0; p < n; p++) {
            size_t count = (size_t)spa_shape_elements(&params[p].shape);
            const float *want;
            expect_ok(values(NULL, i, p, &want, err));
            expect_ok(back->source->fill(back->source, i, p, got, count, err));
            cr_assert_arr_eq(got, want, count * sizeof *got, "parameter %zu of %s", p,
                             g->ops[i].name);
        }
    }
    free(got);
}

static void expect_round_trip(const spa_graph *g)
{
    static const char path[] = "/tmp/sparoa-round-trip.onnx";
    const spa_onnx_params params = {NULL, values};
    spa_graph back;
    char own[64];
    snprintf(own, sizeof own, "%s.%ld.onnx", path, (long)getpid());
    ramp = malloc((LARGEST + 5000) * sizeof *ramp);
    for (size_t i = 0; i < LARGEST + 5000; i++) ramp[i] = (float)(i & 0xfffff);
    expect_ok(spa_onnx_write(g, &params, own, err));
    expect_ok(spa_onnx_read(&back, own, NULL, NULL, err));
    cr_assert_eq(back.n_ops, g->n_ops);
    for (size_t i = 0; i < g->n_ops; i++) cr_assert_str_eq(back.ops[i].name, g->ops[i].name);
    cr_assert_eq(back.hash, g->hash, "%s", g->name);
    expect_same_params(g, &back);
    spa_graph_fini(&back);
    free(ramp);
    unlink(own);
}

static void zoo_round_trip(const char *name, int32_t batch)
{
    spa_graph g;
    expect_ok(spa_zoo_build(&g, name, batch, SPA_FP32, "none", err));
    expect_round_trip(&g);
    spa_graph_fini(&g);
}

Test(traces_onnx_export, convolutional_models_read_back_as_the_same_graph)
{
    zoo_round_trip("resnet18", 1);
    zoo_round_trip("mobilenet_v2", 3);
    zoo_round_trip("mobilenet_v3_small", 1);
}

Test(traces_onnx_export, transformers_read_back_as_the_same_graph)
{
    zoo_round_trip("vit_b_16", 2);
    zoo_round_trip("swin_t", 1);
}

static const char all_kinds[] = "name,kind,inputs,out,attrs\n"
                                "mix,graph,,,batch=2 dtype=fp32 operators=24\n"
                                "@0,input,,2x4x8x8,\n"
                                "@1,input,,2x4x8x8,\n"
                                "c,conv,@0,2x4x8x8,\"k=3x3 s=1x1 p=1,1,1,1 d=1x1 g=2\"\n"
                                "b,batch_norm,c,2x4x8x8,\n"
                                "hs,hard_swish,b,2x4x8x8,\n"
                                "hg,hard_sigmoid,hs,2x4x8x8,\n"
                                "si,sigmoid,hg,2x4x8x8,\n"
                                "le,leaky_relu,si,2x4x8x8,alpha=0.25\n"
                                "r6,relu6,le,2x4x8x8,\n"
                                "ad,add,r6 @1,2x4x8x8,\n"
                                "ro,roll,ad,2x4x8x8,\"begin=0,1,-3,2\"\n"
                                "up,upsample,ro,2x4x16x24,s=2x3\n"
                                "mp,max_pool,up,2x4x9x13,\"k=3x3 s=2x2 p=1,1,1,1 ceil\"\n"
                                "ap,avg_pool,mp,2x4x9x13,\"k=3x3 s=1x1 p=1,1,1,1\"\n"
                                "sl,slice,ap,2x4x4x4,\"begin=0,0,1,2 step=1,1,2,3\"\n"
                                "pd,pad,sl,2x4x5x6,\"begin=0,0,1,0\"\n"
                                "me,mean,pd,2x4x6,axis=2\n"
                                "cc,concat,me,2x5x6,axis=1 param=1x1x6 learned\n"
                                "t,transpose,cc,2x6x5,\"perm=0,2,1\"\n"
                                "li,linear,t,2x6x3,bias\n"
                                "ln,layer_norm,li,2x6x3,alpha=0.001953125\n"
                                "ge,gelu,ln,2x6x3,\n"
                                "mm,matmul,ge ln,2x6x6,transpose_b\n"
                                "mu,mul,mm,2x6x6,alpha=0.1\n"
                                "bu,add,mu,2x6x6,param=6x6\n"
                                "sm,softmax,bu,2x6x6,\n";

Test(traces_onnx_export, operators_of_every_kind_read_back_with_the_same_attributes)
{
    spa_graph g;
    expect_ok(spa_graph_parse_csv(&g, "mix.graph.csv", all_kinds, sizeof all_kinds - 1, err));
    expect_round_trip(&g);
    spa_graph_fini(&g);
}

Test(traces_onnx_export, a_failed_allocation_leaves_no_file)
{
    static const char path[] = "/tmp/sparoa-oom.onnx";
    const spa_onnx_params params = {NULL, values};
    spa_graph g;
    long n = 0;
    ramp = calloc(LARGEST + 5000, sizeof *ramp);
    expect_ok(spa_graph_parse_csv(&g, "mix.graph.csv", all_kinds, sizeof all_kinds - 1, err));
    for (;; n++) {
        spa_error e = {0};
        unlink(path);
        oom_fail_from(n);
        spa_status status = spa_onnx_write(&g, &params, path, &e);
        bool failed = oom_failed();
        oom_off();
        if (!failed) break;
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld: %s", n, e.message);
        cr_assert_neq(access(path, F_OK), 0);
    }
    cr_assert_eq(access(path, F_OK), 0);
    cr_assert_gt(n, 5);
    unlink(path);
    free(ramp);
    spa_graph_fini(&g);
}

Test(traces_onnx_export, what_has_no_onnx_form_is_refused)
{
    const spa_onnx_params params = {NULL, values};
    spa_graph g;
    spa_shape x = {2, {1, 4}};
    expect_ok(one_op(&g, SPA_OP_HOST, NULL, &x, 1, &x, err));
    expect_refusal(spa_onnx_write(&g, &params, "/tmp/never.onnx", err), SPA_E_UNSUPPORTED,
                   "operator 'x' (host): this kind is not exported");
    cr_assert_neq(access("/tmp/never.onnx", F_OK), 0);
    spa_graph_fini(&g);
}
