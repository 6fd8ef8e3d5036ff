/* Stages on the lanes of an accelerator: ios, pos and opara, computed by hand and by trying all. */
#include <math.h>
#include <string.h>
#include "policies/stages.h"
#include "tests/oom.h"
#include "tests/policies/scene.h"

#define END   INT32_MAX
#define INPUT SPA_GRAPH_INPUT(0)

static const spa_stage_limits limits = {SPA_STAGE_GROUPS, SPA_GROUP_NODES, 1000000};

/* Operators that run on the accelerator only, `ns` each and with the same share of it. */
static void on_lanes(policies_scene *s, uint32_t n, const int32_t (*inputs)[4], const int64_t *ns,
                     float share, uint32_t n_lanes)
{
    policies_scene_edges(s, n, 2, inputs);
    for (uint32_t i = 0; i < n; i++) {
        scene_kernel(s, i, 1, ns[i]);
        s->costs.ops[i * 2 + 1].capacity_share = share;
    }
    s->costs.processors[1].n_lanes = n_lanes;
    s->costs.processors[1].is_async = true;
    cr_assert_eq(spa_costs_finish(&s->costs, NULL), SPA_OK);
}

static void find(const policies_scene *s, spa_flow *flow, spa_stages *stages)
{
    spa_error err = {0};
    cr_assert_eq(spa_flow_init(flow, &s->costs, SPA_BLOCK_NODES, &err), SPA_OK, "%s", err.message);
    cr_assert_eq(spa_stages_find(stages, flow, 1, &limits, &err), SPA_OK, "%s", err.message);
    cr_assert_not(stages->cut);
}

static spa_stage stage_of(uint32_t n, const uint32_t *sizes, const uint32_t *nodes)
{
    spa_stage s = {.n_groups = n};
    for (uint32_t g = 0; g < n; g++)
        for (uint32_t k = 0; k < sizes[g]; k++) s.node[g][s.size[g]++] = *nodes++;
    return s;
}

/* Half of the accelerator each: 100 and 60 beside each other end at 100. With 0.8 each the two run
 * at 0.5 / 0.8 = 0.625: 60 takes 96, in which 60 of the 100 are done too; the other 40 alone end at
 * 136. Both full: 60 of each by 120, and 40: 160. A group is a chain: 100 beside 60 + 60, halves.
 */
Test(policies_stages, groups_share_the_accelerator_as_the_engine_shares_it)
{
    static const int32_t inputs[3][4] = {{INPUT, END}, {INPUT, END}, {1, END}};
    static const float shares[] = {0.5f, 0.8f, 1.0f};
    static const double pair_ns[] = {100, 136, 160};
    static const uint32_t one[] = {1, 1}, chain[] = {1, 2}, nodes[] = {0, 1, 2};
    for (int i = 0; i < 3; i++) {
        policies_scene s;
        spa_flow flow;
        on_lanes(&s, 3, inputs, (const int64_t[]){100, 60, 60}, shares[i], 2);
        cr_assert_eq(spa_flow_init(&flow, &s.costs, SPA_BLOCK_NODES, NULL), SPA_OK);
        spa_stage pair = stage_of(2, one, nodes), three = stage_of(2, chain, nodes);
        cr_assert_float_eq(spa_stage_ns(&flow, 1, &pair), pair_ns[i], 1e-3);
        if (i == 0) cr_assert_float_eq(spa_stage_ns(&flow, 1, &three), 120, 1e-3);
        spa_flow_fini(&flow);
        policies_scene_fini(&s);
    }
}

/* Launches of 70 on a host that they occupy: two take 140, longer than both kernels (100). */
Test(policies_stages, a_stage_is_not_faster_than_the_host_issues_it)
{
    static const int32_t inputs[2][4] = {{INPUT, END}, {INPUT, END}};
    static const uint32_t one[] = {1, 1}, nodes[] = {0, 1};
    policies_scene s;
    spa_flow flow;
    on_lanes(&s, 2, inputs, (const int64_t[]){100, 60}, 0.5f, 2);
    for (int i = 0; i < 2; i++) s.costs.ops[i * 2 + 1].launch_ns = 70;
    cr_assert_eq(spa_flow_init(&flow, &s.costs, SPA_BLOCK_NODES, NULL), SPA_OK);
    spa_stage pair = stage_of(2, one, nodes);
    s.costs.dispatch_occupies_host = true;
    cr_assert_float_eq(spa_stage_ns(&flow, 1, &pair), 140, 1e-3);
    s.costs.dispatch_occupies_host = false; /* a delay on each lane: 170 and 130 */
    cr_assert_float_eq(spa_stage_ns(&flow, 1, &pair), 170, 1e-3);
    spa_flow_fini(&flow);
    policies_scene_fini(&s);
}

