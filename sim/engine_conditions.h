/* Conditions in the event loop: what other loads, the governor and the thermal limit do to what
 * runs. Compiled into the loop only where ENGINE_CONDITIONS is 1 (engine_step_conditions.c).
 *
 * Between two events everything is constant: energy, heat and utilisation are summed over that time
 * when the clock moves on (pass_time), from what each event slot draws. */
#ifndef SPA_SIM_ENGINE_CONDITIONS_H
#define SPA_SIM_ENGINE_CONDITIONS_H

#include <math.h>
#include "base/text.h"
#include "sim/engine_lanes.h"

/* Event slots behind all others. */
enum {
    CONDITION_MODE,    /* the list's next change */
    CONDITION_GOVERN,  /* the governor looks at utilisation */
    CONDITION_CLOCKS,  /* and what it chose comes into force */
    CONDITION_THERMAL, /* the temperature is looked at */
    CONDITION_LOADS    /* and one for each background load */
};
_Static_assert(CONDITION_LOADS == ENGINE_CONDITION_SLOTS, "the layout has room for these");

static inline int64_t condition_ns(double ms)
{
    return ms < 1e12 ? llround(ms * 1e6) : SPA_NEVER / 4;
}

static void emit_condition(spa_engine *e, spa_event_kind kind, uint32_t op, uint32_t processor,
                           double value)
{
    uint64_t what = (uint64_t)((uint32_t)kind | event_place(processor, 0)) | (uint64_t)op << 32;
    uint64_t h = (e->state.digest ^ e->state.now_hash ^ what) * DIGEST_ROUND;
    e->state.digest = h ^ h >> 32;
    if (e->config.record) {
        spa_event event = {.time_ns = e->state.now,
                           .sequence = e->state.sequence,
                           .request = SPA_EVENT_NO_REQUEST,
                           .op = op,
                           .kind = (uint8_t)kind,
                           .processor = (uint8_t)processor,
                           .power_w = (float)value};
        e->config.record(e->config.record_user, &event);
    }
    e->state.sequence++;
}

/* ---- rates -----------------------------------------------------------------------------------
 */

/* The loads that are on, as loads of the contention model. */
static uint32_t background_loads(const spa_engine *e, engine_load *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->n_background; i++) {
        const spa_background *b =
            &e->config.scenario.conditions.backgrounds[e->background[i].which];
        if (!e->conditions->load_on[i]) continue;
        out[n++] = (engine_load){.dram = (float)b->dram_share,
                                 .capacity = (float)b->share,
                                 .busy = 1u << e->background[i].processor};
    }
    return n;
}

/* The rate of kernel i of n things that run, by its measured co-run slowdown. That was measured
 * beside a processor that is busy all the time; a load is busy for its share of it. */
static double beside_others(const spa_engine *e, const engine_load *load, uint32_t n, uint32_t i)
{
    uint32_t busy = 0;
    double share = 0, slowed = 1 / (double)load[i].corun;
    for (uint32_t k = 0; k < n; k++) busy |= load[k].busy;
    if (busy & ~load[i].busy) return slowed;
    for (uint32_t p = 0; p < e->n_processors; p++)
        if (!(load[i].busy >> p & 1u)) share += e->conditions->background_share[p];
    return share < 1 ? 1 - share + share * slowed : slowed;
}

/* Rates of all that runs: shares beside each other and beside the background, times speeds. A
 * measured co-run slowdown knows nothing of loads on its own processor: these count on top, and
 * they do when contention is off. */
ENGINE_APART void settle(spa_engine *e)
{
    engine_load copy[CONTENTION_MAX];
    const engine_load *load[CONTENTION_MAX];
    double rate[CONTENTION_MAX];
    uint32_t n = e->state.n_active, all;
    e->state.dirty = 0;
    if (n == 0) return;
    for (uint32_t i = 0; i < n; i++) {
        copy[i] = e->loads[e->activities[e->active[i]].load];
        copy[i].dram = condition_dram(e, e->active[i], &copy[i]);
        condition_cores(e, e->active[i], &copy[i]);
        rate[i] = 1;
    }
    all = n + background_loads(e, copy + n);
    for (uint32_t i = 0; i < all; i++) load[i] = &copy[i];
    if (e->contention && all > 1) contention_rates(load, all, rate);
    for (uint32_t i = 0; i < n; i++) {
        double share = 0;
        if (e->contention && all > n && copy[i].corun > 0 && copy[i].busy)
            rate[i] = beside_others(e, copy, n, i);
        if ((!e->contention || copy[i].corun > 0) && copy[i].busy)
            share = e->conditions->background_share[contention_resource(&copy[i])];
        if (share > 0 && share + copy[i].capacity > 1) rate[i] /= share + copy[i].capacity;
        reschedule(e, e->active[i], rate[i] * condition_speed(e, e->active[i]));
    }
}

/* ---- time passes -----------------------------------------------------------------------------
 */

