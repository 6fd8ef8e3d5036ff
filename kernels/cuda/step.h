/* One step of a CUDA plan (plan.h): a kernel launch or a library call with all its arguments. Valid
 * C and C++: device/kernels.cu includes it. */
#ifndef SPA_KERNELS_CUDA_STEP_H
#define SPA_KERNELS_CUDA_STEP_H

#include "kernels/cuda/kernel_args.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where an operand is. */
typedef enum spa_cuda_space {
    SPA_CUDA_NOTHING,
    SPA_CUDA_INPUT, /* index = which */
    SPA_CUDA_PARAM, /* index into spa_cuda_plan.params */
    SPA_CUDA_OUTPUT,
    SPA_CUDA_WORKSPACE /* at its beginning */
} spa_cuda_space;
typedef struct spa_cuda_ref {
    uint8_t space, index;
} spa_cuda_ref;

typedef enum spa_cuda_step_kind {
    /* Own kernels. in[] holds ... */
    SPA_CUDA_UNARY,       /* x */
    SPA_CUDA_AFFINE,      /* x, scale or nothing, shift; may be in place */
    SPA_CUDA_LAYER_NORM,  /* x, scale, shift */
    SPA_CUDA_SOFTMAX,     /* x */
    SPA_CUDA_MEAN,        /* x */
    SPA_CUDA_POOL,        /* x */
    SPA_CUDA_DIRECT_CONV, /* x, weight, bias or nothing */
    SPA_CUDA_BINARY,      /* a, b or nothing */
    SPA_CUDA_MOVE,        /* x */
    SPA_CUDA_GATHER,      /* table */
    /* Libraries. */
    SPA_CUDA_GEMM, /* A, B: cuBLAS */
    SPA_CUDA_CONV  /* x, weight: cuDNN */
} spa_cuda_step_kind;

/* C = op(A) op(B), all column-major as BLAS wants them: op(A) is m x k, op(B) k x n, C m x n.
 * Strides in elements from one of the batch to the next; 0 = the same for all. */
typedef struct spa_gemm_args {
    bool transpose_a, transpose_b;
    int32_t m, n, k, lda, ldb, ldc, batch;
    int64_t stride_a, stride_b, stride_c;
} spa_gemm_args;

/* A convolution with symmetric padding, NCHW: what cuDNN's descriptors take. Its output has
 * (h + 2 * pad_h - dilation_h * (kh - 1) - 1) / stride_h + 1 rows, and that is oh. */
typedef struct spa_conv_args {
    int32_t n, c, h, w, m, kh, kw, oh, ow;
    int32_t pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w, groups;
} spa_conv_args;

typedef struct spa_cuda_step {
    spa_cuda_step_kind kind;
    spa_cuda_ref in[3], out;
    spa_launch launch; /* own kernels */
    union {
        spa_unary_args unary;
        spa_affine_args affine;
        spa_row_args row;
        spa_mean_args mean;
        spa_window_args window;
        spa_binary_args binary;
        spa_move_args move;
        spa_gather_args gather;
        spa_gemm_args gemm;
        spa_conv_args conv;
    } args;
} spa_cuda_step;

#ifdef __cplusplus
}
#endif
#endif
