/* Fused operators on real kernels: the answers of the graph they came from. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/part.h"
#include "kernels/steps.h"
#include "tests/kernels/agree.h"
#include "tests/kernels/plan_backend.h"
#include "tests/oom.h"
#include "tests/random_graph.h"
#include "traces/rewrite.h"

enum { SEED = 7 };

/* A graph with its weights, and one inference of it. */
typedef struct scene {
    const spa_graph *graph;
    spa_model model;
    spa_session session;
} scene;

/* Runs all operators, the i-th by backends[i % n]. */
static void infer(scene *s, const spa_graph *graph, const spa_backend *const *backends, size_t n)
{
    spa_error err = {0};
    size_t bytes = 0;
    void *workspace;
    s->graph = graph;
    cr_assert_eq(spa_model_init(&s->model, graph, SEED, &err), SPA_OK, "%s", err.message);
    for (size_t b = 0; b < n; b++) {
        cr_assert_eq(spa_model_prepare(&s->model, backends[b], &err), SPA_OK, "%s", err.message);
        size_t needs = spa_model_workspace_bytes(&s->model, backends[b]);
        if (needs > bytes) bytes = needs;
    }
    cr_assert_eq(spa_alloc_aligned(&workspace, bytes, &err), SPA_OK);
    cr_assert_eq(spa_session_init(&s->session, &s->model, SPA_BUFFERS_PLANNED, &err), SPA_OK);
    spa_session_fill_inputs(&s->session, 3, 0);
    for (size_t i = 0; i < graph->n_ops; i++) {
        memset(workspace, 0xff, bytes); /* NaN */
        cr_assert_eq(spa_session_run_op(&s->session, backends[i % n], i, workspace, &err), SPA_OK,
                     "%s", err.message);
    }
    free(workspace);
}

static void finish(scene *s)
{
    spa_session_fini(&s->session);
    spa_model_fini(&s->model);
}

static double distance(const scene *a, const scene *b)
{
    size_t last_a = a->graph->n_ops - 1, last_b = b->graph->n_ops - 1;
    size_t n = (size_t)spa_shape_elements(&b->graph->ops[last_b].out);
    cr_assert_eq((size_t)spa_shape_elements(&a->graph->ops[last_a].out), n);
    return sqrt(spa_nmse(spa_session_output(&a->session, last_a),
                         spa_session_output(&b->session, last_b), n));
}

/* Relative L2 distance of 1e-5: as much as the order of additions may do over a network. */
#define ENOUGH 1e-5

static void expect_same_answer(const char *model, const char *rewrite,
                               const spa_backend *const *backends, size_t n)
{
    spa_error err = {0};
    spa_graph plain, fused;
    scene a, b;
    cr_assert_eq(spa_zoo_build(&plain, model, 1, SPA_FP32, "relu50", &err), SPA_OK);
    cr_assert_eq(spa_rewrite_apply(&fused, &plain, rewrite, &err), SPA_OK, "%s", err.message);
    infer(&a, &plain, backends, n);
    infer(&b, &fused, backends, n);
    double d = distance(&b, &a);
    cr_log_info("%s %s %s%s: %g\n", model, rewrite, backends[0]->name, n > 1 ? "..." : "", d);
    cr_assert_leq(d, ENOUGH, "%s, %s, %s: %g", model, rewrite, backends[0]->name, d);
    finish(&a);
    finish(&b);
    spa_graph_fini(&plain);
    spa_graph_fini(&fused);
}

static void expect_same_answers(const char *model, const char *rewrite)
{
    const spa_backend *backends[SPA_MODEL_BACKENDS];
    size_t n = runnable_backends(backends);
    for (size_t i = 1; i < n; i++) /* all but ref, which takes minutes for these */
        expect_same_answer(model, rewrite, &backends[i], 1);
}

Test(steps, mobilenet_v3_small_fused_answers_as_unfused_on_every_backend)
{
    expect_same_answers("mobilenet_v3_small", "fold-bn");
    expect_same_answers("mobilenet_v3_small", "tvm");
    expect_same_answers("mobilenet_v3_small", "tensorrt");
}

