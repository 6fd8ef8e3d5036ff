/* Trees of files that look like sysfs, in a folder of their own. */
#ifndef SPA_TESTS_KERNELS_SYSFS_TREE_H
#define SPA_TESTS_KERNELS_SYSFS_TREE_H

#include "kernels/meter.h"

typedef struct tree {
    char root[64];
} tree;

void tree_make(tree *t);
void tree_remove(tree *t);
/* Writes root/path (printf form) in place, so that who holds it open sees the new content. */
void tree_write(const tree *t, const char *path, const char *text, ...) SPA_PRINTF(3, 4);
void tree_write_bytes(const tree *t, const char *path, const void *bytes, size_t size);
void tree_delete(const tree *t, const char *path);
void tree_folder(const tree *t, const char *path);
/* Meters of the tree only: no NVML. */
spa_meter_config tree_config(const tree *t);

/* class/powercap/<zone> with name, energy_uj and max_energy_range_uj. */
void tree_rapl(const tree *t, const char *zone, const char *name, unsigned long long uj);
/* class/hwmon/<chip> named ina3221, and one of its channels. */
void tree_chip(const tree *t, const char *chip, const char *name);
void tree_channel(const tree *t, const char *chip, int number, const char *label, int mv, int ma);

#endif
