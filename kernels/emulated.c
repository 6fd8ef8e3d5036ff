/* The emulated device: memory, models, and how an operator runs. */
#include "kernels/emulated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dims.h"
#include "kernels/half.h"
#include "kernels/steps.h"

static spa_status probe(int32_t index, spa_error *err)
{
    if (spa_core_allowed(index)) return SPA_OK;
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "emulated device: core %d is not one this process may use", (int)index);
}

static void fini(emulated_device *d)
{
    if (d->worker != NULL) {
        pthread_mutex_lock(&d->mutex);
        d->quit = true;
        atomic_fetch_add(&d->calls, 1);
        pthread_cond_broadcast(&d->work);
        pthread_mutex_unlock(&d->mutex);
        spa_worker_free(d->worker);
    }
    pthread_cond_destroy(&d->work);
    pthread_cond_destroy(&d->done);
    pthread_mutex_destroy(&d->mutex);
    for (size_t i = 0; i < d->memory.count; i++) free((void *)d->memory.range[i].begin);
    free(d->memory.range);
    free(d->pinned.range);
    free(d);
}

static spa_status open_device(const spa_stream_config *config, spa_accelerator **out,
                              spa_error *err)
{
    emulated_device *d;
    *out = NULL;
    SPA_TRY(probe(config->index, err));
    const spa_backend *backend = config->backend != NULL ? config->backend : &spa_backend_blas;
    SPA_TRY(backend->probe(err));
    SPA_TRY(spa_alloc(&d, 1, sizeof *d, err));
    d->base.device = &spa_stream_device_emulated;
    d->base.shares_memory = config->shares_memory;
    d->core = config->index;
    d->backend = backend;
    d->synchronous = config->synchronous;
    d->newest_first = config->newest_first;
    d->spin_ns = config->spin_ns;
    d->limit_bytes = config->memory_limit_bytes;
    pthread_mutex_init(&d->mutex, NULL);
    pthread_cond_init(&d->work, NULL);
    pthread_cond_init(&d->done, NULL);
    atomic_init(&d->calls, 0);
    atomic_init(&d->failed, false);
    spa_status status = spa_worker_new(&d->worker, config->index, err);
    if (status != SPA_OK) {
        fini(d);
        return status;
    }
    spa_worker_start(d->worker, spa_emulated_work, d);
    *out = &d->base;
    return SPA_OK;
}

static void close_device(spa_accelerator *accelerator)
{
    if (accelerator != NULL) fini((emulated_device *)accelerator);
}

static void describe(const spa_accelerator *accelerator, char *text, size_t size)
{
    const emulated_device *d = (const emulated_device *)accelerator;
    char kernels[128];
    d->backend->describe(kernels, sizeof kernels);
    snprintf(text, size, "emulated device on core %d, %s", (int)d->core, kernels);
}

/* ---- memory -------------------------------------------------------------------------------- */

static spa_status alloc(spa_accelerator *accelerator, size_t bytes, void **out, spa_error *err)
{
    emulated_device *d = (emulated_device *)accelerator;
    *out = NULL;
    size_t size = bytes == 0 ? 256 : bytes;
    pthread_mutex_lock(&d->mutex);
    spa_status status = SPA_OK;
    if (d->limit_bytes != 0 && size > d->limit_bytes - d->used_bytes)
        status = spa_fail(err, SPA_E_NOMEM,
                          "emulated device: no memory for %zu bytes; %zu of %zu are in use", size,
                          d->used_bytes, d->limit_bytes);
    else if (posix_memalign(out, 256, size) != 0)
        status = spa_fail_nomem(err, size);
    if (status == SPA_OK) {
        memset(*out, 0xff, size); /* NaN: what is read before it was written shows */
        status = spa_ranges_add(&d->memory, *out, size, *out, err);
        if (status == SPA_OK) {
            d->used_bytes += size;
        } else {
            free(*out);
            *out = NULL;
        }
    }
    pthread_mutex_unlock(&d->mutex);
    return status;
}

static void release(spa_accelerator *accelerator, void *memory)
{
    emulated_device *d = (emulated_device *)accelerator;
    if (memory == NULL) return;
    pthread_mutex_lock(&d->mutex);
    d->used_bytes -= spa_ranges_remove(&d->memory, memory);
    pthread_mutex_unlock(&d->mutex);
    free(memory);
}

