/* sparoa replay: one schedule on real kernels, beside its simulation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/charts_hardware.h"
#include "experiments/gnuplot.h"
#include "experiments/results_validation.h"
#include "experiments/study.h"
#include "experiments/table.h"
#include "experiments/validation_print.h"
#include "kernels/profile_model.h"
#include "traces/zoo.h"

#define DEFAULT_ROUNDS 10
#define DEFAULT_RUNS   5
#define PERCENT        100
#define MOST_IN_FLIGHT 16
#define MAX_BYTES      ((size_t)1 << 28)

/* Is every row legal on these lanes? Asked before anything is measured. */
static spa_status check_rows(const char *path, const spa_graph *graph, const spa_options *o,
                             spa_error *err)
{
    spa_lane_set lanes;
    spa_costs costs;
    spa_schedule schedule;
    if (!o->lanes) return SPA_OK; /* what opens the lanes says so */
    SPA_TRY(spa_cli_name_status(spa_lanes_parse(&lanes, o->lanes, err), "", err));
    SPA_TRY(spa_lanes_plain_costs(&costs, graph, &lanes, err));
    spa_status status = spa_schedule_read_csv(&schedule, &costs, path, err);
    if (!status) spa_schedule_fini(&schedule);
    spa_costs_fini(&costs);
    return status;
}

/* "# schedule for MODEL batch N dtype T hash H": the model, and is it this one? A schedule for
 * another graph or for other lanes is refused before anything is measured. */
static spa_status read_model(const char *path, spa_options *o, spa_names *models, spa_error *err)
{
    static const char head[] = "# schedule for ";
    char *text = NULL, *name = NULL;
    size_t size, n = sizeof head - 1;
    SPA_TRY(spa_read_file(path, MAX_BYTES, false, &text, &size, err));
    text[strcspn(text, "\r\n")] = '\0';
    const char *end = strncmp(text, head, n) == 0 ? strstr(text + n, " batch ") : NULL;
    const char *hash = end ? strstr(end, " hash ") : NULL;
    spa_status status = SPA_OK;
    if (!hash)
        status =
            spa_fail_at(err, SPA_E_PARSE, path, 1,
                        "the first line must be '# schedule for MODEL batch N dtype T hash H'; "
                        "'sparoa simulate --schedule' writes such files");
    if (!status) status = spa_arena_alloc(&o->arena, &name, (size_t)(end - text) - n + 1, 1, err);
    if (!status) {
        memcpy(name, text + n, (size_t)(end - text) - n);
        const char *model = o->operands.count > 1 ? o->operands.items[1] : name;
        spa_graph graph;
        status = spa_names_add(o, models, model, err);
        if (!status) status = spa_model_load(&graph, model, 1, SPA_FP32, err);
        if (!status) {
            if (graph.hash != strtoull(hash + 6, NULL, 16))
                status =
                    spa_fail_at(err, SPA_E_INVALID, path, 1,
                                "the schedule is for another graph than '%.200s' at batch 1 in "
                                "fp32 (hash %016llx)",
                                model, (unsigned long long)graph.hash);
            else
                status = check_rows(path, &graph, o, err);
            spa_graph_fini(&graph);
        }
    }
    free(text);
    return status;
}

static spa_status print_operators(const spa_validation *v, const spa_validated *r,
                                  const spa_hardware_case *c, spa_string *out, spa_error *err)
{
    const spa_graph *g = &spa_trace_find_model(&c->trace, v->model)->graph;
    spa_table t;
    spa_table_init(&t, "operator|on|measured us|simulated us|difference us|copy us|simulated us",
                   "llrrrrr");
    for (size_t i = 0; i < g->n_ops; i++) {
        const spa_step *m = &r->steps[0][i], *s = &r->steps[1][i];
        if (m->lane < 0 || m->together == 0) continue;
        bool alone = m->together == 1; /* else there is one time for all of them */
        double m_copy = m->copy + m->moved, s_copy = (s->copy + s->moved) * r->scale;
        double measured = m->end - m->begin, simulated = (s->end - s->begin) * r->scale;
        if (alone)
            spa_table_put(&t, "%s", g->ops[i].name);
        else
            spa_table_put(&t, "%s and %u more, one graph", g->ops[i].name, m->together - 1);
        spa_table_put(&t, "%s", c->lanes.lanes[m->lane].processor);
        spa_table_number(&t, measured, 1);
        spa_table_number(&t, alone ? simulated : NAN, 1);
        spa_table_number(&t, alone ? simulated - measured : NAN, 1);
        spa_table_number(&t, m_copy > 0 ? m_copy : NAN, 1);
        spa_table_number(&t, s_copy > 0 ? s_copy : NAN, 1);
    }
    spa_status status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    spa_string_append(out, "\n");
    return status;
}

