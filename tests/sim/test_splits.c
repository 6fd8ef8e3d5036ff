/* Operators split between two processors: what happens when, computed by hand; what is refused. */
#include <stdlib.h>
#include <unistd.h>
#include "tests/sim/world.h"

/* a on p0, then b: 100 ns on p0, 50 on p1; c on p0. Tensors take 10 ns either way, 4 of them
 * whatever their size, and the links are one each way. */
static void three(sim_world *w)
{
    sim_world_init(w, 2, "a #0; b a; c b");
    sim_kernel(w, "a", 0, 20);
    sim_kernel(w, "b", 0, 100);
    sim_kernel(w, "b", 1, 50);
    sim_kernel(w, "c", 0, 7);
    sim_all_transfers(w, 14);
    w->costs.n_links = 2;
    w->costs.links[0][1].latency_ns = w->costs.links[1][0].latency_ns = 4;
    w->costs.links[1][0].id = 1;
    tests_divide(&w->costs);
    sim_split(w, "b", 1, 6);
}

#define expect_part(run, w, name, tenths, begin, end)                                              \
    do {                                                                                           \
        cr_assert_eq(sim_part_time(run, w, SPA_EV_KERNEL_BEGIN, name, tenths), (begin));           \
        cr_assert_eq(sim_part_time(run, w, SPA_EV_KERNEL_END, name, tenths), (end));               \
    } while (0)

/* 4 tenths on p0: 40 ns from 20. p1 gets a at 34 and computes 6 tenths in 30; they return in
 * 4 + 10 * 6/10 = 10. */
Test(sim_splits, the_parts_run_side_by_side_and_the_output_is_whole_when_both_are_there)
{
    sim_world w;
    sim_run run;
    three(&w);
    sim_run_init(&run, &w);
    expect_part(&run, &w, "b", 4, 20, 60);
    expect_transfer(&run, &w, "a", 20, 34);
    expect_part(&run, &w, "b", 6, 34, 64);
    cr_assert_eq(sim_part_time(&run, &w, SPA_EV_TRANSFER_BEGIN, "b", 6), 64);
    cr_assert_eq(sim_part_time(&run, &w, SPA_EV_TRANSFER_END, "b", 6), 74);
    expect_kernel(&run, &w, "c", 74, 81);
    cr_assert_eq(run.result.span_ns, 81);
    cr_assert_eq(run.result.busy_ns[0], 20 + 40 + 7);
    cr_assert_eq(run.result.busy_ns[1], 30);
    cr_assert_eq(run.result.ops[0], 3);
    cr_assert_eq(run.result.ops[1], 1);
    cr_assert_eq(run.result.transfers, 2);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_splits, work_counts_where_it_was_done)
{
    sim_world w;
    sim_run run;
    three(&w);
    for (int i = 0; i < 3; i++) w.graph.ops[i].macs = 1000;
    sim_run_init(&run, &w);
    cr_assert_float_eq(run.result.macs[0], 1000 + 400 + 1000, 1e-9);
    cr_assert_float_eq(run.result.macs[1], 600, 1e-9);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* The last operator is split, its home an accelerator: what p0 gives back goes to p1 first, and the
 * whole then to the host: 3 tenths of 50 from 34 to 49 on p1, 7 of 100 from 20 to 90 on p0, over
 * in 4 + 7 = 11 until 101, back in 14. */
Test(sim_splits, an_output_that_ends_on_an_accelerator_returns_to_the_host_whole)
{
    sim_world w;
    sim_run run;
    sim_world_init(&w, 2, "a #0; b a");
    sim_kernel(&w, "a", 0, 20);
    sim_kernel(&w, "b", 0, 100);
    sim_kernel(&w, "b", 1, 50);
    sim_all_transfers(&w, 14);
    w.costs.links[0][1].latency_ns = 4;
    tests_divide(&w.costs);
    sim_place(&w, "b", 1, SPA_LANE_ANY);
    sim_split(&w, "b", 0, 7);
    sim_run_init(&run, &w);
    expect_part(&run, &w, "b", 3, 34, 49);
    expect_part(&run, &w, "b", 7, 20, 90);
    cr_assert_eq(sim_part_time(&run, &w, SPA_EV_TRANSFER_END, "b", 7), 101);
    cr_assert_eq(sim_part_time(&run, &w, SPA_EV_TRANSFER_END, "b", 0), 115);
    cr_assert_eq(run.result.span_ns, 115);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Issuing occupies the host: 2 ns for each part. */
Test(sim_splits, both_parts_are_issued_by_a_host_that_dispatches)
{
    sim_world w;
    sim_run run;
    three(&w);
    sim_all_launches(&w, 2);
    w.costs.dispatch_occupies_host = true;
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.dispatch_ns, 2 + 4 + 2);
    expect_part(&run, &w, "b", 4, 26, 66); /* a: 2..22; both parts issued 22..26 */
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* A share that is copied by the lane that needs the input: p1 copies a for 14, then computes; parts
 * of the output are written where they belong. */
Test(sim_splits, lanes_that_copy_for_themselves_write_their_parts_in_place)
{
    sim_world w;
    sim_run run;
    three(&w);
    w.costs.links[0][1].on_lane = w.costs.links[1][0].on_lane = true;
    sim_run_init(&run, &w);
    expect_part(&run, &w, "b", 4, 20, 60);
    expect_part(&run, &w, "b", 6, 34, 64);
    expect_kernel(&run, &w, "c", 64, 71);
    cr_assert_eq(run.result.transfers, 1);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_splits, requests_in_flight_keep_their_parts_apart)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 200; seed++) {
        sim_random_options o = {.contention = seed & 1,
                                .noise = seed & 2,
                                .splits = true,
                                .sync = seed & 4,
                                .max_requests = 12};
        sim_world w;
        sim_run a, b;
        sim_world_random(&w, seed, &o);
        sim_run_init(&a, &w); /* audits */
        sim_run_init(&b, &w);
        cr_assert_eq(a.result.digest, b.result.digest);
        sim_run_fini(&a);
        sim_run_fini(&b);
        sim_world_fini(&w);
    }
}

