/* Parts: an operator cut into smaller operators.
 *
 * A part is an operator of its own, in a graph of its own, that computes one contiguous piece of
 * the whole operator's output from contiguous pieces of its inputs and parameters. Any backend
 * prepares and runs it as it does every other operator; no kernel knows about parts. Parts write
 * straight into the whole output: together they write each element exactly once, and nothing is
 * copied to merge them.
 *
 * Pieces begin anywhere in a tensor: they are aligned to a float, not to SPA_KERNEL_ALIGN. */
#ifndef SPA_KERNELS_PART_H
#define SPA_KERNELS_PART_H

#include "kernels/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A part reads at most this many tensors (what a graph can take). */
#define SPA_PART_INPUTS 4

/* Where an operator can be cut: between any two of `count` slices of its output. */
typedef struct spa_cut {
    const char *along; /* "channels", "groups", "planes", "rows", "slices", "batch", "elements" */
    size_t count;      /* slices */
    size_t unit;       /* kernels like pieces that are multiples of this many slices */
} spa_cut;

/* How `op` of `graph` is cut: so that the pieces of its output are contiguous, which for batch 1
 * means output channels (groups of a grouped convolution), rows of linear layers, normalisations
 * and products, ranges of elements; a larger batch is cut between its images where channels are
 * not contiguous. SPA_E_UNSUPPORTED with the reason for operators that cannot be cut: those run
 * whole. O(1). */
SPA_API spa_status spa_cut_of(const spa_graph *graph, const spa_op *op, spa_cut *cut,
                              spa_error *err);

/* Turns n fractions (NULL: equal ones), which must not be negative and sum to 1, into bounds
 * [n + 1], bounds[0] = 0 and bounds[n] = count. They fall on multiples of cut->unit, or of a half,
 * a quarter ... of it where whole units would be off by more than an eighth of an equal share. A
 * piece may be empty. */
SPA_API spa_status spa_cut_bounds(const spa_cut *cut, const double *fractions, size_t n,
                                  size_t *bounds, spa_error *err);

typedef struct spa_part {
    spa_graph graph;   /* of one operator, ops[0]; of none when the part is empty */
    size_t begin, end; /* slices of the cut; begin == end: empty */
    size_t n_inputs;
    uint32_t input[SPA_PART_INPUTS]; /* which input of the whole operator each of its inputs is */
    /* Where its tensors begin in the whole ones, in elements: */
    size_t input_offset[SPA_PART_INPUTS];
    size_t param_offset[SPA_MAX_PARAMS];
    size_t output_offset, output_count;
} spa_part;

/* The part of slices begin .. end-1. Errors: an operator (or, for pad and concat, this piece of it)
 * that cannot be cut, slices out of range, memory. */
SPA_API spa_status spa_part_init(spa_part *part, const spa_graph *graph, const spa_op *op,
                                 size_t begin, size_t end, spa_error *err);
SPA_API void spa_part_fini(spa_part *part);

/* Cuts an operator into n parts by fractions (NULL: equal), see spa_cut_bounds; parts[i] belongs to
 * fractions[i] and may be empty. All are fini'd on failure. */
SPA_API spa_status spa_part_cut(const spa_graph *graph, const spa_op *op, const double *fractions,
                                size_t n, spa_part *parts, spa_error *err);

/* A part of a model's operator that is ready to run by one backend. Read-only once it is there, so
 * that it serves any number of sessions; parts of one operator may run at once on several lanes,
 * each by a backend of its own, on the buffers of one session. */
typedef struct spa_part_kernel {
    spa_part part;
    const spa_model *model; /* borrowed */
    size_t op;
    const spa_backend *backend;
    const float *params[SPA_MAX_PARAMS]; /* into the model's weights */
    void *state;
    size_t workspace_bytes; /* what a lane must lend, aligned to SPA_KERNEL_ALIGN */
} spa_part_kernel;

/* Cuts and prepares. Errors: as spa_part_init, operators the backend has no kernel for. */
SPA_API spa_status spa_part_kernel_init(spa_part_kernel *kernel, const spa_model *model, size_t op,
                                        size_t begin, size_t end, const spa_backend *backend,
                                        spa_error *err);
SPA_API void spa_part_kernel_fini(spa_part_kernel *kernel);

/* Runs the part on a session's row-major buffers (spa_session_plain_io comes first); nothing for an
 * empty part. Allocates nothing. */
SPA_API spa_status spa_part_kernel_run(const spa_part_kernel *kernel, const spa_session *session,
                                       void *workspace, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
