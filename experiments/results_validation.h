/* results.db: what validate and replay found. */
#ifndef SPA_EXPERIMENTS_RESULTS_VALIDATION_H
#define SPA_EXPERIMENTS_RESULTS_VALIDATION_H

#include "experiments/hardware_case.h"
#include "experiments/validation.h"

/* Stores every campaign in one transaction: a run each, the errors as metrics, simulated beside
 * measured per schedule ("total") and, for all of them, per component. */
spa_status spa_results_store_validations(const char *path, const spa_validation *runs, size_t n,
                                         const spa_hardware_case *c, const spa_options *options,
                                         spa_error *err);

#endif
