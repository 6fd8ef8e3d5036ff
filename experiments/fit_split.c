/* darknet on an AGX Orin: YOLOv7-tiny with its first k layers on the GPU (AveesLab/rt-max).
 *
 * Rates come from topology, FLOPs and bytes: sums over layers are fitted to the measured parts of
 * an image, never the times per layer that the data set derives by differencing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/fit.h"

#define ONE_WORKER "agx-orin-split/split_1worker_yolov7-tiny.csv"
#define N_WORKERS  "agx-orin-split/split_Nworkers_yolov7-tiny.csv.gz"
#define THREADS    "agx-orin-split/cpu_threads_yolov7-tiny.csv"
#define LAYERS     "agx-orin-split/layers_yolov7-tiny.csv"

/* ---- reading --------------------------------------------------------------------------------- */

static void parse_from(fit_layer *l, const char *text, int32_t layer)
{
    char *end = NULL;
    for (l->n_from = 0; l->n_from < FIT_MAX_FROM; text = end) {
        long value = strtol(text, &end, 10);
        if (end == text) break;
        l->from[l->n_from++] = (int32_t)value;
    }
    if (l->n_from == 0) l->from[l->n_from++] = layer - 1; /* -1: the preprocessed image */
}

static spa_status read_layer(fit_layer *l, const spa_csv *csv, size_t row, spa_error *err)
{
    spa_status status = SPA_OK;
    int32_t *const fields[] = {&l->ksize, &l->stride, &l->in_c,  &l->in_h,
                               &l->in_w,  &l->out_c,  &l->out_h, &l->out_w};
    static const char *const names[] = {"ksize", "stride", "in_c",  "in_h",
                                        "in_w",  "out_c",  "out_h", "out_w"};
    l->type = fit_text(csv, row, "type")[0];
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        *fields[i] = (int32_t)fit_cell(csv, row, names[i], &status, err);
    l->flops = fit_cell(csv, row, "flops", &status, err);
    l->out_bytes = fit_cell(csv, row, "out_bytes", &status, err);
    l->pulled = fit_cell(csv, row, "pulled_to_host_every_time", &status, err) != 0;
    l->logistic = strcmp(fit_text(csv, row, "activation"), "logistic") == 0;
    parse_from(l, fit_text(csv, row, "from_layers"), (int32_t)row);
    for (int32_t i = 0; i < l->n_from && status == SPA_OK; i++)
        if (l->from[i] < -1 || l->from[i] >= (int32_t)row)
            status = spa_csv_fail(csv, row, spa_csv_column(csv, "from_layers"), err,
                                  "layer %d is not before this one", (int)l->from[i]);
    if (status == SPA_OK && !strchr("crmuy", l->type))
        status = spa_csv_fail(csv, row, spa_csv_column(csv, "type"), err, "unknown layer type");
    return status;
}

static spa_status read_layers(fit_split *s, fit_data *data, spa_error *err)
{
    spa_csv csv;
    SPA_TRY(fit_data_table(data, LAYERS, &csv, err));
    spa_status status = SPA_OK;
    if (csv.n_rows == 0 || csv.n_rows > FIT_MAX_LAYERS)
        status = spa_fail(err, SPA_E_RANGE, "%s: %zu layers", csv.path, csv.n_rows);
    for (size_t i = 0; i < csv.n_rows && status == SPA_OK; i++)
        status = read_layer(&s->layers[i], &csv, i, err);
    s->n_layers = (int32_t)csv.n_rows;
    spa_csv_fini(&csv);
    return status;
}

/* One image of one worker, as the data set has it; ms since the start of the run. */
typedef struct image {
    int32_t k, workers;
    double fps, pre_start, gpu_start, gpu_end, cpu_start, cpu_end, end;
} image;

static spa_status read_images(image **out, size_t *n, fit_data *data, const char *path,
                              spa_error *err)
{
    spa_csv csv;
    image *images = NULL;
    SPA_TRY(fit_data_table(data, path, &csv, err));
    spa_status status = spa_alloc(&images, csv.n_rows, sizeof *images, err);
    for (size_t i = 0; i < csv.n_rows && status == SPA_OK; i++) {
        image *m = &images[i];
        m->k = (int32_t)fit_cell(&csv, i, "k_gpu_layers", &status, err);
        m->workers = (int32_t)fit_cell(&csv, i, "workers", &status, err);
        m->fps = fit_cell(&csv, i, "frame_rate", &status, err);
        m->pre_start = fit_cell(&csv, i, "start_preprocess", &status, err);
        m->gpu_start = fit_cell(&csv, i, "start_gpu_infer", &status, err);
        m->gpu_end = fit_cell(&csv, i, "end_gpu_infer", &status, err);
        m->cpu_start = fit_cell(&csv, i, "start_cpu_infer", &status, err);
        m->cpu_end = fit_cell(&csv, i, "end_infer", &status, err);
        m->end = fit_cell(&csv, i, "end_postprocess", &status, err);
        if (status == SPA_OK && (m->k < 0 || m->k > FIT_MAX_LAYERS))
            status =
                spa_csv_fail(&csv, i, spa_csv_column(&csv, "k_gpu_layers"), err, "no such layer");
    }
    *n = csv.n_rows;
    *out = images;
    spa_csv_fini(&csv);
    if (status != SPA_OK) {
        free(images);
        *out = NULL;
    }
    return status;
}

