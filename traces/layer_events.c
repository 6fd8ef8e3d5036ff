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

/* Sorting without a list is undefined, even of nothing. */
static void sort(events *list, int (*compare)(const void *, const void *))
{
    if (list->n) qsort(list->items, list->n, sizeof *list->items, compare);
}

/* ---- ONNX Runtime ---------------------------------------------------------------------------- */

/* Where nodes of an execution provider run. */
static spa_status place_of(const char *provider, const char *node, bool *on_gpu, const char *path,
                           spa_error *err)
{
    static const char *const cpu[] = {"CPU", "Xnnpack", "XNNPACK", "Dnnl", "ACL", "ArmNN"};
    static const char *const gpu[] = {"CUDA",     "Tensorrt", "NvTensorRTRTX", "ROCM",
                                      "MIGraphX", "Dml",      "WebGpu"};
    size_t n = strcspn(provider, "E"); /* of "CUDAExecutionProvider" */
    while (provider[n] && strcmp(provider + n, "ExecutionProvider") != 0)
        n += 1 + strcspn(provider + n + 1, "E");
    for (size_t i = 0; i < sizeof cpu / sizeof *cpu + sizeof gpu / sizeof *gpu; i++) {
        *on_gpu = i >= sizeof cpu / sizeof *cpu;
        const char *known = *on_gpu ? gpu[i - sizeof cpu / sizeof *cpu] : cpu[i];
        if (strlen(known) == n && !strncmp(provider, known, n)) return SPA_OK;
    }
    return spa_fail_at(err, SPA_E_UNSUPPORTED, path, 0,
                       "node '%.200s' ran by the execution provider '%.60s', of which is not known "
                       "whether it is the CPU or the GPU; profile with CPUExecutionProvider, "
                       "CUDAExecutionProvider or another one of one processor",
                       node, provider);
}

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
    return n >= 12 && !strcmp(name + n - 12, "_kernel_time");
}

/* "output_type_shape": [{"float": [1, 64, 111, 111]}] */
static void read_shape(const json_t *args, spa_shape *out)
{
    json_t *first = json_array_get(json_object_get(args, "output_type_shape"), 0);
    void *member = json_object_iter(first);
    const json_t *dims = member ? json_object_iter_value(member) : NULL;
    layer_shape(dims, out);
}

static int by_name_and_order(const void *a, const void *b)
{
    const event *x = a, *y = b;
    int names = strcmp(x->name, y->name);
    return names ? names : (x->order > y->order) - (x->order < y->order);
}

static const char *parent(const event *kernel)
{
    return layer_text(json_object_get(kernel->json, "args"), "parent_name");
}
static int by_parent_and_time(const void *a, const void *b)
{
    const event *x = a, *y = b;
    int parents = strcmp(parent(x), parent(y));
    if (parents) return parents;
    if (x->ts_us != y->ts_us) return x->ts_us < y->ts_us ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* On a GPU a node's event is its launch on the host; its time is that of its kernels, which name
 * it. They are in order, and as many in each inference. */
static spa_status node_kernels(event *of, size_t n, const events *kernels, const char *path,
                               spa_error *err)
{
    size_t low = 0, high = kernels->n, end;
    if (kernels->n == 0)
        return spa_fail_at(err, SPA_E_UNSUPPORTED, path, 0,
                           "node '%.200s' ran on a GPU, and the profile has no kernels: what it "
                           "says is the time to launch it; use an ONNX Runtime with CUDA "
                           "profiling, or a profile of TensorRT or PyTorch",
                           of->name);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(parent(&kernels->items[middle]), of->name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < kernels->n; end++)
        if (strcmp(parent(&kernels->items[end]), of->name) != 0) break;
    size_t each = (end - low) / n;
    if (each * n != end - low)
        return spa_fail_at(err, SPA_E_INVALID, path, 0,
                           "node '%.200s' has %zu kernels in %zu runs; profile inferences that are "
                           "all alike",
                           of->name, end - low, n);
    for (size_t i = 0; i < n; i++) {
        of[i].kernels_us = 0;
        for (size_t k = 0; k < each; k++) of[i].kernels_us += kernels->items[low + i * each + k].us;
    }
    return SPA_OK;
}

/* The events of one node, one per inference; the first warms up. */
static spa_status node_layer(spa_layer_times *t, event *of, size_t n, const events *kernels,
                             const char *path, spa_error *err)
{
    if (!strcmp(of->name, "_kernel_time"))
        return spa_fail_at(err, SPA_E_UNSUPPORTED, path, 0,
                           "has nodes without a name, which cannot be told apart; give the model's "
                           "nodes names and profile again");
    const json_t *args = json_object_get(of->json, "args");
    spa_layer_time *l;
    size_t warm = t->runs > 1 && n == (size_t)t->runs;
    SPA_TRY(layer_append(t, of->name, layer_text(args, "op_name"), &l, err));
    SPA_TRY(place_of(layer_text(args, "provider"), of->name, &l->on_gpu, path, err));
    read_shape(args, &l->out);
    l->blocked = strstr(of->name, "_nchwc") != NULL;
    if (t->runs > 1 && n != (size_t)t->runs)
        return spa_fail_at(err, SPA_E_INVALID, path, 0,
                           "node '%.200s' ran %zu times in %lld inferences; profile inferences "
                           "that are all alike",
                           of->name, n, (long long)t->runs);
    if (l->on_gpu) SPA_TRY(node_kernels(of, n, kernels, path, err));
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

static spa_status node_layers(spa_layer_times *t, events *nodes, const events *kernels,
                              const char *path, spa_error *err)
{
    placed *sorted;
    size_t n = 0;
    SPA_TRY(spa_alloc(&sorted, nodes->n, sizeof *sorted, err));
    sort(nodes, by_name_and_order);
    spa_status status = SPA_OK;
    for (size_t i = 0, end; i < nodes->n && !status; i = end) {
        for (end = i + 1; end < nodes->n; end++)
            if (strcmp(nodes->items[end].name, nodes->items[i].name) != 0) break;
        sorted[n++].order = nodes->items[i].order;
        status = node_layer(t, &nodes->items[i], end - i, kernels, path, err);
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
                                   events *kernels, const char *path, spa_error *err)
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
        if (!strcmp(category, "Kernel")) SPA_TRY(keep(kernels, &e, err));
    }
    if (nodes->n == 0)
        return spa_fail_at(err, SPA_E_PARSE, path, 0,
                           "has no node events; is it a profile of ONNX Runtime "
                           "(SessionOptions.enable_profiling) with at least one inference?");
    if (t->runs == 0) t->runs = 1;
    sort(kernels, by_parent_and_time);
    return node_layers(t, nodes, kernels, path, err);
}

spa_status spa_layer_times_onnxruntime(spa_layer_times *out, const char *path, spa_error *err)
{
    json_t *root = NULL;
    events nodes = {0}, kernels = {0};
    *out = (spa_layer_times){0};
    spa_arena_init(&out->arena);
    spa_status status = layer_read_json(path, &root, err);
    if (!status) status = read_onnxruntime(out, root, &nodes, &kernels, path, err);
    if (!status) status = layer_check(out, path, err);
    free(nodes.items);
    free(kernels.items);
    json_decref(root);
    if (status) spa_layer_times_fini(out);
    return status;
}

/* ---- PyTorch --------------------------------------------------------------------------------- */

typedef struct torch {
    events ops, launches, kernels; /* launches: calls of the CUDA runtime */
    events others;                 /* operators that stand for no kind of ours */
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
    sort(ops, by_thread_and_time);
    for (size_t i = 0; i < ops->n; i++) {
        const event *last = kept ? &ops->items[kept - 1] : NULL;
        const event *e = &ops->items[i];
        if (last && last->thread == e->thread && e->ts_us < last->ts_us + last->us) continue;
        ops->items[kept++] = *e;
    }
    ops->n = kept;
}

/* How many operators began before a launch, or with it. */
static size_t begun(const events *ops, const event *launch)
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
    return low;
}

