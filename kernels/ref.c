/* The reference backend: naive, readable, accumulating in double. What it computes is the
 * definition; the other backends are tested against it. */
#include "kernels/ref.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/dims.h"

double spa_ref_unary(spa_op_kind kind, double alpha, double x)
{
    switch (kind) {
    case SPA_OP_RELU:
        return x < 0 ? 0 : x;
    case SPA_OP_RELU6:
        return x < 0 ? 0 : x > 6 ? 6 : x;
    case SPA_OP_LEAKY_RELU:
        return x < 0 ? alpha * x : x;
    case SPA_OP_HARD_SIGMOID:
        return spa_ref_unary(SPA_OP_RELU6, 0, x + 3) / 6;
    case SPA_OP_HARD_SWISH:
        return x * spa_ref_unary(SPA_OP_RELU6, 0, x + 3) / 6;
    case SPA_OP_SIGMOID:
        return 1 / (1 + exp(-x));
    case SPA_OP_GELU:
        return 0.5 * x * (1 + erf(x / sqrt(2.0)));
    default:
        return NAN;
    }
}

static void unary(const spa_kernel_args *args)
{
    const spa_op *op = args->op;
    size_t n = spa_shape_count(&op->out);
    for (size_t i = 0; i < n; i++)
        args->output[i] = (float)spa_ref_unary(op->kind, op->attrs.alpha, args->inputs[0][i]);
}

/* One output element of a convolution, without its bias. x: one image [C,H,W]. */
static double conv_at(const spa_window *d, const float *x, const float *weight, size_t m, size_t oy,
                      size_t ox)
{
    size_t c_group = d->c / d->groups, c_first = m / (d->m / d->groups) * c_group;
    double sum = 0;
    for (size_t c = 0; c < c_group; c++) {
        for (size_t ky = 0; ky < d->kh; ky++) {
            size_t y = oy * d->sh + ky * d->dh; /* in the padded image */
            if (y < d->pt || y - d->pt >= d->h) continue;
            for (size_t kx = 0; kx < d->kw; kx++) {
                size_t xx = ox * d->sw + kx * d->dw;
                if (xx < d->pl || xx - d->pl >= d->w) continue;
                sum += (double)x[((c_first + c) * d->h + y - d->pt) * d->w + xx - d->pl] *
                       weight[((m * c_group + c) * d->kh + ky) * d->kw + kx];
            }
        }
    }
    return sum;
}

static void conv(const spa_kernel_args *args)
{
    spa_window d = spa_op_window(args->graph, args->op);
    const float *weight = args->params[0];
    const float *bias = args->op->attrs.has_bias ? args->params[1] : NULL;
    float *out = args->output;
    for (size_t n = 0; n < d.n; n++) {
        const float *x = args->inputs[0] + n * d.c * d.h * d.w;
        for (size_t m = 0; m < d.m; m++)
            for (size_t oy = 0; oy < d.oh; oy++)
                for (size_t ox = 0; ox < d.ow; ox++)
                    *out++ =
                        (float)(conv_at(&d, x, weight, m, oy, ox) + (bias != NULL ? bias[m] : 0));
    }
}

static void linear(const spa_kernel_args *args)
{
    const spa_op *op = args->op;
    size_t k = spa_shape_last(spa_graph_input_shape(args->graph, op, 0));
    size_t m = spa_shape_last(&op->out), rows = spa_shape_count(&op->out) / m;
    const float *bias = op->attrs.has_bias ? args->params[1] : NULL;
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < m; j++) {
            double sum = bias != NULL ? bias[j] : 0;
            for (size_t i = 0; i < k; i++)
                sum += (double)args->inputs[0][r * k + i] * args->params[0][j * k + i];
            args->output[r * m + j] = (float)sum;
        }
    }
}

static void matmul(const spa_kernel_args *args)
{
    spa_matmul_dims d = spa_op_matmul_dims(args->graph, args->op);
    float *out = args->output;
    for (size_t batch = 0; batch < d.batch; batch++) {
        const float *a = args->inputs[0] + batch * d.a_step;
        const float *b = args->inputs[1] + batch * d.b_step;
        for (size_t i = 0; i < d.m; i++) {
            for (size_t j = 0; j < d.n; j++) {
                double sum = 0;
                for (size_t k = 0; k < d.k; k++)
                    sum +=
                        (double)a[i * d.k + k] * (d.transpose_b ? b[j * d.k + k] : b[k * d.n + j]);
                *out++ = (float)sum;
            }
        }
    }
}

static void batch_norm(const spa_kernel_args *args)
{
    const spa_shape *in = spa_graph_input_shape(args->graph, args->op, 0);
    size_t c_count = (size_t)in->dim[1], inner = spa_shape_product(in, 2, in->rank);
    size_t n_count = (size_t)in->dim[0], i = 0;
    const float *const *p = args->params;
    for (size_t n = 0; n < n_count; n++) {
        for (size_t c = 0; c < c_count; c++) {
            double deviation = sqrt(p[3][c] + SPA_NORM_EPSILON);
            for (size_t j = 0; j < inner; j++, i++)
                args->output[i] =
                    (float)((args->inputs[0][i] - (double)p[2][c]) / deviation * p[0][c] + p[1][c]);
        }
    }
}

