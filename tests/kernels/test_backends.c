/* Every backend against the reference, operator by operator. */
#include <criterion/criterion.h>
#include <string.h>

#include "kernels/backend.h"
#include "kernels/ref.h"
#include "tests/kernels/agree.h"
#include "tests/random_graph.h"
#include "tests/traces/one_op.h"

/* One operator on inputs of the given shapes agrees. */
static void agree(spa_op_kind kind, spa_op_attrs attrs, const spa_shape *in, size_t n_in,
                  const spa_shape *out)
{
    spa_graph graph;
    spa_error err = {0};
    cr_assert_eq(one_op(&graph, kind, &attrs, in, n_in, out, &err), SPA_OK, "%s", err.message);
    expect_agreement(&graph);
    spa_graph_fini(&graph);
}

static void agree_unary(spa_op_kind kind, spa_op_attrs attrs)
{
    const spa_shape shapes[] = {{1, {1}}, {2, {3, 7}}, {3, {2, 5, 33}}, {4, {1, 3, 16, 8}}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        agree(kind, attrs, &shapes[i], 1, NULL);
}

typedef struct conv_case {
    int32_t n, c, h, w, m;
    spa_op_attrs attrs;
} conv_case;

#define ATTRS(kh, kw, sh, sw, dh, dw, top, left, bottom, right, g, bias)                           \
    {                                                                                              \
        .kernel_h = kh, .kernel_w = kw, .stride_h = sh, .stride_w = sw, .dilation_h = dh,          \
        .dilation_w = dw, .pad_top = top, .pad_left = left, .pad_bottom = bottom,                  \
        .pad_right = right, .groups = g, .has_bias = bias                                          \
    }

static const conv_case conv_cases[] = {
    {1, 8, 6, 6, 16, ATTRS(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, false)},
    {2, 13, 9, 11, 67, ATTRS(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, true)},
    {1, 19, 1, 1, 5, ATTRS(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, true)},
    {1, 130, 7, 5, 130, ATTRS(1, 1, 2, 2, 1, 1, 0, 0, 0, 0, 1, false)},
    {1, 3, 15, 17, 9, ATTRS(3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, true)},
    {2, 40, 8, 8, 72, ATTRS(3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, false)},
    {1, 5, 23, 19, 12, ATTRS(7, 7, 2, 2, 1, 1, 3, 3, 3, 3, 1, false)},
    {1, 6, 12, 10, 7, ATTRS(3, 5, 2, 3, 1, 1, 0, 2, 1, 1, 1, true)},
    {1, 6, 14, 13, 7, ATTRS(3, 3, 1, 2, 2, 3, 2, 0, 3, 4, 1, true)},
    {1, 3, 16, 16, 20, ATTRS(4, 4, 4, 4, 1, 1, 0, 0, 0, 0, 1, true)},
    {1, 12, 7, 9, 18, ATTRS(3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 3, true)},
    {2, 8, 6, 5, 12, ATTRS(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 4, false)},
    {1, 9, 18, 17, 9, ATTRS(3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 9, false)},
    {2, 5, 19, 30, 5, ATTRS(5, 5, 2, 2, 1, 1, 2, 2, 2, 2, 5, true)},
    {1, 4, 13, 12, 8, ATTRS(3, 3, 2, 3, 2, 1, 1, 2, 0, 1, 4, true)},
    {1, 4, 11, 25, 4, ATTRS(3, 3, 1, 1, 2, 2, 2, 2, 2, 2, 4, false)},
};

Test(kernels_backends, convolutions_agree_with_the_reference)
{
    for (size_t i = 0; i < sizeof conv_cases / sizeof conv_cases[0]; i++) {
        const conv_case *c = &conv_cases[i];
        spa_shape in = {4, {c->n, c->c, c->h, c->w}}, out = {4, {c->n, c->m, 0, 0}};
        agree(SPA_OP_CONV, c->attrs, &in, 1, &out);
    }
}

Test(kernels_backends, linear_layers_agree_with_the_reference)
{
    static const int32_t sizes[][3] = {{1, 1, 1},    {1, 300, 77},   {7, 129, 64},
                                       {33, 20, 65}, {70, 200, 130}, {3, 8, 8}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        spa_shape in = {3, {1, sizes[i][0], sizes[i][1]}}, out = {3, {1, sizes[i][0], sizes[i][2]}};
        agree(SPA_OP_LINEAR, (spa_op_attrs){.has_bias = i % 2 == 1}, &in, 1, &out);
    }
}

Test(kernels_backends, matrix_products_agree_with_the_reference)
{
    spa_shape plain[] = {{4, {2, 3, 17, 9}}, {4, {2, 3, 9, 21}}};
    spa_shape turned[] = {{4, {1, 3, 17, 9}}, {4, {1, 3, 21, 9}}};
    spa_shape flat[] = {{2, {5, 70}}, {2, {70, 66}}};
    agree(SPA_OP_MATMUL, (spa_op_attrs){0}, plain, 2, NULL);
    agree(SPA_OP_MATMUL, (spa_op_attrs){.transpose_b = true}, turned, 2, NULL);
    agree(SPA_OP_MATMUL, (spa_op_attrs){0}, flat, 2, NULL);
}

Test(kernels_backends, elementwise_kinds_agree_with_the_reference)
{
    agree_unary(SPA_OP_RELU, (spa_op_attrs){0});
    agree_unary(SPA_OP_RELU6, (spa_op_attrs){0});
    agree_unary(SPA_OP_LEAKY_RELU, (spa_op_attrs){.alpha = 0.1});
    agree_unary(SPA_OP_HARD_SWISH, (spa_op_attrs){0});
    agree_unary(SPA_OP_HARD_SIGMOID, (spa_op_attrs){0});
    agree_unary(SPA_OP_SIGMOID, (spa_op_attrs){0});
    agree_unary(SPA_OP_GELU, (spa_op_attrs){0});
}

Test(kernels_backends, normalisations_agree_with_the_reference)
{
    spa_shape image = {4, {2, 7, 5, 9}}, row = {2, {3, 17}}, tokens = {3, {2, 5, 100}};
    agree(SPA_OP_BATCH_NORM, (spa_op_attrs){0}, &image, 1, NULL);
    agree(SPA_OP_BATCH_NORM, (spa_op_attrs){0}, &row, 1, NULL);
    agree(SPA_OP_LAYER_NORM, (spa_op_attrs){0}, &tokens, 1, NULL);
    agree(SPA_OP_LAYER_NORM, (spa_op_attrs){0}, &row, 1, NULL);
    agree(SPA_OP_SOFTMAX, (spa_op_attrs){0}, &tokens, 1, NULL);
    agree(SPA_OP_SOFTMAX, (spa_op_attrs){0}, &row, 1, NULL);
}

Test(kernels_backends, pools_agree_with_the_reference)
{
    static const conv_case pools[] = {
        {1, 3, 15, 17, 0, ATTRS(3, 3, 2, 2, 0, 0, 1, 1, 1, 1, 0, false)},
        {2, 3, 8, 8, 0, ATTRS(2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, false)},
        {1, 2, 20, 40, 0, ATTRS(3, 2, 1, 3, 0, 0, 2, 1, 0, 0, 0, false)},
    };
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        spa_shape in = {4, {pools[i].n, pools[i].c, pools[i].h, pools[i].w}};
        spa_op_attrs attrs = pools[i].attrs;
        agree(SPA_OP_MAX_POOL, attrs, &in, 1, NULL);
        agree(SPA_OP_AVG_POOL, attrs, &in, 1, NULL);
        attrs.ceil_mode = true;
        agree(SPA_OP_MAX_POOL, attrs, &in, 1, NULL);
        agree(SPA_OP_AVG_POOL, attrs, &in, 1, NULL);
    }
    spa_shape in = {4, {2, 5, 7, 9}};
    agree(SPA_OP_GLOBAL_AVG_POOL, (spa_op_attrs){0}, &in, 1, NULL);
}

