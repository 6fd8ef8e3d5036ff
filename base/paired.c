#include "base/paired.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sort.h>
#include "base/memory.h"
#include "base/stats.h"

#define EXACT_MOST 50 /* sums of ranks up to 1275; counts up to 2^50 are exact in a double */

/* ---------------------------------------------------------------- Wilcoxon */
/* Mean ranks of sorted magnitudes, from 1; *ties = sum of t^3 - t over groups of t equal ones. */
static void rank(const double *sorted, size_t n, double *ranks, double *ties)
{
    *ties = 0;
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && sorted[end] == sorted[i]) end++;
        double t = (double)(end - i), mean = ((double)i + 1 + (double)end) / 2;
        for (size_t k = i; k < end; k++) ranks[k] = mean;
        *ties += t * t * t - t;
        i = end;
    }
}

/* P(W <= w) of these ranks with fair signs, by counting the subsets of each sum. Ranks of ties are
 * halves: twice the ranks are counted. */
static spa_status exact_below(const double *ranks, size_t n, double w, double *p, spa_error *err)
{
    size_t top = n * (n + 1);
    double *count, sum = 0;
    SPA_TRY(spa_alloc(&count, top + 1, sizeof *count, err));
    count[0] = 1;
    for (size_t i = 0; i < n; i++) {
        size_t r = (size_t)(2 * ranks[i]);
        for (size_t s = top; s >= r; s--) count[s] += count[s - r];
    }
    for (size_t s = 0; s <= top && (double)s <= 2 * w; s++) sum += count[s];
    *p = sum / ldexp(1, (int)n);
    free(count);
    return SPA_OK;
}

static double normal_below(size_t n, double w, double ties)
{
    double m = (double)n, mean = m * (m + 1) / 4;
    double variance = m * (m + 1) * (2 * m + 1) / 24 - ties / 48;
    double z = w + 0.5 < mean ? (w + 0.5 - mean) / sqrt(variance) : 0;
    return gsl_cdf_ugaussian_P(z);
}

/* `d` holds n differences that are not zero; `work` room for 2 n numbers. */
static spa_status signed_rank(const double *d, size_t n, double *work, size_t *order, double *p,
                              spa_error *err)
{
    double *sorted = work, *ranks = work + n, ties, plus = 0,
           total = (double)n * (double)(n + 1) / 2;
    for (size_t i = 0; i < n; i++) sorted[i] = fabs(d[i]);
    gsl_sort_index(order, sorted, 1, n);
    gsl_sort(sorted, 1, n);
    rank(sorted, n, ranks, &ties);
    for (size_t k = 0; k < n; k++)
        if (d[order[k]] > 0) plus += ranks[k];
    double w = plus < total - plus ? plus : total - plus;
    if (n <= EXACT_MOST)
        SPA_TRY(exact_below(ranks, n, w, p, err));
    else
        *p = normal_below(n, w, ties);
    *p = 2 * *p < 1 ? 2 * *p : 1;
    return SPA_OK;
}

static spa_status wilcoxon(const double *a, const double *b, size_t n, double *p, spa_error *err)
{
    double *d;
    size_t *order = NULL, m = 0;
    SPA_TRY(spa_alloc(&d, 3 * n, sizeof *d, err));
    spa_status status = spa_alloc(&order, n, sizeof *order, err);
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i]) d[m++] = a[i] - b[i];
    *p = 1;
    if (!status && m > 0) status = signed_rank(d, m, d + n, order, p, err);
    free(order);
    free(d);
    return status;
}

/* ---------------------------------------------------------------- both */
spa_status spa_paired_compare(const double *a, const double *b, size_t n, spa_paired *out,
                              spa_error *err)
{
    spa_moments m = {0};
    *out = (spa_paired){.n = n, .ci95 = NAN, .t = NAN, .p_t = NAN, .p_wilcoxon = NAN};
    for (size_t i = 0; i < n; i++) spa_moments_add(&m, a[i] - b[i]);
    out->mean = n ? m.mean : NAN;
    if (n < 2) return SPA_OK;
    double sd = spa_moments_sd(&m);
    out->ci95 = spa_ci_half_width(n, sd, 0.95);
    if (sd > 0) {
        out->t = m.mean / (sd / sqrt((double)n));
        out->p_t = 2 * gsl_cdf_tdist_Q(fabs(out->t), (double)(n - 1));
    } else {
        out->t = m.mean == 0 ? 0 : copysign(INFINITY, m.mean);
        out->p_t = m.mean == 0 ? 1 : 0;
    }
    return wilcoxon(a, b, n, &out->p_wilcoxon, err);
}

spa_status spa_holm(const double *p, double *adjusted, size_t n, spa_error *err)
{
    size_t *order, m = 0;
    double *known, least = 0;
    SPA_TRY(spa_alloc(&order, n, sizeof *order, err));
    spa_status status = spa_alloc(&known, n, sizeof *known, err);
    if (status) {
        free(order);
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        adjusted[i] = NAN;
        m += !isnan(p[i]);
        known[i] = isnan(p[i]) ? INFINITY : p[i]; /* sorts last */
    }
    gsl_sort_index(order, known, 1, n);
    for (size_t k = 0; k < m; k++) {
        double scaled = (double)(m - k) * p[order[k]];
        if (scaled > 1) scaled = 1;
        if (scaled > least) least = scaled;
        adjusted[order[k]] = least;
    }
    free(known);
    free(order);
    return SPA_OK;
}
