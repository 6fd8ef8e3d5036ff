/* Rows of a trace: which fits, and what a row says at other sparsities. */
#include <math.h>
#include <string.h>
#include "devices/spec.h"

#define ZEROS_EPSILON   1e-9
#define NARROW_CHANNELS 32   /* outputs of a 1x1 convolution: less reuse of what was read */
#define LARGE_K         2304 /* input values per output: 3x3 x 256 channels */

/* ---------------------------------------------------------------- rows */
/* A trace of the same network at another batch or dtype has another graph hash but the same
 * operators in the same order; its rows carry batch and dtype of their own. */
static bool same_network(const spa_graph *a, const spa_graph *b)
{
    if (a->hash == b->hash) return true;
    if (a->n_ops != b->n_ops || a->n_edges != b->n_edges) return false;
    if (memcmp(a->inputs, b->inputs, a->n_edges * sizeof *a->inputs) != 0) return false;
    for (size_t i = 0; i < a->n_ops; i++) {
        const spa_op *x = &a->ops[i], *y = &b->ops[i];
        if (x->kind != y->kind || strcmp(x->name, y->name) != 0) return false;
        if (x->macs / a->batch != y->macs / b->batch) return false;
    }
    return true;
}

static spa_status find_model(spec_measured *m, const spa_trace *trace, const spa_graph *graph,
                             spa_error *err)
{
    m->trace = trace;
    m->model = spa_trace_find_model(trace, graph->name);
    if (!m->model || same_network(&m->model->graph, graph)) return SPA_OK;
    return spa_fail(err, SPA_E_INVALID,
                    "%s: its '%s' is another network than the graph of that name (%zu operators "
                    "and %zu); profile this graph or use the one it was made from",
                    trace->path, graph->name, m->model->graph.n_ops, graph->n_ops);
}

static bool row_fits(const spa_trace_cost *row, const spa_costs *costs, uint32_t p, spa_dtype dtype)
{
    const spa_cost_processor *q = &costs->processors[p];
    return strcmp(row->processor, q->name) == 0 && strcmp(row->backend, q->backend) == 0 &&
           row->cores == (int32_t)q->cores_per_lane && row->batch == costs->graph->batch &&
           row->dtype == dtype && row->op >= 0 && (size_t)row->op < costs->n_ops;
}

/* A row of a part: of those that schedules can ask for; alone rather than beside another one. */
static void take_part(spec_measured *m, size_t at, const spa_trace_cost *row)
{
    long tenths = lround(row->part * SPA_TENTHS);
    if (tenths < 1 || tenths >= SPA_TENTHS) return;
    if (fabs(row->part * SPA_TENTHS - (double)tenths) > 1e-6) return;
    const spa_trace_cost **part = &m->parts[at * (SPA_TENTHS - 1) + (size_t)tenths - 1];
    if (!*part || !*row->corun) *part = row;
}

spa_status spec_measured_index(spec_measured *m, const spa_trace *trace, const spa_costs *costs,
                               spa_dtype dtype, spa_arena *arena, spa_error *err)
{
    size_t n = costs->n_ops * costs->n_processors;
    *m = (spec_measured){0};
    if (!trace) return SPA_OK;
    SPA_TRY(find_model(m, trace, costs->graph, err));
    if (!m->model) return SPA_OK;
    SPA_TRY(spa_arena_alloc(arena, &m->alone, n, sizeof *m->alone, err));
    SPA_TRY(spa_arena_alloc(arena, &m->corun, n, sizeof *m->corun, err));
    SPA_TRY(spa_arena_alloc(arena, &m->parts, n * (SPA_TENTHS - 1), sizeof *m->parts, err));
    for (size_t i = 0; i < m->model->n_costs; i++) {
        const spa_trace_cost *row = &m->model->costs[i];
        for (uint32_t p = 0; p < costs->n_processors; p++) {
            if (!row_fits(row, costs, p, dtype)) continue;
            size_t at = (size_t)row->op * costs->n_processors + p;
            if (row->part == 1)
                (*row->corun ? m->corun : m->alone)[at] = row;
            else
                take_part(m, at, row);
        }
    }
    return SPA_OK;
}

