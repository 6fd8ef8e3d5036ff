/* What is found on machines of all kinds: nothing, RAPL, INA3221. */
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kernels/probing.h"

TestSuite(kernels_meter_probe, .init = begin_tree, .fini = end_tree);

/* ---- nothing --------------------------------------------------------------------------------- */
Test(kernels_meter_probe, a_machine_without_meters_says_so_in_these_words)
{
    spa_meter_config config = tree_config(&t);
    expect_none(config, "energy: not measurable here (no RAPL, NVML or INA3221)");
    config.nvml = "libthere-is-no-such-library.so.1";
    expect_none(config, "energy: not measurable here (no RAPL, NVML or INA3221)");
    config.sysfs = "/nowhere";
    expect_none(config, "energy: not measurable here (no RAPL, NVML or INA3221)");
    tree_folder(&t, "class/powercap/dtpm"); /* other things in these folders are no meters */
    tree_folder(&t, "class/powercap/intel-rapl");
    tree_folder(&t, "class/powercap/intel-rapl:x");
    tree_folder(&t, "class/powercap/intel-rapl:0x");
    tree_chip(&t, "hwmon0", "nvme");
    tree_folder(&t, "class/hwmon/hwmon1");
    expect_none(tree_config(&t), SPA_METER_NONE);
}

Test(kernels_meter_probe, configurations_out_of_bounds_are_refused)
{
    char path[300];
    spa_meter_config config = tree_config(&t);
    memset(path, '/', 299);
    path[299] = '\0';
    config.sysfs = path;
    cr_assert_eq(spa_meter_set_probe(&set, &config, NULL), SPA_E_INVALID);
    config = tree_config(&t);
    config.poll_ns = 999999;
    cr_assert_eq(spa_meter_set_probe(&set, &config, NULL), SPA_E_INVALID);
}

/* ---- RAPL ------------------------------------------------------------------------------------ */
Test(kernels_meter_probe, packages_and_their_dram_make_the_total_and_cores_do_not)
{
    two_packages();
    probe();
    cr_assert_eq(set.count, 6);
    cr_assert(rail("rapl package-0")->in_total && rail("rapl package-1")->in_total);
    cr_assert(rail("rapl 0/dram")->in_total && rail("rapl 1/dram")->in_total);
    cr_assert(!rail("rapl 0/core")->in_total && !rail("rapl 1/core")->in_total);
    cr_assert_str_empty(set.notes);
    cr_assert_str_empty(set.total_fault);
    const spa_meter_rail *r = rail("rapl package-0");
    cr_assert_eq(r->kind, SPA_METER_COUNTER);
    cr_assert_eq(r->unit_j, 1e-6);
    cr_assert_eq(r->range, 262143328850);
    cr_assert_eq(r->poll_ns, 1000000000);
}

/* package-0 from 1.0 to 1.3 J; package-1 turns: 262143.328850 - 262143 + 0.171150 = 0.5 J. */
Test(kernels_meter_probe, zones_are_read_anew_each_time_and_turn_at_their_range)
{
    two_packages();
    probe();
    expect_ok(spa_meter_begin(&window, &set, false, err));
    tree_write(&t, "class/powercap/intel-rapl:0/energy_uj", "1300000\n");
    tree_write(&t, "class/powercap/intel-rapl:1/energy_uj", "171150\n");
    spa_meter_end(&window);
    for (size_t i = 0; i < set.count; i++) {
        double wanted = strcmp(set.rails[i].name, "rapl package-0") == 0   ? 0.3
                        : strcmp(set.rails[i].name, "rapl package-1") == 0 ? 0.5
                                                                           : 0;
        cr_assert_str_empty(window.tracks[i].fault);
        cr_assert(fabs(window.tracks[i].energy_j - wanted) < 1e-9, "%s: %g", set.rails[i].name,
                  window.tracks[i].energy_j);
    }
}

Test(kernels_meter_probe, psys_stands_beside_the_packages)
{
    tree_rapl(&t, "intel-rapl:0", "package-0", 1);
    tree_rapl(&t, "intel-rapl:0:0", "uncore", 1);
    tree_rapl(&t, "intel-rapl:1", "psys", 1);
    probe();
    cr_assert(rail("rapl package-0")->in_total);
    cr_assert(!rail("rapl psys")->in_total && !rail("rapl 0/uncore")->in_total);
}

Test(kernels_meter_probe, psys_alone_is_the_total)
{
    tree_rapl(&t, "intel-rapl:0", "psys", 1);
    probe();
    cr_assert(rail("rapl psys")->in_total);
}

