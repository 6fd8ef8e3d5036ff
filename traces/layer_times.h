/* Times of layers as other programs measured them, and their way onto the operators of a graph.
 *
 * A layer is what the other program timed: one operator, or several that it fused. Each layer's
 * time goes to the one of its operators with the most work; the others then cost nothing beside
 * it, because they ran inside it. What finds no operator is listed with its share of the time. */
#ifndef SPA_TRACES_LAYER_TIMES_H
#define SPA_TRACES_LAYER_TIMES_H

#include "traces/trace.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_LAYERS_MAX_BYTES ((size_t)1 << 30)

/* One layer. Unknown times are NaN, unknown counts -1. */
typedef struct spa_layer_time {
    const char *name;  /* as the program spells it */
    const char *kind;  /* its word for what it computes, or "" */
    bool on_gpu;       /* measured on the GPU, else on the CPU */
    bool blocked;      /* out counts channels padded to blocks of 16 (ONNX Runtime's nchwc) */
    spa_shape out;     /* rank 0 = not told */
    size_t first_part; /* into parts: the nodes of the model that it computes */
    size_t n_parts;    /* 0 = it names none */
    int64_t samples;   /* inferences behind the times */
    double mean_us, std_us, p50_us, p95_us; /* per inference */
} spa_layer_time;

typedef struct spa_layer_times {
    const char *program;   /* "trtexec", "onnxruntime", "pytorch" */
    const char *libraries; /* what is known of versions, or "" */
    size_t n;
    spa_layer_time *layers; /* [n] in the order of the model, as far as it is known */
    const char **parts;
    size_t n_parts, layers_capacity, parts_capacity;
    int64_t runs; /* inferences in the file */
    spa_arena arena;
} spa_layer_times;

/* trtexec's --exportProfile; `layers` is the file of --exportLayerInfo, whose metadata names the
 * model's nodes also where the profile does not, or NULL. */
SPA_API spa_status spa_layer_times_trtexec(spa_layer_times *out, const char *profile,
                                           const char *layers, spa_error *err);
/* ONNX Runtime's profile (SessionOptions.enable_profiling): node events. With several inferences in
 * it the first, which warms up, is left out. */
SPA_API spa_status spa_layer_times_onnxruntime(spa_layer_times *out, const char *path,
                                               spa_error *err);
/* PyTorch's profiler (export_chrome_trace): operators on the CPU, each with the kernels that it
 * launched; with kernels in the file their time counts, else the operators' own. */
SPA_API spa_status spa_layer_times_pytorch(spa_layer_times *out, const char *path, spa_error *err);
SPA_API void spa_layer_times_fini(spa_layer_times *times);

/* How an operator came to its layer. */
typedef enum spa_layer_match {
    SPA_LAYER_NONE,     /* not at all */
    SPA_LAYER_NAMED,    /* the layer names it */
    SPA_LAYER_SHAPED,   /* the next operator of the layer's kind (and output shape, if told) */
    SPA_LAYER_ABSORBED, /* a batch norm, activation or addition that no layer names: fused into the
                           layer of its producer */
    SPA_LAYER_VIEW      /* costs nothing */
} spa_layer_match;

typedef struct spa_layer_map {
    size_t n_layers, n_ops;
    int32_t *carrier;           /* [n_layers] the operator that carries its time; -1 = none */
    int32_t *layer;             /* [n_ops] */
    spa_layer_match *match;     /* [n_ops] */
    size_t count[5];            /* operators by match */
    double total_us, mapped_us; /* sums of means per inference */
    spa_arena arena;
} spa_layer_map;

/* Which operators each layer stands for. Node names as PyTorch's exporter makes them are understood
 * ("/layer1/layer1.0/conv1/Conv" is layer1.0.conv1), and equal names. O(layers + operators), but
 * for layers without names O(layers * operators). */
SPA_API spa_status spa_layer_map_make(spa_layer_map *map, const spa_layer_times *times,
                                      const spa_graph *graph, spa_error *err);
SPA_API void spa_layer_map_fini(spa_layer_map *map);

/* The rows of a trace: processors "cpu" and "gpu", backend = the program's name, for the graph's
 * batch. Into trace->arena and model->costs. */
SPA_API spa_status spa_layer_map_costs(const spa_layer_map *map, const spa_layer_times *times,
                                       const spa_graph *graph, spa_dtype dtype, spa_trace *trace,
                                       spa_trace_model *model, spa_error *err);

/* The operator kind that a program's word stands for ("Conv", "aten::relu_"); false = none. */
SPA_API bool spa_layer_kind(const char *word, spa_op_kind *kind);

#ifdef __cplusplus
}
#endif
#endif
