/* Inside traces/: an ONNX file as it is written, before it means anything.
 *
 * The reader walks the protobuf wire format itself (developers.google.com/protocol-buffers/docs/
 * encoding; fields: onnx.proto of ONNX 1.12). A generated reader copies every tensor; here tensors
 * are pieces of the mapped file, so a model of any size costs no memory until its weights are
 * asked for. Strings are copied into an arena; nothing else is. */
#ifndef SPA_TRACES_ONNX_PROTO_H
#define SPA_TRACES_ONNX_PROTO_H

#include "traces/graph.h"

/* TensorProto.DataType */
enum {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_UINT16 = 4,
    ONNX_INT16 = 5,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_STRING = 8,
    ONNX_BOOL = 9,
    ONNX_FLOAT16 = 10,
    ONNX_DOUBLE = 11,
    ONNX_UINT32 = 12,
    ONNX_UINT64 = 13,
    ONNX_BFLOAT16 = 16
};

#define ONNX_MAX_RANK 16 /* of a tensor in a file; operators have SPA_MAX_RANK */

typedef struct onnx_bytes {
    const uint8_t *data;
    size_t size;
} onnx_bytes;

/* A tensor. Its values are in exactly one of raw, packed (one packed list of the type's field),
 * `message` (unpacked list: the fields of the message are walked), or a file beside the model. */
typedef struct onnx_tensor {
    const char *name;
    int32_t type;
    int32_t rank;
    int64_t dim[ONNX_MAX_RANK];
    int64_t count; /* elements; >= 0 */
    onnx_bytes raw;
    onnx_bytes packed;
    onnx_bytes message;
    bool has_raw, is_external;
    const char *location;   /* external */
    int64_t offset, length; /* external; length -1 = not given */
} onnx_tensor;

typedef struct onnx_dims {
    bool known; /* there is a shape at all */
    int32_t rank;
    int64_t dim[ONNX_MAX_RANK];       /* -1 = unknown */
    const char *param[ONNX_MAX_RANK]; /* name of an unknown one, or NULL */
} onnx_dims;

typedef struct onnx_info {
    const char *name;
    int32_t type; /* 0 = no tensor */
    onnx_dims shape;
} onnx_info;

typedef struct onnx_attr {
    const char *name;
    int32_t type; /* AttributeType, 0 where old writers left it out */
    bool has_f, has_i;
    float f;
    int64_t i;
    const char *s;
    onnx_tensor *t;
    float *floats;
    size_t n_floats;
    int64_t *ints;
    size_t n_ints;
    const char **strings;
    size_t n_strings;
} onnx_attr;

typedef struct onnx_node {
    const char *name, *op_type, *domain; /* "" where there is none */
    const char **inputs, **outputs;      /* "" = left out */
    size_t n_inputs, n_outputs;
    onnx_attr *attrs;
    size_t n_attrs;
} onnx_node;

typedef struct onnx_prop {
    const char *key, *value;
} onnx_prop;

typedef struct onnx_file {
    const char *path; /* for messages */
    int64_t ir_version, opset;
    const char *producer;
    size_t n_nodes, n_tensors, n_inputs, n_outputs, n_infos, n_props;
    onnx_node *nodes;
    onnx_tensor *tensors; /* initializers */
    onnx_info *inputs, *outputs, *infos;
    onnx_prop *props;
} onnx_file;

/* Reads a ModelProto. Everything but tensors goes to `arena`, tensors point into `data`, which must
 * outlive them. Errors: SPA_E_PARSE with the byte offset for what is no protobuf or no ONNX,
 * SPA_E_RANGE for sizes, SPA_E_UNSUPPORTED for opsets before 7. O(size of everything but tensors'
 * values). */
spa_status onnx_file_parse(onnx_file *file, const char *path, const void *data, size_t size,
                           spa_arena *arena, spa_error *err);
/* A TensorProto by itself (*.pb). */
spa_status onnx_tensor_parse(onnx_tensor *tensor, const char *path, const void *data, size_t size,
                             spa_arena *arena, spa_error *err);

/* Bytes of an element; 0 for types whose values cannot be read (strings, complex numbers). */
size_t onnx_type_bytes(int32_t type);
const char *onnx_type_name(int32_t type);

/* Values as double or float, [count] each, from wherever they are; the tensor is not external (its
 * raw bytes were set from its file by then). SPA_E_PARSE where there are more or fewer than its
 * shape says. */
spa_status onnx_tensor_doubles(const onnx_tensor *tensor, double *out, spa_error *err);
spa_status onnx_tensor_floats(const onnx_tensor *tensor, float *out, spa_error *err);
/* Checks that there are as many values as the shape says, without reading them. O(1) for raw ones.
 */
spa_status onnx_tensor_check(const onnx_tensor *tensor, spa_error *err);

#endif
