/* Readers of other programs' profiles (JSON, by jansson). */
#include "traces/layer_times.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "traces/layer_read.h"

void spa_layer_times_fini(spa_layer_times *times)
{
    free(times->layers);
    free(times->parts);
    spa_arena_fini(&times->arena);
    *times = (spa_layer_times){0};
}

spa_status layer_read_json(const char *path, json_t **root, spa_error *err)
{
    char *text = NULL;
    size_t size = 0;
    json_error_t why;
    *root = NULL;
    SPA_TRY(spa_read_file(path, SPA_LAYERS_MAX_BYTES, false, &text, &size, err));
    *root = json_loadb(text, size, 0, &why);
    free(text);
    if (*root) return SPA_OK;
    if (json_error_code(&why) == json_error_out_of_memory)
        return spa_fail(err, SPA_E_NOMEM, "out of memory");
    return spa_fail_at(err, SPA_E_PARSE, path, why.line, "not JSON: %s", why.text);
}

const char *layer_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

double layer_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

spa_status layer_append(spa_layer_times *t, const char *name, const char *kind,
                        spa_layer_time **layer, spa_error *err)
{
    *layer = NULL;
    SPA_TRY(spa_grow(&t->layers, &t->layers_capacity, t->n + 1, sizeof *t->layers, err));
    spa_layer_time *l = &t->layers[t->n];
    *l = (spa_layer_time){.samples = -1,
                          .first_part = t->n_parts,
                          .mean_us = NAN,
                          .std_us = NAN,
                          .p50_us = NAN,
                          .p95_us = NAN};
    char *shown;
    SPA_TRY(spa_arena_alloc(&t->arena, &shown, strlen(name) + 1, 1, err));
    for (size_t i = 0; name[i]; i++) /* tables show names: one line, no escapes */
        shown[i] = (unsigned char)name[i] < ' ' || name[i] == 127 ? '_' : name[i];
    l->name = shown;
    SPA_TRY(spa_arena_strdup(&t->arena, &l->kind, kind, err));
    t->n++;
    *layer = l;
    return SPA_OK;
}

spa_status layer_add_part(spa_layer_times *t, const char *name, size_t length, spa_error *err)
{
    char *copy;
    SPA_TRY(spa_grow(&t->parts, &t->parts_capacity, t->n_parts + 1, sizeof *t->parts, err));
    SPA_TRY(spa_arena_alloc(&t->arena, &copy, length + 1, 1, err));
    memcpy(copy, name, length);
    t->parts[t->n_parts++] = copy;
    t->layers[t->n - 1].n_parts++;
    return SPA_OK;
}

spa_status layer_check(const spa_layer_times *t, const char *path, spa_error *err)
{
    for (size_t i = 0; i < t->n; i++)
        if (!(t->layers[i].mean_us <= 1e15))
            return spa_fail_at(err, SPA_E_RANGE, path, 0,
                               "layer '%.200s' takes %g us; that is no time of a layer",
                               t->layers[i].name, t->layers[i].mean_us);
    return SPA_OK;
}

void layer_shape(const json_t *dims, spa_shape *out)
{
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

/* ---- samples --------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void layer_statistics(spa_layer_time *l, double *us, size_t n)
{
    double sum = 0, squares = 0;
    l->samples = (int64_t)n;
    if (n == 0) return;
    qsort(us, n, sizeof *us, by_value);
    for (size_t i = 0; i < n; i++) sum += us[i];
    l->mean_us = sum / (double)n;
    for (size_t i = 0; i < n; i++) squares += (us[i] - l->mean_us) * (us[i] - l->mean_us);
    if (n > 1) l->std_us = sqrt(squares / (double)(n - 1));
    l->p50_us = (us[(n - 1) / 2] + us[n / 2]) / 2;
    l->p95_us = us[(size_t)ceil(0.95 * (double)n) - 1];
}

/* ---- trtexec --------------------------------------------------------------------------------- */

/* The first of the words that join nodes in a layer's name; NULL = none. */
static const char *joint(const char *name, size_t *length)
{
    static const char *const words[] = {" + ", " || ", ", "};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *at = strstr(name, words[i]);
        if (!at || (first && at > first)) continue;
        first = at;
        *length = strlen(words[i]);
    }
    return first;
}

/* "a + b" computes a and b, and so do "a || b" (side by side) and "PWN(PWN(a), b)" (pointwise);
 * braces and blanks inside a name are TensorRT's own words. */
static spa_status split_name(spa_layer_times *t, const char *name, spa_error *err)
{
    while (*name) {
        size_t behind = 0;
        const char *end = joint(name, &behind);
        const char *next = end ? end + behind : name + strlen(name);
        size_t length = end ? (size_t)(end - name) : strlen(name);
        for (; length > 4 && !strncmp(name, "PWN(", 4); length -= 4) name += 4;
        while (length > 0 && name[length - 1] == ')' && !memchr(name, '(', length)) length--;
        if (length > 0 && !memchr(name, ' ', length) && name[0] != '{')
            SPA_TRY(layer_add_part(t, name, length, err));
        name = next;
    }
    return SPA_OK;
}

