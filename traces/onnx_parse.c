/* From the bytes of an ONNX file to nodes, tensors and infos; see onnx_proto.h. */
#include <stdlib.h>

#include <stdio.h>
#include "base/text.h"
#include "traces/onnx_wire.h"

#define MAX_NAME   4096
#define MIN_OPSET  6
#define MAX_VALUES ((size_t)1 << 22) /* of a list inside a node: shapes, axes, paddings */

typedef struct reader {
    const char *path;
    const uint8_t *start;
    spa_arena *arena;
} reader;

static spa_status fail(const reader *r, const uint8_t *at, spa_error *err, const char *what)
{
    return spa_fail_at(err, SPA_E_PARSE, r->path, 0, "%s at byte %zu; is it a whole ONNX file?",
                       what, at != NULL ? (size_t)(at - r->start) : (size_t)0);
}

/* What a message is made of: called for each field. */
typedef spa_status take_fn(reader *r, void *out, const onnx_field *f, spa_error *err);

static spa_status read_message(reader *r, onnx_bytes bytes, const char *what, take_fn *take,
                               void *out, spa_error *err)
{
    onnx_wire w = onnx_wire_of(bytes);
    onnx_field f;
    while (onnx_wire_next(&w, &f)) SPA_TRY(take(r, out, &f, err));
    if (!w.bad) return SPA_OK;
    char text[120];
    snprintf(text, sizeof text, "a %s is cut off or is no protobuf", what);
    return fail(r, w.at, err, text);
}

static spa_status need_wire(reader *r, const onnx_field *f, uint32_t wire, const char *what,
                            spa_error *err)
{
    if (f->wire == wire) return SPA_OK;
    char text[120];
    snprintf(text, sizeof text, "%s (field %u) has the wrong type", what, (unsigned)f->id);
    return fail(r, f->bytes.data, err, text);
}

static spa_status take_text(reader *r, const onnx_field *f, const char **out, spa_error *err)
{
    char *text;
    SPA_TRY(need_wire(r, f, WIRE_BYTES, "a text", err));
    if (f->bytes.size > MAX_NAME)
        return fail(r, f->bytes.data, err, "a name or text of more than 4096 bytes");
    if (memchr(f->bytes.data, 0, f->bytes.size) != NULL)
        return fail(r, f->bytes.data, err, "a name with a NUL byte");
    SPA_TRY(spa_arena_alloc(r->arena, &text, f->bytes.size + 1, 1, err));
    for (size_t i = 0; i < f->bytes.size; i++) { /* messages show names: one line, no escapes */
        uint8_t c = f->bytes.data[i];
        text[i] = c < ' ' || c == 127 ? '_' : (char)c;
    }
    *out = text;
    return SPA_OK;
}

/* How many fields with this number a message has; what is bad shows when it is read. */
static size_t count_fields(onnx_bytes bytes, uint32_t id)
{
    onnx_wire w = onnx_wire_of(bytes);
    onnx_field f;
    size_t n = 0;
    while (onnx_wire_next(&w, &f)) n += f.id == id;
    return n;
}

/* ---- lists of numbers ---------------------------------------------------------------------- */

/* Numbers of one packed field, or one number. `out` may be NULL: then only counted. */
static size_t read_numbers(const onnx_field *f, size_t fixed, uint64_t *out, size_t room)
{
    size_t n = 0;
    if (f->wire != WIRE_BYTES) {
        if (out != NULL && room > 0) out[0] = f->number;
        return 1;
    }
    onnx_wire w = onnx_wire_of(f->bytes);
    while (w.at < w.end && !w.bad) {
        uint64_t value = fixed > 0 ? onnx_wire_fixed(&w, fixed) : onnx_wire_varint(&w);
        if (w.bad) return SIZE_MAX;
        if (out != NULL && n < room) out[n] = value;
        n++;
    }
    return n;
}

