/* What runs, how fast and at what power, under conditions: the clocks and the mode that are now.
 * Without conditions (ENGINE_CONDITIONS 0) power is the table's and nothing here is compiled in. */
#ifndef SPA_SIM_ENGINE_POWER_H
#define SPA_SIM_ENGINE_POWER_H

#include "base/text.h"
#include "sim/engine_state.h"

#ifndef ENGINE_CONDITIONS
#define ENGINE_CONDITIONS 0
#endif

static inline double condition_ratio(const spa_engine *e, uint32_t p)
{
    return (double)e->conditions->clock_ppm[p] / SPA_PPM;
}

/* Of a kernel's time on its lane, what is issuing: host cycles in front of the kernel. */
static inline double condition_issue_ns(const spa_engine *e, uint32_t op, uint32_t p)
{
    return e->occupies ? 0 : (double)(spa_cost(e->costs, op, p)->launch_ns + e->policy_ns);
}

/* Isolated ns of what runs in an event slot that are done per ns now. */
static inline double condition_speed(const spa_engine *e, uint32_t event_slot)
{
    const engine_conditions *c = e->conditions;
    if (event_slot >= e->n_lanes) {
        const engine_link *link = &e->links[event_slot - e->n_lanes];
        engine_request *r = request_of(e, link->slot);
        return spa_transfer_speed(e->costs, c->mode, whole_of(e, link->tensor),
                                  placed_of(e, r)[link->tensor], link->to);
    }
    const engine_lane *lane = &e->lanes[event_slot];
    uint32_t p = lane->processor, op = whole_of(e, lane->op);
    if (lane->doing == LANE_COPY) {
        uint32_t tensor = e->activities[event_slot].tensor;
        return spa_transfer_speed(e->costs, c->mode, tensor,
                                  placed_of(e, request_of(e, lane->slot))[tensor], p);
    }
    double speed = spa_cost_speed(e->costs, c->mode, condition_ratio(e, p), op, p);
    double all = (double)e->loads[lane->load].expected_ns, issue = condition_issue_ns(e, op, p);
    if (!(issue > 0) || !(all > issue)) return speed;
    return all / (issue / c->host_ratio + (all - issue) / speed);
}

/* Share of the DRAM bandwidth at this speed. */
static inline float condition_dram(const spa_engine *e, uint32_t event_slot,
                                   const engine_load *load)
{
    const spa_costs *costs = e->costs;
    const engine_lane *lane = &e->lanes[event_slot];
    uint32_t mode = e->conditions->mode, p, op;
    double share = load->dram, own, there;
    if (event_slot >= e->n_lanes || lane->doing != LANE_KERNEL || !(share > 0)) return load->dram;
    p = lane->processor;
    op = whole_of(e, lane->op);
    own = spa_cost(costs, op, p)->dram_share;
    there = own;
    if (costs->n_modes && mode != costs->own_mode)
        there = costs->modes[mode].ops[op * costs->n_processors + p].dram_share;
    if (own > 0) share *= there / own;
    share *= spa_cost_speed(costs, mode, condition_ratio(e, p), op, p) /
             spa_cost_speed(costs, mode, 1, op, p);
    return (float)(share < 1 ? share : 1);
}

/* What a kernel disturbs others by, and its share of the processor: with other cores online. */
static inline void condition_cores(const spa_engine *e, uint32_t event_slot, engine_load *load)
{
    const spa_costs *costs = e->costs;
    const engine_lane *lane = &e->lanes[event_slot];
    uint32_t mode = e->conditions->mode, at;
    if (event_slot >= e->n_lanes || lane->doing != LANE_KERNEL || costs->n_modes == 0 ||
        mode == costs->own_mode)
        return;
    at = whole_of(e, lane->op) * costs->n_processors + lane->processor;
    const spa_op_cost *own = &costs->ops[at];
    const spa_op_speed *there = &costs->modes[mode].ops[at];
    if (own->pressure > 0 && there->pressure > 0) load->pressure *= there->pressure / own->pressure;
    if (own->capacity_share > 0 && there->capacity_share > 0)
        load->capacity *= there->capacity_share / own->capacity_share;
}

/* What a busy event slot draws above idle now, W. */
static inline double condition_watts(const spa_engine *e, uint32_t event_slot)
{
    const engine_conditions *c = e->conditions;
    if (event_slot >= e->n_lanes) return e->loads[e->links[event_slot - e->n_lanes].load].dynamic_w;
    const engine_lane *lane = &e->lanes[event_slot];
    uint32_t p = lane->processor;
    switch (lane->doing) {
    case LANE_KERNEL:
        return (double)e->loads[lane->load].dynamic_w *
               spa_power_ratio(e->costs, c->mode, whole_of(e, lane->op), p) * c->power_factor[p];
    case LANE_DISPATCH:
        return spa_dispatch_power(e->costs, c->mode, p) * c->power_factor[p];
    case LANE_COPY:
        return e->loads[lane->load].dynamic_w;
    default:
        return 0;
    }
}