/* "[ONNX Layer: /conv1/Conv]\x1e[ONNX Layer: /relu/Relu]" */
static spa_status split_metadata(spa_layer_times *t, const char *metadata, spa_error *err)
{
    static const char begin[] = "[ONNX Layer: ";
    for (const char *at = metadata; (at = strstr(at, begin)) != NULL;) {
        at += sizeof begin - 1;
        size_t length = strcspn(at, "]");
        SPA_TRY(layer_add_part(t, at, length, err));
        at += length;
    }
    return SPA_OK;
}

/* Layers of the layer info by name; both files list layers in one order, so that the search for
 * one begins where the last was, which tells apart those of one name. */
typedef struct layer_info {
    const json_t *list;
    json_t *by_name; /* the first of a name */
    size_t at;
} layer_info;

static spa_status index_info(layer_info *info, const json_t *list, spa_error *err)
{
    *info = (layer_info){.list = list, .by_name = json_object()};
    bool fits = info->by_name != NULL;
    for (size_t i = 0; fits && i < json_array_size(list); i++) {
        json_t *layer = json_array_get(list, i);
        const char *name = layer_text(layer, "Name");
        if (!json_object_get(info->by_name, name))
            fits = json_object_set_nocheck(info->by_name, name, layer) == 0;
    }
    return fits ? SPA_OK : spa_fail(err, SPA_E_NOMEM, "out of memory");
}

/* What is told of the layer of this name; NULL = nothing. */
static const json_t *info_of(layer_info *info, const char *name)
{
    const json_t *layer = json_array_get(info->list, info->at);
    if (layer && !strcmp(layer_text(layer, "Name"), name)) {
        info->at++;
        return layer;
    }
    return json_object_get(info->by_name, name);
}

/* The shape that a convolution makes, which tells the batch; fused additions and activations keep
 * it. Other layers may stand for much of the model. */
static void read_convolution(const json_t *layer, spa_shape *out)
{
    if (strcmp(layer_text(layer, "ParameterType"), "Convolution") != 0) return;
    const json_t *output = json_array_get(json_object_get(layer, "Outputs"), 0);
    layer_shape(json_object_get(output, "Dimensions"), out);
}

static spa_status trtexec_layer(spa_layer_times *t, const json_t *entry, layer_info *info,
                                const char *path, size_t number, spa_error *err)
{
    spa_layer_time *l;
    const char *name = layer_text(entry, "name");
    const json_t *told = info_of(info, name);
    const char *metadata = layer_text(told, "Metadata");
    double mean = layer_number(entry, "averageMs");
    if (!*name || !(mean >= 0))
        return spa_fail_at(err, SPA_E_PARSE, path, 0,
                           "entry %zu has no \"name\" or no \"averageMs\" of 0 or more; is it a "
                           "file of trtexec --exportProfile?",
                           number);
    SPA_TRY(layer_append(t, name, "", &l, err));
    l->on_gpu = true;
    l->samples = t->runs;
    read_convolution(told, &l->out);
    l->mean_us = 1e3 * mean;
    double median = layer_number(entry, "medianMs");
    l->p50_us = median >= 0 ? 1e3 * median : NAN;
    if (!strncmp(name, "Reformatting CopyNode", 21)) return SPA_OK; /* names whom it serves */
    return *metadata ? split_metadata(t, metadata, err) : split_name(t, name, err);
}

static spa_status read_trtexec(spa_layer_times *t, const json_t *root, layer_info *info,
                               const char *path, spa_error *err)
{
    size_t n = json_array_size(root);
    t->program = "trtexec";
    t->libraries = "";
    t->runs = -1;
    if (!json_is_array(root) || n == 0)
        return spa_fail_at(err, SPA_E_PARSE, path, 0,
                           "not a list of layers; is it a file of trtexec --exportProfile?");
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(root, i);
        const json_t *count = json_object_get(entry, "count");
        if (i == 0 && json_is_integer(count)) {
            t->runs = (int64_t)json_integer_value(count);
            if (t->runs < 1)
                return spa_fail_at(err, SPA_E_PARSE, path, 0,
                                   "\"count\" is %lld; a profile has at least one inference",
                                   (long long)t->runs);
            continue;
        }
        SPA_TRY(trtexec_layer(t, entry, info, path, i, err));
    }
    return SPA_OK;
}

spa_status spa_layer_times_trtexec(spa_layer_times *out, const char *profile, const char *layers,
                                   spa_error *err)
{
    json_t *root = NULL, *info = NULL;
    layer_info index = {0};
    *out = (spa_layer_times){0};
    spa_arena_init(&out->arena);
    spa_status status = layer_read_json(profile, &root, err);
    if (!status && layers) status = layer_read_json(layers, &info, err);
    const json_t *list = json_object_get(info, "Layers");
    if (!status && layers && !json_is_array(list))
        status = spa_fail_at(err, SPA_E_PARSE, layers, 0,
                             "has no \"Layers\"; is it a file of trtexec --exportLayerInfo with "
                             "--profilingVerbosity=detailed?");
    if (!status) status = index_info(&index, list, err);
    if (!status) status = read_trtexec(out, root, &index, profile, err);
    if (!status) status = layer_check(out, profile, err);
    json_decref(index.by_name);
    json_decref(info);
    json_decref(root);
    if (status) spa_layer_times_fini(out);
    return status;
}
