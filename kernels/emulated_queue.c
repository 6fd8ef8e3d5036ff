/* The emulated device: its thread, streams, events and graphs. */
#include "kernels/emulated.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/clock.h"
#include "kernels/dims.h"
#include "kernels/half.h"

#define RING_ITEMS 2048 /* of a stream, without allocating again */

spa_status spa_emulated_status(emulated_device *d, spa_error *err)
{
    if (!atomic_load_explicit(&d->failed, memory_order_acquire)) return SPA_OK;
    if (err != NULL) *err = d->error; /* written once, before `failed` */
    return d->status;
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void run_copy(const spa_stream_copy *c)
{
    bool up = c->direction == SPA_COPY_TO_DEVICE;
    if (c->dtype == SPA_FP32) {
        memcpy(up ? c->device : c->host, up ? c->host : c->device, c->elements * sizeof(float));
        return;
    }
    spa_half *half = c->device;
    for (size_t i = 0; i < c->elements; i++) {
        if (up)
            half[i] = spa_half_from_float(c->host[i]);
        else
            c->host[i] = spa_half_to_float(half[i]);
    }
}

static spa_status run_item(const emulated_stream *stream, const emulated_item *item, spa_error *err)
{
    if (item->kind == EMULATED_OP) return spa_emulated_run(stream, item, err);
    if (item->kind == EMULATED_COPY) run_copy(&item->copy);
    for (size_t i = 0; item->kind == EMULATED_GRAPH && i < item->graph->count; i++)
        SPA_TRY(run_item(stream, &item->graph->items[i], err));
    return SPA_OK;
}

/* The stream whose next item was enqueued first (or last) among those that need not wait; NULL =
 * none. */
static emulated_stream *next_stream(const emulated_device *d)
{
    emulated_stream *best = NULL;
    for (emulated_stream *s = d->streams; s != NULL; s = s->next) {
        if (s->count == 0) continue;
        const emulated_item *item = &s->ring[s->head];
        if (item->kind == EMULATED_WAIT &&
            atomic_load_explicit(&item->event->completed, memory_order_relaxed) < item->generation)
            continue;
        if (best == NULL || (item->sequence < best->ring[best->head].sequence) != d->newest_first)
            best = s;
    }
    return best;
}

/* Runs an item outside the lock; the first failure sticks, later work is skipped. */
static void run_unlocked(emulated_device *d, emulated_stream *s, const emulated_item *item)
{
    spa_error error = {0};
    if (atomic_load_explicit(&d->failed, memory_order_relaxed)) return;
    pthread_mutex_unlock(&d->mutex);
    spa_status status = run_item(s, item, &error);
    pthread_mutex_lock(&d->mutex);
    if (status == SPA_OK) return;
    d->status = status;
    d->error = error;
    atomic_store_explicit(&d->failed, true, memory_order_release);
}

static void complete_event(const emulated_item *item)
{
    emulated_event *event = item->event;
    if (event->timed)
        atomic_store_explicit(&event->completed_ns, spa_clock_ns(), memory_order_relaxed);
    if (atomic_load_explicit(&event->completed, memory_order_relaxed) < item->generation)
        atomic_store_explicit(&event->completed, item->generation, memory_order_release);
}

/* Under the lock, which it leaves meanwhile: until there may be something to do. */
static void await_work(emulated_device *d)
{
    uint64_t calls = atomic_load(&d->calls);
    int64_t until_ns = spa_clock_ns() + d->spin_ns;
    pthread_mutex_unlock(&d->mutex);
    while (atomic_load_explicit(&d->calls, memory_order_acquire) == calls &&
           spa_clock_ns() < until_ns) {
    }
    pthread_mutex_lock(&d->mutex);
    if (atomic_load(&d->calls) == calls) pthread_cond_wait(&d->work, &d->mutex);
}

void spa_emulated_work(void *device)
{
    emulated_device *d = device;
    pthread_mutex_lock(&d->mutex);
    for (;;) {
        emulated_stream *s = next_stream(d);
        if (s == NULL) {
            if (d->quit) break;
            await_work(d);
            continue;
        }
        emulated_item item = s->ring[s->head];
        s->head = (s->head + 1) % s->capacity;
        s->count--;
        s->busy = true;
        if (item.kind == EMULATED_RECORD)
            complete_event(&item);
        else if (item.kind != EMULATED_WAIT)
            run_unlocked(d, s, &item);
        s->busy = false;
        pthread_cond_broadcast(&d->done);
    }
    pthread_mutex_unlock(&d->mutex);
}

/* ---- streams ------------------------------------------------------------------------------- */

/* Makes room for one more item, keeping the order. */
static spa_status grow_ring(emulated_stream *s, spa_error *err)
{
    emulated_item *ring;
    if (s->count < s->capacity) return SPA_OK;
    size_t capacity = s->capacity == 0 ? RING_ITEMS : 2 * s->capacity;
    SPA_TRY(spa_alloc(&ring, capacity, sizeof *ring, err));
    for (size_t i = 0; i < s->count; i++) ring[i] = s->ring[(s->head + i) % s->capacity];
    free(s->ring);
    s->ring = ring;
    s->capacity = capacity;
    s->head = 0;
    return SPA_OK;
}

spa_status spa_emulated_stream_new(spa_accelerator *accelerator, spa_stream **out, spa_error *err)
{
    emulated_device *d = (emulated_device *)accelerator;
    emulated_stream *s;
    *out = NULL;
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    s->device = d;
    spa_status status = grow_ring(s, err); /* enqueueing should not have to allocate */
    if (status != SPA_OK) {
        free(s);
        return status;
    }
    pthread_mutex_lock(&d->mutex);
    s->next = d->streams;
    d->streams = s;
    pthread_mutex_unlock(&d->mutex);
    *out = (spa_stream *)s;
    return SPA_OK;
}

/* Under the lock. */
static void drain(emulated_stream *s)
{
    while (s->count > 0 || s->busy) pthread_cond_wait(&s->device->done, &s->device->mutex);
}

static void graph_fini(emulated_graph *graph)
{
    if (graph == NULL) return;
    free(graph->items);
    free(graph);
}

void spa_emulated_stream_free(spa_stream *stream)
{
    emulated_stream *s = (emulated_stream *)stream;
    if (s == NULL) return;
    emulated_device *d = s->device;
    pthread_mutex_lock(&d->mutex);
    drain(s);
    emulated_stream **link = &d->streams;
    while (*link != s) link = &(*link)->next;
    *link = s->next;
    pthread_mutex_unlock(&d->mutex);
    graph_fini(s->capturing);
    free(s->ring);
    free(s->workspace);
    free(s);
}

spa_status spa_emulated_reserve(spa_stream *stream, const spa_stream_model *model, spa_error *err)
{
    emulated_stream *s = (emulated_stream *)stream;
    const emulated_model *m = (const emulated_model *)model;
    void *workspace;
    if (s->workspace != NULL && s->workspace_bytes >= m->workspace_bytes) return SPA_OK;
    SPA_TRY(spa_alloc_aligned(&workspace, m->workspace_bytes, err));
    pthread_mutex_lock(&s->device->mutex);
    drain(s);
    pthread_mutex_unlock(&s->device->mutex);
    free(s->workspace);
    s->workspace = workspace;
    s->workspace_bytes = m->workspace_bytes;
    return SPA_OK;
}

/* Under the lock. */
static spa_status push(emulated_stream *s, emulated_item *item, spa_error *err)
{
    emulated_device *d = s->device;
    SPA_TRY(spa_emulated_status(d, err));
    SPA_TRY(grow_ring(s, err));
    item->sequence = d->sequence++;
    s->ring[(s->head + s->count++) % s->capacity] = *item;
    atomic_fetch_add(&d->calls, 1);
    pthread_cond_signal(&d->work);
    return SPA_OK;
}

/* Enqueues, or appends to the graph that is being recorded. */
static spa_status submit(emulated_stream *s, emulated_item *item, spa_error *err)
{
    emulated_graph *g = s->capturing;
    if (g == NULL) {
        pthread_mutex_lock(&s->device->mutex);
        spa_status status = push(s, item, err);
        pthread_mutex_unlock(&s->device->mutex);
        return status;
    }
    SPA_TRY(spa_grow(&g->items, &g->capacity, g->count + 1, sizeof *g->items, err));
    g->items[g->count++] = *item;
    return SPA_OK;
}

static spa_status keep_capture_failure(emulated_stream *s, spa_status status, const spa_error *err)
{
    if (s->capturing == NULL || status == SPA_OK || s->capture_status != SPA_OK) return status;
    s->capture_status = status;
    if (err != NULL) s->capture_error = *err;
    return status;
}

static spa_status check_address(emulated_stream *s, const void *address, size_t bytes,
                                const spa_op *op, const char *what, spa_error *err)
{
    pthread_mutex_lock(&s->device->mutex);
    const emulated_device *d = s->device;
    bool inside = spa_ranges_find(&d->memory, address, bytes) != NULL ||
                  (d->base.shares_memory && spa_ranges_find(&d->pinned, address, bytes) != NULL);
    pthread_mutex_unlock(&s->device->mutex);
    if (inside) return SPA_OK;
    return spa_fail(err, SPA_E_INVALID, "operator '%s': its %s is not in the device's memory",
                    op->name, what);
}

static spa_status fill_op(emulated_stream *s, const spa_stream_call *call, emulated_item *item,
                          spa_error *err)
{
    const emulated_model *m = (const emulated_model *)call->model;
    const spa_op *op = &m->graph->ops[call->op];
    size_t size = spa_dtype_bytes(m->dtype);
    if (s->workspace == NULL || s->workspace_bytes < m->workspace_bytes)
        return spa_fail(err, SPA_E_INVALID,
                        "operator '%s': the stream was not made ready for model '%s' (reserve)",
                        op->name, m->graph->name);
    *item =
        (emulated_item){.kind = EMULATED_OP, .model = m, .op = call->op, .output = call->output};
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        size_t n = spa_shape_count(spa_graph_input_shape(m->graph, op, i));
        SPA_TRY(check_address(s, call->inputs[i], n * size, op, "input", err));
        item->inputs[i] = call->inputs[i];
    }
    return check_address(s, call->output, spa_shape_count(&op->out) * size, op, "output", err);
}

