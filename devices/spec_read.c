/* Device files as text: several INI files that act as one, and numbers with sources. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/text.h"
#include "devices/spec.h"

#define PATH_BYTES 4300

static const char *const source_kinds[] = {"datasheet", "measured", "fitted", "derived", "assumed"};
#define N_SOURCE_KINDS (sizeof source_kinds / sizeof *source_kinds)

/* ---------------------------------------------------------------- opening */
static spa_status open_one(spec_files *files, const char *path, bool base, size_t *index,
                           spa_error *err)
{
    if (files->n == SPEC_MAX_FILES) {
        return spa_fail_at(err, SPA_E_RANGE, files->ini[0].path, 0, "more than %d files; join some",
                           SPEC_MAX_FILES);
    }
    SPA_TRY(spa_ini_read(&files->ini[files->n], path, err));
    files->base[files->n] = base;
    *index = files->n++;
    return SPA_OK;
}

/* folder of `beside` + name + suffix */
static spa_status beside_path(char *out, size_t size, const char *beside, const char *name,
                              const char *suffix, spa_error *err)
{
    const char *slash = strrchr(beside, '/');
    int folder = slash ? (int)(slash - beside + 1) : 0;
    int n = snprintf(out, size, "%.*s%s%s", folder, beside, name, suffix);
    if (n < 0 || (size_t)n >= size) {
        return spa_fail_at(err, SPA_E_RANGE, beside, 0, "the path of '%.60s' is too long", name);
    }
    return SPA_OK;
}

/* A device's own file and those it includes. */
static spa_status open_with_includes(spec_files *files, const char *path, bool base, size_t *index,
                                     spa_error *err)
{
    SPA_TRY(open_one(files, path, base, index, err));
    const char *list = spa_ini_text_or(&files->ini[*index], "device", "include", "");
    while (*list) {
        char name[128], full[PATH_BYTES];
        size_t length = strcspn(list, " \t,"), unused = 0;
        if (length >= sizeof name) {
            return spa_fail_at(err, SPA_E_PARSE, path, 0, "include '%.60s...' is too long", list);
        }
        memcpy(name, list, length);
        name[length] = '\0';
        SPA_TRY(beside_path(full, sizeof full, path, name, "", err));
        if (length) SPA_TRY(open_one(files, full, base, &unused, err));
        list += length;
        list += strspn(list, " \t,");
    }
    return SPA_OK;
}

static spa_status open_all(spec_files *files, const char *path, spa_error *err)
{
    size_t own = 0, base = 0;
    char full[PATH_BYTES];
    SPA_TRY(open_with_includes(files, path, false, &own, err));
    const char *like = spa_ini_text_or(&files->ini[own], "device", "like", "");
    if (!*like) return SPA_OK;
    SPA_TRY(beside_path(full, sizeof full, path, like, ".device", err));
    SPA_TRY(open_with_includes(files, full, true, &base, err));
    if (spa_ini_find(&files->ini[base], "device", "like")) {
        return spa_fail_at(err, SPA_E_UNSUPPORTED, path, 0,
                           "it is like '%s', which is itself like another device; name that one",
                           like);
    }
    return SPA_OK;
}

spa_status spec_files_open(spec_files *files, const char *path, spa_error *err)
{
    *files = (spec_files){0};
    spa_status status = open_all(files, path, err);
    if (status != SPA_OK) spec_files_close(files);
    return status;
}

void spec_files_close(spec_files *files)
{
    for (size_t i = 0; i < files->n; i++) spa_ini_fini(&files->ini[i]);
    *files = (spec_files){0};
}

