/* Engine life cycle: checks, layout of the state, new, clone, restart. Running is in engine_run.c,
 * saving in engine_save.c. */
#include "sim/engine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "sim/audit.h"
#include "sim/engine_state.h"

spa_run_config spa_run_config_default(void)
{
    spa_run_config c = {.scenario = spa_scenario_single(),
                        .objective = SPA_OBJECTIVE_LATENCY,
                        .noise = false,
                        .policy_cost = true,
                        .contention = true,
                        .seed = 1};
    return c;
}

/* ---- layout ---------------------------------------------------------------------------------- */

static size_t take(size_t *at, size_t bytes)
{
    size_t here = (*at + 7) & ~(size_t)7;
    *at = here + bytes;
    return here;
}

static size_t take_lines(size_t *at, size_t bytes)
{
    *at = (*at + ENGINE_LINE - 1) & ~(size_t)(ENGINE_LINE - 1);
    return take(at, bytes);
}

/* A policy has one memory, and one for each of several programs. */
static size_t take_memory(const spa_engine *e, size_t *at)
{
    if (!e->config.policy) return take(at, 0);
    if (e->config.programs) return take_lines(at, program_count(e) * policy_stride(e));
    return take(at, e->config.policy->memory_bytes);
}

static size_t batching_bytes(const spa_engine *e)
{
    return e->config.batcher ? sizeof(engine_batching) + e->n_slots * sizeof(engine_batch) : 0;
}

static void lay_out(spa_engine *e)
{
    engine_layout *l = &e->layout;
    size_t t = e->n_nodes, others = e->n_processors > 2 ? e->n_processors - 2 : 0;
    size_t slots = e->n_lanes + e->n_links;
    size_t at = sizeof(engine_request) + t * sizeof(engine_op);
    l->finish = take(&at, t * sizeof(int64_t));
    l->ready = take(&at, e->n_words * sizeof(uint64_t));
    l->where = take(&at, t);
    l->placed = at;
    at += t;
    l->more_next = take(&at, t * others * sizeof(uint32_t));
    l->share = at;
    l->joins = at += e->splits ? e->n_ops : 0;
    at += e->splits ? e->n_ops : 0;
    l->request_bytes = (at + ENGINE_LINE - 1) & ~(size_t)(ENGINE_LINE - 1);
    at = offsetof(spa_engine, lanes) - offsetof(spa_engine, state);
    at += e->n_lanes * sizeof(engine_lane);
    l->links = take(&at, e->n_links * sizeof(engine_link));
    l->activities = take(&at, slots * sizeof(engine_activity));
    l->active = take(&at, (slots + 1) * sizeof *e->active);
    l->events = take(&at, spa_event_list_bytes(e->n_event_slots));
    l->memory = take_memory(e, &at);
    l->programs = take(&at, program_count(e) * sizeof(spa_moments));
    l->batching = take(&at, batching_bytes(e));
    l->conditions = take(&at, e->has_conditions ? sizeof(engine_conditions) : 0);
    l->watts = take(&at, e->has_conditions ? 2 * slots * sizeof(double) : 0);
    l->requests = take_lines(&at, e->n_slots * l->request_bytes);
    l->total = at;
}

static spa_status take_link(spa_engine *e, uint32_t from, uint32_t to, spa_error *err)
{
    const spa_costs *c = e->costs;
    const spa_cost_link *link = &c->links[from][to];
    if (link->id >= e->n_links) e->n_links = link->id + 1u;
    if (!link->on_lane) return SPA_OK;
    e->lane_copies = true;
    if (c->processors[from].is_async || c->processors[to].is_async)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "link %s -> %s: lanes cannot copy to or from an asynchronous processor",
                        c->processors[from].name, c->processors[to].name);
    if (c->processors[to].n_lanes > 1)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "link %s -> %s: copies made by a lane need a processor of one lane, not "
                        "%u; make each lane a processor",
                        c->processors[from].name, c->processors[to].name,
                        c->processors[to].n_lanes);
    return SPA_OK;
}

