/* The kernels of an asynchronous device against the reference: every kind of operator, random
 * graphs, every model of the zoo, recorded graphs, memory that runs out. A line per check.
 *
 *     cuda_check [cuda|emulated] [INDEX]      default: cuda 0; emulated tries this program itself
 *
 * Without the device it says why and ends with 0 (skipped). */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/ref.h"
#include "kernels/clock.h"
#include "kernels/steps.h"
#include "tests/kernels/stream_rig.h"
#include "tests/random_graph.h"
#include "traces/rewrite.h"

static const spa_stream_device *device;
static spa_stream_config config;
static int checks, failures;

/* Relative L2 distances that are allowed: of one operator, and of a whole model's answer. */
static double op_limit(spa_dtype dtype)
{
    return dtype == SPA_FP16 ? 5e-3 : 1e-5;
}
static double model_limit(spa_dtype dtype)
{
    return dtype == SPA_FP16 ? 5e-2 : 1e-5;
}

static void report(bool good, const char *what, const char *format, ...) SPA_PRINTF(3, 4);
static void report(bool good, const char *what, const char *format, ...)
{
    char detail[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    checks++;
    failures += !good;
    printf("%-6s %-34s %s\n", good ? "ok" : "FAILED", what, detail);
    fflush(stdout);
}

/* ---- one operator after another ------------------------------------------------------------ */

typedef struct worst {
    double distance;
    const char *op; /* name of the worst operator, NULL before the first */
    spa_op_kind kind;
} worst;

/* Each operator of the rig's inference against `backend`, given the same inputs as it had. */
static spa_status compare_ops(const stream_rig *rig, spa_model *model, const spa_backend *backend,
                              worst *w, spa_error *err)
{
    const spa_graph *g = model->graph;
    float *expected;
    void *workspace, *state;
    spa_status status = SPA_OK;
    *w = (worst){0, NULL, SPA_OP_RELU};
    for (size_t i = 0; i < g->n_ops && status == SPA_OK; i++) {
        const spa_op *op = &g->ops[i];
        size_t n = (size_t)spa_shape_elements(&op->out);
        const float *const *params = (const float *const *)(model->params + i * SPA_MAX_PARAMS);
        if (op->kind == SPA_OP_RESHAPE) continue;
        SPA_TRY(backend->prepare(g, op, params, &state, err));
        SPA_TRY(spa_alloc_aligned(&workspace, spa_kernel_workspace_bytes(backend, g, op), err));
        SPA_TRY(spa_alloc_aligned(&expected, n * sizeof(float), err));
        spa_kernel_args args = {.graph = g,
                                .op = op,
                                .inputs = rig->session.inputs + op->first_input,
                                .params = params,
                                .state = state,
                                .output = expected,
                                .workspace = workspace};
        status = spa_kernel_run(backend, &args, NULL, err);
        double distance = sqrt(spa_nmse(rig->session.outputs[i], expected, n));
        if (w->op == NULL || !(distance <= w->distance)) *w = (worst){distance, op->name, op->kind};
        free(expected);
        free(workspace);
        backend->release(state);
        if (isnan(distance)) break;
    }
    return status;
}

/* A whole graph on the device, operator by operator with synchronisation, against `backend`. */
static void check_graph(const spa_graph *graph, spa_dtype dtype, const spa_backend *backend,
                        const char *what)
{
    spa_model model;
    stream_rig rig = {.device = device};
    spa_error err = {0};
    worst w = {0};
    spa_stream_config careful = config;
    careful.synchronous = true;
    spa_status status = spa_model_init(&model, graph, 9, &err);
    if (status != SPA_OK) {
        report(false, what, "%s", err.message);
        return;
    }
    status = stream_rig_init(&rig, device, &careful, &model, dtype, &err);
    if (status == SPA_OK) {
        spa_session_fill_inputs(&rig.session, 5, 0);
        status = stream_rig_infer(&rig, &err);
    }
    if (status == SPA_OK) status = compare_ops(&rig, &model, backend, &w, &err);
    if (status != SPA_OK)
        report(false, what, "%s", err.message);
    else
        report(w.distance <= op_limit(dtype), what, "worst %.1e (%s, %s)", w.distance,
               w.op ? w.op : "none", spa_op_kind_name(w.kind));
    stream_rig_fini(&rig);
    spa_model_fini(&model);
}

/* ---- kinds --------------------------------------------------------------------------------- */

typedef struct op_case {
    const char *what;
    spa_op_kind kind;
    spa_op_attrs attrs;
    size_t n_in;
    spa_shape in[3], out;
} op_case;

#define WINDOW(kh, kw, sh, sw, dh, dw, top, left, bottom, right)                                   \
    .kernel_h = kh, .kernel_w = kw, .stride_h = sh, .stride_w = sw, .dilation_h = dh,              \
    .dilation_w = dw, .pad_top = top, .pad_left = left, .pad_bottom = bottom, .pad_right = right
#define SHAPE4(a, b, c, d)                                                                         \
    {                                                                                              \
        4,                                                                                         \
        {                                                                                          \
            a, b, c, d                                                                             \
        }                                                                                          \
    }
#define SHAPE3(a, b, c)                                                                            \
    {                                                                                              \
        3,                                                                                         \
        {                                                                                          \
            a, b, c                                                                                \
        }                                                                                          \
    }

static const op_case cases[] = {
    {"conv 1x1",
     SPA_OP_CONV,
     {WINDOW(1, 1, 1, 1, 1, 1, 0, 0, 0, 0), .groups = 1, .has_bias = true},
     1,
     {SHAPE4(2, 13, 9, 11)},
     SHAPE4(2, 67, 0, 0)},
    {"conv 1x1 stride 2",
     SPA_OP_CONV,
     {WINDOW(1, 1, 2, 2, 1, 1, 0, 0, 0, 0), .groups = 1},
     1,
     {SHAPE4(1, 130, 7, 5)},
     SHAPE4(1, 130, 0, 0)},
    {"conv 3x3 bias",
     SPA_OP_CONV,
     {WINDOW(3, 3, 1, 1, 1, 1, 1, 1, 1, 1), .groups = 1, .has_bias = true},
     1,
     {SHAPE4(2, 64, 56, 56)},
     SHAPE4(2, 64, 0, 0)},
    {"conv 7x7 stride 2",
     SPA_OP_CONV,
     {WINDOW(7, 7, 2, 2, 1, 1, 3, 3, 3, 3), .groups = 1},
     1,
     {SHAPE4(1, 3, 224, 224)},
     SHAPE4(1, 64, 0, 0)},
    {"conv asymmetric pads",
     SPA_OP_CONV,
     {WINDOW(3, 5, 2, 3, 1, 1, 0, 2, 1, 1), .groups = 1, .has_bias = true},
     1,
     {SHAPE4(1, 6, 12, 10)},
     SHAPE4(1, 7, 0, 0)},
    {"conv dilated, asymmetric",
     SPA_OP_CONV,
     {WINDOW(3, 3, 1, 2, 2, 3, 2, 0, 3, 4), .groups = 1, .has_bias = true},
     1,
     {SHAPE4(1, 6, 14, 13)},
     SHAPE4(1, 7, 0, 0)},
    {"conv patches 4x4",
     SPA_OP_CONV,
     {WINDOW(4, 4, 4, 4, 1, 1, 0, 0, 0, 0), .groups = 1, .has_bias = true},
     1,
     {SHAPE4(1, 3, 224, 224)},
     SHAPE4(1, 96, 0, 0)},
    {"conv 3 groups",
     SPA_OP_CONV,
     {WINDOW(3, 3, 1, 1, 1, 1, 1, 1, 1, 1), .groups = 3, .has_bias = true},
     1,
     {SHAPE4(1, 12, 7, 9)},
     SHAPE4(1, 18, 0, 0)},
    {"conv depthwise 3x3",
     SPA_OP_CONV,
     {WINDOW(3, 3, 2, 2, 1, 1, 1, 1, 1, 1), .groups = 96},
     1,
     {SHAPE4(1, 96, 112, 112)},
     SHAPE4(1, 96, 0, 0)},
    {"conv depthwise 5x5 bias",
     SPA_OP_CONV,
     {WINDOW(5, 5, 2, 2, 1, 1, 2, 2, 2, 2), .groups = 5, .has_bias = true},
     1,
     {SHAPE4(2, 5, 19, 30)},
     SHAPE4(2, 5, 0, 0)},
    {"conv depthwise x2",
     SPA_OP_CONV,
     {WINDOW(3, 3, 2, 3, 2, 1, 1, 2, 0, 1), .groups = 4, .has_bias = true},
     1,
     {SHAPE4(1, 4, 13, 12)},
     SHAPE4(1, 8, 0, 0)},
    {"linear one row", SPA_OP_LINEAR, {.has_bias = true}, 1, {{2, {1, 1280}}}, {2, {1, 1000}}},
    {"linear 197 rows",
     SPA_OP_LINEAR,
     {.has_bias = true},
     1,
     {SHAPE3(1, 197, 768)},
     SHAPE3(1, 197, 770)},
    {"matmul", SPA_OP_MATMUL, {0}, 2, {SHAPE4(2, 3, 17, 9), SHAPE4(2, 3, 9, 21)}, {0}},
    {"matmul transposed",
     SPA_OP_MATMUL,
     {.transpose_b = true},
     2,
     {SHAPE4(1, 12, 197, 64), SHAPE4(1, 12, 197, 64)},
     {0}},
    {"batch_norm", SPA_OP_BATCH_NORM, {0}, 1, {SHAPE4(2, 7, 5, 9)}, {0}},
    {"layer_norm 768", SPA_OP_LAYER_NORM, {0}, 1, {SHAPE3(1, 197, 768)}, {0}},
    {"layer_norm 17", SPA_OP_LAYER_NORM, {0}, 1, {SHAPE3(1, 3, 17)}, {0}},
    {"softmax 197", SPA_OP_SOFTMAX, {0}, 1, {SHAPE4(1, 12, 197, 197)}, {0}},
    {"softmax 5", SPA_OP_SOFTMAX, {0}, 1, {SHAPE3(2, 9001, 5)}, {0}},
    {"relu", SPA_OP_RELU, {0}, 1, {SHAPE4(3, 64, 112, 112)}, {0}},
    {"relu6", SPA_OP_RELU6, {0}, 1, {SHAPE3(2, 5, 33)}, {0}},
    {"leaky_relu", SPA_OP_LEAKY_RELU, {.alpha = 0.1}, 1, {SHAPE3(2, 5, 33)}, {0}},
    {"hard_swish", SPA_OP_HARD_SWISH, {0}, 1, {SHAPE3(2, 5, 33)}, {0}},
    {"hard_sigmoid", SPA_OP_HARD_SIGMOID, {0}, 1, {SHAPE3(2, 5, 33)}, {0}},
    {"sigmoid", SPA_OP_SIGMOID, {0}, 1, {SHAPE3(2, 5, 33)}, {0}},
    {"gelu", SPA_OP_GELU, {0}, 1, {SHAPE3(2, 5, 33)}, {0}},
    {"max_pool",
     SPA_OP_MAX_POOL,
     {WINDOW(3, 3, 2, 2, 0, 0, 1, 1, 1, 1)},
     1,
     {SHAPE4(1, 64, 112, 112)},
     {0}},
    {"avg_pool",
     SPA_OP_AVG_POOL,
     {WINDOW(3, 2, 1, 3, 0, 0, 2, 1, 0, 0)},
     1,
     {SHAPE4(1, 2, 20, 40)},
     {0}},
    {"global_avg_pool", SPA_OP_GLOBAL_AVG_POOL, {0}, 1, {SHAPE4(2, 512, 7, 7)}, {0}},
    {"mean middle", SPA_OP_MEAN, {.axis = 1}, 1, {SHAPE3(3, 49, 768)}, {0}},
    {"mean last", SPA_OP_MEAN, {.axis = 2}, 1, {SHAPE3(3, 5, 1900)}, {0}},
    {"add", SPA_OP_ADD, {0}, 2, {SHAPE4(2, 3, 5, 7), SHAPE4(2, 3, 5, 7)}, {0}},
    {"add broadcast both", SPA_OP_ADD, {0}, 2, {SHAPE4(2, 1, 5, 1), SHAPE4(1, 3, 1, 7)}, {0}},
    {"add parameter",
     SPA_OP_ADD,
     {.param_shape = SHAPE4(2, 3, 1, 1), .param_learned = true},
     1,
     {SHAPE4(2, 3, 5, 7)},
     {0}},
    {"mul per channel", SPA_OP_MUL, {0}, 2, {SHAPE4(2, 3, 5, 7), SHAPE4(2, 3, 1, 1)}, {0}},
    {"mul by a factor", SPA_OP_MUL, {.alpha = 0.125}, 1, {SHAPE4(2, 3, 5, 7)}, {0}},
    {"concat channels",
     SPA_OP_CONCAT,
     {.axis = 1},
     3,
     {SHAPE3(2, 5, 6), SHAPE3(2, 3, 6), SHAPE3(2, 5, 6)},
     {0}},
    {"concat token",
     SPA_OP_CONCAT,
     {.axis = 1, .param_shape = SHAPE3(1, 1, 6), .param_learned = true},
     1,
     {SHAPE3(2, 5, 6)},
     {0}},
    {"slice",
     SPA_OP_SLICE,
     {.begin = {0, 1, 2, 0}, .step = {1, 2, 3, 1}},
     1,
     {SHAPE4(2, 6, 9, 5)},
     SHAPE4(2, 2, 3, 5)},
    {"pad", SPA_OP_PAD, {.begin = {0, 1, 2, 0}}, 1, {SHAPE4(2, 6, 9, 5)}, SHAPE4(2, 7, 13, 8)},
    {"roll", SPA_OP_ROLL, {.begin = {0, -3, 4, 1}}, 1, {SHAPE4(2, 6, 9, 5)}, {0}},
    {"transpose", SPA_OP_TRANSPOSE, {.perm = {0, 3, 1, 2}}, 1, {SHAPE4(2, 6, 9, 5)}, {0}},
    {"upsample", SPA_OP_UPSAMPLE, {.stride_h = 2, .stride_w = 3}, 1, {SHAPE4(2, 6, 9, 5)}, {0}},
    {"gather", SPA_OP_GATHER, {.param_shape = {2, {169, 3}}, .param_learned = true}, 0, {{0}}, {0}},
};

static void check_case(const op_case *c, spa_dtype dtype)
{
    spa_graph graph;
    spa_error err = {0};
    char what[96];
    const int32_t inputs[] = {SPA_GRAPH_INPUT(0), SPA_GRAPH_INPUT(1), SPA_GRAPH_INPUT(2)};
    snprintf(what, sizeof what, "%s %s", spa_dtype_name(dtype), c->what);
    spa_graph_init(&graph, "one", 1, SPA_FP32);
    graph.n_graph_inputs = c->n_in;
    for (size_t i = 0; i < c->n_in; i++) graph.graph_inputs[i] = c->in[i];
    spa_status status = spa_graph_add(&graph, "x", c->kind, &c->attrs, inputs, c->n_in,
                                      c->out.rank > 0 ? &c->out : NULL, NULL, &err);
    if (status == SPA_OK) status = spa_graph_finish(&graph, &err);
    if (status == SPA_OK)
        check_graph(&graph, dtype, &spa_backend_ref, what);
    else
        report(false, what, "the case itself: %s", err.message);
    spa_graph_fini(&graph);
}

static void check_kinds_covered(void)
{
    for (int kind = 0; kind < SPA_OP_KIND_COUNT; kind++) {
        spa_op op = {.kind = (spa_op_kind)kind};
        if (spa_ref_is_generic(op.kind)) continue; /* for cores only */
        bool found = kind == SPA_OP_RESHAPE || !spa_backend_ref.supports(NULL, &op);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            found = found || (int)cases[i].kind == kind;
        if (!found) report(false, spa_op_kind_name((spa_op_kind)kind), "has no case here");
    }
}

/* ---- models -------------------------------------------------------------------------------- */

/* The answer of one inference by `blas` on the calling thread. */
static spa_status answer_on_cpu(spa_model *model, const stream_rig *rig, spa_session *session,
                                spa_error *err)
{
    const spa_graph *g = model->graph;
    const spa_backend **backends;
    void *workspace = NULL;
    SPA_TRY(spa_model_prepare(model, &spa_backend_blas, err));
    SPA_TRY(spa_session_init(session, model, SPA_BUFFERS_OWN, err));
    SPA_TRY(spa_alloc(&backends, g->n_ops, sizeof *backends, err));
    for (size_t i = 0; i < g->n_ops; i++) backends[i] = &spa_backend_blas;
    for (size_t k = 0; k < g->n_graph_inputs; k++)
        memcpy(session->graph_inputs[k], rig->session.graph_inputs[k],
               (size_t)spa_shape_elements(&g->graph_inputs[k]) * sizeof(float));
    spa_status status =
        spa_alloc_aligned(&workspace, spa_model_workspace_bytes(model, &spa_backend_blas), err);
    if (status == SPA_OK) status = spa_session_run(session, backends, workspace, NULL, NULL, err);
    free(workspace);
    free(backends);
    return status;
}

/* Times one inference: the shortest of some, operators enqueued one by one or as one graph. */
static spa_status time_inference(stream_rig *rig, spa_stream_graph *graph, double *ms,
                                 spa_error *err)
{
    *ms = INFINITY;
    for (int run = 0; run < 10; run++) {
        int64_t begin = spa_clock_ns();
        if (graph)
            SPA_TRY(device->launch(graph, err));
        else
            SPA_TRY(stream_rig_ops(rig, NULL, err));
        SPA_TRY(device->synchronise(rig->compute, err));
        double took = (double)(spa_clock_ns() - begin) * 1e-6;
        if (took < *ms) *ms = took;
    }
    return SPA_OK;
}

static spa_status fetch_answer(stream_rig *rig, spa_error *err)
{
    size_t last = rig->session.model->graph->n_ops - 1;
    size_t n = (size_t)spa_shape_elements(&rig->session.model->graph->ops[last].out);
    memset(rig->session.outputs[last], 0xff, n * sizeof(float)); /* NaN */
    SPA_TRY(
        stream_rig_copy(rig, rig->compute, SPA_COPY_TO_HOST, rig->session.outputs[last], n, err));
    return device->synchronise(rig->compute, err);
}

static spa_status run_model(stream_rig *rig, spa_model *model, spa_session *cpu, double *distance,
                            double *graph_distance, double ms[2], spa_error *err)
{
    size_t last = model->graph->n_ops - 1;
    size_t n = (size_t)spa_shape_elements(&model->graph->ops[last].out);
    spa_stream_graph *graph;
    SPA_TRY(stream_rig_infer(rig, err));
    SPA_TRY(answer_on_cpu(model, rig, cpu, err));
    *distance = sqrt(spa_nmse(rig->session.outputs[last], cpu->outputs[last], n));
    SPA_TRY(time_inference(rig, NULL, &ms[0], err));
    SPA_TRY(stream_rig_ops(rig, &graph, err));
    spa_status status = time_inference(rig, graph, &ms[1], err);
    if (status == SPA_OK) status = fetch_answer(rig, err);
    *graph_distance = sqrt(spa_nmse(rig->session.outputs[last], cpu->outputs[last], n));
    device->graph_free(graph);
    return status;
}

static void check_model_answer(const spa_graph *graph, spa_dtype dtype, const char *what)
{
    spa_model model;
    spa_session cpu = {0};
    stream_rig rig = {.device = device};
    spa_error err = {0};
    double distance = NAN, graph_distance = NAN, ms[2] = {0};
    spa_status status = spa_model_init(&model, graph, 9, &err);
    if (status == SPA_OK) {
        status = stream_rig_init(&rig, device, &config, &model, dtype, &err);
        if (status == SPA_OK) {
            spa_session_fill_inputs(&rig.session, 5, 0);
            status = run_model(&rig, &model, &cpu, &distance, &graph_distance, ms, &err);
        }
        stream_rig_fini(&rig);
        spa_session_fini(&cpu);
        spa_model_fini(&model);
    }
    if (status != SPA_OK) {
        report(false, what, "%s", err.message);
        return;
    }
    double limit = model_limit(dtype);
    report(distance <= limit && graph_distance <= limit, what,
           "answer %.1e, as a graph %.1e; %.3f ms, as a graph %.3f ms", distance, graph_distance,
           ms[0], ms[1]);
}

/* Fused operators: their steps on the device against those on the cores. */
static void check_fused(const spa_graph *graph, const char *rewrite, spa_dtype dtype)
{
    spa_graph fused;
    spa_error err = {0};
    char what[96];
    snprintf(what, sizeof what, "%s %s, %s", spa_dtype_name(dtype), graph->name, rewrite);
    if (spa_rewrite_apply(&fused, graph, rewrite, &err) != SPA_OK) {
        report(false, what, "%s", err.message);
        return;
    }
    check_graph(&fused, dtype, &spa_backend_blas, what);
    spa_graph_fini(&fused);
}

static void check_zoo(spa_dtype dtype)
{
    size_t count;
    const spa_model_info *models = spa_zoo_models(&count);
    for (size_t i = 0; i < count; i++) {
        spa_graph graph;
        spa_error err = {0};
        char what[96];
        if (spa_zoo_build(&graph, models[i].name, 1, SPA_FP32, "relu50", &err) != SPA_OK) {
            report(false, models[i].name, "%s", err.message);
            continue;
        }
        snprintf(what, sizeof what, "%s %s, operators", spa_dtype_name(dtype), models[i].name);
        check_graph(&graph, dtype, &spa_backend_blas, what); /* blas agrees with ref to 1e-13 */
        snprintf(what, sizeof what, "%s %s, whole", spa_dtype_name(dtype), models[i].name);
        check_model_answer(&graph, dtype, what);
        check_fused(&graph, "tensorrt", dtype);
        check_fused(&graph, "tvm", dtype);
        spa_graph_fini(&graph);
    }
}

static void check_random(spa_dtype dtype)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        spa_graph graph;
        spa_error err = {0};
        char what[96];
        snprintf(what, sizeof what, "%s random graph %d", spa_dtype_name(dtype), (int)seed);
        if (random_graph(&graph, seed, 25, &err) != SPA_OK) {
            report(false, what, "%s", err.message);
            continue;
        }
        check_graph(&graph, dtype, &spa_backend_ref, what);
        spa_graph_fini(&graph);
    }
}