spa_status spec_files_check_unused(const spec_files *files, spa_error *err)
{
    for (size_t i = 0; i < files->n; i++) {
        /* What the base describes beyond what is taken from it is its own business. */
        if (!files->base[i]) SPA_TRY(spa_ini_check_unused(&files->ini[i], err));
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- finding */
/* Only how the software behaves is taken over from another device, never what the machine is. */
static bool is_inherited(const char *section)
{
    static const char *const inherited[] = {"reference", "contention", "stack ", "rates ", "link "};
    for (size_t i = 0; i < sizeof inherited / sizeof *inherited; i++) {
        if (strncmp(section, inherited[i], strlen(inherited[i])) == 0) return true;
    }
    return false;
}

spa_status spec_home(spec_files *files, const char *section, const char *key, spa_ini **home,
                     const spa_ini_entry **entry, spa_error *err)
{
    size_t at = 0, first_section = SPEC_MAX_FILES;
    *entry = NULL;
    for (size_t i = 0; i < files->n; i++) {
        spa_ini *ini = &files->ini[i];
        if (files->base[i] && !is_inherited(section)) continue;
        if (!spa_ini_has_section(ini, section)) continue;
        if (first_section == SPEC_MAX_FILES) first_section = i;
        const spa_ini_entry *found = spa_ini_find(ini, section, key);
        if (!found) continue;
        if (*entry && files->base[i] == files->base[at]) {
            return spa_fail_at(err, SPA_E_PARSE, ini->path, found->line,
                               "[%s] %s stands in %s, line %d, already; remove one", section, key,
                               files->ini[at].path, (*entry)->line);
        }
        if (*entry) continue;
        *entry = found;
        at = i;
    }
    if (!*entry) {
        at = first_section == SPEC_MAX_FILES ? 0 : first_section;
        spa_ini_find(&files->ini[at], section, key); /* known, for suggestions */
    }
    *home = &files->ini[at];
    return SPA_OK;
}

/* ---------------------------------------------------------------- values */
spa_status spec_check_source(const spa_ini *ini, const spa_ini_entry *entry, spa_error *err)
{
    char kind[32] = "";
    size_t length = strcspn(entry->comment, ": \t");
    const char *colon = entry->comment + length;
    colon += strspn(colon, " \t");
    if (*colon != ':' || colon[1 + strspn(colon + 1, " \t")] == '\0' || length >= sizeof kind) {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, entry->line,
                           "[%s] %s has no source; write '%s = %s # kind: where it is from', kind "
                           "one of datasheet, measured, fitted, derived, assumed",
                           entry->section, entry->key, entry->key, entry->value);
    }
    memcpy(kind, entry->comment, length);
    for (size_t i = 0; i < N_SOURCE_KINDS; i++) {
        if (strcmp(kind, source_kinds[i]) == 0) return SPA_OK;
    }
    spa_error why;
    spa_fail_unknown(&why, "kind of source", kind, source_kinds, N_SOURCE_KINDS);
    return spa_fail_at(err, SPA_E_PARSE, ini->path, entry->line, "[%s] %s: %s", entry->section,
                       entry->key, why.message);
}

spa_status spec_entry_number(const spa_ini *ini, const spa_ini_entry *entry, double min, double max,
                             double *out, spa_error *err)
{
    spa_error why;
    spa_status status = spa_parse_double_in(entry->value, min, max, out, &why);
    if (status != SPA_OK) {
        return spa_fail_at(err, status, ini->path, entry->line, "[%s] %s: %s", entry->section,
                           entry->key, why.message);
    }
    return spec_check_source(ini, entry, err);
}

spa_status spec_optional(spec_files *files, const char *section, const char *key, double min,
                         double max, double *out, spa_error *err)
{
    spa_ini *ini = NULL;
    const spa_ini_entry *entry = NULL;
    *out = NAN;
    SPA_TRY(spec_home(files, section, key, &ini, &entry, err));
    return entry ? spec_entry_number(ini, entry, min, max, out, err) : SPA_OK;
}

spa_status spec_number(spec_files *files, const char *section, const char *key, double missing,
                       double min, double max, double *out, spa_error *err)
{
    SPA_TRY(spec_optional(files, section, key, min, max, out, err));
    if (!isnan(*out)) return SPA_OK;
    *out = missing;
    if (!isnan(missing)) return SPA_OK;
    spa_ini *ini = NULL;
    const spa_ini_entry *entry = NULL;
    SPA_TRY(spec_home(files, section, key, &ini, &entry, err));
    return spa_ini_double(ini, section, key, min, max, out, err); /* words the error */
}

spa_status spec_text(spec_files *files, const char *section, const char *key, const char *missing,
                     const char **out, spa_error *err)
{
    spa_ini *ini = NULL;
    const spa_ini_entry *entry = NULL;
    *out = missing;
    SPA_TRY(spec_home(files, section, key, &ini, &entry, err));
    if (!entry) return missing ? SPA_OK : spa_ini_text(ini, section, key, out, err);
    if (!*entry->value) {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, entry->line,
                           "[%s] %s is empty; write a value or remove the line", section, key);
    }
    *out = entry->value;
    return SPA_OK;
}

spa_status spec_flag(spec_files *files, const char *section, const char *key, int missing,
                     bool *out, spa_error *err)
{
    const char *text = NULL;
    *out = missing > 0;
    SPA_TRY(spec_text(files, section, key, missing < 0 ? NULL : "", &text, err));
    if (!*text) return SPA_OK;
    *out = strcmp(text, "yes") == 0;
    if (*out || strcmp(text, "no") == 0) return SPA_OK;
    spa_ini *ini = NULL;
    const spa_ini_entry *entry = NULL;
    SPA_TRY(spec_home(files, section, key, &ini, &entry, err));
    return spa_fail_at(err, SPA_E_PARSE, ini->path, entry->line,
                       "[%s] %s: '%.40s' is not allowed; write yes or no", section, key, text);
}
