/* Profiles that are lists of events (Chrome's trace format): ONNX Runtime and PyTorch. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "traces/layer_read.h"

typedef struct event {
    const char *name;
    const json_t *json;
    size_t order;
    double ts_us, us;
    int64_t thread;
    double kernels_us; /* time of the kernels that it launched; NaN = none */
} event;

typedef struct events {
    event *items;
    size_t n, capacity;
} events;

static spa_status keep(events *list, const event *e, spa_error *err)
{
    SPA_TRY(spa_grow(&list->items, &list->capacity, list->n + 1, sizeof *list->items, err));
    list->items[list->n++] = *e;
    return SPA_OK;
}

/* A complete event ("X") with a time; false = another one. */
static bool complete(const json_t *json, size_t order, event *e)
{
    *e = (event){.name = layer_text(json, "name"),
                 .json = json,
                 .order = order,
                 .ts_us = layer_number(json, "ts"),
                 .us = layer_number(json, "dur"),
                 .thread = (int64_t)json_integer_value(json_object_get(json, "tid")),
                 .kernels_us = NAN};
    return !strcmp(layer_text(json, "ph"), "X") && *e->name && e->ts_us >= 0 && e->us >= 0;
}

/* Mean and spread of the samples that `events` [n] are: one layer. */
static spa_status put_samples(spa_layer_time *l, const event *const *of, size_t n, spa_error *err)
{
    double *us;
    SPA_TRY(spa_alloc(&us, n, sizeof *us, err));
    for (size_t i = 0; i < n; i++) us[i] = isnan(of[i]->kernels_us) ? of[i]->us : of[i]->kernels_us;
    layer_statistics(l, us, n);
    free(us);
    return SPA_OK;
}

/* ---- ONNX Runtime ---------------------------------------------------------------------------- */

/* The node's name in an event's: "conv1_nchwc_kernel_time" without what was put behind it. */
static size_t node_name(const char *name)
{
    static const char *const behind[] = {"_kernel_time", "_nchwc", "_fused"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        size_t n = strlen(behind[i]);
        if (length > n && !strncmp(name + length - n, behind[i], n)) length -= n;
    }
    return length;
}

static bool is_kernel_time(const char *name)
{
    size_t n = strlen(name);
    return n > 12 && !strcmp(name + n - 12, "_kernel_time");
}

/* "output_type_shape": [{"float": [1, 64, 111, 111]}] */
static void read_shape(const json_t *args, spa_shape *out)
{
    json_t *first = json_array_get(json_object_get(args, "output_type_shape"), 0);
    void *member = json_object_iter(first);
    const json_t *dims = member ? json_object_iter_value(member) : NULL;
    size_t rank = json_array_size(dims);
    *out = (spa_shape){0};
    if (rank > SPA_MAX_RANK) return;
    for (size_t d = 0; d < rank; d++) {
        json_int_t x = json_integer_value(json_array_get(dims, d));
        if (x < 1 || x > SPA_MAX_DIM) return;
        out->dim[d] = (int32_t)x;
    }
    out->rank = (int32_t)rank;
}

static int by_name_and_order(const void *a, const void *b)
{
    const event *x = a, *y = b;
    int names = strcmp(x->name, y->name);
    return names ? names : (x->order > y->order) - (x->order < y->order);
}

/* The events of one node, one per inference; the first warms up. */
static spa_status node_layer(spa_layer_times *t, const event *of, size_t n, const char *path,
                             spa_error *err)
{
    const json_t *args = json_object_get(of->json, "args");
    spa_layer_time *l;
    size_t warm = t->runs > 1 && n == (size_t)t->runs;
    SPA_TRY(layer_append(t, of->name, layer_text(args, "op_name"), &l, err));
    l->on_gpu = strncmp(layer_text(args, "provider"), "CPU", 3) != 0;
    read_shape(args, &l->out);
    l->blocked = strstr(of->name, "_nchwc") != NULL;
    if (t->runs > 1 && n != (size_t)t->runs)
        return spa_fail_at(err, SPA_E_INVALID, path, 0,
                           "node '%.200s' ran %zu times in %lld inferences; profile inferences "
                           "that are all alike",
                           of->name, n, (long long)t->runs);
    const event **samples;
    SPA_TRY(spa_alloc(&samples, n, sizeof *samples, err));
    for (size_t i = warm; i < n; i++) samples[i - warm] = &of[i];
    spa_status status = put_samples(l, samples, n - warm, err);
    free(samples);
    return status ? status : layer_add_part(t, of->name, node_name(of->name), err);
}

/* Which layer stands first in the model: the one whose first event came first. */
typedef struct placed {
    spa_layer_time layer;
    size_t order;
} placed;
static int by_order(const void *a, const void *b)
{
    size_t x = ((const placed *)a)->order, y = ((const placed *)b)->order;
    return (x > y) - (x < y);
}

