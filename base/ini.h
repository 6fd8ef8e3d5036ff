/* INI files: [section], key = value, comments with # or ;. Every key must be asked for: what
 * nobody read is an unknown key, an error that names the nearest one asked for. */
#ifndef SPA_BASE_INI_H
#define SPA_BASE_INI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_ini_entry {
    const char *section, *key, *value; /* value without its trailing comment and blanks */
    const char *comment;               /* text after " #" on the same line, or "" */
    int line;
    bool used;
} spa_ini_entry;

typedef struct spa_ini {
    const char *path;
    spa_ini_entry *entries;
    size_t n_entries, capacity;
    const char **sections; /* in order of appearance */
    int *section_lines;
    size_t n_sections, section_capacity;
    const char **asked; /* "section\0key" pairs asked for, to suggest names */
    size_t n_asked, asked_capacity;
    spa_arena arena;
} spa_ini;

/* Errors: a line that is neither section, key nor comment; a repeated key or section. */
SPA_API spa_status spa_ini_read(spa_ini *ini, const char *path, spa_error *err);
SPA_API spa_status spa_ini_parse(spa_ini *ini, const char *path_for_messages, const char *text,
                                 size_t size, spa_error *err);
SPA_API void spa_ini_fini(spa_ini *ini);

SPA_API bool spa_ini_has_section(const spa_ini *ini, const char *section);
/* Entry or NULL; marks it used. */
SPA_API const spa_ini_entry *spa_ini_find(spa_ini *ini, const char *section, const char *key);

/* Typed values, in bounds; a missing required key is an error that names the section. */
SPA_API spa_status spa_ini_double(spa_ini *ini, const char *section, const char *key, double min,
                                  double max, double *out, spa_error *err);
SPA_API spa_status spa_ini_double_or(spa_ini *ini, const char *section, const char *key,
                                     double missing, double min, double max, double *out,
                                     spa_error *err);
SPA_API spa_status spa_ini_i64(spa_ini *ini, const char *section, const char *key, int64_t min,
                               int64_t max, int64_t *out, spa_error *err);
SPA_API spa_status spa_ini_i64_or(spa_ini *ini, const char *section, const char *key,
                                  int64_t missing, int64_t min, int64_t max, int64_t *out,
                                  spa_error *err);
SPA_API spa_status spa_ini_text(spa_ini *ini, const char *section, const char *key,
                                const char **out, spa_error *err);
SPA_API const char *spa_ini_text_or(spa_ini *ini, const char *section, const char *key,
                                    const char *missing);
/* Up to max numbers separated by blanks or commas. */
SPA_API spa_status spa_ini_list(spa_ini *ini, const char *section, const char *key, double *out,
                                size_t max, size_t *count, spa_error *err);

/* An error for the first entry that nobody asked for. Call when reading is done. */
SPA_API spa_status spa_ini_check_unused(const spa_ini *ini, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
