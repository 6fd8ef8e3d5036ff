/* Cutting placements into segments. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/segments.h"
#include "tests/base/check.h"
#include "tests/random_graph.h"

/* tiny_branch: stem -> left, right -> join; operators 0 1 2 3. */
static spa_segments cut_branch(spa_graph *graph, const int32_t queue[4], size_t n_queues)
{
    spa_segments s;
    expect_ok(tiny_branch(graph, err));
    expect_ok(spa_segments_init(&s, graph, queue, n_queues, NULL, err));
    return s;
}

static void expect_segment(const spa_segments *s, size_t k, int32_t queue, const uint32_t *ops,
                           size_t n_ops, size_t n_arrivals, bool departs)
{
    cr_assert_lt(k, s->n_segments);
    const spa_segment *g = &s->segments[k];
    cr_assert_eq(g->queue, queue);
    cr_assert_eq(g->n_ops, n_ops, "segment %zu has %u operators", k, g->n_ops);
    for (size_t i = 0; i < n_ops; i++) cr_assert_eq(s->ops[g->first_op + i], ops[i]);
    cr_assert_eq(g->n_arrivals, n_arrivals, "segment %zu has %u arrivals", k, g->n_arrivals);
    cr_assert_eq(g->departs, departs);
}

Test(kernels_segments, all_on_one_queue_is_one_segment)
{
    spa_graph g;
    spa_segments s = cut_branch(&g, (int32_t[]){0, 0, 0, 0}, 1);
    cr_assert_eq(s.n_segments, 1);
    /* It waits for the graph input and departs: nothing reads the join. */
    expect_segment(&s, 0, 0, (uint32_t[]){0, 1, 2, 3}, 4, 1, true);
    cr_assert_eq(s.arrivals[0], SPA_GRAPH_INPUT(0));
    spa_segments_fini(&s);
    spa_graph_fini(&g);
}

Test(kernels_segments, a_reader_on_the_host_ends_a_segment_and_its_answer_begins_one)
{
    spa_graph g;
    spa_segments s = cut_branch(&g, (int32_t[]){0, -1, 0, 0}, 1);
    cr_assert_eq(s.n_segments, 3);
    expect_segment(&s, 0, 0, (uint32_t[]){0}, 1, 1, true);  /* left reads the stem */
    expect_segment(&s, 1, 0, (uint32_t[]){2}, 1, 0, false); /* right runs on meanwhile */
    expect_segment(&s, 2, 0, (uint32_t[]){3}, 1, 1, true);  /* the join waits for left */
    cr_assert_eq(s.arrivals[s.segments[2].first_arrival], 1);
    cr_assert_eq(s.segment_of[1], SPA_SEGMENT_NONE);
    spa_segments_fini(&s);
    spa_graph_fini(&g);
}

Test(kernels_segments, queues_of_one_device_cross_like_processors)
{
    spa_graph g;
    spa_segments s = cut_branch(&g, (int32_t[]){0, 0, 1, 0}, 2);
    cr_assert_eq(s.n_segments, 4);
    expect_segment(&s, 0, 0, (uint32_t[]){0}, 1, 1, true);
    expect_segment(&s, 1, 0, (uint32_t[]){1}, 1, 0, false);
    expect_segment(&s, 2, 1, (uint32_t[]){2}, 1, 1, true);
    expect_segment(&s, 3, 0, (uint32_t[]){3}, 1, 1, true);
    spa_segments_fini(&s);
    spa_graph_fini(&g);
}

Test(kernels_segments, the_dispatch_order_decides)
{
    spa_graph g;
    spa_segments s;
    expect_ok(tiny_branch(&g, err));
    expect_ok(
        spa_segments_init(&s, &g, (int32_t[]){-1, 0, 0, 0}, 1, (uint32_t[]){0, 2, 1, 3}, err));
    /* The stem arrives once: left reads it as well, without another wait. Left does not depend on
     * right, so neither may hold up the other. */
    cr_assert_eq(s.n_segments, 3);
    expect_segment(&s, 0, 0, (uint32_t[]){2}, 1, 1, false);
    expect_segment(&s, 1, 0, (uint32_t[]){1}, 1, 0, false);
    expect_segment(&s, 2, 0, (uint32_t[]){3}, 1, 0, true);
    spa_segments_fini(&s);
    expect_error(
        spa_segments_init(&s, &g, (int32_t[]){0, 0, 0, 0}, 1, (uint32_t[]){1, 0, 2, 3}, err),
        SPA_E_INVALID, "dispatch order: 'left' comes before its input 'stem'");
    expect_error(
        spa_segments_init(&s, &g, (int32_t[]){0, 0, 0, 0}, 1, (uint32_t[]){0, 0, 2, 3}, err),
        SPA_E_INVALID, "dispatch order: operator 0 is unknown or twice there");
    expect_error(spa_segments_init(&s, &g, (int32_t[]){0, 0, 1, 0}, 1, NULL, err), SPA_E_INVALID,
                 "operator 'right' is on queue 1 of 1");
    spa_graph_fini(&g);
}

