/* Operators and graphs: what the work *is*.
 *
 * A graph is a list of operators in topological order. MACs, bytes and parameters follow from kind,
 * shapes and attributes in one place (spa_op_derive), never from a file or a table. */
#ifndef SPA_TRACES_GRAPH_H
#define SPA_TRACES_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_MAX_RANK         6
#define SPA_MAX_PARAMS       4
#define SPA_MAX_DIM          ((int64_t)1 << 24) /* per dimension */
#define SPA_MAX_ELEMENTS     ((int64_t)1 << 40) /* per tensor */
#define SPA_MAX_OPERATORS    ((size_t)1 << 20)  /* per graph */
#define SPA_MAX_OP_INPUTS    64                 /* per operator */
#define SPA_MAX_GRAPH_INPUTS 16

typedef enum spa_dtype { SPA_FP32, SPA_FP16 } spa_dtype;

typedef enum spa_op_kind {
    SPA_OP_CONV,       /* in [N,C,H,W] -> [N,C',H',W']; groups = C is depthwise */
    SPA_OP_LINEAR,     /* in [...,K] -> [...,M]; weight [M,K] */
    SPA_OP_MATMUL,     /* batched: a [...,M,K] x b [...,K,N] (b [...,N,K] if transpose_b) */
    SPA_OP_BATCH_NORM, /* inference: per-channel scale and shift */
    SPA_OP_LAYER_NORM, /* over the last dimension */
    SPA_OP_RELU,
    SPA_OP_RELU6,
    SPA_OP_LEAKY_RELU, /* slope in attribute alpha */
    SPA_OP_HARD_SWISH,
    SPA_OP_HARD_SIGMOID,
    SPA_OP_SIGMOID,
    SPA_OP_GELU,    /* exact, erf form */
    SPA_OP_SOFTMAX, /* over the last dimension */
    SPA_OP_MAX_POOL,
    SPA_OP_AVG_POOL,        /* divides by the kernel area; padding counts as zero */
    SPA_OP_GLOBAL_AVG_POOL, /* [N,C,H,W] -> [N,C,1,1] */
    SPA_OP_MEAN,            /* over dimension `axis`, which disappears */
    SPA_OP_ADD,             /* two inputs, or one input plus a parameter; NumPy broadcasting */
    SPA_OP_MUL,             /* likewise */
    SPA_OP_CONCAT,          /* along axis; a parameter, if any, comes first */
    SPA_OP_SLICE,           /* begin[], out shape, step[] (0 means 1) */
    SPA_OP_PAD,             /* zeros: begin[] before, the rest after, from the out shape */
    SPA_OP_ROLL,            /* cyclic shift by begin[] per dimension (may be negative) */
    SPA_OP_RESHAPE,         /* same elements, other shape; free (a view) */
    SPA_OP_TRANSPOSE,       /* perm[] */
    SPA_OP_GATHER,          /* relative position bias from a table, no inputs; operator_shape.c */
    SPA_OP_UPSAMPLE,        /* nearest neighbour, integer factor stride_h x stride_w */
    SPA_OP_HOST,  /* opaque work on the host (pre-/post-processing); cost from traces only */
    SPA_OP_OTHER, /* opaque work anywhere, bytes only; imported operators without a rule */
    /* Generic kinds, which imported models need; `fn` says what is computed. */
    SPA_OP_MATH,   /* elementwise function of one input (exp, tanh, clip, ...) */
    SPA_OP_BINARY, /* elementwise function of two (sub, div, pow, ...), operands as those of add */
    SPA_OP_REDUCE, /* over the dimensions that are 1 in the output: sum, max, argmax, ... */
    SPA_OP_TAKE,   /* elements of input 0 along `axis` by indices: input 1, or the parameter */
    SPA_OP_EMBED,  /* rows of a table (the parameter) by indices (the input) */
    SPA_OP_EXPAND, /* NumPy broadcasting to the output shape */
    SPA_OP_WHERE,  /* input 1 where input 0 is not 0, else input 2; broadcasting */
    SPA_OP_CONSTANT, /* a parameter as a tensor; no inputs */
    SPA_OP_KIND_COUNT
} spa_op_kind;

