/* Cutting a placement into segments. */
#include "kernels/segments.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Producers are numbered operators first, then graph inputs. */
typedef struct cutter {
    const spa_graph *graph;
    const int32_t *queue;
    const uint32_t *order; /* or NULL: the graph's own */
    size_t position;       /* in it, of the operator at hand */
    size_t n_values;
    bool *dispatched; /* [n_ops] */
    bool *arrived;    /* [n_queues][n_values] */
    bool *before;     /* [n_queues][n_ops] what the open segment's first operator depends on */
    uint32_t *open;   /* [n_queues] segment that may still grow, or SPA_SEGMENT_NONE */
    uint32_t *first;  /* [n_queues] its first operator */
    uint32_t *filled; /* [n_segments] operators placed so far */
    size_t n_arrivals;
} cutter;

static size_t value_index(const cutter *c, int32_t from)
{
    return from >= 0 ? (size_t)from : c->graph->n_ops + (size_t)~from;
}

/* What an input shows, through views. */
static int32_t input_of(const cutter *c, const spa_op *op, uint32_t e)
{
    return spa_graph_behind_views(c->graph, c->graph->inputs[op->first_input + e]);
}

static bool is_foreign(const cutter *c, int32_t from, int32_t queue)
{
    return from < 0 || c->queue[from] != queue;
}

/* Does anything outside the queue (or nothing at all) read this operator? */
static bool departs(const cutter *c, size_t op, int32_t queue)
{
    const spa_graph *g = c->graph;
    uint32_t first = g->first_consumer[op], end = g->first_consumer[op + 1];
    for (uint32_t i = first; i < end; i++) {
        size_t reader = (size_t)g->consumers[i];
        bool is_view = g->ops[reader].kind == SPA_OP_RESHAPE;
        if (is_view ? departs(c, reader, queue) : c->queue[reader] != queue) return true;
    }
    return first == end;
}

static bool reads(const cutter *c, size_t op, int32_t value)
{
    const spa_op *o = &c->graph->ops[op];
    for (uint32_t e = 0; e < o->n_inputs; e++)
        if (input_of(c, o, e) == value) return true;
    return false;
}

/* May the operator join the open segment of its queue? Then the segment can be started as soon as
 * its first operator may: all else that the operator reads is known by then. */
static bool joins(const cutter *c, const spa_segments *s, size_t op)
{
    const spa_op *o = &c->graph->ops[op];
    int32_t queue = c->queue[op];
    const bool *before = c->before + (size_t)queue * c->graph->n_ops;
    bool inside = false;
    if (c->open[queue] == SPA_SEGMENT_NONE) return false;
    for (uint32_t e = 0; e < o->n_inputs; e++) {
        int32_t from = input_of(c, o, e);
        if (is_foreign(c, from, queue)) {
            if (!reads(c, c->first[queue], from)) return false;
        } else if (s->segment_of[from] == c->open[queue]) {
            inside = true;
        } else if (!before[from]) {
            return false;
        }
    }
    return inside;
}

/* Marks all that operator `op` depends on. */
static void mark_before(cutter *c, size_t op)
{
    size_t n = c->graph->n_ops, at = c->position + 1;
    bool *before = c->before + (size_t)c->queue[op] * n;
    memset(before, 0, n * sizeof *before);
    before[op] = true;
    while (at-- > 0) { /* dispatch order backwards: readers before what they read */
        size_t i = c->order != NULL ? c->order[at] : at;
        const spa_op *o = &c->graph->ops[i];
        for (uint32_t e = 0; before[i] && e < o->n_inputs; e++) {
            int32_t from = input_of(c, o, e);
            if (from >= 0) before[from] = true;
        }
    }
    before[op] = false;
}

/* Notes what the operator reads from elsewhere and has not arrived yet. */
static void arrive(cutter *c, spa_segments *s, size_t op)
{
    const spa_op *o = &c->graph->ops[op];
    bool *arrived = c->arrived + (size_t)c->queue[op] * c->n_values;
    for (uint32_t e = 0; e < o->n_inputs; e++) {
        int32_t from = input_of(c, o, e);
        size_t value = value_index(c, from);
        if (!is_foreign(c, from, c->queue[op]) || arrived[value]) continue;
        arrived[value] = true;
        s->arrivals[c->n_arrivals++] = from;
    }
}

