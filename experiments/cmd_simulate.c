/* sparoa simulate: one policy on one model and device, operator by operator. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/charts.h"
#include "experiments/cli.h"
#include "experiments/gnuplot.h"
#include "experiments/parts.h"
#include "experiments/results.h"
#include "experiments/runs.h"
#include "experiments/table.h"
#include "sim/log.h"
#include "sim/timeline.h"

/* What is kept of replication 0. */
typedef struct recording {
    spa_timeline timeline; /* of all requests, or of the first one */
    bool all;              /* keep all requests (timeline, chart) */
    spa_log_info info;
    spa_arena *arena;      /* of its names */
    const char *path;      /* of the log, NULL = none wanted */
    spa_log_writer *log;   /* NULL = none wanted */
    spa_schedule schedule; /* request 0: where and in which order operators were placed */
    size_t n_placed;
    spa_status status; /* first failure; the engine must not be stopped by it */
    spa_error error;
} recording;

/* Names are copied: files are written after the runs. */
static spa_status take_info(recording *r, const spa_costs *costs, spa_error *err)
{
    const char *description = r->info.description;
    uint64_t seed = r->info.seed;
    const char **names;
    SPA_TRY(spa_log_info_init(&r->info, costs, r->arena, err));
    r->info.description = description;
    r->info.seed = seed;
    SPA_TRY(spa_arena_alloc(r->arena, &names, costs->n_tensors, sizeof *names, err));
    for (size_t i = 0; i < costs->n_tensors; i++)
        SPA_TRY(spa_arena_strdup(r->arena, &names[i], r->info.names[i], err));
    r->info.names = names;
    return r->path ? spa_log_writer_new(&r->log, r->path, &r->info, err) : SPA_OK;
}

static void begin(void *user, const spa_costs *costs)
{
    recording *r = user;
    r->status = take_info(r, costs, &r->error);
}

static void record(void *user, const spa_event *event)
{
    recording *r = user;
    if (r->log) spa_log_put(r->log, event);
    if (r->status || (event->request > 0 && !r->all)) return;
    if (event->kind == SPA_EV_PLACE && event->request == 0 && r->schedule.n_ops)
        spa_schedule_note_place(&r->schedule, event, &r->n_placed);
    r->status = spa_timeline_add(&r->timeline, event, &r->error);
}

/* "key=value" lines for the head of a log: what ran. */
static void describe(spa_string *s, const spa_runs *runs, const spa_options *o)
{
    const spa_case *c = &runs->cases[0];
    char origin[64];
    spa_string_append(s, "model=%s\ndevice=%s\nmode=%s\nstack=%s\nlanes=%s\norigin=%s\n",
                      c->graph.name, c->costs.device, c->costs.mode, c->costs.stack, c->costs.lanes,
                      spa_case_origin(c, origin));
    spa_string_append(s, "policy=%s\nobjective=%s\nscenario=%s\nbatch=%d\ndtype=%s\n",
                      runs->policies.items[0], spa_objective_name((spa_objective)o->objective),
                      runs->scenario.name, c->graph.batch, spa_case_dtype(c));
    spa_string_append(s, "seed=%lld\nnoise=%s\npolicy-cost=%s\n", (long long)o->seed,
                      o->noise ? "on" : "off", o->policy_cost ? "on" : "off");
}

/* ---------------------------------------------------------------- the table */
/* Transfers of request 0 into `processor` that carried an input of `op`, ns. */
static int64_t transfer_in_ns(const spa_timeline *t, const spa_case *c, size_t op, int processor)
{
    const spa_op *o = &c->graph.ops[op];
    int64_t sum = 0;
    for (size_t i = 0; i < t->count; i++) {
        const spa_interval *v = &t->intervals[i];
        if (v->kind != SPA_INTERVAL_TRANSFER || v->request != 0 || v->processor != processor) {
            continue;
        }
        for (uint32_t k = 0; k < o->n_inputs; k++) {
            if (spa_tensor_of(&c->costs, c->graph.inputs[o->first_input + k]) == v->op) {
                sum += v->end_ns - v->begin_ns;
            }
        }
    }
    return sum;
}

static void put_op(spa_table *t, const spa_case *c, const recording *r, const spa_interval **kernel,
                   size_t op)
{
    const spa_costs *costs = &c->costs;
    const spa_cost_processor *p = &costs->processors[r->schedule.processor[op]];
    spa_table_put(t, "%s", c->graph.ops[op].name);
    spa_table_put(t, "%s", spa_op_kind_name(c->graph.ops[op].kind));
    if (!kernel[op]) { /* a view: nothing runs */
        spa_table_put(t, "%s", p->name);
        spa_table_span(t, "(a view, free)");
        return;
    }
    const spa_interval *v = kernel[op];
    spa_table_put(t, p->n_lanes > 1 ? "%s:%u" : "%s", p->name, v->lane);
    spa_table_number(t, (double)v->begin_ns * 1e-6, 3);
    spa_table_number(t, (double)v->end_ns * 1e-6, 3);
    spa_table_number(t, (double)(v->end_ns - v->begin_ns) * 1e-3, 1);
    int64_t moved = transfer_in_ns(&r->timeline, c, op, v->processor);
    spa_table_number(t, moved ? (double)moved * 1e-3 : NAN, 1);
}

