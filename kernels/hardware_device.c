/* Asynchronous lanes: their memory, events, graphs and clock. What they do during a run is in
 * hardware_stream.c. */
#include "kernels/hardware_device.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/clock.h"

#define CLOCK_TRIES 20

/* ---- memory and events ----------------------------------------------------------------------- */

static spa_status new_pair(hardware_device *d, spa_stream_event **began, spa_stream_event **ended,
                           spa_error *err)
{
    SPA_TRY(d->table->event_new(d->accelerator, true, began, err));
    return d->table->event_new(d->accelerator, true, ended, err);
}

static spa_status init_events(hardware_device *d, device_slot *s, spa_error *err)
{
    const spa_graph *g = d->hardware->model->graph;
    size_t n_tensors = g->n_ops + g->n_graph_inputs;
    SPA_TRY(spa_alloc(&s->values, n_tensors, sizeof *s->values, err));
    SPA_TRY(spa_alloc(&s->ops, g->n_ops, sizeof *s->ops, err));
    for (size_t i = 0; i < g->n_ops; i++)
        SPA_TRY(new_pair(d, &s->ops[i].began, &s->ops[i].ended, err));
    for (size_t t = 0; t < n_tensors; t++)
        for (int k = 0; k < 2; k++)
            SPA_TRY(new_pair(d, &s->values[t].began[k], &s->values[t].ended[k], err));
    return SPA_OK;
}

/* The host's memory becomes source and target of copies; the device gets as much of its own, laid
 * out alike, or uses the host's. The plan of the buffers holds on both sides: a buffer is used
 * again only after every reader of what was in it, and copies come before their readers. */
static spa_status init_slot(hardware_device *d, uint32_t slot, spa_error *err)
{
    device_slot *s = &d->slots[slot];
    const spa_session *session = &d->hardware->slots[slot].session;
    void *memory = NULL;
    SPA_TRY(d->table->pin(d->accelerator, session->memory, session->memory_bytes, err));
    s->pinned = true;
    if (d->mapped) {
        SPA_TRY(d->table->map(d->accelerator, session->memory, &memory, err));
    } else {
        SPA_TRY(d->table->alloc(d->accelerator, session->memory_bytes, &memory, err));
        s->own = memory;
    }
    s->memory = memory;
    return init_events(d, s, err);
}

static spa_status init_streams(hardware_device *d, spa_error *err)
{
    const spa_stream_device *t = d->table;
    SPA_TRY(t->stream_new(d->accelerator, &d->compute, err));
    for (int k = 0; k < 2; k++) SPA_TRY(t->stream_new(d->accelerator, &d->copies[k], err));
    SPA_TRY(t->event_new(d->accelerator, true, &d->origin, err));
    return t->reserve(d->compute, d->model, err);
}

static spa_status init(hardware_device *d, spa_error *err)
{
    const spa_hardware *hw = d->hardware;
    const spa_lane *lane = &hw->lanes.lanes[d->lane];
    const spa_graph *g = hw->model->graph;
    spa_stream_config config = hw->options.stream;
    size_t n_tensors = g->n_ops + g->n_graph_inputs;
    config.index = lane->device_index;
    config.backend = lane->backend;
    config.spin_ns = hw->options.spin_ns;
    SPA_TRY(d->table->open(&config, &d->accelerator, err));
    d->mapped = d->accelerator->shares_memory;
    SPA_TRY(d->table->prepare(d->accelerator, hw->model, SPA_FP32, &d->model, err));
    SPA_TRY(init_streams(d, err));
    SPA_TRY(spa_alloc(&d->queue, hw->options.slots * g->n_ops, sizeof *d->queue, err));
    SPA_TRY(spa_alloc(&d->relays, hw->options.slots * n_tensors, sizeof *d->relays, err));
    SPA_TRY(spa_alloc(&d->slots, hw->options.slots, sizeof *d->slots, err));
    for (uint32_t s = 0; s < hw->options.slots; s++) SPA_TRY(init_slot(d, s, err));
    return SPA_OK;
}

spa_status spa_hardware_device_new(hardware_device **device, spa_hardware *hw, uint32_t lane,
                                   spa_error *err)
{
    hardware_device *d;
    spa_error why = {0};
    *device = NULL;
    SPA_TRY(spa_alloc(&d, 1, sizeof *d, err));
    d->hardware = hw;
    d->lane = lane;
    d->table = hw->lanes.lanes[lane].device;
    spa_status status = init(d, &why);
    if (status) {
        spa_hardware_device_free(d);
        return spa_fail(err, status, "lane %s: %s", hw->lanes.lanes[lane].processor, why.message);
    }
    *device = d;
    return SPA_OK;
}

