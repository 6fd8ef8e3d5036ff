/* CPU kernels end to end on one and two cores, beside the sgemm peak of a core. */
#include <stdio.h>
#include "experiments/bench.h"
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

spa_status bench_kernels(bench_report *report, spa_error *err)
{
    static const char *const backends[] = {"blas", "sparse"};
    double peak;
    SPA_TRY(spa_bench_sgemm(0, 768, 768, 768, 20, &peak, err));
    bench_add(report, "sgemm 768x768x768, OpenBLAS, 1 core", peak, "GFLOP/s");
    for (int b = 0; b < 2; b++) {
        SPA_TRY(bench_model(report, "resnet18", 1.814, backends[b], peak, err));
        SPA_TRY(bench_model(report, "mobilenet_v2", 0.301, backends[b], peak, err));
    }
    return SPA_OK;
}