static spa_status node_layers(spa_layer_times *t, events *nodes, const char *path, spa_error *err)
{
    placed *sorted;
    size_t n = 0;
    SPA_TRY(spa_alloc(&sorted, nodes->n, sizeof *sorted, err));
    qsort(nodes->items, nodes->n, sizeof *nodes->items, by_name_and_order);
    spa_status status = SPA_OK;
    for (size_t i = 0, end; i < nodes->n && !status; i = end) {
        for (end = i + 1; end < nodes->n; end++)
            if (strcmp(nodes->items[end].name, nodes->items[i].name) != 0) break;
        sorted[n++].order = nodes->items[i].order;
        status = node_layer(t, &nodes->items[i], end - i, path, err);
    }
    for (size_t i = 0; i < n && !status; i++) sorted[i].layer = t->layers[i];
    if (!status) {
        qsort(sorted, n, sizeof *sorted, by_order);
        for (size_t i = 0; i < n; i++) t->layers[i] = sorted[i].layer;
    }
    free(sorted);
    return status;
}

static spa_status read_onnxruntime(spa_layer_times *t, const json_t *root, events *nodes,
                                   const char *path, spa_error *err)
{
    size_t n = json_array_size(root);
    event e;
    t->program = "onnxruntime";
    t->libraries = "";
    for (size_t i = 0; i < n; i++) {
        const json_t *json = json_array_get(root, i);
        if (!complete(json, i, &e)) continue;
        const char *category = layer_text(json, "cat");
        if (!strcmp(category, "Session") && !strcmp(e.name, "model_run")) t->runs++;
        if (!strcmp(category, "Node") && is_kernel_time(e.name)) SPA_TRY(keep(nodes, &e, err));
    }
    if (nodes->n == 0)
        return spa_fail_at(err, SPA_E_PARSE, path, 0,
                           "has no node events; is it a profile of ONNX Runtime "
                           "(SessionOptions.enable_profiling) with at least one inference?");
    if (t->runs == 0) t->runs = 1;
    return node_layers(t, nodes, path, err);
}

spa_status spa_layer_times_onnxruntime(spa_layer_times *out, const char *path, spa_error *err)
{
    json_t *root = NULL;
    events nodes = {0};
    *out = (spa_layer_times){0};
    spa_arena_init(&out->arena);
    spa_status status = layer_read_json(path, &root, err);
    if (!status) status = read_onnxruntime(out, root, &nodes, path, err);
    free(nodes.items);
    json_decref(root);
    if (status) spa_layer_times_fini(out);
    return status;
}

/* ---- PyTorch --------------------------------------------------------------------------------- */

typedef struct torch {
    events ops, launches, kernels; /* launches: calls of the CUDA runtime */
    size_t steps;
} torch;

static int64_t correlation(const event *e)
{
    const json_t *args = json_object_get(e->json, "args");
    const json_t *id = json_object_get(args, "correlation");
    return json_is_integer(id) ? (int64_t)json_integer_value(id) : -1;
}

static int by_thread_and_time(const void *a, const void *b)
{
    const event *x = a, *y = b;
    if (x->thread != y->thread) return x->thread < y->thread ? -1 : 1;
    if (x->ts_us != y->ts_us) return x->ts_us < y->ts_us ? -1 : 1;
    return (x->us < y->us) - (x->us > y->us); /* the one around others first */
}
static int by_time(const void *a, const void *b)
{
    const event *x = a, *y = b;
    if (x->ts_us != y->ts_us) return x->ts_us < y->ts_us ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}
static int by_correlation(const void *a, const void *b)
{
    int64_t x = correlation(a), y = correlation(b);
    return (x > y) - (x < y);
}

/* aten::conv2d calls aten::convolution and so on: those inside another one are gone. */
static void drop_inner(events *ops)
{
    size_t kept = 0;
    qsort(ops->items, ops->n, sizeof *ops->items, by_thread_and_time);
    for (size_t i = 0; i < ops->n; i++) {
        const event *last = kept ? &ops->items[kept - 1] : NULL;
        const event *e = &ops->items[i];
        if (last && last->thread == e->thread && e->ts_us < last->ts_us + last->us) continue;
        ops->items[kept++] = *e;
    }
    ops->n = kept;
}

/* The operator during which a launch was made; NULL = none. */
static event *around(const events *ops, const event *launch)
{
    size_t low = 0, high = ops->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const event *e = &ops->items[middle];
        bool before =
            e->thread != launch->thread ? e->thread < launch->thread : e->ts_us <= launch->ts_us;
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    event *e = low ? &ops->items[low - 1] : NULL;
    bool inside = e && e->thread == launch->thread && launch->ts_us <= e->ts_us + e->us;
    return inside ? e : NULL;
}

