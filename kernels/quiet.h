/* Is the machine as it was? Two things change on a virtual machine that no counter shows (steal
 * time stays 0). Strangers share its physical cores: while they are busy, everything that lives in
 * the first caches takes up to twice as long, in phases of milliseconds to minutes. And the host
 * moves cores about: two of them are at times behind one third-level cache and at times not, so
 * that a hand-off takes 0.05 or 0.2 us and reading what the other one wrote changes likewise. A
 * loop that lives in the first-level cache shows the one, a ball thrown back and forth the other.
 */
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

typedef struct spa_quiet_state {
    double level; /* mean time of the loop over the fastest ever seen on the lane: 1 = quiet */
    bool is_near; /* hand-offs take less than SPA_QUIET_NEAR times the shortest ever seen */
} spa_quiet_state;
#define SPA_QUIET_NEAR 1.8

/* Takes about 1 ms. With one lane it is always near. */
SPA_API spa_quiet_state spa_quiet_probe(spa_quiet *quiet);

#ifdef __cplusplus
}
#endif
#endif
