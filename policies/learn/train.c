#include "policies/learn/train.h"

#include <math.h>
#include <string.h>

spa_train_options spa_train_default(void)
{
    return (spa_train_options){.every = 5000, .episodes = 20, .seed = 1, .goal = NAN};
}

/* A failed stretch of training; what can be gone back to is told if there is something. */
static spa_status tell(const spa_learner *l, const spa_train_options *o, bool saved,
                       spa_status status, spa_error *err)
{
    if (!err || status != SPA_E_RANGE || !o->checkpoint_path || !saved) return status;
    char message[sizeof err->message];
    memcpy(message, err->message, sizeof message);
    return spa_fail(err, status, "%.500s; the last good checkpoint is %.200s", message,
                    o->checkpoint_path);
}

/* Scores the policy as it stands and keeps what is to be kept. */
static spa_status evaluate(spa_learner *l, const spa_train_options *o, spa_scorer *scorer,
                           spa_train_progress *p, spa_error *err)
{
    spa_learner_state *s = l->state;
    spa_actor actor;
    spa_learner_actor(l, &actor);
    actor.thresholds = o->thresholds;
    SPA_TRY(spa_scorer_run(scorer, &actor, o->seed, &p->score, err));
    p->steps = s->steps;
    p->recent = spa_learner_recent(l);
    p->state = s;
    if (s->evaluations < SPA_KEPT_EVALUATIONS)
        s->kept[s->evaluations] = (spa_evaluated){s->steps, p->score.mean};
    p->best = s->evaluations++ == 0 || p->score.mean > s->best_mean;
    s->stale = p->best ? 0 : s->stale + 1;
    if (p->best) {
        s->best_mean = p->score.mean;
        s->best_steps = s->steps;
        if (o->best_path) SPA_TRY(spa_actor_write(&actor, o->best_path, err));
    }
    if (o->checkpoint_path) SPA_TRY(spa_learner_save(l, o->checkpoint_path, err));
    return o->progress ? o->progress(o->user, p, err) : SPA_OK;
}

static spa_status train(spa_learner *learner, const spa_train_options *options, spa_scorer *scorer,
                        spa_train_result *result, spa_error *err)
{
    const spa_learner_state *s = learner->state;
    uint64_t total = learner->setup.total_steps;
    bool saved = false;
    if (s->evaluations && s->steps >= total) { /* resumed at its end */
        spa_actor actor;
        spa_learner_actor(learner, &actor);
        actor.thresholds = options->thresholds;
        return spa_scorer_run(scorer, &actor, options->seed, &result->last, err);
    }
    do {
        spa_train_progress p = {0};
        uint64_t next = (s->steps / options->every + 1) * options->every;
        spa_status status = spa_learner_train(learner, next < total ? next : total, err);
        if (!status) status = evaluate(learner, options, scorer, &p, err);
        if (status) return tell(learner, options, saved, status, err);
        saved = true;
        result->last = p.score;
        result->end = SPA_TRAIN_ALL_STEPS;
        if (options->goal <= p.score.mean) result->end = SPA_TRAIN_GOAL;
        if (options->patience && s->stale >= options->patience) result->end = SPA_TRAIN_PATIENCE;
    } while (s->steps < total && result->end == SPA_TRAIN_ALL_STEPS);
    return SPA_OK;
}

spa_status spa_train(spa_learner *learner, const spa_train_options *options,
                     spa_train_result *result, spa_error *err)
{
    const void *config = options->config ? options->config : learner->setup.config;
    spa_scorer *scorer = NULL;
    memset(result, 0, sizeof *result);
    if (options->every == 0 || options->episodes == 0) {
        return spa_fail(err, SPA_E_INVALID,
                        "training: evaluations of %zu episodes every %llu steps"
                        " are not possible",
                        options->episodes, (unsigned long long)options->every);
    }
    SPA_TRY(spa_scorer_new(&scorer, learner->setup.problem, config, options->episodes,
                           learner->envs.max_episode_steps, learner->crew, err));
    spa_status status = train(learner, options, scorer, result, err);
    spa_scorer_free(scorer);
    return status;
}
