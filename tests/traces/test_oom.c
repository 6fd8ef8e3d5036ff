#include "tests/base/check.h"
#include <stdio.h>
#include <stdlib.h>
#include "base/text.h"
#include "tests/oom.h"
#include "tests/random_graph.h"
#include "traces/trace.h"

/* Runs `work` with all allocations from the n-th on failing (libcsv asks again for less), n = 0,
 * 1, ... until none fails. Leaks show in the sanitizer builds. */
static long walk(spa_status (*work)(spa_error *))
{
    for (long n = 0;; n++) {
        spa_error e = {0};
        oom_fail_from(n);
        spa_status status = work(&e);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", e.message);
            return n;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld: %s", n, e.message);
        cr_assert_eq(e.status, SPA_E_NOMEM);
    }
}

static spa_status build_zoo(spa_error *err)
{
    spa_graph g;
    SPA_TRY(spa_zoo_build(&g, "mobilenet_v3_small", 1, SPA_FP32, "relu50", err));
    spa_graph_fini(&g);
    return SPA_OK;
}

Test(traces_oom, a_zoo_model_survives_every_failed_allocation)
{
    cr_assert_gt(walk(build_zoo), 10);
}

static spa_string chain_text;

static spa_status parse_chain(spa_error *err)
{
    spa_graph g;
    spa_status status =
        spa_graph_parse_csv(&g, "t.graph.csv", chain_text.text, chain_text.length, err);
    spa_graph_fini(&g);
    return status;
}

static spa_status put_chain(spa_error *err)
{
    spa_graph g;
    spa_string text = {0};
    SPA_TRY(tiny_chain(&g, err));
    spa_status status = spa_graph_put_csv(&g, &text, err);
    spa_graph_fini(&g);
    spa_string_fini(&text);
    return status;
}

Test(traces_oom, graph_files_survive_every_failed_allocation)
{
    spa_graph g;
    expect_ok(tiny_chain(&g, err));
    expect_ok(spa_graph_put_csv(&g, &chain_text, err));
    spa_graph_fini(&g);
    cr_assert_gt(walk(parse_chain), 5);
    cr_assert_gt(walk(put_chain), 5);
    spa_string_fini(&chain_text);
}

static char folder[64];
static spa_trace sample;

static spa_status read_trace(spa_error *err)
{
    spa_trace trace;
    spa_status status = spa_trace_read(&trace, folder, NULL, err);
    spa_trace_fini(&trace);
    return status;
}

static spa_status write_trace(spa_error *err)
{
    return spa_trace_write(&sample, folder, err);
}

Test(traces_oom, trace_folders_survive_every_failed_allocation)
{
    char command[128];
    spa_trace_model model = {.name = "tiny_chain"};
    spa_trace_cost cost = {.processor = "cpu0",
                           .backend = "blas",
                           .cores = 1,
                           .batch = 1,
                           .part = 1,
                           .corun = "",
                           .mean_us = 1,
                           .origin = SPA_ORIGIN_MEASURED};
    spa_trace_link link = {"cpu0", "cpu1", 8, 1, 2, 3, SPA_ORIGIN_MEASURED};
    expect_ok(tiny_chain(&model.graph, err));
    model.costs = &cost;
    model.n_costs = 1;
    sample = (spa_trace){.fingerprint = {.machine = "m", .stack = "s"},
                         .origin = SPA_ORIGIN_MEASURED,
                         .n_models = 1,
                         .n_links = 1,
                         .models = &model,
                         .links = &link};
    strcpy(folder, "/tmp/spa-oom-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_gt(walk(write_trace), 10);
    cr_assert_gt(walk(read_trace), 10);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
    spa_graph_fini(&model.graph);
}
