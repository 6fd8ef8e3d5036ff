/* dp and the additive model. */
#include <math.h>
#include "policies/frontier.h"
#include "tests/policies/scene.h"

static const spa_frontier_limits wide = {1 << 20, 1 << 20};

/* The additive model once more, from its definition and sharing nothing with policies/: operator
 * times, plus each tensor once to each processor other than its source that reads it, plus outputs
 * and pulled outputs to the host. Views live with their input and cost nothing. */
static double by_definition(const spa_costs *c, const uint8_t *chosen, bool energy)
{
    const spa_graph *g = c->graph;
    uint8_t place[64];
    bool reads[65][SPA_MAX_PROCESSORS] = {{false}}, has_reader[64] = {false};
    double ns = 0, joule_ns = 0, host_w = (double)c->processors[c->host].dispatch_w;
    for (size_t i = 0; i < g->n_ops; i++) {
        const spa_op *op = &g->ops[i];
        place[i] = chosen[i];
        if (op->kind == SPA_OP_RESHAPE) {
            int32_t from = g->inputs[op->first_input];
            place[i] = from >= 0 ? place[from] : (uint8_t)c->host;
        } else {
            const spa_op_cost *k = &c->ops[i * c->n_processors + place[i]];
            ns += (double)(k->kernel_ns + k->launch_ns);
            joule_ns += (double)k->dynamic_w * (double)k->kernel_ns;
            joule_ns +=
                (c->dispatch_occupies_host ? host_w : (double)k->dynamic_w) * (double)k->launch_ns;
        }
        for (uint32_t e = 0; e < op->n_inputs; e++) {
            int32_t from = g->inputs[op->first_input + e];
            reads[from >= 0 ? (size_t)from : g->n_ops][place[i]] = true;
            if (from >= 0) has_reader[from] = true;
        }
    }
    for (size_t t = 0; t < c->n_tensors; t++) {
        uint32_t from = t < g->n_ops ? place[t] : c->host;
        bool back = t < g->n_ops && (!has_reader[t] || (g->ops[t].flags & SPA_OP_PULLED));
        for (uint32_t p = 0; p < c->n_processors; p++) {
            bool returns = back && p == c->host;
            if (p == from || (!reads[t][p] && !returns)) continue;
            double move =
                (double)c->transfer_ns[(t * c->n_processors + from) * c->n_processors + p];
            double issue = c->dispatch_occupies_host && !returns ? c->links[from][p].issue_ns : 0;
            ns += move + issue;
            joule_ns += (double)c->links[from][p].dynamic_w * move + host_w * issue;
        }
    }
    return energy ? joule_ns + c->base_w * ns : ns;
}

static bool can_all_run(const spa_costs *c, const uint8_t *place)
{
    for (size_t i = 0; i < c->n_ops; i++) {
        if (c->graph->ops[i].kind != SPA_OP_RESHAPE && !spa_cost_can_run(c, i, place[i]))
            return false;
    }
    return true;
}

/* Least value over all placements, by counting through them. */
static double brute_force(const spa_costs *c, bool energy)
{
    uint8_t place[64] = {0};
    double best = INFINITY;
    for (;;) {
        size_t i = 0;
        if (can_all_run(c, place)) {
            double value = by_definition(c, place, energy);
            if (value < best) best = value;
        }
        while (i < c->n_ops && ++place[i] == c->n_processors) place[i++] = 0;
        if (i == c->n_ops) return best;
    }
}

static void expect_near(double got, double expected, uint64_t seed)
{
    cr_assert_lt(fabs(got - expected), 1e-6 * (1 + fabs(expected)), "seed %llu: %.17g, not %.17g",
                 (unsigned long long)seed, got, expected);
}

static void expect_optimal(const policies_scene_options *options, uint64_t seed, bool energy)
{
    policies_scene s;
    spa_frontier_result result;
    uint8_t place[64];
    spa_objective objective = energy ? SPA_OBJECTIVE_ENERGY : SPA_OBJECTIVE_LATENCY;
    policies_scene_random(&s, seed, options);
    cr_assert_eq(spa_frontier_solve(&s.costs, objective, &wide, place, &result, NULL), SPA_OK);
    cr_assert(result.exact);
    cr_assert(can_all_run(&s.costs, place));
    expect_near(result.value, by_definition(&s.costs, place, energy), seed);
    expect_near(result.value, brute_force(&s.costs, energy), seed);
    policies_scene_fini(&s);
}

Test(policies_dp, finds_the_optimum_of_random_graphs_on_two_processors)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        policies_scene_options o = {.n_ops = 1 + (uint32_t)(seed % 12),
                                    .n_processors = 2,
                                    .max_inputs = 1 + (uint32_t)(seed / 12 % 3),
                                    .unable = seed % 3 == 0};
        expect_optimal(&o, seed, false);
    }
}

