/* Charts of validate and replay. */
#ifndef SPA_EXPERIMENTS_CHARTS_HARDWARE_H
#define SPA_EXPERIMENTS_CHARTS_HARDWARE_H

#include "experiments/hardware_case.h"
#include "experiments/validation.h"

/* Measured over simulated latency, a point per schedule, a panel per campaign (at most 6). */
spa_status spa_chart_scatter(const char *path, const spa_validation *runs, size_t n,
                             const spa_hardware_case *c, spa_error *err);
/* One schedule, lane by lane, measured above simulated. `row` has steps. */
spa_status spa_chart_pair(const char *path, const spa_validation *v, const spa_validated *row,
                          const spa_hardware_case *c, spa_error *err);

#endif
