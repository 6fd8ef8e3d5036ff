/* The backend on oneDNN: convolutions by its direct kernels on channel-blocked tensors, kept
 * blocked from operator to operator; everything else by whatever was measured to be faster, its
 * primitive or our loops (README.md). */
#include "kernels/onednn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dims.h"

#ifdef SPA_ONEDNN

#include "kernels/onednn_primitive.h"

/* ---- plans --------------------------------------------------------------------------------------
 */

typedef enum way {
    WAY_DENSE,    /* our plain loops and OpenBLAS; elementwise kinds in any layout */
    WAY_LOOP,     /* our blocked loops */
    WAY_PRIMITIVE /* oneDNN's */
} way;

/* How an operator is run. Tensors that come in another layout than the inner one are converted on
 * the way in and out. */
typedef struct plan {
    way way;
    uint8_t given[SPA_MAX_OP_INPUTS], inner[SPA_MAX_OP_INPUTS]; /* spa_layout of inputs */
    uint8_t given_output, inner_output;
    dnnl_primitive_desc_t pd; /* of WAY_PRIMITIVE, owned */
    size_t bytes;             /* of workspace */
} plan;

typedef struct prepared {
    plan plan;
    void *dense; /* state of blas */
    spa_onednn_primitive *primitive;
} prepared;

static size_t rounded(size_t bytes)
{
    return (bytes + SPA_KERNEL_ALIGN - 1) / SPA_KERNEL_ALIGN * SPA_KERNEL_ALIGN;
}

/* Bytes of workspace for the other form of a tensor; 0 when it stays as it is. */
static size_t form_bytes(const spa_shape *shape, spa_layout given, spa_layout inner)
{
    if (given == inner) return 0;
    return rounded(inner == SPA_LAYOUT_BLOCKED ? spa_onednn_blocked_bytes(shape)
                                               : spa_shape_count(shape) * sizeof(float));
}

/* One position per channel is the same in both layouts: then `wish` costs nothing. */
static uint8_t as_wished(const spa_shape *shape, uint8_t layout, spa_layout wish)
{
    return spa_onednn_same_bytes(shape) ? (uint8_t)wish : layout;
}

static spa_status describe_inner(const spa_onednn_library *lib, const spa_graph *graph,
                                 const spa_op *op, bool linear_as_conv, plan *p, spa_error *err)
{
    spa_onednn_forms forms = {{p->inner[0], p->inner[1]}, p->inner_output, linear_as_conv};
    int threads = spa_onednn_enter(lib);
    spa_status status = spa_onednn_describe(lib, graph, op, &forms, &p->pd, err);
    spa_onednn_leave(lib, threads);
    return status;
}

static void drop_description(const spa_onednn_library *lib, plan *p)
{
    if (p->pd != NULL) lib->primitive_desc_destroy(p->pd);
    p->pd = NULL;
}

static void wish_all(const spa_graph *graph, const spa_op *op, plan *p, spa_layout layout)
{
    for (uint32_t i = 0; i < op->n_inputs; i++) p->inner[i] = (uint8_t)layout;
    p->inner_output = (uint8_t)layout;
}

/* ---- the choice ---------------------------------------------------------------------------------
 */

/* oneDNN's own direct kernels, not its im2col or reference loops. */
static bool is_direct(const spa_onednn_library *lib, const_dnnl_primitive_desc_t pd)
{
    const char *name = spa_onednn_implementation(lib, pd);
    return strncmp(name, "jit", 3) == 0 || strncmp(name, "brg", 3) == 0;
}

/* Plain on both sides: multiply-adds per element moved, from which two conversions and a direct
 * kernel beat im2col and OpenBLAS. Measured: README.md. */
#define WORTH_CONVERTING 24

static bool is_worth_converting(const spa_graph *graph, const spa_op *op, const plan *p)
{
    const spa_shape *in = spa_graph_input_shape(graph, op, 0);
    if (p->given[0] == SPA_LAYOUT_BLOCKED || p->given_output == SPA_LAYOUT_BLOCKED) return true;
    if (spa_onednn_same_bytes(in) && spa_onednn_same_bytes(&op->out)) return true;
    return op->macs >= WORTH_CONVERTING * (spa_shape_elements(in) + spa_shape_elements(&op->out));
}

/* Tensors as they come where oneDNN has a direct kernel for that, else with the output, the input
 * or both converted. */
