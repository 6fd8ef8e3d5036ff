#include "experiments/experiment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "devices/device.h"
#include "experiments/cli.h"
#include "experiments/experiment_factors.h"
#include "experiments/parts.h"
#include "experiments/plugins.h"
#include "policies/learn/predictor.h"
#include "sim/scenario.h"
#include "traces/graph.h"

#define FILE_MOST  ((size_t)1 << 20)
#define ROWS_MOST  1000000
#define HALF_WIDTH 0.01
#define MIN_REPS   10
#define REPS       200
#define BUDGET     1000
#define STEPS      20000
#define EPOCHS     60

static const char *const kinds[SPA_EXPERIMENT_KINDS] = {"factorial", "inspect", "curve",
                                                        "predictor", "validation"};

const char *spa_experiment_kind_name(spa_experiment_kind kind)
{
    return kinds[kind];
}

/* Says where in the file `cause` belongs. */
static spa_status fail_in(const spa_experiment *x, int line, const char *key,
                          const spa_error *cause, spa_error *err)
{
    return spa_fail_at(err, cause->status, x->path, line, "%s: %s", key, cause->message);
}

/* The entry that counts: that of [quick], if it is asked for and there. NULL = none. */
static const spa_ini_entry *find(spa_experiment *x, const char *section, const char *key)
{
    const spa_ini_entry *own = spa_ini_find(&x->ini, section, key);
    const spa_ini_entry *quick = spa_ini_find(&x->ini, "quick", key);
    return x->quick && quick ? quick : own;
}

/* ---------------------------------------------------------------- factors */
static spa_status add_all_baselines(spa_experiment *x, spa_names *values, spa_error *err)
{
    size_t count;
    const spa_baseline *all = spa_baselines(&count);
    for (size_t i = 0; i < count; i++) SPA_TRY(spa_names_add(&x->names, values, all[i].name, err));
    return SPA_OK;
}

static spa_status add_all(spa_experiment *x, spa_factor factor, spa_names *values,
                          const spa_paths *paths, spa_error *err)
{
    size_t count = 0;
    if (factor == SPA_FACTORS) return add_all_baselines(x, values, err);
    if (factor == SPA_FACTOR_MODEL) {
        const spa_model_info *zoo = spa_zoo_models(&count);
        for (size_t i = 0; i < count; i++)
            SPA_TRY(spa_names_add(&x->names, values, zoo[i].name, err));
        return SPA_OK;
    }
    if (factor == SPA_FACTOR_POLICY) {
        const spa_policy *const *known = spa_policies(&count);
        for (size_t i = 0; i < count; i++)
            SPA_TRY(spa_names_add(&x->names, values, known[i]->name, err));
        return spa_study_add_plugged(&x->names, values, err);
    }
    char **names;
    SPA_TRY(spa_device_list(paths->device_search, &names, &count, err));
    spa_status status = SPA_OK;
    for (size_t i = 0; i < count; i++) {
        const char *copy = NULL;
        if (!status) status = spa_arena_strdup(&x->names.arena, &copy, names[i], err);
        if (!status) status = spa_names_add(&x->names, values, copy, err);
        free(names[i]);
    }
    free(names);
    return status;
}

static bool takes_all(spa_factor factor)
{
    return factor == SPA_FACTOR_MODEL || factor == SPA_FACTOR_DEVICE ||
           factor == SPA_FACTOR_POLICY || factor == SPA_FACTORS;
}

/* SPA_FACTORS stands for baselines, which are the last factor's, too. */
static spa_status add_value(spa_experiment *x, spa_factor factor, const char *text, size_t length,
                            const spa_paths *paths, spa_error *err)
{
    int at = factor == SPA_FACTORS ? SPA_FACTOR_POLICY : (int)factor;
    spa_names *values = &x->factors[at].values;
    char *copy;
    while (length > 0 && strchr(" \t", text[0])) text++, length--;
    while (length > 0 && strchr(" \t", text[length - 1])) length--;
    if (length == 0) return spa_fail(err, SPA_E_PARSE, "an empty value in the list");
    SPA_TRY(spa_arena_alloc(&x->names.arena, &copy, length + 1, 1, err));
    memcpy(copy, text, length);
    if (strcmp(copy, "all") == 0 && takes_all(factor))
        return add_all(x, factor, values, paths, err);
    return spa_names_add(&x->names, values, copy, err);
}

