/* sparoa figures: the study's figures from results.db. */
#include "experiments/cli.h"
#include "experiments/figures.h"
#include "experiments/json.h"
#include "experiments/progress.h"

static const char *const words[] = {"made", "kept", "no data", "data only"};

typedef struct chosen {
    const spa_study_figure *figures[64];
    spa_made made[64];
    size_t count;
} chosen;

static spa_status choose(const spa_options *options, chosen *c, spa_error *err)
{
    size_t n;
    const spa_study_figure *all = spa_study_figures(&n);
    for (size_t i = 0; i < n && options->operands.count == 0; i++) c->figures[c->count++] = &all[i];
    for (size_t i = 0; i < options->operands.count && c->count < 64; i++) {
        const char *name = options->operands.items[i];
        spa_status status = spa_study_figure_find(name, &c->figures[c->count++], err);
        if (status) return spa_cli_name_status(status, name, err);
    }
    return SPA_OK;
}

static spa_status print_json(spa_cli *cli, const chosen *c, const char *folder, spa_error *err)
{
    spa_json json;
    spa_json_init(&json, "figures");
    spa_json_set(&json, json.root, "output", spa_json_text(&json, folder));
    json_t *rows = spa_json_array(&json, json.root, "figures");
    for (size_t i = 0; i < c->count; i++) {
        json_t *row = spa_json_row(&json, rows);
        spa_json_set(&json, row, "name", spa_json_text(&json, c->figures[i]->name));
        spa_json_set(&json, row, "experiment", spa_json_text(&json, c->figures[i]->experiment));
        spa_json_set(&json, row, "state", spa_json_text(&json, words[c->made[i]]));
    }
    spa_status status = spa_json_print(&json, &cli->out, err);
    spa_json_fini(&json);
    return status;
}

static spa_status fail_empty(const chosen *c, size_t i, const char *db, spa_error *err)
{
    const char *x = c->figures[i]->experiment;
    bool validates = c->figures[i]->experiment != c->figures[i]->name && x[0] == 'v';
    return spa_fail(err, SPA_E_INVALID,
                    "figure '%s': %.200s has no rows to show of experiment '%s'; 'sparoa %s%s --db "
                    "%.200s' makes them",
                    c->figures[i]->name, db, x, validates ? "validate MODEL --lanes L" : "run ",
                    validates ? "" : x, db);
}

static spa_status finish(spa_cli *cli, const spa_options *o, const chosen *c, spa_error *err)
{
    bool missing = false;
    if (o->json) SPA_TRY(print_json(cli, c, o->output, err));
    for (size_t i = 0; i < c->count; i++) {
        missing |= c->made[i] == SPA_MADE_DATA;
        if (!o->json)
            spa_string_append(&cli->out, "%-14s %-10s %s%s%s\n", c->figures[i]->name,
                              words[c->made[i]], c->made[i] == SPA_MADE_EMPTY ? "experiment " : "",
                              c->made[i] == SPA_MADE_EMPTY ? c->figures[i]->experiment : o->output,
                              c->made[i] == SPA_MADE_EMPTY ? " has no rows" : "");
    }
    if (!missing) return SPA_OK;
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "gnuplot is not installed: install gnuplot-nox ('make deps') and run this "
                    "again; the data of the figures is in %.300s/*.csv",
                    o->output);
}

spa_status spa_cmd_figures(spa_cli *cli, spa_options *options, spa_error *err)
{
    chosen c = {.count = 0};
    spa_evidence evidence;
    SPA_TRY(choose(options, &c, err));
    if (!options->db)
        return spa_fail(err, SPA_E_USAGE, "'figures' needs --db F; see 'sparoa figures --help'");
    if (!options->output)
        return spa_fail(err, SPA_E_USAGE, "'figures' needs -o DIR; see 'sparoa figures --help'");
    SPA_TRY(spa_evidence_open(&evidence, options->db, err));
    spa_status status = spa_make_dirs(options->output, err);
    spa_progress progress;
    spa_progress_begin(&progress, cli->err, options->quiet, "drawing", c.count);
    for (size_t i = 0; i < c.count && !status; i++) {
        status = spa_study_figure_write(c.figures[i], &evidence, options->output, options->force,
                                        &c.made[i], err);
        if (!status && c.made[i] == SPA_MADE_EMPTY && options->operands.count > 0)
            status = fail_empty(&c, i, options->db, err);
        spa_progress_show(&progress, i + 1);
    }
    spa_progress_end(&progress);
    if (!status) status = finish(cli, options, &c, err);
    spa_evidence_close(&evidence);
    return status;
}
