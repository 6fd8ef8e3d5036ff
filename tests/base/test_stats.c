#include "tests/base/check.h"
#include <math.h>
#include <stdlib.h>
#include "base/rng.h"
#include "base/stats.h"

Test(stats, streaming_moments_match_the_hand_computed_ones)
{
    /* 2 4 4 4 5 5 7 9: mean 40/8 = 5; squares of deviations 9+1+1+1+0+0+4+16 = 32; 32/7. */
    static const double x[] = {2, 4, 4, 4, 5, 5, 7, 9};
    spa_moments m = {0};
    for (int i = 0; i < 8; i++) spa_moments_add(&m, x[i]);
    cr_assert_eq(m.count, 8);
    cr_assert_float_eq(m.mean, 5, 1e-15);
    cr_assert_float_eq(spa_moments_variance(&m), 32.0 / 7, 1e-14);
    cr_assert_float_eq(spa_moments_sd(&m), sqrt(32.0 / 7), 1e-14);
    cr_assert_eq(m.min, 2);
    cr_assert_eq(m.max, 9);
}

Test(stats, extremes_come_from_the_data_not_from_the_zero_at_the_start)
{
    spa_moments m = {0};
    spa_moments_add(&m, -3);
    cr_assert(m.min == -3 && m.max == -3);
    cr_assert_eq(spa_moments_variance(&m), 0); /* one value */
    spa_moments_add(&m, -5);
    cr_assert(m.min == -5 && m.max == -3);
}

Test(stats, variance_survives_a_large_offset)
{
    /* 1e9 + {4, 7, 13, 16}: mean +10, squares 36+9+9+36 = 90, 90/3 = 30. Sums of squares in
     * double would lose it. */
    spa_moments m = {0};
    static const double x[] = {4, 7, 13, 16};
    for (int i = 0; i < 4; i++) spa_moments_add(&m, 1e9 + x[i]);
    cr_assert_float_eq(spa_moments_variance(&m), 30, 1e-9);
}

Test(stats, a_confidence_interval_uses_students_t)
{
    /* t(0.975, 4) = 2.776445105; / sqrt(5) = 1.241663998. t(0.995, 1) = 63.65674; / sqrt(2). */
    cr_assert_float_eq(spa_ci_half_width(5, 1, 0.95), 1.241663998, 1e-9);
    cr_assert_float_eq(spa_ci_half_width(5, 3, 0.95), 3 * 1.241663998, 3e-9);
    cr_assert_float_eq(spa_ci_half_width(2, 1, 0.99), 63.65674116 / sqrt(2), 1e-6);
    cr_assert_eq(spa_ci_half_width(1, 1, 0.95), 0);
    cr_assert_eq(spa_ci_half_width(0, 1, 0.95), 0);
}

Test(stats, quantiles_interpolate_between_neighbours)
{
    static const double x[] = {10, 20, 30, 40};
    cr_assert_float_eq(spa_quantile_sorted(x, 4, 0.25), 17.5, 1e-12); /* place 3*0.25 = 0.75 */
    cr_assert_float_eq(spa_quantile_sorted(x, 4, 0.5), 25, 1e-12);
    cr_assert_float_eq(spa_quantile_sorted(x, 4, 0), 10, 1e-12);
    cr_assert_float_eq(spa_quantile_sorted(x, 4, 1), 40, 1e-12);
    cr_assert_float_eq(spa_quantile_sorted(x, 1, 0.3), 10, 1e-12);
}

Test(stats, the_median_sorts_first)
{
    double odd[] = {5, 1, 3}, even[] = {4, 1, 3, 2};
    cr_assert_eq(spa_median(odd, 3), 3);
    cr_assert(odd[0] == 1 && odd[1] == 3 && odd[2] == 5);
    cr_assert_eq(spa_median(even, 4), 2.5);
}

Test(stats, a_histogram_is_exact_while_its_store_lasts)
{
    spa_histogram h;
    expect_ok(spa_histogram_init(&h, err));
    cr_assert(isnan(spa_histogram_quantile(&h, 0.5)));
    /* 4096 values 1e6+4095 ... 1e6, downwards: place 4095*0.1 = 409.5. */
    for (int i = SPA_HIST_EXACT - 1; i >= 0; i--) spa_histogram_add(&h, 1000000 + i);
    cr_assert_float_eq(spa_histogram_quantile(&h, 0.1), 1000409.5, 1e-6);
    cr_assert_float_eq(spa_histogram_quantile(&h, 1), 1004095, 1e-6);
    cr_assert_eq(h.exact[0], 1004095); /* reading reorders nothing */
    spa_histogram_fini(&h);
}

