/* Logs of power and summaries of kernels: tables, and CSV with -o. */
#include <math.h>
#include <string.h>

#include "base/csv.h"
#include "experiments/import.h"
#include "experiments/json.h"
#include "experiments/table.h"
#include "traces/kernel_summary.h"
#include "traces/tegrastats.h"

static void put_real(spa_string *out, double x, const char *format)
{
    spa_string_append(out, ",");
    if (isfinite(x)) spa_string_append(out, format, x);
}

static spa_status write_text(const char *path, spa_string *text, spa_error *err)
{
    spa_status status = spa_string_ok(text, err);
    if (!status) status = spa_write_file(path, text->text, text->length, err);
    spa_string_fini(text);
    return status;
}

/* ---- tegrastats ------------------------------------------------------------------------------ */

/* NaN = its lines have no dates. */
static double seconds_of(const spa_tegrastats *log)
{
    return log->samples[log->n - 1].time_s;
}

static spa_status write_samples(const spa_tegrastats *log, const char *path, spa_error *err)
{
    spa_string text = {0};
    spa_string_append(&text, "time_s,cpu_load,cpu_mhz,gpu_load,gpu_mhz,hottest_c");
    for (size_t r = 0; r < log->n_rails; r++) spa_string_append(&text, ",%s_w", log->rails[r]);
    spa_string_append(&text, "\n");
    for (size_t i = 0; i < log->n; i++) {
        const spa_tegra_sample *s = &log->samples[i];
        if (isfinite(s->time_s)) spa_string_append(&text, "%.0f", s->time_s);
        put_real(&text, s->cpu_load, "%.4f");
        put_real(&text, s->cpu_mhz, "%.1f");
        put_real(&text, s->gpu_load, "%.2f");
        put_real(&text, s->gpu_mhz, "%.0f");
        put_real(&text, s->hottest_c, "%.3f");
        for (size_t r = 0; r < log->n_rails; r++) put_real(&text, s->rail_w[r], "%.3f");
        spa_string_append(&text, "\n");
    }
    return write_text(path, &text, err);
}

static spa_status put_rails(const spa_tegrastats *log, const spa_rail_summary *rails,
                            const spa_options *o, spa_string *out, spa_error *err)
{
    int board = spa_tegrastats_board_rail(log);
    spa_table t;
    spa_string_append(out, "%s: %zu lines, ", o->operands.items[0], log->n);
    if (isnan(seconds_of(log)))
        spa_string_append(out, "without dates");
    else
        spa_string_append(out, "%g s", seconds_of(log));
    if (log->skipped) spa_string_append(out, ", %zu other lines passed over", log->skipped);
    spa_string_append(out, "\n%s\n",
                      board < 0 ? "no rail is the whole board's: these do not add up to it"
                                : "the board's rail includes the others: do not add them");
    spa_table_init(&t, "rail|samples|mean W|sd W|min W|max W|energy J", "lrrrrrr");
    for (size_t r = 0; r < log->n_rails; r++) {
        spa_table_put(&t, "%s%s", log->rails[r], (int)r == board ? " (board)" : "");
        spa_table_put(&t, "%zu", rails[r].n);
        spa_table_number(&t, rails[r].mean_w, 3);
        spa_table_number(&t, rails[r].sd_w, 3);
        spa_table_number(&t, rails[r].min_w, 3);
        spa_table_number(&t, rails[r].max_w, 3);
        spa_table_number(&t, rails[r].energy_j, 1);
    }
    spa_status status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    return status;
}

