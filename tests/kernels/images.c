#include "tests/kernels/images.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "kernels/onednn.h"

void need_onednn(void)
{
    spa_error err = {0};
    if (spa_backend_onednn.probe(&err) != SPA_OK) cr_skip_test("%s", err.message);
}

void images_start(spa_graph *g, int32_t n, int32_t c, int32_t h, int32_t w)
{
    spa_graph_init(g, "chain", n, SPA_FP32);
    g->n_graph_inputs = 1;
    g->graph_inputs[0] = (spa_shape){4, {n, c, h, w}};
    g->graph_input_sparsity = 0;
}

int32_t images_add(spa_graph *g, spa_op_kind kind, spa_op_attrs attrs, const int32_t *inputs,
                   size_t n, const spa_shape *out)
{
    char name[32];
    int32_t index = 0;
    spa_error err = {0};
    snprintf(name, sizeof name, "op%zu", g->n_ops);
    cr_assert_eq(spa_graph_add(g, name, kind, &attrs, inputs, n, out, &index, &err), SPA_OK, "%s",
                 err.message);
    return index;
}

int32_t images_add_one(spa_graph *g, spa_op_kind kind, spa_op_attrs attrs, int32_t input)
{
    return images_add(g, kind, attrs, &input, 1, NULL);
}

int32_t images_add_conv(spa_graph *g, spa_op_attrs attrs, int32_t input, int32_t channels)
{
    const spa_shape *in = input < 0 ? &g->graph_inputs[~input] : &g->ops[input].out;
    spa_shape out = {4, {in->dim[0], channels, 0, 0}};
    return images_add(g, SPA_OP_CONV, attrs, &input, 1, &out);
}

void images_finish(spa_graph *g)
{
    spa_error err = {0};
    cr_assert_eq(spa_graph_finish(g, &err), SPA_OK, "%s", err.message);
}

bool images_are_blocked(const spa_graph *g, int32_t op)
{
    return spa_onednn_layout(g, (size_t)op) == SPA_LAYOUT_BLOCKED;
}

void images_small_net(spa_graph *g)
{
    images_start(g, 1, 3, 8, 8);
    int32_t x = images_add_conv(g, CONV(3, 1, 1, 1, true), SPA_GRAPH_INPUT(0), 16);
    x = images_add_one(g, SPA_OP_RELU, (spa_op_attrs){0}, x);
    images_add_conv(g, CONV(3, 1, 1, 1, true), x, 16);
    images_finish(g);
}
