/* ONNX import: values by name, the walk over the nodes, the graph's ends; see onnx_import.h. */
#include "traces/onnx_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "traces/operator.h"

spa_onnx_options spa_onnx_options_default(void)
{
    return (spa_onnx_options){.dtype = -1};
}

bool spa_onnx_is_file(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".onnx") == 0;
}

/* ---- values by name ------------------------------------------------------------------------ */

/* Where this name is in the table, or belongs. */
static size_t slot_of(const onnx_import *im, const char *name)
{
    size_t mask = im->n_slots - 1;
    size_t slot = (size_t)spa_hash_bytes(SPA_HASH_SEED, name, strlen(name)) & mask;
    while (im->slots[slot] != 0 && strcmp(im->values[im->slots[slot] - 1].name, name) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

/* The value of this name; made when it is new. The table has room for every name of the file. */
static onnx_value *value_of(onnx_import *im, const char *name)
{
    size_t slot = slot_of(im, name);
    if (im->slots[slot] != 0) return &im->values[im->slots[slot] - 1];
    onnx_value *v = &im->values[im->n_values++];
    *v = (onnx_value){.name = name, .producer = ONNX_NOWHERE, .node = -1, .roll_from = -1};
    im->slots[slot] = (uint32_t)im->n_values;
    return v;
}

static spa_status make_tables(onnx_import *im, spa_error *err)
{
    const onnx_file *f = &im->file;
    size_t names = f->n_tensors + f->n_inputs + f->n_outputs + f->n_infos;
    for (size_t i = 0; i < f->n_nodes; i++) names += f->nodes[i].n_inputs + f->nodes[i].n_outputs;
    im->n_slots = 64;
    while (im->n_slots < 2 * names) im->n_slots *= 2;
    SPA_TRY(spa_arena_alloc(im->arena, &im->values, names + 1, sizeof *im->values, err));
    SPA_TRY(spa_arena_alloc(im->arena, &im->slots, im->n_slots, sizeof *im->slots, err));
    SPA_TRY(spa_arena_alloc(im->arena, &im->node_in, f->n_nodes + 1, sizeof *im->node_in, err));
    SPA_TRY(spa_arena_alloc(im->arena, &im->node_out, f->n_nodes + 1, sizeof *im->node_out, err));
    return spa_arena_alloc(im->arena, &im->done, f->n_nodes + 1, sizeof *im->done, err);
}

static spa_status fail_twice(const onnx_import *im, const char *name, spa_error *err)
{
    return spa_fail_at(err, SPA_E_PARSE, im->file.path, 0,
                       "'%.200s' is made twice; every value has one origin", name);
}

/* ---- what the file gives ------------------------------------------------------------------- */

static void set_constant(onnx_value *v, const onnx_tensor *t)
{
    v->state = ONNX_CONSTANT;
    v->tensor = t;
    v->type = t->type;
    v->rank = t->rank;
    v->count = t->count;
    memcpy(v->dim, t->dim, sizeof v->dim);
}

static spa_status add_tensors(onnx_import *im, bool in_memory, spa_error *err)
{
    for (size_t i = 0; i < im->file.n_tensors; i++) {
        onnx_tensor *t = &im->file.tensors[i];
        if (t->is_external) SPA_TRY(onnx_source_open_external(im->source, in_memory, t, err));
        onnx_value *v = value_of(im, t->name);
        if (v->state != ONNX_ABSENT) return fail_twice(im, t->name, err);
        spa_error cause;
        if (onnx_type_bytes(t->type) > 0 && onnx_tensor_check(t, &cause) != SPA_OK)
            return spa_fail_at(err, cause.status, im->file.path, 0, "%s", cause.message);
        set_constant(v, t);
    }
    return SPA_OK;
}

/* "name=1x128" for this input, or NULL. */
static const char *asked_shape(const onnx_import *im, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < im->options->n_shapes; i++) {
        const char *text = im->options->shapes[i];
        if (strncmp(text, name, n) == 0 && text[n] == '=') return text + n + 1;
    }
    return NULL;
}

static spa_status take_shape(const onnx_import *im, onnx_value *v, const char *text, spa_error *err)
{
    int32_t rank = 0;
    for (const char *p = text;; p++) {
        char number[24] = "";
        size_t n = strcspn(p, "x");
        if (n < sizeof number) memcpy(number, p, n);
        if (rank == SPA_MAX_RANK || !spa_parse_i64(number, &v->dim[rank]) || v->dim[rank] < 1)
            return spa_fail(err, SPA_E_USAGE, "input '%.100s': '%.60s' is no shape; write 1x128",
                            v->name, text);
        int64_t fixed =
            v->info->shape.known && rank < v->info->shape.rank ? v->info->shape.dim[rank] : -1;
        if (fixed >= 0 && fixed != v->dim[rank])
            return spa_fail(err, SPA_E_USAGE, "input '%.100s': dimension %d is %lld in the file",
                            v->name, (int)rank, (long long)fixed);
        rank++;
        p += n;
        if (*p == '\0') break;
    }
    if (v->info->shape.known && rank != v->info->shape.rank)
        return spa_fail(err, SPA_E_USAGE, "input '%.100s' has %d dimensions in the file", v->name,
                        (int)v->info->shape.rank);
    v->rank = rank;
    return SPA_OK;
}

/* The first dimension is the batch where it is open; other open ones must be given. */
static spa_status choose_shape(const onnx_import *im, onnx_value *v, spa_error *err)
{
    const onnx_dims *d = &v->info->shape;
    const char *asked = asked_shape(im, v->name), *path = im->file.path;
    int32_t batch = im->options->batch;
    if (asked != NULL) return take_shape(im, v, asked, err);
    if (!d->known)
        return spa_fail_at(err, SPA_E_UNSUPPORTED, path, 0,
                           "input '%.100s' has no shape; give one: sparoa import onnx FILE --shape "
                           "'%.100s=1x3x224x224' -o OUT.graph.csv",
                           v->name, v->name);
    v->rank = d->rank;
    for (int32_t i = 0; i < d->rank; i++) {
        v->dim[i] = d->dim[i];
        if (d->dim[i] >= 0 && (i > 0 || batch == 0 || d->dim[i] == batch)) continue;
        if (i > 0)
            return spa_fail_at(err, SPA_E_UNSUPPORTED, path, 0,
                               "dimension %d ('%.60s') of input '%.100s' is open; give a shape: "
                               "sparoa import onnx FILE --shape '%.100s=1x128' -o OUT.graph.csv",
                               (int)i, d->param[i] != NULL ? d->param[i] : "?", v->name, v->name);
        if (d->dim[i] >= 0 && d->rank > 1)
            return spa_fail_at(err, SPA_E_USAGE, path, 0,
                               "input '%.100s' is for batch %lld; leave --batch out or export the "
                               "model with an open one",
                               v->name, (long long)d->dim[i]);
        if (d->dim[i] >= 0) continue;
        v->dim[i] = batch > 0 ? batch : 1;
    }
    return SPA_OK;
}

static spa_status find_given(onnx_import *im, onnx_value *v, spa_error *err)
{
    for (size_t i = 0; i < im->options->n_given; i++) {
        const spa_onnx_given *g = &im->options->given[i];
        onnx_tensor *t;
        bool is_it = g->input != NULL ? strcmp(g->input, v->name) == 0
                                      : (int32_t)i == (int32_t)(v->info - im->file.inputs);
        if (!is_it) continue;
        SPA_TRY(spa_arena_alloc(im->arena, &t, 1, sizeof *t, err));
        SPA_TRY(onnx_tensor_parse(t, im->file.path, g->data, g->size, im->arena, err));
        if (v->info->type != 0 && t->type != v->info->type)
            return spa_fail_at(err, SPA_E_INVALID, im->file.path, 0,
                               "the value given for input '%.100s' is %s; the model says %s",
                               v->name, onnx_type_name(t->type), onnx_type_name(v->info->type));
        bool numbers = onnx_type_bytes(t->type) > 0;
        if (!numbers || t->is_external || onnx_tensor_check(t, NULL) != SPA_OK) return SPA_OK;
        set_constant(v, t); /* its shape, too: that of the description may be open */
        v->state = ONNX_INPUT;
    }
    return SPA_OK;
}

static spa_status add_inputs(onnx_import *im, spa_error *err)
{
    spa_onnx_report *report = im->report;
    SPA_TRY(spa_arena_alloc(im->arena, &report->inputs, im->file.n_inputs + 1,
                            sizeof *report->inputs, err));
    for (size_t i = 0; i < im->file.n_inputs; i++) {
        const onnx_info *info = &im->file.inputs[i];
        onnx_value *v = value_of(im, info->name);
        v->info = info;
        if (v->state == ONNX_CONSTANT) continue; /* a weight: old writers list them as inputs */
        if (v->state != ONNX_ABSENT) return fail_twice(im, info->name, err);
        v->state = ONNX_INPUT;
        v->type = info->type;
        SPA_TRY(find_given(im, v, err));
        if (v->tensor == NULL && info->type != 0) SPA_TRY(choose_shape(im, v, err));
        v->count = 1;
        for (int32_t k = 0; k < v->rank; k++)
            if (!spa_mul_i64(v->count, v->dim[k], &v->count) || v->count > SPA_MAX_ELEMENTS)
                return spa_fail_at(err, SPA_E_RANGE, im->file.path, 0,
                                   "input '%.200s' has more than 2^40 elements", info->name);
        report->inputs[report->n_inputs++] =
            (spa_onnx_value){info->name, SPA_ONNX_UNUSED, v->type, v->rank};
    }
    return SPA_OK;
}

/* ---- nodes --------------------------------------------------------------------------------- */

static spa_status link_node(onnx_import *im, size_t i, spa_error *err)
{
    const onnx_node *n = &im->file.nodes[i];
    SPA_TRY(spa_arena_alloc(im->arena, &im->node_in[i], n->n_inputs + 1, sizeof(int32_t), err));
    SPA_TRY(spa_arena_alloc(im->arena, &im->node_out[i], n->n_outputs + 1, sizeof(int32_t), err));
    for (size_t k = 0; k < n->n_inputs; k++) {
        im->node_in[i][k] = -1;
        if (n->inputs[k][0] == '\0') continue;
        onnx_value *v = value_of(im, n->inputs[k]);
        im->node_in[i][k] = (int32_t)(v - im->values);
    }
    for (size_t k = 0; k < n->n_outputs; k++) {
        im->node_out[i][k] = -1;
        if (n->outputs[k][0] == '\0') continue;
        onnx_value *v = value_of(im, n->outputs[k]);
        if (v->node >= 0 || v->state != ONNX_ABSENT) return fail_twice(im, v->name, err);
        v->node = (int32_t)i;
        im->node_out[i][k] = (int32_t)(v - im->values);
    }
    return SPA_OK;
}

static spa_status link_nodes(onnx_import *im, spa_error *err)
{
    for (size_t i = 0; i < im->file.n_nodes; i++) SPA_TRY(link_node(im, i, err));
    for (size_t i = 0; i < im->file.n_infos; i++) {
        onnx_value *v = value_of(im, im->file.infos[i].name);
        v->info = &im->file.infos[i];
    }
    for (size_t i = 0; i < im->file.n_outputs; i++) {
        onnx_value *v = value_of(im, im->file.outputs[i].name);
        v->is_output = true;
        if (v->info == NULL) v->info = &im->file.outputs[i];
    }
    return SPA_OK;
}

/* What a file of this program says about values in its metadata. */
static void take_props(onnx_import *im)
{
    static const char factor[] = "sparoa.factor.", buffer[] = "sparoa.buffer.";
    size_t n = sizeof factor - 1; /* of both */
    for (size_t i = 0; i < im->file.n_props; i++) {
        const onnx_prop *p = &im->file.props[i];
        bool is_factor = strncmp(p->key, factor, n) == 0;
        if (!is_factor && strncmp(p->key, buffer, n) != 0) continue;
        uint32_t index = im->slots[slot_of(im, p->key + n)];
        if (index == 0) continue;
        onnx_value *v = &im->values[index - 1];
        if (is_factor)
            v->exact = p->value;
        else
            v->is_buffer = true;
    }
}

/* Marks what no output needs: it is left out. Nodes are in order, so one pass from the end does it.
 * Then counts who reads what among the others. */
static void mark_dead(onnx_import *im)
{
    for (size_t i = im->file.n_nodes; i-- > 0;) {
        const onnx_node *n = &im->file.nodes[i];
        im->done[i] = true;
        for (size_t k = 0; k < n->n_outputs; k++) {
            int32_t v = im->node_out[i][k];
            if (v >= 0 && (im->values[v].uses > 0 || im->values[v].is_output)) im->done[i] = false;
        }
        if (im->done[i]) continue;
        for (size_t k = 0; k < n->n_inputs; k++) {
            if (im->node_in[i][k] < 0) continue;
            onnx_value *v = &im->values[im->node_in[i][k]];
            if (v->uses++ == 0) v->consumer = (int32_t)i; /* the last node that reads it */
        }
    }
}

/* ---- the walk ------------------------------------------------------------------------------ */

static const onnx_rule *const tables[] = {onnx_rules_nn,   onnx_rules_shape, onnx_rules_math,
                                          onnx_rules_norm, onnx_rules_view,  onnx_rules_more};

const onnx_rule *onnx_find_rule(const char *op_type)
{
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (const onnx_rule *r = tables[t]; r->op_type != NULL; r++)
            if (strcmp(r->op_type, op_type) == 0) return r;
    return NULL;
}

spa_fn onnx_rule_fn(const onnx_import *im)
{
    return onnx_find_rule(im->node->op_type)->fn;
}

static bool is_standard(const char *domain)
{
    return domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0;
}

static spa_status lower_by_rule(onnx_import *im, spa_error *err)
{
    const onnx_rule *rule = onnx_find_rule(im->node->op_type);
    if (rule == NULL || !is_standard(im->node->domain))
        return onnx_no_rule(im, err, "this operator has no rule here");
    for (size_t i = 0; i < im->node->n_inputs; i++) {
        const onnx_value *v = onnx_in(im, i);
        if (v != NULL && v->state == ONNX_ABSENT)
            return onnx_fail(im, SPA_E_PARSE, err,
                             "reads '%.100s' before it is made: a cycle, or nodes out of order",
                             v->name);
        if (v != NULL && onnx_type_bytes(v->type) == 0)
            return onnx_no_rule(im, err, "'%.100s' holds %s, no numbers", v->name,
                                onnx_type_name(v->type));
    }
    if (onnx_in(im, 0) == NULL || im->node->n_outputs == 0)
        return onnx_fail(im, SPA_E_PARSE, err, "it has no input or no output");
    return rule->lower(im, err);
}

typedef spa_status match_fn(onnx_import *im, bool *matched, spa_error *err);
static match_fn *const patterns[] = {onnx_match_relative_bias, onnx_match_gelu,
                                     onnx_match_layer_norm,    onnx_match_hard_swish,
                                     onnx_match_roll,          onnx_fold};

static spa_status lower_node(onnx_import *im, bool may_defer, spa_error *err)
{
    bool matched = false;
    spa_error cause;
    if (may_defer && onnx_may_defer(im)) return SPA_OK;
    size_t before = im->graph->n_ops;
    spa_status status = SPA_OK;
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0] && !matched && !status; i++)
        status = patterns[i](im, &matched, &cause);
    if (status == SPA_OK && !matched) status = lower_by_rule(im, &cause);
    if (im->no_memory) status = spa_fail_nomem(&cause, sizeof(double));
    if (status == SPA_E_UNSUPPORTED && im->graph->n_ops == before) {
        const char *text = strstr(cause.message, "): ");
        spa_error copy = cause;
        if (text != NULL) text = copy.message + (text - cause.message) + 3;
        status = onnx_lower_opaque(im, text != NULL ? text : copy.message, &cause);
    }
    if (status != SPA_OK && err != NULL) *err = cause;
    im->done[im->at] = true;
    return status;
}