/* 0, then 1 and 2 beside each other, then 3; 5 reads 3 and 4, then 6. If 4 is a constant (it has no
 * inputs) it begins a block: 0 | 1 2 3 | 4 5 | 6. If it reads the graph's input it is beside all
 * before it: 0 1 2 3 4 5 | 6. */
Test(policies_stages, a_graph_is_cut_where_one_operator_is_alone)
{
    int32_t inputs[7][4] = {{INPUT, END}, {0, END},    {0, END}, {1, 2, END},
                            {END},        {3, 4, END}, {5, END}};
    static const int64_t ns[7] = {1, 1, 1, 1, 1, 1, 1};
    static const uint32_t constant[] = {0, 1, 4, 6, 7}, reader[] = {0, 6, 7};
    for (int i = 0; i < 2; i++) {
        policies_scene s;
        spa_flow flow;
        const uint32_t *expected = i ? reader : constant;
        if (i) inputs[4][0] = INPUT, inputs[4][1] = END;
        on_lanes(&s, 7, (const int32_t(*)[4])inputs, ns, 1, 2);
        cr_assert_eq(spa_flow_init(&flow, &s.costs, SPA_BLOCK_NODES, NULL), SPA_OK);
        cr_assert_eq(flow.n_blocks, i ? 2 : 4);
        for (uint32_t b = 0; b <= flow.n_blocks; b++) cr_assert_eq(flow.block[b], expected[b]);
        spa_flow_fini(&flow);
        policies_scene_fini(&s);
    }
}

Test(policies_stages, a_long_block_is_cut_into_equal_parts)
{
    int32_t inputs[7][4]; /* independent of each other: one block of seven */
    int64_t ns[7];
    policies_scene s;
    spa_flow flow;
    for (int i = 0; i < 7; i++) {
        inputs[i][0] = INPUT;
        inputs[i][1] = END;
        ns[i] = 1;
    }
    on_lanes(&s, 7, (const int32_t(*)[4])inputs, ns, 1, 2);
    cr_assert_eq(spa_flow_init(&flow, &s.costs, 3, NULL), SPA_OK);
    cr_assert_eq(flow.n_blocks, 3); /* 7 * 1 / 3 = 2, 7 * 2 / 3 = 4 */
    cr_assert_eq(flow.block[1], 2);
    cr_assert_eq(flow.block[2], 4);
    cr_assert_eq(flow.block[3], 7);
    spa_flow_fini(&flow);
    cr_assert_eq(spa_flow_init(&flow, &s.costs, UINT32_MAX, NULL), SPA_OK); /* no limit: whole */
    cr_assert(flow.n_blocks == 1 && flow.block[0] == 0 && flow.block[1] == 7);
    spa_flow_fini(&flow);
    policies_scene_fini(&s);
}

/* ---- ios ---------------------------------------------------------------------------------- */

/* Two chains of 40 + 40 and 80 between a and d, half of the accelerator each: 10 + 80 + 10. One
 * lane: 10 + 160 + 10. */
Test(policies_ios, branches_run_on_lanes_of_their_own)
{
    static const int32_t inputs[5][4] = {{INPUT, END}, {0, END}, {1, END}, {0, END}, {2, 3, END}};
    static const int64_t ns[5] = {10, 40, 40, 80, 10};
    static const double expected[] = {180, 100};
    for (uint32_t n_lanes = 1; n_lanes <= 2; n_lanes++) {
        policies_scene s;
        spa_schedule plan;
        spa_flow flow;
        spa_stages stages;
        on_lanes(&s, 5, inputs, ns, 0.5f, n_lanes);
        find(&s, &flow, &stages);
        cr_assert_float_eq(stages.ns, expected[n_lanes - 1], 1e-3);
        scene_must_plan(&s, "ios", SPA_OBJECTIVE_LATENCY, 1, 0, &plan);
        cr_assert_float_eq(scene_value(&s, &plan, SPA_OBJECTIVE_LATENCY), expected[n_lanes - 1], 0);
        cr_assert_eq(plan.lane[1], plan.lane[2]); /* a chain stays on its lane */
        if (n_lanes == 2) cr_assert_neq(plan.lane[1], plan.lane[3]);
        spa_schedule_fini(&plan);
        spa_stages_fini(&stages);
        spa_flow_fini(&flow);
        policies_scene_fini(&s);
    }
}

/* Nine operators that fill a tenth of the accelerator, on nine lanes: eight of them and the ninth,
 * 100 + 100, as no stage has more than eight groups. */
