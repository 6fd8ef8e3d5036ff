/* A tree that looks like sysfs and the meters found in it, one per test file; a suite begins with
 * begin_tree and ends with end_tree. */
#ifndef SPA_TESTS_KERNELS_PROBING_H
#define SPA_TESTS_KERNELS_PROBING_H

#include <stdio.h>
#include "kernels/meter_window.h"
#include "tests/base/check.h"
#include "tests/kernels/sysfs_tree.h"

static tree t;
static spa_meter_set set;
static spa_meter_window window;

static inline void begin_tree(void)
{
    tree_make(&t);
}

static inline void end_tree(void)
{
    spa_meter_set_fini(&set);
    tree_remove(&t);
}

static inline void probe(void)
{
    spa_meter_config config = tree_config(&t);
    expect_ok(spa_meter_set_probe(&set, &config, err));
}

static inline void expect_none(spa_meter_config config, const char *message)
{
    expect_error(spa_meter_set_probe(&set, &config, err), SPA_E_UNSUPPORTED, message);
    cr_assert_eq(set.count, 0);
}

static inline const spa_meter_rail *rail(const char *name)
{
    for (size_t i = 0; i < set.count; i++)
        if (strcmp(set.rails[i].name, name) == 0) return &set.rails[i];
    cr_assert_fail("no rail '%s'; notes: %s", name, set.notes);
    return NULL;
}

static inline double watts(const char *name)
{
    const spa_meter_rail *r = rail(name);
    spa_meter_reading reading = {0};
    expect_ok(r->read(r->context, &reading, err));
    return reading.power_w;
}

static inline void expect_note(const char *part)
{
    char wanted[512];
    snprintf(wanted, sizeof wanted, part, t.root);
    cr_assert_not_null(strstr(set.notes, wanted), "no '%s' in: %s", wanted, set.notes);
}

static inline void two_packages(void)
{
    tree_rapl(&t, "intel-rapl:0", "package-0", 1000000);
    tree_rapl(&t, "intel-rapl:0:0", "core", 400000);
    tree_rapl(&t, "intel-rapl:0:1", "dram", 100000);
    tree_rapl(&t, "intel-rapl:1", "package-1", 262143000000);
    tree_rapl(&t, "intel-rapl:1:0", "core", 500000);
    tree_rapl(&t, "intel-rapl:1:1", "dram", 200000);
    tree_rapl(&t, "intel-rapl-mmio:0", "package-0", 1000000); /* the first package once more */
    tree_folder(&t, "class/powercap/intel-rapl");
}

static inline void orin_nano(void)
{
    tree_chip(&t, "hwmon0", "nvme");
    tree_chip(&t, "hwmon1", "ina3221");
    tree_channel(&t, "hwmon1", 1, "VDD_IN", 5016, 1240);
    tree_channel(&t, "hwmon1", 2, "VDD_CPU_GPU_CV", 5008, 160);
    tree_channel(&t, "hwmon1", 3, "VDD_SOC", 5008, 320);
    tree_write(&t, "class/hwmon/hwmon1/in4_input", "0\n"); /* shunt voltages, and their sum */
    tree_write(&t, "class/hwmon/hwmon1/in7_label", "sum of shunt voltages\n");
    tree_write(&t, "class/hwmon/hwmon1/in7_input", "0\n");
    tree_write(&t, "class/hwmon/hwmon1/shunt1_resistor", "5000\n");
    tree_write(&t, "class/hwmon/hwmon1/update_interval", "7\n");
}

#endif
