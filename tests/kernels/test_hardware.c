/* The hardware executor: every placement gives the same answer, events pass the audit. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "kernels/hardware.h"
#include "kernels/part.h"
#include "sim/audit.h"
#include "tests/kernels/agree.h"
#include "tests/oom.h"
#include "tests/random_graph.h"

/* A graph on two lanes: table, model, hardware, and the answer of one lane alone. */
typedef struct bench {
    spa_graph graph;
    spa_costs costs;
    spa_model model;
    spa_lane_set lanes;
    spa_hardware *hardware;
    spa_schedule schedule;
    spa_run_config config;
    float *answer;
    size_t n_answer;
} bench;

static void must(spa_status status, const spa_error *err)
{
    cr_assert_eq(status, SPA_OK, "%s", err->message);
}

/* One processor per lane, lanes copy for themselves, every operator 1 us. */
static void fill_costs(bench *b)
{
    spa_error err = {0};
    must(spa_costs_init(&b->costs, &b->graph, (uint32_t)b->lanes.count, &err), &err);
    for (size_t i = 0; i < b->graph.n_ops * b->lanes.count; i++)
        b->costs.ops[i].kernel_ns =
            b->graph.ops[i / b->lanes.count].kind == SPA_OP_RESHAPE ? 0 : 1000;
    for (uint32_t p = 0; p < b->lanes.count; p++) {
        b->costs.processors[p].name = b->lanes.lanes[p].processor;
        for (uint32_t q = 0; q < b->lanes.count; q++) {
            b->costs.links[p][q].on_lane = p != q;
            for (size_t t = 0; t < b->costs.n_tensors && p != q; t++)
                b->costs.transfer_ns[(t * b->lanes.count + p) * b->lanes.count + q] = 100;
        }
    }
    spa_costs_divide(&b->costs);
    must(spa_costs_finish(&b->costs, &err), &err);
}

static void begin(bench *b, const char *lanes, uint32_t slots)
{
    spa_error err = {0};
    spa_hardware_options options = spa_hardware_default();
    options.slots = slots;
    must(spa_lanes_parse(&b->lanes, lanes, &err), &err);
    fill_costs(b);
    must(spa_model_init(&b->model, &b->graph, 7, &err), &err);
    must(spa_hardware_new(&b->hardware, &b->lanes, &b->model, &options, &err), &err);
    must(spa_schedule_init(&b->schedule, b->graph.n_ops, &err), &err);
    b->config = spa_run_config_default();
    b->config.graph = &b->graph;
    b->config.costs = &b->costs;
    b->config.schedule = &b->schedule;
    b->config.scenario = spa_scenario_closed(slots, 3 * slots);
    must(spa_hardware_config(b->hardware, &b->config, &err), &err);
}

static void end(bench *b)
{
    spa_hardware_free(b->hardware);
    spa_schedule_fini(&b->schedule);
    spa_costs_fini(&b->costs);
    spa_model_fini(&b->model);
    spa_graph_fini(&b->graph);
    free(b->answer);
}

/* The last operator's output in slot 0. */
static float *output(bench *b)
{
    size_t last = b->graph.n_ops - 1;
    b->n_answer = (size_t)spa_shape_elements(&b->graph.ops[last].out);
    return spa_hardware_session(b->hardware, 0)->outputs[last];
}

static void audit_events(bench *b, const spa_hardware_record *record, const spa_run_result *result)
{
    spa_error err = {0};
    spa_audit *audit;
    must(spa_audit_new(&audit, &b->graph, &b->costs, &b->config.scenario, &err), &err);
    for (size_t i = 0; i < record->n_events; i++) spa_audit_event(audit, &record->events[i]);
    must(spa_audit_finish(audit, result, &err), &err);
    spa_audit_free(audit);
}

static void run(bench *b, spa_hardware_record *record, spa_run_result *result)
{
    spa_error err = {0};
    spa_engine *engine;
    must(spa_engine_new(&engine, &b->config, &err), &err);
    must(spa_hardware_run(b->hardware, engine, record, NULL, result, &err), &err);
    spa_engine_free(engine);
}