Test(steps, resnet18_fused_answers_as_unfused_on_every_backend)
{
    expect_same_answers("resnet18", "tvm");
    expect_same_answers("resnet18", "tensorrt");
}

Test(steps, mobilenet_v2_fused_answers_as_unfused_on_every_backend)
{
    expect_same_answers("mobilenet_v2", "tvm");
    expect_same_answers("mobilenet_v2", "tensorrt");
}

Test(steps, swin_fused_answers_as_unfused_on_every_backend)
{
    expect_same_answers("swin_t", "tvm");
    expect_same_answers("swin_t", "tensorrt");
}

/* Lanes with other kernels, operator by operator: residuals come in the layout of whoever made
 * them. */
Test(steps, backends_may_take_turns)
{
    const spa_backend *backends[SPA_MODEL_BACKENDS];
    size_t n = runnable_backends(backends);
    expect_same_answer("resnet18", "tensorrt", backends + 1, n - 1);
    expect_same_answer("mobilenet_v3_small", "tvm", backends + 1, n - 1);
    expect_same_answer("mobilenet_v2", "tvm", backends + 1, n - 1);
}

/* ---- small ones, for ref too --------------------------------------------------------------- */

static int32_t conv(spa_graph *g, const char *name, int32_t from)
{
    spa_op_attrs a = {.kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1, .groups = 1};
    spa_shape out = {4, {0, 16, 0, 0}};
    int32_t index;
    a.dilation_h = a.dilation_w = a.pad_top = a.pad_left = a.pad_bottom = a.pad_right = 1;
    cr_assert_eq(spa_graph_add(g, name, SPA_OP_CONV, &a, &from, 1, &out, &index, NULL), SPA_OK);
    return index;
}

static int32_t op(spa_graph *g, const char *name, spa_op_kind kind, const spa_op_attrs *attrs,
                  int32_t from, const int32_t *second)
{
    int32_t inputs[2] = {from, second ? *second : 0}, index;
    spa_error err = {0};
    cr_assert_eq(spa_graph_add(g, name, kind, attrs, inputs, second ? 2 : 1, NULL, &index, &err),
                 SPA_OK, "%s", err.message);
    return index;
}

/* Every kind of step and of operand: before a reduction, constants, factors, tensors of the same
 * shape, a gate per channel, and a graph input; over images that oneDNN keeps in blocks. */
static void build_all_steps(spa_graph *g)
{
    const spa_op_attrs leaky = {.alpha = 0.1}, half = {.alpha = 0.5};
    const spa_op_attrs constant = {.param_shape = {3, {16, 1, 1}}, .param_learned = true};
    int32_t input = SPA_GRAPH_INPUT(0);
    spa_graph_init(g, "all-steps", 2, SPA_FP32);
    g->n_graph_inputs = 1;
    g->graph_inputs[0] = (spa_shape){4, {2, 16, 9, 9}};
    int32_t c0 = conv(g, "c0", input);
    int32_t b0 = op(g, "b0", SPA_OP_BATCH_NORM, NULL, c0, NULL);
    int32_t r0 = op(g, "r0", SPA_OP_LEAKY_RELU, &leaky, b0, NULL);
    int32_t act =
        op(g, "act", SPA_OP_MUL, &half, op(g, "sig", SPA_OP_SIGMOID, NULL, r0, NULL), NULL);
    int32_t gate = op(g, "gate", SPA_OP_GLOBAL_AVG_POOL, NULL, act, NULL);
    int32_t c1 = conv(g, "c1", r0);
    int32_t a1 = op(g, "a1", SPA_OP_ADD, &constant, c1, NULL);
    int32_t m1 = op(g, "m1", SPA_OP_MUL, NULL, a1, &gate);
    int32_t h1 = op(g, "h1", SPA_OP_HARD_SWISH, NULL, m1, NULL);
    int32_t c2 = conv(g, "c2", h1);
    int32_t s2 = op(g, "s2", SPA_OP_MUL, &half, c2, NULL);
    int32_t t2 = op(g, "t2", SPA_OP_ADD, NULL, s2, &r0);
    int32_t u2 = op(g, "u2", SPA_OP_ADD, NULL, t2, &input);
    int32_t g2 = op(g, "g2", SPA_OP_GELU, NULL, u2, NULL);
    int32_t c3 = conv(g, "c3", g2);
    op(g, "r3", SPA_OP_RELU6, NULL, op(g, "t3", SPA_OP_ADD, NULL, c3, &g2), NULL);
    cr_assert_eq(spa_graph_finish(g, NULL), SPA_OK);
}

