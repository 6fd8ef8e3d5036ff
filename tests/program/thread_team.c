/* Lanes of several cores under ThreadSanitizer: two teams on one pool, and two lanes that each run
 * one part of an operator on the buffers of one session, compute what one core does.
 *
 * A plain program, because Criterion cannot start there. Without two cores it says so and ends
 * well. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/part.h"
#include "kernels/team.h"
#include "kernels/worker.h"
#include "tests/kernels/cores.h"

enum { ROUNDS = 20, TEAMS = 3 };

static void must(spa_status status, const spa_error *err)
{
    if (!status) return;
    fprintf(stderr, "thread_team: %s\n", err->message);
    exit(1);
}

/* conv -> relu -> conv (depthwise) -> add -> linear, large enough to be cut everywhere. */
static void build(spa_graph *g)
{
    spa_error err;
    const spa_shape out = {4, {1, 12, 0, 0}}, flat = {2, {1, 12 * 81}}, last = {2, {1, 20}};
    spa_op_attrs attrs = {.kernel_h = 3,
                          .kernel_w = 3,
                          .stride_h = 1,
                          .stride_w = 1,
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .pad_top = 1,
                          .pad_left = 1,
                          .pad_bottom = 1,
                          .pad_right = 1,
                          .groups = 1,
                          .has_bias = true};
    int32_t in = SPA_GRAPH_INPUT(0), at[6];
    spa_graph_init(g, "threads", 1, SPA_FP32);
    g->n_graph_inputs = 1;
    g->graph_inputs[0] = (spa_shape){4, {1, 5, 9, 9}};
    must(spa_graph_add(g, "conv", SPA_OP_CONV, &attrs, &in, 1, &out, &at[0], &err), &err);
    must(spa_graph_add(g, "relu", SPA_OP_RELU, NULL, &at[0], 1, NULL, &at[1], &err), &err);
    attrs.groups = 12;
    must(spa_graph_add(g, "depthwise", SPA_OP_CONV, &attrs, &at[1], 1, &out, &at[2], &err), &err);
    const int32_t both[2] = {at[1], at[2]};
    must(spa_graph_add(g, "add", SPA_OP_ADD, NULL, both, 2, NULL, &at[3], &err), &err);
    must(spa_graph_add(g, "flatten", SPA_OP_RESHAPE, NULL, &at[3], 1, &flat, &at[4], &err), &err);
    must(spa_graph_add(g, "linear", SPA_OP_LINEAR, &(spa_op_attrs){.has_bias = true}, &at[4], 1,
                       &last, &at[5], &err),
         &err);
    must(spa_graph_finish(g, &err), &err);
}

/* The outputs of one inference, one behind the other; returns how many differ beyond rounding. */
static int check(const spa_session *session, float *expected, bool record)
{
    const spa_graph *graph = session->model->graph;
    int differ = 0;
    size_t at = 0;
    for (size_t i = 0; i < graph->n_ops; i++) {
        size_t n = (size_t)spa_shape_elements(&graph->ops[i].out);
        if (record) memcpy(expected + at, session->outputs[i], n * sizeof(float));
        differ += !(spa_nmse(session->outputs[i], expected + at, n) <= 1e-10);
        at += n;
    }
    memset(session->memory, 0xff, session->memory_bytes); /* NaN: the next one starts from there */
    return differ;
}

typedef struct world {
    spa_graph graph;
    spa_model model;
    spa_session session;
    float *expected;
    spa_pool *pool;
    spa_team *teams[TEAMS];
    int differ;
} world;

static void run_whole(world *w)
{
    spa_error err;
    void *workspace;
    must(spa_model_prepare(&w->model, &spa_backend_ref, &err), &err);
    spa_session_fill_inputs(&w->session, 1, 0.5);
    must(
        spa_alloc_aligned(&workspace, spa_model_workspace_bytes(&w->model, &spa_backend_ref), &err),
        &err);
    for (size_t i = 0; i < w->graph.n_ops; i++)
        must(spa_session_run_op(&w->session, &spa_backend_ref, i, workspace, &err), &err);
    free(workspace);
    check(&w->session, w->expected, true);
}

/* The leader's job: teams take turns. */
static void lead(void *context)
{
    world *w = context;
    spa_error err;
    for (int round = 0; round < ROUNDS; round++) {
        spa_session_fill_inputs(&w->session, 1, 0.5);
        for (size_t i = 0; i < w->graph.n_ops; i++)
            must(spa_team_run_op(w->teams[round % TEAMS], &w->session, i, &err), &err);
        w->differ += check(&w->session, w->expected, false);
    }
}

