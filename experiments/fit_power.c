/* Fits the boards' power to measured rails. */
#include "experiments/fit_power.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/stats.h"

#define FACTS "device-facts/device_parameters.csv"
#define MODES "device-facts/power_modes.csv"
#define AGX   "AGX Orin 64GB"
#define NANO  "Orin Nano 8GB"
#define SMS   16 /* of an AGX Orin with all TPCs; the Nano has half of them */

static const char *const log_paths[FIT_LOGS] = {
    "formats/tegrastats/agx_orin_resnet152_maxn.head.txt",
    "formats/tegrastats/orin_nano_jp6_idle_25W.log",
    "formats/tegrastats/orin_nano_jp6_trtexec_resnet18_fp16_25W.log",
    "formats/tegrastats/orin_nano_jp6_gpu_load.log"};

/* ---- facts ---------------------------------------------------------------------------------- */

static spa_status fact(const spa_csv *csv, const char *device, const char *param, const char *name,
                       fit_range *range, spa_error *err)
{
    for (size_t row = 0; row < csv->n_rows; row++)
        if (!strcmp(fit_text(csv, row, "device"), device) &&
            !strcmp(fit_text(csv, row, "param"), param))
            return fit_fact_range(fit_text(csv, row, "value"), name, range, err);
    return spa_fail_at(err, SPA_E_PARSE, csv->path, 0, "no '%s' of '%s'", param, device);
}

static double mask_units(double mask, double all)
{
    for (unsigned bits = (unsigned)mask; bits; bits &= bits - 1) all -= 2; /* a TPC is two SMs */
    return all;
}

static spa_status read_mode(const spa_csv *csv, const char *device, double sms,
                            fit_power_mode *mode, spa_error *err)
{
    fit_range cpu, gpu;
    for (size_t row = 0; row < csv->n_rows; row++) {
        spa_status status = SPA_OK;
        if (strcmp(fit_text(csv, row, "device"), device) != 0 ||
            strcmp(fit_text(csv, row, "mode"), mode->name) != 0)
            continue;
        mode->cores = fit_cell(csv, row, "cpu_cores_online", &status, err);
        mode->units = mask_units(fit_cell(csv, row, "tpc_pg_mask", &status, err), sms);
        SPA_TRY(status);
        /* A range of clocks: the upper end, as the devices have it. */
        char text[64];
        snprintf(text, sizeof text, "cpu %s", fit_text(csv, row, "cpu_max_mhz"));
        SPA_TRY(fit_fact_range(text, "cpu", &cpu, err));
        snprintf(text, sizeof text, "gpu %s", fit_text(csv, row, "gpu_max_mhz"));
        SPA_TRY(fit_fact_range(text, "gpu", &gpu, err));
        mode->cpu_ghz = cpu.high / 1000;
        mode->gpu_ghz = gpu.high / 1000;
        return SPA_OK;
    }
    return spa_fail_at(err, SPA_E_PARSE, csv->path, 0, "no mode '%s' of '%s'", mode->name, device);
}

static spa_status read_agx(fit_power_board *b, const spa_csv *facts, const spa_csv *modes,
                           spa_error *err)
{
    static const char *const names[FIT_POWER_MODES] = {"MAXN", "50W", "30W", "15W"};
    static const char *const rails[] = {"GPU_SOC", "CPU_CV", "SYS5V", "DDR"};
    fit_range idle[4];
    b->device = "agx-orin";
    for (int i = 0; i < 4; i++) {
        SPA_TRY(fact(facts, AGX, "power_idle", rails[i], &idle[i], err));
        b->idle_range.low += idle[i].low;
        b->idle_range.high += idle[i].high;
    }
    b->idle_w = fit_middle(b->idle_range);
    b->gpu_idle_w = fit_middle(idle[0]);
    b->cpu_idle_w = fit_middle(idle[1]);
    for (int i = 0; i < FIT_POWER_MODES; i++) {
        fit_power_mode *m = &b->modes[i];
        m->name = names[i];
        SPA_TRY(read_mode(modes, AGX, SMS, m, err));
        SPA_TRY(fact(facts, AGX, "power_cpu_slope", m->name, &m->rail_core, err));
        SPA_TRY(fact(facts, AGX, "power_gpu99", m->name, &m->rail_busy, err));
        m->rail_busy.low -= idle[0].high; /* the least and the most above rest */
        m->rail_busy.high -= idle[0].low;
    }
    return SPA_OK;
}

