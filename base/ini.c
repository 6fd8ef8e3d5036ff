#include "base/ini.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"

#define MAX_BYTES    ((size_t)4 << 20)
#define MAX_ENTRIES  10000 /* names are compared with each other */
#define MAX_SECTIONS 1000

/* ---------------------------------------------------------------- reading */
static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the blanks off both ends, in place. */
static char *trim(char *text)
{
    while (is_blank(*text)) text++;
    size_t length = strlen(text);
    while (length > 0 && is_blank(text[length - 1])) text[--length] = '\0';
    return text;
}

/* Cuts a trailing comment off and returns its text: '#' at the start or after a blank, so that
 * a '#' inside a name is kept. */
static char *cut_comment(char *text)
{
    for (char *p = text; *p; p++) {
        if (*p != '#' || (p != text && !is_blank(p[-1]))) continue;
        *p = '\0';
        return trim(p + 1);
    }
    return text + strlen(text);
}

static int find_section(const spa_ini *ini, const char *section)
{
    for (size_t i = 0; i < ini->n_sections; i++) {
        if (strcmp(ini->sections[i], section) == 0) return (int)i;
    }
    return -1;
}

static spa_ini_entry *find_entry(const spa_ini *ini, const char *section, const char *key)
{
    for (size_t i = 0; i < ini->n_entries; i++) {
        spa_ini_entry *e = &ini->entries[i];
        if (strcmp(e->key, key) == 0 && strcmp(e->section, section) == 0) return e;
    }
    return NULL;
}

static spa_status add_section(spa_ini *ini, char *text, int line, spa_error *err)
{
    char *end = strchr(text, ']');
    if (!end) {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, line,
                           "section '%.60s' has no ']'; write [name]", text);
    }
    *end = '\0';
    char *name = trim(text + 1), *rest = trim(end + 1);
    if (*name == '\0') {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, line,
                           "a section without a name; write [name]");
    }
    if (*rest != '\0' && *rest != '#' && *rest != ';') {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, line,
                           "'%.60s' after section [%.60s]; put it on a line of its own", rest,
                           name);
    }
    int first = find_section(ini, name);
    if (first >= 0) {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, line,
                           "section [%.100s] stands in line %d already; join the two", name,
                           ini->section_lines[first]);
    }
    if (ini->n_sections == MAX_SECTIONS) {
        return spa_fail_at(err, SPA_E_RANGE, ini->path, line,
                           "more than %d sections; split the file", MAX_SECTIONS);
    }
    if (ini->n_sections == ini->section_capacity) {
        size_t capacity = ini->section_capacity, need = ini->n_sections + 1;
        SPA_TRY(spa_grow(&ini->section_lines, &capacity, need, sizeof *ini->section_lines, err));
        SPA_TRY(spa_grow(&ini->sections, &ini->section_capacity, need, sizeof *ini->sections, err));
    }
    ini->sections[ini->n_sections] = name;
    ini->section_lines[ini->n_sections++] = line;
    return SPA_OK;
}

static spa_status add_entry(spa_ini *ini, char *text, int line, spa_error *err)
{
    char *equals = strchr(text, '=');
    if (!equals || equals == text) {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, line,
                           "'%.60s' is neither a section, a key nor a comment; write key = value",
                           text);
    }
    *equals = '\0';
    char *value = equals + 1;
    /* The blank that trimming would take is what makes a '#' a comment. */
    char *comment = cut_comment(value);
    spa_ini_entry entry = {.section = ini->n_sections ? ini->sections[ini->n_sections - 1] : "",
                           .key = trim(text),
                           .value = trim(value),
                           .comment = comment,
                           .line = line};
    const spa_ini_entry *first = find_entry(ini, entry.section, entry.key);
    if (first) {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, line,
                           "key '%.100s' of section [%.100s] stands in line %d already; remove one",
                           entry.key, entry.section, first->line);
    }
    if (ini->n_entries == MAX_ENTRIES) {
        return spa_fail_at(err, SPA_E_RANGE, ini->path, line, "more than %d keys; split the file",
                           MAX_ENTRIES);
    }
    SPA_TRY(spa_grow(&ini->entries, &ini->capacity, ini->n_entries + 1, sizeof *ini->entries, err));
    ini->entries[ini->n_entries++] = entry;
    return SPA_OK;
}

static spa_status parse(spa_ini *ini, const char *path, const char *text, size_t size,
                        spa_error *err)
{
    SPA_TRY(spa_arena_strdup(&ini->arena, &ini->path, path, err));
    if (size > MAX_BYTES) {
        return spa_fail_at(err, SPA_E_RANGE, path, 0, "larger than %zu bytes; split the file",
                           MAX_BYTES);
    }
    SPA_TRY(spa_check_no_nul(path, text, size, err));
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* byte order mark */
        text += 3;
        size -= 3;
    }
    char *copy = NULL; /* names and values are cut out of it in place */
    SPA_TRY(spa_arena_alloc(&ini->arena, &copy, size + 1, 1, err));
    if (size) memcpy(copy, text, size);
    int number = 1;
    for (char *line = copy, *next; line; line = next, number++) {
        next = strchr(line, '\n');
        if (next) *next++ = '\0';
        char *content = trim(line);
        if (*content == '\0' || *content == '#' || *content == ';') continue;
        if (*content == '[') {
            SPA_TRY(add_section(ini, content, number, err));
        } else {
            SPA_TRY(add_entry(ini, content, number, err));
        }
    }
    return SPA_OK;
}

