/* Walking the stream of arrivals of an open loop, from one to the next. */
#ifndef SPA_SIM_ENGINE_CURSOR_H
#define SPA_SIM_ENGINE_CURSOR_H

#include <math.h>
#include "base/text.h"
#include "sim/engine_state.h"

#define ARRIVAL_LAST_NS ((int64_t)1 << 60) /* 36 years: later, the run fails */

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

/* Each from the beginning of the run: periods that are no whole number of ns do not add up to
 * another rate. */
static inline int64_t arrival_periodic_ns(uint64_t k, double rate_hz)
{
    double ns = (double)k * (1e9 / rate_hz);
    return ns < (double)ARRIVAL_LAST_NS ? llround(ns) : ARRIVAL_LAST_NS;
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
        c->at_ns = arrival_periodic_ns(k, s->rate_hz);
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

#endif
