/* Parts of operators: from a draft (part_kinds.c) to a graph, and running them. */
#include "kernels/part.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/dims.h"
#include "kernels/part_draft.h"

/* ---- cuts ---------------------------------------------------------------------------------------
 */

static spa_status fail_cut(const spa_op *op, const char *reason, spa_error *err)
{
    return spa_fail(err, SPA_E_UNSUPPORTED, "operator '%s' (%s) cannot be cut: %s; run it whole",
                    op->name, spa_op_kind_name(op->kind), reason);
}

spa_status spa_cut_of(const spa_graph *graph, const spa_op *op, spa_cut *cut, spa_error *err)
{
    if (op->n_steps > 0) {
        *cut = (spa_cut){0};
        return fail_cut(op, "it is fused with others", err);
    }
    spa_part_subject subject = {.graph = graph, .op = op};
    *cut = (spa_cut){0};
    const char *reason = spa_part_describe(&subject, cut, NULL);
    if (reason == NULL && cut->count < 2) reason = "there is one slice of it";
    if (reason == NULL) return SPA_OK;
    *cut = (spa_cut){0};
    return fail_cut(op, reason, err);
}

spa_status spa_cut_bounds(const spa_cut *cut, const double *fractions, size_t n, size_t *bounds,
                          spa_error *err)
{
    double sum = 0;
    if (n == 0) return spa_fail(err, SPA_E_RANGE, "a cut into 0 parts; give at least one");
    for (size_t i = 0; i < n; i++) {
        double f = fractions != NULL ? fractions[i] : 1.0 / (double)n;
        if (!(f >= 0))
            return spa_fail(err, SPA_E_RANGE, "part %zu is a fraction of %g; 0 to 1 are possible",
                            i, f);
        sum += f;
    }
    if (!(fabs(sum - 1) < 1e-6))
        return spa_fail(err, SPA_E_RANGE, "the fractions of %zu parts sum to %g instead of 1", n,
                        sum);
    size_t unit = cut->unit;
    while (unit > 1 && cut->count / n < 4 * unit) unit = (unit + 1) / 2;
    sum = 0;
    bounds[0] = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        sum += fractions != NULL ? fractions[i] : 1.0 / (double)n;
        size_t at = (size_t)llround(sum * (double)cut->count / (double)unit) * unit;
        bounds[i + 1] = at < bounds[i] ? bounds[i] : at > cut->count ? cut->count : at;
    }
    bounds[n] = cut->count;
    return SPA_OK;
}

/* ---- parts --------------------------------------------------------------------------------------
 */

static spa_status build_graph(spa_part *part, const spa_graph *whole, const spa_op *op,
                              const spa_part_draft *draft, spa_error *err)
{
    int32_t inputs[SPA_PART_INPUTS];
    spa_graph *graph = &part->graph;
    spa_graph_init(graph, op->name, 1, whole->dtype);
    graph->n_graph_inputs = draft->n_in;
    for (size_t i = 0; i < draft->n_in; i++) {
        graph->graph_inputs[i] = draft->in[i];
        inputs[i] = SPA_GRAPH_INPUT(i);
    }
    SPA_TRY(spa_graph_add(graph, op->name, op->kind, &draft->attrs, inputs, draft->n_in,
                          &draft->out, NULL, err));
    return spa_graph_finish(graph, err);
}

spa_status spa_part_init(spa_part *part, const spa_graph *graph, const spa_op *op, size_t begin,
                         size_t end, spa_error *err)
{
    spa_part_subject subject = {.graph = graph, .op = op, .begin = begin, .end = end};
    spa_part_draft draft = {.attrs = op->attrs, .out = op->out};
    spa_cut cut;
    *part = (spa_part){.begin = begin, .end = end};
    SPA_TRY(spa_cut_of(graph, op, &cut, err));
    if (begin > end || end > cut.count)
        return spa_fail(err, SPA_E_RANGE, "operator '%s' has %zu %s; a part cannot be %zu to %zu",
                        op->name, cut.count, cut.along, begin, end);
    if (begin == end) return SPA_OK;
    draft.n_in = op->n_inputs < SPA_PART_INPUTS ? op->n_inputs : SPA_PART_INPUTS;
    for (uint32_t i = 0; i < draft.n_in; i++) {
        draft.in[i] = *spa_graph_input_shape(graph, op, i);
        draft.input[i] = i;
    }
    const char *reason = spa_part_describe(&subject, &cut, &draft);
    if (reason != NULL) return fail_cut(op, reason, err);
    part->n_inputs = draft.n_in;
    for (size_t i = 0; i < draft.n_in; i++) {
        part->input[i] = draft.input[i];
        part->input_offset[i] = draft.in_offset[i];
    }
    for (size_t i = 0; i < SPA_MAX_PARAMS; i++) part->param_offset[i] = draft.param_offset[i];
    part->output_offset = draft.out_offset;
    part->output_count = spa_shape_count(&draft.out);
    spa_status status = build_graph(part, graph, op, &draft, err);
    if (status != SPA_OK) spa_part_fini(part);
    return status;
}

