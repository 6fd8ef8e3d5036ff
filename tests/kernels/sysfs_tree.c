#define _XOPEN_SOURCE 700 /* nftw */
#include "tests/kernels/sysfs_tree.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void tree_make(tree *t)
{
    strcpy(t->root, "/tmp/sparoa-sysfs-XXXXXX");
    cr_assert_not_null(mkdtemp(t->root));
    cr_assert_eq(chmod(t->root, 0755), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void tree_remove(tree *t)
{
    nftw(t->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void full_path(const tree *t, const char *path, char out[512])
{
    snprintf(out, 512, "%s/%s", t->root, path);
}

void tree_folder(const tree *t, const char *path)
{
    char full[512];
    spa_error err = {0};
    full_path(t, path, full);
    cr_assert_eq(spa_make_dirs(full, &err), SPA_OK, "%s", err.message);
}

void tree_write_bytes(const tree *t, const char *path, const void *bytes, size_t size)
{
    char full[512], folder[512];
    full_path(t, path, full);
    strcpy(folder, path);
    *strrchr(folder, '/') = '\0';
    tree_folder(t, folder);
    FILE *file = fopen(full, "w");
    cr_assert_not_null(file, "%s", full);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

void tree_write(const tree *t, const char *path, const char *text, ...)
{
    char content[512];
    va_list arguments;
    va_start(arguments, text);
    int n = vsnprintf(content, sizeof content, text, arguments);
    va_end(arguments);
    tree_write_bytes(t, path, content, (size_t)n);
}

void tree_delete(const tree *t, const char *path)
{
    char full[512];
    full_path(t, path, full);
    cr_assert_eq(remove(full), 0, "%s", full);
}

spa_meter_config tree_config(const tree *t)
{
    spa_meter_config config = spa_meter_config_default();
    config.sysfs = t->root;
    config.nvml = NULL;
    return config;
}

void tree_rapl(const tree *t, const char *zone, const char *name, unsigned long long uj)
{
    char path[256];
    snprintf(path, sizeof path, "class/powercap/%s/name", zone);
    tree_write(t, path, "%s\n", name);
    snprintf(path, sizeof path, "class/powercap/%s/energy_uj", zone);
    tree_write(t, path, "%llu\n", uj);
    snprintf(path, sizeof path, "class/powercap/%s/max_energy_range_uj", zone);
    tree_write(t, path, "262143328850\n");
}

void tree_chip(const tree *t, const char *chip, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "class/hwmon/%s/name", chip);
    tree_write(t, path, "%s\n", name);
}

void tree_channel(const tree *t, const char *chip, int number, const char *label, int mv, int ma)
{
    char path[256];
    snprintf(path, sizeof path, "class/hwmon/%s/in%d_label", chip, number);
    tree_write(t, path, "%s\n", label);
    snprintf(path, sizeof path, "class/hwmon/%s/in%d_input", chip, number);
    tree_write(t, path, "%d\n", mv);
    snprintf(path, sizeof path, "class/hwmon/%s/curr%d_input", chip, number);
    tree_write(t, path, "%d\n", ma);
}
