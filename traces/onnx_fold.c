/* Constants from constants: what an exporter writes to compute shapes (Shape, Gather, Concat, ...).
 *
 * Values are computed as double: whole numbers are exact up to 2^53, and INT64_MAX still means "to
 * the end". At most 2^20 elements are computed with; larger constants become operators. */
#include <math.h>
#include <string.h>

#include "traces/onnx_import.h"

#define MAX_COUNT ((int64_t)1 << 20)

typedef struct tensor {
    int32_t type, rank;
    int64_t dim[ONNX_MAX_RANK];
    int64_t count;
    double *values;
} tensor;

static spa_status make(onnx_import *im, tensor *t, int32_t type, const int64_t *dims, int32_t rank,
                       spa_error *err)
{
    *t = (tensor){.type = type, .rank = rank, .count = 1};
    for (int32_t i = 0; i < rank; i++) {
        t->dim[i] = dims[i];
        if (dims[i] < 0 || !spa_mul_i64(t->count, dims[i], &t->count) || t->count > MAX_COUNT)
            return onnx_no_rule(im, err, "its constant result is too large to compute with");
    }
    im->folded_bytes += t->count * 8;
    return spa_arena_alloc(im->arena, &t->values, (size_t)t->count + 1, sizeof(double), err);
}

void onnx_set_folded(onnx_value *v, int32_t type, const int64_t *dims, int32_t rank,
                     const double *values)
{
    v->state = ONNX_CONSTANT;
    v->type = type;
    v->rank = rank;
    v->count = 1;
    for (int32_t i = 0; i < rank; i++) v->count *= v->dim[i] = dims[i];
    v->folded = values;
    v->producer = ONNX_NOWHERE;
}

static spa_status set(onnx_import *im, size_t output, const tensor *t, spa_error *err)
{
    onnx_value *v = onnx_out(im, output);
    if (v == NULL) return SPA_OK;
    if (v->state != ONNX_ABSENT)
        return onnx_fail(im, SPA_E_PARSE, err, "makes '%.100s' a second time", v->name);
    onnx_set_folded(v, t->type, t->dim, t->rank, t->values);
    return SPA_OK;
}

static spa_status get(onnx_import *im, size_t input, tensor *t, spa_error *err)
{
    onnx_value *v = onnx_in(im, input);
    const double *values;
    if (v == NULL) return onnx_fail(im, SPA_E_PARSE, err, "input %zu is missing", input);
    SPA_TRY(onnx_doubles(im, v, &values, err));
    *t = (tensor){.type = v->type, .rank = v->rank, .count = v->count};
    memcpy(t->dim, v->dim, sizeof t->dim);
    t->values = (double *)(uintptr_t)values; /* read only */
    return SPA_OK;
}

static bool is_whole(int32_t type)
{
    return type != ONNX_FLOAT && type != ONNX_DOUBLE && type != ONNX_FLOAT16 &&
           type != ONNX_BFLOAT16;
}

/* ---- sources -------------------------------------------------------------------------------- */

static spa_status fold_constant(onnx_import *im, spa_error *err)
{
    const onnx_attr *a;
    onnx_value *out = onnx_out(im, 0);
    tensor t;
    if ((a = onnx_find_attr(im, "value")) != NULL && a->t != NULL) {
        if (a->t->is_external || onnx_tensor_check(a->t, err) != SPA_OK)
            return onnx_no_rule(im, err, "its value is no tensor of numbers");
        if (out == NULL) return SPA_OK;
        if (out->state != ONNX_ABSENT)
            return onnx_fail(im, SPA_E_PARSE, err, "makes '%.100s' a second time", out->name);
        out->state = ONNX_CONSTANT;
        out->tensor = a->t;
        out->type = a->t->type;
        out->rank = a->t->rank;
        out->count = a->t->count;
        memcpy(out->dim, a->t->dim, sizeof out->dim);
        return SPA_OK;
    }
    if ((a = onnx_find_attr(im, "value_int")) != NULL) {
        SPA_TRY(make(im, &t, ONNX_INT64, NULL, 0, err));
        t.values[0] = (double)a->i;
    } else if ((a = onnx_find_attr(im, "value_float")) != NULL) {
        SPA_TRY(make(im, &t, ONNX_FLOAT, NULL, 0, err));
        t.values[0] = a->f;
    } else if ((a = onnx_find_attr(im, "value_ints")) != NULL) {
        SPA_TRY(make(im, &t, ONNX_INT64, &(int64_t){(int64_t)a->n_ints}, 1, err));
        for (size_t i = 0; i < a->n_ints; i++) t.values[i] = (double)a->ints[i];
    } else if ((a = onnx_find_attr(im, "value_floats")) != NULL) {
        SPA_TRY(make(im, &t, ONNX_FLOAT, &(int64_t){(int64_t)a->n_floats}, 1, err));
        for (size_t i = 0; i < a->n_floats; i++) t.values[i] = a->floats[i];
    } else {
        return onnx_no_rule(im, err, "its value is no tensor of numbers");
    }
    return set(im, 0, &t, err);
}

