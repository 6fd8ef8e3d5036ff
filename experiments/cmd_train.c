/* sparoa train: learns a policy, and shows it beside its rivals. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiments/cli.h"
#include "experiments/gnuplot.h"
#include "experiments/json.h"
#include "experiments/plugins.h"
#include "experiments/predicting.h"
#include "experiments/results.h"
#include "experiments/training.h"

/* What learning must beat: cheap rules, search in the simulator with as many evaluations as
 * --budget says. */
static const char *const rivals[] = {"gpu-only",     "greedy",  "replan-greedy", "dp",
                                     "local-search", "rollout", "mcts"};
enum { N_RIVALS = sizeof rivals / sizeof *rivals };

/* The trained policy, at dispatch and as a schedule (what splits operators is one always), then its
 * rivals. */
static spa_status list_policies(spa_options *o, const char *algorithm, bool splits, spa_error *err)
{
    bool own = o->thresholds && strcmp(o->thresholds, "shipped") != 0;
    char text[1024], trained[900];
    const char *copy;
    snprintf(trained, sizeof trained, "%s:model=%.400s%s%.400s", algorithm, o->output,
             own ? ":thresholds=" : "", own ? o->thresholds : "");
    snprintf(text, sizeof text, "%s", trained);
    SPA_TRY(spa_arena_strdup(&o->arena, &copy, text, err));
    o->policies.count = 0;
    SPA_TRY(spa_names_add(o, &o->policies, copy, err));
    if (!splits) {
        snprintf(text, sizeof text, "%s:offline=1", trained);
        SPA_TRY(spa_arena_strdup(&o->arena, &copy, text, err));
        SPA_TRY(spa_names_add(o, &o->policies, copy, err));
    }
    for (int i = 0; i < N_RIVALS; i++) SPA_TRY(spa_names_add(o, &o->policies, rivals[i], err));
    return spa_study_add_plugged(o, &o->policies, err);
}

static spa_status compare(spa_runs *runs, const spa_options *options, spa_error *err)
{
    size_t n = runs->policies.count;
    for (size_t i = 0; i < runs->n_cases * n; i++)
        SPA_TRY(spa_study_run(&runs->cases[i / n], options, &runs->scenario,
                              runs->policies.items[i % n], NULL, &runs->outcomes[i], err));
    return SPA_OK;
}

static spa_status put_text(const spa_training *t, const spa_runs *runs, const spa_options *o,
                           spa_string *out, spa_error *err)
{
    spa_string_append(out,
                      "%s: %llu steps in %.1f s%s; best at step %llu: %.4f of the best single "
                      "processor's %s\nwritten to %s\n\n",
                      t->policy, (unsigned long long)t->steps, t->seconds_host,
                      t->out_of_patience ? ", out of patience" : "",
                      (unsigned long long)t->best_steps, t->best,
                      spa_objective_name((spa_objective)o->objective), o->output);
    return spa_runs_print(runs, o, out, err);
}

static void put_json_row(spa_json *j, json_t *row, const spa_case *c, const spa_outcome *o)
{
    spa_json_set(j, row, "model", spa_json_text(j, c->graph.name));
    spa_json_set(j, row, "device", spa_json_text(j, c->costs.device));
    spa_json_set(j, row, "batch", json_integer(c->graph.batch));
    spa_json_set(j, row, "policy", spa_json_text(j, o->policy));
    if (o->is_skipped) {
        spa_json_set(j, row, "skipped", spa_json_text(j, o->skipped));
        return;
    }
    spa_json_set(j, row, "latency_ms", spa_json_number(o->latency_ms));
    spa_json_set(j, row, "ci95_ms", spa_json_number(o->ci95_ms));
    spa_json_set(j, row, "lower_bound_ms", spa_json_number(o->lower_bound_ms));
    spa_json_set(j, row, "gap", spa_json_number(o->gap));
}

