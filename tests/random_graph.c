#include "tests/random_graph.h"

#include <stdio.h>
#include "base/rng.h"

#define MOST_ELEMENTS 2048 /* of a tensor that may still grow */

typedef struct maker {
    spa_graph *graph;
    spa_rng rng;
    int32_t x; /* the value that the next operator reads */
    spa_shape shape;
    spa_op_attrs attrs;
    int32_t inputs[4];
    size_t n_inputs;
    spa_shape out; /* rank 0 = inferred */
} maker;

static int32_t below(maker *m, int32_t n)
{
    return (int32_t)spa_rng_below(&m->rng, (uint32_t)n);
}

static spa_shape shape_of(const spa_graph *graph, int32_t value)
{
    return value >= 0 ? graph->ops[value].out : graph->graph_inputs[~value];
}

/* Another value of the same shape; x itself when there is none among the last few. */
static int32_t partner(maker *m)
{
    int32_t n = (int32_t)m->graph->n_ops;
    for (int32_t i = n - 1; i >= 0 && i >= n - 16; i--)
        if (i != m->x && spa_shape_equal(&m->graph->ops[i].out, &m->shape)) return i;
    return m->x;
}

static void with_partner(maker *m)
{
    m->inputs[1] = partner(m);
    m->n_inputs = 2;
}

static void make_conv(maker *m)
{
    const spa_shape *s = &m->shape;
    int32_t channels = 1 + below(m, 8), groups = 1, k = below(m, 2) == 0 ? 1 : 3;
    if (below(m, 3) == 0) groups = channels = s->dim[1]; /* depthwise */
    m->attrs = (spa_op_attrs){.kernel_h = k,
                              .kernel_w = k,
                              .stride_h = 1 + below(m, 2),
                              .stride_w = 1 + below(m, 2),
                              .dilation_h = 1,
                              .dilation_w = 1,
                              .pad_top = k / 2,
                              .pad_left = k / 2,
                              .pad_bottom = k / 2,
                              .pad_right = k / 2,
                              .groups = groups,
                              .has_bias = below(m, 2) == 0};
    m->out = (spa_shape){4, {0, channels, 0, 0}};
}

static void make_pool(maker *m)
{
    m->attrs = (spa_op_attrs){.kernel_h = 3,
                              .kernel_w = 3,
                              .stride_h = 1 + below(m, 2),
                              .stride_w = 1 + below(m, 2),
                              .pad_top = 1,
                              .pad_left = 1,
                              .pad_bottom = 1,
                              .pad_right = 1,
                              .ceil_mode = below(m, 2) == 0};
}

static void make_operand(maker *m, spa_op_kind kind)
{
    if (below(m, 2) == 0) {
        with_partner(m);
    } else if (kind == SPA_OP_MUL && below(m, 2) == 0) {
        m->attrs.alpha = 0.5;
    } else { /* a parameter per last dimension */
        m->attrs.param_shape = (spa_shape){1, {m->shape.dim[m->shape.rank - 1]}};
        m->attrs.param_learned = true;
    }
}

static void make_moves(maker *m, spa_op_kind kind)
{
    const spa_shape *s = &m->shape;
    if (kind == SPA_OP_SLICE || kind == SPA_OP_PAD) m->out = *s;
    for (int32_t i = 0; i < s->rank; i++) {
        int32_t d = s->dim[i];
        if (kind == SPA_OP_ROLL) m->attrs.begin[i] = below(m, 2 * d - 1) - (d - 1);
        if (kind == SPA_OP_PAD && i > 0) {
            m->attrs.begin[i] = below(m, 2);
            m->out.dim[i] = d + m->attrs.begin[i] + below(m, 2);
        }
        if (kind == SPA_OP_SLICE && i > 0 && d > 2) {
            m->attrs.begin[i] = below(m, 2);
            m->attrs.step[i] = 1 + below(m, 2);
            m->out.dim[i] = (d - m->attrs.begin[i] + m->attrs.step[i] - 1) / m->attrs.step[i];
        }
    }
}

static void make_transpose(maker *m)
{
    for (int32_t i = 0; i < m->shape.rank; i++) m->attrs.perm[i] = i;
    for (int32_t i = m->shape.rank - 1; i > 0; i--) { /* Fisher-Yates */
        int32_t j = below(m, i + 1), kept = m->attrs.perm[i];
        m->attrs.perm[i] = m->attrs.perm[j];
        m->attrs.perm[j] = kept;
    }
}

static void make_reshape(maker *m)
{
    const spa_shape *s = &m->shape;
    int32_t first = s->dim[0];
    int32_t rest = (int32_t)(spa_shape_elements(s) / first);
    if (below(m, 2) == 0 && rest % 2 == 0)
        m->out = (spa_shape){4, {first, 2, rest / 2, 1}};
    else
        m->out = (spa_shape){2, {first, rest}};
}

