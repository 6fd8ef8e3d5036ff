/* oneDNN primitives of operators: describing them, and running one from several lanes at once. */
#ifndef SPA_KERNELS_ONEDNN_PRIMITIVE_H
#define SPA_KERNELS_ONEDNN_PRIMITIVE_H

#include "kernels/onednn.h"
#include "kernels/onednn_library.h"

/* ---- describing ------------------------------------------------------------------------------ */

/* The layouts that a primitive is to read and write (of two inputs at most). Blocked images whose
 * channels do not fill the blocks are filled up. */
typedef struct spa_onednn_forms {
    spa_layout inputs[2], output;
    bool linear_as_conv; /* 1x1, channels last, instead of the inner product */
} spa_onednn_forms;

/* *pd = the library's best implementation, NULL when it has none. Destroy it. Between
 * spa_onednn_enter and _leave. */
spa_status spa_onednn_describe(const spa_onednn_library *lib, const spa_graph *graph,
                               const spa_op *op, const spa_onednn_forms *forms,
                               dnnl_primitive_desc_t *pd, spa_error *err);

/* "jit:avx2", "gemm:jit", "ref:any", ... */
const char *spa_onednn_implementation(const spa_onednn_library *lib,
                                      const_dnnl_primitive_desc_t pd);
size_t spa_onednn_scratchpad_bytes(const spa_onednn_library *lib, const_dnnl_primitive_desc_t pd);

/* ---- running --------------------------------------------------------------------------------- */

typedef struct spa_onednn_primitive spa_onednn_primitive;

/* Makes the primitive and packs the parameters as it wants them. */
spa_status spa_onednn_primitive_new(spa_onednn_primitive **out, const spa_onednn_library *lib,
                                    const spa_op *op, const float *const *params,
                                    const_dnnl_primitive_desc_t pd, spa_error *err);
void spa_onednn_primitive_free(spa_onednn_primitive *primitive); /* accepts NULL */

/* inputs: as the operator has; of add and mul with a parameter, that one second. Any number of
 * threads may run the same primitive: each call borrows one of a few sets of memory objects, and
 * waits when all are out. */
spa_status spa_onednn_primitive_run(spa_onednn_primitive *primitive, const float *const *inputs,
                                    float *output, void *scratchpad, spa_error *err);

#endif
