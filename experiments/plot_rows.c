/* Panels whose rows are names: bars, dots, stacked bars, heat maps. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/plot_draw.h"

enum { NUMBER_ROOM = 34 }; /* pixels right of a bar's end, for its number */

double plot_row_height(const spa_plot *plot)
{
    if (plot->kind == SPA_PLOT_HEAT) return 13;
    if (plot->kind == SPA_PLOT_STACK || plot->n_names < 2) return 11;
    return 4 + 8 * (double)plot->n_names;
}

static bool is_reference(const spa_plot *plot, const char *name)
{
    return plot->reference && strcmp(plot->reference, name) == 0;
}

/* Names of the rows left of the first column of panels. */
static void put_row_names(const plot_layout *l, size_t p)
{
    spa_string *s = &l->figure->commands;
    const spa_plot *plot = l->plot;
    spa_string_append(s, "set yrange [%zu-0.5:-0.5]\n", plot->n_rows);
    if (p % l->columns != 0) {
        spa_string_append(s, "unset ytics\n");
        return;
    }
    spa_string_append(s, "set ytics scale 0 font ',%d' (", SPA_PLOT_FONT);
    for (size_t i = 0; i < plot->n_rows; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s%.140s",
                 is_reference(plot, plot->rows[i]) ? "\xe2\x96\xb8 " : "", plot->rows[i]);
        spa_string_append(s, "%s", i ? ", " : "");
        spa_plot_cut_text(s, name, 27);
        spa_string_append(s, " %zu", i);
    }
    spa_string_append(s, ")\n");
}

/* ---------------------------------------------------------------- bars, dots, parts */
typedef struct extent {
    double low, high; /* of the axis */
} extent;

static double top_of(const spa_plot_point *point)
{
    return isfinite(point->high) ? fmax(point->high, point->y) : point->y;
}

/* What the axis must show, with room for the numbers. */
static extent measure(const plot_layout *l, const spa_plot_panel *panel)
{
    extent e = {.low = INFINITY, .high = 0};
    for (size_t s = 0; s < panel->count; s++) {
        for (size_t i = 0; i < panel->series[s].count; i++) {
            const spa_plot_point *point = &panel->series[s].points[i];
            if (!isfinite(point->y)) continue;
            e.high = fmax(e.high, top_of(point));
            if (point->y > 0) e.low = fmin(e.low, point->low > 0 ? point->low : point->y);
        }
    }
    if (l->plot->kind == SPA_PLOT_STACK) {
        for (size_t r = 0; r < l->plot->n_rows; r++) {
            double sum = 0;
            for (size_t s = 0; s < panel->count; s++) {
                const spa_plot_point *point =
                    spa_plot_find(panel, panel->series[s].name, l->plot->rows[r]);
                if (point && isfinite(point->y)) sum += point->y;
            }
            e.high = fmax(e.high, sum);
        }
    }
    if (!(e.high > 0)) e.high = 1;
    if (!(e.low < INFINITY)) e.low = e.high / 10;
    double part = 1 - fmin(NUMBER_ROOM / l->panel_width, 0.6);
    if (l->plot->kind == SPA_PLOT_DOTS) {
        e.low /= 1.25;
        e.high = e.low * pow(e.high * 1.05 / e.low, 1 / part);
    } else {
        e.low = 0;
        e.high /= part;
    }
    return e;
}

/* $rP_S: from, to, low, high, y, number, where it stands; $mP: rows without a value. */
static void put_data(const plot_layout *l, size_t p, const extent *e)
{
    const spa_plot *plot = l->plot;
    const spa_plot_panel *panel = &plot->panels[p];
    spa_string *d = &l->figure->data;
    bool stacks = plot->kind == SPA_PLOT_STACK;
    double step = plot->n_names > 1 && !stacks ? 0.84 / (double)plot->n_names : 0;
    double *sum = NULL;
    if (stacks && spa_alloc(&sum, plot->n_rows, sizeof *sum, NULL)) d->failed = true;
    for (size_t s = 0; s < plot->n_names; s++) {
        spa_string_append(d, "$r%zu_%zu << EOD\n", p, s);
        for (size_t r = 0; r < plot->n_rows; r++) {
            const spa_plot_point *point = spa_plot_find(panel, plot->names[s], plot->rows[r]);
            char number[32];
            if (!point || !isfinite(point->y)) continue;
            double y = (double)r + step * ((double)s - ((double)plot->n_names - 1) / 2);
            double from = sum ? sum[r] : e->low, to = sum ? sum[r] + point->y : point->y;
            if (sum) sum[r] = to;
            bool known = isfinite(point->low) && isfinite(point->high);
            double low = known ? point->low : NAN, high = known ? point->high : NAN;
            if (plot->kind == SPA_PLOT_DOTS && low < e->low) low = e->low;
            spa_string_append(d, "%.9g %.9g %.9g %.9g %.4f ", from, to, low, high, y);
            spa_figure_cell(d, spa_plot_number(stacks ? to : point->y, plot->percent, number));
            spa_string_append(d, " %.9g\n", known ? fmax(high, to) : to);
        }
        spa_string_append(d, "NaN NaN NaN NaN NaN \"\" NaN\nEOD\n"); /* never empty */
    }
    spa_string_append(d, "$m%zu << EOD\n", p);
    for (size_t r = 0; r < plot->n_rows; r++) {
        bool any = false, tried = false;
        for (size_t s = 0; s < plot->n_names; s++) {
            const spa_plot_point *point = spa_plot_find(panel, plot->names[s], plot->rows[r]);
            tried |= point != NULL;
            any |= point && isfinite(point->y);
        }
        if (!any) spa_string_append(d, "%zu \"%s\"\n", r, tried ? "not run" : "-");
    }
    spa_string_append(d, "EOD\n");
    free(sum);
}

