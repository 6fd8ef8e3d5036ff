/* The vectorised loops, written once; included by vector_base.c and vector_avx2.c, which define
 * VECTOR_TABLE and VECTOR_ISA. Vectors are the compiler's (GCC and clang), so that the same source
 * becomes SSE2, NEON or AVX2. Meant to be compiled with contraction to FMA. */
#include <string.h>

#include "kernels/vector.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

typedef float v8 __attribute__((vector_size(32)));
typedef int32_t v8i __attribute__((vector_size(32)));
typedef float v8u __attribute__((vector_size(32), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))

INLINE v8 load(const float *p)
{
    return *(const v8u *)p;
}
INLINE void store(float *p, v8 v)
{
    *(v8u *)p = v;
}
INLINE v8 splat(float x)
{
    return (v8){x, x, x, x, x, x, x, x};
}
INLINE v8 pick(v8i mask, v8 a, v8 b)
{
    return (v8)((mask & (v8i)a) | (~mask & (v8i)b));
}
INLINE v8 at_least(v8 x, float low)
{
    return pick(x < splat(low), splat(low), x);
}
INLINE v8 at_most(v8 x, float high)
{
    return pick(x > splat(high), splat(high), x);
}
INLINE v8 larger(v8 a, v8 b)
{
    return pick(a > b, a, b);
}

INLINE float total(v8 v)
{
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

/* The last n < 8 elements as a vector filled up with `fill`, and back. */
INLINE v8 load_part(const float *p, size_t n, float fill)
{
    float t[8] = {fill, fill, fill, fill, fill, fill, fill, fill};
    memcpy(t, p, n * sizeof t[0]);
    return load(t);
}
INLINE void store_part(float *p, size_t n, v8 v)
{
    float t[8];
    store(t, v);
    memcpy(p, t, n * sizeof t[0]);
}

/* ---- elementary functions -------------------------------------------------------------------- */

/* exp(x) = 2^n * exp(r), |r| <= ln2/2, by the Taylor series of degree 7 (relative error < 1e-8
 * before rounding). Saturates at exp(-87) and exp(88), inside the normal numbers. */
INLINE v8 exp8(v8 x)
{
    const v8 magic = splat(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    x = at_most(at_least(x, -87.0f), 88.0f);
    v8 t = x * splat(1.44269504f) + magic;
    v8 n = t - magic;
    v8 r = x - n * splat(0.693145752f); /* ln 2, upper 17 bits: n times it is exact */
    r = r - n * splat(1.42860677e-6f);  /* ln 2, the rest */
    v8 p = splat(1.0f / 5040);
    p = p * r + splat(1.0f / 720);
    p = p * r + splat(1.0f / 120);
    p = p * r + splat(1.0f / 24);
    p = p * r + splat(1.0f / 6);
    p = p * r + splat(0.5f);
    p = p * r + splat(1.0f);
    p = p * r + splat(1.0f);
    v8i power = ((v8i)t - (v8i)magic + 127) << 23;
    return p * (v8)power;
}

INLINE v8 sigmoid8(v8 x)
{
    return splat(1) / (splat(1) + exp8(-x));
}

/* x/2 * erfc(-x/sqrt 2); erfc by Abramowitz and Stegun (1964), formula 7.1.26, |error| < 1.5e-7. */
INLINE v8 gelu8(v8 x)
{
    v8 z = x * splat(0.70710678f);
    v8 a = pick(z < splat(0), -z, z);
    v8 t = splat(1) / (splat(1) + splat(0.3275911f) * a);
    v8 p = splat(1.061405429f);
    p = p * t + splat(-1.453152027f);
    p = p * t + splat(1.421413741f);
    p = p * t + splat(-0.284496736f);
    p = p * t + splat(0.254829592f);
    v8 q = p * t * exp8(-(a * a)); /* erfc(|z|) */
    return splat(0.5f) * x * pick(z < splat(0), q, splat(2) - q);
}

INLINE v8 relu6_8(v8 x)
{
    return at_most(at_least(x, 0), 6);
}

#include "kernels/vector_lanes.h"

#define MAP(expression)                                                                            \
    do {                                                                                           \
        size_t i = 0;                                                                              \
        for (; i + 8 <= n; i += 8) {                                                               \
            v8 v = load(x + i);                                                                    \
            store(y + i, expression);                                                              \
        }                                                                                          \
        if (i < n) {                                                                               \
            v8 v = load_part(x + i, n - i, 0);                                                     \
            store_part(y + i, n - i, expression);                                                  \
        }                                                                                          \
    } while (0)

static void unary(spa_op_kind kind, float alpha, const float *x, float *y, size_t n)
{
    switch (kind) {
    case SPA_OP_RELU:
        MAP(at_least(v, 0));
        break;
    case SPA_OP_RELU6:
        MAP(relu6_8(v));
        break;
    case SPA_OP_LEAKY_RELU:
        MAP(pick(v < splat(0), v * splat(alpha), v));
        break;
    case SPA_OP_HARD_SIGMOID:
        MAP(relu6_8(v + splat(3)) * splat(1.0f / 6));
        break;
    case SPA_OP_HARD_SWISH:
        MAP(v * relu6_8(v + splat(3)) * splat(1.0f / 6));
        break;
    case SPA_OP_SIGMOID:
        MAP(sigmoid8(v));
        break;
    case SPA_OP_GELU:
        MAP(gelu8(v));
        break;
    default:
        break;
    }
}

/* ---- arithmetic of two operands ----------------------------------------------------------------
 */

static void add(const float *a, const float *b, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}
static void add_scalar(const float *a, float b, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = a[i] + b;
}
static void mul(const float *a, const float *b, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}
static void mul_scalar(const float *a, float b, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = a[i] * b;
}
static void affine(const float *a, float scale, float shift, float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = a[i] * scale + shift;
}

/* ---- reductions --------------------------------------------------------------------------------
 */

static float sum(const float *x, size_t n)
{
    v8 s = splat(0), t = splat(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        s += load(x + i);
        t += load(x + i + 8);
    }
    for (; i + 8 <= n; i += 8) s += load(x + i);
    if (i < n) t += load_part(x + i, n - i, 0);
    return total(s + t);
}

static float maximum(const float *x, size_t n)
{
    v8 m = splat(x[0]);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) m = larger(load(x + i), m);
    if (i < n) m = larger(load_part(x + i, n - i, x[0]), m);
    float best = m[0];
    for (int k = 1; k < 8; k++) best = m[k] > best ? m[k] : best;
    return best;
}

static void softmax(const float *x, float *y, size_t n)
{
    float largest = maximum(x, n);
    MAP(exp8(v - splat(largest)));
    mul_scalar(y, 1 / sum(y, n), y, n);
}

static float square_distance(const float *x, float mean, size_t n)
{
    v8 s = splat(0);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        v8 d = load(x + i) - splat(mean);
        s += d * d;
    }
    if (i < n) {
        v8 d = load_part(x + i, n - i, mean) - splat(mean);
        s += d * d;
    }
    return total(s);
}

