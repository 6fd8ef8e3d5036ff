/* Cost tables: everything the engine and the policies know about what operators cost.
 *
 * A table belongs to one graph (with its batch and dtype), one device in one power mode, one
 * software stack and one set of lanes. It is flat, immutable and shared by threads. All times are
 * of an operator alone on the machine; contention is the engine's business. */
#ifndef SPA_DEVICES_COSTS_H
#define SPA_DEVICES_COSTS_H

#include "traces/graph.h"
#include "traces/trace.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_MAX_PROCESSORS 4
#define SPA_MAX_LANES      64
#define SPA_MAX_LINKS      (SPA_MAX_PROCESSORS * SPA_MAX_PROCESSORS)

typedef enum spa_role { SPA_ROLE_HOST, SPA_ROLE_ACCELERATOR } spa_role;

/* One operator on one processor. */
typedef struct spa_op_cost {
    int64_t kernel_ns;    /* execution on the lane, alone, without launch; < 0 = cannot run there */
    int32_t launch_ns;    /* host time to issue it (already divided by the host's clock) */
    float dram_share;     /* share of the DRAM bandwidth it draws when running alone, [0, 1] */
    float capacity_share; /* share of its processor's compute capacity it fills, (0, 1] */
    float pressure;       /* what it adds to the interference others feel (see slow_* below) */
    float corun_slowdown; /* measured factor (>= 1) while another processor is busy; 0 = not
                             measured: the contention model applies */
    float dynamic_w;      /* power above idle while it runs */
    float noise_cv;       /* coefficient of variation of its kernel time; 0 = unknown or off */
    uint8_t origin;       /* spa_origin of kernel_ns */
    uint8_t pad[3];
} spa_op_cost;

/* Operators are split in tenths of their output. */
#define SPA_TENTHS 10

/* Sizes of chunks that a table may know. */
#define SPA_MAX_CHUNKS 10

/* A processor as configured for the run. */
typedef struct spa_cost_processor {
    const char *name;    /* "cpu", "gpu", "cpu0" */
    const char *backend; /* kernels it runs: "ncnn", "sparse", ... */
    spa_role role;
    bool is_async;    /* work can be issued ahead of its inputs (a GPU stream) */
    uint32_t n_lanes; /* queues that execute in order, each one operator at a time */
    uint32_t cores_per_lane;
    double clock_hz;
    float idle_w;     /* its part of the idle power, for the per-processor account */
    float dispatch_w; /* host: power above idle while dispatching */
    /* Interference: a kernel here runs slower by 1 + slow_a*x + slow_b*x^2, where x is the sum
     * of `pressure` over the kernels running on all *other* lanes (of any processor). */
    float slow_a, slow_b;
} spa_cost_processor;

/* Moving data from one processor's memory to another's. A link serves one transfer at a time,
 * beside the processors; or, with on_lane, there is no copying unit: the lane that needs a tensor
 * copies it before it runs the operator that reads it (cores that share memory but keep tensors in
 * different layouts). Final outputs are then read where they are, at no cost. */
typedef struct spa_cost_link {
    uint8_t id;       /* transfers with equal id share one queue */
    float dram_share; /* DRAM bandwidth drawn while a transfer runs */
    float dynamic_w;
    int32_t issue_ns;   /* host time to issue a transfer */
    int64_t latency_ns; /* part of a transfer's time that does not depend on its bytes */
    bool on_lane;       /* from a processor that is not asynchronous to one with one lane */
} spa_cost_link;

/* One operator on one processor in another power mode, alone on the machine. With the clock at a
 * ratio r of the mode's it takes clocked_ns / r + max(bound_ns / r, memory_ns). */
typedef struct spa_op_speed {
    double clocked_ns; /* cycles whatever memory does: launch inside the kernel, barriers */
    double bound_ns;   /* computing, or memory as far as one core's clock limits it */
    double memory_ns;  /* memory behind the clock */
    float dynamic_w, dram_share;
    float pressure, capacity_share; /* of the cores that are online; 0 = as in the table */
} spa_op_speed;

#define SPA_ZEROS 11

/* What a power mode of the device makes of the table. */
typedef struct spa_cost_mode {
    const char *name;
    const char *unusable; /* why this run's lanes cannot be in it; NULL = they can */
    double clock_ratio[SPA_MAX_PROCESSORS]; /* its clock over that of the table's mode */
    double base_w;
    float dispatch_w[SPA_MAX_PROCESSORS];
    spa_op_speed *ops;    /* [n_ops * n_processors] */
    int64_t *transfer_ns; /* as that of the table */
} spa_cost_mode;

