/* What replay, validate and calibrate share: lanes, and a trace that was measured on them. */
#ifndef SPA_EXPERIMENTS_HARDWARE_CASE_H
#define SPA_EXPERIMENTS_HARDWARE_CASE_H

#include "experiments/cli.h"
#include "experiments/progress.h"
#include "kernels/lanes.h"
#include "traces/trace.h"

typedef struct spa_hardware_case {
    spa_lane_set lanes;
    spa_names models;
    spa_trace trace;
    bool fresh;        /* profiled just now */
    bool uncalibrated; /* or else on another machine, or with other libraries */
    spa_progress progress;
} spa_hardware_case;

/* Parses --lanes, writes out "all" of the operands (or takes `models`), reads --trace or profiles
 * the models now. */
spa_status spa_hardware_case_open(spa_hardware_case *c, spa_cli *cli, spa_options *options,
                                  const spa_names *models, spa_error *err);
void spa_hardware_case_close(spa_hardware_case *c);

/* A progress callback whose context is the case. */
void spa_hardware_case_show(void *context, const char *what, double fraction);

#endif
