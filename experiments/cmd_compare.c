/* sparoa compare: every policy on every model on every device. */
#include "experiments/charts.h"
#include "experiments/cli.h"
#include "experiments/gnuplot.h"
#include "experiments/parallel.h"
#include "experiments/progress.h"
#include "experiments/results.h"
#include "experiments/runs.h"

typedef struct comparison {
    spa_runs runs;
    const spa_options *options;
    spa_progress progress;
} comparison;

static spa_status run_item(void *user, size_t i, spa_error *err)
{
    comparison *k = user;
    return spa_runs_run(&k->runs, k->options, i, err);
}

static void item_done(void *user, size_t n_done)
{
    const comparison *k = user;
    spa_progress_show(&k->progress, n_done);
}

static spa_status finish(spa_cli *cli, const comparison *k, spa_error *err)
{
    const spa_options *o = k->options;
    if (o->json) {
        SPA_TRY(spa_runs_print_json(&k->runs, o, "compare", &cli->out, err));
    } else {
        SPA_TRY(spa_runs_print(&k->runs, o, &cli->out, err));
    }
    for (size_t i = 0; i < o->chart.count; i++) {
        SPA_TRY(spa_chart_compare(o->chart.items[i], &k->runs, o, err));
    }
    if (o->db) SPA_TRY(spa_results_store_runs(o->db, "compare", &k->runs, o, err));
    return SPA_OK;
}

spa_status spa_cmd_compare(spa_cli *cli, spa_options *options, spa_error *err)
{
    comparison k = {.options = options};
    spa_paths paths;
    SPA_TRY(spa_cli_operands(options, 1, SIZE_MAX, "a model (or several, or 'all')", err));
    SPA_TRY(spa_figure_check_names(&options->chart, err));
    SPA_TRY(spa_paths_find(&paths, err));
    SPA_TRY(spa_runs_open(&k.runs, options, &paths, err));
    for (size_t i = 0; i < k.runs.n_cases; i++)
        spa_case_note_opaque(&k.runs.cases[i], cli, options);
    size_t n = k.runs.n_cases * k.runs.policies.count;
    spa_progress_begin(&k.progress, cli->err, options->quiet, "simulating", n);
    spa_status status = spa_parallel((size_t)options->jobs, n, &k, run_item, item_done, err);
    spa_progress_end(&k.progress);
    if (!status) status = finish(cli, &k, err);
    for (size_t i = 0; !status && i < options->chart.count; i++) {
        spa_cli_note(cli, options, "chart: %s", options->chart.items[i]);
    }
    spa_runs_close(&k.runs);
    return status;
}
