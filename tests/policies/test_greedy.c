/* greedy and replan-greedy, by hand. */
#include <string.h>
#include "tests/policies/scene.h"

/* place() of a policy on a view. */
static int32_t placed_by(const char *text, const spa_view *view, uint32_t op)
{
    const spa_policy *policy = NULL;
    spa_param_values values;
    spa_action action = {.processor = -1};
    void *self = NULL;
    cr_assert_eq(spa_policy_parse(text, &policy, &values, NULL), SPA_OK);
    cr_assert_eq(policy->create(&self, &values, NULL), SPA_OK);
    policy->place(self, NULL, view, op, &action);
    policy->destroy(self);
    cr_assert_eq(action.lane, SPA_LANE_ANY);
    return action.processor;
}

/* A chain on a host and one accelerator, every move `move` ns. */
static void make_chain(policies_scene *s, uint32_t n, const int64_t *host,
                       const int64_t *accelerator, int64_t move)
{
    policies_scene_chain(s, n, 2);
    for (uint32_t i = 0; i < n; i++) {
        scene_kernel(s, i, 0, host[i]);
        scene_kernel(s, i, 1, accelerator[i]);
    }
    scene_all_transfers(s, move);
    cr_assert_eq(spa_costs_finish(&s->costs, NULL), SPA_OK);
}

/* Host 10 3 10, accelerator 4 20 4, moves 5:
 *   op 0: host 0 + 10 = 10; accelerator 0 + 5 + 4 = 9            -> accelerator, done at 9
 *   op 1: host 9 + 5 + 3 = 17; accelerator 9 + 20 = 29           -> host, done at 17
 *   op 2: host 17 + 10 = 27; accelerator max(9, 17) + 5 + 4 = 26 -> accelerator, done at 26
 * and 5 back to the host: 31. */
static const int64_t abc_host[] = {10, 3, 10}, abc_accelerator[] = {4, 20, 4};

Test(policies_greedy, takes_the_earliest_finish_of_each_operator_in_turn)
{
    policies_scene s;
    spa_schedule schedule;
    make_chain(&s, 3, abc_host, abc_accelerator, 5);
    cr_assert_eq(spa_schedule_init(&schedule, 3, NULL), SPA_OK);
    cr_assert_eq(spa_greedy_plan(&s.costs, &schedule, NULL), SPA_OK);
    cr_assert_str_eq(scene_letters(&s, &schedule), "AHA");
    cr_assert_eq(scene_value(&s, &schedule, SPA_OBJECTIVE_LATENCY), 31);
    cr_assert_eq(scene_run_ns(&s, "greedy", 1, 0, NULL), 31);
    spa_schedule_fini(&schedule);
    policies_scene_fini(&s);
}

/* The accelerator is busy until 20, the input takes 10 to get there, the kernel 5; the host would
 * be done at 34. As published: 20 + 10 + 5 = 35 > 34. Overlapping: max(20, 10) + 5 = 25 < 34. */
Test(policies_greedy, adds_transfers_to_the_queue_unless_told_that_they_overlap)
{
    static const int64_t host[] = {34}, accelerator[] = {5};
    static const int64_t finish[2] = {INT64_MAX, 0};
    static const uint8_t where[2] = {0, 1}, placed[1] = {0xff};
    policies_scene s;
    make_chain(&s, 1, host, accelerator, 10);
    spa_view view = {.graph = &s.graph,
                     .costs = &s.costs,
                     .in_flight = 1,
                     .finish_ns = finish,
                     .where = where,
                     .placed = placed,
                     .free_ns = {0, 20}};
    cr_assert_eq(placed_by("greedy", &view, 0), 0);
    cr_assert_eq(placed_by("greedy:overlap=1", &view, 0), 1);
    policies_scene_fini(&s);
}

/* Equal finish times: 10 on either. */
Test(policies_greedy, takes_the_first_of_equals_and_never_what_cannot_run)
{
    static const int64_t host[] = {10, -1}, accelerator[] = {10, 50};
    static const int64_t finish[3] = {10, INT64_MAX, 0};
    static const uint8_t where[3] = {1, 0, 3}, placed[2] = {0, 0xff};
    policies_scene s;
    make_chain(&s, 2, host, accelerator, 0);
    spa_view view = {.graph = &s.graph,
                     .costs = &s.costs,
                     .in_flight = 1,
                     .finish_ns = finish,
                     .where = where,
                     .placed = placed};
    cr_assert_eq(placed_by("greedy", &view, 0), 0);
    cr_assert_eq(placed_by("replan-greedy", &view, 0), 0);
    cr_assert_eq(placed_by("greedy", &view, 1), 1);
    cr_assert_eq(placed_by("replan-greedy", &view, 1), 1);
    policies_scene_fini(&s);
}

/* Host 10 1, accelerator 4 100, moves 5. Greedy: op 0 on the accelerator (9 < 10), op 1 on the host
 * at 9 + 5 + 1 = 15. Looking ahead: op 0 on the host, op 1 at 10 + 1 = 11. */
Test(policies_replan_greedy, sees_the_way_back_that_greedy_does_not)
{
    static const int64_t host[] = {10, 1}, accelerator[] = {4, 100};
    policies_scene s;
    make_chain(&s, 2, host, accelerator, 5);
    cr_assert_eq(scene_run_ns(&s, "greedy", 1, 0, NULL), 15);
    cr_assert_eq(scene_run_ns(&s, "replan-greedy", 1, 0, NULL), 11);
    cr_assert_eq(scene_run_ns(&s, "replan-greedy:horizon=1", 1, 0, NULL), 15);
    policies_scene_fini(&s);
}

/* Alone, the last operator counts with its return: host 10; accelerator 5 + 4 + 5 = 14. */
Test(policies_replan_greedy, counts_the_return_of_an_output)
{
    static const int64_t host[] = {10}, accelerator[] = {4};
    policies_scene s;
    make_chain(&s, 1, host, accelerator, 5);
    cr_assert_eq(scene_run_ns(&s, "greedy", 1, 0, NULL), 14);
    cr_assert_eq(scene_run_ns(&s, "replan-greedy", 1, 0, NULL), 10);
    policies_scene_fini(&s);
}

Test(policies_replan_greedy, is_better_than_greedy_on_the_average_of_random_chains)
{
    double greedy = 0, replan = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        policies_scene_options o = {
            .n_ops = 30, .n_processors = 2, .max_inputs = 2, .reach = 3, .views = true};
        policies_scene s;
        policies_scene_random(&s, seed, &o);
        greedy += (double)scene_run_ns(&s, "greedy", 1, 0, NULL);
        replan += (double)scene_run_ns(&s, "replan-greedy", 1, 0, NULL);
        policies_scene_fini(&s);
    }
    cr_assert_lt(replan, greedy);
}
