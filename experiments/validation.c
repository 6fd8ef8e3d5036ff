/* Validation of one model: which schedules, how they are simulated, what is compared. */
#include "experiments/validation.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/stats.h"
#include "base/text.h"
#include "experiments/interrupt.h"
#include "experiments/lanes_device.h"
#include "experiments/plugins.h"
#include "experiments/validation_rows.h"

/* ---- what is validated ----------------------------------------------------------------------- */

static validated_entry *add_row(validator *v, const char *kind, const char *format, ...)
    SPA_PRINTF(3, 4);

/* A number behind a name that is there already: rows are told apart by it. */
static void number_name(const spa_validation *out, spa_validated *row)
{
    char name[sizeof row->id];
    int same = 0;
    memcpy(name, row->id, sizeof name);
    for (size_t i = 0; i < out->n_rows; i++) {
        if (strcmp(out->rows[i].id, row->id) != 0) continue;
        snprintf(row->id, sizeof row->id, "%.80s (%d)", name, ++same + 1);
        i = (size_t)-1; /* is that one new? */
    }
}

static validated_entry *add_row(validator *v, const char *kind, const char *format, ...)
{
    spa_validated *row = &v->out->rows[v->out->n_rows];
    va_list args;
    va_start(args, format);
    vsnprintf(row->id, sizeof row->id, format, args);
    va_end(args);
    number_name(v->out, row);
    row->kind = kind;
    return &v->entries[v->out->n_rows++];
}

static spa_status add_anchor(validator *v, uint32_t lane, spa_error *err)
{
    validated_entry *e = add_row(v, "anchor", "all on %s", v->costs.processors[lane].name);
    SPA_TRY(spa_schedule_init(&e->schedule, v->graph->n_ops, err));
    memset(e->schedule.processor, (int)lane, v->graph->n_ops);
    return SPA_OK;
}

/* Operators in turn over the lanes. */
static spa_status add_turn_anchor(validator *v, spa_error *err)
{
    validated_entry *e = add_row(v, "anchor", "in turn");
    SPA_TRY(spa_schedule_init(&e->schedule, v->graph->n_ops, err));
    for (size_t op = 0, turn = 0; op < v->graph->n_ops; op++)
        if (v->graph->ops[op].kind != SPA_OP_RESHAPE)
            e->schedule.processor[op] = (uint8_t)(turn++ % v->costs.n_processors);
    return SPA_OK;
}

/* Half of them place every operator by itself, half run segments of random length, so that both
 * many and few changes of lane occur. */
static spa_status add_random(validator *v, int32_t index, spa_error *err)
{
    validated_entry *e = add_row(v, "random", "random %d", (int)index + 1);
    uint32_t n = v->costs.n_processors, lane;
    spa_rng rng;
    SPA_TRY(spa_schedule_init(&e->schedule, v->graph->n_ops, err));
    spa_rng_init_indexed(&rng, v->options->seed, "validation-schedule", (uint64_t)index);
    double change = index % 2 ? spa_rng_uniform(&rng) : 1;
    lane = spa_rng_below(&rng, n);
    for (size_t op = 0; op < v->graph->n_ops; op++) {
        if (spa_rng_uniform(&rng) < change) lane = spa_rng_below(&rng, n);
        e->schedule.processor[op] = (uint8_t)lane;
    }
    return SPA_OK;
}

static spa_status plan(validator *v, validated_entry *e, spa_error *err)
{
    spa_plan_context context = {.graph = v->graph,
                                .costs = &v->costs,
                                .objective = SPA_OBJECTIVE_LATENCY,
                                .seed = v->options->seed,
                                .budget = v->options->budget,
                                .evaluator = v->evaluator};
    if (!(e->policy->objectives & SPA_OBJECTIVE_LATENCY))
        return spa_fail(err, SPA_E_UNSUPPORTED, "does not honour the objective 'latency'");
    if (e->policy->create) SPA_TRY(e->policy->create(&e->self, &e->values, err));
    if (!e->policy->plan) return SPA_OK;
    SPA_TRY(spa_schedule_init(&e->schedule, v->graph->n_ops, err));
    return e->policy->plan(e->self, &context, &e->schedule, err);
}

/* What a row asks of an engine, measured or simulated. */
static spa_run_config config_of(const validator *v, const validated_entry *e)
{
    spa_run_config config = spa_run_config_default();
    config.graph = v->graph;
    config.costs = &v->costs;
    config.schedule = e->schedule.n_ops ? &e->schedule : NULL;
    config.policy = e->policy && e->policy->place ? e->policy : NULL;
    config.self = e->self;
    return config;
}

static spa_status add_policy(validator *v, const char *name, spa_error *err)
{
    validated_entry *e = add_row(v, "policy", "%s", name);
    spa_validated *row = &v->out->rows[v->out->n_rows - 1];
    spa_error cause;
    e->name = name;
    SPA_TRY(spa_plugins_parse(v->options->plugins, name, &e->policy, &e->values, err));
    spa_status status = plan(v, e, &cause);
    if (!status) { /* lanes may be unable to run it: parts, where they run whole operators only */
        spa_run_config config = config_of(v, e);
        status = spa_hardware_config(v->hardware, &config, &cause);
    }
    if (status == SPA_E_UNSUPPORTED) {
        row->is_skipped = true;
        snprintf(row->skipped, sizeof row->skipped, "%.250s", cause.message);
        return SPA_OK;
    }
    if (status && err) *err = cause;
    return status;
}

