/* The two charts of the command line: a comparison of policies, and a Gantt chart of one run. */
#ifndef SPA_EXPERIMENTS_CHARTS_H
#define SPA_EXPERIMENTS_CHARTS_H

#include "experiments/runs.h"
#include "sim/timeline.h"

/* Bars: the objective's value of every policy with its 95 % interval, one panel per case, the lower
 * bound as a line. */
spa_status spa_chart_compare(const char *path, const spa_runs *runs, const spa_options *options,
                             spa_error *err);

/* Rows for lanes and links, boxes for what ran there. At most the first SPA_GANTT_BOXES boxes. */
#define SPA_GANTT_BOXES 6000
spa_status spa_chart_gantt(const char *path, const spa_case *c, const char *policy,
                           const spa_timeline *timeline, spa_error *err);

#endif