static void layer_norm(const float *x, const float *scale, const float *shift, float epsilon,
                       float *y, size_t n)
{
    float mean = sum(x, n) / (float)n;
    float variance = square_distance(x, mean, n) / (float)n;
    float factor = 1 / __builtin_sqrtf(variance + epsilon);
    for (size_t i = 0; i < n; i++) y[i] = (x[i] - mean) * factor * scale[i] + shift[i];
}

/* ---- windows ------------------------------------------------------------------------------------
 */

INLINE void store_two(float *y, size_t n, v8 a, v8 b)
{
    if (n >= 16) {
        store(y, a);
        store(y + 8, b);
    } else if (n > 8) {
        store(y, a);
        store_part(y + 8, n - 8, b);
    } else {
        store_part(y, n, a);
    }
}

static void window_sum(const float *const *rows, size_t kh, const size_t *offset, size_t kw,
                       const float *weight, float bias, float *y, size_t n)
{
    size_t i = 0;
    for (; i + 8 < n; i += 16) {
        v8 a = splat(bias), b = splat(bias);
        for (size_t r = 0; r < kh; r++) {
            for (size_t k = 0; k < kw; k++) {
                const float *x = rows[r] + offset[k] + i;
                v8 w = splat(weight[r * kw + k]);
                a += w * load(x);
                b += w * load(x + 8);
            }
        }
        store_two(y + i, n - i, a, b);
    }
    if (i >= n) return;
    v8 a = splat(bias);
    for (size_t r = 0; r < kh; r++)
        for (size_t k = 0; k < kw; k++)
            a += splat(weight[r * kw + k]) * load(rows[r] + offset[k] + i);
    store_part(y + i, n - i, a);
}

