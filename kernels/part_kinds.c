/* How each kind of operator is cut; see part.h. One function per kind says along what, and what a
 * part of it is. All of them keep to one rule: pieces of inputs, parameters and output are
 * contiguous, because kernels know no other tensors. */
#include <string.h>

#include "kernels/blas.h"
#include "kernels/dims.h"
#include "kernels/part_draft.h"

/* Kernels of matrix products work on 4 to 16 channels at a time, the zero-skipping ones on 8 of a
 * tile of 64; 16 floats are a cache line, so that no two parts write the same one. */
enum { UNIT_CHANNELS = 16, UNIT_ROWS = 8, UNIT_ELEMENTS = 16 };

typedef const char *describe_fn(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d);

static const spa_shape *first_input(const spa_part_subject *s)
{
    return spa_graph_input_shape(s->graph, s->op, 0);
}

static size_t length(const spa_part_subject *s)
{
    return s->end - s->begin;
}

static spa_shape shape2(size_t a, size_t b)
{
    return (spa_shape){2, {(int32_t)a, (int32_t)b}};
}

static spa_shape shape3(size_t a, size_t b, size_t c)
{
    return (spa_shape){3, {(int32_t)a, (int32_t)b, (int32_t)c}};
}

/* n elements in a row. A dimension has a limit, so that many are folded into two. */
static spa_shape flat(size_t n)
{
    size_t rows = 1;
    while (n / rows > (size_t)SPA_MAX_DIM || n % rows != 0) rows++;
    return rows == 1 ? (spa_shape){1, {(int32_t)n}} : shape2(rows, n / rows);
}

/* Keeps slices of one dimension; everything before it is 1. Returns where they begin. */
static size_t keep(const spa_part_subject *s, spa_shape *shape, int32_t axis)
{
    shape->dim[axis] = (int32_t)length(s);
    return s->begin * spa_shape_product(shape, axis + 1, shape->rank);
}

/* The first dimension of more than one element; a single element counts as its last dimension. */
static int32_t first_long(const spa_shape *shape)
{
    int32_t axis = 0;
    while (axis < shape->rank - 1 && shape->dim[axis] == 1) axis++;
    return axis;
}

/* ---- windows ------------------------------------------------------------------------------------
 */

static const char *batch(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    *cut = (spa_cut){"batch", (size_t)s->op->out.dim[0], 1};
    if (d == NULL) return NULL;
    d->in_offset[0] = keep(s, &d->in[0], 0);
    d->out_offset = keep(s, &d->out, 0);
    return NULL;
}

/* Output channels of one image. Groups stay whole: a group's outputs all read its inputs. */
static const char *conv(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    spa_window w = spa_op_window(s->graph, s->op);
    if (w.n > 1) return batch(s, cut, d);
    bool is_depthwise = w.groups > 1 && w.groups == w.c;
    if (w.groups == 1)
        *cut = (spa_cut){"channels", w.m, UNIT_CHANNELS};
    else
        *cut = (spa_cut){is_depthwise ? "channels" : "groups", w.groups, 1};
    if (d == NULL) return NULL;
    size_t outputs = w.m / w.groups, inputs = w.c / w.groups; /* per slice, if there are groups */
    if (w.groups == 1) {
        outputs = 1;
    } else {
        d->attrs.groups = (int32_t)length(s);
        d->in[0].dim[1] = (int32_t)(length(s) * inputs);
        d->in_offset[0] = s->begin * inputs * w.h * w.w;
    }
    d->out.dim[1] = (int32_t)(length(s) * outputs);
    d->out_offset = s->begin * outputs * w.oh * w.ow;
    d->param_offset[0] = s->begin * outputs * inputs * w.kh * w.kw;
    d->param_offset[1] = s->begin * outputs;
    return NULL;
}

/* Pools and upsampling: no channel knows of another, nor does an image. */
static const char *planes(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    *cut = (spa_cut){"planes", spa_shape_product(&s->op->out, 0, 2), 1};
    if (d == NULL) return NULL;
    d->in[0].dim[0] = d->out.dim[0] = 1;
    d->in_offset[0] = keep(s, &d->in[0], 1);
    d->out_offset = keep(s, &d->out, 1);
    return NULL;
}

/* ---- products -----------------------------------------------------------------------------------
 */

