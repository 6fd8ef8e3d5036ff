/* The split network on the project's engine: workers, a critical section, pulled outputs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/fit.h"
#include "sim/engine.h"

enum { HOST, GPU };
#define TO_NS(ms) ((int64_t)llround((ms)*1e6))

/* ---- the graph ------------------------------------------------------------------------------- */

static spa_op_kind kind_of(const fit_layer *l)
{
    switch (l->type) {
    case 'c':
        return SPA_OP_CONV;
    case 'm':
        return SPA_OP_MAX_POOL;
    case 'u':
        return SPA_OP_UPSAMPLE;
    case 'r':
        return l->n_from > 1 ? SPA_OP_CONCAT : SPA_OP_OTHER; /* a route of one copies */
    default:
        return SPA_OP_OTHER;
    }
}

static spa_op_attrs attrs_of(const fit_layer *l)
{
    spa_op_attrs a = {0};
    spa_op_kind kind = kind_of(l);
    if (kind == SPA_OP_CONCAT) a.axis = 1;
    if (kind == SPA_OP_UPSAMPLE) a.stride_h = a.stride_w = l->stride;
    if (kind != SPA_OP_CONV && kind != SPA_OP_MAX_POOL) return a;
    a.kernel_h = a.kernel_w = l->ksize;
    a.stride_h = a.stride_w = l->stride;
    if (kind == SPA_OP_CONV) {
        a.groups = 1;
        a.has_bias = true;
        a.dilation_h = a.dilation_w = 1;
        a.pad_top = a.pad_left = a.pad_bottom = a.pad_right = l->ksize / 2;
    } else { /* darknet pads ksize - 1 in all */
        int32_t pad = (l->out_h - 1) * l->stride + l->ksize - l->in_h;
        a.pad_top = a.pad_left = pad / 2;
        a.pad_bottom = a.pad_right = pad - pad / 2;
    }
    return a;
}

static spa_status add_layer(const fit_split *s, spa_graph *graph, int32_t i, spa_error *err)
{
    const fit_layer *l = &s->layers[i];
    spa_op_attrs attrs = attrs_of(l);
    spa_shape out = {4, {1, l->out_c, l->out_h, l->out_w}};
    int32_t inputs[FIT_MAX_FROM], index = 0;
    char name[32];
    bool given = kind_of(l) == SPA_OP_OTHER || kind_of(l) == SPA_OP_CONV;
    snprintf(name, sizeof name, "layer%d", (int)i);
    for (int32_t j = 0; j < l->n_from; j++) inputs[j] = l->from[j] + 1; /* 0 is preprocess */
    SPA_TRY(spa_graph_add(graph, name, kind_of(l), &attrs, inputs, (size_t)l->n_from,
                          given ? &out : NULL, &index, err));
    if (!spa_shape_equal(&graph->ops[index].out, &out))
        return spa_fail(err, SPA_E_INVALID, "%s: the shape is not the one in the data", name);
    if (l->pulled) graph->ops[index].flags |= SPA_OP_PULLED;
    return SPA_OK;
}

spa_status fit_split_graph(const fit_split *s, spa_graph *graph, spa_error *err)
{
    int32_t input = SPA_GRAPH_INPUT(0), index = 0, heads[FIT_MAX_LAYERS];
    size_t n_heads = 0;
    const fit_layer *first = &s->layers[0];
    spa_shape image = {4, {1, first->in_c, first->in_h, first->in_w}}, answer = {2, {1, 6}};
    spa_op_attrs none = {0};
    spa_graph_init(graph, "yolov7-tiny", 1, SPA_FP32);
    graph->n_graph_inputs = 1;
    graph->graph_inputs[0] = image;
    SPA_TRY(spa_graph_add(graph, "preprocess", SPA_OP_HOST, &none, &input, 1, &image, &index, err));
    for (int32_t i = 0; i < s->n_layers; i++) {
        SPA_TRY(add_layer(s, graph, i, err));
        if (s->layers[i].type == 'y') heads[n_heads++] = i + 1;
    }
    SPA_TRY(spa_graph_add(graph, "postprocess", SPA_OP_HOST, &none, heads, n_heads, &answer, &index,
                          err));
    return spa_graph_finish(graph, err);
}

