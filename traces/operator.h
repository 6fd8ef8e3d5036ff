/* Inside traces/: what follows from an operator's kind, attributes and input shapes.
 *
 * Callers outside this folder build with spa_graph_add and read the derived fields. */
#ifndef SPA_TRACES_OPERATOR_H
#define SPA_TRACES_OPERATOR_H

#include "traces/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which attributes a kind uses; all others must be 0, so that a file holds everything. */
enum {
    SPA_USES_KERNEL = 1u << 0,
    SPA_USES_STRIDE = 1u << 1,
    SPA_USES_PADS = 1u << 2,
    SPA_USES_DILATION = 1u << 3,
    SPA_USES_GROUPS = 1u << 4,
    SPA_USES_BIAS = 1u << 5,
    SPA_USES_CEIL = 1u << 6,
    SPA_USES_AXIS = 1u << 7,
    SPA_USES_BEGIN = 1u << 8,
    SPA_USES_STEP = 1u << 9,
    SPA_USES_PERM = 1u << 10,
    SPA_USES_TRANSPOSE_B = 1u << 11,
    SPA_USES_PARAM = 1u << 12,
    SPA_USES_ALPHA = 1u << 13,
    SPA_USES_BETA = 1u << 14,
    SPA_USES_FN = 1u << 15
};
unsigned spa_op_kind_uses(spa_op_kind kind);

/* What an operator is asked to be, before it is in a graph. */
typedef struct spa_op_request {
    const char *name; /* for messages */
    spa_op_kind kind;
    spa_op_attrs attrs; /* spa_op_check brings it into its one normal form */
    size_t n_in;
    const spa_shape *in[SPA_MAX_OP_INPUTS];
    size_t n_steps;
    const spa_op_step *steps;
    spa_shape given; /* asked-for output; rank 0 = none, a dimension of 0 = inferred */
} spa_op_request;

/* Checks the number of inputs and the attributes, and normalises the latter (a step of 1 is
 * stored as 0, a pool's dilation of 1 as 0, -0.0 as 0.0): equal operators have equal attributes. */
spa_status spa_op_check(spa_op_request *request, spa_error *err);

/* The output shape; `request` has passed spa_op_check. */
spa_status spa_op_infer(const spa_op_request *request, spa_shape *out, spa_error *err);

/* Checks the steps of a fused operator whose output is known, its main inputs being the first
 * n_in - (operands) of the request; says how many operands there are. */
spa_status spa_op_check_steps(const spa_op_request *request, const spa_shape *out, spa_error *err);
size_t spa_steps_operands(const spa_op_step *steps, size_t n);
/* The parameters of steps, behind the `count` that are there. */
size_t spa_steps_params(const spa_op *op, spa_op_param params[SPA_MAX_PARAMS], size_t count);
/* Operations of the steps per element of the output. */
int64_t spa_steps_flops(const spa_op *op);

/* Fills macs, flops, bytes and n_learned of an operator of `graph` whose shapes are known. All
 * sizes are overflow-checked (SPA_E_RANGE). */
spa_status spa_op_derive(const spa_graph *graph, spa_op *op, spa_error *err);

/* 1 <= rank <= SPA_MAX_RANK, dimensions and element count within bounds. `what` starts the
 * message. */
spa_status spa_shape_check(const spa_shape *shape, const char *what, spa_error *err);

/* "1x3x224x224" ("" for rank 0); returns `text`. */
#define SPA_SHAPE_TEXT 80
const char *spa_shape_text(const spa_shape *shape, char text[SPA_SHAPE_TEXT]);

/* Sets every operator's sparsity, weight sparsity and origin by a named assumption ("none",
 * "relu50") and propagates. SPA_E_NOT_FOUND names the nearest. O(edges). */
spa_status spa_graph_assume_sparsity(spa_graph *graph, const char *assumption, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
