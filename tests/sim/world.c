#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include "sim/log.h"

static const spa_shape four = {1, {4}};

/* ---- building ------------------------------------------------------------------------------- */

static int32_t tensor_index(const spa_graph *g, const char *name)
{
    if (name[0] == '#') return SPA_GRAPH_INPUT(name[1] - '0');
    int32_t op = spa_graph_find(g, name);
    cr_assert(op >= 0, "no operator '%s'", name);
    return op;
}

/* "=v a b": one operator. */
static void add_operator(spa_graph *g, char *text)
{
    char *save, *name = strtok_r(text, " ", &save);
    int32_t inputs[SPA_MAX_OP_INPUTS];
    size_t n = 0;
    bool view = name[0] == '=', pulled = name[0] == '!';
    if (view || pulled) name++;
    for (char *in = strtok_r(NULL, " ", &save); in; in = strtok_r(NULL, " ", &save))
        inputs[n++] = tensor_index(g, in);
    expect_ok(spa_graph_add(g, name, view ? SPA_OP_RESHAPE : SPA_OP_OTHER, NULL, inputs, n, &four,
                            NULL, err));
    if (pulled) g->ops[g->n_ops - 1].flags |= SPA_OP_PULLED;
}

static void finish_world(sim_world *w, uint32_t n_processors)
{
    expect_ok(spa_graph_finish(&w->graph, err));
    expect_ok(spa_costs_init(&w->costs, &w->graph, n_processors, err));
    for (size_t i = 0; i < w->graph.n_ops * n_processors; i++) {
        w->costs.ops[i].kernel_ns = w->graph.ops[i / n_processors].kind == SPA_OP_RESHAPE ? 0 : 1;
        w->costs.ops[i].origin = SPA_ORIGIN_ASSUMED;
    }
    expect_ok(spa_schedule_init(&w->schedule, w->graph.n_ops, err));
    w->config = spa_run_config_default();
    w->config.graph = &w->graph;
    w->config.costs = &w->costs;
    w->config.schedule = &w->schedule;
    w->config.contention = false;
}

static void start_graph(sim_world *w)
{
    memset(w, 0, sizeof *w);
    spa_graph_init(&w->graph, "world", 1, SPA_FP32);
    w->graph.n_graph_inputs = 4;
    for (int i = 0; i < 4; i++) w->graph.graph_inputs[i] = four;
}

void sim_world_init(sim_world *w, uint32_t n_processors, const char *text)
{
    char buffer[4096], *save;
    start_graph(w);
    cr_assert(strlen(text) < sizeof buffer);
    snprintf(buffer, sizeof buffer, "%s", text);
    char *op = strtok_r(buffer, ";", &save);
    while (op) {
        add_operator(&w->graph, op);
        op = strtok_r(NULL, ";", &save);
    }
    finish_world(w, n_processors);
}

int64_t sim_lower_bound(const sim_world *w, bool splits)
{
    int64_t bound_ns;
    expect_ok(spa_lower_bound_ns(&bound_ns, &w->graph, &w->costs, splits, err));
    return bound_ns;
}

void sim_world_fini(sim_world *w)
{
    spa_schedule_fini(&w->schedule);
    spa_costs_fini(&w->costs);
    spa_graph_fini(&w->graph);
}

uint32_t sim_op(const sim_world *w, const char *name)
{
    int32_t op = spa_graph_find(&w->graph, name);
    cr_assert(op >= 0, "no operator '%s'", name);
    return (uint32_t)op;
}

spa_op_cost *sim_cost(sim_world *w, const char *name, uint32_t processor)
{
    return &w->costs.ops[sim_op(w, name) * w->costs.n_processors + processor];
}

void sim_kernel(sim_world *w, const char *name, uint32_t processor, int64_t ns)
{
    sim_cost(w, name, processor)->kernel_ns = ns;
}

static void set_transfer(sim_world *w, size_t tensor, uint32_t from, uint32_t to, int64_t ns)
{
    uint32_t n = w->costs.n_processors;
    w->costs.transfer_ns[(tensor * n + from) * n + to] = ns;
}

void sim_transfer(sim_world *w, const char *tensor, uint32_t from, uint32_t to, int64_t ns)
{
    set_transfer(w, spa_tensor_of(&w->costs, tensor_index(&w->graph, tensor)), from, to, ns);
}

void sim_all_transfers(sim_world *w, int64_t ns)
{
    for (size_t t = 0; t < w->costs.n_tensors; t++)
        for (uint32_t p = 0; p < w->costs.n_processors; p++)
            for (uint32_t q = 0; q < w->costs.n_processors; q++)
                set_transfer(w, t, p, q, p == q ? 0 : ns);
}

