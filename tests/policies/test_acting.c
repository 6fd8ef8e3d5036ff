/* Features, actions, and learned functions as policies. */
#include <math.h>
#include <stdlib.h>
#include "policies/learn/acting.h"
#include "tests/oom.h"
#include "tests/policies/environment_rig.h"

/* ---- a hand-made learned policy: the slot with the earliest finish ----------------------------
 */

typedef struct early {
    spa_acting acting;
    uint32_t n_slots;
} early;

static float earliest(const void *decider, const float *obs, const uint8_t *mask)
{
    uint32_t n = *(const uint32_t *)decider, best = n;
    float least = INFINITY;
    for (uint32_t s = 0; s < n; s++) {
        float later = obs[SPA_FEATURES_AT(n, s, SPA_SLOT_LATER)];
        if (!mask[s] || later >= least) continue;
        least = later;
        best = s;
    }
    return (float)best;
}

/* The middle of the slot's part of [-1, 1]. */
static float earliest_preference(const void *decider, const float *obs, const uint8_t *mask)
{
    uint32_t n = *(const uint32_t *)decider;
    return 2 * (earliest(decider, obs, mask) + 0.5f) / (float)n - 1;
}

static float nonsense(const void *decider, const float *obs, const uint8_t *mask)
{
    return *(const float *)decider;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    return spa_acting_plan(&((early *)self)->acting, context, schedule, err);
}

static void place(const void *self, void *memory, const spa_view *view, uint32_t op,
                  spa_action *action)
{
    spa_acting_place(&((const early *)self)->acting, view, op, action);
}

static const spa_policy early_policy = {.abi = SPA_POLICY_ABI,
                                        .struct_size = sizeof(spa_policy),
                                        .name = "early",
                                        .capabilities = SPA_CAP_PLAN | SPA_CAP_PLACE,
                                        .objectives = SPA_OBJECTIVE_LATENCY,
                                        .decision_cycles = 75,
                                        .plan = plan,
                                        .place = place};

static spa_status run_with(const policies_scene *s, const spa_policy *policy, void *self,
                           const spa_scenario *scenario, spa_run_result *result, spa_error *why)
{
    spa_run_config c = spa_run_config_default();
    spa_plan_context context = {
        .graph = &s->graph, .costs = &s->costs, .objective = SPA_OBJECTIVE_LATENCY};
    spa_schedule schedule = {0};
    spa_engine *engine = NULL;
    c.graph = &s->graph;
    c.costs = &s->costs;
    c.policy = policy;
    c.self = self;
    c.scenario = *scenario;
    c.scenario.warmup = 0;
    if (policy->plan) {
        expect_ok(spa_schedule_init(&schedule, s->graph.n_ops, err));
        expect_ok(policy->plan(self, &context, &schedule, err));
        expect_ok(spa_schedule_check(&schedule, &s->costs, err));
        c.schedule = &schedule;
    }
    expect_ok(spa_engine_new(&engine, &c, err));
    spa_status status = spa_engine_run(engine, NULL, result, why);
    spa_engine_free(engine);
    spa_schedule_fini(&schedule);
    return status;
}

static void run_greedy(const policies_scene *s, const spa_scenario *scenario,
                       spa_run_result *result)
{
    const spa_policy *greedy;
    spa_param_values values;
    void *self = NULL;
    expect_ok(spa_policy_parse("greedy:overlap=1", &greedy, &values, err));
    expect_ok(greedy->create(&self, &values, err));
    expect_ok(run_with(s, greedy, self, scenario, result, err));
    greedy->destroy(self);
}

/* Greedy with overlapping transfers takes the earliest expected finish, of equals the lowest
 * processor: the same rule on the view's own numbers. */
Test(learn_acting, the_earliest_finish_seen_in_observations_is_greedys)
{
    const spa_scenario scenarios[] = {spa_scenario_closed(1, 1), spa_scenario_closed(3, 7)};
    for (uint64_t seed = 0; seed < 60; seed++) {
        rig r;
        rig_scenes(&r, seed, 0);
        for (size_t i = 0; i < RIG_SCENES; i++) {
            early self = {.n_slots = r.costs[i]->n_processors};
            spa_run_result greedy, learned;
            self.acting.decide = seed % 2 ? earliest_preference : earliest;
            self.acting.continuous = seed % 2;
            self.acting.decider = &self.n_slots;
            run_greedy(&r.scenes[i], &scenarios[seed % 2], &greedy);
            expect_ok(
                run_with(&r.scenes[i], &early_policy, &self, &scenarios[seed % 2], &learned, err));
            cr_assert_eq(learned.digest, greedy.digest, "seed %llu, scene %zu",
                         (unsigned long long)seed, i);
            spa_acting_fini(&self.acting);
        }
        rig_fini(&r);
    }
}

