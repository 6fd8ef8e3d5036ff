/* ONNX nodes into operators: convolutions, products, norms, pools, softmax. */
#include <math.h>
#include <string.h>

#include "traces/onnx_import.h"

/* ---- windows -------------------------------------------------------------------------------- */

/* One or two dimensions; the first of one is 1x1. */
typedef struct window {
    int32_t rank; /* of the input: 3 or 4 */
    spa_shape in; /* [N,C,H,W] */
    int64_t k[2], s[2], d[2], before[2], after[2];
} window;

static spa_status take_pair(const onnx_import *im, const window *w, const char *name,
                            int64_t out[2], int64_t missing, spa_error *err)
{
    const int64_t *list;
    size_t n, need = (size_t)w->rank - 2;
    out[0] = out[1] = missing;
    if (!onnx_attr_ints(im, name, &list, &n)) {
        if (missing != 0 && need == 1) out[0] = 1;
        return SPA_OK;
    }
    if (n != need)
        return onnx_fail(im, SPA_E_INVALID, err, "'%s' has %zu numbers instead of %zu", name, n,
                         need);
    out[0] = 1;
    for (size_t i = 0; i < need; i++) {
        if (list[i] < 1 || list[i] > SPA_MAX_DIM)
            return onnx_fail(im, SPA_E_RANGE, err, "'%s' has %lld", name, (long long)list[i]);
        out[i + 2 - need] = list[i];
    }
    return SPA_OK;
}

static spa_status take_pads(const onnx_import *im, window *w, spa_error *err)
{
    const int64_t *list;
    size_t n, need = (size_t)w->rank - 2;
    const char *same = onnx_attr_text(im, "auto_pad", "NOTSET");
    w->before[0] = w->before[1] = w->after[0] = w->after[1] = 0;
    if (strncmp(same, "SAME", 4) == 0) {
        for (int i = 0; i < 2; i++) {
            int64_t size = w->in.dim[2 + i], out = (size + w->s[i] - 1) / w->s[i];
            int64_t total = (out - 1) * w->s[i] + (w->k[i] - 1) * w->d[i] + 1 - size;
            if (total < 0) total = 0;
            w->before[i] = strcmp(same, "SAME_LOWER") == 0 ? (total + 1) / 2 : total / 2;
            w->after[i] = total - w->before[i];
        }
        return SPA_OK;
    }
    if (strcmp(same, "VALID") == 0 || !onnx_attr_ints(im, "pads", &list, &n)) return SPA_OK;
    if (n != 2 * need)
        return onnx_fail(im, SPA_E_INVALID, err, "'pads' has %zu numbers instead of %zu", n,
                         2 * need);
    for (size_t i = 0; i < need; i++) {
        w->before[i + 2 - need] = list[i];
        w->after[i + 2 - need] = list[i + need];
        if (list[i] < 0 || list[i + need] < 0 || list[i] > SPA_MAX_DIM ||
            list[i + need] > SPA_MAX_DIM)
            return onnx_no_rule(im, err, "a padding of %lld, %lld", (long long)list[i],
                                (long long)list[i + need]);
    }
    return SPA_OK;
}

/* kernel: of the weights, or NULL = attribute kernel_shape. */
static spa_status take_window(const onnx_import *im, const onnx_value *x, const int64_t *kernel,
                              window *w, spa_error *err)
{
    spa_shape in;
    SPA_TRY(onnx_shape(im, x, &in, err));
    if (x->rank != 3 && x->rank != 4)
        return onnx_no_rule(im, err, "its input has %d dimensions; 3 and 4 have a rule",
                            (int)x->rank);
    w->rank = x->rank;
    w->in = in;
    if (x->rank == 3) w->in = (spa_shape){4, {in.dim[0], in.dim[1], 1, in.dim[2]}};
    SPA_TRY(take_pair(im, w, "strides", w->s, 1, err));
    SPA_TRY(take_pair(im, w, "dilations", w->d, 1, err));
    if (kernel == NULL) {
        SPA_TRY(take_pair(im, w, "kernel_shape", w->k, 0, err));
    } else {
        w->k[0] = x->rank == 3 ? 1 : kernel[0];
        w->k[1] = x->rank == 3 ? kernel[0] : kernel[1];
    }
    for (int i = 0; i < 2; i++)
        if (w->k[i] < 1 || w->k[i] > SPA_MAX_DIM)
            return onnx_fail(im, SPA_E_INVALID, err, "it has no kernel shape");
    return take_pads(im, w, err);
}

