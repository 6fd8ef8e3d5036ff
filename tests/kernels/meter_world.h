/* A world for meters: its own clock, idle and busy power, and meters that read it. */
#ifndef SPA_TESTS_KERNELS_METER_WORLD_H
#define SPA_TESTS_KERNELS_METER_WORLD_H

#include "kernels/meter_window.h"

typedef struct world {
    int64_t now_ns;
    double idle_w, busy_w; /* of rails with scale 1 */
    bool busy;
    double (*power_w)(double seconds); /* in the place of those two */
    double energy_j;                   /* so far, of scale 1 */
    int64_t tick_ns, next_ns;
    spa_meter_tick *tick;
    void *tick_argument;
    int ticks, running; /* tickers started and not stopped */
    int64_t job_ns;
    int jobs, fail_at; /* jobs run; the job that fails, 0 = none */
} world;

/* A meter of the world. */
typedef struct gauge {
    world *w;
    double scale, unit_j;
    uint64_t start, range; /* of a counter */
    bool dead;             /* a counter that stands still */
    int fail_after;        /* readings; 0 = never fails */
    int readings, released;
} gauge;

void world_init(world *w);
spa_meter_time world_time(world *w);
/* Lets time pass: energy flows, ticks tick. */
void world_advance(world *w, double seconds);
/* A spa_meter_job that is busy for job_ns. The world stays busy afterwards. */
spa_status world_job(void *context, spa_error *err);

/* Adds a counter (1 uJ per count, never turning) or a sampler that reads a gauge. */
spa_meter_rail world_counter(gauge *g, world *w, const char *name);
spa_meter_rail world_sampler(gauge *g, world *w, const char *name);

#endif
