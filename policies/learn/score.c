#include "policies/learn/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 8 /* at most; episodes of a part are stepped side by side */

/* Episodes first .. first + n - 1. */
typedef struct score_part {
    size_t first, n;
    spa_actor actor; /* with scratch of its own */
    float *scratch;
    size_t scratch_size;
    spa_status status;
    spa_error error;
} score_part;

struct spa_scorer {
    spa_envs envs;
    spa_crew *crew;
    score_part parts[PARTS];
    size_t n_parts;
    uint8_t *done;   /* [episodes] */
    double *returns; /* [episodes] */
    uint32_t *steps; /* [episodes] */
};

static void act(const spa_actor *a, spa_envs *e, size_t first, size_t count)
{
    const spa_problem_shape *s = &e->shape;
    for (size_t env = first; env < first + count; env++) {
        spa_actor_act(a, e->obs + env * s->n_obs,
                      s->n_actions ? e->mask + env * s->n_actions : NULL, &e->choice[env],
                      e->values + env * s->action_dim);
    }
}

static void play(void *user, size_t index)
{
    spa_scorer *s = user;
    score_part *p = &s->parts[index];
    spa_envs *e = &s->envs;
    p->status = SPA_OK;
    for (size_t left = p->n; left > 0 && !p->status;) {
        act(&p->actor, e, p->first, p->n);
        p->status = spa_envs_step_some(e, p->first, p->n, &p->error);
        for (size_t env = p->first; !p->status && env < p->first + p->n; env++) {
            if (s->done[env] || !(e->terminated[env] || e->truncated[env])) continue;
            s->done[env] = 1;
            s->returns[env] = e->ended_return[env];
            s->steps[env] = e->ended_steps[env];
            left--;
        }
    }
}

static void sum_up(const spa_scorer *s, spa_score *score)
{
    double sum = 0, squares = 0, steps = 0, n = (double)s->envs.n;
    *score = (spa_score){.episodes = s->envs.n, .min = INFINITY, .max = -INFINITY};
    for (size_t i = 0; i < s->envs.n; i++) {
        double r = s->returns[i];
        sum += r;
        squares += r * r;
        steps += s->steps[i];
        score->min = fmin(score->min, r);
        score->max = fmax(score->max, r);
    }
    score->mean = sum / n;
    score->mean_steps = steps / n;
    score->sd = n > 1 ? sqrt(fmax(squares - sum * sum / n, 0) / (n - 1)) : 0;
}

static spa_status give_actor(score_part *p, const spa_actor *actor, spa_error *err)
{
    size_t size = actor->rule == SPA_ACTOR_TILES ? 0 : spa_actor_scratch(&actor->net);
    if (size > p->scratch_size) {
        free(p->scratch);
        p->scratch = NULL;
        p->scratch_size = 0;
        SPA_TRY(spa_alloc(&p->scratch, size, sizeof *p->scratch, err));
        p->scratch_size = size;
    }
    p->actor = *actor;
    p->actor.scratch = p->scratch;
    return SPA_OK;
}

spa_status spa_scorer_new(spa_scorer **scorer, const spa_problem *problem, const void *config,
                          size_t episodes, size_t max_episode_steps, spa_crew *crew, spa_error *err)
{
    spa_scorer *s = NULL;
    *scorer = NULL;
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    s->crew = crew;
    s->n_parts = episodes < PARTS ? episodes : PARTS;
    for (size_t i = 0; i < s->n_parts; i++) {
        s->parts[i].first = i * episodes / s->n_parts;
        s->parts[i].n = (i + 1) * episodes / s->n_parts - s->parts[i].first;
    }
    spa_status status =
        spa_envs_init(&s->envs, problem, config, episodes, max_episode_steps, 1, "evaluate", err);
    if (!status) status = spa_alloc(&s->done, episodes, 1, err);
    if (!status) status = spa_alloc(&s->returns, episodes, sizeof *s->returns, err);
    if (!status) status = spa_alloc(&s->steps, episodes, sizeof *s->steps, err);
    if (status) {
        spa_scorer_free(s);
        return status;
    }
    *scorer = s;
    return SPA_OK;
}

void spa_scorer_free(spa_scorer *s)
{
    if (!s) return;
    for (size_t i = 0; i < PARTS; i++) free(s->parts[i].scratch);
    spa_envs_fini(&s->envs);
    free(s->done);
    free(s->returns);
    free(s->steps);
    free(s);
}

spa_status spa_scorer_run(spa_scorer *s, const spa_actor *actor, uint64_t seed, spa_score *score,
                          spa_error *err)
{
    *score = (spa_score){0};
    SPA_TRY(spa_actor_fits(actor, s->envs.problem->name, &s->envs.shape, err));
    for (size_t i = 0; i < s->n_parts; i++) SPA_TRY(give_actor(&s->parts[i], actor, err));
    SPA_TRY(spa_envs_restart(&s->envs, seed, "evaluate", err));
    memset(s->done, 0, s->envs.n);
    spa_crew_run(s->crew, s->n_parts, play, s);
    for (size_t i = 0; i < s->n_parts; i++) {
        if (!s->parts[i].status) continue;
        if (err) *err = s->parts[i].error;
        return s->parts[i].status;
    }
    sum_up(s, score);
    return SPA_OK;
}

spa_status spa_actor_score(const spa_actor *actor, const spa_problem *problem, const void *config,
                           size_t episodes, size_t max_episode_steps, uint64_t seed,
                           spa_score *score, spa_error *err)
{
    spa_scorer *s = NULL;
    *score = (spa_score){0};
    SPA_TRY(spa_scorer_new(&s, problem, config, episodes, max_episode_steps, NULL, err));
    spa_status status = spa_scorer_run(s, actor, seed, score, err);
    spa_scorer_free(s);
    return status;
}
