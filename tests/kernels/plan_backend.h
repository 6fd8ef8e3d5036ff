/* The CUDA plans, executed on the CPU: every own kernel by the very functions that the GPU runs,
 * thread by thread in the planned launch geometry; matrix products by BLAS in the roles that cuBLAS
 * sees; library convolutions by naive loops over what cuDNN is told. */
#ifndef SPA_TESTS_KERNELS_PLAN_BACKEND_H
#define SPA_TESTS_KERNELS_PLAN_BACKEND_H

#include "kernels/backend.h"

/* fp32; fp32 with every convolution as an own kernel; halves in storage. */
extern const spa_backend plan_backend, plan_backend_direct, plan_backend_half;

#endif
