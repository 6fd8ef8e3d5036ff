/* Inside the figures: which rows they show, how panels are named, what the caption must say. */
#ifndef SPA_EXPERIMENTS_FIGURE_COMMON_H
#define SPA_EXPERIMENTS_FIGURE_COMMON_H

#include "experiments/figures.h"

enum { FIGURE_TEXT = 256 };

/* Rows of the figure's experiment one after the other: start with *at = 0; NULL = no more. Newer
 * rows of the same thing come later. */
const spa_record *figure_next(const spa_evidence *e, const spa_study_figure *figure, size_t *at);

/* "resnet18, agx-orin@MAXN", with what else differs between the experiment's rows: stack, type,
 * batch, scenario, batcher. */
typedef enum figure_part {
    FIGURE_MODEL = 1 << 0,
    FIGURE_DEVICE = 1 << 1,
    FIGURE_STACK = 1 << 2,
    FIGURE_DTYPE = 1 << 3,
    FIGURE_BATCH = 1 << 4,
    FIGURE_SCENARIO = 1 << 5,
    FIGURE_BATCHER = 1 << 6,
    FIGURE_ABLATE = 1 << 7
} figure_part;
const char *figure_panel(const spa_evidence *e, const spa_study_figure *figure, const spa_record *r,
                         unsigned without, char text[FIGURE_TEXT]);

/* How many models the rows are of; as many columns make a grid of panels, devices below each other.
 * 0 = too many for that. */
size_t figure_columns(const spa_evidence *e, const spa_study_figure *figure);

/* A row's mean of a metric with its interval, if it has one: [y - ci, y + ci]. */
spa_plot_point figure_point(const spa_record *r, const char *metric, double scale);

/* The row that differs from `r` in its name alone and has the name `name`; NULL = none. */
const spa_record *figure_sibling(const spa_evidence *e, const spa_record *r, const char *name);
/* The experiment's reference, or else gpu-only; what others are compared with. */
const char *figure_reference(const spa_evidence *e, const spa_study_figure *figure);

/* What the rows have in common: devices, stacks, origins, types, batches, replications, versions;
 * and whether the experiment is finished. */
void figure_caption(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot);

/* ---- the builders, one per figure ---- */
typedef void figure_builder(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot);
figure_builder figure_latency, figure_distribution, figure_breakdown, figure_ablation;
figure_builder figure_search, figure_power, figure_energy, figure_gap, figure_matrix;
figure_builder figure_batching, figure_predictor;
figure_builder figure_quadrants, figure_convergence, figure_contention, figure_launch;
figure_builder figure_sparsity, figure_noise, figure_batches, figure_validation;

#endif