static spa_status read_nano(fit_power *p, const spa_csv *facts, const spa_csv *modes,
                            spa_error *err)
{
    fit_power_board *b = &p->nano;
    static const char *const names[FIT_POWER_MODES] = {"MAXN_SUPER", "25W", "15W", "7W"};
    fit_range idle, idle_core, six, six_core;
    b->device = "orin-nano";
    SPA_TRY(fact(facts, NANO, "power_idle", "VDD_IN", &idle, err));
    SPA_TRY(fact(facts, NANO, "power_idle", "CPU_GPU_CV", &idle_core, err));
    SPA_TRY(fact(facts, NANO, "power_cpu6", "VDD_IN", &six, err));
    SPA_TRY(fact(facts, NANO, "power_cpu6", "CPU_GPU_CV", &six_core, err));
    p->nano_idle_core_w = idle_core.low;
    p->nano_six_w = six.low;
    p->nano_six_core_w = six_core.low;
    b->idle_w = idle.low;
    b->idle_range = idle;
    for (int i = 0; i < FIT_POWER_MODES; i++) {
        fit_power_mode *m = &b->modes[i];
        m->name = names[i];
        m->rail_core = m->rail_busy = (fit_range){NAN, NAN};
        const char *device = i < 3 ? NANO " (Super)" : NANO;
        SPA_TRY(read_mode(modes, device, SMS / 2, m, err));
    }
    return SPA_OK;
}

bool fit_power_present(const char *folder)
{
    fit_data data = {.folder = folder};
    for (int i = 0; i < FIT_LOGS; i++) {
        char *text = NULL;
        size_t size = 0;
        spa_status status = fit_data_read(&data, log_paths[i], &text, &size, NULL);
        free(text);
        if (status) return false;
    }
    return true;
}

static spa_status read_logs(fit_power *p, spa_error *err)
{
    for (int i = 0; i < FIT_LOGS; i++) {
        char *text = NULL;
        size_t size = 0;
        SPA_TRY(fit_data_read(&p->data, log_paths[i], &text, &size, err));
        spa_status status = fit_log_parse(&p->logs[i], log_paths[i], text, err);
        free(text);
        SPA_TRY(status);
    }
    return SPA_OK;
}

/* ---- fitting -------------------------------------------------------------------------------- */

spa_status fit_power_law_of(const double *x, const double *y, size_t n, fit_power_law *law,
                            spa_error *err)
{
    double sx = 0, sy = 0, sxx = 0, sxy = 0, predicted[FIT_POWER_MODES];
    *law = (fit_power_law){0};
    if (n < 2 || n > FIT_POWER_MODES)
        return spa_fail(err, SPA_E_INVALID, "a power law through %zu points", n);
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] > 0 && y[i] > 0))
            return spa_fail(err, SPA_E_RANGE, "a power law needs positive values");
        sx += log(x[i]);
        sy += log(y[i]);
        sxx += log(x[i]) * log(x[i]);
        sxy += log(x[i]) * log(y[i]);
    }
    double spread = (double)n * sxx - sx * sx;
    if (!(spread > 1e-12))
        return spa_fail(err, SPA_E_INVALID, "a power law through points of one clock");
    law->exponent = ((double)n * sxy - sx * sy) / spread;
    law->factor = exp((sy - law->exponent * sx) / (double)n);
    for (size_t i = 0; i < n; i++) predicted[i] = law->factor * pow(x[i], law->exponent);
    return fit_quality_of(predicted, y, n, &law->quality, err);
}

