/* The hardware executor: life of a run. What a lane does is in hardware_lane.c. */
#include "kernels/hardware.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/clock.h"
#include "kernels/hardware_device.h"

spa_hardware_options spa_hardware_default(void)
{
    return (spa_hardware_options){.slots = 1,
                                  .spin_ns = 2000000,
                                  .seed = 1,
                                  .graphs = true,
                                  .stream = spa_stream_config_default()};
}

spa_hardware_options spa_hardware_measuring(void)
{
    spa_hardware_options options = spa_hardware_default();
    options.spin_ns = INT64_MAX / 2;
    options.graphs = false;
    return options;
}

/* ---- the record --------------------------------------------------------------------------------
 */

spa_status spa_hardware_record_init(spa_hardware_record *r, const spa_hardware *hw, size_t requests,
                                    bool with_events, spa_error *err)
{
    const spa_graph *g = hw->model->graph;
    size_t per_request = spa_events_of_request(g->n_ops, g->n_edges);
    *r = (spa_hardware_record){.capacity = requests,
                               .n_ops = g->n_ops,
                               .n_tensors = g->n_ops + g->n_graph_inputs,
                               .n_lanes = hw->lanes.count};
    size_t copies = r->n_tensors * r->n_lanes;
    for (size_t i = 0; i < r->n_lanes; i++)
        r->async_lanes |= (uint64_t)(hw->lane[i].device != NULL) << i;
    spa_status status = spa_alloc(&r->ops, requests * g->n_ops, sizeof *r->ops, err);
    if (!status) status = spa_alloc(&r->seconds, requests * g->n_ops, sizeof *r->seconds, err);
    if (!status) status = spa_alloc(&r->copies, requests * copies, sizeof *r->copies, err);
    if (!status) status = spa_alloc(&r->arrive_ns, requests, sizeof(int64_t), err);
    if (!status) status = spa_alloc(&r->finish_ns, requests, sizeof(int64_t), err);
    if (!status) status = spa_alloc(&r->slot, requests, sizeof *r->slot, err);
    if (!status && with_events) {
        r->event_capacity = requests * per_request;
        status = spa_alloc(&r->events, r->event_capacity, sizeof *r->events, err);
    }
    if (status) spa_hardware_record_fini(r);
    return status;
}

void spa_hardware_record_fini(spa_hardware_record *r)
{
    free(r->ops);
    free(r->seconds);
    free(r->copies);
    free(r->arrive_ns);
    free(r->finish_ns);
    free(r->slot);
    free(r->events);
    *r = (spa_hardware_record){0};
}

static void clear_record(spa_hardware_record *r)
{
    memset(r->ops, 0, r->capacity * r->n_ops * sizeof *r->ops);
    memset(r->seconds, 0, r->capacity * r->n_ops * sizeof *r->seconds);
    for (size_t i = 0; i < r->capacity * r->n_ops; i++) r->ops[i].lane = r->seconds[i].lane = -1;
    memset(r->copies, 0, r->capacity * r->n_tensors * r->n_lanes * sizeof *r->copies);
    memset(r->arrive_ns, 0, r->capacity * sizeof(int64_t));
    memset(r->finish_ns, 0, r->capacity * sizeof(int64_t));
    r->n_events = 0;
}

/* A split operator ends with the later of its parts. */
static void join_parts(spa_hardware_record *r)
{
    for (size_t i = 0; i < r->capacity * r->n_ops; i++)
        if (r->seconds[i].end_ns > r->ops[i].end_ns) r->ops[i].end_ns = r->seconds[i].end_ns;
}

/* ---- hooks of the engine: called under the lock ---------------------------------------------- */

static void on_admit(void *self, uint32_t slot, uint64_t request)
{
    spa_hardware *hw = self;
    hw->slots[slot].request = request;
    if (hw->record && request < hw->record->capacity) hw->record->slot[request] = (uint8_t)slot;
    if (hw->parts) memset(hw->slots[slot].plain, 0, hw->model->graph->n_ops);
    spa_hardware_admit(hw, slot);
}

static void on_kernel(void *self, uint32_t lane, uint32_t slot, uint32_t op)
{
    spa_hardware *hw = self;
    if (hw->lane[lane].device)
        spa_hardware_await(hw, lane, slot, op);
    else
        spa_hardware_post(hw, lane, HARDWARE_KERNEL, slot, op, 0);
}

static void on_part(void *self, uint32_t lane, uint32_t slot, uint32_t op, uint32_t begin,
                    uint32_t end)
{
    uint32_t part = spa_hardware_part(self, lane, op, end - begin, begin > 0);
    spa_hardware_post(self, lane, HARDWARE_PART, slot, op, part);
}

