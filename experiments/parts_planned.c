/* A policy on every program of a case: plans, the batcher, what came out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "experiments/cli.h"
#include "experiments/parts.h"
#include "experiments/plugins.h"

/* ---------------------------------------------------------------- the batcher */
spa_status spa_batcher_check(const spa_options *o, const spa_scenario *scenario, spa_error *err)
{
    const spa_batcher *batcher;
    spa_param_values values;
    if (!spa_batcher_given(o)) return SPA_OK;
    if (spa_plugins_parse_batcher(o->plugins, o->batcher, &batcher, &values, err)) {
        if (err) err->status = SPA_E_USAGE;
        return SPA_E_USAGE;
    }
    if (!spa_scenario_is_open(scenario))
        return spa_fail(err, SPA_E_USAGE,
                        "batcher '%.100s': batches are made of requests that arrive by themselves; "
                        "scenario '%s' is not of that kind: give --rate HZ, or a scenario like "
                        "poisson or bursty",
                        o->batcher, scenario->name);
    if (o->batch > 1 || o->batches.count > 1)
        return spa_fail(err, SPA_E_USAGE,
                        "--batch and --batcher exclude each other: the batcher chooses the batch");
    return SPA_OK;
}

/* Time of one run of a program alone, without noise. */
static spa_status time_alone(const spa_planned *p, const spa_options *options, size_t i,
                             int64_t *ns, spa_error *err)
{
    spa_run_config config = spa_run_config_default();
    spa_engine *engine;
    spa_run_result result;
    config.graph = &p->sizes[i].graph;
    config.costs = &p->sizes[i].costs;
    config.policy = p->policy;
    config.self = p->selves[i];
    config.schedule = p->plans[i].n_ops ? &p->plans[i] : NULL;
    config.objective = (spa_objective)options->objective;
    config.contention = options->contention != 0;
    config.policy_cost = options->policy_cost != 0;
    SPA_TRY(spa_engine_new(&engine, &config, err));
    spa_status status = spa_engine_run(engine, NULL, &result, err);
    spa_engine_free(engine);
    *ns = result.span_ns;
    return status;
}

/* Means over the operators of one sample that do something. */
static void measure_graph(const spa_graph *g, spa_batch_table *table)
{
    double rho = 0, macs = 0;
    size_t n_rho = 0, n_macs = 0;
    for (size_t i = 0; i < g->n_ops; i++) {
        const spa_op *op = &g->ops[i];
        if (op->kind == SPA_OP_RESHAPE) continue;
        if (isfinite(op->sparsity)) rho += op->sparsity, n_rho++;
        if (op->macs > 0) macs += (double)op->macs, n_macs++;
    }
    table->sparsity = n_rho ? rho / (double)n_rho : NAN;
    table->intensity = n_macs ? macs / (double)n_macs : 0;
}

/* The model's batcher, for its share of the arrivals. */
static spa_status prepare_batcher(spa_planned *p, const spa_options *options, size_t model,
                                  double rate_hz, spa_error *err)
{
    spa_batch_table table = {.count = (uint32_t)p->n_sizes, .rate_hz = rate_hz};
    size_t first = model * p->n_sizes;
    measure_graph(&p->sizes[first].graph, &table);
    for (size_t i = 0; i < p->n_sizes; i++) {
        const spa_graph *graph = &p->sizes[first + i].graph;
        table.sizes[i] = (uint32_t)graph->batch;
        SPA_TRY(time_alone(p, options, first + i, &table.latency_ns[i], err));
        SPA_TRY(spa_graph_footprint(graph, &table.memory_bytes[i], err));
    }
    if (!p->batcher->prepare) return SPA_OK;
    return p->batcher->prepare(p->batcher_selves[model], &table, err);
}

static double weight_of(const spa_planned *p, size_t model)
{
    return p->c->kind == SPA_CASE_MIX ? p->c->weights[model] : 1;
}