static spa_status put_rails_json(const spa_tegrastats *log, const spa_rail_summary *rails,
                                 spa_string *out, spa_error *err)
{
    int board = spa_tegrastats_board_rail(log);
    spa_json j;
    spa_json_init(&j, "import");
    spa_json_set(&j, j.root, "format", spa_json_text(&j, "tegrastats"));
    spa_json_set(&j, j.root, "samples", json_integer((json_int_t)log->n));
    spa_json_set(&j, j.root, "seconds", spa_json_number(seconds_of(log)));
    json_t *rows = spa_json_array(&j, j.root, "rails");
    for (size_t r = 0; r < log->n_rails; r++) {
        json_t *row = spa_json_row(&j, rows);
        spa_json_set(&j, row, "name", spa_json_text(&j, log->rails[r]));
        spa_json_set(&j, row, "board", json_boolean((int)r == board));
        spa_json_set(&j, row, "samples", json_integer((json_int_t)rails[r].n));
        spa_json_set(&j, row, "mean_w", spa_json_number(rails[r].mean_w));
        spa_json_set(&j, row, "sd_w", spa_json_number(rails[r].sd_w));
        spa_json_set(&j, row, "min_w", spa_json_number(rails[r].min_w));
        spa_json_set(&j, row, "max_w", spa_json_number(rails[r].max_w));
        spa_json_set(&j, row, "energy_j", spa_json_number(rails[r].energy_j));
    }
    spa_status status = spa_json_print(&j, out, err);
    spa_json_fini(&j);
    return status;
}

static spa_status tegrastats(spa_cli *cli, const spa_tegrastats *log, const spa_options *o,
                             spa_error *err)
{
    spa_rail_summary rails[SPA_TEGRA_RAILS];
    double to = o->until_s > 0 ? o->until_s : INFINITY;
    if (isnan(seconds_of(log)) && (o->from_s > 0 || o->until_s > 0))
        return spa_fail_at(err, SPA_E_INVALID, o->operands.items[0], 0,
                           "its lines have no dates, so that --from and --until say nothing; cut "
                           "the file instead");
    for (size_t r = 0; r < log->n_rails; r++)
        SPA_TRY(spa_tegrastats_summary(log, r, o->from_s, to, &rails[r], err));
    if (o->output) SPA_TRY(write_samples(log, o->output, err));
    return o->json ? put_rails_json(log, rails, &cli->out, err)
                   : put_rails(log, rails, o, &cli->out, err);
}

spa_status spa_import_tegrastats(spa_cli *cli, spa_options *options, spa_error *err)
{
    spa_tegrastats log;
    SPA_TRY(spa_tegrastats_read(&log, options->operands.items[0], err));
    spa_status status = tegrastats(cli, &log, options, err);
    spa_tegrastats_fini(&log);
    return status;
}

/* ---- nsys ------------------------------------------------------------------------------------ */

static spa_status write_rows(const spa_kernel_summary *s, const char *path, spa_error *err)
{
    spa_string text = {0};
    spa_string_append(&text, "class,count,total_us,mean_us,median_us,share,name\n");
    for (size_t i = 0; i < s->n; i++) {
        const spa_summary_row *r = &s->rows[i];
        spa_string_append(&text, "%s,%lld", s->is_api ? "api" : spa_kernel_class_name(r->class),
                          (long long)r->count);
        put_real(&text, r->total_ns * 1e-3, "%.3f");
        put_real(&text, r->mean_ns * 1e-3, "%.4f");
        put_real(&text, r->median_ns * 1e-3, "%.4f");
        put_real(&text, s->total_ns > 0 ? r->total_ns / s->total_ns : NAN, "%.6f");
        spa_string_append(&text, ",");
        spa_csv_put(&text, r->name);
        spa_string_append(&text, "\n");
    }
    return write_text(path, &text, err);
}

typedef struct class_sum {
    int64_t count;
    double total_ns;
} class_sum;

static void sum_classes(const spa_kernel_summary *s, class_sum sums[SPA_KERNEL_CLASSES])
{
    memset(sums, 0, SPA_KERNEL_CLASSES * sizeof *sums);
    for (size_t i = 0; i < s->n; i++) {
        sums[s->rows[i].class].count += s->rows[i].count;
        sums[s->rows[i].class].total_ns += s->rows[i].total_ns;
    }
}

