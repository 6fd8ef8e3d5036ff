/* CPU kernels end to end on one and two cores, beside the sgemm peak of a core; backends beside
 * each other and oneDNN. */
#include <stdio.h>
#include <string.h>
#include "experiments/bench.h"
#include "kernels/backend.h"
#include "kernels/bench.h"

static spa_status bench_model(bench_report *report, const char *model, double gmacs,
                              const char *backend, double peak_gflops, spa_error *err)
{
    spa_lane_set lanes;
    spa_bench_time time;
    double per_second;
    char text[64], name[96];
    bench_figure *f;
    double one_core_ms;
    snprintf(text, sizeof text, "cpu:0=%s,cpu:1=%s", backend, backend);
    SPA_TRY(spa_lanes_parse(&lanes, text, err));
    SPA_TRY(
        spa_bench_latency(model, &lanes.lanes[0], (int32_t)(30 * report->seconds) + 5, &time, err));
    snprintf(name, sizeof name, "%s, %s kernels, 1 core", model, backend);
    f = bench_add(report, name, time.p50_ms, "ms");
    /* What the model's MACs alone would take at the speed of a large matrix product. */
    bench_peer(f, "MACs at sgemm peak", gmacs * 2 / peak_gflops * 1e3);
    one_core_ms = time.p50_ms;
    SPA_TRY(spa_bench_throughput(model, &lanes, 4 * report->seconds, &per_second, err));
    snprintf(name, sizeof name, "%s, %s kernels, 2 cores (own inferences)", model, backend);
    bench_add(report, name, per_second, "inferences/s");
    snprintf(text, sizeof text, "cpu:0-1=%s", backend);
    SPA_TRY(spa_lanes_parse(&lanes, text, err));
    SPA_TRY(
        spa_bench_latency(model, &lanes.lanes[0], (int32_t)(30 * report->seconds) + 5, &time, err));
    snprintf(name, sizeof name, "%s, %s kernels, 2 cores (one inference)", model, backend);
    f = bench_add(report, name, time.p50_ms, "ms");
    bench_peer(f, "1 core", one_core_ms);
    return SPA_OK;
}

/* Every backend beside the sum of oneDNN's own primitives for the same operators, in the same run.
 * The model's MACs are what convolutions and linear layers are made of. */
static spa_status bench_backends(bench_report *report, const char *model, double runs_per_second,
                                 spa_error *err)
{
    spa_bench_sum sums[SPA_BENCH_SUMS];
    size_t n;
    const spa_bench_sum *peer = NULL;
    char name[96];
    SPA_TRY(spa_bench_backends(model, 0, (int32_t)(runs_per_second * report->seconds) + 3, sums, &n,
                               err));
    for (size_t b = 0; b < n; b++)
        if (strcmp(sums[b].backend, "onednn-primitives") == 0) peer = &sums[b];
    for (size_t b = 0; b < n; b++) {
        bench_figure *f;
        if (&sums[b] == peer) continue;
        snprintf(name, sizeof name, "%s, %s, best of each operator", model, sums[b].backend);
        f = bench_add(report, name, sums[b].total_ms, "ms");
        if (peer != NULL) bench_peer(f, "oneDNN primitives", peer->total_ms);
        if (strcmp(sums[b].backend, "onednn") == 0 && peer != NULL) f->target = peer->total_ms;
        snprintf(name, sizeof name, "%s, %s, of it conv and fc", model, sums[b].backend);
        f = bench_add(report, name, sums[b].conv_fc_ms, "ms");
        if (peer != NULL) bench_peer(f, "oneDNN primitives", peer->conv_fc_ms);
    }
    return SPA_OK;
}

spa_status bench_kernels(bench_report *report, spa_error *err)
{
    static const char *const backends[] = {"blas", "sparse", "onednn"};
    static const struct {
        const char *model;
        double runs_per_second;
    } contests[] = {{"resnet18", 15},
                    {"mobilenet_v2", 40},
                    {"mobilenet_v3_small", 60},
                    {"swin_t", 4},
                    {"vit_b_16", 2}};
    const spa_backend *found;
    double peak;
    SPA_TRY(spa_bench_sgemm(0, 768, 768, 768, 20, &peak, err));
    bench_add(report, "sgemm 768x768x768, OpenBLAS, 1 core", peak, "GFLOP/s");
    for (int b = 0; b < 3; b++) {
        if (spa_backend_find(backends[b], &found, err) != SPA_OK) {
            fprintf(stderr, "bench: skipped: %s\n", err->message);
            continue;
        }
        SPA_TRY(bench_model(report, "resnet18", 1.814, backends[b], peak, err));
        SPA_TRY(bench_model(report, "mobilenet_v2", 0.301, backends[b], peak, err));
    }
    for (size_t i = 0; i < sizeof contests / sizeof contests[0]; i++)
        SPA_TRY(bench_backends(report, contests[i].model, contests[i].runs_per_second, err));
    return SPA_OK;
}
