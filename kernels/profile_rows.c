/* Profiling one model: rows from samples; see profile_model.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/measure.h"
#include "kernels/profile_model.h"
#include "kernels/samples.h"

/* ---- rows: costs ----------------------------------------------------------------------------- */

/* What a row says: an operator, or a part of it, on a lane, alone or beside another one. */
typedef struct cost_row {
    const spa_samples *samples;
    int slot;            /* -1 = any */
    const float *column; /* [capacity][n_ops] of the samples */
    size_t op, lane;
    double part;
    const char *corun;
} cost_row;

static size_t kept_column(const cost_row *row, double *out)
{
    const spa_samples *s = row->samples;
    size_t n = 0;
    for (size_t r = 0; r < s->count; r++)
        if (s->kept[r] && (row->slot < 0 || s->slot[r] == row->slot))
            out[n++] = (double)row->column[r * s->n_ops + row->op];
    return n;
}

/* None of a request beside a lane so much faster that it did not get that far. */
static void add_cost(spa_profile_model *m, const cost_row *row)
{
    const spa_lane *l = &m->lanes->lanes[row->lane];
    const spa_samples *s = row->samples;
    size_t n = kept_column(row, m->column);
    spa_moments moments = {0};
    if (n == 0) return;
    for (size_t i = 0; i < n; i++) spa_moments_add(&moments, m->column[i]);
    double p50 = spa_median(m->column, n); /* sorts */
    m->entry->costs[m->entry->n_costs++] = (spa_trace_cost){
        .op = (int32_t)row->op,
        .processor = l->processor,
        .backend = l->backend->name,
        .cores = l->n_cores > 0 ? l->n_cores : 1,
        .batch = m->options->batch,
        .dtype = SPA_FP32,
        .part = row->part,
        .corun = row->corun,
        .samples = (int64_t)n,
        .mean_us = spa_measured_us(moments.mean),
        .std_us = spa_measured_us(spa_moments_sd(&moments)),
        .p50_us = spa_measured_us(p50),
        .p95_us = spa_measured_us(spa_quantile_sorted(m->column, n, 0.95)),
        .typical_us =
            spa_measured_us(spa_samples_typical(s, row->slot, row->column + row->op, s->n_ops)),
        .energy_uj = NAN,
        .origin = SPA_ORIGIN_MEASURED,
    };
}

static void fill_alone(spa_profile_model *m, size_t op)
{
    spa_trace_model *entry = m->entry;
    for (size_t l = 0; l < m->n_lanes; l++) {
        const spa_samples *s = &m->samples[l];
        cost_row row = {s, -1, s->kernel, op, l, 1, ""};
        add_cost(m, &row);
        m->typical_us[op * m->n_lanes + l] = entry->costs[entry->n_costs - 1].typical_us;
    }
}

static void fill_pair(spa_profile_model *m, size_t op, size_t pair)
{
    const spa_samples *s = &m->samples[m->n_schedules + pair];
    for (int slot = 0; slot < 2; slot++) {
        const char *other = m->lanes->lanes[m->pairs[pair][1 - slot]].processor;
        cost_row row = {s, slot, s->kernel, op, m->pairs[pair][slot], 1, other};
        add_cost(m, &row);
    }
}

/* Of halves the first one alone is a row: it and the second one differ in where their input is. */
static void fill_split_costs(spa_profile_model *m, size_t op, size_t index)
{
    const spa_profile_split *split = &m->splits[index];
    const spa_samples *s = &m->samples[m->n_whole + index];
    const spa_lane *lanes = m->lanes->lanes;
    double given = split->share / (double)SPA_TENTHS;
    cost_row first = {
        s, -1, s->part[0], op, split->first, 1 - given, lanes[split->second].processor};
    cost_row second = {s, -1, s->part[1], op, split->second, given, lanes[split->first].processor};
    add_cost(m, &first);
    if (2 * split->share < SPA_TENTHS) add_cost(m, &second);
}

static spa_status fill_costs(spa_profile_model *m, spa_arena *arena, spa_error *err)
{
    size_t n_ops = m->graph->n_ops, pairs = m->n_entries - m->n_schedules;
    size_t splits = m->n_schedules - m->n_whole;
    spa_trace_model *entry = m->entry;
    SPA_TRY(spa_arena_alloc(arena, &entry->costs, n_ops * (m->n_lanes + 2 * (pairs + splits)),
                            sizeof *entry->costs, err));
    for (size_t op = 0; op < n_ops; op++) {
        fill_alone(m, op);
        for (size_t k = 0; k < pairs; k++) fill_pair(m, op, k);
        for (size_t k = 0; k < splits && spa_profile_may_split(m, op); k++)
            fill_split_costs(m, op, k);
    }
    return SPA_OK;
}

/* ---- rows: copies ---------------------------------------------------------------------------- */

static int lane_of_tensor(const spa_profile_model *m, const spa_samples *s, size_t tensor)
{
    int32_t from =
        tensor < m->graph->n_ops ? spa_graph_behind_views(m->graph, (int32_t)tensor) : -1;
    return from >= 0 ? s->lane[from] : (int)m->costs->host;
}

/* Dispatch is in graph order, so the first reader in it is the first to run. */
static void find_readers(spa_profile_model *m)
{
    const spa_graph *g = m->graph;
    for (size_t t = 0; t < m->costs->n_tensors; t++) m->reader[t] = -1;
    for (size_t op = g->n_ops; op-- > 0;) {
        const spa_op *o = &g->ops[op];
        if (o->kind == SPA_OP_RESHAPE) continue;
        for (uint32_t i = 0; i < o->n_inputs; i++)
            m->reader[spa_tensor_of(m->costs, g->inputs[o->first_input + i])] = (int32_t)op;
    }
}

