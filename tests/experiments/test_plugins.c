/* Policies from shared objects: loading, checks, use. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "experiments/conformance.h"
#include "experiments/plugins.h"
#include "tests/experiments/cli.h"
#include "tests/oom.h"

#define RUN TINY " " TINY_DEVICE " --noise off --policy-cost off "

/* The path of a test's plug-in, beside the running program. Two static buffers in turn. */
static const char *plugin(const char *kind)
{
    static char paths[2][1024];
    static int turn;
    char *path = paths[turn ^= 1];
    ssize_t n = readlink("/proc/self/exe", path, 1024 - 64);
    cr_assert_gt(n, 0);
    path[n] = '\0';
    sprintf(strrchr(path, '/') + 1, "plugin_%s.so", kind);
    cr_assert_eq(access(path, R_OK), 0, "%s is not built", path);
    return path;
}

static double latency(json_t *document, size_t policy)
{
    json_t *run = json_array_get(json_object_get(document, "runs"), 0);
    json_t *row = json_array_get(json_object_get(run, "results"), policy);
    return json_real_value(json_object_get(json_object_get(row, "latency_ms"), "mean"));
}

/* The good one places as gpu-only or cpu-only do, by its parameter: equal times, not only runs. */
Test(plugins, a_policy_of_a_plugin_runs_beside_the_built_in_ones_with_its_parameters)
{
    json_t *d = cli_json("compare " RUN "--plugin %s --policy cpu-only,gpu-only,good,good:last=1 "
                         "--json",
                         plugin("good"));
    cr_assert_gt(latency(d, 0), 0);
    cr_assert_float_neq(latency(d, 0), latency(d, 1), 1e-9);
    cr_assert_float_eq(latency(d, 2), latency(d, 0), 1e-12);
    cr_assert_float_eq(latency(d, 3), latency(d, 1), 1e-12);
    json_decref(d);
}

Test(plugins, all_means_the_policies_of_plugins_too)
{
    size_t count;
    spa_policies(&count);
    json_t *d = cli_json("compare " RUN "--plugin %s --policy all --json", plugin("good"));
    json_t *run = json_array_get(json_object_get(d, "runs"), 0);
    cr_assert_eq(json_array_size(json_object_get(run, "results")), count + 1);
    json_decref(d);
}

Test(plugins, simulate_takes_them)
{
    cli_result r = cli("simulate " RUN "--plugin %s --policy good", plugin("good"));
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert(strstr(r.out, "policy good"));
    cli_free(&r);
}

/* With the learned policies first, the rivals and the plug-ins' policies behind them. */
Test(plugins, a_policy_of_a_plugin_is_one_more_rival_of_a_learner)
{
    json_t *d = cli_json("train q-learning " TINY " " TINY_DEVICE " --steps 200 --reps 2 --json "
                         "-o %s/x.actor --plugin %s",
                         cli_folder(), plugin("good"));
    json_t *rows = json_object_get(d, "rivals");
    json_t *first = json_array_get(rows, 0);
    cr_assert_str_eq(json_string_value(json_object_get(first, "policy")), "gpu-only");
    json_t *last = json_array_get(rows, json_array_size(rows) - 1);
    cr_assert_str_eq(json_string_value(json_object_get(last, "policy")), "good");
    json_decref(d);
}

Test(plugins, policies_lists_them_with_their_parameters)
{
    cli_result r = cli("policies --plugin %s", plugin("good"));
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert(strstr(r.out, "good:last=0"), "%s", r.out);
    cli_free(&r);
    r = cli("policies");
    cr_assert(!strstr(r.out, "good:last=0"));
    cli_free(&r);
}

Test(plugins, unknown_names_suggest_those_of_plugins_too)
{
    cli_expect_failure(2, "did you mean 'good'?", "compare " RUN "--plugin %s --policy godo",
                       plugin("good"));
    cli_expect_failure(2, "good: unknown parameter 'lst'",
                       "compare " RUN "--plugin %s --policy good:lst=1", plugin("good"));
}

