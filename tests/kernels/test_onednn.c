/* Kernels on oneDNN, operator by operator, on plain and channel-blocked tensors. Skipped with a
 * reason where the library is missing. */
#include <criterion/criterion.h>
#include <string.h>

#include "kernels/onednn.h"
#include "tests/base/check.h"
#include "tests/kernels/agree.h"
#include "tests/kernels/images.h"

/* All operators of the graph agree with the reference in blocks of 8 and of 16; op `inside` is
 * blocked in blocks of 8. */
static void agree_and_free(spa_graph *g, int32_t inside)
{
    images_finish(g);
    spa_onednn_set_block(8);
    cr_expect(inside < 0 || images_are_blocked(g, inside), "operator %d is plain", (int)inside);
    expect_agreement(g);
    spa_onednn_set_block(16);
    expect_agreement(g);
    spa_onednn_set_block(0);
    spa_graph_fini(g);
}

typedef struct conv_case {
    int32_t n, c, m, h, w;
    spa_op_attrs attrs;
} conv_case;

static const conv_case conv_cases[] = {
    {1,
     16,
     16,
     9,
     11,
     {.kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1,
      .has_bias = true}},
    {2, 8, 24, 8, 7, {.kernel_h = 1, .kernel_w = 1}},
    {2,
     16,
     8,
     9,
     9,
     {.kernel_h = 1, .kernel_w = 1, .stride_h = 2, .stride_w = 2, .has_bias = true}},
    {1,
     32,
     13,
     7,
     7,
     {.kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1,
      .has_bias = true}},
    {1, 11, 16, 7, 6, {.kernel_h = 3, .kernel_w = 3, .has_bias = true}},
    {1,
     13,
     5,
     8,
     8,
     {.kernel_h = 3, .kernel_w = 3, .pad_top = 1, .pad_left = 1, .pad_bottom = 1, .pad_right = 1}},
    {2,
     24,
     24,
     9,
     10,
     {.kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1,
      .groups = 24}},
    {1,
     16,
     16,
     13,
     12,
     {.kernel_h = 5,
      .kernel_w = 5,
      .stride_h = 2,
      .stride_w = 2,
      .pad_top = 2,
      .pad_left = 2,
      .pad_bottom = 2,
      .pad_right = 2,
      .groups = 16,
      .has_bias = true}},
    {1,
     16,
     32,
     8,
     8,
     {.kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1,
      .groups = 16}},
    {1,
     32,
     32,
     8,
     8,
     {.kernel_h = 3,
      .kernel_w = 3,
      .pad_top = 1,
      .pad_left = 1,
      .pad_bottom = 1,
      .pad_right = 1,
      .groups = 2,
      .has_bias = true}},
    {1, 24, 12, 8, 8, {.kernel_h = 3, .kernel_w = 3, .groups = 3}},
    {1,
     16,
     16,
     14,
     13,
     {.kernel_h = 3,
      .kernel_w = 3,
      .dilation_h = 2,
      .dilation_w = 3,
      .pad_top = 2,
      .pad_left = 3,
      .pad_bottom = 1,
      .pad_right = 0}},
    {1,
     16,
     24,
     12,
     11,
     {.kernel_h = 3,
      .kernel_w = 5,
      .stride_h = 2,
      .stride_w = 3,
      .pad_top = 0,
      .pad_left = 2,
      .pad_bottom = 1,
      .pad_right = 1,
      .has_bias = true}},
    {1,
     8,
     8,
     6,
     6,
     {.kernel_h = 3, .kernel_w = 3, .pad_top = 4, .pad_left = 4, .pad_bottom = 4, .pad_right = 4}},
};

Test(kernels_onednn, blocked_convolutions_agree_with_the_reference)
{
    need_onednn();
    for (size_t i = 0; i < sizeof conv_cases / sizeof conv_cases[0]; i++) {
        const conv_case *c = &conv_cases[i];
        spa_graph g;
        spa_op_attrs attrs = c->attrs;
        if (attrs.stride_h == 0) attrs.stride_h = attrs.stride_w = 1;
        if (attrs.dilation_h == 0) attrs.dilation_h = attrs.dilation_w = 1;
        if (attrs.groups == 0) attrs.groups = 1;
        images_start(&g, c->n, 3, c->h, c->w);
        int32_t first = images_add_conv(&g, CONV(3, 1, 1, 1, false), SPA_GRAPH_INPUT(0), c->c);
        int32_t x = images_add_conv(&g, attrs, first, c->m);
        x = images_add_one(&g, SPA_OP_RELU, (spa_op_attrs){0}, x);
        x = images_add_conv(&g, CONV(1, 1, 0, 1, true), x, 8);
        images_add_one(&g, SPA_OP_SOFTMAX, (spa_op_attrs){0}, x);
        bool fits = c->c % 8 == 0 && (attrs.groups == 1 || attrs.groups == c->m);
        agree_and_free(&g, fits ? first : -1);
    }
}

