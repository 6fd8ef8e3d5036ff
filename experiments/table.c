#include "experiments/table.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static int text_width(const char *text)
{
    int n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* Takes `text` (may be NULL) as the next cell. */
static void add_cell(spa_table *t, char *text)
{
    if (t->failed ||
        spa_grow(&t->cells, &t->capacity, t->n_cells + 1, sizeof *t->cells, NULL) != SPA_OK) {
        t->failed = true;
        free(text);
        return;
    }
    t->cells[t->n_cells++] = text;
}

static char *format(const char *fmt, va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof text, fmt, args);
    char *copy = NULL;
    return spa_strdup(&copy, text, NULL) == SPA_OK ? copy : NULL;
}

void spa_table_put(spa_table *table, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = format(fmt, args);
    va_end(args);
    if (!text) table->failed = true;
    add_cell(table, text);
}

void spa_table_init(spa_table *table, const char *heads, const char *align)
{
    *table = (spa_table){.n_columns = strlen(align), .align = align};
    for (size_t i = 0; i < table->n_columns; i++) {
        size_t n = strcspn(heads, "|");
        spa_table_put(table, "%.*s", (int)n, heads);
        heads += n + (heads[n] == '|');
    }
}

void spa_table_fini(spa_table *table)
{
    for (size_t i = 0; i < table->n_cells; i++) free(table->cells[i]);
    free(table->cells);
    *table = (spa_table){0};
}

void spa_table_number(spa_table *table, double x, int decimals)
{
    if (isfinite(x)) {
        spa_table_put(table, "%.*f", decimals, x);
    } else {
        spa_table_put(table, "-");
    }
}

void spa_table_span(spa_table *table, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = format(fmt, args);
    va_end(args);
    if (!text) table->failed = true;
    add_cell(table, text);
    while (!table->failed && table->n_cells % table->n_columns) add_cell(table, NULL);
}

static void column_widths(const spa_table *t, int *widths)
{
    for (size_t i = 0; i < t->n_cells; i++) {
        size_t column = i % t->n_columns;
        bool spans = column + 1 < t->n_columns && i + 1 < t->n_cells && !t->cells[i + 1];
        int width = t->cells[i] && !spans ? text_width(t->cells[i]) : 0;
        if (width > widths[column]) widths[column] = width;
    }
}

static void print_row(const spa_table *t, size_t row, const int *widths, int indent,
                      spa_string *out)
{
    spa_string_append(out, "%*s", indent, "");
    size_t end = out->length;
    for (size_t c = 0; c < t->n_columns; c++) {
        const char *cell = t->cells[row * t->n_columns + c];
        if (!cell) break;
        bool spans = c + 1 < t->n_columns && !t->cells[row * t->n_columns + c + 1];
        int pad = spans ? 0 : widths[c] - text_width(cell);
        bool left = t->align[c] == 'l' || spans;
        spa_string_append(out, "%s%*s%s", c ? "  " : "", left ? 0 : pad, "", cell);
        end = out->length;
        if (left) spa_string_append(out, "%*s", pad, "");
    }
    if (!out->failed) out->length = end; /* no blanks at the end of a line */
    spa_string_append(out, "\n");
}

spa_status spa_table_print(const spa_table *table, int indent, spa_string *out, spa_error *err)
{
    if (table->failed) return spa_fail_nomem(err, table->capacity);
    int widths[SPA_TABLE_COLUMNS] = {0}, total = 0;
    column_widths(table, widths);
    for (size_t c = 0; c < table->n_columns; c++) total += widths[c] + (c ? 2 : 0);
    print_row(table, 0, widths, indent, out);
    spa_string_append(out, "%*s", indent, "");
    for (int i = 0; i < total; i++) spa_string_append(out, "-");
    spa_string_append(out, "\n");
    for (size_t r = 1; r < table->n_cells / table->n_columns; r++) {
        print_row(table, r, widths, indent, out);
    }
    return spa_string_ok(out, err);
}
