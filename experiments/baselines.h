/* Baselines: what a study compares with, each a policy on a software stack. */
#ifndef SPA_EXPERIMENTS_BASELINES_H
#define SPA_EXPERIMENTS_BASELINES_H

#include "devices/device.h"
#include "experiments/options.h"

/* A baseline says where it departs from the study; what it leaves open is the study's own. */
typedef struct spa_baseline {
    const char *name, *summary, *source;
    const char *policy;  /* with parameters */
    const char *stack;   /* NULL = the study's */
    const char *lanes;   /* NULL = the study's, or those of `stack` where it has one */
    const char *rewrite; /* how its graph is fused; NULL = the study's */
    int dtype;           /* spa_dtype; SPA_BASELINE_DTYPE = the study's */
    bool has_range;      /* its stack has factors that nobody measured */
} spa_baseline;

#define SPA_BASELINE_DTYPE (-1)

/* All of them, in the order in which they are shown. */
const spa_baseline *spa_baselines(size_t *count);
/* By name; SPA_E_NOT_FOUND names the nearest. */
spa_status spa_baseline_find(const char *name, const spa_baseline **out, spa_error *err);
/* "low", "mid", "high"; "" for a baseline without a range, and for NULL. */
const char *spa_baseline_range_name(const spa_baseline *baseline, spa_range_end end);
/* "tensorrt" (its middle) or "tensorrt@low", "@mid", "@high". Errors: as spa_baseline_find; an end
 * that is none, an end of a baseline without a range. */
spa_status spa_baseline_parse(const char *text, const spa_baseline **out, spa_range_end *end,
                              spa_error *err);
/* Does it run on other costs than the study's own policies do? */
bool spa_baseline_has_own_costs(const spa_baseline *baseline);
/* Changes what the baseline says about stack, lanes, rewrite and dtype in a copy of the study's
 * options, and which end of its range counts. Its policy is for spa_study_run. */
void spa_baseline_apply(const spa_baseline *baseline, spa_range_end end, spa_options *options);

#endif
