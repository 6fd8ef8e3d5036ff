/* Placements run segment by segment on the emulated device and the calling thread: the answers are
 * those of one backend, whatever the placement. The smallest whole driver of kernels/stream.h. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/segments.h"
#include "kernels/worker.h"
#include "tests/base/check.h"
#include "tests/kernels/agree.h"
#include "tests/kernels/stream_rig.h"
#include "tests/random_graph.h"

enum { OPS = 24, QUEUES = 2 };

static const spa_stream_device *const emulated = &spa_stream_device_emulated;

typedef struct driver {
    stream_rig rig;
    spa_model *model;
    int32_t queue[OPS];
    spa_segments segments;
    spa_stream *streams[QUEUES];
    spa_stream_graph *graphs[OPS];    /* per segment */
    spa_stream_event *done[OPS];      /* per segment: it has run */
    spa_stream_event *moved[OPS + 4]; /* per value (operators, graph inputs): its copy is there */
    bool on_host[OPS];                /* operators of queues: brought to the host already */
    bool on_device[OPS + 4];          /* of the host and graph inputs: copied to the device */
    void *workspace;
} driver;

static void driver_init(driver *d, spa_model *model)
{
    spa_stream_config config = spa_stream_config_default();
    while (!spa_core_allowed(config.index)) config.index++;
    d->model = model;
    expect_ok(spa_model_prepare(model, &spa_backend_blas, err));
    expect_ok(stream_rig_init(&d->rig, emulated, &config, model, SPA_FP32, err));
    expect_ok(spa_segments_init(&d->segments, model->graph, d->queue, QUEUES, NULL, err));
    for (int q = 0; q < QUEUES; q++) {
        expect_ok(emulated->stream_new(d->rig.accelerator, &d->streams[q], err));
        expect_ok(emulated->reserve(d->streams[q], d->rig.model, err));
    }
    for (size_t i = 0; i < OPS + 4; i++)
        expect_ok(emulated->event_new(d->rig.accelerator, false, &d->moved[i], err));
    for (size_t k = 0; k < d->segments.n_segments; k++) {
        const spa_segment *s = &d->segments.segments[k];
        spa_stream *stream = d->streams[s->queue];
        expect_ok(emulated->event_new(d->rig.accelerator, false, &d->done[k], err));
        expect_ok(emulated->capture_begin(stream, err));
        for (uint32_t i = 0; i < s->n_ops; i++)
            expect_ok(stream_rig_op(&d->rig, stream, d->segments.ops[s->first_op + i], err));
        expect_ok(emulated->capture_end(stream, &d->graphs[k], err));
    }
    expect_ok(
        spa_alloc_aligned(&d->workspace, spa_model_workspace_bytes(model, &spa_backend_blas), err));
}

static void driver_fini(driver *d)
{
    for (size_t k = 0; k < d->segments.n_segments; k++) {
        emulated->graph_free(d->graphs[k]);
        emulated->event_free(d->done[k]);
    }
    for (int q = 0; q < QUEUES; q++) emulated->stream_free(d->streams[q]);
    for (size_t i = 0; i < OPS + 4; i++) emulated->event_free(d->moved[i]);
    free(d->workspace);
    spa_segments_fini(&d->segments);
    stream_rig_fini(&d->rig);
}

/* What a value shows, if it is a view. */
static int32_t shown_by(const spa_graph *g, int32_t value)
{
    while (value >= 0 && g->ops[value].kind == SPA_OP_RESHAPE)
        value = g->inputs[g->ops[value].first_input];
    return value;
}

