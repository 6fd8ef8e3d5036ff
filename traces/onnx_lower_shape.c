/* ONNX nodes into operators: what moves or renames elements. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "traces/onnx_import.h"

/* ---- movement ------------------------------------------------------------------------------- */

static spa_status lower_transpose(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    const int64_t *list;
    size_t n;
    spa_shape in;
    int32_t perm[SPA_MAX_RANK], input, index;
    unsigned seen = 0;
    SPA_TRY(onnx_shape(im, x, &in, err));
    bool given = onnx_attr_ints(im, "perm", &list, &n);
    if (given && (int32_t)n != x->rank)
        return onnx_fail(im, SPA_E_INVALID, err, "perm has %zu numbers", n);
    for (int32_t i = 0; i < x->rank; i++) {
        int64_t p = given ? list[i] : x->rank - 1 - i;
        if (p < 0 || p >= x->rank || (seen >> p & 1u) != 0)
            return onnx_fail(im, SPA_E_INVALID, err, "perm is no permutation");
        seen |= 1u << p;
        perm[i] = (int32_t)p;
    }
    if (x->rank == 0) return onnx_set_view(im, x, x->dim, 0, err);
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(onnx_transpose(im, input, perm, &index, err));
    return onnx_set(im, onnx_out(im, 0), index, err);
}

/* A constant that was repeated along other dimensions than the axis: what it was before. */
static onnx_value *before_expand(const onnx_import *im, onnx_value *v, int32_t axis)
{
    if (!onnx_is_const(v) || v->node < 0 || im->file.nodes[v->node].n_inputs != 2 ||
        strcmp(im->file.nodes[v->node].op_type, "Expand") != 0 || im->node_in[v->node][0] < 0)
        return v;
    onnx_value *small = &im->values[im->node_in[v->node][0]];
    bool fits = onnx_is_const(small) && small->rank == v->rank && small->dim[axis] == v->dim[axis];
    return fits ? small : v;
}

/* A constant that comes first is the operator's parameter. */
static spa_status lower_concat(onnx_import *im, spa_error *err)
{
    onnx_value *first = onnx_in(im, 0);
    spa_op_attrs attrs = {0};
    int32_t inputs[SPA_MAX_OP_INPUTS], axis, index;
    size_t n = 0, from = 0;
    SPA_TRY(onnx_axis(im, onnx_attr_int(im, "axis", 0), first->rank, &axis, err));
    attrs.axis = axis;
    if (im->node->n_inputs > SPA_MAX_OP_INPUTS)
        return onnx_no_rule(im, err, "%zu inputs", im->node->n_inputs);
    first = before_expand(im, first, axis);
    if (onnx_is_const(first) && im->node->n_inputs > 1) {
        SPA_TRY(onnx_shape(im, first, &attrs.param_shape, err));
        attrs.param_learned = onnx_is_learned(first);
        from = 1;
    }
    for (size_t i = from; i < im->node->n_inputs; i++) {
        onnx_value *v = onnx_in(im, i);
        if (v == NULL) return onnx_fail(im, SPA_E_PARSE, err, "input %zu is missing", i);
        if (v->rank > 0 && v->count == 0) continue; /* an empty part */
        SPA_TRY(onnx_operand(im, v, &inputs[n++], err));
    }
    if (n == 0) return onnx_no_rule(im, err, "all of its parts are empty");
    SPA_TRY(onnx_emit(im, SPA_OP_CONCAT, &attrs, inputs, n, NULL, &index, err));
    if (from > 0) SPA_TRY(onnx_bind(im, index, 0, first, err));
    return onnx_set(im, onnx_out(im, 0), index, err);
}

static spa_status lower_split(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    const int64_t *sizes;
    size_t n, parts = im->node->n_outputs;
    spa_shape in;
    int32_t axis, input, index;
    int64_t begin = 0;
    SPA_TRY(onnx_shape(im, x, &in, err));
    SPA_TRY(onnx_axis(im, onnx_attr_int(im, "axis", 0), x->rank, &axis, err));
    SPA_TRY(onnx_int_list(im, 1, "split", &sizes, &n, err));
    if (parts == 0 || (n != 0 && n != parts) || (n == 0 && x->dim[axis] % (int64_t)parts != 0))
        return onnx_no_rule(im, err, "%zu parts of %lld", parts, (long long)x->dim[axis]);
    for (size_t i = 0; i < n; i++)
        if (sizes[i] < 1 || sizes[i] > x->dim[axis])
            return onnx_no_rule(im, err, "a part of %lld", (long long)sizes[i]);
    SPA_TRY(onnx_operand(im, x, &input, err));
    for (size_t i = 0; i < parts; i++) {
        int64_t size = n > 0 ? sizes[i] : x->dim[axis] / (int64_t)parts;
        onnx_value *out = onnx_out(im, i);
        spa_op_attrs attrs = {0};
        spa_shape shape = in;
        shape.dim[axis] = (int32_t)size;
        attrs.begin[axis] = (int32_t)begin;
        begin += size;
        if (out == NULL || (out->uses == 0 && !out->is_output)) continue;
        SPA_TRY(onnx_emit(im, SPA_OP_SLICE, &attrs, &input, 1, &shape, &index, err));
        SPA_TRY(onnx_set(im, out, index, err));
    }
    return SPA_OK;
}

