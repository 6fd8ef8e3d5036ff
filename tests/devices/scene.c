#include "tests/devices/scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/text.h"

const char devices_toy[] = "[device]\n"
                           "name = toy\n"
                           "summary = numbers for hand calculation\n"
                           "origin = modelled\n"
                           "memory = shared\n"
                           "default_mode = fast\n"
                           "default_stack = own\n"
                           "default_lanes = cpu:0,gpu:0\n"
                           "[processor cpu]\n"
                           "role = host\n"
                           "cores = 0-3 # assumed: toy\n"
                           "[processor gpu]\n"
                           "role = accelerator\n"
                           "streams = 2 # assumed: toy\n"
                           "[mode fast]\n"
                           "cpu.clock_mhz = 1000 # assumed: toy\n"
                           "gpu.clock_mhz = 500 # assumed: toy\n"
                           "gpu.units = 4 # assumed: toy\n"
                           "dram_gbs = 100 # assumed: toy\n"
                           "[mode slow]\n"
                           "cpu.clock_mhz = 500 # assumed: toy\n"
                           "gpu.clock_mhz = 250 # assumed: toy\n"
                           "gpu.units = 4 # assumed: toy\n"
                           "dram_gbs = 50 # assumed: toy\n"
                           "[mode small]\n"
                           "cpu.clock_mhz = 1000 # assumed: toy\n"
                           "cpu.cores = 2 # assumed: toy\n"
                           "gpu.clock_mhz = 500 # assumed: toy\n"
                           "gpu.units = 2 # assumed: toy\n"
                           "dram_gbs = 100 # assumed: toy\n"
                           "[power fast]\n"
                           "idle_w = 5 # assumed: toy\n"
                           "cpu.idle_w = 1 # assumed: toy\n"
                           "cpu.core_w_per_ghz = 2 # assumed: toy\n"
                           "gpu.busy_w = 10 # assumed: toy\n"
                           "[power slow]\n"
                           "idle_w = 4 # assumed: toy\n"
                           "cpu.core_w_per_ghz = 2 # assumed: toy\n"
                           "gpu.busy_w = 5 # assumed: toy\n"
                           "[power small]\n"
                           "idle_w = 4 # assumed: toy\n"
                           "cpu.core_w_per_ghz = 2 # assumed: toy\n"
                           "gpu.busy_w = 5 # assumed: toy\n"
                           "[reference]\n"
                           "cpu.clock_mhz = 1000 # assumed: toy\n"
                           "gpu.clock_mhz = 500 # assumed: toy\n"
                           "gpu.units = 4 # assumed: toy\n"
                           "dram_gbs = 100 # assumed: toy\n"
                           "[contention]\n"
                           "cpu.pressure = 0.5 # assumed: toy\n"
                           "cpu.slow_a = 0.1 # assumed: toy\n"
                           "cpu.slow_b = 0.01 # assumed: toy\n"
                           "gpu.pressure = 2 # assumed: toy\n"
                           "gpu.slow_a = 0.2 # assumed: toy\n"
                           "gpu.slow_b = 0.02 # assumed: toy\n"
                           "[calibration]\n"
                           "own = fast\n"
                           "[stack own]\n"
                           "summary = toy software\n"
                           "dispatch_occupies_host = yes\n"
                           "blocking_sync = no\n"
                           "cpu.async = no\n"
                           "gpu.async = yes\n"
                           "cpu.launch_cycles = 100 # assumed: toy\n"
                           "gpu.launch_cycles = 5000 # assumed: toy\n"
                           "run_cv = 0.05 # assumed: toy\n"
                           "[rates own cpu]\n"
                           "bandwidth_gbs = 10 # assumed: toy\n"
                           "max_bandwidth_gbs = 25 # assumed: toy\n"
                           "kernel_cycles = 200 # assumed: toy\n"
                           "parallel = 0.5 # assumed: toy\n"
                           "max_cores = 3 # assumed: toy\n"
                           "barrier_cycles = 1000 # assumed: toy\n"
                           "barrier_core_cycles = 100 # assumed: toy\n"
                           "noise_cv = 0.02 # assumed: toy\n"
                           "conv.gmacs = 2 # assumed: toy\n"
                           "linear.gmacs = 1 # assumed: toy\n"
                           "elementwise.gops = 1 # assumed: toy\n"
                           "[rates own gpu]\n"
                           "bandwidth_gbs = 50 # assumed: toy\n"
                           "kernel_cycles = 500 # assumed: toy\n"
                           "fp16 = 2 # assumed: toy\n"
                           "noise_cv = 0.03 # assumed: toy\n"
                           "conv.gmacs = 100 # assumed: toy\n"
                           "conv.x_half = 1024 # assumed: toy\n"
                           "linear.gmacs = 100 # assumed: toy\n"
                           "elementwise.gops = 200 # assumed: toy\n"
                           "[link own cpu gpu]\n"
                           "latency_us = 0 # assumed: toy\n"
                           "sync_cycles = 2000 # assumed: toy\n"
                           "gbs = 5 # assumed: toy\n"
                           "issue_cycles = 300 # assumed: toy\n"
                           "queue = up # a name needs no source\n"
                           "[link own gpu cpu]\n"
                           "latency_us = 1 # assumed: toy\n"
                           "sync_cycles = 4000 # assumed: toy\n"
                           "zero_copy = yes\n"
                           "queue = down\n";

