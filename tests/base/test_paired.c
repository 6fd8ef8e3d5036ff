/* Paired tests against values computed by hand. */
#include <criterion/criterion.h>
#include <math.h>
#include "base/paired.h"
#include "base/rng.h"
#include "base/stats.h"
#include "tests/oom.h"

#define NEAR(a, b, eps) cr_assert(fabs((a) - (b)) <= (eps), "%.12g is not %.12g", a, b)

Test(paired, the_t_test_is_that_of_the_differences)
{
    /* d = 1 2 3 4 5: mean 3, sd sqrt(10/4) = 1.5811388, t = 3 / (1.5811388 / sqrt 5) = 4.2426407.
     * Student's t with 4 degrees of freedom has a closed form, with s = t / sqrt(4 + t^2):
     * F(t) = 1/2 + (3/4)(s - s^3/3); s = 4.2426407/sqrt(22) = 0.9045340, s^3/3 = 0.2466911,
     * F = 1/2 + 0.75 * 0.6578429 = 0.9933822, two-sided 2 * 0.0066178 = 0.0132356.
     * Interval: t(0.975, 4) = 2.7764451; 2.7764451 * 0.7071068 = 1.9632432. */
    const double a[] = {11, 12, 13, 14, 15}, b[] = {10, 10, 10, 10, 10};
    spa_paired r;
    cr_assert_eq(spa_paired_compare(a, b, 5, &r, NULL), SPA_OK);
    NEAR(r.mean, 3, 1e-12);
    NEAR(r.t, 4.2426407, 1e-6);
    NEAR(r.p_t, 0.0132356, 1e-6);
    NEAR(r.ci95, 1.9632432, 1e-6);
    /* All five positive: W- = 0, one of 2^5 sign patterns, two-sided 2/32. */
    NEAR(r.p_wilcoxon, 0.0625, 1e-12);
}

Test(paired, the_signed_rank_test_counts_sign_patterns)
{
    /* d = 1 -2 3 4: ranks 1 2 3 4, W- = 2. Subsets of {1,2,3,4} with a sum of at most 2: {}, {1},
     * {2}: 3 of 16; two-sided 6/16. */
    const double a[] = {1, -2, 3, 4}, b[] = {0, 0, 0, 0};
    spa_paired r;
    cr_assert_eq(spa_paired_compare(a, b, 4, &r, NULL), SPA_OK);
    NEAR(r.p_wilcoxon, 0.375, 1e-12);
    /* The other way around it is the same. */
    cr_assert_eq(spa_paired_compare(b, a, 4, &r, NULL), SPA_OK);
    NEAR(r.p_wilcoxon, 0.375, 1e-12);
    NEAR(r.mean, -1.5, 1e-12);
}

Test(paired, ties_share_a_rank_and_zeros_are_left_out)
{
    /* d = 0 1 1 -1 2: n = 4, |d| = 1 1 1 2, ranks 2 2 2 4, W- = 2. Subsets of {2,2,2,4} with a sum
     * of at most 2: {} and three of one 2: 4 of 16; two-sided 8/16. */
    const double a[] = {0, 1, 1, -1, 2}, b[] = {0, 0, 0, 0, 0};
    spa_paired r;
    cr_assert_eq(spa_paired_compare(a, b, 5, &r, NULL), SPA_OK);
    NEAR(r.p_wilcoxon, 0.5, 1e-12);
}

Test(paired, equal_differences_are_certain)
{
    const double a[] = {2, 3, 4}, b[] = {1, 2, 3};
    spa_paired r;
    cr_assert_eq(spa_paired_compare(a, a, 3, &r, NULL), SPA_OK);
    cr_assert(r.mean == 0 && r.p_t == 1 && r.p_wilcoxon == 1);
    cr_assert_eq(spa_paired_compare(a, b, 3, &r, NULL), SPA_OK);
    cr_assert(r.mean == 1 && r.p_t == 0 && r.ci95 == 0);
    /* Three ties of one sign: one of 2^3 sign patterns, two-sided 2/8; no approximation may go
     * below what three pairs can show. */
    NEAR(r.p_wilcoxon, 0.25, 1e-12);
}

