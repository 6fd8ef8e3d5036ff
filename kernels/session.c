/* Sessions: where activations live. */
#include <stdlib.h>
#include <string.h>

#include "kernels/dims.h"
#include "kernels/model.h"

/* Beyond this the plan would cost more memory than it saves. */
#define MAX_PLANNED_OPS ((size_t)1 << 15)
#define NO_SLOT         SIZE_MAX

typedef struct slot {
    size_t floats;
    size_t occupant; /* operator whose output is in it, in either layout */
} slot;

typedef struct planner {
    const spa_graph *graph;
    size_t words;        /* 64-bit words of one set of operators */
    uint64_t *ancestors; /* [n_ops][words]; NULL: no sharing */
    size_t *slot_of;     /* [n_ops]; of reshapes: their input's, or NO_SLOT for a graph input */
    size_t *blocked_of;  /* [n_ops] slots of blocked forms, NO_SLOT where nobody wants one; NULL
                            where no backend of the model does */
    slot *slots;         /* [n_ops], twice that with blocked forms */
    size_t n_slots;
} planner;

static bool is_ancestor(const planner *p, size_t op, size_t of)
{
    return (p->ancestors[of * p->words + op / 64] >> (op % 64) & 1) != 0;
}

static void add_ancestors(planner *p, size_t op)
{
    const spa_op *o = &p->graph->ops[op];
    uint64_t *own = p->ancestors + op * p->words;
    for (uint32_t e = 0; e < o->n_inputs; e++) {
        int32_t from = p->graph->inputs[o->first_input + e];
        if (from < 0) continue;
        const uint64_t *theirs = p->ancestors + (size_t)from * p->words;
        for (size_t w = 0; w < p->words; w++) own[w] |= theirs[w];
        own[(size_t)from / 64] |= UINT64_C(1) << ((size_t)from % 64);
    }
}

/* Has everybody who reads what `writer` (or a reshape of it) put out finished before `op` starts,
 * in every legal order? Results of the model (no consumers) stay. */
static bool is_dead(const planner *p, size_t writer, size_t op)
{
    const spa_graph *g = p->graph;
    uint32_t first = g->first_consumer[writer], end = g->first_consumer[writer + 1];
    if (first == end) return false;
    for (uint32_t i = first; i < end; i++) {
        size_t reader = (size_t)g->consumers[i];
        if (!is_ancestor(p, reader, op)) return false;
        if (g->ops[reader].kind == SPA_OP_RESHAPE && !is_dead(p, reader, op)) return false;
    }
    return true;
}

/* The smallest free slot that is large enough, else the largest free one (it grows), else new. */
static size_t choose_slot(planner *p, size_t op, size_t floats)
{
    size_t best = NO_SLOT;
    for (size_t s = 0; s < p->n_slots && p->ancestors != NULL; s++) {
        if (!is_dead(p, p->slots[s].occupant, op)) continue;
        if (best == NO_SLOT) {
            best = s;
            continue;
        }
        size_t have = p->slots[best].floats, size = p->slots[s].floats;
        if (have < floats ? size > have : size >= floats && size < have) best = s;
    }
    if (best == NO_SLOT) best = p->n_slots++;
    if (p->slots[best].floats < floats) p->slots[best].floats = floats;
    p->slots[best].occupant = op;
    return best;
}

static size_t align_floats(size_t floats)
{
    size_t unit = SPA_KERNEL_ALIGN / sizeof(float);
    return (floats + unit - 1) / unit * unit;
}

/* A conversion writes after the producer and before the last reader: the lifetime of the other
 * form, so the same rule. */
static void plan_blocked(planner *p, const spa_model *model, size_t op)
{
    size_t bytes = 0;
    if (p->blocked_of == NULL) return;
    p->blocked_of[op] = NO_SLOT;
    for (size_t b = 0; b < model->n_prepared; b++)
        if (model->layouts[b] != NULL && model->layouts[b][op] == SPA_LAYOUT_BLOCKED)
            bytes = model->prepared[b]->layout_bytes(p->graph, op);
    if (bytes > 0) p->blocked_of[op] = choose_slot(p, op, align_floats(bytes / sizeof(float)));
}

static void plan(planner *p, const spa_model *model)
{
    for (size_t i = 0; i < p->graph->n_ops; i++) {
        const spa_op *op = &p->graph->ops[i];
        if (p->ancestors != NULL) add_ancestors(p, i);
        plan_blocked(p, model, i);
        if (op->kind == SPA_OP_RESHAPE) {
            int32_t from = p->graph->inputs[op->first_input];
            p->slot_of[i] = from < 0 ? NO_SLOT : p->slot_of[from];
            continue;
        }
        p->slot_of[i] = choose_slot(p, i, align_floats(spa_shape_count(&op->out)));
    }
}

