#include "policies/frontier.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"

/* Back pointers over all layers; on very long graphs the limits shrink to fit. */
#define BACK_MAX ((size_t)1 << 26)

/* States that remain after one operator. A key has one byte per slot: the source of the tensor in
 * that slot << 4 | the processors that have it; 0 = free. */
typedef struct layer {
    size_t n, capacity_keys, capacity_cost;
    uint8_t *keys; /* [n * width_bytes] */
    double *cost;  /* [n] */
} layer;

typedef struct solver {
    const spa_costs *costs;
    const spa_graph *graph;
    spa_objective objective;
    size_t limit, beam;
    size_t key_bytes; /* multiple of 8 */
    layer now, next;
    uint32_t *order;
    int32_t *slot_of; /* [n_tensors], -1 = none */
    uint32_t *left;   /* [n_tensors] consumer edges still to come */
    bool *is_viewed;  /* [n_tensors] a view follows its source, which is never forgotten */
    uint32_t *free_slots, n_free_slots;
    uint32_t *back; /* parent state * n_processors + processor, layer after layer */
    size_t n_back, back_capacity;
    size_t *layer_start; /* [n_ops + 1] into back */
    uint32_t *table;     /* state + 1 by hash of its key; 0 = empty */
    size_t table_capacity, table_mask;
    double *scratch; /* for finding the beam's cut */
    size_t scratch_capacity;
    spa_frontier_result *result;
} solver;

/* One operator's step: which slots die, where its own output goes. */
typedef struct step {
    uint32_t op, n_dead;
    int32_t own_slot; /* -1: nobody consumes it */
    bool returns;
    int32_t dead[SPA_MAX_OP_INPUTS];
} step;

/* ---------------------------------------------------------------- slots */
static void start_slots(solver *s, uint32_t n_slots)
{
    const spa_costs *c = s->costs;
    s->n_free_slots = 0;
    for (uint32_t k = n_slots; k > 0; k--) s->free_slots[s->n_free_slots++] = k - 1;
    for (size_t t = 0; t < c->n_tensors; t++) s->slot_of[t] = -1;
    for (size_t e = 0; e < s->graph->n_edges; e++) {
        s->left[spa_tensor_of(c, s->graph->inputs[e])]++;
    }
    for (size_t i = 0; i < c->n_ops; i++) {
        if (!spa_policy_is_view(s->graph, i)) continue;
        s->is_viewed[spa_tensor_of(c, spa_policy_viewed(s->graph, i))] = true;
    }
    for (size_t t = c->n_ops; t < c->n_tensors; t++) {
        if (s->left[t]) s->slot_of[t] = (int32_t)s->free_slots[--s->n_free_slots];
    }
}

/* A copy that costs nothing is as good as made: if all that are missing are free, the state
 * forgets where the tensor came from. So does a tensor that is everywhere. */
static uint8_t normal(const solver *s, size_t tensor, uint32_t source, uint32_t mask)
{
    uint32_t n = s->costs->n_processors, all = (1u << n) - 1;
    for (uint32_t p = 0; p < n; p++) {
        if (s->is_viewed[tensor]) return (uint8_t)(source << 4 | mask);
        if (mask >> p & 1u) continue;
        if (spa_additive_transfer(s->costs, s->objective, tensor, source, p) != 0) {
            return (uint8_t)(source << 4 | mask);
        }
    }
    return (uint8_t)all;
}

static void make_step(solver *s, uint32_t op, step *st)
{
    const spa_op *o = &s->graph->ops[op];
    *st = (step){.op = op, .own_slot = -1, .returns = spa_additive_returns(s->graph, op)};
    for (uint32_t e = 0; e < o->n_inputs; e++) {
        size_t t = spa_tensor_of(s->costs, s->graph->inputs[o->first_input + e]);
        if (--s->left[t] == 0) st->dead[st->n_dead++] = s->slot_of[t];
    }
    /* Slots of the dead are free only after the step: inputs and output are alive together. */
    if (s->left[op]) {
        st->own_slot = (int32_t)s->free_slots[--s->n_free_slots];
        s->slot_of[op] = st->own_slot;
    }
}

static void end_step(solver *s, const step *st)
{
    for (uint32_t k = 0; k < st->n_dead; k++) {
        s->free_slots[s->n_free_slots++] = (uint32_t)st->dead[k];
    }
}

/* ---------------------------------------------------------------- states */
static size_t hash_key(const uint8_t *key, size_t bytes)
{
    uint64_t h = SPA_HASH_SEED;
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t word = 0;
        memcpy(&word, key + i, 8);
        h = spa_hash_u64(h, word);
    }
    return (size_t)h;
}

