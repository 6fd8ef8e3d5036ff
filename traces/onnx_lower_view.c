/* ONNX nodes into operators: the same elements under another name, shape or type. */
#include <string.h>

#include "traces/onnx_import.h"

/* ---- views ---------------------------------------------------------------------------------- */

spa_status onnx_set_view(onnx_import *im, onnx_value *x, const int64_t *dims, int32_t rank,
                         spa_error *err)
{
    onnx_value *out = onnx_out(im, 0);
    int64_t count = 1;
    int32_t producer;
    if (rank > SPA_MAX_RANK) return onnx_no_rule(im, err, "%d dimensions", (int)rank);
    for (int32_t i = 0; i < rank; i++)
        if (dims[i] < 0 || !spa_mul_i64(count, dims[i], &count))
            return onnx_fail(im, SPA_E_INVALID, err, "dimension %d would be %lld", (int)i,
                             (long long)dims[i]);
    if (count != x->count)
        return onnx_fail(im, SPA_E_INVALID, err, "%lld elements do not become %lld",
                         (long long)x->count, (long long)count);
    if (out == NULL) return SPA_OK;
    if (onnx_is_const(x)) {
        if (out->state != ONNX_ABSENT)
            return onnx_fail(im, SPA_E_PARSE, err, "makes '%.100s' a second time", out->name);
        onnx_alias(out, x);
        out->producer = ONNX_NOWHERE;
        out->rank = rank;
        for (int32_t i = 0; i < rank; i++) out->dim[i] = dims[i];
        return SPA_OK;
    }
    for (int32_t i = 0; i < rank; i++)
        if (dims[i] < 1 || dims[i] > SPA_MAX_DIM)
            return onnx_no_rule(im, err, "dimension %d would be %lld", (int)i, (long long)dims[i]);
    SPA_TRY(onnx_operand(im, x, &producer, err));
    return onnx_set_dims(im, out, producer, dims, rank, x->type, err);
}

static spa_status lower_reshape(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    const int64_t *list;
    int64_t dims[SPA_MAX_RANK], known = 1;
    size_t n;
    int32_t open = -1;
    SPA_TRY(onnx_int_list(im, 1, "shape", &list, &n, err));
    if (n > SPA_MAX_RANK) return onnx_no_rule(im, err, "%zu dimensions", n);
    bool zero_is_zero = onnx_attr_int(im, "allowzero", 0) != 0;
    for (size_t i = 0; i < n; i++) {
        dims[i] = list[i];
        if (list[i] == 0 && !zero_is_zero && (int32_t)i < x->rank) dims[i] = x->dim[i];
        if (list[i] == -1 && open >= 0)
            return onnx_fail(im, SPA_E_INVALID, err, "two dimensions are -1");
        if (list[i] == -1)
            open = (int32_t)i;
        else if (dims[i] < 0 || !spa_mul_i64(known, dims[i], &known))
            return onnx_fail(im, SPA_E_INVALID, err, "dimension %zu is %lld", i,
                             (long long)list[i]);
    }
    if (open >= 0) {
        if (known == 0 || x->count % known != 0)
            return onnx_fail(im, SPA_E_INVALID, err, "%lld elements do not fill rows of %lld",
                             (long long)x->count, (long long)known);
        dims[open] = x->count / known;
    }
    return onnx_set_view(im, x, dims, (int32_t)n, err);
}

static spa_status lower_flatten(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    int64_t axis = onnx_attr_int(im, "axis", 1), dims[2] = {1, 1};
    if (axis < -x->rank || axis > x->rank)
        return onnx_fail(im, SPA_E_INVALID, err, "axis %lld", (long long)axis);
    if (axis < 0) axis += x->rank;
    for (int32_t i = 0; i < x->rank; i++) dims[i < axis ? 0 : 1] *= x->dim[i];
    return onnx_set_view(im, x, dims, 2, err);
}