Test(kernels_backends, means_agree_with_the_reference)
{
    spa_shape in = {3, {3, 5, 19}};
    for (int32_t axis = 0; axis < 3; axis++)
        agree(SPA_OP_MEAN, (spa_op_attrs){.axis = axis}, &in, 1, NULL);
}

Test(kernels_backends, broadcast_operands_agree_with_the_reference)
{
    static const spa_shape pairs[][2] = {
        {{4, {2, 3, 5, 7}}, {4, {2, 3, 5, 7}}}, {{4, {2, 3, 5, 7}}, {4, {2, 3, 1, 1}}},
        {{4, {2, 3, 5, 7}}, {1, {7}}},          {{3, {4, 1, 9}}, {3, {4, 6, 1}}},
        {{4, {2, 1, 5, 1}}, {4, {1, 3, 1, 7}}}, {{1, {1}}, {2, {3, 8}}},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        agree(SPA_OP_ADD, (spa_op_attrs){0}, pairs[i], 2, NULL);
        agree(SPA_OP_MUL, (spa_op_attrs){0}, pairs[i], 2, NULL);
        spa_op_attrs constant = {.param_shape = pairs[i][1], .param_learned = true};
        agree(SPA_OP_ADD, constant, pairs[i], 1, NULL);
        agree(SPA_OP_MUL, constant, pairs[i], 1, NULL);
    }
    agree(SPA_OP_MUL, (spa_op_attrs){.alpha = 0.125}, &pairs[0][0], 1, NULL);
}

