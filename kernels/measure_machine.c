/* What this machine is: for the fingerprint of a trace. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "kernels/measure.h"

/* The value of the first "key : value" line of /proc/cpuinfo. */
static bool cpuinfo(const char *key, char *value, size_t size)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[512];
    bool found = false;
    if (file == NULL) return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, strlen(key)) != 0) continue;
        const char *colon = strchr(line, ':');
        if (colon == NULL) continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(value, size, "%.*s", (int)strcspn(colon, "\n"), colon);
        found = true;
    }
    fclose(file);
    return found;
}

static void machine_name(char *text, size_t size)
{
    struct utsname name;
    char family[32], model[32];
    if (!cpuinfo("model name", text, size))
        snprintf(text, size, "%s", uname(&name) == 0 ? name.machine : "unknown");
    if (cpuinfo("cpu family", family, sizeof family) && cpuinfo("model\t", model, sizeof model)) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, " (family %s model %s)", family, model);
    }
}

/* The kernels of a core, or the device with what drives it. */
static void describe(const spa_lane *lane, char *text, size_t size)
{
    spa_stream_config config = spa_stream_config_default();
    spa_accelerator *accelerator;
    spa_error ignored;
    if (!lane->device) {
        lane->backend->describe(text, size);
        return;
    }
    config.index = lane->device_index;
    config.backend = lane->backend;
    if (lane->device->open(&config, &accelerator, &ignored) != SPA_OK) return;
    lane->device->describe(accelerator, text, size);
    lane->device->close(accelerator);
}

spa_status spa_measure_fingerprint(const spa_lane_set *lanes, const char *command, spa_arena *arena,
                                   spa_fingerprint *out, spa_error *err)
{
    char machine[256], libraries[256] = "", clocks[64], mhz[32], date[32] = "";
    const char *empty = "";
    *out = (spa_fingerprint){.stack = "sparoa", .power_mode = empty, .driver = empty};
    machine_name(machine, sizeof machine);
    for (size_t i = 0; i < lanes->count; i++) { /* each backend once */
        bool seen = false;
        for (size_t j = 0; j < i; j++)
            seen |= lanes->lanes[j].backend == lanes->lanes[i].backend && !lanes->lanes[i].device;
        size_t used = strlen(libraries);
        if (seen || used + 3 >= sizeof libraries) continue;
        if (used > 0) used += (size_t)snprintf(libraries + used, 3, "; ");
        describe(&lanes->lanes[i], libraries + used, sizeof libraries - used);
    }
    if (cpuinfo("cpu MHz", mhz, sizeof mhz))
        snprintf(clocks, sizeof clocks, "%.*s MHz (nominal)", (int)strcspn(mhz, "."), mhz);
    else
        snprintf(clocks, sizeof clocks, "unknown");
    time_t now = time(NULL);
    struct tm calendar;
    if (gmtime_r(&now, &calendar) != NULL)
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &calendar);
    SPA_TRY(spa_arena_strdup(arena, &out->machine, machine, err));
    SPA_TRY(spa_arena_strdup(arena, &out->libraries, libraries, err));
    SPA_TRY(spa_arena_strdup(arena, &out->clocks, clocks, err));
    SPA_TRY(spa_arena_strdup(arena, &out->date, date, err));
    return spa_arena_strdup(arena, &out->command, command != NULL ? command : "", err);
}
