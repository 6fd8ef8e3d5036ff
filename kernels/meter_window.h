/* A window: what every rail of a set counted between two moments. */
#ifndef SPA_KERNELS_METER_WINDOW_H
#define SPA_KERNELS_METER_WINDOW_H

#include <pthread.h>
#include "base/stats.h"
#include "kernels/meter.h"

typedef struct spa_meter_track {
    int64_t first_ns, last_ns; /* time stamps of the first and the last reading */
    uint64_t readings;
    spa_moments power; /* SAMPLER: of the readings */
    spa_meter_reading last;
    double energy_j; /* between them */
    int64_t gap_ns;  /* the longest time between two readings */
    char fault[256]; /* "" = none; the first thing that went wrong: no figure */
} spa_meter_track;

typedef struct spa_meter_window {
    spa_meter_set *set;
    void *ticker;
    int64_t tick_ns;
    bool ended;
    pthread_mutex_t mutex; /* of the tracks: ticks come from another thread */
    spa_meter_track tracks[SPA_METER_RAILS_MAX];
} spa_meter_window;

/* Reads every rail and starts to poll at the shortest poll_ns of the set (not at all when `poll` is
 * false). Each begin needs its end. Errors: no thread. */
spa_status spa_meter_begin(spa_meter_window *window, spa_meter_set *set, bool poll, spa_error *err);
/* Reads the rails that are due (all = every one) now. */
void spa_meter_poll(spa_meter_window *window, bool all);
/* Reads every rail a last time and joins the thread; the tracks stay. */
void spa_meter_end(spa_meter_window *window);

/* What a rail's track means: mean power over its readings and how far it may be off. Samplers need
 * SPA_METER_LEAST_SAMPLES readings before anything is said about their error (it is infinite). */
#define SPA_METER_LEAST_SAMPLES 10
typedef struct spa_meter_mean {
    bool valid;
    double seconds, energy_j, power_w;
    double error_j; /* energy_j is known to +- this: update interval at both ends, step, gaps */
} spa_meter_mean;
void spa_meter_mean_of(const spa_meter_rail *rail, const spa_meter_track *track,
                       spa_meter_mean *mean);

#endif