static bool on_copy(void *self, uint32_t lane, uint32_t slot, uint32_t op, uint32_t tensor)
{
    spa_hardware *hw = self;
    if (!spa_hardware_must_copy(hw, lane, slot, tensor)) return false;
    spa_hardware_post(hw, lane, HARDWARE_COPY, slot, op, tensor);
    return true;
}

static void on_issue(void *self, uint32_t lane, uint32_t slot, uint32_t op)
{
    spa_hardware_issue(self, lane, slot, op);
}

static void on_want(void *self, uint32_t slot, uint32_t tensor, uint32_t from, uint32_t to)
{
    spa_hardware_want(self, slot, tensor, from, to);
}

static void on_transfer(void *self, uint32_t link, uint32_t slot, uint32_t tensor, uint32_t from,
                        uint32_t to)
{
    spa_hardware_transfer(self, link, slot, tensor, from, to);
}

static const spa_executor executor = {.admit = on_admit,
                                      .kernel = on_kernel,
                                      .part = on_part,
                                      .copy = on_copy,
                                      .want = on_want,
                                      .transfer = on_transfer,
                                      .issue = on_issue};

static void on_event(void *self, const spa_event *event)
{
    spa_hardware *hw = self;
    spa_hardware_record *r = hw->record;
    if (!r) return;
    if (event->kind == SPA_EV_ARRIVE && event->request < r->capacity)
        r->arrive_ns[event->request] = event->time_ns;
    if (event->kind == SPA_EV_FINISH && event->request < r->capacity)
        r->finish_ns[event->request] = event->time_ns;
    if (r->n_events < r->event_capacity) r->events[r->n_events++] = *event;
}

/* Lanes of cores copy for themselves; what a link of a device moves must take time, or the engine
 * would not have it moved. */
static bool link_fits(const spa_hardware *hw, const spa_costs *costs, uint32_t from, uint32_t to)
{
    bool is_async = hw->lane[from].device || hw->lane[to].device;
    if (from == to) return true;
    if (costs->links[from][to].on_lane == is_async) return false;
    for (size_t t = 0; t < costs->n_tensors && is_async; t++)
        if (spa_transfer_ns(costs, t, from, to) <= 0) return false;
    return true;
}

static spa_status check_costs(const spa_hardware *hw, const spa_costs *costs, spa_error *err)
{
    bool fits = costs->n_processors == hw->lanes.count && costs->graph == hw->model->graph &&
                !hw->lane[costs->host].device;
    for (uint32_t p = 0; p < costs->n_processors && fits; p++) {
        const spa_cost_processor *q = &costs->processors[p];
        fits = q->n_lanes == 1 && strcmp(q->name, hw->lanes.lanes[p].processor) == 0 &&
               q->is_async == (hw->lane[p].device != NULL);
        for (uint32_t to = 0; to < costs->n_processors && fits; to++)
            fits = link_fits(hw, costs, p, to);
    }
    if (fits) return SPA_OK;
    return spa_fail(
        err, SPA_E_INVALID,
        "the cost table (lanes '%s') is not one of the %zu lanes that run; each lane "
        "is a processor of its own; lanes of cores copy for themselves, and copies from "
        "and to asynchronous ones take time",
        costs->lanes, hw->lanes.count);
}

spa_status spa_hardware_config(spa_hardware *hw, spa_run_config *config, spa_error *err)
{
    SPA_TRY(check_costs(hw, config->costs, err));
    if (config->scenario.concurrency > hw->options.slots)
        return spa_fail(err, SPA_E_RANGE, "%u requests in flight, but activations for %u",
                        config->scenario.concurrency, hw->options.slots);
    if (config->policy && config->policy->place && config->policy->capabilities & SPA_CAP_SPLIT)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "policy '%s' splits operators as it goes; lanes prepare parts before they "
                        "run: let it plan a schedule",
                        config->policy->name);
    if (config->schedule) SPA_TRY(spa_hardware_parts_add(hw, config->schedule, err));
    config->executor = &executor;
    config->executor_self = hw;
    config->record = on_event;
    config->record_user = hw;
    config->noise = config->policy_cost = false;
    return SPA_OK;
}

/* ---- life --------------------------------------------------------------------------------------
 */