/* ---- the cost table -------------------------------------------------------------------------- */

static spa_op_cost *cost_at(spa_costs *c, size_t op, uint32_t processor)
{
    return &c->ops[op * c->n_processors + processor];
}

static void set_transfer(spa_costs *c, size_t tensor, uint32_t from, uint32_t to, double ms)
{
    int64_t *ns = &c->transfer_ns[(tensor * c->n_processors + from) * c->n_processors + to];
    *ns = ms > 0 ? TO_NS(ms) : 0;
}

static void set_op(spa_op_cost *k, double ms, float pressure)
{
    *k = (spa_op_cost){.kernel_ns = TO_NS(ms),
                       .capacity_share = 1e-3F,
                       .pressure = pressure,
                       .origin = SPA_ORIGIN_MODELLED};
}

static void set_layer(const fit_split *s, spa_costs *c, int32_t i)
{
    const fit_layer *l = &s->layers[i];
    double mb = l->out_bytes / 1e6;
    set_op(cost_at(c, (size_t)i + 1, HOST), fit_split_cpu_ms(s, i), 1);
    set_op(cost_at(c, (size_t)i + 1, GPU), fit_split_gpu_ms(s, i), 0);
    set_transfer(c, (size_t)i + 1, GPU, HOST,
                 l->pulled ? s->gpu[GPU_PULL] + s->gpu[GPU_PULL_MB] * mb : s->gpu[GPU_CUT_MB] * mb);
    set_transfer(c, (size_t)i + 1, HOST, GPU, s->gpu[GPU_CUT_MB] * mb);
}

static spa_status fill_costs(const fit_split *s, const spa_graph *graph, int32_t workers,
                             spa_costs *c, spa_error *err)
{
    size_t post = (size_t)s->n_layers + 1;
    SPA_TRY(spa_costs_init(c, graph, 2, err));
    c->processors[HOST] = (spa_cost_processor){.name = "cpu",
                                               .backend = "darknet",
                                               .role = SPA_ROLE_HOST,
                                               .n_lanes = (uint32_t)workers,
                                               .cores_per_lane = 1,
                                               .clock_hz = 2.2016e9,
                                               .slow_a = (float)s->cpu_slow_a};
    c->processors[GPU] = (spa_cost_processor){.name = "gpu",
                                              .backend = "darknet",
                                              .role = SPA_ROLE_ACCELERATOR,
                                              .is_async = true,
                                              .n_lanes = 1,
                                              .cores_per_lane = 1,
                                              .clock_hz = 1.3005e9,
                                              .slow_a = (float)s->gpu_slow_a,
                                              .slow_b = (float)s->gpu_slow_b};
    c->links[HOST][GPU].id = 0;
    c->links[GPU][HOST].id = 1;
    c->n_links = 2;
    c->host = HOST;
    c->host_hz = 2.2016e9;
    c->dispatch_occupies_host = c->blocking_sync = true;
    c->device = "agx-orin";
    c->mode = "MAXN";
    c->stack = "darknet";
    c->lanes = "cpu,gpu:0";
    for (int32_t i = 0; i < s->n_layers; i++) set_layer(s, c, i);
    /* Preprocessing was measured beside the others' CPU work and hardly slows: a factor of its own
     * that takes the place of the interference model. */
    set_op(cost_at(c, 0, HOST), s->pre_ms, 1);
    cost_at(c, 0, HOST)->corun_slowdown = 1;
    set_transfer(c, 0, HOST, GPU, s->gpu[GPU_INPUT]);
    set_op(cost_at(c, post, HOST), s->post_ms, 1);
    return spa_costs_finish(c, err);
}

/* ---- the run --------------------------------------------------------------------------------- */

/* Ends of the parts of each image, ns. */
typedef struct parts {
    int32_t k;
    uint32_t post;
    uint64_t images;
    int64_t *pre_start, *pre_end, *gpu_end, *cpu_end, *end;
} parts;