static void free_graphs(hardware_device *d)
{
    for (uint32_t s = 0; s < d->hardware->options.slots && d->slots; s++) {
        spa_stream_graph **graphs = d->slots[s].graphs;
        for (size_t k = 0; k < d->hardware->segments.n_segments && graphs; k++)
            d->table->graph_free(graphs[k]);
        free(graphs);
        d->slots[s].graphs = NULL;
    }
}

static void fini_slot(hardware_device *d, uint32_t slot)
{
    const spa_graph *g = d->hardware->model->graph;
    device_slot *s = &d->slots[slot];
    for (size_t i = 0; i < g->n_ops && s->ops; i++) {
        d->table->event_free(s->ops[i].began);
        d->table->event_free(s->ops[i].ended);
    }
    for (size_t t = 0; t < g->n_ops + g->n_graph_inputs && s->values; t++) {
        for (int k = 0; k < 2; k++) {
            d->table->event_free(s->values[t].began[k]);
            d->table->event_free(s->values[t].ended[k]);
        }
    }
    free(s->ops);
    free(s->values);
    d->table->release(d->accelerator, s->own);
    if (s->pinned) d->table->unpin(d->accelerator, d->hardware->slots[slot].session.memory);
}

void spa_hardware_device_free(hardware_device *d)
{
    if (!d) return;
    if (d->accelerator) {
        free_graphs(d);
        d->table->stream_free(d->compute);
        for (int k = 0; k < 2; k++) d->table->stream_free(d->copies[k]);
        for (uint32_t s = 0; s < d->hardware->options.slots && d->slots; s++) fini_slot(d, s);
        d->table->event_free(d->origin);
        d->table->forget(d->model);
        d->table->close(d->accelerator);
    }
    free(d->slots);
    free(d->queue);
    free(d->relays);
    free(d);
}

/* ---- enqueueing ------------------------------------------------------------------------------ */

static char *address(const hardware_device *d, uint32_t slot, const float *host)
{
    const spa_session *session = &d->hardware->slots[slot].session;
    return d->slots[slot].memory + ((const char *)host - (const char *)session->memory);
}

spa_status spa_hardware_device_enqueue(hardware_device *d, uint32_t slot, uint32_t op,
                                       spa_error *err)
{
    const spa_session *session = &d->hardware->slots[slot].session;
    const spa_op *o = &session->model->graph->ops[op];
    const void *inputs[SPA_MAX_OP_INPUTS];
    for (uint32_t i = 0; i < o->n_inputs; i++)
        inputs[i] = address(d, slot, session->inputs[o->first_input + i]);
    spa_stream_call call = {.model = d->model,
                            .op = op,
                            .inputs = inputs,
                            .output = address(d, slot, session->outputs[op])};
    return d->table->enqueue_op(d->compute, &call, err);
}

spa_status spa_hardware_device_copy(hardware_device *d, uint32_t slot, uint32_t tensor,
                                    spa_copy_direction direction, spa_error *err)
{
    const spa_session *session = &d->hardware->slots[slot].session;
    const spa_graph *g = session->model->graph;
    bool is_op = tensor < g->n_ops;
    const spa_shape *shape = is_op ? &g->ops[tensor].out : &g->graph_inputs[tensor - g->n_ops];
    float *host = is_op ? session->outputs[tensor] : session->graph_inputs[tensor - g->n_ops];
    spa_stream_copy copy = {.direction = direction,
                            .dtype = SPA_FP32,
                            .elements = (size_t)spa_shape_elements(shape),
                            .host = host,
                            .device = address(d, slot, host)};
    return d->table->enqueue_copy(d->copies[direction], &copy, err);
}

/* ---- clock ----------------------------------------------------------------------------------- */

static spa_status try_clock(hardware_device *d, int64_t *took_ns, spa_error *err)
{
    bool done = false;
    int64_t before_ns = spa_clock_ns();
    SPA_TRY(d->table->record(d->origin, d->compute, err));
    while (!done) {
        SPA_TRY(d->table->query(d->origin, &done, err));
        d->origin_ns = spa_clock_ns();
    }
    *took_ns = d->origin_ns - before_ns;
    return SPA_OK;
}

/* An event is noticed soon after it happens, and enqueued long before where the device has to wake
 * up first: the end of a try that took hardly longer than the shortest is the device's origin. */
static spa_status read_clock(hardware_device *d, spa_error *err)
{
    int64_t least_ns = INT64_MAX, took_ns;
    for (int i = 0; i < CLOCK_TRIES; i++) {
        SPA_TRY(try_clock(d, &took_ns, err));
        if (took_ns < least_ns) least_ns = took_ns;
    }
    for (int i = 0; i < CLOCK_TRIES && took_ns > least_ns + least_ns / 4; i++)
        SPA_TRY(try_clock(d, &took_ns, err));
    return SPA_OK;
}