/* All numbers of the fields `id` of a message, packed or not. */
static spa_status read_list(reader *r, onnx_bytes message, uint32_t id, size_t fixed,
                            uint64_t **out, size_t *count, spa_error *err)
{
    onnx_wire w = onnx_wire_of(message);
    onnx_field f;
    size_t n = 0;
    while (onnx_wire_next(&w, &f)) {
        if (f.id != id) continue;
        size_t more = read_numbers(&f, fixed, NULL, 0);
        if (more > MAX_VALUES || n + more > MAX_VALUES)
            return fail(r, f.bytes.data, err, "a list that is cut off or too long");
        n += more;
    }
    SPA_TRY(spa_arena_alloc(r->arena, out, n > 0 ? n : 1, sizeof **out, err));
    *count = 0;
    w = onnx_wire_of(message);
    while (onnx_wire_next(&w, &f))
        if (f.id == id) *count += read_numbers(&f, fixed, *out + *count, n - *count);
    return SPA_OK;
}

/* ---- tensors ------------------------------------------------------------------------------- */

static spa_status take_external(reader *r, void *out, const onnx_field *f, spa_error *err)
{
    onnx_prop *prop = out;
    if (f->id == 1) return take_text(r, f, &prop->key, err);
    if (f->id == 2) return take_text(r, f, &prop->value, err);
    return SPA_OK;
}

static spa_status set_external(reader *r, onnx_tensor *t, const onnx_field *f, spa_error *err)
{
    onnx_prop prop = {"", ""};
    SPA_TRY(need_wire(r, f, WIRE_BYTES, "external data", err));
    SPA_TRY(read_message(r, f->bytes, "external data entry", take_external, &prop, err));
    if (strcmp(prop.key, "location") == 0) {
        t->location = prop.value;
    } else if (strcmp(prop.key, "offset") == 0 || strcmp(prop.key, "length") == 0) {
        int64_t *number = prop.key[0] == 'o' ? &t->offset : &t->length;
        if (!spa_parse_i64(prop.value, number) || *number < 0)
            return spa_fail_at(err, SPA_E_PARSE, r->path, 0,
                               "tensor '%.200s': external %s '%.60s' is no size", t->name, prop.key,
                               prop.value);
    }
    return SPA_OK;
}

/* The field that holds the values of a type, apart from raw_data. */
static uint32_t values_field(int32_t type)
{
    switch (type) {
    case ONNX_FLOAT:
        return 4;
    case ONNX_INT64:
        return 7;
    case ONNX_DOUBLE:
        return 10;
    case ONNX_UINT32:
    case ONNX_UINT64:
        return 11;
    case ONNX_STRING:
        return 6;
    default:
        return 5;
    }
}

static spa_status take_tensor(reader *r, void *out, const onnx_field *f, spa_error *err)
{
    onnx_tensor *t = out;
    switch (f->id) {
    case 2:
        t->type = (int32_t)f->number;
        return need_wire(r, f, WIRE_VARINT, "a tensor's data_type", err);
    case 3:
        return spa_fail_at(err, SPA_E_UNSUPPORTED, r->path, 0,
                           "tensor '%.200s' is in segments, which no reader supports", t->name);
    case 8:
        return take_text(r, f, &t->name, err);
    case 9:
        t->raw = f->bytes;
        t->has_raw = true;
        return need_wire(r, f, WIRE_BYTES, "a tensor's raw_data", err);
    case 13:
        return set_external(r, t, f, err);
    case 14:
        t->is_external = f->number == 1;
        return need_wire(r, f, WIRE_VARINT, "a tensor's data_location", err);
    default:
        return SPA_OK;
    }
}

static spa_status set_dims(reader *r, onnx_tensor *t, onnx_bytes message, spa_error *err)
{
    uint64_t *dims;
    size_t n;
    SPA_TRY(read_list(r, message, 1, 0, &dims, &n, err));
    if (n > ONNX_MAX_RANK)
        return spa_fail_at(err, SPA_E_RANGE, r->path, 0,
                           "tensor '%.200s' has %zu dimensions; %d are possible", t->name, n,
                           ONNX_MAX_RANK);
    t->rank = (int32_t)n;
    t->count = 1;
    for (size_t i = 0; i < n; i++) {
        t->dim[i] = (int64_t)dims[i];
        if (t->dim[i] < 0 || t->dim[i] > SPA_MAX_ELEMENTS ||
            !spa_mul_i64(t->count, t->dim[i], &t->count) || t->count > SPA_MAX_ELEMENTS)
            return spa_fail_at(err, SPA_E_RANGE, r->path, 0,
                               "tensor '%.200s': dimension %zu is %lld; 0 to 2^40 elements in all "
                               "are possible",
                               t->name, i, (long long)t->dim[i]);
    }
    return SPA_OK;
}

