/* From estimates to verdicts, and from rows to estimates. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include "experiments/claim_rows.h"
#include "experiments/html.h"

static const spa_rule at_least_2 = {SPA_AT_LEAST, 2, NAN};

static spa_estimate exactly(double x, const char *where)
{
    return (spa_estimate){x, NAN, NAN, where};
}

static spa_judgement judge(const spa_estimate *pooled, size_t n, const spa_estimate *models,
                           size_t n_models)
{
    spa_judgement j;
    spa_judge(&at_least_2, pooled, n, models, n_models, "no row of x", &j);
    return j;
}

Test(verdict, an_interval_answers_yes_no_or_neither)
{
    static const spa_rule at_most = {SPA_AT_MOST, NAN, 5}, within = {SPA_WITHIN, 2, 5};
    spa_estimate above = {3, 2.1, 3.9, NULL}, across = {2.1, 1.9, 2.3, NULL};
    spa_estimate below = {1, 0.5, 1.5, NULL};
    cr_assert_eq(spa_rule_answer(&at_least_2, &above), SPA_YES);
    cr_assert_eq(spa_rule_answer(&at_least_2, &across), SPA_UNCLEAR);
    cr_assert_eq(spa_rule_answer(&at_least_2, &below), SPA_NO);
    cr_assert_eq(spa_rule_answer(&at_most, &above), SPA_YES);
    cr_assert_eq(spa_rule_answer(&within, &above), SPA_YES);
    cr_assert_eq(spa_rule_answer(&within, &below), SPA_NO);
    spa_estimate high = {6, 5.5, 6.5, NULL}, unknown = {NAN, NAN, NAN, NULL};
    cr_assert_eq(spa_rule_answer(&within, &high), SPA_NO);
    cr_assert_eq(spa_rule_answer(&at_most, &high), SPA_NO);
    cr_assert_eq(spa_rule_answer(&within, &unknown), SPA_UNCLEAR);
}

Test(verdict, yes_under_every_assumption_holds)
{
    spa_estimate pooled[] = {exactly(3, "nominal"), exactly(2.5, "launch x 2")};
    cr_assert_eq(judge(pooled, 2, NULL, 0).verdict, SPA_HOLDS);
}

Test(verdict, no_under_every_assumption_does_not_hold)
{
    spa_estimate pooled[] = {exactly(1, "nominal"), exactly(1.5, "launch x 2")};
    spa_estimate models[] = {exactly(1, "a"), exactly(1.1, "b")};
    spa_judgement j = judge(pooled, 2, models, 2);
    cr_assert_eq(j.verdict, SPA_FAILS);
    cr_assert_str_empty(j.condition);
}

Test(verdict, no_on_the_whole_but_yes_for_some_models_holds_only_if)
{
    spa_estimate pooled[] = {exactly(1.8, "nominal")};
    spa_estimate models[] = {exactly(1, "a"), exactly(2.6, "b"), exactly(3, "c")};
    spa_judgement j = judge(pooled, 1, models, 3);
    cr_assert_eq(j.verdict, SPA_HOLDS_ONLY_IF);
    cr_assert_str_eq(j.condition, "the model is one of b, c");
    /* One model alone is the whole. */
    cr_assert_eq(judge(pooled, 1, models + 1, 1).verdict, SPA_FAILS);
}

Test(verdict, a_flip_inside_the_range_of_an_assumption_cannot_be_told)
{
    spa_estimate pooled[] = {exactly(3, "the nominal assumptions"), exactly(1, "launch x 2")};
    spa_judgement j = judge(pooled, 2, NULL, 0);
    cr_assert_eq(j.verdict, SPA_CANNOT_TELL);
    cr_assert(strstr(j.condition, "met with the nominal assumptions, not met with launch x 2"),
              "%s", j.condition);
}

/* 8 to 80 pass through 33 to 46 though neither end is in it. */
Test(verdict, a_range_around_what_is_claimed_cannot_be_told)
{
    spa_rule rule = {SPA_WITHIN, 33, 46};
    spa_estimate pooled[] = {{8, NAN, NAN, "here"}, {80, NAN, NAN, "slower"}};
    spa_judgement j;
    spa_judge(&rule, pooled, 2, NULL, 0, NULL, &j);
    cr_assert_eq(j.verdict, SPA_CANNOT_TELL);
    cr_assert(strstr(j.condition, "below, within and above (here, slower)"), "%s", j.condition);
    pooled[1].value = 30;
    spa_judge(&rule, pooled, 2, NULL, 0, NULL, &j);
    cr_assert_eq(j.verdict, SPA_FAILS);
}

