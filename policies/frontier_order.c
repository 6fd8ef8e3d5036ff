#include "policies/frontier.h"

#include <stdlib.h>
#include <string.h>

/* The greedy order looks at every ready operator at each step; only tried where it can pay. */
#define GREEDY_MAX_OPS   4096
#define GREEDY_MIN_WIDTH 9

typedef struct ordering {
    const spa_graph *graph;
    uint32_t *left;    /* [n_ops + graph inputs] consumer edges still to come */
    uint32_t *waiting; /* [n_ops] input operators (edges) not yet in the order */
    uint32_t *ready;   /* [n_ops] */
    uint32_t n_ready;
} ordering;

static uint32_t *left_of(ordering *o, int32_t producer)
{
    return &o->left[producer >= 0 ? (size_t)producer : o->graph->n_ops + (size_t)~producer];
}

static uint32_t start(ordering *o)
{
    const spa_graph *g = o->graph;
    uint32_t alive = 0;
    memset(o->left, 0, (g->n_ops + g->n_graph_inputs) * sizeof *o->left);
    for (size_t e = 0; e < g->n_edges; e++) ++*left_of(o, g->inputs[e]);
    for (size_t k = 0; k < g->n_graph_inputs; k++) alive += o->left[g->n_ops + k] > 0;
    return alive;
}

static uint32_t has_consumers(const spa_graph *g, uint32_t op)
{
    return g->first_consumer[op + 1] > g->first_consumer[op];
}

/* Runs op: takes its edges off, returns how many tensors died. */
static uint32_t take(ordering *o, uint32_t op)
{
    const spa_op *p = &o->graph->ops[op];
    uint32_t died = 0;
    for (uint32_t e = 0; e < p->n_inputs; e++) {
        died += --*left_of(o, o->graph->inputs[p->first_input + e]) == 0;
    }
    return died;
}

/* How many tensors would be alive more after op (may be negative). */
static int32_t growth(ordering *o, uint32_t op)
{
    const spa_op *p = &o->graph->ops[op];
    int32_t change = (int32_t)has_consumers(o->graph, op);
    for (uint32_t e = 0; e < p->n_inputs; e++) --*left_of(o, o->graph->inputs[p->first_input + e]);
    for (uint32_t e = 0; e < p->n_inputs; e++) {
        int32_t producer = o->graph->inputs[p->first_input + e];
        bool first = true;
        for (uint32_t k = 0; k < e && first; k++) {
            first = o->graph->inputs[p->first_input + k] != producer;
        }
        change -= first && *left_of(o, producer) == 0;
    }
    for (uint32_t e = 0; e < p->n_inputs; e++) ++*left_of(o, o->graph->inputs[p->first_input + e]);
    return change;
}

static uint32_t graph_order(ordering *o, uint32_t *order)
{
    const spa_graph *g = o->graph;
    uint32_t alive = start(o), width = alive;
    for (uint32_t i = 0; i < g->n_ops; i++) {
        order[i] = i;
        alive = alive + has_consumers(g, i) - take(o, i);
        if (alive > width) width = alive;
    }
    return width;
}

static uint32_t greedy_order(ordering *o, uint32_t *order)
{
    const spa_graph *g = o->graph;
    uint32_t alive = start(o), width = alive;
    o->n_ready = 0;
    for (uint32_t i = 0; i < g->n_ops; i++) {
        const spa_op *p = &g->ops[i];
        o->waiting[i] = 0;
        for (uint32_t e = 0; e < p->n_inputs; e++) {
            o->waiting[i] += g->inputs[p->first_input + e] >= 0;
        }
        if (o->waiting[i] == 0) o->ready[o->n_ready++] = i;
    }
    for (uint32_t n = 0; n < g->n_ops; n++) {
        uint32_t best = 0;
        int32_t best_growth = INT32_MAX;
        for (uint32_t r = 0; r < o->n_ready; r++) {
            int32_t more = growth(o, o->ready[r]);
            if (more > best_growth || (more == best_growth && o->ready[r] > o->ready[best])) {
                continue;
            }
            best_growth = more;
            best = r;
        }
        uint32_t op = o->ready[best];
        o->ready[best] = o->ready[--o->n_ready];
        order[n] = op;
        alive = alive + has_consumers(g, op) - take(o, op);
        if (alive > width) width = alive;
        for (uint32_t e = g->first_consumer[op]; e < g->first_consumer[op + 1]; e++) {
            uint32_t consumer = (uint32_t)g->consumers[e];
            if (--o->waiting[consumer] == 0) o->ready[o->n_ready++] = consumer;
        }
    }
    return width;
}

spa_status spa_frontier_order(const spa_graph *graph, uint32_t *order, uint32_t *width,
                              spa_error *err)
{
    ordering o = {.graph = graph};
    uint32_t *other = NULL;
    spa_status status =
        spa_alloc(&o.left, graph->n_ops + graph->n_graph_inputs, sizeof *o.left, err);
    *width = 0;
    if (status) goto out;
    *width = graph_order(&o, order);
    if (*width < GREEDY_MIN_WIDTH || graph->n_ops > GREEDY_MAX_OPS) goto out;
    if ((status = spa_alloc(&o.waiting, graph->n_ops, sizeof *o.waiting, err))) goto out;
    if ((status = spa_alloc(&o.ready, graph->n_ops, sizeof *o.ready, err))) goto out;
    if ((status = spa_alloc(&other, graph->n_ops, sizeof *other, err))) goto out;
    uint32_t narrower = greedy_order(&o, other);
    if (narrower < *width) {
        memcpy(order, other, graph->n_ops * sizeof *order);
        *width = narrower;
    }
out:
    free(o.left);
    free(o.waiting);
    free(o.ready);
    free(other);
    return status;
}
