/* What one run of a graph keeps in memory. */
#include <stdlib.h>
#include "sim/batcher.h"

/* Where a tensor's bytes really are: behind views. */
static size_t storage_of(const spa_graph *g, int32_t producer)
{
    producer = spa_graph_behind_views(g, producer);
    return producer >= 0 ? (size_t)producer : g->n_ops + (size_t)~producer;
}

/* Last reader of every storage, in graph order; what nobody reads lives to the end. */
static void note_last_uses(const spa_graph *g, size_t *last)
{
    for (size_t op = 0; op < g->n_ops; op++) {
        size_t at = storage_of(g, (int32_t)op);
        if (g->first_consumer[op] == g->first_consumer[op + 1]) last[at] = g->n_ops;
        for (uint32_t i = 0; i < g->ops[op].n_inputs; i++) {
            at = storage_of(g, g->inputs[g->ops[op].first_input + i]);
            if (last[at] < op) last[at] = op;
        }
    }
}

static int64_t bytes_of(const spa_graph *g, size_t storage)
{
    if (storage < g->n_ops) return g->ops[storage].bytes_out;
    return spa_shape_elements(&g->graph_inputs[storage - g->n_ops]) *
           (int64_t)spa_dtype_bytes(g->dtype);
}

spa_status spa_graph_footprint(const spa_graph *g, int64_t *bytes, spa_error *err)
{
    size_t n = g->n_ops + g->n_graph_inputs, *last;
    int64_t weights = 0, live = 0, peak = 0;
    *bytes = 0;
    SPA_TRY(spa_alloc(&last, n, sizeof *last, err));
    note_last_uses(g, last);
    for (size_t k = g->n_ops; k < n; k++) live += bytes_of(g, k);
    for (size_t op = 0; op < g->n_ops; op++) {
        weights += g->ops[op].bytes_weight;
        if (g->ops[op].kind != SPA_OP_RESHAPE) live += bytes_of(g, op);
        if (live > peak) peak = live;
        for (uint32_t i = 0; i < g->ops[op].n_inputs; i++) {
            size_t at = storage_of(g, g->inputs[g->ops[op].first_input + i]);
            if (last[at] != op) continue;
            live -= bytes_of(g, at);
            last[at] = SIZE_MAX; /* read twice by one operator: freed once */
        }
    }
    free(last);
    *bytes = weights + peak;
    return SPA_OK;
}
