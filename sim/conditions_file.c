/* Conditions in *.scenario files. */
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "sim/scenario_file.h"

#define MAX_MS 1e9
#define MIN_MS 1e-3 /* what a timer does: shorter would only be slow */

static spa_status read(spa_ini *ini, const char *section, const char *key, double min, double max,
                       double *out, spa_error *err)
{
    return spa_ini_double(ini, section, key, min, max, out, err);
}

/* ---- background ------------------------------------------------------------------------------ */

static spa_status read_background(spa_background *b, spa_ini *ini, const char *section,
                                  spa_error *err)
{
    const char *name = section + strlen("background ");
    if (strlen(name) >= sizeof b->processor)
        return spa_fail_at(err, SPA_E_RANGE, ini->path, 0,
                           "[%.40s...]: the name must be shorter than %zu bytes", section,
                           sizeof b->processor);
    snprintf(b->processor, sizeof b->processor, "%s", name);
    SPA_TRY(read(ini, section, "share", 1e-3, 1, &b->share, err));
    SPA_TRY(spa_ini_double_or(ini, section, "dram_share", 0, 0, 1, &b->dram_share, err));
    SPA_TRY(read(ini, section, "on_ms", MIN_MS, MAX_MS, &b->on_ms, err));
    SPA_TRY(read(ini, section, "off_ms", 0, MAX_MS, &b->off_ms, err));
    if (b->off_ms > 0 && b->off_ms < MIN_MS)
        return scenario_fail(ini, section, "off_ms", SPA_E_RANGE,
                             "write 0 (always on) or at least 0.001", err);
    return spa_ini_double_or(ini, section, "watts", 0, 0, 1e4, &b->watts, err);
}

static spa_status read_backgrounds(spa_conditions *c, spa_ini *ini, spa_error *err)
{
    for (size_t i = 0; i < ini->n_sections; i++) {
        const char *section = ini->sections[i];
        if (strncmp(section, "background ", strlen("background ")) != 0) continue;
        if (c->n_backgrounds == SPA_MAX_BACKGROUNDS)
            return spa_fail_at(err, SPA_E_RANGE, ini->path, ini->section_lines[i],
                               "more than %d background loads", SPA_MAX_BACKGROUNDS);
        SPA_TRY(read_background(&c->backgrounds[c->n_backgrounds++], ini, section, err));
    }
    return SPA_OK;
}

/* ---- governor -------------------------------------------------------------------------------- */

static spa_status read_levels(spa_conditions *c, spa_ini *ini, spa_error *err)
{
    size_t count;
    if (!spa_ini_find(ini, "governor", "levels")) return SPA_OK;
    SPA_TRY(spa_ini_list(ini, "governor", "levels", c->levels, SPA_MAX_LEVELS, &count, err));
    c->n_levels = (uint32_t)count;
    for (size_t i = 0; i < count; i++)
        if (!(c->levels[i] >= 0.01 && c->levels[i] <= 1) ||
            (i && !(c->levels[i] > c->levels[i - 1])) || (i + 1 == count && c->levels[i] != 1))
            return scenario_fail(ini, "governor", "levels", SPA_E_INVALID,
                                 "write rising shares of the mode's clock, from 0.01 up to 1", err);
    return SPA_OK;
}

static spa_status read_schedutil(spa_conditions *c, spa_ini *ini, spa_error *err)
{
    SPA_TRY(read(ini, "governor", "period_ms", MIN_MS, MAX_MS, &c->period_ms, err));
    SPA_TRY(read(ini, "governor", "delay_ms", 0, MAX_MS, &c->delay_ms, err));
    if (c->delay_ms >= c->period_ms)
        return scenario_fail(ini, "governor", "delay_ms", SPA_E_INVALID,
                             "must be shorter than period_ms", err);
    SPA_TRY(read(ini, "governor", "min_ratio", 0.01, 1, &c->min_ratio, err));
    SPA_TRY(read(ini, "governor", "power_exponent", 0, 4, &c->power_exponent, err));
    return read_levels(c, ini, err);
}

/* "0 MAXN, 200 15W": *text is moved behind the comma. */
static spa_status read_change(const char **text, spa_mode_change *change, spa_error *err)
{
    char item[96], *blank;
    size_t length = strcspn(*text, ","), from = strspn(*text, " \t");
    if (length - (from < length ? from : length) >= sizeof item || from >= length)
        return spa_fail(err, SPA_E_PARSE, "write times in ms and modes: 0 MAXN, 200 15W");
    snprintf(item, sizeof item, "%.*s", (int)(length - from), *text + from);
    for (size_t n = strlen(item); n && (item[n - 1] == ' ' || item[n - 1] == '\t');) item[--n] = 0;
    blank = item + strcspn(item, " \t");
    if (!*blank) return spa_fail(err, SPA_E_PARSE, "'%s' lacks a mode; write 200 15W", item);
    *blank++ = '\0';
    blank += strspn(blank, " \t");
    SPA_TRY(spa_parse_double_in(item, 0, MAX_MS, &change->at_ms, err));
    if (strlen(blank) >= sizeof change->mode)
        return spa_fail(err, SPA_E_RANGE, "the mode's name must be shorter than %zu bytes",
                        sizeof change->mode);
    snprintf(change->mode, sizeof change->mode, "%s", blank);
    *text += length;
    if (**text == ',') ++*text;
    return SPA_OK;
}

