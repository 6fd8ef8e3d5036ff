/* `sparoa run`: rows, precision, comparisons, resuming. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tests/experiments/cli.h"
#include "tests/oom.h"

#define HEAD "[experiment]\nname = e\n"
#define FACTORS                                                                                    \
    "[factors]\nmodels = " TINY "\ndevices = tests/data/tiny.device\npolicies = cpu-only, heft\n"

static char file[200], db[200];

static void write_file(const char *text)
{
    snprintf(file, sizeof file, "%s/e.exp", cli_folder());
    snprintf(db, sizeof db, "%s/e.db", cli_folder());
    cli_write(file, text, strlen(text));
}

static double query(const char *sql)
{
    sqlite3 *d;
    sqlite3_stmt *s;
    cr_assert_eq(sqlite3_open(db, &d), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(d, sql, -1, &s, NULL), SQLITE_OK, "%s", sqlite3_errmsg(d));
    cr_assert_eq(sqlite3_step(s), SQLITE_ROW, "%s", sql);
    double x = sqlite3_column_type(s, 0) == SQLITE_NULL ? NAN : sqlite3_column_double(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(d);
    return x;
}

static void run(const char *options)
{
    cli_result r = cli("run %s --db %s %s", file, db, options);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
}

/* What must be equal in equal runs, as one number. */
static double contents(void)
{
    return query("SELECT sum((w.row + 1) * m.value * length(m.name)) FROM experiment_row w JOIN "
                 "metric m ON m.run_id = w.run_id WHERE m.repeatable") +
           query("SELECT coalesce(sum((w.row + 1) * (c.difference + c.p_t + c.p_wilcoxon_holm)), 0)"
                 " FROM experiment_row w JOIN comparison c ON c.run_id = w.run_id");
}

/* ---------------------------------------------------------------- rows */
Test(run, every_combination_of_the_factors_is_a_row_with_policies_fastest)
{
    /* 2 batches x 2 launch scales x 1 scenario x 2 policies = 8 rows. */
    write_file(HEAD FACTORS "stacks = default\nlaunch = 1, 2\nnoise = 0, 1\n"
                            "[precision]\nmax = 10\nreference = cpu-only\n");
    json_t *d = cli_json("run %s --db %s --json --quiet", file, db);
    json_t *x = json_array_get(json_object_get(d, "experiments"), 0);
    json_t *rows = json_object_get(x, "rows");
    cr_assert_eq(json_array_size(rows), 8);
    for (size_t i = 0; i < 8; i++) {
        json_t *factors = json_object_get(json_array_get(rows, i), "factors");
        cr_assert_str_eq(json_string_value(json_object_get(factors, "policies")),
                         i % 2 ? "heft" : "cpu-only");
        cr_assert_str_eq(json_string_value(json_object_get(factors, "noise")),
                         i / 2 % 2 ? "1" : "0");
        cr_assert_str_eq(json_string_value(json_object_get(factors, "launch")), i / 4 ? "2" : "1");
        json_t *comparison = json_object_get(json_array_get(rows, i), "comparison");
        cr_assert(i % 2 ? json_is_object(comparison) : json_is_null(comparison));
    }
    json_decref(d);
    cr_assert_eq(query("SELECT count(*) FROM run"), 8);
    cr_assert_eq(query("SELECT count(*) FROM comparison"), 4);
    cr_assert_eq(query("SELECT expected = 8 AND done = 8 AND finished FROM experiment_status"), 1);
    cr_assert_eq(query("SELECT count(DISTINCT scale_launch || '/' || scale_noise) FROM run"), 4);
}

