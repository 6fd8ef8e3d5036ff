/* What runs and how fast: activities with their rates, kernels in their lanes. */
#ifndef SPA_SIM_ENGINE_LANES_H
#define SPA_SIM_ENGINE_LANES_H

#include <math.h>
#include "base/text.h"
#include "sim/contention.h"
#include "sim/engine_emit.h"
#include "sim/engine_power.h"

/* ---- activities ------------------------------------------------------------------------------ */

ENGINE_INLINE void add_activity(spa_engine *e, uint32_t event_slot, uint32_t load, double work_ns)
{
    engine_activity *a = &e->activities[event_slot];
    a->remaining = work_ns;
    a->rate = 0;
    a->since = e->state.now;
    a->load = load;
    e->active[e->state.n_active++] = (uint16_t)event_slot;
    e->state.dirty = 1;
}

ENGINE_INLINE void remove_activity(spa_engine *e, uint32_t event_slot)
{
    uint16_t *active = e->active;
    uint32_t i = 0, n = --e->state.n_active;
    e->state.dirty = 1;
    if (n == 0) return;
    while (active[i] != event_slot) i++;
    for (; i < n; i++) active[i] = active[i + 1]; /* keeps the order: sums stay repeatable */
}

ENGINE_INLINE void reschedule(spa_engine *e, uint32_t event_slot, double rate)
{
    engine_activity *a = &e->activities[event_slot];
    double left = a->remaining;
    int64_t left_ns;
    if (rate == a->rate) return;
    if (a->rate != 0) {
        left -= a->rate * (double)(e->state.now - a->since);
        if (left < 0) left = 0;
        a->remaining = left;
        a->since = e->state.now;
    }
    a->rate = rate;
    if (rate != 1) left /= rate;
    left_ns = (int64_t)left;
    left_ns += left > (double)left_ns; /* ceil, without a library call */
    spa_event_list_set(e->events, event_slot, e->state.now + left_ns);
}

/* Several things run. Two that leave enough for each other are the usual case. */
ENGINE_APART void rerate_several(spa_engine *e)
{
    const engine_load *load[CONTENTION_MAX];
    double rate[CONTENTION_MAX];
    const uint16_t *active = e->active;
    uint32_t n = e->state.n_active;
    if (!e->contention) {
        for (uint32_t i = 0; i < n; i++) reschedule(e, active[i], 1);
        return;
    }
    if (n == 2 && contention_pair(&e->loads[e->activities[active[0]].load],
                                  &e->loads[e->activities[active[1]].load], rate)) {
        reschedule(e, active[0], rate[0]);
        reschedule(e, active[1], rate[1]);
        return;
    }
    for (uint32_t i = 0; i < n; i++) load[i] = &e->loads[e->activities[active[i]].load];
    contention_rates(load, n, rate);
    for (uint32_t i = 0; i < n; i++) reschedule(e, active[i], rate[i]);
}

/* Gives every running thing its rate; called once per step if the set changed. */
ENGINE_INLINE void rerate(spa_engine *e)
{
    e->state.dirty = 0;
    if (e->state.n_active == 1)
        reschedule(e, e->active[0], 1);
    else if (e->state.n_active > 1)
        rerate_several(e);
}

/* ---- kernels --------------------------------------------------------------------------------- */

/* Noise of an operator: keyed by request and operator, not by the order of draws, so that policies
 * are compared on common random numbers. */
static inline double noise_factor(const spa_engine *e, uint64_t request, uint32_t op, double sigma)
{
    uint64_t h;
    if (sigma == 0) return 1;
    h = spa_hash_u64(spa_hash_u64(e->noise_key, request), op);
    h ^= h >> 33;
    return exp(sigma * e->normal_quantiles[h % ENGINE_QUANTILES] - 0.5 * sigma * sigma);
}

ENGINE_APART double noisy(const spa_engine *e, const engine_request *r, uint32_t op,
                          const engine_load *load)
{
    return (double)load->expected_ns *
           (e->state.run_factor * noise_factor(e, r->number, op, load->sigma));
}

/* ---- copies that a lane makes itself ----------------------------------------------------------
 */

ENGINE_INLINE uint32_t link_load(const spa_engine *e, uint32_t from, uint32_t to)
{
    return (e->n_ops + from) * e->n_processors + to;
}

/* Is a tensor at `from` brought to `to` by the lane that needs it? */
ENGINE_INLINE bool copied_by_lane(const spa_engine *e, uint32_t from, uint32_t to)
{
    return e->lane_copies && from != to && e->loads[link_load(e, from, to)].can_run;
}

/* Begins the copy of an input that the operator's lane has to make before it can run; false: there
 * is none (left). Processors behind such links have one lane, so no two copy the same tensor. */
