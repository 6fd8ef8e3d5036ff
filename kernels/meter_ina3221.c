/* INA3221 power monitors, as on Jetson boards: class/hwmon/hwmonN with name "ina3221", per channel
 * inN_label, inN_input (mV), currN_input (mA), N = 1 .. 3 (Linux, Documentation/hwmon/ina3221.rst).
 * Labels of Orin boards: Linux, arch/arm64/boot/dts/nvidia/tegra234-p3701.dtsi and -p3767.dtsi.
 *
 * Other hwmon chips, and the iio layout of NVIDIA's kernels before 5.x, are not read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "kernels/meter_probe.h"

#define CHIPS_MOST       32
#define CHIPS_HWMON_MOST 128
#define MAX_MV           INT64_C(100000)
#define MAX_MA           INT64_C(1000000)
#define SHUNT_STEP_UV    40.0 /* one bit of the shunt voltage (TI, INA3221 data sheet) */
#define SHUNT_UOHM       2000 /* where the file does not say: the least that boards use */
#define UPDATE_MS        100  /* where the file does not say */

/* What a rail with this label is. Other labels (VDD_CPU_GPU_CV, VDD_SOC, VDD_GPU_SOC, VDD_CPU_CV,
 * VIN_SYS_5V0, and Xavier's GPU, CPU, SOC, CV, VDDRQ, SYS5V) are parts that add up. */
typedef enum role {
    PART,     /* one of those that add up, where nothing measures the input */
    INPUT,    /* the module's input: includes all others */
    INSIDE_5V /* inside VIN_SYS_5V0, which feeds it; a part where that is not read */
} role;

static const struct {
    const char *label;
    role role;
} known[] = {
    {"VDD_IN", INPUT},    /* Orin Nano, Orin NX, Xavier NX, TX2 */
    {"POM_5V_IN", INPUT}, /* Nano */
    /* DDR of AGX Orin: fed by the 5 V input rail, whose voltage it shows (NVIDIA, Jetson Linux
     * Developer Guide, power monitors of AGX Orin: VIN_SYS_5V0 supplies "... DDR"). */
    {"VDDQ_VDD2_1V8AO", INSIDE_5V},
};

typedef struct channel {
    int in_fd, curr_fd;
    char folder[SPA_SYSFS_PATH], in_name[16], curr_name[16];
} channel;

static void release(void *context)
{
    channel *c = context;
    if (c->in_fd >= 0) close(c->in_fd);
    if (c->curr_fd >= 0) close(c->curr_fd);
    free(c);
}

static spa_status read_channel(const channel *c, int64_t *mv, int64_t *ma, spa_error *err)
{
    *ma = 0;
    SPA_TRY(spa_sysfs_i64(c->in_fd, c->folder, c->in_name, 0, MAX_MV, mv, err));
    return spa_sysfs_i64(c->curr_fd, c->folder, c->curr_name, -MAX_MA, MAX_MA, ma, err);
}

static spa_status read_power(void *context, spa_meter_reading *reading, spa_error *err)
{
    int64_t mv, ma;
    SPA_TRY(read_channel(context, &mv, &ma, err));
    reading->power_w = (double)mv * (double)ma * 1e-6; /* mV * mA = uW */
    return SPA_OK;
}

/* Whether the channel is in use: it has a label that names a rail and is not switched off. */
static bool in_use(spa_meter_set *set, const char *folder, int number, char label[SPA_SYSFS_TEXT])
{
    char name[24];
    int64_t enabled;
    spa_error fault = {0};
    snprintf(name, sizeof name, "in%d_enable", number);
    if (spa_sysfs_read_i64(folder, name, 0, 1, &enabled, &fault) == SPA_OK && enabled == 0)
        return false;
    snprintf(name, sizeof name, "in%d_label", number);
    spa_status status = spa_sysfs_read_text(folder, name, label, &fault);
    if (status == SPA_E_NOT_FOUND) { /* a channel without a label, if it is a channel at all */
        spa_error none;
        int fd;
        snprintf(name, sizeof name, "in%d_input", number);
        if (spa_sysfs_open(folder, name, &fd, &none) == SPA_OK) {
            close(fd);
            spa_meter_note_missing(set, "%s", fault.message);
        }
        return false;
    }
    if (status != SPA_OK) {
        spa_meter_note_missing(set, "%s", fault.message);
        return false;
    }
    return strcmp(label, "NC") != 0; /* not connected */
}

