/* Layers of other programs' profiles on the operators of a graph. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "traces/layer_times.h"

/* ---- words ----------------------------------------------------------------------------------- */

static const struct word {
    const char *text;
    spa_op_kind kind;
} words[] = {
    {"conv", SPA_OP_CONV},
    {"convolution", SPA_OP_CONV},
    {"conv2d", SPA_OP_CONV},
    {"fusedconv", SPA_OP_CONV},
    {"gemm", SPA_OP_LINEAR},
    {"fusedgemm", SPA_OP_LINEAR},
    {"linear", SPA_OP_LINEAR},
    {"addmm", SPA_OP_LINEAR},
    {"matmul", SPA_OP_MATMUL},
    {"fusedmatmul", SPA_OP_MATMUL},
    {"bmm", SPA_OP_MATMUL},
    {"baddbmm", SPA_OP_MATMUL},
    {"batchnormalization", SPA_OP_BATCH_NORM},
    {"batch_norm", SPA_OP_BATCH_NORM},
    {"layernormalization", SPA_OP_LAYER_NORM},
    {"layer_norm", SPA_OP_LAYER_NORM},
    {"relu", SPA_OP_RELU},
    {"clip", SPA_OP_RELU6},
    {"relu6", SPA_OP_RELU6},
    {"hardtanh", SPA_OP_RELU6},
    {"leakyrelu", SPA_OP_LEAKY_RELU},
    {"leaky_relu", SPA_OP_LEAKY_RELU},
    {"hardswish", SPA_OP_HARD_SWISH},
    {"hardsigmoid", SPA_OP_HARD_SIGMOID},
    {"sigmoid", SPA_OP_SIGMOID},
    {"gelu", SPA_OP_GELU},
    {"softmax", SPA_OP_SOFTMAX},
    {"maxpool", SPA_OP_MAX_POOL},
    {"max_pool2d", SPA_OP_MAX_POOL},
    {"averagepool", SPA_OP_AVG_POOL},
    {"avg_pool2d", SPA_OP_AVG_POOL},
    {"globalaveragepool", SPA_OP_GLOBAL_AVG_POOL},
    {"adaptive_avg_pool2d", SPA_OP_GLOBAL_AVG_POOL},
    {"reducemean", SPA_OP_MEAN},
    {"mean", SPA_OP_MEAN},
    {"add", SPA_OP_ADD},
    {"mul", SPA_OP_MUL},
    {"concat", SPA_OP_CONCAT},
    {"cat", SPA_OP_CONCAT},
    {"slice", SPA_OP_SLICE},
    {"pad", SPA_OP_PAD},
    {"roll", SPA_OP_ROLL},
    {"transpose", SPA_OP_TRANSPOSE},
    {"resize", SPA_OP_UPSAMPLE},
    {"upsample_nearest2d", SPA_OP_UPSAMPLE},
};

bool spa_layer_kind(const char *word, spa_op_kind *kind)
{
    char text[32];
    size_t n = 0;
    bool aten = strncmp(word, "aten::", 6) == 0;
    if (aten) word += 6;
    for (; word[n] && n + 1 < sizeof text; n++) text[n] = (char)tolower((unsigned char)word[n]);
    if (word[n]) return false;
    if (aten && n > 1 && text[n - 1] == '_') n--; /* in place */
    text[n] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i].text, text) != 0) continue;
        *kind = words[i].kind;
        return true;
    }
    return false;
}

/* A word may stand for operators of several kinds: a matrix product with weights is linear, a mean
 * over the image is a pool. */
static bool is_kind(spa_op_kind word, spa_op_kind kind)
{
    if (word == kind) return true;
    if (word == SPA_OP_MATMUL || word == SPA_OP_LINEAR)
        return kind == SPA_OP_MATMUL || kind == SPA_OP_LINEAR;
    return word == SPA_OP_MEAN && kind == SPA_OP_GLOBAL_AVG_POOL;
}

/* ---- names ----------------------------------------------------------------------------------- */

enum { NAME_BYTES = 512 };

/* PyTorch's exporter names a node by the modules around it, each by its path from the parent or
 * from the top: "/layer1/layer1.0/conv1/Conv" -> module "layer1.0.conv1", operator "Conv". False =
 * not such a name. */
static bool split_node_name(const char *name, char module[NAME_BYTES], char op[NAME_BYTES])
{
    const char *last = strrchr(name, '/');
    size_t length = 0, part = 0; /* of module; where its last component begins */
    if (!last || strlen(name) >= NAME_BYTES || !isupper((unsigned char)last[1])) return false;
    for (size_t i = 0; i <= strlen(last + 1); i++)
        op[i] = (char)tolower((unsigned char)last[1 + i]);
    for (const char *at = name; at < last;) {
        size_t n = strcspn(at, "/");
        size_t before = length - part;
        bool longer = n > before && before > 0 && at[before] == '.' &&
                      strncmp(at, module + part, before) == 0;
        if (longer) {
            length = part;
        } else if (n > 0 && length > 0) {
            module[length++] = '.';
            part = length;
        }
        memcpy(module + length, at, n);
        length += n;
        at += n + 1;
    }
    module[length] = '\0';
    return true;
}

