/* The loops of loops.h, written once; included by loops_base.c and loops_avx2.c, which define
 * LOOPS_TABLE and LOOPS_ISA. */
#include <math.h>

#include "policies/learn/loops.h"
#include "policies/learn/vec8.h"

/* ---- activations ---- */

INLINE void bias_rows(const float *bias, size_t rows, size_t n, spa_activation f, float *y)
{
    for (size_t r = 0; r < rows; r++, y += n) {
        for (size_t i = 0; i < n; i += 8) {
            v8 v = load_some(y + i, n - i);
            if (bias) v += load_some(bias + i, n - i);
            store_some(y + i, n - i, activate8(v, f));
        }
    }
}

static void bias_activate(const float *bias, size_t rows, size_t n, spa_activation f, float *y)
{
    if (f == SPA_ACT_TANH)
        bias_rows(bias, rows, n, SPA_ACT_TANH, y);
    else if (f == SPA_ACT_RELU)
        bias_rows(bias, rows, n, SPA_ACT_RELU, y);
    else
        bias_rows(bias, rows, n, SPA_ACT_NONE, y);
}

static void activate_back(const float *y, size_t count, spa_activation f, float *dy)
{
    if (f == SPA_ACT_NONE) return;
    for (size_t i = 0; i < count; i += 8) {
        size_t n = count - i;
        v8 v = load_some(y + i, n), d = load_some(dy + i, n);
        store_some(dy + i, n, slope8(d, v, f));
    }
}

/* ---- products ---- */

/* One block of `vectors` x 8 outputs of one row; the last vector may be partly past the row. */
INLINE void dense_block(const float *x, size_t in, const float *w, size_t out, const float *bias,
                        size_t vectors, size_t columns, spa_activation f, float *y)
{
    v8 sum[8];
    for (size_t v = 0; v < vectors; v++) {
        size_t n = columns - 8 * v;
        sum[v] = bias ? load_some(bias + 8 * v, n) : splat(0);
    }
    for (size_t k = 0; k < in; k++, w += out) {
        v8 factor = splat(x[k]);
        for (size_t v = 0; v < vectors; v++) sum[v] += factor * load(w + 8 * v);
    }
    for (size_t v = 0; v < vectors; v++)
        store_some(y + 8 * v, columns - 8 * v, activate8(sum[v], f));
}

/* Up to 8 outputs of four rows side by side, so that their sums are independent. */
INLINE void dense_narrow(const float *x, size_t in, const float *w, const float *bias, size_t out,
                         size_t stride, spa_activation f, float *y)
{
    v8 start = bias ? load_part(bias, out) : splat(0);
    v8 a = start, b = start, c = start, d = start;
    for (size_t k = 0; k < in; k++, w += stride) {
        v8 row = load(w);
        a += splat(x[k]) * row;
        b += splat(x[in + k]) * row;
        c += splat(x[2 * in + k]) * row;
        d += splat(x[3 * in + k]) * row;
    }
    store_part(y, out, activate8(a, f));
    store_part(y + stride, out, activate8(b, f));
    store_part(y + 2 * stride, out, activate8(c, f));
    store_part(y + 3 * stride, out, activate8(d, f));
}

/* One output: 8 inputs side by side. */
static void dense_single(const float *x, size_t rows, size_t in, const float *w, float bias,
                         float *y)
{
    for (size_t r = 0; r < rows; r++, x += in) {
        v8 sum = splat(0);
        size_t k = 0;
        for (; k + 8 <= in; k += 8) sum += load(x + k) * load(w + k);
        if (k < in) sum += load_part(x + k, in - k) * load_part(w + k, in - k);
        y[r] = bias + total(sum);
    }
}