static void check_same(rig *r)
{
    const spa_scenario single = spa_scenario_closed(1, 1);
    early self = {.n_slots = r->costs[0]->n_processors};
    spa_run_result result;
    self.acting.decide = earliest;
    self.acting.decider = &self.n_slots;
    self.acting.options.rank_order = r->config.rank_order;
    expect_ok(run_with(&r->scenes[0], &early_policy, &self, &single, &result, err));
    do {
        r->actions[0] = (uint32_t)earliest(&self.n_slots, r->obs, r->mask);
        rig_step(r, 0, 1);
    } while (!r->terminated[0]);
    cr_assert_eq(spa_environment_last(r->e, 0)->value, (double)result.span_ns);
    spa_acting_fini(&self.acting);
}

Test(learn_acting, decides_in_a_run_as_it_did_in_the_environment)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        rig r;
        rig_scenes(&r, seed, 0);
        r.config.n_costs = 1;
        r.config.n_envs = 1;
        r.config.rank_order = seed / 2 % 2;
        r.config.decision_cycles = early_policy.decision_cycles;
        rig_open(&r);
        for (int episode = 0; episode < 2; episode++) check_same(&r);
        rig_fini(&r);
    }
}

Test(learn_acting, a_choice_that_means_nothing_fails_the_run)
{
    static const float choices[] = {-1, 2, NAN, INFINITY};
    const spa_scenario single = spa_scenario_closed(1, 1);
    rig r;
    rig_scenes(&r, 3, 2);
    for (int k = 0; k < 8; k++) {
        spa_run_result result;
        spa_error err = {0};
        early self = {.acting = {.decide = nonsense, .decider = &choices[k % 4]}};
        self.acting.continuous = k >= 4;
        if (k == 4) continue; /* -1 is the host */
        cr_assert_eq(run_with(&r.scenes[0], &early_policy, &self, &single, &result, &err),
                     SPA_E_ILLEGAL);
        spa_acting_fini(&self.acting);
    }
    rig_fini(&r);
}

Test(learn_acting, planning_fails_cleanly_when_any_allocation_fails)
{
    rig r;
    rig_scenes(&r, 2, 3);
    for (long n = 0;; n++) {
        spa_features f;
        spa_features_options o = {.rank_order = true};
        oom_fail_at(n);
        spa_status status = spa_features_init(&f, r.costs[0], &o, NULL);
        bool failed = oom_failed();
        oom_off();
        spa_features_fini(&f);
        cr_assert_eq(status, failed ? SPA_E_NOMEM : SPA_OK);
        if (!failed) break;
    }
    rig_fini(&r);
}

/* ---- actions ----------------------------------------------------------------------------------
 */

static void expect_preference(const spa_features *f, uint32_t op, float u, int32_t processor)
{
    spa_action action = {.processor = -9, .lane = 3};
    cr_assert(spa_action_of_preference(f, op, u, &action), "%g", (double)u);
    cr_assert_eq(action.processor, processor, "%g: %d, not %d", (double)u, action.processor,
                 processor);
    cr_assert_eq(action.lane, SPA_LANE_ANY);
}

/* The host is processor 1 here, so slots 0, 1, 2 are processors 1, 0, 2. Operator 0 runs
 * everywhere, operator 1 not on processor 0 (the middle slot), operator 2 on processor 2 only. */