static spa_status make_room(solver *s, size_t states, spa_error *err)
{
    size_t size = 64;
    while (size < states * 2) size *= 2;
    SPA_TRY(spa_grow(&s->next.keys, &s->next.capacity_keys, states * s->key_bytes, 1, err));
    SPA_TRY(spa_grow(&s->next.cost, &s->next.capacity_cost, states, sizeof(double), err));
    SPA_TRY(spa_grow(&s->back, &s->back_capacity, s->n_back + states, sizeof *s->back, err));
    SPA_TRY(spa_grow(&s->table, &s->table_capacity, size, sizeof *s->table, err));
    memset(s->table, 0, size * sizeof *s->table);
    s->table_mask = size - 1;
    s->next.n = 0;
    return SPA_OK;
}

/* The candidate is the key just after the last state; keeps it if it is new or cheaper. */
static void insert(solver *s, double cost, uint32_t back)
{
    const uint8_t *key = s->next.keys + s->next.n * s->key_bytes;
    uint32_t *layer_back = s->back + s->n_back;
    size_t at = hash_key(key, s->key_bytes) & s->table_mask;
    for (; s->table[at]; at = (at + 1) & s->table_mask) {
        size_t state = s->table[at] - 1;
        if (memcmp(s->next.keys + state * s->key_bytes, key, s->key_bytes) != 0) continue;
        if (cost < s->next.cost[state]) {
            s->next.cost[state] = cost;
            layer_back[state] = back;
        }
        return;
    }
    s->next.cost[s->next.n] = cost;
    layer_back[s->next.n] = back;
    s->table[at] = (uint32_t)++s->next.n;
}

/* Operator of `st` on processor p, from one state of the layer before. */
static void extend(solver *s, const step *st, size_t state, uint32_t p)
{
    const spa_costs *c = s->costs;
    const spa_op *o = &s->graph->ops[st->op];
    uint8_t *key = s->next.keys + s->next.n * s->key_bytes;
    double cost = s->now.cost[state] + spa_additive_op(c, s->objective, st->op, p);
    memcpy(key, s->now.keys + state * s->key_bytes, s->key_bytes);
    for (uint32_t e = 0; e < o->n_inputs; e++) {
        size_t t = spa_tensor_of(c, s->graph->inputs[o->first_input + e]);
        uint8_t *slot = &key[s->slot_of[t]];
        uint32_t source = *slot >> 4, mask = *slot & 15u;
        if (mask >> p & 1u) continue;
        cost += spa_additive_transfer(c, s->objective, t, source, p);
        *slot = normal(s, t, source, mask | 1u << p);
    }
    for (uint32_t k = 0; k < st->n_dead; k++) key[st->dead[k]] = 0;
    uint32_t mask = 1u << p;
    if (st->returns && p != c->host) {
        cost += spa_additive_transfer(c, s->objective, st->op, p, c->host);
        mask |= 1u << c->host;
    }
    if (st->own_slot >= 0) key[st->own_slot] = normal(s, st->op, p, mask);
    insert(s, cost, (uint32_t)(state * c->n_processors + p));
}

/* k-th smallest (0-based) of x[n]; reorders x. Hoare's quickselect, median of three. */
static double kth_smallest(double *x, size_t n, size_t k)
{
    size_t lo = 0, hi = n - 1;
    while (lo < hi) {
        double a = x[lo], b = x[lo + (hi - lo) / 2], c = x[hi];
        double pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        size_t i = lo, j = hi;
        for (;;) {
            while (x[i] < pivot) i++;
            while (x[j] > pivot) j--;
            if (i >= j) break;
            double t = x[i];
            x[i++] = x[j];
            x[j--] = t;
        }
        /* x[lo .. j] <= pivot <= x[j+1 .. hi], and j < hi: the median of three is not the one
         * largest value. */
        if (k <= j) {
            hi = j;
        } else {
            lo = j + 1;
        }
    }
    return x[k];
}

/* Keeps the cheapest `keep` states (of equals the earliest), in their order. */
static spa_status cut_to_beam(solver *s, size_t keep, spa_error *err)
{
    SPA_TRY(spa_grow(&s->scratch, &s->scratch_capacity, s->next.n, sizeof(double), err));
    memcpy(s->scratch, s->next.cost, s->next.n * sizeof(double));
    double worst = kth_smallest(s->scratch, s->next.n, keep - 1);
    size_t below = 0, kept = 0;
    for (size_t i = 0; i < s->next.n; i++) below += s->next.cost[i] < worst;
    size_t equal = keep - below;
    uint32_t *back = s->back + s->n_back;
    for (size_t i = 0; i < s->next.n; i++) {
        if (s->next.cost[i] > worst) continue;
        if (s->next.cost[i] == worst && equal-- == 0) {
            equal = 0;
            continue;
        }
        s->next.cost[kept] = s->next.cost[i];
        back[kept] = back[i];
        memmove(s->next.keys + kept * s->key_bytes, s->next.keys + i * s->key_bytes, s->key_bytes);
        kept++;
    }
    s->next.n = kept;
    return SPA_OK;
}

/* ---------------------------------------------------------------- solving */
#define FREE UINT32_MAX

/* Where a view must be in this state; FREE for any other operator. */
static uint32_t forced(const solver *s, uint32_t op, size_t state)
{
    if (!spa_policy_is_view(s->graph, op)) return FREE;
    size_t t = spa_tensor_of(s->costs, spa_policy_viewed(s->graph, op));
    return s->now.keys[state * s->key_bytes + (size_t)s->slot_of[t]] >> 4;
}

