#include "traces/rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "traces/operator.h"

/* ---- groups ------------------------------------------------------------------------------ */

/* Operators that become one: a main one and, in a chain, what it takes in. Every member but the
 * last is read by the next one only, so nobody outside misses a tensor, and no other input of a
 * member can depend on the chain. The group stands where its last member stood: all it reads is
 * there. */
typedef struct group {
    uint32_t last;
    uint8_t n_steps, n_operands, n_params;
    bool is_closed;  /* takes nothing more */
    bool is_added;   /* TensorRT: its residual is in */
    bool is_flat;    /* nothing but activations and factors so far */
    bool is_reduced; /* the last member is a reduction, whose steps the others are */
} group;

typedef struct fusing fusing;
typedef bool may_join(const fusing *f, const group *g, uint32_t main, uint32_t op);

struct fusing {
    const spa_graph *in;
    may_join *may_join;
    group *groups;     /* [n_ops], by main operator */
    uint32_t *main_of; /* [n_ops] */
    uint32_t *next;    /* [n_ops] the member behind; n_ops = none */
    int32_t *new_of;   /* [n_ops] by main operator: index in the new graph */
};

static bool has_products(spa_op_kind kind)
{
    return kind == SPA_OP_CONV || kind == SPA_OP_LINEAR || kind == SPA_OP_MATMUL;
}

static bool can_fold(const fusing *f, const group *g, uint32_t main, uint32_t op)
{
    const spa_op *m = &f->in->ops[main];
    bool linear = m->kind == SPA_OP_LINEAR && m->out.rank == 2;
    return f->in->ops[op].kind == SPA_OP_BATCH_NORM && g->n_steps == 0 &&
           (m->kind == SPA_OP_CONV || linear);
}

static bool is_binary(const spa_op *op)
{
    return op->kind == SPA_OP_ADD || op->kind == SPA_OP_MUL;
}

/* Elementwise behind elementwise. */
static bool joins_chain(const fusing *f, uint32_t main, uint32_t op)
{
    const spa_op *m = &f->in->ops[main], *o = &f->in->ops[op];
    if (!spa_op_kind_is_elementwise(m->kind) || o->kind == SPA_OP_BATCH_NORM) return false;
    /* spa_op_check_steps: such a one takes no step with an input */
    return !(is_binary(m) && m->n_inputs == 1 && o->n_inputs == 2);
}

/* An activation, or a product with a constant factor. */
static bool is_flat(const spa_op *op)
{
    return spa_op_kind_is_elementwise(op->kind) && op->kind != SPA_OP_BATCH_NORM &&
           op->n_inputs == 1 && op->attrs.param_shape.rank == 0;
}

static bool joins_tvm(const fusing *f, const group *g, uint32_t main, uint32_t op)
{
    if (spa_op_kind_is_reduction(f->in->ops[op].kind)) return g->is_flat;
    if (can_fold(f, g, main, op)) return true;
    if (has_products(f->in->ops[main].kind)) return f->in->ops[op].kind != SPA_OP_BATCH_NORM;
    return joins_chain(f, main, op);
}

static bool is_tensorrt_activation(spa_op_kind kind)
{
    return kind == SPA_OP_RELU || kind == SPA_OP_RELU6 || kind == SPA_OP_LEAKY_RELU ||
           kind == SPA_OP_SIGMOID || kind == SPA_OP_GELU;
}

static bool joins_tensorrt(const fusing *f, const group *g, uint32_t main, uint32_t op)
{
    const spa_op *o = &f->in->ops[op];
    if (can_fold(f, g, main, op)) return true;
    if (!has_products(f->in->ops[main].kind)) return joins_chain(f, main, op);
    if (is_tensorrt_activation(o->kind)) return true; /* and closes the group */
    if (!is_binary(o)) return false;
    /* biases and factors before the residual, one residual */
    return o->n_inputs == 1 ? !g->is_added : o->kind == SPA_OP_ADD && !g->is_added;
}

/* ---- forming them ------------------------------------------------------------------------ */

static size_t n_readers(const spa_graph *g, int32_t op)
{
    return g->first_consumer[op + 1] - g->first_consumer[op];
}

/* Can operator `op` join the group that ends in `from`? */
static bool fits(const fusing *f, int32_t from, uint32_t op)
{
    const spa_op *o = &f->in->ops[op];
    if (from < 0 || n_readers(f->in, from) != 1) return false;
    uint32_t main = f->main_of[from];
    const group *g = &f->groups[main];
    if (g->is_closed || g->last != (uint32_t)from || g->n_steps == SPA_MAX_STEPS) return false;
    bool reduces = f->may_join == joins_tvm && spa_op_kind_is_reduction(o->kind);
    bool maps =
        spa_op_kind_is_elementwise(o->kind) && spa_shape_equal(&o->out, &f->in->ops[from].out);
    if (!maps && !reduces) return false;
    size_t params = g->n_params + (o->attrs.param_shape.rank > 0);
    bool adds_bias = o->kind == SPA_OP_BATCH_NORM && !f->in->ops[main].attrs.has_bias;
    if (params + adds_bias > SPA_MAX_PARAMS) return false;
    if (f->in->ops[main].n_inputs + g->n_operands + o->n_inputs - 1 > SPA_MAX_OP_INPUTS)
        return false;
    return f->may_join(f, g, main, op);
}

