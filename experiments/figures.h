/* The figures of the study: from results.db to SVG, PNG, PDF and the data behind them. */
#ifndef SPA_EXPERIMENTS_FIGURES_H
#define SPA_EXPERIMENTS_FIGURES_H

#include "experiments/evidence.h"
#include "experiments/plot.h"

typedef struct spa_study_figure {
    const char *name;
    const char *experiment; /* whose rows it shows */
    const char *title;
    const char *paper; /* the figure of the paper that asks the same; "" = ours alone */
    /* Fills in the plot; leaves it empty when there is nothing to show. */
    void (*build)(const spa_evidence *evidence, const struct spa_study_figure *figure,
                  spa_plot *plot);
} spa_study_figure;

const spa_study_figure *spa_study_figures(size_t *count);
/* SPA_E_NOT_FOUND with the nearest name. */
spa_status spa_study_figure_find(const char *name, const spa_study_figure **figure, spa_error *err);

/* Title, panels and caption. Free with spa_plot_fini in any case. */
spa_status spa_study_figure_plot(const spa_study_figure *figure, const spa_evidence *evidence,
                                 spa_plot *plot, spa_error *err);

typedef enum spa_made { SPA_MADE_NEW, SPA_MADE_KEPT, SPA_MADE_EMPTY, SPA_MADE_DATA } spa_made;
/* Writes folder/NAME.csv, .svg, .png and .pdf, unless they are there and made of this data in this
 * style (folder/NAME.stamp); `force` makes them anyway. *made: new; kept; empty, no row shows
 * anything, and nothing is written; or data alone, because gnuplot is missing. */
spa_status spa_study_figure_write(const spa_study_figure *figure, const spa_evidence *evidence,
                                  const char *folder, bool force, spa_made *made, spa_error *err);
/* The figure as SVG text; free() it. It has neither title nor caption: the caption is appended to
 * `caption`. NULL when there is nothing to show. `folder` is where a
 * temporary file may be. */
spa_status spa_study_figure_svg(const spa_study_figure *figure, const spa_evidence *evidence,
                                const char *folder, char **svg, spa_string *caption,
                                spa_error *err);

#endif
