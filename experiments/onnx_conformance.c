#include "experiments/onnx_conformance.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "kernels/model.h"
#include "traces/onnx.h"

#define MAX_TENSORS 64
#define MAX_BYTES   ((size_t)1 << 30)
#define RELATIVE    1e-3
#define ABSOLUTE    1e-7

/* A case while it runs. */
typedef struct conformance {
    const char *folder;
    spa_onnx_given given[MAX_TENSORS];
    char *inputs[MAX_TENSORS]; /* contents of input_N.pb */
    size_t n_inputs;
    spa_graph graph;
    spa_onnx_report report;
    spa_model model;
    double l2; /* the limit; 0 = element by element */
    spa_onnx_case_report *out;
} conformance;

static bool exists(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f != NULL) fclose(f);
    return f != NULL;
}

static const char *data_path(const conformance *k, const char *what, size_t i, char path[600])
{
    snprintf(path, 600, "%s/test_data_set_0/%s_%zu.pb", k->folder, what, i);
    return path;
}

static spa_status read_inputs(conformance *k, spa_error *err)
{
    char path[600];
    for (size_t i = 0; i < MAX_TENSORS && exists(data_path(k, "input", i, path)); i++) {
        size_t size;
        SPA_TRY(spa_read_file(path, MAX_BYTES, true, &k->inputs[i], &size, err));
        k->given[i] = (spa_onnx_given){NULL, k->inputs[i], size};
        k->n_inputs = i + 1;
    }
    return SPA_OK;
}

static spa_status fill_inputs(const conformance *k, spa_session *session, spa_error *err)
{
    char path[600];
    for (size_t i = 0; i < k->report.n_inputs && i < k->n_inputs; i++) {
        int32_t producer = k->report.inputs[i].producer;
        float *values;
        int64_t count;
        if (producer == SPA_ONNX_UNUSED) continue;
        SPA_TRY(spa_onnx_read_tensor(data_path(k, "input", i, path), &count, &values, err));
        if (count == spa_shape_elements(&k->graph.graph_inputs[~producer]))
            memcpy(session->graph_inputs[~producer], values, (size_t)count * sizeof *values);
        free(values);
    }
    return SPA_OK;
}

static bool same(double got, double want)
{
    if (isnan(want)) return isnan(got);
    if (isinf(want)) return got == want;
    return fabs(got - want) <= ABSOLUTE + RELATIVE * fabs(want);
}

/* One output; what is wrong goes to the report. */
static bool agrees(const conformance *k, size_t o, size_t backend, const char *name,
                   const float *got, const float *want, int64_t count)
{
    char *reason = k->out->reason;
    double l2 = sqrt(spa_nmse(got, want, (size_t)count)), *worst = &k->out->l2[backend];
    if (!(*worst >= l2)) *worst = l2;
    if (k->l2 > 0 && !(l2 <= k->l2))
        snprintf(reason, 400, "%s: output %zu has relative L2 %.2e", name, o, l2);
    for (int64_t i = 0; i < count && k->l2 == 0 && reason[0] == '\0'; i++)
        if (!same(got[i], want[i]))
            snprintf(reason, 400, "%s: output %zu, element %lld is %g instead of %g", name, o,
                     (long long)i, (double)got[i], (double)want[i]);
    return reason[0] == '\0';
}

static spa_status compare(const conformance *k, const spa_session *session, size_t backend,
                          const char *name, bool *passed, spa_error *err)
{
    char path[600];
    for (size_t o = 0; o < k->report.n_outputs && *passed; o++) {
        int32_t op = k->report.outputs[o].producer;
        float *want;
        int64_t count;
        if (op == SPA_ONNX_UNUSED || !exists(data_path(k, "output", o, path))) continue;
        SPA_TRY(spa_onnx_read_tensor(path, &count, &want, err));
        int64_t have = spa_shape_elements(&k->graph.ops[op].out);
        if (have != count) {
            *passed = false;
            snprintf(k->out->reason, 400, "%s: output %zu has %lld elements instead of %lld", name,
                     o, (long long)have, (long long)count);
        } else {
            const float *got = spa_session_output(session, (size_t)op);
            *passed = agrees(k, o, backend, name, got, want, count);
        }
        free(want);
    }
    return SPA_OK;
}

static spa_status run_on(conformance *k, const spa_backend *const *backends, size_t index,
                         bool *passed, spa_error *err)
{
    const spa_backend *backend = backends[index];
    spa_session session;
    void *workspace = NULL;
    const spa_backend **all = NULL;
    SPA_TRY(spa_model_prepare(&k->model, backend, err));
    SPA_TRY(spa_session_init(&session, &k->model, SPA_BUFFERS_OWN, err));
    spa_status status =
        spa_alloc_aligned(&workspace, spa_model_workspace_bytes(&k->model, backend), err);
    if (!status) status = spa_alloc(&all, k->graph.n_ops, sizeof(*all), err);
    for (size_t i = 0; i < k->graph.n_ops && !status; i++) all[i] = backend;
    if (!status) status = fill_inputs(k, &session, err);
    if (!status) status = spa_session_run(&session, all, workspace, NULL, NULL, err);
    if (!status) status = compare(k, &session, index, backend->name, passed, err);
    free(all);
    free(workspace);
    spa_session_fini(&session);
    return status;
}

static spa_status run_all(conformance *k, const spa_backend *const *backends, size_t n,
                          spa_error *err)
{
    bool passed = true;
    SPA_TRY(spa_model_init(&k->model, &k->graph, 1, err));
    spa_status status = SPA_OK;
    for (size_t i = 0; i < n && passed && !status; i++)
        status = run_on(k, backends, i, &passed, err);
    spa_model_fini(&k->model);
    k->out->result = passed ? SPA_ONNX_CASE_PASSED : SPA_ONNX_CASE_FAILED;
    return status;
}

spa_status spa_onnx_case_run(const char *folder, const spa_backend *const *backends,
                             size_t n_backends, double l2, spa_onnx_case_report *report,
                             spa_error *err)
{
    conformance k = {.folder = folder, .l2 = l2, .out = report};
    char path[600];
    spa_error cause;
    *report = (spa_onnx_case_report){.result = SPA_ONNX_CASE_NOT_CLAIMED};
    for (size_t i = 0; i < SPA_ONNX_CASE_BACKENDS; i++) report->l2[i] = NAN;
    spa_status status = read_inputs(&k, err);
    if (!status) {
        spa_onnx_options o = spa_onnx_options_default();
        o.dtype = SPA_FP32;
        o.given = k.given;
        o.n_given = k.n_inputs;
        snprintf(path, sizeof path, "%s/model.onnx", folder);
        if (spa_onnx_read(&k.graph, path, &o, &k.report, &cause) != SPA_OK) {
            snprintf(report->reason, 400, "%.399s", cause.message);
        } else if (k.report.n_opaque > 0) {
            snprintf(report->reason, 400, "%.90s: %.299s", k.report.opaque, k.report.reason);
        } else if (run_all(&k, backends, n_backends, &cause) != SPA_OK) {
            report->result = SPA_ONNX_CASE_FAILED;
            snprintf(report->reason, 400, "%.399s", cause.message);
        }
        spa_graph_fini(&k.graph);
    }
    for (size_t i = 0; i < MAX_TENSORS; i++) free(k.inputs[i]);
    return status;
}
