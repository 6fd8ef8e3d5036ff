/* Scenarios: what happens around the inference. */
#ifndef SPA_SIM_SCENARIO_H
#define SPA_SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spa_arrivals {
    SPA_ARRIVALS_SINGLE,   /* one request at a time, each on an idle machine */
    SPA_ARRIVALS_CLOSED,   /* `concurrency` requests always in flight */
    SPA_ARRIVALS_PERIODIC, /* one every 1/rate_hz seconds, whatever is in flight */
    SPA_ARRIVALS_POISSON   /* independent of each other, rate_hz on average */
} spa_arrivals;

typedef struct spa_scenario {
    char name[64];
    spa_arrivals arrivals;
    uint32_t concurrency; /* closed loop: requests in flight; periodic and Poisson: at most so many
                             (more wait, first come first served); 1 .. 65536 */
    double rate_hz;       /* periodic and Poisson: arrivals per second */
    uint64_t requests;    /* per run */
    uint64_t warmup;      /* first requests not counted in latency, < requests */
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
static inline bool spa_scenario_is_open(const spa_scenario *s)
{
    return s->arrivals >= SPA_ARRIVALS_PERIODIC;
}
SPA_API spa_scenario spa_scenario_closed(uint32_t concurrency, uint64_t requests);
/* "single", "closed", "periodic", "poisson" (both with a rate of 0, for the caller to set) or the
 * path of a *.scenario file. */
SPA_API spa_status spa_scenario_load(spa_scenario *scenario, const char *name_or_path,
                                     spa_error *err);
/* The same from the text of a *.scenario file. */
SPA_API spa_status spa_scenario_parse(spa_scenario *scenario, const char *path_for_messages,
                                      const char *text, size_t size, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