Test(plugins, what_does_not_fit_this_program_is_refused_with_the_cure)
{
    static const struct {
        const char *kind, *says;
    } bad[] = {
        {"abi", "made for plug-in ABI 2, this program has 1; compile it with this program's"},
        {"layout", "made for a spa_view of "},
        {"table", "set .abi = SPA_POLICY_ABI"},
        {"empty", "holds no policy and no batcher"},
        {"silent", "exports no spa_plugin_entry; write SPA_PLUGIN(&policy)"},
        {"clash", "there is a built-in policy 'heft' already; rename this one"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cli_expect_failure(1, bad[i].says, "compare " RUN "--plugin %s", plugin(bad[i].kind));
}

Test(plugins, two_plugins_with_one_name_are_refused)
{
    const char *path = plugin("good");
    cli_expect_failure(1, "policy 'good' is also in ", "compare " RUN "--plugin %s --plugin %s",
                       path, path);
}

Test(plugins, a_file_that_is_not_there_or_no_object_is_named)
{
    cli_expect_failure(1, "none.so: cannot be opened", "compare " RUN "--plugin none.so");
    cli_expect_failure(
        1, "tiny.device cannot be loaded: ", "compare " RUN "--plugin tests/data/tiny.device");
}

Test(plugins, an_illegal_action_fails_the_run_by_name)
{
    cli_expect_failure(1, "with policy illegal: ", "compare " RUN "--plugin %s --policy illegal",
                       plugin("illegal"));
}

Test(plugins, opening_fails_cleanly_when_any_allocation_fails)
{
    const char *path = plugin("good");
    spa_plugins *warm = NULL; /* the loader's own memory is there from now on */
    cr_assert_eq(spa_plugins_open(&warm, &path, 1, NULL), SPA_OK);
    for (long n = 0;; n++) {
        spa_plugins *p = NULL;
        spa_error err = {0};
        oom_fail_at(n);
        spa_status status = spa_plugins_open(&p, &path, 1, &err);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK);
            spa_plugins_close(p);
            break;
        }
        cr_assert_neq(status, SPA_OK);
        cr_assert_null(p);
    }
    spa_plugins_close(warm);
}

Test(plugins, every_built_in_policy_passes_the_check_of_plugins)
{
    size_t count;
    const spa_policy *const *all = spa_policies(&count);
    for (size_t i = 0; i < count; i++) {
        spa_error err = {0};
        cr_assert_eq(spa_policy_check(all[i], "built in", &err), SPA_OK, "%s", err.message);
    }
}

static void expect_fault(const spa_policy *p, const char *says)
{
    spa_error err = {0};
    cr_assert_eq(spa_policy_check(p, "F.so", &err), SPA_E_INVALID);
    cr_assert(strstr(err.message, says), "no '%s' in: %s", says, err.message);
}

Test(plugins, a_table_that_contradicts_itself_is_refused)
{
    size_t count;
    const spa_policy greedy = *spa_policies(&count)[4];
    spa_policy p = greedy;
    expect_fault(NULL, "is NULL");
    p.name = "a:b";
    expect_fault(&p, "'a:b' is no name for a policy");
    p = greedy, p.capabilities ^= SPA_CAP_PLACE;
    expect_fault(&p, "SPA_CAP_PLACE");
    p = greedy, p.objectives = 0;
    expect_fault(&p, "one objective or more");
    p = greedy, p.n_params = SPA_PARAM_MAX + 1;
    expect_fault(&p, "parameters; at most 16");
    p = greedy, p.destroy = NULL;
    expect_fault(&p, "create without a destroy");
    p = greedy, p.place = NULL, p.plan = NULL;
    expect_fault(&p, "neither plan nor place");
}

/* ---- in a process of its own ----------------------------------------------------------------- */

/* Runs `policies --check`; the line of the one policy. */
static void expect_verdict(const char *kind, int code, const char *says)
{
    cli_result r = cli("policies --check %s --time-limit 2 --max-memory 256M", plugin(kind));
    cr_assert_eq(r.code, code, "%s: code %d: %s", kind, r.code, r.err);
    cr_assert(strncmp(r.out, kind, strlen(kind)) == 0, "%s", r.out);
    cr_assert(strstr(r.out, says), "%s: no '%s' in: %s", kind, says, r.out);
    cli_free(&r);
}

/* 24 + 8 + 6 + 4 seeds of the four rules. */
Test(plugins_check, a_good_policy_passes_on_every_workload)
{
    expect_verdict("good", 0, "good: passed on 42 random workloads\n1 of 1 passed\n");
}

Test(plugins_check, a_crash_is_reported_by_the_policys_name)
{
    expect_verdict("crash", 1, "crash: FAILED: crashed: Segmentation fault");
}

