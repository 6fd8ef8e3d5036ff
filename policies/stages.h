/* Stages: operators that run side by side on the lanes of an accelerator, in groups.
 *
 * Source: IOS (Ding et al., MLSys 2021), section 4: a stage is a set of groups; the operators of a
 * group run one after another, the groups of a stage at the same time, stages one after another.
 * Differs: the engine has no barriers. Work is issued ahead, so that operators of one stage may
 * overlap with those of the next where their inputs allow it; a stage only says which lanes and
 * which order. Several convolutions of one input are not merged into one: no cost table has times
 * of merged operators. */
#ifndef SPA_POLICIES_STAGES_H
#define SPA_POLICIES_STAGES_H

#include "policies/flow.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_STAGE_GROUPS 8 /* IOS: s */
#define SPA_GROUP_NODES  3 /* IOS: r */
#define SPA_BLOCK_NODES  100

/* Nodes of a flow, in order, group by group. */
typedef struct spa_stage {
    uint32_t n_groups, size[SPA_STAGE_GROUPS];
    uint32_t node[SPA_STAGE_GROUPS][SPA_GROUP_NODES];
} spa_stage;

/* How long a stage takes in a stream of stages, ns: the larger of what its operators take with all
 * groups started at once (sharing the processor and DRAM as the engine shares them: contention.h)
 * and of what the host takes to issue them, where dispatch occupies it. Transfers do not count. */
double spa_stage_ns(const spa_flow *flow, uint32_t accelerator, const spa_stage *stage);

typedef struct spa_stage_limits {
    uint32_t groups; /* of a stage, 1 .. SPA_STAGE_GROUPS; never more than lanes */
    uint32_t nodes;  /* of a group, 1 .. SPA_GROUP_NODES */
    uint64_t tries;  /* endings that the search looks at in one block; a block that needs more is
                        cut in two */
} spa_stage_limits;

typedef struct spa_stages {
    spa_stage *items; /* in order of execution */
    size_t n, capacity;
    double ns; /* sum of their times */
    bool cut;  /* some block was cut for `tries`: not the best of all */
} spa_stages;
void spa_stages_fini(spa_stages *stages);

/* The stages that take the least time in all, block by block: dynamic programming over the sets of
 * nodes that can be left when some have run (IOS, algorithm 1). `stages` is empty before; after a
 * failure, too, the caller calls fini. */
spa_status spa_stages_find(spa_stages *stages, const spa_flow *flow, uint32_t accelerator,
                           const spa_stage_limits *limits, spa_error *err);

/* Lanes and order from stages. A group goes on on the lane where its first input was made, if that
 * is free in its stage, else on the first free one. */
void spa_stages_lay(const spa_stages *stages, spa_flow_lanes *lanes);

#ifdef __cplusplus
}
#endif
#endif
