/* SparOA testbed: the C interface for programs that embed the engine.
 *
 *     sparoa *lib;
 *     sparoa_results *results;
 *     sparoa_error err;
 *     const char *models[] = {"resnet18"}, *devices[] = {"agx-orin"}, *policies[] = {"heft", "dp"};
 *     sparoa_options options;
 *     sparoa_options_init(&options, sizeof options);
 *     options.reps = 10;
 *     if (sparoa_open(&lib, NULL, &err) ||
 *         sparoa_compare(lib, models, 1, devices, 1, policies, 2, &options, &results, &err))
 *         fprintf(stderr, "%s\n", err.message);
 *
 * Link with `pkg-config --cflags --libs sparoa`.
 *
 * Rules. What can fail returns a status and fills *err (which may be NULL) with one line that names
 * what is at fault and the cure. Handles are opaque; what a function returns belongs to the handle
 * it came from and lives as long. Unknown numbers are NaN, unknown texts NULL. Nothing here prints,
 * and nothing but sparoa_open reads the environment. Different threads may call at the same time,
 * with one `sparoa`, but not with one results or environment handle.
 *
 * Versions. A structure begins with struct_size, which the caller sets to sizeof of its own: later
 * versions append members, and a program compiled earlier neither gives nor gets them. The
 * library's soname changes when anything else does. */
#ifndef SPAROA_H
#define SPAROA_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SPAROA_API __attribute__((visibility("default")))
#else
#define SPAROA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define SPAROA_API_VERSION 1u

typedef enum sparoa_status {
    SPAROA_OK = 0,
    SPAROA_E_NOMEM = 1,       /* an allocation failed */
    SPAROA_E_INVALID = 2,     /* an argument or a value in an input is not allowed */
    SPAROA_E_PARSE = 3,       /* a file does not have the form it must have */
    SPAROA_E_IO = 4,          /* reading or writing failed */
    SPAROA_E_NOT_FOUND = 5,   /* an unknown name; the message names the nearest valid one */
    SPAROA_E_RANGE = 6,       /* a number is outside its bounds */
    SPAROA_E_UNSUPPORTED = 7, /* valid, but not possible here */
    SPAROA_E_ILLEGAL = 8,     /* a policy or an action asked for something that is not possible */
    SPAROA_E_USAGE = 9,       /* options that do not go together, or unknown ones */
    SPAROA_E_INTERRUPTED = 10
} sparoa_status;

typedef struct sparoa_error {
    sparoa_status status;
    char message[768];
} sparoa_error;

SPAROA_API uint32_t
sparoa_api_version(void); /* of the library: SPAROA_API_VERSION it was built with */
SPAROA_API const char *sparoa_version(void); /* the commit it was built from */

/* ---- the library ------------------------------------------------------------------------------
 */

typedef struct sparoa sparoa;
/* Finds devices, traces and scenarios: in `data` (the folder that holds devices/data), or, if that
 * is NULL, in $SPAROA_DATA, beside the library, or beside the program. Turns off the abort of the
 * GNU Scientific Library's default error handler, for the whole process. */
SPAROA_API sparoa_status sparoa_open(sparoa **lib, const char *data, sparoa_error *err);
SPAROA_API void sparoa_close(sparoa *lib); /* after everything that came from it; NULL is allowed */

typedef enum sparoa_kind {
    SPAROA_MODELS,
    SPAROA_DEVICES,
    SPAROA_POLICIES,
    SPAROA_SCENARIOS,
    SPAROA_BASELINES
} sparoa_kind;
/* The names that there are, ended by NULL. */
SPAROA_API sparoa_status sparoa_names(sparoa *lib, sparoa_kind kind, const char *const **names,
                                      sparoa_error *err);

/* ---- models, devices, scenarios ---------------------------------------------------------------
 */

/* A name, or the path of a *.graph.csv or *.onnx file; `batch` 0 and `dtype` NULL: 1 and "fp32", or
 * the file's. */
typedef struct sparoa_model sparoa_model;
SPAROA_API sparoa_status sparoa_model_load(sparoa *lib, const char *name, int64_t batch,
                                           const char *dtype, sparoa_model **model,
                                           sparoa_error *err);
SPAROA_API void sparoa_model_free(sparoa_model *model);
typedef struct sparoa_model_info {
    size_t struct_size;
    const char *name, *dtype;
    int64_t batch;
    size_t n_operators;
    int64_t macs, parameters;
} sparoa_model_info;
SPAROA_API sparoa_status sparoa_model_describe(const sparoa_model *model, sparoa_model_info *info,
                                               sparoa_error *err);
typedef struct sparoa_operator {
    size_t struct_size;
    const char *name, *kind;
    int64_t macs, bytes_in, bytes_weight, bytes_out;
    double sparsity, input_sparsity; /* fraction of zeros; NaN = unknown */
    const char *sparsity_origin;     /* "assumed", "measured", ... */
} sparoa_operator;
SPAROA_API sparoa_status sparoa_model_operator(const sparoa_model *model, size_t i,
                                               sparoa_operator *op, sparoa_error *err);