/* Gives kernels to the operators that launched them; what stays behind moves to the front. */
static void give_kernels(torch *t)
{
    size_t left = 0;
    qsort(t->launches.items, t->launches.n, sizeof(event), by_correlation);
    for (size_t i = 0; i < t->kernels.n; i++) {
        const event *kernel = &t->kernels.items[i], *launch = NULL;
        if (t->launches.n && correlation(kernel) >= 0)
            launch =
                bsearch(kernel, t->launches.items, t->launches.n, sizeof(event), by_correlation);
        event *op = launch ? around(&t->ops, launch) : NULL;
        if (op)
            op->kernels_us = kernel->us + (isnan(op->kernels_us) ? 0 : op->kernels_us);
        else
            t->kernels.items[left++] = *kernel;
    }
    t->kernels.n = left;
}

static spa_status sort_out(torch *t, const json_t *list, spa_error *err)
{
    event e;
    spa_op_kind kind;
    for (size_t i = 0, n = json_array_size(list); i < n; i++) {
        const json_t *json = json_array_get(list, i);
        if (!complete(json, i, &e)) continue;
        const char *category = layer_text(json, "cat");
        if (!strncmp(e.name, "ProfilerStep#", 13) && !strcmp(category, "user_annotation"))
            t->steps++;
        else if (!strcmp(category, "cpu_op") && spa_layer_kind(e.name, &kind))
            SPA_TRY(keep(&t->ops, &e, err));
        else if (!strcmp(category, "cuda_runtime") || !strcmp(category, "cuda_driver"))
            SPA_TRY(keep(&t->launches, &e, err));
        else if (!strcmp(category, "kernel"))
            SPA_TRY(keep(&t->kernels, &e, err));
    }
    return SPA_OK;
}

/* The operators of one inference; position k of every step is one layer. */
static spa_status op_layers(spa_layer_times *t, const torch *from, const char *path, spa_error *err)
{
    size_t n = from->ops.n, steps = (size_t)t->runs, length = n / steps;
    const event **samples;
    if (n % steps)
        return spa_fail_at(err, SPA_E_INVALID, path, 0,
                           "%zu operators in %zu profiler steps are not the same in each; profile "
                           "inferences that are all alike",
                           n, steps);
    SPA_TRY(spa_alloc(&samples, steps, sizeof *samples, err));
    spa_status status = SPA_OK;
    for (size_t k = 0; k < length && !status; k++) {
        spa_layer_time *l;
        const event *first = &from->ops.items[k];
        status = layer_append(t, first->name, first->name, &l, err);
        for (size_t s = 0; s < steps; s++) samples[s] = &from->ops.items[s * length + k];
        if (status) break;
        l->on_gpu = !isnan(first->kernels_us);
        status = put_samples(l, samples, steps, err);
    }
    free(samples);
    return status;
}

/* Kernels that no operator launched: time without a place. */
static spa_status kernel_layers(spa_layer_times *t, const torch *from, spa_error *err)
{
    for (size_t i = 0; i < from->kernels.n; i++) {
        spa_layer_time *l;
        const event *e = &from->kernels.items[i];
        SPA_TRY(layer_append(t, e->name, "", &l, err));
        l->on_gpu = true;
        l->samples = 1;
        l->mean_us = e->us / (double)t->runs;
    }
    return SPA_OK;
}

static spa_status read_pytorch(spa_layer_times *t, torch *from, const json_t *root,
                               const char *path, spa_error *err)
{
    const json_t *list = json_object_get(root, "traceEvents");
    t->program = "pytorch";
    t->libraries = "";
    if (!json_is_array(list))
        return spa_fail_at(err, SPA_E_PARSE, path, 0,
                           "has no \"traceEvents\"; is it from PyTorch's export_chrome_trace?");
    SPA_TRY(sort_out(from, list, err));
    if (from->ops.n + from->kernels.n == 0)
        return spa_fail_at(err, SPA_E_PARSE, path, 0, "has neither operators nor kernels");
    t->runs = from->steps ? (int64_t)from->steps : 1;
    drop_inner(&from->ops);
    give_kernels(from);
    qsort(from->ops.items, from->ops.n, sizeof(event), by_time);
    SPA_TRY(op_layers(t, from, path, err));
    return kernel_layers(t, from, err);
}

spa_status spa_layer_times_pytorch(spa_layer_times *out, const char *path, spa_error *err)
{
    json_t *root = NULL;
    torch from = {0};
    *out = (spa_layer_times){0};
    spa_arena_init(&out->arena);
    spa_status status = layer_read_json(path, &root, err);
    if (!status) status = read_pytorch(out, &from, root, path, err);
    free(from.ops.items);
    free(from.launches.items);
    free(from.kernels.items);
    json_decref(root);
    if (status) spa_layer_times_fini(out);
    return status;
}