static spa_status fold_shape(onnx_import *im, spa_error *err)
{
    const onnx_value *x = onnx_in(im, 0);
    tensor t;
    if (x == NULL || x->state == ONNX_ABSENT)
        return onnx_fail(im, SPA_E_PARSE, err, "its input is not there yet");
    if (strcmp(im->node->op_type, "Size") == 0) {
        SPA_TRY(make(im, &t, ONNX_INT64, NULL, 0, err));
        t.values[0] = (double)x->count;
        return set(im, 0, &t, err);
    }
    int64_t start = onnx_attr_int(im, "start", 0), end = onnx_attr_int(im, "end", INT64_MAX);
    if (start < 0) start += x->rank;
    if (end < 0) end += x->rank;
    start = start < 0 ? 0 : start > x->rank ? x->rank : start;
    end = end < start ? start : end > x->rank ? x->rank : end;
    SPA_TRY(make(im, &t, ONNX_INT64, &(int64_t){end - start}, 1, err));
    for (int64_t i = 0; i < end - start; i++) t.values[i] = (double)x->dim[start + i];
    return set(im, 0, &t, err);
}

static spa_status fold_fill(onnx_import *im, spa_error *err)
{
    const int64_t *dims;
    size_t n;
    tensor t;
    double value = 0;
    const onnx_attr *a = onnx_find_attr(im, "value");
    int32_t type = a != NULL && a->t != NULL ? a->t->type : ONNX_FLOAT;
    if (a != NULL && a->t != NULL) {
        if (a->t->count != 1 || onnx_tensor_doubles(a->t, &value, err) != SPA_OK)
            return onnx_fail(im, SPA_E_PARSE, err, "its value is no tensor of one element");
    }
    SPA_TRY(onnx_int_list(im, 0, NULL, &dims, &n, err));
    if (n > ONNX_MAX_RANK) return onnx_no_rule(im, err, "too many dimensions");
    int64_t count = 1;
    for (size_t i = 0; i < n; i++)
        if (dims[i] < 0 || !spa_mul_i64(count, dims[i], &count) || count > SPA_MAX_ELEMENTS)
            return onnx_fail(im, SPA_E_RANGE, err, "dimension %zu would be %lld", i,
                             (long long)dims[i]);
    SPA_TRY(make(im, &t, type, NULL, 0, err)); /* one value stands for all */
    t.values[0] = value;
    t.rank = (int32_t)n;
    memcpy(t.dim, dims, n * sizeof *dims);
    SPA_TRY(set(im, 0, &t, err));
    if (onnx_out(im, 0) != NULL) onnx_out(im, 0)->is_fill = true;
    return SPA_OK;
}

static spa_status fold_range(onnx_import *im, spa_error *err)
{
    tensor start, limit, delta, t;
    SPA_TRY(get(im, 0, &start, err));
    SPA_TRY(get(im, 1, &limit, err));
    SPA_TRY(get(im, 2, &delta, err));
    double n = ceil((limit.values[0] - start.values[0]) / delta.values[0]);
    if (start.count != 1 || limit.count != 1 || delta.count != 1 || !(n <= (double)MAX_COUNT))
        return onnx_no_rule(im, err, "its range is too large or no range");
    SPA_TRY(make(im, &t, start.type, &(int64_t){n > 0 ? (int64_t)n : 0}, 1, err));
    for (int64_t i = 0; i < t.count; i++)
        t.values[i] = start.values[0] + (double)i * delta.values[0];
    return set(im, 0, &t, err);
}

/* ---- elementwise ---------------------------------------------------------------------------- */

