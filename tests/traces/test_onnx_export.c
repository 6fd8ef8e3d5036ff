/* ONNX export: what is written reads back as the same graph, with the same parameters. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
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
