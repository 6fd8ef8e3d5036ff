/* sparoa batchers: what decides how requests are put together. */
#include "experiments/lists.h"

spa_status spa_cmd_batchers(spa_cli *cli, spa_options *options, spa_error *err)
{
    static const spa_named batchers[] = {
        {"none", "every request runs alone, with the graph's own batch"},
    };
    SPA_TRY(spa_cli_operands(options, 0, 0, "", err));
    return spa_print_named(cli, options, "batchers", "batcher", batchers, 1, err);
}