static spa_status plan_conv(const spa_onednn_library *lib, const spa_graph *graph, const spa_op *op,
                            plan *p, spa_error *err)
{
    const spa_shape *in = spa_graph_input_shape(graph, op, 0);
    uint8_t as_is[2] = {as_wished(in, p->given[0], SPA_LAYOUT_BLOCKED),
                        as_wished(&op->out, p->given_output, SPA_LAYOUT_BLOCKED)};
    unsigned changes = is_worth_converting(graph, op, p) ? 4 : 0;
    for (unsigned change = 0; change < changes;
         change++) { /* bit 0: the output, bit 1: the input */
        if ((change & 1) != 0 && as_is[1] == SPA_LAYOUT_BLOCKED) continue;
        if ((change & 2) != 0 && as_is[0] == SPA_LAYOUT_BLOCKED) continue;
        p->inner[0] = (change & 2) != 0 ? SPA_LAYOUT_BLOCKED : as_is[0];
        p->inner_output = (change & 1) != 0 ? SPA_LAYOUT_BLOCKED : as_is[1];
        SPA_TRY(describe_inner(lib, graph, op, false, p, err));
        if (p->pd != NULL && is_direct(lib, p->pd)) {
            p->way = WAY_PRIMITIVE;
            return SPA_OK;
        }
        drop_description(lib, p);
    }
    wish_all(graph, op, p, SPA_LAYOUT_PLAIN);
    p->way = WAY_DENSE;
    return SPA_OK;
}

/* Kinds that can work on blocked images; the convolutions apart. */
static bool passes_layout_on(spa_op_kind kind)
{
    switch (kind) {
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
    case SPA_OP_ADD:
    case SPA_OP_MUL:
    case SPA_OP_CONCAT:
        return true;
    default:
        return false;
    }
}

static bool any_blocked(const spa_op *op, const plan *p)
{
    bool any = p->given_output == SPA_LAYOUT_BLOCKED;
    for (uint32_t i = 0; i < op->n_inputs; i++) any = any || p->given[i] == SPA_LAYOUT_BLOCKED;
    return any && passes_layout_on(op->kind);
}

/* Is oneDNN's primitive faster than our loops or OpenBLAS? Measured: README.md. */
static bool prefers_primitive(const spa_op *op)
{
    switch (op->kind) {
    case SPA_OP_LINEAR: /* as a 1x1 convolution */
    case SPA_OP_MATMUL:
    case SPA_OP_SOFTMAX:
        return true;
    case SPA_OP_LAYER_NORM:
        return spa_shape_count(&op->out) >= (size_t)1 << 16;
    default:
        return false;
    }
}

/* Loops that the library has for completeness: our own ones do better. */
static bool is_reference(const spa_onednn_library *lib, const_dnnl_primitive_desc_t pd)
{
    return strncmp(spa_onednn_implementation(lib, pd), "ref", 3) == 0;
}

static spa_status plan_other(const spa_onednn_library *lib, const spa_graph *graph,
                             const spa_op *op, bool only_primitives, plan *p, spa_error *err)
{
    bool is_blocked = any_blocked(op, p);
    wish_all(graph, op, p, is_blocked ? SPA_LAYOUT_BLOCKED : SPA_LAYOUT_PLAIN);
    if (only_primitives || prefers_primitive(op)) {
        bool as_conv = op->kind == SPA_OP_LINEAR && !only_primitives;
        SPA_TRY(describe_inner(lib, graph, op, as_conv, p, err));
        if (p->pd != NULL && (as_conv ? is_direct(lib, p->pd) : !is_reference(lib, p->pd))) {
            p->way = WAY_PRIMITIVE;
            return SPA_OK;
        }
        drop_description(lib, p);
    }
    p->way = is_blocked && spa_onednn_has_loop(graph, op) ? WAY_LOOP : WAY_DENSE;
    return SPA_OK;
}

static void count_bytes(const spa_onednn_library *lib, const spa_graph *graph, const spa_op *op,
                        plan *p)
{
    p->bytes = 0;
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        const spa_shape *shape = spa_graph_input_shape(graph, op, i);
        p->inner[i] = as_wished(shape, p->inner[i], p->given[i]);
        p->bytes += form_bytes(shape, p->given[i], p->inner[i]);
    }
    p->inner_output = as_wished(&op->out, p->inner_output, p->given_output);
    p->bytes += form_bytes(&op->out, p->given_output, p->inner_output);
    if (p->way == WAY_PRIMITIVE) p->bytes += spa_onednn_scratchpad_bytes(lib, p->pd);
    if (p->way == WAY_DENSE) p->bytes += spa_backend_blas.workspace_bytes(graph, op);
}

