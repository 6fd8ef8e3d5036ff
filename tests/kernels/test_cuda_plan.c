/* Plans of the CUDA kernels beyond what the conformance tests (test_backends.c) reach. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/plan.h"
#include "kernels/model.h"
#include "kernels/ref.h"
#include "tests/base/check.h"
#include "tests/kernels/agree.h"
#include "tests/kernels/plan_backend.h"
#include "tests/oom.h"
#include "tests/random_graph.h"
#include "tests/traces/one_op.h"

static const float some[1 << 16];
static const float *const params[SPA_MAX_PARAMS] = {some, some, some, some};

static void plan_of(spa_cuda_plan *plan, spa_graph *graph, spa_op_kind kind, spa_op_attrs attrs,
                    const spa_shape *in, size_t n_in, const spa_shape *out)
{
    expect_ok(one_op(graph, kind, &attrs, in, n_in, out, err));
    expect_ok(spa_cuda_plan_init(plan, graph, &graph->ops[0], params, true, err));
}

Test(kernels_cuda_plan, a_linear_layer_gives_blas_its_weight_first)
{
    /* y [5,3] = x [5,7] w [3,7]^T, column-major: y^T (3 x 5) = op(w^T (7 x 3)) x^T (7 x 5). */
    spa_graph g;
    spa_cuda_plan plan;
    spa_shape in = {2, {5, 7}}, out = {2, {5, 3}};
    plan_of(&plan, &g, SPA_OP_LINEAR, (spa_op_attrs){.has_bias = true}, &in, 1, &out);
    cr_assert_eq(plan.n_steps, 2);
    const spa_gemm_args *a = &plan.steps[0].args.gemm;
    cr_assert_eq(plan.steps[0].kind, SPA_CUDA_GEMM);
    cr_assert_eq(plan.steps[0].in[0].space, SPA_CUDA_PARAM);
    cr_assert(a->transpose_a && !a->transpose_b);
    cr_assert(a->m == 3 && a->n == 5 && a->k == 7);
    cr_assert(a->lda == 7 && a->ldb == 7 && a->ldc == 3 && a->batch == 1);
    cr_assert_eq(plan.steps[1].kind, SPA_CUDA_AFFINE);
    cr_assert_eq(plan.steps[1].args.affine.channels, 3);
    spa_cuda_plan_fini(&plan);
    spa_graph_fini(&g);
}

Test(kernels_cuda_plan, padding_that_is_no_convolution_library_s_is_made_explicit)
{
    /* 8 rows, 3x3, stride 2, one row of padding below and right only: 4x4 outputs. The same padding
     * on both sides of 0 rows would give (8 - 3) / 2 + 1 = 3. Padded size: 3 * 2 + 3 = 9. */
    spa_graph g;
    spa_cuda_plan plan;
    spa_shape in = {4, {1, 2, 8, 8}}, out = {4, {1, 4, 0, 0}};
    spa_op_attrs attrs = {.kernel_h = 3,
                          .kernel_w = 3,
                          .stride_h = 2,
                          .stride_w = 2,
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .pad_bottom = 1,
                          .pad_right = 1,
                          .groups = 1};
    plan_of(&plan, &g, SPA_OP_CONV, attrs, &in, 1, &out);
    cr_assert_eq(plan.n_steps, 2);
    cr_assert_eq(plan.steps[0].kind, SPA_CUDA_MOVE);
    cr_assert_eq(plan.steps[1].kind, SPA_CUDA_CONV);
    const spa_conv_args *a = &plan.steps[1].args.conv;
    cr_assert(a->h == 9 && a->w == 9 && a->pad_h == 0 && a->pad_w == 0);
    cr_assert(a->oh == 4 && a->ow == 4);
    cr_assert_eq(plan.workspace_elements, 2 * 9 * 9);
    spa_cuda_plan_fini(&plan);
    spa_graph_fini(&g);
    /* With a row above too, the library pads: 8 + 2 = 10, (10 - 3) / 2 + 1 = 4. */
    attrs.pad_top = attrs.pad_left = 1;
    plan_of(&plan, &g, SPA_OP_CONV, attrs, &in, 1, &out);
    cr_assert_eq(plan.n_steps, 1);
    cr_assert_eq(plan.steps[0].args.conv.pad_h, 1);
    cr_assert_eq(plan.workspace_elements, 0);
    spa_cuda_plan_fini(&plan);
    spa_graph_fini(&g);
}

