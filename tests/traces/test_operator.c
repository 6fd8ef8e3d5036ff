#include "tests/traces/one_op.h"
#include <math.h>
#include "traces/operator.h"

static spa_graph g;

static void close_graph(void)
{
    spa_graph_fini(&g);
}

TestSuite(operator, .fini = close_graph);

#define OP (&g.ops[0])

static const spa_shape image = {4, {1, 3, 224, 224}};

/* 3x3, stride 2, padding 1, 3 -> 8 channels. */
static spa_op_attrs conv3(void)
{
    return (spa_op_attrs){.kernel_h = 3,
                          .kernel_w = 3,
                          .stride_h = 2,
                          .stride_w = 2,
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .pad_top = 1,
                          .pad_left = 1,
                          .pad_bottom = 1,
                          .pad_right = 1,
                          .groups = 1};
}

Test(operator, a_convolution_has_the_shape_macs_bytes_and_parameters_of_its_definition)
{
    spa_op_attrs a = conv3();
    a.has_bias = true;
    expect_ok(one_op(&g, SPA_OP_CONV, &a, &image, 1, &(spa_shape){4, {0, 8, 0, 0}}, err));
    /* (224 + 2 - 3) / 2 + 1 = 112 */
    expect_shape(OP->out, 1, 8, 112, 112);
    cr_assert_eq(OP->macs, INT64_C(8) * 112 * 112 * 27); /* 3*3*3 per output */
    cr_assert_eq(OP->flops, 0);
    cr_assert_eq(OP->bytes_in, 4 * 3 * 224 * 224);
    cr_assert_eq(OP->bytes_out, 4 * 8 * 112 * 112);
    cr_assert_eq(OP->bytes_weight, 4 * (8 * 27 + 8));
    cr_assert_eq(OP->n_learned, 8 * 27 + 8);
    spa_op_param p[SPA_MAX_PARAMS];
    cr_assert_eq(spa_op_params(&g, OP, p), 2);
    expect_shape(p[0].shape, 8, 3, 3, 3);
    expect_shape(p[1].shape, 8);
    cr_assert_str_eq(p[1].role, "bias");
}

Test(operator, dilation_and_uneven_padding_count_in_the_output_size)
{
    spa_op_attrs a = conv3();
    a.dilation_h = 3; /* a window of 3*2 + 1 = 7 rows: (10 + 1 + 1 - 7) / 2 + 1 = 3 */
    a.stride_w = 1;   /* (10 + 1 + 0 - 3) / 1 + 1 = 9 */
    a.pad_right = 0;
    expect_ok(one_op(&g, SPA_OP_CONV, &a, &(spa_shape){4, {1, 2, 10, 10}}, 1,
                     &(spa_shape){4, {0, 4, 0, 0}}, err));
    expect_shape(OP->out, 1, 4, 3, 9);
}

Test(operator, a_depthwise_convolution_does_one_channel_per_output)
{
    spa_op_attrs a = conv3();
    a.groups = 6;
    expect_ok(one_op(&g, SPA_OP_CONV, &a, &(spa_shape){4, {2, 6, 8, 8}}, 1,
                     &(spa_shape){4, {0, 6, 0, 0}}, err));
    expect_shape(OP->out, 2, 6, 4, 4);
    cr_assert_eq(OP->macs, 2 * 6 * 4 * 4 * 9);
    cr_assert(spa_op_is_depthwise(&g, OP));
}

Test(operator, groups_that_do_not_divide_the_channels_are_refused)
{
    spa_op_attrs a = conv3();
    a.groups = 2;
    expect_refusal(one_op(&g, SPA_OP_CONV, &a, &image, 1, &(spa_shape){4, {0, 8, 0, 0}}, err),
                   SPA_E_INVALID, "2 groups divide 3 input and 8 output channels unevenly");
}

Test(operator, a_window_larger_than_the_padded_input_is_refused)
{
    spa_op_attrs a = conv3();
    a.kernel_h = 300;
    expect_refusal(one_op(&g, SPA_OP_CONV, &a, &image, 1, &(spa_shape){4, {0, 8, 0, 0}}, err),
                   SPA_E_INVALID, "a window of 300 does not fit 224 + padding 1 + 1");
}

