/* The dense backend: matrix products by OpenBLAS on one thread; convolutions by im2col in pieces
 * that stay in the cache (1x1 ones need none); everything else in vectorised loops. */
#include "kernels/blas.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dims.h"
#include "kernels/ref.h"

/* Bytes of one piece of im2col, at most (but at least one output row). Large enough that packing
 * the weights again for each piece is cheap, small enough for a second-level cache. */
#define IM2COL_BYTES ((size_t)1 << 20)

/* ---- convolution --------------------------------------------------------------------------------
 */

static size_t im2col_rows(const spa_window *d)
{
    size_t row = d->c / d->groups * d->kh * d->kw * d->ow * sizeof(float);
    size_t rows = IM2COL_BYTES / row;
    return rows < 1 ? 1 : rows > d->oh ? d->oh : rows;
}

/* One row of columns: kernel position (ky, kx) over output rows oy0 .. oy0+rows-1 of a channel. */
static void im2col_row(const spa_window *d, const float *x, size_t ky, size_t kx, size_t oy0,
                       size_t rows, float *column)
{
    size_t shift = kx * d->dw; /* column of the padded image */
    size_t first = shift >= d->pl ? 0 : (d->pl - shift + d->sw - 1) / d->sw;
    size_t limit = d->w + d->pl; /* first column behind the image */
    size_t end = shift >= limit ? 0 : (limit - shift + d->sw - 1) / d->sw;
    if (end > d->ow) end = d->ow;
    if (first > end) first = end;
    for (size_t r = 0; r < rows; r++, column += d->ow) {
        size_t y = (oy0 + r) * d->sh + ky * d->dh;
        if (y < d->pt || y - d->pt >= d->h || first == end) {
            memset(column, 0, d->ow * sizeof(float));
            continue;
        }
        const float *row = x + (y - d->pt) * d->w + (first * d->sw + shift - d->pl);
        memset(column, 0, first * sizeof(float));
        if (d->sw == 1)
            memcpy(column + first, row, (end - first) * sizeof(float));
        else
            for (size_t i = first; i < end; i++) column[i] = row[(i - first) * d->sw];
        memset(column + end, 0, (d->ow - end) * sizeof(float));
    }
}

static void fill_bias(const float *bias, size_t m, size_t area, float *y)
{
    for (size_t i = 0; i < m; i++)
        for (size_t k = 0; k < area; k++) y[i * area + k] = bias[i];
}

static void gemm(bool transpose_b, size_t m, size_t n, size_t k, const float *a, const float *b,
                 size_t ldb, float beta, float *c, size_t ldc)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, transpose_b ? CblasTrans : CblasNoTrans, (blasint)m,
                (blasint)n, (blasint)k, 1.0f, a, (blasint)k, b, (blasint)ldb, beta, c,
                (blasint)ldc);
}

static void gemv(size_t m, size_t k, const float *a, const float *x, float beta, float *y)
{
    cblas_sgemv(CblasRowMajor, CblasNoTrans, (blasint)m, (blasint)k, 1.0f, a, (blasint)k, x, 1,
                beta, y, 1);
}

/* One group of one image: x [K/.., H, W], weight [m, K], y [m, oh, ow]. */
static void conv_group(const spa_window *d, const float *x, const float *weight, float beta,
                       float *columns, float *y)
{
    size_t c_count = d->c / d->groups, m = d->m / d->groups;
    size_t k = c_count * d->kh * d->kw, area = d->oh * d->ow;
    if (spa_window_is_pointwise(d)) {
        if (area == 1)
            gemv(m, k, weight, x, beta, y);
        else
            gemm(false, m, area, k, weight, x, area, beta, y, area);
        return;
    }
    size_t step = im2col_rows(d);
    for (size_t oy = 0; oy < d->oh; oy += step) {
        size_t rows = d->oh - oy < step ? d->oh - oy : step, width = rows * d->ow;
        float *column = columns;
        for (size_t c = 0; c < c_count; c++)
            for (size_t ky = 0; ky < d->kh; ky++)
                for (size_t kx = 0; kx < d->kw; kx++, column += width)
                    im2col_row(d, x + c * d->h * d->w, ky, kx, oy, rows, column);
        gemm(false, m, width, k, weight, columns, width, beta, y + oy * d->ow, area);
    }
}

