/* How a GPU computes an operator: a short list of steps, each one kernel launch or one call of a
 * library, with all arguments. Plain C: everything that can go wrong about shapes, strides,
 * transposes, padding and launch geometry is decided here and tested without a GPU
 * (tests/kernels/plan_backend.c executes the same steps on the CPU). */
#ifndef SPA_KERNELS_CUDA_PLAN_H
#define SPA_KERNELS_CUDA_PLAN_H

#include "kernels/cuda/kernel_args.h"
#include "traces/graph.h"

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

/* A parameter as the steps want it. */
typedef struct spa_cuda_param {
    const float *data; /* [count] */
    size_t count;
    bool wide; /* stays fp32 when the model is fp16 */
} spa_cuda_param;

typedef struct spa_cuda_plan {
    size_t n_steps, steps_capacity;
    spa_cuda_step *steps;
    size_t n_params;
    spa_cuda_param params[SPA_MAX_PARAMS];
    size_t workspace_elements; /* of the model's type, for the steps' own results */
    float *folded;             /* parameters that were computed from others */
} spa_cuda_plan;

/* Can a GPU run this kind? (All that `ref` can.) */
bool spa_cuda_supports(spa_op_kind kind);

/* The steps of one operator; `params` in the order of spa_op_params must outlive the plan.
 * library_conv: convolutions that are neither depthwise nor 1x1 go to cuDNN (else a thread per
 * output computes them). Errors: no kernel, tensors of 2^31 elements or more, memory. */
spa_status spa_cuda_plan_init(spa_cuda_plan *plan, const spa_graph *graph, const spa_op *op,
                              const float *const *params, bool library_conv, spa_error *err);
void spa_cuda_plan_fini(spa_cuda_plan *plan);

/* ---- inside (plan.c, plan_matrix.c, plan_move.c) -------------------------------------------- */

typedef struct spa_cuda_builder {
    spa_cuda_plan *plan;
    const spa_graph *graph;
    const spa_op *op;
    const float *const *params;
    bool library_conv;
    spa_error *err;
} spa_cuda_builder;

static inline spa_cuda_ref spa_cuda_at(spa_cuda_space space, size_t index)
{
    return (spa_cuda_ref){(uint8_t)space, (uint8_t)index};
}
/* Appends a step with its kind, operands and output. */
spa_status spa_cuda_add(spa_cuda_builder *b, const spa_cuda_step *step);
/* Takes parameter `p` of the operator as it is. */
spa_cuda_ref spa_cuda_take_param(spa_cuda_builder *b, size_t p, bool wide);
/* y += bias[channel] in place: parameter 1. */
spa_status spa_cuda_add_bias(spa_cuda_builder *b, size_t inner, size_t channels);
/* A thread per element; a block of threads per row of n. */
spa_launch spa_cuda_launch_flat(size_t n);
spa_launch spa_cuda_launch_rows(size_t rows, size_t n);

spa_status spa_cuda_plan_conv(spa_cuda_builder *b);
spa_status spa_cuda_plan_linear(spa_cuda_builder *b);
spa_status spa_cuda_plan_matmul(spa_cuda_builder *b);
spa_status spa_cuda_plan_pool(spa_cuda_builder *b);
spa_status spa_cuda_plan_binary(spa_cuda_builder *b);
spa_status spa_cuda_plan_concat(spa_cuda_builder *b);
spa_status spa_cuda_plan_move(
    spa_cuda_builder *b); /* slice, pad, roll, transpose, upsample, reshape */
spa_status spa_cuda_plan_gather(spa_cuda_builder *b);

#ifdef __cplusplus
}
#endif
#endif
