/* Response of kernels to zeros in their input. */
#include <stdlib.h>
#include <string.h>

#include "base/stats.h"
#include "kernels/clock.h"
#include "kernels/measure.h"
#include "kernels/model.h"

const double spa_response_zeros[SPA_RESPONSE_LEVELS] = {0,    0.25, 0.50, 0.60,
                                                        0.70, 0.80, 0.90, 0.95};

/* Larger than the caches of a core and its share of the last level. */
#define EVICT_BYTES ((size_t)48 << 20)

/* Shapes of layers in the middle of the five models. */
typedef struct response_case {
    spa_op_kind kind;
    const char *shape_class;
    int32_t channels, side, out_channels, kernel, groups; /* convolutions */
    int32_t batch, rows, k, m;                            /* linear, matmul */
} response_case;

static const response_case cases[] = {
    {.kind = SPA_OP_CONV,
     .shape_class = "3x3",
     .channels = 128,
     .side = 28,
     .out_channels = 128,
     .kernel = 3,
     .groups = 1},
    {.kind = SPA_OP_CONV,
     .shape_class = "1x1",
     .channels = 256,
     .side = 28,
     .out_channels = 256,
     .kernel = 1,
     .groups = 1},
    {.kind = SPA_OP_CONV,
     .shape_class = "1x1-narrow",
     .channels = 144,
     .side = 56,
     .out_channels = 24,
     .kernel = 1,
     .groups = 1},
    {.kind = SPA_OP_CONV,
     .shape_class = "large-k",
     .channels = 512,
     .side = 7,
     .out_channels = 512,
     .kernel = 3,
     .groups = 1},
    {.kind = SPA_OP_CONV,
     .shape_class = "depthwise",
     .channels = 192,
     .side = 28,
     .out_channels = 192,
     .kernel = 3,
     .groups = 192},
    {.kind = SPA_OP_LINEAR, .shape_class = "rows", .rows = 197, .k = 768, .m = 768},
    {.kind = SPA_OP_LINEAR, .shape_class = "vector", .rows = 1, .k = 1280, .m = 1000},
    {.kind = SPA_OP_MATMUL, .shape_class = "any", .batch = 12, .rows = 197, .k = 197, .m = 64},
};

size_t spa_response_count(void)
{
    return sizeof cases / sizeof cases[0];
}

static spa_status build(spa_graph *graph, const response_case *c, spa_error *err)
{
    int32_t index, inputs[2] = {SPA_GRAPH_INPUT(0), SPA_GRAPH_INPUT(1)};
    spa_op_attrs attrs = {0};
    spa_shape out = {0};
    size_t n_inputs = 1;
    spa_graph_init(graph, c->shape_class, 1, SPA_FP32);
    if (c->kind == SPA_OP_CONV) {
        graph->graph_inputs[0] = (spa_shape){4, {1, c->channels, c->side, c->side}};
        attrs.kernel_h = attrs.kernel_w = c->kernel;
        attrs.stride_h = attrs.stride_w = attrs.dilation_h = attrs.dilation_w = 1;
        attrs.pad_top = attrs.pad_left = attrs.pad_bottom = attrs.pad_right = c->kernel / 2;
        attrs.groups = c->groups;
        out = (spa_shape){4, {1, c->out_channels, c->side, c->side}};
    } else if (c->kind == SPA_OP_LINEAR) {
        graph->graph_inputs[0] = (spa_shape){2, {c->rows, c->k}};
        out = (spa_shape){2, {c->rows, c->m}};
    } else {
        graph->graph_inputs[0] = (spa_shape){3, {c->batch, c->rows, c->k}};
        graph->graph_inputs[1] = (spa_shape){3, {c->batch, c->k, c->m}};
        out = (spa_shape){3, {c->batch, c->rows, c->m}};
        n_inputs = 2;
    }
    graph->n_graph_inputs = n_inputs;
    spa_status status =
        spa_graph_add(graph, "op", c->kind, &attrs, inputs, n_inputs, &out, &index, err);
    if (status == SPA_OK) status = spa_graph_finish(graph, err);
    if (status != SPA_OK) spa_graph_fini(graph);
    return status;
}

typedef struct response_job {
    const spa_backend *backend;
    spa_session *sessions; /* [SPA_RESPONSE_LEVELS] */
    void *workspace;
    unsigned char *evict; /* [EVICT_BYTES] */
    int32_t rounds;
    double *us; /* [SPA_RESPONSE_LEVELS][rounds] */
    float touched;
    spa_status status;
    spa_error error;
} response_job;

