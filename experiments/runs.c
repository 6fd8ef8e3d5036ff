#include "experiments/runs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/ablate.h"
#include "experiments/cli.h"
#include "experiments/parts.h"

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
    return spa_parts_open(c, &one, paths, model, device, err);
}

/* ---------------------------------------------------------------- rows */
static spa_status add_row(spa_runs *runs, spa_options *o, const spa_baseline *b, spa_range_end end,
                          spa_error *err)
{
    char label[96];
    spa_row *row = &runs->rows[runs->policies.count];
    *row = (spa_row){.baseline = b, .end = b->has_range ? end : SPA_RANGE_MID, .label = b->name};
    SPA_TRY(spa_names_add(o, &runs->policies, b->policy, err));
    if (row->end == SPA_RANGE_MID) return SPA_OK;
    snprintf(label, sizeof label, "%.60s@%s", b->name, spa_baseline_range_name(b, end));
    return spa_arena_strdup(&o->arena, &row->label, label, err);
}

/* At the end that its text or else --baseline-range says, or at all three. */
static spa_status add_ends(spa_runs *runs, spa_options *o, const spa_baseline *b, bool named,
                           spa_range_end end, spa_error *err)
{
    static const spa_range_end ends[SPA_RANGES] = {SPA_RANGE_LOW, SPA_RANGE_MID, SPA_RANGE_HIGH};
    if (!named && o->baseline_range != SPA_RANGES) end = (spa_range_end)o->baseline_range;
    if (named || o->baseline_range != SPA_RANGES || !b->has_range)
        return add_row(runs, o, b, end, err);
    for (size_t k = 0; k < SPA_RANGES; k++) SPA_TRY(add_row(runs, o, b, ends[k], err));
    return SPA_OK;
}

/* The baselines of the options, "all" written out. */
static spa_status list_baselines(spa_runs *runs, spa_options *o, spa_error *err)
{
    for (size_t i = 0; i < o->baselines.count; i++) {
        const char *text = o->baselines.items[i];
        size_t count;
        const spa_baseline *all = spa_baselines(&count), *one;
        spa_range_end end;
        if (strcmp(text, "all") == 0) {
            for (size_t k = 0; k < count; k++)
                SPA_TRY(add_ends(runs, o, &all[k], false, SPA_RANGE_MID, err));
            continue;
        }
        spa_status status = spa_baseline_parse(text, &one, &end, err);
        if (status && err) err->status = SPA_E_USAGE;
        if (status) return SPA_E_USAGE;
        SPA_TRY(add_ends(runs, o, one, strchr(text, '@') != NULL, end, err));
    }
    return SPA_OK;
}

/* Policies first. With --baseline and no --policy there are only baselines. */
static spa_status list_rows(spa_runs *runs, spa_options *o, spa_error *err)
{
    size_t count;
    spa_baselines(&count);
    if (o->policies.count || !o->baselines.count)
        SPA_TRY(spa_study_policies(o, &runs->policies, err));
    size_t most = runs->policies.count + SPA_RANGES * count * (o->baselines.count + 1);
    SPA_TRY(spa_arena_alloc(&o->arena, &runs->rows, most, sizeof *runs->rows, err));
    return list_baselines(runs, o, err);
}

/* A row that cannot be: the reason stands where its result would. */
static void skip_row(const spa_runs *runs, size_t at, const spa_error *why)
{
    spa_outcome *o = &runs->outcomes[at];
    const spa_row *row = &runs->rows[at % runs->policies.count];
    *o = (spa_outcome){.policy = row->baseline->policy, .baseline = row->label, .is_skipped = true};
    snprintf(o->skipped, sizeof o->skipped, "%.500s", why->message);
}

/* Is it something that this device or program does not have, rather than a fault? */
static bool is_lack(spa_status status)
{
    return status == SPA_E_NOT_FOUND || status == SPA_E_USAGE || status == SPA_E_UNSUPPORTED;
}

/* Costs of their own for the baselines of a case. */
static spa_status open_own(spa_runs *runs, const spa_options *options, const spa_paths *paths,
                           size_t c, const char *model, const char *device, spa_error *err)
{
    for (size_t r = 0; r < runs->policies.count; r++) {
        const spa_baseline *b = runs->rows[r].baseline;
        size_t at = c * runs->policies.count + r;
        spa_error why;
        if (!b || !spa_baseline_has_own_costs(b)) continue;
        spa_options one = *options;
        spa_baseline_apply(b, runs->rows[r].end, &one);
        SPA_TRY(spa_alloc(&runs->own[at], 1, sizeof **runs->own, err));
        spa_status status =
            open_case(runs->own[at], &one, paths, model, device, c % runs->n_batches, &why);
        if (!status) continue;
        free(runs->own[at]);
        runs->own[at] = NULL;
        if (!is_lack(status)) return err ? (*err = why, status) : status;
        skip_row(runs, at, &why);
    }
    return SPA_OK;
}

