/* The scheduling environment: rewards, masks, episodes, repeatability. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/text.h"
#include "tests/oom.h"
#include "tests/policies/environment_rig.h"

/* A chain of two, on the host 10 and 6, on the accelerator 4 and 3, every transfer 2; nobody is
 * asynchronous. All on the host 16, all on the accelerator 2 + 4 + 3 + 2 = 11: the scale. */
static void small_chain(rig *r, spa_shaping shaping)
{
    static const int64_t kernel[2][2] = {{10, 4}, {6, 3}};
    memset(r, 0, sizeof *r);
    for (size_t i = 0; i < RIG_SCENES; i++) {
        policies_scene *s = &r->scenes[i];
        policies_scene_chain(s, 2, 2);
        for (uint32_t k = 0; k < 4; k++) scene_kernel(s, k / 2, k % 2, kernel[k / 2][k % 2]);
        scene_all_transfers(s, 2);
        expect_ok(spa_costs_finish(&s->costs, err));
        r->costs[i] = &s->costs;
    }
    r->config = spa_environment_config_default();
    r->config.costs = r->costs;
    r->config.n_costs = 1;
    r->config.shaping = shaping;
    rig_open(r);
}

static void expect_rewards(spa_shaping shaping, uint32_t a, uint32_t b, double first, double second)
{
    rig r;
    small_chain(&r, shaping);
    r.actions[0] = a;
    rig_step(&r, 0, 1);
    cr_assert_float_eq(r.reward[0], -first / 11, 1e-6, "%g", (double)r.reward[0] * 11);
    cr_assert(!r.terminated[0] && !r.truncated[0]);
    r.actions[0] = b;
    rig_step(&r, 0, 1);
    cr_assert_float_eq(r.reward[0], -second / 11, 1e-6, "%g", (double)r.reward[0] * 11);
    cr_assert(r.terminated[0] && !r.truncated[0]);
    const spa_episode *last = spa_environment_last(r.e, 0);
    cr_assert_eq(last->value, first + second);
    cr_assert_eq(last->scale, 11);
    cr_assert_eq(last->steps, 2);
    rig_fini(&r);
}

/* Accelerator, then host: 2 + 4 = 6; back 2, then 6: 14. The clock stands at 0 and at 6 when the
 * decisions are made. From the accelerator on, the rest takes at least min(3 + 2, 2 + 6) = 5; from
 * the host, min(6, 2 + 3 + 2) = 6. */
Test(learn_environment, pays_the_increase_of_the_makespan)
{
    expect_rewards(SPA_SHAPING_FINISH, 1, 0, 6, 8);
    expect_rewards(SPA_SHAPING_PATH, 1, 0, 11, 3);
    expect_rewards(SPA_SHAPING_CLOCK, 1, 0, 0, 14);
    expect_rewards(SPA_SHAPING_FINISH, 0, 0, 10, 6);
    expect_rewards(SPA_SHAPING_PATH, 0, 0, 16, 0);
    expect_rewards(SPA_SHAPING_FINISH, 1, 1, 6, 5); /* 6 + 3 and back 2 */
    expect_rewards(SPA_SHAPING_PATH, 1, 1, 11, 0);
}

/* ---- the sum of rewards -----------------------------------------------------------------------
 */

/* The episode once more on an engine of its own, with the same decisions. */
typedef struct shadow {
    spa_engine *engine;
    const spa_costs *costs;
    bool done;
} shadow;

static void shadow_begin(shadow *s, const rig *r, const spa_costs *costs)
{
    spa_run_config c = spa_run_config_default();
    c.graph = costs->graph;
    c.costs = costs;
    c.stepped = true;
    c.objective = r->config.objective;
    c.scenario = r->config.scenarios ? r->config.scenarios[0] : spa_scenario_closed(1, 1);
    c.scenario.warmup = 0;
    s->costs = costs;
    expect_ok(spa_engine_new(&s->engine, &c, err));
    expect_ok(spa_engine_start(s->engine, &s->done, err));
}

static uint32_t processor_of(const spa_costs *c, uint32_t slot)
{
    if (slot == 0) return c->host;
    return slot <= c->host ? slot - 1 : slot;
}

static void check_mask(const rig *r, const shadow *s)
{
    uint32_t op = spa_engine_asked(s->engine);
    for (uint32_t slot = 0; slot < r->n_slots; slot++) {
        bool able = slot < s->costs->n_processors &&
                    spa_cost_can_run(s->costs, op, processor_of(s->costs, slot));
        cr_assert_eq(r->mask[slot], able);
    }
}

