/* Figures by gnuplot (Debian package gnuplot-nox), as SVG, PNG or PDF. */
#ifndef SPA_EXPERIMENTS_GNUPLOT_H
#define SPA_EXPERIMENTS_GNUPLOT_H

#include <stdbool.h>
#include "experiments/options.h"

/* Okabe and Ito's palette: told apart by colour-blind readers too. */
#define SPA_COLOUR_BLUE       "#0072b2"
#define SPA_COLOUR_SKY        "#56b4e9"
#define SPA_COLOUR_GREEN      "#009e73"
#define SPA_COLOUR_YELLOW     "#f0e442"
#define SPA_COLOUR_ORANGE     "#e69f00"
#define SPA_COLOUR_VERMILLION "#d55e00"
#define SPA_COLOUR_PURPLE     "#cc79a7"
#define SPA_COLOUR_GREY       "#999999"

/* A figure being made: named data blocks ("$bars << EOD ... EOD") and the commands that draw them.
 * Zero-initialise; free with spa_figure_fini. */
typedef struct spa_figure {
    int width, height; /* pixels, 96 an inch */
    int points;        /* size of the type; 0 = 10 */
    double scale;      /* a PNG has so many pixels per pixel; 0 = 1 */
    spa_string data, commands;
} spa_figure;

void spa_figure_fini(spa_figure *figure);
/* Appends a name as a quoted cell of a data block: nothing in it is special to gnuplot. */
void spa_figure_cell(spa_string *out, const char *text);
/* Appends a text as a gnuplot string. Single quotes: gnuplot runs no commands inside. */
void spa_figure_text(spa_string *out, const char *text);

/* Is there a gnuplot on the PATH? */
bool spa_figure_can_draw(void);

/* SPA_E_USAGE unless the path ends in .svg, .png or .pdf. */
spa_status spa_figure_check_name(const char *path, spa_error *err);
spa_status spa_figure_check_names(const spa_names *paths, spa_error *err);
/* Draws the figure. The file is replaced only when gnuplot has succeeded. Without gnuplot the data
 * is written to PATH.dat and the message (SPA_E_UNSUPPORTED) says what to install. */
spa_status spa_figure_write(const spa_figure *figure, const char *path, spa_error *err);

#endif