/* The operator during which a launch was made; NULL = none. */
static event *around(const events *ops, const event *launch)
{
    size_t n = begun(ops, launch);
    event *e = n ? &ops->items[n - 1] : NULL;
    bool inside = e && e->thread == launch->thread && launch->ts_us <= e->ts_us + e->us;
    return inside ? e : NULL;
}

/* Gives kernels to the operators that launched them; what stays behind moves to the front. */
static void give_kernels(torch *t)
{
    size_t left = 0;
    sort(&t->launches, by_correlation);
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

/* Of the operators without a kind there stay those that neither run inside one with a kind nor
 * around one, and of these the outer ones: time that nothing else has. */
static void drop_known(torch *t)
{
    size_t kept = 0;
    events *others = &t->others;
    sort(others, by_thread_and_time);
    for (size_t i = 0; i < others->n; i++) {
        const event *e = &others->items[i], *last = kept ? &others->items[kept - 1] : NULL;
        size_t n = begun(&t->ops, e);
        const event *before = n ? &t->ops.items[n - 1] : NULL,
                    *next = n < t->ops.n ? &t->ops.items[n] : NULL;
        if (before && before->thread == e->thread && e->ts_us < before->ts_us + before->us)
            continue;
        if (next && next->thread == e->thread && next->ts_us < e->ts_us + e->us) continue;
        if (last && last->thread == e->thread && e->ts_us < last->ts_us + last->us) continue;
        others->items[kept++] = *e;
    }
    others->n = kept;
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
        else if (!strcmp(category, "cpu_op"))
            SPA_TRY(keep(spa_layer_kind(e.name, &kind) ? &t->ops : &t->others, &e, err));
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
        for (size_t s = 0; s < steps && !status; s++) {
            samples[s] = &from->ops.items[s * length + k];
            if (strcmp(samples[s]->name, first->name) != 0)
                status = spa_fail_at(err, SPA_E_INVALID, path, 0,
                                     "operator %zu is '%.60s' in the first profiler step and "
                                     "'%.60s' in step %zu; profile inferences that are all alike",
                                     k + 1, first->name, samples[s]->name, s + 1);
        }
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

/* Operators without a kind, by name, where kernels do not say their time: time without a place. */
static spa_status other_layers(spa_layer_times *t, torch *from, bool kernels, spa_error *err)
{
    const event *items = from->others.items;
    sort(&from->others, by_name_and_order);
    for (size_t i = 0, end; !kernels && i < from->others.n; i = end) {
        spa_layer_time *l;
        double us = 0;
        for (end = i; end < from->others.n && !strcmp(items[end].name, items[i].name); end++)
            us += items[end].us;
        SPA_TRY(layer_append(t, items[i].name, "", &l, err));
        l->samples = t->runs;
        l->mean_us = us / (double)t->runs;
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
    bool kernels = from->kernels.n > 0;
    drop_inner(&from->ops);
    give_kernels(from);
    drop_known(from);
    sort(&from->ops, by_time);
    SPA_TRY(op_layers(t, from, path, err));
    SPA_TRY(other_layers(t, from, kernels, err));
    SPA_TRY(kernel_layers(t, from, err));
    return layer_check(t, path, err);
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
    free(from.others.items);
    json_decref(root);
    if (status) spa_layer_times_fini(out);
    return status;
}