Test(operator, a_linear_layer_works_on_the_last_dimension)
{
    expect_ok(one_op(&g, SPA_OP_LINEAR, &(spa_op_attrs){.has_bias = true},
                     &(spa_shape){3, {2, 197, 768}}, 1, &(spa_shape){3, {0, 0, 2304}}, err));
    expect_shape(OP->out, 2, 197, 2304);
    cr_assert_eq(OP->macs, INT64_C(2) * 197 * 768 * 2304);
    cr_assert_eq(OP->n_learned, 768 * 2304 + 2304);
}

Test(operator, a_matrix_product_is_batched_over_the_leading_dimensions)
{
    spa_shape ab[] = {{4, {1, 12, 197, 64}}, {4, {1, 12, 197, 64}}};
    expect_ok(one_op(&g, SPA_OP_MATMUL, &(spa_op_attrs){.transpose_b = true}, ab, 2, NULL, err));
    expect_shape(OP->out, 1, 12, 197, 197);
    cr_assert_eq(OP->macs, INT64_C(12) * 197 * 197 * 64);
    cr_assert_eq(OP->bytes_in, 2 * 4 * 12 * 197 * 64);
}

Test(operator, matrices_that_do_not_multiply_are_refused)
{
    spa_shape ab[] = {{2, {3, 4}}, {2, {3, 4}}};
    expect_refusal(one_op(&g, SPA_OP_MATMUL, NULL, ab, 2, NULL, err), SPA_E_INVALID,
                   "3x4 and 3x4 do not multiply");
}

Test(operator, only_scale_and_shift_of_a_batch_norm_are_learned)
{
    expect_ok(one_op(&g, SPA_OP_BATCH_NORM, NULL, &image, 1, NULL, err));
    cr_assert_eq(OP->n_learned, 6);            /* mean and variance are buffers */
    cr_assert_eq(OP->bytes_weight, 4 * 3 * 4); /* but all four are read */
    cr_assert_eq(OP->flops, 2 * 3 * 224 * 224);
    cr_assert_eq(OP->macs, 0);
}

Test(operator, a_pool_rounds_down_unless_it_rounds_up)
{
    spa_op_attrs a = {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2};
    const spa_shape in = {4, {1, 1, 5, 5}};
    expect_ok(one_op(&g, SPA_OP_MAX_POOL, &a, &in, 1, NULL, err));
    expect_shape(OP->out, 1, 1, 2, 2); /* (5 - 2) / 2 + 1 = 2.5, down */
    cr_assert_eq(OP->flops, 4 * 4);    /* one comparison per element of each window */
    spa_graph_fini(&g);
    a.ceil_mode = true;
    expect_ok(one_op(&g, SPA_OP_MAX_POOL, &a, &in, 1, NULL, err));
    expect_shape(OP->out, 1, 1, 3, 3);
}

Test(operator, a_pool_that_rounds_up_has_no_window_that_begins_in_the_padding)
{
    /* Windows of 2 every 3, padding 1 + 1. 3 rows: room 3 + 2 - 2 = 3, 3 / 3 + 1 = 2 windows.
     * 2 columns: room 2, 2 / 3 + 1 = 1 window; rounding up would add one that begins at
     * 3 - 1 = 2, which is behind the input. 4 columns: room 4, one more at 2 * 3 - 1 = 5: no. */
    spa_op_attrs a = {.kernel_h = 2,
                      .kernel_w = 2,
                      .stride_h = 3,
                      .stride_w = 3,
                      .pad_top = 1,
                      .pad_left = 1,
                      .pad_bottom = 1,
                      .pad_right = 1,
                      .ceil_mode = true};
    expect_ok(one_op(&g, SPA_OP_MAX_POOL, &a, &(spa_shape){4, {1, 1, 3, 2}}, 1, NULL, err));
    expect_shape(OP->out, 1, 1, 2, 1);
    spa_graph_fini(&g);
    expect_ok(one_op(&g, SPA_OP_MAX_POOL, &a, &(spa_shape){4, {1, 1, 4, 5}}, 1, NULL, err));
    /* 5 columns: room 5, one more at 5, behind 0..4: no. */
    expect_shape(OP->out, 1, 1, 2, 2);
}

