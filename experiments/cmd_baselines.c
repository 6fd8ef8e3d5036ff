/* sparoa baselines: what a study compares with, and where each is from. */
#include "experiments/baselines.h"
#include "experiments/cli.h"
#include "experiments/json.h"
#include "experiments/table.h"

static void json_baseline(spa_json *j, json_t *row, const spa_baseline *b)
{
    spa_json_set(j, row, "name", spa_json_text(j, b->name));
    spa_json_set(j, row, "summary", spa_json_text(j, b->summary));
    spa_json_set(j, row, "source", spa_json_text(j, b->source));
    spa_json_set(j, row, "policy", spa_json_text(j, b->policy));
    spa_json_set(j, row, "stack", b->stack ? spa_json_text(j, b->stack) : json_null());
    spa_json_set(j, row, "rewrite", b->rewrite ? spa_json_text(j, b->rewrite) : json_null());
    spa_json_set(j, row, "range", json_boolean(b->has_range));
}

spa_status spa_cmd_baselines(spa_cli *cli, spa_options *options, spa_error *err)
{
    SPA_TRY(spa_cli_operands(options, 0, 0, "", err));
    size_t count;
    const spa_baseline *baselines = spa_baselines(&count);
    spa_json j;
    spa_table t;
    spa_json_init(&j, "baselines");
    json_t *list = spa_json_array(&j, j.root, "baselines");
    spa_table_init(&t, "baseline|policy|stack|rewrite|what|source", "llllll");
    for (size_t i = 0; i < count; i++) {
        const spa_baseline *b = &baselines[i];
        json_baseline(&j, spa_json_row(&j, list), b);
        spa_table_put(&t, "%s", b->name);
        spa_table_put(&t, "%s", b->policy);
        spa_table_put(&t, "%s", b->stack ? b->stack : "the study's");
        spa_table_put(&t, "%s", b->rewrite ? b->rewrite : "-");
        spa_table_put(&t, "%s", b->summary);
        spa_table_put(&t, "%s", b->source);
    }
    spa_status status =
        options->json ? spa_json_print(&j, &cli->out, err) : spa_table_print(&t, 0, &cli->out, err);
    spa_table_fini(&t);
    spa_json_fini(&j);
    return status;
}
