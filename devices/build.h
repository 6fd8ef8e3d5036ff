/* Inside devices/: a cost table under construction. */
#ifndef SPA_DEVICES_BUILD_H
#define SPA_DEVICES_BUILD_H

#include "devices/spec.h"

#define MAX_SECONDS 1e6 /* a costs table refuses more */

typedef struct builder {
    spa_costs *costs;
    const spa_device *device;
    const spa_graph *graph;
    const spa_costs_options *options;
    const spec_mode *mode;
    const spec_stack *stack;
    spec_lanes lanes;
    uint32_t index[SPA_MAX_PROCESSORS];    /* processor of the table -> of the device */
    spec_point points[SPA_MAX_PROCESSORS]; /* by processor of the table */
    char sections[SPA_MAX_PROCESSORS][160];
    const spa_trace *trace; /* or NULL */
    spec_measured measured;
    spa_dtype dtype; /* that is computed in */
    bool *folded;    /* [n_ops] */
    bool any_modelled;
    spa_arena scratch;
} builder;

/* Fraction of zeros that kernel times see. */
static inline double build_zeros(const builder *b, const spa_op *op)
{
    return b->options->no_response && op->input_sparsity > 0 ? 0 : op->input_sparsity;
}

/* build_links.c: times of moving every tensor between every two processors. */
spa_status build_links(builder *b, spa_error *err);
/* build_parts.c: times of parts of operators; after those of whole ones and of moving. */
spa_status build_parts(builder *b, spa_error *err);

/* build_modes.c: what the device's other power modes make of the table; after all the rest. */
spa_status build_modes(builder *b, spa_error *err);

/* build.c: a processor of the device in the builder's mode, as the run has it. */
spec_point build_point(const builder *b, uint32_t device_p, const char *section);
/* An operator's time by the equation at b->points[p]. Not `needed`: there is a row, and what the
 * rates lack is no error. */
spa_status build_model_time(const builder *b, const spa_op *op, uint32_t p, bool needed,
                            spec_time *time, spa_error *err);

#endif
