/* JSON documents for --json, on jansson. */
#ifndef SPA_EXPERIMENTS_JSON_H
#define SPA_EXPERIMENTS_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include "base/text.h"

/* A document being built. Failures (no memory, a name that is no UTF-8) are remembered and turn up
 * once, in spa_json_print. */
typedef struct spa_json {
    json_t *root;
    bool failed;
} spa_json;

/* Starts with {"schema": "sparoa.<command>/1"}. Free with spa_json_fini. */
void spa_json_init(spa_json *json, const char *command);
void spa_json_fini(spa_json *json);

/* A number, or null for NaN and infinities; a text, or null for NULL. */
json_t *spa_json_number(double x);
json_t *spa_json_text(spa_json *json, const char *text);
/* Both steal `value`. */
void spa_json_set(spa_json *json, json_t *object, const char *key, json_t *value);
void spa_json_add(spa_json *json, json_t *array, json_t *value);
/* An empty object or array as a member of `object`; owned by it. NULL when there is no memory,
 * which the functions above accept. */
json_t *spa_json_array(spa_json *json, json_t *object, const char *key);
json_t *spa_json_member(spa_json *json, json_t *object, const char *key);
/* A new object at the end of `array`; owned by it. */
json_t *spa_json_row(spa_json *json, json_t *array);

/* Appends the document and a newline. Members keep their order, numbers their exact value. */
spa_status spa_json_print(spa_json *json, spa_string *out, spa_error *err);

#endif