Test(run, a_row_is_what_compare_gives_with_as_many_replications)
{
    write_file(HEAD FACTORS "[precision]\nhalf_width = 0\nmax = 12\nseed = 5\n");
    run("--quiet");
    json_t *d = cli_json("compare " TINY " " TINY_DEVICE
                         " --policy cpu-only,heft --reps 12 --seed 5 --json --quiet");
    json_t *result = json_array_get(
        json_object_get(json_array_get(json_object_get(d, "runs"), 0), "results"), 1);
    json_t *latency = json_object_get(result, "latency_ms");
    cr_assert_eq(query("SELECT value FROM run JOIN metric ON run_id = id WHERE policy = 'heft' AND "
                       "name = 'latency_mean_ms'"),
                 json_number_value(json_object_get(latency, "mean")));
    cr_assert_eq(query("SELECT value FROM run JOIN metric ON run_id = id WHERE policy = 'heft' AND "
                       "name = 'latency_ci95_ms'"),
                 json_number_value(json_object_get(latency, "ci95")));
    json_decref(d);
}

Test(run, replications_go_on_until_the_interval_is_narrow_enough)
{
    write_file(HEAD FACTORS "[precision]\nhalf_width = 0.005\nmin = 10\nmax = 400\n");
    run("--quiet");
    cr_assert_eq(query("SELECT count(*) FROM run WHERE reps BETWEEN 10 AND 399 AND reps % 10 = 0"),
                 2);
    cr_assert_eq(query("SELECT count(*) FROM run r JOIN metric w ON w.run_id = r.id AND w.name = "
                       "'latency_ci95_ms' JOIN metric m ON m.run_id = r.id AND m.name = "
                       "'latency_mean_ms' WHERE w.value <= 0.005 * m.value"),
                 2);
    /* ... and no further: with ten fewer it was not. Half-width over sqrt(n) in proportion. */
    cr_assert_gt(
        query("SELECT min(w.value / m.value * sqrt(1.0 * r.reps / (r.reps - 10))) FROM run "
              "r JOIN metric w ON w.run_id = r.id AND w.name = 'latency_ci95_ms' JOIN "
              "metric m ON m.run_id = r.id AND m.name = 'latency_mean_ms'"),
        0.004);
    cr_assert_eq(query("SELECT sum(value) FROM metric WHERE name = 'precise'"), 2);
    cr_assert_eq(query("SELECT count(*) FROM replication"), query("SELECT sum(reps) FROM run"));
}

Test(run, what_stays_less_precise_than_asked_for_is_marked)
{
    write_file(HEAD FACTORS "[precision]\nhalf_width = 0.0001\nmin = 5\nmax = 5\n");
    cli_result r = cli("run %s --db %s --quiet", file, db);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert(strstr(r.out, "2 less precise than asked for"), "%s", r.out);
    cli_free(&r);
    cr_assert_eq(query("SELECT sum(value) FROM metric WHERE name = 'precise'"), 0);
}

/* Ten equal replications are one: they would make a test certain that has seen one number. */
Test(run, noise_scaled_to_nothing_is_one_replication_and_no_test)
{
    write_file(HEAD FACTORS "noise = 0, 1\n[precision]\nmin = 5\nmax = 5\nreference = cpu-only\n");
    run("--quiet");
    cr_assert_eq(query("SELECT count(*) FROM replication JOIN run ON id = run_id WHERE scale_noise "
                       "= 0"),
                 2);
    cr_assert_eq(query("SELECT count(*) FROM replication JOIN run ON id = run_id WHERE scale_noise "
                       "= 1"),
                 10);
    cr_assert(
        isnan(query("SELECT p_t FROM comparison JOIN run ON id = run_id WHERE scale_noise = 0")));
    cr_assert_eq(query("SELECT p_t < 1 FROM comparison JOIN run ON id = run_id WHERE scale_noise = "
                       "1"),
                 1);
}

