/* The parameters of an imported graph: read from the mapped file when a kernel wants them. */
#define _XOPEN_SOURCE 700 /* realpath */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "traces/onnx_import.h"

static const onnx_param *find_param(const onnx_source *s, size_t op, size_t param)
{
    size_t low = 0, high = s->n_params; /* sorted by operator: they were added in that order */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->params[middle].op < op)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < s->n_params && s->params[low].op == op; low++)
        if (s->params[low].param == param) return &s->params[low];
    return NULL;
}

static spa_status read_plain(const onnx_param *p, float *out, spa_error *err)
{
    if (p->tensor != NULL) return onnx_tensor_floats(p->tensor, out, err);
    for (int64_t i = 0; i < p->count; i++) out[i] = (float)p->folded[i];
    return SPA_OK;
}

#define TILE 16 /* floats: a cache line */

static void transpose_tile(const onnx_param *p, const float *plain, int64_t r0, int64_t c0,
                           float *out)
{
    int64_t r1 = r0 + TILE < p->rows ? r0 + TILE : p->rows;
    int64_t c1 = c0 + TILE < p->cols ? c0 + TILE : p->cols;
    for (int64_t c = c0; c < c1; c++)
        for (int64_t r = r0; r < r1; r++) out[c * p->rows + r] = plain[r * p->cols + c];
}

static spa_status read_transposed(const onnx_param *p, float *out, spa_error *err)
{
    float *plain = NULL;
    SPA_TRY(spa_alloc(&plain, (size_t)p->count, sizeof *plain, err));
    spa_status status = read_plain(p, plain, err);
    for (int64_t r = 0; r < p->rows && status == SPA_OK; r += TILE)
        for (int64_t c = 0; c < p->cols; c += TILE) transpose_tile(p, plain, r, c, out);
    free(plain);
    return status;
}

static spa_status read_bn(const onnx_bn *bn, size_t m, float *values[4], spa_error *err)
{
    for (size_t i = 0; i < 4; i++) {
        const onnx_value *v = bn->v[i];
        SPA_TRY(spa_alloc(&values[i], m, sizeof(float), err));
        onnx_param p = {.tensor = v->tensor, .folded = v->folded};
        p.count = v->is_fill ? 1 : v->count;
        SPA_TRY(read_plain(&p, values[i], err));
        for (size_t c = 1; c < m && v->is_fill; c++) values[i][c] = values[i][0];
    }
    return SPA_OK;
}

/* y = (conv(x) - mean) * scale / sqrt(variance + epsilon) + shift: weights [m][inner] are scaled,
 * the bias [m] becomes (bias - mean) * factor + shift. */
static spa_status fold_bn(const onnx_param *p, float *out, size_t count, spa_error *err)
{
    size_t m = (size_t)p->bn->v[0]->count, inner = count / m;
    float *values[4] = {0};
    spa_status status = read_bn(p->bn, m, values, err);
    for (size_t c = 0; c < m && status == SPA_OK; c++) {
        double factor = values[0][c] / sqrt(values[3][c] + p->bn->epsilon);
        bool is_bias = p->param == 1;
        for (size_t i = 0; i < inner; i++) {
            float *x = &out[c * inner + i];
            *x = (float)(is_bias ? (*x - values[2][c]) * factor + values[1][c] : *x * factor);
        }
    }
    for (size_t i = 0; i < 4; i++) free(values[i]);
    return status;
}

static spa_status fill(const spa_param_source *source, size_t op, size_t param, float *out,
                       size_t count, spa_error *err)
{
    const onnx_source *s = (const onnx_source *)(const void *)source;
    const onnx_param *p = find_param(s, op, param);
    if (p == NULL)
        return spa_fail(err, SPA_E_INVALID, "%s: parameter %zu of operator %zu has no values",
                        s->path, param, op);
    bool has_values = p->tensor != NULL || p->folded != NULL;
    if (has_values && p->count != (int64_t)count && p->count != 1)
        return spa_fail(err, SPA_E_INVALID,
                        "%s: parameter %zu of operator %zu has %lld values instead of %zu", s->path,
                        param, op, (long long)p->count, count);
    if (!has_values)
        for (size_t i = 0; i < count; i++) out[i] = 0;
    else if (p->rows > 0 && p->count > 1)
        SPA_TRY(read_transposed(p, out, err));
    else
        SPA_TRY(read_plain(p, out, err));
    if (has_values && p->count == 1)
        for (size_t i = 1; i < count; i++) out[i] = out[0];
    if (p->scale != 1 || p->shift != 0)
        for (size_t i = 0; i < count; i++) out[i] = (float)(p->scale * out[i] + p->shift);
    return p->bn != NULL ? fold_bn(p, out, count, err) : SPA_OK;
}

static void release(spa_param_source *source)
{
    onnx_source *s = (onnx_source *)(void *)source;
    if (s->map != NULL) munmap(s->map, s->map_size);
    for (size_t i = 0; i < s->n_externals; i++) munmap(s->externals[i].map, s->externals[i].size);
    free(s->externals);
    free(s->params);
    spa_arena_fini(&s->arena);
    free(s);
}

