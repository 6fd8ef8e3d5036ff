/* Predicted thresholds of the operators of a table, from a predictor's file (learn/predictor.h):
 * what threshold+predictor places by, and what a learned policy may observe. */
#ifndef SPA_POLICIES_PREDICTED_H
#define SPA_POLICIES_PREDICTED_H

#include "policies/learn/predictor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_predicted {
    float *at;     /* [n_ops][SPA_THRESHOLDS] */
    uint64_t hash; /* of the predictor: spa_predictor_hash; never 0 */
} spa_predicted;

/* `path` "": the file shipped for the device, in `folder` (NULL = none is shipped: the message says
 * how to train one, SPA_E_UNSUPPORTED). SPA_E_INVALID: the predictor of another device. fini in any
 * case. O(operators) predictions. */
spa_status spa_predicted_make(spa_predicted *out, const spa_costs *costs, const char *path,
                              const char *folder, spa_error *err);
void spa_predicted_fini(spa_predicted *predicted);

#ifdef __cplusplus
}
#endif
#endif