static spa_status print_operators(spa_cli *cli, const spa_case *c, const recording *r,
                                  spa_error *err)
{
    const spa_interval **kernel;
    SPA_TRY(spa_alloc(&kernel, c->graph.n_ops, sizeof *kernel, err));
    for (size_t i = 0; i < r->timeline.count; i++) {
        const spa_interval *v = &r->timeline.intervals[i];
        if (v->kind == SPA_INTERVAL_KERNEL && v->request == 0) kernel[v->op] = v;
    }
    spa_table t;
    spa_table_init(&t, "operator|kind|on|start ms|end ms|us|moved in us", "lllrrrr");
    for (size_t k = 0; k < r->n_placed; k++) put_op(&t, c, r, kernel, r->schedule.order[k]);
    spa_status status = spa_table_print(&t, 2, &cli->out, err);
    spa_table_fini(&t);
    free(kernel);
    return status;
}

static void print_totals(spa_cli *cli, const spa_case *c, const spa_outcome *o)
{
    spa_string *s = &cli->out;
    spa_string_append(s, "\n  latency   %.3f ms", o->latency_ms);
    if (o->n_reps > 1) {
        spa_string_append(s, " +- %.3f (p50 %.3f, p95 %.3f, p99 %.3f; %llu replications)",
                          o->ci95_ms, o->p50_ms, o->p95_ms, o->p99_ms,
                          (unsigned long long)o->n_reps);
    }
    spa_string_append(s, "\n  bound     %.3f ms", o->lower_bound_ms);
    if (isfinite(o->gap)) spa_string_append(s, ", gap %.1f %%", o->gap * 100);
    spa_string_append(s, "\n");
    for (uint32_t p = 0; p < c->costs.n_processors; p++) {
        spa_string_append(s, "  %-8s  busy %.1f %%\n", c->costs.processors[p].name,
                          o->busy[p] * 100);
    }
    spa_string_append(s, "  dispatch  %.3f ms of host time per request\n", o->dispatch_ms);
    spa_string_append(s, "  transfers %.1f per request, %.3f ms", o->transfers, o->transfer_ms);
    if (isfinite(o->overlap)) spa_string_append(s, ", %.0f %% overlapped", o->overlap * 100);
    spa_string_append(s, "\n  rate      %.1f inferences/s\n", o->throughput_ips);
    if (!c->power_known) {
        spa_string_append(s, "  energy    not known for this device\n");
    } else {
        spa_string_append(s, "  energy    %.2f mJ per inference, %.2f W: idle %.2f mJ",
                          o->energy_mj, o->power_w, o->energy_mj - o->energy_dynamic_mj);
        for (uint32_t p = 0; p < c->costs.n_processors; p++) {
            spa_string_append(s, ", %s %.2f mJ", c->costs.processors[p].name, o->processor_mj[p]);
        }
        spa_string_append(s, "\n");
    }
    spa_string_append(s, "  planned   in %.1f ms; digest %016llx\n", o->plan_host_ms,
                      (unsigned long long)o->digest);
}

/* Of a run of several programs no single request stands for all. */
static void print_models(spa_cli *cli, const spa_outcome *o)
{
    const spa_batch_outcome *b = &o->batches;
    if (b->target)
        spa_string_append(&cli->out,
                          "  batches   aims at %u, %.2f samples a run; queue %.3f ms (collecting "
                          "%.3f), run %.3f ms; padding %.1f %%, overhead %.1f %%\n",
                          b->target, b->samples, b->queue_ms, b->collect_ms, b->run_ms,
                          b->padding * 100, b->overhead * 100);
    for (size_t i = 0; i < o->n_parts; i++) {
        const spa_part_outcome *p = &o->parts[i];
        spa_string_append(&cli->out,
                          "  %-20s %llu requests, %.3f ms (p50 %.3f, p95 %.3f, p99 %.3f), "
                          "%.1f inferences/s\n",
                          p->model, (unsigned long long)p->requests, p->latency_ms, p->p50_ms,
                          p->p95_ms, p->p99_ms, p->throughput_ips);
    }
}

/* Charts and schedules are of one graph. */
static spa_status check_files(const spa_case *c, const spa_options *o, spa_error *err)
{
    if (!spa_planned_needed(c, o) || (!o->schedule && !o->gantt.count)) return SPA_OK;
    return spa_fail(err, SPA_E_USAGE,
                    "%s is of one model with one batch; leave it out for a mix or a batcher",
                    o->schedule ? "--schedule" : "--gantt");
}

