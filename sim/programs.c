#include "sim/programs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"

/* ---- checks ---------------------------------------------------------------------------------- */

static spa_status fail_program(const spa_program *p, const char *what, spa_error *err)
{
    return spa_fail(err, SPA_E_INVALID, "program '%s': %s", p->label, what);
}

/* Do two tables describe the same lanes and links? */
static bool same_machine(const spa_costs *a, const spa_costs *b)
{
    uint32_t n = a->n_processors;
    if (n != b->n_processors || a->host != b->host || a->n_links != b->n_links ||
        a->dispatch_occupies_host != b->dispatch_occupies_host ||
        a->blocking_sync != b->blocking_sync || a->host_hz != b->host_hz || a->base_w != b->base_w)
        return false;
    for (uint32_t p = 0; p < n; p++)
        if (a->processors[p].n_lanes != b->processors[p].n_lanes ||
            a->processors[p].is_async != b->processors[p].is_async ||
            strcmp(a->processors[p].name, b->processors[p].name) != 0)
            return false;
    for (uint32_t i = 0; i < n * n; i++)
        if (a->links[i / n][i % n].id != b->links[i / n][i % n].id ||
            a->links[i / n][i % n].on_lane != b->links[i / n][i % n].on_lane)
            return false;
    return true;
}

static spa_status check_program(const spa_program *list, size_t i, spa_error *err)
{
    const spa_program *p = &list[i];
    if (!p->costs || p->costs->graph != p->graph)
        return fail_program(p, "its cost table belongs to another graph", err);
    if (p->graph->n_ops == 0) return fail_program(p, "its graph has no operators", err);
    if (!(p->weight > 0) || !isfinite(p->weight))
        return fail_program(p, "its weight must be a number above 0", err);
    if ((p->schedule != NULL) != (list[0].schedule != NULL))
        return fail_program(p, "either every program has a schedule, or none", err);
    if (!same_machine(list[0].costs, p->costs))
        return fail_program(p, "its table is of other processors, lanes or links than the first's",
                            err);
    if (p->schedule) SPA_TRY(spa_schedule_check(p->schedule, p->costs, err));
    return SPA_OK;
}

/* ---- joining --------------------------------------------------------------------------------- */

static spa_status place_spans(spa_programs *all, const spa_program *list, spa_error *err)
{
    uint64_t at = 0;
    SPA_TRY(spa_arena_alloc(&all->arena, &all->items, all->count, sizeof *all->items, err));
    SPA_TRY(spa_arena_alloc(&all->arena, &all->spans, all->count, sizeof *all->spans, err));
    for (uint32_t i = 0; i < all->count; i++) {
        all->items[i] = list[i];
        SPA_TRY(spa_arena_strdup(&all->arena, &all->items[i].label, list[i].label, err));
        all->spans[i].first = (uint32_t)at;
        all->spans[i].n_ops = (uint32_t)list[i].graph->n_ops;
        at += list[i].costs->n_tensors;
        all->spans[i].end = (uint32_t)at;
        if (at > INT32_MAX)
            return spa_fail(err, SPA_E_RANGE, "the programs have more than 2^31 tensors");
    }
    return SPA_OK;
}

static spa_status name_op(spa_programs *all, spa_op *op, const char *label, const char *name,
                          spa_error *err)
{
    char text[768];
    snprintf(text, sizeof text, "%.255s/%.255s", label, name);
    return spa_arena_strdup(&all->graph.arena, &op->name, text, err);
}

/* A graph input as an operator: a view of nothing, that is where requests begin. */
static spa_op input_op(const spa_graph *g, uint32_t k, uint32_t first_edge)
{
    return (spa_op){.kind = SPA_OP_RESHAPE,
                    .out = g->graph_inputs[k],
                    .first_input = first_edge,
                    .sparsity = g->graph_input_sparsity,
                    .input_sparsity = NAN,
                    .weight_sparsity = NAN};
}

