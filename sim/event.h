/* The event stream of a run: what digest, log, timeline, audit and metrics are made from. */
#ifndef SPA_SIM_EVENT_H
#define SPA_SIM_EVENT_H

#include <stddef.h>
#include <stdint.h>

typedef enum spa_event_kind {
    SPA_EV_ARRIVE,         /* a request enters */
    SPA_EV_DISPATCH_BEGIN, /* host lane begins to issue an operator (only if it takes time) */
    SPA_EV_DISPATCH_END,
    SPA_EV_PLACE, /* an operator was placed: processor, lane */
    SPA_EV_KERNEL_BEGIN,
    SPA_EV_KERNEL_END,
    SPA_EV_TRANSFER_BEGIN, /* op = tensor; processor = destination, lane = source processor */
    SPA_EV_TRANSFER_END,
    SPA_EV_FINISH, /* a request leaves: its outputs are on the host */
    /* Conditions (sim/conditions.h). They are of no request; power_w holds another value. */
    SPA_EV_MODE,     /* the power mode is now `op`; power_w: the idle board's, W */
    SPA_EV_CLOCK,    /* a processor's clock is now op millionths of the mode's */
    SPA_EV_LOAD,     /* a background load on a processor begins: op millionths of its capacity; or
                        ends: 0; power_w: how much more the board draws, W */
    SPA_EV_THROTTLE, /* op: clocks are capped, or (0) no longer; power_w: temperature, C */
    SPA_EV_KIND_COUNT
} spa_event_kind;

#define SPA_EVENT_NO_REQUEST UINT64_MAX
/* Is it about the machine, not about a request? */
static inline int spa_event_is_condition(unsigned kind)
{
    return kind >= SPA_EV_MODE && kind <= SPA_EV_THROTTLE;
}

typedef struct spa_event {
    int64_t time_ns;
    uint64_t sequence; /* 0, 1, 2, ... in the run */
    uint64_t request;  /* number of the request in the run */
    uint32_t op;       /* operator or tensor; UINT32_MAX where none */
    uint8_t kind, processor, lane;
    uint8_t tenths;   /* of the operator's output, where it is split; 0: all of it */
    float power_w;    /* of the activity that begins or ends, above idle */
    uint32_t program; /* of the request that arrives (sim/programs.h); else 0 */
} spa_event;          /* 40 bytes, no padding */

/* No request of a graph has more events: each of an operator's two parts is issued, placed and run,
 * and has each of its inputs brought to it; one part goes where the operator is, and the output to
 * the host. */
static inline size_t spa_events_of_request(size_t n_ops, size_t n_edges)
{
    return n_ops * (2 * (1 + 2) + 2 + 2 + 2) + n_edges * (2 * 2) + 2;
}

#endif