Test(kernels_meter_probe, a_package_that_cannot_be_read_leaves_no_total)
{
    two_packages();
    tree_delete(&t, "class/powercap/intel-rapl:1/energy_uj");
    tree_folder(&t, "class/powercap/intel-rapl:1/energy_uj"); /* EISDIR, also for root */
    tree_rapl(&t, "intel-rapl:2", "psys", 1);
    probe();
    cr_assert_eq(set.count, 6);
    cr_assert(rail("rapl package-0")->in_total && !rail("rapl psys")->in_total);
    expect_note("%s/class/powercap/intel-rapl:1/energy_uj: cannot be read: Is a directory");
    cr_assert_not_null(strstr(set.total_fault, "intel-rapl:1/energy_uj"));
}

Test(kernels_meter_probe, a_part_that_cannot_be_read_is_noted_and_the_total_stays)
{
    two_packages();
    tree_write(&t, "class/powercap/intel-rapl:0:0/energy_uj", "a lot\n");
    probe();
    cr_assert_eq(set.count, 5);
    expect_note("%s/class/powercap/intel-rapl:0:0/energy_uj:1: 'a lot' is not a count");
    cr_assert_str_empty(set.total_fault);
}

static void expect_rapl_fault(const char *attribute, const char *content, const char *part)
{
    char path[128];
    tree_rapl(&t, "intel-rapl:0", "package-0", 1000000);
    snprintf(path, sizeof path, "class/powercap/intel-rapl:0/%s", attribute);
    tree_write(&t, path, "%s", content);
    spa_error err = {0};
    spa_meter_config config = tree_config(&t);
    cr_assert_eq(spa_meter_set_probe(&set, &config, &err), SPA_E_UNSUPPORTED, "'%s'", content);
    cr_assert_eq(strncmp(err.message, "energy: not measurable here: /tmp/", 34), 0, "%s",
                 err.message);
    cr_assert_not_null(strstr(err.message, attribute));
    cr_assert_not_null(strstr(err.message, part), "%s", err.message);
    cr_assert_eq(set.count, 0);
}

Test(kernels_meter_probe, attributes_that_are_no_counts_are_refused)
{
    char line[300];
    memset(line, '1', 299);
    line[299] = '\0';
    expect_rapl_fault("energy_uj", "", "is empty");
    expect_rapl_fault("energy_uj", "\n", "is empty");
    expect_rapl_fault("energy_uj", "-5\n", "is not a count");
    expect_rapl_fault("energy_uj", "0x10\n", "is not a count");
    expect_rapl_fault("energy_uj", "1 2\n", "is not a count");
    expect_rapl_fault("energy_uj", "1e9\n", "is not a count");
    expect_rapl_fault("energy_uj", "18446744073709551616\n", "is too large"); /* 2^64 */
    expect_rapl_fault("energy_uj", line, "longer than 127 bytes");
    expect_rapl_fault("energy_uj", "\x01\x02\n", "byte 1 is 0x01");
    expect_rapl_fault("energy_uj", "262143328851\n", "makes no sense"); /* beyond its range */
    expect_rapl_fault("max_energy_range_uj", "0\n", "makes no sense");
    expect_rapl_fault("max_energy_range_uj", "nan\n", "is not a count");
    expect_rapl_fault("name", "", "is empty");
    expect_rapl_fault("name", "\xff\xfe\n", "no sysfs text");
}

Test(kernels_meter_probe, a_missing_attribute_is_named)
{
    tree_rapl(&t, "intel-rapl:0", "package-0", 1000000);
    tree_delete(&t, "class/powercap/intel-rapl:0/max_energy_range_uj");
    spa_error err = {0};
    spa_meter_config config = tree_config(&t);
    cr_assert_eq(spa_meter_set_probe(&set, &config, &err), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(err.message, "max_energy_range_uj: cannot be opened: No such file"),
                       "%s", err.message);
}

/* Linux gives energy_uj to root only (CVE-2020-8694). Root reads everything: be somebody else. */
static spa_status probe_as_nobody(spa_error *err)
{
    uid_t me = geteuid();
    spa_meter_config config = tree_config(&t);
    if (me == 0) cr_assert_eq(seteuid(65534), 0);
    spa_status status = spa_meter_set_probe(&set, &config, err);
    if (me == 0) cr_assert_eq(seteuid(0), 0);
    return status;
}

static void deny(const char *path)
{
    char file[256];
    snprintf(file, sizeof file, "%s/%s", t.root, path);
    cr_assert_eq(chmod(file, geteuid() == 0 ? 0400 : 0), 0);
}