ENGINE_APART bool start_copy(spa_engine *e, engine_lane *lane, engine_request *r, uint32_t slot,
                             uint32_t op)
{
    const engine_node *node = &e->nodes[op];
    uint32_t p = lane->processor;
    for (uint32_t i = node->first_input; i < node->end_input; i++) {
        uint32_t t = e->inputs[i], from = placed_of(e, r)[t], load;
        int64_t duration;
        if (r->ops[t].present >> p & 1u) continue;
        duration = spa_transfer_ns(e->costs, t, from, p);
        load = link_load(e, from, p);
        lane->backlog_ns -= duration;
        if (!e->executor && duration == 0) {
            r->ops[t].present |= 1u << p & 0xffu;
            continue;
        }
        if (e->executor && (tenths_of(e, r, op) || /* parts see to their inputs themselves */
                            !e->executor->copy(e->config.executor_self, lane->id, slot, op, t))) {
            float power_w = e->loads[load].dynamic_w; /* it only changes hands */
            emit(e, SPA_EV_TRANSFER_BEGIN, r, t, event_place(p, from), power_w);
            emit(e, SPA_EV_TRANSFER_END, r, t, event_place(p, from), power_w);
            e->state.result.transfers++;
            r->ops[t].present |= 1u << p & 0xffu;
            continue;
        }
        lane->doing = LANE_COPY;
        lane->slot = slot;
        lane->op = op;
        lane->load = load;
        lane->started_ns = e->state.now;
        lane->expected_end_ns = e->state.now + duration;
        e->state.transfers_running++;
        emit(e, SPA_EV_TRANSFER_BEGIN, r, t, event_place(p, from),
             draw_begin(e, lane->id, e->loads[load].dynamic_w));
        add_activity(e, lane->id, load, (double)duration * (e->noise ? e->state.run_factor : 1.0));
        e->activities[lane->id].tensor = t;
        return true;
    }
    return false;
}

/* ---- kernels on lanes --------------------------------------------------------------------------
 */

ENGINE_APART void execute(spa_engine *e, const engine_lane *lane, engine_request *r, uint32_t slot,
                          uint32_t node)
{
    uint32_t tenths = tenths_of(e, r, node), begin = is_twin(e, node) ? SPA_TENTHS - tenths : 0;
    if (tenths == 0)
        e->executor->kernel(e->config.executor_self, lane->id, slot, node);
    else
        e->executor->part(e->config.executor_self, lane->id, slot, whole_of(e, node), begin,
                          begin + tenths);
}

ENGINE_APART void start_kernel(spa_engine *e, engine_lane *lane, engine_request *r, uint32_t slot,
                               uint32_t op)
{
    if (ENGINE_RARELY(e->lane_copies) && start_copy(e, lane, r, slot, op)) return;
    uint32_t load_id = kernel_load(e, r, op, lane->processor);
    const engine_load *load = &e->loads[load_id];
    int64_t expected_ns = load->expected_ns, now = e->state.now;
    lane->doing = LANE_KERNEL;
    lane->slot = slot;
    lane->op = op;
    lane->load = load_id;
    lane->started_ns = now;
    lane->expected_end_ns = now + expected_ns;
    lane->backlog_ns -= expected_ns;
    e->state.kernels_running++;
    if (!ENGINE_CONDITIONS && ENGINE_RARELY(e->shares_power[lane->processor]))
        share_power(e, lane->processor);
    emit_node(e, SPA_EV_KERNEL_BEGIN, r, op, lane->name, draw_begin(e, lane->id, load->dynamic_w));
    double work_ns = ENGINE_RARELY(e->noise) ? noisy(e, r, op, load) : (double)expected_ns;
    if (ENGINE_CONDITIONS)
        work_ns *= condition_zeros(e, r->number, op, lane->processor, (double)expected_ns);
    add_activity(e, lane->id, load_id, work_ns);
    if (ENGINE_RARELY(e->executor != NULL)) execute(e, lane, r, slot, op);
}

/* With many requests in flight, the next one of a queue has left the cache since it queued. */
ENGINE_INLINE void prefetch_item(const spa_engine *e, uint32_t item)
{
    engine_request *r = request_of(e, item_slot(e, item));
    uint32_t op = item_op(e, item);
    __builtin_prefetch(r);
    __builtin_prefetch(&r->ops[op]);
    __builtin_prefetch(&placed_of(e, r)[op]);
    __builtin_prefetch(&finish_of(e, r)[op]);
}

/* Starts the operator at the head of an idle lane's queue. Streams execute in issue order: an
 * operator whose inputs are not there yet holds up those behind it. */
ENGINE_APART void start_head(spa_engine *e, engine_lane *lane)
{
    uint32_t item = lane->head, slot = item_slot(e, item), op = item_op(e, item), next;
    engine_request *r = request_of(e, slot);
    const engine_op *o = &r->ops[op];
    if (o->missing) return;
    next = o->next;
    lane->head = next;
    if (next == SPA_NONE)
        lane->tail = SPA_NONE;
    else
        prefetch_item(e, next);
    start_kernel(e, lane, r, slot, op);
}

ENGINE_INLINE void try_start(spa_engine *e, engine_lane *lane)
{
    if (lane->head != SPA_NONE && lane->doing == LANE_IDLE) start_head(e, lane);
}

ENGINE_INLINE void enqueue(spa_engine *e, engine_lane *lane, engine_op *o, uint32_t slot,
                           uint32_t op)
{
    uint32_t item = item_of(e, slot, op), tail = lane->tail;
    o->next = SPA_NONE;
    if (tail == SPA_NONE)
        lane->head = item;
    else
        request_of(e, item_slot(e, tail))->ops[item_op(e, tail)].next = item;
    lane->tail = item;
}

#endif
