/* Campaigns: interleaved visits, bursts, samples. */
#define _POSIX_C_SOURCE 200809L
#include "kernels/campaign.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "kernels/mood.h"
#include "kernels/samples.h"

/* A visit whose fastest inference is this much slower than the entry's median so far met a burst.
 */
#define BURST_VISIT   1.4
#define BURST_TRIES   5
#define BURST_REST_NS 200000000L
spa_campaign_options spa_campaign_default(void)
{
    return (spa_campaign_options){.rounds = 3, .runs = 10, .burst_factor = 1.5, .seed = 1};
}

typedef struct campaign {
    spa_hardware *hardware;
    const spa_costs *costs;
    const spa_campaign_entry *entries;
    size_t n;
    const spa_campaign_options *options;
    spa_samples *samples;
    spa_hardware_record record;
    double *scratch;
    spa_anchors *anchors;
    spa_mood mood;     /* as last read: the end of one visit is the beginning of the next */
    double turn_bytes; /* that cross between lanes in the anchor in turn */
} campaign;

static uint32_t concurrency_of(const spa_campaign_entry *entry)
{
    return entry->concurrency ? entry->concurrency : 1;
}

/* Of each slot the first inference is dropped, and with several in flight also the last ones, which
 * ran without company. */
static uint64_t requests_of(const campaign *c, const spa_campaign_entry *entry)
{
    uint64_t runs = (uint64_t)c->options->runs, k = concurrency_of(entry);
    return k == 1 ? runs + 1 : k * (runs + 2);
}

static bool is_measured(const campaign *c, const spa_campaign_entry *entry, uint64_t request)
{
    uint64_t k = concurrency_of(entry);
    return request >= k && (k == 1 || request + k < requests_of(c, entry));
}

static spa_status run_visit(campaign *c, const spa_campaign_entry *entry, spa_error *err)
{
    spa_run_config config = spa_run_config_default();
    spa_engine *engine;
    spa_run_result result;
    config.graph = c->costs->graph;
    config.costs = c->costs;
    config.schedule = entry->schedule;
    config.policy = entry->policy;
    config.self = entry->self;
    config.scenario = spa_scenario_closed(concurrency_of(entry), requests_of(c, entry));
    SPA_TRY(spa_hardware_config(c->hardware, &config, err));
    SPA_TRY(spa_engine_new(&engine, &config, err));
    spa_status status = spa_hardware_run(c->hardware, engine, &c->record, NULL, &result, err);
    spa_engine_free(engine);
    return status;
}

static double record_total_us(const campaign *c, uint64_t request)
{
    return (double)(c->record.finish_ns[request] - c->record.arrive_ns[request]) * 1e-3;
}

static bool met_a_burst(campaign *c, const spa_campaign_entry *entry, const spa_samples *s)
{
    double fastest = INFINITY;
    if (s->count == 0) return false;
    for (uint64_t q = 0; q < requests_of(c, entry); q++)
        if (is_measured(c, entry, q)) fastest = fmin(fastest, record_total_us(c, q));
    return fastest > BURST_VISIT * spa_samples_quantile(s, 0.5, c->scratch);
}

static void rest(long ns)
{
    struct timespec time = {.tv_nsec = ns};
    nanosleep(&time, NULL);
}

/* Between two readings. */
static spa_mood mean_mood(const campaign *c, const spa_mood *before, const spa_mood *after)
{
    spa_mood mean = {{0}};
    for (size_t k = 0; k < spa_anchors_count(c->anchors); k++)
        mean.log_us[k] = 0.5f * (before->log_us[k] + after->log_us[k]);
    return mean;
}

static spa_status visit(campaign *c, size_t i, int32_t round, spa_error *err)
{
    const spa_campaign_entry *entry = &c->entries[i];
    spa_samples *s = &c->samples[i];
    for (int try = 0; try < BURST_TRIES; try++) {
        SPA_TRY(run_visit(c, entry, err));
        if (!met_a_burst(c, entry, s)) break;
        rest(BURST_REST_NS);
        SPA_TRY(spa_anchors_read(c->anchors, &c->mood, err));
    }
    spa_mood before = c->mood, mood;
    SPA_TRY(spa_anchors_read(c->anchors, &c->mood, err));
    mood = mean_mood(c, &before, &c->mood);
    for (uint64_t q = 0; q < requests_of(c, entry) && s->count < s->capacity; q++)
        if (is_measured(c, entry, q))
            spa_samples_add(s, c->costs->graph, &c->record, q, (uint16_t)round, &mood);
    spa_samples_judge(s, c->options->burst_factor, c->scratch);
    return SPA_OK;
}

