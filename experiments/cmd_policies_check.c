/* sparoa policies --check: the rules of every policy on those of a plug-in, each in a process of
 * its own. Nothing of the plug-in runs in this process, not even what runs when it is loaded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/cli.h"
#include "experiments/conformance.h"
#include "experiments/isolate.h"
#include "experiments/json.h"
#include "experiments/plugins.h"
#include "experiments/table.h"

#define CHECK_SECONDS 60.0
#define NAME_BYTES    512 /* a policy with its parameters */

/* One policy or batcher. */
typedef struct verdict {
    char name[NAME_BYTES];
    bool passed;
    spa_conformance done;
    char reason[768]; /* what is broken, or "" */
} verdict;

typedef struct checking {
    const spa_options *options;
    spa_limits limits;
    const char *file;
    const char *name; /* of the policy or batcher at hand */
    bool is_batcher;
} checking;

/* ---------------------------------------------------------------- in the child */
/* A letter of its kind and its name, with a NUL. */
static spa_status put_name(spa_bytes *reply, char kind, const char *name, spa_error *err)
{
    SPA_TRY(spa_bytes_put(reply, &kind, 1, err));
    return spa_bytes_put(reply, name, strlen(name) + 1, err);
}

/* The names of the file's policies and batchers, one after another. */
static spa_status list(void *user, spa_bytes *reply, spa_error *err)
{
    const checking *k = user;
    spa_plugins *plugins;
    size_t count;
    SPA_TRY(spa_plugins_open(&plugins, &k->file, 1, err));
    const spa_policy *const *policies = spa_plugins_policies(plugins, &count);
    for (size_t i = 0; i < count; i++) SPA_TRY(put_name(reply, 'p', policies[i]->name, err));
    const spa_batcher *const *batchers = spa_plugins_batchers(plugins, &count);
    for (size_t i = 0; i < count; i++) SPA_TRY(put_name(reply, 'b', batchers[i]->name, err));
    return SPA_OK; /* the process ends here: nothing is unloaded */
}

/* One policy or batcher against all rules. What it breaks comes back as a reason, not as a failure.
 */
static spa_status check(void *user, spa_bytes *reply, spa_error *err)
{
    const checking *k = user;
    spa_plugins *plugins;
    const spa_policy *policy;
    const spa_batcher *batcher;
    spa_param_values values;
    spa_error cause = {0};
    verdict v = {0};
    SPA_TRY(spa_plugins_open(&plugins, &k->file, 1, err));
    spa_status status = k->is_batcher
                            ? spa_plugins_parse_batcher(plugins, k->name, &batcher, &values, &cause)
                            : spa_plugins_parse(plugins, k->name, &policy, &values, &cause);
    if (!status && k->is_batcher)
        status = spa_conformance_check_batcher(&v.done, batcher, &values, &cause);
    else if (!status)
        status = spa_conformance_check(&v.done, policy, &values, &cause);
    v.passed = status == SPA_OK;
    snprintf(v.reason, sizeof v.reason, "%s", status ? cause.message : "");
    return spa_bytes_put(reply, &v, sizeof v, err);
}

/* ---------------------------------------------------------------- in the program */
static spa_status check_policy(checking *k, verdict *v, spa_error *err)
{
    spa_bytes reply;
    spa_error cause = {0};
    bool died;
    size_t at = 0;
    spa_status status = spa_isolate(&k->limits, check, k, &reply, &died, &cause);
    if (!status) status = spa_bytes_take(&reply, &at, v, sizeof *v, err);
    spa_bytes_fini(&reply);
    if (status && !died) return spa_fail(err, status, "%s", cause.message);
    if (died) snprintf(v->reason, sizeof v->reason, "%s", cause.message);
    snprintf(v->name, sizeof v->name, "%s", k->name);
    return SPA_OK;
}

typedef struct verdicts {
    verdict *items;
    size_t count, capacity;
} verdicts;

static spa_status add_one(checking *k, verdicts *all, const char *name, spa_error *err)
{
    if (strlen(name) >= NAME_BYTES)
        return spa_fail(err, SPA_E_USAGE, "--policy '%.40s...' is too long", name);
    SPA_TRY(spa_grow(&all->items, &all->capacity, all->count + 1, sizeof *all->items, err));
    k->name = name;
    return check_policy(k, &all->items[all->count++], err);
}