void sim_all_launches(sim_world *w, int32_t ns)
{
    for (size_t i = 0; i < w->costs.n_ops * w->costs.n_processors; i++)
        w->costs.ops[i].launch_ns = ns;
}

void sim_place(sim_world *w, const char *name, uint32_t processor, int8_t lane)
{
    w->schedule.processor[sim_op(w, name)] = (uint8_t)processor;
    w->schedule.lane[sim_op(w, name)] = lane;
}

void sim_split(sim_world *w, const char *name, uint32_t second, uint32_t tenths)
{
    w->schedule.second[sim_op(w, name)] = (uint8_t)second;
    w->schedule.share[sim_op(w, name)] = (uint8_t)tenths;
}

void sim_order(sim_world *w, const char *names)
{
    char buffer[1024], *save;
    size_t n = 0;
    snprintf(buffer, sizeof buffer, "%s", names);
    for (char *name = strtok_r(buffer, " ", &save); name; name = strtok_r(NULL, " ", &save))
        w->schedule.order[n++] = sim_op(w, name);
    cr_assert_eq(n, w->schedule.n_ops);
}

/* ---- running -------------------------------------------------------------------------------- */

void sim_record(void *user, const spa_event *event)
{
    sim_run *run = user;
    if (run->n_events == run->capacity) {
        run->capacity = run->capacity ? 2 * run->capacity : 256;
        run->events = realloc(run->events, run->capacity * sizeof *run->events);
        cr_assert_not_null(run->events);
    }
    run->events[run->n_events++] = *event;
}

static void audit_run(const sim_run *run, const sim_world *w)
{
    spa_audit *audit;
    expect_ok(spa_audit_new(&audit, &w->graph, &w->costs, &w->config.scenario, err));
    if (w->config.schedule) spa_audit_chunks(audit, w->config.schedule->chunk);
    if (!w->config.noise) spa_audit_no_noise(audit);
    if (!w->config.contention) spa_audit_no_contention(audit);
    for (size_t i = 0; i < run->n_events; i++) spa_audit_event(audit, &run->events[i]);
    expect_ok(spa_audit_finish(audit, &run->result, err));
    spa_audit_free(audit);
}

void sim_run_init(sim_run *run, sim_world *w)
{
    spa_engine *engine;
    spa_run_config config = w->config;
    memset(run, 0, sizeof *run);
    expect_ok(spa_costs_finish(&w->costs, err));
    expect_ok(spa_histogram_init(&run->latencies, err));
    config.record = sim_record;
    config.record_user = run;
    expect_ok(spa_engine_new(&engine, &config, err));
    expect_ok(spa_engine_run(engine, &run->latencies, &run->result, err));
    spa_engine_free(engine);
    audit_run(run, w);
}

void sim_run_programs(sim_run *run, const spa_run_config *config, spa_engine **engine)
{
    spa_run_config c = *config;
    spa_audit *audit;
    memset(run, 0, sizeof *run);
    c.record = sim_record;
    c.record_user = run;
    expect_ok(spa_engine_new(engine, &c, err));
    expect_ok(spa_engine_run(*engine, NULL, &run->result, err));
    expect_ok(spa_audit_new(&audit, &c.programs->graph, &c.programs->costs, &c.scenario, err));
    spa_audit_programs(audit, c.programs);
    spa_audit_chunks(audit, c.programs->schedule.chunk);
    if (!c.noise) spa_audit_no_noise(audit);
    if (!c.contention) spa_audit_no_contention(audit);
    for (size_t i = 0; i < run->n_events; i++) spa_audit_event(audit, &run->events[i]);
    expect_ok(spa_audit_finish(audit, &run->result, err));
    spa_audit_free(audit);
}

void sim_run_fini(sim_run *run)
{
    spa_histogram_fini(&run->latencies);
    free(run->events);
    memset(run, 0, sizeof *run);
}

spa_status sim_run_failing(sim_world *w, spa_error *err)
{
    spa_engine *engine;
    spa_run_result result;
    memset(err, 0, sizeof *err);
    spa_status status = spa_costs_finish(&w->costs, err);
    if (!status) status = spa_engine_new(&engine, &w->config, err);
    if (status) return status;
    status = spa_engine_run(engine, NULL, &result, err);
    spa_engine_free(engine);
    return status;
}

/* ---- reading a run -------------------------------------------------------------------------- */

