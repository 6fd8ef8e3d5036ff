/* results.db: the hash of a run, which covers all that decides its outcome. */
#include <string.h>
#include "experiments/parts.h"
#include "experiments/plugins.h"
#include "experiments/results.h"

static uint64_t hash_text(uint64_t h, const char *text)
{
    return spa_hash_bytes(h, text, strlen(text) + 1);
}

/* Factors at their neutral values leave the hash as it was before they existed. */
static uint64_t hash_factors(uint64_t h, const spa_options *o)
{
    const double x[] = {o->scales.contention, o->scales.launch, o->scales.transfer, o->scales.rho,
                        o->scales.noise};
    bool scaled = false;
    for (int i = 0; i < 5; i++) scaled |= x[i] != 1;
    if (scaled) h = spa_hash_bytes(hash_text(h, "scales"), x, sizeof x);
    if (spa_batcher_given(o)) h = hash_text(hash_text(h, "batcher"), o->batcher);
    if (o->ablated) h = spa_hash_u64(hash_text(h, "ablated"), o->ablated);
    if (o->curve_steps) h = spa_hash_u64(hash_text(h, "curve"), (uint64_t)o->curve_steps);
    if (o->half_width > 0) {
        h = spa_hash_bytes(hash_text(h, "half-width"), &o->half_width, sizeof o->half_width);
        h = spa_hash_u64(h, (uint64_t)o->min_reps);
    }
    return h;
}

uint64_t spa_run_key_hash(const spa_run_key *key)
{
    const spa_scenario *s = key->scenario;
    const spa_options *o = key->options;
    uint64_t h = hash_text(SPA_HASH_SEED, key->experiment);
    /* The table's hash covers graph, device, mode, stack, lanes and every cost. */
    h = spa_hash_u64(spa_hash_u64(h, key->c->graph.hash), key->c->costs.hash);
    for (size_t i = 0; i < key->c->graph.n_ops; i++) {
        double rho = key->c->graph.ops[i].sparsity; /* not in the graph's hash, policies read it */
        uint64_t bits = 0;
        if (rho == rho) memcpy(&bits, &rho, sizeof bits);
        h = spa_hash_u64(h, rho == rho ? bits : UINT64_MAX);
    }
    h = hash_text(hash_text(h, key->c->graph.name), key->policy); /* a mix: names and weights */
    if (key->baseline) h = hash_text(h, key->baseline); /* else as ever: old hashes stay */
    if (key->range && *key->range) h = hash_text(h, key->range);
    h = spa_hash_u64(hash_text(h, s->name), (uint64_t)s->arrivals);
    h = spa_hash_u64(spa_hash_u64(h, s->concurrency), s->requests);
    if (spa_scenario_is_open(s)) h = spa_hash_bytes(h, &s->rate_hz, sizeof s->rate_hz);
    h = spa_hash_u64(spa_hash_u64(h, s->warmup), (uint64_t)s->workers << 32 | s->serial_ops);
    h = spa_scenario_hash(h, s);
    if (spa_conditions_any(&s->conditions)) h = spa_costs_modes_hash(&key->c->costs, h);
    h = spa_hash_u64(spa_hash_u64(h, (uint64_t)o->objective), (uint64_t)o->seed);
    h = spa_hash_u64(spa_hash_u64(h, spa_study_reps(o)), (uint64_t)o->budget);
    h = spa_hash_u64(h, (uint64_t)!o->contention << 2 | (uint64_t)o->noise << 1 |
                            (uint64_t)o->policy_cost);
    if (key->models) h = hash_text(h, key->models);
    uint64_t plugin =
        spa_plugins_hash(o->plugins, key->policy); /* another build is another policy */
    if (plugin) h = spa_hash_u64(hash_text(h, "plugin"), plugin);
    plugin = spa_plugins_batcher_hash(o->plugins, o->batcher);
    if (plugin) h = spa_hash_u64(hash_text(h, "batcher plugin"), plugin);
    if (key->inputs) h = spa_hash_u64(h, key->inputs);
    return hash_factors(h, o);
}