/* One episode of a single environment beside its shadow. */
static void check_episode(rig *r)
{
    const spa_costs *costs = r->costs[0];
    const spa_episode *last = spa_environment_last(r->e, 0);
    spa_run_result result;
    double sum = 0, worth;
    shadow s;
    shadow_begin(&s, r, costs);
    do {
        check_mask(r, &s);
        rig_act(r, 0, 1);
        spa_action action = {.processor = (int32_t)processor_of(costs, r->actions[0]),
                             .lane = SPA_LANE_ANY};
        rig_step(r, 0, 1);
        expect_ok(spa_engine_decide(s.engine, action, &s.done, err));
        sum += (double)r->reward[0];
        cr_assert_eq(s.done, r->terminated[0]);
        for (size_t i = 0; i < r->n_obs; i++) cr_assert(fabsf(r->obs[i]) <= 1, "%zu", i);
    } while (!s.done);
    expect_ok(spa_engine_result(s.engine, &result, err));
    spa_evaluation e = {result.span_ns, result.energy_j, result.energy_dynamic_j};
    cr_assert_eq(last->value, spa_evaluation_value(&e, r->config.objective));
    worth = last->value / last->scale;
    if (r->config.lambda_energy == 0 && r->config.lambda_transfer == 0) {
        cr_assert_float_eq(last->total_reward, -worth, 1e-9 * worth);
        cr_assert_float_eq(sum, -worth, 1e-4 * worth); /* rewards are floats */
    } else {
        cr_assert_lt(last->total_reward, -worth);
    }
    spa_engine_free(s.engine);
}

Test(learn_environment, the_rewards_of_an_episode_add_up_to_its_objective)
{
    alarm(300);
    static const spa_objective objectives[] = {SPA_OBJECTIVE_LATENCY, SPA_OBJECTIVE_ENERGY,
                                               SPA_OBJECTIVE_EDP};
    const spa_scenario stream = spa_scenario_closed(3, 5);
    for (uint64_t seed = 0; seed < 54; seed++) {
        rig r;
        rig_scenes(&r, seed, 0);
        r.config.n_costs = 1;
        r.config.objective = objectives[seed % 3];
        r.config.shaping = (spa_shaping)(seed / 3 % 3);
        r.config.n_slots = seed % 2 ? SPA_MAX_PROCESSORS : 0;
        if (seed % 4 == 3) {
            r.config.scenarios = &stream;
            r.config.n_scenarios = 1;
        }
        rig_open(&r);
        for (int episode = 0; episode < 4; episode++) check_episode(&r);
        rig_fini(&r);
    }
}

/* With weights, worth = objective / scale + lambda_E * energy / scale_E + lambda_T * transfers /
 * makespan of the best single processor: with latency and lambda_E = 2 on a table whose power is
 * its base alone, energy is proportional to the makespan, and the sum is 3 times the latency's. */
Test(learn_environment, weights_add_energy_and_transfer_time)
{
    rig r;
    rig_scenes(&r, 5, 2);
    r.config.n_costs = 1;
    spa_costs *c = &r.scenes[0].costs;
    for (size_t i = 0; i < c->n_ops * 2; i++) c->ops[i].dynamic_w = 0;
    for (int p = 0; p < 2; p++) c->processors[p].dispatch_w = 0;
    for (int k = 0; k < 4; k++) c->links[k / 2][k % 2].dynamic_w = 0;
    expect_ok(spa_costs_finish(c, err));
    r.config.lambda_energy = 2;
    rig_open(&r);
    for (int i = 0; i < 3; i++) check_episode(&r);
    const spa_episode *last = spa_environment_last(r.e, 0);
    cr_assert_float_eq(last->total_reward, -3 * last->value / last->scale, 1e-9);
    spa_environment_free(r.e);
    r.config.lambda_energy = 0;
    r.config.lambda_transfer = 1;
    expect_ok(spa_environment_new(&r.e, &r.config, err));
    expect_ok(spa_environment_reset(r.e, 0, r.obs, r.mask, err));
    check_episode(&r);
    rig_fini(&r);
}

/* ---- repeatability ----------------------------------------------------------------------------
 */

