/* Backends: how an operator really runs.
 *
 * A backend is a constant table of functions. All tensors are fp32, dense, in the layout of
 * traces/graph.h (NCHW, row-major: "plain") unless the backend says that it wants another one
 * (below). `ref` is the specification: every other backend must agree with it (NMSE <= 1e-10) on
 * every operator that it supports.
 *
 * Kernels are single-threaded, keep no state between calls and share nothing that is written, so
 * that any number of lanes may run operators at once. */
#ifndef SPA_KERNELS_BACKEND_H
#define SPA_KERNELS_BACKEND_H

#include "traces/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Added to the variance by batch and layer normalisation (torch's default; the tables of the zoo
 * do not carry it, and with seeded weights it decides nothing). */
#define SPA_NORM_EPSILON 1e-5

static inline double spa_op_epsilon(const spa_op *op)
{
    bool given = op->kind == SPA_OP_LAYER_NORM && op->attrs.alpha > 0;
    return given ? op->attrs.alpha : SPA_NORM_EPSILON;
}

/* Alignment of every tensor, packed weight and workspace, bytes: one cache line. */
#define SPA_KERNEL_ALIGN 64

/* How the elements of a tensor lie in memory. */
typedef enum spa_layout {
    SPA_LAYOUT_PLAIN,   /* row-major */
    SPA_LAYOUT_BLOCKED, /* the backend's own, e.g. channels in blocks of 8 */
    SPA_LAYOUT_COUNT
} spa_layout;

/* One call of one operator. */
typedef struct spa_kernel_args {
    const spa_graph *graph;
    const spa_op *op;
    const float *const *inputs; /* [op->n_inputs], each in the layout that the backend wants */
    const float *const *params; /* in the order of spa_op_params */
    const void *state;          /* what prepare() made of the parameters, or NULL */
    float *output;              /* every element is written; never overlaps an input; in the
                                   layout in which the backend leaves it */
    void *workspace;            /* workspace_bytes(), contents undefined before and after */
} spa_kernel_args;

typedef struct spa_backend {
    const char *name;    /* as in --lanes cpu:0=NAME */
    const char *summary; /* one line */

    /* Can this machine run it? The message says what is missing. */
    spa_status (*probe)(spa_error *err);

    /* Host and other operators are supported by no backend. */
    bool (*supports)(const spa_graph *graph, const spa_op *op);

    /* Packs an operator's parameters; *state may stay NULL. `params` must outlive the state. */
    spa_status (*prepare)(const spa_graph *graph, const spa_op *op, const float *const *params,
                          void **state, spa_error *err);
    void (*release)(void *state); /* accepts NULL */

    size_t (*workspace_bytes)(const spa_graph *graph, const spa_op *op);

    /* Runs the operator to its end. */
    spa_status (*run)(const spa_kernel_args *args, spa_error *err);

    /* Name of what is underneath ("OpenBLAS 0.3.21 (Zen), avx2"), for fingerprints; at most
     * `size` bytes with the NUL. */
    void (*describe)(char *text, size_t size);

    /* Layouts; all four NULL = always plain. A decision per tensor, static per graph, O(operators)
     * at most: where blocked pays, an operator leaves its output blocked and every operator that
     * reads it takes it so. What reshapes read or put out, results of the graph and graph inputs
     * are plain. An operator that gets a layout which its kernel cannot use converts in its own
     * workspace, in its own time. */
    spa_layout (*layout)(const spa_graph *graph, size_t op);   /* of the output of operator `op` */
    size_t (*layout_bytes)(const spa_graph *graph, size_t op); /* of it in SPA_LAYOUT_BLOCKED */
    void (*to_plain)(const spa_graph *graph, size_t op, const float *blocked, float *plain);
    void (*from_plain)(const spa_graph *graph, size_t op, const float *plain, float *blocked);
} spa_backend;

/* All backends of this build, `ref` first. */
SPA_API const spa_backend *const *spa_backends(size_t *count);

/* By name; unknown names suggest the nearest. The backend is probed. */
SPA_API spa_status spa_backend_find(const char *name, const spa_backend **out, spa_error *err);

/* SPA_E_UNSUPPORTED naming every operator of the graph that `backend` cannot run, or SPA_OK. */
SPA_API spa_status spa_backend_check(const spa_backend *backend, const spa_graph *graph,
                                     spa_error *err);

/* Zeroed memory aligned to SPA_KERNEL_ALIGN; free with free(). */
SPA_API spa_status spa_alloc_aligned(void *out_pointer, size_t bytes, spa_error *err);

/* The layout of operator `op`'s output that `backend` wants; plain of reshapes, always. */
SPA_API spa_layout spa_backend_layout(const spa_backend *backend, const spa_graph *graph,
                                      size_t op);

extern const spa_backend spa_backend_ref, spa_backend_blas, spa_backend_sparse, spa_backend_onednn;
/* The kernels of CUDA lanes by name; not in the table: a core cannot run them (kernels/stream.h).
 */
extern const spa_backend spa_backend_cuda;

#ifdef __cplusplus
}
#endif
#endif
