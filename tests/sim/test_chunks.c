/* Operators that run a batch in chunks. */
#include <math.h>
#include <stdlib.h>
#include "base/text.h"
#include "tests/oom.h"
#include "tests/sim/world.h"

/* A batch of 8 whose operators a, b, c take 100 ns each on processor 0, and the same model at 2
 * samples, where they take 30 ns; launches 5 ns. */
typedef struct chunked {
    sim_world whole, small;
} chunked;

static void open_chunked(chunked *k, bool occupies)
{
    sim_world_init(&k->whole, 2, "a #0;b a;c b");
    sim_world_init(&k->small, 2, "a #0;b a;c b");
    k->whole.graph.batch = 8;
    k->small.graph.batch = 2;
    for (uint32_t p = 0; p < 2; p++)
        for (const char *name = "a\0b\0c\0"; *name; name += 2) {
            sim_kernel(&k->whole, name, p, 100);
            sim_kernel(&k->small, name, p, 30);
            sim_cost(&k->whole, name, p)->dynamic_w = 10;
            sim_cost(&k->small, name, p)->dynamic_w = 4;
            sim_cost(&k->small, name, p)->noise_cv = 0.1f;
        }
    sim_all_launches(&k->whole, 5);
    sim_all_launches(&k->small, 5);
    k->whole.costs.dispatch_occupies_host = occupies;
    k->small.costs.dispatch_occupies_host = occupies;
    expect_ok(spa_costs_add_chunks(&k->whole.costs, &k->small.costs, err));
}

static void close_chunked(chunked *k)
{
    sim_world_fini(&k->whole);
    sim_world_fini(&k->small);
}

/* Four chunks of b: 4 * 30 ns and four launches. Launches are a delay here: a 5 + 100, b 4 * 5 + 4
 * * 30 = 140, c 105: 350 ns. Energy: 100 ns at 10 W twice and the launches with them; b's 140 at 4
 * W: (105 + 105) * 10 + 140 * 4 = 2660 nJ. */
Test(sim_chunks, an_operator_takes_as_long_as_its_chunks_and_their_launches)
{
    chunked k;
    sim_run run;
    open_chunked(&k, false);
    k.whole.schedule.chunk[1] = 2;
    sim_run_init(&run, &k.whole);
    expect_kernel(&run, &k.whole, "a", 0, 105);
    expect_kernel(&run, &k.whole, "b", 105, 245);
    expect_kernel(&run, &k.whole, "c", 245, 350);
    cr_assert_float_eq(run.result.energy_dynamic_j, 2660e-9, 1e-15);
    cr_assert_float_eq(spa_chunk_cost(&k.whole.costs, 1, 0, 2)->noise_cv, 0.05, 1e-6);
    sim_run_fini(&run);
    close_chunked(&k);
}

/* Where issuing occupies the host: a and c 5 ns each, b 20; the host computes too: 15 + 320 + 15.
 */
Test(sim_chunks, each_chunk_is_issued_by_itself)
{
    chunked k;
    sim_run run;
    open_chunked(&k, true);
    k.whole.schedule.chunk[1] = 2;
    sim_run_init(&run, &k.whole);
    cr_assert_eq(run.result.dispatch_ns, 30);
    cr_assert_eq(run.result.span_ns, 350);
    sim_run_fini(&run);
    close_chunked(&k);
}

Test(sim_chunks, a_restart_takes_and_leaves_chunks)
{
    chunked k;
    spa_engine *engine;
    spa_run_result result;
    open_chunked(&k, false);
    expect_ok(spa_costs_finish(&k.whole.costs, err));
    expect_ok(spa_engine_new(&engine, &k.whole.config, err));
    for (int i = 0; i < 3; i++) {
        k.whole.schedule.chunk[1] = i == 1 ? 2 : 0;
        expect_ok(spa_engine_restart(engine, 1, 0, &k.whole.schedule, err));
        expect_ok(spa_engine_run(engine, NULL, &result, err));
        cr_assert_eq(result.span_ns, i == 1 ? 350 : 315);
    }
    spa_engine_free(engine);
    close_chunked(&k);
}

