#include "tests/kernels/agree.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/onednn.h"
#include "kernels/sparse.h"
#include "kernels/vector.h"
#include "tests/kernels/agree_parts.h"
#include "tests/kernels/plan_backend.h"

/* Inputs and outputs of one operator, cut loose from the graph around it. */
typedef struct loose_op {
    spa_kernel_args args;
    float *inputs[SPA_MAX_OP_INPUTS];
    const float *constants[SPA_MAX_OP_INPUTS];
    float *expected;
    void *workspace;
    size_t count;
} loose_op;

/* Libraries' own code is not instrumented by sanitizers: what they write behind a buffer is found
 * by a guard. */
#define GUARD_BYTES 512

static void *aligned(size_t bytes)
{
    char *memory;
    cr_assert_eq(spa_alloc_aligned(&memory, bytes + GUARD_BYTES, NULL), SPA_OK);
    memset(memory + bytes, 0xa5, GUARD_BYTES);
    return memory;
}

static void check_guard(const loose_op *l, const spa_backend *backend, const char *what,
                        const void *memory, size_t bytes)
{
    const unsigned char *guard = (const unsigned char *)memory + bytes;
    for (size_t i = 0; i < GUARD_BYTES; i++)
        cr_assert_eq(guard[i], 0xa5, "%s (%s) by %s wrote %zu bytes behind its %s",
                     l->args.op->name, spa_op_kind_name(l->args.op->kind), backend->name, i, what);
}

static void loosen(loose_op *l, const spa_model *model, size_t index, double zeros)
{
    const spa_op *op = &model->graph->ops[index];
    memset(l, 0, sizeof *l);
    l->count = (size_t)spa_shape_elements(&op->out);
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        size_t n = (size_t)spa_shape_elements(spa_graph_input_shape(model->graph, op, i));
        l->inputs[i] = aligned(n * sizeof(float));
        spa_fill_random(l->inputs[i], n, 5, index * 8 + i, i == 0 ? zeros : 0);
        l->constants[i] = l->inputs[i];
    }
    l->expected = aligned(l->count * sizeof(float));
    l->args = (spa_kernel_args){
        .graph = model->graph,
        .op = op,
        .inputs = l->constants,
        .params = (const float *const *)(model->params + index * SPA_MAX_PARAMS),
        .output = l->expected,
    };
    cr_assert_eq(spa_backend_ref.run(&l->args, NULL), SPA_OK);
    l->args.output = aligned(l->count * sizeof(float));
}

static void tighten(loose_op *l)
{
    for (size_t i = 0; i < SPA_MAX_OP_INPUTS; i++) free(l->inputs[i]);
    free(l->expected);
    free(l->args.output);
}

static void poison(loose_op *l, size_t workspace_bytes)
{
    memset(l->args.output, 0xff, l->count * sizeof(float)); /* NaN */
    memset(l->args.workspace, 0xff, workspace_bytes);
}

static void check(const loose_op *l, const char *how, double limit, double zeros)
{
    double nmse = spa_nmse(l->args.output, l->expected, l->count);
    cr_expect(nmse <= limit, "%s (%s) by %s, %g zeros: NMSE %g", l->args.op->name,
              spa_op_kind_name(l->args.op->kind), how, zeros, nmse);
}

/* Replaces inputs by blocked ones where the backend wants them so; frees with unblock. */
static void block_inputs(loose_op *l, const spa_backend *backend)
{
    const spa_graph *graph = l->args.graph;
    for (uint32_t i = 0; i < l->args.op->n_inputs; i++) {
        int32_t from = graph->inputs[l->args.op->first_input + i];
        l->constants[i] = l->inputs[i];
        if (from < 0 || spa_backend_layout(backend, graph, (size_t)from) == SPA_LAYOUT_PLAIN)
            continue;
        float *blocked = aligned(backend->layout_bytes(graph, (size_t)from));
        backend->from_plain(graph, (size_t)from, l->inputs[i], blocked);
        l->constants[i] = blocked;
    }
}

static void unblock_inputs(loose_op *l)
{
    for (uint32_t i = 0; i < l->args.op->n_inputs; i++) {
        if (l->constants[i] != l->inputs[i]) free((void *)l->constants[i]);
        l->constants[i] = l->inputs[i];
    }
}

