/* One operator on all cores of a lane.
 *
 * A team is a model made ready for one backend and one pool: each operator that is worth it is cut
 * into one part per core (part.h), prepared once. Operators that cannot be cut, or are too small to
 * gain, run whole on the leader. A pool may have several teams (models), which take turns. */
#ifndef SPA_KERNELS_TEAM_H
#define SPA_KERNELS_TEAM_H

#include "kernels/model.h"
#include "kernels/pool.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_team spa_team;

/* What an operator takes one core, us, near enough to decide whether to cut it: MACs at 40 per ns
 * and bytes read and written at 60 per ns (small operators work in caches). O(1). */
SPA_API double spa_team_work_us(const spa_op *op);

/* Operators of less work than this run whole. Measured in whole inferences of ResNet-18 and
 * MobileNetV2 on two cores (AMD EPYC, family 25 model 1): handing out and waiting costs up to
 * 1.0 us; batch norms of 3 us come out even, those of 1 us lose half, additions and ReLUs of 5 us
 * gain 1.2 to 1.4. */
#define SPA_TEAM_WORK_US 4.0

/* Prepares the model for the backend (not while a session of it runs) and the parts of its
 * operators of at least `work_us` for the pool's cores, with a workspace per core. Model and pool
 * are borrowed. Weights that a backend packs are packed twice: whole and in parts. Errors:
 * operators that the backend cannot run, memory. */
SPA_API spa_status spa_team_new(spa_team **team, spa_model *model, const spa_backend *backend,
                                spa_pool *pool, double work_us, spa_error *err);
SPA_API void spa_team_free(spa_team *team); /* accepts NULL */

/* Runs one operator on a session's buffers; returns when its output is complete. To be called by
 * the pool's leader. Allocates nothing. */
SPA_API spa_status spa_team_run_op(spa_team *team, spa_session *session, size_t op, spa_error *err);

/* How many cores run an operator: 1 = whole. */
SPA_API size_t spa_team_parts(const spa_team *team, size_t op);

#ifdef __cplusplus
}
#endif
#endif
