/* What stages cost, and what they say about lanes and order. The search: stage_search.c. */
#include "policies/stages.h"

#include <stdlib.h>
#include "sim/contention.h"

void spa_stages_fini(spa_stages *s)
{
    free(s->items);
    *s = (spa_stages){0};
}

/* The demands of a node as the engine sees them. */
static engine_load load_of(const spa_flow *f, uint32_t node, uint32_t accelerator)
{
    const spa_costs *c = f->costs;
    uint32_t op = f->op[node], p = spa_policy_able(c, op, accelerator);
    const spa_op_cost *k = spa_cost(c, op, p);
    return (engine_load){
        .expected_ns = k->kernel_ns + (c->dispatch_occupies_host ? 0 : k->launch_ns),
        .issue_ns = c->dispatch_occupies_host ? k->launch_ns : 0,
        .dram = k->dram_share,
        .capacity = k->capacity_share,
        .pressure = k->pressure,
        .corun = k->corun_slowdown,
        .slow_a = c->processors[p].slow_a,
        .slow_b = c->processors[p].slow_b,
        .busy = 1u << p,
    };
}

/* Runs the heads of the groups until the first of them ends; false: nothing was left. */
static bool advance(engine_load (*loads)[SPA_GROUP_NODES], const spa_stage *stage, uint32_t *at,
                    double *left, double *now)
{
    const engine_load *running[SPA_STAGE_GROUPS];
    uint32_t group[SPA_STAGE_GROUPS], n = 0;
    double rate[SPA_STAGE_GROUPS], step = 0;
    for (uint32_t g = 0; g < stage->n_groups; g++) {
        if (at[g] == stage->size[g]) continue;
        group[n] = g;
        running[n++] = &loads[g][at[g]];
    }
    if (n == 0) return false;
    contention_rates(running, n, rate);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || left[group[i]] / rate[i] < step) step = left[group[i]] / rate[i];
    *now += step;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t g = group[i];
        left[g] -= rate[i] * step;
        if (left[g] > 1e-6) continue;
        if (++at[g] < stage->size[g]) left[g] = (double)loads[g][at[g]].expected_ns;
    }
    return true;
}

double spa_stage_ns(const spa_flow *f, uint32_t accelerator, const spa_stage *stage)
{
    engine_load loads[SPA_STAGE_GROUPS][SPA_GROUP_NODES];
    uint32_t at[SPA_STAGE_GROUPS] = {0};
    double left[SPA_STAGE_GROUPS], now = 0;
    int64_t issuing = 0;
    for (uint32_t g = 0; g < stage->n_groups; g++) {
        for (uint32_t k = 0; k < stage->size[g]; k++) {
            loads[g][k] = load_of(f, stage->node[g][k], accelerator);
            issuing += loads[g][k].issue_ns;
        }
        left[g] = (double)loads[g][0].expected_ns;
    }
    while (advance(loads, stage, at, left, &now)) {
    }
    return now > (double)issuing ? now : (double)issuing;
}

/* The lane where the group's first input was made. */
static int8_t lane_before(const spa_flow *f, const int8_t *lane, uint32_t node)
{
    uint32_t e = f->first_from[node];
    return e < f->first_from[node + 1] ? lane[f->from[e]] : SPA_LANE_ANY;
}

static void lay_stage(const spa_stage *s, spa_flow_lanes *l)
{
    int8_t of[SPA_STAGE_GROUPS];
    uint64_t taken = 0;
    for (uint32_t g = 0; g < s->n_groups; g++) {
        of[g] = lane_before(l->flow, l->lane, s->node[g][0]);
        if (of[g] != SPA_LANE_ANY && taken >> of[g] & 1u) of[g] = SPA_LANE_ANY;
        if (of[g] != SPA_LANE_ANY) taken |= UINT64_C(1) << of[g];
    }
    for (uint32_t g = 0; g < s->n_groups; g++) {
        int8_t first_free = 0;
        while (taken >> first_free & 1u) first_free++;
        if (of[g] == SPA_LANE_ANY) of[g] = first_free; /* there are as many lanes as groups */
        taken |= UINT64_C(1) << of[g];
        for (uint32_t k = 0; k < s->size[g]; k++) l->lane[s->node[g][k]] = of[g];
    }
}

void spa_stages_lay(const spa_stages *stages, spa_flow_lanes *l)
{
    uint32_t n = 0;
    for (size_t i = 0; i < stages->n; i++) {
        const spa_stage *s = &stages->items[i];
        lay_stage(s, l);
        for (uint32_t k = 0; k < SPA_GROUP_NODES; k++) /* first what every group begins with */
            for (uint32_t g = 0; g < s->n_groups; g++)
                if (k < s->size[g]) l->nodes[n++] = s->node[g][k];
    }
}
