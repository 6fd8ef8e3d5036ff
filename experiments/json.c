#include "experiments/json.h"

#include <math.h>
#include <stdlib.h>

void spa_json_init(spa_json *json, const char *command)
{
    *json = (spa_json){.root = json_object()};
    spa_json_set(json, json->root, "schema", json_sprintf("sparoa.%s/1", command));
}

void spa_json_fini(spa_json *json)
{
    json_decref(json->root);
    *json = (spa_json){0};
}

json_t *spa_json_number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

json_t *spa_json_text(spa_json *json, const char *text)
{
    json_t *value = text ? json_string(text) : json_null();
    if (!value) json->failed = true;
    return value;
}

void spa_json_set(spa_json *json, json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) != 0) json->failed = true;
}

void spa_json_add(spa_json *json, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0) json->failed = true;
}

json_t *spa_json_array(spa_json *json, json_t *object, const char *key)
{
    json_t *array = json_array();
    spa_json_set(json, object, key, array);
    return array;
}

json_t *spa_json_member(spa_json *json, json_t *object, const char *key)
{
    json_t *member = json_object();
    spa_json_set(json, object, key, member);
    return member;
}

json_t *spa_json_row(spa_json *json, json_t *array)
{
    json_t *row = json_object();
    spa_json_add(json, array, row);
    return row;
}

spa_status spa_json_print(spa_json *json, spa_string *out, spa_error *err)
{
    char *text = NULL;
    if (!json->failed) {
        text =
            json_dumps(json->root, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
    }
    if (!text) {
        return spa_fail(err, SPA_E_NOMEM,
                        "the JSON document cannot be made: out of memory, or a name is no UTF-8");
    }
    spa_string_append(out, "%s\n", text);
    free(text);
    return spa_string_ok(out, err);
}