static spa_status put_json(const spa_training *t, const spa_runs *runs, const spa_options *o,
                           spa_string *out, spa_error *err)
{
    spa_json j;
    spa_json_init(&j, "train");
    spa_json_set(&j, j.root, "policy", spa_json_text(&j, t->policy));
    json_t *models = spa_json_array(&j, j.root, "models");
    for (size_t c = 0; c < runs->n_cases; c += runs->n_devices * runs->n_batches)
        spa_json_add(&j, models, spa_json_text(&j, runs->cases[c].graph.name));
    spa_json_set(&j, j.root, "steps", json_integer((json_int_t)t->steps));
    spa_json_set(&j, j.root, "seconds_host", spa_json_number(t->seconds_host));
    json_t *final = spa_json_member(&j, j.root, "final");
    spa_json_set(&j, final, "best_step", json_integer((json_int_t)t->best_steps));
    spa_json_set(&j, final, "value", spa_json_number(t->best));
    spa_json_set(&j, final, "out_of_patience", json_boolean(t->out_of_patience));
    json_t *own = spa_json_array(&j, final, "runs"), *others = spa_json_array(&j, j.root, "rivals");
    size_t n_plugged;
    spa_plugins_policies(o->plugins, &n_plugged);
    size_t n_own = runs->policies.count - N_RIVALS - n_plugged;
    for (size_t c = 0; c < runs->n_cases; c++)
        for (size_t p = 0; p < runs->policies.count; p++)
            put_json_row(&j, spa_json_row(&j, p < n_own ? own : others), &runs->cases[c],
                         spa_runs_outcome(runs, c, p));
    json_t *curve = spa_json_array(&j, j.root, "curve");
    for (size_t i = 0; i < t->n_curve; i++) {
        json_t *point = json_array();
        spa_json_add(&j, point, json_integer((json_int_t)t->curve[i].steps));
        spa_json_add(&j, point, spa_json_number(t->curve[i].value));
        spa_json_add(&j, curve, point);
    }
    spa_status status = spa_json_print(&j, out, err);
    spa_json_fini(&j);
    return status;
}

static spa_status store(const spa_training *t, const spa_runs *runs, const spa_options *o,
                        spa_error *err)
{
    SPA_TRY(spa_results_store_runs(o->db, "train", runs, o, err));
    for (size_t c = 0; c < runs->n_cases; c++) {
        spa_run_key key = {.experiment = "train",
                           .c = &runs->cases[c],
                           .options = o,
                           .scenario = &runs->scenario,
                           .policy = runs->policies.items[0]};
        SPA_TRY(spa_results_store_curve(o->db, &key, t->curve, t->n_curve, err));
    }
    return SPA_OK;
}

static spa_status finish(spa_cli *cli, const spa_training *t, const spa_runs *runs,
                         const spa_options *o, spa_error *err)
{
    if (o->json)
        SPA_TRY(put_json(t, runs, o, &cli->out, err));
    else
        SPA_TRY(put_text(t, runs, o, &cli->out, err));
    for (size_t i = 0; i < o->chart.count; i++)
        SPA_TRY(spa_chart_training(o->chart.items[i], t, runs, o, err));
    return o->db ? store(t, runs, o, err) : SPA_OK;
}

/* Files that become parameters of policies: "ppo:model=FILE". */
static spa_status check_path(const char *option, const char *path, spa_error *err)
{
    if (strpbrk(path, ":,"))
        return spa_fail(err, SPA_E_USAGE,
                        "%s: '%.200s' holds ':' or ',', which end parameters of policies (%s)",
                        option, path, "model=FILE");
    if (strlen(path) < SPA_PARAM_TEXT_MAX) return SPA_OK;
    return spa_fail(err, SPA_E_USAGE, "%s: '%.100s...' is longer than %d characters", option, path,
                    SPA_PARAM_TEXT_MAX - 1);
}

spa_status spa_cmd_train(spa_cli *cli, spa_options *o, spa_error *err)
{
    spa_training training = {0};
    spa_progress progress;
    spa_paths paths;
    spa_runs runs;
    const spa_learner_type *type;
    char name[SPA_ACTOR_NAME];
    bool splits;
    SPA_TRY(spa_cli_operands(o, 2, SIZE_MAX, "a policy to learn and a model (or several)", err));
    if (!o->output)
        return spa_fail(err, SPA_E_USAGE, "'train' needs -o FILE, where the policy is written");
    SPA_TRY(check_path("-o", o->output, err));
    if (o->thresholds) SPA_TRY(check_path("--thresholds", o->thresholds, err));
    SPA_TRY(spa_figure_check_names(&o->chart, err));
    const char *text = o->operands.items[0];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, ":"), text);
    if (!strcmp(name, "threshold+predictor")) {
        if (!o->thresholds) return spa_train_thresholds(cli, o, err);
        return spa_fail(err, SPA_E_USAGE,
                        "--thresholds are what a policy observes; threshold+predictor makes them");
    }
    SPA_TRY(spa_paths_find(&paths, err));
    SPA_TRY(spa_training_find(name, &type, &splits, err));
    o->operands.items++;
    o->operands.count--;
    SPA_TRY(list_policies(o, name, splits, err));
    SPA_TRY(spa_runs_open(&runs, o, &paths, err));
    spa_progress_begin(&progress, cli->err, o->quiet, "training",
                       o->steps ? (size_t)o->steps : 200000);
    spa_status status = spa_training_run(&training, text, &runs, o, &progress, err);
    spa_progress_end(&progress);
    if (!status) status = compare(&runs, o, err);
    if (!status) status = finish(cli, &training, &runs, o, err);
    spa_training_fini(&training);
    spa_runs_close(&runs);
    return status;
}
