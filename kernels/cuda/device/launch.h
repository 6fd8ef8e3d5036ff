/* The door to our own kernels (kernels.cu, compiled by nvcc): plain C. */
#ifndef SPA_KERNELS_CUDA_DEVICE_LAUNCH_H
#define SPA_KERNELS_CUDA_DEVICE_LAUNCH_H

#include <stddef.h>

#include "kernels/cuda/step.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Launches a step that is an own kernel (not GEMM, not CONV) on a cudaStream_t. half: the storage
 * type of tensors. Returns a cudaError_t; -1 for a step that is none. */
int spa_cuda_launch_step(const spa_cuda_step *step, bool half, const void *const in[3], void *out,
                         void *stream);

/* to[i] = from[i], n < 2^31. */
int spa_cuda_launch_widen(const void *half_from, float *to, size_t n, void *stream);
int spa_cuda_launch_narrow(const float *from, void *half_to, size_t n, void *stream);

#ifdef __cplusplus
}
#endif
#endif