Test(stats, a_full_histogram_keeps_small_values_exact)
{
    spa_histogram h;
    expect_ok(spa_histogram_init(&h, err));
    /* 0 .. 1023 ten times: 10240 values; place 10239*0.75 = 7679.25: ranks 7679 and 7680 hold
     * 767 and 768, a quarter of the way: 767.25. */
    for (int i = 0; i < 10240; i++) spa_histogram_add(&h, i % 1024);
    cr_assert_eq(h.count, 10240);
    cr_assert_float_eq(spa_histogram_quantile(&h, 0.75), 767.25, 1e-9);
    cr_assert_eq(spa_histogram_quantile(&h, 0), 0);
    cr_assert_eq(spa_histogram_quantile(&h, 1), 1023);
    spa_histogram_fini(&h);
}

Test(stats, a_full_histogram_is_within_its_relative_error_at_every_size)
{
    spa_rng rng;
    spa_rng_init(&rng, 1, "histogram");
    for (int bit = 0; bit < 63; bit++) {
        for (int repeat = 0; repeat < 3; repeat++) {
            uint64_t low = UINT64_C(1) << bit, noise = (uint64_t)spa_rng_u32(&rng) << 31;
            uint64_t v = repeat == 0 ? low : repeat == 1 ? 2 * low - 1 : low + noise % low;
            spa_histogram h;
            expect_ok(spa_histogram_init(&h, err));
            for (int i = 0; i <= SPA_HIST_EXACT; i++) spa_histogram_add(&h, (int64_t)v);
            double error = fabs(spa_histogram_quantile(&h, 0.5) - (double)v);
            cr_assert_leq(error, (double)v / SPA_HIST_SUB);
            spa_histogram_fini(&h);
        }
    }
}

Test(stats, a_full_histogram_agrees_with_the_sorted_data)
{
    enum { N = 50000 };
    double *x = malloc(N * sizeof *x);
    spa_histogram h;
    spa_rng rng;
    spa_rng_init(&rng, 2, "histogram");
    expect_ok(spa_histogram_init(&h, err));
    for (int i = 0; i < N; i++) { /* six decades */
        int64_t v = (int64_t)exp(14 * spa_rng_uniform(&rng));
        spa_histogram_add(&h, v);
        x[i] = (double)v;
    }
    spa_median(x, N);
    for (double q = 0; q <= 1; q += 0.01) {
        double exact = spa_quantile_sorted(x, N, q);
        cr_assert_float_eq(spa_histogram_quantile(&h, q), exact, exact / SPA_HIST_SUB);
    }
    free(x);
    spa_histogram_fini(&h);
}

Test(stats, kendalls_tau_counts_pairs_in_order)
{
    /* Of the ten pairs (3,1) (3,2) (5,4) are inverted: (7 - 3) / 10. */
    static const double x[] = {1, 2, 3, 4, 5}, y[] = {3, 1, 2, 5, 4};
    cr_assert_float_eq(spa_kendall_tau(x, y, 5), 0.4, 1e-15);
    cr_assert_float_eq(spa_kendall_tau(x, x, 5), 1, 1e-15);
    static const double down[] = {9, 7, 5, 3, 1};
    cr_assert_float_eq(spa_kendall_tau(x, down, 5), -1, 1e-15);
}

Test(stats, kendalls_tau_b_takes_ties_out_of_both_sides)
{
    /* Six pairs; (1,2) tied in x, (2,3) tied in y, four in order: 4 / sqrt(5 * 5). */
    static const double x[] = {1, 1, 2, 3}, y[] = {1, 2, 2, 3};
    cr_assert_float_eq(spa_kendall_tau(x, y, 4), 0.8, 1e-15);
    static const double flat[] = {2, 2, 2, 2};
    cr_assert(isnan(spa_kendall_tau(x, flat, 4)));
    cr_assert(isnan(spa_kendall_tau(x, y, 1)));
    cr_assert(isnan(spa_kendall_tau(x, y, 0)));
}