Test(sim_splits, an_engine_with_splits_copies_saves_and_resumes)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 60; seed++) {
        sim_random_options o = {.contention = seed & 1, .splits = true};
        sim_world w;
        sim_run whole;
        spa_engine *a, *b;
        spa_run_result result;
        void *bytes;
        size_t size;
        bool done;
        sim_world_random(&w, seed, &o);
        sim_run_init(&whole, &w);
        expect_ok(spa_engine_new(&a, &w.config, err));
        expect_ok(spa_engine_new(&b, &w.config, err));
        expect_ok(spa_engine_run_until(a, whole.result.span_ns / 2, &done, err));
        expect_ok(spa_engine_save(a, &bytes, &size, err));
        expect_ok(spa_engine_resume(b, bytes, size, err));
        expect_ok(spa_engine_run(b, NULL, &result, err));
        cr_assert_eq(result.digest, whole.result.digest);
        spa_engine_free(a);
        spa_engine_free(b);
        free(bytes);
        sim_run_fini(&whole);
        sim_world_fini(&w);
    }
}

/* A run that may split and does not is the run that may not. */
Test(sim_splits, room_for_splits_changes_nothing)
{
    alarm(300);
    for (uint64_t seed = 0; seed < 200; seed++) {
        sim_random_options o = {.contention = seed & 1, .noise = seed & 2, .sync = seed & 4};
        sim_world w;
        sim_run without, with;
        sim_world_random(&w, seed, &o);
        sim_run_init(&without, &w);
        w.config.splits = true;
        sim_run_init(&with, &w);
        cr_assert_eq(with.result.digest, without.result.digest);
        sim_run_fini(&without);
        sim_run_fini(&with);
        sim_world_fini(&w);
    }
}

