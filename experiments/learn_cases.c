#include "experiments/learn_cases.h"

#include <stdlib.h>
#include "experiments/study.h"

#define DEFAULT_VARIANTS 8

/* A factor of --vary-...: anything between its inverse and itself. */
static spa_status range_of(const char *option, double factor, spa_range *range, spa_error *err)
{
    if (factor == 0) return SPA_OK;
    if (factor < 1 || factor > 1000)
        return spa_fail(err, SPA_E_USAGE, "%s: %g is not between 1 and 1000", option, factor);
    *range = (spa_range){1 / factor, factor};
    return SPA_OK;
}

spa_status spa_learn_variants(const spa_options *o, spa_environment_config *config, spa_error *err)
{
    bool varies = o->vary_speed > 0 || o->vary_launch > 0 || o->vary_transfer > 0;
    SPA_TRY(range_of("--vary-speed", o->vary_speed, &config->speed, err));
    SPA_TRY(range_of("--vary-launch", o->vary_launch, &config->launch, err));
    SPA_TRY(range_of("--vary-transfer", o->vary_transfer, &config->transfer, err));
    if (o->variants && !varies)
        return spa_fail(err, SPA_E_USAGE,
                        "--variants needs --vary-speed, --vary-launch or --vary-transfer");
    config->n_variants = o->variants ? (uint32_t)o->variants : varies ? DEFAULT_VARIANTS : 0;
    return SPA_OK;
}

spa_status spa_learn_scenarios(const spa_options *options, spa_scenario **scenarios, size_t *count,
                               spa_error *err)
{
    size_t n = options->scenarios.count ? options->scenarios.count : 1;
    *count = 0;
    SPA_TRY(spa_alloc(scenarios, n, sizeof **scenarios, err));
    *count = n;
    for (size_t i = 0; i < n; i++)
        SPA_TRY(spa_study_scenario_of(options, i, &(*scenarios)[i], err));
    return SPA_OK;
}

void spa_learn_scenarios_free(spa_scenario *scenarios, size_t count)
{
    for (size_t i = 0; i < count; i++) spa_scenario_fini(&scenarios[i]);
    free(scenarios);
}
