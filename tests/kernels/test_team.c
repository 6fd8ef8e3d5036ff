/* Lanes of several cores: helpers, and operators run in parts by them. */
#define _GNU_SOURCE /* sched_getcpu */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/team.h"
#include "tests/base/check.h"
#include "tests/kernels/cores.h"
#include "tests/oom.h"
#include "tests/random_graph.h"

enum { MEMBERS = 2 };

static spa_pool *two_cores(int *core)
{
    spa_pool *pool;
    *core = neighbouring_cores();
    if (*core < 0) cr_skip_test("needs two neighbouring cores");
    expect_ok(spa_pool_new(&pool, *core, MEMBERS, err));
    return pool;
}

typedef struct tally {
    int runs[MEMBERS], core[MEMBERS];
} tally;

static void count(void *context, size_t member)
{
    tally *t = context;
    t->runs[member]++;
    t->core[member] = sched_getcpu();
}

static void sleep_ms(long ms)
{
    struct timespec left = {.tv_nsec = ms * 1000000};
    while (nanosleep(&left, &left) != 0) {
    }
}

Test(kernels_team, each_member_does_its_piece_once_on_its_core)
{
    int core;
    spa_pool *pool = two_cores(&core);
    tally t = {0};
    cr_assert_eq(spa_pool_size(pool), MEMBERS);
    for (int i = 1; i <= 1000; i++) {
        spa_pool_run(pool, count, &t, MEMBERS);
        cr_assert(t.runs[0] == i && t.runs[1] == i);
        cr_assert_eq(t.core[1], core + 1);
    }
    spa_pool_run(pool, count, &t, 1); /* the leader alone */
    cr_assert(t.runs[0] == 1001 && t.runs[1] == 1000);
    spa_pool_free(pool);
}

Test(kernels_team, helpers_that_went_to_sleep_wake_up)
{
    int core;
    spa_pool *pool = two_cores(&core);
    tally t = {0};
    for (int i = 1; i <= 20; i++) {
        sleep_ms(3); /* longer than they spin */
        spa_pool_run(pool, count, &t, MEMBERS);
        cr_assert_eq(t.runs[1], i);
    }
    sleep_ms(3);
    spa_pool_free(pool);
}

static void dawdle(void *context, size_t member)
{
    if (member == 1) sleep_ms(5);
    ((int *)context)[member]++;
}

Test(kernels_team, the_leader_waits_for_slow_helpers)
{
    int core, runs[MEMBERS] = {0};
    spa_pool *pool = two_cores(&core);
    for (int i = 1; i <= 5; i++) {
        spa_pool_run(pool, dawdle, runs, MEMBERS);
        cr_assert_eq(runs[1], i);
    }
    spa_pool_free(pool);
}

Test(kernels_team, a_pool_of_one_core_needs_no_helper)
{
    spa_pool *pool;
    tally t = {0};
    expect_ok(spa_pool_new(&pool, 0, 1, err));
    spa_pool_run(pool, count, &t, 1);
    cr_assert_eq(t.runs[0], 1);
    spa_pool_free(pool);
    spa_pool_free(NULL);
}

Test(kernels_team, cores_that_are_not_there_are_refused)
{
    spa_pool *pool;
    spa_error err = {0};
    cr_assert_eq(spa_pool_new(&pool, 4000, 2, &err), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(err.message, "core 4001"), "%s", err.message);
    cr_assert_null(pool);
    cr_assert_eq(spa_pool_new(&pool, 0, 65, &err), SPA_E_RANGE);
    cr_assert_eq(spa_pool_new(&pool, 0, 0, &err), SPA_E_RANGE);
}

/* Runs every operator whole and by the team, on the same inputs. Returns how many were cut. */
static size_t compare(spa_team *team, spa_session *session, const spa_backend *backend)
{
    const spa_graph *graph = session->model->graph;
    void *workspace;
    size_t n_cut = 0;
    expect_ok(
        spa_alloc_aligned(&workspace, spa_model_workspace_bytes(session->model, backend), err));
    for (size_t i = 0; i < graph->n_ops; i++) {
        size_t n = (size_t)spa_shape_elements(&graph->ops[i].out);
        float *whole = malloc(n * sizeof *whole);
        expect_ok(spa_session_run_op(session, backend, i, workspace, err));
        memcpy(whole, spa_session_output(session, i), n * sizeof *whole);
        if (graph->ops[i].kind != SPA_OP_RESHAPE) /* which is its input */
            memset(session->outputs[i], 0xff, n * sizeof *whole);
        expect_ok(spa_team_run_op(team, session, i, err));
        double nmse = spa_nmse(spa_session_output(session, i), whole, n);
        cr_assert(nmse <= 1e-12, "%s by %s: NMSE %g", graph->ops[i].name, backend->name, nmse);
        n_cut += spa_team_parts(team, i) > 1;
        free(whole);
    }
    free(workspace);
    return n_cut;
}