/* Typical times add up to typical totals; medians do not (traces/trace.h). */
double spec_row_us(const spa_trace_cost *row)
{
    if (row->typical_us > 0) return row->typical_us;
    return isnan(row->p50_us) ? row->mean_us : row->p50_us;
}

/* ---------------------------------------------------------------- sparsity response */
/* The profiler's names for shapes, from special to general; "" = no more. An operator takes the
 * first of them that was measured. */
enum { MAX_CLASSES = 4 };

static void shape_classes(const spa_graph *graph, const spa_op *op, const char *out[MAX_CLASSES])
{
    const spa_op_attrs *a = &op->attrs;
    const spa_shape *in = op->n_inputs ? spa_graph_input_shape(graph, op, 0) : &op->out;
    size_t n = 0;
    if (op->kind == SPA_OP_CONV && spa_op_is_depthwise(graph, op)) {
        out[n++] = "depthwise";
    } else if (op->kind == SPA_OP_CONV && a->kernel_h == 1 && a->kernel_w == 1) {
        if (op->out.dim[1] <= NARROW_CHANNELS) out[n++] = "1x1-narrow";
        out[n++] = "1x1";
    } else if (op->kind == SPA_OP_CONV) {
        int64_t k = (int64_t)in->dim[1] * a->kernel_h * a->kernel_w;
        if (k >= LARGE_K) out[n++] = "large-k";
        out[n++] = "3x3";
    } else if (op->kind == SPA_OP_LINEAR) {
        int64_t rows = spa_shape_elements(&op->out) / op->out.dim[op->out.rank - 1];
        out[n++] = rows == graph->batch ? "vector" : "rows";
    }
    out[n++] = "any";
    while (n < MAX_CLASSES) out[n++] = "";
}

static bool response_fits(const spa_trace_response *r, const char *processor, const char *backend,
                          spa_op_kind kind, const char *class_name)
{
    return r->kind == kind && strcmp(r->processor, processor) == 0 &&
           strcmp(r->backend, backend) == 0 && strcmp(r->shape_class, class_name) == 0;
}

/* Piecewise linear between the measured points, constant outside; 0 = no point of this class. */
static double interpolate_response(const spa_trace *t, const char *processor, const char *backend,
                                   spa_op_kind kind, const char *class_name, double zeros)
{
    const spa_trace_response *below = NULL, *above = NULL;
    for (size_t i = 0; i < t->n_responses; i++) {
        const spa_trace_response *r = &t->responses[i];
        if (!response_fits(r, processor, backend, kind, class_name)) continue;
        if (r->input_zeros <= zeros && (!below || r->input_zeros > below->input_zeros)) below = r;
        if (r->input_zeros >= zeros && (!above || r->input_zeros < above->input_zeros)) above = r;
    }
    if (!below && !above) return 0;
    if (!below) return above->speedup;
    if (!above || above->input_zeros <= below->input_zeros) return below->speedup;
    double part = (zeros - below->input_zeros) / (above->input_zeros - below->input_zeros);
    return below->speedup + part * (above->speedup - below->speedup);
}

double spec_response(const spa_trace *trace, const char *processor, const char *backend,
                     const spa_graph *graph, const spa_op *op, double zeros)
{
    const char *classes[MAX_CLASSES];
    if (!trace || isnan(zeros)) return 1;
    shape_classes(graph, op, classes);
    for (size_t i = 0; i < MAX_CLASSES; i++) {
        double s = interpolate_response(trace, processor, backend, op->kind, classes[i], zeros);
        if (s > 0) return s;
    }
    return 1;
}

double spec_measured_seconds(const spec_measured *m, const spa_trace_cost *row,
                             const spa_graph *graph, const spa_op *op, double now)
{
    double us = spec_row_us(row);
    double recorded = m->model->graph.ops[row->op].input_sparsity;
    if (isnan(recorded) || isnan(now) || fabs(recorded - now) < ZEROS_EPSILON) return us / 1e6;
    double before = spec_response(m->trace, row->processor, row->backend, graph, op, recorded);
    double after = spec_response(m->trace, row->processor, row->backend, graph, op, now);
    return us / 1e6 * before / after;
}