static spa_status read_tensor(reader *r, onnx_bytes message, onnx_tensor *t, spa_error *err)
{
    *t = (onnx_tensor){.name = "", .length = -1, .location = ""};
    SPA_TRY(read_message(r, message, "tensor", take_tensor, t, err));
    SPA_TRY(set_dims(r, t, message, err));
    uint32_t id = values_field(t->type);
    if (t->has_raw || t->is_external || count_fields(message, id) == 0) return SPA_OK;
    if (count_fields(message, id) > 1) {
        t->message = message;
        return SPA_OK;
    }
    onnx_wire w = onnx_wire_of(message);
    onnx_field f;
    while (onnx_wire_next(&w, &f)) {
        if (f.id != id) continue;
        if (f.wire == WIRE_BYTES && t->type != ONNX_STRING)
            t->packed = f.bytes;
        else
            t->message = message;
    }
    return SPA_OK;
}

/* ---- types --------------------------------------------------------------------------------- */

static spa_status take_dim(reader *r, void *out, const onnx_field *f, spa_error *err)
{
    onnx_dims *d = out;
    if (f->id == 1) {
        SPA_TRY(need_wire(r, f, WIRE_VARINT, "a dimension", err));
        d->dim[d->rank] = (int64_t)f->number;
    }
    return f->id == 2 ? take_text(r, f, &d->param[d->rank], err) : SPA_OK;
}

static spa_status take_shape(reader *r, void *out, const onnx_field *f, spa_error *err)
{
    onnx_dims *d = out;
    if (f->id != 1) return SPA_OK;
    SPA_TRY(need_wire(r, f, WIRE_BYTES, "a dimension", err));
    if (d->rank == ONNX_MAX_RANK)
        return fail(r, f->bytes.data, err, "a shape of more than 16 dimensions");
    d->dim[d->rank] = -1;
    SPA_TRY(read_message(r, f->bytes, "dimension", take_dim, d, err));
    d->rank++;
    return SPA_OK;
}

static spa_status take_tensor_type(reader *r, void *out, const onnx_field *f, spa_error *err)
{
    onnx_info *info = out;
    if (f->id == 1) {
        info->type = (int32_t)f->number;
        return need_wire(r, f, WIRE_VARINT, "an element type", err);
    }
    if (f->id != 2) return SPA_OK;
    SPA_TRY(need_wire(r, f, WIRE_BYTES, "a shape", err));
    info->shape = (onnx_dims){.known = true};
    return read_message(r, f->bytes, "shape", take_shape, &info->shape, err);
}

static spa_status take_type(reader *r, void *out, const onnx_field *f, spa_error *err)
{
    if (f->id != 1) return SPA_OK; /* sequences, maps, optionals: no tensor */
    SPA_TRY(need_wire(r, f, WIRE_BYTES, "a tensor type", err));
    return read_message(r, f->bytes, "tensor type", take_tensor_type, out, err);
}

static spa_status take_info(reader *r, void *out, const onnx_field *f, spa_error *err)
{
    onnx_info *info = out;
    if (f->id == 1) return take_text(r, f, &info->name, err);
    if (f->id != 2) return SPA_OK;
    SPA_TRY(need_wire(r, f, WIRE_BYTES, "a type", err));
    return read_message(r, f->bytes, "type", take_type, info, err);
}

/* ---- nodes --------------------------------------------------------------------------------- */