Test(verdict, an_interval_over_the_limit_cannot_be_told)
{
    spa_estimate pooled[] = {{2.1, 1.9, 2.3, "nominal"}};
    spa_judgement j = judge(pooled, 1, NULL, 0);
    cr_assert_eq(j.verdict, SPA_CANNOT_TELL);
    cr_assert(strstr(j.condition, "includes the limit"), "%s", j.condition);
}

Test(verdict, without_rows_the_reason_is_told)
{
    spa_judgement j = judge(NULL, 0, NULL, 0);
    cr_assert_eq(j.verdict, SPA_CANNOT_TELL);
    cr_assert_str_eq(j.condition, "no row of x");
}

/* ---------------------------------------------------------------- from rows */
/* 10 +- 0.3 over 5 +- 0.2: relative errors 0.03 and 0.04, together 0.05 (3, 4, 5): 2 +- 0.1. */
Test(claims, errors_of_a_ratio_add_in_quadrature)
{
    spa_estimate r =
        claim_ratio((spa_estimate){10, 9.7, 10.3, NULL}, (spa_estimate){5, 4.8, 5.2, NULL});
    cr_assert_float_eq(r.value, 2, 1e-12);
    cr_assert_float_eq(r.low, 1.9, 1e-12);
    cr_assert_float_eq(r.high, 2.1, 1e-12);
}

/* sqrt(2 x 8) = 4; relative errors 0.06 and 0.08: sqrt(0.0036 + 0.0064) / 2 = 0.05: 4 +- 0.2. */
Test(claims, ratios_have_a_geometric_mean)
{
    spa_estimate x[] = {{2, 1.88, 2.12, NULL}, {8, 7.36, 8.64, NULL}, {NAN, NAN, NAN, NULL}};
    spa_estimate m = claim_mean(x, 3, true);
    cr_assert_float_eq(m.value, 4, 1e-12);
    cr_assert_float_eq(m.low, 3.8, 1e-12);
    cr_assert_float_eq(m.high, 4.2, 1e-12);
}

enum { MOST = 12 };
typedef struct world {
    spa_record rows[MOST];
    spa_measure measures[MOST][2];
    size_t n;
    spa_progress_row progress;
    spa_evidence evidence;
} world;

static spa_record *add(world *w, const char *model, const char *name, double ms)
{
    spa_record *r = &w->rows[w->n];
    w->measures[w->n][0] = (spa_measure){"latency_mean_ms", ms};
    w->measures[w->n][1] = (spa_measure){"latency_ci95_ms", 0.001};
    *r = (spa_record){.id = (int64_t)w->n,
                      .experiment = "latency",
                      .hash = "",
                      .version = "1",
                      .model = model,
                      .device = "board",
                      .mode = "fast",
                      .stack = "s",
                      .lanes = "",
                      .origin = "modelled",
                      .policy = name,
                      .name = name,
                      .objective = "latency",
                      .scenario = "single",
                      .dtype = "fp32",
                      .range = "",
                      .batcher = "",
                      .ablate = "",
                      .batch = 1,
                      .measures = w->measures[w->n],
                      .n_measures = 2};
    for (int k = 0; k < SPA_SCALE_COUNT; k++) r->scales[k] = 1;
    w->n++;
    w->evidence.records = w->rows;
    w->evidence.n_records = w->n;
    return r;
}

/* Both vary by 10 % in the same replications: their ratio does not vary. */
Test(claims, shared_noise_cancels_in_a_ratio)
{
    world w = {0};
    static const spa_replicate a[] = {{2.2, NAN}, {1.8, NAN}}, b[] = {{1.1, NAN}, {0.9, NAN}};
    spa_record *x = add(&w, "a", "x", 2), *y = add(&w, "a", "y", 1);
    x->replicates = a;
    y->replicates = b;
    x->n_replicates = y->n_replicates = 2;
    spa_estimate r = claim_row_ratio(x, y, "latency_mean_ms");
    cr_assert_float_eq(r.value, 2, 1e-12);
    cr_assert_float_eq(r.low, 2, 1e-9);
    cr_assert_float_eq(r.high, 2, 1e-9);
}

