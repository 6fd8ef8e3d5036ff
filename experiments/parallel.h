/* A loop over independent items on several threads. */
#ifndef SPA_EXPERIMENTS_PARALLEL_H
#define SPA_EXPERIMENTS_PARALLEL_H

#include "base/status.h"

/* Calls item(user, i) for i = 0 .. count-1 on `jobs` threads (1 = on this one). Items write to
 * slots of their own. The error is that of the first item, in their order, that failed; after a
 * failure no new item begins. `done` (may be NULL) is called after each item, never twice at once.
 */
spa_status spa_parallel(size_t jobs, size_t count, void *user,
                        spa_status (*item)(void *user, size_t i, spa_error *err),
                        void (*done)(void *user, size_t n_done), spa_error *err);

#endif