static spa_status check_device(const char *name, const spa_paths *paths, spa_error *err)
{
    spa_device *device;
    SPA_TRY(spa_device_load(&device, name, paths->device_search, err));
    spa_device_free(device);
    return SPA_OK;
}

static spa_status check_model(const char *name, spa_error *err)
{
    const char *names[64];
    size_t count, n = strlen(name);
    const spa_model_info *zoo = spa_zoo_models(&count);
    /* Read when they are opened. */
    if ((n > 4 && strcmp(name + n - 4, ".csv") == 0) || spa_parts_is_mix(name)) return SPA_OK;
    for (size_t i = 0; i < count && i < 64; i++) {
        names[i] = zoo[i].name;
        if (strcmp(name, names[i]) == 0) return SPA_OK;
    }
    return spa_fail_unknown(err, "model", name, names, count < 64 ? count : 64);
}

static spa_status check_scenario(const char *name, const spa_paths *paths, spa_error *err)
{
    spa_scenario scenario;
    if (strcmp(name, "default") == 0) return SPA_OK;
    SPA_TRY(spa_scenario_find(&scenario, name, paths->scenarios, err));
    spa_scenario_fini(&scenario);
    return SPA_OK;
}

static spa_status check_value(const spa_experiment *x, const char *text, spa_factor factor,
                              const spa_paths *paths, spa_error *err)
{
    spa_predictor_kind kind;
    const spa_policy *policy;
    spa_param_values values;
    const spa_baseline *baseline;
    spa_range_end end;
    spa_options scratch;
    switch (factor) {
    case SPA_FACTORS:
        return spa_baseline_parse(text, &baseline, &end, err);
    case SPA_FACTOR_MODEL:
        return check_model(text, err);
    case SPA_FACTOR_DEVICE:
        return check_device(text, paths, err);
    case SPA_FACTOR_POLICY:
        if (x->kind == SPA_EXPERIMENT_PREDICTOR) return spa_predictor_kind_find(text, &kind, err);
        return spa_plugins_parse(x->names.plugins, text, &policy, &values, err);
    case SPA_FACTOR_SCENARIO:
        return check_scenario(text, paths, err);
    default:
        spa_options_defaults(&scratch, "run");
        scratch.plugins = x->names.plugins;
        return experiment_set_factor(&scratch, factor, text, err);
    }
}

/* Two names of one thing would be two rows of one run. */
static spa_status check_twice(const spa_names *values, size_t first, size_t at, spa_factor factor,
                              spa_error *err)
{
    const char *value = values->items[at];
    for (size_t i = first; i < at; i++) {
        const char *before = values->items[i];
        if (!experiment_same_value(factor, before, value)) continue;
        if (strcmp(before, value) == 0)
            return spa_fail(err, SPA_E_INVALID, "'%.100s' is named twice", value);
        return spa_fail(err, SPA_E_INVALID, "'%.100s' is named twice, as '%.100s' before", value,
                        before);
    }
    return SPA_OK;
}

/* Adds the values of a list and checks them. */
static spa_status read_values(spa_experiment *x, spa_factor factor, const char *between,
                              const spa_ini_entry *entry, const spa_paths *paths, spa_error *err)
{
    const spa_names *values =
        &x->factors[factor == SPA_FACTORS ? (int)SPA_FACTOR_POLICY : (int)factor].values;
    size_t first = values->count;
    const char *text = entry->value;
    spa_error cause = {0};
    spa_status status = SPA_OK;
    for (bool more = true; more && !status;) {
        size_t length = strcspn(text, between);
        more = text[length] != '\0';
        status = add_value(x, factor, text, length, paths, &cause);
        text += length + 1;
    }
    for (size_t i = first; i < values->count && !status; i++) {
        status = check_value(x, values->items[i], factor, paths, &cause);
        if (!status) status = check_twice(values, first, i, factor, &cause);
    }
    return status ? fail_in(x, entry->line, entry->key, &cause, err) : SPA_OK;
}

static spa_status read_factor(spa_experiment *x, spa_factor factor, const spa_paths *paths,
                              spa_error *err)
{
    const experiment_factor *f = &experiment_factors[factor];
    spa_factor_values *out = &x->factors[factor];
    const spa_ini_entry *entry = find(x, "factors", f->key);
    if (!entry && !f->neutral)
        return spa_fail_at(err, SPA_E_PARSE, x->path, 0, "section [factors] lacks '%s'", f->key);
    if (!entry)
        return *f->neutral ? spa_names_add(&x->names, &out->values, f->neutral, err) : SPA_OK;
    out->line = entry->line;
    return read_values(x, factor, f->between, entry, paths, err);
}