Test(policies_ios, a_stage_has_at_most_eight_groups)
{
    int32_t inputs[9][4];
    int64_t ns[9];
    policies_scene s;
    spa_flow flow;
    spa_stages stages;
    for (int i = 0; i < 9; i++) {
        inputs[i][0] = INPUT;
        inputs[i][1] = END;
        ns[i] = 100;
    }
    on_lanes(&s, 9, (const int32_t(*)[4])inputs, ns, 0.1f, 9);
    find(&s, &flow, &stages);
    cr_assert_eq(stages.n, 2);
    cr_assert_float_eq(stages.ns, 200, 1e-3);
    spa_stages_fini(&stages);
    spa_flow_fini(&flow);
    policies_scene_fini(&s);
}

/* 1 and 2 read 0; 100, 10 and 10 on one lane, issued in 10, 60 and 60: all three in one group
 * max(120, 130) = 130. 1 and 2 alone would be two groups, one too many, until 0 joins them; without
 * that stage 0 and 1, then 2: max(110, 70) + 60 = 170. */
Test(policies_ios, two_readers_are_one_group_with_what_they_read)
{
    static const int32_t inputs[3][4] = {{INPUT, END}, {0, END}, {0, END}};
    policies_scene s;
    spa_flow flow;
    spa_stages stages;
    on_lanes(&s, 3, inputs, (const int64_t[]){100, 10, 10}, 1, 1);
    s.costs.dispatch_occupies_host = true;
    for (int i = 0; i < 3; i++) s.costs.ops[i * 2 + 1].launch_ns = i ? 60 : 10;
    cr_assert_eq(spa_flow_init(&flow, &s.costs, SPA_BLOCK_NODES, NULL), SPA_OK);
    flow.block[1] = flow.n; /* 0 in one block with its readers */
    flow.n_blocks = 1;
    cr_assert_eq(spa_stages_find(&stages, &flow, 1, &limits, NULL), SPA_OK);
    cr_assert_eq(stages.n, 1);
    cr_assert_float_eq(stages.ns, 130, 1e-3);
    spa_stages_fini(&stages);
    spa_flow_fini(&flow);
    policies_scene_fini(&s);
}

/* Every way to take endings off, without the tables and prunings of the search. `left`: bits. */
static double best_by_trying(const spa_flow *f, uint32_t n_lanes, uint32_t left)
{
    double best = left ? INFINITY : 0;
    for (uint32_t e = left; e; e = (e - 1) & left) { /* all subsets */
        uint32_t parent[8], n_groups = 0, group_of[8];
        spa_stage stage = {0};
        bool closed = true;
        for (uint32_t i = 0; i < f->n; i++) parent[i] = i;
        for (uint32_t i = 0; i < f->n; i++) {
            if (!(e >> i & 1u)) continue;
            for (uint32_t k = f->first_next[i]; k < f->first_next[i + 1]; k++) {
                uint32_t reader = f->next[k];
                closed = closed && (e >> reader & 1u || !(left >> reader & 1u));
                if (!(e >> reader & 1u)) continue;
                for (uint32_t m = 0, old = parent[reader], new = parent[i]; m < f->n; m++)
                    if (parent[m] == old) parent[m] = new;
            }
        }
        for (uint32_t i = 0; i < f->n && closed; i++) {
            uint32_t g = 0;
            if (!(e >> i & 1u)) continue;
            while (g < n_groups && group_of[g] != parent[i]) g++;
            if (g == n_groups) group_of[n_groups++] = parent[i];
            closed = g < n_lanes && stage.size[g] < SPA_GROUP_NODES;
            if (closed) stage.node[g][stage.size[g]++] = i;
        }
        stage.n_groups = n_groups;
        if (!closed) continue;
        double ns = spa_stage_ns(f, 1, &stage) + best_by_trying(f, n_lanes, left & ~e);
        if (ns < best) best = ns;
    }
    return best;
}