static void conv(const spa_kernel_args *args, const spa_vector *v)
{
    spa_window d = spa_op_window(args->graph, args->op);
    if (d.groups > 1 && d.groups == d.c) {
        spa_blas_depthwise(args, v);
        return;
    }
    bool has_bias = args->op->attrs.has_bias;
    size_t x_step = d.c / d.groups * d.h * d.w, y_step = d.m / d.groups * d.oh * d.ow;
    size_t weight_step = d.m / d.groups * (d.c / d.groups) * d.kh * d.kw;
    for (size_t n = 0; n < d.n; n++) {
        float *y = args->output + n * d.groups * y_step;
        if (has_bias) fill_bias(args->params[1], d.m, d.oh * d.ow, y);
        for (size_t g = 0; g < d.groups; g++)
            conv_group(&d, args->inputs[0] + (n * d.groups + g) * x_step,
                       args->params[0] + g * weight_step, has_bias ? 1 : 0, args->workspace,
                       y + g * y_step);
    }
}

/* ---- matrix products ------------------------------------------------------------------------- */

static void linear(const spa_kernel_args *args, const spa_vector *v)
{
    const spa_op *op = args->op;
    size_t k = spa_shape_last(spa_graph_input_shape(args->graph, op, 0));
    size_t m = spa_shape_last(&op->out), rows = spa_shape_count(&op->out) / m;
    float beta = op->attrs.has_bias ? 1 : 0;
    if (op->attrs.has_bias)
        for (size_t r = 0; r < rows; r++)
            memcpy(args->output + r * m, args->params[1], m * sizeof(float));
    if (rows == 1)
        gemv(m, k, args->params[0], args->inputs[0], beta, args->output);
    else
        gemm(true, rows, m, k, args->inputs[0], args->params[0], k, beta, args->output, m);
}

static void matmul(const spa_kernel_args *args, const spa_vector *v)
{
    spa_matmul_dims d = spa_op_matmul_dims(args->graph, args->op);
    for (size_t i = 0; i < d.batch; i++)
        gemm(d.transpose_b, d.m, d.n, d.k, args->inputs[0] + i * d.a_step,
             args->inputs[1] + i * d.b_step, d.transpose_b ? d.k : d.n, 0,
             args->output + i * d.m * d.n, d.n);
}

/* ---- the table ------------------------------------------------------------------------------- */

typedef void (*kernel)(const spa_kernel_args *args, const spa_vector *v);

static void generic(const spa_kernel_args *args, const spa_vector *v)
{
    spa_ref_generic(args);
}

static const kernel kernels[SPA_OP_KIND_COUNT] = {
    [SPA_OP_CONV] = conv,
    [SPA_OP_LINEAR] = linear,
    [SPA_OP_MATMUL] = matmul,
    [SPA_OP_BATCH_NORM] = spa_blas_batch_norm,
    [SPA_OP_LAYER_NORM] = spa_blas_layer_norm,
    [SPA_OP_RELU] = spa_blas_unary,
    [SPA_OP_RELU6] = spa_blas_unary,
    [SPA_OP_LEAKY_RELU] = spa_blas_unary,
    [SPA_OP_HARD_SWISH] = spa_blas_unary,
    [SPA_OP_HARD_SIGMOID] = spa_blas_unary,
    [SPA_OP_SIGMOID] = spa_blas_unary,
    [SPA_OP_GELU] = spa_blas_unary,
    [SPA_OP_SOFTMAX] = spa_blas_softmax,
    [SPA_OP_MAX_POOL] = spa_blas_pool,
    [SPA_OP_AVG_POOL] = spa_blas_pool,
    [SPA_OP_GLOBAL_AVG_POOL] = spa_blas_global_avg_pool,
    [SPA_OP_MEAN] = spa_blas_mean,
    [SPA_OP_ADD] = spa_blas_binary,
    [SPA_OP_MUL] = spa_blas_binary,
    [SPA_OP_CONCAT] = spa_blas_concat,
    [SPA_OP_SLICE] = spa_blas_move,
    [SPA_OP_PAD] = spa_blas_move,
    [SPA_OP_ROLL] = spa_blas_move,
    [SPA_OP_RESHAPE] = spa_blas_move,
    [SPA_OP_TRANSPOSE] = spa_blas_move,
    [SPA_OP_GATHER] = spa_blas_gather,
    [SPA_OP_UPSAMPLE] = spa_blas_move,
    [SPA_OP_HOST] = NULL,
    [SPA_OP_OTHER] = NULL,
    [SPA_OP_MATH] = generic,
    [SPA_OP_BINARY] = generic,
    [SPA_OP_REDUCE] = generic,
    [SPA_OP_TAKE] = generic,
    [SPA_OP_EMBED] = generic,
    [SPA_OP_EXPAND] = generic,
    [SPA_OP_WHERE] = generic,
    [SPA_OP_CONSTANT] = generic,
};