/* Weights and everything else out of the caches; then the input in, as its producer would leave
 * it. */
static void make_cold(response_job *job, const spa_session *session)
{
    for (size_t i = 0; i < EVICT_BYTES; i += 64) job->evict[i]++;
    const spa_graph *graph = session->model->graph;
    for (size_t k = 0; k < graph->n_graph_inputs; k++) {
        size_t n = (size_t)spa_shape_elements(&graph->graph_inputs[k]);
        for (size_t i = 0; i < n; i += 16) job->touched += session->graph_inputs[k][i];
    }
}

/* Levels take turns, so that drifts of the machine meet all. */
static void response_run(void *context)
{
    response_job *job = context;
    job->status = SPA_OK;
    for (int32_t r = -1; r < job->rounds; r++) { /* round -1 warms up */
        for (int i = 0; i < SPA_RESPONSE_LEVELS && job->status == SPA_OK; i++) {
            make_cold(job, &job->sessions[i]);
            int64_t before = spa_clock_ns();
            job->status =
                spa_session_run_op(&job->sessions[i], job->backend, 0, job->workspace, &job->error);
            if (r >= 0) job->us[i * job->rounds + r] = (double)(spa_clock_ns() - before) * 1e-3;
        }
    }
}

/* Only the first input gets zeros (a product's second operand is what weights are elsewhere). */
static spa_status init_sessions(spa_session *sessions, const spa_model *model, spa_error *err)
{
    for (int i = 0; i < SPA_RESPONSE_LEVELS; i++) {
        SPA_TRY(spa_session_init(&sessions[i], model, SPA_BUFFERS_OWN, err));
        spa_session_fill_inputs(&sessions[i], 1, 0);
        spa_fill_random(sessions[i].graph_inputs[0],
                        (size_t)spa_shape_elements(&model->graph->graph_inputs[0]), 1, 2,
                        spa_response_zeros[i]);
    }
    return SPA_OK;
}

static spa_status measure(spa_worker *worker, spa_model *model, response_job *job, spa_error *err)
{
    SPA_TRY(spa_model_prepare(model, job->backend, err));
    SPA_TRY(
        spa_alloc_aligned(&job->workspace, spa_model_workspace_bytes(model, job->backend), err));
    SPA_TRY(spa_alloc(&job->us, SPA_RESPONSE_LEVELS, (size_t)job->rounds * sizeof(double), err));
    SPA_TRY(spa_alloc(&job->evict, EVICT_BYTES, 1, err));
    SPA_TRY(init_sessions(job->sessions, model, err));
    spa_worker_start(worker, response_run, job);
    spa_worker_wait(worker);
    if (job->status != SPA_OK && err != NULL) *err = job->error;
    return job->status;
}

spa_status spa_measure_response(spa_worker *worker, const spa_backend *backend, size_t index,
                                int32_t rounds, spa_trace_response out[SPA_RESPONSE_LEVELS],
                                spa_error *err)
{
    const response_case *c = &cases[index];
    spa_graph graph;
    spa_model model = {0};
    spa_session sessions[SPA_RESPONSE_LEVELS] = {{0}};
    response_job job = {.backend = backend, .sessions = sessions, .rounds = rounds};
    SPA_TRY(build(&graph, c, err));
    spa_status status = spa_model_init(&model, &graph, 1, err);
    if (status == SPA_OK) status = measure(worker, &model, &job, err);
    double dense = status == SPA_OK ? spa_median(job.us, (size_t)rounds) : 0;
    for (int i = 0; i < SPA_RESPONSE_LEVELS && status == SPA_OK; i++)
        out[i] = (spa_trace_response){
            .kind = c->kind,
            .shape_class = c->shape_class,
            .input_zeros = spa_response_zeros[i],
            .speedup =
                i == 0 ? 1
                       : round(1e3 * dense / spa_median(job.us + i * rounds, (size_t)rounds)) / 1e3,
            .origin = SPA_ORIGIN_MEASURED,
        };
    for (int i = 0; i < SPA_RESPONSE_LEVELS; i++) spa_session_fini(&sessions[i]);
    free(job.workspace);
    free(job.us);
    free(job.evict);
    spa_model_fini(&model);
    spa_graph_fini(&graph);
    return status;
}
