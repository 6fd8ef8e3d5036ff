/* Conditions of a run: what they come to for its table, and their state at the start. */
#include <string.h>
#include "base/text.h"
#include "sim/engine_state.h"

static spa_status bind_backgrounds(spa_engine *e, spa_error *err)
{
    const spa_conditions *c = &e->config.scenario.conditions;
    e->n_background = 0;
    for (uint32_t i = 0; i < c->n_backgrounds; i++) {
        for (uint32_t p = 0; p < e->n_processors; p++) {
            if (!spa_background_loads(&c->backgrounds[i], e->costs, p)) continue;
            if (e->n_background == ENGINE_MAX_LOADS)
                return spa_fail(err, SPA_E_RANGE, "scenario '%s': more than %d background loads",
                                e->config.scenario.name, ENGINE_MAX_LOADS);
            e->background[e->n_background].which = (uint8_t)i;
            e->background[e->n_background++].processor = (uint8_t)p;
        }
    }
    return SPA_OK;
}

spa_status engine_conditions_bind(spa_engine *e, spa_error *err)
{
    const spa_conditions *c = &e->config.scenario.conditions;
    e->loop = &engine_loop_plain;
    e->has_conditions = false;
    e->condition_slot = SPA_NONE;
    if (!spa_conditions_any(c)) return SPA_OK;
    if (e->config.executor)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "scenario '%s' sets background load, clocks or temperature: real lanes "
                        "have those that they have; use it in the simulator",
                        e->config.scenario.name);
    SPA_TRY(spa_conditions_check(c, e->costs, e->config.scenario.name, err));
    SPA_TRY(bind_backgrounds(e, err));
    for (uint32_t i = 0; i < c->n_changes; i++)
        e->mode_of_change[i] = spa_mode_find(e->costs, c->changes[i].mode);
    e->has_conditions = true;
    e->loop = &engine_loop_conditions;
    e->condition_slot = e->n_event_slots;
    e->n_event_slots += ENGINE_CONDITION_SLOTS + e->n_background;
    return SPA_OK;
}

void engine_conditions_keys(spa_engine *e)
{
    e->conditions_key =
        spa_hash_u64(spa_hash_bytes(e->config.seed, "conditions", 10), e->config.replication);
    e->zeros_key = spa_hash_u64(spa_hash_bytes(e->config.seed, "zeros", 5), e->config.replication);
}

void engine_conditions_reset(spa_engine *e)
{
    engine_conditions *c = e->conditions;
    const spa_thermal *t = &e->config.scenario.conditions.thermal;
    size_t slots = e->n_lanes + e->n_links;
    engine_conditions_keys(e);
    if (!c) return;
    memset(c, 0, sizeof *c);
    memset(e->watts, 0, slots * sizeof *e->watts);
    memset(e->joules, 0, slots * sizeof *e->joules);
    c->mode = e->costs->own_mode;
    for (uint32_t p = 0; p < SPA_MAX_PROCESSORS; p++) {
        c->wanted_ppm[p] = c->pending_ppm[p] = c->clock_ppm[p] = SPA_PPM;
        c->power_factor[p] = 1;
    }
    c->host_ratio = 1;
    c->base_w = e->costs->base_w;
    c->temperature_c = t->start_c;
}
