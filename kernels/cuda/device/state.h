/* Inside the CUDA device: its state (cuda.c: device and memory, model.c: weights and plans, conv.c:
 * cuDNN, stream.c: streams, events, graphs, run.c: one operator). */
#ifndef SPA_KERNELS_CUDA_DEVICE_STATE_H
#define SPA_KERNELS_CUDA_DEVICE_STATE_H

#include <cuda_runtime_api.h>

#include "kernels/cuda/device/library.h"
#include "kernels/cuda/plan.h"
#include "kernels/stream.h"

#define CUDA_ALIGN 256

typedef struct cuda_device {
    spa_accelerator base;
    spa_stream_config config;
    const spa_cuda_libraries *lib;
    char name[256];
    int major, minor; /* compute capability */
    size_t used_bytes;
    spa_ranges memory, pinned;
} cuda_device;

/* A convolution as cuDNN keeps it. */
typedef struct cuda_conv {
    cudnnTensorDescriptor_t x, y;
    cudnnFilterDescriptor_t weight;
    cudnnConvolutionDescriptor_t conv;
    cudnnConvolutionFwdAlgo_t algorithm;
    size_t workspace_bytes;
} cuda_conv;

typedef struct cuda_op {
    spa_cuda_plan plan;
    void *params[SPA_MAX_PARAMS]; /* on the device */
    cuda_conv conv;               /* where the plan has a library convolution */
} cuda_op;

typedef struct cuda_model {
    cuda_device *device;
    const spa_graph *graph;
    spa_dtype dtype;
    cuda_op *ops;           /* [n_ops] */
    void *weights;          /* one block on the device */
    size_t workspace_bytes; /* of the hungriest operator */
} cuda_model;

typedef struct cuda_stream {
    cuda_device *device;
    cudaStream_t stream;
    cublasHandle_t blas; /* with blas_workspace: made by reserve */
    cudnnHandle_t dnn;
    void *blas_workspace, *workspace;
    size_t workspace_bytes;
    bool capturing;
    spa_status capture_status; /* first failure of the capture at hand */
    spa_error capture_error;
} cuda_stream;

typedef struct cuda_event {
    cuda_device *device;
    cudaEvent_t event;
    bool timed;
} cuda_event;

typedef struct cuda_graph {
    cuda_stream *stream;
    cudaGraphExec_t exec;
} cuda_graph;

static inline size_t cuda_align(size_t bytes)
{
    return (bytes + CUDA_ALIGN - 1) / CUDA_ALIGN * CUDA_ALIGN;
}

/* "CUDA: <doing> ['<subject>']: <what CUDA says>"; SPA_E_NOMEM for memory, else SPA_E_IO. `subject`
 * may be NULL. SPA_OK for cudaSuccess. */
spa_status spa_cuda_check(cudaError_t code, const char *doing, const char *subject, spa_error *err);
spa_status spa_cublas_check(const cuda_device *d, cublasStatus_t code, const char *doing,
                            const char *subject, spa_error *err);
spa_status spa_cudnn_check(const cuda_device *d, cudnnStatus_t code, const char *doing,
                           const char *subject, spa_error *err);
/* Makes the device the calling thread's. */
spa_status spa_cuda_enter(const cuda_device *d, spa_error *err);

spa_status spa_cuda_alloc(spa_accelerator *accelerator, size_t bytes, void **out, spa_error *err);
void spa_cuda_release(spa_accelerator *accelerator, void *memory);

/* model.c */
spa_status spa_cuda_prepare(spa_accelerator *accelerator, const spa_model *model, spa_dtype dtype,
                            spa_stream_model **out, spa_error *err);
void spa_cuda_forget(spa_stream_model *model);

/* conv.c: descriptors, then the fastest algorithm within the workspace limit, timed on scratch
 * memory. *found = false: cuDNN has none for it. */
typedef struct cuda_conv_scratch {
    cudnnHandle_t dnn;
    void *x, *weight, *y, *workspace;
} cuda_conv_scratch;
spa_status spa_cuda_conv_init(cuda_conv *conv, const cuda_device *d, const spa_conv_args *args,
                              spa_dtype dtype, const cuda_conv_scratch *scratch, const char *op,
                              bool *found, spa_error *err);
void spa_cuda_conv_fini(cuda_conv *conv, const cuda_device *d);

/* run.c: enqueues the steps of one operator. */
spa_status spa_cuda_run_op(cuda_stream *s, const cuda_model *m, size_t op,
                           const void *const *inputs, void *output, spa_error *err);

/* stream.c */
spa_status spa_cuda_stream_new(spa_accelerator *accelerator, spa_stream **out, spa_error *err);
void spa_cuda_stream_free(spa_stream *stream);
spa_status spa_cuda_reserve(spa_stream *stream, const spa_stream_model *model, spa_error *err);
spa_status spa_cuda_enqueue_op(spa_stream *stream, const spa_stream_call *call, spa_error *err);
spa_status spa_cuda_enqueue_copy(spa_stream *stream, const spa_stream_copy *copy, spa_error *err);
spa_status spa_cuda_synchronise(spa_stream *stream, spa_error *err);
/* event.c */
spa_status spa_cuda_event_new(spa_accelerator *accelerator, bool timed, spa_stream_event **out,
                              spa_error *err);
void spa_cuda_event_free(spa_stream_event *event);
spa_status spa_cuda_record(spa_stream_event *event, spa_stream *stream, spa_error *err);
spa_status spa_cuda_wait(spa_stream *stream, spa_stream_event *event, spa_error *err);
spa_status spa_cuda_query(spa_stream_event *event, bool *done, spa_error *err);
spa_status spa_cuda_event_synchronise(spa_stream_event *event, spa_error *err);
spa_status spa_cuda_elapsed_ns(spa_stream_event *from, spa_stream_event *to, double *ns,
                               spa_error *err);
spa_status spa_cuda_capture_begin(spa_stream *stream, spa_error *err);
spa_status spa_cuda_capture_end(spa_stream *stream, spa_stream_graph **out, spa_error *err);
spa_status spa_cuda_launch(spa_stream_graph *graph, spa_error *err);
void spa_cuda_graph_free(spa_stream_graph *graph);

#endif