Test(steps, every_step_and_operand_answers_as_unfused_on_every_backend)
{
    const spa_backend *backends[SPA_MODEL_BACKENDS];
    size_t n = runnable_backends(backends);
    spa_graph plain, fused;
    build_all_steps(&plain);
    cr_assert_eq(spa_rewrite_fuse_tvm(&fused, &plain, NULL), SPA_OK);
    cr_assert_eq(fused.n_ops, 5); /* c0, the gate with what is before it, c1, c2, c3 */
    cr_assert_eq(fused.ops[1].kind, SPA_OP_GLOBAL_AVG_POOL);
    cr_assert_eq(fused.ops[1].n_steps, 2);
    for (size_t i = 0; i <= n; i++) {
        scene a, b;
        infer(&a, &plain, &backends[0], 1); /* ref is the specification */
        infer(&b, &fused, i < n ? &backends[i] : backends, i < n ? 1 : n);
        double d = distance(&b, &a);
        cr_assert_leq(d, ENOUGH, "%s: %g", i < n ? backends[i]->name : "in turns", d);
        finish(&a);
        finish(&b);
    }
    spa_graph_fini(&plain);
    spa_graph_fini(&fused);
}

/* Without a batch norm to fold nothing is computed otherwise: bit for bit. */
Test(steps, in_ref_a_fused_graph_computes_what_its_operators_did)
{
    spa_graph plain, fused;
    const spa_backend *ref = &spa_backend_ref;
    scene a, b;
    int32_t input = SPA_GRAPH_INPUT(0);
    spa_graph_init(&plain, "exact", 1, SPA_FP32);
    plain.n_graph_inputs = 1;
    plain.graph_inputs[0] = (spa_shape){4, {1, 16, 5, 5}};
    int32_t h = op(&plain, "h", SPA_OP_HARD_SWISH, NULL, conv(&plain, "c", input), NULL);
    op(&plain, "s", SPA_OP_SIGMOID, NULL, op(&plain, "t", SPA_OP_ADD, NULL, h, &input), NULL);
    cr_assert_eq(spa_graph_finish(&plain, NULL), SPA_OK);
    cr_assert_eq(spa_rewrite_fuse_tvm(&fused, &plain, NULL), SPA_OK);
    cr_assert_eq(fused.n_ops, 1);
    infer(&a, &plain, &ref, 1);
    infer(&b, &fused, &ref, 1);
    cr_assert_eq(distance(&b, &a), 0);
    finish(&a);
    finish(&b);
    spa_graph_fini(&plain);
    spa_graph_fini(&fused);
}

/* One operator on random inputs, by `ref` with its steps and by a CUDA plan executed on the CPU. */
static double plan_distance(const spa_model *model, size_t index, const spa_backend *plan)
{
    const spa_op *o = &model->graph->ops[index];
    size_t n = (size_t)spa_shape_elements(&o->out);
    float *inputs[SPA_MAX_OP_INPUTS], *expected, *y;
    void *workspace, *state;
    spa_kernel_args args = {.graph = model->graph,
                            .op = o,
                            .inputs = (const float *const *)inputs,
                            .params =
                                (const float *const *)(model->params + index * SPA_MAX_PARAMS)};
    for (uint32_t i = 0; i < o->n_inputs; i++) {
        size_t m = (size_t)spa_shape_elements(spa_graph_input_shape(model->graph, o, i));
        cr_assert_eq(spa_alloc_aligned(&inputs[i], m * sizeof(float), NULL), SPA_OK);
        spa_fill_random(inputs[i], m, 5, index * 8 + i, 0.5);
    }
    size_t bytes = spa_kernel_workspace_bytes(&spa_backend_ref, model->graph, o);
    size_t of_plan = plan->workspace_bytes(model->graph, o);
    cr_assert_eq(spa_alloc_aligned(&workspace, bytes > of_plan ? bytes : of_plan, NULL), SPA_OK);
    cr_assert_eq(spa_alloc_aligned(&expected, n * sizeof(float), NULL), SPA_OK);
    cr_assert_eq(spa_alloc_aligned(&y, n * sizeof(float), NULL), SPA_OK);
    args.workspace = workspace;
    args.output = expected;
    cr_assert_eq(spa_kernel_run(&spa_backend_ref, &args, NULL, NULL), SPA_OK);
    cr_assert_eq(plan->prepare(model->graph, o, args.params, &state, NULL), SPA_OK);
    args.state = state;
    args.output = y;
    cr_assert_eq(plan->run(&args, NULL), SPA_OK);
    double nmse = spa_nmse(y, expected, n);
    plan->release(state);
    for (uint32_t i = 0; i < o->n_inputs; i++) free(inputs[i]);
    free(workspace);
    free(expected);
    free(y);
    return nmse;
}

