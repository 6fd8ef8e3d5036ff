/* Tensors in two layouts: mixed placements, what sessions hold, several lanes in one operator.
 * Skipped with a reason where oneDNN is missing. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/onednn.h"
#include "tests/base/check.h"
#include "tests/kernels/agree.h"
#include "tests/kernels/images.h"
#include "tests/oom.h"
#include "tests/random_graph.h"

/* ---- placements ---------------------------------------------------------------------------------
 */

typedef struct placed {
    spa_model model;
    spa_session session;
    void *workspace;
    const spa_backend *backends[SPA_MODEL_BACKENDS];
    size_t n;
} placed;

static void place(placed *p, const spa_graph *g, spa_buffers buffers)
{
    size_t most = 0;
    expect_ok(spa_model_init(&p->model, g, 7, err));
    p->n = runnable_backends(p->backends);
    for (size_t b = 0; b < p->n; b++) {
        expect_ok(spa_model_prepare(&p->model, p->backends[b], err));
        size_t bytes = spa_model_workspace_bytes(&p->model, p->backends[b]);
        if (bytes > most) most = bytes;
    }
    expect_ok(spa_alloc_aligned(&p->workspace, most, err));
    expect_ok(spa_session_init(&p->session, &p->model, buffers, err));
    spa_session_fill_inputs(&p->session, 3, 0);
}

static void displace(placed *p)
{
    free(p->workspace);
    spa_session_fini(&p->session);
    spa_model_fini(&p->model);
}

/* Results by `ref` (or blas), then by random backends per operator, in one and the same session. */
static void expect_same_answer_everywhere(const spa_graph *g, const spa_backend *by, int rounds)
{
    placed p = {0};
    spa_rng rng;
    float *wanted[64] = {NULL};
    place(&p, g, SPA_BUFFERS_PLANNED);
    spa_rng_init(&rng, 5, "placement");
    for (int round = 0; round <= rounds; round++) {
        for (size_t i = 0; i < g->n_ops; i++) {
            const spa_backend *backend =
                round == 0 ? by : p.backends[spa_rng_below(&rng, (uint32_t)p.n)];
            expect_ok(spa_session_run_op(&p.session, backend, i, p.workspace, err));
        }
        size_t results = 0;
        for (size_t i = 0; i < g->n_ops && results < 64; i++) {
            if (g->first_consumer[i] != g->first_consumer[i + 1]) continue;
            size_t n = (size_t)spa_shape_elements(&g->ops[i].out);
            const float *value = spa_session_output(&p.session, i);
            if (round == 0) {
                wanted[results] = malloc(n * sizeof(float));
                memcpy(wanted[results], value, n * sizeof(float));
            } else {
                double error = sqrt(spa_nmse(value, wanted[results], n));
                cr_assert(error <= 1e-5, "%s of %s, round %d: %g", g->ops[i].name, g->name, round,
                          error);
            }
            results++;
        }
        cr_assert_gt(results, 0);
    }
    for (size_t i = 0; i < 64; i++) free(wanted[i]);
    displace(&p);
}

