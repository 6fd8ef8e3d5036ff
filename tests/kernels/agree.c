#include "tests/kernels/agree.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/model.h"
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

static void *aligned(size_t bytes)
{
    void *memory;
    cr_assert_eq(spa_alloc_aligned(&memory, bytes, NULL), SPA_OK);
    return memory;
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

/* Runs with inputs and output in the backend's layouts; the output comes back row-major. */
static spa_status run_in_layouts(const loose_op *l, const spa_backend *backend)
{
    const spa_graph *g = l->args.graph;
    const spa_op *op = l->args.op;
    uint8_t *layouts = calloc(g->n_ops, 1);
    const float *inputs[SPA_MAX_OP_INPUTS];
    float *owned[SPA_MAX_OP_INPUTS] = {NULL}, *blocked = NULL;
    spa_kernel_args args = l->args;
    spa_error err = {0};
    if (backend->layouts) backend->layouts(g, layouts);
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        int32_t from = g->inputs[op->first_input + i];
        inputs[i] = l->args.inputs[i];
        if (from < 0 || layouts[from] == SPA_LAYOUT_PLAIN) continue;
        owned[i] = aligned((size_t)spa_shape_elements(&g->ops[from].out) * sizeof(float));
        backend->convert(&g->ops[from].out, inputs[i], owned[i], false);
        inputs[i] = owned[i];
    }
    args.inputs = inputs;
    if (layouts[op - g->ops] == SPA_LAYOUT_BLOCKED) {
        args.output = blocked = aligned(l->count * sizeof(float));
        memset(blocked, 0xff, l->count * sizeof(float)); /* NaN */
    }
    spa_status status = backend->run(&args, &err);
    if (blocked) backend->convert(&op->out, blocked, l->args.output, true);
    for (uint32_t i = 0; i < op->n_inputs; i++) free(owned[i]);
    free(blocked);
    free(layouts);
    cr_assert_eq(status, SPA_OK, "%s", err.message);
    return status;
}

static void check_backend(loose_op *l, const spa_model *model, const spa_backend *backend,
                          double limit, double zeros)
{
    void *state;
    const spa_vector *tables[4];
    spa_error err = {0};
    cr_assert_eq(backend->prepare(l->args.graph, l->args.op, l->args.params, &state, &err), SPA_OK,
                 "%s: %s", l->args.op->name, err.message);
    size_t bytes = backend->workspace_bytes(l->args.graph, l->args.op, state);
    l->args.state = state;
    l->args.workspace = aligned(bytes);
    poison(l, bytes);
    run_in_layouts(l, backend);
    check(l, backend->name, limit, zeros);
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

void expect_agreement(const spa_graph *graph)
{
    static const double zeros[] = {0, 0.5, 0.95};
    spa_model model;
    spa_error err = {0};
    size_t n_backends;
    const spa_backend *const *backends = spa_backends(&n_backends);
    cr_assert_eq(spa_model_init(&model, graph, 9, &err), SPA_OK, "%s", err.message);
    bool here[16] = {false};
    for (size_t b = 0; b < n_backends; b++) {
        here[b] = backends[b]->probe(&err) == SPA_OK;
        if (!here[b]) cr_log_warn("%s is not compared: %s", backends[b]->name, err.message);
    }
    for (size_t op = 0; op < graph->n_ops; op++) {
        for (size_t z = 0; z < sizeof zeros / sizeof zeros[0]; z++) {
            loose_op loose;
            loosen(&loose, &model, op, zeros[z]);
            for (size_t b = 0; b < n_backends; b++)
                if (here[b]) check_backend(&loose, &model, backends[b], AGREE_NMSE, zeros[z]);
            check_backend(&loose, &model, &plan_backend, AGREE_NMSE, zeros[z]);
            check_backend(&loose, &model, &plan_backend_direct, AGREE_NMSE, zeros[z]);
            check_backend(&loose, &model, &plan_backend_half, AGREE_HALF_NMSE, zeros[z]);
            tighten(&loose);
        }
    }
    spa_model_fini(&model);
}
