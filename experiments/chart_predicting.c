/* Predictors of thresholds side by side: accuracy and regret. */
#include <math.h>

#include "experiments/gnuplot.h"
#include "experiments/predicting.h"

enum { WIDTH = 1000, HEIGHT = 420 };

typedef double (*score_value)(const spa_predictor_score *score, int threshold);

static double accuracy(const spa_predictor_score *s, int t)
{
    return s->accuracy[t];
}
static double regret(const spa_predictor_score *s, int t)
{
    return s->over_best[t];
}

/* One row per predictor: name, then a column per split. */
static void put_block(spa_figure *f, const char *name, const spa_predicting *p, score_value value,
                      int threshold)
{
    spa_string_append(&f->data, "$%s << EOD\n", name);
    for (int k = 0; k < SPA_PREDICT_KINDS; k++) {
        spa_figure_cell(&f->data, spa_predictor_kind_name((spa_predictor_kind)k));
        for (int s = 0; s < SPA_SPLITS; s++) {
            double x = value(&p->score[k][s], threshold);
            if (isfinite(x))
                spa_string_append(&f->data, " %.6g", 100 * x);
            else
                spa_string_append(&f->data, " NaN");
        }
        spa_string_append(&f->data, "\n");
    }
    spa_string_append(&f->data, "EOD\n");
}

/* gnuplot wants a point in every series: those without one are left out. */
static bool is_known(const spa_predicting *p, score_value value, int threshold, int split)
{
    for (int k = 0; k < SPA_PREDICT_KINDS; k++)
        if (isfinite(value(&p->score[k][split], threshold))) return true;
    return false;
}

static void put_panel(spa_figure *f, const char *block, const char *label, const bool known[])
{
    static const char *const titles[SPA_SPLITS] = {"random fifth of operators", "model left out"};
    static const char *const colours[SPA_SPLITS] = {SPA_COLOUR_BLUE, SPA_COLOUR_ORANGE};
    const char *before = "plot ";
    spa_string_append(&f->commands, "set ylabel '%s'\n", label);
    for (int s = 0; s < SPA_SPLITS; s++) {
        if (!known[s]) continue;
        spa_string_append(&f->commands, "%s$%s using %d:xtic(1) lc rgb '%s' title '%s'", before,
                          block, 2 + s, colours[s], titles[s]);
        before = ", ";
    }
    spa_string_append(&f->commands, "\n");
}

/* The threshold of which more labels cross: the other one may have no accuracy at all. */
static int told_apart(const spa_predicting *p)
{
    bool sparsity =
        p->censored[SPA_BY_SPARSITY][SPA_CROSSES] > p->censored[SPA_BY_INTENSITY][SPA_CROSSES];
    return sparsity ? SPA_BY_SPARSITY : SPA_BY_INTENSITY;
}

static void put_panels(spa_figure *f, const spa_predicting *p)
{
    static const struct {
        const char *block;
        score_value value;
        const char *label[SPA_THRESHOLDS];
    } panels[] = {
        {"accuracy",
         accuracy,
         {"s within 10 %, labels that cross (%)", "c within 10 %, labels that cross (%)"}},
        {"regret",
         regret,
         {"time over the faster side, by s (%)", "time over the faster side, by c (%)"}},
    };
    int t = told_apart(p);
    for (int i = 0; i < 2; i++) {
        bool known[SPA_SPLITS], any = false;
        for (int s = 0; s < SPA_SPLITS; s++) {
            known[s] = is_known(p, panels[i].value, t, s);
            any = any || known[s];
        }
        if (!any) continue; /* nothing crosses: no accuracy */
        put_block(f, panels[i].block, p, panels[i].value, t);
        put_panel(f, panels[i].block, panels[i].label[t], known);
    }
}

spa_status spa_chart_predicting(const char *path, const spa_predicting *p, const spa_runs *runs,
                                spa_error *err)
{
    spa_figure f = {.width = WIDTH, .height = HEIGHT};
    spa_string title = {0};
    spa_string_append(&title, "predicted thresholds, %s (%s)", runs->cases[0].costs.device,
                      spa_origin_name(runs->cases[0].costs.origin));
    spa_string_append(&f.commands, "set multiplot layout 1,2 title ");
    spa_figure_text(&f.commands, title.text ? title.text : "");
    spa_string_append(&f.commands,
                      " font ',12'\nset border 3\nset style data histograms\n"
                      "set style histogram clustered gap 1\nset style fill solid 0.9 noborder\n"
                      "set xtics nomirror rotate by -35 font ',9'\nset ytics nomirror font ',10'\n"
                      "set grid ytics lc rgb '#dddddd'\nset yrange [0:*]\n"
                      "set key above horizontal font ',9' samplen 1\nset rmargin 7\n");
    put_panels(&f, p);
    spa_string_append(&f.commands, "unset multiplot\n");
    spa_status status = spa_string_ok(&title, err);
    if (!status) status = spa_figure_write(&f, path, err);
    spa_string_fini(&title);
    spa_figure_fini(&f);
    return status;
}
