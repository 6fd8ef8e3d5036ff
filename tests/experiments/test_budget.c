/* The error budget of an inference with transfers from and to an asynchronous lane. */
#include <criterion/criterion.h>

#include "experiments/budget.h"
#include "sim/engine.h"
#include "tests/base/check.h"
#include "tests/random_graph.h"

static void expect_us(const spa_budget *b, spa_component component, double us)
{
    cr_assert_float_eq(b->us[component], us, 1e-9, "%s: %g, not %g", spa_component_name(component),
                       b->us[component], us);
}

/* tiny_branch: stem -> left, right -> join; left and join on lane 1. */
Test(budget, a_transfer_counts_as_far_as_its_readers_lane_waited_for_it)
{
    spa_graph g;
    spa_budget b;
    spa_step steps[4] = {
        {.begin = 0, .end = 10, .lane = 0},
        {.begin = 15, .end = 20, .moved = 4, .lane = 1}, /* 10 -> 15: 4 of it on the way */
        {.begin = 10, .end = 12, .lane = 0},
        {.begin = 20, .end = 25, .moved = 3, .lane = 1}, /* came while left ran */
    };
    expect_ok(tiny_branch(&g, err));
    spa_budget_of(&g, steps, &b);
    expect_us(&b, SPA_COMPONENT_KERNEL, 20);
    expect_us(&b, SPA_COMPONENT_TRANSFER, 4);
    expect_us(&b, SPA_COMPONENT_HAND_OFF, 1);
    cr_assert_float_eq(spa_budget_total(&b), 25, 1e-9);
    steps[2].lane = 1; /* right runs on lane 1 before left, which waits for the lane: 10 -> 14 */
    steps[2].end = 14;
    spa_budget_of(&g, steps, &b);
    expect_us(&b, SPA_COMPONENT_QUEUEING, 4);
    expect_us(&b, SPA_COMPONENT_TRANSFER, 1);
    cr_assert_float_eq(spa_budget_total(&b), 25, 1e-9);
    spa_graph_fini(&g);
}

typedef struct events {
    spa_event list[64];
    size_t n;
} events;

static void keep(void *user, const spa_event *event)
{
    events *e = user;
    if (e->n < 64) e->list[e->n++] = *event;
}

/* 1 us an operator, 3 us there, 2 us back; issuing takes the host 0.5 us. */
static void make_costs(spa_costs *c, const spa_graph *g)
{
    expect_ok(spa_costs_init(c, g, 2, err));
    for (size_t i = 0; i < 2 * g->n_ops; i++) {
        c->ops[i].kernel_ns = 1000;
        c->ops[i].launch_ns = 500;
    }
    for (size_t t = 0; t < c->n_tensors; t++) {
        c->transfer_ns[t * 4 + 1] = 3000;
        c->transfer_ns[t * 4 + 2] = 2000;
    }
    c->processors[1].is_async = true;
    c->dispatch_occupies_host = true;
    expect_ok(spa_costs_finish(c, err));
}

Test(budget, simulated_transfers_belong_to_their_readers)
{
    spa_graph g;
    spa_costs costs;
    spa_schedule schedule;
    spa_engine *engine;
    spa_run_result result;
    spa_step steps[4];
    spa_budget b;
    events e = {.n = 0};
    spa_run_config config = spa_run_config_default();
    expect_ok(tiny_branch(&g, err));
    make_costs(&costs, &g);
    expect_ok(spa_schedule_init(&schedule, 4, err));
    schedule.processor[1] = 1; /* left on the device */
    config.graph = &g;
    config.costs = &costs;
    config.schedule = &schedule;
    config.record = keep;
    config.record_user = &e;
    expect_ok(spa_engine_new(&engine, &config, err));
    expect_ok(spa_engine_run(engine, NULL, &result, err));
    spa_steps_from_events(&costs, e.list, e.n, 0, NULL, steps);
    cr_assert_float_eq(steps[1].moved, 3, 1e-9);
    cr_assert_float_eq(steps[3].moved, 2, 1e-9);
    cr_assert(steps[0].moved == 0 && steps[2].moved == 0);
    spa_budget_of(&g, steps, &b);
    /* stem 0.5 -> 1.5, there -> 4.5, left -> 5.5, back -> 7.5, join -> 8.5. */
    cr_assert_float_eq(spa_budget_total(&b), 8.5, 1e-9);
    expect_us(&b, SPA_COMPONENT_KERNEL, 3);
    expect_us(&b, SPA_COMPONENT_TRANSFER, 5);
    spa_engine_free(engine);
    spa_schedule_fini(&schedule);
    spa_costs_fini(&costs);
    spa_graph_fini(&g);
}
