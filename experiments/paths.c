#define _XOPEN_SOURCE 700 /* realpath */
#include "experiments/paths.h"

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

/* The folder of the running executable, or "" where the system does not tell. */
static void executable_folder(char *folder, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", folder, size - 1);
    folder[n > 0 ? (size_t)n : 0] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash) *slash = '\0';
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
    char folder[SPA_PATH_BYTES - 32], root[SPA_PATH_BYTES];
    executable_folder(folder, sizeof folder);
    /* build/<variant>/sparoa, build/<variant>/tests/run, PREFIX/bin/sparoa */
    static const char *const ups[] = {"/../..", "/../../..", "/../share/sparoa"};
    for (size_t i = 0; folder[0] && i < sizeof ups / sizeof *ups; i++) {
        snprintf(root, sizeof root, "%s%s", folder, ups[i]);
        char *real = realpath(root, NULL); /* no ".." in messages and in what is stored */
        bool taken = real && take_root(paths, real);
        free(real);
        if (taken) return SPA_OK;
    }
    if (take_root(paths, ".")) return SPA_OK;
    return spa_fail(err, SPA_E_NOT_FOUND,
                    "no folder devices/data near the program (%.300s) or in the current folder; "
                    "set SPAROA_DATA to the folder that holds devices/data and traces/data",
                    folder);
}
