/* The audit can fail: violations planted in a recorded event stream are found. */
#include <stdlib.h>
#include "tests/sim/world.h"

/* Two requests at a time over two processors with copies, dispatch, a view and power. */
static void audited_world(sim_world *w, sim_run *run)
{
    sim_world_init(w, 2, "a #0; b a; =v b; c a; d v c");
    w->costs.dispatch_occupies_host = true;
    w->costs.base_w = 3;
    w->costs.processors[0].dispatch_w = 2;
    w->costs.processors[0].n_lanes = w->costs.processors[1].n_lanes = 2;
    sim_all_transfers(w, 5);
    sim_all_launches(w, 2);
    for (size_t i = 0; i < 10; i++) w->costs.ops[i].dynamic_w = 4 + (float)i;
    for (const char *const *n = (const char *[]){"a", "b", "c", "d", NULL}; *n; n++) {
        sim_kernel(w, *n, 0, 10);
        sim_kernel(w, *n, 1, 10);
    }
    w->costs.links[0][1].dynamic_w = w->costs.links[1][0].dynamic_w = 1;
    sim_place(w, "b", 1, 0);
    sim_place(w, "d", 1, 1);
    w->config.scenario = spa_scenario_closed(2, 3);
    sim_run_init(run, w);
}

/* Audits a run's events as they are now; the message goes to err. */
static spa_status audit(const sim_run *run, const sim_world *w, const spa_run_result *result,
                        spa_error *err)
{
    spa_audit *a;
    spa_error unused;
    memset(err, 0, sizeof *err);
    cr_assert_eq(spa_audit_new(&a, &w->graph, &w->costs, &w->config.scenario, &unused), SPA_OK);
    spa_audit_no_noise(a);
    if (!w->config.contention) spa_audit_no_contention(a);
    for (size_t i = 0; i < run->n_events; i++) spa_audit_event(a, &run->events[i]);
    spa_status status = spa_audit_finish(a, result, err);
    spa_audit_free(a);
    return status;
}

#define expect_violation(run, w, text)                                                             \
    do {                                                                                           \
        spa_error e_;                                                                              \
        cr_assert_eq(audit(run, w, &(run)->result, &e_), SPA_E_ILLEGAL, "not found: %s", text);    \
        cr_assert(strstr(e_.message, text), "'%s', but: %s", text, e_.message);                    \
    } while (0)

static size_t index_of(const sim_run *run, const sim_world *w, spa_event_kind kind,
                       const char *name, uint64_t request)
{
    uint32_t op = name ? sim_op(w, name) : UINT32_MAX;
    for (size_t i = 0; i < run->n_events; i++)
        if (run->events[i].kind == kind && run->events[i].op == op &&
            run->events[i].request == request)
            return i;
    cr_assert_fail("no such event");
    return 0;
}

/* Numbers the events as they stand, so that the next check does not see the planting itself. */
static void renumber(sim_run *run)
{
    for (size_t i = 0; i < run->n_events; i++) run->events[i].sequence = i;
    run->result.events = run->n_events;
}

static void remove_at(sim_run *run, size_t i)
{
    memmove(&run->events[i], &run->events[i + 1], (--run->n_events - i) * sizeof *run->events);
}

/* Moves an event to another index and time. */
static void move_to(sim_run *run, size_t from, size_t to, int64_t time_ns)
{
    spa_event ev = run->events[from];
    ev.time_ns = time_ns;
    remove_at(run, from);
    memmove(&run->events[to + 1], &run->events[to], (run->n_events++ - to) * sizeof ev);
    run->events[to] = ev;
}