static spa_status join_ops(spa_programs *all, uint32_t i, spa_error *err)
{
    const spa_program *p = &all->items[i];
    const spa_program_span *span = &all->spans[i];
    const spa_graph *from = p->graph;
    spa_graph *g = &all->graph;
    uint32_t edge = (uint32_t)g->n_edges;
    for (uint32_t op = 0; op < span->n_ops; op++) {
        spa_op *o = &g->ops[span->first + op];
        *o = from->ops[op];
        o->first_input += edge;
        SPA_TRY(name_op(all, o, p->label, from->ops[op].name, err));
    }
    for (size_t k = 0; k < from->n_edges; k++)
        g->inputs[edge + k] = (int32_t)(span->first + spa_tensor_of(p->costs, from->inputs[k]));
    g->n_edges += from->n_edges;
    for (uint32_t k = 0; span->first + span->n_ops + k < span->end; k++) {
        char name[16];
        spa_op *o = &g->ops[span->first + span->n_ops + k];
        snprintf(name, sizeof name, "input%u", k);
        *o = input_op(from, k, (uint32_t)g->n_edges);
        SPA_TRY(name_op(all, o, p->label, name, err));
    }
    g->total_macs += from->total_macs;
    g->total_params += from->total_params;
    g->hash = spa_hash_u64(g->hash, from->hash);
    return SPA_OK;
}

/* Consumers of each operator, once per edge. */
static spa_status join_consumers(spa_graph *g, spa_error *err)
{
    uint32_t *first;
    SPA_TRY(spa_alloc(&g->first_consumer, g->n_ops + 1, sizeof *g->first_consumer, err));
    SPA_TRY(spa_alloc(&g->consumers, g->n_edges, sizeof *g->consumers, err));
    first = g->first_consumer;
    for (size_t k = 0; k < g->n_edges; k++) first[g->inputs[k] + 1]++;
    for (size_t op = 0; op < g->n_ops; op++) first[op + 1] += first[op];
    for (size_t op = g->n_ops; op-- > 0;)
        for (uint32_t k = g->ops[op].n_inputs; k-- > 0;)
            g->consumers[--first[g->inputs[g->ops[op].first_input + k] + 1]] = (int32_t)op;
    /* Each end has walked down to its beginning: the beginnings stand one too far right. */
    for (size_t op = 0; op < g->n_ops; op++) first[op] = first[op + 1];
    first[g->n_ops] = (uint32_t)g->n_edges;
    return SPA_OK;
}

static spa_status join_graphs(spa_programs *all, spa_error *err)
{
    spa_graph *g = &all->graph;
    const spa_graph *first = all->items[0].graph;
    size_t n_edges = 0;
    spa_graph_init(g, "programs", first->batch, first->dtype);
    g->n_ops = all->spans[all->count - 1].end;
    g->hash = SPA_HASH_SEED;
    for (uint32_t i = 0; i < all->count; i++) n_edges += all->items[i].graph->n_edges;
    SPA_TRY(spa_alloc(&g->ops, g->n_ops, sizeof *g->ops, err));
    SPA_TRY(spa_alloc(&g->inputs, n_edges, sizeof *g->inputs, err));
    for (uint32_t i = 0; i < all->count; i++) SPA_TRY(join_ops(all, i, err));
    return join_consumers(g, err);
}

