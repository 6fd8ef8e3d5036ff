#define _DEFAULT_SOURCE /* mkstemps */
#include "experiments/lanes_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASSUMED_DRAM_GBS   20
#define UNLIMITED_DRAM_GBS 100000
#define ASSUMED_LINK_GBS   10
#define ASSUMED_LATENCY_US 10

static const char *selector(const spa_lane *lane)
{
    return lane->device ? lane->device->name : "cpu";
}

static size_t host_of(const spa_lane_set *lanes)
{
    size_t host = 0;
    while (host + 1 < lanes->count && lanes->lanes[host].device) host++;
    return host;
}

static bool any_device(const spa_lane_set *lanes)
{
    bool any = false;
    for (size_t i = 0; i < lanes->count; i++) any |= lanes->lanes[i].device != NULL;
    return any;
}

spa_status spa_lanes_put(spa_string *out, const spa_lane_set *lanes)
{
    for (size_t i = 0; i < lanes->count; i++) {
        const spa_lane *l = &lanes->lanes[i];
        int first = l->device ? (int)l->device_index : (int)l->first_core;
        spa_string_append(out, "%s%s:%d", i ? "," : "", selector(l), first);
        if (l->n_cores > 1) spa_string_append(out, "-%d", (int)(l->first_core + l->n_cores - 1));
        if (l->n_cores > 0) spa_string_append(out, "=%s", l->backend->name);
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
        spa_string_append(out, "\n[processor %s]\nrole = %s\nselector = %s\n", l->processor,
                          i == host_of(lanes) ? "host" : "accelerator", selector(l));
        if (l->n_cores == 0) { /* its number is that of its stream */
            spa_string_append(out, "streams = %d # measured: one of them is the lane\n",
                              (int)l->device_index + 1);
            continue;
        }
        spa_string_append(out, "cores = %d", (int)l->first_core);
        if (l->n_cores > 1) spa_string_append(out, "-%d", (int)(l->first_core + l->n_cores - 1));
        spa_string_append(out, " # measured: the lanes of the profile\n");
    }
    static const char *const sections[] = {"mode nominal", "reference"};
    for (int s = 0; s < 2; s++) {
        spa_string_append(out, "\n[%s]\n", sections[s]);
        for (size_t i = 0; i < lanes->count; i++)
            spa_string_append(out, "%s.clock_mhz = %g # measured: as the machine says\n",
                              lanes->lanes[i].processor, mhz);
        if (any_device(lanes))
            spa_string_append(out,
                              "dram_gbs = %d # assumed: so much that transfers slow nothing down; "
                              "that was not measured\n",
                              UNLIMITED_DRAM_GBS);
        else
            spa_string_append(
                out, "dram_gbs = %d # assumed: co-run rows of the trace override contention\n",
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

/* Latency and bandwidth of the largest transfer that was measured from lane to lane. */
static bool find_rate(const spa_trace *trace, const char *from, const char *to, double *latency_us,
                      double *gbs)
{
    int64_t largest = -1;
    for (size_t i = 0; i < trace->n_links; i++) {
        const spa_trace_link *l = &trace->links[i];
        if (strcmp(l->from, from) != 0 || strcmp(l->to, to) != 0 || l->bytes <= largest ||
            !(l->latency_us >= 0) || !(l->bandwidth_gbs > 0))
            continue;
        largest = l->bytes;
        *latency_us = l->latency_us;
        *gbs = l->bandwidth_gbs;
    }
    return largest >= 0;
}

/* To and from a device a link per direction; among lanes of cores they copy for themselves. */
static void put_link(spa_string *out, const spa_lane *from, const spa_lane *to,
                     const spa_trace *trace)
{
    double latency_us = ASSUMED_LATENCY_US, gbs = ASSUMED_LINK_GBS;
    spa_string_append(out, "\n[link sparoa %s %s]\n", from->processor, to->processor);
    if (!from->device && !to->device) {
        spa_string_append(out,
                          "zero_copy = yes\non_lane = yes\nlatency_us = 0.5 # assumed: used only "
                          "where the trace has no links\nsync_cycles = 0 # assumed: as above\n");
        return;
    }
    const char *origin = find_rate(trace, from->processor, to->processor, &latency_us, &gbs)
                             ? "measured: the largest transfer in links.csv"
                             : "assumed: the trace has no such transfer";
    spa_string_append(out,
                      "gbs = %g # %s\nlatency_us = %g # %s\nsync_cycles = 0 # assumed: part of "
                      "the latency\nqueue = %s-%s\n",
                      gbs, origin, latency_us, origin, from->device ? "from" : "to",
                      from->device ? from->processor : to->processor);
}

static void put_stack(spa_string *out, const spa_lane_set *lanes, const spa_trace *trace)
{
    spa_string_append(out, "\n[calibration]\nsparoa = nominal\n\n[stack sparoa]\nsummary = kernels "
                           "and executor of this project\nblocking_sync = no\n");
    spa_string_append(out, "dispatch_occupies_host = %s\n", any_device(lanes) ? "yes" : "no");
    for (size_t i = 0; i < lanes->count; i++) {
        const spa_lane *l = &lanes->lanes[i];
        spa_string_append(out,
                          "%s.async = %s\n%s.backend = %s\n%s.launch_cycles = 500 # assumed: used "
                          "only where links.csv has no hand-off to itself\n",
                          l->processor, l->device ? "yes" : "no", l->processor, l->backend->name,
                          l->processor);
    }
    spa_string_append(out, "run_cv = 0.03 # assumed: used only where the trace has none\n");
    for (size_t a = 0; a < lanes->count; a++)
        for (size_t b = 0; b < lanes->count; b++)
            if (a != b) put_link(out, &lanes->lanes[a], &lanes->lanes[b], trace);
}

spa_status spa_lanes_device_put(spa_string *out, const char *name, const spa_lane_set *lanes,
                                const spa_trace *trace, const char *folder, spa_error *err)
{
    spa_string_append(out,
                      "# Lanes of one machine, measured: %s, %s.\n\n[device]\nname = %s\nsummary = "
                      "%s of %s, each with kernels of its own\norigin = measured\nmemory = "
                      "%s\npower = unknown\ndefault_mode = nominal\ndefault_stack = sparoa\n"
                      "default_lanes = ",
                      trace->fingerprint.machine, trace->fingerprint.date, name,
                      any_device(lanes) ? "cores and devices" : "cores", trace->fingerprint.machine,
                      any_device(lanes) ? "discrete" : "shared");
    spa_lanes_put(out, lanes);
    spa_string_append(out, "\ntrace = %s\n", folder[0] ? folder : "measured-just-now");
    put_processors(out, lanes, clock_mhz(trace));
    put_stack(out, lanes, trace);
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