/* "agx-orin", "agx-orin@15W" or the path of a *.device file. */
typedef struct sparoa_device sparoa_device;
SPAROA_API sparoa_status sparoa_device_load(sparoa *lib, const char *name, sparoa_device **device,
                                            sparoa_error *err);
SPAROA_API void sparoa_device_free(sparoa_device *device);
typedef struct sparoa_device_info {
    size_t struct_size;
    const char *name, *summary, *default_mode, *default_stack, *default_lanes, *origin;
    const char *const *modes, *const *stacks, *const *processors; /* not ended by NULL */
    size_t n_modes, n_stacks, n_processors;
} sparoa_device_info;
SPAROA_API sparoa_status sparoa_device_describe(const sparoa_device *device,
                                                sparoa_device_info *info, sparoa_error *err);

/* "single", "closed", a scenario's name or the path of a *.scenario file. */
typedef struct sparoa_scenario sparoa_scenario;
SPAROA_API sparoa_status sparoa_scenario_load(sparoa *lib, const char *name,
                                              sparoa_scenario **scenario, sparoa_error *err);
SPAROA_API void sparoa_scenario_free(sparoa_scenario *scenario);
typedef struct sparoa_scenario_info {
    size_t struct_size;
    const char *name, *summary, *mix; /* mix: the models of its requests; "" = one model */
    uint32_t concurrency;
    uint64_t requests, warmup;
    double rate_hz, deadline_ms; /* 0 = none */
} sparoa_scenario_info;
SPAROA_API sparoa_status sparoa_scenario_describe(const sparoa_scenario *scenario,
                                                  sparoa_scenario_info *info, sparoa_error *err);

/* ---- compare and simulate ---------------------------------------------------------------------
 */

/* What `sparoa compare` has options for, under the same names and with the same defaults and checks
 * (`sparoa compare --help`). sparoa_options_init fills in: NULL and 0 = not given. */
typedef struct sparoa_options {
    size_t struct_size;
    const char *stack, *lanes, *dtype, *scenario, *batcher, *objective;
    int64_t batch, concurrency, requests, reps, budget, jobs;
    int64_t seed; /* -1 = not given */
    double rate_hz;
    int32_t noise, policy_cost, contention; /* 1 on, 0 off, -1 not given */
    int32_t isolate;                        /* 1: each policy in a process of its own */
    const char *const *plugins;             /* [n_plugins] shared objects with policies */
    size_t n_plugins;
    /* [n_more] further words of the command line, "--time-limit=10"; they must not write files. */
    const char *const *more;
    size_t n_more;
} sparoa_options;
SPAROA_API void sparoa_options_init(sparoa_options *options, size_t struct_size);

/* What policies came to, a row per model, device and policy. */
typedef struct sparoa_results sparoa_results;

/* Every policy ("all" is a name, too; none = all) on every model on every device. */
SPAROA_API sparoa_status sparoa_compare(sparoa *lib, const char *const *models, size_t n_models,
                                        const char *const *devices, size_t n_devices,
                                        const char *const *policies, size_t n_policies,
                                        const sparoa_options *options, sparoa_results **results,
                                        sparoa_error *err);
/* One policy on one model and device: one row, and what happened in the first replication. */
SPAROA_API sparoa_status sparoa_simulate(sparoa *lib, const char *model, const char *device,
                                         const char *policy, const sparoa_options *options,
                                         sparoa_results **results, sparoa_error *err);
SPAROA_API void sparoa_results_free(sparoa_results *results);

/* A row, as a table of `sparoa compare` has it. */
typedef struct sparoa_row {
    size_t struct_size;
    const char *model, *device, *mode, *stack, *lanes, *scenario, *dtype;
    const char *origin;   /* of the times: "measured", "modelled, uncalibrated", ... */
    const char *policy;   /* with its parameters, as given */
    const char *baseline; /* of which it is the policy, or NULL */
    const char *skipped;  /* why there are no numbers, or NULL */
    int64_t batch;
    double latency_ms, p50_ms, p95_ms, p99_ms, ci95_ms;
    double lower_bound_ms, gap; /* gap: latency without noise over the bound, minus 1 */
    double energy_mj, energy_dynamic_mj, power_w;
    double throughput_ips;
    double gpu_share;                       /* of the MACs */
    double transfers, transfer_ms, overlap; /* per request; the share that kernels hide */
    double deadline_ms, miss_rate, tardiness_ms;
    double dispatch_ms;
    double plan_host_ms; /* wall clock: the only number that differs between equal calls */
    uint64_t requests, reps, digest;
} sparoa_row;
SPAROA_API size_t sparoa_results_count(const sparoa_results *results);
SPAROA_API sparoa_status sparoa_results_row(const sparoa_results *results, size_t i,
                                            sparoa_row *row, sparoa_error *err);
/* The same rows as the JSON document "sparoa.compare/1" (docs/formats.md), which has more: what
 * every model of a mix came to. */
SPAROA_API sparoa_status sparoa_results_json(sparoa_results *results, const char **text,
                                             sparoa_error *err);

