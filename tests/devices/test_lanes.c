#include "tests/devices/scene.h"

static spa_device *device;
static spa_graph graph;

static spa_status try(const char *lanes, const char *mode, spa_costs *costs, spa_error *err)
{
    spa_costs_options options = spa_costs_options_default();
    options.lanes = lanes;
    options.mode = mode;
    return spa_costs_build(costs, device, &graph, &options, err);
}

static void refuse(const char *lanes, const char *mode, spa_status wanted, const char *part)
{
    spa_costs costs;
    spa_error error = {0};
    spa_status status = try(lanes, mode, &costs, &error);
    cr_assert_eq(status, wanted, "'%s' gives status %d: %s", lanes, (int)status, error.message);
    cr_assert_not_null(strstr(error.message, part), "'%s' gives: %s", lanes, error.message);
}

static void begin(void)
{
    device = devices_load_toy();
    devices_tiny(&graph, 1, SPA_FP32);
}

static void drop(void)
{
    spa_graph_fini(&graph);
    spa_device_free(device);
}

Test(devices_lanes, a_lane_is_a_processor_and_its_cores)
{
    spa_costs costs;
    begin();
    expect_ok(try("cpu:0-1,gpu:1,cpu:2-3", NULL, &costs, err));
    cr_assert_eq(costs.n_processors, 2);
    cr_assert_eq(costs.processors[0].n_lanes, 2);
    cr_assert_eq(costs.processors[0].cores_per_lane, 2);
    cr_assert_eq(costs.processors[1].n_lanes, 1);
    cr_assert_str_eq(costs.lanes, "cpu:0-1,gpu:1,cpu:2-3");
    spa_costs_fini(&costs);
    expect_ok(try("cpu:all=own", "small", &costs, err));
    cr_assert_str_eq(costs.lanes, "cpu:0-1=own");
    spa_costs_fini(&costs);
    drop();
}

Test(devices_lanes, what_is_not_a_lane_is_refused_with_an_example)
{
    begin();
    const char *const wrong[] = {"",       "cpu",    "cpu:",      ":0",          "cpu:0,",
                                 ",cpu:0", "cpu:0=", "cpu=own:0", "cpu:0,,gpu:0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        refuse(wrong[i], NULL, SPA_E_PARSE,
               "is not a lane; write PROCESSOR:CORES[=BACKEND], for example cpu:0,gpu:0");
    }
    refuse("cpu:x", NULL, SPA_E_PARSE, "'x' is no core or range of cores");
    refuse("cpu:3-1", NULL, SPA_E_PARSE, "'3-1' is no core");
    refuse("cpu:-1", NULL, SPA_E_PARSE, "'-1' is no core");
    refuse("cpu:99999999999", NULL, SPA_E_PARSE, "is no core");
    drop();
}

Test(devices_lanes, an_unknown_processor_suggests_the_nearest)
{
    begin();
    refuse("cpu:0,gup:0", NULL, SPA_E_NOT_FOUND, "unknown processor 'gup'; did you mean 'gpu'?");
    drop();
}

Test(devices_lanes, cores_that_are_not_there_or_offline_are_refused)
{
    begin();
    refuse("cpu:4", NULL, SPA_E_NOT_FOUND, "'cpu' has no core 4; it has 0 to 3");
    refuse("cpu:2-5", NULL, SPA_E_NOT_FOUND, "'cpu' has no core 5");
    refuse("cpu:0-2", "small", SPA_E_NOT_FOUND, "'cpu' has no core 2 in mode small; it has 0 to 1");
    refuse("cpu:0,gpu:2", NULL, SPA_E_NOT_FOUND, "'gpu' has no stream 2; it has 0 to 1");
    drop();
}

Test(devices_lanes, a_core_is_in_one_lane_only)
{
    begin();
    refuse("cpu:0,cpu:0", NULL, SPA_E_INVALID, "core 0 of 'cpu' is in two lanes");
    refuse("cpu:0-1,cpu:1-2", NULL, SPA_E_INVALID, "core 1 of 'cpu' is in two lanes");
    drop();
}

Test(devices_lanes, lanes_of_one_processor_are_equal)
{
    begin();
    refuse("cpu:0,cpu:1-2", NULL, SPA_E_INVALID, "lanes of 'cpu' have 1 and 2 cores");
    refuse("cpu:0=own,cpu:1", NULL, SPA_E_INVALID, "different backends");
    refuse("cpu:0,gpu:0-1", NULL, SPA_E_INVALID,
           "a lane of 'gpu' is one stream; write gpu:0,gpu:1");
    drop();
}

Test(devices_lanes, the_host_has_a_lane)
{
    begin();
    refuse("gpu:0", NULL, SPA_E_INVALID, "the host 'cpu' has no lane; add cpu:0");
    drop();
}

Test(devices_lanes, two_processors_may_share_a_selector)
{
    const char *const search[] = {"devices/data", NULL};
    expect_ok(spa_device_load(&device, "x86-2core", search, err));
    cr_assert_str_eq(spa_device_info_of(device)->default_lanes, "cpu:0=sparse,cpu:1=onednn");
    devices_tiny(&graph, 1, SPA_FP32);
    refuse("cpu:1=blas", NULL, SPA_E_INVALID, "the host 'cpu0' has no lane; add cpu:0");
    refuse("cpu:2", NULL, SPA_E_NOT_FOUND, "has no core 2");
    refuse("gpu:0", NULL, SPA_E_NOT_FOUND, "unknown processor 'gpu'");
    drop();
}
