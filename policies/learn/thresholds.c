/* Crossovers between host and accelerator, from cost tables over a grid. */
#include "policies/learn/thresholds.h"

#include <stdlib.h>
#include <string.h>

#include "policies/common.h"

/* ---- crossings ------------------------------------------------------------------------------- */

/* Where the difference is 0 between two points on different sides of it. */
static double between(const double *x, const double *lead, size_t k)
{
    double a = lead[k], b = lead[k + 1];
    if (!isfinite(a) || !isfinite(b)) return (x[k] + x[k + 1]) / 2;
    return x[k] + (x[k + 1] - x[k]) * (a / (a - b));
}

static size_t sign_changes(const double *lead, size_t n)
{
    size_t changes = 0;
    for (size_t k = 0; k + 1 < n; k++) changes += (lead[k] >= 0) != (lead[k + 1] >= 0);
    return changes;
}

spa_crossing spa_crossing_up(const double *x, const double *lead, size_t n, double never)
{
    bool several = sign_changes(lead, n) > 1;
    if (!(lead[n - 1] >= 0)) return (spa_crossing){never, SPA_ALWAYS_ACCELERATOR, several};
    for (size_t k = n - 1; k-- > 0;)
        if (!(lead[k] >= 0)) return (spa_crossing){between(x, lead, k), SPA_CROSSES, several};
    return (spa_crossing){x[0], SPA_ALWAYS_HOST, several};
}

spa_crossing spa_crossing_down(const double *x, const double *lead, size_t n, double always)
{
    bool several = sign_changes(lead, n) > 1;
    if (!(lead[0] >= 0)) return (spa_crossing){x[0], SPA_ALWAYS_ACCELERATOR, several};
    for (size_t k = 0; k + 1 < n; k++)
        if (!(lead[k + 1] >= 0)) return (spa_crossing){between(x, lead, k), SPA_CROSSES, several};
    return (spa_crossing){always, SPA_ALWAYS_HOST, several};
}

/* ---- the grid -------------------------------------------------------------------------------- */

double spa_op_work(const spa_op *op)
{
    if (op->macs > 0) return (double)op->macs;
    return (double)(op->flops > 0 ? op->flops : spa_op_out_elements(op));
}

static double *cell(const spa_time_grid *g, size_t size, size_t level, size_t op)
{
    return g->ns + ((size * g->n_levels + level) * g->n_ops + op) * SPA_SIDES;
}

static double total_ns(const spa_costs *c, size_t op, uint32_t p)
{
    return spa_cost_can_run(c, op, p) ? (double)spa_cost_total_ns(c, op, p) : INFINITY;
}

/* The columns of one table: whole operators as `size`, and, of the first batch, their parts. */
static void take_times(spa_time_grid *g, const spa_costs *c, uint32_t accelerator, size_t size,
                       size_t level)
{
    const uint32_t sides[SPA_SIDES] = {c->host, accelerator};
    bool first = size == g->n_parts;
    for (size_t i = 0; i < g->n_ops; i++) {
        double work = spa_op_work(&c->graph->ops[i]);
        g->work[size * g->n_ops + i] = work;
        for (int s = 0; s < SPA_SIDES; s++) cell(g, size, level, i)[s] = total_ns(c, i, sides[s]);
        for (uint32_t k = 0; first && k < g->n_parts; k++) {
            bool divides = true;
            for (int s = 0; s < SPA_SIDES; s++) {
                int64_t part = spa_part_ns(c, i, sides[s], k + 1);
                divides = divides && part >= 0;
                cell(g, k, level, i)[s] = (double)(part + spa_cost(c, i, sides[s])->launch_ns);
            }
            g->work[k * g->n_ops + i] = divides ? work * (k + 1) / SPA_TENTHS : NAN;
        }
    }
}

/* All levels of one batch. `graph` is a shallow copy whose operators are `ops`. */
static spa_status fill_batch(spa_time_grid *g, const spa_device *device, const spa_graph *graph,
                             spa_op *ops, const spa_costs_options *options, size_t size,
                             spa_error *err)
{
    spa_graph copy = *graph;
    uint32_t accelerator = 0;
    spa_status status = SPA_OK;
    copy.ops = ops;
    memcpy(ops, graph->ops, g->n_ops * sizeof *ops);
    for (size_t l = 0; l < g->n_levels && !status; l++) {
        spa_costs costs;
        for (size_t i = 0; i < g->n_ops; i++) ops[i].input_sparsity = g->level[l];
        SPA_TRY(spa_costs_build(&costs, device, &copy, options, err));
        status = spa_policy_accelerator(&costs, "threshold+predictor", &accelerator, err);
        if (!status) take_times(g, &costs, accelerator, size, l);
        spa_costs_fini(&costs);
    }
    return status;
}

