/* Making allocations fail, for tests that walk through every allocation of a function:
 *
 *     for (long n = 0;; n++) {
 *         oom_fail_at(n);
 *         spa_status status = spa_csv_parse(&csv, ...);
 *         bool failed = oom_failed();
 *         oom_off();
 *         if (!failed) break;      // fewer than n + 1 allocations: all were walked through
 *         cr_assert_eq(status, SPA_E_NOMEM);
 *     }
 *
 * Works on malloc, calloc and realloc called in our own objects (the linker's --wrap), not on
 * those inside shared libraries. Criterion runs each test in a process of its own. */
#ifndef SPA_TESTS_OOM_H
#define SPA_TESTS_OOM_H

#include <stdbool.h>

/* From here on the n-th allocation (0 = the next one) fails, once. Starts the count anew; a
 * negative n fails none and only counts. */
void oom_fail_at(long n);
/* The same, but all from the n-th on fail: for code that asks again for less (libcsv does). */
void oom_fail_from(long n);
/* No more failures. */
void oom_off(void);
/* Did an allocation fail since oom_fail_at()? */
bool oom_failed(void);
/* Allocations since oom_fail_at(). */
long oom_count(void);

#endif
