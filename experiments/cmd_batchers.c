/* sparoa batchers: what decides how requests are put together. */
#include <stdlib.h>
#include "experiments/lists.h"
#include "experiments/plugins.h"
#include "sim/batcher.h"

spa_status spa_cmd_batchers(spa_cli *cli, spa_options *options, spa_error *err)
{
    size_t n_builtin, n_plugged;
    spa_named *rows;
    const spa_batcher *const *builtin = spa_batchers(&n_builtin);
    const spa_batcher *const *plugged = spa_plugins_batchers(options->plugins, &n_plugged);
    SPA_TRY(spa_cli_operands(options, 0, 0, "", err));
    SPA_TRY(spa_alloc(&rows, n_builtin + n_plugged, sizeof *rows, err));
    for (size_t i = 0; i < n_builtin + n_plugged; i++) {
        const spa_batcher *b = i < n_builtin ? builtin[i] : plugged[i - n_builtin];
        rows[i] = (spa_named){b->name, b->summary};
    }
    spa_status status =
        spa_print_named(cli, options, "batchers", "batcher", rows, n_builtin + n_plugged, err);
    free(rows);
    if (status || options->json) return status;
    spa_string_append(&cli->out, "\nParameters, with their defaults and bounds:\n");
    for (size_t i = 0; i < n_builtin + n_plugged; i++) {
        const spa_batcher *b = i < n_builtin ? builtin[i] : plugged[i - n_builtin];
        spa_print_params(&cli->out, b->name, b->params, b->n_params);
    }
    return spa_string_ok(&cli->out, err);
}
