#include "tests/kernels/plan_backend.h"

#include <cblas.h>
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/plan.h"
#include "kernels/dims.h"
#include "kernels/half.h"

#define PLAN_T              float
#define PLAN_LOAD(p, i)     ((p)[i])
#define PLAN_STORE(p, i, v) ((p)[i] = (v))
#define PLAN_NAME(name)     name##_f32
#include "tests/kernels/plan_steps.h"

#define PLAN_T              spa_half
#define PLAN_LOAD(p, i)     spa_half_to_float((p)[i])
#define PLAN_STORE(p, i, v) ((p)[i] = spa_half_from_float(v))
#define PLAN_NAME(name)     name##_f16
#include "tests/kernels/plan_steps.h"

typedef struct plan_state {
    spa_cuda_plan plan;
    bool half;
    void *params[SPA_MAX_PARAMS]; /* as on the device */
} plan_state;

static void *alloc(size_t bytes)
{
    void *memory;
    cr_assert_eq(spa_alloc_aligned(&memory, bytes, NULL), SPA_OK);
    memset(memory, 0xff, bytes);
    return memory;
}

static spa_half *halves(const float *x, size_t n)
{
    spa_half *h = alloc(n * sizeof *h);
    for (size_t i = 0; i < n; i++) h[i] = spa_half_from_float(x[i]);
    return h;
}

static float *floats(const void *x, size_t n, bool half)
{
    float *f = alloc(n * sizeof *f);
    for (size_t i = 0; i < n; i++)
        f[i] = half ? spa_half_to_float(((const spa_half *)x)[i]) : ((const float *)x)[i];
    return f;
}

/* ---- products ------------------------------------------------------------------------------ */

/* Elements that BLAS reads or writes of a column-major rows x columns matrix. */
static size_t extent(int32_t rows, int32_t columns, int32_t leading)
{
    cr_assert_geq(leading, rows, "leading dimension %d of %d rows", (int)leading, (int)rows);
    return (size_t)(columns - 1) * (size_t)leading + (size_t)rows;
}

static void gemm(const spa_gemm_args *g, const void *a, const void *b, void *c, bool half)
{
    size_t size = half ? sizeof(spa_half) : sizeof(float);
    size_t na = g->transpose_a ? extent(g->k, g->m, g->lda) : extent(g->m, g->k, g->lda);
    size_t nb = g->transpose_b ? extent(g->n, g->k, g->ldb) : extent(g->k, g->n, g->ldb);
    size_t nc = extent(g->m, g->n, g->ldc);
    for (int32_t i = 0; i < g->batch; i++) {
        float *fa = floats((const char *)a + (size_t)(i * g->stride_a) * size, na, half);
        float *fb = floats((const char *)b + (size_t)(i * g->stride_b) * size, nb, half);
        float *fc = alloc(nc * sizeof(float));
        char *to = (char *)c + (size_t)(i * g->stride_c) * size;
        cblas_sgemm(CblasColMajor, g->transpose_a ? CblasTrans : CblasNoTrans,
                    g->transpose_b ? CblasTrans : CblasNoTrans, g->m, g->n, g->k, 1, fa, g->lda, fb,
                    g->ldb, 0, fc, g->ldc);
        for (size_t k = 0; k < nc; k++) {
            if (half)
                ((spa_half *)to)[k] = spa_half_from_float(fc[k]);
            else
                ((float *)to)[k] = fc[k];
        }
        free(fa);
        free(fb);
        free(fc);
    }
}

/* ---- running ------------------------------------------------------------------------------- */

static void run_steps(const plan_state *state, void *const *inputs, void *output, void *workspace)
{
    const spa_cuda_plan *plan = &state->plan;
    for (size_t i = 0; i < plan->n_steps; i++) {
        const spa_cuda_step *s = &plan->steps[i];
        void *in[3] = {NULL};
        for (int k = 0; k < 3; k++) {
            if (s->in[k].space == SPA_CUDA_INPUT) in[k] = inputs[s->in[k].index];
            if (s->in[k].space == SPA_CUDA_PARAM) in[k] = state->params[s->in[k].index];
            if (s->in[k].space == SPA_CUDA_OUTPUT) in[k] = output;
            if (s->in[k].space == SPA_CUDA_WORKSPACE) in[k] = workspace;
        }
        void *out = s->out.space == SPA_CUDA_WORKSPACE ? workspace : output;
        if (s->kind == SPA_CUDA_GEMM) {
            gemm(&s->args.gemm, in[0], in[1], out, state->half);
        } else if (s->kind == SPA_CUDA_CONV) {
            if (state->half)
                conv_f16(&s->args.conv, in[0], in[1], out);
            else
                conv_f32(&s->args.conv, in[0], in[1], out);
        } else {
            cr_assert(s->launch.blocks >= 1 && s->launch.threads % 32 == 0 &&
                      s->launch.threads >= 32 && s->launch.threads <= 1024);
            if (state->half)
                own_f16(s, in, out);
            else
                own_f32(s, in, out);
        }
    }
}

