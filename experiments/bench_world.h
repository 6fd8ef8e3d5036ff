/* Models on a device, for benchmarks. */
#ifndef SPA_EXPERIMENTS_BENCH_WORLD_H
#define SPA_EXPERIMENTS_BENCH_WORLD_H

#include "devices/device.h"
#include "experiments/bench.h"

#define BENCH_MODELS 5

typedef struct bench_world {
    spa_device *device;
    spa_graph graphs[BENCH_MODELS];
    spa_costs costs[BENCH_MODELS];
    const spa_costs *tables[BENCH_MODELS];
    size_t n;
} bench_world;

/* The first n_models of the zoo: resnet18, mobilenet_v2, mobilenet_v3_small, vit_b_16, swin_t.
 * close also after a failure. Do not move it in between. */
spa_status bench_world_open(bench_world *w, const char *device, size_t n_models, spa_error *err);
void bench_world_close(bench_world *w);

#endif