/* ---- the device itself --------------------------------------------------------------------- */

static void check_memory(void)
{
    spa_accelerator *a;
    spa_error err = {0};
    void *memory = NULL;
    if (device->open(&config, &a, &err) != SPA_OK) {
        report(false, "device", "%s", err.message);
        return;
    }
    char text[256];
    device->describe(a, text, sizeof text);
    printf("device: %s%s\n", text, a->shares_memory ? ", shares memory with the host" : "");
    spa_status status = device->alloc(a, (size_t)1 << 46, &memory, &err);
    report(status == SPA_E_NOMEM && memory == NULL, "memory that runs out", "%s",
           status == SPA_E_NOMEM ? err.message : "64 TiB were allocated, or another error");
    status = device->alloc(a, (size_t)1 << 20, &memory, &err);
    report(status == SPA_OK, "memory after that", "%s", status ? err.message : "1 MiB allocated");
    device->release(a, memory);
    device->close(a);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "cuda";
    spa_error err = {0};
    config = spa_stream_config_default();
    config.index = argc > 2 ? atoi(argv[2]) : 0;
    if (argc > 3) {
        fprintf(stderr, "usage: %s [cuda|emulated] [INDEX]\n", argv[0]);
        return 2;
    }
    spa_status status = spa_stream_device_find(name, config.index, &device, &err);
    if (status == SPA_E_UNSUPPORTED) {
        printf("cuda_check: skipped: %s\n", err.message);
        return 0;
    }
    if (status != SPA_OK) {
        fprintf(stderr, "cuda_check: %s\n", err.message);
        return 2;
    }
    check_memory();
    check_kinds_covered();
    static const spa_dtype dtypes[] = {SPA_FP32, SPA_FP16};
    for (size_t d = 0; d < 2; d++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            check_case(&cases[i], dtypes[d]);
        check_random(dtypes[d]);
        check_zoo(dtypes[d]);
    }
    printf("cuda_check: %d checks, %d failed\n", checks, failures);
    return failures != 0;
}