/* Splits about every third operator that can be cut. */
static void split_some(bench *b, spa_rng *rng)
{
    spa_error err = {0};
    for (size_t i = 0; i < b->graph.n_ops; i++) {
        uint32_t share = 1 + spa_rng_below(rng, SPA_TENTHS - 1);
        spa_cut cut;
        b->schedule.share[i] = 0;
        if (spa_rng_below(rng, 3) || b->lanes.count < 2 || b->lanes.lanes[0].n_cores > 1) continue;
        if (spa_part_ns(&b->costs, i, 0, share) < 0) continue;
        if (spa_cut_of(&b->graph, &b->graph.ops[i], &cut, &err)) continue;
        b->schedule.share[i] = (uint8_t)share;
        b->schedule.second[i] = (uint8_t)!b->schedule.processor[i];
    }
    must(spa_hardware_config(b->hardware, &b->config, &err), &err);
}

static void expect_any_placement_agrees(bench *b, const char *lanes, int rounds)
{
    spa_error err = {0};
    spa_rng rng;
    spa_hardware_record record;
    spa_run_result result;
    begin(b, lanes, 1);
    must(spa_hardware_record_init(&record, b->hardware, 3, true, &err), &err);
    spa_rng_init(&rng, 5, "placements");
    for (int round = 0; round < rounds; round++) {
        for (size_t i = 0; i < b->graph.n_ops; i++)
            b->schedule.processor[i] =
                round == 0 ? 0 : (uint8_t)spa_rng_below(&rng, (uint32_t)b->lanes.count);
        if (round > 1) split_some(b, &rng);
        run(b, &record, &result);
        audit_events(b, &record, &result);
        cr_assert_eq(result.requests, 3);
        for (size_t i = 0; i < b->graph.n_ops; i++) {
            const spa_hardware_op *o = &spa_hardware_ops(&record, 2)[i];
            if (b->graph.ops[i].kind == SPA_OP_RESHAPE) continue;
            const spa_hardware_op *other = &record.seconds[2 * record.n_ops + i];
            cr_assert_eq(o->lane, b->schedule.processor[i]);
            cr_assert_eq(other->lane, b->schedule.share[i] ? b->schedule.second[i] : -1);
            cr_assert_leq(other->end_ns, o->end_ns);
            cr_assert(o->posted_ns <= o->begin_ns && o->begin_ns <= o->end_ns);
        }
        if (round == 0) {
            float *y = output(b);
            b->answer = malloc(b->n_answer * sizeof(float));
            memcpy(b->answer, y, b->n_answer * sizeof(float));
        }
        double nmse = spa_nmse(output(b), b->answer, b->n_answer);
        cr_assert(nmse <= AGREE_NMSE, "round %d: NMSE %g", round, nmse);
    }
    spa_hardware_record_fini(&record);
    end(b);
}

Test(hardware, every_placement_of_mobilenet_v2_gives_the_same_answer)
{
    spa_error err = {0};
    bench b = {0};
    must(spa_zoo_build(&b.graph, "mobilenet_v2", 1, SPA_FP32, "relu50", &err), &err);
    expect_any_placement_agrees(&b, "cpu:0=sparse,cpu:1=blas", 6);
}

Test(hardware, lanes_with_kernels_of_different_layouts_give_the_same_answer)
{
    spa_error err = {0};
    bench b = {0};
    if (spa_backend_onednn.probe(&err) != SPA_OK) cr_skip_test("%s", err.message);
    must(spa_zoo_build(&b.graph, "resnet18", 1, SPA_FP32, "relu50", &err), &err);
    expect_any_placement_agrees(&b, "cpu:0=sparse,cpu:1=onednn", 4);
}

