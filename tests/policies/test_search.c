/* exhaustive and local-search. */
#include <string.h>
#include "tests/policies/scene.h"

static const char *const placements_only[] = {
    "cpu-only", "gpu-only", "split", "random", "dp", "intensity-only", "sparsity-only", "threshold",
};
static const char *const all_others[] = {
    "cpu-only",      "gpu-only",  "split",        "random",  "greedy",
    "replan-greedy", "dp",        "heft",         "peft",    "intensity-only",
    "sparsity-only", "threshold", "local-search", "rollout", "mcts",
};

static double planned_value(const policies_scene *s, const char *text, spa_objective objective)
{
    spa_schedule schedule;
    scene_must_plan(s, text, objective, 7, 200, &schedule);
    double value = scene_value(s, &schedule, objective);
    spa_schedule_fini(&schedule);
    return value;
}

Test(policies_exhaustive, is_never_worse_than_any_placement_in_graph_order)
{
    static const spa_objective objectives[] = {SPA_OBJECTIVE_LATENCY, SPA_OBJECTIVE_ENERGY,
                                               SPA_OBJECTIVE_EDP};
    for (uint64_t seed = 0; seed < 45; seed++) {
        policies_scene_options o = {.n_ops = 8,
                                    .n_processors = 2,
                                    .max_inputs = 3,
                                    .views = true,
                                    .pulled = true,
                                    .unable = true,
                                    .power = true,
                                    .dispatch = true,
                                    .max_lanes = 2};
        spa_objective objective = objectives[seed % 3];
        policies_scene s;
        policies_scene_random(&s, seed, &o);
        double best = planned_value(&s, "exhaustive", objective);
        for (size_t k = 0; k < sizeof placements_only / sizeof *placements_only; k++) {
            if (objective == SPA_OBJECTIVE_EDP && strcmp(placements_only[k], "dp") == 0) continue;
            double value = planned_value(&s, placements_only[k], objective);
            cr_assert_leq(best, value, "seed %llu, %s", (unsigned long long)seed,
                          placements_only[k]);
        }
        policies_scene_fini(&s);
    }
}

Test(policies_exhaustive, with_all_orders_is_never_worse_than_any_policy)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        policies_scene_options o = {
            .n_ops = 6, .n_processors = 2, .max_inputs = 2, .reach = 3, .unable = true};
        policies_scene s;
        policies_scene_random(&s, seed, &o);
        double best = planned_value(&s, "exhaustive:orders=1", SPA_OBJECTIVE_LATENCY);
        for (size_t k = 0; k < sizeof all_others / sizeof *all_others; k++) {
            int64_t ns = scene_run_ns(&s, all_others[k], 7, 200, NULL);
            cr_assert_leq(best, (double)ns, "seed %llu, %s", (unsigned long long)seed,
                          all_others[k]);
        }
        policies_scene_fini(&s);
    }
}

/* Host, and two accelerators that are alike in everything: 3^7 placements, about half of them
 * different. The kernels take times of their own and nothing is contended, so no tie is broken by
 * an index. */
Test(policies_exhaustive, loses_nothing_by_not_telling_twins_apart)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        policies_scene_options o = {.n_ops = 7, .n_processors = 3, .max_inputs = 2};
        policies_scene s;
        policies_scene_random(&s, seed, &o);
        s.costs.processors[2].is_async = s.costs.processors[1].is_async;
        for (uint32_t i = 0; i < 7; i++) s.costs.ops[i * 3 + 2] = s.costs.ops[i * 3 + 1];
        scene_all_transfers(&s, 13);
        cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
        cr_assert_eq(planned_value(&s, "exhaustive", SPA_OBJECTIVE_LATENCY),
                     planned_value(&s, "exhaustive:symmetry=0", SPA_OBJECTIVE_LATENCY));
        policies_scene_fini(&s);
    }
}

Test(policies_exhaustive, refuses_a_large_graph_with_its_size_and_limit)
{
    policies_scene s;
    spa_schedule schedule;
    spa_error err = {0};
    policies_scene_chain(&s, 68, 2);
    for (uint32_t i = 0; i < 68; i++) {
        scene_kernel(&s, i, 0, 10);
        scene_kernel(&s, i, 1, 5);
    }
    cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
    cr_assert_eq(scene_plan(&s, "exhaustive", SPA_OBJECTIVE_LATENCY, 1, 0, &schedule, &err),
                 SPA_E_UNSUPPORTED);
    cr_assert_str_eq(err.message, "exhaustive: 2^68 placements of 'scene'; the limit is 65536 "
                                  "(exhaustive:limit=N)");
    policies_scene_fini(&s);
}

/* 2 operators without edges between them: 4 placements in 2 orders are 8 evaluations. */
Test(policies_exhaustive, counts_orders_against_its_limit)
{
    static const int32_t inputs[2][4] = {{SPA_GRAPH_INPUT(0), INT32_MAX},
                                         {SPA_GRAPH_INPUT(0), INT32_MAX}};
    policies_scene s;
    spa_schedule schedule;
    policies_scene_edges(&s, 2, 2, inputs);
    for (uint32_t k = 0; k < 4; k++) scene_kernel(&s, k / 2, k % 2, 10);
    cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
    cr_assert_eq(
        scene_plan(&s, "exhaustive:orders=1:limit=7", SPA_OBJECTIVE_LATENCY, 1, 0, &schedule, NULL),
        SPA_E_UNSUPPORTED);
    cr_assert_eq(
        scene_plan(&s, "exhaustive:orders=1:limit=8", SPA_OBJECTIVE_LATENCY, 1, 0, &schedule, NULL),
        SPA_OK);
    spa_schedule_fini(&schedule);
    policies_scene_fini(&s);
}