static void random_config(rig *r, uint64_t seed)
{
    static spa_scenario scenarios[2];
    rig_scenes(r, seed, 0);
    scenarios[0] = spa_scenario_closed(1, 1);
    scenarios[1] = spa_scenario_closed(2, 3);
    r->config.scenarios = scenarios;
    r->config.n_scenarios = 2;
    r->config.n_variants = 2;
    r->config.speed = (spa_range){0.5, 2};
    r->config.launch = (spa_range){0.5, 2};
    r->config.transfer = (spa_range){0.25, 4};
    r->config.noise = true;
    r->config.rank_order = seed % 2;
    r->config.continuous = seed % 3 == 0;
    r->config.max_steps = seed % 2 ? 11 : 0;
    for (size_t i = 0; i < RIG_SCENES; i++) {
        r->scenes[i].costs.run_cv = 0.1;
        expect_ok(spa_costs_finish(&r->scenes[i].costs, err));
    }
}

/* What an environment showed over many steps, as a hash. */
static uint64_t walk_of(uint64_t seed, size_t n_envs, size_t which, size_t chunk)
{
    rig r;
    uint64_t h = SPA_HASH_SEED;
    random_config(&r, seed);
    r.config.n_envs = n_envs;
    rig_open(&r);
    for (int step = 0; step < 150; step++) {
        for (size_t first = 0; first < n_envs; first += chunk) {
            size_t count = first + chunk < n_envs ? chunk : n_envs - first;
            rig_act(&r, first, count);
            rig_step(&r, first, count);
        }
        h = spa_hash_bytes(h, r.obs + which * r.n_obs, r.n_obs * sizeof(float));
        h = spa_hash_bytes(h, r.mask + which * r.n_slots, r.n_slots);
        h = spa_hash_bytes(h, &r.reward[which], sizeof(float));
        h = spa_hash_u64(h, (uint64_t)r.terminated[which] << 1 | r.truncated[which]);
    }
    rig_fini(&r);
    return h;
}

Test(learn_environment, an_environment_does_not_depend_on_those_beside_it)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 6; seed++) {
        uint64_t alone = walk_of(seed, 3, 2, 3);
        cr_assert_eq(walk_of(seed, 3, 2, 3), alone);
        cr_assert_eq(walk_of(seed, 3, 2, 1), alone);
        cr_assert_eq(walk_of(seed, 17, 2, 5), alone);
        cr_assert_neq(walk_of(seed, 3, 1, 3), alone);
        cr_assert_neq(walk_of(seed + 100, 3, 2, 3), alone);
    }
}

typedef struct worker {
    rig *r;
    size_t first, count;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    for (int step = 0; step < 400; step++) {
        rig_act(w->r, w->first, w->count);
        rig_step(w->r, w->first, w->count);
    }
    return NULL;
}

Test(learn_environment, threads_may_step_disjoint_ranges)
{
    rig r[2];
    for (int k = 0; k < 2; k++) {
        random_config(&r[k], 4);
        r[k].config.n_envs = 9;
        rig_open(&r[k]);
    }
    pthread_t thread[3];
    worker all = {&r[0], 0, 9}, part[3] = {{&r[1], 0, 2}, {&r[1], 2, 6}, {&r[1], 8, 1}};
    work(&all);
    for (int k = 0; k < 3; k++) pthread_create(&thread[k], NULL, work, &part[k]);
    for (int k = 0; k < 3; k++) pthread_join(thread[k], NULL);
    cr_assert_arr_eq(r[0].obs, r[1].obs, 9 * r[0].n_obs * sizeof(float));
    cr_assert_arr_eq(r[0].reward, r[1].reward, 9 * sizeof(float));
    for (size_t i = 0; i < 9; i++) {
        const spa_episode *a = spa_environment_last(r[0].e, i);
        const spa_episode *b = spa_environment_last(r[1].e, i);
        cr_assert_eq(a->total_reward, b->total_reward);
        cr_assert_eq(a->number, b->number);
    }
    rig_fini(&r[0]);
    rig_fini(&r[1]);
}

/* ---- episodes ---------------------------------------------------------------------------------
 */

