/* replan-greedy: one-step look-ahead over greedy plans of what comes next.
 *
 * At each decision, for each processor that can run the operator: assume it goes there, plan the
 * next `horizon` operators greedily (earliest finish) from the present state, and take the choice
 * whose plan ends first (then the one that finishes the operator itself first, then the lowest
 * index). A rollout with greedy as its base policy: Bertsekas, Dynamic Programming and Optimal
 * Control, 4th ed., section 6.4. Times come from the view: transfers overlap computation, each
 * (tensor, destination) moves once, outputs of the graph go back to the host, links do not queue.
 * The view knows only the first free lane of a processor: on one with n lanes a planned operator
 * advances its free time by 1/n of its time. Costs processors * horizon estimates a call. */
#include "policies/common.h"

#include <stdlib.h>

#define HORIZON_MAX 256
#define COPIES_MAX  128 /* older tensors whose planned moves are remembered; beyond: paid again */
#define SCAN_FACTOR 4   /* graph positions looked at per place in the window */

static const spa_param params[] = {
    {"horizon", SPA_PARAM_INT, 16, 1, HORIZON_MAX, NULL, "operators",
     "how far each decision plans ahead; 1 is greedy with overlapping transfers"},
};

typedef struct replan_greedy {
    uint32_t horizon;
} replan_greedy;

/* The operators planned, and one plan of them. On the stack of place(). */
typedef struct window {
    const spa_view *view;
    uint32_t n;
    uint32_t op[HORIZON_MAX]; /* ascending; op[0] is the one to place */
    int64_t finish_ns[HORIZON_MAX];
    uint8_t processor[HORIZON_MAX], where[HORIZON_MAX];
    int64_t free_ns[SPA_MAX_PROCESSORS];
    uint32_t n_copies;
    size_t copied[COPIES_MAX];
    uint8_t copied_to[COPIES_MAX];
} window;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    replan_greedy *s = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    s->horizon = (uint32_t)values->number[0];
    *self = s;
    return SPA_OK;
}

/* Position of an operator among the first n of the window, or n. */
static uint32_t find(const window *w, uint32_t n, size_t op)
{
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (w->op[mid] < op) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < n && w->op[lo] == op ? lo : n;
}

/* Are all inputs placed, or in the window? */
static bool plannable(const window *w, uint32_t op)
{
    const spa_graph *g = w->view->graph;
    const spa_op *o = &g->ops[op];
    for (uint32_t e = 0; e < o->n_inputs; e++) {
        int32_t producer = g->inputs[o->first_input + e];
        if (producer < 0 || w->view->placed[producer] != 0xff) continue;
        if (find(w, w->n, (size_t)producer) == w->n) return false;
    }
    return true;
}

static void collect(window *w, uint32_t op, uint32_t horizon)
{
    size_t n_ops = w->view->graph->n_ops;
    size_t end = op + (size_t)SCAN_FACTOR * horizon;
    w->op[0] = op;
    w->n = 1;
    for (size_t i = (size_t)op + 1; i < n_ops && i < end && w->n < horizon; i++) {
        if (w->view->placed[i] != 0xff || !plannable(w, (uint32_t)i)) continue;
        w->op[w->n++] = (uint32_t)i;
    }
}

static uint32_t find_copy(const window *w, size_t tensor)
{
    uint32_t k = 0;
    while (k < w->n_copies && w->copied[k] != tensor) k++;
    return k;
}

/* When tensor t can be on p, in the plan so far (`known` operators of the window planned). */
static int64_t arrival(const window *w, uint32_t known, size_t t, uint32_t p)
{
    const spa_view *v = w->view;
    uint32_t k = t < v->costs->n_ops ? find(w, known, t) : known;
    uint32_t source = v->costs->host, where = v->where[t];
    int64_t at = v->finish_ns[t];
    if (k < known) {
        source = w->processor[k];
        where = w->where[k];
        at = w->finish_ns[k];
    } else {
        uint32_t copy = find_copy(w, t);
        if (t < v->costs->n_ops) source = v->placed[t];
        if (copy < w->n_copies) where |= w->copied_to[copy];
    }
    if (where >> p & 1u) return at;
    return (at > v->now_ns ? at : v->now_ns) + spa_transfer_ns(v->costs, t, source, p);
}

static int64_t finish_on(const window *w, uint32_t k, uint32_t p)
{
    const spa_view *v = w->view;
    const spa_op *o = &v->graph->ops[w->op[k]];
    int64_t start = w->free_ns[p];
    for (uint32_t e = 0; e < o->n_inputs; e++) {
        size_t t = spa_tensor_of(v->costs, v->graph->inputs[o->first_input + e]);
        int64_t at = arrival(w, k, t, p);
        if (at > start) start = at;
    }
    return start + spa_cost_total_ns(v->costs, w->op[k], p);
}

static void note_copy(window *w, uint32_t known, size_t t, uint32_t p)
{
    uint32_t k = t < w->view->costs->n_ops ? find(w, known, t) : known;
    if (k < known) {
        w->where[k] |= (uint8_t)(1u << p);
        return;
    }
    if (w->view->where[t] >> p & 1u) return;
    uint32_t copy = find_copy(w, t);
    if (copy == COPIES_MAX) return;
    if (copy == w->n_copies) {
        w->copied[w->n_copies] = t;
        w->copied_to[w->n_copies++] = 0;
    }
    w->copied_to[copy] |= (uint8_t)(1u << p);
}

