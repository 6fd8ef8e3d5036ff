/* The generic kinds (math, binary, reduce, take, embed, expand, where, constant), which imported
 * models need: one implementation, used by `ref` and by every backend that has nothing faster. */
#include <math.h>
#include <string.h>

#include "kernels/dims.h"
#include "kernels/ref.h"

/* ---- elementwise functions ------------------------------------------------------------------- */

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* Functions with parameters a and b; the others are in math_plain. */
static double math_with(spa_fn fn, double a, double b, double x)
{
    switch (fn) {
    case SPA_FN_CELU:
        return fmax(0, x) + fmin(0, a * expm1(x / a));
    case SPA_FN_CLIP: /* NaN stays */
        x = x < a ? a : x;
        return x > b ? b : x;
    case SPA_FN_ELU:
        return x > 0 ? x : a * expm1(x);
    case SPA_FN_HARD_SIGMOID_AB:
        return fmax(0, fmin(1, a * x + b));
    case SPA_FN_IS_INF:
        return isinf(x) && (x > 0 ? a != 0 : b != 0);
    case SPA_FN_SELU:
        return x > 0 ? b * x : b * (a * exp(x) - a);
    case SPA_FN_SHRINK:
        return x < -b ? x + a : x > b ? x - a : 0;
    case SPA_FN_THRESHOLDED_RELU:
        return x > a ? x : 0;
    default:
        return NAN;
    }
}

static double math_plain(spa_fn fn, double x)
{
    switch (fn) {
    case SPA_FN_ABS:
        return fabs(x);
    case SPA_FN_CEIL:
        return ceil(x);
    case SPA_FN_ERF:
        return erf(x);
    case SPA_FN_EXP:
        return exp(x);
    case SPA_FN_FLOOR:
        return floor(x);
    case SPA_FN_GELU_TANH: /* Hendrycks and Gimpel 2016, the approximation */
        return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
    case SPA_FN_IS_NAN:
        return isnan(x);
    case SPA_FN_LOG:
        return log(x);
    case SPA_FN_MISH: /* Misra 2019 */
        return x * tanh(softplus(x));
    case SPA_FN_NEG:
        return -x;
    case SPA_FN_NON_ZERO:
        return x != 0;
    case SPA_FN_NOT:
        return x == 0;
    case SPA_FN_RECIPROCAL:
        return 1 / x;
    case SPA_FN_ROUND: /* the default rounding mode: halves to even */
        return nearbyint(x);
    case SPA_FN_SIGN:
        return x > 0 ? 1 : x < 0 ? -1 : x;
    case SPA_FN_SOFTPLUS:
        return softplus(x);
    case SPA_FN_SOFTSIGN:
        return x / (1 + fabs(x));
    case SPA_FN_SQRT:
        return sqrt(x);
    case SPA_FN_TANH:
        return tanh(x);
    case SPA_FN_TRUNC:
        return trunc(x);
    default:
        return NAN;
    }
}

static double math_trigonometry(spa_fn fn, double x)
{
    switch (fn) {
    case SPA_FN_ACOS:
        return acos(x);
    case SPA_FN_ACOSH:
        return acosh(x);
    case SPA_FN_ASIN:
        return asin(x);
    case SPA_FN_ASINH:
        return asinh(x);
    case SPA_FN_ATAN:
        return atan(x);
    case SPA_FN_ATANH:
        return atanh(x);
    case SPA_FN_COS:
        return cos(x);
    case SPA_FN_COSH:
        return cosh(x);
    case SPA_FN_SIN:
        return sin(x);
    case SPA_FN_SINH:
        return sinh(x);
    case SPA_FN_TAN:
        return tan(x);
    default:
        return math_plain(fn, x);
    }
}

double spa_ref_math(spa_fn fn, double a, double b, double x)
{
    switch (fn) {
    case SPA_FN_CELU:
    case SPA_FN_CLIP:
    case SPA_FN_ELU:
    case SPA_FN_HARD_SIGMOID_AB:
    case SPA_FN_IS_INF:
    case SPA_FN_SELU:
    case SPA_FN_SHRINK:
    case SPA_FN_THRESHOLDED_RELU:
        return math_with(fn, a, b, x);
    default:
        return math_trigonometry(fn, x);
    }
}

static double modulo(double x, double y)
{
    double m = fmod(x, y);
    return m != 0 && (m < 0) != (y < 0) ? m + y : m;
}

