/* Verdicts over the ranges of factors that nobody measured. */
#include <math.h>
#include "experiments/runs.h"

/* The best row that runs on the study's own costs; -1 = none. */
static int best_own(const spa_runs *runs, size_t c, spa_objective objective)
{
    int best = -1;
    double least = INFINITY;
    for (size_t i = 0; i < runs->policies.count; i++) {
        const spa_baseline *b = runs->rows[i].baseline;
        double value = spa_outcome_value(spa_runs_outcome(runs, c, i), objective);
        if ((b && spa_baseline_has_own_costs(b)) || !(value < least)) continue;
        least = value;
        best = (int)i;
    }
    return best;
}

/* Rows first .. first + 2 are the ends of one baseline, in the order low, mid, high. */
static bool is_range(const spa_runs *runs, size_t first)
{
    const spa_row *rows = runs->rows + first;
    if (first + SPA_RANGES > runs->policies.count || !rows->baseline || !rows->baseline->has_range)
        return false;
    return rows[0].end == SPA_RANGE_LOW && rows[1].baseline == rows[0].baseline &&
           rows[1].end == SPA_RANGE_MID && rows[2].baseline == rows[0].baseline &&
           rows[2].end == SPA_RANGE_HIGH;
}

static const char *verdict_of(const spa_range_verdict *v)
{
    if (v->own_value < v->low && v->own_value < v->high) return "faster";
    if (v->own_value > v->low && v->own_value > v->high) return "slower";
    return "cannot be told";
}

bool spa_runs_range_verdict(const spa_runs *runs, size_t c, spa_objective objective, size_t n,
                            spa_range_verdict *out)
{
    int own = best_own(runs, c, objective);
    for (size_t i = 0; i < runs->policies.count && own >= 0; i++) {
        double value[SPA_RANGES];
        bool known = is_range(runs, i);
        for (size_t k = 0; k < SPA_RANGES && known; k++) {
            value[k] = spa_outcome_value(spa_runs_outcome(runs, c, i + k), objective);
            known = isfinite(value[k]);
        }
        if (!known || n-- > 0) continue;
        *out = (spa_range_verdict){
            .baseline = runs->rows[i].baseline,
            .own = (size_t)own,
            .own_value = spa_outcome_value(spa_runs_outcome(runs, c, (size_t)own), objective),
            .low = value[0],
            .mid = value[1],
            .high = value[2]};
        out->verdict = verdict_of(out);
        return true;
    }
    return false;
}