/* Functions of the generic kinds. Names in files: spa_fn_name. a, b: attributes alpha and beta. */
typedef enum spa_fn {
    SPA_FN_NONE,
    /* math: */
    SPA_FN_ABS,
    SPA_FN_ACOS,
    SPA_FN_ACOSH,
    SPA_FN_ASIN,
    SPA_FN_ASINH,
    SPA_FN_ATAN,
    SPA_FN_ATANH,
    SPA_FN_CEIL,
    SPA_FN_CELU, /* max(0, x) + min(0, a * (exp(x / a) - 1)) */
    SPA_FN_CLIP, /* to a .. b */
    SPA_FN_COS,
    SPA_FN_COSH,
    SPA_FN_ELU, /* x > 0 ? x : a * (exp(x) - 1) */
    SPA_FN_ERF,
    SPA_FN_EXP,
    SPA_FN_FLOOR,
    SPA_FN_GELU_TANH,       /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    SPA_FN_HARD_SIGMOID_AB, /* max(0, min(1, a * x + b)) */
    SPA_FN_IS_INF,          /* +inf if a != 0, -inf if b != 0 */
    SPA_FN_IS_NAN,
    SPA_FN_LOG,
    SPA_FN_MISH, /* x * tanh(log(1 + exp(x))) */
    SPA_FN_NEG,
    SPA_FN_NON_ZERO,
    SPA_FN_NOT,
    SPA_FN_RECIPROCAL,
    SPA_FN_ROUND,  /* halves to even */
    SPA_FN_SELU,   /* x > 0 ? b * x : b * (a * exp(x) - a) */
    SPA_FN_SHRINK, /* x < -b ? x + a : x > b ? x - a : 0 */
    SPA_FN_SIGN,
    SPA_FN_SIN,
    SPA_FN_SINH,
    SPA_FN_SOFTPLUS,
    SPA_FN_SOFTSIGN,
    SPA_FN_SQRT,
    SPA_FN_TAN,
    SPA_FN_TANH,
    SPA_FN_THRESHOLDED_RELU, /* x > a ? x : 0 */
    SPA_FN_TRUNC,
    /* binary; r...: with the operands exchanged */
    SPA_FN_SUB,
    SPA_FN_RSUB,
    SPA_FN_DIV,
    SPA_FN_RDIV,
    SPA_FN_INT_DIV, /* towards 0 */
    SPA_FN_RINT_DIV,
    SPA_FN_POW,
    SPA_FN_RPOW,
    SPA_FN_MOD, /* sign of the divisor */
    SPA_FN_RMOD,
    SPA_FN_FMOD, /* sign of the dividend */
    SPA_FN_RFMOD,
    SPA_FN_MIN,
    SPA_FN_MAX,
    SPA_FN_EQUAL, /* comparisons and logic give 1 or 0 */
    SPA_FN_GREATER,
    SPA_FN_GREATER_EQUAL,
    SPA_FN_LESS,
    SPA_FN_LESS_EQUAL,
    SPA_FN_AND,
    SPA_FN_OR,
    SPA_FN_XOR,
    SPA_FN_PRELU, /* x < 0 ? y * x : x */
    SPA_FN_LRN,   /* x / y^a: what local response normalisation ends in */
    /* reduce: */
    SPA_FN_SUM,
    SPA_FN_AVERAGE,
    SPA_FN_LARGEST,
    SPA_FN_LEAST,
    SPA_FN_PRODUCT,
    SPA_FN_L1,
    SPA_FN_L2,
    SPA_FN_LOG_SUM,
    SPA_FN_LOG_SUM_EXP,
    SPA_FN_SUM_SQUARE,
    SPA_FN_ARG_MAX, /* over one dimension; the first of equals */
    SPA_FN_ARG_MIN,
    SPA_FN_ARG_MAX_LAST,
    SPA_FN_ARG_MIN_LAST,
    SPA_FN_COUNT
} spa_fn;

/* Where a sparsity figure comes from; never let an assumed one pass as data. */
typedef enum spa_origin {
    SPA_ORIGIN_UNKNOWN,
    SPA_ORIGIN_ASSUMED,
    SPA_ORIGIN_MODELLED,
    SPA_ORIGIN_IMPORTED,
    SPA_ORIGIN_MEASURED
} spa_origin;

typedef struct spa_shape {
    int32_t rank;
    int32_t dim[SPA_MAX_RANK];
} spa_shape;