static spa_status plan_op(const spa_onednn_library *lib, const spa_graph *graph, const spa_op *op,
                          bool only_primitives, plan *p, spa_error *err)
{
    *p = (plan){.given_output = (uint8_t)spa_onednn_output_layout(graph, op)};
    for (uint32_t i = 0; i < op->n_inputs; i++)
        p->given[i] = (uint8_t)spa_onednn_input_layout(graph, op, i);
    if (op->kind == SPA_OP_CONV)
        SPA_TRY(plan_conv(lib, graph, op, p, err));
    else
        SPA_TRY(plan_other(lib, graph, op, only_primitives, p, err));
    count_bytes(lib, graph, op, p);
    return SPA_OK;
}

/* ---- the table ----------------------------------------------------------------------------------
 */

static spa_status probe(spa_error *err)
{
    const spa_onednn_library *lib;
    SPA_TRY(spa_backend_blas.probe(err));
    return spa_onednn_load(&lib, err);
}

static void release(void *state)
{
    const spa_onednn_library *lib;
    prepared *s = state;
    if (s == NULL) return;
    if (spa_onednn_load(&lib, NULL) == SPA_OK) drop_description(lib, &s->plan);
    spa_onednn_primitive_free(s->primitive);
    spa_backend_blas.release(s->dense);
    free(s);
}

static spa_status make_primitive(const spa_onednn_library *lib, const spa_op *op,
                                 const float *const *params, prepared *s, spa_error *err)
{
    int threads = spa_onednn_enter(lib);
    spa_status status = spa_onednn_primitive_new(&s->primitive, lib, op, params, s->plan.pd, err);
    spa_onednn_leave(lib, threads);
    drop_description(lib, &s->plan); /* the primitive has its own */
    return status;
}

static spa_status prepare_by(const spa_graph *graph, const spa_op *op, const float *const *params,
                             bool only_primitives, void **state, spa_error *err)
{
    const spa_onednn_library *lib;
    prepared *s;
    *state = NULL;
    SPA_TRY(spa_onednn_load(&lib, err));
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    spa_status status = plan_op(lib, graph, op, only_primitives, &s->plan, err);
    if (status == SPA_OK) {
        if (s->plan.way == WAY_PRIMITIVE)
            status = make_primitive(lib, op, params, s, err);
        else
            status = spa_backend_blas.prepare(graph, op, params, &s->dense, err);
    }
    if (status != SPA_OK)
        release(s);
    else
        *state = s;
    return status;
}

static size_t workspace_by(const spa_graph *graph, const spa_op *op, bool only_primitives)
{
    const spa_onednn_library *lib;
    plan p;
    if (spa_onednn_load(&lib, NULL) != SPA_OK ||
        plan_op(lib, graph, op, only_primitives, &p, NULL) != SPA_OK)
        return 0; /* then prepare fails */
    drop_description(lib, &p);
    return p.bytes;
}

/* Takes `bytes` from a workspace. */
static void *take(char **workspace, size_t bytes)
{
    void *memory = *workspace;
    *workspace += bytes;
    return memory;
}

static spa_status run_inner(const prepared *s, const spa_kernel_args *args, spa_error *err)
{
    const float *pair[2];
    const float *const *inputs = args->inputs;
    if (s->plan.way == WAY_DENSE) return spa_backend_blas.run(args, err);
    if (s->plan.way == WAY_LOOP) {
        spa_onednn_loop(args);
        return SPA_OK;
    }
    if (args->op->n_inputs == 1) { /* the second operand of add and mul may be a parameter */
        pair[0] = args->inputs[0];
        pair[1] = args->params != NULL ? args->params[0] : NULL;
        inputs = pair;
    }
    return spa_onednn_primitive_run(s->primitive, inputs, args->output, args->workspace, err);
}

