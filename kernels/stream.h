/* Asynchronous devices: a processor that is given work and asked later whether it is done.
 *
 * A spa_stream_device is a constant table of functions with two implementations: `cuda` (a GPU),
 * and `emulated` (a pinned CPU thread with memory of its own that runs an existing backend in the
 * order of streams), so that everything above it is tested where there is no GPU.
 *
 * What is enqueued on one stream runs in order; streams run side by side and are ordered by events
 * alone. Nothing waits but the synchronise functions, opening, preparing and allocating.
 *
 * Tensors on a device are row-major, in the layout of traces/graph.h, of the type for which the
 * model was prepared. Tensors on the host are always fp32: a copy converts.
 *
 * Failures of enqueued work are found later: they stick to the device and are reported by every
 * later query, synchronisation and enqueue. The device is then only good for closing.
 *
 * Threads: one at a time per stream and per event; queries from any thread. Opening, closing,
 * allocating, pinning and preparing: not while another thread uses the device. */
#ifndef SPA_KERNELS_STREAM_H
#define SPA_KERNELS_STREAM_H

#include "kernels/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_stream_device spa_stream_device;

/* An open device. Implementations put this first. */
typedef struct spa_accelerator {
    const spa_stream_device *device;
    bool shares_memory; /* operators may read and write pinned host memory (see map) */
} spa_accelerator;

typedef struct spa_stream spa_stream;             /* a queue of work */
typedef struct spa_stream_event spa_stream_event; /* a point in a stream */
typedef struct spa_stream_graph spa_stream_graph; /* a recorded run of operators */
typedef struct spa_stream_model spa_stream_model; /* a model's weights on a device */

typedef struct spa_stream_config {
    int32_t index;                /* cuda: number of the device; emulated: core of its thread */
    const spa_backend *backend;   /* emulated: whose kernels it runs; NULL = blas */
    size_t memory_limit_bytes;    /* device memory that may be allocated; 0 = all there is */
    size_t workspace_limit_bytes; /* cuda: what a convolution algorithm may ask for */
    bool tf32;                    /* cuda: fp32 products may round their inputs to 10 bits */
    int64_t spin_ns;    /* emulated: how long its thread looks for work before it blocks */
    bool newest_first;  /* emulated: of the streams that need not wait, that goes on whose next item
                           was enqueued last, not first: shows where an event is missing */
    bool shares_memory; /* emulated: as an integrated GPU does (see map) */
    bool synchronous;   /* wait after each operator, so that a fault names its operator; slow */
} spa_stream_config;
/* Device 0, 64 MiB of workspace per algorithm, no limit, no tf32, asynchronous, blocks at once. */
SPA_API spa_stream_config spa_stream_config_default(void);

/* One operator: addresses on the device, of tensors of the model's type. */
typedef struct spa_stream_call {
    const spa_stream_model *model;
    size_t op;
    const void *const *inputs; /* [n_inputs of the operator]; copied */
    void *output;              /* overlaps no input; a reshape's may be its input (a view) */
} spa_stream_call;

typedef enum spa_copy_direction { SPA_COPY_TO_DEVICE, SPA_COPY_TO_HOST } spa_copy_direction;

typedef struct spa_stream_copy {
    spa_copy_direction direction;
    spa_dtype dtype; /* of the device's side */
    size_t elements;
    float *host; /* inside pinned memory; only read when copied to the device */
    void *device;
} spa_stream_copy;

struct spa_stream_device {
    const char *name;    /* as in --lanes: "cuda", "emulated" */
    const char *summary; /* one line */

    /* Is it there? "no CUDA device (reason)". */
    spa_status (*probe)(int32_t index, spa_error *err);
    spa_status (*open)(const spa_stream_config *config, spa_accelerator **out, spa_error *err);
    /* Everything that was made on it must have been freed. Waits; accepts NULL. */
    void (*close)(spa_accelerator *accelerator);
    /* "NVIDIA H100 (sm_90), driver 13.0, cuDNN 9.19", for fingerprints. */
    void (*describe)(const spa_accelerator *accelerator, char *text, size_t size);

    /* Device memory, aligned to 256 bytes, contents undefined. SPA_E_NOMEM when it runs out: the
     * device stays usable. */
    spa_status (*alloc)(spa_accelerator *accelerator, size_t bytes, void **out, spa_error *err);
    void (*release)(spa_accelerator *accelerator, void *memory); /* accepts NULL */
    /* Makes host memory the source and target of copies: page-locked until unpinned. Ranges do not
     * overlap. Pin a session's memory once: spa_session.memory, memory_bytes. */
    spa_status (*pin)(spa_accelerator *accelerator, void *host, size_t bytes, spa_error *err);
    void (*unpin)(spa_accelerator *accelerator, void *host);
    /* Address under which operators (of fp32 models) read and write pinned host memory without a
     * copy; SPA_E_UNSUPPORTED unless shares_memory. The order of accesses is the caller's: an event
     * as for a copy. */
    spa_status (*map)(spa_accelerator *accelerator, const void *host, void **device,
                      spa_error *err);