/* ---- policies that split as they go ------------------------------------------------------------
 */

static spa_action told;

static void do_as_told(const void *self, void *memory, const spa_view *view, uint32_t op,
                       spa_action *action)
{
    if (op == 1) *action = told;
}

static const spa_policy teller = {.abi = SPA_POLICY_ABI,
                                  .struct_size = sizeof(spa_policy),
                                  .name = "teller",
                                  .capabilities = SPA_CAP_PLACE | SPA_CAP_SPLIT,
                                  .objectives = SPA_OBJECTIVE_LATENCY,
                                  .place = do_as_told};

Test(sim_splits, a_policy_splits_as_it_goes)
{
    sim_world w;
    sim_run run;
    three(&w);
    w.config.schedule = NULL;
    w.config.policy = &teller;
    told = (spa_action){.processor = 0, .lane = SPA_LANE_ANY, .second = 1, .share = 6};
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.span_ns, 81);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

static void expect_illegal(sim_world *w, spa_action action, const char *what)
{
    spa_error err;
    told = action;
    cr_assert_eq(sim_run_failing(w, &err), SPA_E_ILLEGAL);
    cr_assert_not_null(strstr(err.message, what), "%s", err.message);
}

Test(sim_splits, an_illegal_split_fails_the_run)
{
    sim_world w;
    spa_policy silent = teller;
    three(&w);
    w.config.schedule = NULL;
    w.config.policy = &teller;
    expect_illegal(&w, (spa_action){0, SPA_LANE_ANY, 1, 10}, "more than nine tenths");
    expect_illegal(&w, (spa_action){0, SPA_LANE_ANY, 0, 5}, "not another one");
    expect_illegal(&w, (spa_action){0, SPA_LANE_ANY, 2, 5}, "not another one");
    expect_illegal(&w, (spa_action){0, SPA_LANE_ANY, -1, 5}, "not another one");
    w.costs.part_ns[(1 * 2 + 1) * (SPA_TENTHS - 1) + 4] = -1;
    expect_illegal(&w, (spa_action){0, SPA_LANE_ANY, 1, 5}, "cannot be split");
    silent.capabilities = SPA_CAP_PLACE;
    w.config.policy = &silent;
    expect_illegal(&w, (spa_action){0, SPA_LANE_ANY, 1, 6}, "SPA_CAP_SPLIT");
    sim_world_fini(&w);
}

static void expect_refused(const sim_world *w, const char *what)
{
    spa_error err = {0};
    cr_assert_eq(spa_schedule_check(&w->schedule, &w->costs, &err), SPA_E_ILLEGAL);
    cr_assert_not_null(strstr(err.message, what), "%s", err.message);
}

Test(sim_splits, an_illegal_split_in_a_schedule_is_refused)
{
    sim_world w;
    three(&w);
    expect_ok(spa_schedule_check(&w.schedule, &w.costs, err));
    sim_split(&w, "b", 1, 10);
    expect_refused(&w, "operator 'b': a share of 10 tenths; 1 to 9 are parts");
    sim_split(&w, "b", 0, 5);
    expect_refused(&w, "operator 'b' is split between processor 0 and 0");
    sim_split(&w, "b", 7, 5);
    expect_refused(&w, "operator 'b' is split between processor 0 and 7");
    sim_split(&w, "b", 1, 5);
    w.costs.part_ns[(1 * 2 + 1) * (SPA_TENTHS - 1) + 4] = -1;
    expect_refused(&w, "operator 'b' (other) cannot be split between p0 and p1");
    sim_world_fini(&w);
}

