/* Prepared models shared by threads: inferences side by side, and one inference handed to and fro
 * between a thread with channel-blocked kernels and one with plain ones.
 *
 * A plain program, because Criterion cannot start under ThreadSanitizer. Build it with VARIANT=tsan
 * (-fsanitize=thread) and run it; a data race makes it fail. Without the sanitizer it still checks
 * the results. Without oneDNN both kinds of kernels are plain. Usage: thread_kernels. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kernels/model.h"

enum { LANES = 6, ROUNDS = 20, RESULT = 16 * 64 };

static spa_graph graph;
static spa_model model;
static const spa_backend *blocked, *plain = &spa_backend_blas;

static void must(spa_status status, const spa_error *err)
{
    if (!status) return;
    fprintf(stderr, "thread_kernels: %s\n", err->message);
    exit(1);
}

static void add(spa_op_kind kind, bool is_conv)
{
    char name[16];
    spa_error err;
    spa_op_attrs attrs = {0};
    spa_shape out = {4, {1, 16, 0, 0}};
    int32_t from = graph.n_ops > 0 ? (int32_t)graph.n_ops - 1 : SPA_GRAPH_INPUT(0);
    if (is_conv)
        attrs = (spa_op_attrs){.kernel_h = 3,
                               .kernel_w = 3,
                               .stride_h = 1,
                               .stride_w = 1,
                               .dilation_h = 1,
                               .dilation_w = 1,
                               .pad_top = 1,
                               .pad_left = 1,
                               .pad_bottom = 1,
                               .pad_right = 1,
                               .groups = 1};
    snprintf(name, sizeof name, "op%zu", graph.n_ops);
    must(spa_graph_add(&graph, name, kind, &attrs, &from, 1, is_conv ? &out : NULL, NULL, &err),
         &err);
}

static void build(void)
{
    spa_error err;
    spa_graph_init(&graph, "threads", 1, SPA_FP32);
    graph.n_graph_inputs = 1;
    graph.graph_inputs[0] = (spa_shape){4, {1, 3, 8, 8}};
    graph.graph_input_sparsity = 0;
    for (int i = 0; i < 4; i++) {
        add(SPA_OP_CONV, true);
        add(SPA_OP_BATCH_NORM, false);
        add(SPA_OP_RELU, false);
    }
    must(spa_graph_finish(&graph, &err), &err);
    must(spa_model_init(&model, &graph, 1, &err), &err);
    must(spa_model_prepare(&model, plain, &err), &err);
    must(spa_model_prepare(&model, blocked, &err), &err);
}

typedef struct lane {
    spa_session session;
    void *workspace;
} lane;

static void begin(lane *l, uint64_t seed)
{
    spa_error err;
    size_t bytes = spa_model_workspace_bytes(&model, blocked);
    if (bytes < spa_model_workspace_bytes(&model, plain))
        bytes = spa_model_workspace_bytes(&model, plain);
    must(spa_session_init(&l->session, &model, SPA_BUFFERS_PLANNED, &err), &err);
    must(spa_alloc_aligned(&l->workspace, bytes, &err), &err);
    spa_session_fill_inputs(&l->session, seed, 0);
}

static void end(lane *l)
{
    spa_session_fini(&l->session);
    free(l->workspace);
}

static void *infer(void *context)
{
    lane *l = context;
    spa_error err;
    for (int r = 0; r < ROUNDS; r++)
        for (size_t i = 0; i < graph.n_ops; i++)
            must(spa_session_run_op(&l->session, blocked, i, l->workspace, &err), &err);
    return NULL;
}

static const float *result(const lane *l)
{
    return spa_session_output(&l->session, graph.n_ops - 1);
}

static int side_by_side(void)
{
    static float wanted[LANES][RESULT];
    lane lanes[LANES];
    pthread_t threads[LANES];
    int failed = 0;
    for (int i = 0; i < LANES; i++) {
        begin(&lanes[i], 1 + (uint64_t)i);
        infer(&lanes[i]);
        memcpy(wanted[i], result(&lanes[i]), sizeof wanted[i]);
    }
    for (int i = 0; i < LANES; i++) pthread_create(&threads[i], NULL, infer, &lanes[i]);
    for (int i = 0; i < LANES; i++) {
        pthread_join(threads[i], NULL);
        failed |= memcmp(wanted[i], result(&lanes[i]), sizeof wanted[i]) != 0;
        end(&lanes[i]);
    }
    return failed;
}

/* One inference; operator i is run by thread i % 2. */
static lane shared;
static void *workspaces[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static size_t next_op;

static void *take_turns(void *context)
{
    size_t mine = *(size_t *)context;
    spa_error err;
    const spa_backend *backend = mine == 0 ? blocked : plain;
    for (size_t i = mine; i < ROUNDS * graph.n_ops; i += 2) {
        pthread_mutex_lock(&mutex);
        while (next_op != i) pthread_cond_wait(&moved, &mutex);
        pthread_mutex_unlock(&mutex);
        size_t op = i % graph.n_ops;
        if (op > 0) must(spa_session_convert(&shared.session, backend, op - 1, &err), &err);
        must(spa_session_run_op(&shared.session, backend, op, workspaces[mine], &err), &err);
        pthread_mutex_lock(&mutex);
        next_op = i + 1;
        pthread_cond_broadcast(&moved);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static int to_and_fro(void)
{
    static float wanted[RESULT];
    size_t which[2] = {0, 1};
    pthread_t threads[2];
    lane other;
    begin(&shared, 1);
    begin(&other, 1);
    infer(&other);
    memcpy(wanted, result(&other), sizeof wanted);
    workspaces[0] = shared.workspace;
    workspaces[1] = other.workspace;
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, take_turns, &which[i]);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    double nmse = spa_nmse(result(&shared), wanted, RESULT);
    end(&shared);
    end(&other);
    return !(nmse <= 1e-10);
}

int main(void)
{
    spa_error err;
    blocked = &spa_backend_onednn;
    if (blocked->probe(&err) != SPA_OK) {
        fprintf(stderr, "thread_kernels: %s: plain kernels only\n", err.message);
        blocked = &spa_backend_sparse;
    }
    build();
    int failed = side_by_side() ? 1 : 0;
    if (failed) fprintf(stderr, "thread_kernels: results differ between threads\n");
    if (to_and_fro()) {
        fprintf(stderr, "thread_kernels: results differ between placements\n");
        failed = 1;
    }
    spa_model_fini(&model);
    spa_graph_fini(&graph);
    return failed;
}
