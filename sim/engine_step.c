/* The event loop: what happens when something completes. See docs/model.md, "Dispatch".
 *
 * It runs tens of millions of operators a second in searches and training: the cost table is read
 * through flat records made once (engine_tables.c), requests are passed by pointer, and a lane or
 * link that is idle takes its work without going through its queue. */
#include "sim/engine_arrivals.h"
#include "sim/engine_place.h"

#ifndef ENGINE_LOOP
#define ENGINE_LOOP engine_loop_plain
#endif
#if ENGINE_CONDITIONS
#include "sim/engine_conditions.h"
#else
/* What takes the place of conditions where there are none. */
ENGINE_INLINE void begin_conditions(spa_engine *e) {}
ENGINE_INLINE void pass_time(spa_engine *e, int64_t at) {}
ENGINE_INLINE void conditions_event(spa_engine *e, uint32_t which) {}
ENGINE_INLINE bool conditions_alone(const spa_engine *e)
{
    return false;
}
ENGINE_INLINE void settle(spa_engine *e)
{
    rerate(e);
}
#endif

ENGINE_INLINE bool is_condition(const spa_engine *e, uint32_t event_slot)
{
    return ENGINE_CONDITIONS && event_slot != SPA_NONE && event_slot >= e->condition_slot;
}

static void fill_the_view(spa_engine *e, engine_request *r, uint32_t slot)
{
    fill_view(e, r, slot);
}

/* ---- issuing and finishing ------------------------------------------------------------------- */

/* Issuing is done: the operator (or twin) stands in its lane's queue. */
ENGINE_INLINE void issue_node(spa_engine *e, engine_request *r, uint32_t slot, uint32_t op)
{
    engine_op *o = &r->ops[op];
    engine_lane *lane = &e->lanes[o->lane];
    bool is_async = e->is_async[lane->processor], starts, complete = --o->missing == 0;
    if (is_async) {
        satisfy(e, r, slot, op);
        if (ENGINE_RARELY(e->executor != NULL) && !(e->nodes[op].flags & NODE_VIEW) &&
            !is_twin(e, op))
            e->executor->issue(e->config.executor_self, lane->id, slot, op);
    }
    if (ENGINE_RARELY(e->nodes[op].flags & NODE_VIEW)) {
        if (complete) push_view(e, o, slot, op);
        return;
    }
    /* A dispatching host thread issues all it can before it computes (see pump_all). */
    starts = !e->occupies || lane->id != r->home;
    if (complete && starts && lane->doing == LANE_IDLE && lane->head == SPA_NONE) {
        start_kernel(e, lane, r, slot, op);
        return;
    }
    if (is_async || complete) enqueue(e, lane, o, slot, op);
    if (starts) try_start(e, lane);
}

ENGINE_INLINE void issue(spa_engine *e, engine_request *r, uint32_t slot, uint32_t op)
{
    issue_node(e, r, slot, op);
    if (ENGINE_RARELY(e->splits) && share_of(e, r)[op]) issue_node(e, r, slot, e->n_tensors + op);
}

ENGINE_INLINE void finish_op(spa_engine *e, engine_request *r, uint32_t slot, uint32_t op)
{
    engine_op *o = &r->ops[op];
    uint32_t p = placed_of(e, r)[op];
    uint32_t coming = where_of(e, r)[op] & ~(1u << p);
    bool in_section = r->flags & IN_SECTION && op < e->serial_ops;
    o->present |= 1u << p & 0xffu;
    finish_of(e, r)[op] = e->state.now;
    /* Users are placed when all they use is satisfied: on a stream before now, else not yet. */
    if (e->is_async[p])
        wake_users(e, r, slot, op, p);
    else
        satisfy(e, r, slot, op);
    if (r->flags & BLOCK_SYNC && r->blocked_on == op &&
        (p == e->host || !(e->nodes[op].flags & NODE_PULLED)))
        unblock(e, r, slot, BLOCK_SYNC);
    if (p == e->host && e->nodes[op].flags & NODE_SINK) count_down(e, r, slot);
    while (ENGINE_RARELY(coming)) {
        queue_transfer(e, r, slot, op, (uint32_t)__builtin_ctz(coming));
        coming &= coming - 1;
    }
    if (ENGINE_RARELY(in_section)) leave_section_part(e, r);
    count_down(e, r, slot);
}

ENGINE_APART void finish_views(spa_engine *e)
{
    while (e->state.views_head != SPA_NONE) {
        uint32_t slot = item_slot(e, e->state.views_head), op = item_op(e, e->state.views_head);
        engine_request *r = request_of(e, slot);
        e->state.views_head = r->ops[op].next;
        finish_op(e, r, slot, op);
    }
}

