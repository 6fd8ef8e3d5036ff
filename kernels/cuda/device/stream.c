/* Streams: making them ready, operators, copies. */
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/device/launch.h"
#include "kernels/cuda/device/state.h"

/* What cuBLAS asks for on the largest GPUs (32 MiB on Hopper, 4 MiB before; cuBLAS documentation,
 * cublasSetWorkspace). One of our own keeps it from allocating while a graph is recorded. */
#define BLAS_WORKSPACE_BYTES ((size_t)32 << 20)

spa_status spa_cuda_stream_new(spa_accelerator *accelerator, spa_stream **out, spa_error *err)
{
    cuda_device *d = (cuda_device *)accelerator;
    cuda_stream *s;
    *out = NULL;
    SPA_TRY(spa_cuda_enter(d, err));
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    s->device = d;
    spa_status status = spa_cuda_check(cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking),
                                       "making a stream", NULL, err);
    if (status != SPA_OK) {
        free(s);
        return status;
    }
    *out = (spa_stream *)s;
    return SPA_OK;
}

void spa_cuda_stream_free(spa_stream *stream)
{
    cuda_stream *s = (cuda_stream *)stream;
    if (s == NULL) return;
    cuda_device *d = s->device;
    (void)cudaSetDevice(d->config.index);
    if (s->capturing) {
        cudaGraph_t graph = NULL;
        if (cudaStreamEndCapture(s->stream, &graph) == cudaSuccess && graph != NULL)
            (void)cudaGraphDestroy(graph);
    }
    (void)cudaStreamSynchronize(s->stream);
    if (s->blas != NULL) (void)d->lib->cublasDestroy_v2(s->blas);
    if (s->dnn != NULL) (void)d->lib->cudnnDestroy(s->dnn);
    spa_cuda_release(&d->base, s->blas_workspace);
    spa_cuda_release(&d->base, s->workspace);
    (void)cudaStreamDestroy(s->stream);
    (void)cudaGetLastError();
    free(s);
}

/* A handle per stream: setting the stream of a shared one would put back its workspace. */
static spa_status make_handles(cuda_stream *s, spa_error *err)
{
    cuda_device *d = s->device;
    const spa_cuda_libraries *l = d->lib;
    if (s->blas_workspace != NULL) return SPA_OK;
    if (s->blas == NULL)
        SPA_TRY(spa_cublas_check(d, l->cublasCreate_v2(&s->blas), "starting", NULL, err));
    if (s->dnn == NULL) SPA_TRY(spa_cudnn_check(d, l->cudnnCreate(&s->dnn), "starting", NULL, err));
    SPA_TRY(spa_cublas_check(d, l->cublasSetStream_v2(s->blas, s->stream), "setting the stream",
                             NULL, err));
    SPA_TRY(
        spa_cudnn_check(d, l->cudnnSetStream(s->dnn, s->stream), "setting the stream", NULL, err));
    SPA_TRY(spa_cublas_check(d, l->cublasSetMathMode(s->blas, CUBLAS_DEFAULT_MATH),
                             "setting the arithmetic", NULL, err));
    SPA_TRY(spa_cuda_alloc(&d->base, BLAS_WORKSPACE_BYTES, &s->blas_workspace, err));
    return spa_cublas_check(
        d, l->cublasSetWorkspace_v2(s->blas, s->blas_workspace, BLAS_WORKSPACE_BYTES),
        "setting the workspace", NULL, err);
}

static size_t op_bytes(const cuda_model *m, const spa_op *op)
{
    size_t size = spa_dtype_bytes(m->dtype);
    size_t bytes = cuda_align((size_t)spa_shape_elements(&op->out) * size);
    for (uint32_t i = 0; i < op->n_inputs; i++)
        bytes +=
            cuda_align((size_t)spa_shape_elements(spa_graph_input_shape(m->graph, op, i)) * size);
    return bytes;
}

static spa_status wait_for(cuda_stream *s, const char *doing, const char *subject, spa_error *err)
{
    return spa_cuda_check(cudaStreamSynchronize(s->stream), doing, subject, err);
}

/* Runs every operator once on zeros: kernels are loaded at their first launch, which must not
 * happen while a graph is recorded, and a fault is found here with its operator's name. */
static spa_status warm_up(cuda_stream *s, const cuda_model *m, char *scratch, spa_error *err)
{
    for (size_t i = 0; i < m->graph->n_ops; i++) {
        const spa_op *op = &m->graph->ops[i];
        const void *inputs[SPA_MAX_OP_INPUTS];
        size_t size = spa_dtype_bytes(m->dtype);
        char *at = scratch + cuda_align((size_t)spa_shape_elements(&op->out) * size);
        for (uint32_t k = 0; k < op->n_inputs; k++) {
            inputs[k] = at;
            at += cuda_align((size_t)spa_shape_elements(spa_graph_input_shape(m->graph, op, k)) *
                             size);
        }
        SPA_TRY(spa_cuda_run_op(s, m, i, inputs, scratch, err));
        SPA_TRY(wait_for(s, "trying operator", op->name, err));
    }
    return SPA_OK;
}

