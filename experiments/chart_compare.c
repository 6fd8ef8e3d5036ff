#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include "experiments/charts.h"
#include "experiments/gnuplot.h"

enum { PANEL_WIDTH = 800, NARROW_WIDTH = 640, PANEL_HEAD = 82, PANEL_FOOT = 126, ROW_HEIGHT = 22 };

static double interval_of(const spa_outcome *o, spa_objective objective)
{
    bool known = objective == SPA_OBJECTIVE_LATENCY && isfinite(o->ci95_ms);
    return known ? o->ci95_ms : 0;
}

/* The quantity on the axis: what the objective is about, in readable units. */
static double axis_value(const spa_outcome *o, spa_objective objective)
{
    if (o->is_skipped) return NAN;
    return objective == SPA_OBJECTIVE_THROUGHPUT ? o->throughput_ips
                                                 : spa_outcome_value(o, objective);
}

static const char *axis_label(spa_objective objective)
{
    switch (objective) {
    case SPA_OBJECTIVE_ENERGY:
        return "energy per inference, whole board (mJ)";
    case SPA_OBJECTIVE_EDP:
        return "energy-delay product (mJ ms)";
    case SPA_OBJECTIVE_THROUGHPUT:
        return "inferences per second";
    case SPA_OBJECTIVE_LATENCY:
        break;
    }
    return "mean latency per request (ms), bars: 95 % confidence";
}

/* 0 = host alone, 1 = accelerator alone, 2 = both. */
static int group_of(const spa_outcome *o)
{
    return o->hybrid ? 2 : o->gpu_share > 0.5 ? 1 : 0;
}

/* row, value, low, high, group, name; skipped policies go to a block of their own. */
static void put_data(spa_figure *f, const spa_runs *runs, size_t c, spa_objective objective,
                     double *max)
{
    size_t n = runs->policies.count;
    *max = 0;
    for (int skipped = 0; skipped < 2; skipped++) {
        spa_string_append(&f->data, "$%s%zu << EOD\n", skipped ? "skipped" : "bars", c);
        for (size_t i = 0; i < n; i++) {
            const spa_outcome *o = spa_runs_outcome(runs, c, i);
            double value = axis_value(o, objective), ci = interval_of(o, objective);
            if (isfinite(value) == (skipped == 1)) continue;
            if (skipped) {
                spa_string_append(&f->data, "%zu ", i);
            } else {
                spa_string_append(&f->data, "%zu %.9g %.9g %.9g %d ", i, value, value - ci,
                                  value + ci, group_of(o));
                if (value + ci > *max) *max = value + ci;
            }
            spa_figure_cell(&f->data, spa_outcome_label(o));
            spa_string_append(&f->data, "\n");
        }
        spa_string_append(&f->data, "EOD\n");
    }
}

static void put_titles(spa_figure *f, const spa_runs *runs, size_t c, const spa_options *options)
{
    const spa_case *k = &runs->cases[c];
    char origin[128], line[600];
    uint64_t reps = spa_study_reps(options);
    snprintf(line, sizeof line, "%.100s on %.100s@%.60s", k->graph.name, k->costs.device,
             k->costs.mode);
    spa_string_append(&f->commands, "set label 1 ");
    spa_figure_text(&f->commands, line);
    spa_string_append(&f->commands, " at screen X0+0.5*W, screen Y1 center offset 0,-1 font ',13'\n"
                                    "set label 2 ");
    snprintf(line, sizeof line, "stack %.60s, lanes %.60s, %s, batch %d", k->costs.stack,
             k->costs.lanes, spa_case_dtype(k), k->graph.batch);
    spa_figure_text(&f->commands, line);
    spa_string_append(&f->commands,
                      " at screen X0+0.5*W, screen Y1 center offset 0,-2.4 font ',9'\n"
                      "set label 3 ");
    snprintf(line, sizeof line, "times %s; scenario %.60s, %" PRIu64 " replication%s",
             spa_case_origin_text(k, origin), runs->scenario.name, reps, reps == 1 ? "" : "s");
    spa_figure_text(&f->commands, line);
    spa_string_append(&f->commands,
                      " at screen X0+0.5*W, screen Y1 center offset 0,-3.6 font ',9'\n");
}