#define MAX_DEPTH 64

spa_status onnx_lower_deferred(onnx_import *im, onnx_value *v, spa_error *err)
{
    const onnx_node *node = im->node;
    int32_t at = im->at;
    if (im->depth >= MAX_DEPTH)
        return onnx_fail(im, SPA_E_RANGE, err, "too many views of views before it");
    im->depth++;
    im->at = v->node;
    im->node = &im->file.nodes[v->node];
    v->state = ONNX_ABSENT;
    spa_status status = SPA_OK;
    if (v->roll_from >= 0) {
        int32_t x, index;
        spa_op_attrs attrs = {0};
        memcpy(attrs.begin, v->roll, sizeof attrs.begin);
        status = onnx_operand(im, &im->values[v->roll_from], &x, err);
        if (!status) status = onnx_emit_one(im, SPA_OP_ROLL, &attrs, x, &index, err);
        if (!status) status = onnx_set(im, v, index, err);
    } else {
        status = lower_node(im, false, err);
    }
    im->at = at;
    im->node = node;
    im->depth--;
    return status;
}

static spa_status lower_all(onnx_import *im, spa_error *err)
{
    for (size_t i = 0; i < im->file.n_nodes; i++) {
        if (im->done[i]) continue;
        im->at = (int32_t)i;
        im->node = &im->file.nodes[i];
        SPA_TRY(lower_node(im, true, err));
    }
    return SPA_OK;
}