static spa_status read_list(spa_conditions *c, spa_ini *ini, spa_error *err)
{
    const char *text;
    spa_error why;
    double last;
    SPA_TRY(spa_ini_text(ini, "governor", "modes", &text, err));
    do {
        spa_mode_change *change = &c->changes[c->n_changes];
        if (c->n_changes == SPA_MAX_MODE_CHANGES)
            return scenario_fail(ini, "governor", "modes", SPA_E_RANGE, "more than 16 changes",
                                 err);
        spa_status status = read_change(&text, change, &why);
        if (status) return scenario_fail(ini, "governor", "modes", status, why.message, err);
        if (c->n_changes && !(change->at_ms > change[-1].at_ms))
            return scenario_fail(ini, "governor", "modes", SPA_E_INVALID, "times must rise", err);
        c->n_changes++;
    } while (*text);
    last = c->changes[c->n_changes - 1].at_ms;
    if (!spa_ini_find(ini, "governor", "repeat_ms")) return SPA_OK;
    SPA_TRY(read(ini, "governor", "repeat_ms", MIN_MS, MAX_MS, &c->repeat_ms, err));
    if (c->repeat_ms - last < MIN_MS)
        return scenario_fail(ini, "governor", "repeat_ms", SPA_E_INVALID,
                             "must be later than the last change", err);
    return SPA_OK;
}

static spa_status read_governor(spa_conditions *c, spa_ini *ini, spa_error *err)
{
    static const char *const kinds[] = {"fixed", "schedutil", "list"};
    const char *kind;
    spa_error why;
    /* asked for in any case, so that misspelt sections find the name */
    if (!spa_ini_find(ini, "governor", "kind") && !spa_ini_has_section(ini, "governor"))
        return SPA_OK;
    SPA_TRY(spa_ini_text(ini, "governor", "kind", &kind, err));
    for (int i = 0; i < 3; i++) {
        if (strcmp(kind, kinds[i]) != 0) continue;
        c->governor = (spa_governor)i;
        if (c->governor == SPA_GOVERNOR_SCHEDUTIL) return read_schedutil(c, ini, err);
        if (c->governor == SPA_GOVERNOR_LIST) return read_list(c, ini, err);
        return SPA_OK;
    }
    spa_status status = spa_fail_unknown(&why, "governor", kind, kinds, 3);
    return scenario_fail(ini, "governor", "kind", status, why.message, err);
}

/* ---- thermal --------------------------------------------------------------------------------- */

/* The two numbers that nobody publishes must say where they come from. */
static spa_status check_source(spa_ini *ini, const char *key, spa_error *err)
{
    static const char *const kinds[] = {
        "assumed: ", "measured: ", "datasheet: ", "fitted: ", "derived: "};
    const spa_ini_entry *entry = spa_ini_find(ini, "thermal", key);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(entry->comment, kinds[i], strlen(kinds[i])) == 0) return SPA_OK;
    return scenario_fail(ini, "thermal", key, SPA_E_INVALID,
                         "say where it comes from: # assumed: 1.0 (0.5 to 2), or measured, "
                         "datasheet, fitted, derived",
                         err);
}

static spa_status read_thermal(spa_conditions *c, spa_ini *ini, spa_error *err)
{
    static const char section[] = "thermal";
    spa_thermal *t = &c->thermal;
    double exponent;
    if (!spa_ini_find(ini, section, "r_k_per_w") && !spa_ini_has_section(ini, section))
        return SPA_OK;
    SPA_TRY(read(ini, section, "r_k_per_w", 1e-3, 1e3, &t->r_k_per_w, err));
    SPA_TRY(check_source(ini, "r_k_per_w", err));
    SPA_TRY(read(ini, section, "c_j_per_k", 1e-6, 1e6, &t->c_j_per_k, err));
    SPA_TRY(check_source(ini, "c_j_per_k", err));
    SPA_TRY(read(ini, section, "ambient_c", -100, 200, &t->ambient_c, err));
    SPA_TRY(spa_ini_double_or(ini, section, "start_c", t->ambient_c, -100, 200, &t->start_c, err));
    SPA_TRY(read(ini, section, "throttle_c", -100, 200, &t->throttle_c, err));
    SPA_TRY(read(ini, section, "hysteresis_k", 0, 100, &t->hysteresis_k, err));
    SPA_TRY(read(ini, section, "cap", 0.01, 1, &t->cap, err));
    SPA_TRY(read(ini, section, "poll_ms", MIN_MS, MAX_MS, &t->poll_ms, err));
    SPA_TRY(read(ini, section, "power_exponent", 0, 4, &exponent, err));
    if (c->governor == SPA_GOVERNOR_SCHEDUTIL && exponent != c->power_exponent)
        return scenario_fail(ini, section, "power_exponent", SPA_E_INVALID,
                             "differs from that of [governor]", err);
    c->power_exponent = exponent;
    return SPA_OK;
}

spa_status scenario_read_conditions(spa_conditions *c, spa_ini *ini, spa_error *err)
{
    if (spa_ini_find(ini, "input", "zeros_sd") || spa_ini_has_section(ini, "input"))
        SPA_TRY(read(ini, "input", "zeros_sd", 1e-6, SPA_MAX_ZEROS_SD, &c->zeros_sd, err));
    SPA_TRY(read_backgrounds(c, ini, err));
    SPA_TRY(read_governor(c, ini, err));
    return read_thermal(c, ini, err);
}