static const char *linear(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    size_t k = spa_shape_last(first_input(s)), m = spa_shape_last(&s->op->out);
    size_t rows = spa_shape_count(&s->op->out) / m;
    *cut = rows > 1 ? (spa_cut){"rows", rows, UNIT_ROWS} : (spa_cut){"channels", m, UNIT_CHANNELS};
    if (d == NULL) return NULL;
    d->in[0] = shape2(rows, k);
    d->out = shape2(rows, m);
    if (rows > 1) {
        d->in_offset[0] = keep(s, &d->in[0], 0);
        d->out_offset = keep(s, &d->out, 0);
        return NULL;
    }
    d->out_offset = keep(s, &d->out, 1);
    d->param_offset[0] = s->begin * k;
    d->param_offset[1] = s->begin;
    return NULL;
}

static const char *matmul(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    spa_matmul_dims m = spa_op_matmul_dims(s->graph, s->op);
    *cut = m.batch > 1 ? (spa_cut){"batch", m.batch, 1} : (spa_cut){"rows", m.m, UNIT_ROWS};
    if (d == NULL) return NULL;
    d->in[0] = shape3(m.batch, m.m, m.k);
    d->in[1] = m.transpose_b ? shape3(m.batch, m.n, m.k) : shape3(m.batch, m.k, m.n);
    d->out = shape3(m.batch, m.m, m.n);
    int32_t axis = m.batch > 1 ? 0 : 1;
    d->in_offset[0] = keep(s, &d->in[0], axis);
    if (axis == 0) d->in_offset[1] = keep(s, &d->in[1], axis);
    d->out_offset = keep(s, &d->out, axis);
    return NULL;
}

/* ---- normalisation, reduction -------------------------------------------------------------------
 */

static const char *batch_norm(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    if (s->op->out.dim[0] > 1) return batch(s, cut, d);
    *cut = (spa_cut){"channels", (size_t)s->op->out.dim[1], UNIT_CHANNELS};
    if (d == NULL) return NULL;
    d->in_offset[0] = keep(s, &d->in[0], 1);
    d->out_offset = keep(s, &d->out, 1);
    for (int p = 0; p < 4; p++) d->param_offset[p] = s->begin;
    return NULL;
}

static const char *rows(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    size_t n = spa_shape_last(&s->op->out), count = spa_shape_count(&s->op->out) / n;
    *cut = (spa_cut){"rows", count, 1};
    if (d == NULL) return NULL;
    d->in[0] = d->out = shape2(count, n);
    d->in_offset[0] = keep(s, &d->in[0], 0);
    d->out_offset = keep(s, &d->out, 0);
    return NULL;
}

static const char *mean(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    const spa_shape *in = first_input(s);
    int32_t axis = s->op->attrs.axis;
    size_t outer = spa_shape_product(in, 0, axis), n = (size_t)in->dim[axis];
    size_t inner = spa_shape_product(in, axis + 1, in->rank);
    *cut = (spa_cut){"rows", outer, 1};
    if (d == NULL) return NULL;
    d->attrs.axis = 1;
    d->in[0] = shape3(outer, n, inner);
    d->out = shape2(outer, inner);
    d->in_offset[0] = keep(s, &d->in[0], 0);
    d->out_offset = keep(s, &d->out, 0);
    return NULL;
}

/* ---- elementwise --------------------------------------------------------------------------------
 */

static const char *elements(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    *cut = (spa_cut){"elements", spa_shape_count(&s->op->out), UNIT_ELEMENTS};
    if (d == NULL) return NULL;
    d->in[0] = d->out = flat(length(s));
    d->in_offset[0] = d->out_offset = s->begin;
    return NULL;
}

/* An operand (number `k` of the loop) over the slices of the loop's first dimension. */
static spa_shape operand(const spa_part_subject *s, const spa_loop *loop, int k, size_t *offset)
{
    bool repeats = loop->step[k][0] == 0;
    *offset = s->begin * loop->step[k][0];
    if (loop->rank == 1) return flat(repeats ? 1 : length(s));
    spa_shape shape = {.rank = loop->rank};
    for (int i = 0; i < loop->rank; i++)
        shape.dim[i] = loop->step[k][i] == 0 ? 1 : (int32_t)loop->n[i];
    if (!repeats) shape.dim[0] = (int32_t)length(s);
    return shape;
}

/* add and mul: dimensions that run on in both operands are one; the first that is left is cut. An
 * operand that is repeated along it is read whole by every part. */