Test(learn_actions, a_preference_is_cut_into_one_part_per_processor)
{
    policies_scene s;
    spa_features f;
    spa_features_options o = {.n_slots = 4};
    spa_action action;
    policies_scene_chain(&s, 3, 3);
    for (uint32_t k = 0; k < 9; k++) scene_kernel(&s, k / 3, k % 3, 10);
    scene_kernel(&s, 1, 0, -1);
    scene_kernel(&s, 2, 0, -1);
    scene_kernel(&s, 2, 1, -1);
    s.costs.host = 1;
    expect_ok(spa_costs_finish(&s.costs, err));
    expect_ok(spa_features_init(&f, &s.costs, &o, err));
    expect_preference(&f, 0, -1, 1);
    expect_preference(&f, 0, -0.34f, 1);
    expect_preference(&f, 0, -0.33f, 0);
    expect_preference(&f, 0, 0.33f, 0);
    expect_preference(&f, 0, 0.34f, 2);
    expect_preference(&f, 0, 1, 2);
    expect_preference(&f, 1, 0, 1); /* equally near: the lower slot */
    expect_preference(&f, 1, -0.1f, 1);
    expect_preference(&f, 1, 0.1f, 2);
    expect_preference(&f, 2, -1, 2);
    cr_assert(!spa_action_of_preference(&f, 0, 1.01f, &action));
    cr_assert(!spa_action_of_preference(&f, 0, NAN, &action));
    cr_assert(spa_action_of_slot(&f, 1, 0, &action));
    cr_assert_eq(action.processor, 1);
    cr_assert(!spa_action_of_slot(&f, 1, 1, &action));
    cr_assert(!spa_action_of_slot(&f, 0, 3, &action)); /* a slot without a processor */
    spa_features_fini(&f);
    policies_scene_fini(&s);
}

Test(learn_actions, with_two_processors_the_sign_decides)
{
    policies_scene s;
    spa_features f;
    spa_features_options o = {0};
    policies_scene_chain(&s, 1, 2);
    scene_kernel(&s, 0, 0, 10);
    scene_kernel(&s, 0, 1, 10);
    expect_ok(spa_costs_finish(&s.costs, err));
    expect_ok(spa_features_init(&f, &s.costs, &o, err));
    expect_preference(&f, 0, -1, 0);
    expect_preference(&f, 0, -1e-6f, 0);
    expect_preference(&f, 0, 0, 1);
    expect_preference(&f, 0, 1, 1);
    spa_features_fini(&f);
    policies_scene_fini(&s);
}

/* ---- features ---------------------------------------------------------------------------------
 */

static void expect_float(const float *obs, size_t at, double wanted)
{
    cr_assert_float_eq((double)obs[at], wanted, 1e-6, "feature %zu is %g, not %g", at,
                       (double)obs[at], wanted);
}

static double squashed(double x)
{
    return x / (1 + fabs(x));
}

/* A chain of three: host 10, 20, 30 and accelerator 4, 30, 6; transfers of 5; the typical time is
 * (4 + 20 + 6) / 3 = 10. Operator 1 is to be placed at time 9: operator 0 ran on the accelerator.
 * From 1's end the rest takes 30 on the host or 5 + 6 + 5 across it: 16; on the accelerator
 * min(6 + 5, 5 + 30) = 11. On the host it is ready at 9 + 5 and ends at 34, all at 50 at best; on
 * the accelerator at 39, all at 50. */
