/* What the readers and writers of tables share. */
#include "traces/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const spa_origin_words[SPA_ORIGIN_COUNT] = {"unknown", "assumed", "modelled",
                                                        "imported", "measured"};
const char *const spa_dtype_words[2] = {"fp32", "fp16"};

spa_status spa_csv_pass(const spa_csv *csv, size_t row, int column, const spa_error *why,
                        spa_error *err)
{
    if (why->status == SPA_E_NOMEM) return spa_fail(err, SPA_E_NOMEM, "%s", why->message);
    return spa_csv_fail(csv, row, column, err, "%s", why->message);
}

spa_status spa_shape_parse(const char *text, spa_shape *shape, spa_error *err)
{
    *shape = (spa_shape){0};
    if (text[0] == '\0') return SPA_OK;
    for (const char *p = text;; p++) {
        int64_t dim = 0;
        size_t digits = strspn(p, "0123456789");
        char ending = p[digits];
        if (digits == 0 || (ending != 'x' && ending != '\0'))
            return spa_fail(err, SPA_E_PARSE, "'%.60s' is no shape; write 1x3x224x224", text);
        for (size_t i = 0; i < digits && dim <= SPA_MAX_DIM; i++) dim = dim * 10 + (p[i] - '0');
        if (dim < 1 || dim > SPA_MAX_DIM)
            return spa_fail(err, SPA_E_RANGE, "'%.60s': dimensions are 1 to %lld", text,
                            (long long)SPA_MAX_DIM);
        if (shape->rank == SPA_MAX_RANK)
            return spa_fail(err, SPA_E_RANGE, "'%.60s' has more than %d dimensions", text,
                            SPA_MAX_RANK);
        shape->dim[shape->rank++] = (int32_t)dim;
        p += digits;
        if (ending == '\0') break;
    }
    char what[80];
    snprintf(what, sizeof what, "'%.60s'", text);
    return spa_shape_check(shape, what, err);
}

const char *spa_double_text(double value, char text[SPA_DOUBLE_TEXT])
{
    text[0] = '\0';
    if (isnan(value)) return text;
    for (int digits = 1; digits <= 17; digits++) { /* 17 always read back */
        snprintf(text, SPA_DOUBLE_TEXT, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    return text;
}

void spa_put_double(spa_string *out, double value)
{
    char text[SPA_DOUBLE_TEXT];
    spa_string_append(out, "%s", spa_double_text(value, text));
}

spa_status spa_csv_word(const spa_csv *csv, size_t row, int column, const char *what,
                        const char *const *words, size_t n_words, int empty, int *out,
                        spa_error *err)
{
    const char *cell = spa_csv_cell(csv, row, column);
    spa_error why = {0};
    *out = empty;
    if (cell[0] == '\0' && empty >= 0) return SPA_OK;
    for (size_t i = 0; i < n_words; i++) {
        if (strcmp(cell, words[i]) == 0) {
            *out = (int)i;
            return SPA_OK;
        }
    }
    *out = 0;
    spa_fail_unknown(&why, what, cell, words, n_words);
    return spa_csv_pass(csv, row, column, &why, err);
}

const char *spa_origin_cell(spa_origin origin)
{
    return origin == SPA_ORIGIN_UNKNOWN ? "" : spa_origin_name(origin);
}

bool spa_next_word(const char **text, char *word, size_t size, bool *cut)
{
    const char *p = *text + strspn(*text, " ");
    size_t n = strcspn(p, " "), kept = n < size ? n : size - 1;
    memcpy(word, p, kept);
    word[kept] = '\0';
    *cut = kept < n;
    *text = p + n;
    return n > 0;
}
