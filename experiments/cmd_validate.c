/* sparoa validate: simulated against measured, over many schedules. */
#include <stdlib.h>
#include "experiments/charts_hardware.h"
#include "experiments/gnuplot.h"
#include "experiments/hardware_case.h"
#include "experiments/results_validation.h"
#include "experiments/study.h"
#include "experiments/validation.h"
#include "experiments/validation_print.h"

#define DEFAULT_SCHEDULES 100
#define DEFAULT_ROUNDS    4
#define STREAM_SCHEDULES  20 /* of the case with several inferences in flight */

/* One case: a model with so many inferences in flight. */
static spa_status run_case(spa_hardware_case *c, const spa_options *o, const spa_names *policies,
                           const char *model, uint32_t concurrency, spa_validation *out,
                           spa_cli *cli, spa_error *err)
{
    spa_profile_options profile = spa_profile_default();
    spa_validation_options v = {.profile = c->fresh ? &profile : NULL,
                                .schedules =
                                    o->schedules < 0 ? DEFAULT_SCHEDULES : (int32_t)o->schedules,
                                .rounds = o->rounds ? (int32_t)o->rounds : DEFAULT_ROUNDS,
                                .runs = o->reps ? (int32_t)o->reps : 10,
                                .concurrency = concurrency,
                                .seed = (uint64_t)o->seed,
                                .budget = (uint64_t)o->budget,
                                .policies = policies,
                                .plugins = o->plugins,
                                .progress = spa_hardware_case_show,
                                .context = c};
    if (concurrency > 1 && !o->concurrency && v.schedules > STREAM_SCHEDULES)
        v.schedules = STREAM_SCHEDULES;
    spa_progress_begin(&c->progress, cli->err, o->quiet, "measuring", 1000);
    spa_status status = spa_validation_run(out, &c->trace, model, &c->lanes, &v, err);
    spa_progress_end(&c->progress);
    if (!status && o->db) { /* at once: cases take minutes */
        status = spa_results_store_validations(o->db, out, 1, c, o, err);
        if (status) spa_validation_fini(out);
    }
    return status;
}

/* Each model with --concurrency requests in flight; where that is not given, one at a time, and the
 * first model again with two. */
static spa_status run_cases(spa_hardware_case *c, const spa_options *o, const spa_names *policies,
                            spa_validation *out, size_t *n, spa_cli *cli, spa_error *err)
{
    uint32_t concurrency = o->concurrency ? (uint32_t)o->concurrency : 1;
    for (size_t i = 0; i < c->models.count; i++, ++*n)
        SPA_TRY(run_case(c, o, policies, c->models.items[i], concurrency, &out[i], cli, err));
    if (o->concurrency) return SPA_OK;
    SPA_TRY(run_case(c, o, policies, c->models.items[0], 2, &out[*n], cli, err));
    ++*n;
    return SPA_OK;
}

spa_status spa_cmd_validate(spa_cli *cli, spa_options *options, spa_error *err)
{
    spa_hardware_case c;
    spa_names policies = {0};
    spa_validation *runs;
    size_t n = 0;
    SPA_TRY(spa_cli_operands(options, 1, SIZE_MAX, "a model (or several, or 'all')", err));
    SPA_TRY(spa_figure_check_names(&options->chart, err));
    SPA_TRY(spa_study_policies(options, &policies, err));
    spa_status status = spa_hardware_case_open(&c, cli, options, NULL, err);
    if (!status) status = spa_alloc(&runs, c.models.count + 1, sizeof *runs, err);
    if (!status) {
        status = run_cases(&c, options, &policies, runs, &n, cli, err);
        if (!status) status = spa_validation_print(runs, n, &c, options, &cli->out, err);
        for (size_t i = 0; i < options->chart.count && !status; i++) {
            status = spa_chart_scatter(options->chart.items[i], runs, n, &c, err);
            if (!status) spa_cli_note(cli, options, "scatter: %s", options->chart.items[i]);
        }
        for (size_t i = 0; i < n; i++) spa_validation_fini(&runs[i]);
        free(runs);
    }
    spa_hardware_case_close(&c);
    return status;
}