/* Elements `count` of dimension `axis`, in the order of `list` (which the arena has). */
static spa_status emit_take(onnx_import *im, int32_t *x, int32_t axis, const double *list,
                            int64_t count, spa_error *err)
{
    spa_op_attrs attrs = {.axis = axis, .param_shape = {1, {(int32_t)count}}};
    SPA_TRY(onnx_emit_one(im, SPA_OP_TAKE, &attrs, *x, x, err));
    onnx_param p = {.folded = list, .count = count, .scale = 1};
    return onnx_bind_as(im, *x, 0, &p, NULL, err);
}

typedef struct cut {
    int64_t begin, step, count;
} cut;

/* NumPy's rule for one dimension. */
static cut cut_of(int64_t size, int64_t start, int64_t end, int64_t step)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    if (start < 0) start += size;
    if (end < 0) end = end < -size ? -1 : end + size;
    start = start < low ? low : start > high ? high : start;
    end = end < low ? low : end > high + (step < 0) ? high + (step < 0) : end;
    int64_t span = step > 0 ? end - start : start - end;
    int64_t stride = step > 0 ? step : step < -size ? size : -step;
    if (stride > size) stride = size > 0 ? size : 1;
    return (cut){start, step > 0 ? stride : -stride, span > 0 ? (span + stride - 1) / stride : 0};
}

static spa_status read_cuts(onnx_import *im, const onnx_value *x, cut cuts[SPA_MAX_RANK],
                            spa_error *err)
{
    const int64_t *starts, *ends, *axes, *steps;
    size_t n, n_ends, n_axes, n_steps;
    SPA_TRY(onnx_int_list(im, 1, "starts", &starts, &n, err));
    SPA_TRY(onnx_int_list(im, 2, "ends", &ends, &n_ends, err));
    SPA_TRY(onnx_int_list(im, 3, "axes", &axes, &n_axes, err));
    SPA_TRY(onnx_int_list(im, 4, NULL, &steps, &n_steps, err));
    if (n != n_ends || (n_axes != 0 && n_axes != n) || (n_steps != 0 && n_steps != n))
        return onnx_fail(im, SPA_E_INVALID, err, "%zu starts, %zu ends", n, n_ends);
    for (int32_t i = 0; i < x->rank; i++) cuts[i] = (cut){0, 1, x->dim[i]};
    for (size_t i = 0; i < n; i++) {
        int32_t axis;
        int64_t step = n_steps > 0 ? steps[i] : 1;
        SPA_TRY(onnx_axis(im, n_axes > 0 ? axes[i] : (int64_t)i, x->rank, &axis, err));
        if (step == 0) return onnx_fail(im, SPA_E_INVALID, err, "a step of 0");
        cuts[axis] = cut_of(x->dim[axis], starts[i], ends[i], step);
        if (cuts[axis].count == 0) return onnx_no_rule(im, err, "its result is empty");
    }
    return SPA_OK;
}

static spa_status lower_slice(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    cut cuts[SPA_MAX_RANK];
    spa_shape in;
    spa_op_attrs attrs = {0};
    int32_t index;
    SPA_TRY(onnx_shape(im, x, &in, err));
    if (x->rank == 0) return onnx_fail(im, SPA_E_INVALID, err, "a scalar has no slices");
    SPA_TRY(read_cuts(im, x, cuts, err));
    SPA_TRY(onnx_operand(im, x, &index, err));
    for (int32_t i = 0; i < in.rank; i++) {
        if (cuts[i].step > 0) continue;
        double *list;
        SPA_TRY(spa_arena_alloc(im->arena, &list, (size_t)cuts[i].count, sizeof *list, err));
        for (int64_t k = 0; k < cuts[i].count; k++)
            list[k] = (double)(cuts[i].begin + k * cuts[i].step);
        SPA_TRY(emit_take(im, &index, i, list, cuts[i].count, err));
        cuts[i] = (cut){0, 1, cuts[i].count};
    }
    spa_shape out = in;
    for (int32_t i = 0; i < in.rank; i++) {
        attrs.begin[i] = (int32_t)cuts[i].begin;
        attrs.step[i] = (int32_t)cuts[i].step;
        out.dim[i] = (int32_t)cuts[i].count;
    }
    spa_shape now = *onnx_shape_of(im, index);
    if (!spa_shape_equal(&now, &out))
        SPA_TRY(onnx_emit(im, SPA_OP_SLICE, &attrs, &index, 1, &out, &index, err));
    return onnx_set(im, onnx_out(im, 0), index, err);
}

