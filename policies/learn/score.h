/* How well a policy does: whole episodes without exploration or learning. */
#ifndef SPA_POLICIES_LEARN_SCORE_H
#define SPA_POLICIES_LEARN_SCORE_H

#include "policies/learn/actor.h"
#include "policies/learn/crew.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Returns of whole episodes. */
typedef struct spa_score {
    size_t episodes;
    double mean, sd, min, max, mean_steps;
} spa_score;

/* Environments to score policies in, one per episode. */
typedef struct spa_scorer spa_scorer;

/* `episodes` episodes on a problem with its configuration (borrowed). The threads of `crew` (NULL =
 * this one) share them; the score does not depend on how many there are. */
SPA_API spa_status spa_scorer_new(spa_scorer **scorer, const spa_problem *problem,
                                  const void *config, size_t episodes, size_t max_episode_steps,
                                  spa_crew *crew, spa_error *err);
SPA_API void spa_scorer_free(spa_scorer *scorer); /* accepts NULL */

/* Plays all episodes, each in an environment of its own with the stream (seed, "evaluate", index):
 * the same ones for every policy and every time. Training's streams are not touched. Allocates
 * nothing after the first policy of a size. */
SPA_API spa_status spa_scorer_run(spa_scorer *scorer, const spa_actor *actor, uint64_t seed,
                                  spa_score *score, spa_error *err);

/* The same once, on this thread. */
SPA_API spa_status spa_actor_score(const spa_actor *actor, const spa_problem *problem,
                                   const void *config, size_t episodes, size_t max_episode_steps,
                                   uint64_t seed, spa_score *score, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