/* ---- the graph's ends ---------------------------------------------------------------------- */

static spa_status take_output(onnx_import *im, size_t i, spa_error *err)
{
    const char *name = im->file.outputs[i].name;
    onnx_value *v = value_of(im, name);
    int32_t producer;
    im->end = (onnx_node){.name = name, .op_type = "output", .domain = ""};
    im->node = &im->end;
    if (v->state == ONNX_ABSENT && v->node < 0)
        return spa_fail_at(err, SPA_E_PARSE, im->file.path, 0, "nothing makes output '%.200s'",
                           name);
    if (v->state == ONNX_CONSTANT && (v->count == 0 || onnx_type_bytes(v->type) == 0))
        return SPA_OK;
    SPA_TRY(onnx_operand(im, v, &producer, err));
    if (producer < 0) { /* an input that is an output: a view, so that there is an operator */
        spa_shape shape = *onnx_shape_of(im, producer);
        SPA_TRY(onnx_emit(im, SPA_OP_RESHAPE, NULL, &producer, 1, &shape, &producer, err));
    }
    im->report->outputs[i] = (spa_onnx_value){name, producer, v->type, v->rank};
    return SPA_OK;
}

static spa_status take_ends(onnx_import *im, spa_error *err)
{
    spa_onnx_report *r = im->report;
    r->n_outputs = im->file.n_outputs;
    SPA_TRY(spa_arena_alloc(im->arena, &r->outputs, r->n_outputs + 1, sizeof *r->outputs, err));
    for (size_t i = 0; i < r->n_outputs; i++) {
        r->outputs[i].producer = SPA_ONNX_UNUSED;
        SPA_TRY(take_output(im, i, err));
    }
    for (size_t i = 0; i < r->n_inputs; i++) {
        const onnx_value *v = value_of(im, r->inputs[i].name);
        if (v->state == ONNX_RUNTIME) r->inputs[i].producer = v->producer;
    }
    if (im->graph->n_ops > 0) return SPA_OK;
    return spa_fail_at(err, SPA_E_UNSUPPORTED, im->file.path, 0,
                       "there is no operator in this model: its outputs are constants");
}