Test(kernels_meter_probe, without_permission_the_files_and_the_cure_are_named_once)
{
    char wanted[512];
    spa_error err = {0};
    two_packages();
    deny("class/powercap/intel-rapl:0/energy_uj");
    deny("class/powercap/intel-rapl:0:0/energy_uj");
    deny("class/powercap/intel-rapl:0:1/energy_uj");
    deny("class/powercap/intel-rapl:1/energy_uj");
    deny("class/powercap/intel-rapl:1:0/energy_uj");
    deny("class/powercap/intel-rapl:1:1/energy_uj");
    cr_assert_eq(probe_as_nobody(&err), SPA_E_UNSUPPORTED);
    snprintf(wanted, sizeof wanted,
             "energy: not measurable here: RAPL is here, but "
             "%s/class/powercap/intel-rapl:*/energy_uj may be read by root only; run as root, or "
             "once: sudo chmod a+r %s/class/powercap/intel-rapl:*/energy_uj",
             t.root, t.root);
    cr_assert_str_eq(err.message, wanted);
}

Test(kernels_meter_probe, a_rail_without_permission_is_named_with_its_cure)
{
    spa_error err = {0};
    tree_chip(&t, "hwmon1", "ina3221");
    tree_channel(&t, "hwmon1", 1, "VDD_IN", 5016, 1240);
    tree_channel(&t, "hwmon1", 2, "VDD_SOC", 5016, 240);
    deny("class/hwmon/hwmon1/curr2_input");
    cr_assert_eq(probe_as_nobody(&err), SPA_OK, "%s", err.message);
    cr_assert_eq(set.count, 1);
    expect_note("curr2_input: cannot be opened: Permission denied; run as root, or once: sudo "
                "chmod a+r %s/class/hwmon/hwmon1/curr2_input");
}

Test(kernels_meter_probe, a_zone_without_a_name_may_be_dram_and_leaves_no_total)
{
    two_packages();
    tree_write(&t, "class/powercap/intel-rapl:1:1/name", "\n");
    probe();
    cr_assert_eq(set.count, 5);
    cr_assert_str_not_empty(set.total_fault);
}

Test(kernels_meter_probe, a_zone_that_fails_later_is_a_fault_of_the_window)
{
    tree_rapl(&t, "intel-rapl:0", "package-0", 1000000);
    probe();
    expect_ok(spa_meter_begin(&window, &set, false, err));
    tree_write(&t, "class/powercap/intel-rapl:0/energy_uj", "gone\n");
    spa_meter_end(&window);
    cr_assert_not_null(strstr(window.tracks[0].fault, "energy_uj:1: 'gone' is not a count"));
}

/* ---- INA3221 --------------------------------------------------------------------------------- */
/* 5016 mV * 1240 mA = 6.21984 W; its step is 40 uV / 5 mOhm * 5.016 V = 40.128 mW. */
Test(kernels_meter_probe, the_input_rail_of_an_orin_nano_is_its_total)
{
    orin_nano();
    probe();
    cr_assert_eq(set.count, 3);
    cr_assert(rail("ina3221 VDD_IN")->in_total);
    cr_assert(!rail("ina3221 VDD_CPU_GPU_CV")->in_total && !rail("ina3221 VDD_SOC")->in_total);
    cr_assert(fabs(watts("ina3221 VDD_IN") - 6.21984) < 1e-12);
    cr_assert(fabs(watts("ina3221 VDD_SOC") - 1.60256) < 1e-12);
    const spa_meter_rail *r = rail("ina3221 VDD_IN");
    cr_assert_eq(r->kind, SPA_METER_SAMPLER);
    cr_assert(fabs(r->step - 0.040128) < 1e-12);
    cr_assert_eq(r->update_ns, 7000000);
    cr_assert_eq(r->poll_ns, 20000000);
    cr_assert_eq(rail("ina3221 VDD_SOC")->update_ns, 7000000);
    tree_write(&t, "class/hwmon/hwmon1/curr1_input", "2000\n");
    cr_assert(fabs(watts("ina3221 VDD_IN") - 10.032) < 1e-12);
}