static spa_status broadcast(onnx_import *im, const tensor *a, const tensor *b, int64_t *dims,
                            int32_t *rank, spa_error *err)
{
    *rank = a->rank > b->rank ? a->rank : b->rank;
    for (int32_t i = 1; i <= *rank; i++) {
        int64_t x = i <= a->rank ? a->dim[a->rank - i] : 1;
        int64_t y = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (x != y && x != 1 && y != 1)
            return onnx_fail(im, SPA_E_INVALID, err, "its constants do not broadcast");
        dims[*rank - i] = x == 1 ? y : x;
    }
    return SPA_OK;
}

/* The element of `t` that stands at row-major element i of `out`. */
static double element(const tensor *t, const tensor *out, int64_t i)
{
    int64_t from = 0, step = 1;
    for (int32_t d = 1; d <= out->rank; d++) {
        int64_t n = out->dim[out->rank - d], at = i % n;
        i /= n;
        if (d > t->rank) continue;
        if (t->dim[t->rank - d] != 1) from += at * step;
        step *= t->dim[t->rank - d];
    }
    return t->values[from];
}

static double two(const char *op, bool whole, double x, double y)
{
    if (strcmp(op, "Add") == 0) return x + y;
    if (strcmp(op, "Sub") == 0) return x - y;
    if (strcmp(op, "Mul") == 0) return x * y;
    if (strcmp(op, "Div") == 0) return whole ? trunc(x / y) : x / y;
    if (strcmp(op, "Mod") == 0) return x - floor(x / y) * y;
    if (strcmp(op, "Pow") == 0) return pow(x, y);
    if (strcmp(op, "Min") == 0) return x < y ? x : y;
    if (strcmp(op, "Max") == 0) return x > y ? x : y;
    if (strcmp(op, "Equal") == 0) return x == y;
    if (strcmp(op, "Greater") == 0) return x > y;
    if (strcmp(op, "Less") == 0) return x < y;
    if (strcmp(op, "And") == 0) return x != 0 && y != 0;
    return x != 0 || y != 0; /* Or */
}

static spa_status fold_two(onnx_import *im, spa_error *err)
{
    static const char *const logic[] = {"Equal", "Greater", "Less", "And", "Or"};
    tensor a, b, t;
    int64_t dims[ONNX_MAX_RANK];
    int32_t rank;
    const char *op = im->node->op_type;
    if (im->node->n_inputs != 2) return onnx_no_rule(im, err, "it has not two operands");
    SPA_TRY(get(im, 0, &a, err));
    SPA_TRY(get(im, 1, &b, err));
    SPA_TRY(broadcast(im, &a, &b, dims, &rank, err));
    int32_t type = a.type;
    for (size_t i = 0; i < sizeof logic / sizeof logic[0]; i++)
        if (strcmp(op, logic[i]) == 0) type = ONNX_BOOL;
    if (is_whole(a.type) && strcmp(op, "Div") == 0)
        for (int64_t i = 0; i < b.count; i++)
            if (b.values[i] == 0) return onnx_fail(im, SPA_E_INVALID, err, "divides by zero");
    SPA_TRY(make(im, &t, type, dims, rank, err));
    for (int64_t i = 0; i < t.count; i++)
        t.values[i] = two(op, is_whole(a.type), element(&a, &t, i), element(&b, &t, i));
    return set(im, 0, &t, err);
}

static double one(const char *op, double x)
{
    if (strcmp(op, "Neg") == 0) return -x;
    if (strcmp(op, "Floor") == 0) return floor(x);
    if (strcmp(op, "Ceil") == 0) return ceil(x);
    if (strcmp(op, "Sqrt") == 0) return sqrt(x);
    if (strcmp(op, "Abs") == 0) return fabs(x);
    if (strcmp(op, "Not") == 0) return x == 0;
    return x;
}

static spa_status fold_one(onnx_import *im, spa_error *err)
{
    tensor a, t;
    SPA_TRY(get(im, 0, &a, err));
    SPA_TRY(make(im, &t, a.type, a.dim, a.rank, err));
    for (int64_t i = 0; i < t.count; i++) t.values[i] = one(im->node->op_type, a.values[i]);
    return set(im, 0, &t, err);
}

static spa_status fold_cast(onnx_import *im, spa_error *err)
{
    tensor a, t;
    int32_t to = (int32_t)onnx_attr_int(im, "to", 0);
    if (onnx_type_bytes(to) == 0) return onnx_no_rule(im, err, "casts to no number");
    SPA_TRY(get(im, 0, &a, err));
    SPA_TRY(make(im, &t, to, a.dim, a.rank, err));
    for (int64_t i = 0; i < t.count; i++) {
        double x = a.values[i];
        t.values[i] = to == ONNX_BOOL ? x != 0 : is_whole(to) ? trunc(x) : x;
    }
    return set(im, 0, &t, err);
}

