/* Networks in single precision: small products in own loops, large ones by BLAS. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/gemm.h"
#include "base/memory.h"
#include "base/rng.h"
#include "policies/learn/loops.h"
#include "policies/learn/net.h"
#include "policies/learn/products.h"

#define REAL     float
#define NN(name) name##_f32
#define GEMM     spa_gemm_f32
#define EXP      expf
#define ERF      erff
#define SQRT     sqrtf
#define TANH     tanhf

/* Below these sizes packing for BLAS costs more than it gains. */
#define FEW_ROWS  2
#define FEW_SIZES 8
/* More of them do not stay in the first-level cache from one block of rows to the next. */
#define MOST_GRADIENTS 8192

static void linear(const float *x, size_t rows, size_t in, const float *w, const float *bias,
                   size_t out, spa_activation f, float *y)
{
    const spa_loops *loops = spa_loops_best();
    if (out >= FEW_SIZES && spa_product_suits(rows, out, in)) {
        spa_product_run(&(spa_product){.m = rows,
                                       .n = out,
                                       .k = in,
                                       .a = x,
                                       .a_row = in,
                                       .a_step = 1,
                                       .b = w,
                                       .ldb = out,
                                       .c = y,
                                       .ldc = out,
                                       .bias = bias,
                                       .activation = f});
    } else if (rows <= FEW_ROWS || in <= FEW_SIZES || out < FEW_SIZES) {
        loops->dense(x, rows, in, w, bias, out, f, y);
    } else {
        spa_gemm_f32(false, false, rows, out, in, 1, x, in, w, out, 0, y, out);
        loops->bias_activate(bias, rows, out, f, y);
    }
}

static void linear_gradient(const float *x, const float *dy, size_t rows, size_t in, size_t out,
                            float *dw, float *dbias)
{
    const spa_loops *loops = spa_loops_best();
    if (out >= FEW_SIZES && in * out <= MOST_GRADIENTS && spa_product_suits(in, out, rows)) {
        spa_product_run(&(spa_product){.m = in,
                                       .n = out,
                                       .k = rows,
                                       .a = x,
                                       .a_row = 1,
                                       .a_step = in,
                                       .b = dy,
                                       .ldb = out,
                                       .c = dw,
                                       .ldc = out,
                                       .accumulate = true,
                                       .sums = dbias});
        return;
    }
    if (in <= FEW_SIZES || out < FEW_SIZES)
        loops->dense_gradient(x, dy, rows, in, out, dw);
    else
        spa_gemm_f32(true, false, in, out, rows, 1, x, in, dy, out, 1, dw, out);
    loops->sum_rows(dy, rows, out, dbias);
}

/* dx = (dy * w^T) * the slope of f at its results `before` (NULL: without), or dx += dy * w^T. */
static void linear_back(const float *dy, size_t rows, size_t out, const float *w, size_t in,
                        bool accumulate, spa_activation f, const float *before, float *dx,
                        float *scratch)
{
    const spa_loops *loops = spa_loops_best();
    if (spa_product_suits(rows, in, out)) {
        loops->transpose(w, in, out, scratch);
        spa_product_run(&(spa_product){.m = rows,
                                       .n = in,
                                       .k = out,
                                       .a = dy,
                                       .a_row = out,
                                       .a_step = 1,
                                       .b = scratch,
                                       .ldb = in,
                                       .c = dx,
                                       .ldc = in,
                                       .accumulate = accumulate,
                                       .slope_of = before,
                                       .slope = f});
        return;
    }
    if (out < FEW_SIZES && !accumulate) {
        loops->transpose(w, in, out, scratch);
        loops->dense(dy, rows, out, scratch, NULL, in, SPA_ACT_NONE, dx);
    } else {
        spa_gemm_f32(false, true, rows, in, out, 1, dy, out, w, out, accumulate, dx, in);
    }
    if (before) loops->activate_back(before, rows * in, f, dx);
}

static void activate(spa_activation f, size_t count, float *y)
{
    spa_loops_best()->bias_activate(NULL, 1, count, f, y);
}

static void activate_back(const float *y, size_t count, spa_activation f, float *dy)
{
    spa_loops_best()->activate_back(y, count, f, dy);
}

#include "policies/learn/net_layers.h"
#include "policies/learn/net_sequence.h"
#include "policies/learn/net_lstm.h"
#include "policies/learn/net_body.h"