/* A learned or constant tensor of an operator (weight, bias, running mean, table). */
typedef struct spa_op_param {
    spa_shape shape;
    bool learned;     /* counts as a parameter in torchvision's sense (buffers do not) */
    const char *role; /* "weight", "bias", "scale", "shift", "mean", "variance", "constant" */
} spa_op_param;

/* Attributes that a kind does not use are 0. Padding is on top, left, bottom, right. */
typedef struct spa_op_attrs {
    int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left, pad_bottom, pad_right;
    int32_t groups;
    int32_t axis;
    int32_t begin[SPA_MAX_RANK]; /* slice, pad, roll */
    int32_t step[SPA_MAX_RANK];  /* slice */
    int32_t perm[SPA_MAX_RANK];  /* transpose */
    bool has_bias;
    bool transpose_b;      /* matmul */
    bool ceil_mode;        /* pooling output size rounds up */
    spa_shape param_shape; /* add, mul, concat, gather: shape of the constant operand
                              (rank 0 = none) */
    bool param_learned;
    double alpha; /* leaky ReLU slope; mul: constant scalar factor when no second
                     operand and rank-0 parameter; layer norm: epsilon, 0 = 1e-5; math: a */
    double beta;  /* math: b */
    spa_fn fn;    /* math, binary, reduce */
} spa_op_attrs;

/* What was an operator of its own before it was fused. Steps run in order, element by element, so
 * only their operands are read: on the operator's result, or, of a reduction, on what it reads. */
typedef struct spa_op_step {
    spa_op_kind kind;      /* an activation, add, mul, or batch_norm: folded into weight and bias */
    uint32_t stream;       /* which operator it was: its seeded parameters */
    bool from_input;       /* add, mul: the second operand is the operator's next input ... */
    spa_shape param_shape; /* ... or a constant of this shape (rank 0 = none), or of mul alpha */
    bool param_learned;
    bool adds_bias; /* batch_norm: the operator had no bias before */
    double alpha;   /* leaky ReLU slope; mul: constant factor */
} spa_op_step;
#define SPA_MAX_STEPS 8

/* Operator flags. */
#define SPA_OP_PULLED 1u /* the stack copies the output to the host and synchronises at once */

typedef struct spa_op {
    const char *name; /* unique in the graph, e.g. "layer1.0.conv1" */
    spa_op_kind kind;
    spa_op_attrs attrs;
    spa_shape out;
    uint32_t first_input; /* into graph->inputs */
    uint32_t n_inputs;
    uint32_t flags;
    uint32_t stream;          /* names its seeded parameters: its index before it was rewritten */
    uint32_t n_steps;         /* 0 = not fused */
    uint32_t n_operands;      /* inputs of steps: the last ones of n_inputs */
    const spa_op_step *steps; /* [n_steps], in the graph's arena */
    /* Derived by spa_op_derive, for the graph's batch and dtype: */
    int64_t macs;  /* multiply-accumulates; 0 for data movement */
    int64_t flops; /* floating-point operations of non-MAC kinds (1 per element op) */
    int64_t bytes_in, bytes_out, bytes_weight;
    int64_t n_learned; /* learned parameters */
    /* Sparsities in [0, 1] (fraction of zeros), NaN = unknown. */
    double sparsity;       /* rho, of the output */
    double input_sparsity; /* of what it reads: its producers' rho, weighted by size */
    double weight_sparsity;
    spa_origin rho_origin;
} spa_op;

/* An input is an operator index, or ~k for the graph's k-th input tensor. */
#define SPA_GRAPH_INPUT(k) (~(int32_t)(k))

struct spa_graph;

/* Values of the parameters that came with a model file. */
typedef struct spa_param_source {
    /* Writes the values of parameter `param` of operator `op` to out[count], count being the
     * elements of its shape. Several threads may ask at once. */
    spa_status (*fill)(const struct spa_param_source *source, size_t op, size_t param, float *out,
                       size_t count, spa_error *err);
    void (*free)(struct spa_param_source *source);
} spa_param_source;