Test(kernels_meter_probe, an_agx_orin_adds_its_rails_up_and_its_ddr_only_once)
{
    tree_chip(&t, "hwmon3", "ina3221");
    tree_channel(&t, "hwmon3", 1, "VDD_GPU_SOC", 19000, 200);
    tree_channel(&t, "hwmon3", 2, "VDD_CPU_CV", 19000, 100);
    tree_channel(&t, "hwmon3", 3, "VIN_SYS_5V0", 4968, 953);
    tree_chip(&t, "hwmon4", "ina3221");
    tree_channel(&t, "hwmon4", 1, "NC", 0, 0);
    tree_channel(&t, "hwmon4", 2, "VDDQ_VDD2_1V8AO", 4968, 220);
    tree_chip(&t, "hwmon5", "ina3221");
    tree_channel(&t, "hwmon5", 1, "CVB_ATX_12V", 12000, 900);
    probe();
    cr_assert_eq(set.count, 5);
    cr_assert(rail("ina3221 VDD_GPU_SOC")->in_total && rail("ina3221 VDD_CPU_CV")->in_total);
    cr_assert(rail("ina3221 VIN_SYS_5V0")->in_total);
    cr_assert(!rail("ina3221 VDDQ_VDD2_1V8AO")->in_total);
    cr_assert(!rail("ina3221 CVB_ATX_12V")->in_total); /* the carrier board's */
    cr_assert_str_empty(set.total_fault);
    /* 2 mOhm assumed: 20 mA steps; 100 ms assumed. */
    cr_assert(fabs(rail("ina3221 VDD_GPU_SOC")->step - 0.38) < 1e-12);
    cr_assert_eq(rail("ina3221 VDD_GPU_SOC")->update_ns, 100000000);
}

Test(kernels_meter_probe, ddr_counts_where_the_rail_that_feeds_it_is_not_read)
{
    tree_chip(&t, "hwmon3", "ina3221");
    tree_channel(&t, "hwmon3", 1, "VDD_GPU_SOC", 19000, 200);
    tree_channel(&t, "hwmon3", 2, "VDDQ_VDD2_1V8AO", 4968, 220);
    probe();
    cr_assert(rail("ina3221 VDDQ_VDD2_1V8AO")->in_total);
}

Test(kernels_meter_probe, a_missing_part_leaves_no_sum)
{
    tree_chip(&t, "hwmon3", "ina3221");
    tree_channel(&t, "hwmon3", 1, "VDD_GPU_SOC", 19000, 200);
    tree_channel(&t, "hwmon3", 2, "VDD_CPU_CV", 19000, 100);
    tree_delete(&t, "class/hwmon/hwmon3/curr2_input");
    probe();
    cr_assert_eq(set.count, 1);
    expect_note("rail VDD_CPU_CV: %s/class/hwmon/hwmon3/curr2_input: cannot be opened");
    cr_assert_str_not_empty(set.total_fault);
}

Test(kernels_meter_probe, a_missing_part_does_no_harm_where_the_input_is_measured)
{
    orin_nano();
    tree_write(&t, "class/hwmon/hwmon1/curr3_input", "garbage\n");
    probe();
    cr_assert_eq(set.count, 2);
    cr_assert(rail("ina3221 VDD_IN")->in_total);
    expect_note("rail VDD_SOC: %s/class/hwmon/hwmon1/curr3_input:1: 'garbage' is not a whole");
    cr_assert_str_empty(set.total_fault);
}

Test(kernels_meter_probe, channels_that_are_off_or_not_there_are_no_rails)
{
    orin_nano();
    tree_write(&t, "class/hwmon/hwmon1/in2_enable", "0\n");
    tree_write(&t, "class/hwmon/hwmon1/in1_enable", "1\n");
    tree_delete(&t, "class/hwmon/hwmon1/in3_label");
    tree_delete(&t, "class/hwmon/hwmon1/in3_input");
    probe();
    cr_assert_eq(set.count, 1);
    cr_assert_str_empty(set.notes);
}

Test(kernels_meter_probe, a_channel_without_a_label_cannot_be_placed)
{
    tree_chip(&t, "hwmon3", "ina3221");
    tree_channel(&t, "hwmon3", 1, "VDD_GPU_SOC", 19000, 200);
    tree_channel(&t, "hwmon3", 2, "x", 19000, 100);
    tree_delete(&t, "class/hwmon/hwmon3/in2_label");
    probe();
    cr_assert_eq(set.count, 1);
    expect_note("%s/class/hwmon/hwmon3/in2_label: cannot be opened: No such file");
    cr_assert_str_not_empty(set.total_fault);
}

Test(kernels_meter_probe, impossible_volts_and_amperes_are_refused)
{
    static const char *const bad[] = {
        "",      "\n",    "4.2\n", "100001\n", "-1\n",
        "1e3\n", "abc\n", "--5\n", "5 V\n",    "99999999999999999999\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        orin_nano();
        tree_write(&t, "class/hwmon/hwmon1/in1_input", "%s", bad[i]);
        probe();
        cr_assert_eq(set.count, 2, "'%s'", bad[i]);
        expect_note("rail VDD_IN: %s/class/hwmon/hwmon1/in1_input");
        /* Without the input the others are not the module's total. */
        cr_assert_str_not_empty(set.total_fault);
        spa_meter_set_fini(&set);
    }
}