static spa_status fold_where(onnx_import *im, spa_error *err)
{
    tensor c, x, y, xy, t;
    int64_t dims[ONNX_MAX_RANK];
    int32_t rank;
    SPA_TRY(get(im, 0, &c, err));
    SPA_TRY(get(im, 1, &x, err));
    SPA_TRY(get(im, 2, &y, err));
    SPA_TRY(broadcast(im, &x, &y, dims, &rank, err));
    xy = (tensor){.rank = rank};
    memcpy(xy.dim, dims, sizeof dims);
    SPA_TRY(broadcast(im, &c, &xy, dims, &rank, err));
    SPA_TRY(make(im, &t, x.type, dims, rank, err));
    for (int64_t i = 0; i < t.count; i++)
        t.values[i] = element(element(&c, &t, i) != 0 ? &x : &y, &t, i);
    return set(im, 0, &t, err);
}

/* ---- movement ------------------------------------------------------------------------------- */

static spa_status fold_gather(onnx_import *im, spa_error *err)
{
    tensor x, at, t;
    int64_t dims[2 * ONNX_MAX_RANK], outer = 1, inner = 1;
    int32_t rank = 0, axis;
    SPA_TRY(get(im, 0, &x, err));
    SPA_TRY(get(im, 1, &at, err));
    SPA_TRY(onnx_axis(im, onnx_attr_int(im, "axis", 0), x.rank, &axis, err));
    for (int32_t i = 0; i < axis; i++) outer *= dims[rank++] = x.dim[i];
    for (int32_t i = 0; i < at.rank; i++) dims[rank++] = at.dim[i];
    for (int32_t i = axis + 1; i < x.rank; i++) inner *= dims[rank++] = x.dim[i];
    if (rank > ONNX_MAX_RANK) return onnx_no_rule(im, err, "too many dimensions");
    SPA_TRY(make(im, &t, x.type, dims, rank, err));
    double *out = t.values;
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t k = 0; k < at.count; k++, out += inner) {
            double index = at.values[k] < 0 ? at.values[k] + (double)x.dim[axis] : at.values[k];
            if (!(index >= 0 && index < (double)x.dim[axis]))
                return onnx_fail(im, SPA_E_INVALID, err, "index %g is outside 0 to %lld",
                                 at.values[k], (long long)x.dim[axis] - 1);
            memcpy(out, x.values + (o * x.dim[axis] + (int64_t)index) * inner,
                   (size_t)inner * sizeof *out);
        }
    }
    return set(im, 0, &t, err);
}

static spa_status fold_concat(onnx_import *im, spa_error *err)
{
    tensor x, t;
    int64_t dims[ONNX_MAX_RANK], outer = 1, inner = 1, total = 0, before = 0;
    int32_t axis;
    SPA_TRY(get(im, 0, &x, err));
    SPA_TRY(onnx_axis(im, onnx_attr_int(im, "axis", 0), x.rank, &axis, err));
    memcpy(dims, x.dim, sizeof dims);
    for (size_t k = 0; k < im->node->n_inputs; k++) {
        tensor part;
        SPA_TRY(get(im, k, &part, err));
        bool fits = part.rank == x.rank;
        for (int32_t i = 0; fits && i < x.rank; i++) fits = i == axis || part.dim[i] == x.dim[i];
        if (!fits) return onnx_fail(im, SPA_E_INVALID, err, "its constants do not join");
        total += part.dim[axis];
    }
    dims[axis] = total;
    SPA_TRY(make(im, &t, x.type, dims, x.rank, err));
    for (int32_t i = 0; i < axis; i++) outer *= dims[i];
    for (int32_t i = axis + 1; i < x.rank; i++) inner *= dims[i];
    for (size_t k = 0; k < im->node->n_inputs; k++) {
        tensor part;
        SPA_TRY(get(im, k, &part, err));
        int64_t n = part.dim[axis] * inner;
        for (int64_t o = 0; o < outer; o++)
            memcpy(t.values + (o * total + before) * inner, part.values + o * n,
                   (size_t)n * sizeof(double));
        before += part.dim[axis];
    }
    return set(im, 0, &t, err);
}

