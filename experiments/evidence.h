/* results.db as figures and the report read it: every table in memory, in an order that does not
 * depend on how the runs came to be. */
#ifndef SPA_EXPERIMENTS_EVIDENCE_H
#define SPA_EXPERIMENTS_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/memory.h"
#include "base/text.h"

/* Factors that an experiment may scale; 1 = as it is. */
typedef enum spa_scale {
    SPA_SCALE_CONTENTION,
    SPA_SCALE_LAUNCH,
    SPA_SCALE_TRANSFER,
    SPA_SCALE_RHO,
    SPA_SCALE_NOISE,
    SPA_SCALE_COUNT
} spa_scale;
/* "contention", "launch", "transfer", "rho", "noise". */
const char *spa_scale_name(spa_scale scale);

typedef struct spa_measure {
    const char *name; /* with its unit: latency_mean_ms */
    double value;     /* NaN = not known */
} spa_measure;

typedef struct spa_step_value {
    int64_t step;
    double value;
} spa_step_value;

/* A row of table replication. */
typedef struct spa_replicate {
    double latency_ms, energy_mj; /* NaN = not known */
} spa_replicate;

/* A row of table validation. */
typedef struct spa_validated_part {
    const char *schedule, *component;
    double measured_ms, simulated_ms; /* NaN = not known */
} spa_validated_part;

/* A row of table operator: where an operator is in the paper's plane, and where it ran. */
typedef struct spa_operator_row {
    const char *name, *kind, *quadrant;
    double macs, rho;               /* NaN = not known */
    double accelerated;             /* share of its output made on an accelerator, 0 to 1 */
    double host_us, accelerator_us; /* alone, launch included; NaN = cannot run there */
} spa_operator_row;

/* A run. Texts are never NULL but where it says so. */
typedef struct spa_record {
    int64_t id, order; /* order: its row in the experiment file */
    const char *experiment, *hash, *version;
    const char *model, *device, *mode, *stack, *lanes, *origin, *policy, *objective, *scenario;
    const char *dtype;
    const char *name;    /* the baseline's, or else the policy's */
    bool is_baseline;    /* `name` is a baseline's */
    const char *range;   /* which end of a baseline's factors: "low", "mid", "high"; "" = none */
    const char *batcher; /* "" = none */
    const char *ablate;  /* components that are off, "" = none */
    const char *skipped; /* the reason, or NULL */
    int64_t concurrency, requests, batch, reps, seed;
    bool noise, policy_cost;
    double scales[SPA_SCALE_COUNT];
    const spa_measure *measures;
    size_t n_measures;
    const spa_step_value *curve;
    size_t n_curve;
    const spa_replicate *replicates; /* 0, 1, ...: the same number is the same noise in every row */
    size_t n_replicates;
    const spa_validated_part *parts;
    size_t n_parts;
    const spa_operator_row *operators;
    size_t n_operators;
} spa_record;

/* How far an experiment came. */
typedef struct spa_progress_row {
    const char *experiment;
    const char *file;       /* the experiment file; "" = compare, simulate, validate, ... */
    const char *title;      /* what it asks; "" */
    const char *reference;  /* the policy that others are compared with; "" = none */
    int64_t expected, done; /* rows; expected -1 = not known: no experiment file */
    int64_t skipped;        /* of `done`: those that could not be run, with the reason */
    bool quick;             /* fewer models and replications */
    bool is_finished;
    bool several_versions; /* its rows are of more than one program version */
} spa_progress_row;

/* A paired comparison with the experiment's reference policy. */
typedef struct spa_comparison_row {
    int64_t run, reference;           /* ids of runs */
    int64_t n;                        /* replications of both */
    double difference_ms;             /* run - reference */
    double ci95_ms;                   /* half-width of the 95 % interval of the difference */
    double p_t_holm, p_wilcoxon_holm; /* corrected over the experiment's family */
} spa_comparison_row;

typedef struct spa_evidence {
    spa_arena arena;
    const char *path;
    spa_record *records; /* sorted */
    size_t n_records;
    spa_progress_row *progress;
    size_t n_progress;
    spa_comparison_row *comparisons;
    size_t n_comparisons;
} spa_evidence;

/* Reads the database; it is not changed. SPA_E_IO when it cannot be read, SPA_E_INVALID when it is
 * no results.db or holds no run, SPA_E_UNSUPPORTED for another schema version. spa_evidence_close
 * in any case but failure. */
spa_status spa_evidence_open(spa_evidence *evidence, const char *path, spa_error *err);
void spa_evidence_close(spa_evidence *evidence);

/* NaN = the run has no such metric. */
double spa_record_get(const spa_record *record, const char *metric);
/* Does everything but contention, launches, transfers, rho, noise and a baseline's range stand as
 * it is? */
bool spa_record_is_plain(const spa_record *record);
/* NULL = there is no run of this number. */
const spa_record *spa_evidence_run(const spa_evidence *evidence, int64_t id);
/* NULL = the database knows no experiment of this name. */
const spa_progress_row *spa_evidence_progress(const spa_evidence *evidence, const char *experiment);

#endif