typedef struct spa_costs {
    const spa_graph *graph;  /* not owned; must outlive the table */
    size_t n_ops, n_tensors; /* tensors: operator outputs, then graph inputs (n_ops + k) */
    uint32_t n_processors, n_links;
    uint32_t host; /* index of the host processor (where graph inputs begin and the
                      final outputs must end) */
    spa_cost_processor processors[SPA_MAX_PROCESSORS];
    spa_cost_link links[SPA_MAX_PROCESSORS][SPA_MAX_PROCESSORS]; /* [from][to] */
    spa_op_cost *ops;     /* [n_ops * n_processors], see spa_cost */
    int64_t *part_ns;     /* [n_ops * n_processors * (SPA_TENTHS - 1)], see spa_part_ns */
    int64_t *transfer_ns; /* [n_tensors * n_processors * n_processors], see spa_transfer_ns;
                             includes latency and synchronisation; 0 on the diagonal */
    /* The device's power modes, the table's own one among them; n_modes = 0: nothing is known but
     * what is in the table, and clocks are taken to scale all of it. Not part of the hash. */
    /* [n_ops * n_processors * SPA_ZEROS] kernel time at 0, 0.1, ... 1 zeros in the input over that
     * in the table, where the response of the kernels was measured; NULL = it was not. Not part of
     * the hash either. */
    float *zeros_factor;
    uint32_t n_modes, own_mode;
    spa_cost_mode *modes; /* [n_modes] */
    /* An operator may run its batch in chunks of fewer samples: what it then costs in all. */
    uint32_t n_chunks;
    uint32_t chunk_sizes[SPA_MAX_CHUNKS];
    spa_op_cost *chunk_ops[SPA_MAX_CHUNKS]; /* each [n_ops * n_processors], see spa_chunk_cost */
    /* Dispatch: true = issuing work occupies the host's lane 0 (one thread computes and dispatches,
     * as in eager frameworks); false = the lane that completes an operator issues the next ones,
     * and launch_ns is a delay on the target lane. */
    bool dispatch_occupies_host;
    bool blocking_sync; /* a host operator blocks further dispatch of its request until done */
    bool synchronous;   /* every operator does: a request launches and moves nothing while one of
                           its operators runs (overlap switched off) */
    double host_hz;     /* converts host cycles (policy decisions) into time */
    double base_w;      /* whole-board idle power, with all processors idle */
    double run_cv;      /* run-level coefficient of variation of times */
    /* Provenance. */
    const char *device, *mode, *stack;
    spa_dtype computes; /* arithmetic of the stack, where it differs from the graph's dtype */
    spa_origin origin;  /* the least trustworthy origin of any entry */
    bool uncalibrated;  /* the run leaves what the device was calibrated for */
    const char *lanes;  /* "cpu:0-11,gpu:0" */
    uint64_t hash;      /* of everything above, with the graph's hash */
    spa_arena arena;
} spa_costs;

static inline const spa_op_cost *spa_cost(const spa_costs *c, size_t op, uint32_t processor)
{
    return &c->ops[op * c->n_processors + processor];
}
/* The same in chunks of so many samples; 0 = the whole batch at once. NULL: no such size. */
static inline const spa_op_cost *spa_chunk_cost(const spa_costs *c, size_t op, uint32_t processor,
                                                uint32_t chunk)
{
    if (chunk == 0) return spa_cost(c, op, processor);
    for (uint32_t k = 0; k < c->n_chunks; k++)
        if (c->chunk_sizes[k] == chunk) return &c->chunk_ops[k][op * c->n_processors + processor];
    return NULL;
}
static inline bool spa_cost_can_run(const spa_costs *c, size_t op, uint32_t processor)
{
    return spa_cost(c, op, processor)->kernel_ns >= 0;
}
/* Time from "may start" to "done" on an idle machine: kernel plus, where it is not hidden, launch.
 */
