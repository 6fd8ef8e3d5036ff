/* sparoa scenarios: what can happen around the inference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/lists.h"
#include "experiments/paths.h"
#include "sim/scenario.h"

/* One row per scenario file; `scenario` keeps the summary. */
static spa_status read_summaries(const spa_paths *paths, char *const *names, size_t count,
                                 spa_scenario *scenarios, spa_named *rows, size_t *n,
                                 spa_error *err)
{
    for (size_t i = 0; i < count; i++) {
        char path[SPA_PATH_BYTES + 300];
        snprintf(path, sizeof path, "%s/%s.scenario", paths->scenarios, names[i]);
        SPA_TRY(spa_scenario_find(&scenarios[i], path, NULL, err));
        rows[(*n)++] = (spa_named){names[i], scenarios[i].summary};
    }
    return SPA_OK;
}

spa_status spa_cmd_scenarios(spa_cli *cli, spa_options *options, spa_error *err)
{
    static const spa_named built_in[] = {
        {"single", "one request at a time, each on an idle machine (default)"},
        {"closed", "--concurrency requests in flight, each followed by the next at once"},
        {"periodic", "one request every 1/--rate seconds; at most --concurrency (64) in flight"},
        {"F.scenario", "a file of yours: docs/formats.md has the keys"},
    };
    enum { N_BUILT_IN = sizeof built_in / sizeof *built_in };
    spa_paths paths;
    char **names = NULL;
    size_t count = 0, n = 0;
    spa_named *rows = NULL;
    spa_scenario *scenarios = NULL;
    SPA_TRY(spa_cli_operands(options, 0, 0, "", err));
    SPA_TRY(spa_paths_find(&paths, err));
    SPA_TRY(spa_scenario_list(paths.scenarios, &names, &count, err));
    spa_status status = spa_alloc(&rows, count + N_BUILT_IN, sizeof *rows, err);
    if (!status) status = spa_alloc(&scenarios, count, sizeof *scenarios, err);
    if (!status) {
        while (n < N_BUILT_IN - 1) rows[n] = built_in[n], n++;
        status = read_summaries(&paths, names, count, scenarios, rows, &n, err);
        rows[n++] = built_in[N_BUILT_IN - 1];
    }
    if (!status) status = spa_print_named(cli, options, "scenarios", "scenario", rows, n, err);
    for (size_t i = 0; i < count; i++) {
        if (scenarios) spa_scenario_fini(&scenarios[i]);
        free(names[i]);
    }
    free(names);
    free(scenarios);
    free(rows);
    return status;
}