static spa_status run(const spa_kernel_args *args, spa_error *err)
{
    const prepared *s = args->state;
    const plan *p = &s->plan;
    const spa_op *op = args->op;
    const float *inputs[SPA_MAX_OP_INPUTS];
    spa_kernel_args inner = *args;
    char *workspace = args->workspace;
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        const spa_shape *shape = spa_graph_input_shape(args->graph, op, i);
        inputs[i] = args->inputs[i];
        if (p->given[i] == p->inner[i]) continue;
        float *form = take(&workspace, form_bytes(shape, p->given[i], p->inner[i]));
        (p->inner[i] == SPA_LAYOUT_BLOCKED ? spa_onednn_block_image : spa_onednn_unblock_image)(
            shape, args->inputs[i], form);
        inputs[i] = form;
    }
    inner.inputs = inputs;
    inner.state = s->dense;
    bool turns = p->given_output != p->inner_output;
    if (turns)
        inner.output = take(&workspace, form_bytes(&op->out, p->given_output, p->inner_output));
    inner.workspace = workspace;
    SPA_TRY(run_inner(s, &inner, err));
    if (turns)
        (p->inner_output == SPA_LAYOUT_BLOCKED ? spa_onednn_unblock_image : spa_onednn_block_image)(
            &op->out, inner.output, args->output);
    return SPA_OK;
}

static spa_status prepare(const spa_graph *graph, const spa_op *op, const float *const *params,
                          void **state, spa_error *err)
{
    return prepare_by(graph, op, params, false, state, err);
}

static spa_status prepare_primitives(const spa_graph *graph, const spa_op *op,
                                     const float *const *params, void **state, spa_error *err)
{
    return prepare_by(graph, op, params, true, state, err);
}

static size_t workspace_bytes(const spa_graph *graph, const spa_op *op)
{
    return workspace_by(graph, op, false);
}

static size_t workspace_bytes_primitives(const spa_graph *graph, const spa_op *op)
{
    return workspace_by(graph, op, true);
}

static void describe(char *text, size_t size)
{
    const spa_onednn_library *lib;
    char name[64] = "not loaded", dense[128];
    if (spa_onednn_load(&lib, NULL) == SPA_OK) spa_onednn_library_name(lib, name, sizeof name);
    spa_backend_blas.describe(dense, sizeof dense);
    snprintf(text, size, "oneDNN %s, %zu-channel blocks, over %s", name, spa_onednn_block(), dense);
}

#else /* the backend is listed all the same, and says why it cannot run */

#ifndef SPA_ONEDNN_MISSING
#define SPA_ONEDNN_MISSING "dnnl.h was not there"
#endif

static spa_status probe(spa_error *err)
{
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "backend 'onednn' is not in this build (%s); install libdnnl-dev (`make deps`) "
                    "and build again with ONEDNN=1",
                    SPA_ONEDNN_MISSING);
}

static spa_status prepare(const spa_graph *graph, const spa_op *op, const float *const *params,
                          void **state, spa_error *err)
{
    *state = NULL;
    return probe(err);
}

static spa_status run(const spa_kernel_args *args, spa_error *err)
{
    return probe(err);
}

static size_t workspace_bytes(const spa_graph *graph, const spa_op *op)
{
    return 0;
}

static void release(void *state) {}

static void describe(char *text, size_t size)
{
    snprintf(text, size, "oneDNN: not in this build");
}

#define prepare_primitives         prepare
#define workspace_bytes_primitives workspace_bytes
#endif

static bool supports(const spa_graph *graph, const spa_op *op)
{
    return spa_backend_blas.supports(graph, op);
}

const spa_backend spa_backend_onednn = {
    .name = "onednn",
    .summary = "dense: oneDNN on channel-blocked tensors, vectorised loops where they are faster",
    .probe = probe,
    .supports = supports,
    .prepare = prepare,
    .release = release,
    .workspace_bytes = workspace_bytes,
    .run = run,
    .describe = describe,
    .layout = spa_onednn_layout,
    .layout_bytes = spa_onednn_layout_bytes,
    .to_plain = spa_onednn_to_plain,
    .from_plain = spa_onednn_from_plain,
};

const spa_backend spa_backend_onednn_primitives = {
    .name = "onednn-primitives",
    .summary = "oneDNN's own primitives wherever it has one, in the layouts of onednn",
    .probe = probe,
    .supports = supports,
    .prepare = prepare_primitives,
    .release = release,
    .workspace_bytes = workspace_bytes_primitives,
    .run = run,
    .describe = describe,
    .layout = spa_onednn_layout,
    .layout_bytes = spa_onednn_layout_bytes,
    .to_plain = spa_onednn_to_plain,
    .from_plain = spa_onednn_from_plain,
};
