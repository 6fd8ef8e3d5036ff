/* cuBLAS and cuDNN, opened at run time: a program built with CUDA starts on a machine without them
 * and says what is missing. (Linking them would stop the loader before main; both are shared
 * libraries of hundreds of megabytes, so linking statically is no way out.) */
#ifndef SPA_KERNELS_CUDA_DEVICE_LIBRARY_H
#define SPA_KERNELS_CUDA_DEVICE_LIBRARY_H

#include <cublas_v2.h>
#include <cudnn.h>

#include "base/status.h"

/* X(name): the functions that are used. */
#define SPA_CUBLAS_FUNCTIONS(X)                                                                    \
    X(cublasCreate_v2)                                                                             \
    X(cublasDestroy_v2)                                                                            \
    X(cublasSetStream_v2)                                                                          \
    X(cublasSetWorkspace_v2)                                                                       \
    X(cublasSetMathMode)                                                                           \
    X(cublasGetVersion_v2)                                                                         \
    X(cublasGetStatusString)                                                                       \
    X(cublasGemmEx)                                                                                \
    X(cublasGemmStridedBatchedEx)

#define SPA_CUDNN_FUNCTIONS(X)                                                                     \
    X(cudnnGetVersion)                                                                             \
    X(cudnnGetErrorString)                                                                         \
    X(cudnnCreate)                                                                                 \
    X(cudnnDestroy)                                                                                \
    X(cudnnSetStream)                                                                              \
    X(cudnnCreateTensorDescriptor)                                                                 \
    X(cudnnDestroyTensorDescriptor)                                                                \
    X(cudnnSetTensor4dDescriptor)                                                                  \
    X(cudnnCreateFilterDescriptor)                                                                 \
    X(cudnnDestroyFilterDescriptor)                                                                \
    X(cudnnSetFilter4dDescriptor)                                                                  \
    X(cudnnCreateConvolutionDescriptor)                                                            \
    X(cudnnDestroyConvolutionDescriptor)                                                           \
    X(cudnnSetConvolution2dDescriptor)                                                             \
    X(cudnnSetConvolutionGroupCount)                                                               \
    X(cudnnSetConvolutionMathType)                                                                 \
    X(cudnnGetConvolution2dForwardOutputDim)                                                       \
    X(cudnnFindConvolutionForwardAlgorithmEx)                                                      \
    X(cudnnConvolutionForward)

/* Says more than the status does; since cuDNN 9. */
#if CUDNN_MAJOR >= 9
#define SPA_CUDNN_9_FUNCTIONS(X) X(cudnnGetLastErrorString)
#else
#define SPA_CUDNN_9_FUNCTIONS(X)
#endif

typedef struct spa_cuda_libraries {
#define MEMBER(name) __typeof__(&name) name;
    SPA_CUBLAS_FUNCTIONS(MEMBER)
    SPA_CUDNN_FUNCTIONS(MEMBER)
    SPA_CUDNN_9_FUNCTIONS(MEMBER)
#undef MEMBER
} spa_cuda_libraries;

/* Opens both once; the message says what is missing and how to get it. Thread-safe. Works without a
 * device. */
spa_status spa_cuda_libraries_open(const spa_cuda_libraries **libraries, spa_error *err);

#endif
