/* Profiling: that a trace is complete and can be written and read, not what it says. */
#define _GNU_SOURCE /* sched_getcpu */
#include <criterion/criterion.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/bench.h"
#include "kernels/profile.h"
#include "kernels/runner.h"
#include "kernels/worker.h"
#include "tests/base/check.h"
#include "tests/kernels/cores.h"
#include "tests/random_graph.h"

/* The chain as a file in a new folder; both names are put into `folder` and `path`. */
static void write_chain(char folder[64], char path[128])
{
    spa_graph graph;
    strcpy(folder, "/tmp/spa-profile-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, 128, "%s/tiny.graph.csv", folder);
    expect_ok(tiny_chain(&graph, err));
    expect_ok(spa_graph_write_csv(&graph, path, err));
    spa_graph_fini(&graph);
}

static void remove_folder(const char *folder)
{
    char command[256];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    cr_assert_eq(system(command), 0);
}

static void two_lanes(spa_lane_set *lanes)
{
    char text[64];
    int cores[2] = {-1, -1};
    for (int c = 0, n = 0; c < 1024 && n < 2; c++)
        if (spa_core_allowed(c)) cores[n++] = c;
    if (cores[1] < 0) cr_skip_test("needs two cores");
    snprintf(text, sizeof text, "cpu:%d=sparse,cpu:%d=blas", cores[0], cores[1]);
    expect_ok(spa_lanes_parse(lanes, text, err));
}

static spa_profile_options quick(void)
{
    spa_profile_options o = spa_profile_default();
    o.visits = 2;
    o.runs = 3;
    o.response_rounds = 1;
    return o;
}

static void check_cost(const spa_trace_cost *c)
{
    cr_assert_gt(c->samples, 0);
    cr_assert(c->mean_us >= 0 && c->p50_us >= 0 && c->p95_us >= c->p50_us && c->std_us >= 0);
    cr_assert(isnan(c->energy_uj), "energy is unknown here, never a number");
    cr_assert_eq(c->cores, 1);
    cr_assert_eq(c->origin, SPA_ORIGIN_MEASURED);
}

Test(kernels_profile, a_trace_has_every_operator_on_every_lane_alone_and_beside_the_other)
{
    char folder[64], path[128], out[128];
    spa_lane_set lanes;
    spa_trace trace, again;
    spa_profile_report report;
    spa_profile_options options = quick();
    two_lanes(&lanes);
    write_chain(folder, path);
    const char *models[1] = {path};
    expect_ok(spa_profile_run(models, 1, &lanes, &options, NULL, NULL, &trace, &report, err));
    cr_assert_eq(trace.n_models, 1);
    const spa_trace_model *m = &trace.models[0];
    /* 2 lanes alone, and the faster one at least beside the other (the slower one may not get that
     * far); parts of 2, 8 and 5 tenths. */
    size_t alone = 0, divided = 0;
    for (size_t i = 0; i < m->graph.n_ops; i++)
        divided += spa_op_kind_divides(m->graph.ops[i].kind);
    cr_assert(m->n_costs == 4 * m->graph.n_ops + 6 * divided ||
              m->n_costs == 3 * m->graph.n_ops + 6 * divided);
    for (size_t i = 0; i < m->n_costs; i++) {
        check_cost(&m->costs[i]);
        alone += m->costs[i].corun[0] == '\0';
        cr_assert_str_neq(m->costs[i].corun, m->costs[i].processor);
    }
    cr_assert_eq(alone, m->graph.n_ops * 2);
    cr_assert_geq(report.runs_kept, 4); /* at least something of each series */
    cr_assert(trace.run_cv >= 0);
    cr_assert_eq(trace.n_links, 4); /* from each lane to each, to itself too */
    for (size_t i = 0; i < trace.n_links; i++) cr_assert_gt(trace.links[i].latency_us, 0);
    /* Kernels read 5 tensors; 4 of them from either lane, the image from the host alone. */
    cr_assert_eq(m->n_copies, 2 * 4 + 1);
    cr_assert_eq(trace.n_responses % (2 * 8), 0); /* 8 levels of zeros on each lane */
    cr_assert_gt(trace.n_responses, 0);
    for (size_t i = 0; i < trace.n_responses; i++) cr_assert_gt(trace.responses[i].speedup, 0);
    cr_assert_eq(m->graph.ops[2].rho_origin, SPA_ORIGIN_ASSUMED);
    cr_assert(m->graph.ops[2].sparsity > 0 && m->graph.ops[2].sparsity < 1, "a ReLU's zeros");

    snprintf(out, sizeof out, "%s/trace", folder);
    expect_ok(spa_trace_write(&trace, out, err));
    expect_ok(spa_trace_read(&again, out, NULL, err));
    cr_assert_eq(again.models[0].n_costs, m->n_costs);
    cr_assert_eq(again.n_links, trace.n_links);
    spa_trace_fini(&again);
    spa_trace_fini(&trace);
    remove_folder(folder);
}

Test(kernels_profile, a_model_that_does_not_exist_leaves_no_trace)
{
    spa_lane_set lanes;
    spa_trace trace;
    spa_error err = {0};
    spa_profile_options options = quick();
    const char *models[1] = {"resnet19"};
    two_lanes(&lanes);
    cr_assert_eq(spa_profile_run(models, 1, &lanes, &options, NULL, NULL, &trace, NULL, &err),
                 SPA_E_NOT_FOUND);
    cr_assert_not_null(strstr(err.message, "resnet18"), "%s", err.message);
    cr_assert_eq(trace.n_models, 0);
}

Test(kernels_profile, options_out_of_bounds_are_refused)
{
    spa_lane_set lanes = {0};
    spa_trace trace;
    spa_error err = {0};
    const char *models[1] = {"resnet18"};
    spa_profile_options options = quick();
    cr_assert_eq(spa_profile_run(models, 1, &lanes, &options, NULL, NULL, &trace, NULL, &err),
                 SPA_E_INVALID);
    two_lanes(&lanes);
    options.runs = 0;
    cr_assert_eq(spa_profile_run(models, 1, &lanes, &options, NULL, NULL, &trace, NULL, &err),
                 SPA_E_RANGE);
    options = quick();
    options.burst_factor = 1;
    cr_assert_eq(spa_profile_run(models, 1, &lanes, &options, NULL, NULL, &trace, NULL, &err),
                 SPA_E_RANGE);
}

Test(kernels_profile, a_lane_of_several_cores_is_measured_as_one_processor)
{
    char folder[64], path[128], text[64], name[32];
    spa_lane_set lanes;
    spa_trace trace;
    spa_profile_options options = quick();
    int core = neighbouring_cores();
    if (core < 0) cr_skip_test("needs two neighbouring cores");
    snprintf(text, sizeof text, "cpu:%d-%d=blas", core, core + 1);
    snprintf(name, sizeof name, "cpu%d-%d", core, core + 1);
    expect_ok(spa_lanes_parse(&lanes, text, err));
    write_chain(folder, path);
    const char *models[1] = {path};
    expect_ok(spa_profile_run(models, 1, &lanes, &options, NULL, NULL, &trace, NULL, err));
    cr_assert_eq(trace.models[0].n_costs, trace.models[0].graph.n_ops);
    for (size_t i = 0; i < trace.models[0].n_costs; i++) {
        cr_assert_eq(trace.models[0].costs[i].cores, 2);
        cr_assert_str_eq(trace.models[0].costs[i].processor, name);
        cr_assert_gt(trace.models[0].costs[i].samples, 0);
    }
    spa_trace_fini(&trace);
    remove_folder(folder);
}

Test(kernels_profile, bursts_are_left_out_of_the_times)
{
    spa_run_times times;
    double us[4];
    expect_ok(spa_run_times_init(&times, 1, 4, err));
    const int64_t totals[4] = {100000, 110000, 160000, 90000}; /* median 105000, limit 157500 */
    for (size_t i = 0; i < 4; i++) {
        spa_run_times_row(&times, i)[0] = totals[i] / 2;
        spa_run_times_row(&times, i)[1] = totals[i];
    }
    times.count = 4;
    expect_ok(spa_run_times_judge(&times, 1.5, err));
    cr_assert_eq(times.n_kept, 3);
    cr_assert_eq(spa_run_times_column(&times, 0, us), 3);
    cr_assert_float_eq(us[2], 45, 1e-12); /* of the fourth run */
    spa_run_times_fini(&times);
}

static void note_core(void *context)
{
    *(int *)context = sched_getcpu();
}

Test(kernels_profile, a_worker_runs_its_jobs_on_the_core_it_was_given)
{
    spa_worker *worker;
    for (int core = 0; core < 1024; core++) {
        if (!spa_core_allowed(core)) continue;
        int ran_on = -1;
        expect_ok(spa_worker_new(&worker, core, err));
        spa_worker_start(worker, note_core, &ran_on);
        spa_worker_wait(worker);
        spa_worker_free(worker);
        cr_assert_eq(ran_on, core);
    }
    cr_assert_eq(spa_worker_new(&worker, 4000, NULL), SPA_E_UNSUPPORTED);
    cr_assert_null(worker);
    spa_worker_free(NULL);
}

Test(kernels_profile, benches_report_what_they_ran)
{
    char folder[64], path[128];
    spa_lane_set lanes;
    spa_bench_time time;
    double per_second, gflops;
    two_lanes(&lanes);
    write_chain(folder, path);
    expect_ok(spa_bench_latency(path, &lanes.lanes[0], 5, &time, err));
    cr_assert(time.runs >= 1 && time.runs <= 5 && time.p50_ms > 0);
    expect_ok(spa_bench_throughput(path, &lanes, 0.02, &per_second, err));
    cr_assert_gt(per_second, 0);
    expect_ok(spa_bench_sgemm(lanes.lanes[0].first_core, 32, 32, 32, 2, &gflops, err));
    cr_assert_gt(gflops, 0);
    remove_folder(folder);
}

Test(kernels_profile, a_bench_of_backends_runs_all_of_them_and_their_peer)
{
    char folder[64], path[128];
    spa_lane_set lanes;
    spa_bench_sum sums[SPA_BENCH_SUMS];
    size_t n, wanted = 2; /* blas, sparse */
    two_lanes(&lanes);
    write_chain(folder, path);
    expect_ok(spa_bench_backends(path, lanes.lanes[0].first_core, 3, sums, &n, err));
    if (spa_backend_onednn.probe(NULL) == SPA_OK) wanted += 2; /* onednn and its primitives */
    cr_assert_eq(n, wanted);
    cr_assert_str_eq(sums[0].backend, "blas");
    for (size_t i = 0; i < n; i++) {
        cr_assert_gt(sums[i].total_ms, 0);
        cr_assert(sums[i].conv_fc_ms > 0 && sums[i].conv_fc_ms < sums[i].total_ms);
        cr_assert_geq(sums[i].whole_p50_ms, sums[i].total_ms);
    }
    if (n == 4) cr_assert_str_eq(sums[3].backend, "onednn-primitives");
    remove_folder(folder);
}