Test(learn_features, are_what_the_page_says)
{
    static const int64_t kernel[3][2] = {{10, 4}, {20, 30}, {30, 6}};
    const uint32_t own = SPA_FEATURES_OP_AT(2u), fixed = own + SPA_FEATURES_OP;
    const uint32_t run = SPA_FEATURES_RUN_AT(2u);
    float obs[SPA_FEATURES_MAX];
    spa_features_options o = {0};
    spa_features f;
    spa_outlook outlook;
    spa_engine *engine;
    spa_run_config c = spa_run_config_default();
    policies_scene s;
    bool done;
    policies_scene_chain(&s, 3, 2);
    for (uint32_t k = 0; k < 6; k++) scene_kernel(&s, k / 2, k % 2, kernel[k / 2][k % 2]);
    scene_all_transfers(&s, 5);
    s.graph.ops[1].macs = 999999;
    s.graph.ops[1].sparsity = 0.25;
    expect_ok(spa_costs_finish(&s.costs, err));
    expect_ok(spa_features_init(&f, &s.costs, &o, err));
    cr_assert_eq(f.n_obs, SPA_FEATURES_COUNT(2));
    cr_assert_eq(f.scale_ns, 10);
    c.graph = &s.graph;
    c.costs = &s.costs;
    c.stepped = true;
    expect_ok(spa_engine_new(&engine, &c, err));
    expect_ok(spa_engine_start(engine, &done, err));
    expect_ok(
        spa_engine_decide(engine, (spa_action){.processor = 1, .lane = SPA_LANE_ANY}, &done, err));
    cr_assert_eq(spa_engine_now(engine), 9);
    spa_features_look(&f, spa_engine_view(engine), 1, &outlook);
    spa_features_observe(&f, spa_engine_view(engine), 1, &outlook, obs);
    expect_float(obs, own + 0, 0.25);
    expect_float(obs, own + 1, 1);
    expect_float(obs, own + 3, 6.0 / 16);
    expect_float(obs, own + 10, squashed(0.5)); /* one reader */
    expect_float(obs, own + 11, 0);
    expect_float(obs, fixed + 0, 1);
    expect_float(obs, fixed + 1, squashed(2));   /* 20 on the host */
    expect_float(obs, fixed + 2, 0);             /* the faster one */
    expect_float(obs, fixed + 3, squashed(0.5)); /* 16 to go, 5 more than 11 */
    expect_float(obs, fixed + 4, squashed(0.5)); /* 5 to bring the output across */
    expect_float(obs, fixed + 6, squashed(3));   /* the next operator */
    expect_float(obs, fixed + 7, 0);             /* there is none after it */
    expect_float(obs, fixed + SPA_FEATURES_OP_SLOT + 1, squashed(3));
    expect_float(obs, fixed + SPA_FEATURES_OP_SLOT + 2, (30.0 - 20) / (30 + 20));
    expect_float(obs, fixed + SPA_FEATURES_OP_SLOT + 3, 0);
    expect_float(obs, run + 0, 0); /* one request in flight */
    expect_float(obs, run + 1, squashed((34 - 9) / 10.0));
    expect_float(obs, SPA_FEATURES_AT(2, 0, SPA_SLOT_READY), squashed(0.5));
    expect_float(obs, SPA_FEATURES_AT(2, 1, SPA_SLOT_READY), 0);
    expect_float(obs, SPA_FEATURES_AT(2, 0, SPA_SLOT_BACKLOG), 0);
    expect_float(obs, SPA_FEATURES_AT(2, 0, SPA_SLOT_UTILISATION), 0);
    expect_float(obs, SPA_FEATURES_AT(2, 1, SPA_SLOT_UTILISATION), 4.0 / 9);
    expect_float(obs, SPA_FEATURES_AT(2, 0, SPA_SLOT_TRANSFER), squashed(0.5));
    expect_float(obs, SPA_FEATURES_AT(2, 0, SPA_SLOT_LATER), 0);
    expect_float(obs, SPA_FEATURES_AT(2, 1, SPA_SLOT_LATER), squashed(0.5));
    expect_float(obs, SPA_FEATURES_AT(2, 0, SPA_SLOT_END_LATER), 0);
    expect_float(obs, SPA_FEATURES_AT(2, 1, SPA_SLOT_END_LATER), 0);
    spa_engine_free(engine);
    spa_features_fini(&f);
    policies_scene_fini(&s);
}

Test(learn_features, compare_with_predicted_thresholds_where_there_are_some)
{
    float thresholds[2] = {0.75f, 8}, obs[SPA_FEATURES_MAX];
    spa_features_options o = {.thresholds = thresholds};
    spa_features f;
    policies_scene s;
    policies_scene_chain(&s, 1, 1);
    scene_kernel(&s, 0, 0, 10);
    s.graph.ops[0].macs = 999999;
    s.graph.ops[0].sparsity = 0.25;
    expect_ok(spa_costs_finish(&s.costs, err));
    expect_ok(spa_features_init(&f, &s.costs, &o, err));
    memcpy(obs, f.fixed, f.n_fixed * sizeof *obs);
    expect_float(obs, 4, squashed(0.5));
    expect_float(obs, 5, squashed(2));
    spa_features_fini(&f);
    policies_scene_fini(&s);
}

/* By falling upward rank: of two branches from one operator, the long one goes first. */
Test(learn_features, can_order_dispatch_by_upward_rank)
{
    static const int32_t inputs[4][4] = {
        {SPA_GRAPH_INPUT(0), INT32_MAX}, {0, INT32_MAX}, {0, INT32_MAX}, {2, INT32_MAX}};
    policies_scene s;
    spa_features f;
    spa_features_options o = {.rank_order = true};
    policies_scene_edges(&s, 4, 2, inputs);
    for (uint32_t k = 0; k < 8; k++) scene_kernel(&s, k / 2, k % 2, 10);
    expect_ok(spa_costs_finish(&s.costs, err));
    expect_ok(spa_features_init(&f, &s.costs, &o, err));
    cr_assert_eq(f.schedule.order[0], 0);
    cr_assert_eq(f.schedule.order[1], 2);
    cr_assert_eq(f.schedule.order[2], 1); /* as urgent as the last one: graph order */
    cr_assert_eq(f.schedule.order[3], 3);
    expect_ok(spa_schedule_check(&f.schedule, &s.costs, err));
    spa_features_fini(&f);
    policies_scene_fini(&s);
}