static spa_dtype choose_dtype(const onnx_import *im)
{
    if (im->options->dtype >= 0) return (spa_dtype)im->options->dtype;
    int64_t halves = 0, floats = 0; /* elements of weights */
    for (size_t i = 0; i < im->report->n_inputs; i++)
        if (im->report->inputs[i].type == ONNX_FLOAT16) return SPA_FP16;
    for (size_t i = 0; i < im->file.n_tensors; i++) { /* <= 2^20 * 2^40 */
        const onnx_tensor *t = &im->file.tensors[i];
        if (t->type == ONNX_FLOAT16) halves += t->count;
        if (t->type == ONNX_FLOAT) floats += t->count;
    }
    return halves > floats ? SPA_FP16 : SPA_FP32;
}

/* The file's name without folder and ending. */
static spa_status graph_name(const onnx_import *im, const char **name, spa_error *err)
{
    const char *slash = strrchr(im->file.path, '/');
    const char *start = slash != NULL ? slash + 1 : im->file.path;
    size_t n = strlen(start);
    char *copy;
    if (spa_onnx_is_file(start)) n -= 5;
    SPA_TRY(spa_arena_alloc(im->arena, &copy, n + 1, 1, err));
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)start[i];
        copy[i] = c <= ' ' || c == ',' || c == '"' || c >= 127 ? '_' : (char)c;
    }
    *name = copy;
    return SPA_OK;
}