static spa_status prepare_batchers(spa_planned *p, const spa_options *options,
                                   const spa_scenario *scenario, spa_error *err)
{
    spa_scenario s = *scenario;
    double sum = 0;
    spa_scenario_resolve(&s, spa_case_service_ns(p->c));
    for (size_t m = 0; m < p->n_models; m++) sum += weight_of(p, m);
    for (size_t m = 0; m < p->n_models; m++)
        SPA_TRY(prepare_batcher(p, options, m, spa_scenario_rate(&s) * weight_of(p, m) / sum, err));
    return SPA_OK;
}

static uint32_t size_index(uint32_t size)
{
    return (uint32_t)__builtin_ctz(size);
}

/* One program: its operators of the two classes run in the batcher's chunks, where the batch is
 * larger. Operators that the plan splits stay whole. */
static spa_status cut_program(spa_planned *p, size_t i, uint32_t attention, uint32_t activation,
                              spa_error *err)
{
    spa_case *part = &p->sizes[i];
    spa_schedule *plan = &p->plans[i];
    for (size_t op = 0; op < part->graph.n_ops; op++) {
        uint32_t chunk = spa_batch_chunk(part->graph.ops[op].kind, attention, activation);
        if (chunk == 0 || chunk >= (uint32_t)part->graph.batch) continue;
        if (plan->share[op]) continue;
        if (!spa_chunk_cost(&part->costs, op, 0, chunk))
            SPA_TRY(spa_costs_add_chunks(
                &part->costs, &p->sizes[i - i % p->n_sizes + size_index(chunk)].costs, err));
        plan->chunk[op] = (uint16_t)chunk;
    }
    return SPA_OK;
}

/* All programs have a schedule, or none: with a policy that decides as it goes an empty one changes
 * nothing. */
static spa_status cut_programs(spa_planned *p, spa_error *err)
{
    uint32_t attention = 0, activation = 0;
    if (!p->batcher->chunks) return SPA_OK;
    p->batcher->chunks(p->batcher_selves[0], &attention, &activation);
    if (attention == 0 && activation == 0) return SPA_OK;
    for (size_t i = 0; i < p->n; i++) {
        if (p->plans[i].n_ops == 0)
            SPA_TRY(spa_schedule_init(&p->plans[i], p->sizes[i].graph.n_ops, err));
        SPA_TRY(cut_program(p, i, attention, activation, err));
    }
    return SPA_OK;
}

static spa_status create_batchers(spa_planned *p, const spa_options *options, spa_error *err)
{
    spa_param_values values;
    p->n_models = p->c->kind == SPA_CASE_MIX ? p->c->n_parts : 1;
    SPA_TRY(
        spa_plugins_parse_batcher(options->plugins, options->batcher, &p->batcher, &values, err));
    SPA_TRY(spa_alloc(&p->batcher_selves, p->n_models, sizeof *p->batcher_selves, err));
    for (size_t m = 0; m < p->n_models; m++)
        SPA_TRY(p->batcher->create(&p->batcher_selves[m], &values, err));
    return SPA_OK;
}

