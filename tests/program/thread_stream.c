/* The emulated device under ThreadSanitizer: two compute streams and a copy stream, recorded
 * graphs, and a second thread that does nothing but query events. Answers are those of the calling
 * thread's `blas`. A plain program, because Criterion cannot start there. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/worker.h"
#include "tests/kernels/stream_rig.h"
#include "tests/random_graph.h"

enum { ROUNDS = 40, OPS = 20 };

static const spa_stream_device *const device = &spa_stream_device_emulated;

static void must(spa_status status, const spa_error *err)
{
    if (!status) return;
    fprintf(stderr, "thread_stream: %s\n", err->message);
    exit(1);
}

typedef struct poller {
    spa_stream_event *event;
    const float *answer; /* read when the event is done */
    size_t n;
    double sum;
    atomic_bool go, seen, stop;
} poller;

/* Waits for `go`, polls until the event is done, reads what the device wrote, reports. */
static void *poll(void *user)
{
    poller *p = user;
    spa_error err = {0};
    while (!atomic_load_explicit(&p->stop, memory_order_acquire)) {
        if (!atomic_exchange(&p->go, false)) continue;
        bool done = false;
        while (!done) must(device->query(p->event, &done, &err), &err);
        p->sum = 0;
        for (size_t i = 0; i < p->n; i++) p->sum += p->answer[i];
        atomic_store_explicit(&p->seen, true, memory_order_release);
    }
    return NULL;
}

static double expected_sum(const stream_rig *rig, spa_model *model, size_t last)
{
    spa_session session;
    spa_error err = {0};
    const spa_backend *backends[OPS];
    const spa_graph *g = model->graph;
    void *workspace;
    double sum = 0;
    must(spa_model_prepare(model, &spa_backend_blas, &err), &err);
    must(spa_session_init(&session, model, SPA_BUFFERS_OWN, &err), &err);
    must(spa_alloc_aligned(&workspace, spa_model_workspace_bytes(model, &spa_backend_blas), &err),
         &err);
    for (size_t i = 0; i < OPS; i++) backends[i] = &spa_backend_blas;
    memcpy(session.graph_inputs[0], rig->session.graph_inputs[0],
           (size_t)spa_shape_elements(&g->graph_inputs[0]) * sizeof(float));
    must(spa_session_run(&session, backends, workspace, NULL, NULL, &err), &err);
    for (int64_t i = 0; i < spa_shape_elements(&g->ops[last].out); i++)
        sum += session.outputs[last][i];
    free(workspace);
    spa_session_fini(&session);
    return sum;
}

/* Operators alternate between two streams; an event after each orders them. */
static void enqueue_alternating(stream_rig *rig, spa_stream *other, spa_stream_event *step,
                                spa_error *err)
{
    for (size_t i = 0; i < OPS; i++) {
        spa_stream *here = i % 2 ? other : rig->compute, *there = i % 2 ? rig->compute : other;
        must(stream_rig_op(rig, here, i, err), err);
        must(device->record(step, here, err), err);
        must(device->wait(there, step, err), err);
    }
}

int main(void)
{
    spa_graph graph;
    spa_model model;
    stream_rig rig;
    spa_stream *other;
    spa_stream_event *step, *fetched;
    spa_stream_graph *recorded;
    spa_error err = {0};
    pthread_t thread;
    int wrong = 0;
    spa_stream_config config = spa_stream_config_default();
    while (!spa_core_allowed(config.index)) config.index++;
    must(random_graph(&graph, 7, OPS, &err), &err);
    must(spa_model_init(&model, &graph, 7, &err), &err);
    must(stream_rig_init(&rig, device, &config, &model, SPA_FP32, &err), &err);
    must(device->stream_new(rig.accelerator, &other, &err), &err);
    must(device->reserve(other, rig.model, &err), &err);
    must(device->event_new(rig.accelerator, false, &step, &err), &err);
    must(device->event_new(rig.accelerator, false, &fetched, &err), &err);
    must(stream_rig_ops(&rig, &recorded, &err), &err);
    size_t last = OPS - 1;
    while (graph.ops[last].kind == SPA_OP_RESHAPE) last--;
    poller p = {.event = fetched,
                .answer = rig.session.outputs[last],
                .n = (size_t)spa_shape_elements(&graph.ops[last].out)};
    if (pthread_create(&thread, NULL, poll, &p) != 0) return 1;
    for (int round = 0; round < ROUNDS; round++) {
        spa_session_fill_inputs(&rig.session, (uint64_t)round, 0);
        double expected = expected_sum(&rig, &model, last);
        must(stream_rig_upload(&rig, &err), &err);
        if (round % 2)
            must(device->launch(recorded, &err), &err);
        else
            enqueue_alternating(&rig, other, step, &err);
        must(device->record(rig.computed, rig.compute, &err), &err);
        must(device->wait(rig.copies, rig.computed, &err), &err);
        must(device->record(step, other, &err), &err);
        must(device->wait(rig.copies, step, &err), &err);
        must(stream_rig_copy(&rig, rig.copies, SPA_COPY_TO_HOST, rig.session.outputs[last], p.n,
                             &err),
             &err);
        must(device->record(fetched, rig.copies, &err), &err);
        atomic_store(&p.go, true);
        while (!atomic_load_explicit(&p.seen, memory_order_acquire)) {
        }
        atomic_store(&p.seen, false);
        wrong += !(fabs(p.sum - expected) <= 1e-4 * (1 + fabs(expected)));
    }
    atomic_store_explicit(&p.stop, true, memory_order_release);
    pthread_join(thread, NULL);
    device->graph_free(recorded);
    device->stream_free(other);
    device->event_free(step);
    device->event_free(fetched);
    stream_rig_fini(&rig);
    spa_model_fini(&model);
    spa_graph_fini(&graph);
    if (wrong)
        fprintf(stderr, "thread_stream: %d of %d answers are wrong\n", wrong, ROUNDS);
    else
        printf("thread_stream: %d inferences over three streams, right answers\n", ROUNDS);
    return wrong != 0;
}
