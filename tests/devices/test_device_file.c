/* Device files: what is read, and what is refused with place and cure. */
#include "tests/devices/scene.h"
#include "tests/oom.h"

static spa_device *device;

/* Loading the toy with `from` replaced by `to` fails with a message that has this part. */
#define refused(from, to, status, part)                                                            \
    do {                                                                                           \
        expect_error_with(devices_load(&device, (from), (to), err), (status), (part));             \
        cr_assert_null(device);                                                                    \
    } while (0)

Test(devices_file, what_the_head_says_is_in_the_info)
{
    device = devices_load_toy();
    const spa_device_info *info = spa_device_info_of(device);
    cr_assert_str_eq(info->name, "toy");
    cr_assert_str_eq(info->default_mode, "fast");
    cr_assert_str_eq(info->default_stack, "own");
    cr_assert_str_eq(info->default_lanes, "cpu:0,gpu:0");
    cr_assert_eq(info->origin, SPA_ORIGIN_MODELLED);
    cr_assert_eq(info->n_modes, 3);
    cr_assert_str_eq(info->modes[1], "slow");
    cr_assert_eq(info->n_processors, 2);
    cr_assert_str_eq(info->processors[1], "gpu");
    cr_assert_null(info->trace);
    spa_device_free(device);
    spa_device_free(NULL);
}

Test(devices_file, a_mode_behind_the_name_becomes_the_default)
{
    expect_ok(devices_load_text(&device, devices_toy, NULL, NULL, "@slow", err));
    cr_assert_str_eq(spa_device_info_of(device)->default_mode, "slow");
    spa_device_free(device);
    expect_error(devices_load_text(&device, devices_toy, NULL, NULL, "@slo", err), SPA_E_NOT_FOUND,
                 "device 'toy': unknown mode 'slo'; did you mean 'slow'?");
}

Test(devices_file, default_lanes_are_written_out_for_the_mode)
{
    expect_ok(
        devices_load(&device, "default_lanes = cpu:0,gpu:0", "default_lanes = cpu:all,gpu:0", err));
    cr_assert_str_eq(spa_device_info_of(device)->default_lanes, "cpu:0-3,gpu:0");
    spa_device_free(device);
}

Test(devices_file, an_unknown_name_suggests_the_nearest)
{
    const char *const search[] = {"devices/data", NULL};
    expect_error(spa_device_load(&device, "agx-orn", search, err), SPA_E_NOT_FOUND,
                 "unknown device 'agx-orn'; did you mean 'agx-orin'?");
    expect_error_with(spa_device_load(&device, "./no/such.device", search, err), SPA_E_IO,
                      "./no/such.device");
}

Test(devices_file, a_number_without_a_source_is_refused_with_file_line_and_cure)
{
    refused("idle_w = 5 # assumed: toy", "idle_w = 5", SPA_E_PARSE,
            "toy.device:32: [power fast] idle_w has no source; write 'idle_w = 5 # kind: where it "
            "is from', kind one of datasheet, measured, fitted, derived, assumed");
    refused("idle_w = 5 # assumed: toy", "idle_w = 5 # by hearsay", SPA_E_PARSE, "has no source");
    refused("idle_w = 5 # assumed: toy", "idle_w = 5 # assumed:", SPA_E_PARSE, "has no source");
    refused("cores = 0-3 # assumed: toy", "cores = 0-3", SPA_E_PARSE, "[processor cpu] cores has");
    refused("conv.gmacs = 2 # assumed: toy", "conv.gmacs = 2", SPA_E_PARSE,
            "[rates own cpu] conv.gmacs has no source");
}

Test(devices_file, an_unknown_kind_of_source_suggests_the_nearest)
{
    refused("idle_w = 5 # assumed: toy", "idle_w = 5 # mesured: toy", SPA_E_PARSE,
            "toy.device:32: [power fast] idle_w: unknown kind of source 'mesured'; did you mean "
            "'measured'?");
}

