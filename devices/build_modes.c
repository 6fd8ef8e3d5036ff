/* Cost tables from device files: what the device's other power modes make of a table.
 *
 * A modelled operator's time in another mode is the equation's there. A measured one keeps its
 * measured time in the mode of the table and changes in proportion to the equation, or, where the
 * device has no rates for it, with the clock. */
#include <math.h>
#include <stdio.h>
#include "devices/build.h"

/* The lanes in a mode that has fewer cores online: a lane that is alone on its processor shrinks,
 * several do not all fit. */
static spa_status fit_lanes(builder *b, const spec_mode *mode, spa_cost_mode *out, spa_error *err)
{
    for (uint32_t p = 0; p < b->costs->n_processors; p++) {
        uint32_t from = b->index[p], online = mode->cores[from];
        uint32_t lanes = b->lanes.n_lanes[from], cores = b->lanes.cores_per_lane[from];
        char why[160];
        if (!b->device->processors[from].is_cpu || lanes == 1 || lanes * cores <= online) continue;
        snprintf(why, sizeof why, "%u lanes of %u cores do not fit its %u cores online", lanes,
                 cores, online);
        return spa_arena_strdup(&b->costs->arena, &out->unusable, why, err);
    }
    return SPA_OK;
}

static void fit_points(builder *b, const spec_mode *mode)
{
    for (uint32_t p = 0; p < b->costs->n_processors; p++) {
        uint32_t from = b->index[p];
        spec_point *point = &b->points[p];
        *point = build_point(b, from, b->sections[p]);
        if (point->is_cpu && point->cores > mode->cores[from]) point->cores = mode->cores[from];
    }
}

/* Power above idle of a kernel that fills so much of its processor; b->mode and b->points. */
static double formula_w(const builder *b, uint32_t p, double fill)
{
    const spec_power *power = &b->mode->power[b->index[p]];
    const spec_point *point = &b->points[p];
    if (point->is_cpu) return point->cores * power->core_w_per_hz * point->clock_hz;
    return power->busy_w * fill;
}

/* In the table's own mode: how far its entry is from the equation. */
typedef struct own_entry {
    spec_time time;
    double formula_w;
    uint32_t cores;
} own_entry;

static spa_status fill_speed(const builder *b, size_t i, uint32_t p, const own_entry *own,
                             spa_op_speed *out, spa_error *err)
{
    const spa_op_cost *k = &b->costs->ops[i * b->costs->n_processors + p];
    bool has_row = b->measured.model && b->measured.alone[i * b->costs->n_processors + p];
    double ns = (double)k->kernel_ns;
    spec_time now;
    *out = (spa_op_speed){.clocked_ns = ns,
                          .dynamic_w = k->dynamic_w,
                          .dram_share = k->dram_share,
                          .pressure = k->pressure,
                          .capacity_share = k->capacity_share};
    if (ns <= 0) return SPA_OK; /* cannot run there, or takes no time */
    if (b->points[p].is_cpu) {  /* fewer cores disturb less, and are more of those there are */
        float cores = (float)b->points[p].cores;
        out->pressure = k->pressure * cores / (float)own->cores;
        out->capacity_share = cores / (float)b->mode->cores[b->index[p]];
    }
    SPA_TRY(build_model_time(b, &b->graph->ops[i], p, !has_row, &now, err));
    if (own->time.kernel_s > 0 && now.kernel_s > 0) {
        double scale = ns / own->time.kernel_s; /* ns of this entry per second of the equation */
        out->clocked_ns = now.clocked_s * scale;
        out->bound_ns = now.bound_s * scale;
        out->memory_ns = now.memory_s * scale;
        double share = now.bytes / (now.kernel_s * scale * 1e-9) / b->mode->dram_bytes_per_s;
        share *= b->options->scale_contention;
        out->dram_share = (float)(share < 1 ? share : 1);
        if (!b->points[p].is_cpu && own->time.fill > 0)
            out->capacity_share = (float)(k->capacity_share * now.fill / own->time.fill);
    } else { /* nothing but the clock is known */
        out->clocked_ns = ns * b->costs->processors[p].clock_hz / b->points[p].clock_hz;
    }
    if (own->formula_w > 0)
        out->dynamic_w = (float)(k->dynamic_w * formula_w(b, p, now.fill) / own->formula_w);
    return SPA_OK;
}

static spa_status own_entries(builder *b, own_entry *own, spa_error *err)
{
    const spa_costs *c = b->costs;
    for (size_t i = 0; i < c->n_ops * c->n_processors; i++) {
        uint32_t p = (uint32_t)(i % c->n_processors);
        bool has_row = b->measured.model && b->measured.alone[i];
        if (c->ops[i].kernel_ns <= 0) continue;
        SPA_TRY(build_model_time(b, &b->graph->ops[i / c->n_processors], p, !has_row, &own[i].time,
                                 err));
        own[i].cores = b->points[p].cores;
        own[i].formula_w = formula_w(b, p, own[i].time.fill);
    }
    return SPA_OK;
}

