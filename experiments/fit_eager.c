/* PyTorch eager on the AGX Orin's GPU (branes-ai/graphs): subgraphs fitted at MAXN, predicted at
 * 15 W by clocks.
 *
 * A subgraph's time is what its operators cost each (dispatch and the latency of a kernel that does
 * not fill the GPU) plus FLOPs and bytes at their rates; each was measured with a synchronisation
 * of its own. The host's part of an operator's constant is the dispatch micro-benchmark's (a small
 * add, a small matrix product); what is left over is the GPU's. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/fit.h"

#define FOLDER       "agx-orin-gpu-subgraphs/"
#define MAXN_ROWS    FOLDER "subgraphs_jetson_orin_agx_maxn.csv.gz"
#define W15_ROWS     FOLDER "subgraphs_jetson_orin_agx_15w.csv.gz"
#define DISPATCH_LOG FOLDER "jetson_orin_agx_maxn/kernel_dispatch.log"
#define POWER_MODES  "device-facts/power_modes.csv"
#define FACTS        "device-facts/device_parameters.csv"
#define BOARD        "AGX Orin 64GB"
#define ALL_TPCS     8

/* ---- operators of a subgraph ----------------------------------------------------------------- */

static const struct {
    const char *word;
    int term;
} words[] = {
    {"Conv2d", EAGER_CONV},
    {"BatchNorm2d", EAGER_NORM},
    {"LayerNorm", EAGER_NORM},
    {"Linear", EAGER_LINEAR},
    {"MultiheadAttention", EAGER_ATTENTION},
};

/* What stands behind "+1more" in a pattern that is cut off; from the names of the nodes. */
static void add_cut_off(const char *pattern, double *n)
{
    if (!strncmp(pattern, "Conv2d_BatchNorm2d_SiLU_+3more", 30)) {
        n[EAGER_CONV]++;
        n[EAGER_NORM]++;
        n[EAGER_ELEMENTWISE]++;
    } else if (!strncmp(pattern, "AdaptiveAvgPool2d_Conv2d_SiLU_+3more", 36)) {
        n[EAGER_CONV]++;
        n[EAGER_ELEMENTWISE] += 2;
    } else if (!strncmp(pattern, "LayerNorm_Linear_GELU_+1more", 28)) {
        n[EAGER_ELEMENTWISE]++;
    } else if (!strncmp(pattern, "LayerNorm_Linear_GELU_+2more", 28)) {
        n[EAGER_ELEMENTWISE]++;
        n[EAGER_LINEAR]++;
    }
}

static bool starts_with_any(const char *name, const char *const *prefixes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strncmp(name, prefixes[i], strlen(prefixes[i]))) return true;
    return false;
}

/* A node on its own: bookkeeping without a kernel, a matrix product, or anything elementwise. */
static int lone_node(const char *name, double flops, double bytes)
{
    static const char *const calls[] = {"getitem", "floordiv", "_assert", "eq", "getattr"};
    static const char *const heads[] = {"classifier", "fc", "heads"};
    static const char *const large[] = {"conv_proj", "stem", "features"};
    if (starts_with_any(name, calls, 5)) return EAGER_CALL;
    if (!strncmp(name, "einsum", 6)) return EAGER_LINEAR;
    if (flops > 0 && starts_with_any(name, heads, 3)) return EAGER_LINEAR;
    if (flops > 1e5 && bytes > 1e6 && starts_with_any(name, large, 3)) return EAGER_LINEAR;
    return EAGER_ELEMENTWISE;
}

static void count_operators(const char *pattern, const char *nodes, double flops, double bytes,
                            double *n)
{
    memset(n, 0, EAGER_OPS * sizeof *n);
    if (!strcmp(pattern, "Unfused")) {
        n[lone_node(nodes, flops, bytes)] = 1;
        return;
    }
    for (const char *p = pattern; *p;) {
        size_t length = strcspn(p, "_");
        int term = EAGER_ELEMENTWISE;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (strlen(words[i].word) == length && !strncmp(p, words[i].word, length))
                term = words[i].term;
        if (*p != '+') n[term]++;
        p += length;
        p += *p == '_';
    }
    add_cut_off(pattern, n);
}

/* ---- rows ------------------------------------------------------------------------------------ */