static const char *binary(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    const spa_op *op = s->op;
    const spa_shape *second = spa_op_second_shape(s->graph, op);
    if (second == NULL) return elements(s, cut, d);
    spa_loop loop = {.rank = op->out.rank};
    for (int i = 0; i < loop.rank; i++) loop.n[i] = (size_t)op->out.dim[i];
    spa_shape_strides(&op->out, loop.step[0]);
    spa_shape_broadcast(first_input(s), &op->out, loop.step[1]);
    spa_shape_broadcast(second, &op->out, loop.step[2]);
    spa_loop_simplify(&loop);
    *cut = loop.rank == 1 ? (spa_cut){"elements", loop.n[0], UNIT_ELEMENTS}
                          : (spa_cut){"rows", loop.n[0], 1};
    if (d == NULL) return NULL;
    d->out = operand(s, &loop, 0, &d->out_offset);
    d->in[0] = operand(s, &loop, 1, &d->in_offset[0]);
    if (op->n_inputs > 1)
        d->in[1] = operand(s, &loop, 2, &d->in_offset[1]);
    else
        d->attrs.param_shape = operand(s, &loop, 2, &d->param_offset[0]);
    return NULL;
}

/* ---- data movement ------------------------------------------------------------------------------
 */

/* One member of a concatenation along the middle of [outer, length, inner]. */
static const char *add_member(spa_part_draft *d, bool is_param, uint32_t input, spa_shape shape,
                              size_t offset)
{
    if (is_param) {
        d->attrs.param_shape = shape;
        d->param_offset[0] = offset;
        return NULL;
    }
    if (d->n_in == SPA_PART_INPUTS) return "a part of it would read more than 4 tensors";
    d->in[d->n_in] = shape;
    d->input[d->n_in] = input;
    d->in_offset[d->n_in++] = offset;
    return NULL;
}

/* The pieces of the members that slices begin .. end-1 of the joined dimension come from, or of
 * all members where the dimensions before it are cut. */
static const char *add_members(const spa_part_subject *s, spa_part_draft *d, size_t outer,
                               size_t inner)
{
    const spa_op *op = s->op;
    const spa_shape *param = &op->attrs.param_shape;
    size_t n_params = param->rank > 0 ? 1 : 0, before = 0;
    for (size_t k = 0; k < n_params + op->n_inputs; k++) {
        bool is_param = k < n_params;
        uint32_t input = (uint32_t)(k - n_params);
        const spa_shape *own = is_param ? param : spa_graph_input_shape(s->graph, op, input);
        size_t n = (size_t)own->dim[op->attrs.axis], after = before + n;
        const char *reason = NULL;
        if (outer > 1) {
            bool repeats = is_param && spa_shape_product(own, 0, op->attrs.axis) == 1;
            reason = add_member(d, is_param, input, shape3(repeats ? 1 : length(s), n, inner),
                                repeats ? 0 : s->begin * n * inner);
        } else if (before < s->end && after > s->begin) {
            size_t from = s->begin > before ? s->begin - before : 0;
            size_t to = s->end < after ? s->end - before : n;
            reason = add_member(d, is_param, input, shape3(1, to - from, inner), from * inner);
        }
        if (reason != NULL) return reason;
        before = after;
    }
    return NULL;
}

static const char *concat(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    const spa_op *op = s->op;
    const spa_shape *param = &op->attrs.param_shape;
    int32_t axis = op->attrs.axis;
    size_t outer = spa_shape_product(&op->out, 0, axis), n = (size_t)op->out.dim[axis];
    size_t inner = spa_shape_product(&op->out, axis + 1, op->out.rank);
    if (param->rank > 0) {
        size_t lead = spa_shape_product(param, 0, axis);
        if (spa_shape_product(param, axis + 1, param->rank) != inner ||
            (lead != 1 && lead != outer))
            return "its parameter is repeated inside a piece";
    }
    *cut = (spa_cut){outer > 1 ? "rows" : "slices", outer > 1 ? outer : n, 1};
    if (d == NULL) return NULL;
    d->n_in = 0;
    d->attrs.axis = 1;
    d->attrs.param_shape = (spa_shape){0};
    d->out = shape3(outer, n, inner);
    d->out_offset = keep(s, &d->out, outer > 1 ? 0 : 1);
    const char *reason = add_members(s, d, outer, inner);
    if (d->attrs.param_shape.rank == 0) d->attrs.param_learned = false;
    return reason == NULL && d->n_in == 0 ? "a part of it would hold its parameter only" : reason;
}

/* The input stays whole: a part begins later in it. */
static const char *slice(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    int32_t axis = first_long(&s->op->out);
    *cut = (spa_cut){"rows", (size_t)s->op->out.dim[axis], 1};
    if (d == NULL) return NULL;
    d->attrs.begin[axis] += (int32_t)(s->begin * spa_dim_or_1(d->attrs.step[axis]));
    d->out_offset = keep(s, &d->out, axis);
    return NULL;
}