/* Copies inside one memory go with its bandwidth, synchronising with the host's clock. */
static void fill_transfers(const builder *b, const spec_mode *own, spa_cost_mode *out)
{
    const spa_costs *c = b->costs;
    uint32_t n = c->n_processors, host = b->device->host;
    double host_ratio = b->mode->speed[host].clock_hz / own->speed[host].clock_hz;
    double dram_ratio =
        b->device->shared_memory ? b->mode->dram_bytes_per_s / own->dram_bytes_per_s : 1;
    for (size_t i = 0; i < c->n_tensors * n * n; i++) {
        uint32_t from = (uint32_t)(i / n % n), to = (uint32_t)(i % n);
        const spec_link *link = &b->stack->links[b->index[from]][b->index[to]];
        double ns = (double)c->transfer_ns[i];
        double sync = link->given ? link->sync_cycles / own->speed[host].clock_hz * 1e9 : 0;
        double latency = link->given ? link->latency_s * 1e9 : 0;
        double copied = ns - sync - latency;
        if (copied < 0) { /* measured: it is known no better */
            out->transfer_ns[i] = c->transfer_ns[i];
            continue;
        }
        ns = latency + sync / host_ratio + copied / dram_ratio;
        out->transfer_ns[i] = ns < MAX_SECONDS * 1e9 ? llround(ns) : c->transfer_ns[i];
    }
}

static spa_status build_mode(builder *b, const spec_mode *own_mode, const own_entry *own,
                             const spec_mode *mode, spa_cost_mode *out, spa_error *err)
{
    spa_costs *c = b->costs;
    SPA_TRY(spa_arena_strdup(&c->arena, &out->name, mode->name, err));
    SPA_TRY(fit_lanes(b, mode, out, err));
    b->mode = mode;
    fit_points(b, mode);
    out->base_w = mode->idle_w;
    for (uint32_t p = 0; p < c->n_processors; p++) {
        uint32_t from = b->index[p];
        double hz = mode->speed[from].clock_hz;
        out->clock_ratio[p] = hz / own_mode->speed[from].clock_hz;
        if (p == c->host) out->dispatch_w[p] = (float)(mode->power[from].core_w_per_hz * hz);
        for (size_t i = 0; i < c->n_ops; i++) {
            size_t at = i * c->n_processors + p;
            SPA_TRY(fill_speed(b, i, p, &own[at], &out->ops[at], err));
        }
    }
    fill_transfers(b, own_mode, out);
    return SPA_OK;
}

/* How measured kernels respond to zeros in what they read, over their time in the table. */
static spa_status build_responses(builder *b, spa_error *err)
{
    spa_costs *c = b->costs;
    if (!b->trace || b->trace->n_responses == 0) return SPA_OK;
    SPA_TRY(spa_costs_add_zeros(c, err));
    if (b->options->no_response) return SPA_OK;
    for (size_t i = 0; i < c->n_ops * c->n_processors; i++) {
        const spa_op *op = &b->graph->ops[i / c->n_processors];
        const spa_cost_processor *q = &c->processors[i % c->n_processors];
        double zeros_now = build_zeros(b, op);
        if (isnan(zeros_now) || c->ops[i].kernel_ns <= 0) continue;
        double own = spec_response(b->trace, q->name, q->backend, b->graph, op, zeros_now);
        for (uint32_t k = 0; k < SPA_ZEROS; k++) {
            double zeros = (double)k / (SPA_ZEROS - 1);
            double there = spec_response(b->trace, q->name, q->backend, b->graph, op, zeros);
            c->zeros_factor[i * SPA_ZEROS + k] = (float)(own / there);
        }
    }
    return SPA_OK;
}

spa_status build_modes(builder *b, spa_error *err)
{
    spa_costs *c = b->costs;
    const spec_mode *own_mode = b->mode;
    own_entry *own;
    spec_point points[SPA_MAX_PROCESSORS];
    for (uint32_t p = 0; p < c->n_processors; p++) points[p] = b->points[p];
    SPA_TRY(spa_arena_alloc(&b->scratch, &own, c->n_ops * c->n_processors, sizeof *own, err));
    SPA_TRY(own_entries(b, own, err));
    SPA_TRY(build_responses(b, err));
    SPA_TRY(spa_costs_add_modes(c, b->device->n_modes, err));
    c->own_mode = (uint32_t)(own_mode - b->device->modes);
    spa_status status = SPA_OK;
    for (uint32_t m = 0; m < c->n_modes && !status; m++)
        status = build_mode(b, own_mode, own, &b->device->modes[m], &c->modes[m], err);
    b->mode = own_mode;
    for (uint32_t p = 0; p < c->n_processors; p++) b->points[p] = points[p];
    return status;
}
