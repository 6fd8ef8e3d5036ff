/* Continuous actions as shares of operators. */
#include <math.h>
#include "tests/divide.h"
#include "tests/policies/environment_rig.h"

/* The host takes 100, the accelerator 50; moving a tensor takes 10, a part of it in proportion. */
static void divisible(policies_scene *s)
{
    policies_scene_chain(s, 1, 2);
    scene_kernel(s, 0, 0, 100);
    scene_kernel(s, 0, 1, 50);
    scene_all_transfers(s, 10);
    tests_divide(&s->costs);
    expect_ok(spa_costs_finish(&s->costs, err));
}

static void expect_share(const spa_features *f, float u, int32_t processor, uint32_t share)
{
    spa_action action = {.processor = -9, .lane = 3, .share = 77};
    cr_assert(spa_action_of_share(f, 0, u, &action), "%g", (double)u);
    cr_assert_eq(action.processor, processor, "%g: on %d", (double)u, action.processor);
    cr_assert_eq(action.share, share, "%g: %u tenths given", (double)u, action.share);
    cr_assert_eq(action.lane, SPA_LANE_ANY);
    if (share) cr_assert_eq(action.second, 1 - processor);
}

/* Between two slots, u from -1/2 to 1/2 is the upper one's share from 0 to 10 tenths. */
Test(learn_actions, a_share_splits_an_operator_between_two_processors)
{
    policies_scene s;
    spa_features f;
    spa_features_options o = {.n_slots = 2};
    spa_action action;
    divisible(&s);
    expect_ok(spa_features_init(&f, &s.costs, &o, err));
    expect_share(&f, -1, 0, 0);
    expect_share(&f, -0.51f, 0, 0);
    expect_share(&f, -0.4f, 0, 1);
    expect_share(&f, -0.1f, 0, 4);
    expect_share(&f, 0, 0, 5); /* equal parts: the lower slot's */
    expect_share(&f, 0.1f, 1, 4);
    expect_share(&f, 0.4f, 1, 1);
    expect_share(&f, 0.51f, 1, 0);
    expect_share(&f, 1, 1, 0);
    cr_assert(!spa_action_of_share(&f, 0, -1.01f, &action));
    cr_assert(!spa_action_of_share(&f, 0, NAN, &action));
    for (size_t i = 0; i < 2 * (SPA_TENTHS - 1); i++) s.costs.part_ns[i] = -1;
    expect_share(&f, -0.1f, 0, 0); /* cannot be split: whole where more of it would be */
    expect_share(&f, 0.1f, 1, 0);
    spa_features_fini(&f);
    policies_scene_fini(&s);
}

/* Half on each: max(50, 10 + 25 + 5 back) = 50, where the best single processor takes 10 + 50 + 10
 * =
 * 70. With 1 tenth on the accelerator max(90, 10 + 5 + 1) = 90. */
Test(learn_actions, a_split_operator_pays_what_it_takes)
{
    static const struct {
        float u;
        double ns;
    } cases[] = {{0, 50}, {-0.4f, 90}, {-1, 100}, {1, 70}};
    policies_scene s;
    divisible(&s);
    const spa_costs *costs = &s.costs;
    for (int i = 0; i < 4; i++) {
        spa_environment *e;
        spa_environment_config config = spa_environment_config_default();
        float obs[SPA_FEATURES_MAX], reward;
        uint8_t mask[SPA_MAX_PROCESSORS];
        bool terminated, truncated;
        spa_rng rng;
        config.costs = &costs;
        config.n_costs = 1;
        config.continuous = config.splits = true;
        spa_rng_init(&rng, 1, "test/shares");
        expect_ok(spa_environment_new(&e, &config, err));
        expect_ok(spa_environment_begin(e, 0, &rng, obs, mask, err));
        expect_ok(spa_environment_decide(e, 0, &cases[i].u, obs, mask, &reward, &terminated,
                                         &truncated, err));
        cr_assert(terminated);
        cr_assert_eq(spa_environment_last(e, 0)->value, cases[i].ns);
        cr_assert_float_eq(reward, -cases[i].ns / 70, 1e-6);
        spa_environment_free(e);
    }
    policies_scene_fini(&s);
}

Test(learn_actions, rewards_of_split_operators_add_up_to_the_objective)
{
    for (uint64_t seed = 0; seed < 12; seed++) {
        rig r;
        double sum[4] = {0};
        size_t ended = 0;
        rig_scenes(&r, seed, 0);
        for (size_t i = 0; i < RIG_SCENES; i++) tests_divide(&r.scenes[i].costs);
        r.config.continuous = r.config.splits = true;
        r.config.shaping = seed % 2 ? SPA_SHAPING_PATH : SPA_SHAPING_FINISH;
        r.config.lambda_energy = seed % 3 == 0;
        rig_open(&r);
        for (int step = 0; step < 200; step++) {
            rig_act(&r, 0, r.n);
            rig_step(&r, 0, r.n);
            for (size_t i = 0; i < r.n; i++) {
                sum[i] += r.reward[i];
                if (!r.terminated[i]) continue;
                const spa_episode *last = spa_environment_last(r.e, i);
                cr_assert_float_eq(sum[i], last->total_reward, 1e-4);
                if (seed % 3) cr_assert_float_eq(sum[i], -last->value / last->scale, 1e-4);
                sum[i] = 0;
                ended++;
            }
        }
        cr_assert_gt(ended, 4);
        rig_fini(&r);
    }
}

Test(learn_actions, only_continuous_actions_split)
{
    rig r;
    rig_scenes(&r, 1, 2);
    r.config.splits = true;
    expect_error(spa_environment_new(&r.e, &r.config, err), SPA_E_INVALID,
                 "operators are split by continuous actions only");
    rig_fini(&r);
}
