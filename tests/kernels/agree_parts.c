#include "tests/kernels/agree_parts.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/part.h"

enum { MOST_PARTS = 5 };

/* What is compared: one operator by one backend, whole and in parts. */
typedef struct whole {
    const spa_model *model;
    size_t op;
    const spa_backend *backend;
    spa_session session; /* only the pointers of this operator are set */
    float *output, *expected;
    size_t count;
} whole;

static bool is_elementwise(const spa_op *op)
{
    return (op->kind >= SPA_OP_RELU && op->kind <= SPA_OP_GELU) || op->kind == SPA_OP_ADD ||
           op->kind == SPA_OP_MUL;
}

/* Runs one part into NaN; it must have written its piece and nothing else. */
static void run_part(const whole *w, size_t begin, size_t end, float *joined)
{
    spa_part_kernel kernel;
    spa_error err = {0};
    void *workspace;
    cr_assert_eq(spa_part_kernel_init(&kernel, w->model, w->op, begin, end, w->backend, &err),
                 SPA_OK, "%s", err.message);
    cr_assert_eq(spa_alloc_aligned(&workspace, kernel.workspace_bytes, NULL), SPA_OK);
    memset(workspace, 0xff, kernel.workspace_bytes);
    memset(w->output, 0xff, w->count * sizeof(float));
    cr_assert_eq(spa_part_kernel_run(&kernel, &w->session, workspace, &err), SPA_OK, "%s",
                 err.message);
    size_t first = kernel.part.output_offset, last = first + kernel.part.output_count;
    cr_assert_leq(last, w->count);
    for (size_t i = 0; i < w->count; i++) {
        bool inside = i >= first && i < last;
        cr_assert_eq(isnan(w->output[i]), !inside, "%s by %s, slices %zu to %zu: element %zu",
                     w->model->graph->ops[w->op].name, w->backend->name, begin, end, i);
        if (!inside) continue;
        cr_assert(isnan(joined[i]), "element %zu is in two parts", i);
        joined[i] = w->output[i];
    }
    free(workspace);
    spa_part_kernel_fini(&kernel);
}

static void check_bounds(const whole *w, const size_t *bounds, size_t n)
{
    const spa_op *op = &w->model->graph->ops[w->op];
    float *joined;
    cr_assert_eq(spa_alloc_aligned(&joined, w->count * sizeof(float), NULL), SPA_OK);
    memset(joined, 0xff, w->count * sizeof(float));
    for (size_t i = 0; i < n; i++) run_part(w, bounds[i], bounds[i + 1], joined);
    if (is_elementwise(op)) {
        size_t different = 0; /* a zero of the other sign is the same number */
        for (size_t i = 0; i < w->count; i++) different += !(joined[i] == w->expected[i]);
        cr_expect_eq(different, 0, "%s (%s) by %s in %zu parts: %zu elements differ", op->name,
                     spa_op_kind_name(op->kind), w->backend->name, n, different);
    } else {
        double nmse = spa_nmse(joined, w->expected, w->count); /* NaN where nobody wrote */
        cr_expect(nmse <= 1e-12, "%s (%s) by %s in %zu parts: NMSE %g", op->name,
                  spa_op_kind_name(op->kind), w->backend->name, n, nmse);
    }
    free(joined);
}

/* A piece of pad or concat may have no input; that is said when it is asked for. */
static bool is_possible(const whole *w, const size_t *bounds, size_t n)
{
    const spa_op *op = &w->model->graph->ops[w->op];
    spa_part part;
    spa_error err = {0};
    for (size_t i = 0; i < n; i++) {
        spa_status status =
            spa_part_init(&part, w->model->graph, op, bounds[i], bounds[i + 1], &err);
        if (status != SPA_OK) {
            cr_assert_eq(status, SPA_E_UNSUPPORTED, "%s", err.message);
            cr_assert(op->kind == SPA_OP_PAD || op->kind == SPA_OP_CONCAT, "%s", err.message);
            return false;
        }
        spa_part_fini(&part);
    }
    return true;
}

bool expect_parts_agree(const spa_model *model, const spa_kernel_args *args,
                        const spa_backend *backend)
{
    static const double uneven[] = {0.3, 0.7}, gap[] = {0.15, 0, 0.25, 0.6, 0};
    static const struct {
        const double *fractions;
        size_t n;
    } cuts[] = {{NULL, 2}, {NULL, 3}, {uneven, 2}, {gap, 5}};
    size_t op = (size_t)(args->op - model->graph->ops);
    spa_cut cut;
    spa_error err = {0};
    spa_status status = spa_cut_of(model->graph, args->op, &cut, &err);
    if (status != SPA_OK) {
        cr_assert_eq(status, SPA_E_UNSUPPORTED);
        cr_assert_not_null(strstr(err.message, "run it whole"), "%s", err.message);
        return false;
    }
    whole w = {.model = model, .op = op, .backend = backend};
    w.count = (size_t)spa_shape_elements(&args->op->out);
    cr_assert_eq(spa_alloc_aligned(&w.expected, w.count * sizeof(float), NULL), SPA_OK);
    memcpy(w.expected, args->output, w.count * sizeof(float));
    w.output = args->output;
    w.session.outputs = calloc(model->graph->n_ops, sizeof(float *));
    w.session.inputs = calloc(model->graph->n_edges + 1, sizeof(float *));
    w.session.outputs[op] = w.output;
    for (uint32_t i = 0; i < args->op->n_inputs; i++)
        w.session.inputs[args->op->first_input + i] = args->inputs[i];
    for (size_t c = 0; c < sizeof cuts / sizeof cuts[0]; c++) {
        size_t bounds[MOST_PARTS + 1];
        cr_assert_eq(spa_cut_bounds(&cut, cuts[c].fractions, cuts[c].n, bounds, &err), SPA_OK);
        if (is_possible(&w, bounds, cuts[c].n)) check_bounds(&w, bounds, cuts[c].n);
    }
    memcpy(args->output, w.expected, w.count * sizeof(float));
    free(w.session.outputs);
    free(w.session.inputs);
    free(w.expected);
    return true;
}
