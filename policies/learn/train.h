/* A whole training run: evaluations apart from training, the best policy kept, early stopping, and
 * checkpoints to resume from. */
#ifndef SPA_POLICIES_LEARN_TRAIN_H
#define SPA_POLICIES_LEARN_TRAIN_H

#include "policies/learn/learner.h"
#include "policies/learn/score.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_train_progress {
    uint64_t steps;
    double recent; /* mean return of the last training episodes; NaN = none ended */
    const spa_learner_state *state;
    spa_score score; /* of the policy as it stands, without exploration */
    bool best;       /* the best so far */
} spa_train_progress;

typedef struct spa_train_options {
    uint64_t every;        /* steps from one evaluation to the next; one is made at the end */
    size_t episodes;       /* of an evaluation */
    uint64_t seed;         /* of the evaluations' episodes */
    const void *config;    /* of the problem evaluated on; NULL = the one trained on */
    double goal;           /* stop when an evaluation's mean reaches it; NaN = never */
    size_t patience;       /* stop after so many evaluations in a row without a better one; 0 =
                              never */
    uint64_t thresholds;   /* what the policy observes of a predictor (actor.h); 0 = nothing */
    const char *best_path; /* the best policy goes there (actor.h); NULL = nowhere */
    const char *checkpoint_path; /* and there all that resuming needs, after each evaluation */
    /* Called after each evaluation; what it returns but SPA_OK ends the run with that. May be NULL.
     */
    spa_status (*progress)(void *user, const spa_train_progress *progress, spa_error *err);
    void *user;
} spa_train_options;
/* An evaluation of 20 episodes every 5000 steps, no goal, no patience, no files. */
SPA_API spa_train_options spa_train_default(void);

typedef enum spa_train_end {
    SPA_TRAIN_ALL_STEPS,
    SPA_TRAIN_GOAL,
    SPA_TRAIN_PATIENCE
} spa_train_end;

typedef struct spa_train_result {
    spa_train_end end;
    spa_score last; /* of the policy at the end */
} spa_train_result;

/* Trains to setup.total_steps, from where the learner stands (a loaded checkpoint: what was the
 * best and how long ago is part of it; learner->state tells afterwards). Diverged training is an
 * error that names the last good checkpoint. */
SPA_API spa_status spa_train(spa_learner *learner, const spa_train_options *options,
                             spa_train_result *result, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
