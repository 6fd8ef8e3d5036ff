/* The hardware executor with asynchronous lanes, on the emulated device: every placement gives the
 * answer of `ref`, copies overlap kernels, failures end runs cleanly. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/hardware.h"
#include "kernels/profile_model.h"
#include "sim/audit.h"
#include "tests/base/check.h"
#include "tests/kernels/agree.h"
#include "tests/oom.h"
#include "tests/random_graph.h"

#define LANES "cpu:0=blas,emulated:1"

enum { MOST_SLOTS = 8 };

typedef struct bench {
    spa_graph graph;
    spa_costs costs;
    spa_model model;
    spa_lane_set lanes;
    spa_hardware *hardware;
    spa_hardware_options options;
    spa_schedule schedule;
    spa_run_config config;
    spa_hardware_record record;
    float *answers[MOST_SLOTS]; /* of all results, by `ref`; of each slot's inputs */
} bench;

static void needs_two_cores(void)
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
static void compute_answer(bench *b, uint32_t slot)
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

static void begin_with(bench *b, const char *lanes, const spa_hardware_options *options)
{
    b->options = *options;
    expect_ok(spa_lanes_parse(&b->lanes, lanes, err));
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

static void begin(bench *b, const char *lanes, uint32_t slots, bool graphs)
{
    spa_hardware_options options = spa_hardware_default();
    options.slots = slots;
    options.graphs = graphs;
    begin_with(b, lanes, &options);
}

static void end(bench *b)
{
    spa_hardware_record_fini(&b->record);
    spa_hardware_free(b->hardware);
    spa_schedule_fini(&b->schedule);
    spa_costs_fini(&b->costs);
    spa_model_fini(&b->model);
    spa_graph_fini(&b->graph);
    for (int s = 0; s < MOST_SLOTS; s++) free(b->answers[s]);
}

static void audit(bench *b, const spa_run_result *result)
{
    spa_audit *audit;
    expect_ok(spa_audit_new(&audit, &b->graph, &b->costs, &b->config.scenario, err));
    for (size_t i = 0; i < b->record.n_events; i++) spa_audit_event(audit, &b->record.events[i]);
    expect_ok(spa_audit_finish(audit, result, err));
    spa_audit_free(audit);
}

static void run(bench *b, spa_run_result *result)
{
    spa_engine *engine;
    expect_ok(spa_engine_new(&engine, &b->config, err));
    expect_ok(spa_hardware_run(b->hardware, engine, &b->record, NULL, result, err));
    spa_engine_free(engine);
    audit(b, result);
    cr_assert_eq(result->requests, b->config.scenario.requests);
}

static void expect_answers(bench *b, const char *what, uint64_t seed)
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

static void place_randomly(bench *b, uint64_t seed)
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

/* ---- answers --------------------------------------------------------------------------------- */

static void expect_any_placement_agrees(bench *b, const char *what, uint64_t rounds)
{
    spa_run_result result;
    for (uint64_t seed = 0; seed < rounds; seed++) {
        if (seed < b->lanes.count)
            memset(b->schedule.processor, (int)seed, b->graph.n_ops);
        else
            place_randomly(b, seed);
        run(b, &result);
        expect_answers(b, what, seed);
    }
}

Test(hardware_async, one_inference_of_a_saved_schedule)
{
    bench b = {0};
    needs_two_cores();
    expect_ok(tiny_branch(&b.graph, err));
    begin(&b, LANES, 1, true);
    expect_any_placement_agrees(&b, "branch", 6);
    end(&b);
}

Test(hardware_async, every_placement_of_mobilenet_v2_gives_the_same_answer)
{
    bench b = {0};
    needs_two_cores();
    expect_ok(spa_zoo_build(&b.graph, "mobilenet_v2", 1, SPA_FP32, "relu50", err));
    begin(&b, LANES, 1, true);
    expect_any_placement_agrees(&b, "mobilenet_v2", 6);
    end(&b);
}

/* Lanes of the core keep tensors in a layout of their own: made plain on the way out. */
Test(hardware_async, tensors_of_another_layout_are_made_plain_for_the_device)
{
    spa_error why = {0};
    bench b = {0};
    needs_two_cores();
    if (spa_backend_onednn.probe(&why) != SPA_OK) cr_skip_test("%s", why.message);
    expect_ok(spa_zoo_build(&b.graph, "resnet18", 1, SPA_FP32, "relu50", err));
    begin(&b, "cpu:0=onednn,emulated:1=sparse", 1, true);
    expect_any_placement_agrees(&b, "resnet18", 5);
    end(&b);
}

Test(hardware_async, transformers_and_squeeze_excitation_too)
{
    static const char *const models[] = {"mobilenet_v3_small", "swin_t"};
    needs_two_cores();
    for (int i = 0; i < 2; i++) {
        bench b = {0};
        expect_ok(spa_zoo_build(&b.graph, models[i], 1, SPA_FP32, "relu50", err));
        begin(&b, LANES, 1, i == 0);
        expect_any_placement_agrees(&b, models[i], i == 0 ? 5 : 3);
        end(&b);
    }
}

/* Views, joins of many inputs, several results; the device first among the lanes, so that the host
 * is the second; graphs and single operators; memory of its own and the host's. */
Test(hardware_async, random_graphs_in_every_placement_and_way_of_running)
{
    needs_two_cores();
    for (uint64_t seed = 1; seed <= 16; seed++) {
        bench b = {0};
        spa_hardware_options options = spa_hardware_default();
        options.graphs = seed % 2 != 0;
        options.stream.shares_memory = seed % 4 >= 2;
        options.slots = 1 + (uint32_t)seed % 3;
        expect_ok(random_graph(&b.graph, seed, 30, err));
        begin_with(&b, seed % 8 >= 4 ? "emulated:1=sparse,cpu:0=blas" : LANES, &options);
        expect_any_placement_agrees(&b, "random graph", 8);
        end(&b);
    }
}

Test(hardware_async, requests_in_flight_each_get_their_own_answer)
{
    spa_run_result result;
    needs_two_cores();
    for (uint32_t slots = 1; slots <= MOST_SLOTS; slots *= 2) {
        for (int graphs = 0; graphs < 2; graphs++) {
            bench b = {0};
            expect_ok(random_graph(&b.graph, 40 + slots, 20, err));
            begin(&b, LANES, slots, graphs);
            for (uint64_t seed = 2; seed < 8; seed++) {
                place_randomly(&b, seed);
                run(&b, &result);
                expect_answers(&b, "in flight", seed);
            }
            end(&b);
        }
    }
}