static spa_status fold_transpose(onnx_import *im, spa_error *err)
{
    tensor x, t;
    const int64_t *perm;
    size_t n;
    int64_t dims[ONNX_MAX_RANK], strides[ONNX_MAX_RANK], step = 1;
    unsigned seen = 0;
    SPA_TRY(get(im, 0, &x, err));
    bool given = onnx_attr_ints(im, "perm", &perm, &n);
    for (int32_t i = x.rank - 1; i >= 0; i--) {
        strides[i] = step;
        step *= x.dim[i];
    }
    int64_t from[ONNX_MAX_RANK];
    for (int32_t i = 0; i < x.rank; i++) {
        int64_t p = given && (size_t)i < n ? perm[i] : x.rank - 1 - i;
        if (p < 0 || p >= x.rank || (seen >> p & 1u) != 0)
            return onnx_fail(im, SPA_E_INVALID, err, "perm is no permutation");
        seen |= 1u << p;
        dims[i] = x.dim[p];
        from[i] = strides[p];
    }
    SPA_TRY(make(im, &t, x.type, dims, x.rank, err));
    for (int64_t i = 0; i < t.count; i++) {
        int64_t rest = i, at = 0;
        for (int32_t d = x.rank - 1; d >= 0; d--) {
            at += rest % dims[d] * from[d];
            rest /= dims[d];
        }
        t.values[i] = x.values[at];
    }
    return set(im, 0, &t, err);
}

static spa_status fold_expand(onnx_import *im, spa_error *err)
{
    tensor x, t, wanted = {0};
    const int64_t *dims;
    size_t n;
    int64_t both[ONNX_MAX_RANK];
    int32_t rank;
    SPA_TRY(get(im, 0, &x, err));
    SPA_TRY(onnx_int_list(im, 1, NULL, &dims, &n, err));
    if (n > ONNX_MAX_RANK) return onnx_no_rule(im, err, "too many dimensions");
    wanted.rank = (int32_t)n;
    memcpy(wanted.dim, dims, n * sizeof *dims);
    SPA_TRY(broadcast(im, &x, &wanted, both, &rank, err));
    SPA_TRY(make(im, &t, x.type, both, rank, err));
    for (int64_t i = 0; i < t.count; i++) t.values[i] = element(&x, &t, i);
    return set(im, 0, &t, err);
}

/* `count` elements from `begin` on by `step` along one dimension. */
static spa_status keep(onnx_import *im, tensor *x, int32_t axis, int64_t begin, int64_t step,
                       int64_t count, spa_error *err)
{
    tensor t;
    int64_t dims[ONNX_MAX_RANK], outer = 1, inner = 1, n = x->dim[axis];
    memcpy(dims, x->dim, sizeof dims);
    dims[axis] = count;
    SPA_TRY(make(im, &t, x->type, dims, x->rank, err));
    for (int32_t i = 0; i < axis; i++) outer *= dims[i];
    for (int32_t i = axis + 1; i < x->rank; i++) inner *= dims[i];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k < count; k++)
            memcpy(t.values + (o * count + k) * inner,
                   x->values + (o * n + begin + k * step) * inner, (size_t)inner * sizeof(double));
    *x = t;
    return SPA_OK;
}

/* Steps that go back become operators. */
static spa_status fold_slice(onnx_import *im, spa_error *err)
{
    tensor x;
    const int64_t *starts, *ends, *axes, *steps;
    size_t n, n_ends, n_axes, n_steps;
    SPA_TRY(get(im, 0, &x, err));
    SPA_TRY(onnx_int_list(im, 1, "starts", &starts, &n, err));
    SPA_TRY(onnx_int_list(im, 2, "ends", &ends, &n_ends, err));
    SPA_TRY(onnx_int_list(im, 3, "axes", &axes, &n_axes, err));
    SPA_TRY(onnx_int_list(im, 4, NULL, &steps, &n_steps, err));
    if (n_ends != n || (n_axes > 0 && n_axes != n) || (n_steps > 0 && n_steps != n))
        return onnx_fail(im, SPA_E_INVALID, err, "%zu starts, %zu ends", n, n_ends);
    for (size_t i = 0; i < n; i++) {
        int32_t axis;
        int64_t step = n_steps > 0 ? steps[i] : 1;
        SPA_TRY(onnx_axis(im, n_axes > 0 ? axes[i] : (int64_t)i, x.rank, &axis, err));
        if (step < 1) return onnx_no_rule(im, err, "this slice of a constant has no rule");
        int64_t size = x.dim[axis];
        int64_t begin = starts[i] < 0 ? starts[i] + size : starts[i];
        int64_t end = ends[i] < 0 ? ends[i] + size : ends[i];
        begin = begin < 0 ? 0 : begin > size ? size : begin;
        end = end < begin ? begin : end > size ? size : end;
        int64_t count = step > size ? (end > begin) : (end - begin + step - 1) / step;
        SPA_TRY(keep(im, &x, axis, begin, step, count, err));
    }
    return set(im, 0, &x, err);
}