/* A kernel of a split operator has ended: the twin's part moves to where the operator was placed.
 */
ENGINE_APART void finish_part(spa_engine *e, engine_request *r, uint32_t slot, uint32_t node)
{
    uint32_t op = whole_of(e, node);
    if (!is_twin(e, node)) {
        join_part(e, r, slot, op);
        return;
    }
    r->ops[node].present |= 1u << placed_of(e, r)[node] & 0xffu;
    queue_transfer(e, r, slot, node, placed_of(e, r)[op]);
}

/* ---- dispatch -------------------------------------------------------------------------------- */

ENGINE_INLINE void begin_dispatch(spa_engine *e, engine_lane *home, const engine_request *r,
                                  uint32_t slot, uint32_t op, int64_t cost_ns)
{
    home->doing = LANE_DISPATCH;
    home->slot = slot;
    home->op = op;
    home->started_ns = e->state.now;
    home->expected_end_ns = e->state.now + cost_ns;
    spa_event_list_set(e->events, home->id, e->state.now + cost_ns);
    emit(e, SPA_EV_DISPATCH_BEGIN, r, op, home->name,
         draw_begin(e, home->id, e->costs->processors[e->host].dispatch_w));
}

/* Places an operator and issues it; false if that takes time, and the host lane is busy with it. */
ENGINE_INLINE bool dispatch(spa_engine *e, engine_lane *home, engine_request *r, uint32_t slot,
                            uint32_t op)
{
    int64_t cost_ns = place(e, r, slot, op);
    if (ENGINE_RARELY(e->failed)) return false;
    if (ENGINE_CONDITIONS && cost_ns > 0)
        cost_ns = (int64_t)ceil((double)cost_ns / e->conditions->host_ratio);
    if (cost_ns > 0) {
        begin_dispatch(e, home, r, slot, op, cost_ns);
        return false;
    }
    issue(e, r, slot, op);
    if (e->state.views_head != SPA_NONE) finish_views(e);
    return true;
}

/* A stepped run stands still before an operator is placed that is not a view. */
ENGINE_APART bool asks(spa_engine *e, uint32_t slot, uint32_t op)
{
    if (e->nodes[op].flags & NODE_VIEW) return false;
    e->state.asked_slot = slot;
    e->state.asked_op = op;
    e->state.stopped = STOP_ASKS;
    return true;
}

/* Dispatches what can be dispatched by one host lane now. */
ENGINE_APART void pump(spa_engine *e, engine_lane *home)
{
    while (home->request_head != SPA_NONE) {
        uint32_t slot = home->request_head, op;
        engine_request *r = request_of(e, slot);
        if (e->occupies && home->doing != LANE_IDLE) return;
        op = r->flags & BLOCK_ANY ? SPA_NONE : pop_ready(e, r);
        if (op == SPA_NONE) {
            unqueue_request(home, r);
            continue;
        }
        if (ENGINE_RARELY(e->stepped) && asks(e, slot, op)) return;
        if (!dispatch(e, home, r, slot, op)) return;
    }
}

/* Lets the host lanes from `lane` on, then every one, dispatch and start what it can. What one lane
 * dispatches can let in a request of another one (a critical section that ends with a view), hence
 * the rounds. False: a stepped run asks. */
ENGINE_INLINE bool pump_from(spa_engine *e, engine_lane *lane, bool again)
{
    for (;;) {
        for (; lane < e->home_end; lane++) {
            if (lane->request_head == SPA_NONE) continue;
            if (e->occupies && lane->doing != LANE_IDLE) continue;
            pump(e, lane);
            if (ENGINE_RARELY(e->state.stopped & STOP_ASKS)) return false;
            again = lane != e->home;
        }
        if (!ENGINE_RARELY(again) || e->failed) break;
        again = false;
        lane = e->home;
    }
    for (lane = e->home; lane < e->home_end; lane++) try_start(e, lane);
    return true;
}

ENGINE_INLINE bool pump_all(spa_engine *e)
{
    return pump_from(e, e->home, false);
}

/* ---- steps ----------------------------------------------------------------------------------- */