/* The third replication of x has drawn a crowd that y never met: its mean of 9 / 3 says nothing. */
Test(claims, a_ratio_is_of_the_replications_that_both_have)
{
    world w = {0};
    static const spa_replicate a[] = {{2.2, NAN}, {1.8, NAN}, {5, NAN}};
    static const spa_replicate b[] = {{1.1, NAN}, {0.9, NAN}};
    spa_record *x = add(&w, "a", "x", 3), *y = add(&w, "a", "y", 1);
    x->replicates = a;
    y->replicates = b;
    x->n_replicates = 3;
    y->n_replicates = 2;
    w.measures[0][1].value = 4;
    cr_assert_float_eq(claim_row_ratio(x, y, "latency_mean_ms").value, 2, 1e-12);
    cr_assert_float_eq(claim_row_ratio(y, x, "latency_mean_ms").value, 0.5, 1e-12);
    cr_assert(isnan(claim_row_ratio(x, NULL, "latency_mean_ms").value));
}

/* 12 and 8 over 1 and 1: deviations +-0.2, of their mean sqrt(0.08 / 1 / 2) = 0.2; Student's t for
 * one degree of freedom 12.7062: 10 x 0.2 x 12.7062 = 25.4124. */
Test(claims, an_interval_of_pairs_is_students)
{
    world w = {0};
    static const spa_replicate a[] = {{12, NAN}, {8, NAN}}, b[] = {{1, NAN}, {1, NAN}};
    spa_record *x = add(&w, "a", "x", 10), *y = add(&w, "a", "y", 1);
    x->replicates = a;
    y->replicates = b;
    x->n_replicates = y->n_replicates = 2;
    w.measures[0][1].value = 30;
    spa_estimate r = claim_row_ratio(x, y, "latency_mean_ms");
    cr_assert_float_eq(r.high - r.value, 25.4124, 1e-3);
    /* Of both means alone: 10 x hypot(30 / 10, 0.001 / 1) = 30.00. */
    y->experiment = "another"; /* its noise is another's */
    r = claim_row_ratio(x, y, "latency_mean_ms");
    cr_assert_float_eq(r.high - r.value, 30, 0.01);
    /* With many more replications of x its mean is known better than pairs say: 10 x 0.1. */
    y->experiment = x->experiment;
    w.measures[0][1].value = 1;
    r = claim_row_ratio(x, y, "latency_mean_ms");
    cr_assert_float_eq(r.high - r.value, 1, 0.01);
}

static const spa_claim faster = {.id = "x",
                                 .text = "",
                                 .source = "",
                                 .paper = "",
                                 .unit = "x",
                                 .rule = {SPA_AT_LEAST, 2, NAN},
                                 .quantity = SPA_RATIO,
                                 .experiment = "latency",
                                 .metric = "latency_mean_ms",
                                 .subject = "new|old",
                                 .other = "rival",
                                 .device = "board",
                                 .assumes = ""};

static void expect(world *w, const spa_claim *claim, spa_verdict verdict, double value,
                   spa_finding *f)
{
    cr_assert_eq(spa_claim_judge(claim, &w->evidence, f, NULL), SPA_OK);
    cr_assert_eq(f->judgement.verdict, verdict, "%s: %s", spa_verdict_name(f->judgement.verdict),
                 f->judgement.condition);
    if (isnan(value)) {
        cr_assert(isnan(f->nominal.value));
    } else {
        cr_assert_float_eq(f->nominal.value, value, 1e-9);
    }
}

/* Speed-ups 2 and 4.5: sqrt(9) = 3. */
Test(claims, a_speed_up_is_the_mean_over_models)
{
    world w = {0};
    spa_finding f;
    add(&w, "a", "new", 1);
    add(&w, "a", "rival", 2);
    add(&w, "b", "new", 2);
    add(&w, "b", "rival", 9);
    expect(&w, &faster, SPA_HOLDS, 3, &f);
    cr_assert_eq(f.n_models, 2);
    cr_assert_str_eq(f.device, "board@fast");
    cr_assert_str_eq(f.origin, "modelled");
    cr_assert_str_empty(f.notes);
}

Test(claims, another_name_stands_in_and_is_told)
{
    world w = {0};
    spa_finding f;
    add(&w, "a", "new", NAN)->skipped = "not trained";
    add(&w, "a", "old", 1);
    add(&w, "a", "rival", 4);
    expect(&w, &faster, SPA_HOLDS, 4, &f);
    cr_assert_str_eq(f.notes, "old stands in for new");
}

