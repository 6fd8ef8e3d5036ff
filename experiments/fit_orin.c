/* All fits to the AGX Orin's published measurements. */
#include <stdlib.h>
#include "experiments/fit.h"

spa_status fit_orin_new(fit_orin **orin, const char *folder, spa_error *err)
{
    fit_orin *o = NULL;
    *orin = NULL;
    SPA_TRY(spa_alloc(&o, 1, sizeof *o, err));
    o->data.folder = folder;
    spa_status status = fit_split_read(&o->split, &o->data, err);
    if (status == SPA_OK) status = fit_split_fit(&o->split, err);
    if (status == SPA_OK) status = fit_eager_run(&o->eager, &o->data, err);
    if (status == SPA_OK) status = fit_ncnn_run(&o->ncnn, &o->data, err);
    if (status != SPA_OK) {
        fit_orin_free(o);
        return status;
    }
    *orin = o;
    return SPA_OK;
}

void fit_orin_free(fit_orin *orin)
{
    if (!orin) return;
    fit_ncnn_fini(&orin->ncnn);
    free(orin);
}