ENGINE_INLINE void end_dispatch(spa_engine *e, engine_lane *lane)
{
    uint32_t slot = lane->slot, op = lane->op;
    engine_request *r = request_of(e, slot);
    int64_t duration = e->state.now - lane->started_ns;
    double joule;
    float dispatch_w =
        draw_end(e, lane->id, e->costs->processors[lane->processor].dispatch_w, duration, &joule);
    e->state.result.dispatch_ns += duration;
    e->state.result.energy_dynamic_j += joule;
    e->state.result.energy_processor_j[lane->processor] += joule;
    emit(e, SPA_EV_DISPATCH_END, r, op, lane->name, dispatch_w);
    lane->doing = LANE_IDLE;
    lane->expected_end_ns = 0;
    issue(e, r, slot, op);
}

ENGINE_APART void tell_policy(spa_engine *e, const engine_lane *lane)
{
    uint32_t op = whole_of(e, lane->op), p = lane->processor;
    uint32_t tenths = tenths_of(e, request_of(e, lane->slot), lane->op);
    spa_completion done = {.request_slot = lane->slot,
                           .op = op,
                           .processor = p,
                           .start_ns = lane->started_ns,
                           .finish_ns = e->state.now,
                           .expected_ns = tenths ? spa_part_ns(e->costs, op, p, tenths)
                                                 : spa_cost(e->costs, op, p)->kernel_ns};
    if (ENGINE_RARELY(e->programs != NULL)) {
        uint32_t program = request_of(e, lane->slot)->program;
        done.op -= e->programs[program].first;
        e->config.policy->observe(e->config.programs->items[program].self,
                                  program_memory(e, program), &done);
        return;
    }
    e->config.policy->observe(e->config.self, policy_memory(e), &done);
}

ENGINE_INLINE void end_kernel(spa_engine *e, engine_lane *lane)
{
    uint32_t slot = lane->slot, op = lane->op, p = lane->processor;
    engine_request *r = request_of(e, slot);
    const engine_load *load = &e->loads[lane->load];
    int64_t duration = e->state.now - lane->started_ns;
    double joule;
    float power_w = draw_end(e, lane->id, load->dynamic_w, duration, &joule);
    spa_run_result *result = &e->state.result;
    result->busy_ns[p] += duration;
    result->ops[p]++;
    result->macs[p] += load->macs;
    e->state.kernels_running--;
    lane->doing = LANE_IDLE;
    if (!ENGINE_CONDITIONS && ENGINE_RARELY(e->shares_power[p])) {
        share_power(e, p);
    } else {
        result->energy_dynamic_j += joule;
        result->energy_processor_j[p] += joule;
    }
    lane->expected_end_ns = 0;
    remove_activity(e, lane->id);
    emit_node(e, SPA_EV_KERNEL_END, r, op, lane->name, power_w);
    if (e->observes) tell_policy(e, lane);
    if (ENGINE_RARELY(e->splits) && tenths_of(e, r, op))
        finish_part(e, r, slot, op);
    else
        finish_op(e, r, slot, op);
}

ENGINE_INLINE void end_transfer(spa_engine *e, uint32_t link_id)
{
    engine_link *link = &e->links[link_id];
    uint32_t slot = link->slot, tensor = link->tensor, to = link->to;
    engine_request *r = request_of(e, slot);
    const engine_load *load = &e->loads[link->load];
    int64_t duration = e->state.now - link->started_ns;
    double joule;
    float power_w = draw_end(e, e->n_lanes + link_id, load->dynamic_w, duration, &joule);
    e->state.result.transfers++;
    e->state.result.transfer_ns += duration;
    e->state.result.energy_dynamic_j += joule;
    e->state.result.energy_processor_j[to] += joule;
    e->state.transfers_running--;
    link->busy = 0;
    remove_activity(e, e->n_lanes + link_id);
    emit_move(e, SPA_EV_TRANSFER_END, r, tensor, link->name, power_w);
    arrive(e, r, slot, tensor, to);
    if (link->head != SPA_NONE) start_next_transfer(e, link_id);
}

/* A lane has copied an input of the operator that it is about to run. */
ENGINE_APART void end_copy(spa_engine *e, engine_lane *lane)
{
    uint32_t slot = lane->slot, op = lane->op, tensor = e->activities[lane->id].tensor;
    engine_request *r = request_of(e, slot);
    const engine_load *load = &e->loads[lane->load];
    int64_t duration = e->state.now - lane->started_ns;
    double joule;
    float power_w = draw_end(e, lane->id, load->dynamic_w, duration, &joule);
    e->state.result.transfers++;
    e->state.result.transfer_ns += duration;
    e->state.result.energy_dynamic_j += joule;
    e->state.result.energy_processor_j[lane->processor] += joule;
    e->state.transfers_running--;
    lane->doing = LANE_IDLE;
    lane->expected_end_ns = 0;
    remove_activity(e, lane->id);
    emit(e, SPA_EV_TRANSFER_END, r, tensor, event_place(lane->processor, placed_of(e, r)[tensor]),
         power_w);
    r->ops[tensor].present |= 1u << lane->processor & 0xffu;
    start_kernel(e, lane, r, slot, op);
}