INLINE void dense_as(const float *x, size_t rows, size_t in, const float *w, const float *bias,
                     size_t out, spa_activation f, float *y)
{
    size_t r = 0;
    if (out < 8) {
        for (; r + 4 <= rows; r += 4)
            dense_narrow(x + r * in, in, w, bias, out, out, f, y + r * out);
    }
    for (; r < rows; r++) {
        const float *row = x + r * in;
        float *to = y + r * out;
        size_t i = 0;
        for (; i + 64 <= out; i += 64)
            dense_block(row, in, w + i, out, bias ? bias + i : NULL, 8, 64, f, to + i);
        for (; i + 16 <= out; i += 16)
            dense_block(row, in, w + i, out, bias ? bias + i : NULL, 2, 16, f, to + i);
        for (; i < out; i += 8)
            dense_block(row, in, w + i, out, bias ? bias + i : NULL, 1, out - i, f, to + i);
    }
}

static void dense(const float *x, size_t rows, size_t in, const float *w, const float *bias,
                  size_t out, spa_activation f, float *y)
{
    if (out == 1) {
        dense_single(x, rows, in, w, bias ? *bias : 0, y);
        bias_activate(NULL, 1, rows, f, y);
    } else if (f == SPA_ACT_TANH)
        dense_as(x, rows, in, w, bias, out, SPA_ACT_TANH, y);
    else if (f == SPA_ACT_RELU)
        dense_as(x, rows, in, w, bias, out, SPA_ACT_RELU, y);
    else
        dense_as(x, rows, in, w, bias, out, SPA_ACT_NONE, y);
}

/* Few outputs: 8 inputs side by side per output. */
static void gradient_of_narrow(const float *x, const float *dy, size_t rows, size_t in, size_t out,
                               float *dw)
{
    for (size_t k = 0; k < in; k += 8) {
        size_t n = in - k < 8 ? in - k : 8;
        for (size_t o = 0; o < out; o++) {
            v8 even = splat(0), odd = splat(0);
            size_t r = 0;
            for (; r + 2 <= rows; r += 2) {
                even += load_some(x + r * in + k, n) * splat(dy[r * out + o]);
                odd += load_some(x + (r + 1) * in + k, n) * splat(dy[(r + 1) * out + o]);
            }
            if (r < rows) even += load_some(x + r * in + k, n) * splat(dy[r * out + o]);
            even += odd;
            for (size_t j = 0; j < n; j++) dw[(k + j) * out + o] += even[j];
        }
    }
}

/* Few inputs: 8 outputs side by side, two inputs at a time. */
static void gradient_of_flat(const float *x, const float *dy, size_t rows, size_t in, size_t out,
                             float *dw)
{
    for (size_t o = 0; o < out; o += 8) {
        size_t n = out - o < 8 ? out - o : 8;
        for (size_t k = 0; k < in; k += 4) {
            size_t m = in - k < 4 ? in - k : 4;
            v8 sum[4] = {splat(0), splat(0), splat(0), splat(0)};
            for (size_t r = 0; r < rows; r++) {
                v8 d = load_some(dy + r * out + o, n);
                for (size_t j = 0; j < m; j++) sum[j] += splat(x[r * in + k + j]) * d;
            }
            for (size_t j = 0; j < m; j++) {
                float *to = dw + (k + j) * out + o;
                store_some(to, n, load_some(to, n) + sum[j]);
            }
        }
    }
}

static void dense_gradient(const float *x, const float *dy, size_t rows, size_t in, size_t out,
                           float *dw)
{
    if (out < 8)
        gradient_of_narrow(x, dy, rows, in, out, dw);
    else
        gradient_of_flat(x, dy, rows, in, out, dw);
}

