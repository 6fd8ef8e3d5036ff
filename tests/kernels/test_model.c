/* Whole models: weights, buffers, and the same answer from every backend. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/model.h"
#include "tests/kernels/agree.h"
#include "tests/oom.h"
#include "tests/random_graph.h"

/* A prepared session on one backend. */
typedef struct setup {
    const spa_backend *backend;
    spa_session session;
    void *workspace;
} setup;

static void begin(setup *s, spa_model *model, const spa_backend *backend, spa_buffers buffers)
{
    spa_error err = {0};
    s->backend = backend;
    cr_assert_eq(spa_model_prepare(model, backend, &err), SPA_OK, "%s", err.message);
    cr_assert_eq(spa_session_init(&s->session, model, buffers, &err), SPA_OK, "%s", err.message);
    cr_assert_eq(spa_alloc_aligned(&s->workspace, spa_model_workspace_bytes(model, backend), &err),
                 SPA_OK);
    spa_session_fill_inputs(&s->session, 3, 0);
}

static void end(setup *s)
{
    spa_session_fini(&s->session);
    free(s->workspace);
}

static void run_op(setup *s, size_t op)
{
    spa_error err = {0};
    cr_assert_eq(spa_session_run_op(&s->session, s->backend, op, s->workspace, &err), SPA_OK, "%s",
                 err.message);
}

static void run_all(setup *s)
{
    for (size_t i = 0; i < s->session.model->graph->n_ops; i++) run_op(s, i);
}

static void load(spa_graph *graph, spa_model *model, const char *name)
{
    spa_error err = {0};
    cr_assert_eq(spa_zoo_build(graph, name, 1, SPA_FP32, "relu50", &err), SPA_OK, "%s",
                 err.message);
    cr_assert_eq(spa_model_init(model, graph, 7, &err), SPA_OK, "%s", err.message);
}

static size_t elements(const spa_graph *graph, size_t op)
{
    return (size_t)spa_shape_elements(&graph->ops[op].out);
}

/* One inference per backend, each on its own activations all the way: rounding adds up. */
static void expect_equal_answers(const char *name)
{
    spa_graph graph;
    spa_model model;
    setup ref, other;
    const spa_backend *others[SPA_MODEL_BACKENDS];
    size_t n = runnable_backends(others);
    load(&graph, &model, name);
    begin(&ref, &model, &spa_backend_ref, SPA_BUFFERS_OWN);
    run_all(&ref);
    for (size_t b = 1; b < n; b++) {
        begin(&other, &model, others[b], SPA_BUFFERS_OWN);
        memset(other.session.outputs[0], 0xff, elements(&graph, 0) * sizeof(float));
        run_all(&other);
        for (size_t i = 0; i < graph.n_ops; i++) {
            double nmse = spa_nmse(spa_session_output(&other.session, i), ref.session.outputs[i],
                                   elements(&graph, i));
            cr_assert(nmse <= AGREE_NMSE, "%s: %s by %s: NMSE %g", name, graph.ops[i].name,
                      others[b]->name, nmse);
        }
        end(&other);
    }
    end(&ref);
    spa_model_fini(&model);
    spa_graph_fini(&graph);
}

Test(kernels_model, resnet18_gives_the_same_answer_from_every_backend)
{
    expect_equal_answers("resnet18");
}

Test(kernels_model, mobilenet_v3_small_gives_the_same_answer_from_every_backend)
{
    expect_equal_answers("mobilenet_v3_small");
}

