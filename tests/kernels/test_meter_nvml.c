/* NVML, and what concerns all kinds of meters: memory, noise, this machine. */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "base/rng.h"
#include "kernels/clock.h"
#include "tests/kernels/probing.h"
#include "tests/oom.h"

TestSuite(kernels_meter_nvml, .init = begin_tree, .fini = end_tree);

/* ---- NVML -----------------------------------------------------------------------------------
 * The fakes stand beside the test program.
 */
static const char *fake(const char *kind)
{
    static char path[1024];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);
    cr_assert_gt(n, 0);
    path[n] = '\0';
    sprintf(strrchr(path, '/') + 1, "fake_nvml_%s.so", kind);
    cr_assert_eq(access(path, R_OK), 0, "%s is not built", path);
    return path;
}

static spa_meter_config nvml_config(const char *kind)
{
    spa_meter_config config = tree_config(&t);
    config.nvml = fake(kind);
    return config;
}

/* The fake itself, to tell it what to say. */
static void *function(const char *kind, const char *name)
{
    void *handle = dlopen(fake(kind), RTLD_NOW | RTLD_LOCAL);
    cr_assert_not_null(handle);
    return dlsym(handle, name);
}

static void say(const char *kind, unsigned long long mj, unsigned mw)
{
    void (*set_values)(unsigned long long, unsigned);
    void *address = function(kind, "fake_nvml_set");
    memcpy(&set_values, &address, sizeof address);
    set_values(mj, mw);
}

static int started(const char *kind)
{
    int (*count)(void);
    void *address = function(kind, "fake_nvml_started");
    memcpy(&count, &address, sizeof address);
    return count();
}

Test(kernels_meter_nvml, a_gpu_counts_its_energy_in_millijoules)
{
    spa_meter_config config = nvml_config("energy");
    expect_ok(spa_meter_set_probe(&set, &config, err));
    cr_assert_eq(set.count, 1);
    cr_assert_str_eq(set.rails[0].name, "nvml 0 Fake?GPU"); /* names are not trusted */
    cr_assert_eq(set.rails[0].kind, SPA_METER_COUNTER);
    cr_assert(set.rails[0].in_total);
    say("energy", 5000000, 0);
    expect_ok(spa_meter_begin(&window, &set, false, err));
    say("energy", 5012345, 0);
    spa_meter_end(&window);
    cr_assert(fabs(window.tracks[0].energy_j - 12.345) < 1e-9);
    cr_assert_eq(started("energy"), 1);
    spa_meter_set_fini(&set);
    cr_assert_eq(started("energy"), 0, "NVML was not shut down");
}

Test(kernels_meter_nvml, an_older_gpu_is_polled_for_its_power)
{
    spa_meter_config config = nvml_config("power");
    expect_ok(spa_meter_set_probe(&set, &config, err));
    cr_assert_eq(set.count, 1);
    cr_assert_eq(set.rails[0].kind, SPA_METER_SAMPLER);
    cr_assert_eq(set.rails[0].poll_ns, config.poll_ns);
    say("power", 0, 123456);
    cr_assert(fabs(watts("nvml 0 Fake?GPU") - 123.456) < 1e-12);
}

Test(kernels_meter_nvml, an_nvml_that_starts_but_supports_nothing_is_no_meter)
{
    expect_none(nvml_config("jetson"), SPA_METER_NONE);
    cr_assert_eq(started("jetson"), 0, "NVML was not shut down");
}

Test(kernels_meter_nvml, a_jetson_has_its_rails_and_no_nvml)
{
    orin_nano();
    spa_meter_config config = nvml_config("jetson");
    expect_ok(spa_meter_set_probe(&set, &config, err));
    cr_assert_eq(set.count, 3);
    cr_assert_str_empty(set.notes);
}

Test(kernels_meter_nvml, a_library_without_a_driver_is_no_meter)
{
    expect_none(nvml_config("nodriver"), SPA_METER_NONE);
}

Test(kernels_meter_nvml, an_nvml_that_fails_says_why)
{
    char message[1200];
    expect_none(nvml_config("broken"),
                "energy: not measurable here: NVML does not start: Unknown Error (code 999)");
    expect_none(nvml_config("denied"),
                "energy: not measurable here: NVML, GPU 0: energy: Insufficient Permissions (code "
                "4); run as root or as a user who may use the GPU");
    snprintf(message, sizeof message,
             "energy: not measurable here: %.200s is no NVML: functions are missing", fake("stub"));
    expect_none(nvml_config("stub"), message);
}

Test(kernels_meter_nvml, a_gpu_that_fails_leaves_the_other_one_but_no_total)
{
    spa_meter_config config = nvml_config("two");
    expect_ok(spa_meter_set_probe(&set, &config, err));
    cr_assert_eq(set.count, 1);
    expect_note("NVML, GPU 1: energy: Unknown Error (code 999)");
    cr_assert_str_not_empty(set.total_fault);
    spa_meter_set_fini(&set);
    config.nvml_device = 0; /* asked for that one only */
    expect_ok(spa_meter_set_probe(&set, &config, err));
    cr_assert_str_empty(set.total_fault);
    spa_meter_set_fini(&set);
    config.nvml_device = 2;
    expect_none(config, "energy: not measurable here: NVML: there is no GPU 2, only 2");
}

