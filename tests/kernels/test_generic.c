/* The generic kinds of imported models: each function by hand, on every backend. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/model.h"
#include "kernels/ref.h"
#include "tests/base/check.h"
#include "tests/kernels/agree.h"
#include "tests/traces/one_op.h"

/* Runs the one operator of `g` on every backend and compares each element. */
static void expect_values(spa_graph *g, const float *const *inputs, const float *param,
                          const float *want, size_t count)
{
    const spa_backend *backends[SPA_MODEL_BACKENDS];
    const float *params[SPA_MAX_PARAMS] = {param};
    size_t n = runnable_backends(backends);
    cr_assert_eq(count, (size_t)spa_shape_elements(&g->ops[0].out));
    for (size_t b = 0; b < n; b++) {
        float *got;
        void *state;
        expect_ok(spa_alloc_aligned(&got, count * sizeof *got, err));
        memset(got, 0xff, count * sizeof *got);
        cr_assert(backends[b]->supports(g, &g->ops[0]));
        expect_ok(backends[b]->prepare(g, &g->ops[0], params, &state, err));
        spa_kernel_args args = {.graph = g,
                                .op = &g->ops[0],
                                .inputs = inputs,
                                .params = params,
                                .state = state,
                                .output = got};
        expect_ok(backends[b]->run(&args, err));
        for (size_t i = 0; i < count; i++)
            cr_assert(fabsf(got[i] - want[i]) <= 1e-6f * fmaxf(1, fabsf(want[i])),
                      "%s (%s), element %zu: %g instead of %g", backends[b]->name,
                      spa_fn_name(g->ops[0].attrs.fn), i, (double)got[i], (double)want[i]);
        backends[b]->release(state);
        free(got);
    }
    spa_graph_fini(g);
}

static void expect_math(spa_fn fn, double a, double b, const float x[4], const float want[4])
{
    spa_graph g;
    spa_shape in = {1, {4}};
    spa_op_attrs attrs = {.fn = fn, .alpha = a, .beta = b};
    expect_ok(one_op(&g, SPA_OP_MATH, &attrs, &in, 1, NULL, err));
    expect_values(&g, &x, NULL, want, 4);
}

Test(kernels_generic, elementwise_functions_are_what_was_computed_by_hand)
{
    const float x[] = {-2.5f, -0.5f, 0, 2.5f};
    expect_math(SPA_FN_ABS, 0, 0, x, (const float[]){2.5f, 0.5f, 0, 2.5f});
    expect_math(SPA_FN_NEG, 0, 0, x, (const float[]){2.5f, 0.5f, 0, -2.5f});
    expect_math(SPA_FN_SIGN, 0, 0, x, (const float[]){-1, -1, 0, 1});
    expect_math(SPA_FN_ROUND, 0, 0, x, (const float[]){-2, 0, 0, 2}); /* halves to even */
    expect_math(SPA_FN_FLOOR, 0, 0, x, (const float[]){-3, -1, 0, 2});
    expect_math(SPA_FN_CEIL, 0, 0, x, (const float[]){-2, 0, 0, 3});
    expect_math(SPA_FN_TRUNC, 0, 0, x, (const float[]){-2, 0, 0, 2});
    expect_math(SPA_FN_NOT, 0, 0, x, (const float[]){0, 0, 1, 0});
    expect_math(SPA_FN_NON_ZERO, 0, 0, x, (const float[]){1, 1, 0, 1});
    expect_math(SPA_FN_CLIP, -1, 2, x, (const float[]){-1, -0.5f, 0, 2});
    expect_math(SPA_FN_THRESHOLDED_RELU, 1, 0, x, (const float[]){0, 0, 0, 2.5f});
    expect_math(SPA_FN_SHRINK, 0.25, 1, x, (const float[]){-2.25f, 0, 0, 2.25f});
    expect_math(SPA_FN_HARD_SIGMOID_AB, 0.5, 0.5, x, (const float[]){0, 0.25f, 0.5f, 1});
    /* x / (1 + |x|): 2.5 / 3.5 = 5/7, 0.5 / 1.5 = 1/3 */
    expect_math(SPA_FN_SOFTSIGN, 0, 0, x, (const float[]){-5.0f / 7, -1.0f / 3, 0, 5.0f / 7});
    /* e^-2.5 - 1 = -0.917915, e^-0.5 - 1 = -0.39346934 */
    expect_math(SPA_FN_ELU, 2, 0, x, (const float[]){-1.83583f, -0.7869387f, 0, 2.5f});
    /* ln(1 + e^x): ln 1.082085 = 0.0788897, ln 1.6065307 = 0.4740770, ln 2, 2.5788897 */
    expect_math(SPA_FN_SOFTPLUS, 0, 0, x,
                (const float[]){0.0788897f, 0.4740770f, 0.6931472f, 2.5788897f});
}

