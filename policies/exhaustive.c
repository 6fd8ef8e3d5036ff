/* exhaustive: every placement of a small graph, on the simulator itself.
 *
 * The oracle that searches are checked against. All placements of the operators that have a choice
 * (views have none) are evaluated, in graph order on any lane; with orders=1, in every topological
 * order. Twin processors (equal costs, links and lanes, neither the host) are not told apart:
 * among placements that differ only in their names one is evaluated. Where the engine breaks a tie
 * in time by processor index, the names could matter; symmetry=0 evaluates them all. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "policies/common.h"

static const spa_param params[] = {
    {"limit", SPA_PARAM_INT, 65536, 1, 1e9, NULL, "evaluations",
     "refuses graphs with more placements (times orders) than this"},
    {"orders", SPA_PARAM_INT, 0, 0, 1, NULL, "0|1", "1: every topological order as well"},
    {"symmetry", SPA_PARAM_INT, 1, 0, 1, NULL, "0|1",
     "1: of placements that differ only in the names of twin processors, evaluate one"},
};

typedef struct exhaustive {
    uint64_t limit;
    bool orders, symmetry;
} exhaustive;

typedef struct search {
    const spa_plan_context *context;
    const spa_costs *costs;
    spa_schedule trial;
    spa_schedule *best;
    double best_value; /* NaN: none yet */
    uint32_t *movable; /* [n_movable] operators with a choice */
    size_t n_movable;
    uint32_t twin_before[SPA_MAX_PROCESSORS]; /* nearest lower-indexed twin, or itself */
    uint32_t used[SPA_MAX_PROCESSORS];        /* movable operators there now */
    uint32_t *waiting;                        /* [n_ops] inputs not yet in the order */
    uint64_t orders, order_limit;
    bool counting; /* orders are counted, not tried */
    spa_error *err;
} search;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    exhaustive *s = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    *s = (exhaustive){(uint64_t)values->number[0], values->number[1] != 0, values->number[2] != 0};
    *self = s;
    return SPA_OK;
}

/* ---- twins
 * --------------------------------------------------------------------------------------- */

static uint32_t swapped(uint32_t x, uint32_t p, uint32_t q)
{
    return x == p ? q : x == q ? p : x;
}

static bool equal_links(const spa_costs *c, uint32_t p, uint32_t q)
{
    uint32_t n = c->n_processors, image[SPA_MAX_LINKS], origin[SPA_MAX_LINKS];
    for (uint32_t k = 0; k < SPA_MAX_LINKS; k++) image[k] = origin[k] = SPA_MAX_LINKS;
    for (uint32_t a = 0; a < n; a++) {
        for (uint32_t b = 0; b < n; b++) {
            const spa_cost_link *x = &c->links[a][b];
            const spa_cost_link *y = &c->links[swapped(a, p, q)][swapped(b, p, q)];
            if (a == b) continue;
            if (x->dram_share != y->dram_share || x->dynamic_w != y->dynamic_w ||
                x->issue_ns != y->issue_ns) {
                return false;
            }
            /* The queues too must map one to one. */
            if (image[x->id] != SPA_MAX_LINKS && image[x->id] != y->id) return false;
            if (origin[y->id] != SPA_MAX_LINKS && origin[y->id] != x->id) return false;
            image[x->id] = y->id;
            origin[y->id] = x->id;
        }
    }
    return true;
}

static bool equal_tables(const spa_costs *c, uint32_t p, uint32_t q)
{
    uint32_t n = c->n_processors;
    for (size_t i = 0; i < c->n_ops; i++) {
        const spa_op_cost *x = spa_cost(c, i, p), *y = spa_cost(c, i, q);
        if (x->kernel_ns != y->kernel_ns || x->launch_ns != y->launch_ns ||
            x->dram_share != y->dram_share || x->capacity_share != y->capacity_share ||
            x->pressure != y->pressure || x->corun_slowdown != y->corun_slowdown ||
            x->dynamic_w != y->dynamic_w) {
            return false;
        }
    }
    for (size_t t = 0; t < c->n_tensors; t++) {
        for (uint32_t k = 0; k < n * n; k++) {
            uint32_t a = k / n, b = k % n;
            if (spa_transfer_ns(c, t, a, b) !=
                spa_transfer_ns(c, t, swapped(a, p, q), swapped(b, p, q))) {
                return false;
            }
        }
    }
    return true;
}

static bool twins(const spa_costs *c, uint32_t p, uint32_t q)
{
    const spa_cost_processor *x = &c->processors[p], *y = &c->processors[q];
    return p != c->host && q != c->host && x->is_async == y->is_async && x->n_lanes == y->n_lanes &&
           x->slow_a == y->slow_a && x->slow_b == y->slow_b && equal_links(c, p, q) &&
           equal_tables(c, p, q);
}

/* ---- size
 * ---------------------------------------------------------------------------------------- */

static uint32_t options(const spa_costs *c, size_t op)
{
    uint32_t n = 0;
    if (spa_policy_is_view(c->graph, op)) return 1;
    for (uint32_t p = 0; p < c->n_processors; p++) n += spa_cost_can_run(c, op, p);
    return n;
}

/* Number of placements, 0 when over the limit, with the reason. */
static uint64_t count_placements(const search *s, uint64_t limit)
{
    uint64_t count = 1;
    double log10_count = 0;
    uint32_t base = 0;
    bool uniform = true;
    for (size_t k = 0; k < s->n_movable; k++) {
        uint32_t n = options(s->costs, s->movable[k]);
        if (base == 0) base = n;
        uniform = uniform && n == base;
        log10_count += log10(n);
        if (count) count = count > limit / n ? 0 : count * n;
    }
    if (count) return count;
    char size[64];
    if (uniform) {
        snprintf(size, sizeof size, "%u^%zu", base, s->n_movable);
    } else {
        snprintf(size, sizeof size, "about 10^%.0f", log10_count);
    }
    spa_fail(s->err, SPA_E_UNSUPPORTED,
             "exhaustive: %s placements of '%s'; the limit is %llu (exhaustive:limit=N)", size,
             s->context->graph->name, (unsigned long long)limit);
    return 0;
}