Test(policies_local_search, is_never_worse_than_its_seeds)
{
    static const spa_objective objectives[] = {SPA_OBJECTIVE_LATENCY, SPA_OBJECTIVE_ENERGY,
                                               SPA_OBJECTIVE_EDP};
    static const char *const seeds[] = {"cpu-only", "gpu-only", "dp", "heft"};
    for (uint64_t seed = 0; seed < 30; seed++) {
        policies_scene_options o = {.n_ops = 30,
                                    .n_processors = 2 + (uint32_t)(seed % 2),
                                    .max_inputs = 3,
                                    .views = true,
                                    .pulled = true,
                                    .unable = true,
                                    .power = true,
                                    .max_lanes = 2};
        policies_scene s;
        policies_scene_random(&s, seed, &o);
        for (int k = 0; k < 3; k++) {
            double found = planned_value(&s, "local-search", objectives[k]);
            for (int p = 0; p < 4; p++) {
                spa_schedule schedule;
                bool honours = k == 0 || p < 2;
                scene_must_plan(&s, seeds[p], honours ? objectives[k] : SPA_OBJECTIVE_LATENCY, 7, 0,
                                &schedule);
                if (honours || p == 3) {
                    double value = scene_value(&s, &schedule, objectives[k]);
                    cr_assert_leq(found, value, "seed %llu, %s", (unsigned long long)seed,
                                  seeds[p]);
                }
                spa_schedule_fini(&schedule);
            }
        }
        policies_scene_fini(&s);
    }
}

Test(policies_local_search, finds_the_optimum_of_small_graphs)
{
    size_t found = 0;
    for (uint64_t seed = 0; seed < 30; seed++) {
        policies_scene_options o = {.n_ops = 8, .n_processors = 2, .max_inputs = 2};
        policies_scene s;
        policies_scene_random(&s, seed, &o);
        double best = planned_value(&s, "exhaustive", SPA_OBJECTIVE_LATENCY);
        /* heft's order may even beat all placements in graph order */
        found += planned_value(&s, "local-search:budget=400", SPA_OBJECTIVE_LATENCY) <= best;
        policies_scene_fini(&s);
    }
    cr_assert_geq(found, 28);
}

Test(policies_local_search, spends_exactly_its_budget_and_repeats_itself)
{
    policies_scene_options o = {.n_ops = 40, .n_processors = 2, .max_inputs = 2};
    policies_scene s;
    spa_schedule a, b, c;
    policies_scene_random(&s, 3, &o);
    const spa_policy *policy = &spa_policy_local_search;
    spa_param_values values;
    void *self = NULL;
    spa_plan_context context = {.graph = &s.graph,
                                .costs = &s.costs,
                                .seed = 9,
                                .budget = 123,
                                .objective = SPA_OBJECTIVE_LATENCY};
    spa_params_defaults(policy->params, policy->n_params, &values);
    cr_assert_eq(policy->create(&self, &values, NULL), SPA_OK);
    cr_assert_eq(spa_evaluator_new(&context.evaluator, &s.graph, &s.costs, true, NULL), SPA_OK);
    cr_assert_eq(spa_schedule_init(&a, 40, NULL), SPA_OK);
    cr_assert_eq(policy->plan(self, &context, &a, NULL), SPA_OK);
    cr_assert_eq(spa_evaluator_count(context.evaluator), 123);
    spa_evaluator_free(context.evaluator);
    policy->destroy(self);
    scene_must_plan(&s, "local-search", SPA_OBJECTIVE_LATENCY, 9, 123, &b);
    scene_must_plan(&s, "local-search:budget=123", SPA_OBJECTIVE_LATENCY, 9, 5, &c);
    cr_assert_arr_eq(a.processor, b.processor, 40);
    cr_assert_arr_eq(a.processor, c.processor, 40);
    cr_assert_arr_eq(a.order, b.order, 40 * sizeof *a.order);
    spa_schedule_fini(&a);
    spa_schedule_fini(&b);
    spa_schedule_fini(&c);
    policies_scene_fini(&s);
}

/* Three operators have 8 placements; with heft's order there are a few schedules more. */
Test(policies_local_search, ends_when_everything_has_been_tried)
{
    policies_scene s;
    spa_schedule schedule;
    policies_scene_chain(&s, 3, 2);
    for (uint32_t k = 0; k < 6; k++) scene_kernel(&s, k / 2, k % 2, 10 + k);
    scene_all_transfers(&s, 4);
    cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
    scene_must_plan(&s, "local-search:budget=1e6", SPA_OBJECTIVE_LATENCY, 1, 0, &schedule);
    spa_schedule_fini(&schedule);
    policies_scene_fini(&s);
}