#if defined(__AVX__)
/* 8 x 8 from rows x_step apart to rows y_step apart: pairs, fours, then halves change places. */
static void transpose_block(const float *x, size_t x_step, float *y, size_t y_step)
{
    __m256 a[8], b[8];
    for (size_t i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(x + i * x_step);
    for (size_t i = 0; i < 8; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    for (size_t i = 0; i < 8; i += 4) {
        for (size_t k = 0; k < 2; k++) {
            a[i + 2 * k] = _mm256_shuffle_ps(b[i + k], b[i + k + 2], 0x44);
            a[i + 2 * k + 1] = _mm256_shuffle_ps(b[i + k], b[i + k + 2], 0xee);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        _mm256_storeu_ps(y + i * y_step, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
        _mm256_storeu_ps(y + (i + 4) * y_step, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    }
}
#else
static void transpose_block(const float *x, size_t x_step, float *y, size_t y_step)
{
    for (size_t r = 0; r < 8; r++)
        for (size_t c = 0; c < 8; c++) y[c * y_step + r] = x[r * x_step + c];
}
#endif

static void transpose(const float *x, size_t rows, size_t columns, float *y)
{
    size_t whole_rows = rows / 8 * 8, whole_columns = columns / 8 * 8;
    for (size_t r = 0; r < whole_rows; r += 8)
        for (size_t c = 0; c < whole_columns; c += 8)
            transpose_block(x + r * columns + c, columns, y + c * rows + r, rows);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = r < whole_rows ? whole_columns : 0; c < columns; c++)
            y[c * rows + r] = x[r * columns + c];
}

static void sum_rows(const float *x, size_t rows, size_t n, float *sums)
{
    if (n == 1) {
        v8 sum = splat(0);
        for (size_t r = 0; r < rows; r += 8) sum += load_some(x + r, rows - r);
        *sums += total(sum);
        return;
    }
    for (size_t i = 0; i < n; i += 8) {
        v8 a = splat(0), b = splat(0);
        size_t r = 0;
        for (; r + 2 <= rows; r += 2) {
            a += load_some(x + r * n + i, n - i);
            b += load_some(x + (r + 1) * n + i, n - i);
        }
        if (r < rows) a += load_some(x + r * n + i, n - i);
        store_some(sums + i, n - i, load_some(sums + i, n - i) + (a + b));
    }
}

/* ---- optimiser ---- */

/* x, or 0 where it is so small that it would soon be no normal number: reckoning with those takes a
 * hundred times as long, and the moments of units that ReLU has switched off are full of them. */
INLINE v8 fade(v8 x, float least)
{
    return pick((x < splat(least)) & (x > splat(-least)), splat(0), x);
}

static void adam(float *parameter, const float *gradient, float *moment1, float *moment2, size_t n,
                 const spa_adam_step *step)
{
    const spa_adam_step s = *step;
    for (size_t i = 0; i < n; i += 8) {
        size_t k = n - i;
        v8 p = load_some(parameter + i, k);
        v8 g = load_some(gradient + i, k) * splat(s.gradient_scale) + splat(s.weight_l2) * p;
        g = fade(g, 1e-17f); /* so that its square is a normal number, too */
        v8 m = splat(s.beta1) * load_some(moment1 + i, k) + splat(1 - s.beta1) * g;
        v8 v = splat(s.beta2) * load_some(moment2 + i, k) + splat(1 - s.beta2) * (g * g);
        m = fade(m, 1e-30f);
        v = fade(v, 1e-35f);
        store_some(moment1 + i, k, m);
        store_some(moment2 + i, k, v);
        p -= splat(s.rate) * m / (root8(v) * splat(s.root_scale) + splat(s.epsilon));
        store_some(parameter + i, k, p);
    }
}

static void add(float *restrict to, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] += x[i];
}

static void blend(float *restrict target, const float *restrict source, float rate, size_t n)
{
    for (size_t i = 0; i < n; i++) target[i] += rate * (source[i] - target[i]);
}

static double sum_squares(const float *x, size_t n)
{
    double sum[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++) sum[j] += (double)x[i + j] * x[i + j];
    for (; i < n; i++) sum[0] += (double)x[i] * x[i];
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

const spa_loops LOOPS_TABLE = {
    .isa = LOOPS_ISA,
    .dense = dense,
    .dense_gradient = dense_gradient,
    .transpose = transpose,
    .bias_activate = bias_activate,
    .activate_back = activate_back,
    .sum_rows = sum_rows,
    .adam = adam,
    .add = add,
    .blend = blend,
    .sum_squares = sum_squares,
};
