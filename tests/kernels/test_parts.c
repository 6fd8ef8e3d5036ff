/* Operators cut into parts: where the pieces are. That parts agree with the whole operator is
 * checked with every conformance case (agree_parts.c). */
#include <criterion/criterion.h>
#include <string.h>

#include "kernels/part.h"
#include "tests/oom.h"
#include "tests/random_graph.h"
#include "tests/traces/one_op.h"

static void make(spa_graph *graph, spa_op_kind kind, spa_op_attrs attrs, const spa_shape *in,
                 size_t n_in, const spa_shape *out)
{
    expect_ok(one_op(graph, kind, &attrs, in, n_in, out, err));
}

static const spa_op_attrs conv3x3 = {.kernel_h = 3,
                                     .kernel_w = 3,
                                     .stride_h = 1,
                                     .stride_w = 1,
                                     .dilation_h = 1,
                                     .dilation_w = 1,
                                     .pad_top = 1,
                                     .pad_left = 1,
                                     .pad_bottom = 1,
                                     .pad_right = 1,
                                     .groups = 1,
                                     .has_bias = true};

Test(kernels_parts, a_convolution_is_cut_between_output_channels)
{
    spa_graph graph;
    spa_part part;
    spa_cut cut;
    make(&graph, SPA_OP_CONV, conv3x3, &(spa_shape){4, {1, 5, 8, 6}}, 1,
         &(spa_shape){4, {1, 40, 0, 0}});
    expect_ok(spa_cut_of(&graph, &graph.ops[0], &cut, err));
    cr_assert_str_eq(cut.along, "channels");
    cr_assert_eq(cut.count, 40);
    expect_ok(spa_part_init(&part, &graph, &graph.ops[0], 16, 40, err));
    cr_assert_eq(part.graph.n_ops, 1);
    expect_shape(part.graph.graph_inputs[0], 1, 5, 8, 6);
    expect_shape(part.graph.ops[0].out, 1, 24, 8, 6);
    cr_assert_eq(part.input_offset[0], 0);
    cr_assert_eq(part.param_offset[0], 16 * 5 * 9); /* weight rows of 5 channels x 3 x 3 */
    cr_assert_eq(part.param_offset[1], 16);
    cr_assert_eq(part.output_offset, 16 * 48);
    cr_assert_eq(part.output_count, 24 * 48);
    spa_part_fini(&part);
    spa_graph_fini(&graph);
}

Test(kernels_parts, a_grouped_convolution_is_cut_between_groups)
{
    spa_graph graph;
    spa_part part;
    spa_op_attrs attrs = conv3x3;
    attrs.groups = 4; /* of 2 inputs and 3 outputs */
    make(&graph, SPA_OP_CONV, attrs, &(spa_shape){4, {1, 8, 5, 5}}, 1,
         &(spa_shape){4, {1, 12, 0, 0}});
    expect_ok(spa_part_init(&part, &graph, &graph.ops[0], 1, 3, err));
    cr_assert_eq(part.graph.ops[0].attrs.groups, 2);
    expect_shape(part.graph.graph_inputs[0], 1, 4, 5, 5);
    expect_shape(part.graph.ops[0].out, 1, 6, 5, 5);
    cr_assert_eq(part.input_offset[0], 2 * 25);
    cr_assert_eq(part.param_offset[0], 3 * 2 * 9);
    cr_assert_eq(part.output_offset, 3 * 25);
    spa_part_fini(&part);
    spa_graph_fini(&graph);
}

Test(kernels_parts, a_batch_is_cut_between_images)
{
    spa_graph graph;
    spa_part part;
    make(&graph, SPA_OP_CONV, conv3x3, &(spa_shape){4, {3, 5, 8, 6}}, 1,
         &(spa_shape){4, {3, 7, 0, 0}});
    expect_ok(spa_part_init(&part, &graph, &graph.ops[0], 1, 3, err));
    expect_shape(part.graph.ops[0].out, 2, 7, 8, 6);
    cr_assert_eq(part.input_offset[0], 5 * 48);
    cr_assert_eq(part.param_offset[0], 0);
    cr_assert_eq(part.output_offset, 7 * 48);
    spa_part_fini(&part);
    spa_graph_fini(&graph);
}