typedef struct spa_graph {
    const char *name;
    spa_dtype dtype;
    int32_t batch;
    size_t n_ops;
    spa_op *ops; /* [n_ops], topological order */
    size_t n_edges;
    int32_t *inputs; /* [n_edges] producers, grouped by consumer */
    size_t n_graph_inputs;
    spa_shape graph_inputs[SPA_MAX_GRAPH_INPUTS];
    double graph_input_sparsity;
    /* Consumers of each operator (built by spa_graph_finish): */
    uint32_t *first_consumer; /* [n_ops + 1] */
    int32_t *consumers;       /* [edges between operators] */
    int64_t total_macs, total_params;
    uint64_t hash;            /* content: kinds, shapes, attributes, edges, dtype, batch; not names
                                 and not sparsities */
    spa_param_source *source; /* owned; NULL = none, kernels draw seeded values */
    spa_arena arena;
    size_t ops_capacity, edges_capacity; /* while building */
    uint32_t *name_slots;                /* hash table of operator names: index + 1, 0 = free */
    size_t n_name_slots;
} spa_graph;

/* ---- building ------------------------------------------------------------------------------ */

/* An empty graph. `name` must live until spa_graph_finish, which copies it. The caller then sets
 * graph_inputs and n_graph_inputs (and graph_input_sparsity, NaN = unknown). */
SPA_API void spa_graph_init(spa_graph *graph, const char *name, int32_t batch, spa_dtype dtype);
SPA_API void spa_graph_fini(spa_graph *graph);

/* Appends an operator whose inputs are already there; its output shape is inferred from kind,
 * inputs and attributes (reshape, slice, pad, host, other take it from *out instead; conv its
 * output channels from out->dim[1], linear its output features from the last dimension: their other
 * dimensions may be 0 = inferred). For all others out may be NULL; what it gives must fit. The name
 * is copied; the new index goes to *index (may be NULL). Attributes that the kind does not use must
 * be 0. Sparsities start unknown. Errors: shapes that do not fit, unknown input, duplicate name. */
SPA_API spa_status spa_graph_add(spa_graph *graph, const char *name, spa_op_kind kind,
                                 const spa_op_attrs *attrs, const int32_t *inputs, size_t n_inputs,
                                 const spa_shape *out, int32_t *index, spa_error *err);

/* What an operator took in when it was fused. */
typedef struct spa_fusion {
    const spa_op_step *steps;
    size_t n_steps;
    uint32_t stream;
} spa_fusion;
/* The same for a fused operator: inputs are its own, then one for each step with from_input, in
 * order. The steps are copied. It has the shape of the operator; MACs, operations and bytes are
 * those of all of it, without the tensors that no longer exist. `kind` is conv, linear, matmul,
 * an elementwise one, or a reduction with activations and factors; batch_norm is the first step of
 * a conv or linear with has_bias. Errors: as above, and steps that cannot be. */
SPA_API spa_status spa_graph_add_fused(spa_graph *graph, const char *name, spa_op_kind kind,
                                       const spa_op_attrs *attrs, const int32_t *inputs,
                                       size_t n_inputs, const spa_shape *out,
                                       const spa_fusion *fusion, int32_t *index, spa_error *err);

/* Derives consumers (once per edge), totals, input sparsities and the hash. Call once at the end.
 * O(operators + edges). */
SPA_API spa_status spa_graph_finish(spa_graph *graph, spa_error *err);

/* Recomputes input_sparsity after sparsities were set. O(edges). */
SPA_API void spa_graph_propagate_sparsity(spa_graph *graph);

/* Index of the operator with this name, or -1. O(1). */
SPA_API int32_t spa_graph_find(const spa_graph *graph, const char *name);

/* ---- questions ----------------------------------------------------------------------------- */