typedef struct edge {
    double at;
    int change;
} edge;

static int by_time(const void *a, const void *b)
{
    const edge *x = a, *y = b;
    return x->at != y->at ? (x->at > y->at) - (x->at < y->at) : y->change - x->change;
}

/* Mean over [from, to] of the number of others' intervals that are open, and of its square. */
static void count_beside(const edge *edges, size_t n, double from, double to, double *mean,
                         double *square)
{
    double at = from, sum = 0, sum2 = 0;
    int open = 0;
    for (size_t i = 0; i < n && edges[i].at < to; i++) {
        if (edges[i].at > at) {
            sum += open * (edges[i].at - at);
            sum2 += (double)open * open * (edges[i].at - at);
            at = edges[i].at;
        }
        open += edges[i].change;
    }
    if (to > at) {
        sum += open * (to - at);
        sum2 += (double)open * open * (to - at);
    }
    *mean = to > from ? sum / (to - from) : 0;
    *square = to > from ? sum2 / (to - from) : 0;
}

/* Edges of the other images' CPU parts (and preprocessing, which loads the CPU as well). */
static size_t others(const image *images, size_t n, size_t self, bool preprocessing, edge *edges)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == self) continue;
        edges[count++] = (edge){images[i].cpu_start, 1};
        edges[count++] = (edge){images[i].cpu_end, -1};
        if (!preprocessing) continue;
        edges[count++] = (edge){images[i].pre_start, 1};
        edges[count++] = (edge){images[i].gpu_start, -1};
    }
    qsort(edges, count, sizeof *edges, by_time);
    return count;
}

/* Means over the n images of one k. */
static spa_status summarise(fit_cut *cut, const image *images, size_t n, spa_error *err)
{
    edge *edges = NULL;
    SPA_TRY(spa_alloc(&edges, 4 * n, sizeof *edges, err));
    *cut = (fit_cut){.workers = images[0].workers, .images = (int32_t)n, .fps = images[0].fps};
    for (size_t i = 0; i < n; i++) {
        const image *m = &images[i];
        double mean = 0, square = 0;
        cut->pre_ms += (m->gpu_start - m->pre_start) / (double)n;
        cut->gpu_ms += (m->gpu_end - m->gpu_start) / (double)n;
        cut->cpu_ms += (m->cpu_end - m->cpu_start) / (double)n;
        cut->post_ms += (m->end - m->cpu_end) / (double)n;
        cut->total_ms += (m->end - m->pre_start) / (double)n;
        if (m->workers == 1) continue;
        size_t count = others(images, n, i, false, edges);
        count_beside(edges, count, m->gpu_start, m->gpu_end, &mean, &square);
        cut->beside_gpu += mean / (double)n;
        cut->beside_gpu2 += square / (double)n;
        count = others(images, n, i, true, edges);
        count_beside(edges, count, m->cpu_start, m->cpu_end, &mean, &square);
        cut->beside_cpu += mean / (double)n;
    }
    free(edges);
    return SPA_OK;
}

static spa_status read_cuts(fit_cut *cuts, fit_data *data, const char *path, spa_error *err)
{
    image *images = NULL;
    size_t n = 0;
    SPA_TRY(read_images(&images, &n, data, path, err));
    spa_status status = SPA_OK;
    for (size_t i = 0, next; i < n && status == SPA_OK; i = next) {
        for (next = i; next < n && images[next].k == images[i].k;) next++;
        if (cuts[images[i].k].images)
            status = spa_fail(err, SPA_E_PARSE, "%s: the rows of k = %d are not together", path,
                              (int)images[i].k);
        else
            status = summarise(&cuts[images[i].k], &images[i], next - i, err);
    }
    free(images);
    return status;
}

