/* Inside validation: what one run works on. */
#ifndef SPA_EXPERIMENTS_VALIDATION_ROWS_H
#define SPA_EXPERIMENTS_VALIDATION_ROWS_H

#include "devices/device.h"
#include "experiments/validation.h"

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
    spa_costs costs;
    spa_copy_parts *parts; /* [n_tensors][n][n] */
    spa_evaluator *evaluator;
    spa_model model;
    spa_hardware *hardware;
    validated_entry *entries; /* [rows] */
    spa_samples *samples;     /* [n_samples], of the rows that are not skipped, in order */
    size_t n_samples;
    spa_event *events; /* of the simulation at hand */
    size_t n_events, event_capacity;
    spa_step *steps; /* [n_ops] scratch */
} validator;

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