static spa_status lay_out_lanes(spa_engine *e, spa_error *err)
{
    const spa_costs *c = e->costs;
    e->n_lanes = 0;
    for (uint32_t p = 0; p < e->n_processors; p++) {
        e->lane_first[p] = e->n_lanes;
        e->n_lanes += c->processors[p].n_lanes;
        e->only_lane[p] = c->processors[p].n_lanes == 1 && !(e->workers && p == e->host)
                              ? e->lane_first[p]
                              : SPA_NONE;
        e->is_async[p] = c->processors[p].is_async;
        if (c->processors[p].n_lanes == 0 || e->n_lanes > SPA_MAX_LANES)
            return spa_fail(err, SPA_E_RANGE, "%s: lanes must be 1 .. %d in all",
                            c->processors[p].name, SPA_MAX_LANES);
    }
    e->n_links = 0;
    e->lane_copies = false;
    for (uint32_t a = 0; a < e->n_processors; a++)
        for (uint32_t b = 0; b < e->n_processors; b++)
            if (a != b) SPA_TRY(take_link(e, a, b, err));
    if (e->n_links > SPA_MAX_LINKS) return spa_fail(err, SPA_E_RANGE, "too many links");
    return SPA_OK;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void begin_policy(const spa_engine *e, const void *self, void *memory)
{
    const spa_policy *policy = e->config.policy;
    if (policy && policy->memory_bytes) memset(memory, 0, policy->memory_bytes);
    if (policy && policy->begin) policy->begin(self, memory, &e->plan_context);
}

/* No request of an earlier run may leave ready bits behind: fresh ones touch their stretch only. */
static void reset_programs(spa_engine *e)
{
    const spa_programs *all = e->config.programs;
    e->mix_key = spa_hash_u64(spa_hash_bytes(e->config.seed, "mix", 3), e->config.replication);
    for (uint32_t i = 0; i < all->count; i++) {
        e->plan_context.graph = all->items[i].graph;
        e->plan_context.costs = all->items[i].costs;
        begin_policy(e, all->items[i].self, program_memory(e, i));
        program_latency(e)[i] = (spa_moments){0};
    }
    if (e->batching) {
        memset(e->batching, 0, batching_bytes(e));
        engine_queues_reset(e);
    }
    for (uint32_t slot = 0; slot < e->n_slots; slot++)
        memset(ready_of(e, request_of(e, slot)), 0, e->n_words * sizeof(uint64_t));
}

static void reset_state(spa_engine *e)
{
    engine_state *s = &e->state;
    spa_rng rng;
    memset(s, 0, sizeof *s);
    s->digest = SPA_HASH_SEED;
    s->section_holder = s->section_head = s->section_tail = s->views_head = SPA_NONE;
    s->run_factor = 1;
    s->free_slot = SPA_NONE;
    e->arrival_key =
        spa_hash_u64(spa_hash_bytes(e->config.seed, "arrivals", 8), e->config.replication);
    for (uint32_t p = 0; p < e->n_processors; p++) {
        for (uint32_t i = 0; i < e->costs->processors[p].n_lanes; i++) {
            engine_lane *lane = &e->lanes[e->lane_first[p] + i];
            memset(lane, 0, sizeof *lane);
            lane->head = lane->tail = SPA_NONE;
            lane->request_head = lane->request_tail = SPA_NONE;
            lane->processor = (uint16_t)p;
            lane->id = (uint16_t)(e->lane_first[p] + i);
            lane->name = event_place(p, i);
        }
    }
    for (uint32_t k = 0; k < e->n_links; k++) {
        engine_link *link = &e->links[k];
        memset(link, 0, sizeof *link);
        link->head = link->tail = SPA_NONE;
    }
    memset(e->activities, 0, (e->n_lanes + e->n_links) * sizeof(engine_activity));
    spa_event_list_init(e->events, e->n_event_slots);
    engine_conditions_reset(e);
    if (e->config.noise) {
        e->noise_key =
            spa_hash_u64(spa_hash_bytes(e->config.seed, "kernel-noise", 12), e->config.replication);
        spa_rng_init_indexed(&rng, e->config.seed, "run-noise", e->config.replication);
        s->run_factor = spa_rng_lognormal_factor(&rng, e->costs->run_cv);
    }
    e->plan_context.seed = spa_hash_u64(e->config.seed, e->config.replication);
    if (e->config.programs)
        reset_programs(e);
    else
        begin_policy(e, e->config.self, policy_memory(e));
    e->failed = SPA_OK;
}

#ifdef SPA_DEBUG
/* Every debug run is audited: the checker sees each event before the caller does. */
static void record_audited(void *user, const spa_event *event)
{
    spa_engine *e = user;
    spa_audit_event(e->audit, event);
}
#endif

/* Of ready bits: each of several programs begins a word, so that requests never share one. */
static uint32_t count_words(const spa_run_config *c)
{
    uint32_t words = 0;
    if (!c->programs) return (uint32_t)((c->graph->n_ops + 63) / 64);
    for (uint32_t i = 0; i < c->programs->count; i++)
        words += (c->programs->spans[i].end - c->programs->spans[i].first + 63) / 64;
    return words;
}

/* What the event loop wants to know of the configuration. */
static void set_constants(spa_engine *e)
{
    const spa_run_config *c = &e->config;
    e->graph = c->graph;
    e->costs = c->costs;
    e->n_ops = (uint32_t)c->graph->n_ops;
    e->n_tensors = (uint32_t)c->costs->n_tensors;
    e->splits = engine_splits(c);
    e->n_nodes = e->n_tensors + (e->splits ? e->n_ops : 0);
    e->n_words = count_words(c);
    e->op_bits = e->tensor_bits = engine_bit_width(e->n_nodes);
    e->n_processors = c->costs->n_processors;
    e->host = c->costs->host;
    e->n_slots = c->scenario.concurrency;
    if (c->scenario.requests < e->n_slots) e->n_slots = (uint32_t)c->scenario.requests;
    e->serial_ops = c->scenario.serial_ops;
    e->workers = c->scenario.workers;
    e->noise = c->noise;
    e->contention = c->contention;
    for (uint32_t p = 0; p < e->n_processors; p++)
        e->shares_power[p] = c->contention && c->costs->processors[p].n_lanes > 1;
    e->deadline_ns = INT64_MAX;
    if (c->scenario.deadline_ms > 0 && c->scenario.deadline_ms < 1e12)
        e->deadline_ns = llround(c->scenario.deadline_ms * 1e6);
    e->occupies = c->costs->dispatch_occupies_host;
    e->blocking_sync = c->costs->blocking_sync;
    e->synchronous = c->costs->synchronous;
    e->has_schedule = c->schedule != NULL;
    e->executor = c->executor;
    e->calls_place = c->policy && c->policy->place &&
                     (!c->policy->places ||
                      c->policy->places(c->programs ? c->programs->items[0].self : c->self));
    e->observes = e->calls_place && c->policy->observe;
    e->stepped = c->stepped;
    if (c->policy_cost && (e->calls_place || e->stepped) && e->costs->host_hz > 0)
        e->policy_ns = (int64_t)ceil((e->stepped ? c->stepped_cycles : c->policy->decision_cycles) *
                                     1e9 / e->costs->host_hz);
    e->plan_context = (spa_plan_context){
        .graph = c->graph, .costs = c->costs, .objective = c->objective, .seed = c->seed};
    e->view.graph = c->graph;
    e->view.costs = c->costs;
    for (uint32_t p = 0; p < SPA_MAX_PROCESSORS; p++) e->view.speed[p] = 1;
    e->view.temperature_c = NAN;
}

/* Makes the engine from its constants, with the block behind it. */
static spa_status allocate(spa_engine **engine, const spa_engine *constants, spa_error *err)
{
    unsigned char *memory = NULL, *block;
    spa_engine *e;
    SPA_TRY(spa_alloc(&memory, sizeof *e + constants->layout.total + ENGINE_LINE, 1, err));
    e = (spa_engine *)(memory + (ENGINE_LINE - (uintptr_t)memory % ENGINE_LINE));
    memcpy(e, constants, offsetof(spa_engine, state));
    e->allocation = memory;
    block = block_of(e);
    e->links = (engine_link *)(block + e->layout.links);
    e->activities = (engine_activity *)(block + e->layout.activities);
    e->active = (uint16_t *)(block + e->layout.active);
    e->events = (spa_event_list *)(block + e->layout.events);
    e->requests = block + e->layout.requests;
    if (e->config.batcher) e->batching = (engine_batching *)(block + e->layout.batching);
    if (e->has_conditions) {
        e->conditions = (engine_conditions *)(block + e->layout.conditions);
        e->watts = (double *)(block + e->layout.watts);
        e->joules = e->watts + e->n_lanes + e->n_links;
    }
    e->view.busy_ns = e->state.result.busy_ns;
    e->home = &e->lanes[e->lane_first[e->host]];
    e->home_end = e->home + (e->workers ? e->costs->processors[e->host].n_lanes : 1);
    *engine = e;
    return SPA_OK;
}

static spa_status set_up(spa_engine *e, spa_error *err)
{
    const spa_run_config *c = &e->config;
    if (e->has_schedule) {
        SPA_TRY(spa_schedule_check(c->schedule, e->costs, err));
        SPA_TRY(spa_schedule_init(&e->schedule, e->n_ops, err));
        spa_schedule_copy(&e->schedule, c->schedule);
    }
    SPA_TRY(engine_tables_build(e, err));
#ifdef SPA_DEBUG
    if (!c->record) {
        SPA_TRY(spa_audit_new(&e->audit, e->graph, e->costs, &e->config.scenario, err));
        spa_audit_programs(e->audit, c->programs);
        if (!c->contention) spa_audit_no_contention(e->audit);
        spa_audit_chunks(e->audit, e->schedule.chunk);
        e->config.record = record_audited;
        e->config.record_user = e;
    }
#endif
    engine_tables_order(e);
    reset_state(e);
    return SPA_OK;
}

/* The joint graph, costs and schedule take the place of a single program's. */
static spa_status take_programs(spa_run_config *c, spa_error *err)
{
    const spa_programs *all = c->programs;
    if (c->graph || c->costs || c->schedule || c->self)
        return spa_fail(err, SPA_E_INVALID,
                        "several programs bring their graph, costs, schedule and policy; leave "
                        "these out of the configuration");
    c->graph = &all->graph;
    c->costs = &all->costs;
    c->schedule = all->schedule.n_ops ? &all->schedule : NULL;
    return SPA_OK;
}

spa_status spa_engine_new(spa_engine **engine, const spa_run_config *config, spa_error *err)
{
    spa_engine constants = {.config = *config}, *e;
    spa_status status;
    *engine = NULL;
    if (config->programs) SPA_TRY(take_programs(&constants.config, err));
    config = &constants.config;
    SPA_TRY(engine_check_table(config, err));
    spa_scenario_resolve(&constants.config.scenario, engine_service_ns(config));
    SPA_TRY(engine_check_config(config, err));
    set_constants(&constants);
    SPA_TRY(lay_out_lanes(&constants, err));
    constants.n_event_slots = constants.n_lanes + constants.n_links;
    constants.arrival_slot =
        spa_scenario_is_open(&config->scenario) ? constants.n_event_slots : SPA_NONE;
    constants.n_event_slots += arrival_slots(&constants);
    SPA_TRY(engine_conditions_bind(&constants, err));
    lay_out(&constants);
    SPA_TRY(allocate(&e, &constants, err));
    status = set_up(e, err);
    if (status) {
        spa_engine_free(e);
        return status;
    }
    *engine = e;
    return SPA_OK;
}

/* What a clone has of its own: a schedule, an audit. */
static spa_status set_up_clone(spa_engine *e, const spa_engine *like, spa_error *err)
{
    if (e->has_schedule) {
        SPA_TRY(spa_schedule_init(&e->schedule, e->n_ops, err));
        spa_schedule_copy(&e->schedule, &like->schedule);
    }
#ifdef SPA_DEBUG
    if (like->audit) {
        SPA_TRY(spa_audit_new(&e->audit, e->graph, e->costs, &e->config.scenario, err));
        spa_audit_programs(e->audit, e->config.programs);
        if (!e->contention) spa_audit_no_contention(e->audit);
        spa_audit_chunks(e->audit, e->schedule.chunk);
        e->config.record_user = e;
    }
#endif
    reset_state(e);
    return SPA_OK;
}

spa_status spa_engine_clone(spa_engine **engine, spa_engine *like, spa_error *err)
{
    spa_engine *e;
    spa_status status;
    *engine = NULL;
    SPA_TRY(allocate(&e, like, err));
    e->shared = e->borrowed = like->shared = true;
    e->schedule = (spa_schedule){0};
    e->audit = NULL;
    e->latencies = NULL;
    status = set_up_clone(e, like, err);
    if (status) {
        spa_engine_free(e);
        return status;
    }
    *engine = e;
    return SPA_OK;
}

void spa_engine_free(spa_engine *e)
{
    if (!e) return;
    if (!e->borrowed) engine_tables_free(e);
    spa_schedule_fini(&e->schedule);
    spa_audit_free(e->audit);
    free(e->allocation);
}

spa_status spa_engine_restart(spa_engine *e, uint64_t seed, uint64_t replication,
                              const spa_schedule *schedule, spa_error *err)
{
    e->config.seed = seed;
    e->config.replication = replication;
    if (schedule) {
        bool same_order, same_chunks;
        if (!e->has_schedule)
            return spa_fail(err, SPA_E_INVALID, "the engine was made without a schedule");
        if (e->config.programs)
            return spa_fail(err, SPA_E_INVALID, "several programs keep their schedules");
        SPA_TRY(spa_schedule_check(schedule, e->costs, err));
        if (!e->splits && spa_schedule_splits(schedule))
            return spa_fail(err, SPA_E_INVALID,
                            "the engine was made without splits, the schedule has some");
        same_order =
            memcmp(e->schedule.order, schedule->order, e->n_ops * sizeof *schedule->order) == 0;
        same_chunks =
            memcmp(e->schedule.chunk, schedule->chunk, e->n_ops * sizeof *schedule->chunk) == 0;
        if ((!same_order || !same_chunks) && e->shared)
            return spa_fail(err, SPA_E_INVALID,
                            "engines that share their tables keep their dispatch order and chunks");
        spa_schedule_copy(&e->schedule, schedule);
        if (!same_chunks) engine_tables_chunks(e);
        if (!same_order) engine_tables_order(e);
    }
    if (e->audit) spa_audit_reset(e->audit);
    reset_state(e);
    return SPA_OK;
}
