/* The event stream of the engine: digest always, the caller's record if there is one. */
#ifndef SPA_SIM_ENGINE_EMIT_H
#define SPA_SIM_ENGINE_EMIT_H

#include "sim/engine_state.h"

/* Odd constants (golden ratio; Murmur3 finalisers, A. Appleby). */
#define DIGEST_TIME    UINT64_C(0x9e3779b97f4a7c15)
#define DIGEST_REQUEST UINT64_C(0xc4ceb9fe1a85ec53)
#define DIGEST_ROUND   UINT64_C(0xff51afd7ed558ccd)

ENGINE_INLINE void set_now(spa_engine *e, int64_t now)
{
    e->state.now = now;
    e->state.now_hash = (uint64_t)now * DIGEST_TIME;
}

ENGINE_APART void record_event(const spa_engine *e, uint64_t what, const engine_request *r,
                               float power_w)
{
    spa_event event = {.time_ns = e->state.now,
                       .sequence = e->state.sequence,
                       .request = r->number,
                       .op = (uint32_t)(what >> 32),
                       .kind = (uint8_t)what,
                       .processor = (uint8_t)(what >> 8),
                       .lane = (uint8_t)(what >> 16),
                       .tenths = (uint8_t)(what >> 24),
                       .program = (uint8_t)what == SPA_EV_ARRIVE ? r->program : 0,
                       .power_w = power_w};
    e->config.record(e->config.record_user, &event);
}

/* The digest chains one multiply-xorshift round per event over a word in which every part of the
 * event counts; time and request are multiplied out once per step and per request. */
ENGINE_INLINE void emit(spa_engine *e, spa_event_kind kind, const engine_request *r, uint32_t op,
                        uint32_t place, float power_w)
{
    uint64_t what = (uint64_t)((uint32_t)kind | place) | (uint64_t)op << 32;
    uint64_t h = (e->state.digest ^ e->state.now_hash ^ r->number_hash ^ what) * DIGEST_ROUND;
    e->state.digest = h ^ h >> 32;
    if (ENGINE_RARELY(e->config.record)) record_event(e, what, r, power_w);
    e->state.sequence++;
}

/* The same of a node that may be a part of an operator. */
ENGINE_INLINE void emit_node(spa_engine *e, spa_event_kind kind, engine_request *r, uint32_t node,
                             uint32_t place, float power_w)
{
    if (ENGINE_RARELY(e->splits)) {
        place |= tenths_of(e, r, node) << 24;
        node = whole_of(e, node);
    }
    emit(e, kind, r, node, place, power_w);
}

/* The same of a tensor, or of the part of it that a twin has made, on its way. */
ENGINE_INLINE void emit_move(spa_engine *e, spa_event_kind kind, engine_request *r, uint32_t node,
                             uint32_t place, float power_w)
{
    if (ENGINE_RARELY(is_twin(e, node)))
        emit_node(e, kind, r, node, place, power_w);
    else
        emit(e, kind, r, node, place, power_w);
}

#endif
