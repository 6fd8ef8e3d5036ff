/* A graph and its parameters as an ONNX file. */
#ifndef SPA_TRACES_ONNX_EXPORT_H
#define SPA_TRACES_ONNX_EXPORT_H

#include "traces/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where parameters come from: *out are the values of parameter `param` of operator `op`. */
typedef struct spa_onnx_params {
    void *context;
    spa_status (*values)(void *context, size_t op, size_t param, const float **out, spa_error *err);
} spa_onnx_params;

/* Writes opset 17, IR version 8, fp32. Operators keep their names, each the name of its output; an
 * operator without a single ONNX node (GELU, roll, linear on more than two dimensions, transposed
 * products, relative position bias) becomes several, which spa_onnx_read makes one again: the
 * graph's hash stays. Inputs are called input0, input1, ... SPA_E_UNSUPPORTED: fp16, fused and
 * opaque operators, kinds that only imported models have. Memory: the file's size. */
SPA_API spa_status spa_onnx_write(const spa_graph *graph, const spa_onnx_params *params,
                                  const char *path, spa_error *err);

/* Row of a relative position table for query i and key j of a window of n = w * w tokens. */
static inline int64_t spa_onnx_relative_row(int64_t n, int64_t i, int64_t j)
{
    int64_t w = 1;
    while (w * w < n) w++;
    return (i / w - j / w + w - 1) * (2 * w - 1) + i % w - j % w + w - 1;
}

#ifdef __cplusplus
}
#endif
#endif
