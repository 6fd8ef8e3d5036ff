#include "policies/list_schedule.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "policies/common.h"

/* ---- priorities
 * ---------------------------------------------------------------------------------- */

static int64_t work_of(const spa_task_graph *g, size_t task, uint32_t p)
{
    return g->work[task * g->n_processors + p];
}

static int64_t comm_of(const spa_task_graph *g, uint32_t edge, uint32_t from, uint32_t to)
{
    return g->comm[((size_t)g->data[edge] * g->n_processors + from) * g->n_processors + to];
}

static uint32_t followed(const spa_task_graph *g, size_t task)
{
    return g->follows ? g->follows[task] : SPA_TASK_FREE;
}

static double mean_work(const spa_task_graph *g, size_t task)
{
    double sum = 0;
    uint32_t n = 0;
    if (followed(g, task) != SPA_TASK_FREE) return 0;
    for (uint32_t p = 0; p < g->n_processors; p++) {
        if (work_of(g, task, p) < 0) continue;
        sum += (double)work_of(g, task, p);
        if (g->tail) sum += (double)g->tail[task * g->n_processors + p];
        n++;
    }
    return sum / n;
}

static double mean_comm(const spa_task_graph *g, uint32_t edge)
{
    uint32_t n = g->n_processors;
    double sum = 0;
    if (n < 2) return 0;
    for (uint32_t a = 0; a < n; a++) {
        for (uint32_t b = 0; b < n; b++) sum += (double)comm_of(g, edge, a, b);
    }
    return sum / ((double)n * (n - 1));
}

void spa_upward_ranks(const spa_task_graph *g, double *rank)
{
    for (size_t i = 0; i < g->n; i++) rank[i] = 0;
    for (size_t i = g->n; i-- > 0;) { /* consumers come later: rank[i] is their maximum by now */
        rank[i] += mean_work(g, i);
        for (uint32_t e = g->first[i]; e < g->first[i + 1]; e++) {
            /* Between a task and what follows it nothing moves. */
            double comm = followed(g, i) == g->from[e] ? 0 : mean_comm(g, e);
            double via = comm + rank[i];
            if (via > rank[g->from[e]]) rank[g->from[e]] = via;
        }
    }
}

/* Least time from the end of a producer on p to the end of everything, through edge e to task i. */
static double optimistic_via(const spa_task_graph *g, const double *oct, size_t i, uint32_t e,
                             uint32_t p)
{
    double best = INFINITY;
    for (uint32_t q = 0; q < g->n_processors; q++) {
        bool follower = followed(g, i) == g->from[e];
        if (follower ? q != p : followed(g, i) == SPA_TASK_FREE && work_of(g, i, q) < 0) continue;
        double work = followed(g, i) == SPA_TASK_FREE ? (double)work_of(g, i, q) : 0;
        double via = oct[i * g->n_processors + q] + work + (double)comm_of(g, e, p, q);
        if (via < best) best = via;
    }
    return best;
}

void spa_optimistic_costs(const spa_task_graph *g, double *oct)
{
    uint32_t n = g->n_processors;
    for (size_t k = 0; k < g->n * n; k++) oct[k] = g->tail ? (double)g->tail[k] : 0;
    for (size_t i = g->n; i-- > 0;) {
        for (uint32_t e = g->first[i]; e < g->first[i + 1]; e++) {
            for (uint32_t p = 0; p < n; p++) {
                double via = optimistic_via(g, oct, i, e, p);
                double *producer = &oct[(size_t)g->from[e] * n + p];
                if (via > *producer) *producer = via;
            }
        }
    }
}

/* ---- lanes
 * ----------------------------------------------------------------------------------------- */

typedef struct interval {
    int64_t start, finish;
} interval;

typedef struct lane {
    interval *busy; /* sorted, not overlapping */
    size_t n, capacity;
} lane;

typedef struct scheduler {
    const spa_task_graph *graph;
    spa_task_slot *slots;
    lane lanes[SPA_MAX_LANES];
    uint32_t lane_first[SPA_MAX_PROCESSORS];
    const double *bias; /* [n * n_processors] added to a finish time when choosing, or NULL */
} scheduler;

/* Earliest gap of `work` at or after `ready` (insertion-based policy); *at = place among busy. */
static int64_t find_gap(const lane *l, int64_t ready, int64_t work, size_t *at)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) { /* first interval that ends after ready */
        size_t mid = lo + (hi - lo) / 2;
        if (l->busy[mid].finish > ready) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    int64_t start = ready;
    for (; lo < l->n && l->busy[lo].start < start + work; lo++) {
        if (l->busy[lo].finish > start) start = l->busy[lo].finish;
    }
    *at = lo;
    return start;
}

