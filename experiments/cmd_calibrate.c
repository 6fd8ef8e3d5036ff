/* sparoa calibrate: a device file from traces. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/calibration.h"
#include "experiments/hardware_case.h"
#include "experiments/json.h"
#include "experiments/lanes_device.h"
#include "experiments/table.h"

#define PERCENT 100

/* The lanes that a trace was measured on: its command says them. */
static spa_status lanes_of_trace(const spa_trace *trace, spa_lane_set *lanes, spa_error *err)
{
    static const char option[] = "--lanes ";
    const char *at = strstr(trace->fingerprint.command, option);
    char text[512];
    if (!at)
        return spa_fail(err, SPA_E_USAGE,
                        "%s: its command does not say which lanes were measured; give --lanes",
                        trace->path);
    at += sizeof option - 1;
    snprintf(text, sizeof text, "%.*s", (int)strcspn(at, " "), at);
    return spa_lanes_parse(lanes, text, err);
}

static spa_status print_rates(const spa_calibration *c, spa_string *out, spa_error *err)
{
    spa_table t;
    spa_table_init(&t, "processor|class|operators|rate|unit|x_half|fixed us|median %|p95 %",
                   "llrrlrrrr");
    for (size_t i = 0; i < c->n; i++) {
        const spa_fitted_rate *r = &c->rates[i];
        spa_table_put(&t, "%s", r->processor);
        spa_table_put(&t, "%s", r->class_name);
        spa_table_put(&t, "%zu", r->quality.n);
        spa_table_number(&t, r->work_per_s * 1e-9, 3);
        spa_table_put(&t, "%s", r->has_macs ? "GMAC/s" : r->has_work ? "Gop/s" : "GB/s");
        spa_table_number(&t, r->x_half, 0);
        spa_table_number(&t, r->fixed_us, 2);
        spa_table_number(&t, r->quality.median * PERCENT, 1);
        spa_table_number(&t, r->quality.p95 * PERCENT, 1);
    }
    spa_status status = spa_table_print(&t, 0, out, err);
    spa_table_fini(&t);
    spa_string_append(out,
                      "whole models, sums of the equation against sums of the trace: %zu, median "
                      "%.1f %%, worst %.1f %%\n",
                      c->n_totals, c->totals.median * PERCENT, c->totals.max * PERCENT);
    return status;
}

static void print_correction(const char *model, const spa_correction *c, spa_string *out)
{
    spa_string_append(out, "%s, beyond the profile, fitted on %zu schedules: kernels", model,
                      c->n_fitted);
    for (size_t p = 0; p < c->n_lanes; p++)
        spa_string_append(out, "%s x %.3f", p ? "," : "", c->kernel[p]);
    spa_string_append(out,
                      ", between them x %.3f; on the other %zu: median error %.2f %% (%.2f %% "
                      "without), p95 %.2f %% (%.2f %%)\n",
                      c->between, c->n_judged, c->after.median * PERCENT,
                      c->before.median * PERCENT, c->after.p95 * PERCENT, c->before.p95 * PERCENT);
}

static void put_quality(spa_json *j, json_t *o, const char *key, const fit_quality *q)
{
    json_t *m = spa_json_member(j, o, key);
    spa_json_set(j, m, "n", json_integer((json_int_t)q->n));
    spa_json_set(j, m, "median", spa_json_number(q->median));
    spa_json_set(j, m, "p95", spa_json_number(q->p95));
}

static spa_status print_json(const spa_calibration *c, const spa_names *models,
                             const spa_correction *corrections, spa_string *out, spa_error *err)
{
    spa_json j;
    spa_json_init(&j, "calibrate");
    json_t *rates = spa_json_array(&j, j.root, "rates");
    for (size_t i = 0; i < c->n; i++) {
        const spa_fitted_rate *r = &c->rates[i];
        json_t *row = spa_json_row(&j, rates);
        spa_json_set(&j, row, "processor", spa_json_text(&j, r->processor));
        spa_json_set(&j, row, "class", spa_json_text(&j, r->class_name));
        spa_json_set(&j, row, "work_per_s", spa_json_number(r->work_per_s));
        spa_json_set(&j, row, "x_half", spa_json_number(r->x_half));
        spa_json_set(&j, row, "fixed_us", spa_json_number(r->fixed_us));
        put_quality(&j, row, "residuals", &r->quality);
    }
    put_quality(&j, j.root, "totals", &c->totals);
    json_t *rows = spa_json_array(&j, j.root, "schedules");
    for (size_t i = 0; i < models->count && corrections; i++) {
        const spa_correction *k = &corrections[i];
        json_t *row = spa_json_row(&j, rows);
        spa_json_set(&j, row, "model", spa_json_text(&j, models->items[i]));
        json_t *kernels = spa_json_array(&j, row, "kernel_factor");
        for (size_t p = 0; p < k->n_lanes; p++)
            spa_json_add(&j, kernels, spa_json_number(k->kernel[p]));
        spa_json_set(&j, row, "between_factor", spa_json_number(k->between));
        put_quality(&j, row, "before", &k->before);
        put_quality(&j, row, "after", &k->after);
    }
    spa_status status = spa_json_print(&j, out, err);
    spa_json_fini(&j);
    return status;
}

