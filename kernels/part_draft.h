/* Inside part.c and part_kinds.c: what a part of each kind of operator looks like. */
#ifndef SPA_KERNELS_PART_DRAFT_H
#define SPA_KERNELS_PART_DRAFT_H

#include "kernels/part.h"

/* A part before it is a graph. It starts as the whole operator: its attributes and, but for
 * concatenations, its inputs (the first SPA_PART_INPUTS), all offsets 0. */
typedef struct spa_part_draft {
    spa_op_attrs attrs;
    size_t n_in;
    spa_shape in[SPA_PART_INPUTS];
    uint32_t input[SPA_PART_INPUTS];
    size_t in_offset[SPA_PART_INPUTS];
    size_t param_offset[SPA_MAX_PARAMS];
    spa_shape out;
    size_t out_offset;
} spa_part_draft;

typedef struct spa_part_subject {
    const spa_graph *graph;
    const spa_op *op;
    size_t begin, end; /* slices; only looked at when there is a draft */
} spa_part_subject;

/* Says how the operator is cut and, where `draft` is given, makes it the part of slices begin ..
 * end-1 (at least one, within the count). Returns why it is not possible, or NULL. */
const char *spa_part_describe(const spa_part_subject *s, spa_cut *cut, spa_part_draft *draft);

#endif
