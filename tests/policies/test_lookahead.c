/* rollout and mcts. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "policies/lookahead.h"
#include "tests/base/check.h"
#include "tests/policies/scene.h"

static const char *const searches[] = {"rollout", "mcts"};

static double planned_value(const policies_scene *s, const char *text, spa_objective objective,
                            uint64_t budget)
{
    spa_schedule schedule;
    scene_must_plan(s, text, objective, 7, budget, &schedule);
    double value = scene_value(s, &schedule, objective);
    spa_schedule_fini(&schedule);
    return value;
}

static void rich_scene(policies_scene *s, uint64_t seed, uint32_t n_ops)
{
    policies_scene_options o = {.n_ops = n_ops,
                                .n_processors = 2 + (uint32_t)(seed % 3),
                                .max_inputs = 3,
                                .views = true,
                                .pulled = true,
                                .unable = true,
                                .power = true,
                                .dispatch = true,
                                .max_lanes = 2};
    policies_scene_random(s, seed, &o);
}

/* What a base gives when it runs itself: bases that decide at dispatch have no plan to evaluate. */
Test(policies_lookahead, is_never_worse_than_its_base)
{
    alarm(300);
    static const char *const bases[] = {"heft",     "peft",     "dp",           "greedy",
                                        "cpu-only", "gpu-only", "replan-greedy"};
    static const uint64_t budgets[] = {1, 2, 9, 60};
    for (uint64_t seed = 0; seed < 24; seed++) {
        policies_scene s;
        rich_scene(&s, seed, 30);
        for (size_t k = 0; k < sizeof bases / sizeof *bases; k++) {
            double base = (double)scene_run_ns(&s, bases[k], 7, 0, NULL);
            for (size_t i = 0; i < 2; i++) {
                char text[64];
                snprintf(text, sizeof text, "%s:base=%s", searches[i], bases[k]);
                double found =
                    planned_value(&s, text, SPA_OBJECTIVE_LATENCY, budgets[(seed + k + i) % 4]);
                cr_assert_leq(found, base, "seed %llu, %s", (unsigned long long)seed, text);
            }
        }
        policies_scene_fini(&s);
    }
}

/* One simulation is the base's own run: nothing is tried, and it stays as it is. */
Test(policies_lookahead, with_a_budget_of_one_it_is_its_base)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        policies_scene s;
        rich_scene(&s, seed, 20);
        for (size_t i = 0; i < 2; i++) {
            char text[64];
            snprintf(text, sizeof text, "%s:base=heft:budget=1", searches[i]);
            cr_assert_eq(planned_value(&s, text, SPA_OBJECTIVE_LATENCY, 0),
                         planned_value(&s, "heft", SPA_OBJECTIVE_LATENCY, 0));
        }
        policies_scene_fini(&s);
    }
}

Test(policies_lookahead, is_never_worse_than_any_of_its_bases_for_any_objective)
{
    alarm(300);
    static const spa_objective objectives[] = {SPA_OBJECTIVE_ENERGY, SPA_OBJECTIVE_EDP,
                                               SPA_OBJECTIVE_THROUGHPUT};
    static const char *const bases[] = {"cpu-only", "gpu-only"};
    for (uint64_t seed = 0; seed < 12; seed++) {
        policies_scene s;
        rich_scene(&s, seed, 30);
        for (size_t i = 0; i < 2; i++) {
            for (int k = 0; k < 3; k++) {
                double found = planned_value(&s, searches[i], objectives[k], 100);
                for (int b = 0; b < 2; b++)
                    cr_assert_leq(found, planned_value(&s, bases[b], objectives[k], 0),
                                  "seed %llu, %s", (unsigned long long)seed, searches[i]);
            }
        }
        policies_scene_fini(&s);
    }
}

