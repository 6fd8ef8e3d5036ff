#include "base/csv.h"

#include <assert.h>
#include <csv.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"

#define MAX_COLUMNS 1024 /* names are compared with each other */

/* ---------------------------------------------------------------- reading */
typedef struct reader {
    spa_csv *csv;
    struct csv_parser parser;
    char *text; /* all cells, one behind the other; never longer than the input */
    size_t text_used, text_size;
    const char **cells; /* the header's, then the rows' */
    size_t n_cells, max_cells;
    size_t row_cells; /* cells of the row being read that are complete */
    int row_line;     /* line where that row begins */
    bool row_ended;   /* libcsv has just reported the end of a row */
} reader;

/* Blanks are part of a cell (RFC 4180); libcsv would trim them. */
static int no_space(unsigned char c)
{
    return 0;
}

static void on_cell(void *cell, size_t size, void *data)
{
    reader *r = data;
    if (r->row_ended) return; /* behind a stray carriage return: an error follows */
    /* Every cell is followed by a delimiter or newline in the input, which pays for its NUL. */
    assert(r->n_cells < r->max_cells && size < r->text_size - r->text_used);
    char *copy = r->text + r->text_used;
    if (size) memcpy(copy, cell, size);
    copy[size] = '\0';
    r->text_used += size + 1;
    r->cells[r->n_cells++] = copy;
    r->row_cells++;
}

static void on_row(int end, void *data)
{
    reader *r = data;
    r->row_ended = true;
}

static spa_status fail_quote(reader *r, int line, size_t byte, spa_error *err)
{
    const spa_csv *csv = r->csv;
    char name[96] = "";
    if (csv->columns && r->row_cells < csv->n_columns) {
        snprintf(name, sizeof name, "column '%.80s': ", csv->columns[r->row_cells]);
    }
    if (r->parser.quoted) {
        return spa_fail_at(err, SPA_E_PARSE, csv->path, r->row_line,
                           "%sbyte %zu of line %d: text after a closing quote; double each quote "
                           "inside a quoted cell",
                           name, byte, line);
    }
    return spa_fail_at(err, SPA_E_PARSE, csv->path, r->row_line,
                       "%sbyte %zu of line %d: a quote in a cell that does not begin with one; "
                       "quote the whole cell and double the quotes in it",
                       name, byte, line);
}

static spa_status feed(reader *r, const char *part, size_t size, int line, spa_error *err)
{
    if (size == 0) return SPA_OK;
    size_t done = csv_parse(&r->parser, part, size, on_cell, on_row, r);
    if (done == size) return SPA_OK;
    if (csv_error(&r->parser) == CSV_EPARSE) return fail_quote(r, line, done + 1, err);
    return spa_fail_nomem(err, csv_get_buffer_size(&r->parser));
}

static spa_status finish_header(reader *r, spa_error *err)
{
    spa_csv *csv = r->csv;
    csv->header_line = r->row_line;
    if (r->row_cells > MAX_COLUMNS) {
        return spa_fail_at(err, SPA_E_RANGE, csv->path, r->row_line,
                           "%zu columns, more than the %d allowed; is this the right file?",
                           r->row_cells, MAX_COLUMNS);
    }
    for (size_t i = 0; i < r->row_cells; i++) {
        if (r->cells[i][0] == '\0') {
            return spa_fail_at(err, SPA_E_PARSE, csv->path, r->row_line,
                               "column %zu of the header has no name; name it or remove it", i + 1);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(r->cells[i], r->cells[k]) != 0) continue;
            return spa_fail_at(err, SPA_E_PARSE, csv->path, r->row_line,
                               "column '%.100s' stands twice in the header (%zu and %zu); rename "
                               "or remove one",
                               r->cells[i], k + 1, i + 1);
        }
    }
    csv->n_columns = r->row_cells;
    csv->columns = r->cells;
    csv->cells = r->cells + r->row_cells;
    return SPA_OK;
}