static spa_status put_kernels(const spa_kernel_summary *s, const class_sum *sums,
                              const spa_options *o, spa_string *out, spa_error *err)
{
    spa_table t;
    spa_string_append(out,
                      "%s: %zu kernels, %.3f ms; a summary has no order, so that it is not mapped "
                      "to operators\n",
                      o->operands.items[0], s->n, s->total_ns * 1e-6);
    spa_table_init(&t, "what they compute|runs|ms|% of the time", "lrrr");
    for (int c = 0; c < SPA_KERNEL_CLASSES; c++) {
        if (sums[c].count == 0) continue;
        spa_table_put(&t, "%s", spa_kernel_class_name((spa_kernel_class)c));
        spa_table_put(&t, "%lld", (long long)sums[c].count);
        spa_table_number(&t, sums[c].total_ns * 1e-6, 3);
        spa_table_number(&t, s->total_ns > 0 ? 100 * sums[c].total_ns / s->total_ns : NAN, 1);
    }
    spa_status status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    return status;
}

static spa_status put_calls(const spa_kernel_summary *s, const spa_options *o, spa_string *out,
                            spa_error *err)
{
    spa_table t;
    spa_string_append(out,
                      "%s: %zu calls of the CUDA API; a launch occupies the host for its time\n",
                      o->operands.items[0], s->n);
    spa_table_init(&t, "call|calls|median us|mean us|% of the time", "lrrrr");
    for (size_t i = 0; i < s->n; i++) {
        const spa_summary_row *r = &s->rows[i];
        spa_table_put(&t, "%.60s", r->name);
        spa_table_put(&t, "%lld", (long long)r->count);
        spa_table_number(&t, r->median_ns * 1e-3, 2);
        spa_table_number(&t, r->mean_ns * 1e-3, 2);
        spa_table_number(&t, s->total_ns > 0 ? 100 * r->total_ns / s->total_ns : NAN, 1);
    }
    spa_status status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    return status;
}

static spa_status put_nsys_json(const spa_kernel_summary *s, const class_sum *sums, spa_string *out,
                                spa_error *err)
{
    spa_json j;
    spa_json_init(&j, "import");
    spa_json_set(&j, j.root, "format", spa_json_text(&j, "nsys"));
    spa_json_set(&j, j.root, "total_ms", spa_json_number(s->total_ns * 1e-6));
    json_t *rows = spa_json_array(&j, j.root, s->is_api ? "calls" : "classes");
    for (size_t c = 0; !s->is_api && c < SPA_KERNEL_CLASSES; c++) {
        if (sums[c].count == 0) continue;
        json_t *row = spa_json_row(&j, rows);
        spa_json_set(&j, row, "class",
                     spa_json_text(&j, spa_kernel_class_name((spa_kernel_class)c)));
        spa_json_set(&j, row, "runs", json_integer(sums[c].count));
        spa_json_set(&j, row, "ms", spa_json_number(sums[c].total_ns * 1e-6));
    }
    for (size_t i = 0; s->is_api && i < s->n; i++) {
        json_t *row = spa_json_row(&j, rows);
        spa_json_set(&j, row, "name", spa_json_text(&j, s->rows[i].name));
        spa_json_set(&j, row, "calls", json_integer(s->rows[i].count));
        spa_json_set(&j, row, "median_us", spa_json_number(s->rows[i].median_ns * 1e-3));
        spa_json_set(&j, row, "mean_us", spa_json_number(s->rows[i].mean_ns * 1e-3));
    }
    spa_status status = spa_json_print(&j, out, err);
    spa_json_fini(&j);
    return status;
}

spa_status spa_import_nsys(spa_cli *cli, spa_options *options, spa_error *err)
{
    spa_kernel_summary s;
    class_sum sums[SPA_KERNEL_CLASSES];
    SPA_TRY(spa_kernel_summary_read(&s, options->operands.items[0], err));
    sum_classes(&s, sums);
    spa_status status = options->output ? write_rows(&s, options->output, err) : SPA_OK;
    if (!status)
        status = options->json ? put_nsys_json(&s, sums, &cli->out, err)
                 : s.is_api    ? put_calls(&s, options, &cli->out, err)
                               : put_kernels(&s, sums, options, &cli->out, err);
    spa_kernel_summary_fini(&s);
    return status;
}
