#define _GNU_SOURCE /* realpath, dladdr */
#include "experiments/paths.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Takes `root` if it holds devices/data. */
static bool take_root(spa_paths *paths, const char *root)
{
    int n = snprintf(paths->root, sizeof paths->root, "%s", root);
    if (n < 0 || (size_t)n >= sizeof paths->root) return false;
    snprintf(paths->devices, sizeof paths->devices, "%s/devices/data", root);
    snprintf(paths->traces, sizeof paths->traces, "%s/traces/data", root);
    snprintf(paths->trained, sizeof paths->trained, "%s/policies/data", root);
    snprintf(paths->scenarios, sizeof paths->scenarios, "%s/sim/data", root);
    return is_folder(paths->devices);
}

/* The folder of a file, or "" */
static void cut_to_folder(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash) *slash = '\0';
    if (!slash) path[0] = '\0';
}

/* The folder of the running executable, or "" where the system does not tell. */
static void executable_folder(char *folder, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", folder, size - 1);
    folder[n > 0 ? (size_t)n : 0] = '\0';
    cut_to_folder(folder);
}

/* The folder of the shared library that this code is in, if it is in one (without links to it), or
 * that of the executable, or "". */
static void library_folder(char *folder, size_t size)
{
    Dl_info info;
    static const char here;
    folder[0] = '\0';
    if (!dladdr(&here, &info) || !info.dli_fname) return;
    char *real = realpath(info.dli_fname, NULL);
    if (real && strlen(real) < size) strcpy(folder, real);
    free(real);
    cut_to_folder(folder);
}

static bool look_around(spa_paths *paths, const char *folder)
{
    /* build/<variant>/sparoa, build/<variant>/tests/run or /api/libsparoa.so, PREFIX/bin/sparoa or
     * PREFIX/lib/libsparoa.so, PREFIX/lib/<architecture>/libsparoa.so */
    static const char *const ups[] = {"/../share/sparoa", "/../../share/sparoa", "/../..",
                                      "/../../.."};
    char root[SPA_PATH_BYTES];
    for (size_t i = 0; folder[0] && i < sizeof ups / sizeof *ups; i++) {
        snprintf(root, sizeof root, "%s%s", folder, ups[i]);
        char *real = realpath(root, NULL); /* no ".." in messages and in what is stored */
        bool taken = real && take_root(paths, real);
        free(real);
        if (taken) return true;
    }
    return false;
}

spa_status spa_paths_at(spa_paths *paths, const char *root, spa_error *err)
{
    memset(paths, 0, sizeof *paths);
    paths->device_search[0] = paths->devices;
    if (take_root(paths, root)) return SPA_OK;
    return spa_fail(err, SPA_E_NOT_FOUND, "'%.300s': there is no folder devices/data in it", root);
}

spa_status spa_paths_find(spa_paths *paths, spa_error *err)
{
    memset(paths, 0, sizeof *paths);
    paths->device_search[0] = paths->devices;
    const char *given = getenv("SPAROA_DATA");
    if (given && *given) {
        if (take_root(paths, given)) return SPA_OK;
        return spa_fail(err, SPA_E_NOT_FOUND,
                        "SPAROA_DATA is '%.300s', but there is no folder devices/data in it",
                        given);
    }
    char folder[SPA_PATH_BYTES - 32];
    library_folder(folder, sizeof folder);
    if (look_around(paths, folder)) return SPA_OK;
    executable_folder(folder, sizeof folder);
    if (look_around(paths, folder)) return SPA_OK;
    if (take_root(paths, ".")) return SPA_OK;
    return spa_fail(err, SPA_E_NOT_FOUND,
                    "no folder devices/data near the program (%.300s) or in the current folder; "
                    "set SPAROA_DATA to the folder that holds devices/data and traces/data",
                    folder);
}
