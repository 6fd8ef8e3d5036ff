/* Figures whose rows are policies and baselines. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "experiments/claim_rows.h"
#include "experiments/figure_common.h"

static void add_grid(const spa_evidence *e, const spa_study_figure *figure, const char *metric,
                     double scale, spa_plot *plot)
{
    char panel[FIGURE_TEXT];
    const spa_record *r;
    plot->columns = figure_columns(e, figure);
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        if (*r->range && strcmp(r->range, "mid") != 0) continue;
        figure_panel(e, figure, r, FIGURE_ABLATE, panel);
        spa_plot_add(plot, panel, plot->y_label, figure_point(r, metric, scale));
    }
    plot->reference = figure_reference(e, figure);
}

/* An unmeasured factor's ends widen the interval of the row in the middle. */
static void widen(const spa_evidence *e, const spa_study_figure *figure, const char *metric,
                  spa_plot *plot)
{
    char panel[FIGURE_TEXT];
    const spa_record *r;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        if (!*r->range || strcmp(r->range, "mid") == 0 || r->skipped) continue;
        figure_panel(e, figure, r, FIGURE_ABLATE, panel);
        double y = spa_record_get(r, metric);
        for (size_t p = 0; p < plot->count && isfinite(y); p++) {
            if (strcmp(plot->panels[p].title, panel) != 0) continue;
            spa_plot_point *point =
                (spa_plot_point *)spa_plot_find(&plot->panels[p], plot->y_label, r->name);
            if (!point) continue;
            point->low = isfinite(point->low) ? fmin(point->low, y) : fmin(point->y, y);
            point->high = isfinite(point->high) ? fmax(point->high, y) : fmax(point->y, y);
        }
    }
}

#define RANGED_BARS                                                                                \
    "Bars: 95 %% confidence of the mean, with the range of speeds that a baseline may have. "      \
    "\xe2\x96\xb8 and the dotted line: reference. "

void figure_latency(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    plot->kind = SPA_PLOT_DOTS;
    plot->x_label = "mean latency per request (ms, logarithmic)";
    plot->y_label = "latency";
    add_grid(e, figure, "latency_mean_ms", 1, plot);
    widen(e, figure, "latency_mean_ms", plot);
    spa_string_append(&plot->caption, RANGED_BARS);
}

void figure_power(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    plot->kind = SPA_PLOT_BARS;
    plot->x_label = "mean power of the whole board (W)";
    plot->y_label = "power";
    add_grid(e, figure, "power_w", 1, plot);
    widen(e, figure, "power_w", plot);
    spa_string_append(&plot->caption, "Bars: the range of speeds that a baseline may have. "
                                      "\xe2\x96\xb8 and the dotted line: reference. ");
}

void figure_energy(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    plot->kind = SPA_PLOT_DOTS;
    plot->x_label = "energy per inference, whole board, idle included (mJ, logarithmic)";
    plot->y_label = "energy";
    add_grid(e, figure, "energy_mj", 1, plot);
    widen(e, figure, "energy_mj", plot);
    spa_string_append(&plot->caption, RANGED_BARS);
}

void figure_search(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    plot->kind = SPA_PLOT_DOTS;
    plot->x_label = "time to find the schedule, on the host that simulated (ms, logarithmic)";
    plot->y_label = "search time";
    add_grid(e, figure, "plan_host_ms", 1, plot);
    plot->reference = NULL;
    spa_string_append(&plot->caption,
                      "Measured on the machine that ran the study, not on the device. ");
}

/* ---------------------------------------------------------------- shares */
void figure_distribution(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    char panel[FIGURE_TEXT];
    const spa_record *r;
    plot->kind = SPA_PLOT_HEAT;
    plot->percent = true;
    plot->heat_limit = 100;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;)
        spa_plot_add(plot, figure_panel(e, figure, r, FIGURE_MODEL, panel), r->model,
                     figure_point(r, "gpu_share", 100));
    plot->reference = figure_reference(e, figure);
    spa_string_append(&plot->caption, "Share of the multiply-accumulates that ran on the "
                                      "accelerator. x: could not be run, -: not asked for. ");
}

void figure_gap(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    char panel[FIGURE_TEXT];
    const spa_record *r;
    plot->kind = SPA_PLOT_HEAT;
    plot->percent = true;
    plot->heat_limit = 100;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;)
        spa_plot_add(plot, figure_panel(e, figure, r, FIGURE_MODEL, panel), r->model,
                     figure_point(r, "gap", 100));
    plot->reference = figure_reference(e, figure);
    spa_string_append(&plot->caption,
                      "Latency without noise above the lower bound of whole operators (critical "
                      "path, work over capacity). x: could not be run, -: not asked for. ");
}

/* Two parts of the latency: what is known of it without a log. */
void figure_breakdown(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    char panel[FIGURE_TEXT];
    const spa_record *r;
    plot->kind = SPA_PLOT_STACK;
    plot->x_label = "latency per request (ms)";
    plot->columns = figure_columns(e, figure);
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        if (*r->range && strcmp(r->range, "mid") != 0) continue;
        figure_panel(e, figure, r, 0, panel);
        spa_plot_point whole = figure_point(r, "latency_mean_ms", 1), open = whole;
        double moved = spa_record_get(r, "transfer_ms"), hidden = spa_record_get(r, "overlap");
        open.y = r->skipped ? NAN : moved == 0 ? 0 : moved * (1 - hidden);
        open.low = open.high = whole.low = whole.high = NAN;
        if (isfinite(open.y)) whole.y -= open.y;
        spa_plot_add(plot, panel, "kernels, launches and waiting", whole);
        spa_plot_add(plot, panel, "transfers while no kernel ran", open);
    }
    plot->reference = figure_reference(e, figure);
    spa_string_append(&plot->caption, "The number is the whole latency. ");
}

