/* Asynchronous lanes at work: enqueueing what the engine decides, and finding out what is done. All
 * of it under the executor's lock. */
#include "kernels/hardware_device.h"

#include <string.h>

#include "kernels/clock.h"

static int64_t clock_now(const spa_hardware *hw)
{
    return spa_clock_ns() - hw->origin_ns;
}

static void check(spa_hardware *hw, spa_status status, const spa_error *error)
{
    if (status) spa_hardware_fail(hw, status, error);
}

static device_value *value_of(hardware_device *d, uint32_t slot, uint32_t tensor)
{
    return &d->slots[slot].values[tensor];
}

/* The operator that stands for an operator's segment. */
static device_op *op_of(hardware_device *d, uint32_t slot, uint32_t op)
{
    return &d->slots[slot].ops[spa_hardware_first_of(d->hardware, op)];
}

/* The tensor behind input `e` of an operator, through views. */
static uint32_t input_of(const spa_hardware *hw, uint32_t op, uint32_t e)
{
    const spa_graph *g = hw->model->graph;
    int32_t from = g->inputs[g->ops[op].first_input + e];
    return hw->shown[from >= 0 ? (size_t)from : g->n_ops + (size_t)~from];
}

static bool is_made_on(const spa_hardware *hw, uint32_t slot, uint32_t tensor, uint32_t lane)
{
    return tensor < hw->model->graph->n_ops && hw->slots[slot].made_on[tensor] == (int8_t)lane;
}

void spa_hardware_admit(spa_hardware *hw, uint32_t slot)
{
    const spa_graph *g = hw->model->graph;
    memset(hw->slots[slot].made_on, -1, g->n_ops);
    for (size_t i = 0; i < hw->lanes.count; i++) {
        hardware_device *d = hw->lane[i].device;
        if (!d) continue;
        for (size_t t = 0; t < g->n_ops + g->n_graph_inputs; t++)
            d->slots[slot].values[t].state = 0;
        for (size_t op = 0; op < g->n_ops; op++) d->slots[slot].ops[op].enqueued = false;
    }
}

/* ---- copies ---------------------------------------------------------------------------------- */

static spa_status enqueue_copy(hardware_device *d, uint32_t slot, uint32_t tensor,
                               spa_copy_direction direction, spa_error *err)
{
    device_value *v = value_of(d, slot, tensor);
    spa_stream *stream = d->copies[direction];
    if (d->mapped) return SPA_OK; /* events that were never recorded are done */
    if (d->hardware->record) SPA_TRY(d->table->record(v->began[direction], stream, err));
    SPA_TRY(spa_hardware_device_copy(d, slot, tensor, direction, err));
    return d->table->record(v->ended[direction], stream, err);
}

/* To the device, from where the host has it. Blocked tensors are made plain first: 20 to 40 us. */
static spa_status copy_up(hardware_device *d, uint32_t slot, uint32_t tensor, spa_error *err)
{
    spa_hardware *hw = d->hardware;
    device_value *v = value_of(d, slot, tensor);
    if (v->state & VALUE_ON_WAY) return SPA_OK;
    v->asked_ns = clock_now(hw);
    v->state |= VALUE_ON_WAY;
    if (tensor < hw->model->graph->n_ops) spa_session_output(&hw->slots[slot].session, tensor);
    return enqueue_copy(d, slot, tensor, SPA_COPY_TO_DEVICE, err);
}

/* To the host, behind the operator that makes it, once that is enqueued. */
static spa_status copy_down(hardware_device *d, uint32_t slot, uint32_t tensor, spa_error *err)
{
    device_value *v = value_of(d, slot, tensor);
    const device_op *op = op_of(d, slot, tensor);
    if (v->state & VALUE_COMING || !op->enqueued) return SPA_OK;
    v->state |= VALUE_COMING;
    if (!d->mapped) SPA_TRY(d->table->wait(d->copies[SPA_COPY_TO_HOST], op->ended, err));
    return enqueue_copy(d, slot, tensor, SPA_COPY_TO_HOST, err);
}

/* ---- operators ------------------------------------------------------------------------------- */

