#include "experiments/figures.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "experiments/figure_common.h"
#include "experiments/plot_style.h"

static const spa_study_figure figures[] = {
    {"quadrants", "quadrants", "Operators by intensity and sparsity", "Fig. 2", figure_quadrants},
    {"latency", "latency", "Latency by model, device and baseline", "Fig. 5", figure_latency},
    {"distribution", "distribution", "Share of the work on the accelerator", "Fig. 6",
     figure_distribution},
    {"breakdown", "breakdown", "Where the latency goes", "Fig. 7", figure_breakdown},
    {"batching", "batching", "Overhead of dynamic batching", "Fig. 8", figure_batching},
    {"ablation", "ablation", "Ablation", "Fig. 9", figure_ablation},
    {"search", "search", "Search time", "Fig. 10", figure_search},
    {"convergence", "search", "Convergence of searches", "Fig. 10", figure_convergence},
    {"power", "power", "Power", "Fig. 11", figure_power},
    {"energy", "power", "Energy per inference", "Fig. 11", figure_energy},
    {"predictor", "predictor", "Accuracy of the threshold predictors", "Table", figure_predictor},
    {"gap", "gap", "Distance to the lower bound", "", figure_gap},
    {"contention", "contention", "Sensitivity to contention", "", figure_contention},
    {"launch", "launch", "Sensitivity to launch cost", "", figure_launch},
    {"sparsity", "sparsity", "Sensitivity to assumed sparsity", "", figure_sparsity},
    {"noise", "noise", "Sensitivity to noise", "", figure_noise},
    {"matrix", "matrix", "Policies and scenarios", "", figure_matrix},
    {"batches", "batches", "Throughput by batch", "", figure_batches},
    {"validation", "validate", "Simulated against measured", "", figure_validation},
};
enum { N_FIGURES = sizeof figures / sizeof *figures };

const spa_study_figure *spa_study_figures(size_t *count)
{
    *count = N_FIGURES;
    return figures;
}

spa_status spa_study_figure_find(const char *name, const spa_study_figure **figure, spa_error *err)
{
    const char *names[N_FIGURES];
    *figure = NULL;
    for (size_t i = 0; i < N_FIGURES; i++) {
        names[i] = figures[i].name;
        if (strcmp(name, names[i]) != 0) continue;
        *figure = &figures[i];
        return SPA_OK;
    }
    return spa_fail_unknown(err, "figure", name, names, N_FIGURES);
}

spa_status spa_study_figure_plot(const spa_study_figure *figure, const spa_evidence *evidence,
                                 spa_plot *plot, spa_error *err)
{
    char title[160];
    const char *copy;
    spa_plot_init(plot, SPA_PLOT_BARS, figure->name);
    snprintf(title, sizeof title, "%s%s%s%s", figure->title, *figure->paper ? " (paper: " : "",
             figure->paper, *figure->paper ? ")" : "");
    SPA_TRY(spa_arena_strdup(&plot->arena, &copy, title, err));
    plot->title = copy;
    figure->build(evidence, figure, plot);
    figure_caption(evidence, figure, plot);
    return spa_plot_ok(plot, err);
}

/* ---------------------------------------------------------------- files */
static const char *const kinds[] = {"svg", "png", "pdf"};
enum { N_KINDS = 3 };

static void path_of(char path[4096], const char *folder, const char *name, const char *kind)
{
    snprintf(path, 4096, "%.3900s/%.60s.%.10s", folder, name, kind);
}

/* What the figure is made of: its data, and how it is drawn. */
static void stamp_of(const spa_figure *drawn, const spa_string *csv, char stamp[96])
{
    uint64_t h = spa_hash_bytes(SPA_HASH_SEED, csv->text, csv->length);
    h = spa_hash_bytes(h, drawn->data.text, drawn->data.length);
    h = spa_hash_bytes(h, drawn->commands.text, drawn->commands.length);
    snprintf(stamp, 96, "sparoa-figure style %d data %016" PRIx64 "\n", SPA_PLOT_STYLE, h);
}

