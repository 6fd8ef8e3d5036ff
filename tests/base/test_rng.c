#include "tests/base/check.h"
#include <math.h>
#include <stdlib.h>
#include "base/rng.h"

enum { DRAWS = 200000 };

Test(rng, a_seed_and_a_name_give_these_draws_on_every_machine)
{
    /* From a second implementation (Python integers) of the key and of taus2. */
    static const uint32_t plain[] = {0xd0bf1624, 0x397c91dd, 0x9e173fad},
                          fifth[] = {0x34148d0b, 0xdb7f07aa, 0x901b13c0};
    spa_rng rng;
    spa_rng_init(&rng, 1, "noise");
    for (int i = 0; i < 3; i++) cr_assert_eq(spa_rng_u32(&rng), plain[i]);
    spa_rng_init_indexed(&rng, 1, "noise", 5);
    for (int i = 0; i < 3; i++) cr_assert_eq(spa_rng_u32(&rng), fifth[i]);
}

Test(rng, copying_the_struct_copies_the_stream)
{
    spa_rng a, b;
    spa_rng_init(&a, 7, "arrivals");
    for (int i = 0; i < 10; i++) spa_rng_gaussian(&a);
    b = a;
    for (int i = 0; i < 100; i++) cr_assert_eq(spa_rng_u32(&a), spa_rng_u32(&b));
}

Test(rng, another_seed_name_or_index_is_another_stream)
{
    spa_rng s[5];
    spa_rng_init(&s[0], 1, "a");
    spa_rng_init(&s[1], 2, "a");
    spa_rng_init(&s[2], 1, "b");
    spa_rng_init_indexed(&s[3], 1, "a", 0);
    spa_rng_init_indexed(&s[4], 1, "a", 1);
    for (int i = 0; i < 5; i++) {
        for (int k = 0; k < i; k++) {
            spa_rng x = s[i], y = s[k];
            int equal = 0;
            for (int n = 0; n < 1000; n++) equal += spa_rng_u32(&x) == spa_rng_u32(&y);
            cr_assert_leq(equal, 1); /* 1000 / 2^32 are expected */
        }
    }
}

static int compare_streams(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(spa_rng));
}

Test(rng, two_hundred_thousand_indexed_streams_are_all_different)
{
    /* With 32-bit seeds n^2/2 / 2^32 = 4.7 equal pairs were to be expected. */
    spa_rng *all = malloc(DRAWS * sizeof *all);
    for (uint64_t i = 0; i < DRAWS; i++) spa_rng_init_indexed(&all[i], 1, "request", i);
    qsort(all, DRAWS, sizeof *all, compare_streams);
    for (size_t i = 1; i < DRAWS; i++) cr_assert_neq(compare_streams(&all[i - 1], &all[i]), 0);
    free(all);
}

/* Mean and variance of one draw from each of many streams, or of many from one. */
static void moments(double (*draw)(spa_rng *), bool across, double *mean, double *variance)
{
    spa_rng rng;
    spa_rng_init(&rng, 3, "moments");
    double sum = 0, squares = 0;
    for (uint64_t i = 0; i < DRAWS; i++) {
        if (across) spa_rng_init_indexed(&rng, 3, "moments", i);
        double x = draw(&rng);
        sum += x;
        squares += x * x;
    }
    *mean = sum / DRAWS;
    *variance = squares / DRAWS - *mean * *mean;
}

Test(rng, uniform_draws_have_the_moments_of_the_interval_along_and_across_streams)
{
    for (int across = 0; across < 2; across++) {
        double mean, variance;
        moments(spa_rng_uniform, across, &mean, &variance);
        /* Mean 1/2, variance 1/12; 4 standard errors are 4*0.289/447 = 0.0026 and, the
         * fourth central moment being 1/80, 4*sqrt(1/80 - 1/144)/447 = 0.00067. */
        cr_assert_float_eq(mean, 0.5, 0.0026);
        cr_assert_float_eq(variance, 1.0 / 12, 0.00067);
    }
}

