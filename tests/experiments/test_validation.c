/* Validation of one model, in process: that failures are clean errors. No test looks at a time. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "experiments/validation.h"
#include "kernels/profile.h"
#include "kernels/worker.h"
#include "tests/base/check.h"
#include "tests/experiments/cli.h"
#include "tests/oom.h"
#include "tests/random_graph.h"

static void profile_branch(const char *on, spa_lane_set *lanes, spa_trace *trace)
{
    char path[200];
    const char *models[1] = {path};
    spa_graph graph;
    spa_profile_options options = spa_profile_default();
    if (!spa_core_allowed(0) || !spa_core_allowed(1)) cr_skip_test("needs cores 0 and 1");
    snprintf(path, sizeof path, "%s/branch.graph.csv", cli_folder());
    expect_ok(tiny_branch(&graph, err));
    expect_ok(spa_graph_write_csv(&graph, path, err));
    spa_graph_fini(&graph);
    expect_ok(spa_lanes_parse(lanes, on, err));
    options.visits = options.runs = 1;
    options.response = false;
    expect_ok(spa_profile_run(models, 1, lanes, &options, NULL, NULL, trace, NULL, err));
}

/* Nothing of a validation that succeeded is missing. */
static void expect_whole(const spa_validation *v, long n)
{
    for (size_t i = 0; i < v->n_rows; i++) {
        const spa_validated *r = &v->rows[i];
        cr_assert(!r->is_skipped && isfinite(r->error) && isfinite(r->raw_error),
                  "allocation %ld: row %zu: %s, errors %g and %g", n, i,
                  r->is_skipped ? r->skipped : "measured", r->error, r->raw_error);
        cr_assert(r->samples > 0 && r->placement.n_ops > 0, "allocation %ld: row %zu", n, i);
        /* Anchors behind the first lane's: what policies choose depends on the times measured. */
        cr_assert(r->switches > 0 || (i != 1 && i != 2), "allocation %ld: row %zu", n, i);
    }
    cr_assert(isfinite(v->raw.median) && isfinite(v->rescaled.median), "allocation %ld", n);
}

static void walk(uint32_t concurrency, const spa_profile_options *profile, long step)
{
    static const char *names[] = {"codl", "greedy"};
    const spa_names policies = {.items = names, .count = 2};
    const spa_validation_options options = {.schedules = 1,
                                            .rounds = 1,
                                            .runs = 1,
                                            .concurrency = concurrency,
                                            .seed = 1,
                                            .budget = 10,
                                            .policies = &policies,
                                            .profile = profile};
    spa_lane_set lanes;
    spa_trace trace;
    profile_branch("cpu:0=blas,cpu:1=sparse", &lanes, &trace);
    bool failed = true;
    for (long n = 0; failed; n += step) {
        spa_validation v;
        spa_error err = {0};
        oom_fail_at(n);
        spa_status status =
            spa_validation_run(&v, &trace, trace.models[0].name, &lanes, &options, &err);
        failed = oom_failed();
        oom_off();
        if (status == SPA_OK) /* some remember what is only good for messages */
            expect_whole(&v, n);
        else
            cr_assert(failed && status == SPA_E_NOMEM, "allocation %ld: %s", n, err.message);
        spa_validation_fini(&v);
    }
    spa_trace_fini(&trace);
}

Test(validation, every_failing_allocation_is_a_clean_error)
{
    alarm(300);
    walk(1, NULL, 1);
}

Test(validation, every_failing_allocation_is_a_clean_error_with_two_in_flight)
{
    alarm(300);
    walk(2, NULL, 1);
}

Test(validation, every_fourth_failing_allocation_is_a_clean_error_while_profiling)
{
    spa_profile_options profile = spa_profile_default();
    profile.response = false;
    profile.visits = profile.runs = 1;
    alarm(300);
    walk(1, &profile, 4);
}

/* Operators so long that splitting pays, on lanes that run whole ones: the policy that splits is
 * left out, the other one is measured. */
Test(validation, a_policy_that_lanes_cannot_follow_is_skipped)
{
    static const char *names[] = {"codl", "heft"};
    const spa_names policies = {.items = names, .count = 2};
    const spa_validation_options options = {
        .rounds = 1, .runs = 1, .concurrency = 1, .seed = 1, .budget = 1, .policies = &policies};
    spa_lane_set lanes;
    spa_trace trace;
    spa_validation v;
    alarm(300);
    profile_branch("cpu:0=blas,emulated:1", &lanes, &trace);
    for (size_t i = 0; i < trace.models[0].n_costs; i++) {
        spa_trace_cost *c = &trace.models[0].costs[i];
        c->mean_us = c->p50_us = c->p95_us = c->typical_us = 1e5;
    }
    expect_ok(spa_validation_run(&v, &trace, trace.models[0].name, &lanes, &options, err));
    cr_assert_eq(v.n_rows, 3 + 2);
    cr_assert(v.rows[3].is_skipped);
    cr_assert_not_null(strstr(v.rows[3].skipped, "run whole operators only"), "%s",
                       v.rows[3].skipped);
    cr_assert(!v.rows[4].is_skipped && v.rows[4].measured_ms > 0);
    spa_validation_fini(&v);
    spa_trace_fini(&trace);
}

/* As the clock had it the two stand as simulated; at the usual pace the other way round. */
Test(validation, raw_ranks_are_of_raw_times)
{
    spa_validated rows[2] = {
        {.kind = "random", .simulated_ms = 1, .raw_ms = 1, .measured_ms = 2, .scale = 1},
        {.kind = "random", .simulated_ms = 2, .raw_ms = 2, .measured_ms = 1, .scale = 1},
    };
    spa_error_summary s;
    expect_ok(spa_validation_summarise(rows, 2, true, &s, err));
    cr_assert_float_eq(s.tau, 1, 1e-12);
    expect_ok(spa_validation_summarise(rows, 2, false, &s, err));
    cr_assert_float_eq(s.tau, -1, 1e-12);
    rows[1].scale = 0.25; /* simulated at 0.5 */
    expect_ok(spa_validation_summarise(rows, 2, false, &s, err));
    cr_assert_float_eq(s.tau, 1, 1e-12);
    cr_assert_eq(s.pairs, 1);
}