static void expect_illegal(const chunked *k, const char *part)
{
    spa_error why = {0};
    cr_assert_eq(spa_schedule_check(&k->whole.schedule, &k->whole.costs, &why), SPA_E_ILLEGAL);
    cr_assert_not_null(strstr(why.message, part), "%s", why.message);
}

static void split_b(const void *self, void *memory, const spa_view *view, uint32_t op,
                    spa_action *action)
{
    if (op == 1) *action = (spa_action){.lane = SPA_LANE_ANY, .second = 1, .share = 5};
}

/* The schedule says chunks for b, the policy splits it when it is dispatched: then halves of the
 * whole run, 50 ns and a launch, from 105 to 160, and no chunks: 55 * 10 W twice. c: 265. In all
 * (105 + 55 + 55 + 105) * 10 = 3200 nJ. */
Test(sim_chunks, what_a_policy_splits_runs_in_no_chunks)
{
    static const spa_policy policy = {.abi = SPA_POLICY_ABI,
                                      .struct_size = sizeof(spa_policy),
                                      .name = "splitter",
                                      .capabilities = SPA_CAP_PLACE | SPA_CAP_SPLIT,
                                      .objectives = SPA_OBJECTIVE_LATENCY,
                                      .place = split_b};
    chunked k;
    sim_run run;
    open_chunked(&k, false);
    tests_divide(&k.whole.costs);
    k.whole.schedule.chunk[1] = 2;
    k.whole.config.policy = &policy;
    sim_run_init(&run, &k.whole);
    cr_assert_eq(sim_part_time(&run, &k.whole, SPA_EV_KERNEL_END, "b", 5), 160);
    cr_assert_eq(run.result.span_ns, 265);
    cr_assert_float_eq(run.result.energy_dynamic_j, 3200e-9, 1e-15);
    sim_run_fini(&run);
    close_chunked(&k);
}

/* A load that fills the processor leaves half of it: 350 ns become 700, energy doubles. Clocks that
 * change are refused: what a chunk takes at others is not known. */
Test(sim_chunks, chunks_run_beside_a_background_load)
{
    chunked k;
    sim_run run;
    spa_error why = {0};
    open_chunked(&k, false);
    k.whole.schedule.chunk[1] = 2;
    k.whole.config.contention = true;
    spa_conditions *c = &k.whole.config.scenario.conditions;
    c->n_backgrounds = 1;
    c->backgrounds[0] = (spa_background){.processor = "p0", .share = 1, .on_ms = 1};
    sim_run_init(&run, &k.whole);
    cr_assert_leq(llabs(run.result.span_ns - 700), 3, "%lld", (long long)run.result.span_ns);
    cr_assert_float_eq(run.result.energy_dynamic_j, 5320e-9, 50e-9);
    sim_run_fini(&run);
    c->governor = SPA_GOVERNOR_SCHEDUTIL;
    c->period_ms = 1, c->min_ratio = 0.5;
    cr_assert_eq(sim_run_failing(&k.whole, &why), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(why.message, "in chunks"), "%s", why.message);
    close_chunked(&k);
}