Test(kernels_model, seeded_weights_make_about_half_of_what_a_relu_puts_out_zero)
{
    spa_graph graph;
    spa_model model;
    setup s;
    double sum = 0;
    size_t n = 0;
    load(&graph, &model, "mobilenet_v2");
    begin(&s, &model, &spa_backend_blas, SPA_BUFFERS_OWN);
    run_all(&s);
    for (size_t i = 0; i < graph.n_ops; i++) {
        const float *y = s.session.outputs[i];
        for (size_t k = 0; k < elements(&graph, i); k++)
            cr_assert(fabsf(y[k]) < 1e4f, "%s: %g", graph.ops[i].name, (double)y[k]);
        if (graph.ops[i].kind != SPA_OP_RELU6) continue;
        double zeros = spa_session_output_zeros(&s.session, i);
        cr_assert(zeros > 0.3 && zeros < 0.7, "%s: %g", graph.ops[i].name, zeros);
        sum += zeros;
        n++;
    }
    cr_assert_float_eq(sum / (double)n, 0.5, 0.03);
    end(&s);
    spa_model_fini(&model);
    spa_graph_fini(&graph);
}

Test(kernels_model, equal_seeds_give_equal_weights_and_others_do_not)
{
    spa_graph graph;
    spa_model a, b, c;
    cr_assert_eq(tiny_chain(&graph, NULL), SPA_OK);
    cr_assert_eq(spa_model_init(&a, &graph, 7, NULL), SPA_OK);
    cr_assert_eq(spa_model_init(&b, &graph, 7, NULL), SPA_OK);
    cr_assert_eq(spa_model_init(&c, &graph, 8, NULL), SPA_OK);
    cr_assert_eq(memcmp(a.weights, b.weights, a.weight_bytes), 0);
    cr_assert_neq(memcmp(a.weights, c.weights, a.weight_bytes), 0);
    spa_model_fini(&a);
    spa_model_fini(&b);
    spa_model_fini(&c);
    spa_graph_fini(&graph);
}

/* A random topological order: repeatedly one of the operators whose inputs are there. */
static void run_in_random_order(setup *s, uint64_t seed)
{
    const spa_graph *g = s->session.model->graph;
    bool *done = calloc(g->n_ops, sizeof *done);
    size_t *ready = calloc(g->n_ops, sizeof *ready);
    spa_rng rng;
    spa_rng_init(&rng, seed, "order");
    for (size_t left = g->n_ops; left > 0; left--) {
        size_t n = 0;
        for (size_t i = 0; i < g->n_ops; i++) {
            bool is_ready = !done[i];
            for (uint32_t e = 0; e < g->ops[i].n_inputs && is_ready; e++) {
                int32_t from = g->inputs[g->ops[i].first_input + e];
                is_ready = from < 0 || done[from];
            }
            if (is_ready) ready[n++] = i;
        }
        size_t op = ready[spa_rng_below(&rng, (uint32_t)n)];
        run_op(s, op);
        done[op] = true;
    }
    free(done);
    free(ready);
}

/* Outputs that nobody consumes must be what they are without sharing, bit for bit. */
static void expect_equal_results(const setup *planned, const setup *own)
{
    const spa_graph *g = own->session.model->graph;
    for (size_t i = 0; i < g->n_ops; i++)
        if (g->first_consumer[i] == g->first_consumer[i + 1])
            cr_assert_eq(memcmp(spa_session_output(&planned->session, i),
                                spa_session_output(&own->session, i),
                                elements(g, i) * sizeof(float)),
                         0, "%s", g->ops[i].name);
}

static void expect_safe_sharing(const spa_backend *backend)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        spa_graph graph;
        spa_model model;
        setup planned, own;
        spa_error err = {0};
        cr_assert_eq(random_graph(&graph, seed, 40, &err), SPA_OK, "%s", err.message);
        cr_assert_eq(spa_model_init(&model, &graph, seed, &err), SPA_OK, "%s", err.message);
        begin(&own, &model, backend, SPA_BUFFERS_OWN);
        begin(&planned, &model, backend, SPA_BUFFERS_PLANNED);
        run_all(&own);
        for (uint64_t order = 0; order < 5; order++) {
            memset(planned.session.memory, 0xff, planned.session.memory_bytes);
            spa_session_fill_inputs(&planned.session, 3, 0);
            run_in_random_order(&planned, order);
            expect_equal_results(&planned, &own);
        }
        end(&own);
        end(&planned);
        spa_model_fini(&model);
        spa_graph_fini(&graph);
    }
}

