/* Policies in the engine: what they are asked, what they are charged, what is refused. */
#include <stdlib.h>
#include "sim/log.h"
#include "tests/sim/world.h"

/* A policy that places everything on (processor, lane) as `self` says. */
typedef struct placer {
    int32_t processor, lane;
} placer;

static void place_as_told(const void *self, void *memory, const spa_view *view, uint32_t op,
                          spa_action *action)
{
    const placer *p = self;
    action->processor = p->processor;
    action->lane = p->lane;
}

static const spa_policy as_told = {.abi = SPA_POLICY_ABI,
                                   .struct_size = sizeof(spa_policy),
                                   .name = "as-told",
                                   .capabilities = SPA_CAP_PLACE,
                                   .objectives = SPA_OBJECTIVE_LATENCY,
                                   .decision_cycles = 1000,
                                   .place = place_as_told};

static void use_policy(sim_world *w, const spa_policy *policy, const void *self)
{
    w->config.policy = policy;
    w->config.self = self;
    w->config.schedule = NULL;
}

/* host_hz = 500 MHz: 1000 cycles are 2000 ns. Dispatch takes launch + decision: 100 + 2000. */
Test(sim_policy, a_decision_occupies_the_host_for_its_cycles)
{
    sim_world w;
    sim_run run;
    const placer here = {0, 0};
    sim_world_init(&w, 1, "a; b a; =v b; c v");
    w.costs.host_hz = 5e8;
    w.costs.dispatch_occupies_host = true;
    sim_all_launches(&w, 100);
    use_policy(&w, &as_told, &here);
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "a", 2100, 2101);
    expect_kernel(&run, &w, "b", 4201, 4202);
    expect_kernel(&run, &w, "c", 6302, 6303); /* nobody decides on a view */
    cr_assert_eq(run.result.dispatch_ns, 6300);
    sim_run_fini(&run);
    w.config.policy_cost = false;
    sim_run_init(&run, &w);
    expect_kernel(&run, &w, "c", 302, 303);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_policy, a_decision_delays_the_lane_when_dispatch_is_free)
{
    sim_world w;
    sim_run run;
    const placer here = {0, SPA_LANE_ANY};
    sim_world_init(&w, 1, "a; b a");
    sim_all_launches(&w, 100);
    use_policy(&w, &as_told, &here);
    sim_run_init(&run, &w); /* 1000 cycles at 1 GHz */
    expect_kernel(&run, &w, "a", 0, 1101);
    expect_kernel(&run, &w, "b", 1101, 2202);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_policy, a_plan_alone_costs_nothing_while_it_runs)
{
    sim_world w;
    sim_run run;
    spa_policy planned = as_told;
    planned.place = NULL;
    sim_world_init(&w, 1, "a; b a");
    w.config.policy = &planned;
    sim_run_init(&run, &w);
    cr_assert_eq(run.result.span_ns, 2);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

static void expect_illegal(int32_t processor, int32_t lane, const char *message)
{
    sim_world w;
    spa_error err;
    const placer there = {processor, lane};
    sim_world_init(&w, 2, "first; second first");
    w.costs.processors[0].n_lanes = 2;
    sim_kernel(&w, "first", 1, -1);
    use_policy(&w, &as_told, &there);
    cr_assert_eq(sim_run_failing(&w, &err), SPA_E_ILLEGAL);
    cr_assert_str_eq(err.message, message);
    sim_world_fini(&w);
}

Test(sim_policy, an_illegal_action_fails_the_run_and_names_policy_and_operator)
{
    expect_illegal(1, SPA_LANE_ANY,
                   "policy 'as-told' on operator 'first': chose a processor that cannot run it");
    expect_illegal(2, SPA_LANE_ANY,
                   "policy 'as-told' on operator 'first': chose a processor that is not there");
    expect_illegal(-1, SPA_LANE_ANY,
                   "policy 'as-told' on operator 'first': chose a processor that is not there");
    expect_illegal(0, 2, "policy 'as-told' on operator 'first': chose a lane that is not there");
    expect_illegal(0, -2, "policy 'as-told' on operator 'first': chose a lane that is not there");
}

/* The result of a failed run is empty, and the engine can be started again. */
Test(sim_policy, an_engine_whose_run_failed_can_be_restarted)
{
    sim_world w;
    spa_engine *engine;
    spa_run_result result;
    spa_error e = {0};
    placer there = {7, 0};
    sim_world_init(&w, 1, "a");
    use_policy(&w, &as_told, &there);
    expect_ok(spa_costs_finish(&w.costs, err));
    expect_ok(spa_engine_new(&engine, &w.config, err));
    result.requests = 99;
    cr_assert_eq(spa_engine_run(engine, NULL, &result, &e), SPA_E_ILLEGAL);
    cr_assert_eq(result.requests, 0);
    there.processor = 0;
    expect_ok(spa_engine_restart(engine, 1, 0, NULL, err));
    expect_ok(spa_engine_run(engine, NULL, &result, err));
    cr_assert_eq(result.requests, 1);
    spa_engine_free(engine);
    sim_world_fini(&w);
}

/* ---- the view ----------------------------------------------------------------------------------
 */

/* What the policy saw when it was asked for "c". */
typedef struct seen {
    uint32_t op;
    int32_t asked, completions;
    int64_t now, finish_a, finish_b, finish_c, free0, free1, link0, ready0, ready1;
    uint8_t where_a, placed_c;
    uint32_t in_flight;
} seen;

static void look(const void *self, void *memory, const spa_view *v, uint32_t op, spa_action *action)
{
    seen *s = *(seen *const *)self;
    s->asked++;
    action->processor = op == 1;
    if (op != s->op) return;
    s->now = v->now_ns;
    s->finish_a = v->finish_ns[0];
    s->finish_b = v->finish_ns[1];
    s->finish_c = v->finish_ns[2];
    s->free0 = v->free_ns[0];
    s->free1 = v->free_ns[1];
    s->link0 = v->link_free_ns[0];
    s->where_a = v->where[0];
    s->placed_c = v->placed[2];
    s->in_flight = v->in_flight;
    s->ready0 = spa_view_ready_ns(v, op, 0);
    s->ready1 = spa_view_ready_ns(v, op, 1);
}

static void count_completion(const void *self, void *memory, const spa_completion *done)
{
    seen *s = *(seen *const *)self;
    s->completions++;
    cr_assert_eq(done->finish_ns - done->start_ns, done->expected_ns); /* nothing disturbs it */
}

/* a on p0 0..10; then b (p1) is placed at 10: copy of a 10..14, b 14..34; c is asked for at 10 too:
 * finish a 10, b expected 34, c unknown; p0 free at 10; p1 busy with b for 20 -> 10 + 20 = 30 (its
 * wait for the copy is not the queue's); the link is free at 14. c on p1 finds a on its way. */
Test(sim_policy, the_view_says_what_a_dispatcher_could_know)
{
    sim_world w;
    sim_run run;
    seen saw = {.op = 2}, *pointer = &saw;
    spa_policy policy = as_told;
    policy.place = look;
    policy.observe = count_completion;
    policy.decision_cycles = 0;
    sim_world_init(&w, 2, "a; b a; c a");
    sim_all_transfers(&w, 4);
    sim_kernel(&w, "a", 0, 10);
    sim_kernel(&w, "b", 1, 20);
    use_policy(&w, &policy, &pointer);
    sim_run_init(&run, &w);
    cr_assert_eq(saw.asked, 3);
    cr_assert_eq(saw.completions, 3);
    cr_assert_eq(saw.now, 10);
    cr_assert_eq(saw.finish_a, 10);
    cr_assert_eq(saw.finish_b, 34);
    cr_assert_eq(saw.finish_c, INT64_MAX);
    cr_assert_eq(saw.free0, 10);
    cr_assert_eq(saw.free1, 30);
    cr_assert_eq(saw.link0, 14);
    cr_assert_eq(saw.where_a, 3);
    cr_assert_eq(saw.placed_c, 0xff);
    cr_assert_eq(saw.in_flight, 1);
    cr_assert_eq(saw.ready0, 10);
    cr_assert_eq(saw.ready1, 10); /* as if it were there: the copy has been asked for */
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* ---- configurations that are refused ------------------------------------------------------------
 */

#define expect_refusal(w, wanted, text)                                                            \
    do {                                                                                           \
        spa_engine *engine_ = (spa_engine *)(w);                                                   \
        spa_error e_ = {0};                                                                        \
        cr_assert_eq(spa_engine_new(&engine_, &(w)->config, &e_), (wanted));                       \
        cr_assert_str_eq(e_.message, (text));                                                      \
        cr_assert_null(engine_);                                                                   \
    } while (0)

Test(sim_config, what_cannot_be_run_is_refused_with_a_reason)
{
    sim_world w, other;
    spa_policy policy = as_told;
    sim_world_init(&w, 1, "a; b a");
    sim_world_init(&other, 1, "a; b a; c b");
    const spa_run_config good = w.config;
    w.config.costs = &other.costs;
    expect_refusal(&w, SPA_E_INVALID, "the cost table belongs to another graph");
    w.config = good;
    w.config.schedule = NULL;
    expect_refusal(&w, SPA_E_INVALID, "a run needs a schedule or a policy that places");
    w.config = good;
    w.config.policy = &policy;
    w.config.objective = SPA_OBJECTIVE_ENERGY;
    expect_refusal(&w, SPA_E_UNSUPPORTED, "policy 'as-told' does not honour objective 'energy'");
    w.config.objective = SPA_OBJECTIVE_LATENCY;
    w.config = good;
    w.config.scenario.warmup = 1;
    expect_refusal(&w, SPA_E_INVALID,
                   "scenario 'single': needs requests >= 1, concurrency >= 1, warmup < requests");
    w.config = good;
    w.config.scenario.serial_ops = 3;
    expect_refusal(&w, SPA_E_INVALID, "scenario 'single': serial_ops 3 exceeds 2 operators");
    w.config = good;
    sim_kernel(&w, "b", 0, -1);
    expect_refusal(&w, SPA_E_INVALID, "no processor can run operator 'b' (other)");
    sim_kernel(&w, "b", 0, 1);
    w.config.schedule = &other.schedule;
    expect_refusal(&w, SPA_E_ILLEGAL, "the schedule has 3 operators, the graph 2");
    w.config = good;
    sim_order(&w, "b a");
    expect_refusal(&w, SPA_E_ILLEGAL, "operator 'b' comes before its input 'a'");
    sim_order(&w, "a b");
    w.schedule.processor[1] = 1;
    expect_refusal(&w, SPA_E_ILLEGAL, "operator 'b' is placed on processor 1; there are 1");
    sim_world_fini(&w);
    sim_world_fini(&other);
}

Test(sim_config, a_restart_with_an_illegal_schedule_says_so)
{
    sim_world w;
    spa_engine *engine;
    spa_schedule bad;
    sim_world_init(&w, 1, "a; b a");
    expect_ok(spa_costs_finish(&w.costs, err));
    expect_ok(spa_engine_new(&engine, &w.config, err));
    expect_ok(spa_schedule_init(&bad, 2, err));
    bad.lane[1] = 1;
    expect_error(spa_engine_restart(engine, 1, 0, &bad, err), SPA_E_ILLEGAL,
                 "operator 'b' is placed on lane 1 of p0, which has 1");
    spa_schedule_fini(&bad);
    spa_engine_free(engine);
    sim_world_fini(&w);
}

/* A run after a restart with another schedule is the run of a fresh engine with it. */
Test(sim_config, a_restart_takes_the_new_schedule_and_its_order)
{
    sim_world w;
    sim_run fresh;
    spa_engine *engine;
    spa_run_result result;
    spa_schedule second;
    sim_world_init(&w, 2, "a; b; c a b");
    sim_all_transfers(&w, 3);
    sim_kernel(&w, "a", 0, 10);
    sim_kernel(&w, "b", 0, 7);
    expect_ok(spa_costs_finish(&w.costs, err));
    expect_ok(spa_engine_new(&engine, &w.config, err));
    expect_ok(spa_engine_run(engine, NULL, &result, err));
    cr_assert_eq(result.span_ns, 18);
    expect_ok(spa_schedule_init(&second, 3, err));
    second.order[0] = 1;
    second.order[1] = 0;
    second.processor[2] = 1;
    expect_ok(spa_engine_restart(engine, 1, 0, &second, err));
    expect_ok(spa_engine_run(engine, NULL, &result, err));
    spa_schedule_copy(&w.schedule, &second);
    sim_run_init(&fresh, &w);
    /* b 0..7, a 7..17; both are copied when c is placed: 17..20, 20..23; c 23..24, home 24..27 */
    cr_assert_eq(result.span_ns, 27);
    cr_assert_eq(result.digest, fresh.result.digest);
    expect_ok(spa_engine_restart(engine, 1, 0, NULL, err));
    expect_ok(spa_engine_run(engine, NULL, &result, err));
    cr_assert_eq(result.digest, fresh.result.digest); /* NULL keeps the present one */
    sim_run_fini(&fresh);
    spa_schedule_fini(&second);
    spa_engine_free(engine);
    sim_world_fini(&w);
}

/* ---- the evaluator and the lower bound
 * ------------------------------------------------------------ */

Test(sim_evaluator, an_evaluation_is_a_run_of_one_request_without_noise)
{
    sim_world w;
    sim_run run;
    spa_evaluator *evaluator;
    spa_evaluation value;
    sim_world_random(&w, 5, &(sim_random_options){.contention = true});
    w.config.scenario = spa_scenario_single();
    sim_run_init(&run, &w);
    expect_ok(spa_evaluator_new(&evaluator, &w.graph, &w.costs, true, err));
    for (int i = 0; i < 3; i++) {
        expect_ok(spa_evaluate(evaluator, &w.schedule, &value, err));
        cr_assert_eq(value.makespan_ns, run.result.span_ns);
        cr_assert_float_eq(value.energy_j, run.result.energy_j, 0);
        cr_assert_float_eq(value.energy_dynamic_j, run.result.energy_dynamic_j, 0);
    }
    cr_assert_eq(spa_evaluator_count(evaluator), 3);
    w.schedule.processor[0] = 99;
    spa_error e = {0};
    cr_assert_eq(spa_evaluate(evaluator, &w.schedule, &value, &e), SPA_E_ILLEGAL);
    cr_assert_eq(value.makespan_ns, 0);
    cr_assert_eq(spa_evaluator_count(evaluator), 3);
    spa_evaluator_free(evaluator);
    spa_evaluator_free(NULL);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_evaluator, an_objectives_value_is_time_energy_or_their_product)
{
    const spa_evaluation e = {.makespan_ns = 2000000000, .energy_j = 3, .energy_dynamic_j = 1};
    cr_assert_float_eq(spa_evaluation_value(&e, SPA_OBJECTIVE_LATENCY), 2e9, 0);
    cr_assert_float_eq(spa_evaluation_value(&e, SPA_OBJECTIVE_THROUGHPUT), 2e9, 0);
    cr_assert_float_eq(spa_evaluation_value(&e, SPA_OBJECTIVE_ENERGY), 3, 0);
    cr_assert_float_eq(spa_evaluation_value(&e, SPA_OBJECTIVE_EDP), 6, 1e-12); /* 3 J * 2 s */
}

Test(sim_evaluator, objectives_have_names)
{
    const char *const names[] = {"latency", "energy", "edp", "throughput"};
    for (int i = 0; i < 4; i++) {
        spa_objective o;
        cr_assert(spa_objective_from_name(names[i], &o));
        cr_assert_eq((int)o, 1 << i);
        cr_assert_str_eq(spa_objective_name(o), names[i]);
    }
    spa_objective o;
    cr_assert_not(spa_objective_from_name("speed", &o));
}

/* Cheapest: a 10 (p0), b 4 (p1), c 6, d 20. Path a -> b -> d: 34. Work 40 over 2 lanes: 20. */
Test(sim_bound, the_lower_bound_is_the_cheapest_critical_path)
{
    sim_world w;
    sim_world_init(&w, 2, "a; b a; =v b; c a; d v c");
    sim_kernel(&w, "a", 0, 10);
    sim_kernel(&w, "a", 1, 15);
    sim_kernel(&w, "b", 0, 8);
    sim_kernel(&w, "b", 1, 4);
    sim_kernel(&w, "c", 0, 6);
    sim_kernel(&w, "c", 1, 6);
    sim_kernel(&w, "d", 0, 20);
    sim_kernel(&w, "d", 1, -1);
    sim_kernel(&w, "v", 0, 500); /* a view is free whatever the table says */
    sim_kernel(&w, "v", 1, 500);
    cr_assert_eq(sim_lower_bound(&w, false), 10 + 6 + 20); /* a -> c -> d is longer */
    /* A launch that nobody can avoid counts where it is a delay on the lane: a, c and d: + 3. */
    sim_all_launches(&w, 1);
    cr_assert_eq(sim_lower_bound(&w, false), 39);
    w.costs.dispatch_occupies_host = true;
    cr_assert_eq(sim_lower_bound(&w, false), 36);
    sim_world_fini(&w);
}

/* Five independent kernels of 7 on 1 + 1 lanes: 35 / 2 rounded up. */
Test(sim_bound, the_lower_bound_is_the_work_over_all_lanes)
{
    sim_world w;
    sim_world_init(&w, 2, "a; b; c; d; e");
    for (int i = 0; i < 10; i++) w.costs.ops[i].kernel_ns = 7;
    cr_assert_eq(sim_lower_bound(&w, false), 18);
    w.costs.processors[1].n_lanes = 4;
    cr_assert_eq(sim_lower_bound(&w, false), 7);
    sim_world_fini(&w);
}