Test(operator, adding_broadcasts_like_numpy)
{
    spa_shape ab[] = {{3, {4, 1, 5}}, {2, {6, 1}}};
    expect_ok(one_op(&g, SPA_OP_ADD, NULL, ab, 2, NULL, err));
    expect_shape(OP->out, 4, 6, 5);
    cr_assert_eq(OP->flops, 120);
    spa_graph_fini(&g);
    spa_shape bad[] = {{2, {4, 3}}, {2, {4, 2}}};
    expect_refusal(one_op(&g, SPA_OP_ADD, NULL, bad, 2, NULL, err), SPA_E_INVALID,
                   "4x3 and 4x2 do not broadcast");
}

Test(operator, a_constant_operand_counts_as_learned_only_when_it_is)
{
    spa_op_attrs a = {.param_shape = {3, {1, 197, 768}}, .param_learned = true};
    const spa_shape in = {3, {2, 197, 768}};
    expect_ok(one_op(&g, SPA_OP_ADD, &a, &in, 1, NULL, err));
    cr_assert_eq(OP->n_learned, 197 * 768);
    cr_assert_eq(OP->bytes_weight, 4 * 197 * 768);
    spa_graph_fini(&g);
    a.param_learned = false;
    expect_ok(one_op(&g, SPA_OP_ADD, &a, &in, 1, NULL, err));
    cr_assert_eq(OP->n_learned, 0);
    cr_assert_eq(OP->bytes_weight, 4 * 197 * 768);
}

Test(operator, a_product_takes_exactly_one_second_operand)
{
    const spa_shape in[] = {{1, {4}}, {1, {4}}};
    expect_ok(one_op(&g, SPA_OP_MUL, &(spa_op_attrs){.alpha = 0.125}, in, 1, NULL, err));
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_MUL, &(spa_op_attrs){.alpha = 2}, in, 2, NULL, err),
                   SPA_E_INVALID, "a second operand and a scalar alpha");
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_ADD, NULL, in, 1, NULL, err), SPA_E_INVALID,
                   "one input and no parameter");
    spa_graph_fini(&g);
    spa_op_attrs both = {.param_shape = {1, {4}}};
    expect_refusal(one_op(&g, SPA_OP_ADD, &both, in, 2, NULL, err), SPA_E_INVALID,
                   "two inputs and a parameter");
}

Test(operator, joining_repeats_a_class_token_for_the_batch)
{
    spa_op_attrs a = {.axis = 1, .param_shape = {3, {1, 1, 768}}, .param_learned = true};
    expect_ok(one_op(&g, SPA_OP_CONCAT, &a, &(spa_shape){3, {8, 196, 768}}, 1, NULL, err));
    expect_shape(OP->out, 8, 197, 768);
    cr_assert_eq(OP->n_learned, 768);
}

Test(operator, tensors_that_differ_off_the_axis_do_not_join)
{
    spa_shape ab[] = {{3, {1, 2, 3}}, {3, {1, 2, 4}}};
    expect_ok(one_op(&g, SPA_OP_CONCAT, &(spa_op_attrs){.axis = 2}, ab, 2, NULL, err));
    expect_shape(OP->out, 1, 2, 7);
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_CONCAT, &(spa_op_attrs){.axis = 1}, ab, 2, NULL, err),
                   SPA_E_INVALID, "1x2x3 and 1x2x4 do not join along axis 1");
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_CONCAT, &(spa_op_attrs){.axis = 3}, ab, 2, NULL, err),
                   SPA_E_INVALID, "axis 3; its input has dimensions 0 to 2");
}

Test(operator, a_slice_stays_inside_and_reads_what_it_keeps)
{
    spa_op_attrs a = {.begin = {0, 1}, .step = {0, 2}};
    const spa_shape in = {2, {3, 6}};
    expect_ok(one_op(&g, SPA_OP_SLICE, &a, &in, 1, &(spa_shape){2, {3, 3}}, err)); /* 1, 3, 5 */
    cr_assert_eq(OP->bytes_in, 4 * 9);
    cr_assert_eq(OP->bytes_out, 4 * 9);
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_SLICE, &a, &in, 1, &(spa_shape){2, {3, 4}}, err),
                   SPA_E_INVALID, "dimension 1: 4 elements from 1 by 2 are not inside 6");
}

