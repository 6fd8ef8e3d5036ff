/* What every policy must do, built in or from a plug-in, on random graphs, cost tables and
 * scenarios: end, act legally, repeat itself, keep plain memory, cope with unknown sparsities. */
#ifndef SPA_EXPERIMENTS_CONFORMANCE_H
#define SPA_EXPERIMENTS_CONFORMANCE_H

#include "experiments/random_scene.h"
#include "sim/batcher.h"
#include "sim/engine.h"

/* One policy on one random workload. */
typedef struct spa_trial {
    spa_random_scene scene;
    const spa_policy *policy;
    void *self;
    spa_schedule schedule;
    bool has_schedule;
    bool skipped; /* the policy cannot do it (SPA_E_UNSUPPORTED); the error says why */
    uint32_t n_processors;
    spa_objective objective; /* one that the policy honours, by the seed */
    uint64_t seed;
} spa_trial;

/* Makes the workload of this seed and lets the policy plan it, if it plans. SPA_E_ILLEGAL if the
 * plan is not legal; `values` are the policy's parameters. spa_trial_end in any case. */
spa_status spa_trial_begin(spa_trial *trial, const spa_policy *policy,
                           const spa_param_values *values, uint64_t seed, spa_error *err);
void spa_trial_end(spa_trial *trial);
/* Plans once more into a schedule of the caller's. */
spa_status spa_trial_plan(const spa_trial *trial, spa_schedule *schedule, spa_error *err);
/* Runs 6 requests to the end. */
spa_status spa_trial_run(const spa_trial *trial, spa_run_result *result, spa_error *err);

/* A rule, checked on the workloads of seeds 0 .. n_seeds - 1. */
typedef struct spa_rule {
    const char *name; /* "repeats itself" */
    uint64_t n_seeds;
    spa_status (*check)(spa_trial *trial, spa_error *err); /* SPA_E_ILLEGAL: it is broken */
} spa_rule;
const spa_rule *spa_rules(size_t *count);

typedef struct spa_conformance {
    uint64_t trials, skipped; /* workloads times rules; of these, the policy declined */
    char why[256];            /* the reason of the last one that was declined */
} spa_conformance;

/* All rules on one policy. The error names the rule and the workload. */
spa_status spa_conformance_check(spa_conformance *done, const spa_policy *policy,
                                 const spa_param_values *values, spa_error *err);

/* The same for a batcher, on random tables and streams of samples: what it closes waits and is not
 * larger than it said, what it waits for is ahead, every sample is served, equal runs are equal. */
spa_status spa_conformance_check_batcher(spa_conformance *done, const spa_batcher *batcher,
                                         const spa_param_values *values, spa_error *err);

#endif