/* Until `at` everything is as it is. */
static void pass_time(spa_engine *e, int64_t at)
{
    engine_conditions *c = e->conditions;
    double ns = (double)(at - e->state.now), watts = 0, part[SPA_MAX_PROCESSORS];
    if (at == e->state.now) return;
    for (uint32_t p = 0; p < e->n_processors; p++) part[p] = power_share(e, p);
    for (uint32_t slot = 0; slot < e->n_lanes + e->n_links; slot++) {
        double draws = e->watts[slot];
        if (slot < e->n_lanes && e->lanes[slot].doing == LANE_KERNEL)
            draws *= part[e->lanes[slot].processor];
        e->joules[slot] += draws * ns * 1e-9;
        watts += draws;
    }
    c->base_j += c->base_w * ns * 1e-9;
    c->heat_j += (watts + c->base_w) * ns * 1e-9;
    for (uint32_t p = 0; p < e->n_processors; p++) {
        uint32_t lanes = e->costs->processors[p].n_lanes, busy = 0;
        for (uint32_t i = 0; i < lanes; i++) busy += e->lanes[e->lane_first[p] + i].doing != 0;
        double share = (double)busy / lanes + c->background_share[p];
        c->busy_ns[p] += ns * (share < 1 ? share : 1);
    }
}

/* What is on, summed anew: sums by differences would drift. */
static void sum_backgrounds(spa_engine *e)
{
    engine_conditions *c = e->conditions;
    memset(c->background_share, 0, sizeof c->background_share);
    c->base_w = spa_mode_base(e->costs, c->mode);
    for (uint32_t i = 0; i < e->n_background; i++) {
        const spa_background *b =
            &e->config.scenario.conditions.backgrounds[e->background[i].which];
        if (!c->load_on[i]) continue;
        c->background_share[e->background[i].processor] += b->share;
        c->base_w += b->watts;
    }
}

/* ---- clocks and modes ------------------------------------------------------------------------
 */

/* Clocks or the mode have changed: so have rates, and what everything draws. */
static void clocks_changed(spa_engine *e)
{
    engine_conditions *c = e->conditions;
    double mode = e->costs->n_modes ? e->costs->modes[c->mode].clock_ratio[e->host] : 1;
    c->host_ratio = mode * condition_ratio(e, e->host);
    for (uint32_t slot = 0; slot < e->n_lanes + e->n_links; slot++)
        if (e->watts[slot] > 0) e->watts[slot] = condition_watts(e, slot);
    e->state.dirty = 1;
}

static void set_clocks(spa_engine *e)
{
    engine_conditions *c = e->conditions;
    const spa_conditions *how = &e->config.scenario.conditions;
    uint32_t cap = c->throttled ? (uint32_t)lround(how->thermal.cap * SPA_PPM) : SPA_PPM;
    for (uint32_t p = 0; p < e->n_processors; p++) {
        uint32_t ppm = c->wanted_ppm[p] < cap ? c->wanted_ppm[p] : cap;
        if (ppm == c->clock_ppm[p]) continue;
        c->clock_ppm[p] = ppm;
        c->power_factor[p] = spa_power_factor(how, ppm);
        emit_condition(e, SPA_EV_CLOCK, ppm, p, condition_ratio(e, p));
    }
    clocks_changed(e);
}

static void change_mode(spa_engine *e)
{
    engine_conditions *c = e->conditions;
    const spa_conditions *how = &e->config.scenario.conditions;
    uint32_t mode = e->mode_of_change[c->next_change];
    int64_t at = SPA_NEVER;
    if (mode != c->mode) {
        c->mode = mode;
        sum_backgrounds(e);
        emit_condition(e, SPA_EV_MODE, mode, 0, spa_mode_base(e->costs, mode));
        clocks_changed(e);
    }
    if (++c->next_change < how->n_changes) {
        at = c->round_ns + condition_ns(how->changes[c->next_change].at_ms);
    } else if (how->repeat_ms > 0) {
        c->next_change = 0;
        c->round_ns += condition_ns(how->repeat_ms);
        at = c->round_ns + condition_ns(how->changes[0].at_ms);
    }
    spa_event_list_set(e->events, e->condition_slot + CONDITION_MODE, at);
}

/* Linux, kernel/sched/cpufreq_schedutil.c: next clock = 1.25 * highest clock * utilisation, where
 * utilisation is in units of work at the highest clock. Differs: it is the mean over the last
 * period, not a geometric one (PELT), and every processor has such a governor. */
static void govern(spa_engine *e)
{
    engine_conditions *c = e->conditions;
    const spa_conditions *how = &e->config.scenario.conditions;
    int64_t period = condition_ns(how->period_ms), delay = condition_ns(how->delay_ms);
    for (uint32_t p = 0; p < e->n_processors; p++) {
        double share = c->busy_ns[p] / (double)period;
        c->pending_ppm[p] = spa_schedutil_ppm(how, share * condition_ratio(e, p));
        c->busy_ns[p] = 0;
    }
    spa_event_list_set(e->events, e->condition_slot + CONDITION_GOVERN, e->state.now + period);
    spa_event_list_set(e->events, e->condition_slot + CONDITION_CLOCKS, e->state.now + delay);
}

