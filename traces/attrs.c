/* An operator's attributes as text: one table for writing and reading. */
#include "traces/table.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef enum attr_form {
    FORM_FLAG,    /* bias */
    FORM_NUMBER,  /* g=1 */
    FORM_NUMBERS, /* k=3x3, p=1,1,1,1: as many as there are fields */
    FORM_LIST,    /* perm=0,2,1: as many as the tensor has dimensions */
    FORM_SHAPE,   /* param=1x1x768 */
    FORM_REAL,    /* alpha=0.125 */
    FORM_WORD     /* fn=exp */
} attr_form;

typedef struct attr_key {
    const char *key;
    unsigned uses;
    attr_form form;
    char separator;
    int n_fields;
    size_t field[4]; /* offsets in spa_op_attrs */
} attr_key;

#define AT(name) offsetof(spa_op_attrs, name)

static const attr_key keys[] = {
    {"k", SPA_USES_KERNEL, FORM_NUMBERS, 'x', 2, {AT(kernel_h), AT(kernel_w)}},
    {"s", SPA_USES_STRIDE, FORM_NUMBERS, 'x', 2, {AT(stride_h), AT(stride_w)}},
    {"p",
     SPA_USES_PADS,
     FORM_NUMBERS,
     ',',
     4,
     {AT(pad_top), AT(pad_left), AT(pad_bottom), AT(pad_right)}},
    {"d", SPA_USES_DILATION, FORM_NUMBERS, 'x', 2, {AT(dilation_h), AT(dilation_w)}},
    {"g", SPA_USES_GROUPS, FORM_NUMBER, 0, 1, {AT(groups)}},
    {"bias", SPA_USES_BIAS, FORM_FLAG, 0, 1, {AT(has_bias)}},
    {"ceil", SPA_USES_CEIL, FORM_FLAG, 0, 1, {AT(ceil_mode)}},
    {"axis", SPA_USES_AXIS, FORM_NUMBER, 0, 1, {AT(axis)}},
    {"begin", SPA_USES_BEGIN, FORM_LIST, ',', 1, {AT(begin)}},
    {"step", SPA_USES_STEP, FORM_LIST, ',', 1, {AT(step)}},
    {"perm", SPA_USES_PERM, FORM_LIST, ',', 1, {AT(perm)}},
    {"transpose_b", SPA_USES_TRANSPOSE_B, FORM_FLAG, 0, 1, {AT(transpose_b)}},
    {"param", SPA_USES_PARAM, FORM_SHAPE, 'x', 1, {AT(param_shape)}},
    {"learned", SPA_USES_PARAM, FORM_FLAG, 0, 1, {AT(param_learned)}},
    {"fn", SPA_USES_FN, FORM_WORD, 0, 1, {AT(fn)}},
    {"alpha", SPA_USES_ALPHA, FORM_REAL, 0, 1, {AT(alpha)}},
    {"beta", SPA_USES_BETA, FORM_REAL, 0, 1, {AT(beta)}},
};

#define N_KEYS (sizeof keys / sizeof keys[0])

static const void *field_of(const spa_op_attrs *attrs, size_t offset)
{
    return (const char *)attrs + offset;
}

/* Kinds in which a real number that is left out is 0. */
static bool is_optional_real(spa_op_kind kind)
{
    return kind == SPA_OP_LAYER_NORM || kind == SPA_OP_MATH || kind == SPA_OP_BINARY;
}

/* Attributes that may be left out, because 0 or "none" is a value like any other. */
static bool is_absent(const attr_key *key, const spa_op *op)
{
    const spa_op_attrs *a = &op->attrs;
    if (key->form == FORM_FLAG) return !*(const bool *)field_of(a, key->field[0]);
    if (key->form == FORM_SHAPE) return a->param_shape.rank == 0;
    if (key->form == FORM_REAL && is_optional_real(op->kind))
        return *(const double *)field_of(a, key->field[0]) == 0;
    if (key->form == FORM_REAL)
        return op->kind == SPA_OP_MUL && (op->n_inputs >= 2 || a->param_shape.rank != 0);
    if (key->uses == SPA_USES_STEP) {
        for (int i = 0; i < SPA_MAX_RANK; i++)
            if (a->step[i] != 0) return false;
        return true;
    }
    return false;
}