static spa_status init_slots(spa_hardware *hw, spa_error *err)
{
    SPA_TRY(spa_alloc(&hw->slots, hw->options.slots, sizeof *hw->slots, err));
    for (uint32_t s = 0; s < hw->options.slots; s++) {
        SPA_TRY(spa_session_init(&hw->slots[s].session, hw->model, SPA_BUFFERS_PLANNED, err));
        SPA_TRY(spa_alloc(&hw->slots[s].made_on, hw->model->graph->n_ops, 1, err));
        spa_session_fill_inputs(&hw->slots[s].session, spa_hash_u64(hw->options.seed, s), 0);
        SPA_TRY(spa_alloc(&hw->slots[s].plain, hw->model->graph->n_ops, 1, err));
    }
    return SPA_OK;
}

static spa_status init_lane(spa_hardware *hw, uint32_t id, spa_error *err)
{
    hardware_lane *lane = &hw->lane[id];
    lane->hardware = hw;
    lane->id = id;
    lane->lane = &hw->lanes.lanes[id];
    atomic_init(&lane->word, LANE_EMPTY);
    if (lane->lane->device) return spa_hardware_device_new(&lane->device, hw, id, err);
    lane->workspace_bytes = spa_model_workspace_bytes(hw->model, lane->lane->backend);
    SPA_TRY(spa_alloc_aligned(&lane->workspace, lane->workspace_bytes, err));
    if (lane->lane->n_cores > 1) {
        SPA_TRY(spa_pool_new(&lane->pool, lane->lane->first_core, lane->lane->n_cores, err));
        SPA_TRY(spa_team_new(&lane->team, hw->model, lane->lane->backend, lane->pool,
                             SPA_TEAM_WORK_US, err));
    }
    return spa_worker_new(&lane->worker, lane->lane->first_core, err);
}

static spa_status find_shown(spa_hardware *hw, spa_error *err)
{
    const spa_graph *g = hw->model->graph;
    size_t n = g->n_ops + g->n_graph_inputs;
    SPA_TRY(spa_alloc(&hw->shown, n, sizeof *hw->shown, err));
    for (uint32_t t = 0; t < n; t++) {
        hw->shown[t] = t;
        if (t >= g->n_ops) continue;
        int32_t from = spa_graph_behind_views(g, (int32_t)t);
        hw->shown[t] = from >= 0 ? (uint32_t)from : (uint32_t)(g->n_ops + (size_t)~from);
    }
    return SPA_OK;
}

static spa_status find_host(spa_hardware *hw, spa_error *err)
{
    hw->host = SPA_LANES_MAX;
    for (uint32_t i = 0; i < hw->lanes.count; i++) {
        if (hw->lanes.lanes[i].device) continue;
        if (hw->n_workers++ == 0) hw->host = i;
    }
    if (hw->n_workers) return SPA_OK;
    return spa_fail(
        err, SPA_E_INVALID,
        "lane %s is an asynchronous device, which a lane of cores has to drive; add one "
        "(cpu:N)",
        hw->lanes.lanes[0].processor);
}

static spa_status init(spa_hardware *hw, spa_error *err)
{
    for (size_t i = 0; i < hw->lanes.count; i++)
        if (!hw->lanes.lanes[i].device)
            SPA_TRY(spa_model_prepare(hw->model, hw->lanes.lanes[i].backend, err));
    SPA_TRY(find_shown(hw, err));
    SPA_TRY(init_slots(hw, err));
    SPA_TRY(spa_alloc_aligned(&hw->lane, hw->lanes.count * sizeof *hw->lane, err));
    for (uint32_t i = 0; i < hw->lanes.count; i++) SPA_TRY(init_lane(hw, i, err));
    return SPA_OK;
}

spa_status spa_hardware_new(spa_hardware **hardware, const spa_lane_set *lanes, spa_model *model,
                            const spa_hardware_options *options, spa_error *err)
{
    spa_hardware *hw;
    *hardware = NULL;
    if (lanes->count == 0 || lanes->count > SPA_MAX_PROCESSORS)
        return spa_fail(err, SPA_E_RANGE,
                        "%zu lanes; hardware mode runs 1 to %d (each is a "
                        "processor)",
                        lanes->count, SPA_MAX_PROCESSORS);
    if (options->slots < 1 || options->slots > SPA_HARDWARE_SLOTS)
        return spa_fail(err, SPA_E_RANGE, "%u requests in flight; 1 to %d have memory",
                        options->slots, SPA_HARDWARE_SLOTS);
    SPA_TRY(spa_alloc_aligned(&hw, sizeof *hw, err));
    hw->options = *options;
    hw->lanes = *lanes;
    hw->model = model;
    atomic_init(&hw->locked, false);
    atomic_init(&hw->done, true);
    atomic_init(&hw->ready, 0);
    atomic_init(&hw->interrupted, false);
    atomic_init(&hw->in_flight, 0);
    spa_status status = find_host(hw, err);
    if (!status) status = init(hw, err);
    if (status) {
        spa_hardware_free(hw);
        return status;
    }
    *hardware = hw;
    return SPA_OK;
}

