/* Operators: the output shape that follows from kind, attributes and input shapes. */
#include "traces/operator.h"

#include <stdarg.h>
#include <stdio.h>

/* Fails with the operator's name and kind in front. */
static spa_status fail(const spa_op_request *r, spa_error *err, const char *fmt, ...)
    SPA_PRINTF(3, 4);

static spa_status fail(const spa_op_request *r, spa_error *err, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return spa_fail(err, SPA_E_INVALID, "operator '%s' (%s): %s", r->name,
                    spa_op_kind_name(r->kind), text);
}

static spa_status need_rank(const spa_op_request *r, int32_t min, int32_t max, spa_error *err)
{
    int32_t rank = r->in[0]->rank;
    if (rank >= min && rank <= max) return SPA_OK;
    char text[SPA_SHAPE_TEXT];
    if (min == max)
        return fail(r, err, "its input %s must have %d dimensions", spa_shape_text(r->in[0], text),
                    (int)min);
    return fail(r, err, "its input %s must have %d to %d dimensions",
                spa_shape_text(r->in[0], text), (int)min, (int)max);
}

static spa_status need_given(const spa_op_request *r, int32_t rank, spa_error *err)
{
    if (r->given.rank == rank) return SPA_OK;
    return fail(r, err, "it needs an output shape of %d dimensions to take its size from",
                (int)rank);
}

/* Number of windows along one dimension. With ceil, as PyTorch: a window that would begin in the
 * padding behind the input is dropped. */
static spa_status count_windows(const spa_op_request *r, int64_t in, int64_t kernel, int64_t stride,
                                int64_t dilation, int64_t before, int64_t after, int32_t *out,
                                spa_error *err)
{
    int64_t extent = dilation * (kernel - 1) + 1; /* all factors <= 2^24 */
    int64_t room = in + before + after - extent;
    if (room < 0)
        return fail(r, err, "a window of %lld does not fit %lld + padding %lld + %lld",
                    (long long)extent, (long long)in, (long long)before, (long long)after);
    if (r->kind != SPA_OP_CONV && (before >= extent || after >= extent))
        return fail(r, err, "padding %lld + %lld leaves windows of %lld in padding only",
                    (long long)before, (long long)after, (long long)extent);
    int64_t n = room / stride + 1;
    if (r->attrs.ceil_mode && room % stride != 0 && n * stride < in + before) n++;
    *out = (int32_t)n; /* <= 3 * 2^24 */
    return SPA_OK;
}

static spa_status infer_window(const spa_op_request *r, int32_t channels, spa_shape *out,
                               spa_error *err)
{
    const spa_op_attrs *a = &r->attrs;
    const spa_shape *in = r->in[0];
    int64_t dh = a->dilation_h == 0 ? 1 : a->dilation_h,
            dw = a->dilation_w == 0 ? 1 : a->dilation_w;
    *out = (spa_shape){4, {in->dim[0], channels}};
    SPA_TRY(count_windows(r, in->dim[2], a->kernel_h, a->stride_h, dh, a->pad_top, a->pad_bottom,
                          &out->dim[2], err));
    return count_windows(r, in->dim[3], a->kernel_w, a->stride_w, dw, a->pad_left, a->pad_right,
                         &out->dim[3], err);
}

static spa_status infer_conv(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    SPA_TRY(need_rank(r, 4, 4, err));
    SPA_TRY(need_given(r, 4, err));
    int32_t channels_in = r->in[0]->dim[1], channels = r->given.dim[1], groups = r->attrs.groups;
    if (channels < 1) return fail(r, err, "its output shape must give the output channels");
    if (channels_in % groups != 0 || channels % groups != 0)
        return fail(r, err, "%d groups divide %d input and %d output channels unevenly",
                    (int)groups, (int)channels_in, (int)channels);
    return infer_window(r, channels, out, err);
}

static spa_status infer_linear(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    *out = *r->in[0];
    SPA_TRY(need_given(r, out->rank, err));
    int32_t m = r->given.dim[out->rank - 1];
    if (m < 1) return fail(r, err, "its output shape must give the output features (last)");
    out->dim[out->rank - 1] = m;
    return SPA_OK;
}