Test(learn_environment, an_episode_is_truncated_after_max_steps)
{
    rig r;
    rig_scenes(&r, 2, 2);
    r.config.n_costs = 1;
    r.config.n_envs = 1;
    r.config.max_steps = 3;
    rig_open(&r);
    float *start = malloc(r.n_obs * sizeof *start);
    memcpy(start, r.obs, r.n_obs * sizeof *start);
    for (int step = 1; step <= 3; step++) {
        rig_act(&r, 0, 1);
        rig_step(&r, 0, 1);
        cr_assert_eq(r.truncated[0], step == 3);
        cr_assert_eq(r.terminated[0], 0);
    }
    cr_assert_arr_eq(r.obs, start, r.n_obs * sizeof *start); /* of the next episode */
    cr_assert_arr_neq(spa_environment_final_obs(r.e, 0), start, r.n_obs * sizeof *start);
    cr_assert_eq(spa_environment_last(r.e, 0)->steps, 3);
    cr_assert(isnan(spa_environment_last(r.e, 0)->value));
    free(start);
    rig_fini(&r);
}

Test(learn_environment, nothing_is_learned_under_conditions)
{
    rig r;
    spa_environment *e;
    spa_error why = {0};
    spa_scenario scenario = spa_scenario_closed(1, 2);
    rig_scenes(&r, 2, 2);
    scenario.conditions.thermal.r_k_per_w = 1;
    r.config.scenarios = &scenario;
    r.config.n_scenarios = 1;
    cr_assert_eq(spa_environment_new(&e, &r.config, &why), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(why.message, "thermal"), "%s", why.message);
    scenario.conditions.thermal.r_k_per_w = 0;
    rig_open(&r);
    rig_fini(&r);
}

Test(learn_environment, visits_every_case_and_noise_differs_from_episode_to_episode)
{
    rig r;
    size_t seen[3 * RIG_SCENES * 2] = {0}, distinct = 0;
    double before = 0;
    random_config(&r, 8);
    r.config.max_steps = 0;
    r.config.n_envs = 1;
    rig_open(&r);
    cr_assert_eq(spa_environment_n_cases(r.e), 18);
    for (int episodes = 0; episodes < 400;) {
        rig_act(&r, 0, 1);
        rig_step(&r, 0, 1);
        if (!r.terminated[0]) continue;
        const spa_episode *last = spa_environment_last(r.e, 0);
        cr_assert_eq(last->n_costs, last->n_case / 6);
        cr_assert_eq(last->number, (uint64_t)episodes++);
        distinct += last->value != before;
        before = last->value;
        seen[last->n_case]++;
    }
    for (size_t i = 0; i < 18; i++) cr_assert_gt(seen[i], 4, "case %zu: %zu", i, seen[i]);
    cr_assert_gt(distinct, 390);
    rig_fini(&r);
}

/* begin() from the stream that an environment draws from itself, and decide(), show what step()
 * shows; after an end nothing goes on by itself. */
Test(learn_environment, can_be_driven_one_by_one_from_a_callers_stream)
{
    for (uint64_t seed = 1; seed < 5; seed++) {
        rig r;
        spa_environment *e = NULL;
        float obs[SPA_FEATURES_MAX], reward = 0;
        uint8_t mask[SPA_MAX_PROCESSORS];
        bool terminated, truncated;
        spa_rng rng;
        random_config(&r, seed);
        r.config.n_envs = 1;
        rig_open(&r);
        expect_ok(spa_environment_new(&e, &r.config, err));
        spa_rng_init_indexed(&rng, seed, "environment",
                             spa_hash_u64(spa_hash_u64(SPA_HASH_SEED, 0), 0));
        expect_ok(spa_environment_begin(e, 0, &rng, obs, mask, err));
        do {
            cr_assert_arr_eq(obs, r.obs, r.n_obs * sizeof *obs);
            cr_assert_arr_eq(mask, r.mask, r.n_slots);
            rig_act(&r, 0, 1);
            const void *action = r.config.continuous ? (void *)r.preferences : (void *)r.actions;
            expect_ok(spa_environment_decide(e, 0, action, obs, mask, &reward, &terminated,
                                             &truncated, err));
            rig_step(&r, 0, 1);
            cr_assert_eq(reward, r.reward[0]);
            cr_assert_eq(terminated, r.terminated[0]);
            cr_assert_eq(truncated, r.truncated[0]);
        } while (!terminated && !truncated);
        if (truncated) {
            cr_assert_arr_eq(obs, spa_environment_final_obs(r.e, 0), r.n_obs * sizeof *obs);
        } else {
            spa_error err = {0};
            cr_assert_eq(obs[1], 0);
            cr_assert_eq(mask[r.n_slots - 1], 1);
            cr_assert_eq(spa_environment_decide(e, 0, r.actions, obs, mask, &reward, &terminated,
                                                &truncated, &err),
                         SPA_E_INVALID);
        }
        spa_environment_free(e);
        rig_fini(&r);
    }
}