/* ---- gather --------------------------------------------------------------------------------- */

/* One known index: a slice and a view. */
static spa_status gather_one(onnx_import *im, onnx_value *x, int32_t axis, double at,
                             const int64_t *dims, int32_t rank, spa_error *err)
{
    spa_shape in;
    spa_op_attrs attrs = {0};
    int32_t index;
    SPA_TRY(onnx_shape(im, x, &in, err));
    if (at < 0) at += (double)x->dim[axis];
    if (!(at >= 0 && at < (double)x->dim[axis]))
        return onnx_fail(im, SPA_E_INVALID, err, "index %g is outside 0 to %lld", at,
                         (long long)x->dim[axis] - 1);
    attrs.begin[axis] = (int32_t)at;
    in.dim[axis] = 1;
    SPA_TRY(onnx_operand(im, x, &index, err));
    SPA_TRY(onnx_emit(im, SPA_OP_SLICE, &attrs, &index, 1, &in, &index, err));
    return onnx_set_dims(im, onnx_out(im, 0), index, dims, rank, x->type, err);
}

static spa_status lower_gather(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0), *at = onnx_in(im, 1), *out = onnx_out(im, 0);
    int64_t dims[2 * SPA_MAX_RANK];
    int32_t rank = 0, axis, index, input, indices;
    double one;
    spa_shape in, list;
    if (at == NULL) return onnx_fail(im, SPA_E_PARSE, err, "its indices are missing");
    SPA_TRY(onnx_shape(im, x, &in, err));
    SPA_TRY(onnx_shape(im, at, &list, err));
    SPA_TRY(onnx_axis(im, onnx_attr_int(im, "axis", 0), x->rank, &axis, err));
    for (int32_t i = 0; i < axis; i++) dims[rank++] = x->dim[i];
    for (int32_t i = 0; i < at->rank; i++) dims[rank++] = at->dim[i];
    for (int32_t i = axis + 1; i < x->rank; i++) dims[rank++] = x->dim[i];
    if (in.rank - 1 + list.rank > SPA_MAX_RANK) return onnx_no_rule(im, err, "its rank");
    if (onnx_is_const(at) && onnx_scalar(im, at, &one))
        return gather_one(im, x, axis, one, dims, rank, err);
    spa_op_attrs attrs = {.axis = axis};
    if (onnx_is_const(x) && axis == 0) { /* a table of embeddings */
        attrs = (spa_op_attrs){.param_shape = in, .param_learned = onnx_is_learned(x)};
        SPA_TRY(onnx_operand(im, at, &indices, err));
        SPA_TRY(onnx_emit_one(im, SPA_OP_EMBED, &attrs, indices, &index, err));
        SPA_TRY(onnx_bind(im, index, 0, x, err));
    } else if (onnx_is_const(at)) {
        attrs.param_shape = list;
        SPA_TRY(onnx_operand(im, x, &input, err));
        SPA_TRY(onnx_emit_one(im, SPA_OP_TAKE, &attrs, input, &index, err));
        SPA_TRY(onnx_bind(im, index, 0, at, err));
    } else {
        SPA_TRY(onnx_operand(im, x, &input, err));
        SPA_TRY(onnx_operand(im, at, &indices, err));
        SPA_TRY(onnx_emit_two(im, SPA_OP_TAKE, &attrs, input, indices, &index, err));
    }
    return onnx_set_dims(im, out, index, dims, rank, x->type, err);
}

/* ---- padding, tiling ------------------------------------------------------------------------ */

/* Where element `i` of a padded dimension comes from: edge, or reflect without the edge. */
static double padded_from(int64_t i, int64_t before, int64_t size, bool reflect)
{
    int64_t at = i - before;
    if (!reflect) return (double)(at < 0 ? 0 : at >= size ? size - 1 : at);
    if (size == 1) return 0;
    int64_t period = 2 * (size - 1);
    at = (at % period + period) % period;
    return (double)(at < size ? at : period - at);
}