Test(devices_file, an_unknown_key_suggests_the_nearest)
{
    refused("zero_copy = yes\n", "zero_copy = yes\nquee = x\n", SPA_E_NOT_FOUND,
            "unknown key 'quee'; did you mean 'queue'?");
    refused("memory = shared\n", "memory = shared\nsumary = x\n", SPA_E_NOT_FOUND,
            "unknown key 'sumary'; did you mean 'summary'?");
    refused("linear.gmacs = 1 ", "liner.gmacs = 1 ", SPA_E_NOT_FOUND,
            "unknown operator kind 'liner'; did you mean 'linear'?");
    refused("linear.gmacs = 1 ", "linear.gmac = 1 ", SPA_E_NOT_FOUND,
            "[rates own cpu] key 'linear.gmac': unknown field 'gmac'; did you mean 'gmacs'?");
    refused("linear.gmacs = 1 ", "linear.like = matmull\nlinear.gmacs = 1 ", SPA_E_NOT_FOUND,
            "key 'linear.like': unknown operator kind 'matmull'; did you mean 'matmul'?");
    refused("elementwise.gops = 1 ", "elementwise.gmacs = 1 ", SPA_E_NOT_FOUND,
            "unknown field 'gmacs'");
}

Test(devices_file, an_unknown_section_suggests_the_nearest)
{
    refused("zero_copy = yes\n", "zero_copy = yes\n[powr fast]\nidle_w = 3 # assumed: x\n",
            SPA_E_NOT_FOUND, "unknown section 'powr fast'; did you mean 'power fast'?");
    refused("zero_copy = yes\n", "zero_copy = yes\n[rates own gpuu]\nfp16 = 3 # assumed: x\n",
            SPA_E_NOT_FOUND, "did you mean 'rates own gpu'?");
}

Test(devices_file, numbers_out_of_range_are_refused)
{
    refused("idle_w = 5 ", "idle_w = -5 ", SPA_E_RANGE,
            "[power fast] idle_w: '-5' is out of range");
    refused("idle_w = 5 ", "idle_w = nan ", SPA_E_PARSE, "'nan' is not a number");
    refused("idle_w = 5 ", "idle_w = inf ", SPA_E_PARSE, "'inf' is not a number");
    refused("idle_w = 5 ", "idle_w = 1e999 ", SPA_E_PARSE, "1e999");
    refused("parallel = 0.5", "parallel = 1.5", SPA_E_RANGE, "[rates own cpu] parallel: '1.5'");
    refused("gpu.clock_mhz = 500 ", "gpu.clock_mhz = 0 ", SPA_E_RANGE, "gpu.clock_mhz");
    refused("cpu.cores = 2", "cpu.cores = 5", SPA_E_RANGE, "[mode small] cpu.cores: '5'");
    refused("cpu.cores = 2", "cpu.cores = 1.5", SPA_E_RANGE, "not a whole number");
    refused("conv.gmacs = 2 ", "conv.gmacs = 0 ", SPA_E_RANGE, "conv.gmacs: '0' is out of range");
    refused("conv.x_half = 1024", "conv.x_half = -1", SPA_E_RANGE, "conv.x_half");
}

Test(devices_file, missing_sections_and_keys_are_named)
{
    refused("[power slow]", "[power slwo]", SPA_E_PARSE, "no section [power slow]");
    refused("[rates own gpu]", "[rates own gpx]", SPA_E_PARSE, "no section [rates own gpu]");
    refused("[link own gpu cpu]", "[link own gpu cpx]", SPA_E_PARSE,
            "no section [link own gpu cpu]");
    refused("[contention]", "[contentions]", SPA_E_PARSE, "no section [contention]");
    refused("[reference]", "[referenc]", SPA_E_PARSE, "no section [reference]");
    refused("dram_gbs = 50 # assumed: toy\n", "", SPA_E_PARSE,
            "section [mode slow] has no key 'dram_gbs'");
    refused("summary = numbers for hand calculation\n", "", SPA_E_PARSE, "'summary'");
    refused("gpu.launch_cycles", "gpu.lunch_cycles", SPA_E_PARSE,
            "has no key 'gpu.launch_cycles'; is 'gpu.lunch_cycles' meant");
    refused("gbs = 5 # assumed: toy\n", "", SPA_E_PARSE, "[link own cpu gpu] has no key 'gbs'");
}

