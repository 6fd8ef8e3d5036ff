#include "base/params.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/text.h"

#define TEXT_BYTES sizeof(((spa_param_values *)NULL)->text[0])
/* Values are kept as double: larger integers would lose digits. */
#define EXACT_MAX (INT64_C(1) << 53)

void spa_params_defaults(const spa_param *table, size_t count, spa_param_values *values)
{
    assert(count <= SPA_PARAM_MAX);
    memset(values, 0, sizeof *values);
    for (size_t i = 0; i < count; i++) {
        values->number[i] = table[i].value;
        if (table[i].kind == SPA_PARAM_TEXT && table[i].text) {
            assert(strlen(table[i].text) < TEXT_BYTES);
            snprintf(values->text[i], TEXT_BYTES, "%s", table[i].text);
        }
    }
}

static spa_status set_number(const spa_param *p, const char *text, double *out, spa_error *err)
{
    if (p->kind == SPA_PARAM_REAL) return spa_parse_double_in(text, p->min, p->max, out, err);
    double min = p->min < -(double)EXACT_MAX ? -(double)EXACT_MAX : p->min;
    double max = p->max > (double)EXACT_MAX ? (double)EXACT_MAX : p->max;
    int64_t whole = 0;
    *out = 0;
    SPA_TRY(spa_parse_i64_in(text, (int64_t)min, (int64_t)max, &whole, err));
    *out = (double)whole;
    return SPA_OK;
}

/* One "name=value" piece of `length` bytes. */
static spa_status set_one(const spa_param *table, size_t count, const char *owner,
                          const char *piece, size_t length, bool *given, spa_param_values *values,
                          spa_error *err)
{
    char buffer[TEXT_BYTES * 2];
    if (length >= sizeof buffer) {
        return spa_fail(err, SPA_E_PARSE,
                        "%s: parameter '%.40s...' is too long; keep it below %zu"
                        " bytes",
                        owner, piece, sizeof buffer);
    }
    memcpy(buffer, piece, length);
    buffer[length] = '\0';
    char *value = strchr(buffer, '=');
    if (!value || value == buffer) {
        return spa_fail(err, SPA_E_PARSE,
                        "%s: '%.100s' is not a parameter; write name=value, separated by colons",
                        owner, buffer);
    }
    *value++ = '\0';
    const char *names[SPA_PARAM_MAX];
    size_t i = count;
    for (size_t k = 0; k < count; k++) {
        names[k] = table[k].name;
        if (strcmp(buffer, names[k]) == 0) i = k;
    }
    spa_error why = {0};
    if (i == count) {
        spa_status status = spa_fail_unknown(&why, "parameter", buffer, names, count);
        return spa_fail(err, status, "%s: %s", owner, why.message);
    }
    if (given[i]) {
        return spa_fail(err, SPA_E_INVALID, "%s: parameter '%s' is given twice; keep one of them",
                        owner, buffer);
    }
    given[i] = true;
    if (table[i].kind != SPA_PARAM_TEXT) {
        spa_status status = set_number(&table[i], value, &values->number[i], &why);
        if (!status) return SPA_OK;
        return spa_fail(err, status, "%s: parameter '%s': %s", owner, buffer, why.message);
    }
    if (strlen(value) >= TEXT_BYTES) {
        return spa_fail(err, SPA_E_RANGE,
                        "%s: parameter '%s': the text is too long; keep it below %zu bytes", owner,
                        buffer, TEXT_BYTES);
    }
    snprintf(values->text[i], TEXT_BYTES, "%s", value);
    return SPA_OK;
}

spa_status spa_params_parse(const spa_param *table, size_t count, const char *owner,
                            const char *text, spa_param_values *values, spa_error *err)
{
    bool given[SPA_PARAM_MAX] = {false};
    spa_params_defaults(table, count, values);
    if (*text == '\0') return SPA_OK;
    for (;;) {
        size_t length = strcspn(text, ":");
        spa_status status = set_one(table, count, owner, text, length, given, values, err);
        if (status) {
            memset(values, 0, sizeof *values);
            return status;
        }
        if (text[length] == '\0') return SPA_OK;
        text += length + 1;
    }
}
