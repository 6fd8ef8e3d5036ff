/* Plans: the list of steps, elementwise kinds, normalisations, means. */
#include "kernels/cuda/plan.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/backend.h"
#include "kernels/dims.h"
#include "kernels/steps.h"

_Static_assert(SPA_CUDA_MAX_RANK == SPA_MAX_RANK, "ranks of kernels and graphs differ");

/* Enough blocks to fill any GPU of today many times; larger tensors are walked in strides. */
#define MOST_BLOCKS  8192
#define FLAT_THREADS 256
#define ROW_THREADS  256

spa_launch spa_cuda_launch_flat(size_t n)
{
    size_t blocks = (n + FLAT_THREADS - 1) / FLAT_THREADS;
    return (spa_launch){(uint32_t)(blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS), FLAT_THREADS};
}

spa_launch spa_cuda_launch_rows(size_t rows, size_t n)
{
    size_t threads = (n + 31) / 32 * 32;
    return (spa_launch){(uint32_t)(rows < MOST_BLOCKS ? rows : MOST_BLOCKS),
                        (uint32_t)(threads < ROW_THREADS ? threads : ROW_THREADS)};
}

spa_status spa_cuda_add(spa_cuda_builder *b, const spa_cuda_step *step)
{
    spa_cuda_plan *plan = b->plan;
    SPA_TRY(spa_grow(&plan->steps, &plan->steps_capacity, plan->n_steps + 1, sizeof *step, b->err));
    plan->steps[plan->n_steps++] = *step;
    return SPA_OK;
}

static spa_cuda_ref add_param(spa_cuda_plan *plan, const float *data, size_t count, bool wide)
{
    plan->params[plan->n_params] = (spa_cuda_param){data, count, wide};
    return spa_cuda_at(SPA_CUDA_PARAM, plan->n_params++);
}

spa_cuda_ref spa_cuda_take_param(spa_cuda_builder *b, size_t p, bool wide)
{
    spa_op_param list[SPA_MAX_PARAMS];
    spa_op_params(b->graph, b->op, list);
    return add_param(b->plan, b->params[p], spa_shape_count(&list[p].shape), wide);
}

spa_status spa_cuda_add_bias(spa_cuda_builder *b, size_t inner, size_t channels)
{
    size_t n = spa_shape_count(&b->op->out);
    spa_cuda_step step = {
        .kind = SPA_CUDA_AFFINE,
        .in = {spa_cuda_at(SPA_CUDA_OUTPUT, 0), {0}, spa_cuda_take_param(b, 1, true)},
        .out = spa_cuda_at(SPA_CUDA_OUTPUT, 0),
        .launch = spa_cuda_launch_flat(n),
        .args.affine = {(uint32_t)n, (uint32_t)inner, (uint32_t)channels, false}};
    return spa_cuda_add(b, &step);
}

static const int8_t unary_of[SPA_OP_KIND_COUNT] = {
    [SPA_OP_RELU] = SPA_UNARY_RELU,
    [SPA_OP_RELU6] = SPA_UNARY_RELU6,
    [SPA_OP_LEAKY_RELU] = SPA_UNARY_LEAKY_RELU,
    [SPA_OP_HARD_SIGMOID] = SPA_UNARY_HARD_SIGMOID,
    [SPA_OP_HARD_SWISH] = SPA_UNARY_HARD_SWISH,
    [SPA_OP_SIGMOID] = SPA_UNARY_SIGMOID,
    [SPA_OP_GELU] = SPA_UNARY_GELU,
};

spa_status spa_cuda_add_unary(spa_cuda_builder *b, spa_op_kind kind, double alpha, size_t n,
                              spa_cuda_ref from, spa_cuda_ref to)
{
    spa_cuda_step step = {.kind = SPA_CUDA_UNARY,
                          .in = {from},
                          .out = to,
                          .launch = spa_cuda_launch_flat(n),
                          .args.unary = {(uint32_t)n, unary_of[kind], (float)alpha}};
    return spa_cuda_add(b, &step);
}