Test(kernels_onednn, blocked_operators_between_convolutions_agree_with_the_reference)
{
    static const spa_op_kind kinds[] = {SPA_OP_BATCH_NORM, SPA_OP_RELU,         SPA_OP_RELU6,
                                        SPA_OP_HARD_SWISH, SPA_OP_HARD_SIGMOID, SPA_OP_SIGMOID,
                                        SPA_OP_GELU,       SPA_OP_LEAKY_RELU};
    need_onednn();
    spa_graph g;
    images_start(&g, 2, 3, 9, 7);
    int32_t x = images_add_conv(&g, CONV(3, 1, 1, 1, true), SPA_GRAPH_INPUT(0), 32), last = x;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        spa_op_attrs attrs = {.alpha = kinds[k] == SPA_OP_LEAKY_RELU ? 0.1 : 0};
        last = x;
        x = images_add_one(&g, kinds[k], attrs, x);
    }
    int32_t pair[2] = {x, last};
    x = images_add(&g, SPA_OP_ADD, (spa_op_attrs){0}, pair, 2, NULL);
    x = images_add_one(&g, SPA_OP_MUL, (spa_op_attrs){.alpha = 0.25}, x);
    int32_t gate = images_add_one(&g, SPA_OP_GLOBAL_AVG_POOL, (spa_op_attrs){0}, x);
    gate = images_add_conv(&g, CONV(1, 1, 0, 1, true), gate, 8);
    gate = images_add_conv(&g, CONV(1, 1, 0, 1, true), gate, 32);
    int32_t gated[2] = {gate, x}, biased[2] = {x, gate};
    x = images_add(&g, SPA_OP_MUL, (spa_op_attrs){0}, gated, 2, NULL);
    biased[0] = x;
    x = images_add(&g, SPA_OP_ADD, (spa_op_attrs){0}, biased, 2, NULL);
    int32_t inside = x;
    int32_t both[3] = {x, last, x};
    x = images_add(&g, SPA_OP_CONCAT, (spa_op_attrs){.axis = 1}, both, 3, NULL);
    x = images_add_one(&g, SPA_OP_UPSAMPLE, (spa_op_attrs){.stride_h = 2, .stride_w = 3}, x);
    x = images_add_conv(&g, CONV(1, 1, 0, 1, false), x, 16);
    images_add_one(&g, SPA_OP_RELU, (spa_op_attrs){0}, x);
    agree_and_free(&g, inside);
}

Test(kernels_onednn, blocked_pools_agree_with_the_reference)
{
    static const spa_op_attrs pools[] = {
        {.kernel_h = 3,
         .kernel_w = 3,
         .stride_h = 2,
         .stride_w = 2,
         .pad_top = 1,
         .pad_left = 1,
         .pad_bottom = 1,
         .pad_right = 1},
        {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2},
        {.kernel_h = 3, .kernel_w = 2, .stride_h = 1, .stride_w = 3, .pad_top = 2, .pad_left = 1},
        {.kernel_h = 3, .kernel_w = 3, .stride_h = 2, .stride_w = 2, .ceil_mode = true},
        {.kernel_h = 7,
         .kernel_w = 9,
         .stride_h = 1,
         .stride_w = 1,
         .pad_top = 3,
         .pad_left = 4,
         .pad_bottom = 3,
         .pad_right = 4},
    };
    need_onednn();
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        spa_graph g;
        images_start(&g, 2, 3, 11, 10);
        int32_t x = images_add_conv(&g, CONV(3, 1, 1, 1, true), SPA_GRAPH_INPUT(0), 16);
        int32_t a = images_add_one(&g, SPA_OP_MAX_POOL, pools[i], x);
        int32_t b = images_add_one(&g, SPA_OP_AVG_POOL, pools[i], x);
        images_add_conv(&g, CONV(1, 1, 0, 1, true), a, 8);
        images_add_conv(&g, CONV(1, 1, 0, 1, true), b, 8);
        agree_and_free(&g, x);
    }
}

Test(kernels_onednn, tensors_that_others_read_stay_plain)
{
    need_onednn();
    spa_graph g;
    images_start(&g, 1, 3, 8, 8);
    int32_t a = images_add_conv(&g, CONV(3, 1, 1, 1, true), SPA_GRAPH_INPUT(0), 16);
    int32_t b = images_add_conv(&g, CONV(3, 1, 1, 1, true), a, 16);
    int32_t c = images_add_conv(&g, CONV(3, 1, 1, 1, true), b, 16);
    int32_t odd = images_add_conv(&g, CONV(3, 1, 1, 1, true), c, 13);
    int32_t d = images_add_conv(&g, CONV(3, 1, 1, 1, true), odd, 16);
    spa_shape flat = {2, {16, 64}};
    images_add(&g, SPA_OP_RESHAPE, (spa_op_attrs){0}, &b, 1, &flat);
    images_finish(&g);
    spa_onednn_set_block(8);
    cr_assert(images_are_blocked(&g, a));
    cr_assert(!images_are_blocked(&g, b), "a reshape reads it");
    cr_assert(images_are_blocked(&g, c));
    cr_assert(!images_are_blocked(&g, odd), "13 channels");
    cr_assert(!images_are_blocked(&g, d), "a result");
    spa_onednn_set_block(0);
    spa_graph_fini(&g);
}

Test(kernels_onednn, the_fingerprint_names_version_and_instruction_set)
{
    need_onednn();
    char text[256];
    spa_backend_onednn.describe(text, sizeof text);
    cr_assert_eq(strncmp(text, "oneDNN 2.", 9), 0, "%s", text);
    cr_assert_not_null(strstr(text, "-channel blocks"), "%s", text);
}

Test(kernels_onednn, where_it_cannot_run_it_says_what_to_install)
{
    spa_error err = {0};
    if (spa_backend_onednn.probe(&err) == SPA_OK) cr_skip_test("oneDNN is here");
    const spa_backend *backend;
    cr_assert_eq(spa_backend_find("onednn", &backend, &err), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(err.message, "libdnnl"), "%s", err.message);
    cr_assert_null(backend);
}