static spa_status pin(spa_accelerator *accelerator, void *host, size_t bytes, spa_error *err)
{
    emulated_device *d = (emulated_device *)accelerator;
    pthread_mutex_lock(&d->mutex);
    spa_status status = spa_ranges_add(&d->pinned, host, bytes, host, err);
    pthread_mutex_unlock(&d->mutex);
    return status;
}

static void unpin(spa_accelerator *accelerator, void *host)
{
    emulated_device *d = (emulated_device *)accelerator;
    pthread_mutex_lock(&d->mutex);
    spa_ranges_remove(&d->pinned, host);
    pthread_mutex_unlock(&d->mutex);
}

static spa_status map(spa_accelerator *accelerator, const void *host, void **device, spa_error *err)
{
    emulated_device *d = (emulated_device *)accelerator;
    *device = NULL;
    if (!d->base.shares_memory)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "the emulated device has memory of its own; copy to it");
    pthread_mutex_lock(&d->mutex);
    bool pinned = spa_ranges_find(&d->pinned, host, 1) != NULL;
    pthread_mutex_unlock(&d->mutex);
    if (!pinned) return spa_fail(err, SPA_E_INVALID, "mapping host memory that is not pinned");
    *device = (void *)(uintptr_t)host;
    return SPA_OK;
}

/* ---- models -------------------------------------------------------------------------------- */

static size_t align(size_t bytes)
{
    return (bytes + SPA_KERNEL_ALIGN - 1) / SPA_KERNEL_ALIGN * SPA_KERNEL_ALIGN;
}

/* Workspace of the backend, then (fp16) the inputs and the output as floats. */
static size_t op_workspace(const emulated_model *m, const spa_op *op)
{
    size_t bytes = align(spa_kernel_workspace_bytes(m->backend, m->graph, op));
    if (m->dtype == SPA_FP32) return bytes;
    for (uint32_t i = 0; i < op->n_inputs; i++)
        bytes += align(spa_shape_count(spa_graph_input_shape(m->graph, op, i)) * sizeof(float));
    return bytes + align(spa_shape_count(&op->out) * sizeof(float));
}

static void forget(spa_stream_model *model)
{
    emulated_model *m = (emulated_model *)model;
    if (m == NULL) return;
    for (size_t i = 0; i < m->graph->n_ops && m->states != NULL; i++)
        m->backend->release(m->states[i]);
    free(m->states);
    free(m->params);
    free(m->weights);
    free(m);
}

static spa_status copy_weights(emulated_model *m, const spa_model *model, spa_error *err)
{
    size_t n = m->graph->n_ops * SPA_MAX_PARAMS;
    SPA_TRY(spa_alloc_aligned(&m->weights, model->weight_bytes, err));
    SPA_TRY(spa_alloc(&m->params, n, sizeof(float *), err));
    memcpy(m->weights, model->weights, model->weight_bytes);
    for (size_t i = 0; i < n; i++)
        if (model->params[i] != NULL)
            m->params[i] = m->weights + (model->params[i] - model->weights);
    if (m->dtype == SPA_FP32) return SPA_OK;
    for (size_t i = 0; i < model->weight_bytes / sizeof(float); i++)
        m->weights[i] = spa_half_to_float(spa_half_from_float(m->weights[i]));
    return SPA_OK;
}

static spa_status prepare(spa_accelerator *accelerator, const spa_model *model, spa_dtype dtype,
                          spa_stream_model **out, spa_error *err)
{
    emulated_device *d = (emulated_device *)accelerator;
    const spa_graph *g = model->graph;
    emulated_model *m;
    *out = NULL;
    SPA_TRY(spa_backend_check(d->backend, g, err));
    if (d->backend->layout != NULL)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "emulated device: '%s' keeps tensors in a layout of its own; use one that "
                        "does not (blas, sparse, ref)",
                        d->backend->name);
    SPA_TRY(spa_alloc(&m, 1, sizeof *m, err));
    *m = (emulated_model){.graph = g, .backend = d->backend, .dtype = dtype};
    spa_status status = copy_weights(m, model, err);
    if (status == SPA_OK) status = spa_alloc(&m->states, g->n_ops, sizeof(void *), err);
    for (size_t i = 0; i < g->n_ops && status == SPA_OK; i++) {
        const spa_op *op = &g->ops[i];
        const float *const *params = (const float *const *)(m->params + i * SPA_MAX_PARAMS);
        status = m->backend->prepare(g, op, params, &m->states[i], err);
        if (status != SPA_OK) break;
        size_t bytes = op_workspace(m, op);
        if (bytes > m->workspace_bytes) m->workspace_bytes = bytes;
    }
    if (status != SPA_OK) {
        forget((spa_stream_model *)m);
        return status;
    }
    *out = (spa_stream_model *)m;
    return SPA_OK;
}

