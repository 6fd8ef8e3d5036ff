/* One model on one device, and what policies make of it: the work behind compare and simulate. */
#ifndef SPA_EXPERIMENTS_STUDY_H
#define SPA_EXPERIMENTS_STUDY_H

#include "devices/device.h"
#include "experiments/options.h"
#include "experiments/paths.h"
#include "sim/engine.h"

/* A case has one program, or several: the models of a mix (see parts.h). */
typedef enum spa_case_kind { SPA_CASE_ONE, SPA_CASE_MIX } spa_case_kind;

/* A model on a device. The table points into the graph: do not move a case once it is open. */
typedef struct spa_case {
    const char *model;  /* as given on the command line */
    spa_device *device; /* NULL = no device (inspect) */
    spa_graph graph;
    spa_costs costs;
    int64_t lower_bound_ns; /* of whole operators */
    int64_t split_bound_ns; /* of schedules that split some */
    const char *trained;    /* folder of trained policies; of the paths, NULL = none */
    bool power_known;       /* false = every energy is unknown, never 0 */
    const spa_paths *paths; /* with these three it was opened, and opens at other batch sizes */
    const char *device_name;
    spa_options options; /* borrowed */
    spa_case_kind kind;
    struct spa_case *parts; /* [n_parts] of a mix; its graph and costs are joint */
    size_t n_parts;
    double *weights;     /* [n_parts] of the models of a mix */
    char *text;          /* the mix's names */
    spa_programs *joint; /* of a mix */
} spa_case;

/* Loads model and device and builds the table with the options' stack, lanes, batch and dtype.
 * `device` NULL = the graph alone. Zeroed on failure. */
spa_status spa_case_open(spa_case *c, const spa_options *options, const spa_paths *paths,
                         const char *model, const char *device, spa_error *err);
/* A note where operators have no cost rule (SPA_OP_OTHER). */
struct spa_cli;
void spa_case_note_opaque(const spa_case *c, struct spa_cli *cli, const spa_options *options);
void spa_case_close(spa_case *c);
/* The reference service time (spa_service_ns) of a request, ns; of a mix: the mean by weights. */
double spa_case_service_ns(const spa_case *c);
/* "fp32", or "fp32 (computed in fp16)" where the stack computes in another type than the graph's.
 */
const char *spa_case_dtype(const spa_case *c);

/* The scenario of the options (--scenario, --concurrency, --requests); spa_scenario_fini. */
spa_status spa_study_scenario(const spa_options *options, spa_scenario *scenario, spa_error *err);
/* The i-th of several (--scenario single,closed); --concurrency and --rate are then for those that
 * have such. */
spa_status spa_study_scenario_of(const spa_options *options, size_t i, spa_scenario *scenario,
                                 spa_error *err);
/* Replications of the options, the most where they depend on the precision: --reps, or 30 with
 * noise and 1 without. */
uint64_t spa_study_reps(const spa_options *options);
/* Appends the names of the policies that --plugin brought. */
spa_status spa_study_add_plugged(spa_options *options, spa_names *policies, spa_error *err);
/* The policies of the options, "all" (and none given) written out, each one checked. */
spa_status spa_study_policies(spa_options *options, spa_names *policies, spa_error *err);

/* One model of a mix, under one policy. */
typedef struct spa_part_outcome {
    const char *model; /* the case's */
    uint64_t requests;
    double latency_ms, p50_ms, p95_ms, p99_ms, throughput_ips;
} spa_part_outcome;

/* What a batcher came to; times per sample, means over all replications. */
typedef struct spa_batch_outcome {
    uint32_t target;             /* batch that the batcher aims at (of a mix: the
 largest of its models); 0 = there is no batcher */
    double samples, runs;        /* samples per run; runs per replication */
    double queue_ms, collect_ms; /* waiting; of it while a run might have begun */
    double run_ms;               /* from the beginning of a sample's run to its end */
    double padding;              /* share of the places in runs that were empty */
    double overhead;             /* share of latency that is collecting or padding */
} spa_batch_outcome;