/* ---------------------------------------------------------------- the command */
static spa_status print(spa_cli *cli, const spa_runs *runs, const spa_options *o,
                        const recording *r, spa_error *err)
{
    if (o->json) return spa_runs_print_json(runs, o, "simulate", &cli->out, err);
    spa_runs_heading(runs, 0, o, &cli->out);
    const spa_outcome *outcome = &runs->outcomes[0];
    spa_string_append(&cli->out, "  policy %s\n\n", outcome->policy);
    if (spa_planned_needed(&runs->cases[0], o))
        print_models(cli, outcome);
    else
        SPA_TRY(print_operators(cli, &runs->cases[0], r, err));
    print_totals(cli, &runs->cases[0], outcome);
    return spa_string_ok(&cli->out, err);
}

static spa_status write_files(spa_cli *cli, const spa_runs *runs, const spa_options *o,
                              recording *r, spa_error *err)
{
    const spa_case *c = &runs->cases[0];
    if (o->schedule) SPA_TRY(spa_schedule_write_csv(&r->schedule, &c->costs, o->schedule, err));
    if (o->timeline) SPA_TRY(spa_timeline_write_json(&r->timeline, &r->info, o->timeline, err));
    for (size_t i = 0; i < o->gantt.count; i++) {
        SPA_TRY(spa_chart_gantt(o->gantt.items[i], c, runs->policies.items[0], &r->timeline, err));
        spa_cli_note(cli, o, "gantt: %s", o->gantt.items[i]);
    }
    if (o->db) SPA_TRY(spa_results_store_runs(o->db, "simulate", runs, o, err));
    if (r->log) {
        spa_log_writer *log = r->log;
        r->log = NULL;
        SPA_TRY(spa_log_writer_close(log, r->info.digest, err));
    }
    const char *const written[] = {o->schedule, o->timeline, o->log};
    static const char *const kinds[] = {"schedule", "timeline", "log"};
    for (int i = 0; i < 3; i++) {
        if (written[i]) spa_cli_note(cli, o, "%s: %s", kinds[i], written[i]);
    }
    return SPA_OK;
}

static spa_status simulate(spa_cli *cli, spa_runs *runs, const spa_options *o, recording *r,
                           spa_error *err)
{
    const spa_case *c = &runs->cases[0];
    spa_outcome *outcome = &runs->outcomes[0];
    spa_recorder recorder = {.begin = begin, .event = record, .user = r};
    if (!spa_planned_needed(c, o)) SPA_TRY(spa_schedule_init(&r->schedule, c->graph.n_ops, err));
    SPA_TRY(spa_study_run(c, o, &runs->scenario, runs->policies.items[0], &recorder, outcome, err));
    if (outcome->is_skipped) {
        return spa_fail(err, SPA_E_UNSUPPORTED, "%s on %s with policy %.100s: %.500s",
                        c->graph.name, c->costs.device, outcome->policy, outcome->skipped);
    }
    if (r->status) {
        if (err) *err = r->error;
        return r->status;
    }
    r->info.digest = outcome->first_digest;
    SPA_TRY(print(cli, runs, o, r, err));
    return write_files(cli, runs, o, r, err);
}

spa_status spa_cmd_simulate(spa_cli *cli, spa_options *options, spa_error *err)
{
    spa_paths paths;
    spa_runs runs;
    spa_string description = {0};
    SPA_TRY(spa_cli_operands(options, 1, 1, "one model", err));
    if (options->devices.count > 1 || options->policies.count != 1 ||
        strcmp(options->policies.items[0], "all") == 0) {
        return spa_fail(err, SPA_E_USAGE,
                        "'simulate' takes one --device and one --policy; 'compare' takes several");
    }
    SPA_TRY(spa_figure_check_names(&options->gantt, err));
    SPA_TRY(spa_paths_find(&paths, err));
    SPA_TRY(spa_runs_open(&runs, options, &paths, err));
    spa_case_note_opaque(&runs.cases[0], cli, options);
    spa_status status = check_files(&runs.cases[0], options, err);
    recording r = {.all = options->timeline || options->gantt.count,
                   .arena = &options->arena,
                   .path = options->log};
    describe(&description, &runs, options);
    if (!status) status = spa_string_ok(&description, err);
    if (!status) {
        r.info.description = description.text;
        r.info.seed = (uint64_t)options->seed;
        status = simulate(cli, &runs, options, &r, err);
    }
    spa_log_writer_abort(r.log);
    spa_timeline_fini(&r.timeline);
    spa_schedule_fini(&r.schedule);
    spa_string_fini(&description);
    spa_runs_close(&runs);
    return status;
}
