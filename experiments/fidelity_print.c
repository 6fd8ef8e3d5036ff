/* The table, the JSON document and the points as CSV. */
#include <math.h>
#include <stdio.h>
#include "experiments/fidelity.h"
#include "experiments/json.h"
#include "experiments/table.h"

static const char *target_text(const fidelity_case *c, char text[64])
{
    double limit = 100 * c->limit;
    text[0] = '\0';
    if (c->rule == FIDELITY_MEDIAN && c->limit_p95 > 0)
        snprintf(text, 64, "median <= %g %%, p95 <= %g %%", limit, 100 * c->limit_p95);
    else if (c->rule == FIDELITY_MEDIAN)
        snprintf(text, 64, "median <= %g %%", limit);
    else if (c->rule == FIDELITY_EACH)
        snprintf(text, 64, "each <= %g %%", limit);
    else if (c->rule == FIDELITY_AT_LEAST)
        snprintf(text, 64, "chosen >= %.3g %% of best", 100 / (1 + c->limit));
    else
        snprintf(text, 64, "-");
    return text;
}

static const char *verdict(const fidelity_case *c)
{
    return c->rule == FIDELITY_SHOWN ? "-" : c->met ? "yes" : "no";
}

spa_status fidelity_table(const fidelity *f, spa_string *out, spa_error *err)
{
    spa_table table;
    char text[64];
    spa_table_init(&table, "case|fitted on|predicted|n|median %|p95 %|max %|bias %|target|met",
                   "lllrrrrrll");
    for (size_t i = 0; i < f->n_cases; i++) {
        const fidelity_case *c = &f->cases[i];
        spa_table_put(&table, "%s", c->name);
        spa_table_put(&table, "%s", c->fitted_on);
        spa_table_put(&table, "%s", c->predicted);
        spa_table_put(&table, "%zu", c->n);
        spa_table_number(&table, 100 * c->error.median, 2);
        spa_table_number(&table, 100 * c->error.p95, 2);
        spa_table_number(&table, 100 * c->error.max, 2);
        spa_table_put(&table, "%+.2f", 100 * c->bias);
        spa_table_put(&table, "%s", target_text(c, text));
        if (c->rule == FIDELITY_EACH)
            spa_table_put(&table, "%s (%zu of %zu)", verdict(c), c->within, c->n);
        else
            spa_table_put(&table, "%s", verdict(c));
    }
    spa_status status = spa_table_print(&table, 0, out, err);
    spa_table_fini(&table);
    return status;
}

spa_status fidelity_json(const fidelity *f, spa_string *out, spa_error *err)
{
    spa_json json;
    char text[64];
    spa_json_init(&json, "fidelity");
    json_t *cases = spa_json_array(&json, json.root, "cases");
    for (size_t i = 0; i < f->n_cases; i++) {
        const fidelity_case *c = &f->cases[i];
        json_t *row = spa_json_row(&json, cases);
        spa_json_set(&json, row, "name", spa_json_text(&json, c->name));
        spa_json_set(&json, row, "fitted_on", spa_json_text(&json, c->fitted_on));
        spa_json_set(&json, row, "predicted", spa_json_text(&json, c->predicted));
        spa_json_set(&json, row, "n", json_integer((json_int_t)c->n));
        spa_json_set(&json, row, "median_error", spa_json_number(c->error.median));
        spa_json_set(&json, row, "p95_error", spa_json_number(c->error.p95));
        spa_json_set(&json, row, "max_error", spa_json_number(c->error.max));
        spa_json_set(&json, row, "bias", spa_json_number(c->bias));
        spa_json_set(&json, row, "target",
                     spa_json_text(&json, c->rule == FIDELITY_SHOWN ? NULL : target_text(c, text)));
        spa_json_set(&json, row, "met",
                     c->rule == FIDELITY_SHOWN ? json_null() : json_boolean(c->met));
    }
    spa_status status = spa_json_print(&json, out, err);
    spa_json_fini(&json);
    return status;
}

spa_status fidelity_csv(const fidelity *f, spa_string *out, spa_error *err)
{
    spa_string_append(out, "case,item,unit,measured,predicted,error\n");
    for (size_t i = 0; i < f->n_cases; i++) {
        const fidelity_case *c = &f->cases[i];
        for (size_t j = c->first; j < c->first + c->n; j++) {
            const fidelity_point *p = &f->points[j];
            spa_csv_put(out, c->name);
            spa_string_append(out, ",");
            spa_csv_put(out, p->item);
            spa_string_append(out, ",%s,%.6g,%.6g,%.5f\n", p->unit, p->measured, p->predicted,
                              p->predicted / p->measured - 1);
        }
    }
    return spa_string_ok(out, err);
}
