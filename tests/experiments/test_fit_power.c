/* Power fitted to measured rails: reading by hand, laws and factors by hand, and, where the
 * measurements are there, the committed files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/fit_power.h"
#include "tests/base/check.h"
#include "tests/oom.h"

#define AGX_LINE(cpu, gpu, soc, core, sys, ddr)                                                    \
    "10-25-2024 10:56:19 RAM 1/2MB CPU [" cpu "] GR3D_FREQ " gpu "% cpu@41C VDD_GPU_SOC " soc      \
    "mW/1mW VDD_CPU_CV " core "mW/1mW VIN_SYS_5V0 " sys "mW/1mW VDDQ_VDD2_1V8AO " ddr "mW/1mW\n"
#define NANO_LINE(cpu, gpu, in, core, soc)                                                         \
    "05-13-2026 14:23:21 CPU [" cpu "] GR3D_FREQ " gpu "% tj@43C VDD_IN " in                       \
    "mW/1mW VDD_CPU_GPU_CV " core "mW/1mW VDD_SOC " soc "mW/1mW\n"

static void parse(fit_log *log, const char *text)
{
    char *copy = strdup(text);
    expect_ok(fit_log_parse(log, "a.log", copy, err));
    free(copy);
}

/* 50 % of 1 GHz, 100 % of 2 GHz, off, 10 % of 0.7 GHz: 0.5 + 2 + 0.07 = 2.57. Board: 2 + 1.5 + 3 +
 * 0.8 = 7.3 W, of which 3.8 are the rest. */
Test(fit_power, a_line_of_tegrastats_is_read_with_what_was_busy)
{
    fit_log *log = malloc(sizeof *log);
    parse(log,
          "Fri Oct 25\n" AGX_LINE("50%@1000,100%@2000,off,10%@700", "5", "2000", "1500", "3000",
                                  "800") NANO_LINE("1%@729", "97", "15600", "7200", "3900"));
    cr_assert_eq(log->n, 2);
    const fit_sample *a = &log->samples[0], *b = &log->samples[1];
    cr_assert_float_eq(a->core_ghz, 2.57, 1e-12);
    cr_assert_float_eq(a->gpu_busy, 0.05, 1e-12);
    cr_assert_float_eq(a->board_w, 7.3, 1e-12);
    cr_assert_float_eq(fit_rest_w(a), 3.8, 1e-12);
    cr_assert_eq(a->load, FIT_LOAD_CPU);
    cr_assert_float_eq(b->board_w, 15.6, 1e-12);
    cr_assert_float_eq(fit_rest_w(b), 4.5, 1e-12); /* 15.6 - 7.2 - 3.9 */
    cr_assert_eq(b->load, FIT_LOAD_FULL);
    free(log);
}

Test(fit_power, a_sample_is_steady_when_the_one_before_was_of_the_same_load)
{
    static const fit_load loads[] = {FIT_LOAD_QUIET, FIT_LOAD_FULL, FIT_LOAD_FULL, FIT_LOAD_PART,
                                     FIT_LOAD_MIXED};
    fit_log *log = malloc(sizeof *log);
    parse(log,
          NANO_LINE("1%@729", "0", "4290", "450", "1380") NANO_LINE("1%@729", "90", "1", "1", "1")
              NANO_LINE("1%@729", "97", "1", "1", "1") NANO_LINE("1%@729", "60", "1", "1", "1")
                  NANO_LINE("1%@729", "20", "1", "1", "1"));
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(log->samples[i].load, loads[i], "%d", i);
        cr_assert_eq(log->samples[i].steady, i == 2, "%d", i);
    }
    free(log);
}

Test(fit_power, what_is_no_log_of_these_boards_is_refused_with_its_line)
{
    static const char not_one[] = "a.log:1: not a line of tegrastats";
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "a.log: no line of tegrastats"},
        {"nothing\n", "a.log: no line of tegrastats"},
        {"date\nCPU [1%@729] GR3D_FREQ 0% VDD_IN 4290mW/1mW\n",
         "a.log:2: not a line of tegrastats"},
        {"CPU [1@729] GR3D_FREQ 0% VDD_IN 1mW/1mW VDD_CPU_GPU_CV 1mW/1mW VDD_SOC 1mW/1mW\n",
         "a.log:1: not the load of a core"},
        {"CPU [1%@729 GR3D_FREQ 0% VDD_IN 1mW/1mW VDD_CPU_GPU_CV 1mW/1mW VDD_SOC 1mW/1mW\n",
         "a.log:1: the list of cores does not end"},
        {"CPU [1%@729] VDD_IN 1mW/1mW VDD_CPU_GPU_CV 1mW/1mW VDD_SOC 1mW/1mW\n", not_one},
        {"CPU [1%@729] GR3D_FREQ 0% VDD_IN xmW VDD_CPU_GPU_CV 1mW/1mW VDD_SOC 1mW/1mW\n", not_one},
    };
    fit_log *log = malloc(sizeof *log);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *copy = strdup(bad[i].text);
        spa_error err = {0};
        cr_assert_eq(fit_log_parse(log, "a.log", copy, &err), SPA_E_PARSE, "%zu", i);
        cr_assert_eq(strncmp(err.message, bad[i].message, strlen(bad[i].message)), 0, "%zu: %s", i,
                     err.message);
        free(copy);
    }
    free(log);
}