static uint32_t tensor_number(const sim_world *w, const char *name)
{
    if (!name) return UINT32_MAX;
    return (uint32_t)spa_tensor_of(&w->costs, tensor_index(&w->graph, name));
}

int64_t sim_time(const sim_run *run, const sim_world *w, spa_event_kind kind, const char *name,
                 uint64_t request)
{
    uint32_t op = tensor_number(w, name);
    int64_t at = -1;
    for (size_t i = 0; i < run->n_events; i++) {
        const spa_event *ev = &run->events[i];
        if (ev->kind != kind || ev->op != op || ev->request != request) continue;
        cr_assert_eq(at, -1, "two events of kind %d for '%s'", (int)kind, name ? name : "-");
        at = ev->time_ns;
    }
    return at;
}

int64_t sim_part_time(const sim_run *run, const sim_world *w, spa_event_kind kind, const char *name,
                      uint32_t tenths)
{
    for (size_t i = 0; i < run->n_events; i++) {
        const spa_event *ev = &run->events[i];
        if (ev->kind == kind && ev->op == sim_op(w, name) && ev->tenths == tenths &&
            ev->request == 0)
            return ev->time_ns;
    }
    return -1;
}

size_t sim_count(const sim_run *run, const sim_world *w, spa_event_kind kind, const char *name)
{
    uint32_t op = tensor_number(w, name);
    size_t n = 0;
    for (size_t i = 0; i < run->n_events; i++)
        n += run->events[i].kind == kind && (!name || run->events[i].op == op);
    return n;
}

void sim_log_text(const sim_run *run, const sim_world *w, spa_string *out)
{
    for (size_t i = 0; i < run->n_events; i++) {
        const spa_event *ev = &run->events[i];
        spa_string_append(out, "%lld r%llu %s", (long long)ev->time_ns,
                          (unsigned long long)ev->request, spa_event_kind_name(ev->kind));
        if (ev->op < w->graph.n_ops)
            spa_string_append(out, " %s", w->graph.ops[ev->op].name);
        else if (ev->op != UINT32_MAX)
            spa_string_append(out, " #%u", ev->op - (uint32_t)w->graph.n_ops);
        if (ev->kind == SPA_EV_TRANSFER_BEGIN || ev->kind == SPA_EV_TRANSFER_END)
            spa_string_append(out, " p%u>p%u", ev->lane, ev->processor);
        else if (ev->op != UINT32_MAX)
            spa_string_append(out, " p%u.%u", ev->processor, ev->lane);
        if (ev->tenths) spa_string_append(out, " %u/10", ev->tenths);
        spa_string_append(out, "\n");
    }
    expect_ok(spa_string_ok(out, err));
}

/* ---- random worlds -------------------------------------------------------------------------- */

static uint32_t below(spa_rng *rng, uint32_t n)
{
    return spa_rng_below(rng, n);
}

static void random_operators(sim_world *w, spa_rng *rng, uint32_t n, bool sync)
{
    for (uint32_t i = 0; i < n; i++) {
        char name[16];
        int32_t inputs[4];
        size_t n_inputs = below(rng, 4);
        bool view = i > 0 && below(rng, 8) == 0;
        if (view) n_inputs = 1;
        if (i == 0 && n_inputs == 0) n_inputs = 1;
        for (size_t k = 0; k < n_inputs; k++) {
            uint32_t back = 1 + below(rng, below(rng, 2) ? 3 : 12);
            inputs[k] = back > i ? SPA_GRAPH_INPUT(below(rng, 4)) : (int32_t)(i - back);
        }
        snprintf(name, sizeof name, "n%u", i);
        expect_ok(spa_graph_add(&w->graph, name, view ? SPA_OP_RESHAPE : SPA_OP_OTHER, NULL, inputs,
                                n_inputs, &four, NULL, err));
        if (sync && below(rng, 8) == 0) w->graph.ops[i].flags |= SPA_OP_PULLED;
    }
}

static int64_t random_ns(spa_rng *rng, uint32_t most, int64_t unit)
{
    return (int64_t)below(rng, most + 1) * unit;
}

