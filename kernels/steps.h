/* Running fused operators: the operator's own kernel, then its steps on what it put out.
 *
 * No kernel knows about steps. They run in place, while the output is still in the cache if it fits
 * there, and no tensor lies between them. */
#ifndef SPA_KERNELS_STEPS_H
#define SPA_KERNELS_STEPS_H

#include "kernels/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* In which layouts the tensors of a call are, where not all are plain. */
typedef struct spa_step_layouts {
    const spa_backend *blocked_by; /* whose blocked layout it is */
    size_t op;                     /* index of the operator */
    spa_layout output;
    const uint8_t *inputs; /* [n_inputs] spa_layout */
} spa_step_layouts;

/* Runs an operator, fused or not. `layouts` NULL: all plain. Workspace: spa_kernel_workspace_bytes.
 * An operand of the output's shape may come in the other layout and is converted; all others come
 * plain, and then so does the output (spa_steps_are_flat). */
SPA_API spa_status spa_kernel_run(const spa_backend *backend, const spa_kernel_args *args,
                                  const spa_step_layouts *layouts, spa_error *err);
SPA_API size_t spa_kernel_workspace_bytes(const spa_backend *backend, const spa_graph *graph,
                                          const spa_op *op);

/* Do all steps treat every element alike, whatever the layout? */
SPA_API bool spa_steps_are_flat(const spa_graph *graph, const spa_op *op);

/* The operator without its steps: what it reads and computes itself. */
SPA_API spa_op spa_op_unfused(const spa_op *op);

/* Runs steps first .. n_steps-1 on the plain output of a call. For weights.c. */
void spa_steps_run_plain(const spa_kernel_args *args, uint32_t first);

#ifdef __cplusplus
}
#endif
#endif