static spa_op_attrs window_attrs(const window *w)
{
    return (spa_op_attrs){.kernel_h = (int32_t)w->k[0],
                          .kernel_w = (int32_t)w->k[1],
                          .stride_h = (int32_t)w->s[0],
                          .stride_w = (int32_t)w->s[1],
                          .pad_top = (int32_t)w->before[0],
                          .pad_left = (int32_t)w->before[1],
                          .pad_bottom = (int32_t)w->after[0],
                          .pad_right = (int32_t)w->after[1]};
}

/* Back from [N,C,1,W] to [N,C,W] where the input was so. */
static spa_status set_window(onnx_import *im, const window *w, int32_t index, spa_error *err)
{
    spa_shape out = *onnx_shape_of(im, index);
    if (w->rank == 3) {
        out = (spa_shape){3, {out.dim[0], out.dim[1], out.dim[3]}};
        SPA_TRY(onnx_view(im, index, &out, &index, err));
    }
    return onnx_set(im, onnx_out(im, 0), index, err);
}

/* ---- convolution ---------------------------------------------------------------------------- */

/* A batch norm that alone reads the node's output and may be folded into it. */
static spa_status find_bn(onnx_import *im, onnx_value **out, onnx_bn **bn, spa_error *err)
{
    int32_t at;
    *bn = NULL;
    if (!im->options->fold_batch_norm) return SPA_OK;
    const onnx_node *n = onnx_only_reader(im, *out, &at);
    if (n == NULL || strcmp(n->op_type, "BatchNormalization") != 0 || n->n_inputs != 5 ||
        im->node_in[at][0] != *out - im->values || im->node_out[at][0] < 0)
        return SPA_OK;
    SPA_TRY(spa_arena_alloc(im->arena, bn, 1, sizeof **bn, err));
    (*bn)->epsilon = 1e-5;
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, "epsilon") == 0) (*bn)->epsilon = (double)n->attrs[i].f;
    for (int i = 0; i < 4; i++) {
        int32_t v = im->node_in[at][i + 1];
        (*bn)->v[i] = v >= 0 ? &im->values[v] : NULL;
        if (!onnx_is_const((*bn)->v[i]) || (*bn)->v[i]->count != (*bn)->v[0]->count) {
            *bn = NULL;
            return SPA_OK;
        }
    }
    im->done[at] = true;
    *out = &im->values[im->node_out[at][0]];
    return SPA_OK;
}

static spa_status lower_conv(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0), *weight = onnx_in(im, 1), *bias = onnx_in(im, 2);
    onnx_value *out = onnx_out(im, 0);
    window w;
    onnx_bn *bn;
    int32_t input, index;
    if (x == NULL || weight == NULL || out == NULL)
        return onnx_fail(im, SPA_E_PARSE, err, "input or weights are missing");
    if (!onnx_can_be_const(weight) || (bias != NULL && !onnx_can_be_const(bias)))
        return onnx_no_rule(im, err, "its weights are known at run time only");
    if (weight->rank != x->rank)
        return onnx_fail(im, SPA_E_INVALID, err, "weights of %d dimensions for an input of %d",
                         (int)weight->rank, (int)x->rank);
    SPA_TRY(take_window(im, x, weight->dim + 2, &w, err));
    int64_t groups = onnx_attr_int(im, "group", 1), m = weight->dim[0];
    if (groups < 1 || groups > SPA_MAX_DIM || weight->dim[1] * groups != w.in.dim[1] || m < 1 ||
        m > SPA_MAX_DIM || (bias != NULL && bias->count != m))
        return onnx_fail(
            im, SPA_E_INVALID, err, "weights %lldx%lld in %lld groups do not fit %d input channels",
            (long long)m, (long long)weight->dim[1], (long long)groups, (int)w.in.dim[1]);
    spa_op_attrs attrs = window_attrs(&w);
    attrs.dilation_h = (int32_t)w.d[0];
    attrs.dilation_w = (int32_t)w.d[1];
    attrs.groups = (int32_t)groups;
    SPA_TRY(find_bn(im, &out, &bn, err));
    if (bn != NULL && bn->v[0]->count != m)
        return onnx_fail(im, SPA_E_INVALID, err, "its batch norm has other channels");
    attrs.has_bias = bias != NULL || bn != NULL;
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(onnx_view(im, input, &w.in, &input, err));
    SPA_TRY(onnx_emit(im, SPA_OP_CONV, &attrs, &input, 1, &(spa_shape){4, {0, (int32_t)m, 0, 0}},
                      &index, err));
    onnx_param how = {.scale = 1, .bn = bn};
    SPA_TRY(onnx_bind_as(im, index, 0, &how, weight, err));
    if (attrs.has_bias) SPA_TRY(onnx_bind_as(im, index, 1, &how, bias, err));
    if (bn == NULL) return set_window(im, &w, index, err);
    spa_shape shape = *onnx_shape_of(im, index);
    if (w.rank == 3) {
        shape = (spa_shape){3, {shape.dim[0], shape.dim[1], shape.dim[3]}};
        SPA_TRY(onnx_view(im, index, &shape, &index, err));
    }
    return onnx_set(im, out, index, err);
}