static spa_status add_end(spa_experiment *x, spa_names *ends, const char *text, size_t length,
                          spa_error *err)
{
    static const char *const names[] = {"low", "mid", "high"};
    char end[16] = "";
    while (length > 0 && strchr(" \t", text[0])) text++, length--;
    while (length > 0 && strchr(" \t", text[length - 1])) length--;
    if (length < sizeof end) memcpy(end, text, length);
    for (size_t i = 0; i < ends->count; i++)
        if (strcmp(ends->items[i], end) == 0)
            return spa_fail(err, SPA_E_INVALID, "'%s' is named twice", end);
    for (size_t i = 0; i < 3; i++)
        if (strcmp(names[i], end) == 0) return spa_names_add(&x->names, ends, names[i], err);
    return spa_fail_unknown(err, "end of a range", end, names, 3);
}

/* "tensorrt" at each of the ends; a baseline that has none, or says its own, as it is. */
static spa_status add_ends_of(spa_experiment *x, spa_names *rows, const char *name,
                              const spa_names *ends, spa_error *err)
{
    const spa_baseline *baseline;
    spa_range_end end;
    SPA_TRY(spa_baseline_parse(name, &baseline, &end, err));
    if (!baseline->has_range || strchr(name, '@')) return spa_names_add(&x->names, rows, name, err);
    for (size_t i = 0; i < ends->count; i++) {
        char *text;
        size_t size = strlen(name) + 8;
        bool mid = strcmp(ends->items[i], "mid") == 0; /* has no suffix */
        SPA_TRY(spa_arena_alloc(&x->names.arena, &text, size, 1, err));
        snprintf(text, size, "%s%s%s", name, mid ? "" : "@", mid ? "" : ends->items[i]);
        SPA_TRY(spa_names_add(&x->names, rows, text, err));
    }
    return SPA_OK;
}

/* Rows for the ends that 'baseline_range' names, of the baselines that have a range and whose name
 * says nothing of it. Without the key: the middle. */
static spa_status add_ends(spa_experiment *x, spa_error *err)
{
    const spa_ini_entry *entry = find(x, "factors", "baseline_range");
    spa_names *rows = &x->factors[SPA_FACTOR_POLICY].values, named = {0};
    if (!entry) return SPA_OK;
    spa_names ends = {0};
    spa_error cause;
    spa_status status = SPA_OK;
    const char *text = entry->value;
    for (bool more = true; more && !status;) {
        size_t length = strcspn(text, ",");
        more = text[length] != '\0';
        status = add_end(x, &ends, text, length, &cause);
        text += length + 1;
    }
    if (status) return fail_in(x, entry->line, "baseline_range", &cause, err);
    for (size_t i = x->n_policies; i < rows->count; i++)
        SPA_TRY(spa_names_add(&x->names, &named, rows->items[i], err));
    rows->count = x->n_policies;
    for (size_t i = 0; i < named.count; i++)
        SPA_TRY(add_ends_of(x, rows, named.items[i], &ends, err));
    for (size_t i = x->n_policies; i < rows->count; i++)
        if (check_twice(rows, x->n_policies, i, SPA_FACTORS, &cause))
            return fail_in(x, entry->line, "baseline_range", &cause, err);
    return SPA_OK;
}

/* Kind predictor: its last factor are kinds of predictors, and all models make one row. */
static spa_status read_predictors(spa_experiment *x, const spa_paths *paths, spa_error *err)
{
    spa_names *rows = &x->factors[SPA_FACTOR_POLICY].values;
    spa_names *models = &x->factors[SPA_FACTOR_MODEL].values;
    const spa_ini_entry *entry = find(x, "factors", "predictors");
    char all[512] = "";
    const char *copy;
    if (entry && strcmp(entry->value, "all") != 0) {
        SPA_TRY(read_values(x, SPA_FACTOR_POLICY, ",", entry, paths, err));
    } else {
        for (int k = 0; k < SPA_PREDICT_KINDS; k++)
            SPA_TRY(spa_names_add(&x->names, rows, spa_predictor_kind_name((spa_predictor_kind)k),
                                  err));
    }
    x->n_policies = rows->count;
    x->models = *models;
    for (size_t i = 0; i < models->count; i++) {
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%.100s", i ? ", " : "", models->items[i]);
    }
    SPA_TRY(spa_arena_strdup(&x->names.arena, &copy, all, err));
    *models = (spa_names){0};
    return spa_names_add(&x->names, models, copy, err);
}