static spa_status finish_row(reader *r, spa_error *err)
{
    spa_csv *csv = r->csv;
    if (!csv->columns) return finish_header(r, err);
    if (r->row_cells < csv->n_columns) {
        return spa_fail_at(err, SPA_E_PARSE, csv->path, r->row_line,
                           "the row ends after %zu of %zu cells, before column '%.100s'; add the "
                           "missing cells",
                           r->row_cells, csv->n_columns, csv->columns[r->row_cells]);
    }
    if (r->row_cells > csv->n_columns) {
        return spa_fail_at(err, SPA_E_PARSE, csv->path, r->row_line,
                           "the row has %zu cells, %zu more than the header (last column '%.100s');"
                           " quote cells that hold commas",
                           r->row_cells, r->row_cells - csv->n_columns,
                           csv->columns[csv->n_columns - 1]);
    }
    csv->lines[csv->n_rows++] = r->row_line;
    return SPA_OK;
}

static spa_status fail_return(const char *path, int line, spa_error *err)
{
    return spa_fail_at(err, SPA_E_PARSE, path, line,
                       "a carriage return in the middle of a line; end lines with a newline");
}

/* One line of the file, without and with its end. libcsv takes a carriage return for the end of
 * a row, skips empty lines, and counts no lines: all three are seen to here. */
static spa_status read_line(reader *r, const char *line, size_t length, int number, spa_error *err)
{
    const char *path = r->csv->path;
    size_t body = length - 1; /* the last byte is the newline */
    if (body > 0 && line[body - 1] == '\r') body--;
    bool inside = !r->row_ended; /* in a quoted cell that began on an earlier line */
    if (!inside) {
        if (body == 0) {
            return spa_fail_at(err, SPA_E_PARSE, path, number, "an empty line; remove it");
        }
        if (line[0] == '\r') return fail_return(path, number, err);
        r->row_line = number;
        r->row_cells = 0;
        r->row_ended = false;
    }
    SPA_TRY(feed(r, line, body, number, err));
    if (r->row_ended) return fail_return(path, number, err);
    SPA_TRY(feed(r, line + body, length - body, number, err));
    return r->row_ended ? finish_row(r, err) : SPA_OK;
}

static size_t line_length(const char *text, size_t size)
{
    const char *end = memchr(text, '\n', size);
    return end ? (size_t)(end - text) + 1 : size;
}

/* Skips comments and empty lines; returns the bytes skipped. */
static size_t skip_preamble(const char *text, size_t size, int *line)
{
    size_t at = 0;
    while (at < size) {
        size_t length = line_length(text + at, size - at);
        bool empty = length == 1 || (length == 2 && text[at] == '\r');
        if (!empty && text[at] != '#') break;
        at += length;
        ++*line;
    }
    return at;
}

static spa_status read_lines(reader *r, const char *text, size_t size, int line, spa_error *err)
{
    r->row_ended = true;
    for (size_t at = 0; at < size; line++) {
        size_t length = line_length(text + at, size - at);
        SPA_TRY(read_line(r, text + at, length, line, err));
        at += length;
    }
    if (!r->row_ended) {
        return spa_fail_at(err, SPA_E_PARSE, r->csv->path, r->row_line,
                           "cell %zu of this row begins with a quote that does not end; add the "
                           "closing quote",
                           r->row_cells + 1);
    }
    return SPA_OK;
}

/* Room for the most cells and rows the text can hold, so that nothing moves while reading. */
static spa_status reserve(reader *r, const char *text, size_t size, spa_error *err)
{
    size_t newlines = 0, commas = 0;
    for (size_t i = 0; i < size; i++) {
        newlines += text[i] == '\n';
        commas += text[i] == ',';
    }
    spa_csv *csv = r->csv;
    r->max_cells = newlines + commas;
    r->text_size = size + 1;
    SPA_TRY(spa_arena_alloc(&csv->arena, &r->cells, r->max_cells, sizeof *r->cells, err));
    SPA_TRY(spa_arena_alloc(&csv->arena, &csv->lines, newlines, sizeof *csv->lines, err));
    return spa_arena_alloc(&csv->arena, &r->text, r->text_size, 1, err);
}

