/* Learning curves. */
#include <math.h>
#include <string.h>

#include "experiments/gnuplot.h"
#include "experiments/training.h"

enum { WIDTH = 720, HEIGHT = 420 };

static const struct {
    const char *policy, *colour;
    int dash;
} lines[] = {
    {"gpu-only", SPA_COLOUR_GREY, 3}, {"greedy", SPA_COLOUR_ORANGE, 2},
    {"dp", SPA_COLOUR_GREEN, 4},      {"local-search", SPA_COLOUR_VERMILLION, 5},
    {"mcts", SPA_COLOUR_PURPLE, 6},
};
enum { N_LINES = sizeof lines / sizeof *lines };

/* A rival's objective over the best single processor's, as the curve has it; one case only. */
static double relative(const spa_runs *runs, const char *policy, const spa_options *o)
{
    spa_objective objective = (spa_objective)o->objective;
    int single = spa_runs_best(runs, 0, objective, SPA_PICK_SINGLE);
    double value = NAN;
    for (size_t p = 0; p < runs->policies.count; p++)
        if (strcmp(runs->policies.items[p], policy) == 0)
            value = spa_outcome_value(spa_runs_outcome(runs, 0, p), objective);
    if (single < 0 || runs->n_cases > 1) return NAN;
    return value / spa_outcome_value(spa_runs_outcome(runs, 0, (size_t)single), objective);
}

static void put_title(spa_figure *f, const spa_training *t, const spa_runs *runs)
{
    spa_string title = {0};
    spa_string_append(&title, "%s on ", t->policy);
    for (size_t c = 0; c < runs->n_cases && c < 4; c++)
        spa_string_append(&title, "%s%s", c ? ", " : "", runs->cases[c].graph.name);
    spa_string_append(&title, ", %s", runs->cases[0].costs.device);
    spa_string_append(&f->commands, "set title ");
    spa_figure_text(&f->commands, title.text ? title.text : "");
    spa_string_append(&f->commands, " font ',12'\n");
    spa_string_fini(&title);
}

spa_status spa_chart_training(const char *path, const spa_training *t, const spa_runs *runs,
                              const spa_options *options, spa_error *err)
{
    spa_figure f = {.width = WIDTH, .height = HEIGHT};
    spa_string_append(&f.data, "$curve << EOD\n");
    for (size_t i = 0; i < t->n_curve; i++)
        spa_string_append(&f.data, "%llu %.6f\n", (unsigned long long)t->curve[i].steps,
                          t->curve[i].value);
    spa_string_append(&f.data, "EOD\n");
    put_title(&f, t, runs);
    spa_string_append(&f.commands,
                      "set border 3\nset tics nomirror out font ',10'\nset format x '%%.0s%%c'\n"
                      "set xlabel 'steps (decisions)'\nset ylabel '%s / best single processor'\n"
                      "set key outside right top font ',10' samplen 2\nset grid ytics lc rgb "
                      "'#dddddd'\nplot $curve using 1:2 with linespoints pt 7 ps 0.4 lw 1.5 lc rgb "
                      "'%s' title '%s'",
                      spa_objective_name((spa_objective)options->objective), SPA_COLOUR_BLUE,
                      t->policy);
    for (int i = 0; i < N_LINES; i++) {
        double y = relative(runs, lines[i].policy, options);
        if (isfinite(y))
            spa_string_append(&f.commands, ", \\\n%.6f lw 1.5 dt %d lc rgb '%s' title '%s'", y,
                              lines[i].dash, lines[i].colour, lines[i].policy);
    }
    spa_string_append(&f.commands, "\n");
    spa_status status = spa_figure_write(&f, path, err);
    spa_figure_fini(&f);
    return status;
}
