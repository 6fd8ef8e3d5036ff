/* Cases of several programs: a mix of models that share a device, and a model at every batch size
 * that a batcher may close. A policy plans each program by itself; one run holds them all. */
#ifndef SPA_EXPERIMENTS_PARTS_H
#define SPA_EXPERIMENTS_PARTS_H

#include <string.h>
#include "experiments/study.h"

#define SPA_MIX_MOST 16

/* Opens a model, or a mix if the name is one. */
spa_status spa_parts_open(spa_case *c, const spa_options *options, const spa_paths *paths,
                          const char *model, const char *device, spa_error *err);
/* Does a model's name ask for a mix: "resnet18+mobilenet_v2", "resnet18*3+mobilenet_v2"? */
bool spa_parts_is_mix(const char *model);

/* Opens a mix: each model a case of its own on that device. The case's graph and costs are the
 * joint ones, for headings and keys. Zeroed on failure. SPA_E_USAGE for what is wrong with the
 * text. */
spa_status spa_parts_open_mix(spa_case *c, const spa_options *options, const spa_paths *paths,
                              const char *text, const char *device, spa_error *err);
/* Closes what the openers opened; the rest of the case is spa_case_close's. */
void spa_parts_close(spa_case *c);

/* What a policy makes of every program of a case. */
typedef struct spa_planned {
    const spa_case *c;
    const spa_policy *policy;
    size_t n;        /* 0: one program, without a batcher */
    spa_case *sizes; /* [n] with a batcher: model by model at 1, 2, 4, ... samples */
    size_t n_open;   /* of these are open */
    size_t n_models, n_sizes;
    const spa_batcher *batcher;
    void **batcher_selves;    /* [n_models] */
    spa_batch_result batched; /* summed over replications */
    uint64_t n_noted;
    void **selves;              /* [n] */
    spa_evaluator **evaluators; /* [n] or NULL each */
    spa_schedule *plans;        /* [n] n_ops = 0: the policy decides as it goes */
    spa_programs *programs;
    spa_histogram *latencies; /* [n] */
    double *sums;             /* [n] of latencies, ns */
    uint64_t *requests;       /* [n] counted in them */
    bool splits;
} spa_planned;

/* Is it needed: a mix, or a batcher? */
bool spa_planned_needed(const spa_case *c, const spa_options *options);
/* Creates the policy and plans, program by program; prepares the batcher for this rate of arrivals.
 * SPA_E_UNSUPPORTED = skip. spa_planned_close in any case. */
spa_status spa_planned_open(spa_planned *planned, const spa_case *c, const spa_options *options,
                            const spa_scenario *scenario, const spa_policy *policy,
                            const spa_param_values *values, spa_error *err);
void spa_planned_close(spa_planned *planned);
/* Puts the programs in the place of graph, costs and schedule. */
void spa_planned_configure(const spa_planned *planned, spa_run_config *config);
/* Adds what a replication gave. */
void spa_planned_note(spa_planned *planned, const spa_engine *engine);
/* One row per model of a mix, or what the batcher came to; `span_ns` is of all replications. */
spa_status spa_planned_summarise(const spa_planned *planned, int64_t span_ns, spa_outcome *outcome,
                                 spa_error *err);

/* --batcher: is it one, and does it go with the other options and with the scenario? */
spa_status spa_batcher_check(const spa_options *options, const spa_scenario *scenario,
                             spa_error *err);
static inline bool spa_batcher_given(const spa_options *options)
{
    return options->batcher && strcmp(options->batcher, "none") != 0;
}

#endif
