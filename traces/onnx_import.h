/* Inside traces/: what the parts of the ONNX importer share.
 *
 *   onnx_import.c   values, the walk over the nodes, the graph's ends
 *   onnx_source.c   parameters: from which tensor, transposed or scaled; external files
 *   onnx_build.c    small steps that lowering is made of
 *   onnx_fold.c     constants from constants (shape subgraphs)
 *   onnx_lower*.c   from a node to operators */
#ifndef SPA_TRACES_ONNX_IMPORT_H
#define SPA_TRACES_ONNX_IMPORT_H

#include "traces/onnx.h"
#include "traces/onnx_proto.h"

#define ONNX_NOWHERE INT32_MIN

typedef enum onnx_state {
    ONNX_ABSENT,   /* not made yet */
    ONNX_INPUT,    /* of the graph; becomes one when somebody needs it at run time */
    ONNX_RUNTIME,  /* made by an operator, or a graph input */
    ONNX_CONSTANT, /* `tensor` or `folded` */
    ONNX_DEFERRED  /* its node is lowered when somebody needs it (patterns) */
} onnx_state;

typedef struct onnx_value {
    const char *name;
    onnx_state state;
    int32_t type, rank;
    int64_t dim[ONNX_MAX_RANK];
    int64_t count;
    int32_t producer;          /* of RUNTIME, and of a CONSTANT that became an operator */
    const onnx_tensor *tensor; /* of CONSTANT; of INPUT: a value that was given */
    const double *folded;      /* [count]; of CONSTANT */
    bool is_fill;              /* `folded` has one value for all */
    const onnx_info *info;     /* what the file says about it, or NULL */
    int32_t node;              /* that makes it, or -1 */
    int32_t uses, consumer;    /* inputs of nodes that it is; the last such node */
    bool is_output;
    bool is_buffer;    /* the file's maker says that it is not learned */
    const char *exact; /* what it is with more digits than a float has, or NULL */
    int32_t roll_from; /* DEFERRED roll: the value that is rolled, by roll[] */
    int32_t roll[SPA_MAX_RANK];
} onnx_value;

/* Where a parameter's values come from: scale * x + shift, x = 0 where there is no tensor. */
typedef struct onnx_param {
    size_t op;
    uint32_t param;
    const onnx_tensor *tensor;
    const double *folded;
    int64_t count;            /* of the tensor */
    int64_t rows, cols;       /* not 0: [rows, cols] is to be written transposed */
    const struct onnx_bn *bn; /* not NULL: a batch norm is folded in */
    double scale, shift;
} onnx_param;

/* A batch norm that is folded into the weights [m][inner] or the bias [m] before it. */
typedef struct onnx_bn {
    struct onnx_value *v[4]; /* scale, shift, mean, variance */
    double epsilon;
} onnx_bn;

typedef struct onnx_source {
    spa_param_source base;
    spa_arena arena;
    const char *path;
    void *map; /* of the model, or NULL */
    size_t map_size;
    struct onnx_external {
        const char *location;
        void *map;
        size_t size;
    } * externals;
    size_t n_externals, externals_capacity;
    onnx_param *params;
    size_t n_params, params_capacity;
} onnx_source;

typedef struct onnx_import {
    spa_graph *graph;
    onnx_source *source;
    spa_arena *arena; /* the source's */
    onnx_file file;
    const spa_onnx_options *options;
    onnx_value *values;
    size_t n_values;
    uint32_t *slots; /* hash of names: index + 1 */
    size_t n_slots;
    int32_t **node_in, **node_out; /* [n_nodes][..] values, -1 = left out */
    bool *done;                    /* [n_nodes] nothing left to do */
    int64_t folded_bytes;
    const onnx_node *node; /* at hand */
    onnx_node end;         /* what stands for an output of the graph */
    int32_t at;            /* its index */
    bool no_memory;        /* a question could not be answered */
    int depth;             /* of deferred nodes in deferred nodes */
    spa_onnx_report *report;
    spa_onnx_report own_report;
    const char **graph_input_names;
} onnx_import;