/* ---- pools ---------------------------------------------------------------------------------- */

/* Positions of window `o` that count, along one dimension. */
static int64_t counted(const window *w, int i, int64_t o, bool padding_too)
{
    int64_t n = 0, size = w->in.dim[2 + i];
    int64_t low = padding_too ? 0 : w->before[i];
    int64_t high = padding_too ? size + w->before[i] + w->after[i] : size + w->before[i];
    for (int64_t k = 0; k < w->k[i]; k++) {
        int64_t at = o * w->s[i] + k;
        n += at >= low && at < high;
    }
    return n;
}

/* The kernel divides by the whole window; where fewer positions count, a factor per position
 * corrects it (1 for all of them needs none). */
static spa_status correct_average(onnx_import *im, const window *w, int32_t *index, spa_error *err)
{
    spa_shape out = *onnx_shape_of(im, *index), plane = {4, {1, 1, out.dim[2], out.dim[3]}};
    bool padding_too = onnx_attr_int(im, "count_include_pad", 0) != 0, needed = false;
    double *factors;
    size_t n = 0;
    SPA_TRY(spa_arena_alloc(im->arena, &factors, (size_t)spa_shape_elements(&plane),
                            sizeof *factors, err));
    for (int64_t y = 0; y < out.dim[2]; y++) {
        int64_t rows = counted(w, 0, y, padding_too);
        for (int64_t x = 0; x < out.dim[3]; x++) {
            int64_t count = rows * counted(w, 1, x, padding_too);
            factors[n] = count > 0 ? (double)(w->k[0] * w->k[1]) / (double)count : 0;
            needed = needed || factors[n] != 1;
            n++;
        }
    }
    if (!needed) return SPA_OK;
    spa_op_attrs attrs = {.param_shape = plane};
    SPA_TRY(onnx_emit_one(im, SPA_OP_MUL, &attrs, *index, index, err));
    onnx_param p = {.folded = factors, .count = (int64_t)n, .scale = 1};
    return onnx_bind_as(im, *index, 0, &p, NULL, err);
}

/* With ceil, a window that would begin behind the input is dropped here and by PyTorch, not by the
 * ONNX formula. */
static bool ceil_differs(const window *w, int i)
{
    int64_t size = w->in.dim[2 + i], room = size + w->before[i] + w->after[i] - w->k[i];
    if (room < 0 || room % w->s[i] == 0) return false;
    return (room / w->s[i] + 1) * w->s[i] >= size + w->before[i];
}

static spa_status lower_pool(onnx_import *im, spa_error *err)
{
    bool is_max = strcmp(im->node->op_type, "MaxPool") == 0;
    onnx_value *x = onnx_in(im, 0), *indices = onnx_out(im, 1);
    window w;
    int32_t input, index;
    if (x == NULL) return onnx_fail(im, SPA_E_PARSE, err, "its input is missing");
    if (indices != NULL && (indices->uses > 0 || indices->is_output))
        return onnx_no_rule(im, err, "its indices are used");
    SPA_TRY(take_window(im, x, NULL, &w, err));
    if (w.d[0] != 1 || w.d[1] != 1) return onnx_no_rule(im, err, "it is dilated");
    spa_op_attrs attrs = window_attrs(&w);
    attrs.ceil_mode = onnx_attr_int(im, "ceil_mode", 0) != 0;
    for (int i = 0; i < 2; i++)
        if (w.before[i] >= w.k[i] || w.after[i] >= w.k[i] ||
            (attrs.ceil_mode && ceil_differs(&w, i)))
            return onnx_no_rule(im, err, "windows would be in padding only");
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(onnx_view(im, input, &w.in, &input, err));
    SPA_TRY(
        onnx_emit_one(im, is_max ? SPA_OP_MAX_POOL : SPA_OP_AVG_POOL, &attrs, input, &index, err));
    if (!is_max) SPA_TRY(correct_average(im, &w, &index, err));
    return set_window(im, &w, index, err);
}