static const char *pad(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    int32_t axis = first_long(&s->op->out);
    *cut = (spa_cut){"rows", (size_t)s->op->out.dim[axis], 1};
    if (d == NULL) return NULL;
    size_t before = (size_t)s->op->attrs.begin[axis], end = before + (size_t)d->in[0].dim[axis];
    size_t from = s->begin > before ? s->begin : before, to = s->end < end ? s->end : end;
    if (from >= to) return "a part of it would be padding only";
    d->attrs.begin[axis] = (int32_t)(from - s->begin);
    d->in[0].dim[axis] = (int32_t)(to - from);
    d->in_offset[0] = (from - before) * spa_shape_product(&d->in[0], axis + 1, d->in[0].rank);
    d->out_offset = keep(s, &d->out, axis);
    return NULL;
}

static const char *roll(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    int32_t axis = first_long(&s->op->out);
    if (s->op->attrs.begin[axis] != 0) return "it shifts along the dimension that would be cut";
    *cut = (spa_cut){"rows", (size_t)s->op->out.dim[axis], 1};
    if (d == NULL) return NULL;
    d->in_offset[0] = keep(s, &d->in[0], axis);
    d->out_offset = keep(s, &d->out, axis);
    return NULL;
}

static const char *transpose(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    int32_t axis = first_long(&s->op->out), from = s->op->attrs.perm[axis];
    if (spa_shape_product(first_input(s), 0, from) != 1)
        return "pieces of its output are scattered over its input";
    *cut = (spa_cut){"rows", (size_t)s->op->out.dim[axis], 1};
    if (d == NULL) return NULL;
    d->in_offset[0] = keep(s, &d->in[0], from);
    d->out_offset = keep(s, &d->out, axis);
    return NULL;
}

/* ---- the table ----------------------------------------------------------------------------------
 */

static const char *reshape(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    return "it costs nothing";
}

static const char *gather(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    return "pieces of its output are scattered over its table";
}

static const char *opaque(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    return "nothing is known of what it does";
}

static const char *generic(const spa_part_subject *s, spa_cut *cut, spa_part_draft *d)
{
    return "no parts are built of generic kinds";
}

static describe_fn *const describe[SPA_OP_KIND_COUNT] = {
    [SPA_OP_CONV] = conv,           [SPA_OP_LINEAR] = linear,
    [SPA_OP_MATMUL] = matmul,       [SPA_OP_BATCH_NORM] = batch_norm,
    [SPA_OP_LAYER_NORM] = rows,     [SPA_OP_RELU] = elements,
    [SPA_OP_RELU6] = elements,      [SPA_OP_LEAKY_RELU] = elements,
    [SPA_OP_HARD_SWISH] = elements, [SPA_OP_HARD_SIGMOID] = elements,
    [SPA_OP_SIGMOID] = elements,    [SPA_OP_GELU] = elements,
    [SPA_OP_SOFTMAX] = rows,        [SPA_OP_MAX_POOL] = planes,
    [SPA_OP_AVG_POOL] = planes,     [SPA_OP_GLOBAL_AVG_POOL] = planes,
    [SPA_OP_MEAN] = mean,           [SPA_OP_ADD] = binary,
    [SPA_OP_MUL] = binary,          [SPA_OP_CONCAT] = concat,
    [SPA_OP_SLICE] = slice,         [SPA_OP_PAD] = pad,
    [SPA_OP_ROLL] = roll,           [SPA_OP_RESHAPE] = reshape,
    [SPA_OP_TRANSPOSE] = transpose, [SPA_OP_GATHER] = gather,
    [SPA_OP_UPSAMPLE] = planes,     [SPA_OP_HOST] = opaque,
    [SPA_OP_OTHER] = opaque,        [SPA_OP_MATH] = generic,
    [SPA_OP_BINARY] = generic,      [SPA_OP_REDUCE] = generic,
    [SPA_OP_TAKE] = generic,        [SPA_OP_EMBED] = generic,
    [SPA_OP_EXPAND] = generic,      [SPA_OP_WHERE] = generic,
    [SPA_OP_CONSTANT] = generic,
};

const char *spa_part_describe(const spa_part_subject *s, spa_cut *cut, spa_part_draft *draft)
{
    return describe[s->op->kind](s, cut, draft);
}