static spa_status take_attr(reader *r, void *out, const onnx_field *f, spa_error *err)
{
    onnx_attr *a = out;
    switch (f->id) {
    case 1:
        return take_text(r, f, &a->name, err);
    case 2:
        a->f = onnx_bits_float((uint32_t)f->number);
        a->has_f = true;
        return need_wire(r, f, WIRE_FIXED32, "an attribute's float", err);
    case 3:
        a->i = (int64_t)f->number;
        a->has_i = true;
        return need_wire(r, f, WIRE_VARINT, "an attribute's integer", err);
    case 4:
        /* may be any bytes, e.g. a tokenizer: kept only where it is a word */
        if (f->wire == WIRE_BYTES && f->bytes.size < 64 &&
            memchr(f->bytes.data, 0, f->bytes.size) == NULL)
            return take_text(r, f, &a->s, err);
        return need_wire(r, f, WIRE_BYTES, "an attribute's text", err);
    case 5:
        SPA_TRY(need_wire(r, f, WIRE_BYTES, "an attribute's tensor", err));
        if (a->t == NULL) SPA_TRY(spa_arena_alloc(r->arena, &a->t, 1, sizeof *a->t, err));
        return read_tensor(r, f->bytes, a->t, err);
    case 20:
        a->type = (int32_t)f->number;
        return need_wire(r, f, WIRE_VARINT, "an attribute's type", err);
    default:
        return SPA_OK;
    }
}

static spa_status read_attr(reader *r, onnx_bytes message, onnx_attr *a, spa_error *err)
{
    uint64_t *list;
    *a = (onnx_attr){.name = "", .s = ""};
    SPA_TRY(read_message(r, message, "attribute", take_attr, a, err));
    SPA_TRY(read_list(r, message, 7, 4, &list, &a->n_floats, err));
    SPA_TRY(spa_arena_alloc(r->arena, &a->floats, a->n_floats + 1, sizeof(float), err));
    for (size_t i = 0; i < a->n_floats; i++) a->floats[i] = onnx_bits_float((uint32_t)list[i]);
    SPA_TRY(read_list(r, message, 8, 0, &list, &a->n_ints, err));
    a->ints = (int64_t *)list;
    return SPA_OK;
}

static spa_status take_node(reader *r, void *out, const onnx_field *f, spa_error *err)
{
    onnx_node *n = out;
    switch (f->id) {
    case 1:
        return take_text(r, f, &n->inputs[n->n_inputs++], err);
    case 2:
        return take_text(r, f, &n->outputs[n->n_outputs++], err);
    case 3:
        return take_text(r, f, &n->name, err);
    case 4:
        return take_text(r, f, &n->op_type, err);
    case 5:
        SPA_TRY(need_wire(r, f, WIRE_BYTES, "an attribute", err));
        return read_attr(r, f->bytes, &n->attrs[n->n_attrs++], err);
    case 7:
        return take_text(r, f, &n->domain, err);
    default:
        return SPA_OK;
    }
}

static spa_status read_node(reader *r, onnx_bytes message, onnx_node *n, spa_error *err)
{
    *n = (onnx_node){.name = "", .op_type = "", .domain = ""};
    size_t in = count_fields(message, 1), out = count_fields(message, 2);
    SPA_TRY(spa_arena_alloc(r->arena, &n->inputs, in + 1, sizeof *n->inputs, err));
    SPA_TRY(spa_arena_alloc(r->arena, &n->outputs, out + 1, sizeof *n->outputs, err));
    SPA_TRY(
        spa_arena_alloc(r->arena, &n->attrs, count_fields(message, 5) + 1, sizeof *n->attrs, err));
    return read_message(r, message, "node", take_node, n, err);
}

/* ---- graph and model ----------------------------------------------------------------------- */

static spa_status take_graph(reader *r, void *out, const onnx_field *f, spa_error *err)
{
    onnx_file *file = out;
    onnx_info *info = NULL;
    switch (f->id) {
    case 1:
        SPA_TRY(need_wire(r, f, WIRE_BYTES, "a node", err));
        return read_node(r, f->bytes, &file->nodes[file->n_nodes++], err);
    case 5:
        SPA_TRY(need_wire(r, f, WIRE_BYTES, "a tensor", err));
        return read_tensor(r, f->bytes, &file->tensors[file->n_tensors++], err);
    case 11:
        info = &file->inputs[file->n_inputs++];
        break;
    case 12:
        info = &file->outputs[file->n_outputs++];
        break;
    case 13:
        info = &file->infos[file->n_infos++];
        break;
    default:
        return SPA_OK;
    }
    info->name = "";
    SPA_TRY(need_wire(r, f, WIRE_BYTES, "a value's description", err));
    return read_message(r, f->bytes, "value's description", take_info, info, err);
}