Test(policies_ios, the_search_finds_what_trying_everything_finds)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        policies_scene_options o = {.n_ops = 4 + (uint32_t)(seed % 5),
                                    .n_processors = 2,
                                    .max_inputs = 1 + (uint32_t)(seed % 2),
                                    .reach = seed % 3 ? 3 : 0,
                                    .max_lanes = 4,
                                    .views = seed % 4 == 0,
                                    .dispatch = true};
        policies_scene s;
        spa_flow flow;
        spa_stages stages;
        spa_error err = {0};
        policies_scene_random(&s, seed, &o);
        for (uint32_t i = 0; i < o.n_ops; i++)
            s.costs.ops[i * 2 + 1].capacity_share = 0.2f * (float)(1 + (i + seed) % 5);
        cr_assert_eq(spa_flow_init(&flow, &s.costs, SPA_BLOCK_NODES, &err), SPA_OK);
        flow.block[1] = flow.n; /* all in one block */
        flow.n_blocks = 1;
        cr_assert_eq(spa_stages_find(&stages, &flow, 1, &limits, &err), SPA_OK);
        double best = best_by_trying(&flow, s.costs.processors[1].n_lanes, (1u << flow.n) - 1);
        cr_assert_float_eq(stages.ns, best, 1e-6 * best, "seed %llu: %f, and %f by trying",
                           (unsigned long long)seed, stages.ns, best);
        spa_stages_fini(&stages);
        spa_flow_fini(&flow);
        policies_scene_fini(&s);
    }
}

/* Twelve operators beside each other have more endings than 1000 tries allow. */
Test(policies_ios, a_block_that_needs_too_many_tries_is_cut_and_still_planned)
{
    int32_t inputs[24][4];
    int64_t ns[24];
    policies_scene s;
    spa_flow flow;
    spa_stages stages;
    const spa_stage_limits few = {SPA_STAGE_GROUPS, SPA_GROUP_NODES, 1000};
    for (int i = 0; i < 24; i++) {
        inputs[i][0] = INPUT;
        inputs[i][1] = END;
        ns[i] = 10 + i;
    }
    on_lanes(&s, 24, (const int32_t(*)[4])inputs, ns, 0.25f, 4);
    cr_assert_eq(spa_flow_init(&flow, &s.costs, SPA_BLOCK_NODES, NULL), SPA_OK);
    cr_assert_eq(spa_stages_find(&stages, &flow, 1, &few, NULL), SPA_OK);
    cr_assert(stages.cut);
    size_t nodes = 0;
    for (size_t i = 0; i < stages.n; i++)
        for (uint32_t g = 0; g < stages.items[i].n_groups; g++) nodes += stages.items[i].size[g];
    cr_assert_eq(nodes, 24);
    spa_stages_fini(&stages);
    spa_flow_fini(&flow);
    policies_scene_fini(&s);
}

/* ---- opara -------------------------------------------------------------------------------- */

/* 0 begins stream 0; 1 is its first user and goes on there, 2 is its second and begins stream 1; 3
 * goes on on the stream of its first input, 0; 4 reads 1 too, then 2: 1 is taken, so stream 1. 5
 * reads the graph's input: stream 2. 6 reads 1 and 2, both taken, and 5: stream 2. On two lanes
 * stream 2 is lane 0 again. */
Test(policies_opara, an_operator_goes_on_on_the_stream_of_the_input_that_it_uses_first)
{
    static const int32_t inputs[7][4] = {{INPUT, END}, {0, END},     {0, END},      {1, 2, END},
                                         {1, 2, END},  {INPUT, END}, {1, 2, 5, END}};
    static const int64_t ns[7] = {10, 10, 10, 10, 10, 10, 10};
    static const int8_t streams[7] = {0, 0, 1, 0, 1, 2, 2};
    for (uint32_t n_lanes = 2; n_lanes <= 3; n_lanes++) {
        policies_scene s;
        spa_schedule plan;
        on_lanes(&s, 7, inputs, ns, 0.5f, n_lanes);
        scene_must_plan(&s, "opara", SPA_OBJECTIVE_LATENCY, 1, 0, &plan);
        for (int i = 0; i < 7; i++)
            cr_assert_eq(plan.lane[i], streams[i] % (int8_t)n_lanes, "operator %d", i);
        spa_schedule_fini(&plan);
        policies_scene_fini(&s);
    }
}

/* Ready at first: 0, 1, 2 with shares 0.9, 0.2, 0.5; 3 reads 1 and has 0.1: 1, 3, 2, 0. */
Test(policies_opara, the_ready_operator_with_the_smallest_demand_is_launched_first)
{
    static const int32_t inputs[4][4] = {{INPUT, END}, {INPUT, END}, {INPUT, END}, {1, END}};
    static const int64_t ns[4] = {10, 10, 10, 10};
    static const float shares[4] = {0.9f, 0.2f, 0.5f, 0.1f};
    static const uint32_t order[4] = {1, 3, 2, 0};
    policies_scene s;
    spa_schedule plan;
    on_lanes(&s, 4, inputs, ns, 1, 1);
    for (int i = 0; i < 4; i++) s.costs.ops[i * 2 + 1].capacity_share = shares[i];
    scene_must_plan(&s, "opara", SPA_OBJECTIVE_LATENCY, 1, 0, &plan);
    for (int i = 0; i < 4; i++) cr_assert_eq(plan.order[i], order[i], "place %d", i);
    spa_schedule_fini(&plan);
    policies_scene_fini(&s);
}

