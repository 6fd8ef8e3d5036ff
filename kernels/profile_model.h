/* Profiling one model: the placements that are measured, and the rows made from them. */
#ifndef SPA_KERNELS_PROFILE_MODEL_H
#define SPA_KERNELS_PROFILE_MODEL_H

#include "kernels/profile_links.h"

/* All operators that can be are split between two lanes. */
typedef struct spa_profile_split {
    uint8_t first, second, share; /* lanes; tenths of the second */
} spa_profile_split;

/* Placements: all on lane l (0 .. n-1); operators in turn over the lanes, by every step and
 * beginning; random ones; all operators split between lanes l and m; then, with two requests in
 * flight, lane l beside lane m. */
typedef struct spa_profile_model {
    const spa_lane_set *lanes;
    const spa_profile_options *options;
    const spa_costs *costs; /* of which only operators, tensors and links count */
    spa_trace_model *entry;
    const spa_graph *graph;
    size_t n_lanes, n_whole, n_schedules, n_entries; /* n_whole: without the splits */
    spa_schedule *schedules;                         /* [n_schedules] */
    spa_campaign_entry *entries;                     /* [n_entries] */
    uint32_t (*pairs)[2];       /* [n_entries - n_schedules] lanes of the two slots */
    spa_profile_split *splits;  /* [n_schedules - n_whole] */
    const spa_samples *samples; /* [n_entries] */
    double *column;             /* scratch: a number per sample */
    int32_t *reader;    /* [n_tensors] first operator that reads it and is no view, -1 = none */
    double *typical_us; /* [n_ops][n_lanes] alone */
} spa_profile_model;

/* Lists what is to be measured for a model whose graph is loaded into `entry`: a campaign of
 * `entries` on lanes with two slots (options->corun) does it. `costs` allow parts. On failure
 * nothing is left. */
spa_status spa_profile_model_init(spa_profile_model *m, const spa_lane_set *lanes,
                                  const spa_profile_options *options, const spa_costs *costs,
                                  spa_trace_model *entry, spa_error *err);
void spa_profile_model_fini(spa_profile_model *m);

/* profile_rows.c: the rows of entry->costs and entry->copies, in the arena, from samples
 * [n_entries]; adds to links and report. Names of processors are those of the lanes. */
spa_status spa_profile_model_rows(spa_profile_model *m, const spa_samples *samples,
                                  spa_arena *arena, spa_profile_links *links,
                                  spa_profile_report *report, spa_error *err);
/* Can it be cut on lanes of cores? */
bool spa_profile_may_split(const spa_profile_model *m, size_t op);

/* All of it on lanes of its own; the graph of `entry` is given the zeros that are met. */
spa_status spa_profile_model_run(const spa_lane_set *lanes, const spa_profile_options *options,
                                 void (*progress)(void *context, double fraction), void *context,
                                 spa_trace_model *entry, spa_arena *arena, spa_profile_links *links,
                                 spa_profile_report *report, spa_error *err);

/* A table of the right form for running on lanes without knowing costs: every operator 1 us, parts
 * in proportion, the first lane of cores the host. */
spa_status spa_lanes_plain_costs(spa_costs *costs, const spa_graph *graph,
                                 const spa_lane_set *lanes, spa_error *err);

#endif
