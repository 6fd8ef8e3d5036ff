/* The state of an engine as bytes: saving and resuming. */
#include "sim/engine.h"

#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "sim/audit.h"
#include "sim/batcher.h"
#include "sim/engine_state.h"

#define ENGINE_STATE_VERSION 8u
#define ENGINE_STATE_MAGIC   UINT64_C(0x31455441545350) /* "PSTATE1" */

typedef struct saved_head {
    uint64_t magic, version, size, config_hash, checksum, seed, replication, noise_key;
} saved_head;

/* Over the head (with no checksum in it) and the state. */
static uint64_t checksum(const saved_head *head, const void *state)
{
    saved_head bare = *head;
    bare.checksum = 0;
    return spa_hash_bytes(spa_hash_bytes(SPA_HASH_SEED, &bare, sizeof bare), state, head->size);
}

/* What a batcher's parameters come to: its target, and what it says of one sample that waits. */
static uint64_t batcher_hash(const spa_engine *e, uint64_t h)
{
    const spa_batcher *b = e->config.batcher;
    spa_batch_view one = {.waiting = 1};
    h = spa_hash_bytes(h, b->name, strlen(b->name));
    for (uint32_t k = 0; k < e->batching->n_queues; k++) {
        const void *self = e->config.batcher_selves[k];
        spa_batch_choice choice = {.until_ns = INT64_MAX};
        b->decide(self, &one, &choice);
        h = spa_hash_u64(spa_hash_u64(h, choice.close), (uint64_t)choice.until_ns);
        if (b->target) h = spa_hash_u64(h, b->target(self));
    }
    return h;
}

static uint64_t config_hash(const spa_engine *e)
{
    const spa_scenario *sc = &e->config.scenario;
    uint64_t h = spa_hash_u64(e->costs->hash, e->graph->hash);
    h = spa_hash_u64(h, (uint64_t)sc->arrivals << 32 | sc->concurrency);
    h = spa_hash_u64(spa_hash_u64(h, sc->requests), sc->warmup);
    if (spa_scenario_is_open(sc)) h = spa_hash_bytes(h, &sc->rate_hz, sizeof sc->rate_hz);
    h = spa_scenario_hash(spa_hash_u64(h, (uint64_t)sc->workers << 32 | sc->serial_ops), sc);
    h = spa_hash_u64(h, (uint64_t)e->config.objective << 3 | (uint64_t)e->config.noise << 2 |
                            (uint64_t)e->config.contention << 1 | e->config.policy_cost);
    for (uint32_t i = 0; i < program_count(e); i++) {
        const spa_program *program = &e->config.programs->items[i];
        h = spa_hash_bytes(h, &program->weight, sizeof program->weight);
        if (e->config.batcher)
            h = spa_hash_u64(h, (uint64_t)program->queue << 32 | program->samples);
    }
    if (e->config.batcher) h = batcher_hash(e, h);
    if (e->has_conditions) h = spa_costs_modes_hash(e->costs, h);
    if (e->stepped) h = spa_hash_u64(h, (uint64_t)e->policy_ns);
    if (e->config.policy)
        h = spa_hash_bytes(h, e->config.policy->name, strlen(e->config.policy->name));
    if (e->has_schedule) {
        h = spa_hash_bytes(h, e->schedule.processor, e->n_ops);
        h = spa_hash_bytes(h, e->schedule.lane, e->n_ops);
        h = spa_hash_bytes(h, e->schedule.order, e->n_ops * sizeof *e->schedule.order);
    }
    if (e->has_schedule && spa_schedule_chunks(&e->schedule))
        h = spa_hash_bytes(h, e->schedule.chunk, e->n_ops * sizeof *e->schedule.chunk);
    if (e->splits && e->has_schedule) {
        h = spa_hash_bytes(h, e->schedule.share, e->n_ops);
        h = spa_hash_bytes(h, e->schedule.second, e->n_ops);
    }
    return h;
}

spa_status spa_engine_save(const spa_engine *e, void **bytes, size_t *size, spa_error *err)
{
    saved_head head = {.magic = ENGINE_STATE_MAGIC,
                       .version = ENGINE_STATE_VERSION,
                       .size = e->layout.total,
                       .config_hash = config_hash(e),
                       .seed = e->config.seed,
                       .replication = e->config.replication,
                       .noise_key = e->noise_key};
    unsigned char *out = NULL;
    *bytes = NULL;
    *size = 0;
    if (e->failed) { /* nothing could go on from here */
        if (err) *err = e->error;
        return e->failed;
    }
    head.checksum = checksum(&head, block_of(e));
    SPA_TRY(spa_alloc(&out, sizeof head + e->layout.total, 1, err));
    memcpy(out, &head, sizeof head);
    memcpy(out + sizeof head, block_of(e), e->layout.total);
    *bytes = out;
    *size = sizeof head + e->layout.total;
    return SPA_OK;
}

spa_status spa_engine_resume(spa_engine *e, const void *bytes, size_t size, spa_error *err)
{
    saved_head head;
    if (size < sizeof head) return spa_fail(err, SPA_E_PARSE, "saved state: truncated");
    memcpy(&head, bytes, sizeof head);
    if (head.magic != ENGINE_STATE_MAGIC || head.version != ENGINE_STATE_VERSION)
        return spa_fail(err, SPA_E_PARSE, "saved state: not one of this version");
    if (head.size != e->layout.total || size != sizeof head + head.size ||
        head.config_hash != config_hash(e))
        return spa_fail(err, SPA_E_INVALID,
                        "saved state: made by another configuration (graph, costs, policy or "
                        "scenario)");
    if (checksum(&head, (const unsigned char *)bytes + sizeof head) != head.checksum)
        return spa_fail(err, SPA_E_PARSE, "saved state: damaged (checksum differs)");
    memcpy(block_of(e), (const unsigned char *)bytes + sizeof head, head.size);
    e->config.seed = head.seed;
    e->config.replication = head.replication;
    e->arrival_key = spa_hash_u64(spa_hash_bytes(head.seed, "arrivals", 8), head.replication);
    e->mix_key = spa_hash_u64(spa_hash_bytes(head.seed, "mix", 3), head.replication);
    e->noise_key = head.noise_key;
    engine_conditions_keys(e);
    e->failed = SPA_OK;
    if (e->audit) spa_audit_suspend(e->audit); /* it has not seen the beginning */
    return SPA_OK;
}