/* ---- pos ---------------------------------------------------------------------------------- */

static policies_scene_options wide(uint64_t seed)
{
    return (policies_scene_options){.n_ops = 20,
                                    .n_processors = 2,
                                    .max_inputs = 2,
                                    .reach = 6,
                                    .max_lanes = 4,
                                    .views = seed % 2,
                                    .dispatch = true,
                                    .power = true};
}

Test(policies_pos, it_is_never_worse_than_ios_and_often_better)
{
    int better = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        policies_scene_options o = wide(seed);
        policies_scene s;
        spa_schedule a, b, c;
        policies_scene_random(&s, seed, &o);
        scene_must_plan(&s, "ios", SPA_OBJECTIVE_LATENCY, 1, 0, &a);
        scene_must_plan(&s, "pos", SPA_OBJECTIVE_LATENCY, 1, 200, &b);
        scene_must_plan(&s, "pos:reuse=0", SPA_OBJECTIVE_ENERGY, 1, 200, &c);
        double ios = scene_value(&s, &a, SPA_OBJECTIVE_LATENCY);
        double pos = scene_value(&s, &b, SPA_OBJECTIVE_LATENCY);
        cr_assert_leq(pos, ios);
        cr_assert_leq(scene_value(&s, &c, SPA_OBJECTIVE_ENERGY),
                      scene_value(&s, &a, SPA_OBJECTIVE_ENERGY));
        better += pos < ios;
        spa_schedule_fini(&a);
        spa_schedule_fini(&b);
        spa_schedule_fini(&c);
        policies_scene_fini(&s);
    }
    cr_assert_geq(better, 10, "%d of 20", better);
}

/* Three equal diamonds behind each other: what is found for one holds for all. */
Test(policies_pos, equal_blocks_have_equal_lanes)
{
    int32_t inputs[13][4] = {{INPUT, END}};
    int64_t ns[13] = {7};
    policies_scene s;
    spa_schedule plan;
    for (int b = 0; b < 3; b++) {
        int first = 1 + 4 * b;
        for (int k = 0; k < 4; k++) ns[first + k] = 20 + 7 * k;
        for (int k = 0; k < 3; k++) inputs[first + k][0] = first - 1, inputs[first + k][1] = END;
        for (int k = 0; k < 3; k++) inputs[first + 3][k] = first + k;
        inputs[first + 3][3] = END;
    }
    on_lanes(&s, 13, (const int32_t(*)[4])inputs, ns, 0.7f, 3);
    scene_must_plan(&s, "pos", SPA_OBJECTIVE_LATENCY, 3, 50, &plan);
    for (int i = 1; i <= 4; i++) {
        cr_assert_eq(plan.lane[i], plan.lane[i + 4]);
        cr_assert_eq(plan.lane[i], plan.lane[i + 8]);
    }
    spa_schedule_fini(&plan);
    policies_scene_fini(&s);
}

Test(policies_pos, it_needs_evaluations_and_an_accelerator)
{
    static const int32_t inputs[1][4] = {{INPUT, END}};
    policies_scene s;
    spa_schedule plan;
    spa_error err = {0};
    on_lanes(&s, 1, inputs, (const int64_t[]){5}, 1, 1);
    cr_assert_eq(scene_plan(&s, "pos", SPA_OBJECTIVE_LATENCY, 1, 0, &plan, &err), SPA_E_INVALID);
    cr_assert_not_null(strstr(err.message, "pos:budget=N"), "%s", err.message);
    policies_scene_fini(&s);
}

/* ---- memory ------------------------------------------------------------------------------- */

Test(policies_stages, every_failing_allocation_is_reported)
{
    static const char *const policies[] = {"ios", "pos:budget=5", "opara"};
    policies_scene_options o = wide(1);
    for (size_t i = 0; i < 3; i++)
        for (long n = 0;; n++) {
            policies_scene s;
            spa_schedule plan;
            spa_error err = {0};
            policies_scene_random(&s, 1, &o);
            oom_fail_at(n);
            spa_status status =
                scene_plan(&s, policies[i], SPA_OBJECTIVE_LATENCY, 1, 10, &plan, &err);
            bool failed = oom_failed();
            oom_off();
            cr_assert_eq(status, failed ? SPA_E_NOMEM : SPA_OK, "%s: %s", policies[i], err.message);
            if (!failed) spa_schedule_fini(&plan);
            policies_scene_fini(&s);
            if (!failed) break;
        }
}
