/* What compare and simulate print: cases x policies, as tables and as JSON. */
#ifndef SPA_EXPERIMENTS_RUNS_H
#define SPA_EXPERIMENTS_RUNS_H

#include "experiments/baselines.h"
#include "experiments/study.h"

/* Outcomes of every row on every case. A row is a policy, or a baseline: then its policy, perhaps
 * on costs of its own. */
typedef struct spa_row {
    const spa_baseline *baseline; /* NULL: a policy on the study's costs */
    spa_range_end end;            /* of the baseline's range */
    const char *label;            /* of a baseline: its name, "tensorrt@low" */
} spa_row;

typedef struct spa_runs {
    /* case number = (model * n_devices + device) * n_batches + batch */
    size_t n_cases, n_devices, n_batches;
    spa_case *cases;    /* [n_cases] */
    spa_names policies; /* of each row */
    spa_row *rows;      /* [policies.count] */
    spa_case **own;     /* [n_cases * policies.count], costs of a row's own, or NULL */
    spa_scenario scenario;
    spa_outcome *outcomes; /* [n_cases * policies.count], by case */
} spa_runs;

/* Opens every model on every device ("all" written out) with every batch and checks policies,
 * baselines and scenario. A baseline that a device has no costs for is a skipped outcome at once.
 */
spa_status spa_runs_open(spa_runs *runs, spa_options *options, const spa_paths *paths,
                         spa_error *err);
void spa_runs_close(spa_runs *runs);

static inline spa_outcome *spa_runs_outcome(const spa_runs *runs, size_t c, size_t policy)
{
    return &runs->outcomes[c * runs->policies.count + policy];
}

/* What a row of a case runs on: the case, or the row's own model and costs. */
static inline const spa_case *spa_runs_case(const spa_runs *runs, size_t c, size_t row)
{
    const spa_case *own = runs->own[c * runs->policies.count + row];
    return own ? own : &runs->cases[c];
}

/* Runs row i % policies.count of case i / policies.count, unless it is skipped already.
 * Thread-safe for different i. */
spa_status spa_runs_run(spa_runs *runs, const spa_options *options, size_t i, spa_error *err);

/* Do the rows of a case run on more than one software stack? */
bool spa_runs_mixed(const spa_runs *runs, size_t c);

/* Does a baseline lie on one side of the best row of the study's own costs over all of its range?
 */
typedef struct spa_range_verdict {
    const spa_baseline *baseline;
    size_t own;            /* row: the best on the study's costs */
    double own_value;      /* what the objective minimises */
    double low, mid, high; /* of the baseline */
    const char *verdict;   /* "faster" (ours), "slower", "cannot be told" */
} spa_range_verdict;
/* Of the n-th baseline with a range of which all three ends ran (--baseline-range all); false:
 * there are no more. */
bool spa_runs_range_verdict(const spa_runs *runs, size_t c, spa_objective objective, size_t n,
                            spa_range_verdict *out);

/* The scenario with the rates and times of a case, the same for all of its rows: those on stacks of
 * their own, too. Borrows what the scenario owns. */
spa_scenario spa_runs_scenario(const spa_runs *runs, size_t c);

/* The best policy of a case by the objective, -1 = none is known. `kind`: of all, of those that ran
 * on one processor, of those that ran on several. The first of equally good ones. */
typedef enum spa_pick { SPA_PICK_ALL, SPA_PICK_SINGLE, SPA_PICK_HYBRID } spa_pick;
int spa_runs_best(const spa_runs *runs, size_t c, spa_objective objective, spa_pick kind);

/* The heading of a case: model, device@mode, stack, lanes, dtype, batch, scenario, origin. */
void spa_runs_heading(const spa_runs *runs, size_t c, const spa_options *options, spa_string *out);
/* A table per case, with the best marked and the gain of the best hybrid below. */
spa_status spa_runs_print(const spa_runs *runs, const spa_options *options, spa_string *out,
                          spa_error *err);
/* The document "sparoa.<command>/1". */
spa_status spa_runs_print_json(const spa_runs *runs, const spa_options *options,
                               const char *command, spa_string *out, spa_error *err);

#endif