spa_status spa_ini_parse(spa_ini *ini, const char *path_for_messages, const char *text, size_t size,
                         spa_error *err)
{
    *ini = (spa_ini){0};
    spa_arena_init(&ini->arena);
    spa_status status = parse(ini, path_for_messages, text, size, err);
    if (status) spa_ini_fini(ini);
    return status;
}

spa_status spa_ini_read(spa_ini *ini, const char *path, spa_error *err)
{
    char *text = NULL;
    size_t size = 0;
    *ini = (spa_ini){0};
    SPA_TRY(spa_read_file(path, MAX_BYTES, false, &text, &size, err));
    spa_status status = spa_ini_parse(ini, path, text, size, err);
    free(text);
    return status;
}

void spa_ini_fini(spa_ini *ini)
{
    free(ini->entries);
    free(ini->sections);
    free(ini->section_lines);
    free(ini->asked);
    spa_arena_fini(&ini->arena);
    *ini = (spa_ini){0};
}

/* ---------------------------------------------------------------- asking */
/* The key of an asked pair "section\0key". */
static const char *asked_key(const char *pair)
{
    return pair + strlen(pair) + 1;
}

/* Remembers the pair for suggestions. Without memory a later message has one suggestion less;
 * asking itself does not fail over that. */
static void remember(spa_ini *ini, const char *section, const char *key)
{
    for (size_t i = 0; i < ini->n_asked; i++) {
        const char *pair = ini->asked[i];
        if (strcmp(asked_key(pair), key) == 0 && strcmp(pair, section) == 0) return;
    }
    size_t s = strlen(section) + 1, k = strlen(key) + 1;
    char *pair = NULL;
    if (spa_arena_alloc(&ini->arena, &pair, s + k, 1, NULL) != SPA_OK) return;
    memcpy(pair, section, s);
    memcpy(pair + s, key, k);
    if (spa_grow(&ini->asked, &ini->asked_capacity, ini->n_asked + 1, sizeof *ini->asked, NULL) !=
        SPA_OK) {
        return;
    }
    ini->asked[ini->n_asked++] = pair;
}

bool spa_ini_has_section(const spa_ini *ini, const char *section)
{
    return find_section(ini, section) >= 0;
}

const spa_ini_entry *spa_ini_find(spa_ini *ini, const char *section, const char *key)
{
    spa_ini_entry *entry = find_entry(ini, section, key);
    remember(ini, section, key);
    if (entry) entry->used = true;
    return entry;
}

/* A required key that is not there: the likely cause is a misspelt one, so that is named. */
static spa_status fail_missing(const spa_ini *ini, const char *section, const char *key,
                               spa_error *err)
{
    int at = find_section(ini, section);
    if (at < 0 && *section) {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, 0,
                           "no section [%s], where '%s' is needed; add it", section, key);
    }
    const spa_ini_entry *near = NULL;
    for (size_t i = 0; i < ini->n_entries && !near; i++) {
        const spa_ini_entry *e = &ini->entries[i];
        if (e->used || strcmp(e->section, section) != 0) continue;
        if (spa_nearest_name(e->key, &key, 1) == 0) near = e;
    }
    if (near) {
        return spa_fail_at(err, SPA_E_PARSE, ini->path, near->line,
                           "section [%s] has no key '%s'; is '%.60s' meant to be it?", section, key,
                           near->key);
    }
    return spa_fail_at(err, SPA_E_PARSE, ini->path, at < 0 ? 0 : ini->section_lines[at],
                       "section [%s] has no key '%s'; add '%s = ...'", section, key, key);
}

static spa_status fail_value(const spa_ini *ini, const spa_ini_entry *e, const spa_error *why,
                             spa_error *err)
{
    return spa_fail_at(err, why->status, ini->path, e->line, "[%s] %s: %s", e->section, e->key,
                       why->message);
}

/* ---------------------------------------------------------------- typed values */
static spa_status entry_double(const spa_ini *ini, const spa_ini_entry *e, double min, double max,
                               double *out, spa_error *err)
{
    spa_error why;
    if (spa_parse_double_in(e->value, min, max, out, &why) == SPA_OK) return SPA_OK;
    return fail_value(ini, e, &why, err);
}

static spa_status entry_i64(const spa_ini *ini, const spa_ini_entry *e, int64_t min, int64_t max,
                            int64_t *out, spa_error *err)
{
    spa_error why;
    if (spa_parse_i64_in(e->value, min, max, out, &why) == SPA_OK) return SPA_OK;
    return fail_value(ini, e, &why, err);
}

