/* Profiling one model; see profile_model.h. */
#include "kernels/profile_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/measure.h"
#include "kernels/samples.h"

#define RANDOM_PLACEMENTS 6

/* Placements: all on lane l (0 .. n-1); operators in turn over the lanes, by every step and
 * beginning; random ones; then, with two requests in flight, lane l beside lane m. */
typedef struct model_profile {
    const spa_lane_set *lanes;
    const spa_profile_options *options;
    spa_trace_model *entry;
    const spa_graph *graph;
    spa_model model;
    spa_costs costs;
    spa_hardware *hardware;
    size_t n_lanes, n_schedules, n_entries;
    spa_schedule *schedules;     /* [n_schedules] */
    spa_campaign_entry *entries; /* [n_entries] */
    uint32_t (*pairs)[2];        /* [n_entries - n_schedules] lanes of the two slots */
    spa_samples *samples;        /* [n_entries] */
    double *column;
    int32_t *reader;    /* [n_tensors] first operator that reads it and is no view, -1 = none */
    double *typical_us; /* [n_ops][n_lanes] alone */
} model_profile;

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

static void fill_schedule(const model_profile *m, size_t index, spa_schedule *s)
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

static spa_status list_entries(model_profile *m, spa_error *err)
{
    size_t n = m->n_lanes, pairs = m->options->corun ? n * (n - 1) / 2 : 0;
    m->n_schedules = n;
    if (m->options->copies && n > 1) m->n_schedules += n * (n - 1) + RANDOM_PLACEMENTS;
    m->n_entries = m->n_schedules + pairs;
    SPA_TRY(spa_alloc(&m->schedules, m->n_schedules, sizeof *m->schedules, err));
    SPA_TRY(spa_alloc(&m->entries, m->n_entries, sizeof *m->entries, err));
    SPA_TRY(spa_alloc(&m->samples, m->n_entries, sizeof *m->samples, err));
    SPA_TRY(spa_alloc(&m->pairs, pairs, sizeof *m->pairs, err));
    for (size_t i = 0; i < m->n_schedules; i++) {
        SPA_TRY(spa_schedule_init(&m->schedules[i], m->graph->n_ops, err));
        fill_schedule(m, i, &m->schedules[i]);
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

/* ---- zeros ----------------------------------------------------------------------------------- */

/* Zeros of each output go into the graph: assumed, because the weights are seeded. */
static void observe_zeros(void *context, const spa_session *session, size_t op)
{
    spa_graph *graph = context;
    graph->ops[op].sparsity = spa_session_output_zeros(session, op);
    graph->ops[op].rho_origin = SPA_ORIGIN_ASSUMED;
}

static spa_status measure_zeros(model_profile *m, spa_error *err)
{
    spa_graph *graph = &m->entry->graph;
    const spa_backend *backend = m->lanes->lanes[m->costs.host].backend, **backends;
    void *workspace = NULL;
    SPA_TRY(spa_alloc(&backends, graph->n_ops, sizeof *backends, err));
    for (size_t i = 0; i < graph->n_ops; i++) backends[i] = backend;
    spa_status status =
        spa_alloc_aligned(&workspace, spa_model_workspace_bytes(&m->model, backend), err);
    if (!status)
        status = spa_session_run(spa_hardware_session(m->hardware, 0), backends, workspace,
                                 observe_zeros, graph, err);
    free(workspace);
    free(backends);
    graph->graph_input_sparsity = 0;
    spa_graph_propagate_sparsity(graph);
    return status;
}

/* ---- rows: costs ----------------------------------------------------------------------------- */

static size_t kept_column(const spa_samples *s, int slot, size_t op, double *out)
{
    size_t n = 0;
    for (size_t r = 0; r < s->count; r++)
        if (s->kept[r] && (slot < 0 || s->slot[r] == slot))
            out[n++] = (double)s->kernel[r * s->n_ops + op];
    return n;
}

/* False: there is nothing to tell of (beside a lane that is many times faster). */
static bool fill_cost(const model_profile *m, const spa_samples *s, int slot, size_t op,
                      size_t lane, const char *corun, spa_trace_cost *cost)
{
    const spa_lane *l = &m->lanes->lanes[lane];
    size_t n = kept_column(s, slot, op, m->column);
    spa_moments moments = {0};
    if (n == 0) return false;
    for (size_t i = 0; i < n; i++) spa_moments_add(&moments, m->column[i]);
    double p50 = spa_median(m->column, n); /* sorts */
    *cost = (spa_trace_cost){
        .op = (int32_t)op,
        .processor = l->processor,
        .backend = l->backend->name,
        .cores = l->n_cores > 0 ? l->n_cores : 1,
        .batch = m->options->batch,
        .dtype = SPA_FP32,
        .part = 1,
        .corun = corun,
        .samples = (int64_t)n,
        .mean_us = spa_measured_us(moments.mean),
        .std_us = spa_measured_us(spa_moments_sd(&moments)),
        .p50_us = spa_measured_us(p50),
        .p95_us = spa_measured_us(spa_quantile_sorted(m->column, n, 0.95)),
        .typical_us = spa_measured_us(spa_samples_typical(s, slot, s->kernel + op, s->n_ops)),
        .energy_uj = NAN,
        .origin = SPA_ORIGIN_MEASURED,
    };
    return true;
}

static spa_status fill_costs(model_profile *m, spa_arena *arena, spa_error *err)
{
    size_t n_ops = m->graph->n_ops, pairs = m->n_entries - m->n_schedules;
    spa_trace_model *entry = m->entry;
    SPA_TRY(spa_arena_alloc(arena, &entry->costs, n_ops * (m->n_lanes + 2 * pairs),
                            sizeof *entry->costs, err));
    for (size_t op = 0; op < n_ops; op++) {
        for (size_t l = 0; l < m->n_lanes; l++) {
            fill_cost(m, &m->samples[l], -1, op, l, "", &entry->costs[entry->n_costs]);
            m->typical_us[op * m->n_lanes + l] = entry->costs[entry->n_costs++].typical_us;
        }
        for (size_t k = 0; k < pairs; k++)
            for (int slot = 0; slot < 2; slot++)
                entry->n_costs +=
                    fill_cost(m, &m->samples[m->n_schedules + k], slot, op, m->pairs[k][slot],
                              m->lanes->lanes[m->pairs[k][1 - slot]].processor,
                              &entry->costs[entry->n_costs]);
    }
    return SPA_OK;
}

/* ---- rows: copies ---------------------------------------------------------------------------- */

static int lane_of_tensor(const model_profile *m, const spa_samples *s, size_t tensor)
{
    const spa_graph *g = m->graph;
    while (tensor < g->n_ops && g->ops[tensor].kind == SPA_OP_RESHAPE)
        tensor = spa_tensor_of(&m->costs, g->inputs[g->ops[tensor].first_input]);
    return tensor < g->n_ops ? s->lane[tensor] : (int)m->costs.host;
}

/* Dispatch is in graph order, so the first reader in it is the first to run. */
static void find_readers(model_profile *m)
{
    const spa_graph *g = m->graph;
    for (size_t t = 0; t < m->costs.n_tensors; t++) m->reader[t] = -1;
    for (size_t op = g->n_ops; op-- > 0;) {
        const spa_op *o = &g->ops[op];
        if (o->kind == SPA_OP_RESHAPE) continue;
        for (uint32_t i = 0; i < o->n_inputs; i++)
            m->reader[spa_tensor_of(&m->costs, g->inputs[o->first_input + i])] = (int32_t)op;
    }
}

static double tensor_bytes(const model_profile *m, size_t tensor)
{
    const spa_graph *g = m->graph;
    if (tensor < g->n_ops) return (double)g->ops[tensor].bytes_out;
    return 4.0 * (double)spa_shape_elements(&g->graph_inputs[tensor - g->n_ops]);
}

/* Its part of what the first reader took longer in a placement than alone on that lane. */
static double extra_read_us(const model_profile *m, const spa_samples *s, size_t tensor)
{
    size_t r = (size_t)m->reader[tensor], lane = (size_t)s->lane[r];
    const spa_op *o = &m->graph->ops[r];
    double bytes = 0;
    if (tensor >= m->graph->n_ops) return 0; /* graph inputs are old: alone is not faster */
    for (uint32_t i = 0; i < o->n_inputs; i++) {
        size_t t = spa_tensor_of(&m->costs, m->graph->inputs[o->first_input + i]);
        if (lane_of_tensor(m, s, t) != (int)lane) bytes += tensor_bytes(m, t);
    }
    double us = spa_samples_typical(s, -1, s->kernel + r, s->n_ops);
    return (us - m->typical_us[r * m->n_lanes + lane]) * tensor_bytes(m, tensor) / bytes;
}

/* Mean over the placements in which `tensor` was made on `from` and read on `to`. */
static bool fill_copy(const model_profile *m, size_t tensor, size_t from, size_t to,
                      spa_trace_copy *copy)
{
    double copy_us = 0, read_us = 0;
    size_t n = 0, samples = 0;
    if (m->reader[tensor] < 0) return false;
    for (size_t k = 0; k < m->n_schedules; k++) {
        const spa_samples *s = &m->samples[k];
        if (lane_of_tensor(m, s, tensor) != (int)from || s->lane[m->reader[tensor]] != (int)to)
            continue;
        copy_us += spa_samples_typical(s, -1, s->copy + tensor * s->n_lanes + to,
                                       s->n_tensors * s->n_lanes);
        read_us += extra_read_us(m, s, tensor);
        samples += s->n_typical;
        n++;
    }
    if (n == 0) return false;
    read_us /= (double)n;
    *copy = (spa_trace_copy){
        .tensor = tensor,
        .from = m->lanes->lanes[from].processor,
        .from_backend = m->lanes->lanes[from].backend->name,
        .to = m->lanes->lanes[to].processor,
        .to_backend = m->lanes->lanes[to].backend->name,
        .batch = m->options->batch,
        .dtype = SPA_FP32,
        .samples = (int64_t)samples,
        .copy_us = spa_measured_us(copy_us / (double)n),
        .read_us = spa_measured_us(read_us > 0 ? read_us : 0), /* less is noise */
        .origin = SPA_ORIGIN_MEASURED,
    };
    return true;
}

static spa_status fill_copies(model_profile *m, spa_arena *arena, spa_error *err)
{
    size_t n = m->n_lanes;
    spa_trace_model *entry = m->entry;
    if (!m->options->copies || n < 2) return SPA_OK;
    SPA_TRY(spa_arena_alloc(arena, &entry->copies, m->costs.n_tensors * n * (n - 1),
                            sizeof *entry->copies, err));
    find_readers(m);
    for (size_t t = 0; t < m->costs.n_tensors; t++)
        for (size_t from = 0; from < n; from++)
            for (size_t to = 0; to < n; to++)
                if (m->costs.links[from][to].on_lane &&
                    fill_copy(m, t, from, to, &entry->copies[entry->n_copies]))
                    entry->n_copies++;
    return SPA_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static spa_status prepare(model_profile *m, spa_error *err)
{
    spa_hardware_options options = spa_hardware_measuring();
    options.slots = m->options->corun && m->n_lanes > 1 ? 2 : 1;
    options.seed = m->options->seed;
    SPA_TRY(spa_model_init(&m->model, m->graph, m->options->seed, err));
    SPA_TRY(spa_lanes_plain_costs(&m->costs, m->graph, m->lanes, err));
    SPA_TRY(spa_hardware_new(&m->hardware, m->lanes, &m->model, &options, err));
    SPA_TRY(spa_alloc(&m->reader, m->costs.n_tensors, sizeof *m->reader, err));
    SPA_TRY(spa_alloc(&m->typical_us, m->graph->n_ops * m->n_lanes, sizeof *m->typical_us, err));
    SPA_TRY(spa_alloc(&m->column, 4 * (size_t)m->options->visits * (size_t)m->options->runs + 64,
                      sizeof *m->column, err));
    return list_entries(m, err);
}

static void fini(model_profile *m)
{
    for (size_t i = 0; i < m->n_entries && m->samples; i++) spa_samples_fini(&m->samples[i]);
    for (size_t i = 0; i < m->n_schedules && m->schedules; i++) spa_schedule_fini(&m->schedules[i]);
    free(m->samples);
    free(m->schedules);
    free(m->entries);
    free(m->pairs);
    free(m->column);
    free(m->reader);
    free(m->typical_us);
    spa_hardware_free(m->hardware);
    spa_costs_fini(&m->costs);
    spa_model_fini(&m->model);
}

static spa_status measure(model_profile *m, void (*progress)(void *context, double fraction),
                          void *context, spa_error *err)
{
    spa_campaign_options options = spa_campaign_default();
    options.rounds = m->options->visits;
    options.runs = m->options->runs;
    options.burst_factor = m->options->burst_factor;
    options.seed = m->options->seed;
    options.progress = progress;
    options.context = context;
    SPA_TRY(measure_zeros(m, err));
    return spa_campaign_run(m->hardware, &m->costs, m->entries, m->n_entries, &options, m->samples,
                            err);
}

spa_status spa_profile_model_run(const spa_lane_set *lanes, const spa_profile_options *options,
                                 void (*progress)(void *context, double fraction), void *context,
                                 spa_trace_model *entry, spa_arena *arena, spa_profile_links *links,
                                 spa_profile_report *report, spa_error *err)
{
    model_profile m = {.lanes = lanes,
                       .options = options,
                       .entry = entry,
                       .graph = &entry->graph,
                       .n_lanes = lanes->count};
    spa_status status = prepare(&m, err);
    if (!status) status = measure(&m, progress, context, err);
    if (!status) status = fill_costs(&m, arena, err);
    if (!status) status = fill_copies(&m, arena, err);
    for (size_t l = 0; l < m.n_lanes && !status; l++)
        spa_profile_note_gaps(links, &m.samples[l], l, lanes->lanes[l].device != NULL);
    for (size_t k = m.n_lanes; k < m.n_schedules && !status; k++)
        spa_profile_note_hand_offs(links, &m.samples[k], m.graph, lanes);
    for (size_t k = 0; k < m.n_schedules && !status; k++)
        status = spa_profile_note_transfers(links, &m.samples[k], m.graph, lanes, m.column, err);
    for (size_t i = 0; i < m.n_entries && !status; i++) {
        report->runs_kept += m.samples[i].n_kept;
        report->runs_discarded += m.samples[i].count - m.samples[i].n_kept;
    }
    if (!status) report->worst_spread = fmax(report->worst_spread, links->run_cv.max);
    fini(&m);
    return status;
}