Test(run, differences_are_those_of_equal_replications)
{
    write_file(HEAD FACTORS "[precision]\nhalf_width = 0\nmax = 6\nreference = cpu-only\n");
    run("--quiet");
    cr_assert_float_eq(
        query("SELECT difference FROM comparison"),
        query("SELECT avg(a.latency_ms - b.latency_ms) FROM run ra JOIN replication a ON a.run_id "
              "= ra.id JOIN run rb JOIN replication b ON b.run_id = rb.id AND b.replication = "
              "a.replication WHERE ra.policy = 'heft' AND rb.policy = 'cpu-only'"),
        1e-12);
    cr_assert_eq(query("SELECT n FROM comparison"), 6);
    cr_assert_float_eq(query("SELECT mean - reference_mean - difference FROM comparison"), 0,
                       1e-12);
    /* One comparison: Holm changes nothing. */
    cr_assert_eq(query("SELECT p_t = p_t_holm AND p_wilcoxon = p_wilcoxon_holm FROM comparison"),
                 1);
}

Test(run, policies_that_are_not_trained_are_skipped_rows)
{
    write_file(HEAD "[factors]\nmodels = " TINY "\ndevices = tests/data/tiny.device\n"
                    "policies = gpu-only, dqn\n[precision]\nmax = 10\nreference = gpu-only\n");
    run("--quiet");
    cr_assert_eq(query("SELECT count(*) FROM run WHERE skipped LIKE 'not trained%'"), 1);
    cr_assert_eq(query("SELECT done FROM experiment_status"), 2);
    cr_assert_eq(query("SELECT count(*) FROM comparison"), 0);
}

/* The tiny device has no stack of PyTorch: what a baseline needs and is not there is skipped. */
Test(run, baselines_are_rows_behind_the_policies)
{
    write_file(HEAD FACTORS "baselines = cpu-only, eager, sparoa-greedy\n"
                            "[precision]\nmax = 10\nreference = cpu-only\n");
    run("--quiet");
    cr_assert_eq(query("SELECT done FROM experiment_status"), 5);
    cr_assert_eq(query("SELECT count(*) FROM run WHERE baseline = 'none'"), 2);
    cr_assert_eq(query("SELECT count(*) FROM run WHERE baseline = 'eager' AND policy = 'gpu-only' "
                       "AND skipped LIKE '%pytorch-eager%'"),
                 1);
    cr_assert_eq(query("SELECT count(*) FROM experiment_row w JOIN run r ON r.id = w.run_id WHERE "
                       "w.row = 4 AND r.baseline = 'sparoa-greedy' AND r.policy = 'greedy'"),
                 1);
    /* The baseline cpu-only is the policy cpu-only here: no difference. */
    cr_assert_eq(
        query("SELECT n = 10 AND difference = 0 AND p_t = 1 FROM comparison c JOIN run r ON r.id = "
              "c.run_id WHERE r.baseline = 'cpu-only'"),
        1);
}

/* "tensorrt" at three ends; a baseline without a range once, as it is. */
Test(run, baselines_with_a_range_get_a_row_for_each_end_asked_for)
{
    write_file(HEAD "[factors]\nmodels = mobilenet_v3_small\ndevices = agx-orin\n"
                    "policies = gpu-only\nbaselines = eager, tensorrt, tvm@high\n"
                    "baseline_range = low, mid, high\n[precision]\nmax = 10\n");
    run("--quiet");
    cr_assert_eq(query("SELECT done FROM experiment_status"), 6);
    cr_assert_eq(query("SELECT count(*) FROM run WHERE baseline = 'tensorrt'"), 3);
    cr_assert_eq(query("SELECT count(*) FROM run WHERE baseline_range = ''"), 2);
    cr_assert_eq(query("SELECT baseline_range = 'high' FROM run WHERE baseline = 'tvm'"), 1);
    cr_assert_eq(query("SELECT count(DISTINCT costs_hash) FROM run WHERE baseline = 'tensorrt'"),
                 3);
    cr_assert_eq(query("SELECT a.value < b.value FROM metric a, metric b, run x, run y WHERE "
                       "a.run_id = x.id AND b.run_id = y.id AND x.baseline = 'tensorrt' AND "
                       "y.baseline = 'tensorrt' AND x.baseline_range = 'low' AND "
                       "y.baseline_range = 'high' AND a.name = 'latency_mean_ms' AND "
                       "b.name = 'latency_mean_ms'"),
                 1);
}

