#include "experiments/random_scene.h"

#include <math.h>
#include <stdio.h>
#include "base/rng.h"

static const spa_shape small = {2, {1, 4}};

static spa_status add_op(spa_graph *g, uint32_t i, spa_op_kind kind, const int32_t *inputs,
                         size_t n, spa_error *err)
{
    char name[32];
    int32_t index = -1;
    spa_op_attrs attrs = {0};
    snprintf(name, sizeof name, "op%u", i);
    return spa_graph_add(g, name, kind, &attrs, inputs, n, &small, &index, err);
}

static spa_status make_graph(spa_graph *g, spa_rng *rng, const spa_random_scene_options *o,
                             spa_error *err)
{
    spa_graph_init(g, "scene", 1, SPA_FP32);
    g->n_graph_inputs = 1;
    g->graph_inputs[0] = small;
    for (uint32_t i = 0; i < o->n_ops; i++) {
        int32_t inputs[SPA_MAX_OP_INPUTS];
        uint32_t n = i == 0 ? 1 : 1 + spa_rng_below(rng, o->max_inputs);
        uint32_t reach = o->reach && o->reach < i ? o->reach : i;
        bool view = o->views && spa_rng_below(rng, 5) == 0;
        if (view) n = 1;
        for (uint32_t k = 0; k < n; k++) {
            bool outside = i == 0 || spa_rng_below(rng, 12) == 0;
            inputs[k] = outside ? SPA_GRAPH_INPUT(0) : (int32_t)(i - 1 - spa_rng_below(rng, reach));
        }
        SPA_TRY(add_op(g, i, view ? SPA_OP_RESHAPE : SPA_OP_OTHER, inputs, n, err));
    }
    SPA_TRY(spa_graph_finish(g, err));
    for (uint32_t i = 0; i < o->n_ops; i++) {
        spa_op *op = &g->ops[i];
        if (o->pulled && op->kind != SPA_OP_RESHAPE && spa_rng_below(rng, 6) == 0)
            op->flags |= SPA_OP_PULLED;
        op->macs = (int64_t)spa_rng_below(rng, 200) * 1000000;
        op->sparsity = spa_rng_below(rng, 8) == 0 ? NAN : spa_rng_uniform(rng);
    }
    spa_graph_propagate_sparsity(g);
    return SPA_OK;
}

static void random_op(spa_costs *c, spa_rng *rng, uint32_t op, const spa_random_scene_options *o)
{
    uint32_t always = spa_rng_below(rng, c->n_processors);
    for (uint32_t p = 0; p < c->n_processors; p++) {
        spa_op_cost *k = &c->ops[op * c->n_processors + p];
        bool runs = p == always || !o->unable || spa_rng_below(rng, 4) != 0;
        k->kernel_ns = runs ? 1 + (int64_t)spa_rng_below(rng, 100) : -1;
        k->launch_ns = (int32_t)spa_rng_below(rng, 10);
        k->dynamic_w = o->power ? (float)spa_rng_below(rng, 20) : 0;
        k->pressure = 0.1f;
        k->dram_share = 0.25f;
    }
}

static void random_links(spa_costs *c, spa_rng *rng, const spa_random_scene_options *o)
{
    uint32_t n = c->n_processors;
    c->n_links = 0;
    for (uint32_t a = 0; a < n; a++) {
        for (uint32_t b = 0; b < n; b++) {
            if (a == b) continue;
            c->links[a][b].id = (uint8_t)c->n_links++;
            c->links[a][b].dynamic_w = o->power ? (float)spa_rng_below(rng, 5) : 0;
            c->links[a][b].issue_ns = o->dispatch ? (int32_t)spa_rng_below(rng, 8) : 0;
        }
    }
    for (size_t t = 0; t < c->n_tensors; t++) {
        bool free_tensor = o->free_links && spa_rng_below(rng, 2);
        for (uint32_t k = 0; k < n * n; k++) {
            if (k / n == k % n) continue;
            c->transfer_ns[t * n * n + k] = free_tensor ? 0 : spa_rng_below(rng, 60);
        }
    }
}

static spa_status make_costs(spa_random_scene *s, spa_rng *rng, const spa_random_scene_options *o,
                             spa_error *err)
{
    SPA_TRY(spa_costs_init(&s->costs, &s->graph, o->n_processors, err));
    for (uint32_t p = 0; p < o->n_processors; p++) {
        spa_cost_processor *q = &s->costs.processors[p];
        q->n_lanes = 1 + spa_rng_below(rng, o->max_lanes ? o->max_lanes : 1);
        q->is_async = p > 0 && spa_rng_below(rng, 2);
        q->slow_a = 0.5f;
        if (o->power) q->dispatch_w = (float)spa_rng_below(rng, 6);
    }
    if (o->power) s->costs.base_w = (double)spa_rng_below(rng, 10);
    s->costs.dispatch_occupies_host = o->dispatch && spa_rng_below(rng, 2);
    s->costs.blocking_sync = o->dispatch && spa_rng_below(rng, 2);
    for (uint32_t i = 0; i < o->n_ops; i++) random_op(&s->costs, rng, i, o);
    random_links(&s->costs, rng, o);
    spa_random_scene_divide(&s->costs);
    return spa_costs_finish(&s->costs, err);
}

spa_status spa_random_scene_init(spa_random_scene *scene, uint64_t seed,
                                 const spa_random_scene_options *options, spa_error *err)
{
    spa_rng rng;
    *scene = (spa_random_scene){0};
    spa_rng_init(&rng, seed, "scene");
    spa_status status = make_graph(&scene->graph, &rng, options, err);
    if (!status) status = make_costs(scene, &rng, options, err);
    if (status) spa_random_scene_fini(scene);
    return status;
}

void spa_random_scene_fini(spa_random_scene *scene)
{
    spa_costs_fini(&scene->costs);
    spa_graph_fini(&scene->graph);
    *scene = (spa_random_scene){0};
}

void spa_random_scene_divide(spa_costs *c)
{
    for (size_t i = 0; i < c->n_ops * c->n_processors; i++) {
        int64_t whole_ns = c->ops[i].kernel_ns;
        if (whole_ns < 0 || c->graph->ops[i / c->n_processors].kind == SPA_OP_RESHAPE) continue;
        for (int64_t k = 1; k < SPA_TENTHS; k++)
            c->part_ns[i * (SPA_TENTHS - 1) + (size_t)k - 1] = whole_ns * k / SPA_TENTHS;
    }
}
