/* Inside the emulated device: its state (emulated.c: memory and models, emulated_queue.c: the
 * thread, streams, events and graphs). */
#ifndef SPA_KERNELS_EMULATED_H
#define SPA_KERNELS_EMULATED_H

#include <pthread.h>
#include <stdatomic.h>

#include "kernels/stream.h"
#include "kernels/worker.h"

typedef struct emulated_model {
    const spa_graph *graph;
    const spa_backend *backend;
    spa_dtype dtype;
    size_t workspace_bytes; /* of the hungriest operator */
    float *weights;         /* the device's copy */
    float **params;         /* [n_ops * SPA_MAX_PARAMS] into it */
    void **states;          /* [n_ops] */
} emulated_model;

typedef struct emulated_event {
    struct emulated_device *device;
    atomic_uint_fast64_t recorded, completed; /* generations */
    atomic_int_fast64_t completed_ns;
    bool timed;
} emulated_event;

typedef enum emulated_kind {
    EMULATED_OP,
    EMULATED_COPY,
    EMULATED_RECORD,
    EMULATED_WAIT,
    EMULATED_GRAPH
} emulated_kind;

typedef struct emulated_item {
    emulated_kind kind;
    uint64_t sequence; /* in the order of enqueueing, over all streams */
    spa_stream_copy copy;
    const emulated_model *model;
    size_t op;
    const void *inputs[SPA_MAX_OP_INPUTS];
    void *output;
    emulated_event *event;
    uint64_t generation; /* of the event */
    const struct emulated_graph *graph;
} emulated_item;

typedef struct emulated_graph {
    struct emulated_stream *stream;
    emulated_item *items;
    size_t count, capacity;
} emulated_graph;

typedef struct emulated_stream {
    struct emulated_device *device;
    struct emulated_stream *next;
    void *workspace;
    size_t workspace_bytes;
    emulated_item *ring;
    size_t capacity, head, count;
    bool busy; /* the thread is at one of its items */
    emulated_graph *capturing;
    spa_status capture_status; /* first failure of the capture at hand */
    spa_error capture_error;
} emulated_stream;

typedef struct emulated_device {
    spa_accelerator base;
    int32_t core;
    const spa_backend *backend;
    bool synchronous, newest_first;
    int64_t spin_ns;
    size_t limit_bytes, used_bytes;
    spa_ranges memory, pinned;
    spa_worker *worker;
    pthread_mutex_t mutex; /* for everything below, the streams and the ranges */
    pthread_cond_t work;   /* for the thread */
    pthread_cond_t done;   /* for those who wait for it */
    emulated_stream *streams;
    uint64_t sequence;
    bool quit;
    atomic_uint_fast64_t calls; /* counts reasons for the thread to look again */
    atomic_bool failed;
    spa_status status; /* first failure of enqueued work */
    spa_error error;
} emulated_device;

/* The sticky failure, or SPA_OK. */
spa_status spa_emulated_status(emulated_device *device, spa_error *err);
/* Runs one operator; what the thread does for EMULATED_OP. */
spa_status spa_emulated_run(const emulated_stream *stream, const emulated_item *item,
                            spa_error *err);
/* The body of the device's thread: works until `quit`. */
void spa_emulated_work(void *device);

spa_status spa_emulated_stream_new(spa_accelerator *accelerator, spa_stream **out, spa_error *err);
void spa_emulated_stream_free(spa_stream *stream);
spa_status spa_emulated_reserve(spa_stream *stream, const spa_stream_model *model, spa_error *err);
spa_status spa_emulated_enqueue_op(spa_stream *stream, const spa_stream_call *call, spa_error *err);
spa_status spa_emulated_enqueue_copy(spa_stream *stream, const spa_stream_copy *copy,
                                     spa_error *err);
spa_status spa_emulated_synchronise(spa_stream *stream, spa_error *err);
spa_status spa_emulated_event_new(spa_accelerator *accelerator, bool timed, spa_stream_event **out,
                                  spa_error *err);
void spa_emulated_event_free(spa_stream_event *event);
spa_status spa_emulated_record(spa_stream_event *event, spa_stream *stream, spa_error *err);
spa_status spa_emulated_wait(spa_stream *stream, spa_stream_event *event, spa_error *err);
spa_status spa_emulated_query(spa_stream_event *event, bool *done, spa_error *err);
spa_status spa_emulated_event_synchronise(spa_stream_event *event, spa_error *err);
spa_status spa_emulated_elapsed_ns(spa_stream_event *from, spa_stream_event *to, double *ns,
                                   spa_error *err);
spa_status spa_emulated_capture_begin(spa_stream *stream, spa_error *err);
spa_status spa_emulated_capture_end(spa_stream *stream, spa_stream_graph **out, spa_error *err);
spa_status spa_emulated_launch(spa_stream_graph *graph, spa_error *err);
void spa_emulated_graph_free(spa_stream_graph *graph);

#endif
