/* sparoa batchers: what decides how requests are put together. */
#include "experiments/lists.h"
#include "sim/batcher.h"

spa_status spa_cmd_batchers(spa_cli *cli, spa_options *options, spa_error *err)
{
    spa_named rows[16];
    size_t count;
    const spa_batcher *const *all = spa_batchers(&count);
    SPA_TRY(spa_cli_operands(options, 0, 0, "", err));
    for (size_t i = 0; i < count; i++) rows[i] = (spa_named){all[i]->name, all[i]->summary};
    SPA_TRY(spa_print_named(cli, options, "batchers", "batcher", rows, count, err));
    if (options->json) return SPA_OK;
    spa_string_append(&cli->out, "\nParameters, with their defaults and bounds:\n");
    for (size_t i = 0; i < count; i++)
        spa_print_params(&cli->out, all[i]->name, all[i]->params, all[i]->n_params);
    return spa_string_ok(&cli->out, err);
}
