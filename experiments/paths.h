/* Where the program's data is: device files and traces. The only reader of the environment. */
#ifndef SPA_EXPERIMENTS_PATHS_H
#define SPA_EXPERIMENTS_PATHS_H

#include "base/status.h"

/* Longest path of a data folder, with its NUL. */
#define SPA_PATH_BYTES 4096

typedef struct spa_paths {
    char root[SPA_PATH_BYTES];           /* holds devices/data and traces/data */
    char devices[SPA_PATH_BYTES + 16];   /* root/devices/data */
    char traces[SPA_PATH_BYTES + 16];    /* root/traces/data */
    char trained[SPA_PATH_BYTES + 16];   /* root/policies/data */
    char scenarios[SPA_PATH_BYTES + 16]; /* root/sim/data */
    const char *device_search[2];        /* for spa_device_load: devices, NULL */
} spa_paths;

/* Looks in $SPAROA_DATA (when set, nowhere else), near the executable or the shared library
 * (build/<variant>/ in a source tree, or PREFIX/bin or PREFIX/lib with PREFIX/share/sparoa) and in
 * the current folder.
 * SPA_E_NOT_FOUND lists the places that were tried. Caller-owned; do not copy the struct. */
spa_status spa_paths_find(spa_paths *paths, spa_error *err);
/* The same in this folder and nowhere else. */
spa_status spa_paths_at(spa_paths *paths, const char *root, spa_error *err);

#endif