void spa_part_fini(spa_part *part)
{
    spa_graph_fini(&part->graph);
    *part = (spa_part){0};
}

spa_status spa_part_cut(const spa_graph *graph, const spa_op *op, const double *fractions, size_t n,
                        spa_part *parts, spa_error *err)
{
    spa_cut cut;
    size_t *bounds, made = 0;
    SPA_TRY(spa_cut_of(graph, op, &cut, err));
    SPA_TRY(spa_alloc(&bounds, n + 1, sizeof *bounds, err));
    spa_status status = spa_cut_bounds(&cut, fractions, n, bounds, err);
    while (made < n && status == SPA_OK) {
        status = spa_part_init(&parts[made], graph, op, bounds[made], bounds[made + 1], err);
        if (status == SPA_OK) made++;
    }
    for (size_t i = 0; i < made && status != SPA_OK; i++) spa_part_fini(&parts[i]);
    free(bounds);
    return status;
}

/* ---- running ------------------------------------------------------------------------------------
 */

spa_status spa_part_kernel_init(spa_part_kernel *kernel, const spa_model *model, size_t op,
                                size_t begin, size_t end, const spa_backend *backend,
                                spa_error *err)
{
    *kernel = (spa_part_kernel){.model = model, .op = op, .backend = backend};
    SPA_TRY(spa_part_init(&kernel->part, model->graph, &model->graph->ops[op], begin, end, err));
    if (begin == end) return SPA_OK;
    const spa_graph *graph = &kernel->part.graph;
    spa_op_param list[SPA_MAX_PARAMS];
    size_t n_params = spa_op_params(graph, &graph->ops[0], list);
    for (size_t p = 0; p < n_params; p++)
        kernel->params[p] = model->params[op * SPA_MAX_PARAMS + p] + kernel->part.param_offset[p];
    spa_status status = backend->probe(err);
    if (status == SPA_OK) status = spa_backend_check(backend, graph, err);
    if (status == SPA_OK)
        status = backend->prepare(graph, &graph->ops[0], kernel->params, &kernel->state, err);
    if (status != SPA_OK) {
        spa_part_fini(&kernel->part);
        return status;
    }
    kernel->workspace_bytes = backend->workspace_bytes(graph, &graph->ops[0]);
    return SPA_OK;
}

void spa_part_kernel_fini(spa_part_kernel *kernel)
{
    if (kernel->backend != NULL) kernel->backend->release(kernel->state);
    spa_part_fini(&kernel->part);
    *kernel = (spa_part_kernel){0};
}

spa_status spa_part_kernel_run(const spa_part_kernel *kernel, const spa_session *session,
                               void *workspace, spa_error *err)
{
    const spa_part *part = &kernel->part;
    const float *inputs[SPA_PART_INPUTS];
    if (part->begin == part->end) return SPA_OK;
    size_t first = kernel->model->graph->ops[kernel->op].first_input;
    for (size_t i = 0; i < part->n_inputs; i++)
        inputs[i] = session->inputs[first + part->input[i]] + part->input_offset[i];
    spa_kernel_args args = {
        .graph = &part->graph,
        .op = &part->graph.ops[0],
        .inputs = inputs,
        .params = kernel->params,
        .state = kernel->state,
        .output = session->outputs[kernel->op] + part->output_offset,
        .workspace = workspace,
    };
    return kernel->backend->run(&args, err);
}