static spa_status plan_unary(spa_cuda_builder *b)
{
    return spa_cuda_add_unary(b, b->op->kind, b->op->attrs.alpha, spa_shape_count(&b->op->out),
                              spa_cuda_at(SPA_CUDA_INPUT, 0), spa_cuda_at(SPA_CUDA_OUTPUT, 0));
}

/* Scale and shift that do the same as (x - mean) / deviation * scale + shift. */
static spa_status plan_batch_norm(spa_cuda_builder *b)
{
    const spa_shape *in = spa_graph_input_shape(b->graph, b->op, 0);
    size_t n = spa_shape_count(in), channels = (size_t)in->dim[1];
    const float *const *p = b->params;
    SPA_TRY(spa_alloc(&b->plan->folded, 2 * channels, sizeof(float), b->err));
    float *scale = b->plan->folded, *shift = scale + channels;
    for (size_t c = 0; c < channels; c++) {
        double factor = p[0][c] / sqrt(p[3][c] + SPA_NORM_EPSILON);
        scale[c] = (float)factor;
        shift[c] = (float)(p[1][c] - p[2][c] * factor);
    }
    spa_cuda_ref scale_at = add_param(b->plan, scale, channels, true);
    spa_cuda_ref shift_at = add_param(b->plan, shift, channels, true);
    spa_cuda_step step = {.kind = SPA_CUDA_AFFINE,
                          .in = {spa_cuda_at(SPA_CUDA_INPUT, 0), scale_at, shift_at},
                          .out = spa_cuda_at(SPA_CUDA_OUTPUT, 0),
                          .launch = spa_cuda_launch_flat(n),
                          .args.affine = {(uint32_t)n, (uint32_t)spa_shape_product(in, 2, in->rank),
                                          (uint32_t)channels, true}};
    return spa_cuda_add(b, &step);
}

static spa_status plan_rows(spa_cuda_builder *b)
{
    bool is_norm = b->op->kind == SPA_OP_LAYER_NORM;
    size_t n = spa_shape_last(&b->op->out), rows = spa_shape_count(&b->op->out) / n;
    spa_cuda_step step = {.kind = is_norm ? SPA_CUDA_LAYER_NORM : SPA_CUDA_SOFTMAX,
                          .in = {spa_cuda_at(SPA_CUDA_INPUT, 0)},
                          .out = spa_cuda_at(SPA_CUDA_OUTPUT, 0),
                          .launch = spa_cuda_launch_rows(rows, n),
                          .args.row = {(uint32_t)rows, (uint32_t)n, (float)spa_op_epsilon(b->op)}};
    if (is_norm) {
        step.in[1] = spa_cuda_take_param(b, 0, true);
        step.in[2] = spa_cuda_take_param(b, 1, true);
    }
    return spa_cuda_add(b, &step);
}

static spa_status plan_mean(spa_cuda_builder *b)
{
    const spa_shape *in = spa_graph_input_shape(b->graph, b->op, 0);
    bool global = b->op->kind == SPA_OP_GLOBAL_AVG_POOL;
    int32_t axis = global ? 2 : b->op->attrs.axis;
    size_t n = global ? spa_shape_product(in, 2, in->rank) : (size_t)in->dim[axis];
    size_t inner = global ? 1 : spa_shape_product(in, axis + 1, in->rank);
    size_t rows = spa_shape_product(in, 0, axis) * inner;
    bool split = inner == 1;
    spa_cuda_step step = {.kind = SPA_CUDA_MEAN,
                          .in = {spa_cuda_at(SPA_CUDA_INPUT, 0)},
                          .out = spa_cuda_at(SPA_CUDA_OUTPUT, 0),
                          .launch =
                              split ? spa_cuda_launch_rows(rows, n) : spa_cuda_launch_flat(rows),
                          .args.mean = {(uint32_t)rows, (uint32_t)n, (uint32_t)inner, split}};
    return spa_cuda_add(b, &step);
}