/* Does the kind fit the shape (without making tensors ever larger)? */
static bool fits(const maker *m, spa_op_kind kind)
{
    const spa_shape *s = &m->shape;
    bool small = spa_shape_elements(s) <= MOST_ELEMENTS;
    switch (kind) {
    case SPA_OP_HOST:
    case SPA_OP_OTHER:
        return false;
    case SPA_OP_CONV:
    case SPA_OP_UPSAMPLE:
        return s->rank == 4 && small;
    case SPA_OP_MAX_POOL:
    case SPA_OP_AVG_POOL:
    case SPA_OP_GLOBAL_AVG_POOL:
        return s->rank == 4;
    case SPA_OP_MATMUL:
        return s->rank >= 2 && small && s->dim[s->rank - 2] <= 16;
    case SPA_OP_BATCH_NORM:
    case SPA_OP_MEAN:
        return s->rank >= 2;
    case SPA_OP_LINEAR:
    case SPA_OP_PAD:
    case SPA_OP_CONCAT:
        return small;
    case SPA_OP_GATHER:
        return m->graph->n_ops > 0;
    default:
        return true;
    }
}

static void fill(maker *m, spa_op_kind kind)
{
    int32_t w;
    switch (kind) {
    case SPA_OP_CONV:
        make_conv(m);
        break;
    case SPA_OP_LINEAR:
        m->attrs.has_bias = below(m, 2) == 0;
        m->out = m->shape;
        m->out.dim[m->shape.rank - 1] = 1 + below(m, 16);
        break;
    case SPA_OP_MATMUL: /* x times a tensor of its own shape, transposed, always fits */
        m->attrs.transpose_b = true;
        with_partner(m);
        break;
    case SPA_OP_LEAKY_RELU:
        m->attrs.alpha = 0.1;
        break;
    case SPA_OP_MAX_POOL:
    case SPA_OP_AVG_POOL:
        make_pool(m);
        break;
    case SPA_OP_MEAN:
        m->attrs.axis = below(m, m->shape.rank);
        break;
    case SPA_OP_ADD:
    case SPA_OP_MUL:
        make_operand(m, kind);
        break;
    case SPA_OP_CONCAT:
        m->attrs.axis = m->shape.rank - 1;
        with_partner(m);
        break;
    case SPA_OP_SLICE:
    case SPA_OP_PAD:
    case SPA_OP_ROLL:
        make_moves(m, kind);
        break;
    case SPA_OP_RESHAPE:
        make_reshape(m);
        break;
    case SPA_OP_TRANSPOSE:
        make_transpose(m);
        break;
    case SPA_OP_GATHER:
        w = 1 + below(m, 3);
        m->attrs.param_shape = (spa_shape){2, {(2 * w - 1) * (2 * w - 1), 1 + below(m, 3)}};
        m->attrs.param_learned = true;
        m->n_inputs = 0;
        break;
    case SPA_OP_UPSAMPLE:
        m->attrs.stride_h = 1 + below(m, 2);
        m->attrs.stride_w = 2;
        break;
    default:
        break;
    }
}

static spa_status add_op(maker *m, spa_error *err)
{
    char name[32];
    int32_t n = (int32_t)m->graph->n_ops, index;
    spa_op_kind kind;
    if (n == 0)
        m->x = SPA_GRAPH_INPUT(0);
    else
        m->x = below(m, 10) < 6 ? n - 1 : below(m, n); /* chains with branches */
    m->shape = shape_of(m->graph, m->x);
    m->attrs = (spa_op_attrs){0};
    m->out = (spa_shape){0};
    m->inputs[0] = m->x;
    m->n_inputs = 1;
    do {
        kind = (spa_op_kind)below(m, SPA_OP_OTHER + 1);
    } while (!fits(m, kind));
    fill(m, kind);
    snprintf(name, sizeof name, "op%d", (int)n);
    SPA_TRY(spa_graph_add(m->graph, name, kind, &m->attrs, m->inputs, m->n_inputs, &m->out, &index,
                          err));
    spa_op *op = &m->graph->ops[index];
    op->sparsity = below(m, 2) == 0 ? 0 : spa_rng_uniform(&m->rng);
    op->weight_sparsity = 0;
    op->rho_origin = SPA_ORIGIN_ASSUMED;
    return SPA_OK;
}

