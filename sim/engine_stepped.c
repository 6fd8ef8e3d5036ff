/* Runs that the caller decides, operator by operator. */
#include "sim/engine_state.h"

spa_status spa_engine_start(spa_engine *e, bool *done, spa_error *err)
{
    *done = false;
    if (!e->stepped || e->state.sequence || e->state.stopped)
        return spa_fail(err, SPA_E_INVALID, "%s",
                        e->stepped ? "the run has begun already" : "the run is not a stepped one");
    e->loop->begin(e);
    return engine_run_on(e, INT64_MAX - 1, done, err);
}

spa_status spa_engine_decide(spa_engine *e, spa_action action, bool *done, spa_error *err)
{
    *done = false;
    if (!(e->state.stopped & STOP_ASKS))
        return spa_fail(err, SPA_E_INVALID, "no operator waits for a decision");
    e->decided = action;
    e->loop->decide(e);
    return engine_run_on(e, INT64_MAX - 1, done, err);
}

uint32_t spa_engine_asked(const spa_engine *e)
{
    return e->state.stopped & STOP_ASKS ? e->state.asked_op : SPA_NONE;
}

const spa_view *spa_engine_view(spa_engine *e)
{
    uint32_t slot = e->state.asked_slot;
    e->loop->fill_view(e, request_of(e, slot), slot);
    return &e->view;
}

static inline void prefetch(const void *from, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += ENGINE_LINE)
        __builtin_prefetch((const unsigned char *)from + at);
}

void spa_engine_prefetch(const spa_engine *e)
{
    engine_request *r = request_of(e, e->state.asked_slot);
    uint32_t op = e->state.asked_op;
    prefetch(block_of(e), e->layout.events + ENGINE_LINE);
    prefetch(r, sizeof *r);
    prefetch(&r->ops[op], 2 * ENGINE_LINE);
    prefetch(&finish_of(e, r)[op], ENGINE_LINE);
    prefetch(&placed_of(e, r)[op], 1);
    prefetch(&where_of(e, r)[op], 1);
    prefetch(ready_of(e, r), 1);
}