typedef spa_status (*planner)(spa_cuda_builder *b);
static const planner planners[SPA_OP_KIND_COUNT] = {
    [SPA_OP_CONV] = spa_cuda_plan_conv,
    [SPA_OP_LINEAR] = spa_cuda_plan_linear,
    [SPA_OP_MATMUL] = spa_cuda_plan_matmul,
    [SPA_OP_BATCH_NORM] = plan_batch_norm,
    [SPA_OP_LAYER_NORM] = plan_rows,
    [SPA_OP_RELU] = plan_unary,
    [SPA_OP_RELU6] = plan_unary,
    [SPA_OP_LEAKY_RELU] = plan_unary,
    [SPA_OP_HARD_SWISH] = plan_unary,
    [SPA_OP_HARD_SIGMOID] = plan_unary,
    [SPA_OP_SIGMOID] = plan_unary,
    [SPA_OP_GELU] = plan_unary,
    [SPA_OP_SOFTMAX] = plan_rows,
    [SPA_OP_MAX_POOL] = spa_cuda_plan_pool,
    [SPA_OP_AVG_POOL] = spa_cuda_plan_pool,
    [SPA_OP_GLOBAL_AVG_POOL] = plan_mean,
    [SPA_OP_MEAN] = plan_mean,
    [SPA_OP_ADD] = spa_cuda_plan_binary,
    [SPA_OP_MUL] = spa_cuda_plan_binary,
    [SPA_OP_CONCAT] = spa_cuda_plan_concat,
    [SPA_OP_SLICE] = spa_cuda_plan_move,
    [SPA_OP_PAD] = spa_cuda_plan_move,
    [SPA_OP_ROLL] = spa_cuda_plan_move,
    [SPA_OP_RESHAPE] = spa_cuda_plan_move,
    [SPA_OP_TRANSPOSE] = spa_cuda_plan_move,
    [SPA_OP_GATHER] = spa_cuda_plan_gather,
    [SPA_OP_UPSAMPLE] = spa_cuda_plan_move,
};

bool spa_cuda_supports(spa_op_kind kind)
{
    return kind >= 0 && kind < SPA_OP_KIND_COUNT && planners[kind] != NULL;
}

/* Every tensor is indexed with 32 bits, some with signed ones. */
static spa_status check_sizes(const spa_cuda_builder *b)
{
    spa_op_param list[SPA_MAX_PARAMS];
    size_t count = spa_op_params(b->graph, b->op, list), largest = spa_shape_count(&b->op->out);
    for (uint32_t i = 0; i < b->op->n_inputs; i++) {
        size_t n = spa_shape_count(spa_graph_input_shape(b->graph, b->op, i));
        largest = n > largest ? n : largest;
    }
    for (size_t p = 0; p < count; p++) {
        size_t n = spa_shape_count(&list[p].shape);
        largest = n > largest ? n : largest;
    }
    largest = b->plan->workspace_elements > largest ? b->plan->workspace_elements : largest;
    if (largest <= INT32_MAX) return SPA_OK;
    return spa_fail(b->err, SPA_E_RANGE,
                    "operator '%s' has a tensor of %zu elements; CUDA kernels index up to %d",
                    b->op->name, largest, INT32_MAX);
}

/* ---- fused operators ------------------------------------------------------------------------ */