/* Each model at 1, 2, 4, ... samples, up to the first size that holds the batcher's largest. */
static spa_status open_sizes(spa_planned *p, const spa_options *options, spa_error *err)
{
    SPA_TRY(create_batchers(p, options, err));
    uint32_t largest = p->batcher->largest(p->batcher_selves[0]);
    if (largest < 1 || largest > SPA_MAX_BATCH)
        return spa_fail(err, SPA_E_RANGE,
                        "batcher '%s': a largest batch of %u; 1 to %u are possible",
                        p->batcher->name, largest, SPA_MAX_BATCH);
    while (1u << p->n_sizes < largest) p->n_sizes++;
    p->n_sizes++;
    if (p->n_models * p->n_sizes > SPA_MAX_PROGRAMS)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "%zu models at %zu batch sizes each are more than %d programs; a smaller "
                        "largest batch needs fewer",
                        p->n_models, p->n_sizes, SPA_MAX_PROGRAMS);
    p->n = p->n_models * p->n_sizes;
    SPA_TRY(spa_alloc(&p->sizes, p->n, sizeof *p->sizes, err));
    for (size_t i = 0; i < p->n; i++, p->n_open++) {
        const spa_case *model = p->c->kind == SPA_CASE_MIX ? &p->c->parts[i / p->n_sizes] : p->c;
        spa_options one = model->options;
        one.batch = (int64_t)1 << i % p->n_sizes;
        SPA_TRY(
            spa_case_open(&p->sizes[i], &one, model->paths, model->model, model->device_name, err));
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- planning */
static const spa_case *part_of(const spa_planned *p, size_t i)
{
    return p->sizes ? &p->sizes[i] : &p->c->parts[i];
}

static spa_status plan_part(spa_planned *p, size_t i, const spa_options *options,
                            const spa_param_values *values, spa_error *err)
{
    SPA_TRY(spa_study_plan(part_of(p, i), options, p->policy, values, &p->selves[i],
                           &p->evaluators[i], &p->plans[i], err));
    p->splits = p->splits || (p->plans[i].n_ops && spa_schedule_splits(&p->plans[i]));
    return spa_histogram_init(&p->latencies[i], err);
}

/* "resnet18", "b8" or, in a mix with a batcher, "resnet18/b8". */
static void put_label(const spa_planned *p, size_t i, char label[96])
{
    const spa_graph *g = &part_of(p, i)->graph;
    if (!p->sizes)
        snprintf(label, 96, "%.80s", g->name);
    else if (p->n_models == 1)
        snprintf(label, 96, "b%d", g->batch);
    else
        snprintf(label, 96, "%.80s/b%d", g->name, g->batch);
}

static spa_status join_planned(spa_planned *p, spa_error *err)
{
    spa_program list[SPA_MAX_PROGRAMS];
    char labels[SPA_MAX_PROGRAMS][96];
    for (size_t i = 0; i < p->n; i++) {
        const spa_case *part = part_of(p, i);
        size_t model = p->sizes ? i / p->n_sizes : i;
        put_label(p, i, labels[i]);
        list[i] = (spa_program){.label = labels[i],
                                .graph = &part->graph,
                                .costs = &part->costs,
                                .schedule = p->plans[i].n_ops ? &p->plans[i] : NULL,
                                .self = p->selves[i],
                                .samples = p->sizes ? (uint32_t)part->graph.batch : 0,
                                .queue = p->sizes ? (uint32_t)model : 0,
                                .weight = weight_of(p, model)};
    }
    return spa_programs_new(&p->programs, list, p->n, err);
}

bool spa_planned_needed(const spa_case *c, const spa_options *options)
{
    return c->kind == SPA_CASE_MIX || spa_batcher_given(options);
}

spa_status spa_planned_open(spa_planned *p, const spa_case *c, const spa_options *options,
                            const spa_scenario *scenario, const spa_policy *policy,
                            const spa_param_values *values, spa_error *err)
{
    *p = (spa_planned){.c = c, .policy = policy};
    if (spa_batcher_given(options)) SPA_TRY(open_sizes(p, options, err));
    if (!p->sizes) p->n = c->n_parts;
    SPA_TRY(spa_alloc(&p->selves, p->n, sizeof *p->selves, err));
    SPA_TRY(spa_alloc(&p->evaluators, p->n, sizeof *p->evaluators, err));
    SPA_TRY(spa_alloc(&p->plans, p->n, sizeof *p->plans, err));
    SPA_TRY(spa_alloc(&p->latencies, p->n, sizeof *p->latencies, err));
    SPA_TRY(spa_alloc(&p->sums, p->n, sizeof *p->sums, err));
    SPA_TRY(spa_alloc(&p->requests, p->n, sizeof *p->requests, err));
    for (size_t i = 0; i < p->n; i++) SPA_TRY(plan_part(p, i, options, values, err));
    if (p->sizes) SPA_TRY(cut_programs(p, err));
    if (p->sizes) SPA_TRY(prepare_batchers(p, options, scenario, err));
    return join_planned(p, err);
}

void spa_planned_close(spa_planned *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->evaluators) spa_evaluator_free(p->evaluators[i]);
        if (p->selves && p->selves[i] && p->policy->destroy) p->policy->destroy(p->selves[i]);
        if (p->plans) spa_schedule_fini(&p->plans[i]);
        if (p->latencies) spa_histogram_fini(&p->latencies[i]);
    }
    spa_programs_free(p->programs);
    for (size_t m = 0; p->batcher_selves && m < p->n_models; m++)
        if (p->batcher_selves[m]) p->batcher->destroy(p->batcher_selves[m]);
    for (size_t i = 0; i < p->n_open; i++) spa_case_close(&p->sizes[i]);
    free(p->batcher_selves);
    free(p->sizes);
    free(p->selves);
    free(p->evaluators);
    free(p->plans);
    free(p->latencies);
    free(p->sums);
    free(p->requests);
    *p = (spa_planned){0};
}

