#define _DEFAULT_SOURCE /* mkstemps */
#include "experiments/lanes_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASSUMED_DRAM_GBS 20

spa_status spa_lanes_put(spa_string *out, const spa_lane_set *lanes)
{
    for (size_t i = 0; i < lanes->count; i++) {
        const spa_lane *l = &lanes->lanes[i];
        spa_string_append(out, "%scpu:%d", i ? "," : "", (int)l->first_core);
        if (l->n_cores > 1) spa_string_append(out, "-%d", (int)(l->first_core + l->n_cores - 1));
        spa_string_append(out, "=%s", l->backend->name);
    }
    return spa_string_ok(out, NULL);
}

/* "2445 MHz (nominal)"; cycles only convert times, so that any clock will do. */
static double clock_mhz(const spa_trace *trace)
{
    double mhz = trace->fingerprint.clocks ? strtod(trace->fingerprint.clocks, NULL) : 0;
    return mhz >= 1 ? mhz : 1000;
}

static void put_processors(spa_string *out, const spa_lane_set *lanes, double mhz)
{
    for (size_t i = 0; i < lanes->count; i++) {
        const spa_lane *l = &lanes->lanes[i];
        spa_string_append(out, "\n[processor %s]\nrole = %s\nselector = cpu\ncores = %d",
                          l->processor, i ? "accelerator" : "host", (int)l->first_core);
        if (l->n_cores > 1) spa_string_append(out, "-%d", (int)(l->first_core + l->n_cores - 1));
        spa_string_append(out, " # measured: the lanes of the profile\n");
    }
    static const char *const sections[] = {"mode nominal", "reference"};
    for (int s = 0; s < 2; s++) {
        spa_string_append(out, "\n[%s]\n", sections[s]);
        for (size_t i = 0; i < lanes->count; i++)
            spa_string_append(out, "%s.clock_mhz = %g # measured: as the machine says\n",
                              lanes->lanes[i].processor, mhz);
        spa_string_append(out,
                          "dram_gbs = %d # assumed: co-run rows of the trace override contention\n",
                          ASSUMED_DRAM_GBS);
    }
    spa_string_append(out, "\n[contention]\n");
    for (size_t i = 0; i < lanes->count; i++) {
        static const char *const keys[] = {"pressure", "slow_a", "slow_b"};
        for (int k = 0; k < 3; k++)
            spa_string_append(out, "%s.%s = 0 # assumed: co-run rows measure the slowdown\n",
                              lanes->lanes[i].processor, keys[k]);
    }
}

static void put_stack(spa_string *out, const spa_lane_set *lanes)
{
    spa_string_append(out, "\n[calibration]\nsparoa = nominal\n\n[stack sparoa]\nsummary = kernels "
                           "and executor of this project\ndispatch_occupies_host = no\n"
                           "blocking_sync = no\n");
    for (size_t i = 0; i < lanes->count; i++) {
        const spa_lane *l = &lanes->lanes[i];
        spa_string_append(out,
                          "%s.async = no\n%s.backend = %s\n%s.launch_cycles = 500 # assumed: used "
                          "only where links.csv has no hand-off to itself\n",
                          l->processor, l->processor, l->backend->name, l->processor);
    }
    spa_string_append(out, "run_cv = 0.03 # assumed: used only where the trace has none\n");
    for (size_t a = 0; a < lanes->count; a++)
        for (size_t b = 0; b < lanes->count; b++)
            if (a != b)
                spa_string_append(
                    out,
                    "\n[link sparoa %s %s]\nzero_copy = yes\non_lane = yes\nlatency_us = 0.5 # "
                    "assumed: used only where the trace has no links\nsync_cycles = 0 # assumed: "
                    "as above\n",
                    lanes->lanes[a].processor, lanes->lanes[b].processor);
}

spa_status spa_lanes_device_put(spa_string *out, const char *name, const spa_lane_set *lanes,
                                const spa_trace *trace, const char *folder, spa_error *err)
{
    spa_string_append(out,
                      "# Lanes of one machine, measured: %s, %s.\n\n[device]\nname = %s\nsummary = "
                      "cores of %s, each with kernels of its own\norigin = measured\nmemory = "
                      "shared\npower = unknown\ndefault_mode = nominal\ndefault_stack = sparoa\n"
                      "default_lanes = ",
                      trace->fingerprint.machine, trace->fingerprint.date, name,
                      trace->fingerprint.machine);
    spa_lanes_put(out, lanes);
    spa_string_append(out, "\ntrace = %s\n", folder[0] ? folder : "measured-just-now");
    put_processors(out, lanes, clock_mhz(trace));
    put_stack(out, lanes);
    return spa_string_ok(out, err);
}

/* The suffix makes it a path for spa_device_load. */
static spa_status write_temporary(char *path, const spa_string *text, spa_error *err)
{
    int fd = mkstemps(path, 7);
    if (fd < 0)
        return spa_fail_at(err, SPA_E_IO, path, 0, "cannot be created: %s", strerror(errno));
    ssize_t written = write(fd, text->text, text->length);
    if (close(fd) == 0 && written == (ssize_t)text->length) return SPA_OK;
    unlink(path);
    return spa_fail_at(err, SPA_E_IO, path, 0, "cannot be written: %s", strerror(errno));
}

spa_status spa_lanes_device_new(spa_device **device, const spa_lane_set *lanes,
                                const spa_trace *trace, spa_error *err)
{
    static const char *const nowhere[] = {NULL};
    char path[] = "/tmp/sparoa-lanes-XXXXXX.device";
    spa_string text = {0};
    *device = NULL;
    spa_status status = spa_lanes_device_put(&text, "this-machine", lanes, trace, "", err);
    if (!status) status = write_temporary(path, &text, err);
    if (!status) {
        status = spa_device_load(device, path, nowhere, err);
        unlink(path);
    }
    spa_string_fini(&text);
    return status;
}