Test(policies_dp, finds_the_optimum_with_views_pulled_outputs_free_links_and_issue_times)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        policies_scene_options o = {.n_ops = 2 + (uint32_t)(seed % 10),
                                    .n_processors = 2,
                                    .max_inputs = 3,
                                    .views = true,
                                    .pulled = true,
                                    .unable = true,
                                    .free_links = true,
                                    .dispatch = true};
        expect_optimal(&o, seed, false);
    }
}

Test(policies_dp, finds_the_optimum_on_three_and_four_processors)
{
    for (uint64_t seed = 0; seed < 150; seed++) {
        uint32_t processors = 3 + (uint32_t)(seed % 2);
        policies_scene_options o = {.n_ops = 2 + (uint32_t)(seed % 6),
                                    .n_processors = processors,
                                    .max_inputs = 3,
                                    .views = seed % 3 == 0,
                                    .unable = true,
                                    .free_links = seed % 5 == 0,
                                    .pulled = true};
        if (processors == 4 && o.n_ops > 6) o.n_ops = 6;
        expect_optimal(&o, seed, false);
    }
}

Test(policies_dp, finds_the_least_energy_too)
{
    for (uint64_t seed = 0; seed < 150; seed++) {
        policies_scene_options o = {.n_ops = 2 + (uint32_t)(seed % 9),
                                    .n_processors = 2,
                                    .max_inputs = 2,
                                    .views = true,
                                    .pulled = true,
                                    .power = true,
                                    .dispatch = true,
                                    .unable = true};
        expect_optimal(&o, seed, true);
    }
}

/* f(i,d) = w(i,d) + min over d' of (f(i-1,d') + [d != d'] x), with the input from and the output
 * back to the host. */
Test(policies_dp, equals_the_papers_recursion_on_a_chain)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        policies_scene s;
        spa_frontier_result result;
        spa_rng rng;
        uint8_t place[64];
        policies_scene_chain(&s, 40, 2);
        spa_rng_init(&rng, seed, "chain");
        for (uint32_t i = 0; i <= 40; i++) {
            if (i < 40) scene_kernel(&s, i, 0, 1 + (int64_t)spa_rng_below(&rng, 100));
            if (i < 40) scene_kernel(&s, i, 1, 1 + (int64_t)spa_rng_below(&rng, 100));
            scene_transfer(&s, i, 0, 1, spa_rng_below(&rng, 60));
            scene_transfer(&s, i, 1, 0, spa_rng_below(&rng, 60));
        }
        double f[2] = {0, INFINITY};
        for (uint32_t i = 0; i < 40; i++) {
            size_t t = i ? i - 1 : 40;
            double stay[2];
            for (uint32_t d = 0; d < 2; d++) {
                double moved = f[1 - d] + (double)spa_transfer_ns(&s.costs, t, 1 - d, d);
                stay[d] = (double)spa_cost_total_ns(&s.costs, i, d) + fmin(f[d], moved);
            }
            f[0] = stay[0];
            f[1] = stay[1];
        }
        double best = fmin(f[0], f[1] + (double)spa_transfer_ns(&s.costs, 39, 1, 0));
        cr_assert_eq(
            spa_frontier_solve(&s.costs, SPA_OBJECTIVE_LATENCY, &wide, place, &result, NULL),
            SPA_OK);
        cr_assert(result.exact);
        cr_assert_leq(result.states, 2);
        expect_near(result.value, best, seed);
        policies_scene_fini(&s);
    }
}

/* Three operators in a chain, host and one accelerator, every move 10:
 *     host  20 30 20     accelerator  20 5 15
 * All on the host: 70. The last two on the accelerator: 20 + 10 + 5 + 15 + 10 (back) = 60. The
 * middle one only: 20 + 10 + 5 + 10 + 20 = 65. All three: 10 + 20 + 5 + 15 + 10 = 60 as well; the
 * first is never cheaper there, so 60 is the least and either placement has it. */
Test(policies_dp, solves_a_chain_that_can_be_done_by_hand)
{
    static const int64_t host[] = {20, 30, 20}, accelerator[] = {20, 5, 15};
    policies_scene s;
    spa_schedule schedule;
    policies_scene_chain(&s, 3, 2);
    for (uint32_t i = 0; i < 3; i++) {
        scene_kernel(&s, i, 0, host[i]);
        scene_kernel(&s, i, 1, accelerator[i]);
    }
    scene_all_transfers(&s, 10);
    cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
    scene_must_plan(&s, "dp", SPA_OBJECTIVE_LATENCY, 1, 0, &schedule);
    cr_assert_eq(by_definition(&s.costs, schedule.processor, false), 60);
    cr_assert_eq(schedule.processor[1], 1);
    cr_assert_eq(schedule.processor[2], 1);
    spa_schedule_fini(&schedule);
    policies_scene_fini(&s);
}

