/* CSV tables (on libcsv): a header line, rows of cells, errors that name file, line and column. */
#ifndef SPA_BASE_CSV_H
#define SPA_BASE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_CSV_MAX_BYTES ((size_t)256 << 20)

/* Everything lives in the arena; lines starting with '#' before the header are comments. */
typedef struct spa_csv {
    const char *path; /* as given, for messages */
    size_t n_columns, n_rows;
    const char **columns; /* [n_columns] header names */
    const char **cells;   /* [n_rows * n_columns] NUL-terminated, never NULL */
    int *lines;           /* [n_rows] line in the file where the row begins */
    int header_line;
    spa_arena arena;
} spa_csv;

/* Reads a table. Errors: no header, empty or repeated header name, a row with too few or too many
 * cells, a quote that does not end, a file that does not end in a newline ("truncated?"), size. */
SPA_API spa_status spa_csv_read(spa_csv *csv, const char *path, spa_error *err);
SPA_API spa_status spa_csv_parse(spa_csv *csv, const char *path_for_messages, const char *text,
                                 size_t size, spa_error *err);
SPA_API void spa_csv_fini(spa_csv *csv);

/* Checks that the header consists of exactly the `required` names plus any of the `optional`
 * ones, in any order; unknown columns are errors that name the nearest valid one. */
SPA_API spa_status spa_csv_expect(const spa_csv *csv, const char *const *required,
                                  size_t n_required, const char *const *optional, size_t n_optional,
                                  spa_error *err);

/* Index of a column or -1. */
SPA_API int spa_csv_column(const spa_csv *csv, const char *name);

static inline const char *spa_csv_cell(const spa_csv *csv, size_t row, int column)
{
    return column < 0 ? "" : csv->cells[row * csv->n_columns + (size_t)column];
}

/* Typed cells. A bad cell is SPA_E_PARSE or SPA_E_RANGE: "file:line: column 'x': '...' is ...".
 * *_or: an empty cell (or a missing column) gives `empty` instead of an error. Bounds inclusive. */
SPA_API spa_status spa_csv_double(const spa_csv *csv, size_t row, int column, double min,
                                  double max, double *out, spa_error *err);
SPA_API spa_status spa_csv_double_or(const spa_csv *csv, size_t row, int column, double empty,
                                     double min, double max, double *out, spa_error *err);
SPA_API spa_status spa_csv_i64(const spa_csv *csv, size_t row, int column, int64_t min, int64_t max,
                               int64_t *out, spa_error *err);
SPA_API spa_status spa_csv_i64_or(const spa_csv *csv, size_t row, int column, int64_t empty,
                                  int64_t min, int64_t max, int64_t *out, spa_error *err);
/* Fails at a row: "file:line: column 'x': <message>". */
SPA_API spa_status spa_csv_fail(const spa_csv *csv, size_t row, int column, spa_error *err,
                                const char *fmt, ...) SPA_PRINTF(5, 6);

/* Writes one cell, quoted where needed (RFC 4180). */
struct spa_string;
SPA_API void spa_csv_put(struct spa_string *out, const char *cell);

#ifdef __cplusplus
}
#endif
#endif
