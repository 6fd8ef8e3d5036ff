/* Experiment files: what is shipped, what is refused. */
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include "experiments/experiment.h"
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

/* ---------------------------------------------------------------- what is shipped */
static size_t check_shipped(const char *path, const spa_paths *paths)
{
    size_t rows = 0;
    for (int quick = 0; quick < 2; quick++) {
        spa_experiment x;
        spa_error err;
        cr_assert_eq(spa_experiment_read(&x, path, &(spa_options){.quick = quick}, paths, &err),
                     SPA_OK, "%s", err.message);
        char name[100];
        snprintf(name, sizeof name, "experiments/%s.exp", x.name);
        cr_assert_str_eq(path, name); /* named after its file: no two have one name */
        size_t n = spa_experiment_rows(&x);
        cr_assert(quick ? n <= rows : n > 0, "%s: %zu rows", path, n);
        rows = n;
        spa_experiment_fini(&x);
    }
    return rows;
}

Test(experiment_file, every_shipped_experiment_can_be_read_and_is_smaller_when_quick)
{
    spa_paths paths;
    glob_t files;
    size_t quick_rows = 0;
    cr_assert_eq(spa_paths_find(&paths, NULL), SPA_OK);
    cr_assert_eq(glob("experiments/*.exp", 0, NULL, &files), 0);
    cr_assert_geq(files.gl_pathc, 17);
    for (size_t i = 0; i < files.gl_pathc; i++)
        quick_rows += check_shipped(files.gl_pathv[i], &paths);
    globfree(&files);
    cr_assert_leq(quick_rows, 1000); /* a minute's work */
}

/* ---------------------------------------------------------------- bad input */
static void refused(const char *text, const char *message)
{
    write_file(text);
    cli_expect_failure(1, message, "run %s --db %s --quiet", file, db);
    cr_assert_not(cli_exists(db), "%s", text);
}

Test(experiment_file, bad_files_are_errors_with_file_line_and_cure)
{
    static const char *const cases[][2] = {
        {"[factors]\n", "no section [experiment]"},
        {HEAD "[factors]\ndevices = crossover\npolicies = dp\n", "lacks 'models'"},
        {HEAD FACTORS "polices = dp\n", "did you mean 'policies'"},
        {HEAD FACTORS "[precison]\nmax = 3\n", "precision"},
        {HEAD "kind = factoral\n" FACTORS, "e.exp:3: kind: unknown kind of experiment 'factoral'; "
                                           "did you mean 'factorial'"},
        {"[experiment]\nname = compare\n" FACTORS, "e.exp:2: 'compare' is what the command"},
        {"[experiment]\nname = No Good\n" FACTORS, "e.exp:2: name 'No Good'"},
        {HEAD "[factors]\nmodels = resnet19\ndevices = crossover\npolicies = dp\n",
         "e.exp:4: models: unknown model 'resnet19'; did you mean 'resnet18'"},
        {HEAD "[factors]\nmodels = resnet18\ndevices = crosover\npolicies = dp\n",
         "e.exp:5: devices"},
        {HEAD "[factors]\nmodels = resnet18\ndevices = crossover\npolicies = hefty\n",
         "e.exp:6: policies"},
        {HEAD FACTORS "scenarios = singel\n", "e.exp:7: scenarios"},
        {HEAD FACTORS "ablations = none, contenton\n",
         "e.exp:7: ablations: unknown component 'contenton'; did you mean 'contention'"},
        {HEAD FACTORS "baselines = eagre\n",
         "e.exp:7: baselines: unknown baseline 'eagre'; did you mean 'eager'"},
        {HEAD FACTORS "baselines = tvm@lo\n",
         "e.exp:7: baselines: unknown end of a range 'lo'; did you mean 'low'"},
        {HEAD FACTORS "baselines = eager@low\n",
         "e.exp:7: baselines: baseline 'eager' has no range"},
        {HEAD FACTORS "baselines = tvm\nbaseline_range = low, hihg\n",
         "e.exp:8: baseline_range: unknown end of a range 'hihg'; did you mean 'high'"},
        {HEAD FACTORS "baselines = tvm\nbaseline_range = low, low\n",
         "e.exp:8: baseline_range: 'low' is named twice"},
        {HEAD "[factors]\nmodels = resnet18\ndevices = crossover\n", "lacks 'policies'"},
        {HEAD FACTORS "batchers = timeot\n",
         "e.exp:7: batchers: unknown batcher 'timeot'; did you mean 'timeout'"},
        {HEAD FACTORS "batches = 0\n", "e.exp:7: batches"},
        {HEAD FACTORS "noise = -1\n", "e.exp:7: noise"},
        {HEAD FACTORS "launch = 1, 1\n", "e.exp:7: launch: '1' is named twice"},
        {HEAD FACTORS "launch = 1, 1.0\n", "e.exp:7: launch: '1.0' is named twice, as '1' before"},
        {HEAD FACTORS "ablations = noise+overlap, overlap+noise\n", "is named twice, as"},
        {HEAD FACTORS "baselines = tvm, tvm@mid\n", "is named twice, as 'tvm' before"},
        {HEAD FACTORS "baselines = tvm, tvm@low\nbaseline_range = low, mid\n",
         "e.exp:8: baseline_range: 'tvm@low' is named twice"},
        {HEAD FACTORS "baselines = tvm, all\n", "e.exp:7: baselines: 'tvm' is named twice"},
        {HEAD FACTORS "launch = 1,,2\n", "e.exp:7: launch: an empty value"},
        {HEAD FACTORS "objectives = speed\n", "e.exp:7: objectives"},
        {HEAD FACTORS "[precision]\nreference = gpu-only\n", "e.exp:8: reference"},
        {HEAD FACTORS "[precision]\nmin = 20\nmax = 10\n", "less than min"},
        {HEAD FACTORS "[precision]\nhalf_width = 2\n", "e.exp:8: half_width"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) refused(cases[i][0], cases[i][1]);
}

Test(experiment_file, a_database_that_cannot_be_written_is_an_error)
{
    write_file(HEAD FACTORS);
    cli_expect_failure(1, "/nowhere/e.db", "run %s --db /nowhere/e.db --quiet", file);
    cli_expect_failure(2, "needs an experiment file", "run");
    cli_expect_failure(1, "none.exp", "run none.exp");
}

Test(experiment_file, reading_a_file_survives_failing_allocations)
{
    write_file(HEAD FACTORS "launch = 1, 2\n[precision]\nreference = heft\n");
    spa_paths paths;
    cr_assert_eq(spa_paths_find(&paths, NULL), SPA_OK);
    for (long n = 0;; n++) {
        spa_experiment x;
        spa_error err = {0};
        oom_fail_at(n);
        spa_status status = spa_experiment_read(&x, file, &(spa_options){0}, &paths, &err);
        bool failed = oom_failed();
        oom_off();
        /* What was asked for, spa_ini does without: it serves to suggest names. */
        if (!status) spa_experiment_fini(&x);
        if (status) cr_assert(failed && status == SPA_E_NOMEM, "%ld: %s", n, err.message);
        if (!failed) break;
    }
}