static void look_at_temperature(spa_engine *e)
{
    engine_conditions *c = e->conditions;
    const spa_thermal *t = &e->config.scenario.conditions.thermal;
    double dt_s = (double)(e->state.now - c->polled_ns) * 1e-9;
    bool throttle = c->throttled;
    if (dt_s > 0) c->temperature_c = spa_thermal_after(t, c->temperature_c, c->heat_j / dt_s, dt_s);
    c->heat_j = 0;
    c->polled_ns = e->state.now;
    if (c->temperature_c >= t->throttle_c) throttle = true;
    if (c->temperature_c <= t->throttle_c - t->hysteresis_k) throttle = false;
    if (throttle != c->throttled) {
        c->throttled = throttle;
        emit_condition(e, SPA_EV_THROTTLE, throttle, 0, c->temperature_c);
        set_clocks(e);
    }
    spa_event_list_set(e->events, e->condition_slot + CONDITION_THERMAL,
                       e->state.now + condition_ns(t->poll_ms));
}

/* ---- background ------------------------------------------------------------------------------
 */

/* The next uniform number in (0, 1) of a background load's own stream. */
static double background_uniform(spa_engine *e, uint32_t i)
{
    uint64_t h = spa_hash_u64(spa_hash_u64(e->conditions_key, i), e->conditions->load_draws[i]++);
    h ^= h >> 31;
    return ((double)(h >> 11) + 0.5) * 0x1p-53;
}

static void toggle_background(spa_engine *e, uint32_t i, bool on)
{
    engine_conditions *c = e->conditions;
    const spa_background *b = &e->config.scenario.conditions.backgrounds[e->background[i].which];
    uint32_t p = e->background[i].processor;
    double ms = on ? b->on_ms : b->off_ms, sign = on ? 1 : -1;
    int64_t at = SPA_NEVER;
    if (on != (bool)c->load_on[i]) {
        c->load_on[i] = on;
        sum_backgrounds(e);
        emit_condition(e, SPA_EV_LOAD, on ? (uint32_t)lround(b->share * SPA_PPM) : 0, p,
                       sign * b->watts);
        e->state.dirty = 1;
    }
    if (b->off_ms > 0) at = e->state.now + condition_ns(-log(background_uniform(e, i)) * ms);
    spa_event_list_set(e->events, e->condition_slot + CONDITION_LOADS + i, at);
}

/* ---- events ----------------------------------------------------------------------------------
 */

static void conditions_event(spa_engine *e, uint32_t which)
{
    switch (which) {
    case CONDITION_MODE:
        change_mode(e);
        break;
    case CONDITION_GOVERN:
        govern(e);
        break;
    case CONDITION_CLOCKS:
        memcpy(e->conditions->wanted_ppm, e->conditions->pending_ppm,
               sizeof e->conditions->wanted_ppm);
        set_clocks(e);
        break;
    case CONDITION_THERMAL:
        look_at_temperature(e);
        break;
    default:
        toggle_background(e, which - CONDITION_LOADS,
                          !e->conditions->load_on[which - CONDITION_LOADS]);
        break;
    }
}

/* Nothing runs and nobody will come: conditions alone would go on for ever. */
static bool conditions_alone(const spa_engine *e)
{
    for (uint32_t l = 0; l < e->n_lanes; l++)
        if (e->lanes[l].doing != LANE_IDLE) return false;
    for (uint32_t slot = e->n_lanes + e->n_links; slot < e->condition_slot; slot++)
        if (spa_event_list_times(e->events)[slot] != SPA_NEVER) return false;
    return e->state.n_active == 0;
}

/* At the start of a run: clocks are the mode's; loads are on as often as they are at all. */
static void begin_conditions(spa_engine *e)
{
    const spa_conditions *how = &e->config.scenario.conditions;
    uint32_t at = e->condition_slot;
    if (how->n_changes)
        spa_event_list_set(e->events, at + CONDITION_MODE, condition_ns(how->changes[0].at_ms));
    if (how->governor == SPA_GOVERNOR_SCHEDUTIL)
        spa_event_list_set(e->events, at + CONDITION_GOVERN, condition_ns(how->period_ms));
    if (how->thermal.r_k_per_w > 0) look_at_temperature(e);
    for (uint32_t i = 0; i < e->n_background; i++) {
        const spa_background *b = &how->backgrounds[e->background[i].which];
        bool on = b->off_ms == 0 || background_uniform(e, i) * (b->on_ms + b->off_ms) < b->on_ms;
        toggle_background(e, i, on);
    }
    while (how->n_changes && spa_event_list_times(e->events)[at + CONDITION_MODE] == 0)
        change_mode(e); /* what is so from the beginning is so before anything runs */
}

#endif