/* Branches, joins, reshapes; channels that fill blocks and channels that do not. */
static void random_images(spa_graph *g, uint64_t seed)
{
    static const int32_t channels[] = {8, 16, 24, 13, 32, 5};
    spa_rng rng;
    spa_rng_init(&rng, seed, "images");
    images_start(g, 1 + (int32_t)spa_rng_below(&rng, 2), 3, 10, 9);
    int32_t x = images_add_conv(g, CONV(3, 1, 1, 1, true), SPA_GRAPH_INPUT(0), 16), side = x;
    for (int i = 0; i < 14; i++) {
        int32_t pair[2] = {x, side};
        spa_shape *shape = &g->ops[x].out;
        switch (spa_rng_below(&rng, 8)) {
        case 0:
        case 1:
            side = x;
            x = images_add_conv(g, CONV(3, 1, 1, 1, i % 2 == 0), x,
                                channels[spa_rng_below(&rng, 6)]);
            break;
        case 2:
            x = images_add_conv(g, CONV(3, 1, 1, shape->dim[1], true), x, shape->dim[1]);
            break;
        case 3:
            x = images_add_one(g, SPA_OP_BATCH_NORM, (spa_op_attrs){0}, x);
            break;
        case 4:
            x = images_add_one(g, SPA_OP_RELU, (spa_op_attrs){0}, x);
            break;
        case 5:
            if (spa_shape_equal(shape, &g->ops[side].out))
                x = images_add(g, SPA_OP_ADD, (spa_op_attrs){0}, pair, 2, NULL);
            else
                x = images_add(g, SPA_OP_CONCAT, (spa_op_attrs){.axis = 1}, pair, 2, NULL);
            break;
        case 6:
            x = images_add_one(g, SPA_OP_MAX_POOL,
                               (spa_op_attrs){.kernel_h = 3,
                                              .kernel_w = 3,
                                              .stride_h = 1,
                                              .stride_w = 1,
                                              .pad_top = 1,
                                              .pad_left = 1,
                                              .pad_bottom = 1,
                                              .pad_right = 1},
                               x);
            break;
        default: {
            spa_shape flat = {2, {shape->dim[0], shape->dim[1] * shape->dim[2] * shape->dim[3]}};
            images_add(g, SPA_OP_RESHAPE, (spa_op_attrs){0}, &x, 1, &flat);
        }
        }
    }
    images_add_one(g, SPA_OP_GLOBAL_AVG_POOL, (spa_op_attrs){0}, x);
    images_finish(g);
}

Test(kernels_layouts, mixed_placements_give_the_same_answer_on_random_images)
{
    need_onednn();
    size_t blocked = 0, tensors = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        spa_graph g;
        random_images(&g, seed);
        for (size_t i = 0; i < g.n_ops; i++) blocked += images_are_blocked(&g, (int32_t)i);
        tensors += g.n_ops;
        expect_agreement(&g);
        expect_same_answer_everywhere(&g, &spa_backend_ref, 4);
        spa_graph_fini(&g);
    }
    cr_assert_gt(blocked, tensors / 5, "%zu of %zu tensors are blocked", blocked, tensors);
}

Test(kernels_layouts, mixed_placements_give_the_same_answer_on_random_graphs)
{
    need_onednn();
    for (uint64_t seed = 1; seed <= 20; seed++) {
        spa_graph g;
        expect_ok(random_graph(&g, seed, 40, err));
        expect_same_answer_everywhere(&g, &spa_backend_ref, 3);
        spa_graph_fini(&g);
    }
}

/* Without the naive loops: they take seconds. */
Test(kernels_layouts, mixed_placements_give_the_same_answer_on_mobilenet_v2)
{
    need_onednn();
    spa_graph g;
    placed p = {0};
    spa_rng rng;
    float wanted[1000];
    expect_ok(spa_zoo_build(&g, "mobilenet_v2", 1, SPA_FP32, "relu50", err));
    place(&p, &g, SPA_BUFFERS_PLANNED);
    spa_rng_init(&rng, 6, "placement");
    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < g.n_ops; i++) {
            const spa_backend *backend =
                round == 0 ? &spa_backend_blas
                           : p.backends[1 + spa_rng_below(&rng, (uint32_t)p.n - 1)];
            expect_ok(spa_session_run_op(&p.session, backend, i, p.workspace, err));
        }
        const float *y = spa_session_output(&p.session, g.n_ops - 1);
        if (round == 0)
            memcpy(wanted, y, sizeof wanted);
        else
            cr_assert_leq(sqrt(spa_nmse(y, wanted, 1000)), 1e-5);
    }
    displace(&p);
    spa_graph_fini(&g);
}

/* ---- sessions -----------------------------------------------------------------------------------
 */

