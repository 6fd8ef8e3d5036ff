#include "kernels/steps.h"

#include <string.h>

#include "kernels/blas.h"
#include "kernels/dims.h"
#include "kernels/ref.h"
#include "kernels/vector.h"

/* One call's steps: next operand and next parameter advance from step to step. */
typedef struct steps {
    const spa_kernel_args *args;
    const spa_step_layouts *layouts; /* NULL = all plain */
    bool exact;                      /* as `ref` computes */
    uint32_t input;
    size_t param;
    float *y; /* what they work on, in place */
    size_t n; /* its elements */
} steps;

static size_t rounded(size_t bytes)
{
    return (bytes + SPA_KERNEL_ALIGN - 1) / SPA_KERNEL_ALIGN * SPA_KERNEL_ALIGN;
}

spa_op spa_op_unfused(const spa_op *op)
{
    spa_op own = *op;
    own.n_inputs -= op->n_operands;
    own.n_steps = own.n_operands = 0;
    own.steps = NULL;
    return own;
}

/* Shape of a step's tensor operand. */
static const spa_shape *input_shape(const spa_graph *graph, const spa_op *op, uint32_t input)
{
    return spa_graph_input_shape(graph, op, input);
}

bool spa_steps_are_flat(const spa_graph *graph, const spa_op *op)
{
    uint32_t input = op->n_inputs - op->n_operands;
    for (uint32_t i = 0; i < op->n_steps; i++) {
        const spa_op_step *s = &op->steps[i];
        if (s->param_shape.rank > 0) return false;
        if (s->from_input && !spa_shape_equal(input_shape(graph, op, input++), &op->out))
            return false;
    }
    return true;
}

/* ---- one step ----------------------------------------------------------------------------- */

static void unary(const steps *s, const spa_op_step *step)
{
    float *y = s->y;
    if (!s->exact) {
        spa_vector_best()->unary(step->kind, (float)step->alpha, y, y, s->n);
        return;
    }
    for (size_t i = 0; i < s->n; i++) y[i] = (float)spa_ref_unary(step->kind, step->alpha, y[i]);
}

/* Tensors of one shape, in one layout. */
static void equal_shapes(const steps *s, bool is_add, const float *b)
{
    const spa_vector *v = spa_vector_best();
    float *y = s->y;
    (is_add ? v->add : v->mul)(y, b, y, s->n);
}

/* An operand that is broadcast to the plain output. */
static void broadcast(const steps *s, bool is_add, const float *b, const spa_shape *shape)
{
    const spa_vector *v = spa_vector_best();
    const spa_shape *out = &s->args->op->out;
    spa_loop loop = {.rank = out->rank};
    for (int d = 0; d < loop.rank; d++) loop.n[d] = (size_t)out->dim[d];
    spa_shape_strides(out, loop.step[0]);
    spa_shape_strides(out, loop.step[1]);
    spa_shape_broadcast(shape, out, loop.step[2]);
    spa_loop_simplify(&loop);
    size_t at[SPA_MAX_RANK] = {0}, offset[3] = {0};
    int last = loop.rank - 1;
    do {
        float *y = s->y + offset[0];
        if (loop.step[2][last] == 0)
            (is_add ? v->add_scalar : v->mul_scalar)(y, b[offset[2]], y, loop.n[last]);
        else /* innermost steps are 1 */
            (is_add ? v->add : v->mul)(y, b + offset[2], y, loop.n[last]);
    } while (spa_loop_next(&loop, -1, at, offset));
}

/* The operand in the output's layout; converted into the workspace where it has the other one. */
static const float *in_layout(const steps *s, uint32_t input)
{
    const spa_step_layouts *l = s->layouts;
    const spa_kernel_args *args = s->args;
    if (l == NULL || l->inputs[input] == l->output) return args->inputs[input];
    /* Its shape is that of this operator's output, by which conversions go. */
    if (l->output == SPA_LAYOUT_BLOCKED)
        l->blocked_by->from_plain(args->graph, l->op, args->inputs[input], args->workspace);
    else
        l->blocked_by->to_plain(args->graph, l->op, args->inputs[input], args->workspace);
    return args->workspace;
}