static void join(fusing *f, int32_t from, uint32_t op)
{
    const spa_op *o = &f->in->ops[op];
    uint32_t main = f->main_of[from];
    group *g = &f->groups[main];
    f->main_of[op] = main;
    f->next[from] = op;
    g->last = op;
    g->n_steps++;
    g->n_operands = (uint8_t)(g->n_operands + o->n_inputs - 1);
    g->n_params = (uint8_t)(g->n_params + (o->attrs.param_shape.rank > 0) +
                            (o->kind == SPA_OP_BATCH_NORM && !f->in->ops[main].attrs.has_bias));
    g->is_flat = g->is_flat && is_flat(o);
    g->is_reduced = g->is_closed = spa_op_kind_is_reduction(o->kind);
    bool products = has_products(f->in->ops[main].kind);
    if (f->may_join != joins_tensorrt || !products) return;
    g->is_added |= o->kind == SPA_OP_ADD && o->n_inputs == 2;
    g->is_closed = is_tensorrt_activation(o->kind);
}

/* The later producer first: where two could take a sum in, it is the last one that has all. */
static void place(fusing *f, uint32_t op)
{
    const spa_graph *in = f->in;
    const spa_op *o = &in->ops[op];
    spa_op_param params[SPA_MAX_PARAMS];
    const int32_t *inputs = in->inputs + o->first_input;
    int32_t a = o->n_inputs > 0 ? inputs[0] : -1, b = o->n_inputs > 1 ? inputs[1] : -1;
    int32_t later = a > b ? a : b, earlier = a > b ? b : a;
    f->main_of[op] = op;
    f->next[op] = (uint32_t)in->n_ops;
    f->groups[op] = (group){
        .last = op, .n_params = (uint8_t)spa_op_params(in, o, params), .is_flat = is_flat(o)};
    if (fits(f, later, op))
        join(f, later, op);
    else if (fits(f, earlier, op))
        join(f, earlier, op);
}

/* ---- the new graph ----------------------------------------------------------------------- */

/* An input as the new graph has it: what the group that made it puts out. */
static int32_t moved(const fusing *f, int32_t from)
{
    return from < 0 ? from : f->new_of[f->main_of[from]];
}

/* Adds the member `op`, which reads the member `before`, as a step; its other input, if any. */
static spa_op_step step_of(const fusing *f, uint32_t main, uint32_t before, uint32_t op,
                           int32_t *inputs, size_t *n_inputs)
{
    const spa_graph *in = f->in;
    const spa_op *o = &in->ops[op];
    const int32_t *from = in->inputs + o->first_input;
    spa_op_step step = {.kind = o->kind,
                        .stream = o->stream,
                        .param_shape = o->attrs.param_shape,
                        .param_learned = o->attrs.param_learned,
                        .alpha = o->attrs.alpha,
                        .from_input = o->n_inputs == 2,
                        .adds_bias = o->kind == SPA_OP_BATCH_NORM && !in->ops[main].attrs.has_bias};
    if (step.from_input)
        inputs[(*n_inputs)++] = moved(f, from[0] == (int32_t)before ? from[1] : from[0]);
    return step;
}

/* All members but the last as steps of that. */
static spa_status add_reduction(fusing *f, spa_graph *out, uint32_t main, spa_error *err)
{
    const spa_graph *in = f->in;
    const spa_op *m = &in->ops[main], *last = &in->ops[f->groups[main].last];
    int32_t input = moved(f, in->inputs[m->first_input]);
    spa_op_step steps[SPA_MAX_STEPS];
    spa_fusion fusion = {.steps = steps, .stream = last->stream};
    for (uint32_t i = main; &in->ops[i] != last; i = f->next[i])
        steps[fusion.n_steps++] = (spa_op_step){
            .kind = in->ops[i].kind, .stream = in->ops[i].stream, .alpha = in->ops[i].attrs.alpha};
    return spa_graph_add_fused(out, m->name, last->kind, &last->attrs, &input, 1, &last->out,
                               &fusion, &f->new_of[main], err);
}

static spa_status add_members(fusing *f, spa_graph *out, uint32_t main, spa_error *err)
{
    const spa_graph *in = f->in;
    const spa_op *m = &in->ops[main];
    int32_t inputs[SPA_MAX_OP_INPUTS];
    spa_op_step steps[SPA_MAX_STEPS];
    spa_op_attrs attrs = m->attrs;
    spa_fusion fusion = {.steps = steps, .stream = m->stream};
    size_t n_inputs = m->n_inputs;
    for (size_t i = 0; i < n_inputs; i++) inputs[i] = moved(f, in->inputs[m->first_input + i]);
    for (uint32_t before = main; f->next[before] < in->n_ops; before = f->next[before]) {
        spa_op_step step = step_of(f, main, before, f->next[before], inputs, &n_inputs);
        if (step.kind == SPA_OP_BATCH_NORM) attrs.has_bias = true;
        steps[fusion.n_steps++] = step;
    }
    return spa_graph_add_fused(out, m->name, m->kind, &attrs, inputs, n_inputs, &m->out, &fusion,
                               &f->new_of[main], err);
}