static spa_status occupy(lane *l, size_t at, int64_t start, int64_t finish, spa_error *err)
{
    SPA_TRY(spa_grow(&l->busy, &l->capacity, l->n + 1, sizeof *l->busy, err));
    memmove(l->busy + at + 1, l->busy + at, (l->n - at) * sizeof *l->busy);
    l->busy[at] = (interval){start, finish};
    l->n++;
    return SPA_OK;
}

/* When everything that the task reads can be on p. */
static int64_t ready_on(const scheduler *s, size_t task, uint32_t p)
{
    const spa_task_graph *g = s->graph;
    int64_t ready = g->head ? g->head[task * g->n_processors + p] : 0;
    for (uint32_t e = g->first[task]; e < g->first[task + 1]; e++) {
        const spa_task_slot *from = &s->slots[g->from[e]];
        int64_t at = from->finish + comm_of(g, e, from->processor, p);
        if (at > ready) ready = at;
    }
    return ready;
}

static spa_status schedule_task(scheduler *s, size_t task, spa_error *err)
{
    const spa_task_graph *g = s->graph;
    spa_task_slot *slot = &s->slots[task];
    uint32_t follow = followed(g, task), best_lane = 0;
    size_t best_at = 0;
    double best = INFINITY;
    if (follow != SPA_TASK_FREE) {
        uint32_t p = follow == SPA_TASK_HOST ? g->host : s->slots[follow].processor;
        int64_t at = ready_on(s, task, p);
        *slot = (spa_task_slot){at, at, (uint8_t)p, SPA_LANE_ANY};
        return SPA_OK;
    }
    for (uint32_t p = 0; p < g->n_processors; p++) {
        int64_t work = work_of(g, task, p);
        if (work < 0) continue;
        int64_t ready = ready_on(s, task, p);
        double after = g->tail ? (double)g->tail[task * g->n_processors + p] : 0;
        if (s->bias) after = s->bias[task * g->n_processors + p];
        for (uint32_t l = 0; l < g->lanes[p]; l++) {
            size_t at = 0;
            int64_t start = find_gap(&s->lanes[s->lane_first[p] + l], ready, work, &at);
            if ((double)(start + work) + after >= best) continue;
            best = (double)(start + work) + after;
            best_at = at;
            best_lane = s->lane_first[p] + l;
            *slot = (spa_task_slot){start, start + work, (uint8_t)p, (int8_t)l};
        }
    }
    assert(best < INFINITY); /* some processor can run it */
    return occupy(&s->lanes[best_lane], best_at, slot->start, slot->finish, err);
}

static void start(scheduler *s, const spa_task_graph *g, spa_task_slot *slots)
{
    uint32_t n = 0;
    *s = (scheduler){.graph = g, .slots = slots};
    for (uint32_t p = 0; p < g->n_processors; p++) {
        s->lane_first[p] = n;
        n += g->lanes[p];
    }
    assert(n <= SPA_MAX_LANES);
}

static void release(scheduler *s)
{
    for (size_t l = 0; l < SPA_MAX_LANES; l++) free(s->lanes[l].busy);
}

/* ---- HEFT
 * ------------------------------------------------------------------------------------------- */

typedef struct ranked {
    double rank;
    uint32_t task;
} ranked;

/* Highest rank first; of equals the one that comes first in the graph, so that a task with no work
 * never comes before its producer. */
static int by_rank(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->rank != b->rank) return a->rank > b->rank ? -1 : 1;
    return a->task < b->task ? -1 : a->task > b->task;
}

/* H. Topcuoglu, S. Hariri, M.-Y. Wu: Performance-effective and low-complexity task scheduling for
 * heterogeneous computing, IEEE TPDS 13(3), 2002, figure 3. */
spa_status spa_heft(const spa_task_graph *g, spa_task_slot *slots, spa_error *err)
{
    scheduler s;
    double *rank = NULL;
    ranked *list = NULL;
    start(&s, g, slots);
    spa_status status = spa_alloc(&rank, g->n, sizeof *rank, err);
    if (status) goto out;
    if ((status = spa_alloc(&list, g->n, sizeof *list, err))) goto out;
    spa_upward_ranks(g, rank);
    for (size_t i = 0; i < g->n; i++) list[i] = (ranked){rank[i], (uint32_t)i};
    qsort(list, g->n, sizeof *list, by_rank);
    for (size_t i = 0; i < g->n && !status; i++) status = schedule_task(&s, list[i].task, err);
out:
    free(rank);
    free(list);
    release(&s);
    return status;
}

