/* Cost tables from device files: one processor at a time, one operator at a time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "devices/build.h"

spa_costs_options spa_costs_options_default(void)
{
    return (spa_costs_options){
        .scale_contention = 1, .scale_launch = 1, .scale_transfer = 1, .scale_noise = 1};
}

/* ---------------------------------------------------------------- choices */
static spa_status choose_mode(builder *b, spa_error *err)
{
    const spa_device *d = b->device;
    b->mode = &d->modes[d->mode];
    if (!b->options->mode) return SPA_OK;
    for (uint32_t m = 0; m < d->n_modes; m++) {
        if (strcmp(d->modes[m].name, b->options->mode) != 0) continue;
        b->mode = &d->modes[m];
        return SPA_OK;
    }
    spa_error why;
    spa_status status = spa_fail_unknown(&why, "mode", b->options->mode, d->info.modes, d->n_modes);
    return spa_fail(err, status, "device '%s': %s", d->info.name, why.message);
}

static spa_status choose_stack(builder *b, spa_error *err)
{
    const spa_device *d = b->device;
    b->stack = &d->stacks[d->stack];
    if (!b->options->stack) return SPA_OK;
    for (uint32_t s = 0; s < d->n_stacks; s++) {
        if (strcmp(d->stacks[s].name, b->options->stack) != 0) continue;
        b->stack = &d->stacks[s];
        return SPA_OK;
    }
    spa_error why;
    spa_status status =
        spa_fail_unknown(&why, "stack", b->options->stack, d->info.stacks, d->n_stacks);
    return spa_fail(err, status, "device '%s': %s", d->info.name, why.message);
}

