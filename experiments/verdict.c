#include "experiments/verdict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *spa_verdict_name(spa_verdict verdict)
{
    static const char *const names[] = {"holds", "holds only if", "does not hold",
                                        "cannot be told"};
    return names[verdict];
}

spa_answer spa_rule_answer(const spa_rule *rule, const spa_estimate *estimate)
{
    double low = estimate->low, high = estimate->high;
    if (!isfinite(estimate->value)) return SPA_UNCLEAR;
    if (!isfinite(low) || !isfinite(high)) low = high = estimate->value;
    double floor = rule->kind == SPA_AT_MOST ? -INFINITY : rule->low;
    double ceiling = rule->kind == SPA_AT_LEAST ? INFINITY : rule->high;
    if (low >= floor && high <= ceiling) return SPA_YES;
    if (high < floor || low > ceiling) return SPA_NO;
    return SPA_UNCLEAR;
}

/* Appends ", where" of those estimates that answer so. */
static size_t list(const spa_rule *rule, const spa_estimate *estimates, size_t n, spa_answer answer,
                   char *text, size_t size)
{
    size_t found = 0, used = 0;
    *text = '\0';
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(estimates[i].value)) continue;
        if (spa_rule_answer(rule, &estimates[i]) != answer) continue;
        int put = snprintf(text + used, size - used, "%s%s", found ? ", " : "",
                           estimates[i].where ? estimates[i].where : "?");
        if (put > 0) used += (size_t)put;
        if (used >= size) used = size - 1;
        found++;
    }
    return found;
}

static void judge_models(const spa_rule *rule, const spa_estimate *models, size_t n,
                         spa_judgement *out)
{
    char names[SPA_REASON_BYTES - 40];
    size_t yes = list(rule, models, n, SPA_YES, names, sizeof names);
    if (yes == 0 || n < 2) return;
    out->verdict = SPA_HOLDS_ONLY_IF;
    snprintf(out->condition, sizeof out->condition, "the model is %s%s", yes > 1 ? "one of " : "",
             names);
}

/* Estimates below and others above what is claimed: it is met somewhere between the two. */
static bool is_crossed(const spa_rule *rule, const spa_estimate *estimates, size_t n)
{
    bool below = false, above = false;
    if (rule->kind != SPA_WITHIN) return false;
    for (size_t i = 0; i < n; i++) {
        below |= estimates[i].value < rule->low;
        above |= estimates[i].value > rule->high;
    }
    return below && above;
}

void spa_judge(const spa_rule *rule, const spa_estimate *pooled, size_t n_pooled,
               const spa_estimate *models, size_t n_models, const char *missing, spa_judgement *out)
{
    char yes[150], no[150], open[150];
    size_t n_yes = list(rule, pooled, n_pooled, SPA_YES, yes, sizeof yes);
    size_t n_no = list(rule, pooled, n_pooled, SPA_NO, no, sizeof no);
    size_t n_open = list(rule, pooled, n_pooled, SPA_UNCLEAR, open, sizeof open);
    *out = (spa_judgement){.verdict = SPA_CANNOT_TELL};
    if (n_yes + n_no + n_open == 0) {
        snprintf(out->condition, sizeof out->condition, "%s", missing ? missing : "no rows");
    } else if (n_yes && n_no) {
        snprintf(out->condition, sizeof out->condition,
                 "it flips inside the range of what is not measured: met with %s, not met with %s",
                 yes, no);
    } else if (n_open) {
        snprintf(out->condition, sizeof out->condition, "the interval includes the limit (%s)",
                 open);
    } else if (n_yes) {
        char not [SPA_REASON_BYTES - 60];
        out->verdict = SPA_HOLDS;
        if (n_models > 1 && list(rule, models, n_models, SPA_NO, not, sizeof not ))
            snprintf(out->condition, sizeof out->condition, "the models together; not %s alone",
                     not );
    } else if (is_crossed(rule, pooled, n_pooled)) {
        snprintf(out->condition, sizeof out->condition,
                 "inside the range of what is not measured it is below, within and above (%s)", no);
    } else {
        out->verdict = SPA_FAILS;
        judge_models(rule, models, n_models, out);
    }
}