Test(kernels_backends, concatenations_agree_with_the_reference)
{
    spa_shape in[] = {{3, {2, 5, 6}}, {3, {2, 5, 6}}, {3, {2, 5, 6}}};
    for (int32_t axis = 0; axis < 3; axis++) {
        in[1].dim[axis] = 3;
        agree(SPA_OP_CONCAT, (spa_op_attrs){.axis = axis}, in, 3, NULL);
        in[1].dim[axis] = in[0].dim[axis];
    }
    spa_op_attrs token = {.axis = 1, .param_shape = {3, {1, 1, 6}}, .param_learned = true};
    agree(SPA_OP_CONCAT, token, in, 1, NULL);
}

Test(kernels_backends, data_movement_agrees_with_the_reference)
{
    spa_shape in = {4, {2, 6, 9, 5}};
    agree(SPA_OP_SLICE, (spa_op_attrs){.begin = {0, 1, 2, 0}, .step = {1, 2, 3, 1}}, &in, 1,
          &(spa_shape){4, {2, 2, 3, 5}});
    agree(SPA_OP_SLICE, (spa_op_attrs){.begin = {1, 0, 0, 1}, .step = {1, 1, 1, 2}}, &in, 1,
          &(spa_shape){4, {1, 6, 9, 2}});
    agree(SPA_OP_PAD, (spa_op_attrs){.begin = {0, 1, 2, 0}}, &in, 1,
          &(spa_shape){4, {2, 7, 13, 8}});
    agree(SPA_OP_ROLL, (spa_op_attrs){.begin = {0, -3, 4, 1}}, &in, 1, NULL);
    agree(SPA_OP_ROLL, (spa_op_attrs){.begin = {1, 0, 0, -4}}, &in, 1, NULL);
    agree(SPA_OP_RESHAPE, (spa_op_attrs){0}, &in, 1, &(spa_shape){2, {12, 45}});
    agree(SPA_OP_UPSAMPLE, (spa_op_attrs){.stride_h = 2, .stride_w = 3}, &in, 1, NULL);
    static const int32_t perms[][4] = {{0, 1, 2, 3}, {0, 2, 3, 1}, {0, 3, 1, 2},
                                       {3, 2, 1, 0}, {0, 2, 1, 3}, {1, 3, 0, 2}};
    for (size_t i = 0; i < sizeof perms / sizeof perms[0]; i++) {
        spa_op_attrs attrs = {0};
        memcpy(attrs.perm, perms[i], sizeof perms[i]);
        agree(SPA_OP_TRANSPOSE, attrs, &in, 1, NULL);
    }
    spa_shape windows = {6, {1, 4, 3, 4, 3, 10}};
    agree(SPA_OP_TRANSPOSE, (spa_op_attrs){.perm = {0, 1, 3, 2, 4, 5}}, &windows, 1, NULL);
}

