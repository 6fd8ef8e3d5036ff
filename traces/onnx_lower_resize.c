/* ONNX nodes into operators: resizing, triangles, one-hot codes, running sums. */
#include <math.h>
#include <string.h>

#include "traces/onnx_import.h"

/* ---- resizing ------------------------------------------------------------------------------- */

typedef struct resize {
    spa_shape in, out;
    double scale[SPA_MAX_RANK];
    const char *coordinates, *rounding;
    bool linear;
} resize;

static spa_status take_sizes(onnx_import *im, resize *r, spa_error *err)
{
    bool old = strcmp(im->node->op_type, "Upsample") == 0 || im->node->n_inputs == 2;
    onnx_value *scales = onnx_in(im, old ? 1 : 2), *sizes = old ? NULL : onnx_in(im, 3);
    onnx_value *given = sizes != NULL ? sizes : scales;
    const double *values;
    if (scales == NULL && sizes == NULL) return onnx_no_rule(im, err, "its scales are attributes");
    if (!onnx_can_be_const(given) || given->count != r->in.rank)
        return onnx_no_rule(im, err, "its sizes are known at run time only");
    SPA_TRY(onnx_doubles(im, given, &values, err));
    r->out = r->in;
    for (int32_t i = 0; i < r->in.rank; i++) {
        double size = sizes != NULL ? values[i] : floor(r->in.dim[i] * values[i]);
        if (!(size >= 1 && size <= (double)SPA_MAX_DIM))
            return onnx_fail(im, SPA_E_RANGE, err, "dimension %d would be %g", (int)i, size);
        r->out.dim[i] = (int32_t)size;
        r->scale[i] = sizes != NULL ? size / r->in.dim[i] : values[i];
    }
    return SPA_OK;
}

static spa_status take_modes(onnx_import *im, resize *r, spa_error *err)
{
    const char *mode = onnx_attr_text(im, "mode", "nearest");
    bool old = strcmp(im->node->op_type, "Upsample") == 0 || im->file.opset < 11;
    r->linear = strcmp(mode, "linear") == 0;
    if (!r->linear && strcmp(mode, "nearest") != 0)
        return onnx_no_rule(im, err, "mode '%.40s'", mode);
    r->coordinates =
        old ? "asymmetric" : onnx_attr_text(im, "coordinate_transformation_mode", "half_pixel");
    r->rounding = old ? "floor" : onnx_attr_text(im, "nearest_mode", "round_prefer_floor");
    static const char *const known[] = {"half_pixel", "pytorch_half_pixel", "align_corners",
                                        "asymmetric"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(r->coordinates, known[i]) == 0) return SPA_OK;
    return onnx_no_rule(im, err, "coordinates '%.40s'", r->coordinates);
}

/* Where element `i` of a dimension lies in the input (Operators.md, Resize). */
static double source_of(const resize *r, int32_t d, int32_t i)
{
    const char *c = r->coordinates;
    int32_t n = r->in.dim[d], m = r->out.dim[d];
    if (strcmp(c, "asymmetric") == 0) return i / r->scale[d];
    if (strcmp(c, "align_corners") == 0) /* the size before it was rounded */
        return m == 1 ? 0 : i * (n - 1) / (n * r->scale[d] - 1);
    if (strcmp(c, "pytorch_half_pixel") == 0 && m == 1) return 0;
    return (i + 0.5) / r->scale[d] - 0.5;
}

static double nearest_of(const resize *r, double x)
{
    double whole = floor(x);
    if (strcmp(r->rounding, "floor") == 0) return whole;
    if (strcmp(r->rounding, "ceil") == 0) return ceil(x);
    bool up = strcmp(r->rounding, "round_prefer_ceil") == 0 ? x - whole >= 0.5 : x - whole > 0.5;
    return up ? whole + 1 : whole;
}

static double clamp(double x, int32_t n)
{
    return x < 0 ? 0 : x > n - 1 ? n - 1 : x;
}

