#include "policies/flow.h"

#include <stdlib.h>
#include <string.h>

#define NO_NODE UINT32_MAX

/* Node that makes what `producer` shows, through views; NO_NODE: a graph input. */
static uint32_t node_behind(const spa_graph *g, const uint32_t *node_of, int32_t producer)
{
    while (producer >= 0 && spa_policy_is_view(g, (size_t)producer))
        producer = spa_policy_viewed(g, (size_t)producer);
    return producer >= 0 ? node_of[producer] : NO_NODE;
}

static void link_nodes(spa_flow *f, const uint32_t *node_of)
{
    const spa_graph *g = f->costs->graph;
    uint32_t n_edges = 0;
    for (uint32_t i = 0; i < f->n; i++) {
        const spa_op *o = &g->ops[f->op[i]];
        f->first_from[i] = n_edges;
        for (uint32_t k = 0; k < o->n_inputs; k++) {
            uint32_t from = node_behind(g, node_of, g->inputs[o->first_input + k]);
            bool is_new = from != NO_NODE;
            for (uint32_t e = f->first_from[i]; e < n_edges && is_new; e++)
                is_new = f->from[e] != from;
            if (is_new) f->from[n_edges++] = from;
        }
    }
    f->first_from[f->n] = n_edges;
    for (uint32_t e = 0; e < n_edges; e++) f->first_next[f->from[e] + 1]++;
    for (uint32_t i = 0; i < f->n; i++) f->first_next[i + 1] += f->first_next[i];
    for (uint32_t i = f->n; i-- > 0;) /* backwards: each list fills from its end */
        for (uint32_t e = f->first_from[i]; e < f->first_from[i + 1]; e++)
            f->next[--f->first_next[f->from[e] + 1]] = i;
    /* Every end has become its own beginning, one place too far right. */
    memmove(f->first_next, f->first_next + 1, f->n * sizeof *f->first_next);
    f->first_next[f->n] = n_edges;
}

static void add_block(spa_flow *f, uint32_t first, uint32_t end, uint32_t most)
{
    uint32_t parts = (end - first - 1) / most + 1; /* most may be UINT32_MAX */
    for (uint32_t k = 0; k < parts; k++)
        f->block[f->n_blocks++] = first + (uint32_t)((uint64_t)(end - first) * k / parts);
}

/* Does the node begin something by itself? A constant may as well be made later. */
static bool is_source(const spa_flow *f, uint32_t node)
{
    return f->first_from[node] == f->first_from[node + 1] &&
           f->costs->graph->ops[f->op[node]].n_inputs > 0;
}

static void cut(spa_flow *f, uint32_t most)
{
    uint32_t last_source = 0, reach = 0, first = 0;
    bool sink_before = false;
    for (uint32_t i = 0; i < f->n; i++)
        if (is_source(f, i)) last_source = i;
    for (uint32_t i = 0; i < f->n; i++) {
        /* reach: last reader of what came before i. */
        if (reach <= i && last_source <= i && !sink_before) {
            add_block(f, first, i + 1, most);
            first = i + 1;
        }
        uint32_t end = f->first_next[i + 1];
        if (f->first_next[i] == end)
            sink_before = true;
        else if (f->next[end - 1] > reach)
            reach = f->next[end - 1];
    }
    if (first < f->n) add_block(f, first, f->n, most);
    f->block[f->n_blocks] = f->n;
}

spa_status spa_flow_init(spa_flow *f, const spa_costs *costs, uint32_t most, spa_error *err)
{
    const spa_graph *g = costs->graph;
    uint32_t *node_of = NULL;
    *f = (spa_flow){.costs = costs};
    SPA_TRY(spa_alloc(&f->op, g->n_ops, sizeof *f->op, err));
    SPA_TRY(spa_alloc(&f->first_from, g->n_ops + 1, sizeof *f->first_from, err));
    SPA_TRY(spa_alloc(&f->from, g->n_edges + 1, sizeof *f->from, err));
    SPA_TRY(spa_alloc(&f->first_next, g->n_ops + 2, sizeof *f->first_next, err));
    SPA_TRY(spa_alloc(&f->next, g->n_edges + 1, sizeof *f->next, err));
    SPA_TRY(spa_alloc(&f->block, g->n_ops + 1, sizeof *f->block, err));
    SPA_TRY(spa_alloc(&node_of, g->n_ops, sizeof *node_of, err));
    for (size_t i = 0; i < g->n_ops; i++) {
        if (spa_policy_is_view(g, i)) continue;
        node_of[i] = f->n;
        f->op[f->n++] = (uint32_t)i;
    }
    link_nodes(f, node_of);
    cut(f, most);
    free(node_of);
    return SPA_OK;
}

void spa_flow_fini(spa_flow *f)
{
    free(f->op);
    free(f->first_from);
    free(f->from);
    free(f->first_next);
    free(f->next);
    free(f->block);
    *f = (spa_flow){0};
}

spa_status spa_flow_lanes_init(spa_flow_lanes *l, const spa_flow *flow, uint32_t accelerator,
                               spa_error *err)
{
    *l = (spa_flow_lanes){.flow = flow,
                          .accelerator = accelerator,
                          .n_lanes = flow->costs->processors[accelerator].n_lanes};
    SPA_TRY(spa_alloc(&l->lane, flow->n, sizeof *l->lane, err));
    SPA_TRY(spa_alloc(&l->nodes, flow->n, sizeof *l->nodes, err));
    for (uint32_t i = 0; i < flow->n; i++) l->nodes[i] = i;
    return SPA_OK;
}

void spa_flow_lanes_fini(spa_flow_lanes *l)
{
    free(l->lane);
    free(l->nodes);
    *l = (spa_flow_lanes){0};
}

/* Sorts operators by the position of their node (a view: of the node it shows), of equals in graph
 * order. place: [n_ops], count: [n + 2]. */
static void sort_operators(const spa_flow_lanes *l, uint32_t *place, uint32_t *count,
                           uint32_t *order)
{
    const spa_graph *g = l->flow->costs->graph;
    uint32_t n = l->flow->n;
    for (uint32_t k = 0; k < n; k++) place[l->flow->op[l->nodes[k]]] = k + 1;
    for (size_t i = 0; i < g->n_ops; i++) {
        if (spa_policy_is_view(g, i)) {
            int32_t from = spa_policy_viewed(g, i);
            place[i] = from >= 0 ? place[from] : 0;
        }
        count[place[i] + 1]++;
    }
    for (uint32_t k = 0; k <= n; k++) count[k + 1] += count[k];
    for (size_t i = 0; i < g->n_ops; i++) order[count[place[i]]++] = (uint32_t)i;
}

spa_status spa_flow_schedule(const spa_flow_lanes *l, spa_schedule *schedule, spa_error *err)
{
    const spa_flow *f = l->flow;
    uint32_t *place = NULL, *count = NULL;
    for (size_t i = 0; i < schedule->n_ops; i++)
        schedule->processor[i] = (uint8_t)spa_policy_able(f->costs, i, l->accelerator);
    spa_policy_end_plan(f->costs, schedule);
    for (uint32_t i = 0; i < f->n; i++)
        if (schedule->processor[f->op[i]] == l->accelerator) schedule->lane[f->op[i]] = l->lane[i];
    spa_status status = spa_alloc(&place, schedule->n_ops, sizeof *place, err);
    if (!status) status = spa_alloc(&count, f->n + 2, sizeof *count, err);
    if (!status) sort_operators(l, place, count, schedule->order);
    free(place);
    free(count);
    return status;
}