static void layer_norm(const spa_kernel_args *args)
{
    size_t n = spa_shape_last(&args->op->out), rows = spa_shape_count(&args->op->out) / n;
    for (size_t r = 0; r < rows; r++) {
        const float *x = args->inputs[0] + r * n;
        double mean = 0, variance = 0;
        for (size_t i = 0; i < n; i++) mean += x[i];
        mean /= (double)n;
        for (size_t i = 0; i < n; i++) variance += (x[i] - mean) * (x[i] - mean);
        double deviation = sqrt(variance / (double)n + spa_op_epsilon(args->op));
        for (size_t i = 0; i < n; i++)
            args->output[r * n + i] =
                (float)((x[i] - mean) / deviation * args->params[0][i] + args->params[1][i]);
    }
}

static void softmax(const spa_kernel_args *args)
{
    size_t n = spa_shape_last(&args->op->out), rows = spa_shape_count(&args->op->out) / n;
    for (size_t r = 0; r < rows; r++) {
        const float *x = args->inputs[0] + r * n;
        double largest = x[0], sum = 0;
        for (size_t i = 1; i < n; i++)
            if (x[i] > largest) largest = x[i];
        for (size_t i = 0; i < n; i++) sum += exp(x[i] - largest);
        for (size_t i = 0; i < n; i++) args->output[r * n + i] = (float)(exp(x[i] - largest) / sum);
    }
}

typedef void (*kernel)(const spa_kernel_args *args);

static const kernel kernels[SPA_OP_KIND_COUNT] = {
    [SPA_OP_CONV] = conv,
    [SPA_OP_LINEAR] = linear,
    [SPA_OP_MATMUL] = matmul,
    [SPA_OP_BATCH_NORM] = batch_norm,
    [SPA_OP_LAYER_NORM] = layer_norm,
    [SPA_OP_RELU] = unary,
    [SPA_OP_RELU6] = unary,
    [SPA_OP_LEAKY_RELU] = unary,
    [SPA_OP_HARD_SWISH] = unary,
    [SPA_OP_HARD_SIGMOID] = unary,
    [SPA_OP_SIGMOID] = unary,
    [SPA_OP_GELU] = unary,
    [SPA_OP_SOFTMAX] = softmax,
    [SPA_OP_MAX_POOL] = spa_ref_pool,
    [SPA_OP_AVG_POOL] = spa_ref_pool,
    [SPA_OP_GLOBAL_AVG_POOL] = spa_ref_global_avg_pool,
    [SPA_OP_MEAN] = spa_ref_mean,
    [SPA_OP_ADD] = spa_ref_binary,
    [SPA_OP_MUL] = spa_ref_binary,
    [SPA_OP_CONCAT] = spa_ref_concat,
    [SPA_OP_SLICE] = spa_ref_move,
    [SPA_OP_PAD] = spa_ref_move,
    [SPA_OP_ROLL] = spa_ref_move,
    [SPA_OP_RESHAPE] = spa_ref_reshape,
    [SPA_OP_TRANSPOSE] = spa_ref_move,
    [SPA_OP_GATHER] = spa_ref_gather,
    [SPA_OP_UPSAMPLE] = spa_ref_move,
    [SPA_OP_HOST] = NULL,
    [SPA_OP_OTHER] = NULL,
    [SPA_OP_MATH] = spa_ref_generic,
    [SPA_OP_BINARY] = spa_ref_generic,
    [SPA_OP_REDUCE] = spa_ref_generic,
    [SPA_OP_TAKE] = spa_ref_generic,
    [SPA_OP_EMBED] = spa_ref_generic,
    [SPA_OP_EXPAND] = spa_ref_generic,
    [SPA_OP_WHERE] = spa_ref_generic,
    [SPA_OP_CONSTANT] = spa_ref_generic,
};

static spa_status probe(spa_error *err)
{
    return SPA_OK;
}

static bool supports(const spa_graph *graph, const spa_op *op)
{
    return kernels[op->kind] != NULL;
}

static spa_status prepare(const spa_graph *graph, const spa_op *op, const float *const *params,
                          void **state, spa_error *err)
{
    *state = NULL;
    return SPA_OK;
}

static void release(void *state) {}

static size_t workspace_bytes(const spa_graph *graph, const spa_op *op)
{
    return 0;
}

static spa_status run(const spa_kernel_args *args, spa_error *err)
{
    kernel k = kernels[args->op->kind];
    if (k == NULL)
        return spa_fail(err, SPA_E_UNSUPPORTED, "operator '%s' (%s) has no kernel in 'ref'",
                        args->op->name, spa_op_kind_name(args->op->kind));
    k(args);
    return SPA_OK;
}

static void describe(char *text, size_t size)
{
    snprintf(text, size, "ref (C, double accumulation)");
}

const spa_backend spa_backend_ref = {
    .name = "ref",
    .summary = "naive loops that accumulate in double: the specification",
    .probe = probe,
    .supports = supports,
    .prepare = prepare,
    .release = release,
    .workspace_bytes = workspace_bytes,
    .run = run,
    .describe = describe,
};