/* Kind validation: a row per model; nothing is run, so that there is nothing to choose. */
static spa_status read_validation(spa_experiment *x, const spa_paths *paths, spa_error *err)
{
    SPA_TRY(read_factor(x, SPA_FACTOR_MODEL, paths, err));
    for (int f = SPA_FACTOR_MODEL + 1; f < SPA_FACTORS; f++)
        SPA_TRY(spa_names_add(&x->names, &x->factors[f].values, "-", err));
    x->n_policies = 1;
    return SPA_OK;
}

static spa_status read_baselines(spa_experiment *x, const spa_paths *paths, spa_error *err)
{
    const spa_ini_entry *entry = find(x, "factors", "baselines");
    const spa_names *rows = &x->factors[SPA_FACTOR_POLICY].values;
    x->n_policies = rows->count;
    if (entry && strcmp(entry->value, "none") != 0) {
        x->baselines_line = entry->line;
        SPA_TRY(read_values(x, SPA_FACTORS, ",", entry, paths, err));
    }
    SPA_TRY(add_ends(x, err));
    if (rows->count > 0) return SPA_OK;
    return spa_fail_at(err, SPA_E_PARSE, x->path, 0,
                       "section [factors] lacks 'policies' and 'baselines': one is needed");
}

static spa_status read_factors(spa_experiment *x, const spa_paths *paths, spa_error *err)
{
    double rows = 1;
    if (x->kind == SPA_EXPERIMENT_VALIDATION) return read_validation(x, paths, err);
    for (int f = 0; f < SPA_FACTOR_POLICY; f++) SPA_TRY(read_factor(x, (spa_factor)f, paths, err));
    if (x->kind == SPA_EXPERIMENT_PREDICTOR) {
        SPA_TRY(read_predictors(x, paths, err));
    } else {
        SPA_TRY(read_factor(x, SPA_FACTOR_POLICY, paths, err));
        SPA_TRY(read_baselines(x, paths, err));
    }
    for (int f = 0; f < SPA_FACTORS; f++) rows *= (double)x->factors[f].values.count;
    if (rows <= ROWS_MOST) return SPA_OK;
    return spa_fail_at(err, SPA_E_RANGE, x->path, 0, "%g rows are more than %d; split the file",
                       rows, ROWS_MOST);
}

/* ---------------------------------------------------------------- the rest */
static spa_status read_integer(spa_experiment *x, const char *key, int64_t missing, int64_t min,
                               int64_t *out, spa_error *err)
{
    const spa_ini_entry *entry = find(x, "precision", key);
    spa_error cause;
    *out = missing;
    if (!entry) return SPA_OK;
    if (spa_parse_i64_in(entry->value, min, INT64_C(1000000000), out, &cause))
        return fail_in(x, entry->line, key, &cause, err);
    return SPA_OK;
}

static spa_status read_real(spa_experiment *x, const char *section, const char *key, double missing,
                            double max, double *out, spa_error *err)
{
    const spa_ini_entry *entry = find(x, section, key);
    spa_error cause;
    *out = missing;
    if (!entry) return SPA_OK;
    if (spa_parse_double_in(entry->value, 0, max, out, &cause))
        return fail_in(x, entry->line, key, &cause, err);
    return SPA_OK;
}

static spa_status read_reference(spa_experiment *x, spa_error *err)
{
    const spa_ini_entry *entry = find(x, "precision", "reference");
    const spa_names *policies = &x->factors[SPA_FACTOR_POLICY].values;
    spa_error cause;
    x->reference = -1;
    if (!entry) return SPA_OK;
    for (size_t i = policies->count; i-- > 0;) /* the first: policies before baselines */
        if (strcmp(policies->items[i], entry->value) == 0) x->reference = (int)i;
    if (x->reference >= 0) return SPA_OK;
    spa_fail_unknown(&cause, "policy or baseline of this experiment", entry->value, policies->items,
                     policies->count);
    return fail_in(x, entry->line, "reference", &cause, err);
}

