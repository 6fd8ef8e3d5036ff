/* The text of *.scenario files, and of the arrival times that one may name. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/csv.h"
#include "base/ini.h"
#include "base/text.h"
#include "sim/scenario_file.h"

#define MIN_RATE_HZ  1e-6
#define MAX_RATE_HZ  1e9
#define MIN_MS       1e-6
#define MAX_MS       1e9
#define MAX_ARRIVALS ((uint64_t)1 << 24)
#define LEAST_A_CYCLE                                                                              \
    1e-3 /* arrivals per cycle of a bursty process; fewer take forever to draw                     \
          */
#define PATH_BYTES 4096

spa_status scenario_fail(spa_ini *ini, const char *section, const char *key, spa_status status,
                         const char *what, spa_error *err)
{
    const spa_ini_entry *entry = spa_ini_find(ini, section, key);
    return spa_fail_at(err, status, ini->path, entry ? entry->line : 0, "[%s] %s: %s", section, key,
                       what);
}

static spa_status fail_key(spa_ini *ini, const char *key, spa_status status, const char *what,
                           spa_error *err)
{
    return scenario_fail(ini, "scenario", key, status, what, err);
}

static spa_status read_text(spa_ini *ini, const char *key, const char *missing, char *out,
                            size_t size, spa_error *err)
{
    char what[64];
    const char *text = spa_ini_text_or(ini, "scenario", key, missing);
    snprintf(what, sizeof what, "must be shorter than %zu bytes", size);
    if (strlen(text) >= size) return fail_key(ini, key, SPA_E_RANGE, what, err);
    snprintf(out, size, "%s", text);
    return SPA_OK;
}

static spa_status read_names(spa_scenario *s, spa_ini *ini, spa_error *err)
{
    static const char *const kinds[] = {"single",  "closed", "periodic",
                                        "poisson", "bursty", "recorded"};
    const char *arrivals;
    SPA_TRY(read_text(ini, "name", "scenario", s->name, sizeof s->name, err));
    SPA_TRY(read_text(ini, "summary", "", s->summary, sizeof s->summary, err));
    SPA_TRY(read_text(ini, "mix", "", s->mix, sizeof s->mix, err));
    SPA_TRY(spa_ini_text(ini, "scenario", "arrivals", &arrivals, err));
    for (int i = 0; i < SPA_ARRIVALS_COUNT; i++) {
        if (strcmp(arrivals, kinds[i]) != 0) continue;
        s->arrivals = (spa_arrivals)i;
        return SPA_OK;
    }
    spa_error unknown;
    spa_status status = spa_fail_unknown(&unknown, "arrivals", arrivals, kinds, SPA_ARRIVALS_COUNT);
    return fail_key(ini, "arrivals", status, unknown.message, err);
}

/* ---- arrivals -------------------------------------------------------------------------------- */

static spa_status take_arrivals(spa_scenario *s, const spa_csv *csv, spa_error *err)
{
    static const char *const required[] = {"ms"};
    SPA_TRY(spa_csv_expect(csv, required, 1, NULL, 0, err));
    int column = spa_csv_column(csv, "ms");
    if (csv->n_rows == 0)
        return spa_fail_at(err, SPA_E_PARSE, csv->path, csv->header_line, "no arrivals; add some");
    if (csv->n_rows > MAX_ARRIVALS)
        return spa_fail_at(err, SPA_E_RANGE, csv->path, 0, "more than %llu arrivals",
                           (unsigned long long)MAX_ARRIVALS);
    SPA_TRY(spa_alloc(&s->arrival_ns, csv->n_rows, sizeof *s->arrival_ns, err));
    s->n_arrivals = csv->n_rows;
    for (size_t i = 0; i < csv->n_rows; i++) {
        double ms;
        SPA_TRY(spa_csv_double(csv, i, column, 0, MAX_MS, &ms, err));
        s->arrival_ns[i] = llround(ms * 1e6);
        if (i && s->arrival_ns[i] < s->arrival_ns[i - 1])
            return spa_csv_fail(csv, i, column, err,
                                "it is before the arrival above it; sort the times");
    }
    return SPA_OK;
}

static void drop_arrivals(spa_scenario *s)
{
    free(s->arrival_ns);
    s->arrival_ns = NULL;
    s->n_arrivals = 0;
}

spa_status spa_scenario_parse_arrivals(spa_scenario *s, const char *path, const char *text,
                                       size_t size, spa_error *err)
{
    spa_csv csv;
    SPA_TRY(spa_csv_parse(&csv, path, text, size, err));
    spa_status status = take_arrivals(s, &csv, err);
    spa_csv_fini(&csv);
    if (status) drop_arrivals(s);
    return status;
}

