/* Every algorithm on problems whose best policies and values are known. */
#include "tests/base/check.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "policies/learn/classic.h"
#include "policies/learn/losses.h"
#include "policies/learn/train.h"
#include "tests/learn/tiny.h"

/* Parameters that make an algorithm quick on tiny problems. */
static const struct quick {
    const spa_learner_type *type;
    const char *params;
} quick[] = {
    {&spa_learner_q_learning, "explore-end=0.2:rate-end=0.002:start=2"},
    {&spa_learner_dqn, "hidden=32:depth=1:warm-up=200:batch=64:tau=0.05:explore-end=0.1"},
    {&spa_learner_ppo, "hidden=32:depth=1:envs=8:steps=64:minibatch=128:rate=5e-3"},
    {&spa_learner_sac_discrete, "hidden=32:depth=1:warm-up=200:batch=64:tau=0.02:entropy=0.1:"
                                "rate=2e-3:critic-rate=2e-3"},
};
enum { N_QUICK = sizeof quick / sizeof *quick };

static spa_learner *trained(const spa_learner_type *type, const spa_problem *problem,
                            const char *params, const char *more, uint64_t steps)
{
    char text[512];
    spa_learner *l;
    spa_learner_setup setup = {.problem = problem, .total_steps = steps, .seed = 1};
    snprintf(text, sizeof text, "%s%s%s", params, *params && *more ? ":" : "", more);
    expect_ok(spa_learner_new(&l, type, &setup, text, err));
    expect_ok(spa_learner_train(l, steps, err));
    return l;
}

static spa_score score_of(const spa_learner *l, size_t episodes)
{
    spa_actor actor;
    spa_score score;
    spa_learner_actor(l, &actor);
    expect_ok(spa_actor_score(&actor, l->setup.problem, NULL, episodes, 1000, 7, &score, err));
    cr_assert_eq(score.episodes, episodes);
    return score;
}

