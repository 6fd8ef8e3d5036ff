/* oneDNN primitives that several lanes may run at once. */
#ifndef SPA_KERNELS_ONEDNN_PRIMITIVE_H
#define SPA_KERNELS_ONEDNN_PRIMITIVE_H

#include "kernels/onednn_library.h"

#if defined(SPA_ONEDNN) && SPA_ONEDNN
#include <stdatomic.h>
#include <stddef.h>

#define ONEDNN_ARGS     8
#define ONEDNN_CONTEXTS 8 /* lanes that may be in one primitive at the same time */

/* Memory objects carry the address of their data: each user needs its own. */
typedef struct onednn_context {
    _Alignas(64) atomic_flag busy;
    dnnl_stream_t stream;
    dnnl_memory_t memory[ONEDNN_ARGS];
} onednn_context;

typedef struct onednn_primitive {
    dnnl_primitive_t handle;
    int n_args;
    int name[ONEDNN_ARGS]; /* DNNL_ARG_... */
    dnnl_memory_desc_t desc[ONEDNN_ARGS];
    size_t scratch_bytes;
    onednn_context *contexts; /* [ONEDNN_CONTEXTS] */
} onednn_primitive;

/* From an operation descriptor; arguments are added with onednn_primitive_arg before
 * onednn_primitive_finish, in the order in which their addresses will be given. */
spa_status onednn_primitive_init(onednn_primitive *p, const spa_onednn *l, const_dnnl_op_desc_t op,
                                 const char *what, dnnl_primitive_desc_t *description,
                                 spa_error *err);
void onednn_primitive_arg(onednn_primitive *p, int name, const dnnl_memory_desc_t *desc);
/* Takes the description, with its scratchpad as the last argument. */
spa_status onednn_primitive_finish(onednn_primitive *p, const spa_onednn *l,
                                   dnnl_primitive_desc_t description, const char *what,
                                   spa_error *err);
void onednn_primitive_fini(onednn_primitive *p, const spa_onednn *l);

/* data: one address per argument, the scratchpad last. Allocates nothing. */
spa_status onednn_primitive_run(onednn_primitive *p, const spa_onednn *l, void *const *data,
                                const char *what, spa_error *err);

/* A primitive that copies from one layout into another; n_args = 0 when they are equal. */
spa_status onednn_reorder_init(onednn_primitive *p, const spa_onednn *l,
                               const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to,
                               const char *what, spa_error *err);

/* Row-major, or in blocks of channels. */
void onednn_desc(const spa_onednn *l, int rank, const dnnl_dim_t *dims, dnnl_format_tag_t tag,
                 dnnl_memory_desc_t *desc);

#endif
#endif
