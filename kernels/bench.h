/* Speeds of the kernels, for the benchmark program. */
#ifndef SPA_KERNELS_BENCH_H
#define SPA_KERNELS_BENCH_H

#include "kernels/lanes.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_bench_time {
    size_t runs; /* kept; bursts beyond 1.5 medians are left out */
    double p50_ms, p95_ms, mean_ms, std_ms;
} spa_bench_time;

/* Latency of one inference (batch 1) on one lane. */
SPA_API spa_status spa_bench_latency(const char *model, const spa_lane *lane, int32_t runs,
                                     spa_bench_time *out, spa_error *err);

/* Inferences per second with every lane running its own inferences for `seconds`. */
SPA_API spa_status spa_bench_throughput(const char *model, const spa_lane_set *lanes,
                                        double seconds, double *per_second, spa_error *err);

/* One backend's inference of a model, operator by operator. */
typedef struct spa_bench_sum {
    const char *backend;
    double
        total_ms; /* sum over the operators of their shortest times: others also use the machine */
    double conv_fc_ms;   /* of it, convolutions and linear layers */
    double whole_p50_ms; /* median of whole inferences */
} spa_bench_sum;

#define SPA_BENCH_SUMS 8

/* The backends that this machine has, onednn's also restricted to oneDNN's own primitives
 * ("onednn-primitives": the peer), on the same weights and image, taking turns inference by
 * inference on one core. Fills at most SPA_BENCH_SUMS entries; `ref` is left out. */
SPA_API spa_status spa_bench_backends(const char *model, int core, int32_t runs, spa_bench_sum *out,
                                      size_t *count, spa_error *err);

/* Best of `rounds` products [m,k] x [k,n] by OpenBLAS on one thread of the given core: the dense
 * peak that the kernels are to be compared with, GFLOP/s (2*m*n*k operations). */
SPA_API spa_status spa_bench_sgemm(int core, int32_t m, int32_t n, int32_t k, int32_t rounds,
                                   double *gflops, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