Test(run, an_inspection_keeps_where_every_operator_ran)
{
    write_file(HEAD "kind = inspect\n[factors]\nmodels = " TINY
                    "\ndevices = tests/data/tiny.device\n"
                    "policies = gpu-only, cpu-only, codl\n[precision]\nmax = 10\n");
    run("--quiet");
    cr_assert_eq(query("SELECT count(*) FROM operator"), 3 * 7);
    cr_assert_eq(query("SELECT count(*) FROM operator JOIN run ON id = run_id WHERE policy = "
                       "'gpu-only' AND processor = 'gpu' AND accelerated = 1"),
                 7);
    cr_assert_eq(query("SELECT sum(accelerated) FROM operator JOIN run ON id = run_id WHERE policy "
                       "= 'cpu-only'"),
                 0);
    /* stem: 32 x 32 outputs x 32 channels x 3 x 3 x 8 = 2359296 MACs, below 1e8; rho 0. */
    cr_assert_eq(query("SELECT count(*) FROM operator WHERE name = 'stem' AND macs = 2359296 AND "
                       "quadrant = 'dense-light'"),
                 3);
    cr_assert_eq(query("SELECT count(*) FROM operator WHERE name = 'act' AND quadrant = "
                       "'sparse-light'"),
                 3);
    cr_assert_eq(query("SELECT count(*) FROM operator WHERE host_us IS NULL"), 0);
    cr_assert_float_eq(query("SELECT max(abs(accelerated - CASE WHEN second IS NULL THEN processor "
                             "= 'gpu' WHEN processor = 'gpu' THEN 1 - share / 10.0 ELSE share / "
                             "10.0 END)) FROM operator"),
                       0, 1e-12);
}

Test(run, a_curve_says_what_a_search_gave_for_how_many_evaluations)
{
    write_file(HEAD "kind = curve\n[factors]\nmodels = " TINY "\ndevices = tests/data/tiny.device\n"
                    "policies = greedy, local-search, ppo\n"
                    "[precision]\nmax = 10\nbudget = 10\nsteps = 2048\n");
    run("--quiet");
    cr_assert_eq(query("SELECT count(*) FROM learning_curve JOIN run ON id = run_id WHERE policy = "
                       "'greedy'"),
                 0);
    /* 1, 2, 5, 10 */
    cr_assert_eq(query("SELECT count(*) = 4 AND sum(step) = 18 FROM learning_curve JOIN run ON id "
                       "= run_id WHERE policy = 'local-search'"),
                 1);
    cr_assert_gt(query("SELECT count(*) FROM learning_curve JOIN run ON id = run_id WHERE policy = "
                       "'ppo'"),
                 0);
    cr_assert_eq(query("SELECT count(*) FROM run WHERE skipped IS NOT NULL"), 0);
    /* With all of its budget, without noise: the gap's latency. */
    cr_assert_float_eq(query("SELECT (SELECT value FROM metric WHERE run_id = r.id AND name = "
                             "'lower_bound_ms') * (1 + (SELECT value FROM metric WHERE run_id = "
                             "r.id AND name = 'gap')) - (SELECT value FROM learning_curve WHERE "
                             "run_id = r.id AND step = 10) FROM run r WHERE policy = "
                             "'local-search'"),
                       0, 1e-9);
    double before = contents();
    run("--quiet");
    cr_assert_eq(contents(), before);
}

