/* The cost equation of modelled operators (docs/model.md, "isolated time"):
 *
 *   t = launch + fixed + max(work * (1 - g) / rate, bytes / bandwidth)
 *   rate = R * clock * S * fp16 * x / (x + x_half * n)        x = output elements (batch included)
 *
 * launch   launch_cycles / host clock
 * A stack that is like another has work / rate * kernel_factor and launch_cycles of its own.
 * fixed    kernel_cycles / clock, plus on n > 1 cores (barrier_cycles + n * barrier_core_cycles) /
 *          clock
 * work     MACs; of kinds that have none, operations
 * R        of one core or of a whole accelerator at the reference clock; `clock` is the ratio to it
 * S        CPU with n cores: 1 / (1 - parallel + parallel / min(n, max_cores)) (Amdahl 1967);
 *          accelerator: powered units / reference units, and n is that ratio too
 * part     of the operator: work and x are those of the part (its bytes: build_parts.c)
 * bandwidth  CPU: min(n * bandwidth_gbs * clock, max_bandwidth_gbs * dram); accelerator:
 *          bandwidth_gbs * dram; `dram` is the mode's DRAM bandwidth over the reference's
 *
 * Differs from the roofline model (Williams et al. 2009) in the saturation x/(x + x_half): small
 * outputs do not fill a processor. */
#include <math.h>
#include <string.h>
#include "devices/spec.h"

/* ---------------------------------------------------------------- classes */
static bool is_move(spa_op_kind kind)
{
    switch (kind) {
    case SPA_OP_CONCAT:
    case SPA_OP_SLICE:
    case SPA_OP_PAD:
    case SPA_OP_ROLL:
    case SPA_OP_RESHAPE:
    case SPA_OP_TRANSPOSE:
    case SPA_OP_GATHER:
    case SPA_OP_UPSAMPLE:
    case SPA_OP_OTHER:
    case SPA_OP_TAKE:
    case SPA_OP_EMBED:
    case SPA_OP_EXPAND:
    case SPA_OP_CONSTANT:
        return true;
    default:
        return false;
    }
}

unsigned spec_class_of(const spa_graph *graph, const spa_op *op)
{
    const spa_op_attrs *a = &op->attrs;
    if (op->kind == SPA_OP_LINEAR) {
        /* per sample: a larger batch must not change the class, or it could become faster */
        int64_t rows = spa_op_out_elements(op) / op->out.dim[op->out.rank - 1];
        return rows > graph->batch ? SPEC_CLASS_LINEAR_ROWS : SPA_OP_LINEAR;
    }
    if (op->kind != SPA_OP_CONV) return (unsigned)op->kind;
    if (spa_op_is_depthwise(graph, op)) return SPEC_CLASS_DEPTHWISE;
    if (a->groups > 1) return SPA_OP_CONV;
    if (a->kernel_h == 1 && a->kernel_w == 1) return SPEC_CLASS_CONV1X1;
    bool winograd = a->kernel_h == 3 && a->kernel_w == 3 && a->stride_h == 1 && a->stride_w == 1 &&
                    a->dilation_h <= 1 && a->dilation_w <= 1;
    return winograd ? SPEC_CLASS_CONV3X3 : SPA_OP_CONV;
}

static const spec_rate *group_of(const spec_rates *rates, const spa_op *op, unsigned rate_class)
{
    if (rate_class == SPEC_CLASS_CONV3X3) return &rates->classes[SPA_OP_CONV];
    if (rate_class == SPEC_CLASS_LINEAR_ROWS) return &rates->classes[SPA_OP_LINEAR];
    if (op->macs > 0) return &rates->common;
    return &rates->classes[is_move(op->kind) ? SPEC_CLASS_MOVE : SPEC_CLASS_ELEMENTWISE];
}

/* Field by field: what the file says about the class, else about the one it is like, else about its
 * group, else in common (which has no work_per_s: there is no rate for everything). */
static spec_rate resolve(const spec_rates *rates, const spa_graph *graph, const spa_op *op)
{
    unsigned own = spec_class_of(graph, op);
    spec_rate rate = rates->classes[own];
    const spec_rate *group = group_of(rates, op, own);
    unsigned like = rates->like[own];
    const spec_rate *const levels[] = {
        like < SPEC_CLASS_COUNT ? &rates->classes[like] : group,
        group,
        &rates->common,
    };
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        const spec_rate *more = levels[i];
        if (isnan(rate.work_per_s)) rate.work_per_s = more->work_per_s;
        if (isnan(rate.x_half)) rate.x_half = more->x_half;
        if (isnan(rate.fp16)) rate.fp16 = more->fp16;
        if (isnan(rate.bytes_per_s)) rate.bytes_per_s = more->bytes_per_s;
        if (isnan(rate.launch_cycles)) rate.launch_cycles = more->launch_cycles;
        if (isnan(rate.kernel_cycles)) rate.kernel_cycles = more->kernel_cycles;
    }
    return rate;
}

