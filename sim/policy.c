/* Names and values of objectives. */
#include "sim/policy.h"

#include <string.h>

double spa_evaluation_value(const spa_evaluation *e, spa_objective objective)
{
    switch (objective) {
    case SPA_OBJECTIVE_ENERGY:
        return e->energy_j;
    case SPA_OBJECTIVE_EDP:
        return e->energy_j * (double)e->makespan_ns * 1e-9;
    case SPA_OBJECTIVE_LATENCY:
    case SPA_OBJECTIVE_THROUGHPUT:
        break;
    }
    return (double)e->makespan_ns;
}

static const char *const objective_names[] = {"latency", "energy", "edp", "throughput"};

const char *spa_objective_name(spa_objective objective)
{
    for (int i = 0; i < 4; i++)
        if ((int)objective == 1 << i) return objective_names[i];
    return "?";
}

bool spa_objective_from_name(const char *name, spa_objective *objective)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, objective_names[i]) != 0) continue;
        *objective = (spa_objective)(1 << i);
        return true;
    }
    return false;
}
