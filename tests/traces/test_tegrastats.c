/* Logs of tegrastats, in the formats of several years. */
#include "tests/base/check.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "tests/oom.h"
#include "traces/tegrastats.h"

/* Shaped like the lines of boards; the figures are made up. */
#define ORIN(time, w)                                                                              \
    "05-13-2026 " time " RAM 1697/7620MB (lfb 42x4MB) SWAP 0/3810MB (cached 0MB) CPU "             \
    "[10%@1000,30%@2000,off] GR3D_FREQ 50% cpu@40.5C tj@41C PMIC@50C VDD_IN " w "mW/" w            \
    "mW VDD_SOC 1500mW/1400mW\n"

static spa_tegrastats parse(const char *text)
{
    spa_tegrastats log;
    expect_ok(spa_tegrastats_parse(&log, "log", text, strlen(text), err));
    return log;
}

Test(tegrastats, a_line_of_orin_gives_loads_clocks_temperature_and_rails)
{
    spa_tegrastats log = parse("Fri Oct 25 05:56:18 PM UTC 2024\n" ORIN("14:22:48", "4000"));
    const spa_tegra_sample *s = log.samples;
    cr_assert_eq(log.n, 1);
    cr_assert_eq(log.skipped, 1);
    cr_assert_eq(log.n_rails, 2);
    cr_assert_str_eq(log.rails[0], "VDD_IN");
    cr_assert_str_eq(log.rails[1], "VDD_SOC");
    cr_assert_eq(spa_tegrastats_board_rail(&log), 0);
    cr_assert_eq(s->n_cores, 2);
    cr_assert_float_eq(s->cpu_load, 0.2, 1e-12); /* (10 % + 30 %) / 2 */
    cr_assert_float_eq(s->cpu_mhz, 1500, 1e-9);
    cr_assert_float_eq(s->gpu_load, 0.5, 1e-12);
    cr_assert(isnan(s->gpu_mhz));
    cr_assert_float_eq(s->hottest_c, 41, 1e-12);
    cr_assert_float_eq(s->rail_w[0], 4, 1e-12);
    cr_assert_float_eq(s->rail_w[1], 1.5, 1e-12);
    cr_assert_eq(s->line, 2);
    spa_tegrastats_fini(&log);
}

Test(tegrastats, an_old_line_has_no_date_and_no_units)
{
    spa_tegrastats log = parse(
        "RAM 1980/3964MB (lfb 1x256kB) SWAP 2/1982MB (cached 0MB) CPU [12%@102,off,off,4%@204]"
        " EMC_FREQ 0% GR3D_FREQ 7%@76 PLL@36C CPU@38.5C PMIC@100C GPU@37C POM_5V_IN 2020/1990 "
        "POM_5V_GPU 0/0\n");
    const spa_tegra_sample *s = log.samples;
    cr_assert(isnan(s->time_s));
    cr_assert_eq(s->n_cores, 2);
    cr_assert_float_eq(s->gpu_mhz, 76, 1e-12);
    cr_assert_float_eq(s->hottest_c, 38.5, 1e-12);
    cr_assert_eq(log.n_rails, 2);
    cr_assert_float_eq(s->rail_w[0], 2.02, 1e-12);
    cr_assert_eq(s->rail_w[1], 0);
    spa_rail_summary sum;
    expect_ok(spa_tegrastats_summary(&log, 0, 0, 1, &sum, err));
    cr_assert_eq(sum.n, 1);
    cr_assert(isnan(sum.sd_w));
    spa_tegrastats_fini(&log);
}

/* 4, 6, 8 W at 0, 1, 3 s: mean 6, deviation 2, energy (4+6)/2*1 + (6+8)/2*2 = 19 J. From 1 s on:
 * 7 W, 14 J. Midnight is no step back. */
