/* The command line: one table of options drives parsing, checks and --help. */
#ifndef SPA_EXPERIMENTS_OPTIONS_H
#define SPA_EXPERIMENTS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/text.h"
#include "sim/policy.h"

/* A list of texts, in the order given. */
typedef struct spa_names {
    const char **items;
    size_t count, capacity;
} spa_names;

/* Assumptions varied: factors on what the device and the graph say; 1 = as it is. */
typedef struct spa_scales {
    double contention, launch, transfer, rho, noise;
} spa_scales;

/* --baseline-range all: every end in turn. */
#define SPA_RANGES 3

typedef enum spa_noise { SPA_NOISE_ON, SPA_NOISE_OFF } spa_noise;

/* What the command line says. Texts belong to argv or to the arena. */
typedef struct spa_options {
    const char *command;
    spa_names operands;  /* models, or files */
    spa_names devices;   /* --device, repeatable */
    spa_names policies;  /* --policy, repeatable, comma lists split */
    spa_names baselines; /* --baseline, likewise */
    int baseline_range;  /* spa_range_end of what is no measured number, or SPA_RANGES */
    const char *rewrite; /* --rewrite: how graphs are fused; NULL = not */
    const char *stack, *lanes, *scenario, *batcher;
    const char *scenario_folder; /* where scenarios are found by name; NULL = nowhere */
    int64_t batch;               /* 0 = not given */
    int dtype;                   /* spa_dtype, or -1 = not given */
    int objective;               /* spa_objective */
    int64_t concurrency;         /* requests in flight; 0 = not given */
    int64_t requests;            /* per replication; 0 = not given */
    double rate_hz;              /* arrivals per second; 0 = not given */
    int64_t reps;                /* --reps, --runs; 0 = not given */
    int64_t rounds, schedules;   /* validate; -1 = not given */
    int64_t seed, jobs, budget;
    int64_t max_memory_bytes;                      /* 0 = no limit */
    int noise, policy_cost, contention;            /* 1 = on, 0 = off */
    int64_t steps, threads, variants, patience;    /* of training; 0 = not given */
    double vary_speed, vary_launch, vary_transfer; /* factors >= 1; 0 = not given */
    spa_names batches, scenarios; /* of training: --batch, --scenario; `batch` is the first */
    int missing_model;            /* --missing=model */
    spa_names gantt, chart;       /* figures, *.svg or *.png each */
    const char *timeline, *schedule, *log, *db, *output, *csv, *trace, *checkpoint;
    const char *model, *layers, *import_format; /* of import; the last is its first operand */
    const char *shard;                          /* of run: I/N */
    double from_s, until_s;                     /* of import: a window; 0 = not given */
    const char *thresholds;                     /* of training: a predictor, or "shipped" */
    bool isolate;                               /* policies in processes of their own */
    double time_limit_s;                        /* of such a process; 0 = not given */
    spa_names checks;                           /* --check, repeatable */
    spa_names plugin_files;                     /* --plugin, repeatable */
    const struct spa_plugins *plugins; /* opened from them while the command runs, or NULL */
    spa_names shapes;                  /* import onnx */
    bool fold_bn;                      /* import onnx */
    bool graphs;                       /* replay */
    bool force;                        /* figures */
    spa_names ablate;                  /* names of --ablate */
    unsigned ablated;                  /* SPA_ABLATE_* (ablate.h) */
    spa_scales scales;                 /* of experiment files */
    /* Of experiment files: replications go on, from min_reps up to `reps`, until the half-width of
     * the 95 % interval is at most this share of the mean; 0 = always `reps`. */
    double half_width;
    int64_t min_reps;
    int64_t curve_steps; /* kind curve: decisions to learn from, where something learns */
    bool quick;          /* run */
    bool quiet, json, help;
    spa_arena arena;
} spa_options;

/* Commands, as bits: which options each one takes. */
enum {
    SPA_CMD_MODELS = 1 << 0,
    SPA_CMD_DEVICES = 1 << 1,
    SPA_CMD_POLICIES = 1 << 2,
    SPA_CMD_BATCHERS = 1 << 3,
    SPA_CMD_SCENARIOS = 1 << 4,
    SPA_CMD_INSPECT = 1 << 5,
    SPA_CMD_SIMULATE = 1 << 6,
    SPA_CMD_COMPARE = 1 << 7,
    SPA_CMD_DIFF = 1 << 8,
    SPA_CMD_LOG = 1 << 9,
    SPA_CMD_PROFILE = 1 << 10,
    SPA_CMD_VALIDATE = 1 << 11,
    SPA_CMD_REPLAY = 1 << 12,
    SPA_CMD_CALIBRATE = 1 << 13,
    SPA_CMD_TRAIN = 1 << 14,
    SPA_CMD_RUN = 1 << 15,
    SPA_CMD_BASELINES = 1 << 18,
    SPA_CMD_IMPORT = 1 << 20,
    SPA_CMD_MERGE = 1 << 22,
    SPA_CMD_FIGURES = 1 << 16,
    SPA_CMD_REPORT = 1 << 17,
    SPA_CMD_COMPLETION = 1 << 19,
    SPA_CMD_EXPORT = 1 << 21
};

/* Parses argv[first ..]. Operands and options may be mixed; "--" ends the options. Values follow as
 * "--stack S" or "--stack=S". SPA_E_USAGE for everything that is wrong, with the nearest name.
 * spa_options_fini in any case. */
spa_status spa_options_parse(spa_options *options, const char *command, unsigned command_bit,
                             int argc, char *const *argv, int first, spa_error *err);
void spa_options_fini(spa_options *options);
/* What an empty command line says. */
void spa_options_defaults(spa_options *options, const char *command);

/* Appends to a list. */
spa_status spa_names_add(spa_options *options, spa_names *names, const char *text, spa_error *err);

/* An option as documents and shells describe it. */
typedef struct spa_option_info {
    const char *name, *value, *help; /* value: what stands for it in the help; NULL = takes none */
    unsigned commands;               /* SPA_CMD_* bits */
    const char *words[8];            /* the values it takes where these are words; ends with NULL */
} spa_option_info;
/* All options in the order of the help; one may stand twice, for different commands. */
size_t spa_option_count(void);
spa_option_info spa_option_describe(size_t i);

/* The "Options:" part of a command's help. */
void spa_options_help(spa_string *out, unsigned command_bit);

#endif
