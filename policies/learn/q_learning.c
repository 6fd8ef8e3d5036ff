/* Q-learning over tiles (Watkins and Dayan 1992; linear in hashed tiles: Sutton and Barto 2018,
 * 9.5.4 and 10). Exploration is epsilon-greedy among the allowed actions. */
#include <math.h>
#include <string.h>

#include "policies/learn/learner.h"

enum {
    ENVS,
    RATE,
    RATE_END,
    GAMMA,
    EXPLORE,
    EXPLORE_END,
    EXPLORE_SHARE,
    TILINGS,
    WIDTHS,
    FEATURES,
    SLOTS,
    SCALE,
    START
};
static const spa_param params[] = {
    [ENVS] = {"envs", SPA_PARAM_INT, 8, 1, 4096, NULL, "", "environments side by side"},
    [RATE] = {"rate", SPA_PARAM_REAL, 0.3, 0, 1, NULL, "", "learning rate, over all tilings"},
    [RATE_END] = {"rate-end", SPA_PARAM_REAL, 0.02, 0, 1, NULL, "", "and at the end of training"},
    [GAMMA] = {"gamma", SPA_PARAM_REAL, 0.99, 0, 1, NULL, "", "discount per step"},
    [EXPLORE] = {"explore", SPA_PARAM_REAL, 1, 0, 1, NULL, "", "share of random actions at first"},
    [EXPLORE_END] = {"explore-end", SPA_PARAM_REAL, 0.05, 0, 1, NULL, "", "and in the end"},
    [EXPLORE_SHARE] = {"explore-share", SPA_PARAM_REAL, 0.5, 0, 1, NULL, "",
                       "part of the training after which it is reached"},
    [TILINGS] = {"tilings", SPA_PARAM_INT, 8, 1, SPA_TILINGS_MAX, NULL, "", "grids"},
    [WIDTHS] = {"widths", SPA_PARAM_REAL, 4, 1e-3, 1e4, NULL, "1/unit", "tiles per unit"},
    [FEATURES] = {"features", SPA_PARAM_INT, 0, 0, 4096, NULL, "",
                  "only so many first numbers of an observation count; 0 = all"},
    [SLOTS] = {"slots", SPA_PARAM_INT, 65536, 16, 1 << 20, NULL, "", "size of the table"},
    [SCALE] = {"reward-scale", SPA_PARAM_REAL, 1, 1e-9, 1e9, NULL, "", "rewards are multiplied"},
    [START] = {"start", SPA_PARAM_REAL, 0, -1e9, 1e9, NULL, "", "value of what was never tried"},
};

typedef struct q_learning {
    spa_learner base;
    spa_tiles tiles;
    spa_rng *rng;
    float *table;   /* [slots][n_actions] */
    uint32_t *at;   /* [envs][SPA_TILINGS_MAX] tiles of the observations now */
    uint32_t *next; /* [SPA_TILINGS_MAX] */
} q_learning;

static spa_status create(spa_learner *l, spa_error *err)
{
    q_learning *q = (q_learning *)l;
    size_t entries = (size_t)spa_learner_param(l, SLOTS) * l->envs.shape.n_actions;
    q->tiles = (spa_tiles){.tilings = (uint32_t)spa_learner_param(l, TILINGS),
                           .features = (uint32_t)spa_learner_param(l, FEATURES),
                           .slots = (uint32_t)spa_learner_param(l, SLOTS),
                           .widths = (float)spa_learner_param(l, WIDTHS)};
    SPA_TRY(spa_learner_array(l, "q/rng", &q->rng, 1, sizeof *q->rng, err));
    SPA_TRY(spa_learner_array(l, "q/table", &q->table, entries, sizeof *q->table, err));
    SPA_TRY(spa_learner_array(l, NULL, &q->at, l->envs.n * SPA_TILINGS_MAX, sizeof *q->at, err));
    SPA_TRY(spa_learner_array(l, NULL, &q->next, SPA_TILINGS_MAX, sizeof *q->next, err));
    float start = (float)(spa_learner_param(l, START) / q->tiles.tilings);
    for (size_t i = 0; i < entries; i++) q->table[i] = start;
    spa_rng_init(q->rng, l->setup.seed, "learn/explore");
    return SPA_OK;
}

