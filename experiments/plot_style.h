/* How every figure looks: sizes, type, colours, marks. The one place to change it; count
 * SPA_PLOT_STYLE up, and `sparoa figures` makes all of them anew. */
#ifndef SPA_EXPERIMENTS_PLOT_STYLE_H
#define SPA_EXPERIMENTS_PLOT_STYLE_H

#include "experiments/plot.h"

#define SPA_PLOT_STYLE 4

/* Pixels, 96 an inch: two columns of a printed page are 7 inches. Type in points. */
enum {
    SPA_PLOT_WIDTH = 672,
    SPA_PLOT_MARGIN = 8,
    SPA_PLOT_FONT = 7,       /* tics, rows */
    SPA_PLOT_FONT_SMALL = 6, /* caption, numbers */
    SPA_PLOT_FONT_TITLE = 9,
    SPA_PLOT_LINE = 11,  /* height of a line of small type */
    SPA_PLOT_STYLES = 14 /* marks that differ in colour, lightness and shape */
};
/* Mean advance of a letter, pixels. */
#define SPA_PLOT_LETTER       5.2
#define SPA_PLOT_LETTER_SMALL 4.5
/* A PNG is printed at 288 pixels an inch. */
#define SPA_PLOT_PNG_SCALE 3.0

typedef struct spa_plot_mark {
    const char *colour;
    int point, dash;  /* gnuplot's numbers */
    const char *fill; /* of bars: differs where colours look alike in grey */
} spa_plot_mark;
/* The i-th series' mark; from SPA_PLOT_STYLES on they repeat with another dash. */
spa_plot_mark spa_plot_mark_of(size_t i);

/* A number as figures show it: three digits; "-" when it is not finite. */
const char *spa_plot_number(double x, bool percent, char text[32]);
/* Appends "set xtics (...)" ("set ytics") for low..high: at most `most` tics. */
void spa_plot_tics(spa_string *out, char axis, double low, double high, bool log, int most);
/* Appends a text cut to `letters` letters (the last is then an ellipsis) as a gnuplot string. */
void spa_plot_cut_text(spa_string *out, const char *text, size_t letters);
/* Letters of a UTF-8 text. */
size_t spa_plot_letters(const char *text);

#endif