Test(fit_power, ranges_stand_behind_their_names)
{
    static const char text[] = "GPU_SOC MAXN 25.4-33.1; 50W 18.3-19.2; 15W 6";
    fit_range r;
    expect_ok(fit_fact_range(text, "MAXN", &r, err));
    cr_assert_float_eq(r.low, 25.4, 0);
    cr_assert_float_eq(r.high, 33.1, 0);
    cr_assert_float_eq(fit_middle(r), 29.25, 1e-12);
    expect_ok(fit_fact_range(text, "15W", &r, err));
    cr_assert_eq(r.low, 6);
    cr_assert_eq(r.high, 6);
    expect_error(fit_fact_range(text, "5W", &r, err), SPA_E_PARSE,
                 "'GPU_SOC MAXN 25.4-33.1; 50W 18.3-19.2; 15W 6' says nothing of '5W'");
    expect_error(fit_fact_range("a few; b 3-1", "a", &r, err), SPA_E_PARSE,
                 "'a few; b 3-1': no number or range LOW-HIGH behind 'a'");
    expect_error(fit_fact_range("a few; b 3-1", "b", &r, err), SPA_E_PARSE,
                 "'a few; b 3-1': no number or range LOW-HIGH behind 'b'");
}

/* y = 2 x^1.5 at 1, 4, 9: 2, 16, 54. Then 1, 2 and 4 with y = 1, 2, 16: in logarithms to base 2 the
 * points (0, 0), (1, 1), (2, 4), slope 2, through their mean (1, 5/3): -1/3, 5/3, 11/3. Predicted
 * are 2^(-1/3) = 0.794, 2^(5/3) = 3.175, 2^(11/3) = 12.70: errors 21 %, 59 %, 21 %. */
Test(fit_power, a_power_law_is_a_line_of_logarithms)
{
    static const double x[] = {1, 4, 9}, y[] = {2, 16, 54}, u[] = {1, 2, 4}, v[] = {1, 2, 16};
    fit_power_law law;
    expect_ok(fit_power_law_of(x, y, 3, &law, err));
    cr_assert_float_eq(law.factor, 2, 1e-12);
    cr_assert_float_eq(law.exponent, 1.5, 1e-12);
    cr_assert_float_eq(law.quality.max, 0, 1e-12);
    expect_ok(fit_power_law_of(u, v, 3, &law, err));
    cr_assert_float_eq(law.exponent, 2, 1e-12);
    cr_assert_float_eq(law.quality.median, 1 - exp2(-1.0 / 3), 1e-12);
    cr_assert_float_eq(law.quality.max, exp2(2.0 / 3) - 1, 1e-12);
    expect_error(fit_power_law_of(x, y, 1, &law, err), SPA_E_INVALID,
                 "a power law through 1 points");
    expect_error(fit_power_law_of((const double[]){2, 2}, y, 2, &law, err), SPA_E_INVALID,
                 "a power law through points of one clock");
    expect_error(fit_power_law_of((const double[]){0, 2}, y, 2, &law, err), SPA_E_RANGE,
                 "a power law needs positive values");
}

/* ---- a made-up pair of boards ---------------------------------------------------------------- */

static void mode(fit_power_mode *m, const char *name, double cores, double cpu, double gpu,
                 double units, double core, double busy)
{
    *m = (fit_power_mode){.name = name,
                          .cores = cores,
                          .cpu_ghz = cpu,
                          .gpu_ghz = gpu,
                          .units = units,
                          .rail_core = {core, core},
                          .rail_busy = {busy - 1, busy + 1}};
}

/* AGX: W per core and GHz = 0.4 GHz, W per SM = GHz: exact laws with exponents 1 and 1. At rest 2 +
 * 1 + 3 = 6 W; one W of cores brings 0.5 W of the rest, one of GPU and SoC 0.25. Nano in 25W: 4 W
 * at rest, of which 1 and 1 in its rails; six cores at 1 GHz 7.6 W, 3 of them in their rail (1 at
 * rest); a full GPU 14 W and 12 W. */