static bool lacks_rows(const plot_layout *l, size_t p)
{
    const spa_plot *plot = l->plot;
    for (size_t r = 0; r < plot->n_rows; r++) {
        bool any = false;
        for (size_t s = 0; s < plot->n_names && !any; s++) {
            const spa_plot_point *point =
                spa_plot_find(&plot->panels[p], plot->names[s], plot->rows[r]);
            any = point && isfinite(point->y);
        }
        if (!any) return true;
    }
    return false;
}

static bool has_values(const spa_plot_panel *panel, const char *name)
{
    for (size_t s = 0; s < panel->count; s++) {
        if (strcmp(panel->series[s].name, name) != 0) continue;
        for (size_t i = 0; i < panel->series[s].count; i++)
            if (isfinite(panel->series[s].points[i].y)) return true;
    }
    return false;
}

/* A line through the reference's value, where there is one value per row. */
static void put_reference(const plot_layout *l, size_t p)
{
    const spa_plot *plot = l->plot;
    if (!plot->reference || plot->n_names != 1) return;
    const spa_plot_point *point = spa_plot_find(&plot->panels[p], plot->names[0], plot->reference);
    if (!point || !isfinite(point->y)) return;
    spa_string_append(&l->figure->commands,
                      "set arrow 1 from first %.9g, graph 0 to first %.9g, graph 1 nohead dt 3 lw "
                      "0.7 lc rgb '#444444' back\n",
                      point->y, point->y);
}

void plot_draw_rows(const plot_layout *l, size_t p)
{
    const spa_plot *plot = l->plot;
    spa_string *s = &l->figure->commands;
    extent e = measure(l, &plot->panels[p]);
    bool dots = plot->kind == SPA_PLOT_DOTS, stacks = plot->kind == SPA_PLOT_STACK;
    double half = stacks || plot->n_names < 2 ? 0.36 : 0.4 / (double)plot->n_names;
    put_data(l, p, &e);
    put_row_names(l, p);
    put_reference(l, p);
    spa_string_append(s, "%sset xrange [%.9g:%.9g]\n", dots ? "set logscale x\n" : "", e.low,
                      e.high);
    double shown = dots ? e.high : e.high * (1 - fmin(NUMBER_ROOM / l->panel_width, 0.6));
    spa_plot_tics(s, 'x', e.low, shown, dots, l->panel_width < 160 ? 3 : 6);
    spa_string_append(s, "set grid xtics back lt 1 lw 0.4 lc rgb '#dddddd'\nplot ");
    for (size_t k = 0; k < plot->n_names; k++) {
        spa_plot_mark m = spa_plot_mark_of(k);
        /* gnuplot 5.4 crashes on labels of which none can be drawn. */
        if (!has_values(&plot->panels[p], plot->names[k])) continue;
        if (dots) {
            spa_string_append(s,
                              "$r%zu_%zu using 2:5 with points pt %d ps 0.55 lc rgb '%s', \\\n"
                              "$r%zu_%zu using (valid(3)&&$3==$3?$2:NaN):5:3:4 with xerrorbars pt "
                              "0 ps 0 lw 0.8 lc rgb "
                              "'%s', \\\n",
                              p, k, m.point, m.colour, p, k, m.colour);
        } else {
            spa_string_append(s,
                              "$r%zu_%zu using 2:5:1:2:($5-%.4f):($5+%.4f) with boxxyerror fs %s "
                              "border lc rgb '#333333' fc rgb '%s' lw 0.4, \\\n",
                              p, k, half, half, m.fill, m.colour);
        }
        if (!dots && !stacks)
            spa_string_append(s,
                              "$r%zu_%zu using (valid(3)&&$3==$3?$2:NaN):5:3:4 with xerrorbars pt "
                              "0 ps 0 lw 0.8 lc rgb "
                              "'black', \\\n",
                              p, k);
        if (!stacks || k + 1 == plot->n_names)
            spa_string_append(
                s, "$r%zu_%zu using 7:5:6 with labels left offset 0.5,0 font ',%d', \\\n", p, k,
                SPA_PLOT_FONT_SMALL);
    }
    if (lacks_rows(l, p))
        spa_string_append(s,
                          "$m%zu using (%.9g):1:2 with labels left offset 0.3,0 font ',%d' "
                          "textcolor rgb '#888888', \\\n",
                          p, e.low, SPA_PLOT_FONT_SMALL);
    spa_string_append(s, "NaN notitle\n");
}