static void shuffle(size_t *order, size_t n, spa_rng *rng)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = spa_rng_below(rng, (uint32_t)i), other = order[k];
        order[k] = order[i - 1];
        order[i - 1] = other;
    }
}

/* `usual` once and for all: rows that come later are brought to the same pace. */
static void judge_all(campaign *c, const spa_mood *usual)
{
    for (size_t i = 0; i < c->n; i++) {
        spa_samples_pace(&c->samples[i], c->costs->graph, c->anchors, usual, c->turn_bytes);
        spa_samples_judge(&c->samples[i], c->options->burst_factor, c->scratch);
    }
}

static spa_status visit_all(campaign *c, size_t *order, spa_error *err)
{
    spa_rng rng;
    spa_mood usual;
    size_t done = 0, visits = c->n * (size_t)c->options->rounds;
    spa_rng_init(&rng, c->options->seed, "campaign");
    for (size_t i = 0; i < c->n; i++) order[i] = i;
    for (int32_t round = 0; round < c->options->rounds; round++) {
        shuffle(order, c->n, &rng);
        for (size_t i = 0; i < c->n; i++) {
            if (c->options->progress)
                c->options->progress(c->options->context, (double)done++ / (double)visits);
            SPA_TRY(visit(c, order[i], round, err));
        }
    }
    spa_anchors_usual(c->anchors, &usual);
    judge_all(c, &usual);
    /* What bursts took away, within the capacity of the samples. */
    for (size_t i = 0; i < c->n; i++) {
        spa_samples *s = &c->samples[i];
        size_t wanted = s->capacity / 2;
        while (s->n_kept < wanted && s->count < s->capacity)
            SPA_TRY(visit(c, i, c->options->rounds - 1, err));
    }
    judge_all(c, &usual);
    return SPA_OK;
}

static spa_status prepare(campaign *c, spa_error *err)
{
    uint64_t most = 0, samples = 0;
    for (size_t i = 0; i < c->n; i++) {
        uint64_t k = concurrency_of(&c->entries[i]), requests = requests_of(c, &c->entries[i]);
        uint64_t capacity = 2 * k * (uint64_t)c->options->runs * (uint64_t)c->options->rounds;
        SPA_TRY(spa_samples_init(&c->samples[i], c->costs, spa_hardware_lanes(c->hardware)->count,
                                 capacity, err));
        if (requests > most) most = requests;
        if (capacity > samples) samples = capacity;
    }
    SPA_TRY(spa_anchors_new(&c->anchors, c->hardware, c->costs, err));
    c->turn_bytes = spa_anchors_turn_bytes(c->anchors);
    for (int i = 0; i < 2; i++) /* the first one warms up */
        SPA_TRY(spa_anchors_read(c->anchors, &c->mood, err));
    SPA_TRY(spa_alloc(&c->scratch, samples, sizeof *c->scratch, err));
    return spa_hardware_record_init(&c->record, c->hardware, most, false, err);
}

static spa_status check(const spa_campaign_options *o, size_t n, spa_error *err)
{
    if (n == 0) return spa_fail(err, SPA_E_INVALID, "a campaign of nothing");
    if (o->rounds < 1 || o->rounds > 1000 || o->runs < 1 || o->runs > 10000)
        return spa_fail(err, SPA_E_RANGE,
                        "%d rounds of %d runs; 1 to 1000 and 1 to 10000 are "
                        "possible",
                        (int)o->rounds, (int)o->runs);
    if (!(o->burst_factor > 1))
        return spa_fail(err, SPA_E_RANGE, "the burst factor is %g; it must exceed 1",
                        o->burst_factor);
    return SPA_OK;
}

spa_status spa_campaign_run(spa_hardware *hardware, const spa_costs *costs,
                            const spa_campaign_entry *entries, size_t n,
                            const spa_campaign_options *options, spa_samples *samples,
                            spa_error *err)
{
    campaign c = {.hardware = hardware,
                  .costs = costs,
                  .entries = entries,
                  .n = n,
                  .options = options,
                  .samples = samples};
    size_t *order = NULL;
    memset(samples, 0, n * sizeof *samples);
    SPA_TRY(check(options, n, err));
    spa_status status = spa_alloc(&order, n, sizeof *order, err);
    if (!status) status = prepare(&c, err);
    if (!status) status = visit_all(&c, order, err);
    spa_hardware_record_fini(&c.record);
    spa_anchors_free(c.anchors);
    free(c.scratch);
    free(order);
    return status;
}
