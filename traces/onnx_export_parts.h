/* Inside traces/: what the parts of the ONNX exporter share. */
#ifndef SPA_TRACES_ONNX_EXPORT_PARTS_H
#define SPA_TRACES_ONNX_EXPORT_PARTS_H

#include "traces/onnx_export.h"
#include "traces/onnx_write.h"

#define ONNX_NAME_SIZE 320

typedef struct exporter {
    onnx_maker maker;
    const spa_graph *graph;
    const spa_onnx_params *params;
    const spa_op *op; /* at hand */
    size_t index;
} exporter;

/* "<operator>.<part>"; an operator's output is called as the operator is. */
const char *onnx_x_part_name(const exporter *x, const char *part, char name[ONNX_NAME_SIZE]);
const char *onnx_x_input_name(const exporter *x, size_t i, char name[ONNX_NAME_SIZE]);
void onnx_x_dims_of(const spa_shape *shape, int64_t dims[SPA_MAX_RANK]);
void onnx_x_begin(exporter *x, const char *op_type, const char *name);
void onnx_x_end(exporter *x, const char *output);
void onnx_x_take_input(exporter *x, size_t i);
spa_status onnx_x_put_param(exporter *x, size_t p, bool transposed, spa_error *err);
void onnx_x_take_param(exporter *x, size_t p);
void onnx_x_put_list(exporter *x, const char *part, const int64_t *values, size_t n);
void onnx_x_take_part(exporter *x, const char *part);
void onnx_x_end_part(exporter *x, const char *part);
void onnx_x_begin_part(exporter *x, const char *op_type, const char *part);
spa_status onnx_x_put_simple(exporter *x, const char *op_type, spa_error *err);

/* Kinds that move elements (onnx_export_move.c). */
spa_status onnx_x_put_slice(exporter *x, spa_error *err);
spa_status onnx_x_put_pad(exporter *x, spa_error *err);
spa_status onnx_x_put_roll(exporter *x, spa_error *err);
spa_status onnx_x_put_reshape(exporter *x, spa_error *err);
spa_status onnx_x_put_transpose(exporter *x, spa_error *err);
spa_status onnx_x_put_gather(exporter *x, spa_error *err);
spa_status onnx_x_put_upsample(exporter *x, spa_error *err);

#endif
