/* Named sparsity assumptions. Assumed figures are marked as such and never pass as data.
 *
 * "none"    every activation is dense.
 * "relu50"  ReLU and ReLU6 of zero-mean inputs: half of their outputs are zero. Every other zero
 *           follows from these under independence: a value that is computed from several is zero
 *           when all of them are (a sum, a pooling window) or when any is (a product). What mixes
 *           signed weights (convolution, linear, matrix product) or shifts values (norms, sigmoid)
 *           has none. Trained networks differ, which is why this is a name and not a fact. */
#include "traces/operator.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

static double input_rho(const spa_graph *graph, const spa_op *op, uint32_t i)
{
    int32_t from = graph->inputs[op->first_input + i];
    return from >= 0 ? graph->ops[from].sparsity : graph->graph_input_sparsity;
}

/* Zeros among the output's elements when every input element goes there once (concatenation,
 * padding); a parameter is dense, padding is zero. */
static double joined_rho(const spa_graph *graph, const spa_op *op)
{
    double out = (double)spa_shape_elements(&op->out), zeros = 0, from_inputs = 0;
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        double n = (double)spa_shape_elements(spa_graph_input_shape(graph, op, i));
        zeros += n * input_rho(graph, op, i);
        from_inputs += n;
    }
    if (op->kind == SPA_OP_PAD) zeros += out - from_inputs;
    return zeros / out;
}

/* Of its own, `rho` being that of its first input. */
static double own_rho(const spa_graph *graph, const spa_op *op, double rho)
{
    double other = op->n_inputs - op->n_operands > 1 ? input_rho(graph, op, 1) : 0;
    const spa_shape *in = op->n_inputs > 0 ? spa_graph_input_shape(graph, op, 0) : NULL;
    switch (op->kind) {
    case SPA_OP_RELU:
    case SPA_OP_RELU6:
        return 0.5;
    case SPA_OP_LEAKY_RELU: /* f(0) = 0, and nothing else gives 0 */
    case SPA_OP_HARD_SWISH:
    case SPA_OP_GELU:
    case SPA_OP_SLICE:
    case SPA_OP_ROLL:
    case SPA_OP_RESHAPE:
    case SPA_OP_TRANSPOSE:
    case SPA_OP_UPSAMPLE:
    case SPA_OP_EXPAND:
    case SPA_OP_TAKE:
        return rho;
    case SPA_OP_ADD:
        return rho * other; /* a parameter is dense: other = 0 */
    case SPA_OP_MUL:
        return 1 - (1 - rho) * (1 - other);
    case SPA_OP_MAX_POOL:
    case SPA_OP_AVG_POOL:
        return pow(rho, (double)op->attrs.kernel_h * op->attrs.kernel_w);
    case SPA_OP_GLOBAL_AVG_POOL:
        return pow(rho, (double)in->dim[2] * in->dim[3]);
    case SPA_OP_MEAN:
        return pow(rho, (double)in->dim[op->attrs.axis]);
    case SPA_OP_CONCAT:
    case SPA_OP_PAD:
        return joined_rho(graph, op);
    default:
        return 0;
    }
}

/* What a step makes of the zeros before it. */
static double step_rho(const spa_graph *graph, const spa_op *op, const spa_op_step *s,
                       uint32_t input, double rho)
{
    double other = s->from_input ? input_rho(graph, op, input) : 0;
    switch (s->kind) {
    case SPA_OP_RELU:
    case SPA_OP_RELU6:
        return 0.5;
    case SPA_OP_LEAKY_RELU:
    case SPA_OP_HARD_SWISH:
    case SPA_OP_GELU:
        return rho;
    case SPA_OP_ADD:
        return rho * other;
    case SPA_OP_MUL:
        return 1 - (1 - rho) * (1 - other);
    default:
        return 0;
    }
}

static double relu50_rho(const spa_graph *graph, const spa_op *op)
{
    bool reduces = spa_op_kind_is_reduction(op->kind); /* then its steps come first */
    double rho = op->n_inputs > 0 ? input_rho(graph, op, 0) : 0;
    if (!reduces) rho = own_rho(graph, op, rho);
    uint32_t input = op->n_inputs - op->n_operands;
    for (uint32_t i = 0; i < op->n_steps; i++) {
        rho = step_rho(graph, op, &op->steps[i], input, rho);
        input += op->steps[i].from_input;
    }
    return reduces ? own_rho(graph, op, rho) : rho;
}

spa_status spa_graph_assume_sparsity(spa_graph *graph, const char *assumption, spa_error *err)
{
    static const char *const names[] = {"none", "relu50"};
    bool relu50 = strcmp(assumption, "relu50") == 0;
    if (!relu50 && strcmp(assumption, "none") != 0)
        return spa_fail_unknown(err, "sparsity assumption", assumption, names,
                                sizeof names / sizeof names[0]);
    graph->graph_input_sparsity = 0;
    for (size_t i = 0; i < graph->n_ops; i++) {
        spa_op *op = &graph->ops[i];
        op->sparsity = relu50 ? relu50_rho(graph, op) : 0;
        op->weight_sparsity = 0; /* seeded random weights are dense */
        op->rho_origin = SPA_ORIGIN_ASSUMED;
    }
    spa_graph_propagate_sparsity(graph);
    return SPA_OK;
}
