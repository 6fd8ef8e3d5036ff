/* Charts of validate and replay: a point per schedule; a run beside its simulation. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "experiments/charts_hardware.h"
#include "experiments/gnuplot.h"
#include "experiments/lanes_device.h"

#define PERCENT 100

/* ---- scatter --------------------------------------------------------------------------------- */

enum { PANEL = 330, SCATTER_HEIGHT = 420, PANELS_MAX = 6 };

static const struct {
    const char *kind, *title, *colour;
    int point;
} kinds[] = {
    {"random", "random schedules", SPA_COLOUR_SKY, 6},
    {"policy", "policies", SPA_COLOUR_VERMILLION, 9},
    {"file", "this schedule", SPA_COLOUR_VERMILLION, 9},
    {"anchor", "anchors (all on one lane)", "#000000", 4},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static void put_points(spa_figure *f, const spa_validation *v, size_t panel)
{
    for (int k = 0; k < N_KINDS; k++) {
        spa_string_append(&f->data, "$points%zu_%d << EOD\n", panel, k);
        for (size_t i = 0; i < v->n_rows; i++) {
            const spa_validated *r = &v->rows[i];
            if (r->is_skipped || strcmp(r->kind, kinds[k].kind) != 0) continue;
            spa_string_append(&f->data, "%.6f %.6f %.6f\n", r->simulated_ms * r->scale,
                              r->measured_ms, r->spread_ms);
        }
        spa_string_append(&f->data, "NaN NaN NaN\nEOD\n"); /* never empty */
    }
}

static void put_panel(spa_figure *f, const spa_validation *v, size_t panel, size_t n)
{
    char title[300];
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < v->n_rows; i++) {
        const spa_validated *r = &v->rows[i];
        if (r->is_skipped) continue;
        low = fmin(low, fmin(r->measured_ms - r->spread_ms, r->simulated_ms * r->scale));
        high = fmax(high, fmax(r->measured_ms + r->spread_ms, r->simulated_ms * r->scale));
    }
    double room = (high - low) * 0.05;
    spa_string_append(&f->commands, "set lmargin at screen %.4f\nset rmargin at screen %.4f\n",
                      ((double)panel + 0.19) / (double)n, ((double)panel + 0.97) / (double)n);
    spa_string_append(&f->commands, "set xrange [%.6f:%.6f]\nset yrange [%.6f:%.6f]\n", low - room,
                      high + room, low - room, high + room);
    snprintf(title, sizeof title, "%.60s%s", v->model, v->concurrency > 1 ? ", " : "");
    if (v->concurrency > 1) {
        size_t used = strlen(title);
        snprintf(title + used, sizeof title - used, "%u in flight", v->concurrency);
    }
    spa_string_append(&f->commands, "set title ");
    spa_figure_text(&f->commands, title);
    spa_string_append(&f->commands, " offset 0,1.2 font ',12'\nset label 10 ");
    snprintf(title, sizeof title, "error %.1f %%, p95 %.1f %%; floor %.1f %%; tau %.2f",
             v->rescaled.median * PERCENT, v->rescaled.p95 * PERCENT, v->floor_median * PERCENT,
             v->rescaled.tau);
    spa_figure_text(&f->commands, title);
    spa_string_append(&f->commands, " at graph 0.5, graph 1.05 center font ',8'\nset ylabel '%s'\n",
                      panel == 0 ? "measured (ms)" : "");
    spa_string_append(&f->commands,
                      "%s\nplot x lt 1 lc rgb '#888888' notitle, x*1.05 lt 1 dt 3 lc "
                      "rgb '#aaaaaa' notitle, x*0.95 lt 1 dt 3 lc rgb '#aaaaaa' "
                      "notitle",
                      panel == 0 ? "" : "unset key\nunset label 1\nunset label 2");
    for (int k = 0; k < N_KINDS; k++) {
        if (k == 2) continue; /* replay has no scatter */
        spa_string_append(&f->commands,
                          ", \\\n$points%zu_%d using 1:2:3 with yerrorbars pt %d ps 0.6 lw 0.6 lc "
                          "rgb '%s' title '%s'",
                          panel, k, kinds[k].point, kinds[k].colour, kinds[k].title);
    }
    spa_string_append(&f->commands, "\n");
}

spa_status spa_chart_scatter(const char *path, const spa_validation *runs, size_t n,
                             const spa_hardware_case *c, spa_error *err)
{
    spa_string caption = {0};
    if (n > PANELS_MAX) n = PANELS_MAX;
    spa_figure f = {.width = PANEL * (int)n, .height = SCATTER_HEIGHT};
    if (f.width < 560) f.width = 560;
    for (size_t i = 0; i < n; i++) put_points(&f, &runs[i], i);
    spa_string_append(&caption, "lanes ");
    spa_lanes_put(&caption, &c->lanes);
    spa_string_append(&caption, "; measured on %s", c->trace.fingerprint.machine);
    spa_string_append(
        &f.commands,
        "set multiplot\nset tmargin at screen 0.84\nset bmargin at screen 0.30\nset border 3\nset "
        "tics nomirror out font ',9'\nset xlabel 'simulated (ms)'\nset key at screen 0.5, screen "
        "0.14 center horizontal maxrows 1 samplen 1 font ',9'\nset label 1 ");
    spa_figure_text(&f.commands, caption.text ? caption.text : "");
    spa_string_append(
        &f.commands,
        " at screen 0.5, screen 0.07 center font ',8'\nset label 2 'simulated times "
        "rescaled by the anchors; dotted: 5 %%; bars: quartiles' at screen 0.5, screen "
        "0.03 center font ',8'\n");
    for (size_t i = 0; i < n; i++) put_panel(&f, &runs[i], i, n);
    spa_string_append(&f.commands, "unset multiplot\n");
    spa_status status = spa_string_ok(&caption, err);
    if (!status) status = spa_figure_write(&f, path, err);
    spa_string_fini(&caption);
    spa_figure_fini(&f);
    return status;
}

