/* Speeds of the kernels. */
#include "kernels/bench.h"

#include <cblas.h>
#include <stdlib.h>
#include <time.h>

#include "base/stats.h"
#include "kernels/clock.h"
#include "kernels/runner.h"

/* A graph, its model and a runner per lane. */
typedef struct bench {
    spa_graph graph;
    spa_model model;
    size_t n_runners;
    spa_runner runners[SPA_LANES_MAX];
} bench;

static void bench_fini(bench *b)
{
    if (b == NULL) return;
    for (size_t i = 0; i < b->n_runners; i++) spa_runner_fini(&b->runners[i]);
    spa_model_fini(&b->model);
    spa_graph_fini(&b->graph);
    free(b);
}

static spa_status bench_new(bench **out, const char *model, const spa_lane *lanes, size_t n_lanes,
                            spa_error *err)
{
    bench *b;
    *out = NULL;
    SPA_TRY(spa_alloc(&b, 1, sizeof *b, err));
    spa_status status = spa_model_load(&b->graph, model, 1, SPA_FP32, err);
    if (status != SPA_OK) {
        free(b);
        return status;
    }
    status = spa_model_init(&b->model, &b->graph, 1, err);
    for (size_t i = 0; i < n_lanes && status == SPA_OK; i++) {
        status = spa_runner_init(&b->runners[i], &lanes[i], &b->model, 1, err);
        if (status == SPA_OK) b->n_runners++;
    }
    if (status != SPA_OK)
        bench_fini(b);
    else
        *out = b;
    return status;
}

static spa_status summarise(spa_run_times *times, spa_bench_time *out, spa_error *err)
{
    double *us;
    SPA_TRY(spa_run_times_judge(times, 1.5, err));
    SPA_TRY(spa_alloc(&us, times->count, sizeof *us, err));
    spa_moments moments = {0};
    out->runs = spa_run_times_column(times, times->n_ops, us);
    for (size_t i = 0; i < out->runs; i++) spa_moments_add(&moments, us[i]);
    out->p50_ms = spa_median(us, out->runs) * 1e-3;
    out->p95_ms = spa_quantile_sorted(us, out->runs, 0.95) * 1e-3;
    out->mean_ms = moments.mean * 1e-3;
    out->std_ms = spa_moments_sd(&moments) * 1e-3;
    free(us);
    return SPA_OK;
}

spa_status spa_bench_latency(const char *model, const spa_lane *lane, int32_t runs,
                             spa_bench_time *out, spa_error *err)
{
    bench *b;
    spa_run_times times = {0};
    *out = (spa_bench_time){0};
    if (runs < 1) return spa_fail(err, SPA_E_RANGE, "bench: %d runs", (int)runs);
    SPA_TRY(bench_new(&b, model, lane, 1, err));
    spa_status status = spa_run_times_init(&times, b->graph.n_ops, (size_t)runs, err);
    if (status == SPA_OK) status = spa_runner_measure(&b->runners[0], 2, runs, &times, err);
    if (status == SPA_OK) status = summarise(&times, out, err);
    spa_run_times_fini(&times);
    bench_fini(b);
    return status;
}

static void sleep_for(double seconds)
{
    struct timespec left = {.tv_sec = (time_t)seconds};
    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) != 0) {
    }
}

spa_status spa_bench_throughput(const char *model, const spa_lane_set *lanes, double seconds,
                                double *per_second, spa_error *err)
{
    bench *b;
    *per_second = 0;
    if (!(seconds > 0 && seconds < 3600))
        return spa_fail(err, SPA_E_RANGE, "bench: %g seconds", seconds);
    SPA_TRY(bench_new(&b, model, lanes->lanes, lanes->count, err));
    int64_t before = spa_clock_ns(), loops = 0;
    for (size_t i = 0; i < b->n_runners; i++) spa_runner_loop(&b->runners[i]);
    sleep_for(seconds);
    spa_status status = SPA_OK;
    for (size_t i = 0; i < b->n_runners; i++)
        atomic_store_explicit(&b->runners[i].stop, true, memory_order_relaxed);
    for (size_t i = 0; i < b->n_runners; i++) { /* all are ending by now */
        spa_status ended = spa_runner_stop(&b->runners[i], err);
        if (ended != SPA_OK) status = ended;
        loops += b->runners[i].loops;
    }
    if (status == SPA_OK) *per_second = (double)loops * 1e9 / (double)(spa_clock_ns() - before);
    bench_fini(b);
    return status;
}

typedef struct sgemm_job {
    int32_t m, n, k, rounds;
    float *a, *b, *c;
    int64_t best_ns;
} sgemm_job;

static void sgemm_run(void *context)
{
    sgemm_job *job = context;
    job->best_ns = INT64_MAX;
    for (int32_t r = -1; r < job->rounds; r++) { /* round -1 warms up */
        int64_t before = spa_clock_ns();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, job->m, job->n, job->k, 1.0f, job->a,
                    job->k, job->b, job->n, 0.0f, job->c, job->n);
        int64_t ns = spa_clock_ns() - before;
        if (r >= 0 && ns < job->best_ns) job->best_ns = ns;
    }
}

spa_status spa_bench_sgemm(int core, int32_t m, int32_t n, int32_t k, int32_t rounds,
                           double *gflops, spa_error *err)
{
    sgemm_job job = {.m = m, .n = n, .k = k, .rounds = rounds};
    spa_worker *worker = NULL;
    *gflops = 0;
    if (m < 1 || n < 1 || k < 1 || rounds < 1 || m > 16384 || n > 16384 || k > 16384)
        return spa_fail(err, SPA_E_RANGE, "bench: a product of %d x %d x %d", (int)m, (int)n,
                        (int)k);
    SPA_TRY(spa_backend_blas.probe(err)); /* one thread */
    size_t a = (size_t)m * (size_t)k, b = (size_t)k * (size_t)n, c = (size_t)m * (size_t)n;
    SPA_TRY(spa_alloc_aligned(&job.a, (a + b + c + 64) * sizeof(float), err));
    job.b = job.a + a;
    job.c = job.b + b;
    spa_fill_random(job.a, a + b, 1, 0, 0);
    spa_status status = spa_worker_new(&worker, core, err);
    if (status == SPA_OK) {
        spa_worker_start(worker, sgemm_run, &job);
        spa_worker_wait(worker);
        *gflops = 2.0 * m * n * k / (double)job.best_ns;
    }
    spa_worker_free(worker);
    free(job.a);
    return status;
}
