#include "experiments/experiment_factors.h"

#include <string.h>
#include "experiments/ablate.h"
#include "experiments/plugins.h"
#include "sim/batcher.h"
#include "traces/graph.h"

const experiment_factor experiment_factors[SPA_FACTORS] = {
    [SPA_FACTOR_MODEL] = {"models", NULL, ","},
    [SPA_FACTOR_DEVICE] = {"devices", NULL, ","},
    [SPA_FACTOR_STACK] = {"stacks", "default", ","},
    [SPA_FACTOR_LANES] = {"lanes", "default", ";"}, /* lanes have commas of their own */
    [SPA_FACTOR_BATCH] = {"batches", "1", ","},
    [SPA_FACTOR_DTYPE] = {"dtypes", "default", ","},
    [SPA_FACTOR_ABLATION] = {"ablations", "none", ","},
    [SPA_FACTOR_CONTENTION] = {"contention", "1", ","},
    [SPA_FACTOR_LAUNCH] = {"launch", "1", ","},
    [SPA_FACTOR_TRANSFER] = {"transfer", "1", ","},
    [SPA_FACTOR_RHO] = {"rho", "1", ","},
    [SPA_FACTOR_NOISE] = {"noise", "1", ","},
    [SPA_FACTOR_SCENARIO] = {"scenarios", "default", ","},
    [SPA_FACTOR_CONCURRENCY] = {"concurrency", "default", ","},
    [SPA_FACTOR_OBJECTIVE] = {"objectives", "latency", ","},
    [SPA_FACTOR_BATCHER] = {"batchers", "none", ","},
    [SPA_FACTOR_POLICY] = {"policies", "", ","},
};

static const char *or_default(const char *text)
{
    return strcmp(text, "default") == 0 ? NULL : text;
}

static spa_status set_dtype(spa_options *o, const char *text, spa_error *err)
{
    static const char *const names[] = {"default", "fp32", "fp16"};
    static const int values[] = {-1, SPA_FP32, SPA_FP16};
    for (int i = 0; i < 3; i++) {
        if (strcmp(names[i], text) != 0) continue;
        o->dtype = values[i];
        return SPA_OK;
    }
    return spa_fail_unknown(err, "dtype", text, names, 3);
}

static spa_status set_objective(spa_options *o, const char *text, spa_error *err)
{
    static const char *const names[] = {"latency", "energy", "edp", "throughput"};
    spa_objective objective;
    if (!spa_objective_from_name(text, &objective))
        return spa_fail_unknown(err, "objective", text, names, 4);
    o->objective = (int)objective;
    return SPA_OK;
}

static spa_status set_batcher(spa_options *o, const char *text, spa_error *err)
{
    const spa_batcher *batcher;
    spa_param_values values;
    SPA_TRY(spa_plugins_parse_batcher(o->plugins, text, &batcher, &values, err));
    o->batcher = batcher->decide ? text : NULL;
    return SPA_OK;
}

static spa_status set_scale(double *scale, const char *text, spa_error *err)
{
    return spa_parse_double_in(text, 0, 1000, scale, err);
}

static spa_status set_number(spa_options *o, spa_factor factor, const char *text, spa_error *err)
{
    switch (factor) {
    case SPA_FACTOR_BATCH:
        /* 1 is what a graph has anyway, and graph files may have another. */
        SPA_TRY(spa_parse_i64_in(text, 1, 4096, &o->batch, err));
        if (o->batch == 1) o->batch = 0;
        return SPA_OK;
    case SPA_FACTOR_CONCURRENCY:
        if (!or_default(text)) return SPA_OK;
        return spa_parse_i64_in(text, 1, 65536, &o->concurrency, err);
    case SPA_FACTOR_CONTENTION:
        SPA_TRY(set_scale(&o->scales.contention, text, err));
        if (o->scales.contention == 0) o->contention = 0;
        return SPA_OK;
    case SPA_FACTOR_LAUNCH:
        return set_scale(&o->scales.launch, text, err);
    case SPA_FACTOR_TRANSFER:
        return set_scale(&o->scales.transfer, text, err);
    case SPA_FACTOR_RHO:
        return set_scale(&o->scales.rho, text, err);
    default:
        return set_scale(&o->scales.noise, text, err);
    }
}

spa_status experiment_set_factor(spa_options *o, spa_factor factor, const char *text,
                                 spa_error *err)
{
    switch (factor) {
    case SPA_FACTOR_MODEL:
    case SPA_FACTOR_DEVICE:
    case SPA_FACTOR_POLICY:
    case SPA_FACTORS:
        return SPA_OK; /* names that are used as they are */
    case SPA_FACTOR_STACK:
        o->stack = or_default(text);
        return SPA_OK;
    case SPA_FACTOR_LANES:
        o->lanes = or_default(text);
        return SPA_OK;
    case SPA_FACTOR_DTYPE:
        return set_dtype(o, text, err);
    case SPA_FACTOR_ABLATION:
        return spa_ablate_parse(text, &o->ablated, err);
    case SPA_FACTOR_SCENARIO:
        o->scenario = or_default(text);
        return SPA_OK;
    case SPA_FACTOR_OBJECTIVE:
        return set_objective(o, text, err);
    case SPA_FACTOR_BATCHER:
        return set_batcher(o, text, err);
    default:
        return set_number(o, factor, text, err);
    }
}

static bool same_number(const char *a, const char *b)
{
    double x, y;
    spa_error why;
    return !spa_parse_double_in(a, 0, 1e18, &x, &why) &&
           !spa_parse_double_in(b, 0, 1e18, &y, &why) && x == y;
}

bool experiment_same_value(spa_factor factor, const char *a, const char *b)
{
    unsigned x, y;
    const spa_baseline *one, *other;
    spa_range_end end, end_of_other;
    spa_error why;
    if (strcmp(a, b) == 0) return true;
    switch (factor) {
    case SPA_FACTOR_BATCH:
    case SPA_FACTOR_CONTENTION:
    case SPA_FACTOR_LAUNCH:
    case SPA_FACTOR_TRANSFER:
    case SPA_FACTOR_RHO:
    case SPA_FACTOR_NOISE:
    case SPA_FACTOR_CONCURRENCY:
        return same_number(a, b);
    case SPA_FACTOR_ABLATION:
        return !spa_ablate_parse(a, &x, &why) && !spa_ablate_parse(b, &y, &why) && x == y;
    case SPA_FACTORS:
        return !spa_baseline_parse(a, &one, &end, &why) &&
               !spa_baseline_parse(b, &other, &end_of_other, &why) && one == other &&
               end == end_of_other;
    default:
        return false;
    }
}