static int32_t find_named(const spa_graph *graph, const char *name)
{
    char module[NAME_BYTES], op[NAME_BYTES], both[2 * NAME_BYTES];
    int32_t at = spa_graph_find(graph, name);
    if (at >= 0 || !split_node_name(name, module, op)) return at;
    at = spa_graph_find(graph, module);
    if (at >= 0) return at;
    size_t n = strlen(module);
    memcpy(both, module, n);
    if (n) both[n++] = '.';
    memcpy(both + n, op, strlen(op) + 1);
    return spa_graph_find(graph, both);
}

/* ---- matching -------------------------------------------------------------------------------- */

static void take(spa_layer_map *m, size_t op, size_t layer, spa_layer_match how)
{
    m->layer[op] = (int32_t)layer;
    m->match[op] = how;
    m->carrier[layer] = (int32_t)op; /* of all that it takes: sum_up */
}

/* The shape that the profile tells, of the operator? */
static bool fits(const spa_layer_time *l, const spa_shape *shape)
{
    spa_shape unpadded = l->out;
    if (l->out.rank == 0) return true;
    int32_t padding = l->blocked && shape->rank == 4 ? l->out.dim[1] - shape->dim[1] : 0;
    if (padding > 0 && padding < 16 && l->out.dim[1] % 8 == 0) unpadded.dim[1] -= padding;
    return spa_shape_equal(&unpadded, shape);
}

/* A layer that names an operator and makes another shape was profiled at another batch or size of
 * images. Kinds whose shape no other program changes; images may be NHWC. */
static spa_status check_shape(const spa_layer_time *l, const spa_op *op, spa_error *err)
{
    const spa_shape *a = &l->out, *b = &op->out;
    bool image = op->kind == SPA_OP_CONV || op->kind == SPA_OP_MAX_POOL ||
                 op->kind == SPA_OP_AVG_POOL || op->kind == SPA_OP_GLOBAL_AVG_POOL;
    if ((!image && op->kind != SPA_OP_LINEAR) || a->rank < 1 || a->rank != b->rank) return SPA_OK;
    if (a->dim[0] != b->dim[0])
        return spa_fail(err, SPA_E_INVALID,
                        "layer '%.200s' makes %d rows where '%.100s' makes %d; --batch and --model "
                        "are what was profiled",
                        l->name, a->dim[0], op->name, b->dim[0]);
    if (image && a->rank == 4 && a->dim[2] != b->dim[2] && a->dim[1] != b->dim[2])
        return spa_fail(err, SPA_E_INVALID,
                        "layer '%.200s' makes images %d high where those of '%.100s' are %d high; "
                        "--model is what was profiled",
                        l->name, a->dim[2], op->name, b->dim[2]);
    return SPA_OK;
}

static spa_status match_names(spa_layer_map *m, const spa_layer_times *t, const spa_graph *g,
                              spa_error *err)
{
    for (size_t l = 0; l < t->n; l++)
        for (size_t p = 0; p < t->layers[l].n_parts; p++) {
            int32_t op = find_named(g, t->parts[t->layers[l].first_part + p]);
            if (op >= 0) SPA_TRY(check_shape(&t->layers[l], &g->ops[op], err));
            if (op >= 0 && m->layer[op] < 0 && m->match[op] != SPA_LAYER_VIEW)
                take(m, (size_t)op, l, SPA_LAYER_NAMED);
        }
    return SPA_OK;
}

/* Layers that found nothing by name take the next operator of their kind, and shape if it is told,
 * behind the last one that was taken so. */
static void match_shapes(spa_layer_map *m, const spa_layer_times *t, const spa_graph *g)
{
    size_t next = 0;
    for (size_t l = 0; l < t->n; l++) {
        const spa_layer_time *layer = &t->layers[l];
        spa_op_kind word;
        if (m->carrier[l] >= 0 || !spa_layer_kind(layer->kind, &word)) continue;
        for (size_t k = 0; k < g->n_ops; k++) {
            size_t i = (next + k) % g->n_ops;
            const spa_op *op = &g->ops[i];
            if (m->layer[i] >= 0 || !is_kind(word, op->kind)) continue;
            if (!fits(layer, &op->out)) continue;
            take(m, i, l, SPA_LAYER_SHAPED);
            next = i + 1;
            break;
        }
    }
}