typedef struct row {
    double terms[EAGER_TERMS], maxn_ms, w15_ms;
    int32_t precision, model;
} row;

static void fill_terms(row *r, const char *pattern, const char *nodes, double flops, double bytes)
{
    double *t = r->terms, gflop = flops / 1e9, mb = bytes / 1e6;
    count_operators(pattern, nodes, flops, bytes, t);
    if (t[EAGER_CONV] > 0) {
        t[EAGER_GFLOP_CONV] = gflop;
        t[EAGER_MB_CONV] = mb;
    } else {
        t[EAGER_GFLOP] = gflop;
        t[t[EAGER_LINEAR] + t[EAGER_ATTENTION] > 0 ? EAGER_MB_HEAVY : EAGER_MB] = mb;
    }
}

static int32_t model_index(fit_eager *e, int32_t precision, const char *name)
{
    fit_eager_sum *m = e->precision[precision].models;
    size_t *n = &e->precision[precision].n_models;
    for (size_t i = 0; i < *n; i++)
        if (!strcmp(m[i].model, name)) return (int32_t)i;
    if (*n == EAGER_MAX_MODELS) return -1;
    snprintf(m[*n].model, sizeof m->model, "%s", name);
    return (int32_t)(*n)++;
}

static spa_status fill_row(fit_eager *e, const spa_csv *maxn, const spa_csv *w15, size_t i, row *r,
                           spa_error *err)
{
    static const char *const keys[] = {"model", "precision", "batch", "subgraph_id"};
    spa_status status = SPA_OK;
    for (size_t j = 0; j < 4; j++)
        if (strcmp(fit_text(maxn, i, keys[j]), fit_text(w15, i, keys[j])))
            return spa_csv_fail(w15, i, spa_csv_column(w15, keys[j]), err,
                                "not the same subgraph as in the same row of %s", maxn->path);
    double flops = fit_cell(maxn, i, "flops", &status, err);
    double bytes = fit_cell(maxn, i, "total_bytes", &status, err);
    r->maxn_ms = fit_cell(maxn, i, "mean_ms", &status, err);
    r->w15_ms = fit_cell(w15, i, "mean_ms", &status, err);
    SPA_TRY(status);
    fill_terms(r, fit_text(maxn, i, "fusion_pattern"), fit_text(maxn, i, "node_names"), flops,
               bytes);
    r->precision = -1;
    for (int32_t p = 0; p < EAGER_PRECISIONS; p++)
        if (!strcmp(fit_text(maxn, i, "precision"), e->precision[p].name)) r->precision = p;
    if (r->precision < 0)
        return spa_csv_fail(maxn, i, spa_csv_column(maxn, "precision"), err, "unknown precision");
    r->model = model_index(e, r->precision, fit_text(maxn, i, "model"));
    if (r->model < 0)
        return spa_csv_fail(maxn, i, spa_csv_column(maxn, "model"), err, "too many models");
    return SPA_OK;
}

static spa_status read_rows(fit_eager *e, fit_data *data, row **rows, size_t *n, spa_error *err)
{
    spa_csv maxn, w15;
    SPA_TRY(fit_data_table(data, MAXN_ROWS, &maxn, err));
    spa_status status = fit_data_table(data, W15_ROWS, &w15, err);
    if (status == SPA_OK) {
        if (maxn.n_rows != w15.n_rows)
            status = spa_fail(err, SPA_E_PARSE, "%s: %zu rows, %s: %zu", maxn.path, maxn.n_rows,
                              w15.path, w15.n_rows);
        if (status == SPA_OK) status = spa_alloc(rows, maxn.n_rows, sizeof **rows, err);
        for (size_t i = 0; i < maxn.n_rows && status == SPA_OK; i++)
            status = fill_row(e, &maxn, &w15, i, &(*rows)[i], err);
        *n = maxn.n_rows;
        spa_csv_fini(&w15);
    }
    spa_csv_fini(&maxn);
    return status;
}

/* ---- clocks and dispatch --------------------------------------------------------------------- */