Test(run, predictors_are_judged_on_all_models_of_a_device)
{
    write_file(HEAD "kind = predictor\n[factors]\nmodels = " TINY "\n"
                    "devices = tests/data/tiny.device\npredictors = linear, constant\n"
                    "[precision]\nepochs = 2\n");
    run("--quiet");
    cr_assert_eq(query("SELECT done = 2 AND finished FROM experiment_status"), 1);
    cr_assert_eq(query("SELECT policy = 'linear' FROM run JOIN experiment_row ON run_id = id WHERE "
                       "row = 0"),
                 1);
    /* 14 features, two thresholds, two biases: 14 * 2 + 2. */
    cr_assert_eq(query("SELECT value FROM metric JOIN run ON id = run_id WHERE policy = 'linear' "
                       "AND name = 'parameters'"),
                 30);
    cr_assert_eq(query("SELECT count(*) FROM metric WHERE name = 'accuracy_intensity'"), 2);
    cli_result r = cli("run %s --db %s", file, db);
    cr_assert(strstr(r.err, "2 rows, 2 of them were done already"), "%s", r.err);
    cli_free(&r);
    write_file(HEAD "kind = predictor\n[factors]\nmodels = " TINY "\n"
                    "devices = tests/data/tiny.device\npredictors = liner\n");
    cli_expect_failure(1, "e.exp:7: predictors: unknown", "run %s --db %s", file, db);
}

/* Nothing is measured by running it; what is not stored leaves it unfinished. */
Test(run, a_validation_takes_what_is_stored)
{
    write_file(HEAD "kind = validation\n[factors]\nmodels = resnet18, swin_t\n");
    cli_result r = cli("run %s --db %s --quiet", file, db);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert(strstr(r.out, "UNFINISHED: 0 of 2 rows"), "%s", r.out);
    cli_free(&r);
    cr_assert_eq(query("SELECT expected = 2 AND done = 0 AND NOT finished FROM experiment_status"),
                 1);
    sqlite3 *d;
    cr_assert_eq(sqlite3_open(db, &d), SQLITE_OK);
    cr_assert_eq(
        sqlite3_exec(
            d,
            "INSERT INTO experiment(id, name) VALUES(90, 'validate'); INSERT INTO run(id, "
            "experiment_id, hash, program_version, model, graph_hash, device, mode, stack, lanes, "
            "costs_hash, origin, policy, objective, scenario, concurrency, requests, batch, dtype, "
            "noise, policy_cost, seed, reps, budget) VALUES(91, 90, 'h', 'v', 'swin_t', 'g', 'd', "
            "'m', 's', 'l', 'c', 'measured', '(all)', 'latency', 'validation', 1, 1, 1, 'fp32', 1, "
            "0, 1, 3, 1); INSERT INTO metric VALUES(91, 'median_error', 0.03, 0)",
            NULL, NULL, NULL),
        SQLITE_OK, "%s", sqlite3_errmsg(d));
    sqlite3_close(d);
    r = cli("run %s --db %s --quiet", file, db);
    cr_assert(strstr(r.out, "0.0300") && strstr(r.out, "UNFINISHED: 1 of 2 rows"), "%s", r.out);
    cli_free(&r);
    cr_assert_eq(query("SELECT row = 1 AND run_id = 91 FROM experiment_row"), 1);
}

/* ---------------------------------------------------------------- repeating and resuming */
Test(run, repeating_changes_nothing_and_runs_nothing)
{
    write_file(HEAD FACTORS "noise = 0.5, 1\n[precision]\nmax = 20\nreference = cpu-only\n");
    run("--quiet");
    double before = contents();
    cli_result r = cli("run %s --db %s --jobs 2", file, db);
    cr_assert_eq(r.code, 0);
    cr_assert(strstr(r.err, "4 rows, 4 of them were done already"), "%s", r.err);
    cli_free(&r);
    cr_assert_eq(contents(), before);
    cr_assert_eq(query("SELECT count(*) FROM run"), 4);
}

Test(run, results_do_not_depend_on_the_number_of_threads)
{
    write_file(HEAD FACTORS "noise = 0.5, 1, 2\n[precision]\nmax = 20\nreference = cpu-only\n");
    run("--quiet");
    double one = contents();
    snprintf(db, sizeof db, "%s/other.db", cli_folder());
    run("--quiet --jobs 4");
    cr_assert_eq(contents(), one);
}

