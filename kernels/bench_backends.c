/* Whole inferences by every backend, taking turns. */
#include <stdlib.h>

#include "base/stats.h"
#include "kernels/bench.h"
#include "kernels/clock.h"
#include "kernels/model.h"
#include "kernels/onednn.h"
#include "kernels/worker.h"

/* One backend's session and its times, [n_ops + 1][runs] us, the last row whole inferences. */
typedef struct contestant {
    const spa_backend *backend;
    spa_session session;
    void *workspace;
    double *us;
} contestant;

typedef struct contest {
    spa_graph graph;
    spa_model model;
    size_t n;
    contestant list[SPA_BENCH_SUMS];
    int32_t runs;
    spa_status status;
    spa_error error;
} contest;

static spa_status enter(contest *c, const spa_backend *backend, spa_error *err)
{
    contestant *x = &c->list[c->n];
    x->backend = backend;
    SPA_TRY(spa_model_prepare(&c->model, backend, err));
    SPA_TRY(spa_session_init(&x->session, &c->model, SPA_BUFFERS_PLANNED, err));
    c->n++;
    spa_session_fill_inputs(&x->session, 1, 0);
    SPA_TRY(spa_alloc(&x->us, c->graph.n_ops + 1, (size_t)c->runs * sizeof(double), err));
    return spa_alloc_aligned(&x->workspace, spa_model_workspace_bytes(&c->model, backend), err);
}

static spa_status enter_all(contest *c, spa_error *err)
{
    size_t count;
    const spa_backend *const *backends = spa_backends(&count);
    for (size_t b = 1; b < count && c->n + 1 < SPA_BENCH_SUMS; b++)
        if (backends[b]->probe(NULL) == SPA_OK) SPA_TRY(enter(c, backends[b], err));
    if (spa_backend_onednn.probe(NULL) != SPA_OK) return SPA_OK;
    return enter(c, &spa_backend_onednn_primitives, err);
}

/* `run` < 0 warms up. */
static void run_one(contest *c, contestant *x, int32_t run)
{
    int64_t first = spa_clock_ns(), before = first;
    size_t n = c->graph.n_ops;
    for (size_t i = 0; i < n && c->status == SPA_OK; i++) {
        c->status = spa_session_run_op(&x->session, x->backend, i, x->workspace, &c->error);
        int64_t now = spa_clock_ns();
        if (run >= 0) x->us[i * (size_t)c->runs + (size_t)run] = (double)(now - before) * 1e-3;
        before = now;
    }
    if (run >= 0) x->us[n * (size_t)c->runs + (size_t)run] = (double)(before - first) * 1e-3;
}

static void run_all(void *context)
{
    contest *c = context;
    for (int32_t run = -2; run < c->runs; run++)
        for (size_t b = 0; b < c->n; b++) run_one(c, &c->list[b], run);
}

static double shortest(const double *us, size_t n)
{
    double best = us[0];
    for (size_t i = 1; i < n; i++)
        if (us[i] < best) best = us[i];
    return best;
}

static void summarise(const contest *c, const contestant *x, spa_bench_sum *out)
{
    size_t n = c->graph.n_ops, runs = (size_t)c->runs;
    *out = (spa_bench_sum){.backend = x->backend->name};
    for (size_t i = 0; i < n; i++) {
        double ms = shortest(x->us + i * runs, runs) * 1e-3;
        spa_op_kind kind = c->graph.ops[i].kind;
        out->total_ms += ms;
        if (kind == SPA_OP_CONV || kind == SPA_OP_LINEAR) out->conv_fc_ms += ms;
    }
    out->whole_p50_ms = spa_median(x->us + n * runs, runs) * 1e-3;
}

static spa_status hold(contest *c, int core, spa_error *err)
{
    spa_worker *worker;
    SPA_TRY(spa_model_init(&c->model, &c->graph, 1, err));
    SPA_TRY(enter_all(c, err));
    SPA_TRY(spa_worker_new(&worker, core, err));
    spa_worker_start(worker, run_all, c);
    spa_worker_wait(worker);
    spa_worker_free(worker);
    if (c->status != SPA_OK && err != NULL) *err = c->error;
    return c->status;
}

spa_status spa_bench_backends(const char *model, int core, int32_t runs, spa_bench_sum *out,
                              size_t *count, spa_error *err)
{
    contest *c;
    *count = 0;
    if (runs < 1) return spa_fail(err, SPA_E_RANGE, "bench: %d runs", (int)runs);
    SPA_TRY(spa_alloc(&c, 1, sizeof *c, err));
    c->runs = runs;
    spa_status status = spa_model_load(&c->graph, model, 1, SPA_FP32, err);
    if (status == SPA_OK) {
        status = hold(c, core, err);
        for (size_t b = 0; b < c->n && status == SPA_OK; b++)
            summarise(c, &c->list[b], &out[(*count)++]);
        for (size_t b = 0; b < SPA_BENCH_SUMS; b++) {
            spa_session_fini(&c->list[b].session);
            free(c->list[b].workspace);
            free(c->list[b].us);
        }
        spa_model_fini(&c->model);
        spa_graph_fini(&c->graph);
    }
    free(c);
    return status;
}
