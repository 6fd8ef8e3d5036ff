/* Joining results databases: those of shards, of machines, of reruns. */
#ifndef SPA_EXPERIMENTS_RESULTS_MERGE_H
#define SPA_EXPERIMENTS_RESULTS_MERGE_H

#include "experiments/results.h"

typedef struct spa_merged {
    int64_t added, known; /* runs that were new, and that were there already */
    int64_t unfinished;   /* experiments whose rows are not all there, or not compared yet */
} spa_merged;

/* Everything that `from` holds and `into` does not, in one transaction: nothing is half merged, and
 * merging again adds nothing. The order of merging does not matter, but for the numbers of rows.
 * Repeatable values of a run that both hold must be equal (SPA_E_INVALID names the run, the value
 * and both program versions); of host-clock values the smaller stands in `metric`, and all are in
 * `host_value`. Experiments of one name must be of one file. `from` is only read. Adds to *merged.
 */
spa_status spa_results_merge(spa_results *into, const char *from, spa_merged *merged,
                             spa_error *err);

#endif