static spa_status lower_global_pool(onnx_import *im, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    spa_shape in, out;
    int32_t input, index;
    SPA_TRY(onnx_shape(im, x, &in, err));
    if (in.rank < 3) return onnx_no_rule(im, err, "its input has %d dimensions", (int)in.rank);
    out = in;
    int64_t area = 1;
    for (int32_t i = 2; i < in.rank; i++) {
        area *= in.dim[i];
        out.dim[i] = 1;
    }
    SPA_TRY(onnx_operand(im, x, &input, err));
    if (strcmp(im->node->op_type, "GlobalMaxPool") == 0) {
        spa_op_attrs attrs = {.fn = SPA_FN_LARGEST};
        SPA_TRY(onnx_emit(im, SPA_OP_REDUCE, &attrs, &input, 1, &out, &index, err));
    } else {
        if (area > SPA_MAX_DIM) return onnx_no_rule(im, err, "its planes are too large");
        spa_shape flat = {4, {in.dim[0], in.dim[1], (int32_t)area, 1}};
        SPA_TRY(onnx_view(im, input, in.rank == 4 ? &in : &flat, &input, err));
        SPA_TRY(onnx_emit_one(im, SPA_OP_GLOBAL_AVG_POOL, NULL, input, &index, err));
        SPA_TRY(onnx_view(im, index, &out, &index, err));
    }
    return onnx_set(im, onnx_out(im, 0), index, err);
}

/* ---- products ------------------------------------------------------------------------------- */

/* A bias that alone reads a product: one number per column. */
static onnx_value *find_bias(const onnx_import *im, onnx_value **out, int64_t m)
{
    int32_t at;
    const onnx_node *n = onnx_only_reader(im, *out, &at);
    if (n == NULL || strcmp(n->op_type, "Add") != 0 || n->n_inputs != 2 || im->node_out[at][0] < 0)
        return NULL;
    int32_t self = (int32_t)(*out - im->values);
    int32_t other = im->node_in[at][0] == self ? im->node_in[at][1] : im->node_in[at][0];
    if (other < 0 || !onnx_is_const(&im->values[other])) return NULL;
    onnx_value *bias = &im->values[other];
    if (bias->count != m || bias->rank < 1 || bias->rank > (*out)->rank ||
        bias->dim[bias->rank - 1] != m)
        return NULL;
    im->done[at] = true;
    *out = &im->values[im->node_out[at][0]];
    return bias;
}

/* x [...,K] times a constant [K,M] (or [M,K]). */
static spa_status emit_linear(onnx_import *im, int32_t x, const onnx_value *weight, bool transposed,
                              double alpha, const onnx_value *bias, double beta, int32_t *index,
                              spa_error *err)
{
    int64_t k = weight->dim[transposed ? 1 : 0], m = weight->dim[transposed ? 0 : 1];
    spa_shape out = *onnx_shape_of(im, x);
    if (k != out.dim[out.rank - 1] || m < 1 || m > SPA_MAX_DIM)
        return onnx_fail(im, SPA_E_INVALID, err, "weights of %lldx%lld do not fit rows of %d",
                         (long long)k, (long long)m, (int)out.dim[out.rank - 1]);
    spa_op_attrs attrs = {.has_bias = bias != NULL};
    out.dim[out.rank - 1] = (int32_t)m;
    SPA_TRY(onnx_emit(im, SPA_OP_LINEAR, &attrs, &x, 1, &out, index, err));
    onnx_param how = {.scale = alpha};
    if (!transposed) {
        how.rows = k;
        how.cols = m;
    }
    SPA_TRY(onnx_bind_as(im, *index, 0, &how, weight, err));
    if (bias == NULL) return SPA_OK;
    return onnx_bind_as(im, *index, 1, &(onnx_param){.scale = beta}, bias, err);
}