static void make_up(fit_power *p)
{
    static const char agx[] = AGX_LINE("0%@1000", "0", "2000", "1000", "2000", "1000")
        AGX_LINE("100%@2000", "0", "2000", "3000", "3000", "1000")
            AGX_LINE("100%@2000", "60", "6000", "3000", "3500", "1500")
                AGX_LINE("100%@2000", "60", "6000", "3000", "3500", "1500");
    static const char idle[] = NANO_LINE("0%@1000", "0", "4000", "1000", "1000")
        NANO_LINE("0%@1000", "0", "4000", "1000", "1000");
    /* 14 W = 4 + 10: rails +8 (10 of 2), rest +2 (4 of 2): 0.25. 12 W: rails 9 (+7), rest 3: 1/7.
     */
    static const char trt[] = NANO_LINE("0%@1000", "100", "14000", "8000", "2000")
        NANO_LINE("0%@1000", "100", "14000", "8000", "2000");
    static const char load[] = NANO_LINE("0%@1000", "100", "12000", "8000", "1000")
        NANO_LINE("0%@1000", "100", "12000", "8000", "1000");
    memset(p, 0, sizeof *p);
    p->agx = (fit_power_board){.device = "agx-orin", .idle_w = 6, .idle_range = {5, 7}};
    p->nano = (fit_power_board){.device = "orin-nano", .idle_w = 4};
    p->nano_idle_core_w = 1;
    p->nano_six_w = 7.6;
    p->nano_six_core_w = 4;
    mode(&p->agx.modes[0], "MAXN", 12, 2, 2, 16, 0.8, 32);
    mode(&p->agx.modes[1], "50W", 12, 1.5, 1, 16, 0.6, 16);
    mode(&p->agx.modes[2], "30W", 8, 1, 1, 8, 0.4, 8);
    mode(&p->agx.modes[3], "15W", 4, 0.5, 0.5, 6, 0.2, 3);
    mode(&p->nano.modes[0], "MAXN_SUPER", 6, 2, 2, 8, NAN, NAN);
    mode(&p->nano.modes[1], "25W", 6, 1, 1, 8, NAN, NAN);
    mode(&p->nano.modes[2], "15W", 6, 1, 0.5, 8, NAN, NAN);
    mode(&p->nano.modes[3], "7W", 4, 0.5, 0.25, 8, NAN, NAN);
    parse(&p->logs[FIT_LOG_AGX], agx);
    parse(&p->logs[FIT_LOG_NANO_IDLE], idle);
    parse(&p->logs[FIT_LOG_NANO_TRT], trt);
    parse(&p->logs[FIT_LOG_NANO_GPU], load);
}

/* Nano: (7.6 - 4) / 6 = 0.6 W per core and GHz; its rail rises by 3 of 3.6 W: 0.2 W of the rest per
 * W. A full GPU: 14 - 4 = 10 and 12 - 4 = 8 W, in the middle 9; at twice the clock 18 W by law 1.
 */
Test(fit_power, boards_are_fitted_as_by_hand)
{
    fit_power *p = malloc(sizeof *p);
    make_up(p);
    expect_ok(fit_power_solve(p, err));
    cr_assert_float_eq(p->core_law.exponent, 1, 1e-9);
    cr_assert_float_eq(p->core_law.factor, 0.4, 1e-9);
    cr_assert_float_eq(p->gpu_law.exponent, 1, 1e-9);
    cr_assert_float_eq(p->cpu_rest_full, 0.2, 1e-12);
    cr_assert_float_eq(p->cpu_rest_light, 0.5, 1e-12);
    cr_assert_float_eq(p->gpu_rest_light, 0.25, 1e-12); /* (5 - 3 - 0.5 * 2) / (6 - 2) */
    cr_assert_float_eq(p->gpu_rest_full.low, 1.0 / 7, 1e-12);
    cr_assert_float_eq(p->gpu_rest_full.high, 0.25, 1e-12);
    cr_assert_float_eq(p->nano_busy.low, 8, 1e-12);
    cr_assert_float_eq(p->nano_busy.high, 10, 1e-12);
    const fit_power_mode *maxn = &p->agx.modes[0], *super = &p->nano.modes[0];
    cr_assert_float_eq(maxn->core_w_per_ghz, 0.96, 1e-12); /* 0.8 * 1.2 */
    cr_assert_float_eq(maxn->core_range.high, 1.2, 1e-12); /* 0.8 * 1.5 */
    cr_assert_float_eq(maxn->busy_w, 40, 1e-12);           /* 32 * 1.25 */
    cr_assert_float_eq(maxn->busy_range.low, 31, 1e-12);
    cr_assert_float_eq(maxn->busy_range.high, 41.25, 1e-12); /* 33 * 1.25 */
    cr_assert_float_eq(super->core_w_per_ghz, 1.2, 1e-9);
    cr_assert_float_eq(super->busy_w, 18, 1e-9);
    cr_assert_float_eq(super->busy_range.high, 20, 1e-6);
    cr_assert_float_eq(p->nano.modes[1].busy_w, 9, 1e-12);
    free(p);
}