static spa_status run(const spa_kernel_args *args, spa_error *err)
{
    const plan_state *state = args->state;
    const spa_op *op = args->op;
    void *inputs[SPA_MAX_OP_INPUTS];
    if (!state->half) {
        for (uint32_t i = 0; i < op->n_inputs; i++) inputs[i] = (void *)args->inputs[i];
        run_steps(state, inputs, args->output, args->workspace);
        return SPA_OK;
    }
    size_t n = spa_shape_count(&op->out);
    spa_half *output = alloc(n * sizeof *output);
    for (uint32_t i = 0; i < op->n_inputs; i++)
        inputs[i] =
            halves(args->inputs[i], spa_shape_count(spa_graph_input_shape(args->graph, op, i)));
    run_steps(state, inputs, output, args->workspace);
    for (size_t i = 0; i < n; i++) args->output[i] = spa_half_to_float(output[i]);
    for (uint32_t i = 0; i < op->n_inputs; i++) free(inputs[i]);
    free(output);
    return SPA_OK;
}

static spa_status prepare_as(const spa_graph *graph, const spa_op *op, const float *const *params,
                             bool library_conv, bool half, void **out, spa_error *err)
{
    plan_state *state;
    SPA_TRY(spa_alloc(&state, 1, sizeof *state, err));
    spa_status status = spa_cuda_plan_init(&state->plan, graph, op, params, library_conv, err);
    if (status != SPA_OK) {
        free(state);
        return status;
    }
    state->half = half;
    for (size_t p = 0; p < state->plan.n_params; p++) {
        const spa_cuda_param *q = &state->plan.params[p];
        state->params[p] = half && !q->wide ? (void *)halves(q->data, q->count)
                                            : (void *)floats(q->data, q->count, false);
    }
    *out = state;
    return SPA_OK;
}

static spa_status prepare(const spa_graph *graph, const spa_op *op, const float *const *params,
                          void **state, spa_error *err)
{
    return prepare_as(graph, op, params, true, false, state, err);
}

static spa_status prepare_direct(const spa_graph *graph, const spa_op *op,
                                 const float *const *params, void **state, spa_error *err)
{
    return prepare_as(graph, op, params, false, false, state, err);
}

static spa_status prepare_half(const spa_graph *graph, const spa_op *op, const float *const *params,
                               void **state, spa_error *err)
{
    return prepare_as(graph, op, params, true, true, state, err);
}

static void release(void *state)
{
    plan_state *s = state;
    if (s == NULL) return;
    for (size_t p = 0; p < SPA_MAX_PARAMS; p++) free(s->params[p]);
    spa_cuda_plan_fini(&s->plan);
    free(s);
}

/* Only explicit padding, of convolutions, and steps before a reduction take any. */
static size_t workspace_bytes(const spa_graph *graph, const spa_op *op)
{
    static const float *const none[SPA_MAX_PARAMS];
    spa_cuda_plan plan;
    if (op->kind != SPA_OP_CONV && op->n_steps == 0) return 0;
    cr_assert_eq(spa_cuda_plan_init(&plan, graph, op, none, true, NULL), SPA_OK);
    size_t bytes = plan.workspace_elements * sizeof(float);
    spa_cuda_plan_fini(&plan);
    return bytes;
}

static spa_status probe(spa_error *err)
{
    return SPA_OK;
}

static bool supports(const spa_graph *graph, const spa_op *op)
{
    return spa_cuda_supports(op->kind);
}

static void describe(char *text, size_t size)
{
    snprintf(text, size, "CUDA plans executed on the CPU");
}

#define PLAN_BACKEND(name_, prepare_)                                                              \
    {                                                                                              \
        .name = name_, .summary = "CUDA plans on the CPU", .probe = probe, .supports = supports,   \
        .prepare = prepare_, .release = release, .workspace_bytes = workspace_bytes, .run = run,   \
        .describe = describe                                                                       \
    }
const spa_backend plan_backend = PLAN_BACKEND("plan", prepare);
const spa_backend plan_backend_direct = PLAN_BACKEND("plan-direct", prepare_direct);
const spa_backend plan_backend_half = PLAN_BACKEND("plan-half", prepare_half);
