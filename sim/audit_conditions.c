/* The audit under conditions: it follows clocks, mode and background from their events, so that it
 * knows what power everything must draw and how fast it can be. */
#include <math.h>
#include "sim/audit_state.h"

/* Does the event say what can be? */
bool audit_condition_is_sound(const spa_audit *a, const spa_event *ev)
{
    uint32_t modes = a->costs->n_modes ? a->costs->n_modes : 1;
    if (!a->has_conditions || ev->request != NO_REQUEST || ev->processor >= a->costs->n_processors)
        return false;
    switch ((spa_event_kind)ev->kind) {
    case SPA_EV_MODE:
        return ev->op < modes && ev->power_w == (float)spa_mode_base(a->costs, ev->op);
    case SPA_EV_CLOCK:
        return ev->op > 0 && ev->op <= SPA_PPM;
    case SPA_EV_LOAD:
        return ev->op <= SPA_PPM && isfinite(ev->power_w);
    default:
        return ev->op <= 1;
    }
}

/* Its share of the processor, in the mode that is. */
float audit_capacity(const spa_audit *a, uint32_t op, uint32_t p, uint32_t tenths)
{
    float own = audit_cost(a, op, p, tenths)->capacity_share, there = 0;
    float whole = spa_cost(a->costs, op, p)->capacity_share;
    if (a->has_conditions && a->costs->n_modes && a->mode != a->costs->own_mode)
        there = a->costs->modes[a->mode].ops[op * a->costs->n_processors + p].capacity_share;
    return there > 0 && whole > 0 ? own * (there / whole) : own;
}

float audit_kernel_power(const spa_audit *a, uint32_t op, uint32_t p, uint32_t tenths)
{
    if (!a->has_conditions) return audit_cost(a, op, p, tenths)->dynamic_w;
    return (float)((double)audit_cost(a, op, p, tenths)->dynamic_w *
                   spa_power_ratio(a->costs, a->mode, op, p) *
                   spa_power_factor(&a->conditions, a->clock_ppm[p]));
}

float audit_dispatch_power(const spa_audit *a, uint32_t p)
{
    if (!a->has_conditions) return a->costs->processors[p].dispatch_w;
    return (float)(spa_dispatch_power(a->costs, a->mode, p) *
                   spa_power_factor(&a->conditions, a->clock_ppm[p]));
}

/* What everything draws that runs now. */
static double power_now(const spa_audit *a)
{
    double sum = 0;
    for (uint32_t p = 0; p < a->costs->n_processors; p++) {
        for (uint32_t l = 0; l < a->costs->processors[p].n_lanes; l++) {
            const audit_activity *what = &a->lanes[p][l];
            if (what->request == NO_REQUEST) continue;
            sum += (double)(what->kind == SPA_EV_KERNEL_BEGIN
                                ? audit_kernel_power(a, what->op, p, what->tenths)
                                : audit_dispatch_power(a, p));
        }
        if (a->copies[p].request != NO_REQUEST) sum += (double)a->copies[p].power_w;
    }
    for (uint32_t k = 0; k < a->costs->n_links; k++)
        if (a->links[k].request != NO_REQUEST) sum += (double)a->links[k].power_w;
    return sum;
}

void audit_condition(spa_audit *a, const spa_event *ev)
{
    if (ev->kind == SPA_EV_LOAD) a->base_w += (double)ev->power_w;
    if (ev->kind == SPA_EV_MODE) {
        a->base_w += spa_mode_base(a->costs, ev->op) - spa_mode_base(a->costs, a->mode);
        a->mode = ev->op;
    }
    if (ev->kind == SPA_EV_CLOCK) a->clock_ppm[ev->processor] = ev->op;
    if (ev->kind == SPA_EV_CLOCK || ev->kind == SPA_EV_MODE) a->power_w = power_now(a);
}

/* Time has passed: idle energy, and how much each kernel can have done at its speed. */
void audit_conditions_pass(spa_audit *a, int64_t step_ns)
{
    if (step_ns == 0) return;
    a->base_j += a->base_w * (double)step_ns * 1e-9;
    for (uint32_t p = 0; p < a->costs->n_processors; p++) {
        double ratio = (double)a->clock_ppm[p] / SPA_PPM;
        for (uint32_t l = 0; l < a->costs->processors[p].n_lanes; l++) {
            audit_activity *what = &a->lanes[p][l];
            if (what->request == NO_REQUEST || what->kind != SPA_EV_KERNEL_BEGIN) continue;
            what->possible_ns +=
                (double)step_ns * spa_cost_speed(a->costs, a->mode, ratio, what->op, p);
        }
    }
}

void audit_conditions_reset(spa_audit *a)
{
    a->mode = a->costs->own_mode;
    for (uint32_t p = 0; p < SPA_MAX_PROCESSORS; p++) a->clock_ppm[p] = SPA_PPM;
    a->base_w = a->costs->base_w;
    a->base_j = 0;
}
