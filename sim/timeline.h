/* Timelines: what each lane, link and request did when, made from the event stream. */
#ifndef SPA_SIM_TIMELINE_H
#define SPA_SIM_TIMELINE_H

#include <stdbool.h>
#include "sim/log.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spa_interval_kind {
    SPA_INTERVAL_DISPATCH, /* the host issues an operator; processor and lane are the host's */
    SPA_INTERVAL_KERNEL,
    SPA_INTERVAL_TRANSFER, /* op = tensor; processor = destination, lane = source processor */
    SPA_INTERVAL_REQUEST   /* from arrival to finish */
} spa_interval_kind;

typedef struct spa_interval {
    int64_t begin_ns, end_ns;
    uint64_t request;
    uint32_t op;
    uint8_t kind, processor, lane;
    uint8_t tenths; /* of a split operator's output; 0: all of it */
    float power_w;  /* above idle */
    uint32_t reserved2;
} spa_interval;

/* Pairs beginnings with ends. Zero-initialise; memory is bounded by what runs at once. */
typedef struct spa_pairing {
    spa_interval *open;
    size_t n_open, capacity;
} spa_pairing;
/* *closed = true when the event completed an interval. SPA_E_PARSE: an end without beginning, or
 * before it. */
SPA_API spa_status spa_pairing_feed(spa_pairing *pairing, const spa_event *event,
                                    spa_interval *interval, bool *closed, spa_error *err);
SPA_API void spa_pairing_fini(spa_pairing *pairing);

/* All intervals of a run, in the order in which they ended. Zero-initialise. */
typedef struct spa_timeline {
    spa_interval *intervals;
    size_t count, capacity;
    spa_pairing pairing;
} spa_timeline;
SPA_API spa_status spa_timeline_add(spa_timeline *timeline, const spa_event *event, spa_error *err);
/* SPA_E_PARSE when something began and never ended. */
SPA_API spa_status spa_timeline_finish(const spa_timeline *timeline, spa_error *err);
SPA_API void spa_timeline_fini(spa_timeline *timeline);
/* End of the last interval, ns. */
SPA_API int64_t spa_timeline_end_ns(const spa_timeline *timeline);

/* Trace-event JSON, as Perfetto and Chrome read it: a process per processor, a thread per lane;
 * the links and the requests are processes of their own. Times in us. From a timeline in memory,
 * or from the rest of a log (streaming). Equal runs give equal files. */
SPA_API spa_status spa_timeline_write_json(const spa_timeline *timeline, const spa_log_info *info,
                                           const char *path, spa_error *err);
SPA_API spa_status spa_log_write_timeline(spa_log *log, const char *path, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
