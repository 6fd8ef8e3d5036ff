/* HEFT and PEFT against their published examples, and on lanes, views and the host. */
#include <math.h>
#include "policies/list_schedule.h"
#include "tests/policies/scene.h"

#define N     10
#define EDGES 15

/* An example of ten tasks and three processors; edges {from, to, communication}, by consumer. */
typedef struct example {
    int64_t work[N * 3];
    int64_t edge[EDGES][3];
    int64_t comm[EDGES * 9];
    uint32_t first[N + 1], from[EDGES], data[EDGES];
    spa_task_graph graph;
} example;

static void build(example *x)
{
    uint32_t e = 0;
    for (uint32_t i = 0; i < N; i++) {
        x->first[i] = e;
        for (; e < EDGES && x->edge[e][1] == i; e++) {
            x->from[e] = (uint32_t)x->edge[e][0];
            x->data[e] = e;
            for (uint32_t k = 0; k < 9; k++)
                x->comm[e * 9 + k] = k / 3 == k % 3 ? 0 : x->edge[e][2];
        }
    }
    cr_assert_eq(e, EDGES);
    x->first[N] = EDGES;
    x->graph = (spa_task_graph){.n = N,
                                .n_processors = 3,
                                .lanes = {1, 1, 1},
                                .work = x->work,
                                .first = x->first,
                                .from = x->from,
                                .data = x->data,
                                .comm = x->comm};
}

static int64_t makespan(const spa_task_slot *slots)
{
    int64_t end = 0;
    for (uint32_t i = 0; i < N; i++) end = slots[i].finish > end ? slots[i].finish : end;
    return end;
}

/* Precedence with communication, and one task at a time per processor. */
static void expect_feasible(const example *x, const spa_task_slot *slots)
{
    for (uint32_t e = 0; e < EDGES; e++) {
        const spa_task_slot *a = &slots[x->edge[e][0]], *b = &slots[x->edge[e][1]];
        int64_t comm = a->processor == b->processor ? 0 : x->edge[e][2];
        cr_assert_geq(b->start, a->finish + comm);
    }
    for (uint32_t i = 0; i < N; i++) {
        cr_assert_eq(slots[i].finish - slots[i].start, x->work[i * 3 + slots[i].processor]);
        for (uint32_t k = 0; k < i; k++) {
            if (slots[i].processor != slots[k].processor) continue;
            cr_assert(slots[i].start >= slots[k].finish || slots[k].start >= slots[i].finish);
        }
    }
}

/* Topcuoglu, Hariri, Wu 2002, figure 2 and table 1 (tasks from 0 here). */
static example topcuoglu = {
    .work = {14, 16, 9, 13, 19, 18, 11, 13, 19, 13, 8,  17, 12, 13, 10,
             13, 16, 9, 7,  15, 11, 5,  11, 14, 18, 12, 20, 21, 7,  16},
    .edge = {{0, 1, 18},
             {0, 2, 12},
             {0, 3, 9},
             {0, 4, 11},
             {0, 5, 14},
             {2, 6, 23},
             {1, 7, 19},
             {3, 7, 27},
             {5, 7, 15},
             {1, 8, 16},
             {3, 8, 23},
             {4, 8, 13},
             {6, 9, 17},
             {7, 9, 11},
             {8, 9, 13}},
};

/* Arabnejad, Barbosa 2014, figure 1. */
static example arabnejad = {
    .work = {22, 21, 36, 22, 18, 18, 32, 27, 43, 7,  10, 4, 29, 27, 35,
             26, 17, 24, 14, 25, 30, 29, 23, 36, 15, 21, 8, 13, 16, 33},
    .edge = {{0, 1, 17},
             {0, 2, 31},
             {0, 3, 29},
             {0, 4, 13},
             {0, 5, 7},
             {2, 6, 16},
             {1, 7, 3},
             {3, 7, 11},
             {5, 7, 5},
             {1, 8, 30},
             {3, 8, 7},
             {4, 8, 57},
             {6, 9, 9},
             {7, 9, 42},
             {8, 9, 7}},
};

