/* Open-loop arrivals: requests come when they come, and wait where all slots are taken.
 *
 * The k-th arrival is a pure function of (seed, replication, k), found by walking from one to the
 * next. Two cursors walk the same stream: one over arrivals that have happened, one over those that
 * were let in. What waits between them needs no memory. */
#ifndef SPA_SIM_ENGINE_ARRIVALS_H
#define SPA_SIM_ENGINE_ARRIVALS_H

#include "sim/engine_ready.h"

/* Time ends: what comes later is refused, not said to come then. */
ENGINE_APART void fail_arrival(spa_engine *e)
{
    e->state.stopped = STOP_ENDED;
    e->failed = spa_fail(&e->error, SPA_E_RANGE,
                         "scenario '%s': request %llu of %llu comes more than 36 years after the "
                         "beginning; give a higher rate or fewer requests",
                         e->config.scenario.name, (unsigned long long)e->state.arrived,
                         (unsigned long long)e->config.scenario.requests);
}

static void set_next_arrival(spa_engine *e)
{
    bool more = e->state.arrived < e->config.scenario.requests;
    if (more && e->state.next_arrival.at_ns >= ARRIVAL_LAST_NS) fail_arrival(e);
    spa_event_list_set(e->events, e->arrival_slot, more ? e->state.next_arrival.at_ns : SPA_NEVER);
}

/* Lets requests in that wait, while there are free slots. */
ENGINE_APART void let_in(spa_engine *e)
{
    while (e->state.admitted < e->state.arrived && e->state.free_slot != SPA_NONE) {
        uint32_t slot = e->state.free_slot;
        e->state.free_slot = request_of(e, slot)->next;
        admit(e, slot);
        request_of(e, slot)->arrival_ns = e->state.let_in.at_ns;
        if (e->state.admitted < e->config.scenario.requests)
            advance_cursor(e, &e->state.let_in, e->state.admitted);
    }
}

ENGINE_APART void fail_batcher(spa_engine *e, uint64_t n)
{
    e->state.stopped = 1;
    e->failed = spa_fail(&e->error, SPA_E_ILLEGAL,
                         "batcher '%s': closes a batch of %llu samples, which is more than wait or "
                         "than the largest program takes, or none without waiting",
                         e->config.batcher->name, (unsigned long long)n);
}

/* ---- batches --------------------------------------------------------------------------------- */

/* The first n of the samples that wait in a queue become one run. */
static void let_in_batch(spa_engine *e, uint32_t queue, uint32_t n)
{
    engine_batching *b = e->batching;
    engine_queue *q = &b->queues[queue];
    uint32_t slot = e->state.free_slot, program = q->first;
    engine_batch *batch = &batches_of(e)[slot];
    const spa_program *sizes = e->config.programs->items;
    while (sizes[program].samples < n) program++;
    b->program = program;
    e->state.free_slot = request_of(e, slot)->next;
    admit(e, slot);
    request_of(e, slot)->arrival_ns = q->at.at_ns;
    *batch = (engine_batch){.first = q->at,
                            .number = q->number,
                            .let_in_ns = e->state.now,
                            .samples = n,
                            .size = sizes[program].samples,
                            .queue = queue};
    for (uint32_t k = 0; k < n; k++) {
        b->result.queue_ns += (double)(e->state.now - q->at.at_ns);
        next_of_queue(e, queue, &q->at, &q->number);
    }
    q->waiting -= n;
    b->let_in += n;
    b->result.runs++;
    b->result.samples += n;
    b->result.places += batch->size;
}

/* The queue whose oldest sample has waited longest, of those not in `but`; SPA_NONE: nothing waits.
 */
static uint32_t longest_waiting(const engine_batching *b, uint32_t but)
{
    uint32_t best = SPA_NONE;
    for (uint32_t k = 0; k < b->n_queues; k++) {
        if (b->queues[k].waiting == 0 || but >> k & 1u) continue;
        if (best == SPA_NONE || b->queues[k].at.at_ns < b->queues[best].at.at_ns) best = k;
    }
    return best;
}