static spa_status infer_matmul(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    const spa_shape *a = r->in[0], *b = r->in[1];
    char ta[SPA_SHAPE_TEXT], tb[SPA_SHAPE_TEXT];
    bool fits = a->rank == b->rank && a->rank >= 2;
    for (int32_t i = 0; fits && i < a->rank - 2; i++) fits = a->dim[i] == b->dim[i];
    int32_t last = a->rank - 1;
    int32_t k_dim = r->attrs.transpose_b ? last : last - 1;
    int32_t n_dim = r->attrs.transpose_b ? last - 1 : last;
    if (!fits || a->dim[last] != b->dim[k_dim])
        return fail(r, err, "%s and %s%s do not multiply", spa_shape_text(a, ta),
                    spa_shape_text(b, tb), r->attrs.transpose_b ? " transposed" : "");
    *out = *a;
    out->dim[last] = b->dim[n_dim];
    return SPA_OK;
}

static spa_status infer_same(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    *out = *r->in[0];
    return SPA_OK;
}

static spa_status infer_channels(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    SPA_TRY(need_rank(r, 2, SPA_MAX_RANK, err));
    return infer_same(r, out, err);
}

static spa_status infer_pool(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    SPA_TRY(need_rank(r, 4, 4, err));
    return infer_window(r, r->in[0]->dim[1], out, err);
}

static spa_status infer_global_pool(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    SPA_TRY(need_rank(r, 4, 4, err));
    *out = (spa_shape){4, {r->in[0]->dim[0], r->in[0]->dim[1], 1, 1}};
    return SPA_OK;
}

static spa_status check_axis(const spa_op_request *r, spa_error *err)
{
    if (r->attrs.axis >= 0 && r->attrs.axis < r->in[0]->rank) return SPA_OK;
    return fail(r, err, "axis %d; its input has dimensions 0 to %d", (int)r->attrs.axis,
                (int)r->in[0]->rank - 1);
}

static spa_status infer_mean(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    SPA_TRY(need_rank(r, 2, SPA_MAX_RANK, err));
    SPA_TRY(check_axis(r, err));
    const spa_shape *in = r->in[0];
    *out = (spa_shape){.rank = in->rank - 1};
    for (int32_t i = 0, j = 0; i < in->rank; i++)
        if (i != r->attrs.axis) out->dim[j++] = in->dim[i];
    return SPA_OK;
}

/* NumPy's rule: dimensions are aligned at the end; equal, or one of them is 1 or missing. */
static spa_status infer_broadcast(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    const spa_shape *a = r->in[0];
    const spa_shape *b = r->n_in >= 2 ? r->in[1] : &r->attrs.param_shape;
    char ta[SPA_SHAPE_TEXT], tb[SPA_SHAPE_TEXT];
    *out = (spa_shape){.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int32_t i = 1; i <= out->rank; i++) {
        int32_t x = i <= a->rank ? a->dim[a->rank - i] : 1;
        int32_t y = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (x != y && x != 1 && y != 1)
            return fail(r, err, "%s and %s do not broadcast", spa_shape_text(a, ta),
                        spa_shape_text(b, tb));
        out->dim[out->rank - i] = x == 1 ? y : x;
    }
    return SPA_OK;
}

/* A parameter comes first; where it has 1 and the inputs have more (a class token and a batch) it
 * is repeated. */
static spa_status infer_concat(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    SPA_TRY(check_axis(r, err));
    const spa_shape *first = r->in[0], *param = &r->attrs.param_shape;
    int32_t axis = r->attrs.axis;
    char ta[SPA_SHAPE_TEXT], tb[SPA_SHAPE_TEXT];
    int64_t total = param->rank == 0 ? 0 : param->dim[axis];
    bool fits = param->rank == 0 || param->rank == first->rank;
    for (int32_t i = 0; fits && param->rank != 0 && i < first->rank; i++)
        fits = i == axis || param->dim[i] == first->dim[i] || param->dim[i] == 1;
    if (!fits)
        return fail(r, err, "its parameter %s does not join %s along axis %d",
                    spa_shape_text(param, ta), spa_shape_text(first, tb), (int)axis);
    for (size_t n = 0; n < r->n_in; n++) {
        fits = r->in[n]->rank == first->rank;
        for (int32_t i = 0; fits && i < first->rank; i++)
            fits = i == axis || r->in[n]->dim[i] == first->dim[i];
        if (!fits)
            return fail(r, err, "%s and %s do not join along axis %d", spa_shape_text(first, ta),
                        spa_shape_text(r->in[n], tb), (int)axis);
        total += r->in[n]->dim[axis];
    }
    *out = *first;
    if (total > SPA_MAX_DIM)
        return fail(r, err, "%lld along axis %d is too much", (long long)total, (int)axis);
    out->dim[axis] = (int32_t)total;
    return SPA_OK;
}

