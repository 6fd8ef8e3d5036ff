/* NVML, loaded at run time; there is no header to build against, so that the few prototypes needed
 * stand here (NVIDIA, NVML API Reference Guide: "Device Queries", nvmlReturn_t).
 *
 * A GPU is a meter if it answers a reading: nvmlDeviceGetTotalEnergyConsumption (mJ since the
 * driver was loaded; Volta and later), else nvmlDeviceGetPowerUsage (mW). On Jetson NVML starts but
 * supports neither: no meter, no fault.
 *
 * Both are renewed about every 100 ms at the slowest, and server GPUs look at the power only a
 * quarter of that time (Yang, Adamek, Armour 2023, "Part-time Power Measurements", arXiv
 * 2312.02741): short jobs must be repeated for seconds, which the resolution enforces. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/meter_probe.h"

#define UPDATE_NS     INT64_C(100000000)
#define DEVICES_MOST  32
#define NOT_SUPPORTED 3
#define NO_PERMISSION 4
#define NO_DRIVER     9

typedef struct library {
    void *handle;
    size_t users; /* rails, and the probing itself */
    int (*init)(void);
    int (*shutdown)(void);
    int (*device_count)(unsigned *count);
    int (*device)(unsigned index, void **device);
    int (*name)(void *device, char *name, unsigned length);
    int (*energy_mj)(void *device, unsigned long long *mj);
    int (*power_mw)(void *device, unsigned *mw);
    const char *(*error_text)(int code);
} library;

typedef struct gpu {
    library *library;
    void *device;
    unsigned index;
} gpu;

static void drop(library *lib)
{
    if (--lib->users > 0) return;
    lib->shutdown();
    dlclose(lib->handle);
    free(lib);
}

static void release(void *context)
{
    gpu *g = context;
    drop(g->library);
    free(g);
}

static spa_status fail_nvml(const gpu *g, const char *what, int code, spa_error *err)
{
    const char *text = g->library->error_text != NULL ? g->library->error_text(code) : NULL;
    return spa_fail(err, code == NOT_SUPPORTED ? SPA_E_UNSUPPORTED : SPA_E_IO,
                    "NVML, GPU %u: %s: %.80s (code %d)%s", g->index, what,
                    text != NULL ? text : "failed", code,
                    code == NO_PERMISSION ? "; run as root or as a user who may use the GPU" : "");
}

static spa_status read_energy(void *context, spa_meter_reading *reading, spa_error *err)
{
    gpu *g = context;
    unsigned long long mj = 0;
    int code = g->library->energy_mj(g->device, &mj);
    if (code != 0) return fail_nvml(g, "energy", code, err);
    reading->count = mj;
    return SPA_OK;
}

static spa_status read_power(void *context, spa_meter_reading *reading, spa_error *err)
{
    gpu *g = context;
    unsigned mw = 0;
    int code = g->library->power_mw(g->device, &mw);
    if (code != 0) return fail_nvml(g, "power", code, err);
    reading->power_w = mw * 1e-3;
    return SPA_OK;
}

/* POSIX guarantees that a function's address fits into what dlsym returns; ISO C has no cast for
 * it. */
static bool symbol(library *lib, const char *name, void *function)
{
    void *address = dlsym(lib->handle, name);
    memcpy(function, &address, sizeof address);
    return address != NULL;
}

