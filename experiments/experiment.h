/* Experiment files (*.exp): a full factorial of factors and policies, or another kind of study
 * (docs/formats.md, "Experiment"). */
#ifndef SPA_EXPERIMENTS_EXPERIMENT_H
#define SPA_EXPERIMENTS_EXPERIMENT_H

#include "base/ini.h"
#include "experiments/baselines.h"
#include "experiments/paths.h"

typedef enum spa_experiment_kind {
    SPA_EXPERIMENT_FACTORIAL,  /* every combination of the factors, with every policy */
    SPA_EXPERIMENT_INSPECT,    /* the same, with where every operator ran */
    SPA_EXPERIMENT_CURVE,      /* the same, with how searches and learners came there */
    SPA_EXPERIMENT_PREDICTOR,  /* kinds of predictors of thresholds on all models of a device */
    SPA_EXPERIMENT_VALIDATION, /* what `sparoa validate` has stored, a row per model */
    SPA_EXPERIMENT_KINDS
} spa_experiment_kind;
const char *spa_experiment_kind_name(spa_experiment_kind kind);

/* From outside in: policies vary fastest. Those up to SPA_FACTOR_NOISE make a case (a cost table);
 * the others are about how it is run. */
typedef enum spa_factor {
    SPA_FACTOR_MODEL,
    SPA_FACTOR_DEVICE,
    SPA_FACTOR_STACK,
    SPA_FACTOR_LANES,
    SPA_FACTOR_BATCH,
    SPA_FACTOR_DTYPE,
    SPA_FACTOR_ABLATION,
    SPA_FACTOR_CONTENTION,
    SPA_FACTOR_LAUNCH,
    SPA_FACTOR_TRANSFER,
    SPA_FACTOR_RHO,
    SPA_FACTOR_NOISE,
    SPA_FACTOR_SCENARIO,
    SPA_FACTOR_CONCURRENCY,
    SPA_FACTOR_OBJECTIVE,
    SPA_FACTOR_BATCHER,
    SPA_FACTOR_POLICY, /* policies, then baselines; kind predictor: kinds of predictors */
    SPA_FACTORS
} spa_factor;
#define SPA_CASE_FACTORS (SPA_FACTOR_NOISE + 1)

/* The values of a factor, as written ("all" written out). */
typedef struct spa_factor_values {
    spa_names values;
    int line; /* of the file; 0 = not given: one neutral value */
} spa_factor_values;

typedef struct spa_experiment {
    const char *path, *name, *title;
    spa_experiment_kind kind;
    uint64_t file_hash;
    bool quick;
    spa_factor_values factors[SPA_FACTORS];
    spa_names models;       /* kind predictor: all of them, the factor's value names them all */
    size_t n_policies;      /* of the last factor's values; the others are baselines */
    int baselines_line;     /* of the file; 0 = not given */
    int reference;          /* index of a policy or baseline, -1 = none */
    double half_width;      /* relative */
    int64_t min_reps, reps; /* least and most replications */
    int64_t seed, budget, steps, epochs;
    double rate_hz;    /* of open scenarios without one of their own; 0 = none */
    spa_options names; /* owns the texts */
    spa_ini ini;
} spa_experiment;

/* Reads and checks a file: every name, on its own, exists. Of the command line's options it takes
 * --quick (what the [quick] section says instead), the plug-ins (their policies are known, and part
 * of 'all'), --isolate with its limits. Errors name file and line. fini in any case. */
spa_status spa_experiment_read(spa_experiment *x, const char *path, const spa_options *given,
                               const spa_paths *paths, spa_error *err);
/* The same from the text of a file. */
spa_status spa_experiment_parse(spa_experiment *x, const char *path_for_messages, const char *text,
                                size_t size, const spa_options *given, const spa_paths *paths,
                                spa_error *err);
void spa_experiment_fini(spa_experiment *x);

/* ---- rows: combinations in a fixed order, policies fastest ---- */
size_t spa_experiment_rows(const spa_experiment *x);
/* Which case (combination of the case factors) a row belongs to; rows of a case stand together. */
size_t spa_experiment_case_of(const spa_experiment *x, size_t row);
size_t spa_experiment_cases(const spa_experiment *x);
/* The value of a factor in a row, as written. */
const char *spa_experiment_value(const spa_experiment *x, size_t row, spa_factor factor);
/* A row of a baseline: it says which policy, perhaps on costs of its own, at one end of its range.
 * NULL: of a policy. */
const spa_baseline *spa_experiment_baseline(const spa_experiment *x, size_t row,
                                            spa_range_end *end);
/* The row that differs from this one in its policy alone, which is the reference; SIZE_MAX = none,
 * or it is one itself. */
size_t spa_experiment_reference_row(const spa_experiment *x, size_t row);
/* The options of a row, as a command line would give them; texts belong to the experiment. */
spa_status spa_experiment_options(const spa_experiment *x, size_t row, spa_options *options,
                                  spa_error *err);

#endif
