/* RAPL by way of Linux's powercap: class/powercap/intel-rapl:N (packages, psys) and
 * intel-rapl:N:M (their parts); AMD's packages have the same names. Each zone has `name`,
 * `energy_uj` and `max_energy_range_uj`, at which the count starts again (Linux,
 * Documentation/power/powercap/powercap.rst).
 *
 * The total is the packages and their DRAM: "package" is the processor's die, "core" and "uncore"
 * are parts of it, the directly attached DRAM is not, although powercap lists it as a child (Intel
 * SDM volume 3, "RAPL Domains"). "psys" is whatever the board's maker has wired to it, usually
 * including the packages: shown beside them, never added to them; it is the total only where there
 * is no package. intel-rapl-mmio is the same package once more and is not read.
 *
 * Counts change about every millisecond, by 15 to 61 uJ at least (Khan et al. 2018, "RAPL in
 * Action", section 3). */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernels/meter_probe.h"

#define UPDATE_NS INT64_C(1000000)
#define STEP_J    61e-6
/* Real ranges begin at 65 kJ; less would have to be polled all the time. */
#define LEAST_RANGE_UJ UINT64_C(1000000000)
#define MOST           (2 * SPA_METER_RAILS_MAX)

typedef struct zone {
    int fd;
    char folder[SPA_SYSFS_PATH];
} zone;

static void release(void *context)
{
    zone *z = context;
    close(z->fd);
    free(z);
}

static spa_status read_zone(void *context, spa_meter_reading *reading, spa_error *err)
{
    zone *z = context;
    return spa_sysfs_u64(z->fd, z->folder, "energy_uj", &reading->count, err);
}

/* "intel-rapl:0" has depth 1, "intel-rapl:0:2" 2; anything else 0. */
static int depth(const char *name)
{
    int colons = 0;
    for (const char *p = name + strlen("intel-rapl"); *p != '\0'; colons++) {
        size_t digits = *p == ':' ? strspn(p + 1, "0123456789") : 0;
        if (digits == 0) return 0;
        p += 1 + digits;
    }
    return colons;
}

/* The number of the package that a zone belongs to, for names: children are all called "dram". */
static void rail_name(const char *folder_name, const char *zone_name, char *out, size_t size)
{
    const char *number = folder_name + strlen("intel-rapl:");
    int length = (int)strspn(number, "0123456789");
    if (depth(folder_name) > 1)
        snprintf(out, size, "rapl %.*s/%.32s", length < 8 ? length : 8, number, zone_name);
    else
        snprintf(out, size, "rapl %.32s", zone_name);
}

/* Poll often enough to see every turn, with a factor of 4 at a power that no rail has. */
static int64_t poll_interval(double range_j)
{
    double seconds = range_j / (8 * SPA_METER_MAX_W);
    return seconds > 1 ? 1000000000 : (int64_t)(seconds * 1e9);
}

/* Linux gives energy_uj to root only (CVE-2020-8694), of all zones alike: said once. A zone whose
 * name cannot be read may be DRAM. */
static void note_fault(spa_meter_set *set, const char *powercap, bool in_total, spa_status status,
                       const spa_error *fault, bool *denied)
{
    char message[SPA_SYSFS_PATH + 256];
    snprintf(message, sizeof message, "%.*s", (int)sizeof message - 1, fault->message);
    if (status == SPA_E_UNSUPPORTED)
        snprintf(message, sizeof message,
                 "RAPL is here, but %.400s/intel-rapl:*/energy_uj may be read by root only; run as "
                 "root, or once: sudo chmod a+r %.100s/intel-rapl:*/energy_uj",
                 powercap, powercap);
    if (status == SPA_E_UNSUPPORTED && *denied) return;
    *denied |= status == SPA_E_UNSUPPORTED;
    if (in_total)
        spa_meter_note_missing(set, "%s", message);
    else
        spa_meter_note(set, "%s", message);
}

static spa_status add_zone(spa_meter_set *set, const char *powercap, const char *folder_name,
                           bool *denied, spa_error *err)
{
    zone *z;
    char name[SPA_SYSFS_TEXT];
    spa_error fault = {0};
    spa_meter_reading first;
    spa_meter_rail rail = {.kind = SPA_METER_COUNTER,
                           .unit_j = 1e-6,
                           .step = STEP_J,
                           .update_ns = UPDATE_NS,
                           .read = read_zone,
                           .release = release};
    SPA_TRY(spa_alloc(&z, 1, sizeof *z, err));
    z->fd = -1;
    snprintf(z->folder, sizeof z->folder, "%.400s/%.63s", powercap, folder_name);
    bool child = depth(folder_name) > 1;
    spa_status status = spa_sysfs_read_text(z->folder, "name", name, &fault);
    rail.in_total = status != SPA_OK ? true
                    : child          ? strcmp(name, "dram") == 0
                                     : strncmp(name, "package", 7) == 0;
    if (status == SPA_OK)
        status = spa_sysfs_read_u64(z->folder, "max_energy_range_uj", &rail.range, &fault);
    if (status == SPA_OK) status = spa_sysfs_open(z->folder, "energy_uj", &z->fd, &fault);
    if (status == SPA_OK) status = read_zone(z, &first, &fault);
    if (status == SPA_OK && (rail.range < LEAST_RANGE_UJ || first.count > rail.range))
        status =
            spa_fail(&fault, SPA_E_RANGE,
                     "%s: an energy_uj of %llu with a max_energy_range_uj of %llu makes no "
                     "sense",
                     z->folder, (unsigned long long)first.count, (unsigned long long)rail.range);
    if (status != SPA_OK) {
        if (z->fd >= 0) close(z->fd);
        free(z);
        note_fault(set, powercap, rail.in_total, status, &fault, denied);
        return SPA_OK;
    }
    rail_name(folder_name, name, rail.name, sizeof rail.name);
    rail.poll_ns = poll_interval((double)rail.range * 1e-6);
    rail.context = z;
    return spa_meter_set_add(set, &rail, err);
}

spa_status spa_meter_rapl_probe(spa_meter_set *set, const spa_meter_config *config, spa_error *err)
{
    char powercap[SPA_SYSFS_PATH], names[MOST][SPA_SYSFS_NAME];
    size_t before = set->count, psys = SIZE_MAX;
    bool packages = false, denied = false;
    snprintf(powercap, sizeof powercap, "%.300s/class/powercap", config->sysfs);
    size_t n = spa_sysfs_list(powercap, "intel-rapl:", names, MOST);
    for (size_t i = 0; i < n; i++)
        if (depth(names[i]) > 0) SPA_TRY(add_zone(set, powercap, names[i], &denied, err));
    for (size_t i = before; i < set->count; i++) {
        packages |= set->rails[i].in_total;
        if (strcmp(set->rails[i].name, "rapl psys") == 0) psys = i;
    }
    packages |= set->total_fault[0] != '\0';
    if (!packages && psys != SIZE_MAX) set->rails[psys].in_total = true;
    return SPA_OK;
}
