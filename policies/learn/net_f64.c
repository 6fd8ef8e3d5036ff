/* Networks in double precision, to check the gradients of the very source that float uses. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/gemm.h"
#include "base/memory.h"
#include "base/rng.h"
#include "policies/learn/net.h"

#define REAL     double
#define NN(name) name##_f64
#define GEMM     spa_gemm_f64
#define EXP      exp
#define ERF      erf
#define SQRT     sqrt
#define TANH     tanh

static void activate(spa_activation f, size_t count, double *y)
{
    for (size_t i = 0; i < count; i++) {
        if (f == SPA_ACT_TANH) y[i] = tanh(y[i]);
        if (f == SPA_ACT_RELU && y[i] <= 0) y[i] = 0;
    }
}

static void activate_back(const double *y, size_t count, spa_activation f, double *dy)
{
    for (size_t i = 0; i < count; i++) {
        if (f == SPA_ACT_TANH) dy[i] *= 1 - y[i] * y[i];
        if (f == SPA_ACT_RELU && !(y[i] > 0)) dy[i] = 0;
    }
}

static void linear(const double *x, size_t rows, size_t in, const double *w, const double *bias,
                   size_t out, spa_activation f, double *y)
{
    spa_gemm_f64(false, false, rows, out, in, 1, x, in, w, out, 0, y, out);
    for (size_t r = 0; bias && r < rows; r++)
        for (size_t i = 0; i < out; i++) y[r * out + i] += bias[i];
    activate(f, rows * out, y);
}

static void linear_gradient(const double *x, const double *dy, size_t rows, size_t in, size_t out,
                            double *dw, double *dbias)
{
    spa_gemm_f64(true, false, in, out, rows, 1, x, in, dy, out, 1, dw, out);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < out; i++) dbias[i] += dy[r * out + i];
}

static void linear_back(const double *dy, size_t rows, size_t out, const double *w, size_t in,
                        bool accumulate, spa_activation f, const double *before, double *dx,
                        double *scratch)
{
    (void)scratch;
    spa_gemm_f64(false, true, rows, in, out, 1, dy, out, w, out, accumulate, dx, in);
    if (before) activate_back(before, rows * in, f, dx);
}

#include "policies/learn/net_layers.h"
#include "policies/learn/net_sequence.h"
#include "policies/learn/net_lstm.h"
#include "policies/learn/net_body.h"