/* ---- onnx_source.c --------------------------------------------------------------------------- */

spa_status onnx_source_new(onnx_source **out, const char *path, spa_error *err);
spa_status onnx_source_map(onnx_source *source, const char *path, void **map, size_t *size,
                           spa_error *err);
/* Sets the raw bytes of an external tensor from its file. */
spa_status onnx_source_open_external(onnx_source *source, bool in_memory, onnx_tensor *tensor,
                                     spa_error *err);
spa_status onnx_source_add(onnx_source *source, const onnx_param *param, spa_error *err);

/* ---- onnx_build.c ---------------------------------------------------------------------------- */

/* Fails with the file, the node's name and its operator in front. */
spa_status onnx_fail(const onnx_import *im, spa_status status, spa_error *err, const char *fmt, ...)
    SPA_PRINTF(4, 5);
/* SPA_E_UNSUPPORTED: the node becomes an opaque operator. Nothing was added before. */
spa_status onnx_no_rule(const onnx_import *im, spa_error *err, const char *fmt, ...)
    SPA_PRINTF(3, 4);

const onnx_attr *onnx_find_attr(const onnx_import *im, const char *name);
int64_t onnx_attr_int(const onnx_import *im, const char *name, int64_t missing);
double onnx_attr_float(const onnx_import *im, const char *name, double missing);
const char *onnx_attr_text(const onnx_import *im, const char *name, const char *missing);
bool onnx_attr_ints(const onnx_import *im, const char *name, const int64_t **list, size_t *n);

/* Input or output `i` of the node at hand, or NULL. */
onnx_value *onnx_in(const onnx_import *im, size_t i);
onnx_value *onnx_out(const onnx_import *im, size_t i);
bool onnx_is_const(const onnx_value *v);     /* a constant of the file */
bool onnx_can_be_const(const onnx_value *v); /* that, or an input with a given value */
/* The values of a constant of at most 2^20 elements, converted once. */
spa_status onnx_doubles(onnx_import *im, onnx_value *v, const double **out, spa_error *err);
/* For questions whose answer may be no: only lack of memory is remembered, and ends the import. */
bool onnx_went_well(onnx_import *im, spa_status status);
/* A constant of one element. */
bool onnx_scalar(onnx_import *im, onnx_value *v, double *out);
/* Whole numbers of a constant input, or of an attribute of that name. *n = 0 and SPA_OK where there
 * is neither. SPA_E_UNSUPPORTED where the input is known at run time only. */
spa_status onnx_int_list(onnx_import *im, size_t input, const char *attr, const int64_t **out,
                         size_t *n, spa_error *err);
/* axis from -rank .. rank-1 into 0 .. rank-1. */
spa_status onnx_axis(const onnx_import *im, int64_t axis, int32_t rank, int32_t *out,
                     spa_error *err);

/* Is a constant a learned tensor? (Not, where the file's maker says that it is a buffer.) */
bool onnx_is_learned(const onnx_value *v);

/* The shape of a value in the graph: rank 0 becomes [1]. */
spa_status onnx_shape(const onnx_import *im, const onnx_value *v, spa_shape *shape, spa_error *err);
/* The operator or graph input that has the value at run time; constants become operators. */
spa_status onnx_operand(onnx_import *im, onnx_value *v, int32_t *producer, spa_error *err);

const spa_shape *onnx_shape_of(const onnx_import *im, int32_t producer);
/* Adds an operator named after the node at hand. */
spa_status onnx_emit(onnx_import *im, spa_op_kind kind, const spa_op_attrs *attrs,
                     const int32_t *inputs, size_t n, const spa_shape *out, int32_t *index,
                     spa_error *err);
spa_status onnx_emit_one(onnx_import *im, spa_op_kind kind, const spa_op_attrs *attrs,
                         int32_t input, int32_t *index, spa_error *err);
spa_status onnx_emit_two(onnx_import *im, spa_op_kind kind, const spa_op_attrs *attrs, int32_t a,
                         int32_t b, int32_t *index, spa_error *err);
