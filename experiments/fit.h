/* Fits to published measurements of a Jetson AGX Orin, and what the fitted models predict.
 *
 * The measurements are read from a folder beside the repository and never copied into it. Three
 * stacks: darknet (AveesLab/rt-max), PyTorch eager (branes-ai/graphs), ncnn (Tencent/ncnn). The
 * equations are in docs/model-fit.md. Times are ms here, as in the data. */
#ifndef SPA_EXPERIMENTS_FIT_H
#define SPA_EXPERIMENTS_FIT_H

#include "base/csv.h"
#include "base/text.h"
#include "traces/graph.h"

/* ---- solvers (least_squares.c) ----------------------------------------------------------------
 */

/* Relative errors |predicted/measured - 1|. */
typedef struct fit_quality {
    size_t n;
    double median, p95, max;
} fit_quality;
spa_status fit_quality_of(const double *predicted, const double *measured, size_t n,
                          fit_quality *out, spa_error *err);

/* Least squares min |a x - b| with x >= 0 (Lawson & Hanson, Solving Least Squares Problems, 1974,
 * chapter 23). `a` is rows x columns, row-major; rows >= columns, columns <= FIT_MAX_COLUMNS. */
#define FIT_MAX_COLUMNS 16
spa_status fit_nnls(const double *a, const double *b, size_t rows, size_t columns, double *x,
                    spa_error *err);

/* Residuals r[n] at parameters p. */
typedef void (*fit_residuals)(void *user, const double *p, double *r);
/* Nonlinear least squares from the start in p[] (Levenberg-Marquardt, GSL; numerical Jacobian). */
spa_status fit_nonlinear(fit_residuals residuals, void *user, size_t n, double *p, size_t n_params,
                         spa_error *err);

/* ---- the data folder (fit_data.c) ------------------------------------------------------------ */

#define FIT_MAX_SOURCES 12
typedef struct fit_data {
    const char *folder;
    size_t n_sources;
    struct {
        const char *path; /* below the folder */
        char sha256[65];
    } sources[FIT_MAX_SOURCES];
} fit_data;

/* Is there such a folder with what the fits need? */
bool fit_data_present(const char *folder);
/* Reads a file below the folder (.gz is unpacked) and notes its SHA-256. free() the text. */
spa_status fit_data_read(fit_data *data, const char *path, char **text, size_t *size,
                         spa_error *err);
spa_status fit_data_table(fit_data *data, const char *path, spa_csv *csv, spa_error *err);
/* A number of a table by column name; the first failure sticks in *status, which makes later calls
 * return 0. */
double fit_cell(const spa_csv *csv, size_t row, const char *column, spa_status *status,
                spa_error *err);
const char *fit_text(const spa_csv *csv, size_t row, const char *column);

/* ---- darknet: a network split between GPU and CPU (fit_split.c, fit_split_sim.c) ------------- */

#define FIT_MAX_LAYERS 128
#define FIT_MAX_FROM   8
typedef struct fit_layer {
    char type; /* c(onvolutional), r(oute), m(axpool), u(psample), y(olo) */
    int32_t ksize, stride, in_c, in_h, in_w, out_c, out_h, out_w;
    int32_t from[FIT_MAX_FROM], n_from;
    double flops, out_bytes;
    bool pulled; /* the GPU version copies its output to the host and waits */
    bool logistic;
} fit_layer;

/* Means of the images measured with the first k layers on the GPU. */
typedef struct fit_cut {
    int32_t workers, images; /* images 0: not measured */
    double fps;
    double pre_ms, gpu_ms, cpu_ms, post_ms, total_ms;
    double beside_gpu, beside_gpu2; /* other workers computing on the CPU during the GPU part: mean
                                       over time of their number and of its square */
    double beside_cpu;              /* the same during the CPU part */
} fit_cut;

enum { GPU_INPUT, GPU_CONV, GPU_LAYER, GPU_PULL, GPU_PULL_MB, GPU_CUT_MB, GPU_GFLOP, GPU_TERMS };
enum { CPU_GFLOP3, CPU_GFLOP1, CPU_MOUT, CPU_MCOL, CPU_MLOGISTIC, CPU_MPOOL, CPU_MB, CPU_TERMS };

typedef struct fit_split {
    int32_t n_layers;
    fit_layer layers[FIT_MAX_LAYERS];
    fit_cut one[FIT_MAX_LAYERS + 1], many[FIT_MAX_LAYERS + 1]; /* [k] */
    /* Fitted: */
    double gpu[GPU_TERMS], cpu[CPU_TERMS]; /* ms per unit of each term */
    double pre_ms, post_ms;
    double gpu_slow_a, gpu_slow_b, cpu_slow_a;
    double parallel; /* Amdahl's parallel part of the CPU part, from the thread sweep */
    fit_quality gpu_fit, cpu_fit, gpu_slow_fit, cpu_slow_fit, threads_fit;
} fit_split;

/* Reads the split sweeps; also fits `parallel` on the thread sweep. */
spa_status fit_split_read(fit_split *s, fit_data *data, spa_error *err);
/* Rates on even k of the one-worker runs, contention on k = 0 mod 4 of the others. */
spa_status fit_split_fit(fit_split *s, spa_error *err);
double fit_split_cpu_ms(const fit_split *s, int32_t layer);
double fit_split_gpu_ms(const fit_split *s, int32_t layer); /* the kernel alone */