Test(hardware, transformers_and_squeeze_excitation_too)
{
    static const char *const models[] = {"mobilenet_v3_small", "swin_t"};
    spa_error err = {0};
    if (spa_backend_onednn.probe(&err) != SPA_OK) cr_skip_test("%s", err.message);
    for (int i = 0; i < 2; i++) {
        bench b = {0};
        must(spa_zoo_build(&b.graph, models[i], 1, SPA_FP32, "relu50", &err), &err);
        expect_any_placement_agrees(&b, "cpu:0=onednn,cpu:1=blas", 3);
    }
}

Test(hardware, a_lane_of_two_cores_gives_the_same_answer)
{
    spa_error err = {0};
    bench b = {0};
    const char *lanes =
        spa_backend_onednn.probe(&err) == SPA_OK ? "cpu:0-1=onednn" : "cpu:0-1=blas";
    must(spa_zoo_build(&b.graph, "mobilenet_v2", 1, SPA_FP32, "relu50", &err), &err);
    expect_any_placement_agrees(&b, lanes, 2);
}

Test(hardware, random_graphs_in_every_placement)
{
    spa_error err = {0};
    const char *lanes = spa_backend_onednn.probe(&err) == SPA_OK ? "cpu:0=onednn,cpu:1=sparse"
                                                                 : "cpu:0=blas,cpu:1=sparse";
    for (uint64_t seed = 1; seed <= 12; seed++) {
        bench b = {0};
        must(random_graph(&b.graph, seed, 24, &err), &err);
        expect_any_placement_agrees(&b, lanes, 4);
    }
}

Test(hardware, several_requests_in_flight_each_get_their_own_answer)
{
    spa_error err = {0};
    bench b = {0};
    spa_hardware_record record;
    spa_run_result result;
    must(tiny_branch(&b.graph, &err), &err);
    begin(&b, "cpu:0=blas,cpu:1=sparse", 4);
    for (size_t i = 0; i < b.graph.n_ops; i++) b.schedule.processor[i] = i % 2;
    must(spa_hardware_record_init(&record, b.hardware, 12, true, &err), &err);
    run(&b, &record, &result);
    audit_events(&b, &record, &result);
    cr_assert_eq(result.requests, 12);
    size_t last = b.graph.n_ops - 1, n = (size_t)spa_shape_elements(&b.graph.ops[last].out);
    const float *first = spa_hardware_session(b.hardware, 0)->outputs[last];
    for (uint32_t slot = 1; slot < 4; slot++) /* inputs differ from slot to slot */
        cr_assert(spa_nmse(spa_hardware_session(b.hardware, slot)->outputs[last], first, n) > 0.1);
    spa_hardware_record_fini(&record);
    end(&b);
}

Test(hardware, what_does_not_fit_is_refused)
{
    spa_error err = {0};
    bench b = {0};
    must(tiny_branch(&b.graph, &err), &err);
    begin(&b, "cpu:0=blas,cpu:1=blas", 1);
    spa_run_config config = b.config;
    config.scenario = spa_scenario_closed(2, 4);
    cr_assert_eq(spa_hardware_config(b.hardware, &config, &err), SPA_E_RANGE);
    cr_assert_not_null(strstr(err.message, "2 requests in flight"), "%s", err.message);
    b.costs.links[0][1].on_lane = false;
    config = b.config;
    cr_assert_eq(spa_hardware_config(b.hardware, &config, &err), SPA_E_INVALID);
    b.costs.links[0][1].on_lane = true;
    spa_lane_set wide = b.lanes;
    spa_hardware *hardware;
    spa_hardware_options options = spa_hardware_default();
    options.slots = 0;
    cr_assert_eq(spa_hardware_new(&hardware, &b.lanes, &b.model, &options, &err), SPA_E_RANGE);
    wide.count = 0;
    options.slots = 1;
    cr_assert_eq(spa_hardware_new(&hardware, &wide, &b.model, &options, &err), SPA_E_RANGE);
    cr_assert_null(hardware);
    end(&b);
}