static spa_status build(onnx_import *im, bool in_memory, spa_error *err)
{
    const char *name;
    SPA_TRY(make_tables(im, err));
    SPA_TRY(add_tensors(im, in_memory, err));
    SPA_TRY(add_inputs(im, err));
    SPA_TRY(link_nodes(im, err));
    mark_dead(im);
    take_props(im);
    SPA_TRY(graph_name(im, &name, err));
    im->graph->name = name;
    im->graph->dtype = choose_dtype(im);
    SPA_TRY(lower_all(im, err));
    SPA_TRY(take_ends(im, err));
    SPA_TRY(spa_graph_finish(im->graph, err));
    im->report->opset = im->file.opset;
    im->report->n_nodes = im->file.n_nodes;
    return spa_graph_assume_sparsity(im->graph, "relu50", err);
}

static spa_status import(spa_graph *graph, onnx_source *source, const void *data, size_t size,
                         const spa_onnx_options *options, spa_onnx_report *report, spa_error *err)
{
    const spa_onnx_options defaults = spa_onnx_options_default();
    onnx_import im = {.graph = graph,
                      .source = source,
                      .arena = &source->arena,
                      .options = options != NULL ? options : &defaults};
    im.report = report != NULL ? report : &im.own_report;
    *im.report = (spa_onnx_report){0};
    spa_graph_init(graph, "", 1, SPA_FP32);
    graph->source = &source->base;
    spa_status status = onnx_file_parse(&im.file, source->path, data, size, im.arena, err);
    if (status == SPA_OK) status = build(&im, source->map == NULL, err);
    if (status == SPA_OK) return SPA_OK;
    *im.report = (spa_onnx_report){0};
    spa_graph_fini(graph);
    return status;
}