Test(tegrastats, power_is_summed_over_a_window_of_time)
{
    spa_tegrastats log = parse("05-13-2026 23:59:59 RAM 1/2MB CPU [1%@1] VDD_IN 4000mW/1mW\n"
                               "05-14-2026 00:00:00 RAM 1/2MB CPU [1%@1] VDD_IN 6000mW/1mW\n"
                               "05-14-2026 00:00:02 RAM 1/2MB CPU [1%@1] VDD_IN 8000mW/1mW\n");
    spa_rail_summary all, late;
    expect_ok(spa_tegrastats_summary(&log, 0, 0, INFINITY, &all, err));
    expect_ok(spa_tegrastats_summary(&log, 0, 1, 3, &late, err));
    cr_assert_eq(all.n, 3);
    cr_assert_float_eq(all.mean_w, 6, 1e-12);
    cr_assert_float_eq(all.sd_w, 2, 1e-12);
    cr_assert_float_eq(all.energy_j, 19, 1e-9);
    cr_assert_float_eq(all.min_w, 4, 1e-12);
    cr_assert_float_eq(all.max_w, 8, 1e-12);
    cr_assert_eq(late.n, 2);
    cr_assert_float_eq(late.energy_j, 14, 1e-9);
    spa_error e;
    cr_assert_eq(spa_tegrastats_summary(&log, 0, 10, 20, &all, &e), SPA_E_RANGE);
    cr_assert(strstr(e.message, "the log has 3 s"));
    spa_tegrastats_fini(&log);
}

Test(tegrastats, faults_name_their_line)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"hello\n", "no line of tegrastats"},
        {"", "no line of tegrastats"},
        {ORIN("14:22:48", "1") ORIN("14:22:47", "1"), "log:2: the clock goes back"},
        {"RAM 1/2MB CPU [1%@1,x%@2]\n", "log:1: not the load of a core: 'x%@2'"},
        {"RAM 1/2MB CPU [1%@1\n", "the list of cores does not end"},
        {"RAM 1/2MB CPU [1%@1] GR3D_FREQ fast\n", "not the load of the GPU: 'fast'"},
        {"RAM 1/2MB CPU [1%@1] A 1/1 B 1/1 C 1/1 D 1/1 E 1/1 F 1/1 G 1/1 H 1/1 I 1/1 J 1/1 K 1/1 L "
         "1/1 M 1/1 N 1/1 O 1/1 P 1/1 Q 1/1\n",
         "one rail too many: 'Q'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spa_tegrastats log;
        spa_error e;
        cr_assert_eq(spa_tegrastats_parse(&log, "log", bad[i].text, strlen(bad[i].text), &e),
                     SPA_E_PARSE);
        cr_assert(strstr(e.message, bad[i].says), "%zu: %s", i, e.message);
        cr_assert_eq(log.n, 0);
    }
}

Test(tegrastats, each_allocation_may_fail)
{
    static const char text[] = ORIN("14:22:48", "4000") ORIN("14:22:49", "4100");
    for (long n = 0;; n++) {
        spa_tegrastats log;
        spa_error e;
        oom_fail_at(n);
        spa_status status = spa_tegrastats_parse(&log, "log", text, strlen(text), &e);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_geq(n, 3);
            spa_tegrastats_fini(&log);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM);
        cr_assert_eq(log.n, 0);
    }
}

/* Real logs, where they are at hand: rails and their first reading by eye. */
Test(tegrastats, real_logs_are_read_whole)
{
    static const struct {
        const char *path, *rail;
        size_t n, n_rails;
        double first_w;
    } logs[] = {
        {"orin_nano_jp6_idle_25W.log", "VDD_IN", 14, 3, 4.361},
        {"orin_nano_jp6_gpu_load.log", "VDD_IN", 18, 3, 13.588},
        {"agx_orin_resnet152_maxn.head.txt", "VDD_GPU_SOC", 39, 4, 1.987},
    };
    char path[256];
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
        snprintf(path, sizeof path, "../shared/data/formats/tegrastats/%s", logs[i].path);
        if (access(path, R_OK) != 0) cr_skip_test("%s is not here", path);
        spa_tegrastats log;
        expect_ok(spa_tegrastats_read(&log, path, err));
        cr_assert_eq(log.n, logs[i].n, "%s: %zu", path, log.n);
        cr_assert_eq(log.n_rails, logs[i].n_rails, "%s: %zu", path, log.n_rails);
        cr_assert_str_eq(log.rails[0], logs[i].rail);
        cr_assert_float_eq(log.samples[0].rail_w[0], logs[i].first_w, 1e-9);
        spa_tegrastats_fini(&log);
    }
}
