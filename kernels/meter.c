/* Sets of meters: defaults, probing, adding rails. */
#include "kernels/meter.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernels/meter_probe.h"

spa_meter_config spa_meter_config_default(void)
{
    return (spa_meter_config){.sysfs = "/sys",
                              .nvml = "libnvidia-ml.so.1",
                              .nvml_device = -1,
                              .poll_ns = 20000000,
                              .time = spa_meter_time_real};
}

spa_meter_options spa_meter_options_default(void)
{
    return (spa_meter_options){
        .idle_s = 5, .warmup = 1, .resolution = 0.01, .time_limit_s = 60, .min_repetitions = 1};
}

const char *spa_energy_kind_name(spa_energy_kind kind)
{
    static const char *const names[] = {"unavailable", "measured", "modelled"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

void spa_meter_set_init(spa_meter_set *set, const spa_meter_time *time)
{
    memset(set, 0, sizeof *set);
    set->time = *time;
}

void spa_meter_set_fini(spa_meter_set *set)
{
    if (set == NULL) return;
    for (size_t i = 0; i < set->count; i++)
        if (set->rails[i].release != NULL) set->rails[i].release(set->rails[i].context);
    set->count = 0;
}

static spa_status check_rail(const spa_meter_set *set, const spa_meter_rail *rail, spa_error *err)
{
    bool counter = rail->kind == SPA_METER_COUNTER;
    if (rail->name[0] == '\0' || rail->read == NULL)
        return spa_fail(err, SPA_E_INVALID, "a rail needs a name and a way to read it");
    if (set->count >= SPA_METER_RAILS_MAX)
        return spa_fail(err, SPA_E_RANGE, "%s: more than %d rails", rail->name,
                        SPA_METER_RAILS_MAX);
    if (!(rail->step >= 0) || !isfinite(rail->step) || rail->update_ns < 0 || rail->poll_ns <= 0 ||
        (counter && (!(rail->unit_j > 0) || !isfinite(rail->unit_j))))
        return spa_fail(err, SPA_E_INVALID, "%s: unit, step and intervals must be positive",
                        rail->name);
    /* Four readings per turn at a power that no rail has. */
    if (counter && rail->range > 0 &&
        (double)rail->poll_ns * 1e-9 * SPA_METER_MAX_W * 4 > (double)rail->range * rail->unit_j)
        return spa_fail(
            err, SPA_E_RANGE, "%s: a range of %g J could turn unseen between readings %g s apart",
            rail->name, (double)rail->range * rail->unit_j, (double)rail->poll_ns * 1e-9);
    return SPA_OK;
}

spa_status spa_meter_set_add(spa_meter_set *set, const spa_meter_rail *rail, spa_error *err)
{
    spa_status status = check_rail(set, rail, err);
    if (status != SPA_OK) {
        if (rail->release != NULL) rail->release(rail->context);
        return status;
    }
    set->rails[set->count++] = *rail;
    return SPA_OK;
}

static void note(spa_meter_set *set, const char *fmt, va_list arguments)
{
    size_t used = strlen(set->notes);
    if (used > 0 && used + 3 < sizeof set->notes)
        used += (size_t)snprintf(set->notes + used, 3, "; ");
    vsnprintf(set->notes + used, sizeof set->notes - used, fmt, arguments);
}

void spa_meter_note(spa_meter_set *set, const char *fmt, ...)
{
    va_list arguments;
    va_start(arguments, fmt);
    note(set, fmt, arguments);
    va_end(arguments);
}

void spa_meter_note_missing(spa_meter_set *set, const char *fmt, ...)
{
    va_list arguments;
    va_start(arguments, fmt);
    note(set, fmt, arguments);
    va_end(arguments);
    if (set->total_fault[0] != '\0') return;
    va_start(arguments, fmt);
    vsnprintf(set->total_fault, sizeof set->total_fault, fmt, arguments);
    va_end(arguments);
}

spa_status spa_meter_set_probe(spa_meter_set *set, const spa_meter_config *config, spa_error *err)
{
    spa_meter_set_init(set, &config->time);
    if (config->sysfs == NULL || strlen(config->sysfs) > 255 || config->poll_ns < 1000000 ||
        config->poll_ns > 10000000000)
        return spa_fail(
            err, SPA_E_INVALID,
            "meters need a sysfs root of at most 255 bytes and a polling interval of 1 ms "
            "to 10 s");
    spa_status status = spa_meter_rapl_probe(set, config, err);
    if (status == SPA_OK) status = spa_meter_ina3221_probe(set, config, err);
    if (status == SPA_OK) status = spa_meter_nvml_probe(set, config, err);
    if (status == SPA_OK && set->count == 0)
        status = set->notes[0] == '\0' ? spa_fail(err, SPA_E_UNSUPPORTED, "%s", SPA_METER_NONE)
                                       : spa_fail(err, SPA_E_UNSUPPORTED,
                                                  "energy: not measurable here: %s", set->notes);
    if (status != SPA_OK) spa_meter_set_fini(set);
    return status;
}