Test(kernels_layouts, a_session_says_which_layouts_a_tensor_is_in)
{
    need_onednn();
    spa_graph g;
    placed p = {0};
    const spa_backend *one = &spa_backend_onednn, *other = &spa_backend_blas;
    images_small_net(&g);
    place(&p, &g, SPA_BUFFERS_OWN);
    spa_session *s = &p.session;
    for (int round = 0; round < 2; round++) { /* the second inference starts anew */
        expect_ok(spa_session_run_op(s, one, 0, p.workspace, err));
        cr_assert(spa_session_holds(s, one, 0));
        cr_assert(!spa_session_holds(s, other, 0));
        expect_ok(spa_session_convert(s, one, 0, err));
        cr_assert(!spa_session_holds(s, other, 0));
        expect_ok(spa_session_convert(s, other, 0, err));
        cr_assert(spa_session_holds(s, other, 0));
        cr_assert(spa_session_holds(s, one, 0));
    }
    expect_ok(spa_session_run_op(s, other, 1, p.workspace, err));
    cr_assert(spa_session_holds(s, other, 1));
    cr_assert(!spa_session_holds(s, one, 1));
    expect_ok(spa_session_run_op(s, one, 2, p.workspace, err));
    cr_assert(spa_session_holds(s, one, 1), "its reader converted it");
    cr_assert(spa_session_holds(s, one, 2) && spa_session_holds(s, other, 2), "a plain result");
    displace(&p);
    spa_graph_fini(&g);
}

Test(kernels_layouts, zeros_are_counted_in_blocked_tensors_too)
{
    need_onednn();
    spa_graph g;
    placed p = {0};
    images_small_net(&g);
    place(&p, &g, SPA_BUFFERS_OWN);
    for (size_t i = 0; i < 2; i++)
        expect_ok(spa_session_run_op(&p.session, &spa_backend_blas, i, p.workspace, err));
    double wanted = spa_session_output_zeros(&p.session, 1);
    memset(p.session.outputs[1], 0xff, 16 * 64 * sizeof(float));
    for (size_t i = 0; i < 2; i++)
        expect_ok(spa_session_run_op(&p.session, &spa_backend_onednn, i, p.workspace, err));
    cr_assert_gt(wanted, 0.2);
    cr_assert_float_eq(spa_session_output_zeros(&p.session, 1), wanted, 0.01);
    displace(&p);
    spa_graph_fini(&g);
}

Test(kernels_layouts, plain_models_pay_nothing_and_late_preparation_is_refused)
{
    need_onednn();
    spa_graph g;
    spa_model model;
    spa_session plain, both;
    spa_error err = {0};
    images_small_net(&g);
    cr_assert_eq(spa_model_init(&model, &g, 1, NULL), SPA_OK);
    cr_assert_eq(spa_model_prepare(&model, &spa_backend_blas, NULL), SPA_OK);
    cr_assert_eq(spa_session_init(&plain, &model, SPA_BUFFERS_OWN, NULL), SPA_OK);
    cr_assert_null(plain.blocked);
    cr_assert_null(plain.holds);
    cr_assert_eq(plain.memory_bytes, (3 + 3 * 16) * 64 * sizeof(float));
    cr_assert_eq(spa_model_prepare(&model, &spa_backend_onednn, &err), SPA_OK, "%s", err.message);
    cr_assert_eq(spa_session_run_op(&plain, &spa_backend_onednn, 0, NULL, &err), SPA_E_INVALID);
    cr_assert_not_null(strstr(err.message, "prepare first"), "%s", err.message);
    cr_assert_eq(spa_session_init(&both, &model, SPA_BUFFERS_OWN, NULL), SPA_OK);
    cr_assert_eq(both.memory_bytes, (3 + 5 * 16) * 64 * sizeof(float)); /* two of three blocked */
    spa_session_fini(&plain);
    spa_session_fini(&both);
    spa_model_fini(&model);
    spa_graph_fini(&g);
}