static bool can_be_absorbed(spa_op_kind kind)
{
    switch (kind) {
    case SPA_OP_BATCH_NORM:
    case SPA_OP_RELU:
    case SPA_OP_RELU6:
    case SPA_OP_LEAKY_RELU:
    case SPA_OP_HARD_SWISH:
    case SPA_OP_HARD_SIGMOID:
    case SPA_OP_SIGMOID:
    case SPA_OP_GELU:
    case SPA_OP_ADD:
        return true;
    default:
        return false;
    }
}

/* An operator that nobody timed, whose producer has it as its only reader, ran inside the
 * producer's layer. */
static void absorb(spa_layer_map *m, const spa_graph *g)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        const spa_op *op = &g->ops[i];
        if (m->match[i] != SPA_LAYER_NONE || !can_be_absorbed(op->kind)) continue;
        for (uint32_t k = 0; k < op->n_inputs; k++) {
            int32_t from = g->inputs[op->first_input + k];
            if (from < 0 || m->layer[from] < 0) continue;
            if (g->first_consumer[from + 1] - g->first_consumer[from] != 1) continue;
            take(m, i, (size_t)m->layer[from], SPA_LAYER_ABSORBED);
            break;
        }
    }
}

static bool works_more(const spa_op *a, const spa_op *b)
{
    return a->macs != b->macs ? a->macs > b->macs : a->flops > b->flops;
}

static void sum_up(spa_layer_map *m, const spa_layer_times *t, const spa_graph *g)
{
    for (size_t l = 0; l < t->n; l++) m->carrier[l] = -1;
    for (size_t i = 0; i < g->n_ops; i++) {
        int32_t l = m->layer[i];
        m->count[m->match[i]]++;
        if (l < 0) continue;
        int32_t *carrier = &m->carrier[l];
        if (*carrier < 0 || works_more(&g->ops[i], &g->ops[*carrier])) *carrier = (int32_t)i;
    }
    for (size_t l = 0; l < t->n; l++) {
        m->total_us += t->layers[l].mean_us;
        if (m->carrier[l] >= 0) m->mapped_us += t->layers[l].mean_us;
    }
}

spa_status spa_layer_map_make(spa_layer_map *map, const spa_layer_times *times,
                              const spa_graph *graph, spa_error *err)
{
    *map = (spa_layer_map){.n_layers = times->n, .n_ops = graph->n_ops};
    spa_arena_init(&map->arena);
    spa_status status =
        spa_arena_alloc(&map->arena, &map->carrier, times->n, sizeof *map->carrier, err);
    if (!status)
        status = spa_arena_alloc(&map->arena, &map->layer, graph->n_ops, sizeof *map->layer, err);
    if (!status)
        status = spa_arena_alloc(&map->arena, &map->match, graph->n_ops, sizeof *map->match, err);
    if (status) {
        spa_layer_map_fini(map);
        return status;
    }
    for (size_t i = 0; i < graph->n_ops; i++) {
        map->layer[i] = -1;
        if (graph->ops[i].kind == SPA_OP_RESHAPE) map->match[i] = SPA_LAYER_VIEW;
    }
    for (size_t l = 0; l < times->n; l++) map->carrier[l] = -1;
    status = match_names(map, times, graph, err);
    if (status) {
        spa_layer_map_fini(map);
        return status;
    }
    match_shapes(map, times, graph);
    absorb(map, graph);
    sum_up(map, times, graph);
    return SPA_OK;
}

void spa_layer_map_fini(spa_layer_map *map)
{
    spa_arena_fini(&map->arena);
    *map = (spa_layer_map){0};
}

/* ---- rows ------------------------------------------------------------------------------------ */

spa_status spa_layer_map_costs(const spa_layer_map *map, const spa_layer_times *times,
                               const spa_graph *graph, spa_dtype dtype, spa_trace *trace,
                               spa_trace_model *model, spa_error *err)
{
    SPA_TRY(spa_arena_alloc(&trace->arena, &model->costs, map->n_ops, sizeof *model->costs, err));
    model->n_costs = 0;
    for (size_t i = 0; i < map->n_ops; i++) {
        if (map->layer[i] < 0) continue;
        const spa_layer_time *l = &times->layers[map->layer[i]];
        bool carries = map->carrier[map->layer[i]] == (int32_t)i;
        model->costs[model->n_costs++] = (spa_trace_cost){.op = (int32_t)i,
                                                          .processor = l->on_gpu ? "gpu" : "cpu",
                                                          .backend = times->program,
                                                          .cores = 1,
                                                          .batch = graph->batch,
                                                          .dtype = dtype,
                                                          .part = 1,
                                                          .corun = "",
                                                          .samples = l->samples,
                                                          .mean_us = carries ? l->mean_us : 0,
                                                          .std_us = carries ? l->std_us : 0,
                                                          .p50_us = carries ? l->p50_us : 0,
                                                          .p95_us = carries ? l->p95_us : 0,
                                                          .typical_us = NAN,
                                                          .energy_uj = NAN,
                                                          .origin = SPA_ORIGIN_IMPORTED};
    }
    return SPA_OK;
}
