/* The hardware executor: the engine's decisions on real kernels.
 *
 * A pinned worker thread per lane and no other: the lane that completes an operator runs the engine
 * step under the executor's lock and leaves work in the mailboxes of the lanes that may go on, its
 * own among them. A lane without work spins, then blocks. Every lane is a processor of its own in
 * the cost table, in the order of the lane set; the thread that calls spa_hardware_run sleeps.
 *
 * All memory is planned and touched before the first operator: between it and the last one nothing
 * is allocated. */
#ifndef SPA_KERNELS_HARDWARE_H
#define SPA_KERNELS_HARDWARE_H

#include "kernels/lanes.h"
#include "kernels/model.h"
#include "kernels/worker.h"
#include "sim/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_hardware spa_hardware;

typedef struct spa_hardware_options {
    uint32_t slots;  /* requests that may be in flight: a set of activations each */
    int64_t spin_ns; /* how long a lane without work spins before it blocks */
    uint64_t seed;   /* of the inputs */
} spa_hardware_options;
/* One request in flight, 2 ms, seed 1. */
SPA_API spa_hardware_options spa_hardware_default(void);
/* For measuring: lanes never block. In a virtual machine a core that sleeps gives room to
 * strangers, and the others then run up to 10 % faster: all placements must be measured with all
 * lanes awake. */
SPA_API spa_hardware_options spa_hardware_measuring(void);

/* Prepares the model for the backends of all lanes, plans activations and starts the threads.
 * `model` and its graph must outlive the hardware; `lanes` is copied. */
SPA_API spa_status spa_hardware_new(spa_hardware **hardware, const spa_lane_set *lanes,
                                    spa_model *model, const spa_hardware_options *options,
                                    spa_error *err);
SPA_API void spa_hardware_free(spa_hardware *hardware); /* joins the threads; accepts NULL */

/* Makes `config` one for this hardware: executor, no noise, no policy cost. The cost table must
 * have one processor of one lane per lane of the set. What the schedule's splits need is prepared
 * here; policies that split as they go are refused. */
SPA_API spa_status spa_hardware_config(spa_hardware *hardware, spa_run_config *config,
                                       spa_error *err);

/* What really happened to one operator of one request; times since the run began. */
typedef struct spa_hardware_op {
    int64_t posted_ns;        /* the engine let it start (its first copy, if it has any) */
    int64_t begin_ns, end_ns; /* the kernel itself; 0 for views */
    int64_t copy_ns;          /* spent on copies of its inputs before it */
    int32_t lane;             /* -1: a view */
} spa_hardware_op;

/* The record of a run; caller-owned, allocated once for many runs. */
typedef struct spa_hardware_record {
    size_t capacity, n_ops; /* requests, operators */
    size_t n_tensors, n_lanes;
    spa_hardware_op *ops; /* [capacity][n_ops] */
    spa_hardware_op
        *seconds;    /* the same: of split operators the part that ended first, else lane -1 */
    int64_t *copies; /* [capacity][n_tensors][n_lanes] ns of the copy to a lane; 0 = none */
    int64_t *arrive_ns, *finish_ns; /* [capacity] */
    spa_event *events;              /* or NULL: the event stream of the engine */
    size_t n_events, event_capacity;
} spa_hardware_record;
/* with_events: room for the event stream of `requests` requests too. */
SPA_API spa_status spa_hardware_record_init(spa_hardware_record *record,
                                            const spa_hardware *hardware, size_t requests,
                                            bool with_events, spa_error *err);
SPA_API void spa_hardware_record_fini(spa_hardware_record *record);
static inline const spa_hardware_op *spa_hardware_ops(const spa_hardware_record *r, size_t request)
{
    return r->ops + request * r->n_ops;
}

/* Runs an engine made with a config of spa_hardware_config (new, or restarted) to its end. `record`
 * (may be NULL) is overwritten; requests beyond its capacity are not recorded. Latencies go to
 * *latencies (may be NULL). Errors: what the policy did wrong, what a kernel reports (the other
 * lanes finish their operator and stop), SPA_E_INTERRUPTED after spa_hardware_interrupt. */
SPA_API spa_status spa_hardware_run(spa_hardware *hardware, spa_engine *engine,
                                    spa_hardware_record *record, spa_histogram *latencies,
                                    spa_run_result *result, spa_error *err);

/* Ends the run at hand as soon as each lane has finished its operator. Async-signal-safe. */
SPA_API void spa_hardware_interrupt(spa_hardware *hardware);

/* The activations of a slot, for looking at results between runs. */
SPA_API spa_session *spa_hardware_session(spa_hardware *hardware, uint32_t slot);
/* The lanes' workers, idle between runs; returns how many. */
SPA_API size_t spa_hardware_workers(const spa_hardware *hardware,
                                    spa_worker *workers[SPA_LANES_MAX]);
SPA_API const spa_lane_set *spa_hardware_lanes(const spa_hardware *hardware);

#ifdef __cplusplus
}
#endif
#endif