static void record(void *user, const spa_event *event)
{
    parts *p = user;
    uint64_t r = event->request;
    if (event->kind == SPA_EV_FINISH) p->end[r] = event->time_ns;
    if (event->op == 0 && event->kind == SPA_EV_KERNEL_BEGIN) p->pre_start[r] = event->time_ns;
    if (event->op == 0 && event->kind == SPA_EV_KERNEL_END) p->pre_end[r] = event->time_ns;
    if (event->kind != SPA_EV_KERNEL_BEGIN) return;
    if (event->op == (uint32_t)p->k + 1) p->gpu_end[r] = event->time_ns;
    if (event->op == p->post) p->cpu_end[r] = event->time_ns;
}

static void average(const parts *p, const spa_run_result *result, fit_simulated *out)
{
    double n = (double)p->images;
    *out = (fit_simulated){.fps = n / ((double)result->span_ns * 1e-9)};
    for (uint64_t i = 0; i < p->images; i++) {
        out->pre_ms += (double)(p->pre_end[i] - p->pre_start[i]) * 1e-6 / n;
        out->gpu_ms += (double)(p->gpu_end[i] - p->pre_end[i]) * 1e-6 / n;
        out->cpu_ms += (double)(p->cpu_end[i] - p->gpu_end[i]) * 1e-6 / n;
        out->total_ms += (double)(p->end[i] - p->pre_start[i]) * 1e-6 / n;
    }
}

static spa_status run_engine(const spa_graph *graph, const spa_costs *costs, int32_t workers,
                             parts *p, fit_simulated *out, spa_error *err)
{
    spa_run_config config = spa_run_config_default();
    spa_schedule schedule;
    spa_engine *engine = NULL;
    spa_run_result result;
    SPA_TRY(spa_schedule_init(&schedule, graph->n_ops, err));
    for (int32_t i = 0; i < p->k; i++) schedule.processor[i + 1] = GPU;
    config.graph = graph;
    config.costs = costs;
    config.schedule = &schedule;
    config.scenario = spa_scenario_closed((uint32_t)workers, p->images);
    config.scenario.workers = true;
    config.scenario.serial_ops = (uint32_t)p->k + 1;
    config.objective = SPA_OBJECTIVE_THROUGHPUT;
    config.record = record;
    config.record_user = p;
    spa_status status = spa_engine_new(&engine, &config, err);
    if (status == SPA_OK) status = spa_engine_run(engine, NULL, &result, err);
    if (status == SPA_OK) average(p, &result, out);
    spa_engine_free(engine);
    spa_schedule_fini(&schedule);
    return status;
}

spa_status fit_split_simulate(const fit_split *s, int32_t k, int32_t workers, int32_t images,
                              fit_simulated *out, spa_error *err)
{
    spa_graph graph = {0};
    spa_costs costs = {0};
    spa_arena arena;
    parts p = {.k = k, .post = (uint32_t)s->n_layers + 1, .images = (uint64_t)images};
    int64_t **const arrays[] = {&p.pre_start, &p.pre_end, &p.gpu_end, &p.cpu_end, &p.end};
    memset(out, 0, sizeof *out);
    if (k < 1 || k > s->n_layers || workers < 1 || images < 1)
        return spa_fail(err, SPA_E_INVALID, "%d layers on the GPU, %d workers, %d images", (int)k,
                        (int)workers, (int)images);
    spa_arena_init(&arena);
    spa_status status = fit_split_graph(s, &graph, err);
    if (status == SPA_OK) status = fill_costs(s, &graph, workers, &costs, err);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays && status == SPA_OK; i++)
        status = spa_arena_alloc(&arena, arrays[i], (size_t)images, sizeof(int64_t), err);
    if (status == SPA_OK) status = run_engine(&graph, &costs, workers, &p, out, err);
    spa_costs_fini(&costs);
    spa_graph_fini(&graph);
    spa_arena_fini(&arena);
    return status;
}