static spa_status build(const spa_graph *g, spa_error *err)
{
    spa_model model;
    spa_session session = {0};
    SPA_TRY(spa_model_init(&model, g, 1, err));
    spa_status status = spa_model_prepare(&model, &spa_backend_onednn, err);
    if (status == SPA_OK) status = spa_session_init(&session, &model, SPA_BUFFERS_PLANNED, err);
    spa_session_fini(&session);
    spa_model_fini(&model);
    return status;
}

Test(kernels_layouts, a_failing_allocation_is_a_clean_error)
{
    need_onednn();
    spa_graph g;
    images_small_net(&g);
    cr_assert_eq(build(&g, NULL), SPA_OK);
    for (long n = 0;; n++) {
        oom_fail_at(n);
        spa_status status = build(&g, NULL);
        bool failed = oom_failed();
        oom_off();
        if (!failed) break;
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld", n);
    }
    spa_graph_fini(&g);
}

/* ---- lanes --------------------------------------------------------------------------------------
 */

typedef struct runner {
    const spa_model *model;
    spa_session session;
    void *workspace;
    spa_status status;
    float wanted[16 * 64];
    size_t wrong; /* inferences */
} runner;

static void run_once(runner *r)
{
    for (size_t op = 0; op < r->model->graph->n_ops && r->status == SPA_OK; op++)
        r->status = spa_session_run_op(&r->session, &spa_backend_onednn, op, r->workspace, NULL);
}

static void *run_often(void *context)
{
    runner *r = context;
    for (int i = 0; i < 3000 && r->status == SPA_OK; i++) {
        run_once(r);
        r->wrong += memcmp(r->wanted, r->session.outputs[2], sizeof r->wanted) != 0;
    }
    return NULL;
}

static size_t count_threads(void)
{
    size_t n = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL) return 0;
    while (readdir(tasks) != NULL) n++;
    closedir(tasks);
    return n;
}

/* Six threads, more than a primitive has sets of memory objects, in the same few operators. */
Test(kernels_layouts, many_lanes_run_the_same_operators_at_once_without_further_threads)
{
    enum { LANES = 6 };
    need_onednn();
    static runner runners[LANES];
    spa_graph g;
    spa_model model;
    pthread_t threads[LANES];
    size_t before = count_threads();
    images_small_net(&g);
    expect_ok(spa_model_init(&model, &g, 1, err));
    expect_ok(spa_model_prepare(&model, &spa_backend_onednn, err));
    for (size_t i = 0; i < LANES; i++) {
        runners[i].model = &model;
        expect_ok(spa_session_init(&runners[i].session, &model, SPA_BUFFERS_PLANNED, err));
        expect_ok(spa_alloc_aligned(&runners[i].workspace,
                                    spa_model_workspace_bytes(&model, &spa_backend_onednn), err));
        spa_session_fill_inputs(&runners[i].session, 10 + i, 0); /* each its own image */
        run_once(&runners[i]);
        memcpy(runners[i].wanted, runners[i].session.outputs[2], sizeof runners[i].wanted);
    }
    cr_assert_neq(memcmp(runners[0].wanted, runners[1].wanted, sizeof runners[0].wanted), 0);
    cr_assert_eq(count_threads(), before);
    for (size_t i = 0; i < LANES; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, run_often, &runners[i]), 0);
    cr_assert_leq(count_threads(), before + LANES);
    for (size_t i = 0; i < LANES; i++) {
        pthread_join(threads[i], NULL);
        cr_expect_eq(runners[i].status, SPA_OK);
        cr_expect_eq(runners[i].wrong, 0, "%zu inferences of lane %zu", runners[i].wrong, i);
        spa_session_fini(&runners[i].session);
        free(runners[i].workspace);
    }
    spa_model_fini(&model);
    spa_graph_fini(&g);
}