static void put_value(spa_string *out, const attr_key *key, const spa_op *op)
{
    const spa_op_attrs *a = &op->attrs;
    const void *first = field_of(a, key->field[0]);
    char text[SPA_SHAPE_TEXT];
    switch (key->form) {
    case FORM_FLAG:
        break;
    case FORM_NUMBER:
    case FORM_NUMBERS:
        for (int i = 0; i < key->n_fields; i++) {
            if (i > 0) spa_string_append(out, "%c", key->separator);
            spa_string_append(out, "%d", (int)*(const int32_t *)field_of(a, key->field[i]));
        }
        break;
    case FORM_LIST: /* slice, pad, roll, transpose: the output has the input's dimensions */
        for (int32_t i = 0; i < op->out.rank; i++) {
            int32_t value = ((const int32_t *)first)[i];
            if (key->uses == SPA_USES_STEP && value == 0) value = 1;
            spa_string_append(out, "%s%d", i > 0 ? "," : "", (int)value);
        }
        break;
    case FORM_SHAPE:
        spa_string_append(out, "%s", spa_shape_text(&a->param_shape, text));
        break;
    case FORM_REAL:
        spa_put_double(out, *(const double *)first);
        break;
    case FORM_WORD:
        spa_string_append(out, "%s", spa_fn_name(a->fn));
        break;
    }
}

void spa_attrs_put(spa_string *out, const spa_op *op)
{
    const char *blank = "";
    for (size_t i = 0; i < N_KEYS; i++) {
        const attr_key *key = &keys[i];
        if ((spa_op_kind_uses(op->kind) & key->uses) == 0 || is_absent(key, op)) continue;
        spa_string_append(out, "%s%s%s", blank, key->key, key->form == FORM_FLAG ? "" : "=");
        put_value(out, key, op);
        blank = " ";
    }
}

/* ---- reading ----------------------------------------------------------------------------- */

/* Numbers between separators: exactly `need`, or at most `need` when `fewer`. */
static spa_status parse_numbers(const char *text, char separator, int need, bool fewer,
                                int32_t *out, spa_error *err)
{
    int n = 0;
    for (const char *p = text;; p++) {
        char number[24] = "";
        const char stop[] = {separator, '\0'};
        size_t length = strcspn(p, stop);
        int64_t value = 0;
        if (length < sizeof number) memcpy(number, p, length);
        if (!spa_parse_i64(number, &value) || value < -SPA_MAX_DIM || value > SPA_MAX_DIM)
            return spa_fail(err, SPA_E_PARSE, "'%.60s': '%.*s' is no whole number within +-2^24",
                            text, length > 60 ? 60 : (int)length, p);
        if (n == need)
            return spa_fail(err, SPA_E_PARSE, "'%.60s': more than %d numbers", text, need);
        out[n++] = (int32_t)value;
        p += length;
        if (*p == '\0') break;
    }
    if (n < need && !fewer)
        return spa_fail(err, SPA_E_PARSE, "'%.60s': %d numbers; %d are needed", text, n, need);
    return SPA_OK;
}

static spa_status fail_fn(const char *text, spa_error *err)
{
    const char *names[SPA_FN_COUNT];
    for (int i = 1; i < SPA_FN_COUNT; i++) names[i - 1] = spa_fn_name((spa_fn)i);
    return spa_fail_unknown(err, "function", text, names, SPA_FN_COUNT - 1);
}