static void binary(steps *s, const spa_op_step *step)
{
    const spa_kernel_args *args = s->args;
    bool is_add = step->kind == SPA_OP_ADD;
    if (step->param_shape.rank > 0) {
        broadcast(s, is_add, args->params[s->param++], &step->param_shape);
    } else if (!step->from_input) {
        spa_vector_best()->mul_scalar(s->y, (float)step->alpha, s->y, s->n);
    } else {
        uint32_t input = s->input++;
        const spa_shape *shape = input_shape(args->graph, args->op, input);
        if (spa_shape_equal(shape, &args->op->out))
            equal_shapes(s, is_add, in_layout(s, input));
        else
            broadcast(s, is_add, args->inputs[input], shape);
    }
}

/* A batch norm is in the weights already. */
static void run_steps(steps *s, uint32_t first)
{
    const spa_op *op = s->args->op;
    for (uint32_t i = 0; i < op->n_steps; i++) {
        const spa_op_step *step = &op->steps[i];
        bool is_binary = step->kind == SPA_OP_ADD || step->kind == SPA_OP_MUL;
        if (i < first) {
            s->input += step->from_input;
            s->param += step->param_shape.rank > 0;
        } else if (is_binary) {
            binary(s, step);
        } else if (step->kind != SPA_OP_BATCH_NORM) {
            unary(s, step);
        }
    }
}

/* ---- a call ------------------------------------------------------------------------------- */

static steps steps_of(const spa_kernel_args *args, const spa_step_layouts *layouts, bool exact)
{
    spa_op own = spa_op_unfused(args->op);
    spa_op_param params[SPA_MAX_PARAMS];
    return (steps){.args = args,
                   .layouts = layouts,
                   .exact = exact,
                   .input = own.n_inputs,
                   .param = spa_op_params(args->graph, &own, params),
                   .y = args->output,
                   .n = spa_shape_count(&args->op->out)};
}

void spa_steps_run_plain(const spa_kernel_args *args, uint32_t first)
{
    steps s = steps_of(args, NULL, false);
    run_steps(&s, first);
}

/* Steps of a reduction work on a copy of what it reads, behind the kernel's own workspace. They
 * treat all elements alike, so its layout does not matter. */
static spa_status run_reduction(const spa_backend *backend, const spa_kernel_args *args,
                                spa_error *err)
{
    spa_op own = spa_op_unfused(args->op);
    size_t n = spa_shape_count(spa_graph_input_shape(args->graph, args->op, 0));
    size_t before = rounded(backend->workspace_bytes(args->graph, args->op));
    float *copy = (float *)(void *)((char *)args->workspace + before);
    const float *inputs[1] = {copy};
    steps s = steps_of(args, NULL, backend == &spa_backend_ref);
    spa_kernel_args call = *args;
    s.y = copy;
    s.n = n;
    memcpy(copy, args->inputs[0], n * sizeof *copy);
    run_steps(&s, 0);
    call.op = &own;
    call.inputs = inputs;
    return backend->run(&call, err);
}

spa_status spa_kernel_run(const spa_backend *backend, const spa_kernel_args *args,
                          const spa_step_layouts *layouts, spa_error *err)
{
    if (args->op->n_steps == 0) return backend->run(args, err);
    if (spa_op_kind_is_reduction(args->op->kind)) return run_reduction(backend, args, err);
    spa_op own = spa_op_unfused(args->op);
    spa_kernel_args call = *args;
    call.op = &own;
    SPA_TRY(backend->run(&call, err));
    steps s = steps_of(args, layouts, backend == &spa_backend_ref);
    run_steps(&s, 0);
    return SPA_OK;
}

size_t spa_kernel_workspace_bytes(const spa_backend *backend, const spa_graph *graph,
                                  const spa_op *op)
{
    size_t own = backend->workspace_bytes(graph, op);
    if (op->n_steps > 0 && spa_op_kind_is_reduction(op->kind))
        return rounded(own) + spa_shape_count(spa_graph_input_shape(graph, op, 0)) * sizeof(float);
    size_t operand = op->n_operands > 0 ? spa_shape_count(&op->out) * sizeof(float) : 0;
    return backend->layout != NULL && operand > own ? operand : own;
}