Test(kernels_cuda_plan, dimensions_that_run_on_are_merged)
{
    /* Concatenating channels copies whole blocks: [2, 3*35] into rows of 6*35. */
    spa_graph g;
    spa_cuda_plan plan;
    spa_shape in[] = {{4, {2, 3, 5, 7}}, {4, {2, 3, 5, 7}}};
    plan_of(&plan, &g, SPA_OP_CONCAT, (spa_op_attrs){.axis = 1}, in, 2, NULL);
    cr_assert_eq(plan.n_steps, 2);
    const spa_move_args *m = &plan.steps[1].args.move;
    cr_assert(m->rank == 2 && m->dim[0] == 2 && m->dim[1] == 105);
    cr_assert(m->out_offset == 105 && m->out_stride[0] == 210 && m->stride[0] == 105);
    spa_cuda_plan_fini(&plan);
    spa_graph_fini(&g);
    /* Equal shapes are one long row; a bias per channel keeps three dimensions at most. */
    plan_of(&plan, &g, SPA_OP_ADD, (spa_op_attrs){0}, in, 2, NULL);
    cr_assert_eq(plan.steps[0].args.binary.rank, 1);
    spa_cuda_plan_fini(&plan);
    spa_graph_fini(&g);
    in[1] = (spa_shape){4, {1, 3, 1, 1}};
    plan_of(&plan, &g, SPA_OP_ADD, (spa_op_attrs){0}, in, 2, NULL);
    cr_assert_eq(plan.steps[0].args.binary.rank, 3);
    spa_cuda_plan_fini(&plan);
    spa_graph_fini(&g);
}

Test(kernels_cuda_plan, what_no_kernel_can_index_is_refused)
{
    spa_graph g;
    spa_cuda_plan plan;
    spa_shape in = {2, {1 << 16, 1 << 15}}; /* 2^31 elements */
    expect_ok(one_op(&g, SPA_OP_RELU, NULL, &in, 1, NULL, err));
    expect_error(spa_cuda_plan_init(&plan, &g, &g.ops[0], params, true, err), SPA_E_RANGE,
                 "operator 'x' has a tensor of 2147483648 elements; CUDA kernels index up to "
                 "2147483647");
    spa_graph_fini(&g);
    spa_shape small = {1, {4}};
    expect_ok(one_op(&g, SPA_OP_HOST, NULL, &small, 1, &small, err));
    expect_error(spa_cuda_plan_init(&plan, &g, &g.ops[0], params, true, err), SPA_E_UNSUPPORTED,
                 "operator 'x' (host) has no CUDA kernel");
    spa_graph_fini(&g);
}

Test(kernels_cuda_plan, every_kind_with_a_reference_has_a_plan)
{
    for (int kind = 0; kind < SPA_OP_KIND_COUNT; kind++) {
        spa_op op = {.kind = (spa_op_kind)kind};
        if (spa_ref_is_generic(op.kind)) continue; /* for cores only */
        cr_assert_eq(spa_cuda_supports((spa_op_kind)kind), spa_backend_ref.supports(NULL, &op),
                     "%s", spa_op_kind_name((spa_op_kind)kind));
    }
}