static void expect_binary(spa_fn fn, const float want[4])
{
    /* x [2,2] = 5 -7 / 2 0, y [2] = 2 -4 */
    const float x[] = {5, -7, 2, 0}, y[] = {2, -4};
    const float *inputs[] = {x, y};
    spa_graph g;
    const spa_shape shapes[] = {{2, {2, 2}}, {1, {2}}};
    spa_op_attrs attrs = {.fn = fn};
    expect_ok(one_op(&g, SPA_OP_BINARY, &attrs, shapes, 2, NULL, err));
    expect_values(&g, inputs, NULL, want, 4);
    attrs.param_shape = shapes[1];
    expect_ok(one_op(&g, SPA_OP_BINARY, &attrs, shapes, 1, NULL, err));
    expect_values(&g, inputs, y, want, 4);
}

Test(kernels_generic, functions_of_two_broadcast_and_take_a_parameter)
{
    expect_binary(SPA_FN_SUB, (const float[]){3, -3, 0, 4});
    expect_binary(SPA_FN_RSUB, (const float[]){-3, 3, 0, -4});
    expect_binary(SPA_FN_DIV, (const float[]){2.5f, 1.75f, 1, 0});
    expect_binary(SPA_FN_INT_DIV, (const float[]){2, 1, 1, 0});
    expect_binary(SPA_FN_MOD, (const float[]){1, -3, 0, 0}); /* sign of the divisor */
    expect_binary(SPA_FN_FMOD, (const float[]){1, -3, 0, 0});
    expect_binary(SPA_FN_MIN, (const float[]){2, -7, 2, -4});
    expect_binary(SPA_FN_MAX, (const float[]){5, -4, 2, 0});
    expect_binary(SPA_FN_GREATER, (const float[]){1, 0, 0, 1});
    expect_binary(SPA_FN_LESS_EQUAL, (const float[]){0, 1, 1, 0});
    expect_binary(SPA_FN_EQUAL, (const float[]){0, 0, 1, 0});
    expect_binary(SPA_FN_AND, (const float[]){1, 1, 1, 0});
    expect_binary(SPA_FN_XOR, (const float[]){0, 0, 0, 1});
    expect_binary(SPA_FN_PRELU, (const float[]){5, 28, 2, 0});
}

static void expect_reduce(spa_fn fn, const spa_shape *out, const float *want)
{
    /* [2,3] = 1 -2 3 / 4 4 0 */
    const float x[] = {1, -2, 3, 4, 4, 0};
    const float *inputs[] = {x};
    spa_graph g;
    spa_shape in = {2, {2, 3}};
    spa_op_attrs attrs = {.fn = fn};
    expect_ok(one_op(&g, SPA_OP_REDUCE, &attrs, &in, 1, out, err));
    expect_values(&g, inputs, NULL, want, (size_t)spa_shape_elements(out));
}

Test(kernels_generic, reductions_go_over_the_dimensions_that_become_one)
{
    const spa_shape rows = {2, {2, 1}}, columns = {2, {1, 3}}, all = {2, {1, 1}};
    expect_reduce(SPA_FN_SUM, &rows, (const float[]){2, 8});
    expect_reduce(SPA_FN_SUM, &columns, (const float[]){5, 2, 3});
    expect_reduce(SPA_FN_AVERAGE, &all, (const float[]){10.0f / 6});
    expect_reduce(SPA_FN_LARGEST, &rows, (const float[]){3, 4});
    expect_reduce(SPA_FN_LEAST, &rows, (const float[]){-2, 0});
    expect_reduce(SPA_FN_PRODUCT, &rows, (const float[]){-6, 0});
    expect_reduce(SPA_FN_L1, &rows, (const float[]){6, 8});
    expect_reduce(SPA_FN_L2, &columns, (const float[]){4.1231056f, 4.472136f, 3}); /* root 17, 20 */
    expect_reduce(SPA_FN_SUM_SQUARE, &all, (const float[]){46});
    expect_reduce(SPA_FN_ARG_MAX, &rows, (const float[]){2, 0});
    expect_reduce(SPA_FN_ARG_MAX_LAST, &rows, (const float[]){2, 1});
    expect_reduce(SPA_FN_ARG_MIN, &columns, (const float[]){0, 0, 1});
    /* ln(e + e^-2 + e^3) = 3 + ln(1 + e^-2 + e^-5) = 3 + ln 1.14207 = 3.132845;
     * ln(2 e^4 + 1) = 4 + ln 2.0183156 = 4.7022633 */
    expect_reduce(SPA_FN_LOG_SUM_EXP, &rows, (const float[]){3.132845f, 4.7022633f});
}

