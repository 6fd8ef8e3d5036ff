/* From estimates to a verdict on a claim: the rule, apart from where estimates come from. */
#ifndef SPA_EXPERIMENTS_VERDICT_H
#define SPA_EXPERIMENTS_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

typedef enum spa_verdict { SPA_HOLDS, SPA_HOLDS_ONLY_IF, SPA_FAILS, SPA_CANNOT_TELL } spa_verdict;
/* "holds", "holds only if", "does not hold", "cannot be told". */
const char *spa_verdict_name(spa_verdict verdict);

/* When is a claim met? */
typedef enum spa_rule_kind { SPA_AT_LEAST, SPA_AT_MOST, SPA_WITHIN } spa_rule_kind;
typedef struct spa_rule {
    spa_rule_kind kind;
    double low, high; /* at least `low`; at most `high`; both */
} spa_rule;

/* A value with its 95 % interval; NaN = not known. Intervals that are not known count as none: the
 * value is taken as exact. */
typedef struct spa_estimate {
    double value, low, high;
    const char *where; /* under which assumption, or for which model: "launch x 2", "vit_b_16" */
} spa_estimate;

typedef enum spa_answer { SPA_NO, SPA_YES, SPA_UNCLEAR } spa_answer;
/* Yes: the whole interval meets the rule; no: none of it does. */
spa_answer spa_rule_answer(const spa_rule *rule, const spa_estimate *estimate);

enum { SPA_REASON_BYTES = 400 };
typedef struct spa_judgement {
    spa_verdict verdict;
    char condition[SPA_REASON_BYTES]; /* only if what; for whom not; why it cannot be told; or "" */
} spa_judgement;

/* Judges a claim about several models under several assumptions.
 *   pooled   [n_pooled]: the claim's quantity over all models, one per assumption; the first is the
 *            nominal one. What is not measured is an assumption with a range.
 *   models   [n_models]: the same per model, nominal.
 * All pooled say yes: holds; the condition names models that alone say no. All say no: does not
 * hold; but when some models (not all) say yes, holds only if the model is one of those. Some yes,
 * some no: the verdict flips inside the range of an assumption, and cannot be told; so it is where
 * an interval includes the limit, or where estimates lie on both sides of two limits: between them
 * the claim is met. No estimate: cannot be told, because of `missing`. */
void spa_judge(const spa_rule *rule, const spa_estimate *pooled, size_t n_pooled,
               const spa_estimate *models, size_t n_models, const char *missing,
               spa_judgement *out);

#endif
