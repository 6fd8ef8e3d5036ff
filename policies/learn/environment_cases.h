/* What an environment's episodes are runs of: tables, varied tables, scenarios, scales. */
#ifndef SPA_POLICIES_LEARN_ENVIRONMENT_CASES_H
#define SPA_POLICIES_LEARN_ENVIRONMENT_CASES_H

#include "policies/learn/environment.h"

/* A cost table, as given or varied, with what is observed of it. */
typedef struct spa_env_table {
    const spa_costs *costs; /* the given one, or &varied */
    spa_costs varied;
    spa_features features;
    size_t n_costs; /* number of the given one */
} spa_env_table;

typedef struct spa_env_case {
    const spa_env_table *table;
    spa_reward reward;
    double scale;         /* value of the best single processor */
    spa_engine *original; /* the environments' engines are clones of it */
} spa_env_case;

typedef struct spa_env_cases {
    spa_env_table *tables;
    spa_env_case *cases;
    size_t n_tables, n_cases;
    uint32_t n_slots;
} spa_env_cases;

/* Tables: each given one, then its variants; cases: each table in each scenario. fini also after a
 * failure. */
spa_status spa_env_cases_init(spa_env_cases *c, const spa_environment_config *config,
                              spa_error *err);
void spa_env_cases_fini(spa_env_cases *c);

#endif
