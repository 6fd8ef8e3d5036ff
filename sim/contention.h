/* Contention: how fast everything runs that runs now.
 *
 * Two mechanisms (docs/model.md):
 * - DRAM bandwidth and each processor's compute capacity are shared by max-min fairness
 *   (progressive filling; Bertsekas & Gallager, Data Networks, 6.5.2);
 * - a smooth interference 1 + a*x + b*x^2 by what runs on the other lanes, or, where it was
 *   measured, the co-run slowdown instead of both.
 *
 * A transfer draws on DRAM only: its `busy`, capacity and pressure are 0. */
#ifndef SPA_SIM_CONTENTION_H
#define SPA_SIM_CONTENTION_H

#include "sim/engine_state.h"

/* lanes, links, background loads */
#define CONTENTION_MAX  (SPA_MAX_LANES + SPA_MAX_LINKS + ENGINE_MAX_LOADS)
#define CONTENTION_FULL (1 + 1e-9) /* a resource asked for more than this is shared */

/* Resources: the capacity of each processor, DRAM, and one that nobody asks for (transfers have no
 * processor, and this spares a branch). */
enum { CONTENTION_DRAM = SPA_MAX_PROCESSORS, CONTENTION_NOTHING, CONTENTION_RESOURCES };

/* What an unfrozen load asks for, while rates are filled. */
typedef struct contention_share {
    double dram, capacity;
    uint32_t resource, load; /* of `capacity`; index among the running loads */
} contention_share;

ENGINE_INLINE uint32_t contention_resource(const engine_load *load)
{
    return load->busy ? (uint32_t)__builtin_ctz(load->busy) : CONTENTION_NOTHING;
}

/* How far all unfrozen rates may rise together: until the first resource is used up. */
ENGINE_INLINE double contention_step(const double *free_share, const double *demand, double most)
{
    for (uint32_t r = 0; r <= CONTENTION_DRAM; r++) {
        /* Dividing is slow, and most resources are far from used up. */
        if (free_share[r] > demand[r]) continue;
        if (demand[r] > 0 && free_share[r] / demand[r] < most) most = free_share[r] / demand[r];
    }
    return most;
}

/* Progressive filling of the rates (0, 1]; only called when some resource is over-subscribed.
 * `demand`: the sums over all loads, which are overwritten. */
static void contention_fill(const engine_load *const *load, uint32_t n, double *demand,
                            double *rate)
{
    double free_share[CONTENTION_RESOURCES];
    contention_share share[CONTENTION_MAX];
    double level = 0;
    for (uint32_t r = 0; r < CONTENTION_RESOURCES; r++) free_share[r] = 1;
    for (uint32_t i = 0; i < n; i++)
        share[i] =
            (contention_share){load[i]->dram, load[i]->capacity, contention_resource(load[i]), i};
    while (n > 0) {
        double step = contention_step(free_share, demand, 1 - level);
        uint32_t left = 0;
        level += step;
        for (uint32_t i = 0; i < n; i++) {
            rate[share[i].load] = level;
            free_share[CONTENTION_DRAM] -= step * share[i].dram;
            free_share[share[i].resource] -= step * share[i].capacity;
        }
        if (level >= 1 - 1e-12) return;
        for (uint32_t r = 0; r < CONTENTION_RESOURCES; r++) demand[r] = 0;
        for (uint32_t i = 0; i < n; i++) { /* those that a used up resource does not freeze */
            const contention_share x = share[i];
            if ((free_share[CONTENTION_DRAM] <= 1e-9 && x.dram > 0) ||
                (free_share[x.resource] <= 1e-9 && x.capacity > 0))
                continue;
            demand[CONTENTION_DRAM] += x.dram;
            demand[x.resource] += x.capacity;
            share[left++] = x;
        }
        n = left;
    }
}

/* The rate that is left of `rate` beside loads of this total pressure on these processors. */
ENGINE_INLINE double contention_slowed(const engine_load *load, double rate, double pressure,
                                       uint32_t busy)
{
    double x = pressure - load->pressure;
    if (!load->busy) return rate;
    if (load->corun > 0) return busy & ~load->busy ? 1.0 / load->corun : 1.0;
    return rate / (1 + load->slow_a * x + load->slow_b * x * x);
}

/* Two loads, the usual case; false if a resource is over-subscribed. */
ENGINE_INLINE bool contention_pair(const engine_load *a, const engine_load *b, double rate[2])
{
    double pressure = (double)a->pressure + b->pressure;
    uint32_t busy = a->busy | b->busy;
    if ((double)a->dram + b->dram > CONTENTION_FULL) return false;
    if (a->busy & b->busy && (double)a->capacity + b->capacity > CONTENTION_FULL) return false;
    rate[0] = contention_slowed(a, 1, pressure, busy);
    rate[1] = contention_slowed(b, 1, pressure, busy);
    return true;
}

/* Rates of n loads, in order of start (sums are made in this order). */
static void contention_rates(const engine_load *const *load, uint32_t n, double *rate)
{
    double demand[CONTENTION_RESOURCES] = {0}, pressure = 0;
    uint32_t busy = 0;
    bool over = false;
    for (uint32_t i = 0; i < n; i++) {
        demand[CONTENTION_DRAM] += load[i]->dram;
        demand[contention_resource(load[i])] += load[i]->capacity;
        pressure += load[i]->pressure;
        busy |= load[i]->busy;
        rate[i] = 1;
    }
    for (uint32_t r = 0; r <= CONTENTION_DRAM; r++) over |= demand[r] > CONTENTION_FULL;
    if (over) contention_fill(load, n, demand, rate);
    for (uint32_t i = 0; i < n; i++) rate[i] = contention_slowed(load[i], rate[i], pressure, busy);
}

#endif
