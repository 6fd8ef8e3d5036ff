#include "experiments/lists.h"

#include "experiments/json.h"
#include "experiments/table.h"

static spa_status print_json(spa_cli *cli, const char *key, const spa_named *rows, size_t count,
                             spa_error *err)
{
    spa_json j;
    spa_json_init(&j, key);
    json_t *list = spa_json_array(&j, j.root, key);
    for (size_t i = 0; i < count; i++) {
        json_t *row = spa_json_row(&j, list);
        spa_json_set(&j, row, "name", spa_json_text(&j, rows[i].name));
        spa_json_set(&j, row, "summary", spa_json_text(&j, rows[i].summary));
    }
    spa_status status = spa_json_print(&j, &cli->out, err);
    spa_json_fini(&j);
    return status;
}

spa_status spa_print_named(spa_cli *cli, const spa_options *options, const char *key,
                           const char *what, const spa_named *rows, size_t count, spa_error *err)
{
    if (options->json) return print_json(cli, key, rows, count, err);
    spa_table t;
    char heads[64];
    snprintf(heads, sizeof heads, "%s|what", what);
    spa_table_init(&t, heads, "ll");
    for (size_t i = 0; i < count; i++) {
        spa_table_put(&t, "%s", rows[i].name);
        spa_table_put(&t, "%s", rows[i].summary);
    }
    spa_status status = spa_table_print(&t, 0, &cli->out, err);
    spa_table_fini(&t);
    return status;
}

void spa_print_params(spa_string *out, const char *owner, const spa_param *params, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const spa_param *q = &params[i];
        spa_string_append(out, "  %s:%s=", owner, q->name);
        if (q->kind == SPA_PARAM_TEXT) {
            spa_string_append(out, "%s", q->text && *q->text ? q->text : "TEXT");
        } else {
            spa_string_append(out, "%g", q->value);
        }
        spa_string_append(out, "%s%s", q->unit && *q->unit ? " " : "", q->unit ? q->unit : "");
        if (q->kind != SPA_PARAM_TEXT) spa_string_append(out, " (%g .. %g)", q->min, q->max);
        spa_string_append(out, "  %s\n", q->help ? q->help : "");
    }
}