/* The models of a scenario that is a mix are its own: the command line says `mix` for them. */
static spa_status take_mix(const spa_runs *runs, spa_names *models, spa_error *err)
{
    const spa_scenario *s = &runs->scenario;
    for (size_t i = 0; i < models->count; i++) {
        bool asks = strcmp(models->items[i], "mix") == 0;
        if (asks == (s->mix[0] != 0)) {
            if (asks) models->items[i] = s->mix;
            continue;
        }
        if (asks)
            return spa_fail(err, SPA_E_USAGE,
                            "model 'mix' is the mix of a scenario, and '%s' has none", s->name);
        return spa_fail(err, SPA_E_USAGE,
                        "scenario '%s' is a mix of models: give 'mix' as the model", s->name);
    }
    return SPA_OK;
}

/* A mix is of requests that come one after another. */
static spa_status check_mix(const spa_runs *runs, const spa_options *options, const spa_case *c,
                            spa_error *err)
{
    if (c->kind != SPA_CASE_MIX || runs->scenario.arrivals != SPA_ARRIVALS_SINGLE ||
        runs->scenario.requests > 1)
        return SPA_OK;
    return spa_fail(err, SPA_E_USAGE,
                    "mix '%.200s': scenario 'single' is one request of one model; give "
                    "--concurrency N, --rate HZ or --requests N to '%s'",
                    c->model, options->command);
}

static spa_status open_all(spa_runs *runs, const spa_options *options, const spa_paths *paths,
                           const spa_names *models, const spa_names *devices, spa_error *err)
{
    size_t n = models->count * devices->count * runs->n_batches;
    SPA_TRY(spa_alloc(&runs->cases, n, sizeof *runs->cases, err));
    SPA_TRY(spa_alloc(&runs->own, n * runs->policies.count, sizeof *runs->own, err));
    SPA_TRY(spa_alloc(&runs->outcomes, n * runs->policies.count, sizeof *runs->outcomes, err));
    for (size_t i = 0; i < n; i++) {
        size_t pair = i / runs->n_batches;
        const char *model = models->items[pair / devices->count];
        const char *device = devices->items[pair % devices->count];
        SPA_TRY(
            open_case(&runs->cases[i], options, paths, model, device, i % runs->n_batches, err));
        runs->n_cases++;
        SPA_TRY(check_mix(runs, options, &runs->cases[i], err));
        SPA_TRY(open_own(runs, options, paths, i, model, device, err));
    }
    return SPA_OK;
}

spa_status spa_runs_open(spa_runs *runs, spa_options *options, const spa_paths *paths,
                         spa_error *err)
{
    *runs = (spa_runs){0};
    spa_names models = {0}, devices = {0};
    SPA_TRY(spa_ablate_options(options, err));
    options->scenario_folder = paths->scenarios;
    SPA_TRY(list_rows(runs, options, err));
    SPA_TRY(list_models(options, &models, err));
    SPA_TRY(list_devices(options, paths, &devices, err));
    SPA_TRY(spa_study_scenario(options, &runs->scenario, err));
    runs->n_devices = devices.count;
    runs->n_batches = options->batches.count ? options->batches.count : 1;
    spa_status status = spa_batcher_check(options, &runs->scenario, err);
    if (!status) status = take_mix(runs, &models, err);
    if (!status) status = open_all(runs, options, paths, &models, &devices, err);
    if (status) spa_runs_close(runs);
    return status;
}

void spa_runs_close(spa_runs *runs)
{
    for (size_t i = 0; runs->outcomes && i < runs->n_cases * runs->policies.count; i++) {
        spa_outcome_fini(&runs->outcomes[i]);
    }
    for (size_t i = 0; runs->own && i < runs->n_cases * runs->policies.count; i++) {
        if (runs->own[i]) spa_case_close(runs->own[i]);
        free(runs->own[i]);
    }
    for (size_t i = 0; i < runs->n_cases; i++) spa_case_close(&runs->cases[i]);
    free(runs->own);
    free(runs->outcomes);
    free(runs->cases);
    spa_scenario_fini(&runs->scenario);
    *runs = (spa_runs){0};
}

spa_scenario spa_runs_scenario(const spa_runs *runs, size_t c)
{
    spa_scenario s = runs->scenario;
    if (s.relative) spa_scenario_resolve(&s, spa_case_service_ns(&runs->cases[c]));
    return s;
}

spa_status spa_runs_run(spa_runs *runs, const spa_options *options, size_t i, spa_error *err)
{
    size_t n = runs->policies.count, row = i % n;
    spa_outcome *o = &runs->outcomes[i];
    if (o->is_skipped) return SPA_OK;
    spa_scenario scenario = spa_runs_scenario(runs, i / n);
    const spa_case *c = spa_runs_case(runs, i / n, row);
    const char *policy = runs->policies.items[row];
    SPA_TRY(options->isolate ? spa_study_run_apart(c, options, &scenario, policy, o, err)
                             : spa_study_run(c, options, &scenario, policy, NULL, o, err));
    o->baseline = runs->rows[row].label;
    return SPA_OK;
}

bool spa_runs_mixed(const spa_runs *runs, size_t c)
{
    const char *first = NULL;
    for (size_t row = 0; row < runs->policies.count; row++) {
        if (spa_runs_outcome(runs, c, row)->is_skipped) continue;
        const char *stack = spa_runs_case(runs, c, row)->costs.stack;
        if (first && strcmp(first, stack) != 0) return true;
        first = stack;
    }
    return false;
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