static spa_status run_blocked(loose_op *l, const spa_backend *backend)
{
    const spa_graph *graph = l->args.graph;
    size_t index = (size_t)(l->args.op - graph->ops);
    float *plain = l->args.output;
    bool blocks = spa_backend_layout(backend, graph, index) == SPA_LAYOUT_BLOCKED;
    block_inputs(l, backend);
    if (blocks) {
        size_t bytes = backend->layout_bytes(graph, index);
        l->args.output = aligned(bytes);
        memset(l->args.output, 0xff, bytes);
    }
    spa_status status = backend->run(&l->args, NULL);
    check_guard(l, backend, "output", l->args.output,
                blocks ? backend->layout_bytes(graph, index) : l->count * sizeof(float));
    if (blocks) {
        backend->to_plain(graph, index, l->args.output, plain);
        free(l->args.output);
        l->args.output = plain;
    }
    unblock_inputs(l);
    return status;
}

static void check_backend(loose_op *l, const spa_model *model, const spa_backend *backend,
                          double limit, double zeros)
{
    void *state;
    const spa_vector *tables[4];
    size_t bytes = backend->workspace_bytes(l->args.graph, l->args.op);
    cr_assert_eq(backend->prepare(l->args.graph, l->args.op, l->args.params, &state, NULL), SPA_OK);
    l->args.state = state;
    l->args.workspace = aligned(bytes);
    poison(l, bytes);
    cr_assert_eq(run_blocked(l, backend), SPA_OK);
    check(l, backend->name, limit, zeros);
    check_guard(l, backend, "workspace", l->args.workspace, bytes);
    if (limit <= AGREE_NMSE) expect_parts_agree(model, &l->args, backend);
    if (backend == &spa_backend_sparse) {
        size_t n = spa_vector_all(tables);
        for (size_t i = 0; i < n; i++) {
            poison(l, bytes);
            if (spa_sparse_multiply(&l->args, tables[i])) check(l, tables[i]->isa, limit, zeros);
        }
    }
    free(l->args.workspace);
    backend->release(state);
}

size_t runnable_backends(const spa_backend *out[SPA_MODEL_BACKENDS])
{
    static bool told;
    spa_error err = {0};
    size_t count, n = 0;
    const spa_backend *const *all = spa_backends(&count);
    cr_assert_lt(count, SPA_MODEL_BACKENDS);
    for (size_t b = 0; b < count; b++) {
        if (all[b]->probe(&err) == SPA_OK) {
            out[n++] = all[b];
            continue;
        }
        cr_assert(all[b] != &spa_backend_ref && all[b] != &spa_backend_blas, "%s", err.message);
        if (!told) fprintf(stderr, "skipped: backend '%s': %s\n", all[b]->name, err.message);
        told = true;
    }
    return n;
}

void expect_agreement(const spa_graph *graph)
{
    static const double zeros[] = {0, 0.5, 0.95};
    spa_model model;
    spa_error err = {0};
    const spa_backend *backends[SPA_MODEL_BACKENDS];
    size_t n_backends = runnable_backends(backends);
    if (spa_backend_onednn.probe(NULL) == SPA_OK)
        backends[n_backends++] = &spa_backend_onednn_primitives;
    cr_assert_eq(spa_model_init(&model, graph, 9, &err), SPA_OK, "%s", err.message);
    for (size_t op = 0; op < graph->n_ops; op++) {
        for (size_t z = 0; z < sizeof zeros / sizeof zeros[0]; z++) {
            loose_op loose;
            loosen(&loose, &model, op, zeros[z]);
            for (size_t b = 0; b < n_backends; b++)
                check_backend(&loose, &model, backends[b], AGREE_NMSE, zeros[z]);
            check_backend(&loose, &model, &plan_backend, AGREE_NMSE, zeros[z]);
            check_backend(&loose, &model, &plan_backend_direct, AGREE_NMSE, zeros[z]);
            check_backend(&loose, &model, &plan_backend_half, AGREE_HALF_NMSE, zeros[z]);
            tighten(&loose);
        }
    }
    spa_model_fini(&model);
}