Test(run, rows_of_another_version_of_the_file_stay_but_do_not_count)
{
    write_file(HEAD FACTORS "[precision]\nmax = 10\n");
    run("--quiet");
    write_file(HEAD FACTORS "[precision]\nmax = 10\nseed = 2\n");
    run("--quiet");
    cr_assert_eq(query("SELECT count(*) FROM run"), 4);
    cr_assert_eq(query("SELECT count(*) FROM experiment_row"), 2);
    cr_assert_eq(query("SELECT count(*) FROM experiment_row w JOIN run r ON r.id = w.run_id WHERE "
                       "r.seed = 2"),
                 2);
}

Test(run, quick_takes_what_its_section_says)
{
    write_file(HEAD FACTORS
               "noise = 0.5, 1\n[precision]\nmax = 50\n[quick]\nnoise = 1\nmax = 10\n");
    run("--quiet --quick");
    cr_assert_eq(query("SELECT expected FROM experiment_status"), 2);
    cr_assert_eq(query("SELECT max_reps = 10 AND quick FROM experiment_status"), 1);
    run("--quiet");
    cr_assert_eq(query("SELECT expected = 4 AND NOT quick FROM experiment_status"), 1);
}

/* A policy trained anew under its old name is another policy. */
Test(run, another_content_of_a_trained_policys_file_is_another_run)
{
    char text[600], actor[200];
    snprintf(actor, sizeof actor, "%s/p.actor", cli_folder());
    snprintf(text, sizeof text,
             HEAD "[factors]\nmodels = " TINY "\ndevices = tests/data/tiny.device\n"
                  "policies = ppo:model=%s\n[precision]\nmax = 10\n",
             actor);
    write_file(text);
    for (int seed = 1; seed <= 2; seed++) {
        cli_result r =
            cli("train ppo:envs=2 " TINY " " TINY_DEVICE " --quiet --steps 64 --seed %d -o %s",
                seed, actor);
        cr_assert_eq(r.code, 0, "%s", r.err);
        cli_free(&r);
        run("--quiet");
        cr_assert_eq(query("SELECT count(*) FROM run"), seed);
        run("--quiet");
        cr_assert_eq(query("SELECT count(*) FROM run"), seed);
    }
}

/* Killed at random moments, then gone on with: the same as in one go, and nothing half. */
Test(run, killed_runs_go_on_to_the_same_results)
{
    write_file(HEAD FACTORS "noise = 0.25, 0.5, 1, 2\nlaunch = 0.5, 1, 2\n"
                            "[precision]\nhalf_width = 0\nmax = 3000\nreference = cpu-only\n");
    run("--quiet");
    double whole = contents();
    snprintf(db, sizeof db, "%s/killed.db", cli_folder());
    int killed = 0;
    for (int attempt = 0; attempt < 40; attempt++) {
        pid_t child = fork();
        if (child == 0) {
            cli_result r = cli("run %s --db %s --quiet", file, db);
            _exit(r.code);
        }
        nanosleep(&(struct timespec){.tv_nsec = 15000000 + 4000000L * attempt}, NULL);
        kill(child, SIGKILL);
        int state;
        cr_assert_eq(waitpid(child, &state, 0), child);
        if (WIFEXITED(state)) {
            cr_assert_eq(WEXITSTATUS(state), 0);
            break;
        }
        killed++;
        if (query("SELECT count(*) FROM sqlite_schema WHERE name = 'experiment_status'") == 0)
            continue;
        if (query("SELECT count(*) FROM experiment_status") == 0) continue;
        cr_assert_eq(query("SELECT done FROM experiment_status"),
                     query("SELECT count(*) FROM experiment_row"));
        cr_assert_eq(query("SELECT count(*) FROM run WHERE id NOT IN (SELECT run_id FROM metric)"),
                     0);
        cr_assert_eq(query("SELECT count(*) FROM run r WHERE reps != (SELECT count(*) FROM "
                           "replication WHERE run_id = r.id)"),
                     0);
    }
    cr_assert_geq(killed, 1);
    run("--quiet");
    cr_assert_eq(contents(), whole);
    cr_assert_eq(query("SELECT finished FROM experiment_status"), 1);
}

