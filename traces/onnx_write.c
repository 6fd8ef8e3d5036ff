/* The wire format of ONNX files, written; see onnx_write.h. */
#include "traces/onnx_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traces/onnx_wire.h"

#define FRONT 128 /* room for what stands before the graph */

void onnx_buffer_fini(onnx_buffer *b)
{
    free(b->data);
    *b = (onnx_buffer){0};
}

static uint8_t *extend(onnx_buffer *b, size_t size)
{
    size_t need;
    if (b->failed || !spa_add_size(b->size, size, &need) ||
        spa_grow(&b->data, &b->capacity, need, 1, NULL) != SPA_OK) {
        b->failed = true;
        return NULL;
    }
    uint8_t *at = b->data + b->size;
    b->size = need;
    return at;
}

void onnx_put_raw(onnx_buffer *b, const void *data, size_t size)
{
    uint8_t *at = extend(b, size);
    if (at != NULL && size > 0) memcpy(at, data, size);
}

static void put_varint(onnx_buffer *b, uint64_t value)
{
    uint8_t bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value != 0);
    onnx_put_raw(b, bytes, n);
}

static void put_key(onnx_buffer *b, uint32_t field, uint32_t wire)
{
    put_varint(b, (uint64_t)field << 3 | wire);
}

void onnx_put_int(onnx_buffer *b, uint32_t field, int64_t value)
{
    put_key(b, field, WIRE_VARINT);
    put_varint(b, (uint64_t)value);
}

static void put_fixed32(onnx_buffer *b, uint32_t bits)
{
    uint8_t bytes[4];
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(bits >> (8 * i));
    onnx_put_raw(b, bytes, 4);
}

void onnx_put_float(onnx_buffer *b, uint32_t field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(b, field, WIRE_FIXED32);
    put_fixed32(b, bits);
}

void onnx_put_bytes(onnx_buffer *b, uint32_t field, const void *data, size_t size)
{
    put_key(b, field, WIRE_BYTES);
    put_varint(b, size);
    onnx_put_raw(b, data, size);
}

void onnx_put_text(onnx_buffer *b, uint32_t field, const char *text)
{
    onnx_put_bytes(b, field, text, strlen(text));
}

static void put_message(onnx_buffer *b, uint32_t field, onnx_buffer *inner)
{
    onnx_put_bytes(b, field, inner->data, inner->size);
    b->failed = b->failed || inner->failed;
    inner->size = 0;
}

/* ---- the maker ------------------------------------------------------------------------------- */

void onnx_maker_init(onnx_maker *m, int64_t opset, size_t expected_bytes)
{
    *m = (onnx_maker){.opset = opset};
    if (expected_bytes > 0 &&
        spa_grow(&m->graph.data, &m->graph.capacity, FRONT + expected_bytes, 1, NULL) != SPA_OK)
        m->graph.failed = true;
    extend(&m->graph, FRONT);
    onnx_put_text(&m->graph, 2, "sparoa");
}

void onnx_maker_fini(onnx_maker *m)
{
    onnx_buffer_fini(&m->graph);
    onnx_buffer_fini(&m->node);
    onnx_buffer_fini(&m->info);
    onnx_buffer_fini(&m->props);
}

static void put_info(onnx_maker *m, uint32_t field, const char *name, int32_t type,
                     const int64_t *dims, int32_t rank)
{
    onnx_buffer shape = {0}, tensor = {0}, dim = {0};
    for (int32_t i = 0; i < rank; i++) {
        if (dims[i] >= 0)
            onnx_put_int(&dim, 1, dims[i]);
        else
            onnx_put_text(&dim, 2, "N");
        put_message(&shape, 1, &dim);
    }
    onnx_put_int(&tensor, 1, type);
    put_message(&tensor, 2, &shape);
    put_message(&dim, 1, &tensor); /* TypeProto.tensor_type */
    onnx_put_text(&m->info, 1, name);
    put_message(&m->info, 2, &dim);
    put_message(&m->graph, field, &m->info);
    onnx_buffer_fini(&shape);
    onnx_buffer_fini(&tensor);
    onnx_buffer_fini(&dim);
}

void onnx_make_input(onnx_maker *m, const char *name, int32_t type, const int64_t *dims,
                     int32_t rank)
{
    put_info(m, 11, name, type, dims, rank);
}

void onnx_make_output(onnx_maker *m, const char *name, int32_t type, const int64_t *dims,
                      int32_t rank)
{
    put_info(m, 12, name, type, dims, rank);
}

void onnx_make_value_info(onnx_maker *m, const char *name, int32_t type, const int64_t *dims,
                          int32_t rank)
{
    put_info(m, 13, name, type, dims, rank);
}

static size_t varint_size(uint64_t value)
{
    size_t n = 1;
    for (; value > 0x7f; value >>= 7) n++;
    return n;
}

uint8_t *onnx_make_tensor(onnx_maker *m, const char *name, int32_t type, const int64_t *dims,
                          int32_t rank, const void *data, size_t size)
{
    onnx_buffer *head = &m->info;
    for (int32_t i = 0; i < rank; i++) onnx_put_int(head, 1, dims[i]);
    onnx_put_int(head, 2, type);
    onnx_put_text(head, 8, name);
    put_key(head, 9, WIRE_BYTES);
    /* The length of the tensor is known before its data are written: no copy of them. */
    put_key(&m->graph, 5, WIRE_BYTES);
    put_varint(&m->graph, head->size + varint_size(size) + size);
    onnx_put_raw(&m->graph, head->data, head->size);
    put_varint(&m->graph, size);
    m->graph.failed = m->graph.failed || head->failed;
    head->size = 0;
    uint8_t *at = extend(&m->graph, size);
    if (at != NULL && data != NULL && size > 0) memcpy(at, data, size);
    return at;
}