static void random_processors(sim_world *w, spa_rng *rng, int64_t unit, bool contention)
{
    spa_costs *c = &w->costs;
    c->dispatch_occupies_host = below(rng, 2);
    c->base_w = 5;
    c->host = below(rng, c->n_processors);
    for (uint32_t p = 0; p < c->n_processors; p++) {
        spa_cost_processor *q = &c->processors[p];
        q->role = p == c->host ? SPA_ROLE_HOST : SPA_ROLE_ACCELERATOR;
        q->is_async = p != c->host && below(rng, 2);
        q->n_lanes = 1 + below(rng, 3);
        q->dispatch_w = (float)below(rng, 4);
        if (contention && below(rng, 2)) {
            q->slow_a = (float)below(rng, 5) / 8;
            q->slow_b = (float)below(rng, 5) / 16;
        }
    }
    c->n_links = c->n_processors > 1 ? 1 + below(rng, 2) : 0;
    for (uint32_t a = 0; a < c->n_processors; a++)
        for (uint32_t b = 0; b < c->n_processors; b++) {
            spa_cost_link *link = &c->links[a][b];
            if (a == b) continue;
            link->id = (uint8_t)((a < b) % c->n_links);
            link->dynamic_w = (float)below(rng, 3);
            link->issue_ns = below(rng, 3) ? 0 : (int32_t)random_ns(rng, 4, unit);
            if (contention) link->dram_share = (float)below(rng, 5) / 4;
        }
}

static void random_costs(sim_world *w, spa_rng *rng, const sim_random_options *o, int64_t unit)
{
    spa_costs *c = &w->costs;
    bool launches = below(rng, 2), transfers = below(rng, 4) != 0;
    for (size_t i = 0; i < c->n_ops * c->n_processors; i++) {
        spa_op_cost *k = &c->ops[i];
        bool view = w->graph.ops[i / c->n_processors].kind == SPA_OP_RESHAPE;
        bool only_host = (i / c->n_processors) % 7 == 3;
        k->kernel_ns = view ? 0 : random_ns(rng, 50, unit);
        if (!view && only_host && i % c->n_processors != c->host) k->kernel_ns = -1;
        if (launches && !view) k->launch_ns = (int32_t)random_ns(rng, 10, unit);
        k->dynamic_w = (float)below(rng, 8);
        if (o->noise && below(rng, 2)) k->noise_cv = 0.25f;
        if (!o->contention) continue;
        k->dram_share = (float)below(rng, 9) / 8;
        k->capacity_share = (float)(1 + below(rng, 8)) / 8;
        k->pressure = (float)below(rng, 4) / 2;
        if (below(rng, 6) == 0) k->corun_slowdown = 1 + (float)below(rng, 4) / 2;
    }
    for (size_t t = 0; t < c->n_tensors && transfers; t++)
        for (uint32_t p = 0; p < c->n_processors; p++)
            for (uint32_t q = 0; q < c->n_processors; q++)
                if (p != q && below(rng, 4)) set_transfer(w, t, p, q, random_ns(rng, 20, unit));
}

/* A random topological order: repeatedly one of the operators whose inputs are there. */
static void random_order(const spa_graph *g, spa_rng *rng, uint32_t *order)
{
    bool *done = calloc(g->n_ops, sizeof *done);
    for (size_t n = 0; n < g->n_ops; n++) {
        uint32_t ready[1024], count = 0;
        for (uint32_t op = 0; op < g->n_ops; op++) {
            bool can = !done[op];
            for (uint32_t k = 0; k < g->ops[op].n_inputs; k++) {
                int32_t from = g->inputs[g->ops[op].first_input + k];
                can = can && (from < 0 || done[from]);
            }
            if (can) ready[count++] = op;
        }
        order[n] = ready[below(rng, count)];
        done[order[n]] = true;
    }
    free(done);
}

static void random_schedule(sim_world *w, spa_rng *rng, bool fixed_lanes)
{
    const spa_costs *c = &w->costs;
    for (uint32_t op = 0; op < c->n_ops; op++) {
        uint32_t p;
        do {
            p = below(rng, c->n_processors);
        } while (!spa_cost_can_run(c, op, p));
        w->schedule.processor[op] = (uint8_t)p;
        if (fixed_lanes || below(rng, 2))
            w->schedule.lane[op] = (int8_t)below(rng, c->processors[p].n_lanes);
    }
    random_order(&w->graph, rng, w->schedule.order);
}

/* Every third operator or so, where two processors can. */
static void random_splits(sim_world *w, spa_rng *rng)
{
    const spa_costs *c = &w->costs;
    tests_divide(&w->costs);
    for (uint32_t op = 0; op < c->n_ops; op++) {
        uint32_t q = below(rng, c->n_processors), share = 1 + below(rng, SPA_TENTHS - 1);
        if (below(rng, 3) || q == w->schedule.processor[op]) continue;
        if (spa_part_ns(c, op, q, share) < 0) continue;
        w->schedule.second[op] = (uint8_t)q;
        w->schedule.share[op] = (uint8_t)share;
    }
    for (uint32_t a = 0; a < c->n_processors; a++)
        for (uint32_t b = 0; b < c->n_processors; b++)
            if (a != b) w->costs.links[a][b].latency_ns = below(rng, 6);
}

