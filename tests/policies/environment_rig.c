#include "tests/policies/environment_rig.h"

#include <stdlib.h>
#include "base/text.h"

void rig_scenes(rig *r, uint64_t seed, uint32_t n_processors)
{
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < RIG_SCENES; i++) {
        policies_scene_options o = {.n_ops = 8 + (uint32_t)(seed * 5 + i * 7) % 20,
                                    .n_processors =
                                        n_processors ? n_processors : 2 + (uint32_t)(seed % 3),
                                    .max_inputs = 3,
                                    .views = true,
                                    .pulled = true,
                                    .unable = true,
                                    .power = true,
                                    .dispatch = true,
                                    .max_lanes = 2};
        policies_scene_random(&r->scenes[i], seed * RIG_SCENES + i, &o);
        r->scenes[i].costs.base_w = 3;
        r->costs[i] = &r->scenes[i].costs;
    }
    r->config = spa_environment_config_default();
    r->config.costs = r->costs;
    r->config.n_costs = RIG_SCENES;
    r->config.n_envs = 4;
    r->config.seed = seed;
}

void rig_open(rig *r)
{
    expect_ok(spa_environment_new(&r->e, &r->config, err));
    r->n = spa_environment_n_envs(r->e);
    r->n_obs = spa_environment_n_obs(r->e);
    r->n_slots = spa_environment_n_actions(r->e);
    r->obs = calloc(r->n * r->n_obs, sizeof *r->obs);
    r->mask = calloc(r->n * r->n_slots, 1);
    r->reward = calloc(r->n, sizeof *r->reward);
    r->preferences = calloc(r->n, sizeof *r->preferences);
    r->actions = calloc(r->n, sizeof *r->actions);
    r->terminated = calloc(r->n, 1);
    r->truncated = calloc(r->n, 1);
    for (size_t i = 0; i < r->n; i++)
        expect_ok(spa_environment_reset(r->e, i, r->obs, r->mask, err));
}

void rig_fini(rig *r)
{
    spa_environment_free(r->e);
    free(r->obs);
    free(r->mask);
    free(r->reward);
    free(r->preferences);
    free(r->actions);
    free(r->terminated);
    free(r->truncated);
    for (size_t i = 0; i < RIG_SCENES; i++) policies_scene_fini(&r->scenes[i]);
}

void rig_act(rig *r, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        uint64_t h = spa_hash_bytes(SPA_HASH_SEED, r->obs + i * r->n_obs, r->n_obs * sizeof(float));
        uint32_t slot = (uint32_t)(h >> 20) % (uint32_t)r->n_slots;
        while (!r->mask[i * r->n_slots + slot]) slot = (slot + 1) % (uint32_t)r->n_slots;
        r->actions[i] = slot;
        r->preferences[i] = (float)(h >> 40) / (float)(1 << 23) - 1;
    }
}

void rig_step(rig *r, size_t first, size_t count)
{
    const void *actions = r->config.continuous ? (void *)r->preferences : (void *)r->actions;
    expect_ok(spa_environment_step(r->e, first, count, actions, r->obs, r->mask, r->reward,
                                   r->terminated, r->truncated, err));
}
