/* Figures with a number on both axes. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "experiments/claim_rows.h"
#include "experiments/figure_common.h"

/* Latency against one scaled factor, over the reference at the same scale. */
static void add_sweep(const spa_evidence *e, const spa_study_figure *figure, spa_scale scale,
                      spa_plot *plot)
{
    char panel[FIGURE_TEXT];
    const char *reference = figure_reference(e, figure);
    const spa_record *r;
    plot->kind = SPA_PLOT_LINES;
    plot->y_label = "latency / reference";
    plot->y_ratio = true;
    plot->columns = figure_columns(e, figure);
    plot->y_guide = 1;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        const spa_record *other = figure_sibling(e, r, reference);
        spa_estimate ratio = claim_row_ratio(r, other, "latency_mean_ms");
        spa_plot_point point = {
            .x = r->scales[scale], .y = ratio.value, .low = ratio.low, .high = ratio.high};
        spa_plot_add(plot, figure_panel(e, figure, r, 0, panel), r->name, point);
    }
    spa_string_append(&plot->caption,
                      "Reference: %s, at the same value. Bars: 95 %% confidence, paired. ",
                      reference);
}

void figure_contention(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    plot->x_label = "contention, times what the device file says";
    add_sweep(e, figure, SPA_SCALE_CONTENTION, plot);
}

void figure_launch(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    plot->x_label = "launch cost, times what the device file says";
    plot->x_log = true;
    add_sweep(e, figure, SPA_SCALE_LAUNCH, plot);
}

void figure_sparsity(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    plot->x_label = "sparsity of every operator's output, times what is assumed";
    add_sweep(e, figure, SPA_SCALE_RHO, plot);
}

void figure_noise(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    plot->x_label = "noise, times what was measured or is assumed";
    add_sweep(e, figure, SPA_SCALE_NOISE, plot);
}

void figure_batches(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    char panel[FIGURE_TEXT];
    const spa_record *r;
    plot->kind = SPA_PLOT_LINES;
    plot->x_log = plot->y_log = true;
    plot->x_label = "inputs per request (batch)";
    plot->y_label = "inferences per second";
    plot->columns = figure_columns(e, figure);
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        spa_plot_point point = figure_point(r, "throughput_ips", 1);
        point.row = NULL;
        point.x = (double)r->batch;
        spa_plot_add(plot, figure_panel(e, figure, r, FIGURE_BATCH, panel), r->name, point);
    }
}

void figure_convergence(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    char panel[FIGURE_TEXT];
    const spa_record *r;
    plot->kind = SPA_PLOT_LINES;
    plot->x_log = true;
    plot->x_label = "evaluations, or decisions learned from";
    plot->y_label = "latency (ms)";
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        figure_panel(e, figure, r, 0, panel);
        for (size_t i = 0; i < r->n_curve; i++) {
            if (r->curve[i].step < 1) continue;
            spa_plot_add(plot, panel, r->name,
                         (spa_plot_point){.x = (double)r->curve[i].step,
                                          .y = r->curve[i].value,
                                          .low = NAN,
                                          .high = NAN});
        }
    }
    spa_string_append(&plot->caption, "Searches: the best schedule so far. Learning: what the "
                                      "policy does by then, alone on that case. ");
}

void figure_validation(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    char panel[FIGURE_TEXT];
    const spa_record *r;
    plot->kind = SPA_PLOT_SCATTER;
    plot->x_label = "simulated (ms)";
    plot->y_label = "measured (ms)";
    plot->diagonal = true;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        snprintf(panel, sizeof panel, "%.80s%s", r->model,
                 r->concurrency > 1 ? ", several in flight" : "");
        for (size_t i = 0; i < r->n_parts; i++) {
            const spa_validated_part *part = &r->parts[i];
            if (strcmp(part->component, "total") != 0) continue;
            bool random = strncmp(part->schedule, "random", 6) == 0;
            spa_plot_add(
                plot, panel, random ? "random schedules" : "policies and anchors",
                (spa_plot_point){
                    .x = part->simulated_ms, .y = part->measured_ms, .low = NAN, .high = NAN});
        }
    }
    spa_string_append(&plot->caption, "A point per schedule; simulated times rescaled by anchors "
                                      "measured in between; line: equal. ");
}

void figure_quadrants(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    char panel[FIGURE_TEXT], shown[FIGURE_TEXT] = "";
    const spa_record *r;
    plot->kind = SPA_PLOT_SCATTER;
    plot->x_log = true;
    plot->x_label = "multiply-accumulates of the operator";
    plot->y_label = "sparsity of its output";
    plot->x_guide = 1e8;
    plot->columns = figure_columns(e, figure);
    plot->y_guide = 0.4;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        if (r->n_operators == 0) continue;
        if (!*shown) snprintf(shown, sizeof shown, "%s", r->name);
        if (strcmp(shown, r->name) != 0) continue; /* one policy's placement */
        figure_panel(e, figure, r, 0, panel);
        for (size_t i = 0; i < r->n_operators; i++) {
            const spa_operator_row *o = &r->operators[i];
            const char *where = o->accelerated > 0.99   ? "on the accelerator"
                                : o->accelerated > 0.01 ? "on both"
                                                        : "on the host";
            spa_plot_add(
                plot, panel, where,
                (spa_plot_point){.x = fmax(o->macs, 1), .y = o->rho, .low = NAN, .high = NAN});
        }
    }
    spa_string_append(&plot->caption,
                      "Dashed: the paper's cuts (1e8, 0.4). Placed by %s. "
                      "Operators without multiply-accumulates are drawn at 1. ",
                      shown);
}
