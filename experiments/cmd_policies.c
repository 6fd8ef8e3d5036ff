/* sparoa policies: the registry, with what each policy can do. */
#include "experiments/cli.h"
#include "experiments/json.h"
#include "experiments/lists.h"
#include "experiments/plugins.h"
#include "experiments/table.h"

static const struct {
    uint32_t bit;
    const char *name;
} capabilities[] = {
    {SPA_CAP_PLAN, "plan"},     {SPA_CAP_PLACE, "place"},     {SPA_CAP_ORDER, "order"},
    {SPA_CAP_LANES, "lanes"},   {SPA_CAP_SPLIT, "split"},     {SPA_CAP_SEARCH, "search"},
    {SPA_CAP_RANDOM, "random"}, {SPA_CAP_PREDICT, "predict"},
};
enum { N_CAPABILITIES = sizeof capabilities / sizeof *capabilities };

static void json_policy(spa_json *j, json_t *row, const spa_policy *p)
{
    spa_json_set(j, row, "name", spa_json_text(j, p->name));
    spa_json_set(j, row, "summary", spa_json_text(j, p->summary));
    spa_json_set(j, row, "source", spa_json_text(j, p->source));
    json_t *list = spa_json_array(j, row, "capabilities");
    for (size_t i = 0; i < N_CAPABILITIES; i++) {
        if (!(p->capabilities & capabilities[i].bit)) continue;
        spa_json_add(j, list, spa_json_text(j, capabilities[i].name));
    }
    list = spa_json_array(j, row, "objectives");
    for (int bit = 0; bit < 4; bit++) {
        if (!(p->objectives & 1u << bit)) continue;
        spa_json_add(j, list, spa_json_text(j, spa_objective_name((spa_objective)(1 << bit))));
    }
}

static void table_policy(spa_table *t, const spa_policy *p)
{
    spa_string s = {0};
    for (size_t i = 0; i < N_CAPABILITIES; i++) {
        if (!(p->capabilities & capabilities[i].bit)) continue;
        spa_string_append(&s, "%s%s", s.length ? " " : "", capabilities[i].name);
    }
    spa_table_put(t, "%s", p->name);
    spa_table_put(t, "%s", s.text ? s.text : "-");
    spa_table_put(t, "%s", p->summary ? p->summary : "");
    spa_string_fini(&s);
}

spa_status spa_cmd_policies(spa_cli *cli, spa_options *options, spa_error *err)
{
    SPA_TRY(spa_cli_operands(options, 0, 0, "", err));
    if (options->checks.count) return spa_policies_check(cli, options, err);
    if (options->policies.count)
        return spa_fail(err, SPA_E_USAGE, "--policy goes with --check F.so here");
    size_t n_builtin, n_plugged;
    const spa_policy *const *builtin = spa_policies(&n_builtin);
    const spa_policy *const *plugged = spa_plugins_policies(options->plugins, &n_plugged);
    size_t count = n_builtin + n_plugged;
    spa_json j;
    spa_table t;
    spa_json_init(&j, "policies");
    json_t *list = spa_json_array(&j, j.root, "policies");
    spa_table_init(&t, "policy|can|what", "lll");
    for (size_t i = 0; i < count; i++) {
        const spa_policy *p = i < n_builtin ? builtin[i] : plugged[i - n_builtin];
        json_policy(&j, spa_json_row(&j, list), p);
        table_policy(&t, p);
    }
    spa_status status =
        options->json ? spa_json_print(&j, &cli->out, err) : spa_table_print(&t, 0, &cli->out, err);
    if (!status && !options->json) {
        spa_string_append(&cli->out, "\nParameters, with their defaults and bounds:\n");
        for (size_t i = 0; i < n_builtin; i++)
            spa_print_params(&cli->out, builtin[i]->name, builtin[i]->params, builtin[i]->n_params);
        for (size_t i = 0; i < n_plugged; i++)
            spa_print_params(&cli->out, plugged[i]->name, plugged[i]->params, plugged[i]->n_params);
    }
    spa_table_fini(&t);
    spa_json_fini(&j);
    return status;
}