Test(steps, cuda_plans_have_them_too)
{
    spa_graph plain, fused;
    spa_model model;
    build_all_steps(&plain);
    cr_assert_eq(spa_rewrite_fuse_tvm(&fused, &plain, NULL), SPA_OK);
    cr_assert_eq(spa_model_init(&model, &fused, SEED, NULL), SPA_OK);
    for (size_t i = 0; i < fused.n_ops; i++) {
        double nmse = plan_distance(&model, i, &plan_backend);
        cr_assert_leq(nmse, AGREE_NMSE, "%s: %g", fused.ops[i].name, nmse);
        nmse = plan_distance(&model, i, &plan_backend_direct);
        cr_assert_leq(nmse, AGREE_NMSE, "%s: %g", fused.ops[i].name, nmse);
    }
    spa_model_fini(&model);
    spa_graph_fini(&plain);
    spa_graph_fini(&fused);
}

Test(steps, what_cannot_run_them_says_so)
{
    spa_graph plain, fused;
    spa_cut cut;
    spa_error err = {0};
    build_all_steps(&plain);
    cr_assert_eq(spa_rewrite_fuse_tvm(&fused, &plain, NULL), SPA_OK);
    cr_assert_not(spa_op_divides(&fused.ops[0]));
    cr_assert_eq(spa_cut_of(&fused, &fused.ops[0], &cut, &err), SPA_E_UNSUPPORTED);
    cr_assert(strstr(err.message, "fused with others"), "%s", err.message);
    spa_graph_fini(&plain);
    spa_graph_fini(&fused);
}

Test(steps, every_failing_allocation_of_a_fused_model_is_a_clean_error)
{
    spa_graph plain, fused;
    build_all_steps(&plain);
    cr_assert_eq(spa_rewrite_fuse_tvm(&fused, &plain, NULL), SPA_OK);
    for (long n = 0;; n++) {
        spa_error err = {0};
        spa_model model;
        oom_fail_at(n);
        spa_status status = spa_model_init(&model, &fused, SEED, &err);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK);
            cr_assert_gt(n, 4);
            spa_model_fini(&model);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld: %s", n, err.message);
    }
    spa_graph_fini(&plain);
    spa_graph_fini(&fused);
}

Test(steps, random_graphs_fused_answer_as_unfused)
{
    static const char *const rewrites[] = {"fold-bn", "tvm", "tensorrt"};
    const spa_backend *backends[SPA_MODEL_BACKENDS];
    size_t n = runnable_backends(backends), fused_ops = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        spa_graph plain, fused;
        scene a, b;
        spa_error err = {0};
        cr_assert_eq(random_graph(&plain, seed, 40, &err), SPA_OK, "%s", err.message);
        cr_assert_eq(spa_rewrite_apply(&fused, &plain, rewrites[seed % 3], &err), SPA_OK);
        fused_ops += plain.n_ops - fused.n_ops;
        infer(&a, &plain, &backends[0], 1);
        infer(&b, &fused, backends, n);
        cr_assert_leq(distance(&b, &a), ENOUGH, "seed %d: %g", (int)seed, distance(&b, &a));
        finish(&a);
        finish(&b);
        spa_graph_fini(&plain);
        spa_graph_fini(&fused);
    }
    cr_assert_gt(fused_ops, 60);
}
