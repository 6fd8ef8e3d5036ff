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
    SPA_TRY(spa_arena_strdup(&t->arena, &l->name, name, err));
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

/* "a + b" computes a and b; braces and blanks inside a name are TensorRT's own words. */
static spa_status split_name(spa_layer_times *t, const char *name, spa_error *err)
{
    while (*name) {
        const char *end = strstr(name, " + ");
        size_t length = end ? (size_t)(end - name) : strlen(name);
        if (length > 0 && !memchr(name, ' ', length) && name[0] != '{')
            SPA_TRY(layer_add_part(t, name, length, err));
        name = end ? end + 3 : name + length;
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

/* The metadata of the layer of this name; "" = not told. Both files list layers in one order, so
 * that the search goes on from where it was. */
static const char *metadata_of(const json_t *info, const char *name, size_t *at)
{
    size_t n = json_array_size(info);
    for (size_t i = 0; i < n; i++) {
        const json_t *layer = json_array_get(info, (*at + i) % n);
        if (strcmp(layer_text(layer, "Name"), name) != 0) continue;
        *at = (*at + i + 1) % n;
        return layer_text(layer, "Metadata");
    }
    return "";
}

static spa_status trtexec_layer(spa_layer_times *t, const json_t *entry, const json_t *info,
                                size_t *at, const char *path, size_t number, spa_error *err)
{
    spa_layer_time *l;
    const char *name = layer_text(entry, "name"), *metadata = metadata_of(info, name, at);
    double mean = layer_number(entry, "averageMs");
    if (!*name || !(mean >= 0))
        return spa_fail_at(err, SPA_E_PARSE, path, 0,
                           "entry %zu has no \"name\" or no \"averageMs\" of 0 or more; is it a "
                           "file of trtexec --exportProfile?",
                           number);
    SPA_TRY(layer_append(t, name, "", &l, err));
    l->on_gpu = true;
    l->samples = t->runs;
    l->mean_us = 1e3 * mean;
    double median = layer_number(entry, "medianMs");
    l->p50_us = median >= 0 ? 1e3 * median : NAN;
    if (!strncmp(name, "Reformatting CopyNode", 21)) return SPA_OK; /* names whom it serves */
    return *metadata ? split_metadata(t, metadata, err) : split_name(t, name, err);
}

static spa_status read_trtexec(spa_layer_times *t, const json_t *root, const json_t *info,
                               const char *path, spa_error *err)
{
    size_t at = 0, n = json_array_size(root);
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
            continue;
        }
        SPA_TRY(trtexec_layer(t, entry, info, &at, path, i, err));
    }
    return SPA_OK;
}

spa_status spa_layer_times_trtexec(spa_layer_times *out, const char *profile, const char *layers,
                                   spa_error *err)
{
    json_t *root = NULL, *info = NULL;
    *out = (spa_layer_times){0};
    spa_arena_init(&out->arena);
    spa_status status = layer_read_json(profile, &root, err);
    if (!status && layers) status = layer_read_json(layers, &info, err);
    const json_t *list = json_object_get(info, "Layers");
    if (!status && layers && !json_is_array(list))
        status = spa_fail_at(err, SPA_E_PARSE, layers, 0,
                             "has no \"Layers\"; is it a file of trtexec --exportLayerInfo with "
                             "--profilingVerbosity=detailed?");
    if (!status) status = read_trtexec(out, root, list, profile, err);
    json_decref(info);
    json_decref(root);
    if (status) spa_layer_times_fini(out);
    return status;
}