/* p50 of a micro-benchmark in the summary at the end of its log: "name  min  p50  p99  max". */
static spa_status read_p50(const char *log, const char *name, double *ms, spa_error *err)
{
    const char *at = strstr(log, "SUMMARY COMPARISON");
    double p50 = 0;
    if (at) at = strstr(at, name);
    if (!at || sscanf(at + strlen(name), "%*f %lf", &p50) != 1)
        return spa_fail(err, SPA_E_PARSE, "%s: no p50 of '%s'", DISPATCH_LOG, name);
    *ms = p50;
    return SPA_OK;
}

static spa_status read_dispatch(fit_eager *e, fit_data *data, spa_error *err)
{
    char *log = NULL;
    size_t size = 0;
    SPA_TRY(fit_data_read(data, DISPATCH_LOG, &log, &size, err));
    spa_status status = read_p50(log, "small_add", &e->add_ms, err);
    if (status == SPA_OK) status = read_p50(log, "small_matmul", &e->matmul_ms, err);
    free(log);
    return status;
}

typedef struct mode {
    double cpu_mhz, gpu_mhz, tpcs, dram_gbs;
} mode;

/* Powered texture processor clusters (two SMs each); a set bit of the mask gates one off. */
static double powered(double mask)
{
    unsigned bits = (unsigned)mask;
    int off = 0;
    for (; bits; bits &= bits - 1) off++;
    return ALL_TPCS - off;
}

static spa_status read_mode(const spa_csv *modes, const spa_csv *facts, const char *name,
                            const char *fact, mode *m, spa_error *err)
{
    spa_status status = SPA_OK;
    bool found = false, bandwidth = false;
    for (size_t i = 0; i < modes->n_rows; i++) {
        if (strcmp(fit_text(modes, i, "device"), BOARD) || strcmp(fit_text(modes, i, "mode"), name))
            continue;
        m->cpu_mhz = fit_cell(modes, i, "cpu_max_mhz", &status, err);
        m->gpu_mhz = fit_cell(modes, i, "gpu_max_mhz", &status, err);
        m->tpcs = powered(fit_cell(modes, i, "tpc_pg_mask", &status, err));
        found = true;
    }
    for (size_t i = 0; i < facts->n_rows; i++) {
        if (strcmp(fit_text(facts, i, "device"), BOARD) ||
            strcmp(fit_text(facts, i, "param"), fact))
            continue;
        m->dram_gbs = fit_cell(facts, i, "value", &status, err);
        bandwidth = true;
    }
    if (status == SPA_OK && !(found && bandwidth))
        status = spa_fail(err, SPA_E_PARSE, "%s, %s: nothing about %s in mode %s", modes->path,
                          facts->path, BOARD, name);
    return status;
}

static spa_status read_clocks(fit_eager *e, fit_data *data, spa_error *err)
{
    spa_csv modes, facts;
    mode a = {0}, b = {0};
    SPA_TRY(fit_data_table(data, POWER_MODES, &modes, err));
    spa_status status = fit_data_table(data, FACTS, &facts, err);
    if (status == SPA_OK) {
        status = read_mode(&modes, &facts, "MAXN", "dram_bw_gpu_stream_maxn", &a, err);
        if (status == SPA_OK)
            status = read_mode(&modes, &facts, "15W", "dram_bw_gpu_stream_15w", &b, err);
        spa_csv_fini(&facts);
    }
    spa_csv_fini(&modes);
    SPA_TRY(status);
    e->cpu_hz = a.cpu_mhz * 1e6;
    e->gpu_hz = a.gpu_mhz * 1e6;
    e->gpu_units = 2 * a.tpcs;
    e->dram_gbs = a.dram_gbs;
    e->host_ratio = a.cpu_mhz / b.cpu_mhz;
    e->clock_ratio = a.gpu_mhz / b.gpu_mhz;
    e->compute_ratio = e->clock_ratio * a.tpcs / b.tpcs;
    e->dram_ratio = a.dram_gbs / b.dram_gbs;
    return SPA_OK;
}

/* ---- fit and prediction ---------------------------------------------------------------------- */

static void split_constants(const fit_eager *e, const double *ms, double *host)
{
    const double dispatch[EAGER_OPS] = {
        [EAGER_CONV] = e->matmul_ms,
        [EAGER_NORM] = e->add_ms,
        [EAGER_ELEMENTWISE] = e->add_ms,
        [EAGER_LINEAR] = e->matmul_ms,
        [EAGER_ATTENTION] = 8 * e->add_ms, /* norm, products, softmax and the copies between */
        [EAGER_CALL] = INFINITY};          /* no kernel: all of it is host time */
    for (size_t i = 0; i < EAGER_OPS; i++) host[i] = ms[i] < dispatch[i] ? ms[i] : dispatch[i];
}