/* ---- a run beside its simulation ------------------------------------------------------------- */

enum { PAIR_WIDTH = 1000, ROW_HEIGHT = 44, HEAD = 70, FOOT = 90, LEFT = 150, RIGHT = 20 };
#define LETTER 6.0 /* pixels that a letter of a label takes */

static const char *const sides[] = {"measured", "simulated"};

/* Two rows per lane, measured above simulated: row, begin, end of kernels and copies, ms. Returns
 * how many bars have room for a name. */
static size_t put_bars(spa_figure *f, const spa_graph *g, const spa_validated *r, double scale,
                       double *end_ms)
{
    size_t named = 0;
    spa_string_append(&f->data, "$bars << EOD\n");
    for (int side = 0; side < 2; side++) {
        double factor = 1e-3 * (side ? scale : 1);
        for (size_t i = 0; i < g->n_ops; i++) {
            const spa_step *s = &r->steps[side][i];
            if (s->lane < 0) continue;
            int row = s->lane * 2 + side;
            *end_ms = fmax(*end_ms, s->end * factor);
            spa_string_append(&f->data, "%d %.6f %.6f %d\n", row, s->begin * factor,
                              s->end * factor, side);
            if (s->copy > 0)
                spa_string_append(&f->data, "%d %.6f %.6f 2\n", row, (s->begin - s->copy) * factor,
                                  s->begin * factor);
        }
    }
    spa_string_append(&f->data, "EOD\n$names << EOD\n");
    for (size_t i = 0; i < g->n_ops; i++) {
        const spa_step *s = &r->steps[0][i];
        double room = (s->end - s->begin) * 1e-3 * (PAIR_WIDTH - LEFT - RIGHT) / *end_ms;
        if (s->lane < 0 || (double)strlen(g->ops[i].name) * LETTER > room) continue;
        spa_string_append(&f->data, "%d %.6f ", s->lane * 2, (s->begin + s->end) * 0.5e-3);
        spa_figure_cell(&f->data, g->ops[i].name);
        spa_string_append(&f->data, "\n");
        named++;
    }
    spa_string_append(&f->data, "EOD\n");
    return named;
}

spa_status spa_chart_pair(const char *path, const spa_validation *v, const spa_validated *r,
                          const spa_hardware_case *c, spa_error *err)
{
    const spa_graph *g = &spa_trace_find_model(&c->trace, v->model)->graph;
    size_t rows = 2 * c->lanes.count;
    char line[400];
    double end_ms = 0;
    spa_figure f = {.width = PAIR_WIDTH, .height = HEAD + FOOT + ROW_HEIGHT * (int)rows};
    double h = f.height;
    spa_string_append(&f.data, "$rows << EOD\n");
    for (size_t k = 0; k < rows; k++)
        spa_string_append(&f.data, "%zu \"%s %s\"\n", k, c->lanes.lanes[k / 2].processor,
                          sides[k % 2]);
    spa_string_append(&f.data, "EOD\n");
    size_t named = put_bars(&f, g, r, r->scale, &end_ms);
    snprintf(line, sizeof line,
             "%.60s, %.80s: measured %.3f ms, simulated %.3f ms (x %.3f: %+.1f %%)", v->model,
             r->id, r->measured_ms, r->simulated_ms, r->scale, r->error * PERCENT);
    spa_string_append(
        &f.commands,
        "set lmargin at screen %.4f\nset rmargin at screen %.4f\nset tmargin at "
        "screen %.4f\nset bmargin at screen %.4f\nset yrange [%zu-0.5:-0.5]\nset "
        "xrange [0:%.6f]\nset border 1\nset tics nomirror out\nset ytics scale 0\nset "
        "xlabel 'time (ms)'\nset key at screen 0.98, screen %.4f right bottom "
        "horizontal samplen 1.5\nset label 1 ",
        (double)LEFT / PAIR_WIDTH, 1 - (double)RIGHT / PAIR_WIDTH, 1 - HEAD / h, FOOT / h, rows,
        end_ms * 1.01, 10 / h);
    spa_figure_text(&f.commands, line);
    spa_string_append(&f.commands, " at screen 0.5, screen %.4f center font ',12'\n", 1 - 25 / h);
    static const char *const colours[] = {SPA_COLOUR_BLUE, SPA_COLOUR_SKY, SPA_COLOUR_VERMILLION};
    static const char *const titles[] = {"measured", "simulated", "copy (layout switch)"};
    spa_string_append(&f.commands, "plot $rows using (NaN):1:ytic(2) notitle");
    for (int k = 0; k < 3; k++)
        spa_string_append(
            &f.commands,
            ", \\\n$bars using ($4==%d?$2:NaN):1:2:3:($1-0.42):($1+0.42) with "
            "boxxyerror fs solid 1.0 border lc rgb '#ffffff' fc rgb '%s' lw 0.4 title "
            "'%s'",
            k, colours[k], titles[k]);
    if (named > 0) /* gnuplot 5.4 crashes on labels of which none can be drawn */
        spa_string_append(&f.commands, ", \\\n$names using 2:1:3 with labels font ',8' textcolor "
                                       "rgb '#ffffff' notitle");
    spa_string_append(&f.commands, "\n");
    spa_status status = spa_figure_write(&f, path, err);
    spa_figure_fini(&f);
    return status;
}