    /* Copies a model's weights to the device in the given type and chooses kernels. `model` must
     * outlive the result. Errors list what the device cannot run. Seconds on a GPU: candidate
     * convolution algorithms are timed. */
    spa_status (*prepare)(spa_accelerator *accelerator, const spa_model *model, spa_dtype dtype,
                          spa_stream_model **out, spa_error *err);
    void (*forget)(spa_stream_model *model); /* frees it; accepts NULL */

    /* A stream can copy; to run operators it must be made ready for their model first (memory for
     * intermediate results; not while work is enqueued on it or a graph recorded from it lives). */
    spa_status (*stream_new)(spa_accelerator *accelerator, spa_stream **out, spa_error *err);
    void (*stream_free)(spa_stream *stream); /* waits; accepts NULL */
    spa_status (*reserve)(spa_stream *stream, const spa_stream_model *model, spa_error *err);
    spa_status (*enqueue_op)(spa_stream *stream, const spa_stream_call *call, spa_error *err);
    spa_status (*enqueue_copy)(spa_stream *stream, const spa_stream_copy *copy, spa_error *err);
    spa_status (*synchronise)(spa_stream *stream, spa_error *err);

    /* An event that was never recorded is done. `record` marks what has been enqueued on the stream
     * so far; recording again moves the event. `wait` holds back what is enqueued on the stream
     * from now on until the event's latest record is done. timed: needed for elapsed_ns. */
    spa_status (*event_new)(spa_accelerator *accelerator, bool timed, spa_stream_event **out,
                            spa_error *err);
    void (*event_free)(spa_stream_event *event); /* not while a stream waits for it; NULL allowed */
    spa_status (*record)(spa_stream_event *event, spa_stream *stream, spa_error *err);
    spa_status (*wait)(spa_stream *stream, spa_stream_event *event, spa_error *err);
    /* Never blocks. After *done what the stream wrote to the host is visible. */
    spa_status (*query)(spa_stream_event *event, bool *done, spa_error *err);
    spa_status (*event_synchronise)(spa_stream_event *event, spa_error *err);
    /* Time between two timed events that are done. */
    spa_status (*elapsed_ns)(spa_stream_event *from, spa_stream_event *to, double *ns,
                             spa_error *err);

    /* Between begin and end operators and copies are recorded instead of run; events and
     * synchronisation of that stream are refused there. A graph holds the addresses it was recorded
     * with. It is launched on the stream that recorded it, any number of times, and freed before
     * it. After a failed end, or a failed enqueue between, there is no graph and the stream is as
     * it was. */
    spa_status (*capture_begin)(spa_stream *stream, spa_error *err);
    spa_status (*capture_end)(spa_stream *stream, spa_stream_graph **out, spa_error *err);
    spa_status (*launch)(spa_stream_graph *graph, spa_error *err);
    void (*graph_free)(spa_stream_graph *graph); /* waits; accepts NULL */
};

/* All asynchronous devices of this build. */
SPA_API const spa_stream_device *const *spa_stream_devices(size_t *count);
/* By name, probed; unknown names suggest the nearest. */
SPA_API spa_status spa_stream_device_find(const char *name, int32_t index,
                                          const spa_stream_device **out, spa_error *err);

extern const spa_stream_device spa_stream_device_cuda, spa_stream_device_emulated;

/* ---- for implementations ------------------------------------------------------------------- */

/* Ranges of memory: what is pinned, what is allocated. */
typedef struct spa_range {
    uintptr_t begin, end;
    uintptr_t device; /* address of begin on the device */
} spa_range;
typedef struct spa_ranges {
    spa_range *range;
    size_t count, capacity;
} spa_ranges;
/* SPA_E_INVALID when it overlaps one that is there. */
spa_status spa_ranges_add(spa_ranges *ranges, const void *begin, size_t bytes, const void *device,
                          spa_error *err);
/* Removes the range that begins there; its size in bytes, or 0. */
size_t spa_ranges_remove(spa_ranges *ranges, const void *begin);
/* The range that holds all of it, or NULL. O(ranges). */
const spa_range *spa_ranges_find(const spa_ranges *ranges, const void *begin, size_t bytes);

/* The checks that all implementations make of a copy: it has elements, its host side is pinned, no
 * byte count overflows. *device_address: of the host side, for devices that read it themselves. */
spa_status spa_stream_copy_check(const spa_ranges *pinned, const spa_stream_copy *copy,
                                 uintptr_t *device_address, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