static spa_status add_group(fusing *f, spa_graph *out, uint32_t main, spa_error *err)
{
    const spa_op *m = &f->in->ops[main], *last = &f->in->ops[f->groups[main].last];
    SPA_TRY(f->groups[main].is_reduced ? add_reduction(f, out, main, err)
                                       : add_members(f, out, main, err));
    spa_op *o = &out->ops[f->new_of[main]];
    o->flags = last->flags;
    o->sparsity = last->sparsity;
    o->rho_origin = last->rho_origin;
    o->weight_sparsity = f->groups[main].is_reduced ? last->weight_sparsity : m->weight_sparsity;
    return SPA_OK;
}

static spa_status build(fusing *f, spa_graph *out, spa_error *err)
{
    const spa_graph *in = f->in;
    for (size_t i = 0; i < in->n_ops; i++) place(f, (uint32_t)i);
    for (size_t i = 0; i < in->n_ops; i++) {
        uint32_t main = f->main_of[i];
        if (f->groups[main].last == i) SPA_TRY(add_group(f, out, main, err));
    }
    return spa_graph_finish(out, err);
}

static spa_status rewrite(spa_graph *out, const spa_graph *in, may_join *rule, spa_error *err)
{
    fusing f = {.in = in, .may_join = rule};
    spa_graph_init(out, in->name, in->batch, in->dtype);
    out->n_graph_inputs = in->n_graph_inputs;
    memcpy(out->graph_inputs, in->graph_inputs, sizeof out->graph_inputs);
    out->graph_input_sparsity = in->graph_input_sparsity;
    spa_status status = spa_alloc(&f.groups, in->n_ops, sizeof *f.groups, err);
    if (status == SPA_OK) status = spa_alloc(&f.main_of, in->n_ops, sizeof *f.main_of, err);
    if (status == SPA_OK) status = spa_alloc(&f.next, in->n_ops, sizeof *f.next, err);
    if (status == SPA_OK) status = spa_alloc(&f.new_of, in->n_ops, sizeof *f.new_of, err);
    if (status == SPA_OK) status = build(&f, out, err);
    free(f.groups);
    free(f.main_of);
    free(f.next);
    free(f.new_of);
    if (status != SPA_OK) spa_graph_fini(out);
    return status;
}

/* ---- by name ----------------------------------------------------------------------------- */

static const spa_rewrite rewrites[] = {
    {"none", "every operator by itself", ""},
    {"fold-bn", "batch norms become part of weights", "every inference framework"},
    {"tvm", "products and elementwise operators take in elementwise chains",
     "TVM, Chen et al., OSDI 2018"},
    {"tensorrt", "products take in bias, residual and activation; pointwise chains",
     "NVIDIA TensorRT developer guide, types of fusions"},
};
static may_join *const rules[] = {NULL, can_fold, joins_tvm, joins_tensorrt};
enum { N_REWRITES = sizeof rewrites / sizeof *rewrites };

const spa_rewrite *spa_rewrites(size_t *count)
{
    *count = N_REWRITES;
    return rewrites;
}

/* Nobody joins. */
static bool joins_nothing(const fusing *f, const group *g, uint32_t main, uint32_t op)
{
    return false;
}

static spa_status rewrite_once(spa_graph *out, const spa_graph *in, may_join *rule, spa_error *err)
{
    *out = (spa_graph){0};
    for (size_t i = 0; i < in->n_ops && rule; i++) {
        if (in->ops[i].n_steps == 0) continue;
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "'%s' was rewritten already (operator '%s' is fused); rewrite the graph it "
                        "came from",
                        in->name, in->ops[i].name);
    }
    return rewrite(out, in, rule ? rule : joins_nothing, err);
}

spa_status spa_rewrite_fold_bn(spa_graph *out, const spa_graph *in, spa_error *err)
{
    return rewrite_once(out, in, can_fold, err);
}

spa_status spa_rewrite_fuse_tvm(spa_graph *out, const spa_graph *in, spa_error *err)
{
    return rewrite_once(out, in, joins_tvm, err);
}

spa_status spa_rewrite_fuse_tensorrt(spa_graph *out, const spa_graph *in, spa_error *err)
{
    return rewrite_once(out, in, joins_tensorrt, err);
}

spa_status spa_rewrite_apply(spa_graph *out, const spa_graph *in, const char *name, spa_error *err)
{
    const char *names[N_REWRITES];
    *out = (spa_graph){0};
    for (size_t i = 0; i < N_REWRITES; i++) {
        names[i] = rewrites[i].name;
        if (strcmp(names[i], name) == 0) return rewrite_once(out, in, rules[i], err);
    }
    return spa_fail_unknown(err, "rewrite", name, names, N_REWRITES);
}
