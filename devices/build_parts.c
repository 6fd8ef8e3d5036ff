/* Cost tables from device files: operators computed in parts. */
#include <math.h>
#include "devices/build.h"

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
            spec_response(b->trace, q->name, q->backend, b->graph, op, op->input_sparsity);
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

static spa_status fill_parts(builder *b, size_t i, uint32_t p, spa_error *err)
{
    spa_costs *c = b->costs;
    const spa_op *op = &b->graph->ops[i];
    size_t at = i * c->n_processors + p;
    int64_t whole_ns = c->ops[at].kernel_ns;
    if (whole_ns < 0 || b->folded[i] || !spa_op_kind_divides(op->kind)) return SPA_OK;
    for (uint32_t k = 1; k < SPA_TENTHS; k++) {
        double part = (double)k / SPA_TENTHS, seconds = (double)whole_ns * 1e-9 * part;
        bool measured = b->measured.model && b->measured.alone[at];
        const spa_trace_cost *row =
            measured ? b->measured.parts[at * (SPA_TENTHS - 1) + k - 1] : NULL;
        if (row)
            seconds = spec_measured_seconds(&b->measured, row, b->graph, op);
        else if (!measured)
            SPA_TRY(modelled_seconds(b, op, p, part, &seconds, err));
        c->part_ns[at * (SPA_TENTHS - 1) + k - 1] = llround(seconds * 1e9);
    }
    return SPA_OK;
}

spa_status build_parts(builder *b, spa_error *err)
{
    for (uint32_t p = 0; p < b->costs->n_processors; p++)
        for (size_t i = 0; i < b->costs->n_ops; i++) SPA_TRY(fill_parts(b, i, p, err));
    return SPA_OK;
}
