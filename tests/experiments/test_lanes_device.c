/* Lanes as a device: what its cost table says of asynchronous ones. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "experiments/lanes_device.h"
#include "tests/base/check.h"
#include "tests/random_graph.h"

typedef struct scene {
    spa_trace trace;
    spa_trace_model model;
    spa_trace_cost rows[8];
    spa_trace_link links[5];
    spa_lane_set lanes;
} scene;

/* tiny_branch takes 10 us an operator on a core and 5 on the device, whose number is 1 and which
 * this machine need not have. Copies: 3 us up at any size below 1000 bytes, 4 us at 2000. */
static void make(scene *s)
{
    memset(s, 0, sizeof *s);
    s->lanes.count = 2;
    s->lanes.lanes[0] = (spa_lane){.processor = "cpu0", .n_cores = 1, .backend = &spa_backend_blas};
    s->lanes.lanes[1] = (spa_lane){.processor = "cuda1",
                                   .first_core = -1,
                                   .backend = &spa_backend_cuda,
                                   .device = &spa_stream_device_cuda,
                                   .device_index = 1};
    expect_ok(tiny_branch(&s->model.graph, err));
    s->model.name = s->model.graph.name;
    s->model.costs = s->rows;
    for (int32_t i = 0; i < 8; i++)
        s->rows[s->model.n_costs++] = (spa_trace_cost){.op = i / 2,
                                                       .processor = i % 2 ? "cuda1" : "cpu0",
                                                       .backend = i % 2 ? "cuda" : "blas",
                                                       .cores = 1,
                                                       .batch = 1,
                                                       .part = 1,
                                                       .corun = "",
                                                       .p50_us = i % 2 ? 5 : 10,
                                                       .energy_uj = NAN,
                                                       .origin = SPA_ORIGIN_MEASURED};
    const spa_trace_link links[] = {
        {"cpu0", "cpu0", 0, 0.5, NAN, NAN, SPA_ORIGIN_MEASURED},
        {"cuda1", "cuda1", 0, 6, NAN, NAN, SPA_ORIGIN_MEASURED},
        {"cpu0", "cuda1", 1000, 3, 3, NAN, SPA_ORIGIN_MEASURED},
        {"cpu0", "cuda1", 2000, 3, 4, 2, SPA_ORIGIN_MEASURED},
        {"cuda1", "cpu0", 1000, 7, 8, 1, SPA_ORIGIN_MEASURED},
    };
    memcpy(s->links, links, sizeof links);
    s->trace = (spa_trace){.path = "",
                           .fingerprint = {.machine = "m",
                                           .stack = "sparoa",
                                           .power_mode = "",
                                           .driver = "",
                                           .libraries = "",
                                           .clocks = "2000 MHz",
                                           .date = "today",
                                           .command = ""},
                           .origin = SPA_ORIGIN_MEASURED,
                           .run_cv = 0.01,
                           .n_models = 1,
                           .models = &s->model,
                           .n_links = 5,
                           .links = s->links};
}

Test(lanes_device, an_asynchronous_lane_is_a_stream_behind_links_that_the_host_feeds)
{
    scene s;
    spa_device *device;
    spa_costs costs;
    spa_costs_options options = spa_costs_options_default();
    make(&s);
    options.trace = &s.trace;
    expect_ok(spa_lanes_device_new(&device, &s.lanes, &s.trace, err));
    expect_ok(spa_costs_build(&costs, device, &s.model.graph, &options, err));
    cr_assert_str_eq(costs.lanes, "cpu:0=blas,cuda:1");
    cr_assert_eq(costs.host, 0);
    cr_assert(costs.dispatch_occupies_host, "launching occupies the host");
    cr_assert(!costs.processors[0].is_async && costs.processors[1].is_async);
    cr_assert_str_eq(costs.processors[1].backend, "cuda");
    cr_assert(!costs.links[0][1].on_lane && !costs.links[1][0].on_lane);
    cr_assert_neq(costs.links[0][1].id, costs.links[1][0].id, "a link per direction");
    cr_assert_eq(spa_cost(&costs, 1, 1)->kernel_ns, 5000);
    cr_assert_eq(spa_cost(&costs, 1, 1)->launch_ns, 6000);
    /* 8 * 6 * 6 floats are 1152 bytes: 3 us + 152 / 1000 of the way to 4 us; down 8 us + 152 bytes
     * at 1 GB/s. */
    cr_assert_eq(spa_transfer_ns(&costs, 0, 0, 1), 3152);
    cr_assert_eq(spa_transfer_ns(&costs, 0, 1, 0), 8152);
    spa_costs_fini(&costs);
    spa_device_free(device);
    spa_graph_fini(&s.model.graph);
}

Test(lanes_device, the_first_lane_of_cores_is_the_host_wherever_it_stands)
{
    scene s;
    spa_device *device;
    spa_costs costs;
    spa_costs_options options = spa_costs_options_default();
    make(&s);
    spa_lane first = s.lanes.lanes[0];
    s.lanes.lanes[0] = s.lanes.lanes[1];
    s.lanes.lanes[1] = first;
    s.trace.n_links = 2; /* copies as assumed: 10 us and 10 GB/s */
    options.trace = &s.trace;
    expect_ok(spa_lanes_device_new(&device, &s.lanes, &s.trace, err));
    expect_ok(spa_costs_build(&costs, device, &s.model.graph, &options, err));
    cr_assert_eq(costs.host, 1);
    cr_assert(costs.processors[0].is_async);
    cr_assert_eq(spa_transfer_ns(&costs, 0, 1, 0), 10115); /* 1152 bytes */
    spa_costs_fini(&costs);
    spa_device_free(device);
    spa_graph_fini(&s.model.graph);
}
