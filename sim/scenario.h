/* Scenarios: what happens around the inference. */
#ifndef SPA_SIM_SCENARIO_H
#define SPA_SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sim/conditions.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spa_arrivals {
    SPA_ARRIVALS_SINGLE,   /* one request at a time, each on an idle machine */
    SPA_ARRIVALS_CLOSED,   /* `concurrency` requests always in flight */
    SPA_ARRIVALS_PERIODIC, /* one every 1/rate_hz seconds, whatever is in flight */
    SPA_ARRIVALS_POISSON,  /* independent of each other, rate_hz on average */
    SPA_ARRIVALS_BURSTY,   /* Poisson at two rates in turn, see spa_phase */
    SPA_ARRIVALS_RECORDED, /* at given times */
    SPA_ARRIVALS_COUNT
} spa_arrivals;

/* One of the two phases of bursty arrivals: a Markov-modulated Poisson process of two states
 * (MMPP-2; Fischer and Meier-Hellstern, Performance Evaluation 18, 1993). */
typedef struct spa_phase {
    double rate_hz; /* arrivals per second while it lasts; may be 0 in the low one */
    double mean_ms; /* how long it lasts, exponentially distributed */
} spa_phase;
enum { SPA_PHASE_LOW, SPA_PHASE_HIGH };

typedef struct spa_scenario {
    char name[64], summary[160];
    spa_arrivals arrivals;
    uint32_t concurrency; /* closed loop: requests in flight; open: at most so many (more wait,
                             first come first served); 1 .. 65536 */
    double rate_hz;       /* periodic and Poisson: arrivals per second */
    spa_phase phases[2];  /* bursty */
    /* Rates and times of `relative` scenarios are in reference service times of the case
     * (spa_service_ns) instead of seconds and milliseconds, so that one file suits all models and
     * devices: rate_hz is then a load, mean_ms and deadline_ms are service times. */
    bool relative;
    double deadline_ms; /* from the arrival; 0 = none */
    /* Recorded arrivals, ns, not falling; owned by the scenario that was loaded (its copies borrow
     * them), see spa_scenario_fini. */
    int64_t *arrival_ns;
    uint64_t n_arrivals;
    spa_conditions conditions; /* what the machine does beside; zero = nothing */
    char mix[128];             /* models that requests are of, "resnet18+mobilenet_v2"; "" = one */
    uint64_t requests;         /* per run */
    uint64_t warmup;           /* first requests not counted in latency, < requests */
    /* Workers: each request is bound to a host lane of its own (round robin, in the order of
     * arrival): the thread that dispatches it and runs its host operators. */
    bool workers;
    /* The first serial_ops operators of a request form a critical section: requests pass it one
     * after another, in order of arrival. 0 = none. */
    uint32_t serial_ops;
} spa_scenario;

SPA_API spa_scenario spa_scenario_single(void);
/* Periodic or Poisson; name "poisson 50/s". */
#define SPA_OPEN_CONCURRENCY 64
SPA_API spa_scenario spa_scenario_open(spa_arrivals arrivals, double rate_hz, uint32_t concurrency,
                                       uint64_t requests);
/* Frees what a loaded scenario owns, and zeroes it. */
SPA_API void spa_scenario_fini(spa_scenario *scenario);
static inline bool spa_scenario_is_open(const spa_scenario *s)
{
    return s->arrivals >= SPA_ARRIVALS_PERIODIC;
}
SPA_API spa_scenario spa_scenario_closed(uint32_t concurrency, uint64_t requests);
/* "single", "closed", "periodic", "poisson" (both with a rate of 0, for the caller to set) or the
 * path of a *.scenario file. spa_scenario_fini when done. */
SPA_API spa_status spa_scenario_load(spa_scenario *scenario, const char *name_or_path,
                                     spa_error *err);
/* The same, or the name of a *.scenario file in `folder` (NULL: there are none). Values of a file
 * may be changed: "bursty:high_load=2.5:deadline_services=3", "thermal:thermal.r_k_per_w=2". */
SPA_API spa_status spa_scenario_find(spa_scenario *scenario, const char *name_or_path,
                                     const char *folder, spa_error *err);
/* Names of the scenario files in a folder, sorted; free the array and each name. A folder that is
 * not there has none. */
SPA_API spa_status spa_scenario_list(const char *folder, char ***names, size_t *count,
                                     spa_error *err);
/* The same from the text of a *.scenario file. Files that it names (arrivals = recorded) are read
 * from the folder of `path_for_messages`. */
SPA_API spa_status spa_scenario_parse(spa_scenario *scenario, const char *path_for_messages,
                                      const char *text, size_t size, spa_error *err);

/* Arrival times from CSV text, column `ms`: finite, from 0 on, not falling. */
SPA_API spa_status spa_scenario_parse_arrivals(spa_scenario *scenario,
                                               const char *path_for_messages, const char *text,
                                               size_t size, spa_error *err);

/* The reference service time of a case: one request with all operators on the processor on which
 * that takes the least (kernels and launches, no transfers, nothing overlaps). O(operators). */
SPA_API int64_t spa_service_ns(const spa_costs *costs);
/* Puts seconds and milliseconds in the place of service times of service_ns each; nothing to do if
 * not relative. The engine does it itself with its own table; whoever compares runs on different
 * tables does it first. */
SPA_API void spa_scenario_resolve(spa_scenario *scenario, double service_ns);
/* Arrivals per second on average; 0 for scenarios that are not open, and for recorded arrivals all
 * at one moment. Of a relative one: per service time. */
SPA_API double spa_scenario_rate(const spa_scenario *scenario);
/* `hash` continued over all that decides a run beyond arrivals, concurrency, requests, rate,
 * warm-up, workers and critical section; unchanged where there is nothing of it. */
SPA_API uint64_t spa_scenario_hash(uint64_t hash, const spa_scenario *scenario);

#ifdef __cplusplus
}
#endif
#endif
