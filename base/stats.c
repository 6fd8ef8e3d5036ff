#include "base/stats.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include "base/memory.h"

void spa_moments_add(spa_moments *m, double x)
{
    if (m->count == 0 || x < m->min) m->min = x;
    if (m->count == 0 || x > m->max) m->max = x;
    m->count++;
    double delta = x - m->mean;
    m->mean += delta / (double)m->count;
    m->m2 += delta * (x - m->mean);
}

double spa_moments_variance(const spa_moments *m)
{
    return m->count < 2 ? 0.0 : m->m2 / (double)(m->count - 1);
}

double spa_moments_sd(const spa_moments *m)
{
    return sqrt(spa_moments_variance(m));
}

double spa_ci_half_width(uint64_t count, double sd, double level)
{
    assert(level > 0 && level < 1);
    if (count < 2) return 0.0;
    if (!(level > 0 && level < 1)) return NAN;
    double t = gsl_cdf_tdist_Qinv((1 - level) / 2, (double)(count - 1));
    return t * sd / sqrt((double)count);
}

double spa_quantile_sorted(const double *sorted, size_t n, double q)
{
    assert(n >= 1 && q >= 0 && q <= 1);
    if (n == 0 || !(q >= 0 && q <= 1)) return NAN; /* GSL would read outside the data */
    return gsl_stats_quantile_from_sorted_data(sorted, 1, n, q);
}

double spa_median(double *data, size_t n)
{
    gsl_sort(data, 1, n);
    return spa_quantile_sorted(data, n, 0.5);
}

/* ---------------------------------------------------------------- histogram
 * Values below 2*SUB have a bucket each; above, every octave [2^e, 2^(e+1)) is cut into SUB
 * buckets of 2^shift values, shift = e - log2(SUB). The bucket of v is then
 * shift*SUB + (v >> shift), which is v itself while shift is 0. */
#define HIST_SUB_BITS 9
_Static_assert(SPA_HIST_SUB == 1 << HIST_SUB_BITS, "the bits must match the sub-buckets");
/* The largest value is 2^63 - 1: octave 62. */
#define HIST_BUCKETS ((size_t)(62 - HIST_SUB_BITS) * SPA_HIST_SUB + 2 * SPA_HIST_SUB)

static size_t bucket_of(int64_t value)
{
    uint64_t v = (uint64_t)value;
    if (v < 2 * SPA_HIST_SUB) return (size_t)v;
    unsigned shift = 63 - (unsigned)__builtin_clzll(v) - HIST_SUB_BITS;
    return (size_t)shift * SPA_HIST_SUB + (size_t)(v >> shift);
}

/* The middle of a bucket's values: at most half a bucket from any of them. */
static double bucket_middle(size_t bucket)
{
    if (bucket < 2 * SPA_HIST_SUB) return (double)bucket;
    size_t shift = bucket / SPA_HIST_SUB - 1;
    uint64_t low = (uint64_t)(bucket - shift * SPA_HIST_SUB) << shift;
    uint64_t width = UINT64_C(1) << shift;
    return (double)low + (double)(width - 1) / 2;
}

spa_status spa_histogram_init(spa_histogram *h, spa_error *err)
{
    *h = (spa_histogram){0};
    spa_status status = spa_alloc(&h->exact, SPA_HIST_EXACT, sizeof *h->exact, err);
    /* Adding a value cannot report a failure, so the buckets are taken now; their pages cost
     * nothing until they are written. */
    if (!status) status = spa_alloc(&h->buckets, HIST_BUCKETS, sizeof *h->buckets, err);
    if (status) spa_histogram_fini(h);
    return status;
}

void spa_histogram_fini(spa_histogram *h)
{
    free(h->exact);
    free(h->buckets);
    *h = (spa_histogram){0};
}

void spa_histogram_add(spa_histogram *h, int64_t value)
{
    assert(value >= 0);
    if (value < 0) return; /* has no bucket */
    if (h->count < SPA_HIST_EXACT) {
        h->exact[h->count++] = value;
        return;
    }
    if (h->count == SPA_HIST_EXACT) {
        for (size_t i = 0; i < SPA_HIST_EXACT; i++) h->buckets[bucket_of(h->exact[i])]++;
    }
    h->buckets[bucket_of(value)]++;
    h->count++;
}

/* The values of two ranks (0 = smallest) that are equal or adjacent. */
static void values_at_ranks(const spa_histogram *h, uint64_t low, uint64_t high, double value[2])
{
    uint64_t seen = 0;
    size_t bucket = 0;
    while ((seen += h->buckets[bucket]) <= low) bucket++;
    value[0] = bucket_middle(bucket);
    while (seen <= high) seen += h->buckets[++bucket];
    value[1] = bucket_middle(bucket);
}

double spa_histogram_quantile(const spa_histogram *h, double q)
{
    assert(q >= 0 && q <= 1);
    if (h->count == 0 || !(q >= 0 && q <= 1)) return NAN;
    if (h->count <= SPA_HIST_EXACT) {
        double sorted[SPA_HIST_EXACT]; /* a copy: reading must not reorder what others read */
        for (size_t i = 0; i < h->count; i++) sorted[i] = (double)h->exact[i];
        gsl_sort(sorted, 1, h->count);
        return spa_quantile_sorted(sorted, h->count, q);
    }
    double position = (double)(h->count - 1) * q;
    uint64_t low = (uint64_t)position;
    if (low > h->count - 1) low = h->count - 1; /* rounding above 2^53 values */
    uint64_t high = low + 1 < h->count ? low + 1 : low;
    double value[2];
    values_at_ranks(h, low, high, value);
    return value[0] + (position - (double)low) * (value[1] - value[0]);
}

static int sign(double a, double b)
{
    return (a > b) - (a < b);
}

/* tau-b = (C - D) / sqrt((n0 - ties in x) (n0 - ties in y)), Kendall (1945). */
double spa_kendall_tau(const double *x, const double *y, size_t n)
{
    double score = 0, pairs_x = 0, pairs_y = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = i + 1; j < n; j++) {
            int sx = sign(x[i], x[j]), sy = sign(y[i], y[j]);
            score += sx * sy;
            pairs_x += sx != 0;
            pairs_y += sy != 0;
        }
    }
    if (pairs_x == 0 || pairs_y == 0) return NAN; /* also n < 2; a constant has no order */
    return score / (sqrt(pairs_x) * sqrt(pairs_y));
}