static spa_status fill_grid(spa_time_grid *g, const spa_device *device, const char *model,
                            const spa_graph *graph, const spa_costs_options *options, spa_op *ops,
                            spa_error *err)
{
    for (size_t size = g->n_parts; size < g->n_sizes; size++) {
        spa_costs_options o = *options;
        spa_graph scaled;
        if (g->batch[size] == graph->batch) {
            SPA_TRY(fill_batch(g, device, graph, ops, &o, size, err));
            continue;
        }
        o.missing_model = true;
        SPA_TRY(spa_model_load(&scaled, model, g->batch[size], graph->dtype, err));
        spa_status status = SPA_OK;
        if (scaled.n_ops != g->n_ops)
            status = spa_fail(err, SPA_E_INVALID, "'%s' has %zu operators at batch %d, not %zu",
                              model, scaled.n_ops, g->batch[size], g->n_ops);
        if (!status) status = fill_batch(g, device, &scaled, ops, &o, size, err);
        spa_graph_fini(&scaled);
        SPA_TRY(status);
    }
    return SPA_OK;
}

static spa_status reserve(spa_time_grid *g, const int32_t *batches, size_t n_batches,
                          spa_error *err)
{
    SPA_TRY(spa_alloc(&g->batch, g->n_sizes, sizeof *g->batch, err));
    SPA_TRY(spa_alloc(&g->level, g->n_levels, sizeof *g->level, err));
    SPA_TRY(spa_alloc(&g->work, g->n_sizes * g->n_ops, sizeof *g->work, err));
    SPA_TRY(spa_alloc(&g->ns, g->n_sizes * g->n_levels * g->n_ops * SPA_SIDES, sizeof *g->ns, err));
    memcpy(g->batch + g->n_parts, batches, n_batches * sizeof *batches);
    for (size_t l = 0; l < g->n_levels; l++) g->level[l] = (double)l / (double)(g->n_levels - 1);
    return SPA_OK;
}

spa_status spa_time_grid_build(spa_time_grid *grid, const spa_device *device, const char *model,
                               const spa_graph *graph, const spa_costs_options *options,
                               const int32_t *batches, size_t n_batches, spa_error *err)
{
    spa_costs_options o = *options;
    spa_trace trace;
    spa_op *ops = NULL;
    const char *folder = spa_device_info_of(device)->trace;
    bool own_trace = !o.trace && folder; /* read it once, not for every table */
    *grid = (spa_time_grid){.n_ops = graph->n_ops,
                            .n_parts = SPA_TENTHS - 1,
                            .n_sizes = SPA_TENTHS - 1 + n_batches,
                            .n_levels = SPA_GRID_LEVELS};
    SPA_TRY(reserve(grid, batches, n_batches, err));
    if (own_trace) {
        SPA_TRY(spa_trace_read(&trace, folder, graph->name, err));
        o.trace = &trace;
    }
    spa_status status = spa_alloc(&ops, graph->n_ops, sizeof *ops, err);
    if (!status) status = fill_grid(grid, device, model, graph, &o, ops, err);
    free(ops);
    if (own_trace) spa_trace_fini(&trace);
    return status;
}

void spa_time_grid_fini(spa_time_grid *grid)
{
    free(grid->batch);
    free(grid->level);
    free(grid->work);
    free(grid->ns);
    *grid = (spa_time_grid){0};
}

double spa_time_grid_ns(const spa_time_grid *g, size_t size, double zeros, size_t op, int side)
{
    double at = zeros * (double)(g->n_levels - 1);
    size_t l = (size_t)at;
    if (l >= g->n_levels - 1) return cell(g, size, g->n_levels - 1, op)[side];
    double low = cell(g, size, l, op)[side], high = cell(g, size, l + 1, op)[side];
    return at == (double)l ? low : low + (high - low) * (at - (double)l);
}

/* ---- labels ---------------------------------------------------------------------------------- */

static double lead_ns(const spa_time_grid *g, size_t size, double zeros, size_t op)
{
    return spa_time_grid_ns(g, size, zeros, op, SPA_SIDE_ACCELERATOR) -
           spa_time_grid_ns(g, size, zeros, op, SPA_SIDE_HOST);
}

#define MAX_SIZES 64

spa_label spa_label_of(const spa_time_grid *g, size_t size, double zeros, size_t op)
{
    double x[MAX_SIZES], lead[MAX_SIZES];
    spa_crossing found[SPA_THRESHOLDS];
    spa_label label = {0};
    size_t n = 0;
    for (size_t l = 0; l < g->n_levels; l++) lead[l] = lead_ns(g, size, g->level[l], op);
    found[SPA_BY_SPARSITY] = spa_crossing_up(g->level, lead, g->n_levels, SPA_GRID_NEVER);
    for (size_t k = 0; k < g->n_sizes && n < MAX_SIZES; k++) {
        if (isnan(g->work[k * g->n_ops + op])) continue;
        x[n] = log10(g->work[k * g->n_ops + op]);
        lead[n++] = lead_ns(g, k, zeros, op);
    }
    /* One size beyond the largest: its own is then below. */
    found[SPA_BY_INTENSITY] = spa_crossing_down(x, lead, n, x[n - 1] + log10(2));
    for (int t = 0; t < SPA_THRESHOLDS; t++) {
        label.at[t] = found[t].at;
        label.censor[t] = found[t].censor;
        label.several[t] = found[t].several;
    }
    return label;
}