/* A segment waits for what it needs from elsewhere: copies of the host's values, other queues. */
static void launch_segment(driver *d, size_t k)
{
    const spa_segment *s = &d->segments.segments[k];
    const spa_graph *g = d->model->graph;
    spa_stream *stream = d->streams[s->queue];
    for (uint32_t i = 0; i < s->n_arrivals; i++) {
        int32_t from = d->segments.arrivals[s->first_arrival + i];
        if (from >= 0 && d->queue[from] >= 0) {
            expect_ok(emulated->wait(stream, d->done[d->segments.segment_of[from]], err));
            continue;
        }
        size_t value = from >= 0 ? (size_t)from : OPS + (size_t)~from;
        const spa_shape *shape = from >= 0 ? &g->ops[from].out : &g->graph_inputs[~from];
        float *host = from >= 0 ? d->rig.session.outputs[from] : d->rig.session.graph_inputs[~from];
        if (!d->on_device[value]) {
            expect_ok(stream_rig_copy(&d->rig, d->rig.copies, SPA_COPY_TO_DEVICE, host,
                                      (size_t)spa_shape_elements(shape), err));
            expect_ok(emulated->record(d->moved[value], d->rig.copies, err));
            d->on_device[value] = true;
        }
        expect_ok(emulated->wait(stream, d->moved[value], err));
    }
    expect_ok(emulated->launch(d->graphs[k], err));
    expect_ok(emulated->record(d->done[k], stream, err));
}

/* Brings a queue's value to the host and waits for it. */
static void fetch(driver *d, size_t op)
{
    if (d->queue[op] < 0 || d->on_host[op]) return;
    expect_ok(emulated->wait(d->rig.copies, d->done[d->segments.segment_of[op]], err));
    expect_ok(stream_rig_copy(&d->rig, d->rig.copies, SPA_COPY_TO_HOST, d->rig.session.outputs[op],
                              (size_t)spa_shape_elements(&d->model->graph->ops[op].out), err));
    expect_ok(emulated->record(d->moved[op], d->rig.copies, err));
    expect_ok(emulated->event_synchronise(d->moved[op], err));
    d->on_host[op] = true;
}

static void run(driver *d)
{
    const spa_graph *g = d->model->graph;
    for (size_t i = 0; i < OPS; i++) {
        const spa_op *op = &g->ops[i];
        uint32_t k = d->segments.segment_of[i];
        if (op->kind == SPA_OP_RESHAPE) continue;
        if (k != SPA_SEGMENT_NONE) {
            if (d->segments.ops[d->segments.segments[k].first_op] == i) launch_segment(d, k);
            continue;
        }
        for (uint32_t e = 0; e < op->n_inputs; e++) {
            int32_t from = shown_by(g, g->inputs[op->first_input + e]);
            if (from >= 0) fetch(d, (size_t)from);
        }
        expect_ok(spa_session_run_op(&d->rig.session, &spa_backend_blas, i, d->workspace, err));
    }
    for (size_t i = 0; i < OPS; i++) {
        int32_t last = shown_by(g, (int32_t)i);
        if (g->first_consumer[i] == g->first_consumer[i + 1] && last >= 0) fetch(d, (size_t)last);
    }
}

static void expect_answers(const driver *d, uint64_t seed)
{
    const spa_graph *g = d->model->graph;
    spa_session session;
    const spa_backend *backends[OPS];
    for (size_t i = 0; i < OPS; i++) backends[i] = &spa_backend_blas;
    expect_ok(spa_session_init(&session, d->model, SPA_BUFFERS_OWN, err));
    spa_session_fill_inputs(&session, seed, 0);
    expect_ok(spa_session_run(&session, backends, d->workspace, NULL, NULL, err));
    for (size_t i = 0; i < OPS; i++) {
        if (g->first_consumer[i] != g->first_consumer[i + 1]) continue;
        double nmse = spa_nmse(d->rig.session.outputs[i], session.outputs[i],
                               (size_t)spa_shape_elements(&g->ops[i].out));
        cr_assert(nmse <= AGREE_NMSE, "seed %d, %s: NMSE %g", (int)seed, g->ops[i].name, nmse);
    }
    spa_session_fini(&session);
}

Test(kernels_segments, every_placement_gives_the_same_answer)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        driver d = {0};
        spa_graph graph;
        spa_model model;
        spa_rng rng;
        expect_ok(random_graph(&graph, seed, OPS, err));
        expect_ok(spa_model_init(&model, &graph, seed, err));
        spa_rng_init(&rng, seed, "placement");
        for (size_t i = 0; i < OPS; i++) d.queue[i] = (int32_t)spa_rng_below(&rng, QUEUES + 1) - 1;
        driver_init(&d, &model);
        spa_session_fill_inputs(&d.rig.session, seed, 0);
        run(&d);
        expect_answers(&d, seed);
        driver_fini(&d);
        spa_model_fini(&model);
        spa_graph_fini(&graph);
    }
}
