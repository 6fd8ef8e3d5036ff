#include "policies/predicted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static bool is_there(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file) fclose(file);
    return file != NULL;
}

static spa_status find(const spa_costs *c, const char *given, const char *folder, char *path,
                       size_t size, spa_error *err)
{
    snprintf(path, size, "%s", given);
    if (*given) return SPA_OK;
    snprintf(path, size, "%s/threshold+predictor-%s.thresholds", folder ? folder : "policies/data",
             c->device);
    if (folder && is_there(path)) return SPA_OK;
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "not trained for it; sparoa train threshold+predictor all --device %s -o FILE, "
                    "then threshold+predictor:model=FILE",
                    c->device);
}

/* Thresholds of another machine are not wrong input, but they say nothing about this one. */
static spa_status check_device(const spa_predictor *p, const spa_costs *c, const char *path,
                               spa_error *err)
{
    if (c->device && !strcmp(p->device, c->device)) return SPA_OK;
    return spa_fail_at(err, SPA_E_INVALID, path, 0, "holds thresholds of device '%s', not of '%s'",
                       p->device, c->device ? c->device : "?");
}

static spa_status predict(spa_predictor *p, const spa_costs *c, float *at, spa_error *err)
{
    float *x = NULL;
    SPA_TRY(spa_alloc(&x, c->n_ops * SPA_PREDICTOR_FEATURES, sizeof *x, err));
    for (size_t i = 0; i < c->n_ops; i++)
        spa_predictor_features(c->graph, i, c->graph->ops[i].input_sparsity,
                               x + i * SPA_PREDICTOR_FEATURES);
    spa_predictor_predict(p, x, c->n_ops, at);
    free(x);
    return SPA_OK;
}

spa_status spa_predicted_make(spa_predicted *out, const spa_costs *costs, const char *given,
                              const char *folder, spa_error *err)
{
    spa_predictor p;
    char path[1024];
    *out = (spa_predicted){0};
    SPA_TRY(find(costs, given, folder, path, sizeof path, err));
    SPA_TRY(spa_predictor_read(&p, path, err));
    spa_status status = check_device(&p, costs, path, err);
    if (!status) status = spa_alloc(&out->at, costs->n_ops * SPA_THRESHOLDS, sizeof *out->at, err);
    if (!status) status = predict(&p, costs, out->at, err);
    if (!status) out->hash = spa_predictor_hash(&p);
    spa_predictor_fini(&p);
    return status;
}

void spa_predicted_fini(spa_predicted *predicted)
{
    free(predicted->at);
    *predicted = (spa_predicted){0};
}