/* One lane of two that share operators: its parts, by its own backend. */
typedef struct lane {
    world *world;
    spa_worker *worker;
    spa_part_kernel kernels[8];
    bool has_part[8];
    void *workspace;
    size_t op;
} lane;

static void prepare_lane(lane *l, world *w, int index, int core, const spa_backend *backend)
{
    static const double fractions[2] = {0.3, 0.7};
    spa_error err;
    size_t largest = 0;
    l->world = w;
    for (size_t i = 0; i < w->graph.n_ops; i++) {
        spa_cut cut;
        size_t bounds[3];
        l->has_part[i] = !spa_cut_of(&w->graph, &w->graph.ops[i], &cut, NULL);
        if (!l->has_part[i]) continue;
        must(spa_cut_bounds(&cut, fractions, 2, bounds, &err), &err);
        must(spa_part_kernel_init(&l->kernels[i], &w->model, i, bounds[index], bounds[index + 1],
                                  backend, &err),
             &err);
        if (l->kernels[i].workspace_bytes > largest) largest = l->kernels[i].workspace_bytes;
    }
    must(spa_alloc_aligned(&l->workspace, largest, &err), &err);
    must(spa_worker_new(&l->worker, core, &err), &err);
}

static void run_lane(void *context)
{
    lane *l = context;
    spa_error err;
    must(spa_part_kernel_run(&l->kernels[l->op], &l->world->session, l->workspace, &err), &err);
}

static void run_lanes(world *w, int core)
{
    lane *lanes;
    spa_error err;
    must(spa_alloc(&lanes, 2, sizeof *lanes, &err), &err);
    prepare_lane(&lanes[0], w, 0, core, &spa_backend_ref);
    prepare_lane(&lanes[1], w, 1, core + 1, &spa_backend_sparse);
    for (int round = 0; round < ROUNDS; round++) {
        spa_session_fill_inputs(&w->session, 1, 0.5);
        for (size_t i = 0; i < w->graph.n_ops; i++) {
            if (!lanes[0].has_part[i]) continue; /* the reshape, which is its input */
            for (int k = 0; k < 2; k++) lanes[k].op = i;
            for (int k = 0; k < 2; k++) spa_worker_start(lanes[k].worker, run_lane, &lanes[k]);
            for (int k = 0; k < 2; k++) spa_worker_wait(lanes[k].worker);
        }
        w->differ += check(&w->session, w->expected, false);
    }
    for (int k = 0; k < 2; k++) {
        spa_worker_free(lanes[k].worker);
        for (size_t i = 0; i < w->graph.n_ops; i++)
            if (lanes[k].has_part[i]) spa_part_kernel_fini(&lanes[k].kernels[i]);
        free(lanes[k].workspace);
    }
    free(lanes);
}

int main(void)
{
    static const spa_backend *const backends[TEAMS] = {&spa_backend_ref, &spa_backend_sparse,
                                                       &spa_backend_blas};
    int core = neighbouring_cores();
    spa_worker *leader;
    spa_error err;
    world w = {.differ = 0};
    if (core < 0) {
        printf("thread_team: skipped, there are no two neighbouring cores\n");
        return 0;
    }
    build(&w.graph);
    must(spa_model_init(&w.model, &w.graph, 1, &err), &err);
    must(spa_session_init(&w.session, &w.model, SPA_BUFFERS_OWN, &err), &err);
    must(spa_alloc(&w.expected, w.session.memory_bytes, 2 * sizeof(float), &err), &err);
    run_whole(&w);
    must(spa_pool_new(&w.pool, core, 2, &err), &err);
    for (int t = 0; t < TEAMS; t++)
        must(spa_team_new(&w.teams[t], &w.model, backends[t], w.pool, 0, &err), &err);
    must(spa_worker_new(&leader, core, &err), &err);
    spa_worker_start(leader, lead, &w);
    spa_worker_wait(leader);
    spa_worker_free(leader);
    for (int t = 0; t < TEAMS; t++) spa_team_free(w.teams[t]);
    spa_pool_free(w.pool);
    run_lanes(&w, core);
    spa_session_fini(&w.session);
    spa_model_fini(&w.model);
    spa_graph_fini(&w.graph);
    free(w.expected);
    if (w.differ)
        fprintf(stderr, "thread_team: %d outputs differ from those of one core\n", w.differ);
    else
        printf("thread_team: %d inferences on two cores, equal outputs\n", 2 * ROUNDS);
    return w.differ != 0;
}
