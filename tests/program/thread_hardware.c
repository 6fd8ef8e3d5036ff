/* The hardware executor under ThreadSanitizer: schedules that hand every operator to another lane,
 * several requests in flight, kernels of two layouts, lanes that fall asleep in between, an
 * asynchronous lane beside one lane of cores and beside two, operators split between two.
 *
 * A plain program, because Criterion cannot start under ThreadSanitizer. Skipped where the process
 * may not use cores 0 and 1. Usage: thread_hardware. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/hardware.h"
#include "kernels/part.h"
#include "kernels/profile_model.h"

static void must(spa_status status, const spa_error *err)
{
    if (!status) return;
    fprintf(stderr, "thread_hardware: %s\n", err->message);
    exit(1);
}

/* A chain of small convolutions with side branches. */
static void build(spa_graph *graph)
{
    spa_error err = {0};
    const spa_shape image = {4, {1, 16, 12, 12}};
    spa_op_attrs conv = {.kernel_h = 3,
                         .kernel_w = 3,
                         .stride_h = 1,
                         .stride_w = 1,
                         .dilation_h = 1,
                         .dilation_w = 1,
                         .pad_top = 1,
                         .pad_left = 1,
                         .pad_bottom = 1,
                         .pad_right = 1,
                         .groups = 1};
    spa_op_attrs none = {0};
    int32_t last, side;
    spa_shape out = {4, {1, 16, 12, 12}};
    spa_graph_init(graph, "lanes", 1, SPA_FP32);
    graph->graph_inputs[graph->n_graph_inputs++] = image;
    last = SPA_GRAPH_INPUT(0);
    for (int i = 0; i < 8; i++) {
        char name[32];
        int32_t inputs[2] = {last, last};
        snprintf(name, sizeof name, "conv%d", i);
        must(spa_graph_add(graph, name, SPA_OP_CONV, &conv, inputs, 1, &out, &side, &err), &err);
        snprintf(name, sizeof name, "relu%d", i);
        inputs[0] = side;
        int32_t relu;
        must(spa_graph_add(graph, name, SPA_OP_RELU, &none, inputs, 1, &out, &relu, &err), &err);
        snprintf(name, sizeof name, "add%d", i);
        inputs[0] = relu;
        int32_t sum;
        must(spa_graph_add(graph, name, SPA_OP_ADD, &none, inputs, 2, &out, &sum, &err), &err);
        last = sum;
    }
    must(spa_graph_finish(graph, &err), &err);
}

/* Every operator that can be has so many tenths on the other one of two lanes. */
static void split(const spa_graph *graph, spa_schedule *schedule, uint8_t tenths)
{
    for (size_t i = 0; i < graph->n_ops; i++) {
        spa_cut cut;
        bool divides = spa_op_kind_divides(graph->ops[i].kind) &&
                       spa_cut_of(graph, &graph->ops[i], &cut, NULL) == SPA_OK;
        schedule->share[i] = divides ? tenths : 0;
        schedule->second[i] = !schedule->processor[i];
    }
}

/* The lanes of the text, and with it `device`, which may share a core with them. */
static void run(const spa_graph *graph, const char *lanes_text, const char *device, int64_t spin_ns,
                bool graphs)
{
    spa_error err = {0};
    spa_lane_set lanes, more = {0};
    spa_model model;
    spa_hardware_record record;
    spa_costs costs;
    spa_hardware *hardware;
    spa_schedule schedule;
    spa_hardware_options options = spa_hardware_default();
    spa_run_config config = spa_run_config_default();
    spa_run_result result;
    spa_engine *engine;
    options.slots = 3;
    options.spin_ns = spin_ns;
    options.graphs = graphs;
    must(spa_lanes_parse(&lanes, lanes_text, &err), &err);
    if (device) {
        must(spa_lanes_parse(&more, device, &err), &err);
        lanes.lanes[lanes.count++] = more.lanes[0];
    }
    must(spa_model_init(&model, graph, 1, &err), &err);
    must(spa_lanes_plain_costs(&costs, graph, &lanes, &err), &err);
    must(spa_hardware_new(&hardware, &lanes, &model, &options, &err), &err);
    must(spa_schedule_init(&schedule, graph->n_ops, &err), &err);
    must(spa_hardware_record_init(&record, hardware, 20, true, &err), &err);
    config.graph = graph;
    config.costs = &costs;
    config.schedule = &schedule;
    for (uint32_t in_flight = 1; in_flight <= 3; in_flight += 2) {
        for (uint32_t shift = 0; shift < 3; shift++) {
            for (size_t i = 0; i < graph->n_ops; i++)
                schedule.processor[i] = (uint8_t)(i / (shift + 1) % lanes.count);
            split(graph, &schedule, !device && shift == 2 ? 4 : 0);
            config.scenario = spa_scenario_closed(in_flight, 20);
            must(spa_hardware_config(hardware, &config, &err), &err);
            must(spa_engine_new(&engine, &config, &err), &err);
            must(spa_hardware_run(hardware, engine, shift ? &record : NULL, NULL, &result, &err),
                 &err);
            spa_engine_free(engine);
            if (result.requests != 20) exit(1);
        }
    }
    spa_hardware_record_fini(&record);
    spa_hardware_free(hardware);
    spa_schedule_fini(&schedule);
    spa_costs_fini(&costs);
    spa_model_fini(&model);
    printf("thread_hardware: %s%s%s, spinning %lld us%s: ok\n", lanes_text, device ? " with " : "",
           device ? device : "", (long long)spin_ns / 1000, graphs && device ? ", graphs" : "");
}

int main(void)
{
    spa_graph graph;
    spa_error err;
    if (!spa_core_allowed(0) || !spa_core_allowed(1)) {
        printf("thread_hardware: skipped, needs cores 0 and 1\n");
        return 0;
    }
    build(&graph);
    run(&graph, "cpu:0=blas,cpu:1=sparse", NULL, 2000000, false);
    run(&graph, "cpu:0=blas,cpu:1=sparse", NULL, 1000, false); /* falls asleep all the time */
    for (int graphs = 0; graphs < 2; graphs++) {
        run(&graph, "cpu:0=blas", "emulated:1", 2000000, graphs);
        run(&graph, "cpu:0=blas", "emulated:1", 1000, graphs);
        run(&graph, "cpu:0=blas,cpu:1=sparse", "emulated:1", 1000, graphs);
    }
    if (spa_backend_onednn.probe(&err) == SPA_OK) {
        run(&graph, "cpu:0=onednn,cpu:1=sparse", NULL, 2000000, false);
        run(&graph, "cpu:0=onednn,cpu:1=sparse", "emulated:1", 1000, true);
    } else {
        printf("thread_hardware: onednn skipped: %s\n", err.message);
    }
    spa_graph_fini(&graph);
    return 0;
}
