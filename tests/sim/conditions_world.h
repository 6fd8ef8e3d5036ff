/* Tiny worlds under conditions. */
#ifndef SPA_TESTS_SIM_CONDITIONS_WORLD_H
#define SPA_TESTS_SIM_CONDITIONS_WORLD_H

#include "tests/sim/world.h"

static inline spa_conditions *conditions_of(sim_world *w)
{
    return &w->config.scenario.conditions;
}

static inline void always(spa_background *b, const char *processor, double share)
{
    *b = (spa_background){.share = share, .on_ms = 1};
    strcpy(b->processor, processor);
}

/* One operator on one processor that it fills to `capacity`. */
static inline void station(sim_world *w, int64_t service_ns, float capacity)
{
    sim_world_init(w, 1, "a #0");
    sim_kernel(w, "a", 0, service_ns);
    sim_cost(w, "a", 0)->capacity_share = capacity;
    w->config.contention = true;
}

static inline void two_modes(sim_world *w)
{
    expect_ok(spa_costs_add_modes(&w->costs, 2, err));
    w->costs.modes[0].name = "full";
    w->costs.modes[1].name = "half";
    for (uint32_t p = 0; p < w->costs.n_processors; p++) {
        w->costs.modes[0].clock_ratio[p] = 1;
        w->costs.modes[1].clock_ratio[p] = 0.5;
    }
    w->costs.modes[0].base_w = w->costs.base_w;
    w->costs.modes[1].base_w = 1;
}

static inline void mode_op(sim_world *w, const char *name, uint32_t p, double clocked, double bound,
                           double memory, float watts)
{
    spa_op_speed *s = &w->costs.modes[1].ops[sim_op(w, name) * w->costs.n_processors + p];
    *s = (spa_op_speed){
        .clocked_ns = clocked, .bound_ns = bound, .memory_ns = memory, .dynamic_w = watts};
}

static inline void change(sim_world *w, double at_ms, const char *mode)
{
    spa_conditions *c = conditions_of(w);
    c->governor = SPA_GOVERNOR_LIST;
    c->changes[c->n_changes].at_ms = at_ms;
    strcpy(c->changes[c->n_changes++].mode, mode);
}

#endif
