/* The graph and cost table as flat records for the event loop, and the fresh request. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <gsl/gsl_cdf.h>
#include "sim/engine_state.h"

/* Every edge is used by an operator and, with splits, by its twin. */
static size_t user_count(const spa_engine *e)
{
    return e->splits ? 2 * e->graph->n_edges : e->graph->n_edges;
}

static size_t order_count(const spa_engine *e)
{
    return e->config.programs ? (size_t)e->n_words * 64 : e->n_ops;
}

/* Where each program lies, and its part of the draws of requests. */
static spa_status build_programs(spa_engine *e, spa_error *err)
{
    const spa_programs *all = e->config.programs;
    double sum = 0, before = 0;
    uint32_t word = 0;
    if (!all) return SPA_OK;
    SPA_TRY(spa_alloc(&e->program_table, all->count, sizeof *e->program_table, err));
    e->programs = e->program_table;
    for (uint32_t i = 0; i < all->count; i++) sum += all->items[i].weight;
    for (uint32_t i = 0; i < all->count; i++) {
        engine_program *p = &e->program_table[i];
        p->first = all->spans[i].first;
        p->n_ops = all->spans[i].n_ops;
        p->end = all->spans[i].end;
        p->first_word = word;
        p->end_word = word += (p->end - p->first + 63) / 64;
        before += all->items[i].weight;
        p->below = i + 1 == all->count ? UINT64_MAX : (uint64_t)(before / sum * 0x1p64);
        for (uint32_t t = p->first + p->n_ops; t < p->end; t++)
            e->node_table[t].flags = NODE_INPUT; /* not a view, and nobody's final output */
    }
    return SPA_OK;
}

/* Inputs, consumers and dispatch order of operators: one allocation, three arrays of indices. */
static spa_status build_nodes(spa_engine *e, spa_error *err)
{
    const spa_graph *g = e->graph;
    uint32_t *inputs;
    size_t n_users = user_count(e);
    SPA_TRY(spa_alloc(&e->node_table, e->n_nodes, sizeof *e->node_table, err));
    SPA_TRY(spa_alloc(&e->index_table, g->n_edges + n_users + order_count(e),
                      sizeof *e->index_table, err));
    e->nodes = e->node_table;
    e->inputs = inputs = e->index_table;
    e->users = e->index_table + g->n_edges;
    e->op_at = e->users + n_users;
    for (size_t i = 0; i < g->n_edges; i++) {
        inputs[i] = (uint32_t)spa_tensor_of(e->costs, g->inputs[i]);
        e->node_table[inputs[i]].end_user += e->splits ? 2 : 1; /* a count, so far */
    }
    for (uint32_t t = 0, at = 0; t < e->n_tensors; t++) {
        engine_node *node = &e->node_table[t];
        if (node->end_user == 0 && t < e->n_ops) node->flags |= NODE_SINK;
        node->first_user = at;
        at += node->end_user;
    }
    for (uint32_t op = 0; op < e->n_ops; op++) {
        const spa_op *o = &g->ops[op];
        engine_node *node = &e->node_table[op];
        node->first_input = o->first_input;
        node->end_input = o->first_input + o->n_inputs;
        if (o->kind == SPA_OP_RESHAPE) node->flags |= NODE_VIEW;
        if (o->flags & SPA_OP_PULLED) node->flags |= NODE_PULLED;
        if (!e->splits) continue;
        engine_node *twin = &e->node_table[e->n_tensors + op];
        twin->first_input = node->first_input;
        twin->end_input = node->end_input;
    }
    return SPA_OK;
}

static void fill_load(const spa_engine *e, engine_load *load, uint32_t op, uint32_t p,
                      uint32_t chunk)
{
    const spa_op_cost *k = spa_chunk_cost(e->costs, op, p, chunk);
    const spa_cost_processor *processor = &e->costs->processors[p];
    int64_t issuing = k->launch_ns + e->policy_ns;
    double cv = k->noise_cv;
    *load = (engine_load){
        .expected_ns = k->kernel_ns + (e->occupies ? 0 : issuing),
        .issue_ns = e->occupies ? issuing : 0,
        .macs = (double)e->graph->ops[op].macs,
        .dram = k->dram_share,
        .capacity = k->capacity_share,
        .pressure = k->pressure,
        .corun = k->corun_slowdown,
        .slow_a = processor->slow_a,
        .slow_b = processor->slow_b,
        .dynamic_w = k->dynamic_w,
        .sigma = (float)sqrt(log1p(cv * cv)),
        .busy = 1u << p,
        .can_run = k->kernel_ns >= 0,
    };
}