/* Have copies been enqueued of all that an operator reads from elsewhere? */
static bool is_fed(hardware_device *d, const device_job *job)
{
    const spa_hardware *hw = d->hardware;
    for (uint32_t e = 0; e < hw->model->graph->ops[job->op].n_inputs; e++) {
        uint32_t t = input_of(hw, job->op, e);
        if (!is_made_on(hw, job->slot, t, d->lane) &&
            !(value_of(d, job->slot, t)->state & VALUE_ON_WAY))
            return false;
    }
    return true;
}

static spa_status await_inputs(hardware_device *d, const device_job *job, spa_error *err)
{
    const spa_hardware *hw = d->hardware;
    device_op *o = &d->slots[job->slot].ops[job->op];
    o->waited = false;
    for (uint32_t e = 0; e < hw->model->graph->ops[job->op].n_inputs; e++) {
        uint32_t t = input_of(hw, job->op, e);
        device_value *v = value_of(d, job->slot, t);
        if (is_made_on(hw, job->slot, t, d->lane) || v->state & VALUE_AWAITED) continue;
        v->state |= VALUE_AWAITED;
        o->waited = true;
        if (!d->mapped) SPA_TRY(d->table->wait(d->compute, v->ended[SPA_COPY_TO_DEVICE], err));
    }
    return SPA_OK;
}

/* Copies that were wanted before their operators were enqueued. */
static spa_status send_wanted(hardware_device *d, const device_job *job, spa_error *err)
{
    const spa_segments *s = &d->hardware->segments;
    if (!s->ops) {
        if (!(value_of(d, job->slot, job->op)->state & VALUE_WANTED)) return SPA_OK;
        return copy_down(d, job->slot, job->op, err);
    }
    const spa_segment *segment = &s->segments[s->segment_of[job->op]];
    for (uint32_t i = 0; i < segment->n_ops; i++) {
        uint32_t op = s->ops[segment->first_op + i];
        if (value_of(d, job->slot, op)->state & VALUE_WANTED)
            SPA_TRY(copy_down(d, job->slot, op, err));
    }
    return SPA_OK;
}

static spa_status enqueue(hardware_device *d, const device_job *job, spa_error *err)
{
    const spa_segments *s = &d->hardware->segments;
    device_slot *slot = &d->slots[job->slot];
    device_op *o = &slot->ops[job->op];
    spa_stream_graph *graph = s->ops ? slot->graphs[s->segment_of[job->op]] : NULL;
    o->posted_ns = clock_now(d->hardware);
    SPA_TRY(await_inputs(d, job, err));
    if (d->hardware->record) SPA_TRY(d->table->record(o->began, d->compute, err));
    if (graph)
        SPA_TRY(d->table->launch(graph, err));
    else
        SPA_TRY(spa_hardware_device_enqueue(d, job->slot, job->op, err));
    SPA_TRY(d->table->record(o->ended, d->compute, err));
    o->enqueued = true;
    o->issued_ns = clock_now(d->hardware);
    d->n_enqueued++;
    return send_wanted(d, job, err);
}

/* In the order of issue, as far as inputs are on their way. */
static void enqueue_all(hardware_device *d)
{
    spa_error error;
    size_t capacity = d->hardware->options.slots * d->hardware->model->graph->n_ops;
    while (d->count > 0 && d->n_enqueued < HARDWARE_DEPTH && is_fed(d, &d->queue[d->head])) {
        device_job job = d->queue[d->head];
        d->head = (d->head + 1) % capacity;
        d->count--;
        spa_status status = enqueue(d, &job, &error);
        check(d->hardware, status, &error);
        if (status) return;
    }
}

/* ---- hooks ----------------------------------------------------------------------------------- */

void spa_hardware_issue(spa_hardware *hw, uint32_t lane, uint32_t slot, uint32_t op)
{
    hardware_device *d = hw->lane[lane].device;
    size_t capacity = hw->options.slots * hw->model->graph->n_ops;
    hw->slots[slot].made_on[op] = (int8_t)lane;
    if (spa_hardware_first_of(hw, op) != op) return; /* its segment has been, or will be */
    d->queue[(d->head + d->count++) % capacity] = (device_job){.slot = slot, .op = op};
    enqueue_all(d);
}

void spa_hardware_await(spa_hardware *hw, uint32_t lane, uint32_t slot, uint32_t op)
{
    hardware_device *d = hw->lane[lane].device;
    d->now = (device_job){.slot = slot, .op = op};
    d->busy = true;
    spa_hardware_nudge(hw);
}