Test(operator, padding_must_hold_its_input)
{
    spa_op_attrs a = {.begin = {0, 2}};
    const spa_shape in = {2, {3, 6}};
    expect_ok(one_op(&g, SPA_OP_PAD, &a, &in, 1, &(spa_shape){2, {4, 8}}, err));
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_PAD, &a, &in, 1, &(spa_shape){2, {4, 7}}, err), SPA_E_INVALID,
                   "dimension 1: 2 zeros and 6 elements do not fit 7");
}

Test(operator, a_reshape_keeps_the_number_of_elements)
{
    const spa_shape in = {2, {3, 4}};
    expect_ok(one_op(&g, SPA_OP_RESHAPE, NULL, &in, 1, &(spa_shape){3, {2, 3, 2}}, err));
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_RESHAPE, NULL, &in, 1, &(spa_shape){1, {11}}, err),
                   SPA_E_INVALID, "3x4 and 11 have different numbers of elements");
}

Test(operator, a_transpose_needs_a_permutation)
{
    const spa_shape in = {3, {2, 3, 4}};
    expect_ok(one_op(&g, SPA_OP_TRANSPOSE, &(spa_op_attrs){.perm = {2, 0, 1}}, &in, 1, NULL, err));
    expect_shape(OP->out, 4, 2, 3);
    spa_graph_fini(&g);
    expect_refusal(
        one_op(&g, SPA_OP_TRANSPOSE, &(spa_op_attrs){.perm = {2, 0, 2}}, &in, 1, NULL, err),
        SPA_E_INVALID, "perm is no permutation of 0 to 2");
}

Test(operator, the_relative_position_bias_follows_from_its_table)
{
    /* A window of 7: (2*7 - 1)^2 = 169 rows, 7*7 = 49 positions. */
    spa_op_attrs a = {.param_shape = {2, {169, 3}}, .param_learned = true};
    expect_ok(one_op(&g, SPA_OP_GATHER, &a, NULL, 0, NULL, err));
    expect_shape(OP->out, 1, 3, 49, 49);
    cr_assert_eq(OP->n_learned, 169 * 3);
    cr_assert_eq(OP->bytes_in, 0);
    spa_graph_fini(&g);
    a.param_shape.dim[0] = 144; /* 12^2: even */
    expect_refusal(one_op(&g, SPA_OP_GATHER, &a, NULL, 0, NULL, err), SPA_E_INVALID,
                   "144 rows, which is no square of an odd number");
}

Test(operator, the_mean_of_a_dimension_removes_it)
{
    expect_ok(one_op(&g, SPA_OP_MEAN, &(spa_op_attrs){.axis = 1}, &(spa_shape){3, {2, 5, 7}}, 1,
                     NULL, err));
    expect_shape(OP->out, 2, 7);
    cr_assert_eq(OP->flops, 70);
}

Test(operator, upsampling_multiplies_height_and_width)
{
    spa_op_attrs a = {.stride_h = 2, .stride_w = 3};
    expect_ok(one_op(&g, SPA_OP_UPSAMPLE, &a, &(spa_shape){4, {1, 2, 4, 5}}, 1, NULL, err));
    expect_shape(OP->out, 1, 2, 8, 15);
}

Test(operator, opaque_work_has_bytes_only)
{
    expect_ok(one_op(&g, SPA_OP_HOST, NULL, &image, 1, &(spa_shape){1, {10}}, err));
    cr_assert_eq(OP->macs, 0);
    cr_assert_eq(OP->flops, 0);
    cr_assert_eq(OP->bytes_in, 4 * 3 * 224 * 224);
    cr_assert_eq(OP->bytes_out, 40);
}

Test(operator, an_attribute_that_the_kind_does_not_use_is_refused)
{
    expect_refusal(one_op(&g, SPA_OP_RELU, &(spa_op_attrs){.groups = 1}, &image, 1, NULL, err),
                   SPA_E_INVALID, "kind relu has no attribute groups");
}

