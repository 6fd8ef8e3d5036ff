/* What every batcher must do. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/rng.h"
#include "base/text.h"
#include "experiments/conformance.h"

#define SEEDS          24
#define SAMPLES        200
#define MOST_QUESTIONS 10000 /* of a stream: who asks again and again waits for nothing */

/* A stream of samples before one machine that runs one batch after another. */
typedef struct queue {
    const spa_batcher *batcher;
    const void *self;
    spa_batch_table table;
    int64_t arrival_ns[SAMPLES];
    uint32_t arrived, served, largest;
    int64_t now_ns, free_ns; /* when the machine is free */
    uint64_t digest;         /* of the decisions */
} queue;

static spa_batch_table random_table(spa_rng *rng)
{
    spa_batch_table t = {.count = 1 + spa_rng_below(rng, SPA_MAX_SIZES)};
    int64_t base_ns = 1000000 + (int64_t)spa_rng_below(rng, 9000000);
    int64_t each_ns = 100000 + (int64_t)spa_rng_below(rng, 2000000);
    for (uint32_t i = 0; i < t.count; i++) {
        t.sizes[i] = 1u << i;
        t.latency_ns[i] = base_ns + each_ns * (int64_t)t.sizes[i];
        t.memory_bytes[i] = 1000000 * (int64_t)(10 + t.sizes[i]);
    }
    t.sparsity = spa_rng_uniform(rng);
    t.intensity = 1e6 * (1 + spa_rng_below(rng, 1000));
    t.rate_hz = 1e9 / (double)(base_ns + each_ns) * (0.2 + spa_rng_uniform(rng));
    return t;
}

static void random_stream(queue *q, spa_rng *rng)
{
    double at = 0;
    for (int i = 0; i < SAMPLES; i++) {
        at += spa_rng_exponential(rng, 1e9 / q->table.rate_hz);
        q->arrival_ns[i] = (int64_t)at;
    }
}

static spa_status broken(const queue *q, const spa_batch_choice *c, const char *what,
                         spa_error *err)
{
    return spa_fail(err, SPA_E_ILLEGAL,
                    "%s: at %" PRId64 " ns it closed %" PRIu64
                    " of %u samples and asked for %" PRId64 " ns",
                    what, q->now_ns, c->close, q->arrived - q->served, c->until_ns);
}

/* Asks once while something waits and the machine is free; *next_ns: when to ask again. */
static spa_status ask(queue *q, int64_t *next_ns, spa_error *err)
{
    spa_batch_view view = {.now_ns = q->now_ns,
                           .oldest_ns = q->arrival_ns[q->served],
                           .waiting = q->arrived - q->served,
                           .last = q->arrived == SAMPLES};
    spa_batch_choice c = {.until_ns = INT64_MAX};
    q->batcher->decide(q->self, &view, &c);
    q->digest = spa_hash_u64(spa_hash_u64(q->digest, c.close), (uint64_t)c.until_ns);
    if (c.close > view.waiting) return broken(q, &c, "more than wait", err);
    if (c.close > q->largest) return broken(q, &c, "more than its largest batch", err);
    if (c.close == 0 && c.until_ns <= q->now_ns)
        return broken(q, &c, "it waits for what is past", err);
    /* As the engine has it: nothing more will come, so that the rest is a batch. */
    if (c.close == 0 && view.last && c.until_ns == INT64_MAX)
        c.close = view.waiting < q->largest ? view.waiting : q->largest;
    *next_ns = c.close ? q->now_ns : c.until_ns;
    if (c.close) {
        uint32_t at = spa_batch_table_find(&q->table, c.close);
        q->free_ns = q->now_ns + q->table.latency_ns[at];
        q->served += (uint32_t)c.close;
    }
    return SPA_OK;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static spa_status serve(queue *q, spa_error *err)
{
    int64_t wake_ns = INT64_MAX;
    q->arrived = q->served = 0;
    q->now_ns = q->free_ns = 0;
    q->digest = SPA_HASH_SEED;
    for (int asked = 0; q->served < SAMPLES; asked++) {
        if (asked > MOST_QUESTIONS)
            return spa_fail(err, SPA_E_ILLEGAL, "%d questions, and %u samples still wait",
                            MOST_QUESTIONS, q->arrived - q->served);
        int64_t next_ns = q->arrived < SAMPLES ? q->arrival_ns[q->arrived] : INT64_MAX;
        bool idle = q->free_ns <= q->now_ns;
        if (q->arrived > q->served) next_ns = earlier(next_ns, idle ? wake_ns : q->free_ns);
        if (next_ns > q->now_ns) q->now_ns = next_ns;
        while (q->arrived < SAMPLES && q->arrival_ns[q->arrived] <= q->now_ns) q->arrived++;
        wake_ns = INT64_MAX;
        if (q->arrived > q->served && q->free_ns <= q->now_ns) SPA_TRY(ask(q, &wake_ns, err));
    }
    return SPA_OK;
}

/* A prepared batcher on a stream, twice. */
static spa_status check_stream(queue *q, spa_error *err)
{
    uint32_t target = q->batcher->target(q->self), attention = 0, activation = 0;
    if (target < 1 || target > q->largest)
        return spa_fail(err, SPA_E_ILLEGAL, "it aims at batches of %u, and its largest is %u",
                        target, q->largest);
    q->batcher->chunks(q->self, &attention, &activation);
    SPA_TRY(serve(q, err));
    uint64_t first = q->digest;
    SPA_TRY(serve(q, err));
    if (q->digest == first) return SPA_OK;
    return spa_fail(err, SPA_E_ILLEGAL,
                    "it decides differently when asked the same again: what it knows must not "
                    "change while it decides");
}

static spa_status check_seed(spa_conformance *done, queue *q, const spa_param_values *values,
                             uint64_t seed, spa_error *err)
{
    spa_rng rng;
    void *self = NULL;
    spa_error cause = {0};
    spa_rng_init_indexed(&rng, seed, "conformance/batcher", 0);
    q->table = random_table(&rng);
    random_stream(q, &rng);
    SPA_TRY(q->batcher->create(&self, values, err));
    q->self = self;
    q->largest = q->batcher->largest(self);
    spa_status status = SPA_OK;
    if (q->largest < 1 || q->largest > SPA_MAX_BATCH)
        status = spa_fail(&cause, SPA_E_ILLEGAL, "its largest batch, %u, is not 1 to %u",
                          q->largest, SPA_MAX_BATCH);
    if (!status && q->batcher->prepare) status = q->batcher->prepare(self, &q->table, &cause);
    done->trials++;
    if (status == SPA_E_UNSUPPORTED) {
        done->skipped++;
        snprintf(done->why, sizeof done->why, "%.250s", cause.message);
        status = SPA_OK;
    } else if (!status) {
        status = check_stream(q, &cause);
    }
    q->batcher->destroy(self);
    if (!status) return SPA_OK;
    return spa_fail(err, status, "random stream %" PRIu64 ": %.600s", seed, cause.message);
}

spa_status spa_conformance_check_batcher(spa_conformance *done, const spa_batcher *batcher,
                                         const spa_param_values *values, spa_error *err)
{
    queue q = {.batcher = batcher};
    *done = (spa_conformance){0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) SPA_TRY(check_seed(done, &q, values, seed, err));
    return SPA_OK;
}
