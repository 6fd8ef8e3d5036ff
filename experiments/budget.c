#include "experiments/budget.h"

#include <math.h>
#include <string.h>

const char *spa_component_name(spa_component component)
{
    static const char *const names[] = {"kernel",   "launch",     "transfer",
                                        "hand-off", "contention", "queueing"};
    return names[component];
}

double spa_budget_total(const spa_budget *budget)
{
    double sum = 0;
    for (int i = 0; i < SPA_COMPONENT_COUNT; i++) sum += budget->us[i];
    return sum;
}

/* The operator behind an input, through views; -1 = a graph input. */
static int32_t maker(const spa_graph *graph, int32_t producer)
{
    while (producer >= 0 && graph->ops[producer].kind == SPA_OP_RESHAPE)
        producer = graph->inputs[graph->ops[producer].first_input];
    return producer;
}

/* The input of `op` that was made last, -1 = none but graph inputs. */
static int32_t last_input(const spa_graph *graph, const spa_step *steps, size_t op)
{
    const spa_op *o = &graph->ops[op];
    int32_t last = -1;
    for (uint32_t i = 0; i < o->n_inputs; i++) {
        int32_t from = maker(graph, graph->inputs[o->first_input + i]);
        if (from >= 0 && (last < 0 || steps[from].end > steps[last].end)) last = from;
    }
    return last;
}

/* The operator that had this one's lane before it, if it ended after `ready`; else -1. */
static int32_t lane_before(const spa_graph *graph, const spa_step *steps, size_t op, double ready)
{
    int32_t before = -1;
    double start = steps[op].begin - steps[op].copy;
    for (size_t i = 0; i < graph->n_ops; i++) {
        if (i == op || steps[i].lane != steps[op].lane || steps[i].end > start) continue;
        if (steps[i].end > (before < 0 ? ready : steps[before].end)) before = (int32_t)i;
    }
    return before;
}

void spa_budget_of(const spa_graph *graph, const spa_step *steps, spa_budget *budget)
{
    int32_t op = -1;
    *budget = (spa_budget){{0}};
    for (size_t i = 0; i < graph->n_ops; i++)
        if (steps[i].lane >= 0 && (op < 0 || steps[i].end > steps[op].end)) op = (int32_t)i;
    while (op >= 0) {
        const spa_step *s = &steps[op];
        int32_t from = last_input(graph, steps, (size_t)op);
        double ready = from >= 0 ? steps[from].end : 0;
        int32_t before = lane_before(graph, steps, (size_t)op, ready);
        double free_at = before >= 0 ? steps[before].end : ready;
        bool crosses = from >= 0 && before < 0 && steps[from].lane != s->lane;
        double gap = s->begin - s->copy - free_at, moved = fmin(s->moved, fmax(gap, 0));
        budget->us[SPA_COMPONENT_KERNEL] += s->end - s->begin - s->contention;
        budget->us[SPA_COMPONENT_CONTENTION] += s->contention;
        budget->us[SPA_COMPONENT_TRANSFER] += s->copy + moved;
        budget->us[SPA_COMPONENT_QUEUEING] += free_at - ready;
        budget->us[crosses ? SPA_COMPONENT_HAND_OFF : SPA_COMPONENT_LAUNCH] += gap - moved;
        op = from;
    }
}

/* ---- simulated ------------------------------------------------------------------------------- */

static const spa_copy_parts *part_of(const spa_costs *c, const spa_copy_parts *parts,
                                     const spa_event *ev)
{
    size_t n = c->n_processors;
    return parts ? &parts[(ev->op * n + ev->lane) * n + ev->processor] : NULL;
}

/* A link has brought a tensor: to those of its readers that are there. */
static void note_moved(const spa_costs *costs, const spa_event *ev, double took, spa_step *steps)
{
    const spa_graph *g = costs->graph;
    for (size_t i = 0; i < g->n_ops; i++) {
        const spa_op *o = &g->ops[i];
        for (uint32_t e = 0; e < o->n_inputs && steps[i].lane == ev->processor; e++)
            if (spa_tensor_of(costs, g->inputs[o->first_input + e]) == ev->op)
                steps[i].moved = took;
    }
}

/* What a processor has done for its next kernel. */
typedef struct prelude {
    double begin, copy, read; /* us */
} prelude;

static void take_copy(const spa_costs *costs, const spa_copy_parts *parts, const spa_event *ev,
                      double took, prelude *own)
{
    const spa_copy_parts *p = part_of(costs, parts, ev);
    double whole = p ? p->hand_off + p->copy + p->read : 0;
    double scale = whole > 0 ? took / whole : 0;
    own->copy += p ? p->copy * scale : took;
    own->read += p ? p->read * scale : 0;
}

/* Reading is part of a real kernel, launching is not. */
static void take_kernel(const spa_costs *costs, const spa_event *ev, const prelude *own, double end,
                        spa_step *s)
{
    const spa_op_cost *cost = spa_cost(costs, ev->op, ev->processor);
    int64_t alone_ns =
        ev->tenths ? spa_part_ns(costs, ev->op, ev->processor, ev->tenths) : cost->kernel_ns;
    double launch = costs->dispatch_occupies_host ? 0 : cost->launch_ns * 1e-3;
    if (ev->tenths && s->lane != ev->processor) { /* the second part */
        if (s->end > 0) s->contention += end - s->end;
        if (s->end > 0) s->end = end;
        return;
    }
    s->lane = ev->processor;
    s->begin = own->begin + launch - own->read;
    s->end = end;
    s->copy = own->copy;
    s->contention = end - s->begin - own->read - (double)alone_ns * 1e-3;
}

void spa_steps_from_events(const spa_costs *costs, const spa_event *events, size_t n_events,
                           uint64_t request, const spa_copy_parts *parts, spa_step *steps)
{
    double arrive = 0, begun[SPA_MAX_PROCESSORS][SPA_MAX_PROCESSORS] = {{0}};
    prelude before[SPA_MAX_PROCESSORS] = {{0}};
    memset(steps, 0, costs->n_ops * sizeof *steps);
    for (size_t i = 0; i < costs->n_ops; i++) steps[i].lane = -1;
    for (size_t i = 0; i < n_events; i++) {
        const spa_event *ev = &events[i];
        prelude *own = &before[ev->processor];
        double at = (double)ev->time_ns * 1e-3;
        if (ev->request != request) continue;
        if (ev->kind == SPA_EV_ARRIVE) arrive = at;
        /* The first place of a split operator is its own. */
        if (ev->kind == SPA_EV_PLACE && costs->graph->ops[ev->op].kind != SPA_OP_RESHAPE &&
            steps[ev->op].lane < 0)
            steps[ev->op].lane = ev->processor;
        if (ev->kind == SPA_EV_TRANSFER_BEGIN) begun[ev->lane][ev->processor] = at;
        if (ev->kind == SPA_EV_TRANSFER_END) {
            double took = at - begun[ev->lane][ev->processor];
            if (costs->links[ev->lane][ev->processor].on_lane)
                take_copy(costs, parts, ev, took, own);
            else
                note_moved(costs, ev, took, steps);
        }
        if (ev->kind == SPA_EV_KERNEL_BEGIN) own->begin = at - arrive;
        if (ev->kind != SPA_EV_KERNEL_END) continue;
        take_kernel(costs, ev, own, at - arrive, &steps[ev->op]);
        own->copy = own->read = 0;
    }
}
