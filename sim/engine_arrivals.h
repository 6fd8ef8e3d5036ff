/* Open-loop arrivals: requests come when they come, and wait where all slots are taken.
 *
 * The k-th arrival is a pure function of (seed, replication, k), found by walking from one to the
 * next. Two cursors walk the same stream: one over arrivals that have happened, one over those that
 * were let in. What waits between them needs no memory. */
#ifndef SPA_SIM_ENGINE_ARRIVALS_H
#define SPA_SIM_ENGINE_ARRIVALS_H

#include "sim/engine_ready.h"

static void set_next_arrival(spa_engine *e)
{
    bool more = e->state.arrived < e->config.scenario.requests;
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
                         "than the largest of %u, or none without waiting",
                         e->config.batcher->name, (unsigned long long)n, e->batching->largest);
}

/* ---- batches --------------------------------------------------------------------------------- */

/* The first n of the samples that wait become one run. */
static void let_in_batch(spa_engine *e, uint32_t n)
{
    engine_batching *b = e->batching;
    uint32_t slot = e->state.free_slot, program = 0;
    engine_batch *batch = &batches_of(e)[slot];
    const spa_program *sizes = e->config.programs->items;
    while (sizes[program].samples < n) program++;
    b->program = program;
    e->state.free_slot = request_of(e, slot)->next;
    admit(e, slot);
    request_of(e, slot)->arrival_ns = e->state.let_in.at_ns;
    *batch = (engine_batch){.first = e->state.let_in,
                            .number = b->let_in,
                            .let_in_ns = e->state.now,
                            .samples = n,
                            .size = sizes[program].samples};
    for (uint32_t k = 0; k < n; k++) {
        b->result.queue_ns += (double)(e->state.now - e->state.let_in.at_ns);
        if (++b->let_in < e->config.scenario.requests)
            advance_cursor(e, &e->state.let_in, b->let_in);
    }
    b->result.runs++;
    b->result.samples += n;
    b->result.places += batch->size;
}

/* Asks the batcher until it waits, nothing waits, or no run may begin. */
ENGINE_APART void form_batches(spa_engine *e)
{
    engine_batching *b = e->batching;
    int64_t wake_ns = SPA_NEVER;
    account_waiting(e);
    while (b->let_in < e->state.arrived && e->state.free_slot != SPA_NONE) {
        spa_batch_view view = {.now_ns = e->state.now,
                               .oldest_ns = e->state.let_in.at_ns,
                               .waiting = e->state.arrived - b->let_in,
                               .in_flight = (uint32_t)(e->state.admitted - e->state.finished),
                               .last = e->state.arrived == e->config.scenario.requests};
        spa_batch_choice choice = {.until_ns = INT64_MAX};
        e->config.batcher->decide(e->config.batcher_self, &view, &choice);
        uint64_t n = choice.close;
        if (n == 0 && view.last && choice.until_ns == INT64_MAX) n = view.waiting;
        if (n == 0 && choice.until_ns > e->state.now) {
            wake_ns = choice.until_ns == INT64_MAX ? SPA_NEVER : choice.until_ns;
            break;
        }
        if (n == 0 || n > view.waiting || n > b->largest) {
            fail_batcher(e, n);
            return;
        }
        let_in_batch(e, (uint32_t)n);
    }
    spa_event_list_set(e->events, e->arrival_slot + 1, wake_ns);
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
    set_next_arrival(e);
    if (e->state.next_arrival.at_ns == 0) arrive_requests(e);
}

#endif
