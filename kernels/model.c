/* Models: parameters, packing per backend, running. Sessions are planned in session.c. */
#include "kernels/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dims.h"
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
    for (size_t i = 0; i < graph->n_ops && status == SPA_OK; i++) spa_weights_draw(model, i);
    if (status == SPA_OK) status = spa_weights_calibrate(model, err);
    if (status != SPA_OK) spa_model_fini(model);
    return status;
}

static void release_states(spa_model *model, size_t backend)
{
    if (model->states[backend] == NULL) return;
    for (size_t i = 0; i < model->graph->n_ops; i++)
        model->prepared[backend]->release(model->states[backend][i]);
    free(model->states[backend]);
    free(model->layouts[backend]);
    model->states[backend] = NULL;
    model->layouts[backend] = NULL;
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
    SPA_TRY(spa_alloc(&model->states[slot], graph->n_ops, sizeof(void *), err));
    model->prepared[slot] = backend;
    if (backend->layouts) {
        spa_status status = spa_alloc(&model->layouts[slot], graph->n_ops, 1, err);
        if (status != SPA_OK) {
            free(model->states[slot]);
            model->states[slot] = NULL;
            return status;
        }
        backend->layouts(graph, model->layouts[slot]);
    }
    for (size_t i = 0; i < graph->n_ops; i++) {
        spa_status status = backend->prepare(graph, &graph->ops[i], op_params(model, i),
                                             &model->states[slot][i], err);
        if (status == SPA_OK) continue;
        release_states(model, slot);
        return status;
    }
    model->n_prepared++;
    return SPA_OK;
}

size_t spa_model_workspace_bytes(const spa_model *model, const spa_backend *backend)
{
    size_t largest = 0;
    int slot = prepared_index(model, backend);
    for (size_t i = 0; i < model->graph->n_ops; i++) {
        size_t bytes = backend->workspace_bytes(model->graph, &model->graph->ops[i],
                                                slot < 0 ? NULL : model->states[slot][i]);
        if (bytes > largest) largest = bytes;
    }
    return largest;
}

/* ---- layouts -----------------------------------------------------------------------------------
 */

#define CONVERTING 0x80u /* in `holds`: somebody is at it */

/* Outputs of views are plain: what a view reads is. */
static uint8_t layout_for(const spa_model *model, int slot, int32_t op)
{
    return op < 0 || !model->layouts[slot] ? SPA_LAYOUT_PLAIN : model->layouts[slot][op];
}

static float *blocked_of(const spa_session *session, size_t op)
{
    return session->blocked_memory + (session->outputs[op] - session->memory);
}

static float *value_in(const spa_session *session, size_t op, uint8_t layout)
{
    return layout == SPA_LAYOUT_BLOCKED ? blocked_of(session, op) : session->outputs[op];
}

static bool holds(const spa_session *session, size_t op, uint8_t layout)
{
    return atomic_load_explicit(&session->holds[op], memory_order_acquire) >> layout & 1u;
}

/* The backend whose blocks these are: one of those that are prepared. */
static const spa_backend *blocking_backend(const spa_model *model)
{
    for (size_t b = 0; b < model->n_prepared; b++)
        if (model->layouts[b]) return model->prepared[b];
    return NULL;
}

static void convert_to(spa_session *session, size_t op, uint8_t layout)
{
    const spa_model *model = session->model;
    for (;;) {
        unsigned char held = atomic_load_explicit(&session->holds[op], memory_order_acquire);
        if (held >> layout & 1u) return;
        if (held & CONVERTING) continue; /* another lane makes this very copy */
        if (atomic_compare_exchange_weak_explicit(&session->holds[op], &held, held | CONVERTING,
                                                  memory_order_acquire, memory_order_relaxed))
            break;
    }
    uint8_t other = layout == SPA_LAYOUT_PLAIN ? SPA_LAYOUT_BLOCKED : SPA_LAYOUT_PLAIN;
    blocking_backend(model)->convert(&model->graph->ops[op].out, value_in(session, op, other),
                                     value_in(session, op, layout), layout == SPA_LAYOUT_PLAIN);
    atomic_store_explicit(&session->holds[op], 1u << SPA_LAYOUT_PLAIN | 1u << SPA_LAYOUT_BLOCKED,
                          memory_order_release);
}