Test(claims, the_reason_of_a_missing_row_is_told)
{
    world w = {0};
    spa_finding f;
    expect(&w, &faster, SPA_CANNOT_TELL, NAN, &f);
    cr_assert_str_eq(f.judgement.condition, "experiment 'latency' has no rows on board");
    add(&w, "a", "new", 1);
    expect(&w, &faster, SPA_CANNOT_TELL, NAN, &f);
    cr_assert_str_eq(f.judgement.condition, "no row of rival in experiment 'latency'");
    add(&w, "a", "rival", NAN)->skipped = "no memory";
    expect(&w, &faster, SPA_CANNOT_TELL, NAN, &f);
    cr_assert_str_eq(f.judgement.condition, "rival could not be run: no memory");
}

Test(claims, a_baselines_range_may_flip_the_verdict)
{
    world w = {0};
    spa_finding f;
    add(&w, "a", "new", 1);
    add(&w, "a", "rival", 3)->range = "mid";
    add(&w, "a", "rival", 1.5)->range = "low";
    add(&w, "a", "rival", 4)->range = "high";
    expect(&w, &faster, SPA_CANNOT_TELL, 3, &f);
    cr_assert_eq(f.n_pooled, 3);
    cr_assert(strstr(f.judgement.condition, "not met with baselines at their fastest"), "%s",
              f.judgement.condition);
}

Test(claims, a_sweep_that_covers_all_models_counts)
{
    world w = {0};
    spa_finding f;
    add(&w, "a", "new", 1);
    add(&w, "a", "rival", 3);
    for (int i = 0; i < 2; i++) {
        spa_record *r = add(&w, "a", i ? "rival" : "new", i ? 1.2 : 1);
        r->experiment = "launch";
        r->scales[SPA_SCALE_LAUNCH] = 2;
    }
    expect(&w, &faster, SPA_CANNOT_TELL, 3, &f);
    cr_assert(strstr(f.judgement.condition, "not met with launch x 2"), "%s",
              f.judgement.condition);
    /* With a second model that the sweep lacks it counts still: it changes the answer for "a". */
    add(&w, "b", "new", 1);
    add(&w, "b", "rival", 3);
    expect(&w, &faster, SPA_CANNOT_TELL, 3, &f);
    cr_assert(strstr(f.judgement.condition, "launch x 2 (1 model)"), "%s", f.judgement.condition);
    /* Where "a" misses the limit anyway, a sweep of "a" says nothing of the mean: sqrt(1.2 x 5). */
    w.measures[1][0].value = 1.2;
    w.measures[5][0].value = 5;
    expect(&w, &faster, SPA_HOLDS, sqrt(6), &f);
    cr_assert_eq(f.n_pooled, 1);
}

Test(claims, a_sweep_beyond_its_range_is_for_the_figures_alone)
{
    world w = {0};
    spa_finding f;
    add(&w, "a", "new", 1);
    add(&w, "a", "rival", 3);
    for (int i = 0; i < 2; i++) {
        spa_record *r = add(&w, "a", i ? "rival" : "new", i ? 1.2 : 1);
        r->experiment = "launch";
        r->scales[SPA_SCALE_LAUNCH] = 4;
    }
    expect(&w, &faster, SPA_HOLDS, 3, &f);
    cr_assert_eq(f.n_pooled, 1);
}

Test(claims, a_sweep_of_another_stack_or_policy_is_no_evidence)
{
    world w = {0};
    spa_finding f;
    add(&w, "a", "new", 1);
    add(&w, "a", "rival", 3);
    for (int i = 0; i < 2; i++) {
        spa_record *r = add(&w, "a", i ? "rival" : "new", i ? 1.2 : 1);
        r->experiment = "launch";
        r->scales[SPA_SCALE_LAUNCH] = 2;
        if (i) r->stack = "another";
    }
    expect(&w, &faster, SPA_HOLDS, 3, &f);
    cr_assert_eq(f.n_pooled, 1);
}

Test(claims, ablated_rows_do_not_count_unless_asked_for)
{
    world w = {0};
    spa_finding f;
    add(&w, "a", "new", 1);
    add(&w, "a", "rival", 8)->ablate = "contention";
    expect(&w, &faster, SPA_CANNOT_TELL, NAN, &f);
    spa_claim claim = faster;
    claim.ablate_other = "contention";
    expect(&w, &claim, SPA_HOLDS, 8, &f);
}