static void put(window *w, uint32_t k, uint32_t p, int64_t finish)
{
    const spa_view *v = w->view;
    const spa_op *o = &v->graph->ops[w->op[k]];
    uint32_t lanes = v->costs->processors[p].n_lanes;
    w->finish_ns[k] = finish;
    w->processor[k] = (uint8_t)p;
    w->where[k] = (uint8_t)(1u << p);
    for (uint32_t e = 0; e < o->n_inputs; e++) {
        note_copy(w, k, spa_tensor_of(v->costs, v->graph->inputs[o->first_input + e]), p);
    }
    if (spa_policy_is_view(v->graph, w->op[k])) return;
    w->free_ns[p] =
        lanes > 1 ? w->free_ns[p] + spa_cost_total_ns(v->costs, w->op[k], p) / lanes : finish;
}

/* When operator k's result is where it must be: on the host, for an output of the graph. */
static int64_t delivered(const window *w, uint32_t k)
{
    const spa_view *v = w->view;
    uint32_t op = w->op[k], host = v->costs->host;
    if (v->graph->first_consumer[op] != v->graph->first_consumer[op + 1]) return w->finish_ns[k];
    return w->finish_ns[k] + spa_transfer_ns(v->costs, op, w->processor[k], host);
}

/* A view: where its input was made, as soon as its inputs are there; takes no time. */
static void put_view(window *w, uint32_t k)
{
    const spa_view *v = w->view;
    const spa_op *o = &v->graph->ops[w->op[k]];
    int32_t from = spa_policy_viewed(v->graph, w->op[k]);
    uint32_t p = v->costs->host;
    int64_t ready = v->now_ns;
    if (from >= 0) {
        uint32_t producer = find(w, k, (size_t)from);
        p = producer < k ? w->processor[producer] : v->placed[from];
    }
    for (uint32_t e = 0; e < o->n_inputs; e++) {
        size_t t = spa_tensor_of(v->costs, v->graph->inputs[o->first_input + e]);
        int64_t at = arrival(w, k, t, p);
        if (at > ready) ready = at;
    }
    put(w, k, p, ready);
}

/* The k-th operator goes where it finishes first. */
static void put_greedily(window *w, uint32_t k)
{
    const spa_costs *c = w->view->costs;
    uint32_t best = 0;
    int64_t first = INT64_MAX;
    for (uint32_t p = 0; p < c->n_processors; p++) {
        if (!spa_cost_can_run(c, w->op[k], p)) continue;
        int64_t finish = finish_on(w, k, p);
        if (finish >= first) continue;
        first = finish;
        best = p;
    }
    put(w, k, best, first);
}

/* End of the greedy plan in which op[0] goes to p. */
static int64_t roll_out(window *w, uint32_t p, int64_t *own_finish)
{
    const spa_costs *c = w->view->costs;
    for (uint32_t q = 0; q < c->n_processors; q++) w->free_ns[q] = w->view->free_ns[q];
    w->n_copies = 0;
    *own_finish = finish_on(w, 0, p);
    put(w, 0, p, *own_finish);
    int64_t end = delivered(w, 0);
    for (uint32_t k = 1; k < w->n; k++) {
        if (spa_policy_is_view(c->graph, w->op[k])) {
            put_view(w, k);
        } else {
            put_greedily(w, k);
        }
        int64_t done = delivered(w, k);
        if (done > end) end = done;
    }
    return end;
}

static void place(const void *self, void *memory, const spa_view *view, uint32_t op,
                  spa_action *action)
{
    (void)memory;
    window w;
    int64_t best_end = INT64_MAX, best_own = INT64_MAX;
    w.view = view;
    collect(&w, op, ((const replan_greedy *)self)->horizon);
    action->lane = SPA_LANE_ANY;
    action->processor = -1;
    for (uint32_t p = 0; p < view->costs->n_processors; p++) {
        int64_t own = 0;
        if (!spa_cost_can_run(view->costs, op, p)) continue;
        int64_t end = roll_out(&w, p, &own);
        if (end > best_end || (end == best_end && own >= best_own)) continue;
        best_end = end;
        best_own = own;
        action->processor = (int32_t)p;
    }
}

const spa_policy spa_policy_replan_greedy = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "replan-greedy",
    .summary = "greedy plans of the next operators for each choice; takes the best first step",
    .source = "rollout over SparOA+Greedy (Bertsekas, Dynamic Programming and Optimal Control)",
    .capabilities = SPA_CAP_PLACE,
    .objectives = SPA_OBJECTIVE_LATENCY | SPA_OBJECTIVE_THROUGHPUT,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    /* Measured once, CPU time of many place() calls, on an x86 server core at 2.4 GHz, 300
     * operators, horizon 16, two or three processors: 1.4 to 2.7 us. Grows with the horizon; the
     * table cannot say so. */
    .decision_cycles = 5000,
    .create = create,
    .destroy = spa_policy_free,
    .place = place,
};