/* One step of the fused operator `op`, from `from` to `to`; *input and *param advance. */
static spa_status plan_step(spa_cuda_builder *b, const spa_op *op, const spa_op_step *s,
                            const spa_shape *shape, spa_cuda_ref from, spa_cuda_ref to,
                            uint32_t *input, size_t *param)
{
    bool is_binary = s->kind == SPA_OP_ADD || s->kind == SPA_OP_MUL;
    if (!is_binary)
        return spa_cuda_add_unary(b, s->kind, s->alpha, spa_shape_count(shape), from, to);
    spa_cuda_sum sum = {.multiply = s->kind == SPA_OP_MUL,
                        .first = shape,
                        .out = shape,
                        .x = from,
                        .to = to,
                        .alpha = s->alpha};
    if (s->from_input) {
        sum.second = spa_graph_input_shape(b->graph, op, *input);
        sum.y = spa_cuda_at(SPA_CUDA_INPUT, (*input)++);
    } else if (s->param_shape.rank > 0) {
        size_t p = (*param)++;
        sum.second = &s->param_shape;
        sum.y = add_param(b->plan, b->params[p], spa_shape_count(&s->param_shape), false);
    }
    return spa_cuda_add_binary(b, &sum);
}

/* Steps of `op` on what `from` holds, which they leave in `to`; each is a launch. A batch norm is
 * in the weights. */
static spa_status plan_steps(spa_cuda_builder *b, const spa_op *op, const spa_shape *shape,
                             spa_cuda_ref from, spa_cuda_ref to)
{
    spa_op_param list[SPA_MAX_PARAMS];
    uint32_t input = b->op->n_inputs;
    size_t param = spa_op_params(b->graph, b->op, list);
    for (uint32_t i = 0; i < op->n_steps; i++) {
        if (op->steps[i].kind == SPA_OP_BATCH_NORM) continue;
        SPA_TRY(plan_step(b, op, &op->steps[i], shape, from, to, &input, &param));
        from = to;
    }
    return SPA_OK;
}

/* A reduction reads what its steps made of its input. */
static spa_status plan_reduction(spa_cuda_builder *b, const spa_op *op)
{
    const spa_shape *in = spa_graph_input_shape(b->graph, op, 0);
    spa_cuda_ref copy = spa_cuda_at(SPA_CUDA_WORKSPACE, 0);
    SPA_TRY(plan_steps(b, op, in, spa_cuda_at(SPA_CUDA_INPUT, 0), copy));
    size_t first = b->plan->n_steps;
    SPA_TRY(planners[op->kind](b));
    for (size_t i = first; i < b->plan->n_steps; i++)
        for (int k = 0; k < 3; k++)
            if (b->plan->steps[i].in[k].space == SPA_CUDA_INPUT) b->plan->steps[i].in[k] = copy;
    b->plan->workspace_elements = spa_shape_count(in); /* their planners take none */
    return SPA_OK;
}

static spa_status plan_all(spa_cuda_builder *b, const spa_op *op)
{
    if (op->n_steps > 0 && spa_op_kind_is_reduction(op->kind)) return plan_reduction(b, op);
    spa_cuda_ref output = spa_cuda_at(SPA_CUDA_OUTPUT, 0);
    SPA_TRY(planners[op->kind](b));
    return plan_steps(b, op, &op->out, output, output);
}

spa_status spa_cuda_plan_init(spa_cuda_plan *plan, const spa_graph *graph, const spa_op *op,
                              const float *const *params, bool library_conv, spa_error *err)
{
    spa_op own = spa_op_unfused(op);
    spa_cuda_builder b = {plan, graph, op, params, library_conv, err};
    *plan = (spa_cuda_plan){0};
    if (!spa_cuda_supports(op->kind))
        return spa_fail(err, SPA_E_UNSUPPORTED, "operator '%s' (%s) has no CUDA kernel", op->name,
                        spa_op_kind_name(op->kind));
    spa_status status = check_sizes(&b);
    b.op = &own;
    if (status == SPA_OK) status = plan_all(&b, op);
    if (status == SPA_OK) status = check_sizes(&b);
    if (status != SPA_OK) spa_cuda_plan_fini(plan);
    return status;
}

void spa_cuda_plan_fini(spa_cuda_plan *plan)
{
    free(plan->steps);
    free(plan->folded);
    *plan = (spa_cuda_plan){0};
}