static spa_status parse_value(const attr_key *key, const char *text, spa_op_attrs *attrs,
                              spa_error *err)
{
    int32_t numbers[SPA_MAX_RANK] = {0};
    char *base = (char *)attrs;
    switch (key->form) {
    case FORM_FLAG:
        *(bool *)(void *)(base + key->field[0]) = true;
        return SPA_OK;
    case FORM_NUMBER:
    case FORM_NUMBERS:
        SPA_TRY(parse_numbers(text, key->separator, key->n_fields, false, numbers, err));
        for (int i = 0; i < key->n_fields; i++)
            memcpy(base + key->field[i], &numbers[i], sizeof numbers[i]);
        return SPA_OK;
    case FORM_LIST:
        SPA_TRY(parse_numbers(text, key->separator, SPA_MAX_RANK, true, numbers, err));
        memcpy(base + key->field[0], numbers, sizeof numbers);
        return SPA_OK;
    case FORM_SHAPE:
        SPA_TRY(spa_shape_parse(text, &attrs->param_shape, err));
        if (attrs->param_shape.rank == 0)
            return spa_fail(err, SPA_E_PARSE, "an empty shape; write 1x768");
        return SPA_OK;
    case FORM_WORD:
        if (!spa_fn_from_name(text, &attrs->fn)) return fail_fn(text, err);
        return SPA_OK;
    default:
        if (!spa_parse_double(text, (double *)(void *)(base + key->field[0])))
            return spa_fail(err, SPA_E_PARSE, "'%.60s' is not a number", text);
        return SPA_OK;
    }
}

static spa_status fail_key(const char *name, spa_op_kind kind, spa_error *err)
{
    const char *names[N_KEYS];
    size_t n = 0;
    for (size_t i = 0; i < N_KEYS; i++)
        if ((spa_op_kind_uses(kind) & keys[i].uses) != 0) names[n++] = keys[i].key;
    if (n == 0)
        return spa_fail(err, SPA_E_PARSE, "attribute '%.60s': kind %s has none; remove it", name,
                        spa_op_kind_name(kind));
    char what[64];
    snprintf(what, sizeof what, "attribute of %s", spa_op_kind_name(kind));
    return spa_fail_unknown(err, what, name, names, n);
}

static spa_status check_needed(spa_op_kind kind, size_t n_inputs, unsigned seen,
                               const spa_op_attrs *attrs, spa_error *err)
{
    for (size_t i = 0; i < N_KEYS; i++) {
        const attr_key *key = &keys[i];
        bool optional = key->form == FORM_FLAG || key->form == FORM_SHAPE ||
                        key->uses == SPA_USES_STEP ||
                        (key->form == FORM_REAL && is_optional_real(kind)) ||
                        (kind == SPA_OP_MUL && (n_inputs == 2 || attrs->param_shape.rank != 0));
        bool used = (spa_op_kind_uses(kind) & key->uses) != 0;
        if (used && !optional && (seen & 1u << i) == 0)
            return spa_fail(err, SPA_E_PARSE, "attribute '%s' is missing; kind %s needs it",
                            key->key, spa_op_kind_name(kind));
    }
    return SPA_OK;
}

spa_status spa_attrs_parse(const char *text, spa_op_kind kind, size_t n_inputs, spa_op_attrs *attrs,
                           spa_error *err)
{
    char word[256];
    unsigned seen = 0;
    bool cut;
    *attrs = (spa_op_attrs){0};
    while (spa_next_word(&text, word, sizeof word, &cut)) {
        if (cut) return spa_fail(err, SPA_E_PARSE, "attribute '%.60s...' is too long", word);
        char *equals = strchr(word, '='), *value = equals != NULL ? equals + 1 : word;
        size_t i = 0;
        if (equals != NULL) *equals = '\0';
        while (i < N_KEYS &&
               (strcmp(keys[i].key, word) != 0 || (spa_op_kind_uses(kind) & keys[i].uses) == 0))
            i++;
        if (i == N_KEYS) return fail_key(word, kind, err);
        if ((equals != NULL) == (keys[i].form == FORM_FLAG))
            return spa_fail(err, SPA_E_PARSE, "attribute '%s': write %s", word,
                            keys[i].form == FORM_FLAG ? "it without '='" : "a value behind '='");
        if ((seen & 1u << i) != 0)
            return spa_fail(err, SPA_E_PARSE, "attribute '%s' twice; remove one", word);
        seen |= 1u << i;
        SPA_TRY(parse_value(&keys[i], value, attrs, err));
    }
    return check_needed(kind, n_inputs, seen, attrs, err);
}