Test(kernels_parts, one_row_is_cut_between_features_and_many_between_rows)
{
    spa_graph graph;
    spa_part part;
    make(&graph, SPA_OP_LINEAR, (spa_op_attrs){.has_bias = true}, &(spa_shape){2, {1, 20}}, 1,
         &(spa_shape){2, {1, 10}});
    expect_ok(spa_part_init(&part, &graph, &graph.ops[0], 4, 10, err));
    cr_assert_eq(part.param_offset[0], 4 * 20);
    cr_assert_eq(part.param_offset[1], 4);
    cr_assert_eq(part.output_offset, 4);
    spa_part_fini(&part);
    spa_graph_fini(&graph);
    make(&graph, SPA_OP_LINEAR, (spa_op_attrs){.has_bias = true}, &(spa_shape){3, {1, 7, 20}}, 1,
         &(spa_shape){3, {1, 7, 10}});
    expect_ok(spa_part_init(&part, &graph, &graph.ops[0], 4, 7, err));
    expect_shape(part.graph.ops[0].out, 3, 10);
    cr_assert_eq(part.input_offset[0], 4 * 20);
    cr_assert_eq(part.param_offset[0], 0);
    cr_assert_eq(part.output_offset, 4 * 10);
    spa_part_fini(&part);
    spa_graph_fini(&graph);
}

Test(kernels_parts, a_gate_of_channels_is_cut_with_its_channels)
{
    /* squeeze and excitation: [1,6,4,4] x [1,6,1,1], the gate first */
    spa_graph graph;
    spa_part part;
    const spa_shape in[] = {{4, {1, 6, 1, 1}}, {4, {1, 6, 4, 4}}};
    make(&graph, SPA_OP_MUL, (spa_op_attrs){0}, in, 2, NULL);
    expect_ok(spa_part_init(&part, &graph, &graph.ops[0], 2, 6, err));
    expect_shape(part.graph.graph_inputs[0], 4, 1);
    expect_shape(part.graph.graph_inputs[1], 4, 16);
    cr_assert_eq(part.input_offset[0], 2);
    cr_assert_eq(part.input_offset[1], 2 * 16);
    cr_assert_eq(part.output_offset, 2 * 16);
    spa_part_fini(&part);
    spa_graph_fini(&graph);
}

Test(kernels_parts, a_part_of_a_concatenation_reads_only_what_it_joins)
{
    /* 3 + 5 + 4 slices; 7 .. 9 are the last of the second and the first two of the third */
    spa_graph graph;
    spa_part part;
    const spa_shape in[] = {{3, {1, 3, 6}}, {3, {1, 5, 6}}, {3, {1, 4, 6}}};
    make(&graph, SPA_OP_CONCAT, (spa_op_attrs){.axis = 1}, in, 3, NULL);
    expect_ok(spa_part_init(&part, &graph, &graph.ops[0], 7, 10, err));
    cr_assert_eq(part.n_inputs, 2);
    cr_assert_eq(part.input[0], 1);
    cr_assert_eq(part.input[1], 2);
    cr_assert_eq(part.input_offset[0], 4 * 6);
    cr_assert_eq(part.input_offset[1], 0);
    cr_assert_eq(part.output_offset, 7 * 6);
    spa_part_fini(&part);
    spa_graph_fini(&graph);
}

Test(kernels_parts, bounds_follow_the_fractions_in_units)
{
    size_t b[4];
    const double fractions[] = {0.3, 0.7}, none[] = {0, 1}, thirds[] = {0.5, 0.25, 0.25};
    spa_cut cut = {"channels", 512, 16};
    expect_ok(spa_cut_bounds(&cut, fractions, 2, b, err));
    cr_assert(b[0] == 0 && b[1] == 160 && b[2] == 512); /* 153.6 = 9.6 units -> 10 */
    expect_ok(spa_cut_bounds(&cut, none, 2, b, err));
    cr_assert(b[1] == 0 && b[2] == 512);
    cut.count = 24; /* 12 each: units of 16 and 8 would be off by too much */
    expect_ok(spa_cut_bounds(&cut, NULL, 2, b, err));
    cr_assert(b[1] == 12 && b[2] == 24);
    cut.count = 3;
    expect_ok(spa_cut_bounds(&cut, thirds, 3, b, err));
    cr_assert(b[1] == 2 && b[2] == 2 && b[3] == 3); /* 1.5 and 2.25 round to 2 */
    const double wrong[] = {0.3, 0.3}, negative[] = {-0.5, 1.5};
    expect_refusal(spa_cut_bounds(&cut, wrong, 2, b, err), SPA_E_RANGE, "sum to 0.6");
    expect_refusal(spa_cut_bounds(&cut, negative, 2, b, err), SPA_E_RANGE, "fraction of -0.5");
    expect_refusal(spa_cut_bounds(&cut, NULL, 0, b, err), SPA_E_RANGE, "0 parts");
}