spa_status spa_emulated_enqueue_op(spa_stream *stream, const spa_stream_call *call, spa_error *err)
{
    emulated_stream *s = (emulated_stream *)stream;
    emulated_item item;
    spa_status status = fill_op(s, call, &item, err);
    if (status == SPA_OK) status = submit(s, &item, err);
    if (status == SPA_OK && s->device->synchronous && s->capturing == NULL)
        return spa_emulated_synchronise(stream, err);
    return keep_capture_failure(s, status, err);
}

spa_status spa_emulated_enqueue_copy(spa_stream *stream, const spa_stream_copy *copy,
                                     spa_error *err)
{
    emulated_stream *s = (emulated_stream *)stream;
    emulated_device *d = s->device;
    emulated_item item = {.kind = EMULATED_COPY, .copy = *copy};
    uintptr_t unused;
    pthread_mutex_lock(&d->mutex);
    spa_status status = spa_stream_copy_check(&d->pinned, copy, &unused, err);
    if (status == SPA_OK && spa_ranges_find(&d->memory, copy->device,
                                            copy->elements * spa_dtype_bytes(copy->dtype)) == NULL)
        status = spa_fail(err, SPA_E_INVALID,
                          "a copy of %zu elements whose device side is not in the device's memory",
                          copy->elements);
    pthread_mutex_unlock(&d->mutex);
    if (status == SPA_OK) status = submit(s, &item, err);
    return keep_capture_failure(s, status, err);
}

