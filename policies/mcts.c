/* mcts: Monte-Carlo tree search over the processors of operators, in dispatch order.
 *
 * Source: UCT (Kocsis and Szepesvari, ECML 2006), as for puzzles of one player (Schadd et al.,
 * Single-player Monte-Carlo tree search, 2008): the best run so far is kept, and a child's worth is
 * half its best and half its mean value. A tree over all operators is far too deep for any budget,
 * so the search commits as a game does: the budget is shared evenly among the decisions ahead; when
 * a decision's share is spent, the choice of the best run so far is made, its subtree becomes the
 * tree, and the engine moves on. Simulations begin on a copy of the engine at the present decision,
 * walk down the tree, add one node, and complete the run as the best run so far did, every other
 * time with one random segment of later operators moved to one processor. Progressive bias (Chaslot
 * et al., 2008): a choice that the best run made is favoured while it is little visited.
 * Values are scaled to [0, 1] between the best and the worst seen. The same seed gives the same
 * schedule; never worse than its bases. Ahead of time, like rollout. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "policies/common.h"
#include "policies/lookahead.h"

#define NODES_MAX ((uint64_t)1 << 20)

enum { PARAM_BASE, PARAM_EXPLORATION, PARAM_BIAS, PARAM_SHARE, PARAM_BUDGET };
static const spa_param params[] = {
    [PARAM_BASE] = {"base", SPA_PARAM_TEXT, 0, 0, 0, "best", "policy",
                    "where the best run begins; best: the best of heft, dp, greedy and others"},
    [PARAM_EXPLORATION] = {"exploration", SPA_PARAM_REAL, 0.5, 0, 100, NULL, "",
                           "UCT's constant, for values in [0, 1]"},
    [PARAM_BIAS] = {"bias", SPA_PARAM_REAL, 0.1, 0, 100, NULL, "",
                    "progressive bias towards the choices of the best run"},
    [PARAM_SHARE] = {"share", SPA_PARAM_INT, 16, 1, 1e9, NULL, "simulations",
                     "most that one decision spends; what is left is for further passes"},
    [PARAM_BUDGET] = {"budget", SPA_PARAM_INT, 0, 0, 1e9, NULL, "simulations",
                      "how many runs may be completed; 0 = what the caller allows"},
};

/* A state before a decision; the choices made lead to its children. */
typedef struct node {
    uint32_t child[SPA_MAX_PROCESSORS]; /* 0 = not there */
    uint32_t visits;
    double sum, best; /* of the values of runs through it */
} node;

typedef struct mcts {
    spa_lookahead look;
    spa_rng rng;
    double exploration, bias;
    uint64_t most_share;
    node *nodes; /* [0] is not used */
    uint32_t n_nodes, capacity, root;
    uint32_t *path; /* nodes of a simulation, the root first */
    double worst;
    uint64_t simulations;
} mcts;

static spa_status create(void **self, const spa_param_values *values, spa_error *err)
{
    spa_param_values *own = NULL;
    *self = NULL;
    SPA_TRY(spa_alloc(&own, 1, sizeof *own, err));
    *own = *values;
    *self = own;
    return SPA_OK;
}

static uint32_t add_node(mcts *m)
{
    if (m->n_nodes == m->capacity) return 0;
    m->nodes[m->n_nodes] = (node){.best = INFINITY};
    return m->n_nodes++;
}

/* 1 for the best run so far, 0 for the worst. */
static double scaled(const mcts *m, double value)
{
    double range = m->worst - m->look.best_value;
    return range > 0 ? (m->worst - value) / range : 1;
}

static double score(const mcts *m, const node *parent, const node *child, bool favoured)
{
    double n = child->visits;
    double worth = 0.5 * scaled(m, child->best) + 0.5 * scaled(m, child->sum / n);
    return worth + m->exploration * sqrt(log((double)parent->visits) / n) +
           (favoured ? m->bias / (n + 1) : 0);
}

/* The choice to follow: the best run's own first, then the others once each, then by score. */
static uint32_t select(const mcts *m, const node *parent, uint32_t op)
{
    const spa_lookahead *l = &m->look;
    uint32_t favourite = l->best->processor[op], best = favourite;
    double best_score = -INFINITY;
    if (!parent->child[favourite]) return favourite;
    for (uint32_t p = 0; p < l->costs->n_processors; p++) {
        if (!spa_cost_can_run(l->costs, op, p)) continue;
        if (!parent->child[p]) return p;
        double s = score(m, parent, &m->nodes[parent->child[p]], p == favourite);
        if (s <= best_score) continue;
        best_score = s;
        best = p;
    }
    return best;
}

static bool is_choice(const spa_lookahead *l, uint32_t op)
{
    return l->rank[op] < l->n_movable && l->movable[l->rank[op]] == op;
}

/* Walks `copy` down the tree to a node that is new; *depth nodes are in the path. Forced decisions
 * have no node. `trial` has what was decided, and elsewhere what the best run did. */
static spa_status descend(mcts *m, uint32_t *depth, spa_error *err)
{
    spa_lookahead *l = &m->look;
    uint32_t at = m->root;
    bool is_new = false;
    m->path[0] = at;
    *depth = 1;
    while (!l->copy_done && !is_new) {
        uint32_t op = spa_engine_asked(l->copy);
        if (is_choice(l, op)) {
            uint32_t p = select(m, &m->nodes[at], op);
            uint32_t *child = &m->nodes[at].child[p];
            spa_lookahead_put(l->costs, &l->trial, op, p);
            is_new = *child == 0;
            if (is_new) *child = add_node(m);
            if (*child == 0) break; /* no more memory for nodes: what is known stays */
            at = *child;
            m->path[(*depth)++] = at;
        }
        SPA_TRY(spa_lookahead_decide(l->copy, &l->trial, &l->copy_done, err));
    }
    return SPA_OK;
}

