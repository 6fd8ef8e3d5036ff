/* Experiment files. */
#include "experiments/experiment.h"
#include "tests/fuzz/fuzz.h"

/* The ends and the middle of the rows: their options can be made, their references are rows. */
static void check_rows(const spa_experiment *x)
{
    size_t n = spa_experiment_rows(x), rows[] = {0, n / 2, n - 1};
    FUZZ_CHECK(n >= 1 && n % spa_experiment_cases(x) == 0, "%zu rows", n);
    for (int i = 0; i < 3; i++) {
        spa_options o;
        spa_error err = {0};
        size_t reference = spa_experiment_reference_row(x, rows[i]);
        FUZZ_CHECK(reference == SIZE_MAX || (reference < n && reference != rows[i]), "reference");
        FUZZ_CHECK(spa_experiment_case_of(x, rows[i]) < spa_experiment_cases(x), "case");
        if (x->kind == SPA_EXPERIMENT_VALIDATION) continue; /* nothing is run */
        spa_status status = spa_experiment_options(x, rows[i], &o, &err);
        FUZZ_CHECK(status == SPA_OK, "%s", err.message);
        spa_options_fini(&o);
    }
}

FUZZ_TARGET(fuzz_experiment)
{
    static spa_paths paths;
    spa_experiment x;
    spa_error err = {0};
    if (!paths.root[0] && spa_paths_find(&paths, &err)) return 0;
    for (int quick = 0; quick < 2; quick++) {
        spa_options given = {.quick = quick};
        spa_status status =
            spa_experiment_parse(&x, "fuzz.exp", (const char *)data, size, &given, &paths, &err);
        if (status) {
            fuzz_error(status, &err);
            FUZZ_CHECK(!x.path, "a result beside an error");
            continue;
        }
        check_rows(&x);
        spa_experiment_fini(&x);
    }
    return 0;
}