static spa_status parse(spa_csv *csv, const char *path, const char *text, size_t size,
                        spa_error *err)
{
    SPA_TRY(spa_arena_strdup(&csv->arena, &csv->path, path, err));
    if (size > SPA_CSV_MAX_BYTES) {
        return spa_fail_at(err, SPA_E_RANGE, path, 0, "larger than %zu bytes; split the table",
                           SPA_CSV_MAX_BYTES);
    }
    SPA_TRY(spa_check_no_nul(path, text, size, err));
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* byte order mark */
        text += 3;
        size -= 3;
    }
    int line = 1;
    size_t skipped = skip_preamble(text, size, &line);
    text += skipped;
    size -= skipped;
    if (size == 0) {
        return spa_fail_at(err, SPA_E_PARSE, path, 0,
                           "no header line; the first line must name the columns");
    }
    if (text[size - 1] != '\n') {
        for (size_t i = 0; i < size; i++) line += text[i] == '\n';
        return spa_fail_at(err, SPA_E_PARSE, path, line,
                           "the last line does not end in a newline (truncated?); write the file "
                           "again, or add a newline if it is complete");
    }
    reader r = {.csv = csv};
    SPA_TRY(reserve(&r, text, size, err));
    if (csv_init(&r.parser, CSV_STRICT) != 0) return spa_fail_nomem(err, 0);
    csv_set_space_func(&r.parser, no_space);
    csv_set_realloc_func(&r.parser, realloc); /* ours, so that tests can make it fail */
    csv_set_free_func(&r.parser, free);
    spa_status status = read_lines(&r, text, size, line, err);
    csv_free(&r.parser);
    return status;
}

spa_status spa_csv_parse(spa_csv *csv, const char *path_for_messages, const char *text, size_t size,
                         spa_error *err)
{
    *csv = (spa_csv){0};
    spa_arena_init(&csv->arena);
    spa_status status = parse(csv, path_for_messages, text, size, err);
    if (status) spa_csv_fini(csv);
    return status;
}

spa_status spa_csv_read(spa_csv *csv, const char *path, spa_error *err)
{
    char *text = NULL;
    size_t size = 0;
    *csv = (spa_csv){0};
    SPA_TRY(spa_read_file(path, SPA_CSV_MAX_BYTES, false, &text, &size, err));
    spa_status status = spa_csv_parse(csv, path, text, size, err);
    free(text);
    return status;
}

void spa_csv_fini(spa_csv *csv)
{
    spa_arena_fini(&csv->arena);
    *csv = (spa_csv){0};
}

/* ---------------------------------------------------------------- columns */
int spa_csv_column(const spa_csv *csv, const char *name)
{
    for (size_t i = 0; i < csv->n_columns; i++) {
        if (strcmp(csv->columns[i], name) == 0) return (int)i;
    }
    return -1;
}

static bool contains(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) return true;
    }
    return false;
}

static spa_status fail_column(const spa_csv *csv, const char *name, const char *const *required,
                              size_t n_required, const char *const *optional, size_t n_optional,
                              spa_error *err)
{
    const char **names = NULL;
    SPA_TRY(spa_alloc(&names, n_required + n_optional, sizeof *names, err));
    if (n_required) memcpy(names, required, n_required * sizeof *names);
    if (n_optional) memcpy(names + n_required, optional, n_optional * sizeof *names);
    spa_error why;
    spa_status status = spa_fail_unknown(&why, "column", name, names, n_required + n_optional);
    free(names);
    return spa_fail_at(err, status, csv->path, csv->header_line, "%s", why.message);
}