static spa_status run_step(solver *s, size_t index, spa_error *err)
{
    const spa_costs *c = s->costs;
    step st;
    make_step(s, s->order[index], &st);
    /* + 1: the candidate that insert() looks at lies behind the last state. */
    SPA_TRY(make_room(s, s->now.n * c->n_processors + 1, err));
    for (size_t state = 0; state < s->now.n; state++) {
        uint32_t only = forced(s, st.op, state);
        for (uint32_t p = 0; p < c->n_processors; p++) {
            if (only != FREE ? p == only : spa_cost_can_run(c, st.op, p)) extend(s, &st, state, p);
        }
    }
    end_step(s, &st);
    if (s->next.n > s->limit) {
        s->result->exact = false;
        s->limit = s->beam;
        SPA_TRY(cut_to_beam(s, s->beam, err));
    }
    if (s->next.n > s->result->states) s->result->states = s->next.n;
    s->n_back += s->next.n;
    s->layer_start[index + 1] = s->n_back;
    layer t = s->now;
    s->now = s->next;
    s->next = t;
    return SPA_OK;
}

static spa_status first_layer(solver *s, spa_error *err)
{
    const spa_costs *c = s->costs;
    SPA_TRY(make_room(s, 1, err));
    memset(s->next.keys, 0, s->key_bytes);
    for (size_t t = c->n_ops; t < c->n_tensors; t++) {
        if (s->slot_of[t] >= 0) s->next.keys[s->slot_of[t]] = normal(s, t, c->host, 1u << c->host);
    }
    s->next.cost[0] = 0;
    s->next.n = 1;
    layer t = s->now;
    s->now = s->next;
    s->next = t;
    return SPA_OK;
}

static void trace_back(const solver *s, uint8_t *processor)
{
    size_t state = 0;
    uint32_t n = s->costs->n_processors;
    for (size_t i = s->costs->n_ops; i > 0; i--) {
        uint32_t back = s->back[s->layer_start[i - 1] + state];
        processor[s->order[i - 1]] = (uint8_t)(back % n);
        state = back / n;
    }
}

static void set_limits(solver *s, const spa_frontier_limits *limits)
{
    size_t fits = BACK_MAX / (s->costs->n_ops + 1) + 16;
    s->limit = limits->states;
    s->beam = limits->beam < limits->states ? limits->beam : limits->states;
    if (s->beam > fits) s->beam = fits;
    if (s->limit > fits && s->limit > s->beam) s->limit = fits;
    assert(s->beam >= 1);
}

static spa_status allocate(solver *s, spa_error *err)
{
    const spa_costs *c = s->costs;
    SPA_TRY(spa_alloc(&s->order, c->n_ops, sizeof *s->order, err));
    SPA_TRY(spa_alloc(&s->slot_of, c->n_tensors, sizeof *s->slot_of, err));
    SPA_TRY(spa_alloc(&s->left, c->n_tensors, sizeof *s->left, err));
    SPA_TRY(spa_alloc(&s->is_viewed, c->n_tensors, sizeof *s->is_viewed, err));
    SPA_TRY(spa_alloc(&s->layer_start, c->n_ops + 1, sizeof *s->layer_start, err));
    SPA_TRY(spa_frontier_order(s->graph, s->order, &s->result->width, err));
    /* One more than the width: an operator's inputs and its output are in slots together. */
    uint32_t n_slots = s->result->width + 1;
    s->key_bytes = ((size_t)n_slots + 7) / 8 * 8;
    SPA_TRY(spa_alloc(&s->free_slots, n_slots, sizeof *s->free_slots, err));
    start_slots(s, n_slots);
    return SPA_OK;
}

static void release(solver *s)
{
    free(s->now.keys);
    free(s->now.cost);
    free(s->next.keys);
    free(s->next.cost);
    free(s->order);
    free(s->slot_of);
    free(s->left);
    free(s->is_viewed);
    free(s->free_slots);
    free(s->back);
    free(s->layer_start);
    free(s->table);
    free(s->scratch);
}

spa_status spa_frontier_solve(const spa_costs *costs, spa_objective objective,
                              const spa_frontier_limits *limits, uint8_t *processor,
                              spa_frontier_result *result, spa_error *err)
{
    solver s = {.costs = costs, .graph = costs->graph, .objective = objective, .result = result};
    *result = (spa_frontier_result){.exact = true};
    set_limits(&s, limits);
    spa_status status = allocate(&s, err);
    if (!status) status = first_layer(&s, err);
    for (size_t i = 0; i < costs->n_ops && !status; i++) status = run_step(&s, i, err);
    if (!status) {
        assert(s.now.n == 1); /* nothing is alive at the end */
        result->value = s.now.cost[0];
        trace_back(&s, processor);
    } else {
        *result = (spa_frontier_result){0};
    }
    release(&s);
    return status;
}