Test(plugins_check, an_endless_loop_is_ended_and_reported)
{
    expect_verdict("hang", 1, "hang: FAILED: did not end within 2 s");
}

Test(plugins_check, exhausted_memory_is_reported)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("the sanitizer's own memory defeats the limit");
#endif
    expect_verdict("hog", 1, "hog: FAILED: exhausted the memory (limit 256 MiB)");
}

Test(plugins_check, ending_the_program_is_reported)
{
#ifdef __SANITIZE_ADDRESS__
    cr_skip_test("the sanitizer counts what the ended process leaves");
#endif
    expect_verdict("exit", 1, "exit: FAILED: ended the program with exit code 0");
}

Test(plugins_check, the_rule_that_is_broken_is_named)
{
    expect_verdict("illegal", 1, "rule 'ends, acts legally and repeats itself', random workload 0");
    expect_verdict("fickle", 1, "two runs with the same seed differ");
}

Test(plugins_check, a_policy_is_checked_with_the_parameters_given)
{
    json_t *d = cli_json("policies --check %s --policy good:last=1 --json", plugin("good"));
    json_t *row = json_array_get(json_object_get(d, "policies"), 0);
    cr_assert_str_eq(json_string_value(json_object_get(row, "name")), "good:last=1");
    cr_assert(json_is_true(json_object_get(row, "passed")));
    cr_assert(json_is_null(json_object_get(row, "reason")));
    json_decref(d);
    cli_expect_failure(2, "--policy names none of the checked plug-ins",
                       "policies --check %s --policy heft", plugin("good"));
    cli_expect_failure(2, "--policy goes with --check", "policies --policy heft");
}

Test(plugins_check, a_file_that_is_no_plugin_is_a_failure)
{
    cli_expect_failure(1, "exports no spa_plugin_entry", "policies --check %s", plugin("silent"));
}

static json_t *row_of(json_t *document, size_t i)
{
    json_t *run = json_array_get(json_object_get(document, "runs"), 0);
    return json_array_get(json_object_get(run, "results"), i);
}

Test(plugins_isolate, rows_are_the_same_as_without)
{
    const char *line = "compare " RUN "--policy heft,greedy,codl,random,exhaustive --json --reps 3";
    json_t *here = cli_json("%s", line), *apart = cli_json("%s --isolate", line);
    json_t *jobs = cli_json("%s --isolate --jobs 3", line);
    for (size_t i = 0; i < 5; i++) {
        json_object_del(row_of(here, i), "plan_host_ms");
        json_object_del(row_of(apart, i), "plan_host_ms");
        json_object_del(row_of(jobs, i), "plan_host_ms");
    }
    cr_assert(json_equal(here, apart));
    cr_assert(json_equal(here, jobs));
    json_decref(here);
    json_decref(apart);
    json_decref(jobs);
}

Test(plugins_isolate, what_crashes_or_hangs_is_skipped_with_the_reason_and_the_others_run)
{
    json_t *d = cli_json("compare " RUN "--isolate --time-limit 1 --plugin %s --plugin %s --json "
                         "--policy crash,hang,cpu-only",
                         plugin("crash"), plugin("hang"));
    cr_assert_str_eq(json_string_value(json_object_get(row_of(d, 0), "skipped")),
                     "crashed: Segmentation fault");
    cr_assert_str_eq(json_string_value(json_object_get(row_of(d, 1), "skipped")),
                     "did not end within 1 s");
    cr_assert_gt(latency(d, 2), 0);
    json_decref(d);
}

Test(plugins_isolate, a_policy_that_fails_fails_the_comparison_as_ever)
{
    cli_expect_failure(1, "with policy illegal: ",
                       "compare " RUN "--isolate --plugin %s --policy "
                       "cpu-only,illegal",
                       plugin("illegal"));
}

/* ---- in experiments ---------------------------------------------------------------------------
 */