/* ---------------------------------------------------------------- heat maps */
static double column_width(const plot_layout *l)
{
    return l->panel_width / (double)(l->plot->n_names ? l->plot->n_names : 1);
}

static size_t longest_column(const plot_layout *l)
{
    size_t longest = 1;
    for (size_t i = 0; i < l->plot->n_names; i++) {
        size_t n = spa_plot_letters(l->plot->names[i]);
        if (n > longest) longest = n;
    }
    return longest;
}

static bool heads_stand(const plot_layout *l)
{
    return (double)longest_column(l) * SPA_PLOT_LETTER_SMALL > column_width(l) - 3;
}

enum { HEAD_LETTERS = 20 }; /* of a column head that stands upright */

double plot_head_height(const plot_layout *l)
{
    if (!heads_stand(l)) return 20;
    size_t n = longest_column(l);
    return (double)(n > HEAD_LETTERS ? HEAD_LETTERS : n) * SPA_PLOT_LETTER_SMALL + 8;
}

/* 0 = white to 1 = the palette's blue, through its sky blue: ever darker, in grey too. */
static unsigned heat_colour(double share)
{
    static const double stops[4][4] = {
        {0, 255, 255, 255}, {0.25, 207, 230, 245}, {0.6, 86, 180, 233}, {1, 0, 90, 150}};
    unsigned rgb = 0;
    int k = 0;
    share = fmin(fmax(share, 0), 1);
    while (k < 2 && share > stops[k + 1][0]) k++;
    double t = (share - stops[k][0]) / (stops[k + 1][0] - stops[k][0]);
    for (int c = 1; c <= 3; c++)
        rgb = rgb << 8 | (unsigned)lround(stops[k][c] + t * (stops[k + 1][c] - stops[k][c]));
    return rgb;
}

enum { DARK = 75 }; /* percent of the palette from which on numbers are white */

/* $hP: column, row, fill, colour of the number, number, known. */
static void put_cells(const plot_layout *l, size_t p, bool *any, bool *missing)
{
    const spa_plot *plot = l->plot;
    spa_string *d = &l->figure->data;
    double low = plot->percent ? 0 : 1; /* a ratio begins at 1 */
    spa_string_append(d, "$h%zu << EOD\n", p);
    for (size_t c = 0; c < plot->n_names; c++) {
        for (size_t r = 0; r < plot->n_rows; r++) {
            const spa_plot_point *point =
                spa_plot_find(&plot->panels[p], plot->names[c], plot->rows[r]);
            char number[32];
            bool known = point && isfinite(point->y);
            /* Beyond the palette's end the colour stays; the number says more. */
            double share = known ? (point->y - low) / (plot->heat_limit - low) : 0;
            spa_string_append(d, "%zu %zu %u %u ", c, r, heat_colour(share),
                              share * 100 > DARK ? 0xffffffu : 0u);
            spa_figure_cell(d, known   ? spa_plot_number(point->y, plot->percent, number)
                               : point ? "x"
                                       : "-");
            spa_string_append(d, " %d\n", known ? 1 : 0);
            *any |= known;
            *missing |= !known;
        }
    }
    spa_string_append(d, "EOD\n");
}

void plot_draw_heat(const plot_layout *l, size_t p)
{
    const spa_plot *plot = l->plot;
    spa_string *s = &l->figure->commands;
    bool stands = heads_stand(l), any = false, missing = false;
    put_cells(l, p, &any, &missing);
    put_row_names(l, p);
    spa_string_append(s,
                      "set border 0\nset xrange [-0.5:%zu-0.5]\nunset xtics\nset x2range "
                      "[-0.5:%zu-0.5]\nset x2tics scale 0 font ',%d' %s (",
                      plot->n_names, plot->n_names, SPA_PLOT_FONT_SMALL,
                      stands ? "rotate by 90 left" : "");
    for (size_t c = 0; c < plot->n_names; c++) {
        spa_string_append(s, "%s", c ? ", " : "");
        spa_plot_cut_text(s, plot->names[c], stands ? HEAD_LETTERS : plot_fit(column_width(l)));
        spa_string_append(s, " %zu", c);
    }
    spa_string_append(s, ")\nplot ");
    /* gnuplot crashes on labels of which none can be drawn. */
    if (any)
        spa_string_append(s,
                          "$h%zu using ($6>0?$1:NaN):2:($1-0.5):($1+0.5):($2-0.5):($2+0.5):3 with "
                          "boxxyerror lc rgb variable fs solid 1.0 noborder, \\\n"
                          "$h%zu using ($6>0?$1:NaN):2:5:4 with labels font ',%d' textcolor rgb "
                          "variable, \\\n",
                          p, p, SPA_PLOT_FONT_SMALL);
    if (missing)
        spa_string_append(s,
                          "$h%zu using ($6>0?NaN:$1):2:5 with labels font ',%d' textcolor rgb "
                          "'#888888', \\\n",
                          p, SPA_PLOT_FONT_SMALL);
    spa_string_append(s, "NaN notitle\n");
}
