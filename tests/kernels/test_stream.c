/* Asynchronous devices, on the emulated one. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/half.h"
#include "kernels/worker.h"
#include "tests/base/check.h"
#include "tests/kernels/agree.h"
#include "tests/kernels/stream_rig.h"
#include "tests/oom.h"
#include "tests/random_graph.h"

static const spa_stream_device *const emulated = &spa_stream_device_emulated;

static spa_stream_config config_here(void)
{
    spa_stream_config config = spa_stream_config_default();
    while (!spa_core_allowed(config.index)) config.index++;
    return config;
}

/* ---- a backend that can be held up and made to fail ---------------------------------------- */

static atomic_int gate;     /* operators wait until it is open */
static atomic_int started;  /* operators that have begun */
static int failing_op = -1; /* index of the operator that fails */

static spa_status gated_run(const spa_kernel_args *args, spa_error *err)
{
    atomic_fetch_add(&started, 1);
    while (!atomic_load(&gate)) {
    }
    if ((int)(args->op - args->graph->ops) == failing_op)
        return spa_fail(err, SPA_E_INVALID, "asked to fail");
    return spa_backend_ref.run(args, err);
}

static spa_backend gated(void)
{
    spa_backend backend = spa_backend_ref;
    backend.name = "gated";
    backend.run = gated_run;
    return backend;
}

/* ---- a rig on a small graph ---------------------------------------------------------------- */

typedef struct scene {
    spa_graph graph;
    spa_model model;
    spa_backend backend;
    stream_rig rig;
} scene;

static void scene_init(scene *s, spa_dtype dtype, bool with_gate)
{
    memset(s, 0, sizeof *s);
    spa_stream_config config = config_here();
    s->backend = gated();
    if (with_gate) config.backend = &s->backend;
    expect_ok(tiny_chain(&s->graph, err));
    expect_ok(spa_model_init(&s->model, &s->graph, 3, err));
    expect_ok(stream_rig_init(&s->rig, emulated, &config, &s->model, dtype, err));
    spa_session_fill_inputs(&s->rig.session, 4, 0);
}

static void scene_fini(scene *s)
{
    atomic_store(&gate, 1);
    stream_rig_fini(&s->rig);
    spa_model_fini(&s->model);
    spa_graph_fini(&s->graph);
}

/* All outputs of one inference by `ref` on the calling thread. */
static void expect_answers(const stream_rig *rig, double limit)
{
    const spa_model *model = rig->session.model;
    const spa_graph *g = model->graph;
    spa_session session;
    expect_ok(spa_session_init(&session, model, SPA_BUFFERS_OWN, err));
    for (size_t k = 0; k < g->n_graph_inputs; k++)
        memcpy(session.graph_inputs[k], rig->session.graph_inputs[k],
               (size_t)spa_shape_elements(&g->graph_inputs[k]) * sizeof(float));
    for (size_t i = 0; i < g->n_ops; i++) {
        const spa_op *op = &g->ops[i];
        if (op->kind == SPA_OP_RESHAPE) continue;
        spa_kernel_args args = {.graph = g,
                                .op = op,
                                .inputs = session.inputs + op->first_input,
                                .params =
                                    (const float *const *)(model->params + i * SPA_MAX_PARAMS),
                                .output = session.outputs[i]};
        expect_ok(spa_backend_ref.run(&args, err));
        double nmse = spa_nmse(rig->session.outputs[i], session.outputs[i],
                               (size_t)spa_shape_elements(&op->out));
        cr_assert(nmse <= limit, "%s: NMSE %g", op->name, nmse);
    }
    spa_session_fini(&session);
}

/* ---- answers ------------------------------------------------------------------------------- */

Test(kernels_stream, an_inference_on_the_device_gives_the_reference_s_answers)
{
    scene s;
    scene_init(&s, SPA_FP32, false);
    expect_ok(stream_rig_infer(&s.rig, err));
    expect_answers(&s.rig, AGREE_NMSE);
    scene_fini(&s);
}