Test(kernels_meter_nvml, a_server_adds_processors_and_gpus)
{
    two_packages();
    spa_meter_config config = nvml_config("energy");
    expect_ok(spa_meter_set_probe(&set, &config, err));
    size_t total = 0;
    for (size_t i = 0; i < set.count; i++) total += set.rails[i].in_total;
    cr_assert_eq(set.count, 7);
    cr_assert_eq(total, 5);
}

/* ---- memory and noise ------------------------------------------------------------------------ */
Test(kernels_meter_nvml, an_allocation_that_fails_is_reported_and_nothing_leaks)
{
    long n = 0;
    two_packages();
    orin_nano();
    spa_meter_config config = nvml_config("energy");
    for (;; n++) {
        spa_error err = {0};
        oom_fail_at(n);
        spa_status status = spa_meter_set_probe(&set, &config, &err);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", err.message);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld", n);
        cr_assert_eq(set.count, 0);
    }
    cr_assert_eq(n, 11); /* 6 zones, 3 channels, the library and its GPU */
}

/* Attributes full of anything: no crash, and what is accepted is finite. */
Test(kernels_meter_nvml, no_content_of_any_attribute_does_harm)
{
    alarm(300);
    static const char *const files[] = {"class/powercap/intel-rapl:0/name",
                                        "class/powercap/intel-rapl:0/energy_uj",
                                        "class/powercap/intel-rapl:0:1/name",
                                        "class/powercap/intel-rapl:0/max_energy_range_uj",
                                        "class/hwmon/hwmon1/name",
                                        "class/hwmon/hwmon1/in1_label",
                                        "class/hwmon/hwmon1/in1_input",
                                        "class/hwmon/hwmon1/curr1_input",
                                        "class/hwmon/hwmon1/in2_enable",
                                        "class/hwmon/hwmon1/shunt1_resistor",
                                        "class/hwmon/hwmon1/update_interval",
                                        "class/hwmon/hwmon1/curr3_input"};
    static const char *const words[] = {"-",    "9",    "0",      "%s%n",    "nan",
                                        "1e99", "\n",   "\r",     "\t",      "package",
                                        "dram", "psys", "VDD_IN", "ina3221", "\xff"};
    spa_rng rng;
    spa_rng_init(&rng, 1, "sysfs noise");
    size_t accepted = 0;
    for (int round = 0; round < 400; round++) {
        uint8_t bytes[400];
        size_t n = 0;
        two_packages();
        orin_nano();
        const char *file = files[spa_rng_below(&rng, sizeof files / sizeof *files)];
        size_t length = spa_rng_below(&rng, spa_rng_below(&rng, 4) ? 24 : 300);
        while (n < length) {
            const char *word = words[spa_rng_below(&rng, sizeof words / sizeof *words)];
            if (spa_rng_below(&rng, 3) == 0)
                bytes[n++] = (uint8_t)spa_rng_u32(&rng);
            else
                for (; *word != '\0'; word++) bytes[n++] = (uint8_t)*word;
        }
        bool later = spa_rng_below(&rng, 2) == 0; /* when the meters are already open */
        if (!later) tree_write_bytes(&t, file, bytes, n);
        probe();
        expect_ok(spa_meter_begin(&window, &set, false, err));
        if (later) tree_write_bytes(&t, file, bytes, n);
        spa_meter_end(&window);
        for (size_t i = 0; i < set.count; i++) {
            spa_meter_mean mean;
            spa_meter_mean_of(&set.rails[i], &window.tracks[i], &mean);
            cr_assert(mean.valid ? isfinite(mean.energy_j) : isnan(mean.energy_j));
            cr_assert(mean.valid || window.tracks[i].fault[0] != '\0');
            accepted += mean.valid;
        }
        for (const char *p = set.notes; *p != '\0'; p++) cr_assert(*p >= ' ' && *p <= '~');
        spa_meter_set_fini(&set);
    }
    cr_assert_gt(accepted, 400);
}

/* ---- this machine ---------------------------------------------------------------------------- */
static spa_status spin(void *context, spa_error *err)
{
    int64_t end = spa_clock_ns() + 100000000;
    while (spa_clock_ns() < end) continue;
    return SPA_OK;
}

Test(kernels_meter_nvml, the_meters_of_this_machine_count_something)
{
    alarm(300);
    spa_meter_config config = spa_meter_config_default();
    spa_meter_options options = spa_meter_options_default();
    spa_energy_result r;
    spa_error err = {0};
    if (spa_meter_set_probe(&set, &config, &err) != SPA_OK) {
        cr_assert_eq(strncmp(err.message, "energy: not measurable here", 27), 0, "%s", err.message);
        cr_skip_test("%s", err.message);
    }
    options.idle_s = 0.5;
    options.time_limit_s = 5;
    options.resolution = 0.1;
    cr_assert_eq(spa_meter_measure(&set, &options, spin, NULL, &r, &err), SPA_OK, "%s",
                 err.message);
    for (size_t i = 0; i < r.n_rails; i++) {
        const spa_energy *e = &r.rails[i];
        if (e->kind == SPA_ENERGY_MEASURED)
            cr_assert(e->power_w > 0 && e->power_w < SPA_METER_MAX_W, "%s: %g W", e->rail,
                      e->power_w);
        else
            cr_assert(isnan(e->energy_j) && e->reason[0] != '\0');
    }
}