Test(paired, one_pair_tells_nothing)
{
    const double a[] = {2}, b[] = {1};
    spa_paired r;
    cr_assert_eq(spa_paired_compare(a, b, 1, &r, NULL), SPA_OK);
    cr_assert(r.mean == 1 && isnan(r.p_t) && isnan(r.ci95) && isnan(r.p_wilcoxon));
}

Test(paired, exact_and_approximate_signed_ranks_agree)
{
    double a[51], b[51] = {0};
    for (int i = 0; i < 51; i++) a[i] = (i + 1) * (i % 3 ? 1 : -1);
    spa_paired exact, normal;
    cr_assert_eq(spa_paired_compare(a, b, 50, &exact, NULL), SPA_OK);
    /* One more, of the least rank; the others' rise by one. */
    a[50] = 0.5;
    cr_assert_eq(spa_paired_compare(a, b, 51, &normal, NULL), SPA_OK);
    NEAR(exact.p_wilcoxon, normal.p_wilcoxon, 5e-3);
}

Test(paired, holm_multiplies_by_what_is_left_and_never_decreases)
{
    /* Sorted 0.01 0.02 0.03 0.04 of 4: 0.04, 0.06, 0.06 (2 * 0.03), 0.06 (0.04 < 0.06). */
    const double p[] = {0.04, 0.01, NAN, 0.03, 0.02};
    double q[5];
    cr_assert_eq(spa_holm(p, q, 5, NULL), SPA_OK);
    NEAR(q[1], 0.04, 1e-15);
    NEAR(q[4], 0.06, 1e-15);
    NEAR(q[3], 0.06, 1e-15);
    NEAR(q[0], 0.06, 1e-15);
    cr_assert(isnan(q[2]));
    const double sure[] = {0.9, 0.8};
    cr_assert_eq(spa_holm(sure, q, 2, NULL), SPA_OK);
    cr_assert(q[0] == 1 && q[1] == 1);
}

Test(paired, failing_allocations_are_reported)
{
    const double a[] = {1, 2, 3}, b[] = {0, 3, 5};
    for (long n = 0;; n++) {
        spa_paired r;
        double q[3];
        spa_error err = {0};
        oom_fail_at(n);
        spa_status status = spa_paired_compare(a, b, 3, &r, &err);
        if (!status) status = spa_holm(a, q, 3, &err);
        bool failed = oom_failed();
        oom_off();
        if (!failed) break;
        cr_assert_eq(status, SPA_E_NOMEM);
        cr_assert(err.message[0]);
    }
}

/* Does a nominal 95 % interval cover? Fixed sample sizes of normal data: 4000 samples, so that
 * three standard errors are 3 * sqrt(0.95 * 0.05 / 4000) = 1.03 %. */
Test(paired, nominal_intervals_cover)
{
    static const size_t sizes[] = {2, 5, 10, 30};
    for (int k = 0; k < 4; k++) {
        size_t covered = 0;
        for (uint64_t sample = 0; sample < 4000; sample++) {
            double a[30], b[30];
            spa_rng rng;
            spa_paired r;
            spa_rng_init_indexed(&rng, (uint64_t)k + 1, "coverage", sample);
            for (size_t i = 0; i < sizes[k]; i++) {
                double common = 5 * spa_rng_gaussian(&rng);
                a[i] = 10 + common + spa_rng_gaussian(&rng);
                b[i] = 8 + common + spa_rng_gaussian(&rng);
            }
            cr_assert_eq(spa_paired_compare(a, b, sizes[k], &r, NULL), SPA_OK);
            covered += fabs(r.mean - 2) <= r.ci95;
        }
        cr_assert(covered > 4000 * 0.9397 && covered < 4000 * 0.9603, "%zu: %zu", sizes[k],
                  covered);
    }
}
