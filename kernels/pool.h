/* The cores of one lane: a leader, which is the lane's own thread, and a pinned helper on each
 * further core. A job is handed out by a fixed assignment (member k does piece k) and ends when all
 * have ended. Waiting spins first and then blocks, because waking a blocked thread costs as much as
 * a small operator. Nothing is allocated while jobs run. */
#ifndef SPA_KERNELS_POOL_H
#define SPA_KERNELS_POOL_H

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_pool spa_pool;
typedef void spa_pool_job(void *context, size_t member);

/* Starts helpers on cores first_core + 1 .. first_core + n_cores - 1; the leader should be pinned
 * to first_core (spa_worker_new). One core: no helper. Errors: cores that this process may not
 * use, more than SPA_POOL_MEMBERS, memory. */
#define SPA_POOL_MEMBERS 64
SPA_API spa_status spa_pool_new(spa_pool **pool, int first_core, int n_cores, spa_error *err);
/* Ends the helpers; not while a job runs. NULL is allowed. */
SPA_API void spa_pool_free(spa_pool *pool);
/* Leader and helpers. */
SPA_API size_t spa_pool_size(const spa_pool *pool);

/* Runs job(context, k) for k = 0 .. n-1 (n <= size), k = 0 on the calling thread, which leads: one
 * thread at a time. What was written before is visible to all; what they wrote is visible
 * afterwards. */
SPA_API void spa_pool_run(spa_pool *pool, spa_pool_job *job, void *context, size_t n);

#ifdef __cplusplus
}
#endif
#endif