Test(claims, the_thriftiest_of_several_decides_that_one_is_lowest)
{
    world w = {0};
    spa_finding f;
    spa_claim claim = faster;
    claim.other = "rival,other,absent";
    claim.pool = SPA_SMALLEST;
    add(&w, "a", "new", 1);
    add(&w, "a", "rival", 4);
    add(&w, "a", "other", 3);
    expect(&w, &claim, SPA_HOLDS, 3, &f);
    cr_assert_str_eq(f.notes, "decided by other");
    claim.pool = SPA_LARGEST;
    expect(&w, &claim, SPA_HOLDS, 4, &f);
}

/* At its nominal factor "rival" is the thriftiest by far and may be anything; "other" is below the
 * limit whatever "rival" is: min(0.5, 1.9), min(5, 1.9). */
Test(claims, the_thriftiest_is_looked_for_under_every_assumption)
{
    world w = {0};
    spa_finding f;
    spa_claim claim = faster;
    claim.other = "rival,other";
    claim.pool = SPA_SMALLEST;
    add(&w, "a", "new", 1);
    add(&w, "a", "rival", 0.5)->range = "mid";
    add(&w, "a", "rival", 5)->range = "high";
    add(&w, "a", "other", 1.9);
    expect(&w, &claim, SPA_FAILS, 0.5, &f);
    cr_assert_eq(f.n_pooled, 2);
    cr_assert_float_eq(f.pooled[1].value, 1.9, 1e-12);
    cr_assert_str_eq(f.pooled[1].where, "baselines at their slowest (other)");
    /* The other way around: lowest as assumed, but not when the other rival is at its best. */
    w.measures[1][0].value = 3;
    w.measures[3][0].value = 4;
    w.rows[2].name = "other";
    w.rows[2].range = "low";
    w.measures[2][0].value = 1;
    w.rows[3].range = "mid";
    w.rows[1].range = "";
    expect(&w, &claim, SPA_CANNOT_TELL, 3, &f);
}

/* A system that nobody says the kernels of is compared on its own kernels, too. */
Test(claims, a_speed_up_that_is_the_softwares_alone_cannot_be_told)
{
    world w = {0};
    spa_finding f;
    spa_claim claim = faster;
    claim.other_same = "alone";
    add(&w, "a", "new", 1);
    add(&w, "a", "rival", 4);
    spa_record *alone = add(&w, "a", "alone", 1.1);
    expect(&w, &claim, SPA_CANNOT_TELL, 4, &f);
    cr_assert(strstr(f.judgement.condition, "not met with the same kernels for both (alone)"), "%s",
              f.judgement.condition);
    w.measures[alone->id][0].value = 3;
    expect(&w, &claim, SPA_HOLDS, 4, &f);
}

/* Limits 2 and up: 4 s here may be 0.4 to 40 s there, 30 s 3 to 300. */
Test(claims, times_of_this_machine_are_those_of_another_within_a_factor)
{
    world w = {0};
    spa_finding f;
    spa_claim claim = faster;
    claim.quantity = SPA_VALUE;
    claim.other = NULL;
    claim.spread = 10;
    add(&w, "a", "new", 4);
    expect(&w, &claim, SPA_CANNOT_TELL, 4, &f);
    cr_assert(strstr(f.judgement.condition, "not met with a machine 10 x as fast"), "%s",
              f.judgement.condition);
    w.measures[0][0].value = 30;
    expect(&w, &claim, SPA_HOLDS, 30, &f);
    cr_assert_eq(f.n_pooled, 3);
}

Test(claims, a_batcher_that_makes_no_batch_has_no_overhead_to_judge)
{
    world w = {0};
    spa_finding f;
    spa_claim claim = faster;
    claim.quantity = SPA_VALUE;
    claim.metric = "batch_overhead";
    claim.rule = (spa_rule){SPA_AT_MOST, NAN, 8.6};
    add(&w, "a", "new", NAN)->batcher = "eager";
    w.measures[0][0] = (spa_measure){"batch_overhead", 0};
    w.measures[0][1] = (spa_measure){"batch_mean", 1};
    expect(&w, &claim, SPA_CANNOT_TELL, NAN, &f);
    cr_assert_str_eq(f.judgement.condition, "batcher eager made no batch: every request ran alone");
    w.measures[0][1].value = 2.5;
    expect(&w, &claim, SPA_HOLDS, 0, &f);
}