static spa_status lower_squeeze(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    const int64_t *axes;
    size_t n;
    int64_t dims[SPA_MAX_RANK];
    int32_t rank = 0;
    unsigned drop = 0;
    if (x->rank > SPA_MAX_RANK) return onnx_no_rule(im, err, "%d dimensions", (int)x->rank);
    SPA_TRY(onnx_int_list(im, 1, "axes", &axes, &n, err));
    for (size_t i = 0; i < n; i++) {
        int32_t axis;
        SPA_TRY(onnx_axis(im, axes[i], x->rank, &axis, err));
        drop |= 1u << axis;
    }
    for (int32_t i = 0; i < x->rank; i++) {
        bool dropped = n > 0 ? (drop >> i & 1u) != 0 : x->dim[i] == 1;
        if (!dropped) dims[rank++] = x->dim[i];
    }
    return onnx_set_view(im, x, dims, rank, err);
}

static spa_status lower_unsqueeze(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    const int64_t *axes;
    size_t n;
    int64_t dims[SPA_MAX_RANK];
    unsigned added = 0;
    SPA_TRY(onnx_int_list(im, 1, "axes", &axes, &n, err));
    int32_t rank = x->rank + (int32_t)n, from = 0;
    if (n > SPA_MAX_RANK || rank > SPA_MAX_RANK) return onnx_no_rule(im, err, "its rank");
    for (size_t i = 0; i < n; i++) {
        int32_t axis;
        SPA_TRY(onnx_axis(im, axes[i], rank, &axis, err));
        if ((added >> axis & 1u) != 0) return onnx_fail(im, SPA_E_INVALID, err, "an axis twice");
        added |= 1u << axis;
    }
    for (int32_t i = 0; i < rank; i++) dims[i] = (added >> i & 1u) != 0 ? 1 : x->dim[from++];
    return onnx_set_view(im, x, dims, rank, err);
}

/* Identity; dropout at inference. */
static spa_status lower_identity(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0), *mask = onnx_out(im, 1), *mode = onnx_in(im, 2);
    if (mask != NULL && (mask->uses > 0 || mask->is_output))
        return onnx_no_rule(im, err, "its mask is used");
    double trains = 0;
    if (mode != NULL && (!onnx_scalar(im, mode, &trains) || trains != 0))
        return onnx_no_rule(im, err, "it trains");
    return onnx_set_view(im, x, x->dim, x->rank, err);
}

static bool is_float_type(int32_t type)
{
    return type == ONNX_FLOAT || type == ONNX_DOUBLE || type == ONNX_FLOAT16 ||
           type == ONNX_BFLOAT16;
}

/* Numbers are floats here whatever the file calls them; only what loses something is work. */
static spa_status lower_cast(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0), *like = onnx_in(im, 1), *out = onnx_out(im, 0);
    int32_t to = like != NULL ? like->type : (int32_t)onnx_attr_int(im, "to", 0), input, index;
    if (onnx_type_bytes(to) == 0)
        return onnx_no_rule(im, err, "it casts to %s", onnx_type_name(to));
    bool rounds = im->graph->dtype != SPA_FP16 || to == ONNX_BFLOAT16;
    if (rounds && (to == ONNX_FLOAT16 || to == ONNX_BFLOAT16) && x->type != to)
        return onnx_no_rule(im, err, "it rounds to %s", onnx_type_name(to));
    spa_op_attrs attrs = {.fn = to == ONNX_BOOL ? SPA_FN_NON_ZERO : SPA_FN_TRUNC};
    if ((to == ONNX_BOOL && x->type != ONNX_BOOL) ||
        (!is_float_type(to) && is_float_type(x->type))) {
        SPA_TRY(onnx_operand(im, x, &input, err));
        SPA_TRY(onnx_emit_one(im, SPA_OP_MATH, &attrs, input, &index, err));
        return onnx_set_dims(im, out, index, x->dim, x->rank, to, err);
    }
    SPA_TRY(onnx_set_view(im, x, x->dim, x->rank, err));
    if (out != NULL) out->type = to;
    return SPA_OK;
}

const onnx_rule onnx_rules_view[] = {
    {"Reshape", lower_reshape, 0},
    {"Flatten", lower_flatten, 0},
    {"Squeeze", lower_squeeze, 0},
    {"Unsqueeze", lower_unsqueeze, 0},
    {"Identity", lower_identity, 0},
    {"Dropout", lower_identity, 0},
    {"Cast", lower_cast, 0},
    {"CastLike", lower_cast, 0},
    {NULL, NULL, 0},
};
