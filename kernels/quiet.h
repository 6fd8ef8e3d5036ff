/* Is the machine quiet? A core of a virtual machine shares its physical core with strangers: while
 * they are busy, everything that lives in the first caches takes up to twice as long, in phases of
 * milliseconds to minutes that no counter shows (steal time stays 0). A short loop that lives in
 * the first-level cache shows them. */
#ifndef SPA_KERNELS_QUIET_H
#define SPA_KERNELS_QUIET_H

#include "kernels/lanes.h"
#include "kernels/worker.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_quiet spa_quiet;

/* Probes run on the lanes' own workers, [n], which must be idle then. */
SPA_API spa_status spa_quiet_new(spa_quiet **quiet, spa_worker *const *workers, size_t n,
                                 spa_error *err);
SPA_API void spa_quiet_free(spa_quiet *quiet); /* accepts NULL */

/* Mean time of the probe's loops (all lanes at once) over the fastest one ever seen on the lane:
 * 1 = quiet. Takes about 1 ms. */
SPA_API double spa_quiet_probe(spa_quiet *quiet);

#ifdef __cplusplus
}
#endif
#endif