/* ---------------------------------------------------------------- the equation */
static double speed_up(const spec_point *p)
{
    const spec_rates *r = p->rates;
    if (!p->is_cpu) return p->units_ratio;
    double n = p->cores < r->max_cores ? p->cores : r->max_cores;
    return 1 / (1 - r->parallel + r->parallel / n);
}

/* Bandwidth that the clocks of a CPU's cores limit; infinite for an accelerator. */
static double core_bandwidth(const spec_point *p, double bytes_per_s)
{
    return p->is_cpu ? bytes_per_s * p->cores * p->clock_ratio : INFINITY;
}

/* Bandwidth whatever the clock is. */
static double memory_bandwidth(const spec_point *p, double bytes_per_s)
{
    double all = p->is_cpu ? p->rates->max_bytes_per_s : bytes_per_s;
    return isnan(all) ? INFINITY : all * p->dram_ratio;
}

static double fixed_seconds(const spec_point *p, const spec_rate *rate)
{
    double cycles = rate->kernel_cycles;
    if (p->cores > 1) {
        cycles += p->rates->barrier_cycles + p->cores * p->rates->barrier_core_cycles;
    }
    return cycles / p->clock_hz;
}

static spa_status fail_no_rate(const spec_point *p, const spa_graph *graph, const spa_op *op,
                               spa_error *err)
{
    unsigned own = spec_class_of(graph, op);
    if (own == SPEC_CLASS_CONV3X3 || own == SPEC_CLASS_LINEAR_ROWS) own = (unsigned)op->kind;
    const char *name = spec_class_name(own);
    return spa_fail_at(err, SPA_E_UNSUPPORTED, p->rates->path, 0,
                       "section [%s] has no rate for operator '%s' of '%s'; add '%s.%s = ...'",
                       p->section, op->name, graph->name, op->macs > 0 ? name : "elementwise",
                       op->macs > 0 ? "gmacs" : "gops");
}

spa_status spec_op_time(const spec_point *point, const spa_graph *graph, const spa_op *op,
                        double zero_gain, spec_time *out, spa_error *err)
{
    const spec_point *p = point;
    *out = (spec_time){.fill = 1};
    if (op->kind == SPA_OP_RESHAPE) return SPA_OK; /* a view */
    spec_rate rate = resolve(p->rates, graph, op);
    double work = (double)(op->macs > 0 ? op->macs : op->flops) * p->part, compute = 0;
    double x = (double)spa_op_out_elements(op) * p->part;
    double half = rate.x_half * (p->is_cpu ? p->cores : p->units_ratio);
    out->fill = x / (x + half);
    out->bytes = (double)(op->bytes_in + op->bytes_out + op->bytes_weight) * p->bytes_factor;
    if (work > 0) {
        if (isnan(rate.work_per_s)) return fail_no_rate(p, graph, op, err);
        double per_s = rate.work_per_s * p->clock_ratio * speed_up(p) * out->fill;
        if (p->fp16) per_s *= rate.fp16;
        compute = work * (1 - zero_gain) / per_s * p->kernel_factor;
    }
    double by_cores = out->bytes / core_bandwidth(p, rate.bytes_per_s);
    out->memory_s = out->bytes / memory_bandwidth(p, rate.bytes_per_s);
    out->bound_s = compute > by_cores ? compute : by_cores;
    out->clocked_s = fixed_seconds(p, &rate);
    out->kernel_s = out->clocked_s + (out->bound_s > out->memory_s ? out->bound_s : out->memory_s);
    out->launch_s = (isnan(p->launch_cycles) ? rate.launch_cycles : p->launch_cycles) / p->host_hz;
    return SPA_OK;
}

/* ---------------------------------------------------------------- folding */
void spec_find_folded(const spec_stack *stack, const spa_graph *graph, bool *folded)
{
    for (size_t i = 0; i < graph->n_ops; i++) {
        const spa_op *op = &graph->ops[i];
        folded[i] = false;
        if (!stack->folds[op->kind] || op->n_inputs != 1) continue;
        int32_t from = graph->inputs[op->first_input];
        if (from < 0) continue;
        bool alone = graph->first_consumer[from + 1] - graph->first_consumer[from] == 1;
        folded[i] = alone && (graph->ops[from].macs > 0 || folded[from]);
    }
}