static spa_status fit_laws(fit_power *p, spa_error *err)
{
    double cpu_ghz[FIT_POWER_MODES], gpu_ghz[FIT_POWER_MODES], core[FIT_POWER_MODES],
        unit[FIT_POWER_MODES];
    for (int i = 0; i < FIT_POWER_MODES; i++) {
        const fit_power_mode *m = &p->agx.modes[i];
        cpu_ghz[i] = m->cpu_ghz;
        gpu_ghz[i] = m->gpu_ghz;
        core[i] = fit_middle(m->rail_core);
        unit[i] = fit_middle(m->rail_busy) / m->units;
    }
    SPA_TRY(fit_power_law_of(cpu_ghz, core, FIT_POWER_MODES, &p->core_law, err));
    return fit_power_law_of(gpu_ghz, unit, FIT_POWER_MODES, &p->gpu_law, err);
}

/* Median over samples of f; SPA_E_INVALID if there are none. */
typedef struct picked {
    size_t n;
    double value[FIT_MAX_SAMPLES];
} picked;

static spa_status median_of(picked *v, const char *what, double *out, spa_error *err)
{
    if (v->n == 0) return spa_fail(err, SPA_E_INVALID, "no samples with %s", what);
    *out = spa_median(v->value, v->n);
    return SPA_OK;
}

static bool is_of(const fit_sample *s, fit_load load)
{
    return s->load == load && s->steady;
}

/* What the rest of an AGX Orin draws more per W of its cores, and of GPU and SoC: from the least of
 * the quiet samples. Rails of one line belong together, so it need not be steady. */
static spa_status fit_light_rest(fit_power *p, spa_error *err)
{
    const fit_log *log = &p->logs[FIT_LOG_AGX];
    const fit_sample *quiet = NULL;
    double up = 0, down = 0, rest_up = 0;
    picked per_w = {0};
    for (size_t i = 0; i < log->n; i++) {
        const fit_sample *s = &log->samples[i];
        if (s->load == FIT_LOAD_QUIET && (!quiet || s->board_w < quiet->board_w)) quiet = s;
    }
    if (!quiet) return spa_fail(err, SPA_E_INVALID, "%s: no quiet samples", log->path);
    for (size_t i = 0; i < log->n; i++) { /* least squares through the quiet sample */
        const fit_sample *s = &log->samples[i];
        double core = s->core_w - quiet->core_w;
        if (s->load != FIT_LOAD_CPU) continue;
        up += core * (s->board_w - s->core_w - (quiet->board_w - quiet->core_w));
        rest_up += core * (fit_rest_w(s) - fit_rest_w(quiet));
        down += core * core;
    }
    if (!(down > 0)) return spa_fail(err, SPA_E_INVALID, "%s: no cores are busy", log->path);
    p->cpu_rest_light = up / down;
    for (size_t i = 0; i < log->n; i++) {
        const fit_sample *s = &log->samples[i];
        double soc = s->soc_w - quiet->soc_w;
        if (!is_of(s, FIT_LOAD_PART) || soc <= 0) continue;
        double of_cores = rest_up / down * (s->core_w - quiet->core_w);
        per_w.value[per_w.n++] = (fit_rest_w(s) - fit_rest_w(quiet) - of_cores) / soc;
    }
    return median_of(&per_w, "a GPU that is busy in part (AGX Orin)", &p->gpu_rest_light, err);
}

/* W of the Nano's full GPU, and what the rest draws more per W of CPU, GPU and SoC. */
static spa_status fit_full_gpu(const fit_power *p, const fit_log *log, double core_w_per_ghz,
                               double *busy_w, double *rest, spa_error *err)
{
    const fit_log *idle = &p->logs[FIT_LOG_NANO_IDLE];
    picked busy = {0}, per_w = {0}, rails = {0}, rest_w = {0};
    double idle_rails = 0, idle_rest = 0;
    for (size_t i = 0; i < idle->n; i++) {
        const fit_sample *s = &idle->samples[i];
        if (!is_of(s, FIT_LOAD_QUIET)) continue;
        rails.value[rails.n++] = s->core_w + s->soc_w;
        rest_w.value[rest_w.n++] = fit_rest_w(s);
    }
    SPA_TRY(median_of(&rails, "a quiet Orin Nano", &idle_rails, err));
    SPA_TRY(median_of(&rest_w, "a quiet Orin Nano", &idle_rest, err));
    for (size_t i = 0; i < log->n; i++) {
        const fit_sample *s = &log->samples[i];
        if (!is_of(s, FIT_LOAD_FULL)) continue;
        double above = s->board_w - p->nano.idle_w - core_w_per_ghz * s->core_ghz;
        busy.value[busy.n++] = above / s->gpu_busy;
        per_w.value[per_w.n++] = (fit_rest_w(s) - idle_rest) / (s->core_w + s->soc_w - idle_rails);
    }
    SPA_TRY(median_of(&busy, "a full GPU (Orin Nano)", busy_w, err));
    return median_of(&per_w, "a full GPU (Orin Nano)", rest, err);
}