spa_status random_graph(spa_graph *graph, uint64_t seed, size_t n_ops, spa_error *err)
{
    maker m = {.graph = graph};
    spa_rng_init_indexed(&m.rng, seed, "tests/random_graph", n_ops);
    int32_t batch = 1 + below(&m, 2), side = 6 + below(&m, 7);
    spa_graph_init(graph, "random", batch, SPA_FP32);
    graph->n_graph_inputs = 1;
    graph->graph_inputs[0] = (spa_shape){4, {batch, 3, side, side}};
    graph->graph_input_sparsity = 0;
    spa_status status = SPA_OK;
    while (graph->n_ops < n_ops && status == SPA_OK) status = add_op(&m, err);
    if (status == SPA_OK) status = spa_graph_finish(graph, err);
    if (status != SPA_OK) spa_graph_fini(graph);
    return status;
}

/* ---- tiny graphs --------------------------------------------------------------------------- */

static spa_status add_one(spa_graph *graph, const char *name, spa_op_kind kind,
                          const spa_op_attrs *attrs, int32_t input, const spa_shape *out,
                          spa_error *err)
{
    return spa_graph_add(graph, name, kind, attrs, &input, 1, out, NULL, err);
}

static spa_op_attrs square_conv(int32_t k)
{
    return (spa_op_attrs){.kernel_h = k,
                          .kernel_w = k,
                          .stride_h = 1,
                          .stride_w = 1,
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .pad_top = k / 2,
                          .pad_left = k / 2,
                          .pad_bottom = k / 2,
                          .pad_right = k / 2,
                          .groups = 1};
}

static spa_status finish_dense(spa_graph *graph, spa_error *err)
{
    for (size_t i = 0; i < graph->n_ops; i++) {
        graph->ops[i].sparsity = graph->ops[i].kind == SPA_OP_RELU ? 0.5 : 0;
        graph->ops[i].weight_sparsity = 0;
        graph->ops[i].rho_origin = SPA_ORIGIN_ASSUMED;
    }
    graph->graph_input_sparsity = 0;
    return spa_graph_finish(graph, err);
}

static spa_status build_chain(spa_graph *graph, spa_error *err)
{
    spa_op_attrs conv = square_conv(3);
    SPA_TRY(add_one(graph, "conv", SPA_OP_CONV, &conv, SPA_GRAPH_INPUT(0),
                    &(spa_shape){4, {0, 4, 0, 0}}, err));
    SPA_TRY(add_one(graph, "bn", SPA_OP_BATCH_NORM, NULL, 0, NULL, err));
    SPA_TRY(add_one(graph, "relu", SPA_OP_RELU, NULL, 1, NULL, err));
    SPA_TRY(add_one(graph, "pool", SPA_OP_GLOBAL_AVG_POOL, NULL, 2, NULL, err));
    SPA_TRY(add_one(graph, "flatten", SPA_OP_RESHAPE, NULL, 3, &(spa_shape){2, {1, 4}}, err));
    SPA_TRY(add_one(graph, "fc", SPA_OP_LINEAR, &(spa_op_attrs){.has_bias = true}, 4,
                    &(spa_shape){2, {1, 10}}, err));
    return finish_dense(graph, err);
}

spa_status tiny_chain(spa_graph *graph, spa_error *err)
{
    spa_graph_init(graph, "tiny_chain", 1, SPA_FP32);
    graph->n_graph_inputs = 1;
    graph->graph_inputs[0] = (spa_shape){4, {1, 3, 8, 8}};
    spa_status status = build_chain(graph, err);
    if (status != SPA_OK) spa_graph_fini(graph);
    return status;
}

static spa_status build_branch(spa_graph *graph, spa_error *err)
{
    spa_op_attrs left = square_conv(1), right = square_conv(3);
    const spa_shape out = {4, {0, 8, 0, 0}};
    const int32_t both[] = {1, 2};
    SPA_TRY(add_one(graph, "stem", SPA_OP_RELU, NULL, SPA_GRAPH_INPUT(0), NULL, err));
    SPA_TRY(add_one(graph, "left", SPA_OP_CONV, &left, 0, &out, err));
    SPA_TRY(add_one(graph, "right", SPA_OP_CONV, &right, 0, &out, err));
    SPA_TRY(spa_graph_add(graph, "join", SPA_OP_ADD, NULL, both, 2, NULL, NULL, err));
    return finish_dense(graph, err);
}

spa_status tiny_branch(spa_graph *graph, spa_error *err)
{
    spa_graph_init(graph, "tiny_branch", 1, SPA_FP32);
    graph->n_graph_inputs = 1;
    graph->graph_inputs[0] = (spa_shape){4, {1, 8, 6, 6}};
    spa_status status = build_branch(graph, err);
    if (status != SPA_OK) spa_graph_fini(graph);
    return status;
}