/* Every policy and batcher of a file, or those of --policy that name one of its. */
static spa_status check_file(checking *k, verdicts *all, const char *file, spa_error *err)
{
    spa_bytes names;
    spa_error cause = {0};
    bool died;
    k->file = file;
    spa_status status = spa_isolate(&k->limits, list, k, &names, &died, &cause);
    if (status) {
        spa_bytes_fini(&names);
        return spa_fail(err, died ? SPA_E_INVALID : status, "%s%.300s%.400s", died ? file : "",
                        died ? ": when it is loaded, it " : "", cause.message);
    }
    for (size_t at = 0; at < names.length && !status; at += strlen(names.data + at) + 1) {
        const char *name = names.data + at + 1;
        size_t n = strlen(name);
        k->is_batcher = names.data[at] == 'b';
        if (k->options->policies.count == 0) status = add_one(k, all, name, err);
        for (size_t i = 0; i < k->options->policies.count && !status; i++) {
            const char *text = k->options->policies.items[i];
            if (strcspn(text, ":") == n && strncmp(text, name, n) == 0)
                status = add_one(k, all, text, err);
        }
    }
    spa_bytes_fini(&names);
    return status;
}

static spa_status print_json(spa_cli *cli, const verdicts *all, spa_error *err)
{
    spa_json j;
    spa_json_init(&j, "policies-check");
    json_t *rows = spa_json_array(&j, j.root, "policies");
    for (size_t i = 0; i < all->count; i++) {
        const verdict *v = &all->items[i];
        json_t *row = spa_json_row(&j, rows);
        spa_json_set(&j, row, "name", spa_json_text(&j, v->name));
        spa_json_set(&j, row, "passed", json_boolean(v->passed));
        spa_json_set(&j, row, "workloads", json_integer((json_int_t)v->done.trials));
        spa_json_set(&j, row, "declined", json_integer((json_int_t)v->done.skipped));
        spa_json_set(&j, row, "reason", spa_json_text(&j, v->reason[0] ? v->reason : NULL));
    }
    spa_status status = spa_json_print(&j, &cli->out, err);
    spa_json_fini(&j);
    return status;
}

static spa_status print(spa_cli *cli, const verdicts *all, spa_error *err)
{
    size_t failed = 0;
    for (size_t i = 0; i < all->count; i++) {
        const verdict *v = &all->items[i];
        failed += !v->passed;
        spa_string_append(&cli->out, "%s: ", v->name);
        if (!v->passed) {
            spa_string_append(&cli->out, "FAILED: %s\n", v->reason);
            continue;
        }
        spa_string_append(&cli->out, "passed on %llu random workloads",
                          (unsigned long long)(v->done.trials - v->done.skipped));
        if (v->done.skipped)
            spa_string_append(&cli->out, "; declined %llu (%s)",
                              (unsigned long long)v->done.skipped, v->done.why);
        spa_string_append(&cli->out, "\n");
    }
    spa_string_append(&cli->out, "%zu of %zu passed\n", all->count - failed, all->count);
    return spa_string_ok(&cli->out, err);
}

spa_status spa_policies_check(spa_cli *cli, spa_options *options, spa_error *err)
{
    checking k = {.options = options,
                  .limits = {.seconds = CHECK_SECONDS, .memory_bytes = SPA_LIMIT_BYTES}};
    verdicts all = {0};
    spa_status status = SPA_OK;
    if (options->time_limit_s > 0) k.limits.seconds = options->time_limit_s;
    if (options->max_memory_bytes) k.limits.memory_bytes = options->max_memory_bytes;
    for (size_t i = 0; i < options->checks.count && !status; i++)
        status = check_file(&k, &all, options->checks.items[i], err);
    if (!status && all.count == 0)
        status = spa_fail(err, SPA_E_USAGE, "--policy names none of the checked plug-ins");
    if (!status) status = options->json ? print_json(cli, &all, err) : print(cli, &all, err);
    for (size_t i = 0; i < all.count && !status; i++)
        if (!all.items[i].passed) cli->exit_code = 1;
    free(all.items);
    return status;
}
