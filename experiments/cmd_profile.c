/* sparoa profile: measures a trace on this machine. */
#include <stdlib.h>
#include <string.h>
#include "experiments/cli.h"
#include "experiments/interrupt.h"
#include "experiments/json.h"
#include "experiments/progress.h"
#include "experiments/table.h"
#include "kernels/profile.h"

#define PROGRESS_STEPS 1000

static void show(void *context, const char *what, double fraction)
{
    spa_progress *progress = context;
    progress->what = what;
    spa_progress_show(progress, (size_t)(fraction * PROGRESS_STEPS));
}

static spa_status list_models(spa_options *o, spa_names *models, spa_error *err)
{
    size_t count;
    const spa_model_info *zoo = spa_zoo_models(&count);
    for (size_t i = 0; i < o->operands.count; i++) {
        if (strcmp(o->operands.items[i], "all") != 0) {
            SPA_TRY(spa_names_add(o, models, o->operands.items[i], err));
            continue;
        }
        for (size_t k = 0; k < count; k++) SPA_TRY(spa_names_add(o, models, zoo[k].name, err));
    }
    return SPA_OK;
}

/* The command as it can be typed again, for meta.ini. */
static void put_command(spa_string *s, const spa_options *o, const spa_profile_options *p)
{
    spa_string_append(s, "sparoa profile");
    for (size_t i = 0; i < o->operands.count; i++) {
        spa_string_append(s, " %s", o->operands.items[i]);
    }
    spa_string_append(s, " --lanes %s --batch %d --seed %llu --rounds %d --runs %d -o %s", o->lanes,
                      p->batch, (unsigned long long)p->seed, p->visits, p->runs, o->output);
}

/* Sum of the p50 of a model's operators on a processor alone, ms; 0 = not measured. */
static double model_ms(const spa_trace_model *m, const char *processor)
{
    double us = 0;
    for (size_t i = 0; i < m->n_costs; i++) {
        const spa_trace_cost *c = &m->costs[i];
        if (strcmp(c->processor, processor) != 0 || c->corun[0] || c->part != 1) continue;
        us += c->p50_us;
    }
    return us * 1e-3;
}

static spa_status print(spa_cli *cli, const spa_options *o, const spa_trace *trace,
                        const spa_lane_set *lanes, const spa_profile_report *report, spa_error *err)
{
    spa_json j;
    spa_table t;
    spa_json_init(&j, "profile");
    spa_table_init(&t, "model|operators|lane|kernels|ms", "lrllr");
    spa_json_set(&j, j.root, "output", spa_json_text(&j, o->output));
    json_t *models = spa_json_array(&j, j.root, "models");
    for (size_t m = 0; m < trace->n_models; m++) {
        const spa_trace_model *model = &trace->models[m];
        json_t *row = spa_json_row(&j, models);
        spa_json_set(&j, row, "name", spa_json_text(&j, model->name));
        spa_json_set(&j, row, "operators", json_integer((json_int_t)model->graph.n_ops));
        json_t *times = spa_json_member(&j, row, "operators_host_ms");
        for (size_t k = 0; k < lanes->count; k++) {
            const spa_lane *lane = &lanes->lanes[k];
            double ms = model_ms(model, lane->processor);
            spa_json_set(&j, times, lane->processor, spa_json_number(ms));
            spa_table_put(&t, "%s", model->name);
            spa_table_put(&t, "%zu", model->graph.n_ops);
            spa_table_put(&t, "%s", lane->processor);
            spa_table_put(&t, "%s", lane->backend->name);
            spa_table_number(&t, ms, 3);
        }
    }
    spa_json_set(&j, j.root, "runs_kept_host", json_integer((json_int_t)report->runs_kept));
    spa_json_set(&j, j.root, "runs_discarded_host",
                 json_integer((json_int_t)report->runs_discarded));
    spa_json_set(&j, j.root, "worst_spread_host", spa_json_number(report->worst_spread));
    spa_status status =
        o->json ? spa_json_print(&j, &cli->out, err) : spa_table_print(&t, 0, &cli->out, err);
    if (!status && !o->json) {
        spa_string_append(
            &cli->out, "%zu runs kept, %zu discarded, largest spread %.1f %%; written to %s\n",
            report->runs_kept, report->runs_discarded, report->worst_spread * 100, o->output);
    }
    spa_table_fini(&t);
    spa_json_fini(&j);
    return status;
}

static spa_status check_options(const spa_options *o, spa_error *err)
{
    SPA_TRY(spa_cli_operands(o, 1, SIZE_MAX, "a model (or several, or 'all')", err));
    if (!o->lanes) {
        return spa_fail(err, SPA_E_USAGE,
                        "'profile' needs --lanes, e.g. --lanes cpu:0=sparse,cpu:1=blas");
    }
    if (!o->output)
        return spa_fail(err, SPA_E_USAGE, "'profile' needs -o DIR, the folder to write");
    return SPA_OK;
}

spa_status spa_cmd_profile(spa_cli *cli, spa_options *options, spa_error *err)
{
    spa_lane_set lanes;
    spa_names models = {0};
    spa_trace trace;
    spa_profile_report report;
    spa_progress progress;
    spa_string command = {0};
    SPA_TRY(check_options(options, err));
    SPA_TRY(spa_cli_name_status(spa_lanes_parse(&lanes, options->lanes, err), "", err));
    SPA_TRY(list_models(options, &models, err));
    spa_profile_options p = spa_profile_default();
    if (options->batch) p.batch = (int32_t)options->batch;
    if (options->reps) p.runs = (int32_t)options->reps;
    if (options->rounds) p.visits = (int32_t)options->rounds;
    p.seed = (uint64_t)options->seed;
    put_command(&command, options, &p);
    p.command = command.text;
    p.runs_on = spa_interrupt_by_signal;
    spa_progress_begin(&progress, cli->err, options->quiet, "profiling", PROGRESS_STEPS);
    spa_status status = spa_profile_run(models.items, models.count, &lanes, &p, show, &progress,
                                        &trace, &report, err);
    spa_progress_end(&progress);
    if (!status) {
        status = spa_trace_write(&trace, options->output, err);
        if (!status) status = print(cli, options, &trace, &lanes, &report, err);
        spa_trace_fini(&trace);
    } else if (models.count) {
        status = spa_cli_name_status(status, models.items[0], err);
    }
    spa_string_fini(&command);
    return status;
}