static void put_bars(spa_figure *f, const spa_runs *runs, size_t c, spa_objective objective,
                     double max)
{
    static const struct {
        const char *title, *colour;
    } groups[] = {{"host only", SPA_COLOUR_BLUE},
                  {"accelerator only", SPA_COLOUR_ORANGE},
                  {"both", SPA_COLOUR_GREEN}};
    spa_string *s = &f->commands;
    size_t n = runs->policies.count;
    double bound = (double)runs->cases[c].lower_bound_ns * 1e-6;
    bool bounded = objective == SPA_OBJECTIVE_LATENCY && bound > 0;
    spa_string_append(s, "plot ");
    for (int g = 0; g < 3; g++) {
        spa_string_append(s,
                          "$bars%zu using ($5==%d?$2/2:NaN):1:(0):2:($1-0.36):($1+0.36) "
                          "with boxxyerror fs solid 0.9 noborder lc rgb '%s' title '%s', \\\n",
                          c, g, groups[g].colour, groups[g].title);
    }
    spa_string_append(s,
                      "$bars%zu using 2:1:3:4 with xerrorbars pt 0 lw 1.5 lc rgb 'black' notitle, "
                      "\\\n$bars%zu using 4:1:(sprintf('%%.%df', $2)) with labels left "
                      "offset 0.5,0 font ',9' "
                      "notitle, \\\n$bars%zu using (NaN):1:ytic(6) notitle",
                      c, c,
                      max < 10    ? 3
                      : max < 100 ? 2
                                  : 1,
                      c);
    spa_string_append(
        s,
        ", \\\n$skipped%zu using (0):1:('skipped'):ytic(2) with labels left offset 0.5,0 "
        "font ',9' textcolor rgb '#666666' notitle",
        c);
    if (bounded) {
        spa_string_append(s,
                          ", \\\n'+' using (%.9g):($0<2?$0*%zu-0.5:NaN) every ::0::1 with lines "
                          "dt 2 lw 1.5 lc rgb 'black' title 'lower bound, no splits, no noise'",
                          bound, n);
    }
    spa_string_append(s, "\nunset label\n");
}

/* Two or three models make columns, or else two or three devices; what is more wraps. */
static void arrange(const spa_runs *runs, size_t *columns, size_t *rows, bool *by_model)
{
    size_t n_models = runs->n_cases / runs->n_devices, n_devices = runs->n_devices;
    *by_model = n_models == 2 || n_models == 3;
    *columns = *by_model                          ? n_models
               : n_devices == 2 || n_devices == 3 ? n_devices
               : runs->n_cases > 1                ? 2
                                                  : 1;
    *rows = (runs->n_cases + *columns - 1) / *columns;
}

spa_status spa_chart_compare(const char *path, const spa_runs *runs, const spa_options *options,
                             spa_error *err)
{
    spa_objective objective = (spa_objective)options->objective;
    size_t n = runs->policies.count, columns, rows;
    bool by_model;
    arrange(runs, &columns, &rows, &by_model);
    int panel_height = PANEL_HEAD + PANEL_FOOT + ROW_HEIGHT * (int)n;
    int panel_width = columns > 1 ? NARROW_WIDTH : PANEL_WIDTH;
    spa_figure f = {.width = panel_width * (int)columns, .height = panel_height * (int)rows};
    spa_string_append(
        &f.commands,
        "set multiplot\nset style fill solid\nset border 3\nset tics nomirror out\n"
        "set grid xtics back lt 1 lc rgb '#dddddd'\nset key right bottom horizontal "
        "maxcols 2 samplen 1.2 spacing 1.1 font ',9' width -2\nW = %.6f\nset samples 2\n",
        1.0 / (double)columns);
    for (size_t c = 0; c < runs->n_cases; c++) {
        double max;
        put_data(&f, runs, c, objective, &max);
        size_t column = by_model ? c / runs->n_devices : c % columns;
        size_t row = by_model ? c % runs->n_devices : c / columns;
        double x0 = (double)column / (double)columns, y1 = 1 - (double)row / (double)rows;
        double height = 1.0 / (double)rows, px = height / panel_height;
        spa_string_append(
            &f.commands,
            "X0 = %.6f\nY1 = %.6f\nset lmargin at screen X0 + W*0.25\n"
            "set rmargin at screen X0 + W*0.97\nset tmargin at screen %.6f\n"
            "set bmargin at screen %.6f\nset key at screen X0 + W*0.97, screen %.6f\n",
            x0, y1, y1 - PANEL_HEAD * px, y1 - height + PANEL_FOOT * px, y1 - height + 8 * px);
        spa_string_append(&f.commands,
                          "set xrange [0:%.9g]\nset yrange [%zu-0.4:-0.6]\nset xlabel '%s'\n",
                          max > 0 ? max * 1.13 : 1, n, axis_label(objective));
        put_titles(&f, runs, c, options);
        put_bars(&f, runs, c, objective, max);
    }
    spa_string_append(&f.commands, "unset multiplot\n");
    spa_status status = spa_figure_write(&f, path, err);
    spa_figure_fini(&f);
    return status;
}