/* Placements in graph order: heft's order may beat them all, hence <=. */
Test(policies_lookahead, finds_the_optimum_of_small_graphs)
{
    alarm(300);
    size_t found[2] = {0};
    for (uint64_t seed = 0; seed < 30; seed++) {
        policies_scene_options o = {.n_ops = 8, .n_processors = 2, .max_inputs = 2};
        policies_scene s;
        policies_scene_random(&s, seed, &o);
        double best = planned_value(&s, "exhaustive", SPA_OBJECTIVE_LATENCY, 0);
        for (size_t i = 0; i < 2; i++)
            found[i] += planned_value(&s, searches[i], SPA_OBJECTIVE_LATENCY, 400) <= best;
        policies_scene_fini(&s);
    }
    cr_assert_geq(found[0], 26, "rollout: %zu of 30", found[0]);
    cr_assert_geq(found[1], 28, "mcts: %zu of 30", found[1]);
}

/* At every decision of a run, segments are moved and the run completed: the value of the run on the
 * copy is the simulator's for the schedule that it left. */
Test(policies_lookahead, what_a_copy_completes_is_the_run_of_its_schedule)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 40; seed++) {
        policies_scene s;
        spa_schedule best;
        spa_lookahead l;
        spa_plan_context context = {
            .seed = 1, .budget = 1000000, .objective = SPA_OBJECTIVE_LATENCY};
        rich_scene(&s, seed, 24);
        context.graph = &s.graph;
        context.costs = &s.costs;
        expect_ok(spa_evaluator_new(&context.evaluator, &s.graph, &s.costs, true, err));
        expect_ok(spa_schedule_init(&best, 24, err));
        expect_ok(spa_lookahead_init(&l, "test", &context, 0, &best, err));
        expect_ok(spa_lookahead_bases(&l, seed % 2 ? "heft" : "greedy", err));
        const spa_schedule *base = &l.starts[0].schedule;
        expect_ok(spa_lookahead_restart(&l, base, err));
        for (uint32_t k = 0; !l.now_done; k++) {
            double value = 0;
            spa_schedule_copy(&l.trial, base);
            spa_lookahead_fork(&l);
            spa_lookahead_put_segment(&l, l.rank[spa_engine_asked(l.copy)], 1 + k % 9,
                                      k % s.costs.n_processors);
            expect_ok(spa_lookahead_complete(&l, &value, err));
            cr_assert_eq(value, scene_value(&s, &l.trial, SPA_OBJECTIVE_LATENCY), "seed %llu, %u",
                         (unsigned long long)seed, k);
            expect_ok(spa_lookahead_decide(l.now, base, &l.now_done, err));
        }
        spa_lookahead_fini(&l);
        spa_schedule_fini(&best);
        spa_evaluator_free(context.evaluator);
        policies_scene_fini(&s);
    }
}

Test(policies_lookahead, spends_no_more_than_its_budget)
{
    for (size_t i = 0; i < 2; i++) {
        for (uint64_t budget = 1; budget < 200; budget += 37) {
            const spa_policy *policy = NULL;
            spa_param_values values;
            spa_schedule schedule;
            void *self = NULL;
            policies_scene s;
            rich_scene(&s, 3, 40);
            spa_plan_context context = {.graph = &s.graph,
                                        .costs = &s.costs,
                                        .seed = 9,
                                        .budget = budget,
                                        .objective = SPA_OBJECTIVE_LATENCY};
            cr_assert_eq(spa_policy_parse(searches[i], &policy, &values, NULL), SPA_OK);
            cr_assert_eq(policy->create(&self, &values, NULL), SPA_OK);
            cr_assert_eq(spa_evaluator_new(&context.evaluator, &s.graph, &s.costs, true, NULL),
                         SPA_OK);
            cr_assert_eq(spa_schedule_init(&schedule, 40, NULL), SPA_OK);
            cr_assert_eq(policy->plan(self, &context, &schedule, NULL), SPA_OK);
            cr_assert_leq(spa_evaluator_count(context.evaluator), budget, "%s", searches[i]);
            cr_assert_geq(spa_evaluator_count(context.evaluator), budget < 100 ? budget : 100, "%s",
                          searches[i]);
            spa_evaluator_free(context.evaluator);
            spa_schedule_fini(&schedule);
            policy->destroy(self);
            policies_scene_fini(&s);
        }
    }
}