/* Sizes of chunks of any program; a program that does not know one cannot run in it. */
static spa_status join_chunk(spa_programs *all, const spa_costs *from, uint32_t size,
                             spa_error *err)
{
    spa_costs *c = &all->costs;
    uint32_t n = c->n_processors;
    spa_op_cost *ops;
    for (uint32_t k = 0; k < c->n_chunks; k++)
        if (c->chunk_sizes[k] == size) return SPA_OK;
    if (c->n_chunks == SPA_MAX_CHUNKS)
        return spa_fail(err, SPA_E_RANGE, "program '%s': more than %d sizes of chunks",
                        from->graph->name, SPA_MAX_CHUNKS);
    SPA_TRY(spa_arena_alloc(&c->arena, &ops, c->n_ops * n, sizeof *ops, err));
    for (size_t i = 0; i < c->n_ops * n; i++)
        ops[i] = (spa_op_cost){.kernel_ns = -1, .capacity_share = 1};
    for (uint32_t i = 0; i < all->count; i++) {
        const spa_costs *one = all->items[i].costs;
        const spa_op_cost *entries = spa_chunk_cost(one, 0, 0, size);
        if (entries)
            memcpy(ops + (size_t)all->spans[i].first * n, entries, one->n_ops * n * sizeof *ops);
    }
    c->chunk_sizes[c->n_chunks] = size;
    c->chunk_ops[c->n_chunks++] = ops;
    return SPA_OK;
}

static spa_status join_chunks(spa_programs *all, spa_error *err)
{
    all->costs.n_chunks = 0; /* the first program's, so far */
    for (uint32_t i = 0; i < all->count; i++)
        for (uint32_t k = 0; k < all->items[i].costs->n_chunks; k++)
            SPA_TRY(join_chunk(all, all->items[i].costs, all->items[i].costs->chunk_sizes[k], err));
    return SPA_OK;
}

/* The header is the first program's; entries follow each other, inputs cost nothing anywhere. */
static spa_status join_costs(spa_programs *all, spa_error *err)
{
    spa_costs *c = &all->costs;
    const spa_costs *like = all->items[0].costs;
    uint32_t n = like->n_processors;
    spa_op_cost *ops;
    int64_t *part_ns, *transfer_ns;
    SPA_TRY(spa_costs_init(c, &all->graph, n, err));
    ops = c->ops, part_ns = c->part_ns, transfer_ns = c->transfer_ns;
    spa_arena arena = c->arena;
    *c = *like;
    c->arena = arena;
    c->graph = &all->graph;
    c->n_ops = c->n_tensors = all->graph.n_ops;
    c->ops = ops, c->part_ns = part_ns, c->transfer_ns = transfer_ns;
    c->hash = SPA_HASH_SEED;
    for (uint32_t i = 0; i < all->count; i++) {
        const spa_costs *from = all->items[i].costs;
        size_t first = all->spans[i].first, n_ops = from->n_ops;
        memcpy(ops + first * n, from->ops, n_ops * n * sizeof *ops);
        memcpy(part_ns + first * n * (SPA_TENTHS - 1), from->part_ns,
               n_ops * n * (SPA_TENTHS - 1) * sizeof *part_ns);
        memcpy(transfer_ns + first * n * n, from->transfer_ns,
               from->n_tensors * n * n * sizeof *transfer_ns);
        for (size_t k = n_ops * n; k < from->n_tensors * n; k++)
            ops[first * n + k] = (spa_op_cost){.capacity_share = 1, .origin = SPA_ORIGIN_ASSUMED};
        if (from->origin < c->origin) c->origin = from->origin;
        c->uncalibrated = c->uncalibrated || from->uncalibrated;
        c->hash = spa_hash_u64(spa_hash_u64(c->hash, from->hash), (uint64_t)n_ops);
    }
    return SPA_OK;
}

