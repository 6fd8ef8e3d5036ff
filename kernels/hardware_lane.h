/* Inside the hardware executor: its state, and what a lane does. */
#ifndef SPA_KERNELS_HARDWARE_LANE_H
#define SPA_KERNELS_HARDWARE_LANE_H

#include <stdatomic.h>

#include "base/text.h"
#include "kernels/hardware.h"
#include "kernels/part.h"
#include "kernels/segments.h"
#include "kernels/team.h"
#include "kernels/worker.h"

#define SPA_HARDWARE_SLOTS 256
#define HARDWARE_LINE      SPA_KERNEL_ALIGN /* what lanes write often stands on lines of its own */

/* A lane's mailbox. The poster writes the job, then the word; only the lane takes it out. */
enum { LANE_EMPTY, LANE_POSTED, LANE_ASLEEP };

typedef enum hardware_job { HARDWARE_KERNEL, HARDWARE_PART, HARDWARE_COPY } hardware_job;

typedef struct hardware_device hardware_device; /* hardware_device.h */

typedef struct hardware_lane {
    _Alignas(HARDWARE_LINE) atomic_uint word;
    hardware_job job;
    uint32_t slot, op, tensor; /* of parts: `tensor` is the index of the part */
    int64_t posted_ns;
    /* The lane's own: */
    _Alignas(HARDWARE_LINE) spa_hardware *hardware;
    uint32_t id;
    const spa_lane *lane;
    void *workspace;
    size_t workspace_bytes;
    spa_worker *worker;
    spa_pool *pool; /* lanes of several cores */
    spa_team *team;
    hardware_device *device; /* asynchronous: it has no worker and no mailbox; else NULL */
} hardware_lane;

typedef struct hardware_slot {
    spa_session session;
    uint64_t request;
    atomic_uchar *plain; /* [n_ops] of split operators: are their inputs row-major? */
    int8_t *made_on;     /* [n_ops] asynchronous lane that the operator was issued to; -1 = none */
} hardware_slot;

/* A transfer that the engine waits for. */
typedef struct hardware_link {
    bool busy;
    uint32_t slot, tensor; /* what it shows, if it is a view */
    uint32_t from, to;     /* lanes */
} hardware_link;

struct spa_hardware {
    spa_hardware_options options;
    spa_lane_set lanes;
    spa_model *model;
    hardware_slot *slots;    /* [options.slots] */
    hardware_lane *lane;     /* [lanes.count] */
    spa_part_kernel **parts; /* see hardware_parts.c; NULL until a schedule splits */
    uint32_t host;           /* the first lane of cores */
    uint32_t n_workers;      /* lanes of cores */
    uint32_t *shown;         /* [n_tensors] what a view shows; else the tensor itself */
    /* The plan whose graphs are recorded; processor NULL = none. */
    spa_schedule plan;
    spa_segments segments;
    /* Of the run at hand; under the lock: */
    spa_engine *engine;
    spa_hardware_record *record;
    spa_histogram *latencies;
    int64_t origin_ns, now_ns; /* clock at the beginning; time since then of the present step */
    uint64_t to_wake;          /* lanes that sleep and have been given work */
    hardware_link links[SPA_MAX_LINKS];
    spa_status status; /* first failure */
    spa_error error;
    _Alignas(HARDWARE_LINE) atomic_bool locked;
    _Alignas(HARDWARE_LINE) atomic_bool done; /* nothing will be posted any more */
    atomic_bool interrupted;
    atomic_uint ready;       /* lanes that have begun */
    atomic_uint in_flight;   /* kernels and transfers of devices that the engine waits for */
    atomic_llong arrival_ns; /* clock of the next arrival; INT64_MAX: none */
};

/* Leaves a job in a lane's mailbox (under the lock). */
void spa_hardware_post(spa_hardware *hw, uint32_t lane, hardware_job job, uint32_t slot,
                       uint32_t op, uint32_t tensor);
/* Has a lane work to do to bring a tensor here? (Lanes share memory: only where their kernels keep
 * it in different layouts.) */
bool spa_hardware_must_copy(const spa_hardware *hw, uint32_t lane, uint32_t slot, uint32_t tensor);
/* hardware_parts.c: what a schedule's splits need, made before the run; none without splits.
 * Errors: operators that cannot be cut there, lanes of several cores, memory. */
spa_status spa_hardware_parts_add(spa_hardware *hw, const spa_schedule *schedule, spa_error *err);
void spa_hardware_parts_free(spa_hardware *hw);
/* Index of a prepared part: `tenths` from the beginning of the operator, or (second) to its end. */
uint32_t spa_hardware_part(const spa_hardware *hw, uint32_t lane, uint32_t op, uint32_t tenths,
                           bool second);
bool spa_hardware_part_is_second(uint32_t part);
spa_status spa_hardware_part_run(hardware_lane *lane, hardware_slot *slot, spa_error *err);
/* Ends the run at hand with a failure, under the lock; the first one counts. */
void spa_hardware_fail(spa_hardware *hw, spa_status status, const spa_error *error);
/* The engine waits for something more of a device, under the lock. */
void spa_hardware_nudge(spa_hardware *hw);
/* The job of a lane's worker: works until the run is done. */
void spa_hardware_lane_run(void *lane);

#endif
