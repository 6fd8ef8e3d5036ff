#include "experiments/bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/stats.h"
#include "experiments/cli.h"

static double clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double bench_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}
double bench_wall_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

bench_figure *bench_add(bench_report *report, const char *name, double value, const char *unit)
{
    /* The last place is a spill-over: a full report keeps what it has. */
    size_t at = report->n < BENCH_MAX_FIGURES - 1 ? report->n++ : BENCH_MAX_FIGURES - 1;
    bench_figure *f = &report->figures[at];
    memset(f, 0, sizeof *f);
    snprintf(f->name, sizeof f->name, "%s", name);
    f->value = value;
    f->unit = unit;
    f->target = NAN;
    return f;
}

void bench_peer(bench_figure *figure, const char *peer, double value)
{
    snprintf(figure->peer, sizeof figure->peer, "%s", peer);
    figure->peer_value = value;
}

spa_status bench_compare(bench_report *report, spa_error *err)
{
    static const char *const models[] = {"resnet18", "mobilenet_v2", "mobilenet_v3_small",
                                         "vit_b_16", "swin_t"};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        char *argv[] = {"sparoa",   "compare", (char *)models[m], "--device", "agx-orin",
                        "--policy", "all",     "--quiet",         NULL};
        double samples[3];
        char name[96];
        for (int rep = 0; rep < 3; rep++) {
            FILE *sink = tmpfile();
            double start = bench_wall_ns();
            int code;
            if (!sink) return spa_fail(err, SPA_E_IO, "no temporary file");
            code = spa_cli_main(8, argv, sink, stderr);
            samples[rep] = (bench_wall_ns() - start) * 1e-9;
            fclose(sink);
            if (code) return spa_fail(err, SPA_E_INVALID, "compare %s failed", models[m]);
        }
        snprintf(name, sizeof name, "compare %s, all policies, 30 replications", models[m]);
        bench_add(report, name, spa_median(samples, 3), "s")->target = 1;
    }
    return SPA_OK;
}
