/* Open-loop arrivals: requests come when they come, and wait where all slots are taken.
 *
 * The k-th arrival is a pure function of (seed, replication, k) through a running sum of gaps. Two
 * cursors walk the same stream: one over arrivals that have happened, one over those that were let
 * in. What waits between them needs no memory. */
#ifndef SPA_SIM_ENGINE_ARRIVALS_H
#define SPA_SIM_ENGINE_ARRIVALS_H

#include <math.h>
#include "sim/engine_ready.h"

#define ARRIVAL_LAST_NS ((int64_t)1 << 60) /* 36 years: nothing arrives later */

/* From arrival k-1 to arrival k, ns (from 0 to the first one for k = 0). Poisson: exponential, by
 * inversion of a uniform number keyed by k. */
static inline int64_t arrival_gap_ns(const spa_engine *e, uint64_t k)
{
    const spa_scenario *s = &e->config.scenario;
    double mean_ns = 1e9 / s->rate_hz;
    if (s->arrivals == SPA_ARRIVALS_PERIODIC) return k == 0 ? 0 : llround(mean_ns);
    uint64_t h = spa_hash_u64(e->arrival_key, k);
    h ^= h >> 31;
    double u = ((double)(h >> 11) + 0.5) * 0x1p-53;
    double gap = -log(u) * mean_ns;
    return gap < (double)ARRIVAL_LAST_NS ? llround(gap) : ARRIVAL_LAST_NS;
}

static inline int64_t arrival_after(const spa_engine *e, int64_t before_ns, uint64_t k)
{
    int64_t gap = arrival_gap_ns(e, k);
    return before_ns > ARRIVAL_LAST_NS - gap ? ARRIVAL_LAST_NS : before_ns + gap;
}

static void set_next_arrival(spa_engine *e)
{
    bool more = e->state.arrived < e->config.scenario.requests;
    spa_event_list_set(e->events, e->arrival_slot, more ? e->state.next_arrival_ns : SPA_NEVER);
}

/* Lets requests in that wait, while there are free slots. */
ENGINE_APART void let_in(spa_engine *e)
{
    while (e->state.admitted < e->state.arrived && e->state.free_slot != SPA_NONE) {
        uint32_t slot = e->state.free_slot;
        e->state.free_slot = request_of(e, slot)->next;
        admit(e, slot);
        request_of(e, slot)->arrival_ns = e->state.let_in_ns;
        if (e->state.admitted < e->config.scenario.requests)
            e->state.let_in_ns = arrival_after(e, e->state.let_in_ns, e->state.admitted);
    }
}

/* Time has reached the next arrival (and perhaps others behind it). */
ENGINE_APART void arrive_requests(spa_engine *e)
{
    while (e->state.arrived < e->config.scenario.requests &&
           e->state.next_arrival_ns <= e->state.now) {
        e->state.arrived++;
        if (e->state.arrived < e->config.scenario.requests)
            e->state.next_arrival_ns = arrival_after(e, e->state.next_arrival_ns, e->state.arrived);
    }
    set_next_arrival(e);
    let_in(e);
}

/* All slots are free, the first arrival is ahead. */
static void begin_arrivals(spa_engine *e)
{
    for (uint32_t slot = e->n_slots; slot-- > 0;) {
        request_of(e, slot)->next = e->state.free_slot;
        e->state.free_slot = slot;
    }
    e->state.next_arrival_ns = e->state.let_in_ns = arrival_after(e, 0, 0);
    set_next_arrival(e);
    if (e->state.next_arrival_ns == 0) arrive_requests(e);
}

#endif