spa_status spa_csv_expect(const spa_csv *csv, const char *const *required, size_t n_required,
                          const char *const *optional, size_t n_optional, spa_error *err)
{
    for (size_t i = 0; i < csv->n_columns; i++) {
        const char *name = csv->columns[i];
        if (contains(required, n_required, name) || contains(optional, n_optional, name)) continue;
        return fail_column(csv, name, required, n_required, optional, n_optional, err);
    }
    for (size_t i = 0; i < n_required; i++) {
        if (spa_csv_column(csv, required[i]) >= 0) continue;
        return spa_fail_at(err, SPA_E_PARSE, csv->path, csv->header_line,
                           "column '%s' is missing from the header; add it", required[i]);
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- cells */
static spa_status fail_cell(const spa_csv *csv, size_t row, int column, spa_status status,
                            const char *what, spa_error *err)
{
    int line = row < csv->n_rows ? csv->lines[row] : csv->header_line;
    if (column < 0 || (size_t)column >= csv->n_columns) {
        return spa_fail_at(err, status, csv->path, line, "%s", what);
    }
    return spa_fail_at(err, status, csv->path, line, "column '%.100s': %s", csv->columns[column],
                       what);
}

spa_status spa_csv_fail(const spa_csv *csv, size_t row, int column, spa_error *err, const char *fmt,
                        ...)
{
    char what[sizeof err->message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return fail_cell(csv, row, column, SPA_E_PARSE, what, err);
}

static const char no_column[] = "a column that is needed here is missing; add it to the header";

spa_status spa_csv_double(const spa_csv *csv, size_t row, int column, double min, double max,
                          double *out, spa_error *err)
{
    spa_error why;
    *out = 0;
    if (column < 0) return fail_cell(csv, row, column, SPA_E_PARSE, no_column, err);
    spa_status status = spa_parse_double_in(spa_csv_cell(csv, row, column), min, max, out, &why);
    return status ? fail_cell(csv, row, column, status, why.message, err) : SPA_OK;
}

spa_status spa_csv_double_or(const spa_csv *csv, size_t row, int column, double empty, double min,
                             double max, double *out, spa_error *err)
{
    if (spa_csv_cell(csv, row, column)[0] == '\0') {
        *out = empty;
        return SPA_OK;
    }
    return spa_csv_double(csv, row, column, min, max, out, err);
}

spa_status spa_csv_i64(const spa_csv *csv, size_t row, int column, int64_t min, int64_t max,
                       int64_t *out, spa_error *err)
{
    spa_error why;
    *out = 0;
    if (column < 0) return fail_cell(csv, row, column, SPA_E_PARSE, no_column, err);
    spa_status status = spa_parse_i64_in(spa_csv_cell(csv, row, column), min, max, out, &why);
    return status ? fail_cell(csv, row, column, status, why.message, err) : SPA_OK;
}

spa_status spa_csv_i64_or(const spa_csv *csv, size_t row, int column, int64_t empty, int64_t min,
                          int64_t max, int64_t *out, spa_error *err)
{
    if (spa_csv_cell(csv, row, column)[0] == '\0') {
        *out = empty;
        return SPA_OK;
    }
    return spa_csv_i64(csv, row, column, min, max, out, err);
}

/* ---------------------------------------------------------------- writing */
void spa_csv_put(spa_string *out, const char *cell)
{
    size_t length = strlen(cell);
    /* '#' would make a header a comment, a byte order mark would be skipped at the start of a file;
     * blanks at the ends are lost in other programs. */
    bool quote = strpbrk(cell, ",\"\r\n") != NULL || cell[0] == '#' || cell[0] == ' ' ||
                 cell[0] == '\t' || strncmp(cell, "\xef\xbb\xbf", 3) == 0 ||
                 (length && strchr(" \t", cell[length - 1]));
    if (!quote) {
        spa_string_append(out, "%s", cell);
        return;
    }
    spa_string_append(out, "\"");
    while (*cell) {
        size_t run = strcspn(cell, "\"");
        spa_string_append(out, "%.*s", (int)run, cell);
        cell += run;
        if (*cell == '"') {
            spa_string_append(out, "\"\"");
            cell++;
        }
    }
    spa_string_append(out, "\"");
}