/* A policy's row. NaN = unknown. Times in ms, energies in mJ per inference. */
typedef struct spa_outcome {
    const char *policy;   /* as given: "threshold:intensity=1e8" */
    const char *baseline; /* of which it is the policy; NULL = of none */
    bool is_skipped;
    char skipped[512]; /* the reason */
    double latency_ms, p50_ms, p95_ms, p99_ms, ci95_ms;
    double lower_bound_ms, gap;
    double energy_mj, energy_dynamic_mj, power_w;
    double processor_mj[SPA_MAX_PROCESSORS]; /* dynamic, of energy_dynamic_mj */
    double throughput_ips;                   /* inferences (requests x batch) per second */
    double gpu_share, transfers, transfer_ms, overlap;
    /* Of the requests that the latencies count; NaN where the scenario has no deadline. */
    double deadline_ms, miss_rate, tardiness_ms; /* mean lateness, 0 of those in time */
    double dispatch_ms;                          /* host time spent issuing, per request */
    double busy[SPA_MAX_PROCESSORS];             /* share of lanes x time */
    bool hybrid;                                 /* operators ran on more than one processor */
    double plan_host_ms;                         /* wall clock */
    uint64_t digest, requests;
    uint64_t first_digest; /* of replication 0 */
    uint64_t n_reps;
    /* [n_reps] of each replication, for paired tests: mean latency, energy per inference (NaN =
     * unknown), inferences per second. One allocation. */
    double *rep_ms, *rep_mj, *rep_ips;
    bool is_precise;   /* the interval is as narrow as the options ask for, if they do */
    spa_schedule plan; /* n_ops = 0: the policy decides as it goes, or there are several plans */
    bool splits;       /* a plan splits operators */
    spa_batch_outcome batches;
    spa_part_outcome *parts; /* [n_parts] of a mix */
    size_t n_parts;
    /* Whatever else points to memory of its own goes through study_apart.c, too. */
} spa_outcome;
void spa_outcome_fini(spa_outcome *outcome);
/* What tables and charts call it: the baseline, else the policy. */
static inline const char *spa_outcome_label(const spa_outcome *outcome)
{
    return outcome->baseline ? outcome->baseline : outcome->policy;
}

/* Creates a policy and lets it plan a case of one program; what was made by then is the caller's to
 * free whatever happens (plan: n_ops = 0 if it does not plan). SPA_E_UNSUPPORTED = skip. */
spa_status spa_study_plan(const spa_case *c, const spa_options *options, const spa_policy *policy,
                          const spa_param_values *values, void **self, spa_evaluator **evaluator,
                          spa_schedule *plan, spa_error *err);

/* Called for every event of replication 0. */
typedef struct spa_recorder {
    /* Before the runs; may be NULL. The table is what events are about: the case's, or that of all
     * programs; it lives as long as the runs. */
    void (*begin)(void *user, const spa_costs *costs);
    void (*event)(void *user, const spa_event *event);
    void *user;
} spa_recorder;

/* Plans and runs all replications of one policy. A policy that cannot do the case gives a skipped
 * row; anything else that fails is an error. Thread-safe for one case; equal inputs give equal
 * outcomes but for plan_host_ms. `recorder` may be NULL. */
spa_status spa_study_run(const spa_case *c, const spa_options *options,
                         const spa_scenario *scenario, const char *policy,
                         const spa_recorder *recorder, spa_outcome *outcome, spa_error *err);

/* The same in a process of its own, without a recorder: a policy that crashes, does not end within
 * --time-limit or exhausts the memory (--max-memory, 4 GiB) gives a skipped row that says so. */
spa_status spa_study_run_apart(const spa_case *c, const spa_options *options,
                               const spa_scenario *scenario, const char *policy,
                               spa_outcome *outcome, spa_error *err);

/* What the objective minimises, of an outcome; NaN where it is not known. */
double spa_outcome_value(const spa_outcome *outcome, spa_objective objective);
/* The same of replication r. */
double spa_outcome_sample(const spa_outcome *outcome, spa_objective objective, uint64_t r);
/* "modelled (sources: device file)", with ", uncalibrated" where that is so. */
const char *spa_case_origin_text(const spa_case *c, char text[128]);
/* "modelled" or "modelled, uncalibrated": for JSON and the database. */
const char *spa_case_origin(const spa_case *c, char text[64]);
/* The same of what one policy came to: times of parts are at best modelled (interpolated). */
const char *spa_outcome_origin(const spa_case *c, const spa_outcome *outcome, char text[64]);

#endif
