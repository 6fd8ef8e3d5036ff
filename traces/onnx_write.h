/* Inside traces/ and its tests: writing ONNX files. */
#ifndef SPA_TRACES_ONNX_WRITE_H
#define SPA_TRACES_ONNX_WRITE_H

#include "traces/onnx_proto.h"

/* Bytes that grow. Failures (no memory) are remembered: see onnx_maker_finish. */
typedef struct onnx_buffer {
    uint8_t *data;
    size_t size, capacity;
    bool failed;
} onnx_buffer;

void onnx_buffer_fini(onnx_buffer *b);
void onnx_put_raw(onnx_buffer *b, const void *data, size_t size);
void onnx_put_int(onnx_buffer *b, uint32_t field, int64_t value);
void onnx_put_float(onnx_buffer *b, uint32_t field, float value);
void onnx_put_bytes(onnx_buffer *b, uint32_t field, const void *data, size_t size);
void onnx_put_text(onnx_buffer *b, uint32_t field, const char *text);

/* A model being made: call in the order of the file (nodes in topological order). */
typedef struct onnx_maker {
    onnx_buffer graph; /* begins with room for what stands before the graph */
    onnx_buffer node, info, props;
    int64_t opset;
} onnx_maker;

/* expected_bytes: of all tensors, to reserve room once; 0 = unknown. */
void onnx_maker_init(onnx_maker *m, int64_t opset, size_t expected_bytes);
void onnx_maker_fini(onnx_maker *m);

/* The graph's inputs and outputs; a dimension of -1 is open. type: TensorProto.DataType. */
void onnx_make_input(onnx_maker *m, const char *name, int32_t type, const int64_t *dims,
                     int32_t rank);
void onnx_make_output(onnx_maker *m, const char *name, int32_t type, const int64_t *dims,
                      int32_t rank);
void onnx_make_value_info(onnx_maker *m, const char *name, int32_t type, const int64_t *dims,
                          int32_t rank);

/* A weight; data is little-endian, `size` bytes. Where data is NULL the caller writes to the
 * returned place at once (valid until the next call; NULL = no memory). */
uint8_t *onnx_make_tensor(onnx_maker *m, const char *name, int32_t type, const int64_t *dims,
                          int32_t rank, const void *data, size_t size);
void onnx_make_floats(onnx_maker *m, const char *name, const int64_t *dims, int32_t rank,
                      const float *values);
void onnx_make_ints(onnx_maker *m, const char *name, const int64_t *values, size_t n);

/* A node: begin, its inputs, outputs and attributes in any order, end. */
void onnx_node_begin(onnx_maker *m, const char *op_type, const char *name);
void onnx_node_input(onnx_maker *m, const char *name);
void onnx_node_output(onnx_maker *m, const char *name);
void onnx_node_int(onnx_maker *m, const char *name, int64_t value);
void onnx_node_float(onnx_maker *m, const char *name, float value);
void onnx_node_text(onnx_maker *m, const char *name, const char *value);
void onnx_node_ints(onnx_maker *m, const char *name, const int64_t *values, size_t n);
void onnx_node_end(onnx_maker *m);
/* A node without attributes; inputs and outputs separated by blanks. */
void onnx_make_node(onnx_maker *m, const char *op_type, const char *inputs, const char *outputs);

/* metadata_props */
void onnx_make_prop(onnx_maker *m, const char *key, const char *value);

/* The file's bytes; they belong to the maker. SPA_E_NOMEM; SPA_E_RANGE over 2 GiB, protobuf's
 * limit. */
spa_status onnx_maker_finish(onnx_maker *m, const uint8_t **data, size_t *size, spa_error *err);

#endif