/* A policy that asks for the impossible in the middle of a run. */
static void place_wrongly(const void *self, void *memory, const spa_view *view, uint32_t op,
                          spa_action *action)
{
    action->processor = op < 2 ? 0 : 7;
}

static const spa_policy wrong = {.abi = SPA_POLICY_ABI,
                                 .struct_size = sizeof(spa_policy),
                                 .name = "wrong",
                                 .capabilities = SPA_CAP_PLACE,
                                 .objectives = SPA_OBJECTIVE_LATENCY,
                                 .place = place_wrongly};

Test(hardware, a_policy_that_acts_illegally_ends_the_run_and_the_next_one_works)
{
    spa_error err = {0};
    bench b = {0};
    spa_engine *engine;
    spa_run_result result;
    must(tiny_branch(&b.graph, &err), &err);
    begin(&b, "cpu:0=blas,cpu:1=blas", 1);
    spa_run_config config = b.config;
    config.schedule = NULL;
    config.policy = &wrong;
    must(spa_engine_new(&engine, &config, &err), &err);
    cr_assert_eq(spa_hardware_run(b.hardware, engine, NULL, NULL, &result, &err), SPA_E_ILLEGAL);
    cr_assert_not_null(strstr(err.message, "wrong"), "%s", err.message);
    spa_engine_free(engine);
    run(&b, NULL, &result);
    cr_assert_eq(result.requests, 3);
    end(&b);
}

Test(hardware, an_interrupt_ends_the_run_and_the_next_one_works)
{
    spa_error err = {0};
    bench b = {0};
    spa_engine *engine;
    spa_run_result result;
    must(tiny_branch(&b.graph, &err), &err);
    begin(&b, "cpu:0=blas,cpu:1=blas", 1);
    must(spa_engine_new(&engine, &b.config, &err), &err);
    spa_hardware_interrupt(b.hardware);
    cr_assert_eq(spa_hardware_run(b.hardware, engine, NULL, NULL, &result, &err),
                 SPA_E_INTERRUPTED);
    spa_engine_free(engine);
    run(&b, NULL, &result);
    cr_assert_eq(result.requests, 3);
    end(&b);
}

static spa_hardware *sleeping;

static void interrupt_it(int number)
{
    signal(number, SIG_DFL); /* a run that goes on is killed */
    alarm(20);
    spa_hardware_interrupt(sleeping);
}

static void interrupt_between_arrivals(int64_t spin_ns)
{
    spa_error err = {0};
    bench b = {0};
    spa_engine *engine;
    spa_run_result result;
    spa_hardware_options options = spa_hardware_default();
    must(tiny_branch(&b.graph, &err), &err);
    begin(&b, "cpu:0=blas,cpu:1=blas", 1);
    options.spin_ns = spin_ns;
    must(spa_hardware_new(&sleeping, &b.lanes, &b.model, &options, &err), &err);
    b.config.scenario = spa_scenario_single();
    b.config.scenario.arrivals = SPA_ARRIVALS_PERIODIC;
    b.config.scenario.rate_hz = 1e-3; /* the second one comes after a quarter of an hour */
    b.config.scenario.requests = 2;
    must(spa_hardware_config(sleeping, &b.config, &err), &err);
    must(spa_engine_new(&engine, &b.config, &err), &err);
    signal(SIGALRM, interrupt_it);
    alarm(1);
    cr_assert_eq(spa_hardware_run(sleeping, engine, NULL, NULL, &result, &err), SPA_E_INTERRUPTED);
    spa_engine_free(engine);
    spa_hardware_free(sleeping);
    end(&b);
}

Test(hardware, an_interrupt_ends_a_run_that_sleeps_until_the_next_arrival)
{
    interrupt_between_arrivals(1000);
}

Test(hardware, an_interrupt_ends_a_run_that_spins_until_the_next_arrival)
{
    interrupt_between_arrivals(spa_hardware_measuring().spin_ns);
}

/* ---- splits ---------------------------------------------------------------------------------- */

