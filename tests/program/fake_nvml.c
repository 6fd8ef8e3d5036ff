/* A library that looks like NVML, for tests of its meter. FAKE_NVML says which kind:
 *   energy      a GPU with an energy counter
 *   power       an older one: power only
 *   jetson      starts, but supports neither
 *   denied      supports both, for others
 *   nodriver    does not start: no driver
 *   broken      does not start: an unknown fault
 *   two         two GPUs: one with a counter, one that fails
 *   stub        has no functions at all
 * Built by build.mk into one shared object each. fake_nvml_set sets what is read. */
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT void fake_nvml_set(unsigned long long mj, unsigned mw);
EXPORT int fake_nvml_started(void);

static unsigned long long energy_mj = 5000000;
static unsigned power_mw = 70000;
static int started;

EXPORT void fake_nvml_set(unsigned long long mj, unsigned mw)
{
    energy_mj = mj;
    power_mw = mw;
}

EXPORT int fake_nvml_started(void)
{
    return started;
}

static int is(const char *kind)
{
    return strcmp(FAKE_NVML, kind) == 0;
}

#ifndef FAKE_NVML_STUB
EXPORT int nvmlInit_v2(void);
EXPORT int nvmlShutdown(void);
EXPORT const char *nvmlErrorString(int code);
EXPORT int nvmlDeviceGetCount_v2(unsigned *count);
EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device);
EXPORT int nvmlDeviceGetName(void *device, char *name, unsigned length);
EXPORT int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *mj);
EXPORT int nvmlDeviceGetPowerUsage(void *device, unsigned *mw);

static int devices[2];

EXPORT int nvmlInit_v2(void)
{
    if (is("nodriver")) return 9;
    if (is("broken")) return 999;
    started++;
    return 0;
}

EXPORT int nvmlShutdown(void)
{
    started--;
    return 0;
}

EXPORT const char *nvmlErrorString(int code)
{
    return code == 3 ? "Not Supported" : code == 4 ? "Insufficient Permissions" : "Unknown Error";
}

EXPORT int nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = is("two") ? 2 : 1;
    return 0;
}

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    *device = &devices[index];
    return 0;
}

EXPORT int nvmlDeviceGetName(void *device, char *name, unsigned length)
{
    snprintf(name, length, "Fake\nGPU");
    return 0;
}

static int fault(const void *device)
{
    return is("jetson") ? 3 : is("denied") ? 4 : is("two") && device == &devices[1] ? 999 : 0;
}

EXPORT int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *mj)
{
    *mj = energy_mj;
    return is("power") ? 3 : fault(device);
}

EXPORT int nvmlDeviceGetPowerUsage(void *device, unsigned *mw)
{
    *mw = power_mw;
    return fault(device);
}
#endif