static spa_status read_graph(reader *r, onnx_file *file, onnx_bytes m, spa_error *err)
{
    size_t nodes = count_fields(m, 1), tensors = count_fields(m, 5);
    if (nodes > SPA_MAX_OPERATORS || tensors > SPA_MAX_OPERATORS)
        return spa_fail_at(err, SPA_E_RANGE, r->path, 0,
                           "%zu nodes and %zu tensors; 2^20 of each are possible", nodes, tensors);
    SPA_TRY(spa_arena_alloc(r->arena, &file->nodes, nodes + 1, sizeof *file->nodes, err));
    SPA_TRY(spa_arena_alloc(r->arena, &file->tensors, tensors + 1, sizeof *file->tensors, err));
    struct {
        uint32_t id;
        onnx_info **list;
    } lists[] = {{11, &file->inputs}, {12, &file->outputs}, {13, &file->infos}};
    for (size_t i = 0; i < 3; i++)
        SPA_TRY(spa_arena_alloc(r->arena, lists[i].list, count_fields(m, lists[i].id) + 1,
                                sizeof(onnx_info), err));
    return read_message(r, m, "graph", take_graph, file, err);
}

typedef struct opset_id {
    const char *domain;
    int64_t version;
} opset_id;

static spa_status take_opset(reader *r, void *out, const onnx_field *f, spa_error *err)
{
    opset_id *id = out;
    if (f->id == 1) return take_text(r, f, &id->domain, err);
    if (f->id == 2) id->version = (int64_t)f->number;
    return SPA_OK;
}

static spa_status take_model(reader *r, void *out, const onnx_field *f, spa_error *err)
{
    onnx_file *file = out;
    opset_id id = {"", 0};
    switch (f->id) {
    case 1:
        file->ir_version = (int64_t)f->number;
        return need_wire(r, f, WIRE_VARINT, "ir_version", err);
    case 2:
        return take_text(r, f, &file->producer, err);
    case 8:
        SPA_TRY(need_wire(r, f, WIRE_BYTES, "an opset", err));
        SPA_TRY(read_message(r, f->bytes, "opset", take_opset, &id, err));
        if (id.domain[0] == '\0' || strcmp(id.domain, "ai.onnx") == 0) file->opset = id.version;
        return SPA_OK;
    case 14: {
        onnx_prop *prop = &file->props[file->n_props++];
        SPA_TRY(need_wire(r, f, WIRE_BYTES, "metadata", err));
        *prop = (onnx_prop){"", ""};
        return read_message(r, f->bytes, "metadata entry", take_external, prop, err);
    }
    default:
        return SPA_OK;
    }
}

spa_status onnx_file_parse(onnx_file *file, const char *path, const void *data, size_t size,
                           spa_arena *arena, spa_error *err)
{
    reader r = {path, data, arena};
    onnx_bytes all = {data, size};
    *file = (onnx_file){.path = path, .producer = ""};
    size_t graphs = count_fields(all, 7);
    SPA_TRY(
        spa_arena_alloc(arena, &file->props, count_fields(all, 14) + 1, sizeof *file->props, err));
    SPA_TRY(read_message(&r, all, "model", take_model, file, err));
    if (graphs != 1 || file->ir_version < 1)
        return spa_fail_at(err, SPA_E_PARSE, path, 0,
                           "this is no ONNX model: it has %zu graphs and IR version %lld", graphs,
                           (long long)file->ir_version);
    if (file->opset < MIN_OPSET)
        return spa_fail_at(err, SPA_E_UNSUPPORTED, path, 0,
                           "opset %lld; %d and later are read: convert it with onnx's "
                           "version_converter",
                           (long long)file->opset, MIN_OPSET);
    onnx_wire w = onnx_wire_of(all);
    onnx_field f;
    while (onnx_wire_next(&w, &f)) {
        if (f.id != 7) continue;
        SPA_TRY(need_wire(&r, &f, WIRE_BYTES, "the graph", err));
        SPA_TRY(read_graph(&r, file, f.bytes, err));
    }
    return SPA_OK;
}

spa_status onnx_tensor_parse(onnx_tensor *tensor, const char *path, const void *data, size_t size,
                             spa_arena *arena, spa_error *err)
{
    reader r = {path, data, arena};
    return read_tensor(&r, (onnx_bytes){data, size}, tensor, err);
}