/* NULL: there is no NVML to speak of; a library that is there but of no use is noted. */
static spa_status load(spa_meter_set *set, const char *file, library **out, spa_error *err)
{
    library *lib;
    *out = NULL;
    void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) return SPA_OK;
    spa_status status = spa_alloc(&lib, 1, sizeof *lib, err);
    if (status != SPA_OK) {
        dlclose(handle);
        return status;
    }
    lib->handle = handle;
    lib->users = 1;
    symbol(lib, "nvmlErrorString", &lib->error_text);
    symbol(lib, "nvmlDeviceGetName", &lib->name);
    symbol(lib, "nvmlDeviceGetTotalEnergyConsumption", &lib->energy_mj); /* not in old drivers */
    symbol(lib, "nvmlDeviceGetPowerUsage", &lib->power_mw);
    bool usable = symbol(lib, "nvmlInit_v2", &lib->init) &
                  symbol(lib, "nvmlShutdown", &lib->shutdown) &
                  symbol(lib, "nvmlDeviceGetCount_v2", &lib->device_count) &
                  symbol(lib, "nvmlDeviceGetHandleByIndex_v2", &lib->device);
    int code = usable ? lib->init() : 0;
    if (!usable)
        spa_meter_note(set, "%.200s is no NVML: functions are missing", file);
    else if (code != 0 && code != NO_DRIVER) /* a library without a driver is no GPU */
        spa_meter_note(set, "NVML does not start: %.80s (code %d)",
                       lib->error_text != NULL ? lib->error_text(code) : "", code);
    if (usable && code == 0) {
        *out = lib;
        return SPA_OK;
    }
    dlclose(handle);
    free(lib);
    return SPA_OK;
}

static void rail_name(const gpu *g, char *out, size_t size)
{
    char name[96] = "";
    if (g->library->name == NULL || g->library->name(g->device, name, sizeof name) != 0)
        name[0] = '\0';
    name[sizeof name - 1] = '\0';
    for (char *p = name; *p != '\0'; p++)
        if (*p < ' ' || *p > '~') *p = '?';
    snprintf(out, size, "nvml %u%s%.40s", g->index, name[0] != '\0' ? " " : "", name);
}

static spa_status add_gpu(spa_meter_set *set, library *lib, unsigned index,
                          const spa_meter_config *config, spa_error *err)
{
    gpu *g;
    spa_meter_reading first;
    spa_error fault = {0};
    SPA_TRY(spa_alloc(&g, 1, sizeof *g, err));
    *g = (gpu){.library = lib, .index = index};
    spa_meter_rail rail = {.in_total = true,
                           .update_ns = UPDATE_NS,
                           .kind = SPA_METER_COUNTER,
                           .read = read_energy,
                           .unit_j = 1e-3,
                           .step = 1e-3,
                           .poll_ns = 1000000000,
                           .release = release,
                           .context = g};
    int code = lib->device(index, &g->device);
    spa_status status = code != 0 ? fail_nvml(g, "handle", code, &fault)
                        : lib->energy_mj != NULL
                            ? read_energy(g, &first, &fault)
                            : spa_fail(&fault, SPA_E_UNSUPPORTED, "no energy counter");
    if (code == 0 && status == SPA_E_UNSUPPORTED && lib->power_mw != NULL) {
        rail.kind = SPA_METER_SAMPLER;
        rail.read = read_power;
        rail.poll_ns = config->poll_ns;
        status = read_power(g, &first, &fault);
    }
    if (status != SPA_OK) {
        free(g);
        if (status != SPA_E_UNSUPPORTED) spa_meter_note_missing(set, "%s", fault.message);
        return SPA_OK;
    }
    lib->users++;
    rail_name(g, rail.name, sizeof rail.name);
    return spa_meter_set_add(set, &rail, err);
}

spa_status spa_meter_nvml_probe(spa_meter_set *set, const spa_meter_config *config, spa_error *err)
{
    library *lib;
    unsigned count = 0;
    if (config->nvml == NULL) return SPA_OK;
    SPA_TRY(load(set, config->nvml, &lib, err));
    if (lib == NULL) return SPA_OK;
    spa_status status = SPA_OK;
    int code = lib->device_count(&count);
    if (code != 0 && code != NOT_SUPPORTED)
        spa_meter_note(set, "NVML cannot count its GPUs (code %d)", code);
    if (code == 0 && config->nvml_device >= 0 && (unsigned)config->nvml_device >= count)
        spa_meter_note(set, "NVML: there is no GPU %d, only %u", (int)config->nvml_device, count);
    for (unsigned i = 0; code == 0 && i < count && i < DEVICES_MOST && status == SPA_OK; i++)
        if (config->nvml_device < 0 || (unsigned)config->nvml_device == i)
            status = add_gpu(set, lib, i, config, err);
    drop(lib);
    return status;
}