Test(rng, uniform_draws_are_at_least_0_and_below_1)
{
    spa_rng rng;
    spa_rng_init(&rng, 1, "u");
    double least = 1, most = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = spa_rng_uniform(&rng);
        least = fmin(least, x);
        most = fmax(most, x);
    }
    cr_assert(least >= 0 && least < 1e-4);
    cr_assert(most < 1 && most > 1 - 1e-4);
}

Test(rng, draws_below_n_reach_every_value_equally_often)
{
    spa_rng rng;
    spa_rng_init(&rng, 1, "below");
    int seen[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint32_t x = spa_rng_below(&rng, 7);
        cr_assert_lt(x, 7);
        seen[x]++;
    }
    double chi = 0;
    for (int i = 0; i < 7; i++) chi += (seen[i] - 10000.0) * (seen[i] - 10000.0) / 10000.0;
    cr_assert_lt(chi, 22.46); /* chi-squared, 6 degrees of freedom, 0.1 % */
}

Test(rng, draws_below_3_quarters_of_the_range_are_not_biased)
{
    /* With x % n the lower third of the values would come up twice as often as the rest. */
    const uint32_t n = 3u << 30;
    spa_rng rng;
    spa_rng_init(&rng, 1, "below");
    int low = 0;
    for (int i = 0; i < 30000; i++) low += spa_rng_below(&rng, n) < n / 3;
    cr_assert(abs(low - 10000) < 330); /* 4 * sqrt(30000 * 1/3 * 2/3) = 327 */
    cr_assert_eq(spa_rng_below(&rng, 1), 0);
    spa_rng_below(&rng, UINT32_MAX);
}

Test(rng, gaussian_draws_have_mean_0_and_variance_1_along_and_across_streams)
{
    for (int across = 0; across < 2; across++) {
        double mean, variance;
        moments(spa_rng_gaussian, across, &mean, &variance);
        cr_assert_float_eq(mean, 0, 0.009);     /* 4 / sqrt(200000) */
        cr_assert_float_eq(variance, 1, 0.013); /* 4 * sqrt(2/200000) */
    }
}

static double exponential_3(spa_rng *rng)
{
    return spa_rng_exponential(rng, 3);
}

Test(rng, exponential_draws_have_the_mean_asked_for)
{
    double mean, variance;
    moments(exponential_3, false, &mean, &variance);
    cr_assert_float_eq(mean, 3, 0.027);     /* 4 * 3 / 447 */
    cr_assert_float_eq(variance, 9, 0.228); /* 4 * 9 * sqrt(8) / 447 */
}

static double factor_half(spa_rng *rng)
{
    return spa_rng_lognormal_factor(rng, 0.5);
}

Test(rng, lognormal_factors_have_mean_1_and_the_variation_asked_for)
{
    double mean, variance;
    moments(factor_half, false, &mean, &variance);
    cr_assert_float_eq(mean, 1, 0.0045); /* 4 * 0.5 / 447 */
    /* cv^2 = 0.25; with w = 1 + cv^2 = 1.25 the kurtosis is w^4 + 2 w^3 + 3 w^2 - 3 = 8.04:
     * 4 * 0.25 * sqrt(7.04) / 447 = 0.0059. */
    cr_assert_float_eq(variance, 0.25, 0.0059);
}

Test(rng, a_lognormal_factor_without_variation_is_exactly_1_and_uses_the_same_draws)
{
    spa_rng a, b;
    spa_rng_init(&a, 1, "x");
    b = a;
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(spa_rng_lognormal_factor(&a, 0), 1.0);
        cr_assert_neq(spa_rng_lognormal_factor(&b, 0.1), 1.0);
    }
    cr_assert_eq(spa_rng_u32(&a), spa_rng_u32(&b));
}