static spa_status choose_lanes(builder *b, spa_error *err)
{
    const char *text = b->options->lanes ? b->options->lanes : b->stack->lanes;
    const spa_device *d = b->device;
    SPA_TRY(spec_lanes_parse(&b->lanes, d, b->mode, text, &b->scratch, err));
    for (uint32_t p = 0; p < d->n_processors; p++) {
        if (!b->lanes.used[p] || b->stack->present[p]) continue;
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "device '%s': stack '%s' has nothing that runs on '%s'; leave it out of "
                        "the lanes '%s' or choose another stack",
                        d->info.name, b->stack->name, d->processors[p].name, b->lanes.text);
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- processors */
static double end_of(const builder *b, const spec_range *range)
{
    return b->options->range == SPA_RANGE_LOW    ? range->low
           : b->options->range == SPA_RANGE_HIGH ? range->high
                                                 : range->value;
}

spec_point build_point(const builder *b, uint32_t device_p, const char *section)
{
    const spa_device *d = b->device;
    const spec_speed *now = &b->mode->speed[device_p], *then = &d->reference[device_p];
    spec_point point = {
        .rates = &b->stack->rates[device_p],
        .is_cpu = d->processors[device_p].is_cpu,
        .fp16 = b->stack->computes < 0 && b->dtype == SPA_FP16,
        .bytes_factor =
            (double)spa_dtype_bytes(b->dtype) / (double)spa_dtype_bytes(b->graph->dtype),
        .clock_hz = now->clock_hz,
        .host_hz = b->mode->speed[d->host].clock_hz,
        .clock_ratio = now->clock_hz / then->clock_hz,
        .units_ratio = now->units / then->units,
        .dram_ratio = b->mode->dram_bytes_per_s / d->reference_dram,
        .cores = b->lanes.cores_per_lane[device_p],
        .part = 1,
        .kernel_factor = b->stack->like ? end_of(b, &b->stack->kernel_factor[device_p]) : 1,
        .launch_cycles = b->stack->like ? end_of(b, &b->stack->launch_cycles[device_p]) : NAN,
        .section = section,
    };
    return point;
}

static spa_status fill_processor(builder *b, uint32_t p, spa_error *err)
{
    spa_costs *c = b->costs;
    uint32_t from = b->index[p];
    const spa_device *d = b->device;
    const spec_processor *q = &d->processors[from];
    spa_cost_processor *out = &c->processors[p];
    const spec_power *power = &b->mode->power[from];
    const spec_contention *slow = &d->contention[from];
    const char *backend = b->lanes.backend[from] ? b->lanes.backend[from] : b->stack->backend[from];
    SPA_TRY(spa_arena_strdup(&c->arena, &out->name, q->name, err));
    SPA_TRY(spa_arena_strdup(&c->arena, &out->backend, backend, err));
    out->role = q->role;
    out->is_async = b->stack->is_async[from];
    out->n_lanes = b->lanes.n_lanes[from];
    out->cores_per_lane = b->lanes.cores_per_lane[from];
    out->clock_hz = b->mode->speed[from].clock_hz;
    out->idle_w = (float)power->idle_w;
    if (q->role == SPA_ROLE_HOST) out->dispatch_w = (float)(power->core_w_per_hz * out->clock_hz);
    out->slow_a = (float)(slow->slow_a * b->options->scale_contention);
    out->slow_b = (float)(slow->slow_b * b->options->scale_contention);
    snprintf(b->sections[p], sizeof b->sections[p], "rates %s %s",
             b->stack->like ? b->stack->like : b->stack->name, q->name);
    b->points[p] = build_point(b, from, b->sections[p]);
    return SPA_OK;
}

/* A backend that neither the stack nor the trace knows would silently get the stack's rates. */
static spa_status check_backend(const builder *b, uint32_t p, spa_error *err)
{
    const char *own = b->stack->backend[b->index[p]], *asked = b->costs->processors[p].backend;
    const char *names[64] = {own};
    size_t n = 1;
    if (strcmp(own, asked) == 0) return SPA_OK;
    const spa_trace_model *model = b->measured.model;
    for (size_t i = 0; model && i < model->n_costs; i++) {
        const spa_trace_cost *row = &model->costs[i];
        if (strcmp(row->processor, b->costs->processors[p].name) != 0) continue;
        if (strcmp(row->backend, asked) == 0) return SPA_OK;
        bool known = false;
        for (size_t k = 0; k < n && !known; k++) known = strcmp(names[k], row->backend) == 0;
        if (!known && n < 64) names[n++] = row->backend;
    }
    spa_error why;
    spa_status status = spa_fail_unknown(&why, "backend", asked, names, n);
    return spa_fail(err, status, "device '%s', processor '%s': %s", b->device->info.name,
                    b->costs->processors[p].name, why.message);
}

static spa_status fill_header(builder *b, spa_error *err)
{
    spa_costs *c = b->costs;
    const spa_device *d = b->device;
    for (uint32_t p = 0; p < c->n_processors; p++) {
        SPA_TRY(fill_processor(b, p, err));
        if (b->index[p] == d->host) c->host = p;
    }
    c->dispatch_occupies_host = b->stack->dispatch_occupies_host;
    c->blocking_sync = b->stack->blocking_sync;
    c->host_hz = b->mode->speed[d->host].clock_hz;
    c->base_w = b->mode->idle_w;
    c->computes = b->dtype;
    c->run_cv = b->stack->run_cv;
    c->uncalibrated = !(b->stack->calibrated >> (b->mode - d->modes) & 1u);
    SPA_TRY(spa_arena_strdup(&c->arena, &c->device, d->info.name, err));
    SPA_TRY(spa_arena_strdup(&c->arena, &c->mode, b->mode->name, err));
    SPA_TRY(spa_arena_strdup(&c->arena, &c->stack, b->stack->name, err));
    return spa_arena_strdup(&c->arena, &c->lanes, b->lanes.text, err);
}

/* ---------------------------------------------------------------- operators */
static spa_status fail_missing_row(const builder *b, const spa_op *op, uint32_t p, spa_error *err)
{
    const spa_cost_processor *q = &b->costs->processors[p];
    if (!b->measured.model) {
        return spa_fail(err, SPA_E_NOT_FOUND,
                        "%s: no model '%s' in this trace; profile it, or allow the equation with "
                        "--missing=model",
                        b->trace->path, b->graph->name);
    }
    return spa_fail(err, SPA_E_NOT_FOUND,
                    "%s: no row for operator '%s' of '%s' on '%s' with backend '%s', %u core(s), "
                    "batch %d, %s; profile it, or allow the equation with --missing=model",
                    b->trace->path, op->name, b->graph->name, q->name, q->backend,
                    q->cores_per_lane, (int)b->graph->batch, spa_dtype_name(b->dtype));
}

/* Where the row of the trace is: time, origin, noise, slowdown, power. */
static void take_row(const builder *b, size_t op, uint32_t p, const spa_trace_cost *row,
                     spec_time *time, spa_op_cost *out)
{
    const spa_trace_cost *corun = b->measured.corun[op * b->costs->n_processors + p];
    double slow = 0;
    const spa_op *o = &b->graph->ops[op];
    time->kernel_s = spec_measured_seconds(&b->measured, row, b->graph, o, build_zeros(b, o));
    /* A time rescaled to other zeros than it was measured with is no longer a measured one. */
    double written_s = spec_row_us(row) / 1e6;
    spa_origin origin = row->origin < b->trace->origin ? row->origin : b->trace->origin;
    bool rescaled = fabs(time->kernel_s - written_s) > 1e-9 * written_s;
    out->origin =
        (uint8_t)(rescaled && origin > SPA_ORIGIN_MODELLED ? SPA_ORIGIN_MODELLED : origin);
    if (row->mean_us > 0 && row->std_us >= 0) out->noise_cv = (float)(row->std_us / row->mean_us);
    if (corun) {
        double busy = spec_row_us(corun), alone = spec_row_us(row);
        slow = alone > 0 && busy > alone ? busy / alone : 1; /* noise can show a speed-up */
        slow = 1 + (slow - 1) * b->options->scale_contention;
    }
    out->corun_slowdown = (float)slow;
    if (row->energy_uj >= 0 && row->mean_us > 0) {
        out->dynamic_w = (float)(row->energy_uj / row->mean_us);
    }
}

/* Launch and saturation come from the device's rates where it has them, also for measured rows. */
spa_status build_model_time(const builder *b, const spa_op *op, uint32_t p, bool needed,
                            spec_time *time, spa_error *err)
{
    const spec_point *point = &b->points[p];
    const spa_cost_processor *q = &b->costs->processors[p];
    if (!point->rates->given) {
        *time = (spec_time){.fill = 1,
                            .launch_s = point->rates->common.launch_cycles / b->costs->host_hz};
        time->bytes =
            (double)(op->bytes_in + op->bytes_out + op->bytes_weight) * point->bytes_factor;
        if (!needed) return SPA_OK;
        return spa_fail_at(err, SPA_E_NOT_FOUND, b->device->info.path, 0,
                           "no [%s] to model operator '%s' with, and no measured row",
                           point->section, op->name);
    }
    double speedup = spec_response(b->trace, q->name, q->backend, b->graph, op, build_zeros(b, op));
    double gain = needed && speedup > 1 ? 1 - 1 / speedup : 0;
    return spec_op_time(point, b->graph, op, gain, time, err);
}

static spa_status put_times(const builder *b, const spa_op *op, uint32_t p, const spec_time *time,
                            spa_op_cost *out, spa_error *err)
{
    if (!(time->kernel_s < MAX_SECONDS) || !(time->launch_s < 2)) {
        return spa_fail(err, SPA_E_RANGE,
                        "device '%s': operator '%s' on '%s' would take %g s and %g s to launch",
                        b->device->info.name, op->name, b->costs->processors[p].name,
                        time->kernel_s, time->launch_s);
    }
    out->kernel_ns = llround(time->kernel_s * 1e9);
    out->launch_ns = (int32_t)lround(time->launch_s * 1e9);
    return SPA_OK;
}

/* Everything of an entry that follows from its time. */
static void fill_demands(const builder *b, uint32_t p, const spec_time *time, spa_op_cost *out)
{
    const spec_point *point = &b->points[p];
    uint32_t from = b->index[p];
    const spec_power *power = &b->mode->power[from];
    double cores = point->cores, fill = time->fill;
    if (time->kernel_s > 0) {
        double share = time->bytes / time->kernel_s / b->mode->dram_bytes_per_s;
        share *= b->options->scale_contention;
        out->dram_share = (float)(share < 1 ? share : 1);
    }
    if (point->is_cpu) {
        out->capacity_share = (float)(cores / b->mode->cores[from]);
        out->pressure = (float)(b->device->contention[from].pressure * cores);
        if (!(out->dynamic_w > 0)) {
            out->dynamic_w = (float)(cores * power->core_w_per_hz * point->clock_hz);
        }
    } else {
        out->capacity_share = (float)(fill > 1e-3 ? fill : 1e-3);
        out->pressure = (float)b->device->contention[from].pressure;
        if (!(out->dynamic_w > 0)) out->dynamic_w = (float)(power->busy_w * fill);
    }
}

static spa_status fill_op(builder *b, size_t i, uint32_t p, spa_error *err)
{
    const spa_op *op = &b->graph->ops[i];
    spa_op_cost *out = &b->costs->ops[i * b->costs->n_processors + p];
    spa_origin modelled = b->device->info.origin;
    spec_time time = {0};
    if (modelled > SPA_ORIGIN_MODELLED) modelled = SPA_ORIGIN_MODELLED;
    if (op->kind == SPA_OP_RESHAPE || b->folded[i]) {
        out->kernel_ns = 0;
        out->origin = (uint8_t)(b->trace ? b->trace->origin : modelled);
        return SPA_OK;
    }
    const spa_trace_cost *row =
        b->measured.model ? b->measured.alone[i * b->costs->n_processors + p] : NULL;
    if (!row && op->kind == SPA_OP_HOST) {
        if (p != b->costs->host) return SPA_OK; /* cannot run there */
        return spa_fail(err, SPA_E_NOT_FOUND,
                        "operator '%s' of '%s' is opaque host work: only a trace can say what it "
                        "costs; give one that has it",
                        op->name, b->graph->name);
    }
    if (!row && b->trace && !b->options->missing_model) return fail_missing_row(b, op, p, err);
    SPA_TRY(build_model_time(b, op, p, row == NULL, &time, err));
    out->origin = (uint8_t)modelled;
    out->noise_cv = (float)b->stack->rates[b->index[p]].noise_cv;
    if (row) {
        take_row(b, i, p, row, &time, out);
        spec_measured_launch(b->trace, b->costs->processors[p].name, &time.launch_s);
    }
    if (!row) b->any_modelled = true;
    SPA_TRY(put_times(b, op, p, &time, out, err));
    fill_demands(b, p, &time, out);
    return SPA_OK;
}

/* ---------------------------------------------------------------- assumptions varied */
/* INT32_MAX ns are too many for a launch; what is too long elsewhere, spa_costs_finish says. */
static int32_t scaled_launch(double ns, double scale)
{
    double x = ns * scale;
    return x < INT32_MAX ? (int32_t)lround(x) : INT32_MAX;
}

static void scale_times(int64_t *ns, size_t count, double factor)
{
    for (size_t i = 0; i < count; i++) ns[i] = llround((double)ns[i] * factor);
}

static void scale(builder *b)
{
    spa_costs *c = b->costs;
    const spa_costs_options *o = b->options;
    uint32_t n = c->n_processors;
    c->synchronous = o->synchronous;
    if (o->scale_contention != 1 || o->scale_launch != 1 || o->scale_transfer != 1 ||
        o->scale_noise != 1)
        c->uncalibrated = true;
    for (size_t i = 0; i < c->n_ops * n; i++) {
        c->ops[i].launch_ns = scaled_launch(c->ops[i].launch_ns, o->scale_launch);
        c->ops[i].noise_cv = (float)(c->ops[i].noise_cv * o->scale_noise);
    }
    c->run_cv *= o->scale_noise;
    if (o->scale_transfer == 1) return;
    scale_times(c->transfer_ns, c->n_tensors * n * n, o->scale_transfer);
    for (uint32_t m = 0; m < c->n_modes; m++)
        scale_times(c->modes[m].transfer_ns, c->n_tensors * n * n, o->scale_transfer);
    for (uint32_t i = 0; i < n * n; i++) {
        spa_cost_link *link = &c->links[i / n][i % n];
        link->latency_ns = llround((double)link->latency_ns * o->scale_transfer);
    }
}

static spa_status check_scale(const char *what, double factor, spa_error *err)
{
    if (factor >= 0 && factor <= 1e3) return SPA_OK;
    return spa_fail(err, SPA_E_RANGE, "%s scale %g; write a number from 0 to 1000", what, factor);
}

static spa_status check_scales(const spa_costs_options *o, spa_error *err)
{
    SPA_TRY(check_scale("contention", o->scale_contention, err));
    SPA_TRY(check_scale("launch", o->scale_launch, err));
    SPA_TRY(check_scale("transfer", o->scale_transfer, err));
    return check_scale("noise", o->scale_noise, err);
}

/* ---------------------------------------------------------------- the whole */
static spa_status check_processor(const builder *b, const char *file, const char *name,
                                  spa_error *err)
{
    const spa_device_info *info = &b->device->info;
    for (size_t p = 0; p < info->n_processors; p++) {
        if (strcmp(info->processors[p], name) == 0) return SPA_OK;
    }
    spa_error why;
    spa_fail_unknown(&why, "processor", name, info->processors, info->n_processors);
    return spa_fail(err, SPA_E_NOT_FOUND, "%s/%s: %s (device '%s')", b->trace->path, file,
                    why.message, info->name);
}

/* Links and responses of processors that the device does not have would never be found. */
static spa_status check_trace(const builder *b, spa_error *err)
{
    for (size_t i = 0; i < b->trace->n_links; i++) {
        SPA_TRY(check_processor(b, "links.csv", b->trace->links[i].from, err));
        SPA_TRY(check_processor(b, "links.csv", b->trace->links[i].to, err));
    }
    for (size_t i = 0; i < b->trace->n_responses; i++) {
        SPA_TRY(check_processor(b, "response.csv", b->trace->responses[i].processor, err));
    }
    return SPA_OK;
}

/* Rates of a stack that folds were fitted to folded operators: fusing them would count it twice. */
static spa_status check_fused(const builder *b, spa_error *err)
{
    for (int kind = 0; kind < SPA_OP_KIND_COUNT; kind++) {
        for (size_t i = 0; b->stack->folds[kind] && i < b->graph->n_ops; i++) {
            if (b->graph->ops[i].n_steps == 0) continue;
            return spa_fail(
                err, SPA_E_UNSUPPORTED,
                "device '%s': the rates of stack '%s' hold for operators with %s and "
                "the like folded in, and '%s' of '%s' is fused: that would count twice; "
                "leave the graph as it was or choose another stack",
                b->device->info.name, b->stack->name, spa_op_kind_name((spa_op_kind)kind),
                b->graph->ops[i].name, b->graph->name);
        }
    }
    return SPA_OK;
}

static spa_status fill(builder *b, spa_error *err)
{
    spa_costs *c = b->costs;
    SPA_TRY(check_fused(b, err));
    SPA_TRY(fill_header(b, err));
    if (b->trace) SPA_TRY(check_trace(b, err));
    SPA_TRY(spec_measured_index(&b->measured, b->trace, c, b->dtype, &b->scratch, err));
    SPA_TRY(spa_arena_alloc(&b->scratch, &b->folded, c->n_ops, sizeof *b->folded, err));
    spec_find_folded(b->stack, b->graph, b->folded);
    for (uint32_t p = 0; p < c->n_processors; p++) {
        SPA_TRY(check_backend(b, p, err));
        for (size_t i = 0; i < c->n_ops; i++) SPA_TRY(fill_op(b, i, p, err));
    }
    SPA_TRY(build_links(b, err));
    SPA_TRY(build_parts(b, err));
    SPA_TRY(build_modes(b, err));
    if (!b->trace) return SPA_OK;
    const char *stack = b->trace->fingerprint.stack;
    const char *power_mode = b->trace->fingerprint.power_mode;
    if (b->any_modelled) c->uncalibrated = true;
    /* Measured in another power mode than the one that is simulated. */
    if (power_mode && *power_mode && strcmp(power_mode, b->mode->name) != 0) c->uncalibrated = true;
    if (!isnan(b->trace->run_cv)) c->run_cv = b->trace->run_cv;
    if (!stack || strcmp(stack, b->stack->name) != 0) c->stack = "mixed";
    return SPA_OK;
}

static spa_status build_with(builder *b, const spa_trace *trace, spa_error *err)
{
    uint32_t n = 0;
    b->trace = trace;
    for (uint32_t p = 0; p < b->device->n_processors; p++) {
        if (b->lanes.used[p]) b->index[n++] = p;
    }
    SPA_TRY(spa_costs_init(b->costs, b->graph, n, err));
    spa_status status = fill(b, err);
    if (status == SPA_OK) scale(b);
    if (status == SPA_OK) status = spa_costs_finish(b->costs, err);
    if (status != SPA_OK) spa_costs_fini(b->costs);
    return status;
}

/* The device's own trace, read for this graph alone. */
static spa_status build_with_own_trace(builder *b, spa_error *err)
{
    spa_trace trace;
    spa_error why;
    const spa_device_info *info = &b->device->info;
    spa_status status = spa_trace_read(&trace, info->trace, b->graph->name, &why);
    if (status != SPA_OK) {
        return spa_fail(err, status,
                        "device '%s' is driven by the measured trace %s, which cannot be used: %s; "
                        "measure it with: sparoa profile %s --lanes %s -o %s",
                        info->name, info->trace, why.message, b->graph->name, b->lanes.text,
                        info->trace);
    }
    status = build_with(b, &trace, err);
    spa_trace_fini(&trace);
    return status;
}

static spa_status build(builder *b, spa_error *err)
{
    SPA_TRY(choose_mode(b, err));
    SPA_TRY(choose_stack(b, err));
    SPA_TRY(choose_lanes(b, err));
    b->dtype = b->stack->computes < 0 ? b->graph->dtype : (spa_dtype)b->stack->computes;
    if (!b->options->trace && b->device->info.trace) return build_with_own_trace(b, err);
    return build_with(b, b->options->trace, err);
}

spa_status spa_costs_build(spa_costs *costs, const spa_device *device, const spa_graph *graph,
                           const spa_costs_options *options, spa_error *err)
{
    *costs = (spa_costs){0};
    builder *b = NULL; /* a few KB: not for the stack of a lane's thread */
    SPA_TRY(check_scales(options, err));
    SPA_TRY(spa_alloc(&b, 1, sizeof *b, err));
    b->costs = costs;
    b->device = device;
    b->graph = graph;
    b->options = options;
    spa_arena_init(&b->scratch);
    spa_status status = build(b, err);
    spa_arena_fini(&b->scratch);
    free(b);
    return status;
}
