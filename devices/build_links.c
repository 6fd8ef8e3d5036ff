/* Cost tables from device files: what moving a tensor takes. */
#include <math.h>
#include "devices/build.h"

static double link_seconds(const builder *b, const spec_link *link, double bytes)
{
    double seconds = link->latency_s + link->sync_cycles / b->costs->host_hz;
    if (link->zero_copy) return seconds;
    double ratio = b->device->shared_memory ? b->points[0].dram_ratio : 1;
    return seconds + bytes / (link->bytes_per_s * ratio);
}

static double tensor_bytes(const builder *b, size_t tensor)
{
    const spa_graph *g = b->graph;
    double factor = b->points[0].bytes_factor;
    if (tensor < g->n_ops) return factor * (double)g->ops[tensor].bytes_out;
    const spa_shape *shape = &g->graph_inputs[tensor - g->n_ops];
    return factor * (double)spa_shape_elements(shape) * (double)spa_dtype_bytes(g->dtype);
}

static spa_status transfer_seconds(const builder *b, uint32_t from, uint32_t to, size_t tensor,
                                   double *seconds, spa_error *err)
{
    const spec_link *link = &b->stack->links[b->index[from]][b->index[to]];
    const char *a = b->costs->processors[from].name, *z = b->costs->processors[to].name;
    double bytes = tensor_bytes(b, tensor);
    if (link->on_lane && spec_measured_copy(&b->measured, b->costs, tensor, from, to, seconds))
        return SPA_OK;
    if (b->trace && spec_measured_transfer(b->trace, a, z, bytes, seconds)) return SPA_OK;
    if (link->given) {
        *seconds = link_seconds(b, link, bytes);
        return SPA_OK;
    }
    return spa_fail_at(err, SPA_E_NOT_FOUND, b->device->info.path, 0,
                       "no [link %s %s %s], and the trace has no such link; add the section",
                       b->stack->name, a, z);
}

static spa_status fill_link(builder *b, uint32_t from, uint32_t to, spa_error *err)
{
    spa_costs *c = b->costs;
    const spec_link *link = &b->stack->links[b->index[from]][b->index[to]];
    spa_cost_link *out = &c->links[from][to];
    double issue_ns = link->issue_cycles / c->host_hz * 1e9;
    /* a copy inside one memory reads and writes it */
    double drawn = link->zero_copy ? 0 : link->bytes_per_s * (b->device->shared_memory ? 2 : 1);
    out->id = link->queue;
    out->on_lane = link->on_lane;
    double share = drawn / b->mode->dram_bytes_per_s * b->options->scale_contention;
    out->dram_share = (float)(share < 1 ? share : 1);
    out->dynamic_w = (float)link->dynamic_w;
    if (!(issue_ns <= INT32_MAX)) {
        return spa_fail(err, SPA_E_RANGE, "device '%s': a transfer is issued in over 2 s",
                        b->device->info.name);
    }
    out->issue_ns = (int32_t)lround(issue_ns);
    if (link->given) out->latency_ns = llround(fmin(link_seconds(b, link, 0), MAX_SECONDS) * 1e9);
    for (size_t t = 0; t < c->n_tensors; t++) {
        double s = 0;
        SPA_TRY(transfer_seconds(b, from, to, t, &s, err));
        size_t at = (t * c->n_processors + from) * c->n_processors + to;
        c->transfer_ns[at] = s < MAX_SECONDS ? llround(s * 1e9) : INT64_MAX;
    }
    return SPA_OK;
}

spa_status build_links(builder *b, spa_error *err)
{
    spa_costs *c = b->costs;
    c->n_links = b->stack->n_queues;
    for (uint32_t from = 0; from < c->n_processors; from++) {
        for (uint32_t to = 0; to < c->n_processors; to++) {
            if (from != to) SPA_TRY(fill_link(b, from, to, err));
        }
    }
    return SPA_OK;
}
