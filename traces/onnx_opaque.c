/* ONNX nodes without a rule: operators of which only the bytes are known. */
#include <stdio.h>
#include <string.h>

#include "traces/onnx_import.h"

static void list_opaque(onnx_import *im, const char *reason)
{
    spa_onnx_report *r = im->report;
    if (r->n_opaque++ == 0) snprintf(r->reason, sizeof r->reason, "%.299s", reason);
    const char *name = im->node->op_type[0] != '\0' ? im->node->op_type : "(none)";
    size_t n = strlen(r->opaque), m = strlen(name);
    for (const char *p = strstr(r->opaque, name); p != NULL; p = strstr(p + 1, name))
        if ((p == r->opaque || p[-1] == ' ') && (p[m] == '\0' || p[m] == ',')) return;
    if (n + m + 3 < sizeof r->opaque)
        snprintf(r->opaque + n, sizeof r->opaque - n, "%s%s", n > 0 ? ", " : "", name);
}

static spa_status opaque_shape(const onnx_import *im, const onnx_value *v, const char *reason,
                               spa_shape *shape, spa_error *err)
{
    const onnx_dims *d = v->info != NULL ? &v->info->shape : NULL;
    bool known = d != NULL && d->known && d->rank <= SPA_MAX_RANK;
    *shape = (spa_shape){.rank = known && d->rank > 0 ? d->rank : 1, .dim = {1}};
    for (int32_t i = 0; known && i < d->rank; i++) {
        int64_t n = d->dim[i] < 0 && i == 0 ? im->graph->batch : d->dim[i];
        known = n > 0 && n <= SPA_MAX_DIM;
        shape->dim[i] = (int32_t)n;
    }
    if (known) return SPA_OK;
    return onnx_fail(im, SPA_E_UNSUPPORTED, err,
                     "%s; and the file does not say which shape '%.100s' has: write it with "
                     "onnx.shape_inference first",
                     reason, v->name);
}

spa_status onnx_lower_opaque(onnx_import *im, const char *reason, spa_error *err)
{
    int32_t inputs[SPA_MAX_OP_INPUTS], first = -1;
    size_t n = 0;
    list_opaque(im, reason);
    for (size_t i = 0; i < im->node->n_inputs && n < SPA_MAX_OP_INPUTS; i++) {
        onnx_value *v = onnx_in(im, i);
        bool numbers = v != NULL && v->count > 0 && onnx_type_bytes(v->type) > 0;
        if (v != NULL && (numbers || v->state == ONNX_ABSENT))
            SPA_TRY(onnx_operand(im, v, &inputs[n++], err));
    }
    for (size_t i = 0; i < im->node->n_outputs; i++) {
        onnx_value *v = onnx_out(im, i);
        spa_shape shape;
        int32_t index;
        if (v == NULL || (v->uses == 0 && !v->is_output)) continue;
        SPA_TRY(opaque_shape(im, v, reason, &shape, err));
        SPA_TRY(onnx_emit(im, SPA_OP_OTHER, NULL, first >= 0 ? &first : inputs, first >= 0 ? 1 : n,
                          &shape, &index, err));
        if (first < 0) first = index;
        SPA_TRY(onnx_set(im, v, index, err));
        if (v->info != NULL) v->type = v->info->type;
    }
    return SPA_OK;
}