static double compare(spa_fn fn, double x, double y)
{
    switch (fn) {
    case SPA_FN_EQUAL:
        return x == y;
    case SPA_FN_GREATER:
        return x > y;
    case SPA_FN_GREATER_EQUAL:
        return x >= y;
    case SPA_FN_LESS:
        return x < y;
    case SPA_FN_LESS_EQUAL:
        return x <= y;
    case SPA_FN_AND:
        return x != 0 && y != 0;
    case SPA_FN_OR:
        return x != 0 || y != 0;
    case SPA_FN_XOR:
        return (x != 0) != (y != 0);
    default:
        return NAN;
    }
}

double spa_ref_binary_fn(spa_fn fn, double a, double x, double y)
{
    switch (fn) {
    case SPA_FN_SUB:
        return x - y;
    case SPA_FN_RSUB:
        return y - x;
    case SPA_FN_DIV:
        return x / y;
    case SPA_FN_RDIV:
        return y / x;
    case SPA_FN_INT_DIV:
        return trunc(x / y);
    case SPA_FN_RINT_DIV:
        return trunc(y / x);
    case SPA_FN_POW:
        return pow(x, y);
    case SPA_FN_RPOW:
        return pow(y, x);
    case SPA_FN_MOD:
        return modulo(x, y);
    case SPA_FN_RMOD:
        return modulo(y, x);
    case SPA_FN_FMOD:
        return fmod(x, y);
    case SPA_FN_RFMOD:
        return fmod(y, x);
    case SPA_FN_MIN:
        return x < y || isnan(x) ? x : y;
    case SPA_FN_MAX:
        return x > y || isnan(x) ? x : y;
    case SPA_FN_PRELU:
        return x < 0 ? y * x : x;
    case SPA_FN_LRN: /* Krizhevsky et al. 2012, section 3.3: y is k + alpha / n * sum of squares */
        return x / pow(y, a);
    default:
        return compare(fn, x, y);
    }
}

static void math(const spa_kernel_args *args)
{
    const spa_op_attrs *a = &args->op->attrs;
    size_t n = spa_shape_count(&args->op->out);
    for (size_t i = 0; i < n; i++)
        args->output[i] = (float)spa_ref_math(a->fn, a->alpha, a->beta, args->inputs[0][i]);
}

/* ---- walking over a tensor with operands that broadcast to it ---------------------------------
 */

typedef struct walk {
    const spa_shape *out;
    size_t n_operands;
    size_t stride[3][SPA_MAX_RANK], offset[3], at[SPA_MAX_RANK];
} walk;

static void walk_add(walk *w, const spa_shape *operand)
{
    spa_shape_broadcast(operand, w->out, w->stride[w->n_operands++]);
}

static void walk_step(walk *w)
{
    for (int32_t d = w->out->rank - 1; d >= 0; d--) {
        for (size_t k = 0; k < w->n_operands; k++) w->offset[k] += w->stride[k][d];
        if (++w->at[d] < (size_t)w->out->dim[d]) return;
        for (size_t k = 0; k < w->n_operands; k++)
            w->offset[k] -= w->stride[k][d] * (size_t)w->out->dim[d];
        w->at[d] = 0;
    }
}

/* A row of the commonest functions; each operand advances by its step, 0 or 1. Rounding once from
 * single precision gives what rounding from double gives (53 >= 2 * 24 + 2 bits; Figueroa 1995).
 * False: another function. */
static bool binary_row(spa_fn fn, const float *x, size_t xs, const float *y, size_t ys, float *out,
                       size_t n)
{
    switch (fn) {
    case SPA_FN_SUB:
        for (size_t i = 0; i < n; i++) out[i] = x[i * xs] - y[i * ys];
        return true;
    case SPA_FN_RSUB:
        for (size_t i = 0; i < n; i++) out[i] = y[i * ys] - x[i * xs];
        return true;
    case SPA_FN_DIV:
        for (size_t i = 0; i < n; i++) out[i] = x[i * xs] / y[i * ys];
        return true;
    case SPA_FN_RDIV:
        for (size_t i = 0; i < n; i++) out[i] = y[i * ys] / x[i * xs];
        return true;
    default:
        return false;
    }
}