bool spa_session_is_ready(const spa_session *session, const spa_backend *backend, size_t op)
{
    int slot = prepared_index(session->model, backend);
    if (!session->holds || slot < 0 || session->model->graph->ops[op].kind == SPA_OP_RESHAPE)
        return true;
    return holds(session, op, layout_for(session->model, slot, (int32_t)op));
}

static spa_status fail_unprepared(const spa_model *model, const spa_backend *backend,
                                  spa_error *err)
{
    return spa_fail(err, SPA_E_INVALID, "model '%s' is not prepared for backend '%s'",
                    model->graph->name, backend->name);
}

spa_status spa_session_convert(spa_session *session, const spa_backend *backend, size_t op,
                               spa_error *err)
{
    int slot = prepared_index(session->model, backend);
    if (slot < 0) return fail_unprepared(session->model, backend, err);
    if (session->holds && session->model->graph->ops[op].kind != SPA_OP_RESHAPE)
        convert_to(session, op, layout_for(session->model, slot, (int32_t)op));
    return SPA_OK;
}

const float *spa_session_plain(spa_session *session, size_t op)
{
    if (session->holds && session->model->graph->ops[op].kind != SPA_OP_RESHAPE)
        convert_to(session, op, SPA_LAYOUT_PLAIN);
    return session->outputs[op];
}

void spa_session_plain_io(spa_session *session, size_t op)
{
    const spa_graph *graph = session->model->graph;
    const spa_op *o = &graph->ops[op];
    if (!session->holds) return;
    for (uint32_t i = 0; i < o->n_inputs; i++) {
        int32_t from = graph->inputs[o->first_input + i];
        if (from >= 0) spa_session_plain(session, (size_t)from);
    }
    atomic_store_explicit(&session->holds[op], 1u << SPA_LAYOUT_PLAIN, memory_order_release);
}

/* ---- running --------------------------------------------------------------------------------- */

/* Addresses of an operator's inputs in the layouts of a backend, converted where they must be. */
static void gather(spa_session *session, int slot, const spa_op *op, const float **inputs)
{
    const spa_model *model = session->model;
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        int32_t from = model->graph->inputs[op->first_input + i];
        inputs[i] = session->inputs[op->first_input + i];
        if (from < 0 || model->graph->ops[from].kind == SPA_OP_RESHAPE) continue;
        uint8_t layout = layout_for(model, slot, from);
        if (!holds(session, (size_t)from, layout)) convert_to(session, (size_t)from, layout);
        inputs[i] = value_in(session, (size_t)from, layout);
    }
}

spa_status spa_session_run_op(spa_session *session, const spa_backend *backend, size_t index,
                              void *workspace, spa_error *err)
{
    const spa_model *model = session->model;
    const spa_op *op = &model->graph->ops[index];
    int slot = prepared_index(model, backend);
    if (slot < 0) return fail_unprepared(model, backend, err);
    if (op->kind == SPA_OP_RESHAPE) return SPA_OK;
    if (model->layouts[slot] && !session->holds)
        return spa_fail(err, SPA_E_INVALID,
                        "the session of model '%s' was planned before backend '%s' was prepared",
                        model->graph->name, backend->name);
    const float *inputs[SPA_MAX_OP_INPUTS];
    uint8_t layout = layout_for(model, slot, (int32_t)index);
    spa_kernel_args args = {
        .graph = model->graph,
        .op = op,
        .inputs = session->inputs + op->first_input,
        .params = op_params(model, index),
        .state = model->states[slot][index],
        .output = session->outputs[index],
        .workspace = workspace,
    };
    if (session->holds) {
        gather(session, slot, op, inputs);
        args.inputs = inputs;
        args.output = value_in(session, index, layout);
        atomic_store_explicit(&session->holds[index], 1u << layout, memory_order_release);
    }
    return backend->run(&args, err);
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
    const float *values = session->outputs[op];
    bool view = session->model->graph->ops[op].kind == SPA_OP_RESHAPE;
    if (session->holds && !view && !holds(session, op, SPA_LAYOUT_PLAIN))
        values = blocked_of(session, op); /* the same values in another order */
    return (double)spa_vector_best()->count_zeros(values, n) / (double)n;
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
