/* Profiling one model; see profile_model.h. */
#include "kernels/profile_model.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/part.h"
#include "kernels/samples.h"

#define RANDOM_PLACEMENTS 6

/* Tenths of every operator that a second lane computes. Those between are interpolated. */
static const uint8_t measured_shares[] = {2, 5};
enum { N_SHARES = sizeof measured_shares };

/* ---- what is measured ------------------------------------------------------------------------ */

/* Each device has a link per direction; lanes of cores copy for themselves. */
static spa_cost_link plain_link(const spa_lane_set *lanes, uint32_t from, uint32_t to)
{
    uint32_t up[SPA_MAX_PROCESSORS] = {0}, n = 0;
    for (uint32_t i = 0; i < lanes->count; i++)
        if (lanes->lanes[i].device) up[i] = 1 + 2 * n++;
    if (from == to || up[from] + up[to] == 0) return (spa_cost_link){.on_lane = from != to};
    return (spa_cost_link){.id = (uint8_t)(up[from] ? up[from] + 1 : up[to])};
}

spa_status spa_lanes_plain_costs(spa_costs *costs, const spa_graph *graph,
                                 const spa_lane_set *lanes, spa_error *err)
{
    uint32_t n = (uint32_t)lanes->count;
    SPA_TRY(spa_costs_init(costs, graph, n, err));
    for (size_t i = 0; i < graph->n_ops * n; i++)
        costs->ops[i].kernel_ns = graph->ops[i / n].kind == SPA_OP_RESHAPE ? 0 : 1000;
    for (uint32_t p = 0; p < n; p++) {
        costs->processors[p].name = lanes->lanes[p].processor;
        costs->processors[p].backend = lanes->lanes[p].backend->name;
        costs->processors[p].is_async = lanes->lanes[p].device != NULL;
        costs->dispatch_occupies_host |= lanes->lanes[p].device != NULL;
        for (uint32_t q = 0; q < n; q++) {
            costs->links[p][q] = plain_link(lanes, p, q);
            if (costs->links[p][q].id >= costs->n_links)
                costs->n_links = costs->links[p][q].id + 1u;
            for (size_t t = 0; t < costs->n_tensors && p != q; t++)
                costs->transfer_ns[(t * n + p) * n + q] = 100;
        }
    }
    while (costs->host + 1 < n && lanes->lanes[costs->host].device) costs->host++;
    for (uint32_t p = 0; p < n; p++)
        costs->processors[p].role = p == costs->host ? SPA_ROLE_HOST : SPA_ROLE_ACCELERATOR;
    spa_costs_divide(costs);
    spa_status status = spa_costs_finish(costs, err);
    if (status) spa_costs_fini(costs);
    return status;
}

/* Two requests in flight, each on a lane of its own. */
static void place_by_slot(const void *self, void *memory, const spa_view *view, uint32_t op,
                          spa_action *action)
{
    const uint32_t *lane = self;
    action->processor = (int32_t)lane[view->request_slot & 1u];
}

static const spa_policy by_slot = {.abi = SPA_POLICY_ABI,
                                   .struct_size = sizeof(spa_policy),
                                   .name = "lane by request",
                                   .capabilities = SPA_CAP_PLACE,
                                   .objectives = SPA_OBJECTIVE_LATENCY,
                                   .place = place_by_slot};

static void fill_schedule(const spa_profile_model *m, size_t index, spa_schedule *s)
{
    size_t n = m->n_lanes, turn = index - n, rank = 0;
    spa_rng rng;
    spa_rng_init_indexed(&rng, m->options->seed, "profile-placement", index);
    for (size_t i = 0; i < s->n_ops; i++) {
        if (m->graph->ops[i].kind == SPA_OP_RESHAPE) continue; /* stays where its input is */
        size_t lane = index;
        if (index >= n)
            lane = turn < n * (n - 1) ? (rank * (turn / n + 1) + turn) % n
                                      : spa_rng_below(&rng, (uint32_t)n);
        s->processor[i] = (uint8_t)lane;
        rank++;
    }
}