static spa_status pad_by_take(onnx_import *im, const onnx_value *x, const int64_t *pads,
                              bool reflect, int32_t *index, spa_error *err)
{
    for (int32_t d = 0; d < x->rank; d++) {
        int64_t before = pads[d], n = x->dim[d] + before + pads[x->rank + d];
        double *list;
        if (n == x->dim[d]) continue;
        SPA_TRY(spa_arena_alloc(im->arena, &list, (size_t)n, sizeof *list, err));
        for (int64_t i = 0; i < n; i++) list[i] = padded_from(i, before, x->dim[d], reflect);
        SPA_TRY(emit_take(im, index, d, list, n, err));
    }
    return SPA_OK;
}

/* A value other than 0: x - value, zeros around it, + value would round; so a mask of the padding
 * times the value is added. */
static spa_status add_padding(onnx_import *im, const onnx_value *x, const int64_t *pads,
                              double value, int32_t *index, spa_error *err)
{
    spa_shape out = *onnx_shape_of(im, *index);
    int64_t n = spa_shape_elements(&out);
    double *mask;
    if (n > (1 << 20)) return onnx_fail(im, SPA_E_UNSUPPORTED, err, "a large padding of %g", value);
    SPA_TRY(spa_arena_alloc(im->arena, &mask, (size_t)n, sizeof *mask, err));
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i;
        for (int32_t d = out.rank - 1; d >= 0; d--) {
            int64_t at = rest % out.dim[d] - pads[d];
            rest /= out.dim[d];
            if (at < 0 || at >= x->dim[d]) mask[i] = value;
        }
    }
    spa_op_attrs attrs = {.param_shape = out};
    SPA_TRY(onnx_emit_one(im, SPA_OP_ADD, &attrs, *index, index, err));
    onnx_param p = {.folded = mask, .count = n, .scale = 1};
    return onnx_bind_as(im, *index, 0, &p, NULL, err);
}

static spa_status lower_pad(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0), *fill = onnx_in(im, 2);
    const int64_t *pads;
    size_t n;
    double value = onnx_attr_float(im, "value", 0);
    const char *mode = onnx_attr_text(im, "mode", "constant");
    spa_shape in, out;
    int32_t index;
    SPA_TRY(onnx_shape(im, x, &in, err));
    SPA_TRY(onnx_int_list(im, 1, "pads", &pads, &n, err));
    if (n != 2 * (size_t)x->rank)
        return onnx_fail(im, SPA_E_INVALID, err, "%zu pads for %d dimensions", n, (int)x->rank);
    if (onnx_in(im, 3) != NULL) return onnx_no_rule(im, err, "its axes are an input");
    if (fill != NULL && !onnx_scalar(im, fill, &value))
        return onnx_no_rule(im, err, "its value is known at run time only");
    bool reflect = strcmp(mode, "reflect") == 0, constant = strcmp(mode, "constant") == 0;
    if (!constant && !reflect && strcmp(mode, "edge") != 0)
        return onnx_no_rule(im, err, "mode '%.40s'", mode);
    spa_op_attrs attrs = {0};
    out = in;
    for (int32_t i = 0; i < in.rank; i++) {
        int64_t total = in.dim[i] + pads[i] + pads[i + in.rank];
        if (pads[i] < 0 || pads[i + in.rank] < 0 || pads[i] > SPA_MAX_DIM || total > SPA_MAX_DIM)
            return onnx_no_rule(im, err, "a padding of %lld, %lld", (long long)pads[i],
                                (long long)pads[i + in.rank]);
        attrs.begin[i] = (int32_t)pads[i];
        out.dim[i] = (int32_t)total;
    }
    SPA_TRY(onnx_operand(im, x, &index, err));
    if (!constant) {
        SPA_TRY(pad_by_take(im, x, pads, reflect, &index, err));
    } else if (!spa_shape_equal(&in, &out)) {
        SPA_TRY(onnx_emit(im, SPA_OP_PAD, &attrs, &index, 1, &out, &index, err));
        if (value != 0) SPA_TRY(add_padding(im, x, pads, value, &index, err));
    }
    return onnx_set(im, onnx_out(im, 0), index, err);
}

