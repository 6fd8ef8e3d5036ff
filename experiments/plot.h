/* A figure before it is drawn: panels of named series of points. One model for all figures, so that
 * every one has its data file, the same style and the same caption; plot_style.h says how it looks,
 * plot_draw.c draws it. */
#ifndef SPA_EXPERIMENTS_PLOT_H
#define SPA_EXPERIMENTS_PLOT_H

#include "base/memory.h"
#include "experiments/gnuplot.h"

typedef enum spa_plot_kind {
    SPA_PLOT_BARS,   /* a bar per row and series, lengths on a linear axis from 0 */
    SPA_PLOT_DOTS,   /* a marker per row and series, on a logarithmic axis */
    SPA_PLOT_STACK,  /* a bar per row, the series are its parts */
    SPA_PLOT_HEAT,   /* rows x series, a coloured cell with its number */
    SPA_PLOT_LINES,  /* y over x, a line with markers per series */
    SPA_PLOT_SCATTER /* y over x, a marker per point */
} spa_plot_kind;

/* `row` is NULL where x counts. Intervals are NaN where they are not known. y NaN = no value. */
typedef struct spa_plot_point {
    const char *row;
    double x, y, low, high;
} spa_plot_point;

typedef struct spa_plot_series {
    const char *name;
    spa_plot_point *points;
    size_t count, capacity;
} spa_plot_series;

typedef struct spa_plot_panel {
    const char *title;
    spa_plot_series *series;
    size_t count, capacity;
} spa_plot_panel;

/* Texts that are set from outside must outlive the plot; those given to functions are copied.
 * Initialise with spa_plot_init, free with spa_plot_fini. */
typedef struct spa_plot {
    spa_plot_kind kind;
    const char *name;  /* of the figure: names its files */
    const char *title; /* above the panels */
    const char *x_label, *y_label;
    bool x_log, y_log, diagonal, percent; /* percent: values are shown as whole numbers */
    bool y_ratio;            /* logarithmic in panels where it spans more than a factor of 4 */
    double x_guide, y_guide; /* lines at these values; NaN = none */
    double heat_limit;       /* SPA_PLOT_HEAT: the value at the end of the palette */
    const char *reference;   /* row or series that is marked; NULL = none */
    size_t columns;          /* panels side by side; 0 = chosen */
    spa_string caption;      /* under the panels; wrapped when it is drawn */
    spa_plot_panel *panels;
    size_t count, capacity;
    const char **rows; /* of all panels, in order of appearance */
    size_t n_rows, rows_capacity;
    const char **names; /* of all series, likewise */
    size_t n_names, names_capacity;
    spa_arena arena;
    spa_status status; /* the first failure; later calls do nothing */
} spa_plot;

void spa_plot_init(spa_plot *plot, spa_plot_kind kind, const char *name);
void spa_plot_fini(spa_plot *plot);

/* Adds a point; panel, series and row are made when they are new. */
void spa_plot_add(spa_plot *plot, const char *panel, const char *series, spa_plot_point point);
/* Fixes the place of a row before any point of it is added. */
void spa_plot_add_row(spa_plot *plot, const char *row);
/* The point of a row in a series, or NULL. */
const spa_plot_point *spa_plot_find(const spa_plot_panel *panel, const char *series,
                                    const char *row);
/* Is there nothing to draw? */
bool spa_plot_is_empty(const spa_plot *plot);
/* SPA_E_NOMEM when an addition failed. */
spa_status spa_plot_ok(const spa_plot *plot, spa_error *err);

/* The data file: comment lines with title and caption, then
 * panel,series,row,x,value,low,high; what is not known is empty. */
spa_status spa_plot_csv(const spa_plot *plot, spa_string *out, spa_error *err);
/* The figure: sizes, data blocks and commands. */
spa_status spa_plot_draw(const spa_plot *plot, spa_figure *figure, spa_error *err);

#endif
