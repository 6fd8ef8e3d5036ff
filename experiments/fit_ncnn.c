/* ncnn on an AGX Orin: whole networks (Tencent/ncnn benchmark), fp16 storage and arithmetic (its
 * default on this CPU and GPU).
 *
 * CPU rates, the parallel part and the cost of forking are fitted to the times on one and two
 * threads; four to twelve are predicted. The bandwidths are measured facts. GPU (Vulkan) rates are
 * fitted to its whole-network times; nothing is left to predict there, so the residuals are all
 * that can be told. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/fit.h"

#define TIMES "ncnn/agx-orin.csv"
#define FACTS "device-facts/device_parameters.csv"
#define BOARD "AGX Orin 64GB"
/* How strongly a parameter is held to its starting value: an e-fold away counts as much as an error
 * of 5 % in one network. Eleven networks do not determine ten numbers; without it what they hardly
 * depend on runs off to infinity. */
#define PRIOR 0.05

/* ---- the equation (devices/README.md) -------------------------------------------------------- */

unsigned fit_ncnn_class(const spa_graph *graph, const spa_op *op)
{
    const spa_op_attrs *a = &op->attrs;
    if (op->kind == SPA_OP_LINEAR) return NCNN_LINEAR;
    if (op->kind != SPA_OP_CONV) return NCNN_ELEMENTWISE;
    if (spa_op_is_depthwise(graph, op)) return NCNN_DEPTHWISE;
    if (a->groups > 1 || a->kernel_h != a->kernel_w) return NCNN_CONV;
    if (a->kernel_h == 1) return NCNN_CONV1X1;
    /* Stride 1: Winograd's algorithm saves multiplications. */
    return a->kernel_h == 3 && a->stride_h == 1 && a->stride_w == 1 ? NCNN_CONV3X3 : NCNN_CONV;
}

/* The line through log2(n) at 2, 4, 8 and 12 cores, 1 near 2: a tree of forks and joins. */
double fit_ncnn_barrier_factor(double cores)
{
    return cores > 1 ? FIT_BARRIER_FIXED + FIT_BARRIER_CORE * cores : 0;
}

static double op_seconds(const spa_graph *graph, const spa_op *op, const fit_ncnn_rates *r,
                         double cores)
{
    double x = (double)spa_op_out_elements(op);
    double work = (double)(op->macs > 0 ? op->macs : op->flops);
    double bytes = (double)(op->bytes_in + op->bytes_out + op->bytes_weight);
    double speed_up = 1 / (1 - r->parallel + r->parallel / cores);
    double half = op->kind == SPA_OP_CONV ? r->x_half * cores : 0;
    double rate = r->per_s[fit_ncnn_class(graph, op)] * speed_up * x / (x + half);
    double all = (op->macs > 0 ? r->bytes_per_s : r->move_bytes_per_s) * cores;
    double memory = bytes / (all < r->max_bytes_per_s ? all : r->max_bytes_per_s);
    double compute = work / rate;
    if (op->kind == SPA_OP_RESHAPE) return 0;
    return (r->fixed_ns + r->barrier_ns * fit_ncnn_barrier_factor(cores)) * 1e-9 +
           (compute > memory ? compute : memory);
}

double fit_ncnn_ms(const spa_graph *graph, const fit_ncnn_rates *rates, double cores)
{
    double t = 0;
    for (size_t i = 0; i < graph->n_ops; i++) t += op_seconds(graph, &graph->ops[i], rates, cores);
    return t * 1e3;
}

/* ---- fits ------------------------------------------------------------------------------------ */

enum { P_X_HALF = NCNN_CLASSES, P_BYTES, P_FIXED, P_PARALLEL = P_FIXED, P_BARRIER, N_PARAMS };

typedef struct rates_fit {
    fit_ncnn *n;
    fit_ncnn_rates rates;
    bool gpu;
    size_t n_params;
    double start[N_PARAMS];
} rates_fit;

