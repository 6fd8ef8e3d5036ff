/* Inside the hardware executor: asynchronous lanes.
 *
 * A lane of a device has no thread. Operators are enqueued on its stream when the engine issues
 * them, ahead of their inputs; copies on two more streams, one per direction, as soon as the engine
 * wants them; events order the three. Whichever lane of cores runs the engine step enqueues, under
 * the executor's lock, and lanes of cores that have nothing to do ask the events what is done.
 *
 * With a plan a segment (segments.h) is one recorded graph, started when its first operator is
 * issued; else a segment is an operator. hardware_device.c: memory, events, graphs, clock;
 * hardware_stream.c: what happens during a run. */
#ifndef SPA_KERNELS_HARDWARE_DEVICE_H
#define SPA_KERNELS_HARDWARE_DEVICE_H

#include "kernels/hardware_lane.h"
#include "kernels/segments.h"

#define HARDWARE_DEPTH 512 /* segments enqueued at a time; the rest follow as they complete */

/* What has happened to a tensor in the present inference; see device_value. */
enum {
    VALUE_ON_WAY = 1,  /* to the device: the copy is enqueued */
    VALUE_AWAITED = 2, /* the compute stream has waited for that copy */
    VALUE_WANTED = 4,  /* on the host, once it is made here */
    VALUE_COMING = 8,  /* to the host: the copy is enqueued */
    VALUE_HERE = 16,   /* to the host: it has come */
    VALUE_RELAY = 32   /* it comes from another device, by way of the host */
};

/* A tensor of a slot. */
typedef struct device_value {
    spa_stream_event *began[2], *ended[2]; /* by spa_copy_direction */
    int64_t asked_ns;                      /* since the run began: the copy to the device */
    uint8_t state;
} device_value;

/* An operator of a slot. The first of a segment stands for all of it. */
typedef struct device_op {
    spa_stream_event *began, *ended;
    int64_t posted_ns, issued_ns; /* since the run began: before and after it was enqueued */
    bool enqueued;
    bool waited; /* for a copy */
} device_op;

typedef struct device_slot {
    char *memory; /* the session's memory as the device sees it, at the same offsets */
    void *own;    /* what was allocated for it, or NULL: mapped */
    bool pinned;
    device_value *values;      /* [n_tensors] */
    device_op *ops;            /* [n_ops] */
    spa_stream_graph **graphs; /* [n_segments] of the plan; NULL = none, or of another lane */
} device_slot;

typedef struct device_job {
    uint32_t slot, op;
} device_job;

struct hardware_device {
    spa_hardware *hardware;
    uint32_t lane;
    const spa_stream_device *table;
    spa_accelerator *accelerator;
    bool mapped; /* operators use the sessions' memory in place */
    spa_stream_model *model;
    spa_stream *compute, *copies[2]; /* by spa_copy_direction */
    spa_stream_event *origin;        /* of its clock */
    device_slot *slots;              /* [options.slots] */
    /* Of the run at hand: */
    int64_t origin_ns; /* the host's clock at `origin` */
    device_job *queue; /* [slots * n_ops] first operators that were issued and not enqueued: a
                          ring */
    size_t head, count;
    device_job *relays; /* [slots * n_tensors] `op`: the tensor */
    size_t n_relays;
    uint32_t n_enqueued; /* segments that have not completed */
    bool busy;           /* the engine waits for `now` */
    device_job now;
    int64_t last_end_ns; /* of what completed last, since the run began */
};

spa_status spa_hardware_device_new(hardware_device **device, spa_hardware *hw, uint32_t lane,
                                   spa_error *err);
void spa_hardware_device_free(hardware_device *device); /* waits; accepts NULL */
/* Before a run: forgets what is left of the last one and reads the device's clock. */
spa_status spa_hardware_device_begin(hardware_device *device, spa_error *err);
/* After a run: waits for all that is still enqueued, whatever becomes of it. */
void spa_hardware_device_drain(hardware_device *device);
/* Cuts the engine's plan into segments and records their graphs, unless that was done. */
spa_status spa_hardware_plan(spa_hardware *hw, const spa_engine *engine, spa_error *err);

/* Time of an event that is done, since the run began. */
spa_status spa_hardware_device_time(const hardware_device *device, spa_stream_event *event,
                                    int64_t *ns, spa_error *err);
/* Enqueues one operator on the compute stream. */
spa_status spa_hardware_device_enqueue(hardware_device *device, uint32_t slot, uint32_t op,
                                       spa_error *err);
/* Enqueues the copy of a tensor. */
spa_status spa_hardware_device_copy(hardware_device *device, uint32_t slot, uint32_t tensor,
                                    spa_copy_direction direction, spa_error *err);

/* The first and the last operator of an operator's segment. */
uint32_t spa_hardware_first_of(const spa_hardware *hw, uint32_t op);
uint32_t spa_hardware_last_of(const spa_hardware *hw, uint32_t op);

/* ---- hooks (hardware_stream.c), under the lock ------------------------------------------------
 */

void spa_hardware_admit(spa_hardware *hw, uint32_t slot);
void spa_hardware_issue(spa_hardware *hw, uint32_t lane, uint32_t slot, uint32_t op);
void spa_hardware_await(spa_hardware *hw, uint32_t lane, uint32_t slot, uint32_t op);
void spa_hardware_want(spa_hardware *hw, uint32_t slot, uint32_t tensor, uint32_t from,
                       uint32_t to);
void spa_hardware_transfer(spa_hardware *hw, uint32_t link, uint32_t slot, uint32_t tensor,
                           uint32_t from, uint32_t to);
/* Something that the engine waits for is done: its event slot. False: nothing (or a failure, which
 * has ended the run). */
bool spa_hardware_next_done(spa_hardware *hw, uint32_t *event_slot);

#endif