static void fill_kernel(const spa_engine *e, engine_load *load, uint32_t op, uint32_t p)
{
    fill_load(e, load, op, p, e->has_schedule ? e->schedule.chunk[op] : 0);
}

/* Of parts: the whole operator's demands for a part's time. What is split when it is dispatched
 * runs in no chunks, whatever the schedule says. */
static void fill_parts(const spa_engine *e, engine_load *load, uint32_t op, uint32_t p)
{
    engine_load whole;
    int64_t kernel_ns = spa_cost(e->costs, op, p)->kernel_ns;
    fill_load(e, &whole, op, p, 0);
    for (uint32_t k = 1; k < SPA_TENTHS; k++, load++) {
        int64_t part_ns = spa_part_ns(e->costs, op, p, k);
        *load = whole;
        load->macs = whole.macs * k / SPA_TENTHS;
        load->can_run = part_ns >= 0;
        if (part_ns >= 0) load->expected_ns += part_ns - kernel_ns;
    }
}

static spa_status build_loads(spa_engine *e, spa_error *err)
{
    uint32_t n = e->n_processors;
    engine_load *load;
    size_t n_parts = e->splits ? (size_t)e->n_ops * n * (SPA_TENTHS - 1) : 0;
    SPA_TRY(spa_alloc(&e->load_table, (size_t)(e->n_ops + n) * n + n_parts, sizeof *e->load_table,
                      err));
    e->loads = load = e->load_table;
    for (uint32_t op = 0; op < e->n_ops; op++)
        for (uint32_t p = 0; p < n; p++) fill_kernel(e, load++, op, p);
    for (uint32_t from = 0; from < n; from++) {
        for (uint32_t to = 0; to < n; to++, load++) {
            const spa_cost_link *link = &e->costs->links[from][to];
            load->dram = link->dram_share;
            load->dynamic_w = link->dynamic_w;
            load->issue_ns = e->occupies ? link->issue_ns : 0;
            load->can_run = link->on_lane;
        }
    }
    for (uint32_t op = 0; op < e->n_ops && e->splits; op++)
        for (uint32_t p = 0; p < n; p++, load += SPA_TENTHS - 1) fill_parts(e, load, op, p);
    return SPA_OK;
}

static spa_status build_noise(spa_engine *e, spa_error *err)
{
    if (!e->noise && !(e->config.scenario.conditions.zeros_sd > 0)) return SPA_OK;
    SPA_TRY(spa_alloc(&e->normal_quantiles, ENGINE_QUANTILES, sizeof(double), err));
    for (uint32_t i = 0; i < ENGINE_QUANTILES; i++)
        e->normal_quantiles[i] = gsl_cdf_ugaussian_Pinv((i + 0.5) / ENGINE_QUANTILES);
    return SPA_OK;
}

spa_status engine_tables_build(spa_engine *e, spa_error *err)
{
    SPA_TRY(build_nodes(e, err));
    SPA_TRY(build_programs(e, err));
    SPA_TRY(build_loads(e, err));
    SPA_TRY(build_noise(e, err));
    return spa_alloc(&e->template_block, e->layout.request_bytes, 1, err);
}

void engine_tables_chunks(spa_engine *e)
{
    for (uint32_t op = 0; op < e->n_ops; op++)
        for (uint32_t p = 0; p < e->n_processors; p++)
            fill_kernel(e, &e->load_table[op * e->n_processors + p], op, p);
}

