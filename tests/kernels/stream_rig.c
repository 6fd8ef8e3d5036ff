#include "tests/kernels/stream_rig.h"

#include <stdlib.h>
#include <string.h>

static spa_status make_streams(stream_rig *rig, spa_error *err)
{
    const spa_stream_device *d = rig->device;
    SPA_TRY(d->stream_new(rig->accelerator, &rig->compute, err));
    SPA_TRY(d->stream_new(rig->accelerator, &rig->copies, err));
    SPA_TRY(d->reserve(rig->compute, rig->model, err));
    SPA_TRY(d->event_new(rig->accelerator, true, &rig->uploaded, err));
    return d->event_new(rig->accelerator, true, &rig->computed, err);
}

spa_status stream_rig_init(stream_rig *rig, const spa_stream_device *device,
                           const spa_stream_config *config, const spa_model *model, spa_dtype dtype,
                           spa_error *err)
{
    memset(rig, 0, sizeof *rig);
    rig->device = device;
    rig->dtype = dtype;
    SPA_TRY(spa_session_init(&rig->session, model, SPA_BUFFERS_OWN, err));
    SPA_TRY(device->open(config, &rig->accelerator, err));
    SPA_TRY(device->pin(rig->accelerator, rig->session.memory, rig->session.memory_bytes, err));
    rig->pinned = true;
    SPA_TRY(device->prepare(rig->accelerator, model, dtype, &rig->model, err));
    void *memory;
    SPA_TRY(device->alloc(rig->accelerator,
                          rig->session.memory_bytes / sizeof(float) * spa_dtype_bytes(dtype),
                          &memory, err));
    rig->memory = memory;
    return make_streams(rig, err);
}

void stream_rig_fini(stream_rig *rig)
{
    const spa_stream_device *d = rig->device;
    if (rig->accelerator) {
        d->stream_free(rig->compute);
        d->stream_free(rig->copies);
        d->event_free(rig->uploaded);
        d->event_free(rig->computed);
        d->forget(rig->model);
        d->release(rig->accelerator, rig->memory);
        if (rig->pinned) d->unpin(rig->accelerator, rig->session.memory);
        d->close(rig->accelerator);
    }
    spa_session_fini(&rig->session);
    memset(rig, 0, sizeof *rig);
}

void *stream_rig_address(const stream_rig *rig, const float *host)
{
    return rig->memory + (size_t)(host - rig->session.memory) * spa_dtype_bytes(rig->dtype);
}

spa_status stream_rig_copy(stream_rig *rig, spa_stream *stream, spa_copy_direction direction,
                           float *host, size_t elements, spa_error *err)
{
    spa_stream_copy copy = {.direction = direction,
                            .dtype = rig->dtype,
                            .elements = elements,
                            .host = host,
                            .device = stream_rig_address(rig, host)};
    return rig->device->enqueue_copy(stream, &copy, err);
}

spa_status stream_rig_op(stream_rig *rig, spa_stream *stream, size_t op, spa_error *err)
{
    const spa_op *o = &rig->session.model->graph->ops[op];
    const void *inputs[SPA_MAX_OP_INPUTS];
    for (uint32_t i = 0; i < o->n_inputs; i++)
        inputs[i] = stream_rig_address(rig, rig->session.inputs[o->first_input + i]);
    spa_stream_call call = {.model = rig->model,
                            .op = op,
                            .inputs = inputs,
                            .output = stream_rig_address(rig, rig->session.outputs[op])};
    return rig->device->enqueue_op(stream, &call, err);
}

spa_status stream_rig_upload(stream_rig *rig, spa_error *err)
{
    const spa_graph *g = rig->session.model->graph;
    for (size_t k = 0; k < g->n_graph_inputs; k++)
        SPA_TRY(stream_rig_copy(rig, rig->copies, SPA_COPY_TO_DEVICE, rig->session.graph_inputs[k],
                                (size_t)spa_shape_elements(&g->graph_inputs[k]), err));
    SPA_TRY(rig->device->record(rig->uploaded, rig->copies, err));
    return rig->device->wait(rig->compute, rig->uploaded, err);
}

spa_status stream_rig_ops(stream_rig *rig, spa_stream_graph **graph, spa_error *err)
{
    size_t n = rig->session.model->graph->n_ops;
    if (graph) SPA_TRY(rig->device->capture_begin(rig->compute, err));
    spa_status status = SPA_OK;
    for (size_t i = 0; i < n && status == SPA_OK; i++)
        status = stream_rig_op(rig, rig->compute, i, err);
    if (!graph) return status;
    spa_status end = rig->device->capture_end(rig->compute, graph, status ? NULL : err);
    return status ? status : end;
}

spa_status stream_rig_infer(stream_rig *rig, spa_error *err)
{
    const spa_graph *g = rig->session.model->graph;
    SPA_TRY(stream_rig_upload(rig, err));
    SPA_TRY(stream_rig_ops(rig, NULL, err));
    SPA_TRY(rig->device->record(rig->computed, rig->compute, err));
    SPA_TRY(rig->device->wait(rig->copies, rig->computed, err));
    for (size_t i = 0; i < g->n_ops; i++) {
        if (g->ops[i].kind == SPA_OP_RESHAPE) continue; /* a view of what comes back anyway */
        SPA_TRY(stream_rig_copy(rig, rig->copies, SPA_COPY_TO_HOST, rig->session.outputs[i],
                                (size_t)spa_shape_elements(&g->ops[i].out), err));
    }
    return rig->device->synchronise(rig->copies, err);
}