static spa_status warm_up_on_scratch(cuda_stream *s, const cuda_model *m, spa_error *err)
{
    size_t bytes = 0;
    void *scratch;
    for (size_t i = 0; i < m->graph->n_ops; i++) {
        size_t own = op_bytes(m, &m->graph->ops[i]);
        bytes = own > bytes ? own : bytes;
    }
    SPA_TRY(spa_cuda_alloc(&s->device->base, bytes, &scratch, err));
    spa_status status = spa_cuda_check(cudaMemset(scratch, 0, bytes), "clearing memory", NULL, err);
    /* The null stream's work is not ordered with ours: wait for it. */
    if (status == SPA_OK)
        status = spa_cuda_check(cudaDeviceSynchronize(), "clearing memory", NULL, err);
    if (status == SPA_OK) status = warm_up(s, m, scratch, err);
    spa_cuda_release(&s->device->base, scratch);
    return status;
}

spa_status spa_cuda_reserve(spa_stream *stream, const spa_stream_model *model, spa_error *err)
{
    cuda_stream *s = (cuda_stream *)stream;
    const cuda_model *m = (const cuda_model *)model;
    SPA_TRY(spa_cuda_enter(s->device, err));
    SPA_TRY(wait_for(s, "waiting for a stream", NULL, err));
    SPA_TRY(make_handles(s, err));
    if (s->workspace == NULL || s->workspace_bytes < m->workspace_bytes) {
        spa_cuda_release(&s->device->base, s->workspace);
        s->workspace = NULL;
        SPA_TRY(spa_cuda_alloc(&s->device->base, m->workspace_bytes, &s->workspace, err));
        s->workspace_bytes = m->workspace_bytes;
    }
    return warm_up_on_scratch(s, m, err);
}

static spa_status keep_capture_failure(cuda_stream *s, spa_status status, const spa_error *err)
{
    if (!s->capturing || status == SPA_OK || s->capture_status != SPA_OK) return status;
    s->capture_status = status;
    if (err != NULL) s->capture_error = *err;
    return status;
}

spa_status spa_cuda_enqueue_op(spa_stream *stream, const spa_stream_call *call, spa_error *err)
{
    cuda_stream *s = (cuda_stream *)stream;
    const cuda_model *m = (const cuda_model *)call->model;
    const char *name = m->graph->ops[call->op].name;
    if (s->workspace == NULL || s->workspace_bytes < m->workspace_bytes)
        return keep_capture_failure(
            s,
            spa_fail(err, SPA_E_INVALID,
                     "operator '%s': the stream was not made ready for model '%s' (reserve)", name,
                     m->graph->name),
            err);
    spa_status status = spa_cuda_enter(s->device, err);
    if (status == SPA_OK) status = spa_cuda_run_op(s, m, call->op, call->inputs, call->output, err);
    if (status == SPA_OK && s->device->config.synchronous && !s->capturing)
        status = wait_for(s, "running operator", name, err);
    return keep_capture_failure(s, status, err);
}

static spa_status copy_half(const cuda_stream *s, const spa_stream_copy *copy, float *mapped,
                            spa_error *err)
{
    int code = copy->direction == SPA_COPY_TO_DEVICE
                   ? spa_cuda_launch_narrow(mapped, copy->device, copy->elements, s->stream)
                   : spa_cuda_launch_widen(copy->device, mapped, copy->elements, s->stream);
    return spa_cuda_check((cudaError_t)code, "converting a tensor", NULL, err);
}

static spa_status copy_now(const cuda_stream *s, const spa_stream_copy *copy, spa_error *err)
{
    uintptr_t mapped;
    SPA_TRY(spa_cuda_enter(s->device, err));
    SPA_TRY(spa_stream_copy_check(&s->device->pinned, copy, &mapped, err));
    if (copy->elements > INT32_MAX)
        return spa_fail(err, SPA_E_RANGE, "a copy of %zu elements; the most are %d", copy->elements,
                        INT32_MAX);
    /* Halves: a kernel reads or writes the pinned host memory and converts on the way. */
    if (copy->dtype == SPA_FP16) return copy_half(s, copy, (float *)mapped, err);
    size_t bytes = copy->elements * sizeof(float);
    cudaError_t code =
        copy->direction == SPA_COPY_TO_DEVICE
            ? cudaMemcpyAsync(copy->device, copy->host, bytes, cudaMemcpyHostToDevice, s->stream)
            : cudaMemcpyAsync(copy->host, copy->device, bytes, cudaMemcpyDeviceToHost, s->stream);
    return spa_cuda_check(code, "copying a tensor", NULL, err);
}

spa_status spa_cuda_enqueue_copy(spa_stream *stream, const spa_stream_copy *copy, spa_error *err)
{
    cuda_stream *s = (cuda_stream *)stream;
    return keep_capture_failure(s, copy_now(s, copy, err), err);
}

spa_status spa_cuda_synchronise(spa_stream *stream, spa_error *err)
{
    cuda_stream *s = (cuda_stream *)stream;
    if (s->capturing)
        return spa_fail(err, SPA_E_INVALID, "synchronising a stream that is recording a graph");
    SPA_TRY(spa_cuda_enter(s->device, err));
    return wait_for(s, "running what was enqueued", NULL, err);
}