static void expect_whole(spa_op_kind kind, spa_op_attrs attrs, const spa_shape *in, size_t n_in,
                         const spa_shape *out, const char *reason)
{
    spa_graph graph;
    spa_cut cut;
    spa_part parts[2];
    make(&graph, kind, attrs, in, n_in, out);
    expect_refusal(spa_cut_of(&graph, &graph.ops[0], &cut, err), SPA_E_UNSUPPORTED, reason);
    expect_refusal(spa_part_cut(&graph, &graph.ops[0], NULL, 2, parts, err), SPA_E_UNSUPPORTED,
                   "run it whole");
    spa_graph_fini(&graph);
}

Test(kernels_parts, operators_that_run_whole_say_why)
{
    spa_shape image = {4, {1, 6, 9, 5}}, row = {2, {1, 16}}, scalar = {1, {1}};
    expect_whole(SPA_OP_RESHAPE, (spa_op_attrs){0}, &image, 1, &(spa_shape){2, {6, 45}},
                 "costs nothing");
    expect_whole(SPA_OP_GATHER, (spa_op_attrs){.param_shape = {2, {9, 3}}, .param_learned = true},
                 NULL, 0, NULL, "scattered over its table");
    expect_whole(SPA_OP_TRANSPOSE, (spa_op_attrs){.perm = {0, 2, 3, 1}}, &image, 1, NULL,
                 "scattered over its input");
    expect_whole(SPA_OP_ROLL, (spa_op_attrs){.begin = {0, 2, 0, 0}}, &image, 1, NULL,
                 "shifts along");
    expect_whole(SPA_OP_SOFTMAX, (spa_op_attrs){0}, &row, 1, NULL, "one slice");
    expect_whole(SPA_OP_MEAN, (spa_op_attrs){.axis = 1}, &image, 1, NULL, "one slice");
    expect_whole(SPA_OP_RELU, (spa_op_attrs){0}, &scalar, 1, NULL, "one slice");
    expect_whole(SPA_OP_HOST, (spa_op_attrs){0}, &image, 1, &image, "nothing is known");
}

Test(kernels_parts, a_piece_without_an_input_is_refused)
{
    spa_graph graph;
    spa_part part;
    make(&graph, SPA_OP_PAD, (spa_op_attrs){.begin = {4, 1}}, &(spa_shape){2, {3, 5}}, 1,
         &(spa_shape){2, {10, 7}});
    expect_refusal(spa_part_init(&part, &graph, &graph.ops[0], 0, 4, err), SPA_E_UNSUPPORTED,
                   "padding only");
    expect_ok(spa_part_init(&part, &graph, &graph.ops[0], 0, 5, err));
    spa_part_fini(&part);
    expect_refusal(spa_part_init(&part, &graph, &graph.ops[0], 5, 11, err), SPA_E_RANGE, "10 rows");
    spa_graph_fini(&graph);
}

/* How much of the zoo can be cut: what runs whole is known by kind. */
Test(kernels_parts, the_models_of_the_zoo_are_cut_but_for_data_movement)
{
    size_t n;
    const spa_model_info *models = spa_zoo_models(&n);
    for (size_t m = 0; m < n; m++) {
        spa_graph graph;
        expect_ok(spa_zoo_build(&graph, models[m].name, 1, SPA_FP32, "none", err));
        for (size_t i = 0; i < graph.n_ops; i++) {
            const spa_op *op = &graph.ops[i];
            spa_part parts[2];
            spa_error err = {0};
            spa_status status = spa_part_cut(&graph, op, NULL, 2, parts, &err);
            if (status == SPA_OK) {
                cr_assert_eq(parts[0].output_count + parts[1].output_count,
                             (size_t)spa_shape_elements(&op->out));
                cr_assert_eq(parts[1].output_offset, parts[0].output_count);
                spa_part_fini(&parts[0]);
                spa_part_fini(&parts[1]);
                continue;
            }
            cr_assert_eq(status, SPA_E_UNSUPPORTED, "%s", err.message);
            cr_expect(op->kind == SPA_OP_RESHAPE || op->kind == SPA_OP_GATHER ||
                          op->kind == SPA_OP_TRANSPOSE || op->kind == SPA_OP_ROLL ||
                          op->kind == SPA_OP_MEAN,
                      "%s: %s", models[m].name, err.message);
        }
        spa_graph_fini(&graph);
    }
}

Test(kernels_parts, every_allocation_may_fail)
{
    spa_graph graph;
    expect_ok(tiny_chain(&graph, err));
    for (long n = 0;; n++) {
        spa_part parts[2];
        oom_fail_at(n);
        spa_status status = spa_part_cut(&graph, &graph.ops[0], NULL, 2, parts, NULL);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK);
            cr_assert_gt(n, 5);
            spa_part_fini(&parts[0]);
            spa_part_fini(&parts[1]);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM);
    }
    spa_graph_fini(&graph);
}