static spa_status fold_product(onnx_import *im, spa_error *err)
{
    tensor x, t;
    bool is_sum = strcmp(im->node->op_type, "ReduceSum") == 0;
    SPA_TRY(get(im, 0, &x, err));
    if (x.rank > 1) return onnx_no_rule(im, err, "this reduction of a constant has no rule");
    int64_t dims[1] = {1};
    SPA_TRY(make(im, &t, x.type, dims, onnx_attr_int(im, "keepdims", 1) != 0 ? 1 : 0, err));
    t.values[0] = is_sum ? 0 : 1;
    for (int64_t i = 0; i < x.count; i++)
        t.values[0] = is_sum ? t.values[0] + x.values[i] : t.values[0] * x.values[i];
    return set(im, 0, &t, err);
}

/* ---- the table ------------------------------------------------------------------------------ */

typedef spa_status fold_fn(onnx_import *im, spa_error *err);

static const struct {
    const char *op_type;
    fold_fn *fold;
    bool any_input; /* only shapes of inputs matter */
} folds[] = {
    {"Constant", fold_constant, true},
    {"Shape", fold_shape, true},
    {"Size", fold_shape, true},
    {"ConstantOfShape", fold_fill, false},
    {"Range", fold_range, false},
    {"Add", fold_two, false},
    {"Sub", fold_two, false},
    {"Mul", fold_two, false},
    {"Div", fold_two, false},
    {"Mod", fold_two, false},
    {"Pow", fold_two, false},
    {"Min", fold_two, false},
    {"Max", fold_two, false},
    {"Equal", fold_two, false},
    {"Greater", fold_two, false},
    {"Less", fold_two, false},
    {"And", fold_two, false},
    {"Or", fold_two, false},
    {"Neg", fold_one, false},
    {"Floor", fold_one, false},
    {"Ceil", fold_one, false},
    {"Sqrt", fold_one, false},
    {"Abs", fold_one, false},
    {"Not", fold_one, false},
    {"Cast", fold_cast, false},
    {"Where", fold_where, false},
    {"Gather", fold_gather, false},
    {"Concat", fold_concat, false},
    {"Transpose", fold_transpose, false},
    {"Expand", fold_expand, false},
    {"Slice", fold_slice, false},
    {"ReduceProd", fold_product, false},
    {"ReduceSum", fold_product, false},
};

/* Whether all inputs are constants that the caller did not give in place of inputs. (A shape from
 * such an input is known, but what it says is data.) */
static bool all_constant(const onnx_import *im, bool given_too)
{
    for (size_t i = 0; i < im->node->n_inputs; i++) {
        const onnx_value *v = onnx_in(im, i);
        if (v == NULL) continue;
        if (!onnx_is_const(v) && !(given_too && onnx_can_be_const(v))) return false;
        if (v->count > MAX_COUNT) return false;
    }
    return true;
}

spa_status onnx_fold(onnx_import *im, bool *folded, spa_error *err)
{
    const char *op = im->node->op_type;
    *folded = false;
    if (im->node->domain[0] != '\0' && strcmp(im->node->domain, "ai.onnx") != 0) return SPA_OK;
    for (size_t i = 0; i < sizeof folds / sizeof folds[0]; i++) {
        if (strcmp(folds[i].op_type, op) != 0) continue;
        bool is_source = folds[i].fold == fold_fill || folds[i].fold == fold_range;
        if (!folds[i].any_input && !all_constant(im, is_source)) return SPA_OK;
        spa_error cause;
        spa_status status = folds[i].fold(im, &cause);
        *folded = status == SPA_OK;
        if (status == SPA_OK || status == SPA_E_UNSUPPORTED) return SPA_OK; /* else an operator */
        if (err != NULL) *err = cause;
        return status;
    }
    return SPA_OK;
}
