#include "tests/kernels/async_bench.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/profile_model.h"
#include "tests/base/check.h"
#include "tests/kernels/agree.h"

void async_bench_needs_cores(void)
{
    if (!spa_core_allowed(0) || !spa_core_allowed(1)) cr_skip_test("needs cores 0 and 1");
}

static bool is_result(const spa_graph *g, size_t op)
{
    return g->first_consumer[op] == g->first_consumer[op + 1];
}

/* What the graph puts out, one after another; returns how many elements. */
static size_t results(const spa_graph *g, const spa_session *session, float *out)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_ops; i++) {
        size_t size = (size_t)spa_shape_elements(&g->ops[i].out);
        if (!is_result(g, i)) continue;
        if (out) memcpy(out + n, session->outputs[i], size * sizeof *out);
        n += size;
    }
    return n;
}

/* The inputs are those that the hardware gave the slot. */
static void compute_answer(async_bench *b, uint32_t slot)
{
    const spa_session *given = spa_hardware_session(b->hardware, slot);
    const spa_backend **backends;
    spa_session session;
    void *workspace;
    expect_ok(spa_alloc(&backends, b->graph.n_ops, sizeof *backends, err));
    for (size_t i = 0; i < b->graph.n_ops; i++) backends[i] = &spa_backend_ref;
    expect_ok(spa_session_init(&session, &b->model, SPA_BUFFERS_OWN, err));
    for (size_t k = 0; k < b->graph.n_graph_inputs; k++)
        memcpy(session.graph_inputs[k], given->graph_inputs[k],
               (size_t)spa_shape_elements(&b->graph.graph_inputs[k]) * sizeof(float));
    expect_ok(
        spa_alloc_aligned(&workspace, spa_model_workspace_bytes(&b->model, &spa_backend_ref), err));
    expect_ok(spa_session_run(&session, backends, workspace, NULL, NULL, err));
    b->answers[slot] = malloc(results(&b->graph, &session, NULL) * sizeof(float));
    results(&b->graph, &session, b->answers[slot]);
    spa_session_fini(&session);
    free(workspace);
    free(backends);
}

/* On b->lanes. */
void async_bench_prepare(async_bench *b, const spa_hardware_options *options)
{
    b->options = *options;
    expect_ok(spa_lanes_plain_costs(&b->costs, &b->graph, &b->lanes, err));
    expect_ok(spa_model_init(&b->model, &b->graph, 7, err));
    expect_ok(spa_model_prepare(&b->model, &spa_backend_ref, err));
    expect_ok(spa_hardware_new(&b->hardware, &b->lanes, &b->model, options, err));
    expect_ok(spa_schedule_init(&b->schedule, b->graph.n_ops, err));
    expect_ok(spa_hardware_record_init(&b->record, b->hardware, 3 * options->slots, true, err));
    b->config = spa_run_config_default();
    b->config.graph = &b->graph;
    b->config.costs = &b->costs;
    b->config.schedule = &b->schedule;
    b->config.scenario = spa_scenario_closed(options->slots, 3 * options->slots);
    expect_ok(spa_hardware_config(b->hardware, &b->config, err));
    for (uint32_t s = 0; s < options->slots; s++) compute_answer(b, s);
}

void async_bench_begin_with(async_bench *b, const char *lanes, const spa_hardware_options *options)
{
    expect_ok(spa_lanes_parse(&b->lanes, lanes, err));
    async_bench_prepare(b, options);
}

void async_bench_begin(async_bench *b, const char *lanes, uint32_t slots, bool graphs)
{
    spa_hardware_options options = spa_hardware_default();
    options.slots = slots;
    options.graphs = graphs;
    async_bench_begin_with(b, lanes, &options);
}

void async_bench_end(async_bench *b)
{
    spa_hardware_record_fini(&b->record);
    spa_hardware_free(b->hardware);
    spa_schedule_fini(&b->schedule);
    spa_costs_fini(&b->costs);
    spa_model_fini(&b->model);
    spa_graph_fini(&b->graph);
    for (int s = 0; s < MOST_SLOTS; s++) free(b->answers[s]);
}

static void audit(async_bench *b, const spa_run_result *result)
{
    spa_audit *audit;
    expect_ok(spa_audit_new(&audit, &b->graph, &b->costs, &b->config.scenario, err));
    for (size_t i = 0; i < b->record.n_events; i++) spa_audit_event(audit, &b->record.events[i]);
    expect_ok(spa_audit_finish(audit, result, err));
    spa_audit_free(audit);
}

void async_bench_run(async_bench *b, spa_run_result *result)
{
    spa_engine *engine;
    expect_ok(spa_engine_new(&engine, &b->config, err));
    expect_ok(spa_hardware_run(b->hardware, engine, &b->record, NULL, result, err));
    spa_engine_free(engine);
    audit(b, result);
    cr_assert_eq(result->requests, b->config.scenario.requests);
}

void async_bench_expect_answers(async_bench *b, const char *what, uint64_t seed)
{
    size_t n = results(&b->graph, spa_hardware_session(b->hardware, 0), NULL);
    float *got = malloc(n * sizeof *got);
    for (uint32_t s = 0; s < b->options.slots; s++) {
        results(&b->graph, spa_hardware_session(b->hardware, s), got);
        double nmse = spa_nmse(got, b->answers[s], n);
        cr_assert(nmse <= AGREE_NMSE, "%s, seed %d, slot %u: NMSE %g", what, (int)seed, s, nmse);
    }
    free(got);
}

void async_bench_place(async_bench *b, uint64_t seed)
{
    spa_rng rng;
    spa_rng_init(&rng, seed, "placement");
    double change = seed % 2 ? spa_rng_uniform(&rng) : 1;
    uint32_t n = (uint32_t)b->lanes.count, lane = spa_rng_below(&rng, n);
    for (size_t i = 0; i < b->graph.n_ops; i++) {
        if (spa_rng_uniform(&rng) < change) lane = spa_rng_below(&rng, n);
        b->schedule.processor[i] = (uint8_t)lane;
    }
}

spa_status async_bench_try(async_bench *b, spa_error *why)
{
    spa_engine *engine;
    spa_run_result result;
    expect_ok(spa_engine_new(&engine, &b->config, err));
    spa_status status = spa_hardware_run(b->hardware, engine, &b->record, NULL, &result, why);
    spa_engine_free(engine);
    return status;
}

static void place_in_turn(const void *self, void *memory, const spa_view *view, uint32_t op,
                          spa_action *action)
{
    action->processor = (int32_t)((op + view->request_slot) % 2);
}

const spa_policy async_in_turn = {.abi = SPA_POLICY_ABI,
                                  .struct_size = sizeof(spa_policy),
                                  .name = "in turn",
                                  .capabilities = SPA_CAP_PLACE,
                                  .objectives = SPA_OBJECTIVE_LATENCY,
                                  .place = place_in_turn};