/* Parameters are logarithms; of the parallel part p, log(p / (1 - p)). */
static void set_rates(rates_fit *f, const double *p)
{
    fit_ncnn_rates *r = &f->rates;
    for (size_t c = 0; c < NCNN_CLASSES; c++) r->per_s[c] = exp(p[c]);
    r->x_half = exp(p[P_X_HALF]);
    r->move_bytes_per_s = exp(p[P_BYTES]);
    if (f->gpu) {
        r->fixed_ns = exp(p[P_FIXED]);
        r->parallel = 1;
    } else {
        r->parallel = 1 / (1 + exp(-p[P_PARALLEL]));
        r->barrier_ns = exp(p[P_BARRIER]);
    }
}

static void rates_residuals(void *user, const double *p, double *r)
{
    rates_fit *f = user;
    set_rates(f, p);
    for (size_t i = 0; i < f->n->n_nets; i++) {
        const spa_graph *graph = &f->n->graphs[i];
        if (f->gpu) {
            *r++ = log(fit_ncnn_ms(graph, &f->rates, 1) / f->n->gpu_ms[i]);
            continue;
        }
        for (size_t j = 0; j < 2; j++)
            *r++ = log(fit_ncnn_ms(graph, &f->rates, f->n->threads[j]) / f->n->cpu_ms[i][j]);
    }
    for (size_t j = 0; j < f->n_params; j++) *r++ = PRIOR * (p[j] - f->start[j]);
}