static spa_status want_on_host(hardware_device *d, uint32_t slot, uint32_t tensor, spa_error *err)
{
    value_of(d, slot, tensor)->state |= VALUE_WANTED;
    return copy_down(d, slot, tensor, err);
}

void spa_hardware_want(spa_hardware *hw, uint32_t slot, uint32_t tensor, uint32_t from, uint32_t to)
{
    spa_error error;
    uint32_t t = hw->shown[tensor];
    hardware_device *source = hw->lane[from].device, *target = hw->lane[to].device;
    spa_status status = SPA_OK;
    if (source) status = want_on_host(source, slot, t, &error);
    if (!status && target && !source) status = copy_up(target, slot, t, &error);
    if (!status && target && source && !(value_of(target, slot, t)->state & VALUE_RELAY)) {
        value_of(target, slot, t)->state |= VALUE_RELAY;
        target->relays[target->n_relays++] = (device_job){.slot = slot, .op = t};
    }
    check(hw, status, &error);
    if (target && !status) enqueue_all(target);
}

void spa_hardware_transfer(spa_hardware *hw, uint32_t link, uint32_t slot, uint32_t tensor,
                           uint32_t from, uint32_t to)
{
    hw->links[link] = (hardware_link){
        .busy = true, .slot = slot, .tensor = hw->shown[tensor], .from = from, .to = to};
    spa_hardware_nudge(hw);
}

/* ---- records --------------------------------------------------------------------------------- */

/* What an operator that was enqueued behind another one, and waited for nothing else, takes begins
 * where that one ends: what lies between two kernels is the second one's. */
static spa_status note_op(hardware_device *d, spa_error *err)
{
    const spa_hardware *hw = d->hardware;
    spa_hardware_record *r = hw->record;
    const hardware_slot *slot = &hw->slots[d->now.slot];
    const device_op *o = op_of(d, d->now.slot, d->now.op);
    int64_t begin_ns, end_ns;
    if (!r || slot->request >= r->capacity) return SPA_OK;
    SPA_TRY(spa_hardware_device_time(d, o->began, &begin_ns, err));
    SPA_TRY(spa_hardware_device_time(d, o->ended, &end_ns, err));
    spa_hardware_op *out = &r->ops[slot->request * r->n_ops + d->now.op];
    bool first = spa_hardware_first_of(hw, d->now.op) == d->now.op;
    if (first && !o->waited && o->issued_ns < d->last_end_ns && d->last_end_ns < begin_ns)
        begin_ns = d->last_end_ns;
    *out = (spa_hardware_op){.posted_ns = o->posted_ns,
                             .begin_ns = first ? begin_ns : end_ns,
                             .end_ns = end_ns,
                             .lane = (int32_t)d->lane};
    if (first) {
        const spa_segments *s = &hw->segments;
        out->together = s->ops ? s->segments[s->segment_of[d->now.op]].n_ops : 1;
        d->last_end_ns = end_ns;
    }
    return SPA_OK;
}

static spa_hardware_copy *copy_record(const spa_hardware *hw, uint32_t slot, uint32_t tensor,
                                      uint32_t lane)
{
    spa_hardware_record *r = hw->record;
    uint64_t request = hw->slots[slot].request;
    if (!r || request >= r->capacity) return NULL;
    return &r->copies[(request * r->n_tensors + tensor) * r->n_lanes + lane];
}

/* A copy that is done, as seen at `there_ns` (0: by its end). */
static spa_status note_copy(hardware_device *d, uint32_t slot, uint32_t tensor,
                            spa_copy_direction direction, uint32_t lane, int64_t there_ns,
                            spa_error *err)
{
    const device_value *v = value_of(d, slot, tensor);
    spa_hardware_copy *c = copy_record(d->hardware, slot, tensor, lane);
    if (!c || d->mapped) return SPA_OK;
    c->ready_ns = v->asked_ns;
    if (direction == SPA_COPY_TO_HOST)
        SPA_TRY(spa_hardware_device_time(d, op_of(d, slot, tensor)->ended, &c->ready_ns, err));
    SPA_TRY(spa_hardware_device_time(d, v->began[direction], &c->begin_ns, err));
    SPA_TRY(spa_hardware_device_time(d, v->ended[direction], &c->end_ns, err));
    c->there_ns = there_ns > c->end_ns ? there_ns : c->end_ns;
    return SPA_OK;
}

/* ---- what is done ---------------------------------------------------------------------------- */

