#include "experiments/bench_world.h"

#include <string.h>
#include "experiments/paths.h"

spa_status bench_world_open(bench_world *w, const char *device, size_t n_models, spa_error *err)
{
    static const char *const models[BENCH_MODELS] = {"resnet18", "mobilenet_v2",
                                                     "mobilenet_v3_small", "vit_b_16", "swin_t"};
    spa_costs_options options = spa_costs_options_default();
    spa_paths paths;
    memset(w, 0, sizeof *w);
    SPA_TRY(spa_paths_find(&paths, err));
    SPA_TRY(spa_device_load(&w->device, device, paths.device_search, err));
    for (; w->n < n_models; w->n++) {
        SPA_TRY(spa_model_load(&w->graphs[w->n], models[w->n], 1, SPA_FP32, err));
        spa_status status =
            spa_costs_build(&w->costs[w->n], w->device, &w->graphs[w->n], &options, err);
        if (status) {
            spa_graph_fini(&w->graphs[w->n]);
            return status;
        }
        w->tables[w->n] = &w->costs[w->n];
    }
    return SPA_OK;
}

void bench_world_close(bench_world *w)
{
    for (size_t i = 0; i < w->n; i++) {
        spa_costs_fini(&w->costs[i]);
        spa_graph_fini(&w->graphs[i]);
    }
    spa_device_free(w->device);
}
