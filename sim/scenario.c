#include "sim/scenario.h"

#include <stdio.h>
#include <string.h>
#include "base/ini.h"
#include "base/text.h"

spa_scenario spa_scenario_single(void)
{
    spa_scenario s = {
        .name = "single", .arrivals = SPA_ARRIVALS_SINGLE, .concurrency = 1, .requests = 1};
    return s;
}

spa_scenario spa_scenario_closed(uint32_t concurrency, uint64_t requests)
{
    spa_scenario s = {.name = "closed",
                      .arrivals = SPA_ARRIVALS_CLOSED,
                      .concurrency = concurrency,
                      .requests = requests};
    return s;
}

#define MIN_RATE_HZ 1e-6
#define MAX_RATE_HZ 1e9

spa_scenario spa_scenario_open(spa_arrivals arrivals, double rate_hz, uint32_t concurrency,
                               uint64_t requests)
{
    spa_scenario s = {
        .arrivals = arrivals, .concurrency = concurrency, .requests = requests, .rate_hz = rate_hz};
    snprintf(s.name, sizeof s.name, "%s %.6g/s",
             arrivals == SPA_ARRIVALS_PERIODIC ? "periodic" : "poisson", rate_hz);
    return s;
}

/* A fault of one key's value, which was asked for before. */
static spa_status fail_key(spa_ini *ini, const char *key, spa_status status, const char *what,
                           spa_error *err)
{
    const spa_ini_entry *entry = spa_ini_find(ini, "scenario", key);
    return spa_fail_at(err, status, ini->path, entry ? entry->line : 0, "[scenario] %s: %s", key,
                       what);
}

static spa_status read_names(spa_scenario *s, spa_ini *ini, spa_error *err)
{
    static const char *const kinds[] = {"single", "closed", "periodic", "poisson"};
    const char *arrivals, *name = spa_ini_text_or(ini, "scenario", "name", "scenario");
    if (strlen(name) >= sizeof s->name)
        return fail_key(ini, "name", SPA_E_RANGE, "must be shorter than 64 bytes", err);
    snprintf(s->name, sizeof s->name, "%s", name);
    SPA_TRY(spa_ini_text(ini, "scenario", "arrivals", &arrivals, err));
    for (int i = 0; i < 4; i++) {
        if (strcmp(arrivals, kinds[i]) != 0) continue;
        s->arrivals = (spa_arrivals)i;
        return SPA_OK;
    }
    spa_error unknown;
    spa_status status = spa_fail_unknown(&unknown, "arrivals", arrivals, kinds, 4);
    return fail_key(ini, "arrivals", status, unknown.message, err);
}

static spa_status read_keys(spa_scenario *s, spa_ini *ini, spa_error *err)
{
    int64_t value;
    SPA_TRY(read_names(s, ini, err));
    bool open = spa_scenario_is_open(s);
    SPA_TRY(spa_ini_i64_or(ini, "scenario", "concurrency", open ? SPA_OPEN_CONCURRENCY : 1, 1,
                           65536, &value, err));
    s->concurrency = (uint32_t)value;
    SPA_TRY(spa_ini_i64_or(ini, "scenario", "requests", 1, 1, INT64_C(1) << 40, &value, err));
    s->requests = (uint64_t)value;
    SPA_TRY(spa_ini_i64_or(ini, "scenario", "warmup", 0, 0, (int64_t)s->requests - 1, &value, err));
    s->warmup = (uint64_t)value;
    SPA_TRY(spa_ini_i64_or(ini, "scenario", "workers", 0, 0, 1, &value, err));
    s->workers = value != 0;
    SPA_TRY(spa_ini_i64_or(ini, "scenario", "serial_ops", 0, 0, 1 << 20, &value, err));
    s->serial_ops = (uint32_t)value;
    if (open)
        SPA_TRY(
            spa_ini_double(ini, "scenario", "rate_hz", MIN_RATE_HZ, MAX_RATE_HZ, &s->rate_hz, err));
    if (s->arrivals == SPA_ARRIVALS_SINGLE && s->concurrency != 1)
        return fail_key(ini, "concurrency", SPA_E_INVALID,
                        "arrivals = single has 1 request in flight; use arrivals = closed", err);
    return spa_ini_check_unused(ini, err);
}

static spa_status finish_parse(spa_scenario *s, spa_ini *ini, spa_error *err)
{
    spa_status status = read_keys(s, ini, err);
    if (status) memset(s, 0, sizeof *s);
    spa_ini_fini(ini);
    return status;
}

spa_status spa_scenario_parse(spa_scenario *s, const char *path_for_messages, const char *text,
                              size_t size, spa_error *err)
{
    spa_ini ini;
    memset(s, 0, sizeof *s);
    SPA_TRY(spa_ini_parse(&ini, path_for_messages, text, size, err));
    return finish_parse(s, &ini, err);
}

spa_status spa_scenario_load(spa_scenario *s, const char *name, spa_error *err)
{
    static const char *const known[] = {"single", "closed", "periodic", "poisson",
                                        "a *.scenario file"};
    size_t length = strlen(name);
    spa_ini ini;
    memset(s, 0, sizeof *s);
    if (strcmp(name, "single") == 0 || strcmp(name, "closed") == 0) {
        *s = name[0] == 's' ? spa_scenario_single() : spa_scenario_closed(1, 20);
        return SPA_OK;
    }
    if (strcmp(name, "periodic") == 0 || strcmp(name, "poisson") == 0) {
        *s = spa_scenario_open(name[1] == 'e' ? SPA_ARRIVALS_PERIODIC : SPA_ARRIVALS_POISSON, 0,
                               SPA_OPEN_CONCURRENCY, 200);
        return SPA_OK;
    }
    if (length < 10 || strcmp(name + length - 9, ".scenario") != 0)
        return spa_fail_unknown(err, "scenario", name, known, 5);
    SPA_TRY(spa_ini_read(&ini, name, err));
    return finish_parse(s, &ini, err);
}