/* ---- trying
 * -------------------------------------------------------------------------------------- */

static spa_status try_placement(search *s)
{
    spa_evaluation e;
    spa_policy_follow_views(s->costs, s->trial.processor);
    SPA_TRY(spa_evaluate(s->context->evaluator, &s->trial, &e, s->err));
    double value = spa_evaluation_value(&e, s->context->objective);
    if (!isnan(s->best_value) && value >= s->best_value) return SPA_OK;
    s->best_value = value;
    spa_schedule_copy(s->best, &s->trial);
    return SPA_OK;
}

/* Places movable operators k, k+1, ... in all ways. As deep as there are operators: few. */
static spa_status try_placements(search *s, size_t k)
{
    if (k == s->n_movable) return try_placement(s);
    uint32_t op = s->movable[k];
    for (uint32_t p = 0; p < s->costs->n_processors; p++) {
        uint32_t before = s->twin_before[p];
        if (!spa_cost_can_run(s->costs, op, p)) continue;
        if (before != p && s->used[p] == 0 && s->used[before] == 0) continue;
        s->trial.processor[op] = (uint8_t)p;
        s->used[p]++;
        SPA_TRY(try_placements(s, k + 1));
        s->used[p]--;
    }
    return SPA_OK;
}

/* Orders positions k, k+1, ... in all topological ways. */
static spa_status try_orders(search *s, size_t k)
{
    const spa_graph *g = s->costs->graph;
    if (k == g->n_ops) {
        s->orders++;
        return s->counting ? SPA_OK : try_placements(s, 0);
    }
    for (uint32_t op = 0; op < g->n_ops; op++) {
        if (s->waiting[op] != 0 || (s->counting && s->orders > s->order_limit)) continue;
        s->waiting[op] = UINT32_MAX; /* taken */
        for (uint32_t e = g->first_consumer[op]; e < g->first_consumer[op + 1]; e++) {
            s->waiting[g->consumers[e]]--;
        }
        s->trial.order[k] = op;
        SPA_TRY(try_orders(s, k + 1));
        for (uint32_t e = g->first_consumer[op]; e < g->first_consumer[op + 1]; e++) {
            s->waiting[g->consumers[e]]++;
        }
        s->waiting[op] = 0;
    }
    return SPA_OK;
}

static spa_status try_all_orders(search *s, uint64_t limit, uint64_t placements)
{
    const spa_graph *g = s->costs->graph;
    SPA_TRY(spa_alloc(&s->waiting, g->n_ops, sizeof *s->waiting, s->err));
    for (size_t i = 0; i < g->n_ops; i++) {
        for (uint32_t e = 0; e < g->ops[i].n_inputs; e++) {
            s->waiting[i] += g->inputs[g->ops[i].first_input + e] >= 0;
        }
    }
    s->order_limit = limit / placements;
    s->counting = true;
    SPA_TRY(try_orders(s, 0));
    if (s->orders > s->order_limit) {
        return spa_fail(s->err, SPA_E_UNSUPPORTED,
                        "exhaustive: %llu placements of '%s' in more than %llu orders; the limit "
                        "is %llu evaluations (exhaustive:limit=N)",
                        (unsigned long long)placements, g->name, (unsigned long long)s->order_limit,
                        (unsigned long long)limit);
    }
    s->counting = false;
    return try_orders(s, 0);
}

static spa_status set_up(search *s, const exhaustive *self)
{
    const spa_costs *c = s->costs;
    SPA_TRY(spa_schedule_init(&s->trial, c->n_ops, s->err));
    SPA_TRY(spa_alloc(&s->movable, c->n_ops, sizeof *s->movable, s->err));
    for (size_t i = 0; i < c->n_ops; i++) {
        if (options(c, i) > 1) {
            s->movable[s->n_movable++] = (uint32_t)i;
        } else {
            s->trial.processor[i] = (uint8_t)spa_policy_able(c, i, c->host);
        }
    }
    for (uint32_t p = 0; p < c->n_processors; p++) {
        s->twin_before[p] = p;
        for (uint32_t q = 0; q < p && self->symmetry; q++) {
            if (twins(c, p, q)) s->twin_before[p] = q;
        }
    }
    return SPA_OK;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    const exhaustive *x = self;
    search s = {.context = context,
                .costs = context->costs,
                .best = schedule,
                .best_value = NAN,
                .err = err};
    if (!context->evaluator) {
        return spa_fail(err, SPA_E_UNSUPPORTED, "exhaustive: needs a simulator to evaluate on");
    }
    spa_status status = set_up(&s, x);
    uint64_t placements = status ? 0 : count_placements(&s, x->limit);
    if (!status && !placements) status = SPA_E_UNSUPPORTED;
    if (!status && x->orders) {
        status = try_all_orders(&s, x->limit, placements);
    } else if (!status) {
        status = try_placements(&s, 0);
    }
    spa_schedule_fini(&s.trial);
    free(s.movable);
    free(s.waiting);
    return status;
}

const spa_policy spa_policy_exhaustive = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "exhaustive",
    .summary = "every placement of a small graph on the simulator; the oracle for searches",
    .source = "enumeration",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_ORDER | SPA_CAP_SEARCH,
    .objectives = SPA_OBJECTIVES_ALL,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
