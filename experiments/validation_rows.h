/* Inside validation: what one run works on. */
#ifndef SPA_EXPERIMENTS_VALIDATION_ROWS_H
#define SPA_EXPERIMENTS_VALIDATION_ROWS_H

#include "devices/device.h"
#include "experiments/validation.h"
#include "kernels/profile_model.h"

/* What stands behind a row. */
typedef struct validated_entry {
    const char *name; /* policies */
    const spa_policy *policy;
    spa_param_values values;
    void *self;
    spa_schedule schedule; /* n_ops = 0: the policy decides as it goes */
} validated_entry;

typedef struct validator {
    spa_validation *out;
    const spa_trace *trace;
    const spa_lane_set *lanes;
    const spa_validation_options *options;
    const spa_graph *graph;
    spa_device *device;
    spa_costs costs;           /* what schedules are simulated with */
    spa_costs planned;         /* with options->profile: what they were planned with */
    spa_profile_model profile; /* likewise: what is measured in turn with them */
    spa_trace_model profiled;  /* its rows */
    spa_copy_parts *parts;     /* [n_tensors][n][n] */
    spa_evaluator *evaluator;
    spa_model model;
    spa_hardware *hardware;
    validated_entry *entries;     /* [rows] */
    spa_samples *samples;         /* [n_samples], of the rows that are not skipped, in order */
    size_t n_samples, n_measured; /* with the profile's, which follow */
    spa_event *events;            /* of the simulation at hand */
    size_t n_events, event_capacity;
    spa_step *steps; /* [n_ops] scratch */
} validator;

/* validation_profile.c: with options->profile, lists what is profiled; then makes the table from
 * its samples [profile.n_entries]. */
spa_status validation_profile_begin(validator *v, spa_error *err);
spa_status validation_profile_end(validator *v, const spa_samples *samples, spa_error *err);
/* Of what the table's copies consist. */
spa_status validation_prepare_parts(validator *v, const spa_trace_model *model, spa_error *err);
/* From the events of a simulation of `requests` requests. */
spa_status validation_take_simulated(validator *v, spa_validated *row, uint64_t requests,
                                     spa_error *err);
/* Fills validation->stream: the scenario on the lanes, then simulated without noise. */
spa_status validation_run_stream(validator *v, size_t row, spa_error *err);
/* Fills validation->energy; no meter is no error. The row's measured_ms is known. */
spa_status validation_measure_energy(validator *v, size_t row, spa_error *err);
/* Fills everything that needs both sides. */
spa_status validation_compare(validator *v, spa_error *err);

#endif
