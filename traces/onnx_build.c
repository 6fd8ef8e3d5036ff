/* Small steps that lowering is made of; see onnx_import.h. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traces/onnx_import.h"
#include "traces/operator.h"

#define MAX_FOLDED       ((int64_t)1 << 20)  /* elements of a constant that is computed with */
#define MAX_FOLDED_BYTES ((int64_t)64 << 20) /* of all of them */

spa_status onnx_fail(const onnx_import *im, spa_status status, spa_error *err, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const onnx_node *n = im->node;
    const char *name = n->name[0] != '\0' ? n->name : n->n_outputs > 0 ? n->outputs[0] : "";
    return spa_fail_at(err, status, im->file.path, 0, "node '%.100s' (%.60s): %s", name, n->op_type,
                       text);
}

spa_status onnx_no_rule(const onnx_import *im, spa_error *err, const char *fmt, ...)
{
    char text[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return onnx_fail(im, SPA_E_UNSUPPORTED, err, "%s", text);
}

/* ---- attributes ------------------------------------------------------------------------------ */

const onnx_attr *onnx_find_attr(const onnx_import *im, const char *name)
{
    for (size_t i = 0; i < im->node->n_attrs; i++)
        if (strcmp(im->node->attrs[i].name, name) == 0) return &im->node->attrs[i];
    return NULL;
}

int64_t onnx_attr_int(const onnx_import *im, const char *name, int64_t missing)
{
    const onnx_attr *a = onnx_find_attr(im, name);
    if (a == NULL || (!a->has_i && a->type != 2)) return missing;
    return a->i;
}

double onnx_attr_float(const onnx_import *im, const char *name, double missing)
{
    const onnx_attr *a = onnx_find_attr(im, name);
    return a == NULL || !a->has_f ? missing : (double)a->f;
}

const char *onnx_attr_text(const onnx_import *im, const char *name, const char *missing)
{
    const onnx_attr *a = onnx_find_attr(im, name);
    return a == NULL ? missing : a->s;
}

bool onnx_attr_ints(const onnx_import *im, const char *name, const int64_t **list, size_t *n)
{
    const onnx_attr *a = onnx_find_attr(im, name);
    *list = a != NULL ? a->ints : NULL;
    *n = a != NULL ? a->n_ints : 0;
    return a != NULL;
}

/* ---- values ---------------------------------------------------------------------------------- */

onnx_value *onnx_in(const onnx_import *im, size_t i)
{
    if (i >= im->node->n_inputs || im->node_in[im->at][i] < 0) return NULL;
    return &im->values[im->node_in[im->at][i]];
}

onnx_value *onnx_out(const onnx_import *im, size_t i)
{
    if (i >= im->node->n_outputs || im->node_out[im->at][i] < 0) return NULL;
    return &im->values[im->node_out[im->at][i]];
}

bool onnx_is_const(const onnx_value *v)
{
    return v != NULL && v->state == ONNX_CONSTANT;
}

bool onnx_can_be_const(const onnx_value *v)
{
    return onnx_is_const(v) || (v != NULL && v->state == ONNX_INPUT && v->tensor != NULL);
}

spa_status onnx_doubles(onnx_import *im, onnx_value *v, const double **out, spa_error *err)
{
    double *values;
    bool is_fill = v->folded != NULL && v->is_fill;
    if (v->folded == NULL || is_fill) {
        if (!onnx_can_be_const(v) || v->count > MAX_FOLDED ||
            im->folded_bytes + v->count * 8 > MAX_FOLDED_BYTES)
            return onnx_no_rule(im, err, "'%.100s' is no small constant", v->name);
        SPA_TRY(spa_arena_alloc(im->arena, &values, (size_t)v->count + 1, sizeof *values, err));
        for (int64_t i = 0; i < v->count && is_fill; i++) values[i] = v->folded[0];
        if (!is_fill) SPA_TRY(onnx_tensor_doubles(v->tensor, values, err));
        v->is_fill = false;
        im->folded_bytes += v->count * 8;
        v->folded = values;
    }
    *out = v->folded;
    return SPA_OK;
}

bool onnx_went_well(onnx_import *im, spa_status status)
{
    if (status == SPA_E_NOMEM) im->no_memory = true;
    return status == SPA_OK;
}

bool onnx_scalar(onnx_import *im, onnx_value *v, double *out)
{
    const double *values;
    if (!onnx_can_be_const(v) || v->count != 1 ||
        !onnx_went_well(im, onnx_doubles(im, v, &values, NULL)))
        return false;
    *out = values[0];
    return true;
}

spa_status onnx_int_list(onnx_import *im, size_t input, const char *attr, const int64_t **out,
                         size_t *n, spa_error *err)
{
    onnx_value *v = onnx_in(im, input);
    const double *values;
    int64_t *list;
    if (v == NULL) {
        if (attr == NULL || !onnx_attr_ints(im, attr, out, n)) *n = 0;
        return SPA_OK;
    }
    if (!onnx_can_be_const(v))
        return onnx_no_rule(im, err, "its input '%.100s' is known at run time only", v->name);
    SPA_TRY(onnx_doubles(im, v, &values, err));
    SPA_TRY(spa_arena_alloc(im->arena, &list, (size_t)v->count + 1, sizeof *list, err));
    for (int64_t i = 0; i < v->count; i++) {
        double x = values[i]; /* INT64_MAX and its like mean "to the end" */
        list[i] = x >= 9e18 ? INT64_MAX : x <= -9e18 ? INT64_MIN + 1 : isnan(x) ? 0 : (int64_t)x;
    }
    *out = list;
    *n = (size_t)v->count;
    return SPA_OK;
}

spa_status onnx_axis(const onnx_import *im, int64_t axis, int32_t rank, int32_t *out,
                     spa_error *err)
{
    if (axis < -rank || axis >= rank)
        return onnx_fail(im, SPA_E_INVALID, err, "axis %lld; there are %d dimensions",
                         (long long)axis, (int)rank);
    *out = (int32_t)(axis < 0 ? axis + rank : axis);
    return SPA_OK;
}

spa_status onnx_shape(const onnx_import *im, const onnx_value *v, spa_shape *shape, spa_error *err)
{
    char what[200];
    *shape = (spa_shape){.rank = v->rank > 0 ? v->rank : 1, .dim = {1}};
    if (v->rank > SPA_MAX_RANK)
        return onnx_no_rule(im, err, "'%.100s' has %d dimensions; %d are possible", v->name,
                            (int)v->rank, SPA_MAX_RANK);
    for (int32_t i = 0; i < v->rank; i++) {
        if (v->dim[i] == 0) return onnx_no_rule(im, err, "'%.100s' is empty", v->name);
        shape->dim[i] = v->dim[i] > SPA_MAX_DIM || v->dim[i] < 0 ? -1 : (int32_t)v->dim[i];
    }
    snprintf(what, sizeof what, "'%.100s'", v->name);
    spa_error cause;
    spa_status status = spa_shape_check(shape, what, &cause);
    return status == SPA_OK ? SPA_OK : onnx_fail(im, status, err, "%s", cause.message);
}

static bool is_float_type(int32_t type)
{
    return type == ONNX_FLOAT || type == ONNX_DOUBLE || type == ONNX_FLOAT16 ||
           type == ONNX_BFLOAT16;
}

bool onnx_is_learned(const onnx_value *v)
{
    return v->tensor != NULL && is_float_type(v->type) && !v->is_buffer;
}

/* ---- operators ------------------------------------------------------------------------------- */

/* Names are printed in lists: what may not be in them becomes '_'. */
static void clean_name(char *out, size_t size, const char *name)
{
    size_t n = 0;
    for (; *name != '\0' && n + 1 < size; name++) {
        unsigned char c = (unsigned char)*name;
        bool bad = c <= ' ' || c >= 127 || c == '"' || c == ',' || (n == 0 && c == '@');
        if (n == 0 && c == '/') continue;
        out[n++] = bad ? '_' : (char)c;
    }
    out[n] = '\0';
}

static void pick_name(const onnx_import *im, char name[240])
{
    const onnx_node *n = im->node;
    char base[200];
    clean_name(base, sizeof base,
               n->name[0] != '\0' ? n->name
               : n->n_outputs > 0 ? n->outputs[0]
                                  : "");
    if (base[0] == '\0') snprintf(base, sizeof base, "node%d", (int)im->at);
    snprintf(name, 240, "%s", base);
    for (size_t k = 1; spa_graph_find(im->graph, name) >= 0; k++) {
        /* Many nodes of one name: numbers that are far apart, so that few tries do. */
        size_t number = k <= 8 ? k : k * 1000003 + im->graph->n_ops;
        snprintf(name, 240, "%s.%zu", base, number);
    }
}

spa_status onnx_emit(onnx_import *im, spa_op_kind kind, const spa_op_attrs *attrs,
                     const int32_t *inputs, size_t n, const spa_shape *out, int32_t *index,
                     spa_error *err)
{
    char name[240];
    spa_error cause = {0};
    int32_t added; /* `index` may be one of the inputs */
    pick_name(im, name);
    spa_status status = spa_graph_add(im->graph, name, kind, attrs, inputs, n, out, &added, &cause);
    *index = added;
    if (status == SPA_OK || status == SPA_E_NOMEM) {
        if (err != NULL && status != SPA_OK) *err = cause;
        return status;
    }
    return onnx_fail(im, status, err, "%s", cause.message);
}

spa_status onnx_emit_one(onnx_import *im, spa_op_kind kind, const spa_op_attrs *attrs,
                         int32_t input, int32_t *index, spa_error *err)
{
    return onnx_emit(im, kind, attrs, &input, 1, NULL, index, err);
}

spa_status onnx_emit_two(onnx_import *im, spa_op_kind kind, const spa_op_attrs *attrs, int32_t a,
                         int32_t b, int32_t *index, spa_error *err)
{
    int32_t inputs[] = {a, b};
    return onnx_emit(im, kind, attrs, inputs, 2, NULL, index, err);
}

const spa_shape *onnx_shape_of(const onnx_import *im, int32_t producer)
{
    return producer >= 0 ? &im->graph->ops[producer].out : &im->graph->graph_inputs[~producer];
}

spa_status onnx_view(onnx_import *im, int32_t x, const spa_shape *shape, int32_t *index,
                     spa_error *err)
{
    *index = x;
    if (spa_shape_equal(onnx_shape_of(im, x), shape)) return SPA_OK;
    return onnx_emit(im, SPA_OP_RESHAPE, NULL, &x, 1, shape, index, err);
}

spa_status onnx_transpose(onnx_import *im, int32_t x, const int32_t *perm, int32_t *index,
                          spa_error *err)
{
    spa_op_attrs attrs = {0};
    bool same = true;
    for (int32_t i = 0; i < onnx_shape_of(im, x)->rank; i++) {
        attrs.perm[i] = perm[i];
        same = same && perm[i] == i;
    }
    *index = x;
    return same ? SPA_OK : onnx_emit_one(im, SPA_OP_TRANSPOSE, &attrs, x, index, err);
}

spa_status onnx_bind_as(onnx_import *im, int32_t op, uint32_t param, const onnx_param *how,
                        const onnx_value *v, spa_error *err)
{
    onnx_param p = *how;
    p.op = (size_t)op;
    p.param = param;
    if (v != NULL) {
        p.tensor = v->folded == NULL ? v->tensor : NULL;
        p.folded = v->folded;
        p.count = v->is_fill ? 1 : v->count;
    }
    return onnx_source_add(im->source, &p, err);
}

spa_status onnx_bind(onnx_import *im, int32_t op, uint32_t param, const onnx_value *v,
                     spa_error *err)
{
    return onnx_bind_as(im, op, param, &(onnx_param){.scale = 1}, v, err);
}

spa_status onnx_emit_values(onnx_import *im, const spa_shape *shape, const double *values,
                            int32_t *index, spa_error *err)
{
    spa_op_attrs attrs = {.param_shape = *shape};
    SPA_TRY(onnx_emit(im, SPA_OP_CONSTANT, &attrs, NULL, 0, NULL, index, err));
    onnx_param p = {.folded = values, .count = spa_shape_elements(shape), .scale = 1};
    return onnx_bind_as(im, *index, 0, &p, NULL, err);
}

static spa_status constant_operand(onnx_import *im, onnx_value *v, int32_t *producer,
                                   spa_error *err)
{
    spa_shape shape;
    if (v->producer != ONNX_NOWHERE) {
        *producer = v->producer;
        return SPA_OK;
    }
    SPA_TRY(onnx_shape(im, v, &shape, err));
    spa_op_attrs attrs = {.param_shape = shape, .param_learned = v->tensor != NULL && v->count > 1};
    SPA_TRY(onnx_emit(im, SPA_OP_CONSTANT, &attrs, NULL, 0, NULL, producer, err));
    v->producer = *producer;
    return onnx_bind(im, *producer, 0, v, err);
}

static spa_status input_operand(onnx_import *im, onnx_value *v, spa_error *err)
{
    spa_graph *g = im->graph;
    size_t most = sizeof g->graph_inputs / sizeof g->graph_inputs[0];
    spa_shape shape;
    SPA_TRY(onnx_shape(im, v, &shape, err));
    if (g->n_graph_inputs == most)
        return onnx_fail(im, SPA_E_UNSUPPORTED, err, "the model reads more than %zu inputs", most);
    if (g->n_graph_inputs == 0) g->batch = shape.dim[0];
    g->graph_inputs[g->n_graph_inputs] = shape;
    v->producer = SPA_GRAPH_INPUT(g->n_graph_inputs++);
    v->state = ONNX_RUNTIME;
    return SPA_OK;
}

spa_status onnx_operand(onnx_import *im, onnx_value *v, int32_t *producer, spa_error *err)
{
    switch (v->state) {
    case ONNX_CONSTANT:
        return constant_operand(im, v, producer, err);
    case ONNX_INPUT:
        SPA_TRY(input_operand(im, v, err));
        break;
    case ONNX_DEFERRED:
        SPA_TRY(onnx_lower_deferred(im, v, err));
        break;
    case ONNX_ABSENT:
        return onnx_fail(im, SPA_E_PARSE, err,
                         "reads '%.100s' before it is made: a cycle, or nodes out of order",
                         v->name);
    default:
        break;
    }
    *producer = v->producer;
    return SPA_OK;
}

/* ---- results --------------------------------------------------------------------------------- */

/* Whole numbers stay so through operators that keep or move values; the rest is float. */
static int32_t result_type(const onnx_import *im)
{
    const onnx_value *first = onnx_in(im, 0);
    return first != NULL && first->type != 0 ? first->type : ONNX_FLOAT;
}

spa_status onnx_set_dims(onnx_import *im, onnx_value *v, int32_t producer, const int64_t *dims,
                         int32_t rank, int32_t type, spa_error *err)
{
    spa_shape shape = {.rank = rank > 0 ? rank : 1, .dim = {1}};
    if (v == NULL) return SPA_OK;
    if (v->state != ONNX_ABSENT && v->state != ONNX_DEFERRED)
        return onnx_fail(im, SPA_E_PARSE, err, "makes '%.100s' a second time", v->name);
    for (int32_t i = 0; i < rank; i++) shape.dim[i] = (int32_t)dims[i];
    if (producer >= 0 || !spa_shape_equal(onnx_shape_of(im, producer), &shape))
        SPA_TRY(onnx_view(im, producer, &shape, &producer, err));
    v->state = ONNX_RUNTIME;
    v->producer = producer;
    v->rank = rank;
    v->type = type;
    v->count = spa_shape_elements(&shape);
    for (int32_t i = 0; i < rank; i++) v->dim[i] = dims[i];
    return SPA_OK;
}

spa_status onnx_set(onnx_import *im, onnx_value *v, int32_t producer, spa_error *err)
{
    const spa_shape *shape = onnx_shape_of(im, producer);
    int64_t dims[SPA_MAX_RANK];
    for (int32_t i = 0; i < shape->rank; i++) dims[i] = shape->dim[i];
    return onnx_set_dims(im, v, producer, dims, shape->rank, result_type(im), err);
}

void onnx_alias(onnx_value *out, const onnx_value *in)
{
    if (out == NULL) return;
    onnx_value was = *out;
    *out = *in;
    out->name = was.name;
    out->info = was.info;
    out->node = was.node;
    out->uses = was.uses;
    out->consumer = was.consumer;
    out->is_output = was.is_output;
}

const onnx_node *onnx_only_reader(const onnx_import *im, const onnx_value *v, int32_t *node)
{
    if (v == NULL || v->uses != 1 || v->is_output) return NULL;
    if (node != NULL) *node = v->consumer;
    return &im->file.nodes[v->consumer];
}