void engine_queues_reset(spa_engine *e)
{
    const spa_programs *all = e->config.programs;
    engine_batching *b = e->batching;
    double sum = 0, before = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        engine_queue *q = &b->queues[all->items[i].queue];
        if (all->items[i].samples == 1) {
            q->first = i;
            b->n_queues++;
            sum += all->items[i].weight;
        }
        q->end = i + 1;
    }
    for (uint32_t k = 0; k < b->n_queues; k++) {
        before += all->items[b->queues[k].first].weight;
        b->queues[k].below = k + 1 == b->n_queues ? UINT64_MAX : (uint64_t)(before / sum * 0x1p64);
    }
}

void engine_tables_free(spa_engine *e)
{
    free(e->node_table);
    free(e->index_table);
    free(e->load_table);
    free(e->normal_quantiles);
    free(e->template_block);
    free(e->program_table);
}

/* A fresh request, in the present dispatch order. */
static void build_template(spa_engine *e)
{
    engine_request *r = (engine_request *)e->template_block;
    engine_op *ops = r->ops;
    memset(r, 0, e->layout.request_bytes);
    r->left = e->n_ops;
    r->serial_left = e->serial_ops;
    memset(placed_of(e, r), SPA_UNPLACED, e->n_ops);
    for (uint32_t t = 0; t < e->n_tensors; t++) finish_of(e, r)[t] = INT64_MAX;
    for (uint32_t t = e->n_ops; t < e->n_tensors; t++) {
        where_of(e, r)[t] = (uint8_t)(1u << e->host);
        placed_of(e, r)[t] = (uint8_t)e->host;
        ops[t].present = 1u << e->host & 0xffu;
    }
    for (uint32_t op = 0; op < e->n_ops; op++) {
        const engine_node *node = &e->nodes[op];
        if (node->flags & NODE_INPUT) { /* of one of several programs */
            where_of(e, r)[op] = (uint8_t)(1u << e->host);
            placed_of(e, r)[op] = (uint8_t)e->host;
            ops[op].present = 1u << e->host & 0xffu;
            continue;
        }
        for (uint32_t i = node->first_input; i < node->end_input; i++)
            ops[op].wait += e->inputs[i] < e->n_ops && !(e->nodes[e->inputs[i]].flags & NODE_INPUT);
        if (!ops[op].wait) ready_of(e, r)[node->rank >> 6] |= UINT64_C(1) << (node->rank & 63);
        if (node->flags & NODE_SINK) r->left++;
        if (!e->splits) continue;
        ops[e->n_tensors + op].wait = 0xff; /* never dispatched by itself */
        placed_of(e, r)[e->n_tensors + op] = SPA_UNPLACED;
    }
}

/* What a fresh request of each program has to do. */
static void count_left(spa_engine *e)
{
    for (uint32_t i = 0; i < program_count(e); i++) {
        engine_program *p = &e->program_table[i];
        p->left = p->n_ops;
        for (uint32_t op = p->first; op < p->first + p->n_ops; op++)
            p->left += (e->nodes[op].flags & NODE_SINK) != 0;
    }
}

/* Where the i-th operator in dispatch order stands among the ready bits. */
static uint32_t rank_of(const spa_engine *e, uint32_t i, uint32_t op)
{
    const engine_program *p;
    if (!e->programs) return i;
    p = &e->programs[spa_programs_of(e->config.programs, op)];
    return i - p->first + p->first_word * 64;
}

/* Consumers stand in dispatch order: what waits for one tensor runs in that order, whatever numbers
 * the operators have. */
void engine_tables_order(spa_engine *e)
{
    size_t n_edges = e->graph->n_edges;
    uint32_t *users = e->index_table + n_edges, *op_at = users + user_count(e);
    for (uint32_t t = 0; t < e->n_tensors; t++) e->node_table[t].end_user = e->nodes[t].first_user;
    for (uint32_t i = 0; i < e->n_ops; i++) {
        uint32_t op = e->has_schedule ? e->schedule.order[i] : i;
        engine_node *node = &e->node_table[op];
        node->rank = rank_of(e, i, op);
        op_at[node->rank] = op;
        for (uint32_t k = node->first_input; k < node->end_input; k++) {
            engine_node *from = &e->node_table[e->inputs[k]];
            users[from->end_user++] = op;
            if (e->splits) users[from->end_user++] = e->n_tensors + op;
        }
    }
    build_template(e);
    count_left(e);
}
