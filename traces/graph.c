/* Graphs: building, consumers, totals, content hash, input sparsities. */
#include "traces/graph.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "traces/operator.h"

void spa_graph_init(spa_graph *graph, const char *name, int32_t batch, spa_dtype dtype)
{
    *graph = (spa_graph){
        .name = name, .dtype = dtype, .batch = batch, .graph_input_sparsity = (double)NAN};
    spa_arena_init(&graph->arena);
}

void spa_graph_fini(spa_graph *graph)
{
    if (graph == NULL) return;
    if (graph->source != NULL) graph->source->free(graph->source);
    free(graph->ops);
    free(graph->inputs);
    free(graph->name_slots);
    free(graph->first_consumer);
    free(graph->consumers);
    spa_arena_fini(&graph->arena);
    *graph = (spa_graph){0};
}

const spa_shape *spa_graph_input_shape(const spa_graph *graph, const spa_op *op, size_t i)
{
    int32_t from = graph->inputs[op->first_input + i];
    return from >= 0 ? &graph->ops[from].out : &graph->graph_inputs[~from];
}

/* ---- names ------------------------------------------------------------------------------- */

/* Slot that holds `name`, or the free slot where it belongs. The table is never full. */
static size_t find_slot(const spa_graph *graph, const char *name)
{
    size_t mask = graph->n_name_slots - 1;
    size_t slot = (size_t)spa_hash_bytes(SPA_HASH_SEED, name, strlen(name)) & mask;
    while (graph->name_slots[slot] != 0 &&
           strcmp(graph->ops[graph->name_slots[slot] - 1].name, name) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

int32_t spa_graph_find(const spa_graph *graph, const char *name)
{
    if (graph->n_name_slots == 0) return -1;
    return (int32_t)graph->name_slots[find_slot(graph, name)] - 1;
}

/* Keeps the table at most half full. */
static spa_status make_name_room(spa_graph *graph, spa_error *err)
{
    if (graph->n_ops + 1 <= graph->n_name_slots / 2) return SPA_OK;
    size_t n = graph->n_name_slots == 0 ? 64 : graph->n_name_slots * 2;
    uint32_t *slots = NULL;
    SPA_TRY(spa_alloc(&slots, n, sizeof *slots, err));
    free(graph->name_slots);
    graph->name_slots = slots;
    graph->n_name_slots = n;
    for (size_t i = 0; i < graph->n_ops; i++)
        slots[find_slot(graph, graph->ops[i].name)] = (uint32_t)i + 1;
    return SPA_OK;
}

/* ---- building ---------------------------------------------------------------------------- */

static spa_status check_graph(const spa_graph *graph, spa_error *err)
{
    if (graph->batch < 1 || graph->batch > SPA_MAX_DIM)
        return spa_fail(err, SPA_E_RANGE, "graph '%s': batch %d; 1 to %d are possible", graph->name,
                        (int)graph->batch, (int)SPA_MAX_DIM);
    size_t most = sizeof graph->graph_inputs / sizeof graph->graph_inputs[0];
    if (graph->n_graph_inputs > most)
        return spa_fail(err, SPA_E_RANGE, "graph '%s': %zu input tensors; %zu are possible",
                        graph->name, graph->n_graph_inputs, most);
    return SPA_OK;
}

static spa_status collect_inputs(const spa_graph *graph, spa_op_request *request,
                                 const int32_t *inputs, size_t n_inputs, spa_error *err)
{
    const char *name = request->name;
    if (n_inputs > SPA_MAX_OP_INPUTS)
        return spa_fail(err, SPA_E_RANGE, "operator '%s': %zu inputs; %d are possible", name,
                        n_inputs, SPA_MAX_OP_INPUTS);
    for (size_t i = 0; i < n_inputs; i++) {
        int32_t from = inputs[i];
        if (from >= 0 && (size_t)from >= graph->n_ops)
            return spa_fail(err, SPA_E_INVALID,
                            "operator '%s': input %zu is operator %d, which is not there yet; "
                            "operators must be in topological order",
                            name, i, (int)from);
        if (from < 0 && (size_t)~from >= graph->n_graph_inputs)
            return spa_fail(err, SPA_E_INVALID,
                            "operator '%s': input %zu is graph input %d; the graph has %zu", name,
                            i, (int)~from, graph->n_graph_inputs);
        request->in[i] = from >= 0 ? &graph->ops[from].out : &graph->graph_inputs[~from];
        if (from < 0) {
            char what[300];
            snprintf(what, sizeof what, "graph '%.200s': input %d", graph->name, (int)~from);
            SPA_TRY(spa_shape_check(request->in[i], what, err));
        }
    }
    request->n_in = n_inputs;
    return SPA_OK;
}

/* A name ends up in space-separated lists and starts with no '@', which marks graph inputs. */
static spa_status check_name(const spa_graph *graph, const char *name, spa_error *err)
{
    if (name == NULL || name[0] == '\0')
        return spa_fail(err, SPA_E_INVALID, "operator %zu has no name", graph->n_ops);
    bool printable = name[0] != '@';
    for (const char *p = name; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || *p == 127 || *p == '"' || *p == ',') printable = false;
    if (!printable || strlen(name) > 255)
        return spa_fail(err, SPA_E_INVALID,
                        "operator name '%.255s': at most 255 characters, no blanks, commas or "
                        "quotes, no '@' in front",
                        name);
    if (spa_graph_find(graph, name) >= 0)
        return spa_fail(err, SPA_E_INVALID, "two operators are named '%s'; rename one", name);
    return SPA_OK;
}

/* Room for one more operator with n inputs; on failure the graph is as it was. */
static spa_status make_room(spa_graph *graph, size_t n_inputs, spa_error *err)
{
    if (graph->n_ops >= SPA_MAX_OPERATORS)
        return spa_fail(err, SPA_E_RANGE, "graph '%s': more than %zu operators", graph->name,
                        SPA_MAX_OPERATORS);
    SPA_TRY(spa_grow(&graph->ops, &graph->ops_capacity, graph->n_ops + 1, sizeof *graph->ops, err));
    SPA_TRY(spa_grow(&graph->inputs, &graph->edges_capacity, graph->n_edges + n_inputs,
                     sizeof *graph->inputs, err));
    return make_name_room(graph, err);
}

spa_status spa_graph_add(spa_graph *graph, const char *name, spa_op_kind kind,
                         const spa_op_attrs *attrs, const int32_t *inputs, size_t n_inputs,
                         const spa_shape *out, int32_t *index, spa_error *err)
{
    const spa_fusion none = {.stream = (uint32_t)graph->n_ops};
    return spa_graph_add_fused(graph, name, kind, attrs, inputs, n_inputs, out, &none, index, err);
}

/* Takes the steps over; the operator's output is known. */
static spa_status take_steps(spa_graph *graph, const spa_op_request *request, spa_op *op,
                             spa_error *err)
{
    spa_op_step *steps = NULL;
    if (request->n_steps == 0) return SPA_OK;
    SPA_TRY(spa_op_check_steps(request, &op->out, err));
    SPA_TRY(spa_arena_alloc(&graph->arena, &steps, request->n_steps, sizeof *steps, err));
    memcpy(steps, request->steps, request->n_steps * sizeof *steps);
    op->steps = steps;
    op->n_steps = (uint32_t)request->n_steps;
    return SPA_OK;
}

spa_status spa_graph_add_fused(spa_graph *graph, const char *name, spa_op_kind kind,
                               const spa_op_attrs *attrs, const int32_t *inputs, size_t n_inputs,
                               const spa_shape *out, const spa_fusion *fusion, int32_t *index,
                               spa_error *err)
{
    if (index != NULL) *index = -1;
    spa_op_request request = {
        .name = name, .kind = kind, .n_steps = fusion->n_steps, .steps = fusion->steps};
    if (attrs != NULL) request.attrs = *attrs;
    if (out != NULL) request.given = *out;
    spa_op op = {.kind = kind,
                 .n_inputs = (uint32_t)n_inputs,
                 .first_input = (uint32_t)graph->n_edges, /* <= 2^20 * 64 */
                 .stream = fusion->stream,
                 .n_operands = (uint32_t)spa_steps_operands(fusion->steps, fusion->n_steps),
                 .sparsity = (double)NAN,
                 .input_sparsity = (double)NAN,
                 .weight_sparsity = (double)NAN};

    SPA_TRY(check_graph(graph, err));
    SPA_TRY(check_name(graph, name, err));
    SPA_TRY(make_room(graph, n_inputs < SPA_MAX_OP_INPUTS ? n_inputs : SPA_MAX_OP_INPUTS, err));
    SPA_TRY(collect_inputs(graph, &request, inputs, n_inputs, err)); /* after growing: pointers */
    SPA_TRY(spa_op_check(&request, err));
    SPA_TRY(spa_op_infer(&request, &op.out, err));
    SPA_TRY(take_steps(graph, &request, &op, err));
    SPA_TRY(spa_arena_strdup(&graph->arena, &op.name, name, err));
    op.attrs = request.attrs;
    /* Nothing counts as there until n_ops and n_edges say so. */
    if (n_inputs > 0) memcpy(graph->inputs + graph->n_edges, inputs, n_inputs * sizeof *inputs);
    SPA_TRY(spa_op_derive(graph, &op, err));

    size_t slot = find_slot(graph, name);
    graph->ops[graph->n_ops] = op;
    graph->name_slots[slot] = (uint32_t)graph->n_ops + 1;
    if (index != NULL) *index = (int32_t)graph->n_ops;
    graph->n_ops++;
    graph->n_edges += n_inputs;
    return SPA_OK;
}

/* ---- finishing --------------------------------------------------------------------------- */

static spa_status build_consumers(spa_graph *graph, spa_error *err)
{
    size_t n_between = 0;
    for (size_t e = 0; e < graph->n_edges; e++) n_between += graph->inputs[e] >= 0;
    uint32_t *first = NULL;
    int32_t *consumers = NULL;
    spa_status status = spa_alloc(&first, graph->n_ops + 1, sizeof *first, err);
    if (status == SPA_OK) status = spa_alloc(&consumers, n_between, sizeof *consumers, err);
    if (status != SPA_OK) {
        free(first);
        return status;
    }
    free(graph->first_consumer);
    free(graph->consumers);
    graph->first_consumer = first;
    graph->consumers = consumers;

    /* Counting sort: first[p + 1] counts, then prefix sums, then fill by consumer order. */
    for (size_t e = 0; e < graph->n_edges; e++)
        if (graph->inputs[e] >= 0) first[graph->inputs[e] + 1]++;
    for (size_t i = 0; i < graph->n_ops; i++) first[i + 1] += first[i];
    for (size_t c = 0; c < graph->n_ops; c++) {
        const spa_op *op = &graph->ops[c];
        for (uint32_t i = 0; i < op->n_inputs; i++) {
            int32_t p = graph->inputs[op->first_input + i];
            if (p >= 0) consumers[first[p]++] = (int32_t)c;
        }
    }
    /* Filling moved every start to its end, which is the next one's start: move back. */
    for (size_t i = graph->n_ops; i > 0; i--) first[i] = first[i - 1];
    first[0] = 0;
    return SPA_OK;
}

static uint64_t hash_i64(uint64_t h, int64_t value)
{
    return spa_hash_u64(h, (uint64_t)value);
}

static uint64_t hash_shape(uint64_t h, const spa_shape *shape)
{
    h = hash_i64(h, shape->rank);
    for (int32_t i = 0; i < shape->rank; i++) h = hash_i64(h, shape->dim[i]);
    return h;
}

/* Values one by one, never struct bytes: the same on every machine. */
static uint64_t hash_attrs(uint64_t h, const spa_op_attrs *a)
{
    const int32_t numbers[] = {a->kernel_h,   a->kernel_w,   a->stride_h,    a->stride_w,
                               a->dilation_h, a->dilation_w, a->pad_top,     a->pad_left,
                               a->pad_bottom, a->pad_right,  a->groups,      a->axis,
                               a->has_bias,   a->ceil_mode,  a->transpose_b, a->param_learned};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) h = hash_i64(h, numbers[i]);
    for (int i = 0; i < SPA_MAX_RANK; i++) h = hash_i64(h, a->begin[i]);
    for (int i = 0; i < SPA_MAX_RANK; i++) h = hash_i64(h, a->step[i]);
    for (int i = 0; i < SPA_MAX_RANK; i++) h = hash_i64(h, a->perm[i]);
    h = hash_shape(h, &a->param_shape);
    uint64_t alpha_bits; /* IEEE 754 everywhere; spa_op_check removed -0.0 and NaN */
    memcpy(&alpha_bits, &a->alpha, sizeof alpha_bits);
    return spa_hash_u64(h, alpha_bits);
}

/* Without the stream: parameters are no content. */
static uint64_t hash_step(uint64_t h, const spa_op_step *s)
{
    const char *kind = spa_op_kind_name(s->kind);
    uint64_t alpha_bits;
    h = spa_hash_bytes(h, kind, strlen(kind));
    h = hash_i64(h, s->from_input | s->param_learned << 1 | s->adds_bias << 2);
    h = hash_shape(h, &s->param_shape);
    memcpy(&alpha_bits, &s->alpha, sizeof alpha_bits);
    return spa_hash_u64(h, alpha_bits);
}

/* Attributes that only generic kinds have: the hashes of all others stay what they were. */
static uint64_t hash_generic(uint64_t h, const spa_op *op)
{
    if ((spa_op_kind_uses(op->kind) & SPA_USES_FN) == 0) return h;
    const char *fn = spa_fn_name(op->attrs.fn);
    uint64_t beta_bits;
    memcpy(&beta_bits, &op->attrs.beta, sizeof beta_bits);
    return spa_hash_u64(spa_hash_bytes(h, fn, strlen(fn)), beta_bits);
}

/* Kinds by name, so that a new kind in the middle of the list changes no hash. */
static uint64_t hash_graph(const spa_graph *graph)
{
    uint64_t h = SPA_HASH_SEED;
    h = hash_i64(h, graph->batch);
    h = hash_i64(h, (int64_t)spa_dtype_bytes(graph->dtype));
    h = hash_i64(h, (int64_t)graph->n_graph_inputs);
    for (size_t i = 0; i < graph->n_graph_inputs; i++) h = hash_shape(h, &graph->graph_inputs[i]);
    h = hash_i64(h, (int64_t)graph->n_ops);
    for (size_t i = 0; i < graph->n_ops; i++) {
        const spa_op *op = &graph->ops[i];
        const char *kind = spa_op_kind_name(op->kind);
        h = spa_hash_bytes(h, kind, strlen(kind));
        h = hash_shape(h, &op->out);
        h = hash_attrs(h, &op->attrs);
        h = hash_generic(h, op);
        h = hash_i64(h, op->n_inputs);
        for (uint32_t k = 0; k < op->n_inputs; k++)
            h = hash_i64(h, graph->inputs[op->first_input + k]);
        for (uint32_t k = 0; k < op->n_steps; k++) h = hash_step(h, &op->steps[k]);
    }
    return h;
}

spa_status spa_graph_finish(spa_graph *graph, spa_error *err)
{
    SPA_TRY(check_graph(graph, err));
    const char *name = NULL;
    SPA_TRY(spa_arena_strdup(&graph->arena, &name, graph->name != NULL ? graph->name : "", err));
    graph->name = name;
    for (size_t i = 0; i < graph->n_graph_inputs; i++) {
        char what[300];
        snprintf(what, sizeof what, "graph '%.200s': input %zu", name, i);
        SPA_TRY(spa_shape_check(&graph->graph_inputs[i], what, err));
    }
    graph->total_macs = graph->total_params = 0;
    for (size_t i = 0; i < graph->n_ops; i++) {
        spa_op *op = &graph->ops[i];
        if (!spa_add_i64(graph->total_macs, op->macs, &graph->total_macs) ||
            !spa_add_i64(graph->total_params, op->n_learned, &graph->total_params))
            return spa_fail(err, SPA_E_RANGE, "graph '%s': its totals do not fit 64 bits", name);
    }
    SPA_TRY(build_consumers(graph, err));
    spa_graph_propagate_sparsity(graph);
    graph->hash = hash_graph(graph);
    return SPA_OK;
}

/* ---- sparsity ---------------------------------------------------------------------------- */

/* Zeros read over elements read; one unknown producer makes it unknown. An operator without
 * inputs reads no zeros. What steps read saves no work of the operator's own. */
void spa_graph_propagate_sparsity(spa_graph *graph)
{
    for (size_t i = 0; i < graph->n_ops; i++) {
        spa_op *op = &graph->ops[i];
        double zeros = 0, elements = 0;
        for (uint32_t k = 0; k < op->n_inputs - op->n_operands; k++) {
            int32_t from = graph->inputs[op->first_input + k];
            double n = (double)spa_shape_elements(spa_graph_input_shape(graph, op, k));
            zeros += n * (from >= 0 ? graph->ops[from].sparsity : graph->graph_input_sparsity);
            elements += n;
        }
        op->input_sparsity = elements > 0 ? zeros / elements : 0;
    }
}
