/* Devices: finding, loading and listing their files. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/text.h"
#include "devices/spec.h"

#define SUFFIX     ".device"
#define PATH_BYTES 4300

/* ---------------------------------------------------------------- listing */
typedef struct name_list {
    char **names;
    size_t count, capacity;
} name_list;

static void free_names(name_list *list)
{
    for (size_t i = 0; i < list->count; i++) free(list->names[i]);
    free(list->names);
    *list = (name_list){0};
}

/* "x.device" gives x, once. */
static spa_status add_file(name_list *list, const char *file, spa_error *err)
{
    char *name = NULL;
    size_t length = strlen(file), suffix = strlen(SUFFIX);
    if (length <= suffix || strcmp(file + length - suffix, SUFFIX) != 0) return SPA_OK;
    SPA_TRY(spa_strdup(&name, file, err));
    name[length - suffix] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->names[i], name) != 0) continue;
        free(name);
        return SPA_OK;
    }
    spa_status status =
        spa_grow(&list->names, &list->capacity, list->count + 1, sizeof *list->names, err);
    if (status != SPA_OK) {
        free(name);
        return status;
    }
    list->names[list->count++] = name;
    return SPA_OK;
}

/* A folder that is not there has no devices; one that cannot be read is an error. */
static spa_status scan_folder(name_list *list, const char *folder, spa_error *err)
{
    spa_status status = SPA_OK;
    DIR *dir = opendir(folder);
    if (!dir && errno == ENOENT) return SPA_OK;
    if (!dir) {
        return spa_fail_at(err, SPA_E_IO, folder, 0, "cannot be listed: %s", strerror(errno));
    }
    for (struct dirent *e = readdir(dir); e && status == SPA_OK; e = readdir(dir)) {
        status = add_file(list, e->d_name, err);
    }
    closedir(dir);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

spa_status spa_device_list(const char *const *search, char ***names, size_t *count, spa_error *err)
{
    name_list list = {0};
    *names = NULL;
    *count = 0;
    for (size_t i = 0; search[i]; i++) {
        spa_status status = scan_folder(&list, search[i], err);
        if (status == SPA_OK) continue;
        free_names(&list);
        return status;
    }
    if (list.count) qsort(list.names, list.count, sizeof *list.names, compare_names);
    *names = list.names;
    *count = list.count;
    return SPA_OK;
}

/* ---------------------------------------------------------------- finding */
static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static spa_status fail_unknown_device(const char *name, const char *const *search, spa_error *err)
{
    char **names = NULL;
    size_t count = 0;
    SPA_TRY(spa_device_list(search, &names, &count, err));
    spa_status status = spa_fail_unknown(err, "device", name, (const char *const *)names, count);
    for (size_t i = 0; i < count; i++) free(names[i]);
    free(names);
    return status;
}

/* A name is looked for in the folders; what has a '/' or ends in .device is a path. */
static spa_status find_path(char path[PATH_BYTES], const char *name, const char *const *search,
                            spa_error *err)
{
    size_t length = strlen(name), suffix = strlen(SUFFIX);
    bool is_path =
        strchr(name, '/') || (length > suffix && strcmp(name + length - suffix, SUFFIX) == 0);
    if (is_path) {
        int n = snprintf(path, PATH_BYTES, "%s", name);
        return n < PATH_BYTES ? SPA_OK : spa_fail(err, SPA_E_RANGE, "the path is too long");
    }
    for (size_t i = 0; *name && search[i]; i++) {
        int n = snprintf(path, PATH_BYTES, "%s/%s%s", search[i], name, SUFFIX);
        if (n > 0 && n < PATH_BYTES && is_file(path)) return SPA_OK;
    }
    return fail_unknown_device(name, search, err);
}

/* ---------------------------------------------------------------- loading */
static spa_status select_mode(spa_device *d, const char *mode, spa_error *err)
{
    for (uint32_t m = 0; mode && m < d->n_modes; m++) {
        if (strcmp(d->modes[m].name, mode) != 0) continue;
        d->mode = m;
        d->info.default_mode = d->modes[m].name;
        return SPA_OK;
    }
    if (!mode) return SPA_OK;
    spa_error why;
    spa_status status = spa_fail_unknown(&why, "mode", mode, d->info.modes, d->n_modes);
    return spa_fail(err, status, "device '%s': %s", d->info.name, why.message);
}

static spa_status load(spa_device *d, const char *path, const char *mode, spa_error *err)
{
    spec_files *files = NULL;
    spec_lanes lanes;
    SPA_TRY(spa_alloc(&files, 1, sizeof *files, err));
    spa_status status = spec_files_open(files, path, err);
    if (status == SPA_OK) status = spec_parse(d, files, path, err);
    spec_files_close(files);
    free(files);
    if (status != SPA_OK) return status;
    SPA_TRY(select_mode(d, mode, err));
    /* the default lanes as they are in this mode */
    SPA_TRY(
        spec_lanes_parse(&lanes, d, &d->modes[d->mode], d->stacks[d->stack].lanes, &d->arena, err));
    d->info.default_lanes = lanes.text;
    return SPA_OK;
}

static spa_status new_device(spa_device **device, const char *path, const char *mode,
                             spa_error *err)
{
    spa_device *d = NULL;
    SPA_TRY(spa_alloc(&d, 1, sizeof *d, err));
    spa_arena_init(&d->arena);
    spa_status status = load(d, path, mode, err);
    if (status != SPA_OK) {
        spa_device_free(d);
        return status;
    }
    *device = d;
    return SPA_OK;
}

spa_status spa_device_load(spa_device **device, const char *name, const char *const *search,
                           spa_error *err)
{
    char base[PATH_BYTES], path[PATH_BYTES];
    *device = NULL;
    const char *at = strrchr(name, '@');
    if (at && (strchr(at, '/') || is_file(name))) at = NULL; /* part of a path */
    size_t length = at ? (size_t)(at - name) : strlen(name);
    if (length >= sizeof base) return spa_fail(err, SPA_E_RANGE, "the device's name is too long");
    memcpy(base, name, length);
    base[length] = '\0';
    SPA_TRY(find_path(path, base, search, err));
    return new_device(device, path, at ? at + 1 : NULL, err);
}

void spa_device_free(spa_device *device)
{
    if (!device) return;
    spa_arena_fini(&device->arena);
    free(device);
}

const spa_device_info *spa_device_info_of(const spa_device *device)
{
    return &device->info;
}
