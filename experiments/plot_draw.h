/* Inside the drawing of plots: where the panels are, and who draws them. */
#ifndef SPA_EXPERIMENTS_PLOT_DRAW_H
#define SPA_EXPERIMENTS_PLOT_DRAW_H

#include "experiments/plot_style.h"

/* Pixels from the left and the top of the figure. */
typedef struct plot_layout {
    const spa_plot *plot;
    spa_figure *figure;
    double width, height;
    size_t columns, rows;
    double left;        /* room for row labels or the y axis of the first column */
    double gap;         /* between columns */
    double panel_width; /* of the axes */
    double panel_height;
    double top;   /* of the first row of axes */
    double pitch; /* from one row of axes to the next */
    double title; /* height of a panel's title: one or two lines */
    bool is_categorical;
} plot_layout;

/* Axes of panel p: "set lmargin at screen ..." and so on, and its title. */
void plot_place_panel(const plot_layout *l, size_t p);
/* Letters that fit into so many pixels of small type. */
size_t plot_fit(double pixels);
/* "X at screen x, screen y" of a place in pixels. */
void plot_put_place(const plot_layout *l, double x, double y);

/* Room that one row of a categorical plot takes. */
double plot_row_height(const spa_plot *plot);
/* Height of the column heads of a heat map. */
double plot_head_height(const plot_layout *l);
void plot_draw_rows(const plot_layout *l, size_t p);
void plot_draw_heat(const plot_layout *l, size_t p);
void plot_draw_lines(const plot_layout *l, size_t p);

#endif