Test(kernels_stream, random_graphs_give_the_reference_s_answers)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        spa_graph graph;
        spa_model model;
        stream_rig rig;
        spa_stream_config config = config_here();
        expect_ok(random_graph(&graph, seed, 20, err));
        expect_ok(spa_model_init(&model, &graph, seed, err));
        expect_ok(stream_rig_init(&rig, emulated, &config, &model, SPA_FP32, err));
        spa_session_fill_inputs(&rig.session, seed, 0);
        expect_ok(stream_rig_infer(&rig, err));
        expect_answers(&rig, AGREE_NMSE);
        stream_rig_fini(&rig);
        spa_model_fini(&model);
        spa_graph_fini(&graph);
    }
}

Test(kernels_stream, half_precision_stores_halves_and_is_close)
{
    scene s;
    scene_init(&s, SPA_FP16, false);
    expect_ok(stream_rig_infer(&s.rig, err));
    /* 11 bits: a relative error of 2^-12 per value and step; 5e-3 squared over the chain. */
    expect_answers(&s.rig, 2.5e-5);
    const float *y = s.rig.session.outputs[0];
    for (size_t i = 0; i < 100; i++)
        cr_assert_eq(y[i], spa_half_to_float(spa_half_from_float(y[i])), "not a half: %g", y[i]);
    scene_fini(&s);
}

Test(kernels_stream, a_recorded_graph_runs_on_new_inputs)
{
    scene s;
    spa_stream_graph *graph;
    scene_init(&s, SPA_FP32, false);
    const spa_op *last = &s.graph.ops[s.graph.n_ops - 1];
    expect_ok(stream_rig_ops(&s.rig, &graph, err));
    for (uint64_t seed = 5; seed < 8; seed++) {
        spa_session_fill_inputs(&s.rig.session, seed, 0);
        expect_ok(stream_rig_upload(&s.rig, err));
        expect_ok(emulated->launch(graph, err));
        for (size_t i = 0; i < s.graph.n_ops; i++)
            expect_ok(stream_rig_copy(&s.rig, s.rig.compute, SPA_COPY_TO_HOST,
                                      s.rig.session.outputs[i],
                                      (size_t)spa_shape_elements(&s.graph.ops[i].out), err));
        expect_ok(emulated->synchronise(s.rig.compute, err));
        expect_answers(&s.rig, AGREE_NMSE);
    }
    cr_assert(isfinite(s.rig.session.outputs[last - s.graph.ops][0]));
    emulated->graph_free(graph);
    scene_fini(&s);
}

/* ---- asynchrony ---------------------------------------------------------------------------- */

static bool is_done(spa_stream_event *event)
{
    bool done;
    expect_ok(emulated->query(event, &done, err));
    return done;
}

Test(kernels_stream, enqueueing_and_querying_do_not_wait)
{
    scene s;
    atomic_store(&gate, 0);
    scene_init(&s, SPA_FP32, true);
    cr_assert(is_done(s.rig.computed), "an event that was never recorded is done");
    expect_ok(stream_rig_upload(&s.rig, err));
    expect_ok(stream_rig_ops(&s.rig, NULL, err));
    expect_ok(emulated->record(s.rig.computed, s.rig.compute, err));
    while (atomic_load(&started) == 0) {
    }
    cr_assert(is_done(s.rig.uploaded));
    cr_assert(!is_done(s.rig.computed));
    atomic_store(&gate, 1);
    expect_ok(emulated->event_synchronise(s.rig.computed, err));
    cr_assert(is_done(s.rig.computed));
    double ns;
    expect_ok(emulated->elapsed_ns(s.rig.uploaded, s.rig.computed, &ns, err));
    cr_assert_gt(ns, 0);
    scene_fini(&s);
}

Test(kernels_stream, a_stream_that_waits_holds_back_no_other)
{
    scene s;
    spa_stream_event *never, *behind;
    spa_stream *other;
    scene_init(&s, SPA_FP32, true);
    atomic_store(&gate, 0);
    expect_ok(emulated->stream_new(s.rig.accelerator, &other, err));
    expect_ok(emulated->event_new(s.rig.accelerator, false, &never, err));
    expect_ok(emulated->event_new(s.rig.accelerator, false, &behind, err));
    /* `other` waits for an event that is recorded behind an operator, which stands at the gate. */
    expect_ok(emulated->wait(s.rig.compute, s.rig.uploaded, err)); /* never recorded: no wait */
    expect_ok(stream_rig_upload(&s.rig, err));
    expect_ok(emulated->record(never, s.rig.copies, err));
    expect_ok(emulated->event_synchronise(never, err));
    expect_ok(stream_rig_op(&s.rig, s.rig.compute, 0, err));
    expect_ok(emulated->record(never, s.rig.compute, err));
    expect_ok(emulated->wait(other, never, err));
    expect_ok(emulated->record(behind, other, err));
    cr_assert(!is_done(never), "recorded again: it moved");
    cr_assert(!is_done(behind));
    atomic_store(&gate, 1);
    expect_ok(emulated->event_synchronise(behind, err));
    cr_assert(is_done(never));
    emulated->stream_free(other);
    emulated->event_free(never);
    emulated->event_free(behind);
    scene_fini(&s);
}