Test(kernels_model, shared_buffers_are_safe_in_every_legal_order)
{
    const spa_backend *backends[SPA_MODEL_BACKENDS];
    size_t n = runnable_backends(backends);
    for (size_t b = 1; b < n; b++) expect_safe_sharing(backends[b]);
}

Test(kernels_model, sharing_buffers_saves_most_of_the_memory)
{
    spa_graph graph;
    spa_model model;
    setup planned, own;
    load(&graph, &model, "mobilenet_v3_small");
    begin(&own, &model, &spa_backend_blas, SPA_BUFFERS_OWN);
    begin(&planned, &model, &spa_backend_blas, SPA_BUFFERS_PLANNED);
    run_all(&own);
    run_all(&planned);
    expect_equal_results(&planned, &own);
    cr_assert_lt(planned.session.memory_bytes, own.session.memory_bytes / 3);
    end(&own);
    end(&planned);
    spa_model_fini(&model);
    spa_graph_fini(&graph);
}

Test(kernels_model, an_unprepared_backend_is_refused)
{
    spa_graph graph;
    spa_model model;
    spa_session session;
    spa_error err = {0};
    cr_assert_eq(tiny_chain(&graph, NULL), SPA_OK);
    cr_assert_eq(spa_model_init(&model, &graph, 1, NULL), SPA_OK);
    cr_assert_eq(spa_session_init(&session, &model, SPA_BUFFERS_OWN, NULL), SPA_OK);
    cr_assert_eq(spa_session_run_op(&session, &spa_backend_blas, 0, NULL, &err), SPA_E_INVALID);
    cr_assert_not_null(strstr(err.message, "'blas'"), "%s", err.message);
    spa_session_fini(&session);
    spa_model_fini(&model);
    spa_graph_fini(&graph);
}

Test(kernels_model, half_precision_graphs_are_refused)
{
    spa_graph graph;
    spa_model model;
    spa_error err = {0};
    cr_assert_eq(spa_zoo_build(&graph, "resnet18", 1, SPA_FP16, "relu50", &err), SPA_OK);
    cr_assert_eq(spa_model_init(&model, &graph, 1, &err), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(err.message, "fp16"), "%s", err.message);
    spa_graph_fini(&graph);
}

Test(kernels_model, nmse_is_the_squared_error_over_the_squared_reference)
{
    const float x[3] = {1, 2, 5}, y[3] = {1, 2, 3}, zero[3] = {0, 0, 0};
    const float bad[3] = {1, NAN, 3};
    cr_assert_float_eq(spa_nmse(x, y, 3), 4.0 / 14, 1e-15); /* (5-3)^2 / (1+4+9) */
    cr_assert_float_eq(spa_nmse(y, y, 3), 0, 0);
    cr_assert_float_eq(spa_nmse(zero, zero, 3), 0, 0);
    cr_assert(isinf(spa_nmse(y, zero, 3)));
    cr_assert(isnan(spa_nmse(bad, y, 3)));
}

/* Everything a run needs, from nothing. */
static spa_status build_and_run(const spa_graph *graph, spa_error *err)
{
    spa_model model;
    spa_session session = {0};
    SPA_TRY(spa_model_init(&model, graph, 1, err));
    spa_status status = spa_model_prepare(&model, &spa_backend_sparse, err);
    if (status == SPA_OK) status = spa_session_init(&session, &model, SPA_BUFFERS_PLANNED, err);
    spa_session_fini(&session);
    spa_model_fini(&model);
    return status;
}

Test(kernels_model, a_failing_allocation_is_a_clean_error)
{
    spa_graph graph;
    cr_assert_eq(tiny_chain(&graph, NULL), SPA_OK);
    cr_assert_eq(build_and_run(&graph, NULL), SPA_OK); /* BLAS makes its own buffers */
    for (long n = 0;; n++) {
        oom_fail_at(n);
        spa_status status = build_and_run(&graph, NULL);
        bool failed = oom_failed();
        oom_off();
        if (!failed) break;
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld", n);
    }
    spa_graph_fini(&graph);
}