static spa_status check_tail_zero(const spa_op_request *r, const int32_t *values, int32_t rank,
                                  const char *what, spa_error *err)
{
    for (int32_t i = rank; i < SPA_MAX_RANK; i++)
        if (values[i] != 0)
            return fail(r, err, "%s[%d] is set but its input has %d dimensions", what, (int)i,
                        (int)rank);
    return SPA_OK;
}

static spa_status infer_slice(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    const spa_shape *in = r->in[0];
    SPA_TRY(need_given(r, in->rank, err));
    SPA_TRY(check_tail_zero(r, r->attrs.begin, in->rank, "begin", err));
    SPA_TRY(check_tail_zero(r, r->attrs.step, in->rank, "step", err));
    *out = r->given;
    for (int32_t i = 0; i < in->rank; i++) {
        int64_t begin = r->attrs.begin[i], step = r->attrs.step[i] == 0 ? 1 : r->attrs.step[i];
        int64_t n = out->dim[i];
        if (begin < 0 || step < 0 || n < 1 || begin + (n - 1) * step >= in->dim[i])
            return fail(r, err, "dimension %d: %lld elements from %lld by %lld are not inside %d",
                        (int)i, (long long)n, (long long)begin, (long long)step, (int)in->dim[i]);
    }
    return SPA_OK;
}

static spa_status infer_pad(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    const spa_shape *in = r->in[0];
    SPA_TRY(need_given(r, in->rank, err));
    SPA_TRY(check_tail_zero(r, r->attrs.begin, in->rank, "begin", err));
    *out = r->given;
    for (int32_t i = 0; i < in->rank; i++) {
        int64_t before = r->attrs.begin[i];
        if (before < 0 || before + in->dim[i] > out->dim[i])
            return fail(r, err, "dimension %d: %lld zeros and %d elements do not fit %d", (int)i,
                        (long long)before, (int)in->dim[i], (int)out->dim[i]);
    }
    return SPA_OK;
}

static spa_status infer_roll(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    SPA_TRY(check_tail_zero(r, r->attrs.begin, r->in[0]->rank, "begin", err));
    for (int32_t i = 0; i < r->in[0]->rank; i++)
        if (r->attrs.begin[i] <= -r->in[0]->dim[i] || r->attrs.begin[i] >= r->in[0]->dim[i])
            return fail(r, err, "dimension %d: a shift by %d goes round more than once", (int)i,
                        (int)r->attrs.begin[i]);
    return infer_same(r, out, err);
}

static spa_status infer_reshape(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    char ta[SPA_SHAPE_TEXT], tb[SPA_SHAPE_TEXT], what[300];
    if (r->given.rank == 0) return fail(r, err, "it needs an output shape");
    snprintf(what, sizeof what, "operator '%.200s' (reshape): its output", r->name);
    SPA_TRY(spa_shape_check(&r->given, what, err));
    if (spa_shape_elements(r->in[0]) != spa_shape_elements(&r->given))
        return fail(r, err, "%s and %s have different numbers of elements",
                    spa_shape_text(r->in[0], ta), spa_shape_text(&r->given, tb));
    *out = r->given;
    return SPA_OK;
}

static spa_status infer_transpose(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    const spa_shape *in = r->in[0];
    unsigned seen = 0;
    SPA_TRY(check_tail_zero(r, r->attrs.perm, in->rank, "perm", err));
    *out = (spa_shape){.rank = in->rank};
    for (int32_t i = 0; i < in->rank; i++) {
        int32_t from = r->attrs.perm[i];
        if (from < 0 || from >= in->rank || (seen & 1u << from) != 0)
            return fail(r, err, "perm is no permutation of 0 to %d", (int)in->rank - 1);
        seen |= 1u << from;
        out->dim[i] = in->dim[from];
    }
    return SPA_OK;
}

/* Swin's relative position bias (torchvision, models/swin_transformer.py,
 * define_relative_position_index and _get_relative_position_bias). The parameter is a table
 * [(2w-1)^2, heads]; the output is [1, heads, w*w, w*w] with
 *     out[0][h][i][j] = table[index(i, j)][h]
 *     index(i, j)     = (yi - yj + w - 1) * (2w - 1) + (xi - xj + w - 1)
 * where (yi, xi) = (i / w, i % w), so the window size w in the parameter's shape is all there is
 * to know and the index needs no tensor. */