/* ---- failures ------------------------------------------------------------------------------ */

Test(kernels_stream, a_failing_operator_is_named_and_sticks)
{
    scene s;
    spa_error err = {0};
    atomic_store(&gate, 1);
    failing_op = 2; /* the ReLU */
    scene_init(&s, SPA_FP32, true);
    cr_assert_eq(stream_rig_infer(&s.rig, &err), SPA_E_INVALID);
    cr_assert_not_null(strstr(err.message, "operator 'relu' (relu): asked to fail"), "%s",
                       err.message);
    bool done;
    cr_assert_eq(emulated->query(s.rig.uploaded, &done, &err), SPA_E_INVALID);
    cr_assert(done, "a dead device keeps nobody waiting");
    cr_assert_eq(stream_rig_op(&s.rig, s.rig.compute, 0, &err), SPA_E_INVALID);
    cr_assert_eq(emulated->synchronise(s.rig.compute, &err), SPA_E_INVALID);
    scene_fini(&s);
}

static void expect_stream_error(spa_status status, const spa_error *err, spa_status wanted,
                                const char *part)
{
    cr_assert_eq(status, wanted, "status %d: %s", (int)status, err->message);
    cr_assert_not_null(strstr(err->message, part), "%s", err->message);
}

Test(kernels_stream, memory_that_runs_out_is_an_error_after_which_work_goes_on)
{
    spa_stream_config config = config_here();
    spa_accelerator *a;
    spa_error err = {0};
    void *first, *second;
    config.memory_limit_bytes = 1000;
    cr_assert_eq(emulated->open(&config, &a, &err), SPA_OK);
    cr_assert_eq(emulated->alloc(a, 600, &first, &err), SPA_OK);
    cr_assert_eq((uintptr_t)first % 256, 0);
    expect_stream_error(emulated->alloc(a, 500, &second, &err), &err, SPA_E_NOMEM,
                        "no memory for 500 bytes; 600 of 1000 are in use");
    cr_assert_null(second);
    emulated->release(a, first);
    cr_assert_eq(emulated->alloc(a, 1000, &second, &err), SPA_OK);
    emulated->release(a, second);
    emulated->close(a);
}

Test(kernels_stream, wrong_use_is_named)
{
    scene s;
    spa_error err = {0};
    float stray[4] = {0};
    spa_stream *fresh;
    spa_stream_graph *graph;
    scene_init(&s, SPA_FP32, false);
    stream_rig *rig = &s.rig;
    expect_stream_error(emulated->pin(rig->accelerator, rig->session.memory + 1, 8, &err), &err,
                        SPA_E_INVALID, "overlaps");
    spa_stream_copy copy = {SPA_COPY_TO_DEVICE, SPA_FP32, 4, stray, rig->memory};
    expect_stream_error(emulated->enqueue_copy(rig->copies, &copy, &err), &err, SPA_E_INVALID,
                        "not pinned");
    copy.host = rig->session.memory;
    copy.device = stray;
    expect_stream_error(emulated->enqueue_copy(rig->copies, &copy, &err), &err, SPA_E_INVALID,
                        "not in the device's memory");
    copy.elements = 0;
    expect_stream_error(emulated->enqueue_copy(rig->copies, &copy, &err), &err, SPA_E_INVALID,
                        "0 elements");
    cr_assert_eq(emulated->stream_new(rig->accelerator, &fresh, &err), SPA_OK);
    expect_stream_error(stream_rig_op(rig, fresh, 0, &err), &err, SPA_E_INVALID,
                        "not made ready for model");
    expect_stream_error(emulated->capture_end(fresh, &graph, &err), &err, SPA_E_INVALID,
                        "not recording");
    cr_assert_eq(emulated->capture_begin(fresh, &err), SPA_OK);
    expect_stream_error(emulated->synchronise(fresh, &err), &err, SPA_E_INVALID, "recording");
    expect_stream_error(emulated->wait(fresh, rig->uploaded, &err), &err, SPA_E_INVALID,
                        "recording a graph");
    cr_assert_eq(stream_rig_op(rig, fresh, 0, &err), SPA_E_INVALID);
    expect_stream_error(emulated->capture_end(fresh, &graph, &err), &err, SPA_E_INVALID,
                        "not made ready");
    cr_assert_null(graph);
    cr_assert_eq(emulated->capture_begin(fresh, &err), SPA_OK); /* freed with its stream */
    void *mapped;
    expect_stream_error(emulated->map(rig->accelerator, stray, &mapped, &err), &err,
                        SPA_E_UNSUPPORTED, "copy to it");
    emulated->stream_free(fresh);
    scene_fini(&s);
}

