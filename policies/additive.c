#include "policies/additive.h"

#include <stdlib.h>
#include <string.h>

static uint32_t *uses_of(const spa_additive *a, size_t tensor)
{
    return &a->uses[tensor * a->costs->n_processors];
}

static uint32_t source_of(const spa_additive *a, size_t tensor)
{
    return tensor < a->costs->n_ops ? a->processor[tensor] : a->costs->host;
}

/* Transfers of one tensor from `source` to whoever uses it. */
static double moved(const spa_additive *a, size_t tensor, uint32_t source)
{
    const uint32_t *uses = uses_of(a, tensor);
    double sum = 0;
    for (uint32_t p = 0; p < a->costs->n_processors; p++) {
        if (p == source || uses[p] == 0) continue;
        sum += spa_additive_transfer(a->costs, a->objective, tensor, source, p);
    }
    return sum;
}

spa_status spa_additive_init(spa_additive *a, const spa_costs *costs, spa_objective objective,
                             const uint8_t *processor, spa_error *err)
{
    const spa_graph *g = costs->graph;
    *a = (spa_additive){.costs = costs, .objective = objective};
    SPA_TRY(spa_alloc(&a->processor, costs->n_ops, 1, err));
    spa_status status =
        spa_alloc(&a->uses, costs->n_tensors * costs->n_processors, sizeof *a->uses, err);
    if (status) {
        spa_additive_fini(a);
        return status;
    }
    if (costs->n_ops) memcpy(a->processor, processor, costs->n_ops);
    spa_policy_follow_views(costs, a->processor);
    processor = a->processor;
    for (size_t i = 0; i < costs->n_ops; i++) {
        const spa_op *op = &g->ops[i];
        a->value += spa_additive_op(costs, objective, i, processor[i]);
        for (uint32_t e = 0; e < op->n_inputs; e++) {
            uses_of(a, spa_tensor_of(costs, g->inputs[op->first_input + e]))[processor[i]]++;
        }
        if (spa_additive_returns(g, i)) uses_of(a, i)[costs->host]++;
    }
    for (size_t t = 0; t < costs->n_tensors; t++) a->value += moved(a, t, source_of(a, t));
    return SPA_OK;
}

void spa_additive_fini(spa_additive *a)
{
    free(a->processor);
    free(a->uses);
    *a = (spa_additive){0};
}

static void move_one(spa_additive *a, size_t op, uint32_t to)
{
    const spa_costs *c = a->costs;
    const spa_op *o = &c->graph->ops[op];
    uint32_t from = a->processor[op];
    double change =
        spa_additive_op(c, a->objective, op, to) - spa_additive_op(c, a->objective, op, from);
    for (uint32_t e = 0; e < o->n_inputs; e++) {
        size_t t = spa_tensor_of(c, c->graph->inputs[o->first_input + e]);
        uint32_t source = source_of(a, t), *uses = uses_of(a, t);
        if (--uses[from] == 0 && from != source) {
            change -= spa_additive_transfer(c, a->objective, t, source, from);
        }
        if (uses[to]++ == 0 && to != source) {
            change += spa_additive_transfer(c, a->objective, t, source, to);
        }
    }
    change += moved(a, op, to) - moved(a, op, from);
    a->processor[op] = (uint8_t)to;
    a->value += change;
}

/* Views follow their producer, views of views too: in graph order each comes after what it
 * follows. Chains of views are short, so the recursion is as deep as the longest of them. */
static void move_with_views(spa_additive *a, size_t op, uint32_t to)
{
    const spa_graph *g = a->costs->graph;
    move_one(a, op, to);
    for (uint32_t e = g->first_consumer[op]; e < g->first_consumer[op + 1]; e++) {
        size_t user = (size_t)g->consumers[e];
        if (!spa_policy_is_view(g, user) || a->processor[user] == to) continue;
        if (spa_policy_viewed(g, user) == (int32_t)op) move_with_views(a, user, to);
    }
}

double spa_additive_move(spa_additive *a, size_t op, uint32_t to)
{
    if (a->processor[op] != to && !spa_policy_is_view(a->costs->graph, op)) {
        move_with_views(a, op, to);
    }
    return a->value;
}
