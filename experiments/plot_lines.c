/* Panels with two number axes: lines and scatters. */
#include <math.h>
#include <string.h>
#include "experiments/plot_draw.h"

typedef struct box {
    double x0, x1, y0, y1;
} box;

static void take(box *b, double x, double y)
{
    if (isfinite(x)) {
        b->x0 = fmin(b->x0, x);
        b->x1 = fmax(b->x1, x);
    }
    if (isfinite(y)) {
        b->y0 = fmin(b->y0, y);
        b->y1 = fmax(b->y1, y);
    }
}

/* Room beside the outermost points, a part of the range (of its logarithm); `keep_zero`: none below
 * zero. */
static void widen(double *low, double *high, bool log, bool keep_zero)
{
    if (!(*high >= *low)) *low = log ? 1 : 0, *high = log ? 10 : 1;
    if (log && *low > 0) {
        double room = fmax(pow(*high / *low, 0.05), 1.02);
        *low /= room;
        *high *= room;
    } else {
        double room = fmax((*high - *low) * 0.05, fabs(*high) * 0.005);
        if (room == 0) room = 0.5;
        *low = keep_zero && *low >= 0 && *low - room < 0 ? 0 : *low - room;
        *high += room;
    }
}

static box measure(const spa_plot *plot, const spa_plot_panel *panel, bool *y_log)
{
    box b = {INFINITY, -INFINITY, INFINITY, -INFINITY};
    for (size_t s = 0; s < panel->count; s++) {
        for (size_t i = 0; i < panel->series[s].count; i++) {
            const spa_plot_point *point = &panel->series[s].points[i];
            if (!isfinite(point->y)) continue;
            take(&b, point->x, point->y);
            take(&b, NAN, point->low);
            take(&b, NAN, point->high);
        }
    }
    take(&b, plot->x_guide, plot->y_guide);
    if (plot->diagonal) b.x0 = b.y0 = fmin(b.x0, b.y0), b.x1 = b.y1 = fmax(b.x1, b.y1);
    *y_log = plot->y_log || (plot->y_ratio && b.y0 > 0 && b.y1 > 4 * b.y0);
    widen(&b.x0, &b.x1, plot->x_log, plot->diagonal);
    widen(&b.y0, &b.y1, *y_log, plot->kind == SPA_PLOT_LINES || plot->diagonal);
    return b;
}

/* $lP_S: x, y, low, high. */
static void put_data(const plot_layout *l, size_t p)
{
    const spa_plot_panel *panel = &l->plot->panels[p];
    spa_string *d = &l->figure->data;
    for (size_t s = 0; s < panel->count; s++) {
        spa_string_append(d, "$l%zu_%zu << EOD\n", p, s);
        for (size_t i = 0; i < panel->series[s].count; i++) {
            const spa_plot_point *point = &panel->series[s].points[i];
            if (!isfinite(point->x) || !isfinite(point->y)) continue;
            bool known = isfinite(point->low) && isfinite(point->high);
            spa_string_append(d, "%.9g %.9g %.9g %.9g\n", point->x, point->y,
                              known ? point->low : point->y, known ? point->high : point->y);
        }
        spa_string_append(d, "NaN NaN NaN NaN\nEOD\n"); /* never empty */
    }
}

static void put_guides(const plot_layout *l)
{
    spa_string *s = &l->figure->commands;
    if (isfinite(l->plot->x_guide))
        spa_string_append(s,
                          "set arrow 1 from first %.9g, graph 0 to first %.9g, graph 1 nohead dt 2 "
                          "lw 0.8 lc rgb '#666666' back\n",
                          l->plot->x_guide, l->plot->x_guide);
    if (isfinite(l->plot->y_guide))
        spa_string_append(s,
                          "set arrow 2 from graph 0, first %.9g to graph 1, first %.9g nohead dt 2 "
                          "lw 0.8 lc rgb '#666666' back\n",
                          l->plot->y_guide, l->plot->y_guide);
}

/* The number of a series among all of the figure: its mark. */
static size_t number_of(const spa_plot *plot, const char *name)
{
    for (size_t i = 0; i < plot->n_names; i++)
        if (plot->names[i] == name) return i;
    return 0;
}

void plot_draw_lines(const plot_layout *l, size_t p)
{
    const spa_plot *plot = l->plot;
    const spa_plot_panel *panel = &plot->panels[p];
    spa_string *s = &l->figure->commands;
    bool y_log;
    box b = measure(plot, panel, &y_log);
    put_data(l, p);
    put_guides(l);
    spa_string_append(s, "%s%sset xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n",
                      plot->x_log ? "set logscale x\n" : "", y_log ? "set logscale y\n" : "", b.x0,
                      b.x1, b.y0, b.y1);
    spa_plot_tics(s, 'x', b.x0, b.x1, plot->x_log, l->panel_width < 160 ? 4 : 6);
    spa_plot_tics(s, 'y', b.y0, b.y1, y_log, 5);
    spa_string_append(s, "set grid back lt 1 lw 0.4 lc rgb '#dddddd'\n");
    if (p % l->columns == 0 && *plot->y_label) {
        spa_string_append(s, "set label 3 ");
        spa_plot_cut_text(s, plot->y_label, plot_fit(l->pitch));
        plot_put_place(l, 10, l->top + (double)(p / l->columns) * l->pitch + l->panel_height / 2);
        spa_string_append(s, " center rotate by 90 font ',%d'\n", SPA_PLOT_FONT);
    }
    spa_string_append(s, "plot ");
    if (plot->diagonal) spa_string_append(s, "x lt 1 lw 0.8 lc rgb '#888888', \\\n");
    for (size_t k = 0; k < panel->count; k++) {
        spa_plot_mark m = spa_plot_mark_of(number_of(plot, panel->series[k].name));
        if (plot->kind == SPA_PLOT_LINES)
            spa_string_append(s, "$l%zu_%zu using 1:2 with lines dt %d lw 1.2 lc rgb '%s', \\\n", p,
                              k, m.dash, m.colour);
        /* Marks of their own: those of error bars erase what is around them. */
        spa_string_append(s,
                          "$l%zu_%zu using 1:2:3:4 with yerrorbars pt 0 ps 0 lw 0.7 lc rgb '%s', "
                          "\\\n$l%zu_%zu using 1:2 with points pt %d ps %s lw 0.7 lc rgb '%s', "
                          "\\\n",
                          p, k, m.colour, p, k, m.point,
                          plot->kind == SPA_PLOT_LINES ? "0.5" : "0.45", m.colour);
    }
    spa_string_append(s, "NaN notitle\n");
}