static void split_all(bench *b)
{
    for (size_t i = 0; i < b->graph.n_ops; i++) {
        spa_error err = {0};
        spa_cut cut;
        b->schedule.second[i] = 1;
        b->schedule.share[i] = spa_part_ns(&b->costs, i, 0, 5) < 0 ||
                                       spa_cut_of(&b->graph, &b->graph.ops[i], &cut, &err)
                                   ? 0
                                   : 5;
    }
}

Test(hardware, a_record_has_room_for_all_events_of_split_operators)
{
    spa_error err = {0};
    for (uint64_t seed = 0; seed <= 4; seed++) {
        bench b = {0};
        spa_hardware_record record;
        spa_run_result result;
        must(seed ? random_graph(&b.graph, seed, 24, &err) : tiny_branch(&b.graph, &err), &err);
        begin(&b, "cpu:0=blas,cpu:1=blas", 1);
        split_all(&b);
        must(spa_hardware_config(b.hardware, &b.config, &err), &err);
        must(spa_hardware_record_init(&record, b.hardware, 3, true, &err), &err);
        run(&b, &record, &result);
        cr_assert_eq(record.n_events, result.events);
        audit_events(&b, &record, &result);
        spa_hardware_record_fini(&record);
        end(&b);
    }
}

/* As graphs of devices are: whatever the schedule is now. */
Test(hardware, an_engine_that_restarts_with_other_splits_has_their_parts)
{
    spa_error err = {0};
    bench b = {0};
    spa_engine *engine;
    spa_run_result result;
    must(tiny_branch(&b.graph, &err), &err);
    begin(&b, "cpu:0=blas,cpu:1=blas", 1);
    b.config.splits = true;
    must(spa_engine_new(&engine, &b.config, &err), &err);
    must(spa_hardware_run(b.hardware, engine, NULL, NULL, &result, &err), &err);
    split_all(&b);
    must(spa_engine_restart(engine, 1, 0, &b.schedule, &err), &err);
    must(spa_hardware_run(b.hardware, engine, NULL, NULL, &result, &err), &err);
    cr_assert_gt(result.ops[1], 0);
    spa_engine_free(engine);
    end(&b);
}

/* What was made before the failure is as good as new. */
Test(hardware, parts_that_failed_to_be_made_are_made_by_the_next_attempt)
{
    spa_error err = {0};
    spa_run_result result;
    bool failed = true;
    for (long n = 0; failed; n++) {
        bench b = {0};
        must(random_graph(&b.graph, 2, 24, &err), &err);
        begin(&b, "cpu:0=blas,cpu:1=blas", 1);
        split_all(&b);
        oom_fail_at(n);
        spa_status status = spa_hardware_config(b.hardware, &b.config, &err);
        failed = oom_failed();
        oom_off();
        cr_assert_eq(status, failed ? SPA_E_NOMEM : SPA_OK, "allocation %ld", n);
        must(spa_hardware_config(b.hardware, &b.config, &err), &err);
        if (n % 8 == 0 || !failed) run(&b, NULL, &result);
        end(&b);
    }
}

Test(hardware, nothing_is_allocated_between_the_first_operator_and_the_last)
{
    spa_error err = {0};
    bench b = {0};
    spa_engine *engine;
    spa_run_result result;
    const char *lanes = spa_backend_onednn.probe(&err) == SPA_OK ? "cpu:0=onednn,cpu:1=sparse"
                                                                 : "cpu:0=blas,cpu:1=sparse";
    must(tiny_branch(&b.graph, &err), &err);
    begin(&b, lanes, 1);
    for (size_t i = 0; i < b.graph.n_ops; i++) b.schedule.processor[i] = i % 2;
    run(&b, NULL, &result); /* warm */
    must(spa_engine_new(&engine, &b.config, &err), &err);
    oom_fail_at(-1); /* only count */
    must(spa_hardware_run(b.hardware, engine, NULL, NULL, &result, &err), &err);
    cr_assert_eq(oom_count(), 0);
    spa_engine_free(engine);
    end(&b);
}
