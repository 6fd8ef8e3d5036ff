/* oneDNN, loaded at run time: its C API as a table. Only the kernels of this backend see it. */
#ifndef SPA_KERNELS_ONEDNN_LIBRARY_H
#define SPA_KERNELS_ONEDNN_LIBRARY_H

#include <dnnl.h>

#include "kernels/backend.h"

/* Every function that is used, without its prefix "dnnl_". */
#define SPA_ONEDNN_FUNCTIONS(X)                                                                    \
    X(version)                                                                                     \
    X(get_effective_cpu_isa)                                                                       \
    X(engine_create)                                                                               \
    X(stream_create)                                                                               \
    X(stream_destroy)                                                                              \
    X(memory_create)                                                                               \
    X(memory_destroy)                                                                              \
    X(memory_set_data_handle)                                                                      \
    X(memory_desc_init_by_strides)                                                                 \
    X(memory_desc_init_by_tag)                                                                     \
    X(memory_desc_get_size)                                                                        \
    X(primitive_attr_create)                                                                       \
    X(primitive_attr_set_scratchpad_mode)                                                          \
    X(primitive_desc_create)                                                                       \
    X(primitive_desc_destroy)                                                                      \
    X(primitive_desc_query)                                                                        \
    X(primitive_desc_query_md)                                                                     \
    X(primitive_create)                                                                            \
    X(primitive_destroy)                                                                           \
    X(primitive_execute)                                                                           \
    X(reorder_primitive_desc_create)                                                               \
    X(dilated_convolution_forward_desc_init)                                                       \
    X(inner_product_forward_desc_init)                                                             \
    X(matmul_desc_init)                                                                            \
    X(eltwise_forward_desc_init)                                                                   \
    X(binary_desc_init)                                                                            \
    X(pooling_forward_desc_init)                                                                   \
    X(batch_normalization_forward_desc_init)                                                       \
    X(layer_normalization_forward_desc_init)                                                       \
    X(softmax_forward_desc_init)

typedef struct spa_onednn_library {
#define SPA_ONEDNN_MEMBER(name) __typeof__(dnnl_##name) *name;
    SPA_ONEDNN_FUNCTIONS(SPA_ONEDNN_MEMBER)
#undef SPA_ONEDNN_MEMBER
    dnnl_engine_t engine;
    dnnl_primitive_attr_t attr; /* scratchpads are the caller's */
    /* Of the OpenMP runtime that the library is linked with; NULL: it has no threads. */
    int (*max_threads)(void);
    void (*set_threads)(int);
} spa_onednn_library;

/* Loads the library at the first call, thread-safely; it stays loaded. Errors: what is missing and
 * what to install. */
spa_status spa_onednn_load(const spa_onednn_library **out, spa_error *err);

/* The calling thread's OpenMP teams have one thread between these two: what the library makes and
 * runs then is single-threaded, whatever the environment says. Costs nanoseconds. */
static inline int spa_onednn_enter(const spa_onednn_library *lib)
{
    if (lib->set_threads == NULL) return 1;
    int threads = lib->max_threads();
    if (threads != 1) lib->set_threads(1);
    return threads;
}
static inline void spa_onednn_leave(const spa_onednn_library *lib, int threads)
{
    if (threads != 1) lib->set_threads(threads);
}

/* "2.6.3 (AVX2)" */
void spa_onednn_library_name(const spa_onednn_library *lib, char *text, size_t size);

#endif