static spa_status refuse_capture(const emulated_stream *s, const char *what, spa_error *err)
{
    if (s->capturing == NULL) return SPA_OK;
    return spa_fail(err, SPA_E_INVALID, "%s a stream that is recording a graph", what);
}

spa_status spa_emulated_synchronise(spa_stream *stream, spa_error *err)
{
    emulated_stream *s = (emulated_stream *)stream;
    SPA_TRY(refuse_capture(s, "synchronising", err));
    pthread_mutex_lock(&s->device->mutex);
    drain(s);
    pthread_mutex_unlock(&s->device->mutex);
    return spa_emulated_status(s->device, err);
}

/* ---- events -------------------------------------------------------------------------------- */

spa_status spa_emulated_event_new(spa_accelerator *accelerator, bool timed, spa_stream_event **out,
                                  spa_error *err)
{
    emulated_event *e;
    *out = NULL;
    SPA_TRY(spa_alloc(&e, 1, sizeof *e, err));
    e->device = (emulated_device *)accelerator;
    e->timed = timed;
    atomic_init(&e->recorded, 0);
    atomic_init(&e->completed, 0);
    atomic_init(&e->completed_ns, 0);
    *out = (spa_stream_event *)e;
    return SPA_OK;
}

void spa_emulated_event_free(spa_stream_event *event)
{
    free(event);
}