/* ---------------------------------------------------------------- ratios */
void figure_ablation(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    char panel[FIGURE_TEXT], series[FIGURE_TEXT];
    const spa_record *r;
    plot->kind = SPA_PLOT_BARS;
    plot->x_label = "speed-up over the reference with everything on";
    plot->columns = figure_columns(e, figure);
    const char *reference = figure_reference(e, figure);
    bool any_baseline = false;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        if (strcmp(r->name, "engine-only") == 0) reference = "engine-only";
        any_baseline |= r->is_baseline;
    }
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        /* The paper's steps are baselines; policies repeat what these are made of. */
        if (any_baseline && !r->is_baseline) continue;
        spa_record whole = *r;
        whole.ablate = "";
        const spa_record *other = figure_sibling(e, &whole, reference);
        spa_plot_point mine = figure_point(r, "latency_mean_ms", 1), base = {.y = NAN};
        if (*r->range && strcmp(r->range, "mid") != 0) continue;
        if (other) base = figure_point(other, "latency_mean_ms", 1);
        snprintf(series, sizeof series, "%s%.100s", *r->ablate ? "without " : "everything on",
                 r->ablate);
        double y = base.y / mine.y, error = NAN;
        if (isfinite(mine.high) && isfinite(base.high))
            error = y * hypot((mine.high - mine.y) / mine.y, (base.high - base.y) / base.y);
        if (other == r) error = NAN; /* 1 by definition */
        spa_plot_add(plot, figure_panel(e, figure, r, FIGURE_ABLATE, panel), series,
                     (spa_plot_point){
                         .row = r->name, .x = NAN, .y = y, .low = y - error, .high = y + error});
    }
    plot->reference = reference;
    spa_string_append(&plot->caption,
                      "Reference: %s. Bars: 95 %% confidence, as if runs were "
                      "independent. ",
                      reference);
}

/* Latency over the best one of the column. */
void figure_matrix(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    char panel[FIGURE_TEXT];
    const spa_record *r, *s, *best;
    bool thermal = false;
    plot->kind = SPA_PLOT_HEAT;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        spa_plot_point point = figure_point(r, "latency_mean_ms", 1);
        double least = INFINITY;
        best = NULL;
        for (size_t other = 0; (s = figure_next(e, figure, &other)) != NULL;) {
            double y = s->skipped ? NAN : spa_record_get(s, "latency_mean_ms");
            if (strcmp(s->model, r->model) == 0 && strcmp(s->device, r->device) == 0 &&
                strcmp(s->mode, r->mode) == 0 && strcmp(s->scenario, r->scenario) == 0 &&
                s->batch == r->batch && strcmp(s->stack, r->stack) == 0 && y < least) {
                least = y;
                best = s;
            }
        }
        thermal |= strcmp(r->scenario, "thermal") == 0;
        /* Over the same replications: others may have drawn more crowded arrivals. */
        point.y = claim_row_ratio(r, best, "latency_mean_ms").value;
        point.low = point.high = NAN;
        spa_plot_add(plot, figure_panel(e, figure, r, FIGURE_SCENARIO, panel), r->scenario, point);
    }
    plot->reference = figure_reference(e, figure);
    spa_string_append(&plot->caption, "Mean latency over the best policy's in the same column "
                                      "(1 = best). x: could not be run, -: not asked for. ");
    if (thermal)
        spa_string_append(&plot->caption,
                          "The ranking under 'thermal' depends on assumed thermal resistances. ");
}

/* ---------------------------------------------------------------- batches, predictor */
void figure_batching(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    char panel[FIGURE_TEXT];
    const spa_record *r;
    plot->kind = SPA_PLOT_BARS;
    plot->x_label = "batching overhead (% of a request's time)";
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        spa_plot_point point = figure_point(r, "batch_overhead", 100);
        if (!*r->batcher) continue; /* nothing is collected */
        point.row = r->batcher;
        figure_panel(e, figure, r, FIGURE_BATCHER, panel);
        spa_plot_add(plot, panel, r->name, point);
    }
    spa_string_append(&plot->caption, "Overhead: collecting requests and padding; 0 where "
                                      "batches are of one. ");
}

void figure_predictor(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    char panel[FIGURE_TEXT];
    const spa_record *r;
    plot->kind = SPA_PLOT_BARS;
    plot->percent = true;
    plot->x_label = "predictions within 10 % of the threshold (%)";
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        figure_panel(e, figure, r, FIGURE_MODEL, panel);
        spa_plot_point sparsity = figure_point(r, "accuracy_sparsity", 100);
        if (isfinite(sparsity.y)) spa_plot_add(plot, panel, "sparsity", sparsity);
        spa_plot_add(plot, panel, "intensity", figure_point(r, "accuracy_intensity", 100));
    }
    spa_string_append(&plot->caption, "On operators that were held out. Without sparsity: "
                                      "no kernel there skips zeros. ");
}