static void cut(cutter *c, spa_segments *s, size_t op)
{
    int32_t queue = c->queue[op], from;
    s->segment_of[op] = SPA_SEGMENT_NONE;
    if (c->graph->ops[op].kind == SPA_OP_RESHAPE) {
        from = input_of(c, &c->graph->ops[op], 0);
        if (from >= 0) s->segment_of[op] = s->segment_of[from];
        return;
    }
    if (queue < 0) return;
    if (!joins(c, s, op)) {
        size_t first = c->n_arrivals;
        arrive(c, s, op);
        mark_before(c, op);
        c->first[queue] = (uint32_t)op;
        c->open[queue] = (uint32_t)s->n_segments;
        s->segments[s->n_segments++] =
            (spa_segment){.queue = queue,
                          .first_arrival = (uint32_t)first,
                          .n_arrivals = (uint32_t)(c->n_arrivals - first)};
    }
    spa_segment *segment = &s->segments[c->open[queue]];
    s->segment_of[op] = c->open[queue];
    segment->n_ops++;
    segment->departs = departs(c, op, queue);
    if (segment->departs) c->open[queue] = SPA_SEGMENT_NONE;
}

static spa_status check(const cutter *c, size_t n_queues, size_t op, spa_error *err)
{
    const spa_graph *g = c->graph;
    if (op >= g->n_ops || c->dispatched[op])
        return spa_fail(err, SPA_E_INVALID,
                        "dispatch order: operator %zu is unknown or twice there", op);
    const spa_op *o = &g->ops[op];
    if (c->queue[op] < -1 || (c->queue[op] >= 0 && (size_t)c->queue[op] >= n_queues))
        return spa_fail(err, SPA_E_INVALID, "operator '%s' is on queue %d of %zu", o->name,
                        (int)c->queue[op], n_queues);
    for (uint32_t e = 0; e < o->n_inputs; e++) {
        int32_t from = g->inputs[o->first_input + e];
        if (from >= 0 && !c->dispatched[from])
            return spa_fail(err, SPA_E_INVALID, "dispatch order: '%s' comes before its input '%s'",
                            o->name, g->ops[from].name);
    }
    return SPA_OK;
}

static spa_status cut_all(cutter *c, spa_segments *s, size_t n_queues, const uint32_t *order,
                          spa_error *err)
{
    size_t n = c->graph->n_ops;
    for (size_t q = 0; q < n_queues; q++) c->open[q] = SPA_SEGMENT_NONE;
    for (size_t i = 0; i < n; i++) {
        size_t op = order != NULL ? order[i] : i;
        SPA_TRY(check(c, n_queues, op, err));
        c->dispatched[op] = true;
        c->position = i;
        cut(c, s, op);
    }
    uint32_t at = 0;
    for (size_t k = 0; k < s->n_segments; k++) {
        s->segments[k].first_op = at;
        at += s->segments[k].n_ops;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t op = order != NULL ? order[i] : (uint32_t)i, k = s->segment_of[op];
        if (c->graph->ops[op].kind == SPA_OP_RESHAPE) continue;
        if (k != SPA_SEGMENT_NONE) s->ops[s->segments[k].first_op + c->filled[k]++] = op;
    }
    return SPA_OK;
}

spa_status spa_segments_init(spa_segments *segments, const spa_graph *graph, const int32_t *queue,
                             size_t n_queues, const uint32_t *order, spa_error *err)
{
    cutter c = {.graph = graph,
                .queue = queue,
                .order = order,
                .n_values = graph->n_ops + graph->n_graph_inputs};
    size_t n = graph->n_ops;
    *segments = (spa_segments){0};
    spa_status status = spa_alloc(&segments->segments, n, sizeof(spa_segment), err);
    if (status == SPA_OK) status = spa_alloc(&segments->ops, n, sizeof(uint32_t), err);
    if (status == SPA_OK)
        status = spa_alloc(&segments->arrivals, graph->n_edges, sizeof(int32_t), err);
    if (status == SPA_OK) status = spa_alloc(&segments->segment_of, n, sizeof(uint32_t), err);
    if (status == SPA_OK) status = spa_alloc(&c.dispatched, n, sizeof(bool), err);
    if (status == SPA_OK) status = spa_alloc(&c.arrived, n_queues, c.n_values, err);
    if (status == SPA_OK) status = spa_alloc(&c.before, n_queues, n * sizeof(bool), err);
    if (status == SPA_OK) status = spa_alloc(&c.first, n_queues, sizeof(uint32_t), err);
    if (status == SPA_OK) status = spa_alloc(&c.open, n_queues, sizeof(uint32_t), err);
    if (status == SPA_OK) status = spa_alloc(&c.filled, n, sizeof(uint32_t), err);
    if (status == SPA_OK) status = cut_all(&c, segments, n_queues, order, err);
    free(c.dispatched);
    free(c.arrived);
    free(c.before);
    free(c.first);
    free(c.open);
    free(c.filled);
    if (status != SPA_OK) spa_segments_fini(segments);
    return status;
}

void spa_segments_fini(spa_segments *segments)
{
    free(segments->segments);
    free(segments->ops);
    free(segments->arrivals);
    free(segments->segment_of);
    *segments = (spa_segments){0};
}