/* `file`, beside the scenario file. */
static spa_status read_recorded(spa_scenario *s, spa_ini *ini, spa_error *err)
{
    const char *name, *slash = strrchr(ini->path, '/');
    char path[PATH_BYTES];
    spa_csv csv;
    SPA_TRY(spa_ini_text(ini, "scenario", "file", &name, err));
    size_t length = strlen(name);
    if (length < 5 || strcmp(name + length - 4, ".csv") != 0)
        return fail_key(ini, "file", SPA_E_INVALID, "write the name of a *.csv file", err);
    int folder = name[0] == '/' || !slash ? 0 : (int)(slash + 1 - ini->path);
    int n = snprintf(path, sizeof path, "%.*s%s", folder, ini->path, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return fail_key(ini, "file", SPA_E_RANGE, "the path is too long", err);
    SPA_TRY(spa_csv_read(&csv, path, err));
    spa_status status = take_arrivals(s, &csv, err);
    spa_csv_fini(&csv);
    return status;
}

/* Which of the two ways of writing a rate or time is used: `absolute` or `relative`. All keys of a
 * file must use the same one. */
static spa_status either(spa_scenario *s, spa_ini *ini, const char *absolute, const char *relative,
                         double min, double max, double *out, bool *decided, spa_error *err)
{
    bool is_relative = spa_ini_find(ini, "scenario", relative) != NULL;
    if (!is_relative) { /* asked for first, so that it is what a message names */
        SPA_TRY(spa_ini_double(ini, "scenario", absolute, min, max, out, err));
    } else {
        if (spa_ini_find(ini, "scenario", absolute))
            return fail_key(ini, relative, SPA_E_INVALID,
                            "the same is given in other units, too; leave one out", err);
        SPA_TRY(spa_ini_double(ini, "scenario", relative, min, max, out, err));
    }
    if (*decided && s->relative != is_relative)
        return fail_key(ini, is_relative ? relative : absolute, SPA_E_INVALID,
                        "give all rates and times in service times (load, ..._services) or none",
                        err);
    s->relative = is_relative;
    *decided = true;
    return SPA_OK;
}

static spa_status read_phases(spa_scenario *s, spa_ini *ini, bool *decided, spa_error *err)
{
    spa_phase *low = &s->phases[SPA_PHASE_LOW], *high = &s->phases[SPA_PHASE_HIGH];
    SPA_TRY(either(s, ini, "low_hz", "low_load", 0, MAX_RATE_HZ, &low->rate_hz, decided, err));
    SPA_TRY(either(s, ini, "high_hz", "high_load", MIN_RATE_HZ, MAX_RATE_HZ, &high->rate_hz,
                   decided, err));
    SPA_TRY(either(s, ini, "low_ms", "low_services", MIN_MS, MAX_MS, &low->mean_ms, decided, err));
    SPA_TRY(
        either(s, ini, "high_ms", "high_services", MIN_MS, MAX_MS, &high->mean_ms, decided, err));
    const char *key = s->relative ? "high_load" : "high_hz";
    double unit = s->relative ? 1 : 1e-3;
    if (!(low->rate_hz < high->rate_hz))
        return fail_key(ini, key, SPA_E_INVALID, "must be more than the low one", err);
    if (high->rate_hz * high->mean_ms * unit < LEAST_A_CYCLE)
        return fail_key(ini, key, SPA_E_RANGE,
                        "fewer than one arrival in 1000 bursts; make it more or bursts longer",
                        err);
    return SPA_OK;
}

static spa_status read_rates(spa_scenario *s, spa_ini *ini, spa_error *err)
{
    bool decided = false;
    if (s->arrivals == SPA_ARRIVALS_PERIODIC || s->arrivals == SPA_ARRIVALS_POISSON)
        SPA_TRY(either(s, ini, "rate_hz", "load", MIN_RATE_HZ, MAX_RATE_HZ, &s->rate_hz, &decided,
                       err));
    if (s->arrivals == SPA_ARRIVALS_BURSTY) SPA_TRY(read_phases(s, ini, &decided, err));
    if (spa_ini_find(ini, "scenario", "deadline_ms") ||
        spa_ini_find(ini, "scenario", "deadline_services"))
        SPA_TRY(either(s, ini, "deadline_ms", "deadline_services", MIN_MS, MAX_MS, &s->deadline_ms,
                       &decided, err));
    return SPA_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static spa_status read_requests(spa_scenario *s, spa_ini *ini, spa_error *err)
{
    int64_t value, most = INT64_C(1) << 40;
    if (s->arrivals == SPA_ARRIVALS_RECORDED) {
        SPA_TRY(read_recorded(s, ini, err));
        most = (int64_t)s->n_arrivals;
    }
    SPA_TRY(spa_ini_i64_or(ini, "scenario", "requests", s->n_arrivals ? most : 1, 1, most, &value,
                           err));
    s->requests = (uint64_t)value;
    SPA_TRY(spa_ini_i64_or(ini, "scenario", "warmup", 0, 0, (int64_t)s->requests - 1, &value, err));
    s->warmup = (uint64_t)value;
    return SPA_OK;
}

static spa_status read_keys(spa_scenario *s, spa_ini *ini, spa_error *err)
{
    int64_t value;
    SPA_TRY(read_names(s, ini, err));
    bool open = spa_scenario_is_open(s);
    SPA_TRY(spa_ini_i64_or(ini, "scenario", "concurrency", open ? SPA_OPEN_CONCURRENCY : 1, 1,
                           65536, &value, err));
    s->concurrency = (uint32_t)value;
    SPA_TRY(read_requests(s, ini, err));
    SPA_TRY(spa_ini_i64_or(ini, "scenario", "workers", 0, 0, 1, &value, err));
    s->workers = value != 0;
    SPA_TRY(spa_ini_i64_or(ini, "scenario", "serial_ops", 0, 0, 1 << 20, &value, err));
    s->serial_ops = (uint32_t)value;
    SPA_TRY(read_rates(s, ini, err));
    if (s->arrivals == SPA_ARRIVALS_SINGLE && s->concurrency != 1)
        return fail_key(ini, "concurrency", SPA_E_INVALID,
                        "arrivals = single has 1 request in flight; use arrivals = closed", err);
    SPA_TRY(scenario_read_conditions(&s->conditions, ini, err));
    return spa_ini_check_unused(ini, err);
}

/* ---- changes --------------------------------------------------------------------------------- */

static spa_status fail_change(const spa_ini *ini, const char *section, const char *key,
                              spa_error *err)
{
    const char *keys[128];
    size_t n = 0;
    spa_error why;
    for (size_t i = 0; i < ini->n_entries && n < 128; i++)
        if (strcmp(ini->entries[i].section, section) == 0) keys[n++] = ini->entries[i].key;
    if (n == 0)
        return spa_fail(err, SPA_E_NOT_FOUND, "%s has no section [%s] to change", ini->path,
                        section);
    spa_status status = spa_fail_unknown(&why, "key", key, keys, n);
    return spa_fail(err, status, "%s, [%s], to be changed: %s", ini->path, section, why.message);
}

/* One "section.key=value". */
static spa_status change(spa_ini *ini, char *text, spa_error *err)
{
    char *value = strchr(text, '='), *dot;
    const char *section = "scenario", *key = text;
    if (!value || value == text || !value[1])
        return spa_fail(err, SPA_E_INVALID, "'%s' changes nothing; write KEY=VALUE", text);
    *value++ = '\0';
    dot = strchr(text, '.');
    if (dot) {
        *dot = '\0';
        section = text;
        key = dot + 1;
    }
    for (size_t i = 0; i < ini->n_entries; i++) {
        spa_ini_entry *entry = &ini->entries[i];
        if (strcmp(entry->section, section) != 0 || strcmp(entry->key, key) != 0) continue;
        return spa_arena_strdup(&ini->arena, &entry->value, value, err);
    }
    return fail_change(ini, section, key, err);
}

static spa_status apply_changes(spa_ini *ini, const char *changes, spa_error *err)
{
    char item[160];
    while (changes && *changes) {
        size_t length = strcspn(changes, ":");
        if (length >= sizeof item)
            return spa_fail(err, SPA_E_RANGE, "'%.60s...' is too long to change a scenario",
                            changes);
        snprintf(item, sizeof item, "%.*s", (int)length, changes);
        SPA_TRY(change(ini, item, err));
        changes += length;
        if (*changes == ':') changes++;
    }
    return SPA_OK;
}

/* Runs of one file with other values must not look alike. */
static spa_status rename_changed(spa_scenario *s, const char *changes, spa_error *err)
{
    size_t length = strlen(s->name);
    if (!changes) return SPA_OK;
    if (length + 1 + strlen(changes) >= sizeof s->name)
        return spa_fail(err, SPA_E_RANGE,
                        "'%s:%s' is too long a name (%zu bytes); make a file of your own", s->name,
                        changes, sizeof s->name - 1);
    snprintf(s->name + length, sizeof s->name - length, ":%s", changes);
    return SPA_OK;
}

spa_status spa_scenario_parse(spa_scenario *s, const char *path_for_messages, const char *text,
                              size_t size, spa_error *err)
{
    return scenario_parse_changed(s, path_for_messages, text, size, NULL, err);
}

spa_status scenario_parse_changed(spa_scenario *s, const char *path, const char *text, size_t size,
                                  const char *changes, spa_error *err)
{
    spa_ini ini;
    memset(s, 0, sizeof *s);
    SPA_TRY(spa_ini_parse(&ini, path, text, size, err));
    spa_status status = apply_changes(&ini, changes, err);
    if (!status) status = read_keys(s, &ini, err);
    if (!status) status = rename_changed(s, changes, err);
    if (status) spa_scenario_fini(s);
    spa_ini_fini(&ini);
    return status;
}
