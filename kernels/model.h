/* A runnable model: a graph with seeded weights, and sessions that hold the activations.
 *
 * The weights are synthetic. They keep activations finite and make about half of what a ReLU puts
 * out zero, as batch-normalised networks do, but they are not trained: the zeros of a layer are an
 * assumption, never data about the real network.
 *
 * A model is read-only once it is prepared, so that lanes share it; a session belongs to one
 * inference at a time. Operators of one session may run on several lanes at once, each after its
 * producers. */
#ifndef SPA_KERNELS_MODEL_H
#define SPA_KERNELS_MODEL_H

#include "kernels/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_MODEL_BACKENDS 8

typedef struct spa_model {
    const spa_graph *graph; /* borrowed; fp32 */
    uint64_t seed;
    size_t weight_bytes;
    float *weights; /* all parameters in one block */
    float **params; /* [n_ops * SPA_MAX_PARAMS] into it */
    size_t n_prepared;
    const spa_backend *prepared[SPA_MODEL_BACKENDS];
    void **states[SPA_MODEL_BACKENDS];    /* [n_ops] per prepared backend */
    uint8_t *layouts[SPA_MODEL_BACKENDS]; /* [n_ops] spa_layout wanted; NULL = all plain */
    const spa_backend *blocked_by;        /* the prepared backend with layouts, or NULL */
} spa_model;

/* Takes the weights from the graph's source where it has one (a model file). Else draws them
 * (streams named by `seed` and operator) and sets the statistics of each batch
 * norm to what its input has in one inference of a seeded image, run by `blas`. The graph must
 * outlive the model. Errors: fp16, operators that nothing can run (all are listed), memory.
 * Costs one inference. */
SPA_API spa_status spa_model_init(spa_model *model, const spa_graph *graph, uint64_t seed,
                                  spa_error *err);
SPA_API void spa_model_fini(spa_model *model);

/* Packs the weights for a backend; does nothing when that was done. Not while a session runs.
 * Backends whose blocked layouts differ cannot share a model (SPA_E_UNSUPPORTED). */
SPA_API spa_status spa_model_prepare(spa_model *model, const spa_backend *backend, spa_error *err);

/* What a lane must lend to spa_session_run_op: the largest workspace of any operator, bytes. */
SPA_API size_t spa_model_workspace_bytes(const spa_model *model, const spa_backend *backend);

typedef enum spa_buffers {
    SPA_BUFFERS_PLANNED, /* shared where every legal order of operators allows it */
    SPA_BUFFERS_OWN      /* one per operator: all outputs stay readable */
} spa_buffers;

typedef struct spa_session {
    const spa_model *model;
    size_t memory_bytes;
    float *memory;
    float **outputs;      /* [n_ops] plain; a reshape's is its input's */
    const float **inputs; /* [n_edges] plain, as graph->inputs */
    float *graph_inputs[SPA_MAX_GRAPH_INPUTS];
    /* Only where a backend that was prepared before wants blocked tensors, else both NULL: */
    float **blocked; /* [n_ops]; NULL where nobody wants it */
    uint8_t *holds;  /* [n_ops] bit l: the value is there in layout l. Atomic access, by
                        spa_session_holds and the functions below. What an operator held in the
                        last inference is void once its producer runs again. */
} spa_session;

/* Plans and allocates all activations; they are touched, so that no run pays page faults. A buffer
 * is used again only by an operator that depends on every reader of what was in it, so the plan
 * holds for any placement and any overlap. The blocked form of a tensor has a buffer of its own, by
 * the same rule. Prepare the backends before. O(operators^2) bits while planning. */
SPA_API spa_status spa_session_init(spa_session *session, const spa_model *model,
                                    spa_buffers buffers, spa_error *err);
SPA_API void spa_session_fini(spa_session *session);

/* Seeded values of mean 0 and variance 1 in all graph inputs, a fraction `zeros` of them 0. */
SPA_API void spa_session_fill_inputs(spa_session *session, uint64_t seed, double zeros);

/* Runs one operator by a prepared backend. workspace: spa_model_workspace_bytes, aligned to
 * SPA_KERNEL_ALIGN. A reshape costs nothing: its output is its input. Inputs that are not there in
 * the layout that the backend wants are converted first, as by spa_session_convert; the output is
 * then there in that backend's layout only. */
SPA_API spa_status spa_session_run_op(spa_session *session, const spa_backend *backend, size_t op,
                                      void *workspace, spa_error *err);

/* Makes the output of operator `op`, which has run, present in the layout that `backend` wants;
 * nothing to do when it is. What it costs is the price of giving a tensor to another kind of
 * kernels: a lane may do it before it runs the readers. Several threads may
 * ask for it at once. */
SPA_API spa_status spa_session_convert(spa_session *session, const spa_backend *backend, size_t op,
                                       spa_error *err);
/* For running an operator by other means: makes its inputs plain and declares its output so. */
SPA_API void spa_session_plain_io(spa_session *session, size_t op);
/* Declares that an operator's output was written, plain, by other means. */
SPA_API void spa_session_declare_plain(spa_session *session, size_t op);
/* Is there nothing to do for spa_session_convert? */
SPA_API bool spa_session_holds(const spa_session *session, const spa_backend *backend, size_t op);

/* The output of an operator that has run, plain: converted on demand (then as spa_session_convert).
 * Valid until its buffer is used again. */
SPA_API const float *spa_session_output(const spa_session *session, size_t op);

/* Called after each operator, while its output is readable. */
typedef void spa_op_observer(void *context, const spa_session *session, size_t op);

/* Runs all operators in order on the calling thread; backends[op] each prepared. */
SPA_API spa_status spa_session_run(spa_session *session, const spa_backend *const *backends,
                                   void *workspace, spa_op_observer *observer, void *context,
                                   spa_error *err);

/* Fraction of zeros in an operator's output. */
SPA_API double spa_session_output_zeros(const spa_session *session, size_t op);

/* Seeded values of mean 0 and variance 1 (uniform), a fraction `zeros` of them 0. */
SPA_API void spa_fill_random(float *x, size_t n, uint64_t seed, uint64_t index, double zeros);

/* Sum of (x - y)^2 over sum of y^2, in double; y is the reference. NaN when any x is not finite;
 * 0 when both are all zero. */
SPA_API double spa_nmse(const float *x, const float *reference, size_t n);

#ifdef __cplusplus
}
#endif
#endif