/* Amdahl's law on the CPU-only runs with 1 .. 11 BLAS threads: t(n)/t(1) = 1 - p + p/n. */
#define MAX_THREADS 16
static spa_status read_threads(fit_split *s, fit_data *data, spa_error *err)
{
    spa_csv csv;
    double sum[MAX_THREADS + 1] = {0}, count[MAX_THREADS + 1] = {0}, a[MAX_THREADS] = {0},
                             b[MAX_THREADS] = {0}, seen[MAX_THREADS], model[MAX_THREADS];
    size_t n = 0;
    SPA_TRY(fit_data_table(data, THREADS, &csv, err));
    spa_status status = SPA_OK;
    for (size_t i = 0; i < csv.n_rows && status == SPA_OK; i++) {
        int threads = (int)fit_cell(&csv, i, "blas_threads", &status, err);
        double ms = fit_cell(&csv, i, "e_infer", &status, err);
        if (threads < 1 || threads > MAX_THREADS) continue;
        sum[threads] += ms;
        count[threads]++;
    }
    spa_csv_fini(&csv);
    SPA_TRY(status);
    for (int threads = 2; threads <= MAX_THREADS && count[1] > 0; threads++) {
        if (count[threads] == 0) continue;
        seen[n] = sum[threads] / count[threads] / (sum[1] / count[1]);
        a[n] = (1 - 1.0 / threads) / seen[n];
        b[n] = (1 - seen[n]) / seen[n];
        n++;
    }
    SPA_TRY(fit_nnls(a, b, n, 1, &s->parallel, err));
    for (size_t i = 0; i < n; i++) model[i] = 1 - s->parallel * a[i] * seen[i];
    return fit_quality_of(model, seen, n, &s->threads_fit, err);
}

spa_status fit_split_read(fit_split *s, fit_data *data, spa_error *err)
{
    memset(s, 0, sizeof *s);
    SPA_TRY(read_layers(s, data, err));
    SPA_TRY(read_threads(s, data, err));
    SPA_TRY(read_cuts(s->one, data, ONE_WORKER, err));
    return read_cuts(s->many, data, N_WORKERS, err);
}

/* ---- terms ----------------------------------------------------------------------------------- */

/* What layer l contributes to the GPU's kernels (the pull terms apart). */
static void gpu_terms(const fit_layer *l, double *t)
{
    memset(t, 0, GPU_TERMS * sizeof *t);
    t[l->type == 'c' ? GPU_CONV : GPU_LAYER] = 1;
    t[GPU_GFLOP] = l->type == 'c' ? l->flops / 1e9 : 0;
    if (!l->pulled) return;
    t[GPU_PULL] = 1;
    t[GPU_PULL_MB] = l->out_bytes / 1e6;
}

