/* sparoa devices: the device files that were found. */
#include <stdlib.h>
#include <string.h>
#include "devices/device.h"
#include "experiments/cli.h"
#include "experiments/json.h"
#include "experiments/paths.h"
#include "experiments/table.h"

static void put_names(spa_table *t, const char *const *names, size_t count, const char *first)
{
    spa_string s = {0};
    for (size_t i = 0; i < count; i++) {
        /* "*" marks the default, where there is a choice. */
        bool marked = count > 1 && first && strcmp(names[i], first) == 0;
        spa_string_append(&s, "%s%s%s", i ? ", " : "", names[i], marked ? "*" : "");
    }
    spa_table_put(t, "%s", s.text ? s.text : "");
    spa_string_fini(&s);
}

static void json_names(spa_json *j, json_t *row, const char *key, const char *const *names,
                       size_t count)
{
    json_t *list = spa_json_array(j, row, key);
    for (size_t i = 0; i < count; i++) spa_json_add(j, list, spa_json_text(j, names[i]));
}

static spa_status add_device(const char *name, const spa_paths *paths, spa_json *j, json_t *list,
                             spa_table *t, spa_error *err)
{
    spa_device *device;
    SPA_TRY(spa_device_load(&device, name, paths->device_search, err));
    const spa_device_info *info = spa_device_info_of(device);
    json_t *row = spa_json_row(j, list);
    spa_json_set(j, row, "name", spa_json_text(j, info->name));
    spa_json_set(j, row, "mode", spa_json_text(j, info->default_mode));
    json_names(j, row, "stacks", info->stacks, info->n_stacks);
    json_names(j, row, "processors", info->processors, info->n_processors);
    spa_json_set(j, row, "origin", spa_json_text(j, spa_origin_name(info->origin)));
    spa_table_put(t, "%s", info->name);
    put_names(t, info->modes, info->n_modes, info->default_mode);
    put_names(t, info->stacks, info->n_stacks, info->default_stack);
    put_names(t, info->processors, info->n_processors, NULL);
    spa_table_put(t, "%s", info->default_lanes ? info->default_lanes : "-");
    spa_table_put(t, "%s", spa_origin_name(info->origin));
    spa_device_free(device);
    return SPA_OK;
}

spa_status spa_cmd_devices(spa_cli *cli, spa_options *options, spa_error *err)
{
    SPA_TRY(spa_cli_operands(options, 0, 0, "", err));
    spa_paths paths;
    char **names;
    size_t count;
    SPA_TRY(spa_paths_find(&paths, err));
    SPA_TRY(spa_device_list(paths.device_search, &names, &count, err));
    spa_json j;
    spa_table t;
    spa_json_init(&j, "devices");
    json_t *list = spa_json_array(&j, j.root, "devices");
    spa_table_init(&t, "device|modes|stacks|processors|lanes|times", "llllll");
    spa_status status = SPA_OK;
    for (size_t i = 0; i < count; i++) {
        if (!status) status = add_device(names[i], &paths, &j, list, &t, err);
        free(names[i]);
    }
    free(names);
    if (!status) {
        status = options->json ? spa_json_print(&j, &cli->out, err)
                               : spa_table_print(&t, 0, &cli->out, err);
    }
    if (!status && !options->json)
        spa_string_append(&cli->out, "* default; folder: %s\n", paths.devices);
    spa_table_fini(&t);
    spa_json_fini(&j);
    return status;
}
