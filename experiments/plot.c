#include "experiments/plot.h"

#include <math.h>
#include <string.h>
#include <stdlib.h>

void spa_plot_init(spa_plot *plot, spa_plot_kind kind, const char *name)
{
    *plot = (spa_plot){.kind = kind, .name = name, .title = "", .x_label = "", .y_label = ""};
    plot->x_guide = plot->y_guide = NAN;
    plot->heat_limit = 2;
    spa_arena_init(&plot->arena);
}

void spa_plot_fini(spa_plot *plot)
{
    for (size_t p = 0; p < plot->count; p++) {
        for (size_t s = 0; s < plot->panels[p].count; s++) free(plot->panels[p].series[s].points);
        free(plot->panels[p].series);
    }
    free(plot->panels);
    free(plot->rows);
    free(plot->names);
    spa_string_fini(&plot->caption);
    spa_arena_fini(&plot->arena);
}

static void fail(spa_plot *plot, spa_status status)
{
    if (!plot->status) plot->status = status;
}

/* The list's own copy of a text, added when it is new; NULL on failure. */
static const char *intern(spa_plot *plot, const char ***list, size_t *n, size_t *capacity,
                          const char *text)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp((*list)[i], text) == 0) return (*list)[i];
    spa_status status = spa_grow(list, capacity, *n + 1, sizeof **list, NULL);
    const char *copy = NULL;
    if (!status) status = spa_arena_strdup(&plot->arena, &copy, text, NULL);
    if (status) {
        fail(plot, status);
        return NULL;
    }
    return (*list)[(*n)++] = copy;
}

void spa_plot_add_row(spa_plot *plot, const char *row)
{
    if (!plot->status) intern(plot, &plot->rows, &plot->n_rows, &plot->rows_capacity, row);
}

static spa_plot_panel *panel_of(spa_plot *plot, const char *title)
{
    for (size_t i = 0; i < plot->count; i++)
        if (strcmp(plot->panels[i].title, title) == 0) return &plot->panels[i];
    spa_status status =
        spa_grow(&plot->panels, &plot->capacity, plot->count + 1, sizeof *plot->panels, NULL);
    const char *copy = NULL;
    if (!status) status = spa_arena_strdup(&plot->arena, &copy, title, NULL);
    if (status) {
        fail(plot, status);
        return NULL;
    }
    plot->panels[plot->count].title = copy;
    return &plot->panels[plot->count++];
}

static spa_plot_series *series_of(spa_plot *plot, spa_plot_panel *panel, const char *name)
{
    for (size_t i = 0; i < panel->count; i++)
        if (strcmp(panel->series[i].name, name) == 0) return &panel->series[i];
    const char *copy = intern(plot, &plot->names, &plot->n_names, &plot->names_capacity, name);
    if (!copy) return NULL;
    spa_status status =
        spa_grow(&panel->series, &panel->capacity, panel->count + 1, sizeof *panel->series, NULL);
    if (status) {
        fail(plot, status);
        return NULL;
    }
    panel->series[panel->count].name = copy;
    return &panel->series[panel->count++];
}

void spa_plot_add(spa_plot *plot, const char *panel, const char *series, spa_plot_point point)
{
    if (plot->status) return;
    if (point.row) {
        point.row = intern(plot, &plot->rows, &plot->n_rows, &plot->rows_capacity, point.row);
        if (!point.row) return;
    }
    spa_plot_panel *p = panel_of(plot, panel);
    spa_plot_series *s = p ? series_of(plot, p, series) : NULL;
    if (!s) return;
    spa_status status = spa_grow(&s->points, &s->capacity, s->count + 1, sizeof *s->points, NULL);
    if (status) {
        fail(plot, status);
        return;
    }
    s->points[s->count++] = point;
}

const spa_plot_point *spa_plot_find(const spa_plot_panel *panel, const char *series,
                                    const char *row)
{
    for (size_t s = 0; s < panel->count; s++) {
        if (strcmp(panel->series[s].name, series) != 0) continue;
        for (size_t i = 0; i < panel->series[s].count; i++) {
            const spa_plot_point *point = &panel->series[s].points[i];
            if (point->row && strcmp(point->row, row) == 0) return point;
        }
    }
    return NULL;
}

bool spa_plot_is_empty(const spa_plot *plot)
{
    for (size_t p = 0; p < plot->count; p++)
        for (size_t s = 0; s < plot->panels[p].count; s++)
            for (size_t i = 0; i < plot->panels[p].series[s].count; i++)
                if (isfinite(plot->panels[p].series[s].points[i].y)) return false;
    return true;
}

spa_status spa_plot_ok(const spa_plot *plot, spa_error *err)
{
    if (plot->status)
        return spa_fail(err, plot->status, "out of memory for figure '%s'", plot->name);
    return spa_string_ok(&plot->caption, err);
}

/* ---------------------------------------------------------------- the data file */
static void put_cell(spa_string *out, const char *text)
{
    if (!text) return;
    if (!strpbrk(text, ",\"\n\r")) {
        spa_string_append(out, "%s", text);
        return;
    }
    spa_string_append(out, "\"");
    for (; *text; text++) spa_string_append(out, *text == '"' ? "\"\"" : "%c", *text);
    spa_string_append(out, "\"");
}

static void put_number(spa_string *out, double x)
{
    spa_string_append(out, ",");
    if (isfinite(x)) spa_string_append(out, "%.9g", x);
}

/* A comment may not end early. */
static void put_comment(spa_string *out, const char *what, const char *text)
{
    spa_string_append(out, "# %s: ", what);
    for (; *text; text++) spa_string_append(out, "%c", (unsigned char)*text < 0x20 ? ' ' : *text);
    spa_string_append(out, "\n");
}

spa_status spa_plot_csv(const spa_plot *plot, spa_string *out, spa_error *err)
{
    SPA_TRY(spa_plot_ok(plot, err));
    put_comment(out, "figure", plot->title);
    put_comment(out, "x", plot->x_label);
    put_comment(out, "y", plot->y_label);
    put_comment(out, "caption", plot->caption.text ? plot->caption.text : "");
    spa_string_append(out, "panel,series,row,x,value,low,high\n");
    for (size_t p = 0; p < plot->count; p++) {
        const spa_plot_panel *panel = &plot->panels[p];
        for (size_t s = 0; s < panel->count; s++) {
            for (size_t i = 0; i < panel->series[s].count; i++) {
                const spa_plot_point *point = &panel->series[s].points[i];
                put_cell(out, panel->title);
                spa_string_append(out, ",");
                put_cell(out, panel->series[s].name);
                spa_string_append(out, ",");
                put_cell(out, point->row);
                put_number(out, point->row ? NAN : point->x);
                put_number(out, point->y);
                put_number(out, point->low);
                put_number(out, point->high);
                spa_string_append(out, "\n");
            }
        }
    }
    return spa_string_ok(out, err);
}