/* A half-finished experiment says so. */
Test(run, a_failing_row_leaves_those_before_it_and_an_unfinished_status)
{
    write_file(HEAD "[factors]\nmodels = " TINY "\ndevices = tests/data/tiny.device\n"
                    "rho = 1, 3\npolicies = heft\n[precision]\nmax = 10\n");
    /* 3 x the 0.5 of 'act' are 1.5: too many zeros. */
    cli_expect_failure(1, "rho 3 would make 1.5 of operator 'act' zeros; the most is 2",
                       "run %s --db %s --quiet", file, db);
    cr_assert_eq(query("SELECT done = 1 AND expected = 2 AND NOT finished FROM experiment_status"),
                 1);
}

Test(run, a_full_disk_is_an_error_and_loses_nothing)
{
    write_file(HEAD FACTORS "noise = 0.5, 1\n[precision]\nhalf_width = 0\nmax = 400\n");
    run("--quiet");
    double before = contents();
    write_file(HEAD FACTORS "noise = 0.5, 1, 2, 3\n[precision]\nhalf_width = 0\nmax = 2000\n");
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        /* No file may grow beyond 300 kB: like a full disk (EFBIG instead of ENOSPC). */
        struct rlimit limit = {300000, 300000};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        cli_result r = cli("run %s --db %s --quiet", file, db);
        _exit(r.code == 1 && strstr(r.err, "e.db") && r.out[0] == '\0' ? 0 : 1);
    }
    int state;
    cr_assert_eq(waitpid(child, &state, 0), child);
    cr_assert(WIFEXITED(state) && WEXITSTATUS(state) == 0);
    cr_assert_eq(query("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
                 1);
    cr_assert_eq(query("SELECT finished FROM experiment_status"), 0);
    run("--quiet");
    cr_assert_eq(query("SELECT done = 8 AND finished FROM experiment_status"), 1);
    write_file(HEAD FACTORS "noise = 0.5, 1\n[precision]\nhalf_width = 0\nmax = 400\n");
    run("--quiet");
    cr_assert_eq(contents(), before);
}

Test(run, a_missing_trace_is_an_error_that_says_which_line_wants_it)
{
    write_file(HEAD "[factors]\nmodels = " TINY "\ndevices = x86-2core\npolicies = heft\n");
    cli_expect_failure(1, "e.exp:5: " TINY " on x86-2core: ", "run %s --db %s --quiet", file, db);
    cr_assert_eq(query("SELECT done = 0 AND NOT finished FROM experiment_status"), 1);
}

/* Every 5th allocation of a whole run: a clean error, and what is stored is whole. */
Test(run, running_survives_failing_allocations)
{
    alarm(300);
    write_file(HEAD "kind = inspect\n[factors]\nmodels = " TINY "\n"
                    "devices = tests/data/tiny.device\npolicies = cpu-only, local-search\n"
                    "[precision]\nmax = 3\nmin = 2\nbudget = 3\nreference = cpu-only\n");
    for (long n = 0;; n += 5) {
        unlink(db);
        oom_fail_at(n);
        cli_result r = cli("run %s --db %s --quiet", file, db);
        bool failed = oom_failed();
        oom_off();
        cr_assert(r.code == 0 || (failed && r.code == 1), "%ld: %s", n, r.err);
        if (r.code) cr_assert(strstr(r.err, "memory"), "%ld: %s", n, r.err);
        cli_free(&r);
        if (!failed) break;
        if (!cli_exists(db)) continue;
        if (query("SELECT count(*) FROM sqlite_schema WHERE name = 'experiment_status'") == 0)
            continue;
        cr_assert_eq(query("SELECT coalesce(sum(done), 0) FROM experiment_status"),
                     query("SELECT count(*) FROM experiment_row"));
    }
}