/* The engine of an evaluator grows room when the first such schedule comes. */
Test(sim_splits, an_evaluator_takes_schedules_with_and_without_splits)
{
    sim_world w;
    spa_evaluator *evaluator;
    spa_evaluation whole, split;
    three(&w);
    expect_ok(spa_costs_finish(&w.costs, err));
    expect_ok(spa_evaluator_new(&evaluator, &w.graph, &w.costs, false, err));
    sim_split(&w, "b", 1, 0);
    expect_ok(spa_evaluate(evaluator, &w.schedule, &whole, err));
    sim_split(&w, "b", 1, 6);
    expect_ok(spa_evaluate(evaluator, &w.schedule, &split, err));
    cr_assert_eq(whole.makespan_ns, 127);
    cr_assert_eq(split.makespan_ns, 81);
    sim_split(&w, "b", 1, 0);
    expect_ok(spa_evaluate(evaluator, &w.schedule, &whole, err));
    cr_assert_eq(whole.makespan_ns, 127);
    spa_evaluator_free(evaluator);
    sim_world_fini(&w);
}

/* Whole: a + b + c = 20 + 50 + 7. Split: 10 + 35 (3 tenths of 100 beside 7 of 50) + 3 (halves, cut
 * to whole ns). */
Test(sim_splits, the_lower_bound_knows_splits)
{
    sim_world w;
    three(&w);
    sim_kernel(&w, "a", 1, 20);
    sim_kernel(&w, "c", 1, 7);
    tests_divide(&w.costs);
    cr_assert_eq(sim_lower_bound(&w, false), 77);
    cr_assert_eq(sim_lower_bound(&w, true), 48);
    sim_world_fini(&w);
}

/* ---- CSV --------------------------------------------------------------------------------------
 */

static spa_status parse(const sim_world *w, const char *rows, spa_schedule *s, spa_error *err)
{
    spa_string text = {0};
    spa_string_append(&text, "# schedule for world batch 1 dtype fp32 hash %016llx\n%s",
                      (unsigned long long)w->graph.hash, rows);
    spa_status status = spa_schedule_parse_csv(s, &w->costs, "f.csv", text.text, text.length, err);
    spa_string_fini(&text);
    return status;
}

Test(sim_splits, a_schedule_names_the_second_processor_and_its_tenths)
{
    sim_world w;
    spa_string text = {0};
    spa_schedule back;
    three(&w);
    expect_ok(spa_schedule_put_csv(&w.schedule, &w.costs, &text, err));
    const char *rows = strchr(text.text, '\n') + 1;
    cr_assert_str_eq(rows, "op,processor,lane,second,share\na,p0,,,\nb,p0,,p1,6\nc,p0,,,\n");
    expect_ok(parse(&w, rows, &back, err));
    cr_assert_eq(back.share[1], 6);
    cr_assert_eq(back.second[1], 1);
    cr_assert_eq(back.share[0], 0);
    spa_schedule_fini(&back);
    spa_string_fini(&text);
    sim_world_fini(&w);
}

static void expect_csv_error(const sim_world *w, const char *rows, const char *what)
{
    spa_schedule s;
    spa_error err = {0};
    cr_assert_neq(parse(w, rows, &s, &err), SPA_OK, "%s", rows);
    cr_assert_not_null(strstr(err.message, what), "%s", err.message);
    cr_assert_null(s.share);
}

Test(sim_splits, a_schedule_with_half_a_split_is_refused)
{
    sim_world w;
    three(&w);
    expect_csv_error(&w, "op,processor,lane,share\na,p0,,\nb,p0,,\nc,p0,,\n", "belong together");
    expect_csv_error(&w, "op,processor,lane,second,share\na,p0,,p1,\nb,p0,,,\nc,p0,,,\n",
                     "a second processor without a share");
    expect_csv_error(&w, "op,processor,lane,second,share\na,p0,,,3\nb,p0,,,\nc,p0,,,\n",
                     "unknown processor");
    expect_csv_error(&w, "op,processor,lane,second,share\na,p0,,,\nb,p0,,p1,10\nc,p0,,,\n", "10");
    sim_world_fini(&w);
}