static spa_status lower_matmul_linear(onnx_import *im, onnx_value *x, onnx_value *weight,
                                      spa_error *err)
{
    onnx_value *out = onnx_out(im, 0);
    int64_t dims[SPA_MAX_RANK];
    int32_t input, index;
    spa_shape in;
    SPA_TRY(onnx_shape(im, x, &in, err));
    memcpy(dims, x->dim, sizeof dims);
    dims[x->rank - 1] = weight->dim[1];
    out->rank = x->rank; /* for find_bias */
    onnx_value *bias = find_bias(im, &out, weight->dim[1]);
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(emit_linear(im, input, weight, false, 1, bias, 1, &index, err));
    return onnx_set_dims(im, out, index, dims, x->rank, x->type, err);
}

/* Both operands as [batch..., m, k] with equal batches. */
static spa_status spread(onnx_import *im, int32_t *x, int32_t rank, const int64_t *batch,
                         spa_error *err)
{
    spa_shape own = *onnx_shape_of(im, *x), lifted = {.rank = rank}, wanted;
    for (int32_t i = 0; i < rank; i++) {
        int32_t from = i - (rank - own.rank);
        lifted.dim[i] = from >= 0 ? own.dim[from] : 1;
    }
    wanted = lifted;
    for (int32_t i = 0; i < rank - 2; i++) wanted.dim[i] = (int32_t)batch[i];
    SPA_TRY(onnx_view(im, *x, &lifted, x, err));
    if (spa_shape_equal(&lifted, &wanted)) return SPA_OK;
    return onnx_emit(im, SPA_OP_EXPAND, NULL, x, 1, &wanted, x, err);
}

static spa_status check_product(const onnx_import *im, const spa_shape *a, const spa_shape *b,
                                bool transposed, spa_error *err)
{
    if (a->dim[a->rank - 1] == b->dim[b->rank - (transposed ? 1 : 2)]) return SPA_OK;
    return onnx_fail(im, SPA_E_INVALID, err, "rows of %d do not multiply columns of %d",
                     (int)a->dim[a->rank - 1], (int)b->dim[b->rank - (transposed ? 1 : 2)]);
}

static spa_status batch_of(const onnx_import *im, const spa_shape *a, const spa_shape *b,
                           int64_t *batch, int32_t *rank, spa_error *err)
{
    *rank = a->rank > b->rank ? a->rank : b->rank;
    for (int32_t i = 3; i <= *rank; i++) {
        int32_t x = i <= a->rank ? a->dim[a->rank - i] : 1;
        int32_t y = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (x != y && x != 1 && y != 1)
            return onnx_fail(im, SPA_E_INVALID, err, "its batches of %d and %d do not broadcast",
                             (int)x, (int)y);
        batch[*rank - i] = x == 1 ? y : x;
    }
    return SPA_OK;
}

static spa_status lower_matmul(onnx_import *im, spa_error *err)
{
    onnx_value *va = onnx_in(im, 0), *vb = onnx_in(im, 1), *out = onnx_out(im, 0);
    spa_shape sa, sb;
    int64_t batch[SPA_MAX_RANK], dims[SPA_MAX_RANK];
    int32_t a, b, rank, index, n_dims = 0;
    if (va == NULL || vb == NULL || out == NULL)
        return onnx_fail(im, SPA_E_PARSE, err, "an operand is missing");
    if (va->rank == 0 || vb->rank == 0)
        return onnx_fail(im, SPA_E_INVALID, err, "a scalar is no matrix");
    if (onnx_is_const(vb) && vb->rank == 2) return lower_matmul_linear(im, va, vb, err);
    SPA_TRY(onnx_shape(im, va, &sa, err));
    SPA_TRY(onnx_shape(im, vb, &sb, err));
    bool transposed = vb->state == ONNX_DEFERRED && vb->rank >= 2 && vb->roll_from < 0 &&
                      strcmp(im->file.nodes[vb->node].op_type, "Transpose") == 0;
    if (va->rank == 1) sa = (spa_shape){2, {1, sa.dim[0]}};
    if (vb->rank == 1) sb = (spa_shape){2, {sb.dim[0], 1}};
    SPA_TRY(check_product(im, &sa, &sb, false, err));
    SPA_TRY(batch_of(im, &sa, &sb, batch, &rank, err));
    for (int32_t i = 0; i < rank - 2; i++) dims[n_dims++] = batch[i];
    if (va->rank > 1) dims[n_dims++] = sa.dim[sa.rank - 2];
    if (vb->rank > 1) dims[n_dims++] = sb.dim[sb.rank - 1];
    SPA_TRY(onnx_operand(im, va, &a, err));
    if (transposed) vb = &im->values[im->node_in[vb->node][0]];
    SPA_TRY(onnx_operand(im, vb, &b, err));
    SPA_TRY(onnx_view(im, a, &sa, &a, err));
    if (!transposed) SPA_TRY(onnx_view(im, b, &sb, &b, err));
    if (sb.rank == 2 && sa.rank > 2) { /* one matrix for all: more rows */
        int64_t rows = spa_shape_elements(&sa) / sa.dim[sa.rank - 1];
        if (rows > SPA_MAX_DIM) return onnx_no_rule(im, err, "it has too many rows");
        spa_shape flat = {2, {(int32_t)rows, sa.dim[sa.rank - 1]}};
        SPA_TRY(onnx_view(im, a, &flat, &a, err));
    } else {
        SPA_TRY(spread(im, &a, rank, batch, err));
        SPA_TRY(spread(im, &b, rank, batch, err));
    }
    spa_op_attrs attrs = {.transpose_b = transposed};
    SPA_TRY(onnx_emit_two(im, SPA_OP_MATMUL, &attrs, a, b, &index, err));
    return onnx_set_dims(im, out, index, dims, n_dims, va->type, err);
}

