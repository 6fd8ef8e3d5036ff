/* Statistics: streaming moments, quantiles, confidence intervals (GSL where it has them). */
#ifndef SPA_BASE_STATS_H
#define SPA_BASE_STATS_H

#include <stddef.h>
#include <stdint.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Streaming mean and variance (Welford 1962). Zero-initialise. */
typedef struct spa_moments {
    uint64_t count;
    double mean, m2, min, max;
} spa_moments;
SPA_API void spa_moments_add(spa_moments *m, double x);
SPA_API double spa_moments_variance(const spa_moments *m); /* sample variance; 0 for count < 2 */
SPA_API double spa_moments_sd(const spa_moments *m);

/* Half-width of the two-sided confidence interval of a mean (Student's t), level e.g. 0.95.
 * 0 for count < 2. */
SPA_API double spa_ci_half_width(uint64_t count, double sd, double level);

/* Quantile q of sorted data by linear interpolation (GSL's definition, type 7). n >= 1. */
SPA_API double spa_quantile_sorted(const double *sorted, size_t n, double q);
/* Sorts `data` in place and returns its median. n >= 1. */
SPA_API double spa_median(double *data, size_t n);

/* Streaming quantiles of non-negative integers: exact up to SPA_HIST_EXACT values, then a
 * logarithmic histogram with relative error <= 1/SPA_HIST_SUB (as HdrHistogram, G. Tene).
 * Fixed memory. Caller-owned; init allocates all of it, add nothing. Negative values are bugs. */
#define SPA_HIST_EXACT 4096
#define SPA_HIST_SUB   512
typedef struct spa_histogram {
    uint64_t count;
    int64_t *exact;    /* [SPA_HIST_EXACT] */
    uint64_t *buckets; /* in use once the exact store is full */
} spa_histogram;
SPA_API spa_status spa_histogram_init(spa_histogram *h, spa_error *err);
SPA_API void spa_histogram_fini(spa_histogram *h);
SPA_API void spa_histogram_add(spa_histogram *h, int64_t value);
SPA_API double spa_histogram_quantile(const spa_histogram *h, double q); /* NaN when empty */

/* Kendall's tau-b of paired data, O(n^2). NaN for n < 2 and for constant data. */
SPA_API double spa_kendall_tau(const double *x, const double *y, size_t n);

#ifdef __cplusplus
}
#endif
#endif
