/* Every allocation behind figures and the report fails once: a clean error each time, no leak. */
#include <stdio.h>
#include <string.h>
#include "experiments/figures.h"
#include "experiments/report.h"
#include "tests/experiments/cli.h"
#include "tests/oom.h"

static const char *db_path(void)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/r.db", cli_folder());
    return path;
}

static void store(const char *kind)
{
    char text[600], path[200];
    int n = snprintf(text, sizeof text,
                     "[experiment]\nname = latency\nkind = %s\n[factors]\nmodels = " TINY
                     "\ndevices = tests/data/tiny.device\npolicies = gpu-only, dp, "
                     "exhaustive:limit=2\n[precision]\nmin = 2\nmax = 2\nhalf_width = "
                     "0\nreference = gpu-only\n",
                     kind);
    snprintf(path, sizeof path, "%s/latency.exp", cli_folder());
    cli_write(path, text, (size_t)n);
    cli_result r = cli("run %s --db %s --quiet", path, db_path());
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
}

Test(figures_oom, reading_a_database)
{
    store("inspect");
    for (long n = 0;; n++) {
        spa_evidence e;
        spa_error err = {0};
        oom_fail_at(n);
        spa_status status = spa_evidence_open(&e, db_path(), &err);
        bool failed = oom_failed();
        oom_off();
        if (!status) {
            cr_assert_eq(e.n_records, 3);
            spa_evidence_close(&e);
        }
        if (!failed) break;
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld", n);
        cr_assert(err.message[0]);
    }
}

/* Builds, draws and writes the data of every figure. */
static spa_status draw(const spa_study_figure *figure, const spa_evidence *e, spa_error *err)
{
    spa_plot plot;
    spa_figure drawn = {0};
    spa_string csv = {0};
    spa_status status = spa_study_figure_plot(figure, e, &plot, err);
    if (!status) status = spa_plot_draw(&plot, &drawn, err);
    if (!status) status = spa_plot_csv(&plot, &csv, err);
    spa_string_fini(&csv);
    spa_figure_fini(&drawn);
    spa_plot_fini(&plot);
    return status;
}

Test(figures_oom, drawing_every_figure)
{
    store("inspect");
    spa_evidence e;
    cr_assert_eq(spa_evidence_open(&e, db_path(), NULL), SPA_OK);
    size_t count;
    const spa_study_figure *all = spa_study_figures(&count);
    for (size_t i = 0; i < count; i++) {
        spa_study_figure figure = all[i];
        figure.experiment = "latency"; /* whose rows every builder then meets */
        for (long n = 0;; n++) {
            spa_error err = {0};
            oom_fail_at(n);
            spa_status status = draw(&figure, &e, &err);
            bool failed = oom_failed();
            oom_off();
            if (!failed) {
                cr_assert_eq(status, SPA_OK, "%s: %s", figure.name, err.message);
                break;
            }
            cr_assert_eq(status, SPA_E_NOMEM, "%s, allocation %ld", figure.name, n);
        }
    }
    spa_evidence_close(&e);
}

Test(figures_oom, judging_and_printing)
{
    store("factorial");
    for (long n = 0;; n++) {
        spa_report r;
        spa_string out = {0};
        spa_error err = {0};
        oom_fail_at(n);
        spa_status status = spa_report_open(&r, db_path(), &err);
        if (!status) {
            status = spa_report_print(&r, &out, &err);
            if (!status) status = spa_string_ok(&out, &err);
            spa_report_close(&r);
        }
        bool failed = oom_failed();
        oom_off();
        spa_string_fini(&out);
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", err.message);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld", n);
    }
}