Test(kernels_backends, relative_position_tables_agree_with_the_reference)
{
    for (int32_t w = 1; w <= 4; w++) {
        spa_op_attrs attrs = {.param_shape = {2, {(2 * w - 1) * (2 * w - 1), 3}},
                              .param_learned = true};
        agree(SPA_OP_GATHER, attrs, NULL, 0, NULL);
    }
}

Test(kernels_backends, relative_positions_are_numbered_as_in_torchvision)
{
    /* A 2x2 window: (yi - yj + 1) * 3 + (xi - xj + 1). */
    cr_assert_eq(spa_relative_position(2, 0, 0), 4);
    cr_assert_eq(spa_relative_position(2, 0, 3), 0); /* (0-1+1)*3 + (0-1+1) */
    cr_assert_eq(spa_relative_position(2, 3, 0), 8);
    cr_assert_eq(spa_relative_position(2, 1, 2), 2); /* (0-1+1)*3 + (1-0+1) */
}

Test(kernels_backends, random_graphs_agree_operator_by_operator)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        spa_graph graph;
        spa_error err = {0};
        cr_assert_eq(random_graph(&graph, seed, 25, &err), SPA_OK, "%s", err.message);
        expect_agreement(&graph);
        spa_graph_fini(&graph);
    }
}

Test(kernels_backends, a_convolution_is_what_was_computed_by_hand)
{
    /* 2x2 input 1 2 / 3 4, 3x3 kernel of ones 1..9, padding 1: the output at (0,0) sees
     * 5*1 + 6*2 + 8*3 + 9*4 = 77, at (1,1) 1*1 + 2*2 + 4*3 + 5*4 = 37. */
    spa_graph graph;
    spa_shape in = {4, {1, 1, 2, 2}}, out = {4, {1, 1, 0, 0}};
    spa_op_attrs attrs = ATTRS(3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, false);
    cr_assert_eq(one_op(&graph, SPA_OP_CONV, &attrs, &in, 1, &out, NULL), SPA_OK);
    const float x[4] = {1, 2, 3, 4}, weight[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const float *inputs[1] = {x}, *params[2] = {weight, NULL};
    float y[4];
    spa_kernel_args args = {
        .graph = &graph, .op = &graph.ops[0], .inputs = inputs, .params = params, .output = y};
    cr_assert_eq(spa_backend_ref.run(&args, NULL), SPA_OK);
    cr_assert_float_eq(y[0], 77, 0);
    cr_assert_float_eq(y[3], 37, 0);
    spa_graph_fini(&graph);
}

Test(kernels_backends, an_unknown_backend_suggests_the_nearest)
{
    const spa_backend *backend;
    spa_error err = {0};
    cr_assert_eq(spa_backend_find("blass", &backend, &err), SPA_E_NOT_FOUND);
    cr_assert_not_null(strstr(err.message, "'blas'"), "%s", err.message);
    cr_assert_null(backend);
}

Test(kernels_backends, operators_without_kernels_are_all_listed)
{
    spa_graph graph;
    spa_error err = {0};
    spa_shape shape = {2, {1, 4}};
    spa_op_attrs attrs = {0};
    int32_t input = SPA_GRAPH_INPUT(0), first;
    spa_graph_init(&graph, "opaque", 1, SPA_FP32);
    graph.n_graph_inputs = 1;
    graph.graph_inputs[0] = shape;
    cr_assert_eq(
        spa_graph_add(&graph, "decode", SPA_OP_HOST, &attrs, &input, 1, &shape, &first, &err),
        SPA_OK, "%s", err.message);
    cr_assert_eq(spa_graph_add(&graph, "nms", SPA_OP_OTHER, &attrs, &first, 1, &shape, NULL, &err),
                 SPA_OK, "%s", err.message);
    cr_assert_eq(spa_graph_finish(&graph, &err), SPA_OK);
    size_t n;
    const spa_backend *const *backends = spa_backends(&n);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(spa_backend_check(backends[i], &graph, &err), SPA_E_UNSUPPORTED);
        cr_assert_not_null(strstr(err.message, "'decode' (host)"), "%s", err.message);
        cr_assert_not_null(strstr(err.message, "'nms' (other)"), "%s", err.message);
    }
    spa_graph_fini(&graph);
}