static void cpu_terms(const fit_layer *l, double *t)
{
    memset(t, 0, CPU_TERMS * sizeof *t);
    if (l->type == 'c') {
        t[l->ksize > 1 ? CPU_GFLOP3 : CPU_GFLOP1] = l->flops / 1e9;
        t[CPU_MOUT] = l->out_bytes / 4e6;
        if (l->ksize > 1) /* darknet unrolls the input into a matrix first */
            t[CPU_MCOL] = (double)l->ksize * l->ksize * l->in_c * l->out_h * l->out_w / 1e6;
        if (l->logistic) t[CPU_MLOGISTIC] = l->out_bytes / 4e6;
    } else if (l->type == 'm') {
        t[CPU_MPOOL] = l->flops / 1e6;
    } else {
        t[CPU_MB] = l->out_bytes / 1e6;
    }
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

double fit_split_cpu_ms(const fit_split *s, int32_t layer)
{
    double t[CPU_TERMS];
    cpu_terms(&s->layers[layer], t);
    return dot(t, s->cpu, CPU_TERMS);
}

double fit_split_gpu_ms(const fit_split *s, int32_t layer)
{
    double t[GPU_TERMS];
    gpu_terms(&s->layers[layer], t);
    t[GPU_PULL] = t[GPU_PULL_MB] = 0;
    return dot(t, s->gpu, GPU_TERMS);
}

/* Terms of the whole GPU part with k layers there, and of the whole CPU part. */
static void gpu_part(const fit_split *s, int32_t k, double *sum)
{
    memset(sum, 0, GPU_TERMS * sizeof *sum);
    sum[GPU_INPUT] = 1;
    for (int32_t i = 0; i < k; i++) {
        double t[GPU_TERMS];
        gpu_terms(&s->layers[i], t);
        for (size_t j = 0; j < GPU_TERMS; j++) sum[j] += t[j];
    }
    if (!s->layers[k - 1].pulled) sum[GPU_CUT_MB] = s->layers[k - 1].out_bytes / 1e6;
}

static void cpu_part(const fit_split *s, int32_t k, double *sum)
{
    memset(sum, 0, CPU_TERMS * sizeof *sum);
    for (int32_t i = k; i < s->n_layers; i++) {
        double t[CPU_TERMS];
        cpu_terms(&s->layers[i], t);
        for (size_t j = 0; j < CPU_TERMS; j++) sum[j] += t[j];
    }
}

/* ---- fits ------------------------------------------------------------------------------------ */

typedef void (*part_terms)(const fit_split *s, int32_t k, double *sum);

/* Coefficients of a part's terms from the even k of the one-worker runs, by relative error. Parts
 * under 1 ms are all rounding and left out. */
static spa_status fit_part(const fit_split *s, part_terms terms, size_t n_terms, bool gpu,
                           double *x, fit_quality *quality, spa_error *err)
{
    double a[FIT_MAX_LAYERS * GPU_TERMS] = {0}, b[FIT_MAX_LAYERS] = {0}, modelled[FIT_MAX_LAYERS],
                              measured[FIT_MAX_LAYERS];
    size_t n = 0;
    _Static_assert((int)CPU_TERMS <= (int)GPU_TERMS, "one array serves both");
    for (int32_t k = 2; k <= s->n_layers; k += 2) {
        double y = gpu ? s->one[k].gpu_ms : s->one[k].cpu_ms;
        if (s->one[k].images == 0 || y < 1) continue;
        terms(s, k, &a[n * n_terms]);
        for (size_t j = 0; j < n_terms; j++) a[n * n_terms + j] /= y;
        measured[n] = y;
        b[n++] = 1;
    }
    SPA_TRY(fit_nnls(a, b, n, n_terms, x, err));
    for (size_t i = 0; i < n; i++) modelled[i] = dot(&a[i * n_terms], x, n_terms) * measured[i];
    return fit_quality_of(modelled, measured, n, quality, err);
}

/* Opaque host operators: the measured means of the even k. */
static void fit_opaque(fit_split *s)
{
    int n = 0;
    s->pre_ms = s->post_ms = 0;
    for (int32_t k = 2; k <= s->n_layers; k += 2) {
        if (s->one[k].images == 0) continue;
        s->pre_ms += s->one[k].pre_ms;
        s->post_ms += s->one[k].post_ms;
        n++;
    }
    if (n) s->pre_ms /= n;
    if (n) s->post_ms /= n;
}

/* Interference, on k = 0 mod 4: what N workers take longer than one, against the time-averaged
 * number of workers that computed on the CPU meanwhile. The GPU's is that of its kernels. */
static spa_status fit_contention(fit_split *s, spa_error *err)
{
    double ga[FIT_MAX_LAYERS * 2] = {0}, gb[FIT_MAX_LAYERS] = {0}, ca[FIT_MAX_LAYERS] = {0},
                               cb[FIT_MAX_LAYERS] = {0};
    double g_model[FIT_MAX_LAYERS], g_seen[FIT_MAX_LAYERS], c_model[FIT_MAX_LAYERS],
        c_seen[FIT_MAX_LAYERS], x[2], y[1];
    size_t n = 0;
    for (int32_t k = 4; k <= s->n_layers; k += 4) {
        const fit_cut *m = &s->many[k], *o = &s->one[k];
        double kernels = 0;
        if (m->images == 0 || o->images == 0) continue;
        for (int32_t i = 0; i < k; i++) kernels += fit_split_gpu_ms(s, i);
        ga[2 * n] = kernels * m->beside_gpu / m->gpu_ms;
        ga[2 * n + 1] = kernels * m->beside_gpu2 / m->gpu_ms;
        gb[n] = 1 - o->gpu_ms / m->gpu_ms;
        ca[n] = o->cpu_ms * m->beside_cpu / m->cpu_ms;
        cb[n] = 1 - o->cpu_ms / m->cpu_ms;
        g_seen[n] = m->gpu_ms;
        c_seen[n] = m->cpu_ms;
        n++;
    }
    SPA_TRY(fit_nnls(ga, gb, n, 2, x, err));
    SPA_TRY(fit_nnls(ca, cb, n, 1, y, err));
    s->gpu_slow_a = x[0];
    s->gpu_slow_b = x[1];
    s->cpu_slow_a = y[0];
    for (size_t i = 0; i < n; i++) {
        g_model[i] = g_seen[i] * (1 - gb[i] + dot(&ga[2 * i], x, 2));
        c_model[i] = c_seen[i] * (1 - cb[i] + ca[i] * y[0]);
    }
    SPA_TRY(fit_quality_of(g_model, g_seen, n, &s->gpu_slow_fit, err));
    return fit_quality_of(c_model, c_seen, n, &s->cpu_slow_fit, err);
}

spa_status fit_split_fit(fit_split *s, spa_error *err)
{
    SPA_TRY(fit_part(s, gpu_part, GPU_TERMS, true, s->gpu, &s->gpu_fit, err));
    SPA_TRY(fit_part(s, cpu_part, CPU_TERMS, false, s->cpu, &s->cpu_fit, err));
    fit_opaque(s);
    return fit_contention(s, err);
}