static fit_range ordered(double a, double b)
{
    return (fit_range){a < b ? a : b, a < b ? b : a};
}

/* AGX Orin: measured rails, and the rest of the board by what the Nano's does at full load. */
static void make_agx(fit_power *p)
{
    double cpu_most = fmax(p->cpu_rest_full, p->cpu_rest_light);
    double gpu = p->gpu_rest_full.high, gpu_most = fmax(gpu, p->gpu_rest_light);
    for (int i = 0; i < FIT_POWER_MODES; i++) {
        fit_power_mode *m = &p->agx.modes[i];
        double core = fit_middle(m->rail_core);
        m->core_w_per_ghz = core * (1 + p->cpu_rest_full);
        m->core_range = (fit_range){core, core * (1 + cpu_most)};
        m->busy_w = fit_middle(m->rail_busy) * (1 + gpu);
        m->busy_range = (fit_range){m->rail_busy.low, m->rail_busy.high * (1 + gpu_most)};
    }
}

/* Orin Nano: measured in 25W, brought to the other modes by AGX Orin's laws. The ends of a range:
 * the law, or the clock alone (a core: the same W per GHz), and the law's largest residual. */
static void make_nano(fit_power *p, double core_w_per_ghz)
{
    const fit_power_mode at = p->nano.modes[1]; /* 25W, before it is filled in */
    double busy_w = fit_middle(p->nano_busy);
    for (int i = 0; i < FIT_POWER_MODES; i++) {
        fit_power_mode *m = &p->nano.modes[i];
        double core_off = i == 1 ? 0 : p->core_law.quality.max;
        double gpu_off = i == 1 ? 0 : p->gpu_law.quality.max;
        double by_clock = m->gpu_ghz / at.gpu_ghz * m->units / at.units;
        double by_law = pow(m->gpu_ghz / at.gpu_ghz, p->gpu_law.exponent) * m->units / at.units;
        m->core_w_per_ghz = core_w_per_ghz * pow(m->cpu_ghz / at.cpu_ghz, p->core_law.exponent);
        m->core_range = ordered(core_w_per_ghz, m->core_w_per_ghz);
        m->core_range.low *= 1 - core_off;
        m->core_range.high *= 1 + core_off;
        m->busy_w = busy_w * by_law;
        m->busy_range = ordered(by_clock, by_law);
        m->busy_range.low *= p->nano_busy.low * (1 - gpu_off);
        m->busy_range.high *= p->nano_busy.high * (1 + gpu_off);
    }
}

/* ---- residuals ------------------------------------------------------------------------------ */

double fit_power_model_w(const fit_power_board *b, const fit_power_mode *m, const fit_sample *s)
{
    return b->idle_w + m->core_w_per_ghz * s->core_ghz + m->busy_w * s->gpu_busy;
}

static void add_row(fit_power *p, const fit_power_board *b, const fit_power_mode *m,
                    const fit_log *log, fit_load load, const char *what)
{
    picked measured = {0}, model = {0}, error = {0};
    for (size_t i = 0; i < log->n; i++) {
        const fit_sample *s = &log->samples[i];
        if (!is_of(s, load)) continue;
        double w = fit_power_model_w(b, m, s);
        measured.value[measured.n++] = s->board_w;
        model.value[model.n++] = w;
        error.value[error.n++] = w / s->board_w - 1;
    }
    if (measured.n == 0) return;
    p->rows[p->n_rows++] = (fit_power_row){b->device,
                                           what,
                                           measured.n,
                                           spa_median(measured.value, measured.n),
                                           spa_median(model.value, model.n),
                                           spa_median(error.value, error.n)};
}