/* Isolated time of an operator in a request over all_ns, that in the table, for the zeros of the
 * request's input: the kernel changes, issuing it does not. */
static inline double condition_zeros(const spa_engine *e, uint64_t request, uint32_t node,
                                     uint32_t processor, double all_ns)
{
    double sd = e->config.scenario.conditions.zeros_sd, z, issue;
    uint32_t op = whole_of(e, node);
    uint64_t h;
    if (!(sd > 0)) return 1;
    z = e->graph->ops[op].input_sparsity;
    if (!(z > 0) || !(z < 1)) return 1; /* unknown, or all of them the same */
    h = spa_hash_u64(e->zeros_key, request);
    h ^= h >> 33;
    z += 4 * z * (1 - z) * sd * e->normal_quantiles[h % ENGINE_QUANTILES];
    issue = condition_issue_ns(e, op, processor);
    if (!(all_ns > issue)) return 1;
    return (issue + (all_ns - issue) * spa_zeros_factor(e->costs, op, processor, z)) / all_ns;
}

/* Something begins in an event slot: returns what it draws. */
static inline float condition_begin(spa_engine *e, uint32_t event_slot)
{
    e->joules[event_slot] = 0;
    e->watts[event_slot] = condition_watts(e, event_slot);
    return (float)e->watts[event_slot];
}

/* It ends: returns what it drew last, and the energy of all of it, J. */
static inline float condition_end(spa_engine *e, uint32_t event_slot, double *joule)
{
    float watts = (float)e->watts[event_slot];
    *joule = e->joules[event_slot];
    e->watts[event_slot] = 0;
    return watts;
}

/* What a dispatcher could know of it. */
static inline void view_conditions(const spa_engine *e, spa_view *view)
{
    const engine_conditions *c = e->conditions;
    for (uint32_t p = 0; p < e->n_processors; p++) {
        double mode = e->costs->n_modes ? e->costs->modes[c->mode].clock_ratio[p] : 1;
        view->speed[p] = mode * condition_ratio(e, p);
        view->background[p] = c->background_share[p];
    }
    if (e->config.scenario.conditions.thermal.r_k_per_w > 0) view->temperature_c = c->temperature_c;
}

/* What the kernel of a lane asks for of its processor, now. */
static inline double kernel_capacity(const spa_engine *e, const engine_lane *lane)
{
    engine_load load = e->loads[lane->load];
    if (ENGINE_CONDITIONS) condition_cores(e, lane->id, &load);
    return (double)load.capacity;
}

/* Kernels on lanes of one processor that together ask for more than its capacity get it in parts,
 * and so draw in parts: one over what they ask for. 1 where nothing is shared. */
static inline double power_share(const spa_engine *e, uint32_t p)
{
    double asked = 0;
    if (!e->shares_power[p]) return 1;
    for (uint32_t i = 0; i < e->costs->processors[p].n_lanes; i++) {
        const engine_lane *lane = &e->lanes[e->lane_first[p] + i];
        if (lane->doing == LANE_KERNEL) asked += kernel_capacity(e, lane);
    }
    return asked > 1 ? 1 / asked : 1;
}

/* The kernels on a processor that shares power have changed: accounts for what they drew until now,
 * and sums anew what they draw. (Conditions account in pass_time.) */
static inline void share_power(spa_engine *e, uint32_t p)
{
    engine_state *s = &e->state;
    double joule = s->shared_w[p] * (double)(s->now - s->shared_since[p]) * 1e-9, watts = 0;
    s->result.energy_dynamic_j += joule;
    s->result.energy_processor_j[p] += joule;
    s->shared_since[p] = s->now;
    for (uint32_t i = 0; i < e->costs->processors[p].n_lanes; i++) {
        const engine_lane *lane = &e->lanes[e->lane_first[p] + i];
        if (lane->doing == LANE_KERNEL) watts += (double)e->loads[lane->load].dynamic_w;
    }
    s->shared_w[p] = watts * power_share(e, p);
}

/* The power of what begins in an event slot: `watts` by the table, or what conditions make of it.
 */
ENGINE_INLINE float draw_begin(spa_engine *e, uint32_t event_slot, float watts)
{
    return ENGINE_CONDITIONS ? condition_begin(e, event_slot) : watts;
}

/* The same at its end, after ns; its energy goes to *joule. */
ENGINE_INLINE float draw_end(spa_engine *e, uint32_t event_slot, float watts, int64_t ns,
                             double *joule)
{
    if (ENGINE_CONDITIONS) return condition_end(e, event_slot, joule);
    *joule = watts * (double)ns * 1e-9;
    return watts;
}

#endif