/* On the CPU to the times of one and two threads, on the GPU to its one time per network. */
static spa_status fit_rates(fit_ncnn *n, bool gpu, fit_ncnn_rates *out, spa_error *err)
{
    /* Starting values: MACs/s and operations/s, x_half, bytes/s; then ns of a GPU operator; or odds
     * of the parallel part and ns of a barrier. */
    static const double cpu[] = {30e9, 100e9, 40e9, 15e9, 5e9, 3e9, 1e3, 10e9, 20, 5e3},
                        gpu_values[] = {500e9, 2e12, 1e12, 100e9, 50e9, 50e9, 1e5, 100e9, 2e4};
    rates_fit f = {.n = n, .gpu = gpu, .rates = *out, .n_params = gpu ? P_FIXED + 1 : N_PARAMS};
    size_t n_times = gpu ? n->n_nets : 2 * n->n_nets;
    double p[N_PARAMS], modelled[2 * FIT_MAX_NETS], measured[2 * FIT_MAX_NETS];
    for (size_t i = 0; i < f.n_params; i++) p[i] = f.start[i] = log((gpu ? gpu_values : cpu)[i]);
    SPA_TRY(fit_nonlinear(rates_residuals, &f, n_times + f.n_params, p, f.n_params, err));
    set_rates(&f, p);
    *out = f.rates;
    for (size_t i = 0; i < n_times; i++) {
        size_t net = gpu ? i : i / 2, column = gpu ? 0 : i % 2;
        modelled[i] = fit_ncnn_ms(&n->graphs[net], out, gpu ? 1 : n->threads[column]);
        measured[i] = gpu ? n->gpu_ms[net] : n->cpu_ms[net][column];
    }
    return fit_quality_of(modelled, measured, n_times, &out->fit, err);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* One thread's copy, all threads' and the GPU's stream bandwidth (branes-ai/graphs calibration). */
static spa_status read_bandwidth(fit_ncnn *n, fit_data *data, spa_error *err)
{
    static const char *const names[] = {"cpu_copy_1thread_maxn", "cpu_stream_multi",
                                        "dram_bw_gpu_stream_maxn"};
    double *const values[] = {&n->cpu.bytes_per_s, &n->cpu.max_bytes_per_s, &n->gpu.bytes_per_s};
    spa_csv csv;
    spa_status status = SPA_OK;
    SPA_TRY(fit_data_table(data, FACTS, &csv, err));
    for (size_t i = 0; i < csv.n_rows; i++) {
        if (strcmp(fit_text(&csv, i, "device"), BOARD)) continue;
        for (size_t j = 0; j < 3; j++)
            if (!strcmp(fit_text(&csv, i, "param"), names[j]))
                *values[j] = fit_cell(&csv, i, "value", &status, err) * 1e9;
    }
    n->gpu.max_bytes_per_s = n->gpu.bytes_per_s;
    for (size_t j = 0; j < 3 && status == SPA_OK; j++)
        if (*values[j] <= 0)
            status = spa_fail(err, SPA_E_PARSE, "%s: no %s of %s", csv.path, names[j], BOARD);
    spa_csv_fini(&csv);
    return status;
}

static void take_row(fit_ncnn *n, const spa_csv *csv, size_t row, spa_status *status,
                     spa_error *err)
{
    double ms = fit_cell(csv, row, "avg_ms", status, err);
    double threads = fit_cell(csv, row, "threads", status, err);
    bool gpu = !strncmp(fit_text(csv, row, "proc"), "GPU", 3);
    for (size_t i = 0; i < n->n_nets; i++) {
        if (strcmp(fit_text(csv, row, "model"), n->nets[i])) continue;
        if (gpu) n->gpu_ms[i] = ms;
        for (size_t j = 0; j < FIT_NCNN_THREADS && !gpu; j++)
            if (n->threads[j] == (int32_t)threads) n->cpu_ms[i][j] = ms;
    }
}

static spa_status read_times(fit_ncnn *n, fit_data *data, spa_error *err)
{
    spa_csv csv;
    spa_status status = SPA_OK;
    SPA_TRY(fit_data_table(data, TIMES, &csv, err));
    for (size_t i = 0; i < csv.n_rows; i++) take_row(n, &csv, i, &status, err);
    for (size_t i = 0; i < n->n_nets && status == SPA_OK; i++) {
        bool all = n->gpu_ms[i] > 0;
        for (size_t j = 0; j < FIT_NCNN_THREADS; j++) all &= n->cpu_ms[i][j] > 0;
        if (!all)
            status = spa_fail(err, SPA_E_PARSE, "%s: times of %s are missing", TIMES, n->nets[i]);
    }
    spa_csv_fini(&csv);
    return status;
}

spa_status fit_ncnn_run(fit_ncnn *n, fit_data *data, spa_error *err)
{
    static const int32_t threads[FIT_NCNN_THREADS] = {1, 2, 4, 8, 12};
    memset(n, 0, sizeof *n);
    memcpy(n->threads, threads, sizeof threads);
    n->n_nets = fit_nets_count();
    for (size_t i = 0; i < n->n_nets; i++) {
        n->nets[i] = fit_nets_name(i);
        SPA_TRY(fit_nets_build(i, &n->graphs[i], err));
    }
    SPA_TRY(read_bandwidth(n, data, err));
    SPA_TRY(read_times(n, data, err));
    n->cpu.fixed_ns = FIT_NCNN_ENTRY_NS;
    SPA_TRY(fit_rates(n, false, &n->cpu, err));
    SPA_TRY(fit_rates(n, true, &n->gpu, err));
    for (size_t i = 0; i < n->n_nets; i++) {
        n->gpu_model_ms[i] = fit_ncnn_ms(&n->graphs[i], &n->gpu, 1);
        for (size_t j = 0; j < FIT_NCNN_THREADS; j++)
            n->cpu_model_ms[i][j] = fit_ncnn_ms(&n->graphs[i], &n->cpu, n->threads[j]);
    }
    return SPA_OK;
}

void fit_ncnn_fini(fit_ncnn *n)
{
    for (size_t i = 0; i < n->n_nets; i++) spa_graph_fini(&n->graphs[i]);
    n->n_nets = 0;
}
