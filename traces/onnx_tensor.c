/* The values of ONNX tensors, of any type, as numbers. */
#include <math.h>

#include "traces/onnx_wire.h"

size_t onnx_type_bytes(int32_t type)
{
    switch (type) {
    case ONNX_UINT8:
    case ONNX_INT8:
    case ONNX_BOOL:
        return 1;
    case ONNX_UINT16:
    case ONNX_INT16:
    case ONNX_FLOAT16:
    case ONNX_BFLOAT16:
        return 2;
    case ONNX_FLOAT:
    case ONNX_INT32:
    case ONNX_UINT32:
        return 4;
    case ONNX_INT64:
    case ONNX_DOUBLE:
    case ONNX_UINT64:
        return 8;
    default:
        return 0;
    }
}

const char *onnx_type_name(int32_t type)
{
    static const char *const names[] = {"undefined",  "float",   "uint8",  "int8",   "uint16",
                                        "int16",      "int32",   "int64",  "string", "bool",
                                        "float16",    "double",  "uint32", "uint64", "complex64",
                                        "complex128", "bfloat16"};
    return type >= 0 && type < 17 ? names[type] : "unknown";
}

/* IEEE 754 half precision. */
static double half_value(uint16_t h)
{
    int exponent = h >> 10 & 31;
    double fraction = h & 1023, value;
    if (exponent == 31)
        value = fraction != 0 ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        value = ldexp(fraction, -24);
    else
        value = ldexp(1024 + fraction, exponent - 25);
    return h >> 15 ? -value : value;
}

/* From the bits of an element, as raw data has it or as its field has it. */
static double value_of(int32_t type, uint64_t bits)
{
    switch (type) {
    case ONNX_FLOAT:
        return onnx_bits_float((uint32_t)bits);
    case ONNX_UINT8:
        return (uint8_t)bits;
    case ONNX_INT8:
        return (int8_t)bits;
    case ONNX_UINT16:
        return (uint16_t)bits;
    case ONNX_INT16:
        return (int16_t)bits;
    case ONNX_INT32:
        return (int32_t)bits;
    case ONNX_UINT32:
        return (uint32_t)bits;
    case ONNX_INT64:
        return (double)(int64_t)bits;
    case ONNX_UINT64:
        return (double)bits;
    case ONNX_BOOL:
        return (uint8_t)bits != 0;
    case ONNX_FLOAT16:
        return half_value((uint16_t)bits);
    case ONNX_BFLOAT16:
        return onnx_bits_float((uint32_t)bits << 16);
    case ONNX_DOUBLE:
        return onnx_bits_double(bits);
    default:
        return NAN;
    }
}

static spa_status fail_count(const onnx_tensor *t, int64_t have, spa_error *err)
{
    return spa_fail(err, SPA_E_PARSE, "tensor '%.200s' has %lld values; its shape has %lld",
                    t->name, (long long)have, (long long)t->count);
}

/* Bytes of an element in its packed field; 0 = varints. */
static size_t packed_bytes(int32_t type)
{
    return type == ONNX_FLOAT ? 4 : type == ONNX_DOUBLE ? 8 : 0;
}

static spa_status check_type(const onnx_tensor *t, spa_error *err)
{
    if (onnx_type_bytes(t->type) > 0) return SPA_OK;
    return spa_fail(err, SPA_E_UNSUPPORTED, "tensor '%.200s' holds %s, no numbers", t->name,
                    onnx_type_name(t->type));
}

spa_status onnx_tensor_check(const onnx_tensor *t, spa_error *err)
{
    SPA_TRY(check_type(t, err));
    if (t->has_raw) {
        size_t width = onnx_type_bytes(t->type);
        if (t->raw.size % width != 0 || (int64_t)(t->raw.size / width) != t->count)
            return fail_count(t, (int64_t)(t->raw.size / width), err);
        return SPA_OK;
    }
    if (t->packed.data != NULL) {
        size_t width = packed_bytes(t->type);
        int64_t least = (int64_t)(t->packed.size / (width > 0 ? width : 10));
        int64_t most = (int64_t)(t->packed.size / (width > 0 ? width : 1));
        if (t->count > most || t->count < least) return fail_count(t, most, err);
        return SPA_OK;
    }
    if (t->message.data == NULL && t->count != 0) return fail_count(t, 0, err);
    if ((int64_t)(t->message.size / 2) < t->count && t->count != 0)
        return fail_count(t, (int64_t)(t->message.size / 2), err);
    return SPA_OK;
}

/* A place to put values: one of both. */
typedef struct sink {
    double *doubles;
    float *floats;
} sink;

static void put(const sink *s, int64_t i, double value)
{
    if (s->doubles != NULL)
        s->doubles[i] = value;
    else
        s->floats[i] = (float)value;
}

static void read_raw(const onnx_tensor *t, const sink *s)
{
    size_t width = onnx_type_bytes(t->type);
    const uint8_t *at = t->raw.data;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (t->type == ONNX_FLOAT && s->floats != NULL) {
        if (t->count > 0) memcpy(s->floats, at, (size_t)t->count * sizeof(float));
        return;
    }
#endif
    for (int64_t i = 0; i < t->count; i++, at += width) {
        uint64_t bits = 0;
        for (size_t b = 0; b < width; b++) bits |= (uint64_t)at[b] << (8 * b);
        put(s, i, value_of(t->type, bits));
    }
}

/* Values of one field from place `from` on; returns how many there were. */
static int64_t read_field(const onnx_tensor *t, const onnx_field *f, int64_t from, const sink *s)
{
    if (f->wire != WIRE_BYTES) {
        if (from < t->count) put(s, from, value_of(t->type, f->number));
        return 1;
    }
    size_t width = packed_bytes(t->type);
    onnx_wire w = onnx_wire_of(f->bytes);
    int64_t n = 0;
    while (w.at < w.end && !w.bad) {
        uint64_t bits = width > 0 ? onnx_wire_fixed(&w, width) : onnx_wire_varint(&w);
        if (w.bad) return -1;
        if (from + n < t->count) put(s, from + n, value_of(t->type, bits));
        n++;
    }
    return n;
}

static uint32_t field_of(int32_t type)
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
    default:
        return 5;
    }
}

static spa_status read_values(const onnx_tensor *t, const sink *s, spa_error *err)
{
    SPA_TRY(onnx_tensor_check(t, err));
    if (t->has_raw) {
        read_raw(t, s);
        return SPA_OK;
    }
    int64_t n = 0;
    if (t->packed.data != NULL) {
        onnx_field f = {.wire = WIRE_BYTES, .bytes = t->packed};
        n = read_field(t, &f, 0, s);
    } else {
        onnx_wire w = onnx_wire_of(t->message);
        onnx_field f;
        while (n >= 0 && onnx_wire_next(&w, &f)) {
            if (f.id != field_of(t->type)) continue;
            int64_t more = read_field(t, &f, n, s);
            n = more < 0 ? -1 : n + more;
        }
    }
    return n == t->count ? SPA_OK : fail_count(t, n, err);
}

spa_status onnx_tensor_doubles(const onnx_tensor *tensor, double *out, spa_error *err)
{
    return read_values(tensor, &(sink){.doubles = out}, err);
}

spa_status onnx_tensor_floats(const onnx_tensor *tensor, float *out, spa_error *err)
{
    return read_values(tensor, &(sink){.floats = out}, err);
}