void spa_planned_configure(const spa_planned *p, spa_run_config *config)
{
    config->graph = NULL;
    config->costs = NULL;
    config->schedule = NULL;
    config->self = NULL;
    config->programs = p->programs;
    config->batcher = p->batcher;
    config->batcher_selves = (const void *const *)p->batcher_selves;
    config->by_program = p->latencies;
}

/* ---------------------------------------------------------------- what came out */
static void note_batches(spa_planned *p, const spa_batch_result *b)
{
    p->batched.runs += b->runs;
    p->batched.samples += b->samples;
    p->batched.places += b->places;
    p->batched.queue_ns += b->queue_ns;
    p->batched.collect_ns += b->collect_ns;
    p->batched.run_ns += b->run_ns;
    p->batched.padding_ns += b->padding_ns;
}

void spa_planned_note(spa_planned *p, const spa_engine *engine)
{
    spa_batch_result batched = spa_engine_batch_result(engine);
    note_batches(p, &batched);
    p->n_noted++;
    for (size_t i = 0; i < p->n; i++) {
        spa_moments m = spa_engine_program_latency(engine, (uint32_t)i);
        p->requests[i] += m.count;
        p->sums[i] += m.mean * (double)m.count;
    }
}

static void summarise_batches(const spa_planned *p, spa_outcome *o)
{
    const spa_batch_result *b = &p->batched;
    double n = (double)b->samples;
    uint32_t target = 0;
    for (size_t m = 0; m < p->n_models; m++) {
        uint32_t one = p->batcher->target(p->batcher_selves[m]);
        if (one > target) target = one;
    }
    o->batches = (spa_batch_outcome){
        .target = target,
        .samples = n / (double)b->runs,
        .runs = (double)b->runs / (double)p->n_noted,
        .queue_ms = b->queue_ns / n * 1e-6,
        .collect_ms = b->collect_ns / n * 1e-6,
        .run_ms = b->run_ns / n * 1e-6,
        .padding = 1 - n / (double)b->places,
        .overhead = (b->collect_ns + b->padding_ns) / (b->queue_ns + b->run_ns),
    };
}

spa_status spa_planned_summarise(const spa_planned *p, int64_t span_ns, spa_outcome *o,
                                 spa_error *err)
{
    if (p->batcher) summarise_batches(p, o);
    if (p->c->kind != SPA_CASE_MIX) return SPA_OK;
    size_t n_models = p->c->n_parts;
    SPA_TRY(spa_alloc(&o->parts, n_models, sizeof *o->parts, err));
    o->n_parts = n_models;
    for (size_t i = 0; i < n_models; i++) {
        double n = (double)p->requests[i], batch = p->c->parts[i].graph.batch;
        o->parts[i] = (spa_part_outcome){
            .model = p->c->parts[i].graph.name,
            .requests = p->requests[i],
            .latency_ms = n > 0 ? p->sums[i] / n * 1e-6 : NAN,
            .p50_ms = spa_histogram_quantile(&p->latencies[i], 0.50) * 1e-6,
            .p95_ms = spa_histogram_quantile(&p->latencies[i], 0.95) * 1e-6,
            .p99_ms = spa_histogram_quantile(&p->latencies[i], 0.99) * 1e-6,
            .throughput_ips = span_ns > 0 ? n * batch / ((double)span_ns * 1e-9) : NAN,
        };
    }
    return SPA_OK;
}