Test(policies_heft, has_the_published_upward_ranks)
{
    /* Table 2 of the paper; e.g. rank(9) = (21 + 7 + 16) / 3, rank(8) = 50/3 + 13 + 44/3. */
    static const double expected[N] = {108.000, 77.000, 80.000, 80.000, 69.000,
                                       63.333,  42.667, 35.667, 44.333, 14.667};
    double rank[N];
    build(&topcuoglu);
    spa_upward_ranks(&topcuoglu.graph, rank);
    for (uint32_t i = 0; i < N; i++) {
        cr_assert_lt(fabs(rank[i] - expected[i]), 5e-4, "%u: %f", i, rank[i]);
    }
}

Test(policies_heft, schedules_the_published_example_in_80)
{
    spa_task_slot slots[N];
    build(&topcuoglu);
    cr_assert_eq(spa_heft(&topcuoglu.graph, slots, NULL), SPA_OK);
    expect_feasible(&topcuoglu, slots);
    cr_assert_eq(makespan(slots), 80);
    cr_assert_eq(slots[0].processor, 2); /* figure 4: task 1 on P3 from 0 to 9 */
    cr_assert_eq(slots[0].finish, 9);
    cr_assert_eq(slots[9].processor, 1); /* task 10 on P2 from 73 to 80 */
    cr_assert_eq(slots[9].start, 73);
}

Test(policies_peft, schedules_its_published_example_in_122_where_heft_needs_133)
{
    spa_task_slot slots[N];
    build(&arabnejad);
    cr_assert_eq(spa_peft(&arabnejad.graph, slots, NULL), SPA_OK);
    expect_feasible(&arabnejad, slots);
    cr_assert_eq(makespan(slots), 122, "%lld", (long long)makespan(slots));
    cr_assert_eq(spa_heft(&arabnejad.graph, slots, NULL), SPA_OK);
    expect_feasible(&arabnejad, slots);
    cr_assert_eq(makespan(slots), 133, "%lld", (long long)makespan(slots));
}

/* By hand: task 9 is the exit, so 0. Task 6 (work 14 25 30; 9 to the exit): on P1 min over the
 * exit's place of 13, 16 + 9, 33 + 9 = 13; on P2 min(13 + 9, 16) = 16; on P3 min(13 + 9, 16 + 9,
 * 33) = 22. Task 7 (42): 13, 16, 33. Task 8 (7): 13, 16, 20. */
Test(policies_peft, has_the_optimistic_costs_that_can_be_done_by_hand)
{
    static const double expected[4][3] = {{13, 16, 22}, {13, 16, 33}, {13, 16, 20}, {0, 0, 0}};
    double oct[N * 3];
    build(&arabnejad);
    spa_optimistic_costs(&arabnejad.graph, oct);
    for (uint32_t i = 6; i < N; i++) {
        for (uint32_t p = 0; p < 3; p++) {
            cr_assert_eq(oct[i * 3 + p], expected[i - 6][p], "%u %u: %f", i, p, oct[i * 3 + p]);
        }
    }
}

/* Two operators that read the input, host with two lanes, 10 ns each, accelerator far away: each
 * gets a lane, both start at 0. */
Test(policies_heft, uses_the_lanes_of_a_processor_side_by_side)
{
    static const int32_t inputs[2][4] = {{SPA_GRAPH_INPUT(0), INT32_MAX},
                                         {SPA_GRAPH_INPUT(0), INT32_MAX}};
    policies_scene s;
    spa_schedule schedule;
    policies_scene_edges(&s, 2, 2, inputs);
    s.costs.processors[0].n_lanes = 2;
    for (uint32_t i = 0; i < 2; i++) {
        scene_kernel(&s, i, 0, 10);
        scene_kernel(&s, i, 1, 10);
        s.costs.ops[i * 2].capacity_share = 0.5f; /* a lane is half of the processor */
    }
    scene_all_transfers(&s, 100);
    cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
    scene_must_plan(&s, "heft", SPA_OBJECTIVE_LATENCY, 1, 0, &schedule);
    cr_assert_str_eq(scene_letters(&s, &schedule), "HH");
    cr_assert_neq(schedule.lane[0], schedule.lane[1]);
    cr_assert_eq(scene_value(&s, &schedule, SPA_OBJECTIVE_LATENCY), 10);
    spa_schedule_fini(&schedule);
    policies_scene_fini(&s);
}