static bool is_fresh(const char *folder, const char *name, const char *stamp)
{
    char path[4096], *text;
    size_t size;
    path_of(path, folder, name, "stamp");
    if (spa_read_file(path, 4096, false, &text, &size, NULL) != SPA_OK) return false;
    bool same = strcmp(text, stamp) == 0;
    free(text);
    for (int k = 0; k < N_KINDS && same; k++) {
        path_of(path, folder, name, kinds[k]);
        same = access(path, R_OK) == 0;
    }
    path_of(path, folder, name, "csv");
    return same && access(path, R_OK) == 0;
}

/* The stamp goes first and comes back last: a broken run leaves none. */
static spa_status write_all(const spa_plot *plot, const spa_figure *drawn, const spa_string *csv,
                            const char *folder, const char *stamp, spa_made *made, spa_error *err)
{
    char path[4096];
    path_of(path, folder, plot->name, "stamp");
    if (unlink(path) != 0 && errno != ENOENT)
        return spa_fail_at(err, SPA_E_IO, path, 0, "cannot be replaced: %s", strerror(errno));
    path_of(path, folder, plot->name, "csv");
    SPA_TRY(spa_write_file(path, csv->text, csv->length, err));
    *made = SPA_MADE_DATA;
    if (!spa_figure_can_draw()) return SPA_OK;
    for (int k = 0; k < N_KINDS; k++) {
        path_of(path, folder, plot->name, kinds[k]);
        SPA_TRY(spa_figure_write(drawn, path, err));
    }
    path_of(path, folder, plot->name, "stamp");
    SPA_TRY(spa_write_file(path, stamp, strlen(stamp), err));
    *made = SPA_MADE_NEW;
    return SPA_OK;
}

static spa_status write_plot(const spa_plot *plot, const char *folder, bool force, spa_made *made,
                             spa_error *err)
{
    spa_figure drawn = {0};
    spa_string csv = {0};
    char stamp[96];
    spa_status status = spa_plot_draw(plot, &drawn, err);
    if (!status) status = spa_plot_csv(plot, &csv, err);
    if (!status) {
        stamp_of(&drawn, &csv, stamp);
        *made = SPA_MADE_KEPT;
        if (force || !is_fresh(folder, plot->name, stamp))
            status = write_all(plot, &drawn, &csv, folder, stamp, made, err);
    }
    spa_string_fini(&csv);
    spa_figure_fini(&drawn);
    return status;
}

spa_status spa_study_figure_write(const spa_study_figure *figure, const spa_evidence *evidence,
                                  const char *folder, bool force, spa_made *made, spa_error *err)
{
    spa_plot plot;
    *made = SPA_MADE_EMPTY;
    spa_status status = spa_study_figure_plot(figure, evidence, &plot, err);
    if (!status && !spa_plot_is_empty(&plot)) status = write_plot(&plot, folder, force, made, err);
    spa_plot_fini(&plot);
    return status;
}

static spa_status draw_svg(const spa_plot *plot, const char *folder, char **svg, spa_error *err)
{
    char path[4096];
    size_t size;
    spa_figure drawn = {0};
    snprintf(path, sizeof path, "%.3900s/.%.60s-%ld.svg", folder, plot->name, (long)getpid());
    spa_status status = spa_plot_draw(plot, &drawn, err);
    if (!status) status = spa_figure_write(&drawn, path, err);
    if (!status) status = spa_read_file(path, (size_t)64 << 20, false, svg, &size, err);
    unlink(path);
    spa_figure_fini(&drawn);
    return status;
}

spa_status spa_study_figure_svg(const spa_study_figure *figure, const spa_evidence *evidence,
                                const char *folder, char **svg, spa_string *caption, spa_error *err)
{
    spa_plot plot;
    *svg = NULL;
    spa_status status = spa_study_figure_plot(figure, evidence, &plot, err);
    if (!status && !spa_plot_is_empty(&plot)) {
        spa_string_append(caption, "%s", plot.caption.text ? plot.caption.text : "");
        spa_string_fini(&plot.caption);
        plot.caption = (spa_string){0};
        plot.title = "";
        status = draw_svg(&plot, folder, svg, err);
    }
    spa_plot_fini(&plot);
    return status;
}
