/* The batcher interface: when waiting samples become a batch, and how large.
 *
 * In an open loop a sample waits in one queue, first come first served, until the batcher closes a
 * batch; the batch is then one run of the program with the smallest batch size that holds it. A
 * batcher decides about the queue alone; it knows the model from a table made before the run. Life:
 *
 *   create(values)        once: check parameters, allocate `self`
 *   prepare(self, table)  once per model and machine: choose what can be chosen ahead of time
 *   decide(self, view)    whenever a sample has come, a run has ended, or the time it asked for has
 *                         come, while something waits and a run may begin
 *   destroy(self)         once
 *
 * `self` is constant while runs are going on and shared by threads. */
#ifndef SPA_SIM_BATCHER_H
#define SPA_SIM_BATCHER_H

#include "base/params.h"
#include "sim/programs.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_BATCHER_ABI 1u
#define SPA_MAX_BATCH   512u /* largest batch; tables hold 1, 2, 4, ... up to it */
#define SPA_MAX_SIZES   10u

/* A model at every batch size that has a program. Between sizes a batch is padded to the next. */
typedef struct spa_batch_table {
    uint32_t count;
    uint32_t sizes[SPA_MAX_SIZES];       /* 1, 2, 4, ... */
    int64_t latency_ns[SPA_MAX_SIZES];   /* of one run, alone and without noise, by the plan */
    int64_t memory_bytes[SPA_MAX_SIZES]; /* parameters and the largest set of live tensors */
    double sparsity;                     /* mean rho of its operators; NaN = not known */
    double intensity;                    /* mean MACs per operator that has some, one sample */
    double rate_hz;                      /* samples per second on average; 0 = not known */
} spa_batch_table;
/* Index of the smallest size >= samples (the last one if there is none). */
SPA_API uint32_t spa_batch_table_find(const spa_batch_table *table, uint64_t samples);

typedef struct spa_batch_view {
    int64_t now_ns, oldest_ns; /* arrival of the sample that has waited longest */
    uint64_t waiting;          /* samples, >= 1 */
    uint32_t in_flight;        /* runs */
    bool last;                 /* no more samples will come */
} spa_batch_view;

typedef struct spa_batch_choice {
    uint64_t close;   /* samples of the batch that closes now; 0 = wait */
    int64_t until_ns; /* ask again at this time, if nothing happens before; INT64_MAX = no need */
} spa_batch_choice;

typedef struct spa_batcher {
    uint32_t abi, struct_size;           /* SPA_BATCHER_ABI, sizeof(spa_batcher) */
    const char *name, *summary, *source; /* source: paper, section */
    const spa_param *params;
    size_t n_params;
    spa_status (*create)(void **self, const spa_param_values *values, spa_error *err);
    void (*destroy)(void *self);
    /* SPA_E_UNSUPPORTED: no batch keeps the bounds; the message says which. */
    spa_status (*prepare)(void *self, const spa_batch_table *table, spa_error *err);
    /* NULL: there is no queue, every request runs alone. */
    void (*decide)(const void *self, const spa_batch_view *view, spa_batch_choice *choice);
    uint32_t (*largest)(const void *self); /* batch that it may close, before prepare */
    uint32_t (*target)(const void *self);  /* batch that it aims at, after prepare */
    /* Samples that attention (products of two activations, softmax) and activation functions run at
     * once, in batches of more than that; 0 = the whole batch. */
    void (*chunks)(const void *self, uint32_t *attention, uint32_t *activation);
} spa_batcher;

SPA_API const spa_batcher *const *spa_batchers(size_t *count);
/* "name" or "name:param=value:..."; unknown names suggest the nearest. */
SPA_API spa_status spa_batcher_parse(const char *text, const spa_batcher **batcher,
                                     spa_param_values *values, spa_error *err);

/* What batching came to in a run. Times are ns, summed over samples. */
typedef struct spa_batch_result {
    uint64_t runs, samples;
    uint64_t places;   /* of the programs that ran: samples and padding */
    double queue_ns;   /* from a sample's arrival to the beginning of its run */
    double collect_ns; /* of it: while a run might have begun, but the batcher waited */
    double run_ns;     /* from the beginning of a sample's run to its end */
    double padding_ns; /* of it: the share of the run's places that were empty */
} spa_batch_result;

/* Memory that one run of a graph needs, bytes: all weights, and the largest set of activations that
 * are alive at once in graph order (views share what they show; weights are counted once). */
SPA_API spa_status spa_graph_footprint(const spa_graph *graph, int64_t *bytes, spa_error *err);

/* The chunk of an operator of this kind, of these two; 0 = whole. */
SPA_API uint32_t spa_batch_chunk(spa_op_kind kind, uint32_t attention, uint32_t activation);

/* ---- for tests: the two choices -------------------------------------------------------------- */

/* Parameters of the paper's Algorithm 2, see docs/model.md, "Programs and batches". */
typedef struct spa_algorithm2 {
    double start, step, eps_ms, latency_ms, memory_mb, sparsity, intensity;
    uint32_t iterations, max;
} spa_algorithm2;
/* The batch that it ends with. trace (may be NULL): [iterations + 1] B before and after each step
 * along the slope; *n_steps of them were made. */
SPA_API uint32_t spa_algorithm2_choose(const spa_batch_table *table, const spa_algorithm2 *p,
                                       double *trace, uint32_t *n_steps);
/* The batch with the least latency per sample among those up to `max` whose memory is within bounds
 * and for which collecting (at the table's rate) and running take at most latency_ns; of equal ones
 * the smallest. 0 = there is none. */
SPA_API uint32_t spa_bounded_choose(const spa_batch_table *table, uint32_t max, int64_t latency_ns,
                                    int64_t memory_bytes);

#ifdef __cplusplus
}
#endif
#endif