static spa_status infer_gather(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    const spa_shape *table = &r->attrs.param_shape;
    if (table->rank != 2) return fail(r, err, "its table must be [(2w-1)^2, heads]");
    int64_t w = 1;
    while ((2 * w - 1) * (2 * w - 1) < table->dim[0]) w++;
    if ((2 * w - 1) * (2 * w - 1) != table->dim[0])
        return fail(r, err, "its table has %d rows, which is no square of an odd number",
                    (int)table->dim[0]);
    *out = (spa_shape){4, {1, table->dim[1], (int32_t)(w * w), (int32_t)(w * w)}};
    return SPA_OK;
}

static spa_status infer_upsample(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    SPA_TRY(need_rank(r, 4, 4, err));
    const spa_shape *in = r->in[0];
    int64_t h = (int64_t)in->dim[2] * r->attrs.stride_h,
            w = (int64_t)in->dim[3] * r->attrs.stride_w;
    if (h > SPA_MAX_DIM || w > SPA_MAX_DIM)
        return fail(r, err, "%lldx%lld is too large", (long long)h, (long long)w);
    *out = (spa_shape){4, {in->dim[0], in->dim[1], (int32_t)h, (int32_t)w}};
    return SPA_OK;
}

static spa_status infer_given(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    if (r->given.rank == 0) return fail(r, err, "it needs an output shape");
    *out = r->given;
    return SPA_OK;
}

/* Every dimension stays or becomes 1. */
static spa_status infer_reduce(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    const spa_shape *in = r->in[0];
    SPA_TRY(need_given(r, in->rank, err));
    *out = r->given;
    for (int32_t i = 0; i < in->rank; i++)
        if (out->dim[i] != 1 && out->dim[i] != in->dim[i])
            return fail(r, err, "dimension %d: %d does not become %d", (int)i, (int)in->dim[i],
                        (int)out->dim[i]);
    return SPA_OK;
}

/* The dimension `axis` is replaced by those of the indices. */
static spa_status infer_take(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    SPA_TRY(check_axis(r, err));
    const spa_shape *in = r->in[0], *at = r->n_in == 2 ? r->in[1] : &r->attrs.param_shape;
    int32_t axis = r->attrs.axis;
    if (in->rank - 1 + at->rank > SPA_MAX_RANK)
        return fail(r, err, "its output has more than %d dimensions", SPA_MAX_RANK);
    *out = (spa_shape){0};
    for (int32_t i = 0; i < axis; i++) out->dim[out->rank++] = in->dim[i];
    for (int32_t i = 0; i < at->rank; i++) out->dim[out->rank++] = at->dim[i];
    for (int32_t i = axis + 1; i < in->rank; i++) out->dim[out->rank++] = in->dim[i];
    return SPA_OK;
}

static spa_status infer_embed(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    const spa_shape *at = r->in[0], *table = &r->attrs.param_shape;
    if (at->rank + table->rank - 1 > SPA_MAX_RANK)
        return fail(r, err, "its output has more than %d dimensions", SPA_MAX_RANK);
    *out = *at;
    for (int32_t i = 1; i < table->rank; i++) out->dim[out->rank++] = table->dim[i];
    return SPA_OK;
}

/* Does `from` broadcast to `to` (NumPy)? */
static bool broadcasts(const spa_shape *from, const spa_shape *to)
{
    if (from->rank > to->rank) return false;
    for (int32_t i = 1; i <= from->rank; i++) {
        int32_t n = from->dim[from->rank - i];
        if (n != 1 && n != to->dim[to->rank - i]) return false;
    }
    return true;
}

static spa_status infer_expand(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    char ta[SPA_SHAPE_TEXT], tb[SPA_SHAPE_TEXT];
    if (r->given.rank == 0) return fail(r, err, "it needs an output shape");
    *out = r->given;
    if (broadcasts(r->in[0], out)) return SPA_OK;
    return fail(r, err, "%s does not broadcast to %s", spa_shape_text(r->in[0], ta),
                spa_shape_text(out, tb));
}

