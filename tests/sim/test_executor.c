/* The hooks of an executor: what is called, in which order, when an asynchronous processor takes
 * part. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sim/engine.h"
#include "tests/base/check.h"
#include "tests/random_graph.h"

typedef struct journal {
    const spa_graph *graph;
    char text[600];
} journal;

static void note(journal *j, const char *what, uint32_t at, uint32_t op)
{
    size_t used = strlen(j->text);
    const char *name = op < j->graph->n_ops ? j->graph->ops[op].name : "image";
    snprintf(j->text + used, sizeof j->text - used, "%s %u %s; ", what, at, name);
}

static void on_admit(void *self, uint32_t slot, uint64_t request)
{
    strcat(((journal *)self)->text, "admit; ");
}

static void on_kernel(void *self, uint32_t lane, uint32_t slot, uint32_t op)
{
    note(self, "kernel", lane, op);
}

static void on_issue(void *self, uint32_t lane, uint32_t slot, uint32_t op)
{
    note(self, "issue", lane, op);
}

static void on_want(void *self, uint32_t slot, uint32_t tensor, uint32_t from, uint32_t to)
{
    note(self, "want", to, tensor);
}

static void on_transfer(void *self, uint32_t link, uint32_t slot, uint32_t tensor, uint32_t from,
                        uint32_t to)
{
    note(self, "transfer", link, tensor);
}

static const spa_executor executor = {.admit = on_admit,
                                      .kernel = on_kernel,
                                      .want = on_want,
                                      .transfer = on_transfer,
                                      .issue = on_issue};

/* Processor 1 is a stream; link 0 leads there, link 1 back. */
static void make_costs(spa_costs *c, const spa_graph *g)
{
    expect_ok(spa_costs_init(c, g, 2, err));
    for (size_t i = 0; i < 2 * g->n_ops; i++) c->ops[i].kernel_ns = 1000;
    for (size_t t = 0; t < c->n_tensors; t++) {
        c->transfer_ns[t * 4 + 1] = 100;
        c->transfer_ns[t * 4 + 2] = 100;
    }
    c->links[1][0].id = 1;
    c->n_links = 2;
    c->processors[1].is_async = true;
    c->dispatch_occupies_host = true;
    expect_ok(spa_costs_finish(c, err));
}

static void expect_step(spa_engine *e, journal *j, uint32_t event_slot, const char *text)
{
    bool done;
    j->text[0] = '\0';
    expect_ok(spa_engine_complete(e, event_slot, 0, &done, err));
    cr_assert_str_eq(j->text, text, "%s", j->text);
}

/* stem -> left, right -> join; left and join on the stream: join is issued while left runs, and its
 * result is wanted before it is made. */
Test(sim_executor, operators_are_issued_and_tensors_wanted_ahead)
{
    enum { HOST, STREAM, UP, DOWN }; /* event slots: lanes, then links */
    spa_graph g;
    spa_costs costs;
    spa_schedule schedule;
    spa_engine *e;
    bool done;
    expect_ok(tiny_branch(&g, err));
    make_costs(&costs, &g);
    expect_ok(spa_schedule_init(&schedule, 4, err));
    schedule.processor[1] = schedule.processor[3] = 1;
    journal j = {.graph = &g};
    spa_run_config config = spa_run_config_default();
    config.graph = &g;
    config.costs = &costs;
    config.schedule = &schedule;
    config.executor = &executor;
    config.executor_self = &j;
    expect_ok(spa_engine_new(&e, &config, err));
    cr_assert_not_null(spa_engine_schedule(e));
    expect_ok(spa_engine_begin(e, NULL, &done, err));
    cr_assert_str_eq(j.text, "admit; kernel 0 stem; ", "%s", j.text);
    expect_step(e, &j, HOST, "want 1 stem; transfer 0 stem; issue 1 left; kernel 0 right; ");
    expect_step(e, &j, UP, "kernel 1 left; ");
    expect_step(e, &j, HOST, "want 1 right; transfer 0 right; want 0 join; issue 1 join; ");
    expect_step(e, &j, STREAM, "");
    expect_step(e, &j, UP, "kernel 1 join; ");
    expect_step(e, &j, STREAM, "transfer 1 join; ");
    expect_ok(spa_engine_complete(e, DOWN, 0, &done, err));
    cr_assert(done);
    spa_engine_free(e);
    spa_schedule_fini(&schedule);
    spa_costs_fini(&costs);
    spa_graph_fini(&g);
}

Test(sim_executor, real_lanes_refuse_conditions)
{
    spa_graph g;
    spa_costs costs;
    spa_schedule schedule;
    spa_engine *e;
    spa_error why = {0};
    expect_ok(tiny_branch(&g, err));
    make_costs(&costs, &g);
    expect_ok(spa_schedule_init(&schedule, 4, err));
    journal j = {.graph = &g};
    spa_run_config config = spa_run_config_default();
    config.graph = &g;
    config.costs = &costs;
    config.schedule = &schedule;
    config.executor = &executor;
    config.executor_self = &j;
    config.scenario.conditions.n_backgrounds = 1;
    config.scenario.conditions.backgrounds[0] =
        (spa_background){.processor = "host", .share = 0.5, .on_ms = 1};
    cr_assert_eq(spa_engine_new(&e, &config, &why), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(why.message, "real lanes"), "%s", why.message);
    cr_assert_null(e);
    spa_schedule_fini(&schedule);
    spa_costs_fini(&costs);
    spa_graph_fini(&g);
}