spa_status spa_onnx_parse(spa_graph *graph, const char *path, const void *data, size_t size,
                          const spa_onnx_options *options, spa_onnx_report *report, spa_error *err)
{
    onnx_source *source;
    *graph = (spa_graph){0};
    SPA_TRY(onnx_source_new(&source, path, err));
    return import(graph, source, data, size, options, report, err);
}

spa_status spa_onnx_read(spa_graph *graph, const char *path, const spa_onnx_options *options,
                         spa_onnx_report *report, spa_error *err)
{
    onnx_source *source;
    *graph = (spa_graph){0};
    SPA_TRY(onnx_source_new(&source, path, err));
    spa_status status = onnx_source_map(source, path, &source->map, &source->map_size, err);
    if (status != SPA_OK) {
        source->base.free(&source->base);
        return status;
    }
    return import(graph, source, source->map, source->map_size, options, report, err);
}

spa_status spa_onnx_read_tensor(const char *path, int64_t *count, float **values, spa_error *err)
{
    char *data = NULL;
    size_t size = 0;
    spa_arena arena;
    onnx_tensor t = {0};
    *count = 0;
    *values = NULL;
    SPA_TRY(spa_read_file(path, (size_t)1 << 31, true, &data, &size, err));
    spa_arena_init(&arena);
    spa_status status = onnx_tensor_parse(&t, path, data, size, &arena, err);
    if (!status) status = onnx_tensor_check(&t, err);
    if (!status) status = spa_alloc(values, (size_t)t.count, sizeof **values, err);
    if (!status) status = onnx_tensor_floats(&t, *values, err);
    if (status) {
        free(*values);
        *values = NULL;
    } else {
        *count = t.count;
    }
    spa_arena_fini(&arena);
    free(data);
    return status;
}