/* Rows along the last dimension; false where the function or a layout is another one. */
static bool binary_rows(const spa_kernel_args *args, const walk *whole, const float *x,
                        const float *y)
{
    spa_shape rows = args->op->out;
    int32_t last = rows.rank - 1;
    size_t n = (size_t)rows.dim[last], xs = whole->stride[0][last], ys = whole->stride[1][last];
    spa_fn fn = args->op->attrs.fn;
    if (xs > 1 || ys > 1) return false;
    rows.dim[last] = 1;
    walk w = *whole;
    w.out = &rows;
    size_t count = spa_shape_count(&rows);
    for (size_t i = 0; i < count; i++, walk_step(&w))
        if (!binary_row(fn, x + w.offset[0], xs, y + w.offset[1], ys, args->output + i * n, n))
            return false;
    return true;
}

static void binary(const spa_kernel_args *args)
{
    const spa_op *op = args->op;
    walk w = {.out = &op->out};
    const float *x = args->inputs[0];
    const float *y = op->n_inputs > 1 ? args->inputs[1] : args->params[0];
    walk_add(&w, spa_graph_input_shape(args->graph, op, 0));
    walk_add(&w, spa_op_second_shape(args->graph, op));
    if (binary_rows(args, &w, x, y)) return;
    size_t n = spa_shape_count(&op->out);
    for (size_t i = 0; i < n; i++, walk_step(&w))
        args->output[i] =
            (float)spa_ref_binary_fn(op->attrs.fn, op->attrs.alpha, x[w.offset[0]], y[w.offset[1]]);
}

static void where(const spa_kernel_args *args)
{
    walk w = {.out = &args->op->out};
    for (size_t k = 0; k < 3; k++) walk_add(&w, spa_graph_input_shape(args->graph, args->op, k));
    size_t n = spa_shape_count(&args->op->out);
    for (size_t i = 0; i < n; i++, walk_step(&w)) {
        size_t from = args->inputs[0][w.offset[0]] != 0 ? 1 : 2;
        args->output[i] = args->inputs[from][w.offset[from]];
    }
}

static void expand(const spa_kernel_args *args)
{
    walk w = {.out = &args->op->out};
    walk_add(&w, spa_graph_input_shape(args->graph, args->op, 0));
    size_t n = spa_shape_count(&args->op->out);
    for (size_t i = 0; i < n; i++, walk_step(&w)) args->output[i] = args->inputs[0][w.offset[0]];
}

/* ---- reductions -------------------------------------------------------------------------------
 */

/* What one element adds to the state of its output: a sum, or the best value and where it was. */
typedef struct reduction {
    double value;
    double index, n;
} reduction;

static void reduce_best(spa_fn fn, reduction *r, double x)
{
    bool largest = fn == SPA_FN_ARG_MAX || fn == SPA_FN_ARG_MAX_LAST || fn == SPA_FN_LARGEST;
    bool last = fn == SPA_FN_ARG_MAX_LAST || fn == SPA_FN_ARG_MIN_LAST;
    bool better = largest ? x > r->value : x < r->value;
    if (r->n == 0 || better || isnan(x) || (last && x == r->value)) {
        r->value = x;
        r->index = r->n;
    }
}

static void reduce_add(spa_fn fn, reduction *r, double x, double largest)
{
    switch (fn) {
    case SPA_FN_PRODUCT:
        r->value = r->n == 0 ? x : r->value * x;
        break;
    case SPA_FN_L1:
        r->value += fabs(x);
        break;
    case SPA_FN_L2:
    case SPA_FN_SUM_SQUARE:
        r->value += x * x;
        break;
    case SPA_FN_LOG_SUM_EXP:
        r->value += exp(x - largest);
        break;
    case SPA_FN_SUM:
    case SPA_FN_AVERAGE:
    case SPA_FN_LOG_SUM:
        r->value += x;
        break;
    default:
        reduce_best(fn, r, x);
    }
    r->n++;
}

static double reduce_end(spa_fn fn, const reduction *r, double largest)
{
    switch (fn) {
    case SPA_FN_AVERAGE:
        return r->value / r->n;
    case SPA_FN_L2:
        return sqrt(r->value);
    case SPA_FN_LOG_SUM:
        return log(r->value);
    case SPA_FN_LOG_SUM_EXP:
        return largest + log(r->value);
    case SPA_FN_ARG_MAX:
    case SPA_FN_ARG_MIN:
    case SPA_FN_ARG_MAX_LAST:
    case SPA_FN_ARG_MIN_LAST:
        return r->index;
    default:
        return r->value;
    }
}

