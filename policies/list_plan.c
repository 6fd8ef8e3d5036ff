/* From a cost table to a task graph, and from the task graph's schedule to a spa_schedule. */
#include "policies/list_schedule.h"

#include <stdlib.h>
#include "policies/common.h"

static void fill_op(const spa_costs *c, spa_task_tables *t, size_t i, uint32_t *n_edges)
{
    const spa_graph *g = c->graph;
    const spa_op *op = &g->ops[i];
    uint32_t n = c->n_processors;
    bool is_output = g->first_consumer[i] == g->first_consumer[i + 1];
    t->first[i] = *n_edges;
    t->follows[i] = SPA_TASK_FREE;
    if (spa_policy_is_view(g, i)) {
        int32_t from = spa_policy_viewed(g, i);
        t->follows[i] = from >= 0 ? (uint32_t)from : SPA_TASK_HOST;
    }
    for (uint32_t p = 0; p < n; p++) {
        t->work[i * n + p] = spa_cost_can_run(c, i, p) ? spa_cost_total_ns(c, i, p) : -1;
        t->tail[i * n + p] = is_output ? spa_transfer_ns(c, i, p, c->host) : 0;
    }
    for (uint32_t e = 0; e < op->n_inputs; e++) {
        int32_t producer = g->inputs[op->first_input + e];
        size_t tensor = spa_tensor_of(c, producer);
        if (producer >= 0) {
            t->from[*n_edges] = (uint32_t)producer;
            t->data[(*n_edges)++] = (uint32_t)tensor;
            continue;
        }
        for (uint32_t p = 0; p < n; p++) {
            int64_t there = spa_transfer_ns(c, tensor, c->host, p);
            if (there > t->head[i * n + p]) t->head[i * n + p] = there;
        }
    }
}

spa_status spa_task_tables_init(spa_task_tables *t, const spa_costs *c, spa_task_graph *out,
                                spa_error *err)
{
    size_t cells = c->n_ops * c->n_processors, edges = c->graph->n_edges;
    uint32_t n_edges = 0;
    *t = (spa_task_tables){0};
    SPA_TRY(spa_alloc(&t->work, cells, sizeof *t->work, err));
    SPA_TRY(spa_alloc(&t->head, cells, sizeof *t->head, err));
    SPA_TRY(spa_alloc(&t->tail, cells, sizeof *t->tail, err));
    SPA_TRY(spa_alloc(&t->first, c->n_ops + 1, sizeof *t->first, err));
    SPA_TRY(spa_alloc(&t->from, edges, sizeof *t->from, err));
    SPA_TRY(spa_alloc(&t->data, edges, sizeof *t->data, err));
    SPA_TRY(spa_alloc(&t->follows, c->n_ops, sizeof *t->follows, err));
    for (size_t i = 0; i < c->n_ops; i++) fill_op(c, t, i, &n_edges);
    t->first[c->n_ops] = n_edges;
    *out = (spa_task_graph){.n = c->n_ops,
                            .n_processors = c->n_processors,
                            .host = c->host,
                            .work = t->work,
                            .first = t->first,
                            .from = t->from,
                            .data = t->data,
                            .comm = c->transfer_ns,
                            .head = t->head,
                            .tail = t->tail,
                            .follows = t->follows};
    for (uint32_t p = 0; p < c->n_processors; p++) out->lanes[p] = c->processors[p].n_lanes;
    return SPA_OK;
}

void spa_task_tables_fini(spa_task_tables *t)
{
    free(t->work);
    free(t->head);
    free(t->tail);
    free(t->first);
    free(t->from);
    free(t->data);
    free(t->follows);
    *t = (spa_task_tables){0};
}

typedef struct started {
    int64_t start_ns;
    uint32_t op;
} started;

/* By start; of equals in graph order, so that the order is topological even around operators that
 * take no time. */
static int by_start(const void *x, const void *y)
{
    const started *a = x, *b = y;
    if (a->start_ns != b->start_ns) return a->start_ns < b->start_ns ? -1 : 1;
    return a->op < b->op ? -1 : a->op > b->op;
}

spa_status spa_list_plan(const spa_costs *costs, spa_list_scheduler scheduler,
                         spa_schedule *schedule, spa_error *err)
{
    spa_task_tables t;
    spa_task_graph graph;
    spa_task_slot *slots = NULL;
    started *order = NULL;
    spa_status status = spa_task_tables_init(&t, costs, &graph, err);
    if (status) goto out;
    if ((status = spa_alloc(&slots, costs->n_ops, sizeof *slots, err))) goto out;
    if ((status = spa_alloc(&order, costs->n_ops, sizeof *order, err))) goto out;
    if ((status = scheduler(&graph, slots, err))) goto out;
    for (size_t i = 0; i < costs->n_ops; i++) {
        schedule->processor[i] = slots[i].processor;
        schedule->lane[i] = slots[i].lane;
        order[i] = (started){slots[i].start, (uint32_t)i};
    }
    qsort(order, costs->n_ops, sizeof *order, by_start);
    for (size_t i = 0; i < costs->n_ops; i++) schedule->order[i] = order[i].op;
out:
    spa_task_tables_fini(&t);
    free(slots);
    free(order);
    return status;
}