static spa_status add_file(validator *v, const char *path, spa_error *err)
{
    validated_entry *e = add_row(v, "file", "%.90s", path);
    spa_validated *row = &v->out->rows[v->out->n_rows - 1];
    for (int side = 0; side < 2; side++)
        SPA_TRY(spa_alloc(&row->steps[side], v->graph->n_ops, sizeof(spa_step), err));
    return spa_schedule_read_csv(&e->schedule, &v->costs, path, err);
}

static spa_status add_rows(validator *v, spa_error *err)
{
    const spa_validation_options *o = v->options;
    size_t n = v->costs.n_processors + 1 + (size_t)o->schedules + 1;
    if (o->policies) n += o->policies->count;
    SPA_TRY(spa_alloc(&v->out->rows, n, sizeof *v->out->rows, err));
    SPA_TRY(spa_alloc(&v->entries, n, sizeof *v->entries, err));
    for (uint32_t p = 0; p < v->costs.n_processors; p++) SPA_TRY(add_anchor(v, p, err));
    if (v->costs.n_processors > 1) SPA_TRY(add_turn_anchor(v, err));
    if (o->schedule) return add_file(v, o->schedule, err);
    for (size_t i = 0; o->policies && i < o->policies->count; i++)
        SPA_TRY(add_policy(v, o->policies->items[i], err));
    for (int32_t i = 0; i < o->schedules; i++) SPA_TRY(add_random(v, i, err));
    return SPA_OK;
}

/* ---- measuring ------------------------------------------------------------------------------- */

static void show(void *context, double fraction)
{
    validator *v = context;
    if (v->options->progress) v->options->progress(v->options->context, v->graph->name, fraction);
}

static spa_status measure(validator *v, spa_error *err)
{
    spa_campaign_options options = spa_campaign_default();
    spa_campaign_entry *entries;
    spa_samples *samples;
    size_t n = 0, rows = v->out->n_rows + v->profile.n_entries;
    options.rounds = v->options->rounds;
    options.runs = v->options->runs;
    options.seed = v->options->seed;
    options.progress = show;
    options.context = v;
    SPA_TRY(spa_alloc(&v->samples, rows, sizeof *v->samples, err));
    SPA_TRY(spa_alloc(&entries, rows, sizeof *entries, err));
    for (size_t i = 0; i < v->out->n_rows; i++) {
        const validated_entry *e = &v->entries[i];
        if (v->out->rows[i].is_skipped) continue;
        entries[n++] =
            (spa_campaign_entry){.schedule = e->schedule.n_ops ? &e->schedule : NULL,
                                 .policy = e->policy && e->policy->place ? e->policy : NULL,
                                 .self = e->self,
                                 .concurrency = v->options->concurrency};
    }
    v->n_samples = n;
    for (size_t i = 0; i < v->profile.n_entries; i++) entries[n++] = v->profile.entries[i];
    v->n_measured = n;
    samples = v->samples;
    spa_status status =
        spa_campaign_run(v->hardware, &v->costs, entries, n, &options, samples, err);
    free(entries);
    return status;
}

/* ---- simulating ------------------------------------------------------------------------------ */

static void keep_event(void *user, const spa_event *event)
{
    validator *v = user;
    if (v->n_events < v->event_capacity) v->events[v->n_events++] = *event;
}

/* As many requests as a visit measures, the same of them counted. */
static spa_status simulate(validator *v, size_t i, spa_error *err)
{
    const validated_entry *e = &v->entries[i];
    spa_validated *row = &v->out->rows[i];
    uint32_t k = v->options->concurrency;
    uint64_t requests = k == 1 ? 1 : k * ((uint64_t)v->options->runs + 2);
    spa_run_config config = config_of(v, e);
    spa_engine *engine;
    spa_run_result result;
    config.scenario = spa_scenario_closed(k, requests);
    config.policy_cost = false;
    config.record = keep_event;
    config.record_user = v;
    v->n_events = 0;
    SPA_TRY(spa_engine_new(&engine, &config, err));
    spa_status status = spa_engine_run(engine, NULL, &result, err);
    spa_engine_free(engine);
    return status ? status : validation_take_simulated(v, row, requests, err);
}