static inline int64_t spa_cost_total_ns(const spa_costs *c, size_t op, uint32_t processor)
{
    const spa_op_cost *k = spa_cost(c, op, processor);
    return k->kernel_ns + k->launch_ns;
}
/* kernel_ns of `tenths` (1 .. SPA_TENTHS - 1) of an operator; < 0: it cannot be split there. */
static inline int64_t spa_part_ns(const spa_costs *c, size_t op, uint32_t processor,
                                  uint32_t tenths)
{
    size_t at = op * c->n_processors + processor;
    return c->part_ns[at * (SPA_TENTHS - 1) + tenths - 1];
}
static inline int64_t spa_transfer_ns(const spa_costs *c, size_t tensor, uint32_t from, uint32_t to)
{
    return c->transfer_ns[(tensor * c->n_processors + from) * c->n_processors + to];
}
/* The same of a part of an operator's output. */
static inline int64_t spa_part_transfer_ns(const spa_costs *c, size_t op, uint32_t from,
                                           uint32_t to, uint32_t tenths)
{
    int64_t whole_ns = spa_transfer_ns(c, op, from, to), fixed_ns = c->links[from][to].latency_ns;
    if (fixed_ns > whole_ns) fixed_ns = whole_ns;
    return fixed_ns + (whole_ns - fixed_ns) / SPA_TENTHS * tenths;
}
/* How fast an operator's kernel runs in a mode with the clock at `ratio` of the mode's, over how
 * fast it runs in the table: > 1 is faster. Parts of operators change like the whole. */
SPA_API double spa_cost_speed(const spa_costs *costs, uint32_t mode, double ratio, size_t op,
                              uint32_t processor);
/* The same of a transfer, which no ratio changes. */
SPA_API double spa_transfer_speed(const spa_costs *costs, uint32_t mode, size_t tensor,
                                  uint32_t from, uint32_t to);
/* Its power above idle there, W, with the clock at the mode's. */
SPA_API double spa_cost_power(const spa_costs *costs, uint32_t mode, size_t op, uint32_t processor);
/* The same over its power in the table: for parts and chunks, which change like the whole. */
static inline double spa_power_ratio(const spa_costs *c, uint32_t mode, size_t op,
                                     uint32_t processor)
{
    double own = (double)spa_cost(c, op, processor)->dynamic_w;
    return own > 0 ? spa_cost_power(c, mode, op, processor) / own : 1;
}
/* What the host draws above idle while it dispatches, and the idle board, W. */
SPA_API double spa_dispatch_power(const spa_costs *costs, uint32_t mode, uint32_t processor);
SPA_API double spa_mode_base(const spa_costs *costs, uint32_t mode);
/* Kernel time of an operator at these zeros in its input over that in the table; between the
 * entries linear. */
SPA_API double spa_zeros_factor(const spa_costs *costs, size_t op, uint32_t processor,
                                double zeros);
/* Room for them, all 1. */
SPA_API spa_status spa_costs_add_zeros(spa_costs *costs, spa_error *err);
/* Hash of the modes and of responses to zeros: for runs that change them. */
SPA_API uint64_t spa_costs_modes_hash(const spa_costs *costs, uint64_t hash);
/* Room for modes in a table that has none; every field but ops and transfer_ns to be filled in. */
SPA_API spa_status spa_costs_add_modes(spa_costs *costs, uint32_t n_modes, spa_error *err);

/* Tensor index of input edge `producer` (an operator, or ~k for a graph input). */
static inline size_t spa_tensor_of(const spa_costs *c, int32_t producer)
{
    return producer >= 0 ? (size_t)producer : c->n_ops + (size_t)~producer;
}

/* Lets operators of this table run in chunks of the batch of another: the same model on the same
 * device, a divisor of its batch. Chunks follow each other, each issued by itself. May be called
 * for several sizes. The hash does not change. O(operators). */
SPA_API spa_status spa_costs_add_chunks(spa_costs *costs, const spa_costs *smaller, spa_error *err);

/* Lets operators of kinds that divide be split, at times in proportion to their parts, wherever
 * they run (spa_costs_build knows better). For tests and builders, before spa_costs_finish. */
SPA_API void spa_costs_divide(spa_costs *costs);

/* Allocates an empty table for a graph: every operator everywhere kernel_ns = -1 (parts too),
 * transfers 0.
 * For tests and for builders; fill it, then call spa_costs_finish (checks ranges, hashes). */
SPA_API spa_status spa_costs_init(spa_costs *costs, const spa_graph *graph, uint32_t n_processors,
                                  spa_error *err);
SPA_API spa_status spa_costs_finish(spa_costs *costs, spa_error *err);
SPA_API void spa_costs_fini(spa_costs *costs);

#ifdef __cplusplus
}
#endif
#endif