static float best_value(const q_learning *q, const uint32_t *at, const uint8_t *mask,
                        uint32_t *choice)
{
    float best = -INFINITY;
    size_t n = q->base.envs.shape.n_actions;
    for (size_t i = 0; i < n; i++) {
        if (!mask[i]) continue;
        float v = spa_tiles_value(&q->tiles, q->table, n, at, i);
        if (!(v > best)) continue;
        best = v;
        if (choice) *choice = (uint32_t)i;
    }
    return best;
}

static void choose(q_learning *q)
{
    spa_learner *l = &q->base;
    spa_envs *e = &l->envs;
    size_t n = e->shape.n_actions;
    double explore =
        spa_learner_ramp(l, spa_learner_param(l, EXPLORE), spa_learner_param(l, EXPLORE_END),
                         spa_learner_param(l, EXPLORE_SHARE));
    for (size_t env = 0; env < e->n; env++) {
        uint32_t *at = q->at + env * SPA_TILINGS_MAX;
        const uint8_t *mask = e->mask + env * n;
        spa_tiles_of(&q->tiles, e->obs + env * e->shape.n_obs, e->shape.n_obs, at);
        if (spa_rng_uniform(q->rng) < explore)
            e->choice[env] = spa_learner_random_choice(q->rng, mask, n);
        else
            best_value(q, at, mask, &e->choice[env]);
    }
}

static void learn(q_learning *q, double rate)
{
    spa_learner *l = &q->base;
    const spa_envs *e = &l->envs;
    size_t n = e->shape.n_actions, n_obs = e->shape.n_obs;
    double loss = 0;
    for (size_t env = 0; env < e->n; env++) {
        const uint32_t *at = q->at + env * SPA_TILINGS_MAX;
        bool ended = e->terminated[env] || e->truncated[env];
        double target = e->reward[env] * spa_learner_param(l, SCALE);
        if (!e->terminated[env]) {
            spa_tiles_of(&q->tiles, (ended ? e->final_obs : e->obs) + env * n_obs, n_obs, q->next);
            target += spa_learner_param(l, GAMMA) *
                      best_value(q, q->next, (ended ? e->final_mask : e->mask) + env * n, NULL);
        }
        double error = target - spa_tiles_value(&q->tiles, q->table, n, at, e->choice[env]);
        float step = (float)(rate * error / q->tiles.tilings);
        for (uint32_t t = 0; t < q->tiles.tilings; t++)
            q->table[at[t] * n + e->choice[env]] += step;
        loss += error * error;
    }
    l->state->loss = loss / (double)e->n;
    l->state->updates++;
}

static spa_status advance(spa_learner *l, spa_error *err)
{
    q_learning *q = (q_learning *)l;
    choose(q);
    SPA_TRY(spa_envs_step(&l->envs, err));
    learn(q, spa_learner_ramp(l, spa_learner_param(l, RATE), spa_learner_param(l, RATE_END), 1));
    spa_learner_count(l);
    return spa_learner_finite(l, "temporal difference", l->state->loss, err);
}

static void actor(const spa_learner *l, spa_actor *a)
{
    const q_learning *q = (const q_learning *)l;
    a->rule = SPA_ACTOR_TILES;
    a->tiles = q->tiles;
    a->values = q->table;
    a->n_values = (size_t)q->tiles.slots * l->envs.shape.n_actions;
}

const spa_learner_type spa_learner_q_learning = {
    .name = "q-learning",
    .summary = "a table of values over hashed tiles of the observation",
    .source = "Watkins and Dayan 1992; tiles: Sutton and Barto 2018, 9.5.4",
    .discrete = true,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .size = sizeof(q_learning),
    .n_envs_at = ENVS,
    .create = create,
    .advance = advance,
    .actor = actor,
};