Test(devices_file, defaults_that_do_not_exist_suggest_the_nearest)
{
    refused("default_mode = fast", "default_mode = fsat", SPA_E_NOT_FOUND,
            "toy.device:6: [device] unknown default_mode 'fsat'; did you mean 'fast'?");
    refused("default_stack = own", "default_stack = onw", SPA_E_NOT_FOUND, "did you mean 'own'?");
    refused("default_lanes = cpu:0,", "default_lanes = cpu:9,", SPA_E_NOT_FOUND,
            "'cpu' has no core 9");
    refused("own = fast\n", "own = fast fats\n", SPA_E_NOT_FOUND,
            "[calibration] own: unknown mode 'fats'; did you mean 'fast'?");
}

Test(devices_file, words_that_are_not_allowed_are_refused_with_those_that_are)
{
    refused("origin = modelled", "origin = modeled", SPA_E_NOT_FOUND, "did you mean 'modelled'?");
    refused("memory = shared", "memory = sharde", SPA_E_NOT_FOUND, "did you mean 'shared'?");
    refused("role = accelerator", "role = gpu", SPA_E_PARSE, "write host or accelerator");
    refused("role = accelerator", "role = host", SPA_E_PARSE, "2 processors have role = host");
    refused("blocking_sync = no", "blocking_sync = maybe", SPA_E_PARSE,
            "[stack own] blocking_sync: 'maybe' is not allowed; write yes or no");
    refused("summary = toy software", "summary = toy software\ncomputes = fp61", SPA_E_NOT_FOUND,
            "did you mean 'fp16'?");
    refused("summary = toy software", "summary = toy software\nfolds = rlu", SPA_E_NOT_FOUND,
            "did you mean 'relu'?");
    refused("summary = toy software", "summary = toy software\nfolds = conv", SPA_E_NOT_FOUND,
            "unknown kind that can be folded 'conv'");
    refused("summary = toy software", "summary = toy software\nprocessors = cpu gup",
            SPA_E_NOT_FOUND, "did you mean 'gpu'?");
    refused("cores = 0-3 ", "cores = 3-0 ", SPA_E_PARSE, "'3-0' is not a range");
    refused("cores = 0-3 ", "cores = 0-999 ", SPA_E_PARSE, "'0-999' is not a range below 256");
    refused("streams = 2 # assumed: toy\n", "", SPA_E_PARSE, "needs either 'cores = 0-11'");
}

Test(devices_file, a_section_twice_is_refused)
{
    refused("[mode slow]", "[mode fast]", SPA_E_PARSE, "section [mode fast] stands in line");
}

static const char fit[] = "[rates own cpu]\nlinear.gmacs = 1 # fitted: elsewhere\n";

Test(devices_file, an_included_file_is_read_as_if_it_stood_there)
{
    spa_graph graph;
    spa_costs costs;
    expect_ok(devices_load_with(&device, "memory = shared\n", "memory = shared\ninclude = a.ini\n",
                                "a.ini", "[rates own cpu]\nrelu.gops = 0.5 # fitted: elsewhere\n",
                                err));
    devices_tiny(&graph, 1, SPA_FP32);
    spa_costs_options options = spa_costs_options_default();
    expect_ok(spa_costs_build(&costs, device, &graph, &options, err));
    /* 4096 / 0.5e9 = 8.192 us + 0.2 us */
    cr_assert_eq(spa_cost(&costs, TINY_RELU, 0)->kernel_ns, 8392);
    spa_costs_fini(&costs);
    spa_graph_fini(&graph);
    spa_device_free(device);
}