static spa_status read_precision(spa_experiment *x, spa_error *err)
{
    SPA_TRY(read_real(x, "precision", "half_width", HALF_WIDTH, 1, &x->half_width, err));
    SPA_TRY(read_integer(x, "min", MIN_REPS, 2, &x->min_reps, err));
    SPA_TRY(read_integer(x, "max", REPS, 1, &x->reps, err));
    SPA_TRY(read_integer(x, "seed", 1, 0, &x->seed, err));
    SPA_TRY(read_integer(x, "budget", BUDGET, 1, &x->budget, err));
    SPA_TRY(read_integer(x, "steps", STEPS, 1, &x->steps, err));
    SPA_TRY(read_integer(x, "epochs", EPOCHS, 1, &x->epochs, err));
    SPA_TRY(read_real(x, "factors", "rate_hz", 0, 1e9, &x->rate_hz, err));
    if (x->half_width > 0 && x->reps < x->min_reps)
        return spa_fail_at(err, SPA_E_RANGE, x->path, 0,
                           "[precision] max = %lld is less than min = %lld", (long long)x->reps,
                           (long long)x->min_reps);
    return read_reference(x, err);
}

/* The name is a key in the database, beside those of commands. */
static spa_status read_name(spa_experiment *x, spa_error *err)
{
    static const char *const taken[] = {"compare", "simulate", "train", "validate", "replay"};
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";
    SPA_TRY(spa_ini_text(&x->ini, "experiment", "name", &x->name, err));
    int line = spa_ini_find(&x->ini, "experiment", "name")->line;
    if (!*x->name || x->name[strspn(x->name, allowed)] || strlen(x->name) > 60)
        return spa_fail_at(err, SPA_E_INVALID, x->path, line,
                           "name '%.80s': write up to 60 of a-z, 0-9, '-' and '_'", x->name);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(taken[i], x->name) == 0)
            return spa_fail_at(err, SPA_E_INVALID, x->path, line,
                               "'%s' is what the command '%s' stores under; choose another name",
                               x->name, x->name);
    return SPA_OK;
}

static spa_status read_kind(spa_experiment *x, spa_error *err)
{
    const spa_ini_entry *entry = spa_ini_find(&x->ini, "experiment", "kind");
    spa_error cause;
    x->kind = SPA_EXPERIMENT_FACTORIAL;
    if (!entry) return SPA_OK;
    for (int k = 0; k < SPA_EXPERIMENT_KINDS; k++) {
        x->kind = (spa_experiment_kind)k;
        if (strcmp(kinds[k], entry->value) == 0) return SPA_OK;
    }
    spa_fail_unknown(&cause, "kind of experiment", entry->value, kinds, SPA_EXPERIMENT_KINDS);
    return fail_in(x, entry->line, "kind", &cause, err);
}

static spa_status parse(spa_experiment *x, const char *text, size_t size, const spa_paths *paths,
                        spa_error *err)
{
    x->file_hash = spa_hash_bytes(SPA_HASH_SEED, text, size);
    SPA_TRY(spa_ini_parse(&x->ini, x->path, text, size, err));
    SPA_TRY(read_name(x, err));
    SPA_TRY(read_kind(x, err));
    x->title = spa_ini_text_or(&x->ini, "experiment", "title", x->name);
    SPA_TRY(read_factors(x, paths, err));
    SPA_TRY(read_precision(x, err));
    return spa_ini_check_unused(&x->ini, err);
}

spa_status spa_experiment_parse(spa_experiment *x, const char *path_for_messages, const char *text,
                                size_t size, const spa_options *given, const spa_paths *paths,
                                spa_error *err)
{
    *x = (spa_experiment){.path = path_for_messages, .quick = given->quick};
    spa_options_defaults(&x->names, "run");
    x->names.plugins = given->plugins;
    x->names.isolate = given->isolate;
    x->names.time_limit_s = given->time_limit_s;
    x->names.max_memory_bytes = given->max_memory_bytes;
    spa_status status = parse(x, text, size, paths, err);
    if (status) spa_experiment_fini(x);
    return status;
}

spa_status spa_experiment_read(spa_experiment *x, const char *path, const spa_options *given,
                               const spa_paths *paths, spa_error *err)
{
    char *text;
    size_t size;
    *x = (spa_experiment){0};
    SPA_TRY(spa_read_file(path, FILE_MOST, false, &text, &size, err));
    spa_status status = spa_experiment_parse(x, path, text, size, given, paths, err);
    free(text);
    return status;
}

void spa_experiment_fini(spa_experiment *x)
{
    spa_options_fini(&x->names);
    spa_ini_fini(&x->ini);
    *x = (spa_experiment){0};
}
