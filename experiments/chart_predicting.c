/* Predictors of thresholds side by side: accuracy and regret. */
#include <math.h>

#include "experiments/gnuplot.h"
#include "experiments/predicting.h"

enum { WIDTH = 1000, HEIGHT = 420 };

/* One row per predictor: name, then a column per split. */
static void put_block(spa_figure *f, const char *name, const spa_predicting *p,
                      double (*value)(const spa_predictor_score *))
{
    spa_string_append(&f->data, "$%s << EOD\n", name);
    for (int k = 0; k < SPA_PREDICT_KINDS; k++) {
        spa_figure_cell(&f->data, spa_predictor_kind_name((spa_predictor_kind)k));
        for (int s = 0; s < SPA_SPLITS; s++) {
            double x = value(&p->score[k][s]);
            if (isfinite(x))
                spa_string_append(&f->data, " %.6g", 100 * x);
            else
                spa_string_append(&f->data, " NaN");
        }
        spa_string_append(&f->data, "\n");
    }
    spa_string_append(&f->data, "EOD\n");
}

static double accuracy(const spa_predictor_score *s)
{
    return s->accuracy[SPA_BY_INTENSITY];
}
static double regret(const spa_predictor_score *s)
{
    return s->over_best[SPA_BY_INTENSITY];
}

static void put_panel(spa_figure *f, const char *block, const char *label, bool key)
{
    spa_string_append(&f->commands,
                      "%s\nset ylabel '%s'\nplot $%s using 2:xtic(1) lc rgb '%s' title 'random "
                      "fifth of operators', '' using 3 lc rgb '%s' title 'model left out'\n",
                      key ? "set key top left font ',9' samplen 1" : "unset key", label, block,
                      SPA_COLOUR_BLUE, SPA_COLOUR_ORANGE);
}

spa_status spa_chart_predicting(const char *path, const spa_predicting *p, const spa_runs *runs,
                                spa_error *err)
{
    spa_figure f = {.width = WIDTH, .height = HEIGHT};
    spa_string title = {0};
    put_block(&f, "accuracy", p, accuracy);
    put_block(&f, "regret", p, regret);
    spa_string_append(&title, "predicted intensity thresholds, %s (%s)",
                      runs->cases[0].costs.device, spa_origin_name(runs->cases[0].costs.origin));
    spa_string_append(&f.commands, "set multiplot layout 1,2 title ");
    spa_figure_text(&f.commands, title.text ? title.text : "");
    spa_string_append(&f.commands,
                      " font ',12'\nset border 3\nset style data histograms\n"
                      "set style histogram clustered gap 1\nset style fill solid 0.9 noborder\n"
                      "set xtics nomirror rotate by -35 font ',9'\nset ytics nomirror font ',10'\n"
                      "set grid ytics lc rgb '#dddddd'\nset yrange [0:*]\n");
    put_panel(&f, "accuracy", "uncensored labels within 10 % (%)", true);
    put_panel(&f, "regret", "time over the faster side, each alone (%)", false);
    spa_string_append(&f.commands, "unset multiplot\n");
    spa_status status = spa_string_ok(&title, err);
    if (!status) status = spa_figure_write(&f, path, err);
    spa_string_fini(&title);
    spa_figure_fini(&f);
    return status;
}
