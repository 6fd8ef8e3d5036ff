/* sparoa run: experiment files into results.db. */
#include "experiments/cli.h"
#include "experiments/experiment_print.h"

static spa_status run_one(spa_cli *cli, const spa_options *o, const spa_paths *paths,
                          const char *path, spa_results *results, spa_json *json, json_t *list,
                          spa_error *err)
{
    spa_experiment x;
    spa_progress progress;
    spa_experiment_tally tally;
    spa_shard shard = {0};
    if (o->shard) SPA_TRY(spa_shard_parse(o->shard, &shard, err));
    SPA_TRY(spa_experiment_read(&x, path, o, paths, err));
    spa_progress_begin(&progress, cli->err, o->quiet, x.name, spa_experiment_rows(&x));
    spa_status status =
        spa_experiment_run(&x, paths, (size_t)o->jobs, shard, results, &progress, &tally, err);
    spa_progress_end(&progress);
    if (!status)
        spa_cli_note(cli, o, "%s: %zu rows, %zu of them were done already", x.name, tally.rows,
                     tally.resumed);
    if (!status && json)
        status = spa_experiment_print_json(results, &x, json, spa_json_row(json, list), err);
    else if (!status)
        status = spa_experiment_print(results, &x, &tally, &cli->out, err);
    spa_experiment_fini(&x);
    return status;
}

/* Faults of the last file are found before the first one has run. */
static spa_status check_files(const spa_options *o, const spa_paths *paths, spa_error *err)
{
    for (size_t i = 0; i < o->operands.count; i++) {
        spa_experiment x;
        SPA_TRY(spa_experiment_read(&x, o->operands.items[i], o, paths, err));
        spa_experiment_fini(&x);
    }
    return SPA_OK;
}

spa_status spa_cmd_run(spa_cli *cli, spa_options *o, spa_error *err)
{
    spa_paths paths;
    spa_results *results;
    spa_json json;
    spa_shard shard;
    SPA_TRY(spa_cli_operands(o, 1, SIZE_MAX, "an experiment file (*.exp), or several", err));
    if (o->shard) SPA_TRY(spa_shard_parse(o->shard, &shard, err));
    SPA_TRY(spa_paths_find(&paths, err));
    SPA_TRY(check_files(o, &paths, err));
    SPA_TRY(spa_results_open(&results, o->db ? o->db : "results.db", err));
    spa_json_init(&json, "run");
    json_t *list = spa_json_array(&json, json.root, "experiments");
    spa_status status = SPA_OK;
    for (size_t i = 0; i < o->operands.count && !status; i++) {
        if (i && !o->json) spa_string_append(&cli->out, "\n");
        status = run_one(cli, o, &paths, o->operands.items[i], results, o->json ? &json : NULL,
                         list, err);
    }
    if (!status && o->json) status = spa_json_print(&json, &cli->out, err);
    spa_json_fini(&json);
    spa_results_close(results);
    return status;
}
