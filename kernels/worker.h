/* Pinned threads: one per lane, idle until they are given a job. */
#ifndef SPA_KERNELS_WORKER_H
#define SPA_KERNELS_WORKER_H

#include <stdbool.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_worker spa_worker;
typedef void spa_worker_job(void *context);

/* Starts a thread that may run on `core` only (the affinity is set before it starts). */
SPA_API spa_status spa_worker_new(spa_worker **worker, int core, spa_error *err);
/* Waits for the job at hand and ends the thread; NULL is allowed. */
SPA_API void spa_worker_free(spa_worker *worker);

/* Hands over a job; a worker has one at a time. Memory written before is visible to the job. */
SPA_API void spa_worker_start(spa_worker *worker, spa_worker_job *job, void *context);
/* Blocks until the job is done; what it wrote is visible then. */
SPA_API void spa_worker_wait(spa_worker *worker);

/* May this process run on the core? */
SPA_API bool spa_core_allowed(int core);

#ifdef __cplusplus
}
#endif
#endif
