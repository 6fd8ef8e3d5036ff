/* Executors: what makes time pass.
 *
 * Without one the engine takes times from the cost table and its own event list. With one, things
 * really happen: the engine says what starts, the executor says when it is done, and everything in
 * between (placing, dispatch order, readiness, events, metrics) is the same code.
 *
 *   spa_engine_begin(engine)                  admits the first requests; hooks are called
 *   spa_engine_complete(engine, slot, now)    whenever something is done; hooks are called
 *   ... until *done
 *   spa_engine_result(engine)
 *
 * Calls into one engine must not overlap (the executor's lock). Hooks are called from within them:
 * they must not call the engine, and return at once. Event slots are lanes (processor by processor,
 * as in the cost table), then links. Real issuing takes real time, so dispatch costs of the table
 * are not charged; expectations that policies see still come from the table. */
#ifndef SPA_SIM_EXECUTOR_H
#define SPA_SIM_EXECUTOR_H

#include <stdbool.h>
#include <stdint.h>
#include "base/stats.h"
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_engine spa_engine;

typedef struct spa_executor {
    /* A request takes a slot (0 .. requests in flight - 1); all of its memory is new. */
    void (*admit)(void *self, uint32_t slot, uint64_t request);
    /* An operator of the request in `slot` starts on a lane; completes with event slot = lane. */
    void (*kernel)(void *self, uint32_t lane, uint32_t slot, uint32_t op);
    /* Tenths begin .. end-1 of a split operator's output start on a lane; completes with event slot
     * = lane. NULL: such schedules are refused. */
    void (*part)(void *self, uint32_t lane, uint32_t slot, uint32_t op, uint32_t begin,
                 uint32_t end);
    /* Before operator `op` the lane has to bring a tensor here (links that are on_lane). False:
     * there is nothing to do. True: it completes with event slot = lane. */
    bool (*copy)(void *self, uint32_t lane, uint32_t slot, uint32_t op, uint32_t tensor);
    /* A tensor, made or to be made at `from`, will be moved to `to`: transfer() follows when it
     * exists and its link is free. What can be prepared, or begun behind its producer, may be. */
    void (*want)(void *self, uint32_t slot, uint32_t tensor, uint32_t from, uint32_t to);
    /* A transfer starts on a link; completes with event slot = number of lanes + link. */
    void (*transfer)(void *self, uint32_t link, uint32_t slot, uint32_t tensor, uint32_t from,
                     uint32_t to);
    /* An operator is issued to the lane of an asynchronous processor, ahead of kernel(). */
    void (*issue)(void *self, uint32_t lane, uint32_t slot, uint32_t op);
} spa_executor;

/* Latencies of requests go to *latencies (may be NULL) as they occur, until the run is done. */
SPA_API spa_status spa_engine_begin(spa_engine *engine, spa_histogram *latencies, bool *done,
                                    spa_error *err);
/* now_ns: since the run began; times before the engine's own now count as now. */
SPA_API spa_status spa_engine_complete(spa_engine *engine, uint32_t event_slot, int64_t now_ns,
                                       bool *done, spa_error *err);
/* Open-loop arrivals: when the next request arrives, ns since the run began; INT64_MAX: none will.
 * From then on spa_engine_arrive is due. */
SPA_API int64_t spa_engine_next_arrival_ns(const spa_engine *engine);
SPA_API spa_status spa_engine_arrive(spa_engine *engine, int64_t now_ns, bool *done,
                                     spa_error *err);
SPA_API uint32_t spa_engine_lanes(const spa_engine *engine);

#ifdef __cplusplus
}
#endif
#endif