static void fini_slot(hardware_slot *slot)
{
    spa_session_fini(&slot->session);
    free(slot->made_on);
    free(slot->plain);
}

void spa_hardware_free(spa_hardware *hw)
{
    if (!hw) return;
    for (size_t i = 0; i < hw->lanes.count && hw->lane; i++) {
        spa_hardware_device_free(hw->lane[i].device);
        spa_worker_free(hw->lane[i].worker);
        spa_team_free(hw->lane[i].team);
        spa_pool_free(hw->lane[i].pool);
        free(hw->lane[i].workspace);
    }
    for (uint32_t s = 0; s < hw->options.slots && hw->slots; s++) fini_slot(&hw->slots[s]);
    spa_segments_fini(&hw->segments);
    spa_schedule_fini(&hw->plan);
    free(hw->shown);
    spa_hardware_parts_free(hw);
    free(hw->slots);
    free(hw->lane);
    free(hw);
}

spa_session *spa_hardware_session(spa_hardware *hw, uint32_t slot)
{
    return &hw->slots[slot].session;
}

size_t spa_hardware_workers(const spa_hardware *hw, spa_worker *workers[SPA_LANES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < hw->lanes.count; i++)
        if (!hw->lane[i].device) workers[n++] = hw->lane[i].worker;
    return n;
}

const spa_lane_set *spa_hardware_lanes(const spa_hardware *hw)
{
    return &hw->lanes;
}

void spa_hardware_interrupt(spa_hardware *hw)
{
    atomic_store_explicit(&hw->interrupted, true, memory_order_relaxed);
}

/* ---- running ------------------------------------------------------------------------------------
 */

/* What the engine's present schedule needs: it may have been restarted with another one. */
static spa_status prepare(spa_hardware *hw, const spa_engine *engine, spa_error *err)
{
    const spa_schedule *schedule = spa_engine_schedule(engine);
    if (schedule) SPA_TRY(spa_hardware_parts_add(hw, schedule, err));
    SPA_TRY(spa_hardware_plan(hw, engine, err));
    for (size_t i = 0; i < hw->lanes.count; i++)
        if (hw->lane[i].device) SPA_TRY(spa_hardware_device_begin(hw->lane[i].device, err));
    return SPA_OK;
}

static void run_lanes(spa_hardware *hw)
{
    for (size_t i = 0; i < hw->lanes.count; i++) atomic_store(&hw->lane[i].word, LANE_EMPTY);
    for (size_t i = 0; i < hw->lanes.count; i++)
        if (hw->lane[i].worker)
            spa_worker_start(hw->lane[i].worker, spa_hardware_lane_run, &hw->lane[i]);
    for (size_t i = 0; i < hw->lanes.count; i++)
        if (hw->lane[i].worker) spa_worker_wait(hw->lane[i].worker);
    for (size_t i = 0; i < hw->lanes.count; i++)
        if (hw->lane[i].device) spa_hardware_device_drain(hw->lane[i].device);
}

spa_status spa_hardware_run(spa_hardware *hw, spa_engine *engine, spa_hardware_record *record,
                            spa_histogram *latencies, spa_run_result *result, spa_error *err)
{
    memset(result, 0, sizeof *result);
    if (record) clear_record(record);
    SPA_TRY(prepare(hw, engine, err));
    hw->engine = engine;
    hw->record = record;
    hw->latencies = latencies;
    hw->status = SPA_OK;
    hw->to_wake = 0;
    memset(hw->links, 0, sizeof hw->links);
    atomic_store(&hw->done, false);
    atomic_store(&hw->ready, 0);
    atomic_store(&hw->in_flight, 0);
    atomic_store(&hw->arrival_ns, INT64_MAX);
    run_lanes(hw);
    if (record && hw->parts) join_parts(record);
    hw->engine = NULL;
    hw->record = NULL;
    if (atomic_exchange(&hw->interrupted, false) && hw->status == SPA_OK)
        return spa_fail(err, SPA_E_INTERRUPTED, "interrupted");
    if (hw->status) {
        if (err) *err = hw->error;
        return hw->status;
    }
    return spa_engine_result(engine, result, err);
}
