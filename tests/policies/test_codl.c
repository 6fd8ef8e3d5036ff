/* codl: shares computed by hand. */
#include "tests/divide.h"
#include "tests/policies/scene.h"

/* The host takes 100, the accelerator 50; moving a tensor takes 10, a part of it in proportion. */
static void two(policies_scene *s, uint32_t n_ops)
{
    policies_scene_chain(s, n_ops, 2);
    for (uint32_t op = 0; op < n_ops; op++) {
        scene_kernel(s, op, 0, 100);
        scene_kernel(s, op, 1, 50);
    }
    scene_all_transfers(s, 10);
    tests_divide(&s->costs);
    cr_assert_eq(spa_costs_finish(&s->costs, NULL), SPA_OK);
}

/* One operator, its output wanted on the host: there with half given away, max(50, 10 + 25 + 5) =
 * 50. On the accelerator with 4 tenths back here: max(10 + 30, 40 + 4) and 10 to return = 54. */
Test(policies_codl, an_operator_is_split_so_that_both_processors_are_busy)
{
    policies_scene s;
    spa_schedule plan;
    two(&s, 1);
    scene_must_plan(&s, "codl", SPA_OBJECTIVE_LATENCY, 1, 0, &plan);
    cr_assert_eq(plan.processor[0], 0);
    cr_assert_eq(plan.second[0], 1);
    cr_assert_eq(plan.share[0], 5);
    cr_assert_float_eq(scene_value(&s, &plan, SPA_OBJECTIVE_LATENCY), 50, 0);
    spa_schedule_fini(&plan);
    policies_scene_fini(&s);
}

/* The first of two need not return: 44 on the accelerator beats 50. The second finds its input
 * there: kept there with 3 tenths given, max(35, 10 + 30 + 3) and 10 = 53; with 2, max(40, 32) and
 * 10 = 50; brought home with half given, max(10 + 50, 25 + 5) = 60; whole there 50 + 10 = 60. */
Test(policies_codl, sharing_depends_on_where_the_input_is)
{
    policies_scene s;
    spa_schedule plan;
    two(&s, 2);
    scene_must_plan(&s, "codl", SPA_OBJECTIVE_LATENCY, 1, 0, &plan);
    cr_assert_eq(plan.processor[0], 1);
    cr_assert_eq(plan.share[0], 4);
    cr_assert_eq(plan.processor[1], 1);
    cr_assert_eq(plan.share[1], 2);
    spa_schedule_fini(&plan);
    policies_scene_fini(&s);
}

Test(policies_codl, what_cannot_be_split_runs_whole_where_it_is_fastest)
{
    policies_scene s;
    spa_schedule plan;
    two(&s, 1);
    for (size_t i = 0; i < 2 * (SPA_TENTHS - 1); i++) s.costs.part_ns[i] = -1;
    scene_must_plan(&s, "codl", SPA_OBJECTIVE_LATENCY, 1, 0, &plan);
    cr_assert_eq(plan.processor[0], 1); /* 10 + 50 + 10 */
    cr_assert_eq(plan.share[0], 0);
    spa_schedule_fini(&plan);
    policies_scene_fini(&s);
}