/* What ends a step, after all host lanes have dispatched: requests that waited for a slot. False: a
 * stepped run asks. */
ENGINE_INLINE bool finish_step(spa_engine *e, uint32_t event_slot)
{
    if (event_slot < e->n_lanes) try_start(e, &e->lanes[event_slot]);
    if (ENGINE_RARELY(e->arrival_slot != SPA_NONE)) {
        if (e->batching) return !freed_batches(e) || pump_all(e);
        if (e->state.admitted < e->state.arrived && e->state.free_slot != SPA_NONE) {
            let_in(e);
            return pump_all(e);
        }
    }
    return true;
}

/* All that the host lanes dispatch in a step, and its end. */
ENGINE_INLINE void dispatch_step(spa_engine *e, uint32_t event_slot)
{
    if (!pump_all(e) || !finish_step(e, event_slot))
        e->state.asked_event = event_slot;
    else if (e->state.dirty && !e->executor)
        settle(e);
}

/* One step: the completion in an event slot, and all that follows from it at that moment. */
ENGINE_INLINE void step(spa_engine *e, uint32_t event_slot, int64_t at)
{
    if (e->state.transfers_running && e->state.kernels_running)
        e->state.result.overlap_ns += (at - e->state.now) * e->state.transfers_running;
    pass_time(e, at);
    set_now(e, at);
    spa_event_list_set(e->events, event_slot, SPA_NEVER);
    if (is_condition(e, event_slot)) {
        conditions_event(e, event_slot - e->condition_slot);
    } else if (ENGINE_RARELY(event_slot >= e->arrival_slot)) {
        if (event_slot == e->arrival_slot)
            arrive_requests(e);
        else
            form_batches(e);
    } else if (event_slot >= e->n_lanes) {
        end_transfer(e, event_slot - e->n_lanes);
    } else {
        engine_lane *lane = &e->lanes[event_slot];
        if (lane->doing == LANE_KERNEL)
            end_kernel(e, lane);
        else if (lane->doing == LANE_DISPATCH)
            end_dispatch(e, lane);
        else
            end_copy(e, lane);
    }
    if (e->state.views_head != SPA_NONE) finish_views(e);
    dispatch_step(e, event_slot);
}

/* Goes on where the step was left: the host lane of the request that asked was dispatching. That
 * its end may come by twice does no harm: requests that wait are let in once. */
static void decide(spa_engine *e)
{
    uint32_t slot = e->state.asked_slot;
    engine_request *r = request_of(e, slot);
    engine_lane *home = &e->lanes[r->home];
    e->state.stopped = 0;
    if (dispatch(e, home, r, slot, e->state.asked_op)) pump(e, home);
    if (e->failed || e->state.stopped & STOP_ASKS) return; /* in the same step */
    if (!pump_from(e, home + 1, home != e->home)) return;
    if (finish_step(e, e->state.asked_event) && e->state.dirty) settle(e);
}

static void complete(spa_engine *e, uint32_t event_slot, int64_t now_ns)
{
    step(e, event_slot, now_ns);
}

static void begin(spa_engine *e)
{
    e->state.begun = 1;
    if (ENGINE_CONDITIONS) begin_conditions(e);
    if (e->arrival_slot != SPA_NONE)
        begin_arrivals(e);
    else
        for (uint32_t slot = 0; slot < e->n_slots && slot < e->config.scenario.requests; slot++)
            admit(e, slot);
    dispatch_step(e, SPA_NONE);
}

static engine_outcome advance(spa_engine *e, int64_t until_ns)
{
    while (!e->state.stopped) {
        uint32_t event_slot = spa_event_list_first(e->events);
        int64_t at;
        if (event_slot == SPA_EVENT_LIST_NONE) return ENGINE_STUCK;
        at = spa_event_list_times(e->events)[event_slot];
        if (at > until_ns) return ENGINE_PAUSED;
        if (is_condition(e, event_slot) && conditions_alone(e)) return ENGINE_STUCK;
        step(e, event_slot, at);
    }
    if (e->failed) return ENGINE_FAILED;
    return e->state.stopped & STOP_ASKS ? ENGINE_ASKS : ENGINE_DONE;
}

const engine_loop ENGINE_LOOP = {.begin = begin,
                                 .complete = complete,
                                 .decide = decide,
                                 .fill_view = fill_the_view,
                                 .advance = advance};