void onnx_make_floats(onnx_maker *m, const char *name, const int64_t *dims, int32_t rank,
                      const float *values)
{
    size_t n = 1;
    for (int32_t i = 0; i < rank; i++) n *= (size_t)dims[i];
    onnx_make_tensor(m, name, ONNX_FLOAT, dims, rank, values, n * sizeof *values);
}

void onnx_make_ints(onnx_maker *m, const char *name, const int64_t *values, size_t n)
{
    int64_t count = (int64_t)n;
    uint8_t *at = onnx_make_tensor(m, name, ONNX_INT64, &count, 1, NULL, n * sizeof *values);
    for (size_t i = 0; i < n && at != NULL; i++)
        for (int b = 0; b < 8; b++)
            at[8 * i + (size_t)b] = (uint8_t)((uint64_t)values[i] >> (8 * b));
}

/* ---- nodes ----------------------------------------------------------------------------------- */

void onnx_node_begin(onnx_maker *m, const char *op_type, const char *name)
{
    m->node.size = 0;
    if (name != NULL) onnx_put_text(&m->node, 3, name);
    onnx_put_text(&m->node, 4, op_type);
}

void onnx_node_input(onnx_maker *m, const char *name)
{
    onnx_put_text(&m->node, 1, name);
}

void onnx_node_output(onnx_maker *m, const char *name)
{
    onnx_put_text(&m->node, 2, name);
}

/* attribute types: AttributeProto.AttributeType */
static void end_attr(onnx_maker *m, int64_t type)
{
    onnx_put_int(&m->info, 20, type);
    put_message(&m->node, 5, &m->info);
}

void onnx_node_int(onnx_maker *m, const char *name, int64_t value)
{
    onnx_put_text(&m->info, 1, name);
    onnx_put_int(&m->info, 3, value);
    end_attr(m, 2);
}

void onnx_node_float(onnx_maker *m, const char *name, float value)
{
    onnx_put_text(&m->info, 1, name);
    onnx_put_float(&m->info, 2, value);
    end_attr(m, 1);
}

void onnx_node_text(onnx_maker *m, const char *name, const char *value)
{
    onnx_put_text(&m->info, 1, name);
    onnx_put_text(&m->info, 4, value);
    end_attr(m, 3);
}

void onnx_node_ints(onnx_maker *m, const char *name, const int64_t *values, size_t n)
{
    onnx_put_text(&m->info, 1, name);
    for (size_t i = 0; i < n; i++) onnx_put_int(&m->info, 8, values[i]);
    end_attr(m, 7);
}

void onnx_node_end(onnx_maker *m)
{
    put_message(&m->graph, 1, &m->node);
}

static void put_words(onnx_buffer *b, uint32_t field, const char *words)
{
    while (*words != '\0') {
        size_t n = strcspn(words, " ");
        onnx_put_bytes(b, field, words, n);
        words += n;
        words += *words == ' ';
    }
}

void onnx_make_node(onnx_maker *m, const char *op_type, const char *inputs, const char *outputs)
{
    onnx_node_begin(m, op_type, NULL);
    put_words(&m->node, 1, inputs);
    put_words(&m->node, 2, outputs);
    onnx_node_end(m);
}

void onnx_make_prop(onnx_maker *m, const char *key, const char *value)
{
    onnx_put_text(&m->info, 1, key);
    onnx_put_text(&m->info, 2, value);
    put_message(&m->props, 14, &m->info);
}

/* IR version 8 goes with opset 17 (onnx 1.12, docs/Versioning.md). */
spa_status onnx_maker_finish(onnx_maker *m, const uint8_t **data, size_t *size, spa_error *err)
{
    onnx_buffer front = {0}, opset = {0};
    size_t graph_size = m->graph.size - (m->graph.size > FRONT ? FRONT : m->graph.size);
    onnx_put_int(&front, 1, 8);
    onnx_put_text(&front, 2, "sparoa");
    onnx_put_text(&opset, 1, "");
    onnx_put_int(&opset, 2, m->opset);
    put_message(&front, 8, &opset);
    put_key(&front, 7, WIRE_BYTES);
    put_varint(&front, graph_size);
    onnx_put_raw(&m->graph, m->props.data, m->props.size);
    bool failed = m->graph.failed || m->node.failed || m->info.failed || m->props.failed ||
                  front.failed || front.size > FRONT;
    if (!failed) {
        memcpy(m->graph.data + FRONT - front.size, front.data, front.size);
        *data = m->graph.data + FRONT - front.size;
        *size = m->graph.size - FRONT + front.size;
    }
    onnx_buffer_fini(&front);
    onnx_buffer_fini(&opset);
    if (failed) return spa_fail_nomem(err, m->graph.size);
    if (*size > INT32_MAX)
        return spa_fail(err, SPA_E_RANGE, "the model has %zu bytes; protobuf allows 2 GiB", *size);
    return SPA_OK;
}