/* Moves a random segment of the operators still to be decided: any start, a length whose scale is
 * drawn first. */
static void perturb(mcts *m)
{
    spa_lookahead *l = &m->look;
    uint32_t first = l->rank[spa_engine_asked(l->copy)], left = l->n_movable - first, scale = 1;
    if (left == 0) return;
    while (scale < left && spa_rng_below(&m->rng, 2)) scale *= 2;
    first += spa_rng_below(&m->rng, left);
    spa_lookahead_put_segment(l, first, 1 + spa_rng_below(&m->rng, scale),
                              spa_rng_below(&m->rng, l->costs->n_processors));
}

/* One simulation from the present decision. Runs that have been completed before are not spent
 * again: their value is known. */
static spa_status simulate(mcts *m, spa_error *err)
{
    spa_lookahead *l = &m->look;
    uint32_t depth;
    double value = 0, *known;
    bool is_new;
    spa_schedule_copy(&l->trial, l->best);
    spa_lookahead_fork(l);
    SPA_TRY(descend(m, &depth, err));
    if (!l->copy_done && m->simulations++ % 2) perturb(m);
    spa_policy_follow_views(l->costs, l->trial.processor);
    known = spa_seen_value(&l->seen, &l->trial, &is_new);
    if (is_new) {
        SPA_TRY(spa_lookahead_complete(l, &value, err));
        if (value > m->worst) m->worst = value;
    } else {
        value = *known;
    }
    for (uint32_t i = 0; i < depth; i++) {
        node *n = &m->nodes[m->path[i]];
        n->visits++;
        n->sum += value;
        if (value < n->best) n->best = value;
    }
    return SPA_OK;
}

/* Decides as the best run did; what the tree knows of that choice is kept. */
static spa_status commit(mcts *m, uint32_t op, spa_error *err)
{
    spa_lookahead *l = &m->look;
    if (is_choice(l, op)) {
        m->root = m->nodes[m->root].child[l->best->processor[op]];
        if (m->root == 0) m->root = add_node(m);
    }
    return spa_lookahead_decide(l->now, l->best, &l->now_done, err);
}

/* One run, decided operator by operator, each after its share of the budget. */
static spa_status pass(mcts *m, spa_error *err)
{
    spa_lookahead *l = &m->look;
    m->n_nodes = 1;
    m->root = add_node(m);
    SPA_TRY(spa_lookahead_restart(l, l->best, err));
    while (!l->now_done && l->spent < l->budget && m->root) {
        uint32_t op = spa_engine_asked(l->now);
        if (is_choice(l, op)) {
            uint64_t left = l->budget - l->spent, ahead = l->n_movable - l->rank[op];
            uint64_t share = (left + ahead - 1) / ahead, end;
            if (share > m->most_share) share = m->most_share;
            end = l->spent + share;
            for (uint64_t tries = 0; l->spent < end && tries < 4 * share; tries++)
                SPA_TRY(simulate(m, err));
        }
        SPA_TRY(commit(m, op, err));
    }
    return SPA_OK;
}

static spa_status search(mcts *m, const char *base, spa_error *err)
{
    spa_lookahead *l = &m->look;
    uint64_t before;
    SPA_TRY(spa_lookahead_bases(l, base, err));
    m->worst = l->starts[l->n_starts - 1].value;
    do { /* another pass spends what small trees left over */
        before = l->spent;
        SPA_TRY(pass(m, err));
    } while (l->spent < l->budget && l->spent > before);
    return SPA_OK;
}

static spa_status plan(void *self, const spa_plan_context *context, spa_schedule *schedule,
                       spa_error *err)
{
    const spa_param_values *v = self;
    spa_status status;
    mcts m = {.exploration = v->number[PARAM_EXPLORATION],
              .bias = v->number[PARAM_BIAS],
              .most_share = (uint64_t)v->number[PARAM_SHARE]};
    spa_rng_init(&m.rng, context->seed, "policy/mcts");
    status = spa_lookahead_init(&m.look, "mcts", context, (uint64_t)v->number[PARAM_BUDGET],
                                schedule, err);
    if (!status) {
        uint64_t nodes = 4 * m.look.budget + 2 * context->costs->n_ops + 2;
        m.capacity = (uint32_t)(nodes < NODES_MAX ? nodes : NODES_MAX);
        status = spa_alloc(&m.nodes, m.capacity, sizeof *m.nodes, err);
    }
    if (!status) status = spa_alloc(&m.path, context->costs->n_ops + 1, sizeof *m.path, err);
    if (!status) status = search(&m, v->text[PARAM_BASE], err);
    free(m.nodes);
    free(m.path);
    spa_lookahead_fini(&m.look);
    return status;
}

const spa_policy spa_policy_mcts = {
    .abi = SPA_POLICY_ABI,
    .struct_size = sizeof(spa_policy),
    .name = "mcts",
    .summary = "Monte-Carlo tree search over processors, from the best run so far",
    .source = "UCT: Kocsis, Szepesvari, ECML 2006; one player: Schadd et al., 2008",
    .capabilities = SPA_CAP_PLAN | SPA_CAP_ORDER | SPA_CAP_LANES | SPA_CAP_SEARCH | SPA_CAP_RANDOM,
    .objectives = SPA_OBJECTIVES_ALL,
    .params = params,
    .n_params = sizeof params / sizeof *params,
    .create = create,
    .destroy = spa_policy_free,
    .plan = plan,
};