typedef struct fit_simulated {
    double fps, pre_ms, gpu_ms, cpu_ms, total_ms;
} fit_simulated;
/* Runs the project's engine: k layers on the GPU, `images` images by `workers` workers. */
spa_status fit_split_simulate(const fit_split *s, int32_t k, int32_t workers, int32_t images,
                              fit_simulated *out, spa_error *err);
/* The network as a graph: preprocess, the layers, postprocess. */
spa_status fit_split_graph(const fit_split *s, spa_graph *graph, spa_error *err);

/* ---- PyTorch eager: subgraph times on the GPU (fit_eager.c) ---------------------------------- */

enum {
    EAGER_CONV,
    EAGER_NORM,
    EAGER_ELEMENTWISE,
    EAGER_LINEAR,
    EAGER_ATTENTION,
    EAGER_CALL,
    EAGER_OPS,
    EAGER_GFLOP_CONV = EAGER_OPS,
    EAGER_GFLOP,
    EAGER_MB_CONV,
    EAGER_MB_HEAVY,
    EAGER_MB,
    EAGER_TERMS
};
#define EAGER_PRECISIONS 3
#define EAGER_MAX_MODELS 24

typedef struct fit_eager_sum {
    char model[32];
    double fitted_ms, fitted_model_ms; /* MAXN: measured, modelled */
    double predicted_ms, measured_ms;  /* 15 W */
} fit_eager_sum;

typedef struct fit_eager {
    double cpu_hz, gpu_hz, gpu_units, dram_gbs; /* MAXN, then the ratios MAXN / 15 W: */
    double host_ratio, clock_ratio, compute_ratio, dram_ratio;
    double add_ms, matmul_ms; /* dispatch micro-benchmarks, MAXN, p50 */
    struct {
        const char *name;
        double ms[EAGER_TERMS];    /* per operator, GFLOP, MB; MAXN */
        double host_ms[EAGER_OPS]; /* part of ms[] that is host time */
        fit_quality rows, sums;    /* MAXN: subgraphs, sums per model */
        size_t n_models;
        fit_eager_sum models[EAGER_MAX_MODELS];
    } precision[EAGER_PRECISIONS];
} fit_eager;
spa_status fit_eager_run(fit_eager *e, fit_data *data, spa_error *err);

/* ---- ncnn: whole networks (fit_nets.c, fit_ncnn.c) ------------------------------------------- */

#define FIT_MAX_NETS 16
size_t fit_nets_count(void);
const char *fit_nets_name(size_t i);
/* Builds a network as ncnn runs it (activations and normalisations folded), fp16. */
spa_status fit_nets_build(size_t i, spa_graph *graph, spa_error *err);

enum {
    NCNN_CONV,
    NCNN_CONV3X3,
    NCNN_CONV1X1,
    NCNN_DEPTHWISE,
    NCNN_LINEAR,
    NCNN_ELEMENTWISE,
    NCNN_CLASSES
};
typedef struct fit_ncnn_rates {
    double per_s[NCNN_CLASSES]; /* MACs/s (elementwise: operations/s) of one core or the GPU */
    double x_half;              /* output elements, per core or whole */
    double fixed_ns;            /* per operator */
    double bytes_per_s, max_bytes_per_s;
    double move_bytes_per_s;     /* of operators without MACs */
    double parallel, barrier_ns; /* CPU: Amdahl's parallel part; fork and join, see
                                    fit_ncnn_barrier_factor */
    fit_quality fit;             /* residuals on the networks it was fitted to */
} fit_ncnn_rates;

#define FIT_NCNN_ENTRY_NS 1000 /* assumed: to enter a layer on the CPU */
#define FIT_NCNN_THREADS  5
typedef struct fit_ncnn {
    size_t n_nets;
    const char *nets[FIT_MAX_NETS];
    int32_t threads[FIT_NCNN_THREADS];
    double cpu_ms[FIT_MAX_NETS][FIT_NCNN_THREADS], gpu_ms[FIT_MAX_NETS]; /* measured */
    double cpu_model_ms[FIT_MAX_NETS][FIT_NCNN_THREADS], gpu_model_ms[FIT_MAX_NETS];
    fit_ncnn_rates cpu, gpu;
    spa_graph graphs[FIT_MAX_NETS];
} fit_ncnn;
spa_status fit_ncnn_run(fit_ncnn *n, fit_data *data, spa_error *err);
void fit_ncnn_fini(fit_ncnn *n);
/* Time of a graph by the device equation (devices/README.md) on n cores; accelerator: 1. */
double fit_ncnn_ms(const spa_graph *graph, const fit_ncnn_rates *rates, double cores);
/* Share of barrier_ns that n cores wait: FIT_BARRIER_FIXED + n * FIT_BARRIER_CORE, about log2(n).
 */
#define FIT_BARRIER_FIXED 0.88
#define FIT_BARRIER_CORE  0.24
double fit_ncnn_barrier_factor(double cores);
unsigned fit_ncnn_class(const spa_graph *graph, const spa_op *op);

/* ---- all of it (fit_orin.c) ------------------------------------------------------------------ */

typedef struct fit_orin {
    fit_data data;
    fit_split split;
    fit_eager eager;
    fit_ncnn ncnn;
} fit_orin;
/* Reads and fits everything; a large object, on the heap. `folder` must outlive it. */
spa_status fit_orin_new(fit_orin **orin, const char *folder, spa_error *err);
void fit_orin_free(fit_orin *orin);
/* The text of devices/data/agx-orin.fit.ini: values with residuals, and the inputs' SHA-256. */
spa_status fit_orin_print(const fit_orin *orin, spa_string *out, spa_error *err);

#endif