static void window_max(const float *const *rows, size_t kh, const size_t *offset, size_t kw,
                       float *y, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        v8 a = load(rows[0] + offset[0] + i), b = load(rows[0] + offset[0] + i + 8);
        for (size_t r = 0; r < kh; r++) {
            for (size_t k = 0; k < kw; k++) {
                const float *x = rows[r] + offset[k] + i;
                a = larger(load(x), a);
                b = larger(load(x + 8), b);
            }
        }
        store_two(y + i, n - i, a, b);
    }
}

/* ---- transposition
 * -------------------------------------------------------------------------------- */

INLINE void transpose_8x8(const float *x, size_t x_step, float *y, size_t y_step)
{
#define SHUFFLE __builtin_shufflevector
    v8 r[8], t[8];
    for (int i = 0; i < 8; i++) r[i] = load(x + (size_t)i * x_step);
    for (int i = 0; i < 8; i += 2) { /* pairs of rows, interleaved */
        t[i] = SHUFFLE(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        t[i + 1] = SHUFFLE(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 8; i += 4) { /* fours */
        r[i] = SHUFFLE(t[i], t[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        r[i + 1] = SHUFFLE(t[i], t[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        r[i + 2] = SHUFFLE(t[i + 1], t[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
        r[i + 3] = SHUFFLE(t[i + 1], t[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    for (int i = 0; i < 4; i++) { /* halves */
        store(y + (size_t)i * y_step, SHUFFLE(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11));
        store(y + (size_t)(i + 4) * y_step, SHUFFLE(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15));
    }
#undef SHUFFLE
}

static void transpose(const float *x, size_t x_step, float *y, size_t y_step, size_t rows,
                      size_t columns)
{
    size_t full_rows = rows / 8 * 8, full_columns = columns / 8 * 8;
    for (size_t i = 0; i < full_rows; i += 8)
        for (size_t j = 0; j < full_columns; j += 8)
            transpose_8x8(x + i * x_step + j, x_step, y + j * y_step + i, y_step);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = i < full_rows ? full_columns : 0; j < columns; j++)
            y[j * y_step + i] = x[i * x_step + j];
}

/* ---- zeros
 * ------------------------------------------------------------------------------------------ */

static size_t count_zeros(const float *x, size_t n)
{
    size_t zeros = 0;
    for (size_t first = 0; first < n; first += (size_t)1 << 20) { /* lanes count in 32 bits */
        size_t end = n - first > (size_t)1 << 20 ? first + ((size_t)1 << 20) : n, i = first;
        v8i lanes = {0};
        for (; i + 8 <= end; i += 8) lanes -= load(x + i) == splat(0);
        for (int k = 0; k < 8; k++) zeros += (size_t)lanes[k];
        for (; i < end; i++) zeros += x[i] == 0;
    }
    return zeros;
}

#if defined(__AVX2__)
/* For each set of lanes of a half vector: their numbers, in order. */
static const int32_t kept_lanes[16][4] __attribute__((aligned(16))) = {
    {0, 0, 0, 0}, {0, 0, 0, 0}, {1, 0, 0, 0}, {0, 1, 0, 0}, {2, 0, 0, 0}, {0, 2, 0, 0},
    {1, 2, 0, 0}, {0, 1, 2, 0}, {3, 0, 0, 0}, {0, 3, 0, 0}, {1, 3, 0, 0}, {0, 1, 3, 0},
    {2, 3, 0, 0}, {0, 2, 3, 0}, {1, 2, 3, 0}, {0, 1, 2, 3},
};

static size_t compress(const float *x, size_t n, uint32_t base, float *values, uint32_t *indices)
{
    size_t kept = 0, i = 0;
    for (; i + 4 <= n; i += 4) {
        __m128 v = _mm_loadu_ps(x + i);
        int mask = _mm_movemask_ps(_mm_cmpneq_ps(v, _mm_setzero_ps()));
        __m128i lanes = _mm_load_si128((const __m128i *)(const void *)kept_lanes[mask]);
        _mm_storeu_ps(values + kept, _mm_permutevar_ps(v, lanes));
        _mm_storeu_si128((__m128i *)(void *)(indices + kept),
                         _mm_add_epi32(lanes, _mm_set1_epi32((int)(base + (uint32_t)i))));
        kept += (size_t)__builtin_popcount((unsigned)mask);
    }
    for (; i < n; i++) {
        values[kept] = x[i];
        indices[kept] = base + (uint32_t)i;
        kept += x[i] != 0;
    }
    return kept;
}
#else
static size_t compress(const float *x, size_t n, uint32_t base, float *values, uint32_t *indices)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) { /* without a branch: half of them would be mispredicted */
        values[kept] = x[i];
        indices[kept] = base + (uint32_t)i;
        kept += x[i] != 0;
    }
    return kept;
}
#endif

/* Two nonzeros at a time into two sets of sums where one set could not cover the FMA latency. */
#define DEFINE_RUNS(VECTORS, SETS)                                                                 \
    static void runs_##VECTORS(const float *weights, const float *values, const uint32_t *indices, \
                               const spa_sparse_run *runs, size_t n_runs)                          \
    {                                                                                              \
        for (size_t r = 0; r < n_runs; r++) {                                                      \
            v8 s[SETS][VECTORS];                                                                   \
            size_t i = runs[r].begin, end = runs[r].end;                                           \
            _Pragma("GCC unroll 8") for (int k = 0; k < VECTORS; k++)                              \
            {                                                                                      \
                s[0][k] = load(runs[r].sums + 8 * k);                                              \
                if (SETS > 1) s[SETS - 1][k] = splat(0);                                           \
            }                                                                                      \
            for (; i + SETS <= end; i += SETS) {                                                   \
                _Pragma("GCC unroll 2") for (int j = 0; j < SETS; j++)                             \
                {                                                                                  \
                    const float *w =                                                               \
                        weights + ((int64_t)indices[i + (size_t)j] + runs[r].shift) * 8 * VECTORS; \
                    v8 x = splat(values[i + (size_t)j]);                                           \
                    _Pragma("GCC unroll 8") for (int k = 0; k < VECTORS; k++) s[j][k] +=           \
                        x * load(w + 8 * k);                                                       \
                }                                                                                  \
            }                                                                                      \
            for (; i < end; i++) {                                                                 \
                const float *w = weights + ((int64_t)indices[i] + runs[r].shift) * 8 * VECTORS;    \
                v8 x = splat(values[i]);                                                           \
                _Pragma("GCC unroll 8") for (int k = 0; k < VECTORS; k++) s[0][k] +=               \
                    x * load(w + 8 * k);                                                           \
            }                                                                                      \
            _Pragma("GCC unroll 8") for (int k = 0; k < VECTORS; k++)                              \
                store(runs[r].sums + 8 * k, SETS > 1 ? s[0][k] + s[SETS - 1][k] : s[0][k]);        \
        }                                                                                          \
    }

DEFINE_RUNS(1, 2)
DEFINE_RUNS(2, 2)
DEFINE_RUNS(3, 2)
DEFINE_RUNS(4, 2)
DEFINE_RUNS(5, 1)
DEFINE_RUNS(6, 1)
DEFINE_RUNS(7, 1)
DEFINE_RUNS(8, 1)

static void sparse_runs(const float *weights, size_t vectors, const float *values,
                        const uint32_t *indices, const spa_sparse_run *runs, size_t n_runs)
{
    static void (*const by_vectors[])(const float *, const float *, const uint32_t *,
                                      const spa_sparse_run *, size_t) = {
        NULL, runs_1, runs_2, runs_3, runs_4, runs_5, runs_6, runs_7, runs_8};
    by_vectors[vectors](weights, values, indices, runs, n_runs);
}

const spa_vector VECTOR_TABLE = {
    .isa = VECTOR_ISA,
    .unary = unary,
    .add = add,
    .add_scalar = add_scalar,
    .mul = mul,
    .mul_scalar = mul_scalar,
    .affine = affine,
    .affine_lanes = affine_lanes,
    .sum_lanes = sum_lanes,
    .max_lanes = max_lanes,
    .mean_lanes = mean_lanes,
    .sum = sum,
    .softmax = softmax,
    .layer_norm = layer_norm,
    .window_sum = window_sum,
    .window_max = window_max,
    .transpose = transpose,
    .count_zeros = count_zeros,
    .compress = compress,
    .sparse_runs = sparse_runs,
};