Test(kernels_generic, indices_take_rows_and_count_from_the_end_when_negative)
{
    const float x[] = {1, 2, 3, 4, 5, 6}, at[] = {2, -3};
    const float *inputs[] = {x, at};
    spa_graph g;
    const spa_shape shapes[] = {{2, {2, 3}}, {1, {2}}};
    spa_op_attrs attrs = {.axis = 1};
    expect_ok(one_op(&g, SPA_OP_TAKE, &attrs, shapes, 2, NULL, err));
    expect_shape(g.ops[0].out, 2, 2);
    cr_assert_eq(g.ops[0].bytes_in, 4 * 4 + 2 * 4); /* what it takes, and the indices */
    expect_values(&g, inputs, NULL, (const float[]){3, 1, 6, 4}, 4);
    /* a table [3,2]: rows 2 and -3 = 0 */
    const float *indices[] = {at};
    attrs = (spa_op_attrs){.param_shape = {2, {3, 2}}, .param_learned = true};
    expect_ok(one_op(&g, SPA_OP_EMBED, &attrs, &shapes[1], 1, NULL, err));
    expect_shape(g.ops[0].out, 2, 2);
    cr_assert_eq(g.ops[0].n_learned, 6);
    cr_assert_eq(g.ops[0].bytes_weight, 4 * 4); /* the rows it reads, not the table */
    expect_values(&g, indices, x, (const float[]){5, 6, 1, 2}, 4);
}

Test(kernels_generic, an_index_outside_gives_nan_instead_of_other_memory)
{
    const float x[] = {1, 2}, at[] = {7};
    float y = 0;
    const float *inputs[] = {x, at};
    spa_graph g;
    const spa_shape shapes[] = {{1, {2}}, {1, {1}}};
    expect_ok(one_op(&g, SPA_OP_TAKE, NULL, shapes, 2, NULL, err));
    spa_ref_generic(&(spa_kernel_args){.graph = &g, .op = g.ops, .inputs = inputs, .output = &y});
    cr_assert(isnan(y));
    spa_graph_fini(&g);
}

Test(kernels_generic, values_are_chosen_and_repeated)
{
    const float c[] = {1, 0}, x[] = {1, 2, 3, 4}, y[] = {9};
    const float *inputs[] = {c, x, y};
    spa_graph g;
    const spa_shape shapes[] = {{1, {2}}, {2, {2, 2}}, {1, {1}}};
    expect_ok(one_op(&g, SPA_OP_WHERE, NULL, shapes, 3, NULL, err));
    expect_values(&g, inputs, NULL, (const float[]){1, 9, 3, 9}, 4);
    const spa_shape out = {2, {3, 2}};
    expect_ok(one_op(&g, SPA_OP_EXPAND, NULL, shapes, 1, &out, err));
    expect_values(&g, inputs, NULL, (const float[]){1, 0, 1, 0, 1, 0}, 6);
    spa_op_attrs attrs = {.param_shape = {2, {2, 2}}};
    expect_ok(one_op(&g, SPA_OP_CONSTANT, &attrs, NULL, 0, NULL, err));
    expect_values(&g, NULL, x, x, 4);
}

Test(kernels_generic, a_layer_norm_has_the_epsilon_it_was_given_on_every_backend)
{
    spa_graph g;
    spa_shape in = {2, {70, 48}};
    spa_op_attrs attrs = {.alpha = 0.5}; /* large: a kernel with 1e-5 would be far off */
    expect_ok(one_op(&g, SPA_OP_LAYER_NORM, &attrs, &in, 1, NULL, err));
    expect_agreement(&g);
    spa_graph_fini(&g);
    /* 3, -1 with mean 1, variance 4 and epsilon 5: 2 / 3, -2 / 3 */
    const float x[] = {3, -1}, ones[] = {1, 1}, zeros[] = {0, 0};
    float y[2];
    const float *inputs[] = {x}, *params[] = {ones, zeros};
    spa_shape two = {1, {2}};
    attrs.alpha = 5;
    expect_ok(one_op(&g, SPA_OP_LAYER_NORM, &attrs, &two, 1, NULL, err));
    spa_kernel_args args = {
        .graph = &g, .op = g.ops, .inputs = inputs, .params = params, .output = y};
    expect_ok(spa_backend_ref.run(&args, err));
    cr_assert_float_eq(y[0], 2.0f / 3, 1e-6f);
    cr_assert_float_eq(y[1], -2.0f / 3, 1e-6f);
    spa_graph_fini(&g);
}