/* MAXN with 2 core * GHz and 60 % of the GPU: 6 + 1.92 + 24 = 31.92 W where 14 were measured: the
 * part load that the model does not know. */
Test(fit_power, residuals_are_the_models_beside_the_samples)
{
    fit_power *p = malloc(sizeof *p);
    spa_string text = {0};
    make_up(p);
    expect_ok(fit_power_solve(p, err));
    const fit_power_row *part = NULL;
    for (size_t i = 0; i < p->n_rows; i++)
        if (strstr(p->rows[i].what, "ResNet-152")) part = &p->rows[i];
    cr_assert_not_null(part);
    cr_assert_eq(part->n, 1);
    cr_assert_float_eq(part->measured_w, 14, 1e-12);
    cr_assert_float_eq(part->model_w, 31.92, 1e-9);
    cr_assert_float_eq(part->error, 31.92 / 14 - 1, 1e-9);
    expect_ok(fit_power_report(p, &text, err));
    cr_assert_not_null(strstr(text.text, "| 14.00 | 31.92 | +128.0 % |"), "%s", text.text);
    spa_string_fini(&text);
    free(p);
}

Test(fit_power, logs_without_the_load_they_are_read_for_are_refused)
{
    fit_power *p = malloc(sizeof *p);
    for (int i = 0; i < FIT_LOGS; i++) {
        make_up(p);
        parse(&p->logs[i], i == FIT_LOG_AGX ? AGX_LINE("0%@1000", "20", "1", "1", "1", "1")
                                            : NANO_LINE("0%@1000", "20", "1", "1", "1"));
        spa_error err = {0};
        cr_assert_eq(fit_power_solve(p, &err), SPA_E_INVALID, "%d", i);
        cr_assert_not_null(strstr(err.message, "no "), "%s", err.message);
    }
    free(p);
}

/* ---- the measurements ------------------------------------------------------------------------ */

static const char *data_folder(void)
{
    const char *folder = getenv("DATA");
    return folder && *folder ? folder : "../shared/data";
}

static void need_data(void)
{
    if (fit_power_present(data_folder())) return;
    fprintf(stderr, "skipped: the published measurements are not in %s (set DATA=FOLDER)\n",
            data_folder());
    cr_skip_test("no measurements in %s", data_folder());
}

Test(fit_power, a_folder_without_measurements_is_seen_and_named)
{
    fit_power *p = NULL;
    cr_assert_not(fit_power_present("tests/data"));
    expect_error(fit_power_new(&p, "tests/data", err), SPA_E_IO,
                 "tests/data/device-facts/device_parameters.csv: cannot be read");
    cr_assert_null(p);
}

Test(fit_power, the_committed_files_are_what_the_measurements_give)
{
    fit_power *p = NULL;
    need_data();
    expect_ok(fit_power_new(&p, data_folder(), err));
    for (int i = 0; i < 2; i++) {
        const fit_power_board *b = i ? &p->nano : &p->agx;
        spa_string text = {0};
        char *committed = NULL, path[128];
        size_t size = 0;
        snprintf(path, sizeof path, "devices/data/%s.power.fit.ini", b->device);
        expect_ok(fit_power_print(p, b, &text, err));
        expect_ok(spa_read_file(path, 1 << 20, false, &committed, &size, err));
        cr_assert_str_eq(text.text, committed, "%s: make fit-power", path);
        free(committed);
        spa_string_fini(&text);
    }
    fit_power_free(p);
}

/* A full GPU is met within 5 %: there the board was measured. The AGX's middle of GPU_SOC in MAXN
 * is (25.4 + 33.1) / 2 - 2.4 = 26.85 W. */
Test(fit_power, where_the_load_is_known_the_model_is_near)
{
    fit_power *p = NULL;
    need_data();
    expect_ok(fit_power_new(&p, data_folder(), err));
    for (size_t i = 0; i < p->n_rows; i++)
        if (strstr(p->rows[i].what, "full") || strstr(p->rows[i].what, "quiet, 25W"))
            cr_assert_lt(fabs(p->rows[i].error), 0.05, "%s", p->rows[i].what);
    cr_assert_float_eq(fit_middle(p->agx.modes[0].rail_busy), 26.85, 1e-9);
    cr_assert_lt(p->core_law.quality.max, 0.11);
    fit_power_free(p);
}

Test(fit_power, every_failing_allocation_is_reported)
{
    need_data();
    for (long n = 0;; n++) {
        fit_power *p = NULL;
        spa_error err = {0};
        oom_fail_from(n); /* libcsv asks again for less */
        spa_status status = fit_power_new(&p, data_folder(), &err);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", err.message);
            fit_power_free(p);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "%ld: %s", n, err.message);
        cr_assert_null(p);
    }
}