Test(kernels_cuda_plan, tensors_beyond_a_launch_are_walked_in_strides)
{
    /* 8192 blocks of 256 threads take 2 097 152 elements at once; 8192 rows likewise. */
    spa_graph g;
    spa_shape flat = {2, {3, 700001}}, rows = {2, {9001, 40}};
    expect_ok(one_op(&g, SPA_OP_HARD_SWISH, NULL, &flat, 1, NULL, err));
    expect_agreement(&g);
    spa_graph_fini(&g);
    static const spa_op_kind kinds[] = {SPA_OP_SOFTMAX, SPA_OP_LAYER_NORM};
    for (size_t k = 0; k < 2; k++) {
        expect_ok(one_op(&g, kinds[k], NULL, &rows, 1, NULL, err));
        expect_agreement(&g);
        spa_graph_fini(&g);
    }
    expect_ok(one_op(&g, SPA_OP_MEAN, &(spa_op_attrs){.axis = 1}, &rows, 1, NULL, err));
    expect_agreement(&g);
    spa_graph_fini(&g);
}

/* Every operator of a model by its plan, on the inputs that it has in an inference by `blas`. */
static void expect_model(const char *name, const spa_backend *backend, double limit)
{
    spa_graph graph;
    spa_model model;
    spa_session session;
    void *workspace;
    float *answer;
    expect_ok(spa_zoo_build(&graph, name, 1, SPA_FP32, "relu50", err));
    expect_ok(spa_model_init(&model, &graph, 7, err));
    expect_ok(spa_model_prepare(&model, &spa_backend_blas, err));
    expect_ok(spa_model_prepare(&model, backend, err));
    expect_ok(spa_session_init(&session, &model, SPA_BUFFERS_OWN, err));
    size_t bytes = spa_model_workspace_bytes(&model, &spa_backend_blas);
    size_t others = spa_model_workspace_bytes(&model, backend);
    expect_ok(spa_alloc_aligned(&workspace, bytes > others ? bytes : others, err));
    expect_ok(spa_alloc_aligned(&answer, session.memory_bytes, err));
    spa_session_fill_inputs(&session, 3, 0);
    for (size_t i = 0; i < graph.n_ops; i++) {
        size_t n = (size_t)spa_shape_elements(&graph.ops[i].out);
        if (graph.ops[i].kind == SPA_OP_RESHAPE) continue;
        expect_ok(spa_session_run_op(&session, &spa_backend_blas, i, workspace, err));
        memcpy(answer, session.outputs[i], n * sizeof(float));
        memset(session.outputs[i], 0xff, n * sizeof(float));
        expect_ok(spa_session_run_op(&session, backend, i, workspace, err));
        double nmse = spa_nmse(session.outputs[i], answer, n);
        cr_assert(nmse <= limit, "%s: %s: NMSE %g", name, graph.ops[i].name, nmse);
        memcpy(session.outputs[i], answer, n * sizeof(float));
    }
    free(answer);
    free(workspace);
    spa_session_fini(&session);
    spa_model_fini(&model);
    spa_graph_fini(&graph);
}

Test(kernels_cuda_plan, every_operator_of_mobilenet_v3_small_agrees)
{
    expect_model("mobilenet_v3_small", &plan_backend, AGREE_NMSE);
    expect_model("mobilenet_v3_small", &plan_backend_half, AGREE_HALF_NMSE);
}

Test(kernels_cuda_plan, every_operator_of_swin_t_agrees)
{
    expect_model("swin_t", &plan_backend, AGREE_NMSE);
}

Test(kernels_cuda_plan, every_allocation_may_fail)
{
    spa_graph g;
    spa_cuda_plan plan;
    spa_shape in = {4, {1, 3, 4, 4}};
    spa_error err = {0};
    cr_assert_eq(one_op(&g, SPA_OP_BATCH_NORM, NULL, &in, 1, NULL, &err), SPA_OK);
    for (long n = 0;; n++) {
        oom_fail_at(n);
        spa_status status = spa_cuda_plan_init(&plan, &g, &g.ops[0], params, true, &err);
        bool failed = oom_failed();
        oom_off();
        if (!failed) break;
        cr_assert_eq(status, SPA_E_NOMEM);
        cr_assert_null(plan.steps);
    }
    spa_cuda_plan_fini(&plan);
    spa_graph_fini(&g);
}