/* One output element: `inner` holds the dimensions that go away. */
static double reduce_one(spa_fn fn, const float *x, const spa_shape *inner,
                         const size_t strides[SPA_MAX_RANK])
{
    double largest = 0;
    size_t n = spa_shape_count(inner);
    bool two_passes = fn == SPA_FN_LOG_SUM_EXP;
    reduction r = {0};
    for (int pass = two_passes ? 0 : 1; pass < 2; pass++) {
        walk w = {.out = inner, .n_operands = 1};
        memcpy(w.stride[0], strides, sizeof w.stride[0]);
        r = (reduction){0};
        for (size_t i = 0; i < n; i++, walk_step(&w))
            reduce_add(pass == 0 ? SPA_FN_LARGEST : fn, &r, x[w.offset[0]], largest);
        if (pass == 0) largest = isfinite(r.value) ? r.value : 0;
    }
    return reduce_end(fn, &r, largest);
}

static void reduce(const spa_kernel_args *args)
{
    const spa_op *op = args->op;
    const spa_shape *in = spa_graph_input_shape(args->graph, op, 0);
    spa_shape inner = *in;
    size_t strides[SPA_MAX_RANK];
    spa_shape_strides(in, strides);
    walk w = {.out = &op->out, .n_operands = 1};
    for (int32_t d = 0; d < in->rank; d++) {
        w.stride[0][d] = strides[d];
        if (op->out.dim[d] == in->dim[d]) inner.dim[d] = 1;
    }
    size_t n = spa_shape_count(&op->out);
    for (size_t i = 0; i < n; i++, walk_step(&w))
        args->output[i] =
            (float)reduce_one(op->attrs.fn, args->inputs[0] + w.offset[0], &inner, strides);
}

/* ---- indices ----------------------------------------------------------------------------------
 */

/* Indices from the end are negative; what is outside gives NaN, which nothing hides. */
static int64_t index_of(float value, int64_t n)
{
    int64_t i = value >= -(float)SPA_MAX_DIM && value <= (float)SPA_MAX_DIM ? (int64_t)value : n;
    return i < 0 ? i + n : i;
}

static void take_block(float *out, const float *from, int64_t i, int64_t n, size_t block)
{
    if (i >= 0 && i < n) {
        memcpy(out, from + (size_t)i * block, block * sizeof *out);
        return;
    }
    for (size_t k = 0; k < block; k++) out[k] = NAN;
}

static void take(const spa_kernel_args *args)
{
    const spa_op *op = args->op;
    const spa_shape *in = spa_graph_input_shape(args->graph, op, 0);
    const float *at = op->n_inputs > 1 ? args->inputs[1] : args->params[0];
    size_t n_at = spa_shape_count(spa_op_second_shape(args->graph, op));
    int32_t axis = op->attrs.axis;
    size_t outer = spa_shape_product(in, 0, axis), n = (size_t)in->dim[axis];
    size_t block = spa_shape_product(in, axis + 1, in->rank);
    float *out = args->output;
    for (size_t o = 0; o < outer; o++)
        for (size_t k = 0; k < n_at; k++, out += block)
            take_block(out, args->inputs[0] + o * n * block, index_of(at[k], (int64_t)n),
                       (int64_t)n, block);
}

static void embed(const spa_kernel_args *args)
{
    const spa_shape *table = &args->op->attrs.param_shape;
    size_t n_at = spa_shape_count(spa_graph_input_shape(args->graph, args->op, 0));
    size_t block = spa_shape_product(table, 1, table->rank);
    for (size_t k = 0; k < n_at; k++)
        take_block(args->output + k * block, args->params[0],
                   index_of(args->inputs[0][k], table->dim[0]), table->dim[0], block);
}

bool spa_ref_is_generic(spa_op_kind kind)
{
    return kind >= SPA_OP_MATH && kind <= SPA_OP_CONSTANT;
}

void spa_ref_generic(const spa_kernel_args *args)
{
    switch (args->op->kind) {
    case SPA_OP_MATH:
        math(args);
        break;
    case SPA_OP_BINARY:
        binary(args);
        break;
    case SPA_OP_REDUCE:
        reduce(args);
        break;
    case SPA_OP_TAKE:
        take(args);
        break;
    case SPA_OP_EMBED:
        embed(args);
        break;
    case SPA_OP_EXPAND:
        expand(args);
        break;
    case SPA_OP_WHERE:
        where(args);
        break;
    default: /* constant */
        memcpy(args->output, args->params[0], spa_shape_count(&args->op->out) * sizeof(float));
    }
}