Test(plugins_run, an_experiment_may_name_policies_of_plugins_and_runs_them_anew_when_they_changed)
{
    static const char text[] = "[experiment]\nname = plugged\ntitle = Plugged\n"
                               "[factors]\nmodels = tests/data/tiny.graph.csv\n"
                               "devices = tests/data/tiny.device\npolicies = cpu-only, good\n";
    char path[128], db[128], copy[128];
    size_t size;
    snprintf(path, sizeof path, "%s/plugged.exp", cli_folder());
    snprintf(db, sizeof db, "%s/plugged.db", cli_folder());
    snprintf(copy, sizeof copy, "%s/other.so", cli_folder());
    cli_write(path, text, sizeof text - 1);
    cli_expect_failure(1, "good", "run %s --db %s", path, db);
    cli_result r = cli("run %s --db %s --plugin %s", path, db, plugin("good"));
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert(strstr(r.err, "2 rows, 0 of them were done already"), "%s", r.err);
    cli_free(&r);
    r = cli("run %s --db %s --plugin %s --isolate", path, db, plugin("good"));
    cr_assert(strstr(r.err, "2 rows, 2 of them were done already"), "%s", r.err);
    cli_free(&r);
    char *bytes = cli_read(plugin("good"), &size); /* another file: one byte more */
    cli_write(copy, bytes, size + 1);
    free(bytes);
    r = cli("run %s --db %s --plugin %s --isolate", path, db, copy);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert(strstr(r.err, "2 rows, 1 of them were done already"), "%s", r.err);
    cli_free(&r);
}

/* ---- batchers ---------------------------------------------------------------------------------
 */

#define STREAM                                                                                     \
    "simulate mobilenet_v3_small --device crossover --policy gpu-only --rate 2000 --noise off "

/* Pairs at 2000 samples a second: close to every run is of two, which `fixed:size=2` is, too. */
Test(plugins_batchers, a_batcher_of_a_plugin_batches_as_an_equal_built_in_one)
{
    json_t *own = cli_json(STREAM "--plugin %s --batcher pairs --json", plugin("both"));
    json_t *built_in = cli_json(STREAM "--batcher fixed:size=2 --json");
    cr_assert_float_eq(latency(own, 0), latency(built_in, 0), 1e-12);
    json_decref(own);
    json_decref(built_in);
    cli_expect_failure(2, "did you mean 'pairs'?", STREAM "--plugin %s --batcher pair",
                       plugin("both"));
}

Test(plugins_batchers, are_listed)
{
    cli_result r = cli("batchers --plugin %s", plugin("both"));
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert(strstr(r.out, "\npairs "), "%s", r.out);
    cli_free(&r);
}

Test(plugins_batchers, are_checked_like_policies)
{
    cli_result r = cli("policies --check %s", plugin("both"));
    cr_assert_eq(r.code, 0, "%s%s", r.out, r.err);
    cr_assert(strstr(r.out, "both: passed on 42 random workloads\npairs: passed on 24 random "
                            "workloads\n2 of 2 passed\n"),
              "%s", r.out);
    cli_free(&r);
    r = cli("policies --check %s", plugin("overfull"));
    cr_assert_eq(r.code, 1);
    cr_assert(strstr(r.out, "pairs: FAILED: random stream 0: more than wait"), "%s", r.out);
    cli_free(&r);
    r = cli("policies --check %s", plugin("waiting"));
    cr_assert_eq(r.code, 1);
    cr_assert(strstr(r.out, "it waits for what is past"), "%s", r.out);
    cli_free(&r);
}

Test(plugins_batchers, every_built_in_one_keeps_the_rules)
{
    size_t count;
    const spa_batcher *const *all = spa_batchers(&count);
    for (size_t i = 0; i < count; i++) {
        spa_param_values values;
        spa_conformance done;
        spa_error err = {0};
        if (!all[i]->decide) continue; /* none: there is no queue */
        spa_params_defaults(all[i]->params, all[i]->n_params, &values);
        cr_assert_eq(spa_conformance_check_batcher(&done, all[i], &values, &err), SPA_OK, "%s: %s",
                     all[i]->name, err.message);
        cr_assert_gt(done.trials, done.skipped, "%s: %s", all[i]->name, done.why);
        cr_assert_eq(spa_batcher_table_check(all[i], "built in", &err), SPA_OK, "%s", err.message);
    }
}

Test(plugins_batchers, a_table_without_a_function_is_refused)
{
    size_t count;
    spa_batcher b = *spa_batchers(&count)[1];
    spa_error err = {0};
    b.target = NULL;
    cr_assert_eq(spa_batcher_table_check(&b, "F.so", &err), SPA_E_INVALID);
    cr_assert(strstr(err.message, "lacks one of its functions"), "%s", err.message);
    b.struct_size++;
    cr_assert_eq(spa_batcher_table_check(&b, "F.so", &err), SPA_E_INVALID);
    cr_assert(strstr(err.message, "SPA_BATCHER_ABI"), "%s", err.message);
}