static spa_status probe(spa_error *err)
{
    /* Lanes call from their own threads; more threads inside a call would fight for cores and
     * change the results. Global in OpenBLAS, hence set before any lane runs. */
    openblas_set_num_threads(1);
    return SPA_OK;
}

static bool supports(const spa_graph *graph, const spa_op *op)
{
    return kernels[op->kind] != NULL;
}

/* BLAS counts in 32 bits: m, n and k of every product must fit. */
static spa_status check_sizes(const spa_graph *graph, const spa_op *op, spa_error *err)
{
    if (op->kind != SPA_OP_CONV && op->kind != SPA_OP_LINEAR && op->kind != SPA_OP_MATMUL)
        return SPA_OK;
    int64_t out = spa_shape_elements(&op->out);
    int64_t in = spa_shape_elements(spa_graph_input_shape(graph, op, 0));
    if (out <= INT32_MAX && in <= INT32_MAX && op->bytes_weight / 4 <= INT32_MAX) return SPA_OK;
    return spa_fail(err, SPA_E_RANGE, "operator '%s' (%s): a tensor of more than 2^31 elements",
                    op->name, spa_op_kind_name(op->kind));
}

static void fold_batch_norm(const float *const *params, size_t n, float *scale, float *shift)
{
    for (size_t c = 0; c < n; c++) {
        double factor = params[0][c] / sqrt(params[3][c] + SPA_NORM_EPSILON);
        scale[c] = (float)factor;
        shift[c] = (float)(params[1][c] - params[2][c] * factor);
    }
}

static spa_status prepare(const spa_graph *graph, const spa_op *op, const float *const *params,
                          void **state, spa_error *err)
{
    *state = NULL;
    SPA_TRY(check_sizes(graph, op, err));
    if (op->kind == SPA_OP_BATCH_NORM) {
        size_t c = (size_t)op->out.dim[1];
        float *folded;
        SPA_TRY(spa_alloc_aligned(&folded, 2 * c * sizeof(float), err));
        fold_batch_norm(params, c, folded, folded + c);
        *state = folded;
    } else if (op->kind == SPA_OP_GATHER) {
        size_t rows = (size_t)op->attrs.param_shape.dim[0];
        size_t heads = (size_t)op->attrs.param_shape.dim[1];
        float *table;
        SPA_TRY(spa_alloc_aligned(&table, rows * heads * sizeof(float), err));
        spa_vector_best()->transpose(params[0], heads, table, rows, rows, heads);
        *state = table;
    }
    return SPA_OK;
}

static size_t workspace_bytes(const spa_graph *graph, const spa_op *op)
{
    if (op->kind == SPA_OP_MAX_POOL || op->kind == SPA_OP_AVG_POOL ||
        spa_op_is_depthwise(graph, op))
        return spa_blas_plane_bytes(graph, op);
    if (op->kind != SPA_OP_CONV) return 0;
    spa_window d = spa_op_window(graph, op);
    if (spa_window_is_pointwise(&d)) return 0;
    return d.c / d.groups * d.kh * d.kw * d.ow * im2col_rows(&d) * sizeof(float);
}

static spa_status run(const spa_kernel_args *args, spa_error *err)
{
    kernel k = kernels[args->op->kind];
    if (k == NULL)
        return spa_fail(err, SPA_E_UNSUPPORTED, "operator '%s' (%s) has no kernel in 'blas'",
                        args->op->name, spa_op_kind_name(args->op->kind));
    k(args, spa_vector_best());
    return SPA_OK;
}

static void describe(char *text, size_t size)
{
    const char *version = openblas_get_config();
    size_t length = strcspn(version, " ");
    if (strncmp(version, "OpenBLAS ", 9) == 0) length = 9 + strcspn(version + 9, " ");
    snprintf(text, size, "%.*s (%s), loops %s", (int)length, version, openblas_get_corename(),
             spa_vector_best()->isa);
}

const spa_backend spa_backend_blas = {
    .name = "blas",
    .summary = "dense: OpenBLAS products, vectorised loops for the rest",
    .probe = probe,
    .supports = supports,
    .prepare = prepare,
    .release = free,
    .workspace_bytes = workspace_bytes,
    .run = run,
    .describe = describe,
};