static void describe(spa_meter_rail *rail, const char *folder, int number, int64_t mv,
                     const spa_meter_config *config)
{
    char name[32];
    int64_t uohm, ms;
    spa_error none;
    snprintf(name, sizeof name, "shunt%d_resistor", number);
    if (spa_sysfs_read_i64(folder, name, 1, 10000000, &uohm, &none) != SPA_OK) uohm = SHUNT_UOHM;
    if (spa_sysfs_read_i64(folder, "update_interval", 0, 100000, &ms, &none) != SPA_OK)
        ms = UPDATE_MS;
    rail->step = SHUNT_STEP_UV / (double)uohm * (double)mv * 1e-3; /* A * V */
    rail->update_ns = (ms > 0 ? ms : 1) * 1000000;
    rail->poll_ns = config->poll_ns;
}

static spa_status add_channel(spa_meter_set *set, const char *folder, int number,
                              const spa_meter_config *config, spa_error *err)
{
    channel *c;
    int64_t mv = 0, ma = 0;
    char label[SPA_SYSFS_TEXT];
    spa_error fault = {0};
    spa_meter_rail rail = {.kind = SPA_METER_SAMPLER, .read = read_power, .release = release};
    if (!in_use(set, folder, number, label)) return SPA_OK;
    SPA_TRY(spa_alloc(&c, 1, sizeof *c, err));
    c->in_fd = c->curr_fd = -1;
    snprintf(c->folder, sizeof c->folder, "%s", folder);
    snprintf(c->in_name, sizeof c->in_name, "in%d_input", number);
    snprintf(c->curr_name, sizeof c->curr_name, "curr%d_input", number);
    spa_status status = spa_sysfs_open(folder, c->in_name, &c->in_fd, &fault);
    if (status == SPA_OK) status = spa_sysfs_open(folder, c->curr_name, &c->curr_fd, &fault);
    if (status == SPA_OK) status = read_channel(c, &mv, &ma, &fault);
    if (status != SPA_OK) {
        release(c);
        spa_meter_note_missing(set, "rail %.40s: %.600s", label, fault.message);
        return SPA_OK;
    }
    snprintf(rail.name, sizeof rail.name, "ina3221 %.48s", label);
    describe(&rail, folder, number, mv, config);
    rail.context = c;
    return spa_meter_set_add(set, &rail, err);
}

static role role_of(const spa_meter_rail *rail)
{
    const char *label = rail->name + strlen("ina3221 ");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(label, known[i].label) == 0) return known[i].role;
    return PART;
}

/* Which of the rails make the total. A carrier board's own monitors (CVB_...) measure something
 * else than the module's. A rail that is missing does no harm where the input is measured. */
static void choose_total(spa_meter_set *set, size_t first, bool fault_before)
{
    bool input = false, five_volts = false;
    for (size_t i = first; i < set->count; i++) {
        input |= role_of(&set->rails[i]) == INPUT;
        five_volts |= strcmp(set->rails[i].name, "ina3221 VIN_SYS_5V0") == 0;
    }
    for (size_t i = first; i < set->count; i++) {
        const char *label = set->rails[i].name + strlen("ina3221 ");
        role what = role_of(&set->rails[i]);
        bool part = what == INSIDE_5V ? !five_volts : strncmp(label, "CVB_", 4) != 0;
        set->rails[i].in_total = input ? what == INPUT : part;
    }
    if (input && !fault_before) set->total_fault[0] = '\0';
}

spa_status spa_meter_ina3221_probe(spa_meter_set *set, const spa_meter_config *config,
                                   spa_error *err)
{
    char hwmon[SPA_SYSFS_PATH], names[CHIPS_HWMON_MOST][SPA_SYSFS_NAME], name[SPA_SYSFS_TEXT];
    size_t first = set->count, chips = 0;
    bool fault_before = set->total_fault[0] != '\0';
    spa_error none;
    snprintf(hwmon, sizeof hwmon, "%.300s/class/hwmon", config->sysfs);
    size_t n = spa_sysfs_list(hwmon, "hwmon", names, CHIPS_HWMON_MOST);
    for (size_t i = 0; i < n && chips < CHIPS_MOST; i++) {
        char folder[SPA_SYSFS_PATH];
        snprintf(folder, sizeof folder, "%.400s/%.63s", hwmon, names[i]);
        if (spa_sysfs_read_text(folder, "name", name, &none) != SPA_OK) continue;
        if (strcmp(name, "ina3221") != 0) continue;
        chips++;
        for (int number = 1; number <= 3; number++)
            SPA_TRY(add_channel(set, folder, number, config, err));
    }
    choose_total(set, first, fault_before);
    return SPA_OK;
}