spa_status spa_ini_double(spa_ini *ini, const char *section, const char *key, double min,
                          double max, double *out, spa_error *err)
{
    const spa_ini_entry *e = spa_ini_find(ini, section, key);
    *out = 0;
    return e ? entry_double(ini, e, min, max, out, err) : fail_missing(ini, section, key, err);
}

spa_status spa_ini_double_or(spa_ini *ini, const char *section, const char *key, double missing,
                             double min, double max, double *out, spa_error *err)
{
    const spa_ini_entry *e = spa_ini_find(ini, section, key);
    *out = missing;
    return e ? entry_double(ini, e, min, max, out, err) : SPA_OK;
}

spa_status spa_ini_i64(spa_ini *ini, const char *section, const char *key, int64_t min, int64_t max,
                       int64_t *out, spa_error *err)
{
    const spa_ini_entry *e = spa_ini_find(ini, section, key);
    *out = 0;
    return e ? entry_i64(ini, e, min, max, out, err) : fail_missing(ini, section, key, err);
}

spa_status spa_ini_i64_or(spa_ini *ini, const char *section, const char *key, int64_t missing,
                          int64_t min, int64_t max, int64_t *out, spa_error *err)
{
    const spa_ini_entry *e = spa_ini_find(ini, section, key);
    *out = missing;
    return e ? entry_i64(ini, e, min, max, out, err) : SPA_OK;
}

spa_status spa_ini_text(spa_ini *ini, const char *section, const char *key, const char **out,
                        spa_error *err)
{
    const spa_ini_entry *e = spa_ini_find(ini, section, key);
    *out = e ? e->value : NULL;
    return e ? SPA_OK : fail_missing(ini, section, key, err);
}

const char *spa_ini_text_or(spa_ini *ini, const char *section, const char *key, const char *missing)
{
    const spa_ini_entry *e = spa_ini_find(ini, section, key);
    return e ? e->value : missing;
}

/* Splits at blanks and single commas. */
static spa_status parse_list(const char *p, double *out, size_t max, size_t *count, spa_error *err)
{
    for (;;) {
        char number[64];
        size_t length = strcspn(p, " \t,");
        if (length == 0) {
            return spa_fail(err, SPA_E_PARSE, "a number is missing; write numbers like 1 2.5 1e8");
        }
        if (length >= sizeof number) {
            return spa_fail(err, SPA_E_PARSE, "'%.60s...' is not a number", p);
        }
        if (*count == max) {
            return spa_fail(err, SPA_E_RANGE, "more than %zu numbers; remove some", max);
        }
        memcpy(number, p, length);
        number[length] = '\0';
        SPA_TRY(spa_parse_double_in(number, -INFINITY, INFINITY, &out[*count], err));
        ++*count;
        p += length;
        p += strspn(p, " \t");
        if (*p == '\0') return SPA_OK;
        if (*p == ',') p++;
        p += strspn(p, " \t");
    }
}

spa_status spa_ini_list(spa_ini *ini, const char *section, const char *key, double *out, size_t max,
                        size_t *count, spa_error *err)
{
    *count = 0;
    memset(out, 0, max * sizeof *out);
    const spa_ini_entry *e = spa_ini_find(ini, section, key);
    if (!e) return fail_missing(ini, section, key, err);
    spa_error why;
    if (parse_list(e->value, out, max, count, &why) == SPA_OK) return SPA_OK;
    *count = 0;
    memset(out, 0, max * sizeof *out);
    return fail_value(ini, e, &why, err);
}

/* ---------------------------------------------------------------- what nobody asked for */
static bool contains(const char **names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) return true;
    }
    return false;
}

static spa_status fail_unused(const spa_ini *ini, const spa_ini_entry *e, spa_error *err)
{
    const char **names = NULL;
    SPA_TRY(spa_alloc(&names, ini->n_asked, sizeof *names, err));
    size_t n = 0;
    for (size_t i = 0; i < ini->n_asked; i++) {
        if (strcmp(ini->asked[i], e->section) == 0) names[n++] = asked_key(ini->asked[i]);
    }
    spa_error why;
    spa_status status;
    int line = e->line, section = find_section(ini, e->section);
    if (n > 0) {
        status = spa_fail_unknown(&why, "key", e->key, names, n);
    } else if (section < 0) {
        status = spa_fail(&why, SPA_E_NOT_FOUND,
                          "key '%.100s' stands before any section; move it into one", e->key);
    } else { /* nobody asked for anything in this section: its own name is at fault */
        for (size_t i = 0; i < ini->n_asked; i++) {
            if (!contains(names, n, ini->asked[i])) names[n++] = ini->asked[i];
        }
        status = spa_fail_unknown(&why, "section", e->section, names, n);
        line = ini->section_lines[section];
    }
    free(names);
    return spa_fail_at(err, status, ini->path, line, "%s", why.message);
}

spa_status spa_ini_check_unused(const spa_ini *ini, spa_error *err)
{
    for (size_t i = 0; i < ini->n_entries; i++) {
        if (!ini->entries[i].used) return fail_unused(ini, &ini->entries[i], err);
    }
    return SPA_OK;
}
