/* Benchmarks: figures with a name, a value, a unit, and a peer's value where there is one. */
#ifndef SPA_EXPERIMENTS_BENCH_H
#define SPA_EXPERIMENTS_BENCH_H

#include "base/memory.h"

#define BENCH_MAX_FIGURES 160

typedef struct bench_figure {
    char name[96];
    double value;
    const char *unit;
    char peer[64]; /* "" = none */
    double peer_value;
    double target; /* NaN = none; smaller is better unless the unit is a rate ("/s") or "x" */
} bench_figure;

typedef struct bench_report {
    bench_figure figures[BENCH_MAX_FIGURES];
    size_t n;
    double seconds; /* budget of one measurement */
} bench_report;

bench_figure *bench_add(bench_report *report, const char *name, double value, const char *unit);
void bench_peer(bench_figure *figure, const char *peer, double value);

/* Runs a program of experiments/peers, if it was built beside this one, with up to 6 arguments;
 * what it prints. NaN = it is not there or failed. */
double bench_run_peer(const char *name, const char *const *arguments, size_t n);

/* CPU time of this thread, in ns: less disturbed by other processes than the wall clock. */
double bench_cpu_ns(void);
double bench_wall_ns(void);

/* The engine: ns per simulated operator, growth with requests in flight, copies, event list. Beside
 * a bare C loop of the same job, SimGrid, and other event queues. */
spa_status bench_engine(bench_report *report, spa_error *err);
/* The scheduling environment of the learning policies, alone. */
spa_status bench_environment(bench_report *report, spa_error *err);
/* `sparoa compare MODEL --policy all`, wall seconds. */
spa_status bench_compare(bench_report *report, spa_error *err);
/* CPU kernels end to end, beside the sgemm peak. */
spa_status bench_kernels(bench_report *report, spa_error *err);
/* Training learned policies. */
spa_status bench_learn(bench_report *report, spa_error *err);
/* One decision of policies that decide at dispatch. */
spa_status bench_decision(bench_report *report, spa_error *err);

#endif
