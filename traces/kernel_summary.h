/* Summaries of NVIDIA's nsys ("nsys stats --format csv"): how often each kernel ran and how long,
 * or each call of the CUDA API. They have no order and no shapes: kernels can be told apart by what
 * they compute, not put on operators. */
#ifndef SPA_TRACES_KERNEL_SUMMARY_H
#define SPA_TRACES_KERNEL_SUMMARY_H

#include "base/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a kernel computes, told by its name. */
typedef enum spa_kernel_class {
    SPA_KERNEL_CONV,
    SPA_KERNEL_GEMM,
    SPA_KERNEL_NORM,
    SPA_KERNEL_SOFTMAX,
    SPA_KERNEL_POOL,
    SPA_KERNEL_REDUCE,
    SPA_KERNEL_ELEMENTWISE,
    SPA_KERNEL_COPY,
    SPA_KERNEL_OTHER,
    SPA_KERNEL_CLASSES
} spa_kernel_class;
SPA_API const char *spa_kernel_class_name(spa_kernel_class c);
SPA_API spa_kernel_class spa_kernel_class_of(const char *name);

typedef struct spa_summary_row {
    const char *name;
    int64_t count;
    double total_ns, mean_ns, median_ns, min_ns, max_ns, sd_ns;
    spa_kernel_class class; /* of kernels */
} spa_summary_row;

typedef struct spa_kernel_summary {
    bool is_api; /* calls of the CUDA API, not kernels */
    size_t n;
    spa_summary_row *rows; /* [n] in the file's order */
    double total_ns;
    spa_arena arena;
} spa_kernel_summary;

/* cuda_gpu_kern_sum (column "Instances") or cuda_api_sum (column "Num Calls"). */
SPA_API spa_status spa_kernel_summary_read(spa_kernel_summary *summary, const char *path,
                                           spa_error *err);
SPA_API void spa_kernel_summary_fini(spa_kernel_summary *summary);

#ifdef __cplusplus
}
#endif
#endif