static spa_status simulate_all(validator *v, spa_error *err)
{
    for (size_t i = 0; i < v->out->n_rows; i++)
        if (!v->out->rows[i].is_skipped) SPA_TRY(simulate(v, i, err));
    return SPA_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

spa_status validation_prepare_parts(validator *v, const spa_trace_model *m, spa_error *err)
{
    size_t n = v->costs.n_processors;
    free(v->parts);
    v->parts = NULL;
    SPA_TRY(spa_alloc(&v->parts, v->costs.n_tensors * n * n, sizeof *v->parts, err));
    for (size_t i = 0; i < m->n_copies; i++) {
        const spa_trace_copy *c = &m->copies[i];
        for (uint32_t from = 0; from < n; from++) {
            for (uint32_t to = 0; to < n; to++) {
                if (strcmp(v->costs.processors[from].name, c->from) != 0 ||
                    strcmp(v->costs.processors[to].name, c->to) != 0)
                    continue;
                double whole = (double)spa_transfer_ns(&v->costs, c->tensor, from, to) * 1e-3;
                v->parts[(c->tensor * n + from) * n + to] =
                    (spa_copy_parts){.copy = c->copy_us,
                                     .read = c->read_us,
                                     .hand_off = whole - c->copy_us - c->read_us};
            }
        }
    }
    return SPA_OK;
}

static spa_status prepare(validator *v, const char *model, spa_error *err)
{
    const spa_trace_model *m = spa_trace_find_model(v->trace, model);
    spa_hardware_options hardware = spa_hardware_measuring();
    spa_costs_options costs = spa_costs_options_default();
    if (!m)
        return spa_fail(err, SPA_E_NOT_FOUND,
                        "the trace has no model '%.100s'; profile it on these lanes", model);
    v->graph = &m->graph;
    v->out->model = m->name;
    costs.trace = v->trace;
    SPA_TRY(spa_lanes_device_new(&v->device, v->lanes, v->trace, err));
    SPA_TRY(spa_costs_build(&v->costs, v->device, v->graph, &costs, err));
    v->out->costs_hash = v->costs.hash;
    SPA_TRY(validation_prepare_parts(v, m, err));
    SPA_TRY(spa_evaluator_new(&v->evaluator, v->graph, &v->costs, true, err));
    SPA_TRY(spa_model_init(&v->model, v->graph, v->options->seed, err));
    hardware.slots = v->options->concurrency;
    if (v->options->stream && v->options->stream->concurrency > hardware.slots)
        hardware.slots = v->options->stream->concurrency;
    if (v->options->profile && hardware.slots < 2) hardware.slots = 2; /* lanes beside each other */
    hardware.seed = v->options->seed;
    hardware.graphs = v->options->graphs;
    SPA_TRY(spa_hardware_new(&v->hardware, v->lanes, &v->model, &hardware, err));
    uint64_t requests = v->options->concurrency * ((uint64_t)v->options->runs + 2);
    v->event_capacity = requests * spa_events_of_request(v->graph->n_ops, v->graph->n_edges);
    SPA_TRY(spa_alloc(&v->events, v->event_capacity, sizeof *v->events, err));
    return spa_alloc(&v->steps, v->graph->n_ops, sizeof *v->steps, err);
}

static void fini(validator *v)
{
    for (size_t i = 0; i < v->out->n_rows && v->entries; i++) {
        validated_entry *e = &v->entries[i];
        if (e->policy && e->policy->destroy) e->policy->destroy(e->self);
        spa_schedule_fini(&e->schedule);
    }
    for (size_t i = 0; i < v->n_measured; i++) spa_samples_fini(&v->samples[i]);
    spa_profile_model_fini(&v->profile);
    free(v->entries);
    free(v->samples);
    free(v->events);
    free(v->steps);
    free(v->parts);
    spa_hardware_free(v->hardware);
    spa_model_fini(&v->model);
    spa_evaluator_free(v->evaluator);
    spa_costs_fini(&v->costs);
    spa_costs_fini(&v->planned);
    spa_device_free(v->device);
}

spa_status spa_validation_run(spa_validation *out, const spa_trace *trace, const char *model,
                              const spa_lane_set *lanes, const spa_validation_options *options,
                              spa_error *err)
{
    validator v = {.out = out, .trace = trace, .lanes = lanes, .options = options};
    *out = (spa_validation){.concurrency = options->concurrency};
    spa_status status = prepare(&v, model, err);
    if (!status) status = add_rows(&v, err);
    if (!status && options->profile) status = validation_profile_begin(&v, err);
    if (!status && !options->profile) status = simulate_all(&v, err);
    spa_interrupt_by_signal(v.hardware);
    if (!status) status = measure(&v, err);
    if (!status && options->profile) {
        status = validation_profile_end(&v, v.samples + v.n_samples, err);
        if (!status) status = simulate_all(&v, err);
    }
    if (!status) status = validation_compare(&v, err);
    if (!status && options->stream) status = validation_run_stream(&v, out->n_rows - 1, err);
    if (!status && options->schedule) status = validation_measure_energy(&v, out->n_rows - 1, err);
    spa_interrupt_by_signal(NULL);
    fini(&v);
    if (status) spa_validation_fini(out);
    return status;
}

void spa_validation_fini(spa_validation *v)
{
    for (size_t i = 0; i < v->n_rows; i++) {
        spa_schedule_fini(&v->rows[i].placement);
        free(v->rows[i].steps[0]);
        free(v->rows[i].steps[1]);
    }
    free(v->rows);
    free(v->energy);
    free(v->stream);
    *v = (spa_validation){0};
}