Test(sim_audit, an_event_that_is_left_out_is_noticed_by_its_number)
{
    sim_world w;
    sim_run run;
    audited_world(&w, &run);
    remove_at(&run, run.n_events / 2);
    expect_violation(&run, &w, "an event is missing from the sequence");
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Even when the numbers are made to fit: whichever event it is. */
Test(sim_audit, every_single_event_that_is_left_out_is_noticed_by_what_it_did)
{
    sim_world w;
    sim_run run;
    spa_error e;
    audited_world(&w, &run);
    size_t n = run.n_events;
    spa_event *all = malloc(n * sizeof *all);
    memcpy(all, run.events, n * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        memcpy(run.events, all, n * sizeof *all);
        run.n_events = n;
        if (all[i].kind == SPA_EV_PLACE && all[i].op == sim_op(&w, "v")) continue; /* no effect */
        remove_at(&run, i);
        renumber(&run);
        cr_assert_eq(audit(&run, &w, &run.result, &e), SPA_E_ILLEGAL, "event %zu of kind %d", i,
                     (int)all[i].kind);
    }
    free(all);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_audit, every_single_event_that_comes_twice_is_noticed)
{
    sim_world w;
    sim_run run;
    spa_error e;
    audited_world(&w, &run);
    size_t n = run.n_events;
    spa_event *all = malloc(n * sizeof *all);
    memcpy(all, run.events, n * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        run.n_events = 0;
        for (size_t k = 0; k < n; k++) {
            sim_record(&run, &all[k]);
            if (k == i) sim_record(&run, &all[k]);
        }
        renumber(&run);
        cr_assert_eq(audit(&run, &w, &run.result, &e), SPA_E_ILLEGAL, "event %zu of kind %d", i,
                     (int)all[i].kind);
    }
    free(all);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_audit, events_in_the_wrong_order_make_the_clock_go_back)
{
    sim_world w;
    sim_run run;
    audited_world(&w, &run);
    run.events[index_of(&run, &w, SPA_EV_PLACE, "b", 0)].time_ns = run.result.span_ns;
    expect_violation(&run, &w, "the clock goes back");
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* b's kernel begins when its input begins to move. */
Test(sim_audit, an_operator_that_starts_before_its_input_arrives_is_noticed)
{
    sim_world w;
    sim_run run;
    audited_world(&w, &run);
    size_t arrives = index_of(&run, &w, SPA_EV_TRANSFER_END, "a", 0);
    size_t begins = index_of(&run, &w, SPA_EV_KERNEL_BEGIN, "b", 0);
    cr_assert_lt(arrives, begins);
    move_to(&run, begins, arrives, run.events[arrives].time_ns);
    renumber(&run);
    expect_violation(&run, &w, "operator 'b': starts before its input is there");
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_audit, a_kernel_or_copy_that_is_faster_than_alone_is_noticed)
{
    sim_world w;
    sim_run run;
    audited_world(&w, &run);
    sim_cost(&w, "b", 1)->kernel_ns++;
    expect_violation(&run, &w, "operator 'b': is faster than when it runs alone");
    sim_cost(&w, "b", 1)->kernel_ns--;
    sim_transfer(&w, "a", 0, 1, 6);
    expect_violation(&run, &w, "operator 'a': moves faster than alone");
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* One field of one event is changed; the numbers stay. */
typedef struct planting {
    spa_event_kind kind;
    const char *name;
    uint64_t request;
    void (*plant)(spa_event *);
    const char *text;
} planting;

static void other_lane(spa_event *ev)
{
    ev->lane ^= 1;
}
static void other_processor(spa_event *ev)
{
    ev->processor ^= 1;
}
static void far_lane(spa_event *ev)
{
    ev->lane = 200;
}
static void far_processor(spa_event *ev)
{
    ev->processor = 200;
}
static void far_operator(spa_event *ev)
{
    ev->op = 77;
}
static void no_kind(spa_event *ev)
{
    ev->kind = 99;
}
static void more_power(spa_event *ev)
{
    ev->power_w += 1;
}
static void no_power(spa_event *ev)
{
    ev->power_w = 0;
}
static void nan_power(spa_event *ev)
{
    ev->power_w = 0.0f / 0.0f;
}
static void other_request(spa_event *ev)
{
    ev->request ^= 1;
}
static void no_request(spa_event *ev)
{
    ev->request = UINT64_MAX;
}
static void other_operator(spa_event *ev)
{
    ev->op = 0;
}
static void earlier(spa_event *ev)
{
    ev->time_ns -= 1000000;
}
static void view_operator(spa_event *ev)
{
    ev->op = 2;
}

Test(sim_audit, a_changed_field_of_an_event_is_noticed)
{
    static const planting plantings[] = {
        {SPA_EV_KERNEL_BEGIN, "b", 0, other_lane, "runs where it was not placed"},
        {SPA_EV_KERNEL_END, "b", 0, other_lane, "its lane does something else"},
        {SPA_EV_PLACE, "b", 0, other_processor, "runs where it was not placed"},
        {SPA_EV_KERNEL_BEGIN, "b", 0, far_lane, "names what is not there"},
        {SPA_EV_KERNEL_BEGIN, "b", 0, far_processor, "names what is not there"},
        {SPA_EV_KERNEL_BEGIN, "b", 0, far_operator, "names what is not there"},
        {SPA_EV_TRANSFER_BEGIN, "a", 0, far_operator, "names what is not there"},
        {SPA_EV_TRANSFER_BEGIN, "a", 0, far_lane, "names what is not there"},
        {SPA_EV_TRANSFER_BEGIN, "a", 0, other_lane, "names what is not there"},
        {SPA_EV_FINISH, NULL, 0, other_operator, "names what is not there"},
        {SPA_EV_PLACE, "b", 0, no_kind, "names what is not there"},
        {SPA_EV_KERNEL_BEGIN, "b", 0, more_power, "its power is not the cost table's"},
        {SPA_EV_KERNEL_END, "b", 0, no_power, "its power is not the cost table's"},
        {SPA_EV_TRANSFER_END, "a", 0, nan_power, "its power is not the cost table's"},
        {SPA_EV_DISPATCH_BEGIN, "a", 1, more_power, "its power is not the cost table's"},
        {SPA_EV_KERNEL_BEGIN, "b", 0, no_request, "the request is not in flight"},
        {SPA_EV_ARRIVE, NULL, 1, other_request, "requests do not arrive in order"},
        {SPA_EV_ARRIVE, NULL, 2, other_request, "requests do not arrive in order"},
        {SPA_EV_KERNEL_END, "a", 0, other_request, "its lane does something else"},
        {SPA_EV_DISPATCH_END, "b", 0, other_operator, "its lane does something else"},
        {SPA_EV_TRANSFER_END, "a", 0, other_request, "its link does something else"},
        {SPA_EV_KERNEL_BEGIN, "b", 0, earlier, "the clock goes back"},
        {SPA_EV_FINISH, NULL, 1, other_request, "ends before all its operators"},
        {SPA_EV_KERNEL_BEGIN, "b", 0, view_operator, "its power is not the cost table's"},
    };
    for (size_t i = 0; i < sizeof plantings / sizeof *plantings; i++) {
        const planting *p = &plantings[i];
        sim_world w;
        sim_run run;
        audited_world(&w, &run);
        if (p->kind == SPA_EV_FINISH && p->request == 1) {
            /* r1 may not say that r0 ends: take the one that ends first */
            size_t first = index_of(&run, &w, SPA_EV_FINISH, NULL, 0);
            p->plant(&run.events[first]);
        } else {
            p->plant(&run.events[index_of(&run, &w, p->kind, p->name, p->request)]);
        }
        expect_violation(&run, &w, p->text);
        sim_run_fini(&run);
        sim_world_fini(&w);
    }
}

Test(sim_audit, a_lane_that_does_two_things_at_once_is_noticed)
{
    sim_world w;
    sim_run run;
    audited_world(&w, &run);
    /* b of r1 was queued behind b of r0 on the same lane: let it begin with it. */
    size_t ends = index_of(&run, &w, SPA_EV_KERNEL_END, "b", 0);
    size_t second = index_of(&run, &w, SPA_EV_KERNEL_BEGIN, "b", 1);
    size_t arrived = index_of(&run, &w, SPA_EV_TRANSFER_END, "a", 1);
    if (arrived < ends)
        move_to(&run, second, ends, run.events[ends].time_ns);
    else
        move_to(&run, ends, second + 1, run.events[second].time_ns);
    renumber(&run);
    expect_violation(&run, &w, "its lane is busy already");
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_audit, every_total_of_the_result_is_checked)
{
    static const struct {
        size_t at;
        const char *text;
    } totals[] = {
        {offsetof(spa_run_result, requests), "the number of finished requests"},
        {offsetof(spa_run_result, events), "the number of events"},
        {offsetof(spa_run_result, span_ns), "the span"},
        {offsetof(spa_run_result, busy_ns[1]), "kernels do not add up"},
        {offsetof(spa_run_result, ops[0]), "kernels do not add up"},
        {offsetof(spa_run_result, transfers), "transfers do not add up"},
        {offsetof(spa_run_result, transfer_ns), "transfers do not add up"},
        {offsetof(spa_run_result, overlap_ns), "transfers do not add up"},
        {offsetof(spa_run_result, dispatch_ns), "dispatches do not add up"},
    };
    sim_world w;
    sim_run run;
    spa_error e;
    audited_world(&w, &run);
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++) {
        spa_run_result wrong = run.result;
        int64_t value;
        memcpy(&value, (char *)&wrong + totals[i].at, sizeof value);
        value++;
        memcpy((char *)&wrong + totals[i].at, &value, sizeof value);
        cr_assert_eq(audit(&run, &w, &wrong, &e), SPA_E_ILLEGAL, "%s", totals[i].text);
        cr_assert(strstr(e.message, totals[i].text), "%s", e.message);
    }
    spa_run_result wrong = run.result;
    wrong.energy_dynamic_j *= 1.01;
    cr_assert_eq(audit(&run, &w, &wrong, &e), SPA_E_ILLEGAL);
    cr_assert(strstr(e.message, "dynamic energy is not the integral of power"));
    wrong = run.result;
    wrong.energy_j *= 1.5;
    cr_assert_eq(audit(&run, &w, &wrong, &e), SPA_E_ILLEGAL);
    cr_assert(strstr(e.message, "energy is not dynamic plus idle energy"), "%s", e.message);
    cr_assert_eq(audit(&run, &w, &run.result, &e), SPA_OK, "%s", e.message);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* The run knew no section; an audit that expects one finds r1 inside together with r0. */
Test(sim_audit, a_critical_section_that_is_not_kept_is_noticed)
{
    sim_world w;
    sim_run run;
    audited_world(&w, &run);
    w.config.scenario.serial_ops = 5;
    expect_violation(&run, &w, "enters the critical section while another request is in it");
    sim_run_fini(&run);
    w.config.scenario = spa_scenario_closed(1, 2);
    w.config.scenario.serial_ops = 1;
    sim_run_init(&run, &w);
    for (size_t i = 0; i < run.n_events; i++) run.events[i].request ^= 1; /* r1 before r0 */
    run.events[0].request = 0;
    expect_violation(&run, &w, "the request is not in flight");
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_audit, more_requests_in_flight_than_asked_for_are_noticed)
{
    sim_world w;
    sim_run run;
    audited_world(&w, &run);
    w.config.scenario.concurrency = 1;
    expect_violation(&run, &w, "more requests are in flight than the scenario allows");
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* The copy home of the last output is taken out: its result never reaches the host. */
Test(sim_audit, an_output_that_does_not_come_home_is_noticed)
{
    sim_world w;
    sim_run run;
    audited_world(&w, &run);
    remove_at(&run, index_of(&run, &w, SPA_EV_TRANSFER_END, "d", 0));
    remove_at(&run, index_of(&run, &w, SPA_EV_TRANSFER_BEGIN, "d", 0));
    renumber(&run);
    expect_violation(&run, &w, "the request ends before its outputs are on the host");
    sim_run_fini(&run);
    sim_world_fini(&w);
}

/* Events of any content: no crash, and a stream with noise in it is refused. */
Test(sim_audit, events_of_any_content_are_survived)
{
    sim_world w;
    sim_run run;
    spa_error e;
    spa_rng rng;
    audited_world(&w, &run);
    size_t n = run.n_events;
    spa_event *all = malloc(n * sizeof *all);
    memcpy(all, run.events, n * sizeof *all);
    spa_rng_init(&rng, 1, "audit noise");
    for (int round = 0; round < 3000; round++) {
        memcpy(run.events, all, n * sizeof *all);
        size_t i = spa_rng_below(&rng, (uint32_t)n);
        unsigned char *bytes = (unsigned char *)&run.events[i];
        size_t at = spa_rng_below(&rng, offsetof(spa_event, tenths));
        bytes[at] ^= (unsigned char)(1 + spa_rng_below(&rng, 255));
        bool silent = all[i].kind == SPA_EV_PLACE && all[i].op == sim_op(&w, "v") &&
                      (at == offsetof(spa_event, processor) || at == offsetof(spa_event, lane));
        silent |= (all[i].kind == SPA_EV_ARRIVE || all[i].kind == SPA_EV_FINISH) &&
                  (at == offsetof(spa_event, processor) || at == offsetof(spa_event, lane));
        spa_status status = audit(&run, &w, &run.result, &e);
        cr_assert(status == SPA_E_ILLEGAL || silent || at < 8 || status == SPA_OK);
        if (status == SPA_OK && !silent && at >= 8)
            cr_assert_fail("event %zu, byte %zu of kind %d passes", i, at, (int)all[i].kind);
    }
    free(all);
    sim_run_fini(&run);
    sim_world_fini(&w);
}

Test(sim_audit, a_suspended_audit_finds_nothing_until_it_is_reset)
{
    sim_world w;
    sim_run run;
    spa_audit *a;
    spa_event lost = {.sequence = 5};
    audited_world(&w, &run);
    expect_ok(spa_audit_new(&a, &w.graph, &w.costs, &w.config.scenario, err));
    spa_audit_suspend(a);
    spa_audit_event(a, &lost);
    expect_ok(spa_audit_finish(a, &run.result, err));
    spa_audit_reset(a);
    spa_audit_event(a, &lost);
    cr_assert_eq(spa_audit_finish(a, &run.result, NULL), SPA_E_ILLEGAL);
    spa_audit_free(a);
    sim_run_fini(&run);
    sim_world_fini(&w);
}