Test(kernels_stream, devices_are_found_by_name)
{
    const spa_stream_device *found;
    spa_error err = {0};
    expect_stream_error(spa_stream_device_find("emulatd", 0, &found, &err), &err, SPA_E_NOT_FOUND,
                        "did you mean 'emulated'");
    expect_stream_error(spa_stream_device_find("emulated", 4000, &found, &err), &err,
                        SPA_E_UNSUPPORTED, "core 4000");
    size_t count;
    const spa_stream_device *const *all = spa_stream_devices(&count);
    for (size_t i = 0; i < count; i++) cr_assert(strlen(all[i]->summary) > 0);
    if (spa_stream_device_find("cuda", 0, &found, &err) != SPA_OK)
        cr_assert_not_null(strstr(err.message, "no CUDA device ("), "%s", err.message);
}

Test(kernels_stream, every_allocation_may_fail)
{
    scene s = {0};
    spa_error err = {0};
    spa_stream_config config = config_here();
    cr_assert_eq(tiny_chain(&s.graph, &err), SPA_OK);
    cr_assert_eq(spa_model_init(&s.model, &s.graph, 3, &err), SPA_OK);
    for (long n = 0;; n++) {
        oom_fail_at(n);
        spa_status status = stream_rig_init(&s.rig, emulated, &config, &s.model, SPA_FP32, &err);
        if (status == SPA_OK) status = stream_rig_infer(&s.rig, &err);
        bool failed = oom_failed();
        oom_off();
        stream_rig_fini(&s.rig);
        if (!failed) {
            cr_assert_eq(status, SPA_OK, "%s", err.message);
            break;
        }
        cr_assert_eq(status, SPA_E_NOMEM, "allocation %ld: %s", n, err.message);
    }
    spa_model_fini(&s.model);
    spa_graph_fini(&s.graph);
}

/* ---- halves -------------------------------------------------------------------------------- */

Test(kernels_stream, halves_are_rounded_to_nearest_even)
{
    static const struct {
        float x;
        uint16_t bits;
    } cases[] = {
        {0, 0},
        {-0.0f, 0x8000},
        {1, 0x3c00},
        {-2, 0xc000},
        {65504, 0x7bff},            /* the largest */
        {65519.99f, 0x7bff},        /* below half way to 65536 */
        {65520, 0x7c00},            /* half way: even is infinity */
        {1 + 0x1p-11f, 0x3c00},     /* half way between 1 and 1 + 2^-10: even */
        {1 + 3 * 0x1p-11f, 0x3c02}, /* half way between odd and even */
        {0x1p-14f, 0x0400},         /* the smallest normal */
        {0x1p-24f, 0x0001},         /* the smallest subnormal */
        {0x1p-25f, 0x0000},         /* half of it: even is 0 */
        {0x1.8p-24f, 0x0002},
        {INFINITY, 0x7c00},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        cr_expect_eq(spa_half_from_float(cases[i].x).bits, cases[i].bits, "%g: %04x", cases[i].x,
                     spa_half_from_float(cases[i].x).bits);
    cr_expect(isnan(spa_half_to_float(spa_half_from_float(NAN))));
    for (uint32_t b = 0; b < 0x10000; b++) { /* every half is itself */
        spa_half h = {(uint16_t)b};
        float x = spa_half_to_float(h);
        if (isnan(x)) continue;
        cr_assert_eq(spa_half_from_float(x).bits, b, "%04x", b);
    }
}
