/* Tests of paired samples: is the difference of two things measured together zero? */
#ifndef SPA_BASE_PAIRED_H
#define SPA_BASE_PAIRED_H

#include <stddef.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of the differences a[i] - b[i], i < n. */
typedef struct spa_paired {
    size_t n;
    double mean, ci95; /* half-width of the 95 % interval (Student's t); NaN for n < 2 */
    double t, p_t;     /* Student's paired t, two-sided; NaN for n < 2 */
    double p_wilcoxon; /* signed-rank test, two-sided; NaN for n < 2 */
} spa_paired;

/* Paired t (GSL's distribution) and Wilcoxon's signed-rank test (Biometrics Bulletin 1(6), 1945).
 * Differences of zero are left out of the latter, ties share their mean rank. It is exact for up to
 * 50 differences, ties or not, else the normal approximation with corrections for ties and
 * continuity. Differences that are all equal: p is 0, or 1 when they are all zero. O(n log n),
 * exact ones O(n^3). Error: no memory. */
SPA_API spa_status spa_paired_compare(const double *a, const double *b, size_t n, spa_paired *out,
                                      spa_error *err);

/* Holm's correction (Scand. J. Statist. 6(2), 1979): adjusted[i] is to be compared with the level
 * that the whole family of p[n] shall hold. NaN belongs to no family and stays NaN. O(n log n). */
SPA_API spa_status spa_holm(const double *p, double *adjusted, size_t n, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