/* The same elements in another shape; nothing where it has that shape. */
spa_status onnx_view(onnx_import *im, int32_t x, const spa_shape *shape, int32_t *index,
                     spa_error *err);
spa_status onnx_transpose(onnx_import *im, int32_t x, const int32_t *perm, int32_t *index,
                          spa_error *err);
/* A constant as an operator: `values` [elements of shape] belong to the arena. */
spa_status onnx_emit_values(onnx_import *im, const spa_shape *shape, const double *values,
                            int32_t *index, spa_error *err);
/* The values of parameter `param` of operator `op` are those of `v`. */
spa_status onnx_bind(onnx_import *im, int32_t op, uint32_t param, const onnx_value *v,
                     spa_error *err);
/* The same, transposed, scaled, shifted. */
spa_status onnx_bind_as(onnx_import *im, int32_t op, uint32_t param, const onnx_param *how,
                        const onnx_value *v, spa_error *err);

/* An output of the node at hand is what `producer` makes; rank and shape from the graph, in the
 * shape `dims` (rank 0 allowed) where it is not NULL. */
spa_status onnx_set(onnx_import *im, onnx_value *v, int32_t producer, spa_error *err);
spa_status onnx_set_dims(onnx_import *im, onnx_value *v, int32_t producer, const int64_t *dims,
                         int32_t rank, int32_t type, spa_error *err);
/* The output is x under other dimensions; a constant stays one. (onnx_lower_view.c) */
spa_status onnx_set_view(onnx_import *im, onnx_value *x, const int64_t *dims, int32_t rank,
                         spa_error *err);
/* An output is the same as a value. */
void onnx_alias(onnx_value *out, const onnx_value *in);
/* The only reader of a value that is no output: its node, or NULL. */
const onnx_node *onnx_only_reader(const onnx_import *im, const onnx_value *v, int32_t *node);

/* ---- onnx_fold.c ----------------------------------------------------------------------------- */

/* Computes the outputs of the node at hand where they follow from constants; *folded says whether
 * it did. */
spa_status onnx_fold(onnx_import *im, bool *folded, spa_error *err);
/* An output of known numbers. `values` [count] belongs to the arena. */
void onnx_set_folded(onnx_value *v, int32_t type, const int64_t *dims, int32_t rank,
                     const double *values);

/* ---- onnx_lower*.c --------------------------------------------------------------------------- */

typedef spa_status onnx_lower_fn(onnx_import *im, spa_error *err);
typedef struct onnx_rule {
    const char *op_type;
    onnx_lower_fn *lower;
    spa_fn fn; /* of generic kinds */
} onnx_rule;
const onnx_rule *onnx_find_rule(const char *op_type);
/* The function that the rule of the node at hand names. */
spa_fn onnx_rule_fn(const onnx_import *im);
/* What a node becomes that has no rule: one opaque operator per output that is used; further ones
 * read the first. (onnx_opaque.c) */
spa_status onnx_lower_opaque(onnx_import *im, const char *reason, spa_error *err);
/* Lowers a deferred value's node. */
spa_status onnx_lower_deferred(onnx_import *im, onnx_value *v, spa_error *err);

extern const onnx_rule onnx_rules_nn[], onnx_rules_shape[], onnx_rules_math[], onnx_rules_norm[],
    onnx_rules_view[], onnx_rules_more[];

/* Patterns: each looks whether the node at hand begins one, and lowers all of it. */
spa_status onnx_match_gelu(onnx_import *im, bool *matched, spa_error *err);
spa_status onnx_match_layer_norm(onnx_import *im, bool *matched, spa_error *err);
spa_status onnx_match_hard_swish(onnx_import *im, bool *matched, spa_error *err);
spa_status onnx_match_relative_bias(onnx_import *im, bool *matched, spa_error *err);
/* Slices of a roll and transpositions of a product's second operand wait for their reader. */
bool onnx_may_defer(onnx_import *im);
spa_status onnx_match_roll(onnx_import *im, bool *matched, spa_error *err);

#endif