/* ---- memory -----------------------------------------------------------------------------------
 */

Test(learn_environment, nothing_allocates_after_it_was_made)
{
    rig r;
    random_config(&r, 4);
    rig_open(&r);
    oom_fail_at(-1);
    for (int step = 0; step < 500; step++) {
        rig_act(&r, 0, r.n);
        rig_step(&r, 0, r.n);
    }
    long count = oom_count();
    oom_off();
    cr_assert_eq(count, 0);
    rig_fini(&r);
}

Test(learn_environment, making_it_fails_cleanly_when_any_allocation_fails)
{
    alarm(300);
    rig r;
    random_config(&r, 4);
    r.config.n_envs = 2;
    for (long n = 0;; n++) {
        spa_error err = {0};
        oom_fail_at(n);
        spa_status status = spa_environment_new(&r.e, &r.config, &err);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", err.message);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld: %s", n, err.message);
        cr_assert_null(r.e);
    }
    rig_fini(&r);
}

/* ---- wrong use --------------------------------------------------------------------------------
 */

static void expect_refusal(rig *r, spa_status wanted)
{
    spa_error err = {0};
    spa_environment *e = NULL;
    cr_assert_eq(spa_environment_new(&e, &r->config, &err), wanted, "%s", err.message);
    cr_assert_gt(strlen(err.message), 10);
    cr_assert_null(e);
}

Test(learn_environment, refuses_configurations_that_make_no_sense)
{
    rig r;
    rig_scenes(&r, 1, 3);
    const spa_environment_config good = r.config;
    r.config.n_slots = 2;
    expect_refusal(&r, SPA_E_INVALID);
    r.config = good;
    r.config.n_costs = 0;
    expect_refusal(&r, SPA_E_INVALID);
    r.config = good;
    r.config.speed = (spa_range){2, 1};
    expect_refusal(&r, SPA_E_RANGE);
    r.config = good;
    r.config.lambda_energy = NAN;
    expect_refusal(&r, SPA_E_RANGE);
    r.config = good;
    r.scenes[0].costs.base_w = 0; /* and no power at all */
    for (size_t i = 0; i < r.scenes[0].costs.n_ops * 3; i++) r.scenes[0].costs.ops[i].dynamic_w = 0;
    for (int k = 0; k < 3; k++) r.scenes[0].costs.processors[k].dispatch_w = 0;
    for (int k = 0; k < 9; k++) r.scenes[0].costs.links[k / 3][k % 3].dynamic_w = 0;
    r.config.objective = SPA_OBJECTIVE_ENERGY;
    expect_refusal(&r, SPA_E_UNSUPPORTED);
    r.config = good;
    spa_scenario endless = spa_scenario_closed(1, UINT64_C(1) << 50);
    r.config.scenarios = &endless;
    r.config.n_scenarios = 1;
    expect_refusal(&r, SPA_E_RANGE);
    for (size_t i = 0; i < RIG_SCENES; i++) policies_scene_fini(&r.scenes[i]);
}

Test(learn_environment, refuses_masked_actions_and_steps_before_a_reset)
{
    rig r;
    spa_error err = {0};
    small_chain(&r, SPA_SHAPING_FINISH);
    r.actions[0] = 2;
    cr_assert_eq(spa_environment_step(r.e, 0, 1, r.actions, r.obs, r.mask, r.reward, r.terminated,
                                      r.truncated, &err),
                 SPA_E_ILLEGAL);
    cr_assert_str_eq(err.message, "environment 0: action 2 is masked or not there");
    cr_assert_eq(spa_environment_step(r.e, 0, 2, r.actions, r.obs, r.mask, r.reward, r.terminated,
                                      r.truncated, &err),
                 SPA_E_RANGE);
    spa_environment_free(r.e);
    cr_assert_eq(spa_environment_new(&r.e, &r.config, &err), SPA_OK);
    cr_assert_eq(spa_environment_step(r.e, 0, 1, r.actions, r.obs, r.mask, r.reward, r.terminated,
                                      r.truncated, &err),
                 SPA_E_INVALID);
    rig_fini(&r);
}