Test(devices_file, a_key_in_two_files_of_one_device_is_refused)
{
    expect_error_with(devices_load_with(&device, "memory = shared\n",
                                        "memory = shared\ninclude = a.ini\n", "a.ini", fit, err),
                      SPA_E_PARSE, "a.ini:2: [rates own cpu] linear.gmacs stands in");
    expect_error_with(devices_load_with(&device, "memory = shared\n",
                                        "memory = shared\ninclude = b.ini\n", "a.ini", fit, err),
                      SPA_E_IO, "b.ini");
}

Test(devices_file, an_unknown_key_of_an_included_file_is_refused_there)
{
    expect_error_with(devices_load_with(&device, "memory = shared\n",
                                        "memory = shared\ninclude = a.ini\n", "a.ini",
                                        "[rates own cpu]\nfp61 = 2 # fitted: x\n", err),
                      SPA_E_NOT_FOUND, "a.ini:2: unknown key 'fp61'; did you mean 'fp16'?");
}

/* A machine like the toy with one core of twice its clock and another launch. */
static const char twin[] =
    "[device]\nname = twin\nsummary = x\norigin = modelled\nmemory = shared\n"
    "default_mode = m\ndefault_stack = own\ndefault_lanes = cpu:0,gpu:0\nlike = base\n"
    "[processor cpu]\nrole = host\ncores = 0 # assumed: x\n"
    "[processor gpu]\nrole = accelerator\nstreams = 1 # assumed: x\n"
    "[mode m]\ncpu.clock_mhz = 2000 # assumed: x\ngpu.clock_mhz = 500 # assumed: x\n"
    "gpu.units = 2 # assumed: x\ndram_gbs = 100 # assumed: x\n"
    "[power m]\nidle_w = 1 # assumed: x\ncpu.core_w_per_ghz = 1 # assumed: x\n"
    "gpu.busy_w = 1 # assumed: x\n"
    "[stack own]\ngpu.launch_cycles = 7000 # assumed: x\n";

Test(devices_file, a_device_like_another_takes_its_software_and_scales_it)
{
    spa_graph graph;
    spa_costs costs;
    expect_ok(devices_load_text(&device, twin, "base.device", devices_toy, "", err));
    devices_tiny(&graph, 1, SPA_FP32);
    spa_costs_options options = spa_costs_options_default();
    expect_ok(spa_costs_build(&costs, device, &graph, &options, err));
    /* twice the clock of the base's reference: 147.656 us / 2 */
    cr_assert_eq(spa_cost(&costs, TINY_CONV, 0)->kernel_ns, 73828);
    /* half its units: as in its mode `small` (test_equation.c) */
    cr_assert_eq(spa_cost(&costs, TINY_CONV, 1)->kernel_ns, 7636);
    /* its own launch: 7000 cycles at 2 GHz; the base's on the CPU: 100 cycles */
    cr_assert_eq(spa_cost(&costs, TINY_CONV, 1)->launch_ns, 3500);
    cr_assert_eq(spa_cost(&costs, TINY_CONV, 0)->launch_ns, 50);
    cr_assert(costs.uncalibrated); /* calibration is not inherited */
    spa_costs_fini(&costs);
    spa_graph_fini(&graph);
    spa_device_free(device);
}

Test(devices_file, no_allocation_that_fails_leaks_or_goes_unnoticed)
{
    const char *const search[] = {"devices/data", NULL};
    for (long n = 0;; n++) {
        spa_error error = {0};
        oom_fail_at(n);
        spa_status status = spa_device_load(&device, "crossover@half", search, &error);
        bool failed = oom_failed();
        oom_off();
        spa_device_free(device);
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", error.message);
            break;
        }
        /* names for suggestions are allowed to get lost (base/ini.c) */
        cr_assert(status == SPA_E_NOMEM || status == SPA_OK, "%ld: %s", n, error.message);
    }
}

Test(devices_file, unknown_power_needs_no_power_sections_and_allows_none)
{
    refused("memory = shared", "memory = shared\npower = unknown", SPA_E_NOT_FOUND, "power");
    refused("memory = shared", "memory = shared\npower = dunno", SPA_E_NOT_FOUND,
            "unknown power 'dunno'");
}
