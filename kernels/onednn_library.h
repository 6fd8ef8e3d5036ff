/* oneDNN, opened at run time: the program starts where it is missing. Built without its header
 * (ONEDNN=0) there is no backend behind the name. */
#ifndef SPA_KERNELS_ONEDNN_LIBRARY_H
#define SPA_KERNELS_ONEDNN_LIBRARY_H

#ifndef SPA_ONEDNN
#if defined(__has_include)
#if __has_include(<dnnl.h>)
#define SPA_ONEDNN 1
#endif
#endif
#endif

#if defined(SPA_ONEDNN) && SPA_ONEDNN
#include <dnnl.h>

#include "base/status.h"

/* X(name): the functions that are used. */
#define SPA_ONEDNN_FUNCTIONS(X)                                                                    \
    X(dnnl_version)                                                                                \
    X(dnnl_get_effective_cpu_isa)                                                                  \
    X(dnnl_engine_create)                                                                          \
    X(dnnl_stream_create)                                                                          \
    X(dnnl_stream_destroy)                                                                         \
    X(dnnl_stream_wait)                                                                            \
    X(dnnl_memory_desc_init_by_tag)                                                                \
    X(dnnl_memory_desc_equal)                                                                      \
    X(dnnl_memory_desc_get_size)                                                                   \
    X(dnnl_memory_create)                                                                          \
    X(dnnl_memory_destroy)                                                                         \
    X(dnnl_memory_set_data_handle)                                                                 \
    X(dnnl_dilated_convolution_forward_desc_init)                                                  \
    X(dnnl_inner_product_forward_desc_init)                                                        \
    X(dnnl_batch_normalization_forward_desc_init)                                                  \
    X(dnnl_pooling_forward_desc_init)                                                              \
    X(dnnl_binary_desc_init)                                                                       \
    X(dnnl_reorder_primitive_desc_create)                                                          \
    X(dnnl_primitive_attr_create)                                                                  \
    X(dnnl_primitive_attr_destroy)                                                                 \
    X(dnnl_primitive_attr_set_scratchpad_mode)                                                     \
    X(dnnl_primitive_desc_create)                                                                  \
    X(dnnl_primitive_desc_destroy)                                                                 \
    X(dnnl_primitive_desc_query_md)                                                                \
    X(dnnl_primitive_create)                                                                       \
    X(dnnl_primitive_destroy)                                                                      \
    X(dnnl_primitive_execute)

typedef struct spa_onednn {
#define MEMBER(name) __typeof__(&name) name;
    SPA_ONEDNN_FUNCTIONS(MEMBER)
#undef MEMBER
    dnnl_engine_t engine;
    int block; /* channels of a block: 8, or 16 with AVX-512 */
    /* OpenMP's per-thread settings, or NULL where the library was built without it. */
    void (*omp_set_num_threads)(int);
    int (*omp_get_max_threads)(void);
} spa_onednn;

/* Opens the library once; the message says what to install. Thread-safe. */
spa_status spa_onednn_open(const spa_onednn **library, spa_error *err);

/* One thread for what the calling thread does; returns how many it had. */
int spa_onednn_single(const spa_onednn *library);
void spa_onednn_threads(const spa_onednn *library, int threads);

#endif
#endif
