#include "experiments/runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/cli.h"

/* Names from the command line with "all" written out. Names live in the options' arena. */
static spa_status list_models(spa_options *o, spa_names *models, spa_error *err)
{
    for (size_t i = 0; i < o->operands.count; i++) {
        if (strcmp(o->operands.items[i], "all") != 0) {
            SPA_TRY(spa_names_add(o, models, o->operands.items[i], err));
            continue;
        }
        size_t count;
        const spa_model_info *zoo = spa_zoo_models(&count);
        for (size_t k = 0; k < count; k++) SPA_TRY(spa_names_add(o, models, zoo[k].name, err));
    }
    return SPA_OK;
}

static spa_status add_all_devices(spa_options *o, const spa_paths *paths, spa_names *devices,
                                  spa_error *err)
{
    char **names;
    size_t count;
    SPA_TRY(spa_device_list(paths->device_search, &names, &count, err));
    spa_status status = SPA_OK;
    for (size_t i = 0; i < count; i++) {
        const char *copy = NULL;
        if (!status) status = spa_arena_strdup(&o->arena, &copy, names[i], err);
        if (!status) status = spa_names_add(o, devices, copy, err);
        free(names[i]);
    }
    free(names);
    return status;
}

static spa_status list_devices(spa_options *o, const spa_paths *paths, spa_names *devices,
                               spa_error *err)
{
    if (o->devices.count == 0) {
        return spa_fail(err, SPA_E_USAGE,
                        "'%s' needs --device D; 'sparoa devices' lists what there is", o->command);
    }
    for (size_t i = 0; i < o->devices.count; i++) {
        if (strcmp(o->devices.items[i], "all") == 0) {
            SPA_TRY(add_all_devices(o, paths, devices, err));
        } else {
            SPA_TRY(spa_names_add(o, devices, o->devices.items[i], err));
        }
    }
    return SPA_OK;
}

/* Opens a model on a device with the k-th batch of several (--batch 1,8), or the only one. */
static spa_status open_case(spa_case *c, const spa_options *options, const spa_paths *paths,
                            const char *model, const char *device, size_t k, spa_error *err)
{
    spa_options one = *options;
    spa_error cause;
    if (k < options->batches.count &&
        spa_parse_i64_in(options->batches.items[k], 1, 4096, &one.batch, &cause))
        return spa_fail(err, SPA_E_USAGE, "--batch: %s", cause.message);
    return spa_case_open(c, &one, paths, model, device, err);
}

spa_status spa_runs_open(spa_runs *runs, spa_options *options, const spa_paths *paths,
                         spa_error *err)
{
    static const char *const batchers[] = {"none"};
    *runs = (spa_runs){0};
    spa_names models = {0}, devices = {0};
    if (options->batcher && strcmp(options->batcher, "none") != 0) {
        spa_fail_unknown(err, "batcher", options->batcher, batchers, 1);
        if (err) err->status = SPA_E_USAGE;
        return SPA_E_USAGE;
    }
    SPA_TRY(spa_study_scenario(options, &runs->scenario, err));
    SPA_TRY(spa_study_policies(options, &runs->policies, err));
    SPA_TRY(list_models(options, &models, err));
    SPA_TRY(list_devices(options, paths, &devices, err));
    size_t n_batches = options->batches.count ? options->batches.count : 1;
    size_t n = models.count * devices.count * n_batches;
    runs->n_devices = devices.count;
    runs->n_batches = n_batches;
    SPA_TRY(spa_alloc(&runs->cases, n, sizeof *runs->cases, err));
    spa_status status =
        spa_alloc(&runs->outcomes, n * runs->policies.count, sizeof *runs->outcomes, err);
    for (size_t i = 0; i < n && !status; i++) {
        size_t pair = i / n_batches;
        status = open_case(&runs->cases[i], options, paths, models.items[pair / devices.count],
                           devices.items[pair % devices.count], i % n_batches, err);
        if (!status) runs->n_cases++;
    }
    if (status) spa_runs_close(runs);
    return status;
}

void spa_runs_close(spa_runs *runs)
{
    for (size_t i = 0; runs->outcomes && i < runs->n_cases * runs->policies.count; i++) {
        spa_outcome_fini(&runs->outcomes[i]);
    }
    for (size_t i = 0; i < runs->n_cases; i++) spa_case_close(&runs->cases[i]);
    free(runs->outcomes);
    free(runs->cases);
    *runs = (spa_runs){0};
}

int spa_runs_best(const spa_runs *runs, size_t c, spa_objective objective, spa_pick kind)
{
    int best = -1;
    double least = INFINITY;
    for (size_t i = 0; i < runs->policies.count; i++) {
        const spa_outcome *o = spa_runs_outcome(runs, c, i);
        double value = spa_outcome_value(o, objective);
        if (kind != SPA_PICK_ALL && o->hybrid != (kind == SPA_PICK_HYBRID)) continue;
        if (value < least) { /* false for NaN */
            least = value;
            best = (int)i;
        }
    }
    return best;
}