Test(sim_chunks, chunks_that_cannot_be_are_refused)
{
    chunked k;
    spa_error why = {0};
    open_chunked(&k, false);
    k.whole.schedule.chunk[1] = 4;
    expect_illegal(&k, "operator 'b' runs in chunks of 4: what that costs is not known");
    k.whole.schedule.chunk[1] = 2;
    k.whole.schedule.share[1] = 3;
    expect_illegal(&k, "operator 'b' is split and runs in chunks");
    k.whole.schedule.share[1] = 0;
    k.whole.costs.chunk_ops[0][2].kernel_ns = -1; /* b on processor 0 */
    expect_illegal(&k, "operator 'b' cannot run in chunks of 2");
    k.small.graph.batch = 3;
    cr_assert_eq(spa_costs_add_chunks(&k.whole.costs, &k.small.costs, &why), SPA_E_INVALID);
    cr_assert_not_null(strstr(why.message, "a batch of 8 does not consist of several of 3"));
    k.small.graph.batch = 8;
    cr_assert_eq(spa_costs_add_chunks(&k.whole.costs, &k.small.costs, &why), SPA_E_INVALID);
    close_chunked(&k);
}

/* The column appears with the first chunk, and what is written reads back. */
Test(sim_chunks, a_schedule_file_has_a_column_for_chunks_only_where_there_are_some)
{
    chunked k;
    spa_string text = {0}, again = {0};
    spa_schedule read;
    spa_error why = {0};
    open_chunked(&k, false);
    expect_ok(spa_schedule_put_csv(&k.whole.schedule, &k.whole.costs, &text, err));
    cr_assert_not_null(strstr(text.text, "\nop,processor,lane\na,"));
    spa_string_fini(&text);
    k.whole.schedule.chunk[1] = 2;
    expect_ok(spa_schedule_put_csv(&k.whole.schedule, &k.whole.costs, &text, err));
    cr_assert_not_null(strstr(text.text, "\nop,processor,lane,chunk\n"), "%s", text.text);
    expect_ok(spa_schedule_parse_csv(&read, &k.whole.costs, "x.csv", text.text, text.length, err));
    cr_assert_eq(read.chunk[0], 0);
    cr_assert_eq(read.chunk[1], 2);
    expect_ok(spa_schedule_put_csv(&read, &k.whole.costs, &again, err));
    cr_assert_str_eq(again.text, text.text);
    spa_schedule_fini(&read);
    char *two = strstr(text.text, ",2\n");
    two[1] = '5';
    cr_assert_neq(
        spa_schedule_parse_csv(&read, &k.whole.costs, "x.csv", text.text, text.length, &why),
        SPA_OK);
    cr_assert_not_null(strstr(why.message, "chunks of 5"), "%s", why.message);
    spa_string_fini(&text);
    spa_string_fini(&again);
    close_chunked(&k);
}

Test(sim_chunks, programs_keep_their_chunks_and_allocations_may_fail)
{
    chunked k;
    spa_programs *programs;
    open_chunked(&k, false);
    k.whole.schedule.chunk[1] = 2;
    expect_ok(spa_costs_finish(&k.whole.costs, err));
    expect_ok(spa_costs_finish(&k.small.costs, err));
    spa_program list[] = {{.label = "b2",
                           .graph = &k.small.graph,
                           .costs = &k.small.costs,
                           .schedule = &k.small.schedule,
                           .weight = 1},
                          {.label = "b8",
                           .graph = &k.whole.graph,
                           .costs = &k.whole.costs,
                           .schedule = &k.whole.schedule,
                           .weight = 1}};
    for (long n = 0;; n++) {
        oom_fail_at(n);
        spa_status status = spa_programs_new(&programs, list, 2, NULL);
        bool failed = oom_failed();
        oom_off();
        if (!failed) break;
        cr_assert_eq(status, SPA_E_NOMEM);
    }
    spa_run_config config = spa_run_config_default();
    sim_run run;
    spa_engine *engine;
    config.programs = programs;
    config.contention = false;
    config.scenario = spa_scenario_closed(1, 50);
    sim_run_programs(&run, &config, &engine);
    cr_assert_eq(spa_engine_program_latency(engine, 0).mean, 105);
    cr_assert_float_eq(spa_engine_program_latency(engine, 1).mean, 350, 1e-9);
    sim_run_fini(&run);
    spa_engine_free(engine);
    spa_programs_free(programs);
    close_chunked(&k);
}
