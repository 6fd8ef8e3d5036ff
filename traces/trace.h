/* Traces: what the work *cost* on one machine with one software stack.
 *
 * A trace is a folder: meta.ini, <model>.graph.csv, <model>.costs.csv, and, where they were
 * measured, <model>.copies.csv, links.csv and response.csv
 * (docs/formats.md). Empty cells are unknown, never 0. */
#ifndef SPA_TRACES_TRACE_H
#define SPA_TRACES_TRACE_H

#include "traces/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where and with what a trace was measured; anything else is `uncalibrated`. */
typedef struct spa_fingerprint {
    const char *machine;    /* CPU model name as the machine spells it */
    const char *stack;      /* "sparoa", "ncnn", ... */
    const char *power_mode; /* or "" */
    const char *driver;     /* or "" */
    const char *libraries;  /* "OpenBLAS 0.3.21 (Zen)" */
    const char *clocks;     /* "2445 MHz (nominal)" */
    const char *date;       /* ISO 8601 */
    const char *command;    /* the command that made it */
} spa_fingerprint;

/* One row of <model>.costs.csv. Times in ns of simulated resolution (the file has us). NaN/-1 =
 * unknown. */
typedef struct spa_trace_cost {
    int32_t op;            /* index into the graph */
    const char *processor; /* "cpu0", "gpu" */
    const char *backend;   /* "sparse", "blas", ... */
    int32_t cores, batch;
    spa_dtype dtype;
    double part;       /* fraction of the operator, 1 = whole */
    const char *corun; /* "" = alone; else the processor that was busy beside it */
    int64_t samples;
    double mean_us, std_us, p50_us, p95_us;
    double typical_us; /* mean over the runs whose total was in the middle half: sums of it estimate
                          medians of totals, which sums of medians do not; 0 or NaN = unknown */
    double energy_uj;  /* NaN = not measured */
    spa_origin origin;
    int line; /* in the file */
} spa_trace_cost;

/* One row of <model>.copies.csv: what it costs `to` that a tensor was made on `from`, beyond the
 * hand-off, for processors that share memory. */
typedef struct spa_trace_copy {
    size_t tensor; /* operator, or n_ops + k for graph input k ("input0") */
    const char *from, *from_backend, *to, *to_backend;
    int32_t batch;
    spa_dtype dtype;
    int64_t samples;
    double copy_us; /* switching its layout; 0 = the kernels agree on one */
    double read_us; /* what its first reader takes longer: it lies in the other one's cache */
    spa_origin origin;
} spa_trace_copy;

/* With from = to: from the end of an operator to the beginning of the next one on that processor
 * (bytes 0, latency alone). */
typedef struct spa_trace_link {
    const char *from, *to; /* processors */
    int64_t bytes;
    double latency_us;    /* hand-off or synchronisation alone (p50) */
    double p50_us;        /* whole copy of `bytes` (p50); NaN where only latency is known */
    double bandwidth_gbs; /* NaN = unknown */
    spa_origin origin;
} spa_trace_link;

/* Speed-up of a backend's kernel for an operator kind at a fraction of input zeros, against the
 * same kernel on dense input. */
typedef struct spa_trace_response {
    const char *processor, *backend;
    spa_op_kind kind;
    const char *shape_class; /* "3x3", "1x1", "depthwise", "large-k", ... */
    double input_zeros, speedup;
    spa_origin origin;
} spa_trace_response;

typedef struct spa_trace_model {
    const char *name;
    uint64_t graph_hash; /* as recorded in meta.ini */
    spa_graph graph;
    size_t n_costs, n_copies;
    spa_trace_cost *costs;
    spa_trace_copy *copies;
} spa_trace_model;

typedef struct spa_trace {
    const char *path;
    spa_fingerprint fingerprint;
    spa_origin origin;
    double run_cv; /* run-level coefficient of variation of end-to-end times; NaN unknown */
    size_t n_models, n_links, n_responses;
    spa_trace_model *models;
    spa_trace_link *links;
    spa_trace_response *responses;
    spa_arena arena;
} spa_trace;

/* Reads a trace folder, all its models or only `model` (NULL = all). Checks: graph hash in meta
 * against the graph file, unknown columns, duplicate (op, processor, backend, cores, batch, dtype,
 * part, corun) rows, negative or NaN times, operators that the graph does not have. Copies, links
 * and responses may be missing. On failure the trace is empty. O(rows log rows). */
SPA_API spa_status spa_trace_read(spa_trace *trace, const char *folder, const char *model,
                                  spa_error *err);
SPA_API void spa_trace_fini(spa_trace *trace);
SPA_API const spa_trace_model *spa_trace_find_model(const spa_trace *trace, const char *name);
/* Writes the whole folder (each file atomically, meta.ini last). A trace that was put together by
 * hand is freed with spa_trace_fini only if models, costs and names are in trace->arena. Recorded
 * is the hash of each model's graph, not graph_hash. SPA_E_INVALID for what could not be read. */
SPA_API spa_status spa_trace_write(const spa_trace *trace, const char *folder, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