static spa_status report(spa_cli *cli, const spa_validation *v, const spa_hardware_case *c,
                         const spa_options *o, spa_error *err)
{
    const spa_validated *row = &v->rows[v->n_rows - 1];
    if (!o->json && v->concurrency == 1) SPA_TRY(print_operators(v, row, c, &cli->out, err));
    SPA_TRY(spa_validation_print(v, 1, c, o, &cli->out, err));
    for (size_t i = 0; i < o->gantt.count && v->concurrency == 1; i++) {
        SPA_TRY(spa_chart_pair(o->gantt.items[i], v, row, c, err));
        spa_cli_note(cli, o, "gantt: %s", o->gantt.items[i]);
    }
    return o->db ? spa_results_store_validations(o->db, v, 1, c, o, err) : SPA_OK;
}

/* Every request in flight has activations of its own: fewer of them than a simulation may have. */
static spa_status take_stream(const spa_options *o, spa_scenario *stream, spa_error *err)
{
    spa_paths paths; /* replay can do without the data folder */
    spa_options with_folder = *o;
    if (spa_paths_find(&paths, NULL) == SPA_OK) with_folder.scenario_folder = paths.scenarios;
    SPA_TRY(spa_study_scenario(&with_folder, stream, err));
    if (!o->concurrency && spa_scenario_is_open(stream) && stream->concurrency > MOST_IN_FLIGHT)
        stream->concurrency = MOST_IN_FLIGHT;
    return SPA_OK;
}

spa_status spa_cmd_replay(spa_cli *cli, spa_options *options, spa_error *err)
{
    spa_hardware_case c;
    spa_names models = {0};
    spa_validation v = {0};
    spa_scenario stream = {0};
    bool streams = options->scenario || options->rate_hz > 0 || options->requests;
    SPA_TRY(
        spa_cli_operands(options, 1, 2, "one SCHEDULE.csv, and its graph file if it has one", err));
    SPA_TRY(spa_figure_check_names(&options->gantt, err));
    SPA_TRY(read_model(options->operands.items[0], options, &models, err));
    if (streams) SPA_TRY(take_stream(options, &stream, err));
    spa_status status = spa_hardware_case_open(&c, cli, options, &models, err);
    spa_validation_options o = {
        .rounds = options->rounds ? (int32_t)options->rounds : DEFAULT_ROUNDS,
        .runs = options->reps ? (int32_t)options->reps : DEFAULT_RUNS,
        .concurrency = options->concurrency ? (uint32_t)options->concurrency : 1,
        .seed = (uint64_t)options->seed,
        .budget = (uint64_t)options->budget,
        .graphs = options->graphs,
        .schedule = options->operands.items[0],
        .stream = streams ? &stream : NULL,
        .progress = spa_hardware_case_show,
        .context = &c};
    if (!status) {
        spa_progress_begin(&c.progress, cli->err, options->quiet, "replaying", 1000);
        status = spa_validation_run(&v, &c.trace, c.models.items[0], &c.lanes, &o, err);
        spa_progress_end(&c.progress);
    }
    if (!status) status = report(cli, &v, &c, options, err);
    spa_validation_fini(&v);
    spa_hardware_case_close(&c);
    spa_scenario_fini(&stream);
    return status;
}