Test(operator, an_output_shape_that_does_not_follow_is_refused)
{
    expect_refusal(one_op(&g, SPA_OP_RELU, NULL, &image, 1, &(spa_shape){1, {7}}, err),
                   SPA_E_INVALID, "its output is 1x3x224x224, not 7");
}

Test(operator, the_wrong_number_of_inputs_is_refused)
{
    spa_shape two[] = {image, image};
    expect_refusal(one_op(&g, SPA_OP_RELU, NULL, two, 2, NULL, err), SPA_E_INVALID,
                   "operator 'x' (relu): 2 inputs; it takes 1 to 1");
}

Test(operator, sizes_that_would_overflow_are_refused)
{
    const int32_t most = (int32_t)SPA_MAX_DIM;
    expect_refusal(one_op(&g, SPA_OP_RELU, NULL, &(spa_shape){2, {most, most}}, 1, NULL, err),
                   SPA_E_RANGE, "more than 2^40 elements");
    spa_graph_fini(&g);
    expect_refusal(one_op(&g, SPA_OP_RELU, NULL, &(spa_shape){1, {most + 1}}, 1, NULL, err),
                   SPA_E_RANGE, "dimension 0 is 16777217");
    spa_graph_fini(&g);
    /* A weight of 2^24 x 2^20 elements. */
    expect_refusal(one_op(&g, SPA_OP_LINEAR, NULL, &(spa_shape){1, {most}}, 1,
                          &(spa_shape){1, {1 << 20}}, err),
                   SPA_E_RANGE, "its weight has more than 2^40 elements");
    spa_graph_fini(&g);
    /* 2^24 outputs of 2^24 * 2^24 comparisons. */
    spa_op_attrs a = {.kernel_h = most,
                      .kernel_w = most,
                      .stride_h = 1,
                      .stride_w = 1,
                      .pad_top = most - 1,
                      .pad_left = most - 1,
                      .pad_bottom = 1,
                      .pad_right = 1};
    expect_refusal(
        one_op(&g, SPA_OP_MAX_POOL, &a, &(spa_shape){4, {1, 1, 4096, 4096}}, 1, NULL, err),
        SPA_E_RANGE, "do not fit 64 bits");
}

Test(operator, kinds_and_origins_have_names_that_read_back)
{
    for (int k = 0; k < SPA_OP_KIND_COUNT; k++) {
        spa_op_kind back = SPA_OP_KIND_COUNT;
        cr_assert(spa_op_kind_from_name(spa_op_kind_name((spa_op_kind)k), &back));
        cr_assert_eq((int)back, k);
    }
    for (int o = SPA_ORIGIN_UNKNOWN; o <= SPA_ORIGIN_MEASURED; o++) {
        spa_origin back = SPA_ORIGIN_UNKNOWN;
        cr_assert(spa_origin_from_name(spa_origin_name((spa_origin)o), &back));
        cr_assert_eq((int)back, o);
    }
    spa_op_kind none;
    cr_assert_not(spa_op_kind_from_name("convolution", &none));
}

Test(operator, half_precision_halves_the_bytes_and_nothing_else)
{
    spa_graph h;
    spa_error e = {0};
    int32_t in = SPA_GRAPH_INPUT(0);
    expect_ok(one_op(&g, SPA_OP_BATCH_NORM, NULL, &image, 1, NULL, err));
    spa_graph_init(&h, "half", 1, SPA_FP16);
    h.n_graph_inputs = 1;
    h.graph_inputs[0] = image;
    cr_assert_eq(spa_graph_add(&h, "x", SPA_OP_BATCH_NORM, NULL, &in, 1, NULL, NULL, &e), SPA_OK);
    cr_assert_eq(2 * h.ops[0].bytes_in, OP->bytes_in);
    cr_assert_eq(2 * h.ops[0].bytes_out, OP->bytes_out);
    cr_assert_eq(2 * h.ops[0].bytes_weight, OP->bytes_weight);
    cr_assert_eq(h.ops[0].flops, OP->flops);
    cr_assert_eq(h.ops[0].n_learned, OP->n_learned);
    spa_graph_fini(&h);
}