static double at_15w(const fit_eager *e, const double *ms, const double *host, const double *terms)
{
    double t = 0;
    for (size_t i = 0; i < EAGER_OPS; i++)
        t += terms[i] * (host[i] * e->host_ratio + (ms[i] - host[i]) * e->clock_ratio);
    for (size_t i = EAGER_GFLOP_CONV; i <= EAGER_GFLOP; i++)
        t += terms[i] * ms[i] * e->compute_ratio;
    for (size_t i = EAGER_MB_CONV; i < EAGER_TERMS; i++) t += terms[i] * ms[i] * e->dram_ratio;
    return t;
}

/* Sums and residuals of one precision from its coefficients. */
static spa_status evaluate(fit_eager *e, int32_t p, const row *rows, size_t n, double *modelled,
                           double *measured, spa_error *err)
{
    double sum_model[EAGER_MAX_MODELS], sum_seen[EAGER_MAX_MODELS];
    size_t count = 0, n_models = e->precision[p].n_models;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].precision != p) continue;
        fit_eager_sum *m = &e->precision[p].models[rows[i].model];
        double t = 0;
        for (size_t j = 0; j < EAGER_TERMS; j++) t += rows[i].terms[j] * e->precision[p].ms[j];
        modelled[count] = t;
        measured[count++] = rows[i].maxn_ms;
        m->fitted_ms += rows[i].maxn_ms;
        m->fitted_model_ms += t;
        m->measured_ms += rows[i].w15_ms;
        m->predicted_ms += at_15w(e, e->precision[p].ms, e->precision[p].host_ms, rows[i].terms);
    }
    for (size_t i = 0; i < n_models; i++) {
        sum_model[i] = e->precision[p].models[i].fitted_model_ms;
        sum_seen[i] = e->precision[p].models[i].fitted_ms;
    }
    SPA_TRY(fit_quality_of(modelled, measured, count, &e->precision[p].rows, err));
    return fit_quality_of(sum_model, sum_seen, n_models, &e->precision[p].sums, err);
}

/* Plain least squares: what is judged are sums, so every millisecond counts the same. */
static spa_status fit_precision(fit_eager *e, int32_t p, const row *rows, size_t n, spa_error *err)
{
    double *a = NULL, *b = NULL, *seen = NULL;
    size_t count = 0;
    spa_status status = spa_alloc(&a, n * EAGER_TERMS, sizeof *a, err);
    if (status == SPA_OK) status = spa_alloc(&b, n, sizeof *b, err);
    if (status == SPA_OK) status = spa_alloc(&seen, n, sizeof *seen, err);
    for (size_t i = 0; i < n && status == SPA_OK; i++) {
        if (rows[i].precision != p) continue;
        memcpy(&a[count * EAGER_TERMS], rows[i].terms, sizeof rows[i].terms);
        b[count++] = rows[i].maxn_ms;
    }
    if (status == SPA_OK) status = fit_nnls(a, b, count, EAGER_TERMS, e->precision[p].ms, err);
    if (status == SPA_OK) {
        split_constants(e, e->precision[p].ms, e->precision[p].host_ms);
        status = evaluate(e, p, rows, n, b, seen, err);
    }
    free(a);
    free(b);
    free(seen);
    return status;
}

spa_status fit_eager_run(fit_eager *e, fit_data *data, spa_error *err)
{
    static const char *const names[EAGER_PRECISIONS] = {"FP32", "FP16", "BF16"};
    row *rows = NULL;
    size_t n = 0;
    memset(e, 0, sizeof *e);
    for (int32_t p = 0; p < EAGER_PRECISIONS; p++) e->precision[p].name = names[p];
    SPA_TRY(read_dispatch(e, data, err));
    SPA_TRY(read_clocks(e, data, err));
    spa_status status = read_rows(e, data, &rows, &n, err);
    for (int32_t p = 0; p < EAGER_PRECISIONS && status == SPA_OK; p++)
        status = fit_precision(e, p, rows, n, err);
    free(rows);
    return status;
}
