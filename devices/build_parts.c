/* Cost tables from device files: operators computed in parts. */
#include <math.h>
#include <string.h>
#include "devices/build.h"

#define LEAST_COMPUTED 0.2 /* of the time of a part; the rest may have been reading */

/* Does every part of the operator read the whole of its input? (Output channels do; rows, planes
 * and ranges of elements do not.) */
static bool reads_whole_input(const spa_graph *graph, const spa_op *op)
{
    if (op->kind == SPA_OP_CONV) return !spa_op_is_depthwise(graph, op);
    if (op->kind == SPA_OP_LINEAR)
        return spa_op_out_elements(op) == op->out.dim[op->out.rank - 1]; /* one row */
    return op->kind == SPA_OP_MATMUL;                                    /* one of the two */
}

/* A whole operator with the demands of its part: the equation sees less work and fewer bytes. */
static spa_status modelled_seconds(const builder *b, const spa_op *op, uint32_t p, double part,
                                   double *seconds, spa_error *err)
{
    spec_time time;
    spec_point point = b->points[p];
    spa_op piece = *op;
    double gain = 0, read = reads_whole_input(b->graph, op) ? 1 : part;
    if (b->trace) {
        const spa_cost_processor *q = &b->costs->processors[p];
        double speedup =
            spec_response(b->trace, q->name, q->backend, b->graph, op, build_zeros(b, op));
        if (speedup > 1) gain = 1 - 1 / speedup;
    }
    point.part = part;
    bool whole_weights = op->kind == SPA_OP_LINEAR && read < 1; /* rows */
    piece.bytes_in = llround((double)op->bytes_in * read);
    piece.bytes_out = llround((double)op->bytes_out * part);
    if (!whole_weights) piece.bytes_weight = llround((double)op->bytes_weight * part);
    SPA_TRY(spec_op_time(&point, b->graph, &piece, gain, &time, err));
    *seconds = time.kernel_s;
    return SPA_OK;
}

/* How much longer the whole operator takes while the other processor is busy. */
static double measured_slowdown(const builder *b, size_t at)
{
    const spa_trace_cost *alone = b->measured.alone[at], *beside = b->measured.corun[at];
    double factor = beside ? spec_row_us(beside) / spec_row_us(alone) : 1;
    return factor > 1 ? factor : 1;
}

/* What the engine charges processor p for its part besides the part, by the bytes: inputs that are
 * elsewhere, and bringing `tenths` of the output back there. */
static double moved_seconds(const builder *b, size_t i, uint32_t p, uint32_t tenths,
                            const char *elsewhere)
{
    const spa_costs *c = b->costs;
    const spa_op *op = &b->graph->ops[i];
    uint32_t q = 0;
    while (q < c->n_processors && strcmp(c->processors[q].name, elsewhere) != 0) q++;
    if (q == c->n_processors) return 0;
    int64_t ns = spa_part_transfer_ns(c, i, p, q, tenths) - c->links[p][q].latency_ns;
    for (uint32_t k = 0; k < op->n_inputs; k++) {
        size_t tensor = spa_tensor_of(c, b->graph->inputs[op->first_input + k]);
        ns += spa_transfer_ns(c, tensor, q, p) - c->links[q][p].latency_ns;
    }
    return ns > 0 ? (double)ns * 1e-9 : 0;
}

/* Alone on the machine and with its inputs there, as the table has it. A row of a run in which
 * another processor computed the rest meanwhile has the slowdown in it and, where the smaller part
 * is, the reading of what lies there. */
static double row_seconds(const builder *b, size_t i, uint32_t p, uint32_t tenths,
                          const spa_trace_cost *row)
{
    const spa_op *op = &b->graph->ops[i];
    double s = spec_measured_seconds(&b->measured, row, b->graph, op, build_zeros(b, op));
    if (!*row->corun) return s;
    s /= measured_slowdown(b, i * b->costs->n_processors + p);
    if (2 * tenths >= SPA_TENTHS) return s;
    return fmax(s - moved_seconds(b, i, p, tenths, row->corun), LEAST_COMPUTED * s);
}

/* Between the tenths that were measured and the whole; below them in proportion. */
static void fill_measured(const builder *b, size_t i, uint32_t p, int64_t *part_ns)
{
    size_t at = i * b->costs->n_processors + p;
    double known = (double)b->costs->ops[at].kernel_ns;
    uint32_t known_at = SPA_TENTHS;
    for (uint32_t k = SPA_TENTHS - 1; k > 0; k--) { /* from above: rows are few */
        const spa_trace_cost *row = NULL;
        uint32_t below = k;
        while (below > 0 && !(row = b->measured.parts[at * (SPA_TENTHS - 1) + below - 1])) below--;
        double least = row ? row_seconds(b, i, p, below, row) * 1e9 : 0;
        double part = (double)(k - below) / (double)(known_at - below);
        double ns = least + part * (known - least);
        part_ns[k - 1] = llround(ns);
        if (k != below) continue;
        known = ns;
        known_at = k;
    }
}

static spa_status fill_parts(builder *b, size_t i, uint32_t p, spa_error *err)
{
    spa_costs *c = b->costs;
    const spa_op *op = &b->graph->ops[i];
    size_t at = i * c->n_processors + p;
    int64_t *part_ns = c->part_ns + at * (SPA_TENTHS - 1);
    if (c->ops[at].kernel_ns < 0 || b->folded[i] || !spa_op_divides(op)) return SPA_OK;
    if (b->measured.model && b->measured.alone[at]) {
        fill_measured(b, i, p, part_ns);
        return SPA_OK;
    }
    for (uint32_t k = 1; k < SPA_TENTHS; k++) {
        double seconds;
        SPA_TRY(modelled_seconds(b, op, p, (double)k / SPA_TENTHS, &seconds, err));
        part_ns[k - 1] = llround(seconds * 1e9);
    }
    return SPA_OK;
}

spa_status build_parts(builder *b, spa_error *err)
{
    for (uint32_t p = 0; p < b->costs->n_processors; p++)
        for (size_t i = 0; i < b->costs->n_ops; i++) SPA_TRY(fill_parts(b, i, p, err));
    return SPA_OK;
}