spa_status spa_emulated_record(spa_stream_event *event, spa_stream *stream, spa_error *err)
{
    emulated_event *e = (emulated_event *)event;
    emulated_stream *s = (emulated_stream *)stream;
    SPA_TRY(refuse_capture(s, "recording an event on", err));
    emulated_item item = {.kind = EMULATED_RECORD, .event = e};
    pthread_mutex_lock(&s->device->mutex);
    item.generation = atomic_load_explicit(&e->recorded, memory_order_relaxed) + 1;
    spa_status status = push(s, &item, err);
    if (status == SPA_OK)
        atomic_store_explicit(&e->recorded, item.generation, memory_order_release);
    pthread_mutex_unlock(&s->device->mutex);
    return status;
}

spa_status spa_emulated_wait(spa_stream *stream, spa_stream_event *event, spa_error *err)
{
    emulated_stream *s = (emulated_stream *)stream;
    emulated_event *e = (emulated_event *)event;
    SPA_TRY(refuse_capture(s, "an event holds back", err));
    emulated_item item = {.kind = EMULATED_WAIT, .event = e};
    pthread_mutex_lock(&s->device->mutex);
    item.generation = atomic_load_explicit(&e->recorded, memory_order_relaxed);
    spa_status status = push(s, &item, err);
    pthread_mutex_unlock(&s->device->mutex);
    return status;
}

spa_status spa_emulated_query(spa_stream_event *event, bool *done, spa_error *err)
{
    emulated_event *e = (emulated_event *)event;
    uint64_t recorded = atomic_load_explicit(&e->recorded, memory_order_acquire);
    *done = atomic_load_explicit(&e->completed, memory_order_acquire) >= recorded;
    return spa_emulated_status(e->device, err);
}

spa_status spa_emulated_event_synchronise(spa_stream_event *event, spa_error *err)
{
    emulated_event *e = (emulated_event *)event;
    emulated_device *d = e->device;
    pthread_mutex_lock(&d->mutex);
    while (atomic_load(&e->completed) < atomic_load(&e->recorded))
        pthread_cond_wait(&d->done, &d->mutex);
    pthread_mutex_unlock(&d->mutex);
    return spa_emulated_status(d, err);
}

spa_status spa_emulated_elapsed_ns(spa_stream_event *from, spa_stream_event *to, double *ns,
                                   spa_error *err)
{
    emulated_event *a = (emulated_event *)from, *b = (emulated_event *)to;
    *ns = 0;
    if (!a->timed || !b->timed)
        return spa_fail(err, SPA_E_INVALID, "elapsed time of events that are not timed");
    if (atomic_load(&a->completed) == 0 || atomic_load(&b->completed) == 0)
        return spa_fail(err, SPA_E_INVALID, "elapsed time of events that are not done");
    *ns = (double)(atomic_load(&b->completed_ns) - atomic_load(&a->completed_ns));
    return spa_emulated_status(a->device, err);
}

/* ---- graphs -------------------------------------------------------------------------------- */

spa_status spa_emulated_capture_begin(spa_stream *stream, spa_error *err)
{
    emulated_stream *s = (emulated_stream *)stream;
    SPA_TRY(refuse_capture(s, "recording a graph on", err));
    SPA_TRY(spa_alloc(&s->capturing, 1, sizeof *s->capturing, err));
    s->capturing->stream = s;
    s->capture_status = SPA_OK;
    return SPA_OK;
}

spa_status spa_emulated_capture_end(spa_stream *stream, spa_stream_graph **out, spa_error *err)
{
    emulated_stream *s = (emulated_stream *)stream;
    emulated_graph *g = s->capturing;
    *out = NULL;
    if (g == NULL) return spa_fail(err, SPA_E_INVALID, "the stream is not recording a graph");
    s->capturing = NULL;
    if (s->capture_status != SPA_OK) {
        graph_fini(g);
        if (err != NULL) *err = s->capture_error;
        return s->capture_status;
    }
    *out = (spa_stream_graph *)g;
    return SPA_OK;
}

spa_status spa_emulated_launch(spa_stream_graph *graph, spa_error *err)
{
    emulated_graph *g = (emulated_graph *)graph;
    emulated_item item = {.kind = EMULATED_GRAPH, .graph = g};
    SPA_TRY(refuse_capture(g->stream, "launching a graph on", err));
    return submit(g->stream, &item, err);
}

void spa_emulated_graph_free(spa_stream_graph *graph)
{
    emulated_graph *g = (emulated_graph *)graph;
    if (g == NULL) return;
    pthread_mutex_lock(&g->stream->device->mutex);
    drain(g->stream);
    pthread_mutex_unlock(&g->stream->device->mutex);
    graph_fini(g);
}