static int32_t shown_by(const spa_graph *g, int32_t value)
{
    while (value >= 0 && g->ops[value].kind == SPA_OP_RESHAPE)
        value = g->inputs[g->ops[value].first_input];
    return value;
}

static bool is_read_elsewhere(const spa_graph *g, const int32_t *queue, size_t op, int32_t from)
{
    uint32_t first = g->first_consumer[op], end = g->first_consumer[op + 1];
    for (uint32_t c = first; c < end; c++) {
        size_t reader = (size_t)g->consumers[c];
        if (g->ops[reader].kind == SPA_OP_RESHAPE ? is_read_elsewhere(g, queue, reader, from)
                                                  : queue[reader] != from)
            return true;
    }
    return first == end;
}

/* Does `op` depend on `on`, at any distance? */
static bool depends(const spa_graph *g, size_t op, size_t on)
{
    for (uint32_t e = 0; e < g->ops[op].n_inputs; e++) {
        int32_t from = g->inputs[g->ops[op].first_input + e];
        if (from >= 0 && ((size_t)from == on || depends(g, (size_t)from, on))) return true;
    }
    return false;
}

static bool has_input(const spa_graph *g, size_t op, int32_t value)
{
    for (uint32_t e = 0; e < g->ops[op].n_inputs; e++)
        if (shown_by(g, g->inputs[g->ops[op].first_input + e]) == value) return true;
    return false;
}

/* Everything that a later operator of a segment reads is made in the segment, or known when its
 * first operator may run. */
static void audit_inputs(const spa_graph *g, const spa_segments *s, const int32_t *queue, size_t k,
                         uint32_t op)
{
    uint32_t first = s->ops[s->segments[k].first_op];
    cr_assert(op == first || depends(g, op, first));
    for (uint32_t e = 0; e < g->ops[op].n_inputs; e++) {
        int32_t from = shown_by(g, g->inputs[g->ops[op].first_input + e]);
        if (from >= 0 && queue[from] == queue[op]) {
            cr_assert(op == first || s->segment_of[from] == k || depends(g, first, (size_t)from));
            continue;
        }
        cr_assert(has_input(g, first, from));
        bool arrived = false; /* before an earlier or this segment of the queue */
        for (size_t j = 0; j <= k; j++)
            for (uint32_t a = 0; s->segments[j].queue == queue[op] && a < s->segments[j].n_arrivals;
                 a++)
                arrived |= s->arrivals[s->segments[j].first_arrival + a] == from;
        cr_assert(arrived);
    }
}

/* What must hold of any cut: every operator in one segment of its queue, in order; foreign values
 * arrive before their first reader's segment; only last operators depart. */
static void audit(const spa_graph *g, const spa_segments *s, const int32_t *queue)
{
    size_t total = 0, seen = 0;
    for (size_t i = 0; i < g->n_ops; i++)
        total += queue[i] >= 0 && g->ops[i].kind != SPA_OP_RESHAPE;
    for (size_t k = 0; k < s->n_segments; k++) {
        const spa_segment *x = &s->segments[k];
        cr_assert_gt(x->n_ops, 0);
        for (uint32_t i = 0; i < x->n_ops; i++) {
            uint32_t op = s->ops[x->first_op + i];
            seen++;
            cr_assert_eq(queue[op], x->queue);
            cr_assert_eq(s->segment_of[op], k);
            if (i > 0) cr_assert_gt(op, s->ops[x->first_op + i - 1]);
            cr_assert_eq(is_read_elsewhere(g, queue, op, queue[op]),
                         x->departs && i == x->n_ops - 1);
            audit_inputs(g, s, queue, k, op);
        }
    }
    cr_assert_eq(seen, total);
}

Test(kernels_segments, random_placements_keep_the_rules)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        spa_graph g;
        spa_segments s;
        spa_rng rng;
        int32_t queue[30];
        expect_ok(random_graph(&g, seed, 30, err));
        spa_rng_init(&rng, seed, "placement");
        for (size_t i = 0; i < 30; i++) queue[i] = (int32_t)spa_rng_below(&rng, 3) - 1;
        expect_ok(spa_segments_init(&s, &g, queue, 2, NULL, err));
        audit(&g, &s, queue);
        spa_segments_fini(&s);
        spa_graph_fini(&g);
    }
}
