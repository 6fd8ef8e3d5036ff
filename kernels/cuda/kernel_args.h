/* Arguments of the CUDA kernels, as plain C: built and tested without a GPU (plan.h), passed by
 * value to the kernels (device/kernels.cu). Indices are 32 bits wide: no tensor has 2^31 elements
 * or more (spa_cuda_plan_init checks). */
#ifndef SPA_KERNELS_CUDA_KERNEL_ARGS_H
#define SPA_KERNELS_CUDA_KERNEL_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#define SPA_CUDA_MAX_RANK 6 /* = SPA_MAX_RANK; plan.c asserts it */

/* y[i] = f(x[i]) */
typedef enum spa_unary_kind {
    SPA_UNARY_RELU,
    SPA_UNARY_RELU6,
    SPA_UNARY_LEAKY_RELU,
    SPA_UNARY_HARD_SIGMOID,
    SPA_UNARY_HARD_SWISH,
    SPA_UNARY_SIGMOID,
    SPA_UNARY_GELU
} spa_unary_kind;
typedef struct spa_unary_args {
    uint32_t n;
    int32_t kind; /* spa_unary_kind */
    float alpha;
} spa_unary_args;

/* y[i] = x[i] * scale[c] + shift[c] with c = i / inner % channels: batch norm, biases. */
typedef struct spa_affine_args {
    uint32_t n, inner, channels;
    bool has_scale;
} spa_affine_args;

/* Layer norm and softmax: rows of n neighbours, a block of threads each. */
typedef struct spa_row_args {
    uint32_t rows, n;
    float epsilon;
} spa_row_args;

/* y[row] = mean over k < n of x[row / inner * n * inner + row % inner + k * inner]. A block per row
 * where inner is 1 (`split`), else a thread per row: neighbours read neighbours either way. */
typedef struct spa_mean_args {
    uint32_t rows, n, inner;
    bool split;
} spa_mean_args;

/* A pool, or a convolution that a thread per output computes directly (depthwise). */
typedef struct spa_window_args {
    uint32_t count; /* of outputs */
    uint32_t c, h, w, m, oh, ow;
    uint32_t kh, kw, sh, sw, dh, dw, pt, pl;
    uint32_t c_group, m_group; /* channels of a group: input, output */
    bool is_max, has_bias;
} spa_window_args;

/* y = a + b or a * b, row-major over dim[rank]; stride 0 repeats an operand. */
typedef struct spa_binary_args {
    uint32_t n, rank;
    uint32_t dim[SPA_CUDA_MAX_RANK], a[SPA_CUDA_MAX_RANK], b[SPA_CUDA_MAX_RANK];
    bool multiply, has_b;
    float alpha; /* instead of b */
} spa_binary_args;

/* Data movement. Per dimension, the element at coordinate `at` comes from coordinate
 * (at * step + begin) / divide % modulo of the input (divide 1 and modulo 0: none); where `size` is
 * not 0 and that is outside 0 .. size - 1, it is a zero. It goes to out_offset + at * out_stride.
 */
typedef struct spa_move_args {
    uint32_t n, rank, out_offset;
    uint32_t dim[SPA_CUDA_MAX_RANK];
    int32_t step[SPA_CUDA_MAX_RANK], begin[SPA_CUDA_MAX_RANK];
    int32_t divide[SPA_CUDA_MAX_RANK], modulo[SPA_CUDA_MAX_RANK], size[SPA_CUDA_MAX_RANK];
    uint32_t stride[SPA_CUDA_MAX_RANK], out_stride[SPA_CUDA_MAX_RANK];
} spa_move_args;

/* Relative position bias: table [(2w-1)^2, heads] -> [heads, w*w, w*w]. */
typedef struct spa_gather_args {
    uint32_t n, heads, window;
} spa_gather_args;

/* Launch geometry: threads of a block are a multiple of 32. */
typedef struct spa_launch {
    uint32_t blocks, threads;
} spa_launch;

#endif