typedef enum sparoa_interval_kind {
    SPAROA_INTERVAL_DISPATCH = 0, /* the host issues an operator; processor and lane are its own */
    SPAROA_INTERVAL_KERNEL = 1,
    SPAROA_INTERVAL_TRANSFER = 2, /* processor: destination, lane: source processor */
    SPAROA_INTERVAL_REQUEST = 3   /* from arrival to finish */
} sparoa_interval_kind;
typedef struct sparoa_interval {
    size_t struct_size;
    sparoa_interval_kind kind;
    const char *op;        /* operator; of a transfer: that made the tensor, "input" if none did */
    const char *processor; /* NULL for a request */
    uint32_t lane;
    uint64_t request;
    int64_t begin_ns, end_ns;
    double power_w;  /* above idle */
    uint32_t tenths; /* of a split operator's output; 0 = all of it */
} sparoa_interval;
/* Of sparoa_simulate's first replication, in the order in which they ended; 0 after a compare. */
SPAROA_API size_t sparoa_results_n_intervals(const sparoa_results *results);
SPAROA_API sparoa_status sparoa_results_interval(const sparoa_results *results, size_t i,
                                                 sparoa_interval *interval, sparoa_error *err);

/* ---- the scheduling environment ---------------------------------------------------------------
 */

/* Placing operators as a decision problem for learners: docs/environment.md has observations,
 * actions and rewards. All arrays are the caller's, flat, and hold all environments: obs
 * [n_envs][n_obs], mask [n_envs][n_actions], reward, terminated, truncated [n_envs]; actions
 * [n_envs] uint32_t (a slot) or, continuous, float in [-1, 1]. */
typedef struct sparoa_environment sparoa_environment;
typedef struct sparoa_environment_options {
    size_t struct_size;
    uint64_t n_envs;     /* side by side; default 1 */
    uint64_t max_steps;  /* an episode is truncated after so many decisions; 0 = never */
    uint32_t n_slots;    /* processors in an observation; 0 = the most that a device has */
    int32_t continuous;  /* 1: actions are preferences in [-1, 1] */
    int32_t rank_order;  /* 1: operators in order of falling upward rank; 0: in graph order */
    const char *shaping; /* "path" (default), "finish" or "clock" */
    double lambda_energy, lambda_transfer;
} sparoa_environment_options;
SPAROA_API void sparoa_environment_options_init(sparoa_environment_options *options,
                                                size_t struct_size);

/* Episodes are runs of these models on these devices. `options` as for sparoa_compare; its `more`
 * takes what `sparoa train` has for cases: --batch=1,8, --scenario=single,closed, --vary-speed,
 * --vary-launch, --vary-transfer, --variants. `environment_options` may be NULL. */
SPAROA_API sparoa_status
sparoa_environment_new(sparoa *lib, const char *const *models, size_t n_models,
                       const char *const *devices, size_t n_devices, const sparoa_options *options,
                       const sparoa_environment_options *environment_options,
                       sparoa_environment **environment, sparoa_error *err);
SPAROA_API void sparoa_environment_free(sparoa_environment *environment);
SPAROA_API size_t sparoa_environment_n_obs(const sparoa_environment *e);
SPAROA_API size_t sparoa_environment_n_actions(const sparoa_environment *e);
SPAROA_API size_t sparoa_environment_n_envs(const sparoa_environment *e);

/* All environments at once: reset begins the next episode of each; what ends in a step is reset in
 * the same step, and its obs and mask are then those of the next episode. Reset first. */
SPAROA_API sparoa_status sparoa_environment_reset(sparoa_environment *e, float *obs, uint8_t *mask,
                                                  sparoa_error *err);
SPAROA_API sparoa_status sparoa_environment_step(sparoa_environment *e, const void *actions,
                                                 float *obs, uint8_t *mask, float *reward,
                                                 uint8_t *terminated, uint8_t *truncated,
                                                 sparoa_error *err);
/* [n_obs] what was seen at the end of an environment's last truncated episode. */
SPAROA_API const float *sparoa_environment_final_obs(const sparoa_environment *e, size_t env);

/* One environment at a time, nothing is reset by itself; obs, mask and action are its alone. `seed`
 * >= 0 begins a new stream of episodes, -1 goes on with the present one. */
SPAROA_API sparoa_status sparoa_environment_begin(sparoa_environment *e, size_t env, int64_t seed,
                                                  float *obs, uint8_t *mask, sparoa_error *err);
SPAROA_API sparoa_status sparoa_environment_decide(sparoa_environment *e, size_t env,
                                                   const void *action, float *obs, uint8_t *mask,
                                                   float *reward, uint8_t *terminated,
                                                   uint8_t *truncated, sparoa_error *err);

/* The last episode that an environment ended. */
typedef struct sparoa_episode {
    size_t struct_size;
    const char *model, *device;
    uint64_t steps; /* 0: none ended yet */
    double total_reward;
    double value;  /* of the objective: ns, J or J*s; NaN if truncated */
    double single; /* the same of the best single processor */
} sparoa_episode;
SPAROA_API sparoa_status sparoa_environment_last(const sparoa_environment *e, size_t env,
                                                 sparoa_episode *episode, sparoa_error *err);

#ifdef __cplusplus
}
#endif
#endif
