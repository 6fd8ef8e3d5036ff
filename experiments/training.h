/* Training a policy from the command line: what is trained on, how it went, what came out. */
#ifndef SPA_EXPERIMENTS_TRAINING_H
#define SPA_EXPERIMENTS_TRAINING_H

#include "experiments/progress.h"
#include "experiments/runs.h"
#include "policies/learn/train.h"

/* An evaluation during training: the objective over that of the best single processor (mean over
 * the models and, with noise, over episodes): 1 is as good as that. */
typedef struct spa_curve_point {
    uint64_t steps;
    double value;
} spa_curve_point;

typedef struct spa_training {
    char policy[SPA_ACTOR_NAME]; /* a name of policies */
    spa_curve_point *curve;
    size_t n_curve, capacity;
    uint64_t steps, best_steps;
    uint64_t resumed_at;  /* steps of the checkpoint that it went on from; 0 = none */
    bool out_of_patience; /* it ended before all steps were made */
    double seconds_host, best;
} spa_training;
void spa_training_fini(spa_training *training);

/* The learning algorithm of a policy that can be trained ("ppo"; "sac-split" is sac whose actions
 * are shares of operators). SPA_E_USAGE names the nearest. */
spa_status spa_training_find(const char *policy, const spa_learner_type **type, bool *splits,
                             spa_error *err);

/* Trains `text` ("ppo", "dqn:envs=8") on all cases of `runs` and writes the best policy to
 * options->output. Errors: an unknown algorithm or parameter; training that diverges names the last
 * good checkpoint, if options->checkpoint asks for one; one that is there is gone on from. */
spa_status spa_training_run(spa_training *training, const char *text, const spa_runs *runs,
                            const spa_options *options, spa_progress *progress, spa_error *err);

/* The learning curve, with the rivals as lines: *.svg or *.png. */
spa_status spa_chart_training(const char *path, const spa_training *training, const spa_runs *runs,
                              const spa_options *options, spa_error *err);

#endif