Test(kernels_team, a_team_computes_what_one_core_does)
{
    int core;
    spa_pool *pool = two_cores(&core);
    size_t n_backends, n_cut = 0;
    const spa_backend *const *backends = spa_backends(&n_backends);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        spa_graph graph;
        spa_model model;
        spa_session session;
        expect_ok(random_graph(&graph, seed, 25, err));
        expect_ok(spa_model_init(&model, &graph, seed, err));
        spa_error why;
        for (size_t b = 0; b < n_backends; b++)
            if (backends[b]->probe(&why) == SPA_OK)
                expect_ok(spa_model_prepare(&model, backends[b], err));
        expect_ok(spa_session_init(&session, &model, SPA_BUFFERS_OWN, err));
        spa_session_fill_inputs(&session, seed, 0.3);
        for (size_t b = 0; b < n_backends; b++) {
            spa_team *team;
            if (backends[b]->probe(&why) != SPA_OK) {
                cr_log_warn("%s is not compared: %s", backends[b]->name, why.message);
                continue;
            }
            expect_ok(spa_team_new(&team, &model, backends[b], pool, 0, err));
            n_cut += compare(team, &session, backends[b]);
            spa_team_free(team);
        }
        spa_session_fini(&session);
        spa_model_fini(&model);
        spa_graph_fini(&graph);
    }
    cr_assert_gt(n_cut, 6 * 3 * 15); /* most of 25 */
    spa_pool_free(pool);
}

Test(kernels_team, small_operators_run_whole)
{
    int core;
    spa_pool *pool = two_cores(&core);
    spa_graph graph;
    spa_model model;
    spa_team *team;
    expect_ok(tiny_chain(&graph, err));
    expect_ok(spa_model_init(&model, &graph, 1, err));
    /* The convolution: 6912 MACs and 4 * (192 + 108 + 256) bytes, 0.17 + 0.04 us. */
    cr_assert_float_eq(spa_team_work_us(&graph.ops[0]), 0.1728 + 0.037067, 1e-5);
    expect_ok(spa_team_new(&team, &model, &spa_backend_blas, pool, SPA_TEAM_WORK_US, err));
    for (size_t i = 0; i < graph.n_ops; i++) cr_assert_eq(spa_team_parts(team, i), 1);
    spa_team_free(team);
    expect_ok(spa_team_new(&team, &model, &spa_backend_blas, pool, 0.2, err));
    cr_assert_eq(spa_team_parts(team, 0), 2);
    cr_assert_eq(spa_team_parts(team, 2), 1);
    spa_team_free(team);
    spa_model_fini(&model);
    spa_graph_fini(&graph);
    spa_pool_free(pool);
}

Test(kernels_team, running_an_operator_allocates_nothing)
{
    int core;
    spa_pool *pool = two_cores(&core);
    spa_graph graph;
    spa_model model;
    spa_session session;
    spa_team *team;
    expect_ok(tiny_branch(&graph, err));
    expect_ok(spa_model_init(&model, &graph, 1, err));
    expect_ok(spa_session_init(&session, &model, SPA_BUFFERS_PLANNED, err));
    spa_session_fill_inputs(&session, 1, 0);
    expect_ok(spa_team_new(&team, &model, &spa_backend_blas, pool, 0, err));
    oom_fail_at(-1);
    for (size_t i = 0; i < graph.n_ops; i++) expect_ok(spa_team_run_op(team, &session, i, err));
    cr_assert_eq(oom_count(), 0);
    oom_off();
    spa_team_free(team);
    spa_session_fini(&session);
    spa_model_fini(&model);
    spa_graph_fini(&graph);
    spa_pool_free(pool);
}

/* Fails where the channels of a part are not the first ones: on the helper. */
static spa_status fail_later_channels(const spa_kernel_args *args, spa_error *err)
{
    const float *const *whole = args->state;
    if (args->params[0] == whole[0]) return spa_backend_ref.run(args, err);
    return spa_fail(err, SPA_E_UNSUPPORTED, "no kernel for later channels");
}

static const float *first_weight;

static spa_status remember(const spa_graph *graph, const spa_op *op, const float *const *params,
                           void **state, spa_error *err)
{
    if (first_weight == NULL) first_weight = params[0];
    *state = &first_weight;
    return SPA_OK;
}

static void forget(void *state) {}

Test(kernels_team, what_fails_on_a_helper_fails_the_operator)
{
    int core;
    spa_pool *pool = two_cores(&core);
    spa_graph graph;
    spa_model model;
    spa_session session;
    spa_team *team;
    spa_error fault = {0};
    spa_backend failing = spa_backend_ref;
    failing.name = "failing";
    failing.prepare = remember;
    failing.release = forget;
    failing.run = fail_later_channels;
    expect_ok(tiny_chain(&graph, err));
    expect_ok(spa_model_init(&model, &graph, 1, err));
    expect_ok(spa_session_init(&session, &model, SPA_BUFFERS_PLANNED, err));
    expect_ok(spa_team_new(&team, &model, &failing, pool, 0, err));
    cr_assert_eq(spa_team_parts(team, 0), 2);
    cr_assert_eq(spa_team_run_op(team, &session, 0, &fault), SPA_E_UNSUPPORTED);
    cr_assert_str_eq(fault.message, "no kernel for later channels");
    spa_team_free(team);
    spa_session_fini(&session);
    spa_model_fini(&model);
    spa_graph_fini(&graph);
    spa_pool_free(pool);
}

Test(kernels_team, every_allocation_may_fail)
{
    int core;
    spa_pool *pool = two_cores(&core);
    spa_graph graph;
    spa_model model;
    expect_ok(tiny_branch(&graph, err));
    expect_ok(spa_model_init(&model, &graph, 1, err));
    for (long n = 0;; n++) {
        spa_team *team;
        oom_fail_at(n);
        spa_status status = spa_team_new(&team, &model, &spa_backend_sparse, pool, 0, NULL);
        bool failed = oom_failed();
        oom_off();
        if (!failed) {
            cr_assert_eq(status, SPA_OK);
            cr_assert_gt(n, 20);
            spa_team_free(team);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM);
        cr_assert_null(team);
    }
    spa_model_fini(&model);
    spa_graph_fini(&graph);
    spa_pool_free(pool);
}
