/* Profiling one model: the placements that are measured, and the rows made from them. */
#ifndef SPA_KERNELS_PROFILE_MODEL_H
#define SPA_KERNELS_PROFILE_MODEL_H

#include "kernels/profile_links.h"

/* Fills the rows of a model whose graph is loaded, and its sparsities; adds to links and report.
 * Names of processors are those of `lanes`. */
spa_status spa_profile_model_run(const spa_lane_set *lanes, const spa_profile_options *options,
                                 void (*progress)(void *context, double fraction), void *context,
                                 spa_trace_model *entry, spa_arena *arena, spa_profile_links *links,
                                 spa_profile_report *report, spa_error *err);

/* A table of the right form for running on lanes without knowing costs: every operator 1 us, the
 * first lane of cores the host. */
spa_status spa_lanes_plain_costs(spa_costs *costs, const spa_graph *graph,
                                 const spa_lane_set *lanes, spa_error *err);

#endif
