/* How a GPU computes an operator: a short list of steps, each one kernel launch or one call of a
 * library, with all arguments. Plain C: everything that can go wrong about shapes, strides,
 * transposes, padding and launch geometry is decided here and tested without a GPU
 * (tests/kernels/plan_backend.c executes the same steps on the CPU). */
#ifndef SPA_KERNELS_CUDA_PLAN_H
#define SPA_KERNELS_CUDA_PLAN_H

#include "kernels/cuda/step.h"
#include "traces/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

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
/* f(x), element by element; in place if from = to. */
spa_status spa_cuda_add_unary(spa_cuda_builder *b, spa_op_kind kind, double alpha, size_t n,
                              spa_cuda_ref from, spa_cuda_ref to);
/* x + y or x * y, broadcast to `out`; second NULL: x * alpha. In place if x has out's shape. */
typedef struct spa_cuda_sum {
    bool multiply;
    const spa_shape *first, *second, *out;
    spa_cuda_ref x, y, to;
    double alpha;
} spa_cuda_sum;
spa_status spa_cuda_add_binary(spa_cuda_builder *b, const spa_cuda_sum *sum);
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
