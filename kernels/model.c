/* Models: parameters, packing per backend, running. Sessions are planned in session.c. */
#include "kernels/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dims.h"
#include "kernels/steps.h"
#include "kernels/vector.h"
#include "kernels/weights.h"

static size_t align_floats(size_t n)
{
    size_t unit = SPA_KERNEL_ALIGN / sizeof(float);
    return (n + unit - 1) / unit * unit;
}

static size_t param_floats(const spa_graph *graph, size_t op, float **params, float *base,
                           size_t used)
{
    spa_op_param list[SPA_MAX_PARAMS];
    size_t count = spa_op_params(graph, &graph->ops[op], list);
    for (size_t p = 0; p < count; p++) {
        if (base != NULL) params[op * SPA_MAX_PARAMS + p] = base + used;
        used += align_floats(spa_shape_count(&list[p].shape));
    }
    return used;
}

static spa_status allocate_weights(spa_model *model, spa_error *err)
{
    const spa_graph *graph = model->graph;
    size_t floats = 0;
    SPA_TRY(spa_alloc(&model->params, graph->n_ops * SPA_MAX_PARAMS, sizeof(float *), err));
    for (size_t i = 0; i < graph->n_ops; i++) floats = param_floats(graph, i, NULL, NULL, floats);
    model->weight_bytes = floats * sizeof(float);
    SPA_TRY(spa_alloc_aligned(&model->weights, model->weight_bytes, err));
    floats = 0;
    for (size_t i = 0; i < graph->n_ops; i++)
        floats = param_floats(graph, i, model->params, model->weights, floats);
    return SPA_OK;
}

spa_status spa_model_init(spa_model *model, const spa_graph *graph, uint64_t seed, spa_error *err)
{
    *model = (spa_model){.graph = graph, .seed = seed};
    if (graph->dtype != SPA_FP32)
        return spa_fail(err, SPA_E_UNSUPPORTED, "model '%s' is %s; the kernels compute in fp32",
                        graph->name, spa_dtype_name(graph->dtype));
    SPA_TRY(spa_backend_check(&spa_backend_ref, graph, err));
    spa_status status = allocate_weights(model, err);
    if (status == SPA_OK && graph->source != NULL) {
        status = spa_weights_take(model, err);
    } else if (status == SPA_OK) {
        for (size_t i = 0; i < graph->n_ops; i++) spa_weights_draw(model, i);
        status = spa_weights_calibrate(model, err);
    }
    if (status != SPA_OK) spa_model_fini(model);
    return status;
}

static void release_states(spa_model *model, size_t backend)
{
    free(model->layouts[backend]);
    model->layouts[backend] = NULL;
    if (model->states[backend] == NULL) return;
    for (size_t i = 0; i < model->graph->n_ops; i++)
        model->prepared[backend]->release(model->states[backend][i]);
    free(model->states[backend]);
    model->states[backend] = NULL;
}

void spa_model_fini(spa_model *model)
{
    for (size_t b = 0; b < model->n_prepared; b++) release_states(model, b);
    free(model->weights);
    free(model->params);
    *model = (spa_model){0};
}

static int prepared_index(const spa_model *model, const spa_backend *backend)
{
    for (size_t b = 0; b < model->n_prepared; b++)
        if (model->prepared[b] == backend) return (int)b;
    return -1;
}

static const float *const *op_params(const spa_model *model, size_t op)
{
    return (const float *const *)(model->params + op * SPA_MAX_PARAMS);
}

/* What the backend wants of every tensor; stays NULL when all are plain. */
static spa_status choose_layouts(spa_model *model, const spa_backend *backend, uint8_t **out,
                                 spa_error *err)
{
    const spa_graph *graph = model->graph;
    const spa_backend *other = model->blocked_by;
    if (backend->layout == NULL) return SPA_OK;
    if (other != NULL && other->from_plain != backend->from_plain)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "model '%s': backends '%s' and '%s' have different blocked layouts; use "
                        "one of them",
                        graph->name, other->name, backend->name);
    SPA_TRY(spa_alloc(out, graph->n_ops, sizeof **out, err));
    for (size_t i = 0; i < graph->n_ops; i++)
        (*out)[i] = (uint8_t)spa_backend_layout(backend, graph, i);
    return SPA_OK;
}