static spa_status infer_where(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    char ta[SPA_SHAPE_TEXT], tb[SPA_SHAPE_TEXT];
    *out = (spa_shape){0};
    for (size_t n = 0; n < 3; n++)
        if (r->in[n]->rank > out->rank) out->rank = r->in[n]->rank;
    for (int32_t i = 1; i <= out->rank; i++) {
        int32_t longest = 1;
        for (size_t n = 0; n < 3; n++)
            if (i <= r->in[n]->rank && r->in[n]->dim[r->in[n]->rank - i] > longest)
                longest = r->in[n]->dim[r->in[n]->rank - i];
        out->dim[out->rank - i] = longest;
    }
    for (size_t n = 0; n < 3; n++)
        if (!broadcasts(r->in[n], out))
            return fail(r, err, "%s does not broadcast to %s", spa_shape_text(r->in[n], ta),
                        spa_shape_text(out, tb));
    return SPA_OK;
}

static spa_status infer_constant(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    *out = r->attrs.param_shape;
    return SPA_OK;
}

typedef spa_status infer_fn(const spa_op_request *r, spa_shape *out, spa_error *err);

static infer_fn *const infer[SPA_OP_KIND_COUNT] = {
    [SPA_OP_CONV] = infer_conv,           [SPA_OP_LINEAR] = infer_linear,
    [SPA_OP_MATMUL] = infer_matmul,       [SPA_OP_BATCH_NORM] = infer_channels,
    [SPA_OP_LAYER_NORM] = infer_same,     [SPA_OP_RELU] = infer_same,
    [SPA_OP_RELU6] = infer_same,          [SPA_OP_LEAKY_RELU] = infer_same,
    [SPA_OP_HARD_SWISH] = infer_same,     [SPA_OP_HARD_SIGMOID] = infer_same,
    [SPA_OP_SIGMOID] = infer_same,        [SPA_OP_GELU] = infer_same,
    [SPA_OP_SOFTMAX] = infer_same,        [SPA_OP_MAX_POOL] = infer_pool,
    [SPA_OP_AVG_POOL] = infer_pool,       [SPA_OP_GLOBAL_AVG_POOL] = infer_global_pool,
    [SPA_OP_MEAN] = infer_mean,           [SPA_OP_ADD] = infer_broadcast,
    [SPA_OP_MUL] = infer_broadcast,       [SPA_OP_CONCAT] = infer_concat,
    [SPA_OP_SLICE] = infer_slice,         [SPA_OP_PAD] = infer_pad,
    [SPA_OP_ROLL] = infer_roll,           [SPA_OP_RESHAPE] = infer_reshape,
    [SPA_OP_TRANSPOSE] = infer_transpose, [SPA_OP_GATHER] = infer_gather,
    [SPA_OP_UPSAMPLE] = infer_upsample,   [SPA_OP_HOST] = infer_given,
    [SPA_OP_OTHER] = infer_given,         [SPA_OP_MATH] = infer_same,
    [SPA_OP_BINARY] = infer_broadcast,    [SPA_OP_REDUCE] = infer_reduce,
    [SPA_OP_TAKE] = infer_take,           [SPA_OP_EMBED] = infer_embed,
    [SPA_OP_EXPAND] = infer_expand,       [SPA_OP_WHERE] = infer_where,
    [SPA_OP_CONSTANT] = infer_constant,
};

/* A shape that the caller gave must be the one that follows. */
static spa_status compare_given(const spa_op_request *r, const spa_shape *out, spa_error *err)
{
    const spa_shape *given = &r->given;
    if (given->rank == 0) return SPA_OK;
    bool same = given->rank == out->rank;
    for (int32_t i = 0; same && i < out->rank; i++)
        same = given->dim[i] == 0 || given->dim[i] == out->dim[i];
    if (same) return SPA_OK;
    char ta[SPA_SHAPE_TEXT], tb[SPA_SHAPE_TEXT];
    return fail(r, err, "its output is %s, not %s", spa_shape_text(out, ta),
                spa_shape_text(given, tb));
}

spa_status spa_op_infer(const spa_op_request *r, spa_shape *out, spa_error *err)
{
    char what[300];
    spa_shape shape;
    *out = (spa_shape){0};
    if (r->given.rank < 0 || r->given.rank > SPA_MAX_RANK)
        return fail(r, err, "its output has %d dimensions; 1 to %d are possible",
                    (int)r->given.rank, SPA_MAX_RANK);
    SPA_TRY(infer[r->kind](r, &shape, err));
    snprintf(what, sizeof what, "operator '%.200s' (%s): its output", r->name,
             spa_op_kind_name(r->kind));
    for (int32_t i = shape.rank; i < SPA_MAX_RANK; i++) shape.dim[i] = 0;
    SPA_TRY(spa_shape_check(&shape, what, err));
    SPA_TRY(compare_given(r, &shape, err));
    *out = shape;
    return SPA_OK;
}