static spa_status take_list(onnx_import *im, int32_t x, int32_t d, const double *list, int32_t n,
                            int32_t *index, spa_error *err)
{
    spa_op_attrs attrs = {.axis = d, .param_shape = {1, {n}}};
    SPA_TRY(onnx_emit_one(im, SPA_OP_TAKE, &attrs, x, index, err));
    onnx_param p = {.folded = list, .count = n, .scale = 1};
    return onnx_bind_as(im, *index, 0, &p, NULL, err);
}

static spa_status times_list(onnx_import *im, const resize *r, int32_t d, const double *list,
                             int32_t *x, spa_error *err)
{
    spa_op_attrs attrs = {.param_shape = {.rank = r->in.rank}};
    for (int32_t i = 0; i < r->in.rank; i++) attrs.param_shape.dim[i] = i == d ? r->out.dim[d] : 1;
    SPA_TRY(onnx_emit_one(im, SPA_OP_MUL, &attrs, *x, x, err));
    onnx_param p = {.folded = list, .count = r->out.dim[d], .scale = 1};
    return onnx_bind_as(im, *x, 0, &p, NULL, err);
}

/* One dimension: elements taken, or two of them weighed. */
static spa_status resize_along(onnx_import *im, const resize *r, int32_t d, int32_t *x,
                               spa_error *err)
{
    int32_t n = r->in.dim[d], m = r->out.dim[d], other;
    double *low, *high, *near, *far;
    if (n == m && r->scale[d] == 1) return SPA_OK;
    SPA_TRY(spa_arena_alloc(im->arena, &low, (size_t)m * 4, sizeof *low, err));
    high = low + m;
    near = high + m;
    far = near + m;
    for (int32_t i = 0; i < m; i++) {
        double at = source_of(r, d, i), whole = floor(at);
        low[i] = clamp(r->linear ? whole : nearest_of(r, at), n);
        high[i] = clamp(whole + 1, n);
        far[i] = at - whole;
        near[i] = 1 - far[i];
    }
    if (!r->linear) return take_list(im, *x, d, low, m, x, err);
    SPA_TRY(take_list(im, *x, d, high, m, &other, err));
    SPA_TRY(take_list(im, *x, d, low, m, x, err));
    SPA_TRY(times_list(im, r, d, near, x, err));
    SPA_TRY(times_list(im, r, d, far, &other, err));
    return onnx_emit_two(im, SPA_OP_ADD, NULL, *x, other, x, err);
}

/* Whole factors along height and width, each element repeated: the zoo's kind. */
static bool is_upsample(const resize *r)
{
    if (r->linear || r->in.rank != 4 || r->out.dim[0] != r->in.dim[0] ||
        r->out.dim[1] != r->in.dim[1])
        return false;
    for (int32_t d = 2; d < 4; d++) {
        int32_t factor = r->out.dim[d] / r->in.dim[d];
        if (factor * r->in.dim[d] != r->out.dim[d]) return false;
        for (int32_t i = 0; i < r->out.dim[d]; i++)
            if (clamp(nearest_of(r, source_of(r, d, i)), r->in.dim[d]) != i / factor) return false;
    }
    return true;
}

static spa_status lower_resize(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    resize r;
    int32_t index;
    SPA_TRY(onnx_shape(im, x, &r.in, err));
    SPA_TRY(take_modes(im, &r, err));
    SPA_TRY(take_sizes(im, &r, err));
    SPA_TRY(onnx_operand(im, x, &index, err));
    if (is_upsample(&r)) {
        spa_op_attrs attrs = {.stride_h = r.out.dim[2] / r.in.dim[2],
                              .stride_w = r.out.dim[3] / r.in.dim[3]};
        SPA_TRY(onnx_emit_one(im, SPA_OP_UPSAMPLE, &attrs, index, &index, err));
    } else {
        for (int32_t d = 0; d < r.in.rank; d++) SPA_TRY(resize_along(im, &r, d, &index, err));
    }
    return onnx_set(im, onnx_out(im, 0), index, err);
}

/* ---- triangles ------------------------------------------------------------------------------ */