/* Where operator `op` puts its output; a reshape's is its input's. */
static float *value_of(const spa_session *session, size_t op, const planner *p)
{
    const spa_op *o = &p->graph->ops[op];
    if (o->kind != SPA_OP_RESHAPE) return session->memory + p->slots[p->slot_of[op]].floats;
    int32_t from = p->graph->inputs[o->first_input];
    return from < 0 ? session->graph_inputs[~from] : session->outputs[from];
}

/* Offsets of slots, then addresses of everything. */
static spa_status place(spa_session *session, planner *p, spa_error *err)
{
    const spa_graph *g = p->graph;
    size_t floats = 0, offset = 0;
    for (size_t s = 0; s < p->n_slots; s++) floats += p->slots[s].floats;
    for (size_t k = 0; k < g->n_graph_inputs; k++)
        floats += align_floats(spa_shape_count(&g->graph_inputs[k]));
    session->memory_bytes = floats * sizeof(float);
    SPA_TRY(spa_alloc_aligned(&session->memory, session->memory_bytes, err));
    for (size_t k = 0; k < g->n_graph_inputs; k++) {
        session->graph_inputs[k] = session->memory + offset;
        offset += align_floats(spa_shape_count(&g->graph_inputs[k]));
    }
    for (size_t s = 0; s < p->n_slots; s++) { /* floats becomes the offset */
        size_t size = p->slots[s].floats;
        p->slots[s].floats = offset;
        offset += size;
    }
    for (size_t i = 0; i < g->n_ops; i++) {
        const spa_op *op = &g->ops[i];
        for (uint32_t e = 0; e < op->n_inputs; e++) {
            int32_t from = g->inputs[op->first_input + e];
            session->inputs[op->first_input + e] =
                from < 0 ? session->graph_inputs[~from] : session->outputs[from];
        }
        session->outputs[i] = value_of(session, i, p);
        if (p->blocked_of != NULL && p->blocked_of[i] != NO_SLOT)
            session->blocked[i] = session->memory + p->slots[p->blocked_of[i]].floats;
    }
    return SPA_OK;
}

static spa_status init(spa_session *session, planner *p, bool share, spa_error *err)
{
    const spa_graph *g = p->graph;
    bool is_blocked = session->model->blocked_by != NULL;
    SPA_TRY(spa_alloc(&session->outputs, g->n_ops, sizeof(float *), err));
    SPA_TRY(spa_alloc(&session->inputs, g->n_edges, sizeof(const float *), err));
    SPA_TRY(spa_alloc(&p->slot_of, g->n_ops, sizeof(size_t), err));
    SPA_TRY(spa_alloc(&p->slots, is_blocked ? 2 * g->n_ops : g->n_ops, sizeof(slot), err));
    if (share) SPA_TRY(spa_alloc(&p->ancestors, g->n_ops * p->words, sizeof(uint64_t), err));
    if (is_blocked) {
        SPA_TRY(spa_alloc(&p->blocked_of, g->n_ops, sizeof(size_t), err));
        SPA_TRY(spa_alloc(&session->blocked, g->n_ops, sizeof(float *), err));
        SPA_TRY(spa_alloc(&session->holds, g->n_ops, sizeof(uint8_t), err));
    }
    plan(p, session->model);
    return place(session, p, err);
}

spa_status spa_session_init(spa_session *session, const spa_model *model, spa_buffers buffers,
                            spa_error *err)
{
    const spa_graph *g = model->graph;
    planner p = {.graph = g, .words = (g->n_ops + 63) / 64};
    *session = (spa_session){.model = model};
    bool share = buffers == SPA_BUFFERS_PLANNED && g->n_ops <= MAX_PLANNED_OPS;
    spa_status status = init(session, &p, share, err);
    free(p.slot_of);
    free(p.blocked_of);
    free(p.slots);
    free(p.ancestors);
    if (status != SPA_OK) spa_session_fini(session);
    return status;
}

void spa_session_fini(spa_session *session)
{
    free(session->memory);
    free(session->outputs);
    free(session->inputs);
    free(session->blocked);
    free(session->holds);
    *session = (spa_session){0};
}

void spa_session_fill_inputs(spa_session *session, uint64_t seed, double zeros)
{
    const spa_graph *g = session->model->graph;
    for (size_t k = 0; k < g->n_graph_inputs; k++)
        spa_fill_random(session->graph_inputs[k], spa_shape_count(&g->graph_inputs[k]), seed, k,
                        zeros);
}