Test(policies_dp, says_when_a_wide_frontier_made_it_inexact)
{
    policies_scene_options o = {.n_ops = 60, .n_processors = 2, .max_inputs = 3};
    const spa_frontier_limits narrow = {64, 16};
    size_t inexact = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        policies_scene s;
        spa_frontier_result exact, beam;
        uint8_t place[64];
        policies_scene_random(&s, seed, &o);
        cr_assert_eq(
            spa_frontier_solve(&s.costs, SPA_OBJECTIVE_LATENCY, &narrow, place, &beam, NULL),
            SPA_OK);
        expect_near(beam.value, by_definition(&s.costs, place, false), seed);
        cr_assert_leq(beam.states, 64);
        inexact += !beam.exact;
        cr_assert_eq(
            spa_frontier_solve(&s.costs, SPA_OBJECTIVE_LATENCY, &wide, place, &exact, NULL),
            SPA_OK);
        cr_assert_geq(beam.value, exact.value);
        if (beam.exact) cr_assert_eq(beam.value, exact.value);
        policies_scene_fini(&s);
    }
    cr_assert_gt(inexact, 10);
}

/* Ten operators read the input and one reads all ten: 10 tensors are alive, one byte each. */
Test(policies_dp, finds_an_order_that_keeps_few_tensors_alive)
{
    policies_scene s;
    static const int32_t inputs[9][4] = {{SPA_GRAPH_INPUT(0), INT32_MAX},
                                         {SPA_GRAPH_INPUT(0), INT32_MAX},
                                         {SPA_GRAPH_INPUT(0), INT32_MAX},
                                         {SPA_GRAPH_INPUT(0), INT32_MAX},
                                         {0, INT32_MAX},
                                         {1, INT32_MAX},
                                         {2, INT32_MAX},
                                         {3, INT32_MAX},
                                         {4, 5, 6, 7}};
    uint32_t order[9], width = 0;
    policies_scene_edges(&s, 9, 2, inputs);
    cr_assert_eq(spa_frontier_order(&s.graph, order, &width, NULL), SPA_OK);
    cr_assert_eq(width, 4);
    for (uint32_t i = 0; i < 9; i++) cr_assert_eq(order[i], i);
    policies_scene_fini(&s);
}

/* Twelve chains of two, breadth first: graph order holds 12 tensors, depth first none but one. */
Test(policies_dp, reorders_a_breadth_first_graph)
{
    policies_scene s;
    int32_t inputs[24][4];
    uint32_t order[24], width = 0;
    for (int32_t i = 0; i < 24; i++) {
        inputs[i][0] = i < 12 ? SPA_GRAPH_INPUT(0) : i - 12;
        inputs[i][1] = INT32_MAX;
    }
    policies_scene_edges(&s, 24, 2, (const int32_t(*)[4])inputs);
    cr_assert_eq(spa_frontier_order(&s.graph, order, &width, NULL), SPA_OK);
    cr_assert_eq(width, 2); /* the graph input and one output of a first operator */
    uint32_t position[24];
    for (uint32_t i = 0; i < 24; i++) position[order[i]] = i;
    for (uint32_t i = 0; i < 12; i++) cr_assert_lt(position[i], position[i + 12]);
    policies_scene_fini(&s);
}

Test(policies_additive, moves_give_what_starting_anew_gives)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        policies_scene_options o = {.n_ops = 20,
                                    .n_processors = 2 + (uint32_t)(seed % 3),
                                    .max_inputs = 3,
                                    .views = true,
                                    .pulled = true,
                                    .power = true,
                                    .dispatch = true};
        bool energy = seed % 2;
        policies_scene s;
        spa_additive a;
        spa_rng rng;
        uint8_t place[64] = {0};
        policies_scene_random(&s, seed, &o);
        spa_rng_init(&rng, seed, "moves");
        cr_assert_eq(spa_additive_init(&a, &s.costs,
                                       energy ? SPA_OBJECTIVE_ENERGY : SPA_OBJECTIVE_LATENCY, place,
                                       NULL),
                     SPA_OK);
        for (int move = 0; move < 60; move++) {
            uint32_t op = spa_rng_below(&rng, 20), to = spa_rng_below(&rng, o.n_processors);
            double value = spa_additive_move(&a, op, to);
            if (s.graph.ops[op].kind != SPA_OP_RESHAPE) place[op] = (uint8_t)to;
            expect_near(value, by_definition(&s.costs, place, energy), seed);
        }
        spa_additive_fini(&a);
        policies_scene_fini(&s);
    }
}