static void add_rows(fit_power *p)
{
    const fit_power_mode *maxn = &p->agx.modes[0], *w25 = &p->nano.modes[1];
    const fit_log *logs = p->logs;
    p->n_rows = 0;
    add_row(p, &p->agx, maxn, &logs[FIT_LOG_AGX], FIT_LOAD_QUIET, "quiet, MAXN");
    add_row(p, &p->agx, maxn, &logs[FIT_LOG_AGX], FIT_LOAD_CPU, "cores busy, MAXN");
    add_row(p, &p->agx, maxn, &logs[FIT_LOG_AGX], FIT_LOAD_PART, "ResNet-152, GPU in part, MAXN");
    add_row(p, &p->nano, w25, &logs[FIT_LOG_NANO_IDLE], FIT_LOAD_QUIET, "quiet, 25W");
    add_row(p, &p->nano, w25, &logs[FIT_LOG_NANO_TRT], FIT_LOAD_CPU, "one core busy, 25W");
    add_row(p, &p->nano, w25, &logs[FIT_LOG_NANO_TRT], FIT_LOAD_PART,
            "trtexec builds, GPU in part, 25W");
    add_row(p, &p->nano, w25, &logs[FIT_LOG_NANO_TRT], FIT_LOAD_FULL,
            "trtexec, ResNet-18 fp16, GPU full, 25W");
    add_row(p, &p->nano, w25, &logs[FIT_LOG_NANO_GPU], FIT_LOAD_FULL, "GPU load, full, 25W");
}

/* ---- all of it ------------------------------------------------------------------------------ */

spa_status fit_power_solve(fit_power *p, spa_error *err)
{
    const fit_power_mode *w25 = &p->nano.modes[1];
    double busy[2], rest[2], core_rise = p->nano_six_core_w - p->nano_idle_core_w;
    double board_rise = p->nano_six_w - p->nano.idle_w;
    double core_w_per_ghz = board_rise / (w25->cores * w25->cpu_ghz);
    SPA_TRY(fit_laws(p, err));
    SPA_TRY(fit_light_rest(p, err));
    p->cpu_rest_full = board_rise / core_rise - 1;
    p->nano.cpu_idle_w = p->nano.gpu_idle_w = p->nano_idle_core_w / 2; /* one rail: assumed */
    for (int i = 0; i < 2; i++)
        SPA_TRY(fit_full_gpu(p, &p->logs[i ? FIT_LOG_NANO_GPU : FIT_LOG_NANO_TRT], core_w_per_ghz,
                             &busy[i], &rest[i], err));
    p->nano_busy = ordered(busy[0], busy[1]);
    p->gpu_rest_full = ordered(rest[0], rest[1]);
    make_agx(p);
    make_nano(p, core_w_per_ghz);
    add_rows(p);
    return SPA_OK;
}

static spa_status read_and_solve(fit_power *p, spa_error *err)
{
    spa_csv facts = {0}, modes = {0};
    spa_status status = fit_data_table(&p->data, FACTS, &facts, err);
    if (!status) status = fit_data_table(&p->data, MODES, &modes, err);
    if (!status) status = read_agx(&p->agx, &facts, &modes, err);
    if (!status) status = read_nano(p, &facts, &modes, err);
    spa_csv_fini(&facts);
    spa_csv_fini(&modes);
    if (!status) status = read_logs(p, err);
    return status ? status : fit_power_solve(p, err);
}

spa_status fit_power_new(fit_power **power, const char *folder, spa_error *err)
{
    fit_power *p = NULL;
    *power = NULL;
    SPA_TRY(spa_alloc(&p, 1, sizeof *p, err));
    p->data.folder = folder;
    spa_status status = read_and_solve(p, err);
    if (status) {
        fit_power_free(p);
        return status;
    }
    *power = p;
    return SPA_OK;
}

void fit_power_free(fit_power *power)
{
    free(power);
}