/* One operator, host 30, accelerator 10, 5 to get there: 5 + 10 = 15 if its output could stay, but
 * it returns in 20: 35 > 30. */
Test(policies_heft, counts_the_way_back_to_the_host)
{
    policies_scene s;
    spa_schedule schedule;
    policies_scene_chain(&s, 1, 2);
    scene_kernel(&s, 0, 0, 30);
    scene_kernel(&s, 0, 1, 10);
    scene_transfer(&s, 1, 0, 1, 5);
    scene_transfer(&s, 0, 1, 0, 20);
    cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
    scene_must_plan(&s, "heft", SPA_OBJECTIVE_LATENCY, 1, 0, &schedule);
    cr_assert_str_eq(scene_letters(&s, &schedule), "H");
    spa_schedule_fini(&schedule);
    scene_must_plan(&s, "peft", SPA_OBJECTIVE_LATENCY, 1, 0, &schedule);
    cr_assert_str_eq(scene_letters(&s, &schedule), "H");
    spa_schedule_fini(&schedule);
    policies_scene_fini(&s);
}

/* One lane each, executing in dispatch order (streams), no contention, free links, no launch: then
 * nothing starts later than the list schedule says, so the simulator needs no longer. (Lanes that
 * take whatever is ready first may do worse: Graham's anomaly.) */
Test(policies_heft, and_peft_promise_no_less_than_the_simulator_needs)
{
    static const spa_list_scheduler schedulers[] = {spa_heft, spa_peft};
    for (uint64_t seed = 0; seed < 60; seed++) {
        uint32_t first[26], from[100], data[100], n_edges = 0;
        int64_t work[25 * 2], comm[4] = {0, 0, 0, 0};
        policies_scene s;
        policies_scene_options o = {.n_ops = 25, .n_processors = 2, .max_inputs = 3};
        policies_scene_random(&s, seed, &o);
        for (uint32_t i = 0; i < 25; i++) {
            const spa_op *op = &s.graph.ops[i];
            first[i] = n_edges;
            for (uint32_t p = 0; p < 2; p++) {
                spa_op_cost *k = &s.costs.ops[i * 2 + p];
                *k = (spa_op_cost){.kernel_ns = k->kernel_ns, .capacity_share = 1};
                work[i * 2 + p] = k->kernel_ns;
            }
            for (uint32_t e = 0; e < op->n_inputs; e++) {
                if (s.graph.inputs[op->first_input + e] < 0) continue;
                from[n_edges] = (uint32_t)s.graph.inputs[op->first_input + e];
                data[n_edges++] = 0;
            }
        }
        first[25] = n_edges;
        scene_all_transfers(&s, 0);
        s.costs.processors[0].is_async = s.costs.processors[1].is_async = true;
        s.costs.processors[0].slow_a = s.costs.processors[1].slow_a = 0;
        cr_assert_eq(spa_costs_finish(&s.costs, NULL), SPA_OK);
        const spa_task_graph g = {.n = 25,
                                  .n_processors = 2,
                                  .lanes = {1, 1},
                                  .work = work,
                                  .first = first,
                                  .from = from,
                                  .data = data,
                                  .comm = comm};
        for (int k = 0; k < 2; k++) {
            spa_task_slot slots[25];
            spa_schedule schedule;
            int64_t promised = 0;
            cr_assert_eq(schedulers[k](&g, slots, NULL), SPA_OK);
            for (uint32_t i = 0; i < 25; i++) {
                if (slots[i].finish > promised) promised = slots[i].finish;
            }
            scene_must_plan(&s, k ? "peft" : "heft", SPA_OBJECTIVE_LATENCY, 1, 0, &schedule);
            double got = scene_value(&s, &schedule, SPA_OBJECTIVE_LATENCY);
            cr_assert_leq(got, (double)promised, "seed %llu: %f, promised %lld",
                          (unsigned long long)seed, got, (long long)promised);
            spa_schedule_fini(&schedule);
        }
        policies_scene_fini(&s);
    }
}
