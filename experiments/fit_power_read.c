/* Reading tegrastats logs and the ranges in tables of facts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/fit_power.h"
#include "traces/tegrastats.h"

#define GPU_ON   0.3 /* shares of time; between on and off a line is neither */
#define GPU_OFF  0.1
#define GPU_FULL 0.9
#define CPU_ON   1.0 /* core * GHz */

const char *fit_load_name(fit_load load)
{
    static const char *const names[] = {"quiet", "cores busy", "GPU in part", "GPU full", "mixed"};
    return names[load];
}

static fit_load load_of(double gpu_busy, double core_ghz)
{
    if (gpu_busy >= GPU_FULL) return FIT_LOAD_FULL;
    if (gpu_busy >= GPU_ON) return FIT_LOAD_PART;
    if (gpu_busy >= GPU_OFF) return FIT_LOAD_MIXED;
    return core_ghz >= CPU_ON ? FIT_LOAD_CPU : FIT_LOAD_QUIET;
}

/* W; NaN where there is no such rail. */
static double rail_w(const spa_tegrastats *log, const spa_tegra_sample *s, const char *name)
{
    for (size_t r = 0; r < log->n_rails; r++)
        if (!strcmp(log->rails[r], name)) return s->rail_w[r];
    return NAN;
}

/* AGX Orin has four rails, Orin Nano two and the board's. */
static bool take_sample(const spa_tegrastats *log, const spa_tegra_sample *from, fit_sample *s)
{
    *s = (fit_sample){.core_ghz = from->core_ghz, .gpu_busy = from->gpu_load};
    s->core_w = rail_w(log, from, "VDD_CPU_CV");
    if (isnan(s->core_w)) {
        s->core_w = rail_w(log, from, "VDD_CPU_GPU_CV");
        s->soc_w = rail_w(log, from, "VDD_SOC");
        s->board_w = rail_w(log, from, "VDD_IN");
    } else {
        s->soc_w = rail_w(log, from, "VDD_GPU_SOC");
        s->board_w = s->core_w + s->soc_w + rail_w(log, from, "VIN_SYS_5V0") +
                     rail_w(log, from, "VDDQ_VDD2_1V8AO");
    }
    s->load = load_of(s->gpu_busy, s->core_ghz);
    return !isnan(s->core_ghz + s->gpu_busy + s->soc_w + s->board_w);
}

static spa_status take_samples(fit_log *log, const spa_tegrastats *from, spa_error *err)
{
    for (size_t i = 0; i < from->n; i++) {
        fit_sample *s = &log->samples[log->n];
        int line = from->samples[i].line;
        if (log->n == FIT_MAX_SAMPLES)
            return spa_fail_at(err, SPA_E_RANGE, log->path, line, "more than %d samples",
                               FIT_MAX_SAMPLES);
        if (!take_sample(from, &from->samples[i], s))
            return spa_fail_at(err, SPA_E_PARSE, log->path, line,
                               "not a line of tegrastats with CPU, GR3D_FREQ and the rails of an "
                               "AGX Orin or Orin Nano");
        s->steady = log->n > 0 && s[-1].load == s->load;
        log->n++;
    }
    return SPA_OK;
}

spa_status fit_log_parse(fit_log *log, const char *path, const char *text, spa_error *err)
{
    spa_tegrastats from;
    *log = (fit_log){.path = path};
    SPA_TRY(spa_tegrastats_parse(&from, path, text, strlen(text), err));
    spa_status status = take_samples(log, &from, err);
    spa_tegrastats_fini(&from);
    return status;
}

/* Does the word stand in text[0 .. length)? */
static bool has_word(const char *text, size_t length, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= length; i++) {
        if (memcmp(text + i, word, n) != 0) continue;
        bool begins = i == 0 || text[i - 1] == ' ';
        bool ends = i + n == length || text[i + n] == ' ' || text[i + n] == ';';
        if (begins && ends) return true;
    }
    return false;
}

static bool parse_range(const char *text, size_t length, fit_range *range)
{
    char last[32], *end = NULL;
    size_t begin = length;
    while (begin > 0 && text[begin - 1] != ' ') begin--;
    if (length - begin >= sizeof last) return false;
    memcpy(last, text + begin, length - begin);
    last[length - begin] = '\0';
    range->low = range->high = strtod(last, &end);
    if (end == last) return false;
    if (*end == '-') {
        const char *high = end + 1;
        range->high = strtod(high, &end);
        if (end == high) return false;
    }
    return *end == '\0' && range->low <= range->high;
}

spa_status fit_fact_range(const char *text, const char *name, fit_range *range, spa_error *err)
{
    *range = (fit_range){0};
    for (const char *item = text; *item;) {
        size_t length = strcspn(item, ";");
        if (has_word(item, length, name)) {
            if (parse_range(item, length, range)) return SPA_OK;
            return spa_fail(err, SPA_E_PARSE, "'%.60s': no number or range LOW-HIGH behind '%s'",
                            text, name);
        }
        item += length;
        item += strspn(item, "; ");
    }
    return spa_fail(err, SPA_E_PARSE, "'%.60s' says nothing of '%s'", text, name);
}