/* ---- PEFT
 * ------------------------------------------------------------------------------------------- */

static void sift_up(ranked *heap, size_t i)
{
    while (i > 0 && by_rank(&heap[i], &heap[(i - 1) / 2]) < 0) {
        ranked t = heap[i];
        heap[i] = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = t;
        i = (i - 1) / 2;
    }
}

static ranked pop(ranked *heap, size_t *n)
{
    ranked top = heap[0];
    heap[0] = heap[--*n];
    for (size_t i = 0;;) {
        size_t child = 2 * i + 1;
        if (child >= *n) return top;
        if (child + 1 < *n && by_rank(&heap[child + 1], &heap[child]) < 0) child++;
        if (by_rank(&heap[i], &heap[child]) <= 0) return top;
        ranked t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
        i = child;
    }
}

typedef struct peft {
    double *oct;
    ranked *heap;
    size_t n_heap;
    uint32_t *waiting;    /* [n] inputs not scheduled yet */
    uint32_t *first, *to; /* consumers of each task: [n + 1], [edges] */
} peft;

static void push(const spa_task_graph *g, peft *w, uint32_t task)
{
    double sum = 0;
    for (uint32_t p = 0; p < g->n_processors; p++)
        sum += w->oct[(size_t)task * g->n_processors + p];
    w->heap[w->n_heap] = (ranked){sum / g->n_processors, task};
    sift_up(w->heap, w->n_heap++);
}

static void build_consumers(const spa_task_graph *g, peft *w)
{
    uint32_t edges = g->first[g->n];
    for (uint32_t e = 0; e < edges; e++) w->first[g->from[e] + 1]++;
    for (size_t i = 0; i < g->n; i++) w->first[i + 1] += w->first[i];
    for (size_t i = g->n; i-- > 0;) { /* backwards: each list ends up ascending */
        for (uint32_t e = g->first[i + 1]; e-- > g->first[i];) {
            uint32_t p = g->from[e];
            w->to[w->first[p + 1] - 1 - w->waiting[p]++] = (uint32_t)i;
        }
    }
    for (size_t i = 0; i < g->n; i++) w->waiting[i] = g->first[i + 1] - g->first[i];
}

static spa_status peft_run(const spa_task_graph *g, peft *w, scheduler *s, spa_error *err)
{
    spa_optimistic_costs(g, w->oct);
    build_consumers(g, w);
    s->bias = w->oct;
    for (uint32_t i = 0; i < g->n; i++) {
        if (w->waiting[i] == 0) push(g, w, i);
    }
    while (w->n_heap) {
        uint32_t task = pop(w->heap, &w->n_heap).task;
        SPA_TRY(schedule_task(s, task, err));
        for (uint32_t e = w->first[task]; e < w->first[task + 1]; e++) {
            if (--w->waiting[w->to[e]] == 0) push(g, w, w->to[e]);
        }
    }
    return SPA_OK;
}

/* H. Arabnejad, J. G. Barbosa: List scheduling algorithm for heterogeneous systems by an
 * optimistic cost table, IEEE TPDS 25(3), 2014, algorithm 1 (with its ready list). */
spa_status spa_peft(const spa_task_graph *g, spa_task_slot *slots, spa_error *err)
{
    scheduler s;
    peft w = {0};
    start(&s, g, slots);
    spa_status status = spa_alloc(&w.oct, g->n * g->n_processors, sizeof *w.oct, err);
    if (status) goto out;
    if ((status = spa_alloc(&w.heap, g->n, sizeof *w.heap, err))) goto out;
    if ((status = spa_alloc(&w.waiting, g->n, sizeof *w.waiting, err))) goto out;
    if ((status = spa_alloc(&w.first, g->n + 1, sizeof *w.first, err))) goto out;
    if ((status = spa_alloc(&w.to, g->first[g->n], sizeof *w.to, err))) goto out;
    status = peft_run(g, &w, &s, err);
out:
    free(w.oct);
    free(w.heap);
    free(w.waiting);
    free(w.first);
    free(w.to);
    release(&s);
    return status;
}