/* ---------------------------------------------------------------- links */
static bool link_fits(const spa_trace_link *l, const char *from, const char *to)
{
    return strcmp(l->from, from) == 0 && strcmp(l->to, to) == 0;
}

/* A row with the latency alone is a copy of nothing. */
static double link_size(const spa_trace_link *l)
{
    return isnan(l->p50_us) ? 0 : (double)l->bytes;
}

static double link_row_us(const spa_trace_link *l, double bytes)
{
    if (!isnan(l->p50_us) && l->bytes >= bytes) return l->p50_us;
    double rest = isnan(l->p50_us) ? bytes : bytes - (double)l->bytes;
    double us = isnan(l->p50_us) ? l->latency_us : l->p50_us;
    return isnan(l->bandwidth_gbs) ? us : us + rest / (l->bandwidth_gbs * 1e3);
}

bool spec_measured_transfer(const spa_trace *trace, const char *from, const char *to, double bytes,
                            double *seconds)
{
    const spa_trace_link *below = NULL, *above = NULL;
    for (size_t i = 0; i < trace->n_links; i++) {
        const spa_trace_link *l = &trace->links[i];
        if (!link_fits(l, from, to)) continue;
        if (link_size(l) <= bytes && (!below || link_size(l) >= link_size(below))) below = l;
        if (isnan(l->p50_us) || (double)l->bytes < bytes) continue;
        if (!above || l->bytes < above->bytes) above = l;
    }
    if (!below && !above) return false;
    if (!below) { /* smaller than all that was measured: from the latency alone */
        double share = bytes / (double)above->bytes;
        *seconds = (above->latency_us + share * (above->p50_us - above->latency_us)) / 1e6;
        return true;
    }
    if (!above || above->bytes <= below->bytes || isnan(below->p50_us)) {
        *seconds = link_row_us(below, bytes) / 1e6;
        return true;
    }
    double part = (bytes - (double)below->bytes) / (double)(above->bytes - below->bytes);
    *seconds = (below->p50_us + part * (above->p50_us - below->p50_us)) / 1e6;
    return true;
}

/* The latency alone between two processors, or NaN. */
static double link_latency_us(const spa_trace *trace, const char *from, const char *to)
{
    for (size_t i = 0; i < trace->n_links; i++)
        if (link_fits(&trace->links[i], from, to) && trace->links[i].bytes == 0)
            return trace->links[i].latency_us;
    return NAN;
}

bool spec_measured_launch(const spa_trace *trace, const char *processor, double *seconds)
{
    double us = link_latency_us(trace, processor, processor);
    if (!(us >= 0)) return false;
    *seconds = us / 1e6;
    return true;
}

bool spec_measured_copy(const spec_measured *m, const spa_costs *costs, size_t tensor,
                        uint32_t from, uint32_t to, double *seconds)
{
    const spa_cost_processor *a = &costs->processors[from], *z = &costs->processors[to];
    if (!m->model) return false;
    for (size_t i = 0; i < m->model->n_copies; i++) {
        const spa_trace_copy *c = &m->model->copies[i];
        if (c->tensor != tensor || c->batch != costs->graph->batch ||
            c->dtype != costs->graph->dtype || strcmp(c->from, a->name) != 0 ||
            strcmp(c->to, z->name) != 0 || strcmp(c->from_backend, a->backend) != 0 ||
            strcmp(c->to_backend, z->backend) != 0)
            continue;
        /* The launch that every operator pays is the hand-off to oneself. */
        double own_us = link_latency_us(m->trace, z->name, z->name);
        double hand_off_us = link_latency_us(m->trace, a->name, z->name) - own_us;
        *seconds = (c->copy_us + c->read_us + (hand_off_us > 0 ? hand_off_us : 0)) / 1e6;
        return true;
    }
    return false;
}