/* Has a tensor of a device come to the host? */
static spa_status has_come(hardware_device *d, uint32_t slot, uint32_t tensor, uint32_t lane,
                           bool *done, spa_error *err)
{
    spa_hardware *hw = d->hardware;
    device_value *v = value_of(d, slot, tensor);
    *done = (v->state & VALUE_HERE) != 0;
    if (*done || !(v->state & VALUE_COMING)) return SPA_OK;
    SPA_TRY(d->table->query(d->mapped ? op_of(d, slot, tensor)->ended : v->ended[SPA_COPY_TO_HOST],
                            done, err));
    if (!*done) return SPA_OK;
    v->state |= VALUE_HERE;
    spa_session_declare_plain(&hw->slots[slot].session, tensor);
    return note_copy(d, slot, tensor, SPA_COPY_TO_HOST, lane, clock_now(hw), err);
}

static spa_status has_gone(hardware_device *d, uint32_t slot, uint32_t tensor, bool *done,
                           spa_error *err)
{
    const device_value *v = value_of(d, slot, tensor);
    *done = false;
    if (!(v->state & VALUE_ON_WAY)) return SPA_OK;
    if (d->mapped)
        *done = true;
    else
        SPA_TRY(d->table->query(v->ended[SPA_COPY_TO_DEVICE], done, err));
    if (!*done) return SPA_OK;
    return note_copy(d, slot, tensor, SPA_COPY_TO_DEVICE, d->lane, 0, err);
}

/* From device to device by way of the host: the second half, once the first has come. */
static spa_status pass_on(hardware_device *d, spa_error *err)
{
    spa_hardware *hw = d->hardware;
    for (size_t i = 0; i < d->n_relays;) {
        device_job job = d->relays[i];
        hardware_device *source = hw->lane[hw->slots[job.slot].made_on[job.op]].device;
        bool done;
        SPA_TRY(has_come(source, job.slot, job.op, hw->host, &done, err));
        if (!done) {
            i++;
            continue;
        }
        d->relays[i] = d->relays[--d->n_relays];
        SPA_TRY(copy_up(d, job.slot, job.op, err));
        enqueue_all(d);
    }
    return SPA_OK;
}

static spa_status has_run(hardware_device *d, bool *done, spa_error *err)
{
    *done = false;
    if (!d->busy) return SPA_OK;
    const device_op *o = op_of(d, d->now.slot, d->now.op);
    if (!o->enqueued) return SPA_OK;
    SPA_TRY(d->table->query(o->ended, done, err));
    if (!*done) return SPA_OK;
    d->busy = false;
    if (spa_hardware_first_of(d->hardware, d->now.op) == d->now.op) d->n_enqueued--;
    SPA_TRY(note_op(d, err));
    enqueue_all(d);
    return SPA_OK;
}

static spa_status has_moved(spa_hardware *hw, hardware_link *link, bool *done, spa_error *err)
{
    hardware_device *source = hw->lane[link->from].device, *target = hw->lane[link->to].device;
    *done = false;
    if (!link->busy) return SPA_OK;
    if (target)
        SPA_TRY(has_gone(target, link->slot, link->tensor, done, err));
    else
        SPA_TRY(has_come(source, link->slot, link->tensor, link->to, done, err));
    if (*done) link->busy = false;
    return SPA_OK;
}

static spa_status next_done(spa_hardware *hw, bool *done, uint32_t *event_slot, spa_error *err)
{
    *done = false;
    for (uint32_t i = 0; i < hw->lanes.count && !*done; i++) {
        hardware_device *d = hw->lane[i].device;
        if (!d) continue;
        SPA_TRY(pass_on(d, err));
        SPA_TRY(has_run(d, done, err));
        *event_slot = i;
    }
    for (uint32_t k = 0; k < SPA_MAX_LINKS && !*done; k++) {
        SPA_TRY(has_moved(hw, &hw->links[k], done, err));
        *event_slot = (uint32_t)hw->lanes.count + k;
    }
    return SPA_OK;
}

bool spa_hardware_next_done(spa_hardware *hw, uint32_t *event_slot)
{
    spa_error error;
    bool done;
    spa_status status = next_done(hw, &done, event_slot, &error);
    check(hw, status, &error);
    if (status || !done) return false;
    atomic_fetch_sub_explicit(&hw->in_flight, 1, memory_order_relaxed);
    return true;
}