SPA_API int64_t spa_shape_elements(const spa_shape *shape);
SPA_API bool spa_shape_equal(const spa_shape *a, const spa_shape *b);
SPA_API size_t spa_dtype_bytes(spa_dtype dtype);
SPA_API const char *spa_dtype_name(spa_dtype dtype);
SPA_API const char *spa_op_kind_name(spa_op_kind kind); /* "conv", "linear", ... */
/* Can operators of this kind be computed in parts, each a contiguous piece of the output? */
SPA_API bool spa_op_kind_divides(spa_op_kind kind);
/* Can this operator? A fused one cannot. */
static inline bool spa_op_divides(const spa_op *op)
{
    return op->n_steps == 0 && spa_op_kind_divides(op->kind);
}
/* One that computes each element of its output from the same element of its inputs. */
SPA_API bool spa_op_kind_is_elementwise(spa_op_kind kind);
/* One that makes one number of many; its steps come before it. */
SPA_API bool spa_op_kind_is_reduction(spa_op_kind kind);
SPA_API bool spa_op_kind_from_name(const char *name, spa_op_kind *kind);
SPA_API const char *spa_fn_name(spa_fn fn); /* "exp", "sub", ...; "" for SPA_FN_NONE */
SPA_API bool spa_fn_from_name(const char *name, spa_fn *fn);
/* Is it a function of this kind (math, binary, reduce)? */
SPA_API bool spa_fn_fits(spa_fn fn, spa_op_kind kind);
SPA_API const char *spa_origin_name(spa_origin origin);
SPA_API bool spa_origin_from_name(const char *name, spa_origin *origin);
/* Shape of input number `i` of operator `op` (an operator's output or a graph input). */
SPA_API const spa_shape *spa_graph_input_shape(const spa_graph *graph, const spa_op *op, size_t i);
/* The parameters of an operator, in the order kernels take them (conv, linear: weight, bias;
 * batch norm: scale, shift, mean, variance; layer norm: scale, shift; add, mul, concat, gather: the
 * constant), then those of its steps (add, mul: the constant). Returns how many, at most
 * SPA_MAX_PARAMS. */
SPA_API size_t spa_op_params(const spa_graph *graph, const spa_op *op,
                             spa_op_param params[SPA_MAX_PARAMS]);
/* What a producer (an operator, or ~k for graph input k) shows: the same, or what is behind the
 * views if it is one. */
static inline int32_t spa_graph_behind_views(const spa_graph *g, int32_t producer)
{
    while (producer >= 0 && g->ops[producer].kind == SPA_OP_RESHAPE)
        producer = g->inputs[g->ops[producer].first_input];
    return producer;
}
static inline bool spa_op_is_depthwise(const spa_graph *g, const spa_op *op)
{
    return op->kind == SPA_OP_CONV && op->attrs.groups > 1 &&
           op->attrs.groups == spa_graph_input_shape(g, op, 0)->dim[1];
}
/* "Is it heavy?": the paper's computational intensity = Kh*Kw*Cin/groups*Cout*H*W = MACs. */
static inline double spa_op_intensity(const spa_op *op)
{
    return (double)op->macs;
}
/* Output elements (what a device's size saturation depends on). */
static inline int64_t spa_op_out_elements(const spa_op *op)
{
    return spa_shape_elements(&op->out);
}

/* ---- files: *.graph.csv (docs/formats.md) -------------------------------------------------- */

/* Reads a graph; derived columns (in, macs, bytes, input_sparsity) may be empty or missing, but
 * what they say must be what follows from kind, shapes and attributes. The graph is finished.
 * Errors name file, line and column. On failure the graph is empty. */
SPA_API spa_status spa_graph_read_csv(spa_graph *graph, const char *path, spa_error *err);
SPA_API spa_status spa_graph_parse_csv(spa_graph *graph, const char *path_for_messages,
                                       const char *text, size_t size, spa_error *err);
/* Writes a finished graph. Writing what was read gives a text that reads and writes to itself. */
SPA_API spa_status spa_graph_write_csv(const spa_graph *graph, const char *path, spa_error *err);
struct spa_string;
SPA_API spa_status spa_graph_put_csv(const spa_graph *graph, struct spa_string *out,
                                     spa_error *err);

/* ---- the model zoo (traces/zoo.c) ---------------------------------------------------------- */

typedef struct spa_model_info {
    const char *name, *summary, *source;
} spa_model_info;
SPA_API const spa_model_info *spa_zoo_models(size_t *count);

/* Builds a zoo model at its published input size. `sparsity` names an assumption: "none" (every
 * activation dense), or "relu50" (the default: what follows from ReLU on zero-mean inputs, ReLU
 * and ReLU6 outputs 50 % zeros, others 0, propagated through pooling/reshape); rho_origin is
 * SPA_ORIGIN_ASSUMED. Unknown names suggest the nearest. */
SPA_API spa_status spa_zoo_build(spa_graph *graph, const char *name, int32_t batch, spa_dtype dtype,
                                 const char *sparsity, spa_error *err);

/* A model by zoo name, *.graph.csv path (which fixes batch and dtype: another is an error) or
 * *.onnx path (with its weights; traces/onnx.h). */
SPA_API spa_status spa_model_load(spa_graph *graph, const char *name_or_path, int32_t batch,
                                  spa_dtype dtype, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