static double tensor_bytes(const spa_profile_model *m, size_t tensor)
{
    const spa_graph *g = m->graph;
    if (tensor < g->n_ops) return (double)g->ops[tensor].bytes_out;
    return 4.0 * (double)spa_shape_elements(&g->graph_inputs[tensor - g->n_ops]);
}

/* Its part of what the first reader took longer in a placement than alone on that lane. */
static double extra_read_us(const spa_profile_model *m, const spa_samples *s, size_t tensor)
{
    size_t r = (size_t)m->reader[tensor], lane = (size_t)s->lane[r];
    const spa_op *o = &m->graph->ops[r];
    double bytes = 0;
    if (tensor >= m->graph->n_ops) return 0; /* graph inputs are old: alone is not faster */
    for (uint32_t i = 0; i < o->n_inputs; i++) {
        size_t t = spa_tensor_of(m->costs, m->graph->inputs[o->first_input + i]);
        if (lane_of_tensor(m, s, t) != (int)lane) bytes += tensor_bytes(m, t);
    }
    double us = spa_samples_typical(s, -1, s->kernel + r, s->n_ops);
    return (us - m->typical_us[r * m->n_lanes + lane]) * tensor_bytes(m, tensor) / bytes;
}

/* Mean over the placements in which `tensor` was made on `from` and read on `to`. */
static bool fill_copy(const spa_profile_model *m, size_t tensor, size_t from, size_t to,
                      spa_trace_copy *copy)
{
    double copy_us = 0, read_us = 0;
    size_t n = 0, samples = 0;
    if (m->reader[tensor] < 0) return false;
    for (size_t k = 0; k < m->n_whole; k++) {
        const spa_samples *s = &m->samples[k];
        if (lane_of_tensor(m, s, tensor) != (int)from || s->lane[m->reader[tensor]] != (int)to)
            continue;
        copy_us += spa_samples_typical(s, -1, s->copy + tensor * s->n_lanes + to,
                                       s->n_tensors * s->n_lanes);
        read_us += extra_read_us(m, s, tensor);
        samples += s->n_typical;
        n++;
    }
    if (n == 0) return false;
    read_us /= (double)n;
    *copy = (spa_trace_copy){
        .tensor = tensor,
        .from = m->lanes->lanes[from].processor,
        .from_backend = m->lanes->lanes[from].backend->name,
        .to = m->lanes->lanes[to].processor,
        .to_backend = m->lanes->lanes[to].backend->name,
        .batch = m->options->batch,
        .dtype = SPA_FP32,
        .samples = (int64_t)samples,
        .copy_us = spa_measured_us(copy_us / (double)n),
        .read_us = spa_measured_us(read_us > 0 ? read_us : 0), /* less is noise */
        .origin = SPA_ORIGIN_MEASURED,
    };
    return true;
}

static spa_status fill_copies(spa_profile_model *m, spa_arena *arena, spa_error *err)
{
    size_t n = m->n_lanes;
    spa_trace_model *entry = m->entry;
    if (!m->options->copies || n < 2) return SPA_OK;
    SPA_TRY(spa_arena_alloc(arena, &entry->copies, m->costs->n_tensors * n * (n - 1),
                            sizeof *entry->copies, err));
    find_readers(m);
    for (size_t t = 0; t < m->costs->n_tensors; t++)
        for (size_t from = 0; from < n; from++)
            for (size_t to = 0; to < n; to++)
                if (m->costs->links[from][to].on_lane &&
                    fill_copy(m, t, from, to, &entry->copies[entry->n_copies]))
                    entry->n_copies++;
    return SPA_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static spa_status prepare_rows(spa_profile_model *m, spa_error *err)
{
    size_t most = 1;
    for (size_t i = 0; i < m->n_entries; i++)
        if (m->samples[i].capacity > most) most = m->samples[i].capacity;
    free(m->column);
    m->column = NULL;
    return spa_alloc(&m->column, most, sizeof *m->column, err);
}

spa_status spa_profile_model_rows(spa_profile_model *m, const spa_samples *samples,
                                  spa_arena *arena, spa_profile_links *links,
                                  spa_profile_report *report, spa_error *err)
{
    m->samples = samples;
    SPA_TRY(prepare_rows(m, err));
    SPA_TRY(fill_costs(m, arena, err));
    SPA_TRY(fill_copies(m, arena, err));
    for (size_t l = 0; l < m->n_lanes; l++)
        spa_profile_note_gaps(links, &samples[l], l, m->lanes->lanes[l].device != NULL);
    for (size_t k = m->n_lanes; k < m->n_whole; k++)
        spa_profile_note_hand_offs(links, &samples[k], m->graph, m->lanes);
    for (size_t k = 0; k < m->n_whole; k++)
        SPA_TRY(spa_profile_note_transfers(links, &samples[k], m->graph, m->lanes, m->column, err));
    for (size_t i = 0; i < m->n_entries; i++) {
        report->runs_kept += samples[i].n_kept;
        report->runs_discarded += samples[i].count - samples[i].n_kept;
    }
    report->worst_spread = fmax(report->worst_spread, links->run_cv.max);
    return SPA_OK;
}
