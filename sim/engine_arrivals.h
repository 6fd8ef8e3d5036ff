/* Open-loop arrivals: requests come when they come, and wait where all slots are taken.
 *
 * The k-th arrival is a pure function of (seed, replication, k), found by walking from one to the
 * next. Two cursors walk the same stream: one over arrivals that have happened, one over those that
 * were let in. What waits between them needs no memory. */
#ifndef SPA_SIM_ENGINE_ARRIVALS_H
#define SPA_SIM_ENGINE_ARRIVALS_H

#include <math.h>
#include "sim/engine_ready.h"

#define ARRIVAL_LAST_NS ((int64_t)1 << 60) /* 36 years: nothing arrives later */

/* The n-th uniform number in (0, 1) of the arrivals' stream. */
static inline double arrival_uniform(const spa_engine *e, uint64_t n)
{
    uint64_t h = spa_hash_u64(e->arrival_key, n);
    h ^= h >> 31;
    return ((double)(h >> 11) + 0.5) * 0x1p-53;
}

/* A time with this mean, exponentially distributed, by inversion of the n-th uniform number. */
static inline int64_t arrival_exponential_ns(const spa_engine *e, uint64_t n, double mean_ns)
{
    double ns = -log(arrival_uniform(e, n)) * mean_ns;
    return ns < (double)ARRIVAL_LAST_NS ? llround(ns) : ARRIVAL_LAST_NS;
}

static inline int64_t arrival_later(int64_t at_ns, int64_t ns)
{
    return at_ns > ARRIVAL_LAST_NS - ns ? ARRIVAL_LAST_NS : at_ns + ns;
}

/* Bursty: the phase that the process is in at first, as often as it is in it at all. */
static void begin_phases(const spa_engine *e, engine_cursor *c)
{
    const spa_phase *phases = e->config.scenario.phases;
    double low = phases[SPA_PHASE_LOW].mean_ms, high = phases[SPA_PHASE_HIGH].mean_ms;
    c->phase = arrival_uniform(e, c->draws++) * (low + high) < high;
    c->phase_end_ns = arrival_exponential_ns(e, c->draws++, phases[c->phase].mean_ms * 1e6);
}

/* Both phases forget: where no arrival comes before the end of a phase, the gap is drawn anew. */
static int64_t next_bursty(const spa_engine *e, engine_cursor *c)
{
    const spa_phase *phases = e->config.scenario.phases;
    int64_t at = c->at_ns;
    while (c->phase_end_ns < ARRIVAL_LAST_NS) {
        const spa_phase *phase = &phases[c->phase];
        if (phase->rate_hz > 0) {
            int64_t gap = arrival_exponential_ns(e, c->draws++, 1e9 / phase->rate_hz);
            if (gap <= c->phase_end_ns - at) return at + gap;
        }
        at = c->phase_end_ns;
        c->phase ^= 1;
        c->phase_end_ns = arrival_later(
            at, arrival_exponential_ns(e, c->draws++, phases[c->phase].mean_ms * 1e6));
    }
    return ARRIVAL_LAST_NS;
}

/* Moves a cursor from arrival k-1 to arrival k. Poisson: the gap is keyed by k. */
static void advance_cursor(const spa_engine *e, engine_cursor *c, uint64_t k)
{
    const spa_scenario *s = &e->config.scenario;
    switch (s->arrivals) {
    case SPA_ARRIVALS_PERIODIC:
        if (k) c->at_ns = arrival_later(c->at_ns, llround(1e9 / s->rate_hz));
        break;
    case SPA_ARRIVALS_BURSTY:
        if (k == 0) begin_phases(e, c);
        c->at_ns = next_bursty(e, c);
        break;
    case SPA_ARRIVALS_RECORDED:
        c->at_ns = s->arrival_ns[k];
        break;
    default:
        c->at_ns = arrival_later(c->at_ns, arrival_exponential_ns(e, k, 1e9 / s->rate_hz));
        break;
    }
}

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

/* Time has reached the next arrival (and perhaps others behind it). */
ENGINE_APART void arrive_requests(spa_engine *e)
{
    while (e->state.arrived < e->config.scenario.requests &&
           e->state.next_arrival.at_ns <= e->state.now) {
        e->state.arrived++;
        if (e->state.arrived < e->config.scenario.requests)
            advance_cursor(e, &e->state.next_arrival, e->state.arrived);
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
    advance_cursor(e, &e->state.next_arrival, 0);
    e->state.let_in = e->state.next_arrival;
    set_next_arrival(e);
    if (e->state.next_arrival.at_ns == 0) arrive_requests(e);
}

#endif