/* x where a constant mask is 1, else 0. */
static spa_status lower_trilu(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0), *k = onnx_in(im, 1);
    spa_shape in;
    double diagonal = 0, *mask, *zero;
    int32_t inputs[3], index;
    SPA_TRY(onnx_shape(im, x, &in, err));
    if (k != NULL && !onnx_scalar(im, k, &diagonal))
        return onnx_no_rule(im, err, "its diagonal is known at run time only");
    if (x->rank < 2) return onnx_fail(im, SPA_E_INVALID, err, "it needs a matrix");
    bool upper = onnx_attr_int(im, "upper", 1) != 0;
    spa_shape matrix = {2, {in.dim[in.rank - 2], in.dim[in.rank - 1]}};
    int64_t n = spa_shape_elements(&matrix);
    if (n > (1 << 20)) return onnx_no_rule(im, err, "its matrix is too large");
    SPA_TRY(spa_arena_alloc(im->arena, &mask, (size_t)n, sizeof *mask, err));
    SPA_TRY(spa_arena_alloc(im->arena, &zero, 1, sizeof *zero, err));
    for (int64_t i = 0; i < n; i++) {
        double above = (double)(i % matrix.dim[1] - i / matrix.dim[1]) - diagonal;
        mask[i] = upper ? above >= 0 : above <= 0;
    }
    SPA_TRY(onnx_operand(im, x, &inputs[1], err));
    SPA_TRY(onnx_emit_values(im, &matrix, mask, &inputs[0], err));
    SPA_TRY(onnx_emit_values(im, &(spa_shape){1, {1}}, zero, &inputs[2], err));
    SPA_TRY(onnx_emit(im, SPA_OP_WHERE, NULL, inputs, 3, NULL, &index, err));
    return onnx_set(im, onnx_out(im, 0), index, err);
}

/* ---- running sums --------------------------------------------------------------------------- */

/* A product with a triangle of ones, along the last dimension. */
static spa_status lower_cumsum(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0), *along = onnx_in(im, 1);
    spa_shape in, moved;
    double which, *ones;
    int32_t axis, index, perm[SPA_MAX_RANK];
    SPA_TRY(onnx_shape(im, x, &in, err));
    if (along == NULL || !onnx_scalar(im, along, &which))
        return onnx_no_rule(im, err, "its axis is known at run time only");
    SPA_TRY(onnx_axis(im, (int64_t)which, x->rank, &axis, err));
    bool exclusive = onnx_attr_int(im, "exclusive", 0) != 0;
    bool reverse = onnx_attr_int(im, "reverse", 0) != 0;
    int64_t n = in.dim[axis];
    if (n > 1024) return onnx_no_rule(im, err, "it is too long");
    SPA_TRY(spa_arena_alloc(im->arena, &ones, (size_t)(n * n), sizeof *ones, err));
    for (int64_t to = 0; to < n; to++) /* weights [to][from] */
        for (int64_t from = 0; from < n; from++) {
            int64_t before = reverse ? from - to : to - from;
            ones[to * n + from] = before > 0 || (before == 0 && !exclusive);
        }
    for (int32_t i = 0; i < SPA_MAX_RANK; i++) perm[i] = i;
    perm[axis] = in.rank - 1;
    perm[in.rank - 1] = axis;
    SPA_TRY(onnx_operand(im, x, &index, err));
    SPA_TRY(onnx_transpose(im, index, perm, &index, err));
    moved = *onnx_shape_of(im, index);
    SPA_TRY(onnx_emit(im, SPA_OP_LINEAR, NULL, &index, 1, &moved, &index, err));
    onnx_param p = {.folded = ones, .count = n * n, .scale = 1};
    SPA_TRY(onnx_bind_as(im, index, 0, &p, NULL, err));
    SPA_TRY(onnx_transpose(im, index, perm, &index, err));
    return onnx_set_dims(im, onnx_out(im, 0), index, x->dim, x->rank, x->type, err);
}

const onnx_rule onnx_rules_more[] = {
    {"Resize", lower_resize, 0},
    {"Upsample", lower_resize, 0},
    {"Trilu", lower_trilu, 0},
    {"CumSum", lower_cumsum, 0},
    {NULL, NULL, 0},
};
