/* Evaluating whole schedules, and the lower bound they are measured against. */
#include <stdlib.h>
#include <string.h>
#include "sim/engine.h"

struct spa_evaluator {
    spa_engine *engine;
    spa_run_config config;
    uint64_t count;
};

spa_status spa_evaluator_new(spa_evaluator **evaluator, const spa_graph *graph,
                             const spa_costs *costs, bool contention, spa_error *err)
{
    spa_evaluator *v = NULL;
    *evaluator = NULL;
    SPA_TRY(spa_alloc(&v, 1, sizeof *v, err));
    v->config = spa_run_config_default();
    v->config.graph = graph;
    v->config.costs = costs;
    v->config.contention = contention;
    *evaluator = v;
    return SPA_OK;
}

void spa_evaluator_free(spa_evaluator *v)
{
    if (!v) return;
    spa_engine_free(v->engine);
    free(v);
}

uint64_t spa_evaluator_count(const spa_evaluator *v)
{
    return v->count;
}

void spa_evaluator_note(spa_evaluator *v)
{
    v->count++;
}

void spa_evaluator_splits(spa_evaluator *v)
{
    if (v->config.splits) return;
    v->config.splits = true;
    spa_engine_free(v->engine);
    v->engine = NULL;
}

spa_status spa_evaluate(spa_evaluator *v, const spa_schedule *schedule, spa_evaluation *out,
                        spa_error *err)
{
    spa_run_result result;
    memset(out, 0, sizeof *out);
    if (spa_schedule_splits(schedule)) spa_evaluator_splits(v);
    if (!v->engine) { /* made with the first schedule: an engine needs one */
        v->config.schedule = schedule;
        SPA_TRY(spa_engine_new(&v->engine, &v->config, err));
    } else {
        SPA_TRY(spa_engine_restart(v->engine, 0, 0, schedule, err));
    }
    SPA_TRY(spa_engine_run(v->engine, NULL, &result, err));
    v->count++;
    out->makespan_ns = result.span_ns;
    out->energy_j = result.energy_j;
    out->energy_dynamic_j = result.energy_dynamic_j;
    return SPA_OK;
}

spa_status spa_evaluator_stepper(const spa_evaluator *v, const spa_schedule *order,
                                 spa_engine **engine, spa_error *err)
{
    spa_run_config config = v->config;
    config.schedule = order;
    config.stepped = true;
    return spa_engine_new(engine, &config, err);
}

/* The least that an operator can take: until it is done, and in time of lanes. */
typedef struct least {
    int64_t time_ns, work_ns;
} least;

/* Where dispatch is a delay on the lane, no run can avoid it. */
static int64_t launch_ns(const spa_costs *costs, size_t op, uint32_t p)
{
    return costs->dispatch_occupies_host ? 0 : spa_cost(costs, op, p)->launch_ns;
}

static void consider_split(const spa_costs *costs, size_t op, uint32_t p, uint32_t q, least *best)
{
    for (uint32_t share = 1; share < SPA_TENTHS; share++) {
        int64_t a = spa_part_ns(costs, op, p, SPA_TENTHS - share);
        int64_t b = spa_part_ns(costs, op, q, share), longer;
        if (a < 0 || b < 0) continue;
        a += launch_ns(costs, op, p);
        b += launch_ns(costs, op, q);
        longer = a > b ? a : b;
        if (longer < best->time_ns) best->time_ns = longer;
        if (a + b < best->work_ns) best->work_ns = a + b;
    }
}

static least least_of(const spa_costs *costs, size_t op, bool splits)
{
    least best = {INT64_MAX, INT64_MAX};
    if (costs->graph->ops[op].kind == SPA_OP_RESHAPE) return (least){0, 0};
    for (uint32_t p = 0; p < costs->n_processors; p++) {
        int64_t t = spa_cost(costs, op, p)->kernel_ns + launch_ns(costs, op, p);
        if (!spa_cost_can_run(costs, op, p)) continue;
        if (t < best.time_ns) best.time_ns = best.work_ns = t;
    }
    for (uint32_t p = 0; p < costs->n_processors && splits; p++)
        for (uint32_t q = 0; q < costs->n_processors; q++)
            if (q != p) consider_split(costs, op, p, q, &best);
    return best.time_ns == INT64_MAX ? (least){0, 0} : best;
}

spa_status spa_lower_bound_ns(int64_t *bound_ns, const spa_graph *graph, const spa_costs *costs,
                              bool splits, spa_error *err)
{
    int64_t *finish = NULL, path = 0, work = 0, lanes = 0;
    *bound_ns = 0;
    SPA_TRY(spa_alloc(&finish, graph->n_ops, sizeof *finish, err));
    for (size_t op = 0; op < graph->n_ops; op++) {
        least cost = least_of(costs, op, splits);
        int64_t ready = 0;
        for (uint32_t i = 0; i < graph->ops[op].n_inputs; i++) {
            int32_t producer = graph->inputs[graph->ops[op].first_input + i];
            if (producer >= 0 && finish[producer] > ready) ready = finish[producer];
        }
        finish[op] = ready + cost.time_ns;
        if (finish[op] > path) path = finish[op];
        work += cost.work_ns;
    }
    for (uint32_t p = 0; p < costs->n_processors; p++) lanes += costs->processors[p].n_lanes;
    free(finish);
    work = (work + lanes - 1) / lanes;
    *bound_ns = path > work ? path : work;
    return SPA_OK;
}
