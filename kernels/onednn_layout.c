/* Which tensors are channel-blocked, and the way between the two layouts.
 *
 * Blocked is oneDNN's nChw8c (nChw16c with AVX-512): [N][C/8][H][W][8]. Only whole blocks: a tensor
 * whose channels do not fill them stays plain, so that a blocked tensor has as many elements as the
 * plain one and elementwise loops need not know which it is. */
#include "kernels/onednn.h"

#include <string.h>

#include "kernels/dims.h"
#include "kernels/steps.h"
#include "kernels/vector.h"

#ifdef SPA_ONEDNN
#include "kernels/onednn_library.h"
#endif

/* Elementwise operators follow their inputs so far back; longer chains stay plain. */
#define MAX_DEPTH 32

/* 0 = as the machine wants. Written by tests only. */
static size_t forced_block;

void spa_onednn_set_block(size_t block)
{
    forced_block = block;
}

size_t spa_onednn_block(void)
{
    if (forced_block != 0) return forced_block;
#ifdef SPA_ONEDNN
    const spa_onednn_library *lib;
    if (spa_onednn_load(&lib, NULL) == SPA_OK &&
        (lib->get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core)
        return 16;
#endif
    return 8;
}

/* ---- the decision -------------------------------------------------------------------------------
 */

/* oneDNN has direct kernels on blocked tensors for x86 only; elsewhere all would be conversions. */
static bool can_pay(void)
{
#if defined(__x86_64__)
    return true;
#else
    return forced_block != 0;
#endif
}

static bool fills_blocks(const spa_shape *s)
{
    return s->rank == 4 && (size_t)s->dim[1] % spa_onednn_block() == 0;
}

bool spa_onednn_same_bytes(const spa_shape *s)
{
    return fills_blocks(s) && s->dim[2] == 1 && s->dim[3] == 1;
}

/* Convolutions that oneDNN's blocked kernels take: whole blocks on both sides of every group, or
 * one channel per group. */
static bool is_blocked_conv(const spa_graph *graph, const spa_op *op)
{
    spa_window d = spa_op_window(graph, op);
    size_t block = spa_onednn_block();
    if (d.groups == 1) return true;
    if (d.groups == d.c) return d.m == d.c;
    return d.c / d.groups % block == 0 && d.m / d.groups % block == 0;
}

/* The image among the inputs of add and mul, or -1: the other one is as large, [N,C,1,1], or a
 * constant factor. */
static int binary_image(const spa_graph *graph, const spa_op *op)
{
    const spa_shape *first = spa_graph_input_shape(graph, op, 0), *second;
    if (op->n_inputs == 1) {
        bool is_factor = op->kind == SPA_OP_MUL && op->attrs.param_shape.rank == 0;
        return is_factor ? 0 : -1;
    }
    second = spa_graph_input_shape(graph, op, 1);
    if (first->rank != 4 || second->rank != 4) return -1;
    if (spa_shape_equal(first, second)) return 0;
    const spa_shape *image = spa_shape_equal(first, &op->out) ? first : second;
    const spa_shape *other = image == first ? second : first;
    if (!spa_shape_equal(image, &op->out) || !spa_onednn_same_bytes(other) ||
        other->dim[0] != image->dim[0] || other->dim[1] != image->dim[1])
        return -1;
    return image == first ? 0 : 1;
}

static bool is_blocked_concat(const spa_graph *graph, const spa_op *op)
{
    if (op->out.rank != 4 || op->attrs.axis != 1 || op->attrs.param_shape.rank > 0) return false;
    for (uint32_t i = 0; i < op->n_inputs; i++)
        if (!fills_blocks(spa_graph_input_shape(graph, op, i))) return false;
    return true;
}

/* The input whose layout an operator's output follows; -1: it cannot work on blocked tensors,
 * -2: it is itself what makes them pay. */
enum { NO_LEAD = -1, OWN_LEAD = -2 };
static int lead_of(const spa_graph *graph, const spa_op *op)
{
    if (op->n_inputs == 0 || spa_graph_input_shape(graph, op, 0)->rank != 4) return NO_LEAD;
    switch (op->kind) {
    case SPA_OP_CONV:
        return is_blocked_conv(graph, op) ? OWN_LEAD : NO_LEAD;
    case SPA_OP_BATCH_NORM:
    case SPA_OP_RELU:
    case SPA_OP_RELU6:
    case SPA_OP_LEAKY_RELU:
    case SPA_OP_HARD_SWISH:
    case SPA_OP_HARD_SIGMOID:
    case SPA_OP_SIGMOID:
    case SPA_OP_GELU:
    case SPA_OP_MAX_POOL:
    case SPA_OP_AVG_POOL:
    case SPA_OP_GLOBAL_AVG_POOL:
    case SPA_OP_UPSAMPLE:
        return 0;
    case SPA_OP_ADD:
    case SPA_OP_MUL:
        return binary_image(graph, op);
    case SPA_OP_CONCAT:
        return is_blocked_concat(graph, op) ? 0 : NO_LEAD;
    default:
        return NO_LEAD;
    }
}

/* Blocked where the image comes from a convolution, through operators that can pass it on, and
 * everybody who reads it can read it so. */
static bool is_blocked(const spa_graph *graph, size_t index, int depth)
{
    const spa_op *op = &graph->ops[index];
    uint32_t first = graph->first_consumer[index], end = graph->first_consumer[index + 1];
    if (depth > MAX_DEPTH || first == end) return false;
    if (!fills_blocks(&op->out) || spa_onednn_same_bytes(&op->out)) return false;
    int lead = lead_of(graph, op);
    if (lead == NO_LEAD || !spa_steps_are_flat(graph, op)) return false;
    for (uint32_t i = first; i < end; i++)
        if (lead_of(graph, &graph->ops[graph->consumers[i]]) == NO_LEAD) return false;
    if (lead == OWN_LEAD) return true;
    int32_t from = graph->inputs[op->first_input + (uint32_t)lead];
    return from >= 0 && is_blocked(graph, (size_t)from, depth + 1);
}

spa_layout spa_onednn_layout(const spa_graph *graph, size_t op)
{
    return can_pay() && is_blocked(graph, op, 0) ? SPA_LAYOUT_BLOCKED : SPA_LAYOUT_PLAIN;
}

spa_layout spa_onednn_output_layout(const spa_graph *graph, const spa_op *op)
{
    uintptr_t at = (uintptr_t)op, ops = (uintptr_t)graph->ops;
    if (at < ops || at >= ops + graph->n_ops * sizeof *op) return SPA_LAYOUT_PLAIN;
    return spa_onednn_layout(graph, (size_t)(op - graph->ops));
}

spa_layout spa_onednn_input_layout(const spa_graph *graph, const spa_op *op, size_t i)
{
    int32_t from = graph->inputs[op->first_input + i];
    return from < 0 ? SPA_LAYOUT_PLAIN : spa_onednn_layout(graph, (size_t)from);
}

/* ---- conversion ---------------------------------------------------------------------------------
 */

size_t spa_onednn_blocked_bytes(const spa_shape *s)
{
    size_t block = spa_onednn_block(), c = ((size_t)s->dim[1] + block - 1) / block * block;
    return (size_t)s->dim[0] * c * (size_t)s->dim[2] * (size_t)s->dim[3] * sizeof(float);
}

void spa_onednn_block_image(const spa_shape *s, const float *plain, float *blocked)
{
    const spa_vector *v = spa_vector_best();
    size_t block = spa_onednn_block(), c_count = (size_t)s->dim[1];
    size_t area = (size_t)s->dim[2] * (size_t)s->dim[3];
    for (size_t n = 0; n < (size_t)s->dim[0]; n++) {
        for (size_t c = 0; c < c_count; c += block, blocked += block * area) {
            size_t here = c_count - c < block ? c_count - c : block;
            if (here < block) memset(blocked, 0, block * area * sizeof(float));
            v->transpose(plain + c * area, area, blocked, block, here, area);
        }
        plain += c_count * area;
    }
}

void spa_onednn_unblock_image(const spa_shape *s, const float *blocked, float *plain)
{
    const spa_vector *v = spa_vector_best();
    size_t block = spa_onednn_block(), c_count = (size_t)s->dim[1];
    size_t area = (size_t)s->dim[2] * (size_t)s->dim[3];
    for (size_t n = 0; n < (size_t)s->dim[0]; n++) {
        for (size_t c = 0; c < c_count; c += block, blocked += block * area) {
            size_t here = c_count - c < block ? c_count - c : block;
            v->transpose(blocked, block, plain + c * area, area, area, here);
        }
        plain += c_count * area;
    }
}

size_t spa_onednn_layout_bytes(const spa_graph *graph, size_t op)
{
    return spa_onednn_blocked_bytes(&graph->ops[op].out);
}

void spa_onednn_to_plain(const spa_graph *graph, size_t op, const float *blocked, float *plain)
{
    spa_onednn_unblock_image(&graph->ops[op].out, blocked, plain);
}

void spa_onednn_from_plain(const spa_graph *graph, size_t op, const float *plain, float *blocked)
{
    spa_onednn_block_image(&graph->ops[op].out, plain, blocked);
}
