#include "experiments/json_csv.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"

/* Columns in the order of their first appearance; the cells of the row that is being made. */
typedef struct sheet {
    spa_arena arena;
    const char **names;
    char **cells; /* NULL = empty */
    size_t n, names_capacity, cells_capacity;
    bool writes; /* the second pass; the first one finds the columns */
    spa_string *out;
    spa_error *err;
} sheet;

static spa_status column(sheet *s, const char *name, size_t *at)
{
    for (*at = 0; *at < s->n; ++*at)
        if (!strcmp(s->names[*at], name)) return SPA_OK;
    SPA_TRY(spa_grow(&s->names, &s->names_capacity, s->n + 1, sizeof *s->names, s->err));
    SPA_TRY(spa_grow(&s->cells, &s->cells_capacity, s->n + 1, sizeof *s->cells, s->err));
    SPA_TRY(spa_arena_strdup(&s->arena, &s->names[s->n], name, s->err));
    s->cells[s->n++] = NULL;
    return SPA_OK;
}

static void put_scalar(spa_string *cell, const json_t *value)
{
    if (json_is_string(value))
        spa_string_append(cell, "%s", json_string_value(value));
    else if (json_is_integer(value))
        spa_string_append(cell, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        spa_string_append(cell, "%.17g", json_real_value(value));
    else if (json_is_boolean(value))
        spa_string_append(cell, "%d", json_is_true(value));
}

static bool is_rows(const json_t *value)
{
    return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

/* What an object says itself, nested objects included, into the present row. `set` false empties
 * these cells again. */
static spa_status set_cells(sheet *s, json_t *object, const char *prefix, bool set)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        spa_string name = {0}, cell = {0};
        size_t at;
        if (is_rows(value)) continue;
        spa_string_append(&name, "%s%s%s", prefix, *prefix ? "." : "", key);
        spa_status status = spa_string_ok(&name, s->err);
        if (!status && json_is_object(value)) {
            status = set_cells(s, value, name.text, set);
        } else if (!status) {
            status = column(s, name.text, &at);
            for (size_t i = 0; i < json_array_size(value); i++) {
                if (i) spa_string_append(&cell, " ");
                put_scalar(&cell, json_array_get(value, i));
            }
            if (!json_is_array(value)) put_scalar(&cell, value);
            if (!status) status = spa_string_ok(&cell, s->err);
            if (!status) {
                free(s->cells[at]);
                s->cells[at] = set ? cell.text : NULL;
                if (set) cell.text = NULL;
            }
        }
        free(cell.text);
        spa_string_fini(&name);
        SPA_TRY(status);
    }
    return SPA_OK;
}

static void put_row(sheet *s)
{
    for (size_t i = 0; s->writes && i < s->n; i++) {
        if (i) spa_string_append(s->out, ",");
        spa_csv_put(s->out, s->cells[i] ? s->cells[i] : "");
    }
    if (s->writes) spa_string_append(s->out, "\n");
}

static spa_status walk(sheet *s, json_t *object);

/* The lists of objects in an object, in nested objects too. */
static spa_status walk_lists(sheet *s, json_t *object, size_t *lists)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (json_is_object(value)) SPA_TRY(walk_lists(s, value, lists));
        if (!is_rows(value)) continue;
        ++*lists;
        json_t *table = json_pack("{s:s}", "table", key);
        if (!table) return spa_fail(s->err, SPA_E_NOMEM, "out of memory");
        for (size_t i = 0; i < json_array_size(value); i++) {
            spa_status status = set_cells(s, table, "", true);
            if (!status) status = walk(s, json_array_get(value, i));
            if (status) {
                json_decref(table);
                return status;
            }
        }
        json_decref(table);
    }
    return SPA_OK;
}

static spa_status walk(sheet *s, json_t *object)
{
    size_t lists = 0;
    SPA_TRY(set_cells(s, object, "", true));
    SPA_TRY(walk_lists(s, object, &lists));
    if (lists == 0) put_row(s);
    return set_cells(s, object, "", false);
}

static spa_status convert(sheet *s, json_t *root)
{
    SPA_TRY(walk(s, root));
    for (size_t i = 0; i < s->n; i++) {
        if (i) spa_string_append(s->out, ",");
        spa_csv_put(s->out, s->names[i]);
    }
    spa_string_append(s->out, "\n");
    s->writes = true;
    SPA_TRY(walk(s, root));
    return spa_string_ok(s->out, s->err);
}

spa_status spa_json_csv(const char *document, size_t size, spa_string *csv, spa_error *err)
{
    json_error_t why;
    sheet s = {.out = csv, .err = err};
    json_t *root = json_loadb(document, size, 0, &why);
    if (!root) return spa_fail(err, SPA_E_PARSE, "not a JSON document: %s", why.text);
    spa_arena_init(&s.arena);
    spa_status status = convert(&s, root);
    for (size_t i = 0; i < s.n; i++) free(s.cells[i]);
    free(s.names);
    free(s.cells);
    spa_arena_fini(&s.arena);
    json_decref(root);
    return status;
}
