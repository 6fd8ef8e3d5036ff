/* Environments over random scenes, for the tests of policies/learn/. */
#ifndef SPA_TESTS_POLICIES_ENVIRONMENT_RIG_H
#define SPA_TESTS_POLICIES_ENVIRONMENT_RIG_H

#include "policies/learn/environment.h"
#include "tests/base/check.h"
#include "tests/policies/scene.h"

#define RIG_SCENES 3

/* An environment with its arrays. */
typedef struct rig {
    policies_scene scenes[RIG_SCENES];
    const spa_costs *costs[RIG_SCENES];
    spa_environment_config config;
    spa_environment *e;
    size_t n, n_obs, n_slots;
    float *obs, *reward, *preferences;
    uint8_t *mask, *terminated, *truncated;
    uint32_t *actions;
} rig;

/* Scenes of 2 processors (or 2 to 4, seed % 3 + 2), and a configuration for all of them. */
void rig_scenes(rig *r, uint64_t seed, uint32_t n_processors);
/* Makes the environment of r->config, with its arrays, and resets it. */
void rig_open(rig *r);
void rig_fini(rig *r);
/* Legal actions that depend on the observation alone. */
void rig_act(rig *r, size_t first, size_t count);
void rig_step(rig *r, size_t first, size_t count);

#endif
