#include "traces/tegrastats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define MAX_BYTES ((size_t)256 << 20)

typedef struct parser {
    spa_tegrastats *log;
    const char *path;
    int line;
    double first_s; /* date of the first line, since 1970 */
} parser;

static spa_status fail(const parser *p, spa_error *err, const char *what, const char *word)
{
    return spa_fail_at(err, SPA_E_PARSE, p->path, p->line, "%s: '%.60s'", what, word);
}

/* Days since 1970-01-01 of a date in the Gregorian calendar (H. Hinnant, days_from_civil). */
static int64_t days_since_1970(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "10-25-2024 10:56:19 ..."; NaN = no date. */
static double read_date(const char *text)
{
    int month, day, year, hour, minute, second;
    if (sscanf(text, "%2d-%2d-%4d %2d:%2d:%2d", &month, &day, &year, &hour, &minute, &second) != 6)
        return NAN;
    if (month < 1 || month > 12 || day < 1 || day > 31 || year < 1970 || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 60)
        return NAN;
    return (double)(days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second);
}

/* "9%@806": per cent and MHz. False = something else, such as "off". */
static bool read_load(const char *word, double *load, double *mhz)
{
    char *end;
    *mhz = NAN;
    double percent = strtod(word, &end);
    if (end == word || *end != '%' || !(percent >= 0 && percent <= 100)) return false;
    *load = percent / 100;
    if (end[1] != '@') return true;
    const char *clock = end + 2 + (end[2] == '['); /* "@[1300,1300]": of each cluster */
    double x = strtod(clock, &end);
    if (end != clock && x >= 0 && x < 1e6) *mhz = x;
    return true;
}

/* "CPU [9%@806,off,...]": the cores that are on. */
static spa_status read_cores(const parser *p, spa_tegra_sample *s, char *list, spa_error *err)
{
    double load = 0, mhz = 0;
    char *close = strchr(list, ']'), *rest = NULL;
    if (!close) return fail(p, err, "the list of cores does not end", list);
    *close = '\0';
    for (char *core = strtok_r(list, ",", &rest); core; core = strtok_r(NULL, ",", &rest)) {
        double l, f;
        if (!strcmp(core, "off")) continue;
        if (!read_load(core, &l, &f)) return fail(p, err, "not the load of a core", core);
        if (++s->n_cores > SPA_TEGRA_CORES) return fail(p, err, "too many cores", core);
        load += l;
        mhz += f;
        s->core_ghz += l * f * 1e-3;
    }
    *close = ']';
    if (s->n_cores == 0) return SPA_OK;
    s->cpu_load = load / s->n_cores;
    s->cpu_mhz = mhz / s->n_cores;
    return SPA_OK;
}

/* "4361mW/4324mW" or "2020/2020": now and on average, mW. */
static bool read_power(const char *word, double *now_w)
{
    char *end;
    double mw = strtod(word, &end);
    if (end == word || !(mw >= 0 && mw < 1e7)) return false;
    if (!strncmp(end, "mW", 2)) end += 2;
    if (*end != '/') return false;
    const char *average = end + 1;
    double x = strtod(average, &end);
    if (end == average || !(x >= 0)) return false;
    if (!strncmp(end, "mW", 2)) end += 2;
    *now_w = mw * 1e-3;
    return *end == '\0';
}

/* "cpu@41.781C" */
static bool read_temperature(const char *word, double *celsius)
{
    const char *at = strchr(word, '@');
    char *end;
    if (!at || !strncmp(word, "PMIC", 4)) return false;
    *celsius = strtod(at + 1, &end);
    return end != at + 1 && end[0] == 'C' && end[1] == '\0' && fabs(*celsius) < 1000;
}

static spa_status rail_of(parser *p, const char *name, size_t *rail, spa_error *err)
{
    spa_tegrastats *log = p->log;
    for (*rail = 0; *rail < log->n_rails; ++*rail)
        if (!strcmp(log->rails[*rail], name)) return SPA_OK;
    if (log->n_rails == SPA_TEGRA_RAILS) return fail(p, err, "one rail too many", name);
    SPA_TRY(spa_arena_strdup(&log->arena, &log->rails[log->n_rails], name, err));
    for (size_t i = 0; i < log->n; i++) log->samples[i].rail_w[log->n_rails] = NAN;
    log->n_rails++;
    return SPA_OK;
}

static spa_status read_words(parser *p, spa_tegra_sample *s, char *text, spa_error *err)
{
    const char *before = "";
    char *rest = NULL;
    for (char *word = strtok_r(text, " \t\r", &rest); word;
         before = word, word = strtok_r(NULL, " \t\r", &rest)) {
        double x;
        size_t rail;
        if (!strcmp(before, "GR3D_FREQ")) {
            if (!read_load(word, &s->gpu_load, &s->gpu_mhz))
                return fail(p, err, "not the load of the GPU", word);
        } else if (!strcmp(before, "CPU") && word[0] == '[') {
            SPA_TRY(read_cores(p, s, word + 1, err));
        } else if (read_temperature(word, &x)) {
            if (!(x <= s->hottest_c)) s->hottest_c = x;
        } else if (strcmp(before, "SWAP") && strcmp(before, "RAM") && read_power(word, &x)) {
            SPA_TRY(rail_of(p, before, &rail, err));
            s->rail_w[rail] = x;
        }
    }
    return SPA_OK;
}

static spa_status read_line(parser *p, char *text, spa_error *err)
{
    spa_tegrastats *log = p->log;
    spa_tegra_sample s = {.cpu_load = NAN,
                          .cpu_mhz = NAN,
                          .gpu_load = NAN,
                          .gpu_mhz = NAN,
                          .hottest_c = NAN,
                          .line = p->line};
    if (!strstr(text, "CPU [")) {
        log->skipped += text[strspn(text, " \t\r")] != '\0';
        return SPA_OK;
    }
    double date = read_date(text);
    if (log->n == 0) p->first_s = date;
    s.time_s = date - p->first_s;
    if (log->n && s.time_s < log->samples[log->n - 1].time_s)
        return fail(p, err, "the clock goes back", text);
    for (size_t r = 0; r < SPA_TEGRA_RAILS; r++) s.rail_w[r] = NAN;
    SPA_TRY(spa_grow(&log->samples, &log->capacity, log->n + 1, sizeof s, err));
    SPA_TRY(read_words(p, &s, text, err));
    log->samples[log->n++] = s;
    return SPA_OK;
}

static spa_status read_lines(parser *p, char *text, spa_error *err)
{
    for (char *at = text; *at;) {
        size_t length = strcspn(at, "\n");
        bool last = at[length] == '\0';
        at[length] = '\0';
        p->line++;
        SPA_TRY(read_line(p, at, err));
        at += length + !last;
    }
    if (p->log->n) return SPA_OK;
    return spa_fail_at(err, SPA_E_PARSE, p->path, 0,
                       "no line of tegrastats (\"... RAM 1697/7620MB ... CPU [...] ...\") in it");
}

spa_status spa_tegrastats_parse(spa_tegrastats *log, const char *path_for_messages,
                                const char *text, size_t size, spa_error *err)
{
    char *copy = NULL;
    parser p = {.log = log, .path = path_for_messages};
    *log = (spa_tegrastats){0};
    spa_arena_init(&log->arena);
    SPA_TRY(spa_check_no_nul(path_for_messages, text, size, err));
    SPA_TRY(spa_alloc(&copy, size + 1, 1, err));
    memcpy(copy, text, size);
    spa_status status = read_lines(&p, copy, err);
    free(copy);
    if (status) spa_tegrastats_fini(log);
    return status;
}

spa_status spa_tegrastats_read(spa_tegrastats *log, const char *path, spa_error *err)
{
    char *text = NULL;
    size_t size = 0;
    *log = (spa_tegrastats){0};
    SPA_TRY(spa_read_file(path, MAX_BYTES, false, &text, &size, err));
    spa_status status = spa_tegrastats_parse(log, path, text, size, err);
    free(text);
    return status;
}

void spa_tegrastats_fini(spa_tegrastats *log)
{
    free(log->samples);
    spa_arena_fini(&log->arena);
    *log = (spa_tegrastats){0};
}

int spa_tegrastats_board_rail(const spa_tegrastats *log)
{
    static const char *const whole[] = {"VDD_IN", "POM_5V_IN", "VIN", "POM_IN"};
    for (size_t w = 0; w < sizeof whole / sizeof *whole; w++)
        for (size_t r = 0; r < log->n_rails; r++)
            if (!strcmp(log->rails[r], whole[w])) return (int)r;
    return -1;
}

static bool inside(const spa_tegra_sample *s, size_t rail, double from_s, double to_s)
{
    if (isnan(s->rail_w[rail])) return false;
    return isnan(s->time_s) || (s->time_s >= from_s && s->time_s <= to_s);
}

spa_status spa_tegrastats_summary(const spa_tegrastats *log, size_t rail, double from_s,
                                  double to_s, spa_rail_summary *out, spa_error *err)
{
    const spa_tegra_sample *last = NULL;
    double sum = 0, squares = 0;
    *out = (spa_rail_summary){.min_w = INFINITY, .max_w = -INFINITY};
    for (size_t i = 0; i < log->n; i++) {
        const spa_tegra_sample *s = &log->samples[i];
        if (!inside(s, rail, from_s, to_s)) continue;
        double w = s->rail_w[rail];
        sum += w;
        out->n++;
        out->min_w = fmin(out->min_w, w);
        out->max_w = fmax(out->max_w, w);
        if (last) out->energy_j += (w + last->rail_w[rail]) / 2 * (s->time_s - last->time_s);
        last = s;
    }
    if (out->n == 0) {
        *out = (spa_rail_summary){0};
        return spa_fail(err, SPA_E_RANGE, "no reading of %s between %g and %g s; the log has %g s",
                        log->rails[rail], from_s, to_s, log->samples[log->n - 1].time_s);
    }
    out->mean_w = sum / (double)out->n;
    for (size_t i = 0; i < log->n; i++) {
        const spa_tegra_sample *s = &log->samples[i];
        double d = s->rail_w[rail] - out->mean_w;
        if (inside(s, rail, from_s, to_s)) squares += d * d;
    }
    out->sd_w = out->n > 1 ? sqrt(squares / (double)(out->n - 1)) : NAN;
    return SPA_OK;
}