/* ParameterizedTest would hide the names: one test per algorithm and problem. */
#define EACH(problem)                                                                              \
    Test(learners, q_learning_solves_##problem)                                                    \
    {                                                                                              \
        problem(&quick[0]);                                                                        \
    }                                                                                              \
    Test(learners, dqn_solves_##problem)                                                           \
    {                                                                                              \
        problem(&quick[1]);                                                                        \
    }                                                                                              \
    Test(learners, ppo_solves_##problem)                                                           \
    {                                                                                              \
        problem(&quick[2]);                                                                        \
    }                                                                                              \
    Test(learners, sac_discrete_solves_##problem)                                                  \
    {                                                                                              \
        problem(&quick[3]);                                                                        \
    }

static void the_bandit(const struct quick *q)
{
    const float obs[1] = {1};
    const uint8_t mask[4] = {1, 1, 1, 0}, without_best[4] = {1, 1, 0, 0};
    spa_learner *l = trained(q->type, &toy_bandit, q->params, "", 6000);
    spa_actor actor;
    uint32_t choice = 9;
    spa_learner_actor(l, &actor);
    spa_actor_act(&actor, obs, mask, &choice, NULL);
    cr_assert_eq(choice, 2);
    spa_actor_act(&actor, obs, without_best, &choice, NULL);
    cr_assert_lt(choice, 2);
    spa_learner_free(l);
}
EACH(the_bandit)

static const float *region_of(const spa_learner *l, const char *name)
{
    for (size_t i = 0; i < l->n_regions; i++)
        if (!strcmp(l->regions[i].name, name)) return l->regions[i].data;
    cr_assert_fail("no array '%s'", name);
    return NULL;
}

/* Output `at` of a network with one hidden layer of 32. */
static double output_of(const float *params, size_t outputs, spa_activation f, const float *obs,
                        size_t n_obs, size_t at)
{
    spa_net net;
    spa_net_work_f32 work;
    spa_net_mlp(&net, n_obs, 32, 1, outputs, f);
    expect_ok(spa_net_work_init_f32(&work, &net, 1, 1, err));
    double y = spa_net_forward_f32(&net, params, &work, obs, 1, 1)[at];
    spa_net_work_fini_f32(&work);
    return y;
}

/* What is learned about (room of n, choice of 2): by the table, the dueling network or the critic.
 */
static double learned_q(const spa_learner *l, size_t n, size_t room, size_t choice)
{
    float obs[6] = {0}, q[2];
    spa_actor a;
    obs[room] = 1;
    spa_learner_actor(l, &a);
    if (a.rule == SPA_ACTOR_TILES) {
        uint32_t at[SPA_TILINGS_MAX];
        spa_tiles_of(&a.tiles, obs, n, at);
        return spa_tiles_value(&a.tiles, a.values, 2, at, choice);
    }
    if (a.skip == 0) return output_of(region_of(l, "sac/critic"), 2, SPA_ACT_RELU, obs, n, choice);
    float y[3];
    for (size_t i = 0; i < 3; i++) y[i] = (float)output_of(a.values, 3, SPA_ACT_RELU, obs, n, i);
    spa_dueling_f32(1, 2, y, NULL, q);
    return q[choice];
}

static void goes_to_b_and_stays(const spa_learner *l)
{
    spa_score score = score_of(l, 4); /* 5 steps: 0 + 4 * 2 */
    cr_assert(score.min == 8 && score.max == 8, "%g .. %g", score.min, score.max);
}

static void near(double value, double want, double tolerance, const char *what)
{
    cr_assert_lt(fabs(value - want), tolerance, "%s: %g, not %g", what, value, want);
}

static void the_chain(const struct quick *q)
{
    spa_learner *l = trained(q->type, &toy_chain, q->params, "gamma=0.95", 15000);
    spa_score score = score_of(l, 4);
    cr_assert_eq(score.mean, 1, "mean %g", score.mean);
    cr_assert_eq(score.mean_steps, 5);
    /* Nothing has a value behind the last room: Q(4, right) = 1, whatever the temperature. */
    if (q->type != &spa_learner_ppo) near(learned_q(l, 6, 4, 1), 1, 0.06, "the last step");
    spa_learner_free(l);
}
EACH(the_chain)

Test(learners, q_learning_finds_the_values_of_the_two_rooms)
{
    spa_learner *l = trained(&spa_learner_q_learning, &toy_two, quick[0].params, TINY_GAMMA, 20000);
    goes_to_b_and_stays(l);
    near(learned_q(l, 2, 1, 0), 20, 0.1, "stay in B");
    near(learned_q(l, 2, 0, 1), 18, 0.1, "go to B");
    near(learned_q(l, 2, 0, 0), 17.2, 0.2, "stay in A");
    near(learned_q(l, 2, 1, 1), 16.2, 0.2, "leave B");
    spa_learner_free(l);
}

Test(learners, dqn_finds_the_values_of_the_two_rooms)
{
    spa_learner *l = trained(&spa_learner_dqn, &toy_two, quick[1].params, TINY_GAMMA, 20000);
    goes_to_b_and_stays(l);
    near(learned_q(l, 2, 1, 0), 20, 0.3, "stay in B");
    near(learned_q(l, 2, 0, 1), 18, 0.3, "go to B");
    near(learned_q(l, 2, 0, 0), 17.2, 0.4, "stay in A");
    near(learned_q(l, 2, 1, 1), 16.2, 0.4, "leave B");
    spa_learner_free(l);
}

Test(learners, ppo_finds_the_values_of_the_two_rooms)
{
    /* Of its own policy, which without a bonus for entropy is (nearly) the best one. */
    spa_learner *l = trained(&spa_learner_ppo, &toy_two, quick[2].params,
                             TINY_GAMMA ":entropy=0:clip=0.5", 40000);
    goes_to_b_and_stays(l);
    spa_actor a;
    spa_learner_actor(l, &a);
    const float *critic = region_of(l, "ppo/params") + a.n_values;
    const float in_a[2] = {1, 0}, in_b[2] = {0, 1};
    near(output_of(critic, 1, SPA_ACT_TANH, in_b, 2, 0), 20, 0.4, "value of B");
    near(output_of(critic, 1, SPA_ACT_TANH, in_a, 2, 0), 18, 0.4, "value of A");
    spa_learner_free(l);
}

/* Soft values by iterating V(s) = alpha log sum exp(Q/alpha), Q = r + gamma V, with the temperature
 * that was learned. */
Test(learners, sac_discrete_finds_the_soft_values_of_the_two_rooms)
{
    spa_learner *l =
        trained(&spa_learner_sac_discrete, &toy_two, quick[3].params, TINY_GAMMA, 20000);
    double alpha = l->state->extra, v[2] = {0, 0}, q[2][2];
    goes_to_b_and_stays(l);
    cr_assert(alpha > 0 && alpha < 5, "alpha %g", alpha);
    for (int i = 0; i < 500; i++) {
        for (int s = 0; s < 2; s++) {
            q[s][0] = 1 + s + 0.9 * v[s];
            q[s][1] = 0.9 * v[!s];
        }
        for (int s = 0; s < 2; s++) {
            double top = fmax(q[s][0], q[s][1]);
            v[s] = top + alpha * log(exp((q[s][0] - top) / alpha) + exp((q[s][1] - top) / alpha));
        }
    }
    for (size_t s = 0; s < 2; s++)
        for (size_t c = 0; c < 2; c++) near(learned_q(l, 2, s, c), q[s][c], 0.5, "soft value");
    spa_learner_free(l);
}

/* ---- continuous actions ---- */

static double best_action(const spa_learner *l)
{
    const float obs[1] = {1};
    float action = 9;
    spa_actor actor;
    spa_learner_actor(l, &actor);
    spa_actor_act(&actor, obs, NULL, NULL, &action);
    return action;
}

Test(learners, sac_finds_the_best_action)
{
    spa_learner *l =
        trained(&spa_learner_sac, &toy_target,
                "hidden=32:depth=1:warm-up=200:batch=64:entropy=-2:rate=1e-3", "", 3000);
    near(best_action(l), 0.4, 0.05, "action");
    /* The episode ends: no entropy of later steps is in Q(0.4) = 0 and Q(-0.2) = -0.36. */
    const float best[2] = {1, 0.4f}, worse[2] = {1, -0.2f}, *critic = region_of(l, "sac/critic");
    near(output_of(critic, 1, SPA_ACT_RELU, best, 2, 0), 0, 0.05, "best value");
    near(output_of(critic, 1, SPA_ACT_RELU, worse, 2, 0), -0.36, 0.05, "worse value");
    spa_learner_free(l);
}

Test(learners, ppo_finds_the_best_action)
{
    spa_learner *l = trained(&spa_learner_ppo, &toy_target,
                             "hidden=32:depth=1:envs=8:steps=64:rate=5e-3:entropy=0", "", 40000);
    near(best_action(l), 0.4, 0.05, "action");
    spa_learner_free(l);
}

/* ---- cart-pole and pendulum, one seed each; `make learn-check` runs five to the end ---- */

Test(learners, ppo_balances_the_pole)
{
    spa_learner *l = trained(&spa_learner_ppo, &spa_problem_cart_pole, "", "", 100000);
    spa_score score = score_of(l, 20);
    cr_assert_geq(score.mean, 400, "mean %g", score.mean);
    spa_learner_free(l);
}

Test(learners, sac_swings_the_pendulum_up)
{
    spa_learner *l = trained(&spa_learner_sac, &spa_problem_pendulum, "", "", 12000);
    spa_score score = score_of(l, 20);
    cr_assert_geq(score.mean, -300, "mean %g", score.mean);
    spa_learner_free(l);
}

/* ---- the equations ---- */

Test(learners, cart_pole_falls_as_its_equations_say)
{
    /* From rest at angle a: force 10, push = 10/1.1, turn = (9.8 sin a - cos a * push) /
     * (0.5 (4/3 - 0.1 cos^2 a/1.1)), accelerate = push - 0.05 turn cos a/1.1; one Euler step of
     * 0.02 changes only the speeds. */
    spa_envs e;
    expect_ok(spa_envs_init(&e, &spa_problem_cart_pole, NULL, 1, 500, 1, "test", err));
    double x[4];
    for (int i = 0; i < 4; i++) x[i] = e.obs[i];
    e.choice[0] = 1;
    expect_ok(spa_envs_step(&e, err));
    double push = (10 + 0.05 * x[3] * x[3] * sin(x[2])) / 1.1;
    double turn = (9.8 * sin(x[2]) - cos(x[2]) * push) /
                  (0.5 * (4.0 / 3 - 0.1 * cos(x[2]) * cos(x[2]) / 1.1));
    near(e.obs[0], x[0] + 0.02 * x[1], 1e-6, "position");
    near(e.obs[1], x[1] + 0.02 * (push - 0.05 * turn * cos(x[2]) / 1.1), 1e-6, "speed");
    near(e.obs[2], x[2] + 0.02 * x[3], 1e-6, "angle");
    near(e.obs[3], x[3] + 0.02 * turn, 1e-6, "angular speed");
    cr_assert(e.reward[0] == 1 && !e.terminated[0] && !e.truncated[0]);
    int steps = 1;
    for (; !e.terminated[0]; steps++) expect_ok(spa_envs_step(&e, err)); /* always to the right */
    cr_assert(steps >= 8 && steps <= 11, "%d steps", steps);             /* as in Gym */
    cr_assert_gt(fabs(e.final_obs[2]), 12 * 3.14159265 / 180);
    spa_envs_fini(&e);
}

Test(learners, the_pendulum_swings_as_its_equations_say)
{
    spa_envs e;
    expect_ok(spa_envs_init(&e, &spa_problem_pendulum, NULL, 1, 500, 1, "test", err));
    double angle = atan2(e.obs[1], e.obs[0]), speed = 8.0 * e.obs[2];
    e.values[0] = 0.5f; /* torque 1 */
    expect_ok(spa_envs_step(&e, err));
    near(e.reward[0], -(angle * angle + 0.1 * speed * speed + 0.001), 1e-4, "reward");
    speed += (15 * sin(angle) + 3 * 1.0) * 0.05;
    angle += speed * 0.05;
    near(8.0 * e.obs[2], speed, 1e-5, "speed");
    near(e.obs[0], cos(angle), 1e-5, "cosine");
    near(e.obs[1], sin(angle), 1e-5, "sine");
    int steps = 1;
    for (; !e.truncated[0]; steps++) expect_ok(spa_envs_step(&e, err));
    cr_assert_eq(steps, 200);
    cr_assert(!e.terminated[0]);
    spa_envs_fini(&e);
}