spa_status devices_load_text(spa_device **device, const char *text, const char *extra_name,
                             const char *extra_text, const char *mode, spa_error *err)
{
    char folder[] = "/tmp/spa-devices-XXXXXX", path[128], extra[256] = "", name[64];
    const char *const search[] = {folder, NULL};
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/toy.device", folder);
    snprintf(name, sizeof name, "toy%s", mode);
    cr_assert_eq(spa_write_file(path, text, strlen(text), NULL), SPA_OK);
    if (extra_name) {
        snprintf(extra, sizeof extra, "%s/%s", folder, extra_name);
        cr_assert_eq(spa_write_file(extra, extra_text, strlen(extra_text), NULL), SPA_OK);
    }
    spa_status status = spa_device_load(device, name, search, err);
    remove(path);
    if (extra_name) remove(extra);
    rmdir(folder);
    return status;
}

spa_status devices_load_with(spa_device **device, const char *from, const char *to,
                             const char *extra_name, const char *extra_text, spa_error *err)
{
    spa_string text = {0};
    const char *p = devices_toy;
    size_t replaced = 0;
    for (const char *at = from ? strstr(p, from) : NULL; at; at = strstr(p, from)) {
        spa_string_append(&text, "%.*s%s", (int)(at - p), p, to);
        p = at + strlen(from);
        replaced++;
    }
    spa_string_append(&text, "%s", p);
    cr_assert(!from || replaced > 0, "'%s' is not in the text", from);
    spa_status status = devices_load_text(device, text.text, extra_name, extra_text, "", err);
    spa_string_fini(&text);
    return status;
}

spa_status devices_load(spa_device **device, const char *from, const char *to, spa_error *err)
{
    return devices_load_with(device, from, to, NULL, NULL, err);
}

spa_device *devices_load_toy(void)
{
    spa_device *device = NULL;
    expect_ok(devices_load(&device, NULL, NULL, err));
    return device;
}

void devices_tiny(spa_graph *graph, int32_t batch, spa_dtype dtype)
{
    int32_t from[TINY_OPS] = {SPA_GRAPH_INPUT(0), TINY_CONV, TINY_RELU, TINY_RESHAPE}, at;
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
    spa_shape flat = {2, {batch, 4096}};
    spa_graph_init(graph, "tiny", batch, dtype);
    graph->n_graph_inputs = 1;
    graph->graph_inputs[0] = (spa_shape){4, {batch, 8, 16, 16}};
    /* the output channels of conv and linear are given by an out shape */
    spa_shape conv_out = {4, {batch, 16, 16, 16}}, linear_out = {2, {batch, 10}};
    const struct {
        const char *name;
        spa_op_kind kind;
        const spa_op_attrs *attrs;
        const spa_shape *out;
    } ops[TINY_OPS] = {
        {"conv", SPA_OP_CONV, &conv, &conv_out},
        {"relu", SPA_OP_RELU, &none, NULL},
        {"flatten", SPA_OP_RESHAPE, &none, &flat},
        {"linear", SPA_OP_LINEAR, &none, &linear_out},
    };
    for (int i = 0; i < TINY_OPS; i++) {
        expect_ok(spa_graph_add(graph, ops[i].name, ops[i].kind, ops[i].attrs, &from[i], 1,
                                ops[i].out, &at, err));
    }
    expect_ok(spa_graph_finish(graph, err));
}