static spa_status lower_expand(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    const int64_t *dims;
    size_t n;
    spa_shape in, out = {0};
    int32_t index;
    SPA_TRY(onnx_shape(im, x, &in, err));
    SPA_TRY(onnx_int_list(im, 1, NULL, &dims, &n, err));
    if (n > SPA_MAX_RANK) return onnx_no_rule(im, err, "%zu dimensions", n);
    out.rank = (int32_t)n > in.rank ? (int32_t)n : in.rank;
    for (int32_t i = 1; i <= out.rank; i++) {
        int64_t own = i <= in.rank ? in.dim[in.rank - i] : 1;
        int64_t asked = i <= (int32_t)n ? dims[n - (size_t)i] : 1;
        if (asked < 1 || asked > SPA_MAX_DIM || (own != 1 && asked != 1 && own != asked))
            return onnx_fail(im, SPA_E_INVALID, err, "%lld does not become %lld", (long long)own,
                             (long long)asked);
        out.dim[out.rank - i] = (int32_t)(own == 1 ? asked : own);
    }
    SPA_TRY(onnx_operand(im, x, &index, err));
    if (!spa_shape_equal(&in, &out))
        SPA_TRY(onnx_emit(im, SPA_OP_EXPAND, NULL, &index, 1, &out, &index, err));
    return onnx_set(im, onnx_out(im, 0), index, err);
}

static spa_status lower_tile(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    const int64_t *times;
    size_t n;
    spa_shape in;
    int32_t index;
    SPA_TRY(onnx_shape(im, x, &in, err));
    SPA_TRY(onnx_int_list(im, 1, NULL, &times, &n, err));
    if ((int32_t)n != x->rank) return onnx_fail(im, SPA_E_INVALID, err, "%zu repeats", n);
    for (int32_t d = 0; d < x->rank; d++)
        if (times[d] < 1 || times[d] > SPA_MAX_DIM / in.dim[d])
            return onnx_no_rule(im, err, "%lld repeats", (long long)times[d]);
    SPA_TRY(onnx_operand(im, x, &index, err));
    for (int32_t d = 0; d < x->rank; d++) {
        int64_t count = times[d] * in.dim[d];
        double *list;
        if (times[d] == 1) continue;
        SPA_TRY(spa_arena_alloc(im->arena, &list, (size_t)count, sizeof *list, err));
        for (int64_t i = 0; i < count; i++) list[i] = (double)(i % in.dim[d]);
        SPA_TRY(emit_take(im, &index, d, list, count, err));
    }
    return onnx_set(im, onnx_out(im, 0), index, err);
}

/* ---- blocks of channels and space ----------------------------------------------------------- */

static spa_status lower_depth(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    int64_t b = onnx_attr_int(im, "blocksize", 0);
    bool to_space = strcmp(im->node->op_type, "DepthToSpace") == 0;
    bool crd = strcmp(onnx_attr_text(im, "mode", "DCR"), "CRD") == 0;
    spa_shape in, view, out;
    int32_t index;
    SPA_TRY(onnx_shape(im, x, &in, err));
    if (x->rank != 4 || b < 1 || b > 4096)
        return onnx_fail(im, SPA_E_INVALID, err, "a block of %lld", (long long)b);
    int32_t n = in.dim[0], c = in.dim[1], h = in.dim[2], w = in.dim[3], k = (int32_t)b;
    if (to_space ? c % (k * k) != 0 : h % k != 0 || w % k != 0)
        return onnx_fail(im, SPA_E_INVALID, err, "blocks of %d do not divide its input", (int)k);
    static const int32_t dcr[] = {0, 3, 4, 1, 5, 2}, columns_first[] = {0, 1, 4, 2, 5, 3};
    static const int32_t to_depth[] = {0, 3, 5, 1, 2, 4};
    const int32_t *perm = !to_space ? to_depth : crd ? columns_first : dcr;
    if (to_space) {
        view = (spa_shape){6, {n, k, k, c / k / k, h, w}};
        if (crd) view = (spa_shape){6, {n, c / k / k, k, k, h, w}};
        out = (spa_shape){4, {n, c / k / k, h * k, w * k}};
    } else {
        view = (spa_shape){6, {n, c, h / k, k, w / k, k}};
        out = (spa_shape){4, {n, c * k * k, h / k, w / k}};
    }
    SPA_TRY(onnx_operand(im, x, &index, err));
    SPA_TRY(onnx_view(im, index, &view, &index, err));
    SPA_TRY(onnx_transpose(im, index, perm, &index, err));
    SPA_TRY(onnx_view(im, index, &out, &index, err));
    return onnx_set(im, onnx_out(im, 0), index, err);
}

const onnx_rule onnx_rules_shape[] = {
    {"Transpose", lower_transpose, 0},
    {"Concat", lower_concat, 0},
    {"Split", lower_split, 0},
    {"Slice", lower_slice, 0},
    {"Gather", lower_gather, 0},
    {"Pad", lower_pad, 0},
    {"Expand", lower_expand, 0},
    {"Tile", lower_tile, 0},
    {"DepthToSpace", lower_depth, 0},
    {"SpaceToDepth", lower_depth, 0},
    {NULL, NULL, 0},
};