/* sqrt(9 x 1.5) = 3.67. */
Test(claims, a_comparison_of_unlike_arithmetic_is_told)
{
    world w = {0};
    spa_finding f;
    add(&w, "a", "new", 1);
    add(&w, "a", "rival", 4);
    for (int i = 0; i < 2; i++) w.measures[i][1] = (spa_measure){"computes_fp16", i == 0};
    expect(&w, &faster, SPA_HOLDS, 4, &f);
    cr_assert_str_eq(f.notes, "new computes in fp16, rival in fp32");
    w.measures[1][1].value = 1;
    expect(&w, &faster, SPA_HOLDS, 4, &f);
    cr_assert_str_empty(f.notes);
}

Test(claims, models_that_alone_do_not_meet_a_claim_that_holds_are_named)
{
    world w = {0};
    spa_finding f;
    add(&w, "a", "new", 1);
    add(&w, "a", "rival", 9);
    add(&w, "b", "new", 1);
    add(&w, "b", "rival", 1.5);
    expect(&w, &faster, SPA_HOLDS, sqrt(13.5), &f);
    cr_assert_str_eq(f.judgement.condition, "the models together; not b alone");
}

Test(claims, an_unfinished_experiment_is_told)
{
    world w = {0};
    spa_finding f;
    add(&w, "a", "new", 1);
    add(&w, "a", "rival", 4);
    w.progress = (spa_progress_row){"latency", "", "", "", 9, 2, 0, false, false, false};
    w.evidence.progress = &w.progress;
    w.evidence.n_progress = 1;
    expect(&w, &faster, SPA_HOLDS, 4, &f);
    cr_assert_str_eq(f.notes, "experiment latency is unfinished (2 of 9 rows)");
    w.progress = (spa_progress_row){"latency", "", "", "", 9, 9, 0, false, true, true};
    expect(&w, &faster, SPA_HOLDS, 4, &f);
    cr_assert_str_eq(f.notes, "rows of several versions of the program");
}

Test(claims, every_claim_has_an_id_of_its_own_and_what_it_needs)
{
    size_t n, tensions = 0;
    const spa_claim *all = spa_claims(&n);
    for (size_t i = 0; i < n; i++) {
        const spa_claim *c = &all[i];
        cr_assert(*c->text && *c->source && *c->paper && *c->assumes, "%s", c->id);
        for (size_t k = 0; k < i; k++) cr_assert_str_neq(c->id, all[k].id);
        tensions += c->is_tension;
        if (c->quantity == SPA_NOTHING) continue;
        cr_assert(c->experiment, "%s", c->id);
        cr_assert(c->quantity == SPA_OWN ? c->own != NULL : c->metric && c->subject, "%s", c->id);
        if (c->quantity == SPA_RATIO || c->quantity == SPA_CHANGE) cr_assert(c->other, "%s", c->id);
        double limit = c->rule.kind == SPA_AT_MOST ? c->rule.high : c->rule.low;
        cr_assert(isfinite(limit), "%s", c->id);
        if (c->rule.kind == SPA_WITHIN) cr_assert_lt(c->rule.low, c->rule.high, "%s", c->id);
    }
    cr_assert_eq(tensions, 5);
}

/* ---------------------------------------------------------------- HTML */
Test(html, every_special_letter_is_escaped)
{
    spa_string s = {0};
    spa_html_text(&s, "<a href=\"x\">'&\001</a>");
    cr_assert_str_eq(s.text, "&lt;a href=&quot;x&quot;&gt;&#39;&amp; &lt;/a&gt;");
    spa_string_fini(&s);
}

Test(html, ids_of_a_picture_get_a_prefix)
{
    spa_string s = {0};
    spa_html_svg(&s,
                 "<?xml version=\"1.0\"?>\n<svg><g id=\"a\"/><use xlink:href='#a'/><path "
                 "fill='url(#b)'/><b id='b'/></svg>\n",
                 "f1");
    cr_assert_str_eq(s.text, "<svg><g id=\"f1-a\"/><use xlink:href='#f1-a'/><path "
                             "fill='url(#f1-b)'/><b id='f1-b'/></svg>\n");
    spa_string_fini(&s);
}