spa_status spa_model_prepare(spa_model *model, const spa_backend *backend, spa_error *err)
{
    const spa_graph *graph = model->graph;
    if (prepared_index(model, backend) >= 0) return SPA_OK;
    if (model->n_prepared == SPA_MODEL_BACKENDS)
        return spa_fail(err, SPA_E_RANGE, "model '%s': more than %d backends", graph->name,
                        SPA_MODEL_BACKENDS);
    SPA_TRY(backend->probe(err));
    SPA_TRY(spa_backend_check(backend, graph, err));
    size_t slot = model->n_prepared;
    model->prepared[slot] = backend;
    spa_status status = choose_layouts(model, backend, &model->layouts[slot], err);
    if (status == SPA_OK)
        status = spa_alloc(&model->states[slot], graph->n_ops, sizeof(void *), err);
    for (size_t i = 0; i < graph->n_ops && status == SPA_OK; i++)
        status = backend->prepare(graph, &graph->ops[i], op_params(model, i),
                                  &model->states[slot][i], err);
    if (status != SPA_OK) {
        release_states(model, slot);
        return status;
    }
    if (model->layouts[slot] != NULL) model->blocked_by = backend;
    model->n_prepared++;
    return SPA_OK;
}

size_t spa_model_workspace_bytes(const spa_model *model, const spa_backend *backend)
{
    size_t largest = 0;
    for (size_t i = 0; i < model->graph->n_ops; i++) {
        size_t bytes = spa_kernel_workspace_bytes(backend, model->graph, &model->graph->ops[i]);
        if (bytes > largest) largest = bytes;
    }
    return largest;
}

/* ---- layouts --------------------------------------------------------------------------------- */

static spa_layout wanted(const spa_model *model, int slot, size_t op)
{
    return slot < 0 || model->layouts[slot] == NULL ? SPA_LAYOUT_PLAIN
                                                    : (spa_layout)model->layouts[slot][op];
}

static bool is_held(const spa_session *session, size_t op, spa_layout layout)
{
    if (session->holds == NULL) return true;
    return (__atomic_load_n(&session->holds[op], __ATOMIC_ACQUIRE) >> layout & 1) != 0;
}

/* Several lanes may want the same copy at once: one makes it, the others wait. False: it is there
 * by now. */
