/* What a learner's episodes are drawn from, as options say it: scenarios, varied devices. */
#ifndef SPA_EXPERIMENTS_LEARN_CASES_H
#define SPA_EXPERIMENTS_LEARN_CASES_H

#include "experiments/options.h"
#include "policies/learn/environment.h"

/* The scenarios of --scenario, each with --requests, --concurrency and --rate where it has such.
 * Free with spa_learn_scenarios_free, after a failure, too. */
spa_status spa_learn_scenarios(const spa_options *options, spa_scenario **scenarios, size_t *count,
                               spa_error *err);
void spa_learn_scenarios_free(spa_scenario *scenarios, size_t count);

/* --vary-speed, --vary-launch, --vary-transfer and --variants. */
spa_status spa_learn_variants(const spa_options *options, spa_environment_config *config,
                              spa_error *err);

#endif