/* Modes are the device's, so all programs have the same ones. */
static spa_status join_modes(spa_programs *all, spa_error *err)
{
    spa_costs *c = &all->costs;
    const spa_costs *like = all->items[0].costs;
    size_t n = c->n_processors;
    c->n_modes = c->own_mode = 0;
    c->modes = NULL;
    c->zeros_factor = NULL;
    for (uint32_t i = 0; i < all->count; i++)
        if (all->items[i].costs->n_modes != like->n_modes ||
            all->items[i].costs->own_mode != like->own_mode)
            return SPA_OK; /* tables that were not built from one device know none */
    SPA_TRY(spa_costs_add_modes(c, like->n_modes, err));
    c->own_mode = like->own_mode;
    for (uint32_t m = 0; m < c->n_modes; m++) {
        spa_cost_mode *to = &c->modes[m];
        spa_op_speed *ops = to->ops;
        int64_t *transfer_ns = to->transfer_ns;
        *to = like->modes[m];
        to->ops = ops, to->transfer_ns = transfer_ns;
        for (uint32_t i = 0; i < all->count; i++) {
            const spa_costs *from = all->items[i].costs;
            size_t first = all->spans[i].first;
            memcpy(ops + first * n, from->modes[m].ops, from->n_ops * n * sizeof *ops);
            memcpy(transfer_ns + first * n * n, from->modes[m].transfer_ns,
                   from->n_tensors * n * n * sizeof *transfer_ns);
        }
    }
    return SPA_OK;
}

/* Graph inputs stand in the order, too, in front of their program: nothing is dispatched there. */
static spa_status join_schedules(spa_programs *all, spa_error *err)
{
    spa_schedule *s = &all->schedule;
    if (!all->items[0].schedule) return SPA_OK;
    SPA_TRY(spa_schedule_init(s, all->graph.n_ops, err));
    for (uint32_t i = 0; i < all->count; i++) {
        const spa_schedule *from = all->items[i].schedule;
        size_t first = all->spans[i].first;
        memcpy(s->processor + first, from->processor, from->n_ops);
        memcpy(s->lane + first, from->lane, from->n_ops);
        memcpy(s->share + first, from->share, from->n_ops);
        memcpy(s->second + first, from->second, from->n_ops);
        memcpy(s->chunk + first, from->chunk, from->n_ops * sizeof *from->chunk);
        size_t at = first;
        for (size_t t = first + from->n_ops; t < all->spans[i].end; t++) {
            s->processor[t] = (uint8_t)all->costs.host;
            s->order[at++] = (uint32_t)t;
        }
        for (size_t k = 0; k < from->n_ops; k++) s->order[at++] = (uint32_t)first + from->order[k];
    }
    return SPA_OK;
}

/* ---- life ------------------------------------------------------------------------------------ */

spa_status spa_programs_new(spa_programs **programs, const spa_program *list, size_t count,
                            spa_error *err)
{
    spa_programs *all = NULL;
    spa_status status;
    *programs = NULL;
    if (count < 1 || count > SPA_MAX_PROGRAMS)
        return spa_fail(err, SPA_E_RANGE, "a run has 1 to %d programs, not %zu", SPA_MAX_PROGRAMS,
                        count);
    for (size_t i = 0; i < count; i++) SPA_TRY(check_program(list, i, err));
    SPA_TRY(spa_alloc(&all, 1, sizeof *all, err));
    spa_arena_init(&all->arena);
    all->count = (uint32_t)count;
    if ((status = place_spans(all, list, err))) goto out;
    if ((status = join_graphs(all, err))) goto out;
    if ((status = join_costs(all, err))) goto out;
    if ((status = join_modes(all, err))) goto out;
    if ((status = join_chunks(all, err))) goto out;
    if ((status = join_schedules(all, err))) goto out;
    for (uint32_t i = 0; i < all->count; i++) all->items[i].schedule = NULL; /* copied */
    *programs = all;
out:
    if (status) spa_programs_free(all);
    return status;
}

void spa_programs_free(spa_programs *all)
{
    if (!all) return;
    spa_schedule_fini(&all->schedule);
    spa_costs_fini(&all->costs);
    spa_graph_fini(&all->graph);
    spa_arena_fini(&all->arena);
    free(all);
}

uint32_t spa_programs_of(const spa_programs *all, uint32_t tensor)
{
    uint32_t low = 0, high = all->count - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (tensor < all->spans[middle].end)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