void sim_world_random(sim_world *w, uint64_t seed, const sim_random_options *o)
{
    spa_rng rng;
    int64_t unit = o->unit_ns ? o->unit_ns : 1;
    spa_rng_init(&rng, seed, "tests/sim/world");
    start_graph(w);
    random_operators(w, &rng, 1 + below(&rng, o->max_ops ? o->max_ops : 24), o->sync);
    finish_world(w, 1 + below(&rng, 4));
    random_processors(w, &rng, unit, o->contention);
    random_costs(w, &rng, o, unit);
    random_schedule(w, &rng, o->fixed_lanes);
    if (o->splits) random_splits(w, &rng);
    if (o->sync) w->costs.blocking_sync = below(&rng, 2);
    if (o->noise) w->costs.run_cv = 0.125;
    uint32_t requests = 1 + below(&rng, o->max_requests ? o->max_requests : 6);
    w->config.scenario = spa_scenario_closed(1 + below(&rng, 4), requests);
    if (o->serial && below(&rng, 2))
        w->config.scenario.serial_ops = below(&rng, (uint32_t)w->graph.n_ops + 1);
    if (o->serial) w->config.scenario.workers = below(&rng, 2);
    w->config.contention = o->contention;
    w->config.noise = o->noise;
    w->config.seed = seed;
    expect_ok(spa_costs_finish(&w->costs, err));
}

static void copy_entries(sim_world *to, const sim_world *from, const uint32_t *number)
{
    const spa_costs *c = &from->costs;
    size_t n = c->n_processors, square = n * n;
    for (size_t op = 0; op < c->n_ops; op++) {
        memcpy(&to->costs.ops[number[op] * n], &c->ops[op * n], n * sizeof *c->ops);
        memcpy(&to->costs.transfer_ns[number[op] * square], &c->transfer_ns[op * square],
               square * sizeof *c->transfer_ns);
        to->schedule.processor[number[op]] = from->schedule.processor[op];
        to->schedule.lane[number[op]] = from->schedule.lane[op];
        to->schedule.order[op] = number[from->schedule.order[op]];
    }
    memcpy(&to->costs.transfer_ns[c->n_ops * square], &c->transfer_ns[c->n_ops * square],
           (c->n_tensors - c->n_ops) * square * sizeof *c->transfer_ns);
}

void sim_world_renumbered(sim_world *to, const sim_world *from, uint64_t seed, uint32_t *number)
{
    const spa_graph *g = &from->graph;
    const spa_costs *c = &from->costs;
    spa_rng rng;
    uint32_t *old_of = calloc(g->n_ops, sizeof *old_of), *new_of = number;
    if (!new_of) new_of = calloc(g->n_ops, sizeof *new_of);
    spa_rng_init(&rng, seed, "tests/sim/renumber");
    random_order(g, &rng, old_of);
    for (uint32_t i = 0; i < g->n_ops; i++) new_of[old_of[i]] = i;
    start_graph(to);
    for (uint32_t i = 0; i < g->n_ops; i++) {
        const spa_op *op = &g->ops[old_of[i]];
        int32_t inputs[SPA_MAX_OP_INPUTS];
        for (uint32_t k = 0; k < op->n_inputs; k++) {
            int32_t in = g->inputs[op->first_input + k];
            inputs[k] = in >= 0 ? (int32_t)new_of[in] : in;
        }
        expect_ok(spa_graph_add(&to->graph, op->name, op->kind, NULL, inputs, op->n_inputs,
                                &op->out, NULL, err));
        to->graph.ops[i].flags = op->flags;
    }
    finish_world(to, c->n_processors);
    memcpy(to->costs.processors, c->processors, sizeof c->processors);
    memcpy(to->costs.links, c->links, sizeof c->links);
    to->costs.n_links = c->n_links;
    to->costs.host = c->host;
    to->costs.dispatch_occupies_host = c->dispatch_occupies_host;
    to->costs.blocking_sync = c->blocking_sync;
    to->costs.base_w = c->base_w;
    to->costs.run_cv = c->run_cv;
    copy_entries(to, from, new_of);
    spa_run_config config = from->config;
    config.graph = &to->graph;
    config.costs = &to->costs;
    config.schedule = &to->schedule;
    to->config = config;
    expect_ok(spa_costs_finish(&to->costs, err));
    free(old_of);
    if (!number) free(new_of);
}