/* Asks the batcher about a queue. Returns the samples that it closes, 0 = it waits until *wake_ns.
 */
static uint64_t ask_batcher(spa_engine *e, uint32_t queue, int64_t *wake_ns)
{
    const engine_queue *q = &e->batching->queues[queue];
    spa_batch_view view = {.now_ns = e->state.now,
                           .oldest_ns = q->at.at_ns,
                           .waiting = q->waiting,
                           .in_flight = (uint32_t)(e->state.admitted - e->state.finished),
                           .last = e->state.arrived == e->config.scenario.requests};
    spa_batch_choice choice = {.until_ns = INT64_MAX};
    uint32_t most = e->config.programs->items[q->end - 1].samples;
    e->config.batcher->decide(e->config.batcher_selves[queue], &view, &choice);
    if (choice.close == 0 && view.last && choice.until_ns == INT64_MAX)
        return view.waiting < most ? view.waiting : most; /* it would wait for ever */
    if (choice.close == 0 && choice.until_ns > e->state.now) {
        if (choice.until_ns < *wake_ns) *wake_ns = choice.until_ns;
        return 0;
    }
    if (choice.close == 0 || choice.close > q->waiting || choice.close > most)
        fail_batcher(e, choice.close);
    return choice.close;
}

/* Asks the batcher until it waits, nothing waits, or no run may begin. */
ENGINE_APART void form_batches(spa_engine *e)
{
    engine_batching *b = e->batching;
    int64_t wake_ns = SPA_NEVER;
    uint32_t queue, patient = 0; /* bits of queues that wait for more */
    account_waiting(e);
    while (e->state.free_slot != SPA_NONE && (queue = longest_waiting(b, patient)) != SPA_NONE) {
        uint64_t n = ask_batcher(e, queue, &wake_ns);
        if (e->failed) return;
        if (n)
            let_in_batch(e, queue, (uint32_t)n);
        else
            patient |= 1u << queue;
    }
    spa_event_list_set(e->events, e->arrival_slot + 1, wake_ns);
}

/* The queues' cursors begin where the stream does. */
static void begin_queues(spa_engine *e)
{
    for (uint32_t k = 0; k < e->batching->n_queues; k++) {
        engine_queue *q = &e->batching->queues[k];
        q->at = e->state.next_arrival;
        if (queue_of(e, 0) != k) next_of_queue(e, k, &q->at, &q->number);
    }
}

/* A run has ended, and samples may wait for its slot. True if that let some in. */
ENGINE_INLINE bool freed_batches(spa_engine *e)
{
    uint64_t before = e->batching->let_in;
    if (!e->batching->slot_freed) return false;
    e->batching->slot_freed = 0;
    form_batches(e);
    return e->batching->let_in != before;
}

/* Time has reached the next arrival (and perhaps others behind it). */
ENGINE_APART void arrive_requests(spa_engine *e)
{
    if (ENGINE_RARELY(e->batching != NULL)) account_waiting(e);
    while (e->state.arrived < e->config.scenario.requests &&
           e->state.next_arrival.at_ns <= e->state.now) {
        if (ENGINE_RARELY(e->batching != NULL))
            e->batching->queues[queue_of(e, e->state.arrived)].waiting++;
        e->state.arrived++;
        if (e->state.arrived < e->config.scenario.requests)
            advance_cursor(e, &e->state.next_arrival, e->state.arrived);
    }
    set_next_arrival(e);
    if (ENGINE_RARELY(e->batching != NULL))
        form_batches(e);
    else
        let_in(e);
}

/* All slots are free, the first arrival is ahead. */
static void begin_arrivals(spa_engine *e)
{
    for (uint32_t slot = e->n_slots; slot-- > 0;) {
        request_of(e, slot)->next = e->state.free_slot;
        e->state.free_slot = slot;
    }
    advance_cursor(e, &e->state.next_arrival, 0);
    e->state.let_in = e->state.next_arrival;
    if (e->batching) begin_queues(e);
    set_next_arrival(e);
    if (e->state.next_arrival.at_ns == 0) arrive_requests(e);
}

#endif
