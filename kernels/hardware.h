/* The hardware executor: the engine's decisions on real kernels.
 *
 * A pinned worker thread per lane of cores and no other: the lane that completes an operator runs
 * the engine step under the executor's lock and leaves work in the mailboxes of the lanes that may
 * go on, its own among them. A lane without work spins, then blocks. Every lane is a processor of
 * its own in the cost table, in the order of the lane set; the thread that calls spa_hardware_run
 * sleeps.
 *
 * An asynchronous lane (a GPU) has three streams, one for operators and one per direction of
 * copies, and no thread: whoever runs the engine step enqueues what was decided, ahead of its
 * inputs, and lanes of cores that have nothing else to do ask the device what is done, and never
 * block while something is under way there. Tensors are copied as soon as a reader is placed; host
 * memory is pinned in place, a device that shares it uses it in place (stream.h, map). Between
 * lanes of cores nothing is copied but layouts.
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
    bool graphs; /* of a schedule, what an asynchronous lane can run at a stretch is one recorded
                    graph (segments.h): least overhead, but no times per operator */
    spa_stream_config stream; /* of asynchronous lanes; index and backend are the lane's */
} spa_hardware_options;
/* One request in flight, 2 ms, seed 1, graphs. */
SPA_API spa_hardware_options spa_hardware_default(void);
/* For measuring: no graphs, so that operators have times; and lanes never block. In a virtual
 * machine a core that sleeps gives room to strangers, and the others then run up to 10 % faster:
 * all placements must be measured with all lanes awake. */
SPA_API spa_hardware_options spa_hardware_measuring(void);

/* Prepares the model for the backends of all lanes, plans activations, opens devices, allocates
 * their memory and starts the threads. `model` and its graph must outlive the hardware; `lanes` is
 * copied. Errors: no lane of cores among them, memory of the host or of a device that runs out,
 * what a backend or a device cannot run. */
SPA_API spa_status spa_hardware_new(spa_hardware **hardware, const spa_lane_set *lanes,
                                    spa_model *model, const spa_hardware_options *options,
                                    spa_error *err);
SPA_API void spa_hardware_free(spa_hardware *hardware); /* joins the threads; accepts NULL */

/* Makes `config` one for this hardware: executor, no noise, no policy cost. The cost table must
 * have one processor of one lane per lane of the set, asynchronous where the lane is, its host a
 * lane of cores; transfers from and to asynchronous ones take time on links of their own, those
 * between lanes of cores are made by the lanes (on_lane). O(tensors). What the schedule's splits
 * need is prepared here (or by spa_hardware_run, if the engine is restarted with others); policies
 * that split as they go are refused. */
SPA_API spa_status spa_hardware_config(spa_hardware *hardware, spa_run_config *config,
                                       spa_error *err);

/* What really happened to one operator of one request; times since the run began. */
typedef struct spa_hardware_op {
    int64_t posted_ns;        /* the engine let it start (its first copy, if it has any);
                                 asynchronous lanes: it was enqueued */
    int64_t begin_ns, end_ns; /* the kernel itself, on asynchronous lanes by the device's clock; 0
                                 for views */
    int64_t copy_ns;          /* its lane spent on copies of its inputs before it */
    int64_t part_ns;          /* this lane's part of a split operator, which ends with the later of
                                 its parts; 0: it ran whole */
    int32_t lane;             /* -1: a view */
    uint32_t together;        /* how many operators begin and end are of: 1, or those of a recorded
                                 graph, from this one on; 0 = inside the graph of an earlier one, with
                                 begin = end = the end of the graph */
} spa_hardware_op;

/* A tensor brought to a lane; all 0 = it was not. By a lane that copies for itself begin and end
 * are all there is; from and to asynchronous lanes they are by the device's clock. */
typedef struct spa_hardware_copy {
    int64_t ready_ns;         /* it could begin: the tensor was there and asked for */
    int64_t begin_ns, end_ns; /* the copy itself */
    int64_t there_ns;         /* it could be used: the end, or on the host when that was noticed */
} spa_hardware_copy;
static inline int64_t spa_hardware_copy_ns(const spa_hardware_copy *copy)
{
    return copy->there_ns - copy->ready_ns;
}

/* The record of a run; caller-owned, allocated once for many runs. */
typedef struct spa_hardware_record {
    size_t capacity, n_ops; /* requests, operators */
    size_t n_tensors, n_lanes;
    uint64_t async_lanes;      /* bit l: lane l is asynchronous */
    spa_hardware_op *ops;      /* [capacity][n_ops]; split operators end when both parts have */
    spa_hardware_op *seconds;  /* the same: parts that second lanes computed; else lane -1 */
    spa_hardware_copy *copies; /* [capacity][n_tensors][n_lanes] by the lane it went to; of a view
                                  that of what it shows */
    int64_t *arrive_ns, *finish_ns; /* [capacity] */
    uint8_t *slot;                  /* [capacity] where in flight the request was */
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
 * *latencies (may be NULL). A schedule's graphs are recorded before the run, unless those of the
 * last one will do. Errors: what the policy did wrong, what a kernel reports (the other lanes
 * finish their operator and stop, streams are drained; a device is of no use after a failure of its
 * own, and later runs say so), SPA_E_INTERRUPTED after spa_hardware_interrupt. */
SPA_API spa_status spa_hardware_run(spa_hardware *hardware, spa_engine *engine,
                                    spa_hardware_record *record, spa_histogram *latencies,
                                    spa_run_result *result, spa_error *err);

/* Ends the run at hand as soon as each lane has finished its operator, and devices what is
 * enqueued. Async-signal-safe. */
SPA_API void spa_hardware_interrupt(spa_hardware *hardware);

/* The activations of a slot, for looking at results between runs. */
SPA_API spa_session *spa_hardware_session(spa_hardware *hardware, uint32_t slot);
/* The workers of the lanes of cores, idle between runs; returns how many. */
SPA_API size_t spa_hardware_workers(const spa_hardware *hardware,
                                    spa_worker *workers[SPA_LANES_MAX]);
SPA_API const spa_lane_set *spa_hardware_lanes(const spa_hardware *hardware);

#ifdef __cplusplus
}
#endif
#endif
