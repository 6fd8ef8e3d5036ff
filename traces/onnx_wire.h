/* Inside traces/: the protobuf wire format. A cursor never reads behind its end. */
#ifndef SPA_TRACES_ONNX_WIRE_H
#define SPA_TRACES_ONNX_WIRE_H

#include <string.h>

#include "traces/onnx_proto.h"

typedef struct onnx_wire {
    const uint8_t *at, *end;
    bool bad; /* something was cut off or no protobuf */
} onnx_wire;

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* One field: its number, and its value in `number` (varint, fixed) or `bytes`. */
typedef struct onnx_field {
    uint32_t id, wire;
    uint64_t number;
    onnx_bytes bytes;
} onnx_field;

static inline onnx_wire onnx_wire_of(onnx_bytes bytes)
{
    /* no arithmetic on NULL */
    return (onnx_wire){bytes.data, bytes.size > 0 ? bytes.data + bytes.size : bytes.data, false};
}

static inline uint64_t onnx_wire_varint(onnx_wire *w)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        uint8_t byte = *w->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) return value;
    }
    w->bad = true;
    return 0;
}

static inline uint64_t onnx_wire_fixed(onnx_wire *w, size_t size)
{
    uint64_t value = 0;
    if ((size_t)(w->end - w->at) < size) {
        w->bad = true;
        return 0;
    }
    for (size_t i = 0; i < size; i++) value |= (uint64_t)w->at[i] << (8 * i);
    w->at += size;
    return value;
}

/* The next field; false at the end, or when what follows is no field (then `bad`). */
static inline bool onnx_wire_next(onnx_wire *w, onnx_field *f)
{
    if (w->bad || w->at >= w->end) return false;
    uint64_t key = onnx_wire_varint(w);
    *f = (onnx_field){.id = (uint32_t)(key >> 3), .wire = (uint32_t)(key & 7)};
    if (key >> 3 == 0 || key >> 32 != 0) w->bad = true;
    switch (f->wire) {
    case WIRE_VARINT:
        f->number = onnx_wire_varint(w);
        break;
    case WIRE_FIXED64:
        f->number = onnx_wire_fixed(w, 8);
        break;
    case WIRE_FIXED32:
        f->number = onnx_wire_fixed(w, 4);
        break;
    case WIRE_BYTES: {
        uint64_t size = onnx_wire_varint(w);
        if (w->bad || size > (uint64_t)(w->end - w->at)) {
            w->bad = true;
            break;
        }
        f->bytes = (onnx_bytes){w->at, (size_t)size};
        w->at += size;
        break;
    }
    default: /* groups are not used by ONNX */
        w->bad = true;
    }
    return !w->bad;
}

static inline float onnx_bits_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double onnx_bits_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