spa_status onnx_source_new(onnx_source **out, const char *path, spa_error *err)
{
    SPA_TRY(spa_alloc(out, 1, sizeof **out, err));
    (*out)->base = (spa_param_source){fill, release};
    spa_arena_init(&(*out)->arena);
    spa_status status = spa_arena_strdup(&(*out)->arena, &(*out)->path, path, err);
    if (status != SPA_OK) {
        release(&(*out)->base);
        *out = NULL;
    }
    return status;
}

spa_status onnx_source_map(onnx_source *source, const char *path, void **map, size_t *size,
                           spa_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return spa_fail_at(err, SPA_E_IO, path, 0, "cannot be opened: %s", strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
        close(fd);
        return spa_fail_at(err, SPA_E_IO, path, 0, "is no file or is empty; name an ONNX file");
    }
    *size = (size_t)st.st_size;
    *map = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    int fault = errno;
    close(fd);
    if (*map != MAP_FAILED) return SPA_OK;
    *map = NULL;
    return spa_fail_at(err, SPA_E_IO, path, 0, "cannot be mapped: %s", strerror(fault));
}

/* Only files in the model's folder or below it: no absolute path, no "..". */
static bool is_inside(const char *location)
{
    if (location[0] == '\0' || location[0] == '/' || strchr(location, '\\') != NULL) return false;
    for (const char *p = location; *p != '\0';) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') return false;
        p += n;
        p += strspn(p, "/");
    }
    return true;
}

/* The folder of the model and the location in it, links resolved, must still be inside it. */
static spa_status resolve(onnx_source *s, const char *location, char **out, spa_error *err)
{
    const char *slash = strrchr(s->path, '/');
    size_t n = slash != NULL ? (size_t)(slash - s->path) + 1 : 0;
    char *joined = NULL, *folder = NULL;
    size_t room = n + strlen(location) + 3;
    SPA_TRY(spa_alloc(&joined, room, 1, err));
    memcpy(joined, n > 0 ? s->path : "./", n > 0 ? n : 2);
    folder = realpath(joined, NULL);
    strcat(joined, location);
    *out = realpath(joined, NULL);
    size_t length = folder != NULL ? strlen(folder) : 0;
    spa_status status = SPA_OK;
    if (*out == NULL || folder == NULL)
        status = spa_fail_at(err, SPA_E_IO, joined, 0, "cannot be opened: %s", strerror(errno));
    else if (strncmp(*out, folder, length) != 0 || ((*out)[length] != '/' && length > 1))
        status = spa_fail_at(err, SPA_E_INVALID, s->path, 0,
                             "external data '%.200s' is a link that leads out of the model's "
                             "folder",
                             location);
    free(joined);
    free(folder);
    if (status != SPA_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

static spa_status open_file(onnx_source *s, const char *location, size_t *index, spa_error *err)
{
    for (*index = 0; *index < s->n_externals; ++*index)
        if (strcmp(s->externals[*index].location, location) == 0) return SPA_OK;
    char *path = NULL;
    SPA_TRY(spa_grow(&s->externals, &s->externals_capacity, s->n_externals + 1,
                     sizeof *s->externals, err));
    SPA_TRY(resolve(s, location, &path, err));
    struct onnx_external *e = &s->externals[s->n_externals];
    spa_status status = onnx_source_map(s, path, &e->map, &e->size, err);
    free(path);
    if (status != SPA_OK) return status;
    e->location = location;
    s->n_externals++;
    return SPA_OK;
}

spa_status onnx_source_open_external(onnx_source *s, bool in_memory, onnx_tensor *t, spa_error *err)
{
    size_t index;
    if (in_memory)
        return spa_fail_at(err, SPA_E_UNSUPPORTED, s->path, 0,
                           "tensor '%.200s' is in another file, and this model is no file",
                           t->name);
    if (!is_inside(t->location))
        return spa_fail_at(err, SPA_E_INVALID, s->path, 0,
                           "tensor '%.200s': external data '%.200s' is not in the model's folder; "
                           "absolute paths and '..' are refused",
                           t->name, t->location);
    SPA_TRY(open_file(s, t->location, &index, err));
    const struct onnx_external *e = &s->externals[index];
    size_t width = onnx_type_bytes(t->type), bytes = 0;
    if (width == 0 || !spa_mul_size((size_t)t->count, width, &bytes) ||
        (size_t)t->offset > e->size || bytes > e->size - (size_t)t->offset ||
        (t->length >= 0 && (size_t)t->length != bytes))
        return spa_fail_at(err, SPA_E_PARSE, s->path, 0,
                           "tensor '%.200s': %zu bytes from %lld on (length %lld) are not in "
                           "'%.200s', which has %zu",
                           t->name, bytes, (long long)t->offset, (long long)t->length, t->location,
                           e->size);
    t->raw = (onnx_bytes){(const uint8_t *)e->map + t->offset, bytes};
    t->has_raw = true;
    t->is_external = false;
    return SPA_OK;
}

spa_status onnx_source_add(onnx_source *source, const onnx_param *param, spa_error *err)
{
    SPA_TRY(spa_grow(&source->params, &source->params_capacity, source->n_params + 1,
                     sizeof *source->params, err));
    source->params[source->n_params++] = *param;
    return SPA_OK;
}