bool spa_profile_may_split(const spa_profile_model *m, size_t op)
{
    spa_cut cut;
    return spa_op_divides(&m->graph->ops[op]) &&
           spa_cut_of(m->graph, &m->graph->ops[op], &cut, NULL) == SPA_OK;
}

static void fill_split(const spa_profile_model *m, const spa_profile_split *split, spa_schedule *s)
{
    for (size_t i = 0; i < s->n_ops; i++) {
        if (m->graph->ops[i].kind == SPA_OP_RESHAPE) continue;
        s->processor[i] = split->first;
        if (!spa_profile_may_split(m, i)) continue;
        s->second[i] = split->second;
        s->share[i] = split->share;
    }
}

static bool runs_parts(const spa_lane *lane)
{
    return !lane->device && lane->n_cores == 1;
}

static spa_status list_splits(spa_profile_model *m, spa_error *err)
{
    const spa_lane *lanes = m->lanes->lanes;
    size_t n = m->n_lanes;
    m->n_schedules = m->n_whole;
    if (!m->options->parts) return SPA_OK;
    SPA_TRY(spa_alloc(&m->splits, n * (n - 1) * N_SHARES, sizeof *m->splits, err));
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b < n; b++)
            for (size_t k = 0; k < N_SHARES && a != b; k++)
                if (runs_parts(&lanes[a]) && runs_parts(&lanes[b]))
                    m->splits[m->n_schedules++ - m->n_whole] =
                        (spa_profile_split){(uint8_t)a, (uint8_t)b, measured_shares[k]};
    return SPA_OK;
}

static spa_status list_entries(spa_profile_model *m, spa_error *err)
{
    size_t n = m->n_lanes, pairs = m->options->corun ? n * (n - 1) / 2 : 0;
    m->n_whole = n;
    if (m->options->copies && n > 1) m->n_whole += n * (n - 1) + RANDOM_PLACEMENTS;
    SPA_TRY(list_splits(m, err));
    m->n_entries = m->n_schedules + pairs;
    SPA_TRY(spa_alloc(&m->schedules, m->n_schedules, sizeof *m->schedules, err));
    SPA_TRY(spa_alloc(&m->entries, m->n_entries, sizeof *m->entries, err));
    SPA_TRY(spa_alloc(&m->pairs, pairs, sizeof *m->pairs, err));
    for (size_t i = 0; i < m->n_schedules; i++) {
        SPA_TRY(spa_schedule_init(&m->schedules[i], m->graph->n_ops, err));
        if (i < m->n_whole)
            fill_schedule(m, i, &m->schedules[i]);
        else
            fill_split(m, &m->splits[i - m->n_whole], &m->schedules[i]);
        m->entries[i].schedule = &m->schedules[i];
    }
    for (uint32_t a = 0, k = 0; a < n && pairs; a++) {
        for (uint32_t b = a + 1; b < n; b++, k++) {
            m->pairs[k][0] = a;
            m->pairs[k][1] = b;
            m->entries[m->n_schedules + k] =
                (spa_campaign_entry){.policy = &by_slot, .self = m->pairs[k], .concurrency = 2};
        }
    }
    return SPA_OK;
}

static spa_status prepare(spa_profile_model *m, spa_error *err)
{
    SPA_TRY(spa_alloc(&m->reader, m->costs->n_tensors, sizeof *m->reader, err));
    SPA_TRY(spa_alloc(&m->typical_us, m->graph->n_ops * m->n_lanes, sizeof *m->typical_us, err));
    return list_entries(m, err);
}

spa_status spa_profile_model_init(spa_profile_model *m, const spa_lane_set *lanes,
                                  const spa_profile_options *options, const spa_costs *costs,
                                  spa_trace_model *entry, spa_error *err)
{
    *m = (spa_profile_model){.lanes = lanes,
                             .options = options,
                             .costs = costs,
                             .entry = entry,
                             .graph = &entry->graph,
                             .n_lanes = lanes->count};
    spa_status status = prepare(m, err);
    if (status) spa_profile_model_fini(m);
    return status;
}

void spa_profile_model_fini(spa_profile_model *m)
{
    for (size_t i = 0; i < m->n_schedules && m->schedules; i++) spa_schedule_fini(&m->schedules[i]);
    free(m->schedules);
    free(m->entries);
    free(m->pairs);
    free(m->splits);
    free(m->column);
    free(m->reader);
    free(m->typical_us);
    *m = (spa_profile_model){0};
}