Test(policies_lookahead, ends_when_everything_has_been_tried)
{
    policies_scene s;
    spa_schedule schedule;
    policies_scene_chain(&s, 3, 2);
    for (uint32_t k = 0; k < 6; k++) scene_kernel(&s, k / 2, k % 2, 10 + k);
    scene_all_transfers(&s, 4);
    cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
    for (size_t i = 0; i < 2; i++) {
        scene_must_plan(&s, searches[i], SPA_OBJECTIVE_LATENCY, 1, 100000, &schedule);
        spa_schedule_fini(&schedule);
    }
    policies_scene_fini(&s);
}

/* Two operators in a chain: 10 each on the host, 4 each on the accelerator, transfers of 5. Both on
 * the host: 20; either away alone: 5 + 4 + 5 + 10 = 24; both away: 5 + 4 + 4 + 5 = 18. Single
 * choices never leave the host. Simulations: the base, each alone, both. */
Test(policies_rollout, takes_operators_across_together)
{
    policies_scene s;
    policies_scene_chain(&s, 2, 2);
    for (uint32_t op = 0; op < 2; op++) {
        scene_kernel(&s, op, 0, 10);
        scene_kernel(&s, op, 1, 4);
    }
    scene_all_transfers(&s, 5);
    cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
    cr_assert_eq(planned_value(&s, "cpu-only", SPA_OBJECTIVE_LATENCY, 0), 20);
    cr_assert_eq(planned_value(&s, "rollout:base=cpu-only", SPA_OBJECTIVE_LATENCY, 3), 20);
    cr_assert_eq(planned_value(&s, "rollout:base=cpu-only", SPA_OBJECTIVE_LATENCY, 4), 18);
    policies_scene_fini(&s);
}

Test(policies_mcts, depends_on_its_seed_alone)
{
    policies_scene s;
    spa_schedule a, b;
    rich_scene(&s, 11, 40);
    scene_must_plan(&s, "mcts", SPA_OBJECTIVE_LATENCY, 5, 300, &a);
    scene_must_plan(&s, "mcts:budget=300", SPA_OBJECTIVE_LATENCY, 5, 10, &b);
    cr_assert_arr_eq(a.processor, b.processor, 40);
    cr_assert_arr_eq(a.order, b.order, 40 * sizeof *a.order);
    spa_schedule_fini(&a);
    spa_schedule_fini(&b);
    policies_scene_fini(&s);
}

Test(policies_lookahead, refuses_bases_that_search_or_do_not_exist)
{
    policies_scene s;
    spa_schedule schedule;
    spa_error err = {0};
    rich_scene(&s, 1, 10);
    cr_assert_eq(
        scene_plan(&s, "rollout:base=local-search", SPA_OBJECTIVE_LATENCY, 1, 9, &schedule, &err),
        SPA_E_INVALID);
    cr_assert_str_eq(err.message,
                     "rollout: 'local-search' cannot be the base policy: it searches itself");
    cr_assert_eq(scene_plan(&s, "mcts:base=mcts", SPA_OBJECTIVE_LATENCY, 1, 9, &schedule, &err),
                 SPA_E_INVALID);
    cr_assert_eq(scene_plan(&s, "mcts:base=hefty", SPA_OBJECTIVE_LATENCY, 1, 9, &schedule, &err),
                 SPA_E_NOT_FOUND);
    cr_assert_eq(scene_plan(&s, "rollout", SPA_OBJECTIVE_LATENCY, 1, 0, &schedule, &err),
                 SPA_E_INVALID);
    policies_scene_fini(&s);
}
