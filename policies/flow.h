/* The flow of a graph: its operators without views, who reads whom, and its blocks.
 *
 * Planners that choose lanes (ios, pos, opara) think in nodes: operators that run. A view is no
 * node; who reads it reads the node that it shows. */
#ifndef SPA_POLICIES_FLOW_H
#define SPA_POLICIES_FLOW_H

#include "policies/common.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_flow {
    const spa_costs *costs;
    uint32_t n;           /* nodes, in graph order */
    uint32_t *op;         /* [n] operator */
    uint32_t *first_from; /* [n + 1] into `from`: nodes whose output it reads, each once */
    uint32_t *from;
    uint32_t *first_next; /* [n + 1] into `next`: nodes that read its output, ascending */
    uint32_t *next;
    uint32_t *block; /* [n_blocks + 1] first node of each block; the last entry is n */
    uint32_t n_blocks;
} spa_flow;

/* Blocks: the graph is cut behind every node that is alone on its level: all that comes after
 * depends on it, and all that came before leads to it (operators without inputs, constants, do not
 * count). What is still longer than `most` nodes is cut into equal parts (IOS, section 6). After a
 * failure, too, the caller calls fini. O(operators + edges). */
spa_status spa_flow_init(spa_flow *flow, const spa_costs *costs, uint32_t most, spa_error *err);
void spa_flow_fini(spa_flow *flow);

/* A plan for nodes: everything on the accelerator that can run there, on these lanes, in this
 * order. */
typedef struct spa_flow_lanes {
    const spa_flow *flow;
    uint32_t accelerator, n_lanes;
    int8_t *lane;    /* [n] of each node; meaningless for those that cannot run there */
    uint32_t *nodes; /* [n] in order of dispatch; producers first */
} spa_flow_lanes;
/* All on lane 0 in graph order. After a failure, too, the caller calls fini. */
spa_status spa_flow_lanes_init(spa_flow_lanes *lanes, const spa_flow *flow, uint32_t accelerator,
                               spa_error *err);
void spa_flow_lanes_fini(spa_flow_lanes *lanes);

/* The schedule of all operators: each view behind the node that it shows, views of graph inputs
 * first. O(operators). */
spa_status spa_flow_schedule(const spa_flow_lanes *lanes, spa_schedule *schedule, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