/* ---- all of it ------------------------------------------------------------------------------- */

typedef struct profile_run {
    spa_model model;
    spa_costs costs;
    spa_hardware *hardware;
    spa_profile_model m;
    spa_samples *samples; /* [m.n_entries] */
} profile_run;

/* Zeros of each output go into the graph: assumed, because the weights are seeded. */
static void observe_zeros(void *context, const spa_session *session, size_t op)
{
    spa_graph *graph = context;
    graph->ops[op].sparsity = spa_session_output_zeros(session, op);
    graph->ops[op].rho_origin = SPA_ORIGIN_ASSUMED;
}

static spa_status measure_zeros(profile_run *r, spa_error *err)
{
    spa_graph *graph = &r->m.entry->graph;
    const spa_backend *backend = r->m.lanes->lanes[r->costs.host].backend, **backends;
    void *workspace = NULL;
    SPA_TRY(spa_alloc(&backends, graph->n_ops, sizeof *backends, err));
    for (size_t i = 0; i < graph->n_ops; i++) backends[i] = backend;
    spa_status status =
        spa_alloc_aligned(&workspace, spa_model_workspace_bytes(&r->model, backend), err);
    if (!status)
        status = spa_session_run(spa_hardware_session(r->hardware, 0), backends, workspace,
                                 observe_zeros, graph, err);
    free(workspace);
    free(backends);
    graph->graph_input_sparsity = 0;
    spa_graph_propagate_sparsity(graph);
    return status;
}

static spa_status measure(profile_run *r, void (*progress)(void *context, double fraction),
                          void *context, spa_error *err)
{
    spa_campaign_options options = spa_campaign_default();
    options.rounds = r->m.options->visits;
    options.runs = r->m.options->runs;
    options.burst_factor = r->m.options->burst_factor;
    options.seed = r->m.options->seed;
    options.progress = progress;
    options.context = context;
    SPA_TRY(measure_zeros(r, err));
    SPA_TRY(spa_alloc(&r->samples, r->m.n_entries, sizeof *r->samples, err));
    return spa_campaign_run(r->hardware, &r->costs, r->m.entries, r->m.n_entries, &options,
                            r->samples, err);
}

static spa_status open_run(profile_run *r, const spa_lane_set *lanes,
                           const spa_profile_options *options, spa_trace_model *entry,
                           spa_error *err)
{
    spa_hardware_options hardware = spa_hardware_measuring();
    hardware.slots = options->corun && lanes->count > 1 ? 2 : 1;
    hardware.seed = options->seed;
    SPA_TRY(spa_model_init(&r->model, &entry->graph, options->seed, err));
    SPA_TRY(spa_lanes_plain_costs(&r->costs, &entry->graph, lanes, err));
    SPA_TRY(spa_hardware_new(&r->hardware, lanes, &r->model, &hardware, err));
    return spa_profile_model_init(&r->m, lanes, options, &r->costs, entry, err);
}

static void close_run(profile_run *r)
{
    for (size_t i = 0; i < r->m.n_entries && r->samples; i++) spa_samples_fini(&r->samples[i]);
    free(r->samples);
    spa_profile_model_fini(&r->m);
    spa_hardware_free(r->hardware);
    spa_costs_fini(&r->costs);
    spa_model_fini(&r->model);
}

spa_status spa_profile_model_run(const spa_lane_set *lanes, const spa_profile_options *options,
                                 void (*progress)(void *context, double fraction), void *context,
                                 spa_trace_model *entry, spa_arena *arena, spa_profile_links *links,
                                 spa_profile_report *report, spa_error *err)
{
    profile_run r = {0};
    spa_status status = open_run(&r, lanes, options, entry, err);
    if (options->runs_on) options->runs_on(r.hardware);
    if (!status) status = measure(&r, progress, context, err);
    if (options->runs_on) options->runs_on(NULL);
    if (!status) status = spa_profile_model_rows(&r.m, r.samples, arena, links, report, err);
    close_run(&r);
    return status;
}