#define CONVERTING 0x80u
static bool claim(const spa_session *session, size_t op, spa_layout layout)
{
    uint8_t held = __atomic_load_n(&session->holds[op], __ATOMIC_ACQUIRE);
    for (;;) {
        if (held >> layout & 1u) return false;
        if (held & CONVERTING)
            held = __atomic_load_n(&session->holds[op], __ATOMIC_ACQUIRE);
        else if (__atomic_compare_exchange_n(&session->holds[op], &held, held | CONVERTING, true,
                                             __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
            return true;
    }
}

static void convert(const spa_session *session, size_t op, spa_layout layout)
{
    const spa_model *model = session->model;
    spa_layout other = layout == SPA_LAYOUT_PLAIN ? SPA_LAYOUT_BLOCKED : SPA_LAYOUT_PLAIN;
    if (is_held(session, op, layout) || !is_held(session, op, other)) return;
    if (!claim(session, op, layout)) return;
    if (layout == SPA_LAYOUT_PLAIN)
        model->blocked_by->to_plain(model->graph, op, session->blocked[op], session->outputs[op]);
    else
        model->blocked_by->from_plain(model->graph, op, session->outputs[op], session->blocked[op]);
    __atomic_store_n(&session->holds[op], (uint8_t)(1u << layout | 1u << other), __ATOMIC_RELEASE);
}

static spa_status find_prepared(const spa_session *session, const spa_backend *backend, int *slot,
                                spa_error *err)
{
    const spa_model *model = session->model;
    *slot = prepared_index(model, backend);
    if (*slot < 0)
        return spa_fail(err, SPA_E_INVALID, "model '%s' is not prepared for backend '%s'",
                        model->graph->name, backend->name);
    if (model->layouts[*slot] != NULL && session->blocked == NULL)
        return spa_fail(err, SPA_E_INVALID,
                        "model '%s' was prepared for backend '%s' after the session was planned, "
                        "which has no blocked buffers; prepare first",
                        model->graph->name, backend->name);
    return SPA_OK;
}

spa_status spa_session_convert(spa_session *session, const spa_backend *backend, size_t op,
                               spa_error *err)
{
    int slot;
    SPA_TRY(find_prepared(session, backend, &slot, err));
    convert(session, op, wanted(session->model, slot, op));
    return SPA_OK;
}

bool spa_session_holds(const spa_session *session, const spa_backend *backend, size_t op)
{
    int slot = prepared_index(session->model, backend);
    if (session->model->graph->ops[op].kind == SPA_OP_RESHAPE)
        return true; /* plain, as its input */
    return is_held(session, op, wanted(session->model, slot, op));
}

void spa_session_declare_plain(spa_session *session, size_t op)
{
    if (session->holds == NULL) return;
    __atomic_store_n(&session->holds[op], (uint8_t)(1u << SPA_LAYOUT_PLAIN), __ATOMIC_RELEASE);
}

void spa_session_plain_io(spa_session *session, size_t op)
{
    const spa_graph *graph = session->model->graph;
    const spa_op *o = &graph->ops[op];
    if (session->holds == NULL) return;
    for (uint32_t i = 0; i < o->n_inputs; i++) {
        int32_t from = graph->inputs[o->first_input + i];
        if (from >= 0) convert(session, (size_t)from, SPA_LAYOUT_PLAIN);
    }
    spa_session_declare_plain(session, op);
}

const float *spa_session_output(const spa_session *session, size_t op)
{
    convert(session, op, SPA_LAYOUT_PLAIN);
    return session->outputs[op];
}

/* ---- running --------------------------------------------------------------------------------- */

/* The inputs of an operator, each in the layout that the backend in `slot` wants. */
static void gather_inputs(const spa_session *session, int slot, const spa_op *op,
                          const float **inputs, uint8_t *layouts)
{
    const spa_graph *graph = session->model->graph;
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        int32_t from = graph->inputs[op->first_input + i];
        inputs[i] = session->inputs[op->first_input + i];
        layouts[i] = SPA_LAYOUT_PLAIN;
        if (from < 0) continue;
        spa_layout layout = op->kind == SPA_OP_RESHAPE
                                ? SPA_LAYOUT_PLAIN /* a view of the plain one */
                                : wanted(session->model, slot, (size_t)from);
        convert(session, (size_t)from, layout);
        layouts[i] = (uint8_t)layout;
        if (layout == SPA_LAYOUT_BLOCKED) inputs[i] = session->blocked[from];
    }
}

spa_status spa_session_run_op(spa_session *session, const spa_backend *backend, size_t index,
                              void *workspace, spa_error *err)
{
    const spa_model *model = session->model;
    const spa_op *op = &model->graph->ops[index];
    const float *inputs[SPA_MAX_OP_INPUTS];
    uint8_t input_layouts[SPA_MAX_OP_INPUTS];
    int slot;
    SPA_TRY(find_prepared(session, backend, &slot, err));
    if (op->kind == SPA_OP_RESHAPE && session->holds == NULL) return SPA_OK;
    spa_layout layout = wanted(model, slot, index);
    const spa_step_layouts layouts = {
        .blocked_by = model->blocked_by, .op = index, .output = layout, .inputs = input_layouts};
    spa_kernel_args args = {
        .graph = model->graph,
        .op = op,
        .inputs = session->inputs + op->first_input,
        .params = op_params(model, index),
        .state = model->states[slot][index],
        .output = layout == SPA_LAYOUT_BLOCKED ? session->blocked[index] : session->outputs[index],
        .workspace = workspace,
    };
    if (session->holds != NULL) {
        gather_inputs(session, slot, op, inputs, input_layouts);
        args.inputs = inputs;
    }
    if (op->kind != SPA_OP_RESHAPE)
        SPA_TRY(spa_kernel_run(backend, &args, session->holds != NULL ? &layouts : NULL, err));
    if (session->holds != NULL)
        __atomic_store_n(&session->holds[index], (uint8_t)(1u << layout), __ATOMIC_RELEASE);
    return SPA_OK;
}

spa_status spa_session_run(spa_session *session, const spa_backend *const *backends,
                           void *workspace, spa_op_observer *observer, void *context,
                           spa_error *err)
{
    for (size_t i = 0; i < session->model->graph->n_ops; i++) {
        SPA_TRY(spa_session_run_op(session, backends[i], i, workspace, err));
        if (observer != NULL) observer(context, session, i);
    }
    return SPA_OK;
}

double spa_session_output_zeros(const spa_session *session, size_t op)
{
    size_t n = spa_shape_count(&session->model->graph->ops[op].out);
    return (double)spa_vector_best()->count_zeros(spa_session_output(session, op), n) / (double)n;
}

double spa_nmse(const float *x, const float *reference, size_t n)
{
    double error = 0, power = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)x[i] - reference[i];
        error += d * d;
        power += (double)reference[i] * reference[i];
    }
    if (!isfinite(error)) return NAN;
    return power > 0 ? error / power : error > 0 ? INFINITY : 0;
}