/* ---- operators ----------------------------------------------------------------------------- */

/* Halves are widened into the workspace, computed with, and rounded again. */
static spa_status run_half(spa_kernel_args *args, const emulated_model *m,
                           const emulated_item *item, spa_error *err)
{
    const spa_op *op = args->op;
    const float *inputs[SPA_MAX_OP_INPUTS];
    char *at =
        (char *)args->workspace + align(spa_kernel_workspace_bytes(m->backend, m->graph, op));
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        size_t n = spa_shape_count(spa_graph_input_shape(m->graph, op, i));
        const spa_half *x = item->inputs[i];
        float *wide = (float *)at;
        for (size_t k = 0; k < n; k++) wide[k] = spa_half_to_float(x[k]);
        inputs[i] = wide;
        at += align(n * sizeof(float));
    }
    args->inputs = inputs;
    args->output = (float *)at;
    SPA_TRY(spa_kernel_run(m->backend, args, NULL, err));
    spa_half *y = item->output;
    size_t n = spa_shape_count(&op->out);
    for (size_t k = 0; k < n; k++) y[k] = spa_half_from_float(args->output[k]);
    return SPA_OK;
}

spa_status spa_emulated_run(const emulated_stream *stream, const emulated_item *item,
                            spa_error *err)
{
    const emulated_model *m = item->model;
    const spa_op *op = &m->graph->ops[item->op];
    if (op->kind == SPA_OP_RESHAPE) {
        if (item->output != item->inputs[0])
            memcpy(item->output, item->inputs[0],
                   spa_shape_count(&op->out) * spa_dtype_bytes(m->dtype));
        return SPA_OK;
    }
    spa_kernel_args args = {
        .graph = m->graph,
        .op = op,
        .inputs = (const float *const *)item->inputs,
        .params = (const float *const *)(m->params + item->op * SPA_MAX_PARAMS),
        .state = m->states[item->op],
        .output = item->output,
        .workspace = stream->workspace,
    };
    spa_error why = {0};
    spa_status status = m->dtype == SPA_FP16 ? run_half(&args, m, item, &why)
                                             : spa_kernel_run(m->backend, &args, NULL, &why);
    if (status == SPA_OK) return SPA_OK;
    return spa_fail(err, status, "emulated device: operator '%s' (%s): %s", op->name,
                    spa_op_kind_name(op->kind), why.message);
}

const spa_stream_device spa_stream_device_emulated = {
    .name = "emulated",
    .summary = "a pinned CPU thread with memory of its own, for tests without a GPU",
    .probe = probe,
    .open = open_device,
    .close = close_device,
    .describe = describe,
    .alloc = alloc,
    .release = release,
    .pin = pin,
    .unpin = unpin,
    .map = map,
    .prepare = prepare,
    .forget = forget,
    .stream_new = spa_emulated_stream_new,
    .stream_free = spa_emulated_stream_free,
    .reserve = spa_emulated_reserve,
    .enqueue_op = spa_emulated_enqueue_op,
    .enqueue_copy = spa_emulated_enqueue_copy,
    .synchronise = spa_emulated_synchronise,
    .event_new = spa_emulated_event_new,
    .event_free = spa_emulated_event_free,
    .record = spa_emulated_record,
    .wait = spa_emulated_wait,
    .query = spa_emulated_query,
    .event_synchronise = spa_emulated_event_synchronise,
    .elapsed_ns = spa_emulated_elapsed_ns,
    .capture_begin = spa_emulated_capture_begin,
    .capture_end = spa_emulated_capture_end,
    .launch = spa_emulated_launch,
    .graph_free = spa_emulated_graph_free,
};