/* Adds beta * C to a product. */
static spa_status add_c(onnx_import *im, onnx_value *c, double beta, int32_t *index, spa_error *err)
{
    int32_t other;
    SPA_TRY(onnx_operand(im, c, &other, err));
    if (beta != 1) {
        spa_op_attrs attrs = {.alpha = beta};
        SPA_TRY(onnx_emit_one(im, SPA_OP_MUL, &attrs, other, &other, err));
    }
    return onnx_emit_two(im, SPA_OP_ADD, NULL, *index, other, index, err);
}

static spa_status lower_gemm(onnx_import *im, spa_error *err)
{
    onnx_value *va = onnx_in(im, 0), *vb = onnx_in(im, 1), *c = onnx_in(im, 2);
    double alpha = onnx_attr_float(im, "alpha", 1), beta = onnx_attr_float(im, "beta", 1);
    bool trans_a = onnx_attr_int(im, "transA", 0) != 0,
         trans_b = onnx_attr_int(im, "transB", 0) != 0;
    int32_t a, b, index;
    if (va == NULL || vb == NULL || va->rank != 2 || vb->rank != 2)
        return onnx_fail(im, SPA_E_INVALID, err, "it needs two matrices");
    SPA_TRY(onnx_operand(im, va, &a, err));
    if (trans_a) SPA_TRY(onnx_transpose(im, a, (const int32_t[]){1, 0}, &a, err));
    bool is_bias = c != NULL && onnx_can_be_const(c) && c->rank >= 1 &&
                   c->count == vb->dim[trans_b ? 0 : 1] && c->dim[c->rank - 1] == c->count;
    if (onnx_can_be_const(vb)) {
        SPA_TRY(emit_linear(im, a, vb, trans_b, alpha, is_bias ? c : NULL, beta, &index, err));
        if (is_bias) c = NULL;
    } else {
        spa_op_attrs attrs = {.transpose_b = trans_b}, scale = {.alpha = alpha};
        SPA_TRY(onnx_operand(im, vb, &b, err));
        SPA_TRY(check_product(im, onnx_shape_of(im, a), onnx_shape_of(im, b), trans_b, err));
        SPA_TRY(onnx_emit_two(im, SPA_OP_MATMUL, &attrs, a, b, &index, err));
        if (alpha != 1) SPA_TRY(onnx_emit_one(im, SPA_OP_MUL, &scale, index, &index, err));
    }
    if (c != NULL && beta != 0) SPA_TRY(add_c(im, c, beta, &index, err));
    return onnx_set(im, onnx_out(im, 0), index, err);
}

const onnx_rule onnx_rules_nn[] = {
    {"Conv", lower_conv, 0},
    {"MaxPool", lower_pool, 0},
    {"AveragePool", lower_pool, 0},
    {"GlobalAveragePool", lower_global_pool, 0},
    {"GlobalMaxPool", lower_global_pool, 0},
    {"MatMul", lower_matmul, 0},
    {"Gemm", lower_gemm, 0},
    {NULL, NULL, 0},
};
