/* Events and graphs. */
#include <stdlib.h>

#include "kernels/cuda/device/state.h"

static spa_status refuse_capture(const cuda_stream *s, const char *what, spa_error *err)
{
    if (!s->capturing) return SPA_OK;
    return spa_fail(err, SPA_E_INVALID, "%s a stream that is recording a graph", what);
}

spa_status spa_cuda_event_new(spa_accelerator *accelerator, bool timed, spa_stream_event **out,
                              spa_error *err)
{
    cuda_device *d = (cuda_device *)accelerator;
    cuda_event *e;
    *out = NULL;
    SPA_TRY(spa_cuda_enter(d, err));
    SPA_TRY(spa_alloc(&e, 1, sizeof *e, err));
    e->device = d;
    e->timed = timed;
    spa_status status = spa_cuda_check(
        cudaEventCreateWithFlags(&e->event, timed ? cudaEventDefault : cudaEventDisableTiming),
        "making an event", NULL, err);
    if (status != SPA_OK) {
        free(e);
        return status;
    }
    *out = (spa_stream_event *)e;
    return SPA_OK;
}

void spa_cuda_event_free(spa_stream_event *event)
{
    cuda_event *e = (cuda_event *)event;
    if (e == NULL) return;
    (void)cudaSetDevice(e->device->config.index);
    (void)cudaEventDestroy(e->event);
    (void)cudaGetLastError();
    free(e);
}

spa_status spa_cuda_record(spa_stream_event *event, spa_stream *stream, spa_error *err)
{
    cuda_event *e = (cuda_event *)event;
    cuda_stream *s = (cuda_stream *)stream;
    SPA_TRY(refuse_capture(s, "recording an event on", err));
    SPA_TRY(spa_cuda_enter(s->device, err));
    return spa_cuda_check(cudaEventRecord(e->event, s->stream), "recording an event", NULL, err);
}

spa_status spa_cuda_wait(spa_stream *stream, spa_stream_event *event, spa_error *err)
{
    cuda_event *e = (cuda_event *)event;
    cuda_stream *s = (cuda_stream *)stream;
    SPA_TRY(refuse_capture(s, "an event holds back", err));
    SPA_TRY(spa_cuda_enter(s->device, err));
    return spa_cuda_check(cudaStreamWaitEvent(s->stream, e->event, 0), "waiting for an event", NULL,
                          err);
}

spa_status spa_cuda_query(spa_stream_event *event, bool *done, spa_error *err)
{
    cuda_event *e = (cuda_event *)event;
    *done = false;
    SPA_TRY(spa_cuda_enter(e->device, err));
    cudaError_t code = cudaEventQuery(e->event);
    if (code == cudaErrorNotReady) {
        (void)cudaGetLastError(); /* it is no error, and must not look like one later */
        return SPA_OK;
    }
    *done = true; /* a dead device keeps nobody waiting */
    return spa_cuda_check(code, "running what was enqueued", NULL, err);
}

spa_status spa_cuda_event_synchronise(spa_stream_event *event, spa_error *err)
{
    cuda_event *e = (cuda_event *)event;
    SPA_TRY(spa_cuda_enter(e->device, err));
    return spa_cuda_check(cudaEventSynchronize(e->event), "running what was enqueued", NULL, err);
}

spa_status spa_cuda_elapsed_ns(spa_stream_event *from, spa_stream_event *to, double *ns,
                               spa_error *err)
{
    cuda_event *a = (cuda_event *)from, *b = (cuda_event *)to;
    float ms = 0;
    *ns = 0;
    if (!a->timed || !b->timed)
        return spa_fail(err, SPA_E_INVALID, "elapsed time of events that are not timed");
    SPA_TRY(spa_cuda_enter(a->device, err));
    SPA_TRY(spa_cuda_check(cudaEventElapsedTime(&ms, a->event, b->event),
                           "measuring between two events", NULL, err));
    *ns = (double)ms * 1e6;
    return SPA_OK;
}

/* ---- graphs -------------------------------------------------------------------------------- */

spa_status spa_cuda_capture_begin(spa_stream *stream, spa_error *err)
{
    cuda_stream *s = (cuda_stream *)stream;
    SPA_TRY(refuse_capture(s, "recording a graph on", err));
    SPA_TRY(spa_cuda_enter(s->device, err));
    /* Thread-local: queries by other threads do not break the recording. */
    SPA_TRY(spa_cuda_check(cudaStreamBeginCapture(s->stream, cudaStreamCaptureModeThreadLocal),
                           "recording a graph", NULL, err));
    s->capturing = true;
    s->capture_status = SPA_OK;
    return SPA_OK;
}

/* One call that CUDA 11.4, 12 and 13 have in the same form (cudaGraphInstantiate differs). */
static spa_status instantiate(cuda_graph *g, cudaGraph_t recorded, spa_error *err)
{
    SPA_TRY(spa_cuda_check(cudaGraphInstantiateWithFlags(&g->exec, recorded, 0),
                           "making a graph of what was recorded", NULL, err));
    return spa_cuda_check(cudaGraphUpload(g->exec, g->stream->stream), "uploading a graph", NULL,
                          err);
}

spa_status spa_cuda_capture_end(spa_stream *stream, spa_stream_graph **out, spa_error *err)
{
    cuda_stream *s = (cuda_stream *)stream;
    cudaGraph_t recorded = NULL;
    cuda_graph *g = NULL;
    *out = NULL;
    if (!s->capturing) return spa_fail(err, SPA_E_INVALID, "the stream is not recording a graph");
    s->capturing = false;
    SPA_TRY(spa_cuda_enter(s->device, err));
    spa_status status = spa_cuda_check(cudaStreamEndCapture(s->stream, &recorded),
                                       "ending the recording of a graph", NULL, err);
    if (s->capture_status != SPA_OK) { /* the first failure says more than the last */
        status = s->capture_status;
        if (err != NULL) *err = s->capture_error;
    }
    if (status == SPA_OK) status = spa_alloc(&g, 1, sizeof *g, err);
    if (status == SPA_OK) {
        g->stream = s;
        status = instantiate(g, recorded, err);
    }
    if (recorded != NULL) (void)cudaGraphDestroy(recorded);
    if (status != SPA_OK) {
        if (g != NULL && g->exec != NULL) (void)cudaGraphExecDestroy(g->exec);
        free(g);
        return status;
    }
    *out = (spa_stream_graph *)g;
    return SPA_OK;
}

spa_status spa_cuda_launch(spa_stream_graph *graph, spa_error *err)
{
    cuda_graph *g = (cuda_graph *)graph;
    SPA_TRY(refuse_capture(g->stream, "launching a graph on", err));
    SPA_TRY(spa_cuda_enter(g->stream->device, err));
    return spa_cuda_check(cudaGraphLaunch(g->exec, g->stream->stream), "launching a graph", NULL,
                          err);
}

void spa_cuda_graph_free(spa_stream_graph *graph)
{
    cuda_graph *g = (cuda_graph *)graph;
    if (g == NULL) return;
    (void)cudaSetDevice(g->stream->device->config.index);
    (void)cudaStreamSynchronize(g->stream->stream);
    (void)cudaGraphExecDestroy(g->exec);
    (void)cudaGetLastError();
    free(g);
}
