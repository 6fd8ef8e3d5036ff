/* Running an engine: to its end, to a moment, or stepped by an executor; copying where it is. */
#include "sim/engine.h"

#include <string.h>
#include "sim/audit.h"
#include "sim/engine_state.h"

spa_status engine_run_on(spa_engine *e, int64_t until_ns, bool *done, spa_error *err)
{
    const engine_state *s = &e->state;
    uint64_t requests = e->config.scenario.requests;
    engine_outcome outcome = e->loop->advance(e, until_ns);
    uint64_t served = e->batching ? e->batching->served : s->finished;
    if (outcome == ENGINE_STUCK)
        return spa_fail(err, SPA_E_ILLEGAL,
                        "nothing can happen any more at %.3f ms, but %llu of %llu requests are "
                        "not finished: the schedule waits for itself",
                        (double)s->now * 1e-6, (unsigned long long)(requests - served),
                        (unsigned long long)requests);
    if (outcome == ENGINE_FAILED) {
        if (err) *err = e->error;
        return e->failed;
    }
    *done = outcome == ENGINE_DONE;
    return SPA_OK;
}

spa_status spa_engine_run_until(spa_engine *e, int64_t until_ns, bool *done, spa_error *err)
{
    *done = false;
    if (e->stepped)
        return spa_fail(err, SPA_E_INVALID, "a stepped run goes on with spa_engine_decide");
    if (!e->state.begun) e->loop->begin(e);
    return engine_run_on(e, until_ns, done, err);
}

spa_status spa_engine_run(spa_engine *e, spa_histogram *latencies, spa_run_result *result,
                          spa_error *err)
{
    spa_status status;
    bool done;
    memset(result, 0, sizeof *result);
    e->latencies = latencies;
    status = spa_engine_run_until(e, INT64_MAX - 1, &done, err);
    e->latencies = NULL;
    if (status) return status;
    return spa_engine_result(e, result, err);
}

spa_status spa_engine_result(spa_engine *e, spa_run_result *result, spa_error *err)
{
    engine_state *s = &e->state;
    s->result.requests = e->batching ? e->batching->served : s->finished;
    s->result.runs = s->finished;
    s->result.span_ns = s->now;
    double base_j =
        e->conditions ? e->conditions->base_j : e->costs->base_w * (double)s->now * 1e-9;
    s->result.energy_j = s->result.energy_dynamic_j + base_j;
    s->result.events = s->sequence;
    s->result.digest = s->digest;
    *result = s->result;
    if (e->audit) return spa_audit_finish(e->audit, result, err);
    return SPA_OK;
}

/* ---- stepped by an executor -------------------------------------------------------------------
 */

static spa_status outcome_of(const spa_engine *e, bool *done, spa_error *err)
{
    *done = e->state.stopped != 0;
    if (e->failed && err) *err = e->error;
    return e->failed;
}

spa_status spa_engine_begin(spa_engine *e, spa_histogram *latencies, bool *done, spa_error *err)
{
    e->latencies = latencies;
    e->loop->begin(e);
    return outcome_of(e, done, err);
}

spa_status spa_engine_complete(spa_engine *e, uint32_t event_slot, int64_t now_ns, bool *done,
                               spa_error *err)
{
    e->loop->complete(e, event_slot, now_ns < e->state.now ? e->state.now : now_ns);
    return outcome_of(e, done, err);
}

int64_t spa_engine_next_arrival_ns(const spa_engine *e)
{
    return e->arrival_slot == SPA_NONE ? SPA_NEVER
                                       : spa_event_list_times(e->events)[e->arrival_slot];
}

spa_status spa_engine_arrive(spa_engine *e, int64_t now_ns, bool *done, spa_error *err)
{
    return spa_engine_complete(e, e->arrival_slot, now_ns, done, err);
}

uint32_t spa_engine_lanes(const spa_engine *e)
{
    return e->n_lanes;
}

const spa_schedule *spa_engine_schedule(const spa_engine *e)
{
    return e->has_schedule && !e->calls_place ? &e->schedule : NULL;
}

int64_t spa_engine_now(const spa_engine *e)
{
    return e->state.now;
}

spa_batch_result spa_engine_batch_result(const spa_engine *e)
{
    return e->batching ? e->batching->result : (spa_batch_result){0};
}

spa_moments spa_engine_program_latency(const spa_engine *e, uint32_t program)
{
    return program < program_count(e) ? program_latency(e)[program] : (spa_moments){0};
}

size_t spa_engine_state_bytes(const spa_engine *e)
{
    return e->layout.total;
}

void spa_engine_copy(spa_engine *to, const spa_engine *from)
{
    memcpy(block_of(to), block_of(from), from->layout.total);
    to->failed = from->failed;
    to->noise_key = from->noise_key;
    to->arrival_key = from->arrival_key;
    to->conditions_key = from->conditions_key;
    to->zeros_key = from->zeros_key;
    to->mix_key = from->mix_key;
    to->config.seed = from->config.seed;
    to->config.replication = from->config.replication;
    if (to->audit && from->audit) spa_audit_copy(to->audit, from->audit);
}
