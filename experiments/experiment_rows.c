/* Rows of an experiment: a number in mixed radix, one digit per factor. */
#include <stdio.h>
#include <string.h>
#include "experiments/ablate.h"
#include "experiments/experiment_factors.h"

static size_t count_of(const spa_experiment *x, spa_factor factor)
{
    return x->factors[factor].values.count;
}

/* How many rows go by until the digit of a factor changes. */
static size_t stride_of(const spa_experiment *x, spa_factor factor)
{
    size_t stride = 1;
    for (int f = SPA_FACTORS - 1; f > (int)factor; f--) stride *= count_of(x, (spa_factor)f);
    return stride;
}

size_t spa_experiment_rows(const spa_experiment *x)
{
    return stride_of(x, SPA_FACTOR_MODEL) * count_of(x, SPA_FACTOR_MODEL);
}

size_t spa_experiment_case_of(const spa_experiment *x, size_t row)
{
    return row / stride_of(x, (spa_factor)(SPA_CASE_FACTORS - 1));
}

size_t spa_experiment_cases(const spa_experiment *x)
{
    return spa_experiment_case_of(x, spa_experiment_rows(x));
}

static size_t digit_of(const spa_experiment *x, size_t row, spa_factor factor)
{
    return row / stride_of(x, factor) % count_of(x, factor);
}

const char *spa_experiment_value(const spa_experiment *x, size_t row, spa_factor factor)
{
    return x->factors[factor].values.items[digit_of(x, row, factor)];
}

const spa_baseline *spa_experiment_baseline(const spa_experiment *x, size_t row, spa_range_end *end)
{
    const spa_baseline *baseline = NULL;
    *end = SPA_RANGE_MID;
    if (digit_of(x, row, SPA_FACTOR_POLICY) < x->n_policies) return NULL;
    /* The name was checked when the file was read. */
    if (spa_baseline_parse(spa_experiment_value(x, row, SPA_FACTOR_POLICY), &baseline, end, NULL))
        return NULL;
    return baseline;
}

size_t spa_experiment_reference_row(const spa_experiment *x, size_t row)
{
    if (x->reference < 0) return SIZE_MAX;
    size_t policy = digit_of(x, row, SPA_FACTOR_POLICY);
    size_t reference = row - policy + (size_t)x->reference;
    return reference == row ? SIZE_MAX : reference;
}

spa_status spa_experiment_options(const spa_experiment *x, size_t row, spa_options *o,
                                  spa_error *err)
{
    spa_options_defaults(o, "run");
    o->plugins = x->names.plugins;
    o->isolate = x->names.isolate;
    o->time_limit_s = x->names.time_limit_s;
    o->max_memory_bytes = x->names.max_memory_bytes;
    o->seed = x->seed;
    o->budget = x->budget;
    if (x->kind == SPA_EXPERIMENT_CURVE) o->steps = o->curve_steps = x->steps;
    o->half_width = x->half_width;
    o->min_reps = x->min_reps;
    o->reps = x->reps;
    for (int f = 0; f < SPA_FACTORS; f++) {
        const char *text = spa_experiment_value(x, row, (spa_factor)f);
        spa_error cause;
        spa_status status = experiment_set_factor(o, (spa_factor)f, text, &cause);
        if (status)
            return spa_fail_at(err, status, x->path, x->factors[f].line, "%s", cause.message);
    }
    spa_ablate_apply(o, o->ablated); /* last: it has the last word */
    /* A rate is for scenarios that have none of their own. */
    bool steady =
        o->scenario && (!strcmp(o->scenario, "poisson") || !strcmp(o->scenario, "periodic"));
    if (steady) o->rate_hz = x->rate_hz;
    /* Nothing is drawn: one replication tells all. */
    bool closed = !o->scenario || !strcmp(o->scenario, "single") ||
                  !strcmp(o->scenario, "closed") || !strcmp(o->scenario, "static");
    bool varies = o->noise && o->scales.noise > 0;
    if (!varies && closed) o->reps = 1;
    return SPA_OK;
}
