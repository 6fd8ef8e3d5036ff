/* ONNX files: import into a graph, and export (docs/onnx.md).
 *
 * Sources: the ONNX operator specification, opsets 7 to 17 (github.com/onnx/onnx, docs/Operators.md
 * of 1.12). */
#ifndef SPA_TRACES_ONNX_H
#define SPA_TRACES_ONNX_H

#include "traces/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A tensor as a file holds it (a TensorProto's bytes) for one input of the graph. */
typedef struct spa_onnx_given {
    const char *input; /* NULL: the input at this place */
    const void *data;
    size_t size;
} spa_onnx_given;

typedef struct spa_onnx_options {
    int32_t batch; /* of inputs whose first dimension is open; 0 = 1. A fixed one must fit. */
    int dtype;     /* spa_dtype of the graph, or -1: what the first input is (fp16 or fp32) */
    bool fold_batch_norm; /* into the convolution or linear layer before it */
    /* Shapes "name=1x128" of inputs with other open dimensions. */
    const char *const *shapes;
    size_t n_shapes;
    /* Values of inputs, taken where the operator needs a constant (weights, axes, paddings). */
    const spa_onnx_given *given;
    size_t n_given;
} spa_onnx_options;
SPA_API spa_onnx_options spa_onnx_options_default(void);

/* Where a value of the file is in the graph. */
typedef struct spa_onnx_value {
    const char *name;
    int32_t producer; /* an operator, ~k for graph input k, or SPA_ONNX_UNUSED */
    int32_t type;     /* TensorProto.DataType */
    int32_t rank;     /* in the file; a scalar (0) is [1] in the graph */
} spa_onnx_value;
#define SPA_ONNX_UNUSED INT32_MIN

#define SPA_ONNX_LISTED 8

/* What an import found. Strings belong to the graph. */
typedef struct spa_onnx_report {
    int64_t opset;
    size_t n_nodes;
    size_t n_opaque;                   /* nodes without a rule: bytes only */
    char opaque[SPA_ONNX_LISTED * 48]; /* "Name x2, Other": their operators, the first ones */
    char reason[300];                  /* why the first of them has none */
    size_t n_inputs, n_outputs;        /* of the file, without its weights */
    spa_onnx_value *inputs, *outputs;
} spa_onnx_report;

/* Reads a model. The graph's name is the file's without folder and ending; sparsities follow the
 * assumption relu50, as in the zoo. Weights stay in the file, which stays mapped until the graph is
 * freed and must not be cut short meanwhile: graph->source reads them. External data must lie in
 * the model's folder or below it. `options`, `report` may be NULL.
 * Errors name the file and the node: SPA_E_PARSE (no ONNX, cut off, cycles, values made twice or
 * never), SPA_E_RANGE (sizes), SPA_E_INVALID (shapes that do not fit), SPA_E_UNSUPPORTED (open
 * dimensions, opsets before 7, what has no rule and no known shape). On failure the graph is
 * empty. O(nodes + values of small constants). */
SPA_API spa_status spa_onnx_read(spa_graph *graph, const char *path,
                                 const spa_onnx_options *options, spa_onnx_report *report,
                                 spa_error *err);
/* The same from memory, which must outlive the graph; external data is refused. */
SPA_API spa_status spa_onnx_parse(spa_graph *graph, const char *path_for_messages, const void *data,
                                  size_t size, const spa_onnx_options *options,
                                  spa_onnx_report *report, spa_error *err);

/* A tensor's file (*.pb) as floats; free() them. */
SPA_API spa_status spa_onnx_read_tensor(const char *path, int64_t *count, float **values,
                                        spa_error *err);

/* Does a name end in ".onnx"? */
SPA_API bool spa_onnx_is_file(const char *name);

#ifdef __cplusplus
}
#endif
#endif