spa_status spa_hardware_device_time(const hardware_device *d, spa_stream_event *event, int64_t *ns,
                                    spa_error *err)
{
    double elapsed;
    *ns = 0;
    SPA_TRY(d->table->elapsed_ns(d->origin, event, &elapsed, err));
    *ns = d->origin_ns + (int64_t)elapsed - d->hardware->origin_ns;
    return SPA_OK;
}

/* ---- runs ------------------------------------------------------------------------------------ */

spa_status spa_hardware_device_begin(hardware_device *d, spa_error *err)
{
    d->head = d->count = d->n_relays = 0;
    d->n_enqueued = 0;
    d->busy = false;
    d->last_end_ns = INT64_MIN;
    return read_clock(d, err);
}

void spa_hardware_device_drain(hardware_device *d)
{
    spa_error ignored;
    d->table->synchronise(d->compute, &ignored);
    for (int k = 0; k < 2; k++) d->table->synchronise(d->copies[k], &ignored);
}

/* ---- plans ----------------------------------------------------------------------------------- */

uint32_t spa_hardware_first_of(const spa_hardware *hw, uint32_t op)
{
    const spa_segments *s = &hw->segments;
    return s->ops ? s->ops[s->segments[s->segment_of[op]].first_op] : op;
}

uint32_t spa_hardware_last_of(const spa_hardware *hw, uint32_t op)
{
    const spa_segments *s = &hw->segments;
    if (!s->ops) return op;
    const spa_segment *segment = &s->segments[s->segment_of[op]];
    return s->ops[segment->first_op + segment->n_ops - 1];
}

static void forget_plan(spa_hardware *hw)
{
    for (size_t i = 0; i < hw->lanes.count; i++)
        if (hw->lane[i].device) free_graphs(hw->lane[i].device);
    spa_segments_fini(&hw->segments);
    spa_schedule_fini(&hw->plan);
}

static bool is_planned(const spa_hardware *hw, const spa_schedule *schedule)
{
    const spa_schedule *p = &hw->plan;
    return p->processor && p->n_ops == schedule->n_ops &&
           memcmp(p->processor, schedule->processor, p->n_ops) == 0 &&
           memcmp(p->order, schedule->order, p->n_ops * sizeof *p->order) == 0;
}

static spa_status record_segment(hardware_device *d, uint32_t slot, size_t k, spa_error *err)
{
    const spa_segments *s = &d->hardware->segments;
    const spa_segment *segment = &s->segments[k];
    spa_status status = d->table->capture_begin(d->compute, err);
    if (status) return status;
    for (uint32_t i = 0; i < segment->n_ops && !status; i++)
        status = spa_hardware_device_enqueue(d, slot, s->ops[segment->first_op + i], err);
    spa_status ended =
        d->table->capture_end(d->compute, &d->slots[slot].graphs[k], status ? NULL : err);
    return status ? status : ended;
}

/* A segment of one operator needs no graph. */
static spa_status record_graphs(spa_hardware *hw, spa_error *err)
{
    const spa_segments *s = &hw->segments;
    for (size_t i = 0; i < hw->lanes.count; i++) {
        hardware_device *d = hw->lane[i].device;
        if (!d) continue;
        for (uint32_t slot = 0; slot < hw->options.slots; slot++) {
            SPA_TRY(
                spa_alloc(&d->slots[slot].graphs, s->n_segments, sizeof(spa_stream_graph *), err));
            for (size_t k = 0; k < s->n_segments; k++)
                if (s->segments[k].queue == (int32_t)i && s->segments[k].n_ops > 1)
                    SPA_TRY(record_segment(d, slot, k, err));
        }
    }
    return SPA_OK;
}

static spa_status cut(spa_hardware *hw, const spa_schedule *schedule, spa_error *err)
{
    int32_t *queue;
    SPA_TRY(spa_alloc(&queue, schedule->n_ops, sizeof *queue, err));
    for (size_t i = 0; i < schedule->n_ops; i++)
        queue[i] = hw->lane[schedule->processor[i]].device ? schedule->processor[i] : -1;
    spa_status status = spa_segments_init(&hw->segments, hw->model->graph, queue, hw->lanes.count,
                                          schedule->order, err);
    free(queue);
    return status;
}

spa_status spa_hardware_plan(spa_hardware *hw, const spa_engine *engine, spa_error *err)
{
    const spa_schedule *schedule = hw->options.graphs ? spa_engine_schedule(engine) : NULL;
    if (hw->n_workers == hw->lanes.count) return SPA_OK; /* no devices */
    if (schedule && is_planned(hw, schedule)) return SPA_OK;
    forget_plan(hw);
    if (!schedule) return SPA_OK;
    spa_status status = cut(hw, schedule, err);
    if (!status) status = record_graphs(hw, err);
    if (!status) status = spa_schedule_init(&hw->plan, schedule->n_ops, err);
    if (status)
        forget_plan(hw);
    else
        spa_schedule_copy(&hw->plan, schedule);
    return status;
}