/* Measures schedules of every model and fits what the profile lacks. */
static spa_status correct(spa_hardware_case *c, const spa_options *o, spa_cli *cli,
                          spa_correction *out, spa_error *err)
{
    spa_validation_options v = {.schedules = (int32_t)o->schedules,
                                .rounds = o->rounds ? (int32_t)o->rounds : 8,
                                .runs = o->reps ? (int32_t)o->reps : 4,
                                .concurrency = 1,
                                .seed = (uint64_t)o->seed,
                                .budget = 1,
                                .progress = spa_hardware_case_show,
                                .context = c};
    for (size_t i = 0; i < c->models.count; i++) {
        spa_validation validation;
        spa_progress_begin(&c->progress, cli->err, o->quiet, "measuring", 1000);
        spa_status status =
            spa_validation_run(&validation, &c->trace, c->models.items[i], &c->lanes, &v, err);
        spa_progress_end(&c->progress);
        if (!status) status = spa_correction_fit(&validation, &out[i], err);
        spa_validation_fini(&validation);
        SPA_TRY(status);
    }
    return SPA_OK;
}

static spa_status write_device(const spa_calibration *c, const spa_lane_set *lanes,
                               const spa_trace *trace, const char *path, spa_error *err)
{
    spa_string text = {0};
    char name[64];
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(base, "."), base);
    double mhz = trace->fingerprint.clocks ? strtod(trace->fingerprint.clocks, NULL) : 0;
    spa_status status = spa_lanes_device_put(&text, name, lanes, trace, trace->path, err);
    if (!status) status = spa_calibration_put(c, lanes, (mhz >= 1 ? mhz : 1000) * 1e6, &text, err);
    if (!status) status = spa_write_file(path, text.text, text.length, err);
    spa_string_fini(&text);
    return status;
}

static spa_status calibrate(spa_cli *cli, spa_options *o, spa_trace *traces, size_t n,
                            spa_error *err)
{
    spa_hardware_case c = {0};
    spa_calibration *fit;
    spa_correction *corrections = NULL;
    SPA_TRY(o->lanes ? spa_cli_name_status(spa_lanes_parse(&c.lanes, o->lanes, err), "", err)
                     : lanes_of_trace(&traces[0], &c.lanes, err));
    SPA_TRY(spa_alloc(&fit, 1, sizeof *fit, err));
    spa_status status = spa_calibration_fit(traces, n, &c.lanes, fit, err);
    if (!status && o->schedules > 0) {
        c.trace = traces[0];
        for (size_t m = 0; m < traces[0].n_models && !status; m++)
            status = spa_names_add(o, &c.models, traces[0].models[m].name, err);
        if (!status) status = spa_alloc(&corrections, c.models.count, sizeof *corrections, err);
        if (!status) status = correct(&c, o, cli, corrections, err);
    }
    if (!status) status = write_device(fit, &c.lanes, &traces[0], o->output, err);
    if (!status && o->json) {
        status = print_json(fit, &c.models, corrections, &cli->out, err);
    } else if (!status) {
        status = print_rates(fit, &cli->out, err);
        for (size_t i = 0; i < c.models.count && corrections; i++)
            print_correction(c.models.items[i], &corrections[i], &cli->out);
        spa_string_append(&cli->out, "written to %s\n", o->output);
    }
    free(corrections);
    free(fit);
    return status;
}

spa_status spa_cmd_calibrate(spa_cli *cli, spa_options *options, spa_error *err)
{
    spa_trace *traces;
    size_t n = options->operands.count, read = 0;
    SPA_TRY(spa_cli_operands(options, 1, SIZE_MAX, "a trace folder (or several)", err));
    if (!options->output)
        return spa_fail(err, SPA_E_USAGE, "'calibrate' needs -o FILE.device, the file to write");
    SPA_TRY(spa_alloc(&traces, n, sizeof *traces, err));
    spa_status status = SPA_OK;
    for (; read < n && !status; read += status == SPA_OK)
        status = spa_trace_read(&traces[read], options->operands.items[read], NULL, err);
    if (!status) status = calibrate(cli, options, traces, n, err);
    for (size_t i = 0; i < read; i++) spa_trace_fini(&traces[i]);
    free(traces);
    return status;
}
